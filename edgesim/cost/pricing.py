"""Both prices of a trial, from what it did and the profile of its device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgesim.cost import analytic, emulator
from edgesim.profiles import DeviceProfile
from edgesim.records import Ledger, Workload


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


def price(terms: Terms, profile: DeviceProfile, n: int, m: int, ledger: Ledger) -> dict[str, Any]:
    """The columns of a record that follow from work and device (edge paper, Eqs. 8-9, 13, 24-28).

    Args:
        terms: workload, data and training.
        profile: the device.
        n: shard size.
        m: subset size.
        ledger: the work and the steps of scoring and of training.
    """
    workload = terms.workload
    scorer = terms.scorer if ledger.reused and terms.scorer else workload
    networks = (scorer, workload)
    closed = analytic.price(ledger.score, ledger.train, networks, profile.throughput_flops_per_s, profile.power_w)
    score = emulator.run(ledger.score_trace, ledger.score, scorer, terms.sample_bytes, profile)
    train = emulator.run(ledger.train_trace, ledger.train, workload, terms.sample_bytes, profile)
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
        "device_time_s": float(score.time_s + train.time_s),
        "device_score_time_s": float(score.time_s),
        "device_train_time_s": float(train.time_s),
        "device_energy_j": float(score.energy_j + train.energy_j),
        "storage_bytes": int(analytic.storage_bytes(m, terms.sample_bytes)),
        "peak_memory_bytes": workload.peak_training_bytes(batch_size, terms.optimizer_states),
        "cost_j": float(analytic.device_cost(terms.weights, ratio, ratio, m / n)),
    }
