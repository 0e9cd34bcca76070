"""Two or more runs side by side: paired where trials match, their scenarios' differences, one run on several fleets."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from edgesim import documents
from edgesim.analysis.cells import FULL, KEYS, Answer, answer, complete, device_by_seed, groups, ok
from edgesim.analysis.intervals import holm, interval, p_above, p_below
from edgesim.analysis.pareto import POINT_COLUMNS, accuracy_against, front
from edgesim.analysis.ratios import LAMBDAS, best_ratios
from edgesim.errors import n_of
from edgesim.tables import by_rule

PAIRED_COLUMNS = [
    "method", "keep_ratio", "pairs", "a", "b", "difference", "low", "high", "p", "p_holm", "evidence"
]  # fmt: skip
FLEET_COLUMNS = [
    "fleet", "method", "keep_ratio", "devices", "infeasible_devices", "failed_devices", "seeds", "finish_s",
    "finish_low_s", "finish_high_s", "energy_j", "test_accuracy", "time_saved", "energy_saved", "energy_per_point_j",
]  # fmt: skip
MEAN_COLUMNS = ["run", "quantity", "pairs", "a", "b", "difference", "low", "high"]
QUANTITIES = ("test_accuracy", "device_time_s", "device_energy_j")
NAMES = ("label", "name", "profile")
"""keys that name an entry of a list in a scenario, the first one that is there"""
ALPHA = 0.05


def paired_runs(a: pd.DataFrame, b: pd.DataFrame, column: str = "test_accuracy") -> Answer:
    """Run b minus run a per method and keep_ratio, over the trials that both have: same seed, device, method, ratio.

    Args:
        a, b: records of two runs.
        column: the quantity compared.

    Trials whose ratio a rule chose are paired by their own ratios, and stand in one row under the mean of them.

    Returns: PAIRED_COLUMNS: means of both over the pairs, the mean difference b - a with its 95 % interval, the
        two-sided p and Holm's over all rows, `evidence` "higher", "lower" or "none".
    """
    keys = [*KEYS, "method", "keep_ratio"]
    left, right = (_known(table, [*keys, "ratio_rule", column]) for table in (a, b))
    both = _pairs(a, b, column)
    both = by_rule(both, both.assign(status="ok"))
    cells = []
    for method, ratio, part in groups(both):
        found = interval(device_by_seed(part, "difference"))
        p = float(np.minimum(1.0, 2 * np.fmin(p_above(found, 0.0), p_below(found, 0.0))))
        means = (float(part[f"{column}_a"].mean()), float(part[f"{column}_b"].mean()))
        cells.append((method, ratio, len(part), *means, *found[:3], p))
    corrected = holm(np.array([cell[-1] for cell in cells]))
    words = ["none" if not p < ALPHA else "higher" if cell[5] > 0 else "lower"
             for cell, p in zip(cells, corrected, strict=True)]  # fmt: skip
    rows = [(*cell, float(p), word) for cell, p, word in zip(cells, corrected, words, strict=True)]
    missing = []
    if not rows:
        missing.append(f"The runs share no trial (seed, device, method, keep ratio) with {column}: nothing to pair.")
    elif max(len(left), len(right)) > len(both):
        first = n_of(len(left) - len(both), "trial")
        missing.append(f"{first} of the first run and {len(right) - len(both):,} of the second have no partner and are "
                       "left out.")  # fmt: skip
    return answer(rows, PAIRED_COLUMNS, tuple(missing))


def against_first(runs: Mapping[str, pd.DataFrame], column: str = "test_accuracy") -> Answer:
    """Every later run minus the first one, as `paired_runs`; p is corrected over the rows of all of them.

    Args:
        runs: name -> records, the first one the base; two or more.
        column: the quantity compared.

    Returns: `run` (the later one) and PAIRED_COLUMNS, where `a` is the first run; sentences name their run.
    """
    (_, base), *others = runs.items()
    told = {name: paired_runs(base, records, column) for name, records in others}
    table = pd.concat([one.table.assign(run=name) for name, one in told.items()], ignore_index=True)
    table["p_holm"] = holm(table["p"].to_numpy(dtype=np.float64))
    differs = np.where(table["difference"] > 0, "higher", "lower")
    table["evidence"] = np.where(table["p_holm"] < ALPHA, differs, "none")
    missing = tuple(f"{name}: {sentence}" for name, one in told.items() for sentence in one.missing)
    return Answer(table[["run", *PAIRED_COLUMNS]], missing)


def mean_differences(runs: Mapping[str, pd.DataFrame]) -> Answer:
    """Every later run minus the first one in one number per quantity: the mean over all pairs of trials.

    Args:
        runs: name -> records, the first one the base.

    Returns: MEAN_COLUMNS; all are means over seeds and devices, each with the mean of its pairs, so that one with many
        pairs counts no more than another; `low` and `high` are the 95 % interval of the difference. `test_accuracy` in
        shares, `device_time_s` in s, `device_energy_j` in J. No row where nothing pairs.
    """
    (_, base), *others = runs.items()
    rows = []
    for name, records in others:
        for column in QUANTITIES:
            both = _pairs(base, records, column)
            if both.empty:
                continue
            values = [f"{column}_a", f"{column}_b", "difference"]
            each = both.groupby(KEYS)[values].mean().reset_index()
            found = interval(device_by_seed(each, "difference"))
            rows.append((name, column, len(both), *(float(each[value].mean()) for value in values), *found[1:3]))
    return answer(rows, MEAN_COLUMNS, "" if rows else "No run shares a trial with the first one.")


def scenario_differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> Answer:
    """Where two resolved scenarios differ: path a b; "-" where one has none.

    Entries of lists that have names of their own (methods, augmentations, the profiles of a fleet) are set against the
    entry of that name; values are JSON, of maps only what is filled in.
    """
    found = documents.differences(_by_name(dict(a)), _by_name(dict(b)))
    rows = [(path, _shown(before), _shown(now)) for path, before, now in found]
    return answer(rows, ["path", "a", "b"], "" if rows else "The scenarios are equal.")


def fronts(runs: Mapping[str, pd.DataFrame], column: str = "device_energy_j") -> Answer:
    """Accuracy against cost of several runs, with each run's own Pareto front and the common one.

    Args:
        runs: name -> records.
        column: the cost.

    Returns: `run`, POINT_COLUMNS (`on_front` is the run's own) and `on_common_front`.
    """
    told = {name: accuracy_against(records, column) for name, records in runs.items()}
    missing = tuple(f"{name}: {sentence}" for name, one in told.items() for sentence in one.missing)
    parts = [one.table.assign(run=name) for name, one in told.items() if not one.table.empty]
    columns = ["run", *POINT_COLUMNS, "on_common_front"]
    if not parts:
        return answer([], columns, missing)
    table = pd.concat(parts, ignore_index=True)
    table["on_common_front"] = front(table["cost"].to_numpy(), table["test_accuracy"].to_numpy())
    return Answer(table[columns], missing)


def fleets(tables: Mapping[str, pd.DataFrame]) -> Answer:
    """One training priced on several fleets: when each is done, what it takes, and who cannot.

    Args:
        tables: fleet -> records of the same trials, priced on that fleet.

    Returns: FLEET_COLUMNS: `finish_s` is the slowest device's emulated time, with its 95 % interval over seeds;
        `energy_j` the sum over devices, mean over seeds; `*_saved` against `full` of the same fleet, over the seeds and
        devices that both have; `energy_per_point_j` is energy / (100 x mean accuracy).
    """
    rows = []
    for name, given in tables.items():
        records = complete(given)
        full = ok(records)
        full = full.loc[full["method"] == FULL, [*KEYS, "device_time_s", "device_energy_j"]]
        for method, ratio, part in groups(records):
            rows.append((name, method, ratio, *_fleet_cell(part, full)))
    return answer(rows, FLEET_COLUMNS, "" if rows else "No fleet has a trial.")


def best_of_fleets(tables: Mapping[str, pd.DataFrame], lambdas: tuple[float, ...] = LAMBDAS) -> Answer:
    """The keep_ratio that Eq. (14) gives the devices of each fleet: how often each is the best.

    Returns: fleet method lambda keep_ratio devices of; `devices` of `of` have this ratio as their best.
    """
    rows, missing = [], []
    for name, records in tables.items():
        told = best_ratios(records, lambdas)
        missing += [f"{name}: {sentence}" for sentence in told.missing]
        for (method, weight), part in told.table.groupby(["method", "lambda"], sort=False):
            counts = part["keep_ratio"].value_counts().sort_index()
            rows += [(name, method, weight, ratio, int(count), len(part)) for ratio, count in counts.items()]
    return answer(rows, ["fleet", "method", "lambda", "keep_ratio", "devices", "of"], tuple(missing))


def of_each_fleet(tables: Mapping[str, pd.DataFrame], told: Callable[[pd.DataFrame], pd.DataFrame]) -> pd.DataFrame:
    """A table of every fleet's (or run's) records, one below the other, with `fleet` first.

    Args:
        tables: fleet -> records.
        told: records -> table, for example `by_profile` or `failures`.
    """
    parts = [told(complete(records)).assign(fleet=name) for name, records in tables.items()]
    joined = pd.concat(parts, ignore_index=True)
    return joined[["fleet", *(name for name in joined.columns if name != "fleet")]]


def composition(records: pd.DataFrame) -> pd.DataFrame:
    """How many devices of which profile a fleet has, and how many of them cannot do some of what was asked.

    Returns: profile devices infeasible_devices failed_devices.
    """
    bad = [records["device"].where(records["status"] == status) for status in ("infeasible", "failed")]
    counted = records.assign(infeasible_devices=bad[0], failed_devices=bad[1]).rename(columns={"device": "devices"})
    names = ["devices", "infeasible_devices", "failed_devices"]
    return counted.groupby("profile", sort=False)[names].nunique().reset_index()


def _known(records: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """The columns of the trials that ended well and have the last one of them."""
    return ok(complete(records))[columns].dropna(subset=columns[-1:])


def _pairs(a: pd.DataFrame, b: pd.DataFrame, column: str) -> pd.DataFrame:
    """The trials of both runs: KEYS method keep_ratio ratio_rule, the column of each (_a, _b) and `difference`."""
    keys = [*KEYS, "method", "keep_ratio"]
    both = _known(a, [*keys, "ratio_rule", column]).merge(_known(b, [*keys, column]), on=keys, suffixes=("_a", "_b"))
    return both.assign(difference=both[f"{column}_b"] - both[f"{column}_a"])


def _fleet_cell(part: pd.DataFrame, full: pd.DataFrame) -> tuple[Any, ...]:
    good = part[part["status"] == "ok"]
    bad = [part.loc[part["status"] == status, "device"].nunique() for status in ("infeasible", "failed")]
    by_seed = good.groupby("seed")
    finish = interval(by_seed["device_time_s"].max().to_numpy(dtype=np.float64)[None, :], (0.0, np.inf))
    energy_j = float(by_seed["device_energy_j"].sum(min_count=1).mean())
    accuracy = float(good["test_accuracy"].mean())
    both = good.merge(full, on=KEYS, suffixes=("", "_full"))
    saved = []
    for column in ("device_time_s", "device_energy_j"):
        known = both[both[column].notna() & both[f"{column}_full"].notna()]
        whole = float(known[f"{column}_full"].sum())
        saved.append(1 - float(known[column].sum()) / whole if whole > 0 else np.nan)
    per_point_j = energy_j / (100 * accuracy) if accuracy > 0 else np.nan
    counts = (good["device"].nunique(), *bad, good["seed"].nunique())
    return (*counts, *finish[:3], energy_j, accuracy, *saved, per_point_j)


def _by_name(value: Any) -> Any:
    """A document with lists of maps as maps, where every entry has a name that no other one has."""
    if isinstance(value, dict):
        return {key: _by_name(own) for key, own in value.items()}
    if not isinstance(value, list) or not value or not all(isinstance(entry, dict) for entry in value):
        return value
    names = [next((entry[key] for key in NAMES if key in entry), None) for entry in value]
    unique = None not in names and len(set(map(str, names))) == len(names)
    return {str(name): _by_name(entry) for name, entry in zip(names, value, strict=True)} if unique else value


def _filled(value: Any) -> Any:
    """A value without what is empty in it."""
    if isinstance(value, list):
        return [_filled(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    return {key: _filled(own) for key, own in value.items() if own is not None and own not in ([], {})}


def _shown(value: Any) -> str:
    return "-" if value is None else value if isinstance(value, str) else json.dumps(_filled(value))
