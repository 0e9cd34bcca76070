"""One simulated device: score -> select -> train -> evaluate -> price. No Ray, no files, no printing.

A device does two kinds of jobs. `ScoreJob` runs the shared warm-up and every method's selection; `TrainJob` trains on
one subset. Trials whose training would be identical (same shard, subset, weights and initial state) share one TrainJob;
each is still charged all that it would need alone.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from edgesim import seeds
from edgesim.data.drawings import as_images
from edgesim.data.partition import class_shares, class_weighted
from edgesim.errors import TrainingDiverged
from edgesim.pruning import base
from edgesim.pruning.after_warmup import WarmupThenSubset, WarmupUse, use_of
from edgesim.pruning.selection import ChargedSubset, choose
from edgesim.ranked_samples import MAX_CLASSES, RankedSamples, ends_of_classes, pictures
from edgesim.records import CurvePoint, MethodOutputs, Record, Selection, Trial, TrialResult, WorkRecord
from edgesim.runtime import fine_tuning
from edgesim.runtime.fine_tuning import fine_tune
from edgesim.runtime.host_output import Announce, Mark, unheard
from edgesim.runtime.jobs import PreparedTrial
from edgesim.runtime.worker_cache import WorkerCache
from edgesim.scenario.experiment import DeviceSpec
from edgesim.training import evaluation, loop
from edgesim.training.needs import Needs
from edgesim.training.task import Scores
from edgesim.training.warmup import Observations, observe_warmup
from edgesim.work import FloatArray, IntArray

AfterEpoch = Callable[[loop.Epoch, int, torch.nn.Module], None]
ACCURACIES = ("test_accuracy", "local_accuracy", "train_accuracy")
"""metrics that are fields of a record"""


class EdgeDevice:
    """A simulated device with its shard."""

    def __init__(self, cache: WorkerCache, spec: DeviceSpec, announce: Announce = unheard):
        """Take the shard.

        Args:
            cache: of the worker.
            spec: the device.
            announce: called with each phase before it begins.
        """
        self._announce = announce
        self._cache, self.spec, self._config = cache, spec, cache.config
        self.task = cache.shard(spec)
        self._labels = self._config.dataset.train_labels[spec.shard]

    def prepare(self, trials: tuple[Trial, ...]) -> list[PreparedTrial]:
        """Steps 1 and 2: one warm-up observed for all methods, then each method's scores and subsets."""
        config, spec = self._config, self.spec
        names = list(dict.fromkeys(trial.method for trial in trials))
        self._announce(Mark(spec.seed, spec.index, "warm-up", names[0] if len(names) == 1 else ""))
        shard = config.describe(self._labels)
        uses = {name: use_of(config.methods[name], shard) for name in names}
        observed = self._observe(uses)
        prepared = []
        for name, use in uses.items():
            method, observations = use.method, observed[name]
            self._announce(Mark(spec.seed, spec.index, "scoring", name))
            context = base.ScoreContext(
                device=spec.index,
                seed=spec.seed,
                method=name,
                shard=use.shard,
                observations=observations,
                task=self.task,
                training=config.training,
                augment=config.augment,
                build_model=lambda: self._cache.build_model(spec.seed),
                given_weights=frozenset(given.values if (given := config.initial_weights) else ()),
            )
            weights = observations.weights
            trains_inline = weights is not None and method.after_warmup == "continue"
            state = {k: v.cpu().numpy() for k, v in weights.items()} if weights and trains_inline else None
            mine = [trial for trial in trials if trial.method == name]
            chosen = choose(method, context, [trial.keep_ratio for trial in mine])
            for trial, choice in zip(mine, chosen, strict=True):
                outputs = self._outputs(method, choice, trial, first=trial == mine[0])
                prepared.append(
                    PreparedTrial(
                        trial,
                        _with_counted(choice.selection, use),
                        choice.work,
                        choice.trace,
                        choice.host_wall_s,
                        state,
                        outputs,
                        counted_epochs=0 if use.is_full_training else use.epochs,
                    )
                )
        return prepared

    def _observe(self, uses: dict[str, WarmupUse]) -> dict[str, Observations]:
        """One warm-up for all methods, and one in the streams of training for those whose warm-up counts."""
        found: dict[str, Observations] = {}
        for purpose in ("warm-up", "training"):
            mine = {name: use.needs for name, use in uses.items() if use.needs.counts == (purpose == "training")}
            if mine:
                found |= dict(zip(mine, self._warmup(purpose, list(mine.values())), strict=True))
        return found

    def _warmup(self, purpose: str, needs: list[Needs]) -> list[Observations]:
        """Observations of one warm-up, in the order of `needs`."""
        config, spec = self._config, self.spec
        # Where nothing is to be observed no network is needed, and tiny devices are spared its making.
        model = self._cache.build_model(spec.seed) if any(need != Needs() for need in needs) else torch.nn.Identity()
        streams = loop.Streams(spec.seed, spec.index, purpose)
        with seeds.torch_global(spec.seed, f"{purpose}:dropout", spec.index):
            return observe_warmup(model, self.task, needs, config.training, streams, config.augment)

    def execute(
        self, group: tuple[PreparedTrial, ...], trained: evaluation.TrainingOutcome | None = None
    ) -> list[TrialResult]:
        """Steps 3 to 5: train once, evaluate once, price every trial of the group.

        Args:
            group: trials whose training is the same.
            trained: its outcome, where it is done already.

        Raises:
            TrainingDiverged: the loss of a step is not finite.
        """
        first = group[0]
        names = dict.fromkeys(prepared.trial.method for prepared in group)
        self._announce(Mark(self.spec.seed, self.spec.index, "training", next(iter(names)) if len(names) == 1 else ""))
        trained = trained or self._train(first)
        measured, curve = self._measured(trained)
        kept, weights = self.spec.shard[_kept(first.selection, trained)], first.selection.weights
        results = []
        for prepared in group:
            score = prepared.score_work, prepared.score_trace
            done = WorkRecord(*score, trained.fit_result.work, trained.fit_result.trace, prepared.reused)
            record = self._record(prepared, measured, done, trained)
            if record.status != "ok":  # the device stopped on the way: there is no trained network
                results.append(TrialResult(record, outputs=prepared.outputs, work_record=done))
                continue
            results.append(TrialResult(record, curve, kept, weights, prepared.outputs, done, trained.weights))
        return results

    def _outputs(self, method: base.Method, choice: ChargedSubset, trial: Trial, first: bool) -> MethodOutputs:
        """Outputs to keep beside the subset; scores that serve all budgets go with the first trial only."""
        for_all = method.scores_once
        ranked = not (method.is_dynamic_on(self._config.describe(self._labels)) or method.keeps_all)
        scores = choice.scores if ranked else None
        wanted = self._config.keep_scores and scores is not None and (first or not for_all)
        indices = self.spec.shard if wanted else None
        shown = scores is not None and trial in self._config.shown
        ranked_samples = self._ranked_samples(scores) if shown and scores is not None else None
        return MethodOutputs(scores if wanted else None, indices, for_all, choice.history, ranked_samples)

    def _ranked_samples(self, scores: FloatArray) -> RankedSamples:
        """The samples of each class that the scores [n] put first and last, with pictures of them."""
        found = ends_of_classes(scores, self._labels, max_classes=MAX_CLASSES)
        indices = self.spec.shard[found.positions]
        dataset = self._config.dataset
        small = pictures(as_images(dataset.train_samples[indices], dataset.sample_form))
        return RankedSamples(found.labels, found.most, found.ranks, found.tied, indices, scores[found.positions], small)

    def _train(self, prepared: PreparedTrial) -> evaluation.TrainingOutcome:
        """Train on the subset, evaluate at the end, and fine-tune where the scenario has `transfer`."""
        started = time.perf_counter()
        spec, evaluation_config = self.spec, self._cache.evaluation
        tests: dict[int, Scores] = {}

        def after_epoch(epoch: loop.Epoch, epochs: int, model: torch.nn.Module) -> None:
            if evaluation_config.is_due(epoch.number, epochs):
                tests[epoch.number] = evaluation.evaluate(model, self._cache.test, evaluation_config, spec.own_tests)

        model, fit_result = self.fit(prepared, after_epoch)
        shard = evaluation.evaluate(model, self.task, evaluation_config)
        weights = evaluation.copied_weights(model.state_dict()) if evaluation_config.keep_weights else None
        tuned = fine_tune(self._cache, spec, model)
        wall_s = time.perf_counter() - started
        return evaluation.TrainingOutcome(fit_result, tests, shard, wall_s, transfer=tuned, weights=weights)

    def fit(
        self, prepared: PreparedTrial, after_epoch: AfterEpoch | None = None
    ) -> tuple[torch.nn.Module, loop.FitResult]:
        """Train on the subset from the same weights, schedule and order for every method.

        Args:
            prepared: trial with its subset.
            after_epoch: called after each epoch with its means, the number of epochs and the network.

        Returns: the trained network, which the next training may overwrite, and the result.

        Raises:
            TrainingDiverged: the loss of a step is not finite.
        """
        config, spec = self._config, self.spec
        model = self._cache.initial_model(spec.seed)
        if prepared.initial_state is not None:
            model.load_state_dict({k: torch.from_numpy(v.copy()) for k, v in prepared.initial_state.items()})
        chosen = prepared.selection
        subset = loop.Subset(chosen.positions, chosen.weights, chosen.epoch_sampler, chosen.settles_on)
        if prepared.counted_epochs:
            n = len(spec.shard)
            counted = WarmupThenSubset(n, prepared.counted_epochs, chosen.positions, chosen.weights)
            subset = loop.Subset(np.arange(n), epoch_sampler=counted, schedule_by_epochs=True)
        epochs = len(subset.visits(config.training.epochs))

        def note(epoch: loop.Epoch) -> None:
            if after_epoch is not None:
                after_epoch(epoch, epochs, model)

        with seeds.torch_global(spec.seed, "training:dropout", spec.index):
            streams = loop.Streams(spec.seed, spec.index, "training")
            hooks = loop.Hooks(after_epoch=note)
            fit_result = loop.fit(model, self.task, subset, config.training, streams, config.augment, hooks)
        return model, fit_result

    def _measured(self, trained: evaluation.TrainingOutcome) -> tuple[dict[str, Any], tuple[CurvePoint, ...]]:
        """The columns of a record that come from a training, and its curve."""
        dataset, epochs, tests = self._config.dataset, trained.fit_result.epochs, trained.tests
        test, shard = tests[epochs[-1].number], trained.shard
        for loss in (test.loss, shard.loss):
            if not math.isfinite(loss):  # the last step's update is seen by no later step
                raise TrainingDiverged(trained.fit_result.work.steps, loss)
        shares = class_shares(dataset.train_labels, self.spec.shard, dataset.num_classes)
        sets = {
            "test": test.metrics,
            "local": {key: class_weighted(each, shares) for key, each in test.per_class.items()},
            "own": test.own,
            "train": shard.metrics,
        }
        columns = {f"{of}_{key}": value for of, values in sets.items() for key, value in values.items()}
        fields = {name: columns.pop(name) for name in ACCURACIES if name in columns}
        columns |= fine_tuning.measured(self._cache, self.spec, trained.transfer)
        measured: dict[str, Any] = {"test_loss": test.loss, "train_loss": shard.loss, **fields}
        if columns:
            measured["metrics"] = columns
        running = self.task.kind.metric.column("subset")
        return measured, tuple(self._point(epoch, tests.get(epoch.number), running) for epoch in epochs)

    def _point(self, epoch: loop.Epoch, seen: Scores | None, running: str) -> CurvePoint:
        """One epoch of a curve, with the evaluation after it where there was one."""
        nothing = float("nan")
        tested = {} if seen is None else seen.metrics
        loss = nothing if seen is None else seen.loss
        if self.task.kind.name == "classification":
            return CurvePoint(epoch.number, epoch.loss, epoch.metric, loss, tested.get("accuracy", nothing))
        found = {metric.column(): tested.get(metric.key, nothing) for metric in self.task.kind.metrics}
        if not math.isnan(epoch.metric):
            found |= {running: epoch.metric}
        return CurvePoint(epoch.number, epoch.loss, nothing, loss, nothing, found)

    def _record(
        self, prepared: PreparedTrial, measured: dict[str, Any], done: WorkRecord, trained: evaluation.TrainingOutcome
    ) -> Record:
        """Step 5: the record of a trial, priced by the closed form and by the emulator."""
        spec, config, m = self.spec, self._config, len(_kept(prepared.selection, trained))
        dynamic = config.methods[prepared.trial.method].is_dynamic_on(config.describe(self._labels))
        visited = {"visited_share": trained.fit_result.distinct / m} if dynamic else {}
        settled = trained.fit_result.kept
        notes = {**prepared.selection.notes, **({} if settled is None else settled.notes), **visited}
        priced = self._cache.price(spec, m, done, dynamic)
        columns: dict[str, Any] = priced if priced["reason"] else measured | priced
        return Record(
            scenario=config.scenario,
            seed=spec.seed,
            device=spec.index,
            profile=spec.profile.name,
            method=prepared.trial.method,
            keep_ratio=prepared.trial.keep_ratio,
            status="infeasible" if priced["reason"] else "ok",
            shard_size=len(spec.shard),
            subset_size=m,
            dynamic=dynamic,
            ratio_rule=config.rule_of(prepared.trial.method),
            host_wall_s=prepared.host_score_wall_s + trained.host_wall_s,
            host_score_wall_s=prepared.host_score_wall_s,
            host_train_wall_s=trained.host_wall_s,
            host_stack_size=trained.stack_size,
            notes=json.dumps(notes) if notes else "",
            **columns,
        )


def _with_counted(selection: Selection, use: WarmupUse) -> Selection:
    """A selection with the epochs that count in its notes; all samples where these are all of training."""
    if not use.epochs:
        return selection
    noted = replace(selection, notes={**selection.notes, "warmup_epochs": float(use.epochs)})
    return replace(noted, positions=np.arange(use.shard.size), weights=None) if use.is_full_training else noted


def _kept(selection: Selection, trained: evaluation.TrainingOutcome) -> IntArray:
    """Sorted positions within the shard that the device keeps: chosen before training, or settled on while it ran."""
    settled = trained.fit_result.kept
    return selection.positions if settled is None else selection.positions[settled.places]
