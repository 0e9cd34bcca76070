"""The `pruning` part of a scenario: methods, keep ratios and warm-up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgesim.config import validation
from edgesim.config.checked_dataclass import checked_dataclass
from edgesim.config.registry import NamedPlugin, label_of
from edgesim.cost.objective import Rule
from edgesim.errors import Fault
from edgesim.pruning import METHODS
from edgesim.scenario import keep_ratio, method_options
from edgesim.training.settings import Warmup

Document = dict[str, Any]


@dataclass(frozen=True)
class Pruning:
    """Methods and keep ratios of a scenario."""

    methods: tuple[NamedPlugin, ...]
    """label -> method; the default label is the method's name"""
    keep_ratios: tuple[float, ...]
    """ascending, each in (0, 1]; empty where a rule chooses"""
    warmup: Warmup
    keep_scores: bool
    scores_from: str | None
    rule: Rule | None = None
    """rule that gives every device its own ratio"""

    @property
    def trials_per_device(self) -> int:
        """Trials of each device in a seed; a method that keeps everything has one, at keep_ratio 1."""
        ratios_each = len(self.keep_ratios) if self.rule is None else 1
        return sum(1 if method.plugin.keeps_all else ratios_each for method in self.methods)


@checked_dataclass()
class PruningDocument:
    """The keys of `pruning`."""

    methods: tuple[Any, ...]
    """methods to compare: names, or maps with `name`, arguments, a `sampler`, and a `label` where two share a name"""
    keep_ratio: Any
    """share of its samples that a device keeps: a number, a list of numbers, or a rule (`budget`, `objective`)"""
    warmup: Warmup = Warmup()
    """length of the truncated training whose statistics give the scores; left out: 1 epoch"""
    keep_scores: bool = False
    """writes every method's scores to scores.parquet"""
    scores_from: str | None = None
    """run folder whose subsets are trained on, instead of scoring anew; relative to the scenario, or to where edgesim
    runs"""


def load(given: Any, faults: list[Fault]) -> Pruning | None:
    """The `pruning` part; methods and keep_ratio are checked whatever is wrong with the rest of it."""
    if not isinstance(given, dict):
        return validation.build(PruningDocument, given, "pruning", faults)  # type: ignore[return-value]  # None
    listed, has_ratio = given.get("methods", ()), "keep_ratio" in given
    named = _methods(listed, faults) if isinstance(listed, list) else ()
    keep_ratios, rule = keep_ratio.parse(given["keep_ratio"], faults) if has_ratio else ((), None)
    checked: Document = {"methods": []} if isinstance(listed, list) else {}
    checked |= {"keep_ratio": 1} if has_ratio else {}
    document = validation.build(PruningDocument, {**given, **checked}, "pruning", faults)
    if isinstance(given["keep_ratio"] if has_ratio else None, dict) and given.get("scores_from") is not None:
        message = "takes the subsets of another run, whose ratios a rule does not know; give keep_ratio as numbers"
        faults.append(Fault("pruning.scores_from", message))
    if isinstance(given.get("scores_from"), str):
        _check_reused(named, faults)
    if document is None:
        return None
    return Pruning(named, keep_ratios, document.warmup, document.keep_scores, document.scores_from, rule)


def _check_reused(methods: tuple[NamedPlugin, ...], faults: list[Fault]) -> None:
    """Find methods that go on with a warm-up, which a run on another one's subsets does not make."""
    for method in methods:
        if method.plugin.after_warmup != "reset":
            message = f"{method.label} goes on with its warm-up (after_warmup: {method.plugin.after_warmup})"
            fix = "which is not run where the subsets are another run's; leave one of them out"
            faults.append(Fault("pruning.scores_from", f"{message}, {fix}"))


def _methods(listed: list[Any], faults: list[Fault]) -> tuple[NamedPlugin, ...]:
    if not listed:
        faults.append(Fault("pruning.methods", f"needs at least one method; allowed: {', '.join(METHODS)}"))
    named: dict[str, NamedPlugin] = {}
    labels: set[str] = set()
    for i, entry in enumerate(listed):
        where = f"pruning.methods[{i}]"
        method = method_options.bind_method(entry, where, faults)
        label = label_of(entry)
        if label is not None and label in labels:
            faults.append(Fault(where, f"'{label}' is listed twice; give one of them a `label` of its own"))
        elif method:
            named[method.label] = method
        labels |= {label} if label is not None else set()
    return tuple(named.values())
