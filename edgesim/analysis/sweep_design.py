"""What the points of a sweep are compared by: the complete part of its design, and the trials that every point has.

Where a device ended well at one value only, or a value has been run with some of the others only, plain means would be
over other devices or points at each value.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from edgesim.analysis.grouping import FULL, RANDOM, ok, paired
from edgesim.formatting import capital, listed, n_of, number, ranges
from edgesim.tasks import Metric, metric_in

POINT = "point"
MEASURES = ("metric", "device_time_s", "device_energy_j", "gap")
"""metric that decides, emulated time and energy, and the metric minus that of `random` at the same keep ratio"""
AMOUNT = "amount"
"""column of the trials that are compared: their value of a measure"""
RULED = -1.0
"""in place of keep ratios that differ by device or point: a rule chose them, or they are swept"""
_RATIO = "compared_ratio"
_SWEPT_RATIO = "pruning.keep_ratio"
Levels = Mapping[str, Sequence[str]]
"""swept key -> its levels as texts, in their order"""


@dataclass(frozen=True)
class Common:
    """Trials of a measure that every point of the complete part has."""

    trials: pd.DataFrame
    """with AMOUNT; the same devices, methods, keep ratios and seeds in every point"""
    reason: str = ""
    """why there are none; empty where there are"""
    left_out: str = ""
    """what ended well in some points, and is not in `trials`; empty where nothing is left out"""


@dataclass(frozen=True)
class Design:
    """Design of a sweep, as far as it is finished."""

    levels: Levels
    """of all keys"""
    complete: Levels
    """levels of the complete part: every combination of them is finished"""
    common: Mapping[str, Common]
    """measure -> trials"""
    missing: tuple[str, ...]
    """sentences on what is left out"""
    metric: Metric

    @property
    def is_complete(self) -> bool:
        """True where every point is finished."""
        return {**self.complete} == {**self.levels}


def title_of(measure: str, metric: Metric) -> str:
    """A measure in words."""
    named = {"device_time_s": "emulated time", "device_energy_j": "emulated energy", "metric": f"test {metric.title}"}
    return named.get(measure, f"{metric.title} minus that of random")


def design_of(table: pd.DataFrame, levels: Levels) -> Design:
    """Design of a sweep, with the trials that compare.

    Args:
        table: one row per trial of the finished points, with POINT and a column per key (`results.sweep_folder`).
        levels: of the keys.
    """
    complete, metric = _complete_part(table, levels), metric_in(table)
    inside = np.logical_and.reduce([table[key].isin(list(texts)).to_numpy() for key, texts in complete.items()])
    part = table[inside]
    common = {measure: _common(part, measure, levels, metric) for measure in MEASURES}
    missing = _unfinished(levels, complete)
    if len(part):
        missing = (*missing, *_without(common, metric), *_left_out(common, metric))
    return Design(levels, complete, common, missing, metric)


def _complete_part(table: pd.DataFrame, levels: Levels) -> dict[str, list[str]]:
    """Levels of which every combination is there: the level with the largest missing share goes, until none misses."""
    present = set(zip(*(table[key] for key in levels), strict=True))
    kept = {key: list(texts) for key, texts in levels.items()}
    there = np.array([chosen in present for chosen in itertools.product(*kept.values())])
    there = there.reshape([len(texts) for texts in kept.values()])
    while there.size and not there.all():
        # Of equal shares the last level of the first key goes: points are run in their order.
        places = [(axis, place) for axis, count in enumerate(there.shape) for place in reversed(range(count))]
        axis, place = min(places, key=lambda one: float(there.take(one[1], axis=one[0]).mean()))
        there = np.delete(there, place, axis)
        del list(kept.values())[axis][place]
    return kept if there.size else {key: [] for key in kept}


def _unfinished(levels: Levels, complete: Levels) -> tuple[str, ...]:
    """Sentence on the levels that are not in the complete part."""
    lost = [f"{key} {', '.join(t for t in texts if t not in complete[key])}" for key, texts in levels.items()
            if len(complete[key]) < len(texts)]  # fmt: skip
    if not lost:
        return ()
    if not all(complete.values()):
        return ("No point is finished, so there are no means by value.",)
    return (
        "The sweep is not finished. Means by value are over the values whose every combination is finished; left out: "
        f"{'; '.join(lost)}.",
    )


def _common(part: pd.DataFrame, measure: str, levels: Levels, metric: Metric) -> Common:
    """Trials of a measure that every point of a table has, in every seed that is left.

    Devices without one of the methods and keep ratios are left out, too, where others have all: methods compare.
    """
    good = _measured(part, measure, metric)
    if good.empty:
        return Common(good, _reason(part, good, measure))
    ratio = good["keep_ratio"].where(good["ratio_rule"].fillna("") == "", RULED)
    if any(key.startswith(_SWEPT_RATIO) for key in levels) and (
        (good.groupby([POINT, "method"])["keep_ratio"].nunique() == 1).all()
    ):
        ratio = ratio * 0 + RULED  # the ratio is the level
    good = good.assign(**{_RATIO: ratio})
    cell = ["device", "method", _RATIO]
    everywhere = good.groupby([*cell, "seed"])[POINT].transform("nunique") == part[POINT].nunique()
    found = good[everywhere]
    if found.empty:
        return Common(found, _reason(part, good, measure))
    # Only cells that every seed has: else the mean of a seed would be over other devices or methods.
    found = found[found.groupby(cell)["seed"].transform("nunique") == found["seed"].nunique()]
    if found.empty:
        return Common(found, "every device, method and keep ratio lacks a seed in some point")
    kinds = found[["method", _RATIO]].drop_duplicates()
    has_all = found.drop_duplicates(cell).groupby("device").size() == len(kinds)
    if has_all.any():
        found = found[found["device"].map(has_all)]
    return Common(found, "", _lost(good, found))


def _measured(table: pd.DataFrame, measure: str, metric: Metric) -> pd.DataFrame:
    """Trials that ended well and have a value of a measure, which is their AMOUNT."""
    if measure == "gap":
        parts = [paired(own, RANDOM, metric.column()) for _, own in table.groupby(POINT, sort=False)]
        good, column = pd.concat(parts, ignore_index=True) if parts else table[:0], "difference"
    else:
        good, column = ok(table), metric.column() if measure == "metric" else measure
    if column not in good:
        return good[:0].assign(**{AMOUNT: pd.Series(dtype=np.float64)})
    return good[good[column].notna()].assign(**{AMOUNT: good[column]})


def _reason(part: pd.DataFrame, good: pd.DataFrame, measure: str) -> str:
    """Why no trial of a measure is in every point."""
    points = part[POINT].nunique()
    if not points:
        return "no point is finished"
    if measure == "gap":
        methods = list(dict.fromkeys(part["method"]))
        if RANDOM not in methods:
            return "random was not run"
        if not set(methods) - {FULL, RANDOM}:
            return f"there is no method beside {listed(methods)}"
        if good.empty:
            return "no trial of another method ended well beside random of the same seed, device and keep ratio"
    lacking = points - good[POINT].nunique()
    if lacking:
        what = "has a method beside random" if measure == "gap" else "ended well"
        return f"no trial {what} in {lacking:,} of {n_of(points, 'point')}"
    return "no seed, device, method and keep ratio ended well in every point"


def _lost(good: pd.DataFrame, found: pd.DataFrame) -> str:
    """Devices, methods with their keep ratios, and seeds that ended well somewhere and are not compared."""
    if len(good) == len(found):
        return ""
    parts = []
    devices = set(good["device"]) - set(found["device"])
    if devices:
        own = good[good["device"].isin(devices)]
        profiles = f" ({', '.join(dict.fromkeys(own['profile'].astype(str)))})" if "profile" in own else ""
        parts.append(f"{'devices' if len(devices) > 1 else 'device'} {ranges(devices)}{profiles}")
    kinds = set(zip(good["method"], good[_RATIO], strict=True)) - set(zip(found["method"], found[_RATIO], strict=True))
    parts += [method if ratio == RULED else f"{method} at {number(ratio)}" for method, ratio in sorted(kinds)]
    seeds = set(good["seed"]) - set(found["seed"])
    if seeds:
        parts.append(f"{'seeds' if len(seeds) > 1 else 'seed'} {ranges(seeds)}")
    return ", ".join(parts) or f"{n_of(len(good) - len(found), 'trial')} that not every point and seed has"


def _without(common: Mapping[str, Common], metric: Metric) -> list[str]:
    """Sentences on the measures without means and shares, one per reason."""
    found: dict[str, list[str]] = {}
    for measure, own in common.items():
        if own.reason:
            found.setdefault(own.reason, []).append(title_of(measure, metric))
    return [
        f"The {listed(titles)} {'has' if len(titles) == 1 else 'have'} no means by value and no shares: {reason}."
        for reason, titles in found.items()
    ]


def _left_out(common: Mapping[str, Common], metric: Metric) -> tuple[str, ...]:
    """Sentences on the trials that are not compared; one where it is the same for all measures."""
    of_metric = common["metric"].left_out
    sentences = [
        "Means and shares are over what ended well in every point"
        + ("" if measure == "metric" else f" ({title_of(measure, metric)})")
        + f"; left out: {found.left_out}."
        for measure, found in common.items()
        if found.left_out and (measure == "metric" or found.left_out != of_metric)
    ]
    for measure, found in common.items():
        kinds = found.trials.groupby("device")["method"].agg(lambda own: len(set(own))) if len(found.trials) else None
        if kinds is not None and kinds.min() < found.trials["method"].nunique():
            text = f"the {title_of(measure, metric)} of methods is over different devices"
            sentences.append(f"{capital(text)}: no device has every method and keep ratio in all points.")
    return tuple(dict.fromkeys(sentences))
