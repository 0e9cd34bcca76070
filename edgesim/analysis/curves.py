"""Loss and accuracy over the epochs and against keep_ratio (edge paper, Figs. 3-8)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from edgesim.analysis.grouping import AnalysisResult, comparable, complete, device_by_seed, groups, ok, result
from edgesim.analysis.intervals import interval, t_interval

CURVE_VALUES = ("subset_loss", "subset_accuracy", "test_loss", "test_accuracy")
BAND_COLUMNS = ["method", "keep_ratio", "epoch", "trials"] + [
    f"{name}{end}" for name in CURVE_VALUES for end in ("", "_low", "_high")
]
FINAL_VALUES = ("test_accuracy", "train_accuracy", "local_accuracy")
FINAL_COLUMNS = ["method", "keep_ratio", "pairs", "left_out"] + [
    f"{name}{end}" for name in FINAL_VALUES for end in ("", "_low", "_high")
]


def curve_bands(curves: pd.DataFrame) -> AnalysisResult:
    """Loss and accuracy per method, keep_ratio and epoch with 95 % bands over devices and seeds (Figs. 3-6).

    Bands are point-wise, by Student's t, also where there are many devices: they are for looking, not for deciding.
    Lines are over the pairs that have all of them (`grouping.comparable`); where no pair has, each line is over its
    own.

    Returns: BAND_COLUMNS: `subset_*` are running values on the subset, `test_*` on the common test set (NaN after
        epochs without an evaluation); each with `_low` and `_high`.
    """
    parts = []
    same, left_out = comparable(curves)
    for method, ratio, part in groups(same if len(same) else curves):
        devices, rows = np.unique(part["device"].to_numpy(), return_inverse=True)
        seeds, columns = np.unique(part["seed"].to_numpy(), return_inverse=True)
        epochs, places = np.unique(part["epoch"].to_numpy(), return_inverse=True)
        table = pd.DataFrame({"method": method, "keep_ratio": ratio, "epoch": epochs, "trials": np.bincount(places)})
        for name in CURVE_VALUES:
            values = np.full((len(epochs), len(devices), len(seeds)), np.nan)
            values[places, rows, columns] = part[name].to_numpy(dtype=np.float64)
            floor, ceiling = (0.0, 1.0) if name.endswith("accuracy") else (0.0, np.inf)
            mean, low, high = t_interval(values)
            table[name], table[f"{name}_low"] = mean, np.clip(low, floor, ceiling)
            table[f"{name}_high"] = np.clip(high, floor, ceiling)
        parts.append(table)
    if not parts:
        return result([], BAND_COLUMNS, "No trial has finished an epoch yet.")
    table = pd.concat(parts, ignore_index=True)
    missing = list(left_out)
    if table["test_accuracy"].notna().sum() <= len(parts):
        missing.append("The test set was evaluated only at the end (evaluation.every: 0), so its curves are points.")
    if curves["seed"].nunique() < 2:
        missing.append("With one seed there are no bands: the spread over seeds is unknown.")
    return AnalysisResult(table[BAND_COLUMNS], tuple(missing))


def final_accuracy(records: pd.DataFrame) -> AnalysisResult:
    """Accuracy at the end per method and keep_ratio, on the test set and on the whole shard (Figs. 7 and 8).

    Means are over the (seed, device) pairs that finish all of them (`grouping.comparable`); `left_out` counts others.

    Returns: FINAL_COLUMNS, each accuracy with its 95 % interval over devices and seeds.
    """
    good = ok(complete(records))
    same, missing = comparable(good)
    counts = good.groupby(["method", "keep_ratio"]).size()
    rows = []
    for method, ratio, part in groups(same):
        found = [interval(device_by_seed(part, name), (0.0, 1.0)) for name in FINAL_VALUES]
        sizes = (len(part), int(counts[method, ratio]) - len(part))
        rows.append((method, ratio, *sizes, *(end for one in found for end in one[:3])))
    if good.empty:
        missing = ("No trial has ended well.",)
    return result(rows, FINAL_COLUMNS, missing)
