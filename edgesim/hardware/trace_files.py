"""Reads trace files: tables as CSV or parquet, and FedScale's availability as JSON."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterable
from pathlib import Path

from edgesim.config.document_bounds import user_path
from edgesim.config.validation import nearest
from edgesim.errors import DataError
from edgesim.formatting import size
from edgesim.hardware.client_windows import ClientWindows, of_json
from edgesim.hardware.trace_table import Table, of_csv, of_parquet

MAX_BYTES = 256 << 20
"""of a file; a year of one device at a minute takes 20 MB as CSV"""
_UNPICKLE = (
    "python -c \"import json, pickle; json.dump(pickle.load(open('FILE', 'rb')), open('FILE.json', 'w'))\", only where "
    "you trust the file"
)
_READERS: dict[str, Callable[[str, bytes], Table | ClientWindows]] = {
    ".csv": of_csv,
    ".parquet": of_parquet,
    ".json": of_json,
}


def locate(given: str, folder: Path, also: Path | None = None) -> Path:
    """The file of a trace: beside the document, or else below $EDGESIM_DATA, or below `also`.

    Raises:
        ScenarioError: it is no path.
        DataError: there is no such file.
    """
    places = [user_path(folder / user_path(given))]
    if os.environ.get("EDGESIM_DATA"):
        places.append(user_path(Path(os.environ["EDGESIM_DATA"]) / given))
    for place in [*places, *([] if also is None else [user_path(also / given)])]:
        if place.exists():
            return place
    near = nearest(places[0].name, [path.name for place in places for path in _siblings(place.parent)])
    looked = " and no ".join(map(str, places))
    hint = "" if len(places) > 1 else "; set EDGESIM_DATA to a folder of data, where it is searched, too"
    raise DataError(f"there is no {looked}{near}{hint}")


def read(path: Path, name: str) -> tuple[Table | ClientWindows, str]:
    """A trace file and the hash of its content.

    Raises:
        DataError: no regular file, too large, a pickle, or not in the form that its ending says.
    """
    content = _content(path, name)
    ending = path.suffix.lower()
    if content[:1] == b"\x80" or ending in (".pkl", ".pickle"):
        raise DataError(f"{name}: is a pickle, which runs code when it is read; convert it to JSON: {_UNPICKLE}")
    if ending not in _READERS:
        raise DataError(f"{name}: must end in .csv, .parquet or .json (FedScale's availability); got '{ending}'")
    return _READERS[ending](name, content), hashlib.blake2b(content, digest_size=8).hexdigest()


def _siblings(folder: Path) -> Iterable[Path]:
    return folder.iterdir() if folder.is_dir() else ()


def _content(path: Path, name: str) -> bytes:
    try:
        with open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise DataError(f"{name}: is no regular file (a device, pipe or folder); name a file")
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise DataError(f"{name}: cannot be read: {error.strerror}") from None
    if len(content) > MAX_BYTES:
        raise DataError(f"{name}: has more than {size(MAX_BYTES)}, the most that a trace may have; cut or resample it")
    return content
