"""Device profiles: the shipped ones are complete, sourced and plausible; a bad one is refused, every fault named."""

import pickle
import re
from typing import get_args

import pytest
from folding import over

from edgesim.config import validation
from edgesim.errors import ProfileError, ScenarioError
from edgesim.hardware import loading, plausible_ranges
from edgesim.hardware.power_setting import setting

SHIPPED = loading.names()

# What the sources give from memory only (device, section, field): these must never claim more than an estimate.
FROM_MEMORY = [
    ("arduino-mkr1000", "memory", "size_bytes"),
    ("arduino-nano-33-ble-sense", "memory", "size_bytes"),
    ("esp32-s3", "power", "max_w"),
    ("stm32f746", "compute", "peak_fp32_flops_per_s"),
    ("stm32f746", "power", "max_w"),
    ("stm32h743", "power", "idle_w"),
    ("raspberry-pi-zero-2-w", "power", "idle_w"),
    ("raspberry-pi-3b-plus", "storage", "write_bytes_per_s"),
    ("raspberry-pi-5", "storage", "write_bytes_per_s"),
    ("coral-dev-board", "compute", "peak_fp32_flops_per_s"),
    ("coral-dev-board", "power", "max_w"),
    ("radxa-rock-5b", "storage", "write_bytes_per_s"),
    ("radxa-dragon-q6a", "memory", "bandwidth_bytes_per_s"),
    ("jetson-tx2", "memory", "bandwidth_bytes_per_s"),
    ("jetson-xavier-nx", "memory", "size_bytes"),
    ("jetson-xavier-nx", "power", "max_w"),
    ("jetson-agx-xavier", "memory", "bandwidth_bytes_per_s"),
    ("jetson-orin-nano", "power", "idle_w"),
    ("jetson-orin-nx", "compute", "peak_fp32_flops_per_s"),
    ("jetson-agx-orin", "storage", "write_bytes_per_s"),
    ("nexus-6", "battery", "capacity_j"),
    ("redmi-note-8", "memory", "bandwidth_bytes_per_s"),
    ("galaxy-note10", "power", "max_w"),
    ("galaxy-s20", "battery", "capacity_j"),
    ("galaxy-s23", "storage", "write_bytes_per_s"),
    ("pixel-7", "memory", "bandwidth_bytes_per_s"),
    ("macbook-neo", "memory", "size_bytes"),
    ("intel-n100", "storage", "write_bytes_per_s"),
    ("lenovo-m710q", "power", "idle_w"),
    ("mac-mini-m4", "memory", "bandwidth_bytes_per_s"),
    ("framework-13", "compute", "peak_fp32_flops_per_s"),
    ("tesla-t4", "power", "idle_w"),
]


def quantities(profile):
    """(path, quantity) of every number of a profile."""
    raw = loading.to_dict(profile)
    for section in ("compute", "memory", "storage", "power", "cooling", "battery"):
        for field, quantity in raw.get(section, {}).items():
            if field not in ("kind", "modes", "scope"):
                yield f"{section}.{field}", quantity
    for i, mode in enumerate(raw["power"].get("modes", [])):
        for field in ("throughput_factor", "power_w"):
            if "clocks" not in mode:
                yield f"power.modes[{i}].{field}", mode[field]


def write(tmp_path, text, name="mine"):
    file = tmp_path / f"{name}.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def faults_of(file, **options):
    """path -> message of what is wrong with a file."""
    with pytest.raises(ScenarioError) as caught:
        loading.load(file, **options)
    assert str(file) in str(caught.value)
    return {fault.path: fault.message for fault in caught.value.faults}


def given(value):
    return f"{{value: {value}, source: a test, confidence: measured}}"


# ---- what is shipped


def test_at_least_thirty_real_devices_of_every_class_are_shipped():
    classes = [loading.load(name).device_class for name in SHIPPED]
    assert len(SHIPPED) >= 30
    assert set(classes) == {"mcu", "sbc-cpu", "jetson-gpu", "phone", "edge-box", "laptop", "edge-server"}
    assert classes.count("phone") >= 5
    assert {
        "raspberry-pi-zero-2-w", "raspberry-pi-3b-plus", "raspberry-pi-4b", "raspberry-pi-5", "jetson-nano",
        "jetson-orin-nano", "galaxy-note10", "pixel-7", "intel-n100",
    } <= set(SHIPPED)  # fmt: skip


@over("name", SHIPPED)
def test_every_shipped_profile_loads_with_a_source_for_every_number(name):
    profile = loading.load(name)
    assert profile.name == name
    numbers = dict(quantities(profile))
    assert len(numbers) >= 10
    for path, quantity in numbers.items():
        assert len(quantity["source"]) > 5, path
        if quantity["value"] is True or quantity["value"] is False:
            continue  # a switch has no unit
        assert re.search(
            r"_(flops_per_s|ops_per_s|bytes_per_s|bytes|s|w|j|utilisation|efficiency|activity|factor)$", path
        )


def test_values_against_well_known_numbers():
    pi4 = loading.load("raspberry-pi-4b")
    assert pi4.compute.peak_fp32_flops_per_s.value == 4 * 1.5e9 * 8
    assert pi4.memory_bytes == 4e9
    assert (pi4.idle_w, pi4.power_w) == (1.6, 7.2)
    assert pi4.storage.kind == "microSD"
    nano = loading.load("jetson-nano")
    assert nano.compute.peak_fp32_flops_per_s.value == pytest.approx(128 * 2 * 0.9216e9, rel=1e-3)
    assert nano.compute.peak_fp16_flops_per_s.value == pytest.approx(471.9e9)  # the advertised 472 GFLOPS
    orin = loading.load("jetson-agx-orin")
    assert orin.memory.bandwidth_bytes_per_s.value == pytest.approx(256 * 2 * 3.199e9 / 8, rel=1e-3)
    assert loading.load("esp32-s3").memory_bytes == 0.5e6  # 512 KB, rounded
    note10 = loading.load("galaxy-note10")
    assert note10.battery_j == 13.5 * 3600
    assert pi4.battery_j is None


def test_training_throughput_follows_the_published_measurements():
    # jafermarq/federated-embedded-vision: the median of ten models runs 2.1 times as fast on the Pi 5; dusty-nv: the
    # Nano trains ResNet-18 at 113 GFLOP/s, the Xavier NX is 3.07 times as fast; POET: 6.37 MFLOP/s on the Nano 33.
    speed = {name: loading.load(name).throughput_flops_per_s for name in SHIPPED}
    assert speed["raspberry-pi-5"] / speed["raspberry-pi-4b"] == pytest.approx(2.1, rel=0.01)
    assert speed["jetson-nano"] == pytest.approx(113e9, rel=0.01)
    assert speed["jetson-xavier-nx"] / speed["jetson-nano"] == pytest.approx(3.07, rel=0.01)
    assert speed["arduino-nano-33-ble-sense"] == pytest.approx(6.37e6, rel=0.01)
    assert speed["arduino-mkr1000"] == pytest.approx(0.16e6)
    assert loading.load("jetson-nano").step_overhead_s == 9e-3
    assert loading.load("raspberry-pi-5").step_overhead_s == 4e-3


@pytest.mark.parametrize(
    "faster_and_faster",
    [
        ["raspberry-pi-zero-2-w", "raspberry-pi-3b-plus", "raspberry-pi-4b", "raspberry-pi-5", "orange-pi-5"],
        ["jetson-nano", "jetson-tx2", "jetson-xavier-nx", "jetson-agx-xavier", "jetson-orin-nx", "jetson-agx-orin"],
        ["arduino-mkr1000", "arduino-nano-33-ble-sense", "stm32f746", "stm32h743", "raspberry-pi-zero-2-w"],
        ["nexus-6", "redmi-note-8", "galaxy-note10", "galaxy-s23"],
        ["raspberry-pi-5", "radxa-x4", "intel-n100", "mac-mini-m4", "jetson-nano", "tesla-t4"],
    ],
)
def test_faster_devices_are_faster(faster_and_faster):
    speeds = [loading.load(name).throughput_flops_per_s for name in faster_and_faster]
    assert speeds == sorted(set(speeds))


def test_more_kinds_of_storage_than_one_and_the_order_people_know():
    read = {name: loading.load(name).storage_read_bytes_per_s for name in SHIPPED}
    assert read["raspberry-pi-zero-2-w"] < read["raspberry-pi-4b"] < read["jetson-tx2"] < read["framework-13"]


@over(("name", "section", "field"), FROM_MEMORY)
def test_what_is_from_memory_is_marked_as_an_estimate(name, section, field):
    quantity = getattr(getattr(loading.load(name), section), field)
    assert quantity.confidence == "estimate"


@over("name", SHIPPED)
def test_the_words_of_a_source_agree_with_its_confidence(name):
    for path, quantity in quantities(loading.load(name)):
        if re.search(r"from memory|a guess", quantity["source"]) and "LPDDR" not in quantity["source"]:
            assert quantity["confidence"] == "estimate", path


# ---- reading


def test_names_and_folder_and_the_error_for_an_unknown_name():
    assert loading.folder().name in ("device_profiles", "_device_profiles")
    assert sorted(SHIPPED) == SHIPPED
    assert set(loading.available()) == set(SHIPPED)
    with pytest.raises(ProfileError, match=r"did you mean 'raspberry-pi-4b'.*there are: arduino-mkr1000, "):
        loading.load("raspbery-pi-4")


def test_a_variant_of_five_lines_inherits_everything_else(tmp_path):
    file = write(tmp_path, f"extends: raspberry-pi-4b\npower:\n  max_w: {given(6.1)}\n")
    mine, base = loading.load(file), loading.load("raspberry-pi-4b")
    assert (mine.name, mine.power_w, mine.power.max_w.source) == ("mine", 6.1, "a test")
    assert mine.power.idle_w == base.power.idle_w
    assert (mine.compute, mine.memory, mine.storage) == (base.compute, base.memory, base.storage)


def test_extends_finds_the_same_folder_first_and_options_can_be_taken_away(tmp_path):
    write(tmp_path, f"extends: galaxy-note10\ncompute:\n  step_overhead_s: {given(0.5)}\n", "phone")
    file = write(tmp_path, "extends: phone\nbattery: null\ncompute: {peak_fp16_flops_per_s: null}\n")
    mine = loading.load(file)
    assert mine.step_overhead_s == 0.5
    assert mine.battery_j is None
    assert mine.compute.peak_fp16_flops_per_s is None
    assert mine.title == loading.load("galaxy-note10").title


def test_an_own_folder_wins_over_shipped_names_and_may_extend_them(tmp_path):
    write(tmp_path, f"extends: raspberry-pi-4b\npower:\n  max_w: {given(9)}\n", "raspberry-pi-4b")
    assert loading.load("raspberry-pi-4b", folder=tmp_path).power_w == 9
    assert loading.load("raspberry-pi-4b").power_w == 7.2
    assert loading.names(tmp_path) == SHIPPED
    write(tmp_path, "extends: raspberry-pi-4b\n", "other")
    assert loading.load("other", folder=tmp_path).power_w == 9


def test_a_shipped_profile_is_read_again_once_a_file_of_its_folder_has_changed(tmp_path, monkeypatch):
    parent, variant = (tmp_path / f"{name}.yaml" for name in ("intel-n100", "radxa-x4"))
    for file in (parent, variant):
        file.write_text((loading.folder() / file.name).read_text())
    monkeypatch.setattr(loading, "folder", lambda: tmp_path)
    (tmp_path / ".#radxa-x4.yaml").symlink_to("somebody@somewhere")  # an editor's lock
    before = loading.load("radxa-x4")
    assert loading.load("radxa-x4") is before
    parent.write_text(parent.read_text().replace("software: PyTorch", "software: PyTorch of tomorrow", 1))
    assert (before.software, loading.load("radxa-x4").software) == ("PyTorch", "PyTorch of tomorrow")
    parent.unlink()
    with pytest.raises(ProfileError, match="there is no device profile 'intel-n100'"):
        loading.load("radxa-x4")


def test_extends_in_a_circle_or_to_nothing_is_an_error(tmp_path):
    one = write(tmp_path, "extends: two\n", "one")
    write(tmp_path, "extends: one\n", "two")
    with pytest.raises(ProfileError, match="circle: one -> two -> one"):
        loading.load(one)
    with pytest.raises(ProfileError, match="extends itself"):
        loading.load(write(tmp_path, "extends: three\n", "three"))
    with pytest.raises(ProfileError, match=r"four\.yaml: extends: there is no device .*'jetson-nano'"):
        loading.load(write(tmp_path, "extends: jetson-nan\n", "four"))
    assert "must be the name or path" in faults_of(write(tmp_path, "extends: 4\n", "five"))["extends"]


def test_a_dump_loads_as_an_equal_profile_and_pickles(tmp_path):
    for name in ("galaxy-note10", "radxa-x4", "arduino-mkr1000"):
        profile = loading.load(name)
        file = write(tmp_path, validation.dump(loading.to_dict(profile)), name)
        assert loading.load(file) == profile
        assert pickle.loads(pickle.dumps(profile)) == profile


def test_a_varied_device_differs_in_throughput_only():
    base = loading.load("raspberry-pi-5")
    fast = loading.vary(base, 1.25)
    assert fast.throughput_flops_per_s == pytest.approx(1.25 * base.throughput_flops_per_s, rel=1e-12)
    assert fast.compute.peak_fp16_flops_per_s.value == 1.25 * base.compute.peak_fp16_flops_per_s.value
    assert (fast.memory, fast.storage, fast.power, fast.name) == (base.memory, base.storage, base.power, base.name)
    assert "1.25" in fast.compute.peak_fp32_flops_per_s.note
    with pytest.raises(ProfileError, match="above 0"):
        loading.vary(base, 0.0)


def test_the_table_has_a_row_per_profile_that_says_what_is_an_estimate():
    rows = {row["name"]: row for row in loading.table()}
    assert sorted(rows) == SHIPPED
    assert rows["galaxy-note10"] == {
        "name": "galaxy-note10",
        "title": "Samsung Galaxy Note10 (Snapdragon 855)",
        "class": "phone",
        "software": "DL4J",
        "peak_flops_per_s": 219.2e9,
        "utilisation": 0.0228,
        "memory_bytes": 8e9,
        "storage": "UFS 3.0",
        "idle_w": 0.5,
        "max_w": 8.0,
        "power_scope": "device",
        "lasting": 0.75,
        "battery_j": pytest.approx(13.5 * 3600),
        "gpu_hz": None,
        "power_modes": ("power-saving",),
        "estimates": ["idle_w", "max_w", "lasting", "battery_j"],
    }
    assert rows["raspberry-pi-4b"]["battery_j"] is None
    assert rows["raspberry-pi-4b"]["lasting"] is None
    assert rows["raspberry-pi-4b"]["estimates"] == []
    assert rows["jetson-orin-nx"]["estimates"] == [
        "peak_flops_per_s",
        "utilisation",
        "memory_bytes",
        "idle_w",
    ]


def test_the_schema_knows_every_key_range_and_unit():
    schema = loading.schema()
    shipped_keys = {key for name in SHIPPED for key in loading.to_dict(loading.load(name))}
    assert shipped_keys | {"extends"} == set(schema["properties"])
    assert "class" in schema["else"]["required"]
    assert "step_overhead_s" in schema["else"]["properties"]["compute"]["required"]
    reference = schema["$defs"]["Compute"]["properties"]["peak_fp32_flops_per_s"]["$ref"].rsplit("/", 1)[1]
    quantity = schema["$defs"][reference]
    assert quantity["properties"]["value"]["description"] == "in FLOP/s"
    assert quantity["if"] == {"required": ["unsafe"], "properties": {"unsafe": {"const": True}}}
    assert quantity["else"]["properties"]["value"] == {"minimum": 1e4, "maximum": 1e16}


def test_modes_of_measured_clocks_and_of_cooling():
    # gemm_dvfs: 148.18 GFLOP/s of 222.4, and 4.75 W, at 614.4 MHz.
    nano = loading.load("jetson-nano")
    assert nano.mode_names == ["full", "MAXN", "5W", "gpu-768mhz", "gpu-614mhz", "gpu-307mhz"]
    full, slow = setting(nano), setting(nano, "gpu-614mhz")
    assert (full.speed, full.load_w) == (1.0, pytest.approx(nano.power_w, rel=1e-3))
    assert (slow.speed, slow.load_w) == (pytest.approx(148.18 / 222.4, abs=5e-4), 4.75)
    assert loading.load("raspberry-pi-3b-plus").cooling.throttled_factor.value == pytest.approx(1.2 / 1.4, abs=1e-3)
    assert nano.cooling is None
    for name in SHIPPED:
        profile = loading.load(name)
        assert (profile.cooling is not None) >= (profile.device_class == "phone")


def test_a_gpu_clock_leaves_dispatch_and_start_up_alone(tmp_path):
    nano, orin, pi = (loading.load(name) for name in ("jetson-nano", "jetson-agx-orin", "raspberry-pi-4b"))
    assert setting(nano, "gpu-307mhz").overhead_speed == setting(nano, "full").overhead_speed == 1.0
    assert setting(orin, "15W").overhead_speed == 1113.6 / 2201.6  # slows its processor as well
    assert setting(pi, "600mhz").overhead_speed == setting(pi, "600mhz").speed == 0.4
    mode = f"{{name: eco, throughput_factor: {given(0.5)}, power_w: {given(4)}, overhead_factor: {given(0.8)}}}"
    mine = loading.load(write(tmp_path, f"extends: jetson-nano\npower: {{modes: [{mode}]}}\n"))
    assert setting(mine, "eco").overhead_speed == 0.8
    with pytest.raises(KeyError):
        setting(pi, "no such mode")


def test_modes_and_cooling_are_inherited_replaced_and_taken_away(tmp_path):
    mode = f"{{name: eco, throughput_factor: {given(0.5)}, power_w: {given(4)}}}"
    mine = loading.load(write(tmp_path, f"extends: jetson-nano\npower: {{modes: [{mode}]}}\n"))
    assert mine.mode_names == ["full", "eco"]
    assert (setting(mine, "eco").speed, setting(mine, "eco").load_w) == (0.5, 4.0)
    assert validation.parse(validation.dump(loading.to_dict(mine)), "dump")["power"]["modes"][0]["name"] == "eco"
    cooled = loading.load(write(tmp_path, "extends: galaxy-s20\ncooling: null\n"))
    assert cooled.cooling is None
    slower = f"extends: galaxy-s20\ncooling: {{throttled_factor: {given(0.5)}}}\n"
    assert loading.load(write(tmp_path, slower)).cooling.time_constant_s.value == 300


@pytest.mark.parametrize(
    ("field", "value", "hint"),
    [
        ("throttled_factor", 75, "looks like per cent: multiply by 0.01"),
        ("throttled_factor", 0, "allowed is 0.1 to 1"),
        ("throttled_factor", 0.01, "allowed is 0.1 to 1"),
        ("time_constant_s", 5, "looks like min: multiply by 60, which gives 300"),
        ("time_constant_s", 0.08, "looks like h: multiply by 3600"),
        ("time_constant_s", 300_000, "looks like ms: multiply by 0.001"),
    ],
)
def test_an_implausible_cooling_is_refused(tmp_path, field, value, hint):
    faults = faults_of(write(tmp_path, f"extends: galaxy-s20\ncooling: {{{field}: {given(value)}}}\n"))
    assert hint in faults[f"cooling.{field}.value"]


@pytest.mark.parametrize(
    ("modes", "path", "words"),
    [
        (f"[{{name: eco, power_w: {given(4)}}}]", "power.modes[0].throughput_factor",
         "must be given beside power_w"),
        (f"[{{name: eco, throughput_factor: 0.5, power_w: {given(4)}}}]", "power.modes[0].throughput_factor", "a map"),
        (f"[{{name: eco, throughput_factor: {given(50)}, power_w: {given(4)}}}]",
         "power.modes[0].throughput_factor.value", "looks like per cent"),
        (f"[{{name: eco, throughput_factor: {given(0.5)}, power_w: {given(9)}}}]", "power.modes[0].power_w.value",
         "outside the device's power: allowed is 2.4 W (idle_w) to 8.7 W (max_w)"),
        (f"[{{name: full, throughput_factor: {given(0.5)}, power_w: {given(4)}}}]", "power.modes[0].name", "full mode"),
        (f"[{{name: eco, throughput_factor: {given(0.5)}, power_w: {given(4)}, clock: 5}}]", "power.modes[0].clock",
         "unknown key; allowed: clocks, name, overhead_factor, power_w, throughput_factor"),
        ("[eco]", "power.modes[0]", "must be a map"),
        ("eco", "power.modes", "list"),
    ],
)  # fmt: skip
def test_a_wrong_mode_is_refused_with_its_place(tmp_path, modes, path, words):
    faults = faults_of(write(tmp_path, f"extends: jetson-nano\npower:\n  modes: {modes}\n"))
    assert words in faults[path]


# ---- refusing


@pytest.mark.parametrize(
    ("field", "value", "hint"),
    [
        ("compute.peak_fp32_flops_per_s", 48, "looks like GFLOP/s: multiply by 1e+09"),
        ("compute.peak_fp32_flops_per_s", 48000, "looks like MFLOP/s"),
        ("compute.peak_fp16_flops_per_s", 65130, "looks like MFLOP/s"),  # GFLOP/s would be 1,357 times the FP32 peak
        ("compute.peak_fp16_flops_per_s", 96, "looks like GFLOP/s"),
        ("compute.training_utilisation", 22, "looks like per cent: multiply by 0.01"),
        ("compute.training_utilisation", 0, "allowed is 1e-06 to 1 "),
        ("compute.step_overhead_s", 9, "looks like ms: multiply by 0.001"),
        ("memory.size_bytes", 4, "looks like GB"),
        ("memory.size_bytes", 4000, "looks like MB"),
        ("memory.size_bytes", 4000000, "looks like KB"),
        ("memory.bandwidth_bytes_per_s", 12.8, "looks like GB/s"),
        ("storage.size_bytes", 32, "looks like GB"),
        ("storage.read_bytes_per_s", 46, "looks like MB/s"),
        ("storage.write_bytes_per_s", -1, "allowed is 500000 to 3.5e+08 bytes/s for an SD card"),
        ("power.max_w", 7200, "looks like mW"),
        ("power.max_w", -7.2, "allowed is 0.5 to 60 W"),
        ("power.max_w", ".nan", "nan is not plausible"),
        ("power.max_w", ".inf", "inf is not plausible"),
        ("power.idle_w", 7.3, "above power.max_w, 7.2 W"),
        ("battery.capacity_j", 13.5, "looks like Wh: multiply by 3600"),
        ("memory.achieved_bandwidth_bytes_per_s", 1e11, "above the nominal"),
    ],
)
def test_an_implausible_number_is_refused_with_field_value_range_and_hint(tmp_path, field, value, hint):
    section, name = field.split(".")
    faults = faults_of(write(tmp_path, f"extends: raspberry-pi-4b\n{section}:\n  {name}: {given(value)}\n"))
    assert list(faults) == [f"{field}.value"]
    message = faults[f"{field}.value"]
    assert hint in message
    assert message.startswith((f"{float(str(value).lstrip('.')):g} ", "for class sbc-cpu: "))


# Values that a range for all devices lets through, or explains by the wrong unit: (profile, field, value, the range
# that it must be refused by, what it must be said to look like).
PI_PEAK, PI_5_HALF = "1e+09 to 2e+12 FLOP/s", "1.536e+11 to 2.4576e+12 FLOP/s, 1 to 16 times"
SD, NVME = "500000 to 3.5e+08 bytes/s for an SD card", "2e+07 to 2e+10 bytes/s for an NVMe disk"
PHONE_J = "18000 to 150000 J"
SLIPS = [
    ("raspberry-pi-4b", "compute.peak_fp32_flops_per_s", 4.8e13, PI_PEAK, "suit edge-box, laptop, edge-s"),
    ("raspberry-pi-4b", "compute.peak_fp32_flops_per_s", 8e15, PI_PEAK, "a slip in the unit"),
    ("raspberry-pi-4b", "compute.peak_fp32_flops_per_s", 0.048, PI_PEAK, "TFLOP/s: multiply by 1e+12"),
    ("tesla-t4", "compute.peak_bf16_flops_per_s", 1e6, "8.141e+12 to 1.30256e+14 FLOP/s", "leave the field out"),
    ("raspberry-pi-5", "compute.peak_fp16_flops_per_s", 7.68e10, PI_5_HALF, "leave the field out"),
    ("raspberry-pi-5", "compute.peak_bf16_flops_per_s", 307.2, PI_5_HALF, "looks like GFLOP/s"),
    ("raspberry-pi-5", "compute.peak_bf16_flops_per_s", 307200, PI_5_HALF, "looks like MFLOP/s"),
    ("raspberry-pi-4b", "compute.operation_overhead_s", 0.247, "0 to 0.02 s", "looks like ms: multiply by 0.001"),
    ("tesla-t4", "compute.operation_overhead_s", 0.0294, "0 to 0.007 s", "looks like ms"),
    ("raspberry-pi-4b", "compute.operation_overhead_s", 247, "0 to 0.02 s", "looks like µs"),
    ("raspberry-pi-4b", "compute.convolution_operation_overhead_s", 0.3, "0 to 0.02 s", "looks like ms"),
    ("raspberry-pi-4b", "compute.channel_overhead_s", 0.0125, "0 to 0.001 s", "looks like ms: multiply by 0.001"),
    ("raspberry-pi-4b", "compute.cramped_channel_overhead_s", 0.0125, "0 to 0.001 s", "looks like ms"),
    ("raspberry-pi-4b", "compute.step_overhead_s", 1, "0 to 0.5 s", "looks like ms"),
    ("mac-mini-m4", "compute.step_overhead_s", 0.45, "0 to 0.2 s", "looks like ms"),
    ("galaxy-s23", "battery.capacity_j", 3500, PHONE_J, "looks like mAh at 3.85 V"),
    ("galaxy-s23", "battery.capacity_j", 13500, PHONE_J, "looks like mWh: multiply by 3.6, which gives 48600"),
    ("galaxy-s23", "battery.capacity_j", 13.5, PHONE_J, "looks like Wh"),
    ("framework-13", "battery.capacity_j", 61000, "70000 to 1e+06 J", "looks like mWh"),
    ("raspberry-pi-4b", "storage.read_bytes_per_s", 46000, SD, "looks like KB/s"),
    ("raspberry-pi-4b", "storage.read_bytes_per_s", 0.046, SD, "looks like GB/s"),
    ("raspberry-pi-4b", "storage.read_bytes_per_s", 3e9, SD, "a slip in the unit"),
    ("framework-13", "storage.read_bytes_per_s", 3, NVME, "GB/s: multiply by 1e+09"),
    ("framework-13", "storage.read_bytes_per_s", 3500, NVME, "looks like MB/s"),
    ("redmi-note-8", "storage.read_bytes_per_s", 270, "2e+06 to 1.2e+10 bytes/s for eMMC or UFS", "looks like MB/s"),
    ("raspberry-pi-4b", "memory.bandwidth_bytes_per_s", 1.28e7, "1e+08 to 3e+11 bytes/s", "looks like KB/s"),
    ("raspberry-pi-4b", "memory.achieved_bandwidth_bytes_per_s", 2.7e6, "1e+08 to 3e+11 bytes/s", "looks like KB/s"),
    ("raspberry-pi-4b", "storage.size_bytes", 3.2e7, "1e+08 to 1.6e+13 bytes", "looks like KB"),
    ("jetson-agx-xavier", "memory.size_bytes", 3.2e7, "9e+08 to 2.8e+11 bytes", "looks like KB"),
    ("raspberry-pi-zero-2-w", "power.max_w", 1900, "0.5 to 60 W", "mW: multiply by 0.001, which gives 1.9"),
    ("raspberry-pi-zero-2-w", "power.idle_w", 700, "0.05 to 25 W", "looks like mW"),
    ("raspberry-pi-4b", "power.idle_w", 1e-5, "0.05 to 25 W", "suit mcu"),
    ("galaxy-s20", "cooling.throttled_factor", 0.01, "0.1 to 1", ""),
    ("galaxy-s20", "cooling.time_constant_s", 5, "20 to 10000 s", "looks like min"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "field", "value", "allowed", "hint"), SLIPS)
def test_a_slip_of_the_unit_is_refused_by_the_range_of_the_class(tmp_path, name, field, value, allowed, hint):
    section, key = field.split(".")
    faults = faults_of(write(tmp_path, f"extends: {name}\n{section}:\n  {key}: {given(value)}\n"))
    assert list(faults) == [f"{field}.value"]
    message = faults[f"{field}.value"]
    assert f"{value:g} is not plausible: allowed is {allowed}" in message
    assert hint in message
    assert message.count("looks like") == ("multiply" in hint or "looks" in hint)


def test_one_implausible_value_hides_no_other(tmp_path):
    text = (
        f"extends: raspberry-pi-zero-2-w\ncompute:\n  peak_fp32_flops_per_s: {given(48)}\n"
        f"power:\n  max_w: {given(1900)}\n  idle_w: {given(700)}\n"
    )
    faults = faults_of(write(tmp_path, text))
    assert set(faults) == {"compute.peak_fp32_flops_per_s.value", "power.max_w.value", "power.idle_w.value"}


def test_a_mode_that_is_slower_and_hungrier_than_another_is_refused(tmp_path):
    modes = [("eco", 0.8, 4), ("slow", 0.5, 6), ("slower", 0.4, 3)]
    listed = "".join(
        f"    - {{name: {name}, throughput_factor: {given(speed)}, power_w: {given(watts)}}}\n"
        for name, speed, watts in modes
    )
    faults = faults_of(write(tmp_path, f"extends: jetson-nano\npower:\n  modes:\n{listed}"))
    assert list(faults) == ["power.modes[1].power_w.value"]
    assert "6 W at 0.5 of the speed is more than 'eco' takes, 4 W at 0.8" in faults["power.modes[1].power_w.value"]


def test_ranges_of_a_class_lie_within_those_of_the_fields_and_hold_what_is_shipped():
    loaded = [loading.load(name) for name in SHIPPED]
    wide = {"bytes": (1e4, 1e14), "W": (1e-5, 2e3), "FLOP/s": (1e4, 1e16), "bytes/s": (2e4, 5e13), "s": (0, 1)}
    for section, field in plausible_ranges.BY_CLASS:
        for device_class in get_args(loading.DeviceClass):
            within = plausible_ranges.of({"class": device_class}, section, field)
            low, high = (1e2, 1.25e10) if section == "link" else wide.get(within.unit, (0.0, 1e8))
            assert low <= within.low < within.high <= high, (section, field)
            alike = [profile for profile in loaded if profile.device_class == device_class]
            given_there = [getattr(getattr(profile, section), field, None) for profile in alike]
            assert all(within.holds(quantity.value) for quantity in given_there if quantity), (section, field)


def test_a_microcontroller_is_held_to_its_own_ranges(tmp_path):
    text = f"extends: esp32-s3\nmemory:\n  size_bytes: {given(4e9)}\npower:\n  max_w: {given(400)}\n"
    faults = faults_of(write(tmp_path, text))
    assert set(faults) == {"memory.size_bytes.value", "power.max_w.value"}
    assert "for class mcu" in faults["memory.size_bytes.value"]
    assert "looks like mW" in faults["power.max_w.value"]


def test_every_fault_of_a_file_is_named_at_once(tmp_path):
    text = """
name: My Pi
title: ""
class: tablet
colour: red
compute:
  peak_fp32_flops_per_s: 4.8e10
  training_utilisation: {value: "0.2", source: a test, confidence: sure}
memory:
  size_bytes: {value: 4e9, sauce: a test, confidence: measured}
  bandwith_bytes_per_s: {value: 1e10, source: a test, confidence: measured}
storage: microSD
power:
  idle_w: {value: 1, source: "", confidence: measured}
  max_w: null
"""
    faults = faults_of(write(tmp_path, text))
    assert set(faults) == {
        "name", "title", "class", "colour", "processor", "compute.peak_fp32_flops_per_s",
        "compute.training_utilisation.value", "compute.training_utilisation.confidence", "compute.step_overhead_s",
        "memory.size_bytes.sauce", "memory.size_bytes.source", "memory.bandwith_bytes_per_s",
        "memory.bandwidth_bytes_per_s", "storage", "power.idle_w.source", "power.max_w",
    }  # fmt: skip
    assert "did you mean 'source'" in faults["memory.size_bytes.sauce"]
    assert "did you mean 'bandwidth_bytes_per_s'" in faults["memory.bandwith_bytes_per_s"]
    assert "must be a map with value, source, confidence" in faults["compute.peak_fp32_flops_per_s"]
    assert "'measured', 'looked-up', 'derived' or 'estimate'" in faults["compute.training_utilisation.confidence"]
    assert "'jetson-gpu'" in faults["class"]
    assert "lower-case words" in faults["name"]


def test_a_file_that_is_no_profile_is_refused(tmp_path):
    assert "no such file" in faults_of(tmp_path / "none.yaml")[""]
    assert "empty" in faults_of(write(tmp_path, ""))[""]
    assert set(faults_of(write(tmp_path, "name: mine\n"))) == {
        "title", "class", "processor", "compute", "memory", "storage", "power",
    }  # fmt: skip


def test_a_name_that_differs_from_its_file_is_refused_where_the_file_is_asked_for_by_name(tmp_path):
    file = write(tmp_path, "extends: raspberry-pi-4b\nname: other\n")
    assert loading.load(file).name == "other"
    with pytest.raises(ScenarioError, match="name: must be the file's name, 'mine'; got 'other'"):
        loading.load("mine", folder=tmp_path)


# ---- what a table of numbers does not say


@over("name", SHIPPED)
def test_a_profile_says_whose_costs_and_which_watts_it_holds(name):
    profile = loading.load(name)
    assert profile.software
    assert profile.power.scope
    recomputes = profile.compute.recomputes_forward
    assert (profile.software == "DL4J") == (profile.device_class == "phone") == bool(recomputes)
    if profile.device_class == "mcu":
        assert profile.software == "loops in C"


@over("name", SHIPPED)
def test_a_profile_without_cooling_or_modes_says_why(name):
    profile = loading.load(name)
    note = profile.note or ""
    assert (profile.cooling is None) == ("No cooling" in note)
    assert (not profile.power.modes) == ("No modes" in note)


def test_watts_of_parts_are_called_so():
    scopes = {name: loading.load(name).power.scope for name in SHIPPED}
    assert scopes["tesla-t4"] == "card"
    assert scopes["arduino-nano-33-ble-sense"] == "processor"
    assert scopes["jetson-agx-orin"] == "module"
    assert scopes["jetson-nano"] == scopes["raspberry-pi-5"] == scopes["lenovo-m710q"] == "wall"
    assert scopes["pixel-7"] == "device"
    for name in SHIPPED:  # whoever measured at the wall says so
        power = loading.load(name).power
        if "wall power" in power.max_w.source or "wall meter" in power.max_w.source:
            assert power.scope == "wall", name


def test_a_variant_inherits_software_but_no_note(tmp_path):
    mine = loading.load(write(tmp_path, "extends: galaxy-s20\ncooling: null\n"))
    assert mine.software == "DL4J"
    assert mine.note is None
    own = loading.load(write(tmp_path, "extends: galaxy-s20\nsoftware: PyTorch Mobile\nnote: rooted\n"))
    assert (own.software, own.note) == ("PyTorch Mobile", "rooted")
    wrong = faults_of(write(tmp_path, "extends: galaxy-s20\npower: {scope: watts}\n"))
    assert "'wall', 'device', 'module', 'card' or 'processor'" in wrong["power.scope"]


def test_size_and_speed_of_a_microcontrollers_storage_are_of_the_same_thing():
    mkr1000, nano33 = loading.load("arduino-mkr1000").storage, loading.load("arduino-nano-33-ble-sense").storage
    assert mkr1000.kind == "microSD"  # 4.44 MB/s are those of POET's card
    assert mkr1000.size_bytes.value >= 1e9
    assert nano33.kind == "flash"  # a page of 4 KB: 85 ms of erasure and 1024 words of 41 µs
    assert nano33.write_bytes_per_s.value == pytest.approx(4096 / (0.085 + 1024 * 41e-6), rel=0.02)
    assert nano33.read_bytes_per_s.value > 1000 * nano33.write_bytes_per_s.value


def test_the_schema_describes_every_field():
    definitions = loading.schema()["$defs"]
    for section in ("Compute", "Memory", "Storage", "Power", "PowerMode", "Cooling", "Battery"):
        for field, described in definitions[section]["properties"].items():
            if field != "name":
                assert described.get("description"), (section, field)
    memory = definitions["Memory"]["properties"]
    assert "products and convolutions" in memory["operand_efficiency"]["description"]
    assert "larger than the images" in memory["cramped_weight_efficiency"]["description"]
