"""`edgesim tables`: the tables of a run for a paper."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgesim.cli.app import app, check_choice, echo


@app.command()
def tables(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="New or empty folder to write.")],
    form: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="latex (needs booktabs and graphicx), csv, or md.")
    ] = "latex",
) -> None:
    """Write accuracy and costs by method and keep ratio as tables for a paper.

    Means have half their 95 % interval. Bold are the best method of each keep ratio and those not significantly worse.
    """
    from edgesim.config.output_files import check_new_folder
    from edgesim.report.latex import unknown_signs
    from edgesim.report.paper_tables import FORMATS, write_tables
    from edgesim.results.run_folder import Run

    check_choice("format", form, FORMATS)
    check_new_folder(out)
    for path in write_tables(Run(folder), out, form):
        echo(f"table: {path}")
        if form == "latex" and (signs := unknown_signs(path.read_text(encoding="utf-8"))):
            told = "use lualatex or xelatex with a font that has them, or another label"
            echo(f"{path} has signs that LaTeX's usual fonts lack ({signs}): {told}", err=True)
