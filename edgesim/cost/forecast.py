"""Prices of many trials of one device at once, from what they will do: for plans, budgets and feasibility.

The same two prices as `pricing` gives for one trial that was run, as arrays over C trials. Equal steps are taken
together: what a step takes depends on its kind and batch size alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from edgesim.conditions import Conditions, Energy
from edgesim.cost import analytic
from edgesim.cost.emulator import Emulation, Hardware, Phases, emulate
from edgesim.cost.pricing import SCORING, TRAINING, Terms
from edgesim.cost.steps import step_cost
from edgesim.profiles import DeviceProfile
from edgesim.work import FloatArray, IntArray, StepTrace, Work, Workload

Kind = Literal["train", "forward"]
_GRIDS = ("trains", "batch_sizes", "steps")


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

    @classmethod
    def stack(cls, loads: Sequence[Load]) -> Load:
        """Loads one after another, C the sum of theirs."""
        width = max(load.steps.shape[1] for load in loads)

        def wide(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
            return np.pad(values, ((0, 0), (0, width - values.shape[1])))

        flat = (
            np.concatenate([getattr(load, name) for load in loads]) for name in ("flops", "stepless", "comparisons")
        )
        grids = (np.concatenate([wide(getattr(load, name)) for load in loads]) for name in _GRIDS)
        return cls(*flat, *grids)

    def repeated(self, count: int) -> Load:
        """The same for `count` trials, where it is the same for all."""
        if len(self.flops) == count:
            return self
        return Load(*(np.repeat(values, count, axis=0) for values in vars(self).values()))

    @property
    def largest_training_batch(self) -> IntArray:
        """[C] the largest batch that is passed backward; 0 where none is."""
        return np.asarray(np.where(self.trains, self.batch_sizes, 0).max(axis=1, initial=0))


class Device(NamedTuple):
    """Who is priced."""

    profile: DeviceProfile
    conditions: Conditions = Conditions()


@dataclass(frozen=True)
class Forecast:
    """Both prices of C trials on one device; what is not asked for is not worked out. Arrays [C], float64."""

    terms: Terms
    device: Device
    score: Load
    """scoring and selection of C trials, or of 1 for all of them"""
    train: Load
    """training of C trials"""
    kept: IntArray
    """[C] samples that each keeps"""

    @cached_property
    def analytic_score_time_s(self) -> FloatArray:
        """Scoring and selection, by the closed form (edge paper, Eqs. 24-25)."""
        return self._analytic_s(self.score)

    @cached_property
    def analytic_train_time_s(self) -> FloatArray:
        """Training, by the closed form (Eqs. 8, 26)."""
        return self._analytic_s(self.train)

    @cached_property
    def device_score_time_s(self) -> FloatArray:
        """Scoring and selection, emulated with all the energy that it takes."""
        return self._emulated.of(SCORING, self._emulated.time_s)

    @cached_property
    def device_train_time_s(self) -> FloatArray:
        """Training, emulated."""
        return self._emulated.of(TRAINING, self._emulated.time_s)

    @cached_property
    def finished(self) -> npt.NDArray[np.bool_]:
        """Whether the device gets to the end under its conditions: with its charge, in its windows."""
        run = self._emulated if self._mains == self.device.conditions else self._emulate(self.device.conditions)
        return run.finished

    @cached_property
    def largest_batch(self) -> IntArray:
        """Samples of the largest training step, which the peak memory belongs to."""
        batch = np.maximum(self.score.largest_training_batch, self.train.largest_training_batch)
        return np.broadcast_to(batch, len(self.kept)).astype(np.int64)

    @property
    def peak_memory_bytes(self) -> FloatArray:
        """Peak training memory."""
        workload, states = self.terms.workload, self.terms.optimizer_states
        return np.array([workload.peak_training_bytes(int(batch), states) for batch in self.largest_batch], dtype=float)

    @property
    def storage_bytes(self) -> FloatArray:
        """Of the kept samples (Eq. 9)."""
        return analytic.storage_bytes(self.kept, self.terms.sample_bytes).astype(np.float64)

    def time_s(self, price: str) -> FloatArray:
        """Scoring and training by the `analytic` or the `emulated` price."""
        if price == "analytic":
            return self.analytic_score_time_s + self.analytic_train_time_s
        return self.device_score_time_s + self.device_train_time_s

    def energy_j(self, price: str) -> FloatArray:
        """Scoring and training by the `analytic` or the `emulated` price."""
        if price == "analytic":
            return analytic.energy_j(self.time_s(price), self.device.profile.power_w)
        return np.asarray(self._emulated.energy_j.sum(axis=-1))

    def score_share(self, price: str, quantity: str) -> FloatArray:
        """Scoring's share of the time, or of the energy: `quantity` is "latency_s" or "energy_j"."""
        if price == "analytic":  # one power for both, so one share
            return self.analytic_score_time_s / self.time_s(price)
        if quantity == "energy_j":
            return self._emulated.of(SCORING, self._emulated.energy_j) / self.energy_j(price)
        return self.device_score_time_s / self.time_s(price)

    def _analytic_s(self, load: Load) -> FloatArray:
        time_s = analytic.latency_s(load.flops + load.comparisons, self.device.profile.throughput_flops_per_s)
        return np.broadcast_to(time_s, len(self.kept))

    @property
    def _mains(self) -> Conditions:
        """The device's conditions, but for a source of energy without an end."""
        return replace(self.device.conditions, energy=Energy())

    @cached_property
    def _emulated(self) -> Emulation:
        return self._emulate(self._mains)

    def _emulate(self, conditions: Conditions) -> Emulation:
        """All C trials through the device's time: the one place where forecasts meet the emulator."""
        start = self.device.profile.compute.first_step_s
        start_up = np.array([1.0, start.value if start else 0.0, 0.0]).reshape(3, 1, 1)
        timed = start_up, self._timed(self.score), self._timed(self.train)
        parts = [np.broadcast_to(part, (3, len(self.kept), part.shape[2])) for part in timed]
        labels = (TRAINING,) + (SCORING,) * parts[1].shape[2] + (TRAINING,) * parts[2].shape[2]
        steps, busy_s, wait_s = np.concatenate(parts, axis=2)
        one = Hardware.of(self.device.profile, conditions.power_mode)
        hardware = Hardware(*(np.broadcast_to(value, len(self.kept)) for value in vars(one).values()))
        return emulate(Phases(steps, busy_s, wait_s, labels), hardware, conditions)

    def _timed(self, load: Load) -> FloatArray:
        """[3, C, S + 1] steps, busy and waiting seconds per step of a load: its steps, then the work without steps."""
        terms, profile = self.terms, self.device.profile
        timed = np.zeros((3, len(load.flops), load.steps.shape[1] + 1))
        timed[0, :, :-1] = load.steps
        kinds: tuple[tuple[Kind, npt.NDArray[np.bool_]], ...] = (("train", load.trains), ("forward", ~load.trains))
        per_step_s = np.zeros((2, *load.steps.shape))
        for kind, mine in kinds:
            sizes, which = np.unique(load.batch_sizes[mine], return_inverse=True)
            if len(sizes):
                paid = terms.sample_bytes, terms.optimizer_states, profile, terms.precision
                cost = step_cost(kind, sizes, terms.workload, *paid)
                per_step_s[:, mine] = np.stack([cost.busy_s, cost.read_s])[:, which]
        timed[1:, :, :-1] = per_step_s
        timed[0, :, -1] = 1.0
        timed[1, :, -1] = load.stepless / profile.throughput_flops_per_s
        return timed


def _tally(trace: StepTrace) -> Counter[tuple[str, int]]:
    """(kind, batch size) -> steps."""
    counted: Counter[tuple[str, int]] = Counter()
    for segment in trace.segments:
        counted[segment.kind, segment.batch_size] += segment.steps
    return counted
