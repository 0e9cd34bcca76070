"""The resolved document of a scenario: overrides applied, the fleet inlined, defaults filled in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgesim.config.checked_dataclass import adapter
from edgesim.config.plausible import stated
from edgesim.config.registry import NamedPlugin
from edgesim.hardware import fleet
from edgesim.scenario import keep_ratio, method_options

if TYPE_CHECKING:
    from edgesim.scenario.loading import Scenario

Document = dict[str, Any]


def resolved(scenario: Scenario) -> Document:
    """The document with everything filled in. Loading it again gives an equal scenario."""

    training = _plain(scenario.training)
    if scenario.training.initial_weights is None:  # left out, so that runs from before these keys go on
        del training["initial_weights"], training["fresh_layers"]
    training["augment"] = [_named(entry) for entry in scenario.augment]
    document = {
        "name": scenario.name,
        "dataset": _named(scenario.dataset),
        "partition": _named(scenario.partition),
        "fleet": fleet.to_dict(scenario.fleet.document),
        "model": _named(scenario.model),
        "training": training,
        "pruning": {
            "methods": [
                _named(method) | method_options.document_of(method.plugin) for method in scenario.pruning.methods
            ],
            "keep_ratio": keep_ratio.document(scenario.pruning.keep_ratios, scenario.pruning.rule),
            "warmup": _plain(scenario.pruning.warmup),
            "keep_scores": scenario.pruning.keep_scores,
            "scores_from": scenario.pruning.scores_from,
        },
        "evaluation": _plain(scenario.evaluation),
        "cost": _plain(scenario.cost),
        "report": _plain(scenario.report),
        "run": _plain(scenario.run),
        "seeds": list(scenario.seeds),
    }
    if scenario.transfer is not None:
        tuned = scenario.transfer
        document["transfer"] = {
            "to": _named(tuned.dataset),
            "epochs": tuned.epochs,
            "learning_rate": tuned.learning_rate,
            "partition": _named(tuned.partition),
        }
    if scenario.track:
        document["track"] = list(scenario.track)
    return dict(stated(document))


def _named(part: NamedPlugin) -> Document:
    """A plug-in with its arguments."""
    label = {"label": part.label} if part.label != part.name else {}
    return {"name": part.name, **label, **_plain(part.plugin)}


def _plain(instance: Any) -> Any:
    """A dataclass as plain YAML values."""
    return adapter(type(instance)).dump_python(instance, mode="json")
