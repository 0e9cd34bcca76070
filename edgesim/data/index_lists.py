"""Index lists per device from a file: JSON, the text of a Python dict, or npz, as federated-learning tools write them.

Read are the `net_dataidx_map` of NIID-Bench and FedML as text or JSON, FedLab's map of clients to indices as JSON, and
users with the number of samples or the index list of each, after LEAF. Pickle can run code and is refused.
"""

from __future__ import annotations

import json
import re
import stat
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgesim.config.validation import kind_of
from edgesim.data.file_bounds import check_npz
from edgesim.errors import DataError, shortened
from edgesim.formatting import n_of, size
from edgesim.work import IntArray

MAX_TEXT_BYTES = 128 << 20
"""of a text file; a million indices take 8 MB"""
SPARE_BYTES = 64 << 20
"""of an npz file beside the indices"""
FORMS = '{"0": [3, 17], "1": [4]}, [[3, 17], [4]], or npz with one array of whole numbers per device'
AS_JSON = "json.dump({str(k): [int(i) for i in v] for k, v in net_dataidx_map.items()}, open('split.json', 'w'))"


@dataclass(frozen=True, eq=False)
class IndexLists:
    """Index lists of the devices, as a file has them."""

    rows: tuple[IntArray, ...]
    names: tuple[str, ...] = ()
    """of the users, one per list; empty where the file numbers its lists"""

    def place(self, device: int) -> str:
        """A list in words: `device 3`, `device 3 ('writer_12')`."""
        return f"device {device}" + (f" ({_name(self.names[device])})" if self.names else "")


def read(path: Path, n_samples: int) -> IndexLists:
    """Read a file of index lists.

    Args:
        path: the file.
        n_samples: training samples; numbers of samples per user must sum to it.

    Raises:
        DataError: naming the file, the device, the index and the fix.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise DataError(f"{path}: is no regular file (a device, pipe or folder); name the file with index lists")
        with path.open("rb") as file:
            head = file.read(6)
            if head[:1] == b"\x80" or path.suffix.lower() in (".pkl", ".pickle", ".pt", ".pth"):
                raise DataError(
                    f"{path}: is a pickle, which can run code; save it as JSON where it was made: {AS_JSON}"
                )
            if head == b"\x93NUMPY":
                raise DataError(f"{path}: is a single array; save one per device: np.savez('split.npz', *arrays)")
            if not head.startswith(b"PK\x03\x04"):
                content = head + file.read(MAX_TEXT_BYTES + 1)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check its permissions") from None
    return (
        _of_npz(path, n_samples)
        if head.startswith(b"PK\x03\x04")
        else _of_document(_document(content, path), path, n_samples)
    )


def check(lists: IndexLists, n_devices: int, n_samples: int, path: Path) -> None:
    """Check lists against a fleet and a training split.

    Raises:
        DataError: another number of lists than devices, an empty one, an index outside the split or given out twice.
    """
    count = len(lists.rows)
    if count != n_devices:
        raise DataError(
            f"{path}: has index lists of {n_of(count, 'device')}, the fleet has {n_devices:,}; give the fleet "
            f"{n_of(count, 'device')}, or one list per device"
        )
    owner = np.full(n_samples, -1, dtype=np.int64)
    for device, rows in enumerate(lists.rows):
        where = f"{path}, {lists.place(device)}"
        if not len(rows):
            raise DataError(f"{where}: has no index; give it samples, or remove it from the file and the fleet")
        outside = rows[(rows < 0) | (rows >= n_samples)]
        if len(outside):
            raise DataError(
                f"{where}: index {outside[0]} is outside the {n_of(n_samples, 'training sample')}; allowed: 0 to "
                f"{n_samples - 1}, positions in the training split (after dataset.limit_train)"
            )
        values, times = np.unique(rows, return_counts=True)
        if (times > 1).any():
            raise DataError(f"{where}: index {values[np.argmax(times > 1)]} stands there twice; list each sample once")
        taken = rows[owner[rows] >= 0]
        if len(taken):
            other = lists.place(int(owner[taken[0]]))
            raise DataError(f"{where}: index {taken[0]} belongs to {other}, too; give each sample to one device")
        owner[rows] = device


def _document(content: bytes, path: Path) -> Any:
    """The document of a text file: JSON, or what `print` gives of a dict of lists."""
    if len(content) > MAX_TEXT_BYTES:
        raise DataError(f"{path}: has more than {size(MAX_TEXT_BYTES)}; save it as npz: np.savez('split.npz', *arrays)")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is no text in UTF-8 ({error.reason} at byte {error.start}); use {FORMS}") from None
    try:
        return _json(text, path)
    except (ValueError, RecursionError) as error:
        problem = error
    if "array(" in text or "..." in text:
        raise DataError(
            f"{path}: holds NumPy arrays as they print, which leaves numbers out; save them as JSON: {AS_JSON}"
        )
    text = re.sub(r"(?<![\w'\"])(\d+)\s*:", r'"\1":', text)
    text = re.sub(r"'([^'\"\\\n]*)'(?=\s*[:,\]}])", r'"\1"', text)
    try:
        return _json(re.sub(r",(\s*[\]}])", r"\1", text), path)
    except (ValueError, RecursionError):
        raise DataError(f"{path}: is neither JSON nor a dict of lists ({problem}); use {FORMS}") from None


def _json(text: str, path: Path) -> Any:
    def without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            twice = _repeated(key for key, _ in pairs)
            raise DataError(f"{path}: key {_name(twice)} stands there twice; give each device one list")
        return found

    return json.loads(text, object_pairs_hook=without_repeats)


def _of_document(document: Any, path: Path, n_samples: int) -> IndexLists:
    if isinstance(document, list):
        return _lists(document, (), path)
    if not isinstance(document, dict) or not document:
        raise DataError(f"{path}: holds {kind_of(document)}; allowed: {FORMS}")
    if isinstance(document.get("users"), list):
        return _of_users(document, path, n_samples)
    keys, names = _in_order(list(document), path, re.compile(r"()(\d+)"))
    return _lists([document[key] for key in keys], names, path)


def _of_users(document: dict[str, Any], path: Path, n_samples: int) -> IndexLists:
    """Users as in LEAF, with an index list or a number of samples each."""
    users = tuple(map(str, document["users"]))
    if len(set(users)) < len(users):
        raise DataError(f"{path}: user {_name(_repeated(users))} stands in users twice; name each once")
    data = document.get("user_data")
    if isinstance(data, dict):
        odd = data.keys() ^ set(users)
        if odd:
            raise DataError(
                f"{path}: user {_name(min(odd))} is not in both users and user_data; give each a list there"
            )
        if any(isinstance(value, dict) for value in data.values()):
            raise DataError(
                f"{path}: user_data holds samples, not indices; keep users and num_samples, and read the samples, "
                f"user after user, as the data set"
            )
        return _lists([data[name] for name in users], users, path)
    counts = document.get("num_samples")
    if not isinstance(counts, list) or len(counts) != len(users):
        has = "no list" if not isinstance(counts, list) else n_of(len(counts), "entry", "entries")
        raise DataError(f"{path}: num_samples has {has} for {n_of(len(users), 'user')}; give one number per user")
    for name, count in zip(users, counts, strict=True):
        if type(count) is not int or count < 0:
            raise DataError(f"{path}: num_samples of user {_name(name)} is {kind_of(count)}; allowed: 0 or more")
    if sum(counts) != n_samples:
        raise DataError(
            f"{path}: num_samples sum to {shortened(f'{sum(counts):,}', 40)}, the training split has {n_samples:,}; "
            f"give the numbers of all users in the order of the samples, or index lists"
        )
    return IndexLists(tuple(np.split(np.arange(n_samples), np.cumsum(counts)[:-1])), users)


def _of_npz(path: Path, n_samples: int) -> IndexLists:
    arrays: dict[str, npt.NDArray[Any]] = {}
    try:
        check_npz(path)
        with zipfile.ZipFile(path) as archive:
            expanded = sum(entry.file_size for entry in archive.infolist())
        if expanded > SPARE_BYTES + 4 * 8 * n_samples:
            raise DataError(
                f"{path}: holds {size(expanded)}, more than index lists of {n_of(n_samples, 'training sample')} can; "
                f"save nothing but one array of indices per device"
            )
        with np.load(path, allow_pickle=False) as file:
            if len(set(file.files)) < len(file.files):
                raise DataError(f"{path}: array {_name(_repeated(file.files))} is there twice; give each device one")
            for key in file.files:
                arrays[key] = file[key]
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError) as error:
        if isinstance(error, ValueError) and "allow_pickle" in str(error):
            raise DataError(
                f"{path}: array {_name(key)} holds Python objects, which could run code and are refused; save one "
                f"array of whole numbers per device: np.savez('split.npz', *arrays)"
            ) from None
        raise DataError(f"{path}: is truncated or no .npz file; replace it with a complete copy") from None
    keys, names = _in_order(list(arrays), path, re.compile(r"(.*?)(\d+)"))
    found = []
    for device, key in enumerate(keys):
        array = arrays[key]
        if array.ndim != 1 or array.dtype.kind not in "iu":
            raise DataError(
                f"{path}, device {device} (array {_name(key)}): {array.dtype} of shape {list(array.shape)}; allowed: "
                f"whole numbers of shape [n]"
            )
        if array.dtype.kind == "u" and array.max(initial=0) > np.iinfo(np.int64).max:
            raise DataError(f"{path}, device {device} (array {_name(key)}): index {array.max()} is no position")
        found.append(array.astype(np.int64))
    return _some(found, names, path)


def _in_order(keys: list[str], path: Path, numbered: re.Pattern[str]) -> tuple[list[str], tuple[str, ...]]:
    """Keys in the order of the devices, and names where they are no numbers.

    Numbered keys with one beginning go by their numbers, which must be 0, 1, … without a gap. Others keep their order.
    """
    found = [numbered.fullmatch(key) for key in keys]
    if not all(found) or len({match[1] for match in found if match}) > 1:
        return keys, tuple(keys)
    by_number = {int(match[2][:18]): key for match, key in zip(found, keys, strict=True) if match}
    missing = next((number for number in range(len(keys)) if number not in by_number), None)
    if missing is not None:
        raise DataError(f"{path}: has {n_of(len(keys), 'list')}, but none for device {missing}; number them from 0 on")
    return [by_number[number] for number in range(len(keys))], ()


def _lists(values: Sequence[Any], names: tuple[str, ...], path: Path) -> IndexLists:
    """Lists of a document as arrays."""
    found = []
    for device, value in enumerate(values):
        where = f"{path}, device {device}" + (f" ({_name(names[device])})" if names else "")
        if not isinstance(value, list):
            raise DataError(f"{where}: is {kind_of(value)}; allowed: a list of indices, as in {FORMS}")
        odd = next((i for i, index in enumerate(value) if type(index) is not int or not 0 <= index < 1 << 62), None)
        if odd is not None:
            given = shortened(kind_of(value[odd]), 60)
            fix = "count samples from 0" if type(value[odd]) is int else "save each as int(i)"
            raise DataError(f"{where}, entry {odd}: is {given}; allowed: whole numbers from 0 on; {fix}")
        found.append(np.array(value, dtype=np.int64))
    return _some(found, names, path)


def _some(rows: Sequence[IntArray], names: tuple[str, ...], path: Path) -> IndexLists:
    if not rows:
        raise DataError(f"{path}: has no index list; allowed: {FORMS}")
    return IndexLists(tuple(rows), names)


def _repeated(names: Iterable[str]) -> str:
    """The first name that stands there a second time."""
    seen: set[str] = set()
    return next(name for name in names if name in seen or seen.add(name))  # type: ignore[func-returns-value]


def _name(text: str) -> str:
    return f"'{shortened(text, 60)}'"
