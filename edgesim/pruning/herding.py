"""Herding (Welling 2009): a subset whose mean follows the mean of all, sample by sample.

    i_t = argmin over i not yet chosen of norm((t + 1)·mean(h) - sum of the chosen h - h_i),  t = 0, 1, …

Shapes: embeddings h [n, D]. Every prefix of the order is a valid subset, so the score is minus the place in the order;
larger = chosen earlier.

State: one forward pass over the shard after T0 steps of the warm-up, evaluation mode, no augmentation.

As usual in coreset work, each class is herded by itself (`balance: class`, the default) on L2-normalised embeddings.
Deviations: the embeddings are those of a short warm-up and not of a network trained to the end. All n places are
computed and charged, at any budget, so that one order serves every keep_ratio.

Complexity: O(n_c^2·D) per class, memory O(n·D); no Gram matrix.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from edgesim.config.checked_dataclass import checked_dataclass
from edgesim.models.network_costs import NetworkShape
from edgesim.pruning.base import Method, OwnWork, ScoreContext, Scoring, Shard
from edgesim.pruning.embeddings import (
    ROUNDING,
    checked_budget,
    embedding_needs,
    embeddings_at_end,
    greedy_work,
    lowest_of_largest,
    scores_of_order,
    unit_rows,
)
from edgesim.pruning.expected_work import class_sizes
from edgesim.training.needs import Needs
from edgesim.training.settings import Warmup
from edgesim.work import IntArray, Work


def herding(embeddings: npt.ArrayLike, k: int) -> IntArray:
    """The first k choices of herding, without replacement; ties go to the lower index (Welling 2009).

    Args:
        embeddings: float array [n, D], used as given: neither normalised nor split by class.
        k: 1 <= k <= n.

    Returns: int64 [k], in the order of choice.
    """
    rows = checked_budget(embeddings, k)
    # With h measured from the mean, the distance to be made small is norm(sum of chosen + h_i): better conditioned.
    rows = rows - rows.mean(axis=0)
    half_squares = 0.5 * np.einsum("ij,ij->i", rows, rows)  # [n]
    tolerance = ROUNDING * 2 * float(half_squares.max())
    left = np.arange(len(rows))
    total = np.zeros(rows.shape[1])
    order = np.empty(k, dtype=np.int64)
    gone = 0
    for place in range(k):
        nearness = -(rows @ total) - half_squares  # [left]
        best = lowest_of_largest(nearness, tolerance)
        order[place] = left[best]
        total += rows[best]
        half_squares[best] = np.inf
        gone += 1
        if 8 * gone > len(left):  # candidates that are gone still cost an inner product each
            stay = np.isfinite(half_squares)
            rows, half_squares, left, gone = rows[stay], half_squares[stay], left[stay], 0
    return order


@checked_dataclass()
class Herding(Method):
    """the subset's mean embedding follows the mean of all"""

    normalise: bool = True
    """scales embeddings to unit length first"""
    balance: Literal["none", "class"] = "class"
    """class: herd each class by itself; none: the shard as one"""
    warmup: Warmup | None = None
    """length of this method's warm-up; left out: that of `pruning.warmup`"""

    source: ClassVar[str] = "Welling 2009"
    cost_class: ClassVar[str] = "warm-up + forward"

    def needs(self, shard: Shard) -> Needs:
        """Embeddings at T0."""
        return embedding_needs(self.warmup, shard)

    def expected(self, shard: Shard, network: NetworkShape, k: int) -> OwnWork:
        """The complete orders, and the preparation of the embeddings."""
        width = network.embedding_width
        preparation = (7.0 if self.normalise else 4.0) * shard.size * width
        return OwnWork(greedy_work(class_sizes(shard.labels, self.balance), width) + Work(other_flops=preparation))

    def score(self, context: ScoreContext) -> Scoring:
        """Minus the place in the order, float64 [n]."""
        embeddings = embeddings_at_end(context)
        n, width = embeddings.shape
        preparation = 4.0 * n * width  # mean, difference, squares
        if self.normalise:
            embeddings = unit_rows(embeddings)
            preparation += 3.0 * n * width
        labels = context.shard.labels
        scores = scores_of_order(embeddings, labels, self.balance, herding)
        return Scoring(scores, greedy_work(class_sizes(labels, self.balance), width) + Work(other_flops=preparation))
