"""Data set that a reader found and has not decoded yet, with the checks before its images are decoded."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from edgesim.data.held_out_split import HeldOut
from edgesim.data.images import CHANNELS, CHUNK, ByteArray, check_images
from edgesim.data.labels import Classes, Labels, classes_of
from edgesim.data.reading_notes import Note, some
from edgesim.errors import DataError
from edgesim.formatting import n_of
from edgesim.work import IntArray

Images = Callable[[IntArray | None], Iterable[ByteArray]]
"""the images of these rows (sorted; None = all) as uint8 [b, H, W, C], decoded as they are asked for"""


def _nothing() -> list[Note]:
    return []


@dataclass(frozen=True)
class RawSplit:
    """One split before decoding: labels at once, images as they are asked for."""

    labels: npt.NDArray
    """[N], as they stand in the files: whole numbers, true/false or text"""
    images: Images
    where: str
    """the file or folder, for messages"""
    rows: IntArray | None = None
    """positions of the images that are used, sorted; None = all"""

    def chunks(self) -> Iterable[ByteArray]:
        """The images in order, a few MB at a time. A file is read once for each call."""
        return self.images(self.rows)


@dataclass(frozen=True)
class RawDataset:
    """Both splits before decoding."""

    train: RawSplit
    test: RawSplit | None
    """None: `held_out` says which training samples it takes"""
    class_names: tuple[str, ...] | None = None
    """None where the files do not say: the classes are the training split's labels"""
    keep_all: bool = False
    """True keeps named classes without samples: they are the task of a published data set"""
    held_out: HeldOut | None = None
    notes: tuple[Note, ...] = ()
    noticed: Callable[[], list[Note]] = _nothing
    """notes of the decoding; complete once all images were read"""

    def checked(self) -> CheckedDataset:
        """The same with class ids, class names and a test split.

        Raises:
            DataError: an empty split, or labels that are no classes (`labels.classes_of`).
        """
        train, test = self.train, self.test
        given = None if test is None else Labels(test.labels, test.where)
        found = classes_of(Labels(train.labels, train.where), given, self.class_names, self.keep_all)
        notes = [*self.notes, *found.notes]
        if test is None:
            assert self.held_out is not None, "a reader gives a test split, or says how to take one"
            rows = self.held_out.rows(found.train, train.where)
            notes += self.held_out.notes(found.train, rows[1])
            train, test = (replace(train, labels=found.train[chosen], rows=chosen) for chosen in rows)
        else:
            assert found.test is not None, "labels of a test split become ids of it"
            train, test = replace(train, labels=found.train), replace(test, labels=found.test)
        notes += _untested(found, test.labels)
        return CheckedDataset(train, test, found.names, tuple(notes), self.noticed)


@dataclass(frozen=True)
class CheckedDataset:
    """Both splits with int64 class ids, ready to be decoded."""

    train: RawSplit
    test: RawSplit
    class_names: tuple[str, ...]
    notes: tuple[Note, ...]
    noticed: Callable[[], list[Note]]


def _untested(found: Classes, test: IntArray) -> list[Note]:
    """The note on classes that have training samples and no test sample."""
    missing = np.setdiff1d(found.train, test)
    if not len(missing):
        return []
    text = n_of(len(missing), "class has no test sample", "classes have no test sample")
    return [Note("missing", f"{text}: {some(found.names[c] for c in missing)}", len(missing))]


def array_images(images: ByteArray) -> Images:
    """The images of an array [N, H, W, C] in chunks of CHUNK, views where all rows are asked for."""

    def chunks(rows: IntArray | None) -> Iterable[ByteArray]:
        count = len(images) if rows is None else len(rows)
        spans = (slice(start, start + CHUNK) for start in range(0, count, CHUNK))
        return (images[span] if rows is None else images[rows[span]] for span in spans)

    return chunks


def as_images(array: npt.NDArray, where: str, channels: str | None) -> ByteArray:
    """A stored array as uint8 [N, H, W, C]; [N, H, W] becomes one channel.

    Args:
        array: as it stands.
        where: names it in messages.
        channels: "last" or "first" of the axes of an image; None = last, where that is plausible.

    Raises:
        DataError: what is wrong. Without `channels` also where the second axis looks like the channels: it has 1, 3 or
            4 places and the last axis has not. [N, 3, 32, 3] is read as channels last, as documented.
    """
    if array.ndim == 4 and channels == "first":
        array = array.transpose(0, 2, 3, 1)
    elif array.ndim == 4 and channels is None and array.shape[1] in CHANNELS and array.shape[-1] not in CHANNELS:
        shape = ", ".join(map(str, array.shape[1:]))
        raise DataError(
            f"{where}: shape {list(array.shape)}; allowed: [N, H, W] or [N, H, W, C] (channels last); channels first? "
            f"[N, {shape}]; use transpose(0, 2, 3, 1), or say in dataset.channels which axis of an image they are: "
            f"first or last"
        )
    images = array[..., None] if array.ndim == 3 else array
    check_images(images, where)
    return images
