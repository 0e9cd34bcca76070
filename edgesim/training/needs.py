"""What a method asks of the warm-up. Needs no torch, so that scenarios can be checked without it."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Needs:
    """What a method wants to observe."""

    steps: int = 0
    """T0; 0 = no warm-up"""
    record: frozenset[str] = frozenset()
    """quantities of every presentation in a mini-batch: "loss", "hit", "logits", "embedding" """
    snapshots: tuple[int, ...] = ()
    """after which numbers of steps (0 = the initial weights, at most `steps`) the whole shard is passed forward"""
    capture: frozenset[str] = frozenset()
    """what snapshots keep beside loss and hit: "logits", "embedding" """
    complete: bool = False
    """give one forward pass at T0 to the samples that no mini-batch met"""
    keep_weights: bool = False
    """keep the weights at T0"""

    def clipped(self, limit: int) -> Needs:
        """The same with T0 and the snapshots at most `limit` steps."""
        return replace(self, steps=min(self.steps, limit), snapshots=tuple(min(at, limit) for at in self.snapshots))
