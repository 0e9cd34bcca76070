"""Samples of parquet files, a batch of rows at a time: encoded images, or arrays of numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgesim.data.array_columns import ArrayLayout, ArrayReader, channels_of, stated_shape
from edgesim.data.class_names import NamedLabels
from edgesim.data.decode import Decoder, Item
from edgesim.data.file_bounds import check_expanded
from edgesim.data.parquet_tables import batches, opened
from edgesim.data.raw_dataset import Samples, as_samples, form_notes
from edgesim.data.reading_notes import Note
from edgesim.data.sample_form import SampleArray, SampleForm
from edgesim.errors import DataError
from edgesim.work import ByteArray, IntArray


@dataclass(frozen=True)
class TableFile:
    """One file: its columns and its labels."""

    path: Path
    samples: str
    labels: NamedLabels = field(repr=False)
    groups: dict[str, str]
    """column -> reason why it groups nothing"""


def image_samples(files: Sequence[TableFile], decoder: Decoder) -> Samples:
    """Decoded images of a split, whichever rows are asked for."""

    def images(rows: IntArray | None) -> Iterable[ByteArray]:
        return decoder.chunks(items_of(files, rows))

    return images


def items_of(files: Iterable[TableFile], rows: IntArray | None = None) -> Iterator[Item]:
    """The images of a split, or of some of its rows (sorted), each with its file and row."""
    first = 0  # row of the split that the next batch begins with
    for file in files:
        before, packed, expanded = first, file.path.stat().st_size, 0
        for column in batches(file.path, file.samples):
            for i in _inside(rows, first, len(column)):
                item = _item(f"{file.path}, row {first - before + i}", column[int(i)].as_py())
                expanded += len(item[1])
                check_expanded(file.path, expanded, packed)
                yield item
            first += len(column)


def _inside(rows: IntArray | None, first: int, count: int) -> IntArray:
    """Positions in a batch, which begins with row `first`, that are among `rows`."""
    if rows is None:
        return np.arange(count)
    return rows[slice(*np.searchsorted(rows, (first, first + count)))] - first


def _item(where: str, value: object) -> tuple[str, bytes]:
    content = value.get("bytes") if isinstance(value, dict) else value
    if not content or not isinstance(content, bytes):
        raise DataError(f"{where}: has no image bytes; save the data set with the images embedded")
    return where, content


class ArraySamples:
    """Samples that are arrays, of all files of a data set."""

    def __init__(self, files: Sequence[TableFile], size: tuple[int, int] | None, layout: ArrayLayout):
        if size is not None:
            raise DataError(
                f"{files[0].path}: column '{files[0].samples}' holds arrays, which dataset.size does not resize; leave "
                f"it out"
            )
        self._layout = layout
        self._reader = ArrayReader(layout)
        self._float64 = 0
        self._form_notes: list[Note] = []
        self.form = self._form_of(files)

    def samples(self, files: Sequence[TableFile]) -> Samples:
        """Samples of a split, a batch of rows at a time."""

        def chunks(rows: IntArray | None) -> Iterator[SampleArray]:
            first = 0
            for file in files:
                for array in self._arrays(file):
                    chosen = _inside(rows, first, len(array))
                    first += len(array)
                    if len(chosen):
                        some = array if len(chosen) == len(array) else array[chosen]
                        yield as_samples(some, _column(file), self._channels(array, file), self._layout.form)[0]

        return chunks

    def notes(self) -> list[Note]:
        """Notes on numbers that were converted, and on samples that may be images or windows alike."""
        notes = list(self._form_notes)
        if self._float64:
            notes.append(Note("read as", "the samples are float64 and read as float32", self._float64))
        return notes

    def _arrays(self, file: TableFile) -> Iterator[npt.NDArray[Any]]:
        """Rows of a file as they stand, [b, *shape]."""
        schema, where = opened(file.path).schema_arrow, _column(file)
        shape = stated_shape(schema, file.samples, self._layout.shape, str(file.path))
        first, packed, expanded = 0, file.path.stat().st_size, 0
        for batch in batches(file.path, file.samples):
            array = self._reader.dense(batch, where, first, shape)
            first, expanded = first + len(array), expanded + array.nbytes
            check_expanded(file.path, expanded, packed)
            yield array

    def _channels(self, array: npt.NDArray[Any], file: TableFile) -> Any:
        return channels_of(array.shape[1:], array.dtype.name, self._layout, _column(file))

    def _form_of(self, files: Sequence[TableFile]) -> SampleForm:
        """The form of all samples. Token ids are read once for it: their largest is the size of the vocabulary."""
        form, count = None, sum(len(file.labels.values) for file in files)
        for file in files:
            for array in self._arrays(file):
                tokens = array.dtype == np.int32
                rows = (len(file.labels.values), *array.shape[1:])  # as many as messages are to name
                probe = array if tokens else np.broadcast_to(array.dtype.type(0), rows)
                found = as_samples(probe, _column(file), self._channels(array, file), self._layout.form)[1]
                form = found if form is None or found.vocabulary > form.vocabulary else form
                if not form.tokens:
                    self._form_notes = self._form_notes or form_notes(array, self._layout.form, count)
                    break
            self._float64 += len(file.labels.values) * self._reader.converted
            self._reader.converted = False
        return form or SampleForm(0)


def _column(file: TableFile) -> str:
    return f"{file.path}, column '{file.samples}'"
