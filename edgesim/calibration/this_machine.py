"""Measures the machine that runs this, writes its profile, and checks the profile on networks that no fit has met."""

from __future__ import annotations

import importlib.util
import os
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import psutil
import torch

from edgesim.calibration import (
    clock_records,
    energy,
    power_sensors,
    speeds,
    step_timing,
    this_machine_clocks,
    this_machine_gpu,
    this_machine_profile,
)
from edgesim.calibration.step_timing import Timed, TimedNetwork, Timings, TorchDevice, cases
from edgesim.calibration.this_machine_profile import HostFit, Machine
from edgesim.calibration.time_left import Stage, Tell, TimeLeft
from edgesim.formatting import n_of
from edgesim.hardware.loading import DeviceProfile
from edgesim.work import FloatArray

CASES = (
    *cases("mlp", (3, 32, 32), (4, 64), ("hidden", (512,))),
    *cases("mlp", (1, 28, 28), (32, 128), ("hidden", (128,))),
    *cases("mlp", (3, 32, 32), (32,), ("hidden", (256, 256, 256))),
    *cases("mlp", (3, 64, 64), (16,), ("hidden", (512,))),
    *cases("small-cnn", (3, 32, 32), (4, 64)),
    *cases("small-cnn", (1, 28, 28), (32,)),
    *cases("small-cnn", (3, 64, 64), (16,), ("widths", (32, 64))),
    *cases("small-cnn", (3, 128, 128), (8,), ("widths", (16, 32))),
    # Wide, so that arithmetic outweighs what its activations move; in small-cnn it is the other way round.
    *cases("resnet8", (3, 32, 32), (4, 32), ("widths", (64, 128, 256))),
    *cases("resnet8", (3, 32, 32), (8, 64)),
    # Images of a few pixels, where a kernel of 3x3 is larger than they are, and of many.
    *cases("resnet8", (3, 8, 8), (8,), ("widths", (128, 256, 512))),
    *cases("resnet8", (3, 8, 8), (64,), ("widths", (64, 128, 256))),
    *cases("resnet8", (3, 4, 4), (32,), ("widths", (128, 256, 512))),
    *cases("resnet8", (3, 96, 96), (4,), ("widths", (32, 64, 128))),
    *cases("mobilenet-v2", (3, 32, 32), (4, 64), ("width_mult", 0.5)),
    *cases("mobilenet-v2", (3, 64, 64), (16,), ("width_mult", 0.5)),
    *cases("mobilenet-v2", (3, 128, 128), (8,), ("width_mult", 0.5)),
    *cases("mobilenet-v2", (3, 224, 224), (4,), ("width_mult", 0.35)),
    *cases("mobilenet-v2", (3, 64, 64), (4,)),
)
"""cases that the costs are fitted to: four networks, of many sizes and shapes"""
CHECKS = (
    TimedNetwork("mlp", (1, 28, 28), 100, (("hidden", (256, 256)),)),
    TimedNetwork("mlp", (3, 32, 32), 48, (("hidden", (1024, 256)),)),
    TimedNetwork("small-cnn", (3, 32, 32), 48, (("widths", (32, 64)), ("hidden", 128))),
    TimedNetwork("small-cnn", (1, 28, 28), 16, (("widths", (8, 16)),)),
    TimedNetwork("resnet8", (3, 32, 32), 32, (("widths", (32, 64, 128)),)),
    TimedNetwork("resnet8", (1, 28, 28), 24, (("widths", (8, 16, 32)),)),
    TimedNetwork("resnet18", (3, 32, 32), 16),
    TimedNetwork("mobilenet-v2", (3, 48, 48), 20, (("width_mult", 0.75),)),
    TimedNetwork("mobilenet-v2", (3, 32, 32), 64, (("width_mult", 0.35),)),
)
"""cases that --check predicts: other widths, inputs and batch sizes"""
FOREIGN_CHECKS = (
    TimedNetwork("timm:resnet10t", (3, 64, 64), 16),
    TimedNetwork("timm:mobilenetv3_small_100", (3, 64, 64), 32),
    TimedNetwork("timm:mobilenetv3_large_100", (3, 96, 96), 8),
    TimedNetwork("timm:efficientnet_lite0", (3, 96, 96), 8),
    TimedNetwork("timm:lcnet_050", (3, 64, 64), 32),
    TimedNetwork("timm:regnety_002", (3, 96, 96), 8),
    TimedNetwork("timm:mobilevit_xxs", (3, 128, 128), 4),
    TimedNetwork("timm:ghostnet_100", (3, 128, 128), 4),
    TimedNetwork("timm:mnasnet_small", (3, 64, 64), 16),
    TimedNetwork("timm:fbnetc_100", (3, 64, 64), 8),
    TimedNetwork("timm:tinynet_e", (3, 64, 64), 16),
)
"""and, where timm is installed, networks with layers that none of CASES has"""


@dataclass(frozen=True)
class Request:
    """Measurements to make, and the name of the profile to write."""

    name: str
    title: str
    processor: str
    device_class: str
    torch_device: TorchDevice
    threads: int
    folder: Path
    """on the storage to measure"""
    check: bool = False
    rounds: int = step_timing.ROUNDS


@dataclass(frozen=True)
class Check:
    """Steps of networks that the fit has not met, priced by the written profile."""

    timed: tuple[Timed, ...]
    predicted_s: FloatArray

    @property
    def errors(self) -> FloatArray:
        """Relative: (predicted - measured) / measured."""
        return np.asarray(self.predicted_s / np.array([one.step_s for one in self.timed]) - 1)

    @property
    def foreign(self) -> npt.NDArray[np.bool_]:
        """[n] which of them are timm's."""
        return np.array([one.case.model.startswith("timm:") for one in self.timed])

    @property
    def mean(self) -> float:
        """Mean absolute relative error."""
        return float(np.mean(np.abs(self.errors)))


@dataclass(frozen=True)
class Calibrated:
    """Result of a calibration: the fit, the profile and its check."""

    machine: Machine
    fitted: HostFit
    profile: DeviceProfile
    notes: tuple[str, ...]
    """sensors and clocks that are not used or not there, and why; clocks that changed"""
    check: Check | None
    load: float
    """processes that wanted a processor just before, in the mean of a minute"""


def device_class(torch_device: TorchDevice) -> str:
    """The class of this machine, as well as its parts tell; where the processor trains, never one of a GPU."""
    if torch_device == "cuda":
        return "jetson-gpu" if this_machine_clocks.is_jetson() else "edge-server"
    if psutil.sensors_battery() is not None:
        return "laptop"
    return "sbc-cpu" if Path("/proc/device-tree/model").is_file() else "edge-box"


def calibrate(request: Request, out: Path, tell: Tell, sessions: int = 1) -> tuple[Calibrated, ...]:
    """Measure, fit, write the profile and, where asked for, check it; again in every session.

    Args:
        request: what to measure.
        out: the profile to write; that of the last session stays.
        tell: told what is being done.
        sessions: calibrations one after another, each from new measurements, >= 1.

    Raises:
        ScenarioError: a measured value is not plausible.
        OSError: `out` or the temporary file of the storage cannot be written.
    """
    time_left = TimeLeft(len(chosen_cases(request)), request.rounds, sessions)
    found: list[Calibrated] = []
    for number in range(sessions):
        began_s, before_s = time.perf_counter(), time_left.spent_s
        # A process has one first step.
        first_step_s = found[0].machine.timings.first_step_s if found else None
        found.append(_session(request, out, _numbered(tell, number, sessions), time_left, first_step_s))
        time_left.session_ended(time.perf_counter() - began_s, time_left.spent_s - before_s)
    return tuple(found)


def _numbered(tell: Tell, number: int, sessions: int) -> Tell:
    """`tell` with the number of the session, where there are several."""
    if sessions == 1:
        return tell
    return lambda stage: tell(replace(stage, doing=f"session {number + 1} of {sessions}: {stage.doing}"))


def _session(request: Request, out: Path, tell: Tell, time_left: TimeLeft, first_step_s: float | None) -> Calibrated:
    load = os.getloadavg()[0]
    with step_timing.threads(request.threads):
        machine, checked, notes = _measure(request, tell, time_left)
    if first_step_s is not None:
        machine = replace(machine, timings=replace(machine.timings, first_step_s=first_step_s))
    tell(Stage("fit"))
    if request.torch_device == "cuda":
        fitted = this_machine_gpu.fit_costs(machine)
    else:
        fastest = (machine.peak_flops_per_s, machine.copies.fastest_bytes_per_s)
        fitted = this_machine_profile.fit_costs(machine.timings.timed, *fastest)
    profile = this_machine_profile.profile(machine, fitted, out)
    check = None
    if checked:
        check = Check(checked, np.array([this_machine_profile.predicted_s(profile, one) for one in checked]))
        words = f"{n_of(len(checked), 'case')} of networks that the fit has not met"
        profile = this_machine_profile.profile(machine, replace(fitted, held_out=check.mean, held_out_words=words), out)
    return Calibrated(machine, fitted, profile, notes, check, load)


def chosen_cases(request: Request) -> tuple[TimedNetwork, ...]:
    """The cases to time: those of the fit, then those of the check."""
    # The cases of the check share the rounds of the others: a machine that slows down slows both.
    foreign = FOREIGN_CHECKS if importlib.util.find_spec("timm") else ()
    return (*CASES, *((*CHECKS, *foreign) if request.check else ()))


def _measure(request: Request, tell: Tell, time_left: TimeLeft) -> tuple[Machine, tuple[Timed, ...], tuple[str, ...]]:
    """The machine, the cases of the check, and notes on sensors and clocks."""
    sensors = power_sensors.find()
    clocks = this_machine_clocks.find(gpu=request.torch_device == "cuda")
    for warning in this_machine_clocks.warnings(clocks):
        tell(Stage(warning, stays=True))
    tell(Stage("idle power" if sensors.used else "no sensor of power"))
    idle_w = energy.idle_w(sensors.used)
    chosen = chosen_cases(request)

    def after_visit(number: int, position: int, seconds: float) -> None:
        time_left.visited(position, seconds)
        done = f"training steps: round {number + 1} of {request.rounds}"
        tell(Stage(done, f"case {position + 1} of {len(chosen)}", time_left.left_s))

    with this_machine_clocks.Watch(clocks.found) as watch, energy.Meter(sensors.used) as meter:
        timings = step_timing.measure(chosen, request.torch_device, request.rounds, after_visit)
    tell(Stage("peak, copies, storage"))
    machine = Machine(
        name=request.name,
        title=request.title,
        device_class=request.device_class,
        processor=request.processor,
        torch_device=request.torch_device,
        threads=request.threads,
        timings=Timings(timings.timed[: len(CASES)], timings.first_step_s, timings.share),
        peak_flops_per_s=speeds.peak_flops_per_s(request.torch_device),
        copies=speeds.copies(request.torch_device),
        memory_bytes=_memory_bytes(request.torch_device),
        storage=speeds.storage_speed(request.folder),
        storage_kind=speeds.storage_kind(request.folder),
        storage_bytes=shutil.disk_usage(request.folder).total,
        idle_w=idle_w,
        full_w=meter.power_w,
        sensors=sensors.words,
        scope=sensors.scope,
        clocks=watch.records,
        power_mode=clocks.power_mode,
    )
    notes = (*sensors.notes, *meter.notes, *clocks.notes, *clock_records.unsteady(watch.records))
    return machine, timings.timed[len(CASES) :], notes


def _memory_bytes(device: TorchDevice) -> int:
    if device == "cuda":
        return int(torch.cuda.get_device_properties(0).total_memory)
    return int(psutil.virtual_memory().total)
