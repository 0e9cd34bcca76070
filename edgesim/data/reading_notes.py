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
    """number of files, images, samples or classes that it is about"""

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", as_utf8(self.text))

    def __str__(self) -> str:
        return self.text


def as_utf8(text: str) -> str:
    """Text that can be written as UTF-8: bytes of a file's name that are no text become escapes such as '\\udce9'."""
    return text.encode("utf-8", "backslashreplace").decode()


def some(names: Iterable[object], limit: int = LISTED) -> str:
    """The first names of a list, with a sign where there are more."""
    listed: Sequence[object] = list(names)
    return ", ".join(map(str, listed[:limit])) + (", …" if len(listed) > limit else "")
