"""Uniform choice without replacement: the non-informative baseline of both papers.

Score: minus the sample's place in one random permutation from the device's own stream. So the subsets of one seed are
nested over the budget.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from edgesim.config.checked_dataclass import checked_dataclass
from edgesim.pruning.base import Method, ScoreContext, Scoring, Shard
from edgesim.training.needs import Needs


@checked_dataclass()
class Random(Method):
    """uniform without replacement; nested over keep_ratio"""

    balance: Literal["none", "class"] = "none"
    """class: every class keeps its share of the samples; none: drawn from the shard as a whole"""

    source: ClassVar[str] = "both papers, baseline"
    cost_class: ClassVar[str] = "free"
    by_chance: ClassVar[bool] = True

    def needs(self, shard: Shard) -> Needs:
        """Nothing."""
        return Needs()

    def score(self, context: ScoreContext) -> Scoring:
        """Minus the place in a random permutation, float64 [n]."""
        places = np.empty(context.shard.size)
        places[context.rng().permutation(context.shard.size)] = np.arange(context.shard.size)
        return Scoring(-places)
