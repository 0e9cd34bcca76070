"""Boxes of the images of a data set: the targets of a detection."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgesim.errors import DataError
from edgesim.work import IntArray

NO_OBJECT = "no object"
"""name of the class of images without boxes, by which they are partitioned"""


def check_packages() -> None:
    """DataError where the packages that compute mean average precision are not installed."""
    missing = [package for package in ("torchmetrics", "pycocotools") if not importlib.util.find_spec(package)]
    if missing:
        needed = f"a detection's mean average precision needs {' and '.join(missing)}"
        raise DataError(f"{needed}: pip install 'edgesim[detection]'")


@dataclass(frozen=True, eq=False)
class Boxes:
    """Boxes of N images, image after image.

    A box is (x0, y0, x1, y1) in pixels, from its left and upper to its right and lower edge: its width is x1 - x0, and
    0 is the image's own left or upper edge.
    """

    offsets: IntArray
    """int64 [N + 1]: the boxes of image i are offsets[i] to offsets[i + 1] - 1"""
    boxes: npt.NDArray[np.float32]
    """float32 [M, 4]"""
    labels: IntArray
    """int64 [M], classes of boxes, 0 or more"""
    difficult: npt.NDArray[np.bool_]
    """bool [M]: True for boxes that are neither learnt nor counted in mAP"""

    def __post_init__(self) -> None:
        for name, kind in (("offsets", np.int64), ("boxes", np.float32), ("labels", np.int64), ("difficult", np.bool_)):
            array = np.asarray(getattr(self, name), dtype=kind).view()
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        count = len(self.boxes)
        if self.offsets.ndim != 1 or len(self.offsets) < 1 or self.offsets[0] != 0 or self.offsets[-1] != count:
            raise DataError(f"boxes: offsets must go from 0 to the number of boxes, {count}")
        if (np.diff(self.offsets) < 0).any():
            raise DataError("boxes: offsets must not fall")
        if self.boxes.shape != (count, 4) or self.labels.shape != (count,) or self.difficult.shape != (count,):
            shapes = ", ".join(f"{n} {list(getattr(self, n).shape)}" for n in ("boxes", "labels", "difficult"))
            raise DataError(f"boxes: shapes {shapes}; allowed: [M, 4], [M], [M]")
        bad = ~(np.isfinite(self.boxes).all(axis=1) & (self.boxes[:, :2] < self.boxes[:, 2:]).all(axis=1))
        if bad.any() or (count and self.labels.min() < 0):
            where = int(bad.argmax()) if bad.any() else int(self.labels.argmin())
            raise DataError(
                f"boxes: box {where} is {self.boxes[where].tolist()} of class {self.labels[where]}; allowed: "
                "x0 < x1, y0 < y1, class 0 or more"
            )

    @classmethod
    def of_images(cls, images: Sequence[tuple[npt.ArrayLike, npt.ArrayLike, npt.ArrayLike]]) -> Boxes:
        """The boxes of images, each given as (boxes [m, 4], labels [m], difficult [m])."""
        rows = [
            (np.asarray(box, np.float32).reshape(-1, 4), np.asarray(label, np.int64), np.asarray(hard, np.bool_))
            for box, label, hard in images
        ]
        counts = [len(label) for _, label, _ in rows]
        empty = np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros(0, np.bool_)
        boxes, labels, difficult = (np.concatenate(part) for part in zip(empty, *rows, strict=True))
        return cls(np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]), boxes, labels, difficult)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, rows: IntArray | slice) -> Boxes:
        """The boxes of some images, in the order asked for."""
        chosen = np.arange(len(self))[rows]
        counts = np.diff(self.offsets)[chosen]
        ends = np.cumsum(counts)
        places = np.arange(int(counts.sum())) + np.repeat(self.offsets[chosen] - (ends - counts), counts)
        offsets = np.concatenate([[0], ends])
        return Boxes(offsets, self.boxes[places], self.labels[places], self.difficult[places])

    def check(self, num_classes: int, sides: tuple[int, int], where: str) -> None:
        """Check classes and places of the boxes.

        Args:
            num_classes: classes of boxes.
            sides: (H, W) of the images.
            where: names the boxes in messages.

        Raises:
            DataError: a class that has no name, or a box that is not within its image.
        """
        height, width = sides
        outside = (self.boxes < 0).any(axis=1) | (self.boxes > (width, height, width, height)).any(axis=1)
        bad = np.flatnonzero(outside | (self.labels >= num_classes))
        if len(bad):
            raise DataError(
                f"{where}: box {bad[0]} is {self.boxes[bad[0]].tolist()} of class {self.labels[bad[0]]}; allowed: "
                f"within 0, 0, {width}, {height}, classes 0 to {num_classes - 1}"
            )

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays that `Boxes(**arrays)` takes, to be stored."""
        return {name: getattr(self, name) for name in ("offsets", "boxes", "labels", "difficult")}

    @property
    def counts(self) -> IntArray:
        """Boxes of each image, int64 [N]."""
        return np.diff(self.offsets)

    def image_classes(self, num_classes: int) -> IntArray:
        """Class of each image, by which images are dealt to devices: that of most of its boxes, difficult ones too.

        Args:
            num_classes: classes of boxes.

        Returns: int64 [N]. Of classes with equally many boxes the first; `num_classes` for an image without boxes.
        """
        owners = np.repeat(np.arange(len(self)), self.counts)
        table = np.zeros((len(self), num_classes), np.int64)
        np.add.at(table, (owners, self.labels), 1)
        return np.where(self.counts > 0, table.argmax(axis=1), num_classes).astype(np.int64)
