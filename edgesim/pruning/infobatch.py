"""InfoBatch: unbiased dynamic pruning (Qin et al. 2024). Chooses anew in every epoch; keeps no fixed subset.

Each sample has the last loss that training saw of it. H are the samples at or above the mean of these losses, L those
below it, and b_e the visits of epoch e:

    visit all of H with loss weight 1, and a random share 1 − r of L with loss weight 1/(1 − r)          pruned epochs
    visit everything with loss weight 1                                            the last `anneal` share of the epochs

So the expected weighted sum of losses over an epoch is the sum over the whole shard. There is no score. A budget of k
samples means exactly k·epochs visits in all, as with a fixed subset of k; the device stores all of its n samples.

Deviations
- The paper fixes r (0.5), and the number of visits follows. Here the number of visits is fixed in advance, the same in
  every pruned epoch (to within one), and r follows: 1 − r = (b_e − |H|)/|L|.
- Where b_e is too small for all of H and a share 1 − `max_r` of L, both are thinned out. L keeps at least 1 − `max_r`
  of the share of H, and each weight is the inverse of its share: still unbiased. `max_r` is the paper's r.
- No weight of an epoch is more than 1/(1 − `max_r`) times another. Where no whole numbers of visits allow that, as in
  shards of a few samples, the epoch draws uniformly from all.
- A sample that was never visited counts to H. So the first epoch draws uniformly, where the paper's visits everything.
- The last epochs are full, as many as `anneal` says, as long as the others keep half of an even share of the visits. At
  small keep ratios there are none.
- `rescale: mean` divides the weights of an epoch by their mean n/b_e. The published weights multiply the mean loss of a
  batch, and so the step of plain SGD, by n/b_e. That is 1.4 for the published r, but 10 at a keep ratio of 0.1, where
  training may diverge.

Work: no warm-up; the training as `training.loop.fit` counts it; n comparisons and a mean per pruned epoch.
The device keeps all of its n samples: that is its `subset_size`, whatever the keep ratio.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from edgesim.config.checked_dataclass import checked_dataclass
from edgesim.models.network_costs import NetworkShape
from edgesim.pruning.base import Method, OwnWork, ScoreContext, Scoring, Shard, SubsetChoice
from edgesim.training.needs import Needs
from edgesim.training.sampling import Draw, Visits
from edgesim.work import FloatArray, Work

Rescale = Literal["sum", "mean"]


@dataclass(frozen=True)
class InfoBatchSampler:
    """Draws the visits of every epoch (`training.sampling.EpochSampler`)."""

    size: int
    """n, samples of the shard"""
    budget: int
    """k; the visits of all epochs together are k·epochs"""
    anneal: float = 0.125
    max_r: float = 0.5
    rescale: Rescale = "sum"

    def sizes(self, epochs: int) -> tuple[int, ...]:
        """Visits of each epoch: k·epochs in all, each between 1 and n; the full epochs are the last ones."""
        visits, full = self.budget * epochs, round(self.anneal * epochs)
        while full and not self._affordable(full, epochs):
            full -= 1
        pruned = epochs - full
        if pruned == 0:
            return (self.size,) * epochs
        each, more = divmod(visits - full * self.size, pruned)
        return (each + 1,) * more + (each,) * (pruned - more) + (self.size,) * full

    def _affordable(self, full: int, epochs: int) -> bool:
        """True where `full` whole epochs leave the others at least one visit and half of their even share."""
        left, pruned = self.budget * epochs - full * self.size, epochs - full
        return left >= pruned and 2 * left >= self.budget * pruned

    def visits(self, epochs: int) -> Visits:
        """One draw per epoch."""
        return tuple((size,) for size in self.sizes(epochs))

    def draws(self, epochs: int, losses: FloatArray, rng: np.random.Generator) -> Iterator[Draw]:
        """The draw of each epoch."""
        for visits in self.sizes(epochs):
            yield self.draw(visits, losses, rng)

    def draw(self, visits: int, losses: FloatArray, rng: np.random.Generator) -> Draw:
        """Samples and weights of an epoch with so many visits, by the losses that training saw last (NaN: not yet)."""
        if visits == self.size:
            return Draw(np.arange(self.size), np.ones(self.size))
        seen = losses[~np.isnan(losses)]
        below = losses < seen.mean() if seen.size else np.zeros(self.size, dtype=bool)  # NaN is not below anything
        high, low = np.flatnonzero(~below), np.flatnonzero(below)
        from_high = high_visits(len(high), len(low), visits, self.max_r)
        strata = [(high, from_high), (low, visits - from_high)] if from_high else [(np.arange(self.size), visits)]
        places = np.concatenate([rng.choice(members, count, replace=False) for members, count in strata])
        weights = np.concatenate([np.full(count, len(members) / count) for members, count in strata])
        return Draw(places, weights if self.rescale == "sum" else weights * (visits / self.size))


def high_visits(high: int, low: int, visits: int, max_r: float) -> int:
    """Visits of an epoch to the samples at or above the mean loss; the others get the rest.

    The share of the samples below is between 1 − max_r times the share of those above, and that share itself. Then no
    loss weight is more than 1/(1 − max_r) times another.

    Args:
        high: number of samples at or above the mean.
        low: number of samples below it.
        visits: of the epoch, 1 <= visits < high + low.
        max_r: in [0, 1).

    Returns: a number from 1 to `high` that leaves from 1 to `low`; 0 where none keeps to that.
    """
    if not (high and low):
        return 0
    wanted = min(math.floor(visits * high / (high + (1.0 - max_r) * low) + 1e-9), high)
    return wanted if wanted * (high + low) >= visits * high else 0


@checked_dataclass()
class Infobatch(Method):
    """dynamic: each epoch visits all samples above the mean loss and a random, up-weighted share of the rest"""

    anneal: Annotated[float, Field(ge=0, lt=1)] = 0.125
    """share of the epochs, the last ones, that visit every sample (1 - delta in the paper)"""
    max_r: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """largest share of the samples below the mean that an epoch leaves out, relative to those above"""
    rescale: Rescale = "sum"
    """weights of the visited losses keep the sum over an epoch (sum, as the paper), or the mean over a batch (mean)"""

    source: ClassVar[str] = "Qin et al. 2024"
    cost_class: ClassVar[str] = "no warm-up; chooses while training"
    dynamic: ClassVar[bool] = True

    def needs(self, shard: Shard) -> Needs:
        """Nothing: training itself shows the losses."""
        return Needs()

    def expected(self, shard: Shard, network: NetworkShape, k: int) -> OwnWork:
        """The choices of the pruned epochs, and the visits of every epoch of training."""
        sizes = InfoBatchSampler(shard.size, k, self.anneal, self.max_r).sizes(shard.epochs)
        return OwnWork(_choosing(shard.size, len(sizes) - sizes.count(shard.size)), visits=sizes)

    def choose(self, context: ScoreContext, k: int) -> SubsetChoice:
        """All positions, and the sampler that visits k·epochs of them in all."""
        n = context.shard.size
        sampler = InfoBatchSampler(n, k, self.anneal, self.max_r, self.rescale)
        sizes = sampler.sizes(context.shard.epochs)
        full = sizes.count(n)
        work = _choosing(n, len(sizes) - full)
        scoring = Scoring(np.zeros(n), work, notes={"full_epochs": float(full)})  # no score: all are kept alike
        return SubsetChoice(np.arange(n), scoring=scoring, epoch_sampler=sampler)


def _choosing(n: int, pruned: int) -> Work:
    """Of `pruned` epochs that choose."""
    return Work(comparisons=n * pruned, other_flops=float(n * pruned))
