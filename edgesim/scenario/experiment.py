"""Experiment of a scenario: the configuration that all devices share, the devices, and their shards."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from edgesim import seeds
from edgesim.config import user_code
from edgesim.cost.context import PricingContext
from edgesim.cost.objective import Budget, Objective
from edgesim.data import datasets
from edgesim.data.augment import check_fit
from edgesim.data.dataset import Dataset
from edgesim.data.shards import Shards, checked
from edgesim.errors import DataError, EdgesimError, Fault, ScenarioError
from edgesim.formatting import n_of
from edgesim.hardware.conditions import Conditions
from edgesim.hardware.profile import DeviceProfile
from edgesim.models.adoption import check_adoptable
from edgesim.models.initial_weights import InitialWeights
from edgesim.models.network_costs import NetworkShape, counted
from edgesim.pruning import base
from edgesim.records import Trial
from edgesim.scenario import initial_weights, keep_ratio
from edgesim.scenario.loading import Scenario
from edgesim.scenario.run_section import RunSection
from edgesim.training.settings import Evaluation, Training
from edgesim.work import IntArray, Workload


@dataclass(frozen=True)
class TransferConfig:
    """Fine-tuning of every trained network on another data set (`transfer`)."""

    dataset: Dataset
    training: Training
    keeps_head: bool
    """True where both data sets have the same classes"""
    mean_shard: float
    """samples of a device, on average"""


@dataclass(frozen=True)
class ExperimentConfig:
    """Configuration that all devices of a run share. Sent to every worker once."""

    scenario: str
    dataset: Dataset
    model: Any
    """a row of the table of models, or the user's own: `build(input_shape, num_classes)`"""
    training: Training
    augment: tuple[Any, ...]
    methods: dict[str, base.Method]
    warmup: Any
    evaluation: Evaluation
    pricing: PricingContext
    network: NetworkShape
    limits: RunSection
    """limits on the jobs of a run"""
    keep_scores: bool = False
    storage_bytes: float | None = None
    """storage that a budget gives to a device's samples while it trains; None = all that the device has"""
    rule: str = ""
    """rule that chooses the keep ratios; empty where the scenario names them"""
    shown: frozenset[Trial] = frozenset()
    """trials whose samples at both ends of the scores are kept, with pictures: of one device, one trial per method"""
    transfer: TransferConfig | None = None
    initial_weights: InitialWeights | None = None
    """those that every training starts from, of a file (`training.initial_weights`); None = all are random"""

    @property
    def transfer_notes(self) -> list[str]:
        """Notes of the reader of the data that `transfer` names."""
        return [] if self.transfer is None else [f"transfer: {note}" for note in self.transfer.dataset.notes]

    @property
    def weight_notes(self) -> list[str]:
        """What training starts from, where that is a file, and repetitions that all start from it."""
        given = self.initial_weights
        if given is None:
            return []
        repeated = [name for name, method in self.methods.items() if getattr(method, "replicas", 1) > 1]
        same = f"; so do all replicas of {', '.join(repeated)}" if repeated and not given.random else ""
        return [given.in_words + same]

    def rule_of(self, method: str) -> str:
        """Rule that chose the keep ratios of a method; empty for a method that keeps everything."""
        return "" if self.methods[method].keeps_all else self.rule

    def describe(self, labels: IntArray) -> base.Shard:
        """Properties of a shard with these labels [n] that a method may use."""
        training, size = self.training, len(labels)
        limit = training.epochs * -(-size // training.batch_size)
        return base.Shard(
            size=size,
            labels=labels,
            num_classes=self.dataset.num_classes,
            batch_size=training.batch_size,
            epochs=training.epochs,
            warmup_steps=min(self.warmup.steps(size, training.batch_size), limit),
            storable=None if self.storage_bytes is None else int(self.storage_bytes // self.dataset.sample_bytes),
        )


@dataclass(frozen=True)
class DeviceSpec:
    """One device in one seed: its identity, hardware and shard."""

    seed: int
    index: int
    profile: DeviceProfile
    shard: IntArray
    """sorted indices into the training set"""
    conditions: Conditions = field(default_factory=Conditions)
    """power mode, energy source and availability"""
    own_tests: IntArray | None = None
    """test samples that are this device's own; None where the data do not say"""
    stack_slot: int | None = None
    """of a stack, where its trainings may share their steps with those of other devices (`runtime.stacking`)"""
    transfer_shard: IntArray | None = None
    """sorted indices into the training set of the data set that `transfer` names; None where it names none"""


def load_dataset(scenario: Scenario) -> Dataset:
    """Read the data set of a scenario, with the notes of its reader.

    Raises:
        DataError: it cannot be read.
    """
    return datasets.load(scenario.dataset.plugin, scenario.dataset.name, scenario.folder)


def load_transfer(scenario: Scenario) -> Dataset | None:
    """Read the data set that a scenario's networks are fine-tuned on; None where `transfer` names none.

    Raises:
        ScenarioError: it cannot be read.
    """
    if scenario.transfer is None:
        return None
    named = scenario.transfer.dataset
    try:
        return datasets.load(named.plugin, named.name, scenario.folder)
    except DataError as error:
        raise ScenarioError(scenario.name, [Fault("transfer.to", str(error))]) from error


def in_order(scenario: Scenario, trials: Iterable[Trial]) -> list[Trial]:
    """Trials in the order of seed, device, method and keep ratio, as the scenario lists them."""
    methods = {method.label: place for place, method in enumerate(scenario.pruning.methods)}
    seed_places = {seed: place for place, seed in enumerate(scenario.seeds)}
    return sorted(trials, key=lambda t: (seed_places[t.seed], t.device, methods[t.method], t.keep_ratio))


def configure(
    scenario: Scenario, dataset: Dataset, scorer: Workload | None = None
) -> tuple[ExperimentConfig, NetworkShape]:
    """Configuration that all devices share, and the operations of the network, which are counted here.

    Args:
        scenario: the experiment.
        dataset: its data.
        scorer: of the network that scored in the run that `scores_from` names.

    Raises:
        EdgesimError: the network does not fit the data.
    """
    model, rule = scenario.model, scenario.pruning.rule
    check_augmentations(scenario, dataset)
    objective = rule if isinstance(rule, Objective) else None
    workload, network = counted(model.plugin, model.name, dataset.network_form)
    transfer, transfer_pricing = _transfer(scenario, dataset, network)
    config = ExperimentConfig(
        scenario=scenario.name,
        dataset=dataset,
        model=scenario.model.plugin,
        training=scenario.training,
        augment=tuple(named.plugin for named in scenario.augment),
        methods={named.label: named.plugin for named in scenario.pruning.methods},
        warmup=scenario.pruning.warmup,
        evaluation=scenario.evaluation,
        pricing=PricingContext(
            workload=workload,
            scorer=scorer,
            sample_bytes=dataset.sample_bytes,
            batch_size=scenario.training.batch_size,
            epochs=scenario.training.epochs,
            optimizer_states=scenario.training.optimizer_states,
            weights=(objective and objective.weights) or scenario.cost.weights,
            precision=scenario.training.precision,
            price=objective.price if objective else "emulated",
            repeats=scenario.training.repeats,
            transfer=transfer_pricing,
        ),
        network=network,
        limits=scenario.run,
        keep_scores=scenario.pruning.keep_scores,
        storage_bytes=rule.storage_bytes if isinstance(rule, Budget) else None,
        rule=keep_ratio.label(scenario.pruning.rule),
        transfer=transfer,
        initial_weights=initial_weights.load(scenario, dataset),
    )
    return config, network


def _transfer(
    scenario: Scenario, dataset: Dataset, network: NetworkShape
) -> tuple[TransferConfig | None, PricingContext | None]:
    """Fine-tuning on another data set, and the context of its price; None for both where there is none.

    Raises:
        ScenarioError: its data cannot be read, or the trained network does not fit them.
    """
    tuned, other, model = scenario.transfer, load_transfer(scenario), scenario.model
    if tuned is None or other is None:
        return None, None
    check_augmentations(scenario, other)
    if not network.embedding_width:
        message = f"{model.name} has no linear layer, so it has no head for other classes; use another model"
        raise ScenarioError(scenario.name, [Fault("transfer", message)])
    try:
        check_adoptable(model.plugin, model.name, dataset.network_form, other.network_form)
        workload, _ = counted(model.plugin, model.name, other.network_form)
    except EdgesimError as error:
        raise ScenarioError(scenario.name, [Fault("transfer.to", f"{other.name}: {error}")]) from error
    training = replace(scenario.training, epochs=tuned.epochs, learning_rate=tuned.learning_rate, repeats=1)
    pricing = PricingContext(
        workload=workload,
        scorer=None,
        sample_bytes=other.sample_bytes,
        batch_size=training.batch_size,
        epochs=training.epochs,
        optimizer_states=training.optimizer_states,
        weights=scenario.cost.weights,
        precision=training.precision,
    )
    mean_shard = len(other.train_labels) / len(scenario.fleet)
    return TransferConfig(other, training, other.class_names == dataset.class_names, mean_shard), pricing


def check_augmentations(scenario: Scenario, dataset: Dataset) -> None:
    """ScenarioError where an augmentation takes other samples than those of the data."""
    faults = []
    for i, named in enumerate(scenario.augment):
        try:
            check_fit(named.name, named.plugin, dataset.network_form)
        except DataError as error:
            faults.append(Fault(f"training.augment[{i}]", str(error)))
    if faults:
        raise ScenarioError(scenario.name, faults)


def shards_of(
    scenario: Scenario, dataset: Dataset, seed: int, devices: int | None = None, part: str = "partition"
) -> Shards:
    """Split the training set of one seed: sorted indices, one array per device.

    Args:
        scenario: the experiment.
        dataset: its data; those of `transfer` where that is split.
        seed: one of its seeds.
        devices: of another fleet; None = those of the scenario.
        part: YAML path of the scheme: `partition`, or `transfer.partition`.

    Raises:
        ScenarioError: more devices than samples, or a scheme that cannot meet its own terms.
    """
    count, available = devices or len(scenario.fleet), len(dataset.train_labels)
    if count > available:
        samples = n_of(available, "training sample")
        message = f"has {n_of(count, 'device')} for {samples} of {dataset.name}; each needs at least one"
        raise ScenarioError(scenario.name, [Fault("fleet", message)])
    named = scenario.partition if scenario.transfer is None or part == "partition" else scenario.transfer.partition
    scheme = named.plugin
    try:
        with user_code.boundary(f"{named.name} cannot split", own=user_code.is_own(scheme)):
            found = _split(scheme, dataset, count, (seeds.integer(seed, part) % 2**32, scenario.folder))
            return checked(found, count, available, len(dataset.test_labels))
    except EdgesimError as error:
        raise ScenarioError(scenario.name, [Fault(part, _in_words_of(dataset.task, str(error)))]) from error


def transfer_rows(
    scenario: Scenario, config: ExperimentConfig, of_seeds: Iterable[int], devices: int | None = None
) -> dict[tuple[int, int], IntArray]:
    """Samples of the data set that `transfer` names, of every seed and device; empty where it names none.

    Args:
        scenario: the experiment.
        config: of the experiment, with the data.
        of_seeds: seeds to split the data for.
        devices: of another fleet; None = those of the scenario.

    Raises:
        ScenarioError: as `shards_of`.
    """
    if config.transfer is None:
        return {}
    dataset = config.transfer.dataset
    return {
        (seed, index): rows
        for seed in of_seeds
        for index, rows in enumerate(shards_of(scenario, dataset, seed, devices, "transfer.partition").rows)
    }


def _split(scheme: Any, dataset: Dataset, count: int, seed_and_folder: tuple[int, Path]) -> Shards:
    """Shards by a scheme that takes the data set, or by one that takes its labels."""
    seed, folder = seed_and_folder
    if not hasattr(scheme, "split_dataset"):
        return Shards(tuple(scheme.split(dataset.train_labels, count, seed)))
    found = scheme.split_dataset(dataset, count, seed, folder)
    if not isinstance(found, Shards):
        raise DataError(f"split_dataset gave {type(found).__name__}; give edgesim.data.shards.Shards")
    return found


def _in_words_of(task: str, message: str) -> str:
    """A scheme's message; where it speaks of classes and the task has none of its own, with their meaning."""
    meanings = {
        "regression": "a class is one of the ranges that the target is cut into",
        "detection": "the class of an image is that of most of its boxes",
    }
    named = re.search(r"\bclass(es)?\b|classes_per_device", message)
    return f"{message}; {meanings[task]}" if named and task in meanings else message
