"""Both prices of a trial, from what it did and the profile of its device."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from edgesim.conditions import Conditions, Energy
from edgesim.cost import analytic
from edgesim.cost.emulator import Emulation, Hardware, Phases, emulate
from edgesim.cost.steps import step_cost
from edgesim.profiles import DeviceProfile
from edgesim.records import Ledger
from edgesim.work import FloatArray, StepTrace, Work, Workload

SCORING, TRAINING = "scoring", "training"
"""labels of a trial's phases"""


@dataclass(frozen=True)
class Terms:
    """What the price of a trial depends on beside its work and its device."""

    workload: Workload
    """of the network that trains, and scores where nothing else is said"""
    scorer: Workload | None
    """of the network that scored in another run (`scores_from`)"""
    sample_bytes: int
    """stored bytes of one sample"""
    batch_size: int
    epochs: int
    optimizer_states: int
    """numbers that the optimiser keeps per weight"""
    weights: analytic.CostWeights
    precision: Literal["fp32", "bf16"] = "fp32"
    """of the training; bf16 is faster on devices with units for it, by the emulated price"""


def phases_of(terms: Terms, profile: DeviceProfile, ledger: Ledger) -> Phases:
    """The timed phases of a trial on a device at full clock: scoring, then training, labelled so.

    A trial is one job: its start-up comes first and counts as training's, for it is there without scoring, too. Work
    that has no steps (comparisons, linear algebra) follows the steps of its part at the training throughput.
    """
    scorer, trainer = _networks(terms, ledger)
    start = profile.compute.first_step_s
    start_up = np.array([[1.0], [start.value if start else 0.0], [0.0]])
    score = _timed(terms, profile, scorer, ledger.score_trace, ledger.score)
    train = _timed(terms, profile, trainer, ledger.train_trace, ledger.train)
    labels = (TRAINING,) + (SCORING,) * score.shape[1] + (TRAINING,) * train.shape[1]
    steps, busy_s, wait_s = np.concatenate([start_up, score, train], axis=1)
    return Phases(steps, busy_s, wait_s, labels)


def _networks(terms: Terms, ledger: Ledger) -> tuple[Workload, Workload]:
    """The networks that scored and that trains."""
    return (terms.scorer if ledger.reused and terms.scorer else terms.workload), terms.workload


def _timed(terms: Terms, profile: DeviceProfile, network: Workload, trace: StepTrace, work: Work) -> FloatArray:
    """[3, S] steps, busy and waiting seconds per step of a trace and of the work beside it."""
    timed = np.zeros((3, len(trace.segments) + 1))
    timed[0, :-1] = [segment.steps for segment in trace.segments]
    batch = np.array([segment.batch_size for segment in trace.segments], dtype=np.int64)
    for kind in ("train", "forward"):
        mine = np.flatnonzero([segment.kind == kind for segment in trace.segments])
        sizes, which = np.unique(batch[mine], return_inverse=True)
        if len(sizes):
            paid = terms.sample_bytes, terms.optimizer_states, profile, terms.precision
            cost = step_cost(kind, sizes, network, *paid)
            timed[1:, mine] = np.stack([cost.busy_s, cost.read_s])[:, which]
    timed[0, -1] = 1.0
    timed[1, -1] = (work.other_flops + work.comparisons) / profile.throughput_flops_per_s
    return timed


def price(
    terms: Terms, profile: DeviceProfile, conditions: Conditions, n: int, m: int, ledger: Ledger
) -> dict[str, Any]:
    """The columns of a record that follow from work and device (edge paper, Eqs. 8-9, 13, 24-28).

    Args:
        terms: workload, data and training.
        profile: the device.
        conditions: what it works under; the trial starts at their second 0.
        n: shard size.
        m: subset size.
        ledger: the work and the steps of scoring and of training.

    Returns: values by column. `reason` says why the device cannot do the trial under its conditions, and is empty
        where it can; the `device_*` columns then end where the device stopped.
    """
    workload, networks = terms.workload, _networks(terms, ledger)
    closed = analytic.price(ledger.score, ledger.train, networks, profile.throughput_flops_per_s, profile.power_w)
    phases, hardware = phases_of(terms, profile, ledger), Hardware.of(profile, conditions.power_mode)
    run = emulate(phases, hardware, conditions)
    score_time_s, train_time_s = (float(run.of(label, run.time_s)) for label in (SCORING, TRAINING))
    full_flops = analytic.training_flops(n, terms.epochs, workload.train_flops)
    full_time_s = analytic.latency_s(full_flops, profile.throughput_flops_per_s)
    # Time and energy share one ratio because the closed form's power is constant.
    ratio = float(closed.time_s / full_time_s)
    steps = ledger.score_trace.segments + ledger.train_trace.segments
    batch_size = max((step.batch_size for step in steps if step.kind == "train"), default=min(terms.batch_size, m))
    return {
        "score_flops": float(closed.score_flops),
        "train_flops": float(closed.train_flops),
        "total_flops": float(closed.score_flops + closed.train_flops),
        "selection_comparisons": ledger.score.comparisons,
        "steps": ledger.train.steps,
        "analytic_time_s": float(closed.time_s),
        "analytic_score_time_s": float(closed.score.time_s),
        "analytic_train_time_s": float(closed.train.time_s),
        "analytic_energy_j": float(closed.energy_j),
        "device_time_s": score_time_s + train_time_s,
        "device_score_time_s": score_time_s,
        "device_train_time_s": train_time_s,
        "device_energy_j": float(run.energy_j.sum()),
        "device_throttled_s": float(run.throttled_s.sum()),
        "device_wait_s": float(run.wait_s.sum()),
        "reason": "" if run.finished else _shortfall(run, phases, hardware, conditions),
        "storage_bytes": int(analytic.storage_bytes(m, terms.sample_bytes)),
        "peak_memory_bytes": workload.peak_training_bytes(batch_size, terms.optimizer_states),
        "cost_j": float(analytic.device_cost(terms.weights, ratio, ratio, m / n)),
    }


def _shortfall(run: Emulation, phases: Phases, hardware: Hardware, conditions: Conditions) -> str:
    """Why a device did not finish: the second, what it had, and what it needs."""
    done_s = float(run.time_s.sum())
    if np.isnan(run.died_at_s):
        return f"the work is not done after {done_s / 86400:,.0f} days of availability; open the windows longer"
    energy = conditions.energy
    capacity_j = float(np.asarray(hardware.battery_j)) if energy.capacity_j is None else energy.capacity_j
    charged = 1.0 if energy.state_of_charge is None else energy.state_of_charge
    needed = emulate(phases, hardware, replace(conditions, energy=Energy()))
    last = int(np.flatnonzero(run.time_s)[-1]) if run.time_s.any() else 0
    during = run.labels[last] if last else "starting up"
    gained_j = float(energy.harvested_j(run.died_at_s))
    harvested = f" and {gained_j:,.4g} J harvested" if energy.source == "harvest" else ""
    return (
        f"the battery is empty {float(run.died_at_s):,.1f} s after the start, while {during}: it held "
        f"{charged * capacity_j:,.4g} J ({charged:.0%} of {capacity_j:,.4g} J){harvested}; "
        f"the trial needs {float(needed.energy_j.sum()):,.4g} J"
    )
