"""Two or more runs side by side: paired where trials match, their scenarios' differences, one run on several fleets."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from edgesim import documents
from edgesim.analysis.cells import FULL, KEYS, Answer, answer, complete, device_by_seed, groups, ok
from edgesim.analysis.intervals import Interval, interval, lies, p_two_sided, simultaneous
from edgesim.analysis.pairs import known, pairs, without_partner
from edgesim.analysis.pareto import POINT_COLUMNS, accuracy_against, front
from edgesim.analysis.ratios import LAMBDAS, best_ratios
from edgesim.errors import n_of
from edgesim.tables import by_rule

PAIRED_COLUMNS = [
    "method", "keep_ratio", "pairs", "a", "b", "difference", "low", "high", "p", "p_adjusted", "evidence"
]  # fmt: skip
FLEET_COLUMNS = [
    "fleet", "method", "keep_ratio", "devices", "infeasible_devices", "failed_devices", "seeds", "finish_s",
    "finish_low_s", "finish_high_s", "energy_j", "test_accuracy", "time_saved", "energy_saved", "energy_per_point_j",
]  # fmt: skip
MEAN_COLUMNS = ["run", "quantity", "pairs", "a", "b", "difference", "low", "high"]
QUANTITIES = ("test_accuracy", "device_time_s", "device_energy_j")
NAMES = ("label", "name", "profile")
"""keys that name an entry of a list in a scenario, the first one that is there"""


def paired_runs(a: pd.DataFrame, b: pd.DataFrame, column: str = "test_accuracy") -> Answer:
    """Run b minus run a per method and keep_ratio, over the trials that both have: same seed, device, method, ratio.

    Ratios that keep the same samples of every shard that both runs have are one, and rows stand under that of run a:
    0.3333 and 1/3 of 300 samples, say.

    Args:
        a, b: records of two runs.
        column: the quantity compared.

    Trials whose ratio a rule chose are paired by their own ratios, and stand in one row under the mean of them.

    Returns: PAIRED_COLUMNS: means of both over the pairs, the mean difference b - a with its interval, simultaneous
        over all rows, the two-sided p and the p corrected for all rows (Bonferroni); `evidence` is "higher" or "lower"
        where the interval leaves out 0, else "none".
    """
    compared, missing = _compared(a, b, column)
    return answer(_paired_rows(compared), PAIRED_COLUMNS, missing)


def against_first(runs: Mapping[str, pd.DataFrame], column: str = "test_accuracy") -> Answer:
    """Every later run minus the first one, as `paired_runs`; intervals are simultaneous over the rows of all of them.

    Args:
        runs: name -> records, the first one the base; two or more.
        column: the quantity compared.

    Returns: `run` (the later one) and PAIRED_COLUMNS, where `a` is the first run; sentences name their run.
    """
    (_, base), *others = runs.items()
    told = {name: _compared(base, records, column) for name, records in others}
    names = [name for name, (compared, _) in told.items() for _ in compared]
    rows = _paired_rows([one for compared, _ in told.values() for one in compared])
    missing = tuple(f"{name}: {sentence}" for name, (_, said) in told.items() for sentence in said)
    return answer([(name, *row) for name, row in zip(names, rows, strict=True)], ["run", *PAIRED_COLUMNS], missing)


class _Compared(NamedTuple):
    """One method and keep_ratio of two runs."""

    method: str
    keep_ratio: float
    pairs: int
    a: float
    b: float
    found: Interval


def _compared(a: pd.DataFrame, b: pd.DataFrame, column: str) -> tuple[list[_Compared], tuple[str, ...]]:
    """The pairs of two runs by method and keep_ratio, and what has no partner."""
    keys = [*KEYS, "method", "keep_ratio"]
    left, right = (known(table, [*keys, column]) for table in (a, b))
    both = pairs(a, b, column)
    both = by_rule(both, both.assign(status="ok"))
    cells = [
        _Compared(method, ratio, len(part), float(part[f"{column}_a"].mean()), float(part[f"{column}_b"].mean()),
                  interval(device_by_seed(part, "difference")))
        for method, ratio, part in groups(both)
    ]  # fmt: skip
    missing = []
    if not cells:
        missing.append(f"The runs share no trial (seed, device, method, keep ratio) with {column}: nothing to pair.")
    elif max(len(left), len(right)) > len(both):
        alone = [without_partner(*one) for one in ((left, both, "ratio_a"), (right, both, "ratio_b"))]
        (first, at), (second, other) = alone
        missing.append(f"{n_of(first, 'trial')} of the first run{at} and {second:,} of the second{other} have no "
                       "partner and are left out.")  # fmt: skip
    return cells, tuple(missing)


def _paired_rows(compared: list[_Compared]) -> list[tuple[object, ...]]:
    """Rows of PAIRED_COLUMNS, their intervals simultaneous over all of them."""
    rows: list[tuple[object, ...]] = []
    tests = max(sum(one.found.is_known for one in compared), 1)
    for one in compared:
        found = simultaneous(one.found, tests)
        word = {1: "higher", -1: "lower", 0: "none"}[lies(found, 0.0)]
        rows.append((*one[:5], *found[:3], p_two_sided(one.found, 0.0), p_two_sided(found, 0.0), word))
    return rows


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
            both = pairs(base, records, column)
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
