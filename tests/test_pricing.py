"""The price of a trial: its work as timed phases, and what the emulator makes of them under its conditions."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from edgesim.cost import pricing
from edgesim.cost.analytic import CostWeights
from edgesim.cost.batch_pricing import Device
from edgesim.cost.context import PricingContext
from edgesim.cost.emulator import Hardware, Phases, emulate
from edgesim.cost.steps import StepSetting, step_cost
from edgesim.hardware import loading
from edgesim.hardware.conditions import Availability, Conditions, Energy
from edgesim.hardware.patterns import PowerPattern, Windows
from edgesim.hardware.profile import Quantity
from edgesim.records import WorkRecord
from edgesim.work import LiveBytes, Operations, StepTrace, TrainingMemory, Work, Workload

# One product per sample: 1e6 FLOPs and 1e4 bytes forward, three times that in training.
PRODUCT = Operations(np.array([3]), np.ones(1), np.array([[0.0, 1e6]]), np.array([[0.0, 1e4]]), np.zeros((1, 2)))
TRAINED = dataclasses.replace(PRODUCT, flops=3 * PRODUCT.flops, moved_bytes=3 * PRODUCT.moved_bytes)
MEMORY = TrainingMemory((LiveBytes(800, 1000),), 400, 0)  # weights and gradients, and 1000 bytes a sample
NETWORK = Workload(3e6, 1e6, 100, 400, TRAINED, PRODUCT, 2, MEMORY, MEMORY)
TERMS = PricingContext(NETWORK, None, 3072, 32, 2, 2, CostWeights())
SCORED = WorkRecord(
    Work(train_samples=64, forward_samples=10, steps=2, comparisons=100, other_flops=1e9),
    StepTrace.passes("train", 64, 32) + StepTrace.passes("forward", 10, 32),
    Work(train_samples=80, steps=4),
    StepTrace.passes("train", 40, 32, 2),
)
PLAIN = dataclasses.replace(SCORED, score=Work(), score_trace=StepTrace())


def pi(**start):
    profile = loading.load("raspberry-pi-4b")
    return dataclasses.replace(profile, compute=dataclasses.replace(profile.compute, **start))


def test_phases_follow_the_trace_and_the_work_beside_it():
    profile = pi(first_step_s=Quantity(7.0, "a test", "measured"))
    phases = phases_of(TERMS, profile, SCORED)
    train = step_cost("train", [8, 32], NETWORK, 3072, 2, profile)
    forward = step_cost("forward", [10], NETWORK, 3072, 2, profile)
    # The start-up comes first. Equal steps are together.
    assert phases.labels == ("starting up",) + ("scoring",) * 3 + ("training",) * 3
    assert phases.steps[0] == pytest.approx([1, 2, 1, 1, 2, 2, 1])
    other_s = (1e9 + 100) / profile.throughput_flops_per_s
    for part, apart in (("compute_s", other_s), ("memory_s", 0), ("overhead_s", 0)):
        (small, large), (other,) = getattr(train, part), getattr(forward, part)
        start_s = 7 if part == "overhead_s" else 0
        assert getattr(phases, part)[0] == pytest.approx([start_s, large, other, apart, large, small, 0])
    assert phases.wait_s[0] == pytest.approx(np.array([0, 32, 10, 0, 32, 8, 0]) * 3072 / 4.6e7)
    assert phases_of(TERMS, profile, PLAIN).labels == ("starting up", "scoring") + ("training",) * 3


def phases_of(terms, profile, done):
    return pricing.batch_pricing_of(terms, Device(profile), 40, done).phases


def test_the_order_of_steps_hardly_matters():
    """Steps as they came, with a small batch at the end of every epoch, against equal ones together, in heat."""
    phone = loading.load("galaxy-s23")
    large, small = step_cost("train", [32, 8], NETWORK, 3072, 2, phone).busy_s * 1e3
    hardware = Hardware.of(phone)
    in_turn = emulate(Phases([20, 1] * 50, [large, small] * 50, [0.01, 0.002] * 50), hardware)
    together = emulate(Phases([1000, 50], [large, small], [0.01, 0.002]), hardware)
    assert in_turn.throttled_s.sum() > 0.5 * in_turn.time_s.sum()
    assert together.time_s.sum() == pytest.approx(in_turn.time_s.sum(), rel=1e-3)
    assert together.energy_j.sum() == pytest.approx(in_turn.energy_j.sum(), rel=1e-3)


def test_the_network_that_scored_elsewhere_prices_the_scores():
    larger = dataclasses.replace(NETWORK, train_operations=dataclasses.replace(TRAINED, flops=30 * PRODUCT.flops))
    terms, reused = dataclasses.replace(TERMS, scorer=larger), dataclasses.replace(SCORED, reused=True)
    here, there = (phases_of(terms, pi(), done).compute_s[0] for done in (SCORED, reused))
    wanted = step_cost("train", [32], larger, 3072, 2, pi()).compute_s[0]
    assert there[1] == wanted == pytest.approx(10 * here[1])  # ten times the FLOPs, all else equal
    assert (there[4:] == here[4:]).all()


def test_columns_under_conditions():
    phone = loading.load("galaxy-s20")
    mains = pricing.price(TERMS, phone, Conditions(), 64, 40, SCORED)
    assert mains["reason"] == ""
    parts = [mains[name] for name in ("device_startup_s", "device_score_time_s", "device_train_time_s")]
    assert mains["device_time_s"] == pytest.approx(sum(parts))
    night = Conditions(available=Availability(86400, ((3600, 7200),)))
    waited = pricing.price(TERMS, phone, night, 64, 40, SCORED)
    assert waited["device_time_s"] == pytest.approx(mains["device_time_s"] + 3600)
    assert waited["device_wait_s"] == pytest.approx(mains["device_wait_s"] + 3600)
    assert waited["device_energy_j"] == pytest.approx(mains["device_energy_j"] + 3600 * phone.idle_w)
    # The wait for the window is no start-up, and is there for a warm device, too: it is training's.
    assert waited["device_startup_s"] == pytest.approx(mains["device_startup_s"])
    assert waited["device_startup_energy_j"] == pytest.approx(mains["device_startup_energy_j"])
    assert waited["device_train_time_s"] == pytest.approx(mains["device_train_time_s"] + 3600)
    changed = {name for name in mains if mains[name] != waited[name]}
    assert {name for name in changed if not name.startswith("device_")} == {"cost_j"}  # which weighs the time


def test_the_reason_of_a_dry_battery_has_the_second_the_battery_and_the_need():
    phone = loading.load("galaxy-s20")
    need_j = pricing.price(TERMS, phone, Conditions(), 64, 40, SCORED)["device_energy_j"]
    sun = Energy("harvest", 0.5, need_j, ((0, 0.0),), 10)
    priced = pricing.price(TERMS, phone, Conditions(energy=sun), 64, 40, SCORED)
    assert priced["device_energy_j"] == pytest.approx(need_j / 2)
    assert priced["reason"] == (
        f"the battery is empty {priced['device_time_s']:,.1f} s after the start, while starting up: it held "
        f"{need_j / 2:,.4g} J (50 % of {need_j:,.4g} J) and 0 J harvested; the trial needs {need_j:,.4g} J"
    )
    traced = {"available": Availability(trace="a.csv"), "energy": Energy("battery", 1e-4, trace="a.csv")}
    for from_s, said in (
        ([], "never begins: the trace of `available` leaves"),
        ([9.0], "is not done at the end of the trace"),
    ):
        windows = Windows(np.array(from_s), np.array(from_s) + 1e-6, 100.0, repeats=False)
        ends = Conditions(available=traced["available"], traced_windows=windows)
        priced = pricing.price(TERMS, phone, ends, 64, 40, SCORED)
        assert priced["limit"] == "availability"
        assert said in priced["reason"]
    drained = Conditions(energy=traced["energy"], traced_power=PowerPattern(np.zeros(1), np.array([-50.0]), 100.0))
    reason = pricing.price(TERMS, phone, drained, 64, 40, SCORED)["reason"]
    assert "J), and its trace charged it and took from it; the trial needs" in reason
    with pytest.raises(ValueError, match="is not read"):
        pricing.price(TERMS, phone, Conditions(energy=traced["energy"]), 64, 40, SCORED)


def test_start_up_by_hand_and_left_out_of_a_warm_device():
    """49 s at 0.3 of the load above idle (the Pi's overhead activity): 49·(1.6 + 0.3·5.6) J, and nothing else."""
    slow = pi(first_step_s=Quantity(49.0, "a test", "measured"))
    cold = pricing.price(TERMS, slow, Conditions(), 64, 40, SCORED)
    warm = pricing.price(TERMS, slow, Conditions(startup="warm"), 64, 40, SCORED)
    assert (cold["device_startup_s"], warm["device_startup_s"]) == (49, 0)
    assert cold["device_startup_energy_j"] == pytest.approx(49 * (1.6 + 0.3 * 5.6))
    assert warm["device_startup_energy_j"] == 0
    for name in ("device_score_time_s", "device_train_time_s", "analytic_time_s"):
        assert cold[name] == pytest.approx(warm[name])
    assert cold["device_time_s"] == pytest.approx(warm["device_time_s"] + 49)
    assert cold["device_energy_j"] == pytest.approx(warm["device_energy_j"] + cold["device_startup_energy_j"])


def test_a_start_that_windows_interrupt_waits_in_between():
    """Windows of 20 s in 100: 49 s of start-up and some training take 20 + 80 + 20 + 80 + 9 s and the rest."""
    slow = pi(first_step_s=Quantity(49.0, "a test", "measured"))
    cut = pricing.price(TERMS, slow, Conditions(available=Availability(100, ((0, 20),))), 64, 40, PLAIN)
    whole = pricing.price(TERMS, slow, Conditions(), 64, 40, PLAIN)
    assert whole["device_train_time_s"] < 11
    assert cut["device_startup_s"] == pytest.approx(49)
    assert cut["device_startup_energy_j"] == pytest.approx(whole["device_startup_energy_j"])
    assert cut["device_train_time_s"] == pytest.approx(whole["device_train_time_s"] + 160)


def test_who_dies_before_the_window_opens_was_waiting():
    phone = loading.load("galaxy-s20")
    night = Conditions(
        energy=Energy("battery", capacity_j=10 * phone.idle_w), available=Availability(86400, ((3600, 7200),))
    )
    for startup in ("cold", "warm"):
        priced = pricing.price(TERMS, phone, dataclasses.replace(night, startup=startup), 64, 40, SCORED)
        assert priced["reason"].startswith("the battery is empty 10.0 s after the start, while waiting for its window:")
        assert priced["device_startup_s"] == 0


def test_j_by_hand_and_by_either_price():
    """(40 of 64 kept): time and energy over those of plain training on all 64 samples, both with the start-up."""
    slow = pi(first_step_s=Quantity(49.0, "a test", "measured"))
    whole = WorkRecord(Work(), StepTrace(), Work(train_samples=128, steps=4), StepTrace.passes("train", 64, 32, 2))
    full, some = (pricing.price(TERMS, slow, Conditions(), 64, m, work) for m, work in ((64, whole), (40, SCORED)))
    assert full["cost_j"] == pytest.approx(1)
    ratios = [some[name] / full[name] for name in ("device_time_s", "device_energy_j")]
    assert some["cost_j"] == pytest.approx((sum(ratios) + 40 / 64) / 3)
    closed = dataclasses.replace(TERMS, price="analytic")
    ratio = some["analytic_time_s"] / full["analytic_time_s"]
    assert pricing.price(closed, slow, Conditions(), 64, 40, SCORED)["cost_j"] == pytest.approx(
        (2 * ratio + 40 / 64) / 3
    )
    # A battery that runs dry on the way makes nothing cheaper.
    dry = Conditions(energy=Energy("battery", capacity_j=50.0))
    assert pricing.price(TERMS, slow, dry, 64, 40, SCORED)["reason"]
    assert pricing.price(TERMS, slow, dry, 64, 40, SCORED)["cost_j"] == some["cost_j"]
    shut = pricing.price(TERMS, slow, Conditions(available=Availability(1e6, ((0, 1e-6),))), 64, 40, SCORED)
    assert "is not done after" in shut["reason"]
    assert np.isnan(shut["cost_j"])


def test_bf16_is_faster_by_the_ratio_of_the_peaks_where_there_are_units_for_it():
    orin = loading.load("jetson-orin-nano")
    assert orin.compute.peak_bf16_flops_per_s is not None
    ratio = orin.compute.peak_bf16_flops_per_s.value / orin.compute.peak_fp32_flops_per_s.value
    half = dataclasses.replace(TERMS, precision="bf16")
    whole, fast = (
        step_cost("train", [8], NETWORK, 3072, 2, orin, StepSetting(precision)) for precision in ("fp32", "bf16")
    )
    assert whole.compute_s == pytest.approx(ratio * fast.compute_s)
    assert whole.busy_s == fast.busy_s  # so small a step waits for its dispatch, and not for the arithmetic
    many = [step_cost("train", [10_000_000], NETWORK, 0, 2, orin, StepSetting(p)) for p in ("fp32", "bf16")]
    assert many[1].busy_s < many[0].busy_s
    four = [pricing.price(t, loading.load("raspberry-pi-4b"), Conditions(), 40, 40, PLAIN) for t in (TERMS, half)]
    assert all(np.isnan(one.pop("upload_s")) for one in four)  # no link is known
    assert four[0] == four[1]  # no units for bf16
