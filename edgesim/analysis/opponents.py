"""Comparison of a method with its opponents at equal total cost."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from edgesim.analysis.equal_cost import at_equal_cost, gap_interval, opponents_of
from edgesim.analysis.findings import Evidence, Finding, ends, finding
from edgesim.analysis.gains import oriented
from edgesim.analysis.grouping import (
    FEWER_EPOCHS,
    OPPONENTS,
    RANDOM,
    RS2,
    below_full,
    mean,
)
from edgesim.analysis.intervals import Interval, lies
from edgesim.analysis.second_test_set import CLASS_MIX, SecondTestSet, on_both, second_test_set
from edgesim.analysis.storage import storage_bound
from edgesim.formatting import listed, n_of, number
from edgesim.tasks import ACCURACY, Metric, metric_in

NO_BOUND = (np.inf, np.inf)
NAMES = {RANDOM: "random", FEWER_EPOCHS: "all data in fewer epochs", RS2: "a new random subset every epoch"}


class OpponentComparison(NamedTuple):
    """A method at one keep ratio against one opponent at equal total cost."""

    opponent: str
    pairs: int
    keeps: float
    """mean keep ratio of the opponent at that cost"""
    own: float
    """mean accuracy of the method"""
    reached: float
    """mean accuracy of the opponent"""
    common: Interval
    """the gain on the common test set, simultaneous over all opponents and keep ratios"""
    second: Interval
    """the same on the second test set"""
    keep_ratio: float
    """of the method"""
    metric: Metric = ACCURACY
    second_set: SecondTestSet = CLASS_MIX


def at_cost(good: pd.DataFrame, method: str, ratio: float | None = None) -> list[OpponentComparison]:
    """The method against every opponent at equal total cost; all sentences on that use these intervals.

    Args:
        good: trials that ended well.
        method: the method.
        ratio: its keep ratio; None, or one without a partner = the one with a partner nearest to one half.
    """
    there = [name for name in opponents_of(good) if name != method]
    tests = len(there) * below_full(good[good["method"] == method])["keep_ratio"].nunique()
    partners = {name: at_equal_cost(good, method, name) for name in there}
    ratios = {float(one) for pairs in partners.values() for one in pairs["keep_ratio"]}
    if not ratios:
        return []
    if ratio is None or not np.isclose(ratio, list(ratios)).any():
        ratio = min(ratios, key=lambda one: (abs(one - 0.5), one))
    found, metric, second_set = [], metric_in(good), second_test_set(good)
    for name, every in partners.items():
        pairs = _at(every, ratio)
        if len(pairs):
            keeps, own, reached = (
                mean(pairs[column])
                for column in ("opponent_keep_ratio", metric.column(), metric.named("opponent_accuracy"))
            )
            common, second = (
                oriented(gap_interval(pairs, column, tests), metric) for column in ("gap", second_set.gap)
            )
            at = float(pairs["keep_ratio"].iloc[0])
            results = (name, len(pairs), keeps, own, reached, common, second)
            found.append(OpponentComparison(*results, at, metric, second_set))
    return found


def equal_cost_finding(
    records: pd.DataFrame, method: str, found: list[OpponentComparison], epochs: int | None = None
) -> Finding:
    """The method against every opponent that spends the same emulated energy.

    Args:
        records: one row per trial, in any state.
        method: the method.
        found: from `at_cost`.
        epochs: of full training; None = unknown.
    """
    absent = _absent(records, method)
    if not found:
        if any(name != method for name in opponents_of(records)):
            text = f"No trial of {method} costs as much as an opponent's cheapest one, so equal cost is not compared."
        else:
            ran = [name for name in OPPONENTS if name != method and name in set(records["method"])]
            text = "There is no comparison at equal cost."
            text += f" No trial of {listed(ran)} below keep ratio 1 ended well." if ran else ""
        return Finding("cost", f"{text}{absent}", method=method)
    most = max(found, key=lambda one: one.pairs)
    text = f"Equal cost (emulated energy, scoring included): {method} at {number(most.keep_ratio)} "
    text += f"reaches {_first_value(most)}{' on the common test set' * most.second_set.is_own}. "
    text += " ".join(_sentence(same, method, most, epochs) for same in _equal_outcomes(found))
    sides = {lies(one.common, 0.0) for one in found}
    verdict: Evidence = "no" if -1 in sides else "yes" if sides == {1} else "none"
    worst = min(
        found, key=lambda one: (one.common.high, one.common.estimate) if one.common.is_known else NO_BOUND
    ).common
    level = f"95 % intervals, {worst.tests} tested at once" if worst.tests > 1 else "95 % interval"
    level = level if worst.is_known else worst.scope or "no intervals"
    text += f" {_conclusion(found, method)} ({level}, n = {most.pairs}).{absent}"
    return finding("cost", text, verdict, oriented(worst, most.metric), (method, most.keep_ratio))


def _equal_outcomes(found: list[OpponentComparison]) -> list[list[OpponentComparison]]:
    """Comparisons in groups with one sentence: those whose opponent is full training at that cost, on equal pairs."""
    outcomes: list[list[OpponentComparison]] = []
    for one in found:
        equal = [same for same in outcomes if _is_full(same[0]) and _numbers(same[0]) == _numbers(one)]
        if _is_full(one) and equal:
            equal[0].append(one)
        else:
            outcomes.append([one])
    return outcomes


def _numbers(one: OpponentComparison) -> tuple[object, ...]:
    """All numbers that a sentence prints of a comparison."""
    write = one.metric.value
    return one.pairs, write(one.own), write(one.reached), _with_ends(one.common, one), _with_ends(one.second, one)


def _is_full(one: OpponentComparison) -> bool:
    """True where the price is enough for full training."""
    return one.keeps > 0.995


def _sentence(same: list[OpponentComparison], method: str, most: OpponentComparison, epochs: int | None) -> str:
    """One sentence on an opponent, or on several that are full training at that cost."""
    one = same[0]
    write = one.metric.value
    text = f"{_spending(one, epochs)} {write(one.reached)}"
    if len(same) > 1:
        text = f"Full training costs no more and stands for {listed([other.opponent for other in same])}. "
        text += f"It reaches {write(one.reached)}"
    text += f": {_with_ends(one.common, one)} for {method}"
    differ = abs(one.second.estimate - one.common.estimate) >= one.metric.noticeable(one.own)
    if differ or (one.second_set.is_own and one.second.n):
        text += f", {_with_ends(one.second, one)} on {one.second_set.brief}"
    if one.pairs < most.pairs:
        text += f". That is over {one.pairs} of {most.pairs} pairs, where {method} reaches {write(one.own)}"
    return f"{text}."


def _conclusion(found: list[OpponentComparison], method: str) -> str:
    """Opponents ahead, behind and without a shown difference, by the intervals printed."""
    second_set = found[0].second_set
    results = _sides([(one.opponent, one.common) for one in found])
    if not results:
        return f"How {method} compares on other seeds is unknown"
    on_second = _sides([(one.opponent, one.second) for one in found]) if second_set.is_own else ""
    return f"So {method} {on_both(results, f'it {on_second}' if on_second else '', second_set)}"


def _sides(found: list[tuple[str, Interval]]) -> str:
    """Opponents that a method is ahead of, falls behind, and shows no difference to; empty without intervals."""
    results = []
    for side, words in ((1, "is ahead of"), (-1, "falls behind"), (0, "shows no difference to")):
        names = [NAMES[name] for name, one in found if one.is_known and lies(one, 0.0) == side]
        if names:
            results.append(f"{words} {listed(names)}")
    return listed(results) if results else ""


def _spending(one: OpponentComparison, epochs: int | None) -> str:
    """An opponent at equal cost, up to the accuracy that it reaches."""
    if one.opponent == FEWER_EPOCHS:
        share = f"{one.keeps:.2f} of the epochs" if epochs is None else f"{one.keeps * epochs:.2g} of {epochs} epochs"
        return f"All data in {share} reach"
    if _is_full(one):
        return "Full training, which costs no more, reaches"
    if one.opponent == RS2:
        return f"A new random {one.keeps:.2f} every epoch reaches"
    return f"Random keeps {one.keeps:.2f} and reaches"


def _first_value(one: OpponentComparison) -> str:
    """Mean value of the method, with the metric's name where that is not accuracy."""
    metric, value = one.metric, one.metric.value(one.own)
    if metric is ACCURACY:
        return value
    return f"{value} {metric.title}" if metric.is_share else f"a {metric.title} of {value}{metric.direction}"


def _with_ends(gain: Interval, one: OpponentComparison) -> str:
    """'+7.2 points (-4.0 to +18.3)', the difference of the metric."""
    found = oriented(gain, one.metric)
    return one.metric.difference(found.estimate) + (f" ({ends(found, one.metric)})" if found.is_known else "")


def _absent(records: pd.DataFrame, method: str) -> str:
    """Opponents that did not run, and devices whose storage is too small for dynamic ones."""
    ran = set(records["method"])
    lost = [name for name in OPPONENTS if name != method and name not in ran]
    text = f" Not run: {listed(lost)}." if lost else ""
    bound = storage_bound(records).table
    devices = int((bound["methods"] != "").sum())
    if devices:
        whose = n_of(devices, "device")
        text += f" The storage of {whose} does not hold all samples; only static opponents run there."
    return text


def _at(pairs: pd.DataFrame, ratio: float) -> pd.DataFrame:
    return pairs[np.isclose(pairs["keep_ratio"], ratio)]
