"""From what was measured on the machine that runs this to a device profile: fit, sources, document."""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgesim.calibration import clock_records, cross_validation, fit, operation_times
from edgesim.calibration.clock_records import ClockRecord
from edgesim.calibration.fit import Data, Family, field_of
from edgesim.calibration.speeds import Copies, StorageSpeed
from edgesim.calibration.step_timing import Timed, Timings, TorchDevice
from edgesim.config import validation
from edgesim.config.output_files import write_signed
from edgesim.cost import gpu_steps, steps
from edgesim.cost.steps import TERMS
from edgesim.formatting import n_of
from edgesim.hardware import loading
from edgesim.hardware.loading import DeviceProfile
from edgesim.hardware.quantity import GPU_CLASSES, Scope
from edgesim.work import FloatArray

FITTED = tuple(term for term in TERMS if term != "unrolling")
"""every cost is fitted by itself: the cases of `this_machine` hold all of them in several mixes. Unrolled convolutions
are of software that this machine does not run"""
_ANCHOR = "raspberry-pi-5"
"""shipped profile to whose proportions the costs are drawn"""
_MOST_CONVOLUTION = 2.25
"""share of the peak: Winograd's algorithm computes a 3x3 convolution with fewer multiplications than are counted"""
Fields = dict[str, Any]


@dataclass(frozen=True)
class Machine:
    """The machine and all that was measured on it."""

    name: str
    title: str
    device_class: str
    processor: str
    torch_device: TorchDevice
    threads: int
    timings: Timings
    """of the cases that the costs are fitted to"""
    peak_flops_per_s: float
    copies: Copies
    memory_bytes: int
    storage: StorageSpeed
    storage_kind: str
    storage_bytes: int
    idle_w: float | None
    """None where no sensor can be read"""
    full_w: float | None
    sensors: str
    """parts of the machine whose power it is"""
    scope: Scope | None = None
    """part of the machine that the sensors cover together"""
    clocks: tuple[ClockRecord, ...] = ()
    """while the steps were timed"""
    power_mode: str | None = None
    """name of nvpmodel's mode"""


@dataclass(frozen=True)
class HostFit:
    """Costs of one machine, with their errors."""

    costs: Mapping[str, float]
    """field of the profile -> seconds per FLOP, byte or piece"""
    errors: FloatArray
    """[n] relative, of the cases that were fitted"""
    held_out: float
    """mean absolute relative error on cases that the fit has not met; NaN where too few were timed to leave any out"""
    held_out_words: str
    """description of these cases"""


def fit_costs(timed: tuple[Timed, ...], peak_flops_per_s: float, bandwidth_bytes_per_s: float) -> HostFit:
    """Fit the costs of `cost.steps` to measured steps of a processor and their parts.

    Args:
        timed: three cases or more.
        peak_flops_per_s, bandwidth_bytes_per_s: what no cost may go below.
    """
    names, rows, times_s = [], [], []
    for one in timed:
        step = one.step("host")
        sizes = (step.network.workload(), step.batch_size, step.optimizer_states)
        part_rows, part_times_s = operation_times.timed_rows(*sizes, step.time_s, one.shares)
        rows.append(np.vstack([fit.features(step), part_rows]))
        times_s.append(np.array([step.time_s, *part_times_s]))
        # Left out by cases: without any one network some operations would be unknown.
        names += [f"{step.model} at {step.batch_size}"] * len(times_s[-1])
    least = fit.lowest(peak_flops_per_s, bandwidth_bytes_per_s)
    data = {"host": Data(tuple(names), np.vstack(rows), np.concatenate(times_s), np.zeros(len(TERMS)), least)}
    family = Family("this machine", ("host",), tuple((term,) for term in FITTED))
    anchor = steps.costs_s(loading.load(_ANCHOR), "fp32")
    costs = fit.fit(family, data, anchor)["host"]
    whole = np.cumsum([0, *map(len, times_s)])[:-1]
    held_out = cross_validation.held_out(family, data, anchor)["host"].errors[whole]
    errors = fit.relative_errors(data["host"], costs)[whole]
    by_field = {field_of(term): float(costs[TERMS.index(term)]) for term in FITTED}
    return HostFit(by_field, errors, float(np.mean(np.abs(held_out))), "each case left out in turn")


def profile(machine: Machine, fitted: HostFit, path: Path) -> DeviceProfile:
    """Write the profile of a machine and load it again.

    Args:
        machine: what was measured.
        fitted: its costs.
        path: the YAML file to write; its folder exists.

    Raises:
        ScenarioError: a measured value is outside the plausible range of its field; the file is left to look at.
    """
    write_signed(path, validation.dump(document(machine, fitted)))
    return loading.load(path)


def document(machine: Machine, fitted: HostFit) -> dict[str, Any]:
    """The profile as a YAML document."""
    sections = {"compute": _compute(machine, fitted), "memory": _memory(machine), "storage": _storage(machine)}
    for field, value in _coefficients(machine, fitted).items():
        section, name = field.split(".")
        sections[section][name] = value
    head = {
        "name": machine.name,
        "title": machine.title,
        "class": machine.device_class,
        "processor": machine.processor,
        "software": "PyTorch",
    }
    if words := clock_words(machine):
        head["note"] = f"Measured at these clocks: {words}."
    clocks = clock_records.section(machine.clocks) if machine.device_class in GPU_CLASSES else {}
    return head | sections | {"power": _power(machine)} | clocks


def clock_words(machine: Machine) -> str:
    """The clocks that the coefficients hold at, and the power mode; empty where none can be read."""
    found = [clock_records.words(record) for record in machine.clocks]
    return ", ".join([*found, *([f"nvpmodel mode {machine.power_mode}"] if machine.power_mode else [])])


def _quantity(value: float, source: str, confidence: str = "measured", note: str | None = None) -> Fields:
    found: Fields = {"value": float(f"{value:.4g}"), "confidence": confidence, "source": source}
    return found | ({"note": note} if note else {})


def _how(machine: Machine) -> str:
    where = "one thread" if machine.threads == 1 else f"{machine.threads} threads"
    clocks = f" at {found}" if (found := clock_words(machine)) else ""
    return (f"{where} of the CPU" if machine.torch_device == "cpu" else "the GPU, every step awaited") + clocks


def versions() -> str:
    """Of what the times depend on."""
    import torch

    return f"torch {torch.__version__}, Python {platform.python_version()}"


def _compute(machine: Machine, fitted: HostFit) -> Fields:
    timed = machine.timings.timed
    count, steps_n = len(timed), sum(len(one.times_s) for one in timed)
    by_hand = np.array([_flops(one) / one.step_s for one in timed]) / machine.peak_flops_per_s
    small = min(timed, key=lambda one: one.step_s)
    step_s = _operations(small, machine) * fitted.costs[field_of("operation")]
    return {
        "peak_fp32_flops_per_s": _quantity(
            machine.peak_flops_per_s,
            f"the fastest of many large matrix products and convolutions; {_how(machine)}; {versions()}",
        ),
        "training_utilisation": _quantity(
            min(1.0, float(np.median(by_hand))),
            f"median of {n_of(count, 'case')}, {n_of(steps_n, 'training step')} in all, over this peak",
            note=f"{by_hand.min():.2g} to {by_hand.max():.2g} from case to case",
        ),
        "step_overhead_s": _quantity(
            step_s, f"operations of a step of {small.case.name} x operation_overhead_s", "derived"
        ),
        "first_step_s": _quantity(
            machine.timings.first_step_s,
            f"the first step of the process beyond the later ones; {timed[0].case.name}, n = 1",
            note="loading the libraries is not in it",
        ),
    }


def _operations(one: Timed, machine: Machine) -> float:
    """Operations of a step that are dispatched: of a GPU, kernels."""
    step = one.step("host")
    if machine.torch_device == "cuda":
        sizes = np.array([float(step.batch_size)])
        return float(gpu_steps.work("train", sizes, step.network.workload(), step.optimizer_states).kernels.sum())
    return float(fit.features(step)[TERMS.index("operation")])


def _flops(one: Timed) -> float:
    return one.case.network.workload().train_flops * one.case.batch_size


def _coefficients(machine: Machine, fitted: HostFit) -> Fields:
    timed = machine.timings.timed
    networks = len({one.case.name for one in timed})
    source = (
        f"least squares on {n_of(len(timed), 'case')} of {n_of(networks, 'network')} and their parts (the fastest of "
        f"{n_of(len(timed[0].visits_s), 'visit')}, {min(len(one.times_s) for one in timed)} to "
        f"{max(len(one.times_s) for one in timed)} training steps in all, Adam, channels-last); {_how(machine)}; "
        f"{versions()}"
    )
    nominal = {"compute": machine.peak_flops_per_s, "memory": machine.copies.fastest_bytes_per_s}
    found = {}
    for field, cost in fitted.costs.items():
        # A cost at its lower bound is the fastest that was measured, up to rounding.
        most = _MOST_CONVOLUTION if field == field_of("convolution") else 1.0
        share = field.endswith("_efficiency")
        value = min(most, 1 / (nominal[field.split(".")[0]] * cost)) if share else cost
        found[field] = _quantity(value, source)
        if not math.isnan(fitted.held_out):
            found[field]["relative_error"] = float(f"{fitted.held_out:.3g}")
            found[field]["note"] = f"relative_error: {fitted.held_out_words}"
    return found


def _memory(machine: Machine) -> Fields:
    copies = machine.copies
    return {
        "size_bytes": _quantity(machine.memory_bytes, "as the operating system counts it"),
        "bandwidth_bytes_per_s": _quantity(
            copies.fastest_bytes_per_s,
            f"bytes read and written by the fastest copy of 16 KiB to {copies.large_bytes >> 20} MiB; {_how(machine)}",
            note="what the caches give, in place of a data sheet's figure of the memory",
        ),
        "achieved_bandwidth_bytes_per_s": _quantity(
            copies.large_bytes_per_s,
            f"bytes read and written by a copy of {copies.large_bytes >> 20} MiB; {_how(machine)}",
        ),
    }


def _storage(machine: Machine) -> Fields:
    speed = machine.storage
    size = f"a file of {speed.file_bytes >> 20} MiB"
    return {
        "kind": machine.storage_kind,
        "size_bytes": _quantity(machine.storage_bytes, "as the operating system counts it"),
        "read_bytes_per_s": _quantity(
            speed.read_bytes_per_s,
            f"{size} read once, {speed.how}",
            "measured" if speed.past_cache else "estimate",
        ),
        "write_bytes_per_s": _quantity(speed.write_bytes_per_s, f"{size} written once, until fsync returned"),
    }


def _power(machine: Machine) -> Fields:
    if machine.idle_w is None or machine.full_w is None:
        near = nearest(machine)
        source = (
            f"that of the {near.title}, the shipped {near.device_class} nearest in throughput; no sensor gave it here"
        )
        found = {
            name: getattr(near.power, name) for name in ("idle_w", "max_w", "memory_activity", "overhead_activity")
        }
        given = {name: _quantity(one.value, source, "estimate") for name, one in found.items() if one is not None}
        return given | _scope(near.power.scope)
    # The mean of training holds its seconds of memory and dispatch already: activities are left out, which means 1.
    return _scope(machine.scope) | {
        "idle_w": _quantity(min(machine.idle_w, machine.full_w), f"{machine.sensors}; mean while nothing was trained"),
        "max_w": _quantity(machine.full_w, f"{machine.sensors}; mean while the cases trained; {_how(machine)}"),
    }


def _scope(scope: str | None) -> Fields:
    return {} if scope is None else {"scope": scope}


def nearest(machine: Machine) -> DeviceProfile:
    """The shipped profile of the same class whose throughput, that of the closed form, is nearest by ratio."""
    flops = [_flops(one) / one.step_s for one in machine.timings.timed]
    own = math.log(float(np.median(flops)))
    shipped = [loading.load(path) for path in loading.available().values()]
    same = [one for one in shipped if one.device_class == machine.device_class]
    return min(same, key=lambda one: abs(math.log(one.throughput_flops_per_s) - own))


def predicted_s(device: DeviceProfile, one: Timed) -> float:
    """The step of a case as the step model prices it on a profile; images are in memory, nothing is read."""
    sizes = np.array([one.case.batch_size])
    cost = steps.step_cost("train", sizes, one.case.network.workload(), 0, one.step("").optimizer_states, device)
    return float(cost.busy_s[0])
