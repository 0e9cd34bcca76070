"""Run of a sweep: an estimate of its time, then every point in a run folder of its own, on one executor."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgesim.data.dataset import Dataset
from edgesim.data.reading_notes import some
from edgesim.errors import RunError
from edgesim.formatting import n_of
from edgesim.results import folder_lock, linked_runs, progress_file, provenance, run_info, sweep_folder
from edgesim.results.run_folder import Run, read_results
from edgesim.runtime import Executor
from edgesim.scenario.experiment import load_dataset, load_transfer
from edgesim.scenario.sweeps import Point, Sweep
from edgesim.sessions import machine_load, opening, single_run
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
    by_point: Mapping[str, float] = field(default_factory=dict)
    """point -> seconds, of those that miss trials"""


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
    left, by_point = 0, dict[str, float]()
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
        by_point[point.name] = planning_s
        if speed is not None:
            told.append(speed.measured)
            by_point[point.name] += work_of(plan, done, reused).time_s(speed, hosts)
    time_s = sum(by_point.values()) + (RAY_START_S if with_ray and left else 0.0)
    alone_s, beside_s = (time_s * load.factor(hosts, others) for others in (0.0, None))
    measured = "; ".join(dict.fromkeys(told)) or "nothing to measure"
    return SweepEstimate(left, alone_s, beside_s, load, measured, by_point)


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
        RunError: the folder holds something else, another sweep, or is in use; or a point cannot be resumed. Nothing
            is written then.
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
        "trials": sweep.trial_count,
        "started": now(), "estimated_s": expected.time_s,
        "estimated_beside_others_s": expected.beside_others_s, "took_s": None,
    }  # fmt: skip
    with _locked(out):
        if options.resume is not None:
            _check_points(sweep, out, data, options.resume)
        sweep_folder.write(out, content)
        progress_file.remove(out)  # of an earlier session
        for_readers = progress_file.ProgressFile(out, expected.by_point, ())
        started = time.perf_counter()
        try:
            for point in sweep.points:
                _run_point(point, out, data, options)
                for_readers.count(point.name)
                for_readers.write()
            sweep_folder.write_table(out)
        except BaseException:
            sweep_folder.write(out, {**content, "status": sweep_folder.STOPPED})
            raise
        took_s = time.perf_counter() - started
        progress_file.remove(out)
        sweep_folder.write(out, {**content, "status": sweep_folder.FINISHED, "took_s": took_s, "finished": now()})
    return out


def check_same(sweep: Sweep, out: Path) -> str:
    """Refuse to go on with another sweep. Where sweep.json is lost or damaged, the folders of the points stand for it.

    Returns: a sentence on a sweep.json that will be written anew; empty where it is sound.

    Raises:
        RunError: the folder holds no sweep, or its points are others.
    """
    wanted = [point.name for point in sweep.points]
    try:
        before = sweep_folder.read(out)
    except RunError as error:
        there = sorted(file.parent.name for file in out.glob(f"*/{run_info.FILE}"))
        others = [name for name in there if name not in wanted]
        if others:
            raise RunError(
                f"{error}; not by this sweep: {others[0]} is a run of no point of it, whose points are "
                f"{some(wanted, 3)}; give the values of that sweep in their order"
            ) from None
        if not there and not (out / sweep_folder.FILE).exists():
            raise
        return f"{out / sweep_folder.FILE} is lost or damaged; it is written anew, for {n_of(len(wanted), 'point')}"
    if before["keys"] != sweep.levels or [p["folder"] for p in before["points"]] != wanted:
        raise RunError(
            f"{out} was made by another sweep ({before['keys']}) and cannot be resumed by this one ({sweep.levels}); "
            "give the same values in the same order, or name another folder with --out"
        )
    return ""


def _check_points(sweep: Sweep, out: Path, data: DataOfPoints, again: Resume) -> None:
    """Refuse to go on where a point would be refused: its scenario, code or data are others. Writes nothing.

    Raises:
        RunError: as `opening.opened` and `opening.check_data`, for the first such point.
    """
    for point in sweep.points:
        folder = out / point.name
        if not _has_results(folder):
            continue  # it is begun anew
        opened, session = opening.opened(point.scenario, folder, again)
        with opened:
            if not opened.is_complete(point.scenario.trial_count):
                opening.check_data(opened, (data.of(point), load_transfer(point.scenario)), session, again)


def _run_point(point: Point, out: Path, data: DataOfPoints, options: SweepOptions) -> Run:
    """Run the missing trials of a point. A folder without results is begun anew."""
    folder = out / point.name
    how = options.resume if _has_results(folder) else None
    progress = options.progress(point)
    try:
        return single_run.run(
            point.scenario, folder, how, Options(options.executor, progress, ()), dataset=data.of(point)
        )
    finally:
        with contextlib.suppress(OSError):  # the terminal may be closed
            progress.stop()


def _has_results(folder: Path) -> bool:
    """True for the folder of a point with a result, also where its run.json is lost: only a resumption takes it."""
    return bool(read_results(folder))


def _done(folder: Path, again: Resume) -> frozenset[Any]:
    """Trials of a point that have a record and need not run again."""
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
