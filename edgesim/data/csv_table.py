"""Columns of a CSV file by their part: the label, the features, and groups."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from edgesim.config.validation import nearest
from edgesim.data.csv_text import CsvRows, as_number, is_missing, looks_numeric, numbers_of
from edgesim.data.group_columns import Groups
from edgesim.data.held_out_split import SPLIT_COLUMNS
from edgesim.data.reading_notes import Note, some
from edgesim.errors import DataError, shortened
from edgesim.formatting import n_of, size

LABELS = ("label", "labels")
NO_TEXT = ("", "nan")
"""missing texts; "none" and "null" may well be classes"""
MAX_LABEL_BYTES = 1 << 30
TIME = re.compile(r"\d{4}-\d\d-\d\d.*|\d{1,2}:\d\d(:\d\d.*)?|\d{1,2}[./]\d{1,2}[./]\d{2,4}.*")
Part = Literal["unread", "label", "feature", "group", "needed group", "open"]
"""open: a feature where its first rows are numbers, else a group"""
OTHERWISE = ", or list the feature columns in dataset.features"


@dataclass(frozen=True)
class Wanted:
    """Columns that a user names."""

    label: str | None
    features: tuple[str, ...] | None
    """None = all numbers that are named nowhere else"""
    groups: tuple[str, ...]
    """groups that must be there"""
    subject: str
    """a group where it is there, though it be numbers"""
    regression: bool
    refuse: bool
    """a missing feature is an error"""


@dataclass(frozen=True)
class CsvTable:
    """The rows of a file."""

    path: Path
    features: tuple[str, ...]
    values: npt.NDArray[np.float32]
    """[rows, features]; NaN where a number is missing"""
    labels: npt.NDArray
    """[rows] whole numbers or text; float64 of a regression"""
    groups: dict[str, Groups] = field(repr=False)
    notes: tuple[Note, ...] = ()


def read_table(path: Path, delimiter: str | None, wanted: Wanted) -> CsvTable:
    """Read a whole file: its numbers as float32, a few thousand rows at a time.

    Raises:
        DataError: naming line, column and value.
    """
    rows = CsvRows(path, delimiter)
    label = _label(path, rows.names, wanted.label)
    parts = _parts(path, rows.names, label, wanted)
    groups = {name: Groups() for name, part in zip(rows.names, parts, strict=True) if "group" in part}
    labels, targets, values = Groups(), list[npt.NDArray[np.float64]](), list[npt.NDArray[np.float32]]()
    fix = OTHERWISE if wanted.features is None else ""
    for lines, cells in rows.chunks():
        mine = []
        for place, column in enumerate(zip(*cells, strict=True)):
            name = rows.names[place]
            if parts[place] == "open":
                parts[place] = _decided(column)
                groups |= {name: Groups()} if parts[place] == "group" else {}
            part = parts[place]
            if part == "feature":
                mine.append(numbers_of(column, lines, str(path), name, wanted.refuse, fix))
            elif part == "label" and wanted.regression:
                targets.append(_targets(column, lines, path, name))
            elif part != "unread":
                into = labels if part == "label" else groups[name]
                _collect(into, column, lines, f"{path}, line {{}}, column '{name}'", part != "group")
        with np.errstate(over="ignore"):
            values.append(np.array(mine, np.float64).T.astype(np.float32).reshape(len(lines), len(mine)))
    named = [name for name, part in zip(rows.names, parts, strict=True) if part == "feature"]
    if values and not named:
        raise DataError(f"{path}: has no column of numbers beside {some(rows.names)}; name some in dataset.features")
    if not values:
        raise DataError(f"{path}: holds no samples; at least one is needed in each split")
    for group in groups.values():
        _finish(group)
    order = list(wanted.features) if wanted.features else named
    table = np.concatenate(values)[:, [named.index(name) for name in order]]
    found = np.concatenate(targets) if wanted.regression else _classes(labels, path, label)
    return CsvTable(path, tuple(order), table, found, groups, _notes(rows.names, order, wanted))


def _label(path: Path, names: Sequence[str], given: str | None) -> str:
    label = given or next((name for name in LABELS if name in names), None)
    if label is None or label not in names:
        raise _absent(path, label or LABELS[0], names, "label")
    return label


def _parts(path: Path, names: Sequence[str], label: str, wanted: Wanted) -> list[Part]:
    """The part of each column."""
    for key, asked in (("features", wanted.features or ()), ("window.by", wanted.groups)):
        for name in asked:
            if name not in names:
                raise _absent(path, name, names, key)
    chosen = wanted.features or ()
    other = (label, *wanted.groups)
    twice = next((name for name in chosen if name in other or chosen.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"dataset.features: '{twice}' is named twice, or in dataset.label or window.by too; remove one")
    always = {wanted.subject, *SPLIT_COLUMNS.values()} - set(chosen)
    parts: list[Part] = []
    for name in names:
        if not name:
            parts.append("unread")
        elif name == label:
            parts.append("label")
        elif name in wanted.groups:
            parts.append("needed group")
        elif name in chosen:
            parts.append("feature")
        else:
            parts.append("group" if name in always or wanted.features is not None else "open")
    return parts


def _decided(cells: Sequence[str]) -> Part:
    """The part of a column that nobody named, by its first rows: numbers with a unit are features, too."""
    there = [cell for cell in cells if not is_missing(cell)]
    if not there or looks_numeric(there):
        return "feature"
    return "group"


def _collect(groups: Groups, cells: Sequence[str], lines: Sequence[int], place: str, needed: bool) -> None:
    """Take the cells of a column of text."""
    texts = [cell.strip() for cell in cells]
    gone = next((i for i, text in enumerate(texts) if text.casefold() in NO_TEXT), None)
    if gone is not None:
        line, told = lines[gone], f"'{texts[gone]}' is no value" if texts[gone] else "the cell is empty"
        if needed:
            raise DataError(f"{place.format(line)}: {told}; fill it in, or remove the row")
        groups.leave_out(f"line {line} has no value")
    different = list(dict.fromkeys(texts))
    code = {text: i for i, text in enumerate(different)}
    groups.add(different, np.array([code[text] for text in texts]))
    if needed and groups.fault:
        raise DataError(f"{place.format(lines[0])}: the column has {groups.fault}; it must name classes or groups")


def _targets(cells: Sequence[str], lines: Sequence[int], path: Path, name: str) -> npt.NDArray[np.float64]:
    empty = next((line for cell, line in zip(cells, lines, strict=True) if is_missing(cell)), None)
    if empty is not None:
        raise DataError(f"{path}, line {empty}, column '{name}': the cell is empty; remove the row, or give its target")
    return numbers_of(cells, lines, str(path), name, True, "")


def _finish(group: Groups) -> None:
    """Whole numbers as such; times and numbers with fractions are left out."""
    values = [str(value) for value in group.values]
    if not values:
        return
    if all(TIME.fullmatch(text) for text in values):
        group.leave_out("a time")
    elif all(as_number(text) is not None for text in values):
        if all(text.lstrip("-").isdigit() and str(int(text)) == text for text in values):
            group.renamed([int(text) for text in values])
        elif any("." in text or "e" in text.lower() for text in values):
            group.leave_out("numbers with fractions")


def _classes(labels: Groups, path: Path, name: str) -> npt.NDArray:
    """Labels of all rows as whole numbers where they all are that, else as text."""
    texts = [str(value) for value in labels.values]
    numbers = [as_number(text) for text in texts]
    whole = [number is not None and abs(number) < 2**53 and number.is_integer() for number in numbers]
    if all(whole):
        return np.array([int(number or 0) for number in numbers], np.int64)[labels.codes]
    if all(number is not None for number in numbers):
        value = texts[whole.index(False)]
        raise DataError(
            f"{path}, column '{name}': the label '{value}' has a fraction, so is no class; numbers to predict: "
            f"dataset.task: regression"
        )
    words = np.array(texts, dtype=np.str_)
    room = words.itemsize * len(labels.codes)  # NumPy gives every label the room of the longest
    if room > MAX_LABEL_BYTES:
        longest = max(texts, key=len)
        raise DataError(
            f"{path}, column '{name}': the label '{shortened(longest, 60)}' has {len(longest):,} characters, in "
            f"{len(labels.codes):,} rows {size(room)}; at most {size(MAX_LABEL_BYTES)} are read: shorten the labels"
        )
    return words[labels.codes]


def _notes(names: Sequence[str], features: Sequence[str], wanted: Wanted) -> tuple[Note, ...]:
    notes = []
    if wanted.features is None:
        text = f"the features are {n_of(len(features), 'column')}: {some(features, 12)}"
        notes.append(Note("read as", text, len(features)))
    unnamed = [str(place + 1) for place, name in enumerate(names) if not name]
    if unnamed:
        text = f"{n_of(len(unnamed), 'column has', 'columns have')} no name in the header and not read: "
        text = text.replace("and not read", "and is not read" if len(unnamed) == 1 else "and are not read")
        notes.append(Note("left out", text + some(unnamed), len(unnamed)))
    return tuple(notes)


def _absent(path: Path, name: str, names: Sequence[str], key: str) -> DataError:
    there = shortened(", ".join(names), 300)
    return DataError(
        f"{path}, line 1: has no column '{name}', only {there}{nearest(name, names)}; name it in dataset.{key}"
    )
