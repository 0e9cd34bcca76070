"""Readers of data that are arrays already: npz files, and the handwritten digits that come with edgesim."""

from __future__ import annotations

import functools
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgesim.config.validation import nearest
from edgesim.data.cache import DatasetFiles
from edgesim.data.columns import checked_columns
from edgesim.data.dataset import Dataset
from edgesim.data.file_bounds import check_npz
from edgesim.data.held_out_split import HeldOut, advice
from edgesim.data.missing_values import Missing
from edgesim.data.raw_dataset import ChannelAxis, RawDataset, RawSplit, array_samples, as_samples, form_notes, widest
from edgesim.data.reading_notes import Note, some
from edgesim.data.sample_form import FormName
from edgesim.errors import DataError
from edgesim.formatting import n_of
from edgesim.tasks import TaskName
from edgesim.work import FloatArray

PARTS = ("train_samples", "train_labels", "test_samples", "test_labels")


@dataclass(frozen=True)
class NpzLayout:
    """Settings of a user about the file."""

    keys: Mapping[str, str]
    """names that the file has for each of PARTS"""
    channels: ChannelAxis | None = None
    """axis of the channels (`raw_dataset.as_samples`)"""
    held_out: HeldOut | None = None
    """takes the test split from the training split; None where the file holds one"""
    task: TaskName = "classification"
    missing: Missing = "refuse"
    form: FormName | None = None
    """reading of uint8 samples (`raw_dataset.as_samples`)"""
    columns: Mapping[str, str | tuple[str, str]] = field(default_factory=dict)
    """name of a group column -> array of the training samples, or those of both splits"""

    def column_key(self, name: str, split: int) -> str:
        """Array with a group column of a split.

        Raises:
            DataError: the user names one array for two splits, or two for one.
        """
        given, count = self.columns[name], 1 if self.held_out else 2
        found = (given,) if isinstance(given, str) else given
        if len(found) != count:
            wanted = "one array, that of the samples" if count == 1 else "two: [training array, test array]"
            raise DataError(f"dataset.columns.{name}: names {n_of(len(found), 'array')}; needed: {wanted}")
        return found[split]


def npz(path: Path, name: str, layout: NpzLayout) -> DatasetFiles:
    """Find the arrays of an .npz file.

    Args:
        path: the file, or a folder that holds exactly one .npz.
        name: of the data set.
        layout: names of the arrays, and settings.
    """
    if path.is_dir():
        found = sorted(file for file in path.iterdir() if file.suffix.lower() == ".npz" and file.is_file())
        if len(found) != 1:
            raise DataError(f"{path}: holds {len(found)} .npz files; name the one to read in dataset.root")
        path = found[0]
    keys, held_out = layout.keys, layout.held_out
    for part in ("samples", "labels"):
        if keys[f"train_{part}"] == keys[f"test_{part}"] and held_out is None:
            raise DataError(
                f"dataset.test_{part}: '{keys[f'test_{part}']}' is in the training split too; name another array, or "
                f"take a share of the training samples by dataset.test_share"
            )
    return DatasetFiles(name, path.parent, (path,), lambda: _decode_npz(path, layout), f"npz {layout}")


@functools.cache
def digits_table() -> FloatArray:
    """Handwritten digits [1797, 65]: the 64 pixels, 0 to 16, of an 8x8 image by rows, then the label. Read-only.

    Source: the test split of "Optical Recognition of Handwritten Digits" (E. Alpaydin and C. Kaynak 1998), UCI Machine
    Learning Repository, doi:10.24432/C50P49, licence CC BY 4.0; the file is the copy in scikit-learn 1.9, unchanged.
    """
    table = np.loadtxt(Path(__file__).with_name("digits.csv.gz"), delimiter=",")
    table.setflags(write=False)
    return table


def digits(name: str, test_share: float) -> Dataset:
    """The images of `digits_table`, their 17 grey levels spread over 0 to 255.

    Args:
        name: of the data set.
        test_share: in (0, 1): of each class, evenly spread over the file order, this share is the test split.
    """
    table = digits_table()
    images = np.rint(table[:, :-1].reshape(-1, 8, 8, 1) * (255 / 16)).astype(np.uint8)
    labels = table[:, -1].astype(np.int64)
    rank = np.zeros(len(labels), np.int64)  # of each sample within its class
    for c in range(10):
        rank[labels == c] = np.arange((labels == c).sum())
    is_test = np.floor((rank + 1) * test_share) > np.floor(rank * test_share)
    if is_test.all() or not is_test.any():
        raise DataError(f"dataset.test_share = {test_share} leaves a split empty; use a value like 0.2")
    names = tuple(str(c) for c in range(10))
    return Dataset(name, images[~is_test], labels[~is_test], images[is_test], labels[is_test], names)


def _decode_npz(path: Path, layout: NpzLayout) -> RawDataset:
    splits = ("train", "test") if layout.held_out is None else ("train",)
    columns = {(split, name): layout.column_key(name, i) for i, split in enumerate(splits) for name in layout.columns}
    wanted = {part: key for part, key in layout.keys.items() if part.startswith(splits)}
    arrays = {}
    try:
        if zipfile.is_zipfile(path):
            check_npz(path)
        with np.load(path, allow_pickle=False) as file:
            there = file.files
            _check_keys(path, layout, wanted, there)
            for (_, name), key in columns.items():
                if key not in there:
                    raise DataError(f"{path}: {_absent(key, there)}; name it in dataset.columns.{name}")
            for key in (*wanted.values(), *columns.values()):
                arrays[key] = _npz_array(file, path, key)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, TypeError) as error:
        # TypeError: a plain .npy opens as an array, which is no context manager.
        problem = "" if isinstance(error, ValueError) else f" ({error})"  # NumPy's advice there: load it unsafely
        raise DataError(f"{path}: is truncated or no .npz file{problem}; replace it with a complete copy") from None
    raw, forms = [], []
    for split in splits:
        key = wanted[f"{split}_samples"]
        samples, form = as_samples(arrays[key], f"{path}, array '{key}'", layout.channels, layout.form)
        labels, where = arrays[wanted[f"{split}_labels"]], f"{path}, array '{wanted[f'{split}_labels']}'"
        if labels.ndim and len(samples) != len(labels):
            raise DataError(
                f"{where}: {n_of(len(samples), 'sample')}, {n_of(len(labels), 'label')}; give one label per sample"
            )
        mine = {name: arrays[key] for (of, name), key in columns.items() if of == split}
        groups = checked_columns(mine, len(samples), f"{path}, dataset.columns")
        place = f"{path}, array '{key}'"
        raw.append(RawSplit(labels, array_samples(samples), where, columns=groups, samples_where=place))
        forms.append(form)
    key = wanted["train_samples"]
    notes, form = form_notes(arrays[key], layout.form, len(arrays[key])), widest(forms)
    if form.is_image and samples.shape[-1] in (2, 4):
        text = f"the images have {samples.shape[-1]} channels, all of them inputs: an alpha channel is not left out"
        notes.append(Note("read as", text, len(samples)))
    unread = [key for key in there if key not in arrays]
    if unread:
        text = f"{n_of(len(unread), 'array is', 'arrays are')} not read: {some(unread)}"
        notes.append(Note("left out", text, len(unread)))
    return RawDataset(
        raw[0], raw[1] if len(raw) > 1 else None, held_out=layout.held_out, notes=tuple(notes), form=form,
        task=layout.task, missing=layout.missing,
    )  # fmt: skip


def _check_keys(path: Path, layout: NpzLayout, wanted: Mapping[str, str], there: list[str]) -> None:
    """DataError where an array is missing, or a test array is there and another test split is asked for."""
    for part, key in wanted.items():
        if key not in there:
            more = advice([*layout.columns, *there]) if "test" in part else ""
            raise DataError(f"{path}: {_absent(key, there)}; name it in dataset.{part}{more}")
    for part in layout.keys.keys() - wanted.keys():
        key = layout.keys[part]
        if key in there and key not in wanted.values():
            assert layout.held_out is not None, "else it is wanted"
            raise DataError(
                f"{path}: holds a test split ('{key}'), and {layout.held_out.asked} asks for another; leave that out, "
                f"or remove the array"
            )


def _absent(key: str, there: list[str]) -> str:
    return f"has no array '{key}', only {', '.join(there) or 'nothing'}{nearest(key, there)}"


def _npz_array(file: np.lib.npyio.NpzFile, path: Path, key: str) -> npt.NDArray:
    try:
        return file[key]
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        raise DataError(
            f"{path}: array '{key}' holds Python objects, which could run code and are refused; save numbers only "
            f"(samples of one shape: pad or cut those of other lengths), labels as numbers or by "
            f"np.array(labels, dtype=str)"
        ) from None
