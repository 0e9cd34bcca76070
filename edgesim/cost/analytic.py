"""The closed-form cost model of the edge paper (sections III-E and V-D), vectorised over devices.

Symbols as in the paper: n samples on the device, keep ratio ρ, batch size B, epochs E, warm-up steps T0, workload
F FLOPs per sample (forward + backward), throughput φ FLOP/s, power P W, s bytes per sample. Every argument may be a
number or an array over devices; results follow NumPy's broadcasting. The model assumes constant φ and P: where real
devices part from it is what `cost.emulator` is for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field

from edgesim.config.checked_dataclass import checked_dataclass
from edgesim.config.plausible import Bounded, PlausibleRange
from edgesim.records import TimeEnergy
from edgesim.work import Work, Workload

Numbers = float | int | npt.NDArray[np.int64] | npt.NDArray[np.float64]
"""A number, or an array over devices."""


def subset_size(n: Numbers, keep_ratio: Numbers) -> npt.NDArray[np.int64]:
    """m = round(ρ·n), at least 1 and at most n (Eqs. 3, 17, 20).

    Args:
        n: shard size, >= 1.
        keep_ratio: ρ in (0, 1].

    Returns: the number of samples kept, int64.

    Raises: ValueError where n < 1 or ρ is outside (0, 1].
    """
    n_array, ratio = np.asarray(n, dtype=np.int64), np.asarray(keep_ratio, dtype=np.float64)
    if np.any(n_array < 1):
        raise ValueError(f"a shard needs at least one sample, got {n}")
    if not np.all((ratio > 0) & (ratio <= 1)):
        raise ValueError(f"keep_ratio must be in (0, 1], got {keep_ratio}")
    # rint rounds halves to even as Python's round() does; 0.3·n in floating point may sit just below its half.
    rounded = np.rint(np.round(ratio * n_array, 9)).astype(np.int64)
    return np.asarray(np.clip(rounded, 1, n_array))


def training_steps(m: Numbers, batch_size: Numbers, epochs: Numbers) -> npt.NDArray[np.int64]:
    """N = E·ceil(m/B) optimiser steps on m samples (Eqs. 7, 23)."""
    batches = -(-np.asarray(m, dtype=np.int64) // np.asarray(batch_size, dtype=np.int64))
    return np.asarray(np.asarray(epochs, dtype=np.int64) * batches)


def latency_s(flops: Numbers, throughput_flops_per_s: Numbers) -> npt.NDArray[np.float64]:
    """Seconds that `flops` take at a constant throughput φ (Eq. 8)."""
    return np.asarray(np.asarray(flops, dtype=np.float64) / throughput_flops_per_s)


def training_flops(m: Numbers, epochs: Numbers, train_flops_per_sample: Numbers) -> npt.NDArray[np.float64]:
    """E·m·F, the last partial batch counted at its real size (Eqs. 8, 26)."""
    return np.asarray(np.asarray(m, dtype=np.float64) * epochs * train_flops_per_sample)


def energy_j(time_s: Numbers, power_w: Numbers) -> npt.NDArray[np.float64]:
    """P·T with a constant operating power (section III-E)."""
    return np.asarray(np.asarray(time_s, dtype=np.float64) * power_w)


def storage_bytes(m: Numbers, sample_bytes: Numbers) -> npt.NDArray[np.int64]:
    """Bytes that the kept samples occupy: ρ·n·s with ρ·n rounded to the m samples really kept (Eq. 9)."""
    return np.asarray(np.asarray(m, dtype=np.int64) * np.asarray(sample_bytes, dtype=np.int64))


def selection_comparisons(n: Numbers) -> npt.NDArray[np.int64]:
    """Comparisons of a partial sort over n scores: n (Eq. 25, logarithmic factors suppressed as there)."""
    return np.asarray(np.asarray(n, dtype=np.int64))


@dataclass(frozen=True)
class AnalyticPrice:
    """Scoring (with selection), training and their sum (Eq. 28), on one device or an array of them."""

    score: TimeEnergy
    train: TimeEnergy
    score_flops: npt.NDArray[np.float64]
    train_flops: npt.NDArray[np.float64]

    @property
    def time_s(self) -> npt.NDArray[np.float64]:
        """Total latency in seconds."""
        return np.asarray(self.score.time_s + self.train.time_s)

    @property
    def energy_j(self) -> npt.NDArray[np.float64]:
        """Total energy in joules."""
        return np.asarray(self.score.energy_j + self.train.energy_j)


def price(
    score: Work,
    train: Work,
    networks: tuple[Workload, Workload],
    throughput_flops_per_s: Numbers,
    power_w: Numbers,
    times: tuple[int, int] = (1, 1),
) -> AnalyticPrice:
    """Price counted work by the closed form (Eqs. 8, 24-28): T = T_score + N·T_train.

    Args:
        score: work of one scoring and selection. Its comparisons take one operation each at φ; they are not FLOPs.
        train: work of one training on the subset.
        networks: F and the forward FLOPs of one sample of the network that scores, and of the one that trains.
        throughput_flops_per_s: φ, > 0.
        power_w: P, >= 0.
        times: how often scoring and training are done, each >= 1: once, and N trainings on the same subset.
    """
    score_flops, train_flops = (
        count * work.flops(network.train_flops, network.forward_flops)
        for count, work, network in zip(times, (score, train), networks, strict=True)
    )
    costs = []
    for operations in (score_flops + times[0] * score.comparisons, train_flops + times[1] * train.comparisons):
        time_s = latency_s(operations, throughput_flops_per_s)
        costs.append(TimeEnergy(time_s=time_s, energy_j=energy_j(time_s, power_w)))
    return AnalyticPrice(costs[0], costs[1], np.asarray(score_flops), np.asarray(train_flops))


MOST_WEIGHT = 1e100
"""whatever `unsafe` says: products of two weights and a cost stay below the largest double"""
_Weight = Annotated[float, Field(ge=0, le=MOST_WEIGHT), PlausibleRange(0.0, 1e6)]


@checked_dataclass()
class CostWeights(Bounded):
    """Weights of time, energy and storage in the cost of a device, J (Eq. 13)."""

    time: _Weight = 1 / 3
    """weight of the time, taken relative to that of full training"""
    energy: _Weight = 1 / 3
    """weight of the energy, taken relative to that of full training"""
    storage: _Weight = 1 / 3
    """weight of the storage, taken relative to that of all samples"""


def device_cost(
    weights: CostWeights, time_ratio: Numbers, energy_ratio: Numbers, storage_ratio: Numbers
) -> npt.NDArray[np.float64]:
    """J = w_T·T + w_E·E + w_S·S, each quantity divided by its value for plain training on all data (Eq. 13).

    Returns: J without unit; the sum of the weights for plain full training.
    """
    total = weights.time * np.asarray(time_ratio, dtype=np.float64)
    return np.asarray(total + weights.energy * np.asarray(energy_ratio) + weights.storage * np.asarray(storage_ratio))
