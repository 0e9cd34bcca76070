"""GRAD-MATCH: a weighted subset whose gradient matches that of all samples (Killamsetty et al. 2021a).

    min over w >= 0 with |w|_0 = k_c of  norm(sum over i of grad_i - sum over j of w_j grad_j)^2 + lambda·norm(w)^2

for each class c by itself (Eq. 4 and Algorithm 2, the per-class variant), with the gradients of `last_layer_gradients`.
Orthogonal matching pursuit adds the sample whose gradient has the largest inner product with the residual. It solves
for all weights again and drops those that would become negative (Lawson & Hanson 1974), until k_c are in. Ties go to
the lower index. Weights of a class are scaled to sum to n_c and handed to training. There is no score beyond the
weights.

Where no further gradient helps (every inner product is 0 or less) before k_c samples are in, the samples with the
largest inner products fill the budget. Each gets `FILL` times the mean weight of the others, so that it hardly counts.

State: one forward pass over the shard after T0 steps of the warm-up, evaluation mode, no augmentation.

Deviations: the subset is chosen once, not every few epochs. lambda is relative to the mean squared norm of the class's
gradients, so that it means the same for every network and state. A class over `max_class_size` is split at random into
parts with their shares of the budget, each matching its own sum.

Complexity: Gram matrix O(n_c^2·(C + D)); pursuit O(n_c·k_c^2), the inverse of the chosen block is updated and never
computed anew. Memory 24·n_c^2 bytes at most (notes: `matrix_bytes`).
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
from edgesim.pruning.embeddings import lowest_of_largest
from edgesim.pruning.last_layer_gradients import LastLayer, Solution, choose_by_class, expected_by_class, gradient_needs
from edgesim.training.needs import Needs
from edgesim.training.settings import Warmup
from edgesim.work import FloatArray, IntArray

FILL = 0.01
"""weight of a sample that only fills up the budget, as a share of the mean weight of the others"""
_ROUNDING = 1e-9
"""inner products below this share of the largest are rounding"""


class _Pursuit:
    """The chosen atoms, the inverse of their regularised Gram matrix, and their weights."""

    def __init__(self, gram: FloatArray, ridge: float, room: int):
        self.gram, self.ridge = gram, ridge
        self.wanted = gram.sum(axis=1)  # [n] inner products with the sum of all
        self.atoms: IntArray = np.zeros(0, dtype=np.int64)
        self.weights = np.zeros(0)
        self.flops = 0.0
        self._rows = np.zeros((room, len(gram)))  # of the Gram matrix, one per atom: contiguous, unlike its columns
        self._inverse = np.zeros((room, room))

    def left_over(self) -> FloatArray:
        """Inner products of all gradients with what the atoms do not match yet, [n]."""
        self.flops += 2.0 * len(self.gram) * len(self.atoms)
        return np.asarray(self.wanted - self.weights @ self._rows[: len(self.atoms)])

    def add(self, atom: int) -> None:
        """Take in one atom and solve again, dropping atoms until no weight is negative."""
        m = len(self.atoms)
        column = self._rows[:m, atom]
        solved = self._inverse[:m, :m] @ column
        pivot = self.gram[atom, atom] + self.ridge - column @ solved
        self._inverse[:m, :m] += np.outer(solved, solved / pivot)
        self._inverse[:m, m] = self._inverse[m, :m] = -solved / pivot
        self._inverse[m, m] = 1.0 / pivot
        self._rows[m] = self.gram[atom]
        self.atoms = np.append(self.atoms, atom)
        self.flops += 6.0 * (m + 1) ** 2
        before = np.append(self.weights, 0.0)
        while (after := self._solved()).min(initial=np.inf) < 0:
            # As far towards the new weights as the first of them that reaches zero; that atom goes.
            falling = after < 0
            steps = np.where(falling, before / np.where(falling, before - after, 1.0), np.inf)
            first = int(np.argmin(steps))
            before = np.delete(before + steps[first] * (after - before), first)
            self._drop(first)
        self.weights = after

    def _solved(self) -> FloatArray:
        m = len(self.atoms)
        return np.asarray(self._inverse[:m, :m] @ self.wanted[self.atoms])

    def _drop(self, place: int) -> None:
        """Take one atom out."""
        m = len(self.atoms)
        keep = np.delete(np.arange(m), place)
        row = self._inverse[keep, place]
        reduced = self._inverse[np.ix_(keep, keep)] - np.outer(row, row / self._inverse[place, place])
        self._inverse[: m - 1, : m - 1] = reduced
        self._rows[: m - 1] = self._rows[keep]
        self.atoms = self.atoms[keep]
        self.flops += 4.0 * m * m


def matching_pursuit(gram: npt.ArrayLike, k: int, regularisation: float) -> Solution:
    """Non-negative, regularised orthogonal matching pursuit of the sum of all gradients.

    Args:
        gram: inner products of the gradients, float array [n, n].
        k: 1 <= k <= n.
        regularisation: lambda as a share of the mean squared norm, > 0.

    Returns: k choices, weights (not yet scaled), and the arithmetic done.
    """
    matrix = np.asarray(gram, dtype=np.float64)
    n = len(matrix)
    if matrix.shape != (n, n) or not 1 <= k <= n:
        raise ValueError(f"needs a Gram matrix of shape [n, n] and 1 <= k <= n; got shape {matrix.shape}, k={k}")
    scale = float(np.trace(matrix)) / n
    if scale <= 0:  # no gradient at all: nothing to match, all alike
        return Solution(np.arange(k), np.ones(k), 0.0)
    pursuit = _Pursuit(matrix, regularisation * scale, k + 1)
    tolerance = _ROUNDING * float(np.abs(pursuit.wanted).max())
    left = pursuit.wanted.copy()
    for _ in range(3 * k):  # atoms may come and go; each step lowers the objective, and this bounds their number
        outside = left.copy()
        outside[pursuit.atoms] = -np.inf
        if len(pursuit.atoms) == k or outside.max() <= tolerance:
            break
        pursuit.add(lowest_of_largest(outside, tolerance))
        left = pursuit.left_over()
    return _filled(pursuit, left, k)


def _filled(pursuit: _Pursuit, left: FloatArray, k: int) -> Solution:
    """The atoms, and as many more as the budget wants."""
    outside = left.copy()
    outside[pursuit.atoms] = -np.inf
    more = np.argsort(-outside, kind="stable")[: k - len(pursuit.atoms)]
    mean = float(pursuit.weights.mean()) if len(pursuit.atoms) else 1.0
    chosen = np.concatenate([pursuit.atoms, more])
    return Solution(chosen, np.append(pursuit.weights, np.full(len(more), FILL * mean)), pursuit.flops)


@checked_dataclass()
class GradMatch(Bounded, Method):
    """weighted sum of the chosen gradients matches the gradient of a class"""

    regularisation: Annotated[float, Field(gt=0, allow_inf_nan=False), PlausibleRange(1e-9, 1e6)] = 0.5
    """penalty on large weights, as a share of the class's mean squared gradient norm"""
    max_class_size: Annotated[int, Field(ge=2), PlausibleRange(2, 30_000)] = 1024
    """samples of a class that are worked on at once; memory is 24 bytes per pair of them"""
    warmup: Warmup | None = None
    """length of this method's warm-up; left out: that of `pruning.warmup`"""

    source: ClassVar[str] = "Killamsetty et al. 2021a"
    cost_class: ClassVar[str] = "warm-up + forward + O(n_c k_c^2)"

    def needs(self, shard: Shard) -> Needs:
        """Logits and embeddings at T0."""
        return gradient_needs(self.warmup, shard)

    def expected(self, shard: Shard, network: NetworkShape, k: int) -> OwnWork:
        """As if each of k rounds took one atom in and none out. At most there are 3k rounds, each with all k atoms."""

        def solution(n: int, k: int) -> tuple[float, float]:
            # The j-th round: one atom in (6j^2), what is left over (2nj).
            usual = k * (k + 1.0) * (2 * k + 1 + n)
            # At most besides, one atom goes out for each that ever came in (4k^2).
            return usual, 3.0 * k * (10.0 * k * k + 2.0 * n * k)

        return expected_by_class(shard, network, k, self.max_class_size, solution)

    def choose(self, context: ScoreContext, k: int) -> SubsetChoice:
        """k positions with their weights.

        Raises:
            EdgesimError: the task shows no logits or no embeddings.
        """

        def solve(layer: LastLayer, budget: int) -> Solution:
            return matching_pursuit(layer.gram(), budget, self.regularisation)

        return choose_by_class(context, k, self.max_class_size, solve, bytes_per_pair=24)
