"""Calls that a tracker has not taken yet, and their form in the pipe of its process: a line of JSON each."""

from __future__ import annotations

import json
import os
import queue
from collections.abc import Hashable
from pathlib import Path
from typing import Any

from edgesim.sessions.trackers.base import About, Cell

MEANS = "trial_ended"
"""method whose calls replace each other: it takes means over all trials of a cell so far"""


class Calls:
    """Calls in their order; of the means of a cell only the newest.

    One thread puts, another takes. There is no lock, which a signal could leave held: each step is one operation of
    Python's own.
    """

    def __init__(self) -> None:
        self._order: queue.SimpleQueue[Hashable] = queue.SimpleQueue()
        self._newest: dict[Hashable, tuple[str, tuple[Any, ...]]] = {}

    def put(self, method: str, *arguments: Any) -> None:
        """Add a call; it returns at once."""
        key = (method, arguments[0]) if method == MEANS else method
        self._newest[key] = method, arguments
        self._order.put(key)

    def take(self) -> tuple[str, tuple[Any, ...]]:
        """Wait for the next call: its method and its arguments."""
        while (call := self._newest.pop(self._order.get(), None)) is None:
            pass  # a later call of the cell went in the place of this one
        return call


def to_line(method: str, arguments: tuple[Any, ...]) -> bytes:
    """A call as a line; nothing in it can run code, as a pickle's content could."""
    return json.dumps([method, arguments], default=os.fspath).encode() + b"\n"


def from_line(line: bytes) -> tuple[str, tuple[Any, ...]]:
    """The call behind a line.

    Raises:
        ValueError: it was cut short.
    """
    method, given = json.loads(line)
    if method == "begin":
        about = About(*given[0])
        return method, (about._replace(folder=Path(about.folder)),)
    if method == MEANS:
        return method, (Cell(*given[0]), *given[1:])
    return method, tuple(map(Path, given) if method == "finish" else given)
