"""Repeated random sampling, RS2 (Okanovic et al. 2024): a new random subset of k samples in every epoch.

    without replacement    a random order of the shard is cut into consecutive pieces of k, one per epoch; a new order
                           follows at its end, so that all samples are visited equally often
    with replacement       every epoch draws its k of n samples independently of the others

Within an epoch no sample comes twice. Steps and schedule are those of a fixed subset of k samples: E·ceil(k/B) steps,
E·k visits. At k = n it is `full`, bit for bit.

With `balance: class` the order spreads every class evenly (`pruning.class_even`). Any k samples in a row then have
nearly k/n of every class.

There is no score. The device keeps all of its n samples: that is its `subset_size`. So time and energy of training are
saved, and no storage.

Deviation: a piece that goes on in a new order takes from it the first samples that it does not have yet.

Work: a new order counts n comparisons, as the choice of a fixed random subset does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np

from edgesim.config.checked_dataclass import checked_dataclass
from edgesim.models.network_costs import NetworkShape
from edgesim.pruning.base import Method, OwnWork, ScoreContext, Scoring, Shard, SubsetChoice
from edgesim.pruning.class_even import even_order
from edgesim.training.needs import Needs
from edgesim.training.sampling import Draw, Visits
from edgesim.work import FloatArray, IntArray, Work


@dataclass(frozen=True)
class Rs2Sampler:
    """Draws the subset of every epoch (`training.sampling.EpochSampler`)."""

    size: int
    """n"""
    budget: int
    """k < n"""
    replacement: bool
    balanced: bool
    labels: IntArray = field(repr=False, compare=False)
    """[n]; the same for all samplers of a device"""

    def visits(self, epochs: int) -> Visits:
        """k samples in every epoch."""
        return ((self.budget,),) * epochs

    def draws(self, epochs: int, losses: FloatArray, rng: np.random.Generator) -> Iterator[Draw]:
        """A new subset for every epoch."""
        left = np.empty(0, dtype=np.int64)
        for _ in range(epochs):
            if self.replacement or not len(left):
                left = self.order(rng)
            if len(left) >= self.budget:
                piece, left = left[: self.budget], left[self.budget :]
            else:
                order = self.order(rng)
                added = order[~np.isin(order, left)][: self.budget - len(left)]
                piece, left = np.concatenate([left, added]), order[~np.isin(order, added)]
            yield Draw(piece)

    def order(self, rng: np.random.Generator) -> IntArray:
        """A random order of the shard, int64 [n]; balanced: with every class spread evenly over it."""
        return even_order(self.labels, rng) if self.balanced else rng.permutation(self.size)


@checked_dataclass()
class Rs2(Method):
    """dynamic: a new random subset in every epoch"""

    replacement: bool = False
    """draw every epoch's subset from all samples, instead of going through all of them piece by piece"""
    balance: Literal["none", "class"] = "none"
    """class: every epoch has each class in its proportion"""

    source: ClassVar[str] = "Okanovic et al. 2024"
    cost_class: ClassVar[str] = "free"
    by_chance: ClassVar[bool] = True
    dynamic: ClassVar[bool] = True

    def needs(self, shard: Shard) -> Needs:
        """Nothing."""
        return Needs()

    def expected(self, shard: Shard, network: NetworkShape, k: int) -> OwnWork:
        """The orders that are drawn, and k visits in every epoch."""
        return OwnWork(self._ordering(shard, k), visits=(k,) * shard.epochs)

    def choose(self, context: ScoreContext, k: int) -> SubsetChoice:
        """All positions, and the sampler that visits k of them in every epoch."""
        shard = context.shard
        everything = np.arange(shard.size)
        if k == shard.size:  # full training
            return SubsetChoice(everything)
        sampler = Rs2Sampler(shard.size, k, self.replacement, self.balance == "class", shard.labels)
        return SubsetChoice(
            everything, scoring=Scoring(np.zeros(shard.size), self._ordering(shard, k)), epoch_sampler=sampler
        )

    def _ordering(self, shard: Shard, k: int) -> Work:
        """Of all random orders: one per epoch, or one per pass over the shard."""
        if k == shard.size:
            return Work()
        orders = shard.epochs if self.replacement else -(-shard.epochs * k // shard.size)
        return Work(comparisons=shard.size * orders)
