"""One session of a run: the missing trials, the tables at the end, and the report."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from edgesim.data.dataset import Dataset
from edgesim.data.shard_statistics import guess
from edgesim.errors import EdgesimError, Fault, RunError, ScenarioError
from edgesim.formatting import n_of
from edgesim.planning.run_plan import RunPlan
from edgesim.records import Reused, Trial, TrialResult
from edgesim.results import linked_runs, power_scopes, progress_file, repricing, run_identity, run_info
from edgesim.results.device_tables import holdings
from edgesim.results.failed_trials import retries
from edgesim.results.run_folder import Run
from edgesim.results.run_info import REPORT_MISSING, WITH_FAILURES
from edgesim.results.run_writer import RunFolder
from edgesim.runtime import Executor, coordinator
from edgesim.runtime.job_work import expected_samples
from edgesim.runtime.run_log import RunLog
from edgesim.scenario.loading import Scenario
from edgesim.sessions.opening import now
from edgesim.sessions.progress import Progress


class Options(NamedTuple):
    """Way to run the missing trials."""

    executor: Executor | Callable[[], Executor]
    progress: Progress
    trained: Sequence[Run]
    """runs on other fleets whose trainings are priced here"""


def run_missing(scenario: Scenario, folder: RunFolder, dataset: Dataset | None, options: Options) -> tuple[Trial, ...]:
    """Run the missing trials of a folder. After an error, the folder is left for `--resume`.

    Args:
        scenario: of the run.
        folder: the open folder; the last of its sessions is this one.
        dataset: the data, where they are read already.
        options: executor, progress and what comes next.

    Returns: all trials of the run, in the order of the tables.

    Raises: as `api.run`.
    """
    executor, progress, trained = options
    chosen: Executor | None = None
    started = time.perf_counter()
    log = RunLog(folder.path, progress.note)
    try:
        chosen = executor() if callable(executor) else executor
        plan, reused = linked_runs.planned(scenario, dataset)
        _check_reused(scenario, reused, plan, progress)
        for note in linked_runs.curve_notes(scenario):
            progress.note(note)
        if left_out := folder.keep_only(plan.trials):
            log.note(f"{n_of(left_out, 'result')} of keep ratios that the rule no longer chooses left out")
        folder.note_terms(plan.config.pricing)
        folder.network_form = plan.config.dataset.network_form
        fleet = scenario.fleet
        folder.describe(holdings(fleet.devices, plan.power_modes, plan.shards, plan.config.dataset))
        notes = [*map(str, plan.config.dataset.notes), *plan.partition_notes, *fleet.notes, *plan.config.transfer_notes]
        folder.update({**_known(scenario, plan, folder.info["identity"]), "data_notes": notes})
        for line in notes:
            log.note(f"data: {line}")
        for line in plan.method_notes:
            log.note(f"methods: {line}")
        for line in plan.training_notes:
            log.note(f"training: {line}")
        session = folder.info["sessions"][-1]
        log.write("info", f"session begins: {session['command']}; {_listed(session['versions'])}")
        expected = expected_samples(plan)
        progress.start(expected, folder.done, len(scenario.fleet))
        for_readers = progress_file.ProgressFile(folder.path, expected, folder.done)

        def keep(result: TrialResult) -> None:
            folder.append(result)
            progress.record(result.record)
            for_readers.count(result.record.trial)

        for result in repricing.carried_over(plan, trained, folder.done):
            keep(result)
        for result in coordinator.execute(plan, chosen, folder.done, log, reused):
            keep(result)
        folder.update(_session_end(folder, started, chosen.sheet.summary()))
        log.write("info", f"session ends: {_listed(folder.info['trials'])}")
        return plan.trials
    except BaseException as error:
        log.write("info", f"session ends: {type(error).__name__}: {error}")
        folder.count_last()
        folder.interrupt(_session_end(folder, started, {}) | _end_by(error))
        raise
    finally:
        log.close()
        if chosen is not None:
            chosen.close()


def _known(scenario: Scenario, plan: RunPlan, identity: dict[str, Any]) -> dict[str, Any]:
    """Values of run.json that a plan tells, with the identity of the data."""
    data, tuned = plan.config.dataset, plan.config.transfer
    return {
        "workload": plan.config.pricing.workload.summary(),
        "shown": plan.shown_device,
        "training_notes": list(plan.training_notes),
        "power_scopes": power_scopes.scopes_of(scenario.fleet.devices),
        **({"guess": guess(data.test_labels)} if data.task == "classification" else {}),
        "identity": run_identity.with_data(identity, data, None if tuned is None else tuned.dataset),
    }


def complete(folder: RunFolder, order: Iterable[Trial], report: Callable[[Run], object] | None) -> None:
    """Turn the journal of a complete run into tables, and write its report.

    Until the report is there, the status says that it is missing. Without all tables, the journal stays.

    Args:
        folder: of the run, with all of its results.
        order: trials, in the order of the tables' rows.
        report: writes the report; None where none is wanted.

    Raises:
        RunError: a file cannot be written; the text says how to go on.
        KeyboardInterrupt: where the tables are there, with the way to get the report as its text.
    """
    try:
        finished = folder.finish(order, _final_values(folder, report is not None))
        progress_file.remove(folder.path)
        if report is not None:
            report(finished)
            run_info.note_report(folder.path)
    except BaseException as error:
        if not run_info.read(folder.path)["status"].startswith(run_info.FINISHED):
            folder.interrupt(_end_by(error))
            raise
        later = f"the run is complete, and `edgesim report {folder.path}` writes its report"
        if isinstance(error, KeyboardInterrupt):
            raise KeyboardInterrupt(f"interrupted while the report was written; {later}") from None
        if isinstance(error, EdgesimError):
            raise RunError(f"{error}; {later}") from None
        raise


def _end_by(error: BaseException) -> dict[str, Any]:
    """Values of run.json after an error or a signal."""
    is_stop = isinstance(error, KeyboardInterrupt)
    status = run_info.INTERRUPTED if is_stop else run_info.FAILED
    reason = "stopped by Ctrl-C or another signal" if is_stop else f"{type(error).__name__}: {error}"
    return {"status": status, "reason": reason, "finished": now()}


def _final_values(folder: RunFolder, reports: bool) -> dict[str, Any]:
    """Values of run.json of a complete run. The counts also hold after a kill just before the tables.

    Args:
        folder: of the run.
        reports: True where a report is written next.
    """
    counts = {
        "total": folder.info["trials"]["total"],
        **Counter(outcome.status for outcome in folder.outcomes.values()),
        "missing": 0,
    }
    wall_s = sum(entry["wall_s"] for entry in folder.info["sessions"])
    status, reason = run_info.FINISHED, None
    failed = Counter(outcome.reason for outcome in folder.outcomes.values() if outcome.status == "failed")
    if failed:
        (most, _), *others = failed.most_common()
        often = f"{', most often' if others else ''}: {most}"
        again = "; ".join(retries(outcome.failure for outcome in folder.outcomes.values()).values())
        reason = f"{failed.total():,} of {n_of(counts['total'], 'trial')} failed{often}; {again}"
        status = WITH_FAILURES
    status += REPORT_MISSING if reports else ""
    return {"status": status, "finished": now(), "reason": reason, "trials": counts, "wall_s": wall_s}


def _session_end(folder: RunFolder, started: float, sheet: Mapping[str, Any]) -> dict[str, Any]:
    """Values of run.json at the end of a session: its time, and the counts of trials.

    Args:
        folder: of the run; its last session is this one.
        started: `time.perf_counter` at the start.
        sheet: totals of the executor.
    """
    *before, session = folder.info["sessions"]
    sessions = [*before, {**session, **sheet, "wall_s": time.perf_counter() - started, "finished": now()}]
    counts = Counter(outcome.status for outcome in folder.outcomes.values())
    total = folder.info["trials"]["total"]
    trials = {"total": total, **counts, "missing": total - sum(counts.values())}
    return {"sessions": sessions, "wall_s": sum(entry["wall_s"] for entry in sessions), "trials": trials}


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


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())
