"""The `pruning.keep_ratio` of a scenario: a number, a list of numbers, or a rule that finds each device its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from edgesim.config import validation
from edgesim.config.checked_dataclass import adapter
from edgesim.config.document_values import meant
from edgesim.cost.objective import Budget, Objective, Rule
from edgesim.errors import Fault
from edgesim.records import rounded_ratio

PATH = "pruning.keep_ratio"
RULES = ("budget", "objective")
LIMITS = ("energy_j", "latency_s", "storage_bytes")
MAX_RATIOS = 1_000
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
    makers: dict[str, Callable[[Any, list[Fault]], Rule | None]] = {"budget": _budget, "objective": _objective}
    rules: list[Rule | None] = [makers[name](part, faults) for name, part in given.items() if name in makers]
    if len(given) == len(rules) == 1:
        return (), rules[0]
    near = validation.nearest(next(iter(given)), RULES) if len(given) == 1 else ""
    message = f"a rule is a map with either `budget` or `objective`; got {', '.join(given) or 'nothing'}{near}"
    faults.append(Fault(PATH, message))
    return (), None


def document(ratios: tuple[float, ...], rule: Rule | None) -> Any:
    """Document value that `parse` reads as these."""
    if rule is None:
        return list(ratios)
    plain = {key: value for key, value in adapter(type(rule)).dump_python(rule, mode="json").items() if value}
    if isinstance(rule, Budget):
        return {"budget": plain}
    return {"objective": {"lambda": rule.trade_off, **{k: v for k, v in plain.items() if k != "trade_off"}}}


def label(rule: Rule | None) -> str:
    """Name in tables of the rule that chose a ratio; empty for ratios that the scenario names."""
    return "" if rule is None else "budget" if isinstance(rule, Budget) else "objective"


def _budget(given: Any, faults: list[Fault]) -> Budget | None:
    allowed = {field.name for field in dataclasses.fields(Budget)}  # another key may be a misspelt limit
    if isinstance(given, dict) and given.keys() <= allowed and all(given.get(limit) is None for limit in LIMITS):
        faults.append(Fault(f"{PATH}.budget", "needs at least one limit: energy_j, latency_s or storage_bytes"))
    return validation.build(Budget, given, f"{PATH}.budget", faults)


def _objective(given: Any, faults: list[Fault]) -> Objective | None:
    where = f"{PATH}.objective"
    if not isinstance(given, dict):
        return validation.build(Objective, given, where, faults)
    named_so = "trade_off" in given
    if named_so:
        faults.append(Fault(f"{where}.trade_off", "unknown key; the factor on the cost is called `lambda`"))
    # `lambda` is no name for a field in Python
    given = {("trade_off" if key == "lambda" else key): value for key, value in given.items()}
    found: list[Fault] = []
    rule = validation.build(Objective, given, where, found)
    curve = f"{where}.accuracy_curve"
    for fault in found:
        if named_so and fault.path == f"{where}.trade_off":
            continue
        if fault.path == curve:  # the checker's words for a tuple of tuples say nothing of points
            got = given["accuracy_curve"]
            count = f"{len(got)} of them" if isinstance(got, list) else validation.kind_of(got)
            faults.append(Fault(curve, f"must be {_POINTS}; got {count}"))
        else:
            faults.append(Fault(*(text.replace("trade_off", "lambda") for text in (fault.path, fault.message))))
    known = {field.name for field in dataclasses.fields(Objective)}
    points = None if any(fault.path.startswith(curve) for fault in found) else given.get("accuracy_curve")
    if not named_so and given.keys() <= known:  # another key may be a misspelt one of the two
        _check_source(given, where, faults)
        _check_test_set(given, where, faults)
    if points is not None:
        _check_rise(points, curve, faults)
    weights = given.get("weights")
    names = ("time", "energy", "storage")
    if isinstance(weights, dict) and all(_is_zero(weights.get(name)) for name in names):
        faults.append(Fault(f"{where}.weights", "are all 0, so the cost is always 0; give one above 0"))
    return rule


def _is_zero(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == 0


def _check_source(given: dict[str, Any], where: str, faults: list[Fault]) -> None:
    """Add a fault where an objective has no curve, or two."""
    has = [given.get(key) is not None for key in ("accuracy_curve", "accuracy_from")]
    if sum(has) != 1:
        message = (
            "needs the accuracy at several keep ratios; got "
            f"{'both' if all(has) else 'neither'} of `accuracy_curve` and `accuracy_from`; give one of the two: "
            f"`accuracy_curve` ({_POINTS}), or `accuracy_from` (the folder of a run with two keep ratios or more of "
            "each method, such as one with `keep_ratio: [0.1, 0.5, 1]`)"
        )
        faults.append(Fault(where, message))


def _check_test_set(given: dict[str, Any], where: str, faults: list[Fault]) -> None:
    """Add a fault where `accuracy_on` chooses among the test samples of a run, and no run is named."""
    if given.get("accuracy_on") not in (None, "common") and given.get("accuracy_curve") is not None:
        faults.append(Fault(f"{where}.accuracy_on", "does nothing beside `accuracy_curve`; leave it out"))


def _check_rise(points: list[list[float]], path: str, faults: list[Fault]) -> None:
    falls = next((i for i, (a, b) in enumerate(pairwise(points)) if b[0] <= a[0]), None)
    if falls is not None:
        found = f"accuracy_curve[{falls + 1}] has {points[falls + 1][0]:g} after {points[falls][0]:g}"
        faults.append(Fault(path, f"needs ratios that rise from point to point; {found}"))


def _numbers(given: Any, faults: list[Fault]) -> tuple[float, ...]:
    if isinstance(given, list) and len(given) > MAX_RATIOS:
        faults.append(Fault(PATH, f"lists {len(given):,} keep ratios; at most {MAX_RATIOS:,} are allowed"))
        return ()
    listed = [_rounded(ratio) for ratio in (given if isinstance(given, list) else [given])]
    allowed = "a number in (0, 1], the share that is kept, or a list of such numbers"
    bad = False
    for i, ratio in enumerate(listed):
        where = f"{PATH}[{i}]" if isinstance(given, list) else PATH
        if isinstance(ratio, bool) or not isinstance(ratio, int | float) or not 0 < ratio <= 1:
            faults.append(Fault(where, f"must be {allowed}; got {ratio!r}{meant(ratio, 'numbers')}"))
            bad = True
        elif ratio in listed[:i]:
            faults.append(Fault(where, f"{ratio:g} is listed twice"))
            bad = True
    if not listed:
        faults.append(Fault(PATH, f"must be {allowed}; the list is empty"))
    return () if bad else tuple(sorted(float(ratio) for ratio in listed))


def _rounded(given: Any) -> Any:
    """A number as the ratio that it stands for; anything else as it is."""
    return float(rounded_ratio(given)) if isinstance(given, float) and 0 < given < 2 else given
