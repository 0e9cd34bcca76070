"""End of a run on the terminal: failed trials, their reasons, and the command that tries them again."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from edgesim.cli.app import echo, fail
from edgesim.errors import RunError
from edgesim.formatting import n_of

if TYPE_CHECKING:
    import pandas as pd

    from edgesim.results.run_folder import Run

MOST_REASONS = 5
"""reasons that are printed, at most"""


def write_report(run: Run) -> Path:
    """Write the page of a finished run into its folder.

    Raises:
        EdgesimError: there is a report.html that edgesim did not write, or the disk is full.
    """
    from edgesim import report
    from edgesim.config.output_files import check_replaceable

    page = run.path / "report.html"
    check_replaceable(page)
    return report.write(run, page)


def reasons(records: pd.DataFrame, status: str) -> list[str]:
    """Reasons of the trials with a status, the most frequent first; those that differ only in numbers count as one.

    Args:
        records: one row per trial.
        status: "failed" or "infeasible".

    Returns: lines such as "  3 x the loss became nan"; empty where no trial has that status.
    """
    from edgesim.analysis.grouping import kinds, one_of

    bad = records[records["status"] == status]
    by_kind = Counter(kinds(bad["reason"])).most_common()
    lines = [f"  {count} x {one_of(bad.loc[kinds(bad['reason']) == kind, 'reason'])}" for kind, count in by_kind]
    rest = sum(count for _, count in by_kind[MOST_REASONS:])
    return lines[:MOST_REASONS] + [f"  {rest} x other reasons; records.parquet has them all"] * (rest > 0)


def show_failures(run: Run, again: str) -> int:
    """Print the failed trials, their reasons and the commands that try them again, to standard error.

    Args:
        run: the run.
        again: command that continues it, with --resume at its end.

    Returns: number of failed trials.
    """
    from edgesim.results.failed_trials import retries
    from edgesim.runtime.run_log import NAME

    failed = int((run.records["status"] == "failed").sum())
    if failed:
        echo(f"edgesim: {failed} of {n_of(len(run.records), 'trial')} failed:", err=True)
        for line in reasons(run.records, "failed"):
            echo(line, err=True)
        if (run.path / NAME).exists():
            echo(f"tracebacks and the hosts' output: {run.path / NAME}", err=True)
        kinds = run.records.loc[run.records["status"] == "failed", "failure"].value_counts()
        for options in retries(run.records["failure"]):
            count = int(kinds.sum() if "--retry-failed" in options else kinds["host"])
            these = "it" if failed == 1 else "them" if len(kinds) == 1 else f"all {failed}"
            these = these if count == failed else f"the {count} that lost their hosts"
            echo(f"try {these} again: {again.removesuffix('--resume')}{options}", err=True)
    return failed


def end(run: Run, again: str, allow_failures: bool) -> None:
    """Print the failures of a run that has ended; exit with 1 where trials failed, or none succeeded.

    Args:
        run: the run.
        again: command that continues it.
        allow_failures: exit with 0 despite failed trials, if one succeeded.
    """
    failed = show_failures(run, again)
    if (run.records["status"] != "ok").all():
        fail(RunError(f"no trial succeeded; the reasons are above and in {run.path / 'records.parquet'}"), 1)
    if failed and not allow_failures:
        raise typer.Exit(1)


def resume_command(scenario: Path, out: Path, overrides: Sequence[str], where: Sequence[str] = ()) -> str:
    """Command that continues a run.

    Args:
        scenario: as the user named it.
        out: run folder.
        overrides: values of --set.
        where: options on the executor, like --hosts 4.
    """
    sets = [word for one in overrides for word in ("--set", one)]
    return shlex.join(["edgesim", "run", str(scenario), *sets, *where, "--out", str(out), "--resume"])
