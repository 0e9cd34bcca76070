"""Labels of several files that each name their classes: one order of classes for all, by name."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgesim.config.validation import nearest
from edgesim.data.labels import KINDS, Labels, check_range, form_notes, merged_by_form, normal
from edgesim.data.reading_notes import Note, some
from edgesim.errors import DataError
from edgesim.formatting import n_of


@dataclass(frozen=True)
class NamedLabels:
    """The labels of one file."""

    path: Path
    values: npt.NDArray
    """[N] int64, bool or text"""
    names: tuple[str, ...] | None
    """of the classes 0, 1, …, where the file gives them"""


def merged(
    train: Sequence[NamedLabels], test: Sequence[NamedLabels], folder: Path
) -> tuple[list[npt.NDArray], tuple[str, ...] | None, list[Note]]:
    """Labels that mean the same class in every file.

    Whole numbers are brought to the order of the first file's names; names that it lacks follow it. A file without
    names is taken to be in that order. Text names its class itself; beside it whole numbers stand for their names.

    Args:
        train: files of the training split.
        test: of the test split; empty where it is yet to be taken from the training split.
        folder: notes name files relative to it.

    Returns: the labels of each file, those of `train` first; the names of the classes (None where no file gives any,
        or the labels are not whole numbers); notes.

    Raises:
        DataError: labels of two kinds, a label beyond its file's names, a name twice in lists that differ, or a test
            sample of a class that no training file names.
    """
    files = _as_text([*train, *test])
    kinds = {file.values.dtype.kind: file for file in reversed(files)}
    if len(kinds) > 1:
        listed = " and ".join(f"{KINDS[kind]} in {file.path}" for kind, file in kinds.items())
        raise DataError(f"the labels are {listed}; give all files labels of one kind")
    known = next((file for file in files if file.names is not None), None)
    if "i" not in kinds or known is None or known.names is None:
        return [file.values for file in files], None, []
    for file in files:
        if file.names is not None:
            check_range(Labels(file.values, str(file.path)), file.names)
    lists = {_forms(file) for file in files if file.names is not None}
    double = next((file for file in files if len(set(_forms(file))) < len(file.names or ())), None)
    if len(lists) == 1:
        return [file.values for file in files], known.names, _notes(files, known, [], {}, folder)
    if double is not None:
        raise DataError(
            f"{double.path}: names a class twice, and the files' lists of class names differ, so that they cannot be "
            f"matched by name; give all files one list"
        )
    names: dict[str, str] = {}
    for i, file in enumerate(files):
        if i == len(train) and names:
            _check_test_names(files[i:], names)
        for name in file.names or ():
            names.setdefault(normal(name), name)
    order = {form: c for c, form in enumerate(names)}
    labels, moved = [], []
    for file in files:
        places = np.array([order[form] for form in _forms(file)], np.int64)
        if file.names is None or np.array_equal(places, np.arange(len(places))):
            labels.append(file.values)
        else:
            labels.append(places[file.values])
            moved.append(file.path)
    return labels, tuple(names.values()), _notes(files, known, moved, names, folder)


def _check_test_names(test: Sequence[NamedLabels], known: Mapping[str, str]) -> None:
    """DataError where a test sample is of a class that no training file names: most likely it is spelt differently."""
    for file in test:
        strange = [c for c, form in enumerate(_forms(file)) if form not in known]
        of_it = np.isin(file.values, strange)
        if of_it.any():
            name = _forms(file)[int(file.values[of_it][0])]
            raise DataError(
                f"{file.path}: has {n_of(int(of_it.sum()), 'sample', 'samples')} of classes such as '{name}', which "
                f"no training file names{nearest(name, known)}; its class names differ from those of the training "
                f"split, use one list for both"
            )


def _as_text(files: Sequence[NamedLabels]) -> Sequence[NamedLabels]:
    """The same where all is of one kind; whole numbers as their names where other files hold text."""
    if not any(file.values.dtype.kind == "U" for file in files):
        return files
    return [_texts(file) if file.values.dtype.kind == "i" and file.names is not None else file for file in files]


def _texts(file: NamedLabels) -> NamedLabels:
    check_range(Labels(file.values, str(file.path)), file.names)
    return NamedLabels(file.path, np.array(file.names)[file.values], None)


def _forms(file: NamedLabels) -> tuple[str, ...]:
    return tuple(normal(name) for name in file.names or ())


def _notes(
    files: Sequence[NamedLabels], known: NamedLabels, moved: list[Path], names: Mapping[str, str], folder: Path
) -> list[Note]:
    notes = []
    if moved:
        text = n_of(len(moved), "file names its classes", "files name their classes")
        text += f" in another order than {_short(known.path, folder)}; the labels were matched by name"
        notes.append(Note("read as", f"{text}: {some(_short(path, folder) for path in moved)}", len(moved)))
    first = set(_forms(known))
    added = [name for name in names.values() if normal(name) not in first]
    if added:
        text = n_of(len(added), "class is", "classes are")
        text += f" named in other files than {_short(known.path, folder)}, and added to its classes"
        notes.append(Note("read as", f"{text}: {some(added)}", len(added)))
    unnamed = [file.path for file in files if file.names is None]
    if unnamed:
        text = n_of(len(unnamed), "file names no classes, its", "files name no classes, their")
        text += f" labels are taken in the order of {_short(known.path, folder)}"
        notes.append(Note("read as", f"{text}: {some(_short(path, folder) for path in unnamed)}", len(unnamed)))
    double = merged_by_form({name for file in files for name in file.names or ()})
    return notes + form_notes(double.values(), "class name")


def _short(path: Path, folder: Path) -> str:
    return os.path.relpath(path, folder)
