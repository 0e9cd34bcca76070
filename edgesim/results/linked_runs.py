"""The other runs that a scenario names: whose subsets it trains on, whose accuracies its objective goes by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from edgesim.cost.analytic import subset_size
from edgesim.cost.objective import Objective
from edgesim.data.dataset import Dataset
from edgesim.errors import Fault, RunError, ScenarioError
from edgesim.planning.run_plan import RunPlan, plan_run
from edgesim.planning.trials import Curves
from edgesim.records import Reused, Trial
from edgesim.results.run_folder import Run, read_results
from edgesim.results.run_identity import beside
from edgesim.scenario import keep_ratio
from edgesim.scenario.loading import Scenario
from edgesim.tasks import TASKS, metric_in, task_in
from edgesim.work import FloatArray, Workload


def reused_by(scenario: Scenario) -> tuple[dict[Trial, Reused], Workload | None]:
    """The subsets of the run that the scenario takes its scores from, and the network that scored there.

    Raises:
        ScenarioError: it is no run folder, or cannot be read.
    """
    if scenario.pruning.scores_from is None:
        return {}, None
    with _named_by(scenario, "pruning.scores_from"):
        return _reusable(beside(scenario, scenario.pruning.scores_from, "pruning.scores_from"))


def matched(reused: Mapping[Trial, Reused], plan: RunPlan) -> dict[Trial, Reused]:
    """The trials of a plan that have a subset in another run, each with that subset.

    Of another keep ratio a subset serves too where it has as many samples: 0.3333 and 1/3 of 300, say.
    """
    by_size = {(trial.seed, trial.device, trial.method, len(found.kept)): found for trial, found in reused.items()}
    known = {}
    for trial in plan.trials:
        size = int(subset_size(len(plan.devices[trial.seed, trial.device].shard), trial.keep_ratio))
        found = reused.get(trial) or by_size.get((trial.seed, trial.device, trial.method, size))
        if found is not None:
            known[trial] = found
    return known


def planned(scenario: Scenario, dataset: Dataset | None = None) -> tuple[RunPlan, dict[Trial, Reused]]:
    """The plan of a run, with the subsets and curves of the runs that its scenario names.

    Args:
        scenario: the experiment.
        dataset: its data, where the caller has them already.

    Returns: the plan, and the trials that have a subset in another run.

    Raises:
        DataError, ScenarioError: as `plan_run` and `reused_by`.
    """
    reused, scorer = reused_by(scenario)
    plan = plan_run(scenario, dataset, curves_of(scenario), reused, scorer)
    return plan, matched(reused, plan)


def curves_of(scenario: Scenario) -> Curves | None:
    """The accuracy curves of the run that the scenario's objective names; None where it names none.

    Raises:
        ScenarioError: it is no run folder, has no records that can be read, or its run is of another task.
    """
    rule = scenario.pruning.rule
    if not isinstance(rule, Objective) or rule.accuracy_from is None:
        return None
    advice = (
        "; name the folder of a run with two keep ratios or more of each method, from the scenario's own folder or "
        "from here, or give `accuracy_curve` in its place"
    )
    place = f"{keep_ratio.PATH}.objective.accuracy_from"
    with _named_by(scenario, place, advice):
        path = beside(scenario, rule.accuracy_from, place)
        _check_task(path, scenario.dataset.plugin.task)
        return accuracy_curves(path)


def _check_task(path: Path, task: str) -> None:
    """Refuse a run of another task: its metric is no accuracy of this scenario's data, and has another unit.

    Raises:
        RunError: the task of the run is another one, or it is no run folder.
    """
    other = task_in(Run(path).records)
    if other.name != task:
        mine = TASKS[task].metric.title
        raise RunError(
            f"{path} is a run of a {other.name} ({other.metric.title}), and this scenario's data set is a {task} "
            f"({mine}); accuracies of one task say nothing about another"
        )


def accuracy_curves(path: Path) -> dict[str, FloatArray]:
    """Mean accuracy of every method against keep ratio in a run, over devices and seeds: for `accuracy_from`.

    Of another task it is 1 - risk, with the risk of `Metric.risk`: an error relative to that of full training.

    `full` is the last point of every method that has none at keep ratio 1. A curve averages over the (seed, device)
    pairs that finish at all of its ratios. Else its points would be of different devices, since some drop out at large
    ratios.

    Returns: method -> [points, 2] keep ratio and accuracy, ratios ascending; methods with two points or more.

    Raises:
        RunError: it is no run folder, or a rule chose its ratios, so that every point would be a device of its own.
    """
    records = Run(path).records
    if (records["ratio_rule"].fillna("") != "").any():
        raise RunError(f"{path}: a rule chose the keep ratios of this run, so that every device stands at another one; "
                       "a curve of accuracies takes a run with a list of keep ratios")  # fmt: skip
    metric = metric_in(records)
    done = records[(records["status"] == "ok") & records[metric.column()].notna()]
    full = done[done["method"] == "full"]
    if not metric.higher_is_better and not full[metric.column()].mean() > 0:
        raise RunError(f"{path}: {metric.noun} is weighed relative to that of full training, which has none above 0 "
                       "here; run `full` there, too")  # fmt: skip
    curves = {}
    for method, own in done.groupby("method", sort=False):
        whole = full if method != "full" and not (own["keep_ratio"] > 1 - 1e-9).any() else full.head(0)
        table = pd.concat([own, whole])
        count = table.groupby(["seed", "device"])["keep_ratio"].transform("nunique")
        same = table[count == table["keep_ratio"].nunique()]
        means = same.groupby("keep_ratio")[metric.column()].mean().sort_index()
        if len(means) > 1:
            gains = means if metric.higher_is_better else 1 - metric.risk(means, float(full[metric.column()].mean()))
            curves[str(method)] = np.column_stack([means.index.to_numpy(dtype=np.float64), gains.to_numpy()])
    return curves


@contextmanager
def _named_by(scenario: Scenario, path: str, advice: str = "") -> Iterator[None]:
    """A run that the scenario names and that cannot be read is a fault of the scenario."""
    try:
        yield
    except RunError as error:
        raise ScenarioError(scenario.name, [Fault(path, f"{error}{advice}")]) from None


def _reusable(path: Path) -> tuple[dict[Trial, Reused], Workload]:
    """The subsets of a finished or unfinished run, by trial, and the network that scored, for `scores_from`.

    Raises:
        RunError: it is no run folder.
    """
    run = Run(path)
    found = {
        result.record.trial: reused
        for result in read_results(run.path)
        # A dynamic method chooses while it trains, so it leaves no subset to train on again.
        if not result.record.dynamic and (reused := result.reusable) is not None
    }
    return found, run.terms.scorer or run.terms.workload
