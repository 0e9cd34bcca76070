"""Verification of a finished run: some trials trained again in another process and order, compared bit for bit."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from edgesim import seeds
from edgesim.errors import EdgesimError, RunError
from edgesim.records import Trial, TrialResult
from edgesim.results import folder_lock, linked_runs, provenance, run_identity, run_info
from edgesim.results.run_folder import Run, read_results
from edgesim.results.serialization import rows_of
from edgesim.runtime import SerialExecutor, coordinator
from edgesim.scenario import loading
from edgesim.scenario.loading import Scenario
from edgesim.sessions.opening import now

OWN_TO_THE_HOST = "host_"
"""beginning of the columns that are not compared: times on the simulating machine"""


@dataclass(frozen=True)
class Difference:
    """A column that is not as the run has it."""

    column: str
    """table.column"""
    was: str
    now: str


@dataclass(frozen=True)
class Verification:
    """Trials that were trained again, in the order of their training, each with the columns that differ."""

    seed: int
    """seed of the choice of the trials"""
    differences: Mapping[Trial, tuple[Difference, ...]]
    changes: Sequence[run_identity.Change]
    """changes of code, packages, profiles, modules and linked runs since the run was made"""
    is_noted: bool = True
    """False where run.json cannot be written"""

    @property
    def differing(self) -> list[Trial]:
        """Trials that are not equal bit for bit."""
        return [trial for trial, found in self.differences.items() if found]


def is_finished(path: Path) -> bool:
    """True where a folder holds a run with all of its results in tables."""
    return (path / run_info.FILE).exists() and str(run_info.read(path)["status"]).startswith(run_info.FINISHED)


def check_scenario(run: Run, scenario: Scenario) -> None:
    """Refuse a run of another scenario.

    Raises:
        RunError: with the differences.
    """
    run_identity.check_scenario(run.path, run.scenario, scenario.document, "verified")


def verify(run: Run, count: int) -> Verification:
    """Train random trials of a finished run again, each alone and in random order, in a process of their own.

    Every column of every table is compared, but for those of the host; so are the kept subset and the curve. The
    outcome is noted in run.json.

    Args:
        run: finished; all of its trials serve that ended well.
        count: of trials, >= 1; all where there are fewer.

    Raises:
        RunError: the run is not finished, or has no trial that ended well.
        ScenarioError, DataError: its scenario or data cannot be read any more.
    """
    if not is_finished(run.path):
        raise RunError(f"{run.path} is not finished ({run.info['status']}); finish it with --resume to verify it")
    results = {result.record.trial: result for result in read_results(run.path) if result.record.status == "ok"}
    if not results:
        raise RunError(f"{run.path} has no trial that ended well, so there is nothing to verify")
    seed = len(run.info.get("verified", []))  # each verification draws others
    listed = list(results)
    places = seeds.stream(seed, "verify").choice(len(listed), size=min(count, len(listed)), replace=False)
    chosen = [listed[place] for place in places]
    folder = Path(run.info["scenario_folder"])
    again = _in_another_process(run.scenario, folder, chosen)
    scenario = loading.from_document(run.scenario, str(run.path / "scenario.yaml"), folder)
    before = run.info.get("identity")
    changes = run_identity.changes(before, run_identity.of_scenario(scenario)) if before else []
    found = {trial: tuple(compared(results[trial], again.get(trial))) for trial in chosen}
    verification = Verification(seed, found, changes)
    return replace(verification, is_noted=_note(run.path, verification))


def _in_another_process(document: dict[str, Any], folder: Path, trials: Sequence[Trial]) -> dict[Trial, TrialResult]:
    """`_train_again` in a process of its own, which ends with this one.

    Raises:
        RunError: the process ended without an answer.
        EdgesimError: as raised there.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(sender, document, folder, trials), daemon=True)
    process.start()
    sender.close()
    try:
        found = receiver.recv()
    except EOFError:
        raise RunError(
            "the process that trains trials again ended without an answer; it may have been killed"
        ) from None
    finally:
        process.kill()
        process.join()
    if isinstance(found, EdgesimError):
        raise found
    return dict(found)


def _answer(sender: Connection, document: dict[str, Any], folder: Path, trials: Sequence[Trial]) -> None:
    """Send the results of `_train_again`, or the error that a user can mend."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all processes of a terminal; the other one ends this
    try:
        sender.send(_train_again(document, folder, trials))
    except EdgesimError as error:
        sender.send(error)


def _train_again(document: dict[str, Any], folder: Path, trials: Sequence[Trial]) -> dict[Trial, TrialResult]:
    """Results of single trials of a scenario, each by itself."""
    scenario = loading.from_document(document, "scenario.yaml", folder)
    plan, reused = linked_runs.planned(scenario)
    found = {}
    for trial in trials:
        with contextlib.closing(SerialExecutor()) as executor:
            others = frozenset(plan.trials) - {trial}
            for result in coordinator.execute(plan, executor, others, reused=reused):
                found[result.record.trial] = result
    return found


def compared(was: TrialResult, again: TrialResult | None) -> Iterator[Difference]:
    """Columns in which two results of a trial differ; a single one where the trial is there no more."""
    if again is None:
        yield Difference("records.keep_ratio", str(was.record.keep_ratio), "no such trial in the plan")
        return
    before, after = rows_of(was), rows_of(again)
    for table in dict.fromkeys([*before, *after]):
        if table not in before or table not in after:
            if table != "scores":  # scores that serve several trials are with one of them
                yield Difference(table, *("there" if table in rows else "not there" for rows in (before, after)))
            continue
        for column, values in before[table].items():
            new = after[table].get(column)
            if not column.startswith(OWN_TO_THE_HOST) and not _equal(values, new):
                yield Difference(f"{table}.{column}", _shown(values), _shown(new))


def _equal(was: Any, new: Any) -> bool:
    """True where two columns are equal bit for bit; any NaN equals any other."""
    first, second = np.asarray(was), np.asarray(new)
    if first.shape != second.shape or first.dtype.kind != second.dtype.kind:
        return False
    if first.dtype.kind != "f":
        return bool((first == second).all())
    same = (first == second) & (np.signbit(first) == np.signbit(second))
    return bool((same | (np.isnan(first) & np.isnan(second))).all())


def _shown(values: Any) -> str:
    """A value in full precision, or the size of a column."""
    array = np.asarray(values)
    return repr(array.item()) if array.size == 1 else f"{array.size:,} values"


def _note(path: Path, verification: Verification) -> bool:
    """Note a verification in run.json; False where the folder cannot be written to, which is left as it is."""
    entry = {
        "at": now(),
        "seed": verification.seed,
        "trials": len(verification.differences),
        "equal": len(verification.differences) - len(verification.differing),
        "versions": provenance.versions(),
    }
    with contextlib.suppress(OSError, RunError), folder_lock.acquired(path):
        info = run_info.read(path)
        run_info.write(path, {**info, "verified": [*info.get("verified", []), entry]})
        return True
    return False
