"""`edgesim init`: a scenario to start from (starter.yaml)."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from edgesim.cli.app import app, echo

STARTER = Path(__file__).parent / "starter.yaml"


@app.command()
def init(
    file: Annotated[Path, typer.Argument(metavar="[FILE]", help="Scenario file to write.")] = Path("scenario.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Write a first scenario with a comment on every choice; it runs as it is."""
    if file.suffix not in (".yaml", ".yml"):
        raise typer.BadParameter(f"a scenario is a .yaml file; got {file}")
    if file.is_dir() or (file.exists() and not force):
        raise typer.BadParameter(f"{file} exists already; name another file, or overwrite it with --force")
    if not file.parent.is_dir():
        raise typer.BadParameter(f"there is no folder {file.parent}; create it first")
    from edgesim.config import validation
    from edgesim.scenario import loading

    text = STARTER.read_text(encoding="utf-8").replace("THIS_FILE", shlex.quote(str(file)))
    loading.from_document(validation.parse(text, str(file)), str(file), file.parent)  # the file's name is the user's
    file.write_text(text, encoding="utf-8")
    echo(f"scenario: {file}\nnext: edgesim run {shlex.quote(str(file))}")
