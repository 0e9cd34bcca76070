"""Tables of traces: columns of a CSV or parquet file, with bounds that come before any expansion.

Numbers may be missing: an empty cell, null or nan. true and false are 1 and 0.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgesim.config.validation import nearest
from edgesim.errors import DataError, shortened
from edgesim.formatting import n_of, size

if TYPE_CHECKING:
    import pyarrow as pa

Array = npt.NDArray[np.float64]

MAX_ROWS = 1_000_000
MAX_COLUMNS = 1_000
MAX_TEXT = 200
"""characters of a cell of text"""
MAX_COLUMN_BYTES = 512 << 20
"""of a column of a parquet file, expanded"""
_FLAGS = {"true": 1.0, "false": 0.0}


@dataclass(frozen=True)
class Table:
    """Columns of a trace, read when they are asked for."""

    name: str
    """of the file, as the document has it"""
    names: tuple[str, ...]
    """of the columns"""
    rows: int
    row_name: Callable[[int], str] = field(repr=False)
    """place of a row in the file, for messages"""
    read: Callable[[str], tuple[Array | None, list[str | None]]] = field(repr=False)
    """numbers of a column, or else its cells as text"""
    known: dict[tuple[str, str], Any] = field(default_factory=dict, repr=False)
    """columns that were read"""

    def numbers(self, column: str) -> Array:
        """[rows] of a column; NaN where a cell is empty.

        Raises:
            DataError: there is no such column, or a cell is no number.
        """
        if ("numbers", column) not in self.known:
            numbers, cells = self._cells(column)
            self.known["numbers", column] = _numbers(self, column, cells) if numbers is None else numbers
        found: Array = self.known["numbers", column]
        return found

    def texts(self, column: str) -> tuple[npt.NDArray[np.int64], list[str]]:
        """[rows] position of each cell's text, -1 where it is empty, and the texts, sorted.

        Raises:
            DataError: there is no such column, or a text is too long.
        """
        if ("texts", column) not in self.known:
            numbers, cells = self._cells(column)
            self.known["texts", column] = _texts(self, column, cells, numbers)
        found: tuple[npt.NDArray[np.int64], list[str]] = self.known["texts", column]
        return found

    def _cells(self, column: str) -> tuple[Array | None, list[str | None]]:
        if column not in self.names:
            listed = shortened(", ".join(self.names), 300)
            raise DataError(f"{self.name}: has no column '{column}'{nearest(column, self.names)}; columns: {listed}")
        if ("cells", column) not in self.known:
            self.known["cells", column] = self.read(column)
        found: tuple[Array | None, list[str | None]] = self.known["cells", column]
        return found


def _check_size(name: str, rows: int, columns: tuple[str, ...]) -> None:
    if rows > MAX_ROWS:
        raise DataError(f"{name}: has more than {MAX_ROWS:,} rows, the most that a trace may have; cut or resample it")
    if rows < 2:
        raise DataError(f"{name}: has {n_of(rows, 'row')}; a trace needs two or more")
    if len(columns) > MAX_COLUMNS:
        raise DataError(f"{name}: has {len(columns):,} columns; at most {MAX_COLUMNS:,} are read")
    twice = [column for place, column in enumerate(columns) if column in columns[:place]]
    if twice:
        raise DataError(f"{name}: has the column '{twice[0]}' twice; rename one")


def of_csv(name: str, content: bytes) -> Table:
    """The table of a CSV file with a header.

    Raises:
        DataError: it is malformed, or beyond a bound.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{name}: is not text in UTF-8 (byte {error.start}); save it with this encoding") from None
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    cells: list[list[str]] = []
    places: list[int] = []
    try:
        header = tuple(column.strip() for column in next(lines, []))
        for row in lines:
            if not row:
                continue  # an empty line
            if len(row) != len(header):
                raise DataError(
                    f"{name}, line {lines.line_num}: has {len(row)} values and the header {len(header)}; give one each"
                )
            cells.append(row)
            places.append(lines.line_num)
            if len(cells) > MAX_ROWS:
                break
    except csv.Error as error:
        raise DataError(f"{name}, line {lines.line_num}: is no CSV: {error}") from None
    _check_size(name, len(cells), header)
    positions = {column: place for place, column in enumerate(header)}

    def column(wanted: str) -> tuple[None, list[str | None]]:
        return None, [row[positions[wanted]].strip() or None for row in cells]

    return Table(name, header, len(cells), lambda row: f"line {places[row]}", column)


def of_parquet(name: str, content: bytes) -> Table:
    """The table of a parquet file.

    Raises:
        DataError: it is damaged, or beyond a bound.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    def opened(text: list[str] | None = None) -> pq.ParquetFile:
        return pq.ParquetFile(pa.BufferReader(content), read_dictionary=text)

    try:
        file = opened()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{name}: is no parquet file, or damaged: {first_line(error)}") from None
    names = tuple(file.schema_arrow.names)
    _check_size(name, file.metadata.num_rows, names)

    def column(wanted: str) -> tuple[Array | None, list[str | None]]:
        kind = file.schema_arrow.field(wanted).type
        texts = [wanted] if pa.types.is_string(kind) or pa.types.is_large_string(kind) else None
        groups = [file.metadata.row_group(i) for i in range(file.num_row_groups)]
        chunks = [group.column(i) for group in groups for i in range(group.num_columns)]
        expanded = sum(chunk.total_uncompressed_size for chunk in chunks if chunk.path_in_schema == wanted)
        if expanded > MAX_COLUMN_BYTES:
            raise DataError(
                f"{name}: column '{wanted}' has {size(expanded)}; at most {size(MAX_COLUMN_BYTES)} are read"
            )
        try:
            values = opened(texts).read(columns=[wanted]).column(0)
            return _values(name, wanted, values)
        except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
            raise DataError(f"{name}: column '{wanted}' cannot be read: {first_line(error)}") from None

    return Table(name, names, file.metadata.num_rows, lambda row: f"row {row}", column)


def _values(name: str, column: str, values: pa.ChunkedArray) -> tuple[Array | None, list[str | None]]:
    """Numbers, or cells of text: each text of a dictionary is one object, however many rows have it."""
    import pyarrow as pa

    kind = values.type
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind):
        plain = values.cast(pa.float64(), safe=False) if not pa.types.is_boolean(kind) else values.cast(pa.int8())
        numbers = np.asarray(plain.to_numpy(), dtype=np.float64)
        return numbers, []
    is_text = pa.types.is_dictionary(kind) and kind.value_type in (pa.string(), pa.large_string())
    if is_text:
        cells: list[str | None] = []
        for chunk in values.chunks:
            held = chunk.dictionary.to_pylist()
            cells += [None if code is None else held[code] for code in chunk.indices.to_pylist()]
        return None, cells
    raise DataError(f"{name}: column '{column}' holds {kind}; save it as numbers (times as Unix seconds) or as text")


def first_line(error: BaseException) -> str:
    """The first line of another library's error."""
    return shortened(str(error).partition("\n")[0], 200)


def _numbers(table: Table, column: str, cells: list[str | None]) -> Array:
    values = np.full(len(cells), np.nan)
    for row, cell in enumerate(cells):
        if cell is None:
            continue
        try:
            values[row] = float(cell)
        except ValueError:
            flag = _FLAGS.get(cell.lower())
            if flag is None:
                shown = shortened(cell, 60)
                fix = "give Unix seconds" if column == "t" else "leave unknown ones empty"
                raise DataError(
                    f"{table.name}, {table.row_name(row)}: {column} = '{shown}' is no number; {fix}"
                ) from None
            values[row] = flag
    return values


def _texts(
    table: Table, column: str, cells: list[str | None], numbers: Array | None
) -> tuple[npt.NDArray[np.int64], list[str]]:
    if numbers is not None:
        found, codes = np.unique(numbers, return_inverse=True)
        names = ["" if math.isnan(value) else f"{value:.15g}" for value in found.tolist()]
        order = np.argsort(np.array(names, dtype=object), kind="stable")
        ranks = np.empty(len(names), dtype=np.int64)
        ranks[order] = np.arange(len(names))
        return np.where(np.isnan(numbers), -1, ranks[codes]), [names[i] for i in order]
    names = sorted({cell for cell in cells if cell is not None})
    for text in names:
        if len(text) > MAX_TEXT:
            raise DataError(
                f"{table.name}: column '{column}' has a text of {len(text):,} characters; at most {MAX_TEXT}"
            )
    places = {text: place for place, text in enumerate(names)}
    return np.array([-1 if cell is None else places[cell] for cell in cells], dtype=np.int64), names
