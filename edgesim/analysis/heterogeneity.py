"""Devices that differ: time and energy each, who is waited for, who gains, what does not fit, how fair it is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from edgesim.analysis.cells import (
    FULL,
    Answer,
    answer,
    complete,
    device_by_seed,
    dropped,
    everywhere,
    groups,
    kinds,
    mean,
    ok,
    one_of,
    ranges,
    weighted_mean,
)
from edgesim.analysis.intervals import Interval, interval
from edgesim.work import FloatArray

DEVICE_COLUMNS = [
    "device", "profile", "method", "keep_ratio", "seeds", "test_accuracy", "local_accuracy", "analytic_time_s",
    "device_time_s", "analytic_energy_j", "device_energy_j", "time_saved", "energy_saved", "accuracy_change",
]  # fmt: skip
STRAGGLER_COLUMNS = [
    "method", "keep_ratio", "devices", "seeds", "finish_s", "finish_low_s", "finish_high_s", "median_s", "device",
    "profile", "share_of_seeds", "wait_s", "wait_share", "idle_energy_j", "idle_energy_share", "finish_all_s",
    "left_out_devices",
]  # fmt: skip
FAIRNESS = ("mean", "mean_by_data", "worst_tenth", "gini", "jain")
FAIRNESS_COLUMNS = [
    "method", "keep_ratio", "devices", "seeds", *(f"{name}{end}" for name in FAIRNESS for end in ("", "_low", "_high"))
]  # fmt: skip
WINNER_COLUMNS = ["device", "profile", "keep_ratio", "method", "test_accuracy", "runner_up", "ahead", "seeds"]
HEADROOM_COLUMNS = [
    "device", "profile", "needed_memory_bytes", "usable_memory_bytes", "memory_bytes", "memory_share",
    "needed_storage_bytes", "storage_capacity_bytes", "storage_share",
]  # fmt: skip
INFEASIBLE_COLUMNS = ["device", "profile", "reason", "trials", "methods", "keep_ratios"]

NO_DEVICES = "The run folder has no table of devices (it is older than that table), so {what} cannot be told."


def by_device(records: pd.DataFrame) -> Answer:
    """Means over seeds per device, method and keep_ratio, with what is saved and lost against the device's `full`.

    Args:
        records: one row per trial.

    Returns: DEVICE_COLUMNS. `*_saved` are 1 - emulated cost / that of `full` (sums over the seeds that both have),
        `accuracy_change` the mean paired difference of test_accuracy to `full`; NaN where `full` is missing.
    """
    good = ok(complete(records))
    values = ["test_accuracy", "local_accuracy", "analytic_time_s", "device_time_s", "analytic_energy_j"]
    values.append("device_energy_j")
    full = good.loc[good["method"] == FULL, ["seed", "device", "device_time_s", "device_energy_j", "test_accuracy"]]
    table = good.merge(full, on=["seed", "device"], how="left", suffixes=("", "_full"))
    table["accuracy_change"] = table["test_accuracy"] - table["test_accuracy_full"]
    for name in ("device_time_s", "device_energy_j"):
        table[f"{name}_both"] = table[name].where(table[f"{name}_full"].notna())
        table[f"{name}_full"] = table[f"{name}_full"].where(table[name].notna())
    keys = ["device", "profile", "method", "keep_ratio"]
    found = table.groupby(keys, sort=False)
    means = found[[*values, "accuracy_change"]].mean()
    means["seeds"] = found["seed"].nunique()
    for saved, name in (("time_saved", "device_time_s"), ("energy_saved", "device_energy_j")):
        whole = found[f"{name}_full"].sum(min_count=1)
        means[saved] = 1 - found[f"{name}_both"].sum(min_count=1) / whole.where(whole > 0)
    missing = "" if len(full) else f"No trial of `{FULL}` ended well, so savings and losses cannot be told."
    return Answer(means.reset_index()[DEVICE_COLUMNS], (missing,) if missing else ())


def stragglers(records: pd.DataFrame, devices: pd.DataFrame | None = None) -> Answer:
    """Who determines when the fleet is done, and what the others' waiting costs, per method and keep_ratio.

    All devices start at once; one that is done idles until the slowest is. Times are emulated ones. Rows compare the
    same (seed, device) pairs, those that finish every method and keep ratio; `finish_all_s` is over all that finish
    this one, where a slow device that drops out at large ratios would make the fleet look faster.

    Args:
        records: one row per trial.
        devices: the run's table of devices (its `idle_w`); None or empty where the run has none.

    Returns: STRAGGLER_COLUMNS, means over seeds: `finish_s` with its 95 % interval over seeds, the median device's
        time, the device that is last most often with its share of the seeds, `wait_s` summed over devices, its share
        of devices x finish, `idle_energy_j` of that waiting and its share of training energy + waiting;
        `left_out_devices` finish this cell and not every other one.
    """
    every = ok(complete(records))
    every = every[every["device_time_s"].notna()]
    good = everywhere(every)
    missing = list(dropped(every, good))
    if good.empty and len(every):
        good = every
        missing = ["No (seed, device) pair finishes every method and keep ratio: the rows are over different devices."]
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
        missing.append(NO_DEVICES.format(what="the idle energy of waiting"))
    if every["device"].nunique() < 2:
        missing.append("With one device or none nobody waits for another.")
    return answer(rows, STRAGGLER_COLUMNS, tuple(missing))


def _waiting(part: pd.DataFrame, idle_w: dict[int, float]) -> tuple[object, ...]:
    """The columns from `devices` to `idle_energy_share` of STRAGGLER_COLUMNS, for one method and keep_ratio."""
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


def fairness(records: pd.DataFrame) -> Answer:
    """How evenly accuracy is spread over the devices, per method and keep_ratio.

    Each measure is taken over the devices of one seed; its interval is over the seeds, for this fleet. Devices count
    alike but in `mean_by_data`, which weights them by the samples that they hold (edge paper, Eq. 10).

    Returns: FAIRNESS_COLUMNS: `mean`, `mean_by_data`, `worst_tenth` (mean of the lowest tenth of the devices), `gini`,
        `jain` of test_accuracy, each with `_low` and `_high`.
    """
    good = ok(complete(records))
    rows = []
    for method, ratio, part in groups(good[good["test_accuracy"].notna()]):
        matrix = device_by_seed(part, "test_accuracy")
        found = [_over_seeds(matrix, measure) for measure in (mean_of, worst_tenth, gini, jain)]
        by_data = [weighted_mean(own["test_accuracy"], own["shard_size"]) for _, own in part.groupby("seed")]
        found.insert(1, interval(np.array([by_data]), (0.0, 1.0)))
        ends = (end for one in found for end in (one.estimate, one.low, one.high))
        rows.append((method, ratio, *matrix.shape, *ends))
    missing = []
    if good["device"].nunique() < 2:
        missing.append("Fairness needs two devices with trials that ended well.")
    if good["seed"].nunique() < 2:
        missing.append("With one seed or none there are no intervals over seeds.")
    return answer(rows, FAIRNESS_COLUMNS, tuple(missing))


def mean_of(values: FloatArray) -> float:
    """The mean of the known values."""
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else np.nan


def winners(records: pd.DataFrame) -> Answer:
    """Per device and keep_ratio the method with the highest test accuracy, mean over seeds; `full` left out.

    Returns: WINNER_COLUMNS; `ahead` is the lead on the `runner_up` (equal means: the first method of the scenario).
    """
    good = ok(records)
    good = good[(good["method"] != FULL) & good["test_accuracy"].notna()]
    place = ["device", "profile", "keep_ratio"]
    found = good.groupby([*place, "method"])["test_accuracy"].mean().reset_index()
    order = {name: number for number, name in enumerate(dict.fromkeys(good["method"]))}
    found["order"] = found["method"].map(order)
    found = found.sort_values([*place, "test_accuracy", "order"], ascending=[True, True, True, False, True])
    rank = found.groupby(place).cumcount()
    seeds = good.groupby(place)["seed"].nunique().rename("seeds").reset_index()
    second = found.loc[rank == 1, [*place, "method", "test_accuracy"]]
    second = second.rename(columns={"method": "runner_up", "test_accuracy": "second"})
    table = found[rank == 0].merge(second, on=place).merge(seeds, on=place)
    table["ahead"] = table["test_accuracy"] - table["second"]
    missing = "" if len(table) else "No device has two methods at one keep ratio, so there is no winner."
    return Answer(table[WINNER_COLUMNS].reset_index(drop=True), (missing,) if missing else ())


def winner_counts(table: pd.DataFrame) -> Answer:
    """On how many devices each method is ahead, per keep_ratio; a tie counts for nobody.

    Args:
        table: the table of `winners`.

    Returns: keep_ratio method devices of; `of` is the number of devices that were compared.
    """
    rows = []
    for ratio, part in table.groupby("keep_ratio"):
        ahead = part.loc[part["ahead"] > 0, "method"].value_counts()
        rows += [(ratio, method, int(count), len(part)) for method, count in ahead.items()]
    return answer(rows, ["keep_ratio", "method", "devices", "of"], "" if rows else "No method is ahead anywhere.")


def headroom(records: pd.DataFrame, devices: pd.DataFrame | None = None) -> Answer:
    """The memory and storage that each device needs of what it has: what decides whether its trials can begin.

    Args:
        records: one row per trial.
        devices: the run's table of devices (`memory_bytes`, `usable_memory_bytes`, `storage_capacity_bytes`,
            `shard_bytes`); None where it has none.

    Returns: HEADROOM_COLUMNS. Memory is the largest peak of the device's trials; they do not fit above
        `usable_memory_bytes`. Storage is the device's largest whole shard, for pruning comes after it is stored.
    """
    records = complete(records)
    peak = records["peak_memory_bytes"].where(records["peak_memory_bytes"] > 0)
    most = peak.groupby([records["device"], records["profile"]], sort=False).max().reset_index()
    most = most.rename(columns={"peak_memory_bytes": "needed_memory_bytes"})
    has = ["memory_bytes", "usable_memory_bytes", "storage_capacity_bytes", "shard_bytes"]
    if devices is None or devices.empty:
        table = most.assign(**dict.fromkeys(has, np.nan))
        missing = NO_DEVICES.format(what="what its devices have")
    else:
        table, missing = most.merge(devices[["device", *has]], on="device", how="left"), ""
    table["needed_storage_bytes"] = table["shard_bytes"].where(table["shard_bytes"] > 0)
    table["memory_share"] = table["needed_memory_bytes"] / table["memory_bytes"]
    table["storage_share"] = table["needed_storage_bytes"] / table["storage_capacity_bytes"]
    return Answer(table[HEADROOM_COLUMNS], (missing,) if missing else ())


def infeasible(records: pd.DataFrame) -> Answer:
    """Devices that cannot do what was asked, and why: one row per device and kind of reason, as in `failures`.

    Returns: INFEASIBLE_COLUMNS; `methods` and `keep_ratios` are text.
    """
    bad = records[records["status"] == "infeasible"]
    rows = []
    bad = bad.assign(kind=kinds(bad["reason"]))
    for (device, profile, _), part in bad.groupby(["device", "profile", "kind"], sort=False, dropna=False):
        ratios = ", ".join(f"{ratio:g}" for ratio in sorted(set(part["keep_ratio"])))
        methods = ", ".join(dict.fromkeys(part["method"]))
        rows.append((device, profile, one_of(part["reason"]), len(part), methods, ratios))
    return answer(rows, INFEASIBLE_COLUMNS)


def spread_of_profiles(records: pd.DataFrame, column: str = "device_time_s") -> Answer:
    """Time or energy of the devices of each profile, at each method and keep_ratio: least, median, most.

    Args:
        records: one row per trial.
        column: a cost, for example "device_energy_j".

    Returns: profile method keep_ratio device_list trials least median most mean, in the column's unit.
    """
    columns = ["profile", "method", "keep_ratio", "device_list", "trials", "least", "median", "most", "mean"]
    good = ok(complete(records))
    good = good[good[column].notna()]
    rows = []
    for profile in dict.fromkeys(good["profile"]):
        for method, ratio, part in groups(good[good["profile"] == profile]):
            values = part[column]
            ends = (float(values.min()), float(values.median()), float(values.max()), mean(values))
            rows.append((profile, method, ratio, ranges(part["device"]), len(part), *ends))
    missing = "" if rows else f"No trial that ended well has {column}."
    return answer(rows, columns, missing)


def _over_seeds(matrix: FloatArray, measure: Callable[[FloatArray], float]) -> Interval:
    """A measure of the devices of one seed, with its interval over the seeds."""
    values = np.array([[measure(matrix[:, seed]) for seed in range(matrix.shape[1])]])
    return interval(values, (0.0, 1.0))
