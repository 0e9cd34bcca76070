"""Tables that fit a terminal without cutting a number: text folds first, then the table is split by columns.

Columns of numbers, with or without a unit, keep their width; headings wrap at words. Key columns identify a row, keep
their width and are repeated in every part. A terminal that is too narrow even for that gets longer lines, since half a
number would mislead.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from edgesim.formatting import visible

NUMBER = re.compile(r"[<~±+−-]*[\d.,]+(e[+-]?\d+)?( ?(%|[TGMKmµ]?(B|FLOP/s|W|Wh|J|s)))?|[—–]|inf|nan", re.IGNORECASE)
"""cell that must stay in one piece"""
PIPE_WIDTH = 160
"""width in characters without a terminal: a pipe gets whole lines, longer ones where numbers need them"""
_GAP = 2
_LEAST, _LEAST_OPTIONAL = 10, 30
"""narrowest width in characters of text, and of an optional column"""
_WORD = 16
"""characters up to which a word stays in one piece"""


@dataclass(frozen=True)
class Column:
    """A heading and the cells under it, as text."""

    label: str
    cells: tuple[str, ...]
    key: bool = False
    """it identifies a row"""
    optional: bool = False
    """it may be left out where there is no room"""
    numeric: bool = False
    """it holds numbers, whatever their form"""

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", visible(self.label))
        object.__setattr__(self, "cells", tuple(map(visible, self.cells)))

    @property
    def number(self) -> bool:
        """True where every cell is a number, or empty."""
        return self.numeric or (any(self.cells) and all(NUMBER.fullmatch(cell) for cell in self.cells if cell))

    @property
    def _cells_width(self) -> int:
        return max((cell_len(line) for cell in self.cells for line in cell.split("\n")), default=0)

    @property
    def least(self) -> int:
        """Least width in characters."""
        words = max((cell_len(word) for word in self.label.split()), default=1)
        word = max((cell_len(word) for cell in self.cells for word in cell.split()), default=0)
        folded = min(self._cells_width, _LEAST_OPTIONAL if self.optional else max(_LEAST, min(word, _WORD)))
        return max(words, self._cells_width if self.key or self.number else folded)

    @property
    def most(self) -> int:
        """Largest useful width; the heading of numbers wraps at words rather than widen them."""
        lines = self.label.split("\n")
        label = max(map(cell_len, lines)) if len(lines) > 1 or not self.number else 0
        return max(self.least, self._cells_width, label)


def console(stderr: bool = False) -> Console:
    """A terminal that prints text as it is: `[x]` is no style, `:boom:` no emoji."""
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False)


def print_table(console: Console, title: str, columns: Sequence[Column]) -> None:
    """Print a table, split into parts where it is too wide.

    Args:
        console: the terminal; without one, a single table as wide as its numbers need.
        title: printed above the first part.
        columns: with equally many cells; keys first.
    """
    needed = _width([column.least for column in columns])
    width = console.width if console.is_terminal else max(PIPE_WIDTH, console.width, needed)
    left_out = [column for column in columns if column.optional and needed > width]
    chosen = [column for column in columns if column not in left_out]
    tables = parts(chosen, width)
    for i, part in enumerate(tables):
        # Wide enough for every line: a narrower terminal may wrap it, but nothing is cut.
        usual = console.width
        console.width = max(usual, width, _width([column.least for column in part]))
        console.print(_table(title if i == 0 else None, part, width), crop=False)
        console.width = usual
        console.print()
    if left_out or len(tables) > 1:
        without = f"left out here: {', '.join(column.label for column in left_out)}. " if left_out else ""
        whole = f"A terminal of {needed} columns, or a pipe, shows this table in one piece"
        console.print(f"{without}{whole}", markup=False, highlight=False)
        console.print()


def _table(title: str | None, part: Sequence[Column], width: int) -> Table:
    """One table. A continued one (no title) leaves out rows without values."""
    named = None if title is None else Text(visible(title), style="table.title")  # without markup and emoji
    table = Table(box=box.SIMPLE_HEAD, title=named, title_justify="left", show_edge=False)
    table.padding, table.pad_edge = (0, _GAP - 1, 0, 0), False
    for column, size in zip(part, widths(part, width), strict=True):
        label = "\n".join(line for words in column.label.split("\n") for line in textwrap.wrap(words, size))
        side: Literal["left", "right"] = "right" if column.number else "left"
        table.add_column(Text(label), justify=side, width=size, overflow="fold", no_wrap=column.number)
    for row in zip(*(column.cells for column in part), strict=True):
        if title is not None or any(cell for cell, column in zip(row, part, strict=True) if not column.key):
            table.add_row(*(Text(cell) for cell in row))
    return table


def parts(columns: Sequence[Column], width: int) -> list[list[Column]]:
    """Columns of each part, in order: as few parts as fit into `width`, each with the key columns."""
    keys = [column for column in columns if column.key]
    found: list[list[Column]] = []
    current = list(keys)
    for column in columns:
        if column.key:
            continue
        if len(current) > len(keys) and _width([c.least for c in (*current, column)]) > width:
            found.append(current)
            current = list(keys)
        current.append(column)
    return [*found, current]


def widths(columns: Sequence[Column], width: int) -> list[int]:
    """Width of each column in characters; the widest text shrinks first, down to its least width."""
    sizes = [column.most for column in columns]
    while _width(sizes) > width:
        spare = [(size, i) for i, (size, column) in enumerate(zip(sizes, columns, strict=True)) if size > column.least]
        if not spare:
            break
        sizes[max(spare)[1]] -= 1
    return sizes


def _width(sizes: Sequence[int]) -> int:
    return sum(sizes) + _GAP * (len(sizes) - 1)
