"""The command line. The only place that prints and exits."""

from __future__ import annotations

import contextlib
import gc
import json
import signal
import sys
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from edgesim.errors import EdgesimError, RunError, n_of

_COLLECT_EVERY = 50_000
"""new objects between two looks for garbage in cycles; Python's 700 make a look of every few of the classes and
functions that imports create and keep"""

app = typer.Typer(
    name="edgesim",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Simulate fleets of heterogeneous edge devices that score, prune and train on their own data.",
)

Scenario = Annotated[
    Path, typer.Argument(metavar="SCENARIO", help="a scenario YAML, for example scenarios/quickstart.yaml")
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="change a value of the scenario, for example training.epochs=3"),
]
Json = Annotated[bool, typer.Option("--json", help="print JSON instead of a table")]


@app.command()
def run(
    scenario: Scenario,
    out: Annotated[Path | None, typer.Option(help="run folder; default runs/<scenario>-<time>")] = None,
    overrides: Overrides = None,
    resume: Annotated[bool, typer.Option("--resume", help="run only what is missing in the run folder")] = False,
    serial: Annotated[bool, typer.Option("--serial", help="in this process, without Ray; same records")] = False,
    hosts: Annotated[int | None, typer.Option(min=1, help="number of Ray actors; default one per CPU")] = None,
    address: Annotated[str | None, typer.Option(help="an existing Ray cluster, or 'auto'")] = None,
    no_progress: Annotated[bool, typer.Option("--no-progress", help="no progress bar or lines")] = False,
) -> None:
    """Run all trials of a scenario and write a run folder with tables and a report."""
    if serial and (hosts or address):
        raise typer.BadParameter("--serial runs without Ray; leave out --hosts and --address")
    from edgesim import scenario as scenarios

    loaded = scenarios.load(scenario, overrides or ())
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a polite kill ends a run as Ctrl-C does
    from edgesim import executors

    if not serial and not address and (unused := executors.unused_address()):
        typer.echo(unused, err=True)
    # The hosts take seconds to start; they do so while this process imports the rest and prepares the data.
    executor = executors.SerialExecutor() if serial else executors.RayExecutor(hosts, address)
    with contextlib.closing(executor):
        from edgesim import api, report
        from edgesim.cli import progress, tables

        watcher: api.Progress = api.Silent() if no_progress else progress.watcher()
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
    if (finished.records["status"] != "ok").all():
        fail(RunError("no trial succeeded; the reasons are in the table above and in records.parquet"), 1)


@app.command()
def plan(
    scenario: Scenario,
    overrides: Overrides = None,
    devices: Annotated[
        int | None, typer.Option(min=1, help="scale the fleet to so many devices, in its groups' proportions")
    ] = None,
    as_json: Json = False,
    out: Annotated[Path | None, typer.Option(metavar="FILE.parquet", help="write one row per trial")] = None,
) -> None:
    """Cost only, no training: time, energy, storage, memory and feasibility of every device at every keep ratio."""
    if out is not None and (out.suffix != ".parquet" or out.is_dir()):
        raise typer.BadParameter(f"--out must name a .parquet file; got {out}")
    if out is not None and not out.parent.is_dir():  # said before the work, not after
        raise typer.BadParameter(f"--out names a file in {out.parent}, and there is no such folder; make it first")
    from edgesim import scenario as scenarios
    from edgesim.cli import plans

    loaded = scenarios.load(scenario, overrides or ())
    planned = plans.planned(loaded, devices)
    if out is not None:
        try:
            planned.write(out)
        except OSError as error:
            raise typer.BadParameter(f"--out {out} cannot be written: {error}") from None
    if as_json:
        typer.echo(plans.as_json(loaded.name, planned))
        return
    plans.show(planned)
    if out is not None:
        typer.echo(f"rows: {out}")


@app.command()
def predict(
    profile: Annotated[str, typer.Option(help="a device profile, or the path of one")],
    model: Annotated[str, typer.Option(help="a model, timm:NAME or package.module:Name")],
    shape: Annotated[str, typer.Option("--input", metavar="CxHxW", help="one sample, for example 3x224x224")],
    batch_size: Annotated[int, typer.Option(min=1, help="samples of the step")],
    optimizer: Annotated[str, typer.Option(help="sgd (with momentum), adam or adamw")] = "adam",
    classes: Annotated[int, typer.Option(min=1, help="width of the logits")] = 10,
    power_mode: Annotated[str, typer.Option(help="of the profile; full, or one of its modes")] = "full",
    precision: Annotated[str, typer.Option(help="fp32 or bf16")] = "fp32",
    as_json: Json = False,
) -> None:
    """One training step of a model on a device: time, energy, FLOPs, bytes, peak memory and what binds."""
    from edgesim.training.settings import OPTIMIZER_STATES, Precision, Training

    parts = shape.split("x")
    if len(parts) != 3 or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise typer.BadParameter(f"--input must look like CxHxW, for example 3x224x224; got '{shape}'")
    if optimizer not in OPTIMIZER_STATES:
        raise typer.BadParameter(f"there is no optimiser '{optimizer}'; allowed: {', '.join(OPTIMIZER_STATES)}")
    if precision not in get_args(Precision):
        allowed = ", ".join(get_args(Precision))
        raise typer.BadParameter(f"there is no precision '{precision}'; allowed: {allowed}")
    from edgesim.cli import plans
    from edgesim.planning import prediction

    size = (int(parts[0]), int(parts[1]), int(parts[2]))
    training = Training(optimizer=optimizer, precision=precision)  # type: ignore[arg-type]
    found = prediction.predict(profile, model, size, classes, batch_size, training, power_mode)
    typer.echo(json.dumps(found, indent=2)) if as_json else plans.show_prediction(found)


@app.command()
def validate(
    scenarios: Annotated[list[Path], typer.Argument(metavar="SCENARIO...", help="one or more scenario YAMLs")],
    overrides: Overrides = None,
) -> None:
    """Check scenarios without running anything; every fault at once."""
    from edgesim import scenario as loading

    bad = []
    for path in scenarios:
        try:
            loaded = loading.load(path, overrides or ())
        except EdgesimError as error:
            bad.append(str(error))
            continue
        ratios = loaded.pruning.keep_ratios
        parts = [
            n_of(len(loaded.fleet), "device"),
            n_of(len(loaded.pruning.methods), "method"),
            n_of(len(ratios), "keep ratio") if ratios else "keep ratios by rule",
            n_of(len(loaded.seeds), "seed"),
        ]
        typer.echo(f"{path}: ok ({', '.join(parts)})")
    if bad:
        typer.echo("\n".join(bad), err=True)
        raise typer.Exit(2)


@app.command()
def schema(
    of: Annotated[str, typer.Argument(metavar="[scenario|fleet|profile]", help="which document")] = "scenario",
) -> None:
    """Print the JSON Schema of scenarios, fleets or device profiles, for editors."""
    from edgesim.schema import SCHEMAS

    if of not in SCHEMAS:
        raise typer.BadParameter(f"there is no schema of '{of}'; allowed: {', '.join(SCHEMAS)}")
    typer.echo(json.dumps(SCHEMAS[of](), indent=2))


@app.command("list")
def list_(
    what: Annotated[str, typer.Argument(metavar="methods|models|datasets|partitions|profiles", help="which table")],
    as_json: Json = False,
) -> None:
    """List what a scenario can name."""
    from edgesim.cli import tables

    rows = tables.rows_of(what)
    if rows is None:
        raise typer.BadParameter(f"there is no table '{what}'; allowed: {', '.join(tables.LISTS)}")
    if as_json:
        typer.echo(json.dumps(tables.full(what), indent=2))
        return
    tables.print_rows(what, rows, optional=("title",))
    tables.print_legend(what)


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
    from edgesim.store import Run

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
    from edgesim import provenance
    from edgesim.calibration import host_report, this_machine
    from edgesim.cli import this_machine as command
    from edgesim.executors import keep_freed_memory

    keep_freed_memory()  # as the hosts of a run do, whose steps these stand for
    chosen = name or (out.stem if out else "this-machine")
    target = out or Path(f"{chosen}.yaml")
    request = command.request(chosen, threads, device_class, torch_device, target.resolve().parent, check)
    found = this_machine.calibrate(request, target, lambda doing: typer.echo(doing, err=True))
    if page is not None:
        page.write_text(host_report.page(found, provenance.command()), encoding="utf-8")
    command.show(found, target)


def fail(error: EdgesimError, code: int) -> Any:
    """Print an error to standard error and leave."""
    typer.echo(f"edgesim: {error}", err=True)
    raise typer.Exit(code)


def main() -> None:
    """Entry point: a user's error is a message and an exit code, never a traceback."""
    gc.set_threshold(_COLLECT_EVERY)
    try:
        app(standalone_mode=True)
    except RunError as error:
        typer.echo(f"edgesim: {error}", err=True)
        sys.exit(1)
    except EdgesimError as error:
        typer.echo(f"edgesim: {error}", err=True)
        sys.exit(2)
    except OSError as error:
        typer.echo(f"edgesim: {error.filename or 'a file'}: {error.strerror or error}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        typer.echo("edgesim: interrupted", err=True)
        sys.exit(130)
    finally:
        # Python's exit would look through all that was imported once more, for up to a second. Where torch is it has
        # to: triton complains of everything that is not taken down.
        if "torch" not in sys.modules:
            gc.freeze()
