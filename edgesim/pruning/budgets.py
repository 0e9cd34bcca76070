"""Subsets of exactly the size that the budget allows: the largest scores, and the share of every class.

Ties go to the lower index.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from edgesim.work import FloatArray, IntArray

Balance = Literal["none", "class"]


class Part(NamedTuple):
    """Samples of a shard, and how many of them are to be kept."""

    members: IntArray
    """positions within the shard, rising"""
    budget: int
    """0 to all of the members"""


def parts_of(labels: IntArray, k: int, balance: Balance) -> list[Part]:
    """The shard as one part, or every class as a part with its share of the budget (`class_budgets`)."""
    if balance == "none":
        return [Part(np.arange(len(labels)), k)]
    return [Part(np.flatnonzero(labels == label), budget) for label, budget in class_budgets(labels, k).items()]


def top_of_parts(scores: FloatArray, parts: Sequence[Part]) -> IntArray:
    """The largest scores of every part, as many as its budget; sorted, ties to the lower index."""
    chosen = [members[top_k(scores[members], budget)] for members, budget in parts if budget]
    return np.sort(np.concatenate(chosen)).astype(np.int64)


def even_shares(sizes: IntArray, k: int) -> IntArray:
    """Equal shares of a budget for groups, none above its group: what a small one lacks goes to the larger ones.

    From the smallest group to the largest, each gets an equal part of what is left, rounded down (Zheng et al. 2023,
    Algorithm 1). So groups that are large enough differ by at most one, the larger ones having more.

    Args:
        sizes: int array [G].
        k: 0 <= k <= sum of the sizes.

    Returns: int64 [G] with the sum k.
    """
    shares, missing = np.zeros(len(sizes), dtype=np.int64), k
    for i, at in enumerate(np.argsort(sizes, kind="stable")):
        shares[at] = min(int(sizes[at]), missing // (len(sizes) - i))
        missing -= int(shares[at])
    return shares


def top_k(scores: FloatArray, k: int) -> IntArray:
    """The k positions with the largest scores, sorted; ties go to the lower index (edge paper, Eqs. 18-20).

    Args:
        scores: float array [n]; NaN is refused.
        k: how many, 1 <= k <= n.

    Returns: int64 [k], sorted, unique.

    Raises: ValueError for k out of range or NaN scores.
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1 or not 1 <= k <= len(values):
        raise ValueError(f"top_k needs 1 <= k <= n with scores of shape [n]; got k={k}, shape {values.shape}")
    if np.isnan(values).any():
        raise ValueError(f"{int(np.isnan(values).sum())} of {len(values)} scores are NaN; every sample needs one")
    # A stable descending sort keeps equal scores in index order; O(n log n) is negligible beside training.
    return np.sort(np.argsort(-values, kind="stable")[:k]).astype(np.int64)


def class_budgets(labels: IntArray, k: int) -> dict[int, int]:
    """Number of the k samples for each class: in proportion, by largest remainders.

    The budgets sum to k, none exceeds its class, and every class that is present gets at least one while k allows it.
    Ties of remainders go to the lower class.

    Args:
        labels: int array [n].
        k: 1 <= k <= n.
    """
    classes, counts = np.unique(labels, return_counts=True)
    exact = counts * (k / len(labels))
    budgets = np.floor(exact).astype(np.int64)
    order = np.lexsort((classes, -(exact - budgets)))
    budgets[order[: k - budgets.sum()]] += 1
    if k >= len(classes):
        while (empty := np.flatnonzero(budgets == 0)).size:
            budgets[np.argmax(budgets)] -= 1
            budgets[empty[0]] += 1
    return {int(c): int(b) for c, b in zip(classes, budgets, strict=True)}


def class_balanced_top_k(scores: FloatArray, labels: IntArray, k: int) -> IntArray:
    """The k largest scores with each class keeping its share (`class_budgets`); sorted, ties to the lower index.

    Args:
        scores: float array [n].
        labels: int array [n].
        k: 1 <= k <= n.
    """
    values, classes = np.asarray(scores, dtype=np.float64), np.asarray(labels)
    if values.shape != classes.shape:
        raise ValueError(f"scores {values.shape} and labels {classes.shape} must have the same shape")
    if not 1 <= k <= len(values):
        raise ValueError(f"class_balanced_top_k needs 1 <= k <= n = {len(values)}, got k={k}")
    return top_of_parts(values, parts_of(classes, k, "class"))
