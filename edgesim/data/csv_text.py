"""Text files with a header and one row a line: rows with their line numbers, within bounds, and numbers in cells."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from edgesim.errors import DataError, shortened
from edgesim.formatting import size
from edgesim.work import FloatArray

MAX_FILE_BYTES = 2 << 30
"""the numbers of such a file fill at most twice that in memory"""
MAX_LINE_BYTES = 1 << 22
MAX_COLUMNS = 100_000
DELIMITERS = (",", ";", "\t")
CHUNK_ROWS = 4096
LARGEST = float(np.finfo(np.float32).max)
MISSING = ("", "nan", "na", "n/a", "null", "none")
"""cells without a value, in any case"""
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
THOUSANDS = re.compile(r"[+-]?\d{1,3}([,' ]\d{3})+(\.\d+)?")
UNIT = re.compile(r"([+-]?\d+(?:[.,]\d+)?(?:[eE][+-]?\d+)?)\s*(%|°[CF]?|[µμkmMG]?[A-Za-zΩ]{1,4}(?:[/²³^*]\S{0,6})?)")
"""a number with one of the usual units behind it"""
LETTER_UNIT = re.compile(r"[+-]?\d+[A-Za-z]")
"""such as 12a: as likely a name"""


class CsvRows:
    """Header and rows of a file.

    Args:
        path: the file.
        delimiter: between two values; None = the one that splits the header.

    Raises:
        DataError: no text in UTF-8, no header, a name that two columns have, or a file beyond the bounds.
    """

    def __init__(self, path: Path, delimiter: str | None):
        self.path = path
        held = path.stat().st_size
        if held > MAX_FILE_BYTES:
            raise DataError(
                f"{path}: is {size(held)}; at most {size(MAX_FILE_BYTES)} of text are read: save it as parquet"
            )
        first = next(_lines(path), "")
        if not first.strip():
            raise DataError(f"{path}, line 1: is empty; write the names of the columns there")
        self.delimiter = delimiter or max(DELIMITERS, key=lambda sign: len(_fields(path, first, sign)))
        self.names = tuple(name.strip() for name in _fields(path, first, self.delimiter))
        self._check_header()

    def chunks(self) -> Iterator[tuple[list[int], list[list[str]]]]:
        """Lines and cells of the next rows, at most CHUNK_ROWS. Empty lines are passed over.

        Raises:
            DataError: a row with more or fewer values than the header, or a quote that nothing closes.
        """
        reader = csv.reader(_lines(self.path), delimiter=self.delimiter, strict=True)
        lines: list[int] = []
        rows: list[list[str]] = []
        try:
            next(reader)
            for row in reader:
                if not row or (len(row) == 1 and not row[0].strip() and len(self.names) > 1):
                    continue
                if len(row) != len(self.names):
                    raise DataError(f"{self.path}, line {reader.line_num}: {self._wrong(len(row))}")
                lines.append(reader.line_num)
                rows.append(row)
                if len(rows) == CHUNK_ROWS:
                    yield lines, rows
                    lines, rows = [], []
        except csv.Error as error:
            raise _no_csv(self.path, reader.line_num, error) from None
        if rows:
            yield lines, rows

    def _wrong(self, found: int) -> str:
        hint = " (a decimal comma, or a text with a comma that no quotes enclose?)" if self.delimiter == "," else ""
        more = hint if found > len(self.names) else ""
        return f"has {found:,} values, the header {len(self.names):,}; give one for each column{more}"

    def _check_header(self) -> None:
        names, where = self.names, f"{self.path}, line 1"
        if len(names) > MAX_COLUMNS:
            raise DataError(f"{where}: has {len(names):,} columns; at most {MAX_COLUMNS:,} are read")
        if len(names) == 1:
            raise DataError(
                f"{where}: has one column, '{shortened(names[0], 80)}'; a label and a feature are needed; comma, "
                f"semicolon and tab split values: see dataset.delimiter"
            )
        numbers = [name for name in names if as_number(name) is not None and (not name.isdigit() or len(name) > 6)]
        if numbers or all(as_number(name) is not None for name in names if name):
            value = numbers[0] if numbers else names[0]
            raise DataError(f"{where}: holds the number '{value}', so no header; write the names of the columns there")
        places: dict[str, int] = {}
        for place, name in enumerate(names):
            if name and name in places:
                both = f"columns {places[name] + 1} and {place + 1}"
                raise DataError(f"{where}: {both} are both called '{shortened(name, 80)}'; rename or remove one")
            places[name] = place


def _lines(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        number = 0
        while line := file.readline(MAX_LINE_BYTES + 1):
            number += 1
            if number == 1:
                if line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                    raise DataError(f"{path}: is text in UTF-16; save it in UTF-8")
                line = line.removeprefix(codecs.BOM_UTF8)
            if len(line) > MAX_LINE_BYTES:
                raise DataError(f"{path}, line {number}: is longer than {size(MAX_LINE_BYTES)}; is it a table?")
            if b"\0" in line:
                raise DataError(f"{path}, line {number}: holds a zero byte; save the table as text in UTF-8")
            try:
                yield line.decode("utf-8")
            except UnicodeDecodeError as error:
                raise DataError(
                    f"{path}, line {number}: is no text in UTF-8 (byte {error.start + 1}); save the file with this "
                    f"encoding"
                ) from None


def _fields(path: Path, line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        raise _no_csv(path, 1, error) from None


def _no_csv(path: Path, line: int, error: csv.Error) -> DataError:
    if "new-line character" in str(error):
        problem = "holds a carriage return that ends no line; save the table with usual ends of lines"
    else:
        problem = f"is no CSV ({error}); correct the line, a quote in it for example"
    return DataError(f"{path}, line {line}: {problem}")


def as_number(cell: str) -> float | None:
    """The number in a cell; None where there is none. A decimal point, no separators, no unit."""
    try:
        return None if "_" in cell else float(cell)
    except ValueError:
        return None


def is_missing(cell: str) -> bool:
    """True for a cell without a value."""
    return cell.strip().casefold() in MISSING


def numbers_of(cells: Sequence[str], lines: Sequence[int], where: str, name: str, refuse: bool, fix: str) -> FloatArray:
    """The numbers of some rows of a column, NaN where one is missing.

    Args:
        cells: as they stand.
        lines: of the file, for messages.
        where: the file.
        name: of the column.
        refuse: a missing number is an error.
        fix: more that the user can do about a cell that is no number.

    Raises:
        DataError: naming line, column and value.
    """
    try:
        found = np.array([float(cell) for cell in cells])
        if (np.abs(found) <= LARGEST).all() and "_" not in "".join(cells):
            return found
    except ValueError:
        pass  # the loop finds the cell
    values = []
    for cell, line in zip(cells, lines, strict=True):
        place = f"{where}, line {line}, column '{name}'"
        if is_missing(cell):
            if refuse:
                told = f"'{cell.strip()}' is no value" if cell.strip() else "the cell is empty"
                raise DataError(
                    f"{place}: {told}; fill it in, remove the row, or say what stands for missing numbers in "
                    f"dataset.missing: zero, mean or previous{fix}"
                )
            values.append(np.nan)
            continue
        number = as_number(cell)
        if number is None:
            raise DataError(f"{place}: {fault_of(cell)}{fix}")
        if not np.isfinite(number):
            raise DataError(f"{place}: '{cell.strip()}' is infinite; remove the row, or write what was measured")
        if abs(number) > LARGEST:
            raise DataError(f"{place}: '{cell.strip()}' is beyond float32 (3.4e38); write it in another unit")
        values.append(number)
    return np.array(values)


def fault_of(cell: str) -> str:
    """Reason why a cell is no number, with the fix."""
    text = cell.strip()
    told = f"'{shortened(text, 60)}'"
    if DECIMAL_COMMA.fullmatch(text):
        return f"{told} has a decimal comma; write {text.replace(',', '.')}, in the whole table"
    if THOUSANDS.fullmatch(text):
        return f"{told} has signs between thousands; write {re.sub(r'[,’ ]', '', text.replace(chr(39), ''))}"
    unit = UNIT.fullmatch(text)
    if unit:
        return f"{told} has a unit; write {unit[1].replace(',', '.')} alone"
    return f"{told} is no number; correct it"


def looks_numeric(cells: Iterable[str]) -> bool:
    """True where most cells are numbers, or numbers with a unit, a decimal comma or signs between thousands."""
    texts = [cell.strip() for cell in cells]
    fits = [as_number(text) is not None or _spoilt(text) for text in texts]
    return 2 * sum(fits) >= len(texts) > 0


def _spoilt(text: str) -> bool:
    if DECIMAL_COMMA.fullmatch(text) or THOUSANDS.fullmatch(text):
        return True
    return bool(UNIT.fullmatch(text)) and not LETTER_UNIT.fullmatch(text)
