"""Comparison of a method with its opponents: random at equal keep ratio, and all of them at equal total cost."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from edgesim.analysis.equal_cost import at_equal_cost, gap_interval, opponents_of
from edgesim.analysis.findings import Evidence, Finding, ends, finding
from edgesim.analysis.gains import gain_in_words, gains, oriented
from edgesim.analysis.grouping import (
    FEWER_EPOCHS,
    OPPONENTS,
    RANDOM,
    RS2,
    below_full,
    comparison_basis,
    device_by_seed,
    groups,
    mean,
    methods_of,
)
from edgesim.analysis.intervals import Interval, interval, lies
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
    local: Interval
    """the same on the device's own class mix"""
    keep_ratio: float
    """of the method"""
    metric: Metric = ACCURACY


class RandomComparison(NamedTuple):
    """A method at one keep ratio against random."""

    basis: str
    """basis of the comparison: "equal keep ratio" or "equal budget" """
    common: Interval
    """the gain on the common test set"""
    local: Interval
    metric: Metric = ACCURACY


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
    found, metric = [], metric_in(good)
    for name, every in partners.items():
        pairs = _at(every, ratio)
        if len(pairs):
            keeps, own, reached = (
                mean(pairs[column])
                for column in ("opponent_keep_ratio", metric.column(), metric.named("opponent_accuracy"))
            )
            common, local = (oriented(gap_interval(pairs, column, tests), metric) for column in ("gap", "local_gap"))
            at = float(pairs["keep_ratio"].iloc[0])
            found.append(OpponentComparison(name, len(pairs), keeps, own, reached, common, local, at, metric))
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
            text = "No trial of random or of fewer epochs ended well, so there is no comparison at equal cost."
        return Finding("cost", f"{text}{absent}", method=method)
    most = max(found, key=lambda one: one.pairs)
    text = f"Equal cost (emulated energy, scoring included): {method} at {number(most.keep_ratio)} "
    text += f"reaches {_first_value(most)}. "
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
    return one.pairs, write(one.own), write(one.reached), _with_ends(one.common, one), _with_ends(one.local, one)


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
    if abs(one.local.estimate - one.common.estimate) >= one.metric.noticeable(one.own):
        text += f", {_with_ends(one.local, one)} on the own {one.metric.groups} mix"
    if one.pairs < most.pairs:
        text += f". That is over {one.pairs} of {most.pairs} pairs, where {method} reaches {write(one.own)}"
    return f"{text}."


def _conclusion(found: list[OpponentComparison], method: str) -> str:
    """Opponents ahead, behind and without a shown difference, by the intervals printed."""
    known = [one for one in found if one.common.is_known]
    results = []
    for side, words in ((1, "is ahead of"), (-1, "falls behind"), (0, "shows no difference to")):
        names = [NAMES[one.opponent] for one in known if lies(one.common, 0.0) == side]
        if names:
            results.append(f"{words} {listed(names)}")
    return f"So {method} {listed(results)}" if results else f"How {method} compares on other seeds is unknown"


def against_random(good: pd.DataFrame) -> Finding:
    """Number of (method, ratio) pairs above and below random, and the best or worst one."""
    names = methods_of(good)
    if not names or not (good["method"] == RANDOM).any():
        absent = "random selection" if names else "method other than random and full"
        return Finding("random", f"The run has no {absent}, so methods cannot be compared with chance.")
    metric = metric_in(good)
    pairs = below_full(gains(good[good["method"].isin([*names, RANDOM])], RANDOM))
    parts = list(groups(pairs))
    cells = [
        (
            name,
            ratio,
            interval(device_by_seed(part, "difference"), metric.difference_bounds, len(parts)),
            float(part["base_keep_ratio"].mean()),
        )
        for name, ratio, part in parts
    ]
    basis = comparison_basis(pairs)
    known = [cell for cell in cells if cell[2].is_known]
    if not known:
        scope = next((cell[2].scope for cell in cells if cell[2].scope), "")
        text = f"This run does not show whether methods beat random at {basis}"
        return Finding("random", f"{text}: {scope}." if scope else f"{text}: too few trials have a partner in random.",
                       scope=scope)  # fmt: skip
    up = [cell for cell in known if lies(cell[2], 0.0) > 0]
    down = [cell for cell in known if lies(cell[2], 0.0) < 0]
    text = _counts(names, len(known), len(up), len(down), basis, metric)
    named = [max(up or known, key=lambda cell: cell[2].estimate)] if up or not down else []
    named += [min(down, key=lambda cell: cell[2].estimate)] if down else []
    for name, ratio, found, base in named:
        word = "Best" if lies(found, 0.0) >= 0 else "Worst"
        random_keeps = f" (random keeps {number(base)})" if abs(base - ratio) > 1e-6 else ""
        text += f". {word}: {name} at {number(ratio)}{random_keeps}, {gain_in_words(found, metric)}"
    name, ratio, found, _ = named[0]
    shown = oriented(found, metric)
    return finding("random", text + ".", "yes" if up else "no" if down else "none", shown, (name, ratio))


def _counts(names: list[str], cells: int, up: int, down: int, basis: str, metric: Metric) -> str:
    """Number of comparisons above and below random, as a sentence without its full stop."""
    fall, falls = ("fall below it", "falls below it") if metric.higher_is_better else ("do worse", "does worse")
    if len(names) > 1:
        counts = f"{up or 'none'} beat random and {down or 'none'} {fall}"
        return f"At {basis}, of {n_of(cells, 'pair')} of method and keep ratio {counts}"
    where = n_of(cells, "keep ratio")
    return f"At {basis}, {names[0]} beats random at {up or 'none'} of {where} and {falls} at {down or 'none'}"


def random_at(good: pd.DataFrame, method: str, ratio: float) -> RandomComparison | None:
    """The method against random at one ratio; intervals are those of `against_random`."""
    if method == RANDOM or not (good["method"] == RANDOM).any():
        return None
    known = good[good["method"].isin([*methods_of(good), RANDOM])]
    metric = metric_in(known)
    pairs, local = (below_full(gains(known, RANDOM, of)) for of in ("test", "local"))
    tests = max(len(list(groups(pairs))), 1)
    found = []
    for table in (pairs, local):
        own = _at(table[table["method"] == method], ratio)
        found.append(interval(device_by_seed(own, "difference"), metric.difference_bounds, tests))
    return RandomComparison(comparison_basis(pairs), found[0], found[1], metric)


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
