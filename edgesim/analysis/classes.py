"""Class shares of the devices before and after pruning: skew of the data, and kept share of each class."""

from __future__ import annotations

import numpy as np
import pandas as pd

from edgesim.analysis.grouping import FULL, AnalysisResult, groups, result
from edgesim.results.grouped_ratios import with_rounded_ratios

NO_SHARDS = "The run folder has no table of shards, so the data of the devices are unknown."
KEPT_COLUMNS = [
    "seed", "device", "method", "keep_ratio", "label", "before", "after", "share_before", "share_after", "kept_share"
]  # fmt: skip
KEPT_SHARE_COLUMNS = [
    "method", "keep_ratio", "label", "share_before", "share_after", "kept_share", "present", "vanished"
]  # fmt: skip
DATA_COLUMNS = ["device", "profile", "users", "samples", "classes", "skew", "feature_shift"]
SKEW_COLUMNS = ["seed", "device", "samples", "classes", "largest_share", "skew"]


def class_counts(shards: pd.DataFrame, selections: pd.DataFrame) -> AnalysisResult:
    """Samples per class on every device before pruning, and after it per method and keep_ratio.

    Args:
        shards: the run's table seed device index label; empty where the run has none.
        selections: seed device method keep_ratio index.

    Returns: KEPT_COLUMNS, one row per trial and class that the device holds. `before` and `after` are counts,
        `share_*` are shares of the shard and of the subset, `kept_share` is after / before.
    """
    if shards.empty or selections.empty:
        return result([], KEPT_COLUMNS, NO_SHARDS if shards.empty else "No trial has a subset yet.")
    selections, keys = with_rounded_ratios(selections), ["seed", "device", "method", "keep_ratio"]
    labels = np.zeros(int(max(shards["index"].max(), selections["index"].max())) + 1, dtype=np.int64)
    labels[shards["index"]] = shards["label"]
    count = int(labels.max()) + 1
    code = selections.groupby(keys, sort=False).ngroup().to_numpy()
    trials = selections[keys].iloc[np.unique(code, return_index=True)[1]].reset_index(drop=True)
    cells = code * count + labels[selections["index"]]
    after = np.bincount(cells, minlength=len(trials) * count)
    table = trials.loc[np.repeat(trials.index, count)].reset_index(drop=True)
    table["label"] = np.tile(np.arange(count), len(trials))
    table["after"] = after
    before = shards.groupby(["seed", "device", "label"]).size().rename("before").reset_index()
    table = table.merge(before, on=["seed", "device", "label"])
    of_trial = table.groupby(keys, sort=False)
    table["share_before"] = table["before"] / of_trial["before"].transform("sum")
    table["share_after"] = table["after"] / of_trial["after"].transform("sum")
    table["kept_share"] = table["after"] / table["before"]
    return AnalysisResult(table[KEPT_COLUMNS])


def kept_class_shares(counts: pd.DataFrame) -> AnalysisResult:
    """Change of each class's share per method and keep_ratio, and the devices on which the class vanishes.

    Args:
        counts: the table of `class_counts`.

    Returns: KEPT_SHARE_COLUMNS. Shares are of all samples of all devices and seeds together. `kept_share` is the kept
        part of the class's samples; below the keep ratio the class is under-represented. `present` counts the (seed,
        device) pairs that hold the class, `vanished` those that keep none of it.
    """
    rows = []
    for method, ratio, part in groups(counts):
        if method == FULL:
            continue
        before, after = part["before"].sum(), part["after"].sum()
        for label, of_class in part.groupby("label"):
            held, kept = of_class["before"].sum(), of_class["after"].sum()
            gone = int((of_class["after"] == 0).sum())
            rows.append((method, ratio, label, held / before, kept / after, kept / held, len(of_class), gone))
    return result(rows, KEPT_SHARE_COLUMNS, "" if rows else "No class counts are known.")


def class_skew(shards: pd.DataFrame) -> AnalysisResult:
    """Distance of each device's class shares from those of all devices together.

    Returns: SKEW_COLUMNS; `skew` is the total variation distance: half the sum of the absolute differences of the
        class shares, 0 = the same mix, towards 1 = nothing in common. `largest_share` is of the most frequent class.
    """
    if shards.empty:
        return result([], SKEW_COLUMNS, NO_SHARDS)
    rows = []
    for seed, part in shards.groupby("seed"):
        counts = pd.crosstab(part["device"], part["label"])
        share = counts.div(counts.sum(axis=1), axis=0)
        everywhere = counts.sum() / counts.to_numpy().sum()
        distance = share.sub(everywhere, axis=1).abs().sum(axis=1) / 2
        columns = (counts.sum(axis=1), (counts > 0).sum(axis=1), share.max(axis=1), distance)
        values = zip(*(column.tolist() for column in columns), strict=True)
        rows += [(seed, device, *row) for device, row in zip(counts.index, values, strict=True)]
    return result(rows, SKEW_COLUMNS)


def data_of_devices(shards: pd.DataFrame, devices: pd.DataFrame) -> AnalysisResult:
    """Users, number of samples, and differences of the data of every device; means over seeds.

    Args:
        shards: the run's table seed device index label.
        devices: the run's table of devices (`users`, `feature_shift`).

    Returns: DATA_COLUMNS. `users` is empty, and `feature_shift` NaN, where the run does not know them.
    """
    skew = class_skew(shards)
    if skew.missing:
        return result([], DATA_COLUMNS, skew.missing)
    means = skew.table.groupby("device")[["samples", "classes", "skew"]].mean()
    known = devices.set_index("device").reindex(index=means.index, columns=["profile", "users", "feature_shift"])
    table = means.join(known).reset_index()
    table["users"] = [users if isinstance(users, str) else "" for users in table["users"]]
    return AnalysisResult(table[DATA_COLUMNS])
