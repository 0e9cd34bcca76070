"""Tables on the terminal: what can be named, and what a run found."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console

from edgesim.cli import layout
from edgesim.cli.amounts import percent, plain, scaled, watts
from edgesim.cli.layout import Column
from edgesim.errors import n_of

if TYPE_CHECKING:
    from edgesim.results.run_folder import Run

LISTS = ("methods", "models", "datasets", "partitions", "profiles", "scenarios", "fleets")

NAME_SIGNS = 16
"""signs up to which a name stays on one line"""

Rows = list[dict[str, Any]]

LINE_SIGNS = 100
"""of a sentence on the terminal"""


def rows_of(what: str) -> Rows | None:
    """One row per name of a table, or None where there is no such table."""
    if what == "methods":
        from edgesim.pruning import METHODS

        return [
            {"name": name, "what": _line(cls), "source": cls.source, "cost": cls.cost_class}
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
        from edgesim.hardware import loading

        return [_device(row) for row in loading.table()]
    if what in ("scenarios", "fleets"):
        from edgesim.config import shipped

        files = shipped.scenarios() if what == "scenarios" else shipped.fleets()
        return [{"name": name, "what": shipped.title(file), "file": str(file)} for name, file in files.items()]
    return None


def _device(row: dict[str, Any]) -> dict[str, Any]:
    """A row of the table of profiles in words, estimates with a ~."""

    def said(name: str, text: str) -> str:
        return f"~{text}" if name in row["estimates"] else text

    battery_j, lasting = row["battery_j"], row["lasting"]
    return {
        "name": row["name"],
        "class": row["class"],
        "software": row["software"],
        "peak FP32": said("peak_flops_per_s", scaled(row["peak_flops_per_s"], "FLOP/s")),
        "used": said("utilisation", percent(row["utilisation"])),
        "memory": said("memory_bytes", scaled(row["memory_bytes"], "B")),
        "storage": row["storage"],
        "idle": said("idle_w", watts(row["idle_w"])),
        "load": said("max_w", watts(row["max_w"])),
        "watts of": row["power_scope"],
        "lasting": None if lasting is None else said("lasting", percent(lasting)),
        "battery": None if battery_j is None else said("battery_j", f"{plain(battery_j / 3600, 3)} Wh"),
        "title": row["title"],
    }


LEGENDS = {
    "profiles": "~ an estimate. used: the share of the peak that training sustains with that software. lasting: the "
    "speed that lasts under load, where heat slows the device down. watts of: what the watts hold; sums over unlike "
    "ones compare unlike things. Empty: the profile has none. --json has every number with its source"
}


def full(what: str) -> Any:
    """Everything a machine may want to know of a table."""
    if what == "profiles":
        from edgesim.hardware import loading

        return [loading.to_dict(loading.load(name)) for name in loading.names()]
    return rows_of(what)


def print_rows(title: str, rows: Rows, keys: Sequence[str] = ("name",), optional: Sequence[str] = ()) -> None:
    """A table with one column per key of its rows.

    Args:
        title: over it.
        rows: equal keys; numbers are shown with four digits, None as nothing.
        keys: columns that say what a row is.
        optional: columns that are left out where there is no room.
    """
    columns = [
        Column(name.replace("_", " "), tuple(_cell(row[name]) for row in rows), name in keys, name in optional)
        for name in (rows[0] if rows else ())
    ]
    layout.show(_console(), title, columns)


def print_legend(what: str) -> None:
    """What the columns of a table mean, where that is not plain."""
    if what in LEGENDS:
        _console().print(LEGENDS[what], markup=False, highlight=False)


def print_text(title: str, headers: list[tuple[str, bool]], rows: list[list[str]]) -> None:
    """A table of text; `headers` are (label, is a number). The first texts, where short, say what a row is."""
    texts = [not number for _, number in headers]
    leading = texts.index(False) if False in texts else 1
    columns = []
    for place, (label, number) in enumerate(headers):
        cells = tuple(row[place] for row in rows)
        short = all(len(cell) <= NAME_SIGNS for cell in cells)
        columns.append(Column(label, cells, key=place < leading and short, numeric=number))
    layout.show(_console(), title, columns)


def print_summary(run: Run) -> None:
    """The table that ends a run, and what its devices cannot do."""
    from edgesim import report
    from edgesim.cli import outcome

    told = report.summary_of(run)
    named = [
        Column(name, tuple(row[i] for row in told.rows), key=i < 2, numeric=0 < i < told.numbers)
        for i, name in enumerate(told.header)
    ]
    console = _console()
    filled = textwrap.TextWrapper(LINE_SIGNS, break_on_hyphens=False).fill
    for line in told.sentences:
        console.print(filled(line), markup=False, highlight=False)
    console.print()
    layout.show(console, "", named)
    console.print(filled(report.TERMINAL_CAPTION), markup=False, highlight=False)
    infeasible = outcome.reasons(run.records, "infeasible")
    if infeasible:
        count = int((run.records["status"] == "infeasible").sum())
        console.print(f"infeasible: {count:,} of {n_of(len(run.records), 'trial')}, which their devices cannot do")
    for line in infeasible:
        console.print(line, markup=False, highlight=False)


def _console() -> Console:
    """The terminal; wide where there is none, so that a pipe gets whole lines."""
    console = layout.console()
    if not console.is_terminal:
        console.width = max(layout.PIPE_WIDTH, console.width)
    return console


def _cell(value: Any) -> str:
    return "" if value is None else plain(value) if isinstance(value, float) else str(value)


def _named(table: Mapping[str, type]) -> Rows:
    return [{"name": name, "what": _line(cls)} for name, cls in table.items()]


def _line(cls: type) -> str:
    """First line of a class's docstring."""
    return (cls.__doc__ or "").strip().splitlines()[0].rstrip(".")
