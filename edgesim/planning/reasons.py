"""Reasons of planned trials: limits of the device, rules of keep ratios, and budgets that a run overran.

`ReasonTable` holds the texts of a large plan: equal ones once, and not too many different ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from edgesim.cost import feasibility
from edgesim.cost.batch_pricing import BatchPricing, Device
from edgesim.cost.objective import BINDS, UNITS, Budget, Objective, Rule
from edgesim.cost.pricing import shortfall
from edgesim.formatting import distinguished, n_of, number, short_percent
from edgesim.planning.ratio_rules import RuleDecision
from edgesim.planning.trials import LIMITS, ResolvedTrials
from edgesim.work import IntArray

AT_THE_START = ("memory", "storage")
"""limits by which a device cannot begin a trial"""
ON_THE_WAY = ("energy", "availability")
"""limits by which a device does not finish a trial"""
MOST = 10_000
"""reasons with numbers of one trial each that one plan writes out"""
PLAIN = {
    "energy": "its charge does not last",
    "availability": "its windows of availability never suffice",
    "transfer": "a limit of the device does not let it fine-tune on the other data set (`transfer`)",
    "refused": "the budget does not suffice, or the most work that is possible exceeds a limit of the device",
    "": "",
}
"""reasons without numbers for all further trials; a plan of fewer devices has their numbers"""
_ROUNDING = 1e-9


def of_trial(resolved: ResolvedTrials, p: int, r: int) -> str:
    """Reason of one trial: the limit that makes it infeasible, else that of its rule; empty where there is none.

    Args:
        resolved: the trials.
        p: position of the device.
        r: position of the trial among the device's.
    """
    limit = LIMITS[resolved.stopped[p, r]]
    if limit and resolved.transfer is not None and resolved.in_transfer[p, r]:
        return resolved.transfer.reason(p)
    if limit:  # it holds whatever the rule says
        return _of_limit(resolved, p * resolved.width + r, limit)
    decision = resolved.trials.decisions[r] if resolved.trials.decisions else None
    return "" if decision is None else of_rule(decision, p)


def _of_limit(resolved: ResolvedTrials, i: int, limit: str) -> str:
    """Reason for which the device cannot do trial `i`, not even with its least work."""
    if limit in AT_THE_START:
        return cannot_begin(resolved.least, i, int(resolved.size[i]))
    return shortfall(resolved.least, i, bool(resolved.exact[i]))


def cannot_begin(priced: BatchPricing, i: int, shard_size: int) -> str:
    """Reason for which the device cannot begin trial `i`: memory, storage or both, with the numbers."""
    context, profile = priced.context, priced.device.profile
    demand = feasibility.ResourceDemand(float(priced.peak_memory_bytes[i]), float(shard_size * context.sample_bytes))
    return "; ".join(feasibility.reasons(demand, profile, context, int(priced.largest_batch[i])))


def of_mode(device: Device) -> str:
    """The power mode of a device where a rule chose it; else empty."""
    conditions = device.conditions
    return f"power mode chosen: {conditions.power_mode}" if conditions.mode_is_chosen else ""


def of_rule(decision: RuleDecision, p: int) -> str:
    """Reason for which a rule gave device `p` its keep ratio, with numbers; empty where nothing binds."""
    name = BINDS[decision.binds[p]]
    if isinstance(decision.rule, Objective):
        found = _of_objective(decision, p) if np.isfinite(decision.value[p]) else ""
        other = f"a better subset is beyond the device's {name}" if name else ""
        return "; ".join(filter(None, (found, other)))
    return "; ".join(filter(None, (_of_binding(decision, p, name), _of_other_price(decision, p))))


def _of_objective(decision: RuleDecision, p: int) -> str:
    """The value of the objective, and the weight of the device's risk in it."""
    weight, value = float(decision.batch.risk_weight[p]), number(float(decision.value[p]))
    if weight == 1:
        return f"risk + lambda x J is {value}"
    written = number(weight, 3)
    return f"{written} x risk + lambda x J is {value}; it holds {written} times the data of a mean device"


def _of_binding(decision: RuleDecision, p: int, name: str) -> str:
    """The limit of the budget or of the device that binds."""
    m, least, batch = int(decision.m[p]), not decision.suffices[p], decision.batch
    if not name:
        return ""
    if name in UNITS:
        limit = float(getattr(decision.rule, name))
        wanted = m if least else m + 1
        takes, allowed = distinguished(float(decision.value[p]), limit, number, 4)
        bought = _bought(decision, p, wanted, name)
        repeats = batch.work.context.repeats
        served = f" for {repeats:,} trainings" if repeats > 1 and name != "storage_bytes" else ""
        over = f"{bought} {_takes(decision, wanted, name)} {takes} {UNITS[name]}{served}, allowed are {allowed}"
        if not least:
            return f"the budget's {name} binds: {over}"
        return f"the budget's {name} does not suffice: {over}{_overhead(decision, p, name)}"
    if not least:
        more = "are" if batch.exact else "may be"
        return f"the device's {name} binds: {n_of(m + 1, 'sample')} {more} more than it can do"
    if batch.exact:
        return ""
    hardly = "expected" if batch.work.work_is == "expected" else "sure"
    return f"not even 1 sample is {hardly} to be within the device's {name}"


def _bought(decision: RuleDecision, p: int, wanted: int, name: str) -> str:
    """The subset in words: its samples, or with a dynamic method training on as many."""
    samples = n_of(wanted, "sample")
    work = decision.batch.work
    if not work.dynamic[decision.batch.shard[p]]:
        return samples
    return f"all {decision.batch.sizes[p]:,} samples" if name == "storage_bytes" else f"as much training as {samples}"


def _takes(decision: RuleDecision, wanted: int, name: str) -> str:
    """The verb for the samples' cost, as certain as their work is."""
    if decision.batch.exact or name == "storage_bytes":
        return "would take"
    if decision.batch.work.work_is == "at most":
        return "would take at most"
    return f"{'are' if wanted > 1 else 'is'} expected to take"


def _overhead(decision: RuleDecision, p: int, name: str) -> str:
    """The shares of start-up and of scoring in the least cost that a budget has to pay."""
    if name == "storage_bytes":
        return ""
    startup, scoring = (float(part) for part in decision.overhead_shares[name][:, p])
    start = f"start-up is {short_percent(startup)} and " if startup else ""
    return f" ({start}scoring {'' if start else 'is '}{short_percent(scoring)} of it)"


def _of_other_price(decision: RuleDecision, p: int) -> str:
    """The limit of the budget that the chosen subset breaks by the price that does not count."""
    name, taken = BINDS[decision.breaks[p]], float(decision.by_the_other_price[1][p])
    if not name:
        return ""
    takes, allowed = distinguished(taken, float(getattr(decision.rule, name)), number, 4)
    by = "emulated step by step," if decision.rule.price == "analytic" else "by the closed form"
    return f"{by} this subset would take {takes} {UNITS[name]} of the {allowed} {UNITS[name]} allowed"


def overrun(rule: Rule | None, columns: Mapping[str, Any]) -> str:
    """The limit of a budget that a finished trial broke because its work depends on the data; else empty.

    Args:
        rule: the rule that chose the trial's keep ratio.
        columns: of the trial's record.
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


class ReasonTable:
    """The reasons of a plan: every text once."""

    def __init__(self) -> None:
        self.texts: list[str] = [""]
        self._places: dict[tuple[str, int, int] | str, int] = {"": 0}
        self._singles = 0

    def add(self, resolved: ResolvedTrials) -> IntArray:
        """Add the reasons of P devices' R trials.

        Returns: [P, R] positions in `texts`.
        """
        stopped, width = resolved.stopped, resolved.width
        flat = stopped.ravel()
        found = np.zeros(len(flat), dtype=np.int64)
        later = resolved.in_transfer.ravel()
        begins = np.flatnonzero(np.isin(flat, [LIMITS.index(name) for name in AT_THE_START]) & ~later)
        if begins.size:
            found[begins] = self._equal(resolved.least, begins, resolved.size)
        groups = [(name, np.flatnonzero((flat == LIMITS.index(name)) & ~later)) for name in ON_THE_WAY]
        groups.append(("transfer", np.flatnonzero(later)))
        for r, decision in enumerate(resolved.trials.decisions):
            if decision is not None:
                free = stopped[:, r] == 0
                groups.append(("refused", np.flatnonzero(free & ~decision.suffices) * width + r))
                groups.append(("", np.flatnonzero(free & decision.suffices & decision.has_reason) * width + r))
        for name, rows in groups:
            found[rows] = self._each(name, rows, lambda i: of_trial(resolved, *divmod(i, width)))
        return found.reshape(stopped.shape)

    def _equal(self, priced: BatchPricing, rows: IntArray, size: IntArray) -> IntArray:
        """Positions of the reasons of trials that cannot begin: equal for a profile with equal batch and shard size."""
        keys, first, inverse = np.unique(
            np.stack([priced.largest_batch[rows], size[rows]]), axis=1, return_index=True, return_inverse=True
        )
        places = []
        for (batch, samples), i in zip(keys.T, rows[first], strict=True):
            key = (priced.device.profile.name, int(batch), int(samples))
            if key not in self._places:
                self._places[key] = self._append(cannot_begin(priced, int(i), int(samples)))
            places.append(self._places[key])
        return np.array(places)[inverse.ravel()]

    def _each(self, name: str, rows: IntArray, write: Callable[[int], str]) -> IntArray:
        """Positions of one reason for each trial, while there are not too many; of one without numbers for the rest."""
        count = min(len(rows), MOST - self._singles)
        self._singles += count
        places = [self._append(write(int(i))) for i in rows[:count]]
        if count < len(rows):
            if name not in self._places:
                self._places[name] = self._append(PLAIN[name])
            places += [self._places[name]] * (len(rows) - count)
        return np.array(places, dtype=np.int64)

    def _append(self, text: str) -> int:
        self.texts.append(text)
        return len(self.texts) - 1
