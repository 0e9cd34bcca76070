"""`edgesim compare`: runs with each other, or one training on several fleets."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgesim.cli import terminal
from edgesim.cli.app import Json, app, echo, json_text
from edgesim.errors import EdgesimError, RunError
from edgesim.formatting import n_of

if TYPE_CHECKING:
    from edgesim.report.page import Page
    from edgesim.results.run_folder import Run
    from edgesim.scenario.loading import Scenario

OWN_FLEET = "own fleet"
"""name of the run's own fleet"""
OWN_LEAD = ("own_lead", "own_lead_low", "own_lead_high")
"""columns on the devices' own test samples, where runs have them"""
PAIRS = ["run", "method", "keep_ratio", "first_accuracy", "this_accuracy", "difference", "difference_low",
         "difference_high", "evidence"]  # fmt: skip
TERMINAL_TABLES = {
    "fleets": ["fleet", "method", "keep_ratio", "infeasible_devices", "finish_s", "energy_j", "test_accuracy",
               "own_accuracy", "device_energy_saved", "energy_saved", "energy_per_point_j"],
    "equal-cost-fleets": ["fleet", "method", "keep_ratio", "opponent", "opponent_keep_ratio", "opponent_accuracy",
                          "lead", "lead_low", "lead_high", *OWN_LEAD],
    "equal-cost-runs": ["run", "method", "keep_ratio", "opponent", "opponent_keep_ratio", "opponent_accuracy", "lead",
                        "lead_low", "lead_high", *OWN_LEAD],
    "best": ["fleet", "method", "keep_ratio", "devices", "of"],
    "profiles-full": ["fleet", "profile", "devices", "device_time_s", "device_energy_j"],
    "differences": ["run", "path", "first_setting", "this_setting"],
    "pairs": PAIRS,
    "pairs-own": PAIRS,
    "failures": None,
}  # fmt: skip
"""tables printed on the terminal, and their columns (None: all)"""


@app.command()
def compare(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="RUN... | SCENARIO", help="Run folders; with --fleet, one run folder or one scenario."),
    ],
    fleets: Annotated[
        list[Path] | None,
        typer.Option("--fleet", metavar="FILE", help="Fleet file to price the run on (repeatable)."),
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Page to write: FILE.html or FILE.md.")] = None,
    as_json: Json = False,
) -> None:
    """Compare runs with each other, or one training on several fleets.

    Every later run is compared with the first one, paired by seed, device, method and keep ratio. With --fleet, one run
    is priced on each fleet without training; a single fleet is compared with the run's own. A scenario is run first, on
    its own fleet.
    """
    from edgesim.cli import stop_signals
    from edgesim.config import shipped
    from edgesim.report import comparison_page
    from edgesim.results import provenance

    stop_signals.interrupting(also_others=True)
    files = [shipped.fleet_file(fleet) for fleet in fleets or []]
    if files and len(paths) == 1 and not paths[0].exists() and str(paths[0]) in shipped.scenarios():
        paths = [shipped.scenario_file(paths[0])]
    given, paths = paths, _with_points(paths)
    if files:
        _check_no_sweep(given, paths, fleets or [])
    _check_arguments(paths, files, out)
    commit = provenance.git_commit()  # prices are of the code that compares, not of the one that ran
    command = provenance.command() + (f" (commit {commit})" if commit else "")
    trained = _train(paths[0], files) if files and paths[0].is_file() else None
    with _argument_faults():
        if files:
            run, others = trained or (_load_run(paths[0]), {})
            page = _on_fleets(run, files, others, command)
        else:
            runs = {name: _load_run(path) for name, path in zip(_names(paths), paths, strict=True)}
            page = comparison_page.of_runs(runs, command)
    if as_json:
        echo(json_text(comparison_page.as_data(page)))
    else:
        _print_page(page)
    if out is not None:
        echo(f"page: {comparison_page.write(page, out)}", err=as_json)


def _check_no_sweep(given: list[Path], paths: list[Path], fleets: list[Path]) -> None:
    """Refuse to price a sweep on fleets, with the commands that price its points.

    Args:
        given: as the user named them.
        paths: the same, sweeps replaced by their points.
        fleets: as the user named them.

    Raises:
        typer.BadParameter: one is a scenario with a sweep, or the folder of a sweep with several runs.
    """
    from edgesim.scenario import sweeps

    on = shlex.join(word for fleet in fleets for word in ("--fleet", str(fleet)))
    for path in given:
        if path.is_file() and sweeps.is_sweep(path):
            command, over = f"edgesim sweep {shlex.quote(str(path))}", f"fleet={','.join(map(str, fleets))}"
            raise typer.BadParameter(
                f"{path} has a sweep, and --fleet prices one run; run it by `{command} --out FOLDER`, then price a "
                f"point by `edgesim compare FOLDER/POINT {on}`; or run every point on each fleet by `{command} --over "
                f"{shlex.quote(over)}`"
            )
    if len(given) == 1 and len(paths) > 1:
        raise typer.BadParameter(
            f"{given[0]} is a sweep, and --fleet prices one run; name one of its {len(paths)} points, as in "
            f"`edgesim compare {shlex.quote(str(paths[0]))} {on}`"
        )


def _with_points(paths: list[Path]) -> list[Path]:
    """The paths, each sweep replaced by the runs of its points."""
    from edgesim.results import sweep_folder

    found: list[Path] = []
    for path in paths:
        with _argument_faults():
            is_sweep = path.is_dir() and sweep_folder.is_sweep(path)
            found += _points_with_results(path) if is_sweep else [path]
    return found


def _points_with_results(folder: Path) -> list[Path]:
    """Runs of the points of a sweep that have a trial that ended well; the others are named."""
    from edgesim.results import sweep_folder

    runs = sweep_folder.runs_of(folder)
    found = [run.path for run in runs.values() if (run.records["status"] == "ok").any()]
    if not found:
        raise RunError(f"{folder}: no trial of any point ended well, so there is nothing to compare")
    names = [point["folder"] for point in sweep_folder.read(folder)["points"]]
    left_out = [name for name in names if folder / name not in found]
    if left_out:
        echo(f"{folder}: left out, as no trial ended well: {', '.join(left_out)}", err=True)
    return found


def _check_arguments(paths: list[Path], fleets: list[Path], out: Path | None) -> None:
    if out is not None and out.suffix not in (".html", ".md"):
        raise typer.BadParameter(f"--out must name a .html or .md file; got {out}")
    if out is not None:
        from edgesim.config.output_files import check_replaceable

        check_replaceable(out)
    if fleets and len(paths) > 1:
        raise typer.BadParameter(
            f"--fleet prices one run or scenario; got {len(paths)}; leave out --fleet to compare runs"
        )
    if not fleets and len(paths) == 1:
        message = f"nothing to compare {paths[0]} with; name a second run, or give --fleet FILE"
        raise typer.BadParameter(message)
    for what, given in (("run", paths), ("fleet", fleets)):
        twice = [path for place, path in enumerate(given) if path.resolve() in {p.resolve() for p in given[:place]}]
        if twice:
            raise typer.BadParameter(
                f"the {what} {twice[0]} is named twice, so there is nothing to compare; name it once"
            )


@contextmanager
def _argument_faults() -> Iterator[None]:
    """Treat a folder that is no run, or that cannot be priced, as a fault of the command: exit code 2."""
    try:
        yield
    except RunError as error:
        raise EdgesimError(str(error)) from None


def _names(paths: list[Path]) -> list[str]:
    """Names of the folders; their paths where two have the same name."""
    names = [path.resolve().name for path in paths]
    return [name if names.count(name) == 1 else str(path) for name, path in zip(names, paths, strict=True)]


def _load_run(path: Path) -> Run:
    """A run with at least one trial that ended well.

    Raises:
        RunError: the folder is no run, or has no such trial.
    """
    from edgesim.results.run_folder import Run

    if path.is_file():
        raise RunError(f"{path} is a file, and runs are folders; to price a scenario on fleets, give --fleet FILE")
    run = Run(path)
    if not (run.records["status"] == "ok").any():
        raise RunError(f"{path} has no trial that ended well, so there is nothing to compare")
    return run


def _on_fleets(run: Run, files: list[Path], others: dict[str, Run], command: str) -> Page:
    """Page of one run on every fleet; a single fleet is compared with the run's own. `others`: runs of other fleets."""
    from edgesim.config import validation
    from edgesim.report import comparison_page
    from edgesim.results import power_scopes, repricing

    priced = repricing.compare_fleets(run, files) | {name: other.records for name, other in others.items()}
    on = {name: repricing.on_fleet(run, file) for name, file in zip(priced, files, strict=True)}
    if len(files) == 1:
        priced = {OWN_FLEET: run.records, **priced}
        on = {OWN_FLEET: repricing.own_scenario(run), **on}
    texts = {name: validation.dump(scenario.document["fleet"]) for name, scenario in on.items()}
    notes = power_scopes.difference_in_words({name: scenario.fleet.devices for name, scenario in on.items()})
    return comparison_page.of_fleets(run, priced, texts, command, notes)


def _train(path: Path, files: list[Path]) -> tuple[Run, dict[str, Run]]:
    """Run a scenario on its own fleet, and its missing trials on the fleets whose devices can do them.

    Faults of the other fleets are reported before anything trains.

    Returns: the run, and the runs of other fleets by name (`repricing.fleet_names`), in the run's folder.
    """
    from edgesim.results import repricing
    from edgesim.runtime.ray_startup import unused_address
    from edgesim.scenario.loading import load

    if unused := unused_address():
        echo(unused, err=True)
    loaded = load(path)
    on = [repricing.with_fleet(loaded.document, len(loaded.fleet), file, loaded.folder) for file in files]
    runs, others = [_run_scenario(loaded, path)], {}
    for place, (name, other) in enumerate(zip(repricing.fleet_names(files), on, strict=True)):
        if repricing.lacks(runs[0], other):
            folder = runs[0].path / "fleets" / f"{place + 1}-{files[place].stem}"
            others[name] = _run_scenario(other, folder / "scenario.yaml", folder, runs)
            runs.append(others[name])
    for run in runs:
        echo(f"run folder: {run.path}", err=True)
    if not any((run.records["status"] == "ok").any() for run in runs):
        raise RunError(f"{runs[0].path} has no trial that ended well on any fleet, so there is nothing to compare")
    return runs[0], others


def _run_scenario(scenario: Scenario, file: Path, out: Path | None = None, trained: Sequence[Run] = ()) -> Run:
    """Run a scenario and print its progress and failures. `file`: its name in the command that resumes it."""
    from edgesim import api
    from edgesim.cli import progress, run_outcome, stop_signals
    from edgesim.runtime import RayExecutor

    def started() -> RayExecutor:
        executor = RayExecutor()
        stop_signals.interrupting(also_others=True)  # Ray's handler for SIGTERM would print a stack
        return executor

    watcher = progress.watcher()
    try:
        run = api.run(
            scenario, out, executor=started, progress=watcher, trained=trained, report=run_outcome.write_report
        )
    finally:
        watcher.stop()
    run_outcome.show_failures(run, run_outcome.resume_command(file, run.path, ()))
    return run


def _print_page(page: Page) -> None:
    """Print the sentences, and the tables that fit a terminal."""
    from edgesim.report import text_tables

    echo(page.name)
    for finding in page.verdict.findings:
        echo(f"- {finding.text}")
    for note in page.verdict.limits:
        echo(f"! {note}")
    for part in page.sections:
        for sentence in part.limits:
            echo(f"! {sentence}")
        for shown in part.tables:
            if shown.key not in TERMINAL_TABLES or shown.data.empty:
                continue
            wanted = map(page.metric.named, TERMINAL_TABLES[shown.key] or map(str, shown.data.columns))
            names = [name for name in wanted if name in shown.data]
            if shown.key != "failures" and names[0] == "run" and shown.data["run"].nunique() == 1:
                names = names[1:]
            found = text_tables.table(shown.data[names], known=page.columns)
            terminal.print_text(shown.caption, found.headers, found.rows)
            if found.rows_left_out:
                echo(f"  {n_of(found.rows_left_out, 'more row')}; --out FILE.html or --json has them")
    echo("times and energies are emulated ones of the devices")
