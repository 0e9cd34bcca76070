"""Prices every kind of device with every shard and throughput that goes with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from edgesim.config.registry import NamedPlugin
from edgesim.cost import feasibility
from edgesim.cost.analytic import subset_size
from edgesim.cost.batch_pricing import BatchPricing, Device
from edgesim.cost.objective import risk_weights
from edgesim.cost.step_counts import StepCounts
from edgesim.data import datasets
from edgesim.planning.expected_cost import ExpectedCost, demand, may_stop
from edgesim.planning.fleet_plan import WORK_IS, Columns, FleetPlan, Full
from edgesim.planning.ratio_rules import DeviceBatch, RuleDecision, choose
from edgesim.planning.reasons import BUDGET, Wording
from edgesim.planning.trials import Curves, TrialPricer, curve_of, scored, weighted
from edgesim.planning.virtual_fleet import VirtualFleet, own, scaled
from edgesim.pruning.base import WorkCase
from edgesim.records import Reused, Trial, rounded_ratio
from edgesim.scenario.experiment import ExperimentConfig, configure, shards_of
from edgesim.scenario.loading import Scenario
from edgesim.work import FloatArray, IntArray, StepTrace, Work, Workload

ROWS = 1 << 16
"""trials that are priced at once: their arrays fit into a processor's cache"""


def plan(
    scenario: Scenario,
    devices: int | None = None,
    curves: Curves | None = None,
    reused: Mapping[Trial, Reused] | None = None,
    scorer: Workload | None = None,
) -> FleetPlan:
    """Price every trial of a scenario without running any.

    Args:
        scenario: the experiment.
        devices: scale the fleet to so many devices: the groups in their proportions (largest remainders), the shard of
            each device drawn from all shards that the scenario's own partition made (stream "plan:shards" of the first
            seed), and with a `spread` a throughput factor of its own (stream "plan:spread"), beyond `crowd.EXACT`
            devices rounded by at most 2 %. None = the scenario's own devices, in every seed.
        curves: accuracy curves, where the scenario's rule reads them from a run.
        reused: subsets of the run that `scores_from` names, and what choosing them took.
        scorer: of the network that scored there.

    Raises:
        DataError: the data cannot be read.
        ScenarioError: the data do not suffice for the fleet.
        EdgesimError: the network does not fit the data.
    """
    dataset = datasets.load(scenario.dataset.plugin, scenario.dataset.name, scenario.folder)
    shards = [(seed, shards_of(scenario, dataset, seed)) for seed in scenario.seeds]
    fleet = own(scenario, shards) if devices is None else scaled(scenario, shards, devices)
    setting, network = configure(scenario, dataset, scorer)
    outlook = TrialPricer(setting.terms, network)
    owners = [(seed, index) for seed, parts in shards for index in range(len(parts))]
    pricer = _Pricer(scenario, setting, outlook, curves, fleet, owners, reused or {})
    keys, pair = fleet.pairs
    kind, factor, shard = fleet.parts(keys)
    wording = Wording()
    parts, full_j = [], []
    for place in np.unique(kind):  # a kind without devices has no part; the keys are in order of kind
        mine = np.flatnonzero(kind == place)
        step = max(1, ROWS // len(pricer.methods))
        for some in np.split(mine, range(step, len(mine), step)):
            parts.append(pricer.cells(fleet.kinds[place], shard[some], factor[some], wording))
            full_j.append(pricer.full_energy_j(fleet.kinds[place], shard[some], factor[some], parts[-1]))
    cells = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    notes = tuple(map(str, dataset.notes))
    against = Full(np.concatenate(full_j), setting.terms.repeats, pricer.dynamic)
    return FleetPlan(fleet, pricer.methods, pair, kind, cells, tuple(wording.texts), notes, against)


@dataclass(frozen=True)
class _Trials:
    """The R trials of each of P pairs, ready to be priced on their device."""

    ratio: FloatArray
    """[P, R]"""
    m: IntArray
    """[P, R]"""
    score: StepCounts
    """[P·R] rows"""
    train: StepCounts
    kept: IntArray
    """[P·R]"""
    choices: tuple[RuleDecision | None, ...]
    """[R] where a rule chose the ratio"""
    work_is: IntArray
    """[P, R] positions in WORK_IS"""
    least: tuple[StepCounts, StepCounts] | None
    """score and train with the least of their work; None where all of it is exact"""

    def rows(self, which: IntArray) -> _Trials:
        """Those of some pairs, as often as they are named."""
        width = self.ratio.shape[1]
        places = (which[:, None] * width + np.arange(width)).ravel()
        loads = self.score.rows(places), self.train.rows(places)
        least = None if self.least is None else (self.least[0].rows(places), self.least[1].rows(places))
        own = self.ratio[which], self.m[which]
        return _Trials(*own, *loads, self.kept[places], self.choices, self.work_is[which], least)


@dataclass(frozen=True)
class _Pricer:
    scenario: Scenario
    setting: ExperimentConfig
    outlook: TrialPricer
    curves: Curves | None
    fleet: VirtualFleet
    owners: list[tuple[int, int]]
    """[shards] seed and device that each shard was made for"""
    reused: Mapping[Trial, Reused]

    @cached_property
    def prospects(self) -> tuple[ExpectedCost, ...]:
        """[methods] each with all shards."""
        labels = self.setting.dataset.train_labels
        shards = [self.setting.describe(labels[indices]) for indices in self.fleet.shards]
        there = scored(self.reused)
        return tuple(
            self.outlook.prospect(
                method.plugin, shards, [there.get((*owner, method.label), {}) for owner in self.owners]
            )
            for method in self._methods
        )

    @cached_property
    def methods(self) -> tuple[str, ...]:
        """[R] labels of a device's trials."""
        return tuple(
            method.label for method, width in zip(self._methods, self._widths, strict=True) for _ in range(width)
        )

    @property
    def dynamic(self) -> tuple[bool, ...]:
        """[R] whether each trial's method chooses while it trains."""
        return tuple(
            method.plugin.dynamic
            for method, width in zip(self._methods, self._widths, strict=True)
            for _ in range(width)
        )

    @property
    def _methods(self) -> tuple[NamedPlugin, ...]:
        return self.scenario.pruning.methods

    @cached_property
    def _widths(self) -> list[int]:
        """[methods] trials of a device."""
        pruning = self.scenario.pruning
        each = len(pruning.keep_ratios) if pruning.rule is None else 1
        return [1 if method.plugin.keeps_all else each for method in self._methods]

    @cached_property
    def _risk_weight(self) -> FloatArray:
        """[shards] of the risk of a device with that shard, in an objective."""
        sizes, fleet = self.prospects[0].sizes, self.fleet
        found = np.ones(len(sizes))
        for seed in np.unique(fleet.seed):
            mine = fleet.shard[fleet.seed == seed]
            found[mine] = risk_weights(sizes[mine], weighted(self.scenario.pruning.rule))
        return found

    @cached_property
    def _named(self) -> _Trials:
        """The trials of every shard at the ratios that the scenario names: the same on every device."""
        sizes = self.prospects[0].sizes
        ratios = [(1.0,) if method.plugin.keeps_all else self.scenario.pruning.keep_ratios for method in self._methods]
        ratio = np.broadcast_to(np.concatenate([np.array(given) for given in ratios]), (len(sizes), len(self.methods)))
        return self._trials(ratio, subset_size(sizes[:, None], ratio), np.arange(len(sizes)), ())

    def cells(self, device: Device, which: IntArray, factor: FloatArray, wording: Wording) -> Columns:
        """All trials of P devices of one kind, which differ in shard and throughput: [P, R] per column."""
        trials = self._named.rows(which) if self.scenario.pruning.rule is None else self._chosen(device, which, factor)
        width = trials.ratio.shape[1]
        priced = BatchPricing(
            self.outlook.terms, device, trials.score, trials.train, trials.kept, np.repeat(factor, width)
        )
        size = np.repeat(self.prospects[0].sizes[which], width)
        sure = priced
        if trials.least is not None and may_stop(device):
            sure = BatchPricing(self.outlook.terms, device, *trials.least, trials.kept, np.repeat(factor, width))
        stopped = feasibility.first_limit(demand(sure, size), device.profile).reshape(-1, width)
        limit = stopped.copy()
        binds, breaks = np.zeros_like(limit), np.zeros_like(limit)
        for r, choice in enumerate(trials.choices):
            if choice is not None:
                refuses = np.where((choice.binds > 0) & (choice.binds < BUDGET), choice.binds, BUDGET)
                limit[:, r] = np.where(~choice.suffices & (stopped[:, r] == 0), refuses, stopped[:, r])
                binds[:, r], breaks[:, r] = choice.binds, choice.breaks
        # Work that its windows never see the end of takes no time that could be named.
        ends = priced.on_mains.finished
        exact = trials.work_is.ravel() == WORK_IS.index("exact")
        emulated = {
            "device_time_s": priced.time_s("emulated"),
            "device_startup_s": priced.parts.startup_s,
            "device_score_time_s": priced.parts.score_s,
            "device_train_time_s": priced.parts.train_s,
            "device_energy_j": priced.energy_j("emulated"),
            "device_startup_energy_j": priced.parts.startup_j,
            "device_score_energy_j": priced.parts.score_j,
        }
        found: Columns = {
            "keep_ratio": trials.ratio,
            "shard_size": size.astype(np.int32),
            "subset_size": trials.kept.astype(np.int32),
            "limit": limit.astype(np.int32),
            "binds": binds.astype(np.int32),
            "other_price_breaks": breaks.astype(np.int32),
            "reason": wording.of(sure, size, stopped, trials.choices, exact).astype(np.int32),
            "work_is": trials.work_is.astype(np.int32),
            **{name: np.where(ends, values, np.nan) for name, values in emulated.items()},
            "analytic_time_s": priced.time_s("analytic"),
            "analytic_score_time_s": priced.analytic_score_time_s,
            "analytic_energy_j": priced.energy_j("analytic"),
            "storage_bytes": priced.storage_bytes,
            "upload_s": priced.upload_s,
            "peak_memory_bytes": priced.peak_memory_bytes,
        }
        return {name: np.asarray(values).reshape(-1, width) for name, values in found.items()}

    def full_energy_j(self, device: Device, which: IntArray, factor: FloatArray, cells: Columns) -> FloatArray:
        """[P] emulated energy of full training for P devices of one kind, all repeats of it; `cells` are theirs."""
        for method, first in zip(self._methods, np.cumsum([0, *self._widths]), strict=False):
            if method.name == "full":
                return cells["device_energy_j"][:, first]
        terms, sizes = self.outlook.terms, self.prospects[0].sizes[which]
        nothing = StepCounts.of([(Work(), StepTrace())], terms.workload)
        train = StepCounts.training(sizes, terms.batch_size, terms.epochs, terms.workload)
        priced = BatchPricing(terms, device, nothing, train, sizes, factor)
        return np.where(priced.on_mains.finished, priced.energy_j("emulated"), np.nan)

    def _chosen(self, device: Device, which: IntArray, factor: FloatArray) -> _Trials:
        """The trials of P pairs at the ratios that the scenario's rule gives them."""
        rule, sizes = self.scenario.pruning.rule, self.prospects[0].sizes[which]
        assert rule is not None
        choices: list[RuleDecision | None] = []
        for method, prospect in zip(self._methods, self.prospects, strict=True):
            pairs = DeviceBatch(prospect, device, which, factor, self._risk_weight[which])
            curve = curve_of(rule, method.label, self.curves) if not method.plugin.keeps_all else None
            choices.append(None if method.plugin.keeps_all else choose(rule, pairs, curve))
        m = np.stack([sizes if choice is None else choice.m for choice in choices], axis=1)
        return self._trials(rounded_ratio(m / sizes[:, None]), m, which, tuple(choices))

    def _trials(
        self, ratio: FloatArray, m: IntArray, which: IntArray, choices: tuple[RuleDecision | None, ...]
    ) -> _Trials:
        """What the trials of P pairs do."""
        score, train, kept = self._loads(m, which, "planned")
        work_is = np.zeros(m.shape, dtype=np.int64)
        first = 0
        for prospect, width in zip(self.prospects, self._widths, strict=True):
            if prospect.work_is != "exact":
                for r in range(first, first + width):
                    exact = prospect.exact(which, m[:, r])
                    work_is[:, r] = np.where(exact, 0, WORK_IS.index(prospect.work_is))
            first += width
        least = self._loads(m, which, "least")[:2] if work_is.any() else None
        return _Trials(ratio, m, score, train, kept, choices, work_is, least)

    def _loads(self, m: IntArray, which: IntArray, case: WorkCase) -> tuple[StepCounts, StepCounts, IntArray]:
        """Their work, in order of pair and trial, and how many samples each keeps."""
        score, train, kept, place = [], [], [], []
        count, width = m.shape
        first = 0
        for prospect, own_width in zip(self.prospects, self._widths, strict=True):
            columns = slice(first, first + own_width)
            loads = prospect.loads(np.repeat(which, own_width), m[:, columns].ravel(), case)
            score.append(loads[0].repeated(count * own_width))
            train.append(loads[1])
            kept.append(loads[2])
            place.append(np.arange(count * width).reshape(count, width)[:, columns].ravel())
            first += own_width
        order = np.argsort(np.concatenate(place))
        return StepCounts.stack(score).rows(order), StepCounts.stack(train).rows(order), np.concatenate(kept)[order]
