"""Power modes by the objective: the ratio that its rule takes in each mode, and its price relative to one reference.

The rule's own J is relative to plain training in the same mode, so that it cannot compare modes. Here the J of every
mode is relative to plain training at the highest clocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edgesim.cost.analytic import storage_bytes
from edgesim.cost.mode_steps import ModeSteps
from edgesim.cost.objective import GRID, CostFunction, DeviceData, Objective, SubsetCost, least_objective
from edgesim.cost.step_counts import StepCounts
from edgesim.hardware.conditions import FULL_MODE, ChosenClocks
from edgesim.hardware.mode_grid import ModeGrid
from edgesim.planning.expected_cost import DeviceBatch, ExpectedWork
from edgesim.planning.mode_search import DeviceConditions, DeviceSearch, counts_of, limit_of_all_modes
from edgesim.planning.ratio_rules import choose, jumps, relative_to_plain_training
from edgesim.work import FloatArray, IntArray

MOST_PRICES = 1 << 21
"""prices of one device that are held at once: subset sizes x modes"""
MOST_COUNTED = 10_000
"""samples of a device up to which the steps of all subset sizes are counted, where these have scorings of their own"""
DECIMALS = 12
"""of objectives that are compared: what differs beyond them is rounding"""
KEEPS_ALL = np.array([[1.0, 1.0]])
"""curve of a method that keeps all samples: its risk is the same in all modes"""


class InModes(NamedTuple):
    """Trials of one device and method at the ratio that the rule takes in each mode. Arrays [K]."""

    able: npt.NDArray[np.bool_]
    """False where the device can do no size"""
    value: FloatArray
    """w risk + lambda J, J relative to plain training at the highest clocks"""
    time_s: FloatArray
    energy_j: FloatArray


def best_mode(found: Sequence[InModes]) -> int:
    """The mode in which one device has the least sum of the methods' objectives; of equal ones by the documented rule.

    Modes in which it can do more of the methods come first. Equal ones are decided by less energy, then less time,
    then lower clocks. Where the device can do nothing: the last mode.

    Args:
        found: of each method, with the same modes.
    """
    able = np.stack([one.able for one in found])
    if not able.any():
        return able.shape[1] - 1
    value, time_s, energy_j = (
        np.where(able, np.stack([getattr(one, name) for one in found]), 0.0).sum(axis=0)
        for name in ("value", "time_s", "energy_j")
    )
    value = np.round(value, DECIMALS)
    return int(np.lexsort((np.arange(able.shape[1]), time_s, energy_j, value, -able.sum(axis=0)))[0])


@dataclass(frozen=True)
class ObjectiveSearch:
    """Devices of one kind with one method, whose trials are priced in all modes."""

    search: DeviceSearch
    work: ExpectedWork
    rule: Objective
    curve: FloatArray
    """[points, 2] keep ratio and accuracy of the method"""
    risk_weight: FloatArray
    """[P]"""

    def in_modes(self) -> list[InModes]:
        """[P] the trials of each device in all modes."""
        grid = self._grid
        shape = len(self.search.shard), len(grid)
        summed = np.zeros(shape, dtype=bool)
        parts = InModes(np.zeros(shape, dtype=bool), *(np.zeros(shape) for _ in range(3)))
        for p, table in enumerate(self._tables() if self._adds_up else []):
            summed[p] = table.additive
            for places in self._portions(p, np.flatnonzero(table.additive)):
                for part, column in zip(parts, self._by_sums(p, table.some(places)), strict=True):
                    part[p, places] = column
        for k in np.flatnonzero(~summed.all(axis=0)):
            mine = np.flatnonzero(~summed[:, k])
            for part, column in zip(parts, self._by_itself(mine, grid.mode(int(k))), strict=True):
                part[mine, k] = column
        return [InModes(*of_device) for of_device in zip(*parts, strict=True)]

    @cached_property
    def _grid(self) -> ModeGrid:
        return ModeGrid.of(self.search.device.profile)

    @property
    def _adds_up(self) -> bool:
        """True where prices are sums of steps, those of plain training too; that one may not end within windows."""
        few = self.work.scores_once or int(self._sizes.max()) <= MOST_COUNTED
        return few and self.search.adds_up and self.search.device.conditions.available is None

    def _batch(self, mode: str | ChosenClocks) -> DeviceBatch:
        """All devices in one mode."""
        return replace(self.search.batch(self.work, mode), risk_weight=self.risk_weight)

    @cached_property
    def _reference(self) -> DeviceData:
        """Plain training at the highest clocks."""
        return relative_to_plain_training(self.rule, self._batch(FULL_MODE))

    def _by_itself(self, mine: IntArray, mode: str | ChosenClocks) -> InModes:
        """Trials of some devices in one mode, as plans choose and price them. Arrays like `mine`."""
        batch = self._batch(mode).some(mine)
        decision = choose(self.rule, batch, self.curve)
        place = np.arange(len(mine))
        cost = batch.costs(self.rule.price, "planned")(place, decision.m)
        value = self._reference.value((mine, decision.m), cost, self.curve, self.rule, self.work.context.weights)
        return InModes(np.isfinite(decision.value), value, cost.time_s, cost.energy_j)

    def _by_sums(self, p: int, table: ModeSteps) -> InModes:
        """Trials of one device in the modes of a table. Arrays [K of the table]."""
        n, weights = int(self._sizes[p]), self.work.context.weights
        count = table.step_s.shape[1]
        costs, every = self._costs(p, table), np.arange(count)
        plain = table.sums(*self._plain(n), self.work.context.repeats)
        bytes_ = np.full(count, float(n * self.work.context.sample_bytes))
        full = SubsetCost(plain.time_s[0], plain.energy_j[0], bytes_)
        own = DeviceData(np.full(count, n), full, float(self.risk_weight[p]))
        best = least_objective(own, costs, self.curve, self.rule, weights, jumps(self.work))
        cost = costs(every, best.m)
        value = self._reference.value((np.full(count, p), best.m), cost, self.curve, self.rule, weights)
        return InModes(np.isfinite(best.value), value, cost.time_s, cost.energy_j)

    @property
    def _sizes(self) -> IntArray:
        """[P] samples of each device."""
        return self.work.sizes[self.search.shard]

    def _plain(self, n: int) -> tuple[StepCounts, StepCounts]:
        """Plain training on n samples, with nothing scored."""
        context = self.work.context
        train = StepCounts.training(np.array([n]), context.batch_size, context.epochs, context.workload)
        return train.times(0), train

    def _tables(self) -> list[ModeSteps]:
        """[P] kinds of steps that any subset size of a device has."""
        context, batch_size = self.work.context, self.work.context.batch_size
        found = []
        for shard, n in zip(self.search.shard, self._sizes, strict=True):
            most = min(int(n), 2 * batch_size) if self.work.scores_once else int(n)
            counts = counts_of(self.work, int(shard), np.arange(1, most + 1))
            startup = self.search.device.conditions.startup
            every = [*counts, *self._plain(int(n))]
            found.append(ModeSteps.of(context, self._grid, startup, every))
        return found

    def _portions(self, p: int, places: IntArray) -> list[IntArray]:
        """Parts of modes, with as many prices each as are held at once."""
        n, batch_size = int(self._sizes[p]), self.work.context.batch_size
        sizes = 3 * batch_size + 2 * n // batch_size if self.work.scores_once else GRID
        step = max(1, MOST_PRICES // sizes)
        return [places[i : i + step] for i in range(0, len(places), step)]

    def _costs(self, p: int, table: ModeSteps) -> CostFunction:
        """Cost of a device's subset sizes in modes of a table, and the limit that each breaks."""
        device = self._batch(FULL_MODE).some(np.array([p]))
        found_in, context = DeviceConditions.of(self.search.device), self.work.context

        def cost_of(place: IntArray, m: IntArray) -> SubsetCost:
            sizes, row = np.unique(m, return_inverse=True)
            sums = table.sums(*counts_of(self.work, int(self.search.shard[p]), sizes), context.repeats)
            time_s, energy_j, stops = found_in.applied(sums)
            own = limit_of_all_modes(device, [sizes])[row]
            kept = self.work.step_counts(np.full(len(sizes), self.search.shard[p]), sizes)[2][row]
            storage = storage_bytes(kept, context.sample_bytes).astype(np.float64)
            limit = np.where(own > 0, own, stops[row, place])
            return SubsetCost(time_s[row, place], energy_j[row, place], storage, limit)

        return cost_of
