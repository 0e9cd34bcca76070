"""Accuracy against cost: the Pareto front over methods and keep ratios."""

from __future__ import annotations

import numpy as np
import pandas as pd

from edgesim.analysis.grouping import (
    AnalysisResult,
    complete,
    device_by_seed,
    dropped,
    everywhere,
    groups,
    mean,
    ok,
    result,
)
from edgesim.analysis.intervals import interval
from edgesim.tasks import ACCURACY, metric_in
from edgesim.work import FloatArray

POINT_COLUMNS = [
    "method", "keep_ratio", "pairs", "left_out", "test_accuracy", "accuracy_low", "accuracy_high", "cost", "on_front"
]  # fmt: skip


def front(costs: FloatArray, gains: FloatArray) -> np.ndarray:
    """Points on the Pareto front: no other point costs at most as much, gains at least as much, and differs.

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


def accuracy_against(records: pd.DataFrame, column: str = "device_energy_j", of: str = "test") -> AnalysisResult:
    """Mean accuracy and mean cost of a device per method and keep_ratio, and the points of the Pareto front.

    All points are over the same (seed, device) pairs, those that finish every method and keep ratio. Where there is no
    such pair, each point is over its own pairs, and no point is on the front.

    Args:
        records: one row per trial.
        column: the cost: "device_energy_j", "device_time_s", "analytic_energy_j", "storage_bytes" and so on.
        of: set of test samples, one of `sets_there`.

    Returns: POINT_COLUMNS of the run's metric (`Metric.named`), on that set; `cost` is in the column's unit, `left_out`
        counts trials of the cell on other pairs.
    """
    good = ok(complete(records))
    metric = metric_in(good)
    value = metric.column(of)
    good = good[good[value].notna() & good[column].notna()]
    same = everywhere(good)
    comparable = len(same) > 0
    missing = dropped(good, same)
    if len(good) and not comparable:
        same = good
        missing = ("No (seed, device) pair finishes every method and keep ratio. The points are over different "
                   "devices, so there is no Pareto front.",)  # fmt: skip
    counts = good.groupby(["method", "keep_ratio"]).size()
    rows = []
    for method, ratio, part in groups(same):
        accuracy = interval(device_by_seed(part, value), metric.bounds)
        sizes = (len(part), int(counts[method, ratio]) - len(part))
        rows.append((method, ratio, *sizes, *accuracy[:3], mean(part[column]), False))
    an = "an accuracy" if metric is ACCURACY else f"a value of {metric.noun}"
    named = [metric.named(name) for name in POINT_COLUMNS]
    columns = [value if name == metric.column() else name for name in named]
    found = result(rows, columns, missing if rows else f"No trial that ended well has {an} and {column}.")
    costs, gains = found.table["cost"].to_numpy(), metric.sign * found.table[value].to_numpy()
    # Boolean also without rows: pages select rows by it.
    found.table["on_front"] = front(costs, gains) if comparable else np.zeros(len(costs), dtype=bool)
    return found
