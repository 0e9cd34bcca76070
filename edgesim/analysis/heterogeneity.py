"""Differences between devices: time and energy of each, stragglers, memory and storage, infeasible trials."""

from __future__ import annotations

import numpy as np
import pandas as pd

from edgesim.analysis.grouping import (
    FULL,
    AnalysisResult,
    complete,
    dropped,
    everywhere,
    groups,
    kinds,
    ok,
    one_of,
    partner_rows,
    result,
)
from edgesim.analysis.intervals import interval
from edgesim.analysis.second_test_set import named_columns, sets_there
from edgesim.formatting import number
from edgesim.tasks import metric_in

DEVICE_COLUMNS = [
    "device", "profile", "method", "keep_ratio", "seeds", "test_accuracy", "local_accuracy", "own_accuracy",
    "analytic_time_s", "device_time_s", "analytic_energy_j", "device_energy_j", "time_saved", "energy_saved",
    "accuracy_change",
]  # fmt: skip
STRAGGLER_COLUMNS = [
    "method", "keep_ratio", "devices", "seeds", "finish_s", "finish_low_s", "finish_high_s", "median_s", "device",
    "profile", "share_of_seeds", "wait_s", "wait_share", "idle_energy_j", "idle_energy_share", "finish_all_s",
    "left_out_devices",
]  # fmt: skip
HEADROOM_COLUMNS = [
    "device", "profile", "needed_memory_bytes", "usable_memory_bytes", "memory_bytes", "memory_share",
    "needed_storage_bytes", "storage_capacity_bytes", "storage_share",
]  # fmt: skip
INFEASIBLE_COLUMNS = ["device", "profile", "reason", "trials", "methods", "keep_ratios"]

NO_DEVICES = "The run folder has no table of devices, so {what} unknown."


def by_device(records: pd.DataFrame) -> AnalysisResult:
    """Means over seeds per device, method and keep_ratio, with savings and accuracy changes against its `full`.

    Args:
        records: one row per trial.

    Returns: DEVICE_COLUMNS. `*_saved` are 1 - emulated cost / that of `full` (sums over the seeds that both have),
        `accuracy_change` the mean paired difference of test_accuracy to `full`; NaN where `full` is missing. The
        columns are of the run's metric (`Metric.named`); `own_accuracy` is there where devices have test samples of
        their own.
    """
    good = ok(complete(records))
    metric = metric_in(good)
    value, change = metric.column(), metric.named("accuracy_change")
    values = [*map(metric.column, sets_there(good)), "analytic_time_s", "device_time_s", "analytic_energy_j"]
    values.append("device_energy_j")
    full = good[good["method"] == FULL]
    partner = partner_rows(good, full)
    own_and_full = {}
    for name in (value, "device_time_s", "device_energy_j"):
        own = good[name].to_numpy(dtype=np.float64)
        base = np.append(full[name].to_numpy(dtype=np.float64), np.nan)[partner]
        own_and_full[f"{name}_both"] = np.where(np.isnan(base), np.nan, own)
        own_and_full[f"{name}_full"] = np.where(np.isnan(own), np.nan, base)
    table = good.assign(**own_and_full)
    table = table.assign(**{change: table[value] - table[f"{value}_full"]})
    keys = ["device", "profile", "method", "keep_ratio"]
    found = table.groupby(keys, sort=False)
    means = found[[*values, change]].mean()
    means["seeds"] = found["seed"].nunique()
    for saved, name in (("time_saved", "device_time_s"), ("energy_saved", "device_energy_j")):
        whole = found[f"{name}_full"].sum(min_count=1)
        means[saved] = 1 - found[f"{name}_both"].sum(min_count=1) / whole.where(whole > 0)
    missing = "" if len(full) else f"No trial of `{FULL}` ended well, so savings and losses are unknown."
    columns = named_columns(DEVICE_COLUMNS, good)
    return AnalysisResult(means.reset_index()[columns], (missing,) if missing else ())


def stragglers(records: pd.DataFrame, devices: pd.DataFrame | None = None) -> AnalysisResult:
    """Slowest device of the fleet, and the cost of waiting for it, per method and keep_ratio.

    All devices start at once; a finished one idles until the slowest has finished. Times are emulated. Rows compare the
    same (seed, device) pairs, those that finish every method and keep ratio. `finish_all_s` is over all pairs that
    finish the row's own; there a slow device that drops out at large ratios makes the fleet look faster.

    Args:
        records: one row per trial.
        devices: the run's table of devices (its `idle_w`); None or empty where the run has none.

    Returns: STRAGGLER_COLUMNS, means over seeds: `finish_s` with its 95 % interval over seeds, the median device's
        time, the most frequent last device with its share of the seeds, `wait_s` summed over devices, its share
        of devices x finish, `idle_energy_j` of that waiting and its share of training energy + waiting;
        `left_out_devices` finish this cell but not every other one.
    """
    every = ok(complete(records))
    every = every[every["device_time_s"].notna()]
    good = everywhere(every)
    missing = list(dropped(every, good))
    if good.empty and len(every):
        good = every
        missing = [
            "No (seed, device) pair finishes every method and keep ratio, so the rows are over different devices."
        ]
    idle_w = {} if devices is None or devices.empty else dict(zip(devices["device"], devices["idle_w"], strict=True))
    all_done = {
        (method, ratio): (float(part.groupby("seed")["device_time_s"].max().mean()), part["device"].nunique())
        for method, ratio, part in groups(every)
    }
    rows = []
    for method, ratio, part in groups(good):
        finish_all_s, finishing = all_done[method, ratio]
        rows.append((method, ratio, *_waiting(part, idle_w), finish_all_s, finishing - part["device"].nunique()))
    if not idle_w:
        missing.append(NO_DEVICES.format(what="the idle energy while waiting is"))
    if every["device"].nunique() < 2:
        missing.append("With fewer than two devices none waits for another.")
    return result(rows, STRAGGLER_COLUMNS, tuple(missing))


def _waiting(part: pd.DataFrame, idle_w: dict[int, float]) -> tuple[object, ...]:
    """Columns from `devices` to `idle_energy_share` of STRAGGLER_COLUMNS, for one method and keep_ratio."""
    last = part.loc[part.groupby("seed")["device_time_s"].idxmax()]
    finish = part["seed"].map(dict(zip(last["seed"], last["device_time_s"], strict=True)))
    wait_s = finish - part["device_time_s"]
    idle_j = wait_s * part["device"].map(idle_w) if idle_w else wait_s * np.nan
    seeds = part["seed"].nunique()
    slowest = last["device"].mode().iloc[0]
    found = interval(last["device_time_s"].to_numpy(dtype=np.float64)[None, :], (0.0, np.inf))
    energy_j, idle_sum_j = float(part["device_energy_j"].sum()), float(idle_j.sum(skipna=False))
    return (
        part["device"].nunique(), seeds, found.estimate, found.low, found.high,
        float(part.groupby("seed")["device_time_s"].median().mean()), int(slowest),
        str(part.loc[part["device"] == slowest, "profile"].iloc[0]), float((last["device"] == slowest).mean()),
        float(wait_s.sum()) / seeds, float(wait_s.sum() / finish.sum()) if finish.sum() > 0 else np.nan,
        idle_sum_j / seeds, idle_sum_j / (idle_sum_j + energy_j) if idle_sum_j + energy_j > 0 else np.nan,
    )  # fmt: skip


def headroom(records: pd.DataFrame, devices: pd.DataFrame | None = None) -> AnalysisResult:
    """Memory and storage that each device needs, as shares of its own: the conditions for its trials to start.

    Args:
        records: one row per trial.
        devices: the run's table of devices (`memory_bytes`, `usable_memory_bytes`, `storage_capacity_bytes`,
            `shard_bytes`); None where it has none.

    Returns: HEADROOM_COLUMNS. Memory is the largest peak of the device's trials; above `usable_memory_bytes` they are
        infeasible. Storage is the device's largest whole shard, since pruning happens after it is stored.
    """
    records = complete(records)
    peak = records["peak_memory_bytes"].where(records["peak_memory_bytes"] > 0)
    most = peak.groupby([records["device"], records["profile"]], sort=False).max().reset_index()
    most = most.rename(columns={"peak_memory_bytes": "needed_memory_bytes"})
    has = ["memory_bytes", "usable_memory_bytes", "storage_capacity_bytes", "shard_bytes"]
    if devices is None or devices.empty:
        table = most.assign(**dict.fromkeys(has, np.nan))
        missing = NO_DEVICES.format(what="their memory and storage are")
    else:
        table, missing = most.merge(devices[["device", *has]], on="device", how="left"), ""
    table["needed_storage_bytes"] = table["shard_bytes"].where(table["shard_bytes"] > 0)
    table["memory_share"] = table["needed_memory_bytes"] / table["memory_bytes"]
    table["storage_share"] = table["needed_storage_bytes"] / table["storage_capacity_bytes"]
    return AnalysisResult(table[HEADROOM_COLUMNS], (missing,) if missing else ())


def infeasible(records: pd.DataFrame) -> AnalysisResult:
    """Infeasible trials by device and kind of reason, as in `failures`.

    Returns: INFEASIBLE_COLUMNS; `methods` and `keep_ratios` are text.
    """
    bad = records[records["status"] == "infeasible"]
    rows = []
    bad = bad.assign(kind=kinds(bad["reason"]))
    for (device, profile, _), part in bad.groupby(["device", "profile", "kind"], sort=False, dropna=False):
        ratios = ", ".join(number(ratio) for ratio in sorted(set(part["keep_ratio"])))
        methods = ", ".join(dict.fromkeys(part["method"]))
        rows.append((device, profile, one_of(part["reason"]), len(part), methods, ratios))
    return result(rows, INFEASIBLE_COLUMNS)
