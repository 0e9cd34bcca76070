"""A method that keeps samples of middling loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgesim.pruning.base import Method, ScoreContext, Scoring, Shard
from edgesim.pruning.importance import average_loss
from edgesim.training.needs import Needs


@dataclass(frozen=True)
class Middle(Method):
    """Samples whose average loss over the warm-up is nearest to a quantile."""

    quantile: float = 0.5

    def needs(self, shard: Shard) -> Needs:
        """The losses of the warm-up."""
        return Needs(steps=shard.warmup_steps, record=frozenset({"loss"}))

    def score(self, context: ScoreContext) -> Scoring:
        """Larger is kept first: minus the distance to the quantile."""
        losses = np.nan_to_num(average_loss(context.observations.dynamics.values["loss"]))
        return Scoring(-np.abs(losses - np.quantile(losses, self.quantile)))
