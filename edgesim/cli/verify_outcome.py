"""Outcome of `edgesim run --verify N` on the terminal: trials that were trained again, and columns that differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from edgesim.cli.app import echo
from edgesim.formatting import n_of

if TYPE_CHECKING:
    from edgesim.sessions.verification import Verification

MOST_COLUMNS = 10
"""differing columns of a trial that are printed, at most"""


def show(found: Verification) -> None:
    """Print whether the trials that were trained again are equal; exit with 1 where one is not."""
    for change in found.changes:
        text = f"changed since the run: {change['what']}: was {change['was']}, now {change['now']}"
        echo(text, err=True)
    total, differing = len(found.differences), found.differing
    how = f"trained again one by one in another process (choice of seed {found.seed})"
    if not differing:
        echo(f"verified: {n_of(total, 'trial')} {how}, equal bit for bit in all columns but host_*")
        return
    echo(f"edgesim: {len(differing)} of {n_of(total, 'trial')} {how} differ:", err=True)
    for trial in differing:
        name = f"seed {trial.seed}, device {trial.device}, {trial.method} at keep ratio {trial.keep_ratio}"
        echo(f"  {name}", err=True)
        columns = found.differences[trial]
        for one in columns[:MOST_COLUMNS]:
            echo(f"    {one.column}: was {one.was}, now {one.now}", err=True)
        if len(columns) > MOST_COLUMNS:
            echo(f"    and {n_of(len(columns) - MOST_COLUMNS, 'more column')}", err=True)
    raise typer.Exit(1)
