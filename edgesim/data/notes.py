"""Notes of a reader: everything that it leaves out, misses, meets twice or reads as something else, counted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["left out", "missing", "repeated", "read as"]

LISTED = 5
"""names that a note spells out"""


@dataclass(frozen=True)
class Note:
    """One thing that a person should know of how a data set was read."""

    kind: Kind
    text: str
    """one sentence with the count; paths relative to the data set's folder"""
    count: int
    """how many files, images, samples or classes it is about"""

    def __str__(self) -> str:
        return self.text


def counted(count: int, one: str, many: str) -> str:
    """A count with its noun and verb: `counted(2, "image has", "images have")` gives '2 images have'."""
    return f"{count:,} {one if count == 1 else many}"


def some(names: Iterable[object], limit: int = LISTED) -> str:
    """The first names of a list, with a sign where there are more."""
    listed: Sequence[object] = list(names)
    return ", ".join(map(str, listed[:limit])) + (", …" if len(listed) > limit else "")
