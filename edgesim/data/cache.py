"""Cache of decoded data sets: arrays as .npy files, memory-mapped when they are opened.

Each content has one folder, `decoded/<name>-<key>` in the cache folder. The folder is moved into place when it is
complete, so that a reader never sees half of it. Where two processes decode at once, one of the two results stays.
`meta.json` holds the size of every file; an entry that does not match it is decoded again.

The key is a hash of the source files. Up to FULL_HASH_BYTES in all, and FULL_HASH_FILES files, it covers every byte.
Beyond that, a full hash would take longer than loading. A large file then counts by name, size, modification time and
SAMPLES blocks of its content; of many files only SAMPLES are read. A change that keeps all of these is not noticed.
"""

from __future__ import annotations

import errno
import functools
import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import asdict, astuple, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgesim.data.columns import Column
from edgesim.data.dataset import SPLITS, Dataset
from edgesim.data.duplicates import Repeats
from edgesim.data.missing_values import MissingValues
from edgesim.data.origins import Origins
from edgesim.data.raw_dataset import CheckedDataset, RawDataset, RawSplit
from edgesim.data.reading_notes import Note
from edgesim.data.sample_form import SampleArray, SampleForm
from edgesim.data.targets import target_arrays, targets_from
from edgesim.errors import DataError
from edgesim.formatting import n_of

FORMAT = 3
"""of the key of a content"""
ENTRY_FORMAT = 5
"""of a folder in the cache; others are decoded again"""
FULL_HASH_BYTES = 512 * 2**20
FULL_HASH_FILES = 2000
SAMPLES = 32
BLOCK_BYTES = 2**16


@dataclass(frozen=True)
class DatasetFiles:
    """A data set that was found: which files it consists of, and how to decode them."""

    name: str
    folder: Path
    files: tuple[Path, ...]
    """everything the result depends on, in an order that does not change"""
    decode: Callable[[], RawDataset]
    options: str = ""
    """other settings that the result depends on, for example a size to resize to"""
    notes: tuple[Note, ...] = ()
    """notes on files that were passed over; made anew each time, since the key does not hold these files"""


def cache_folder() -> Path:
    """Folder of decoded arrays and downloads: $EDGESIM_CACHE, or the user's cache folder of this system."""
    given = os.environ.get("EDGESIM_CACHE")
    if given:
        return Path(given).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("edgesim", appauthor=False))


def decoded(found: DatasetFiles) -> Dataset:
    """The data set of some files, from the cache where it was decoded before, with the same notes.

    Raises:
        DataError: what is wrong with the files, or the cache folder cannot be written to.
    """
    key = fingerprint(found)
    folder = cache_folder() / "decoded" / f"{found.name}-{key}"
    dataset = _opened(folder, found.name)
    if dataset is not None:
        return replace(dataset, notes=(*found.notes, *dataset.notes), source_key=key)
    raw = found.decode().checked()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        written = Path(tempfile.mkdtemp(prefix=".writing-", dir=folder.parent))
    except OSError as error:
        raise _cannot_write(folder.parent, error) from None
    try:
        (written / "entry").mkdir()  # unlike the temporary folder itself, with the permissions of the user's umask
        _write(raw, written / "entry")
        _move_into_place(written / "entry", folder, found.name)
    except OSError as error:
        raise _cannot_write(folder.parent, error) from None
    finally:
        shutil.rmtree(written, ignore_errors=True)
    dataset = _opened(folder, found.name)
    if dataset is None:
        raise DataError(f"{folder}: cannot be read back after it was written; set EDGESIM_CACHE to another folder")
    return replace(dataset, notes=(*found.notes, *dataset.notes), source_key=key)


def fingerprint(found: DatasetFiles) -> str:
    """A hash (32 hex digits) of everything the decoded arrays depend on; see the top of this module."""
    path = found.folder
    try:
        states = [path.stat() for path in found.files]
        odd = next((p for p, s in zip(found.files, states, strict=True) if not stat.S_ISREG(s.st_mode)), None)
        if odd is not None:  # reading it may never end
            raise DataError(f"{odd}: is no regular file (a device, pipe or folder); name a file with data")
        digest = hashlib.blake2b(f"{FORMAT} {found.options}".encode("utf-8", "backslashreplace"), digest_size=16)
        total = sum(state.st_size for state in states)
        whole = total <= FULL_HASH_BYTES and len(states) <= FULL_HASH_FILES
        every = 1 if whole else -(-len(states) // SAMPLES)
        for i, (path, state) in enumerate(zip(found.files, states, strict=True)):
            relative = os.path.relpath(path, found.folder)
            state_text = f" {state.st_size} {0 if whole else state.st_mtime_ns}\n"
            digest.update(b"\n" + os.fsencode(relative) + state_text.encode())
            if i % every == 0:
                _hash_content(digest, path, state.st_size, whole)
    except OSError as error:
        raise DataError(f"{error.filename or path}: cannot be read ({error.strerror}); check its permissions") from None
    return digest.hexdigest()


def content_key(dataset: Dataset) -> str:
    """A hash of a data set: that of its source files, else of its arrays, of which large ones count by blocks."""
    if dataset.source_key:
        return dataset.source_key
    digest = hashlib.blake2b(digest_size=16)
    for split in SPLITS:
        arrays = {part: getattr(dataset, f"{split}_{part}") for part in ("samples", "labels")}
        arrays |= target_arrays(getattr(dataset, f"{split}_targets"))
        columns: dict[str, Column] = getattr(dataset, f"{split}_columns")
        for name, array in (arrays | {name: column.codes for name, column in columns.items()}).items():
            digest.update(f"{split} {name} {array.shape} {array.dtype}\n".encode("utf-8", "backslashreplace"))
            _hash_array(digest, array.reshape(-1))
        digest.update(repr([column.names for column in columns.values()]).encode("utf-8", "backslashreplace"))
    digest.update(repr((dataset.class_names, dataset.form, dataset.task)).encode("utf-8", "backslashreplace"))
    return digest.hexdigest()


def _hash_array(digest: Any, flat: npt.NDArray[Any]) -> None:
    if flat.nbytes <= FULL_HASH_BYTES:
        digest.update(np.ascontiguousarray(flat).data)
        return
    per_block = max(1, BLOCK_BYTES // flat.itemsize)
    for start in np.linspace(0, len(flat) - per_block, SAMPLES).astype(np.int64):
        digest.update(np.ascontiguousarray(flat[start : start + per_block]).data)


def _hash_content(digest: Any, path: Path, size_bytes: int, whole: bool) -> None:
    with path.open("rb") as file:
        if whole or size_bytes <= SAMPLES * BLOCK_BYTES:
            while block := file.read(2**20):
                digest.update(block)
            return
        for position in np.linspace(0, size_bytes - BLOCK_BYTES, SAMPLES).astype(np.int64):
            file.seek(int(position))
            digest.update(file.read(BLOCK_BYTES))


def _write(raw: CheckedDataset, folder: Path) -> None:
    """Write both splits and, last, the description of the files and the notes into an empty folder."""
    first: SampleArray | None = None
    repeats, missing = Repeats(raw.form.is_image), MissingValues(raw.missing)
    missing.learn(raw.train.chunks, raw.train.place)
    columns: dict[str, dict[str, list[str]]] = {}
    for name, split in (("train", raw.train), ("test", raw.test)):
        np.save(folder / f"{name}_labels.npy", split.labels)
        columns[name] = {}
        for place, (column, groups) in enumerate(split.columns.items()):
            np.save(folder / f"{name}_column{place}.npy", groups.codes)
            columns[name][column] = list(groups.names)
        for part, array in target_arrays(split.targets).items():
            np.save(folder / f"{name}_targets_{part}.npy", array)
        chunks = missing.filled(split.chunks(), name, split.place, split.rows)
        first = _write_samples(
            split, chunks, folder / f"{name}_samples.npy", first, functools.partial(repeats.see, name)
        )
    if raw.train.origins is not None:
        np.save(folder / "origins_rows.npy", raw.train.origins.rows)
        if raw.train.origins.files is not None:
            np.save(folder / "origins_files.npy", raw.train.origins.files)
    notes = [*raw.notes, *raw.noticed(), *missing.notes(), *repeats.notes()]
    meta = {
        "format": ENTRY_FORMAT,
        "class_names": raw.class_names,
        "feature_names": raw.feature_names,
        "sizes_bytes": {file.stem: file.stat().st_size for file in sorted(folder.iterdir())},
        "notes": [astuple(note) for note in notes],
        "form": asdict(raw.form),
        "task": raw.task,
        "columns": columns,
    }
    (folder / "meta.json").write_text(json.dumps(meta), encoding="utf-8")


def _write_samples(
    split: RawSplit,
    chunks: Iterable[SampleArray],
    path: Path,
    like: SampleArray | None,
    see: Callable[[SampleArray], None],
) -> SampleArray:
    """Stream the samples of a split into a .npy file, past `see`. Returns an empty array of their shape and type."""
    count = 0
    with path.open("wb") as file:
        for chunk in chunks:
            if like is not None and (chunk.shape[1:] != like.shape[1:] or chunk.dtype != like.dtype):
                raise DataError(
                    f"{split.place}: samples of shape {list(chunk.shape[1:])} ({chunk.dtype}) after others of "
                    f"{list(like.shape[1:])} ({like.dtype}); all samples of both splits need one shape and type"
                )
            like = chunk[:0]
            if count == 0:
                descr = np.lib.format.dtype_to_descr(chunk.dtype)
                header = {"descr": descr, "fortran_order": False, "shape": (len(split.labels), *chunk.shape[1:])}
                np.lib.format.write_array_header_1_0(file, header)
            # Plain writes and no memory map: on a full disk they fail with an error, a map kills the process.
            file.write(np.ascontiguousarray(chunk).data)
            see(chunk)
            count += len(chunk)
    if like is None or count != len(split.labels):
        raise DataError(
            f"{split.where}: {n_of(count, 'sample')}, {n_of(len(split.labels), 'label')}; give one label per sample"
        )
    return like


def _move_into_place(written: Path, folder: Path, name: str) -> None:
    """Move a complete folder to its place, unless another process was faster; a broken entry there makes room."""
    for _ in range(5):
        try:
            os.rename(written, folder)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.EACCES):
                raise
        else:
            return
        if _opened(folder, name) is not None:
            return
        broken = Path(tempfile.mkdtemp(prefix=".broken-", dir=folder.parent))
        try:
            os.replace(folder, broken / "entry")
        except FileNotFoundError:
            pass  # another process removed the broken entry first
        finally:
            shutil.rmtree(broken, ignore_errors=True)


def _opened(folder: Path, name: str) -> Dataset | None:
    """The data set in a cache folder, memory-mapped; None where it is missing or not complete."""
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        sizes = {file.stem: file.stat().st_size for file in folder.glob("*.npy")}
        if meta["format"] != ENTRY_FORMAT or meta["sizes_bytes"] != sizes:
            return None
        arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in sizes}
        parts: dict[str, Any] = {}
        for split in SPLITS:
            parts |= {f"{split}_{part}": arrays[f"{split}_{part}"] for part in ("samples", "labels")}
            named = f"{split}_targets_"
            parts[f"{split}_targets"] = targets_from(
                {key.removeprefix(named): array for key, array in arrays.items() if key.startswith(named)}
            )
            parts[f"{split}_columns"] = {
                column: Column(arrays[f"{split}_column{place}"], tuple(names))
                for place, (column, names) in enumerate(meta["columns"][split].items())
            }
        notes = tuple(Note(*entry) for entry in meta["notes"])
        if "origins_rows" in arrays:
            parts["train_origins"] = Origins(arrays["origins_rows"], arrays.get("origins_files"))
        parts["feature_names"] = tuple(meta["feature_names"])
        classes, form = tuple(meta["class_names"]), SampleForm(**meta["form"])
        return Dataset(name, class_names=classes, notes=notes, form=form, task=meta["task"], **parts)
    except (OSError, ValueError, KeyError, TypeError, EOFError, DataError):
        return None  # whatever is wrong with an entry, decoding again mends it


def _cannot_write(folder: Path, error: OSError) -> DataError:
    return DataError(
        f"{folder}: the decoded data cannot be written ({error.strerror}); make room there, or set EDGESIM_CACHE to a "
        f"folder that can be written to"
    )
