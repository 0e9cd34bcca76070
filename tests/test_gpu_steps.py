"""Steps of a GPU at any clocks by hand, and a fit that recovers the costs that made them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from edgesim.calibration import gpu_fit
from edgesim.calibration.gpu_fit import GPU, NAMES, PRIORS, GpuDevice, MeasuredClocks
from edgesim.calibration.published import jetson_steps
from edgesim.cost import gpu_steps
from edgesim.cost.gpu_steps import KINDS, GpuCosts, GpuWork
from edgesim.cost.steps import StepSetting, step_cost
from edgesim.hardware import loading
from edgesim.hardware.conditions import ChosenClocks
from edgesim.hardware.power_setting import ClockShares, PowerByClocks, power_by_clocks, setting
from edgesim.models import resolve, workload
from edgesim.tasks import NetworkForm

COUNT = len(KINDS)


def of(**values: float) -> np.ndarray:
    return np.array([values.get(kind, 0.0) for kind in KINDS])


# One product of 3 s of arithmetic and 4 s of memory, one element-wise kernel of 2 s of memory, at the highest clocks.
WORK = GpuWork(of(matmul=3e9)[None], of(matmul=4e9, elementwise=2e9)[None], of(matmul=1, elementwise=1)[None])
COSTS = GpuCosts(np.full(COUNT, 1e-9), np.full(COUNT, 1e-9), np.full(COUNT, 0.5), np.full(COUNT, 2.0))


@pytest.mark.parametrize(
    ("clocks", "gpu_s", "dispatch_s", "busy_s"),
    [
        # (27 + 64)^(1/3) + 2 and two kernels of 0.5 s; the dispatch of 4 s is hidden but for 5 %.
        (ClockShares(), 91 ** (1 / 3) + 3, 4.0, 91 ** (1 / 3) + 3 + 0.2),
        # Half the GPU's clock: 6 s of arithmetic, kernels of 1 s.
        (ClockShares(gpu=0.5), (216 + 64) ** (1 / 3) + 2 + 2, 4.0, (216 + 64) ** (1 / 3) + 4 + 0.2),
        # Half the memory's clock: 8 s and 4 s.
        (ClockShares(memory=0.5), (27 + 512) ** (1 / 3) + 4 + 1, 4.0, (27 + 512) ** (1 / 3) + 5 + 0.2),
        # A tenth of the processor's: the GPU waits for its dispatch.
        (ClockShares(cpu=0.1), 91 ** (1 / 3) + 3, 40.0, 40.0),
    ],
)
def test_a_step_by_hand(clocks: ClockShares, gpu_s: float, dispatch_s: float, busy_s: float) -> None:
    found = gpu_steps.times(WORK, COSTS, clocks)
    assert found.gpu_s == pytest.approx([gpu_s])
    assert found.dispatch_s == pytest.approx([dispatch_s])
    assert found.busy_s == pytest.approx([busy_s])


def test_many_settings_at_once_are_those_one_by_one() -> None:
    shares = np.array([0.2, 0.6, 1.0])
    together = gpu_steps.times(WORK, COSTS, ClockShares(shares, shares[::-1], np.array([1.0, 0.3, 0.5]))).busy_s
    for i, memory in enumerate((1.0, 0.3, 0.5)):
        one = ClockShares(float(shares[i]), float(shares[2 - i]), memory)
        assert gpu_steps.times(WORK, COSTS, one).busy_s[0] == together[i]


def test_power_by_hand() -> None:
    law = PowerByClocks(floor_w=2.0, memory_clock_w=1.0, cpu_clock_w=4.0, work_w=3.0, work_clock_w=8.0)
    clocks = ClockShares(cpu=0.5, gpu=0.5, memory=0.2)
    assert law.floor_at_w(clocks) == pytest.approx(2 + 0.2 + 1)
    assert law.work_at_w(clocks) == pytest.approx(3 + 2)
    assert law.most_w(ClockShares()) == 18


@pytest.mark.parametrize("mode", ["full", "clocks"])
def test_a_step_of_a_device_has_the_laws_time_and_energy(mode: str) -> None:
    """Time and energy of `step_cost` are those of the law, from the profile's numbers."""
    xavier = loading.load("jetson-agx-xavier")
    chosen = ChosenClocks(cpu_hz=499.2e6, gpu_hz=828.75e6, memory_hz=1.333e9) if mode == "clocks" else "full"
    clocks = ClockShares(499.2 / 2265.6, 828.75 / 1377, 1333 / 2133) if mode == "clocks" else ClockShares()
    network = workload.count(lambda: resolve("resnet8")().build((3, 32, 32), 10), NetworkForm((3, 32, 32), 10))
    found = step_cost("train", np.array([64]), network, 3072, 2, xavier, StepSetting(power_mode=chosen))
    done = gpu_steps.work("train", np.array([64.0]), network, 2)
    costs, law, idle_w = gpu_steps.costs(xavier), power_by_clocks(xavier), xavier.idle_w
    assert law is not None
    times = gpu_steps.times(done, costs, clocks)
    assert found.busy_s == pytest.approx(times.busy_s)
    full = gpu_steps.times(done, costs, ClockShares())
    energy_j = law.floor_at_w(clocks) * times.busy_s + law.work_at_w(clocks) * full.gpu_s
    load_w = setting(xavier, chosen).load_w
    assert found.load_s is not None
    assert idle_w * found.busy_s + (load_w - idle_w) * found.load_s == pytest.approx(energy_j)
    arithmetic_s = (done.flops * costs.flop_s).sum() / (828.75 / 1377 if mode == "clocks" else 1)
    assert found.compute_s == pytest.approx([arithmetic_s])


def test_without_an_overhead_per_operation_that_of_a_step_stands_in() -> None:
    """A profile of one's own needs `step_overhead_s` alone; its step follows the processor's clock."""
    nano = loading.load("jetson-nano")
    plain = dataclasses.replace(nano, compute=dataclasses.replace(nano.compute, operation_overhead_s=None))
    costs = gpu_steps.costs(plain)
    assert (costs.dispatch_s.max(), costs.step_s) == (0.0, nano.step_overhead_s)
    assert gpu_steps.costs(nano).step_s == 0.0
    assert gpu_steps.times(WORK, costs, ClockShares(cpu=0.5)).dispatch_s == pytest.approx([2 * nano.step_overhead_s])


def test_adam_moves_the_weights_more_often_than_plain_descent() -> None:
    network = workload.count(lambda: resolve("mlp")().build((1, 8, 8), 10), NetworkForm((1, 8, 8), 10))
    update = KINDS.index("update")
    plain, adam = (gpu_steps.work("train", np.array([1.0]), network, states) for states in (0, 2))
    assert adam.moved_bytes[0, update] == 22 * network.parameter_bytes
    assert plain.moved_bytes[0, update] == 3 * network.parameter_bytes
    assert (adam.kernels[0, update], plain.kernels[0, update]) == (40, 4)  # two layers, each with weights and bias
    assert gpu_steps.work("forward", np.array([1.0]), network, 2).moved_bytes[0, update] == 0


def test_the_lstm_of_the_measurements_by_hand() -> None:
    """Two layers in two directions, 256 units: gates of 1,024 from inputs of 100 and 512 and from 256 of their own."""
    work = jetson_steps.lstm_work(8)
    recurrent = KINDS.index("recurrent")
    assert work.flops[0, recurrent] == 3 * 2 * 8 * 160 * 2 * 1024 * (100 + 256 + 512 + 256)
    assert work.moved_bytes[0, recurrent] == 2 * 640 * 1024 * 256 * 4
    weights = 25_002 * 100 + 2 * 1024 * (100 + 258 + 512 + 258) + 2 * 513
    assert work.moved_bytes[0, KINDS.index("update")] == 22 * 4 * weights


def made_up(device: GpuDevice, logs: np.ndarray, count: int, seed: int) -> list[MeasuredClocks]:
    """Workloads of all mixes at many clocks, with the times that the costs give."""
    stream = np.random.default_rng(seed)
    found = []
    for i in range(count):
        mix = stream.dirichlet(np.ones(COUNT)) * 1e11
        work = GpuWork(mix[None], mix[None] / 30, stream.integers(200, 3000, COUNT).astype(float)[None])
        clocks = ClockShares(*stream.uniform(0.1, 1.0, (3, 40)))
        blank = MeasuredClocks(device, f"w{i}", work, clocks, np.ones(40))
        seconds = gpu_fit.predict(blank, gpu_fit.costs(device, logs))
        found.append(dataclasses.replace(blank, times_s=seconds))
    return found


FIRST, SECOND = GpuDevice("first", 1e12, 1e11, 1e9, 2e9), GpuDevice("second", 5e11, 5e10, 1e9, 1.5e9)
TYPICAL = np.log([cost.typical for cost in PRIORS])


def test_costs_that_made_the_times_predict_other_workloads() -> None:
    logs = {FIRST: TYPICAL + 0.1, SECOND: TYPICAL - 0.1}
    measured = [one for device, own in logs.items() for one in made_up(device, own, 8, len(device.name))]
    found = gpu_fit.fit(measured)
    for device, own in logs.items():
        for one in made_up(device, own, 3, 99):
            assert gpu_fit.predict(one, found.of(device)) == pytest.approx(one.times_s, rel=0.03)


def test_a_gpu_that_runs_everything_measured_better_is_taken_to_run_the_rest_better() -> None:
    """Every part of the second GPU is 1.5 times as good; two workloads were measured on it, eight on the first."""
    gpu = np.array([cost.part == GPU for cost in PRIORS])
    better = TYPICAL - np.log(1.5) * gpu
    found = gpu_fit.fit([*made_up(FIRST, TYPICAL, 8, 1), *made_up(SECOND, better, 2, 2)])
    i = NAMES.index("pointwise")
    assert found.devices["second"][i] < found.devices["first"][i] - 0.2
    unknown = GpuDevice("third", 1e12, 1e11, 1e9, 1e9)
    assert found.of(unknown).flop_s == pytest.approx(gpu_fit.costs(unknown, found.logs(unknown)).flop_s)


def test_half_the_lanes_halve_the_costs_of_a_gpu_down_to_its_peak() -> None:
    """Multiprocessors of 64 lanes: twice the share of peak, and no more than the peak; faster cores dispatch faster."""
    wide = GpuDevice("wide", 1e12, 1e11, 1e9, 1e9)
    narrow = dataclasses.replace(wide, name="narrow", lanes=64, work_per_cycle=1.25)
    found = gpu_fit.GpuFit({}, np.log([max(cost.typical, 3 * cost.least) for cost in PRIORS]))
    one, other = found.of(wide), found.of(narrow)
    assert other.flop_s[KINDS.index("depthwise")] == pytest.approx(one.flop_s[KINDS.index("depthwise")] / 2, rel=1e-3)
    assert other.kernel_s == pytest.approx(one.kernel_s / 2, rel=1e-3)
    assert other.byte_s == pytest.approx(one.byte_s)
    assert other.dispatch_s == pytest.approx(one.dispatch_s / 1.25, rel=1e-3)
    at_peak = dataclasses.replace(found, typical=np.log([cost.least for cost in PRIORS]))
    assert at_peak.of(narrow).flop_s[KINDS.index("matmul")] >= 1e-12
    assert at_peak.of(narrow).flop_s[KINDS.index("matmul")] == pytest.approx(1e-12, rel=0.01)


def test_dispatch_that_one_setting_shows_is_found() -> None:
    """Slow dispatch, hidden by the GPU's work but at one clock of 60; from the priors' means alone it errs by 42 %."""
    logs = TYPICAL + 0.9 * np.array([name == "dispatch" for name in NAMES])
    device = GpuDevice("one", 1e12, 1e11, 1e9, 2e9)
    work = GpuWork(of(matmul=2e11)[None], of(matmul=1e9, elementwise=1e9)[None], of(matmul=300, elementwise=300)[None])
    clocks = ClockShares(np.r_[0.1, np.ones(59)], np.linspace(1, 0.3, 60), np.ones(60))
    blank = MeasuredClocks(device, "w", work, clocks, np.ones(60))
    measured = dataclasses.replace(blank, times_s=gpu_fit.predict(blank, gpu_fit.costs(device, logs)))
    assert gpu_fit.predict(measured, gpu_fit.fit([measured]).of(device)) == pytest.approx(measured.times_s, rel=0.1)


def test_the_slopes_of_the_fit_are_those_of_differences() -> None:
    problem = gpu_fit._Problem((*made_up(FIRST, TYPICAL, 2, 5), *made_up(SECOND, TYPICAL, 2, 6)), (FIRST, SECOND))
    at = problem.start() + np.random.default_rng(0).normal(0, 0.1, problem.start().size)
    found = problem.jacobian(at)
    for column in range(0, at.size, 7):
        step = np.zeros(at.size)
        step[column] = 1e-6
        wanted = (problem.residuals(at + step) - problem.residuals(at - step)) / 2e-6
        assert found[:, column] == pytest.approx(wanted, abs=1e-5)


def test_thinned_settings_meet_every_step_of_a_clock() -> None:
    steps = np.repeat(np.linspace(0.1, 1, 29), 84), np.tile(np.repeat(np.linspace(0.1, 1, 14), 6), 29)
    clocks = ClockShares(*steps, np.tile([0.1, 0.3, 0.5, 0.7, 0.9, 1.0], 406))
    one = MeasuredClocks(FIRST, "w", WORK, clocks, np.ones(2436))
    thin = one.thinned(84)
    assert len(thin.times_s) == 84
    assert len(np.unique(thin.clocks.memory)) == 6
    assert len(np.unique(thin.clocks.gpu)) >= 12
    assert one.thinned(10_000) is one
