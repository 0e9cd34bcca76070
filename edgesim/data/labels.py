"""Labels as they stand in files (whole numbers of any width, true/false, text) -> class ids 0 to C - 1 and names.

The classes are those that occur in the training split. Ids with gaps are numbered anew: an output for an id that no
sample has would cost work and memory on every device. Each class keeps its id, or its text, as its name.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgesim.data.reading_notes import Note, as_utf8, some
from edgesim.errors import DataError
from edgesim.formatting import n_of
from edgesim.work import IntArray


@dataclass(frozen=True)
class Labels:
    """The labels of one split as they stand, and where they stand, for messages."""

    values: npt.NDArray
    """[N] or [N, 1]"""
    where: str


@dataclass(frozen=True)
class Classes:
    """The labels of both splits as class ids."""

    train: IntArray
    """int64 [N], 0 to C - 1"""
    test: IntArray | None
    names: tuple[str, ...]
    """[C]"""
    notes: tuple[Note, ...]


def classes_of(
    train: Labels, test: Labels | None, declared: Sequence[str] | None = None, keep_all: bool = False
) -> Classes:
    """The classes of a data set, and both splits' labels as ids of them.

    Args:
        train: labels of the training split.
        test: of the test split; None where it is yet to be taken from the training split.
        declared: the names of the classes 0, 1, …, where the files give them. Such a class is kept where the training
            or the test split has samples of it. Without them a class must occur in the training split. Text is put in
            alphabetical order, or in the order of its numbers where it is nothing else.
        keep_all: keep the declared classes that have no samples, too: of a published data set they are the task.

    Raises:
        DataError: no samples; labels that are neither whole numbers nor true/false nor text, that are negative or
            beyond the names; a test label that the training split lacks.
    """
    given = [_flat(split) for split in (train, test) if split is not None]
    splits = [_plain(split) for split in given]
    kinds = [split.values.dtype.kind for split in splits]
    if len(set(kinds)) > 1:
        named = " and ".join(f"{KINDS[kind]} ({split.where})" for kind, split in zip(kinds, splits, strict=True))
        raise DataError(f"the labels are {named}; give both splits labels of one kind")
    if kinds[0] == "i":
        for split in splits:
            check_range(split, declared)
    if declared is not None:
        return _of_declared(splits, declared, keep_all)
    known = np.array(sorted(set(splits[0].values.tolist()), key=_order(splits[0].values)))
    names = tuple(map(str, known.tolist()))
    for split in splits[1:]:
        _check_known(split, known)
    ids = [_positions(known, split.values) for split in splits]
    spellings = {text for split in given if kinds[0] == "U" for text in split.values.tolist()}
    forms = form_notes(merged_by_form(spellings).values(), "label")
    notes = (*_notes(kinds[0], known, names), *forms, *_common_notes(names))
    return Classes(ids[0], ids[1] if len(ids) > 1 else None, names, notes)


KINDS = {"i": "whole numbers", "b": "true or false", "U": "text"}


def normal(name: str) -> str:
    """A name in the Unicode form NFC: 'é' written as one sign or as two is one name."""
    return as_utf8(unicodedata.normalize("NFC", name))


def merged_by_form(names: Iterable[str]) -> dict[str, list[str]]:
    """Names by their NFC form, in sorted order of the forms: more than one where only the form differs."""
    forms: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        forms[normal(name)].append(name)
    return {form: sorted(set(forms[form])) for form in sorted(forms)}


def form_notes(forms: Iterable[Sequence[str]], what: str) -> list[Note]:
    """The note on names that are one class since only their Unicode form differs."""
    double = [normal(names[0]) for names in forms if len(names) > 1]
    if not double:
        return []
    text = n_of(len(double), f"{what} is written", f"{what}s are written")
    text += " in two Unicode forms (NFC and NFD), each read as one class"
    return [Note("read as", f"{text}: {some(double)}", len(double))]


def _flat(split: Labels) -> Labels:
    """The same as whole numbers, true/false or text [N]."""
    values = np.asarray(split.values)
    if values.size == 0:
        raise DataError(f"{split.where}: holds no samples; at least one is needed in each split")
    if values.ndim == 2 and values.shape[1] == 1:  # as Keras stores CIFAR
        values = values[:, 0]
    if values.ndim != 1 or values.dtype.kind not in "iubUS":
        fix = (
            "numbers to predict: dataset.task: regression" if values.dtype.kind == "f" else "one-hot labels: use argmax"
        )
        raise DataError(
            f"{split.where}: the labels are {values.dtype} of shape {list(values.shape)}; allowed: one whole "
            f"number or text per sample ({fix})"
        )
    return Labels(_texts(values, split.where) if values.dtype.kind in "US" else values, split.where)


def _plain(split: Labels) -> Labels:
    """The same as int64, true/false or NFC text."""
    values = split.values
    if values.dtype.kind == "U":
        forms = {text: normal(text) for text in set(values.tolist())}
        return Labels(np.array([forms[text] for text in values.tolist()]), split.where)
    if values.dtype.kind == "b":
        return split
    if values.dtype.kind == "u" and values.max() > np.iinfo(np.int64).max:
        raise DataError(f"{split.where}: a label is {values.max()}; allowed: 0 to {np.iinfo(np.int64).max}")
    return Labels(values.astype(np.int64), split.where)


def _texts(values: npt.NDArray, where: str) -> npt.NDArray:
    try:
        texts = [value.decode() if isinstance(value, bytes) else str(value) for value in values.tolist()]
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: a label is no text in UTF-8 ({error}); save the labels as text") from None
    empty = [i for i, text in enumerate(texts) if not text.strip()]
    if empty:
        raise DataError(f"{where}: the label of sample {empty[0]} is empty; remove the sample, or give its label")
    return np.array(texts)


def check_range(split: Labels, declared: Sequence[str] | None) -> None:
    """DataError where a whole number is negative, or beyond the names where there are some."""
    values = split.values
    negative = np.flatnonzero(values < 0)
    if len(negative):
        raise DataError(
            f"{split.where}: the label of sample {negative[0]} is {values[negative[0]]}; allowed: 0 or more "
            f"(-1 often marks a split without labels: use another one as the test split)"
        )
    if declared is None:
        return
    beyond = np.flatnonzero(values >= len(declared))
    if len(beyond):
        raise DataError(
            f"{split.where}: the label of sample {beyond[0]} is {values[beyond[0]]}, outside the {len(declared)} "
            f"classes named there; allowed: 0 to {len(declared) - 1}"
        )


def _of_declared(splits: list[Labels], declared: Sequence[str], keep_all: bool) -> Classes:
    """Of the named classes those that have samples, or all."""
    in_train = np.unique(splits[0].values)
    used = np.unique(np.concatenate([split.values for split in splits]))
    known = np.arange(len(declared)) if keep_all else used
    names = tuple(declared[c] for c in known.tolist())
    notes = []
    if len(used) < len(declared):
        gone = [declared[c] for c in np.setdiff1d(np.arange(len(declared)), used).tolist()]
        text = f"only {len(used)} of {len(declared)} named classes have samples, not {some(gone)}; the network has "
        text += n_of(len(known), "output", "outputs")
        notes.append(Note("missing" if keep_all else "left out", text, len(gone)))
    unlearnt = np.setdiff1d(used, in_train)
    if len(unlearnt):
        count = int(np.isin(splits[1].values, unlearnt).sum())
        text = n_of(count, "test sample has", "test samples have")
        text += f" a class without training samples ({some(declared[c] for c in unlearnt)}): no network can learn it"
        notes.append(Note("missing", text, count))
    ids = [_positions(known, split.values) for split in splits]
    return Classes(ids[0], ids[1] if len(ids) > 1 else None, names, (*notes, *_common_notes(names)))


def _order(values: npt.NDArray) -> type[int] | None:
    """The key to sort by: text that is nothing but whole numbers goes by its numbers, '9' before '10'."""
    return int if values.dtype.kind == "U" and _all_numbers(set(values.tolist())) else None


def _all_numbers(texts: Iterable[str]) -> bool:
    return all(text.isascii() and text.isdecimal() and str(int(text)) == text for text in texts)


def _check_known(split: Labels, known: npt.NDArray) -> None:
    """DataError where a test label is none of the classes that occur in training."""
    strange = np.flatnonzero(~np.isin(split.values, known))
    if len(strange):
        value = split.values[strange[0]]
        raise DataError(
            f"{split.where}: the label of sample {strange[0]} is {value}, outside the "
            f"{n_of(len(known), 'class', 'classes')} of the training split ({some(known)}); "
            f"{n_of(len(strange), 'test sample has', 'test samples have')} such labels: "
            "remove them, or add training samples of their classes"
        )


def _positions(known: npt.NDArray, values: npt.NDArray) -> IntArray:
    """Position of each value in `known`, which holds all of them in any order."""
    order = np.argsort(known, kind="stable")
    return np.asarray(order[np.searchsorted(known[order], values)], np.int64)


def _notes(kind: str, known: npt.NDArray, names: tuple[str, ...]) -> list[Note]:
    notes = []
    if kind == "U":
        order = "in the order of their numbers" if _all_numbers(names) else "in alphabetical order"
        text = f"the labels are text, read as {n_of(len(names), 'class', 'classes')} {order}"
        notes.append(Note("read as", f"{text}: {some(names)}", len(names)))
    elif kind == "b":
        notes.append(Note("read as", f"the labels are true or false, read as classes: {some(names)}", len(names)))
    elif len(known) <= known[-1]:
        every = int(known[-1]) + 1
        text = f"only {len(known)} of {every:,} class ids (0 to {every - 1}) occur in training"
        text += f": the network has {n_of(len(known), 'output', 'outputs')}, named by their ids {some(names)}"
        notes.append(Note("read as", text, every - len(known)))
    return notes


def _common_notes(names: tuple[str, ...]) -> list[Note]:
    """The notes on a single class, and on classes that a person may have meant to be one."""
    if len(names) == 1:
        return [Note("missing", f"all samples are of one class ({names[0]}): any network gets all of them right", 1)]
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        groups[" ".join(name.casefold().split())].append(name)
    alike = [f"'{name}'" for group in groups.values() if len(set(group)) > 1 for name in group]
    if not alike:
        return []
    text = f"{len(alike)} classes differ only in case or spaces and stay apart: {some(alike)}"
    return [Note("read as", text, len(alike))]
