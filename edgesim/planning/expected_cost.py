"""Expected cost of trials before any of them runs: the work of one method, and the price of that work on devices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from edgesim.cost import feasibility
from edgesim.cost.batch_pricing import BatchPricing, Device
from edgesim.cost.context import Price, PricingContext
from edgesim.cost.feasibility import ResourceDemand
from edgesim.cost.objective import CostFunction, SubsetCost
from edgesim.cost.step_counts import StepCounts
from edgesim.models.network_costs import NetworkShape
from edgesim.pruning import expected_work
from edgesim.pruning.base import Method, OwnWork, Shard, WorkCase, WorkIs
from edgesim.records import Reused
from edgesim.work import FloatArray, IntArray


@dataclass(frozen=True)
class ExpectedWork:
    """Work of one method's trials on each of several shards."""

    context: PricingContext
    network: NetworkShape
    method: Method
    """the plug-in"""
    shards: Sequence[Shard]
    """at least one; all have the batch size and the epochs of the scenario"""
    reused: Mapping[tuple[int, int], Reused] = field(default_factory=dict)
    """(position of the shard, subset size) -> subset of another run with the work of its scoring (`scores_from`)"""
    _trials: dict[tuple[int, int], expected_work.TrialWork] = field(default_factory=dict)
    """(position of the shard, subset size) -> work, computed once"""
    _scorings: dict[WorkCase, StepCounts] = field(default_factory=dict)

    @property
    def scores_once(self) -> bool:
        """True where scoring does not depend on the subset size; costs then grow with that size batch by batch."""
        return self.method.same_for_all_budgets and not self.reused

    @cached_property
    def sizes(self) -> IntArray:
        """[shards] samples of each."""
        return np.array([shard.size for shard in self.shards], dtype=np.int64)

    @cached_property
    def dynamic(self) -> npt.NDArray[np.bool_]:
        """[shards] True where the method chooses while it trains on it."""
        return np.array([self.method.is_dynamic_on(shard) for shard in self.shards])

    @cached_property
    def work_is(self) -> WorkIs:
        """Certainty of the work where no other run has scored: the least certain over all shards."""
        found = {expected_work.of_scoring(self.method, shard, self.network, 1).work_is for shard in self.shards}
        return "exact" if found == {"exact"} else next(word for word in ("expected", "at most") if word in found)

    def exact(self, shard: IntArray, m: IntArray) -> npt.NDArray[np.bool_]:
        """[C] True where the work of a trial is known exactly, as it is where another run has scored.

        Args:
            shard: [C] positions of shards.
            m: [C] subset sizes, 1 to n.
        """
        if self.work_is == "exact" or not self.reused:
            return np.full(len(m), self.work_is == "exact")
        return np.array([(int(place), int(k)) in self.reused for place, k in zip(shard, m, strict=True)])

    def step_counts(
        self, shard: IntArray, m: IntArray, case: WorkCase = "planned"
    ) -> tuple[StepCounts, StepCounts, IntArray]:
        """Steps of scoring and of one training, and the samples kept, of C trials.

        Args:
            shard: [C] positions of shards.
            m: [C] subset sizes, 1 to n.
            case: planned work, its least or its most; all equal where the work is exact.
        """
        workload, first = self.context.workload, self.shards[0]
        if self.scores_once:
            score = self._scoring(case)
            score = score if len(self.shards) == 1 else score.rows(shard)
            return (
                score.times(self.context.scorings(False)),
                StepCounts.training(m, first.batch_size, first.epochs, workload),
                m,
            )
        keys = list(zip(map(int, shard), map(int, m), strict=True))
        trials = [self.trial(*key) for key in keys]
        scorers = [workload if key not in self.reused else self.context.scorer or workload for key in keys]
        score = StepCounts.of([trial.scoring.part(case) for trial in trials], scorers)
        train = StepCounts.of([(trial.train, trial.train_trace) for trial in trials], workload)
        times = np.array([self.context.scorings(bool(self.dynamic[place])) for place, _ in keys])
        return score.times(times), train, np.array([trial.kept for trial in trials], dtype=np.int64)

    def _scoring(self, case: WorkCase) -> StepCounts:
        if case not in self._scorings:
            parts = [expected_work.of_scoring(self.method, shard, self.network, 1).part(case) for shard in self.shards]
            self._scorings[case] = StepCounts.of(parts, self.context.workload)
        return self._scorings[case]

    def trial(self, shard: int, k: int) -> expected_work.TrialWork:
        """Work of the trial that keeps k samples of one shard."""
        if (shard, k) not in self._trials:
            planned = expected_work.of_trial(self.method, self.shards[shard], self.network, k)
            if (shard, k) in self.reused:
                found = self.reused[shard, k]
                planned = replace(planned, scoring=OwnWork(found.work, found.trace))
            self._trials[shard, k] = planned
        return self._trials[shard, k]


@dataclass(frozen=True)
class DeviceBatch:
    """P devices of one kind, each with one shard, and the method that they run."""

    work: ExpectedWork
    device: Device
    shard: IntArray
    """[P] positions of their shards"""
    factor: FloatArray
    """[P] of the profile's throughput"""
    risk_weight: FloatArray
    """[P] of their risks in an objective (`objective.risk_weights`)"""

    @property
    def sizes(self) -> IntArray:
        """[P] samples of each shard."""
        return self.work.sizes[self.shard]

    @property
    def exact(self) -> bool:
        """True where the work of their trials is known exactly."""
        return self.work.work_is == "exact"

    def price(self, place: IntArray, m: IntArray, case: WorkCase = "planned") -> BatchPricing:
        """Both prices of C trials.

        Args:
            place: [C] positions in the batch.
            m: [C] subset sizes.
            case: of the work, where it is not exact.
        """
        counts = self.work.step_counts(self.shard[place], m, case)
        return BatchPricing(self.work.context, self.device, *counts, self.factor[place])

    def some(self, part: slice | IntArray) -> DeviceBatch:
        """Part of the batch."""
        return DeviceBatch(self.work, self.device, self.shard[part], self.factor[part], self.risk_weight[part])

    def costs(self, price: Price, case: WorkCase = "most") -> CostFunction:
        """Cost of subset sizes by one price, and the limit of the device that each breaks.

        Args:
            price: emulated or analytic.
            case: of the work by which the device's limits are checked. Costs are those of the planned work.
        """

        def cost_of(place: IntArray, m: IntArray) -> SubsetCost:
            priced = self.price(place, m)
            plain = self.exact or case == "planned" or not may_stop(self.device)
            checked = priced if plain else self.price(place, m, case)
            limit = feasibility.first_limit(demand(checked, self.sizes[place]), self.device.profile)
            return SubsetCost(priced.time_s(price), priced.energy_j(price), priced.storage_bytes, limit)

        return cost_of


def may_stop(device: Device) -> bool:
    """True where a battery or windows of availability may end the work early."""
    return device.conditions.energy.source != "mains" or device.conditions.available is not None


def demand(priced: BatchPricing, size: IntArray) -> ResourceDemand:
    """Resources that C priced trials demand of their device.

    Args:
        priced: the trials, by their least work where the demand decides that they are infeasible.
        size: [C] samples of each one's shard.
    """
    shard_bytes = size.astype(np.float64) * priced.context.sample_bytes
    if not may_stop(priced.device):
        return ResourceDemand(priced.peak_memory_bytes, shard_bytes)
    run = priced.as_it_is
    return ResourceDemand(priced.peak_memory_bytes, shard_bytes, run.finished, ~np.isnan(run.died_at_s))
