"""Display of scenarios and runs in Python: a few lines, or a table in a notebook."""

from __future__ import annotations

import dataclasses
import html as escaping
from collections.abc import Sequence
from typing import Any

Facts = list[tuple[str, str]]
"""(label, text)"""
SHOWN = 8
"""entries of a list that are written out"""
LONGEST = 60
"""signs of an argument"""


class Displayed:
    """Base of objects that are displayed as a title and facts."""

    def shown(self) -> tuple[str, Facts]:
        """The title, and (label, text) of each line."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return text(*self.shown())

    def _repr_html_(self) -> str:
        return html(*self.shown())


def text(title: str, facts: Facts) -> str:
    """A title, and one line per fact."""
    width = max(len(label) for label, _ in facts)
    return "\n".join([title, *(f"  {label:<{width}}  {value}" for label, value in facts)])


def html(title: str, facts: Facts) -> str:
    """The same as a table."""
    rows = "".join(f"<tr><th>{escaping.escape(a)}</th><td>{escaping.escape(b)}</td></tr>" for a, b in facts)
    return f"<table><caption>{escaping.escape(title)}</caption>{rows}</table>"


def few(entries: Sequence[str]) -> str:
    """A list on one line; of a long one the first entries and the number of the others."""
    more = len(entries) - SHOWN
    return ", ".join(entries[:SHOWN]) + (f" and {more:,} more" if more > 0 else "")


def called(name: str, plugin: Any) -> str:
    """A plug-in's name, and its arguments that differ from their defaults."""
    given = []
    for field in dataclasses.fields(plugin):
        value, make = getattr(plugin, field.name), field.default_factory
        default = field.default if make is dataclasses.MISSING else make()
        if field.init and value != default:
            given.append(f"{field.name} {_short(list(value) if isinstance(value, tuple) else value)}")
    return name + (f" ({', '.join(given)})" if given else "")


def _short(value: Any) -> str:
    written = str(value)
    return written if len(written) <= LONGEST else f"{written[: LONGEST - 3]}..."
