"""Runs and sweeps below a folder, each with its state, trials, best result and the command that goes on with it."""

from __future__ import annotations

import math
import shlex
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from edgesim.data.reading_notes import some
from edgesim.errors import EdgesimError, RunError
from edgesim.formatting import n_of
from edgesim.results import progress_file, run_info, sweep_folder
from edgesim.results.failed_trials import retries
from edgesim.results.run_folder import Run
from edgesim.results.run_summary import BestCell, best_cell

DAMAGED = "damaged"
"""state of a folder whose files cannot be read"""
_FLAGS = ("--resume", "--accept-changes", "--retry-failed")


@dataclass(frozen=True)
class RunState:
    """State of one run folder, or of the folder of a sweep."""

    path: Path
    status: str
    """of run.json or sweep.json as it is read, or DAMAGED"""
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
    points: int = 0
    """points of a sweep; 0 of a run"""
    points_done: int = 0
    """points of a sweep that have a record of every trial"""


def runs_below(folder: Path) -> list[RunState]:
    """Runs and sweeps in a folder, the newest first: the folder itself, those in it, and those one level further down.

    The points of a sweep that have begun follow it, in their order.

    Raises:
        RunError: it is no folder.
    """
    if not folder.is_dir():
        raise RunError(f"there is no folder {folder}; name one that holds run folders, like the parent of --out")
    try:
        files, of_sweeps = (
            [file for depth in ("", "*/", "*/*/") for file in folder.glob(f"{depth}{name}")]
            for name in (run_info.FILE, sweep_folder.FILE)
        )
    except OSError as error:
        raise RunError(f"{folder} cannot be read: {error.strerror}; check its permissions") from None
    swept = {file.parent: state_of_sweep(file.parent) for file in of_sweeps}
    found = [state_of(file.parent) for file in files] + list(swept.values())
    in_order = sorted(found, key=lambda run: run.path)  # a sweep before its points
    return sorted(in_order, key=lambda run: (swept.get(run.path.parent) or run).started, reverse=True)


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


def state_of_sweep(path: Path) -> RunState:
    """State of a sweep, whose trials are those of all its points; a damaged one has its error as reason."""
    try:
        told = sweep_folder.read(path)
    except EdgesimError as error:
        return RunState(path, DAMAGED, str(error))
    names = [point["folder"] for point in told["points"]]
    begun = {name: state_of(path / name) for name in names if (path / name / run_info.FILE).exists()}
    done = [state for state in begun.values() if state.ended >= state.trials > 0]
    waiting = [name for name in names if name not in begun]
    status, is_running = told["status"], told["status"] == sweep_folder.RUNNING
    is_left = len(done) < len(names) or status != sweep_folder.FINISHED
    left_s = _left_of_sweep(path, told, is_running) if is_left else math.nan
    again = {state.go_on for state in begun.values()}
    retried = [
        options for options in ("--resume --retry-failed", "--resume") if any(text.endswith(options) for text in again)
    ]
    options = "--resume" if is_left else next(iter(retried), "")
    total = told.get("trials")
    return RunState(
        path,
        status,
        f"{n_of(len(waiting), 'point')} not begun: {some(waiting, 3)}" if waiting else "",
        str(told.get("started") or ""),
        total if isinstance(total, int) else sum(state.trials for state in begun.values()) * (not waiting),
        sum(state.ended for state in begun.values()),
        sum(state.failed for state in begun.values()),
        sum(state.infeasible for state in begun.values()),
        left_s=left_s,
        go_on="" if is_running or not options else _sweep_command(told, path, options),
        points=len(names),
        points_done=len(done),
    )  # fmt: skip


def _left_of_sweep(path: Path, told: dict[str, Any], is_running: bool) -> float:
    """Seconds that a sweep takes by its points so far, or by its estimate before the first has ended."""
    found = progress_file.time_left_s(path, is_running)
    if not math.isnan(found):
        return found
    try:
        estimated_s = float(told.get("estimated_beside_others_s") or told["estimated_s"])
        since_s = time.time() - datetime.fromisoformat(told["started"]).timestamp() if is_running else 0.0
    except (KeyError, TypeError, ValueError):
        return math.nan
    return estimated_s - since_s if since_s < estimated_s else math.nan


def _sweep_command(told: dict[str, Any], path: Path, options: str) -> str:
    """Command that goes on with a sweep; of one that a script began, that of the command line."""
    words = _words(told)
    if words[:2] != ["edgesim", "sweep"]:
        words = ["edgesim", "sweep", "SCENARIO"]
    return _again(words, path, options)


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
    words = _words(info)
    of_sweep = words[:2] == ["edgesim", "sweep"]
    path = path.parent if of_sweep else path
    if words[:2] != ["edgesim", "run"] and not of_sweep:
        how = "True" if options == "--resume" else "edgesim.api.Resume(retry_failed=True)"
        return f"edgesim.run(scenario, {str(path)!r}, resume={how}) in Python"
    return _again(words, path, options)


def _words(info: dict[str, Any]) -> list[str]:
    """Words of the command that a run or a sweep was made by; empty where they cannot be told."""
    try:
        return shlex.split(str(info.get("command", "")))
    except ValueError:  # a quote without its end
        return []


def _again(words: list[str], path: Path, options: str) -> str:
    """A command with another --out and other options to go on."""
    kept = []
    rest = iter(words)
    for word in rest:
        if word == "--out":
            next(rest, None)
        elif word not in _FLAGS and not word.startswith("--out="):
            kept.append(word)
    return f"{shlex.join([*kept, '--out', str(path)])} {options}"
