"""Run folders below a folder, each with its state, trials, best result and the command that goes on with it."""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgesim.errors import EdgesimError, RunError
from edgesim.results import progress_file, run_info
from edgesim.results.failed_trials import retries
from edgesim.results.run_folder import Run
from edgesim.results.run_summary import BestCell, best_cell

DAMAGED = "damaged"
"""state of a folder whose files cannot be read"""
_FLAGS = ("--resume", "--accept-changes", "--retry-failed")


@dataclass(frozen=True)
class RunState:
    """State of one run folder."""

    path: Path
    status: str
    """of run.json as `run_info.read` gives it, or DAMAGED"""
    reason: str = ""
    """why a run ended or cannot be read; else empty"""
    started: str = ""
    trials: int = 0
    """all trials of the run"""
    ended: int = 0
    """trials with a record, whatever its status"""
    failed: int = 0
    infeasible: int = 0
    best: BestCell | None = None
    """None where no trial has ended well"""
    left_s: float = math.nan
    """seconds until a running run ends, or that a stopped one takes once resumed; NaN where that is not known"""
    go_on: str = ""
    """command that continues the run; empty where nothing is left to do"""


def runs_below(folder: Path) -> list[RunState]:
    """The runs in a folder, the newest first: the folder itself, those in it, and those one level further down.

    Raises:
        RunError: it is no folder.
    """
    if not folder.is_dir():
        raise RunError(f"there is no folder {folder}; name one that holds run folders, like the parent of --out")
    try:
        files = [file for depth in ("", "*/", "*/*/") for file in folder.glob(f"{depth}{run_info.FILE}")]
    except OSError as error:
        raise RunError(f"{folder} cannot be read: {error.strerror}; check its permissions") from None
    found = [state_of(file.parent) for file in files]
    return sorted(sorted(found, key=lambda run: run.path), key=lambda run: run.started, reverse=True)


def state_of(path: Path) -> RunState:
    """State of one run; a folder that cannot be read has its error as reason."""
    try:
        run = Run(path)
        info, records = run.info, run.records
        best = best_cell(records)
    except EdgesimError as error:
        return RunState(path, DAMAGED, str(error))
    status = str(info["status"])
    is_running = status == run_info.RUNNING
    is_finished = status.startswith(run_info.FINISHED)
    counts = records["status"].value_counts()
    return RunState(
        path,
        status,
        str(info.get("reason") or ""),
        str(info.get("started") or ""),
        int(info["trials"].get("total", len(records))),
        len(records),
        int(counts.get("failed", 0)),
        int(counts.get("infeasible", 0)),
        best,
        math.nan if is_finished else progress_file.time_left_s(path, is_running),
        "" if is_running else _go_on(run, status),
    )


def _go_on(run: Run, status: str) -> str:
    """Command that continues a run that does not run; empty where nothing is left to do."""
    if status.endswith(run_info.REPORT_MISSING):
        return shlex.join(["edgesim", "report", str(run.path)])
    options = "--resume"
    if status.startswith(run_info.FINISHED):
        again = retries(run.records["failure"])
        if not again:
            return ""
        options = list(again)[-1]
    return resume_command(run.info, run.path, options)


def resume_command(info: dict[str, Any], path: Path, options: str = "--resume") -> str:
    """The command that made a run, or the sweep that it is a point of, with the options that go on with it.

    A run that Python or another command made has no such command; the call in Python then is the answer.

    Args:
        info: run.json.
        path: the run folder, as the command names it.
        options: what to add.
    """
    try:
        words = shlex.split(str(info.get("command", "")))
    except ValueError:  # a quote without its end
        words = []
    of_sweep = words[:2] == ["edgesim", "sweep"]
    path = path.parent if of_sweep else path
    if words[:2] != ["edgesim", "run"] and not of_sweep:
        how = "True" if options == "--resume" else "edgesim.api.Resume(retry_failed=True)"
        return f"edgesim.run(scenario, {str(path)!r}, resume={how}) in Python"
    kept = []
    rest = iter(words)
    for word in rest:
        if word == "--out":
            next(rest, None)
        elif word not in _FLAGS and not word.startswith("--out="):
            kept.append(word)
    return f"{shlex.join([*kept, '--out', str(path)])} {options}"
