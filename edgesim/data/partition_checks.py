"""Shared parts of the partition schemes: checks of arguments and result, and division of a count by weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edgesim.errors import DataError
from edgesim.formatting import n_of
from edgesim.work import IntArray


def check(parts: Sequence[npt.NDArray], n_samples: int, min_size: int = 0, complete: bool = True) -> None:
    """Check the invariants of a partition.

    Args:
        parts: one index array per device.
        n_samples: N, the size of the training split.
        min_size: smallest shard that is allowed.
        complete: whether every sample must be given out.

    Raises:
        DataError: an index that is no integer, outside [0, N) or given out twice; a sample given to nobody; a
            shard smaller than `min_size`.
    """
    for device, part in enumerate(parts):
        if not np.issubdtype(np.asarray(part).dtype, np.integer):
            dtype = np.asarray(part).dtype
            raise DataError(f"partition: the indices of device {device} are {dtype}; allowed: whole numbers")
    given = np.concatenate([np.asarray(part) for part in parts]) if len(parts) else np.empty(0, np.int64)
    outside = given[(given < 0) | (given >= n_samples)]
    if len(outside):
        raise DataError(
            f"partition: index {outside[0]} is outside the {n_samples} training samples; allowed: 0 to {n_samples - 1}"
        )
    times = np.bincount(given, minlength=n_samples)
    doubled, left = int((times > 1).sum()), int((times == 0).sum())
    if doubled:
        raise DataError(
            f"partition: {n_of(doubled, 'sample')} {_is(doubled)} given to more than one device, the first is "
            f"{np.argmax(times > 1)}; shards must be disjoint"
        )
    if complete and left:
        raise DataError(
            f"partition: {left:,} of {n_of(n_samples, 'sample')} {_is(left)} given to no device, the first is "
            f"{np.argmax(times == 0)}; shards must cover the training split"
        )
    small = [device for device, part in enumerate(parts) if len(part) < min_size]
    if small:
        hold = f"{n_of(len(parts), 'device')} {'holds' if len(small) == 1 else 'hold'}"
        raise DataError(
            f"partition: {len(small):,} of {hold} fewer than min_size = {min_size} samples, "
            f"the first is device {small[0]} with {len(parts[small[0]])}; use fewer devices, more data or a "
            f"smaller min_size"
        )


def checked_labels(labels: npt.ArrayLike, n_devices: int, min_size: int) -> IntArray:
    """The labels as int64 [N]; DataError where they cannot be divided over n_devices at all."""
    array = np.asarray(labels)
    if array.ndim != 1 or not np.issubdtype(array.dtype, np.integer) or (len(array) and array.min() < 0):
        raise DataError(
            f"partition: the labels are {array.dtype} of shape {array.shape}; allowed: a list of integers >= 0"
        )
    if n_devices < 1:
        raise DataError(f"partition: {n_of(n_devices, 'device')}; at least 1 is needed")
    if n_devices > len(array):
        raise DataError(
            f"partition: more devices ({n_devices}) than training samples ({len(array)}); "
            f"use at most {n_of(len(array), 'device')}"
        )
    if n_devices * min_size > len(array):
        least = f"{'needs' if n_devices == 1 else 'need'} {n_of(n_devices * min_size, 'sample')}"
        raise DataError(
            f"partition: {n_of(n_devices, 'device')} with min_size = {min_size} {least}, "
            f"the training split has {len(array)}; use at most {n_of(len(array) // min_size, 'device')}, "
            f"or min_size = {len(array) // n_devices}"
        )
    return array.astype(np.int64)


def sorted_parts(parts: Sequence[npt.NDArray], n_samples: int, min_size: int, complete: bool = True) -> list[IntArray]:
    """The parts as sorted int64 arrays, once `check` has passed them."""
    result = [np.sort(part).astype(np.int64) for part in parts]
    check(result, n_samples, min_size, complete)
    return result


def apportion(total: int, weights: npt.ArrayLike) -> IntArray:
    """Divide a count in proportion to weights, by largest remainders (ties to the lower index).

    Args:
        total: the count, >= 0.
        weights: float [K], >= 0, not all zero. An index of weight zero gets nothing.

    Returns: int [K], sums to `total`.
    """
    weights = np.asarray(weights, np.float64)
    exact = weights / weights.sum() * total
    whole = np.floor(exact).astype(np.int64)
    remainder = np.where(weights > 0, exact - whole, -1.0)
    whole[np.argsort(-remainder, kind="stable")[: total - whole.sum()]] += 1
    return whole


def _is(count: int) -> str:
    return "is" if count == 1 else "are"
