"""Accuracy after fine-tuning on another data set (`transfer`), by method and keep ratio: AdaPruner paper, Table 2."""

from __future__ import annotations

import pandas as pd

from edgesim.analysis.grouping import FULL, AnalysisResult, complete, device_by_seed, groups, mean, ok, paired, result
from edgesim.analysis.intervals import interval

VALUE = "transfer_test_accuracy"
BOUNDS = (0.0, 1.0)
COLUMNS = [
    "method", "keep_ratio", "trials", VALUE, "transfer_low", "transfer_high", "transfer_gap", "transfer_gap_low",
    "transfer_gap_high", "transfer_device_time_s", "transfer_device_energy_j",
]  # fmt: skip


def transferred(records: pd.DataFrame) -> AnalysisResult:
    """One row per method and keep ratio: the accuracy on the other data set, and the cost of the fine-tuning.

    Args:
        records: one row per trial.

    Returns: COLUMNS, intervals of each row by itself. `transfer_gap` is the accuracy minus that after full training,
        paired by seed and device; costs are means of a device. Without rows where the run has no such accuracy.
    """
    if VALUE not in records:
        return result([], COLUMNS, "The scenario has no `transfer`.")
    good = ok(complete(records))
    good = good[good[VALUE].notna()]
    gaps = paired(good, FULL, VALUE)
    cells = {(method, ratio): part for method, ratio, part in groups(gaps)}
    rows = []
    for method, ratio, part in groups(good):
        found = interval(device_by_seed(part, VALUE), BOUNDS)
        pairs = cells.get((method, ratio), gaps.head(0))
        gap = interval(device_by_seed(pairs, "difference"), (-1.0, 1.0))
        costs = (mean(part[name]) for name in COLUMNS[-2:])
        rows.append((method, ratio, len(part), *found[:3], *gap[:3], *costs))
    return result(rows, COLUMNS, () if rows else "No trial that ended well has an accuracy on the other data set.")
