"""Evaluation on a common set, per class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

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
    per_class_count: IntArray
    """[C]"""


def evaluate(
    model: torch.nn.Module, task: ClassificationTask, num_classes: int, batch_size: int, precision_name: str
) -> Scores:
    """Loss and accuracy, over all and per class, in evaluation mode and without augmentation.

    The network runs in the precision that it was trained in.
    """
    snapshot = observe(model, task, frozenset(), batch_size, precision_name)
    labels = task.labels.cpu().numpy()
    counts = np.bincount(labels, minlength=num_classes)
    hits = np.bincount(labels, weights=snapshot.hit, minlength=num_classes)
    per_class = np.divide(hits, counts, out=np.full(num_classes, np.nan), where=counts > 0)
    return Scores(float(snapshot.loss.mean()), float(snapshot.hit.mean()), per_class, counts.astype(np.int64))
