"""Partition by a Dirichlet distribution: as flwr-datasets does, index for index, or with fixed sizes.

Both functions are part of `edgesim.data.partition`, where the conventions of all schemes are described.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edgesim.data.partition_checks import apportion, check, checked_labels, sorted_parts
from edgesim.errors import DataError
from edgesim.formatting import n_of
from edgesim.work import FloatArray, IntArray

MAX_TRIES = 1000


def dirichlet(
    labels: npt.ArrayLike,
    n_devices: int,
    alpha: float | Sequence[float],
    seed: int,
    min_size: int = 10,
    self_balancing: bool = False,
) -> list[IntArray]:
    """Label skew: each class is divided over the devices in proportions drawn from a Dirichlet distribution.

    The same partition, in the same order within each shard, as `DirichletPartitioner` of flwr-datasets with
    shuffle=True. Where that one gives up, after 11 draws that left a shard below `min_size`, this goes on to
    MAX_TRIES.

    Args:
        labels: int [N].
        n_devices: number of shards, 1 to N.
        alpha: concentration, > 0; small = each class on few devices, large = near IID. One, or one each.
        seed: of the draws.
        min_size: draw again until every shard has at least this many samples.
        self_balancing: a device that holds more than N / n_devices samples gets nothing of later classes.

    Returns: index arrays in shuffled order, disjoint and complete.

    Source: Yurochkin et al., Bayesian Nonparametric Federated Learning of Neural Networks, 2019
    (arXiv 1905.12022).
    """
    labels = checked_labels(labels, n_devices, min_size)
    alphas = _alphas(alpha, n_devices)
    rng = np.random.default_rng(seed)
    _, first = np.unique(labels, return_index=True)
    # Classes in their order of first appearance, as in flwr-datasets.
    members = [np.flatnonzero(labels == labels[i]) for i in np.sort(first)]
    class_sizes = np.array([len(m) for m in members])
    for _ in range(MAX_TRIES):
        shares = draw_shares(rng, alphas, len(members))  # [C, K], one row after the other from the stream
        ends = _balanced_ends(shares, class_sizes) if self_balancing else _ends(shares, class_sizes[:, None])
        if np.diff(ends, axis=1, prepend=0).sum(axis=0).min() >= min_size:
            return _shuffled_parts(members, ends, rng, min_size)
    raise DataError(
        f"partition: with alpha = {alpha}, none of {MAX_TRIES} draws gave {n_of(n_devices, 'device')} min_size = "
        f"{min_size} of {n_of(len(labels), 'sample')}; use a larger alpha, fewer devices, a smaller min_size "
        f"or fixed sizes"
    )


def dirichlet_sized(labels: npt.ArrayLike, sizes: Sequence[int], alpha: float, seed: int) -> list[IntArray]:
    """Label skew with fixed sizes: each device draws its class mix from a Dirichlet distribution.

    Samples are given out without replacement, to the devices in random order. Where a class has run out, the device
    fills up from its other classes in proportion to its mix, and then from any class. So the devices that are served
    late are less skewed than alpha says.

    Args:
        labels: int [N].
        sizes: samples per device, each >= 1, together at most N. What is left over belongs to nobody.
        alpha: concentration, > 0.
        seed: of the draws.

    Returns: sorted index arrays of exactly these sizes, disjoint.

    Source: the class mixes are those of Hsu et al., Measuring the Effects of Non-Identical Data Distribution,
    2019 (arXiv 1909.06335), with a uniform prior.
    """
    labels = checked_labels(labels, len(sizes), 1)
    if min(sizes) < 1:
        raise DataError(f"partition: sizes holds {min(sizes)}; every device needs at least 1 sample")
    if sum(sizes) > len(labels):
        raise DataError(
            f"partition: sizes ask for {sum(sizes)} samples in all, the training split has {len(labels)}; "
            f"use smaller sizes or fewer devices"
        )
    rng = np.random.default_rng(seed)
    pools = [rng.permutation(np.flatnonzero(labels == c)) for c in np.unique(labels)]
    mixes = draw_shares(rng, _alphas(alpha, len(pools)), len(sizes))
    left = np.array([len(pool) for pool in pools])
    parts = [np.empty(0, np.int64)] * len(sizes)
    for device in rng.permutation(len(sizes)):
        counts = _fill(int(sizes[device]), mixes[device], left)
        taken = [pool[n - k : n] for pool, n, k in zip(pools, left, counts, strict=True)]
        parts[device] = np.concatenate(taken)
        left = left - counts
    return sorted_parts(parts, len(labels), 1, complete=False)


def draw_shares(rng: np.random.Generator, alphas: FloatArray, rows: int) -> FloatArray:
    """`rows` draws from Dirichlet(alphas): [rows, K]; DataError where alpha is beyond floats."""
    shares = rng.dirichlet(alphas, size=rows)
    if not np.isfinite(shares).all():
        raise DataError(f"partition: alpha = {alphas.min()} cannot be drawn from; use 0.001 to 1e6")
    return shares


def _ends(shares: FloatArray, class_sizes: IntArray) -> IntArray:
    """End of each device's piece of a class: cumulative shares times class size, cut to whole samples."""
    ends = (np.cumsum(shares, axis=-1) * class_sizes).astype(np.int64)
    ends[..., -1:] = class_sizes  # the last device takes what rounding left
    return np.minimum(ends, class_sizes)


def _balanced_ends(shares: FloatArray, class_sizes: IntArray) -> IntArray:
    """As `_ends`, class after class, leaving out the devices that hold more than the average already.

    With a tiny alpha, all open devices may draw exactly zero. flwr-datasets then divides 0 by 0, and its NaN sends
    the whole class to the last device. Here the class goes there too, without the NaN.
    """
    n_devices = shares.shape[1]
    held = np.zeros(n_devices, np.int64)
    average = class_sizes.sum() / n_devices
    ends = np.zeros(shares.shape, np.int64)
    for c, size in enumerate(class_sizes):
        open_shares = np.where(held > average, 0.0, shares[c])
        total = np.cumsum(open_shares)[-1]  # one after the other, as flwr: np.sum rounds differently
        ends[c] = _ends(open_shares / total if total > 0 else open_shares, size)
        held += np.diff(ends[c], prepend=0)
    return ends


def _shuffled_parts(members: list[IntArray], ends: IntArray, rng: np.random.Generator, min_size: int) -> list[IntArray]:
    """Cut the members of each class at `ends` [C, K] and shuffle every shard as flwr-datasets does."""
    pieces = [np.split(m, e[:-1]) for m, e in zip(members, ends, strict=True)]
    parts = []
    for device in range(ends.shape[1]):
        shard = np.concatenate([piece[device] for piece in pieces]).tolist()
        rng.shuffle(shard)  # as a list: NumPy's stream differs for arrays, and flwr shuffles lists
        parts.append(np.array(shard, dtype=np.int64))
    check(parts, sum(len(m) for m in members), min_size)
    return parts


def _fill(size: int, mix: FloatArray, left: IntArray) -> IntArray:
    """Samples of each class for a device of `size`, when `left` [C] remain: int [C] <= left."""
    counts = np.zeros_like(left)
    while counts.sum() < size:
        room = left - counts
        weights = np.where(room > 0, mix, 0.0)
        if weights.sum() <= 0:
            weights = room.astype(np.float64)  # nothing of its own classes is left: as the rest comes
        counts += np.minimum(apportion(size - int(counts.sum()), weights), room)
    return counts


def _alphas(alpha: float | Sequence[float], count: int) -> FloatArray:
    values = np.atleast_1d(np.asarray(alpha, np.float64))
    if len(values) not in (1, count):
        raise DataError(f"partition: alpha has {n_of(len(values), 'value')}, {count} are needed; or give a single one")
    if not (np.isfinite(values) & (values > 0)).all():
        raise DataError(f"partition: alpha = {alpha}; allowed: numbers > 0")
    return np.broadcast_to(values, (count,)).copy()
