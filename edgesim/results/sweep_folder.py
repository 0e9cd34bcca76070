"""Folder of a sweep: `sweep.json`, one run folder per point, and the table of all trials."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from edgesim.config.output_files import UNFINISHED, write_text
from edgesim.errors import RunError
from edgesim.results import folder_lock
from edgesim.results.run_folder import Run
from edgesim.results.table_files import write_table as write_parquet

FILE, TABLE, PAGE = "sweep.json", "sweep.parquet", "sweep.html"
POINT = "point"
"""column of the table: name of the point's run folder"""
RUNNING, FINISHED, STOPPED = "running", "finished", "stopped"
REBUILT = "the command that made the sweep, with --out and --resume, writes it anew"
"""advice on a damaged sweep.json"""


def is_sweep(folder: Path) -> bool:
    """True for the folder of a sweep."""
    return (folder / FILE).is_file()


def read(folder: Path) -> dict[str, Any]:
    """The content of sweep.json: name, status, keys with their levels, and points with their values.

    `status` says `stopped` where no process writes to a sweep that says `running`.

    Raises:
        RunError: it is missing or damaged.
    """
    path = folder / FILE
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        sound = isinstance(found["keys"], dict) and all(
            isinstance(point["folder"], str) and Path(point["folder"]).name == point["folder"]
            and isinstance(point["levels"], dict) and point["levels"].keys() == found["keys"].keys()
            for point in found["points"]
        )  # fmt: skip
        sound = sound and isinstance(found["name"], str) and isinstance(found["status"], str)
    except FileNotFoundError:
        raise RunError(f"{folder} is no folder of a sweep: it has no {FILE}") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{path} is damaged ({type(error).__name__}: {error}); {REBUILT}") from None
    if not sound:
        raise RunError(f"{path} is damaged: its keys or points are not those of a sweep; {REBUILT}")
    if found["status"] == RUNNING and not folder_lock.is_held(folder):
        found["status"] = STOPPED  # its process was killed
    return dict(found)


def write(folder: Path, content: Mapping[str, Any]) -> None:
    """Write sweep.json as a whole.

    Raises:
        OutputError: it cannot be written.
    """
    write_text(folder / FILE, json.dumps(content, indent=2) + "\n", ", and go on with --resume")


def check_new(folder: Path) -> None:
    """Refuse a folder for a new sweep that holds anything.

    Raises:
        RunError: naming what is there.
    """
    if folder.exists() and not folder.is_dir():
        raise RunError(f"{folder} is a file; name a new folder with --out")
    names = [path.name for path in folder.iterdir()] if folder.exists() else []
    there = sorted(name for name in names if not name.endswith(UNFINISHED) and name != folder_lock.FILE)
    if FILE in there:
        raise RunError(f"{folder} holds a sweep already; go on with it by --resume, or name another with --out")
    if there:
        raise RunError(f"{folder} holds files that no sweep wrote ({there[0]}); name a new or empty folder with --out")


def runs_of(folder: Path) -> dict[str, Run]:
    """The run of each point that has begun, by the name of its folder.

    Raises:
        RunError: sweep.json or a run is damaged, or no point has begun.
    """
    names = [point["folder"] for point in read(folder)["points"]]
    found = {name: Run(folder / name) for name in names if (folder / name / "run.json").exists()}
    if not found:
        raise RunError(f"{folder}: no point of the sweep has begun")
    return found


def finished(runs: Mapping[str, Run]) -> list[str]:
    """Names of the points that have a record of every trial, whatever its status."""
    return [name for name, run in runs.items() if len(run.records) >= run.info["trials"].get("total", 0)]


def table_of(folder: Path) -> pd.DataFrame:
    """One row per trial of all points: the point, its values as text, and the columns of records.

    Raises:
        RunError: as `runs_of`.
    """
    levels = {point["folder"]: point["levels"] for point in read(folder)["points"]}
    parts = []
    for name, run in runs_of(folder).items():
        records = run.records
        columns = {POINT: name, **levels[name]}
        front = pd.DataFrame({key: [value] * len(records) for key, value in columns.items()}, index=records.index)
        parts.append(pd.concat([front, records.drop(columns=[k for k in columns if k in records])], axis=1))
    return pd.concat(parts, ignore_index=True)


def write_table(folder: Path) -> Path:
    """Write the table of all trials.

    Raises:
        OutputError: it cannot be written.
    """
    write_parquet(folder, TABLE.removesuffix(".parquet"), table_of(folder))
    return folder / TABLE
