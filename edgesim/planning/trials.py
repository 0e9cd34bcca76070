"""Resolution of trials: the trials of every device, their keep ratios, and the infeasible ones.

Runs and plans without training resolve their trials here, so that a plan says what a run will do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import get_args

import numpy as np
import numpy.typing as npt

from edgesim.config.registry import NamedPlugin
from edgesim.cost import feasibility
from edgesim.cost.analytic import subset_size
from edgesim.cost.batch_pricing import BatchPricing, Device
from edgesim.cost.objective import Objective, RiskWeights, Rule, risk_weights
from edgesim.cost.step_counts import StepCounts
from edgesim.cost.transfer import TransferPricing
from edgesim.errors import Fault, ScenarioError
from edgesim.models.network_costs import NetworkShape
from edgesim.planning.expected_cost import DeviceBatch, ExpectedWork, demand
from edgesim.planning.ratio_rules import RuleDecision, choose
from edgesim.planning.virtual_fleet import VirtualFleet
from edgesim.pruning.base import WorkCase, WorkIs
from edgesim.records import Reused, Trial, rounded_ratio
from edgesim.scenario.experiment import ExperimentConfig
from edgesim.scenario.loading import Scenario
from edgesim.scenario.pruning_section import Pruning
from edgesim.work import FloatArray, IntArray

Curves = Mapping[str, FloatArray]
"""method -> [points, 2] keep ratio and accuracy, ratios ascending"""
LIMITS = (*feasibility.LIMITS, "budget")
"""limits that make a trial infeasible, by position: those of the device, then the budget; the first stands for none"""
BUDGET = LIMITS.index("budget")
WORK_IS: tuple[WorkIs, ...] = get_args(WorkIs)
MOST_TRIALS = 1 << 16
"""trials that are resolved at once: their arrays fit into a processor's cache"""


@dataclass(frozen=True)
class PlannedTrials:
    """The R trials of each of P devices, with their planned work."""

    ratio: FloatArray
    """[P, R]"""
    m: IntArray
    """[P, R] subset sizes"""
    score: StepCounts
    """[P·R] rows"""
    train: StepCounts
    kept: IntArray
    """[P·R] samples that each keeps"""
    decisions: tuple[RuleDecision | None, ...]
    """[R] decisions of a rule, None for a method that keeps everything; empty without a rule"""
    work_is: IntArray
    """[P, R] positions in WORK_IS"""
    least: tuple[StepCounts, StepCounts] | None
    """scoring and training with the least of their work; None where all work is exact"""

    def rows(self, which: IntArray) -> PlannedTrials:
        """Trials of some devices, as often as these are named."""
        width = self.ratio.shape[1]
        places = (which[:, None] * width + np.arange(width)).ravel()
        counts = self.score.rows(places), self.train.rows(places)
        least = None if self.least is None else (self.least[0].rows(places), self.least[1].rows(places))
        own = self.ratio[which], self.m[which]
        return PlannedTrials(*own, *counts, self.kept[places], self.decisions, self.work_is[which], least)


@dataclass(frozen=True)
class ResolvedTrials:
    """The R trials of each of P devices of one kind, priced, with the limits that make them infeasible."""

    device: Device
    shard: IntArray
    """[P] positions of the devices' shards"""
    factor: FloatArray
    """[P] of the profile's throughput"""
    size: IntArray
    """[P·R] samples of each trial's shard"""
    trials: PlannedTrials
    priced: BatchPricing
    """[P·R] by the planned work"""
    least: BatchPricing
    """[P·R] by the least work"""
    transfer: TransferPricing | None = None
    """[P] fine-tuning on another data set, of every trial; None where there is none"""

    @property
    def width(self) -> int:
        """R."""
        return self.trials.ratio.shape[1]

    @cached_property
    def stopped(self) -> IntArray:
        """[P, R] position in LIMITS of the device's limit that even the least work breaks; 0 = none."""
        return self._stopped[0]

    @property
    def in_transfer(self) -> npt.NDArray[np.bool_]:
        """[P, R] True where the fine-tuning alone breaks that limit."""
        return self._stopped[1]

    @cached_property
    def _stopped(self) -> tuple[IntArray, npt.NDArray[np.bool_]]:
        """`stopped`, and `in_transfer`."""
        own = feasibility.first_limit(demand(self.least, self.size), self.device.profile).reshape(-1, self.width)
        if self.transfer is None:
            return own, np.zeros(own.shape, dtype=bool)
        later = (own == 0) & (self.transfer.limit[:, None] > 0)
        return np.where(later, self.transfer.limit[:, None], own), later

    @cached_property
    def limit(self) -> IntArray:
        """[P, R] position in LIMITS of the limit that makes a trial infeasible; 0 = none."""
        limit = self.stopped.copy()
        for r, decision in enumerate(self.trials.decisions):
            if decision is not None:
                refuses = np.where((decision.binds > 0) & (decision.binds < BUDGET), decision.binds, BUDGET)
                limit[:, r] = np.where(~decision.suffices & (limit[:, r] == 0), refuses, limit[:, r])
        return limit

    @cached_property
    def exact(self) -> npt.NDArray[np.bool_]:
        """[P·R] True where the work is known exactly."""
        return self.trials.work_is.ravel() == WORK_IS.index("exact")


@dataclass(frozen=True)
class TrialResolver:
    """Resolves the trials of a scenario on a fleet."""

    scenario: Scenario
    config: ExperimentConfig
    network: NetworkShape
    fleet: VirtualFleet
    curves: Curves | None = None
    """accuracy curves, where the scenario's rule reads them from a run"""
    reused: Mapping[Trial, Reused] = field(default_factory=dict)
    """subsets of the run that `scores_from` names, with the work of their scoring"""
    transfer_sizes: Mapping[tuple[int, int], int] = field(default_factory=dict)
    """(seed, device) -> samples of the data set that `transfer` names; empty where it names none"""

    def batches(self) -> Iterator[ResolvedTrials]:
        """All trials of the fleet's distinct devices (`VirtualFleet.pairs`), in their order.

        Raises:
            ScenarioError: the run that gives an objective's curves has none for a method.
        """
        keys, _ = self.fleet.pairs
        kind, factor, shard = self.fleet.parts(keys)
        for place in np.unique(kind):  # a kind without devices has no part; the keys are in order of kind
            mine = np.flatnonzero(kind == place)
            step = max(1, MOST_TRIALS // len(self.labels))
            for some in np.split(mine, range(step, len(mine), step)):
                yield self._resolved(self.fleet.kinds[place], shard[some], factor[some])

    def _resolved(self, device: Device, shard: IntArray, factor: FloatArray) -> ResolvedTrials:
        """The trials of P devices of one kind, which differ in shard and throughput."""
        trials = self._named.rows(shard) if self._pruning.rule is None else self._chosen(device, shard, factor)
        width, context = trials.ratio.shape[1], self.config.pricing
        each = np.repeat(factor, width)
        priced = BatchPricing(context, device, trials.score, trials.train, trials.kept, each)
        least = priced if trials.least is None else BatchPricing(context, device, *trials.least, trials.kept, each)
        size = np.repeat(self.sizes[shard], width)
        tuned = self._transfer(device, shard, factor)
        return ResolvedTrials(device, shard, factor, size, trials, priced, least, tuned)

    def _transfer(self, device: Device, shard: IntArray, factor: FloatArray) -> TransferPricing | None:
        """The fine-tuning of P devices of one kind; None where there is none."""
        context = self.config.pricing.transfer
        if context is None or not self.transfer_sizes:
            return None
        size = np.array([self.transfer_sizes[self.fleet.owners[place]] for place in shard], dtype=np.int64)
        return TransferPricing.of(context, device, size, factor)

    @cached_property
    def sizes(self) -> IntArray:
        """[shards] samples of each."""
        return self.work[0].sizes

    @cached_property
    def work(self) -> tuple[ExpectedWork, ...]:
        """[methods] work of each method on all shards."""
        labels, network = self.config.dataset.train_labels, self.network
        shards = [self.config.describe(labels[indices]) for indices in self.fleet.shards]
        places = {owner: place for place, owner in enumerate(self.fleet.owners)}
        known: dict[str, dict[tuple[int, int], Reused]] = {method.label: {} for method in self.methods}
        for trial, found in self.reused.items():
            if trial.method in known and (trial.seed, trial.device) in places:
                known[trial.method][places[trial.seed, trial.device], len(found.kept)] = found
        return tuple(
            ExpectedWork(self.config.pricing, network, method.plugin, shards, known[method.label])
            for method in self.methods
        )

    @property
    def methods(self) -> tuple[NamedPlugin, ...]:
        """The scenario's methods."""
        return self._pruning.methods

    @property
    def _pruning(self) -> Pruning:
        return self.scenario.pruning

    @cached_property
    def widths(self) -> list[int]:
        """[methods] trials of a device."""
        each = len(self._pruning.keep_ratios) if self._pruning.rule is None else 1
        return [1 if method.plugin.keeps_all else each for method in self.methods]

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """[R] method of each trial of a device."""
        return tuple(
            method.label for method, width in zip(self.methods, self.widths, strict=True) for _ in range(width)
        )

    def work_of(self, r: int) -> ExpectedWork:
        """Work of the method of a device's trial `r`."""
        return next(work for work, end in zip(self.work, np.cumsum(self.widths), strict=True) if r < end)

    def dynamic(self, shard: IntArray) -> npt.NDArray[np.bool_]:
        """[P, R] True where a trial's method chooses while it trains.

        Args:
            shard: [P] positions of the devices' shards.
        """
        each = [work.dynamic[shard] for work, width in zip(self.work, self.widths, strict=True) for _ in range(width)]
        return np.stack(each, axis=1)

    @cached_property
    def risk_weight(self) -> FloatArray:
        """[shards] weight of the risk of a device with that shard, in an objective."""
        fleet, found = self.fleet, np.ones(len(self.sizes))
        for seed in np.unique(fleet.seed):
            mine = fleet.shard[fleet.seed == seed]
            found[mine] = risk_weights(self.sizes[mine], _risk_weighting(self._pruning.rule))
        return found

    @cached_property
    def _named(self) -> PlannedTrials:
        """The trials of every shard at the ratios that the scenario names: the same on every device."""
        ratios = [(1.0,) if method.plugin.keeps_all else self._pruning.keep_ratios for method in self.methods]
        row = np.concatenate([np.array(given) for given in ratios])
        ratio = np.broadcast_to(row, (len(self.sizes), len(row)))
        return self._planned(ratio, subset_size(self.sizes[:, None], ratio), np.arange(len(self.sizes)), ())

    def _chosen(self, device: Device, shard: IntArray, factor: FloatArray) -> PlannedTrials:
        """The trials of P devices at the ratios that the scenario's rule gives them."""
        rule, sizes = self._pruning.rule, self.sizes[shard]
        assert rule is not None
        decisions: list[RuleDecision | None] = []
        for method, work in zip(self.methods, self.work, strict=True):
            if method.plugin.keeps_all:
                decisions.append(None)
                continue
            batch = DeviceBatch(work, device, shard, factor, self.risk_weight[shard])
            curve = objective_curve(rule, method.label, self.curves) if isinstance(rule, Objective) else None
            decisions.append(choose(rule, batch, curve))
        m = np.stack([sizes if decision is None else decision.m for decision in decisions], axis=1)
        return self._planned(rounded_ratio(m / sizes[:, None]), m, shard, tuple(decisions))

    def _planned(
        self, ratio: FloatArray, m: IntArray, shard: IntArray, decisions: tuple[RuleDecision | None, ...]
    ) -> PlannedTrials:
        """Work of the trials of P devices."""
        score, train, kept = self._step_counts(m, shard, "planned")
        work_is = np.zeros(m.shape, dtype=np.int64)
        first = 0
        for work, width in zip(self.work, self.widths, strict=True):
            if work.work_is != "exact":
                for r in range(first, first + width):
                    work_is[:, r] = np.where(work.exact(shard, m[:, r]), 0, WORK_IS.index(work.work_is))
            first += width
        least = self._step_counts(m, shard, "least")[:2] if work_is.any() else None
        return PlannedTrials(ratio, m, score, train, kept, decisions, work_is, least)

    def _step_counts(self, m: IntArray, shard: IntArray, case: WorkCase) -> tuple[StepCounts, StepCounts, IntArray]:
        """Steps of scoring and training in order of device and trial, and the samples that each trial keeps."""
        score, train, kept, place = [], [], [], []
        count, width = m.shape
        first = 0
        for work, own_width in zip(self.work, self.widths, strict=True):
            columns = slice(first, first + own_width)
            counts = work.step_counts(np.repeat(shard, own_width), m[:, columns].ravel(), case)
            score.append(counts[0].repeated(count * own_width))
            train.append(counts[1])
            kept.append(counts[2])
            place.append(np.arange(count * width).reshape(count, width)[:, columns].ravel())
            first += own_width
        order = np.argsort(np.concatenate(place))
        return StepCounts.stack(score).rows(order), StepCounts.stack(train).rows(order), np.concatenate(kept)[order]


def sizes_of(rows: Mapping[tuple[int, int], IntArray]) -> dict[tuple[int, int], int]:
    """Numbers of samples, by seed and device."""
    return {owner: len(own) for owner, own in rows.items()}


def _risk_weighting(rule: Rule | None) -> RiskWeights:
    """The weights of the devices' risks; only an objective has other than equal ones."""
    return rule.weights_of_devices if isinstance(rule, Objective) else "equal"


def objective_curve(rule: Objective, label: str, curves: Curves | None) -> FloatArray:
    """[points, 2] keep ratio and accuracy of a method.

    Raises:
        ScenarioError: the run that gives the curves has none for the method.
    """
    if rule.accuracy_curve is not None:
        return np.array(rule.accuracy_curve)
    if curves is None or label not in curves:
        there = ", ".join(curves or ()) or "none"
        message = (
            f"{rule.accuracy_from} has no accuracies of '{label}' at two ratios or more (there are: {there}); run it "
            "there, give that method the same label, or give `accuracy_curve`"
        )
        raise ScenarioError("pruning", [Fault("pruning.keep_ratio.objective.accuracy_from", message)])
    return curves[label]
