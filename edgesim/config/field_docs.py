"""The texts below the fields of dataclasses, read from the source: readers of code and of a schema see the same."""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
import itertools
import json
import re
import textwrap
from collections.abc import Iterator
from typing import Any, get_args, get_origin, get_type_hints

Schema = dict[str, Any]


@functools.cache
def field_docs(cls: type) -> dict[str, str]:
    """Field -> the text below it, on one line; those of base classes, too.

    Args:
        cls: a dataclass. One whose source cannot be read (made at run time) has no texts.
    """
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if dataclasses.is_dataclass(base):
            found |= _texts(base)
    return found


def summary(cls: type) -> str:
    """The first paragraph of a class's docstring, on one line."""
    return " ".join(inspect.cleandoc(cls.__doc__ or "").split("\n\n")[0].split())


def _texts(cls: type) -> dict[str, str]:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    except (OSError, TypeError, SyntaxError):
        return {}
    (body,) = (node.body for node in tree.body if isinstance(node, ast.ClassDef))
    found = {}
    for node, below in itertools.pairwise(body):
        is_text = isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and is_text:
            value = below.value.value  # type: ignore[attr-defined]
            if isinstance(value, str):
                found[node.target.id] = " ".join(value.split())
    return found


def described(schema: Schema, cls: type) -> Schema:
    """The JSON Schema of a dataclass with a description of every property, and without titles; changed in place.

    Args:
        schema: as pydantic makes it of `cls`; what it refers to is in its `$defs`.
        cls: the dataclass.
    """
    within, definitions = dict(_dataclasses(cls)), schema.get("$defs", {})
    for name, definition in definitions.items():
        # The name of a generic class has its arguments behind it, and its module before it where two are alike.
        words = re.split(r"_+", name)
        _describe(definition, within[name] if name in within else next(within[w] for w in words if w in within))
    _describe(schema, cls)
    for definition in definitions.values():
        for prop in definition.get("properties", {}).values():
            _add_quantity(prop, definitions)
    for part in (schema, *definitions.values()):
        _unless_unsafe(part)
    return schema


def _dataclasses(hint: Any) -> Iterator[tuple[str, type]]:
    """Name and class of every dataclass in a type."""
    cls = get_origin(hint) or hint
    if isinstance(cls, type) and dataclasses.is_dataclass(cls):
        yield cls.__name__, cls
        for inner in get_type_hints(cls).values():
            yield from _dataclasses(inner)
    for argument in get_args(hint):
        yield from _dataclasses(argument)


def _describe(part: Schema, cls: type) -> None:
    part.pop("title", None)
    part["description"] = summary(cls)
    docs = field_docs(cls)
    if "unsafe" in part.get("properties", {}):  # the last one, though its class is the base
        part["properties"]["unsafe"] = part["properties"].pop("unsafe")
    for name, prop in part.get("properties", {}).items():
        prop.pop("title", None)
        if "description" not in prop:  # a unit
            prop["description"] = _sentences(docs.get(name, ""), prop)


def _branches(prop: Schema) -> list[Schema]:
    return [branch for branch in prop.get("anyOf", [prop]) if branch.get("type") != "null"]


def _sentences(text: str, prop: Schema) -> str:
    """A field's text, its range, choices and default."""
    branches = _branches(prop)
    choices = [str(choice) for branch in branches for choice in branch.get("enum", ())]
    if not text.startswith(tuple(choices)):
        text = text[:1].upper() + text[1:]
    parts = [text, *map(_range, branches), *map(_plausible, branches)]
    parts += [said(branch.get("items", {}), "Each: ") for branch in branches for said in (_range, _plausible)]
    for place, part in enumerate(part for b in branches for part in b.get("items", {}).get("prefixItems", ())):
        parts.append(_plausible(part, f"Plausible number {place + 1} of each: "))
    if not all(choice in text for choice in choices):
        parts.append(f"One of {', '.join(choices)}")
    default = prop.get("default")
    if isinstance(default, bool | int | float | str) or (isinstance(default, list) and default):
        written = f"{default:.4g}" if isinstance(default, float) else default if isinstance(default, str) else None
        parts.append(f"Default: {written or json.dumps(default)}")
    return " ".join(f"{part.rstrip('.')}." for part in dict.fromkeys(parts) if part)


def _add_quantity(prop: Schema, definitions: Schema) -> None:
    """Add the unit and the range of a quantity to a property that refers to one."""
    for branch in _branches(prop):
        value = definitions.get(branch.get("$ref", "").rsplit("/", 1)[-1], {}).get("properties", {}).get("value", {})
        if "plausible" in value:
            unit = f"`value` {value['description']}, {_plausible(value, '')}"
            prop["description"] += f" A map with {unit}, `source` and `confidence`."


def _range(branch: Schema, lead: str = "Range: ") -> str:
    """Range of a number; an empty string where the schema gives none."""
    low, above, high, below = (
        branch.get(key) for key in ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")
    )
    limits = []
    if above is not None:
        limits.append(f"above {_number(above)}")
    if low is not None:
        limits.append(f"{_number(low)} or more" if high is None else f"from {_number(low)}")
    if high is not None:
        limits.append(f"to {_number(high)}" if low is not None else f"up to {_number(high)}")
    if below is not None:
        limits.append(f"below {_number(below)}")
    return lead + (" " if low is not None and high is not None else ", ").join(limits) if limits else ""


def _plausible(branch: Schema, lead: str = "Plausible: ") -> str:
    """Plausible range of a number; an empty string where it has none."""
    if "plausible" not in branch:
        return ""
    low, high = branch["plausible"]
    unit = f" {branch['description'].removeprefix('in ')}" if lead and "description" in branch else ""
    return f"{lead}from {_number(low)} to {_number(high)}{unit}"


def _unless_unsafe(part: Schema) -> None:
    """State the plausible ranges of a map's numbers, under the condition that `unsafe` is not true, as editors do."""
    ranges = {}
    for name, prop in part.get("properties", {}).items():
        for branch in (prop, *prop.get("anyOf", ())):
            if found := branch.pop("plausible", None):
                ranges[name] = {"minimum": found[0], "maximum": found[1]}
            for inner in (branch.get("items"), *branch.get("prefixItems", ())):
                _drop_plausible(inner)
    if ranges:
        part["if"] = {"required": ["unsafe"], "properties": {"unsafe": {"const": True}}}
        part["else"] = {"properties": ranges}


def _drop_plausible(part: Any) -> None:
    """Leave out ranges of numbers in lists, which the check alone states."""
    if isinstance(part, dict):
        part.pop("plausible", None)
        for inner in part.values():
            _drop_plausible(inner)
    for inner in part if isinstance(part, list) else ():
        _drop_plausible(inner)


def _number(value: float) -> str:
    return re.sub(r"e\+?(-?)0*", r"e\1", f"{value:.6g}")
