"""Comparison of two or more runs: paired differences of their trials, and differences of their scenarios."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd

from edgesim.analysis.grouping import KEYS, AnalysisResult, device_by_seed, groups, result
from edgesim.analysis.intervals import Interval, interval, lies, p_two_sided, simultaneous
from edgesim.analysis.pairs import known, pairs, without_partner
from edgesim.analysis.pareto import POINT_COLUMNS, accuracy_against, front
from edgesim.analysis.second_test_set import sets_there
from edgesim.config import validation
from edgesim.errors import RunError
from edgesim.formatting import n_of
from edgesim.results.grouped_ratios import by_rule
from edgesim.tasks import Metric, task_in

PAIRED_COLUMNS = [
    "method", "keep_ratio", "pairs", "a", "b", "difference", "low", "high", "p", "p_adjusted", "evidence"
]  # fmt: skip
MEAN_COLUMNS = [
    "run", "quantity", "pairs", "a", "b", "difference", "low", "high", "devices", "seeds", "tests", "equal"
]  # fmt: skip
NAMES = ("label", "name", "profile")
"""keys that name an entry of a list in a scenario; the first present one counts"""


def quantities(runs: Mapping[str, pd.DataFrame]) -> tuple[str, ...]:
    """Columns that runs are compared in: the metric that decides, time and energy.

    The metric is on the common test set, and on the devices' own test samples where all runs have some.

    Raises:
        RunError: the runs are of different tasks.
    """
    metric = common_metric(runs)
    on_own = [metric.column("own")] if all("own" in sets_there(records) for records in runs.values()) else []
    return (metric.column(), *on_own, "device_time_s", "device_energy_j")


def common_metric(runs: Mapping[str, pd.DataFrame]) -> Metric:
    """The metric that decides in all of several runs.

    Args:
        runs: name -> records, one or more.

    Raises:
        RunError: the runs are of different tasks.
    """
    tasks = {name: task_in(records) for name, records in runs.items()}
    (first, task), *others = tasks.items()
    other = next((name for name, own in others if own is not task), None)
    if other is not None:
        raise RunError(
            f"{other} is a {tasks[other].name} and {first} a {task.name}: {tasks[other].metric.title} and "
            f"{task.metric.title} do not compare; compare runs of one task"
        )
    return task.metric


def against_first(runs: Mapping[str, pd.DataFrame], column: str | None = None) -> AnalysisResult:
    """Every later run minus the first one per method and keep_ratio, over the trials that both have.

    A pair is of the same seed, device, method and ratio. Ratios that keep equally many samples of every common shard
    count as equal, like 0.3333 and 1/3 of 300 samples; rows have the ratio of the first run. Trials whose ratio a rule
    chose are paired by their own ratios, in one row with the mean ratio.

    Args:
        runs: name -> records, the first one the base; two or more.
        column: the quantity compared; None = the metric that decides.

    Returns: `run` (the later one) and PAIRED_COLUMNS: means of the first (`a`) and the later run (`b`) over the pairs,
        the mean difference b - a with its interval, simultaneous over all rows, the two-sided p and the p corrected for
        all rows (Bonferroni). `evidence` is "higher" or "lower" where the interval excludes 0, else "none". Sentences
        on what is missing name their run.

    Raises:
        RunError: the runs are of different tasks.
    """
    column = column or common_metric(runs).column()
    (_, base), *others = runs.items()
    compared_runs = {name: _compared(base, records, column) for name, records in others}
    names = [name for name, (compared, _) in compared_runs.items() for _ in compared]
    rows = _paired_rows([one for compared, _ in compared_runs.values() for one in compared])
    missing = tuple(f"{name}: {sentence}" for name, (_, sentences) in compared_runs.items() for sentence in sentences)
    return result([(name, *row) for name, row in zip(names, rows, strict=True)], ["run", *PAIRED_COLUMNS], missing)


class _Compared(NamedTuple):
    """One method and keep_ratio of two runs."""

    method: str
    keep_ratio: float
    pairs: int
    a: float
    b: float
    found: Interval


def _compared(a: pd.DataFrame, b: pd.DataFrame, column: str) -> tuple[list[_Compared], tuple[str, ...]]:
    """Pairs of two runs by method and keep_ratio, and a sentence on trials without a partner."""
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
        missing.append(
            f"The runs share no trial (seed, device, method, keep ratio) with {column}, so nothing can be paired."
        )
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


def mean_differences(runs: Mapping[str, pd.DataFrame]) -> AnalysisResult:
    """Mean difference of every later run to the first one, per quantity, over all pairs of trials.

    Args:
        runs: name -> records, the first one the base.

    Returns: MEAN_COLUMNS; all are means over seeds and devices. Each has the mean of its pairs, so that one with many
        pairs counts no more than another; `low` and `high` are the 95 % interval of the difference, simultaneous over
        the `tests` later runs; `equal` is True where no pair differs. `test_accuracy` in shares, `device_time_s` in s,
        `device_energy_j` in J. No row where nothing pairs.

    Raises:
        RunError: the runs are of different tasks.
    """
    columns = quantities(runs)
    (_, base), *others = runs.items()
    rows = []
    for name, records in others:
        for column in columns:
            both = pairs(base, records, column)
            if both.empty:
                continue
            values = [f"{column}_a", f"{column}_b", "difference"]
            each = both.groupby(KEYS)[values].mean().reset_index()
            found = interval(device_by_seed(each, "difference"), tests=len(others))
            means = (float(each[value].mean()) for value in values)
            counts = (found.devices, found.seeds, found.tests, bool((both["difference"] == 0).all()))
            rows.append((name, column, len(both), *means, *found[1:3], *counts))
    return result(rows, MEAN_COLUMNS, "" if rows else "No run shares a trial with the first one.")


def scenario_differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> AnalysisResult:
    """Differences of two resolved scenarios: path a b; "-" where one has no value.

    Entries of lists with names (methods, augmentations, the profiles of a fleet) are compared with the entry of the
    same name. Values are JSON; empty entries of maps are left out. So is the section `run`: no result depends on it.
    """
    found = validation.differences(_by_name({**a, "run": {}}), _by_name({**b, "run": {}}))
    rows = [(path, _shown(before), _shown(now)) for path, before, now in found]
    return result(rows, ["path", "a", "b"], "" if rows else "The scenarios are equal.")


def fronts(runs: Mapping[str, pd.DataFrame], column: str = "device_energy_j") -> AnalysisResult:
    """Accuracy against cost of several runs, with each run's own Pareto front and the common one.

    Args:
        runs: name -> records.
        column: the cost.

    Returns: `run`, POINT_COLUMNS (`on_front` is the run's own) and `on_common_front`.
    """
    metric = common_metric(runs)
    points = {name: accuracy_against(records, column) for name, records in runs.items()}
    missing = tuple(f"{name}: {sentence}" for name, one in points.items() for sentence in one.missing)
    parts = [one.table.assign(run=name) for name, one in points.items() if not one.table.empty]
    columns = ["run", *map(metric.named, POINT_COLUMNS), "on_common_front"]
    if not parts:
        return result([], columns, missing)
    table = pd.concat(parts, ignore_index=True)
    table["on_common_front"] = front(table["cost"].to_numpy(), metric.sign * table[metric.column()].to_numpy())
    return AnalysisResult(table[columns], missing)


def _by_name(value: Any) -> Any:
    """Document with lists of maps turned into maps, where all entries have different names."""
    if isinstance(value, dict):
        return {key: _by_name(own) for key, own in value.items()}
    if not isinstance(value, list) or not value or not all(isinstance(entry, dict) for entry in value):
        return value
    names = [next((entry[key] for key in NAMES if key in entry), None) for entry in value]
    unique = None not in names and len(set(map(str, names))) == len(names)
    return {str(name): _by_name(entry) for name, entry in zip(names, value, strict=True)} if unique else value


def _filled(value: Any) -> Any:
    """Value without its empty entries."""
    if isinstance(value, list):
        return [_filled(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    return {key: _filled(own) for key, own in value.items() if own is not None and own not in ([], {})}


def _shown(value: Any) -> str:
    return "-" if value is None else value if isinstance(value, str) else json.dumps(_filled(value))
