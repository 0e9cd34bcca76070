"""Shared parts of the geometric methods: embeddings after the warm-up, unit rows, greedy orders as scores, ties."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from edgesim.errors import EdgesimError
from edgesim.pruning.base import ScoreContext, Shard
from edgesim.pruning.training_dynamics import warmup_steps
from edgesim.training.needs import Needs
from edgesim.training.settings import Warmup
from edgesim.work import FloatArray, IntArray, Work

ROUNDING = 1e-12
"""Differences below this share of the data's scale are rounding: such candidates tie, and the lower index wins."""

Greedy = Callable[[FloatArray, int], IntArray]
"""(embeddings [n, D], k) -> the first k choices in their order"""


def embedding_needs(warmup: Warmup | None, shard: Shard) -> Needs:
    """One forward pass over the shard after T0 steps that keeps the embeddings.

    Args:
        warmup: T0 of the method, or None for the scenario's.
        shard: the device's data.
    """
    steps = warmup_steps(warmup, shard)
    return Needs(steps, snapshots=(steps,), capture=frozenset({"embedding"}))


def embeddings_at_end(context: ScoreContext) -> FloatArray:
    """The embeddings [n, D] of the snapshot that `embedding_needs` asked for.

    Raises:
        EdgesimError: the task has no embeddings, or the warm-up left weights that give no finite ones.
    """
    (snapshot,) = context.observations.snapshots.values()
    where = f"device {context.device}, method '{context.method}'"
    if snapshot.embedding is None:
        raise EdgesimError(
            f"{where}: this task shows no embeddings (it has: {', '.join(sorted(context.task.channels))}); "
            "use a method that reads losses only, for example importance"
        )
    if not np.isfinite(snapshot.embedding).all():
        raise EdgesimError(
            f"{where}: the embeddings after the warm-up are not finite; a smaller training.learning_rate usually "
            "mends this"
        )
    return snapshot.embedding


def unit_rows(values: npt.ArrayLike) -> FloatArray:
    """Rows scaled to unit Euclidean norm in float64; a row of zeros stays zero.

    Args:
        values: float array [n, D].
    """
    rows = np.asarray(values, dtype=np.float64)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0)


def lowest_of_largest(values: FloatArray, tolerance: float) -> int:
    """The lowest index whose value is the largest up to `tolerance`."""
    return int(np.argmax(values >= values.max() - tolerance))


def checked_budget(embeddings: npt.ArrayLike, k: int) -> FloatArray:
    """Embeddings as float64 [n, D], once 1 <= k <= n is sure.

    Raises: ValueError otherwise.
    """
    rows = np.asarray(embeddings, dtype=np.float64)
    if rows.ndim != 2 or not 1 <= k <= len(rows):
        raise ValueError(f"needs embeddings of shape [n, D] and 1 <= k <= n; got shape {rows.shape}, k={k}")
    return rows


def scores_of_order(embeddings: FloatArray, labels: IntArray, balance: str, greedy: Greedy) -> FloatArray:
    """Minus the place of each sample in a greedy order, float64 [n].

    With `balance` "class" every class has an order of its own. They are merged so that every prefix holds the class
    shares: place r of a class of n_c samples comes at (r + 1/2) / n_c, ties to the lower class.

    Args:
        embeddings: [n, D].
        labels: [n].
        balance: "none" or "class".
        greedy: gives the order.
    """
    n = len(embeddings)
    if balance == "none":
        order = greedy(embeddings, n)
    else:
        when = np.empty(n)
        for label in np.unique(labels):
            members = np.flatnonzero(labels == label)
            when[members[greedy(embeddings[members], len(members))]] = (np.arange(len(members)) + 0.5) / len(members)
        order = np.lexsort((labels, when))
    scores = np.empty(n)
    scores[order] = np.arange(0, -n, -1)
    return scores


def greedy_work(sizes: IntArray, width: int) -> Work:
    """Work of complete greedy orders: at each choice one inner product and one comparison per candidate left.

    Args:
        sizes: samples of each order.
        width: D.
    """
    pairs = int(np.sum(sizes * (sizes + 1) // 2))
    return Work(comparisons=pairs, other_flops=2.0 * width * pairs)
