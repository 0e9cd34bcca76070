"""Run of a sweep: an estimate of its time, then every point in a run folder of its own, on one executor."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgesim.data.dataset import Dataset
from edgesim.errors import RunError
from edgesim.results import folder_lock, linked_runs, provenance, run_info, sweep_folder
from edgesim.results.run_folder import Run, read_results
from edgesim.runtime import Executor
from edgesim.scenario.experiment import load_dataset
from edgesim.scenario.sweeps import Point, Sweep
from edgesim.sessions import machine_load, single_run
from edgesim.sessions.estimate import RAY_START_S, Speed, measured_speed, work_of
from edgesim.sessions.machine_load import MachineLoad
from edgesim.sessions.opening import Resume, now
from edgesim.sessions.progress import Progress
from edgesim.sessions.run_session import Options


@dataclass(frozen=True)
class SweepEstimate:
    """Time that the missing trials of a sweep will take on this machine."""

    trials: int
    """trials that are left to run"""
    time_s: float
    """without other programs"""
    beside_others_s: float
    """beside the other programs that computed in the minute before"""
    load: MachineLoad
    measured: str
    """what was measured, in words"""


def key_of_data(point: Point) -> tuple[str, str]:
    """What two points with the same data have in common."""
    section = point.scenario.dataset
    return section.name, repr(section.plugin)


class DataOfPoints:
    """Data of the points of a sweep; equal sections are read once."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Dataset] = {}

    def of(self, point: Point) -> Dataset:
        """Data of a point.

        Raises:
            DataError: they cannot be read.
        """
        key = key_of_data(point)
        if key not in self._known:
            self._known[key] = load_dataset(point.scenario)
        return self._known[key]


def estimated(
    sweep: Sweep, data: DataOfPoints, place: tuple[Path, Resume | None], hosts: int, with_ray: bool
) -> SweepEstimate:
    """Estimate from a few jobs or steps of each kind of network, data and training.

    The planning of every point is part of the estimate: it is done here, timed, and again by the run.

    Args:
        sweep: its points.
        data: of the points.
        place: folder of the sweep, and the way to go on with it; None = it is a new one.
        hosts: workers.
        with_ray: the run starts Ray.

    Raises:
        ScenarioError, DataError: a point cannot be run.
    """
    load = machine_load.present(hosts_here())
    out, again = place
    speeds: dict[tuple[str, ...], Speed | None] = {}
    told: list[str] = []
    left, time_s = 0, 0.0
    for point in sweep.points:
        started = time.process_time()
        plan, reused = linked_runs.planned(point.scenario, data.of(point))
        planning_s = time.process_time() - started
        done = frozenset() if again is None else _done(out / point.name, again)
        missing = [trial for trial in plan.trials if trial not in done]
        left += len(missing)
        if not missing:
            continue
        scenario = point.scenario
        kind = (repr(scenario.model), repr(scenario.dataset), repr(scenario.training), repr(scenario.augment))
        if kind not in speeds:
            speeds[kind] = measured_speed(plan)
        speed = speeds[kind]
        time_s += planning_s
        if speed is not None:
            told.append(speed.measured)
            time_s += work_of(plan, done, reused).time_s(speed, hosts)
    time_s += RAY_START_S if with_ray and left else 0.0
    alone_s, beside_s = (time_s * load.factor(hosts, others) for others in (0.0, None))
    return SweepEstimate(left, alone_s, beside_s, load, "; ".join(dict.fromkeys(told)) or "nothing to measure")


def hosts_here() -> int:
    """Workers that a run starts on this machine by default."""
    from edgesim.runtime.ray_executor import available_cpus

    return available_cpus()


@dataclass(frozen=True)
class SweepOptions:
    """Way to run a sweep."""

    executor: Callable[[], Executor]
    """executor of each point: a lasting one, or a new one"""
    progress: Callable[[Point], Progress]
    resume: Resume | None = None


def run_sweep(sweep: Sweep, out: Path, data: DataOfPoints, expected: SweepEstimate, options: SweepOptions) -> Path:
    """Run the missing trials of all points, and write the table.

    Args:
        sweep: its points.
        out: folder of the sweep; a new one, or with `resume` one of the same sweep.
        data: of the points.
        expected: estimate, which is compared with the time at the end.
        options: executor, progress and way to go on.

    Returns: `out`.

    Raises:
        RunError: the folder holds something else, another sweep, or is in use.
        As `api.run`: for the first point that fails; the points before it are complete.
    """
    if options.resume is None:
        sweep_folder.check_new(out)
    else:
        check_same(sweep, out)
    out.mkdir(parents=True, exist_ok=True)
    content = {
        "name": sweep.name, "status": sweep_folder.RUNNING, "keys": sweep.levels, "command": provenance.command(),
        "points": [{"folder": point.name, "levels": point.levels} for point in sweep.points],
        "started": now(), "estimated_s": expected.time_s,
        "estimated_beside_others_s": expected.beside_others_s, "took_s": None,
    }  # fmt: skip
    with _locked(out):
        sweep_folder.write(out, content)
        started = time.perf_counter()
        try:
            for point in sweep.points:
                _run_point(point, out, data, options)
            sweep_folder.write_table(out)
        except BaseException:
            sweep_folder.write(out, {**content, "status": sweep_folder.STOPPED})
            raise
        took_s = time.perf_counter() - started
        sweep_folder.write(out, {**content, "status": sweep_folder.FINISHED, "took_s": took_s, "finished": now()})
    return out


def check_same(sweep: Sweep, out: Path) -> None:
    """Refuse to go on with another sweep.

    Raises:
        RunError: the folder holds no sweep, or its points are others.
    """
    before = sweep_folder.read(out)
    if before["keys"] != sweep.levels or [p["folder"] for p in before["points"]] != [p.name for p in sweep.points]:
        raise RunError(
            f"{out} was made by another sweep ({before['keys']}) and cannot be resumed by this one ({sweep.levels}); "
            "give the same values in the same order, or name another folder with --out"
        )


def _run_point(point: Point, out: Path, data: DataOfPoints, options: SweepOptions) -> Run:
    """Run the missing trials of a point. A folder without results is begun anew."""
    folder = out / point.name
    how = options.resume if (folder / run_info.FILE).exists() else None
    if how is not None and not read_results(folder):
        how = None
    progress = options.progress(point)
    try:
        return single_run.run(
            point.scenario, folder, how, Options(options.executor, progress, ()), dataset=data.of(point)
        )
    finally:
        with contextlib.suppress(OSError):  # the terminal may be closed
            progress.stop()


def _done(folder: Path, again: Resume) -> frozenset[Any]:
    """Trials of a point that have a record and need not run again."""
    if not (folder / run_info.FILE).exists():
        return frozenset()
    retried = ("own", "host") if again.retry_failed else ("host",)
    return frozenset(found.record.trial for found in read_results(folder) if found.record.failure not in retried)


@contextlib.contextmanager
def _locked(out: Path) -> Iterator[None]:
    """Hold the folder of a sweep, so that no other process writes to it."""
    lock = folder_lock.acquired(out)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.unlink(out / folder_lock.FILE)
        lock.release()
