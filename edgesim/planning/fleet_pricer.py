"""Plan of a fleet without training: every distinct device is priced once, however many devices share its costs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgesim.cost.batch_pricing import BatchPricing
from edgesim.data.partition_schemes import ByColumn
from edgesim.data.shard_statistics import summarised
from edgesim.planning import batch_notes
from edgesim.planning.auto_modes import with_chosen_modes
from edgesim.planning.fleet_plan import Columns, FleetPlan, FullTraining
from edgesim.planning.reasons import ReasonTable
from edgesim.planning.trials import Curves, ResolvedTrials, TrialResolver, sizes_of
from edgesim.planning.virtual_fleet import own_fleet, scaled_fleet
from edgesim.pruning.after_warmup import late_subsets
from edgesim.records import Reused, Trial
from edgesim.scenario.experiment import configure, load_dataset, shards_of, transfer_rows
from edgesim.scenario.loading import Scenario
from edgesim.work import FloatArray, Workload


def plan_fleet(
    scenario: Scenario,
    devices: int | None = None,
    curves: Curves | None = None,
    reused: Mapping[Trial, Reused] | None = None,
    scorer: Workload | None = None,
) -> FleetPlan:
    """Price every trial of a scenario without running any.

    Args:
        scenario: the experiment.
        devices: number of devices to scale the fleet to; None = the scenario's own devices, in every seed. Groups keep
            their proportions (largest remainders). Each device draws its shard from all shards that the scenario's
            partition made (stream "plan:shards" of the first seed). A partition by a column splits the data for the new
            fleet instead, by the first seed. With a `spread` each has a throughput factor of its own (stream
            "plan:spread"), beyond `virtual_fleet.EXACT` devices rounded by at most 2 %.
        curves: accuracy curves, where the scenario's rule reads them from a run.
        reused: subsets of the run that `scores_from` names, with the work of their scoring. A fleet for which the data
            are split anew has none of them.
        scorer: of the network that scored there.

    Raises:
        DataError: the data cannot be read.
        ScenarioError: the data, or their users, do not suffice for the fleet.
        EdgesimError: the network does not fit the data.
    """
    dataset = load_dataset(scenario)
    by_users = devices is not None and isinstance(scenario.partition.plugin, ByColumn)
    count, seeds = (devices, scenario.seeds[:1]) if by_users else (None, scenario.seeds)
    split = [(seed, shards_of(scenario, dataset, seed, count)) for seed in seeds]
    shards = [(seed, found.rows) for seed, found in split]
    fleet = own_fleet(scenario, shards) if devices is None else scaled_fleet(scenario, shards, devices, not by_users)
    config, network = configure(scenario, dataset, scorer)
    known = {} if by_users and devices != len(scenario.fleet) else reused or {}
    tuned = transfer_rows(scenario, config, seeds, count)
    resolver = TrialResolver(scenario, config, network, fleet, curves, known, sizes_of(tuned))
    resolver = with_chosen_modes(resolver)
    fleet = resolver.fleet
    keys, pair = fleet.pairs
    kind, _, _ = fleet.parts(keys)
    reasons = ReasonTable()
    parts, full_j, dynamic, smallest = [], [], [], []
    for resolved in resolver.batches():
        parts.append(_cells(resolved, reasons))
        full_j.append(_full_energy_j(resolver, resolved, parts[-1]))
        dynamic.append(resolver.dynamic(resolved.shard))
        smallest.append(batch_notes.too_small(resolved.trials.train, network.normalised_values))
    cells = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    of_shards = dict.fromkeys(note for _, found in split for note in found.notes)
    notes = (*map(str, dataset.notes), *of_shards, *scenario.fleet.notes, *config.transfer_notes)
    can = cells["limit"] == 0
    trainings = np.broadcast_to(np.bincount(pair, minlength=len(can))[:, None], can.shape)[can]
    small = batch_notes.notes(np.concatenate(smallest)[can.ravel()], trainings, network.normalised_values)
    training = (*config.weight_notes, *small)
    late = tuple(late_subsets(config.methods, resolver.work[0].shards))
    against = FullTraining(np.concatenate(full_j), config.pricing.repeats, np.concatenate(dynamic))
    summary = summarised(dataset, [found.rows for _, found in split])
    return FleetPlan(
        fleet, resolver.labels, pair, kind, cells, tuple(reasons.texts), notes, late, training, against, summary
    )


def _cells(resolved: ResolvedTrials, reasons: ReasonTable) -> Columns:
    """The columns of P devices' trials, [P, R] each."""
    trials, priced = resolved.trials, resolved.priced
    binds, breaks = np.zeros_like(resolved.limit), np.zeros_like(resolved.limit)
    for r, decision in enumerate(trials.decisions):
        if decision is not None:
            binds[:, r], breaks[:, r] = decision.binds, decision.breaks
    # Work that does not end within the windows of availability has no time.
    ends = priced.on_mains.finished
    emulated = {
        "device_time_s": priced.time_s("emulated"),
        "device_startup_s": priced.parts.startup_s,
        "device_score_time_s": priced.parts.score_s,
        "device_train_time_s": priced.parts.train_s,
        "device_energy_j": priced.energy_j("emulated"),
        "device_startup_energy_j": priced.parts.startup_j,
        "device_score_energy_j": priced.parts.score_j,
    }
    found: Columns = {
        "keep_ratio": trials.ratio,
        "shard_size": resolved.size.astype(np.int32),
        "subset_size": trials.kept.astype(np.int32),
        "limit": resolved.limit.astype(np.int32),
        "binds": binds.astype(np.int32),
        "other_price_breaks": breaks.astype(np.int32),
        "reason": reasons.add(resolved).astype(np.int32),
        "work_is": trials.work_is.astype(np.int32),
        **{name: np.where(ends, values, np.nan) for name, values in emulated.items()},
        "analytic_time_s": priced.time_s("analytic"),
        "analytic_score_time_s": priced.analytic_score_time_s,
        "analytic_energy_j": priced.energy_j("analytic"),
        "storage_bytes": priced.storage_bytes,
        "upload_s": priced.upload_s,
        "peak_memory_bytes": priced.peak_memory_bytes,
    }
    cells = {name: np.asarray(values).reshape(-1, resolved.width) for name, values in found.items()}
    if resolved.transfer is not None:
        shape = resolved.limit.shape
        cells |= {name: np.broadcast_to(each[:, None], shape) for name, each in resolved.transfer.columns.items()}
    return cells


def _full_energy_j(resolver: TrialResolver, resolved: ResolvedTrials, cells: Columns) -> FloatArray:
    """[P] emulated energy of all repeats of full training, from the devices' own `cells` where these have it."""
    for method, first in zip(resolver.methods, np.cumsum([0, *resolver.widths]), strict=False):
        if method.name == "full":
            return cells["device_energy_j"][:, first]
    context, sizes = resolver.config.pricing, resolver.sizes[resolved.shard]
    priced = BatchPricing.training_only(context, resolved.device, sizes, resolved.factor)
    return np.where(priced.on_mains.finished, priced.energy_j("emulated"), np.nan)
