"""`edgesim schema`: the JSON Schema of the documents."""

from __future__ import annotations

from typing import Annotated

import typer

from edgesim.cli.app import app, check_choice, echo, json_text


@app.command()
def schema(
    document: Annotated[
        str, typer.Argument(metavar="[scenario|fleet|profile]", help="Document to describe.")
    ] = "scenario",
) -> None:
    """Print the JSON Schema of scenarios, fleets or device profiles, for editors."""
    from edgesim.scenario.schema import SCHEMAS

    check_choice("schema of", document, SCHEMAS)
    echo(json_text(SCHEMAS[document]()))
