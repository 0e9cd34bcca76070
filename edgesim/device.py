"""One simulated device: score -> select -> train -> evaluate -> price. No Ray, no files, no printing.

A device does two kinds of jobs. `ScoreJob` runs the shared warm-up and every method's selection; `TrainJob` trains on
one subset. Trials whose training would be identical (same shard, subset, weights and initial state) share one TrainJob;
each is still charged all that it would need alone.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import torch

from edgesim import seeds
from edgesim.cost import pricing
from edgesim.data.partition import class_shares, local_accuracy
from edgesim.errors import TrainingDiverged
from edgesim.extremes import MAX_CLASSES, Extremes, ends_of_classes, pictures
from edgesim.jobs import DeviceSpec, Job, Outcome, Prepared, Setting, TrainJob, groups
from edgesim.pruning import base
from edgesim.records import CurvePoint, Findings, Ledger, Record, Trial, TrialResult
from edgesim.training import evaluation, loop
from edgesim.training.needs import Needs
from edgesim.training.task import ClassificationTask, device_name
from edgesim.training.warmup import observe_warmup
from edgesim.work import FloatArray

_STATELESS = {"torch", "torchvision", "timm", "edgesim"}
"""packages whose modules keep nothing but weights and buffers"""


class Workbench:
    """What a host keeps between jobs: the setting on the torch device, the common test set, the last shard."""

    def __init__(self, setting: Setting):
        self.setting = setting
        self.torch_device = device_name(setting.training.torch_device)
        self._shard: tuple[DeviceSpec, ClassificationTask] | None = None
        self._trainee: tuple[int, torch.nn.Module, list[torch.Tensor]] | None = None

    @cached_property
    def test(self) -> ClassificationTask:
        """The common test set. Never used to choose anything."""
        return ClassificationTask.of_test(self.setting.dataset, self.torch_device)

    def shard(self, spec: DeviceSpec) -> ClassificationTask:
        """The device's training data; kept for the next job of the same device."""
        if self._shard is None or self._shard[0].index != spec.index or self._shard[0].seed != spec.seed:
            task = ClassificationTask.of_shard(self.setting.dataset, spec.shard, self.torch_device)
            self._shard = (spec, task)
        return self._shard[1]

    def build_model(self, seed: int) -> torch.nn.Module:
        """The network at the initial weights that all devices and methods of a seed share (edge paper, III-B)."""
        dataset = self.setting.dataset
        with seeds.torch_global(seed, "init"):
            model: torch.nn.Module = self.setting.model.build(dataset.input_shape, dataset.num_classes)
        return model.to(device=torch.device(self.torch_device)).to(memory_format=torch.channels_last)

    def initial_model(self, seed: int) -> torch.nn.Module:
        """As `build_model`, for one training after another: the same module, its weights and buffers put back.

        Making a module takes longer than training a small one for a step. A user's own module may keep more than
        weights and buffers, so that it is made anew.
        """
        if self._trainee is None or self._trainee[0] != seed:
            model = self.build_model(seed)
            if not all(type(layer).__module__.partition(".")[0] in _STATELESS for layer in model.modules()):
                return model
            self._trainee = seed, model, [tensor.detach().clone() for tensor in _tensors(model)]
        _, model, initial = self._trainee
        with torch.no_grad():
            for tensor, value in zip(_tensors(model), initial, strict=True):
                tensor.copy_(value)
        return model

    def run(self, job: Job) -> Outcome:
        """Do one job."""
        device = EdgeDevice(self, job.spec)
        if isinstance(job, TrainJob):
            return device.execute(job.group)
        prepared = device.prepare(job.trials)
        if not job.goes_on:
            return prepared
        return [result for group in groups(prepared) for result in device.execute(group)]


def _tensors(model: torch.nn.Module) -> Iterator[torch.Tensor]:
    yield from model.parameters()
    yield from model.buffers()


class EdgeDevice:
    """A simulated device with its shard."""

    def __init__(self, bench: Workbench, spec: DeviceSpec):
        self._bench, self._spec, self._setting = bench, spec, bench.setting
        self._task = bench.shard(spec)
        self._labels = self._setting.dataset.train_labels[spec.shard]

    def prepare(self, trials: tuple[Trial, ...]) -> list[Prepared]:
        """Steps 1 and 2: one warm-up observed for all methods, then each method's scores and subsets."""
        setting, spec = self._setting, self._spec
        names = list(dict.fromkeys(trial.method for trial in trials))
        shard = setting.describe(self._labels)
        needs = [setting.methods[name].needs(shard) for name in names]
        # Where nothing is to be observed no network is needed, and tiny devices are spared its making.
        model = self._bench.build_model(spec.seed) if any(need != Needs() for need in needs) else torch.nn.Identity()
        with seeds.torch_global(spec.seed, "warm-up:dropout", spec.index):
            streams = loop.Streams(spec.seed, spec.index, "warm-up")
            observed = observe_warmup(model, self._task, needs, setting.training, streams, setting.augment)
        prepared = []
        for name, observations in zip(names, observed, strict=True):
            method = setting.methods[name]
            context = base.ScoreContext(
                device=spec.index,
                seed=spec.seed,
                method=name,
                shard=shard,
                observations=observations,
                task=self._task,
                training=setting.training,
                augment=setting.augment,
                build_model=lambda: self._bench.build_model(spec.seed),
            )
            weights = observations.weights
            goes_on = weights is not None and getattr(method, "after_warmup", "reset") == "continue"
            state = {k: v.cpu().numpy() for k, v in weights.items()} if weights and goes_on else None
            mine = [trial for trial in trials if trial.method == name]
            chosen = base.choose(method, context, [trial.keep_ratio for trial in mine])
            for trial, choice in zip(mine, chosen, strict=True):
                findings = self._findings(method, choice, trial, first=trial == mine[0])
                prepared.append(
                    Prepared(trial, choice.selection, choice.work, choice.trace, choice.host_wall_s, state, findings)
                )
        return prepared

    def execute(self, group: tuple[Prepared, ...]) -> list[TrialResult]:
        """Steps 3 to 5: train once, evaluate once, price every trial of the group.

        Raises:
            TrainingDiverged: the loss of a step is not finite.
        """
        started = time.perf_counter()
        first = group[0]
        measured, curve, fitted = self._train(first)
        wall_s = time.perf_counter() - started
        kept, weights = self._spec.shard[first.selection.positions], first.selection.weights
        results = []
        for prepared in group:
            score = prepared.score_work, prepared.score_trace
            ledger = Ledger(*score, fitted.work, fitted.trace, prepared.reused)
            record = self._record(prepared, measured, ledger, wall_s)
            if record.status != "ok":  # the device stopped on the way: there is no trained network
                results.append(TrialResult(record, findings=prepared.findings))
                continue
            results.append(TrialResult(record, curve, kept, weights, prepared.findings, ledger))
        return results

    def _findings(self, method: Any, choice: base.Chosen, trial: Trial, first: bool) -> Findings:
        """What to keep beside the subset; scores that serve all budgets go with the first trial only."""
        for_all = not hasattr(method, "choose")
        ranked = choice.selection.sampler is None and not getattr(method, "keeps_all", False)
        scores = choice.scores if ranked else None
        wanted = self._setting.keep_scores and scores is not None and (first or not for_all)
        indices = self._spec.shard if wanted else None
        shown = scores is not None and trial in self._setting.shown
        extremes = self._extremes(scores) if shown and scores is not None else None
        return Findings(scores if wanted else None, indices, for_all, choice.history, extremes)

    def _extremes(self, scores: FloatArray) -> Extremes:
        """The samples of each class that the scores [n] put first and last, with pictures of them."""
        found = ends_of_classes(scores, self._labels, max_classes=MAX_CLASSES)
        indices = self._spec.shard[found.positions]
        small = pictures(self._setting.dataset.train_images[indices])
        return Extremes(found.labels, found.most, found.ranks, found.tied, indices, scores[found.positions], small)

    def _train(self, prepared: Prepared) -> tuple[dict[str, float], tuple[CurvePoint, ...], loop.Fitted]:
        """Train on the subset from the same weights, schedule and order for every method; evaluate at the end."""
        setting, spec = self._setting, self._spec
        model = self._bench.initial_model(spec.seed)
        if prepared.initial_state is not None:
            model.load_state_dict({k: torch.from_numpy(v.copy()) for k, v in prepared.initial_state.items()})
        tests: dict[int, evaluation.Scores] = {}
        every = setting.evaluation.every

        def after_epoch(epoch: loop.Epoch) -> None:
            if every and epoch.number % every == 0:
                tests[epoch.number] = self._evaluate(model, self._bench.test)

        chosen = prepared.selection
        subset = loop.Subset(chosen.positions, chosen.weights, chosen.sampler)
        with seeds.torch_global(spec.seed, "training:dropout", spec.index):
            streams = loop.Streams(spec.seed, spec.index, "training")
            hooks = loop.Hooks(after_epoch=after_epoch)
            fitted = loop.fit(model, self._task, subset, setting.training, streams, setting.augment, hooks)
        last = fitted.epochs[-1].number
        if last not in tests:
            tests[last] = self._evaluate(model, self._bench.test)
        shares = class_shares(setting.dataset.train_labels, spec.shard, setting.dataset.num_classes)
        shard, test = self._evaluate(model, self._task), tests[last]
        for loss in (test.loss, shard.loss):
            if not math.isfinite(loss):  # the last step's update is seen by no later step
                raise TrainingDiverged(fitted.work.steps, loss)
        measured = {
            "test_accuracy": test.accuracy,
            "test_loss": test.loss,
            "local_accuracy": local_accuracy(test.per_class_accuracy, shares),
            "train_accuracy": shard.accuracy,
            "train_loss": shard.loss,
        }
        nothing = (float("nan"), float("nan"))
        curve = []
        for epoch in fitted.epochs:
            seen = tests.get(epoch.number)
            test_values = (seen.loss, seen.accuracy) if seen else nothing
            curve.append(CurvePoint(epoch.number, epoch.loss, epoch.accuracy, *test_values))
        return measured, tuple(curve), fitted

    def _evaluate(self, model: torch.nn.Module, task: ClassificationTask) -> evaluation.Scores:
        setting = self._setting
        return evaluation.evaluate(
            model, task, setting.dataset.num_classes, setting.evaluation.batch_size, setting.training.precision
        )

    def _record(self, prepared: Prepared, measured: dict[str, float], ledger: Ledger, train_wall_s: float) -> Record:
        """Step 5: the record of a trial, priced by the closed form and by the emulator."""
        spec, setting, m = self._spec, self._setting, len(prepared.selection.positions)
        priced = pricing.price(setting.terms, spec.profile, spec.conditions, len(spec.shard), m, ledger)
        columns: dict[str, Any] = priced if priced["reason"] else measured | priced
        return Record(
            scenario=setting.scenario,
            seed=spec.seed,
            device=spec.index,
            profile=spec.profile.name,
            method=prepared.trial.method,
            keep_ratio=prepared.trial.keep_ratio,
            status="infeasible" if priced["reason"] else "ok",
            shard_size=len(spec.shard),
            subset_size=m,
            ratio_rule=setting.rule_of(prepared.trial.method),
            host_wall_s=prepared.host_score_wall_s + train_wall_s,
            host_score_wall_s=prepared.host_score_wall_s,
            host_train_wall_s=train_wall_s,
            notes=json.dumps(prepared.selection.notes) if prepared.selection.notes else "",
            **columns,
        )
