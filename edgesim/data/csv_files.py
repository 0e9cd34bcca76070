"""Reads CSV files: each row a sample, or windows over a long table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edgesim.data import held_out_split
from edgesim.data.cache import DatasetFiles
from edgesim.data.csv_table import CsvTable, Wanted, read_table
from edgesim.data.csv_text import CsvRows
from edgesim.data.group_columns import Groups, columns_of, left_out
from edgesim.data.held_out_split import SPLIT_COLUMNS, HeldOut
from edgesim.data.missing_values import Missing
from edgesim.data.origins import Origins
from edgesim.data.raw_dataset import RawDataset, RawSplit, array_samples
from edgesim.data.reading_notes import Note, some
from edgesim.data.sample_form import SampleForm
from edgesim.data.table_windows import WindowLayout, windows_of
from edgesim.errors import DataError
from edgesim.formatting import n_of
from edgesim.tasks import TaskName

ENDINGS = (".csv", ".tsv", ".txt")
MIXED = "mixed"
"""split of a window whose rows lie in several"""


@dataclass(frozen=True)
class CsvLayout:
    """Settings of a user about the file; None = found from the file."""

    label: str | None = None
    features: tuple[str, ...] | None = None
    window: WindowLayout | None = None
    """None: each row is a sample"""
    delimiter: str | None = None
    subject: str = "subject"
    held_out: HeldOut | None = None
    """takes the test split from the training split"""
    task: TaskName = "classification"
    missing: Missing = "refuse"


def csv(place: Path, name: str, layout: CsvLayout) -> DatasetFiles:
    """Find the files of both splits.

    Args:
        place: the file, or a folder that holds train.csv and test.csv, or one file.
        name: of the data set.
        layout: settings.

    Raises:
        DataError: the folder holds no such files, there is no test split, or there are two.
    """
    train, test = _found(place)
    if not train.is_file():
        raise DataError(f"{train}: is no regular file (a device or a pipe); name the .csv file in dataset.root")
    if test is None and layout.held_out is None:
        advice = held_out_split.advice(list(CsvRows(train, layout.delimiter).names)).removeprefix(", or ")
        raise DataError(f"{train}: the test split is missing: put test.csv beside train.csv; or {advice.lstrip('; ')}")
    if test is not None and layout.held_out is not None:
        raise DataError(f"{test}: is a test split, and {layout.held_out.asked} asks for another; give one of them only")
    files = (train,) if test is None else (train, test)
    return DatasetFiles(name, train.parent, files, lambda: _decode(files, layout), f"csv {layout}")


def _found(place: Path) -> tuple[Path, Path | None]:
    if not place.is_dir():
        return place, None
    files = sorted(path for path in place.iterdir() if path.suffix.lower() in ENDINGS and path.is_file())
    by_stem = {path.stem.lower(): path for path in files}
    test = by_stem.get("test") or by_stem.get("validation") or by_stem.get("val")
    if "train" in by_stem:
        return by_stem["train"], test
    tables = [path for path in files if path.suffix.lower() != ".txt"]
    if len(tables) != 1 or tables[0] == test:
        there = some((path.name for path in files), 8) or "none"
        raise DataError(
            f"{place}: holds {n_of(len(tables), 'table')} ({there}) and no train.csv; name one file in dataset.root, "
            "or join them into one table with a column that says which file a row is of"
        )
    return tables[0], None


def _decode(files: tuple[Path, ...], layout: CsvLayout) -> RawDataset:
    wanted = Wanted(
        layout.label,
        layout.features,
        layout.window.by if layout.window else (),
        layout.subject,
        layout.task == "regression",
        layout.missing == "refuse",
    )
    tables = [read_table(files[0], layout.delimiter, wanted)]
    if len(files) > 1:
        alike = Wanted(**{**vars(wanted), "features": tables[0].features})
        tables.append(read_table(files[1], layout.delimiter, alike))
    make = _rows if layout.window is None else _windows(layout.window, layout)
    splits, notes, groups = [], list[Note](), []
    for table in tables:
        split, mine, more = make(table)
        splits.append(split)
        notes += [*table.notes, *more]
        groups.append(mine)
    splits = [replace(split, columns=mine) for split, mine in zip(splits, columns_of(groups), strict=True)]
    notes += left_out(groups)
    return RawDataset(
        splits[0], splits[1] if len(splits) > 1 else None, held_out=layout.held_out, notes=tuple(dict.fromkeys(notes)),
        form=SampleForm(0), task=layout.task, missing=layout.missing,
        feature_names=tables[0].features if layout.window is None else (),
    )  # fmt: skip


Made = tuple[RawSplit, dict[str, Groups], list[Note]]


def _rows(table: CsvTable) -> Made:
    """Every row as a sample [features]."""
    return RawSplit(table.labels, array_samples(table.values), str(table.path)), table.groups, []


def _windows(window: WindowLayout, layout: CsvLayout) -> Callable[[CsvTable], Made]:
    """Windows of rows as samples [channels, length]."""

    def make(table: CsvTable) -> Made:
        where, by = str(table.path), [_values(table, name) for name in window.by]
        windows, notes = windows_of(by, len(table.labels), len(table.features), window, where)
        if window.label == "common":
            same = windows.uniform(np.unique(table.labels, return_inverse=True)[1])
            if not same.all():
                count = int((~same).sum())
                text = f"{n_of(count, 'window has', 'windows have')} rows of several labels"
                if count == len(same):
                    raise DataError(f"{where}: all {text}; give a smaller dataset.window.length, or label: last")
                notes.append(Note("left out", text, count))
            windows = windows.chosen(same)
        last, groups = windows.last_rows, {}
        for name, group in table.groups.items():
            groups[name] = group
            if not group.fault:
                groups[name] = _of_windows(group, windows.uniform(group.codes), last, name, layout, where)
        notes += _overlap(window, layout)
        origins = Origins(windows.order[windows.starts])
        return RawSplit(table.labels[last], windows.samples(table.values), where, origins=origins), groups, notes

    return make


def _values(table: CsvTable, name: str) -> np.ndarray:
    return table.groups[name].codes if name in table.groups else table.labels


def _of_windows(group: Groups, same: np.ndarray, last: np.ndarray, name: str, layout: CsvLayout, where: str) -> Groups:
    """A group column of the windows: the value that all rows of a window share."""
    if same.all():
        return group.chosen(group.codes[last])
    count = n_of(int((~same).sum()), "window")
    if name == layout.subject:
        raise DataError(
            f"{where}: column '{name}' changes within {count}; add it to dataset.window.by, so that no window "
            f"mixes its values"
        )
    if name not in SPLIT_COLUMNS.values():
        group.leave_out(f"it changes within {count}")
        return group
    codes = np.where(same, group.codes[last], len(group.values))
    group.renamed([*group.values, MIXED])
    return group.chosen(codes)


def _overlap(window: WindowLayout, layout: CsvLayout) -> list[Note]:
    """The note on drawn test windows that share rows with training windows."""
    held_out = layout.held_out
    if window.step >= window.length or held_out is None or held_out.share is None or held_out.rule == "subjects":
        return []
    text = f"windows overlap (step {window.step:,} of {window.length:,} rows), and test windows are drawn at random: "
    text += "they share rows with training windows, and accuracy is optimistic; use step = length or test: subjects"
    return [Note("repeated", text, window.length - window.step)]
