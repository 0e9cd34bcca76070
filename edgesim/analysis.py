"""Records -> tables: means, spreads, intervals, savings and failures. Pure functions on DataFrames.

The unit that repeats is the seed; devices are crossed with it. So a mean over trials never gets the interval
that `seeds x devices` independent values would have: `bootstrap_interval` resamples whole devices and seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from edgesim.records import FloatArray
from edgesim.seeds import stream

FULL = "full"
RANDOM = "random"
RESAMPLES = 2000
MAX_SAMPLED_ELEMENTS = 4_000_000
"""elements of one chunk of resampled values: 32 MB, whatever the size of the fleet"""

COSTS = ("analytic_time_s", "analytic_energy_j", "device_time_s", "device_energy_j")
SUMMARY_COLUMNS = [
    "method", "keep_ratio", "trials", "test_accuracy", "accuracy_low", "accuracy_high", "accuracy_half_width",
    "std_over_devices", "std_over_seeds", "local_accuracy", "time_saved", "energy_saved", "device_time_saved",
    "device_energy_saved", "scoring_share", "failed", "infeasible",
]  # fmt: skip
CURVE_VALUES = ("subset_loss", "subset_accuracy", "test_loss", "test_accuracy")

Statistic = Callable[[FloatArray], FloatArray]


class Fit(NamedTuple):
    """y = intercept + slope * x by least squares; NaN where it is not defined."""

    slope: float
    intercept: float
    r2: float


def ok(records: pd.DataFrame) -> pd.DataFrame:
    """The trials that ended well."""
    return records[records["status"] == "ok"]


def groups(table: pd.DataFrame) -> Iterator[tuple[str, float, pd.DataFrame]]:
    """(method, keep_ratio, its rows): methods by first appearance, ratios ascending, unknown last."""
    order = {method: place for place, method in enumerate(dict.fromkeys(table["method"]))}
    by_cell = table.groupby(["method", "keep_ratio"], dropna=False)
    cells = [(str(part["method"].iloc[0]), float(part["keep_ratio"].iloc[0]), part) for _, part in by_cell]
    yield from sorted(cells, key=lambda cell: (order[cell[0]], np.isnan(cell[1]), cell[1]))


def device_by_seed(table: pd.DataFrame, column: str) -> FloatArray:
    """The values of one method and ratio as a matrix [devices, seeds], NaN where a trial is missing.

    Devices and seeds without any value are left out.
    """
    table = table[table[column].notna()]
    devices, rows = np.unique(table["device"].to_numpy(), return_inverse=True)
    seeds, columns = np.unique(table["seed"].to_numpy(), return_inverse=True)
    values = np.full((len(devices), len(seeds)), np.nan)
    values[rows, columns] = table[column].to_numpy(dtype=np.float64)
    return values


def trial_mean(values: FloatArray) -> FloatArray:
    """The mean over the last two axes (devices, seeds) without missing trials; NaN where all are missing."""
    size = values.shape[-2] * values.shape[-1]
    total = values.sum(axis=(-2, -1))
    if size and np.isfinite(total).all():  # nothing is missing: half the time of a large bootstrap
        return np.asarray(total / size)
    known = np.isfinite(values)
    count = known.sum(axis=(-2, -1))
    total = np.where(known, values, 0.0).sum(axis=(-2, -1))
    return np.divide(total, count, out=np.full(np.shape(total), np.nan), where=count > 0)


def bootstrap_interval(values: FloatArray, statistic: Statistic = trial_mean, rng_seed: int = 0) -> tuple[float, float]:
    """The 95 % percentile interval of a statistic, by resampling devices and seeds (two-way bootstrap).

    A resample draws devices with replacement, seeds with replacement, and keeps the cells where they cross,
    so that trials of one device, or of one seed, stay together. Every call starts at the same stream.
    It is honest only as far as the repetitions go. With one seed it says nothing about seeds, with one device
    nothing about devices, and with a handful of either the percentile bootstrap is too narrow.

    Args:
        values: float [devices, seeds], NaN where a trial is missing.
        statistic: from samples [resamples, devices, seeds] to one number per resample [resamples].
        rng_seed: seed of the stream "analysis:bootstrap".

    Returns: (low, high); NaN where fewer than two values are known.

    Source: Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 2007, section 3.
    """
    if np.isfinite(values).sum() < 2:
        return np.nan, np.nan
    devices, seeds = values.shape
    rng = stream(rng_seed, "analysis:bootstrap")
    rows = rng.integers(devices, size=(RESAMPLES, devices))
    columns = rng.integers(seeds, size=(RESAMPLES, seeds))
    chunk = max(1, MAX_SAMPLED_ELEMENTS // values.size)
    drawn = np.concatenate([
        statistic(values[rows[first : first + chunk, :, None], columns[first : first + chunk, None, :]])
        for first in range(0, RESAMPLES, chunk)
    ])  # fmt: skip
    drawn = drawn[np.isfinite(drawn)]
    if not drawn.size:
        return np.nan, np.nan
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def summary(records: pd.DataFrame) -> pd.DataFrame:
    """One row per method and keep_ratio, over the trials that ended well.

    `std_over_devices` is the sample deviation of the per-device means over seeds, `std_over_seeds` that of
    the per-seed means over devices; `*_saved` is 1 - sum / sum of `full`, over the (seed, device) pairs that
    both have; `scoring_share` is scoring's share of the analytic time. What cannot be said is NaN.

    Returns: DataFrame with SUMMARY_COLUMNS.
    """
    good = ok(records)
    full = good[good["method"] == FULL]
    rows = []
    for method, ratio, part in groups(records):
        done = ok(part)
        accuracy = device_by_seed(done, "test_accuracy")
        low, high = bootstrap_interval(accuracy)
        rows.append(
            {
                "method": method,
                "keep_ratio": ratio,
                "trials": len(done),
                "test_accuracy": float(trial_mean(accuracy)),
                "accuracy_low": low,
                "accuracy_high": high,
                "accuracy_half_width": (high - low) / 2,
                "std_over_devices": _spread(accuracy),
                "std_over_seeds": _spread(accuracy.T),
                "local_accuracy": _mean(done["local_accuracy"]),
                "time_saved": _saved(done, full, "analytic_time_s"),
                "energy_saved": _saved(done, full, "analytic_energy_j"),
                "device_time_saved": _saved(done, full, "device_time_s"),
                "device_energy_saved": _saved(done, full, "device_energy_j"),
                "scoring_share": _share(done["analytic_score_time_s"], done["analytic_time_s"]),
                "failed": int((part["status"] == "failed").sum()),
                "infeasible": int((part["status"] == "infeasible").sum()),
            }
        )
    return pd.DataFrame(rows, columns=SUMMARY_COLUMNS)


def gap_to_random(records: pd.DataFrame) -> pd.DataFrame:
    """Test accuracy of each method minus that of `random` at the same keep_ratio, paired by seed and device.

    `full` is no choice of a subset and is left out.

    Returns: DataFrame method keep_ratio pairs gap gap_low gap_high.
    """
    good = ok(records)
    keys = ["seed", "device", "keep_ratio"]
    baseline = good.loc[good["method"] == RANDOM, [*keys, "test_accuracy"]]
    paired = good[~good["method"].isin([RANDOM, FULL])].merge(baseline, on=keys, suffixes=("", "_random"))
    paired["gap"] = paired["test_accuracy"] - paired["test_accuracy_random"]
    rows = []
    for method, ratio, part in groups(paired[paired["gap"].notna()]):
        gaps = device_by_seed(part, "gap")
        rows.append((method, ratio, len(part), float(trial_mean(gaps)), *bootstrap_interval(gaps)))
    return pd.DataFrame(rows, columns=["method", "keep_ratio", "pairs", "gap", "gap_low", "gap_high"])


def cost_by_ratio(records: pd.DataFrame) -> pd.DataFrame:
    """Mean cost of a device per method and keep_ratio: method keep_ratio trials + COSTS + host_wall_s."""
    names = [*COSTS, "host_wall_s"]
    rows = [
        (method, ratio, len(part), *(_mean(part[name]) for name in names))
        for method, ratio, part in groups(ok(records))
    ]
    return pd.DataFrame(rows, columns=["method", "keep_ratio", "trials", *names])


def linear_fit(x: FloatArray, y: FloatArray) -> Fit:
    """The least-squares line through (x, y); pairs with a NaN are left out, and two different x are needed.

    `r2` is NaN where y does not vary.
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    if len(np.unique(x)) < 2:
        return Fit(np.nan, np.nan, np.nan)
    dx, dy = x - x.mean(), y - y.mean()
    slope = float(dx @ dy / (dx @ dx))
    intercept = float(y.mean() - slope * x.mean())
    total = float(dy @ dy)
    residual = y - intercept - slope * x
    return Fit(slope, intercept, 1 - float(residual @ residual) / total if total > 0 else np.nan)


def time_fits(records: pd.DataFrame) -> pd.DataFrame:
    """The line through mean time against keep_ratio, per method with two ratios or more and per kind of time.

    Returns: DataFrame method time slope_s intercept_s r2; `time` is the column that was fitted.
    """
    costs = cost_by_ratio(records)
    rows = []
    for method in dict.fromkeys(costs["method"]):
        part = costs[costs["method"] == method]
        for column in ("analytic_time_s", "device_time_s", "host_wall_s"):
            fit = linear_fit(part["keep_ratio"].to_numpy(), part[column].to_numpy())
            if np.isfinite(fit.slope):
                rounding = abs(fit.intercept) < 1e-12 * abs(fit.slope)
                rows.append((method, column, fit.slope, 0.0 if rounding else fit.intercept, fit.r2))
    return pd.DataFrame(rows, columns=["method", "time", "slope_s", "intercept_s", "r2"])


def failures(records: pd.DataFrame) -> pd.DataFrame:
    """The trials that did not end well, grouped by status, reason and method, the most frequent first.

    Returns: status reason method failures keep_ratios device_list seed_list; the last three are text.
    """
    keys = ["status", "reason", "method"]
    rows = []
    for cell, part in records[records["status"] != "ok"].groupby(keys, sort=False, dropna=False):
        ratios = ", ".join(f"{ratio:g}" for ratio in sorted(set(part["keep_ratio"])))
        rows.append((*cell, len(part), ratios, ranges(part["device"]), ranges(part["seed"])))
    table = pd.DataFrame(rows, columns=[*keys, "failures", "keep_ratios", "device_list", "seed_list"])
    return table.sort_values("failures", ascending=False, kind="stable", ignore_index=True)


def ranges(numbers: Iterable[int]) -> str:
    """Whole numbers in short: 0, 1, 2, 7 -> '0-2, 7'."""
    runs: list[list[int]] = []
    for number in sorted({int(n) for n in numbers}):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(f"{first}" if first == last else f"{first}-{last}" for first, last in runs)


def by_profile(records: pd.DataFrame) -> pd.DataFrame:
    """Means per profile, method and keep_ratio, profiles in order of first appearance.

    Returns: profile method keep_ratio devices trials test_accuracy + COSTS; `devices` are those with a
    trial that ended well.
    """
    good = ok(records)
    values = ["test_accuracy", *COSTS]
    rows = []
    for profile in dict.fromkeys(good["profile"]):
        for method, ratio, part in groups(good[good["profile"] == profile]):
            means = (_mean(part[column]) for column in values)
            rows.append((profile, method, ratio, part["device"].nunique(), len(part), *means))
    return pd.DataFrame(rows, columns=["profile", "method", "keep_ratio", "devices", "trials", *values])


def curve_means(curves: pd.DataFrame) -> pd.DataFrame:
    """Loss and accuracy per method, keep_ratio and epoch: means over the seeds and devices with a value.

    Returns: DataFrame method keep_ratio epoch trials + CURVE_VALUES.
    """
    parts = []
    for method, ratio, part in groups(curves):
        means = part.groupby("epoch")[list(CURVE_VALUES)].mean().reset_index()
        means.insert(1, "trials", part.groupby("epoch").size().to_numpy())
        means.insert(0, "keep_ratio", ratio)
        means.insert(0, "method", method)
        parts.append(means)
    columns = ["method", "keep_ratio", "epoch", "trials", *CURVE_VALUES]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def _mean(column: pd.Series) -> float:
    return float(column.mean()) if column.notna().any() else np.nan


def _spread(values: FloatArray) -> float:
    """Sample deviation of the row means of a matrix in which every row has a value; NaN for a single row."""
    if len(values) < 2:
        return np.nan
    return float(np.nanmean(values, axis=1).std(ddof=1))


def _share(part: pd.Series, whole: pd.Series) -> float:
    known = part.notna() & whole.notna()
    total = float(whole[known].sum())
    return float(part[known].sum()) / total if total > 0 else np.nan


def _saved(done: pd.DataFrame, full: pd.DataFrame, column: str) -> float:
    """1 - sum over the method / sum over `full`, over the (seed, device) pairs that both have."""
    keys = ["seed", "device"]
    pairs = done[[*keys, column]].merge(full[[*keys, column]], on=keys, suffixes=("", "_full")).dropna()
    base = float(pairs[f"{column}_full"].sum())
    return 1 - float(pairs[column].sum()) / base if base > 0 else np.nan
