"""Bounds of a document, checked before it is expanded: kind and size of the file, depth, number of values, aliases."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import yaml

from edgesim.errors import Fault, ScenarioError, shortened

MAX_FILE_BYTES = 4 << 20
"""a thousand times a usual scenario"""
MAX_DEPTH = 40
"""lists and maps inside each other; a scenario has seven"""
MAX_VALUES = 200_000
"""values and keys in all, those of an alias as often as it stands"""
MAX_TEXT = 10_000
"""characters of one text"""
MAX_INTEGER = 2**63 - 1
MAX_DIGITS = 400
"""of a number as it is written; doubles need 309 before the point"""


def read_text(path: Path) -> str:
    """The text of a document's file.

    Raises:
        ScenarioError: no regular file, more bytes than MAX_FILE_BYTES, no UTF-8, or no right to read it.
        FileNotFoundError: there is no such file.
    """
    try:
        with open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise _refused(path, "is no regular file (a device, pipe or folder); name a YAML file")
            content = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise _refused(path, f"cannot be read: {error}") from None
    if len(content) > MAX_FILE_BYTES:
        raise _refused(path, f"has more than {MAX_FILE_BYTES:,} bytes, the most that a document may have")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        message = f"is not text in UTF-8 ({error.reason} at byte {error.start}); save it with this encoding"
        raise _refused(path, message) from None


def user_path(given: str | Path, place: str = "") -> Path:
    """A path as a user writes it, `~` resolved.

    Args:
        given: the path.
        place: YAML path of the value, where it is known.

    Raises:
        ScenarioError: a user that does not exist, a name that no file can have, or a NUL.
    """
    try:
        path = Path(given).expanduser()
        path.exists()
    except (OSError, RuntimeError, ValueError) as error:
        problem = error.strerror if isinstance(error, OSError) else str(error)
        raise ScenarioError(shortened(str(given), 200), [Fault(place, f"is no path: {problem}")]) from None
    return path


def find_file(given: str, folder: Path, place: str) -> tuple[Path | None, str]:
    """A file that a document names: beside the document, or else where edgesim runs.

    Args:
        given: its name in the document.
        folder: that the document lies in.
        place: YAML path of the name.

    Returns: the file, None where there is none, and the places that were tried, for a message.

    Raises:
        ScenarioError: it is no path.
    """
    places = list(dict.fromkeys((base / user_path(given, place)).absolute() for base in (folder, Path.cwd())))
    return next((one for one in places if one.exists()), None), ", ".join(map(str, places))


def _refused(path: Path, message: str) -> ScenarioError:
    return ScenarioError(str(path), [Fault("", message)])


def check(text: str, loader: type[yaml.Loader] | type[yaml.CSafeLoader]) -> Fault | None:
    """The first bound that a YAML text breaks; None where it keeps them, or where it is no YAML.

    Goes through the parser's events, which are made one by one: nothing is expanded.

    Args:
        text: of the document.
        loader: its parser.
    """
    values, sizes = 0, dict[str | None, int]()
    above: list[tuple[str | None, int]] = []  # anchor, and the values before it
    for event in yaml.parse(text, Loader=loader):
        if isinstance(event, yaml.AliasEvent):
            values += sizes.get(event.anchor, 1)
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = above.pop()
            if anchor:
                sizes[anchor] = values - before
            continue
        elif isinstance(event, yaml.CollectionStartEvent):
            above.append((event.anchor, values))
            values += 1
        elif isinstance(event, yaml.ScalarEvent):
            values += 1
            if event.anchor:
                sizes[event.anchor] = 1
            if len(event.value) > MAX_TEXT:
                return Fault(
                    place(event.start_mark), f"has {len(event.value):,} characters; at most {MAX_TEXT:,} are read"
                )
        else:
            continue
        if len(above) > MAX_DEPTH:
            message = f"has lists or maps more than {MAX_DEPTH} deep; flatten it"
            return Fault(place(event.start_mark), message)
        if values > MAX_VALUES:
            message = f"holds more than {MAX_VALUES:,} values, those of an alias (*name) counted as often as it stands"
            return Fault(place(event.start_mark), f"{message}; shorten the document")
    return None


def place(mark: Any) -> str:
    """Line and column of a mark, in words."""
    return f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""
