"""Seconds of one step on a device at full clock, by what takes them: a roofline over the whole step.

Each step takes a constant overhead, the larger of its arithmetic and its memory traffic, and the reading of its samples
from storage.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from edgesim.profiles import DeviceProfile
from edgesim.records import FloatArray, Workload


@dataclass(frozen=True)
class StepCost:
    """Seconds of one step at full clock, [S] each."""

    compute_s: FloatArray
    """arithmetic alone"""
    memory_s: FloatArray
    """memory traffic alone"""
    overhead_s: FloatArray
    read_s: FloatArray
    """reading the step's samples from storage"""

    @property
    def busy_s(self) -> FloatArray:
        """Overhead and the larger of arithmetic and memory traffic: the device is not idle."""
        return self.overhead_s + np.maximum(self.compute_s, self.memory_s)

    @property
    def time_s(self) -> FloatArray:
        """Busy, and reading from storage."""
        return self.busy_s + self.read_s


def step_cost(
    kind: Literal["train", "forward"],
    batch_sizes: npt.ArrayLike,
    workload: Workload,
    sample_bytes: int,
    optimizer_states: int,
    profile: DeviceProfile,
) -> StepCost:
    """Seconds of one step for each of S batch sizes.

    Args:
        kind: a training step, or a forward pass.
        batch_sizes: [S] samples of the step.
        workload: FLOPs and activation bytes per sample, parameter bytes.
        sample_bytes: stored bytes of one sample.
        optimizer_states: numbers that the optimiser keeps per weight. This roofline counts the same update for every
            optimiser: its traffic is small beside that of the activations.
        profile: throughput, bandwidth, overhead and storage speed.

    Returns: arrays [S].
    """
    batch = np.asarray(batch_sizes, dtype=np.float64)
    trains = kind == "train"
    flops = batch * (workload.train_flops if trains else workload.forward_flops)
    # Activations are written once and read once forward, and read and written again backward; the weights are read
    # forward, read backward, and updated together with their gradient.
    touches, weight_touches = (4.0, 6.0) if trains else (2.0, 1.0)
    traffic_bytes = touches * batch * workload.activation_bytes + weight_touches * workload.parameter_bytes
    return StepCost(
        compute_s=flops / profile.throughput_flops_per_s,
        memory_s=traffic_bytes / profile.bandwidth_bytes_per_s,
        overhead_s=np.full_like(batch, profile.step_overhead_s),
        read_s=batch * sample_bytes / profile.storage_read_bytes_per_s,
    )
