"""Costs of the GPU of this machine by the law of `cost.gpu_steps`, fitted to its own steps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgesim.calibration import gpu_fit
from edgesim.calibration.gpu_fit import FIELDS, NAMES, GpuDevice, MeasuredClocks
from edgesim.calibration.step_timing import Timed
from edgesim.calibration.this_machine_profile import HostFit, Machine
from edgesim.cost import gpu_steps
from edgesim.hardware.power_setting import ClockShares

_GPU_HZ, _CPU_HZ = 1e9, 2e9
"""clocks where none can be read: only the priors on cycles depend on them"""


def fit_costs(machine: Machine) -> HostFit:
    """Fit the costs to the measured steps, all at the clocks of the measurement.

    Args:
        machine: with two cases or more that a GPU ran.
    """
    clocks = {record.name: record.most_hz for record in machine.clocks}
    peak, bandwidth = machine.peak_flops_per_s, machine.copies.fastest_bytes_per_s
    device = GpuDevice("host", peak, bandwidth, clocks.get("gpu", _GPU_HZ), clocks.get("cpu", _CPU_HZ))
    steps = [_measured(one, device) for one in machine.timings.timed]
    logs = gpu_fit.fit(steps).devices[device.name]
    nominal = {"compute": 1 / peak, "memory": 1 / bandwidth}
    costs = {}
    for name, field in FIELDS.items():
        per = {"kernel": 1 / device.gpu_hz, "dispatch": 1 / device.cpu_hz}.get(name, nominal[field.split(".")[0]])
        costs[field] = float(np.exp(logs[NAMES.index(name)])) * per
    found = gpu_fit.costs(device, logs)
    errors = np.array([gpu_fit.predict(one, found)[0] / one.times_s[0] - 1 for one in steps])
    return HostFit(costs, errors, _held_out(steps, device), "each case left out in turn")


def _measured(one: Timed, device: GpuDevice) -> MeasuredClocks:
    step = one.step("host")
    sizes = np.array([float(step.batch_size)])
    work = gpu_steps.work("train", sizes, step.network.workload(), step.optimizer_states)
    return MeasuredClocks(device, one.case.name, work, ClockShares(*np.ones((3, 1))), np.array([step.time_s]))


def _held_out(steps: Sequence[MeasuredClocks], device: GpuDevice) -> float:
    """Mean absolute relative error of each case by a fit of the others."""
    errors = []
    for i, one in enumerate(steps):
        costs = gpu_fit.fit([*steps[:i], *steps[i + 1 :]]).of(device)
        errors.append(abs(gpu_fit.predict(one, costs)[0] / one.times_s[0] - 1))
    return float(np.mean(errors))
