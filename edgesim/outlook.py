"""What a device's trials will take before any of them runs: prices, feasibility, and the ratio that a rule gives it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from edgesim import ratios, seeds
from edgesim.binding import Named
from edgesim.cost import feasibility, objective
from edgesim.cost.analytic import CostWeights
from edgesim.cost.forecast import Device, Forecast
from edgesim.cost.loads import Load
from edgesim.cost.objective import Bill, Budget, Rule
from edgesim.cost.pricing import price
from edgesim.cost.terms import Terms
from edgesim.data.datasets import ImageDataset
from edgesim.data.invariants import check
from edgesim.errors import DataError, Fault, ScenarioError
from edgesim.jobs import Setting
from edgesim.models.counted import counted
from edgesim.pruning import expected
from edgesim.pruning.base import Shard
from edgesim.records import Ledger
from edgesim.scenario import Pruning, Scenario
from edgesim.work import FloatArray, IntArray, StepTrace, Work, Workload

Curves = Mapping[str, FloatArray]
"""method -> [points, 2] keep ratio and accuracy, ratios ascending"""


class Problem(NamedTuple):
    """Why a device cannot do a trial."""

    reason: str
    columns: dict[str, Any]
    """what is known of its record: prices up to where the energy ends, or what it would need"""


@dataclass(frozen=True)
class Outlook:
    """What prices depend on beside the device and its data."""

    terms: Terms
    network: expected.Network

    def loads(self, method: Any, shard: Shard, m: IntArray) -> tuple[Load, Load, IntArray]:
        """What scoring and training will do for subsets of m samples, and how many samples each keeps.

        Args:
            method: the plug-in.
            shard: the device's data.
            m: [C] subset sizes, 1 to n.
        """
        workload = self.terms.workload
        if expected.scores_every_budget(method):
            scoring = expected.of_scoring(method, shard, self.network, int(m[0]))
            score = Load.of([(scoring.work, scoring.trace)], workload)
            return score, Load.training(m, shard.batch_size, shard.epochs, workload), m
        trials = [expected.of_trial(method, shard, self.network, int(k)) for k in m]
        score = Load.of([(trial.score, trial.score_trace) for trial in trials], workload)
        train = Load.of([(trial.train, trial.train_trace) for trial in trials], workload)
        return score, train, np.array([trial.kept for trial in trials], dtype=np.int64)

    def price(self, method: Any, shard: Shard, device: Device, m: IntArray) -> Forecast:
        """Both prices of subsets of m samples [C] on one device."""
        return Forecast(self.terms, device, *self.loads(method, shard, m))

    def demand(self, method: Any, shard: Shard, priced: Forecast) -> feasibility.Demand:
        """What trials want of their device. Scoring that is only bounded, or was another run's, rules nothing out."""
        shard_bytes = float(shard.size * self.terms.sample_bytes)
        conditions = priced.device.conditions
        limited = conditions.energy.source != "mains" or conditions.available is not None
        known = self.terms.scorer is None and expected.of_scoring(method, shard, self.network, 1).exact
        if not limited or not known:
            return feasibility.Demand(priced.peak_memory_bytes, shard_bytes)
        return feasibility.Demand(priced.peak_memory_bytes, shard_bytes, priced.finished)

    def problems(self, method: Any, shard: Shard, device: Device, m: IntArray) -> list[Problem | None]:
        """For each of the subset sizes [C] why the device cannot do that trial; None where it can."""
        priced = self.price(method, shard, device, m)
        demand = self.demand(method, shard, priced)
        finished = np.broadcast_to(demand.finished, len(m))
        found: list[Problem | None] = [None] * len(m)
        for i in np.flatnonzero(feasibility.first_limit(demand, device.profile)):
            peak, kept = float(priced.peak_memory_bytes[i]), float(priced.storage_bytes[i])
            never = feasibility.reasons(
                feasibility.Demand(peak, demand.shard_bytes), device.profile, self.terms, int(priced.largest_batch[i])
            )
            if never:
                found[i] = Problem("; ".join(never), {"peak_memory_bytes": int(peak), "storage_bytes": int(kept)})
            elif not finished[i]:
                trial = expected.of_trial(method, shard, self.network, int(m[i]))
                ledger = Ledger(trial.score, trial.score_trace, trial.train, trial.train_trace)
                columns = price(self.terms, *device, shard.size, trial.kept, ledger)
                found[i] = Problem(columns.pop("reason"), columns)
        return found

    def ratios_for(
        self, pruning: Pruning, method: Named, shard: Shard, device: Device, curves: Curves | None
    ) -> tuple[tuple[float, ...], str]:
        """The keep ratios of a device's trials of a method, and why a rule found none that suffices.

        A method that keeps everything has one trial, at keep ratio 1.
        """
        if keeps_all(method):
            return (1.0,), ""
        if pruning.rule is None:
            return pruning.keep_ratios, ""
        m, broke = self.chosen(pruning.rule, method, shard, device, curves)
        return (m / shard.size,), broke

    def chosen(self, rule: Rule, method: Named, shard: Shard, device: Device, curves: Curves | None) -> tuple[int, str]:
        """The subset size that a rule gives a device and method.

        Args:
            rule: budget or objective.
            method: with its label.
            shard: the device's data.
            device: profile and conditions.
            curves: accuracy curve of each method's label, for an objective that reads them from a run.

        Returns: m, and why nothing fits; m is 1 then, the least that there is.

        Raises:
            ScenarioError: the run that gives the curves has none for the method.
        """
        one_by_one = not expected.scores_every_budget(method.plugin)

        def bills(m: IntArray) -> Bill:
            priced = self.price(method.plugin, shard, device, m)
            return Bill(priced.time_s(rule.price), priced.energy_j(rule.price), priced.storage_bytes)

        if isinstance(rule, Budget):
            fit = objective.largest_that_fits(shard.size, bills, rule, one_by_one)
            if fit.m:
                return fit.m, ""
            share = ""
            if fit.binds != "storage_bytes":
                least = self.price(method.plugin, shard, device, np.array([1]))
                share = f" (scoring is {float(least.score_share(rule.price, fit.binds)[0]):.0%} of it)"
            return 1, f"the budget's {fit.binds} does not suffice: {fit.over}{share}"
        everything = np.array([shard.size], dtype=np.int64)
        train = Load.training(everything, shard.batch_size, shard.epochs, self.terms.workload)
        nothing = Load.of([(Work(), StepTrace())], self.terms.workload)
        plain = Forecast(self.terms, device, nothing, train, everything)
        full = Bill(plain.time_s(rule.price), plain.energy_j(rule.price), plain.storage_bytes)
        weights: CostWeights = rule.weights or self.terms.weights
        curve = _curve(rule, method.label, curves)
        best = objective.least_objective(shard.size, bills, full, curve, rule, weights, one_by_one)
        return best.m, ""


def keeps_all(method: Named) -> bool:
    """Whether a method keeps every sample whatever the ratio."""
    return bool(getattr(method.plugin, "keeps_all", False))


def prepare(scenario: Scenario, dataset: ImageDataset, scorer: Workload | None = None) -> tuple[Setting, Outlook]:
    """What all devices have in common, and what their trials will take: the network is counted here.

    Args:
        scenario: the experiment.
        dataset: its data.
        scorer: of the network that scored in the run that `scores_from` names.

    Raises:
        EdgesimError: the network does not fit the data.
    """
    model = scenario.model
    workload, network = counted(model.plugin, model.name, dataset.input_shape, dataset.num_classes)
    setting = Setting(
        scenario=scenario.name,
        dataset=dataset,
        model=scenario.model.plugin,
        training=scenario.training,
        augment=tuple(named.plugin for named in scenario.augment),
        methods={named.label: named.plugin for named in scenario.pruning.methods},
        warmup=scenario.pruning.warmup,
        evaluation=scenario.evaluation,
        terms=Terms(
            workload=workload,
            scorer=scorer,
            sample_bytes=dataset.sample_bytes,
            batch_size=scenario.training.batch_size,
            epochs=scenario.training.epochs,
            optimizer_states=scenario.training.optimizer_states,
            weights=scenario.cost.weights,
            precision=scenario.training.precision,
        ),
        keep_scores=scenario.pruning.keep_scores,
        rule=ratios.label(scenario.pruning.rule),
    )
    return setting, Outlook(setting.terms, network)


def split(scenario: Scenario, dataset: ImageDataset, seed: int) -> list[IntArray]:
    """The shards of one seed: sorted indices into the training set, one array per device.

    Raises:
        ScenarioError: more devices than samples, or a scheme that cannot meet its own terms.
    """
    count, available = len(scenario.fleet), len(dataset.train_labels)
    if count > available:
        message = f"has {count} devices for {available} training samples of {dataset.name}; each needs at least one"
        raise ScenarioError(scenario.name, [Fault("fleet", message)])
    try:
        parts = scenario.partition.plugin.split(dataset.train_labels, count, seeds.integer(seed, "partition") % 2**32)
    except DataError as error:
        raise ScenarioError(scenario.name, [Fault("partition", str(error))]) from error
    if len(parts) != count:
        message = f"{scenario.partition.name} gave {len(parts)} shards for {count} devices"
        raise ScenarioError(scenario.name, [Fault("partition", message)])
    try:
        check(parts, available, min_size=1, complete=False)
    except DataError as error:
        raise ScenarioError(scenario.name, [Fault("partition", str(error))]) from error
    return [np.sort(np.asarray(part, dtype=np.int64)) for part in parts]


def _curve(rule: objective.Objective, label: str, curves: Curves | None) -> FloatArray:
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
