"""Work that a trial will take, known before anything runs: for plans, budgets and feasibility.

The scoring of a trial has three parts:

    `Method.needs`       the warm-up and its observations; a warm-up that counts is training (`after_warmup`)
    `Method.expected`    the method's own work, by default none
    selection            one comparison per sample and the work of the sampler; a dynamic method counts its own

Nearly all of it follows from sizes alone. Where it depends on the data (how soon a clustering settles), `work_is` says
so: the planned work is then a measured mean ("expected") or an upper bound ("at most"). Two bounds stand beside it. A
trial whose least work exceeds a limit is ruled out; one whose most work stays below it will surely finish.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from edgesim.config import user_code
from edgesim.cost.analytic import selection_comparisons, training_steps
from edgesim.errors import EdgesimError
from edgesim.models.network_costs import NetworkShape
from edgesim.pruning.after_warmup import use_of
from edgesim.pruning.base import Method, OwnWork, Part, Shard
from edgesim.pruning.training_dynamics import steps_per_epoch
from edgesim.training.needs import Needs
from edgesim.work import IntArray, StepTrace, Work

MOST_TRACED_EPOCHS = 100_000
"""epochs of a training whose steps are counted one by one, as those of methods that choose by the subset size"""


@dataclass(frozen=True)
class TrialWork:
    """All that one trial is expected to be charged."""

    scoring: OwnWork
    """the warm-up, the method's own part, and the selection"""
    train: Work
    train_trace: StepTrace
    kept: int
    """samples that the device keeps: k, or all n of a dynamic method"""


def of_scoring(method: Method, shard: Shard, network: NetworkShape, k: int) -> OwnWork:
    """Scoring and selection of k samples: the warm-up, the method's own part, and the comparisons.

    Args:
        method: from the table of methods, or a user's own.
        shard: the device's data.
        network: the model.
        k: samples kept, 1 <= k <= n.
    """
    needs, own = _asked(method, shard, network, k)
    work, trace = needs.charge(shard.size, shard.batch_size)
    # As `selection.choose` counts them: a method that keeps everything compares nothing.
    own_count = (method.keeps_all and method.scores_once) or method.is_dynamic_on(shard)
    work += Work(comparisons=0 if own_count else int(selection_comparisons(shard.size)))
    if method.scores_once and not method.keeps_all:
        work += method.sampler_for(shard.size, k).work(shard.size)

    def added(part: Part) -> Part:
        return work + part[0], trace + part[1]

    planned, least, most = (added(own.part(case)) for case in ("planned", "least", "most"))
    return OwnWork(*planned, own.work_is, least, most, own.visits)


def _asked(method: Method, shard: Shard, network: NetworkShape, k: int) -> tuple[Needs, OwnWork]:
    """What a method needs and expects; EdgesimError where a user's own method raises anything."""
    if method.dynamic or method.after_warmup == "counts":
        _check_epochs(method, shard)
    with user_code.boundary(f"the method {type(method).__name__} cannot be planned", own=user_code.is_own(method)):
        use = use_of(method, shard)
        needs, own = use.needs.clipped(shard.full_steps), use.method.expected(use.shard, network, k)
    if not isinstance(own, OwnWork):
        raise EdgesimError(f"the method {type(method).__name__} expects {type(own).__name__}; give an OwnWork")
    return needs, own if use.epochs == 0 else replace(own, visits=use.visits(k))


def _check_epochs(method: Method, shard: Shard) -> None:
    """EdgesimError where the steps of a training are too many to be counted one by one."""
    if shard.epochs > MOST_TRACED_EPOCHS:
        limit = f"at most {MOST_TRACED_EPOCHS:,} epochs, not {shard.epochs:,}; lower training.epochs"
        raise EdgesimError(f"the method {type(method).__name__} can be planned for {limit}")


def of_trial(method: Method, shard: Shard, network: NetworkShape, k: int) -> TrialWork:
    """All of a trial that keeps k samples (arguments as in `of_scoring`): scoring, selection and training."""
    _check_epochs(method, shard)
    scoring, kept = of_scoring(method, shard, network, k), use_of(method, shard).kept(k)
    if scoring.visits is None:
        trace = StepTrace.passes("train", k, shard.batch_size, shard.epochs)
        train = Work(train_samples=k * shard.epochs, steps=int(training_steps(k, shard.batch_size, shard.epochs)))
        return TrialWork(scoring, train, trace, kept)
    passes = {visits: StepTrace.passes("train", visits, shard.batch_size).segments for visits in set(scoring.visits)}
    trace = StepTrace(tuple(segment for visits in scoring.visits for segment in passes[visits]))
    train = Work(train_samples=trace.samples, steps=sum(segment.steps for segment in trace.segments))
    return TrialWork(scoring, train, trace, kept)


def needs_of(method: Method, shard: Shard) -> Needs:
    """Needs of a method, cut to the length of full training as the warm-up itself is."""
    return method.needs(shard).clipped(shard.full_steps)


def presentations(needs: Needs, shard: Shard) -> int:
    """Epochs that the warm-up begins: rows of what is recorded of every presentation."""
    return max(1, -(-needs.steps // steps_per_epoch(shard)))


def class_sizes(labels: IntArray, balance: str) -> IntArray:
    """Samples of each part that a method works on by itself: of every class, or of the shard as one."""
    return np.array([len(labels)]) if balance == "none" else np.unique(labels, return_counts=True)[1]
