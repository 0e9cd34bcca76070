"""Inputs and outputs of networks that find objects, and arithmetic of boxes.

A box is (x0, y0, x1, y1) in pixels of the image as the network gets it: from its left and upper edge to its right and
lower edge, so that its width is x1 - x0. A pixel's own edges are whole numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

LARGEST_FACTOR = 1000.0 / 16
"""of an anchor's side, at most: an untrained network's exponential stays finite (as in torchvision's detectors)"""


class DetectionInputs(NamedTuple):
    """A batch of images with the boxes that a network is to find in them."""

    images: Tensor
    """float [B, C, H, W], normalised"""
    boxes: tuple[Tensor, ...]
    """of each image float32 [m, 4], m >= 0"""
    labels: tuple[Tensor, ...]
    """of each image int64 [m], classes 0 to C - 1"""
    find: bool = True
    """False: losses alone are wanted, also in evaluation mode"""


class Detections(NamedTuple):
    """Boxes that a network found in one image, by falling score."""

    boxes: Tensor
    """float32 [d, 4]"""
    scores: Tensor
    """float32 [d], in [0, 1]"""
    labels: Tensor
    """int64 [d]"""


class DetectionOutputs(NamedTuple):
    """Losses of a batch, and in evaluation mode the boxes found."""

    losses: Tensor
    """float32 [B], one per image"""
    detections: tuple[Detections, ...] | None = None
    """of each image; None in training mode, or where losses alone are wanted"""

    def detach(self) -> DetectionOutputs:
        """The same without a graph."""
        return DetectionOutputs(self.losses.detach(), self.detections)


def box_sides(boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Centres [..., 2] and sides [..., 2] of boxes [..., 4]."""
    return 0.5 * (boxes[..., :2] + boxes[..., 2:]), boxes[..., 2:] - boxes[..., :2]


def overlap(first: Tensor, second: Tensor) -> Tensor:
    """Intersection over union of boxes [..., 4], shape by shape; 0 where both are empty."""
    corner = torch.maximum(first[..., :2], second[..., :2])
    sides = (torch.minimum(first[..., 2:], second[..., 2:]) - corner).clamp(min=0)
    common = sides[..., 0] * sides[..., 1]
    areas = [(one[..., 2:] - one[..., :2]).clamp(min=0).prod(dim=-1) for one in (first, second)]
    return common / (areas[0] + areas[1] - common).clamp(min=1e-9)


def padded(images: Tensor, multiple: int) -> Tensor:
    """Images [B, C, H, W] with zeros to the right and below, so that both sides are multiples of `multiple`."""
    height, width = images.shape[2:]
    below, right = -height % multiple, -width % multiple
    return functional.pad(images, (0, right, 0, below)) if below or right else images


def best_of_each_class(found: Detections, most_overlap: float, most: int) -> Detections:
    """Non-maximum suppression within each class.

    Args:
        found: boxes of one image in any order.
        most_overlap: of two boxes of a class that overlap by more, the one with the lower score goes.
        most: boxes to keep.
    """
    from torchvision.ops import batched_nms  # takes seconds, which classifications should not pay

    kept = batched_nms(found.boxes, found.scores, found.labels, most_overlap)[:most]
    return Detections(found.boxes[kept], found.scores[kept], found.labels[kept])


def image_sums(values: Tensor, owners: Tensor, count: int) -> Tensor:
    """Sums [count] of values [M] over the images that own them (int64 [M]), in a fixed order of addition."""
    mine = owners[None, :] == torch.arange(count, device=owners.device)[:, None]
    return (values[None, :] * mine).sum(dim=1)


def owners_of(boxes: Sequence[Tensor], device: torch.device) -> Tensor:
    """Number of the image that each box belongs to, int64 [M] over all images' boxes in order."""
    counts = torch.tensor([len(one) for one in boxes], device=device)
    return torch.repeat_interleave(torch.arange(len(boxes), device=device), counts)


def convolution(before: int, after: int, kernel: int) -> nn.Sequential:
    """Convolution of stride 1 that keeps the size, batch norm, leaky ReLU (Redmon and Farhadi 2018, section 2.4)."""
    return nn.Sequential(
        nn.Conv2d(before, after, kernel, padding=kernel // 2, bias=False), nn.BatchNorm2d(after), nn.LeakyReLU(0.1)
    )
