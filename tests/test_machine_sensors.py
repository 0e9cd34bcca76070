"""Sensors, clocks and the time left of a calibration: made-up folders and recorded outputs of commands."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgesim.calibration import clock_records, pmic, power_rails, power_sensors, this_machine_clocks
from edgesim.calibration.clock_records import ClockRecord
from edgesim.calibration.energy import Meter, Sensor
from edgesim.calibration.time_left import Stage, TimeLeft
from edgesim.cli import calibration_progress

# What a Raspberry Pi 5 printed, with fewer rails.
PI5 = """\
 3V7_WL_SW_A current(0)=0.1A
  VDD_CORE_A current(7)=2.00000000A
 3V7_WL_SW_V volt(8)=3.7V
  VDD_CORE_V volt(15)=0.75000000V
     EXT5V_V volt(24)=5.08530000V
      BATT_V volt(25)=0.00000000V
"""


def put(folder: Path, **files: str | float) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(f"{text}\n")
    return folder


def monitor(root: Path, number: int, *rails: tuple[str | None, float, float]) -> Path:
    """An INA3221 under hwmon; rails are (label, V, A)."""
    chip = put(root / "class" / "hwmon" / f"hwmon{number}", name="ina3221")
    for channel, (label, volts, amperes) in enumerate(rails, start=1):
        put(chip, **{f"in{channel}_input": f"{1e3 * volts:.0f}", f"curr{channel}_input": f"{1e3 * amperes:.0f}"})
        if label is not None:
            put(chip, **{f"in{channel}_label": label})
    return chip


def command(folder: Path, name: str, script: str) -> None:
    file = put(folder, **{name: f"#!/bin/sh\n{script}"}) / name
    file.chmod(0o755)


def powers(found: power_sensors.Sensors) -> dict[str, float]:
    return {sensor.name: round(sensor.read(), 6) for sensor in found.used}


@pytest.fixture(autouse=True)
def nothing_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the commands and the GPU library of the machine that runs the tests."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setitem(__import__("sys").modules, "pynvml", None)


# Rails


def test_rails_that_feed_others_hold_them(tmp_path: Path) -> None:
    """Orin NX: 8 W in all, of which 5 W are the processor's and GPU's; they are not added."""
    monitor(tmp_path, 1, ("VDD_IN", 5, 1.6), ("VDD_CPU_GPU_CV", 5, 1), ("VDD_SOC", 5, 0.2))
    put(tmp_path / "class" / "hwmon" / "hwmon0", name="coretemp", power1_input=9)
    found = power_sensors.find(tmp_path)
    assert powers(found) == {"INA VDD_IN": 8.0}
    assert found.scope == "module"
    assert found.notes == ("not added, for another rail feeds it: VDD_CPU_GPU_CV (in VDD_IN), VDD_SOC (in VDD_IN)",)


def test_rails_that_add_up_to_the_module(tmp_path: Path) -> None:
    """AGX Orin: the memory's rail is in that of 5 V. AGX Xavier: six rails side by side."""
    monitor(tmp_path, 1, ("VDD_GPU_SOC", 20, 0.5), ("VDD_CPU_CV", 20, 0.25), ("VIN_SYS_5V0", 5, 1))
    monitor(tmp_path, 2, ("NC", 0, 0), ("VDDQ_VDD2_1V8AO", 5, 0.4), ("NC", 0, 0))
    found = power_sensors.find(tmp_path)
    assert powers(found) == {"INA VDD_GPU_SOC": 10.0, "INA VDD_CPU_CV": 5.0, "INA VIN_SYS_5V0": 5.0}
    assert found.scope == "module"
    xavier = tmp_path / "xavier"
    monitor(xavier, 1, ("GPU", 19, 1), ("CPU", 19, 0.5), ("SOC", 19, 0.1))
    monitor(xavier, 2, ("CV", 19, 0), ("VDDRQ", 19, 0.1), ("SYS5V", 5, 0.5))
    found = power_sensors.find(xavier)
    assert sum(powers(found).values()) == pytest.approx(19 * 1.7 + 2.5)
    assert (len(found.used), found.scope, found.notes) == (6, "module", ())


def test_missing_and_unreadable_rails_leave_a_note(tmp_path: Path) -> None:
    chip = monitor(tmp_path, 1, ("VDD_GPU_SOC", 20, 0.5), ("VDD_CPU_CV", 20, 0.25), ("VIN_SYS_5V0", 5, 1))
    monitor(tmp_path, 2, ("NC", 0, 0), ("VDDQ_VDD2_1V8AO", 5, 0.4))
    (chip / "curr3_input").write_text("nan\n")
    (chip / "curr2_input").write_text("\n")
    found = power_sensors.find(tmp_path)
    # The memory's rail stands in for a part of the 5 V that feeds it.
    assert powers(found) == {"INA VDD_GPU_SOC": 10.0, "INA VDDQ_VDD2_1V8AO": 2.0}
    assert found.scope is None
    text = "\n".join(found.notes)
    assert "rail VDD_CPU_CV gives no value" in text
    assert "rail VIN_SYS_5V0 gives no value" in text
    assert "no power of VDD_CPU_CV, VIN_SYS_5V0: that of the other rails is less than the module's" in text


def test_names_from_the_device_tree_and_from_older_kernels(tmp_path: Path) -> None:
    chip = monitor(tmp_path, 1, (None, 5, 2))
    put(chip / "of_node" / "channel@0", **{"ti,rail-name": "VDD_IN\0"})
    assert powers(power_sensors.find(tmp_path)) == {"INA VDD_IN": 10.0}
    # The TX2 under NVIDIA's kernel: mW by channel from 0, and the developer kit's own rails beside them.
    tx2 = tmp_path / "tx2"
    bus = tx2 / "bus" / "i2c" / "drivers" / "ina3221x"
    put(bus / "0-0041" / "iio:device1", rail_name_0="VDD_IN", in_power0_input=5297)
    put(bus / "0-0041" / "iio:device1", rail_name_1="VDD_SYS_CPU", in_voltage1_input=19000, in_current1_input=100)
    put(bus / "0-0042" / "iio:device2", rail_name_0="VDD_MUX", in_power0_input=9000)
    found = power_sensors.find(tx2)
    assert powers(found) == {"INA VDD_IN": 5.297}
    assert any("VDD_MUX" in note and "board that carries the module" in note for note in found.notes)


def test_rails_of_an_unknown_board_are_added_with_a_warning(tmp_path: Path) -> None:
    """A Thor shares one name with the AGX Orin; its others are not known here."""
    monitor(tmp_path, 1, ("VDD_GPU", 5, 2), ("VDD_CPU_SOC_MSS", 5, 1), ("VIN_SYS_5V0", 5, 1))
    rails = power_rails.find(tmp_path)
    assert not rails.known
    assert len(rails.used) == 3
    assert "their sum counts it twice" in rails.notes[0]
    # Beside a counter of the processor they are left out.
    package = put(tmp_path / "class" / "powercap" / "intel-rapl:0", name="package-0")
    put(package, energy_uj=5e6, max_energy_range_uj=1e9)
    found = power_sensors.find(tmp_path)
    assert found.words == "RAPL package-0"
    assert "not added to the others" in found.notes[-1]
    (package / "energy_uj").write_text("broken\n")
    assert "energy_uj gives no value" in "\n".join(power_sensors.find(tmp_path).notes)


def test_every_rail_that_is_contained_is_in_one_that_adds_up() -> None:
    for supply in power_rails.SUPPLIES:
        assert supply.source
        assert {feeder for _, feeder in supply.contained} <= set(supply.adding)
        assert not set(supply.adding) & {rail for rail, _ in supply.contained}


# Raspberry Pi 5


def test_the_supply_chip_of_a_pi_5(tmp_path: Path) -> None:
    command(tmp_path / "bin", "vcgencmd", f"cat <<'END'\n{PI5}END")
    os.environ["PATH"] += ":/usr/bin:/bin"  # for cat; the fixture takes it back
    found = power_sensors.find(tmp_path)
    assert powers(found) == {"PMIC rails": round(0.1 * 3.7 + 2 * 0.75, 6)}  # 5 V and battery have no amperes
    assert (found.scope, found.notes) == (None, ())
    assert found.used[0].period_s == 1.0


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo 'Command not registered' >&2; exit 1", "it left with 1: Command not registered"),
        ("echo 'error=1 error_msg=\"Command not registered\"'", "no rail with both volts and amperes"),
        ("echo 'VDD_CORE_A current(7)=-A'", "no rail with both volts and amperes"),
    ],
)
def test_a_pi_without_such_a_chip(script: str, words: str, tmp_path: Path) -> None:
    command(tmp_path / "bin", "vcgencmd", script)
    found = power_sensors.find(tmp_path)
    assert found.used == ()
    assert words in found.notes[0]


def test_power_of_rails_by_hand() -> None:
    assert pmic.power_w(PI5 + "nonsense\nHDMI_A current(22)=1A\n") == pytest.approx(1.87)


# Meter


def test_a_reading_without_a_value_is_left_out_and_counted() -> None:
    answers = iter([3.0, OSError("busy"), 5.0])

    def read() -> float:
        answer = next(answers)
        if isinstance(answer, OSError):
            raise answer
        return answer

    meter = Meter((Sensor("a", "w", read, period_s=60.0),))
    with meter:
        meter._read()
    assert meter.power_w == pytest.approx(4.0)
    assert meter.notes == ("1 of 3 readings of power gave no value; left out",)

    def never() -> float:
        raise ValueError("empty")

    with Meter((Sensor("b", "w", never, period_s=60.0),)) as silent:
        pass
    assert silent.power_w is None


# Clocks


def jetson(root: Path) -> Path:
    """An AGX Xavier whose processor follows its load."""
    cpu = root / "sys/devices/system/cpu/cpufreq"
    for policy, khz in (("policy0", 1190400), ("policy2", 2265600)):
        put(cpu / policy, scaling_cur_freq=khz, scaling_governor="schedutil")
        put(cpu / policy, scaling_available_frequencies="115200 1190400 2265600")
    gpu = root / "sys/class/devfreq/17000000.gv11b"
    put(gpu, cur_freq=905250000, available_frequencies="114750000 905250000 1377000000", governor="nvhost_podgov")
    put(root / "sys/kernel/debug/bpmp/debug/clk/emc", rate=1600000000)
    put(root / "proc/device-tree", model="NVIDIA Jetson AGX Xavier\0")
    put(root / "etc", **{"nvpmodel.conf": "< POWER_MODEL ID=2 NAME=MODE_15W >\n< POWER_MODEL ID=3 NAME=MODE_30W_ALL >"})
    put(root / "var/lib/nvpmodel", status="pmode:0003")
    return root


def test_clocks_of_a_jetson(tmp_path: Path) -> None:
    found = this_machine_clocks.find(jetson(tmp_path))
    assert found.notes == ()
    assert found.power_mode == "MODE_30W_ALL"
    assert [(clock.name, clock.read()) for clock in found.found] == [
        ("cpu", 2265.6e6),  # the fastest of all cores
        ("gpu", 905.25e6),
        ("memory", 1.6e9),
    ]
    assert found.found[1].steps_hz == (114.75e6, 905.25e6, 1377e6)
    assert this_machine_clocks.warnings(found) == (
        "the governor schedutil lets the CPU clock change while this measures; to hold it: sudo jetson_clocks",
        "the governor nvhost_podgov lets the GPU clock change while this measures; to hold it: sudo jetson_clocks",
    )
    with this_machine_clocks.Watch(found.found) as watch:
        pass
    assert [clock_records.words(record) for record in watch.records] == [
        "CPU 2.266 GHz (schedutil)",
        "GPU 905.2 MHz (nvhost_podgov)",
        "memory 1.6 GHz",
    ]
    command(tmp_path / "bin", "nvpmodel", "echo 'NV Power Mode: MAXN'; echo 0")
    assert this_machine_clocks.find(tmp_path).power_mode == "MAXN"


def test_what_of_the_clocks_cannot_be_read_is_said(tmp_path: Path) -> None:
    assert this_machine_clocks.find(tmp_path, gpu=False) == this_machine_clocks.Clocks(
        (), None, ("no clock of the CPU: this system has no cpufreq",)
    )
    jetson(tmp_path)
    (tmp_path / "sys/kernel/debug/bpmp/debug/clk/emc/rate").unlink()
    (tmp_path / "sys/class/devfreq/17000000.gv11b/cur_freq").write_text("unknown\n")
    (tmp_path / "etc/nvpmodel.conf").unlink()
    found = this_machine_clocks.find(tmp_path)
    assert [clock.name for clock in found.found] == ["cpu"]
    assert found.power_mode == "mode 3"
    text = "\n".join(found.notes)
    assert "17000000.gv11b/cur_freq gives no value" in text
    assert "clk/emc/rate is not there, or root only sees it" in text
    assert [clock.name for clock in this_machine_clocks.find(tmp_path, gpu=False).found] == ["cpu"]


def test_a_governor_that_holds_the_clock_needs_no_warning(tmp_path: Path) -> None:
    cpu = tmp_path / "sys/devices/system/cpu/cpufreq/policy0"
    put(cpu, scaling_cur_freq=2400000, scaling_governor="performance")
    found = this_machine_clocks.find(tmp_path, gpu=False)
    assert this_machine_clocks.warnings(found) == ()
    (cpu / "scaling_governor").write_text("powersave\n")
    (warning,) = this_machine_clocks.warnings(this_machine_clocks.find(tmp_path, gpu=False))
    assert warning.endswith("to hold it: sudo cpupower frequency-set --governor performance")


class NvmlOfOneGpu:
    """A GPU with two memory clocks."""

    NVML_CLOCK_SM, NVML_CLOCK_MEM = 1, 2

    class NVMLError(Exception):
        pass

    def nvmlInit(self) -> None: ...

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetClockInfo(self, handle: int, kind: int) -> int:
        return {1: 1500, 2: 2619}[kind]

    def nvmlDeviceGetSupportedMemoryClocks(self, handle: int) -> list[int]:
        return [2619, 1593]

    def nvmlDeviceGetSupportedGraphicsClocks(self, handle: int, memory: int) -> list[int]:
        assert memory == 2619
        return [1980, 1500, 345]


def test_clocks_of_a_graphics_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pynvml", NvmlOfOneGpu())
    found = this_machine_clocks.find(tmp_path)
    assert [(c.name, c.read(), c.steps_hz) for c in found.found] == [
        ("gpu", 1.5e9, (345e6, 1500e6, 1980e6)),
        ("memory", 2.619e9, (1593e6, 2619e6)),
    ]
    assert found.found[0].fix == "sudo nvidia-smi --lock-gpu-clocks=1980"


def test_a_clock_that_changed_shows_its_range() -> None:
    record = ClockRecord("cpu", 6e8, 1.2e9, 2.4e9, "cpufreq", (), "ondemand")
    assert clock_records.words(record) == "CPU 600 MHz to 2.4 GHz (ondemand)"
    held = ClockRecord("gpu", 9.9e8, 1e9, 1e9, "NVML", fix="hold")
    assert clock_records.unsteady((record, held)) == (
        "the clock of the CPU changed while this measured, so that its coefficients are of no one clock",
    )
    drifting = ClockRecord("memory", 9e8, 1e9, 1e9, "NVML", fix="sudo jetson_clocks")
    assert clock_records.unsteady((drifting,))[0].endswith("of no one clock; to hold it: sudo jetson_clocks")


def test_another_board_with_a_gpu_is_no_jetson(tmp_path: Path) -> None:
    """An Orange Pi 5 shows a Mali GPU under devfreq."""
    put(tmp_path / "sys/class/devfreq/fb000000.gpu", cur_freq=300000000, governor="simple_ondemand")
    put(tmp_path / "proc/device-tree", model="Orange Pi 5\0")
    put(tmp_path / "sys/devices/system/cpu/cpufreq/policy0", scaling_cur_freq=1800000, scaling_governor="ondemand")
    found = this_machine_clocks.find(tmp_path, gpu=False)
    assert [(clock.name, clock.fix) for clock in found.found] == [
        ("cpu", "sudo cpupower frequency-set --governor performance")
    ]


# Time left


def test_the_time_left_by_hand() -> None:
    """Two cases of 1 s and 10 s, three rounds, two sessions; 4 s besides in a session."""
    left = TimeLeft(cases=2, rounds=3, sessions=2)
    left.visited(0, 1.0)
    assert left.left_s is None  # the second case is not known yet
    left.visited(1, 10.0)
    assert left.left_s == pytest.approx(5 * 11)
    for _ in range(2):
        left.visited(0, 1.0)
        left.visited(1, 16.0)  # 14 s in the mean
    assert left.spent_s == pytest.approx(3 + 42)
    left.session_ended(49.0, left.spent_s)
    assert left.left_s == pytest.approx(3 * (1 + 14))
    longer = TimeLeft(cases=1, rounds=1, sessions=3)
    longer.visited(0, 2.0)
    longer.session_ended(6.0, 2.0)
    assert longer.left_s == pytest.approx(2 * 2 + 1 * 4)


@pytest.mark.parametrize(
    ("stage", "line"),
    [
        (Stage("fit"), "fit"),
        (Stage("round 1 of 9", "case 1 of 45"), "round 1 of 9, time left known after the first round"),
        (Stage("round 2 of 9", "case 1 of 45", 250.0), "round 2 of 9, about 4 min left, then the fit"),
        (Stage("round 9 of 9", "case 9 of 45", 42.0), "round 9 of 9, about 40 s left, then the fit"),
    ],
)
def test_lines_of_progress(stage: Stage, line: str) -> None:
    assert calibration_progress.sentence(stage) == line


def test_a_log_gets_a_line_per_round(capsys: pytest.CaptureFixture[str]) -> None:
    with calibration_progress.watcher() as tell:
        for case in (1, 2):
            tell(Stage("round 1 of 2", f"case {case} of 2"))
        for case in (1, 2):
            tell(Stage("round 2 of 2", f"case {case} of 2", 100.0 / case))
    assert capsys.readouterr().err.splitlines() == [
        "round 1 of 2, time left known after the first round",
        "round 2 of 2, about 2 min left, then the fit",
    ]
