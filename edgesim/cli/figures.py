"""`edgesim figures`: the figures of a report for a paper."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from edgesim.cli.app import app, check_choice, echo
from edgesim.formatting import n_of

UNITS_IN = {"in": 1.0, "cm": 1 / 2.54, "mm": 1 / 25.4, "pt": 1 / 72.27}
"""unit of a width -> inches; pt is TeX's"""
NARROWEST_IN, WIDEST_IN = 2.0, 20.0
"""allowed widths; in narrower figures some texts lie outside"""


@app.command()
def figures(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="New or empty folder to write.")],
    form: Annotated[str, typer.Option("--format", metavar="FORMAT", help="pdf, svg, or png.")] = "pdf",
    width: Annotated[str, typer.Option(help="Width of a figure: a number with in, cm, mm, or pt (TeX's).")] = "3.5in",
    choose: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Choice of the report, like method=importance (repeatable)."),
    ] = None,
) -> None:
    """Draw every figure of the report and Figures 3 to 10 of the edge paper, each with a CSV of what it shows.

    Fonts are embedded; colours are told apart in colour blindness and in grey. Needs matplotlib (edgesim[figures]).
    """
    from edgesim.cli import stop_signals
    from edgesim.config.output_files import check_new_folder
    from edgesim.report.print_figures import FORMATS, PrintSettings, check_installed

    check_choice("format", form, FORMATS)
    settings = PrintSettings(form, _inches(width))
    choices = _choices(choose or [])
    check_installed()
    check_new_folder(out)
    stop_signals.interrupting()
    from edgesim.report import page
    from edgesim.report.print_folder import write_figures
    from edgesim.results.run_folder import Run

    for line in write_figures(page.of_run(Run(folder)), out, settings, choices):
        echo(line, err=True)
    echo(f"{n_of(len(list(out.glob(f'*.{form}'))), 'figure')} in {out}")


def _inches(text: str) -> float:
    """A width in inches.

    Raises:
        typer.BadParameter: it is no width.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(in|cm|mm|pt)", text.strip())
    width = float(found[1]) * UNITS_IN[found[2]] if found else 0.0
    if not NARROWEST_IN <= width <= WIDEST_IN:
        raise typer.BadParameter(
            f"--width {text}: give {NARROWEST_IN:g}in to {WIDEST_IN:g}in, as a number with in, cm, mm, or pt: 3.5in"
        )
    return width


def _choices(given: list[str]) -> dict[str, str]:
    """Choices by their keys.

    Raises:
        typer.BadParameter: one has no value.
    """
    found = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not key or not value:
            raise typer.BadParameter(f"--choose {text} must look like KEY=VALUE, for example method=importance")
        found[key] = value
    return found
