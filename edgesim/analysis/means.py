"""Tables of means over records, per method and ratio and per profile, and the table of failures.

Seeds are the repetitions; devices are crossed with them. So a mean over trials never gets the interval of
`seeds x devices` independent values (`intervals`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from edgesim.analysis.equal_cost import equal_cost
from edgesim.analysis.grouping import (
    FULL,
    RANDOM,
    AnalysisResult,
    comparable,
    complete,
    device_by_seed,
    groups,
    in_stack,
    kinds,
    mean,
    ok,
    one_of,
    paired,
    partner_rows,
    result,
    weighted_mean,
)
from edgesim.analysis.intervals import interval
from edgesim.analysis.second_test_set import named_columns, sets_there
from edgesim.formatting import number, ranges
from edgesim.tasks import metric_in
from edgesim.work import FloatArray, IntArray

COSTS = ("device_time_s", "device_energy_j", "analytic_time_s", "analytic_energy_j")
SUMMARY_COLUMNS = [
    "method", "keep_ratio", "trials", "test_accuracy", "accuracy_low", "accuracy_high", "accuracy_half_width",
    "own_accuracy", "own_half_width", "std_over_devices", "std_over_seeds", "accuracy_by_data", "local_accuracy",
    "device_time_saved", "device_energy_saved", "startup_share", "scoring_share", "random_keeps", "gap_at_cost",
    "gap_at_cost_low", "gap_at_cost_high", "time_saved", "energy_saved", "common_trials", "common_accuracy",
    "failed", "infeasible",
]  # fmt: skip
PARTS = ("device_startup_s", "device_score_time_s", "device_train_time_s")
"""parts of device_time_s"""
GAP_COLUMNS = [
    "method", "keep_ratio", "base_keep_ratio", "pairs", "gap", "gap_low", "gap_high", "local_gap", "local_gap_low",
    "local_gap_high", "own_gap", "own_gap_low", "own_gap_high",
]  # fmt: skip


class Fit(NamedTuple):
    """y = intercept + slope * x by least squares; NaN where it is not defined."""

    slope: float
    intercept: float
    r2: float


def summary(records: pd.DataFrame) -> pd.DataFrame:
    """One row per method and keep_ratio, over the trials that ended well.

    `std_over_devices` is the sample deviation of the per-device means over seeds, `std_over_seeds` that of
    the per-seed means over devices. `accuracy_by_data` weights devices by the samples that they hold (Eq. 10 of the
    edge paper), `test_accuracy` equally. `device_*_saved` is 1 - sum / sum of `full` by the emulated price, over the
    (seed, device) pairs that both have; `time_saved` and `energy_saved` are the same by the closed form.
    `startup_share` and `scoring_share` are shares of the emulated time. `random_keeps` and `gap_at_cost` are random's
    keep ratio at the same total energy, and the accuracy minus random's there (`equal_cost`). `common_*` are over the
    pairs that finish every method and keep ratio (`grouping.comparable`). Unknown values are NaN.

    Returns: DataFrame with SUMMARY_COLUMNS, of the run's metric; `own_*` is there where devices have test samples of
        their own.
    """
    records = complete(records)
    metric = metric_in(records)
    value, local = metric.column(), metric.column("local")
    good = ok(records)
    full = good[good["method"] == FULL]
    common, _ = comparable(good)
    at_cost = {
        (row["method"], row["keep_ratio"]): row for row in equal_cost(records, (RANDOM,)).table.to_dict("records")
    }
    nothing = dict.fromkeys(("opponent_keep_ratio", "gap", "gap_low", "gap_high"), np.nan)
    rows = []
    for method, ratio, part in groups(records):
        done = ok(part)
        accuracy = device_by_seed(done, value)
        found = interval(accuracy, metric.bounds)
        both = common.loc[common.index.intersection(done.index), value]
        gap = at_cost.get((method, ratio), nothing)
        partners = partner_rows(done, full)
        rows.append(
            {
                "method": method,
                "keep_ratio": ratio,
                "trials": len(done),
                value: found.estimate,
                metric.named("accuracy_low"): found.low,
                metric.named("accuracy_high"): found.high,
                metric.named("accuracy_half_width"): found.plus_minus,
                **(_on_own_samples(done) if "own" in sets_there(records) else {}),
                "std_over_devices": _spread(accuracy),
                "std_over_seeds": _spread(accuracy.T),
                metric.named("accuracy_by_data"): weighted_mean(done[value], done["shard_size"]),
                local: mean(done[local]),
                "device_time_saved": _saved(done, full, partners, "device_time_s"),
                "device_energy_saved": _saved(done, full, partners, "device_energy_j"),
                "startup_share": _share(done["device_startup_s"], done["device_time_s"]),
                "scoring_share": _share(done["device_score_time_s"], done["device_time_s"]),
                "random_keeps": gap["opponent_keep_ratio"],
                "gap_at_cost": gap["gap"],
                "gap_at_cost_low": gap["gap_low"],
                "gap_at_cost_high": gap["gap_high"],
                "time_saved": _saved(done, full, partners, "analytic_time_s"),
                "energy_saved": _saved(done, full, partners, "analytic_energy_j"),
                "common_trials": len(both),
                metric.named("common_accuracy"): mean(both),
                "failed": int((part["status"] == "failed").sum()),
                "infeasible": int((part["status"] == "infeasible").sum()),
            }
        )
    return pd.DataFrame(rows, columns=named_columns(SUMMARY_COLUMNS, records))


def _on_own_samples(done: pd.DataFrame) -> dict[str, float]:
    """Mean of the metric on the devices' own test samples, and half its interval."""
    metric = metric_in(done)
    found = interval(device_by_seed(done, metric.column("own")), metric.bounds)
    return {metric.column("own"): found.estimate, "own_half_width": found.plus_minus}


def gap_to_random(records: pd.DataFrame) -> pd.DataFrame:
    """Accuracy of each method minus that of `random` at the same keep_ratio (or budget), paired by seed and device.

    `full` chooses no subset and is left out.

    Returns: DataFrame with GAP_COLUMNS; `gap` is on the common test set, `local_gap` on the device's own class mix,
        `own_gap` on its own test samples where devices have some, `base_keep_ratio` is random's mean ratio.
    """
    rows, metric = [], metric_in(records)
    bounds = metric.difference_bounds
    tables = {of: paired(complete(records), RANDOM, metric.column(of)) for of in sets_there(records)}
    cells = {of: {(method, ratio): part for method, ratio, part in groups(table)} for of, table in tables.items()}
    for (method, ratio), part in cells["test"].items():
        on_sets = (own.get((method, ratio), part.head(0)) for own in cells.values())
        ends = (end for own in on_sets for end in interval(device_by_seed(own, "difference"), bounds)[:3])
        rows.append((method, ratio, mean(part["base_keep_ratio"]), len(part), *ends))
    return pd.DataFrame(rows, columns=named_columns(GAP_COLUMNS, records))


def cost_by_ratio(records: pd.DataFrame) -> AnalysisResult:
    """Mean cost of a device per method and keep_ratio, over the pairs that finish all of them (`grouping.comparable`).

    Returns: method keep_ratio pairs left_out + COSTS + PARTS + host_wall_s; `left_out` counts the trials of the cell
        that ended well on other pairs.
    """
    names = [*COSTS, *PARTS, "host_wall_s"]
    good = ok(complete(records))
    common, missing = comparable(good)
    done = good.groupby(["method", "keep_ratio"]).size()
    rows = [
        (method, ratio, len(part), int(done[method, ratio]) - len(part), *(mean(part[name]) for name in names))
        for method, ratio, part in groups(common)
    ]
    return result(rows, ["method", "keep_ratio", "pairs", "left_out", *names], missing)


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
    """Fitted line of mean time against keep_ratio, per method with two ratios or more and per kind of time.

    Means are those of `cost_by_ratio`, so that all points of a line are over the same devices.

    Returns: DataFrame method time slope_s intercept_s r2; `time` is the column that was fitted.
    """
    costs = cost_by_ratio(records.assign(host_wall_s=records["host_wall_s"].mask(in_stack(records)))).table
    rows = []
    for method in dict.fromkeys(costs["method"]):
        part = costs[costs["method"] == method]
        for column in ("device_time_s", "analytic_time_s", "host_wall_s"):
            fit = linear_fit(part["keep_ratio"].to_numpy(), part[column].to_numpy())
            if np.isfinite(fit.slope):
                rounding = abs(fit.intercept) < 1e-12 * abs(fit.slope)
                rows.append((method, column, fit.slope, 0.0 if rounding else fit.intercept, fit.r2))
    return pd.DataFrame(rows, columns=["method", "time", "slope_s", "intercept_s", "r2"])


def failures(records: pd.DataFrame) -> pd.DataFrame:
    """Trials that did not end well, grouped by status, kind of reason and method, the most frequent first.

    Reasons that differ in their numbers are of one kind, and the first one stands for them.

    Returns: status reason method failures keep_ratios device_list seed_list; the last three are text.
    """
    keys = ["status", "kind", "method"]
    rows = []
    bad = records[records["status"] != "ok"]
    for (status, _, method), part in bad.assign(kind=kinds(bad["reason"])).groupby(keys, sort=False, dropna=False):
        ratios = ", ".join(number(ratio) for ratio in sorted(set(part["keep_ratio"])))
        named = (status, one_of(part["reason"]), method)
        rows.append((*named, len(part), ratios, ranges(part["device"]), ranges(part["seed"])))
    names = ["status", "reason", "method", "failures", "keep_ratios", "device_list", "seed_list"]
    table = pd.DataFrame(rows, columns=names)
    return table.sort_values("failures", ascending=False, kind="stable", ignore_index=True)


def by_profile(records: pd.DataFrame) -> pd.DataFrame:
    """Means per profile, method and keep_ratio, profiles in order of first appearance.

    Means are over the profile's (seed, device) pairs that finish all that the profile finishes (`grouping.comparable`);
    where no pair does, each row is over its own.

    Returns: profile method keep_ratio devices trials left_out test_accuracy + COSTS; `devices` and `trials` are those
        in the means, `left_out` counts trials that ended well on other pairs.
    """
    good = ok(records)
    values = [metric_in(good).column(), *COSTS]
    rows = []
    for profile in dict.fromkeys(good["profile"]):
        own = good[good["profile"] == profile]
        same, _ = comparable(own)
        done = own.groupby(["method", "keep_ratio"]).size()
        for method, ratio, part in groups(same if len(same) else own):
            means = (mean(part[column]) for column in values)
            counts = (part["device"].nunique(), len(part), int(done[method, ratio]) - len(part))
            rows.append((profile, method, ratio, *counts, *means))
    return pd.DataFrame(rows, columns=["profile", "method", "keep_ratio", "devices", "trials", "left_out", *values])


def _spread(values: FloatArray) -> float:
    """Sample deviation of the row means of a matrix in which every row has a value; NaN for a single row."""
    if len(values) < 2:
        return np.nan
    return float(np.nanmean(values, axis=1).std(ddof=1))


def _share(part: pd.Series, whole: pd.Series) -> float:
    known = part.notna() & whole.notna()
    total = float(whole[known].sum())
    return float(part[known].sum()) / total if total > 0 else np.nan


def _saved(done: pd.DataFrame, full: pd.DataFrame, partners: IntArray, column: str) -> float:
    """1 - sum over the method / sum over `full`, over the (seed, device) pairs that both have.

    Args:
        partners: row of `full` of each trial, -1 for none.
    """
    value, whole = (table[column].to_numpy(dtype=np.float64) for table in (done, full))
    whole = np.append(whole, np.nan)[partners]
    known = ~np.isnan(value + whole)
    base = float(whole[known].sum())
    return 1 - float(value[known].sum()) / base if base > 0 else np.nan
