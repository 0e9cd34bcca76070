"""One training step of a network on one device: what it takes, and what binds it."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgesim import models, profiles
from edgesim.cost import feasibility
from edgesim.cost.emulator import Hardware, Phases, emulate
from edgesim.cost.steps import moved_bytes, step_cost
from edgesim.models.counted import counted
from edgesim.training.settings import Training

IMAGE_BYTES = 1
"""stored bytes of one number of an image"""


def predict(
    profile_name: str,
    model_name: str,
    input_shape: tuple[int, int, int],
    num_classes: int,
    batch_size: int,
    training: Training,
) -> dict[str, Any]:
    """What one training step takes, forward, backward and update.

    Args:
        profile_name: a device profile, or the path of one.
        model_name: of the table of models with its defaults, `timm:NAME`, or `package.module:Name`.
        input_shape: (channels, height, width) of one sample.
        num_classes: width of the logits.
        batch_size: samples of the step.
        training: the optimiser.

    Returns: parts of the step's time, whole time, energy, work, memory, and the part that takes longest (`binds`).

    Raises:
        ProfileError, ScenarioError: there is no such profile, or it has faults.
        EdgesimError: there is no such model, or it cannot take this input.
    """
    profile, model = profiles.load(profile_name), models.resolve(model_name)()
    workload, _ = counted(model, model_name, input_shape, num_classes)
    states, batch = training.optimizer_states, np.array([batch_size])
    sample_bytes = int(np.prod(input_shape)) * IMAGE_BYTES
    cost = step_cost("train", batch, workload, sample_bytes, states, profile)
    parts = {"compute": cost.compute_s, "memory": cost.memory_s, "overhead": cost.overhead_s, "storage": cost.read_s}
    phases = Phases([1.0], cost.compute_s, cost.read_s, (), cost.memory_s, cost.overhead_s)
    run = emulate(phases, Hardware.of(profile))
    start = profile.compute.first_step_s
    return {
        "profile": profile.name,
        "model": model_name,
        "input_shape": list(input_shape),
        "num_classes": num_classes,
        "batch_size": batch_size,
        "optimizer": training.optimizer,
        "time_s": float(cost.time_s[0]),
        **{f"{name}_time_s": float(values[0]) for name, values in parts.items()},
        "binds": max(parts, key=lambda name: float(parts[name][0])),
        "energy_j": float(run.energy_j.sum()),
        "flops": workload.train_flops * batch_size,
        "moved_bytes": moved_bytes(workload, batch_size, states, profile),
        "read_bytes": sample_bytes * batch_size,
        "parameters": workload.parameters,
        "peak_memory_bytes": workload.peak_training_bytes(batch_size, states),
        "usable_memory_bytes": feasibility.usable_memory_bytes(profile),
        "largest_batch_size": feasibility.largest_batch_size(profile, workload, states, batch_size),
        "first_step_s": start.value if start else 0.0,
        "analytic_time_s": workload.train_flops * batch_size / profile.throughput_flops_per_s,
    }
