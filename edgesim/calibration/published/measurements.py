"""Published measurements of training steps and of matrix products, read from CSV files."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from edgesim.calibration.measured_step import MeasuredStep
from edgesim.calibration.published.published_networks import network
from edgesim.errors import EdgesimError
from edgesim.hardware import loading

PROFILES = {
    "Raspberry Pi 4B": "raspberry-pi-4b",
    "Raspberry Pi 5 8GB": "raspberry-pi-5",
    "Jetson Nano 4GB": "jetson-nano",
    "Jetson Nano": "jetson-nano",
    "Jetson AGX Xavier": "jetson-agx-xavier",
    "Jetson Xavier NX 8GB": "jetson-xavier-nx",
    "Nexus 6": "nexus-6",
    "Redmi Note 8": "redmi-note-8",
    "Galaxy Note10": "galaxy-note10",
}
"""the devices as the files name them -> profiles"""


@dataclass(frozen=True)
class Product:
    """One measured FP32 product of two n x n matrices on a GPU."""

    device: str
    """name of the profile"""
    clock_hz: float
    n: int
    flops_per_s: float
    peak_flops_per_s: float
    """at this clock"""
    power_w: float
    """mean, at the wall"""


@dataclass(frozen=True)
class LeftOut:
    """A measurement that cannot be used, and why."""

    device: str
    model: str
    reason: str


def folder() -> Path:
    """Folder of the measurements that come with edgesim; its README names their sources."""
    return loading.folder() / "measurements"


def steps(folder: Path) -> tuple[list[MeasuredStep], list[LeftOut]]:
    """The rows of `training_measurements.csv` in `folder`: those that can be used, and the others.

    Raises:
        EdgesimError: no such file, or a row without a number where one must be.
    """
    used: list[MeasuredStep] = []
    left_out: list[LeftOut] = []
    for line, row in _rows(folder / "training_measurements.csv"):
        device, model = row["device"], row["model"]
        if device not in PROFILES:
            left_out.append(LeftOut(device, model, "no profile of this device"))
        elif not row["ms_per_minibatch"]:
            left_out.append(LeftOut(device, model, "no time per step"))
        elif (found := network(model, row["input_shape"])) is None:
            left_out.append(LeftOut(device, model, "no network of this name in the installed timm"))
        else:
            time_s = _number(row, "ms_per_minibatch", line) / 1e3
            batch_size = int(_number(row, "batch_size", line))
            doubtful = "doubtful" in (row.get("caveat") or "")
            used.append(
                MeasuredStep(PROFILES[device], model, found, batch_size, time_s, row["framework"], doubtful=doubtful)
            )
    return used, left_out


def products(folder: Path) -> list[Product]:
    """The rows of `gemm_dvfs.csv` in `folder`. Raises as `steps`."""
    return [
        Product(
            device=PROFILES[row["device"]],
            clock_hz=_number(row, "gpu_mhz", line) * 1e6,
            n=int(_number(row, "n", line)),
            flops_per_s=_number(row, "measured_gflops", line) * 1e9,
            peak_flops_per_s=_number(row, "peak_fp32_gflops", line) * 1e9,
            power_w=_number(row, "mean_wall_w", line),
        )
        for line, row in _rows(folder / "gemm_dvfs.csv")
    ]


def _rows(path: Path) -> list[tuple[str, dict[str, str]]]:
    """Every row with its place for messages."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise EdgesimError(f"{path} cannot be read: {error.strerror}; give the folder of the measurements") from None
    rows = csv.DictReader(text.splitlines())
    return [(f"{path}:{number}", row) for number, row in enumerate(rows, start=2)]


def _number(row: dict[str, str], column: str, line: str) -> float:
    try:
        return float(row[column])
    except (KeyError, ValueError):
        raise EdgesimError(f"{line}: {column} must be a number; got {row.get(column)!r}") from None
