"""Runs the points of a study one after another, resumed where they stopped, and writes its page after each of them."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import yaml

import edgesim
from edgesim.errors import EdgesimError
from edgesim.results.run_folder import Run
from edgesim.runtime import SerialExecutor

MAIN = "main"
"""the variant of a point that changes nothing"""
PARTITIONS = {"iid": None, "dirichlet-0.5": 0.5, "dirichlet-0.1": 0.1}
"""name -> alpha of the Dirichlet distribution"""
USERS = "users"
"""the partition of data that name their users: every device has the samples of whole users"""


class Point(Protocol):
    """One run of a study."""

    @property
    def name(self) -> str:
        """Name of its run folder."""

    @property
    def file(self) -> Path:
        """Its scenario."""

    @property
    def overrides(self) -> dict[str, Any]:
        """Changes of the scenario."""


def partition(name: str, smallest_shard: int) -> Any:
    """The `partition` of a scenario.

    Args:
        name: one of PARTITIONS, or USERS.
        smallest_shard: samples, for the skewed ones.
    """
    if name == USERS:
        return {"name": "by-column", "column": "subject"}
    alpha = PARTITIONS[name]
    return {"name": "dirichlet", "alpha": alpha, "min_size": smallest_shard} if alpha else "iid"


def document(file: Path) -> dict[str, Any]:
    """A scenario file as it is written."""
    return dict(yaml.safe_load(file.read_text(encoding="utf-8")))


def design(point: Point) -> str:
    """Short digest of everything that the study sets, by which results of another design are told."""
    told = json.dumps([document(point.file), point.overrides], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:8]


def finished(folder: Path) -> Run:
    """The finished run in a folder.

    Raises:
        EdgesimError: the run is not finished, or has failed trials.
    """
    found = edgesim.load_run(folder)
    if found.info["status"] != "finished":
        message = f"{folder}: its status is {found.info['status']!r}; results are of finished runs. Run it again."
        raise EdgesimError(message)
    return found


def parser(about: str | None) -> argparse.ArgumentParser:
    """Options that every study has."""
    options = argparse.ArgumentParser(description=about)
    options.add_argument("--only", help="points whose name holds this text")
    options.add_argument("--serial", action="store_true", help="run in this process, without Ray; records are equal")
    options.add_argument("--page-only", action="store_true", help="write the page from the results, run nothing")
    return options


def sized_parser(about: str | None) -> argparse.ArgumentParser:
    """Options of `parser`, and those of a study that has the paper's own size, too."""
    options = parser(about)
    options.add_argument("--size", choices=("reduced", "paper"), default="reduced", help="reduced: for 2 cores")
    options.add_argument("--list", action="store_true", help="name the points in their order, run nothing")
    return options


def listed(points: Sequence[Point], is_known: Callable[[Any], bool]) -> str:
    """A line per point, in their order: its name, and 'done' where its results are those of its present design.

    Args:
        points: the study's.
        is_known: as of `run_points`.
    """
    return "\n".join(f"{point.name} {'done' if is_known(point) else 'missing'}" for point in points)


def run_points(
    points: Sequence[Point],
    runs: Path,
    asked: argparse.Namespace,
    is_known: Callable[[Any], bool],
    keep: Callable[[Any, Path], None],
) -> None:
    """Run what is missing of every point that is asked for, in their order.

    Args:
        points: the study's.
        runs: folder of the run folders; a point whose run folder is gone, and whose results are known, is not run.
        asked: options of `parser`.
        is_known: true where the results of a point are those of its present design.
        keep: writes the results of a finished point, from its run folder.
    """
    for point in [] if asked.page_only else points:
        out = runs / point.name
        is_done = not out.exists() and is_known(point)
        if not is_done and (asked.only is None or asked.only in point.name):
            print(point.name, flush=True)
            scenario = edgesim.load_scenario(point.file, point.overrides)
            edgesim.run(scenario, out=out, resume=out.exists(), executor=SerialExecutor() if asked.serial else None)
            keep(point, out)
