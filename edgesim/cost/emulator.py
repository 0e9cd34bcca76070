"""Walks a StepTrace through a device's time: what the closed form leaves out, step by step.

Each step takes a constant per-step overhead, the larger of its arithmetic and its memory traffic (a roofline over the
whole step), and the reading of its samples from storage. Vectorised over the trace's segments; a segment's steps are
equal by definition, so no step is looped over.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgesim.profiles import DeviceProfile
from edgesim.records import Cost, StepTrace, Work, Workload


@dataclass(frozen=True)
class EmulatedPrice:
    """Device time and energy of scoring and of training."""

    score: Cost
    train: Cost

    @property
    def time_s(self) -> float:
        """Total device time in seconds."""
        return float(self.score.time_s + self.train.time_s)

    @property
    def energy_j(self) -> float:
        """Total energy in joules."""
        return float(self.score.energy_j + self.train.energy_j)


def step_time_s(trace: StepTrace, workload: Workload, sample_bytes: int, profile: DeviceProfile) -> np.ndarray:
    """Seconds of one step of each segment of a trace.

    Args:
        trace: S segments of equal steps.
        workload: FLOPs and activation bytes per sample, parameter bytes.
        sample_bytes: stored bytes of one sample.
        profile: throughput, bandwidth, overhead and storage speed.

    Returns: float64 array [S].
    """
    batch = np.array([segment.batch_size for segment in trace.segments], dtype=np.float64)
    trains = np.array([segment.kind == "train" for segment in trace.segments])
    flops = batch * np.where(trains, workload.train_flops, workload.forward_flops)
    # Activations are written once and read once forward, and read and written again backward; the weights are read
    # forward, read backward, and updated together with their gradient.
    touches = np.where(trains, 4.0, 2.0)
    weight_touches = np.where(trains, 6.0, 1.0)
    traffic_bytes = touches * batch * workload.activation_bytes + weight_touches * workload.parameter_bytes
    busy_s = np.maximum(flops / profile.throughput_flops_per_s, traffic_bytes / profile.bandwidth_bytes_per_s)
    read_s = batch * sample_bytes / profile.storage_read_bytes_per_s
    return np.asarray(profile.step_overhead_s + busy_s + read_s)


def run(trace: StepTrace, work: Work, workload: Workload, sample_bytes: int, profile: DeviceProfile) -> Cost:
    """Device time and energy of a trace and of the work that has no steps (comparisons, linear algebra).

    While a step computes, the device draws its full power; while it waits for storage, its idle power.
    """
    if not trace.segments and not work.comparisons and not work.other_flops:
        return Cost(time_s=0.0, energy_j=0.0)
    steps = np.array([segment.steps for segment in trace.segments], dtype=np.float64)
    batch = np.array([segment.batch_size for segment in trace.segments], dtype=np.float64)
    time_s = float(np.sum(steps * step_time_s(trace, workload, sample_bytes, profile)))
    read_s = float(np.sum(steps * batch)) * sample_bytes / profile.storage_read_bytes_per_s
    other_s = (work.other_flops + work.comparisons) / profile.throughput_flops_per_s
    energy_j = (time_s - read_s + other_s) * profile.power_w + read_s * profile.idle_w
    return Cost(time_s=time_s + other_s, energy_j=energy_j)
