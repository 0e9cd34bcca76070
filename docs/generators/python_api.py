"""The public Python names, with signature and docstring."""

from __future__ import annotations

import inspect

import edgesim
from generators.markdown import page


def python() -> str:
    """One section per public name: its signature and docstring."""
    return "\n".join(_section(name) for name in edgesim.__all__)


def _section(name: str) -> str:
    found = getattr(edgesim, name)
    shown = f"class edgesim.{name}" if inspect.isclass(found) else f"edgesim.{name}{inspect.signature(found)}"
    return page(f"## edgesim.{name}", f"```python\n{shown}\n```", f"```text\n{inspect.getdoc(found)}\n```")
