"""`edgesim watch`: the progress of a run that another terminal started."""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgesim.cli.app import app, echo

if TYPE_CHECKING:
    from edgesim.cli.progress import Tally
    from edgesim.results.journal_reader import JournalReader
    from edgesim.results.run_list import RunState


@app.command()
def watch(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.")],
    every_s: Annotated[
        float, typer.Option("--every", min=0.1, max=3600, metavar="SECONDS", help="Time between two looks.")
    ] = 2.0,
) -> None:
    """Follow a run, also one of another terminal, until it ends.

    Nothing is written. The exit code is 0 where the run is finished without failed trials, else 1.
    """
    from edgesim.cli import stop_signals
    from edgesim.results import run_info

    stop_signals.interrupting()
    info = run_info.read(folder)
    if info["status"] == run_info.RUNNING:
        _follow(folder, int(info["trials"].get("total", 0)), int(info["devices"]), every_s)
    _show_end(folder)


def _follow(folder: Path, total: int, devices: int, every_s: float) -> None:
    """Show progress until no process writes to the run."""
    from edgesim.cli import terminal_table
    from edgesim.cli.progress import LINE_EVERY_S, Tally, new_bar, time_text
    from edgesim.results import progress_file, run_info
    from edgesim.results.journal_reader import JournalReader

    console, reader, said_s = terminal_table.console(stderr=True), JournalReader(folder), 0.0
    bar = new_bar(console) if sys.stderr.isatty() else None
    task = bar.add_task("running", total=total, state="", left="?") if bar else None
    with bar or contextlib.nullcontext():
        while run_info.read(folder)["status"] == run_info.RUNNING:
            is_new = bool(reader.read())
            tally = _tally(reader, Tally())
            left = time_text(progress_file.time_left_s(folder, is_running=True))
            if bar is not None and task is not None:
                bar.update(task, completed=tally.done, state=tally.text(devices), left=left)
            elif is_new and time.monotonic() - said_s > LINE_EVERY_S:
                said_s = time.monotonic()
                console.print(f"{tally.done}/{total} trials, {tally.text(devices)}, {left} left", highlight=False)
            time.sleep(every_s)


def _tally(reader: JournalReader, tally: Tally) -> Tally:
    """Counts of all records so far; a trial that was run again counts once."""
    for record in reader.records.values():
        tally.count(record)
    return tally


def _show_end(folder: Path) -> None:
    """Print the state in which a run ended; exit with 1 unless it is finished without failed trials."""
    from edgesim.results import run_info
    from edgesim.results.run_list import state_of

    state: RunState = state_of(folder)
    best = state.best
    found = f"; best {best.metric.title} {best.metric.value(best.value)} by {best.method}" if best else ""
    echo(f"{state.status}: {state.ended:,}/{state.trials:,} trials{found}")
    if state.reason:
        echo(state.reason, err=True)
    if state.go_on:
        echo(f"go on with: {state.go_on}", err=True)
    if not state.status.startswith(run_info.FINISHED) or state.failed:
        raise typer.Exit(1)
