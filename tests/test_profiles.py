"""Device profiles: the shipped ones are complete, sourced and plausible; a bad one is refused, every fault named."""

import pickle
import re

import pytest

from edgesim import documents, profiles
from edgesim.errors import ProfileError, ScenarioError

SHIPPED = profiles.names()

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
    ("jetson-tx2", "power", "idle_w"),
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
    raw = profiles.to_dict(profile)
    for section in ("compute", "memory", "storage", "power", "cooling", "battery"):
        for field, quantity in raw.get(section, {}).items():
            if field not in ("kind", "modes"):
                yield f"{section}.{field}", quantity
    for i, mode in enumerate(raw["power"].get("modes", [])):
        for field in ("throughput_factor", "power_w"):
            yield f"power.modes[{i}].{field}", mode[field]


def write(tmp_path, text, name="mine"):
    file = tmp_path / f"{name}.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def faults_of(file, **options):
    """path -> message of what is wrong with a file."""
    with pytest.raises(ScenarioError) as caught:
        profiles.load(file, **options)
    assert str(file) in str(caught.value)
    return {fault.path: fault.message for fault in caught.value.faults}


def given(value):
    return f"{{value: {value}, source: a test, confidence: measured}}"


# ---- what is shipped


def test_at_least_thirty_real_devices_of_every_class_are_shipped():
    classes = [profiles.load(name).device_class for name in SHIPPED]
    assert len(SHIPPED) >= 30
    assert set(classes) == {"mcu", "sbc-cpu", "jetson-gpu", "phone", "edge-box", "laptop", "edge-server"}
    assert classes.count("phone") >= 5
    assert {
        "raspberry-pi-zero-2-w", "raspberry-pi-3b-plus", "raspberry-pi-4b", "raspberry-pi-5", "jetson-nano",
        "jetson-orin-nano", "galaxy-note10", "pixel-7", "intel-n100",
    } <= set(SHIPPED)  # fmt: skip


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_profile_loads_with_a_source_for_every_number(name):
    profile = profiles.load(name)
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
    pi4 = profiles.load("raspberry-pi-4b")
    assert pi4.compute.peak_fp32_flops_per_s.value == 4 * 1.5e9 * 8
    assert pi4.memory_bytes == 4e9
    assert (pi4.idle_w, pi4.power_w) == (1.6, 7.2)
    assert pi4.storage.kind == "microSD"
    nano = profiles.load("jetson-nano")
    assert nano.compute.peak_fp32_flops_per_s.value == pytest.approx(128 * 2 * 0.9216e9, rel=1e-3)
    assert nano.compute.peak_fp16_flops_per_s.value == pytest.approx(471.9e9)  # the advertised 472 GFLOPS
    orin = profiles.load("jetson-agx-orin")
    assert orin.memory.bandwidth_bytes_per_s.value == pytest.approx(256 * 2 * 3.199e9 / 8, rel=1e-3)
    assert profiles.load("esp32-s3").memory_bytes == 0.5e6  # 512 KB, rounded
    note10 = profiles.load("galaxy-note10")
    assert note10.battery_j == 13.5 * 3600
    assert pi4.battery_j is None


def test_training_throughput_follows_the_published_measurements():
    # jafermarq/federated-embedded-vision: the median of ten models runs 2.1 times as fast on the Pi 5; dusty-nv: the
    # Nano trains ResNet-18 at 113 GFLOP/s, the Xavier NX is 3.07 times as fast; POET: 6.37 MFLOP/s on the Nano 33.
    speed = {name: profiles.load(name).throughput_flops_per_s for name in SHIPPED}
    assert speed["raspberry-pi-5"] / speed["raspberry-pi-4b"] == pytest.approx(2.1, rel=0.01)
    assert speed["jetson-nano"] == pytest.approx(113e9, rel=0.01)
    assert speed["jetson-xavier-nx"] / speed["jetson-nano"] == pytest.approx(3.07, rel=0.01)
    assert speed["arduino-nano-33-ble-sense"] == pytest.approx(6.37e6, rel=0.01)
    assert speed["arduino-mkr1000"] == pytest.approx(0.16e6)
    assert profiles.load("jetson-nano").step_overhead_s == 9e-3
    assert profiles.load("raspberry-pi-5").step_overhead_s == 4e-3


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
    speeds = [profiles.load(name).throughput_flops_per_s for name in faster_and_faster]
    assert speeds == sorted(set(speeds))


def test_more_kinds_of_storage_than_one_and_the_order_people_know():
    read = {name: profiles.load(name).storage_read_bytes_per_s for name in SHIPPED}
    assert read["raspberry-pi-zero-2-w"] < read["raspberry-pi-4b"] < read["jetson-tx2"] < read["framework-13"]


@pytest.mark.parametrize(("name", "section", "field"), FROM_MEMORY)
def test_what_is_from_memory_is_marked_as_an_estimate(name, section, field):
    quantity = getattr(getattr(profiles.load(name), section), field)
    assert quantity.confidence == "estimate"


@pytest.mark.parametrize("name", SHIPPED)
def test_the_words_of_a_source_agree_with_its_confidence(name):
    for path, quantity in quantities(profiles.load(name)):
        if re.search(r"from memory|a guess", quantity["source"]) and "LPDDR" not in quantity["source"]:
            assert quantity["confidence"] == "estimate", path


# ---- reading


def test_names_and_folder_and_the_error_for_an_unknown_name():
    assert profiles.folder().name in ("device_profiles", "_device_profiles")
    assert sorted(SHIPPED) == SHIPPED
    assert set(profiles.available()) == set(SHIPPED)
    with pytest.raises(ProfileError, match=r"did you mean 'raspberry-pi-4b'.*there are: arduino-mkr1000, "):
        profiles.load("raspbery-pi-4")


def test_a_variant_of_five_lines_inherits_everything_else(tmp_path):
    file = write(tmp_path, f"extends: raspberry-pi-4b\npower:\n  max_w: {given(6.1)}\n")
    mine, base = profiles.load(file), profiles.load("raspberry-pi-4b")
    assert (mine.name, mine.power_w, mine.power.max_w.source) == ("mine", 6.1, "a test")
    assert mine.power.idle_w == base.power.idle_w
    assert (mine.compute, mine.memory, mine.storage) == (base.compute, base.memory, base.storage)


def test_extends_finds_the_same_folder_first_and_options_can_be_taken_away(tmp_path):
    write(tmp_path, f"extends: galaxy-note10\ncompute:\n  step_overhead_s: {given(0.5)}\n", "phone")
    file = write(tmp_path, "extends: phone\nbattery: null\ncompute: {peak_fp16_flops_per_s: null}\n")
    mine = profiles.load(file)
    assert mine.step_overhead_s == 0.5
    assert mine.battery_j is None
    assert mine.compute.peak_fp16_flops_per_s is None
    assert mine.title == profiles.load("galaxy-note10").title


def test_an_own_folder_wins_over_shipped_names_and_may_extend_them(tmp_path):
    write(tmp_path, f"extends: raspberry-pi-4b\npower:\n  max_w: {given(9)}\n", "raspberry-pi-4b")
    assert profiles.load("raspberry-pi-4b", folder=tmp_path).power_w == 9
    assert profiles.load("raspberry-pi-4b").power_w == 7.2
    assert profiles.names(tmp_path) == SHIPPED
    write(tmp_path, "extends: raspberry-pi-4b\n", "other")
    assert profiles.load("other", folder=tmp_path).power_w == 9


def test_extends_in_a_circle_or_to_nothing_is_an_error(tmp_path):
    one = write(tmp_path, "extends: two\n", "one")
    write(tmp_path, "extends: one\n", "two")
    with pytest.raises(ProfileError, match="circle: one -> two -> one"):
        profiles.load(one)
    with pytest.raises(ProfileError, match="extends itself"):
        profiles.load(write(tmp_path, "extends: three\n", "three"))
    with pytest.raises(ProfileError, match=r"four\.yaml: extends: there is no device .*'jetson-nano'"):
        profiles.load(write(tmp_path, "extends: jetson-nan\n", "four"))
    assert "must be the name or path" in faults_of(write(tmp_path, "extends: 4\n", "five"))["extends"]


def test_a_dump_loads_as_an_equal_profile_and_pickles(tmp_path):
    for name in ("galaxy-note10", "radxa-x4", "arduino-mkr1000"):
        profile = profiles.load(name)
        file = write(tmp_path, documents.dump(profiles.to_dict(profile)), name)
        assert profiles.load(file) == profile
        assert pickle.loads(pickle.dumps(profile)) == profile


def test_a_varied_device_differs_in_throughput_only():
    base = profiles.load("raspberry-pi-5")
    fast = profiles.vary(base, 1.25)
    assert fast.throughput_flops_per_s == pytest.approx(1.25 * base.throughput_flops_per_s, rel=1e-12)
    assert fast.compute.peak_fp16_flops_per_s.value == 1.25 * base.compute.peak_fp16_flops_per_s.value
    assert (fast.memory, fast.storage, fast.power, fast.name) == (base.memory, base.storage, base.power, base.name)
    assert "1.25" in fast.compute.peak_fp32_flops_per_s.note
    with pytest.raises(ProfileError, match="above 0"):
        profiles.vary(base, 0.0)


def test_the_table_has_a_row_per_profile_in_readable_units():
    rows = {row["name"]: row for row in profiles.table()}
    assert sorted(rows) == SHIPPED
    assert rows["galaxy-note10"] == {
        "name": "galaxy-note10",
        "title": "Samsung Galaxy Note10 (Snapdragon 855)",
        "class": "phone",
        "peak_gflops_per_s": pytest.approx(219.2),
        "utilisation": 0.0228,
        "memory_gb": 8.0,
        "storage": "UFS 3.0",
        "idle_w": 0.5,
        "max_w": 8.0,
        "battery_wh": pytest.approx(13.5),
    }
    assert rows["raspberry-pi-4b"]["battery_wh"] is None


def test_the_schema_knows_every_key_range_and_unit():
    schema = profiles.schema()
    shipped_keys = {key for name in SHIPPED for key in profiles.to_dict(profiles.load(name))}
    assert shipped_keys | {"extends"} == set(schema["properties"])
    assert "class" in schema["else"]["required"]
    assert "step_overhead_s" in schema["else"]["properties"]["compute"]["required"]
    reference = schema["$defs"]["Compute"]["properties"]["peak_fp32_flops_per_s"]["$ref"].rsplit("/", 1)[1]
    value = schema["$defs"][reference]["properties"]["value"]
    assert (value["minimum"], value["maximum"], value["description"]) == (1e4, 1e16, "in FLOP/s")


def test_modes_of_measured_clocks_and_of_cooling():
    # gemm_dvfs: 148.18 GFLOP/s of 222.4, and 4.75 W, at 614.4 MHz.
    nano = profiles.load("jetson-nano")
    assert nano.mode_names == ["full", "gpu-768mhz", "gpu-614mhz", "gpu-307mhz"]
    assert nano.mode("full") == (1.0, nano.power_w)
    assert nano.mode("gpu-614mhz") == (pytest.approx(148.18 / 222.4, abs=5e-4), 4.75)
    assert profiles.load("raspberry-pi-3b-plus").cooling.throttled_factor.value == pytest.approx(1.2 / 1.4, abs=1e-3)
    assert nano.cooling is None
    for name in SHIPPED:
        profile = profiles.load(name)
        assert (profile.cooling is not None) >= (profile.device_class == "phone")


def test_a_gpu_clock_leaves_dispatch_and_start_up_alone(tmp_path):
    nano, orin, pi = (profiles.load(name) for name in ("jetson-nano", "jetson-agx-orin", "raspberry-pi-4b"))
    assert nano.overhead_speed("gpu-307mhz") == nano.overhead_speed("full") == 1.0
    assert orin.overhead_speed("15w") == pytest.approx(1113.6 / 2201.6, abs=1e-3)  # slows its processor as well
    assert pi.overhead_speed("600mhz") == pi.mode("600mhz")[0] == 0.4
    mode = f"{{name: eco, throughput_factor: {given(0.5)}, power_w: {given(4)}, overhead_factor: {given(0.8)}}}"
    mine = profiles.load(write(tmp_path, f"extends: jetson-nano\npower: {{modes: [{mode}]}}\n"))
    assert mine.overhead_speed("eco") == 0.8
    with pytest.raises(KeyError):
        pi.overhead_speed("no such mode")


def test_modes_and_cooling_are_inherited_replaced_and_taken_away(tmp_path):
    mode = f"{{name: eco, throughput_factor: {given(0.5)}, power_w: {given(4)}}}"
    mine = profiles.load(write(tmp_path, f"extends: jetson-nano\npower: {{modes: [{mode}]}}\n"))
    assert mine.mode_names == ["full", "eco"]
    assert mine.mode("eco") == (0.5, 4.0)
    assert documents.parse(documents.dump(profiles.to_dict(mine)), "dump")["power"]["modes"][0]["name"] == "eco"
    cooled = profiles.load(write(tmp_path, "extends: galaxy-s20\ncooling: null\n"))
    assert cooled.cooling is None
    slower = f"extends: galaxy-s20\ncooling: {{throttled_factor: {given(0.5)}}}\n"
    assert profiles.load(write(tmp_path, slower)).cooling.time_constant_s.value == 300


@pytest.mark.parametrize(
    ("field", "value", "hint"),
    [
        ("throttled_factor", 75, "looks like per cent: multiply by 0.01"),
        ("throttled_factor", 0, "allowed is 0.01 to 1"),
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
        (f"[{{name: eco, power_w: {given(4)}}}]", "power.modes[0].throughput_factor", "is missing"),
        (f"[{{name: eco, throughput_factor: 0.5, power_w: {given(4)}}}]", "power.modes[0].throughput_factor", "a map"),
        (f"[{{name: eco, throughput_factor: {given(50)}, power_w: {given(4)}}}]",
         "power.modes[0].throughput_factor.value", "looks like per cent"),
        (f"[{{name: eco, throughput_factor: {given(0.5)}, power_w: {given(9)}}}]", "power.modes[0].power_w.value",
         "outside the device's power: allowed is 2.4 W (idle_w) to 8.7 W (max_w)"),
        (f"[{{name: full, throughput_factor: {given(0.5)}, power_w: {given(4)}}}]", "power.modes[0].name", "full mode"),
        (f"[{{name: eco, throughput_factor: {given(0.5)}, power_w: {given(4)}, clock: 5}}]", "power.modes[0].clock",
         "unknown key; allowed: name, overhead_factor, power_w, throughput_factor"),
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
        ("compute.peak_fp16_flops_per_s", 65130, "looks like GFLOP/s"),
        ("compute.training_utilisation", 22, "looks like per cent: multiply by 0.01"),
        ("compute.training_utilisation", 0, "allowed is 1e-06 to 1 "),
        ("compute.step_overhead_s", 9, "looks like ms: multiply by 0.001"),
        ("memory.size_bytes", 4, "looks like GB"),
        ("memory.size_bytes", 4000, "looks like MB"),
        ("memory.size_bytes", 4000000, "looks like KB"),
        ("memory.bandwidth_bytes_per_s", 12.8, "looks like GB/s"),
        ("storage.size_bytes", 32, "looks like GB"),
        ("storage.read_bytes_per_s", 46, "looks like MB/s"),
        ("storage.write_bytes_per_s", -1, "allowed is 20000 to 5e+10 bytes/s"),
        ("power.max_w", 7200, "looks like mW"),
        ("power.max_w", -7.2, "allowed is 1e-05 to 2000 W"),
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
    assert profiles.load(file).name == "other"
    with pytest.raises(ScenarioError, match="name: must be the file's name, 'mine'; got 'other'"):
        profiles.load("mine", folder=tmp_path)
