"""Parquet files as tables: opening within bounds, the columns of samples and labels, and names of classes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from edgesim.config.validation import nearest
from edgesim.data.array_columns import number_type
from edgesim.data.file_bounds import MAX_BATCH_BYTES, check_expanded, check_rows
from edgesim.errors import DataError, shortened
from edgesim.tasks import TaskName

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

ROWS = 512
TEXT_ROWS = 65_536
MAX_LABEL_LENGTH = 1_000
"""characters of a label that is text"""
LABEL_COLUMNS = ("label", "labels", "fine_label")


def opened(path: Path, texts: str | None = None) -> pq.ParquetFile:
    """Open a file and check its bounds. `texts`: a column whose equal texts are to be read once."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path, read_dictionary=None if texts is None else [texts])
        groups = [file.metadata.row_group(i) for i in range(file.num_row_groups)]
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        raise damaged(path, error) from None
    check_expanded(path, sum(group.total_byte_size for group in groups), path.stat().st_size)
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


def is_images(kind: pa.DataType) -> bool:
    """True for a column of encoded images: bytes, or a struct with them."""
    import pyarrow.types as types

    encoded = types.is_struct(kind) and any(kind.field(i).name == "bytes" for i in range(kind.num_fields))
    return encoded or types.is_binary(kind) or types.is_large_binary(kind)


def sample_column(schema: pa.Schema, given: str | None, path: Path) -> str:
    """Name of the column with the samples: `given`, or the only one of images, or else the only one of numbers.

    Raises:
        DataError: there is none, or there are several.
    """
    import pyarrow.types as types

    if given is not None and given not in schema.names:
        raise _no_column(path, given, schema.names, "samples")
    images = [column.name for column in schema if is_images(column.type)]
    arrays = [column.name for column in schema if number_type(column.type) is not None]
    if given is not None and given not in (*images, *arrays):
        raise DataError(
            f"{path}: column '{given}' is {shortened(str(schema.field(given).type), 200)}; allowed: images "
            f"{{bytes, path}}, or lists or tensors of numbers"
        )
    if given is not None:
        return given
    found = images or arrays
    if len(found) == 1:
        return found[0]
    what = "image columns" if images else "columns of numbers"
    tabular = not found and sum(types.is_floating(column.type) for column in schema) > 0
    more = "; are the features columns of their own? save the table as csv, or make one list of them" if tabular else ""
    problem = f"several {what} ({', '.join(found)})" if found else "no column of images {bytes, path}, lists or tensors"
    raise DataError(
        f"{path}: has {problem} among {shortened(', '.join(schema.names), 300)}; name it in dataset.samples{more}"
    )


def label_column(schema: pa.Schema, given: str | None, path: Path, task: TaskName) -> str:
    """Name of the label column: `given`, or the first of LABEL_COLUMNS that is there.

    Raises:
        DataError: there is none, or its type is no label of the task.
    """
    import pyarrow.types as types

    label = given or next((name for name in LABEL_COLUMNS if name in schema.names), None)
    if label is None or label not in schema.names:
        raise _no_column(path, label or LABEL_COLUMNS[0], schema.names, "label")
    kind = schema.field(label).type
    value = kind.value_type if types.is_dictionary(kind) else kind
    if task == "regression":
        if not (types.is_integer(kind) or types.is_floating(kind)):
            raise DataError(f"{path}: column '{label}' is {kind}; a regression needs numbers to predict")
        return label
    is_text = types.is_string(value) or types.is_large_string(value) or str(value) == "string_view"
    more = "; numbers to predict: dataset.task: regression" if types.is_floating(value) else ""
    if not is_text and not types.is_integer(value) and not types.is_boolean(value):
        raise DataError(
            f"{path}: column '{label}' is {kind}; allowed: whole numbers from 0 on, true/false, or text{more}"
        )
    return label


def class_names(schema: pa.Schema, label: str) -> tuple[tuple[str, ...] | None, str]:
    """Names of the classes in the metadata: Hugging Face's, else a JSON list `classes` of the column or the schema.

    Returns: the names (None where there are none), and the text of `classes` that is no list of names, or "".
    """
    try:
        names = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"][label].get("names")
    except (ValueError, KeyError, TypeError, AttributeError):
        names = None  # other tools write other things there; the labels alone will do
    if isinstance(names, list) and names:
        return tuple(str(name) for name in names), ""
    for metadata in (schema.field(label).metadata, schema.metadata):
        text = (metadata or {}).get(b"classes")
        if text is None:
            continue
        try:
            names = json.loads(text)
        except ValueError:
            names = None
        if isinstance(names, list) and names and all(isinstance(name, str | int) for name in names):
            return tuple(map(str, names)), ""
        return None, shortened(text.decode("utf-8", "replace"), 60)
    return None, ""


def labels_of(path: Path, label: str) -> npt.NDArray:
    """One label column as numbers, true/false or text."""
    import pyarrow as pa
    import pyarrow.types as types

    try:
        column = opened(path, label).read(columns=[label]).column(0)  # each text once, however many rows have it
        if types.is_dictionary(column.type):
            texts = [text for chunk in column.chunks for text in chunk.dictionary.to_pylist() if text is not None]
            _check_label_length(path, label, texts)
            column = column.cast(column.type.value_type)
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        raise damaged(path, error) from None
    if column.null_count:
        row = column.is_null().to_numpy(zero_copy_only=False).argmax()
        raise DataError(f"{path}: row {row} has no {label}; remove the row, or give its label")
    if types.is_boolean(column.type):
        return np.asarray(column.to_numpy(zero_copy_only=False))
    if types.is_floating(column.type):
        return np.asarray(column.cast(pa.float64()).to_numpy())
    if types.is_integer(column.type):
        try:
            return np.asarray(column.cast(pa.int64()).to_numpy())  # one type: NumPy joins int64 and uint64 as float64
        except pa.ArrowInvalid as error:
            raise DataError(f"{path}: column '{label}' has a label that is too large ({error})") from None
    try:
        texts = column.to_pylist()
    except ValueError as error:  # no UTF-8
        raise damaged(path, error) from None
    _check_label_length(path, label, texts)
    return np.array(texts, dtype=np.str_)


def _check_label_length(path: Path, label: str, texts: Sequence[object]) -> None:
    """DataError for a text that is too long: NumPy gives every label the room of the longest."""
    longest = max((len(text) for text in texts if isinstance(text, str)), default=0)
    if longest > MAX_LABEL_LENGTH:
        limit = f"at most {MAX_LABEL_LENGTH:,} are read"
        raise DataError(f"{path}: column '{label}' has a text of {longest:,} characters; {limit}")


def batches(path: Path, name: str, texts: bool = False) -> Iterator[pa.Array]:
    """One column, a few MB at a time, without empty batches.

    Args:
        path: the file.
        name: of the column.
        texts: its values are few: equal ones are read once, and many rows at a time.

    Raises:
        DataError: the file is damaged, or beyond its bounds.
    """
    import pyarrow as pa

    try:
        file = opened(path, name if texts else None)
        rows = TEXT_ROWS if texts else _batch_rows(file, name)
        for batch in file.iter_batches(batch_size=rows, columns=[name]):
            if len(batch):
                yield batch.column(0)
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        raise damaged(path, error) from None


def check_counts(path: Path, file: pq.ParquetFile, name: str) -> None:
    """Refuse rows, or numbers of the column with the samples, of which the file can honestly hold fewer.

    Raises:
        DataError: naming both sizes.
    """
    packed, rows = path.stat().st_size, file.metadata.num_rows
    announced = 8 * rows * len(file.schema_arrow.names)
    if is_images(file.schema_arrow.field(name).type):
        check_rows(path, rows, packed)
    else:
        announced += sum(width * chunk.num_values for chunk, _, width in _chunks(file, name))
    check_expanded(path, announced, packed)


def _chunks(file: pq.ParquetFile, name: str) -> Iterator[tuple[pq.ColumnChunkMetaData, int, int]]:
    """Parts of a column in each row group, the rows of the group, and the bytes of a number."""
    kind = number_type(file.schema_arrow.field(name).type)
    width = 1 if kind is None else max(1, kind.bit_width // 8)
    for group in (file.metadata.row_group(i) for i in range(file.num_row_groups)):
        for chunk in (group.column(i) for i in range(group.num_columns)):
            if chunk.path_in_schema == name or chunk.path_in_schema.startswith(f"{name}."):
                yield chunk, group.num_rows, width


def _batch_rows(file: pq.ParquetFile, name: str) -> int:
    """Rows to expand at once.

    A value of bytes may be as large as its column in a row group, and stand in every row. Lists have one length.
    """
    if is_images(file.schema_arrow.field(name).type):
        sizes = [chunk.total_uncompressed_size for chunk, _, _ in _chunks(file, name)]
    else:
        sizes = [width * chunk.num_values // max(rows, 1) for chunk, rows, width in _chunks(file, name)]
    return max(1, min(ROWS, MAX_BATCH_BYTES // max([1, *sizes])))


def _no_column(path: Path, wanted: str, there: list[str], key: str) -> DataError:
    return DataError(
        f"{path}: has no column '{wanted}', only {', '.join(there)}{nearest(wanted, there)}; name it in dataset.{key}"
    )


def damaged(path: Path, error: Exception) -> DataError:
    """The error of a file that cannot be read."""
    return DataError(f"{path}: is truncated or no parquet file ({error}); replace it with a complete copy")
