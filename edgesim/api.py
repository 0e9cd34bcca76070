"""Python functions to run a scenario, plan its cost, and read a run. The command line calls these."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from edgesim import planning
from edgesim.data.datasets import DATASETS
from edgesim.errors import Fault, ScenarioError
from edgesim.formatting import n_of
from edgesim.planning.run_plan import RunPlan, plan_run
from edgesim.records import Record, Reused, Trial
from edgesim.results import provenance, repricing
from edgesim.results.device_tables import holdings
from edgesim.results.failed_trials import retries
from edgesim.results.linked_runs import curves_of, matched, reused_by
from edgesim.results.run_folder import Run, RunFolder, find_latest
from edgesim.runtime import Executor, RayExecutor, coordinator
from edgesim.runtime.job_work import expected_samples
from edgesim.runtime.run_log import RunLog
from edgesim.scenario.experiment import in_order, load_dataset
from edgesim.scenario.loading import Scenario

RUNS = Path("runs")
WITH_FAILURES = "finished with failed trials"
"""status in run.json of a complete run with failed trials"""


class Progress(Protocol):
    """Receiver of a run's progress: a progress bar, a log, or nothing."""

    def start(self, expected: Mapping[Trial, float], done: frozenset[Trial], devices: int) -> None:
        """Begin.

        Args:
            expected: trial -> expected work, in any unit.
            done: trials that ended before this session.
            devices: number of devices of the fleet.
        """

    def record(self, record: Record) -> None:
        """Count a trial that has ended."""

    def note(self, line: str) -> None:
        """Show a line to the user."""

    def stop(self) -> None:
        """End; later calls have no effect."""


class Silent:
    """Progress that shows nothing."""

    def start(self, expected: Mapping[Trial, float], done: frozenset[Trial], devices: int) -> None:
        """Do nothing."""

    def record(self, record: Record) -> None:
        """Do nothing."""

    def note(self, line: str) -> None:
        """Do nothing."""

    def stop(self) -> None:
        """Do nothing."""


def run(
    scenario: Scenario,
    out: str | Path | None = None,
    *,
    resume: bool = False,
    retry_failed: bool = False,
    executor: Executor | Callable[[], Executor] | None = None,
    progress: Progress | None = None,
    trained: Sequence[Run] = (),
) -> Run:
    """Run all trials of a scenario and write a run folder.

    Args:
        scenario: from `edgesim.load_scenario`.
        out: run folder; default `runs/<scenario>-<time>`, or with `resume` the newest run of the scenario.
        resume: run only missing trials of the folder, and those that were lost with their hosts.
        retry_failed: with `resume`, run all failed trials again.
        executor: place where trials run; default Ray actors, one per CPU. `edgesim.runtime.SerialExecutor()` runs them
            in this process, with equal records.
        progress: receiver of the run's progress; default none.
        trained: runs of the same scenario on other fleets. Their trainings are priced here and not repeated.

    Returns: the finished run, with `.records`, `.curves` and `.selections` as DataFrames. Failed trials are rows with
        their reasons; `.info["status"]` is then "finished with failed trials".

    Raises:
        ScenarioError: the scenario does not fit its data.
        DataError: the data cannot be read.
        RunError: the folder cannot be used, or Ray does not start.
    """
    progress = progress or Silent()
    folder = _folder(scenario, out, resume)
    folder.retry_failed = retry_failed
    log = RunLog(folder.path, progress.note)
    if len(folder.done) >= scenario.trial_count:
        return _finish(folder, in_order(scenario, folder.done))
    folder.update({"status": "running"})
    chosen: Executor | None = None
    started = time.perf_counter()
    session: dict[str, Any] = {"started": _now(), "command": provenance.command(), "versions": provenance.versions()}
    try:
        chosen = executor() if callable(executor) else executor or RayExecutor()
        reused, scorer = reused_by(scenario)
        plan = plan_run(scenario, curves=curves_of(scenario), reused=reused, scorer=scorer)
        reused = matched(reused, plan)
        _check_reused(scenario, reused, plan, progress)
        folder.note_terms(plan.config.pricing)
        shards = {key: spec.shard for key, spec in plan.devices.items()}
        folder.describe(holdings(scenario.fleet.devices, shards, plan.config.dataset))
        notes = [str(note) for note in plan.config.dataset.notes]
        known = {"workload": plan.config.pricing.workload.summary(), "shown": plan.shown_device}
        folder.update({**known, "data_notes": notes})
        for line in notes:
            log.note(f"data: {line}")
        log.write("info", f"session begins: {session['command']}; {_named(session['versions'])}")
        progress.start(expected_samples(plan), folder.done, len(scenario.fleet))
        for result in repricing.carried_over(plan, trained, folder.done):
            folder.append(result)
            progress.record(result.record)
        for result in coordinator.execute(plan, chosen, folder.done, log, reused):
            folder.append(result)
            progress.record(result.record)
        _end_session(folder, session | chosen.sheet.summary(), started)
        log.write("info", f"session ends: {_named(folder.info['trials'])}")
        return _finish(folder, plan.trials)
    except BaseException as error:
        status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        log.write("info", f"session ends: {status}: {type(error).__name__}: {error}")
        _end_session(folder, session, started)
        folder.interrupt(status, f"{type(error).__name__}: {error}", _now())
        raise
    finally:
        log.close()
        if chosen is not None:
            chosen.close()


def _finish(folder: RunFolder, order: Iterable[Trial]) -> Run:
    """Turn the journal of a complete run into tables. The counts also hold after a kill just before this step."""
    counts = {
        "total": folder.info["trials"]["total"],
        **Counter(str(record.status) for record in folder.records),
        "missing": 0,
    }
    wall_s = sum(entry["wall_s"] for entry in folder.info.get("sessions", []))
    values = {"status": "finished", "finished": _now(), "reason": None, "trials": counts, "wall_s": wall_s}
    failed = Counter(record.reason for record in folder.records if record.status == "failed")
    if failed:
        (most, _), *others = failed.most_common()
        often = f"{', most often' if others else ''}: {most}"
        again = retries(record.failure for record in folder.records)
        reason = f"{failed.total():,} of {n_of(counts['total'], 'trial')} failed{often}; {'; '.join(again.values())}"
        values |= {"status": WITH_FAILURES, "reason": reason}
    return folder.finish(order, values)


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


def _folder(scenario: Scenario, out: str | Path | None, resume: bool) -> RunFolder:
    info = {
        "scenario": scenario.name,
        "scenario_folder": str(scenario.folder.resolve()),
        "status": "running",
        "reason": None,
        "started": _now(),
        "finished": None,
        "wall_s": 0.0,
        "seeds": list(scenario.seeds),
        "devices": len(scenario.fleet),
        "label_noise": scenario.dataset.plugin.label_noise if scenario.dataset.name in DATASETS else 0.0,
        "versions": provenance.versions(),
        "git_commit": provenance.git_commit(),
        "host": provenance.host(),
        "command": provenance.command(),
        "sessions": [],
        "trials": {"total": scenario.trial_count},
    }
    if resume:
        path = Path(out) if out else find_latest(RUNS, scenario.name)
        return RunFolder.resume(path, scenario.to_yaml(), info)
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    path = Path(out) if out else RUNS / f"{scenario.name}-{stamp}"
    return RunFolder.create(path, scenario.to_yaml(), info)


def _check_reused(scenario: Scenario, reused: Mapping[Trial, Reused], plan: RunPlan, progress: Progress) -> None:
    """Refuse `scores_from` runs without a subset for this scenario, and note trials that have none."""
    source = scenario.pruning.scores_from
    if source is None:
        return
    without = [trial for trial in plan.trials if trial not in reused and trial not in plan.infeasible]
    if not reused:
        message = f"no trial of {source} has the seed, device, method and keep ratio of one here"
        raise ScenarioError(scenario.name, [Fault("pruning.scores_from", message)])
    if without:
        methods = ", ".join(dict.fromkeys(trial.method for trial in without))
        these = "it is" if len(without) == 1 else "they are"
        progress.note(f"{source} has no subset for {n_of(len(without), 'trial')} ({methods}); {these} scored here")


def _end_session(folder: RunFolder, session: dict[str, Any], started: float) -> None:
    """Record the session's time and the counts of trials."""
    session |= {"wall_s": time.perf_counter() - started, "finished": _now()}
    sessions = [*folder.info.get("sessions", []), session]
    counts = Counter(str(record.status) for record in folder.records)
    total = folder.info["trials"]["total"]
    trials = {"total": total, **counts, "missing": total - sum(counts.values())}
    wall_s = sum(entry["wall_s"] for entry in sessions)
    folder.update({"sessions": sessions, "wall_s": wall_s, "trials": trials})


def _named(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
