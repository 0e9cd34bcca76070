"""The commands that train, measure, or read what has been trained."""

from __future__ import annotations

import contextlib
import signal
from pathlib import Path
from typing import Annotated

import typer

from edgesim.cli.app import Json, Overrides, Scenario, app, fail
from edgesim.errors import RunError


@app.command()
def run(
    scenario: Scenario,
    out: Annotated[Path | None, typer.Option(help="run folder; default runs/<scenario>-<time>")] = None,
    overrides: Overrides = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="run only what is missing in the run folder, and what failed there")
    ] = False,
    serial: Annotated[bool, typer.Option("--serial", help="in this process, without Ray; same records")] = False,
    hosts: Annotated[int | None, typer.Option(min=1, help="number of Ray actors; default one per CPU")] = None,
    address: Annotated[str | None, typer.Option(help="an existing Ray cluster, or 'auto'")] = None,
    no_progress: Annotated[bool, typer.Option("--no-progress", help="no progress bar or lines; notes stay")] = False,
    allow_failures: Annotated[
        bool, typer.Option("--allow-failures", help="leave with 0 although trials failed, if one succeeded")
    ] = False,
) -> None:
    """Run all trials of a scenario and write a run folder with tables and a report.

    Leaves with 1 where a trial failed; --resume tries failed trials again. A trial that its device cannot do is no
    failure.
    """
    if serial and (hosts or address):
        raise typer.BadParameter("--serial runs without Ray; leave out --hosts and --address")
    from edgesim.scenario import loading as scenarios

    loaded = scenarios.load(scenario, overrides or ())
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a polite kill ends a run as Ctrl-C does
    from edgesim import runtime
    from edgesim.runtime.ray_startup import unused_address

    if not serial and not address and (unused := unused_address()):
        typer.echo(unused, err=True)
    # The hosts take seconds to start; they do so while this process imports the rest and prepares the data.
    executor = runtime.SerialExecutor() if serial else runtime.RayExecutor(hosts, address)
    with contextlib.closing(executor):
        from edgesim import api, report
        from edgesim.cli import outcome, progress, tables

        watcher: api.Progress = progress.NotesOnly() if no_progress else progress.watcher()
        try:
            finished = api.run(loaded, out, resume=resume, executor=executor, progress=watcher)
        except KeyboardInterrupt:
            watcher.stop()
            fail(RunError("interrupted; go on with the same command and --resume"), 1)
        finally:
            watcher.stop()
    page = report.write(finished, finished.path / "report.html")
    tables.print_summary(finished)
    typer.echo(f"run folder: {finished.path}\nreport: {page}")
    where = ["--serial"] * serial + (["--hosts", str(hosts)] if hosts else [])
    where += ["--address", address] if address else []
    outcome.end(finished, outcome.resuming(scenario, finished.path, overrides or (), where), allow_failures)


@app.command()
def compare(
    paths: Annotated[
        list[Path], typer.Argument(metavar="RUN... | SCENARIO", help="run folders; or, with --fleet, one or a scenario")
    ],
    fleets: Annotated[
        list[Path] | None,
        typer.Option("--fleet", metavar="FILE", help="a fleet to price the one run on; given several times, several"),
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="FILE.html or FILE.md: write a page")] = None,
    as_json: Json = False,
) -> None:
    """Compare runs with each other, or one training on several fleets.

    Every later run is set against the first one, paired by seed, device, method and keep ratio. With --fleet one run is
    priced on each fleet without training; with a single --fleet, also on its own. A scenario is run first, on its own
    fleet.
    """
    from edgesim.cli import comparisons

    comparisons.compare(paths, fleets or [], out, as_json)


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="a run folder")],
    out: Annotated[
        Path | None, typer.Option(help="FILE.html or FILE.md; default RUN/report.html and RUN/report.md")
    ] = None,
) -> None:
    """Write the report of a run, finished or not: one HTML file, and its tables as Markdown."""
    from edgesim import report as reports
    from edgesim.results.run_folder import Run

    for path in reports.write_all(Run(folder), [out] if out else [folder / "report.html", folder / "report.md"]):
        typer.echo(f"report: {path}")


@app.command()
def calibrate(
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="profile to write; default NAME.yaml")] = None,
    name: Annotated[str | None, typer.Option(help="of the profile; default the file's, or this-machine")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="of torch; default as many as it takes by itself")] = None,
    device_class: Annotated[str | None, typer.Option("--class", help="of the profile; default as found out")] = None,
    torch_device: Annotated[str, typer.Option(help="auto, cpu or cuda")] = "auto",
    check: Annotated[
        bool, typer.Option("--check", help="predict training steps of networks left out of the fit")
    ] = False,
    page: Annotated[Path | None, typer.Option("--report", metavar="FILE.md", help="write what was measured")] = None,
) -> None:
    """Measure this machine into a device profile; takes minutes and wants the machine to itself."""
    from edgesim.calibration import host_page, this_machine
    from edgesim.cli import this_machine as command
    from edgesim.results import provenance
    from edgesim.runtime.executor import keep_freed_memory

    keep_freed_memory()  # as the hosts of a run do, whose steps these stand for
    chosen = name or (out.stem if out else "this-machine")
    target = out or Path(f"{chosen}.yaml")
    request = command.request(chosen, threads, device_class, torch_device, target.resolve().parent, check)
    found = this_machine.calibrate(request, target, lambda doing: typer.echo(doing, err=True))
    if page is not None:
        page.write_text(host_page.page(found, provenance.command()), encoding="utf-8")
    command.show(found, target)
