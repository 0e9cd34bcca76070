"""Sentences on what follows from the plain points, each worked out from the numbers."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from gaps import LABELS, Setting, against_random, cell, mean_gap, settings, side, told
from results import COST, FEWER_EPOCHS, GAPS, MEAN, MOVING, RANDOM, RATIO, SCORED, STATIC, Question

WHAT = {
    "fewer-epochs": "all data, the schedule shortened",
    "rs2": "a new random subset every epoch",
    "online-loss": "half of each batch by last loss, cut at the 80 % quantile, half uniform",
    "online-loss-unbiased": "the same with unbiased weights",
    "random-balanced": "static, equally many of each class",
    "top-loss": "one epoch on all, then the largest losses stay; static",
    "top-loss-balanced": "the same, equally many of each class",
}
"""method -> what it is"""


def follows(plain: pd.DataFrame) -> list[str]:
    """The bullets of "What follows"."""
    lines = []
    for method, name in LABELS.items():
        common, own = (settings(plain, against_random(method), column, len(LABELS)) for column in GAPS)
        if common:
            lines.append(f"- **{name}** ({WHAT[method]}): {told(common)}. Own class mix: {told(own, False)}.")
    if not lines:
        return []
    return [*lines, _turns(plain), *_fewer_epochs(plain), *_once(plain), *_storage(plain), *_repeats(plain)]


def _turns(plain: pd.DataFrame) -> str:
    """Where a gap is shown on both test distributions, on different sides of 0."""
    found = []
    for method, name in LABELS.items():
        common, own = (settings(plain, against_random(method), column, len(LABELS)) for column in GAPS)
        found += [
            f"{name} in {here.name} ({here.gap.estimate:+.1f}, there {there.gap.estimate:+.1f})"
            for here, there in zip(common, own, strict=True)
            if here.side * there.side < 0
        ]
    if not found:
        return "- **The own class mix turns no sign** that is shown on the common test set."
    return f"- **The own class mix turns the sign** of {'; '.join(found)}."


def _fewer_epochs(plain: pd.DataFrame) -> list[str]:
    """The moving methods against the opponent that needs no method."""
    said = _each(plain, MOVING, FEWER_EPOCHS, COST)
    return [f"- **Against fewer epochs**, equal cost: {said}."] if said else []


def _once(plain: pd.DataFrame) -> list[str]:
    """Static pruning on a device that stores its data anyway."""
    there = {name: settings(plain, Question(name, FEWER_EPOCHS, RATIO), "gap", len(STATIC)) for name in STATIC}
    if not all(there.values()):
        return []
    ahead = sum(one.side > 0 for found in there.values() for one in found)
    where = f"in {ahead} of {sum(map(len, there.values()))} cases" if ahead else "nowhere"
    said = "; ".join(f"{LABELS[name]} {told(found, number == 0)}" for number, (name, found) in enumerate(there.items()))
    return [
        f"- **On a device that stores all its data, static pruning is {where} shown ahead of fewer epochs**, at equal "
        f"keep ratio and scoring not even charged: {said}."
    ]


def _storage(plain: pd.DataFrame) -> list[str]:
    """The static method to take where only a subset can be stored: gaps to random, over all settings."""
    said = []
    for column, where in zip(GAPS, ("common test set", "own class mix"), strict=True):
        gaps = {}
        for name in STATIC:
            gap = mean_gap(cell(plain, against_random(name), MEAN), column, len(STATIC))
            if gap is not None:
                gaps[name] = gap
        if not gaps:
            return []
        best = max(gaps, key=lambda name: gaps[name].estimate)
        gap = gaps[best]
        ends = f"{gap.estimate:+.1f} points, {gap.low:+.1f} to {gap.high:+.1f}"
        words = {1: f"{LABELS[best]} is ahead of random ({ends})", -1: f"random is ahead of all others ({ends})"}
        said.append(f"{where}: {words.get(side(gap), f'none is shown ahead of random (best: {LABELS[best]}, {ends})')}")
    return [
        "- **Storage is what static pruning is for**: the first four methods need the whole shard on the device, a "
        f"static subset of 0.1 a tenth of it. Among static methods, mean of all settings, {'; '.join(said)}."
    ]


def _repeats(plain: pd.DataFrame) -> list[str]:
    """Scoring paid once for many trainings: at most what equal keep ratio shows."""
    said = _each(plain, SCORED, RANDOM, RATIO)
    return (
        [f"- **Repeats**: many trainings on one kept set make scoring free. Then, against random: {said}."]
        if said
        else []
    )


def _each(plain: pd.DataFrame, names: Sequence[str], opponent: str, at: str) -> str:
    """What is told of every method, joined; empty where nothing is finished."""
    found: dict[str, list[Setting]] = {
        name: settings(plain, Question(name, opponent, at), "gap", len(names)) for name in names
    }
    return "; ".join(
        f"{LABELS[name]} {told(one, number == 0)}" for number, (name, one) in enumerate(found.items()) if one
    )
