"""Classification: one label a sample, cross-entropy, share of right answers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional

from edgesim.data.dataset import Dataset
from edgesim.tasks import TASKS
from edgesim.training.array_inputs import ArrayInputs
from edgesim.training.task import Positions, Scores
from edgesim.work import FloatArray, IntArray


class ClassificationTask:
    """Samples with one label each."""

    kind = TASKS["classification"]
    channels = kind.channels

    def __init__(self, inputs: ArrayInputs, labels: IntArray, num_classes: int):
        """Take the samples and their labels [n]."""
        self.inputs, self.size, self.num_classes = inputs, len(labels), num_classes
        device = inputs(slice(0, 0)).device
        self.labels = torch.from_numpy(np.array(labels, dtype=np.int64)).to(device)

    @classmethod
    def of(cls, dataset: Dataset, split: str, rows: IntArray | None, inputs: ArrayInputs) -> ClassificationTask:
        """The task of samples `rows` of a split ("train" or "test"), None = all, with their inputs."""
        labels: IntArray = getattr(dataset, f"{split}_labels")
        return cls(inputs, labels if rows is None else labels[rows], dataset.num_classes)

    def losses(self, outputs: torch.Tensor, positions: Positions) -> torch.Tensor:
        """Cross-entropy of each sample, float32 [B]."""
        return functional.cross_entropy(outputs.float(), self.labels[positions], reduction="none")

    def results(self, outputs: torch.Tensor, positions: Positions) -> torch.Tensor:
        """1 where the largest logit is the label's, else 0: float32 [B]."""
        return (outputs.argmax(dim=1) == self.labels[positions]).float()

    def running(self, results: torch.Tensor) -> torch.Tensor:
        """The results are the accuracy of each sample."""
        return results

    def scores(self, losses: FloatArray, results: Sequence[torch.Tensor], own: IntArray | None = None) -> Scores:
        """Loss and accuracy, over all and per class."""
        correct = torch.cat(list(results)).double().cpu().numpy()
        return scores_of(losses, correct, self.labels.cpu().numpy(), self.num_classes, own)


def scores_of(
    losses: FloatArray, correct: FloatArray, labels: IntArray, num_classes: int, own: IntArray | None = None
) -> Scores:
    """Scores from the losses, correct predictions (1 = correct) and labels of n samples, each [n].

    Args:
        losses: of the samples.
        correct: of the samples.
        labels: of the samples.
        num_classes: C.
        own: samples that are those of one device.
    """
    counts = np.bincount(labels, minlength=num_classes)
    right = np.bincount(labels, weights=correct, minlength=num_classes)
    per_class = np.divide(right, counts, out=np.full(num_classes, np.nan), where=counts > 0)
    mine = {} if own is None or not len(own) else {"accuracy": float(correct[own].mean())}
    return Scores(float(losses.mean()), {"accuracy": float(correct.mean())}, {"accuracy": per_class}, mine)
