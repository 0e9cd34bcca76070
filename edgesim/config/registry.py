"""Registry of plug-ins: a name in a document becomes a row of a table or the user's own class, arguments checked.

A user names an own model, method or data set as `package.module:Name`, or by the entry point of an installed package
(`config.plugins`).
"""

from __future__ import annotations

import dataclasses
import importlib
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Generic, TypeVar

from edgesim.config import plugins, user_code, validation
from edgesim.config.validation import nearest
from edgesim.errors import EdgesimError, Fault

_REFERENCE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")
LABEL_LENGTH = 80
LABEL_FORM = f"must be printable text of 1 to {LABEL_LENGTH} characters, without / or \\"
T = TypeVar("T")
Resolve = Callable[[str, str], type]
"""(name with a colon, the method that its class must have) -> class"""


@dataclass(frozen=True)
class NamedPlugin:
    """A plug-in with its name and its arguments."""

    label: str
    """name in tables and reports: that of the plug-in, unless the document gives a label"""
    name: str
    """the table's row, or `package.module:Name`"""
    plugin: Any


def own_class(name: str, methods: str) -> type:
    """The user's own class behind `package.module:Name`.

    Raises:
        EdgesimError: it cannot be imported, is no dataclass, or has no method `methods`.
    """
    loaded = load(name)
    required = methods.split("|")
    if not isinstance(loaded, type) or not any(callable(getattr(loaded, one, None)) for one in required):
        raise EdgesimError(f"{name} must be a class with a method {' or '.join(f'`{one}`' for one in required)}")
    if not dataclasses.is_dataclass(loaded):
        raise EdgesimError(f"{name} must be a dataclass, so that its arguments can be checked")
    return loaded


class ImportedRows(Mapping[str, type[T]], Generic[T]):
    """Rows of a table of plug-ins. A row's module is imported when the row is asked for, and for no other reason."""

    def __init__(self, places: Mapping[str, str]) -> None:
        """Keep the rows: their names, each with its class as `package.module:Name`."""
        self._places = dict(places)

    def __getitem__(self, name: str) -> type[T]:
        """The class of a row."""
        module_name, attribute = self._places[name].split(":")
        cls: type[T] = getattr(importlib.import_module(module_name), attribute)
        return cls

    def __contains__(self, name: object) -> bool:
        """True for the name of a row; nothing is imported."""
        return name in self._places

    def __iter__(self) -> Iterator[str]:
        """The names, in the order of the table."""
        return iter(self._places)

    def __len__(self) -> int:
        """Number of rows."""
        return len(self._places)


@dataclass(frozen=True)
class PluginTable:
    """Table of plug-ins, and the search for those outside it."""

    rows: Mapping[str, type]
    methods: str
    """the methods that a user's own class must have one of, separated by '|' """
    resolve: Resolve = own_class
    labelled: bool = False
    """True: a document may give a `label`, so that one row can be listed twice"""
    base: type | None = None
    """class that a user's own class must subclass"""
    options: tuple[str, ...] = ()
    """keys of an entry that are read elsewhere, beside the arguments"""
    kind: str = ""
    """kind of the plug-ins of installed packages (`plugins.KINDS`); empty = there are none"""


def bind(given: Any, table: PluginTable, path: str, faults: list[Fault]) -> NamedPlugin | None:
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
    found = _known(given["name"], table, path, faults)
    if found is None:
        return None
    name, package = found
    label = label_of(given) if table.labelled else name
    if table.labelled and "label" in given and not is_label(given["label"]):
        got, label = validation.kind_of(given["label"]), None
        faults.append(Fault(validation.join(path, "label"), f"{LABEL_FORM}; got {got}"))
    before = len(faults)
    cls = _class(name, table, path, faults)
    if cls is None:
        if package:
            faults[before:] = [Fault(fault.path, f"{package}: {fault.message}") for fault in faults[before:]]
        return None
    taken = ("name", "label") if table.labelled else ("name",)
    arguments = {key: value for key, value in given.items() if key not in taken}
    beside = (*taken, *table.options) if table.options else ()
    plugin = _made(cls, name, arguments, path, faults, beside)
    return None if plugin is None or not label else NamedPlugin(label, name, plugin)


def _made(
    cls: type, name: str, arguments: dict[str, Any], path: str, faults: list[Fault], beside: tuple[str, ...]
) -> Any:
    """An instance of a plug-in's class; None where there was a fault, or where a user's own class raised anything."""
    try:
        with user_code.boundary(f"{name} cannot be made of its arguments", own=is_reference(name)):
            return validation.build(cls, arguments, path, faults, beside)
    except EdgesimError as error:
        faults.append(Fault(path, str(error)))
        return None


def is_label(given: Any) -> bool:
    """True where an entry of a document may be called so: pages, tables and file names show it."""
    fits = isinstance(given, str) and given == given.strip() and 0 < len(given) <= LABEL_LENGTH
    return fits and given.isprintable() and not set(given) & {"/", "\\"}


def label_of(given: Any) -> str | None:
    """The `label` of an entry of a labelled table, else its name; None where it has neither."""
    found = given.get("label", given.get("name")) if isinstance(given, dict) else given
    return found if isinstance(found, str) and found else None


def _check_base(name: str, loaded: type, table: PluginTable) -> None:
    """EdgesimError where a user's own class does not subclass the table's base, or overrides none of the required."""
    base, own_name = table.base, loaded.__name__
    if base is None:
        return
    if not issubclass(loaded, base):
        raise EdgesimError(
            f"{name} must subclass {base.__name__}: write `class {own_name}({base.__name__}):` "
            f"with `from {base.__module__} import {base.__name__}`"
        )
    required = table.methods.split("|")
    if all(getattr(loaded, one) is getattr(base, one) for one in required):
        given = " or ".join(f"`{one}`" for one in required)
        raise EdgesimError(f"{name} must define a method {given}; {own_name} only inherits the one of {base.__name__}")


def _known(name: str, table: PluginTable, path: str, faults: list[Fault]) -> tuple[str, str] | None:
    """A row's name or a reference as it is; a plug-in of an installed package as its reference, with the package."""
    if name in table.rows or is_reference(name):
        return name, ""
    allowed = list(table.rows)
    where = validation.join(path, "name")
    if table.kind:
        try:
            plugin = plugins.named(table.kind, name)
        except EdgesimError as error:
            faults.append(Fault(where, str(error)))
            return None
        if plugin is not None:
            return plugin.reference, f"'{name}' of {plugin.package}"
        allowed += [one.name for one in plugins.installed(table.kind) if one.name not in table.rows]
    faults.append(Fault(where, f"there is no '{name}'; allowed: {', '.join(allowed)}{nearest(name, allowed)}"))
    return None


def _class(name: str, table: PluginTable, path: str, faults: list[Fault]) -> type | None:
    """Class of a row or a reference."""
    if name in table.rows:
        return table.rows[name]
    try:
        with user_code.boundary(f"{name} cannot be used"):
            loaded = table.resolve(name, table.methods)
            _check_base(name, loaded, table)
            return loaded
    except EdgesimError as error:
        faults.append(Fault(validation.join(path, "name"), str(error)))
        return None


def is_reference(name: str) -> bool:
    """True where `name` is meant as `package.module:Name`: it holds a colon, well-formed or not."""
    return ":" in name


def load(name: str) -> Callable[..., Any]:
    """Import the class or function that `name` refers to.

    The current directory is searched first, as `python -m` does, so that a file there can be used without
    being installed.

    Args:
        name: `package.module:Name`.

    Returns: the object itself, always callable.

    Raises:
        EdgesimError: malformed name, no such module, the module fails on import (with file and line), no such
            attribute (with the nearest one), or something that cannot be called.
    """
    if not _REFERENCE.fullmatch(name):
        raise EdgesimError(f"'{name}' must be written as package.module:Name, for example my_code.nets:MyNet")
    module_name, attribute = name.split(":")
    with user_code.boundary(f"the module '{module_name}' fails on import"):
        found = _attribute(_import(module_name), module_name, attribute)
    if not callable(found):
        raise EdgesimError(
            f"'{name}' is a value of type {type(found).__name__}; name a class or a function of that module"
        )
    return found


def _attribute(module: ModuleType, module_name: str, attribute: str) -> Any:
    if not hasattr(module, attribute):
        names = [key for key in vars(module) if not key.startswith("_")]
        where = getattr(module, "__file__", None) or "a folder without __init__.py"
        raise EdgesimError(f"the module '{module_name}' ({where}) has no '{attribute}'{nearest(attribute, names)}")
    return getattr(module, attribute)


def _import(module_name: str) -> ModuleType:
    here = os.getcwd()
    sys.path.insert(0, here)
    try:
        importlib.invalidate_caches()  # the file may be younger than Python's listing of its folder
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise  # the module is there; one that it imports is not
        raise EdgesimError(
            f"there is no module '{error.name}'; looked in the current directory ({here}) and among the "
            "installed packages. Run edgesim from the folder that holds it, or install it"
        ) from None
    finally:
        if here in sys.path:
            sys.path.remove(here)
        if here not in sys.path:
            # From now on the folder comes last: later imports of the module are found there, and it shadows nothing.
            sys.path.append(here)
