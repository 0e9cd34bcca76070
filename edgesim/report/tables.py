"""What every column of a report is called, how its values are written and what it means."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

UNKNOWN = "–"
MAX_ROWS = 400
"""rows of one table on the page; the run folder has the rest"""


@dataclass(frozen=True)
class Column:
    """A column of a table on the page."""

    label: str
    write: Callable[[Any], str]
    meaning: str

    @property
    def is_number(self) -> bool:
        """Whether its values are aligned to the right."""
        return self.write is not text

    @property
    def form(self) -> str:
        """The name under which the page's script (templates/format.js) knows how to write its values."""
        return self.write.__name__


@dataclass(frozen=True)
class Table:
    """A table as text, ready for the page."""

    headers: list[tuple[str, bool]]
    """(label, is a number)"""
    rows: list[list[str]]
    rows_left_out: int


def text(value: Any) -> str:
    """A name or a reason; a dash for nothing."""
    return UNKNOWN if value is None or value == "" or (isinstance(value, float) and np.isnan(value)) else str(value)


def percent(value: float) -> str:
    """A share as a percentage with one decimal: 0.8731 -> '87.3 %'."""
    return f"{_no_minus_zero(100 * value, 1):.1f} %" if np.isfinite(value) else UNKNOWN


def spread(value: float) -> str:
    """A spread of shares in percentage points: 0.0213 -> '2.1 pp'."""
    return f"{_no_minus_zero(100 * value, 1):.1f} pp" if np.isfinite(value) else UNKNOWN


def gap(value: float) -> str:
    """A difference of two shares in percentage points, with its sign: 0.0042 -> '+0.42 pp'."""
    return f"{_no_minus_zero(100 * value, 2):+.2f} pp" if np.isfinite(value) else UNKNOWN


def ratio(value: float) -> str:
    """A keep_ratio as the scenario writes it: 0.1."""
    return f"{value:g}" if np.isfinite(value) else UNKNOWN


def quantity(value: float) -> str:
    """A number with a unit in its header: four significant digits, thousands apart: '1,234', '0.01235'."""
    if not np.isfinite(value):
        return UNKNOWN
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e9 else f"{value:.4g}"


def count(value: float) -> str:
    """A whole number."""
    return f"{int(value):,}" if np.isfinite(value) else UNKNOWN


def duration(seconds: float) -> str:
    """A duration in words: 3725 -> '1 h 2 min 5 s'."""
    if not np.isfinite(seconds):
        return UNKNOWN
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min {rest} s" if hours else f"{minutes} min {rest} s"


def _no_minus_zero(value: float, digits: int) -> float:
    return round(value, digits) + 0.0


COLUMNS: dict[str, Column] = {
    "method": Column("method", text, "how the subset is chosen; full keeps everything"),
    "keep_ratio": Column("keep ratio", ratio, "share of a device's own samples that is kept, in (0, 1]"),
    "profile": Column("profile", text, "what hardware a device is"),
    "trials": Column("trials", count, "trials (seed × device) that ended well and are in the row's means"),
    "pairs": Column("pairs", count, "trials that have a partner of the same seed and device in random"),
    "devices": Column("devices", count, "devices with at least one trial that ended well"),
    "test_accuracy": Column(
        "test accuracy", percent, "accuracy on the common test set after training, mean over trials"
    ),
    "accuracy_low": Column("95 % low", percent, "lower end of the 95 % interval of the mean accuracy"),
    "accuracy_high": Column("95 % high", percent, "upper end of the 95 % interval of the mean accuracy"),
    "accuracy_half_width": Column("± 95 %", spread, "half the width of the 95 % interval of the mean accuracy"),
    "std_over_devices": Column("± devices", spread, "standard deviation of the devices' means over seeds"),
    "std_over_seeds": Column("± seeds", spread, "standard deviation of the seeds' means over devices"),
    "local_accuracy": Column("local accuracy", percent, "test accuracy weighted by the device's own class shares"),
    "time_saved": Column(
        "time saved",
        percent,
        "analytic time saved against full on the same seeds and devices, scoring included",
    ),
    "energy_saved": Column("energy saved", percent, "the same for analytic energy"),
    "device_time_saved": Column("time saved (emulated)", percent, "the same for emulated time"),
    "device_energy_saved": Column("energy saved (emulated)", percent, "the same for emulated energy"),
    "scoring_share": Column("scoring share", percent, "scoring's share of the analytic time"),
    "failed": Column("failed", count, "trials that failed, for example because the loss was not finite"),
    "infeasible": Column("infeasible", count, "trials that the device cannot do, for example for lack of memory"),
    "gap": Column("gap to random", gap, "accuracy minus that of random, paired, in percentage points (pp)"),
    "gap_low": Column("95 % low", gap, "lower end of the 95 % interval of the gap"),
    "gap_high": Column("95 % high", gap, "upper end of the 95 % interval of the gap"),
    "analytic_time_s": Column("time, analytic (s)", quantity, "closed-form time on the device: scoring + training"),
    "analytic_energy_j": Column("energy, analytic (J)", quantity, "closed-form energy on the device"),
    "device_time_s": Column("time, emulated (s)", quantity, "time on the device, emulated step by step"),
    "device_energy_j": Column("energy, emulated (J)", quantity, "energy on the device, emulated step by step"),
    "host_wall_s": Column("time, this host (s)", quantity, "measured on the machine that simulated; no device's time"),
    "time": Column("which time", text, "the column of records.parquet that the line was fitted to"),
    "slope_s": Column("slope (s per 1.0)", quantity, "seconds that the time grows from keep ratio 0 to 1"),
    "intercept_s": Column("intercept (s)", quantity, "seconds of the fitted line at keep ratio 0"),
    "r2": Column("R²", quantity, "share of the time's variance that the line explains"),
    "epoch": Column("epoch", count, "passes over the subset that were done"),
    "subset_loss": Column("training loss", quantity, "running mean over the subset during the epoch"),
    "subset_accuracy": Column("training accuracy", percent, "running mean over the subset during the epoch"),
    "test_loss": Column("test loss", quantity, "mean loss on the common test set"),
    "status": Column("status", text, "failed: it broke off; infeasible: the device cannot do it"),
    "reason": Column("reason", text, "why a trial did not end well"),
    "failures": Column("trials concerned", count, "trials with this status, reason and method"),
    "keep_ratios": Column("keep ratios", text, "keep ratios of the trials concerned"),
    "device_list": Column("devices concerned", text, "indices of the devices concerned"),
    "seed_list": Column("seeds concerned", text, "seeds of the trials concerned"),
}


def column(name: str, values: pd.Series) -> Column:
    """The column called `name`; one that is not in COLUMNS shows its own name."""
    known = COLUMNS.get(name)
    if known is not None:
        return known
    return Column(name, quantity if pd.api.types.is_numeric_dtype(values.dtype) else text, "")


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
    return f"{_no_minus_zero(100 * share, 1):.1f}" if np.isfinite(share) else UNKNOWN


def _whole_percent(share: float) -> str:
    return f"{_no_minus_zero(100 * share, 0):.0f} %" if np.isfinite(share) else UNKNOWN
