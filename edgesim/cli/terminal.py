"""Output on the terminal that several commands share: tables of rows or of text, and lines printed as they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from edgesim.formatting import number, visible

if TYPE_CHECKING:
    from rich.console import Console

NAME_LENGTH = 16
"""characters up to which a name stays on one line"""


def print_rows(
    title: str, rows: Sequence[dict[str, Any]], keys: Sequence[str] = ("name",), optional: Sequence[str] = ()
) -> None:
    """Print a table with one column per key of its rows.

    Args:
        title: printed above it.
        rows: equal keys; numbers are shown with four digits, None as nothing.
        keys: columns that identify a row.
        optional: columns that are left out where there is no room.
    """
    from edgesim.cli.terminal_table import Column, print_table

    columns = [
        Column(name.replace("_", " "), tuple(_cell(row[name]) for row in rows), name in keys, name in optional)
        for name in (rows[0] if rows else ())
    ]
    print_table(console(), title, columns)


def print_text(title: str, headers: list[tuple[str, bool]], rows: list[list[str]]) -> None:
    """Print a table of text. `headers` are (label, is a number); short leading texts identify a row."""
    from edgesim.cli.terminal_table import Column, print_table

    texts = [not number for _, number in headers]
    leading = texts.index(False) if False in texts else 1
    columns = []
    for place, (label, is_number) in enumerate(headers):
        cells = tuple(row[place] for row in rows)
        short = all(len(cell) <= NAME_LENGTH for cell in cells)
        columns.append(Column(label, cells, key=place < leading and short, numeric=is_number))
    print_table(console(), title, columns)


def print_line(line: str) -> None:
    """Print a line as it is, wrapped by the terminal's width."""
    console().print(visible(line), markup=False, highlight=False)


def console() -> Console:
    """The terminal; wide where there is none, so that a pipe gets whole lines."""
    from edgesim.cli import terminal_table

    found = terminal_table.console()
    if not found.is_terminal:
        found.width = max(terminal_table.PIPE_WIDTH, found.width)
    return found


def _cell(value: Any) -> str:
    return "" if value is None else number(value) if isinstance(value, float) else str(value)
