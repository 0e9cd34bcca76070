"""Data embedded in a page: plotly.js, and all numbers as compact JSON."""

from __future__ import annotations

import base64
import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from edgesim.report import columns
from edgesim.report.sections import PageTable
from edgesim.report.table_column import Column

VENDOR = Path(__file__).parent / "vendor"
MAX_BYTES = 6_000_000
"""size limit of a page"""
SPARE_BYTES = 20_000
"""part of it for sentences on rows left out"""
FEW_NUMBERS = 10
"""number of different values up to which a column stores each once, like keep ratios"""
REPEATS = 3
"""mean number of repetitions from which a column stores each text once"""


def plotly_js() -> Markup:
    """plotly.js 4.1.1, the build with scatter, bar and pie only: a quarter of the one in the Python package.

    The file is `dist/plotly-basic.min.js` of the npm package plotly.js-basic-dist-min, unchanged; its licence lies
    beside it. It holds no closing script tag (a test looks), so it may stand in the page as it is.
    """
    return Markup((VENDOR / "plotly-basic.min.js").read_text(encoding="utf-8"))


def packed(data: pd.DataFrame, known: Mapping[str, Column] = columns.COLUMNS) -> dict[str, Any]:
    """A table as columns: {"rows": n, "columns": [{"key", "form", "meaning", "values"} …]}.

    Numbers are in full precision, None where not finite. "form" is the column's number format, None for texts. Instead
    of "values" a column may have "all" (one value for all rows), "f8" (base64 of little-endian float64, half as long),
    or "of" and "at" (different values, and the place of each row's value among them).
    """
    packed_columns: list[dict[str, Any]] = []
    for name in data.columns:
        column = columns.column(name, data[name], known)
        entry: dict[str, Any] = {"key": name, "form": column.form, "meaning": column.meaning}
        packed_columns.append(entry | (_numbers(data[name]) if column.is_number else _texts(data[name])))
    return {"rows": len(data), "columns": packed_columns}


@dataclass(frozen=True)
class PackedTables:
    """Tables of a page by key, with their packed numbers and the bytes of these."""

    tables: dict[str, PageTable]
    numbers: dict[str, dict[str, Any]]
    sizes: dict[str, int]
    known: Mapping[str, Column]
    """columns of the page"""

    @property
    def bytes(self) -> int:
        """Bytes of all rows."""
        return sum(self.sizes.values())


def packed_tables(shown: list[PageTable], known: Mapping[str, Column] = columns.COLUMNS) -> PackedTables:
    """All rows of tables, packed, by the columns known on their page."""
    numbers = {table.key: packed(table.data, known) for table in shown}
    sizes = {key: len(as_json(values)) for key, values in numbers.items()}
    return PackedTables({table.key: table for table in shown}, numbers, sizes, known)


def fit(whole: PackedTables, max_bytes: int) -> tuple[dict[str, PageTable], dict[str, Any]]:
    """Tables and their packed numbers by key; the longest one is cut until all take at most `max_bytes`.

    At least one row of each remains.
    """
    by_key, data, sizes = dict(whole.tables), dict(whole.numbers), dict(whole.sizes)
    while sum(sizes.values()) > max_bytes:
        longer = [name for name in sizes if len(by_key[name].data) > 1]
        if not longer:
            break
        key = max(longer, key=lambda name: sizes[name])
        table, spare = by_key[key], max(0, max_bytes - sum(sizes.values()) + sizes[key])
        rows = max(1, int(0.95 * len(table.data) * spare / sizes[key]))
        rows = min(rows, len(table.data) // 2) if spare == 0 else rows
        by_key[key] = dataclasses.replace(
            table, data=table.data.head(rows), left_out=table.left_out + len(table.data) - rows
        )
        data[key] = packed(by_key[key].data, whole.known)
        sizes[key] = len(as_json(data[key]))
    return by_key, data


def as_json(values: Any) -> Markup:
    """Compact JSON that may stand inside a script tag."""
    text = json.dumps(values, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))


def _numbers(column: pd.Series) -> dict[str, Any]:
    array = pd.to_numeric(column).to_numpy(dtype=np.float64, na_value=np.nan)
    values = [_short(value) if math.isfinite(value) else None for value in array.tolist()]
    distinct = list(dict.fromkeys(values))
    if len(distinct) == 1:
        return {"all": distinct[0]}
    if len(distinct) <= FEW_NUMBERS and len(values) > FEW_NUMBERS**2:
        places = {value: place for place, value in enumerate(distinct)}
        return {"of": distinct, "at": [places[value] for value in values]}
    coded = base64.b64encode(np.where(np.isfinite(array), array, np.nan).astype("<f8").tobytes()).decode()
    return {"f8": coded} if len(coded) < len(json.dumps(values, separators=(",", ":"))) else {"values": values}


def _short(value: float) -> int | float:
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def _texts(column: pd.Series) -> dict[str, Any]:
    values = [None if value is None or value != value else str(value) for value in column]
    places = {value: place for place, value in enumerate(dict.fromkeys(values))}
    if len(places) == 1:
        return {"all": values[0]}
    if len(places) * REPEATS > len(values):
        return {"values": values}
    return {"of": list(places), "at": [places[value] for value in values]}
