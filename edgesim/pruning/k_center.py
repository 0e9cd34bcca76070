"""k-center (Sener & Savarese 2018, greedy): every sample is near to a kept one.

    i_t = argmax over i of min over the chosen j of norm(h_i - h_j)

Shapes: embeddings h [n, D]. Farthest-point greedy is within a factor of two of the best covering radius. Every prefix
of the order is a valid subset, so the score is minus the place in the order; larger = chosen earlier.

State: one forward pass over the shard after T0 steps of the warm-up, evaluation mode, no augmentation.

Deviations: the first choice is the sample nearest to the mean, not a random one, so that the order follows from the
data alone. The paper's mixed-integer refinement is left out, as it gains little over greedy there. With
`balance: class` each class is covered by itself. All n places are computed and charged, at any budget.

Complexity: O(n^2·D), memory O(n·D); no matrix of distances.
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
)
from edgesim.pruning.expected_work import class_sizes
from edgesim.training.needs import Needs
from edgesim.training.settings import Warmup
from edgesim.work import IntArray, Work


def k_center(embeddings: npt.ArrayLike, k: int, first: int | None = None) -> IntArray:
    """The first k choices of greedy farthest-point covering; ties go to the lower index (Sener & Savarese 2018).

    Args:
        embeddings: float array [n, D], used as given.
        k: 1 <= k <= n.
        first: index of the first choice, or None for the sample nearest to the mean.

    Returns: int64 [k], in the order of choice.
    """
    rows = checked_budget(embeddings, k)
    if first is not None and not 0 <= first < len(rows):
        raise ValueError(f"`first` must be an index in [0, {len(rows)}), got {first}")
    # Distances do not change when measured from the mean, and |a|^2 + |b|^2 - 2ab loses fewer digits there.
    rows = rows - rows.mean(axis=0)
    squares = np.einsum("ij,ij->i", rows, rows)  # [n]
    tolerance = ROUNDING * float(squares.max())
    left = np.arange(len(rows))
    nearest = np.full(len(rows), np.inf)  # squared distance to the nearest choice
    best = lowest_of_largest(-squares, tolerance) if first is None else first
    order = np.empty(k, dtype=np.int64)
    order[0] = best
    gone = 0
    for place in range(1, k):
        distances = rows @ (-2.0 * rows[best])  # [left]
        distances += squares
        distances += squares[best]
        np.minimum(nearest, distances, out=nearest)
        nearest[best] = -np.inf
        gone += 1
        if 8 * gone > len(left):  # samples already chosen still cost an inner product each
            stay = nearest > -np.inf
            rows, squares, nearest, left, gone = rows[stay], squares[stay], nearest[stay], left[stay], 0
        best = lowest_of_largest(nearest, tolerance)
        order[place] = left[best]
    return order


@checked_dataclass()
class KCenter(Method):
    """every sample has a kept one nearby (greedy farthest point)"""

    balance: Literal["none", "class"] = "none"
    """class: covers each class by itself; none: the shard as one"""
    warmup: Warmup | None = None
    """length of this method's warm-up; left out: that of `pruning.warmup`"""

    source: ClassVar[str] = "Sener & Savarese 2018"
    cost_class: ClassVar[str] = "warm-up + forward"

    def needs(self, shard: Shard) -> Needs:
        """Embeddings at T0."""
        return embedding_needs(self.warmup, shard)

    def expected(self, shard: Shard, network: NetworkShape, k: int) -> OwnWork:
        """The complete orders, and the squares of the embeddings."""
        width = network.embedding_width
        squares = Work(other_flops=4.0 * shard.size * width)
        return OwnWork(greedy_work(class_sizes(shard.labels, self.balance), width) + squares)

    def score(self, context: ScoreContext) -> Scoring:
        """Minus the place in the order, float64 [n]."""
        embeddings = embeddings_at_end(context)
        n, width = embeddings.shape
        labels = context.shard.labels
        scores = scores_of_order(embeddings, labels, self.balance, k_center)
        return Scoring(
            scores, greedy_work(class_sizes(labels, self.balance), width) + Work(other_flops=4.0 * n * width)
        )
