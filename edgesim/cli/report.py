"""`edgesim report`: the report of a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgesim.cli.app import app, echo


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.")],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="FILE.html or FILE.md. Default: RUN/report.html and RUN/report.md."),
    ] = None,
) -> None:
    """Write the report of a run, finished or not, as HTML and Markdown."""
    from edgesim.report import write_all
    from edgesim.results.run_folder import Run

    for path in write_all(Run(folder), [out] if out else [folder / "report.html", folder / "report.md"]):
        echo(f"report: {path}")
