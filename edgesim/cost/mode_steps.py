"""Time and power of every kind of step in every power mode of a device, for searches over modes and subset sizes.

The price of a trial is a sum over its steps as long as nothing depends on what came before: the device's heat stays
below its limit, it is always available, and its energy has no end. Then a table of steps by modes prices any number of
trials, in the order in which `BatchPricing` adds up, to the same bits.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgesim.cost.context import PricingContext
from edgesim.cost.phases import Hardware, PhaseRates, Phases
from edgesim.cost.step_counts import StepCounts
from edgesim.cost.steps import StepCost, StepSetting, startup_cost, step_cost
from edgesim.hardware.conditions import Startup
from edgesim.hardware.mode_grid import ModeGrid
from edgesim.work import FloatArray, IntArray, Workload

_ROUNDING = 1e-12
_SPAN = 1 << 40
"""above any batch size"""


@dataclass(frozen=True)
class TrialSums:
    """Time and energy of C trials in K modes; arrays [C, K]."""

    time_s: FloatArray
    energy_j: FloatArray


@dataclass(frozen=True)
class ModeSteps:
    """Every kind of step that some trials of one device take, in its K power modes."""

    modes: ModeGrid
    networks: tuple[Workload, ...]
    keys: IntArray
    """[U] kinds of steps (`_keys`), rising"""
    step_s: FloatArray
    """[U + 2, K]; the last but one is a start-up, the last one an operation without steps"""
    power_w: FloatArray
    """[U + 2, K] mean power of such a step"""
    additive: npt.NDArray[np.bool_]
    """[K] True where the price of a trial is the sum over its steps: no step heats the device beyond its limit"""
    speed: FloatArray
    """[K] of arithmetic without steps over that at full clock"""
    starts: tuple[int, int]
    """start-ups before the first training, and those of all later ones"""

    @classmethod
    def of(cls, context: PricingContext, modes: ModeGrid, startup: Startup, counts: Iterable[StepCounts]) -> ModeSteps:
        """The kinds of steps that occur in some counts.

        Args:
            context: workload, data and training.
            modes: of the device.
            startup: state of the device when a trial begins.
            counts: steps of scoring and of training.
        """
        given = list(counts)
        networks = tuple({id(network): network for one in given for network in one.networks}.values())
        keys = np.unique(np.concatenate([_keys(one, networks)[one.steps > 0] for one in given]))
        parts = [*_costs(context, modes, networks, keys), startup_cost(modes.profile, modes.setting), _stepless(modes)]
        names = ("compute_s", "memory_s", "overhead_s", "read_s", "load_s")
        on_gpu = modes.setting.clocks is not None
        columns = {name: np.concatenate([_column(part, name, len(modes)) for part in parts], axis=1) for name in names}
        load_s = columns["load_s"] if on_gpu and parts[-2].load_s is not None else None
        phases = Phases(
            np.ones(columns["compute_s"].shape), columns["compute_s"], columns["read_s"],
            (), columns["memory_s"], columns["overhead_s"], load_s,
        )  # fmt: skip
        rates = PhaseRates.of(phases, Hardware.of(modes.profile, modes.setting))
        cold = startup == "cold"
        used = np.ones(rates.step_s.shape[1], dtype=bool)
        used[-2], used[-1] = cold, any(one.stepless.any() for one in given)
        shape = rates.step_s.shape
        additive = ~(np.broadcast_to(rates.target, shape)[:, used] > 1.0).any(axis=1)
        repeats = context.repeats if cold else 1
        if repeats > 1 and load_s is not None:
            # Later start-ups are spread over the steps, which is a sum only where the full power cuts none of them off.
            additive &= ~(load_s > rates.step_s * (1 + _ROUNDING))[:, used].any(axis=1)
        starts = (1, repeats - 1) if cold else (0, 0)
        step_s, power_w = (
            np.ascontiguousarray(part.T) for part in (rates.step_s, np.broadcast_to(rates.free_w, shape))
        )
        speed = np.broadcast_to(modes.setting.speed, (len(modes), 1))[:, 0]
        return cls(modes, networks, keys, step_s, power_w, np.asarray(additive), speed, starts)

    def some(self, which: IntArray) -> ModeSteps:
        """The table of some of the modes; `modes` stays the whole grid."""
        parts = self.step_s[:, which], self.power_w[:, which], self.additive[which], self.speed[which]
        return ModeSteps(self.modes, self.networks, self.keys, *parts, self.starts)

    def sums(self, score: StepCounts, train: StepCounts, repeats: int) -> TrialSums:
        """Time and energy of C trials in every mode, without limits of heat, availability and charge.

        Args:
            score: scoring of C trials, or 1 row for all of them.
            train: one training of each.
            repeats: number of trainings.
        """
        start_s = self.starts[0] * self.step_s[-2]
        score_s, score_j = self._added(score, start_s * self.power_w[-2], 1)
        train_s, energy_j = self._added(train, score_j, repeats)
        later_s = self.starts[1] * self.step_s[-2]
        return TrialSums((start_s + later_s) + score_s + train_s, energy_j + later_s * self.power_w[-2])

    def _added(self, counts: StepCounts, energy_j: FloatArray, times: int) -> tuple[FloatArray, FloatArray]:
        """Seconds of all steps of a part of trials, and the energy so far with that of these steps; [C or 1, K]."""
        time_s = np.zeros((1, self.step_s.shape[1]))
        energy_j = np.atleast_2d(energy_j)
        place = np.minimum(np.searchsorted(self.keys, _keys(counts, self.networks)), len(self.keys) - 1)
        for column in range(place.shape[1]):
            number = counts.steps[:, column] * times
            kinds = np.unique(place[number > 0, column])
            if not kinds.size:
                continue
            kind = kinds if len(kinds) == 1 else place[:, column]
            seconds = number[:, None] * self.step_s[kind]
            time_s = time_s + seconds
            energy_j = energy_j + seconds * self.power_w[kind]
        if counts.stepless.any():
            throughput = self.modes.profile.throughput_flops_per_s
            seconds = counts.stepless[:, None] / throughput / self.speed * times
            time_s = time_s + seconds
            energy_j = energy_j + seconds * self.power_w[-1]
        return time_s, energy_j

    def best(self, counts: Iterable[StepCounts]) -> IntArray:
        """Modes that can be the best for some trial, by time and energy: positions, rising.

        A mode that is no faster in any step than another one, and takes more energy in every step, is the best for no
        trial: each trial is a sum of such steps. Modes whose price is no such sum are left out.

        Args:
            counts: steps of the trials.
        """
        used = np.zeros(len(self.step_s), dtype=bool)
        used[-2] = self.starts[0] > 0
        for one in counts:
            used[np.searchsorted(self.keys, np.unique(_keys(one, self.networks)[one.steps > 0]))] = True
            used[-1] |= bool(one.stepless.any())
        joule = (self.step_s * self.power_w)[used].T
        second = self.step_s[used].T
        lasts = (joule > 0).any(axis=0)
        joule, second = joule[:, lasts], second[:, lasts]
        kept: list[int] = []
        chosen = np.flatnonzero(self.additive)
        for k in chosen[np.argsort(joule[chosen].sum(axis=1), kind="stable")]:
            others = np.array(kept, dtype=np.int64)
            near = others[(second[others, 0] <= second[k, 0]) & (joule[others, 0] < joule[k, 0])] if kept else others
            beaten = (joule[near] < joule[k]).all(axis=1) & (second[near] <= second[k]).all(axis=1)
            if not beaten.any():
                kept.append(int(k))
        return np.sort(np.array(kept, dtype=np.int64))


def _keys(counts: StepCounts, networks: tuple[Workload, ...]) -> IntArray:
    """[C, S] kind of every step: network, pass and batch size as one number."""
    places = np.array([next(i for i, one in enumerate(networks) if one is own) for own in counts.networks])
    return np.asarray((places[counts.network][:, None] * 2 + counts.trains) * _SPAN + counts.batch_sizes)


def _costs(context: PricingContext, modes: ModeGrid, networks: tuple[Workload, ...], keys: IntArray) -> list[StepCost]:
    """Cost of the kinds of steps in their order, [K or 1, part of U] each."""
    found = []
    mode = StepSetting(context.precision, modes.setting)
    for kind in np.unique(keys // _SPAN):
        sizes = keys[keys // _SPAN == kind] % _SPAN
        inputs = context.sample_bytes, context.optimizer_states, modes.profile, mode
        found.append(step_cost("train" if kind % 2 else "forward", sizes, networks[kind // 2], *inputs))
    return found


def _stepless(modes: ModeGrid) -> StepCost:
    """One operation without steps, at the training throughput."""
    speed = modes.setting.speed if modes.setting.clocks is not None else 1.0
    seconds = np.asarray(1.0 / modes.profile.throughput_flops_per_s / np.atleast_2d(speed))
    nothing = np.zeros_like(seconds)
    return StepCost(seconds, nothing, nothing, nothing, seconds)


def _column(cost: StepCost, name: str, modes: int) -> FloatArray:
    """[K, S] of one part of some steps' cost."""
    values = getattr(cost, name)
    shape = np.broadcast_shapes(*(np.atleast_2d(part).shape for part in vars(cost).values() if part is not None))
    whole = np.zeros(shape) if values is None else np.broadcast_to(np.atleast_2d(values), shape)
    return np.broadcast_to(whole, (modes, shape[1]))
