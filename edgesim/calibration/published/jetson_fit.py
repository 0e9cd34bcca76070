"""Costs and power of Jetsons, fitted to published steps at every clock, and their errors on what no fit has seen."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import nnls

from edgesim.calibration import gpu_fit
from edgesim.calibration.gpu_fit import NAMES, GpuFit, MeasuredClocks
from edgesim.calibration.measured_step import MeasuredStep
from edgesim.calibration.published import jetson_steps
from edgesim.calibration.published.jetson_steps import JetsonRun
from edgesim.calibration.published.profile_coefficients import SMALL_NETWORK, Value, operation
from edgesim.cost import gpu_steps
from edgesim.errors import EdgesimError
from edgesim.hardware.loading import DeviceProfile
from edgesim.hardware.power_setting import ClockShares, PowerByClocks, steps_hz
from edgesim.work import FloatArray

SETTINGS = 120
"""settings of the clocks of one workload that a fit takes; errors are over all of them"""
BUDGET_W = {"jetson-agx-xavier": 30.0, "jetson-tx2": 15.0}
"""power budgets of the highest named modes: the scale by which a device's power law is taken over to another"""
_PARTS = tuple(field.name for field in dataclasses.fields(PowerByClocks))


@dataclass(frozen=True)
class HeldOut:
    """Predictions of one workload on one device at M settings by fits that have not seen it."""

    run: JetsonRun
    times_s: FloatArray
    energies_j: FloatArray

    @property
    def time_errors(self) -> FloatArray:
        """[M] relative."""
        return self.times_s / self.run.times.times_s - 1

    @property
    def energy_errors(self) -> FloatArray:
        """[M] relative."""
        return self.energies_j / self.run.energies_j - 1

    @property
    def power_errors(self) -> FloatArray:
        """[M] relative."""
        measured_w = self.run.energies_j / self.run.times.times_s
        return self.energies_j / self.times_s / measured_w - 1

    @property
    def full(self) -> int:
        """Position of the highest clocks."""
        clocks = self.run.times.clocks
        return int(np.argmax(np.asarray(clocks.cpu) + np.asarray(clocks.gpu) + np.asarray(clocks.memory)))


@dataclass(frozen=True)
class JetsonFit:
    """Everything that is fitted to Jetsons."""

    runs: list[JetsonRun]
    single: list[MeasuredClocks]
    costs: GpuFit
    power: dict[str, PowerByClocks]
    """of the devices with measured energy"""
    held_out_workload: list[HeldOut]
    """each by fits without this workload on this device"""
    held_out_device: list[HeldOut]
    """each by fits without this device"""
    single_device_errors: FloatArray
    """[len(single)] relative errors of `single`, each by a fit without its device"""


def fit_jetsons(folder: Path, measured: list[MeasuredStep], profiles: Mapping[str, DeviceProfile]) -> JetsonFit:
    """Fit times and power, and hold out every workload on its device and every device.

    Args:
        folder: of the measurements.
        measured: training steps at one setting; those of Jetsons are used.
        profiles: by name, with clocks.

    Raises:
        EdgesimError: files that are missing or malformed.
    """
    runs = jetson_steps.at_many_clocks(folder, profiles)
    devices = list(dict.fromkeys(run.times.device.name for run in runs))
    for name in devices:
        _check(name, [run for run in runs if run.times.device.name == name])
    steps = [step for step in measured if step.model != SMALL_NETWORK]
    single = jetson_steps.at_one_setting(folder, steps, profiles)
    thin = [run.times.thinned(SETTINGS) for run in runs]
    costs = gpu_fit.fit([*thin, *single])
    power = {name: fit_power([run for run in runs if run.times.device.name == name], costs) for name in devices}
    by_workload, by_device = [], []
    for run in runs:
        seen = [one for one in thin if not _same_workload(one, run.times)]
        without = gpu_fit.fit([*seen, *(one for one in single if not _same_workload(one, run.times))])
        others = [r for r in runs if r.times.device == run.times.device and r.times.workload != run.times.workload]
        by_workload.append(_held_out(run, without, fit_power(others, without)))
    for name in devices:
        without = gpu_fit.fit([one for one in (*thin, *single) if one.device.name != name])
        law = transferred(name, {d: law for d, law in power.items() if d != name}, BUDGET_W[name])
        by_device += [_held_out(run, without, law) for run in runs if run.times.device.name == name]
    return JetsonFit(runs, single, costs, power, by_workload, by_device, _without_device(thin, single))


def _without_device(thin: Sequence[MeasuredClocks], single: Sequence[MeasuredClocks]) -> FloatArray:
    """[len(single)] relative errors, each by a fit without any step of its device."""
    names = {one.device.name for one in single}
    fits = {name: gpu_fit.fit([one for one in (*thin, *single) if one.device.name != name]) for name in names}
    predicted_s = [gpu_fit.predict(one, fits[one.device.name].of(one.device))[0] for one in single]
    return np.array(predicted_s) / np.array([one.times_s[0] for one in single]) - 1


def _same_workload(one: MeasuredClocks, other: MeasuredClocks) -> bool:
    """True for a network on a device, at whatever batch sizes: neither may help to predict the other."""
    return (one.device.name, one.workload) == (other.device.name, other.workload)


def _check(device: str, runs: Sequence[JetsonRun]) -> None:
    """Refuse a device that cannot be held out."""
    place = "jetson_training_dvfs.csv"
    if device not in BUDGET_W:
        raise EdgesimError(f"{place}: '{device}' has no power budget; add it to BUDGET_W of published/jetson_fit.py")
    if len({run.times.workload for run in runs}) < 2:
        raise EdgesimError(
            f"{place}: '{device}' has only one workload, whose power no other can predict; measure a second network"
        )


def held_out_steps(found: JetsonFit) -> FloatArray:
    """[len(found.single)] relative errors of the steps at one setting, each by a fit without its workload there."""
    thin = [run.times.thinned(SETTINGS) for run in found.runs]
    errors = []
    for one in found.single:
        others = [other for other in (*thin, *found.single) if not _same_workload(other, one)]
        predicted_s = gpu_fit.predict(one, gpu_fit.fit(others).of(one.device))
        errors.append(float(predicted_s[0] / one.times_s[0]) - 1)
    return np.array(errors)


def fit_power(runs: Sequence[JetsonRun], costs: GpuFit) -> PowerByClocks:
    """Power law of one device: least squares on relative error, no coefficient below 0.

    Args:
        runs: its workloads, each with the same weight.
        costs: its costs, for the GPU's work at the highest clocks.
    """
    rows = []
    for run in runs:
        clocks, times_s = run.times.clocks, run.times.times_s
        work_s = _work_s(run, costs)
        ones = np.ones_like(times_s)
        per_power = np.stack(
            [ones, clocks.memory, np.square(clocks.cpu), work_s / times_s, work_s / times_s * np.square(clocks.gpu)],
            axis=1,
        )
        rows.append(per_power / (run.energies_j / times_s)[:, None] / np.sqrt(len(times_s)))
    targets = np.concatenate([np.full(len(part), 1 / np.sqrt(len(part))) for part in rows])
    return PowerByClocks(*(float(watts) for watts in nnls(np.vstack(rows), targets)[0]))


def transferred(name: str, laws: Mapping[str, PowerByClocks], budget_w: float) -> PowerByClocks:
    """The power law of a device that was not measured: the mean of others, as shares of their budgets.

    Args:
        name: of the device, for which no law may be given.
        laws: of others.
        budget_w: of the device.
    """
    assert name not in laws
    shares = np.mean([[getattr(law, part) / BUDGET_W[d] for part in _PARTS] for d, law in laws.items()], axis=0)
    return PowerByClocks(*(float(budget_w * share) for share in shares))


def _work_s(run: JetsonRun, costs: GpuFit) -> FloatArray:
    return gpu_steps.times(run.times.work, costs.of(run.times.device), ClockShares()).gpu_s


def _held_out(run: JetsonRun, costs: GpuFit, law: PowerByClocks) -> HeldOut:
    times_s = gpu_fit.predict(run.times, costs.of(run.times.device))
    clocks = run.times.clocks
    energies_j = law.floor_at_w(clocks) * times_s + law.work_at_w(clocks) * _work_s(run, costs)
    return HeldOut(run, times_s, np.asarray(energies_j))


FIELDS = tuple(gpu_fit.FIELDS.values())


def coefficients(found: JetsonFit, profile: DeviceProfile) -> dict[str, Value]:
    """Field -> coefficient of one GPU device with clocks, measured or not."""
    device = jetson_steps.gpu_device(profile)
    logs = found.costs.logs(device)
    known = [one for one in (*(run.times for run in found.runs), *found.single) if one.device.name == profile.name]
    errors = [np.mean(np.abs(one.time_errors)) for one in found.held_out_workload if one.run.times.device == device]
    if known:
        names = ", ".join(dict.fromkeys(one.workload for one in known))
        source = f"least squares on published training steps ({names}); reports/calibration.md"
    else:
        source = (
            "those of a typical Jetson in the fit of published training steps, by the lanes of its multiprocessors; "
            "reports/calibration.md"
        )
    confidence = "derived" if errors else "estimate"
    error = float(np.mean(errors)) if errors else None
    values = {}
    for name, field in gpu_fit.FIELDS.items():
        cost = float(np.exp(logs[NAMES.index(name)]))
        if name == "dispatch" and "cpu" not in steps_hz(profile):
            values[field] = operation(profile)
        elif name in ("kernel", "dispatch"):
            cost /= device.gpu_hz if name == "kernel" else device.cpu_hz
            values[field] = Value(cost, confidence, source, error)
        else:
            values[field] = Value(1 / cost, confidence, source, error)
    return values | _power(found, profile)


def _power(found: JetsonFit, profile: DeviceProfile) -> dict[str, Value]:
    """Field -> coefficient of the power by clocks."""
    law = found.power.get(profile.name)
    if law is not None:
        errors = [np.mean(np.abs(one.power_errors)) for one in found.held_out_workload]
        mine = [e for e, one in zip(errors, found.held_out_workload, strict=True) if _device(one) == profile.name]
        source = "least squares on the published energy of training steps at every clock; reports/calibration.md"
        error = float(np.mean(mine))
        values = {f"power.{part}": Value(getattr(law, part), "derived", source, error) for part in _PARTS}
        lowest = ClockShares(**{clock: steps[0] / steps[-1] for clock, steps in steps_hz(profile).items()})
        top = "power by clocks at the highest clocks, with the GPU at work all the time"
        values["power.max_w"] = Value(float(law.most_w(ClockShares())), "derived", top)
        floor = "power by clocks at the lowest clocks, without the GPU's work: an upper bound on idle"
        values["power.idle_w"] = Value(float(law.floor_at_w(lowest)), "derived", floor)
        return values
    shares = np.mean([_above(each) for each in found.power.values()], axis=0)
    above_w = profile.power_w - profile.idle_w
    others = " and ".join(sorted(found.power))
    source = f"max_w - idle_w in the proportions of {others}; reports/calibration.md"
    values = {"power.floor_w": Value(profile.idle_w, "estimate", "idle_w")}
    for part, share in zip(_PARTS[1:], shares, strict=True):
        values[f"power.{part}"] = Value(float(share * above_w), "estimate", source)
    return values


def _device(one: HeldOut) -> str:
    return one.run.times.device.name


def _above(law: PowerByClocks) -> FloatArray:
    """[4] shares of what a law adds to its floor at the highest clocks."""
    parts = np.array([getattr(law, part) for part in _PARTS])[1:]
    return np.asarray(parts / parts.sum())
