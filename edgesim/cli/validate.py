"""`edgesim validate`: all faults of scenarios, without running anything."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgesim.cli.app import Overrides, app, echo
from edgesim.errors import EdgesimError, ScenarioError
from edgesim.formatting import n_of

if TYPE_CHECKING:
    from edgesim.scenario import loading


@app.command()
def validate(
    scenarios: Annotated[
        list[Path],
        typer.Argument(metavar="SCENARIO...", help="Scenario files (YAML), or names from `edgesim list scenarios`."),
    ],
    overrides: Overrides = None,
    data: Annotated[
        bool, typer.Option("--data", help="Also load the data, partition it for every seed and build the network.")
    ] = False,
) -> None:
    """Check scenarios and print every fault, without running anything."""
    from edgesim.scenario import loading, sweeps

    bad = []
    for path in scenarios:
        try:
            if sweeps.is_sweep(path):
                _validate_sweep(path, overrides or (), data)
                continue
            loaded = loading.load(path, overrides or ())
            lines = [*loaded.fleet.notes, *(_inspect_data(path, loaded) if data else [])]
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
        echo(f"{path}: ok ({', '.join(parts)})")
        for line in lines:
            echo(f"  {line}")
    if bad:
        echo("\n".join(bad), err=True)
        raise typer.Exit(2)


def _validate_sweep(path: Path, overrides: Sequence[str], data: bool) -> None:
    """Check every point of a sweep.

    Raises:
        ScenarioError: with every fault of the sweep and of its points.
    """
    from edgesim.scenario import sweeps

    loaded = sweeps.load(path, overrides)
    lines = dict.fromkeys(line for point in loaded.points for line in point.scenario.fleet.notes)
    if data:
        lines |= dict.fromkeys(line for point in loaded.points for line in _inspect_data(path, point.scenario))
    echo(f"{path}: ok ({sweeps.summary(loaded)})")
    for line in lines:
        echo(f"  {line}")


def _inspect_data(path: Path, loaded: loading.Scenario) -> list[str]:
    """Facts about a scenario's data, and notes on samples left out of them.

    Raises:
        ScenarioError: a run would be refused.
    """
    from edgesim.sessions.preflight import inspect

    found = inspect(loaded)
    if found.faults:
        raise ScenarioError(str(path), list(found.faults))
    return [*found.facts, *(f"data: {note}" for note in found.notes)]
