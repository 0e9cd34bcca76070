"""Published training steps on Jetsons, as `calibration.gpu_fit` takes them: times and energies by clocks."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from torch import nn

from edgesim.calibration.gpu_fit import GpuDevice, MeasuredClocks
from edgesim.calibration.measured_step import CountedNetwork, MeasuredStep
from edgesim.cost import gpu_steps
from edgesim.cost.gpu_steps import KINDS, UPDATE_KERNELS, UPDATE_TOUCHES, GpuWork
from edgesim.errors import EdgesimError
from edgesim.hardware.loading import DeviceProfile
from edgesim.hardware.power_setting import CLOCKS, ClockShares, steps_hz
from edgesim.models.unfilled import unfilled
from edgesim.tasks import NetworkForm
from edgesim.work import FloatArray

PROFILES = {"Jetson AGX Xavier": "jetson-agx-xavier", "Jetson TX2": "jetson-tx2"}
"""devices of the files -> profiles"""
HARDWARE = {
    "jetson-nano": (128, 1473 / 1430),
    "jetson-tx2": (128, 1977 / 2000),
    "jetson-xavier-nx": (64, 2201 / 1890),
    "jetson-agx-xavier": (64, 2742 / 2250),
    "jetson-orin-nano": (128, 2153 / 1510),
    "jetson-orin-nx": (128, 3187 / 2200),
    "jetson-agx-orin": (128, 3187 / 2200),
    "tesla-t4": (64, 1.0),
}
"""profile -> FP32 lanes of a multiprocessor, by compute capability (CUDA C++ Programming Guide, arithmetic throughput);
and 7-zip's rating of one thread over the clock (ThomasKaiser/sbc-bench, Sorted-Results.md@09739cdd). The TX2's is that
of its A57 core in a Nano at 2 GHz, the Orin NX's that of the AGX Orin. A T4's host is not known; no cost follows from
it"""
LSTM = "LSTM 2x256 bidirectional, emb 100"
_ADAM, _SGD = 2, 0
_NUMBER_BYTES = 4
_COLUMNS = {"cpu": ("cpu_khz", 1e3), "gpu": ("gpu_hz", 1.0), "memory": ("emc_hz", 1.0)}
TX2_DEFAULT = ClockShares(cpu=1.0, gpu=1122e6 / 1300.5e6, memory=1600e6 / 1866e6)
"""clocks of the TX2's mode after flashing (Max-P ARM); the source of tx2_steps.csv names no mode"""
T = TypeVar("T")
_LAST_STEP = "4"
"""of tx2_steps.csv: cut off by the end of its trace"""


@dataclass(frozen=True)
class JetsonRun:
    """One workload on one device at many clocks."""

    times: MeasuredClocks
    energies_j: FloatArray
    """[M] per step"""


def gpu_device(profile: DeviceProfile) -> GpuDevice:
    """Nominal numbers of a profile with clocks.

    Raises: EdgesimError where HARDWARE does not have the profile.
    """
    if profile.name not in HARDWARE:
        known = ", ".join(HARDWARE)
        raise EdgesimError(
            f"profile '{profile.name}' is not in HARDWARE of calibration/published/jetson_steps.py ({known}); "
            "add the FP32 lanes of its multiprocessors and its processor's work per cycle"
        )
    highest = {clock: steps[-1] for clock, steps in steps_hz(profile).items()}
    peak, bandwidth = profile.compute.peak_fp32_flops_per_s.value, profile.memory.bandwidth_bytes_per_s.value
    return GpuDevice(profile.name, peak, bandwidth, highest["gpu"], highest.get("cpu", np.nan), *HARDWARE[profile.name])


def at_many_clocks(folder: Path, profiles: Mapping[str, DeviceProfile]) -> list[JetsonRun]:
    """The workloads of `jetson_training_dvfs.csv`.

    Raises:
        EdgesimError: no such file, or a row without a number where one must be.
    """
    rows: dict[tuple[str, str, int], list[list[float]]] = {}
    columns = [column for column, _ in _COLUMNS.values()] + ["time_per_minibatch_s", "energy_per_minibatch_j"]
    for row in _rows(folder / "jetson_training_dvfs.csv"):
        device = _known(row, "device", PROFILES)
        if row["model"] != LSTM:
            _known(row, "model", NETWORKS)
        key = device, row["model"], int(_number(row, "batch_size"))
        rows.setdefault(key, []).append([_number(row, column) for column in columns])
    found = []
    for (device, model, batch_size), numbers in rows.items():
        table = np.array(numbers)
        highest = {clock: steps[-1] for clock, steps in steps_hz(profiles[device]).items()}
        shares = {clock: table[:, i] * _COLUMNS[clock][1] / highest[clock] for i, clock in enumerate(CLOCKS)}
        work = _work(model, batch_size)
        steps = MeasuredClocks(gpu_device(profiles[device]), model, work, ClockShares(**shares), table[:, 3])
        found.append(JetsonRun(steps, table[:, 4]))
    return found


def at_one_setting(
    folder: Path, measured: list[MeasuredStep], profiles: Mapping[str, DeviceProfile]
) -> list[MeasuredClocks]:
    """Steps of Jetsons that were measured at one setting: those of `measured`, and of `tx2_steps.csv`.

    The latter are TensorFlow's. Its source splits off the time of kernel launches, which is nearly none of a step.
    """
    found = []
    for one in measured:
        if profiles[one.device].clocks is not None:
            device, work = gpu_device(profiles[one.device]), _counted(one.network, one.batch_size, _SGD)
            full = ClockShares(*np.ones((3, 1)))
            found.append(MeasuredClocks(device, one.model, work, full, np.array([one.time_s])))
    times_s: dict[tuple[str, int], list[float]] = {}
    for row in _rows(folder / "tx2_steps.csv"):
        if row["step"] != _LAST_STEP:
            _known({**row, "model": f"TensorFlow {row['model']}"}, "model", NETWORKS)
            key = row["model"], int(_number(row, "batch_size"))
            times_s.setdefault(key, []).append(_number(row, "step_time_ms") / 1e3)
    for (model, batch_size), steps_s in times_s.items():
        work = _counted(_network(f"TensorFlow {model}"), batch_size, _SGD)
        shares = ClockShares(*(np.array([share]) for share in (TX2_DEFAULT.cpu, TX2_DEFAULT.gpu, TX2_DEFAULT.memory)))
        device = gpu_device(profiles["jetson-tx2"])
        found.append(MeasuredClocks(device, f"TensorFlow {model}", work, shares, np.array([np.median(steps_s)]), False))
    return found


def _work(model: str, batch_size: int) -> GpuWork:
    return lstm_work(batch_size) if model == LSTM else _counted(_network(model), batch_size, _ADAM)


def _counted(network: CountedNetwork, batch_size: int, optimizer_states: int) -> GpuWork:
    return gpu_steps.work("train", np.array([float(batch_size)]), network.workload(), optimizer_states)


def lstm_work(
    batch_size: int, steps: int = 160, embedding: int = 100, hidden: int = 256, words: int = 25_002
) -> GpuWork:
    """The LSTM of the measurements, as cuDNN runs it: two layers in two directions, and an embedding, with Adam.

    One cell is a product with the recurrent weights and one kernel for its gates; products with the input are of all
    time steps at once. The weights are read again in every cell, forward and backward.
    """
    cells = steps * 4
    inputs = (embedding, 2 * hidden)
    gates = 4 * hidden
    flops = 3 * batch_size * steps * 2 * 2.0 * sum(width * gates + hidden * gates for width in inputs)
    work = GpuWork(*(np.zeros((1, len(KINDS))) for _ in range(3)))
    recurrent, elementwise, update = (KINDS.index(kind) for kind in ("recurrent", "elementwise", "update"))
    work.flops[0, recurrent] = flops
    work.moved_bytes[0, recurrent] = 2 * cells * hidden * gates * _NUMBER_BYTES
    work.kernels[0, recurrent] = 4 * cells
    # The gates and states that a cell's kernels read and write.
    work.moved_bytes[0, elementwise] = 2 * cells * batch_size * hidden * _NUMBER_BYTES * 12
    weights = words * embedding + 2 * sum((width + hidden + 2) * gates for width in inputs) + 2 * (2 * hidden + 1)
    tensors = 1 + 4 * 4 + 2
    work.moved_bytes[0, update] = weights * _NUMBER_BYTES * UPDATE_TOUCHES[_ADAM]
    work.kernels[0, update] = tensors * UPDATE_KERNELS[_ADAM]
    return work


def _network(model: str) -> CountedNetwork:
    name, shape, classes = NETWORKS[model]
    return CountedNetwork(model, NetworkForm(shape, classes), _builder(name, shape, classes))


def _builder(name: str, shape: tuple[int, int, int], classes: int) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        import timm  # optional: only the fit needs it

        options: dict[str, Any] = {"img_size": shape[1]} if name.startswith("vit") else {}
        with unfilled():
            module: nn.Module = timm.create_model(name, num_classes=classes, in_chans=shape[0], **options)
        return module

    return build


NETWORKS = {
    "torchvision resnet50 (200 classes)": ("resnet50", (3, 224, 224), 200),
    "vit_b16 (img 32, patch 16)": ("vit_base_patch16_224", (3, 32, 32), 10),
    "TensorFlow resnet50": ("resnet50", (3, 224, 224), 1000),
    "TensorFlow vgg16": ("vgg16", (3, 224, 224), 1000),
    "TensorFlow mobilenetv2": ("mobilenetv2_100", (3, 224, 224), 1000),
    "TensorFlow vit_b16": ("vit_base_patch16_224", (3, 224, 224), 1000),
}
"""published name -> timm's, the shape of a sample, classes"""


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise EdgesimError(f"{path} cannot be read: {error.strerror}; give the folder of the measurements") from None
    return [{**row, "": f"{path}:{line}"} for line, row in enumerate(csv.DictReader(text.splitlines()), start=2)]


def _known(row: dict[str, str], column: str, table: Mapping[str, T]) -> T:
    """What a table of this module holds for a row's name."""
    name = row.get(column) or ""
    if name not in table:
        known = ", ".join(table)
        raise EdgesimError(
            f"{row['']}: {column} '{name}' is not in the tables of calibration/published/jetson_steps.py; "
            f"add it there, or use one of: {known}"
        )
    return table[name]


def _number(row: dict[str, str], column: str) -> float:
    try:
        return float(row[column])
    except (KeyError, ValueError):
        raise EdgesimError(f"{row['']}: {column} must be a number; got {row.get(column)!r}") from None
