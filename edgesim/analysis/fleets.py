"""One training priced on several fleets: time, energy, infeasible devices, best keep ratios."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from edgesim.analysis.best_ratio import LAMBDAS, Weighted, best_ratios
from edgesim.analysis.grouping import FULL, KEYS, AnalysisResult, complete, everywhere, groups, ok, result
from edgesim.analysis.intervals import interval
from edgesim.analysis.second_test_set import is_own, on_own_samples, sets_there
from edgesim.formatting import n_of, ranges
from edgesim.tasks import metric_in

FLEET_COLUMNS = [
    "fleet", "method", "keep_ratio", "devices", "infeasible_devices", "failed_devices", "seeds", "finish_s",
    "finish_low_s", "finish_high_s", "energy_j", "test_accuracy", "own_accuracy", "time_saved", "energy_saved",
    "analytic_time_saved", "analytic_energy_saved", "energy_per_point_j", "common_devices", "common_finish_s",
    "common_energy_j", "common_accuracy", "common_own_accuracy",
]  # fmt: skip


def fleet_table(tables: Mapping[str, pd.DataFrame]) -> AnalysisResult:
    """Time, energy and accuracy of one training on several fleets, with their infeasible devices.

    Args:
        tables: fleet -> records of the same trials, priced on that fleet.

    Returns: FLEET_COLUMNS: `finish_s` is the slowest device's emulated time, with its 95 % interval over seeds;
        `energy_j` the sum over devices, mean over seeds; `*_saved` against `full` of the same fleet, over the seeds and
        devices that both have, `analytic_*` by the closed form. `common_*` are over the pairs that finish everything on
        every fleet (`on_every_fleet`), so that rows and fleets compare the same devices; NaN where there are none.
        `energy_per_point_j` is their energy / (100 x mean accuracy), of a metric that is a share. Accuracies are on the
        common test set; `*own_accuracy` are on the devices' own test samples, only where these are. The columns are of
        the run's metric (`Metric.named`).
    """
    metric = metric_in(next(iter(tables.values()), ()))
    has_own = all("own" in sets_there(records) for records in tables.values())
    same, missing = on_every_fleet(tables)
    rows = []
    for name, given in tables.items():
        records = complete(given)
        full = ok(records)
        full = full[full["method"] == FULL]
        common_trials = {(method, ratio): part for method, ratio, part in groups(same[name])}
        for method, ratio, part in groups(records):
            common = common_trials.get((method, ratio), same[name].head(0))
            rows.append((name, method, ratio, *_fleet_cell(part, full), *_common_cell(common)))
    found = result(
        rows, [metric.named(column) for column in FLEET_COLUMNS], missing if rows else "No fleet has a trial."
    )
    unknown = [] if metric.is_share else ["energy_per_point_j"]
    unknown += [] if has_own else [metric.named(column) for column in FLEET_COLUMNS if is_own(column)]
    return AnalysisResult(found.table.drop(columns=unknown), found.missing) if unknown else found


def on_every_fleet(tables: Mapping[str, pd.DataFrame]) -> tuple[dict[str, pd.DataFrame], tuple[str, ...]]:
    """Trials of the (seed, device) pairs that finish every method and keep ratio on every fleet.

    Args:
        tables: fleet -> records of the same trials, priced on that fleet.

    Returns: fleet -> trials that ended well, and a sentence on the pairs left out. Where no pair finishes everything
        on every fleet, all tables are empty.
    """
    good = {name: ok(complete(records)) for name, records in tables.items()}
    whole = [set(everywhere(table).set_index(KEYS).index) for table in good.values()]
    pairs = set.intersection(*whole) if whole else set()
    every = set().union(*(table.set_index(KEYS).index for table in good.values()))
    same = {name: table[table.set_index(KEYS).index.isin(list(pairs))] for name, table in good.items()}
    lost = every - pairs
    if not lost:
        return same, ()
    if not pairs:
        return same, ("No (seed, device) pair finishes everything on every fleet. Rows are over different devices, so "
                      "their times, energies and accuracies do not compare.",)  # fmt: skip
    devices = {device for _, device in lost}
    many = "device" if len(devices) == 1 else "devices"
    return same, (f"Common devices are those of the {len(pairs)} of {n_of(len(every), '(seed, device) pair')} that "
                  "finish everything on every fleet. Left out in some or all seeds: "
                  f"{many} {ranges(devices)}.",)  # fmt: skip


def best_of_fleets(
    tables: Mapping[str, pd.DataFrame], lambdas: tuple[float, ...] = LAMBDAS, weights_of_devices: Weighted = "data"
) -> AnalysisResult:
    """Best keep ratios by Eq. (14) of each fleet's devices, and how many devices have each.

    Args:
        tables: fleet -> records.
        lambdas, weights_of_devices: as for `best_ratios`.

    Returns: fleet method lambda keep_ratio devices of; `devices` of `of` have this ratio as their best on the common
        test set.
    """
    rows, missing = [], []
    for name, records in tables.items():
        best = best_ratios(records, lambdas, weights_of_devices=weights_of_devices)
        missing += [f"{name}: {sentence}" for sentence in best.missing]
        for (method, weight), part in best.table.groupby(["method", "lambda"], sort=False):
            counts = part["keep_ratio"].value_counts().sort_index()
            rows += [(name, method, weight, ratio, int(count), len(part)) for ratio, count in counts.items()]
    return result(rows, ["fleet", "method", "lambda", "keep_ratio", "devices", "of"], tuple(missing))


def best_on_own_samples(tables: Mapping[str, pd.DataFrame]) -> AnalysisResult | None:
    """`best_of_fleets` on the devices' own test samples; None where no fleet's devices have any."""
    own = {name: on_own for name, records in tables.items() if (on_own := on_own_samples(records)) is not None}
    return best_of_fleets(own) if own else None


def of_each_fleet(tables: Mapping[str, pd.DataFrame], analyse: Callable[[pd.DataFrame], pd.DataFrame]) -> pd.DataFrame:
    """Tables computed from every fleet's (or run's) records, one below the other, with `fleet` first.

    Args:
        tables: fleet -> records.
        analyse: records -> table, for example `by_profile` or `failures`.
    """
    parts = [analyse(complete(records)).assign(fleet=name) for name, records in tables.items()]
    joined = pd.concat(parts, ignore_index=True)
    return joined[["fleet", *(name for name in joined.columns if name != "fleet")]]


def composition(records: pd.DataFrame) -> pd.DataFrame:
    """Devices of each profile in a fleet, and those of them with infeasible or failed trials.

    Returns: profile devices infeasible_devices failed_devices.
    """
    bad = [records["device"].where(records["status"] == status) for status in ("infeasible", "failed")]
    counted = records.assign(infeasible_devices=bad[0], failed_devices=bad[1]).rename(columns={"device": "devices"})
    names = ["devices", "infeasible_devices", "failed_devices"]
    return counted.groupby("profile", sort=False)[names].nunique().reset_index()


def _fleet_cell(part: pd.DataFrame, full: pd.DataFrame) -> tuple[Any, ...]:
    good = part[part["status"] == "ok"]
    bad = [part.loc[part["status"] == status, "device"].nunique() for status in ("infeasible", "failed")]
    by_seed = good.groupby("seed")
    finish = interval(by_seed["device_time_s"].max().to_numpy(dtype=np.float64)[None, :], (0.0, np.inf))
    both = good.merge(full, on=KEYS, suffixes=("", "_full"))
    saved = []
    for column in ("device_time_s", "device_energy_j", "analytic_time_s", "analytic_energy_j"):
        known = both[both[column].notna() & both[f"{column}_full"].notna()]
        whole = float(known[f"{column}_full"].sum())
        saved.append(1 - float(known[column].sum()) / whole if whole > 0 else np.nan)
    counts = (good["device"].nunique(), *bad, good["seed"].nunique())
    energy_j = float(by_seed["device_energy_j"].sum(min_count=1).mean())
    return (*counts, *finish[:3], energy_j, *_means(good), *saved)


def _common_cell(part: pd.DataFrame) -> tuple[Any, ...]:
    """The columns of FLEET_COLUMNS from `energy_per_point_j` on."""
    by_seed = part.groupby("seed")
    finish_s = float(by_seed["device_time_s"].max().mean())
    energy_j = float(by_seed["device_energy_j"].sum(min_count=1).mean())
    accuracy, own = _means(part)
    per_point_j = energy_j / (100 * accuracy) if accuracy > 0 else np.nan
    return per_point_j, part["device"].nunique(), finish_s, energy_j, accuracy, own


def _means(part: pd.DataFrame) -> tuple[float, float]:
    """Mean of the metric on the common test set, and on the devices' own test samples (NaN without any)."""
    metric = metric_in(part)
    own = metric.column("own")
    return float(part[metric.column()].mean()), float(part[own].mean()) if own in part else np.nan
