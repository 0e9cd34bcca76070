"""`edgesim run`: all trials of a scenario, the run folder and its report."""

from __future__ import annotations

import contextlib
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from edgesim.cli.app import Overrides, Scenario, Track, app, echo, fail, with_trackers
from edgesim.errors import RunError
from edgesim.formatting import n_of

if TYPE_CHECKING:
    from edgesim import api
    from edgesim.results.run_folder import Run
    from edgesim.scenario import loading


class Place(NamedTuple):
    """Options on the place where trials run."""

    serial: bool
    hosts: int | None
    address: str | None


class Way(NamedTuple):
    """Options on a run that goes on."""

    resume: bool
    accept_changes: bool
    retry_failed: bool


LINE_LENGTH = 100
"""characters of a line of the verdict"""


@app.command()
def run(
    scenario: Scenario,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Run folder. Default: runs/<scenario>-<time>.")
    ] = None,
    overrides: Overrides = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Run only the trials that are missing in the run folder, or lost a host.")
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="With --resume: run trials again that failed by themselves, too.")
    ] = False,
    serial: Annotated[
        bool,
        typer.Option("--serial", help="Run in this process, without Ray; same records, no limits on time and memory."),
    ] = False,
    hosts: Annotated[int | None, typer.Option(min=1, help="Number of Ray actors. Default: one per CPU.")] = None,
    address: Annotated[str | None, typer.Option(help="Address of a running Ray cluster, or 'auto'.")] = None,
    track: Track = None,
    no_progress: Annotated[
        bool, typer.Option("--no-progress", help="Show no progress bar or lines; notes stay.")
    ] = False,
    allow_failures: Annotated[
        bool, typer.Option("--allow-failures", help="Exit with 0 despite failed trials, if one succeeded.")
    ] = False,
    accept_changes: Annotated[
        bool,
        typer.Option(
            "--accept-changes", help="With --resume: go on although code, packages, profiles or data changed."
        ),
    ] = False,
    verify: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Train N random trials of the finished run again and compare all bits."),
    ] = None,
    on_end: Annotated[
        str | None,
        typer.Option(
            "--on-end", metavar="PROGRAM", help="Call a program with the run folder and its status when the run ends."
        ),
    ] = None,
) -> None:
    """Run all trials of a scenario and write a run folder with tables and a report.

    The exit code is 1 where a trial failed; the last lines name the command that tries again. A trial that its device
    cannot do is infeasible, not failed. With --verify, a finished run in --out is not run again.
    """
    if retry_failed and not resume:
        raise typer.BadParameter("--retry-failed needs --resume: a new run has no failed trials")
    if serial and (hosts or address):
        raise typer.BadParameter("--serial runs without Ray; leave out --hosts and --address")
    if accept_changes and not resume:
        raise typer.BadParameter("--accept-changes goes on with a run; give --resume, too")
    from edgesim.cli import end_program
    from edgesim.scenario.loading import load

    overrides = with_trackers(overrides, track)
    program = end_program.parsed(on_end)
    loaded = load(scenario, overrides)
    where = ["--serial"] * serial + (["--hosts", str(hosts)] if hosts else [])
    where += ["--address", address] if address else []
    if verify and out and not resume and (run := _finished(out, loaded)):
        _verify(run, verify)
        return
    way = Way(resume, accept_changes, retry_failed)
    if program:
        out = _place(loaded, out, way)
    with end_program.calling(program, out or Path()):
        finished = _run(loaded, out, Place(serial, hosts, address), way, no_progress)
    print_summary(finished)
    echo(f"run folder: {finished.path}\nreport: {finished.path / 'report.html'}")
    from edgesim.cli import run_outcome

    if verify:
        _verify(finished, verify)
    run_outcome.end(finished, run_outcome.resume_command(scenario, finished.path, overrides, where), allow_failures)


def _resume(way: Way) -> api.Resume | None:
    """How to go on with a run; None of a new one."""
    from edgesim import api

    return api.Resume(way.accept_changes, way.retry_failed) if way.resume else None


def _place(loaded: loading.Scenario, out: Path | None, way: Way) -> Path:
    """The folder that the run will have."""
    from edgesim.sessions.opening import place_of

    return place_of(loaded, out, _resume(way))


def _run(
    loaded: loading.Scenario,
    out: Path | None,
    place: Place,
    way: Way,
    no_progress: bool,
) -> Run:
    """Run a scenario with its report."""
    serial, hosts, address = place
    from edgesim import runtime
    from edgesim.cli import stop_signals
    from edgesim.runtime.ray_startup import unused_address

    if not serial and not address and (unused := unused_address()):
        echo(unused, err=True)
    if not serial:  # otherwise nothing is there yet that has to be put in order
        stop_signals.interrupting(also_others=True)
    # Ray's actors take seconds to start; meanwhile this process imports the rest and prepares the data.
    executor = runtime.SerialExecutor() if serial else runtime.RayExecutor(hosts, address)
    stop_signals.interrupting(also_others=True)
    with contextlib.closing(executor):
        with stop_signals.deferring():
            from edgesim import api
            from edgesim.cli import progress, run_outcome

        watcher: api.Progress = progress.NotesOnly() if no_progress else progress.watcher()
        resume = _resume(way) or False
        try:
            return api.run(
                loaded, out, resume=resume, executor=executor, progress=watcher, report=run_outcome.write_report
            )
        except KeyboardInterrupt as error:
            with contextlib.suppress(OSError):  # the terminal may be closed
                watcher.stop()
            fail(RunError(str(error) or "interrupted; continue with the same command and --resume"), 1)
            raise
        finally:
            with contextlib.suppress(OSError):
                watcher.stop()


def _finished(out: Path, loaded: loading.Scenario) -> Run | None:
    """The finished run of a scenario in a folder; None where there is none.

    Raises:
        RunError: it is of another scenario.
    """
    from edgesim.results.run_folder import Run
    from edgesim.sessions import verification

    if not verification.is_finished(out):
        return None
    run = Run(out)
    verification.check_scenario(run, loaded)
    return run


def _verify(run: Run, count: int) -> None:
    """Verify a run, then write its report again, which says so."""
    from edgesim.cli import run_outcome, stop_signals, verify_outcome
    from edgesim.results import folder_lock, run_info
    from edgesim.results.run_folder import Run
    from edgesim.sessions import verification

    stop_signals.interrupting(also_others=True)
    found = verification.verify(run, count)
    if found.is_noted:
        run_outcome.write_report(Run(run.path))
        with folder_lock.acquired(run.path):
            run_info.note_report(run.path)
    verify_outcome.show(found)


def print_summary(run: Run) -> None:
    """Print the verdict, the table of methods and keep ratios, and the infeasible trials."""
    from edgesim import report
    from edgesim.cli import run_outcome, terminal
    from edgesim.cli.terminal_table import Column, print_table

    summary = report.summary_of(run)
    columns = [
        Column(name, tuple(row[i] for row in summary.rows), key=i < 2, numeric=0 < i < summary.numbers)
        for i, name in enumerate(summary.header)
    ]
    wrapped = textwrap.TextWrapper(LINE_LENGTH, break_on_hyphens=False).fill
    for line in (*summary.sentences, ""):
        terminal.print_line(wrapped(line))
    print_table(terminal.console(), "", columns)
    terminal.print_line(wrapped(summary.caption))
    infeasible = run_outcome.reasons(run.records, "infeasible")
    if infeasible:
        count = int((run.records["status"] == "infeasible").sum())
        total = n_of(len(run.records), "trial")
        terminal.print_line(f"infeasible: {count:,} of {total}, which their devices cannot do")
    for line in infeasible:
        terminal.print_line(line)
