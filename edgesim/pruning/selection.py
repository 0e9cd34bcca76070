"""Turns scores into a subset of exactly the size that the budget allows. Ties go to the lower index.

Every method goes through `choose`, which also charges a trial for all that its choice took.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgesim.cost.analytic import selection_comparisons, subset_size
from edgesim.pruning.base import Method, ScoreContext, SubsetChoice
from edgesim.records import Selection
from edgesim.work import FloatArray, IntArray, StepTrace, Work


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
    chosen = []
    for label, budget in class_budgets(classes, k).items():
        members = np.flatnonzero(classes == label)
        if budget:
            chosen.append(members[top_k(values[members], budget)])
    return np.sort(np.concatenate(chosen)).astype(np.int64)


@dataclass(frozen=True)
class ChargedSubset:
    """A subset with all that its trial is charged for."""

    selection: Selection
    work: Work
    trace: StepTrace
    host_wall_s: float
    scores: FloatArray | None
    history: tuple[dict[str, float], ...]


def choose(method: Method, context: ScoreContext, keep_ratios: Sequence[float]) -> list[ChargedSubset]:
    """Run a method for several keep ratios: exact budgets, all of its work charged (edge paper, Eqs. 17-20, 24-25).

    A method with `score` runs once and every ratio is charged that run; one with `choose` runs once per ratio.

    Raises:
        ValueError: the method broke its contract (shape of the scores, number or uniqueness of the positions).
    """
    budgets = [int(subset_size(context.shard.size, ratio)) for ratio in keep_ratios]
    if not method.scores_once:
        return [_chosen_for(method, context, k) for k in budgets]
    started = time.perf_counter()
    scoring = method.score(context)
    wall_s = time.perf_counter() - started
    if scoring.scores.shape != (context.shard.size,):
        name, shape = type(method).__name__, scoring.scores.shape
        raise ValueError(f"{name}.score must return scores of shape ({context.shard.size},), got {shape}")
    balanced = method.balance == "class"
    labels = context.shard.labels
    found = [class_balanced_top_k(scoring.scores, labels, k) if balanced else top_k(scoring.scores, k) for k in budgets]
    comparisons = 0 if method.keeps_all else int(selection_comparisons(context.shard.size))
    return [_charged(SubsetChoice(positions, scoring=scoring), context, comparisons, wall_s) for positions in found]


def _chosen_for(method: Method, context: ScoreContext, k: int) -> ChargedSubset:
    """Run a method with `choose` for one budget and hold it to its contract."""
    started = time.perf_counter()
    choice = method.choose(context, k)
    wall_s = time.perf_counter() - started
    name, dynamic = type(method).__name__, method.dynamic
    if choice.sampler is not None and not dynamic:
        raise ValueError(f"{name}.choose gave a sampler, so the class must say so: `dynamic: ClassVar[bool] = True`")
    k = method.kept_samples(context.shard.size, k)
    order = np.argsort(choice.positions, kind="stable")
    positions = np.asarray(choice.positions, dtype=np.int64)[order]
    within = (
        len(positions) == k
        and (np.diff(positions) > 0).all()
        and positions[0] >= 0
        and positions[-1] < context.shard.size
    )
    if not within:
        raise ValueError(
            f"{name}.choose must return {k} unique positions in [0, {context.shard.size}), got {positions}"
        )
    weights = None if choice.weights is None else np.asarray(choice.weights, dtype=np.float64)[order]
    sorted_choice = replace(choice, positions=positions, weights=weights)
    # A dynamic method counts its own comparisons, draw by draw.
    return _charged(sorted_choice, context, 0 if dynamic else int(selection_comparisons(context.shard.size)), wall_s)


def _charged(choice: SubsetChoice, context: ScoreContext, comparisons: int, wall_s: float) -> ChargedSubset:
    """Add the share of the warm-up and the selection to a method's own work."""
    observed, scoring = context.observations, choice.scoring
    work = observed.work + Work(comparisons=comparisons)
    return ChargedSubset(
        selection=Selection(choice.positions, choice.weights, {} if scoring is None else scoring.notes, choice.sampler),
        work=work if scoring is None else work + scoring.work,
        trace=observed.trace if scoring is None else observed.trace + scoring.trace,
        host_wall_s=observed.host_wall_s + wall_s,
        scores=None if scoring is None else scoring.scores,
        history=() if scoring is None else scoring.history,
    )
