"""`edgesim report`: the report of a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgesim.cli.app import app, echo


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder, or folder of a sweep.")],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="FILE.html or FILE.md. Default: RUN/report.html and RUN/report.md."),
    ] = None,
) -> None:
    """Write the report of a run, finished or not, as HTML and Markdown; of a sweep its page."""
    if out is not None and out.suffix not in (".html", ".md"):
        raise typer.BadParameter(f"--out must name a .html or .md file; got {out}")
    from edgesim.cli import stop_signals
    from edgesim.config.output_files import check_replaceable
    from edgesim.results import sweep_folder

    if sweep_folder.is_sweep(folder):
        from edgesim.report import sweep_page

        page = out or folder / sweep_folder.PAGE
        check_replaceable(page)
        echo(f"report: {sweep_page.write(folder, page)}")
        return
    from edgesim.report import write_all
    from edgesim.results import folder_lock, run_info
    from edgesim.results.run_folder import Run

    run = Run(folder)
    files = [out] if out else [folder / "report.html", folder / "report.md"]
    for file in files:
        check_replaceable(file)
    stop_signals.interrupting()
    for path in write_all(run, files):
        echo(f"report: {path}")
    if out is None and run.info["status"].endswith(run_info.REPORT_MISSING):
        with folder_lock.acquired(folder):
            run_info.note_report(folder)
