"""Data files that lie or expand without end are refused before they are expanded: in a moment, without the memory."""

from __future__ import annotations

import gzip
import io
import os
import struct
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgesim.data import datasets
from edgesim.errors import DataError

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 8, 8)).astype(np.uint8)
LABELS = np.arange(40) % 4


def load(name: str, root: Path, **arguments: Any) -> Any:
    return datasets.load(datasets.DATASETS[name](root=str(root), **arguments), name, root.parent)


def npy(shape: tuple[int, ...], dtype: str, values: bytes = b"") -> bytes:
    """An array in NumPy's format whose header announces `shape`, whatever values follow."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": dtype, "fortran_order": False, "shape": shape})
    return buffer.getvalue() + values


def archive(path: Path, **arrays: bytes) -> Path:
    """An .npz file with these arrays, the others as they should be."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, values in {
            "x_train": PIXELS,
            "y_train": LABELS,
            "x_test": PIXELS[:12],
            "y_test": LABELS[:12],
        }.items():
            buffer = io.BytesIO()
            np.save(buffer, values)
            file.writestr(f"{name}.npy", arrays.get(name, buffer.getvalue()))
    return path


def png(width: int, height: int) -> bytes:
    """A valid PNG of black pixels."""
    lines = zlib.compress(bytes((1 + 3 * width) * height), 9)

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", lines) + chunk(b"IEND", b"")


def lying_header(folder: Path) -> Any:
    return load("npz", archive(folder / "a.npz", x_train=npy((10**12, 30, 30), "|u1", b"abc")))


def zip_bomb(folder: Path) -> Any:
    return load("npz", archive(folder / "a.npz", x_train=npy((100, 1000, 1000), "|u1", bytes(10**8))))


def gzip_bomb(folder: Path) -> Any:
    """The header announces 47 MB; 3 GB follow, as 300 members of ten million zeros."""
    images = struct.pack(">IIII", 2051, 60_000, 28, 28)
    member = gzip.compress(bytes(10**7), 9)
    (folder / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(images) + 300 * member)
    for stem, count in (("train", 60_000), ("t10k", 100)):
        labels = struct.pack(">II", 2049, count) + bytes(i % 10 for i in range(count))
        (folder / f"{stem}-labels-idx1-ubyte").write_bytes(labels)
    (folder / "t10k-images-idx3-ubyte").write_bytes(struct.pack(">IIII", 2051, 100, 28, 28) + bytes(78_400))
    return load("mnist", folder)


def lying_idx(folder: Path) -> Any:
    """A header that announces 3 EB."""
    small_mnist(folder)
    (folder / "train-images-idx3-ubyte").write_bytes(struct.pack(">IIII", 2051, 2**31, 2**15, 2**15) + bytes(100))
    return load("mnist", folder)


def small_mnist(folder: Path) -> None:
    for stem in ("train", "t10k"):
        (folder / f"{stem}-images-idx3-ubyte").write_bytes(struct.pack(">IIII", 2051, 10, 28, 28) + bytes(7_840))
        (folder / f"{stem}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 2049, 10) + bytes(range(10)))


def image_bomb(folder: Path) -> Any:
    for split in ("train", "test"):
        for name in "ab":
            (folder / split / name).mkdir(parents=True)
            (folder / split / name / f"{split}.png").write_bytes(png(6_000, 6_000))
    return load("image-folder", folder)


def shared_cells(folder: Path, rows: int, image_bytes: int, label: str) -> Any:
    """Rows that share one image and one label: parquet stores each once, whatever the number of rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    where = pa.array(np.zeros(rows, np.int32))
    image = pa.DictionaryArray.from_arrays(where, pa.array([png(4, 4) + bytes(image_bytes)]))
    images = pa.StructArray.from_arrays([image, pa.nulls(rows, pa.string())], ["bytes", "path"])
    labels = pa.DictionaryArray.from_arrays(where, pa.array([label]))
    for split in ("train", "test"):
        table = pa.table({"image": images, "label": labels}).slice(split == "test")
        pq.write_table(table, folder / f"{split}.parquet", store_schema=False)
    return load("parquet", folder)


def shared_image(folder: Path) -> Any:
    return shared_cells(folder, 2_000, 8_000_000, "a")


def shared_label(folder: Path) -> Any:
    return shared_cells(folder, 90_000, 0, "x" * 900_000)


def shared_rows(folder: Path) -> Any:
    return shared_cells(folder, 3_000_000, 0, "a")


def broken_annotations(folder: Path) -> Any:
    (folder / "train" / "n01" / "images").mkdir(parents=True)
    (folder / "train" / "n01" / "images" / "a.JPEG").write_bytes(png(4, 4))
    (folder / "val").mkdir()
    (folder / "val" / "val_annotations.txt").write_bytes(b"../../../etc/hostname\tn01\t0\t0\t3\t3\n")
    return load("tiny-imagenet", folder)


def no_text(folder: Path) -> Any:
    with pytest.raises(DataError, match="is no name of a file in val/images"):
        broken_annotations(folder)
    (folder / "val" / "val_annotations.txt").write_bytes(b"a\xff.JPEG\tn01\n")
    return load("tiny-imagenet", folder)


def program(folder: Path) -> Any:
    """PostScript, for which Pillow would start Ghostscript."""
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\n%%EndComments\n/x { 1 } def\n%%EOF\n"
    return parquet(folder, [{"bytes": postscript, "path": None}] * 4)


def doubled_columns(folder: Path) -> Any:
    return parquet(folder, [{"bytes": png(4, 4), "path": None}] * 4, twice=True)


def wrong_struct(folder: Path) -> Any:
    return parquet(folder, [{"bytes": i, "path": None} for i in range(4)])


def parquet(folder: Path, images: list[Any], twice: bool = False) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    for split in ("train", "test"):
        table = pa.table({"image": images, "label": [0, 1] * 2, "split": [split] * 4})
        table = table.append_column("label", pa.array([0, 1] * 2)) if twice else table
        pq.write_table(table, folder / f"{split}.parquet")
    return load("parquet", folder)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lying_header, "array 'x_train': is truncated or damaged (its header announces 900 TB, 3 B are there)"),
        (zip_bomb, "would expand to 100 MB, more than 250 to 1"),
        (gzip_bomb, "more than 47,040,000 values, 47,040,000 announced"),
        (lying_idx, "announces 2,310,000 TB; at most 17.2 GB are read"),
        (image_bomb, "announces 6,000 x 6,000 pixels; at most 16,777,216 are decoded"),
        (shared_image, "would expand to"),
        (shared_label, "column 'label' has a text of 900,000 characters; at most 1,000 are read"),
        (shared_rows, "3,000,000 rows in"),
        (no_text, "is no text in UTF-8"),
        (program, "row 0: is EPS, whatever its name says"),
        (lambda folder: load("npz", Path("/dev/zero")), "/dev/zero: is no regular file"),
        (doubled_columns, "has several columns called label"),
        (wrong_struct, "column 'image' has int64 in 'bytes'; allowed: binary"),
    ],
)
def test_what_would_expand_without_end_is_refused(
    make: Callable[[Path], Any], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGESIM_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "data"
    folder.mkdir()
    began = time.process_time()
    with pytest.raises(DataError) as caught:
        make(folder)
    assert words in str(caught.value)
    assert str(folder) in str(caught.value) or "/dev/zero" in str(caught.value)
    assert time.process_time() - began < 5


def test_a_label_may_be_any_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Class ids are counted, not indexed by: a label of 2^40 is a class like another."""
    monkeypatch.setenv("EDGESIM_CACHE", str(tmp_path / "cache"))
    labels = np.where(LABELS == 3, 2**40, LABELS)
    np.savez(tmp_path / "a.npz", x_train=PIXELS, y_train=labels, x_test=PIXELS[:12], y_test=labels[:12])
    found = load("npz", tmp_path / "a.npz")
    assert found.class_names == ("0", "1", "2", str(2**40))
    assert set(found.train_labels) == {0, 1, 2, 3}


def test_names_that_are_no_text_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGESIM_CACHE", str(tmp_path / "cache"))
    for split in (b"train", b"test"):
        for name in (b"a", b"b\xff"):
            folder = os.path.join(os.fsencode(tmp_path / "set"), split, name)
            os.makedirs(folder)
            with open(os.path.join(folder, b"\xfe.png"), "wb") as file:
                file.write(png(4, 4))
    found = load("image-folder", tmp_path / "set")
    assert len(found.train_labels) == 2
    assert found.class_names[0] == "a"
