"""`edgesim export`: the samples that a method kept, as a folder of data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgesim.cli.app import app, check_choice, echo
from edgesim.formatting import n_of


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.")],
    method: Annotated[str, typer.Option("--method", help="Label of the method.")],
    form: Annotated[
        str,
        typer.Option("--as", metavar="FORMAT", help="indices, npz, parquet, image-folder, csv, or voc."),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="New or empty folder to write.")],
    keep: Annotated[
        float | None, typer.Option("--keep", metavar="RATIO", help="Keep ratio. Default: the only one of the method.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed. Default: the only one of the run.")] = None,
    device: Annotated[int | None, typer.Option(help="Index of a device.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All devices instead of one.")] = False,
    with_test: Annotated[bool, typer.Option("--with-test", help="Write the whole test split, too.")] = False,
) -> None:
    """Write the samples that a method kept, with their scores and a card that says where they come from.

    kept.csv lists them in the order of the training set, with row and file in the original data. card.json holds the
    scenario, seed, versions and content keys, and the dataset section by which edgesim reads the folder.
    """
    from edgesim.cli import stop_signals
    from edgesim.config.output_files import check_new_folder
    from edgesim.results.exporting.folder import FORMATS
    from edgesim.results.exporting.folder import export as write
    from edgesim.results.exporting.subset import subset_of
    from edgesim.results.run_folder import Run

    check_choice("format", form, FORMATS)
    if every == (device is not None):
        raise typer.BadParameter("give --device N for one device, or --all for all of them, and not both")
    check_new_folder(out)
    stop_signals.interrupting()
    subset = subset_of(Run(folder), method, keep, seed, device)
    card = write(subset, form, out, with_test)
    for note in card["notes"]:
        echo(note, err=True)
    echo(f"{n_of(card['kept'], 'sample')} of {card['of']:,} in {out}")
