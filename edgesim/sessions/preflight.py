"""Preflight check of a scenario: makes its data, shards and network, and trains nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from edgesim.data.datasets import Dataset
from edgesim.data.shard_statistics import summarised
from edgesim.data.shards import Shards
from edgesim.errors import EdgesimError, Fault, ScenarioError
from edgesim.formatting import n_of
from edgesim.models.network_costs import counted
from edgesim.results.linked_runs import curve_notes, reused_by
from edgesim.scenario import initial_weights
from edgesim.scenario.experiment import check_augmentations, configure, load_dataset, shards_of, transfer_rows
from edgesim.scenario.loading import Scenario


@dataclass(frozen=True)
class Inspection:
    """Findings of a preflight check, in the order of the scenario."""

    faults: tuple[Fault, ...]
    """faults that would stop a run"""
    facts: tuple[str, ...]
    """sentences on data, shards and network"""
    notes: tuple[str, ...]
    """notes of the data's reader: files left out or read as something else"""


def inspect(scenario: Scenario) -> Inspection:
    """Load the data, partition them for every seed, count the network on their shape, and read the runs it names.

    Every step that can be taken is, so that all faults are found at once.

    Args:
        scenario: as it loads.
    """
    faults: list[Fault] = []
    facts: list[str] = []
    dataset: Dataset | None = None
    of_curves: list[str] = []
    with _faults_of("dataset", faults):
        dataset = load_dataset(scenario)
    with _faults_of("pruning", faults):
        reused_by(scenario)
    with _faults_of("pruning", faults):
        of_curves = curve_notes(scenario)
    if dataset is None:
        return Inspection(tuple(faults), (), ())
    facts.append(_data_fact(dataset))
    split: dict[int, Shards] = {}
    for seed in scenario.seeds:
        with _faults_of("partition", faults, f"seed {seed}: "):
            split[seed] = shards_of(scenario, dataset, seed)
    facts += [f"seed {seed}: {summarised(dataset, [found.rows]).in_words()}" for seed, found in split.items()]
    with _faults_of("training.augment", faults):
        check_augmentations(scenario, dataset)
    with _faults_of("model", faults):
        workload, _ = counted(scenario.model.plugin, scenario.model.name, dataset.network_form)
        facts.append(f"{scenario.model.name}: {workload.parameters:,} parameters")
        given = initial_weights.load(scenario, dataset)
        facts += [given.in_words] if given else []
    if scenario.transfer is not None:
        with _faults_of("transfer", faults):
            config, _ = configure(initial_weights.without(scenario), dataset)
            transfer_rows(scenario, config, scenario.seeds)
            facts += [f"transfer: {_data_fact(config.transfer.dataset)}"] if config.transfer else []
    of_shards = dict.fromkeys(note for found in split.values() for note in found.notes)
    return Inspection(tuple(faults), tuple(facts), (*map(str, dataset.notes), *of_shards, *of_curves))


@contextmanager
def _faults_of(path: str, faults: list[Fault], seed: str = "") -> Iterator[None]:
    """Collect the faults of a step; `path` is the part of the scenario where they are not said to be elsewhere.

    Args:
        path: YAML path.
        faults: grows; a fault that another seed has already is not repeated.
        seed: words before the message.
    """
    try:
        yield
    except ScenarioError as error:
        known = {(fault.path, fault.message.partition(": ")[2] if seed else fault.message) for fault in faults}
        faults += [
            Fault(fault.path, f"{seed}{fault.message}")
            for fault in error.faults
            if (fault.path, fault.message) not in known
        ]
    except EdgesimError as error:
        faults.append(Fault(path, f"{seed}{error}"))


def _data_fact(dataset: Dataset) -> str:
    """Sizes of the two splits."""
    count, tests = len(dataset.train_labels), len(dataset.test_labels)
    samples = dataset.sample_form.describe(dataset.train_samples.shape[1:])
    of = f"{n_of(dataset.num_classes, 'class', 'classes')}, {samples}"
    if dataset.task == "regression":
        of = f"{n_of(dataset.network_form.num_outputs, 'number')} to predict, {samples}"
    return f"{dataset.name}: {count:,} training and {tests:,} test samples, {of}"
