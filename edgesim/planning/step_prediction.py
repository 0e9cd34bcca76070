"""Prediction of one training step of a network on one device: its cost and its bottleneck."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from edgesim import models
from edgesim.cost import feasibility
from edgesim.cost.analytic import CostWeights
from edgesim.cost.emulator import Hardware, Phases, emulate
from edgesim.cost.feasibility import ResourceDemand
from edgesim.cost.pricing import PricingContext
from edgesim.cost.steps import StepCost, StepSetting, moved_bytes, startup_cost, step_cost
from edgesim.data.sample_form import DTYPES
from edgesim.errors import EdgesimError, ProfileError
from edgesim.hardware import loading, power_setting
from edgesim.hardware.conditions import FULL_MODE, ChosenClocks
from edgesim.hardware.loading import DeviceProfile
from edgesim.models.model_fields import IMAGES, TOKENS, kind_of
from edgesim.models.network_costs import counted
from edgesim.tasks import NetworkForm
from edgesim.training.settings import Training
from edgesim.work import FloatArray, Workload

USUAL_DTYPES = {IMAGES: "uint8", TOKENS: "int32"}
"""kind of samples -> type of their stored numbers where nothing says it; all else is float32"""
PARTS = ("compute", "memory", "overhead", "storage")
"""of a step's time"""
ALL = "all"
"""in place of profiles' names: every one that comes with edgesim"""


@dataclass(frozen=True)
class StepQuery:
    """A training step to predict, on any device."""

    model: str
    """its name"""
    form: NetworkForm
    """samples, task and outputs of the network"""
    batch_size: int
    """samples of one step"""
    training: Training
    """optimiser and precision"""
    workload: Workload
    dtype: str
    """type of the stored numbers of a sample, one of `sample_form.DTYPES`"""

    @classmethod
    def of(
        cls, model: str, form: NetworkForm, batch_size: int, training: Training, dtype: str | None = None
    ) -> StepQuery:
        """A network of the table of models with its defaults, `timm:NAME`, or `package.module:Name`; counted once.

        A model with a field `vocabulary` takes that of the form.

        Args:
            model: its name.
            form: samples, task and outputs.
            batch_size: samples of one step.
            training: optimiser and precision.
            dtype: type of the stored numbers; None = `usual_dtype` of the form.

        Raises:
            EdgesimError: there is no such model, or it cannot take this input; samples are not stored in that type.
        """
        dtype = dtype or usual_dtype(form)
        _check_dtype(dtype, form)
        given, kind = models.resolve(model)(), models.resolve(model)
        if form.vocabulary and any(one.name == "vocabulary" for one in fields(kind)):
            given = kind(vocabulary=form.vocabulary)
        workload, _ = counted(given, model, form)
        return cls(model, form, batch_size, training, workload, dtype)

    @property
    def sample_bytes(self) -> int:
        """Stored bytes of one sample, all its numbers at their width."""
        return int(np.prod(self.form.input_shape)) * np.dtype(self.dtype).itemsize


def usual_dtype(form: NetworkForm) -> str:
    """Type of the stored numbers of samples where nothing says it: uint8 of images, int32 of tokens, else float32.

    A spectrogram has the shape of an image, and is usually stored as float32: there the type has to be said.
    """
    return USUAL_DTYPES.get(kind_of(form.input_shape, form.tokens), "float32")


def _check_dtype(dtype: str, form: NetworkForm) -> None:
    """Refuse a type in which edgesim stores no such samples.

    Raises:
        EdgesimError: the type is not known; or it is int32 of numbers, or another one of token ids.
    """
    allowed = [name for name in DTYPES if (name == "int32") == form.tokens]
    if dtype not in allowed:
        what = "token ids" if form.tokens else "samples that are no token ids"
        raise EdgesimError(f"samples are stored as {dtype}; allowed for {what}: {', '.join(allowed)}")


def profiles_of(names: Sequence[str]) -> list[DeviceProfile]:
    """The profiles of several names, paths among them; `all` stands for every one that comes with edgesim.

    Raises:
        ProfileError: a name is not known, or is given twice; all such faults at once.
    """
    wanted = [name for given in names for name in (loading.names() if given == ALL else [given])]
    found, faults = [], []
    for place, name in enumerate(wanted):
        try:
            profile = loading.load(name)
        except EdgesimError as error:
            faults.append(str(error))
            continue
        if name in wanted[:place]:
            faults.append(f"the profile '{name}' is named twice; name it once")
        found.append(profile)
    if faults:
        raise ProfileError("\n".join(dict.fromkeys(faults)))
    return found


def predict(
    profile_name: str,
    model_name: str,
    form: NetworkForm,
    batch_size: int,
    training: Training,
    power_mode: str | ChosenClocks = FULL_MODE,
    dtype: str | None = None,
) -> dict[str, Any]:
    """`predict_step` of a device and a network by their names; `dtype` as in `StepQuery.of`.

    Raises:
        ProfileError, ScenarioError: there is no such profile or power mode, or it has faults.
        EdgesimError: there is no such model, or it cannot take this input.
    """
    (profile,) = profiles_of([profile_name])
    return predict_step(profile, StepQuery.of(model_name, form, batch_size, training, dtype), power_mode)


def predict_step(
    profile: DeviceProfile, query: StepQuery, power_mode: str | ChosenClocks = FULL_MODE
) -> dict[str, Any]:
    """Predict one training step, forward, backward and update, on a device that is not hot yet.

    Args:
        profile: the device.
        query: network, batch size and training.
        power_mode: of the profile.

    Returns: parts of the step's time, whole time, energy, work, memory, and the part that takes longest (`binds`).
        `feasible` is False where the device cannot do it, for a `reason`. `analytic_time_s` has no modes and no
        precisions. `startup_s` and `startup_energy_j` are added once per job of a cold device. They are 0 where the
        profile has no such time.

    Raises:
        ProfileError: there is no such power mode.
    """
    check_mode(profile, power_mode)
    workload, training, batch_size, sample_bytes = query.workload, query.training, query.batch_size, query.sample_bytes
    states, batch = training.optimizer_states, np.array([batch_size])
    setting = StepSetting(training.precision, power_mode)
    cost = step_cost("train", batch, workload, sample_bytes, states, profile, setting)
    # A phase per part, so that each is under the power mode and the heat by itself.
    alone = dict(zip(PARTS, np.eye(len(PARTS)), strict=True))
    phases = Phases(
        np.ones(len(PARTS)),
        compute_s=alone["compute"] * cost.compute_s,
        memory_s=alone["memory"] * cost.memory_s,
        overhead_s=alone["overhead"] * cost.overhead_s,
        wait_s=alone["storage"] * cost.read_s,
        # The load of a GPU is of its whole step, and a part has its share of it.
        load_s=None if cost.load_s is None else cost.load_s * _shares(cost),
    )
    hardware = Hardware.of(profile, power_mode)
    run = emulate(phases, hardware)
    times_s = dict(zip(PARTS, map(float, run.time_s), strict=True))
    first = startup_cost(profile, power_mode)
    start = emulate(Phases([1.0], [0.0], [0.0], overhead_s=first.overhead_s, load_s=first.load_s), hardware)
    reason = _reason(profile, workload, sample_bytes, batch_size, training)
    return {
        **described(profile, query, power_mode),
        "priced_precision": priced_precision(profile, training),
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
        "peak_memory_bytes": feasibility.peak_memory_bytes(profile, workload, batch_size, states),
        "context_bytes": feasibility.context_bytes(profile),
        "usable_memory_bytes": feasibility.usable_memory_bytes(profile),
        "largest_batch_size": feasibility.largest_batch_size(profile, workload, states, batch_size),
        "startup_s": float(start.time_s[0]),
        "startup_energy_j": float(start.energy_j[0]),
        "analytic_time_s": workload.train_flops * batch_size / profile.throughput_flops_per_s,
    }


def described(profile: DeviceProfile, query: StepQuery, power_mode: str | ChosenClocks) -> dict[str, Any]:
    """The keys that repeat the query."""
    return {
        "profile": profile.name,
        "power_mode": str(power_mode),
        "model": query.model,
        "input_shape": list(query.form.input_shape),
        "dtype": query.dtype,
        "sample_bytes": query.sample_bytes,
        "num_classes": query.form.num_outputs,
        "batch_size": query.batch_size,
        "optimizer": query.training.optimizer,
        "precision": query.training.precision,
    }


def check_mode(profile: DeviceProfile, power_mode: str | ChosenClocks) -> None:
    """Refuse a power mode that the profile does not have.

    Raises:
        ProfileError: it has none of that name, or cannot be set to such clocks; the message names the nearest.
    """
    if message := power_setting.problem(profile, power_mode):
        raise ProfileError(message)


def _shares(cost: StepCost) -> FloatArray:
    """[PARTS] shares of a step's busy time."""
    busy_s = np.maximum(cost.busy_s, np.finfo(float).tiny)
    parts = (cost.compute_s, cost.memory_s, cost.overhead_s, np.zeros_like(busy_s))
    return np.array([float((part / busy_s)[0]) for part in parts])


def priced_precision(profile: DeviceProfile, training: Training) -> str:
    """The precision whose speed the price takes: a device without units for bf16 is priced at FP32's."""
    return training.precision if profile.compute.peak_bf16_flops_per_s else "fp32"


def _reason(profile: DeviceProfile, workload: Workload, sample_bytes: int, batch_size: int, training: Training) -> str:
    """Reason for which the device cannot do the step; empty where it can."""
    states = training.optimizer_states
    context = PricingContext(workload, None, sample_bytes, batch_size, 1, states, CostWeights())
    peak = feasibility.peak_memory_bytes(profile, workload, batch_size, states)
    demand = ResourceDemand(peak, sample_bytes * batch_size)
    return "; ".join(feasibility.reasons(demand, profile, context, batch_size))
