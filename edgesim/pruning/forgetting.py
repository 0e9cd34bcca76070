"""Forgetting events: number of times that training loses a sample (Toneva et al. 2019, Algorithm 1).

    s_i = number of presentations t with sample i right at t − 1 and wrong at t, summed over the replicas

A sample that is never right in a run has nothing to forget, but is the hardest. It counts as P, the run's number of
presentations; there are at most P/2 events. Larger = kept first; many samples tie, and ties go to the lower index.
Correct predictions are read where training computes them: in training mode, augmented if training is, each at the
weights of its own step.

Deviations: the paper counts over a whole training of 200 epochs. Here the default is the scenario's warm-up, whose few
presentations leave few distinct values; `warmup: {epochs: …}` of the training's length gives the published method.
Where T0 is within an epoch, samples that it met have one presentation more than the others. A sample that was
never presented (T0 below one epoch) is passed forward once at T0; right counts 0, wrong 1.

Work: the warm-up per replica, nothing else; P comparisons per sample.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from edgesim.config.checked_dataclass import checked_dataclass
from edgesim.config.plausible import Bounded, PlausibleRange
from edgesim.models.network_costs import NetworkShape
from edgesim.pruning.base import Method, OwnWork, ScoreContext, Scoring, Shard
from edgesim.pruning.expected_work import needs_of
from edgesim.pruning.expected_work import presentations as presented
from edgesim.pruning.training_dynamics import presentation_needs, presentations, warmup_steps
from edgesim.pruning.warmup_replicas import expected_replicas, replicate
from edgesim.training.needs import Needs
from edgesim.training.settings import Warmup
from edgesim.work import FloatArray, Work


def forgetting_events(correct: npt.ArrayLike) -> FloatArray:
    """Transitions from right to wrong per sample; P for a sample that was never right (Toneva et al. 2019).

    Args:
        correct: [P, n], P >= 1, in order of time: 1 or True = right, 0 or False = wrong, NaN = not presented.

    Returns: float64 [n], whole numbers; NaN for a sample that was never presented.
    """
    values = np.asarray(correct, dtype=np.float64)
    events, right = np.zeros(values.shape[1]), np.zeros(values.shape[1], dtype=bool)
    for seen in values:  # `right` is the state at the last presentation
        events += right & (seen == 0)
        right = np.where(np.isnan(seen), right, seen > 0)
    learned = (values > 0).any(axis=0)
    events[~learned] = len(values)
    events[np.isnan(values).all(axis=0)] = np.nan
    return events


@checked_dataclass()
class Forgetting(Bounded, Method):
    """times that training loses a sample it had right, most first; never right = hardest"""

    replicas: Annotated[int, Field(ge=1), PlausibleRange(1, 1_000)] = 1
    """independent runs that the events are summed over; the first is the shared warm-up"""
    warmup: Warmup | None = None
    """length of this method's warm-up; left out: that of `pruning.warmup`"""
    balance: Literal["none", "class"] = "none"
    """class: every class keeps its share of the samples; none: the best scores of the shard, whatever their class"""

    source: ClassVar[str] = "Toneva et al. 2019"
    cost_class: ClassVar[str] = "warm-up, per replica"

    def needs(self, shard: Shard) -> Needs:
        """Hits at every presentation."""
        return presentation_needs("correct", warmup_steps(self.warmup, shard), shard)

    def expected(self, shard: Shard, network: NetworkShape, k: int) -> OwnWork:
        """The further replicas, and one comparison per presentation."""
        needs = needs_of(self, shard)
        own = expected_replicas(needs, shard, self.replicas)
        return OwnWork(own.work + Work(comparisons=self.replicas * shard.size * presented(needs, shard)), own.trace)

    def score(self, context: ScoreContext) -> Scoring:
        """Forgetting events, float64 [n]."""
        runs = replicate(context, self.needs(context.shard), self.replicas)
        scores, comparisons = np.zeros(context.shard.size), 0
        for seen in runs.observations:
            correct = presentations(seen, "correct")
            scores += forgetting_events(correct)
            comparisons += correct.size
        return Scoring(scores, runs.work + Work(comparisons=comparisons), runs.trace)
