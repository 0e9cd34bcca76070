"""Prices of many trials of one device at once, from what they will do: for plans, budgets and feasibility.

The same two prices as `pricing` gives for one trial that was run, as arrays over C trials. Equal steps are taken
together: what a step takes depends on its kind and batch size alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgesim.cost import analytic, emulator
from edgesim.cost.pricing import Terms
from edgesim.profiles import DeviceProfile
from edgesim.records import FloatArray, IntArray, Segment, StepTrace, Work, Workload


@dataclass(frozen=True)
class Load:
    """What C trials do while they score, or while they train. C may be 1 where it is the same for all."""

    flops: FloatArray
    """[C] all FLOPs, comparisons not counted"""
    stepless: FloatArray
    """[C] operations without steps: comparisons, and arithmetic outside the network"""
    comparisons: FloatArray
    """[C]"""
    trains: npt.NDArray[np.bool_]
    """[C, S] forward and backward, else forward only"""
    batch_sizes: IntArray
    """[C, S] samples of one step; 0 where there is none"""
    steps: FloatArray
    """[C, S] how many steps of this kind and batch size"""

    @classmethod
    def training(cls, m: IntArray, batch_size: int, epochs: int, workload: Workload) -> Load:
        """Training on m samples, the last batch of every epoch at its real size.

        Args:
            m: [C] subset sizes, >= 1.
            batch_size: B.
            epochs: E.
            workload: F.
        """
        full, rest = np.divmod(np.asarray(m, dtype=np.int64), batch_size)
        batches = np.stack([np.where(full > 0, batch_size, 0), rest], axis=1)
        steps = np.stack([full * epochs, np.where(rest > 0, epochs, 0)], axis=1).astype(np.float64)
        flops = analytic.training_flops(m, epochs, workload.train_flops)
        nothing = np.zeros(len(flops))
        return cls(flops, nothing, nothing, np.ones(batches.shape, dtype=bool), batches, steps)

    @classmethod
    def of(cls, parts: Sequence[tuple[Work, StepTrace]], workload: Workload) -> Load:
        """The loads of C works with their steps."""
        works = [work for work, _ in parts]
        counted = [_tally(trace) for _, trace in parts]
        width = max((len(tally) for tally in counted), default=0)
        trains, batches, steps = (np.zeros((len(parts), width), dtype=kind) for kind in (bool, np.int64, np.float64))
        for row, tally in enumerate(counted):
            for column, ((kind, size), count) in enumerate(tally.items()):
                trains[row, column], batches[row, column], steps[row, column] = kind == "train", size, count
        comparisons = np.array([work.comparisons for work in works], dtype=np.float64)
        return cls(
            flops=np.array([work.flops(workload.train_flops, workload.forward_flops) for work in works]),
            stepless=comparisons + np.array([work.other_flops for work in works]),
            comparisons=comparisons,
            trains=trains,
            batch_sizes=batches,
            steps=steps,
        )

    @property
    def largest_training_batch(self) -> IntArray:
        """[C] the largest batch that is passed backward; 0 where none is."""
        return np.asarray(np.where(self.trains, self.batch_sizes, 0).max(axis=1, initial=0))


@dataclass(frozen=True)
class Forecast:
    """Both prices of C trials on one device. Arrays [C], float64."""

    analytic_score_time_s: FloatArray
    analytic_train_time_s: FloatArray
    analytic_energy_j: FloatArray
    device_score_time_s: FloatArray
    device_train_time_s: FloatArray
    device_energy_j: FloatArray
    device_score_energy_j: FloatArray
    """of it, before training begins"""
    storage_bytes: FloatArray
    """of the kept samples"""
    peak_memory_bytes: FloatArray
    largest_batch: IntArray
    """samples of the largest training step, which the peak memory belongs to"""

    def time_s(self, price: str) -> FloatArray:
        """Scoring and training by the `analytic` or the `emulated` price."""
        if price == "analytic":
            return self.analytic_score_time_s + self.analytic_train_time_s
        return self.device_score_time_s + self.device_train_time_s

    def energy_j(self, price: str) -> FloatArray:
        """Scoring and training by the `analytic` or the `emulated` price."""
        return self.analytic_energy_j if price == "analytic" else self.device_energy_j

    def score_share(self, price: str, quantity: str) -> FloatArray:
        """Scoring's share of the time, or of the energy: `quantity` is "latency_s" or "energy_j"."""
        if price == "analytic":  # one power for both, so one share
            return self.analytic_score_time_s / self.time_s(price)
        if quantity == "energy_j":
            return self.device_score_energy_j / self.device_energy_j
        return self.device_score_time_s / self.time_s(price)


def forecast(terms: Terms, profile: DeviceProfile, score: Load, train: Load, kept: IntArray) -> Forecast:
    """Price C trials on one device (edge paper, Eqs. 8-9, 24-28, and the emulator).

    Args:
        terms: workload, data and training.
        profile: the device.
        score: scoring and selection of C trials, or of 1 for all of them.
        train: training of C trials.
        kept: [C] samples that each keeps.
    """
    throughput, power_w = profile.throughput_flops_per_s, profile.power_w
    score_s = analytic.latency_s(score.flops + score.comparisons, throughput)
    train_s = analytic.latency_s(train.flops + train.comparisons, throughput)
    device_score_s, device_score_j = on_device(score, terms, profile)
    device_train_s, device_train_j = on_device(train, terms, profile)
    batch = np.maximum(score.largest_training_batch, train.largest_training_batch)
    workload = terms.workload
    peak = workload.parameter_bytes * (2 + terms.optimizer_states) + workload.activation_bytes * batch.astype(float)
    count = len(kept)

    def all_of(values: FloatArray | IntArray) -> FloatArray:
        return np.broadcast_to(values, count).astype(np.float64)

    return Forecast(
        analytic_score_time_s=all_of(score_s),
        analytic_train_time_s=all_of(train_s),
        analytic_energy_j=all_of(analytic.energy_j(score_s + train_s, power_w)),
        device_score_time_s=all_of(device_score_s),
        device_train_time_s=all_of(device_train_s),
        device_energy_j=all_of(device_score_j + device_train_j),
        device_score_energy_j=all_of(device_score_j),
        storage_bytes=all_of(analytic.storage_bytes(kept, terms.sample_bytes)),
        peak_memory_bytes=all_of(peak),
        largest_batch=np.broadcast_to(batch, count).astype(np.int64),
    )


def on_device(load: Load, terms: Terms, profile: DeviceProfile) -> tuple[FloatArray, FloatArray]:
    """Emulated seconds and joules [C] of a load. The one place where forecasts meet the emulator."""
    pairs, inverse = np.unique(2 * load.batch_sizes + load.trains, return_inverse=True)
    kinds = StepTrace(tuple(Segment("train" if pair % 2 else "forward", int(pair) // 2, 1) for pair in pairs))
    step_s = emulator.step_time_s(kinds, terms.workload, terms.sample_bytes, profile)
    time_s = (load.steps * step_s[inverse.reshape(load.steps.shape)]).sum(axis=1)
    read_s = (load.steps * load.batch_sizes).sum(axis=1) * terms.sample_bytes / profile.storage_read_bytes_per_s
    stepless_s = load.stepless / profile.throughput_flops_per_s
    energy_j = (time_s - read_s + stepless_s) * profile.power_w + read_s * profile.idle_w
    return time_s + stepless_s, energy_j


def _tally(trace: StepTrace) -> Counter[tuple[str, int]]:
    """(kind, batch size) -> steps."""
    counted: Counter[tuple[str, int]] = Counter()
    for segment in trace.segments:
        counted[segment.kind, segment.batch_size] += segment.steps
    return counted
