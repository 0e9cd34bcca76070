"""The samples of each class that a score puts first and last, with small pictures of them. Arrays in, arrays out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edgesim.work import ByteArray, FloatArray, IntArray

PER_END = 4
"""samples per class and end"""
MAX_CLASSES = 20
"""classes of one device, its most frequent ones: enough to look at, and a bound on what a run folder takes"""
MAX_SIDE = 32
"""pixels of the longer side of a picture"""
MIN_SIDE = 4
"""pixels of the shorter side from which on a sample is a picture: tables of numbers come as images of one row"""


@dataclass(frozen=True, eq=False)
class RankedSamples:
    """Samples that one method puts first and last on one device; one entry per sample, by class, end and rank."""

    labels: IntArray
    """[k] class, as the data set numbers it"""
    most: npt.NDArray[np.bool_]
    """[k] True where the sample is one of the most important of its class, else one of the least"""
    ranks: IntArray
    """[k] place from that end, from 1 on"""
    tied: IntArray
    """[k] samples of the class that have this very score, itself among them"""
    indices: IntArray
    """[k] into the training set"""
    scores: FloatArray
    """[k] larger = kept first"""
    images: ByteArray
    """uint8 [k, height, width, channels], channels 1 or 3; height 0 where the samples are no pictures"""


class RankedPositions(NamedTuple):
    """Positions of the samples at both ends of every class; one entry per sample in each array [k]."""

    positions: IntArray
    labels: IntArray
    most: npt.NDArray[np.bool_]
    ranks: IntArray
    tied: IntArray


def ends_of_classes(
    scores: FloatArray, labels: IntArray, per_end: int = PER_END, max_classes: int | None = None
) -> RankedPositions:
    """The samples of each class with the largest and the smallest scores.

    Equal scores stand as a selection takes them: the lower position is kept first, the higher one goes first. A class
    of fewer than two `per_end` samples has all of them once, in the nearer end.

    Args:
        scores: [n], larger = keep first; NaN is left out.
        labels: [n].
        per_end: samples per class and end.
        max_classes: only so many classes, those with the most samples (ties: the lower label); None = all.

    Returns: classes ascending, the most important samples of a class before the least important, by rank.
    """
    classes, counts = np.unique(labels, return_counts=True)
    if max_classes is not None:
        classes = np.sort(classes[np.argsort(-counts, kind="stable")[:max_classes]])
    rows = []
    for label in classes:
        members = np.flatnonzero((labels == label) & ~np.isnan(scores))
        ranked = members[np.argsort(-scores[members], kind="stable")]
        first = min(per_end, (len(ranked) + 1) // 2)
        last = min(per_end, len(ranked) - first)
        for most, chosen in ((True, ranked[:first]), (False, ranked[::-1][:last])):
            for rank, position in enumerate(chosen, start=1):
                tied = int((scores[members] == scores[position]).sum())
                rows.append((int(position), int(label), most, rank, tied))
    found = np.array(rows, dtype=np.int64).reshape(-1, 5).T
    return RankedPositions(found[0], found[1], found[2] == 1, found[3], found[4])


def pictures(images: ByteArray, max_side: int = MAX_SIDE) -> ByteArray:
    """Images made small enough to look at in great numbers.

    Larger ones shrink by the mean over their pixels, smaller ones stay as they are. One and three channels are kept;
    of any other number the mean stands, in grey: which of them would be red is not known.

    Args:
        images: uint8 [k, H, W, C].
        max_side: pixels of the longer side.

    Returns: uint8 [k, h, w, 1 or 3]; [k, 0, 0, 1] where the shorter side has fewer than MIN_SIDE pixels.
    """
    count, height, width, channels = images.shape
    if min(height, width) < MIN_SIDE:
        return np.zeros((count, 0, 0, 1), dtype=np.uint8)
    if channels not in (1, 3):
        images = np.rint(images.mean(axis=3, keepdims=True)).astype(np.uint8)
    longer = max(height, width)
    if longer <= max_side:
        return np.ascontiguousarray(images)
    size = (max(1, round(width * max_side / longer)), max(1, round(height * max_side / longer)))
    small = [_shrunk(image, size) for image in images]
    return np.stack(small) if small else np.zeros((0, size[1], size[0], images.shape[3]), dtype=np.uint8)


def _shrunk(image: ByteArray, size: tuple[int, int]) -> npt.NDArray[Any]:
    """One image [H, W, C] in another size (width, height), each pixel the mean of those that it covers."""
    from PIL import Image

    plain = image[..., 0] if image.shape[-1] == 1 else image
    return np.asarray(Image.fromarray(plain).resize(size, Image.Resampling.BOX)).reshape(size[1], size[0], -1)
