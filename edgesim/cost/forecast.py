"""Both prices of many trials of one device at once, from what they do: before they run, and after.

This is the one way from work to device time: plans, budgets and feasibility price what trials will do, `pricing` what
one has done, and to the bit alike where the two are the same work.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from edgesim.conditions import Conditions, Energy
from edgesim.cost import analytic
from edgesim.cost.emulator import Emulation, Hardware, Phases, emulate
from edgesim.cost.loads import Load
from edgesim.cost.steps import step_cost
from edgesim.cost.terms import SCORING, TRAINING, Terms
from edgesim.profiles import DeviceProfile
from edgesim.work import FloatArray, IntArray

_PARTS = ("steps", "compute_s", "memory_s", "overhead_s", "wait_s")
"""fields of Phases"""


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
    factor: FloatArray | float = 1.0
    """[C] of the device's throughput over its profile's, as `profiles.vary` would change that; or one for all"""

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
        return self.on_mains.of(SCORING, self.on_mains.time_s)

    @cached_property
    def device_train_time_s(self) -> FloatArray:
        """Training, emulated so."""
        return self.on_mains.of(TRAINING, self.on_mains.time_s)

    @cached_property
    def on_mains(self) -> Emulation:
        """Under the device's conditions, but for a source of energy without an end."""
        return self._emulate(replace(self.device.conditions, energy=Energy()))

    @cached_property
    def as_it_is(self) -> Emulation:
        """Under the device's conditions."""
        conditions = self.device.conditions
        return self.on_mains if conditions.energy.source == "mains" else self._emulate(conditions)

    @cached_property
    def undisturbed_s(self) -> FloatArray:
        """Seconds of all the work, were the device always available."""
        run = self._emulate(replace(self.device.conditions, energy=Energy(), available=None))
        return run.total(run.time_s)

    @property
    def finished(self) -> npt.NDArray[np.bool_]:
        """Whether the device gets to the end under its conditions: with its charge, in its windows."""
        return self.as_it_is.finished

    @cached_property
    def largest_batch(self) -> IntArray:
        """Samples of the largest training step, which the peak memory belongs to."""
        batch = np.maximum(self.score.largest_training_batch, self.train.largest_training_batch)
        return np.broadcast_to(batch, len(self.kept)).astype(np.int64)

    @property
    def peak_memory_bytes(self) -> FloatArray:
        """Peak training memory."""
        peak = self.terms.workload.peak_training_bytes(self.largest_batch, self.terms.optimizer_states)
        return peak.astype(np.float64)

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
            power_w = self.device.profile.power_w
            parts = (self.analytic_score_time_s, self.analytic_train_time_s)
            return np.asarray(sum(analytic.energy_j(part_s, power_w) for part_s in parts))
        return self.on_mains.total(self.on_mains.energy_j)

    def score_share(self, price: str, quantity: str) -> FloatArray:
        """Scoring's share of the time, or of the energy: `quantity` is "latency_s" or "energy_j"."""
        if price == "analytic":  # one power for both, so one share
            return self.analytic_score_time_s / self.time_s(price)
        if quantity == "energy_j":
            return self.on_mains.of(SCORING, self.on_mains.energy_j) / self.energy_j(price)
        return self.device_score_time_s / self.time_s(price)

    @cached_property
    def phases(self) -> Phases:
        """The timed phases of all C trials at full clock: start-up, scoring, training; labelled so.

        A trial is one job: its start-up comes first and counts as training's, for it is there without scoring, too.
        Work that has no steps (comparisons, linear algebra) follows the steps of its part at the training throughput.
        """
        start = self.device.profile.compute.first_step_s
        begin = dict.fromkeys(_PARTS, np.zeros((1, 1))) | {
            "steps": np.ones((1, 1)),
            "overhead_s": np.full((1, 1), start.value if start else 0.0),
        }
        score, train = self._timed(self.score), self._timed(self.train)
        labels = (TRAINING,) + (SCORING,) * score["steps"].shape[1] + (TRAINING,) * train["steps"].shape[1]
        count = len(self.kept)
        arrays = {
            part: np.concatenate(
                [np.broadcast_to(load[part], (count, load[part].shape[1])) for load in (begin, score, train)], axis=1
            )
            for part in _PARTS
        }
        arrays["compute_s"] /= np.reshape(self.factor, (-1, 1))
        return Phases(labels=labels, **arrays)

    def _analytic_s(self, load: Load) -> FloatArray:
        throughput = self.device.profile.throughput_flops_per_s * np.asarray(self.factor)
        return np.broadcast_to(analytic.latency_s(load.flops + load.comparisons, throughput), len(self.kept))

    def _emulate(self, conditions: Conditions) -> Emulation:
        """All C trials through the device's time."""
        return emulate(self.phases, Hardware.of(self.device.profile, conditions.power_mode), conditions)

    def _timed(self, load: Load) -> dict[str, FloatArray]:
        """Each of _PARTS [C, S + 1] of a load: its steps, then the work without steps."""
        terms, profile = self.terms, self.device.profile
        timed = {part: np.zeros((len(load.flops), load.steps.shape[1] + 1)) for part in _PARTS}
        timed["steps"][:, :-1] = load.steps
        timed["steps"][:, -1] = 1.0
        kinds: tuple[tuple[Literal["train", "forward"], npt.NDArray[np.bool_]], ...] = (
            ("train", load.trains),
            ("forward", ~load.trains),
        )
        for kind, mine in kinds:
            if mine.any():
                paid = terms.sample_bytes, terms.optimizer_states, profile, terms.precision
                cost = step_cost(kind, load.batch_sizes, load.network, *paid)
                for part, seconds in (
                    ("compute_s", cost.compute_s),
                    ("memory_s", cost.memory_s),
                    ("overhead_s", cost.overhead_s),
                    ("wait_s", cost.read_s),
                ):
                    np.copyto(timed[part][:, :-1], seconds, where=mine)
        timed["compute_s"][:, -1] = load.stepless / profile.throughput_flops_per_s
        return timed
