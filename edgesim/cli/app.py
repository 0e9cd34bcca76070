"""The command line's parser, and what several commands share. Its modules register their commands here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from edgesim.errors import EdgesimError

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
    Path, typer.Argument(metavar="SCENARIO", help="a scenario YAML, or the name of one of `edgesim list scenarios`")
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="change a value of the scenario, for example training.epochs=3"),
]
Json = Annotated[bool, typer.Option("--json", help="print JSON instead of a table")]


def _version(asked: bool) -> None:
    """Print versions and leave; what is not imported yet stays so."""
    if asked:
        from edgesim.results import provenance

        found = provenance.versions()
        others = ", ".join(f"{name} {found[name]}" for name in ("python", "torch", "ray"))
        typer.echo(f"edgesim {found['edgesim']} ({others})")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="print versions and leave")
    ] = False,
) -> None:
    """Simulate fleets of heterogeneous edge devices that score, prune and train on their own data."""


def fail(error: EdgesimError, code: int) -> Any:
    """Print an error to standard error and leave."""
    typer.echo(f"edgesim: {error}", err=True)
    raise typer.Exit(code)
