"""Evaluation of trained networks: on a common set, per class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from edgesim.training.loop import FitResult
from edgesim.training.task import ClassificationTask, observe
from edgesim.work import FloatArray, IntArray


@dataclass(frozen=True)
class Scores:
    """Outcome of an evaluation of n samples."""

    loss: float
    """mean loss"""
    accuracy: float
    """share of right answers, in [0, 1]"""
    per_class_accuracy: FloatArray
    """[C]; NaN for a class without samples"""


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


@dataclass(frozen=True)
class EvaluationConfig:
    """Settings of the evaluation, with the epochs after which the common test set is config."""

    num_classes: int
    batch_size: int
    precision: str
    every: int = 0
    """epochs; 0 = only after the last"""

    def is_due(self, epoch: int, epochs: int) -> bool:
        """True where the test set is evaluated after a 1-based epoch of `epochs`."""
        return epoch == epochs or (self.every > 0 and epoch % self.every == 0)

    def scores(self, loss: FloatArray, correct: FloatArray, labels: IntArray) -> Scores:
        """Scores from the losses, correct predictions (1 = correct) and labels of n samples, each [n]."""
        counts = np.bincount(labels, minlength=self.num_classes)
        right = np.bincount(labels, weights=correct, minlength=self.num_classes)
        per_class = np.divide(right, counts, out=np.full(self.num_classes, np.nan), where=counts > 0)
        return Scores(float(loss.mean()), float(correct.mean()), per_class)


def evaluate(model: torch.nn.Module, task: ClassificationTask, config: EvaluationConfig) -> Scores:
    """Loss and accuracy, over all and per class, in evaluation mode and without augmentation.

    The network runs in the precision that it was trained in.
    """
    snapshot = observe(model, task, frozenset(), config.batch_size, config.precision)
    return config.scores(snapshot.loss, snapshot.correct, task.labels.cpu().numpy())
