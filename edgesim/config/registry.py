"""Binds what a document names to a plug-in: a row of a table, or the user's own class, with its arguments checked."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from edgesim.config import plugins, validation
from edgesim.errors import EdgesimError, Fault

Resolve = Callable[[str, str], type]
"""(name with a colon, the method that its class must have) -> class"""


@dataclass(frozen=True)
class NamedPlugin:
    """A plug-in: the name it goes by, and the instance with its arguments."""

    label: str
    """how tables and reports call it: the name, unless the document gives a label"""
    name: str
    """the table's row, or `package.module:Name`"""
    plugin: Any


def own(name: str, duty: str) -> type:
    """The user's own class behind `package.module:Name`.

    Raises:
        EdgesimError: it cannot be imported, is no dataclass, or has no method `duty`.
    """
    loaded = plugins.load(name)
    duties = duty.split("|")
    if not isinstance(loaded, type) or not any(callable(getattr(loaded, one, None)) for one in duties):
        raise EdgesimError(f"{name} must be a class with a method {' or '.join(f'`{one}`' for one in duties)}")
    if not dataclasses.is_dataclass(loaded):
        raise EdgesimError(f"{name} must be a dataclass, so that its arguments can be checked")
    return loaded


@dataclass(frozen=True)
class Table:
    """A table of plug-ins and how to find those outside it."""

    rows: Mapping[str, type]
    duty: str
    """the methods that a user's own class must have one of, separated by '|' """
    resolve: Resolve = own
    labelled: bool = False
    """whether a document may give a row a `label`, so that it can stand there twice"""
    base: type | None = None
    """class that a user's own class must subclass"""


def plug(given: Any, table: Table, path: str, faults: list[Fault]) -> NamedPlugin | None:
    """A plug-in from `name`, or from a map with `name`, its arguments and, where the table has them, a `label`.

    Args:
        given: what the document holds.
        table: where names are looked up.
        path: YAML path, for messages.
        faults: collects every fault.

    Returns: the plug-in, or None where there was a fault.
    """
    if isinstance(given, str):
        given = {"name": given}
    if not isinstance(given, dict) or not isinstance(given.get("name"), str):
        got = validation.kind_of(given) + ("" if not isinstance(given, dict) else " without one")
        faults.append(Fault(path, f"must be a name or a map with `name`; got {got}; allowed: {', '.join(table.rows)}"))
        return None
    name = given["name"]
    label = label_of(given) if table.labelled else name
    if not label and "label" in given:
        got = validation.kind_of(given["label"])
        faults.append(Fault(validation.join(path, "label"), f"must be text of one character or more; got {got}"))
    cls = _class(name, table, path, faults)
    if cls is None:
        return None
    taken = ("name", "label") if table.labelled else ("name",)
    arguments = {key: value for key, value in given.items() if key not in taken}
    plugin = validation.build(cls, arguments, path, faults)
    return None if plugin is None or not label else NamedPlugin(label, name, plugin)


def label_of(given: Any) -> str | None:
    """How an entry of a labelled table is called: its `label`, else its name; None where it has none of either."""
    found = given.get("label", given.get("name")) if isinstance(given, dict) else given
    return found if isinstance(found, str) and found else None


def _check_base(name: str, loaded: type, table: Table) -> None:
    """EdgesimError where a user's own class does not subclass the table's base, or overrides none of the duties."""
    base, own_name = table.base, loaded.__name__
    if base is None:
        return
    if not issubclass(loaded, base):
        raise EdgesimError(
            f"{name} must subclass {base.__name__}: write `class {own_name}({base.__name__}):` "
            f"with `from {base.__module__} import {base.__name__}`"
        )
    duties = table.duty.split("|")
    if all(getattr(loaded, one) is getattr(base, one) for one in duties):
        given = " or ".join(f"`{one}`" for one in duties)
        raise EdgesimError(f"{name} must define a method {given}; {own_name} only inherits the one of {base.__name__}")


def _class(name: str, table: Table, path: str, faults: list[Fault]) -> type | None:
    if name in table.rows:
        return table.rows[name]
    where = validation.join(path, "name")
    if plugins.is_reference(name):
        try:
            loaded = table.resolve(name, table.duty)
            _check_base(name, loaded, table)
            return loaded
        except EdgesimError as error:
            faults.append(Fault(where, str(error)))
            return None
    near = validation.nearest(name, table.rows)
    faults.append(Fault(where, f"there is no '{name}'; allowed: {', '.join(table.rows)}{near}"))
    return None
