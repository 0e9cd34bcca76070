"""The one form that every data set takes: uint8 images and labels of two splits, with notes on how they were read."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from edgesim.data.partition_checks import apportion
from edgesim.data.reading_notes import Note, some
from edgesim.errors import DataError
from edgesim.formatting import n_of
from edgesim.tasks import NetworkForm
from edgesim.work import IntArray

ByteArray = npt.NDArray[np.uint8]
Float32Array = npt.NDArray[np.float32]

CHUNK = 4096
MAX_CHANNELS = 16
CHANNELS = (1, 3, 4)
"""grey, RGB, RGB with a fourth channel: by these numbers channels are told from rows and columns"""


@dataclass(frozen=True, eq=False)
class ImageDataset:
    """Images and labels of a training and a test split. The arrays are read-only and may be memory-mapped."""

    name: str
    train_images: ByteArray
    """uint8 [N, H, W, C]"""
    train_labels: IntArray
    """int64 [N], 0 to num_classes - 1"""
    test_images: ByteArray
    test_labels: IntArray
    class_names: tuple[str, ...]
    notes: tuple[Note, ...] = ()
    """notes on what was left out, missed, met twice or read as something else, before any limit"""
    source_key: str = ""
    """hash of the source files (`cache.fingerprint`); empty where the data come from no files that were hashed"""

    def __post_init__(self) -> None:
        for split in ("train", "test"):
            images, labels = getattr(self, f"{split}_images"), getattr(self, f"{split}_labels")
            check_images(images, f"data set '{self.name}', {split} images")
            if len(images) != len(labels):
                found = f"{n_of(len(images), f'{split} image')}, {n_of(len(labels), 'label')}"
                raise DataError(f"data set '{self.name}': {found}; give one each")
            if not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0 or labels.max() >= self.num_classes:
                raise DataError(
                    f"data set '{self.name}': {split} labels ({labels.dtype}) from {labels.min()} to {labels.max()}; "
                    f"allowed: integers 0 to {self.num_classes - 1}, one per class name"
                )
        if self.train_images.shape[1:] != self.test_images.shape[1:]:
            raise DataError(
                f"data set '{self.name}': training images are {_shape(self.train_images)}, test images "
                f"{_shape(self.test_images)}; both splits need one shape"
            )
        for name in ("train_images", "train_labels", "test_images", "test_labels"):
            # A plain view of a memory map: subclasses of ndarray are copied when they are pickled.
            array = np.asarray(getattr(self, name), dtype=np.uint8 if name.endswith("images") else np.int64).view()
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Shape of one sample as a network sees it: (C, H, W)."""
        _, height, width, channels = self.train_images.shape
        return channels, height, width

    @property
    def network_form(self) -> NetworkForm:
        """Form of a network for the data."""
        return NetworkForm(self.input_shape, self.num_classes)

    @property
    def sample_bytes(self) -> int:
        """Bytes of one stored sample: H * W * C, one per channel and pixel (s of Eq. 9)."""
        return int(np.prod(self.input_shape))

    def normalisation(self) -> tuple[Float32Array, Float32Array]:
        """Mean and standard deviation per channel over the training split, in units of pixel / 255.

        Returns: two float32 arrays [C]. The deviation of a constant channel is given as 1, to divide by safely.
        """
        return self._moments

    @cached_property
    def _moments(self) -> tuple[Float32Array, Float32Array]:
        channels = self.train_images.shape[-1]
        counts = np.zeros((channels, 256), np.int64)
        for start in range(0, len(self.train_images), CHUNK):
            chunk = self.train_images[start : start + CHUNK].reshape(-1, channels)
            for c in range(channels):
                counts[c] += np.bincount(chunk[:, c], minlength=256)
        # From exact counts of the 256 values, so that chunking does not touch the result.
        values = np.arange(256) / 255
        share = counts / counts.sum(axis=1, keepdims=True)
        mean = share @ values
        std = np.sqrt((share * (values - mean[:, None]) ** 2).sum(axis=1))
        return mean.astype(np.float32), np.where(std > 1e-6, std, 1.0).astype(np.float32)


def limited(dataset: ImageDataset, limit_train: int | None, limit_test: int | None) -> ImageDataset:
    """The data set with at most so many samples per split, chosen by `stratified_first`; None = all."""
    train = stratified_first(dataset.train_labels, limit_train)
    test = stratified_first(dataset.test_labels, limit_test)
    if train is None and test is None:
        return dataset
    train = np.arange(len(dataset.train_labels)) if train is None else train
    test = np.arange(len(dataset.test_labels)) if test is None else test
    labels = dataset.train_labels[train], dataset.test_labels[test]
    return ImageDataset(
        dataset.name,
        dataset.train_images[train],
        labels[0],
        dataset.test_images[test],
        labels[1],
        dataset.class_names,
        (*dataset.notes, *_lost(dataset, labels, (limit_train, limit_test))),
        dataset.source_key,
    )


def _lost(dataset: ImageDataset, labels: tuple[IntArray, IntArray], limits: tuple[int | None, ...]) -> list[Note]:
    """The notes on classes of which a limit leaves nothing."""
    notes = []
    before = dataset.train_labels, dataset.test_labels
    for split, had, has, limit in zip(("train", "test"), before, labels, limits, strict=True):
        lost = np.setdiff1d(had, has)
        if len(lost):
            text = f"limit_{split} = {limit} leaves {n_of(len(lost), 'class', 'classes')} without a sample"
            notes.append(Note("missing", f"{text}: {some(dataset.class_names[c] for c in lost)}", len(lost)))
    return notes


def stratified_first(labels: IntArray, limit: int | None) -> IntArray | None:
    """Samples that a limit keeps: the first ones of each class in file order, in the proportions of the classes.

    Args:
        labels: int [N].
        limit: how many to keep, >= 1, or None.

    Returns: sorted indices, `limit` of them; None where nothing has to go. There is no chance in it.
    """
    if limit is None or limit >= len(labels):
        return None
    classes, counts = np.unique(labels, return_counts=True)
    keep = apportion(limit, counts)
    firsts = [np.flatnonzero(labels == c)[:k] for c, k in zip(classes, keep, strict=True)]
    return np.sort(np.concatenate(firsts))


def check_images(images: npt.NDArray, where: str) -> None:
    """DataError where an array is no uint8 [N, H, W, C], N and C at least 1."""
    if images.dtype != np.uint8:
        raise DataError(f"{where}: dtype {images.dtype}; allowed: uint8 with values 0 to 255")
    if images.ndim != 4 or 0 in images.shape[1:] or images.shape[-1] > MAX_CHANNELS:
        raise DataError(
            f"{where}: shape {list(images.shape)}; allowed: [N, H, W] or [N, H, W, C] with at most {MAX_CHANNELS} "
            f"channels (channels last)"
        )
    if len(images) == 0:
        raise DataError(f"{where}: holds no samples; at least one is needed in each split")


def _shape(images: ByteArray) -> str:
    return "x".join(str(side) for side in images.shape[1:])
