"""JSON Schema of scenario documents, made from the same dataclasses that check them: for editors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from edgesim import fleet, models
from edgesim.cost.objective import Budget, Objective
from edgesim.data.augment import AUGMENTATIONS
from edgesim.data.datasets import DATASETS
from edgesim.data.schemes import PARTITIONS
from edgesim.pruning import METHODS
from edgesim.scenario import REQUIRED, Cost, PruningDocument
from edgesim.training.settings import Evaluation, Training

Schema = dict[str, Any]
RATIO: Schema = {"type": "number", "exclusiveMinimum": 0, "maximum": 1}
SEED: Schema = {"type": "integer", "minimum": 0}


def scenario() -> Schema:
    """JSON Schema (draft 2020-12) of a scenario."""
    definitions: Schema = {}
    training, pruning = _of(Training, definitions), _of(PruningDocument, definitions)
    training["properties"]["augment"] = {"type": "array", "items": _choice(AUGMENTATIONS, definitions)}
    methods = _choice(METHODS, definitions, {"label": {"type": "string"}})
    pruning["properties"]["methods"] = {"type": "array", "minItems": 1, "items": methods}
    pruning["properties"]["keep_ratio"] = {
        "anyOf": [RATIO, {"type": "array", "items": RATIO, "minItems": 1}, *_rules(definitions)]
    }
    properties = {
        "name": {"type": "string"},
        "dataset": _choice(DATASETS, definitions),
        "partition": _choice(PARTITIONS, definitions),
        "fleet": {"anyOf": [{"type": "string"}, _of(fleet.FleetDocument, definitions)]},
        "model": _choice(models.MODELS, definitions),
        "training": training,
        "pruning": pruning,
        "evaluation": _of(Evaluation, definitions),
        "cost": _of(Cost, definitions),
        "seeds": {"anyOf": [SEED, {"type": "array", "items": SEED, "minItems": 1}]},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "edgesim scenario",
        "type": "object",
        "additionalProperties": False,
        "required": list(REQUIRED),
        "properties": properties,
        "$defs": definitions,
    }


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
    """Schema of a dataclass; what it refers to goes to `definitions`."""
    part = TypeAdapter(cls).json_schema(ref_template="#/$defs/{model}")
    for name, definition in part.pop("$defs", {}).items():
        definitions[name] = {**definition, **({"additionalProperties": False} if "properties" in definition else {})}
    return {**part, "additionalProperties": False, "properties": part.get("properties", {})}


def _choice(table: Mapping[str, type], definitions: Schema, extra: Schema | None = None) -> Schema:
    """A name of the table or `package.module:Name`, bare or in a map with arguments."""
    reference: Schema = {"type": "string", "pattern": ":"}
    variants: list[Schema] = [{"enum": list(table)}, reference]
    for name, cls in table.items():
        part = _of(cls, definitions)
        part["properties"] = {"name": {"const": name}, **(extra or {}), **part["properties"]}
        part["required"] = ["name", *part.get("required", [])]
        variants.append(part)
    variants.append({"type": "object", "properties": {"name": reference}, "required": ["name"]})
    return {"anyOf": variants}
