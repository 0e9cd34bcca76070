"""Scenario, fleet and profile keys, from the JSON Schemas that `edgesim schema` prints."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from edgesim.scenario import schema
from generators.markdown import code, page, table

Schema = dict[str, Any]
PLUGINS = {"dataset": "Data sets", "partition": "Partitions", "model": "Models"}
"""sections that name a row of a table, with the heading of that table"""


def scenario_keys() -> str:
    """Every key of a scenario with its meaning, range and default."""
    document = schema.scenario()
    parts = [_top_level(document)]
    for name, part in document["properties"].items():
        if name in PLUGINS:
            parts.append(_choices(name, PLUGINS[name], part))
        elif name != "fleet" and "properties" in part:
            parts.append(_section(name, part, document.get("$defs", {})))
    return "\n".join(parts)


def augmentations() -> str:
    """The entries that `training.augment` may have."""
    training = schema.scenario()["properties"]["training"]
    return _choices("training.augment", "Augmentations", training["properties"]["augment"]["items"])


def fleet_keys() -> str:
    """Every key of a fleet, inline or as a file of its own."""
    document = schema.fleet()
    return _section("fleet", document, document.get("$defs", {}))


def profile_keys() -> str:
    """Every key of a device profile."""
    document = schema.profile()
    return _section("profile", document, document.get("$defs", {}))


def arguments(properties: Schema) -> str:
    """A table of the arguments of one plug-in; an empty string where it has none."""
    rows = [
        (code(key), part.get("description", "")) for key, part in properties.items() if key not in ("name", "label")
    ]
    return table(("argument", "meaning"), rows) if rows else ""


def method_entries() -> Iterator[tuple[str, Schema]]:
    """Name and schema of every method of the table."""
    methods = schema.scenario()["properties"]["pruning"]["properties"]["methods"]
    yield from _named(methods["items"])


def sampler_entries() -> Iterator[tuple[str, Schema]]:
    """Name and schema of every sampler of subsets."""
    yield from _named(schema.scenario()["$defs"]["SubsetSampler"])


def _top_level(document: Schema) -> str:
    required = set(document["required"])
    rows = [
        (code(name), "yes" if name in required else "", part.get("description", ""))
        for name, part in document["properties"].items()
    ]
    return page("## All sections", table(("section", "required", "meaning"), rows))


def _named(choice: Schema) -> Iterator[tuple[str, Schema]]:
    for variant in choice["anyOf"]:
        name = variant.get("properties", {}).get("name", {}).get("const")
        if name is not None:
            yield name, variant


def _choices(path: str, heading: str, choice: Schema) -> str:
    """One heading per row of a table of plug-ins, with its arguments."""
    parts = [
        f"## {heading}: `{path}`",
        "A name, or a map with `name` and arguments. `package.module:Name` is your own.",
    ]
    for name, variant in _named(choice):
        parts += [f"### `{name}`", variant.get("description", ""), arguments(variant["properties"])]
    return page(*parts)


def _section(path: str, part: Schema, definitions: Schema) -> str:
    """One section: a table of its keys, dotted where maps lie within maps."""
    rows = [(code(key), said) for key, said in _keys("", part, definitions)]
    return page(f"## `{path}`", part.get("description", ""), table(("key", "meaning"), rows))


def _keys(prefix: str, part: Schema, definitions: Schema) -> Iterator[tuple[str, str]]:
    for name, prop in part.get("properties", {}).items():
        yield prefix + name, prop.get("description", "")
        for key, inner in _maps_within(name, prop, definitions):
            yield from _keys(f"{prefix}{key}.", inner, definitions)


def _maps_within(name: str, prop: Schema, definitions: Schema) -> Iterator[tuple[str, Schema]]:
    """Maps with keys of their own below a property: itself, its alternatives, its items. Quantities are values."""
    for branch in (prop, *prop.get("anyOf", ()), *prop.get("oneOf", ())):
        for key, candidate in ((name, branch), (f"{name}[]", branch.get("items", {}))):
            found = definitions.get(candidate.get("$ref", "").rsplit("/", 1)[-1], candidate)
            properties = found.get("properties", {})
            if properties and "value" not in properties and "const" not in properties.get("name", {}):
                yield key, found
