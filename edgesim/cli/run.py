"""`edgesim run`: all trials of a scenario, the run folder and its report."""

from __future__ import annotations

import contextlib
import signal
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgesim.cli.app import Overrides, Scenario, app, fail
from edgesim.errors import RunError
from edgesim.formatting import n_of

if TYPE_CHECKING:
    from edgesim.results.run_folder import Run

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
    no_progress: Annotated[
        bool, typer.Option("--no-progress", help="Show no progress bar or lines; notes stay.")
    ] = False,
    allow_failures: Annotated[
        bool, typer.Option("--allow-failures", help="Exit with 0 despite failed trials, if one succeeded.")
    ] = False,
) -> None:
    """Run all trials of a scenario and write a run folder with tables and a report.

    The exit code is 1 where a trial failed; the last lines name the command that tries again. A trial that its device
    cannot do is infeasible, not failed.
    """
    if retry_failed and not resume:
        raise typer.BadParameter("--retry-failed needs --resume: a new run has no failed trials")
    if serial and (hosts or address):
        raise typer.BadParameter("--serial runs without Ray; leave out --hosts and --address")
    from edgesim.scenario.loading import load

    loaded = load(scenario, overrides or ())
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a polite kill ends a run as Ctrl-C does
    from edgesim import runtime
    from edgesim.runtime.ray_startup import unused_address

    if not serial and not address and (unused := unused_address()):
        typer.echo(unused, err=True)
    # Ray's actors take seconds to start; meanwhile this process imports the rest and prepares the data.
    executor = runtime.SerialExecutor() if serial else runtime.RayExecutor(hosts, address)
    with contextlib.closing(executor):
        from edgesim import api, report
        from edgesim.cli import progress, run_outcome

        watcher: api.Progress = progress.NotesOnly() if no_progress else progress.watcher()
        try:
            finished = api.run(
                loaded, out, resume=resume, retry_failed=retry_failed, executor=executor, progress=watcher
            )
        except KeyboardInterrupt:
            watcher.stop()
            fail(RunError("interrupted; continue with the same command and --resume"), 1)
        finally:
            watcher.stop()
    page = report.write(finished, finished.path / "report.html")
    print_summary(finished)
    typer.echo(f"run folder: {finished.path}\nreport: {page}")
    where = ["--serial"] * serial + (["--hosts", str(hosts)] if hosts else [])
    where += ["--address", address] if address else []
    again = run_outcome.resume_command(scenario, finished.path, overrides or (), where)
    run_outcome.end(finished, again, allow_failures)


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
    terminal.print_line(wrapped(report.TERMINAL_CAPTION))
    infeasible = run_outcome.reasons(run.records, "infeasible")
    if infeasible:
        count = int((run.records["status"] == "infeasible").sum())
        total = n_of(len(run.records), "trial")
        terminal.print_line(f"infeasible: {count:,} of {total}, which their devices cannot do")
    for line in infeasible:
        terminal.print_line(line)
