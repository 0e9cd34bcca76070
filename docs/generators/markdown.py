"""Markdown from values: cells, tables, headings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def cell(text: object) -> str:
    """Text of one table cell: on one line, without what would end the cell."""
    return " ".join(str(text).split()).replace("|", "\\|")


def code(text: object) -> str:
    """Text as code; an empty string stays empty."""
    shown = " ".join(str(text).split()).replace("|", "\\|")
    return f"`{shown}`" if shown else ""


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; cells are escaped here, code cells come from `code`.

    Args:
        header: its labels.
        rows: one sequence of cells per row, as many as labels.
    """
    lines = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    for row in rows:
        cells = [one if isinstance(one, str) and one.startswith(("`", "[")) else cell(one) for one in row]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def page(title: str, *parts: str) -> str:
    """A page or a section: the heading line, then its parts, blank lines between."""
    return "\n\n".join([title, *(part for part in parts if part)]) + "\n"
