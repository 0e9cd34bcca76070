"""Reads parquet files: a column of images {bytes, path} or of arrays, a column of labels, and columns of groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgesim.data import held_out_split, parquet_shards
from edgesim.data.array_columns import ArrayLayout
from edgesim.data.cache import DatasetFiles
from edgesim.data.class_names import NamedLabels, merged
from edgesim.data.decode import Decoder, has_colour
from edgesim.data.group_columns import Groups, add_arrow, arrow_fault, columns_of, left_out
from edgesim.data.held_out_split import HeldOut
from edgesim.data.missing_values import Missing
from edgesim.data.origins import of_tables
from edgesim.data.parquet_samples import ArraySamples, TableFile, image_samples, items_of
from edgesim.data.parquet_tables import (
    LABEL_COLUMNS,
    batches,
    check_counts,
    class_names,
    is_images,
    label_column,
    labels_of,
    opened,
    sample_column,
)  # fmt: skip
from edgesim.data.raw_dataset import RawDataset, RawSplit
from edgesim.data.reading_notes import Note
from edgesim.data.sample_form import IMAGES
from edgesim.errors import DataError
from edgesim.tasks import TaskName

holds_parquet = parquet_shards.holds_parquet
NUMBERS = ArrayLayout()


@dataclass(frozen=True)
class Layout:
    """Settings of a user about the files; None = found from the files."""

    train: str | None = None
    """file name or pattern, relative to the folder"""
    test: str | None = None
    samples: str | None = None
    """name of the column with the samples"""
    label: str | None = None
    size: tuple[int, int] | None = None
    """(H, W) to resize images to"""
    held_out: HeldOut | None = None
    """takes the test split from the training split"""
    array: ArrayLayout = NUMBERS
    task: TaskName = "classification"
    missing: Missing = "refuse"


def dataset_files(place: Path, name: str, layout: Layout) -> DatasetFiles:
    """Find the parquet files of both splits.

    Args:
        place: the folder, or the one file with the training split.
        name: of the data set.
        layout: settings.

    Raises:
        DataError: a split is missing, is two sets of shards, or shares a file with the other (`parquet_shards.find`).
    """
    folder, train = place, layout.train
    if not place.is_dir():
        if not place.is_file():
            raise DataError(f"{place}: is no regular file (a device or a pipe); name a file or folder in dataset.root")
        if train is not None:
            raise DataError(f"{place}: is a file; leave out dataset.train, or name its folder in dataset.root")
        folder, train = place.parent, place.name
    advice = _advice if layout.held_out is None else None
    found = parquet_shards.find(folder, train, layout.test, layout.held_out.asked if layout.held_out else None, advice)
    return DatasetFiles(
        name, folder, (*found.train, *found.test), lambda: _decode(folder, found, layout), f"parquet {layout}",
        found.notes,
    )  # fmt: skip


def _advice(path: Path) -> str:
    """Ways to take a test split out of a training file."""
    try:
        names = opened(path).schema_arrow.names
    except DataError:
        names = []  # a damaged file is told of once the splits are there
    return held_out_split.advice(names)


def _decode(folder: Path, found: parquet_shards.Shards, layout: Layout) -> RawDataset:
    notes: list[Note] = []
    splits = [[_file(path, layout, notes) for path in paths] for paths in (found.train, found.test) if paths]
    files = [file for split in splits for file in split]
    images = _images(files)
    kind = layout.task == "regression"
    labels, names, more = (
        ([file.labels.values for file in files], None, [])
        if kind
        else merged([file.labels for file in splits[0]], [file.labels for file in files[len(splits[0]) :]], folder)
    )
    notes += more
    if images:
        _check_no_array(layout, files[0])
        decoder = Decoder(any(has_colour(items_of(split)) for split in splits), folder, layout.size)
        read, noticed, form = [image_samples(split, decoder) for split in splits], decoder.notes, IMAGES
    else:
        arrays = ArraySamples(files, layout.size, layout.array)
        read, noticed, form = [arrays.samples(split) for split in splits], arrays.notes, arrays.form
    groups = [_groups(split) for split in splits]
    columns = columns_of(groups)
    notes += left_out(groups)
    counts = [0, len(splits[0]), len(files)]
    raw = [
        RawSplit(
            np.concatenate(labels[counts[i] : counts[i + 1]]), read[i], _where(split), columns=columns[i],
            origins=of_tables([file.path for file in split], [len(file.labels.values) for file in split], folder),
        )
        for i, split in enumerate(splits)
    ]  # fmt: skip
    return RawDataset(
        raw[0], raw[1] if len(raw) > 1 else None, names, held_out=layout.held_out, notes=tuple(dict.fromkeys(notes)),
        noticed=noticed, form=form, task=layout.task, missing=layout.missing,
    )  # fmt: skip


def _where(files: Sequence[TableFile]) -> str:
    first = files[0].path
    return str(first) if len(files) == 1 else f"{first.parent} ({len(files)} files from {first.name} on)"


def _file(path: Path, layout: Layout, notes: list[Note]) -> TableFile:
    """Columns, labels and class names of one file."""
    table = opened(path)
    schema = table.schema_arrow
    samples = sample_column(schema, layout.samples, path)
    check_counts(path, table, samples)
    label = label_column(schema, layout.label, path, layout.task)
    others = [name for name in LABEL_COLUMNS if name in schema.names and name != label]
    if others and layout.label is None:
        notes.append(Note("left out", f"the labels are column '{label}'; not read: {', '.join(others)}", len(others)))
    names = None
    if layout.task == "classification":
        names, odd = class_names(schema, label)
        if odd:
            text = f"the metadata `classes` are no JSON list of names and not read: {odd}"
            notes.append(Note("left out", text, 1))
    used = {samples, label, *(others if layout.label is None else ())}
    groups = {column.name: arrow_fault(column.type) for column in schema if column.name not in used}
    return TableFile(path, samples, NamedLabels(path, labels_of(path, label), names), groups)


def _images(files: Sequence[TableFile]) -> bool:
    """True where the samples of all files are images.

    Raises:
        DataError: some are, and others are arrays.
    """
    kinds = {is_images(opened(file.path).schema_arrow.field(file.samples).type): file for file in reversed(files)}
    if len(kinds) > 1:
        raise DataError(
            f"the samples are images in {kinds[True].path} and arrays in {kinds[False].path}; give all files one kind, "
            f"or name the column in dataset.samples"
        )
    return True in kinds


def _check_no_array(layout: Layout, file: TableFile) -> None:
    array = layout.array
    for key in ("shape", "tokens", "channels", "form"):
        if getattr(array, key):
            raise DataError(
                f"{file.path}: column '{file.samples}' holds encoded images, to which dataset.{key} does nothing; "
                f"leave it out, or name a column of numbers in dataset.samples"
            )


def _groups(files: Sequence[TableFile]) -> dict[str, Groups]:
    """The group columns of a split, from all its files."""
    found = {name: Groups() for file in files for name in file.groups}
    for name, groups in found.items():
        for file in files:
            fault = file.groups.get(name, "not in every file")
            if fault:
                groups.leave_out(fault)
            if groups.fault:
                break
            for batch in batches(file.path, name, texts=True):
                add_arrow(groups, batch)
    return found
