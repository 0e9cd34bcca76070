"""What the trials of one method will do on each of several shards, before any of them runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from edgesim.cost.batch_pricing import BatchPricing, Device
from edgesim.cost.context import PricingContext
from edgesim.cost.feasibility import ResourceDemand
from edgesim.cost.step_counts import StepCounts
from edgesim.models.network_costs import NetworkShape
from edgesim.pruning import expected_work
from edgesim.pruning.base import Method, OwnWork, Shard, WorkCase, WorkIs
from edgesim.records import Reused
from edgesim.work import FloatArray, IntArray


@dataclass(frozen=True)
class ExpectedCost:
    """A method and the shards of some devices."""

    terms: PricingContext
    network: NetworkShape
    method: Method
    """the plug-in"""
    shards: Sequence[Shard]
    """at least one; batch size and epochs are those of the scenario, the same for all"""
    reused: Mapping[tuple[int, int], Reused] = field(default_factory=dict)
    """(position of the shard, subset size) -> what choosing that subset took in another run (`scores_from`)"""
    _trials: dict[tuple[int, int], expected_work.TrialWork] = field(default_factory=dict)
    """what was worked out: (position of the shard, subset size) -> work; one by one where scoring depends on both"""
    _scorings: dict[WorkCase, StepCounts] = field(default_factory=dict)

    @property
    def scores_once(self) -> bool:
        """Whether scoring is the same for every subset size, so that costs grow with it batch by batch."""
        return self.method.scores_once and not self.reused

    @cached_property
    def sizes(self) -> IntArray:
        """[shards] samples of each."""
        return np.array([shard.size for shard in self.shards], dtype=np.int64)

    @cached_property
    def work_is(self) -> WorkIs:
        """How planned work stands to what will be done, where no other run has scored: one word for all shards."""
        words = {expected_work.of_scoring(self.method, shard, self.network, 1).work_is for shard in self.shards}
        return "exact" if words == {"exact"} else next(word for word in ("expected", "at most") if word in words)

    def exact(self, which: IntArray, m: IntArray) -> npt.NDArray[np.bool_]:
        """[C] whether the work of trials is known (arguments as in `price`): it is where another run has scored."""
        if self.work_is == "exact" or not self.reused:
            return np.full(len(m), self.work_is == "exact")
        return np.array([(int(place), int(k)) in self.reused for place, k in zip(which, m, strict=True)])

    def price(
        self, device: Device, which: IntArray, m: IntArray, factor: FloatArray | float = 1.0, case: WorkCase = "planned"
    ) -> BatchPricing:
        """Both prices of C trials on one kind of device.

        Args:
            device: profile and conditions.
            which: [C] positions of shards.
            m: [C] subset sizes, 1 to n.
            factor: of the profile's throughput, [C] or one for all.
            case: of the work, where it is not exact.
        """
        return BatchPricing(self.terms, device, *self.loads(which, m, case), factor)

    def loads(
        self, which: IntArray, m: IntArray, case: WorkCase = "planned"
    ) -> tuple[StepCounts, StepCounts, IntArray]:
        """What scoring and one training of C trials will do, and how many samples each keeps (arguments: `price`)."""
        workload, first = self.terms.workload, self.shards[0]
        scorings = self.terms.scorings(self.method.dynamic)
        if self.scores_once:
            score = self._scoring(case)
            score = score if len(self.shards) == 1 else score.rows(which)
            return score.times(scorings), StepCounts.training(m, first.batch_size, first.epochs, workload), m
        keys = list(zip(map(int, which), map(int, m), strict=True))
        trials = [self.trial(*key) for key in keys]
        scorers = [workload if key not in self.reused else self.terms.scorer or workload for key in keys]
        score = StepCounts.of([trial.scoring.part(case) for trial in trials], scorers)
        train = StepCounts.of([(trial.train, trial.train_trace) for trial in trials], workload)
        return score.times(scorings), train, np.array([trial.kept for trial in trials], dtype=np.int64)

    def _scoring(self, case: WorkCase) -> StepCounts:
        if case not in self._scorings:
            parts = [expected_work.of_scoring(self.method, shard, self.network, 1).part(case) for shard in self.shards]
            self._scorings[case] = StepCounts.of(parts, self.terms.workload)
        return self._scorings[case]

    def trial(self, place: int, k: int) -> expected_work.TrialWork:
        """What the trial of one shard that keeps k samples will do."""
        if (place, k) not in self._trials:
            planned = expected_work.of_trial(self.method, self.shards[place], self.network, k)
            if (place, k) in self.reused:
                found = self.reused[place, k]
                planned = replace(planned, scoring=OwnWork(found.work, found.trace))
            self._trials[place, k] = planned
        return self._trials[place, k]


def may_stop(device: Device) -> bool:
    """Whether a device's conditions may keep it from the end of its work: a charge, or windows."""
    return device.conditions.energy.source != "mains" or device.conditions.available is not None


def demand(priced: BatchPricing, size: IntArray) -> ResourceDemand:
    """What C priced trials want of their device.

    Args:
        priced: the trials; by the least of their work where they are to be ruled out.
        size: [C] samples of each one's shard.
    """
    shard_bytes = size.astype(np.float64) * priced.terms.sample_bytes
    if not may_stop(priced.device):
        return ResourceDemand(priced.peak_memory_bytes, shard_bytes)
    run = priced.as_it_is
    return ResourceDemand(priced.peak_memory_bytes, shard_bytes, run.finished, ~np.isnan(run.died_at_s))
