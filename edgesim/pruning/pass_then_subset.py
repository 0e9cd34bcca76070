"""One pass over a shard as the beginning of a training that goes on with a subset, within a budget of steps.

A budget of k of n samples buys T steps (`pruning.full_passes`). The first S = ceil(n/B) of them visit every sample
once, with each class spread evenly. The T − S steps after them are class-even passes over a subset of k. The cost is
that of k samples from the start, and nothing that the pass learns is thrown away.

The pass tests each batch before it trains on it ("test, then train", Gama et al. 2013). So the losses of its second
half are those of a hold-out of the device's own data, and cost nothing. They decide between two subsets:

- random, where nothing speaks for the losses: scores gained nothing over it on clean data (docs, "Choosing by device");
- even over the losses of the pass, the largest fifth left out (sampler `stratified`), where the hold-out shows samples
  that cannot be learnt, such as wrong labels: the median of its losses is at most `LEARNT` of the untrained network's,
  and yet at least the share `HOPELESS` of them is above it. That one is the mean loss of the first batch.

Either way every class keeps its share. Once the subset is chosen the device needs no other sample.

Work beside training: n comparisons for the order of the pass and k for that of each later one, 2n for the hold-out,
and the work of the sampler, whichever subset it is. The n comparisons of every selection come on top.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from edgesim.pruning.budgets import class_balanced_top_k, parts_of
from edgesim.pruning.class_even import Classes, even_order
from edgesim.pruning.full_passes import pass_sizes
from edgesim.pruning.subset_samplers import ScoredShard, Stratified
from edgesim.training.sampling import Draw, Kept, Visits
from edgesim.work import FloatArray, IntArray, Work

_EVEN = Stratified(cutoff=0.2)
LEARNT, HOPELESS = 0.75, 0.15
"""chosen on clean labels and with 5 and 20 % of wrong ones: digits, Fashion-MNIST and CIFAR-10, mlp and small-cnn"""
AT_RANDOM = "random subset with the class shares after one pass"
BY_LOSS = "subset even over the losses of one pass, without the largest fifth, with the class shares"


@dataclass(frozen=True)
class PassThenSubset:
    """Visits all samples once, then a subset (`training.sampling.EpochSampler`)."""

    size: int
    """n"""
    batch_size: int
    steps: int
    """T, more than one pass has"""
    kept: int
    """k"""
    classes: Classes
    why: str
    """reason why only a subset is stored, for the note"""

    @property
    def subset_passes(self) -> tuple[int, ...]:
        """Samples visited in each pass over the subset."""
        return pass_sizes(self.kept, self.batch_size, self.steps - -(-self.size // self.batch_size))

    @property
    def work(self) -> Work:
        """Orders, the hold-out, and the sampler."""
        compared = self.size + self.kept * len(self.subset_passes) + 2 * self.size
        return Work(comparisons=compared) + _EVEN.work(self.size)

    def visits(self, epochs: int) -> Visits:
        """All samples, then the passes over the subset."""
        return ((self.size,), *((visited,) for visited in self.subset_passes))

    def draws(self, epochs: int, losses: FloatArray, rng: np.random.Generator) -> Iterator[Draw]:
        """The pass, and after it the subset that its losses lead to."""
        order = even_order(self.classes.labels, rng)
        yield Draw(order, in_order=True)
        kept = self.subset(losses, order, rng)
        labels = self.classes.labels[kept.places]
        for visited in self.subset_passes:
            yield Draw(kept.places[even_order(labels, rng)[:visited]], in_order=True, kept=kept)

    def subset(self, losses: FloatArray, order: IntArray, rng: np.random.Generator) -> Kept:
        """The subset after the pass.

        Args:
            losses: [n] of each sample at its visit, before the step that it was part of.
            order: [n] places in the order of the pass.
            rng: random numbers.
        """
        labels = self.classes.labels
        untrained = float(losses[order[: self.batch_size]].mean())
        held_out = losses[order[self.size // 2 :]]
        hopeless = float((held_out > untrained).mean())
        learnt = float(np.median(held_out)) / untrained if untrained > 0 else 1.0  # of one class all losses are 0
        facts = {"hold_out_loss": learnt, "hold_out_hopeless": hopeless}
        if learnt > LEARNT or hopeless < HOPELESS:
            chosen = class_balanced_top_k(rng.random(self.size), labels, self.kept)
            return Kept(chosen, {**facts, "auto": f"{AT_RANDOM}: {self.why}"})
        scored = ScoredShard(losses, labels, None, lambda purpose: rng)
        drawn = _EVEN.choose(scored, parts_of(labels, self.kept, "class"))
        return Kept(np.sort(drawn.positions), {**facts, **drawn.notes, "auto": f"{BY_LOSS}: {self.why}"})
