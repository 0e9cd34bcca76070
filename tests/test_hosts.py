"""Hosts that hang, die or grow: replaced, the method at fault stopped, and healthy trials recorded. Real Ray actors."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest
from test_run import assert_equal_runs

import edgesim
from edgesim import api
from edgesim.config.registry import NamedPlugin
from edgesim.errors import RunError, ScenarioError
from edgesim.planning.run_plan import RunPlan, plan_run
from edgesim.pruning.base import Method, Scoring
from edgesim.runtime import RayExecutor, SerialExecutor, run_log
from edgesim.runtime.executor import Timesheet
from edgesim.runtime.failures import Failure
from edgesim.runtime.host_memory import Memory, MemoryWatch, memory
from edgesim.runtime.host_output import CopiedOutput, Mark, Printed, mark_text, parts
from edgesim.runtime.host_pool import HostPool
from edgesim.runtime.jobs import ScoreJob
from edgesim.runtime.output_excerpts import excerpt
from edgesim.runtime.pending_jobs import PendingJobs
from edgesim.runtime.run_log import RunLog
from edgesim.runtime.time_limits import FACTOR, FLOOR_S, TimeLimits
from edgesim.scenario.loading import Scenario

Make = Callable[..., Scenario]
SMALL = {"name": "digits", "limit_train": 400, "limit_test": 50}


@dataclass(frozen=True)
class Harmful(Method):
    """Notes each call in a file, then does harm until the file `healed` is there."""

    folder: str

    def score(self, context: Any) -> Scoring:
        with (Path(self.folder) / type(self).__name__).open("a") as calls:
            calls.write(f"{context.device}\n")
        print(f"harm begins on device {context.device}")
        if not (Path(self.folder) / "healed").exists():
            self.harm()
        return Scoring(np.arange(float(context.shard.size)))

    def harm(self) -> None:
        raise NotImplementedError

    def calls(self) -> int:
        return (Path(self.folder) / type(self).__name__).read_text().count("\n")


class Leaving(Harmful):
    """Ends its process."""

    def harm(self) -> None:
        os._exit(3)


class Sleeping(Harmful):
    """Never ends."""

    def harm(self) -> None:
        time.sleep(10_000)


class Eating(Harmful):
    """Takes memory in steps, 1.5 GB at most."""

    def harm(self) -> None:
        held = []
        for _ in range(10):
            held.append(np.ones(150 << 20, dtype=np.uint8))
            time.sleep(0.02)
        time.sleep(10_000)


def with_methods(scenario: Scenario, **plugins: Method) -> Scenario:
    """The scenario with `random` and methods of this file."""
    methods = [method for method in scenario.pruning.methods if method.name == "random"]
    methods += [NamedPlugin(name=name, plugin=plugin, label=name) for name, plugin in plugins.items()]
    return replace(scenario, pruning=replace(scenario.pruning, methods=tuple(methods)))


def by_method(run: edgesim.Run, method: str) -> pd.DataFrame:
    return run.records[run.records["method"] == method]


def test_a_method_that_kills_its_host_is_stopped_after_a_few_and_runs_again_on_resume(
    make_scenario: Make, tmp_path: Path, capfd: pytest.CaptureFixture[str], ray_started: None
) -> None:
    leaving = Leaving(str(tmp_path))
    groups = [{"profile": "raspberry-pi-4b", "count": 20}]
    scenario = with_methods(
        make_scenario(dataset=SMALL, fleet={"groups": groups}, training__epochs=1, pruning__keep_ratio=0.5),
        leaving=leaving,
    )
    run = edgesim.run(scenario, tmp_path / "run", executor=lambda: RayExecutor(hosts=2))
    assert capfd.readouterr() == ("", "")  # Ray's guesses at the cause of each death among them
    # Two bundles at most, one on each host, then three jobs by themselves, and one that runs beside the third.
    assert 3 <= leaving.calls() <= 6
    assert (by_method(run, "random")["status"] == "ok").all()
    failed = by_method(run, "leaving")
    assert set(failed["status"]) == {"failed"}
    assert set(failed["failure"]) == {"host"}
    stopped = failed["reason"].str.startswith("leaving was stopped on all devices: it cost 3 hosts in a row; the last")
    assert stopped.sum() >= 14
    assert (failed.loc[~stopped, "reason"].str.startswith("its host died while it ran by itself")).all()
    tried = failed[~stopped].iloc[0]
    assert tried["host_output"] == f"harm begins on device {tried['device']}"
    assert (failed.loc[stopped, "host_output"] == "").all()
    assert run.info["status"] == "finished with failed trials"
    assert run.info["reason"].endswith("--resume tries 20 trials again that lost their host")
    (tmp_path / "healed").touch()
    healed = edgesim.run(scenario, tmp_path / "run", resume=True, executor=SerialExecutor())
    assert healed.info["trials"] == {"total": 40, "ok": 40, "missing": 0}
    assert_equal_runs(healed, edgesim.run(scenario, tmp_path / "whole", executor=SerialExecutor()))


def test_hosts_that_hang_or_grow_are_replaced_and_healthy_methods_are_recorded(
    make_scenario: Make, tmp_path: Path, ray_started: None
) -> None:
    methods = {"sleeping": Sleeping(str(tmp_path)), "eating": Eating(str(tmp_path))}
    limits = {"job_timeout_s": 10.0, "host_memory_bytes": 900_000_000}
    groups = [{"profile": "raspberry-pi-4b", "count": 1}]
    scenario = with_methods(
        make_scenario(dataset=SMALL, fleet={"groups": groups}, pruning__keep_ratio=0.5, run=limits, training__epochs=1),
        **methods,
    )
    notes: list[str] = []

    class Noting(api.Silent):
        def note(self, line: str) -> None:
            notes.append(line)

    run = edgesim.run(scenario, tmp_path / "run", executor=lambda: RayExecutor(hosts=2), progress=Noting())
    assert by_method(run, "random")["status"].tolist() == ["ok"]
    (hung,) = by_method(run, "sleeping").to_dict("records")
    assert (hung["status"], hung["failure"]) == ("failed", "own")
    assert hung["reason"] == "took longer than 10.0 s, the limit of run.job_timeout_s"
    assert hung["host_output"] == "harm begins on device 0"
    (full,) = by_method(run, "eating").to_dict("records")
    assert (full["status"], full["failure"]) == ("failed", "own")
    assert full["reason"].startswith("its host used ")
    assert full["reason"].endswith(" of memory; the limit is 900 MB (run.host_memory_bytes)")
    waiting = [line for line in notes if line.startswith("waiting: ")]
    assert any("waiting: seed 0, device 0, sleeping, scoring has run for " in line for line in waiting)
    assert all("the limit is 10.0 s (run.job_timeout_s)" in line for line in waiting)
    log = (run.path / "run.log").read_text()
    assert "output host " in log
    assert ", seed 0, device 0, eating, scoring: harm begins on device 0\n" in log
    # Limits are no part of the run's identity, and its own failures run again only where that is asked for.
    calls = methods["sleeping"].calls()
    other = replace(scenario, document={**scenario.document, "run": {"job_timeout_s": 9}})
    same = edgesim.run(other, tmp_path / "run", resume=True, executor=SerialExecutor())
    assert methods["sleeping"].calls() == calls
    assert same.info["trials"] == {"total": 3, "ok": 1, "failed": 2, "missing": 0}


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"job_timeout_s": 0}, "run.job_timeout_s"),
        ({"job_timeout_s": "soon"}, "run.job_timeout_s"),
        ({"host_memory_bytes": 5}, "run.host_memory_bytes"),
        ({"timeout": 5}, "run.timeout"),
    ],
)
def test_limits_are_checked(make_scenario: Make, limits: dict[str, Any], message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        make_scenario(run=limits)


def test_the_automatic_time_limit_grows_with_the_work_and_the_slowest_job(make_scenario: Make) -> None:
    plan = plan_run(make_scenario())
    config, spec = plan.config, plan.devices[0, 0]
    few, many = (ScoreJob(spec, tuple(t for t in plan.trials if t.device == 0)[:n], True) for n in (1, 5))
    limits = TimeLimits(config)
    assert FLOOR_S < limits.limit_s([few]) < limits.limit_s([many]) < FLOOR_S + FACTOR * 5
    expected_s = (limits.limit_s([many]) - FLOOR_S) / FACTOR
    limits.ended([many], 7 * expected_s + 1)
    limits.ended([many], expected_s + 1)
    assert limits.limit_s([many]) == pytest.approx(FLOOR_S + FACTOR * (7 * expected_s + 1))
    given = TimeLimits(plan_run(make_scenario(run__job_timeout_s=3)).config)
    assert given.limit_s([many]) == 3


def played(plan: RunPlan, fails: Callable[[ScoreJob], Failure | None]) -> tuple[list[Any], list[Any]]:
    """Take every job of a plan as one host would, and fail some: the calls in order, and the failed trials.

    Where one job of a call fails, the host is lost with all of them.
    """
    pending, calls, failed = PendingJobs(plan), [], []
    pending.begin(frozenset(), {})
    while len(pending.jobs):
        jobs = pending.jobs.take()
        calls.append(jobs)
        failure = next((found for job in jobs if (found := fails(job)) is not None), None)
        for job in jobs:
            if failure is None:
                pending.succeeded(job)
            else:
                pending.failed(job, replace(failure, is_alone=len(jobs) == 1))
            failed += pending.take_failed()
    return calls, failed


def methods(job: ScoreJob) -> set[str]:
    return {trial.method for trial in job.trials}


@pytest.mark.parametrize("is_marked", [True, False])
def test_a_method_that_dies_on_one_device_runs_on_all_others(make_scenario: Make, is_marked: bool) -> None:
    def fails(job: ScoreJob) -> Failure | None:
        died = "random" in methods(job) and job.spec.index == 1
        known = {"suspect": "random", "phase": "scoring"} if is_marked else {}
        return Failure("its host died", cause="lost", **known) if died else None

    calls, failed = played(plan_run(make_scenario()), fails)
    assert {one.trial[:3] for one in failed} == {(0, 1, "random")}
    assert {one.failure.reason for one in failed} == {"its host died while it ran by itself, 3 times"}
    assert len(calls[0]) == 3
    last = [job for jobs in calls[-2:] for job in jobs]  # the second and third try, after everything else
    assert [(methods(job), job.spec.index) for job in last] == [({"random"}, 1)] * 2


def test_a_method_that_hangs_everywhere_runs_last_and_is_stopped(make_scenario: Make) -> None:
    def fails(job: ScoreJob) -> Failure | None:
        hangs = "importance" in methods(job)
        return Failure("took longer", cause="timeout", suspect="importance", phase="scoring") if hangs else None

    plan = plan_run(make_scenario(fleet={"groups": [{"profile": "raspberry-pi-4b", "count": 6}]}))
    calls, failed = played(plan, fails)
    assert len(calls) == 1 + 6 + 3  # all together, the healthy methods of each device, the hanging one three times
    assert [methods(jobs[0]) for jobs in calls[1:]] == [{"full", "random"}] * 6 + [{"importance"}] * 3
    sizes = [len(jobs[0].spec.shard) for jobs in calls[7:]]
    assert sizes == sorted(len(spec.shard) for spec in plan.devices.values())[:3]
    assert {one.trial[2:] for one in failed} == {("importance", 0.2), ("importance", 1.0)}
    assert len(failed) == 12
    reasons = [one.failure.reason for one in failed]
    stopped = "importance was stopped on all devices: it cost 3 hosts in a row; the last on seed 0, device "
    assert reasons.count("took longer") == 6
    assert sum(reason.startswith(stopped) and reason.endswith(": took longer") for reason in reasons) == 6


def test_a_host_killed_by_others_now_and_then_stops_no_method(make_scenario: Make) -> None:
    struck = iter([True, False] * 8)

    def fails(job: ScoreJob) -> Failure | None:
        return Failure("its host died", cause="lost") if next(struck, False) else None

    plan = plan_run(make_scenario(fleet={"groups": [{"profile": "raspberry-pi-4b", "count": 9}]}))
    _, failed = played(plan, fails)
    assert failed == []
    assert next(struck, None) is None  # all eight hosts were lost


def test_memory_of_a_container_counts_where_it_is_lower(tmp_path: Path) -> None:
    machine = psutil.virtual_memory().total
    (tmp_path / "memory.max").write_text("max\n")
    assert memory(tmp_path).total_bytes == machine
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("700000\n")
    (tmp_path / "memory.stat").write_text("anon 5\ninactive_file 100000\n")
    assert memory(tmp_path) == Memory(1_000_000, 400_000)


class Process:
    """A process that holds some memory."""

    def __init__(self, megabytes: int):
        code = f"held = bytearray(b'x') * ({megabytes} << 20); print(flush=True); input()"
        self.process = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.process.stdout.readline()

    def memory_bytes(self) -> int:
        return psutil.Process(self.process.pid).memory_info().rss


def test_the_largest_host_goes_where_the_machine_runs_low_and_none_where_others_are_the_cause() -> None:
    small, large = Process(20), Process(120)
    try:
        free = psutil.virtual_memory().available
        low = Memory(total_bytes=20 * free, available_bytes=2 * free + 200_000_000)  # a tenth is more than is free
        found = MemoryWatch(None, hosts=10**4, at_start=low).over([small, large])
        assert found is not None
        host, reason = found
        assert host is large
        assert reason.startswith("its host used 1")
        assert MemoryWatch(None, hosts=1, at_start=low).over([small, large]) is None  # 120 MB are less than a share
        assert MemoryWatch(None, hosts=1).over([small, large]) is None
        assert MemoryWatch(100_000_000, hosts=1).over([small]) is None
    finally:
        for one in (small, large):
            one.process.kill()
            one.process.wait()


def test_a_host_without_room_for_itself_is_refused(make_scenario: Make) -> None:
    host: Any = Process(120)
    host.is_local = True
    try:
        pool = HostPool([host], lambda number: host, RunLog(), Timesheet())
        config = plan_run(make_scenario(run__host_memory_bytes=100_000_000)).config
        with pytest.raises(RunError, match=r"run\.host_memory_bytes: a host uses 1\d\d MB before its first job"):
            pool.begin(config)
        pool.begin(plan_run(make_scenario(run__host_memory_bytes=500_000_000)).config)
    finally:
        host.process.kill()
        host.process.wait()


def test_marks_split_the_output_by_trial() -> None:
    first, second = Mark(0, 3, "scoring", "a, b"), Mark(1, 12, "training")
    text = f"before\n{mark_text(first)}one\ntwo{mark_text(second)}{mark_text(first)}three\n{mark_text(second)}"
    assert [(part.mark, part.text) for part in parts(text)] == [
        (None, "before\n"), (first, "one\ntwo"), (first, "three\n"), (second, ""),
    ]  # fmt: skip
    assert str(first) == "seed 0, device 3, a, b, scoring"
    assert parts("\x1eodd\x1f rest")[-1].mark is None


def test_an_excerpt_has_the_last_lines_and_of_a_crash_its_place() -> None:
    assert excerpt("") == ""
    assert excerpt("a\n\n\x1b[31mb\x1b[0m\nc\nd\x07\n") == "b | c | d\\x07"
    assert len(excerpt("x" * 5000)) == 301
    crash = 'loud\nFatal Python error: Segmentation fault\nStack:\n  File "/a/own.py", line 3 in f'
    assert excerpt(
        f'{crash}\n  File "/c/d.py", line 4 in g\n  File "e.py", line 5 in h\n\nExtension modules: many\n'
    ) == ("Fatal Python error: Segmentation fault | own.py, line 3 in f | d.py, line 4 in g")


def test_the_log_is_bounded_and_a_log_that_cannot_be_written_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_log, "MOST_BYTES", 20_000)
    said: list[str] = []
    log = RunLog(tmp_path, said.append)
    for number in range(30):
        log.write("output", "\n".join(f"line {number}.{i}" for i in range(1000)), "host 1")
    log.close()
    assert [path.name for path in tmp_path.iterdir()] == ["run.log"]
    text = (tmp_path / run_log.NAME).read_text()
    assert len(text) <= 20_000
    assert text.startswith("… older lines are left out …\n")
    assert text.endswith(" output host 1: line 29.999\n")
    log.write("output", "\n".join(map(str, range(1000))), "host 2")
    assert "host 2: … 800 lines are left out …\n" in (tmp_path / run_log.NAME).read_text()
    log.close()
    lost = RunLog(tmp_path / "nowhere", said.append)
    lost.write("info", "one")
    lost.write("info", "two")
    assert said == ["run.log cannot be written: No such file or directory; the run goes on without it"]


def test_output_in_this_process_is_kept_and_goes_where_it_would(capsys: pytest.CaptureFixture[str]) -> None:
    output = CopiedOutput()
    with output.copied():
        output.mark(Mark(0, 1, "scoring", "own"))
        print("one")
        sys.stderr.writelines(["two\n", "three\n"])
        sys.stdout.buffer.write(b"")  # what else a stream has is the stream's
        encoding = sys.stdout.encoding
    print("after")
    assert output.take() == [Printed(Mark(0, 1, "scoring", "own"), "one\ntwo\nthree\n")]
    assert output.take() == []
    assert capsys.readouterr() == ("one\nafter\n", "two\nthree\n")
    assert encoding == sys.stdout.encoding


def test_a_method_that_closes_its_output_takes_it_from_no_other(tmp_path: Path) -> None:
    script = """
import os, sys
from pathlib import Path
from edgesim.runtime.host_output import Mark, OutputFile
output = OutputFile()
output.mark(Mark(0, 0, "scoring", "closing"))
print("one")
sys.stdout.close()
os.close(2)
output.mark(Mark(0, 0, "scoring", "next"))
print("two")
print("three", file=sys.stderr)
Path(sys.argv[1]).write_text(repr([(part.mark.method, part.text) for part in output.take()] + output.take()))
os.unlink(output.path)
"""
    said = tmp_path / "said"
    subprocess.run([sys.executable, "-c", script, str(said)], check=True, timeout=60)
    assert said.read_text() == repr([("closing", "one\n"), ("next", "two\nthree\n")])
