"""The table of methods and one section for each, from the classes themselves."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from typing import Any

from edgesim.pruning import METHODS, SAMPLERS
from edgesim.pruning.base import Method
from generators.columns import class_texts
from generators.keys import arguments, method_entries, sampler_entries
from generators.markdown import code, page, table


def methods() -> str:
    """Every method: what it keeps, its source and cost class; then its arguments and the text of its file."""
    entries = dict(method_entries())
    rows = [(f"[`{name}`](#{name})", _first_line(cls), cls.source, cls.cost_class) for name, cls in _classes().items()]
    parts = [table(("method", "keeps", "source", "cost of scoring"), rows)]
    for name, cls in _classes().items():
        notes = inspect.getdoc(importlib.import_module(cls.__module__)) or ""
        about = f"Source: {cls.source}. Cost of scoring: {cls.cost_class}. "
        parts += [f"## {name}", *_entry(cls, about, entries[name], notes)]
    return page(*parts)


def samplers() -> str:
    """Every sampler of subsets: its rule, its arguments, and the text of its class."""
    parts = [
        table(("sampler", "keeps"), [(f"[`{name}`](#{name})", _first_line(cls)) for name, cls in SAMPLERS.items()])
    ]
    entries = dict(sampler_entries())
    for name, cls in SAMPLERS.items():
        notes = (inspect.getdoc(cls) or "").partition("\n\n")[2]
        parts += [f"### {name}", *_entry(cls, "", entries[name], notes)]
    return page(*parts)


def _entry(cls: type, about: str, schema: Mapping[str, Any], notes: str) -> list[str]:
    """Lines on one class: where its code is, its arguments, and its text."""
    module = cls.__module__.replace(".", "/") + ".py"
    text = f"```text\n{notes}\n```" if notes else ""
    return [f"{about}Code: {code(module)}.", arguments(schema["properties"]), text]


def method_members() -> str:
    """The members of the base class, each with its purpose: those that a method may override."""
    rows = [(code(name), text) for name, text in class_texts(Method).items()]
    for name, member in vars(Method).items():
        if inspect.isfunction(member):
            shown = f"{name}({', '.join(list(inspect.signature(member).parameters)[1:])})"
            rows.append((code(shown), (inspect.getdoc(member) or "").split("\n\n")[0]))
    return table(("member", "purpose"), rows)


def _classes() -> dict[str, Any]:
    return dict(METHODS)


def _first_line(cls: type) -> str:
    return (inspect.getdoc(cls) or "").splitlines()[0].rstrip(".")
