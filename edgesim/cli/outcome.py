"""How a run ended, on the terminal: what failed, why, and what tries it again."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from edgesim.cli.app import fail
from edgesim.errors import RunError, n_of

if TYPE_CHECKING:
    import pandas as pd

    from edgesim.results.run_folder import Run

SHOWN_REASONS = 5


def reasons(records: pd.DataFrame, status: str) -> list[str]:
    """The reasons of the trials that ended so, the most frequent first; those that differ in numbers only are one.

    Args:
        records: one row per trial.
        status: failed or infeasible.

    Returns: lines such as "  3 x the loss became nan"; empty where no trial ended so.
    """
    from edgesim.analysis.grouping import kinds, one_of

    bad = records[records["status"] == status]
    by_kind = Counter(kinds(bad["reason"])).most_common()
    lines = [f"  {count} x {one_of(bad.loc[kinds(bad['reason']) == kind, 'reason'])}" for kind, count in by_kind]
    rest = sum(count for _, count in by_kind[SHOWN_REASONS:])
    return lines[:SHOWN_REASONS] + [f"  {rest} x other reasons; records.parquet has them all"] * (rest > 0)


def show_failures(run: Run, again: str) -> int:
    """Print to standard error how many trials failed, why, and the command that tries them again.

    Returns: how many failed.
    """
    failed = int((run.records["status"] == "failed").sum())
    if failed:
        typer.echo(f"edgesim: {failed} of {n_of(len(run.records), 'trial')} failed:", err=True)
        for line in reasons(run.records, "failed"):
            typer.echo(line, err=True)
        typer.echo(f"try {'them' if failed > 1 else 'it'} again: {again}", err=True)
    return failed


def end(run: Run, again: str, allow_failures: bool) -> None:
    """Say how a run ended, and leave with 1 where trials failed, or none succeeded.

    Args:
        run: that has ended.
        again: the command that goes on with it.
        allow_failures: whether failed trials are no reason to leave with 1.
    """
    failed = show_failures(run, again)
    if (run.records["status"] != "ok").all():
        fail(RunError(f"no trial succeeded; the reasons are above and in {run.path / 'records.parquet'}"), 1)
    if failed and not allow_failures:
        raise typer.Exit(1)


def resuming(scenario: Path, out: Path, overrides: Sequence[str], where: Sequence[str] = ()) -> str:
    """The command that goes on with a run.

    Args:
        scenario: as it was named.
        out: the run folder.
        overrides: values of --set.
        where: options that say on which hosts.
    """
    sets = [word for one in overrides for word in ("--set", one)]
    return shlex.join(["edgesim", "run", str(scenario), *sets, *where, "--out", str(out), "--resume"])
