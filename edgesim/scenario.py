"""YAML -> a frozen Scenario, with every fault of the document reported at once.

Names are looked up in the tables and arguments bound to their frozen dataclasses here, so that a misspelt option is an
error with its YAML path before any work starts. Needs no torch.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass as checked_dataclass

from edgesim import documents, fleet, models, ratios, shipped
from edgesim.binding import Named, Resolve, Table, own, plug
from edgesim.cost.analytic import CostWeights
from edgesim.cost.objective import Rule
from edgesim.data.augment import AUGMENTATIONS
from edgesim.data.datasets import DATASETS
from edgesim.data.schemes import PARTITIONS
from edgesim.errors import Fault, ScenarioError
from edgesim.fleet import Fleet
from edgesim.pruning import METHODS
from edgesim.training.settings import Evaluation, Training, Warmup

Document = dict[str, Any]

REQUIRED = ("dataset", "partition", "fleet", "model", "pruning")
OPTIONAL = ("name", "training", "evaluation", "cost", "seeds")


@dataclass(frozen=True)
class Pruning:
    """Which methods run at which keep ratios."""

    methods: tuple[Named, ...]
    """label -> method; the label is the name unless the document gives one"""
    keep_ratios: tuple[float, ...]
    """ascending, each in (0, 1]; empty where a rule chooses"""
    warmup: Warmup
    keep_scores: bool
    scores_from: str | None
    rule: Rule | None = None
    """how every device finds its own ratio"""


@checked_dataclass(frozen=True)
class PruningDocument:
    """The keys of `pruning`."""

    methods: tuple[Any, ...]
    keep_ratio: Any
    warmup: Warmup = Warmup()
    keep_scores: bool = False
    """write every method's scores to scores.parquet"""
    scores_from: str | None = None
    """a run folder whose subsets are trained on instead of scoring anew; relative to the scenario or to where one is"""


@checked_dataclass(frozen=True)
class Cost:
    """The `cost` part: what the price of a device weighs."""

    weights: CostWeights = CostWeights()


@dataclass(frozen=True)
class Scenario:
    """One experiment: data, partition, fleet, model, training, pruning, seeds."""

    name: str
    dataset: Named
    partition: Named
    fleet: Fleet
    model: Named
    training: Training
    augment: tuple[Named, ...]
    pruning: Pruning
    evaluation: Evaluation
    cost: Cost
    seeds: tuple[int, ...]
    folder: Path
    """where relative names of the document start"""
    document: Document
    """the resolved document: overrides applied, the fleet inlined, defaults filled in"""

    def to_yaml(self) -> str:
        """The resolved document as YAML text; loading it gives an equal scenario."""
        return documents.dump(self.document)


def load(path: str | Path, overrides: Mapping[str, Any] | Sequence[str] = ()) -> Scenario:
    """Read a scenario file.

    Args:
        path: the YAML file, or the name of a scenario that comes with edgesim (`shipped.scenarios`).
        overrides: `{"training.epochs": 3}` or `["training.epochs=3"]`; values as YAML, lists by `key[0]`.

    Raises:
        ScenarioError: with every fault of the document.
    """
    file = shipped.scenario_file(path)
    document = documents.read(file)
    return from_document(document, str(file), file.parent, overrides)


def from_document(
    document: Document, source: str, folder: Path, overrides: Mapping[str, Any] | Sequence[str] = ()
) -> Scenario:
    """A scenario from a document that is already read; `folder` is where relative names start. Raises as `load`."""
    faults: list[Fault] = []
    try:
        document = json.loads(json.dumps(document, default=str))  # a copy of our own
    except ValueError as error:  # a YAML anchor inside itself
        raise ScenarioError(source, [Fault("", f"cannot be copied: {error}")]) from None
    documents.override(document, overrides, REQUIRED, faults)
    documents.unknown_keys(document, [*REQUIRED, *OPTIONAL], "", faults)
    faults.extend(Fault(key, "is missing and has no default") for key in REQUIRED if key not in document)
    parts = _parts(document, source, folder, faults)
    if faults:
        raise ScenarioError(source, faults)
    # The names of the augmentations have become plug-ins; kept once, not twice.
    parts["training"] = dataclasses.replace(parts["training"], augment=())
    scenario = Scenario(**parts, folder=folder, document={})
    return dataclasses.replace(scenario, document=_resolved(scenario))


def _parts(document: Document, source: str, folder: Path, faults: list[Fault]) -> dict[str, Any]:
    """Build every part of the document that is there; None where one has a fault."""
    training = documents.build(Training, document.get("training", {}), "training", faults)
    return {
        "name": _name(document, source, faults),
        "dataset": _section(document, "dataset", DATASETS, "load", faults),
        "partition": _section(document, "partition", PARTITIONS, "split", faults),
        "fleet": fleet.load(document["fleet"], "fleet", folder, faults) if "fleet" in document else None,
        "model": _section(document, "model", models.MODELS, "build", faults, lambda name, _: models.resolve(name)),
        "training": training,
        "augment": _augment(training, faults),
        "pruning": _pruning(document["pruning"], faults) if "pruning" in document else None,
        "evaluation": documents.build(Evaluation, document.get("evaluation", {}), "evaluation", faults),
        "cost": documents.build(Cost, document.get("cost", {}), "cost", faults),
        "seeds": _seeds(document.get("seeds", [0]), faults),
    }


def _name(document: Document, source: str, faults: list[Fault]) -> str:
    name = document.get("name", Path(source).stem)
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,80}", name):
        faults.append(Fault("name", f"must be letters, digits, '.', '_' or '-' (at most 81); got {name!r}"))
    return str(name)


def _seeds(given: Any, faults: list[Fault]) -> tuple[int, ...]:
    listed = given if isinstance(given, list) else [given]
    good = all(isinstance(seed, int) and not isinstance(seed, bool) and seed >= 0 for seed in listed)
    if not listed or not good or len(set(listed)) < len(listed):
        faults.append(Fault("seeds", f"must be one or more different integers >= 0; got {given!r}"))
        return ()
    return tuple(listed)


def _section(
    document: Document, key: str, table: Mapping[str, type], duty: str, faults: list[Fault], resolve: Resolve = own
) -> Named | None:
    return plug(document[key], Table(table, duty, resolve), key, faults) if key in document else None


def _augment(training: Training | None, faults: list[Fault]) -> tuple[Named, ...]:
    if training is None:
        return ()
    found = [
        plug(given, Table(AUGMENTATIONS, "__call__"), f"training.augment[{i}]", faults)
        for i, given in enumerate(training.augment)
    ]
    return tuple(named for named in found if named)


def _pruning(given: Any, faults: list[Fault]) -> Pruning | None:
    document = documents.build(PruningDocument, given, "pruning", faults)
    if document is None:
        return None
    named: list[Named] = []
    if not document.methods:
        faults.append(Fault("pruning.methods", f"needs at least one method; allowed: {', '.join(METHODS)}"))
    for i, entry in enumerate(document.methods):
        method = plug(entry, Table(METHODS, "score|choose", labelled=True), f"pruning.methods[{i}]", faults)
        if method and any(method.label == other.label for other in named):
            message = f"'{method.label}' is listed twice; give one of them a `label` of its own"
            faults.append(Fault(f"pruning.methods[{i}]", message))
        elif method:
            named.append(method)
    _check_warmups(document, named, faults)
    keep_ratios, rule = ratios.parse(document.keep_ratio, faults)
    if rule is not None and document.scores_from is not None:
        message = "takes the subsets of another run, whose ratios a rule does not know; give keep_ratio as numbers"
        faults.append(Fault("pruning.scores_from", message))
    return Pruning(tuple(named), keep_ratios, document.warmup, document.keep_scores, document.scores_from, rule)


def _check_warmups(document: PruningDocument, named: list[Named], faults: list[Fault]) -> None:
    candidates: list[tuple[str, Warmup | None]] = [("pruning.warmup", document.warmup)]
    candidates += [(f"pruning.methods ({m.label}).warmup", getattr(m.plugin, "warmup", None)) for m in named]
    for path, warmup in candidates:
        if isinstance(warmup, Warmup) and warmup.epochs is not None and warmup.iterations is not None:
            faults.append(Fault(path, "give T0 either in `epochs` or in `iterations`, not in both"))


def _resolved(scenario: Scenario) -> Document:
    """The document with everything filled in. Loading it again gives an equal scenario."""

    def named(part: Named) -> Document:
        label = {"label": part.label} if part.label != part.name else {}
        return {"name": part.name, **label, **_plain(part.plugin)}

    training = _plain(scenario.training)
    training["augment"] = [named(entry) for entry in scenario.augment]
    return {
        "name": scenario.name,
        "dataset": named(scenario.dataset),
        "partition": named(scenario.partition),
        "fleet": _plain(scenario.fleet.document),
        "model": named(scenario.model),
        "training": training,
        "pruning": {
            "methods": [named(method) for method in scenario.pruning.methods],
            "keep_ratio": ratios.document(scenario.pruning.keep_ratios, scenario.pruning.rule),
            "warmup": _plain(scenario.pruning.warmup),
            "keep_scores": scenario.pruning.keep_scores,
            "scores_from": scenario.pruning.scores_from,
        },
        "evaluation": _plain(scenario.evaluation),
        "cost": _plain(scenario.cost),
        "seeds": list(scenario.seeds),
    }


def _plain(instance: Any) -> Any:
    """A dataclass as plain YAML values."""
    return TypeAdapter(type(instance)).dump_python(instance, mode="json")
