"""Average loss over the warm-up: the edge paper's own method (Eqs. 16-20, Algorithm 1).

    s_i = 1/T0 · sum over the warm-up iterations t of the loss of sample i at the weights of iteration t     (Eq. 16)

Larger = harder = kept first. Two estimators of the average:

- `minibatch`: the running mean over the mini-batches that contained i, at T0·B·F as in the complexity analysis V-D. The
  loss is read where training computes it: in training mode, augmented if training is.
- `snapshot`: forward passes over the whole shard, in evaluation mode, at `snapshots` evenly spaced iterations, the last
  of them after T0 steps. Closer to Eq. 16 as it is written, at the price of these forward passes.

A sample that no mini-batch met is scored by one forward pass after T0 steps, and that is charged.

Deviation: none in the score. The paper trains from the initial weights after selecting ("reset"). `after_warmup:
continue` goes on from the weights after the warm-up, which saves nothing but may help short trainings. With `counts`
the warm-up is part of the training and saves its epochs.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from edgesim.config.checked_dataclass import checked_dataclass
from edgesim.config.plausible import Bounded, PlausibleRange
from edgesim.pruning.base import AfterWarmup, Method, ScoreContext, Scoring, Shard
from edgesim.training.needs import Needs
from edgesim.training.settings import Warmup
from edgesim.work import FloatArray


def average_loss(losses: npt.ArrayLike) -> FloatArray:
    """Mean loss per sample over its presentations (Eq. 16).

    Args:
        losses: float array [presentations, n]; NaN where a sample was not presented.

    Returns: float64 [n]; NaN for a sample that was never presented.
    """
    values = np.asarray(losses, dtype=np.float64)
    met = ~np.isnan(values)
    counts = met.sum(axis=0)
    sums = np.where(met, values, 0.0).sum(axis=0)
    return np.divide(sums, counts, out=np.full(values.shape[1], np.nan), where=counts > 0)


@checked_dataclass()
class Importance(Bounded, Method):
    """average loss over the warm-up, hardest first"""

    estimator: Literal["minibatch", "snapshot"] = "minibatch"
    """minibatch: mean of the losses that the warm-up's batches give; snapshot: mean over forward passes of the whole
    shard"""
    snapshots: Annotated[int, Field(ge=1), PlausibleRange(1, 10_000)] = 4
    """forward passes over the shard, evenly spaced in the warm-up; for `estimator: snapshot`"""
    warmup: Warmup | None = None
    """length of this method's warm-up; left out: that of `pruning.warmup`"""
    after_warmup: AfterWarmup = "reset"
    """reset: training starts anew from the initial weights; continue: from those of the warm-up; counts: the warm-up is
    the beginning of the training, which goes on with the subset"""
    balance: Literal["none", "class"] = "none"
    """class: every class keeps its share of the samples; none: the best scores of the shard, whatever their class"""

    source: ClassVar[str] = "edge paper, Eqs. 16-20"
    cost_class: ClassVar[str] = "warm-up"

    def needs(self, shard: Shard) -> Needs:
        """Losses of the mini-batches, or evenly spaced snapshots."""
        steps = shard.warmup_steps if self.warmup is None else self.warmup.steps(shard.size, shard.batch_size)
        steps = min(steps, shard.full_steps)
        if self.estimator == "minibatch":
            return Needs(steps, record=frozenset({"loss"}), complete=True)
        spaced = sorted({round(steps * (i + 1) / self.snapshots) for i in range(self.snapshots)} - {0})
        return Needs(steps, snapshots=tuple(spaced))

    def score(self, context: ScoreContext) -> Scoring:
        """Average loss, float64 [n]."""
        seen = context.observations
        if self.estimator == "snapshot":
            return Scoring(np.mean([s.loss for s in seen.snapshots.values()], axis=0))
        losses = seen.dynamics.values.get("loss", np.empty((0, context.shard.size)))
        scores = average_loss(losses)
        unmet, fallback = seen.completion
        scores[unmet] = fallback
        return Scoring(scores)
