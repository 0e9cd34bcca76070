"""CCS, coverage-centric selection (Zheng et al. 2023, Algorithm 1): random, but even over easy and hard.

1. Drop the `cutoff` hardest share, by a base score: often mislabelled or hopeless.
2. Cut the range of the scores that are left into `strata` intervals of equal width; empty ones do not count.
3. Go from the stratum with the fewest samples to the one with the most. Each gets an equal share of the budget that is
   left, at most all of its samples, chosen uniformly.

Shapes: base scores [n], larger = harder. Equal scores are one stratum. Where fewer than k samples would be left, less
is dropped (notes: `cutoff`, the share really dropped, and `strata`, those that were not empty). Inside a stratum the
order is one random permutation per device, whatever the budget.

Base score: read from the shared warm-up, in the state that its own method says. The default is `importance` (average
loss). It needs only a loss per sample, so it serves every task, and it has many distinct values after a short warm-up.
The paper's own choice is `aum`.

Deviations: the base score is read after the device's warm-up and not after 200 epochs. The paper tunes the cutoff:
the smaller the ratio, the larger the cut. Here it is one field, small by default. With `balance: class` the
three steps are taken within each class.

Complexity: O(n log n) beyond the base score.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from edgesim.config.checked_dataclass import checked_dataclass
from edgesim.config.plausible import Bounded, PlausibleRange
from edgesim.models.network_costs import NetworkShape
from edgesim.pruning.aum import Aum
from edgesim.pruning.base import Method, OwnWork, ScoreContext, Shard, SubsetChoice
from edgesim.pruning.el2n import El2n
from edgesim.pruning.forgetting import Forgetting
from edgesim.pruning.importance import Importance
from edgesim.pruning.selection import class_budgets
from edgesim.training.needs import Needs
from edgesim.training.settings import Warmup
from edgesim.work import IntArray, Work

_BASES: dict[str, type[Importance] | type[Aum] | type[El2n] | type[Forgetting]] = {
    "importance": Importance,
    "aum": Aum,
    "el2n": El2n,
    "forgetting": Forgetting,
}
_EQUAL = 1e-12
"""Scores whose whole range is below this share of their size are equal."""


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
    chosen, missing = [], k
    for i, at in enumerate(np.argsort(sizes, kind="stable")):
        share = min(int(sizes[at]), missing // (len(names) - i))
        members = np.flatnonzero(stratum == names[at])
        chosen.append(members[np.argsort(order[members], kind="stable")[:share]])
        missing -= share
    return np.sort(np.concatenate(chosen)).astype(np.int64)


@checked_dataclass()
class Ccs(Bounded, Method):
    """even over the strata of a base score, the hardest left out"""

    base: Literal["importance", "aum", "el2n", "forgetting"] = "importance"
    """the score that is cut into strata"""
    cutoff: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """share of the shard that is dropped as too hard"""
    strata: Annotated[int, Field(ge=1), PlausibleRange(1, 100_000)] = 50
    """intervals of equal width that the scores are cut into"""
    balance: Literal["none", "class"] = "none"
    """class: every class keeps its share of the samples; none: the strata are those of the shard as a whole"""
    warmup: Warmup | None = None
    """length of this method's warm-up; left out: that of `pruning.warmup`"""

    source: ClassVar[str] = "Zheng et al. 2023"
    cost_class: ClassVar[str] = "warm-up"

    def needs(self, shard: Shard) -> Needs:
        """Needs of the base score."""
        return self._base().needs(shard)

    def expected(self, shard: Shard, network: NetworkShape, k: int) -> OwnWork:
        """Work of the base score, the cut and the strata."""
        base = self._base()
        own = base.expected(shard, network, k) if not isinstance(base, Importance) else OwnWork()
        return OwnWork(own.work + Work(comparisons=shard.size, other_flops=3.0 * shard.size), own.trace)

    def choose(self, context: ScoreContext, k: int) -> SubsetChoice:
        """Stratified choice of k; the scores that are reported are the base's."""
        scoring = self._base().score(context)
        n, labels = context.shard.size, context.shard.labels
        places = context.rng("strata").permutation(n)
        budgets = class_budgets(labels, k) if self.balance == "class" else {None: k}
        chosen, left, filled = [], 0, 0
        for label, budget in budgets.items():
            members = np.arange(n) if label is None else np.flatnonzero(labels == label)
            if not budget:
                left += len(members)
                continue
            pool = members[without_hardest(scoring.scores[members], budget, self.cutoff)]
            groups = strata_of(scoring.scores[pool], self.strata)
            chosen.append(pool[stratified(groups, budget, places[pool])])
            left, filled = left + len(pool), filled + len(np.unique(groups))
        notes = {**scoring.notes, "cutoff": (n - left) / n, "strata": float(filled)}
        # The cut is a selection of its own, beside the one over places; a stratum takes three operations.
        work = scoring.work + Work(comparisons=n, other_flops=3.0 * n)
        return SubsetChoice(np.concatenate(chosen), scoring=replace(scoring, work=work, notes=notes))

    def _base(self) -> Importance | Aum | El2n | Forgetting:
        return _BASES[self.base](warmup=self.warmup)
