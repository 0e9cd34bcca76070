"""Sentences on a method against its opponents: random at equal keep ratio, and all of them at equal total cost."""

from __future__ import annotations

import numpy as np
import pandas as pd

from edgesim.analysis.cells import (
    FEWER_EPOCHS,
    FULL,
    OPPONENTS,
    RANDOM,
    RS2,
    below_full,
    device_by_seed,
    equal_what,
    groups,
    methods_of,
    paired,
)
from edgesim.analysis.equal_cost import at_equal_cost, equal_cost, gap_interval, opponents_of
from edgesim.analysis.findings import Evidence, Finding, ends, finding, listed, percent, points, with_interval
from edgesim.analysis.intervals import Interval, interval, lies
from edgesim.errors import n_of

NAMES = {RANDOM: "random", FEWER_EPOCHS: "all data in fewer epochs", RS2: "a new random subset every epoch"}


def findings(good: pd.DataFrame, method: str, epochs: int | None = None) -> list[Finding]:
    """The method at each keep ratio against every opponent at equal total cost, told at the ratio nearest to one half.

    Args:
        good: trials that ended well.
        method: the method.
        epochs: of full training; None = unknown.
    """
    there = [name for name in opponents_of(good) if name != method]
    ratios = sorted(set(below_full(good[good["method"] == method])["keep_ratio"]))
    if not there or not ratios:
        text = "Neither random nor fewer epochs ran, so what the same price buys elsewhere cannot be told."
        return [Finding("cost", text, method=method)]
    tests = len(there) * len(ratios)
    table = equal_cost(good[good["method"].isin([method, FULL, *there])], there, tests=tests).table
    table = table[table["method"] == method]
    if table.empty:
        text = f"No trial of {method} costs as much as an opponent's cheapest one: no comparison at equal total cost."
        return [Finding("cost", text, method=method)]
    ratio = min(set(table["keep_ratio"]), key=lambda one: (abs(one - 0.5), one))
    here = table[np.isclose(table["keep_ratio"], ratio)]
    parts, sides = [], set()
    worst = Interval()
    for name, buys, reached in zip(
        here["opponent"], here["opponent_keep_ratio"], here["opponent_accuracy"], strict=True
    ):
        pairs = _at(at_equal_cost(good, method, str(name)), ratio)
        found, local = gap_interval(pairs, "gap", tests), gap_interval(pairs, "local_gap", tests)
        told = f"{_buys(str(name), float(buys), epochs)} {percent(float(reached))}: {_short(found)} for {method}"
        if abs(local.estimate - found.estimate) >= 0.01:
            told += f", {_short(local)} on the own class mix"
        parts.append(f"{told}.")
        sides.add(lies(found, 0.0))
        worst = found if not worst.n or found.estimate < worst.estimate else worst
    mean = float(here["accuracy"].mean())
    text = f"Equal cost: {method} at {ratio:.4g} reaches {percent(mean)}. For its emulated energy, scoring included: "
    verdict: Evidence = "no" if -1 in sides else "yes" if sides == {1} else "none"
    level = f"95 % intervals, {tests} tested at once" if worst.is_known else worst.scope or "no intervals"
    text += f"{' '.join(parts)} ({level}; n = {worst.n}.){_absent(good, there)}"
    return [finding("cost", text, verdict, worst, (method, ratio))]


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
        beside = f" (random keeps {base:.4g})" if abs(base - ratio) > 1e-6 else ""
        text += f"; {word} {name} at {ratio:.4g}{beside}, {with_interval(found, 'points')}"
    name, ratio, found, _ = named[0]
    return finding("random", text + ".", "yes" if up else "no" if down else "none", found, (name, ratio))


def _counts(names: list[str], cells: int, up: int, down: int, what: str) -> str:
    """How many of the comparisons with random are above it and below: the beginning of a sentence."""
    if len(names) > 1:
        counts = f"{up or 'none'} beat random and {down or 'none'} fall below it"
        return f"At {what}, of {n_of(cells, 'pair')} of method and keep ratio {counts}"
    where = n_of(cells, "keep ratio")
    return f"At {what}, {names[0]} beats random at {up or 'none'} of {where} and falls below it at {down or 'none'}"


def better_buy(good: pd.DataFrame, method: str, ratio: float, epochs: int | None = None) -> str:
    """A sentence on the opponents that are shown to be better or worse at the price of one ratio; empty without any."""
    there = [name for name in opponents_of(good) if name != method]
    found = {name: gap_interval(_at(at_equal_cost(good, method, name), ratio), "gap", len(there)) for name in there}
    known = {name: one for name, one in found.items() if one.is_known}
    if not known:
        return ""
    better = [name for name, one in known.items() if lies(one, 0.0) < 0]
    if better:
        best = min(better, key=lambda name: known[name].estimate)
        return f" At the same energy {NAMES[best]} is better by {abs(100 * known[best].estimate):.1f} points."
    worse = [name for name, one in known.items() if lies(one, 0.0) > 0]
    if len(worse) == len(known):
        least = min(known.values(), key=lambda one: one.estimate)
        names = listed([NAMES[name] for name in worse])
        return f" At the same energy it is ahead of {names} by {100 * least.estimate:.1f} points or more."
    open_ = [NAMES[name] for name in known if name not in worse]
    return f" At the same energy no lead over {listed(open_)} can be told."


def at_ratio(good: pd.DataFrame, method: str, ratio: float) -> dict[str, tuple[Interval, Interval]]:
    """Opponent -> accuracy minus its own on the common test set and on the own class mix: random at equal keep ratio.

    Every opponent at equal total cost, too; the intervals are of each comparison by itself.
    """
    found: dict[str, tuple[Interval, Interval]] = {}
    if method != RANDOM and (good["method"] == RANDOM).any():
        both = []
        for column in ("test_accuracy", "local_accuracy"):
            pairs = _at(paired(good[good["method"].isin([method, RANDOM])], RANDOM, column), ratio)
            both.append(interval(device_by_seed(pairs, "difference"), (-1.0, 1.0)))
        found["random at equal keep ratio"] = (both[0], both[1])
    for name in opponents_of(good):
        if name != method:
            pairs = _at(at_equal_cost(good, method, name), ratio)
            found[f"{NAMES[name]} at equal total cost"] = (gap_interval(pairs), gap_interval(pairs, "local_gap"))
    return found


def _buys(opponent: str, ratio: float, epochs: int | None) -> str:
    """What a price buys of an opponent, up to the accuracy that it reaches."""
    if opponent == FEWER_EPOCHS:
        told = f"{ratio:.2f} of the epochs" if epochs is None else f"{ratio * epochs:.2g} of {epochs} epochs"
        return f"All data for {told} reach"
    if opponent == RS2:
        return f"A new random {ratio:.2f} every epoch reaches"
    return f"random keeps {ratio:.2f} and reaches"


def _short(found: Interval) -> str:
    """'+7.2 points (-4.0 to +18.3)'."""
    return points(found.estimate) + (f" ({ends(found, '+')})" if found.is_known else "")


def _absent(good: pd.DataFrame, there: list[str]) -> str:
    """Which opponents did not run."""
    lost = [name for name in OPPONENTS if name not in there and not (good["method"] == name).any()]
    return f" Not run: {listed(lost)}." if lost and RANDOM not in lost else ""


def _at(pairs: pd.DataFrame, ratio: float) -> pd.DataFrame:
    return pairs[np.isclose(pairs["keep_ratio"], ratio)]
