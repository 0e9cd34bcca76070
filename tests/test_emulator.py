"""The emulator: time, energy, heat, availability and charge, against hand arithmetic and a small-step simulation."""

from __future__ import annotations

import dataclasses
import itertools
import math
import time

import numpy as np
import pytest
from folding import over

from edgesim.cost import thermal
from edgesim.cost.emulator import Hardware, Phases, emulate
from edgesim.hardware import loading
from edgesim.hardware.conditions import Availability, Conditions, Energy
from edgesim.hardware.power_setting import computes_on_gpu, setting

IDLE_W, LOAD_W, FACTOR, TAU_S = 1.0, 9.0, 0.75, 300.0
SUSTAINED_W = 8.0 * 0.75**2.2
MEMORY, OVERHEAD = 0.7, 0.25  # shares of the power above idle
COOL = Hardware(IDLE_W, LOAD_W, 1.0)
WARM = Hardware(IDLE_W, LOAD_W, 1.0, SUSTAINED_W, TAU_S, memory_activity=MEMORY, overhead_activity=OVERHEAD)
AIM = 0.75**-2.2  # where full load would take the heat
PARTS = ("compute_s", "memory_s", "overhead_s", "wait_s")
TO_LIMIT_S = TAU_S * math.log(AIM / (AIM - 1))


def random_phases(seed, count, devices=None):
    rng = np.random.default_rng(seed)
    shape = (count,) if devices is None else (devices, count)
    wait_s = rng.uniform(0, 20, shape) * (rng.random(shape) < 0.6)
    steps, compute_s = rng.integers(0, 6, shape), rng.uniform(0.1, 30, shape)
    # Some phases compute alone, some do not compute.
    memory_s, overhead_s = (rng.uniform(0, 15, shape) * (rng.random(shape) < 0.6) for _ in range(2))
    compute_s = compute_s * (rng.random(shape) < 0.9)
    return Phases(steps, compute_s, wait_s, (), memory_s, overhead_s)


def alike(phases, change):
    """The phases with each of their arrays changed."""
    arrays = {name: change(values) for name, values in vars(phases).items() if name not in ("labels", "load_s")}
    return Phases(**arrays)


def marginal(phases, hardware, more=1000):
    """What one more step of the last phase takes at the end: seconds and joules."""
    longer = dataclasses.replace(phases, steps=np.append(phases.steps[:-1], phases.steps[-1] + more))
    few, many = emulate(phases, hardware), emulate(longer, hardware)
    return (many.time_s.sum() - few.time_s.sum()) / more, (many.energy_j.sum() - few.energy_j.sum()) / more


# ---- full speed


def test_time_and_energy_of_a_slower_mode_by_hand():
    # Half the clock: 10 steps of 2 s take 40 s at 4 W, and wait 10 s at 1 W.
    done = emulate(Phases([10], [2.0], [1.0]), Hardware(1.0, 4.0, 0.5))
    assert done.time_s == pytest.approx([50.0])
    assert done.energy_j == pytest.approx([40 * 4 + 10 * 1])
    assert done.wait_s == pytest.approx([10.0])
    assert done.throttled_s == pytest.approx([0.0])
    assert (done.peak_heat, bool(done.finished), np.isnan(done.died_at_s)) == (0.0, True, True)
    assert done.charge_j == np.inf


def test_a_part_that_does_not_compute_draws_its_share_by_hand():
    # 10 steps: 2 s at 9 W, 1 s at 1 + 0.5·8, 1 s at 1 + 0.25·8, 1 s at 1 W.
    parts = Phases([10], [2.0], [1.0], (), [1.0], [1.0])
    full = Hardware(1.0, 9.0, 1.0, memory_activity=0.5, overhead_activity=0.25)
    done = emulate(parts, full)
    assert done.time_s == pytest.approx([50.0])
    assert done.energy_j == pytest.approx([10 * (2 * 9 + 5 + 3 + 1)])
    assert done.wait_s == pytest.approx([10.0])
    # Half the clock of computing and memory, dispatch at its full speed; the mode draws 5 W under full load.
    slow = dataclasses.replace(full, load_w=5.0, speed=0.5)
    done = emulate(parts, slow)
    assert done.time_s == pytest.approx([10 * (4 + 2 + 1 + 1)])
    assert done.energy_j == pytest.approx([10 * (4 * 5 + 2 * 3 + 1 * 2 + 1)])
    assert emulate(parts, dataclasses.replace(slow, overhead_speed=0.5)).time_s == pytest.approx([90.0])


def test_without_activities_all_parts_draw_full_load():
    parts = random_phases(1, 30)
    whole = dataclasses.replace(
        parts, compute_s=parts.compute_s + parts.memory_s + parts.overhead_s, memory_s=0.0, overhead_s=0.0
    )
    hardware = Hardware(IDLE_W, LOAD_W, 0.6, SUSTAINED_W, TAU_S, overhead_speed=0.6)
    for field in ("time_s", "energy_j", "throttled_s", "wait_s"):
        np.testing.assert_allclose(getattr(emulate(parts, hardware), field), getattr(emulate(whole, hardware), field))


@pytest.mark.parametrize("seed", range(5))
def test_less_activity_takes_less_energy_and_never_more_time(seed):
    phases = random_phases(seed, 60)
    runs = [
        emulate(phases, dataclasses.replace(WARM, memory_activity=share, overhead_activity=share))
        for share in (1.0, 0.8, 0.5, 0.2, 0.0)
    ]
    assert runs[0].throttled_s.sum() > 0
    energies, times = [run.energy_j.sum() for run in runs], [run.time_s.sum() for run in runs]
    assert energies == sorted(energies, reverse=True)
    assert energies[0] > energies[-1]
    assert all(later <= sooner * (1 + 1e-12) for sooner, later in itertools.pairwise(times))


def test_phases_are_summed_by_label():
    phases = Phases([2, 1, 3], [1.0, 2.0, 4.0], [0.0, 0.0, 0.0], ("scoring", "scoring", "training"))
    done = emulate(phases, COOL)
    assert done.of("scoring", done.time_s) == 4.0
    assert done.of("training", done.energy_j) == 12 * 9.0
    assert done.of("nothing", done.time_s) == 0.0


def test_no_work_takes_no_time():
    done = emulate(Phases([], [], []), WARM)
    assert done.time_s.shape == (0,)
    assert bool(done.finished)
    empty = emulate(Phases([0, 5], [1.0, 0.0], [0.0, 0.0]), WARM, Conditions(available=Availability(10, ((5, 6),))))
    assert empty.time_s == pytest.approx([0.0, 5.0])  # work of no duration waits for the window, too
    assert bool(empty.finished)


# ---- heat


def test_full_load_throttles_at_the_second_of_the_first_order_solution():
    done = emulate(Phases([1000], [1.0], [0.0]), WARM)
    held_s = (1000 - TO_LIMIT_S) / 0.75
    assert done.throttled_s[0] == pytest.approx(held_s, rel=1e-12)
    assert done.time_s[0] == pytest.approx(TO_LIMIT_S + held_s, rel=1e-12)
    assert done.energy_j[0] == pytest.approx(TO_LIMIT_S * 9 + held_s * (1 + SUSTAINED_W), rel=1e-12)
    assert done.peak_heat == 1.0
    assert emulate(Phases([1], [TO_LIMIT_S * (1 - 1e-9)], [0.0]), WARM).throttled_s == 0
    assert marginal(Phases([1000], [1.0], [0.0]), WARM) == pytest.approx((1 / 0.75, (1 + SUSTAINED_W) / 0.75))


def test_only_what_heats_throttles_by_hand():
    # All dispatch: 0.25·8 = 2 W above idle, less than the 4.2 W that can be shed, so that nothing throttles.
    cool = emulate(Phases([10_000], [0.0], [0.0], (), 0.0, [1.0]), WARM)
    assert (cool.throttled_s[0], cool.time_s[0]) == (0.0, 10_000.0)
    assert cool.peak_heat == pytest.approx(2 / SUSTAINED_W)
    # All memory: 0.7·8 = 5.6 W reach the limit later than 8 W do, and are held at a higher clock.
    above_w = MEMORY * 8
    aim = above_w / SUSTAINED_W
    to_limit_s = TAU_S * math.log(aim / (aim - 1))
    assert to_limit_s > TO_LIMIT_S
    pace = (SUSTAINED_W / above_w) ** (1 / 2.2)
    warm = emulate(Phases([10_000], [0.0], [0.0], (), [1.0], 0.0), WARM)
    held_s = (10_000 - to_limit_s) / pace
    assert warm.throttled_s[0] == pytest.approx(held_s, rel=1e-12)
    assert warm.energy_j[0] == pytest.approx(to_limit_s * (1 + above_w) + held_s * (1 + SUSTAINED_W), rel=1e-12)


def test_an_idle_phase_cools_and_full_speed_returns():
    # Hot, then 100 s of reading alone: heat e^(-100/300), and full speed for the time from there to the limit.
    done = emulate(Phases([1000, 1, 1000], [1.0, 0.0, 1.0], [0.0, 100.0, 0.0]), WARM)
    cooled = math.exp(-100 / TAU_S)
    free_s = TAU_S * math.log((AIM - cooled) / (AIM - 1))
    assert done.throttled_s[1] == 0.0
    assert done.throttled_s[2] == pytest.approx((1000 - free_s) / 0.75, rel=1e-12)


def test_at_the_limit_waiting_buys_full_speed():
    # b = 1 s, w = 0.1 s, L = 8 W: a share y = H·w/(b·(L − H)) of the work runs at full speed and the rest at 0.75.
    share = SUSTAINED_W * 0.1 / (8 - SUSTAINED_W)
    step_s = share + (1 - share) / 0.75 + 0.1
    done = emulate(Phases([100_000], [1.0], [0.1]), WARM)
    assert done.time_s[0] == pytest.approx(100_000 * step_s, rel=1e-3)  # but for the first minutes
    assert marginal(Phases([100_000], [1.0], [0.1]), WARM) == pytest.approx((step_s, step_s * (1 + SUSTAINED_W)))
    mean_w = (share * 9 + (1 - share) / 0.75 * (1 + SUSTAINED_W) + 0.1) / step_s
    assert mean_w == pytest.approx(1 + SUSTAINED_W)
    assert done.wait_s[0] == pytest.approx(10_000)


def test_a_device_that_never_throttles_runs_at_full_speed_for_ever():
    steady = Hardware(IDLE_W, LOAD_W, 1.0, thermal.sustained_w(IDLE_W, LOAD_W, 1.0), TAU_S)
    for hardware in (steady, COOL, Hardware(IDLE_W, 1 + SUSTAINED_W, 0.75, SUSTAINED_W, TAU_S)):
        done = emulate(Phases([100_000], [1.0], [0.0]), hardware)
        assert done.throttled_s[0] == 0.0
        assert done.time_s[0] == pytest.approx(100_000 / hardware.speed)


def simulated(phases, gaps, step_s=0.02):
    """Seconds until all is done, those throttled, and joules: small explicit steps; `gaps(t)` says whether it rests."""
    theta = now_s = throttled_s = energy_j = 0.0
    for steps, compute_s, memory_s, overhead_s in zip(
        phases.steps, phases.compute_s, phases.memory_s, phases.overhead_s, strict=True
    ):
        busy_s = compute_s + memory_s + overhead_s
        load_w = 8.0 * (compute_s + MEMORY * memory_s + OVERHEAD * overhead_s) / busy_s  # evenly mixed
        left_s = steps * busy_s
        while left_s > 0:
            if gaps(now_s):
                above_w, pace = 0.0, 0.0
            elif theta >= 1.0 and load_w > SUSTAINED_W:
                above_w, pace = SUSTAINED_W, (SUSTAINED_W / load_w) ** (1 / 2.2)
                throttled_s += step_s
            else:
                above_w, pace = load_w, 1.0
            theta = min(theta + step_s * (above_w / SUSTAINED_W - theta) / TAU_S, 1.0)
            left_s -= pace * step_s
            now_s += step_s
            energy_j += (1.0 + above_w) * step_s
    return now_s, throttled_s, energy_j


@pytest.mark.parametrize("windows", [None, ((0, 200), (260, 400))])
def test_a_small_step_simulation_agrees(windows):
    parts = [0.0, 5.0, 60.0, 0.0], [0.0, 5.0, 20.0, 30.0]
    phases = Phases([3, 40, 5, 2], [90.0, 20.0, 10.0, 300.0], [0.0, 0.0, 0.0, 0.0], (), *parts)
    available = windows and Availability(500, windows)
    done = emulate(phases, WARM, Conditions(available=available))
    closed = (lambda t: not any(a <= t % 500 < b for a, b in windows)) if windows else (lambda t: False)
    total_s, throttled_s, energy_j = simulated(phases, closed)
    assert done.time_s.sum() == pytest.approx(total_s, rel=1e-3)
    assert done.energy_j.sum() == pytest.approx(energy_j, rel=1e-3)
    assert done.throttled_s.sum() == pytest.approx(throttled_s, rel=1e-2)
    assert done.throttled_s.sum() > 100


def test_a_long_row_of_phases_heats_like_a_walk_one_by_one():
    rng = np.random.default_rng(3)
    target, decay = rng.uniform(0, 2.5, (2, 1000)), rng.uniform(0.5, 1, (2, 1000))
    before = thermal.before(np.array([0.0, 0.7]), target, decay)
    for d, theta in enumerate((0.0, 0.7)):
        for j in range(1000):
            assert before[d, j] == pytest.approx(theta, abs=1e-12)
            theta = min(1.0, target[d, j] + (theta - target[d, j]) * decay[d, j])
    assert (before == 1).sum() > 100


@pytest.mark.parametrize("seed", range(5))
def test_hotter_is_never_faster(seed):
    phases = random_phases(seed, 40)
    alone = emulate(phases, WARM)
    load_first = alike(phases, lambda values: np.append(0, values))
    load_first.steps[0], load_first.compute_s[0] = 500, 1.0
    after_load = emulate(load_first, WARM)
    assert (after_load.time_s[1:] >= alone.time_s - 1e-9).all()
    assert after_load.time_s[1:].sum() > alone.time_s.sum()
    times = [
        emulate(phases, dataclasses.replace(WARM, sustained_w=thermal.sustained_w(1.0, 9.0, factor))).time_s.sum()
        for factor in (1.0, 0.9, 0.7, 0.5, 0.2)
    ]
    assert times == sorted(times)
    assert times[-1] > times[0]


# ---- energy and power


CONDITIONS = {
    "mains": Conditions(),
    "nights": Conditions(available=Availability(600, ((50, 200), (300, 420)))),
    "battery": Conditions(energy=Energy("battery", capacity_j=6000)),
    "sun": Conditions(energy=Energy("harvest", 0.5, 4000, ((0, 0.0), (400, 12.0), (900, 3.0)), 1000)),
    "both": Conditions(energy=Energy("battery", capacity_j=9000), available=Availability(600, ((100, 300),))),
}


@pytest.mark.parametrize("name", CONDITIONS)
@pytest.mark.parametrize("count", [30, 200])
def test_energy_is_the_integral_of_power(name, count):
    """What is booked phase by phase, against what a battery loses to the power over time.

    A battery so large that it neither runs dry nor overflows holds at the end what it had, and what came in, less the
    integral of the power.
    """
    conditions, phases, start_s = CONDITIONS[name], random_phases(count, count), 70.0
    harvest = {"harvest_w": conditions.energy.harvest_w, "period_s": conditions.energy.period_s}
    source = "harvest" if conditions.energy.harvest_w else "battery"
    large = Energy(source, 0.5, 1e7, **(harvest if source == "harvest" else {}))
    done = emulate(phases, WARM, dataclasses.replace(conditions, energy=large), start_s)
    end_s = start_s + done.time_s.sum()
    supply = large.pattern
    gained_j = supply.energy_j(end_s) - supply.energy_j(start_s) if supply else 0.0
    assert bool(done.finished)
    assert done.energy_j.sum() == pytest.approx(0.5e7 + gained_j - float(done.charge_j), rel=1e-9)
    # One that dies on the way: all that it held, and what came in, was drawn until then.
    dead = emulate(phases, WARM, conditions, start_s)
    assert dead.finished == np.isnan(dead.died_at_s)
    if not dead.finished:
        assert start_s + dead.time_s.sum() == pytest.approx(float(dead.died_at_s), rel=1e-12)
        if source == "battery":
            held_j = conditions.energy.capacity_j * (conditions.energy.state_of_charge or 1.0)
            assert dead.energy_j.sum() == pytest.approx(held_j, rel=1e-9)


@pytest.mark.parametrize("name", ["mains", "nights"])
@pytest.mark.parametrize("seed", range(3))
def test_power_stays_between_idle_and_the_maximum(name, seed):
    """A battery of c joules dies when c joules are drawn: between two of them lies their difference over that time."""
    phases, available = random_phases(seed, 60), CONDITIONS[name].available
    total_j = float(emulate(phases, WARM, CONDITIONS[name]).energy_j.sum())
    capacities = np.linspace(0, total_j, 50)[1:-1]
    batteries = [Conditions(available=available, energy=Energy("battery", capacity_j=float(c))) for c in capacities]
    died_s = np.array([float(emulate(phases, WARM, one).died_at_s) for one in batteries])
    power_w = np.diff(capacities) / np.diff(died_s)
    assert power_w.max() <= LOAD_W * (1 + 1e-9)
    assert power_w.min() >= IDLE_W * (1 - 1e-9)
    assert power_w.max() > 1.5 * power_w.min()


@over("name", loading.names())
def test_no_shipped_device_draws_more_than_its_maximum(name):
    profile = loading.load(name)
    times = {}
    for mode in profile.mode_names:
        done = emulate(Phases([3000], [1.0], [0.05]), Hardware.of(profile, mode))
        alone = emulate(Phases([3000], [1.0], [0.0]), Hardware.of(profile, mode))  # nothing but full load
        assert alone.energy_j[0] <= profile.power_w * alone.time_s[0] * (1 + 1e-12)
        assert alone.energy_j[0] > profile.idle_w * alone.time_s[0]
        times[mode] = done.time_s.sum()
        assert (done.throttled_s.sum() > 0) <= (profile.cooling is not None)
    # The steps of a GPU come at the clocks of the mode already.
    slowed = {mode: 1.0 if computes_on_gpu(profile) else setting(profile, mode).speed for mode in times}
    speeds = sorted((slowed[mode], -times[mode]) for mode in times)
    assert [late for _, late in speeds] == sorted(late for _, late in speeds)
    with pytest.raises(KeyError):
        Hardware.of(profile, "no such mode")


# ---- battery


def test_a_battery_dies_at_the_second_by_hand():
    # 10 steps of 3 s at 9 W and 1 s at 1 W take 28 J in 4 s, 7 W: 98 J last 14 s.
    conditions = Conditions(energy=Energy("battery", 0.5, 196))
    done = emulate(Phases([10, 10], [3.0, 3.0], [1.0, 1.0]), COOL, conditions, start_s=5.0)
    assert done.died_at_s == pytest.approx(19.0)
    assert not done.finished
    assert done.charge_j == 0
    assert done.time_s == pytest.approx([14.0, 0.0])
    assert done.energy_j == pytest.approx([98.0, 0.0])
    assert done.wait_s == pytest.approx([3.5, 0.0])


def test_a_battery_that_suffices_exactly_is_empty_and_done():
    done = emulate(Phases([10], [3.0], [1.0]), COOL, Conditions(energy=Energy("battery", capacity_j=280)))
    assert bool(done.finished)
    assert done.charge_j == pytest.approx(0.0)
    assert np.isnan(done.died_at_s)


def test_a_battery_may_die_while_the_device_is_unavailable():
    conditions = Conditions(energy=Energy("battery", capacity_j=30), available=Availability(100, ((0, 2),)))
    done = emulate(Phases([10], [1.0], [0.0]), COOL, conditions)
    assert done.died_at_s == pytest.approx(2 + (30 - 18) / 1)
    assert done.time_s == pytest.approx([14.0])
    assert done.wait_s == pytest.approx([12.0])
    assert emulate(Phases([1], [1.0], [0.0]), COOL, Conditions(energy=Energy("battery", 0.0, 9))).died_at_s == 0


def test_the_sun_keeps_a_device_alive_by_hand():
    # 9 W for 100 s against 100 J, 2 W for 50 s and 20 W for 50 s: -7 W empties it after 100/7 s ...
    sun = ((0, 2.0), (50, 20.0))
    died = emulate(Phases([100], [1.0], [0.0]), COOL, Conditions(energy=Energy("harvest", 1.0, 100, sun, 100)))
    assert died.died_at_s == pytest.approx(100 / 7)
    # ... and 400 J hold 50 J after 50 s; then +11 W fills it up to 400 J again, what is above that is lost.
    lives = emulate(Phases([100], [1.0], [0.0]), COOL, Conditions(energy=Energy("harvest", 1.0, 400, sun, 100)))
    assert bool(lives.finished)
    assert lives.charge_j == pytest.approx(400.0)
    later = emulate(Phases([150], [1.0], [0.0]), COOL, Conditions(energy=Energy("harvest", 1.0, 400, sun, 100)))
    assert later.charge_j == pytest.approx(50.0)


@pytest.mark.parametrize("seed", range(6))
def test_the_charge_is_never_below_zero_and_death_is_where_it_gets_there(seed):
    rng = np.random.default_rng(seed)
    sun = tuple((float(t), float(p)) for t, p in zip(np.arange(5) * 37.0, rng.uniform(0, 11, 5), strict=True))
    energy = Energy("harvest", 0.6, 1500.0, sun, 200.0)
    # Of steps so short and many phases so small that power is constant within each to the grid below.
    phases = alike(random_phases(seed, 25), lambda values: np.repeat(values, 40))
    phases = dataclasses.replace(phases, **{name: getattr(phases, name) / 40 for name in PARTS})
    done = emulate(phases, WARM, Conditions(energy=energy))
    ends_s = np.concatenate([[0], np.cumsum(done.time_s)])
    moments = np.unique(np.concatenate([np.linspace(0, ends_s[-1], 20_001), ends_s]))
    drawn_j = np.concatenate([[0], np.cumsum(done.energy_j)])
    net_j = np.diff(energy.pattern.energy_j(moments) - np.interp(moments, ends_s, drawn_j))
    level_j = 900.0
    lowest_j = level_j
    for change_j in net_j:
        level_j = min(level_j + change_j, 1500.0)
        lowest_j = min(lowest_j, level_j)
    assert lowest_j >= -0.5  # of the coarse grid
    assert level_j == pytest.approx(float(done.charge_j), abs=0.5)
    if not done.finished:
        assert level_j == pytest.approx(0.0, abs=0.5)


def test_a_battery_needs_a_capacity():
    with pytest.raises(ValueError, match="capacity_j"):
        emulate(Phases([1], [1.0], [0.0]), COOL, Conditions(energy=Energy("battery")))


# ---- availability


def test_windows_by_hand():
    # 25 s of work in windows of 10 s, every 100 s from second 10 on.
    two, done_in_windows = Phases([1, 1], [5.0, 20.0], [0.0, 0.0]), Availability(100, ((10, 20),))
    done = emulate(two, COOL, Conditions(available=done_in_windows))
    assert done.time_s == pytest.approx([15.0, 200.0])
    assert done.wait_s == pytest.approx([10.0, 180.0])
    assert done.energy_j == pytest.approx([5 * 9 + 10, 20 * 9 + 180])
    # Joules are drawn at the seconds by hand: 1 W until 10, 9 W until 20, 1 W until 110, 9 W until 120 ...
    for capacity_j, died_s in ((10, 10), (55, 15), (100, 20), (190, 110), (280, 120), (370, 210), (400, 210 + 30 / 9)):
        battery = Conditions(Conditions().power_mode, Energy("battery", capacity_j=capacity_j), done_in_windows)
        assert emulate(two, COOL, battery).died_at_s == pytest.approx(died_s)
    inside = emulate(Phases([1], [5.0], [0.0]), COOL, Conditions(available=Availability(100, ((10, 20),))), 117.0)
    assert inside.time_s == pytest.approx([3 + 90 + 2])


def test_work_that_never_ends_is_not_finished():
    done = emulate(Phases([1], [1e6], [0.0]), COOL, Conditions(available=Availability(100, ((0, 1),))))
    assert not done.finished
    assert np.isnan(done.died_at_s)
    assert done.time_s.sum() == pytest.approx(9_999 * 100 + 1)


@pytest.mark.parametrize("seed", range(3))
def test_answers_of_harvest_and_availability_depend_on_time_alone(seed):
    rng = np.random.default_rng(seed)
    energy = Energy("harvest", harvest_w=((0, 3.0), (10, 0.0), (25, 7.5)), period_s=40).pattern
    available = Availability(40, ((0, 5), (12, 30))).pattern
    moments = rng.uniform(0, 1000, 300)
    harvested = energy.energy_j(moments)
    order = rng.permutation(300)
    assert (energy.energy_j(moments[order]) == harvested[order]).all()
    assert np.array_equal([float(energy.energy_j(t)) for t in moments], harvested)
    # By hand: 40 s bring 30 + 0 + 112.5 J.
    assert energy.energy_j([0, 5, 10, 25, 27, 40, 85]) == pytest.approx([0, 15, 30, 30, 45, 142.5, 300])
    # The cumulated answers agree with the steps and windows that the emulator walks.
    starts_s, powers_w, on_mains = energy.changes(7.0, 93.0)
    assert on_mains is None
    gained_j = np.sum(np.diff([*starts_s, 93.0]) * powers_w)
    assert gained_j == pytest.approx(float(energy.energy_j(93.0) - energy.energy_j(7.0)))
    # Asked from any second on, windows are those of the pattern: 5 + 18 s of every 40.
    for start_s in rng.uniform(0, 400, 20):
        openings = list(itertools.islice(available.openings(start_s), 8))
        assert openings[0][0] >= start_s
        assert all(0 < to_s - from_s <= 18 for from_s, to_s in openings)
        later = list(itertools.islice(available.openings(openings[2][0]), 6))
        assert later == openings[2:]
    assert list(itertools.islice(available.openings(13.0), 3)) == [(13.0, 30.0), (40.0, 45.0), (52.0, 70.0)]


# ---- many at once


@pytest.mark.parametrize("name", CONDITIONS)
def test_many_devices_at_once_are_each_alone(name):
    devices, count = 40, 12
    phases = random_phases(5, count, devices)
    rng = np.random.default_rng(6)
    load_w, speed, tau_s = rng.uniform(4, 12, devices), rng.uniform(0.4, 1, devices), rng.uniform(50, 500, devices)
    limit_w = np.where(np.arange(devices) % 3, rng.uniform(2, 6, devices), np.inf)
    given = (load_w, speed, limit_w, tau_s)
    shares = {name: rng.uniform(0, 1, devices) for name in ("memory_activity", "overhead_activity")}
    shares["overhead_speed"] = rng.uniform(0.4, 1, devices)
    together = emulate(phases, Hardware(IDLE_W, *given, **shares), CONDITIONS[name])
    for d in range(devices):
        mine = alike(phases, lambda values, d=d: values[d])
        own = Hardware(IDLE_W, *(a[d] for a in given), **{key: values[d] for key, values in shares.items()})
        alone = emulate(mine, own, CONDITIONS[name])
        for field in ("time_s", "energy_j", "throttled_s", "wait_s", "peak_heat", "died_at_s", "charge_j", "finished"):
            np.testing.assert_allclose(
                getattr(together, field)[d], getattr(alone, field), rtol=1e-9, atol=1e-9, err_msg=f"{field} of {d}"
            )
        assert together.total(together.time_s)[d] == pytest.approx(float(alone.total(alone.time_s)), rel=1e-9)
    assert together.time_s.shape == (devices, count)


def test_a_million_distinct_phases_take_less_than_a_second():
    phases = Phases(np.ones(1_000_000), np.random.default_rng(0).uniform(0.1, 20, 1_000_000), np.full(1_000_000, 0.5))
    best_s = np.inf
    for _ in range(3):
        started_s = time.process_time()
        done = emulate(phases, WARM)
        best_s = min(best_s, time.process_time() - started_s)
    assert done.throttled_s.sum() > 0
    assert best_s < 1.0
