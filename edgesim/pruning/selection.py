"""Runs a method for its budgets: scores, and subsets of exactly the size that a budget allows.

Every method goes through `choose`, which also charges a trial for all that its choice took.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgesim.cost.analytic import selection_comparisons, subset_size
from edgesim.pruning.base import Method, ScoreContext, Scoring, SubsetChoice, scored_shard
from edgesim.pruning.budgets import parts_of
from edgesim.records import Selection
from edgesim.work import FloatArray, StepTrace, Work


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

    A method with `score` runs once and every ratio is charged that run; its sampler turns the scores into the subset of
    each ratio. A method with `choose` runs once per ratio.

    Raises:
        ValueError: the method broke its contract (shape of the scores, number or uniqueness of the positions).
    """
    budgets = [int(subset_size(context.shard.size, ratio)) for ratio in keep_ratios]
    if not method.scores_once:
        return [_chosen_for(method, context, k) for k in budgets]
    started = time.perf_counter()
    scoring = method.score(context)
    wall_s = time.perf_counter() - started
    _check_type(method, "score", scoring, Scoring)
    if scoring.scores.shape != (context.shard.size,):
        name, shape = type(method).__name__, scoring.scores.shape
        raise ValueError(f"{name}.score must return scores of shape ({context.shard.size},), got {shape}")
    if np.isnan(scoring.scores).any():
        missing = f"{int(np.isnan(scoring.scores).sum())} of {context.shard.size} scores are NaN"
        raise ValueError(f"{type(method).__name__}.score: {missing}; every sample needs one")
    return [_sampled(method, context, scoring, k, wall_s) for k in budgets]


def _sampled(method: Method, context: ScoreContext, scoring: Scoring, k: int, wall_s: float) -> ChargedSubset:
    """The subset of one budget, by the sampler of a method that scores."""
    started = time.perf_counter()
    n, labels = context.shard.size, context.shard.labels
    sampler = method.sampler_for(n, k)
    drawn = sampler.choose(scored_shard(context, scoring), parts_of(labels, k, method.balance))
    wall_s += time.perf_counter() - started
    order = np.argsort(drawn.positions, kind="stable")
    weights = None if drawn.weights is None else drawn.weights[order]
    work = scoring.work + (Work() if method.keeps_all else sampler.work(n))
    own = replace(scoring, work=work, notes={**scoring.notes, **drawn.notes})
    comparisons = 0 if method.keeps_all else int(selection_comparisons(n))
    return _charged(SubsetChoice(drawn.positions[order], weights, own), context, comparisons, wall_s)


def _chosen_for(method: Method, context: ScoreContext, k: int) -> ChargedSubset:
    """Run a method with `choose` for one budget and hold it to its contract."""
    started = time.perf_counter()
    choice = method.choose(context, k)
    wall_s = time.perf_counter() - started
    _check_type(method, "choose", choice, SubsetChoice)
    name, dynamic = type(method).__name__, method.is_dynamic_on(context.shard)
    if choice.epoch_sampler is not None and not method.dynamic:
        raise ValueError(
            f"{name}.choose gave an epoch sampler, so the class must say so: `dynamic: ClassVar[bool] = True`"
        )
    if choice.settles and (choice.epoch_sampler is None or dynamic):
        raise ValueError(
            f"{name}.choose says `settles=True`: it must give an epoch sampler, which names the subset, and "
            "`is_dynamic_on` must return False, as the device stores k samples in the end"
        )
    budget, k = k, context.shard.size if choice.settles else method.kept_samples(context.shard, k)
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
    charged = _charged(sorted_choice, context, 0 if dynamic else int(selection_comparisons(context.shard.size)), wall_s)
    settles_on = budget if choice.settles else None
    return replace(charged, selection=replace(charged.selection, settles_on=settles_on))


def _check_type(method: Method, member: str, returned: object, expected: type) -> None:
    """Refuse another type than a method of one's own is to return, and scores that are no array."""
    where, needed = f"{type(method).__name__}.{member}", f"edgesim.pruning.base.{expected.__name__}"
    if not isinstance(returned, expected):
        raise ValueError(f"{where} must return {needed}(…), got {type(returned).__name__}")
    if isinstance(returned, Scoring) and not isinstance(returned.scores, np.ndarray):
        raise ValueError(f"{where}: scores must be a NumPy array, got {type(returned.scores).__name__}")


def _charged(choice: SubsetChoice, context: ScoreContext, comparisons: int, wall_s: float) -> ChargedSubset:
    """Add the share of the warm-up and the selection to a method's own work."""
    observed, scoring = context.observations, choice.scoring
    work = observed.work + Work(comparisons=comparisons)
    notes: Mapping[str, float | str] = {} if scoring is None else scoring.notes
    return ChargedSubset(
        selection=Selection(choice.positions, choice.weights, notes, choice.epoch_sampler),
        work=work if scoring is None else work + scoring.work,
        trace=observed.trace if scoring is None else observed.trace + scoring.trace,
        host_wall_s=observed.host_wall_s + wall_s,
        scores=None if scoring is None else scoring.scores,
        history=() if scoring is None else scoring.history,
    )
