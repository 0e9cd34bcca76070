"""Samplers of subsets: rules that turn the scores of a method into a subset of k samples.

    top                   the k largest scores
    stratified            even over the range of the scores, the largest left out
    class-balanced        equally many of every class, the largest scores inside a class
    guarded               the largest scores, but no class far below its share
    beta                  drawn by the score and by the mean probability of the true class   (`weighted_samplers`)
    importance-sampling   drawn with a probability that grows with the score                  (`weighted_samplers`)

Any score goes with any sampler. Scores are larger = keep first: most measure how hard a sample is. An infinite score
counts as the largest or smallest finite one, except in `top`.

With `balance: class` every class keeps its share of the samples, and the sampler works inside each class.
`class-balanced` sets the number of each class by itself: equal, where the share would keep a skew.

Work: every sampler takes the n comparisons of a selection, and what its own text says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from edgesim.config.checked_dataclass import checked_dataclass
from edgesim.config.plausible import Bounded, PlausibleRange
from edgesim.pruning.budgets import Part, class_budgets, even_shares, top_k, top_of_parts
from edgesim.work import FloatArray, IntArray, Work

_EQUAL = 1e-12
"""Scores whose whole range is below this share of their size are equal."""


@dataclass(frozen=True)
class ScoredShard:
    """Scores of a shard, with all else that a sampler may read."""

    scores: FloatArray
    """[n] float64, larger = keep first; no NaN"""
    labels: IntArray
    """[n]"""
    probability: FloatArray | None
    """[n] mean probability that the network gave to the true class; None where the method has none"""
    rng: Callable[[str], np.random.Generator]
    """purpose -> a fresh generator at the start of the method's own stream on this device"""

    @property
    def finite(self) -> FloatArray:
        """[n] the scores, infinite ones as the largest or smallest finite one."""
        known = self.scores[np.isfinite(self.scores)]
        if len(known) == len(self.scores):
            return self.scores
        low, high = (known.min(), known.max()) if len(known) else (0.0, 0.0)
        return np.clip(self.scores, low, high)


@dataclass(frozen=True)
class SampledSubset:
    """A subset that a sampler chose."""

    positions: IntArray
    """exactly as many unique positions as the parts' budgets, in any order"""
    weights: FloatArray | None = None
    """loss weights aligned with `positions`; None = all one"""
    notes: Mapping[str, float | str] = field(default_factory=dict)
    """numbers to be remembered with the trial"""


class SubsetSampler:
    """Base class of the samplers: frozen dataclasses whose fields are their parameters."""

    name: ClassVar[str]
    """row of the table of samplers"""
    sets_class_shares: ClassVar[bool] = False
    """it chooses how many samples of each class are kept, so that `balance: class` contradicts it"""

    def choose(self, scored: ScoredShard, parts: Sequence[Part]) -> SampledSubset:
        """As many samples of every part as its budget.

        Args:
            scored: the shard with its scores.
            parts: disjoint, of all samples together; at least one has a budget.
        """
        raise NotImplementedError

    def work(self, n: int) -> Work:
        """Work beyond the n comparisons of a selection, whatever the budget."""
        return Work()


@checked_dataclass()
class Top(SubsetSampler):
    """the largest scores; ties go to the lower index"""

    name: ClassVar[str] = "top"

    def choose(self, scored: ScoredShard, parts: Sequence[Part]) -> SampledSubset:
        """The largest scores of every part."""
        return SampledSubset(top_of_parts(scored.scores, parts))


def without_hardest(scores: npt.ArrayLike, k: int, cutoff: float) -> IntArray:
    """Positions that are left once the `cutoff` hardest share is dropped, at least k; sorted, ties keep the lower.

    Args:
        scores: float array [n], larger = harder.
        k: 1 <= k <= n.
        cutoff: share in [0, 1); rounded down to whole samples.
    """
    values = np.asarray(scores, dtype=np.float64)
    dropped = min(int(cutoff * len(values) + 1e-9), len(values) - k)
    return np.sort(np.argsort(values, kind="stable")[: len(values) - dropped]).astype(np.int64)


def strata_of(scores: npt.ArrayLike, strata: int) -> IntArray:
    """The interval of equal width that each score lies in, int64 [n] in [0, strata); 0 where all are equal.

    Args:
        scores: float array [n], n >= 1.
        strata: number of intervals between the smallest and the largest score.
    """
    values = np.asarray(scores, dtype=np.float64)
    low, high = values.min(), values.max()
    if high - low <= _EQUAL * max(abs(low), abs(high)):
        return np.zeros(len(values), dtype=np.int64)
    return np.minimum((values - low) / (high - low) * strata, strata - 1).astype(np.int64)


def stratified(groups: npt.ArrayLike, k: int, places: npt.ArrayLike) -> IntArray:
    """k positions with an equal share from every group, smallest group first (Zheng et al. 2023, Algorithm 1).

    Args:
        groups: int array [n], the stratum of each sample.
        k: 1 <= k <= n.
        places: float or int array [n], all different; within a group the lowest are chosen.

    Returns: int64 [k], sorted.
    """
    stratum, order = np.asarray(groups), np.asarray(places)
    names, sizes = np.unique(stratum, return_counts=True)
    chosen = []
    for name, share in zip(names, even_shares(sizes, k), strict=True):
        members = np.flatnonzero(stratum == name)
        chosen.append(members[np.argsort(order[members], kind="stable")[:share]])
    return np.sort(np.concatenate(chosen)).astype(np.int64)


@checked_dataclass()
class Stratified(Bounded, SubsetSampler):
    """even over the range of the scores, the largest scores left out (coverage-centric selection)

    Zheng et al. 2023, Algorithm 1, of which method `ccs` is made, too:

    1. Drop the `cutoff` share with the largest scores: often mislabelled or hopeless.
    2. Cut the range of the scores that are left into `strata` intervals of equal width; empty ones do not count.
    3. From the smallest stratum to the largest, each gets an equal share of the budget that is left, chosen uniformly.

    Equal scores are one stratum. Where fewer than k samples would be left, fewer are dropped. Notes: `cutoff`, the
    share dropped, and `strata`, those that were not empty. The order inside a stratum is one random permutation per
    device, whatever the budget. Work: n comparisons for the cut, 3 operations per sample for the strata.
    """

    cutoff: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """share of the shard that is dropped, largest scores first"""
    strata: Annotated[int, Field(ge=1), PlausibleRange(1, 100_000)] = 50
    """intervals of equal width that the scores are cut into"""

    name: ClassVar[str] = "stratified"

    def choose(self, scored: ScoredShard, parts: Sequence[Part]) -> SampledSubset:
        """The three steps, within every part."""
        scores, n = scored.finite, len(scored.labels)
        places = scored.rng("strata").permutation(n)
        chosen, left, filled = [], 0, 0
        for members, budget in parts:
            if not budget:
                left += len(members)
                continue
            pool = members[without_hardest(scores[members], budget, self.cutoff)]
            groups = strata_of(scores[pool], self.strata)
            chosen.append(pool[stratified(groups, budget, places[pool])])
            left, filled = left + len(pool), filled + len(np.unique(groups))
        return SampledSubset(np.concatenate(chosen), notes={"cutoff": (n - left) / n, "strata": float(filled)})

    def work(self, n: int) -> Work:
        """The cut is a selection of its own; a stratum takes three operations."""
        return Work(comparisons=n, other_flops=3.0 * n)


@checked_dataclass()
class ClassBalanced(SubsetSampler):
    """equally many samples of every class, the largest scores inside a class

    A class that is too small gives all that it has, and the others share what it lacks (`budgets.even_shares`). Where
    the budget is smaller than the number of classes, the largest classes give one sample each. It differs from
    `balance: class`, which keeps every class's share of the shard. Where that is a method's default (herding,
    cg-score), it still says that the score is measured within each class. Work: one operation per sample, to count the
    classes.
    """

    name: ClassVar[str] = "class-balanced"
    sets_class_shares: ClassVar[bool] = True

    def choose(self, scored: ScoredShard, parts: Sequence[Part]) -> SampledSubset:
        """The largest scores of every class."""
        classes, sizes = np.unique(scored.labels, return_counts=True)
        shares = even_shares(sizes, sum(budget for _, budget in parts))
        own = [Part(np.flatnonzero(scored.labels == c), int(k)) for c, k in zip(classes, shares, strict=True)]
        return SampledSubset(top_of_parts(scored.scores, own))

    def work(self, n: int) -> Work:
        """Counting the classes."""
        return Work(other_flops=float(n))


def guarded_top_k(scores: FloatArray, labels: IntArray, k: int, guard: float) -> IntArray:
    """The k largest scores, but no class below `guard` of its balanced share; sorted, ties to the lower index.

    Args:
        scores: float array [n].
        labels: int array [n].
        k: 1 <= k <= n.
        guard: in [0, 1]; 0 = scores alone, 1 = exact class shares.
    """
    chosen = np.zeros(len(scores), dtype=bool)
    for label, share in class_budgets(labels, k).items():
        least = math.ceil(guard * share - 1e-9)
        members = np.flatnonzero(labels == label)
        if least:
            chosen[members[top_k(scores[members], least)]] = True
    rest = np.flatnonzero(~chosen)
    missing = k - int(chosen.sum())
    if missing:
        chosen[rest[top_k(scores[rest], missing)]] = True
    return np.flatnonzero(chosen)


@checked_dataclass()
class Guarded(SubsetSampler):
    """the largest scores, but at least `guard` of every class's share of the samples (Sorscher et al. 2022)

    What the shares leave goes by score alone. `prototypes` chooses with it where the scenario names no sampler.
    """

    guard: Annotated[float, Field(ge=0, le=1)] = 0.5
    """part of its share of the samples that each class keeps at least"""

    name: ClassVar[str] = "guarded"

    def choose(self, scored: ScoredShard, parts: Sequence[Part]) -> SampledSubset:
        """The shares and the rest, within every part."""
        chosen = [members[guarded_top_k(scored.scores[members], scored.labels[members], budget, self.guard)]
                  for members, budget in parts if budget]  # fmt: skip
        return SampledSubset(np.concatenate(chosen))
