"""Scenario -> data, shards and trials -> executor -> a stream of results."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from edgesim import seeds
from edgesim.cost import analytic, pricing
from edgesim.data import datasets
from edgesim.data.datasets import ImageDataset
from edgesim.data.invariants import check
from edgesim.errors import DataError, Fault, ScenarioError
from edgesim.executors import Executor, Failure, JobQueue, log_detail
from edgesim.jobs import DeviceSpec, Job, Prepared, ScoreJob, Setting, TrainJob
from edgesim.models import workload
from edgesim.records import IntArray, Record, Reused, Selection, Trial, TrialResult, Workload
from edgesim.scenario import Scenario


@dataclass(frozen=True)
class Plan:
    """A scenario made concrete: who holds what, and all trials."""

    scenario: Scenario
    setting: Setting
    devices: dict[tuple[int, int], DeviceSpec]
    """(seed, device) -> device with its shard"""
    trials: tuple[Trial, ...]
    """in the order of seed, device, method and keep ratio"""


def plan(scenario: Scenario, dataset: ImageDataset | None = None, scorer: Workload | None = None) -> Plan:
    """Load the data, split it among the devices, count the network's work, and list the trials.

    Args:
        scenario: the experiment.
        dataset: the data, where the caller has it already.
        scorer: of the network that scored in the run that `scores_from` names.

    Raises:
        DataError: the data cannot be read.
        ScenarioError: the data do not suffice for the fleet, or the network does not fit them.
    """
    dataset = dataset or datasets.load(scenario.dataset.plugin, scenario.dataset.name, scenario.folder)
    devices: dict[tuple[int, int], DeviceSpec] = {}
    for seed in scenario.seeds:
        for index, shard in enumerate(split(scenario, dataset, seed)):
            devices[seed, index] = DeviceSpec(seed, index, scenario.fleet.devices[index], shard)
    counted = workload.count(
        lambda: scenario.model.plugin.build(dataset.input_shape, dataset.num_classes),
        dataset.input_shape,
        dataset.num_classes,
    )
    setting = Setting(
        scenario=scenario.name,
        dataset=dataset,
        model=scenario.model.plugin,
        training=scenario.training,
        augment=tuple(named.plugin for named in scenario.augment),
        methods={named.label: named.plugin for named in scenario.pruning.methods},
        warmup=scenario.pruning.warmup,
        evaluation=scenario.evaluation,
        terms=pricing.Terms(
            workload=counted,
            scorer=scorer,
            sample_bytes=dataset.sample_bytes,
            batch_size=scenario.training.batch_size,
            epochs=scenario.training.epochs,
            optimizer_states=scenario.training.optimizer_states,
            weights=scenario.cost.weights,
        ),
        keep_scores=scenario.pruning.keep_scores,
    )
    return Plan(scenario, setting, devices, trials(scenario))


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


def trials(scenario: Scenario) -> tuple[Trial, ...]:
    """All trials; a method that keeps everything has one per device, at keep_ratio 1."""
    listed = []
    for seed in scenario.seeds:
        for device in range(len(scenario.fleet)):
            for method in scenario.pruning.methods:
                keeps_all = getattr(method.plugin, "keeps_all", False)
                ratios = (1.0,) if keeps_all else scenario.pruning.keep_ratios
                listed += [Trial(seed, device, method.label, ratio) for ratio in ratios]
    return tuple(listed)


def execute(
    plan: Plan,
    executor: Executor,
    done: frozenset[Trial] = frozenset(),
    note: Callable[[str], None] | None = None,
    reused: Mapping[Trial, Reused] | None = None,
) -> Iterator[TrialResult]:
    """Run the trials that are not done, yielding each result as it comes.

    A device's methods are scored in one job, its trainings follow as jobs of their own. Where a scoring job fails it is
    split into one per method, so that one bad method does not take the others with it; what fails alone becomes
    failed records.

    Args:
        plan: from `plan`.
        executor: where jobs run; opened here, closed by the caller.
        done: trials that have a record already.
        note: told in one line when a job fails.
        reused: subsets of another run; their trials are trained without scoring.

    Raises:
        ScenarioError: a reused subset is not of this scenario's shards.
    """
    executor.open(plan.setting)
    queue = JobQueue()
    missing: dict[tuple[int, int], list[Trial]] = {}
    for trial in plan.trials:
        if trial not in done:
            missing.setdefault((trial.seed, trial.device), []).append(trial)
    for key, waiting in missing.items():
        known = [_prepared(plan.devices[key], t, reused[t]) for t in waiting if reused and t in reused]
        for group in _groups(known):
            _push(plan, queue, TrainJob(plan.devices[key], group))
        unknown = tuple(t for t in waiting if not reused or t not in reused)
        if unknown:
            _push(plan, queue, ScoreJob(plan.devices[key], unknown))
    for job, outcome in executor.stream(queue):
        if isinstance(outcome, Failure):
            log_detail(outcome)
            methods = list(dict.fromkeys(trial.method for trial in job.trials))
            if isinstance(job, ScoreJob) and len(methods) > 1:
                for method in methods:
                    _push(plan, queue, ScoreJob(job.spec, tuple(t for t in job.trials if t.method == method)))
                continue
            if note:
                where = f"seed {job.spec.seed}, device {job.spec.index}, {', '.join(methods)}"
                note(f"failed: {where}: {outcome.reason}")
            yield from (_failed(plan, job.spec, trial, outcome.reason) for trial in job.trials)
        elif isinstance(job, ScoreJob):
            for group in _groups([entry for entry in outcome if isinstance(entry, Prepared)]):
                _push(plan, queue, TrainJob(job.spec, group))
        else:
            yield from (result for result in outcome if isinstance(result, TrialResult))


def expected_samples(plan: Plan) -> dict[Trial, float]:
    """What each trial is expected to cost this machine, in samples passed forward and backward.

    A forward pass counts a third: the test set and the shard are evaluated at the end of every training.
    """
    scenario, tests = plan.scenario, len(plan.setting.dataset.test_labels)
    expected = {}
    for trial in plan.trials:
        n = len(plan.devices[trial.seed, trial.device].shard)
        m = int(analytic.subset_size(n, trial.keep_ratio))
        expected[trial] = m * scenario.training.epochs + (tests + n) / 3
    return expected


def _push(plan: Plan, queue: JobQueue, job: Job) -> None:
    """Queue a job by the work that waits for it: its own and, for scoring, the trainings behind it."""
    scenario, setting = plan.scenario, plan.setting
    if isinstance(job, TrainJob):
        samples = len(job.group[0].selection.positions) * scenario.training.epochs
    else:
        n = len(job.spec.shard)
        sizes = [int(analytic.subset_size(n, trial.keep_ratio)) for trial in job.trials]
        samples = n + sum(sizes) * scenario.training.epochs
    samples += (len(setting.dataset.test_labels) + len(job.spec.shard)) // 3  # evaluated by forward passes
    queue.push(job, samples * setting.terms.workload.train_flops, begins=isinstance(job, ScoreJob))


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


def _groups(prepared: list[Prepared]) -> list[tuple[Prepared, ...]]:
    """Trials whose training is the same: equal subset, loss weights, sampler and initial state."""
    groups: dict[str, list[Prepared]] = {}
    for entry in prepared:
        digest = hashlib.sha256(entry.selection.positions.tobytes())
        if entry.selection.weights is not None:
            digest.update(b"weights" + entry.selection.weights.tobytes())
        if entry.selection.sampler is not None:  # a frozen dataclass, whose repr names all of it
            digest.update(repr(entry.selection.sampler).encode())
        for name, value in (entry.initial_state or {}).items():
            digest.update(name.encode() + value.tobytes())
        groups.setdefault(digest.hexdigest(), []).append(entry)
    return [tuple(group) for group in groups.values()]


def _failed(plan: Plan, spec: DeviceSpec, trial: Trial, reason: str) -> TrialResult:
    record = Record(
        scenario=plan.scenario.name,
        seed=trial.seed,
        device=trial.device,
        profile=spec.profile.name,
        method=trial.method,
        keep_ratio=trial.keep_ratio,
        status="failed",
        reason=reason,
        shard_size=len(spec.shard),
        subset_size=int(analytic.subset_size(len(spec.shard), trial.keep_ratio)),
    )
    return TrialResult(record)
