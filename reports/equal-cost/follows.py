"""Sentences on what follows from the plain points, each worked out from the numbers."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from gaps import LABELS, against_random, cell, everywhere, mean_gap, settings, shift
from results import KEPT, MEAN, MOVING, SCORED, STATIC
from study.comparisons import COST, FEWER_EPOCHS, GAPS, RANDOM, RATIO, Question
from study.wording import Setting, side, text, told, wrapped

WHAT = {
    "fewer-epochs": "all data, the schedule shortened",
    "rs2": "a new random subset every epoch",
    "online-loss": "after one epoch on all, half of each batch by last loss (cut at the 80 % quantile), half uniform",
    "online-loss-unbiased": "the same with unbiased weights",
    "random-balanced": "static, every class with its share of the device's samples",
    "equal-classes": "static, equally many of each class as far as they are there",
    "top-loss": "one epoch on all, then the largest losses stay; static",
    "top-loss-balanced": "the same, every class with its share",
}
"""method -> what it is"""
WHERE = ("common test set", "own mix")
"""GAPS in words"""


def follows(plain: pd.DataFrame) -> list[str]:
    """The bullets of "What follows"."""
    if all(cell(plain, against_random(name), MEAN).empty for name in LABELS):
        return []
    first = [_on_average(plain, everywhere(plain, LABELS)), *_where(plain), _turns(plain)]
    return [*first, *_fewer_epochs(plain), *_once(plain), *_storage(plain), *_repeats(plain)]


def legend() -> list[str]:
    """What every method is."""
    return wrapped("; ".join(f"*{name}*: {WHAT[method]}" for method, name in LABELS.items()) + ".")


def _on_average(plain: pd.DataFrame, there: Sequence[str]) -> str:
    """Which methods are shown on which side of static random, on both test distributions."""
    groups: dict[str, list[str]] = {
        "ahead of it on both test distributions": [],
        "behind it on both": [],
        "neither": [],
    }
    ahead, behind, neither = groups
    for name in there:
        rows = cell(plain, against_random(name), MEAN)
        gaps = [gap for column in GAPS if (gap := mean_gap(rows, column, len(LABELS))) is not None]
        which = {(1, 1): ahead, (-1, -1): behind}.get(tuple(map(side, gaps)), neither)
        groups[which].append(f"{LABELS[name]} ({', '.join(f'{gap.estimate:+z.1f}' for gap in gaps)})")
    said = "; ".join(f"{which}: {', '.join(names)}" for which, names in groups.items() if names) or "none is told"
    rest = [LABELS[name] for name in LABELS if name not in there]
    left_out = f" Not finished in every setting, and so left out: {', '.join(rest)}." if rest else ""
    return f"- **Static random at equal energy**, average of all settings (data set and partition); {said}.{left_out}"


def _where(plain: pd.DataFrame) -> list[str]:
    """Settings in which no method is shown ahead of static random, of the methods that are finished there."""
    said = []
    for column, where in zip(GAPS, WHERE, strict=True):
        ahead: dict[str, bool] = {}
        for name in LABELS:
            for one in settings(plain, against_random(name), column, len(LABELS)):
                ahead[one.name] = ahead.get(one.name, False) or one.side > 0
        none = [name for name, is_ahead in ahead.items() if not is_ahead]
        said.append(f"{', '.join(none) or 'nowhere'} ({where})")
    return [f"- **No method is shown ahead of static random** in: {'; '.join(said)}."]


def _turns(plain: pd.DataFrame) -> str:
    """What the own mix adds to gaps on skewed shards, and where a gap is shown on different sides of 0."""
    skewed = plain[plain["partition"] != "iid"]
    moved, turned = [], []
    for method, name in LABELS.items():
        gap = shift(cell(skewed, against_random(method), MEAN), len(LABELS))
        if gap is not None and side(gap):
            moved.append(f"{name} {text(gap, False)}")
        common, own = (settings(plain, against_random(method), column, len(LABELS)) for column in GAPS)
        turned += [
            f"{name} in {here.name} ({here.gap.estimate:+z.1f}, there {there.gap.estimate:+z.1f})"
            for here, there in zip(common, own, strict=True)
            if here.side * there.side < 0
        ]
    shifts = (
        f"adds on shards that are not IID, as far as shown: {', '.join(moved)}"
        if moved
        else "is not shown to move a gap"
    )
    signs = f"turns the sign of {'; '.join(turned)}" if turned else "turns no sign that is shown on the common test set"
    return f"- **The own mix** {shifts}. It {signs}."


def _fewer_epochs(plain: pd.DataFrame) -> list[str]:
    """The moving methods against the opponent that needs no method."""
    said = _each(plain, MOVING, FEWER_EPOCHS, COST)
    return [f"- **Against fewer epochs**, equal cost: {said}."] if said else []


def _once(plain: pd.DataFrame) -> list[str]:
    """Static pruning on a device that stores its data anyway."""
    said = []
    for column, where in zip(GAPS, WHERE, strict=True):
        found = [
            one._replace(name=f"{LABELS[name]} in {one.name} ({one.gap.estimate:+z.1f})")
            for name in STATIC
            for one in settings(plain, Question(name, FEWER_EPOCHS, RATIO), column, len(STATIC))
        ]
        if not found:
            return []
        ahead = [one.name for one in found if one.side > 0]
        behind = sum(one.side < 0 for one in found)
        names = f" ({', '.join(ahead)})" if ahead else ""
        said.append(f"ahead in {len(ahead)}{names} and behind in {behind} of {len(found)} cases on the {where}")
    return [
        f"- **On a device that stores all its data**, {', '.join(LABELS[name] for name in STATIC)} are set against "
        f"fewer epochs at equal keep ratio, scoring not even charged: {'; '.join(said)}."
    ]


def _storage(plain: pd.DataFrame) -> list[str]:
    """The static method to take where only a subset can be stored: gaps to random, over all settings."""
    said = []
    for column, where in zip(GAPS, WHERE, strict=True):
        gaps = {}
        for name in everywhere(plain, KEPT):
            gap = mean_gap(cell(plain, against_random(name), MEAN), column, len(KEPT))
            if gap is not None:
                gaps[name] = gap
        if not gaps:
            return []
        best = max(gaps, key=lambda name: gaps[name].estimate)
        gap = gaps[best]
        ends = f"{gap.estimate:+z.1f} points, {gap.low:+z.1f} to {gap.high:+z.1f}"
        is_ahead = f"{LABELS[best]} is ahead of random ({ends})"
        said.append(f"{where}: {is_ahead if side(gap) > 0 else f'none is shown ahead (best: {LABELS[best]}, {ends})'}")
    return [
        "- **Storage is what static pruning is for**: the first four methods need the whole shard on the device, a "
        "static subset of 0.1 a tenth of it. Among static methods at equal energy, mean of all settings, "
        f"{'; '.join(said)}."
    ]


def _repeats(plain: pd.DataFrame) -> list[str]:
    """Scoring paid once for many trainings: at most what equal keep ratio shows."""
    said = [f"{where}: {found}" for column, where in zip(GAPS, WHERE, strict=True)
            if (found := _each(plain, SCORED, RANDOM, RATIO, column))]  # fmt: skip
    about = "- **Repeats**: many trainings on one kept set make scoring free. Then, against random of equal keep ratio,"
    return [f"{about} {'; and '.join(said)}."] if said else []


def _each(plain: pd.DataFrame, names: Sequence[str], opponent: str, at: str, column: str = "gap") -> str:
    """What is told of every method, joined; empty where nothing is finished."""
    found: dict[str, list[Setting]] = {
        name: settings(plain, Question(name, opponent, at), column, len(names)) for name in names
    }
    return "; ".join(
        f"{LABELS[name]} {told(one, number == 0)}" for number, (name, one) in enumerate(found.items()) if one
    )
