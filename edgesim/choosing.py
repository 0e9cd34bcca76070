"""The subset sizes that a rule gives devices of one kind, and what binds them: for one device, or for many at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from edgesim.cost import feasibility, objective
from edgesim.cost.forecast import Device, Forecast
from edgesim.cost.loads import Load
from edgesim.cost.objective import BINDS, GRID, ROWS, UNITS, Bill, Budget, Objective, Rule
from edgesim.cost.words import amount, apart, share
from edgesim.errors import n_of
from edgesim.prospects import Prospect
from edgesim.work import FloatArray, IntArray, StepTrace, Work

_ALIKE = 512  # devices whose best size by an objective is looked for at once: some hundred sizes of each are priced


@dataclass(frozen=True)
class Pairs:
    """P devices of one kind, each with one of a prospect's shards."""

    prospect: Prospect
    device: Device
    which: IntArray
    """[P] positions of their shards"""
    factor: FloatArray
    """[P] of the profile's throughput"""

    @property
    def sizes(self) -> IntArray:
        """[P] samples of each shard."""
        return self.prospect.sizes[self.which]

    def price(self, pair: IntArray, m: IntArray) -> Forecast:
        """Both prices of C trials: which of the pairs [C], with which subset size [C]."""
        return self.prospect.price(self.device, self.which[pair], m, self.factor[pair])

    def some(self, part: slice) -> Pairs:
        """Some of them."""
        return Pairs(self.prospect, self.device, self.which[part], self.factor[part])

    def bills(self, price: str) -> objective.Bills:
        """What subset sizes cost and whether the device can do them."""

        def look(pair: IntArray, m: IntArray) -> Bill:
            priced = self.price(pair, m)
            limit = feasibility.first_limit(self.prospect.demand(priced, self.which[pair]), self.device.profile)
            return Bill(priced.time_s(price), priced.energy_j(price), priced.storage_bytes, limit)

        return look


@dataclass(frozen=True)
class Choice:
    """What a rule chose for P pairs. Arrays [P]."""

    pairs: Pairs
    rule: Rule
    m: IntArray
    """subset size, at least 1"""
    suffices: npt.NDArray[np.bool_]
    """False: not even one sample is within the budget"""
    binds: IntArray
    """position in BINDS: what a subset one larger (of an objective: a better one) would break; 0 = nothing"""
    value: FloatArray
    """what such a subset would take of the budget's limit that binds; of an objective, risk + lambda J at m"""

    def reason(self, p: int) -> str:
        """Why pair `p` has this ratio, with numbers; empty where nothing binds."""
        name, m, least = BINDS[self.binds[p]], int(self.m[p]), not self.suffices[p]
        if isinstance(self.rule, Objective):
            found = f"risk + lambda x J is {amount(float(self.value[p]))}" if np.isfinite(self.value[p]) else ""
            other = f"a better subset is beyond the device's {name}" if name else ""
            return "; ".join(filter(None, (found, other)))
        if not name:
            return ""
        if name in UNITS:
            limit = float(getattr(self.rule, name))
            wanted = m if least else m + 1
            takes, allowed = apart(float(self.value[p]), limit, amount, 4)
            samples = f"{n_of(wanted, 'sample')}"
            over = f"{samples} would take {takes} {UNITS[name]}, allowed are {allowed}"
            if not least:
                return f"the budget's {name} binds: {over}"
            return f"the budget's {name} does not suffice: {over}{self._scoring(p, name)}"
        return "" if least else f"the device's {name} binds: {n_of(m + 1, 'sample')} would be more than it can do"

    def _scoring(self, p: int, name: str) -> str:
        """Which part of the least that a budget has to pay is scoring."""
        if name == "storage_bytes":
            return ""
        return f" (scoring is {share(float(self._scoring_share[name][p]))} of it)"

    @cached_property
    def _scoring_share(self) -> dict[str, FloatArray]:
        """Limit of a budget -> [P] scoring's share of what one sample takes; NaN where the budget suffices."""
        short = np.flatnonzero(~self.suffices)
        priced = self.pairs.price(short, np.ones(len(short), dtype=np.int64))
        found = {name: np.full(len(self.m), np.nan) for name in UNITS if name != "storage_bytes"}
        for name, shares in found.items():
            shares[short] = priced.score_share(self.rule.price, name)
        return found


def choose(rule: Rule, pairs: Pairs, curve: npt.ArrayLike | None) -> Choice:
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
        return Choice(pairs, rule, np.maximum(fit.m, 1), fit.m > 0, fit.binds, fit.value)
    assert curve is not None
    found = [_best(rule, pairs.some(slice(i, i + _ALIKE)), curve) for i in range(0, len(pairs.which), _ALIKE)]
    m, value, binds = (np.concatenate(part) for part in zip(*found, strict=True))
    return Choice(pairs, rule, m, np.ones(len(m), dtype=bool), binds, value)


def _best(rule: Objective, pairs: Pairs, curve: npt.ArrayLike) -> objective.Best:
    prospect, sizes = pairs.prospect, pairs.sizes
    terms, shard = prospect.terms, prospect.shards[0]
    nothing = Load.of([(Work(), StepTrace())], terms.workload)
    train = Load.training(sizes, shard.batch_size, shard.epochs, terms.workload)
    plain = Forecast(terms, pairs.device, nothing, train, sizes, pairs.factor)
    full = Bill(plain.time_s(rule.price), plain.energy_j(rule.price), plain.storage_bytes)
    jumps = shard.batch_size if prospect.scores_once else 0
    weights = rule.weights or terms.weights
    return objective.least_objective(sizes, pairs.bills(rule.price), full, curve, rule, weights, jumps)
