"""Fairness: spread of accuracy over the devices, and the most accurate method on each of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from edgesim.analysis.grouping import (
    FULL,
    KEYS,
    AnalysisResult,
    cell_keys,
    comparable,
    complete,
    device_by_seed,
    groups,
    ok,
    result,
    weighted_mean,
)
from edgesim.analysis.intervals import Interval, interval
from edgesim.tasks import metric_in
from edgesim.work import FloatArray

FAIRNESS = ("mean", "mean_by_data", "worst_tenth", "gini", "jain")
FAIRNESS_COLUMNS = [
    "method", "keep_ratio", "devices", "seeds", *(f"{name}{end}" for name in FAIRNESS for end in ("", "_low", "_high"))
]  # fmt: skip
WINNER_COLUMNS = ["device", "profile", "keep_ratio", "method", "test_accuracy", "runner_up", "ahead", "seeds"]


def worst_tenth(values: FloatArray) -> float:
    """The mean of the lowest tenth of the values (at least one); NaN of none."""
    values = np.sort(values[np.isfinite(values)])
    return float(values[: max(1, -(-len(values) // 10))].mean()) if len(values) else np.nan


def gini(values: FloatArray) -> float:
    """Gini coefficient: 0 = all equal, towards 1 = one has everything. NaN of none, or where all are zero.

    Source: Gini, "Variabilità e mutabilità", 1912; mean absolute difference / (2 x mean).
    """
    values = np.sort(values[np.isfinite(values)])
    n, total = len(values), float(values.sum())
    if not n or total <= 0:
        return np.nan
    ranks = np.arange(1, n + 1)
    return float(((2 * ranks - n - 1) * values).sum() / (n * total))


def jain(values: FloatArray) -> float:
    """Jain's fairness index: 1 = all equal, 1/n = one has everything. NaN of none, or where all are zero.

    Source: Jain, Chiu and Hawe, "A quantitative measure of fairness", DEC-TR-301, 1984.
    """
    values = values[np.isfinite(values)]
    squares = float((values**2).sum())
    return float(values.sum()) ** 2 / (len(values) * squares) if squares > 0 else np.nan


def fairness(records: pd.DataFrame) -> AnalysisResult:
    """Spread of accuracy over the devices, per method and keep_ratio.

    Each measure is taken over the devices of one seed; its interval is over the seeds, for this fleet. Devices count
    equally, except in `mean_by_data`, which weights them by the samples that they hold (edge paper, Eq. 10). Rows are
    over the (seed, device) pairs that finish all of them (`grouping.comparable`), so that no method becomes fairer by
    losing its worst devices. Where there is no such pair, each row is over its own.

    Returns: FAIRNESS_COLUMNS: `mean`, `mean_by_data`, `worst_tenth` (mean of the worst tenth of the devices), `gini`,
        `jain` of the metric on the test set, each with `_low` and `_high`.
    """
    good = ok(complete(records))
    metric = metric_in(good)
    value = metric.column()
    good = good[good[value].notna()]
    same, left_out = comparable(good)
    rows = []

    def worst(values: FloatArray) -> float:
        """Mean of the tenth of the devices with the worst values."""
        return metric.sign * worst_tenth(metric.sign * values)

    for method, ratio, part in groups(same if len(same) else good):
        matrix = device_by_seed(part, value)
        found = [_over_seeds(matrix, measure, metric.bounds) for measure in (mean_of, worst)]
        found += [_over_seeds(matrix, measure, (0.0, 1.0)) for measure in (gini, jain)]
        by_data = [weighted_mean(own[value], own["shard_size"]) for _, own in part.groupby("seed")]
        found.insert(1, interval(np.array([by_data]), metric.bounds))
        ends = (end for one in found for end in (one.estimate, one.low, one.high))
        rows.append((method, ratio, *matrix.shape, *ends))
    missing = list(left_out)
    if good["device"].nunique() < 2:
        missing.append("Fairness needs two devices with trials that ended well.")
    if good["seed"].nunique() < 2:
        missing.append("With one seed or none there are no intervals over seeds.")
    return result(rows, FAIRNESS_COLUMNS, tuple(missing))


def mean_of(values: FloatArray) -> float:
    """The mean of the known values."""
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else np.nan


def device_winners(records: pd.DataFrame) -> AnalysisResult:
    """Method with the best test accuracy per device and keep_ratio (or rule), without `full`.

    Means are over the seeds in which every method there ended well. This is no test: one of several equal methods
    always leads by chance.

    Returns: WINNER_COLUMNS; `ahead` is the lead on the `runner_up` (equal means: the first method of the scenario).
        Under a rule `keep_ratio` is the mean over all methods. The columns are of the run's metric (`Metric.named`).
    """
    good = ok(records)
    metric = metric_in(good)
    value = metric.column()
    good = good[(good["method"] != FULL) & good[value].notna()]
    cell = cell_keys(good)
    if len(good):  # under a rule methods have ratios of their own, and are compared at equal budget
        good = good.assign(keep_ratio=good.groupby(cell)["keep_ratio"].transform("mean"))
    place = ["device", "profile", "keep_ratio"]
    there = good.groupby(place)["method"].transform("nunique")
    in_seed = good.groupby([*KEYS, "keep_ratio"])["method"].transform("nunique")
    good = good[in_seed == there]
    found = good.groupby([*place, "method"])[value].mean().reset_index()
    order = {name: number for number, name in enumerate(dict.fromkeys(good["method"]))}
    found["order"] = found["method"].map(order)
    falling = metric.higher_is_better
    found = found.sort_values([*place, value, "order"], ascending=[True, True, True, not falling, True])
    rank = found.groupby(place).cumcount()
    seeds = good.groupby(place)["seed"].nunique().rename("seeds").reset_index()
    second = found.loc[rank == 1, [*place, "method", value]]
    second = second.rename(columns={"method": "runner_up", value: "second"})
    table = found[rank == 0].merge(second, on=place).merge(seeds, on=place)
    table["ahead"] = metric.sign * (table[value] - table["second"])
    missing = "" if len(table) else "No device has two methods at one keep ratio, so there is no winner."
    columns = [metric.named(name) for name in WINNER_COLUMNS]
    return AnalysisResult(table[columns].reset_index(drop=True), (missing,) if missing else ())


def winner_counts(table: pd.DataFrame) -> AnalysisResult:
    """Number of devices on which each method leads, per keep_ratio; a tie counts for no method.

    Args:
        table: the table of `device_winners`.

    Returns: keep_ratio method devices of; `of` is the number of devices that were compared.
    """
    rows = []
    for ratio, part in table.groupby("keep_ratio"):
        ahead = part.loc[part["ahead"] > 0, "method"].value_counts()
        rows += [(ratio, method, int(count), len(part)) for method, count in ahead.items()]
    return result(rows, ["keep_ratio", "method", "devices", "of"], "" if rows else "No method leads on any device.")


def _over_seeds(matrix: FloatArray, measure: Callable[[FloatArray], float], bounds: tuple[float, float]) -> Interval:
    """Measure of the devices of one seed, with its interval over the seeds."""
    values = np.array([[measure(matrix[:, seed]) for seed in range(matrix.shape[1])]])
    return interval(values, bounds)
