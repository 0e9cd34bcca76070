"""The subset sizes that a rule gives devices of one kind, and what binds them: for one device, or for many at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from edgesim.cost import feasibility, objective
from edgesim.cost.batch_pricing import BatchPricing, Device
from edgesim.cost.context import OTHER, Price
from edgesim.cost.objective import BINDS, GRID, ROWS, UNITS, Budget, Objective, Rule, SubsetCost
from edgesim.cost.step_counts import StepCounts
from edgesim.errors import n_of
from edgesim.formatting import distinguished, number, short_percent
from edgesim.planning.expected_cost import ExpectedCost, demand, may_stop
from edgesim.pruning.base import WorkCase
from edgesim.work import FloatArray, IntArray, StepTrace, Work

_ROUNDING = 1e-9
_ALIKE = 512  # devices whose best size by an objective is looked for at once: some hundred sizes of each are priced


@dataclass(frozen=True)
class DeviceBatch:
    """P devices of one kind, each with one of a prospect's shards."""

    prospect: ExpectedCost
    device: Device
    which: IntArray
    """[P] positions of their shards"""
    factor: FloatArray
    """[P] of the profile's throughput"""
    risk_weight: FloatArray
    """[P] of their risks in an objective (`objective.risk_weights`)"""

    @property
    def sizes(self) -> IntArray:
        """[P] samples of each shard."""
        return self.prospect.sizes[self.which]

    @property
    def exact(self) -> bool:
        """Whether the work of their trials is known."""
        return self.prospect.work_is == "exact"

    def price(self, pair: IntArray, m: IntArray, case: WorkCase = "planned") -> BatchPricing:
        """Both prices of C trials: which of the pairs [C], with which subset size [C]."""
        return self.prospect.price(self.device, self.which[pair], m, self.factor[pair], case)

    def some(self, part: slice | IntArray) -> DeviceBatch:
        """Some of them."""
        return DeviceBatch(self.prospect, self.device, self.which[part], self.factor[part], self.risk_weight[part])

    def bills(self, price: Price, case: WorkCase = "most") -> objective.Bills:
        """What subset sizes cost, and whether the device can do them: with the most that their work may be, say."""

        def look(pair: IntArray, m: IntArray) -> SubsetCost:
            priced = self.price(pair, m)
            plain = self.exact or case == "planned" or not may_stop(self.device)
            sure = priced if plain else self.price(pair, m, case)
            limit = feasibility.first_limit(demand(sure, self.sizes[pair]), self.device.profile)
            return SubsetCost(priced.time_s(price), priced.energy_j(price), priced.storage_bytes, limit)

        return look


@dataclass(frozen=True)
class RuleDecision:
    """What a rule chose for P pairs. Arrays [P]."""

    pairs: DeviceBatch
    rule: Rule
    m: IntArray
    """subset size, at least 1"""
    suffices: npt.NDArray[np.bool_]
    """False: not even one sample is within the budget"""
    binds: IntArray
    """position in BINDS: what a subset one larger (of an objective: a better one) would break; 0 = nothing"""
    value: FloatArray
    """what such a subset would take of the budget's limit that binds; of an objective, w risk + lambda J at m"""

    def reason(self, p: int) -> str:
        """Why pair `p` has this ratio, with numbers; empty where nothing binds."""
        name = BINDS[self.binds[p]]
        if isinstance(self.rule, Objective):
            found = self._objective(p) if np.isfinite(self.value[p]) else ""
            other = f"a better subset is beyond the device's {name}" if name else ""
            return "; ".join(filter(None, (found, other)))
        return "; ".join(filter(None, (self._binding(p, name), self._elsewhere(p))))

    def _objective(self, p: int) -> str:
        """The value of the objective, and what the device's risk weighs in it."""
        weight, value = float(self.pairs.risk_weight[p]), number(float(self.value[p]))
        if weight == 1:
            return f"risk + lambda x J is {value}"
        written = number(weight, 3)
        return f"{written} x risk + lambda x J is {value}; it holds {written} times the data of a mean device"

    @property
    def says(self) -> npt.NDArray[np.bool_]:
        """[P] whether there is a reason to give."""
        return (self.binds > 0) | (self.breaks > 0) | (isinstance(self.rule, Objective) & np.isfinite(self.value))

    @property
    def breaks(self) -> IntArray:
        """[P] position in BINDS: the limit of the budget that the chosen subset breaks by the other price; 0 = none."""
        return self._by_the_other_price[0]

    def _binding(self, p: int, name: str) -> str:
        """What of the budget or of the device binds."""
        m, least = int(self.m[p]), not self.suffices[p]
        if not name:
            return ""
        if name in UNITS:
            limit = float(getattr(self.rule, name))
            wanted = m if least else m + 1
            takes, allowed = distinguished(float(self.value[p]), limit, number, 4)
            bought = self._bought(p, wanted, name)
            repeats = self.pairs.prospect.terms.repeats
            served = f" for {repeats:,} trainings" if repeats > 1 and name != "storage_bytes" else ""
            over = f"{bought} {self._takes(wanted, name)} {takes} {UNITS[name]}{served}, allowed are {allowed}"
            if not least:
                return f"the budget's {name} binds: {over}"
            return f"the budget's {name} does not suffice: {over}{self._overhead(p, name)}"
        if not least:
            more = "are" if self.pairs.exact else "may be"
            return f"the device's {name} binds: {n_of(m + 1, 'sample')} {more} more than it can do"
        if self.pairs.exact:
            return ""
        hardly = "expected" if self.pairs.prospect.work_is == "expected" else "sure"
        return f"not even 1 sample is {hardly} to be within the device's {name}"

    def _bought(self, p: int, wanted: int, name: str) -> str:
        """What so many samples stand for: themselves, or with a dynamic method as much training."""
        samples = n_of(wanted, "sample")
        if not self.pairs.prospect.method.dynamic:
            return samples
        return f"all {self.pairs.sizes[p]:,} samples" if name == "storage_bytes" else f"as much training as {samples}"

    def _takes(self, wanted: int, name: str) -> str:
        """The verb for what samples take of a limit: as sure as their work is."""
        if self.pairs.exact or name == "storage_bytes":
            return "would take"
        if self.pairs.prospect.work_is == "at most":
            return "would take at most"
        return f"{'are' if wanted > 1 else 'is'} expected to take"

    def _overhead(self, p: int, name: str) -> str:
        """Which part of the least that a budget has to pay is start-up, and which scoring."""
        if name == "storage_bytes":
            return ""
        startup, scoring = (float(part) for part in self._overhead_shares[name][:, p])
        start = f"start-up is {short_percent(startup)} and " if startup else ""
        return f" ({start}scoring {'' if start else 'is '}{short_percent(scoring)} of it)"

    @cached_property
    def _overhead_shares(self) -> dict[str, FloatArray]:
        """Limit of a budget -> [start-up and scoring, P] shares of one sample's price; NaN where more fit."""
        short = np.flatnonzero(~self.suffices)
        priced = self.pairs.price(short, np.ones(len(short), dtype=np.int64))
        found = {name: np.full((2, len(self.m)), np.nan) for name in UNITS if name != "storage_bytes"}
        for name, shares in found.items():
            shares[:, short] = priced.overhead_shares(self.rule.price, name)
        return found

    def _elsewhere(self, p: int) -> str:
        """That the chosen subset breaks the budget by the price that does not count."""
        name, taken = BINDS[self.breaks[p]], float(self._by_the_other_price[1][p])
        if not name:
            return ""
        takes, allowed = distinguished(taken, float(getattr(self.rule, name)), number, 4)
        by = "emulated step by step," if self.rule.price == "analytic" else "by the closed form"
        return f"{by} this subset would take {takes} {UNITS[name]} of the {allowed} {UNITS[name]} allowed"

    @cached_property
    def _by_the_other_price(self) -> tuple[IntArray, FloatArray]:
        """[P] what of the budget the chosen subset breaks by the other price, and what it takes of that."""
        nothing = np.zeros(len(self.m), dtype=np.int64), np.full(len(self.m), np.nan)
        if isinstance(self.rule, Objective) or not self.suffices.any():
            return nothing
        chosen = np.flatnonzero(self.suffices)
        priced, other = self.pairs.price(chosen, self.m[chosen]), OTHER[self.rule.price]
        bill = SubsetCost(priced.time_s(other), priced.energy_j(other), priced.storage_bytes)
        for whole, part in zip(nothing, objective.beyond(bill, self.rule), strict=True):
            whole[chosen] = part
        return nothing


def overrun(rule: Rule | None, columns: Mapping[str, Any]) -> str:
    """That a trial took more of a budget than was planned, where its work depends on the data; else empty.

    Args:
        rule: what chose its keep ratio.
        columns: of its record.
    """
    if not isinstance(rule, Budget):
        return ""
    kind = "device" if rule.price == "emulated" else "analytic"
    for name, column in (("latency_s", f"{kind}_time_s"), ("energy_j", f"{kind}_energy_j")):
        limit, taken = getattr(rule, name), float(columns[column])
        if limit is not None and taken > limit * (1 + _ROUNDING):
            took, allowed = distinguished(taken, limit, number, 4)
            took_of = f"took {took} {UNITS[name]} of the {allowed} {UNITS[name]} allowed"
            return f"it {took_of}: its work depends on the data, and less was planned"
    return ""


def choose(rule: Rule, pairs: DeviceBatch, curve: npt.ArrayLike | None) -> RuleDecision:
    """The subset size that a rule gives each of P pairs.

    Args:
        rule: budget or objective.
        pairs: devices of one kind with their shards.
        curve: [points, 2] keep ratio and accuracy of the method, for an objective.
    """
    look = pairs.bills(rule.price)
    if isinstance(rule, Budget):
        rows = ROWS if pairs.prospect.scores_once else GRID
        fit = objective.largest_that_fits(pairs.sizes, look, rule, rows)
        unsure = np.flatnonzero(fit.m == 0)
        if unsure.size and not pairs.exact and may_stop(pairs.device):
            # A bound may be far above what is usual: where nothing is sure to last, what is expected to.
            few = pairs.some(unsure)
            again = objective.largest_that_fits(few.sizes, few.bills(rule.price, "planned"), rule, rows)
            for whole, part in zip(fit, again, strict=True):
                whole[unsure] = part
        return RuleDecision(pairs, rule, np.maximum(fit.m, 1), fit.m > 0, fit.binds, fit.value)
    assert curve is not None
    found = [_best(rule, pairs.some(slice(i, i + _ALIKE)), curve) for i in range(0, len(pairs.which), _ALIKE)]
    m, value, binds = (np.concatenate(part) for part in zip(*found, strict=True))
    unsure = np.flatnonzero(np.isinf(value))
    if unsure.size and not pairs.exact and may_stop(pairs.device):
        m[unsure], value[unsure], binds[unsure] = _best(rule, pairs.some(unsure), curve, "planned")
    return RuleDecision(pairs, rule, m, np.ones(len(m), dtype=bool), binds, value)


def _best(
    rule: Objective, pairs: DeviceBatch, curve: npt.ArrayLike, case: WorkCase = "most"
) -> objective.ObjectiveOptimum:
    prospect, sizes = pairs.prospect, pairs.sizes
    terms, shard = prospect.terms, prospect.shards[0]
    nothing = StepCounts.of([(Work(), StepTrace())], terms.workload)
    train = StepCounts.training(sizes, shard.batch_size, shard.epochs, terms.workload)
    plain = BatchPricing(terms, pairs.device, nothing, train, sizes, pairs.factor)
    full = SubsetCost(plain.time_s(rule.price), plain.energy_j(rule.price), plain.storage_bytes)
    jumps = shard.batch_size if prospect.scores_once else 0
    devices = objective.Devices(sizes, full, pairs.risk_weight)
    return objective.least_objective(devices, pairs.bills(rule.price, case), curve, rule, terms.weights, jumps)
