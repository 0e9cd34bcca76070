"""Scenario -> data, shards and trials -> executor -> a stream of results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from edgesim.cost import analytic
from edgesim.cost.batch_pricing import Device
from edgesim.data import datasets
from edgesim.data.datasets import ImageDataset
from edgesim.errors import Fault, ScenarioError
from edgesim.planning.ratio_rules import overrun
from edgesim.planning.trials import Curves, Infeasibility, RatioChoice, TrialPricer, hold, scored
from edgesim.records import Record, Reused, Selection, Status, Trial, TrialResult
from edgesim.runtime import Executor, Failure, JobQueue, log_detail, scheduler
from edgesim.runtime.jobs import Job, Prepared, ScoreJob, TrainJob, groups
from edgesim.scenario.experiment import DeviceSpec, ExperimentConfig, configure, shards_of
from edgesim.scenario.loading import Scenario
from edgesim.work import Workload

SHOWN_RATIO = 0.5
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Plan:
    """A scenario made concrete: who holds what, and all trials."""

    scenario: Scenario
    setting: ExperimentConfig
    devices: dict[tuple[int, int], DeviceSpec]
    """(seed, device) -> device with its shard"""
    trials: tuple[Trial, ...]
    """in the order of seed, device, method and keep ratio"""
    infeasible: Mapping[Trial, Infeasibility]
    """trials that their device cannot do, and why; they become records without being run"""
    ruled: Mapping[Trial, tuple[str, str]]
    """trials whose ratio a rule chose: what binds, and why"""


def dataset_of(scenario: Scenario) -> ImageDataset:
    """Read the data set of a scenario, with the notes of its reader. DataError: it cannot be read."""
    return datasets.load(scenario.dataset.plugin, scenario.dataset.name, scenario.folder)


def plan(
    scenario: Scenario,
    dataset: ImageDataset | None = None,
    curves: Curves | None = None,
    reused: Mapping[Trial, Reused] | None = None,
    scorer: Workload | None = None,
) -> Plan:
    """Load the data, split it among the devices, count the network's work, and list the trials.

    Args:
        scenario: the experiment.
        dataset: the data, where the caller has it already.
        curves: accuracy curves, where the scenario's rule reads them from a run.
        reused: subsets of the run that `scores_from` names, and what choosing them took.
        scorer: of the network that scored there.

    Raises:
        DataError: the data cannot be read.
        ScenarioError: the data do not suffice for the fleet, or the network does not fit them.
    """
    dataset = dataset or dataset_of(scenario)
    devices: dict[tuple[int, int], DeviceSpec] = {}
    for seed in scenario.seeds:
        for index, shard in enumerate(shards_of(scenario, dataset, seed)):
            fleet = scenario.fleet
            devices[seed, index] = DeviceSpec(seed, index, fleet.devices[index], shard, fleet.conditions[index])
    setting, network = configure(scenario, dataset, scorer)
    outlook = TrialPricer(setting.terms, network)
    trials, infeasible, ruled = _resolve(scenario, setting, outlook, devices, curves, reused)
    feasible = [trial for trial in trials if trial not in infeasible]
    setting = replace(setting, shown=_shown(setting, devices, feasible))
    devices = scheduler.with_slots(setting, devices)
    return Plan(scenario, setting, devices, trials, infeasible, ruled)


def _shown(
    setting: ExperimentConfig, devices: Mapping[tuple[int, int], DeviceSpec], feasible: Iterable[Trial]
) -> frozenset[Trial]:
    """The trials of which the samples at both ends of the scores are kept to be looked at.

    One device: of those of the first seed that hold the most classes, the one whose number of samples is nearest to the
    median of all of them (ties: the lower index), so that it is no odd one. One trial per method whose scores say
    something of the samples, at the keep ratio nearest to SHOWN_RATIO: some methods score anew for every ratio.
    """
    first = next(iter(devices))[0]
    telling = [trial for trial in feasible if trial.seed == first and setting.methods[trial.method].ranks]
    labels = setting.dataset.train_labels
    held = {index: len(np.unique(labels[spec.shard])) for (seed, index), spec in devices.items() if seed == first}
    middle = float(np.median([len(devices[first, index].shard) for index in held]))
    order = sorted(held, key=lambda index: (-held[index], abs(len(devices[first, index].shard) - middle), index))
    able = {trial.device for trial in telling}
    device = next((index for index in order if index in able), None)
    nearest: dict[str, Trial] = {}
    for trial in sorted(telling, key=lambda trial: (abs(trial.keep_ratio - SHOWN_RATIO), trial.keep_ratio)):
        if trial.device == device:
            nearest.setdefault(trial.method, trial)
    return frozenset(nearest.values())


def shown_device(plan: Plan) -> dict[str, Any] | None:
    """Which device's samples are kept to be looked at, for run.json; None where no method ranks them."""
    if not plan.setting.shown:
        return None
    trial = min(plan.setting.shown)
    shard = plan.devices[trial.seed, trial.device].shard
    classes = len(np.unique(plan.setting.dataset.train_labels[shard]))
    return {"seed": trial.seed, "device": trial.device, "samples": len(shard), "classes": classes}


def trial_count(scenario: Scenario) -> int:
    """How many trials there are."""
    return len(scenario.seeds) * len(scenario.fleet) * scenario.pruning.trials_per_device


def in_order(scenario: Scenario, trials: Iterable[Trial]) -> list[Trial]:
    """Trials in the order of seed, device, method and keep ratio, as the scenario lists them."""
    methods = {method.label: place for place, method in enumerate(scenario.pruning.methods)}
    seed_places = {seed: place for place, seed in enumerate(scenario.seeds)}
    return sorted(trials, key=lambda t: (seed_places[t.seed], t.device, methods[t.method], t.keep_ratio))


def _resolve(
    scenario: Scenario,
    setting: ExperimentConfig,
    outlook: TrialPricer,
    devices: Mapping[tuple[int, int], DeviceSpec],
    curves: Curves | None,
    reused: Mapping[Trial, Reused] | None,
) -> tuple[tuple[Trial, ...], dict[Trial, Infeasibility], dict[Trial, tuple[str, str]]]:
    """All trials, each ratio of a rule worked out; those that their device cannot do; and what binds a rule."""
    infeasible: dict[Trial, Infeasibility] = {}
    ruled: dict[Trial, tuple[str, str]] = {}
    shards = {key: setting.describe(setting.dataset.train_labels[spec.shard]) for key, spec in devices.items()}
    held, there = hold(scenario.pruning.rule, shards), scored(reused)
    asked: dict[tuple[tuple[int, int], str], RatioChoice] = {}
    kinds: dict[tuple[int, int], list[tuple[int, int]]] = {}  # the very same hardware: priced together
    for key, spec in devices.items():
        kinds.setdefault((id(spec.profile), id(spec.conditions)), []).append(key)
        for method in scenario.pruning.methods:
            device = Device(spec.profile, spec.conditions)
            asked[key, method.label] = outlook.ratios_for(scenario.pruning, method, held[key], device, curves)
    for alike in kinds.values():
        device = Device(devices[alike[0]].profile, devices[alike[0]].conditions)
        theirs = [shards[key] for key in alike]
        for method in scenario.pruning.methods:
            ratios = [asked[key, method.label].ratios for key in alike]
            sizes = [analytic.subset_size(s.size, np.array(given)) for s, given in zip(theirs, ratios, strict=True)]
            which = np.repeat(np.arange(len(alike)), [len(given) for given in ratios])
            prior = [there.get((*key, method.label), {}) for key in alike]
            prospect = outlook.prospect(method.plugin, theirs, prior)
            found = outlook.problems(prospect, device, which, np.concatenate(sizes))
            trials = [Trial(*key, method.label, ratio) for key in alike for ratio in asked[key, method.label].ratios]
            for trial, problem in zip(trials, found, strict=True):
                rule = asked[(trial.seed, trial.device), method.label]
                broke = "" if rule.suffices else rule.reason
                if problem or broke:
                    known = problem or Infeasibility(rule.refuses, "", {})
                    infeasible[trial] = known._replace(reason="; ".join(filter(None, (broke, known.reason))))
                if setting.rule_of(method.label):
                    ruled[trial] = (rule.binds, rule.reason)
    listed = (Trial(*key, label, ratio) for (key, label), rule in asked.items() for ratio in rule.ratios)
    return tuple(listed), infeasible, ruled


def execute(
    plan: Plan,
    executor: Executor,
    done: frozenset[Trial] = frozenset(),
    note: Callable[[str], None] | None = None,
    reused: Mapping[Trial, Reused] | None = None,
) -> Iterator[TrialResult]:
    """Run the trials that are not done, yielding each result as it comes.

    A device's methods are scored in one job, its trainings follow as jobs of their own, or in the same one where they
    are short. Where a scoring job fails it is split into one per method, so that one bad method does not take the
    others with it; what fails alone becomes failed records. What a device cannot do is no job: these records come
    first.

    Args:
        plan: from `plan`.
        executor: where jobs run; opened here, closed by the caller.
        done: trials that have a record already.
        note: told in one line when a job fails.
        reused: subsets of another run; their trials are trained without scoring.

    Raises:
        ScenarioError: a reused subset is not of this scenario's shards.
    """
    for trial in plan.trials:
        if trial in plan.infeasible and trial not in done:
            spec = plan.devices[trial.seed, trial.device]
            yield cannot(plan, spec, trial)
    executor.open(plan.setting)
    queue = JobQueue()
    missing: dict[tuple[int, int], list[Trial]] = {}
    for trial in plan.trials:
        if trial not in done and trial not in plan.infeasible:
            missing.setdefault((trial.seed, trial.device), []).append(trial)
    for key, waiting in missing.items():
        known = [_prepared(plan.devices[key], t, reused[t]) for t in waiting if reused and t in reused]
        for group in groups(known):
            _push(plan, queue, TrainJob(plan.devices[key], group))
        unknown = tuple(t for t in waiting if not reused or t not in reused)
        if unknown:
            scoring = ScoreJob(plan.devices[key], unknown)
            _push(
                plan,
                queue,
                replace(scoring, trains_inline=scheduler.flops(plan.setting, scoring) <= scheduler.SHORT_FLOPS),
            )
    for job, outcome in executor.stream(queue):
        if isinstance(outcome, Failure):
            log_detail(outcome)
            if isinstance(job, ScoreJob) and job.trains_inline:  # which part of it failed shows when each is a job
                _push(plan, queue, replace(job, trains_inline=False))
                continue
            methods = list(dict.fromkeys(trial.method for trial in job.trials))
            if isinstance(job, ScoreJob) and len(methods) > 1:
                for method in methods:
                    _push(plan, queue, ScoreJob(job.spec, tuple(t for t in job.trials if t.method == method)))
                continue
            if note:
                where = f"seed {job.spec.seed}, device {job.spec.index}, {', '.join(methods)}"
                note(f"failed: {where}: {outcome.reason}")
            yield from (without_result(plan, job.spec, t, "failed", outcome.reason) for t in job.trials)
        elif isinstance(job, ScoreJob) and not job.trains_inline:
            for group in groups([entry for entry in outcome if isinstance(entry, Prepared)]):
                _push(plan, queue, TrainJob(job.spec, group))
        else:
            yield from (_ruled(plan, result) for result in outcome if isinstance(result, TrialResult))


def _ruled(plan: Plan, result: TrialResult) -> TrialResult:
    """A result with what binds the rule that chose its ratio; a device that did not do it has a reason of its own."""
    if result.record.trial not in plan.ruled:
        return result
    binds, why = plan.ruled[result.record.trial]
    over = overrun(plan.scenario.pruning.rule, vars(result.record))
    reason = result.record.reason or "; ".join(filter(None, (why, over)))
    return replace(result, record=replace(result.record, binds=binds, reason=reason))


def expected_samples(plan: Plan) -> dict[Trial, float]:
    """What each trial is expected to cost this machine, in samples passed forward and backward."""
    return {
        trial: 0.0
        if trial in plan.infeasible
        else scheduler.trial_samples(plan.setting, len(plan.devices[trial.seed, trial.device].shard), trial.keep_ratio)
        for trial in plan.trials
    }


def _push(plan: Plan, queue: JobQueue, job: Job) -> None:
    """Queue a job by the work that waits for it."""
    queue.push(job, scheduler.flops(plan.setting, job), begins=isinstance(job, ScoreJob))


def _prepared(spec: DeviceSpec, trial: Trial, reused: Reused) -> Prepared:
    """A trial with the subset of another run, charged the scoring of that run."""
    positions = np.searchsorted(spec.shard, reused.kept)
    inside = positions < len(spec.shard)
    if not inside.all() or (spec.shard[positions] != reused.kept).any():
        message = (
            f"the subset of {trial} holds samples that this scenario's device {trial.device} does not have; "
            "the two runs need the same data, partition, fleet size and seeds"
        )
        raise ScenarioError("pruning.scores_from", [Fault("pruning.scores_from", message)])
    selection = Selection(positions.astype(np.int64), reused.weights)
    return Prepared(trial, selection, reused.work, reused.trace, host_score_wall_s=0.0, reused=True)


def cannot(plan: Plan, spec: DeviceSpec, trial: Trial) -> TrialResult:
    """The record of a trial that its device cannot do, with what stops it and what is known of its price."""
    limit, reason, columns = plan.infeasible[trial]
    return without_result(plan, spec, trial, "infeasible", reason, {**columns, "limit": limit})


def without_result(
    plan: Plan, spec: DeviceSpec, trial: Trial, status: Status, reason: str, columns: Mapping[str, Any] = _NOTHING
) -> TrialResult:
    """The record of a trial that failed, or that its device cannot do, with what is known of it in `columns`."""
    method, n = plan.setting.methods[trial.method], len(spec.shard)
    record = Record(
        scenario=plan.scenario.name,
        seed=trial.seed,
        device=trial.device,
        profile=spec.profile.name,
        method=trial.method,
        keep_ratio=trial.keep_ratio,
        status=status,
        reason=reason,
        ratio_rule=plan.setting.rule_of(trial.method),
        binds=plan.ruled.get(trial, ("", ""))[0],
        shard_size=n,
        subset_size=method.kept_samples(n, int(analytic.subset_size(n, trial.keep_ratio))),
        dynamic=method.dynamic,
        **{"repeats": plan.setting.terms.repeats, **columns},
    )
    return TrialResult(record)
