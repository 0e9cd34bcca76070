"""Both prices of many trials on one device at once, from their work, before or after they run.

This is the only way from work to device time. Plans, budgets and feasibility price the expected work of trials,
`pricing` the work that one has done. Equal work has equal prices, bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from edgesim.cost import analytic, feasibility
from edgesim.cost.context import SCORING, STARTUP, TRAINING, Price, PricingContext
from edgesim.cost.emulator import Emulation, Hardware, Phases, emulate
from edgesim.cost.step_counts import StepCounts
from edgesim.cost.steps import StepCost, StepSetting, startup_cost, step_cost
from edgesim.hardware.conditions import Conditions
from edgesim.hardware.loading import DeviceProfile
from edgesim.hardware.power_setting import PowerSetting, setting
from edgesim.work import FloatArray, IntArray, StepTrace, Work

_PARTS = ("steps", "compute_s", "memory_s", "overhead_s", "wait_s", "load_s")
"""fields of Phases; the last one of GPUs alone"""


class Device(NamedTuple):
    """Device to price: profile and operating conditions."""

    profile: DeviceProfile
    conditions: Conditions = Conditions()


class CostParts(NamedTuple):
    """Parts of C trials' emulated time, and their energy of start-up and scoring. Arrays [C]."""

    startup_s: FloatArray
    score_s: FloatArray
    train_s: FloatArray
    startup_j: FloatArray
    score_j: FloatArray

    @property
    def time_s(self) -> FloatArray:
        """All three."""
        return self.startup_s + self.score_s + self.train_s


@dataclass(frozen=True)
class BatchPricing:
    """Both prices of C trials on one device, computed when asked for. Arrays [C], float64."""

    context: PricingContext
    device: Device
    score: StepCounts
    """scoring and selection of C trials, or of 1 for all of them"""
    train: StepCounts
    """one training of each of C trials; their prices have `PricingContext.repeats` of them"""
    kept: IntArray
    """[C] samples that each keeps"""
    factor: FloatArray | float = 1.0
    """[C] of the device's throughput over its profile's, as `hardware.loading.vary` scales it; or one for all"""

    @classmethod
    def training_only(
        cls, context: PricingContext, device: Device, n: IntArray, factor: FloatArray | float = 1.0
    ) -> BatchPricing:
        """Plain training on n samples [C], with nothing scored."""
        nothing = StepCounts.of([(Work(), StepTrace())], context.workload)
        train = StepCounts.training(n, context.batch_size, context.epochs, context.workload)
        return cls(context, device, nothing, train, n, factor)

    @cached_property
    def analytic_score_time_s(self) -> FloatArray:
        """Scoring and selection, by the closed form (edge paper, Eqs. 24-25)."""
        return self._analytic_s(self.score, 1)

    @cached_property
    def analytic_train_time_s(self) -> FloatArray:
        """All trainings, by the closed form (Eqs. 8, 26)."""
        return self._analytic_s(self.train, self.context.repeats)

    @cached_property
    def parts(self) -> CostParts:
        """Start-up, scoring with selection, and training, emulated with all the energy that they take."""
        return self.parts_of(self.on_mains)

    def parts_of(self, run: Emulation) -> CostParts:
        """The parts of the trials in one of their emulations.

        Start-up is the work of starting up alone. Waits for a window before or during it count as training: a warm
        device has them, too. The start-ups of later trainings are a share of the busy time of the trainings, and of
        their energy above idle (`phases`).
        """
        wait_s, idle_w = run.of(STARTUP, run.wait_s), self.device.profile.idle_w
        startup_s, train_s = run.of(STARTUP, run.time_s) - wait_s, run.of(TRAINING, run.time_s) + wait_s
        startup_j = run.of(STARTUP, run.energy_j) - wait_s * idle_w
        if self._later_start_s:
            busy, above = self._later_start_shares
            later_s = run.of(TRAINING, (run.time_s - run.wait_s) * busy)
            later_j = run.of(TRAINING, (run.energy_j - run.time_s * idle_w) * above) + later_s * idle_w
            startup_s, train_s, startup_j = startup_s + later_s, train_s - later_s, startup_j + later_j
        score_s, score_j = (run.of(SCORING, values) for values in (run.time_s, run.energy_j))
        return CostParts(startup_s, score_s, train_s, startup_j, score_j)

    @cached_property
    def on_mains(self) -> Emulation:
        """Under the device's conditions, but for a source of energy without an end."""
        return self._emulate(self.device.conditions.with_endless_energy())

    @cached_property
    def as_it_is(self) -> Emulation:
        """Under the device's conditions."""
        conditions = self.device.conditions
        return self.on_mains if conditions.energy.source == "mains" else self._emulate(conditions)

    @cached_property
    def undisturbed_s(self) -> FloatArray:
        """Seconds of all the work, were the device always available."""
        run = self._emulate(self.device.conditions.with_endless_energy().always_available())
        return run.total(run.time_s)

    @property
    def finished(self) -> npt.NDArray[np.bool_]:
        """True where the device finishes under its conditions: with its charge, within its windows."""
        return self.as_it_is.finished

    @cached_property
    def largest_batch(self) -> IntArray:
        """Samples of the largest training step, which the peak memory belongs to."""
        batch = np.maximum(self.score.largest_training_batch, self.train.largest_training_batch)
        return np.broadcast_to(batch, len(self.kept)).astype(np.int64)

    @property
    def peak_memory_bytes(self) -> FloatArray:
        """Peak memory of training on the device."""
        terms = self.context
        batch, states = self.largest_batch, terms.optimizer_states
        return feasibility.peak_memory_bytes(self.device.profile, terms.workload, batch, states).astype(np.float64)

    @property
    def storage_bytes(self) -> FloatArray:
        """Of the kept samples (Eq. 9)."""
        return analytic.storage_bytes(self.kept, self.context.sample_bytes).astype(np.float64)

    @property
    def upload_s(self) -> FloatArray:
        """Sending the kept samples by the device's link; NaN where none is known."""
        link = self.device.profile.link
        return self.storage_bytes / (link.up_bytes_per_s.value if link else np.nan)

    def time_s(self, price: Price) -> FloatArray:
        """All of a trial by the `analytic` or the `emulated` price; only the latter knows of start-up."""
        if price == "analytic":
            return self.analytic_score_time_s + self.analytic_train_time_s
        return self.parts.time_s

    def energy_j(self, price: Price) -> FloatArray:
        """All of a trial by the `analytic` or the `emulated` price."""
        if price == "analytic":
            power_w = self.device.profile.power_w
            parts = (self.analytic_score_time_s, self.analytic_train_time_s)
            return np.asarray(sum(analytic.energy_j(part_s, power_w) for part_s in parts))
        return self.on_mains.total(self.on_mains.energy_j)

    def overhead_shares(self, price: Price, quantity: str) -> tuple[FloatArray, FloatArray]:
        """The shares of start-up and of scoring in a `quantity`: "latency_s" or "energy_j"."""
        if price == "analytic":  # one power for both, so one share
            return np.zeros(len(self.kept)), self.analytic_score_time_s / self.time_s(price)
        if quantity == "energy_j":
            return self.parts.startup_j / self.energy_j(price), self.parts.score_j / self.energy_j(price)
        return self.parts.startup_s / self.time_s(price), self.parts.score_s / self.time_s(price)

    @cached_property
    def phases(self) -> Phases:
        """The timed phases of all C trials: start-up, scoring, training; labelled so.

        Seconds are at full clock where a processor computes, and at the clocks of the power mode where a GPU does.

        A trial is one job: its start-up comes first, on a warm device in no time. Work that has no steps
        (comparisons, linear algebra) follows the steps of its part at the training throughput.

        N trainings (`PricingContext.repeats`) are N times the steps of one, as E epochs are: equal steps stand
        together. Each later training has a start-up of its own, spread evenly over its steps: at the limit of its heat
        a device sheds the same mean power whatever the order. N trainings of
        400 s, a tenth of it start-up, were emulated one by one for comparison. On a phone that throttles the error is
        below 1 % of time and energy (tests/test_repeats.py).
        """
        startup = dict.fromkeys(_PARTS, np.zeros((1, 1))) | {
            "steps": np.ones((1, 1)),
            "overhead_s": np.full((1, 1), self._start_s),
            "load_s": np.full((1, 1), self._start_s * self._start_load),
        }
        score, train = self._timed(self.score), self._timed(self.train)
        if self.context.repeats > 1:
            later_s = self._later_start_per_step_s(train["steps"])
            train["overhead_s"] = train["overhead_s"] + later_s
            train["load_s"] = train["load_s"] + later_s * self._start_load
            train["steps"] = train["steps"] * self.context.repeats
        labels = (STARTUP,) + (SCORING,) * score["steps"].shape[1] + (TRAINING,) * train["steps"].shape[1]
        count = len(self.kept)
        arrays = {
            part: np.concatenate(
                [np.broadcast_to(counts[part], (count, counts[part].shape[1])) for counts in (startup, score, train)],
                axis=1,
            )
            for part in _PARTS
        }
        if self._start.load_s is None:
            del arrays["load_s"]
        return Phases(labels=labels, **arrays)

    def _analytic_s(self, counts: StepCounts, times: int) -> FloatArray:
        throughput = self.device.profile.throughput_flops_per_s * np.asarray(self.factor)
        operations = times * counts.flops + times * counts.comparisons
        return np.broadcast_to(analytic.latency_s(operations, throughput), len(self.kept))

    @cached_property
    def _setting(self) -> PowerSetting:
        return setting(self.device.profile, self.device.conditions.power_mode)

    @cached_property
    def _start(self) -> StepCost:
        """One start-up of a cold device."""
        return startup_cost(self.device.profile, self.device.conditions.power_mode)

    @property
    def _start_s(self) -> float:
        """One start-up; none on a warm device."""
        return float(self._start.overhead_s[0]) if self.device.conditions.startup == "cold" else 0.0

    @property
    def _start_load(self) -> float:
        """Power above idle of a start-up over that under full load, where the power by clocks is known."""
        load_s, start_s = self._start.load_s, self._start.overhead_s
        return float(load_s[0] / start_s[0]) if load_s is not None and start_s[0] else 0.0

    @property
    def _later_start_s(self) -> float:
        """The start-ups of all trainings but the first."""
        return (self.context.repeats - 1) * self._start_s

    def _later_start_per_step_s(self, steps: FloatArray) -> FloatArray:
        """[C, 1] of them, per step of all trainings; arguments: [C, S] steps of one training, the stepless last."""
        return self._later_start_s / (self.context.repeats * steps.sum(axis=1, keepdims=True))

    @cached_property
    def _later_start_shares(self) -> tuple[FloatArray, FloatArray]:
        """[C, phases] their shares of a training phase's busy seconds, and of its energy above idle."""
        phases, hardware = self.phases, Hardware.of(self.device.profile, self.device.conditions.power_mode)
        compute_s, memory_s, overhead_s = map(np.asarray, (phases.compute_s, phases.memory_s, phases.overhead_s))
        speed, overhead_speed = np.asarray(hardware.speed), np.asarray(hardware.overhead_speed)
        mine = np.array([label == TRAINING for label in phases.labels])
        once = np.asarray(phases.steps)[:, mine] / self.context.repeats
        start_s = self._later_start_per_step_s(once) / overhead_speed
        shares = []
        if phases.load_s is not None:
            busy_s, load_s = compute_s + memory_s + overhead_s, np.asarray(phases.load_s)
            parts = ((start_s, busy_s), (start_s * self._start_load, load_s))
            found = [np.divide(part, whole, out=np.zeros_like(whole), where=whole > 0) for part, whole in parts]
            return np.where(mine, found[0], 0.0), np.where(mine, found[1], 0.0)
        for activities in ((1.0, 1.0), (hardware.memory_activity, hardware.overhead_activity)):
            memory, overhead = map(np.asarray, activities)
            spent_s = (compute_s + memory * memory_s) / speed + overhead * overhead_s / overhead_speed
            share = np.divide(overhead * start_s, spent_s, out=np.zeros_like(spent_s), where=spent_s > 0)
            shares.append(np.where(mine, share, 0.0))
        return shares[0], shares[1]

    def _emulate(self, conditions: Conditions) -> Emulation:
        """All C trials through the device's time."""
        return emulate(self.phases, Hardware.of(self.device.profile, conditions.power_mode), conditions)

    def _timed(self, counts: StepCounts) -> dict[str, FloatArray]:
        """Each of _PARTS [C, S + 1] of counts: their steps, then the work without steps."""
        context, profile = self.context, self.device.profile
        factor = np.reshape(self.factor, (-1, 1))
        rows = max(len(counts.flops), len(factor))
        timed = {part: np.zeros((rows, counts.steps.shape[1] + 1)) for part in _PARTS}
        timed["steps"][:, :-1] = counts.steps
        timed["steps"][:, -1] = 1.0
        kinds: tuple[tuple[Literal["train", "forward"], npt.NDArray[np.bool_]], ...] = (
            ("train", counts.trains),
            ("forward", ~counts.trains),
        )
        mode = StepSetting(context.precision, self.device.conditions.power_mode, factor)
        inputs = context.sample_bytes, context.optimizer_states, profile, mode
        for (place, network), (kind, of_kind) in product(enumerate(counts.networks), kinds):
            mine = of_kind if len(counts.networks) == 1 else of_kind & (counts.network == place)[:, None]
            if mine.any():
                cost = step_cost(kind, counts.batch_sizes, network, *inputs)
                for part, seconds in (
                    ("compute_s", cost.compute_s),
                    ("memory_s", cost.memory_s),
                    ("overhead_s", cost.overhead_s),
                    ("wait_s", cost.read_s),
                    ("load_s", 0.0 if cost.load_s is None else cost.load_s),
                ):
                    np.copyto(timed[part][:, :-1], seconds, where=mine)
        speed = self._setting.speed if self._setting.clocks is not None else 1.0
        stepless_s = counts.stepless / profile.throughput_flops_per_s / (factor[:, 0] * speed)
        timed["compute_s"][:, -1] = timed["load_s"][:, -1] = stepless_s
        return timed
