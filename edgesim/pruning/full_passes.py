"""Training on all samples for a part of the steps, shared by the methods that have no subset.

A budget of k of n samples buys as many steps as k/n of full training has:

    T = max(1, round(k/n · E · ceil(n/B)))          in epochs over all n samples, the last one cut off after step T

The factor is k/n, not the given keep ratio, so that the cost is that of a fixed subset of k samples. On small shards
the two differ: 0.3 of 5 samples are 2.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from edgesim.pruning.base import Shard
from edgesim.pruning.class_even import Classes, even_order
from edgesim.training.sampling import Draw, Visits
from edgesim.work import FloatArray, IntArray


def steps_for(shard: Shard, k: int) -> int:
    """T: the steps that a budget of k samples buys."""
    return max(1, round(k * shard.full_steps / shard.size))


def pass_sizes(n: int, batch_size: int, steps: int) -> tuple[int, ...]:
    """Samples visited in each epoch of so many steps over n samples, the last batch of a whole epoch at its real size.

    Args:
        n: samples, >= 1.
        batch_size: B.
        steps: T, >= 1.
    """
    full, rest = divmod(steps, -(-n // batch_size))
    return (n,) * full + ((rest * batch_size,) if rest else ())


def uniform(n: int, visits: int, rng: np.random.Generator) -> IntArray:
    """Places of a pass over n samples that ends after `visits` visits: each at most once, all equally likely."""
    return np.arange(n) if visits == n else rng.choice(n, visits, replace=False)


def a_pass(n: int, visits: int, classes: Classes | None, rng: np.random.Generator) -> Draw:
    """The draw of a pass that ends after `visits` visits: uniform, or with every class spread evenly over its batches.

    Args:
        n: samples.
        visits: 1 to n.
        classes: where they are to be spread; None = uniform.
        rng: random numbers.
    """
    if classes is None:
        return Draw(uniform(n, visits, rng))
    return Draw(even_order(classes.labels, rng)[:visits], in_order=True)


@dataclass(frozen=True)
class Passes:
    """Uniform passes over all samples, cut off after some steps (`training.sampling.EpochSampler`)."""

    size: int
    """n"""
    batch_size: int
    steps: int
    """T"""
    classes: Classes | None = None
    """where every batch is to have the class shares of the shard"""

    def visits(self, epochs: int) -> Visits:
        """One draw per epoch, of as many epochs as the steps fill or begin."""
        return tuple((size,) for size in pass_sizes(self.size, self.batch_size, self.steps))

    def draws(self, epochs: int, losses: FloatArray, rng: np.random.Generator) -> Iterator[Draw]:
        """All samples; of the last epoch maybe a random part."""
        for size in pass_sizes(self.size, self.batch_size, self.steps):
            yield a_pass(self.size, size, self.classes, rng)
