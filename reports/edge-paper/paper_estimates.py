"""Estimates of the study: gaps of importance to full training and to its opponents, with the intervals that decide.

Every claim of a setting (data set, network, partition) has 95 % intervals of its own; where several gaps decide one
claim, their intervals hold together (Bonferroni). A claim holds where its interval lies on the right side of its
threshold, does not hold where it lies on the wrong one; otherwise the study cannot tell. Gaps are in points.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from paper_points import FEWER_BALANCED, Point
from study.comparisons import (
    COST,
    FEWER_EPOCHS,
    GAPS,
    RANDOM,
    RATIO,
    Question,
    matrix,
    mean_over_ratios,
    of_question,
    pairs_of,
)  # fmt: skip
from study.wording import BOUNDS

from edgesim.analysis.claims import FAILS, HOLDS, LARGE, MARGINS, OPEN, SMALL
from edgesim.analysis.grouping import FULL, below_full, device_by_seed, paired
from edgesim.analysis.intervals import Interval, interval

IMPORTANCE = "importance"
STORES_ALL = (FEWER_EPOCHS, "rs2", "online-loss", FEWER_BALANCED)
"""opponents that need the whole shard on the device; a static random subset does not"""
OWN_MIX = ", own mix"
"""ending of `at` where the accuracy is weighed by the device's own classes"""
ABOVE, BELOW = 1, -1
ALWAYS = 1.0
"""`near` of pairs at equal cost: a trial that costs less than the opponent's cheapest one is compared with that one,
which favours the opponent; so every device and seed has a partner"""
NEEDED = ["seed", "device", "method", "keep_ratio", "status", "test_accuracy", "local_accuracy", "device_energy_j"]
"""columns that pairs need"""


class Estimate(NamedTuple):
    """One number of the study with its interval, against a threshold."""

    claim: str
    found: Interval
    threshold: float = 0.0
    keep_ratio: str = "mean"
    opponent: str = ""
    at: str = ""
    side: int = ABOVE
    """ABOVE: the claim holds where the number lies above the threshold"""

    @property
    def verdict(self) -> str:
        """HOLDS, FAILS or OPEN, from the interval alone."""
        return verdict(self.found, self.threshold, self.side)


def verdict(found: Interval, threshold: float, side: int = ABOVE) -> str:
    """HOLDS, FAILS or OPEN: where an interval lies against a threshold."""
    if not found.is_known or found.low <= threshold <= found.high:
        return OPEN
    return HOLDS if (found.low > threshold) == (side == ABOVE) else FAILS


def of_methods(records: pd.DataFrame, methods: Iterable[str]) -> pd.DataFrame:
    """Trials of some methods with the columns that pairs need: a narrow table is quicker."""
    return records.loc[records["method"].isin(list(methods)), NEEDED]


class Setting:
    """The trials of a data set, network and partition, and the gaps of a method there."""

    def __init__(self, point: Point, records: pd.DataFrame, method: str = IMPORTANCE):
        self.point, self.records, self.method = point, records, method
        self.ratios = tuple(sorted(set(below_full(records)["keep_ratio"])))
        present = set(records["method"])
        self.opponents = tuple(name for name in STORES_ALL if name in present)
        questions = [Question(method, name, at) for name in (RANDOM, *self.opponents)
                     if name in present and name != method for at in (COST, RATIO)]  # fmt: skip
        pairs = pairs_of(of_methods(records, (method, FULL, RANDOM, *self.opponents)), questions, ALWAYS)
        self._pairs = {question: of_question(pairs, question) for question in questions}
        self._means: dict[tuple[object, ...], np.ndarray] = {}

    def of(self, opponent: str, at: str) -> pd.DataFrame:
        """Pairs with one opponent."""
        return self._pairs[Question(self.method, opponent, at)]

    def gap(self, opponent: str, at: str, ratio: float, tests: int = 1) -> Interval:
        """Gap at one keep ratio."""
        own = self.of(opponent, at)
        return interval(device_by_seed(own[np.isclose(own["keep_ratio"], ratio)], "gap"), BOUNDS, tests)

    def means(self, opponent: str, at: str, ratios: Sequence[float] | None = None, column: str = "gap") -> np.ndarray:
        """Mean over the keep ratios of each (device, seed) pair that has a partner at all of them: [devices, seeds].

        Seeds are those in which both ran.
        """
        wanted = tuple(ratios or self.ratios)
        key = (opponent, at, wanted, column)
        if key not in self._means:
            own = self.of(opponent, at)
            there = [ratio for ratio in wanted if np.isclose(own["keep_ratio"], ratio).any()]
            self._means[key] = matrix(mean_over_ratios(own, there), column, own[own["gap"].notna()])
        return self._means[key]

    def mean_gap(self, opponent: str, at: str, tests: int = 1, column: str = "gap") -> Interval:
        """Gap, mean over the keep ratios."""
        return interval(self.means(opponent, at, column=column), BOUNDS, tests)

    def against_best(self, at: str) -> tuple[str, Interval] | None:
        """The opponent of STORES_ALL that the method is shown to be worst against, with intervals that hold together.

        Ahead of the best means ahead of each of them; so the one with the lowest upper end decides.
        """
        if not self.opponents:
            return None
        gaps = {name: self.mean_gap(name, at, len(self.opponents)) for name in self.opponents}
        worst = min(gaps, key=lambda name: (gaps[name].high, gaps[name].low))
        if gaps[worst].high >= 0:  # none is shown to be better: the nearest to it is the one to be ahead of
            worst = min(gaps, key=lambda name: gaps[name].low)
        return worst, gaps[worst]

    def small_minus_large(self) -> Interval:
        """How much further ahead of random the method is at small keep ratios than at large ones, at equal ratio."""
        own = self.of(RANDOM, RATIO)
        parts = [own[own["keep_ratio"] <= SMALL + 1e-9], own[own["keep_ratio"] >= LARGE - 1e-9]]
        small, large = (part.groupby(["seed", "device"])["gap"].mean() for part in parts)
        both = (small - large).dropna().rename("gap").reset_index()
        return interval(device_by_seed(both, "gap"), (2 * BOUNDS[0], 2 * BOUNDS[1]))

    @property
    def full_accuracy(self) -> float:
        """Mean accuracy of full training, in per cent."""
        return 100 * float(self.records.loc[self.records["method"] == FULL, "test_accuracy"].mean())


def to_full(records: pd.DataFrame, method: str, ratio: float, column: str = "test_accuracy") -> np.ndarray:
    """Accuracy of a method minus that of full training at one keep ratio, in points: [devices, seeds]."""
    pairs = paired(records[records["method"].isin([method, FULL])], FULL, column)
    return 100 * matrix(pairs[np.isclose(pairs["keep_ratio"], ratio)], "difference", records)


def preserved(records: pd.DataFrame, method: str) -> list[Estimate]:
    """Gaps of a method to full training at the ratios of MARGINS that ran."""
    ratios = records.loc[records["method"] == method, "keep_ratio"].unique()
    return [
        Estimate("preserved", interval(to_full(records, method, ratio), BOUNDS), -100 * margin, f"{ratio:g}", FULL)
        for ratio, margin in MARGINS.items()
        if np.isclose(ratios, ratio).any()
    ]


def estimates(setting: Setting) -> list[Estimate]:
    """Every number on accuracy of one setting."""
    found = preserved(setting.records, setting.method)
    found += against_random(setting)
    found.append(Estimate("most_at_small_ratios", setting.small_minus_large(), 0.0, "small - large", RANDOM, RATIO))
    for at in (RATIO, COST):
        best = setting.against_best(at)
        if best is not None:
            found.append(Estimate("above_best", best[1], 0.0, "mean", best[0], at))
    return found


def against_random(setting: Setting) -> list[Estimate]:
    """Gaps to random at every ratio, simultaneous, and their mean; at equal ratio and cost, on both test sets."""
    ratios = setting.ratios
    found = [
        Estimate("above_random", setting.gap(RANDOM, RATIO, ratio, len(ratios)), 0.0, f"{ratio:g}", RANDOM, RATIO)
        for ratio in ratios
    ]
    found += [
        Estimate("above_random_at_cost", setting.gap(RANDOM, COST, ratio, len(ratios)), 0.0, f"{ratio:g}", RANDOM, COST)
        for ratio in ratios
    ]
    return found + [
        Estimate("above_random_mean", setting.mean_gap(RANDOM, at, column=column), 0.0, "mean", RANDOM, at + where)
        for at in (RATIO, COST)
        for column, where in zip(GAPS, ("", OWN_MIX), strict=True)
    ]


def pooled(matrices: Sequence[np.ndarray], tests: int = 1) -> Interval | None:
    """Mean gap over settings, each of which counts once, whatever its number of seeds.

    Settings share the devices' hardware and the seeds' splits, so that they are not independent. With x the gaps less
    their setting's mean, and S_k the seeds of setting k of K, the effect of device d is the mean over settings and
    seeds of x, and that of seed s

        u_s = sum over the settings with s of  mean over devices of x  / (K S_k) * sqrt(S_k / (S_k - 1))

    whose squares add up to the variance by seeds. Where all settings have the same seeds this is `interval` of their
    mean, pair by pair. The variance by seeds has Welch and Satterthwaite's degrees of freedom over the groups of
    settings of equal S_k, at most one less than the seeds: settings have their seeds in common. The interval is that
    of these settings: it does not cover others.

    Args:
        matrices: [devices, seeds] of every setting, seeds in the same order from the same first one, at least two.
        tests: intervals that decide together.

    Returns: None where there is no setting.
    """
    if not matrices:
        return None
    counts = np.array([gaps.shape[1] for gaps in matrices])
    if (counts == counts[0]).all():
        return interval(np.mean(matrices, axis=0), BOUNDS, tests)
    devices, estimate = len(matrices[0]), float(np.mean([gaps.mean() for gaps in matrices]))
    by_device = np.mean([gaps.mean(axis=1) for gaps in matrices], axis=0) - estimate
    groups = {count: np.zeros(counts.max()) for count in sorted(set(counts))}
    for gaps, count in zip(matrices, counts, strict=True):
        groups[count][:count] += (gaps.mean(axis=0) - gaps.mean()) / (len(matrices) * np.sqrt(count * (count - 1)))
    frees = np.array(list(groups)) - 1.0
    own = np.array([(effects**2).sum() for effects in groups.values()])
    free = own.sum() ** 2 / max(float((own**2 / frees).sum()), np.finfo(float).tiny)
    of_seeds = float((sum(groups.values()) ** 2).sum())
    of_devices = float((by_device**2).sum()) / (devices * max(devices - 1, 1))
    parts = ((of_devices, devices - 1.0), (of_seeds, float(np.clip(free, frees[0], frees[-1]))))
    found = Interval(estimate, n=sum(gaps.size for gaps in matrices), devices=devices, seeds=int(counts.max()),
                     tests=tests, parts=tuple(part for part in parts if part[1] > 0))  # fmt: skip
    half = found.half_width(tests)
    return found._replace(low=max(estimate - half, BOUNDS[0]), high=min(estimate + half, BOUNDS[1]))
