"""Partition schemes as pure functions: labels -> one array of training-set indices per device.

All take the labels (int [N], values >= 0) and a seed, and `check` their own result before they return it. The
arrays are int64 and sorted, except from `dirichlet`, which keeps the order of flwr-datasets (see there).

The seed goes straight into `numpy.random.default_rng`, the one exception to the named streams of
`edgesim.seeds`: only so can `dirichlet` repeat the draws of flwr-datasets. Who wants a named stream passes
`seeds.integer(...)`.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from edgesim.data.dirichlet import dirichlet, dirichlet_sized
from edgesim.data.partition_checks import apportion, check, checked_labels, sorted_parts
from edgesim.errors import DataError
from edgesim.formatting import n_of
from edgesim.work import FloatArray, IntArray

__all__ = [
    "check",
    "class_shares",
    "class_weighted",
    "dirichlet",
    "dirichlet_sized",
    "explicit",
    "iid",
    "pathological",
    "quantity",
]


def iid(labels: npt.ArrayLike, n_devices: int, seed: int, min_size: int = 1) -> list[IntArray]:
    """Split at random into equal shards (sizes differ by at most one).

    Args:
        labels: int [N].
        n_devices: number of shards, 1 to N.
        seed: of the shuffle.
        min_size: smallest shard that is allowed.

    Returns: sorted index arrays, disjoint and complete.
    """
    labels = checked_labels(labels, n_devices, min_size)
    order = np.random.default_rng(seed).permutation(len(labels))
    return sorted_parts(np.array_split(order, n_devices), len(labels), min_size)


def pathological(
    labels: npt.ArrayLike, n_devices: int, classes_per_device: int, seed: int, min_size: int = 1
) -> list[IntArray]:
    """Label skew: every device holds samples of k classes only.

    Each class is held by equally many devices, to within one; which ones is random. A class is divided equally among
    its holders.

    Args:
        labels: int [N].
        n_devices: number of shards. n_devices * classes_per_device must reach the number of classes.
        classes_per_device: k, 1 to the number of classes.
        seed: of the deal.
        min_size: smallest shard that is allowed.

    Returns: sorted index arrays, disjoint and complete.

    Source: after McMahan et al., Communication-Efficient Learning of Deep Networks, 2017, where k = 2.
    """
    labels = checked_labels(labels, n_devices, min_size)
    classes, class_sizes = np.unique(labels, return_counts=True)
    if not 1 <= classes_per_device <= len(classes):
        raise DataError(
            f"partition: classes_per_device = {classes_per_device}, but the training labels hold "
            f"{n_of(len(classes), 'class', 'classes')}; allowed: 1 to {len(classes)}"
        )
    if n_devices * classes_per_device < len(classes):
        raise DataError(
            f"partition: {n_of(n_devices, 'device')} with classes_per_device = {classes_per_device} cannot hold all "
            f"{n_of(len(classes), 'class', 'classes')}; use more devices, or classes_per_device >= "
            f"{-(-len(classes) // n_devices)}"
        )
    rng = np.random.default_rng(seed)
    holders = _deal(len(classes), n_devices, classes_per_device, rng)
    pieces: list[list[npt.NDArray]] = [[] for _ in range(n_devices)]
    for c, size, devices in zip(classes, class_sizes, holders, strict=True):
        if size < len(devices):
            raise DataError(
                f"partition: class {c} has {n_of(size, 'sample')} for {n_of(len(devices), 'device')}; "
                f"use fewer devices or a smaller classes_per_device"
            )
        order = rng.permutation(np.flatnonzero(labels == c))
        for device, piece in zip(devices, np.array_split(order, len(devices)), strict=True):
            pieces[device].append(piece)
    return sorted_parts([np.concatenate(p) for p in pieces], len(labels), min_size)


def quantity(
    labels: npt.ArrayLike,
    n_devices: int,
    seed: int,
    distribution: Literal["log-normal", "power-law"] = "log-normal",
    sigma: float = 1.0,
    exponent: float = 1.0,
    min_size: int = 1,
) -> list[IntArray]:
    """Quantity skew: shards of very different sizes, each with the class mix of the whole (to within chance).

    Every device gets `min_size` samples; the rest is divided in proportion to weights w.

    Args:
        labels: int [N].
        n_devices: number of shards.
        seed: of the weights and the shuffle.
        distribution: "log-normal": w = exp(sigma * z), z standard normal. "power-law": the r-th largest
            device has w = r ** -exponent, and which device is the r-th is random.
        sigma: >= 0, spread of the log-normal weights; 0 = equal sizes.
        exponent: >= 0, of the power law; 0 = equal sizes.
        min_size: smallest shard.

    Returns: sorted index arrays, disjoint and complete.
    """
    labels = checked_labels(labels, n_devices, min_size)
    rng = np.random.default_rng(seed)
    if distribution == "log-normal":
        logs = sigma * rng.standard_normal(n_devices)
    elif distribution == "power-law":
        logs = -exponent * np.log(1.0 + rng.permutation(n_devices))
    else:
        raise DataError(f"partition: distribution = {distribution!r}; allowed: log-normal, power-law")
    weights = np.exp(logs - logs.max())  # relative to the largest: no overflow at any sigma
    sizes = min_size + apportion(len(labels) - n_devices * min_size, weights)
    order = rng.permutation(len(labels))
    return sorted_parts(np.split(order, np.cumsum(sizes)[:-1]), len(labels), min_size)


def explicit(labels: npt.ArrayLike, shares: npt.ArrayLike, seed: int) -> list[IntArray]:
    """Divide every class as a matrix says.

    Args:
        labels: int [N].
        shares: float [n_devices, C] in [0, 1]: the share of class c's samples that the device gets. A column
            sums to at most 1; where it sums to less, the rest of the class belongs to nobody.
        seed: decides which samples of a class go where.

    Returns: sorted index arrays, disjoint, none empty.
    """
    matrix = np.asarray(shares, dtype=np.float64)
    if matrix.ndim != 2:
        raise DataError(f"partition: shares must be a matrix [devices, classes], not of shape {matrix.shape}")
    labels = checked_labels(labels, len(matrix), 1)
    if matrix.shape[1] <= labels.max():
        raise DataError(
            f"partition: shares has {matrix.shape[1]} columns, the labels go up to {labels.max()}; "
            f"give one column per class ({labels.max() + 1})"
        )
    if not ((matrix >= 0) & (matrix <= 1)).all():
        raise DataError("partition: shares holds a number outside [0, 1]; each is a share of one class")
    over = np.flatnonzero(matrix.sum(axis=0) > 1 + 1e-9)
    if len(over):
        raise DataError(
            f"partition: the shares of class {over[0]} sum to {matrix[:, over[0]].sum():.6g}; allowed: at most 1"
        )
    rng = np.random.default_rng(seed)
    pieces: list[list[npt.NDArray]] = [[] for _ in matrix]
    for c in range(matrix.shape[1]):
        order = rng.permutation(np.flatnonzero(labels == c))
        ends = np.rint(np.cumsum(matrix[:, c]) * len(order)).astype(np.int64)
        for device, piece in enumerate(np.split(order, ends)[:-1]):
            pieces[device].append(piece)
    return sorted_parts([np.concatenate(p) for p in pieces], len(labels), 1, complete=False)


def class_shares(labels: npt.ArrayLike, part: npt.ArrayLike, num_classes: int) -> FloatArray:
    """The class mix of a shard: float [C], sums to 1 (all zero for an empty shard)."""
    counts = np.bincount(np.asarray(labels)[np.asarray(part, dtype=np.int64)], minlength=num_classes)
    return counts / max(counts.sum(), 1)


def class_weighted(per_class: npt.ArrayLike, shares: npt.ArrayLike) -> float:
    """A metric on a device's own class mix: its test values per class, weighted by the device's class shares.

    Args:
        per_class: float [C]; NaN for a class that the test set lacks, which is left out.
        shares: float [C], the device's class shares.

    Returns: their weighted mean, or NaN when the test set has none of the device's classes.
    """
    values, weights = np.asarray(per_class, np.float64), np.asarray(shares, np.float64)
    known = ~np.isnan(values)
    total = weights[known].sum()
    return float(values[known] @ weights[known] / total) if total > 0 else float("nan")


def _deal(n_classes: int, n_devices: int, k: int, rng: np.random.Generator) -> list[list[int]]:
    """The holders of each class: every device takes the k classes with fewest holders, ties at random."""
    holders: list[list[int]] = [[] for _ in range(n_classes)]
    for device in range(n_devices):
        load = np.array([len(h) for h in holders])
        for c in np.lexsort((rng.random(n_classes), load))[:k]:
            holders[c].append(device)
    return holders
