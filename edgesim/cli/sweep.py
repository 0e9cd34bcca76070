"""`edgesim sweep`: a scenario at every combination of some of its values."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgesim.cli.app import Overrides, Scenario, app, echo, fail
from edgesim.errors import RunError
from edgesim.formatting import duration, n_of, percent

if TYPE_CHECKING:
    from edgesim.runtime import Executor
    from edgesim.scenario.sweeps import Sweep
    from edgesim.sessions.sweep_run import DataOfPoints, SweepEstimate, SweepOptions


@app.command()
def sweep(
    scenario: Scenario,
    over: Annotated[
        list[str] | None,
        typer.Option("--over", metavar="KEY=A,B", help="Values of a key, beside the scenario's sweep (repeatable)."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder of the sweep. Default: runs/<scenario>-sweep-<time>.")
    ] = None,
    overrides: Overrides = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Run only the trials that are missing; needs --out.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print points, trials and the estimated time, and end.")
    ] = False,
    serial: Annotated[bool, typer.Option("--serial", help="Run in this process, without Ray.")] = False,
    hosts: Annotated[int | None, typer.Option(min=1, help="Number of Ray actors. Default: one per CPU.")] = None,
    no_progress: Annotated[
        bool, typer.Option("--no-progress", help="Show no progress bar or lines; notes stay.")
    ] = False,
) -> None:
    """Run a scenario at every combination of some values, in one folder with a run folder per point and one table.

    Some jobs or steps are measured first, and the time is estimated. The page says which key matters most.
    """
    if serial and hosts:
        raise typer.BadParameter("--serial runs without Ray; leave out --hosts")
    if resume and out is None:
        raise typer.BadParameter("--resume goes on with a sweep; name its folder with --out")
    from edgesim.cli import stop_signals
    from edgesim.scenario import sweeps

    loaded = sweeps.load(scenario, overrides or (), over or ())
    stop_signals.interrupting(also_others=True)
    from edgesim.sessions import sweep_run

    place = out or Path("runs") / f"{loaded.name}-sweep-{datetime.now(UTC).strftime('%Y%m%d-%H%M%S')}"
    if resume:
        sweep_run.check_same(loaded, place)
    else:
        from edgesim.results.sweep_folder import check_new

        check_new(place)
    started, data = time.perf_counter(), sweep_run.DataOfPoints()
    echo(f"{loaded.name}: {sweeps.summary(loaded)}")
    workers = 1 if serial else hosts or sweep_run.hosts_here()
    expected = sweep_run.estimated(loaded, data, place if resume else None, workers, not serial)
    spent_s = time.perf_counter() - started
    echo(
        f"{n_of(expected.trials, 'trial')} to run on {n_of(workers, 'worker')}: about {duration(expected.time_s)}, by "
        f"{expected.measured} (the estimate took {duration(spent_s)})"
    )
    if dry_run:
        return
    took_s = _run(loaded, place, (data, expected), (serial, hosts, resume, no_progress))
    _show(place, expected, took_s)


def _run(
    loaded: Sweep,
    place: Path,
    prepared: tuple[DataOfPoints, SweepEstimate],
    how: tuple[bool, int | None, bool, bool],
) -> float:
    """Run all points; returns the seconds that it took."""
    from edgesim import runtime
    from edgesim.cli import progress, stop_signals
    from edgesim.scenario.sweeps import Point
    from edgesim.sessions.opening import Resume
    from edgesim.sessions.progress import Progress
    from edgesim.sessions.sweep_run import SweepOptions, run_sweep

    serial, hosts, resume, no_progress = how
    started = time.perf_counter()
    lasting = None if serial else runtime.RayExecutor(hosts, lasting=True)
    stop_signals.interrupting(also_others=True)  # Ray's handler for SIGTERM would print a stack

    def executor() -> Executor:
        return lasting or runtime.SerialExecutor()

    def watcher(point: Point) -> Progress:
        if no_progress:
            return progress.NotesOnly()
        echo(f"{point.name}", err=True)
        return progress.watcher()

    options: SweepOptions = SweepOptions(executor, watcher, Resume() if resume else None)
    try:
        run_sweep(loaded, place, prepared[0], prepared[1], options)
    except KeyboardInterrupt as error:
        fail(RunError(str(error) or f"interrupted; continue with the same command, --out {place} and --resume"), 1)
        raise
    finally:
        if lasting is not None:
            lasting.end()
    return time.perf_counter() - started


def _show(place: Path, expected: SweepEstimate, took_s: float) -> None:
    """Write the page and print its sentences, the error of the estimate, and where everything is."""
    from edgesim.report import sweep_page
    from edgesim.results import sweep_folder

    page = sweep_page.of_sweep(place)
    for finding in page.verdict.findings:
        echo(f"- {finding.text}")
    for limit in page.verdict.limits:
        echo(f"! {limit}")
    written = sweep_page.write(place, place / sweep_folder.PAGE)
    if expected.trials:
        error = expected.time_s / took_s - 1
        side = "too long" if error > 0 else "too short"
        echo(f"estimated {duration(expected.time_s)}, took {duration(took_s)}: {percent(abs(error), 0)} {side}")
    echo(f"folder: {place}\ntable: {place / sweep_folder.TABLE}\npage: {written}")
    failed = sum(int((run.records["status"] == "failed").sum()) for run in sweep_folder.runs_of(place).values())
    if failed:
        fail(RunError(f"{n_of(failed, 'trial')} failed; `edgesim runs {place}` lists the points"), 1)
