"""Tables on the terminal: what can be named, and what a run found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from edgesim.store import Run

LISTS = ("methods", "models", "datasets", "partitions", "profiles")

NAME_SIGNS = 16
"""signs up to which a name stays on one line"""

Rows = list[dict[str, Any]]


def rows_of(what: str) -> Rows | None:
    """One row per name of a table, or None where there is no such table."""
    if what == "methods":
        from edgesim.pruning import METHODS

        return [
            {"name": name, "what": _line(cls), "source": cls.source, "cost": cls.cost_class}  # type: ignore[attr-defined]
            for name, cls in METHODS.items()
        ]
    if what == "models":
        from edgesim.models import MODELS

        outside = [
            {"name": "timm:NAME", "what": "any timm network, where timm is installed"},
            {"name": "package.module:Name", "what": "your own network"},
        ]
        return _named(MODELS) + outside
    if what == "datasets":
        from edgesim.data.datasets import DATASETS

        return _named(DATASETS)
    if what == "partitions":
        from edgesim.data.schemes import PARTITIONS

        return _named(PARTITIONS)
    if what == "profiles":
        from edgesim import profiles

        return profiles.table()
    return None


def full(what: str) -> Any:
    """Everything a machine may want to know of a table."""
    if what == "profiles":
        from edgesim import profiles

        return [profiles.to_dict(profiles.load(name)) for name in profiles.names()]
    return rows_of(what)


def print_rows(title: str, rows: Rows) -> None:
    """A table with one column per key."""
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left")
    for key in rows[0] if rows else ():
        number = all(isinstance(row[key], int | float) or row[key] is None for row in rows)
        table.add_column(key, justify="right" if number else "left", no_wrap=key == "name")
    for row in rows:
        table.add_row(
            *(
                "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
                for value in row.values()
            )
        )
    _console().print(table)


def print_text(title: str, headers: list[tuple[str, bool]], rows: list[list[str]]) -> None:
    """A table of text; `headers` are (label, is a number)."""
    table = Table(box=box.SIMPLE_HEAD, title=escape(title), title_justify="left", pad_edge=False, padding=(0, 1, 0, 0))
    for place, (label, number) in enumerate(headers):
        short = not number and all(len(row[place]) <= NAME_SIGNS for row in rows)
        table.add_column(escape(label), justify="right" if number else "left", overflow="fold", no_wrap=short)
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    _console().print(table)


def print_summary(run: Run) -> None:
    """The table that ends a run, and what failed."""
    from edgesim import analysis, report
    from edgesim.tables import by_rule

    header, rows = report.terminal_rows(analysis.summary(by_rule(run.records, run.records)))
    caption = "± are standard deviations in percentage points; time and energy are the devices', by the closed form"
    table = Table(box=box.SIMPLE_HEAD, caption=caption, caption_justify="left")
    for name in header:
        table.add_column(name, justify="left" if name == header[0] else "right", no_wrap=True)
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    console = _console()
    console.print(table)
    failed = run.records[run.records["status"] != "ok"]
    if len(failed):
        console.print(f"{len(failed)} of {len(run.records)} trials did not succeed:")
        for reason, count in failed["reason"].value_counts().head(5).items():
            console.print(f"  {count} x {reason}", markup=False, highlight=False)


def _console() -> Console:
    """The terminal; wide where there is none, so that a pipe gets whole lines."""
    console = Console()
    return console if console.is_terminal else Console(width=max(160, console.width))


def _named(table: Mapping[str, type]) -> Rows:
    return [{"name": name, "what": _line(cls)} for name, cls in table.items()]


def _line(cls: type) -> str:
    """First line of a class's docstring."""
    return (cls.__doc__ or "").strip().splitlines()[0].rstrip(".")
