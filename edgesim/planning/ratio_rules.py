"""Keep ratios by rule: the subset size that a budget or an objective gives each of several devices, and its limits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from edgesim.cost import objective
from edgesim.cost.batch_pricing import BatchPricing
from edgesim.cost.context import OTHER
from edgesim.cost.objective import GRID, ROWS, UNITS, Budget, DeviceData, Objective, Rule, SubsetCost
from edgesim.planning.expected_cost import DeviceBatch, ExpectedWork, may_stop
from edgesim.pruning.base import WorkCase
from edgesim.work import FloatArray, IntArray

MOST_TOGETHER = 512
"""devices whose objective is minimised at once; some hundred subset sizes of each are priced"""


@dataclass(frozen=True)
class RuleDecision:
    """Subset sizes that a rule chose for P devices. Arrays [P]."""

    batch: DeviceBatch
    rule: Rule
    m: IntArray
    """subset size, at least 1"""
    suffices: npt.NDArray[np.bool_]
    """False: not even one sample is within the budget"""
    binds: IntArray
    """position in BINDS of the limit that the next larger (of an objective: the better) subset would break; 0 = none"""
    value: FloatArray
    """cost of that subset against the binding limit of the budget; of an objective, w risk + lambda J at m"""

    @property
    def has_reason(self) -> npt.NDArray[np.bool_]:
        """[P] True where the decision has a reason to give (`reasons.of_rule`)."""
        return (self.binds > 0) | (self.breaks > 0) | (isinstance(self.rule, Objective) & np.isfinite(self.value))

    @property
    def breaks(self) -> IntArray:
        """[P] position in BINDS of the budget's limit that the chosen subset breaks by the other price; 0 = none."""
        return self.by_the_other_price[0]

    @cached_property
    def by_the_other_price(self) -> tuple[IntArray, FloatArray]:
        """[P] limit of the budget that the chosen subset breaks by the price that does not count, and its cost."""
        nothing = np.zeros(len(self.m), dtype=np.int64), np.full(len(self.m), np.nan)
        if isinstance(self.rule, Objective) or not self.suffices.any():
            return nothing
        chosen = np.flatnonzero(self.suffices)
        priced, other = self.batch.price(chosen, self.m[chosen]), OTHER[self.rule.price]
        cost = SubsetCost(priced.time_s(other), priced.energy_j(other), priced.storage_bytes)
        for whole, part in zip(nothing, objective.beyond(cost, self.rule), strict=True):
            whole[chosen] = part
        return nothing

    @cached_property
    def overhead_shares(self) -> dict[str, FloatArray]:
        """Limit of a budget -> [start-up and scoring, P] shares of one sample's cost; NaN where more samples fit."""
        short = np.flatnonzero(~self.suffices)
        priced = self.batch.price(short, np.ones(len(short), dtype=np.int64))
        found = {name: np.full((2, len(self.m)), np.nan) for name in UNITS if name != "storage_bytes"}
        for name, shares in found.items():
            shares[:, short] = priced.overhead_shares(self.rule.price, name)
        return found


def choose(rule: Rule, batch: DeviceBatch, curve: npt.ArrayLike | None) -> RuleDecision:
    """Choose the subset size of each of P devices by a rule.

    Args:
        rule: budget or objective.
        batch: devices of one kind with their shards.
        curve: [points, 2] keep ratio and accuracy of the method, for an objective.
    """
    if isinstance(rule, Budget):
        return _largest_within(rule, batch)
    assert curve is not None
    starts = range(0, len(batch.shard), MOST_TOGETHER)
    found = [_best(rule, batch.some(slice(i, i + MOST_TOGETHER)), curve) for i in starts]
    m, value, binds = (np.concatenate(part) for part in zip(*found, strict=True))
    unsure = np.flatnonzero(np.isinf(value))
    if unsure.size and not batch.exact and may_stop(batch.device):
        m[unsure], value[unsure], binds[unsure] = _best(rule, batch.some(unsure), curve, "planned")
    return RuleDecision(batch, rule, m, np.ones(len(m), dtype=bool), binds, value)


def _largest_within(rule: Budget, batch: DeviceBatch) -> RuleDecision:
    """The largest subset within a budget."""
    rows = ROWS if batch.work.scores_once else GRID
    fit = objective.largest_that_fits(batch.sizes, batch.costs(rule.price), rule, rows)
    unsure = np.flatnonzero(fit.m == 0)
    if unsure.size and not batch.exact and may_stop(batch.device):
        # A bound may be far above the usual work. Where no size is sure to finish, take what is expected to.
        few = batch.some(unsure)
        again = objective.largest_that_fits(few.sizes, few.costs(rule.price, "planned"), rule, rows)
        for whole, part in zip(fit, again, strict=True):
            whole[unsure] = part
    return RuleDecision(batch, rule, np.maximum(fit.m, 1), fit.m > 0, fit.binds, fit.value)


def _best(
    rule: Objective, batch: DeviceBatch, curve: npt.ArrayLike, case: WorkCase = "most"
) -> objective.ObjectiveOptimum:
    """The subset with the least value of the objective."""
    devices, weights = relative_to_plain_training(rule, batch), batch.work.context.weights
    return objective.least_objective(devices, batch.costs(rule.price, case), curve, rule, weights, jumps(batch.work))


def relative_to_plain_training(rule: Objective, batch: DeviceBatch) -> DeviceData:
    """Inputs of the objective with plain training on all samples, on the same devices, as the reference of J."""
    plain = BatchPricing.training_only(batch.work.context, batch.device, batch.sizes, batch.factor)
    full = SubsetCost(plain.time_s(rule.price), plain.energy_j(rule.price), plain.storage_bytes)
    return DeviceData(batch.sizes, full, batch.risk_weight)


def jumps(work: ExpectedWork) -> int:
    """Subset sizes between which a method's costs are linear (`objective.least_objective`); 0 = none are known."""
    return work.shards[0].batch_size if work.scores_once else 0
