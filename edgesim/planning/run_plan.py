"""Plan of a run: its devices with their shards, all trials, and those that a device cannot do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from edgesim.cost import analytic, pricing
from edgesim.cost.feasibility import LIMITS
from edgesim.cost.objective import BINDS
from edgesim.data.datasets import Dataset
from edgesim.data.shards import Shards
from edgesim.planning import batch_notes, reasons
from edgesim.planning.auto_modes import with_chosen_modes
from edgesim.planning.trials import LIMITS as TRIAL_LIMITS
from edgesim.planning.trials import Curves, ResolvedTrials, TrialResolver, sizes_of
from edgesim.planning.virtual_fleet import own_fleet
from edgesim.pruning.after_warmup import late_subsets, use_of
from edgesim.records import Record, Reused, Status, Trial, TrialResult, WorkRecord
from edgesim.scenario.experiment import DeviceSpec, ExperimentConfig, configure, load_dataset, shards_of, transfer_rows
from edgesim.scenario.loading import Scenario
from edgesim.work import IntArray, Workload

SHOWN_RATIO = 0.5
_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Infeasibility(NamedTuple):
    """Limit that makes a trial infeasible, with the reason."""

    limit: str
    """limit of the device (`feasibility.LIMITS`), or the budget"""
    reason: str
    columns: dict[str, Any]
    """known columns of its record: costs up to where the energy ends, or the memory and storage that it needs"""


class RuleReason(NamedTuple):
    """Limit that bound the rule of a trial's keep ratio, with the reason."""

    binds: str
    """limit that keeps the rule from a larger or a better subset (`objective.BINDS`)"""
    reason: str


@dataclass(frozen=True)
class RunPlan:
    """All devices of a run with their shards, and all trials."""

    scenario: Scenario
    config: ExperimentConfig
    devices: Mapping[tuple[int, int], DeviceSpec]
    """(seed, device) -> device with its shard"""
    trials: tuple[Trial, ...]
    """in the order of seed, device, method and keep ratio"""
    infeasible: Mapping[Trial, Infeasibility]
    """trials that their device cannot do; they become records without being run"""
    rule_reasons: Mapping[Trial, RuleReason]
    """trials whose ratio a rule chose"""
    shards: Mapping[int, Shards]
    """seed -> shards of all devices, with their users"""
    training_notes: tuple[str, ...]
    """sentences on batches that are too small for the network"""

    @property
    def partition_notes(self) -> list[str]:
        """Sentences on users and samples that no device has, each once whatever the seeds."""
        return list(dict.fromkeys(note for found in self.shards.values() for note in found.notes))

    @property
    def method_notes(self) -> list[str]:
        """Sentences on methods whose warm-up is all of the training that it counts for."""
        labels = self.config.dataset.train_labels
        shards = [self.config.describe(labels[spec.shard]) for spec in self.devices.values()]
        return late_subsets(self.config.methods, shards)

    @property
    def shown_device(self) -> dict[str, Any] | None:
        """The device whose samples are kept for display, for run.json; None where no method ranks them."""
        if not self.config.shown:
            return None
        trial = min(self.config.shown)
        shard = self.devices[trial.seed, trial.device].shard
        classes = len(np.unique(self.config.dataset.train_labels[shard]))
        return {"seed": trial.seed, "device": trial.device, "samples": len(shard), "classes": classes}

    @property
    def power_modes(self) -> list[str]:
        """Power mode of each device; where a rule chose different ones in the seeds, all of them in their order."""
        found: dict[int, dict[str, None]] = {}
        for (_, index), spec in self.devices.items():
            found.setdefault(index, {})[str(spec.conditions.power_mode)] = None
        return ["; ".join(found[index]) for index in sorted(found)]

    def rule_columns(self, trial: Trial, columns: Mapping[str, Any]) -> dict[str, Any]:
        """`binds` and `reason` of a trial's record; a reason that the record has already counts first.

        Args:
            trial: of the plan.
            columns: the other columns of its record, and `reason`.
        """
        if trial not in self.rule_reasons:
            return {"binds": "", "reason": columns["reason"]}
        binds, why = self.rule_reasons[trial]
        over = reasons.overrun(self.scenario.pruning.rule, columns)
        return {"binds": binds, "reason": columns["reason"] or "; ".join(filter(None, (why, over)))}

    def infeasible_result(self, trial: Trial) -> TrialResult:
        """The record of an infeasible trial, with its limit and the known part of its cost."""
        limit, reason, columns = self.infeasible[trial]
        return self.without_result(trial, "infeasible", reason, {**columns, "limit": limit})

    def without_result(
        self, trial: Trial, status: Status, reason: str, columns: Mapping[str, Any] = _NOTHING
    ) -> TrialResult:
        """The record of a trial that failed or is infeasible.

        Args:
            trial: of the plan.
            status: of the record.
            reason: of the record.
            columns: known columns.
        """
        spec, method = self.devices[trial.seed, trial.device], self.config.methods[trial.method]
        n, shard = len(spec.shard), self.config.describe(self.config.dataset.train_labels[spec.shard])
        record = Record(
            scenario=self.scenario.name,
            seed=trial.seed,
            device=trial.device,
            profile=spec.profile.name,
            method=trial.method,
            keep_ratio=trial.keep_ratio,
            status=status,
            reason=reason,
            ratio_rule=self.config.rule_of(trial.method),
            binds=self.rule_reasons[trial].binds if trial in self.rule_reasons else "",
            shard_size=n,
            subset_size=use_of(method, shard).kept(int(analytic.subset_size(n, trial.keep_ratio))),
            dynamic=method.is_dynamic_on(shard),
            **{"repeats": self.config.pricing.repeats, **columns},
        )
        return TrialResult(record)


def plan_run(
    scenario: Scenario,
    dataset: Dataset | None = None,
    curves: Curves | None = None,
    reused: Mapping[Trial, Reused] | None = None,
    scorer: Workload | None = None,
) -> RunPlan:
    """Load the data, split it among the devices, count the network's work, and resolve the trials.

    Args:
        scenario: the experiment.
        dataset: the data, where the caller has it already.
        curves: accuracy curves, where the scenario's rule reads them from a run.
        reused: subsets of the run that `scores_from` names, with the work of their scoring.
        scorer: of the network that scored there.

    Raises:
        DataError: the data cannot be read.
        ScenarioError: the data do not suffice for the fleet, or the network does not fit them.
    """
    dataset = dataset or load_dataset(scenario)
    shards = {seed: shards_of(scenario, dataset, seed) for seed in scenario.seeds}
    config, network = configure(scenario, dataset, scorer)
    own = own_fleet(scenario, [(seed, found.rows) for seed, found in shards.items()])
    tuned = transfer_rows(scenario, config, scenario.seeds)
    resolver = TrialResolver(scenario, config, network, own, curves, reused or {}, sizes_of(tuned))
    resolver = with_chosen_modes(resolver)
    fleet = resolver.fleet
    devices = {
        (seed, index): DeviceSpec(
            seed,
            index,
            kind.profile,
            fleet.shards[shard],
            kind.conditions,
            shards[seed].own_tests_of(index),
            transfer_shard=tuned.get((seed, index)),
        )
        for (seed, index), shard, place in zip(fleet.owners, fleet.shard, fleet.kind, strict=True)
        for kind in [fleet.kinds[place]]
    }
    trials, infeasible, rule_reasons, training_notes = _resolve(resolver)
    feasible = [trial for trial in trials if trial not in infeasible]
    config = replace(config, shown=_shown(config, devices, feasible))
    notes = (*config.weight_notes, *training_notes)
    return RunPlan(scenario, config, devices, trials, infeasible, rule_reasons, shards, notes)


def _resolve(
    resolver: TrialResolver,
) -> tuple[tuple[Trial, ...], dict[Trial, Infeasibility], dict[Trial, RuleReason], tuple[str, ...]]:
    """All trials of the scenario's own devices, infeasible ones, those whose ratio a rule chose, and training notes."""
    values = resolver.config.network.normalised_values
    smallest: list[IntArray] = []
    infeasible: dict[Trial, Infeasibility] = {}
    rule_reasons: dict[Trial, RuleReason] = {}
    owners = resolver.fleet.owners
    listed: dict[tuple[int, int], list[Trial]] = {}
    for resolved in resolver.batches():
        for p, shard in enumerate(resolved.shard):
            ratios = resolved.trials.ratio[p].tolist()
            seed, device = owners[shard]
            named = zip(resolver.labels, ratios, strict=True)
            own_trials = [Trial(seed, device, label, ratio) for label, ratio in named]
            listed[seed, device] = own_trials
            mode = reasons.of_mode(resolved.device)
            for r, decision in enumerate(resolved.trials.decisions):
                if decision is not None:
                    why = "; ".join(filter(None, (mode, reasons.of_rule(decision, p))))
                    rule_reasons[own_trials[r]] = RuleReason(BINDS[decision.binds[p]], why)
                elif mode:
                    rule_reasons[own_trials[r]] = RuleReason("", mode)
        smallest.append(batch_notes.too_small(resolved.trials.train, values)[resolved.limit.ravel() == 0])
        for p, r in np.argwhere(resolved.limit > 0):
            trial = listed[owners[resolved.shard[p]]][r]
            reason, columns = reasons.of_trial(resolved, p, r), _known_columns(resolver, resolved, p, r)
            reason = "; ".join(filter(None, (reasons.of_mode(resolved.device), reason)))
            infeasible[trial] = Infeasibility(TRIAL_LIMITS[resolved.limit[p, r]], reason, columns)
    each = np.concatenate(smallest)
    notes = batch_notes.notes(each, np.ones_like(each), values)
    return tuple(trial for owner in owners for trial in listed[owner]), infeasible, rule_reasons, notes


def _known_columns(resolver: TrialResolver, resolved: ResolvedTrials, p: int, r: int) -> dict[str, Any]:
    """Known columns of an infeasible trial's record, by the least of its work; none where the budget alone refuses."""
    limit = LIMITS[resolved.stopped[p, r]] if resolved.stopped[p, r] else ""
    if not limit:
        return {}
    i, shard, m = p * resolved.width + r, int(resolved.shard[p]), int(resolved.trials.m[p, r])
    if resolved.in_transfer[p, r]:  # the trial itself has all its costs, and the price of its fine-tuning is its own
        return {}
    if limit in reasons.AT_THE_START:
        kept = int(resolved.least.storage_bytes[i])
        sizes = {"peak_memory_bytes": int(resolved.least.peak_memory_bytes[i]), "storage_bytes": kept}
        return sizes | {"upload_bytes": kept, "upload_s": float(resolved.least.upload_s[i])}
    work = resolver.work_of(r)
    trial = work.trial(shard, m)
    least = WorkRecord(*trial.scoring.part("least"), trial.train, trial.train_trace, (shard, m) in work.reused)
    size, dynamic = int(resolved.size[i]), bool(work.dynamic[shard])
    columns = pricing.price(resolver.config.pricing, *resolved.device, size, trial.kept, least, dynamic)
    return {name: value for name, value in columns.items() if name not in ("limit", "reason")}


def _shown(
    config: ExperimentConfig, devices: Mapping[tuple[int, int], DeviceSpec], feasible: Iterable[Trial]
) -> frozenset[Trial]:
    """Choose the trials whose samples at both ends of the scores are kept for display.

    One typical device: of the devices of the first seed with the most classes, the one with the number of samples
    nearest to the median of all (ties: the lower index). One trial per method whose scores rank the samples, at the
    keep ratio nearest to SHOWN_RATIO: some methods score anew for every ratio.
    """
    first = next(iter(devices))[0]
    ranking = [trial for trial in feasible if trial.seed == first and config.methods[trial.method].ranks]
    labels = config.dataset.train_labels
    held = {index: len(np.unique(labels[spec.shard])) for (seed, index), spec in devices.items() if seed == first}
    middle = float(np.median([len(devices[first, index].shard) for index in held]))
    order = sorted(held, key=lambda index: (-held[index], abs(len(devices[first, index].shard) - middle), index))
    able = {trial.device for trial in ranking}
    device = next((index for index in order if index in able), None)
    nearest: dict[str, Trial] = {}
    for trial in sorted(ranking, key=lambda trial: (abs(trial.keep_ratio - SHOWN_RATIO), trial.keep_ratio)):
        if trial.device == device:
            nearest.setdefault(trial.method, trial)
    return frozenset(nearest.values())
