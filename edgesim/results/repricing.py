"""A finished run priced on another fleet, without training: the outcome of a training does not depend on the hardware.

Trials are planned anew for the other fleet. A trial that its device cannot do is infeasible by the same rules; every
other trial takes its outcome and its work from the run. So records equal those of a run there with the same shards, in
all but the `host_*` columns. Where another fleet can do more, `carried_over` lets a run there train only those trials.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from edgesim.config import shipped, validation
from edgesim.cost import pricing, transfer
from edgesim.cost.batch_pricing import Device
from edgesim.errors import Fault, ScenarioError
from edgesim.formatting import n_of
from edgesim.hardware.fleet import with_traces_beside
from edgesim.planning.run_plan import RunPlan, plan_run
from edgesim.records import Record, Trial, TrialResult
from edgesim.results.linked_runs import curves_of
from edgesim.results.record_rows import record_table
from edgesim.results.run_folder import Run, read_results
from edgesim.scenario import initial_weights, loading
from edgesim.scenario.experiment import DeviceSpec
from edgesim.scenario.loading import Scenario

OUTCOME = ("test_accuracy", "local_accuracy", "train_accuracy", "test_loss", "train_loss")
"""columns that a device which stops on the way leaves empty"""


def own_scenario(run: Run) -> Scenario:
    """The scenario of a run, on its own fleet.

    Raises:
        ScenarioError: its files are no longer there.
    """
    return loading.from_document(dict(run.scenario), str(run.path / "scenario.yaml"), Path(run.info["scenario_folder"]))


def on_fleet(run: Run, fleet: str | Path) -> Scenario:
    """The scenario of a run with another fleet.

    Args:
        run: finished, or still going.
        fleet: a YAML file with `groups`, or the name of a fleet that comes with edgesim; groups by `share` take the
            number of devices from the run.

    Raises:
        ScenarioError: faults of the fleet, or another number of devices than the run has.
    """
    return with_fleet(run.scenario, int(run.info["devices"]), Path(fleet), Path(run.info["scenario_folder"]))


def with_fleet(document: dict[str, Any], devices: int, file: Path, folder: Path | None = None) -> Scenario:
    """As `on_fleet`, from a resolved scenario: a fleet can be checked before there is a run.

    Args:
        document: the resolved scenario.
        devices: how many it has.
        file: the fleet, or the name of one that comes with edgesim.
        folder: where names in the scenario start; where one is if left out.
    """
    file = shipped.fleet_file(file)
    given = validation.read(file)
    if isinstance(given.get("groups"), list):
        groups = [dict(group) if isinstance(group, dict) else group for group in given["groups"]]
        if any(isinstance(group, dict) and "share" in group for group in groups):
            given = {**given, "size": devices}
        for group in groups:
            own = group.get("profile") if isinstance(group, dict) else None
            if isinstance(own, str) and own.endswith((".yaml", ".yml")):  # relative to the fleet's file
                group["profile"] = str((file.parent / own).resolve())
        given = with_traces_beside({**given, "groups": groups}, file.parent.resolve(), Path())
    changed = {**copy.deepcopy(document), "fleet": given}
    loaded = loading.from_document(changed, str(file), folder or Path.cwd())
    if len(loaded.fleet) != devices:
        has = f"has {n_of(len(loaded.fleet), 'device')}, the run {devices:,}"
        message = f"{has}; groups by `share` take their number from the run"
        raise ScenarioError(str(file), [Fault("fleet", message)])
    return loaded


def reprice(run: Run, on: Scenario) -> pd.DataFrame:
    """The records of a run as another fleet would have given them.

    Args:
        run: whose outcomes and work are taken.
        on: its scenario with another fleet (`on_fleet`).

    Returns: one row per trial, columns as in records.parquet; `host_*` are those of the run. A trial that the run has
        not trained to its end is `failed`, with that as its reason.

    Raises:
        ScenarioError: the shards are not those of the run.
        RunError: the run does not hold what prices need.
    """
    plan = _plan(run, on)
    results = {result.record.trial: result for result in read_results(run.path)}
    records = [_record(run, plan, trial, results.get(trial)) for trial in plan.trials]
    return record_table(records, run.task.name)


def lacks(run: Run, on: Scenario) -> bool:
    """True where another fleet can do a trial that the run's own could not. Arguments and faults: `reprice`."""
    plan = _plan(run, on)
    done = {
        result.record.trial
        for result in read_results(run.path)
        if result.record.status != "infeasible" or _stopped(run, plan, result)
    }
    return any(trial not in plan.infeasible and trial not in done for trial in plan.trials)


def carried_over(plan: RunPlan, runs: Iterable[Run], done: frozenset[Trial]) -> Iterator[TrialResult]:
    """Results of other runs as a planned run would have given them, for all of its trials that they have.

    Args:
        plan: the run that is to come.
        runs: of the same scenario on other fleets.
        done: trials that need none.

    Raises: as `reprice`.
    """
    wanted = {trial for trial in plan.trials if trial not in plan.infeasible} - done
    for run in runs:
        for result in read_results(run.path):
            if result.record.trial in wanted and (result.record.status == "ok" or _stopped(run, plan, result)):
                wanted.remove(result.record.trial)
                yield dataclasses.replace(result, record=_record(run, plan, result.record.trial, result))


def compare_fleets(run: Run, fleets: Iterable[str | Path]) -> dict[str, pd.DataFrame]:
    """The records of one training on each of several fleets.

    Args:
        run: whose outcomes and work are taken.
        fleets: YAML files as `on_fleet` takes them.

    Returns: name of the fleet (`fleet_names`) -> records, as `reprice`.

    Raises: as `on_fleet` and `reprice`, before anything is priced where a fleet has a fault.
    """
    files = [Path(fleet) for fleet in fleets]
    scenarios = [on_fleet(run, file) for file in files]
    return {name: reprice(run, on) for name, on in zip(fleet_names(files), scenarios, strict=True)}


def fleet_names(files: Sequence[Path]) -> list[str]:
    """The files' names without ending, or their paths where two have the same name."""
    stems = [file.stem for file in files]
    return [stem if stems.count(stem) == 1 else str(file) for stem, file in zip(stems, files, strict=True)]


def _plan(run: Run, on: Scenario) -> RunPlan:
    terms = run.terms  # before anything else is read: without them there is no price
    reused = {
        result.record.trial: reusable
        for result in read_results(run.path)
        if (reusable := result.reusable) and result.work_record and result.work_record.reused
    }
    return plan_run(initial_weights.without(on), curves=curves_of(on), reused=reused, scorer=terms.scorer)


def _stopped(run: Run, plan: RunPlan, result: TrialResult) -> bool:
    """True where the planned device, too, stops on the way through a trial that stopped the run's own."""
    if result.record.status != "infeasible" or result.work_record is None:
        return False
    return _record(run, plan, result.record.trial, result).status == "infeasible"


def _record(run: Run, plan: RunPlan, trial: Trial, result: TrialResult | None) -> Record:
    """The record of one trial on the planned device."""
    spec = plan.devices[trial.seed, trial.device]
    if trial in plan.infeasible:
        return plan.infeasible_result(trial).record
    trained = result is not None and result.kept is not None
    priced = {} if result is None or result.work_record is None else _priced(run, spec, result)
    if result is None or not priced or not (trained or priced["reason"]):
        known = "has not run it" if result is None else f"has it as {result.record.status} ({result.record.reason})"
        reason = f"{run.path} {known}; run the scenario on this fleet"
        return plan.without_result(trial, "failed", reason).record
    kept = spec.shard if result.kept is None else result.kept
    if result.record.shard_size != len(spec.shard) or not np.isin(kept, spec.shard).all():
        message = f"gives device {trial.device} another shard than {run.path} has; the data must be those of the run"
        raise ScenarioError(plan.scenario.name, [Fault("partition", message)])
    metrics: dict[str, float] = {} if priced["reason"] else result.record.metrics | _transfer_price(run, spec)
    empty: dict[str, Any] = dict.fromkeys(OUTCOME, np.nan) if priced["reason"] else {}
    status = "infeasible" if priced["reason"] else "ok"
    ruled = plan.rule_columns(trial, priced)
    changed = {"profile": spec.profile.name, "status": status, "metrics": metrics, **empty, **priced, **ruled}
    return dataclasses.replace(result.record, **changed)


def _transfer_price(run: Run, spec: DeviceSpec) -> dict[str, float]:
    """The columns of the fine-tuning that follow from its work and the planned device."""
    context, shard = run.terms.transfer, spec.transfer_shard
    if context is None or shard is None:
        return {}
    return transfer.columns(context, Device(spec.profile, spec.conditions), len(shard))


def _priced(run: Run, spec: DeviceSpec, result: TrialResult) -> dict[str, Any]:
    """The columns of a trial that follow from its work and the planned device."""
    assert result.work_record is not None
    m, dynamic = result.record.subset_size, bool(result.record.dynamic)
    return pricing.price(run.terms, spec.profile, spec.conditions, len(spec.shard), m, result.work_record, dynamic)
