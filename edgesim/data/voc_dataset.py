"""The data set `voc` of a scenario: its arguments, in a module that imports no reader."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import model_validator

from edgesim.config.checked_dataclass import checked_dataclass
from edgesim.data.boxes import NO_OBJECT
from edgesim.data.dataset import Dataset
from edgesim.data.dataset_arguments import OwnData
from edgesim.data.own_files import Side


@checked_dataclass(kw_only=True)
class Voc(OwnData):
    """Your own images with boxes to find, in the layout of Pascal VOC (JPEGImages/, Annotations/, ImageSets/Main/)."""

    task: Literal["detection"] = "detection"
    """boxes are to be found"""
    root: str
    """folder with these three, or with one such folder VOC20xx, itself or in VOCdevkit"""
    train: str | None = None
    """list of ImageSets/Main that is the training split, without .txt; left out: trainval, or train where val tests"""
    test: str | None = None
    """list that is the test split; left out: test, or val"""
    classes: tuple[str, ...] | None = None
    """classes to find, in this order; left out: all of the training split, in alphabetical order"""
    unknown: Literal["error", "ignore"] = "error"
    """objects of other classes: an error, or left out"""
    outside: Literal["error", "clip"] = "error"
    """boxes that reach over an edge of their image by more than a pixel: an error, or clipped"""
    size: tuple[Side, Side] | None = None
    """[height, width] in pixels that all images and their boxes are resized to; left out: images have one size"""

    @model_validator(mode="after")
    def _boxed(self) -> Voc:
        if self.label_noise:
            raise ValueError("`label_noise` makes wrong labels of images; boxes have none: leave it out")
        repeated = sorted({one for one in self.classes or () if (self.classes or ()).count(one) > 1})
        if repeated or self.classes == () or NO_OBJECT in (self.classes or ()):
            raise ValueError(f"`classes` needs different names, at least one, and not '{NO_OBJECT}'")
        return self

    def load(self, base: Path | None) -> Dataset:
        """As `DatasetSource.load`."""
        from edgesim.data import voc
        from edgesim.data.voc_folders import VocLayout

        assert base is not None, "`root` has no default"
        parts = self.train, self.test, self.classes, self.unknown, self.outside, self.size, self._held_out
        return self._read(voc.voc(base, "voc", VocLayout(*parts)))
