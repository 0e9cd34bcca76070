"""What a method will be charged on a shard, known without running it: for plans, budgets and feasibility.

Three parts make up the scoring of a trial: what the method observes of the warm-up (`needs`), what it does of its own
(`expected` of the method, where it has any), and one comparison per sample for the selection, as in `base`; a dynamic
method counts the comparisons of its draws itself. Nearly all of it follows from sizes alone. Where it depends on the
data (how soon a clustering settles) a method says so by `work_is`: its work is what was measured to be usual
("expected"), or a bound that is near it ("at most"). Beside that stand two bounds: what is surely done rules trials
out, and what is done at most says which ones surely come to their end.

A user's own method says what it does beyond its warm-up by a method `expected(shard, network, k) -> Own`; without one
it is expected to take its warm-up and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from edgesim.cost.analytic import selection_comparisons, training_steps
from edgesim.models.counted import Network
from edgesim.pruning.base import Shard, is_dynamic, kept_samples
from edgesim.pruning.dynamics import steps_per_epoch
from edgesim.training.needs import Needs
from edgesim.work import IntArray, StepTrace, Work

__all__ = [
    "Network", "OwnWork", "Part", "TrialWork", "WorkCase", "WorkIs", "class_sizes", "needs_of", "of_scoring",
    "of_trial", "presentations", "scores_every_budget",
]  # fmt: skip

WorkIs = Literal["exact", "expected", "at most"]
"""how planned work stands to what will be done; where a plan cannot run the method, the last two may be off"""
WorkCase = Literal["planned", "least", "most"]
Part = tuple[Work, StepTrace]


@dataclass(frozen=True)
class OwnWork:
    """What a method does on the device beyond its share of the warm-up."""

    work: Work = field(default_factory=Work)
    trace: StepTrace = field(default_factory=StepTrace)
    work_is: WorkIs = "exact"
    """else the work depends on the data"""
    least: Part = (Work(), StepTrace())
    """what it does in any case, where the work is not exact"""
    most: Part | None = None
    """what it does at most, where the work is `expected`; None = nothing is known of that"""
    visits: tuple[int, ...] | None = None
    """samples that each epoch of training visits, of a dynamic method; None = k in every epoch, as of a fixed subset"""

    def part(self, case: WorkCase) -> Part:
        """The work as it is planned, its least or its most: all the same where it is exact."""
        if self.work_is != "exact" and case == "least":
            return self.least
        return self.most if self.most is not None and case == "most" else (self.work, self.trace)


@dataclass(frozen=True)
class TrialWork:
    """All that one trial is expected to be charged."""

    scoring: OwnWork
    """the warm-up, the method's own part, and the selection"""
    train: Work
    train_trace: StepTrace
    kept: int
    """samples that the device keeps: k, or all n of a dynamic method"""


def of_scoring(method: Any, shard: Shard, network: Network, k: int) -> OwnWork:
    """Scoring and selection of k samples: the warm-up, the method's own part, and the comparisons.

    Args:
        method: from the table of methods, or a user's own.
        shard: the device's data.
        network: the model.
        k: samples kept, 1 <= k <= n.
    """
    work, trace = needs_of(method, shard).charge(shard.size, shard.batch_size)
    own = method.expected(shard, network, k) if hasattr(method, "expected") else OwnWork()
    # As `base.choose` counts them: whoever keeps everything compares nothing.
    keeps_all = getattr(method, "keeps_all", False) and not hasattr(method, "choose")
    own_count = keeps_all or is_dynamic(method)
    work += Work(comparisons=0 if own_count else int(selection_comparisons(shard.size)))

    def added(part: Part) -> Part:
        return work + part[0], trace + part[1]

    planned, least, most = (added(own.part(case)) for case in ("planned", "least", "most"))
    return OwnWork(*planned, own.work_is, least, most, own.visits)


def of_trial(method: Any, shard: Shard, network: Network, k: int) -> TrialWork:
    """All of a trial that keeps k samples (arguments as in `of_scoring`): scoring, selection and training."""
    scoring, kept = of_scoring(method, shard, network, k), kept_samples(method, shard.size, k)
    if scoring.visits is None:
        trace = StepTrace.passes("train", k, shard.batch_size, shard.epochs)
        train = Work(train_samples=k * shard.epochs, steps=int(training_steps(k, shard.batch_size, shard.epochs)))
        return TrialWork(scoring, train, trace, kept)
    trace = StepTrace()
    for visits in scoring.visits:
        trace += StepTrace.passes("train", visits, shard.batch_size)
    train = Work(train_samples=trace.samples, steps=sum(segment.steps for segment in trace.segments))
    return TrialWork(scoring, train, trace, kept)


def scores_every_budget(method: Any) -> bool:
    """Whether scoring takes the same whatever the budget: a method with `score` runs once for all."""
    return not hasattr(method, "choose")


def needs_of(method: Any, shard: Shard) -> Needs:
    """What a method observes of the warm-up, cut to the length of full training as the warm-up itself is."""
    needs: Needs = method.needs(shard).clipped(shard.full_steps)
    return needs


def presentations(needs: Needs, shard: Shard) -> int:
    """Epochs that the warm-up begins: rows of what is recorded of every presentation."""
    return max(1, -(-needs.steps // steps_per_epoch(shard)))


def class_sizes(labels: IntArray, balance: str) -> IntArray:
    """Samples of each part that a method works on by itself: of every class, or of the shard as one."""
    return np.array([len(labels)]) if balance == "none" else np.unique(labels, return_counts=True)[1]
