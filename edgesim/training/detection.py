"""Detection: boxes to find in images, the network's own loss, mean average precision.

Precision is averaged as COCO does (Lin et al. 2014, arXiv:1405.0312): over 101 recalls, at most 100 boxes an image, by
torchmetrics and pycocotools. `map50` counts a box as found where it overlaps by 0.5, as VOC does; `map` is the mean
over 0.5, 0.55 … 0.95. Difficult boxes are no targets. A detection on one is neither right nor wrong, as in VOC.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from edgesim.data.boxes import Boxes
from edgesim.data.dataset import Dataset
from edgesim.models.detection import DetectionInputs, DetectionOutputs, Detections
from edgesim.tasks import TASKS
from edgesim.training.array_inputs import ArrayInputs
from edgesim.training.task import Positions, Scores
from edgesim.work import FloatArray, IntArray

IGNORED_AREA = 1e11
"""square pixels; pycocotools ignores boxes larger than 1e10"""


class DetectionTask:
    """Images with boxes. Their loss is the network's own, one number per image."""

    kind = TASKS["detection"]
    channels = kind.channels

    def __init__(self, images: ArrayInputs, boxes: Boxes, num_classes: int):
        """Take n images and their boxes.

        Args:
            images: n of them.
            boxes: of the images, in pixels.
            num_classes: classes of images, by which they are dealt to devices; those of boxes come first.
        """
        self.size = len(boxes)
        self._images, self._boxes, self._num_classes = images, boxes, num_classes
        device = images(slice(0, 0)).device
        self._wanted = []
        for start, end in zip(boxes.offsets[:-1], boxes.offsets[1:], strict=True):
            learnt = np.arange(start, end)[~boxes.difficult[start:end]]
            one = torch.tensor(boxes.boxes[learnt], device=device), torch.tensor(boxes.labels[learnt], device=device)
            self._wanted.append(one)

    @classmethod
    def of(cls, dataset: Dataset, split: str, rows: IntArray | None, inputs: ArrayInputs) -> DetectionTask:
        """The task of images `rows` of a split ("train" or "test"), None = all, with their inputs."""
        boxes = getattr(dataset, f"{split}_targets")
        return cls(inputs, boxes if rows is None else boxes[rows], dataset.num_classes)

    def inputs(self, positions: Positions) -> DetectionInputs:
        """Images, normalised, and the boxes that are not difficult."""
        if isinstance(positions, slice):
            chosen = self._wanted[positions]
        else:
            chosen = [self._wanted[position] for position in positions.tolist()]
        return DetectionInputs(
            self._images(positions), tuple(boxes for boxes, _ in chosen), tuple(labels for _, labels in chosen)
        )

    def losses(self, outputs: DetectionOutputs, positions: Positions) -> torch.Tensor:
        """The network's loss of each image, float32 [B]."""
        return outputs.losses.float()

    def results(self, outputs: DetectionOutputs, positions: Positions) -> list[Detections]:
        """The boxes found in each image; none while the network trains."""
        return [] if outputs.detections is None else list(outputs.detections)

    def running(self, results: Sequence[Detections]) -> torch.Tensor:
        """NaN: a single image has no average precision."""
        return torch.full((1,), torch.nan)

    def scores(self, losses: FloatArray, results: Sequence[list[Detections]], own: IntArray | None = None) -> Scores:
        """Mean average precision at 0.5 and at 0.5 to 0.95, over all classes and of each."""
        found = [one for batch in results for one in batch]
        per_class = average_precision(found, self._boxes, self._num_classes)
        mine: dict[str, float] = {}
        if own is not None and len(own):
            mine = _means(average_precision([found[i] for i in own], self._boxes[own], self._num_classes))
        return Scores(float(losses.mean()), _means(per_class), per_class, mine)


def average_precision(found: Sequence[Detections], wanted: Boxes, num_classes: int) -> dict[str, FloatArray]:
    """Average precision of each class, by `Metric.key`.

    Args:
        found: boxes found in n images.
        wanted: the boxes of these images.
        num_classes: C.

    Returns: "map50" and "map", each float64 [C]; NaN for a class that no image has, or has as difficult boxes alone.
    """
    from torchmetrics.detection import MeanAveragePrecision  # takes seconds, which other tasks should not pay

    counted = MeanAveragePrecision(backend="pycocotools", extended_summary=True)
    counted.warn_on_many_detections = False
    for i, one in enumerate(found):
        boxes, scores, labels = (part.detach().float().cpu() for part in one)
        counted.update([{"boxes": boxes, "scores": scores, "labels": labels.long()}], [_target(wanted, i, labels)])
    given = {key: np.full(num_classes, np.nan) for key in ("map50", "map")}
    computed = counted.compute()
    if "precision" not in computed:  # nothing to find, and nothing found
        return given
    precision = computed["precision"][:, :, :, 0, -1].numpy()  # [overlaps, recalls, classes], -1 where none is wanted
    for place, label in enumerate(np.atleast_1d(computed["classes"].numpy())):
        if (precision[:, :, place] >= 0).all():
            given["map50"][label] = precision[0, :, place].mean()
            given["map"][label] = precision[:, :, place].mean()
    return given


def _target(wanted: Boxes, i: int, found: torch.Tensor) -> dict[str, torch.Tensor]:
    """The boxes of image i as torchmetrics takes them, given the classes of those found.

    A box to ignore absorbs one detection, so there are as many copies of it as detections that may lie on it.
    """
    rows = np.arange(wanted.offsets[i], wanted.offsets[i + 1])
    many = [max(1, int((found == wanted.labels[row]).sum())) if wanted.difficult[row] else 1 for row in rows]
    rows = np.repeat(rows, many)
    area = torch.zeros(len(rows), dtype=torch.float64)  # 0: that of the box
    area[torch.from_numpy(wanted.difficult[rows])] = IGNORED_AREA
    return {
        "boxes": torch.from_numpy(wanted.boxes[rows]).reshape(-1, 4),
        "labels": torch.from_numpy(wanted.labels[rows]),
        "area": area,
    }


def _means(per_class: dict[str, FloatArray]) -> dict[str, float]:
    """Means over the classes that have a value; NaN where none has."""
    return {
        key: float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")
        for key, values in per_class.items()
    }
