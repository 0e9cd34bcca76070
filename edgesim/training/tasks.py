"""The tasks by name, and the task of a shard or of the common test set."""

from __future__ import annotations

from typing import Any

from edgesim.data.dataset import Dataset
from edgesim.training.array_inputs import ArrayInputs
from edgesim.training.classification import ClassificationTask
from edgesim.training.detection import DetectionTask
from edgesim.training.regression import RegressionTask
from edgesim.training.task import Task
from edgesim.work import IntArray

CLASSES: dict[str, Any] = {
    "classification": ClassificationTask,
    "regression": RegressionTask,
    "detection": DetectionTask,
}


def of_shard(dataset: Dataset, shard: IntArray, device: str) -> Task:
    """The task of a device that holds the training samples `shard`."""
    return _of(dataset, "train", shard, device)


def of_test(dataset: Dataset, device: str) -> Task:
    """The common test set, normalised by the training split."""
    return _of(dataset, "test", None, device)


def _of(dataset: Dataset, split: str, rows: IntArray | None, device: str) -> Task:
    samples = getattr(dataset, f"{split}_samples")
    chosen = samples if rows is None else samples[rows]
    inputs = ArrayInputs(chosen, dataset.normalisation(), device, dataset.sample_form)
    task: Task = CLASSES[dataset.task].of(dataset, split, rows, inputs)
    return task
