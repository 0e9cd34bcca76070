"""The table of methods and one section for each, from the classes themselves."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

from edgesim.pruning import METHODS
from generators.keys import arguments, method_entries
from generators.markdown import code, page, table


def methods() -> str:
    """Every method: what it keeps, its source and cost class; then its arguments and the text of its file."""
    entries = dict(method_entries())
    rows = [(f"[`{name}`](#{name})", _first_line(cls), cls.source, cls.cost_class) for name, cls in _classes().items()]
    parts = [table(("method", "keeps", "source", "cost of scoring"), rows)]
    for name, cls in _classes().items():
        notes = inspect.getdoc(importlib.import_module(cls.__module__)) or ""
        module = cls.__module__.replace(".", "/") + ".py"
        parts += [
            f"## {name}",
            f"Source: {cls.source}. Cost of scoring: {cls.cost_class}. Code: {code(module)}.",
            arguments(entries[name]["properties"]),
            f"```text\n{notes}\n```" if notes else "",
        ]
    return page(*parts)


def _classes() -> dict[str, Any]:
    return dict(METHODS)


def _first_line(cls: type) -> str:
    return (inspect.getdoc(cls) or "").splitlines()[0].rstrip(".")
