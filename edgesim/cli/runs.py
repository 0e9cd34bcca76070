"""`edgesim runs`: the runs of a folder at a glance."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgesim.cli.app import Json, app, echo, json_text
from edgesim.formatting import UNKNOWN, duration, number, scaled

if TYPE_CHECKING:
    from edgesim.results.run_list import RunState


@app.command()
def runs(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder that holds run folders.")] = Path("runs"),
    as_json: Json = False,
) -> None:
    """List the runs and sweeps of a folder, the newest first, also those that are still running.

    A sweep has a line of its own, and one per point that has begun.
    Shown are state, trials, the best mean test metric with its energy per device, time left, and the command that goes
    on. The time left of a stopped run is the time that it takes once resumed.
    """
    from edgesim.cli import terminal
    from edgesim.cli.terminal_table import Column, print_table
    from edgesim.results.run_list import runs_below

    found = runs_below(folder)
    if as_json:
        echo(json_text([_as_json(run) for run in found]))
        return
    if not found:
        echo(f"there is no run in {folder}", err=True)
        return
    rows = [_cells(run, folder) for run in found]
    if not any(run.points for run in found):
        rows = [{name: text for name, text in row.items() if name != "points"} for row in rows]
    numeric = ("points", "trials", "energy per device", "time left")
    columns = [
        Column(name, tuple(row[name] for row in rows), key=name == "name", numeric=name in numeric) for name in rows[0]
    ]
    print_table(terminal.console(), "", columns)
    for run in found:
        name = _name(run, folder)
        if run.reason:
            terminal.print_line(f"{name}: {run.reason}")
        if run.go_on:
            terminal.print_line(f"{name} goes on with: {run.go_on}")


def _cells(run: RunState, folder: Path) -> dict[str, str]:
    """Texts of one row."""
    best = run.best
    unusable = [(run.failed, "failed"), (run.infeasible, "infeasible")]
    return {
        "name": _name(run, folder),
        "state": run.status,
        "points": f"{run.points_done:,}/{run.points:,}" if run.points else "",
        "trials": f"{run.ended:,}/{run.trials:,}" if run.trials else UNKNOWN,
        "not usable": ", ".join(f"{count:,} {word}" for count, word in unusable if count),
        "best": f"{best.metric.title} {best.metric.value(best.value)}" if best else UNKNOWN,
        "by": f"{best.method} at {number(best.keep_ratio)}" if best else UNKNOWN,
        "energy per device": _energy(best.device_energy_j) if best else UNKNOWN,
        "time left": duration(run.left_s),
    }


def _energy(value_j: float) -> str:
    return scaled(value_j, "J") if math.isfinite(value_j) else UNKNOWN


def _name(run: RunState, folder: Path) -> str:
    """Name of a run within the folder; of the folder itself its own."""
    return folder.resolve().name if run.path == folder else run.path.relative_to(folder).as_posix()


def _as_json(run: RunState) -> dict[str, Any]:
    """All values of a run; null for those that are not known."""
    values = {**vars(run), "path": str(run.path), "best": None}
    if run.best:
        best = dataclasses.asdict(run.best)
        values["best"] = {**best, "metric": run.best.metric.column()}
        if not math.isfinite(run.best.device_energy_j):
            values["best"]["device_energy_j"] = None
    if not math.isfinite(run.left_s):
        values["left_s"] = None
    return values
