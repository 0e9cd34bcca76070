"""Regression: numbers to predict, squared error, its mean and that of the absolute error, and R2."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from edgesim.data.dataset import Dataset
from edgesim.tasks import TASKS
from edgesim.training.array_inputs import ArrayInputs
from edgesim.training.task import Positions, Scores
from edgesim.work import FloatArray, IntArray


class RegressionTask:
    """Samples with K numbers each.

    The network gives them in units of the training split's deviation, from its mean on, so that one learning rate does
    for all units. The loss is the mean squared error in these units. The metrics are in the units of the targets.
    """

    kind = TASKS["regression"]
    channels = kind.channels

    def __init__(
        self,
        inputs: ArrayInputs,
        targets: FloatArray,
        levels: tuple[FloatArray, FloatArray],
        labels: IntArray,
        num_classes: int,
    ):
        """Take the samples.

        Args:
            inputs: n of them.
            targets: [n, K].
            levels: mean and deviation of the training split's targets, [K] each.
            labels: [n] ranges of the targets, as classes.
            num_classes: number of ranges.
        """
        self.inputs, self.size, self._labels = inputs, len(targets), np.asarray(labels)
        device = inputs(slice(0, 0)).device
        self._truth = np.asarray(targets, np.float64)
        mean, deviation = (np.asarray(level, np.float64) for level in levels)
        self._targets = torch.as_tensor(((self._truth - mean) / deviation).astype(np.float32), device=device)
        self._unit = torch.as_tensor(deviation.astype(np.float32), device=device)
        self._num_classes = num_classes

    @classmethod
    def of(cls, dataset: Dataset, split: str, rows: IntArray | None, inputs: ArrayInputs) -> RegressionTask:
        """The task of samples `rows` of a split ("train" or "test"), None = all, with their inputs."""
        chosen = slice(None) if rows is None else rows
        train = np.asarray(dataset.train_targets, np.float64)
        deviation = train.std(axis=0)
        levels = train.mean(axis=0), np.where(deviation > 1e-6 * np.abs(train.mean(axis=0)), deviation, 1.0)
        targets, labels = (getattr(dataset, f"{split}_{part}")[chosen] for part in ("targets", "labels"))
        return cls(inputs, targets, levels, labels, dataset.num_classes)

    def losses(self, outputs: torch.Tensor, positions: Positions) -> torch.Tensor:
        """Squared error of each sample, the mean over its K numbers, float32 [B]."""
        return (outputs.float() - self._targets[positions]).square().mean(dim=1)

    def results(self, outputs: torch.Tensor, positions: Positions) -> torch.Tensor:
        """Errors in the units of the targets, float32 [B, K]."""
        return (outputs.float() - self._targets[positions]) * self._unit

    def running(self, results: torch.Tensor) -> torch.Tensor:
        """Absolute error of each sample, the mean over its K numbers."""
        return results.abs().mean(dim=1)

    def scores(self, losses: FloatArray, results: Sequence[torch.Tensor], own: IntArray | None = None) -> Scores:
        """Mean absolute and squared error and R2; the errors also per range of the target."""
        errors = torch.cat(list(results)).double().cpu().numpy()
        each = {"mae": np.abs(errors).mean(axis=1), "mse": np.square(errors).mean(axis=1)}
        counts = np.bincount(self._labels, minlength=self._num_classes)
        per_class = {
            key: np.divide(
                np.bincount(self._labels, weights=values, minlength=self._num_classes),
                counts,
                out=np.full(self._num_classes, np.nan),
                where=counts > 0,
            )
            for key, values in each.items()
        }
        mine = {} if own is None or not len(own) else self._metrics(errors[own], self._truth[own])
        return Scores(float(losses.mean()), self._metrics(errors, self._truth), per_class, mine)

    @staticmethod
    def _metrics(errors: FloatArray, truth: FloatArray) -> dict[str, float]:
        """Metrics from errors and targets [n, K]; R2 is the mean over K, NaN where a target never changes."""
        spread = np.square(truth - truth.mean(axis=0)).sum(axis=0)
        squares = np.square(errors).sum(axis=0)
        explained = 1.0 - np.divide(squares, spread, out=np.full_like(spread, np.nan), where=spread > 0)
        return {
            "mae": float(np.abs(errors).mean()),
            "mse": float(np.square(errors).mean()),
            "r2": float(explained.mean()),
        }
