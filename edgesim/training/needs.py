"""Observations of the warm-up that a method asks for. Imports no torch, so that scenarios are checked without it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from edgesim.work import StepTrace, Work


@dataclass(frozen=True)
class Needs:
    """Observations that a method asks for."""

    steps: int = 0
    """T0; 0 = no warm-up"""
    record: frozenset[str] = frozenset()
    """quantities of every presentation in a mini-batch: "loss", "correct", "logits", "embedding" """
    snapshots: tuple[int, ...] = ()
    """numbers of steps after which the whole shard is passed forward (0 = the initial weights, at most `steps`)"""
    capture: frozenset[str] = frozenset()
    """further contents of snapshots, which always have loss and correctness: "logits", "embedding" """
    complete: bool = False
    """give one forward pass at T0 to the samples that no mini-batch met"""
    keep_weights: bool = False
    """keep the weights at T0"""
    counts: bool = False
    """the steps are the first of the training itself, which is charged for them; T0 is then whole epochs"""

    def clipped(self, limit: int) -> Needs:
        """The same with T0 and the snapshots at most `limit` steps."""
        return replace(self, steps=min(self.steps, limit), snapshots=tuple(min(at, limit) for at in self.snapshots))

    def charge(self, n: int, batch_size: int) -> tuple[Work, StepTrace]:
        """Work of observing this alone on a shard. Known beforehand, since every epoch visits each sample once.

        Args:
            n: samples of the shard.
            batch_size: of training, and of the forward passes.

        Returns: work and steps; the warm-up first, unless it counts as training, then the forward passes.
        """
        epochs = -(-self.steps // -(-n // batch_size))
        trained = StepTrace.passes("train", n, batch_size, epochs).truncated(self.steps)
        passed = StepTrace.passes("forward", n, batch_size, len(set(self.snapshots)))
        unmet = n - min(trained.samples, n) if self.complete else 0
        if unmet:
            passed += StepTrace.passes("forward", unmet, batch_size)
        if self.counts:
            return Work(forward_samples=passed.samples), passed
        work = Work(train_samples=trained.samples, forward_samples=passed.samples, steps=self.steps)
        return work, trained + passed
