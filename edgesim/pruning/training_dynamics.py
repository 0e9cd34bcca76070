"""Shared parts of methods that read training dynamics: length of the warm-up, and presentations of every sample.

A presentation is the visit of a sample by a mini-batch, once per epoch. A warm-up shorter than one epoch presents only
some samples. The others are passed forward once at its end, in evaluation mode, as their only presentation. This pass
goes over the whole shard and is charged as such.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from edgesim.pruning.base import Shard
from edgesim.training.needs import Needs
from edgesim.training.settings import Warmup

if TYPE_CHECKING:
    from edgesim.training.warmup import Observations


def warmup_steps(warmup: Warmup | None, shard: Shard) -> int:
    """T0 of a method in steps: its own length or else the scenario's, at most full training."""
    steps = shard.warmup_steps if warmup is None else warmup.steps(shard.size, shard.batch_size)
    return min(steps, shard.full_steps)


def steps_per_epoch(shard: Shard) -> int:
    """Steps of one epoch on the whole shard."""
    return -(-shard.size // shard.batch_size)


def presentation_needs(quantity: Literal["correct", "logits"], steps: int, shard: Shard) -> Needs:
    """Needs of a method that reads `quantity` at every presentation of the first `steps` steps, for every sample."""
    if steps >= steps_per_epoch(shard):
        return Needs(steps, record=frozenset({quantity}))
    capture = frozenset({quantity}) & {"logits"}  # a snapshot has these in any case
    return Needs(steps, record=frozenset({quantity}), snapshots=(steps,), capture=capture)


def window_needs(window: int, warmup: Warmup | None, shard: Shard) -> Needs:
    """Needs of a method that reads logits over windows of `window` epochs, which its default warm-up lasts at least."""
    steps = warmup_steps(warmup, shard)
    if warmup is None:
        steps = min(max(steps, window * steps_per_epoch(shard)), shard.full_steps)
    return presentation_needs("logits", steps, shard)


def finished_presentations(observations: Observations) -> npt.NDArray[np.float32]:
    """Logits [P, n, C] of the presentations that every sample had: all but a last epoch that T0 cut short."""
    logits = presentations(observations, "logits")
    return logits[~np.isnan(logits).any(axis=(1, 2))]


def presentations(observations: Observations, quantity: Literal["correct", "logits"]) -> npt.NDArray[np.float32]:
    """Presentations that `presentation_needs` asks for.

    Returns: float32 [P, n] or [P, n, C]. NaN only in the last presentation, where its epoch was not finished and P > 1.
    """
    values, met = observations.dynamics.values[quantity], observations.dynamics.met.any(axis=0)
    if met.all():
        return values
    (snapshot,) = observations.snapshots.values()
    passed = snapshot.correct if quantity == "correct" else snapshot.logits
    assert passed is not None, "presentation_needs captures the logits"
    filled = values.copy()
    filled[-1, ~met] = passed[~met]
    return filled
