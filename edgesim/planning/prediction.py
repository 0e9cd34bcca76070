"""One training step of a network on one device: what it takes, and what binds it."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgesim import documents, models, profiles
from edgesim.conditions import FULL_MODE
from edgesim.cost import feasibility
from edgesim.cost.analytic import CostWeights
from edgesim.cost.emulator import Hardware, Phases, emulate
from edgesim.cost.feasibility import Demand
from edgesim.cost.pricing import Terms
from edgesim.cost.steps import moved_bytes, step_cost
from edgesim.errors import ProfileError
from edgesim.models.counted import counted
from edgesim.profiles import DeviceProfile
from edgesim.training.settings import Training
from edgesim.work import Workload

IMAGE_BYTES = 1
"""stored bytes of one number of an image"""
PARTS = ("compute", "memory", "overhead", "storage")
"""of a step's time"""


def predict(
    profile_name: str,
    model_name: str,
    input_shape: tuple[int, int, int],
    num_classes: int,
    batch_size: int,
    training: Training,
    power_mode: str = FULL_MODE,
) -> dict[str, Any]:
    """What one training step takes, forward, backward and update, on a device that is not hot yet.

    Args:
        profile_name: a device profile, or the path of one.
        model_name: of the table of models with its defaults, `timm:NAME`, or `package.module:Name`.
        input_shape: (channels, height, width) of one sample.
        num_classes: width of the logits.
        batch_size: samples of the step.
        training: the optimiser and the precision.
        power_mode: of the profile.

    Returns: parts of the step's time, whole time, energy, work, memory, the part that takes longest (`binds`), and
        whether the device can do it (`feasible`, else `reason`). `analytic_time_s` knows no modes and no precisions.
        `startup_s` and `startup_energy_j` come on top once per job of a cold device, and are 0 where the profile
        has no such time.

    Raises:
        ProfileError, ScenarioError: there is no such profile or power mode, or it has faults.
        EdgesimError: there is no such model, or it cannot take this input.
    """
    profile, model = profiles.load(profile_name), models.resolve(model_name)()
    _check_mode(profile, power_mode)
    workload, _ = counted(model, model_name, input_shape, num_classes)
    states, batch = training.optimizer_states, np.array([batch_size])
    sample_bytes = int(np.prod(input_shape)) * IMAGE_BYTES
    cost = step_cost("train", batch, workload, sample_bytes, states, profile, training.precision)
    # A phase per part, so that each is under the power mode and the heat by itself.
    alone = dict(zip(PARTS, np.eye(len(PARTS)), strict=True))
    phases = Phases(
        np.ones(len(PARTS)),
        compute_s=alone["compute"] * cost.compute_s,
        memory_s=alone["memory"] * cost.memory_s,
        overhead_s=alone["overhead"] * cost.overhead_s,
        wait_s=alone["storage"] * cost.read_s,
    )
    hardware = Hardware.of(profile, power_mode)
    run = emulate(phases, hardware)
    times_s = dict(zip(PARTS, map(float, run.time_s), strict=True))
    first = profile.compute.first_step_s
    start = emulate(Phases([1.0], [0.0], [0.0], overhead_s=[first.value if first else 0.0]), hardware)
    reason = _reason(profile, workload, sample_bytes, batch_size, training)
    return {
        "profile": profile.name,
        "power_mode": power_mode,
        "model": model_name,
        "input_shape": list(input_shape),
        "num_classes": num_classes,
        "batch_size": batch_size,
        "optimizer": training.optimizer,
        "precision": training.precision,
        "priced_precision": _priced(profile, training),
        "feasible": not reason,
        "reason": reason,
        "time_s": sum(times_s.values()),
        **{f"{name}_time_s": time_s for name, time_s in times_s.items()},
        "binds": max(times_s, key=lambda name: times_s[name]),
        "energy_j": float(run.energy_j.sum()),
        "flops": workload.train_flops * batch_size,
        "moved_bytes": moved_bytes(workload, batch_size, states, profile),
        "read_bytes": sample_bytes * batch_size,
        "parameters": workload.parameters,
        "peak_memory_bytes": workload.peak_training_bytes(batch_size, states),
        "usable_memory_bytes": feasibility.usable_memory_bytes(profile),
        "largest_batch_size": feasibility.largest_batch_size(profile, workload, states, batch_size),
        "startup_s": float(start.time_s[0]),
        "startup_energy_j": float(start.energy_j[0]),
        "analytic_time_s": workload.train_flops * batch_size / profile.throughput_flops_per_s,
    }


def _check_mode(profile: DeviceProfile, power_mode: str) -> None:
    if power_mode not in profile.mode_names:
        near = documents.nearest(power_mode, profile.mode_names)
        allowed = ", ".join(profile.mode_names)
        raise ProfileError(f"'{profile.name}' has no power mode '{power_mode}'{near}; allowed: {allowed}")


def _priced(profile: DeviceProfile, training: Training) -> str:
    """The precision whose speed the price takes: a device without units for bf16 is priced at FP32's."""
    return training.precision if profile.compute.peak_bf16_flops_per_s else "fp32"


def _reason(profile: DeviceProfile, workload: Workload, sample_bytes: int, batch_size: int, training: Training) -> str:
    """Why the device cannot do the step; empty where it can."""
    states = training.optimizer_states
    terms = Terms(workload, None, sample_bytes, batch_size, 1, states, CostWeights())
    demand = Demand(workload.peak_training_bytes(batch_size, states), sample_bytes * batch_size)
    return "; ".join(feasibility.reasons(demand, profile, terms, batch_size))
