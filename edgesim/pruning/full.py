"""Keeps every sample: the baseline that everything is compared with (edge paper, section VI-A)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from edgesim.config.checked_dataclass import checked_dataclass
from edgesim.pruning.base import Method, ScoreContext, Scoring, Shard
from edgesim.training.needs import Needs


@checked_dataclass()
class Full(Method):
    """keeps every sample; one trial at keep_ratio 1"""

    source: ClassVar[str] = "edge paper, baseline"
    cost_class: ClassVar[str] = "free"
    keeps_all: ClassVar[bool] = True

    def needs(self, shard: Shard) -> Needs:
        """Nothing."""
        return Needs()

    def score(self, context: ScoreContext) -> Scoring:
        """Equal scores; the budget is the whole shard."""
        return Scoring(np.zeros(context.shard.size))
