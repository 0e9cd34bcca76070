"""Fine-tuning of a trained network on the device's samples of another data set (`transfer`)."""

from __future__ import annotations

import math

import numpy as np
import torch

from edgesim import seeds
from edgesim.data.partition import class_shares, class_weighted
from edgesim.errors import TrainingDiverged
from edgesim.models.adoption import adopt
from edgesim.runtime.worker_cache import WorkerCache
from edgesim.scenario.experiment import DeviceSpec
from edgesim.training import evaluation, loop


def fine_tune(cache: WorkerCache, spec: DeviceSpec, trained: torch.nn.Module) -> evaluation.TransferOutcome | None:
    """Train a copy of a network on all samples of the device's other shard, and evaluate it once at the end.

    The order of the samples, the augmentation and a new head's initial weights are the same for every method.

    Args:
        cache: of the worker.
        spec: the device.
        trained: network after its training; left as it is.

    Returns: the outcome; None where the scenario has no `transfer`.

    Raises:
        TrainingDiverged: the loss of a step is not finite.
    """
    transfer = cache.config.transfer
    if transfer is None:
        return None
    model = cache.build_transfer_model(spec.seed)
    adopt(trained, model, transfer.keeps_head)
    task = cache.transfer_shard(spec)
    subset, streams = loop.Subset(np.arange(task.size)), loop.Streams(spec.seed, spec.index, "transfer")
    with seeds.torch_global(spec.seed, "transfer:dropout", spec.index):
        fit_result = loop.fit(model, task, subset, transfer.training, streams, cache.config.augment)
    test = evaluation.evaluate(model, cache.transfer_test, cache.evaluation)
    if not math.isfinite(test.loss):  # the last step's update is seen by no later step
        raise TrainingDiverged(fit_result.work.steps, test.loss, "transfer.learning_rate")
    return evaluation.TransferOutcome(fit_result, test)


def measured(cache: WorkerCache, spec: DeviceSpec, outcome: evaluation.TransferOutcome | None) -> dict[str, float]:
    """Columns of the fine-tuning (`records.TRANSFER_COLUMNS`); none where there was none."""
    transfer = cache.config.transfer
    if outcome is None or transfer is None or spec.transfer_shard is None:
        return {}
    dataset = transfer.dataset
    shares = class_shares(dataset.train_labels, spec.transfer_shard, dataset.num_classes)
    return {
        "transfer_test_accuracy": outcome.test.metrics["accuracy"],
        "transfer_local_accuracy": class_weighted(outcome.test.per_class["accuracy"], shares),
        "transfer_test_loss": outcome.test.loss,
        **cache.transfer_price(spec),
    }
