"""The task of finding boxes: batches, mean average precision by hand, difficult boxes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from edgesim.data.boxes import Boxes
from edgesim.models.detection import DetectionOutputs, Detections
from edgesim.training.array_inputs import ArrayInputs
from edgesim.training.detection import DetectionTask, average_precision

A, B, FAR = [10.0, 10, 20, 20], [40.0, 40, 60, 60], [100.0, 100, 110, 110]


def found(*boxes: tuple[list[float], float, int]) -> Detections:
    """(box, score, label) each."""
    parts = list(zip(*boxes, strict=True)) or [(), (), ()]
    return Detections(torch.tensor(parts[0]).reshape(-1, 4), torch.tensor(parts[1]), torch.tensor(parts[2]).long())


def wanted(*images: list[tuple[list[float], int, bool]]) -> Boxes:
    return Boxes.of_images([tuple(zip(*one, strict=True)) if one else ((), (), ()) for one in images])


@pytest.mark.parametrize(
    ("boxes", "detections", "expected"),
    [
        ([(A, 0, False)], [(A, 0.9, 0)], 1.0),
        # The best detection is wrong: a precision of 1/2 at every recall.
        ([(A, 0, False)], [(FAR, 0.9, 0), (A, 0.8, 0)], 0.5),
        # One of two found: 51 of the 101 recalls, 0 to 0.50, are reached.
        ([(A, 0, False), (B, 0, False)], [(A, 0.9, 0)], 51 / 101),
        # Of two on the same box the second is wrong, and comes too late to matter.
        ([(A, 0, False)], [(A, 0.9, 0), (A, 0.8, 0)], 1.0),
        # The right place, another class.
        ([(A, 0, False)], [(A, 0.9, 1)], 0.0),
        # Detections on a difficult box, however many, are neither right nor wrong; nor is it missed.
        ([(A, 0, False), (B, 0, True)], [(B, 0.99, 0), (B, 0.95, 0), (B, 0.93, 0), (A, 0.9, 0)], 1.0),
        ([(A, 0, False), (B, 0, True)], [(A, 0.9, 0)], 1.0),
        # A small box inside a difficult one does not overlap with it by 0.5, and is wrong.
        ([(A, 0, False), (B, 0, True)], [([45, 45, 50, 50], 0.99, 0), (A, 0.9, 0)], 0.5),
        ([(B, 0, True)], [(B, 0.9, 0)], math.nan),
        ([], [(A, 0.9, 0)], math.nan),
        ([], [], math.nan),
    ],
)
def test_average_precision_by_hand(boxes, detections, expected):
    values = average_precision([found(*detections)], wanted(boxes), 3)
    assert values["map50"][0] == pytest.approx(expected, nan_ok=True)
    assert np.isnan(values["map50"][1:]).all()
    assert values["map"][0] == pytest.approx(expected, nan_ok=True)  # all fit exactly, or not at all


def test_the_strict_metric_is_the_mean_over_ten_overlaps():
    """10 x 10 pixels moved by 1 overlap by 90 / 110 = 0.82: enough at 0.5 to 0.8, seven of ten."""
    values = average_precision([found(([11.0, 10, 21, 20], 0.9, 0))], wanted([(A, 0, False)]), 1)
    assert values["map50"][0] == pytest.approx(1.0)
    assert values["map"][0] == pytest.approx(0.7)


def task(boxes: Boxes, num_classes: int = 2) -> DetectionTask:
    pixels = np.arange(len(boxes) * 4 * 4 * 3, dtype=np.uint8).reshape(len(boxes), 4, 4, 3)
    return DetectionTask(ArrayInputs(pixels, (np.zeros(3), np.ones(3)), "cpu"), boxes, num_classes)


def test_batches_hold_the_boxes_of_their_images_without_the_difficult_ones():
    shard = task(wanted([(A, 0, False), (B, 1, True)], [], [(B, 1, False)]))
    chosen = shard.inputs(torch.tensor([2, 0]))
    assert chosen.images.shape == (2, 3, 4, 4)
    assert chosen.images[0, 0, 0, 0] == pytest.approx(2 * 48 / 255)
    assert [one.tolist() for one in chosen.boxes] == [[B], [A]]
    assert [one.tolist() for one in chosen.labels] == [[1], [0]]
    assert [len(one) for one in shard.inputs(slice(0, 2)).boxes] == [1, 0]
    assert shard.inputs(slice(1, 2)).boxes[0].shape == (0, 4)


def test_scores_over_classes_batches_and_the_own_images():
    shard = task(wanted([(A, 0, False)], [], [(B, 1, False)]), num_classes=3)
    outputs = [
        DetectionOutputs(torch.tensor([1.0, 2.0]), (found((A, 0.9, 0)), found())),
        DetectionOutputs(torch.tensor([6.0]), (found((FAR, 0.9, 1), (B, 0.8, 1)),)),
    ]
    results = [shard.results(one, slice(0, 0)) for one in outputs]
    losses = torch.cat([shard.losses(one, slice(0, 0)) for one in outputs]).numpy()
    scores = shard.scores(losses, results, np.array([2]))
    assert scores.loss == pytest.approx(3)
    assert scores.metrics == pytest.approx({"map50": 0.75, "map": 0.75})
    assert scores.per_class["map50"].tolist() == pytest.approx([1, 0.5, math.nan], nan_ok=True)
    assert scores.own == pytest.approx({"map50": 0.5, "map": 0.5})
    training = DetectionOutputs(torch.tensor([1.0]))
    assert shard.results(training, slice(0, 1)) == []
    assert math.isnan(float(shard.running([])[0]))
