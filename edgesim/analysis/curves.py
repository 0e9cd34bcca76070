"""Loss and accuracy over the epochs and against keep_ratio (edge paper, Figs. 3-8)."""

from __future__ import annotations

from collections.abc import Container, Iterable

import numpy as np
import pandas as pd

from edgesim.analysis.grouping import AnalysisResult, comparable, complete, device_by_seed, groups, ok, result
from edgesim.analysis.intervals import interval, t_interval
from edgesim.results.table_columns import CURVE_SETS, METRIC_COLUMNS
from edgesim.tasks import ACCURACY, task_in

CURVE_VALUES = ("subset_loss", "subset_accuracy", "test_loss", "test_accuracy")
"""columns of the curves of a classification (`curve_values`)"""
BAND_KEYS = ["method", "keep_ratio", "epoch", "trials"]
FINAL_KEYS = ["method", "keep_ratio", "pairs", "left_out"]
FINAL_SETS = ("test", "train", "local", "own")


def curve_values(curves: Container[str]) -> tuple[str, ...]:
    """Columns with values of a run's curves, or of a table with the same columns: losses, and metrics of its task."""
    task = task_in(curves)
    if task.metric is ACCURACY:
        return CURVE_VALUES
    found = [metric.column(of) for metric in task.metrics for of in CURVE_SETS]
    return ("subset_loss", "test_loss", *(name for name in found if name in curves))


def final_values(records: Container[str]) -> tuple[str, ...]:
    """Columns of the metrics at the end: the one that decides on every set, the others on the test set."""
    task = task_in(records)
    sets = [of for of in FINAL_SETS if of != "own" or task.metric.column(of) in records]
    return (*map(task.metric.column, sets), *(metric.column() for metric in task.metrics[1:]))


def _with_ends(keys: list[str], values: Iterable[str]) -> list[str]:
    """Columns of keys, and of values with the ends of their intervals."""
    return keys + [f"{name}{end}" for name in values for end in ("", "_low", "_high")]


def curve_bands(curves: pd.DataFrame) -> AnalysisResult:
    """Loss and accuracy per method, keep_ratio and epoch with 95 % bands over devices and seeds (Figs. 3-6).

    Bands are point-wise, by Student's t, also where there are many devices: they are for looking, not for deciding.
    Lines are over the pairs that have all of them (`grouping.comparable`); where no pair has, each line is over its
    own.

    Returns: BAND_KEYS and `curve_values`, each with `_low` and `_high`: `subset_*` are running values on the subset,
        `test_*` on the common test set (NaN after epochs without an evaluation).
    """
    parts = []
    same, left_out = comparable(curves)
    values_of = curve_values(curves)
    for method, ratio, part in groups(same if len(same) else curves):
        devices, rows = np.unique(part["device"].to_numpy(), return_inverse=True)
        seeds, columns = np.unique(part["seed"].to_numpy(), return_inverse=True)
        epochs, places = np.unique(part["epoch"].to_numpy(), return_inverse=True)
        table = pd.DataFrame({"method": method, "keep_ratio": ratio, "epoch": epochs, "trials": np.bincount(places)})
        for name in values_of:
            values = np.full((len(epochs), len(devices), len(seeds)), np.nan)
            values[places, rows, columns] = part[name].to_numpy(dtype=np.float64)
            floor, ceiling = METRIC_COLUMNS[name].bounds if name in METRIC_COLUMNS else (0.0, np.inf)
            mean, low, high = t_interval(values)
            table[name], table[f"{name}_low"] = mean, np.clip(low, floor, ceiling)
            table[f"{name}_high"] = np.clip(high, floor, ceiling)
        parts.append(table)
    if not parts:
        return result([], _with_ends(BAND_KEYS, values_of), "No trial has finished an epoch yet.")
    table = pd.concat(parts, ignore_index=True)
    missing = list(left_out)
    if table[task_in(curves).metric.column()].notna().sum() <= len(parts):
        missing.append("The test set was evaluated only at the end (evaluation.every: 0), so its curves are points.")
    if curves["seed"].nunique() < 2:
        missing.append("With one seed there are no bands: the spread over seeds is unknown.")
    return AnalysisResult(table[_with_ends(BAND_KEYS, values_of)], tuple(missing))


def final_accuracy(records: pd.DataFrame) -> AnalysisResult:
    """Accuracy at the end per method and keep_ratio, on the test set and on the whole shard (Figs. 7 and 8).

    Means are over the (seed, device) pairs that finish all of them (`grouping.comparable`); `left_out` counts others.

    Returns: FINAL_KEYS and `final_values`, each with its 95 % interval over devices and seeds.
    """
    good = ok(complete(records))
    values = final_values(good)
    same, missing = comparable(good)
    counts = good.groupby(["method", "keep_ratio"]).size()
    rows = []
    for method, ratio, part in groups(same):
        found = [interval(device_by_seed(part, name), METRIC_COLUMNS[name].bounds) for name in values]
        sizes = (len(part), int(counts[method, ratio]) - len(part))
        rows.append((method, ratio, *sizes, *(end for one in found for end in one[:3])))
    if good.empty:
        missing = ("No trial has ended well.",)
    return result(rows, _with_ends(FINAL_KEYS, values), missing)
