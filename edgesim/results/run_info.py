"""File `run.json` of a run folder: state, versions, sessions and counts of a run, checked when it is read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edgesim.config.output_files import write_text
from edgesim.config.validation import join, kind_of, nearest
from edgesim.data.reading_notes import some
from edgesim.errors import Fault, RunError, shortened
from edgesim.formatting import n_of
from edgesim.results import folder_lock
from edgesim.tasks import TASKS

FILE = "run.json"
RUNNING, FINISHED, INTERRUPTED, FAILED = "running", "finished", "interrupted", "failed"
WITH_FAILURES = "finished with failed trials"
STOPPED = "stopped"
"""status that a reader gives to a run whose process ended without writing another: it was killed, for example"""
REPORT_MISSING = ", report missing"
"""ending of the status of a finished run while its report is being written, and after that failed"""

_NUMBER, _WORDS = (int, float), {str: str}
_SESSION = {"started": str, "finished": str, "wall_s": _NUMBER, "command": str, "versions": _WORDS, "accepted": [dict]}
_SHOWN = dict.fromkeys(("seed", "device", "samples", "classes"), int)
_FORM: dict[str, Any] = {
    "scenario": str, "scenario_folder": str, "status": str, "reason": str, "started": str, "finished": str,
    "wall_s": _NUMBER, "seeds": [int], "devices": int, "label_noise": _NUMBER, "versions": _WORDS, "git_commit": str,
    "host": dict, "command": str, "sessions": [_SESSION], "trials": {str: int}, "workload": {str: _NUMBER},
    "shown": _SHOWN, "guess": {"accuracy": _NUMBER, "samples": int}, "data_notes": [str], "identity": dict, "task": str,
    "training_notes": [str],
    "verified": [{"at": str, "versions": _WORDS, **dict.fromkeys(("seed", "trials", "equal"), int)}],
}  # fmt: skip
"""key -> type of its value: a type, several, a list of one, or a map with these keys or with any"""
_EMPTY = ("reason", "started", "finished", "git_commit", "shown")
"""keys whose value may be null"""
_NAMES: dict[Any, str] = {str: "text", int: "an integer", dict: "a map", _NUMBER: "a number"}
REQUIRED = ("scenario", "scenario_folder", "status", "devices", "trials")
"""keys that a run.json of edgesim has"""


def read(folder: Path) -> dict[str, Any]:
    """The content of run.json; `status` says `stopped` where no process writes to a run that says `running`.

    Raises:
        RunError: it is missing or damaged; every wrong value is named with its place.
    """
    path = folder / FILE
    if not path.exists():
        missing = f"it has no {FILE}{_remains(folder)}" if folder.is_dir() else "there is no such folder"
        raise RunError(f"{folder} is no run folder: {missing}{_near(folder)}")
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{path} cannot be read: {error}") from None
    if not isinstance(info, dict):
        raise RunError(f"{path} is damaged: it must be a map, not {kind_of(info)}")
    faults = [Fault(key, "is missing") for key in REQUIRED if key not in info]
    given = [key for key in _FORM if key in info and not (key in _EMPTY and info[key] is None)]
    faults += [fault for key in given for fault in _faults(info[key], _FORM[key], key)]
    if isinstance(info.get("shown"), dict):  # another kind is a fault already
        faults += [Fault(f"shown.{key}", "is missing") for key in _SHOWN if key not in info["shown"]]
    if isinstance(info.get("task"), str) and info["task"] not in TASKS:
        faults.append(Fault("task", f"must be one of {', '.join(TASKS)}; got {shortened(repr(info['task']), 60)}"))
    if faults:
        listed = "".join(f"\n  {fault}" for fault in faults)
        raise RunError(f"{path} is damaged; put the values right, or take the file from a copy:{listed}")
    if info["status"] == RUNNING and not folder_lock.is_held(folder):
        reason = "its process ended without a word: it was killed, or its disk was full; go on with --resume"
        info |= {"status": STOPPED, "reason": reason}
    return info


def task_of(info: Mapping[str, Any]) -> str:
    """Task of a run, by its run.json."""
    return str(info.get("task", "classification"))


def write(folder: Path, info: Mapping[str, Any]) -> None:
    """Write run.json as a whole.

    Raises:
        OutputError: it cannot be written.
    """
    write_text(folder / FILE, json.dumps(info, indent=2) + "\n", ", and go on with the same command and --resume")


def note_report(folder: Path) -> None:
    """Take back from the status that the report is missing.

    Raises:
        OutputError: run.json cannot be written.
    """
    info = read(folder)
    if info["status"].endswith(REPORT_MISSING):
        write(folder, info | {"status": info["status"].removesuffix(REPORT_MISSING)})


def _remains(folder: Path) -> str:
    """Advice where a folder has results without a run.json."""
    if not any((folder / name).exists() for name in ("journal.jsonl", "records.parquet")):
        return ""
    return ", which is lost; `edgesim run SCENARIO --out FOLDER --resume --accept-changes` goes on with its results"


def _near(folder: Path) -> str:
    """Runs that may be meant: those in the folder, or the one beside it with the nearest name."""
    if folder.is_dir():
        runs = sorted(file.parent.name for file in folder.glob(f"*/{FILE}"))
        return f"; it holds {n_of(len(runs), 'run')}: {some(runs, 3)}" if runs else ""
    return nearest(folder.name, [file.parent.name for file in folder.parent.glob(f"*/{FILE}")])


def _faults(value: Any, form: Any, path: str) -> Iterator[Fault]:
    """Faults of a value that has not the form it must have."""
    if isinstance(form, list):
        if not isinstance(value, list):
            yield Fault(path, f"must be a list, not {kind_of(value)}")
            return
        for place, inner in enumerate(value):
            yield from _faults(inner, form[0], join(path, place))
    elif isinstance(form, dict):
        if not isinstance(value, dict):
            yield Fault(path, f"must be a map, not {kind_of(value)}")
            return
        for key, inner in value.items():
            if str in form or key in form:
                yield from _faults(inner, form.get(key, form.get(str)), join(path, key))
    elif not isinstance(value, form) or (isinstance(value, bool) and form is not bool):
        yield Fault(path, f"must be {_NAMES[form]}, not {kind_of(value)}")
    elif isinstance(value, int | float) and not 0 <= value < float("inf"):
        yield Fault(path, f"must be 0 or more, not {value}")
