"""Tables as text: for the page, for Markdown and for the terminal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from edgesim.report.columns import COLUMNS, UNKNOWN, column, count, no_minus_zero, ratio

MAX_ROWS = 400
"""rows of one table on the page; the run folder has the rest"""


@dataclass(frozen=True)
class Table:
    """A table as text, ready for the page."""

    headers: list[tuple[str, bool]]
    """(label, is a number)"""
    rows: list[list[str]]
    rows_left_out: int


def table(data: pd.DataFrame, max_rows: int = MAX_ROWS) -> Table:
    """The first rows of a DataFrame as text."""
    shown = data.head(max_rows)
    columns = [column(name, data[name]) for name in data.columns]
    rows = [[c.write(value) for c, value in zip(columns, row, strict=True)]
            for row in shown.itertuples(index=False, name=None)]  # fmt: skip
    return Table([(c.label, c.is_number) for c in columns], rows, len(data) - len(shown))


def glossary(used: Iterable[str]) -> list[tuple[str, str, str]]:
    """(label, name in records or tables, meaning) of the columns that are used, in the order of COLUMNS."""
    names = set(used)
    return [(c.label, name, c.meaning) for name, c in COLUMNS.items() if name in names]


def terminal_rows(summary: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """The summary as (header, rows of text) for the table that ends a run; narrow enough for 80 columns.

    Args:
        summary: the table of `analysis.summary`. Spreads are in percentage points.
    """
    header = ["method", "keep", "test\nacc. %", "±\ndevices", "±\nseeds", "time\nsaved", "energy\nsaved"]
    header += ["scoring\nshare", "failed"]
    rows = []
    for values in summary.to_dict("records"):
        failed = count(values["failed"])
        if values["infeasible"]:
            failed += f" + {count(values['infeasible'])} infeasible"
        points = [_points(values[name]) for name in ("test_accuracy", "std_over_devices", "std_over_seeds")]
        shares = [_whole_percent(values[name]) for name in ("time_saved", "energy_saved", "scoring_share")]
        rows.append([str(values["method"]), ratio(values["keep_ratio"]), *points, *shares, failed])
    return header, rows


def _points(share: float) -> str:
    return f"{no_minus_zero(100 * share, 1):.1f}" if np.isfinite(share) else UNKNOWN


def _whole_percent(share: float) -> str:
    return f"{no_minus_zero(100 * share, 0):.0f} %" if np.isfinite(share) else UNKNOWN
