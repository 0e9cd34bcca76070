"""What a method is, and the one place where scores become a subset.

A method is a frozen dataclass of its hyper-parameters with `needs` (what to observe of the shared warm-up) and `score`
(observations -> one float per sample, **larger = keep first**). Its budget is met exactly here, ties go to the lower
index.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from edgesim.cost.analytic import selection_comparisons, subset_size
from edgesim.records import FloatArray, IntArray, Selection, StepTrace, Work

if TYPE_CHECKING:
    import torch

    from edgesim.training.needs import Needs
    from edgesim.training.task import Task
    from edgesim.training.warmup import Observations


@dataclass(frozen=True)
class Shard:
    """What a method may know of a device's data before it observes anything."""

    size: int
    """n"""
    labels: IntArray
    """[n]"""
    num_classes: int
    batch_size: int
    """of training and warm-up"""
    epochs: int
    """of full training"""
    warmup_steps: int
    """T0 of the scenario, in steps"""

    @property
    def full_steps(self) -> int:
        """Steps of training on the whole shard, the most that a warm-up can have."""
        return self.epochs * -(-self.size // self.batch_size)


@dataclass(frozen=True)
class ScoreContext:
    """Everything a method works with on one device. Nothing in it may be changed."""

    device: int
    shard: Shard
    observations: Observations
    task: Task
    rng: np.random.Generator
    """the method's own stream on this device"""
    build_model: Callable[[], torch.nn.Module]
    """a fresh network at the scenario's initial weights"""


@dataclass(frozen=True)
class Scoring:
    """What a method found out, and what that took beyond its share of the warm-up."""

    scores: FloatArray
    """[n] float64, larger = keep first"""
    work: Work = field(default_factory=Work)
    trace: StepTrace = field(default_factory=StepTrace)
    notes: dict[str, float] = field(default_factory=dict)


@runtime_checkable
class Method(Protocol):
    """A way to choose a subset: a frozen dataclass whose fields are its hyper-parameters."""

    def needs(self, shard: Shard) -> Needs:
        """What to observe of the warm-up on this shard."""
        ...

    def score(self, context: ScoreContext) -> Scoring:
        """One float per sample, larger = keep first."""
        ...


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
    """How many of k samples each class gets: in proportion, by largest remainders.

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


def select(method: Method, scoring: Scoring, context: ScoreContext, keep_ratio: float) -> Selection:
    """The subset for one keep ratio: exactly `subset_size(n, keep_ratio)` sorted unique positions."""
    k = int(subset_size(context.shard.size, keep_ratio))
    if getattr(method, "balance", "none") == "class":
        positions = class_balanced_top_k(scoring.scores, context.shard.labels, k)
    else:
        positions = top_k(scoring.scores, k)
    return Selection(positions=positions, notes=scoring.notes)


@dataclass(frozen=True)
class Scored:
    """A method's scoring with all that it is charged for."""

    scoring: Scoring
    work: Work
    trace: StepTrace
    host_wall_s: float


def score(method: Method, context: ScoreContext) -> Scored:
    """Run a method and add up its own work, its share of the warm-up and its selection (edge paper, Eqs. 24-25)."""
    started = time.perf_counter()
    scoring = method.score(context)
    wall_s = time.perf_counter() - started
    if scoring.scores.shape != (context.shard.size,):
        raise ValueError(
            f"{type(method).__name__}.score must return scores of shape ({context.shard.size},), "
            f"got {scoring.scores.shape}"
        )
    observed = context.observations
    keeps_all = getattr(method, "keeps_all", False)
    comparisons = 0 if keeps_all else int(selection_comparisons(context.shard.size))
    return Scored(
        scoring=scoring,
        work=observed.work + scoring.work + Work(comparisons=comparisons),
        trace=observed.trace + scoring.trace,
        host_wall_s=observed.host_wall_s + wall_s,
    )
