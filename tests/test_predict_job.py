"""A whole training on one device, predicted: its parts by hand, and equal to what a run is charged."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import command

import edgesim
from edgesim.errors import ProfileError
from edgesim.hardware import loading
from edgesim.hardware.power_setting import setting
from edgesim.planning.step_prediction import StepQuery, predict_step, profiles_of
from edgesim.planning.training_prediction import predict_job
from edgesim.runtime import SerialExecutor
from edgesim.scenario.loading import Scenario
from edgesim.tasks import NetworkForm
from edgesim.training.settings import Training

PARTS = ("compute_time_s", "memory_time_s", "overhead_time_s", "storage_time_s")
COMMAND = ("predict", "--model=mlp", "--input=1x8x8", "--batch-size=16")


def asked(batch_size: int = 16, model: str = "mlp") -> StepQuery:
    return StepQuery.of(model, NetworkForm((1, 8, 8), 10), batch_size, Training())


def test_a_training_is_its_steps_and_a_start() -> None:
    """100 samples in batches of 16: six full steps and one of four samples per epoch."""
    pi = loading.load("raspberry-pi-4b")
    found = predict_job(pi, asked(), samples=100, epochs=3)
    full, rest = predict_step(pi, asked()), predict_step(pi, asked(4))
    for part in PARTS:
        assert found[part] == pytest.approx(3 * (6 * full[part] + rest[part]), rel=1e-12)
    assert found["steps"] == 21
    assert found["startup_s"] == 4.2
    assert found["heat_time_s"] == 0
    assert found["time_s"] == pytest.approx(4.2 + 3 * (6 * full["time_s"] + rest["time_s"]), rel=1e-12)
    assert found["read_bytes"] == 300 * 64
    assert found["flops"] == 18 * full["flops"] + 3 * rest["flops"]
    assert found["training_energy_j"] == pytest.approx(3 * (6 * full["energy_j"] + rest["energy_j"]), rel=1e-9)
    assert found["analytic_time_s"] == found["flops"] / pi.throughput_flops_per_s


@pytest.mark.parametrize("mode", ["full", "gpu-307mhz"])
@pytest.mark.parametrize("startup", ["cold", "warm"])
def test_parts_sum_and_a_warm_start_takes_nothing(mode: str, startup: str) -> None:
    nano = loading.load("jetson-nano")
    found = predict_job(nano, asked(), 500, 4, mode, startup)  # type: ignore[arg-type]
    assert found["startup"] == startup
    assert sum(found[part] for part in ("startup_s", *PARTS, "heat_time_s")) == pytest.approx(found["time_s"])
    assert found["startup_energy_j"] + found["training_energy_j"] == pytest.approx(found["energy_j"])
    assert (found["startup_s"] > 0) == (found["startup_energy_j"] > 0) == (startup == "cold")
    other = predict_job(nano, asked(), 500, 4, mode, "cold" if startup == "warm" else "warm")
    assert {found[part] for part in PARTS} == {other[part] for part in PARTS}


def test_a_slower_mode_takes_longer_in_the_parts_that_its_clock_sets() -> None:
    nano = loading.load("jetson-nano")
    full, slow = (predict_job(nano, asked(), 500, 4, mode) for mode in ("full", "gpu-307mhz"))
    slowed = setting(nano, "gpu-307mhz")
    assert slow["compute_time_s"] == pytest.approx(full["compute_time_s"] / slowed.speed)
    assert slow["storage_time_s"] == full["storage_time_s"]
    assert slow["startup_s"] == pytest.approx(full["startup_s"] / slowed.overhead_speed)


def test_heat_slows_a_long_training_down_and_holds_its_power() -> None:
    """Once it is throttled, every epoch takes equally long, at the power that the phone can shed for ever."""
    phone = loading.load("galaxy-s20")
    assert phone.cooling is not None
    network = StepQuery.of("resnet8", NetworkForm((3, 32, 32), 10), 64, Training())
    short, one, two, three = (predict_job(phone, network, 6400, epochs) for epochs in (1, 200, 300, 400))
    assert short["heat_time_s"] == short["throttled_s"] == 0
    for found in (one, two, three):
        parts = sum(found[part] for part in ("startup_s", *PARTS))
        assert 0 < found["heat_time_s"] == pytest.approx(found["time_s"] - parts)
        assert found["heat_time_s"] < found["throttled_s"] < found["time_s"]
    assert three["time_s"] - two["time_s"] == pytest.approx(two["time_s"] - one["time_s"], rel=1e-9)
    power_w = (three["energy_j"] - two["energy_j"]) / (three["time_s"] - two["time_s"])
    factor = phone.cooling.throttled_factor.value
    assert power_w == pytest.approx(phone.idle_w + (phone.power_w - phone.idle_w) * factor**2.2, rel=1e-6)


def test_a_run_is_charged_what_was_predicted(make_scenario: Callable[..., Scenario], tmp_path: Path) -> None:
    fleet = {"groups": [{"profile": name, "count": 1} for name in ("raspberry-pi-4b", "galaxy-s20")]}
    scenario = make_scenario(fleet=fleet, pruning__methods=["full"], training__batch_size=7)
    run = edgesim.run(scenario, tmp_path / "run", executor=SerialExecutor())
    network = StepQuery.of("mlp", NetworkForm((1, 8, 8), 10), 7, scenario.training)
    for row in run.records.itertuples():
        # The scenario's mlp is narrower than the table's: the same prediction of the network that it was.
        mine = StepQuery(**{**vars(network), "workload": run.terms.workload})
        found = predict_job(loading.load(str(row.profile)), mine, int(row.shard_size), scenario.training.epochs)
        assert found["time_s"] == pytest.approx(row.device_time_s, rel=1e-12)
        assert found["energy_j"] == pytest.approx(row.device_energy_j, rel=1e-12)
        assert found["storage_time_s"] == pytest.approx(row.device_wait_s, rel=1e-12)
        assert found["steps"] == row.steps
        assert found["peak_memory_bytes"] == row.peak_memory_bytes
        assert found["analytic_time_s"] == pytest.approx(row.analytic_time_s, rel=1e-12)


def test_what_a_device_cannot_hold_is_said_with_what_it_needs() -> None:
    tiny = loading.load("stm32f746")
    found = predict_job(tiny, asked(), 100_000, 1)
    assert not found["feasible"]
    assert "needs 6.4 MB of storage for its data" in found["reason"].replace("6.40", "6.4")
    few = predict_job(loading.load("raspberry-pi-4b"), asked(512), 10, 1)  # no batch is larger than the data
    assert few["peak_memory_bytes"] == asked().workload.peak_training_bytes(10, 2)


def test_of_a_battery_is_said_how_much_a_training_takes() -> None:
    phone = loading.load("galaxy-s20")
    found = predict_job(phone, asked(), 100, 1)
    assert found["battery_j"] == phone.battery_j
    assert predict_job(loading.load("raspberry-pi-4b"), asked(), 100, 1)["battery_j"] is None
    assert found["energy_j"] / found["battery_j"] == pytest.approx(5.9e-5, rel=0.02)
    shown = command(*COMMAND, "--samples=100", "--epochs=1", "--profile=galaxy-s20")
    assert "  battery       <0.01 % of a full one" in shown.stdout


def test_profiles_by_name_and_all_faults_at_once() -> None:
    assert [profile.name for profile in profiles_of(["all"])] == loading.names()
    with pytest.raises(ProfileError) as caught:
        profiles_of(["jetson-nanoo", "jetson-nano", "jetson-nano", "raspberri-pi-5"])
    text = str(caught.value)
    assert "did you mean 'jetson-nano'" in text
    assert "'jetson-nano' is named twice" in text
    assert "did you mean 'raspberry-pi-5'" in text


def test_the_command_for_a_training_and_for_several_devices() -> None:
    job = (*COMMAND, "--samples=100", "--epochs=3")
    one = command(*job, "--profile=raspberry-pi-4b")
    assert one.returncode == 0, one.stderr
    for words in ("100 samples, 3 epochs", "cold start", "start-up    4.2 s", "storage", "21 steps"):
        assert words in one.stdout
    alone = json.loads(command(*job, "--profile=raspberry-pi-4b", "--json", "--startup=warm").stdout)
    assert alone == predict_job(loading.load("raspberry-pi-4b"), asked(), 100, 3, startup="warm")
    table = command(*job, "--profile=raspberry-pi-4b", "--profile=jetson-nano").stdout
    cells = {line.split()[0]: line.split() for line in table.splitlines() if line.strip()}
    assert cells["jetson-nano"][2] == "48.5"  # s of start-up, within the time beside it
    assert float(cells["jetson-nano"][1]) > 48.5
    both = command(*job, "--profile=raspberry-pi-4b", "--profile=jetson-nano", "--json")
    assert [row["profile"] for row in json.loads(both.stdout)] == ["raspberry-pi-4b", "jetson-nano"]
    steps = command(*COMMAND, "--profile=raspberry-pi-4b", "--profile=arduino-mkr1000")
    assert steps.returncode == 0, steps.stderr
    (row,) = [line for line in steps.stdout.splitlines() if line.startswith("arduino-mkr1000")]
    assert "no: needs" in row
    assert "one step of mlp, batch size 16" in steps.stdout


@pytest.mark.parametrize(
    ("model", "form", "dtype", "sample_bytes"),
    [
        ("ds-cnn", NetworkForm((1, 32, 48), 10), None, 1536),  # as an image
        ("ds-cnn", NetworkForm((1, 32, 48), 10), "float32", 6144),
        ("ds-cnn", NetworkForm((1, 32, 48), 10), "float16", 3072),
        ("cnn1d", NetworkForm((3, 80), 6), None, 960),
        ("cnn1d", NetworkForm((3, 80), 6), "int8", 240),
        ("tiny-transformer", NetworkForm((20,), 2, tokens=True, vocabulary=50), None, 80),
    ],
)
def test_a_sample_is_stored_in_as_many_bytes_as_its_numbers(
    model: str, form: NetworkForm, dtype: str | None, sample_bytes: int
) -> None:
    query = StepQuery.of(model, form, 8, Training(), dtype)
    pi = loading.load("raspberry-pi-4b")
    job = predict_job(pi, query, samples=20, epochs=3)
    step = predict_step(pi, query)
    assert job["sample_bytes"] == step["sample_bytes"] == sample_bytes
    assert (job["read_bytes"], step["read_bytes"]) == (60 * sample_bytes, 8 * sample_bytes)
    assert job["storage_time_s"] == pytest.approx(60 * sample_bytes / pi.storage.read_bytes_per_s.value)


def test_the_command_says_the_type_of_the_numbers() -> None:
    sound = ("predict", "--profile=raspberry-pi-4b", "--model=ds-cnn", "--input=1x32x48", "--batch-size=8")
    usual = "each sample is stored in 1.54 KB (uint8, usual for this shape; --dtype sets another)"
    assert usual in " ".join(command(*sound).stdout.split())
    assert "each sample is stored in 6.14 KB (float32)" in command(*sound, "--dtype=float32").stdout
    tokens = ("predict", "--profile=raspberry-pi-4b", "--model=tiny-transformer", "--input=20", "--batch-size=8")
    assert "allowed for token ids: int32" in command(*tokens, "--dtype=int8").stderr


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--dtype=float64",), "there is no type of numbers 'float64'"),
        (("--dtype=int32",), "allowed for samples that are no token ids: uint8"),
        (("--samples=0", "--epochs=1"), "--samples"),
        (("--samples=1", "--epochs=0"), "--epochs"),
        (("--samples=5",), "both --samples and --epochs"),
        (("--epochs=5",), "both --samples and --epochs"),
        (("--samples=5", "--epochs=1", "--startup=hot"), "allowed: cold, warm"),
        (("--startup=warm",), "--startup belongs to a whole training"),
        (("--profile=jetson-nanoo",), "did you mean 'jetson-nano'"),
        (("--profile=jetson-nano", "--profile=jetson-nano"), "named twice"),
        (("--profile=jetson-nano", "--power-mode=5x"), "no power mode '5x'"),
    ],
)
def test_faults_of_a_prediction(more: tuple[str, ...], words: str) -> None:
    given = more if any(word.startswith("--profile") for word in more) else ("--profile=raspberry-pi-4b", *more)
    done = command(*COMMAND, *given)
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
