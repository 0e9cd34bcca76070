"""The commands that train nothing: what would it cost, is it right, what is there?"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from edgesim.cli.app import Json, Overrides, Scenario, app
from edgesim.errors import EdgesimError, ScenarioError, n_of

if TYPE_CHECKING:
    from edgesim.scenario import loading

TABLES = "methods|models|datasets|partitions|profiles|scenarios|fleets"
STARTER = Path(__file__).parent / "starter.yaml"


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
    from edgesim.cli import plans
    from edgesim.scenario import loading as scenarios

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
    profile: Annotated[
        list[str], typer.Option(help="a device profile, or the path of one; several times, or 'all': one row for each")
    ],
    model: Annotated[str, typer.Option(help="a model, timm:NAME or package.module:Name")],
    shape: Annotated[str, typer.Option("--input", metavar="CxHxW", help="one sample, for example 3x224x224")],
    batch_size: Annotated[int, typer.Option(min=1, help="samples of a step")],
    samples: Annotated[int | None, typer.Option(min=1, help="with --epochs: a whole training on so many")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="of a whole training, with --samples")] = None,
    startup: Annotated[
        str | None, typer.Option(help="of a whole training: cold (starts its process), or warm; default cold")
    ] = None,
    optimizer: Annotated[str, typer.Option(help="sgd (with momentum), adam or adamw")] = "adam",
    classes: Annotated[int, typer.Option(min=1, help="width of the logits")] = 10,
    power_mode: Annotated[str, typer.Option(help="of the profile; full, or one of its modes")] = "full",
    precision: Annotated[str, typer.Option(help="fp32 or bf16")] = "fp32",
    as_json: Json = False,
) -> None:
    """One training step of a model, or with --samples and --epochs a whole training: time, energy, what binds."""
    from edgesim.training.settings import OPTIMIZER_STATES, Precision, Training

    parts = shape.split("x")
    if len(parts) != 3 or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise typer.BadParameter(f"--input must look like CxHxW, for example 3x224x224; got '{shape}'")
    _one_of("optimiser", optimizer, OPTIMIZER_STATES)
    _one_of("precision", precision, get_args(Precision))
    if (samples is None) != (epochs is None):
        raise typer.BadParameter("a whole training needs both --samples and --epochs; without them it is one step")
    if startup is not None and samples is None:
        raise typer.BadParameter("--startup is of a whole training; give --samples and --epochs with it")
    from edgesim.cli import plans
    from edgesim.planning import step_prediction
    from edgesim.planning.training_prediction import Startup, predict_job

    _one_of("start-up", startup or "cold", get_args(Startup))
    devices = step_prediction.profiles_of(profile)
    training = Training(optimizer=optimizer, precision=precision)  # type: ignore[arg-type]
    size = (int(parts[0]), int(parts[1]), int(parts[2]))
    asked = step_prediction.StepQuery.of(model, size, classes, batch_size, training)
    if samples is None or epochs is None:
        found = [step_prediction.predict_step(device, asked, power_mode) for device in devices]
    else:
        begins: Startup = "warm" if startup == "warm" else "cold"
        found = [predict_job(device, asked, samples, epochs, power_mode, begins) for device in devices]
    if as_json:
        typer.echo(json.dumps(found if len(devices) > 1 else found[0], indent=2))
    else:
        plans.show_predictions(found, fastest_first=step_prediction.ALL in profile)


def _one_of(what: str, given: str, allowed: Iterable[str]) -> None:
    """Refuse a word that is not allowed."""
    if given not in allowed:
        from edgesim.config.validation import nearest

        words = list(allowed)
        near = nearest(given, words)
        raise typer.BadParameter(f"there is no {what} '{given}'{near}; allowed: {', '.join(words)}")


@app.command()
def validate(
    scenarios: Annotated[
        list[Path], typer.Argument(metavar="SCENARIO...", help="scenario YAMLs, or names of `edgesim list scenarios`")
    ],
    overrides: Overrides = None,
    data: Annotated[
        bool, typer.Option("--data", help="also load the data, partition them for every seed, and build the network")
    ] = False,
) -> None:
    """Check scenarios without running anything; every fault at once."""
    from edgesim.scenario import loading

    bad = []
    for path in scenarios:
        try:
            loaded = loading.load(path, overrides or ())
            lines = _inspected(path, loaded) if data else []
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
        for line in lines:
            typer.echo(f"  {line}")
    if bad:
        typer.echo("\n".join(bad), err=True)
        raise typer.Exit(2)


def _inspected(path: Path, loaded: loading.Scenario) -> list[str]:
    """What a scenario's data are, and what was left out of them.

    Raises:
        ScenarioError: a run would be refused.
    """
    from edgesim.preflight import inspect

    found = inspect(loaded)
    if found.faults:
        raise ScenarioError(str(path), list(found.faults))
    return [*found.facts, *(f"data: {note}" for note in found.notes)]


@app.command()
def init(
    file: Annotated[Path, typer.Argument(metavar="[FILE]", help="what to write")] = Path("scenario.yaml"),
    force: Annotated[bool, typer.Option("--force", help="write over a file that is there")] = False,
) -> None:
    """Write a scenario to start from, with a comment on every choice; it runs as it is."""
    if file.suffix not in (".yaml", ".yml"):
        raise typer.BadParameter(f"a scenario is a .yaml file; got {file}")
    if file.is_dir() or (file.exists() and not force):
        raise typer.BadParameter(f"{file} is there already; name another file, or write over it with --force")
    if not file.parent.is_dir():
        raise typer.BadParameter(f"there is no folder {file.parent}; make it first")
    from edgesim.config import validation
    from edgesim.scenario import loading

    text = STARTER.read_text(encoding="utf-8").replace("THIS_FILE", shlex.quote(str(file)))
    loading.from_document(validation.parse(text, str(file)), str(file), file.parent)  # the name of the file is its own
    file.write_text(text, encoding="utf-8")
    typer.echo(f"scenario: {file}\nnext: edgesim run {shlex.quote(str(file))}")


@app.command()
def schema(
    of: Annotated[str, typer.Argument(metavar="[scenario|fleet|profile]", help="which document")] = "scenario",
) -> None:
    """Print the JSON Schema of scenarios, fleets or device profiles, for editors."""
    from edgesim.scenario.schema import SCHEMAS

    _one_of("schema of", of, SCHEMAS)
    typer.echo(json.dumps(SCHEMAS[of](), indent=2))


@app.command("list")
def list_(
    what: Annotated[
        str, typer.Argument(metavar="methods|models|datasets|partitions|profiles|scenarios|fleets", help="which table")
    ],
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
    rows = [{name: value for name, value in row.items() if name != "file"} for row in rows]
    tables.print_rows(what, rows, optional=("title",))
    tables.print_legend(what)
