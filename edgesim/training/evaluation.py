"""Evaluation of trained networks: on a common set, per class, and on a device's own samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from edgesim.training.loop import FitResult
from edgesim.training.task import Scores, Task, observe
from edgesim.work import IntArray


@dataclass(frozen=True)
class TransferOutcome:
    """Result of the fine-tuning on another data set, with its evaluation there."""

    fit_result: FitResult
    test: Scores
    """the common test set of that data set, at the end"""


@dataclass(frozen=True)
class TrainingOutcome:
    """Result of one training, with its evaluations."""

    fit_result: FitResult
    tests: dict[int, Scores]
    """1-based epoch -> the common test set after it; the last epoch is always there"""
    shard: Scores
    """the whole shard at the end"""
    host_wall_s: float
    """wall time on this machine, evaluation included; of a stack, an equal share"""
    stack_size: int = 0
    """trainings that shared its steps, itself included; 0 = not trained in a stack"""
    transfer: TransferOutcome | None = None
    weights: Mapping[str, npt.NDArray[Any]] | None = None
    """trained weights and buffers by name, where they are kept (`EvaluationConfig.keep_weights`)"""


@dataclass(frozen=True)
class EvaluationConfig:
    """Settings of the evaluation, with the epochs after which the common test set is passed."""

    batch_size: int
    precision: str
    every: int = 0
    """epochs; 0 = only after the last"""
    keep_weights: bool = False
    """copy the trained weights into the outcome"""

    def is_due(self, epoch: int, epochs: int) -> bool:
        """True where the test set is evaluated after a 1-based epoch of `epochs`."""
        return epoch == epochs or (self.every > 0 and epoch % self.every == 0)


def copied_weights(tensors: Mapping[str, torch.Tensor]) -> dict[str, npt.NDArray[Any]]:
    """Weights and buffers as arrays of their own, each in C order."""
    return {name: np.array(value.detach().cpu().numpy(), order="C") for name, value in tensors.items()}


def evaluate(model: torch.nn.Module, task: Task, config: EvaluationConfig, own: IntArray | None = None) -> Scores:
    """Loss and metrics, over all and per class, in evaluation mode and without augmentation.

    The network runs in the precision that it was trained in.

    Args:
        model: a trained network.
        task: the samples.
        config: settings.
        own: samples that are a device's own, too.
    """
    snapshot = observe(model, task, frozenset(), config.batch_size, config.precision)
    return task.scores(snapshot.loss, snapshot.results, own)
