"""Opening of a run folder for a session: a new one, or one of an earlier session, with all that changed since."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edgesim.data.dataset import Dataset
from edgesim.data.datasets import DATASETS
from edgesim.errors import RunError
from edgesim.results import model_files, provenance, run_identity, run_info
from edgesim.results.run_folder import find_latest
from edgesim.results.run_writer import RunFolder
from edgesim.scenario.loading import Scenario

RUNS = Path("runs")


@dataclass(frozen=True)
class Resume:
    """Way to go on with a run."""

    accept_changes: bool = False
    """go on although code, packages, profiles, data, own modules or linked runs changed since the run was made"""
    retry_failed: bool = False
    """run trials again that failed by themselves, beside those that lost their hosts"""


def opened(scenario: Scenario, out: str | Path | None, how: Resume | None) -> tuple[RunFolder, dict[str, Any]]:
    """The folder of a run, locked, and the entry of this session in run.json."""
    if scenario.run.keep_models:
        model_files.check_installed(scenario.name)
    info = {
        "scenario": scenario.name,
        "scenario_folder": str(scenario.folder.resolve()),
        "status": run_info.RUNNING,
        "reason": None,
        "started": now(),
        "finished": None,
        "wall_s": 0.0,
        "seeds": list(scenario.seeds),
        "devices": len(scenario.fleet),
        "task": scenario.dataset.plugin.task,
        "label_noise": scenario.dataset.plugin.label_noise if scenario.dataset.name in DATASETS else 0.0,
        "versions": provenance.versions(),
        "git_commit": provenance.git_commit(),
        "host": provenance.host(),
        "command": provenance.command(),
        "sessions": [],
        "trials": {"total": scenario.trial_count},
        "identity": run_identity.of_scenario(scenario),
    }
    session = {"started": now(), "wall_s": 0.0, "command": info["command"], "versions": info["versions"]}
    path = place_of(scenario, out, how)
    if how is None:
        return RunFolder.create(path, scenario.to_yaml(), info), session
    folder = RunFolder.resume(path, scenario.to_yaml(), info)
    folder.retry_failed = how.retry_failed
    try:
        # A finished run has nothing left to compute, so that no result could be of two identities.
        if how.accept_changes or not folder.is_complete(scenario.trial_count):
            found = run_identity.changes(folder.identity_before, folder.info["identity"])
            _accept(folder, found, session, how)
        _check_trials(scenario, folder)
    except RunError:
        folder.release()
        raise
    # The data are compared once they are read; until then they count as they were.
    folder.info["identity"] = {**run_identity.data_of(folder.identity_before), **folder.info["identity"]}
    return folder, session


def place_of(scenario: Scenario, out: str | Path | None, how: Resume | None) -> Path:
    """The folder of a run: `out`, the newest run of the scenario to go on with, or a new one by the time.

    Raises:
        RunError: there is no run to go on with.
    """
    if out:
        return Path(out)
    if how is not None:
        return find_latest(RUNS, scenario.name)
    return RUNS / f"{scenario.name}-{datetime.now(UTC).strftime('%Y%m%d-%H%M%S')}"


def check_data(folder: RunFolder, data: tuple[Dataset, Dataset | None], session: dict[str, Any], how: Resume) -> None:
    """Compare the data with those that the run was made with; `RunError` where they changed, unless accepted.

    Args:
        folder: of the run.
        data: of the scenario, and those that its `transfer` names.
        session: entry of this session, where accepted changes are noted.
        how: to go on.
    """
    now = run_identity.with_data(folder.info["identity"], *data)
    if run_identity.data_of(folder.identity_before):  # else the run ended before its data were read
        _accept(folder, run_identity.changes(folder.info["identity"], now), session, how)
    folder.info["identity"] = now


def _accept(folder: RunFolder, found: list[run_identity.Change], session: dict[str, Any], how: Resume) -> None:
    """Note changes in the session where they are accepted; `RunError` where they are not."""
    if not how.accept_changes:
        run_identity.refuse(folder.path, found)
    elif found:
        session["accepted"] = [*session.get("accepted", []), *found]


def _check_trials(scenario: Scenario, folder: RunFolder) -> None:
    """Refuse results that are of no trial of the scenario: of another run's journal, say."""
    methods, devices = {method.label for method in scenario.pruning.methods}, len(scenario.fleet)
    for trial in folder.outcomes:
        if trial.seed not in scenario.seeds or trial.device >= devices or trial.method not in methods:
            raise RunError(
                f"{folder.path} holds a result of seed {trial.seed}, device {trial.device}, method '{trial.method}', "
                "which is no trial of its scenario; remove that line of journal.jsonl to go on"
            )


def now() -> str:
    """The time, for run.json."""
    return datetime.now(UTC).isoformat(timespec="seconds")
