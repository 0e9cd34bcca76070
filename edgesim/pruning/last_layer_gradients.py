"""Shared parts of the gradient-matching methods: last-layer gradients in factored form, and choice class by class.

Sample i has logits z_i [C], the one-hot label y_i, and h_i, the input of the last linear layer. Where the layer has a
bias, h_i has a 1 appended (D numbers in all). The gradient of its cross-entropy with respect to that layer is the outer
product (softmax(z_i) - y_i) h_i^T [C, D]. Its inner products need the factors only,

    <grad_i, grad_j> = (e_i . e_j) (h_i . h_j),    e_i = softmax(z_i) - y_i,

so no array of n·C·D numbers is ever made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edgesim import seeds
from edgesim.errors import EdgesimError
from edgesim.models.network_costs import NetworkShape
from edgesim.pruning.base import OwnWork, ScoreContext, Scoring, Shard, SubsetChoice
from edgesim.pruning.budgets import class_budgets
from edgesim.pruning.training_dynamics import warmup_steps
from edgesim.training.needs import Needs
from edgesim.training.settings import Warmup
from edgesim.work import FloatArray, IntArray, StepTrace, Work

_ROWS = 512
"""rows of a Gram matrix that are worked out at once"""


def softmax(logits: npt.ArrayLike) -> FloatArray:
    """Softmax of each row: float64 [n, C]."""
    values = np.asarray(logits, dtype=np.float64)
    exponentials = np.exp(values - values.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))


@dataclass(frozen=True)
class LastLayer:
    """Last-layer gradients of n samples as two factors."""

    errors: FloatArray
    """[n, C] float64, softmax - one-hot"""
    inputs: FloatArray
    """[n, D] float64, input of the layer with the 1 of the bias"""

    @classmethod
    def of(
        cls, logits: npt.ArrayLike, labels: npt.ArrayLike, embeddings: npt.ArrayLike, bias: bool = True
    ) -> LastLayer:
        """Factors of the gradients.

        Args:
            logits: float array [n, C].
            labels: int array [n], in [0, C).
            embeddings: float array [n, D without bias].
            bias: whether the layer has one.
        """
        errors = softmax(logits)
        errors[np.arange(len(errors)), np.asarray(labels, dtype=np.int64)] -= 1.0
        inputs = np.asarray(embeddings, dtype=np.float64)
        return cls(errors, np.hstack([inputs, np.ones((len(inputs), 1))]) if bias else inputs)

    @property
    def width(self) -> int:
        """C + D: multiply-adds of one inner product."""
        return self.errors.shape[1] + self.inputs.shape[1]

    def at(self, positions: IntArray) -> LastLayer:
        """The gradients of some samples."""
        return LastLayer(self.errors[positions], self.inputs[positions])

    def squared_norms(self) -> FloatArray:
        """Squared norm of each gradient, float64 [n]."""
        return np.asarray((self.errors**2).sum(axis=1) * (self.inputs**2).sum(axis=1))

    def gram(self) -> FloatArray:
        """Inner products of all pairs, float64 [n, n]: 8 n^2 bytes."""
        return np.asarray((self.errors @ self.errors.T) * (self.inputs @ self.inputs.T))

    def distances(self) -> npt.NDArray[np.float32]:
        """Euclidean distances of all pairs, float32 [n, n], rows worked out in float64: 4 n^2 bytes."""
        squares, n = self.squared_norms(), len(self.errors)
        found = np.empty((n, n), dtype=np.float32)
        for start in range(0, n, _ROWS):
            rows = slice(start, start + _ROWS)
            products = (self.errors[rows] @ self.errors.T) * (self.inputs[rows] @ self.inputs.T)
            found[rows] = np.sqrt(np.maximum(squares[rows, None] + squares[None, :] - 2.0 * products, 0.0))
        np.fill_diagonal(found, 0.0)
        return found

    def total(self) -> FloatArray:
        """Sum of the gradients, float64 [C, D]."""
        return np.asarray(self.errors.T @ self.inputs)


def gradient_needs(warmup: Warmup | None, shard: Shard) -> Needs:
    """One forward pass over the shard after T0 steps that keeps logits and embeddings.

    Args:
        warmup: T0 of the method, or None for the scenario's.
        shard: the device's data.
    """
    steps = warmup_steps(warmup, shard)
    return Needs(steps, snapshots=(steps,), capture=frozenset({"logits", "embedding"}))


class Observed(NamedTuple):
    """Observations that `gradient_needs` asks for."""

    layer: LastLayer
    logits: FloatArray
    """[n, C]"""


def observed_gradients(context: ScoreContext) -> Observed:
    """Last-layer gradients of the shard at the end of the warm-up.

    Raises:
        EdgesimError: the task has no logits or no embeddings, or the warm-up left weights that give no finite ones.
    """
    from edgesim.models.networks import last_linear

    where = f"device {context.device}, method '{context.method}'"
    (snapshot,) = context.observations.snapshots.values()
    missing = sorted({"logits", "embedding"} - context.task.channels)
    if missing or snapshot.logits is None or snapshot.embedding is None:
        raise EdgesimError(
            f"{where}: the last-layer gradient needs logits and embeddings, and this task shows no "
            f"{' and no '.join(missing or ['such values'])} (it has: {', '.join(sorted(context.task.channels))}); "
            "use a method that reads losses only, for example importance or adapruner"
        )
    if not (np.isfinite(snapshot.logits).all() and np.isfinite(snapshot.embedding).all()):
        raise EdgesimError(
            f"{where}: the logits or embeddings after the warm-up are not finite; a smaller training.learning_rate "
            "usually mends this"
        )
    bias = last_linear(context.build_model()).bias is not None
    return Observed(LastLayer.of(snapshot.logits, context.shard.labels, snapshot.embedding, bias), snapshot.logits)


class Solution(NamedTuple):
    """A weighted subset of one part."""

    chosen: IntArray
    """[k] places within the part"""
    weights: FloatArray
    """[k], at least 0, with a positive sum"""
    flops: float
    """arithmetic beside the inner products"""


def parts(labels: IntArray, k: int, largest: int, rng: np.random.Generator) -> list[tuple[IntArray, int]]:
    """The shard class by class with the budget of each (`class_budgets`).

    A class over `largest` samples is split at random into parts of nearly equal size, which bounds the memory.

    Args:
        labels: [n].
        k: budget, 1 <= k <= n.
        largest: samples of a part, at most.
        rng: draws the parts.

    Returns: sorted positions and budget of each part with a budget; the budgets sum to k.
    """
    found = []
    for label, budget in class_budgets(labels, k).items():
        members = np.flatnonzero(labels == label)
        count = -(-len(members) // largest)
        if budget == 0:
            continue
        if count == 1:
            found.append((members, budget))
            continue
        which = np.empty(len(members), dtype=np.int64)
        which[rng.permutation(len(members))] = np.arange(len(members)) % count
        for part, share in class_budgets(which, budget).items():
            if share:
                found.append((members[which == part], share))
    return found


def choose_by_class(
    context: ScoreContext, k: int, largest: int, solve: Callable[[LastLayer, int], Solution], bytes_per_pair: int
) -> SubsetChoice:
    """Choose from every class by its last-layer gradients; weights of a class sum to its size.

    Args:
        context: of the device.
        k: budget.
        largest: samples that are worked on at once, at most.
        solve: gradients of a part and its budget -> the weighted subset.
        bytes_per_pair: of the matrix over pairs that `solve` makes, for the notes.
    """
    layer = observed_gradients(context).layer
    labels = context.shard.labels
    pieces = parts(labels, k, largest, context.rng("parts"))
    positions, weights, flops = [], [], 6.0 * len(labels) * layer.width  # softmax, errors, norms
    for members, budget in pieces:
        solution = solve(layer.at(members), budget)
        positions.append(members[solution.chosen])
        weights.append(solution.weights)
        flops += 2.0 * layer.width * len(members) ** 2 + solution.flops
    chosen, weight = np.concatenate(positions), np.concatenate(weights)
    for label, size in zip(*np.unique(labels, return_counts=True), strict=True):
        mine = labels[chosen] == label
        if mine.any():
            weight[mine] *= size / weight[mine].sum()
    biggest = max(len(members) for members, _ in pieces)
    notes = {"parts": float(len(pieces)), "largest_part": float(biggest)}
    notes["matrix_bytes"] = float(bytes_per_pair * biggest**2)
    scores = np.zeros(context.shard.size)
    scores[chosen] = weight
    return SubsetChoice(chosen, weight, Scoring(scores, Work(other_flops=flops), notes=notes))


def expected_by_class(
    shard: Shard, network: NetworkShape, k: int, largest: int, solution_flops: Callable[[int, int], tuple[float, float]]
) -> OwnWork:
    """Expected work of `choose_by_class`, and the most that it can take.

    Args:
        shard: the device's data.
        network: the model.
        k: budget.
        largest: samples that are worked on at once, at most.
        solution_flops: size of a part and its budget -> usual and most arithmetic of its solution.
    """
    width = shard.num_classes + network.gradient_width
    known, usual, most = 6.0 * shard.size * width, 0.0, 0.0
    # Which samples share a part is drawn, how many do is not.
    for members, budget in parts(shard.labels, k, largest, seeds.stream(0, "expected:parts")):
        known += 2.0 * width * len(members) ** 2
        solved = solution_flops(len(members), budget)
        usual, most = usual + solved[0], most + solved[1]
    least, planned, bound = ((Work(other_flops=known + solved), StepTrace()) for solved in (0.0, usual, most))
    return OwnWork(*planned, "expected", least, bound)
