"""Reads parquet files in the Hugging Face image layout: a column of {bytes, path} and a column of labels."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from edgesim.config.validation import nearest
from edgesim.data import parquet_shards
from edgesim.data.cache import DatasetFiles
from edgesim.data.class_names import NamedLabels, merged
from edgesim.data.decode import Decoder, Item, has_colour
from edgesim.data.file_bounds import MAX_BATCH_BYTES, check_expanded, check_rows
from edgesim.data.held_out_split import HeldOut
from edgesim.data.raw_dataset import RawDataset, RawSplit
from edgesim.data.reading_notes import Note
from edgesim.errors import DataError
from edgesim.work import ByteArray, IntArray

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

ROWS = 512
MAX_LABEL_LENGTH = 1_000
"""characters of a label that is text"""
LABEL_COLUMNS = ("label", "labels", "fine_label")

holds_parquet = parquet_shards.holds_parquet


@dataclass(frozen=True)
class Layout:
    """Settings of a user about the files; None = found from the files."""

    train: str | None = None
    """file name or pattern, relative to the folder"""
    test: str | None = None
    image: str | None = None
    """name of the image column"""
    label: str | None = None
    size: tuple[int, int] | None = None
    """(H, W) to resize to"""
    held_out: HeldOut | None = None
    """takes the test split from the training split"""


@dataclass(frozen=True)
class _File:
    """One file: its image column and its labels."""

    path: Path
    image: str
    labels: NamedLabels = field(repr=False)


def dataset_files(folder: Path, name: str, layout: Layout) -> DatasetFiles:
    """Find the parquet files of both splits.

    Raises:
        DataError: a split is missing, is two sets of shards, or shares a file with the other (`parquet_shards.find`).
    """
    found = parquet_shards.find(folder, layout.train, layout.test, shared=layout.held_out is not None)
    return DatasetFiles(
        name, folder, (*found.train, *found.test), lambda: _decode(folder, found, layout), f"parquet {layout}",
        found.notes,
    )  # fmt: skip


def _decode(folder: Path, found: parquet_shards.Shards, layout: Layout) -> RawDataset:
    notes: list[Note] = []
    train, test = ([_file(path, layout, notes) for path in paths] for paths in (found.train, found.test))
    labels, names, more = merged([file.labels for file in train], [file.labels for file in test], folder)
    decoder = Decoder(any(has_colour(_items(files)) for files in (train, test)), folder, layout.size)
    splits = [_raw(train, labels[: len(train)], decoder)]
    if test:
        splits.append(_raw(test, labels[len(train) :], decoder))
    return RawDataset(
        splits[0], splits[1] if test else None, names, held_out=layout.held_out,
        notes=tuple(dict.fromkeys([*notes, *more])), noticed=decoder.notes,
    )  # fmt: skip


def _raw(files: Sequence[_File], labels: Sequence[npt.NDArray], decoder: Decoder) -> RawSplit:
    def images(rows: IntArray | None) -> Iterable[ByteArray]:
        return decoder.chunks(_items(files, rows))

    first = files[0].path
    where = str(first) if len(files) == 1 else f"{first.parent} ({len(files)} files from {first.name} on)"
    return RawSplit(np.concatenate(labels), images, where)


def _file(path: Path, layout: Layout, notes: list[Note]) -> _File:
    """Columns, labels and class names of one file."""
    schema = _open(path).schema_arrow
    image = _image_column(schema, layout.image, path)
    label = _label_column(schema, layout.label, path)
    others = [name for name in LABEL_COLUMNS if name in schema.names and name != label]
    if others and layout.label is None:
        notes.append(Note("left out", f"the labels are column '{label}'; not read: {', '.join(others)}", len(others)))
    return _File(path, image, NamedLabels(path, _labels(path, label), _class_names(schema, label)))


def _items(files: Iterable[_File], rows: IntArray | None = None) -> Iterator[Item]:
    """The images of a split, or of some of its rows (sorted), each with its file and row."""
    import pyarrow as pa

    first = 0  # row of the split that the next batch begins with
    for file in files:
        before = first
        try:
            opened, packed, expanded = _open(file.path), file.path.stat().st_size, 0
            for batch in opened.iter_batches(batch_size=_batch_rows(opened, file.image), columns=[file.image]):
                column, inside = batch.column(0), np.arange(len(batch))
                if rows is not None:
                    inside = rows[slice(*np.searchsorted(rows, (first, first + len(batch))))] - first
                for i in inside:
                    item = _item(f"{file.path}, row {first - before + i}", column[int(i)].as_py())
                    expanded += len(item[1])
                    check_expanded(file.path, expanded, packed)
                    yield item
                first += len(batch)
        except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
            raise _damaged(file.path, error) from None


def _batch_rows(file: pq.ParquetFile, column: str) -> int:
    """Rows to expand at once: a value may be as large as its column in a row group, and stand in every row."""
    groups = [file.metadata.row_group(i) for i in range(file.num_row_groups)]
    chunks = [group.column(i) for group in groups for i in range(group.num_columns)]
    sizes = [chunk.total_uncompressed_size for chunk in chunks if chunk.path_in_schema.split(".")[0] == column]
    return max(1, min(ROWS, MAX_BATCH_BYTES // max([1, *sizes])))


def _item(where: str, value: object) -> tuple[str, bytes]:
    content = value.get("bytes") if isinstance(value, dict) else value
    if not content or not isinstance(content, bytes):
        raise DataError(f"{where}: has no image bytes; save the data set with the images embedded")
    return where, content


def _labels(path: Path, label: str) -> npt.NDArray:
    """One label column as whole numbers, true/false or text."""
    import pyarrow as pa
    import pyarrow.types as types

    try:
        column = _open(path, label).read(columns=[label]).column(0)  # each text once, however many rows have it
        if types.is_dictionary(column.type):
            texts = [text for chunk in column.chunks for text in chunk.dictionary.to_pylist() if text is not None]
            _check_label_length(path, label, texts)
            column = column.cast(column.type.value_type)
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        raise _damaged(path, error) from None
    if column.null_count:
        row = column.is_null().to_numpy(zero_copy_only=False).argmax()
        raise DataError(f"{path}: row {row} has no {label}; remove the row, or give its label")
    if types.is_boolean(column.type):
        return np.asarray(column.to_numpy(zero_copy_only=False))
    if types.is_integer(column.type):
        try:
            return np.asarray(column.cast(pa.int64()).to_numpy())  # one type: NumPy joins int64 and uint64 as float64
        except pa.ArrowInvalid as error:
            raise DataError(f"{path}: column '{label}' has a label that is too large ({error})") from None
    try:
        texts = column.to_pylist()
    except ValueError as error:  # no UTF-8
        raise _damaged(path, error) from None
    _check_label_length(path, label, texts)
    return np.array(texts, dtype=np.str_)


def _check_label_length(path: Path, label: str, texts: Sequence[object]) -> None:
    """DataError for a text that is too long: NumPy gives every label the room of the longest."""
    longest = max((len(text) for text in texts if isinstance(text, str)), default=0)
    if longest > MAX_LABEL_LENGTH:
        limit = f"at most {MAX_LABEL_LENGTH:,} are read"
        raise DataError(f"{path}: column '{label}' has a text of {longest:,} characters; {limit}")


def _open(path: Path, texts: str | None = None) -> pq.ParquetFile:
    """Open a file and check its bounds. `texts`: a column whose equal texts are to be read once."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path, read_dictionary=None if texts is None else [texts])
        groups = [file.metadata.row_group(i) for i in range(file.num_row_groups)]
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        raise _damaged(path, error) from None
    check_expanded(path, sum(group.total_byte_size for group in groups), path.stat().st_size)
    check_rows(path, file.metadata.num_rows, path.stat().st_size)
    repeated = sorted(name for name, count in Counter(file.schema_arrow.names).items() if count > 1)
    if repeated:
        raise DataError(f"{path}: has several columns called {', '.join(repeated)}; rename or remove all but one")
    for column in file.schema_arrow:
        if pa.types.is_struct(column.type):
            _check_struct(path, column)
    return file


def _check_struct(path: Path, column: pa.Field) -> None:
    """DataError where a struct that has the fields of an image holds something else in them."""
    import pyarrow.types as types

    allowed = {
        "bytes": ("binary", (types.is_binary, types.is_large_binary, types.is_null)),
        "path": ("text", (types.is_string, types.is_large_string, types.is_null)),
    }
    for inner in (column.type.field(i) for i in range(column.type.num_fields)):
        wanted, kinds = allowed.get(inner.name, ("", ()))
        if wanted and not any(fits(inner.type) for fits in kinds):
            raise DataError(f"{path}: column '{column.name}' has {inner.type} in '{inner.name}'; allowed: {wanted}")


def _image_column(schema: pa.Schema, given: str | None, path: Path) -> str:
    import pyarrow.types as types

    if given is not None and given not in schema.names:
        raise _no_column(path, given, schema.names, "image")

    def is_image(kind: pa.DataType) -> bool:
        encoded = types.is_struct(kind) and any(kind.field(i).name == "bytes" for i in range(kind.num_fields))
        return encoded or types.is_binary(kind) or types.is_large_binary(kind)

    images = [column.name for column in schema if is_image(column.type)]
    if given is not None and given not in images:
        raise DataError(f"{path}: column '{given}' is {schema.field(given).type}; allowed: {{bytes, path}} or bytes")
    if given is None and len(images) != 1:
        problem = f"several image columns ({', '.join(images)})" if images else "no image column {bytes, path}"
        raise DataError(f"{path}: has {problem} among {', '.join(schema.names)}; name it in dataset.image")
    return given or images[0]


def _label_column(schema: pa.Schema, given: str | None, path: Path) -> str:
    import pyarrow.types as types

    label = given or next((name for name in LABEL_COLUMNS if name in schema.names), None)
    if label is None or label not in schema.names:
        raise _no_column(path, label or LABEL_COLUMNS[0], schema.names, "label")
    kind = schema.field(label).type
    value = kind.value_type if types.is_dictionary(kind) else kind
    is_text = types.is_string(value) or types.is_large_string(value) or str(value) == "string_view"
    if not is_text and not types.is_integer(value) and not types.is_boolean(value):
        raise DataError(f"{path}: column '{label}' is {kind}; allowed: whole numbers from 0 on, true/false, or text")
    return label


def _class_names(schema: pa.Schema, label: str) -> tuple[str, ...] | None:
    """The names that the Hugging Face metadata gives the classes; None where it does not."""
    metadata = (schema.metadata or {}).get(b"huggingface")
    if metadata is None:
        return None
    try:
        names = json.loads(metadata)["info"]["features"][label].get("names")
    except (ValueError, KeyError, TypeError, AttributeError):
        return None  # other tools write other things there; the labels alone will do
    return tuple(str(name) for name in names) if isinstance(names, list) and names else None


def _no_column(path: Path, wanted: str, there: list[str], key: str) -> DataError:
    return DataError(
        f"{path}: has no column '{wanted}', only {', '.join(there)}{nearest(wanted, there)}; name it in dataset.{key}"
    )


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(f"{path}: is truncated or no parquet file ({error}); replace it with a complete copy")
