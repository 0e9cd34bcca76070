"""JSON Schemas of scenarios, fleets and device profiles, for editors.

Made from the dataclasses that check the documents. Every property has a description: the text below its field in the
source, with the range and the default that the check itself uses (`field_docs`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from edgesim import models
from edgesim.config import plugins
from edgesim.config.checked_dataclass import adapter
from edgesim.config.field_docs import described, field_docs, summary
from edgesim.cost.objective import Budget, Objective
from edgesim.data.augment import AUGMENTATIONS
from edgesim.data.datasets import DATASETS
from edgesim.data.partition_schemes import PARTITIONS
from edgesim.hardware import fleet as fleets
from edgesim.hardware import loading
from edgesim.pruning import METHODS, SAMPLERS
from edgesim.scenario.loading import REQUIRED, SWEEP, CostSection, ReportSection, Scenario
from edgesim.scenario.method_options import USES, takes_after_warmup, takes_sampler
from edgesim.scenario.pruning_section import PruningDocument
from edgesim.scenario.run_section import TRACKERS, RunSection
from edgesim.scenario.transfer_section import TransferDocument
from edgesim.training.settings import Evaluation, Training

Schema = dict[str, Any]
DIALECT = "https://json-schema.org/draft/2020-12/schema"
RATIO: Schema = {"type": "number", "exclusiveMinimum": 0, "maximum": 1}
SAMPLER = "Rule that turns the scores into a subset: a name, or a map with `name` and arguments. Default: top."
AFTER_WARMUP: Schema = {
    "enum": list(USES),
    "description": "Reset: training starts anew from the initial weights; continue: from those of the warm-up; counts: "
    "the warm-up is the beginning of the training, which goes on with the subset. Default: reset.",
}
PLUGINS = {"method": "methods", "model": "models", "data set": "datasets", "partition": "partitions"}
"""kind of plug-in in words -> kind of the plug-ins of installed packages"""
SEED: Schema = {"type": "integer", "minimum": 0}
SWEPT: Schema = {
    "type": "object",
    "minProperties": 1,
    "additionalProperties": {"type": "array", "minItems": 1, "uniqueItems": True},
    "description": "Lists of values of other keys by their paths: `edgesim sweep` runs every combination. Left "
    "out: one scenario.",
}


def scenario() -> Schema:
    """JSON Schema (draft 2020-12) of a scenario."""
    definitions: Schema = {}
    training, pruning = _of(Training, definitions), _of(PruningDocument, definitions)
    augmentations = _choice(AUGMENTATIONS, definitions, "augmentation")
    training["properties"]["augment"] |= {"type": "array", "items": augmentations}
    label = {"type": "string", "description": "How tables and reports call this entry. Left out: its name."}
    definitions["SubsetSampler"] = _choice(SAMPLERS, definitions, "sampler", own=False)
    sampler = {"$ref": "#/$defs/SubsetSampler", "description": SAMPLER}
    methods = _choice(
        METHODS,
        definitions,
        "method",
        lambda cls: {
            "label": label,
            **({"sampler": sampler} if takes_sampler(cls) else {}),
            **({"after_warmup": AFTER_WARMUP} if takes_after_warmup(cls) else {}),
        },
    )
    pruning["properties"]["methods"] |= {"type": "array", "minItems": 1, "items": methods}
    pruning["properties"]["keep_ratio"] |= {
        "anyOf": [RATIO, {"type": "array", "items": RATIO, "minItems": 1, "uniqueItems": True}, *_rules(definitions)]
    }
    tracker: Schema = {"enum": [*TRACKERS, *(plugin.name for plugin in plugins.installed("trackers"))]}
    datasets, partitions = (_choice(DATASETS, definitions, "data set"), _choice(PARTITIONS, definitions, "partition"))
    properties: Schema = {
        "name": {"type": "string"},
        "dataset": datasets,
        "partition": partitions,
        "fleet": {"anyOf": [{"type": "string"}, _fleet(definitions)]},
        "model": _choice(models.MODELS, definitions, "model"),
        "training": training,
        "pruning": pruning,
        "evaluation": _of(Evaluation, definitions),
        "cost": _of(CostSection, definitions),
        "report": _of(ReportSection, definitions),
        "run": _of(RunSection, definitions),
        "transfer": _transfer(definitions, datasets, partitions),
        "seeds": {"anyOf": [SEED, {"type": "array", "items": SEED, "minItems": 1, "uniqueItems": True}], "default": 0},
        "track": {"anyOf": [tracker, {"type": "array", "items": tracker}]},
    }
    docs = field_docs(Scenario)
    for name, part in properties.items():
        part["description"] = f"{docs[name][0].upper()}{docs[name][1:]}."
    properties[SWEEP] = SWEPT
    return {
        "$schema": DIALECT,
        "title": "edgesim scenario",
        "description": summary(Scenario),
        "type": "object",
        "additionalProperties": False,
        "required": list(REQUIRED),
        "properties": properties,
        "$defs": definitions,
    }


def _transfer(definitions: Schema, datasets: Schema, partitions: Schema) -> Schema:
    """The part `transfer`, whose data set and partition are chosen as those of the scenario."""
    part = _of(TransferDocument, definitions)
    for key, choices in (("to", datasets), ("partition", partitions)):
        part["properties"][key] = {**choices, "description": part["properties"][key].get("description", "")}
    return part


def fleet() -> Schema:
    """JSON Schema of a fleet file."""
    definitions: Schema = {}
    part = _fleet(definitions)
    return {"$schema": DIALECT, "title": "edgesim fleet", **part, "$defs": definitions}


def _fleet(definitions: Schema) -> Schema:
    part = _of(fleets.FleetDocument, definitions)
    part["properties"]["groups"] |= {"minItems": 1}
    return part


def profile() -> Schema:
    """JSON Schema of a device profile's file."""
    return {"$schema": DIALECT, "title": "edgesim device profile", **loading.schema()}


SCHEMAS: dict[str, Callable[[], Schema]] = {"scenario": scenario, "profile": profile, "fleet": fleet}
"""document -> its schema: `edgesim schema`"""


def _rules(definitions: Schema) -> list[Schema]:
    """The rules of keep_ratio: each a map with one key."""
    budget, objective = _of(Budget, definitions), _of(Objective, definitions)
    properties = objective["properties"]
    objective["properties"] = {"lambda": properties.pop("trade_off"), **properties}
    objective["required"] = ["lambda"]
    rules = {"budget": {**budget, "minProperties": 1}, "objective": objective}
    return [
        {"type": "object", "additionalProperties": False, "required": [name], "properties": {name: part}}
        for name, part in rules.items()
    ]


def _of(cls: type, definitions: Schema) -> Schema:
    """Schema of a dataclass; the schemas that it refers to go to `definitions`."""
    part = described(adapter(cls).json_schema(ref_template="#/$defs/{model}"), cls)
    for name, definition in part.pop("$defs", {}).items():
        definitions[name] = {**definition, **({"additionalProperties": False} if "properties" in definition else {})}
    return {**part, "additionalProperties": False, "properties": part.get("properties", {})}


def _choice(
    table: Mapping[str, type],
    definitions: Schema,
    kind: str,
    extra: Callable[[type], Schema] = lambda cls: {},
    own: bool = True,
) -> Schema:
    """A name of the table or, where `own`, a plug-in or `package.module:Name`; bare or in a map with arguments.

    Args:
        table: name -> class.
        definitions: schemas that others refer to, added to.
        kind: of plug-in, for descriptions.
        extra: keys of a row beside its name and the fields of its class.
        own: True where a user's own class may be named.
    """
    text = f"Name of the {kind}: your own class, as package.module:Name."
    outside = [plugin.name for plugin in plugins.installed(PLUGINS[kind])] if kind in PLUGINS else []
    pattern = "|".join([":", *(f"^{re.escape(name)}$" for name in dict.fromkeys(outside))])
    reference: Schema = {"type": "string", "pattern": pattern, "description": text}
    variants: list[Schema] = [{"enum": list(table)}, *([reference] if own else [])]
    for name, cls in table.items():
        part = _of(cls, definitions)
        name_field = {"const": name, "description": f"Name of the {kind}. {name}: {summary(cls).rstrip('.')}."}
        part["properties"] = {"name": name_field, **extra(cls), **part["properties"]}
        part["required"] = ["name", *part.get("required", [])]
        variants.append(part)
    if own:
        variants.append({"type": "object", "properties": {"name": reference}, "required": ["name"]})
    return {"anyOf": variants}
