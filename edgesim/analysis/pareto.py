"""Accuracy against cost: which (method, keep_ratio) no other one beats in both."""

from __future__ import annotations

import numpy as np
import pandas as pd

from edgesim.analysis.grouping import Answer, answer, complete, device_by_seed, dropped, everywhere, groups, mean, ok
from edgesim.analysis.intervals import interval
from edgesim.work import FloatArray

POINT_COLUMNS = [
    "method", "keep_ratio", "pairs", "left_out", "test_accuracy", "accuracy_low", "accuracy_high", "cost", "on_front"
]  # fmt: skip


def front(costs: FloatArray, gains: FloatArray) -> np.ndarray:
    """Which points no other point beats: none has at most the cost and at least the gain, and differs in one.

    Args:
        costs: float [n], smaller is better.
        gains: float [n], larger is better.

    Returns: bool [n]; a point with a NaN is never on the front, equal points are on it together.
    """
    costs, gains = np.asarray(costs, dtype=np.float64), np.asarray(gains, dtype=np.float64)
    on = np.zeros(len(costs), dtype=bool)
    known = np.flatnonzero(np.isfinite(costs) & np.isfinite(gains))
    best = (np.inf, -np.inf)
    for place in known[np.lexsort((-gains[known], costs[known]))]:
        point = (float(costs[place]), float(gains[place]))
        if point[1] > best[1] or point == best:
            on[place] = True
            best = point
    return on


def accuracy_against(records: pd.DataFrame, column: str = "device_energy_j") -> Answer:
    """Mean accuracy and mean cost of a device per method and keep_ratio, and the points of the Pareto front.

    All points are over the same (seed, device) pairs, those that finish every method and keep ratio. Where there is no
    such pair each point is over its own, and the front says nothing: no point is on it.

    Args:
        records: one row per trial.
        column: the cost: "device_energy_j", "device_time_s", "analytic_energy_j", "storage_bytes" and so on.

    Returns: POINT_COLUMNS; `cost` is in the column's unit, `left_out` counts trials of the cell on other pairs.
    """
    good = ok(complete(records))
    good = good[good["test_accuracy"].notna() & good[column].notna()]
    same = everywhere(good)
    alike = len(same) > 0
    missing = dropped(good, same)
    if len(good) and not alike:
        same = good
        missing = ("No (seed, device) pair finishes every method and keep ratio: the points are over different "
                   "devices, and none is called the better one.",)  # fmt: skip
    counts = good.groupby(["method", "keep_ratio"]).size()
    rows = []
    for method, ratio, part in groups(same):
        found = interval(device_by_seed(part, "test_accuracy"), (0.0, 1.0))
        sizes = (len(part), int(counts[method, ratio]) - len(part))
        rows.append((method, ratio, *sizes, found.estimate, found.low, found.high, mean(part[column]), False))
    told = answer(rows, POINT_COLUMNS, missing if rows else f"No trial that ended well has an accuracy and {column}.")
    costs, gains = (told.table[name].to_numpy() for name in ("cost", "test_accuracy"))
    # Truth values also where there is no row: pages choose rows by them.
    told.table["on_front"] = front(costs, gains) if alike else np.zeros(len(costs), dtype=bool)
    return told
