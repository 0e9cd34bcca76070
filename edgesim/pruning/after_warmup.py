"""Use of a method's warm-up once its subset is chosen: the key `after_warmup` of every method that has a warm-up.

    reset       training starts anew from the initial weights
    continue    training starts from the weights of the warm-up, with a new optimiser and the whole schedule
    counts      the warm-up is the beginning of the training, which goes on with the subset

With `counts` the first W epochs of training visit all n samples and are observed. Then the subset is chosen, and the
same training goes on with it: the same weights, optimiser, random streams and schedule. Nothing is thrown away:

    work charged = W + rho·(E - W) epochs of the shard,    rho = k / n

W is T0 rounded up to whole epochs. These steps are training in the records, not scoring: the scoring is what else the
method asks for, such as forward passes over the shard, and the selection. The learning rate follows the progress in
epochs: the subset's part begins at W of E, however few its steps. With k = n this is full training, bit for bit.

Where one selection serves several trainings (`training.repeats`), each of them is priced with its own W epochs.

The device holds all n samples during the W epochs, as every method does that scores; `subset_size` is k. Where T0 is
all of training, the subset comes too late: the trial is full training, and keeps all n.

Every training of a device draws its order and its noise from the same streams. So the warm-up that is observed for the
scores is the beginning of every training that counts it, and this machine may compute it anew for each.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from edgesim.formatting import n_of
from edgesim.training.needs import Needs
from edgesim.training.sampling import Draw, Visits
from edgesim.training.settings import Warmup
from edgesim.work import FloatArray, IntArray

if TYPE_CHECKING:
    from edgesim.pruning.base import Method, Shard


@dataclass(frozen=True)
class WarmupUse:
    """A method's warm-up on one shard, and its share of the training."""

    method: Method
    """as it scores: with a warm-up of whole epochs where that counts"""
    shard: Shard
    """as it is told to the method"""
    needs: Needs
    epochs: int = 0
    """W, epochs of training on all samples before the subset; 0 where the warm-up does not count"""

    @property
    def is_full_training(self) -> bool:
        """True where the warm-up that counts is all of training, so that no subset is trained on."""
        return 0 < self.shard.epochs <= self.epochs

    def visits(self, k: int) -> tuple[int, ...] | None:
        """Samples that each epoch of training visits; None where the warm-up does not count."""
        n, left = self.shard.size, self.shard.epochs - self.epochs
        return (n,) * self.epochs + (k,) * left if self.epochs else None

    def kept(self, k: int) -> int:
        """Samples that the device stores for training at a budget of k: `subset_size` of a record."""
        return self.shard.size if self.is_full_training else self.method.kept_samples(self.shard, k)


def use_of(method: Method, shard: Shard) -> WarmupUse:
    """The warm-up that a method asks for on a shard, as `after_warmup` uses it."""
    if method.after_warmup != "counts":
        needs = method.needs(shard)
        return WarmupUse(method, shard, replace(needs, keep_weights=True) if _goes_on(method, needs) else needs)
    method, shard = _in_whole_epochs(method, shard)
    needs = method.needs(shard).clipped(shard.full_steps)
    if not needs.steps:
        return WarmupUse(method, shard, needs)
    each = -(-shard.size // shard.batch_size)
    epochs = -(-needs.steps // each)
    moved = tuple(epochs * each if at == needs.steps else at for at in needs.snapshots)
    return WarmupUse(method, shard, replace(needs, steps=epochs * each, snapshots=moved, counts=True), epochs)


def late_subsets(methods: Mapping[str, Method], shards: Sequence[Shard]) -> list[str]:
    """A sentence for each method whose warm-up is all of training on some shards, so that no subset is trained on.

    Args:
        methods: label -> method.
        shards: of all devices.
    """
    found = []
    for label, method in methods.items():
        counting = shards if method.after_warmup == "counts" else ()
        late = sum(use_of(method, shard).is_full_training for shard in counting)
        if late:
            where = f"{late:,} of {n_of(len(shards), 'shard')}"
            why = f"its warm-up counts and is all {n_of(shards[0].epochs, 'epoch')} of training"
            found.append(f"{label} is full training on {where}: {why}; shorten the warm-up or train longer")
    return found


def _goes_on(method: Method, needs: Needs) -> bool:
    return method.after_warmup == "continue" and needs.steps > 0


def _in_whole_epochs(method: Method, shard: Shard) -> tuple[Method, Shard]:
    """The method and the shard with the scenario's T0, and a T0 of the method's own, rounded up to whole epochs."""
    each = -(-shard.size // shard.batch_size)

    def rounded(steps: int) -> int:
        return min(-(-steps // each) * each, shard.full_steps)

    own = getattr(method, "warmup", None)
    if isinstance(own, Warmup):
        changed = copy.copy(method)
        whole = Warmup(iterations=rounded(min(own.steps(shard.size, shard.batch_size), shard.full_steps)))
        object.__setattr__(changed, "warmup", whole)  # methods are frozen dataclasses
        method = changed
    return method, replace(shard, warmup_steps=rounded(shard.warmup_steps))


@dataclass(frozen=True)
class WarmupThenSubset:
    """Visits all samples for W epochs, then a subset (`training.sampling.EpochSampler`)."""

    size: int
    """n"""
    epochs: int
    """W"""
    positions: IntArray = field(repr=False)
    """[k] the subset"""
    weights: FloatArray | None = field(default=None, repr=False)
    """[k] loss weights, scaled here to a mean of one; None = all one"""

    def visits(self, epochs: int) -> Visits:
        """n in the first epochs, k in the others."""
        first = min(self.epochs, epochs)
        return ((self.size,),) * first + ((len(self.positions),),) * (epochs - first)

    def draws(self, epochs: int, losses: FloatArray, rng: np.random.Generator) -> Iterator[Draw]:
        """All samples, then the subset."""
        scaled = None if self.weights is None else self.weights * (len(self.weights) / self.weights.sum())
        for epoch in range(epochs):
            yield Draw(np.arange(self.size)) if epoch < self.epochs else Draw(self.positions, scaled)
