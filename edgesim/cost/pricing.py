"""Both prices of a trial, from its work and its device."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgesim.cost import analytic
from edgesim.cost.batch_pricing import BatchPricing, Device
from edgesim.cost.context import PricingContext
from edgesim.cost.feasibility import peak_memory_bytes
from edgesim.cost.step_counts import StepCounts
from edgesim.formatting import distinguished, number, short_percent
from edgesim.hardware.conditions import Conditions
from edgesim.hardware.loading import DeviceProfile
from edgesim.records import WorkRecord
from edgesim.work import StepTrace, Work, Workload


def price(
    context: PricingContext,
    profile: DeviceProfile,
    conditions: Conditions,
    n: int,
    m: int,
    done: WorkRecord,
    dynamic: bool = False,
) -> dict[str, Any]:
    """The columns of a record that follow from work and device (edge paper, Eqs. 8-9, 13, 24-28).

    Args:
        context: workload, data and training.
        profile: the device.
        conditions: of operation; the trial starts at their second 0.
        n: shard size.
        m: subset size.
        done: the work and the steps of one scoring and of one training.
        dynamic: True where the method chooses while it trains, so that each training scores anew.

    Returns: values by column, those of training for all `PricingContext.repeats` trainings. Where the device cannot do
        the trial under its conditions, `limit` is one of `feasibility.LIMITS` and `reason` explains it, and the
        `device_*` columns end where the device stopped. Both texts are empty where it can.
    """
    workload, networks = context.workload, _networks(context, done)
    times = context.scorings(dynamic), context.repeats
    inputs = networks, profile.throughput_flops_per_s, profile.power_w, times
    closed = analytic.price(done.score, done.train, *inputs)
    priced = _with_full_training(batch_pricing_of(context, Device(profile, conditions), m, done, dynamic), n)
    run = priced.as_it_is
    parts = priced.parts_of(run)
    batch_size = int(priced.largest_batch[0]) or min(context.batch_size, m)
    limit = "" if run.finished[0] else "availability" if np.isnan(run.died_at_s[0]) else "energy"
    kept_bytes = int(analytic.storage_bytes(m, context.sample_bytes))
    return {
        "score_flops": float(closed.score_flops),
        "train_flops": float(closed.train_flops),
        "total_flops": float(closed.score_flops + closed.train_flops),
        "selection_comparisons": times[0] * done.score.comparisons,
        "steps": context.repeats * done.train.steps,
        "repeats": context.repeats,
        "analytic_time_s": float(closed.time_s),
        "analytic_score_time_s": float(closed.score.time_s),
        "analytic_train_time_s": float(closed.train.time_s),
        "analytic_energy_j": float(closed.energy_j),
        "device_time_s": float(parts.time_s[0]),
        "device_startup_s": float(parts.startup_s[0]),
        "device_score_time_s": float(parts.score_s[0]),
        "device_train_time_s": float(parts.train_s[0]),
        "device_energy_j": float(run.total(run.energy_j)[0]),
        "device_startup_energy_j": float(parts.startup_j[0]),
        "device_score_energy_j": float(parts.score_j[0]),
        "device_throttled_s": float(run.total(run.throttled_s)[0]),
        "device_wait_s": float(run.total(run.wait_s)[0]),
        "limit": limit,
        "reason": shortfall(priced, 0) if limit else "",
        "storage_bytes": kept_bytes,
        "upload_bytes": kept_bytes,
        "upload_s": float(priced.upload_s[0]),
        "peak_memory_bytes": peak_memory_bytes(profile, workload, batch_size, context.optimizer_states),
        "cost_j": _cost_j(priced),
    }


def _with_full_training(priced: BatchPricing, n: int) -> BatchPricing:
    """A trial and, as second row, plain training on all n samples of the same device."""
    context, kept = priced.context, np.array([int(priced.kept[0]), n])
    nothing = StepCounts.of([(Work(), StepTrace())], context.workload)
    whole = StepCounts.training(kept[1:], context.batch_size, context.epochs, context.workload)
    loads = StepCounts.stack([priced.score, nothing]), StepCounts.stack([priced.train, whole])
    return BatchPricing(context, priced.device, *loads, kept)


def _cost_j(priced: BatchPricing) -> float:
    """J of a trial whose second row is plain training on all data (Eq. 13), by `PricingContext.price`.

    A battery that runs empty makes no trial cheaper: both have all the energy that they take. NaN where the trial does
    not end within its windows.
    """
    price = priced.context.price
    if price == "emulated" and not priced.on_mains.finished[0]:
        return float("nan")
    quantities = priced.time_s(price), priced.energy_j(price), priced.storage_bytes
    return float(analytic.device_cost(priced.context.weights, *(float(part[0] / part[1]) for part in quantities)))


def batch_pricing_of(
    context: PricingContext, device: Device, m: int, done: WorkRecord, dynamic: bool = False
) -> BatchPricing:
    """One trial that has run, priced as plans price those to come. Arguments: `price`."""
    scorer, trainer = _networks(context, done)
    score = StepCounts.of([(done.score, done.score_trace)], scorer).times(context.scorings(dynamic))
    train = StepCounts.of([(done.train, done.train_trace)], trainer)
    return BatchPricing(context, device, score, train, np.array([m], dtype=np.int64))


def shortfall(priced: BatchPricing, i: int, exact: bool = True) -> str:
    """Reason for which the device does not finish trial `i`, with the second and the energy that it had and needs.

    Args:
        priced: the trials.
        i: which of them.
        exact: True where the work is known exactly; else it is the least that it can be.
    """
    run, conditions = priced.as_it_is, priced.device.conditions
    died_s = float(run.died_at_s[i])
    if np.isnan(died_s):
        days, needs_s = float(run.time_s[i].sum()) / 86400, float(priced.undisturbed_s[i])
        work = f"the work, {'' if exact else 'at least '}{number(needs_s)} s,"
        if conditions.windows is not None and not len(conditions.windows):
            return f"{work} never begins: the trace of `available` leaves this device no time to work"
        if conditions.windows is not None and not conditions.windows.repeats:
            return f"{work} is not done at the end of the trace of `available`"
        return f"{work} is not done after {days:,.0f} days in its windows; open them longer"
    energy = conditions.energy
    capacity_j = priced.device.profile.battery_j if energy.capacity_j is None else energy.capacity_j
    assert capacity_j is not None  # a device that stops has a battery
    charged = 1.0 if energy.state_of_charge is None else energy.state_of_charge
    last = int(np.flatnonzero(run.time_s[i])[-1]) if run.time_s[i].any() else 0
    waits = last == 0 and run.time_s[i, 0] <= run.wait_s[i, 0]  # it has not begun
    during = "waiting for its window" if waits else run.labels[last]
    gained = _received(conditions, died_s)
    served = f" for its {priced.context.repeats:,} trainings" if priced.context.repeats > 1 else ""
    held, needs = distinguished(charged * capacity_j, float(priced.on_mains.energy_j[i].sum()), number, 4)
    return (
        f"the battery is empty {died_s:,.1f} s after the start, while {during}: it held {held} J "
        f"({short_percent(charged)} of {number(capacity_j)} J){gained}; the trial needs "
        f"{'' if exact else 'at least '}{needs} J{served}"
    )


def _received(conditions: Conditions, until_s: float) -> str:
    """Energy that the battery got from its source beside its charge, in words."""
    if conditions.supply is None:
        return ""
    if conditions.energy.source == "harvest":
        return f" and {number(float(conditions.supply.energy_j(until_s)))} J harvested"
    return ", and its trace charged it and took from it"


def _networks(context: PricingContext, done: WorkRecord) -> tuple[Workload, Workload]:
    """The networks that scored and that trains."""
    return (context.scorer if done.reused and context.scorer else context.workload), context.workload
