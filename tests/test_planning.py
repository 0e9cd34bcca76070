"""Plans against the records of a run, by hand, and for fleets of a million devices."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import commands
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from conftest import ROOT

import edgesim
from edgesim import api, planning, seeds
from edgesim.cost import feasibility
from edgesim.cost.batch_pricing import Device
from edgesim.hardware import loading
from edgesim.hardware.power_setting import power_by_clocks, setting
from edgesim.models import network_costs
from edgesim.models.catalog import MODELS
from edgesim.planning import step_prediction
from edgesim.planning.expected_cost import DeviceBatch, ExpectedWork
from edgesim.planning.fleet_plan import MEASURES
from edgesim.planning.run_plan import plan_run
from edgesim.runtime import SerialExecutor
from edgesim.scenario.experiment import configure
from edgesim.scenario.loading import Scenario
from edgesim.tasks import NetworkForm
from edgesim.training.settings import Training

Make = Callable[..., Scenario]
KEY = ["seed", "device", "method", "keep_ratio"]


def test_a_plan_is_what_the_run_is_charged(make_scenario: Make, tmp_path: Path) -> None:
    """All rows of a run with methods that score, one that does not, and dynamic ones."""
    moving = ["infobatch", "fewer-epochs", "rs2", {"name": "online-loss", "warm_epochs": 0.5}]
    scenario = make_scenario(
        pruning__methods=["full", "random", "importance", "el2n", *moving], seeds=[0, 1], training__epochs=3
    )
    records = api.run(scenario, tmp_path / "run", executor=SerialExecutor()).records
    planned = edgesim.plan(scenario)
    both = records.merge(planned, on=KEY, suffixes=("", "_planned"), validate="one_to_one")
    assert len(both) == len(records) == len(planned)
    for name in (*MEASURES, "shard_size", "subset_size"):
        np.testing.assert_array_equal(both[f"{name}_planned"], both[name], err_msg=name)
    dynamic = records["method"].isin(["infobatch", "fewer-epochs", "rs2", "online-loss"])
    np.testing.assert_array_equal(records["dynamic"], dynamic)
    assert (records.loc[dynamic, "subset_size"] == records.loc[dynamic, "shard_size"]).all()
    assert (planned["limit"] == "").all()
    assert (planned["profile"] == records["profile"]).all()


def test_every_device_of_a_spread_fleet_has_its_own_price(make_scenario: Make, tmp_path: Path) -> None:
    scenario = make_scenario(fleet__spread=0.3, pruning__methods=["random"], pruning__keep_ratio=0.5)
    records = api.run(scenario, tmp_path / "run", executor=SerialExecutor()).records
    planned = edgesim.plan(scenario)
    np.testing.assert_array_equal(planned["device_time_s"], records["device_time_s"])
    np.testing.assert_array_equal(planned["analytic_time_s"], records["analytic_time_s"])


def test_what_stands_out_is_in_the_rows(make_scenario: Make) -> None:
    groups = [{"profile": name, "count": 2} for name in ("arduino-nano-33-ble-sense", "raspberry-pi-4b")]
    scenario = make_scenario(fleet__groups=groups, model__hidden=[512], seeds=[0, 1])
    planned = planning.plan_fleet(scenario)
    rows = planned.frame()
    assert set(rows.loc[rows["profile"] == groups[0]["profile"], "limit"]) == {"memory"}
    good = rows[rows["limit"] == ""]
    assert set(good["profile"]) == {"raspberry-pi-4b"}
    for row in planned.by_method():
        mine = good[(good["method"] == row["method"]) & np.isclose(good["keep_ratio"], row["keep_ratio"])]
        assert (row["trials"], row["infeasible"]) == (8, 4)
        for name in MEASURES:
            known = mine[name].notna().all()  # no link of a Raspberry Pi is known, so no time of an upload
            assert row[name] == (pytest.approx(mine[name].mean()) if known else None)
        assert row["slowest_device_time_s"] == pytest.approx(mine["device_time_s"].max())
        assert row["total_device_energy_j"] == pytest.approx(mine["device_energy_j"].sum())
    stuck = [row for row in planned.by_profile() if row["profile"] == groups[0]["profile"]]
    assert {(row["infeasible"], row["device_time_s"]) for row in stuck} == {(4, None)}
    first, second = planned.most("device_energy_j", 2)
    by_device = good.groupby("device")["device_energy_j"].max().sort_values(ascending=False)
    assert [first["device"], second["device"]] == by_device.index[:2].tolist()
    assert first["device_energy_j"] == pytest.approx(by_device.iloc[0])


def test_a_plan_follows_a_budget(make_scenario: Make) -> None:
    scenario = make_scenario(pruning__keep_ratio={"budget": {"energy_j": 0.006, "price": "analytic"}})
    rows = edgesim.plan(scenario)
    paid = rows[(rows["limit"] == "") & (rows["method"] != "full")]
    assert (paid["analytic_energy_j"] <= 0.006).all()
    tight = edgesim.plan(make_scenario(pruning__keep_ratio={"budget": {"energy_j": 1e-6}}))
    assert (tight.loc[tight["method"] == "importance", "limit"] == "budget").all()
    assert (tight.loc[tight["method"] == "full", "limit"] == "").all()


@pytest.mark.parametrize("spread", [0.0, 0.2])
def test_a_scaled_fleet_is_like_the_scenarios(make_scenario: Make, spread: float) -> None:
    scenario = make_scenario(fleet__spread=spread, pruning__methods=["random"], pruning__keep_ratio=[0.5])
    planned = planning.plan_fleet(scenario, 9000)
    rows = planned.frame()
    assert rows["device"].tolist() == list(range(9000))
    assert rows["profile"].value_counts().to_dict() == {"raspberry-pi-4b": 6000, "jetson-nano": 3000}
    own = edgesim.plan(scenario)
    drawn = rows["shard_size"].value_counts(normalize=True)
    assert set(drawn.index) == set(own["shard_size"])
    assert drawn.to_numpy() == pytest.approx(1 / 3, abs=0.03)
    pd.testing.assert_frame_equal(rows, planning.plan_fleet(scenario, 9000).frame())
    if not spread:
        nano = rows[rows["profile"] == "jetson-nano"].groupby("shard_size")["device_time_s"].nunique()
        assert (nano == 1).all()
        return
    plain = planning.plan_fleet(make_scenario(pruning__methods=["random"], pruning__keep_ratio=[0.5]), 9000).frame()
    factor = plain["analytic_time_s"] / rows["analytic_time_s"]
    drawn_factor = np.exp(0.2 * seeds.stream(0, "plan:spread").standard_normal(9000))
    np.testing.assert_allclose(factor, drawn_factor, rtol=1e-12)


def test_the_slowest_of_a_large_spread_fleet_is_as_slow_as_it_is(make_scenario: Make) -> None:
    """Factors of more than 10,000 devices are rounded by 2 % at most, those at both ends like the others."""
    given = {"pruning__methods": ["random"], "pruning__keep_ratio": [0.5]}
    found = planning.plan_fleet(make_scenario(fleet__spread=0.4, **given), 100_000)
    plain = planning.plan_fleet(make_scenario(**given), 100_000)
    times, unspread = (plan.cells["analytic_time_s"][plan.pair, 0] for plan in (found, plain))
    factor = np.exp(0.4 * seeds.stream(0, "plan:spread").standard_normal(100_000))
    np.testing.assert_allclose(unspread / times, factor, rtol=0.0203)
    slowest = factor.argmin()  # four and a half sigmas: a sixth of the median's speed
    assert times[slowest] / unspread[slowest] == pytest.approx(1 / factor[slowest], rel=0.0203)
    assert len(found.pair_kind) < 2500  # what a million devices cost does not grow with them


def test_a_factor_prices_like_a_profile_that_varies(make_scenario: Make) -> None:
    """Planned devices share a profile and differ in a factor; those of a run have profiles of their own."""
    scenario = make_scenario(fleet__spread=0.3, pruning__methods=["importance"], pruning__keep_ratio=[0.5])
    planned = planning.plan_fleet(scenario, 3)
    run = plan_run(scenario)
    config, network = configure(scenario, run.config.dataset)
    method = scenario.pruning.methods[0].plugin
    for i in range(3):
        base, conditions = planned.fleet.kinds[planned.fleet.kind[i]]
        factor = float(planned.fleet.factors[planned.fleet.level[i]])
        indices = planned.fleet.shards[planned.fleet.shard[i]]
        work = ExpectedWork(config.pricing, network, method, [config.describe(config.dataset.train_labels[indices])])
        cells = {name: values[planned.pair[i]] for name, values in planned.cells.items()}
        device, first, one = Device(loading.vary(base, factor), conditions), np.array([0]), np.ones(1)
        alone = DeviceBatch(work, device, first, one, one).price(first, cells["subset_size"].astype(np.int64))
        assert factor != 1
        np.testing.assert_allclose(cells["analytic_time_s"], alone.time_s("analytic"), rtol=1e-12)
        np.testing.assert_allclose(cells["device_time_s"], alone.time_s("emulated"), rtol=1e-12)
        np.testing.assert_allclose(cells["device_energy_j"], alone.energy_j("emulated"), rtol=1e-12)


def test_a_file_is_there_whole_or_not_at_all(
    make_scenario: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped while it writes: what was there before still is, and nothing half written lies about."""
    planned = planning.plan_fleet(make_scenario(), 100)
    path = tmp_path / "plan.parquet"
    planned.write(path)
    before = path.read_bytes()
    whole = type(planned).chunks

    def stopped(self: planning.FleetPlan, rows: int) -> Iterator[Any]:
        yield from whole(self, rows)
        raise KeyboardInterrupt

    monkeypatch.setattr(type(planned), "chunks", stopped)
    with pytest.raises(KeyboardInterrupt):
        planned.write(path)
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == ["plan.parquet"]


def test_a_million_devices_stream_to_a_file(make_scenario: Make, tmp_path: Path) -> None:
    """Ten million rows; 5 s is the promise on an idle machine, and the tests share theirs."""
    ratios = [round(0.1 * k, 1) for k in range(1, 11)]
    scenario = make_scenario(fleet__spread=0.1, pruning__methods=["importance"], pruning__keep_ratio=ratios)
    started, used = time.perf_counter(), time.process_time()
    planned = planning.plan_fleet(scenario, 1_000_000)
    planned.write(tmp_path / "plan.parquet")
    busy_s = time.process_time() - used
    assert len(planned) == 10_000_000
    assert busy_s < 15, f"took {busy_s:.1f} s of processor, {time.perf_counter() - started:.1f} s in all"
    file = pq.ParquetFile(tmp_path / "plan.parquet")
    assert file.metadata.num_rows == 10_000_000
    assert file.num_row_groups == 10
    last = file.read_row_group(9).to_pandas()
    small = planning.plan_fleet(scenario, 1_000_000).cells["device_energy_j"]
    assert last["device_energy_j"].iloc[-1] == small[planned.pair[-1], -1]
    assert last["device"].iloc[-1] == 999_999
    assert last["profile"].iloc[-1] == "jetson-nano"
    assert (last["limit"] == "").all()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 3 * 2**20  # KiB, the whole test process


def test_a_plan_needs_no_torch_once_the_network_was_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGESIM_CACHE", str(tmp_path))
    first = edgesim.plan(edgesim.load_scenario("quickstart"))
    assert len(list((tmp_path / "counted").glob("*.json"))) == 1
    code = (
        "import sys, edgesim\n"
        "frame = edgesim.plan(edgesim.load_scenario('scenarios/quickstart.yaml'))\n"
        "print(len(frame), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert len(first) == edgesim.load_scenario("quickstart").trial_count
    assert done.stdout.split() == [str(len(first)), "False"]


def test_a_counted_network_is_read_back_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGESIM_CACHE", str(tmp_path))
    model = MODELS["small-cnn"]()
    first = network_costs.counted(model, "small-cnn", NetworkForm((1, 8, 8), 10))
    (file,) = (tmp_path / "counted").glob("*.json")
    assert network_costs.counted(model, "small-cnn", NetworkForm((1, 8, 8), 10)) == first
    file.write_text(file.read_text()[:100])  # as a kill may leave it
    assert network_costs.counted(model, "small-cnn", NetworkForm((1, 8, 8), 10)) == first
    assert network_costs.counted(model, "small-cnn", NetworkForm((1, 8, 8), 9))[0] != first[0]
    assert len(list((tmp_path / "counted").glob("*.json"))) == 2


def test_a_prediction_by_its_parts() -> None:
    found = step_prediction.predict(
        "raspberry-pi-4b", "resnet8", NetworkForm((3, 32, 32), 10), 32, Training(optimizer="sgd")
    )
    parts = [found[f"{name}_time_s"] for name in ("compute", "memory", "overhead", "storage")]
    assert found["time_s"] == pytest.approx(sum(parts))
    assert found[f"{found['binds']}_time_s"] == max(parts)
    assert found["storage_time_s"] == pytest.approx(32 * 3072 / 46e6)  # the SD card reads 46 MB/s
    # 5.6 W above idle where it computes, of which memory takes 0.6 and dispatch 0.3.
    active_s = found["compute_time_s"] + 0.6 * found["memory_time_s"] + 0.3 * found["overhead_time_s"]
    assert found["energy_j"] == pytest.approx(1.6 * found["time_s"] + 5.6 * active_s)
    assert found["analytic_time_s"] == pytest.approx(found["flops"] / (4.8e10 * 0.112))
    twice = step_prediction.predict(
        "raspberry-pi-4b", "resnet8", NetworkForm((3, 32, 32), 10), 64, Training(optimizer="sgd")
    )
    assert twice["flops"] == 2 * found["flops"]
    assert found["time_s"] < twice["time_s"] < 2 * found["time_s"]  # the overhead is paid once
    adam = step_prediction.predict(
        "raspberry-pi-4b", "resnet8", NetworkForm((3, 32, 32), 10), 32, Training(optimizer="adam")
    )
    # One state more, and Adam's count of steps for each of 9 kernels, 18 numbers of batch norm and 2 of the last layer.
    assert adam["peak_memory_bytes"] - found["peak_memory_bytes"] == 4 * found["parameters"] + 4 * 29


def test_a_prediction_of_the_start_up_in_a_power_mode() -> None:
    """The profile's seconds at the processor's clock, at the power that a step draws beside the GPU's work."""
    nano = loading.load("jetson-nano")
    first, law = nano.compute.first_step_s, power_by_clocks(nano)
    assert first is not None
    assert law is not None
    for mode in nano.mode_names:
        found = step_prediction.predict("jetson-nano", "mlp", NetworkForm((1, 8, 8), 10), 16, Training(), mode)
        slowed = setting(nano, mode)
        assert slowed.clocks is not None
        startup_s = first.value / slowed.overhead_speed
        assert found["startup_s"] == pytest.approx(startup_s)
        assert found["startup_energy_j"] == pytest.approx(startup_s * float(law.floor_at_w(slowed.clocks)))


def test_a_warm_fleet_plans_without_start_up(make_scenario: Make) -> None:
    groups = [{"profile": "jetson-nano", "count": 1, "startup": startup} for startup in ("cold", "warm")]
    rows = edgesim.plan(make_scenario(fleet__groups=groups, partition="iid", pruning__methods=["full"]))
    cold, warm = rows.to_dict("records")
    assert (warm["device_startup_s"], warm["device_startup_energy_j"]) == (0, 0)
    assert cold["device_startup_s"] == pytest.approx(48.5, abs=1)
    assert cold["shard_size"] == pytest.approx(warm["shard_size"], abs=1)
    assert cold["device_train_time_s"] == pytest.approx(warm["device_train_time_s"], rel=0.05)


def test_a_prediction_says_what_would_fit() -> None:
    found = step_prediction.predict(
        "raspberry-pi-zero-2-w", "resnet18", NetworkForm((3, 224, 224), 1000), 64, Training()
    )
    fits, usable = found["largest_batch_size"], found["usable_memory_bytes"]
    assert usable == pytest.approx((1 - feasibility.SYSTEM_SHARE) * 512e6, rel=0.1)
    assert found["peak_memory_bytes"] > usable
    assert 0 < fits < 64
    smaller = step_prediction.predict(
        "raspberry-pi-zero-2-w", "resnet18", NetworkForm((3, 224, 224), 1000), fits, Training()
    )
    assert smaller["peak_memory_bytes"] <= usable
    assert (smaller["feasible"], smaller["reason"]) == (True, "")
    assert not found["feasible"]
    for words in ("of training memory at batch size 64", f"batch size {fits} would fit"):
        assert words in found["reason"]


def test_a_power_mode_and_a_precision_change_what_they_should() -> None:
    def resnet8(profile: str, mode: str = "full", precision: Literal["fp32", "bf16"] = "fp32") -> dict[str, Any]:
        training = Training(optimizer="sgd", precision=precision)
        return step_prediction.predict(profile, "resnet8", NetworkForm((3, 32, 32), 10), 32, training, mode)

    profile = loading.load("raspberry-pi-4b")
    slowed = setting(profile, profile.power.modes[0].name)
    speed, power_w = slowed.speed, slowed.load_w
    full, slow = resnet8("raspberry-pi-4b"), resnet8("raspberry-pi-4b", profile.power.modes[0].name)
    assert slow["compute_time_s"] == pytest.approx(full["compute_time_s"] / speed)
    assert slow["storage_time_s"] == full["storage_time_s"]  # the card is as fast as ever
    memory, overhead = profile.power.memory_activity, profile.power.overhead_activity
    assert memory is not None
    assert overhead is not None
    active_s = slow["compute_time_s"] + memory.value * slow["memory_time_s"] + overhead.value * slow["overhead_time_s"]
    above_idle_j = (power_w - profile.idle_w) * active_s
    assert slow["energy_j"] == pytest.approx(profile.idle_w * slow["time_s"] + above_idle_j)
    assert (slow["flops"], slow["analytic_time_s"]) == (full["flops"], full["analytic_time_s"])
    orin, half = resnet8("jetson-agx-orin"), resnet8("jetson-agx-orin", precision="bf16")
    peaks = loading.load("jetson-agx-orin").compute
    assert peaks.peak_bf16_flops_per_s
    ratio = peaks.peak_bf16_flops_per_s.value / peaks.peak_fp32_flops_per_s.value
    assert half["compute_time_s"] == pytest.approx(orin["compute_time_s"] / ratio)
    assert (half["precision"], half["priced_precision"]) == ("bf16", "bf16")
    without = resnet8("raspberry-pi-4b", precision="bf16")
    assert (without["time_s"], without["priced_precision"]) == (full["time_s"], "fp32")


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return commands.command(*arguments, columns=160)


def test_the_plan_command(tmp_path: Path) -> None:
    out = tmp_path / "rows.parquet"
    done = command("plan", "scenarios/quickstart.yaml", "--devices", "500", "--out", str(out), "--json")
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    trials = 500 * edgesim.load_scenario("quickstart").pruning.trials_per_device
    assert (answer["devices"], answer["trials"], len(answer["rows"])) == (500, trials, trials)
    assert len(pd.read_parquet(out)) == trials
    assert sum(row["trials"] for row in answer["by_profile"]) == trials
    assert {row["repeats_to_break_even"] for row in answer["by_method"]} <= {None, "never", *range(1, 1000)}
    assert len(answer["slowest"]) == len(answer["hungriest"]) == 3
    shown = command("plan", "scenarios/quickstart.yaml", "--set", "pruning.keep_ratio={budget: {latency_s: 0.2}}")
    assert shown.returncode == 0, shown.stderr
    for words in ("whole fleet", "by profile", "slowest: device", "hungriest: device", "trials of 8 devices"):
        assert words in shown.stdout


def cannot(make: Make) -> Scenario:
    """Two Pis whose windows are open 0.1 ms a day, and a Jetson with 0.2 J, of which starting up takes more."""
    groups = [
        {
            "profile": "raspberry-pi-4b",
            "count": 2,
            "available": {"period_s": 86400, "windows": [[0, 1e-4]]},
        },
        {"profile": "jetson-nano", "count": 1, "energy": {"source": "battery", "capacity_j": 0.2}},
    ]
    return make(fleet__groups=groups, pruning__methods=["random"], pruning__keep_ratio=[0.5])


def test_what_cannot_be_done_has_a_limit_and_numbers(make_scenario: Make) -> None:
    rows = edgesim.plan(cannot(make_scenario))
    assert rows["limit"].tolist() == ["availability", "availability", "energy"]  # mains never lack energy
    assert rows["reason"].str.contains(r"the work, [\d.]+ s, is not done after 9,999 days in its windows").sum() == 2
    assert "it held 0.2 J (100 % of 0.2 J); the trial needs" in rows["reason"][2]
    assert rows["device_time_s"].isna().tolist() == [True, True, False]


def test_the_plan_command_says_why(tmp_path: Path) -> None:
    shown = command(
        "plan", "scenarios/quickstart.yaml", "--set", "pruning.keep_ratio={budget: {latency_s: 0.01, price: analytic}}"
    )
    assert shown.returncode == 0, shown.stderr
    assert "infeasible: budget, 10 trials on galaxy-note10; for example the budget's latency_s does not" in shown.stdout
    assert (
        "binds: latency_s, 30 trials on raspberry-pi-4b; for example the budget's latency_s binds: 11 samples would"
        in (shown.stdout)
    )
    alone = command("plan", "scenarios/quickstart.yaml", "--devices", "1")  # three of four groups have no device
    assert alone.returncode == 0, alone.stderr
    assert "17 trials of 1 device;" in alone.stdout


def test_the_predict_command() -> None:
    pytest.importorskip("timm")
    wanted = ("predict", "--profile", "jetson-nano", "--model", "timm:mobilenetv3_small_050", "--input", "3x64x64")
    done = command(*wanted, "--batch-size", "8", "--optimizer", "sgd", "--classes", "100", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["binds"] in ("compute", "memory", "overhead", "storage")
    assert found["time_s"] > 0
    shown = command(*wanted, "--batch-size", "8")
    assert "binds" in shown.stdout
    assert "infeasible" not in shown.stdout
    assert (found["feasible"], found["reason"], found["power_mode"]) == (True, "", "full")


def test_the_predict_command_in_another_mode_and_precision() -> None:
    wanted = ("predict", "--profile", "jetson-nano", "--model", "mlp", "--input", "3x8x8", "--batch-size", "8")
    shown = command(*wanted, "--power-mode", "gpu-768mhz", "--precision", "bf16")
    assert shown.returncode == 0, shown.stderr
    assert "power mode gpu-768mhz" in shown.stdout
    assert "has no bf16 units: priced at its fp32 speed" in shown.stdout
    large = command(
        "predict", "--profile", "stm32f746", "--model", "resnet18", "--input", "3x64x64", "--batch-size", "8"
    )
    assert large.returncode == 0, large.stderr
    assert "infeasible: needs" in large.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("plan", "no-such.yaml"), "there is no such file"),
        (("plan", "scenarios/quickstart.yaml", "--devices", "0"), "--devices"),
        (("plan", "scenarios/quickstart.yaml", "--out", "x.csv"), ".parquet"),
        (
            ("plan", "scenarios/quickstart.yaml", "--out", "/no-such/x.parquet"),
            "which does not exist; create that folder first",
        ),
        (("plan", "scenarios/quickstart.yaml", "--out", "/proc/x.parquet"), "cannot be written"),
        (
            (
                "plan",
                "scenarios/quickstart.yaml",
                "--set=pruning.keep_ratio={objective: {lambda: 1, accuracy_from: /nope}}",
            ),
            "accuracy_from: /nope is no run folder",
        ),
        (("plan", "scenarios/quickstart.yaml", "--set", "pruning.keep_ratio={budget: {}}"), "at least one limit"),
        (("predict", "--profile", "x", "--model", "mlp", "--input", "3x8x8", "--batch-size", "1"), "no device profile"),
        (("predict", "--profile", "jetson-nano", "--model", "mlq", "--input", "3x8x8", "--batch-size", "1"), "'mlp'"),
        (("predict", "--profile", "jetson-nano", "--model", "mlp", "--input", "8x", "--batch-size", "1"), "CxHxW"),
        (
            ("predict", "--profile=jetson-nano", "--model=mlp", "--input=3x8x8", "--batch-size=1", "--optimizer=lion"),
            "adamw",
        ),
        (
            (
                "predict",
                "--profile=jetson-nano",
                "--model=mlp",
                "--input=3x8x8",
                "--batch-size=1",
                "--power-mode=gpu-768",
            ),
            "did you mean 'gpu-768mhz'?); allowed: full, MAXN, 5W, gpu-768mhz",
        ),
        (
            ("predict", "--profile=jetson-nano", "--model=mlp", "--input=3x8x8", "--batch-size=1", "--precision=fp8"),
            "allowed: fp32, bf16",
        ),
    ],
)
def test_faults_go_to_standard_error(arguments: tuple[str, ...], words: str) -> None:
    done = command(*arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
