"""Bounds of data files, checked before anything is expanded: headers that lie and packed bombs are refused at once."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from edgesim.errors import DataError
from edgesim.formatting import size

MAX_EXPANDED_BYTES = 16 << 30
"""of one array of a file; the largest public set here has 1.2 GB"""
MAX_PACKING = 250
"""bytes that one packed byte may stand for, from SMALL_BYTES on: images reach 30, zeros 1,000"""
SMALL_BYTES = 64 << 20
SMALL_ROWS = 100_000
LEAST_ROW_BYTES = 16
"""of a table with images; the smallest PNG has 67"""
MAX_BATCH_BYTES = 64 << 20
"""of values that are expanded at once"""
MAX_IMAGE_PIXELS = 1 << 24
"""of one image before it is resized: 4,096 x 4,096"""


def check_expanded(path: Path, expanded: int, packed: int, what: str = "") -> None:
    """Refuse what would expand to more than a data set has, or to more than its packed size can honestly hold.

    Args:
        path: the file.
        expanded: bytes that its header announces.
        packed: bytes that stand in the file for them.
        what: part of the file, for the message.

    Raises:
        DataError: naming both sizes.
    """
    where = f"{path}{what}"
    if expanded > MAX_EXPANDED_BYTES:
        raise DataError(f"{where}: announces {size(expanded)}; at most {size(MAX_EXPANDED_BYTES)} are read")
    if expanded > SMALL_BYTES and expanded > MAX_PACKING * max(packed, 1):
        held = f"{size(packed)} in the file would expand to {size(expanded)}"
        raise DataError(f"{where}: {held}, more than {MAX_PACKING} to 1; save it with less compression, or replace it")


def check_rows(path: Path, rows: int, packed: int) -> None:
    """Refuse a table with more rows than its file can honestly hold: equal values take no room in parquet.

    Args:
        path: the file.
        rows: that it announces.
        packed: bytes of the file.

    Raises:
        DataError: naming both numbers.
    """
    if rows > SMALL_ROWS and rows * LEAST_ROW_BYTES > packed:
        held = f"{rows:,} rows in {size(packed)} are fewer than {LEAST_ROW_BYTES} bytes each"
        raise DataError(f"{path}: {held}, which no images are; replace it")


def check_npz(path: Path) -> None:
    """Compare the header of every array with the size that the archive states for it, reading no values.

    Raises:
        DataError: an array whose header announces another size than there is, or one beyond the bounds.
        ValueError, OSError, zipfile.BadZipFile: no archive of arrays.
    """
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            what = f", array '{entry.filename.removesuffix('.npy')}'"
            check_expanded(path, entry.file_size, entry.compress_size, what)
            if not entry.filename.endswith(".npy"):
                continue
            with archive.open(entry) as file:
                version = np.lib.format.read_magic(file)
                read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
                shape, _, dtype = read(file)
                if dtype.hasobject:
                    continue  # refused when it is read, with what to save instead
                announced = dtype.itemsize * int(np.prod(shape, dtype=object))
                if announced != entry.file_size - file.tell():
                    there = f"its header announces {size(announced)}, {size(entry.file_size - file.tell())} are there"
                    raise DataError(f"{path}{what}: is truncated or damaged ({there}); replace it with a complete copy")
