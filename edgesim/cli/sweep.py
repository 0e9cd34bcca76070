"""`edgesim sweep`: a scenario at every combination of some of its values."""

from __future__ import annotations

import time
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgesim.cli.app import Overrides, Scenario, Track, app, echo, fail, with_trackers
from edgesim.errors import RunError
from edgesim.formatting import duration, n_of, percent

if TYPE_CHECKING:
    from edgesim.runtime import Executor
    from edgesim.scenario.sweeps import Sweep
    from edgesim.sessions.opening import Resume
    from edgesim.sessions.sweep_run import DataOfPoints, SweepEstimate, SweepOptions

LOADED = 1.1
"""time beside other programs over that without them, from which on both are named"""


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
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="With --resume: run trials again that failed by themselves, too.")
    ] = False,
    accept_changes: Annotated[
        bool,
        typer.Option(
            "--accept-changes", help="With --resume: go on although code, packages, profiles or data changed."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print points, trials and the estimated time, and end.")
    ] = False,
    serial: Annotated[bool, typer.Option("--serial", help="Run in this process, without Ray.")] = False,
    hosts: Annotated[int | None, typer.Option(min=1, help="Number of Ray actors. Default: one per CPU.")] = None,
    track: Track = None,
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
    if retry_failed and not resume:
        raise typer.BadParameter("--retry-failed needs --resume: a new sweep has no failed trials")
    if accept_changes and not resume:
        raise typer.BadParameter("--accept-changes goes on with a sweep; give --resume, too")
    from edgesim.cli import stop_signals
    from edgesim.scenario import sweeps

    loaded = sweeps.load(scenario, with_trackers(overrides, track), over or ())
    stop_signals.interrupting(also_others=True)
    from edgesim.sessions import sweep_run
    from edgesim.sessions.opening import Resume

    place = out or Path("runs") / f"{loaded.name}-sweep-{datetime.now(UTC).strftime('%Y%m%d-%H%M%S')}"
    if resume:
        if anew := sweep_run.check_same(loaded, place):
            echo(anew, err=True)
        _check_page(place)  # before the work, not after
    else:
        from edgesim.results.sweep_folder import check_new

        check_new(place)
    started, data = time.perf_counter(), sweep_run.DataOfPoints()
    echo(f"{loaded.name}: {sweeps.summary(loaded)}")
    workers = 1 if serial else hosts or sweep_run.hosts_here()
    again = Resume(accept_changes, retry_failed) if resume else None
    expected = sweep_run.estimated(loaded, data, (place, again), workers, not serial)
    spent_s = time.perf_counter() - started
    echo(
        f"{n_of(expected.trials, 'trial')} to run on {n_of(workers, 'worker')}: about {_in_words(expected)}, by "
        f"{expected.measured} (the estimate took {duration(spent_s)})"
    )
    if dry_run:
        return
    took_s = _run(loaded, place, (data, expected), (serial, hosts, again, no_progress))
    _show(place, expected, took_s)


def _run(
    loaded: Sweep,
    place: Path,
    prepared: tuple[DataOfPoints, SweepEstimate],
    how: tuple[bool, int | None, Resume | None, bool],
) -> float:
    """Run all points; returns the seconds that it took."""
    from edgesim import runtime
    from edgesim.cli import progress, stop_signals
    from edgesim.scenario.sweeps import Point
    from edgesim.sessions import sweep_run
    from edgesim.sessions.progress import Progress
    from edgesim.sessions.sweep_run import SweepOptions, run_sweep

    serial, hosts, again, no_progress = how
    started, said = time.perf_counter(), defaultdict[tuple[str, str], set[str]](set)
    lasting = None if serial else runtime.RayExecutor(hosts, lasting=True)
    stop_signals.interrupting(also_others=True)  # Ray's handler for SIGTERM would print a stack

    def executor() -> Executor:
        return lasting or runtime.SerialExecutor()

    def watcher(point: Point) -> Progress:
        before = said[sweep_run.key_of_data(point)]
        if no_progress:
            return progress.NotesOnce(progress.NotesOnly(), before)
        echo(f"{point.name}", err=True)
        return progress.NotesOnce(progress.watcher(), before)

    options: SweepOptions = SweepOptions(executor, watcher, again)
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
    from edgesim.results.failed_trials import retries

    page = sweep_page.of_sweep(place)
    for finding in page.verdict.findings:
        echo(f"- {finding.text}")
    for limit in page.verdict.limits:
        echo(f"! {limit}")
    _check_page(place)  # it may have been changed since the start
    written = sweep_page.write(place, place / sweep_folder.PAGE)
    if expected.trials:
        echo(f"estimated {_in_words(expected)}; took {duration(took_s)}: {_error_in_words(expected, took_s)}")
    echo(f"folder: {place}\ntable: {place / sweep_folder.TABLE}\npage: {written}")
    failures = [kind for run in sweep_folder.runs_of(place).values() for kind in run.records["failure"] if kind]
    if failures:
        how = "; ".join(retries(failures).values())
        text = f"{n_of(len(failures), 'trial')} failed; `edgesim runs {place}` lists the points. The same command with"
        fail(RunError(f"{text} --out {place} tries again: {how}"), 1)


def _check_page(place: Path) -> None:
    """Refuse to replace a page of a sweep that someone changed.

    Raises:
        EdgesimError: it is not as edgesim wrote it.
    """
    from edgesim.config.output_files import check_replaceable
    from edgesim.results import sweep_folder

    check_replaceable(place / sweep_folder.PAGE, "")


def _in_words(expected: SweepEstimate) -> str:
    """Estimated time; where other programs compute, that beside them, too."""
    alone = duration(expected.time_s)
    if expected.beside_others_s < LOADED * expected.time_s:
        return alone
    load = f"load {expected.load.others:.1f} on {n_of(expected.load.cpus, 'CPU')}"
    return (
        f"{alone} on an otherwise idle machine, {duration(expected.beside_others_s)} beside the other programs ({load})"
    )


def _error_in_words(expected: SweepEstimate, took_s: float) -> str:
    """Error of the estimate; against its nearer end where it has two."""
    if expected.time_s <= took_s <= expected.beside_others_s and expected.beside_others_s >= LOADED * expected.time_s:
        return "between the two"
    nearer = min((expected.time_s, expected.beside_others_s), key=lambda time_s: abs(time_s - took_s))
    error = nearer / took_s - 1
    return f"{percent(abs(error), 0)} too {'long' if error > 0 else 'short'}"
