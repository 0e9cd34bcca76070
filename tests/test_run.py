"""Runs end to end: serial, on Ray, resumed after a kill, with failures. Equal records bit for bit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from commands import EDGESIM, command
from conftest import ROOT, Stopping
from warm import Process, Server

import edgesim
from edgesim.cost import analytic
from edgesim.errors import RunError, ScenarioError
from edgesim.planning.run_plan import RunPlan, plan_run
from edgesim.pruning.base import Method
from edgesim.records import Trial
from edgesim.results.run_folder import Run, read_results
from edgesim.results.run_writer import RunFolder
from edgesim.runtime import RayExecutor, SerialExecutor, coordinator
from edgesim.runtime.executor import Timesheet
from edgesim.runtime.failures import Failure, caught
from edgesim.runtime.ray_executor import gpu_share
from edgesim.runtime.run_log import RunLog
from edgesim.runtime.scheduler import JobQueue
from edgesim.scenario.loading import Scenario

Make = Callable[..., Scenario]


def without_host(records: pd.DataFrame) -> pd.DataFrame:
    return records[[column for column in records.columns if not column.startswith("host_")]]


def assert_equal_runs(first: Run, second: Run) -> None:
    pd.testing.assert_frame_equal(without_host(first.records), without_host(second.records), check_exact=True)
    pd.testing.assert_frame_equal(first.curves, second.curves, check_exact=True)
    for name in ("selections", "scores", "traces", "work", "extremes", "shards", "devices"):
        pd.testing.assert_frame_equal(getattr(first, name), getattr(second, name), check_exact=True)


@pytest.fixture(scope="module")
def serial(tmp_path_factory: pytest.TempPathFactory) -> Run:
    from conftest import DOCUMENT

    from edgesim.scenario import loading as scenarios

    folder = tmp_path_factory.mktemp("serial")
    return edgesim.run(
        scenarios.from_document(DOCUMENT, "tiny.yaml", folder), folder / "run", executor=SerialExecutor()
    )


def test_the_run_folder_has_its_files_and_columns(serial: Run) -> None:
    names = {path.name for path in serial.path.iterdir()}
    named = ("records", "curves", "selections", "scores", "traces", "work", "extremes", "shards", "devices")
    assert names == {"run.json", "run.log", "scenario.yaml", "terms.json"} | {f"{name}.parquet" for name in named}
    documented = (
        "scenario seed device profile method keep_ratio status reason shard_size subset_size test_accuracy "
        "local_accuracy train_accuracy test_loss train_loss score_flops train_flops total_flops steps analytic_time_s "
        "analytic_energy_j device_time_s device_startup_s device_score_time_s device_train_time_s device_energy_j "
        "device_startup_energy_j "
        "device_throttled_s device_wait_s storage_bytes "
        "peak_memory_bytes cost_j host_wall_s host_score_wall_s host_train_wall_s"
    )
    assert set(documented.split()) <= set(serial.records.columns)
    columns = "seed device method keep_ratio epoch subset_loss subset_accuracy test_loss test_accuracy"
    assert " ".join(serial.curves.columns) == columns
    assert list(serial.selections.columns) == ["seed", "device", "method", "keep_ratio", "index", "weight"]
    assert serial.info["status"] == "finished"
    assert serial.info["trials"] == {"total": 15, "ok": 15, "missing": 0}


def test_records_are_in_the_order_of_the_trials_and_plausible(serial: Run) -> None:
    records = serial.records
    expected = [("full", 1.0), ("random", 0.2), ("random", 1.0), ("importance", 0.2), ("importance", 1.0)]
    assert list(zip(records["method"], records["keep_ratio"], strict=True)) == expected * 3
    assert (records["status"] == "ok").all()
    for column in ("test_accuracy", "local_accuracy", "train_accuracy"):
        assert records[column].between(0, 1).all()
    assert (
        records["subset_size"] == analytic.subset_size(records["shard_size"].to_numpy(), records["keep_ratio"])
    ).all()
    kept = serial.selections.groupby(["seed", "device", "method", "keep_ratio"]).size()
    sizes = records.set_index(["seed", "device", "method", "keep_ratio"])["subset_size"]
    pd.testing.assert_series_equal(kept.sort_index(), sizes.sort_index(), check_names=False)


def test_prices_of_a_trial_by_hand(serial: Run) -> None:
    """The closed form of one importance trial, from its sizes and the profile alone."""
    from edgesim.hardware import loading

    row = serial.records.query("device == 0 and method == 'importance' and keep_ratio == 0.2").iloc[0]
    full = serial.records.query("device == 0 and method == 'full'").iloc[0]
    n, m = int(row["shard_size"]), int(row["subset_size"])
    profile = loading.load("raspberry-pi-4b")
    # mlp 64-16-10: forward 2·(64·16 + 16·10) = 2,368; backward: both weight gradients again (2,368) and the
    # gradient of the hidden layer (2·16·10 = 320).
    train_flops = 2 * 2368 + 320
    assert row["train_flops"] == 2 * m * train_flops
    assert row["score_flops"] == n * train_flops  # one epoch of warm-up meets every sample once
    assert full["score_flops"] == 0
    time_s = (row["total_flops"] + n) / profile.throughput_flops_per_s  # n comparisons select
    assert row["analytic_time_s"] == pytest.approx(time_s, rel=1e-12)
    assert row["analytic_energy_j"] == pytest.approx(time_s * profile.power_w, rel=1e-12)
    assert row["storage_bytes"] == m * 64
    assert row["steps"] == 2 * -(-m // 32)
    shares = [row[name] / full[name] for name in ("device_time_s", "device_energy_j")]
    assert row["cost_j"] == pytest.approx((sum(shares) + m / n) / 3)
    assert full["cost_j"] == pytest.approx(1.0)
    assert row["device_time_s"] > row["analytic_time_s"]  # overhead of every step and reading from the card


def test_emulated_columns_by_hand(serial: Run) -> None:
    """On mains, without heat: full power where it computes, less elsewhere, idle while the shard is read."""
    from edgesim.cost.steps import step_cost
    from edgesim.hardware import loading

    row = serial.records.query("device == 0 and method == 'random' and keep_ratio == 0.2").iloc[0]
    profile = loading.load("raspberry-pi-4b")
    wait_s = 2 * row["subset_size"] * 64 / profile.storage_read_bytes_per_s
    assert row["device_wait_s"] == pytest.approx(wait_s, rel=1e-12)
    assert row["device_throttled_s"] == 0
    m, terms = int(row["subset_size"]), serial.terms
    batches = np.array([32] * (m // 32) + ([m % 32] if m % 32 else []))
    step = step_cost("train", batches, terms.workload, 64, terms.optimizer_states, profile)
    compute_s, memory_s = 2 * step.compute_s.sum(), 2 * step.memory_s.sum()  # epochs
    compute_s += row["shard_size"] / profile.throughput_flops_per_s  # comparisons of the selection
    overhead_s = 2 * step.overhead_s.sum() + 4.2  # the job's start-up
    assert row["device_time_s"] == pytest.approx(compute_s + memory_s + overhead_s + wait_s, rel=1e-12)
    active_s = compute_s + 0.6 * memory_s + 0.3 * overhead_s
    assert row["device_energy_j"] == pytest.approx(1.6 * row["device_time_s"] + 5.6 * active_s, rel=1e-12)
    parts = row[["device_startup_s", "device_score_time_s", "device_train_time_s"]]
    assert parts["device_startup_s"] == 4.2
    assert row["device_time_s"] == parts.sum()
    assert row["device_startup_energy_j"] == pytest.approx(4.2 * (1.6 + 5.6 * 0.3))


def test_a_device_that_runs_dry_is_infeasible_and_the_run_goes_on(make_scenario: Make, tmp_path: Path) -> None:
    dry = {"source": "battery", "state_of_charge": 0.5, "capacity_j": 0.2}
    groups = [
        {"profile": "raspberry-pi-4b", "count": 1},
        {"profile": "raspberry-pi-4b", "count": 1, "energy": dry},
        {"profile": "raspberry-pi-4b", "count": 1, "power_mode": "600mhz"},
    ]
    scenario = make_scenario(fleet={"groups": groups})
    run = edgesim.run(scenario, tmp_path / "dry", executor=SerialExecutor())
    by_device = dict(list(run.records.groupby("device")))
    assert (by_device[0]["status"] == "ok").all()
    assert (by_device[2]["status"] == "ok").all()
    lost = by_device[1].query("status == 'infeasible'")
    assert len(lost) > 0
    assert lost["test_accuracy"].isna().all()
    for row in lost.to_dict("records"):
        assert row["device_energy_j"] == pytest.approx(0.1, rel=1e-9)
        assert f"the battery is empty {row['device_time_s']:,.1f} s after the start, while " in row["reason"]
        assert "it held 0.1 J (50 % of 0.2 J); the trial needs " in row["reason"]
        assert float(row["reason"].rsplit(" ", 2)[1]) > 0.1
    assert set(run.selections["device"]) >= {0, 2}
    assert run.info["trials"]["infeasible"] == len(lost)
    slower, full = (by_device[d]["device_time_s"].sum() for d in (2, 0))
    assert slower > 2 * full
    resumed = edgesim.run(scenario, tmp_path / "dry", resume=True, executor=SerialExecutor())
    pd.testing.assert_frame_equal(resumed.records, run.records)


def test_keeping_everything_is_the_same_training_under_every_method(serial: Run) -> None:
    whole = serial.records.query("keep_ratio == 1.0")
    for _, rows in whole.groupby("device"):
        assert rows["test_accuracy"].nunique() == 1
        assert rows["test_loss"].nunique() == 1
        assert rows["total_flops"].nunique() == 2  # importance pays for its scores


def test_local_accuracy_weights_by_the_devices_own_classes(serial: Run) -> None:
    assert not np.allclose(serial.records["local_accuracy"], serial.records["test_accuracy"])


def test_ray_gives_equal_records(serial: Run, make_scenario: Make, tmp_path: Path, ray_started: None) -> None:
    """On two hosts; `test_plain_ray_starts_all_of_ray` has one."""
    assert_equal_runs(serial, edgesim.run(make_scenario(), tmp_path / "ray", executor=RayExecutor(hosts=2)))


def test_adding_a_method_a_ratio_or_a_seed_changes_nobody_else(
    serial: Run, make_scenario: Make, tmp_path: Path
) -> None:
    methods = ["random", {"name": "importance", "label": "long", "warmup": {"epochs": 2}}, "full", "importance"]
    wider = make_scenario(pruning__methods=methods, pruning__keep_ratio=[0.2, 0.5, 1.0], seeds=[7, 0])
    run = edgesim.run(wider, tmp_path / "wider", executor=SerialExecutor())
    key = ["seed", "device", "method", "keep_ratio"]
    both = without_host(serial.records).merge(without_host(run.records), on=key, suffixes=("", "_wider"))
    assert len(both) == len(serial.records)
    for column in ("test_loss", "train_loss", "score_flops", "analytic_time_s", "device_time_s"):
        assert (both[column] == both[f"{column}_wider"]).all(), column


def jobs_of(plan: RunPlan) -> list[Any]:
    """The jobs that a plan comes to, run."""
    seen: list[Any] = []

    class Watching(SerialExecutor):
        def stream(self, queue: JobQueue) -> Iterator[tuple[Any, Any]]:
            for job, outcome in super().stream(queue):
                seen.append(job)
                yield job, outcome

    list(coordinator.execute(plan, Watching()))
    return seen


def test_a_tiny_device_is_one_job_and_its_records_are_the_same(
    serial: Run, make_scenario: Make, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    plan = plan_run(make_scenario())
    assert [job.trains_inline for job in jobs_of(plan)] == [True] * 3
    request.getfixturevalue("apart")
    # full, and two ratios of two methods, of which all three keep everything at 1.0
    assert len(jobs_of(plan)) == 3 * (1 + 3)
    assert_equal_runs(serial, edgesim.run(make_scenario(), tmp_path / "apart", executor=SerialExecutor()))


@pytest.mark.parametrize("after", [0, 1, 2])
def test_tiny_devices_resume_to_the_same_records(serial: Run, make_scenario: Make, tmp_path: Path, after: int) -> None:
    folder = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        edgesim.run(make_scenario(), folder, executor=Stopping(after))
    assert len(Run(folder).records) == 5 * after
    assert_equal_runs(serial, edgesim.run(make_scenario(), folder, resume=True, executor=SerialExecutor()))


@pytest.mark.parametrize("after", [0, 3, 4, 9])
@pytest.mark.usefixtures("apart")
def test_a_stopped_run_resumes_to_the_same_records(
    serial: Run, make_scenario: Make, tmp_path: Path, after: int
) -> None:
    folder = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        edgesim.run(make_scenario(), folder, executor=Stopping(after))
    partial = Run(folder)
    assert partial.info["status"] == "interrupted"
    before = len(partial.records)
    assert before < 15
    ran: list[Trial] = []

    class Counting:
        def start(self, expected: Any, done: Any, devices: int) -> None:
            assert (len(expected), len(done), devices) == (15, before, 3)

        def record(self, record: Any) -> None:
            ran.append(record.trial)

        def note(self, line: str) -> None:
            raise AssertionError(line)

        def stop(self) -> None: ...

    run = edgesim.run(make_scenario(), folder, resume=True, executor=SerialExecutor(), progress=Counting())
    assert len(ran) == 15 - before  # only what was missing
    assert_equal_runs(serial, run)
    assert len(run.info["sessions"]) == 2
    again = edgesim.run(make_scenario(), folder, resume=True, executor=SerialExecutor())
    assert_equal_runs(serial, again)


@pytest.mark.usefixtures("apart")
def test_a_line_cut_short_by_a_kill_is_run_again(serial: Run, make_scenario: Make, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        edgesim.run(make_scenario(), folder, executor=Stopping(9))
    journal = folder / "journal.jsonl"
    whole = journal.read_text()
    journal.write_text(whole[: len(whole) - 40])
    assert len(Run(folder).records) == whole.count("\n") - 1
    assert_equal_runs(serial, edgesim.run(make_scenario(), folder, resume=True, executor=SerialExecutor()))


@pytest.mark.usefixtures("apart")
def test_a_damaged_line_in_the_middle_is_an_error(make_scenario: Make, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        edgesim.run(make_scenario(), folder, executor=Stopping(9))
    lines = (folder / "journal.jsonl").read_text().split("\n")
    lines[1] = lines[1][:50]
    (folder / "journal.jsonl").write_text("\n".join(lines))
    with pytest.raises(RunError, match="line 2 is damaged"):
        read_results(folder)


@pytest.mark.usefixtures("apart")
def test_resuming_needs_the_same_scenario(serial: Run, make_scenario: Make, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        edgesim.run(make_scenario(), folder, executor=Stopping(3))
    with pytest.raises(RunError, match=r"training\.epochs: was 2, now 3"):
        edgesim.run(make_scenario(training__epochs=3), folder, resume=True, executor=SerialExecutor())
    with pytest.raises(RunError, match="holds a run already"):
        edgesim.run(make_scenario(), folder, executor=SerialExecutor())
    with pytest.raises(RunError, match="holds no run to resume"):
        edgesim.run(make_scenario(), tmp_path / "nothing", resume=True, executor=SerialExecutor())


def test_a_diverging_trial_is_a_failed_record_and_the_run_goes_on(make_scenario: Make, tmp_path: Path) -> None:
    wild = make_scenario(
        training__optimizer="sgd", training__learning_rate=1e30, training__unsafe=True, training__schedule="constant"
    )
    run = edgesim.run(wild, tmp_path / "run", executor=SerialExecutor())
    assert len(run.records) == 15
    assert (run.records["status"] == "failed").all()
    assert run.records["reason"].str.contains("at step").all()
    assert run.info["trials"] == {"total": 15, "failed": 15, "missing": 0}


def test_a_method_that_raises_takes_no_other_with_it(make_scenario: Make, tmp_path: Path) -> None:
    scenario = make_scenario()
    broken = replace(scenario.pruning.methods[2], plugin=Broken())
    methods = (*scenario.pruning.methods[:2], broken)
    scenario = replace(scenario, pruning=replace(scenario.pruning, methods=methods))
    notes: list[str] = []
    plan = plan_run(scenario)
    results = list(coordinator.execute(plan, SerialExecutor(), log=RunLog(show=notes.append)))
    by_method = {
        m: {r.record.status for r in results if r.record.method == m} for m in ("full", "random", "importance")
    }
    assert by_method == {"full": {"ok"}, "random": {"ok"}, "importance": {"failed"}}
    (reason,) = {r.record.reason for r in results if r.record.method == "importance"}
    assert reason.startswith("ZeroDivisionError: float division by zero (in test_run.py:")
    assert len(notes) == 3


class Broken(Method):
    """A method with a bug."""

    def needs(self, shard: Any) -> Any:
        from edgesim.training.needs import Needs

        return Needs()

    def score(self, context: Any) -> Any:
        return 1.0 / 0.0


def test_more_devices_than_samples(make_scenario: Make, tmp_path: Path) -> None:
    groups = [{"profile": "jetson-nano", "count": 20}]
    crowded = make_scenario(fleet={"groups": groups}, dataset={"name": "digits", "limit_train": 15})
    with pytest.raises(ScenarioError, match="20 devices for 15 training samples"):
        edgesim.run(crowded, tmp_path / "run", executor=SerialExecutor())


def test_a_partition_that_cannot_be_met_is_a_fault_of_the_scenario(make_scenario: Make, tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="partition"):
        edgesim.run(make_scenario(partition__min_size=900), tmp_path / "run", executor=SerialExecutor())


def test_one_device_with_all_data_and_one_sample_kept(make_scenario: Make, tmp_path: Path) -> None:
    groups = [{"profile": "jetson-nano", "count": 1}]
    scenario = make_scenario(fleet={"groups": groups}, partition="iid", pruning__keep_ratio=0.0001)
    run = edgesim.run(scenario, tmp_path / "run", executor=SerialExecutor())
    assert run.records["subset_size"].tolist() == [1442, 1, 1]
    assert (run.records["status"] == "ok").all()


class NamedPlugin(NamedTuple):
    """Stands for a job in a queue."""

    name: str
    stack_slot: int | None = None

    @property
    def spec(self) -> NamedPlugin:
        return self


def taken(queue: JobQueue) -> list[str]:
    return ["".join(job.name for job in queue.take()) for _ in range(100) if len(queue)]  # type: ignore[union-attr]


def test_what_was_begun_goes_on_and_the_longest_comes_first() -> None:
    queue = JobQueue()
    for name, size in (("a", 1e10), ("b", 3e10), ("c", 2e10), ("d", 3e10)):
        queue.push(NamedPlugin(name), size)  # type: ignore[arg-type]
    for name, size in (("scoring", 9e10), ("more scoring", 99e10)):
        queue.push(NamedPlugin(name), size, is_first=True)  # type: ignore[arg-type]
    assert taken(queue) == ["b", "d", "c", "a", "more scoring", "scoring"]


def test_tiny_jobs_are_taken_together() -> None:
    """As many as are expected to take 2e9 FLOPs in all."""
    queue = JobQueue()
    for name, size in (("a", 0.4e9), ("b", 1.2e9), ("c", 0.8e9), ("d", 9e9)):
        queue.push(NamedPlugin(name), size)  # type: ignore[arg-type]
    assert taken(queue) == ["d", "bc", "a"]


@pytest.mark.parametrize("flops", [1e6, 1e9])
def test_jobs_with_slots_are_taken_by_the_stack(flops: float) -> None:
    """However short they are: more than fill one would make a second one, nearly empty."""
    queue = JobQueue()
    for number in range(20):
        queue.push(NamedPlugin("s", number % 16), flops)  # type: ignore[arg-type]
    for name in "ab":
        queue.push(NamedPlugin(name), flops / 2)  # type: ignore[arg-type]
    assert taken(queue)[:2] == ["s" * 16, "s" * 4 + "ab" * (flops < 1e9)]


def test_the_timesheet_counts_idle_time() -> None:
    """Two hosts for 10 s: one works throughout, the other for 4 s and then for 5 s."""
    sheet = Timesheet(2, [(100.0, 110.0), (100.0, 104.0), (105.0, 109.5)])
    assert sheet.span_s() == 10.0
    assert sheet.idle_share() == pytest.approx(1.5 / 20)
    assert sheet.idle_share(0.1) == pytest.approx(0.5 / 2)  # of the last second the second host idles half


@pytest.mark.parametrize(("gpus", "hosts"), [(0, 4), (8, 3), (8, 8), (8, 12), (1, 6), (1, 3)])
def test_every_host_finds_room_on_the_gpus(gpus: int, hosts: int) -> None:
    share = gpu_share(gpus, hosts)
    assert 0 <= share <= 1
    assert (share > 0) == (gpus > 0)
    if gpus:
        assert gpus * int(10_000 // round(share * 10_000)) >= hosts


def test_one_writer_per_folder(make_scenario: Make, tmp_path: Path) -> None:
    first = RunFolder.create(tmp_path / "run", make_scenario().to_yaml(), {"scenario": "tiny"})
    with pytest.raises(RunError, match="another process is writing"):
        edgesim.run(make_scenario(), tmp_path / "run", executor=SerialExecutor())
    first.release()


def test_a_run_without_results_stands_in_nobodys_way(make_scenario: Make, tmp_path: Path) -> None:
    with pytest.raises(ScenarioError):
        edgesim.run(make_scenario(partition__min_size=900), tmp_path / "run", executor=SerialExecutor())
    run = edgesim.run(make_scenario(), tmp_path / "run", executor=SerialExecutor())
    assert run.info["status"] == "finished"


def test_a_loss_that_diverges_in_the_last_update_is_a_failure(make_scenario: Make, tmp_path: Path) -> None:
    one_step = make_scenario(
        training={
            "optimizer": "sgd",
            "learning_rate": 1e38,
            "unsafe": True,
            "schedule": "constant",
            "epochs": 1,
            "batch_size": 2000,
        },
        fleet={"groups": [{"profile": "jetson-nano", "count": 1}]},
        pruning__methods=["full"],
        partition="iid",
    )
    run = edgesim.run(one_step, tmp_path / "run", executor=SerialExecutor())
    assert run.records["status"].tolist() == ["failed"]
    assert "at step 1" in run.records["reason"][0]


class Mortal(Method):
    """A method that kills the worker process of device 0 once; a marker file tells the calls apart."""

    def __init__(self, folder: Path):
        self.marker = folder / "killed"

    def needs(self, shard: Any) -> Any:
        from edgesim.training.needs import Needs

        return Needs()

    def score(self, context: Any) -> Any:
        from edgesim.pruning.base import Scoring

        if context.device == 0 and not self.marker.exists():
            self.marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return Scoring(np.arange(context.shard.size, dtype=float))


def test_a_host_that_dies_is_replaced(make_scenario: Make, tmp_path: Path, ray_started: None) -> None:
    """And all its trials end well; a method that kills every host is in test_hosts."""
    scenario = make_scenario(pruning__methods=["full", "random"])
    mortal = replace(scenario.pruning.methods[1], plugin=Mortal(tmp_path))
    methods = (scenario.pruning.methods[0], mortal)
    scenario = replace(scenario, pruning=replace(scenario.pruning, methods=methods))
    executor = RayExecutor(hosts=1)
    results = list(coordinator.execute(plan_run(scenario), executor))
    executor.close()
    assert len(results) == 9
    assert mortal.plugin.marker.exists()
    assert {r.record.status for r in results} == {"ok"}


def test_ray_starts_what_a_run_needs_and_no_more() -> None:
    """And on this machine, whatever cluster the environment names.

    In a process of its own: in this one Ray may have been started by other tests, and the rest of it with it.
    """
    script = """
import os, psutil, ray
from edgesim.runtime import RayExecutor
from ray._private import services
from ray._private.node import Node
methods = {name: getattr(Node, name) for name in ("start_api_server", "start_monitor", "start_log_monitor")}
begin = services.start_ray_process
executor = RayExecutor(hosts=1)
executor._ready.wait()
assert executor._error is None, executor._error
assert ray.cluster_resources()["CPU"] == 1
assert os.environ["RAY_ADDRESS"] == "10.255.255.1:6379"
children = psutil.Process().children(recursive=True)
print([" ".join(child.cmdline()) for child in children])
assert sum(any(part.endswith("ray_agent.py") for part in child.cmdline()) for child in children) == 2
assert all(getattr(Node, name) is method for name, method in methods.items())
assert services.start_ray_process is begin
told = ray.remote(lambda: os.environ["TOLD"]).options(num_cpus=0, runtime_env={"env_vars": {"TOLD": "yes"}})
assert ray.get(told.remote(), timeout=120) == "yes"  # the agent of runtime environments wakes when one is asked for
children = psutil.Process().children(recursive=True)
executor.close()
assert not psutil.wait_procs(children, timeout=10)[1]
"""
    named = {**os.environ, "RAY_ADDRESS": "10.255.255.1:6379"}
    words = [sys.executable, "-c", script]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300, env=named)
    assert done.returncode == 0, done.stderr
    assert "raylet" in done.stdout
    assert not [name for name in ("dashboard.py", "monitor.py") if name in done.stdout]  # log_monitor.py, too
    assert not done.stderr


def test_plain_ray_starts_all_of_ray(make_scenario: Make, tmp_path: Path, serial: Run) -> None:
    """With the switch no private function of Ray is touched, and a run gives the same records."""
    script = """
import sys
import psutil
from conftest import DOCUMENT
import edgesim
from edgesim.runtime import RayExecutor
from edgesim.scenario import loading
executor = RayExecutor(hosts=1)
executor._ready.wait()
assert executor._error is None, executor._error
print([" ".join(child.cmdline()) for child in psutil.Process().children(recursive=True)])
from pathlib import Path
edgesim.run(loading.from_document(DOCUMENT, "tiny.yaml", Path.cwd(), {}), sys.argv[1], executor=executor)
executor.close()
"""
    plain = {**os.environ, "EDGESIM_PLAIN_RAY": "1", "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    words = [sys.executable, "-c", script, str(tmp_path / "run")]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300, env=plain)
    assert done.returncode == 0, done.stderr
    assert "ray_agent.py" not in done.stdout
    assert all(name in done.stdout for name in ("dashboard.py", "/monitor.py", "log_monitor.py"))
    assert_equal_runs(serial, edgesim.load_run(tmp_path / "run"))


def test_a_failure_carries_its_traceback() -> None:
    def begin(job: Any) -> Any:
        return job.spec

    failure = caught(begin, None)
    assert isinstance(failure, Failure)
    assert failure.reason.startswith("AttributeError: 'NoneType' object has no attribute 'spec' (in test_run.py:")
    assert "Traceback" in failure.detail


@pytest.mark.slow
@pytest.mark.parametrize(
    ("way", "then"),
    [(["--serial"], ["--hosts", "1"]), (["--hosts", "1"], ["--serial"])],
    ids=["serial then ray", "ray then serial"],
)
def test_a_killed_command_resumes(
    serial: Run, tmp_path: Path, way: list[str], then: list[str], ray_started: None, warm: Server
) -> None:
    """The real thing: SIGKILL in the middle of `edgesim run`, then `--resume` in another way of running."""
    from conftest import DOCUMENT

    from edgesim.config import validation

    document = tmp_path / "tiny.yaml"
    document.write_text(validation.dump(DOCUMENT))
    words = ["run", str(document), "--out", str(tmp_path / "run")]
    process = Process(warm, EDGESIM, *words, *way, cwd=ROOT, workers=True)
    journal = tmp_path / "run" / "journal.jsonl"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if journal.exists() and journal.read_text().count("\n") >= 3:
            break
        time.sleep(0.002)
    process.kill()
    process.wait(60)
    assert process.returncode == -signal.SIGKILL
    done = command(*words, *then, "--resume")
    assert done.returncode == 0, done.stderr
    run = edgesim.load_run(tmp_path / "run")
    assert_equal_runs(serial, run)
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "finished"


def test_scores_are_kept_and_reused_by_another_run(make_scenario: Make, tmp_path: Path) -> None:
    """A subset chosen with one network trains another: the papers' cross-architecture test."""
    first = edgesim.run(make_scenario(pruning__keep_scores=True), tmp_path / "first", executor=SerialExecutor())
    scores = first.scores
    assert set(scores["method"]) == {"random", "importance"}  # `full` ranks nothing
    assert scores["keep_ratio"].isna().all()  # none of these methods scores anew for every budget
    for name, rows in scores.groupby(["device", "method"]):
        of = first.selections[["device", "method", "keep_ratio"]].apply(tuple, axis=1)
        kept = first.selections.loc[of == (*name, 0.2), "index"]
        best = rows.sort_values(["score", "index"], ascending=[False, True])["index"].head(len(kept))
        assert sorted(best) == kept.tolist()
    other = make_scenario(model="small-cnn", pruning__scores_from=str(tmp_path / "first"))
    second = edgesim.run(other, tmp_path / "second", executor=SerialExecutor())
    pd.testing.assert_frame_equal(first.selections, second.selections)
    # Charged what choosing cost there, with the network that chose.
    for column in ("score_flops", "selection_comparisons", "device_score_time_s", "analytic_score_time_s"):
        pd.testing.assert_series_equal(first.records[column], second.records[column])
    assert (first.records["train_flops"] != second.records["train_flops"]).all()


def test_what_the_prices_depend_on_is_kept(make_scenario: Make, tmp_path: Path) -> None:
    run = edgesim.run(make_scenario(), tmp_path / "run", executor=SerialExecutor())
    assert run.terms.batch_size == run.scenario["training"]["batch_size"]
    assert run.terms.workload.train_flops == run.info["workload"]["train_flops"]
    rows = run.work.set_index(["seed", "device", "method", "keep_ratio", "phase"])
    for record in run.records.itertuples():
        score, train = (rows.loc[(*record[2:4], record.method, record.keep_ratio, name)] for name in ("score", "train"))
        assert train["steps"] == record.steps == sum(steps for _, _, steps in json.loads(train["trace"]))
        assert train["train_samples"] * run.terms.workload.train_flops == record.train_flops
        assert score["comparisons"] == record.selection_comparisons


def test_scores_of_another_partition_are_refused(make_scenario: Make, tmp_path: Path) -> None:
    edgesim.run(make_scenario(), tmp_path / "first", executor=SerialExecutor())
    other = make_scenario(partition__alpha=5.0, pruning__scores_from=str(tmp_path / "first"))
    with pytest.raises(ScenarioError, match="need the same data, partition, fleet size and seeds"):
        edgesim.run(other, tmp_path / "second", executor=SerialExecutor())
    nobody = make_scenario(seeds=[5], pruning__scores_from=str(tmp_path / "first"))
    with pytest.raises(ScenarioError, match="no trial of"):
        edgesim.run(nobody, tmp_path / "third", executor=SerialExecutor())
    with pytest.raises(ScenarioError, match=r"pruning\.scores_from: nowhere is no run folder"):
        edgesim.run(make_scenario(pruning__scores_from="nowhere"), tmp_path / "fourth", executor=SerialExecutor())


def test_the_run_folder_says_what_each_device_is_and_holds(serial: Run) -> None:
    full = serial.selections[serial.selections["method"] == "full"]
    keys = ["seed", "device", "index"]
    pd.testing.assert_frame_equal(serial.shards[keys], full[keys].reset_index(drop=True))
    labels = plan_run(serial_scenario(serial)).config.dataset.train_labels
    np.testing.assert_array_equal(serial.shards["label"], labels[serial.shards["index"]])
    assert serial.shards["class_name"].astype(str).tolist() == serial.shards["label"].astype(str).tolist()  # digits
    of_records = serial.records.drop_duplicates("device")
    assert serial.devices["device"].tolist() == of_records["device"].tolist()
    assert serial.devices["profile"].tolist() == of_records["profile"].tolist()
    assert (serial.devices["memory_bytes"] > 1e6).all()


def serial_scenario(run: Run) -> Scenario:
    return edgesim.load_scenario(run.path / "scenario.yaml")


def test_a_run_folder_without_the_newer_tables_is_read(serial: Run, tmp_path: Path) -> None:
    for name in ("run.json", "scenario.yaml", "records.parquet", "curves.parquet", "selections.parquet"):
        (tmp_path / name).write_bytes((serial.path / name).read_bytes())
    run = edgesim.load_run(tmp_path)
    for table in (run.scores, run.traces, run.shards, run.devices, run.extremes):
        assert table.empty
        assert len(table.columns) > 4
    (tmp_path / "curves.parquet").unlink()
    with pytest.raises(RunError, match=r"curves\.parquet cannot be read"):
        assert run.curves.empty


def test_class_names_that_are_equal_stay_apart() -> None:
    from edgesim.data.dataset import Dataset
    from edgesim.data.shards import Shards
    from edgesim.results.device_tables import holdings

    images = np.zeros((3, 8, 8, 1), dtype=np.uint8)
    labels = np.array([0, 2, 1])
    dataset = Dataset("d", images, labels, images, labels, ("cat", "dog", "cat"))
    split = {4: Shards((np.array([0]), np.array([1, 2])))}
    shards = holdings([], [], split, dataset)["shards"]
    assert shards[["seed", "device", "index", "label"]].values.tolist() == [[4, 0, 0, 0], [4, 1, 1, 2], [4, 1, 2, 1]]
    assert shards["class_name"].tolist() == ["cat", "cat (2)", "dog"]
    assert "user" not in shards


def test_the_table_of_devices_has_the_limits_of_a_trial() -> None:
    """The largest shard over the seeds, samples of 64 bytes, and four fifths of the memory."""
    from edgesim.cost.feasibility import usable_memory_bytes
    from edgesim.data.columns import Column
    from edgesim.data.dataset import Dataset
    from edgesim.data.shards import Shards
    from edgesim.hardware.conditions import ChosenClocks
    from edgesim.hardware.loading import load
    from edgesim.results.device_tables import holdings

    images, labels = np.zeros((3, 8, 8, 1), dtype=np.uint8), np.array([0, 1, 1])
    dataset = Dataset("d", images, labels, images, labels, ("cat", "dog"))
    nano = load("jetson-nano")
    shards = {
        0: Shards((np.array([1, 2]), np.array([0]))),
        1: Shards((np.array([0]), np.array([1])), Column.of(["ann", "bob", "bob"])),
    }
    devices = holdings([nano, nano], ["5W", ChosenClocks(gpu_hz=307.2e6)], shards, dataset)["devices"]
    assert devices["shard_bytes"].tolist() == [128, 64]
    assert devices["usable_memory_bytes"].tolist() == [0.8 * nano.memory_bytes] * 2
    assert devices["usable_memory_bytes"][0] == usable_memory_bytes(nano)
    assert devices["power_mode"].tolist() == ["5W", "gpu 307 MHz"]
    assert devices["users"].tolist() == ["ann", "bob"]


def test_results_survive_the_tables_and_the_journal() -> None:
    from edgesim.records import CurvePoint, MethodOutputs, Record, TrialResult
    from edgesim.results.serialization import from_line, results_of, tables, to_line

    def record(ratio: float) -> Record:
        return Record("s", 0, 1, "p", "m", ratio, "ok", test_accuracy=0.5, notes='{"r": 0.5}')

    scores = np.array([0.1, 0.2, 1 / 3])
    whole = np.array([4, 5, 9])
    results = [
        TrialResult(
            record(0.3), (CurvePoint(1, 0.5, 0.25, 0.1, 0.2),), np.array([4]), None, MethodOutputs(scores, whole)
        ),
        TrialResult(
            record(0.6),
            (),
            np.array([4, 9]),
            np.array([1.5, 0.5]),
            MethodOutputs(scores * 2, whole, False, ({"r": 0.9, "alpha": 0.1}, {"r": 0.6, "alpha": 5.0})),
        ),
    ]
    for back in ([from_line(to_line(result)) for result in results], results_of(tables(results))):
        for was, now in zip(results, back, strict=True):
            assert now.record.trial == was.record.trial
            assert now.record.notes == was.record.notes
            assert now.curve == was.curve
            assert now.kept is not None
            np.testing.assert_array_equal(now.kept, was.kept)
            assert (now.weights is None) == (was.weights is None)
            np.testing.assert_array_equal(now.outputs.scores, was.outputs.scores)
            np.testing.assert_array_equal(now.outputs.indices, was.outputs.indices)
            assert now.outputs.scores_for_all_budgets == was.outputs.scores_for_all_budgets
            assert now.outputs.history == was.outputs.history
