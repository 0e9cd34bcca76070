"""Prediction of a whole training on one device, by the emulator: start-up, reading, steps and heat."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from edgesim.cost import analytic, feasibility
from edgesim.cost.analytic import CostWeights
from edgesim.cost.batch_pricing import BatchPricing, Device
from edgesim.cost.context import PricingContext
from edgesim.cost.emulator import Emulation, Hardware, Phases, emulate
from edgesim.cost.feasibility import ResourceDemand
from edgesim.hardware.conditions import FULL_MODE, ChosenClocks, Conditions
from edgesim.hardware.loading import DeviceProfile
from edgesim.planning.step_prediction import PARTS, StepQuery, check_mode, described, priced_precision

Startup = Literal["cold", "warm"]
"""cold: the training starts its process, which takes the profile's `first_step_s`; warm: the process runs already"""


def predict_job(
    profile: DeviceProfile,
    query: StepQuery,
    samples: int,
    epochs: int,
    power_mode: str | ChosenClocks = FULL_MODE,
    startup: Startup = "cold",
) -> dict[str, Any]:
    """Predict a whole training on a device that is not hot yet, on mains and undisturbed.

    Args:
        profile: the device.
        query: network, batch size and training.
        samples: of the device, all of them trained on in every epoch, >= 1.
        epochs: >= 1.
        power_mode: of the profile.
        startup: cold or warm.

    Returns: `time_s` and its parts, which sum to it: `startup_s`, `compute_time_s`, `memory_time_s`,
        `overhead_time_s`, `storage_time_s` (reading), each at the speed of the power mode, and `heat_time_s`, what
        throttling adds to them; `energy_j` and its parts `startup_energy_j` and `training_energy_j`; `battery_j`,
        what a full battery holds (None without one); `throttled_s`, how long the device is held at the limit of its
        heat; work, memory, and whether the device can do it (`feasible`, else `reason`). `analytic_*` is the edge
        paper's closed form.

    Raises:
        ProfileError: there is no such power mode.
    """
    check_mode(profile, power_mode)
    hardware = Hardware.of(profile, power_mode)
    context = _pricing_context(query, epochs)
    conditions = Conditions(power_mode, startup=startup)
    priced = BatchPricing.training_only(context, Device(profile, conditions), np.array([samples]))
    train, phases = priced.train, priced.phases
    run = emulate(phases, hardware)
    batch = min(query.batch_size, samples)
    demand = ResourceDemand(
        feasibility.peak_memory_bytes(profile, query.workload, batch, context.optimizer_states),
        samples * query.sample_bytes,
    )
    reason = "; ".join(feasibility.reasons(demand, profile, context, batch))
    flops = float(train.flops[0])
    closed_s = float(analytic.latency_s(flops, profile.throughput_flops_per_s))
    return {
        **described(profile, query, power_mode),
        "samples": samples,
        "epochs": epochs,
        "steps": int(train.steps.sum()),
        "startup": startup,
        "priced_precision": priced_precision(profile, query.training),
        "feasible": not reason,
        "reason": reason,
        **_times(phases, hardware, run),
        **_energies(run),
        "battery_j": profile.battery_j,
        "throttled_s": float(run.total(run.throttled_s)[0]),
        "flops": flops,
        "read_bytes": samples * epochs * query.sample_bytes,
        "parameters": query.workload.parameters,
        "peak_memory_bytes": int(demand.peak_memory_bytes),
        "context_bytes": feasibility.context_bytes(profile),
        "usable_memory_bytes": feasibility.usable_memory_bytes(profile),
        "analytic_time_s": closed_s,
        "analytic_energy_j": closed_s * profile.power_w,
    }


def _pricing_context(query: StepQuery, epochs: int) -> PricingContext:
    """Pricing context of the training."""
    training = query.training
    return PricingContext(
        workload=query.workload,
        scorer=None,
        sample_bytes=query.sample_bytes,
        batch_size=query.batch_size,
        epochs=epochs,
        optimizer_states=training.optimizer_states,
        weights=CostWeights(),
        precision=training.precision,
    )


def _times(phases: Phases, hardware: Hardware, run: Emulation) -> dict[str, float]:
    """Device time and its parts: those of all steps at the mode's full speed, and the time that heat adds."""
    steps = np.asarray(phases.steps)[0]
    speeds = {"compute": hardware.speed, "memory": hardware.speed, "overhead": hardware.overhead_speed, "storage": 1.0}
    per_step = dict(zip(PARTS, (phases.compute_s, phases.memory_s, phases.overhead_s, phases.wait_s), strict=True))
    each = {name: steps * np.asarray(per_step[name])[0] / speeds[name] for name in PARTS}
    start_s = float(each["overhead"][0])
    parts = {name: float(seconds[1:].sum()) for name, seconds in each.items()}
    whole_s = float(run.total(run.time_s)[0])
    heat_s = max(0.0, whole_s - start_s - sum(parts.values())) if run.throttled_s.any() else 0.0
    found = {"startup_s": start_s, **{f"{name}_time_s": value for name, value in parts.items()}, "heat_time_s": heat_s}
    return {"time_s": sum(found.values()), **found}


def _energies(run: Emulation) -> dict[str, float]:
    """Energy of the device, and its parts."""
    start_j, train_j = float(run.energy_j[0, 0]), float(run.energy_j[0, 1:].sum())
    return {"energy_j": start_j + train_j, "startup_energy_j": start_j, "training_energy_j": train_j}
