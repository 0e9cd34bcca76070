"""Embeddings of a device's samples by two networks: one trained on all of them, one on those that a method kept.

Both are trained again as in the run: same weights, order and schedule (AdaPruner paper, Fig. 3). An embedding is the
input of the network's last linear layer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgesim.errors import RunError
from edgesim.formatting import number
from edgesim.planning.run_plan import RunPlan
from edgesim.records import Reused, Trial
from edgesim.results import linked_runs
from edgesim.results.run_folder import Run, read_results
from edgesim.runtime.device import EdgeDevice
from edgesim.runtime.executor import one_thread
from edgesim.runtime.pending_jobs import reused_trial
from edgesim.runtime.worker_cache import WorkerCache
from edgesim.scenario import loading
from edgesim.training.task import observe
from edgesim.work import FloatArray, IntArray, StepTrace, Work


@dataclass(frozen=True)
class Choice:
    """Trials whose samples are embedded: one method at one keep ratio on one device, in every seed."""

    method: str
    keep_ratio: float
    device: int


@dataclass(frozen=True)
class SeedEmbedding:
    """Embeddings of one device's samples in one seed."""

    seed: int
    labels: IntArray
    """[n] classes of all samples"""
    kept: IntArray
    """[m] positions of the kept ones"""
    by_full: FloatArray
    """[n, D] by the network trained on all samples"""
    by_kept: FloatArray
    """[n, D] by the network trained on the kept ones"""
    classes: tuple[str, ...]
    """names, by label"""


def embeddings(run: Run, choice: Choice, note: Callable[[str], object] = print) -> Iterator[SeedEmbedding]:
    """Train both networks of every seed, and embed all samples of the device.

    Args:
        run: of a classification, finished or not.
        choice: trials of the run.
        note: receives a line before each training.

    Raises:
        RunError: the run has no such trial that ended well, or one without a subset of its own.
        EdgesimError: the network has no linear layer, so no embedding.
        ScenarioError, DataError: its scenario or data cannot be read any more.
    """
    reused = _subsets(run, choice)
    folder = Path(run.info["scenario_folder"])
    scenario = loading.from_document(run.scenario, str(run.path / "scenario.yaml"), folder)
    plan, _ = linked_runs.planned(scenario)
    cache = WorkerCache(plan.config)
    one_thread()
    for trial, subset in reused.items():
        yield _embedded(plan, cache, trial, subset, note)


def _embedded(
    plan: RunPlan, cache: WorkerCache, trial: Trial, subset: Reused, note: Callable[[str], object]
) -> SeedEmbedding:
    """Embeddings of one seed."""
    spec, dataset = plan.devices[trial.seed, trial.device], plan.config.dataset
    device = EdgeDevice(cache, spec)
    whole = Reused(spec.shard, None, Work(), StepTrace())
    found = []
    for what, chosen in (("all", whole), ("the kept", subset)):
        note(f"seed {trial.seed}: training on {what} {len(chosen.kept):,} samples")
        prepared = reused_trial(spec, trial, chosen)
        model, _ = device.fit(prepared)
        batch, precision = plan.config.evaluation.batch_size, plan.config.training.precision
        seen = observe(model, device.task, frozenset({"embedding"}), batch, precision)
        assert seen.embedding is not None
        found.append(seen.embedding)
    kept = np.searchsorted(spec.shard, subset.kept).astype(np.int64)
    by_full, by_kept = found
    return SeedEmbedding(trial.seed, dataset.train_labels[spec.shard], kept, by_full, by_kept, dataset.class_names)


def _subsets(run: Run, choice: Choice) -> dict[Trial, Reused]:
    """The subset of every seed.

    Raises:
        RunError: there is none.
    """
    if run.task.name != "classification":
        raise RunError(f"{run.path} is a run of a {run.task.name}; the geometry of classes needs a classification")
    method = next((one for one in run.scenario["pruning"]["methods"] if _label(one) == choice.method), None)
    if method is not None and method.get("after_warmup", "reset") != "reset":
        raise RunError(
            f"{choice.method} goes on with its warm-up (after_warmup: {method['after_warmup']}), which is not in the "
            "run folder; name another method"
        )
    found: dict[Trial, Reused] = {}
    there: set[str] = set()
    for result in read_results(run.path):
        record = result.record
        if record.status != "ok":
            continue
        there.add(f"{record.method} at {number(record.keep_ratio)} on device {record.device}")
        if record.trial[1:] != (choice.device, choice.method, choice.keep_ratio):
            continue
        if record.dynamic or result.reusable is None:
            raise RunError(f"{choice.method} chooses while it trains and keeps no subset; name another method")
        found[record.trial] = result.reusable
    if not found:
        asked = f"{choice.method} at {number(choice.keep_ratio)} on device {choice.device}"
        listed = sorted(there)
        more = f", and {len(listed) - 12:,} more" if len(listed) > 12 else ""
        raise RunError(f"{run.path} has no trial of {asked} that ended well; it has {', '.join(listed[:12])}{more}")
    return found


def _label(method: dict[str, object]) -> object:
    return method.get("label", method["name"])
