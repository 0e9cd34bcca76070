"""The machine's own calibration: sensors by hand, a fit of known costs, short real measurements."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from edgesim.calibration import (
    energy,
    fit,
    operation_times,
    power_sensors,
    speeds,
    step_timing,
    this_machine,
    this_machine_gpu,
    this_machine_page,
    this_machine_profile,
)
from edgesim.calibration.clock_records import ClockRecord
from edgesim.calibration.energy import Meter, Sensor, mean_w
from edgesim.calibration.speeds import Copies, StorageSpeed
from edgesim.calibration.step_timing import Timed, TimedNetwork, Timings
from edgesim.calibration.this_machine import CASES, CHECKS, Check
from edgesim.calibration.this_machine_profile import Machine
from edgesim.calibration.time_left import Stage
from edgesim.cli.app import with_commands
from edgesim.cost.steps import TERMS
from edgesim.errors import EdgesimError
from edgesim.formatting import number
from edgesim.hardware import loading

PEAK_FLOPS_PER_S, BANDWIDTH_BYTES_PER_S = 1e11, 5e10
_COSTS = {
    **{"convolution": 2e-11, "pointwise": 3e-11, "depthwise": 1e-10, "matmul": 1.5e-11},
    **{"activation": 1e-10, "operand": 2e-10, "weight": 1e-10, "update": 5e-11},
    **{"convolution_weight": 5e-10, "cramped_weight": 1e-9},
    **{"operation": 2e-5, "convolution_operation": 1e-4, "channel": 5e-9, "cramped_channel": 1e-7},
}
TRUE = np.array([_COSTS.get(term, 0.0) for term in TERMS])
"""a machine's costs, in the order of TERMS"""


def put(folder: Path, **files: str | float) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(f"{text}\n")


def timed(case: TimedNetwork, costs: np.ndarray, noise: float = 0.0, seed: int = 0) -> Timed:
    """Steps of a machine with these costs."""
    step = Timed(case, (np.ones(1),)).step("host")
    of_parts = operation_times.part_features(step.network.workload(), step.batch_size, step.optimizer_states)
    seconds = {part: float(row @ costs) for part, row in of_parts.items()}
    whole = fit.features(step) @ costs
    shares = {part: s / whole for part, s in seconds.items()}
    return Timed(case, (whole * np.random.default_rng(seed).normal(1, noise, 20),), shares)


def machine(
    cases: Sequence[Timed],
    idle_w: float | None = None,
    full_w: float | None = None,
    clocks: tuple[ClockRecord, ...] = (),
) -> Machine:
    return Machine(
        name="bench",
        title="A made-up machine",
        device_class="edge-box",
        processor="2 made-up cores",
        torch_device="cpu",
        threads=1,
        timings=Timings(tuple(cases), 0.25, 1.0),
        peak_flops_per_s=PEAK_FLOPS_PER_S,
        copies=Copies(BANDWIDTH_BYTES_PER_S, 1e10, 1 << 28),
        memory_bytes=8 * 10**9,
        storage=StorageSpeed(5e8, 2e8, True, "O_DIRECT", 1 << 27),
        storage_kind="ext4 on disk",
        storage_bytes=10**11,
        idle_w=idle_w,
        full_w=full_w,
        sensors="RAPL package-0",
        scope="processor",
        clocks=clocks,
    )


@pytest.fixture(scope="module")
def cases() -> list[Timed]:
    return [timed(case, TRUE) for case in CASES]


# Sensors


def test_a_counter_that_wraps_around_by_hand() -> None:
    counter = Sensor("RAPL package-0", "j", lambda: 0.0, wraps_at_j=100.0)
    # 90 -> 98 -> 6 (8 more: 100 - 98 + 6) -> 16: 8 + 8 + 10 J in 4 s
    assert mean_w(np.array([0.0, 1, 2, 4]), np.array([90.0, 98, 6, 16]), counter) == pytest.approx(26 / 4)


def test_watts_are_averaged_over_time_and_not_over_readings() -> None:
    gauge = Sensor("INA VDD_IN", "w", lambda: 0.0)
    # 10 W for 1 s, then a line to 20 W in 1 s, then 20 W for 8 s: (10 + 15 + 160) J in 10 s
    assert mean_w(np.array([0.0, 1, 2, 10]), np.array([10.0, 10, 20, 20]), gauge) == pytest.approx(18.5)


def test_rapl_takes_packages_and_memory_but_no_parts(tmp_path: Path) -> None:
    powercap = tmp_path / "class" / "powercap"
    for folder, name, value in (
        ("intel-rapl:0", "package-0", 5_000_000),
        ("intel-rapl:0:0", "core", 3_000_000),
        ("intel-rapl:0:1", "dram", 1_500_000),
        ("intel-rapl:1", "package-1", 7_000_000),
    ):
        put(powercap / folder, name=name, energy_uj=value, max_energy_range_uj=262_143_328_850)
    found = power_sensors.find(tmp_path)
    assert found.words == "RAPL package-0 + RAPL dram + RAPL package-1"
    assert [sensor.read() for sensor in found.used] == pytest.approx([5, 1.5, 7])
    assert found.scope == "processor"
    assert found.used[0].wraps_at_j == pytest.approx(262_143.32885)
    put(powercap / "intel-rapl:2", name="psys", energy_uj=9_000_000, max_energy_range_uj=10**9)
    whole = power_sensors.find(tmp_path)
    assert (whole.words, whole.scope) == ("RAPL psys", "device")  # the whole platform holds the packages


def test_a_machine_without_sensors_has_no_power(tmp_path: Path) -> None:
    found = power_sensors.find(tmp_path)
    assert (found.used, found.words, found.scope) == ((), "", None)
    assert energy.idle_w(found.used) is None
    with Meter(found.used) as meter:
        pass
    assert meter.power_w is None


class MadeUpNvml:
    """Two GPUs; the second is too old to count its energy."""

    class NVMLError(Exception):
        pass

    def nvmlInit(self) -> None: ...

    def nvmlDeviceGetCount(self) -> int:
        return 2

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: int) -> int:
        if handle == 1:
            raise self.NVMLError("not supported")
        return 123_456

    def nvmlDeviceGetPowerUsage(self, handle: int) -> int:
        return 31_000


def test_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", MadeUpNvml())  # type: ignore[arg-type]
    sensors = power_sensors.find(tmp_path)
    assert sensors.scope == "card"
    found = sensors.used
    assert [(s.name, s.unit, s.read()) for s in found] == [("NVML GPU 0", "j", 123.456), ("NVML GPU 1", "w", 31.0)]


def test_the_meter_adds_sensors_up() -> None:
    readings = iter(range(1000))
    counter = Sensor("a", "j", lambda: 3.0 * next(readings))
    gauge = Sensor("b", "w", lambda: 2.0)
    with Meter((counter, gauge)) as meter:
        pass
    assert meter.power_w is not None
    assert meter.power_w > 2.0  # 2 W and what the counter gained
    only = Meter((gauge,))
    with only:
        pass
    assert only.power_w == pytest.approx(2.0)


# Fit and profile


@pytest.fixture(scope="module")
def fitted(cases: list[Timed]) -> this_machine_profile.HostFit:
    return this_machine_profile.fit_costs(tuple(cases), PEAK_FLOPS_PER_S, BANDWIDTH_BYTES_PER_S)


def test_known_costs_predict_networks_that_were_not_fitted(fitted: this_machine_profile.HostFit) -> None:
    assert np.abs(fitted.errors).max() < 0.005
    for check in CHECKS:
        one = timed(check, TRUE)
        costs = np.array([fitted.costs.get(fit.field_of(term), 0.0) for term in TERMS])
        assert fit.features(one.step("host")) @ costs == pytest.approx(one.step_s, rel=0.02), check.name
    assert fitted.held_out < 0.02


def test_the_written_profile_prices_as_the_fit_does(
    cases: list[Timed], fitted: this_machine_profile.HostFit, tmp_path: Path
) -> None:
    device = this_machine_profile.profile(machine(cases, 11.0, 42.0), fitted, tmp_path / "bench.yaml")
    assert device == loading.load(tmp_path / "bench.yaml")
    convolution = device.compute.convolution_efficiency
    assert convolution is not None
    assert (convolution.confidence, convolution.relative_error is None) == ("measured", False)
    assert (device.idle_w, device.power_w, device.power.max_w.confidence) == (11.0, 42.0, "measured")
    assert (device.software, device.power.scope) == ("PyTorch", "processor")  # RAPL sees packages
    assert device.power.overhead_activity is None  # the mean of training holds it
    assert device.compute.first_step_s is not None
    assert device.compute.first_step_s.value == 0.25
    for check in CHECKS[:3]:
        one = timed(check, TRUE)
        assert this_machine_profile.predicted_s(device, one) == pytest.approx(one.step_s, rel=0.02)


def test_power_without_sensors_is_an_estimate_of_a_named_device(
    cases: list[Timed], fitted: this_machine_profile.HostFit, tmp_path: Path
) -> None:
    bench = machine(cases)
    device = this_machine_profile.profile(bench, fitted, tmp_path / "bench.yaml")
    near = this_machine_profile.nearest(bench)
    assert near.device_class == "edge-box"
    assert near.name in loading.names()
    assert (device.idle_w, device.power_w) == pytest.approx((near.idle_w, near.power_w), rel=1e-3)
    assert device.power.max_w.confidence == "estimate"
    assert near.title in device.power.max_w.source
    assert device.power.scope == near.power.scope
    assert device.power.overhead_activity.value == near.power.overhead_activity.value < 1


def test_clocks_of_the_measurement_go_into_the_profile_and_onto_the_page(
    cases: list[Timed], fitted: this_machine_profile.HostFit, tmp_path: Path
) -> None:
    """A Jetson in a mode that keeps its GPU below its highest step; the memory's steps are not listed."""
    records = (
        ClockRecord("gpu", 6.75e8, 6.75e8, 6.75e8, "devfreq 17000000.gpu", (1e8, 6.75e8, 1.3e9, 1.377e9)),
        ClockRecord("memory", 1.6e9, 1.6e9, 1.6e9, "debug files"),
    )
    bench = dataclasses.replace(
        machine(cases, 5.0, 20.0, records), device_class="jetson-gpu", torch_device="cuda", power_mode="MODE_15W"
    )
    device = this_machine_profile.profile(bench, fitted, tmp_path / "bench.yaml")
    assert device.clocks is not None
    assert device.clocks.gpu_hz.value == (1e8, 6.75e8)  # coefficients hold at the highest
    assert device.clocks.gpu_hz.note == "2 higher steps left out: nothing was measured there"
    assert device.clocks.memory_hz.value == (1.6e9,)
    assert device.clocks.cpu_hz is None
    words = "GPU 675 MHz, memory 1.6 GHz, nvpmodel mode MODE_15W"
    assert device.note == f"Measured at these clocks: {words}."
    assert device.compute.peak_fp32_flops_per_s.source.count(words) == 1
    page = this_machine_page.page([this_machine.Calibrated(bench, fitted, device, (), None, 0.0)], "edgesim calibrate")
    assert f"Clocks while the steps were timed: {words}. Power: RAPL package-0, covering the processor." in page
    # Without the memory's clock there is no such section, and the note says what is known.
    alone = dataclasses.replace(bench, clocks=records[:1], power_mode=None)
    without = this_machine_profile.document(alone, fitted)
    assert "clocks" not in without
    assert without["note"] == "Measured at these clocks: GPU 675 MHz."


def test_a_gpus_steps_are_fitted_by_the_law_that_prices_them(tmp_path: Path) -> None:
    """Steps of a made-up GPU, whose costs are those of a shipped profile."""
    truth = loading.load("jetson-xavier-nx")

    def of_gpu(case: TimedNetwork) -> Timed:
        one = Timed(case, (np.ones(1),))
        return Timed(case, (np.array([this_machine_profile.predicted_s(truth, one)]),))

    peak, bandwidth = truth.compute.peak_fp32_flops_per_s.value, truth.memory.bandwidth_bytes_per_s.value
    bench = dataclasses.replace(
        machine([of_gpu(case) for case in CASES[::3]], 5.0, 15.0),
        device_class="jetson-gpu",
        torch_device="cuda",
        peak_flops_per_s=peak,
        copies=Copies(bandwidth, 0.8 * bandwidth, 1 << 28),
    )
    found = this_machine_gpu.fit_costs(bench)
    assert np.abs(found.errors).mean() < 0.05
    assert np.abs(found.errors).mean() < found.held_out < 0.15
    device = this_machine_profile.profile(bench, found, tmp_path / "bench.yaml")
    for one, error in zip(bench.timings.timed, found.errors, strict=True):
        assert this_machine_profile.predicted_s(device, one) / one.step_s - 1 == pytest.approx(error, abs=0.01)
    for check in CHECKS:
        one = of_gpu(check)
        assert this_machine_profile.predicted_s(device, one) == pytest.approx(one.step_s, rel=0.2), check.name


def test_errors_of_a_check_by_hand_and_on_the_page(cases: list[Timed], fitted: this_machine_profile.HostFit) -> None:
    foreign = Timed(TimedNetwork("timm:some", (3, 32, 32), 8), (np.array([0.2]),))
    check = Check((cases[0], foreign), np.array([1.1 * cases[0].step_s, 0.15]))
    assert check.errors == pytest.approx([0.1, -0.25])
    assert check.mean == pytest.approx(0.175)
    assert check.foreign.tolist() == [False, True]
    found = this_machine.Calibrated(machine(cases), fitted, loading.load("intel-n100"), ("a note",), check, 0.5)
    page = this_machine_page.page([found], "edgesim calibrate")
    assert "Repeated" not in page
    assert "Load of the machine just before: 0.5 on" in page
    assert "- a note" in page
    assert (
        "Mean absolute error 17.5 % (n = 2 cases; median 17.5 %, largest 25.0 %). The goal of 10 % is not reached."
        in page
    )
    assert "Networks of the table of models: 10.0 % (n = 1)" in page
    assert "| timm:some, 3x32x32 | 8 | 1 | 200 | +0 % | 150 | -25 % |" in page


# Real measurements, of what they consist of and not how long they take


def test_steps_are_timed_in_rounds() -> None:
    seen: list[tuple[int, int]] = []
    chosen = (*step_timing.cases("mlp", (1, 8, 8), (4, 8), ("hidden", (16,))), TimedNetwork("small-cnn", (1, 8, 8), 4))
    with step_timing.threads(1):
        found = step_timing.measure(chosen, "cpu", rounds=2, after_visit=lambda *visit: seen.append(visit[:2]))
    assert seen == [(number, position) for number in range(2) for position in range(3)]
    assert [one.case for one in found.timed] == list(chosen)
    for one in found.timed:
        assert 2 * 2 <= len(one.times_s) <= 2 * 10
        assert one.step_s > 0
    assert chosen[0].name == chosen[1].name == "mlp, hidden 16, 1x8x8"
    assert found.first_step_s >= 0


def test_the_fastest_visit_gives_a_cases_time() -> None:
    one = Timed(CASES[0], (np.array([4.0, 1.0, 9.0]), np.array([3.0, 1.0])))
    assert (one.step_s, one.spread) == (2.0, 1.0)  # medians 4 and 2; the upper quartile of all is 4


def test_storage_leaves_no_file_and_says_how_it_read(tmp_path: Path) -> None:
    found = speeds.storage_speed(tmp_path, file_bytes=3 << 20)
    assert found.file_bytes == 3 << 20
    assert found.read_bytes_per_s > 0
    assert found.write_bytes_per_s > 0
    assert found.how
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_in_memory_is_not_called_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = SimpleNamespace(mountpoint=str(tmp_path), fstype="tmpfs", device="tmpfs")
    monkeypatch.setattr(speeds.psutil, "disk_partitions", lambda all: [part])
    monkeypatch.delattr(speeds.os, "O_DIRECT", raising=False)
    assert speeds.storage_kind(tmp_path) == "tmpfs on tmpfs"
    assert not speeds.storage_speed(tmp_path, file_bytes=1 << 20).past_cache


def test_columns_and_costs_of_these_tests_agree() -> None:
    assert np.all((TRUE > 0) == [term in this_machine_profile.FITTED for term in TERMS])
    least = fit.lowest(PEAK_FLOPS_PER_S, BANDWIDTH_BYTES_PER_S)
    assert np.all(least[TRUE > 0] <= TRUE[TRUE > 0])


def test_parts_add_up_to_the_step() -> None:
    for case in (CASES[0], CHECKS[3], CHECKS[8]):
        step = Timed(case, (np.ones(1),)).step("host")
        of_parts = operation_times.part_features(step.network.workload(), step.batch_size, step.optimizer_states)
        assert sum(of_parts.values()) == pytest.approx(fit.features(step))


def test_shares_by_hand() -> None:
    """Two timed steps; the shorter time of each part counts, and what an ordinary step has besides is the rest's."""
    steps_s = [{"matmul": 0.3, "update": 0.1, "rest": 9.0}, {"matmul": 0.2, "update": 0.2}]
    found = operation_times.shares(steps_s, 0.5)
    assert found == pytest.approx({"matmul": 0.4, "update": 0.2, "rest": 0.4})
    slow = operation_times.shares(steps_s, 0.25)
    assert slow["rest"] == pytest.approx(1 - 0.8 - 0.4)
    # medians 0.6, 0.3 and 0.1, over their sum
    middle = operation_times.middle([found, slow, {"matmul": 0.6, "update": 0.3, "rest": 0.1}])
    assert middle == pytest.approx({"matmul": 0.6, "update": 0.3, "rest": 0.1})


def test_the_stopwatch_tells_parts_apart() -> None:
    ticks = iter(np.arange(0.0, 1000.0))
    with operation_times.Stopwatch(lambda: float(next(ticks))) as watch:
        a = torch.zeros(4, 4)
        b = a @ a
        c = b + a
        torch.nn.functional.conv2d(c.reshape(1, 1, 4, 4), torch.zeros(1, 1, 3, 3))
        c.view(16)
    # zeros and the sum, one second each; views move nothing and still take their time
    assert watch.seconds["matmul"] == 1.0
    assert watch.seconds["convolution"] == 1.0
    assert watch.seconds["rest"] >= 2.0


def test_short_parts_are_not_fitted() -> None:
    case = CASES[0]
    step = Timed(case, (np.ones(1),)).step("host")
    sizes = (step.network.workload(), step.batch_size, step.optimizer_states)
    rows, times_s = operation_times.timed_rows(
        *sizes, 2.0, {"matmul": 0.5, "update": 0.01, "rest": 0.49, "depthwise": 0.1}
    )
    assert times_s == pytest.approx([1.0, 0.98])  # the update is too short, and nothing here is depthwise
    assert rows.shape == (2, len(TERMS))


def test_a_small_calibration_from_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = (*step_timing.cases("mlp", (1, 8, 8), (4, 32), ("hidden", (16,))), TimedNetwork("small-cnn", (1, 8, 8), 8))
    monkeypatch.setattr(this_machine, "CASES", small)
    monkeypatch.setattr(this_machine, "CHECKS", (TimedNetwork("mlp", (1, 8, 8), 16, (("hidden", (32,)),)),))
    monkeypatch.setattr(this_machine, "FOREIGN_CHECKS", ())
    wanted = this_machine.Request("mine", "Mine", "a processor", "laptop", "cpu", 1, tmp_path, check=True, rounds=1)
    told: list[Stage] = []
    sessions = this_machine.calibrate(wanted, tmp_path / "mine.yaml", told.append, sessions=2)
    assert len(sessions) == 2
    found = sessions[-1]
    assert len({one.machine.timings.first_step_s for one in sessions}) == 1  # a process has one
    assert found.profile == loading.load(tmp_path / "mine.yaml")
    assert found.profile.device_class == "laptop"
    assert found.profile.clocks is None  # a processor has no such section
    assert found.check is not None
    assert len(found.check.errors) == 1
    convolution = found.profile.compute.convolution_efficiency
    assert convolution is not None
    assert convolution.relative_error == pytest.approx(found.check.mean, rel=0.01)
    assert 0 < found.profile.compute.training_utilisation.value <= 1
    assert found.profile.memory.bandwidth_bytes_per_s.value >= found.profile.bandwidth_bytes_per_s
    steps = [stage for stage in told if "training steps" in stage.doing]
    assert [stage.detail for stage in steps] == [f"case {i} of 4" for i in (1, 2, 3, 4)] * 2
    assert steps[0].doing == "session 1 of 2: training steps: round 1 of 1"
    assert [stage.left_s is None for stage in steps] == [True] * 3 + [False] * 5
    assert steps[-1].left_s == 0
    page = this_machine_page.page(sessions, "edgesim calibrate --check --repeats 2")
    assert "mlp, hidden 32, 1x8x8" in page
    assert "2 sessions, one after another" in page
    peaks = [one.machine.peak_flops_per_s for one in sessions]
    assert f"| peak in FP32 | GFLOP/s | {number(float(np.median(peaks)) / 1e9, 3)} |" in page


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--class", "phones"), "phone"),
        (("--class", "jetson-gpu", "--torch-device", "cpu"), "priced as a GPU's, and torch trains on cpu"),
        (("--torch-device", "tpu"), "auto, cpu"),
        (("--name", "My Device"), "my-device"),
    ],
)
def test_wrong_arguments_end_before_any_measurement(
    arguments: tuple[str, str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(with_commands(), ["calibrate", *arguments])
    assert isinstance(result.exception, EdgesimError)  # main prints it and leaves with 2
    assert words in str(result.exception)
    assert list(tmp_path.iterdir()) == []
