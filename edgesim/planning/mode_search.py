"""Search for the power mode and the subset size of devices: the best of all combinations within limits.

Every mode of a device and every size of a grid is a candidate. `Target` has the order of preference.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal

import numpy as np
import numpy.typing as npt

from edgesim.cost import feasibility
from edgesim.cost.batch_pricing import Device
from edgesim.cost.battery import ROUNDING
from edgesim.cost.emulator import STRETCHES
from edgesim.cost.mode_steps import ModeSteps, TrialSums
from edgesim.cost.step_counts import StepCounts
from edgesim.hardware.conditions import ChosenClocks
from edgesim.hardware.mode_grid import ModeGrid
from edgesim.planning.expected_cost import DeviceBatch, ExpectedWork, demand, may_stop
from edgesim.work import FloatArray, IntArray

Goal = Literal["energy", "time", "ratio", "accuracy"]


@dataclass(frozen=True)
class Target:
    """Goal of a search, and its limits.

    Of the candidates within the limits the best by the goal is chosen: the least energy, the least time, the largest
    subset, or the highest measured accuracy of a subset. Equal ones are decided by less energy, then less time, then a
    larger subset, then lower clocks: of the GPU, of the memory, of the processor. Named modes without clocks are in
    order of speed.
    """

    goal: Goal
    deadline_s: float | None = None
    """time that a trial may take"""
    energy_j: float | None = None
    """energy that a trial may take"""

    def within(self, time_s: FloatArray, energy_j: FloatArray) -> npt.NDArray[np.bool_]:
        """True where a price is within all limits."""
        limits = ((time_s, self.deadline_s), (energy_j, self.energy_j))
        fits = [taken <= limit for taken, limit in limits if limit is not None]
        return np.logical_and.reduce([*fits, np.ones(np.shape(time_s), dtype=bool)])

    def excess(self, time_s: FloatArray, energy_j: FloatArray) -> FloatArray:
        """Largest ratio of a price to its limit."""
        limits = ((time_s, self.deadline_s), (energy_j, self.energy_j))
        with np.errstate(over="ignore"):  # a limit of next to nothing is exceeded without end
            ratios = [taken / limit for taken, limit in limits if limit is not None]
        return np.maximum.reduce([np.zeros(np.shape(time_s)), *ratios])


@dataclass(frozen=True)
class Candidates:
    """Prices of all candidates of one device and one method."""

    m: IntArray
    """[C] subset sizes"""
    modes: IntArray
    """[K] positions in the device's grid of modes"""
    time_s: FloatArray
    """[C, K]"""
    energy_j: FloatArray
    """[C, K]"""
    limit: IntArray
    """[C, K] position in `feasibility.LIMITS` of the limit of the device that is broken; 0 = none"""

    def front(self) -> tuple[IntArray, IntArray]:
        """Candidates that no other one beats: [F] rows and columns, by size falling, then by time.

        One candidate beats another where it is no worse in time, energy and size, and better in one of them.
        """
        rows, columns = np.nonzero(self.limit == 0)
        time_s, energy_j, m = self.time_s[rows, columns], self.energy_j[rows, columns], self.m[rows]
        order = np.lexsort((self.modes[columns], energy_j, time_s, -m))
        kept: list[int] = []
        for size in np.unique(m)[::-1]:
            mine = order[m[order] == size]
            least = np.minimum.accumulate(energy_j[mine])
            falls = np.concatenate([[True], least[1:] < least[:-1]])
            larger = np.array(kept, dtype=np.int64)
            for i in mine[falls]:
                beaten = (time_s[larger] <= time_s[i]) & (energy_j[larger] <= energy_j[i])
                if not beaten.any():
                    kept.append(int(i))
        return rows[kept], columns[kept]


@dataclass(frozen=True)
class Choice:
    """Candidate that a search chose; the nearest one where none is within the limits of the target."""

    m: int
    mode: int
    """position in the device's grid of modes"""
    meets: bool
    """True where it is within the limits of the target"""
    limit: int
    """position in `feasibility.LIMITS` of the limit of the device that rules out all candidates; 0 = none"""


def choose(found: Candidates, target: Target, accuracy: FloatArray | None = None) -> Choice:
    """The best candidate; where none is within the limits of the target, the one that is beyond them by least.

    Where the device can do none of them: the smallest subset in the last mode.

    Args:
        found: the candidates.
        target: goal and limits.
        accuracy: [C] accuracy of each subset size, where that is the goal.
    """
    able = found.limit == 0
    if not able.any():
        return Choice(int(found.m[0]), int(found.modes[-1]), False, int(found.limit[0, -1]))
    within = able & target.within(found.time_s, found.energy_j)
    meets = bool(within.any())
    if not meets:
        excess = np.where(able, target.excess(found.time_s, found.energy_j), np.inf)
        within = excess == excess.min()
    size = np.broadcast_to(-found.m[:, None].astype(np.float64), within.shape)
    keys = {"energy": found.energy_j, "time": found.time_s, "ratio": size}
    if accuracy is not None:
        keys["accuracy"] = np.broadcast_to(-accuracy[:, None], within.shape)
    first = np.where(within, keys.pop(target.goal), np.inf)
    rows, columns = np.nonzero(first == first.min())
    for key in (*keys.values(), np.broadcast_to(found.modes.astype(np.float64), within.shape)):
        values = key[rows, columns]
        rows, columns = rows[values == values.min()], columns[values == values.min()]
    return Choice(int(found.m[rows[0]]), int(found.modes[columns[0]]), meets, 0)


@dataclass(frozen=True)
class DeviceSearch:
    """P devices of one kind, each with one shard, and the works of the methods that they may run."""

    device: Device
    """whatever its power mode"""
    shard: IntArray
    """[P] positions of their shards"""
    works: Sequence[ExpectedWork]

    def candidates(
        self, sizes: Sequence[Sequence[IntArray]], together: bool = False
    ) -> Iterator[tuple[int, int, Candidates]]:
        """Position of the method, position of the device, and its candidates.

        Args:
            sizes: [methods, P] subset sizes of each, rising.
            together: True where all methods need the same modes; else each has those that may be its best.
        """
        modes = ModeGrid.of(self.device.profile)
        counts = [
            [counts_of(work, int(shard), m) for shard, m in zip(self.shard, mine, strict=True)]
            for work, mine in zip(self.works, sizes, strict=True)
        ]
        every = [part for mine in counts for pair in mine for part in pair]
        context = self.works[0].context
        table = ModeSteps.of(context, modes, self.device.conditions.startup, every)
        alone = not self.adds_up
        one_by_one = np.arange(len(modes)) if alone else np.flatnonzero(~table.additive)
        for place, (work, mine) in enumerate(zip(self.works, sizes, strict=True)):
            parts = every if together else [part for pair in counts[place] for part in pair]
            summed = one_by_one[:0] if alone else table.best(parts)
            some = table.some(summed)
            priced = [self._priced(work, modes.mode(int(k)), mine) for k in one_by_one]
            ends = np.cumsum([0, *map(len, mine)])
            limit = limit_of_all_modes(self.batch(work, modes.mode(len(modes) - 1)), mine) if summed.size else None
            found_in = DeviceConditions.of(self.device)
            for p, m in enumerate(mine):
                own = slice(ends[p], ends[p + 1])
                times, energies, limits = ([part[i][own] for part in priced] for i in range(3))
                if limit is not None:
                    sums = some.sums(*counts[place][p], context.repeats)
                    time_s, energy_j, stops = found_in.applied(sums)
                    times, energies = [time_s, *times], [energy_j, *energies]
                    limits = [np.where(limit[own, None] > 0, limit[own, None], stops), *limits]
                places = np.concatenate([summed, one_by_one])
                limits_of_all = np.column_stack(limits).astype(np.int64)
                yield place, p, Candidates(m, places, np.column_stack(times), np.column_stack(energies), limits_of_all)

    @property
    def adds_up(self) -> bool:
        """True where limits of the conditions follow from the sums: no power comes in, and the work is known."""
        exact = all(work.work_is == "exact" for work in self.works)
        return self.device.conditions.supply is None and (exact or not may_stop(self.device))

    def batch(self, work: ExpectedWork, mode: str | ChosenClocks) -> DeviceBatch:
        """The devices in one mode with one method."""
        profile, conditions = self.device
        ones = np.ones(len(self.shard))
        return DeviceBatch(work, Device(profile, replace(conditions, power_mode=mode)), self.shard, ones, ones)

    def _priced(
        self, work: ExpectedWork, mode: str | ChosenClocks, sizes: Sequence[IntArray]
    ) -> tuple[FloatArray, FloatArray, IntArray]:
        """Time, energy and limit of all devices' candidates in one mode, one device after another; as plans price."""
        place = np.repeat(np.arange(len(sizes)), [len(m) for m in sizes])
        cost = self.batch(work, mode).costs("emulated")(place, np.concatenate(sizes))
        return cost.time_s, cost.energy_j, np.broadcast_to(cost.limit, cost.time_s.shape).astype(np.int64)

    def prices(
        self, work: ExpectedWork, chosen: Sequence[tuple[int, str | ChosenClocks, int]]
    ) -> tuple[FloatArray, FloatArray]:
        """Time and energy of some trials, as plans price them.

        Args:
            work: of the method.
            chosen: (position of the device, mode, subset size) of each.
        """
        time_s, energy_j = np.zeros(len(chosen)), np.zeros(len(chosen))
        for mode in dict.fromkeys(mode for _, mode, _ in chosen):
            mine = np.array([i for i, (_, own, _) in enumerate(chosen) if own == mode])
            place, m = (np.array([chosen[i][part] for i in mine], dtype=np.int64) for part in (0, 2))
            priced = self.batch(work, mode).price(place, m)
            ends = priced.on_mains.finished
            time_s[mine] = np.where(ends, priced.time_s("emulated"), np.nan)
            energy_j[mine] = np.where(ends, priced.energy_j("emulated"), np.nan)
        return time_s, energy_j


@dataclass(frozen=True)
class DeviceConditions:
    """Windows and charge of a device, for prices that are sums of steps."""

    open_s: FloatArray | None
    """[W] starts of its windows; None = always available"""
    close_s: FloatArray | None
    idle_w: float
    charge_j: float
    """inf on mains"""

    @classmethod
    def of(cls, device: Device) -> DeviceConditions:
        """Windows and charge under which a device starts."""
        profile, conditions = device
        energy, windows = conditions.energy, conditions.windows
        charge_j = np.inf
        if energy.source != "mains":
            capacity_j = profile.battery_j if energy.capacity_j is None else energy.capacity_j
            assert capacity_j is not None  # checked with the fleet
            charge_j = capacity_j * (1.0 if energy.state_of_charge is None else energy.state_of_charge)
            charge_j += ROUNDING * capacity_j
        if windows is None:
            return cls(None, None, profile.idle_w, charge_j)
        followed = islice(windows.openings(0.0), max(STRETCHES, 2 * len(windows)))
        open_s, close_s = np.array(list(followed) or [(0.0, 0.0)]).T
        return cls(open_s, close_s, profile.idle_w, charge_j)

    def applied(self, sums: TrialSums) -> tuple[FloatArray, FloatArray, IntArray]:
        """Time and energy with the waits for windows; and position in `feasibility.LIMITS` of the limit that stops it.

        A device draws its idle power while it waits.
        """
        time_s, energy_j = sums.time_s, sums.energy_j
        ends = np.ones(time_s.shape, dtype=bool)
        if self.open_s is not None and self.close_s is not None:
            worked_s = np.cumsum(self.close_s - self.open_s)
            last = np.searchsorted(worked_s, time_s)
            ends = last < len(worked_s)
            last = np.minimum(last, len(worked_s) - 1)
            before_s = worked_s[last] - (self.close_s - self.open_s)[last]
            time_s = self.open_s[last] + sums.time_s - before_s
            energy_j = energy_j + self.idle_w * (time_s - sums.time_s)
        limits = feasibility.LIMITS.index("energy"), feasibility.LIMITS.index("availability")
        return time_s, energy_j, np.select([~ends, energy_j > self.charge_j], [limits[1], limits[0]], 0)


def counts_of(work: ExpectedWork, shard: int, m: IntArray) -> tuple[StepCounts, StepCounts]:
    """Scoring and training of one shard's candidates; one row of scoring where it is the same for all."""
    if not work.scores_once:
        return work.step_counts(np.full(len(m), shard), m)[:2]
    score = work.step_counts(np.array([shard]), m[:1])[0]
    first = work.shards[0]
    return score, StepCounts.training(m, first.batch_size, first.epochs, work.context.workload)


def limit_of_all_modes(batch: DeviceBatch, sizes: Sequence[IntArray]) -> IntArray:
    """Limit of the device that every candidate breaks, on a device that always finishes: the same in all modes."""
    profile, conditions = batch.device
    always = replace(batch, device=Device(profile, conditions.with_endless_energy().always_available()))
    place = np.repeat(np.arange(len(sizes)), [len(m) for m in sizes])
    priced = always.price(place, np.concatenate(sizes))
    found = feasibility.first_limit(demand(priced, batch.sizes[place]), profile)
    return np.broadcast_to(found, len(place)).astype(np.int64)
