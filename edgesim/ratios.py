"""The `pruning.keep_ratio` of a scenario: a number, a list of numbers, or a rule that finds each device its own."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from pydantic import TypeAdapter

from edgesim import documents
from edgesim.cost.objective import Budget, Objective, Rule
from edgesim.errors import Fault
from edgesim.records import rounded_ratio

PATH = "pruning.keep_ratio"
RULES = ("budget", "objective")
_POINTS = (
    "two or more [ratio, accuracy] points, shares up to 1, ratios rising, such as [[0.1, 0.6], [0.5, 0.8], [1, 0.85]]"
)


def parse(given: Any, faults: list[Fault]) -> tuple[tuple[float, ...], Rule | None]:
    """Ratios in ascending order, or a rule and no ratio.

    Args:
        given: what the document holds there.
        faults: collects every fault.
    """
    if not isinstance(given, dict):
        return _numbers(given, faults), None
    name = next(iter(given), None)
    if len(given) != 1 or name not in RULES:
        near = documents.nearest(name, RULES) if len(given) == 1 else ""
        message = f"a rule is a map with either `budget` or `objective`; got {', '.join(given) or 'nothing'}{near}"
        faults.append(Fault(PATH, message))
        return (), None
    return (), _budget(given[name], faults) if name == "budget" else _objective(given[name], faults)


def document(ratios: tuple[float, ...], rule: Rule | None) -> Any:
    """What `parse` reads as these."""
    if rule is None:
        return list(ratios)
    plain = {key: value for key, value in TypeAdapter(type(rule)).dump_python(rule, mode="json").items() if value}
    if isinstance(rule, Budget):
        return {"budget": plain}
    return {"objective": {"lambda": rule.trade_off, **{k: v for k, v in plain.items() if k != "trade_off"}}}


def label(rule: Rule | None) -> str:
    """How tables call the rule that chose a ratio; empty for ratios that the scenario names."""
    return "" if rule is None else "budget" if isinstance(rule, Budget) else "objective"


def _budget(given: Any, faults: list[Fault]) -> Budget | None:
    budget = documents.build(Budget, given, f"{PATH}.budget", faults)
    if budget is not None and (budget.energy_j, budget.latency_s, budget.storage_bytes) == (None, None, None):
        faults.append(Fault(f"{PATH}.budget", "needs at least one limit: energy_j, latency_s or storage_bytes"))
    return budget


def _objective(given: Any, faults: list[Fault]) -> Objective | None:
    where = f"{PATH}.objective"
    if isinstance(given, dict):
        if "trade_off" in given:
            faults.append(Fault(f"{where}.trade_off", "unknown key; the factor on the cost is called `lambda`"))
            return None
        given = {("trade_off" if key == "lambda" else key): value for key, value in given.items()}
    found: list[Fault] = []
    rule = documents.build(Objective, given, where, found)  # `lambda` is no name for a field in Python
    curve = f"{where}.accuracy_curve"
    for fault in found:
        if fault.path == curve:  # the checker's words for a tuple of tuples say nothing of points
            got = given["accuracy_curve"]
            count = f"{len(got)} of them" if isinstance(got, list) else documents.kind_of(got)
            faults.append(Fault(curve, f"must be {_POINTS}; got {count}"))
        else:
            faults.append(Fault(*(text.replace("trade_off", "lambda") for text in (fault.path, fault.message))))
    if rule is None:
        return None
    if (rule.accuracy_curve is None) == (rule.accuracy_from is None):
        got = "neither" if rule.accuracy_curve is None else "both"
        message = (
            f"weighs cost against accuracy, and needs to be told how accuracy depends on the ratio; got {got} of "
            f"`accuracy_curve` ({_POINTS}) and `accuracy_from` (the folder of a run with two keep ratios or more of "
            "each method, as `edgesim run` with `keep_ratio: [0.1, 0.5, 1]` leaves one); give one of the two"
        )
        faults.append(Fault(where, message))
    ratios = [ratio for ratio, _ in rule.accuracy_curve or ()]
    if any(later <= earlier for earlier, later in pairwise(ratios)):
        message = f"needs ratios that rise from point to point; got {', '.join(f'{ratio:g}' for ratio in ratios)}"
        faults.append(Fault(curve, message))
    if rule.weights is not None and rule.weights.time + rule.weights.energy + rule.weights.storage == 0:
        faults.append(Fault(f"{where}.weights", "are all 0, so that nothing costs anything; give one above 0"))
    return rule


def _numbers(given: Any, faults: list[Fault]) -> tuple[float, ...]:
    listed = [_rounded(ratio) for ratio in (given if isinstance(given, list) else [given])]
    allowed = "a number in (0, 1], the share that is kept, or a list of such numbers"
    bad = False
    for i, ratio in enumerate(listed):
        where = f"{PATH}[{i}]" if isinstance(given, list) else PATH
        if isinstance(ratio, bool) or not isinstance(ratio, int | float) or not 0 < ratio <= 1:
            faults.append(Fault(where, f"must be {allowed}; got {ratio!r}"))
            bad = True
        elif ratio in listed[:i]:
            faults.append(Fault(where, f"{ratio:g} is listed twice"))
            bad = True
    if not listed:
        faults.append(Fault(PATH, f"must be {allowed}; the list is empty"))
    return () if bad else tuple(sorted(float(ratio) for ratio in listed))


def _rounded(given: Any) -> Any:
    """A number as the ratio that it stands for; anything else as it is."""
    return float(rounded_ratio(given)) if isinstance(given, float) else given
