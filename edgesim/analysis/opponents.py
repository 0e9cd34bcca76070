"""Sentences on a method against its opponents: random at equal keep ratio, and all of them at equal total cost."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from edgesim.analysis.equal_cost import at_equal_cost, gap_interval, opponents_of
from edgesim.analysis.findings import Evidence, Finding, ends, finding, with_interval
from edgesim.analysis.grouping import (
    FEWER_EPOCHS,
    OPPONENTS,
    RANDOM,
    RS2,
    below_full,
    device_by_seed,
    equal_what,
    groups,
    mean,
    methods_of,
    paired,
)
from edgesim.analysis.intervals import Interval, interval, lies
from edgesim.analysis.storage import storage_bound
from edgesim.formatting import listed, n_of, number, percent, points

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
    """the difference on the common test set, simultaneous over all opponents and keep ratios"""
    local: Interval
    """the same on the device's own class mix"""
    keep_ratio: float
    """of the method"""


class RandomComparison(NamedTuple):
    """A method at one keep ratio against random."""

    what: str
    """what they have in common: "equal keep ratio" or "equal budget" """
    common: Interval
    local: Interval


def at_cost(good: pd.DataFrame, method: str, ratio: float | None = None) -> list[OpponentComparison]:
    """The method against every opponent at equal total cost; all sentences on that read these intervals.

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
    found = []
    for name, every in partners.items():
        pairs = _at(every, ratio)
        if len(pairs):
            keeps, own, reached = (
                mean(pairs[column]) for column in ("opponent_keep_ratio", "test_accuracy", "opponent_accuracy")
            )
            common, local = (gap_interval(pairs, column, tests) for column in ("gap", "local_gap"))
            at = float(pairs["keep_ratio"].iloc[0])
            found.append(OpponentComparison(name, len(pairs), keeps, own, reached, common, local, at))
    return found


def equal_cost_finding(
    records: pd.DataFrame, method: str, found: list[OpponentComparison], epochs: int | None = None
) -> Finding:
    """What the price of the method buys of each opponent.

    Args:
        records: one row per trial, in any state.
        method: the method.
        found: from `at_cost`.
        epochs: of full training; None = unknown.
    """
    absent = _absent(records, method)
    if not found:
        if any(name != method for name in opponents_of(records)):
            text = f"No trial of {method} costs as much as an opponent's cheapest one: none is set against it."
        else:
            text = "No trial of random or of fewer epochs ended well: what the same price buys there cannot be told."
        return Finding("cost", f"{text}{absent}", method=method)
    most = max(found, key=lambda one: one.pairs)
    parts: list[str] = []
    for one in found:
        told = f"{_buys(one, epochs)} {percent(one.reached)}: {_short(one.common)} for {method}"
        if abs(one.local.estimate - one.common.estimate) >= 0.01:
            told += f", {_short(one.local)} on the own class mix"
        if one.pairs < most.pairs:
            told += f", over the {one.pairs} of {most.pairs} pairs that have it ({method} {percent(one.own)} there)"
        parts.append(f"{told[0].upper() if parts else told[0]}{told[1:]}.")
    sides = {lies(one.common, 0.0) for one in found}
    verdict: Evidence = "no" if -1 in sides else "yes" if sides == {1} else "none"
    worst = min(found, key=lambda one: (one.common.high, one.common.estimate) if one.common.is_known else (1, 1)).common
    level = f"95 % intervals, {worst.tests} tested at once" if worst.tests > 1 else "95 % interval"
    level = level if worst.is_known else worst.scope or "no intervals"
    text = f"Equal cost: {method} at {number(most.keep_ratio)} reaches {percent(most.own)}. For its emulated energy, "
    text += f"scoring included: {' '.join(parts)}{_conclusion(found, method)} ({level}, n = {most.pairs}).{absent}"
    return finding("cost", text, verdict, worst, (method, most.keep_ratio))


def _conclusion(found: list[OpponentComparison], method: str) -> str:
    """Who is shown to be ahead, by the intervals printed."""
    known = [one for one in found if one.common.is_known]
    said = []
    for side, words in ((1, "is ahead of"), (-1, "falls behind"), (0, "shows no difference to")):
        names = [NAMES[one.opponent] for one in known if lies(one.common, 0.0) == side]
        if names:
            said.append(f"{words} {listed(names)}")
    return f" So {method} {listed(said)}" if said else f" How {method} stands elsewhere is not known"


def against_random(good: pd.DataFrame) -> Finding:
    """How many (method, ratio) are above chance and below it, and the method that is furthest."""
    names = methods_of(good)
    if not names or not (good["method"] == RANDOM).any():
        absent = "random selection" if names else "method other than random and full"
        return Finding("random", f"The run has no {absent}, so whether methods beat chance cannot be told.")
    pairs = below_full(paired(good[good["method"].isin([*names, RANDOM])], RANDOM, "test_accuracy"))
    parts = list(groups(pairs))
    cells = [
        (
            name,
            ratio,
            interval(device_by_seed(part, "difference"), (-1.0, 1.0), len(parts)),
            float(part["base_keep_ratio"].mean()),
        )
        for name, ratio, part in parts
    ]
    what = equal_what(pairs)
    known = [cell for cell in cells if cell[2].is_known]
    if not known:
        scope = next((cell[2].scope for cell in cells if cell[2].scope), "")
        text = f"Whether methods beat random at {what} cannot be told"
        return Finding("random", f"{text}: {scope}." if scope else f"{text}: too few trials have a partner in random.",
                       scope=scope)  # fmt: skip
    up = [cell for cell in known if lies(cell[2], 0.0) > 0]
    down = [cell for cell in known if lies(cell[2], 0.0) < 0]
    text = _counts(names, len(known), len(up), len(down), what)
    named = [max(up or known, key=lambda cell: cell[2].estimate)] if up or not down else []
    named += [min(down, key=lambda cell: cell[2].estimate)] if down else []
    for name, ratio, found, base in named:
        word = "best" if lies(found, 0.0) >= 0 else "worst"
        beside = f" (random keeps {number(base)})" if abs(base - ratio) > 1e-6 else ""
        text += f"; {word} {name} at {number(ratio)}{beside}, {with_interval(found, 'points')}"
    name, ratio, found, _ = named[0]
    return finding("random", text + ".", "yes" if up else "no" if down else "none", found, (name, ratio))


def _counts(names: list[str], cells: int, up: int, down: int, what: str) -> str:
    """How many of the comparisons with random are above it and below: the beginning of a sentence."""
    if len(names) > 1:
        counts = f"{up or 'none'} beat random and {down or 'none'} fall below it"
        return f"At {what}, of {n_of(cells, 'pair')} of method and keep ratio {counts}"
    where = n_of(cells, "keep ratio")
    return f"At {what}, {names[0]} beats random at {up or 'none'} of {where} and falls below it at {down or 'none'}"


def random_at(good: pd.DataFrame, method: str, ratio: float) -> RandomComparison | None:
    """The method against random at one ratio; intervals are those of `against_random`."""
    if method == RANDOM or not (good["method"] == RANDOM).any():
        return None
    known = good[good["method"].isin([*methods_of(good), RANDOM])]
    pairs = below_full(paired(known, RANDOM, "test_accuracy"))
    local = below_full(paired(known, RANDOM, "local_accuracy"))
    tests = max(len(list(groups(pairs))), 1)
    found = []
    for table in (pairs, local):
        own = _at(table[table["method"] == method], ratio)
        found.append(interval(device_by_seed(own, "difference"), (-1.0, 1.0), tests))
    return RandomComparison(equal_what(pairs), found[0], found[1])


def _buys(one: OpponentComparison, epochs: int | None) -> str:
    """What a price buys of an opponent, up to the accuracy that it reaches."""
    if one.opponent == FEWER_EPOCHS:
        told = f"{one.keeps:.2f} of the epochs" if epochs is None else f"{one.keeps * epochs:.2g} of {epochs} epochs"
        return f"All data for {told} reach"
    if one.keeps > 0.995:
        return "full training, which costs no more, reaches"
    if one.opponent == RS2:
        return f"A new random {one.keeps:.2f} every epoch reaches"
    return f"random keeps {one.keeps:.2f} and reaches"


def _short(found: Interval) -> str:
    """'+7.2 points (-4.0 to +18.3)'."""
    return points(found.estimate) + (f" ({ends(found, '+')})" if found.is_known else "")


def _absent(records: pd.DataFrame, method: str) -> str:
    """Which opponents did not run, and which ones storage rules out where static ones can run."""
    ran = set(records["method"])
    lost = [name for name in OPPONENTS if name != method and name not in ran]
    text = f" Not run: {listed(lost)}." if lost else ""
    bound = storage_bound(records).table
    devices = int((bound["methods"] != "").sum())
    if devices:
        whose = n_of(devices, "device")
        text += f" The storage of {whose} does not hold all samples: static opponents alone count there."
    return text


def _at(pairs: pd.DataFrame, ratio: float) -> pd.DataFrame:
    return pairs[np.isclose(pairs["keep_ratio"], ratio)]
