"""Clocks of GPU devices: steps and named modes of profiles, chosen clocks of a fleet and of `edgesim predict`."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from commands import command

from edgesim.config import strict_yaml
from edgesim.errors import ScenarioError
from edgesim.hardware import inheritance, loading
from edgesim.hardware.conditions import ChosenClocks
from edgesim.hardware.power_setting import ClockShares, computes_on_gpu, setting, steps_hz
from edgesim.scenario import loading as scenarios

CORES_AND_BUS = {
    "jetson-nano": (128, 64),
    "jetson-tx2": (256, 128),
    "jetson-xavier-nx": (384, 128),
    "jetson-agx-xavier": (512, 256),
    "jetson-orin-nano": (1024, 128),
    "jetson-orin-nx": (1024, 128),
    "jetson-agx-orin": (2048, 256),
    "tesla-t4": (2560, 256),
}
"""CUDA cores, and bits of the memory bus"""


def given(value: Any) -> str:
    return f"{{value: {value}, source: a test, confidence: measured}}"


LAW = {"floor_w": 4, "memory_clock_w": 2, "cpu_clock_w": 1, "work_w": 8, "work_clock_w": 10}
LAW_TEXT = ", ".join(f"{name}: {given(watts)}" for name, watts in LAW.items())
PART_OF_LAW = ", ".join(f"{name}: {given(watts) if name != 'work_w' else 'null'}" for name, watts in LAW.items())


def variant(folder: Path, text: str, base: str = "jetson-agx-xavier") -> Path:
    file = folder / "mine.yaml"
    file.write_text(f"extends: {base}\n{text}\n", encoding="utf-8")
    return file


def faults_of(file: Path) -> dict[str, str]:
    with pytest.raises(ScenarioError) as caught:
        loading.load(file)
    return {fault.path: fault.message for fault in caught.value.faults}


def fleet(mode: str, profile: str = "jetson-agx-xavier") -> dict[str, Any]:
    text = f"""
dataset: digits
partition: iid
model: small-cnn
pruning: {{methods: [random], keep_ratio: 0.5}}
fleet: {{groups: [{{profile: {profile}, count: 1, power_mode: {mode}}}]}}
"""
    return strict_yaml.parse(text, "a test")


# ---- shipped profiles


def test_highest_clocks_are_those_of_the_peak_and_of_the_bandwidth():
    with_gpu = {name for name in loading.names() if computes_on_gpu(loading.load(name))}
    assert with_gpu == set(CORES_AND_BUS)
    for name, (cores, bits) in CORES_AND_BUS.items():
        profile = loading.load(name)
        steps = steps_hz(profile)
        # A multiply-add is two operations; memory transfers twice a cycle.
        assert 2 * cores * steps["gpu"][-1] == pytest.approx(profile.compute.peak_fp32_flops_per_s.value, rel=0.01)
        assert 2 * bits / 8 * steps["memory"][-1] == pytest.approx(profile.memory.bandwidth_bytes_per_s.value, rel=0.01)
        for mode in profile.mode_names:
            set_to = setting(profile, mode)
            assert 0 < set_to.speed <= 1, (name, mode)
            assert profile.idle_w <= set_to.load_w <= profile.power_w, (name, mode)


def test_clocks_that_were_measured_are_steps():
    agx, tx2 = (steps_hz(loading.load(name)) for name in ("jetson-agx-xavier", "jetson-tx2"))
    assert [len(agx[clock]) for clock in ("cpu", "gpu", "memory")] == [29, 14, 9]
    assert (agx["cpu"][0], agx["cpu"][-1]) == (115_200_000, 2_265_600_000)
    assert {204e6, 800e6, 1.333e9, 1.6e9, 1.866e9, 2.133e9} <= set(agx["memory"])
    assert {114.75e6, 828.75e6, 1134.75e6, 1300.5e6} <= set(tx2["gpu"])
    assert tx2["memory"] == (408e6, 665.6e6, 800e6, 1.3312e9, 1.6e9, 1.866e9)


def test_nvidias_modes_are_settings_of_clocks():
    agx = loading.load("jetson-agx-xavier")
    names = ["MAXN", "10W", "15W", "15W_DESKTOP", "30W", "30W_6CORE", "30W_4CORE", "30W_2CORE"]
    assert agx.mode_names == ["full", *names]
    assert dataclasses.replace(setting(agx, "MAXN"), name="full") == setting(agx) == setting(agx, "full")
    fifteen, ten = setting(agx, "15W"), setting(agx, "10W")
    assert fifteen.clocks == ClockShares(cpu=1190.4 / 2265.6, gpu=675.75 / 1377, memory=1333 / 2133)
    assert (fifteen.speed, fifteen.overhead_speed) == (675.75 / 1377, 1190.4 / 2265.6)
    # Half of the cores are off, and the rest runs at 522.75 MHz.
    assert (ten.gpu_core_share, ten.speed) == (0.5, pytest.approx(0.5 * 522.75 / 1377))
    # NVIDIA's: 3 of 8 clusters at 408 of 1300.5 MHz.
    assert setting(loading.load("jetson-agx-orin"), "15W").speed == pytest.approx(0.375 * 408 / 1300.5)


# ---- settings


def test_power_follows_the_clocks(tmp_path: Path):
    mine = loading.load(variant(tmp_path, f"power: {{{LAW_TEXT}, max_w: {given(25)}, modes: []}}"))
    chosen = setting(mine, ChosenClocks(gpu_hz=829e6, memory_hz=1.333e9, cpu_hz=499e6))
    memory, cpu, gpu = 1333 / 2133, 499.2 / 2265.6, 828.75 / 1377
    assert chosen.clocks == ClockShares(cpu=cpu, gpu=gpu, memory=memory)  # the nearest steps
    assert chosen.load_w == pytest.approx(4 + 2 * memory + cpu**2 + 8 + 10 * gpu**2)
    assert chosen.name == "cpu 499 MHz, gpu 829 MHz, memory 1333 MHz"
    alone = setting(mine, ChosenClocks(gpu_hz=828.75e6))
    assert alone.clocks == ClockShares(gpu=gpu)  # those left out are the highest
    # Without the coefficients power above idle, of 10 to 50 W, follows the GPU's clock.
    without = ", ".join(f"{name}: null" for name in LAW)
    plain = loading.load(variant(tmp_path, f"power: {{idle_w: {given(10)}, max_w: {given(50)}, {without}}}"))
    assert setting(plain, ChosenClocks(gpu_hz=828.75e6)).load_w == pytest.approx(10 + 40 * gpu**2.2)
    with pytest.raises(KeyError):
        setting(mine, ChosenClocks(gpu_hz=700e6))


# ---- profiles that are refused


MODE = "power: {{modes: [{{name: eco, {}}}]}}"
ORIGIN = "source: a test, confidence: measured"


@pytest.mark.parametrize(
    ("text", "base", "path", "words"),
    [
        (f"clocks: {{gpu_hz: {given('[3e8, 3e8]')}}}", "tesla-t4", "clocks.gpu_hz.value[1]", "in rising order"),
        (f"clocks: {{gpu_hz: {given('[]')}}}", "tesla-t4", "clocks.gpu_hz.value", "at least 1 item"),
        (f"clocks: {{gpu_hz: {given('1.59e9')}}}", "tesla-t4", "clocks.gpu_hz.value", "should be a list"),
        (f"clocks: {{gpu_hz: {given('[0, 1e9]')}}}", "tesla-t4", "clocks.gpu_hz.value[0]", "greater than 0"),
        (f"clocks: {{gpu_hz: {given('[829]')}}}", "tesla-t4", "clocks.gpu_hz.value[0]", "looks like MHz"),
        (f"clocks: {{cpu_hz: {given('[2265600]')}}}", "tesla-t4", "clocks.cpu_hz.value[0]", "looks like kHz"),
        (f"clocks: {{memory_hz: {given('[1.333]')}}}", "tesla-t4", "clocks.memory_hz.value[0]", "looks like GHz"),
        ("clocks: {gpu_hz: 1e9}", "tesla-t4", "clocks.gpu_hz", "must be a map with value, source, confidence"),
        ("clocks: {gpu: 1e9}", "tesla-t4", "clocks.gpu", "did you mean 'gpu_hz'"),
        (f"clocks: {{gpu_hz: {given('[1e9]')}}}", "raspberry-pi-4b", "clocks.memory_hz", "is missing"),
        (f"clocks: {{gpu_hz: {given('[1e9]')}, memory_hz: {given('[1e9]')}}}", "raspberry-pi-4b", "clocks",
         "belong to GPUs"),
        (MODE.format("overhead_factor: null"), "jetson-nano", "power.modes[0]", "needs `clocks`, or throughput_factor"),
        (MODE.format(f"power_w: {given(4)}, clocks: {{gpu_hz: 307.2e6, {ORIGIN}}}"), "jetson-nano", "power.modes[0]",
         "from which power_w would follow; give one of both"),
        (MODE.format(f"throughput_factor: {given(0.5)}"), "jetson-nano", "power.modes[0].power_w", "must be given"),
        (MODE.format(f"clocks: {{gpu_hz: 640e6, {ORIGIN}}}"), "jetson-nano", "power.modes[0].clocks.gpu_hz",
         "640000000 is no step of 'mine'; the nearest is 614400000; steps in MHz: 76.8, 153.6, "),
        (MODE.format(f"clocks: {{gpu_hz: 614.4, {ORIGIN}}}"), "jetson-nano", "power.modes[0].clocks.gpu_hz", "MHz"),
        (MODE.format("clocks: {gpu_hz: 614.4e6}"), "jetson-nano", "power.modes[0].clocks.source", "is missing"),
        (MODE.format(f"clocks: {{cores: 2, {ORIGIN}}}"), "jetson-nano", "power.modes[0].clocks.cores", "unknown key"),
        (MODE.format(f"clocks: {{gpu_core_share: 50, {ORIGIN}}}"), "jetson-nano",
         "power.modes[0].clocks.gpu_core_share", "looks like per cent"),
        (MODE.format(f"clocks: {{{ORIGIN}}}"), "raspberry-pi-4b", "power.modes[0].clocks", "need the profile's own"),
        (MODE.format(f"clocks: {{cpu_hz: 2e9, {ORIGIN}}}"), "tesla-t4", "power.modes[0].clocks.cpu_hz", "leave it out"),
        (f"power: {{{PART_OF_LAW}}}", "tesla-t4", "power", "work_w missing beside floor_w, memory_clock_w"),
        (f"power: {{{LAW_TEXT}}}", "raspberry-pi-4b", "power", "need `clocks`"),
        (f"power: {{{LAW_TEXT}, idle_w: {given(14)}}}", "jetson-agx-xavier", "power.floor_w",
         "12.26 W of a busy GPU at the lowest clocks is not above idle_w, 14 W; are both of the same scope?"),
        (f"power: {{{LAW_TEXT}, max_w: {given(20)}}}", "jetson-agx-xavier", "power.work_w",
         "W, above max_w, 20 W; lower it"),
    ],
)  # fmt: skip
def test_a_contradiction_is_refused_with_its_place_and_fix(tmp_path: Path, text: str, base: str, path: str, words: str):
    assert words in faults_of(variant(tmp_path, text, base))[path]


def test_all_faults_of_modes_are_found_at_once(tmp_path: Path):
    modes = f"""[{{name: eco, clocks: {{gpu_hz: 640e6, cpu_hz: 1e9, {ORIGIN}}}}},
        {{name: eco, clocks: {{gpu_hz: 9216e5, {ORIGIN}}}}}]"""
    found = faults_of(variant(tmp_path, f"power: {{modes: {modes}}}", "jetson-nano"))
    assert list(found) == ["power.modes[0].clocks.cpu_hz", "power.modes[0].clocks.gpu_hz", "power.modes[1].name"]


# ---- variants


def test_finer_numbers_of_a_gpu_follow_and_steps_replace():
    quantity = {"source": "a test", "confidence": "measured"}
    base = {
        "class": "jetson-gpu",
        "compute": {"step_overhead_s": {"value": 0.01} | quantity, "kernel_overhead_s": {"value": 1e-5} | quantity},
        "memory": {
            "bandwidth_bytes_per_s": {"value": 5e10} | quantity,
            "achieved_bandwidth_bytes_per_s": {"value": 4e10} | quantity,
            "matmul_operand_efficiency": {"value": 0.6} | quantity,
        },
        "power": {"max_w": {"value": 20} | quantity, "work_w": {"value": 8} | quantity},
        "clocks": {"gpu_hz": {"value": [1e9, 2e9]} | quantity, "cpu_hz": {"value": [3e9]} | quantity},
    }
    changed = {
        "compute": {"step_overhead_s": {"value": 0.02} | quantity},
        "memory": {"achieved_bandwidth_bytes_per_s": {"value": 2e10} | quantity},
        "power": {"max_w": {"value": 10} | quantity},
        "clocks": {"gpu_hz": {"value": [5e8]} | quantity},
    }
    mine = inheritance.over(base, changed)
    assert mine["compute"]["kernel_overhead_s"]["value"] == 2e-5
    assert mine["memory"]["matmul_operand_efficiency"]["value"] == pytest.approx(0.3)
    assert mine["power"]["work_w"]["value"] == 4
    assert mine["power"]["work_w"]["confidence"] == "estimate"
    assert (mine["clocks"]["gpu_hz"]["value"], mine["clocks"]["cpu_hz"]["value"]) == ([5e8], [3e9])
    assert inheritance.over(base, {"clocks": None})["clocks"] is None


def test_a_profile_with_clocks_is_the_same_after_a_round_trip(tmp_path: Path):
    for name in ("jetson-agx-xavier", "tesla-t4"):
        profile = loading.load(name)
        file = tmp_path / f"{name}.yaml"
        file.write_text(strict_yaml.dump(loading.to_dict(profile)), encoding="utf-8")
        assert loading.load(file) == profile


# ---- scenarios


@pytest.mark.parametrize(
    "mode", ["15W", "{gpu_hz: 829e6, memory_hz: 1.333e9, cpu_hz: 499e6}", "{memory_hz: 800000000}"]
)
def test_a_scenario_with_clocks_is_the_same_after_a_round_trip(mode: str):
    first = scenarios.load(fleet(mode))
    again = scenarios.from_document(strict_yaml.parse(first.to_yaml(), "a test"), "a test", first.folder)
    assert again.fleet == first.fleet
    assert again.document == first.document
    chosen = first.fleet.conditions[0].power_mode
    assert isinstance(chosen, ChosenClocks) == mode.startswith("{")


@pytest.mark.parametrize(
    ("mode", "profile", "path", "words"),
    [
        ("MODE_15W", "jetson-agx-xavier", "", "did you mean '15W'?); allowed: full, MAXN, 10W, "),
        ("15", "jetson-agx-xavier", "", "the name of a power mode, in quotes where it is a number, or a map of clocks"),
        ("[829e6]", "jetson-agx-xavier", "", "got a list"),
        ("{}", "jetson-agx-xavier", "", "needs one of cpu_hz, gpu_hz, memory_hz at least"),
        ("{gpu: 829e6}", "jetson-agx-xavier", ".gpu", "did you mean 'gpu_hz'"),
        ("{gpu_hz: 700e6}", "jetson-agx-xavier", ".gpu_hz", "the nearest is 675750000; steps in MHz: 114.75, "),
        ("{gpu_hz: 829}", "jetson-agx-xavier", ".gpu_hz", "looks like MHz: multiply by 1e+06"),
        ("{cpu_hz: 2265600}", "jetson-agx-xavier", ".cpu_hz", "looks like kHz"),
        ("{memory_hz: 1.333}", "jetson-agx-xavier", ".memory_hz", "looks like GHz"),
        ("{gpu_hz: 829 MHz}", "jetson-agx-xavier", ".gpu_hz", "should be a valid number"),
        ("{gpu_hz: -1}", "jetson-agx-xavier", ".gpu_hz", "greater than 0"),
        ("{cpu_hz: 2e9}", "tesla-t4", ".cpu_hz", "leave it out"),
        (
            "{cpu_hz: 1e9}",
            "raspberry-pi-4b",
            "",
            "has no `clocks` in its profile that could be set; allowed: full, 1000",
        ),
    ],
)
def test_a_wrong_power_mode_of_a_fleet_is_refused(mode: str, profile: str, path: str, words: str):
    with pytest.raises(ScenarioError) as caught:
        scenarios.load(fleet(mode, profile))
    (fault,) = caught.value.faults
    assert fault.path == f"fleet.groups[0].power_mode{path}"
    assert words in fault.message


def test_faults_of_all_clocks_are_found_at_once():
    with pytest.raises(ScenarioError) as caught:
        scenarios.load(fleet("{gpu_hz: 700e6, memory_hz: 1, cpu_hz: 1e9}"))
    names = sorted(fault.path.rsplit(".", 1)[1] for fault in caught.value.faults)
    assert names == ["cpu_hz", "gpu_hz", "memory_hz"]


# ---- predict


def test_predict_takes_clocks():
    asked = ["predict", "--profile", "jetson-agx-xavier", "--model", "mlp", "--input", "1x8x8", "--batch-size", "4"]
    found = command(*asked, "--power-mode", "gpu_hz=829e6, memory_hz=1.333e9", "--json")
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)["power_mode"] == "gpu 829 MHz, memory 1333 MHz"
    for mode, words in {
        "gpu_hz=700e6": "gpu_hz: 700000000 is no step",
        "gpu_hz=829,x=1": "x: unknown key",
        "gpu_hz=1e9,": "must look like KEY=HZ",
        "gpu_hz=829e6,gpu_hz=829e6": "gpu_hz: is given twice",
        "gpu_hz=fast": "gpu_hz: should be a valid number",
    }.items():
        refused = command(*asked, "--power-mode", mode)
        assert refused.returncode == 2, mode
        assert words in " ".join(refused.stderr.split())
