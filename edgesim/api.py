"""Python functions to run a scenario, plan its cost, and read a run. The command line calls these."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from edgesim import planning
from edgesim.results.linked_runs import curves_of, reused_by
from edgesim.results.run_folder import Run
from edgesim.results.run_info import WITH_FAILURES
from edgesim.runtime import Executor, RayExecutor
from edgesim.scenario.experiment import load_dataset
from edgesim.scenario.loading import Scenario
from edgesim.sessions import single_run
from edgesim.sessions.opening import Resume
from edgesim.sessions.progress import Progress, Silent
from edgesim.sessions.run_session import Options
from edgesim.sessions.trackers.following import WaitStopped

__all__ = [
    "WITH_FAILURES", "Progress", "Resume", "Silent", "data_notes", "load_run", "plan", "planned", "run",
]  # fmt: skip


def run(
    scenario: Scenario,
    out: str | Path | None = None,
    *,
    resume: bool | Resume = False,
    executor: Executor | Callable[[], Executor] | None = None,
    progress: Progress | None = None,
    trained: Sequence[Run] = (),
    report: Callable[[Run], object] | None = None,
) -> Run:
    """Run all trials of a scenario and write a run folder.

    Args:
        scenario: from `edgesim.load_scenario`.
        out: run folder; default `runs/<scenario>-<time>`, or with `resume` the newest run of the scenario.
        resume: run only missing trials of the folder, and those that lost their hosts; a `Resume` says how.
        executor: place where trials run; default Ray actors, one per CPU. `edgesim.runtime.SerialExecutor()` runs them
            in this process, with equal records.
        progress: receiver of the run's progress; default none.
        trained: runs of the same scenario on other fleets. Their trainings are priced here and not repeated.
        report: writes the report of the finished run. Until it has, the status says that the report is missing.

    Returns: the finished run, with `.records`, `.curves` and `.selections` as DataFrames. Failed trials are rows with
        their reasons; `.info["status"]` is then "finished with failed trials".

    Raises:
        ScenarioError: the scenario does not fit its data.
        DataError: the data cannot be read.
        RunError: the folder cannot be used or written, something changed since the run was made, or Ray does not start.
    """
    how = resume if isinstance(resume, Resume) else Resume() if resume else None
    options = Options(executor or RayExecutor, progress or Silent(), trained)
    try:
        return single_run.run(scenario, out, how, options, report)
    except WaitStopped as stopped:  # the run itself is finished
        return Run(stopped.folder)


def plan(scenario: Scenario, devices: int | None = None) -> pd.DataFrame:
    """Price every trial of a scenario without training: one row per seed, device, method and keep ratio.

    Args:
        scenario: from `edgesim.load_scenario`.
        devices: number of devices to scale the fleet to, in its groups' proportions; default the fleet as it is.
            `edgesim plan --out` streams plans that do not fit into memory.

    Returns: seed device profile method keep_ratio shard_size subset_size limit binds other_price_breaks reason work_is,
        and the prices by their names in records. `limit` is the limit that makes a trial infeasible, `binds` the
        constraint on a rule's choice, and `reason` either one in words, with numbers. `other_price_breaks` is the
        budget limit that the subset breaks by the other price. All four are empty where nothing applies. `work_is`
        is `exact` for known work, else `expected` or `at most`: the work then depends on the data.

    Raises: as `run`.
    """
    return planned(scenario, devices).frame()


def planned(scenario: Scenario, devices: int | None = None) -> planning.FleetPlan:
    """The plan of `plan`, as an object that streams its rows."""
    reused, scorer = reused_by(scenario)
    return planning.plan_fleet(scenario, devices, curves_of(scenario), reused, scorer)


def data_notes(scenario: Scenario) -> list[str]:
    """Notes of the data reader: samples left out, missing, duplicated or converted.

    Args:
        scenario: from `edgesim.load_scenario`.

    Returns: one sentence each, as `data_notes` of run.json has them; empty where the data are read as they stand.

    Raises:
        DataError: the data cannot be read.
    """
    return [str(note) for note in load_dataset(scenario).notes]


def load_run(path: str | Path) -> Run:
    """Read a run folder, finished or not.

    Args:
        path: the folder.

    Raises:
        RunError: the folder holds no run.
    """
    return Run(Path(path))
