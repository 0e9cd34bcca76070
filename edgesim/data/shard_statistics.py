"""Sizes of shards, and how far the classes and the features of devices differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgesim import seeds
from edgesim.data.dataset import Dataset
from edgesim.data.partition import class_shares
from edgesim.formatting import n_of, number
from edgesim.work import FloatArray, IntArray

Parts = Sequence[IntArray]
"""indices into the training split, per device"""

MOST_BYTES = 256 << 20
"""of samples that `feature_shift` reads; of larger data a random part of this size"""
CHUNK_BYTES = 8 << 20


@dataclass(frozen=True)
class ShardSummary:
    """Sizes and differences of the shards of all seeds together."""

    shards: int
    """of all seeds"""
    least: int
    """samples"""
    median: float
    most: int
    label_skew: float
    """mean over shards of `label_skew`"""
    feature_shift: float
    """mean over shards of `feature_shift`; NaN for tokens"""

    def in_words(self) -> str:
        """`8 shards of 10 to 40 samples (median 25), label skew 0.31, feature shift 0.05`."""
        sizes = f"{self.least:,} to {self.most:,} samples (median {number(self.median)})"
        sizes = n_of(self.most, "sample") if self.least == self.most else sizes
        shift = "" if np.isnan(self.feature_shift) else f", feature shift {number(self.feature_shift, 2)}"
        return f"{n_of(self.shards, 'shard')} of {sizes}, label skew {number(self.label_skew, 2)}{shift}"


def summarised(dataset: Dataset, splits: Sequence[Parts]) -> ShardSummary:
    """Summary of the shards of some seeds, one split each."""
    sizes = np.array([len(part) for parts in splits for part in parts])
    skews = [label_skew(dataset.train_labels, parts, dataset.num_classes) for parts in splits]
    shifts = np.concatenate(feature_shift(dataset, splits))
    known = shifts[~np.isnan(shifts)]
    return ShardSummary(
        shards=len(sizes),
        least=int(sizes.min()),
        median=float(np.median(sizes)),
        most=int(sizes.max()),
        label_skew=float(np.concatenate(skews).mean()),
        feature_shift=float(known.mean()) if len(known) else float("nan"),
    )


def guess(labels: IntArray) -> dict[str, float | int]:
    """Accuracy on a test set, labels int64 [N >= 1], of a guess: its most frequent class is named for every sample."""
    return {"accuracy": float(np.bincount(labels).max() / len(labels)), "samples": len(labels)}


def label_skew(labels: IntArray, parts: Parts, num_classes: int) -> FloatArray:
    """Total variation distance of each device's class shares from those of all devices together: [devices].

    Half the sum of the absolute differences: 0 = the same mix, towards 1 = nothing in common.
    """
    shares = np.array([class_shares(labels, part, num_classes) for part in parts])
    sizes = np.array([len(part) for part in parts])
    together = sizes @ shares / sizes.sum()
    return np.asarray(np.abs(shares - together).sum(axis=1) / 2)


def feature_shift(dataset: Dataset, splits: Sequence[Parts]) -> list[FloatArray]:
    """Distance of each device's channel means from those of all devices together, in standard deviations.

    The mean over channels of |mean of the device - mean of all| / standard deviation of all. A channel of vectors is a
    feature; channels that never change are left out. All splits share one pass over the samples.

    Args:
        dataset: the training split.
        splits: the devices' samples, of each seed.

    Returns: [devices] per split; NaN for token ids, and for a device of which the part that is read has no sample.
    """
    samples, form = dataset.train_samples, dataset.sample_form
    if form.tokens:
        return [np.full(len(parts), np.nan) for parts in splits]
    owners = np.full((len(splits), len(samples)), -1, dtype=np.int64)
    for owner, parts in zip(owners, splits, strict=True):
        for device, part in enumerate(parts):
            owner[part] = device
    rows = _rows_to_read(np.flatnonzero((owners >= 0).any(axis=0)), dataset.sample_bytes)
    step = max(1, CHUNK_BYTES // dataset.sample_bytes)
    # Moments are taken about a middle, the mean of the first chunk, so that large numbers lose no digits.
    middle = _by_channel(dataset, rows[:step]).mean(axis=(0, 2), dtype=np.float64)
    sums = [np.zeros((len(parts), len(middle))) for parts in splits]
    squares = np.zeros((len(splits), len(middle)))
    counts = [np.zeros(len(parts)) for parts in splits]
    for start in range(0, len(rows), step):
        chosen = rows[start : start + step]
        values = _by_channel(dataset, chosen)
        values -= middle[:, None].astype(values.dtype)
        first, second = values.mean(axis=2), np.einsum("ncp,ncp->nc", values, values) / values.shape[2]
        for place, owner in enumerate(owners[:, chosen]):
            held = owner >= 0
            np.add.at(sums[place], owner[held], first[held])
            counts[place] += np.bincount(owner[held], minlength=len(counts[place]))
            squares[place] += second[held].sum(axis=0)
    least = 1e-9 * np.abs(middle)  # rounding of a channel that never changes
    return [_distances(*each, least) for each in zip(sums, squares, counts, strict=True)]


def _rows_to_read(rows: IntArray, sample_bytes: int) -> IntArray:
    """All rows, or a random part of them of MOST_BYTES, sorted."""
    if len(rows) * sample_bytes <= MOST_BYTES:
        return rows
    return np.sort(seeds.stream(0, "feature-shift").choice(rows, max(1, MOST_BYTES // sample_bytes), replace=False))


def _by_channel(dataset: Dataset, rows: IntArray) -> npt.NDArray[np.floating]:
    """Numbers of some samples: [n, C, places], float32 of integers of up to 16 bits, else float64."""
    chunk = dataset.train_samples[rows]
    values = np.ascontiguousarray(np.moveaxis(chunk, -1, 1)) if dataset.sample_form.is_image else chunk
    small = chunk.dtype.kind in "iu" and chunk.dtype.itemsize <= 2
    return values.reshape(len(rows), values.shape[1], -1).astype(np.float32 if small else np.float64)


def _distances(sums: FloatArray, squares: FloatArray, counts: FloatArray, least: FloatArray) -> FloatArray:
    """[devices] of sums [devices, C] and sums of squares [C] of so many samples; deviations up to `least` are none."""
    total = counts.sum()
    mean = sums.sum(axis=0) / total
    deviation = np.sqrt(np.maximum(squares / total - mean**2, 0.0))
    changes = deviation > least
    if not changes.any():
        return np.where(counts > 0, 0.0, np.nan)
    own = np.divide(sums, counts[:, None], out=np.full_like(sums, np.nan), where=counts[:, None] > 0)
    return np.asarray((np.abs(own - mean)[:, changes] / deviation[changes]).mean(axis=1))
