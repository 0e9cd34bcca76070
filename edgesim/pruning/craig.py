"""CRAIG: a weighted coreset whose gradients stand for all gradients (Mirzasoleiman, Bilmes & Leskovec 2020).

    S = argmax over |S| = k_c of  sum over i of (d_max - min over j in S of d_ij),   d_ij = norm(grad_i - grad_j)

for each class c by itself (facility location; Eqs. 11-14), with the last-layer gradients of `last_layer_gradients`. The
choice is greedy, within 1 - 1/e of the best. The weight of j in S is the number of samples that it is the nearest to.
Every chosen sample stands for itself at least; ties go to the earlier choice, and among choices to the lower index.
Weights of a class sum to n_c and are handed to training. There is no score beyond the weights.

State: one forward pass over the shard after T0 steps of the warm-up, evaluation mode, no augmentation.

Deviations: the subset is chosen once, not every few epochs. The greedy choice is exact, since the gains are kept up to
date: a choice moves only the samples that it becomes nearest to. Lazy and stochastic greedy give the same or less. A
class over `max_class_size` is split at random into parts with their shares of the budget.

Complexity: distances O(n_c^2·(C + D)), greedy O(n_c^2·log k_c) as a rule, memory 4·n_c^2 bytes (notes: `matrix_bytes`).
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from edgesim.config.checked_dataclass import checked_dataclass
from edgesim.config.plausible import Bounded, PlausibleRange
from edgesim.models.network_costs import NetworkShape
from edgesim.pruning.base import Method, OwnWork, ScoreContext, Shard, SubsetChoice
from edgesim.pruning.embeddings import ROUNDING, lowest_of_largest
from edgesim.pruning.last_layer_gradients import LastLayer, Solution, choose_by_class, expected_by_class, gradient_needs
from edgesim.training.needs import Needs
from edgesim.training.settings import Warmup

_BLOCK = 2**20
"""entries of the distance matrix that are updated at once"""


def facility_location(distances: npt.ArrayLike, k: int) -> Solution:
    """The first k greedy choices of facility location, and how many samples each is the nearest to.

    Args:
        distances: float array [n, n], symmetric, zeros on the diagonal.
        k: 1 <= k <= n.

    Returns: choices in their order, weights that sum to n (each at least 1), and the arithmetic done.
    """
    matrix = np.asarray(distances)
    n = len(matrix)
    if matrix.shape != (n, n) or not 1 <= k <= n:
        raise ValueError(f"needs distances of shape [n, n] and 1 <= k <= n; got shape {matrix.shape}, k={k}")
    # Gains are kept in float64 whatever the distances are: they are sums that shrink by small steps.
    nearest = np.full(n, matrix.max(), dtype=np.float64)
    gains = n * float(matrix.max()) - matrix.sum(axis=1, dtype=np.float64)  # [n]
    tolerance = ROUNDING * float(np.abs(gains).max())
    owner, order, moved = np.zeros(n, dtype=np.int64), np.empty(k, dtype=np.int64), n
    for place in range(k):
        best = lowest_of_largest(gains, tolerance)
        order[place] = best
        closer = np.flatnonzero(matrix[best] < nearest)
        moved += len(closer)
        step = max(1, _BLOCK // n)
        for start in range(0, len(closer), step):
            rows = closer[start : start + step]
            block = matrix[rows].astype(np.float64)
            gains -= np.maximum(nearest[rows, None] - block, 0.0).sum(axis=0)
            gains += np.maximum(matrix[best, rows, None] - block, 0.0).sum(axis=0)
        nearest[closer], owner[closer] = matrix[best, closer], place
        gains[best] = -np.inf
    owner[order] = np.arange(k)  # also where two chosen samples are one
    return Solution(order, np.bincount(owner, minlength=k).astype(np.float64), 6.0 * moved * n)


@checked_dataclass()
class Craig(Bounded, Method):
    """gradients of the chosen cover all gradients of a class, weighted by how many each stands for"""

    max_class_size: Annotated[int, Field(ge=2), PlausibleRange(2, 30_000)] = 4096
    """samples of a class that are worked on at once; memory is 4 bytes per pair of them"""
    warmup: Warmup | None = None
    """length of this method's warm-up; left out: that of `pruning.warmup`"""

    source: ClassVar[str] = "Mirzasoleiman et al. 2020"
    cost_class: ClassVar[str] = "warm-up + forward + O(n_c^2)"

    def needs(self, shard: Shard) -> Needs:
        """Logits and embeddings at T0."""
        return gradient_needs(self.warmup, shard)

    def expected(self, shard: Shard, network: NetworkShape, k: int) -> OwnWork:
        """As if the choices came in random order: the j-th becomes the nearest of every j-th sample of its class.

        At most each becomes the nearest of all.
        """

        def solution(n: int, k: int) -> tuple[float, float]:
            return 6.0 * n * n * (1.0 + float((1.0 / np.arange(1, k + 1)).sum())), 6.0 * n * n * (1 + k)

        return expected_by_class(shard, network, k, self.max_class_size, solution)

    def choose(self, context: ScoreContext, k: int) -> SubsetChoice:
        """k positions with their weights.

        Raises:
            EdgesimError: the task shows no logits or no embeddings.
        """
        return choose_by_class(context, k, self.max_class_size, _solve, bytes_per_pair=4)


def _solve(layer: LastLayer, k: int) -> Solution:
    return facility_location(layer.distances(), k)
