"""Match of a scenario's methods, model and augmentations with the task of its data, known without reading them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgesim.config import user_code
from edgesim.data.augment import check_fit
from edgesim.errors import EdgesimError, Fault
from edgesim.models.model_forms import check_task
from edgesim.pruning.base import Method, Shard
from edgesim.scenario.pruning_section import Pruning
from edgesim.tasks import CHANNELS, TASKS, NetworkForm


def check(parts: Mapping[str, Any], faults: list[Fault]) -> None:
    """Find methods, a model and augmentations that cannot work with the data.

    Args:
        parts: of the scenario by name; None where one has a fault.
        faults: is added to.
    """
    if not parts["dataset"]:
        return
    task = parts["dataset"].plugin.task
    if parts["pruning"]:
        _check_methods(parts["pruning"], task, faults)
    if parts["model"]:
        try:
            check_task(parts["model"].name, task)
        except EdgesimError as error:
            faults.append(Fault("model", str(error)))
    if parts["transfer"]:
        _check_transfer(parts["transfer"].dataset.plugin.task, task, faults)
    for i, named in enumerate(parts["augment"]):
        if task == "detection" or getattr(named.plugin, "moves_boxes", False):
            try:  # shapes are known once the data are read, whether boxes are to be moved is known now
                check_fit(named.name, named.plugin, NetworkForm((1, 1, 1), 1, task))
            except EdgesimError as error:
                faults.append(Fault(f"training.augment[{i}]", str(error)))


def _check_transfer(other: str, task: str, faults: list[Fault]) -> None:
    """Find data sets between which no network is transferred: only classifications have a head that can be new."""
    for path, found in (("transfer", task), ("transfer.to", other)):
        if found != "classification":
            whose = "the scenario's data set" if path == "transfer" else "this data set"
            message = f"{whose} is a {found}; a network is transferred from one classification to another"
            faults.append(Fault(path, f"{message}; leave out `transfer`, or name data with classes"))


def _check_methods(pruned: Pruning, task: str, faults: list[Fault]) -> None:
    """Find methods that read something of every sample that a task does not show."""
    shown = TASKS[task].channels
    for i, named in enumerate(pruned.methods):
        try:
            with user_code.boundary(f"{named.name} cannot say what it needs", own=user_code.is_own(named.plugin)):
                wanted = _wanted(named.plugin)
        except EdgesimError as error:
            faults.append(Fault(f"pruning.methods[{i}]", str(error)))
            continue
        missing = sorted(wanted - shown)
        if missing:
            listed = " and ".join(CHANNELS.get(one, one) for one in missing)
            message = f"{named.name} reads {listed} of every sample, which a {task} does not have"
            faults.append(Fault(f"pruning.methods[{i}]", f"{message}; use a method that reads losses, like importance"))


def _wanted(method: Method) -> frozenset[str]:
    """What a method reads of every sample."""
    some = Shard(4, np.zeros(4, np.int64), num_classes=2, batch_size=2, epochs=1, warmup_steps=2)
    needs = method.needs(some)
    return needs.record | needs.capture | method.reads
