"""Trackers: what each wrote is read back with its own library; one that fails stops nothing and is named once.

Trackers of the tests (`tracker_doubles`) work in a process of their own, as all do, and note what they see in a file.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import wait_for
from commands import command
from conftest import ROOT, RUN_INFO
from test_installed_plugins import install

import edgesim
from edgesim.errors import RunError, ScenarioError
from edgesim.report import page
from edgesim.results.run_folder import Run
from edgesim.results.run_writer import RunFolder
from edgesim.runtime import SerialExecutor
from edgesim.scenario.loading import Scenario
from edgesim.sessions import trackers
from edgesim.sessions.progress import Silent
from edgesim.sessions.trackers import calls, following, process
from edgesim.sessions.trackers.base import curves_of, files_of
from edgesim.sessions.trackers.following import parameters

Make = Callable[..., Scenario]
Use = Callable[..., None]
CELLS = ["full 1", "random 0.2", "random 1"]
LOWEST = process.lower_priority
RUN = """
import sys, time
from pathlib import Path
from edgesim.sessions.progress import Silent
from edgesim.sessions.trackers import TRACKERS, About, process
from edgesim.sessions.trackers.following import following
process.lower_priority = lambda number: None
TRACKERS["mlflow"] = "tracker_doubles:Noting"
with following(Silent(), ["mlflow"], About("tiny", Path(sys.argv[1]), {}, 1, 1)):
    time.sleep(100)
"""
"""a run that has begun, without torch"""
ORPHAN = f"""
import sys
sys.path[:] = {[str(ROOT), str(ROOT / "tests"), *sys.path]!r}
from edgesim.sessions.trackers import child
child.LONGEST_ORPHANED_S = 1
child.main("mlflow", "tracker_doubles:Hanging", "no.log")
"""
"""a tracker's process, of whose time there is little"""


@pytest.fixture(autouse=True)
def lowered(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of processes whose priority would be lowered: beside other tests the lowest gets next to no time."""
    numbers: list[int] = []
    monkeypatch.setattr(process, "lower_priority", numbers.append)
    for name in ("LONGEST_END_S", "SILENT_END_S"):
        monkeypatch.setattr(following, name, 120.0)
    return numbers


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Use:
    """Puts classes of `tracker_doubles` in the places of trackers."""

    def put(**classes: str) -> None:
        for name, double in classes.items():
            monkeypatch.setitem(trackers.TRACKERS, name, f"tracker_doubles:{double}")

    return put


class Said(Silent):
    """Keeps notes."""

    def __init__(self, at: str = "", then: Callable[[], object] = list) -> None:
        self.lines: list[str] = []
        self._at, self._then = at, then

    def note(self, line: str) -> None:
        self.lines.append(line)
        if self._at and line.startswith(self._at):
            self._then()


def noted(folder: Path, double: str = "Noting") -> list[str]:
    """What a double has noted of the run in a folder."""
    file = folder.parent / f"{double}.txt"
    return file.read_text().splitlines() if file.exists() else []


def is_gone(number: int) -> bool:
    """True where a process has ended, also where nobody has asked for its exit code yet."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def tracked(make: Make, folder: Path, *names: str, said: Said | None = None) -> tuple[Run, list[str]]:
    said = Said() if said is None else said
    scenario = make(track=list(names), pruning__methods=["full", "random"], seeds=[0, 1])
    run = edgesim.run(
        scenario, folder, executor=SerialExecutor(), progress=said,
        report=lambda run: page.write(run, run.path / "report.html"),
    )  # fmt: skip
    return run, said.lines


def expected(run: Run, cell: trackers.Cell) -> dict[int, float]:
    """Test accuracy by epoch, by another way than the trackers'."""
    own = run.curves[(run.curves["method"] == cell.method) & np.isclose(run.curves["keep_ratio"], cell.keep_ratio)]
    wide = own.pivot_table(index="epoch", columns=["device", "seed"], values="test_accuracy")
    return {int(epoch): float(np.mean(row.to_numpy())) for epoch, row in wide.iterrows()}


def test_tensorboard(make_scenario: Make, tmp_path: Path) -> None:
    accumulators = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="tensorboard is not installed"
    )
    run, said = tracked(make_scenario, tmp_path / "run", "tensorboard")
    assert said == []
    for cell in trackers.base.cells(run):
        found = accumulators.EventAccumulator(str(run.path / "tensorboard" / str(cell)))
        found.Reload()
        curve = {event.step: event.value for event in found.Scalars("test_accuracy")}
        assert curve == pytest.approx(expected(run, cell))
        assert "test_accuracy_sd" in found.Tags()["scalars"]
        so_far = found.Scalars("so far/test_accuracy")
        own = run.records[
            (run.records["method"] == cell.method) & np.isclose(run.records["keep_ratio"], cell.keep_ratio)
        ]
        assert (so_far[-1].step, so_far[-1].value) == (len(own), pytest.approx(own["test_accuracy"].mean()))
    fleet = accumulators.EventAccumulator(str(run.path / "tensorboard"))
    fleet.Reload()
    text = {tag: fleet.Tensors(tag)[0].tensor_proto.string_val[0].decode() for tag in fleet.Tags()["tensors"]}
    assert "| training.epochs | 2 |" in text["parameters/text_summary"]
    assert text["records/text_summary"].count("\n") == 1 + len(run.records)
    assert text["status/text_summary"] == "finished"


def test_mlflow(make_scenario: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tracking = pytest.importorskip("mlflow.tracking", reason="mlflow is not installed")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    run, said = tracked(make_scenario, tmp_path / "run", "mlflow")
    assert said == []
    client = tracking.MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("tiny").experiment_id
    runs = {found.info.run_name: found for found in client.search_runs([experiment])}
    assert sorted(runs) == sorted(["run", *CELLS])
    parent = runs["run"]
    assert parent.data.params["training.epochs"] == "2"
    assert parent.info.status == "FINISHED"
    for cell in trackers.base.cells(run):
        child = runs[str(cell)]
        assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert child.data.params == {"method": cell.method, "keep_ratio": f"{cell.keep_ratio:g}"}
        curve = {one.step: one.value for one in client.get_metric_history(child.info.run_id, "test_accuracy")}
        assert curve == pytest.approx(expected(run, cell))
    kept = {one.path for one in client.list_artifacts(parent.info.run_id)}
    assert kept == {"devices.json", *(path.name for path in files_of(run))}
    assert "report.html" in kept
    table = json.loads(Path(client.download_artifacts(parent.info.run_id, "devices.json")).read_text())
    assert len(table["data"]) == len(run.records)
    assert table["data"][0][table["columns"].index("profile")] == run.records["profile"][0]
    again = make_scenario(track="mlflow", pruning__methods=["full", "random"], seeds=[0, 1])
    edgesim.run(again, tmp_path / "run", resume=True, executor=SerialExecutor())
    with sqlite3.connect(tmp_path / "mlflow.db") as store:
        assert store.execute("select count(*) from runs").fetchone() == (4,)  # the same ones
    assert client.get_run(parent.info.run_id).info.status == "FINISHED"


def records_of(file: Path) -> Iterator[Any]:
    """Records of an offline run of Weights & Biases: a log in LevelDB's format, of its own protocol messages."""
    from wandb.proto import wandb_internal_pb2

    data, place, whole = file.read_bytes(), 7, b""
    while place + 7 <= len(data):
        left = 32768 - place % 32768
        if left < 7:
            place += left
            continue
        _, length, kind = struct.unpack("<IHB", data[place : place + 7])
        if place + 7 + length > len(data):  # it is being written
            return
        whole += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            record = wandb_internal_pb2.Record()
            record.ParseFromString(whole)
            yield record
            whole = b""


def test_wandb(make_scenario: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb", reason="wandb is not installed")
    for name in ("WANDB_MODE", "WANDB_DIR", "WANDB_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    run, said = tracked(make_scenario, tmp_path / "run", "wandb")
    assert said == []
    found = {}
    for file in (run.path / "wandb").glob("offline-run-*/run-*.wandb"):
        wait_for(lambda file=file: [one.WhichOneof("record_type") for one in records_of(file)][-1:] == ["exit"])
        records = list(records_of(file))  # its process writes on for a moment
        (about,) = [one.run for one in records if one.WhichOneof("record_type") == "run"][:1]
        history = [
            {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in one.history.item}
            for one in records
            if one.WhichOneof("record_type") == "history"
        ]
        found[about.display_name] = about, history, {one.WhichOneof("record_type") for one in records}
    assert sorted(found) == sorted(["run", *CELLS])
    assert {about.run_group for about, *_ in found.values()} == {"run"}
    fleet, history, kinds = found["run"]
    config = {item.key: json.loads(item.value_json) for item in fleet.config.update}
    assert config["training.epochs"] == "2"
    assert {"artifact", "exit"} <= kinds
    assert [row["devices/nrows"] for row in history if "devices/nrows" in row] == [len(run.records)]
    for cell in trackers.base.cells(run):
        curve = {row["_step"]: row["test_accuracy"] for row in found[str(cell)][1] if "test_accuracy" in row}
        assert curve == pytest.approx(expected(run, cell))


def test_one_that_fails_is_named_once_and_stops_nothing(make_scenario: Make, tmp_path: Path, use: Use) -> None:
    use(tensorboard="Broken", mlflow="Noting")
    run, said = tracked(make_scenario, tmp_path / "run", "tensorboard", "mlflow")
    assert run.info["status"] == "finished"
    assert [line.partition(" (")[0] for line in said] == ["the tracker tensorboard failed: OSError: no room at all"]
    assert said[0].endswith("the run goes on without it")
    begin, *means, finish, stop = noted(run.path)
    assert (begin.split()[0], finish, stop) == ("begin", f"finish {len(run.records)}", "finished")
    assert _newest(means) == {str(cell): _trials(run, cell) for cell in trackers.base.cells(run)}
    plain = edgesim.run(
        make_scenario(pruning__methods=["full", "random"], seeds=[0, 1]), tmp_path / "plain", executor=SerialExecutor()
    )
    columns = [name for name in run.records if not name.startswith("host_")]
    assert run.records[columns].equals(plain.records[columns])
    assert [file.name for file in run.path.glob("*.log")] == ["run.log"]


def _newest(means: list[str]) -> dict[str, int]:
    """Cell -> number of trials that a tracker heard of last."""
    return {cell: int(trials) for cell, _, trials in (line.rpartition(" ") for line in means)}


def _trials(run: Run, cell: trackers.Cell) -> int:
    own = (run.records["method"] == cell.method) & np.isclose(run.records["keep_ratio"], cell.keep_ratio)
    return int(own.sum())


def test_those_whose_process_dies_are_named_once(
    make_scenario: Make, tmp_path: Path, use: Use, lowered: list[int]
) -> None:
    use(tensorboard="Crashing", mlflow="Leaving", wandb="Looking")
    run, said = tracked(make_scenario, tmp_path / "run", "tensorboard", "mlflow", "wandb")
    assert run.info["status"] == "finished"
    assert sorted(said) == [
        f"the tracker {name} failed: its process {end}; its output: {run.path / name}.log; the run goes on without it"
        for name, end in (("mlflow", "ended with exit code 0"), ("tensorboard", "was ended by SIGSEGV"))
    ]
    logs = [(run.path / f"{name}.log").read_text() for name in ("mlflow", "tensorboard")]
    assert logs[0] == "about to begin\nanother process\n"
    assert logs[1].startswith(f"{logs[0]}Fatal Python error: Segmentation fault")
    begin, imported, *_ = noted(run.path, "Looking")
    assert imported == "imported: []"
    assert (len(lowered), int(begin.split()[1]) in lowered) == (3, True)


def test_the_lowest_priority() -> None:
    with subprocess.Popen(["sleep", "60"]) as sleeping:
        LOWEST(sleeping.pid)
        assert os.getpriority(os.PRIO_PROCESS, sleeping.pid) == 19
        assert os.sched_getscheduler(sleeping.pid) == os.SCHED_IDLE
        process.usual_priority(sleeping.pid)
        found = os.sched_getscheduler(sleeping.pid), os.getpriority(os.PRIO_PROCESS, sleeping.pid)
        assert found in [(os.SCHED_OTHER, 0), (os.SCHED_IDLE, 19)]  # the latter without the right to it
        sleeping.kill()


def _left(said: list[str], why: str) -> int:
    """Number of the process that goes on by itself."""
    waiting, left = said
    assert waiting == "waiting for mlflow …"
    beginning, _, rest = left.partition(" goes on with it, for 60 min at most; its output: ")
    assert beginning.startswith(f"the tracker mlflow {why}; process ")
    assert rest.endswith("mlflow.log")
    return int(beginning.rpartition(" ")[2])


def test_one_that_hangs_is_left_after_the_limit(
    make_scenario: Make, tmp_path: Path, use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "LONGEST_END_S", 1.0)
    monkeypatch.setattr(following, "SILENT_END_S", 0.1)
    use(mlflow="Hanging")
    run, said = tracked(make_scenario, tmp_path / "run", "mlflow")
    assert run.info["status"] == "finished"
    number = _left(said, "has not ended after 1 s")
    wait_for(lambda: noted(run.path, "Hanging") == [f"begin {number}"])
    wait_for(lambda: _ended(number))
    assert len(said) == 2


def _ended(number: int) -> bool:
    """Ask a process to end; True once it has."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(number, signal.SIGTERM)
    return is_gone(number)


def test_one_that_is_slow_gets_the_newest_means_and_ctrl_c_ends_the_wait(
    make_scenario: Make, tmp_path: Path, use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "SILENT_END_S", 0.1)
    use(mlflow="Slow")
    stopped = Said("waiting", lambda: signal.raise_signal(signal.SIGINT))
    run, said = tracked(make_scenario, tmp_path / "run", "mlflow", said=stopped)
    assert run.info["status"] == "finished"
    number = _left(said, "is not waited for")
    wait_for(lambda: is_gone(number))
    _, *means, finish, stop = noted(run.path, "Slow")
    assert (finish, stop) == (f"finish {len(run.records)}", "finished")
    assert len(means) <= len(CELLS) + 1 + run.info["wall_s"] < len(run.records)
    assert _newest(means) == {str(cell): _trials(run, cell) for cell in trackers.base.cells(run)}
    assert not (run.path / "mlflow.log").exists()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGKILL, "failed"), (signal.SIGINT, "interrupted")])
def test_the_end_of_a_run_that_is_stopped(tmp_path: Path, number: signal.Signals, status: str) -> None:
    """A signal to all of its processes ends the run; its tracker lives on to say so."""
    (tmp_path / "run").mkdir()
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    words = [sys.executable, "-c", RUN, str(tmp_path / "run")]
    run = subprocess.Popen(words, env=environment, start_new_session=True, stderr=subprocess.DEVNULL)
    wait_for(lambda: bool(noted(tmp_path / "run")))
    tracker = int(noted(tmp_path / "run")[0].split()[1])
    os.kill(tracker, signal.SIGTERM)
    os.killpg(run.pid, number)
    run.wait(60)
    wait_for(lambda: is_gone(tracker))
    assert noted(tmp_path / "run") == [f"begin {tracker}", status]
    assert list((tmp_path / "run").iterdir()) == []


def test_one_that_hangs_ends_some_time_after_its_run_was_killed(tmp_path: Path) -> None:
    """The end of the pipe without a call of `stop`; where it hangs is in its log."""
    begin = calls.to_line("begin", (trackers.About("tiny", tmp_path / "run", {}, 1, 1),))
    done = subprocess.run([sys.executable, "-c", ORPHAN], input=begin, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"Timeout" in done.stderr
    assert b"tracker_doubles.py" in done.stderr
    assert len(noted(tmp_path / "run", "Hanging")) == 1


def test_a_missing_library_is_named_and_the_run_goes_on(
    make_scenario: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("wandb", "mlflow", "tensorboard"):  # found first, also by the trackers' processes
        (tmp_path / f"{name}.py").write_text(f"raise ModuleNotFoundError('no {name}')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    run, said = tracked(make_scenario, tmp_path / "run", "wandb", "mlflow", "tensorboard")
    assert run.info["status"] == "finished"
    assert sorted(line.partition(", which")[0] for line in said) == [
        f"the tracker '{name}' needs {name}" for name in ("mlflow", "tensorboard", "wandb")
    ]
    assert all(line.endswith("; the run goes on without it") for line in said)


def test_a_run_that_ended_before_its_first_result_leaves_no_foreign_files(tmp_path: Path) -> None:
    for names in ([], ["wandb.log"], ["tensorboard", "mlflow.json", "wandb"]):
        for name in names:
            (tmp_path / name).touch()
        RunFolder.create(tmp_path, "{}", RUN_INFO).release()
    (tmp_path / "notes.log").touch()  # of nobody that writes here
    with pytest.raises(RunError, match=r"notes\.log"):
        RunFolder.create(tmp_path, "{}", RUN_INFO)


def test_names_and_parameters(make_scenario: Make) -> None:
    for given, words in [("mlfow", "did you mean 'mlflow'"), (["wandb", 3], "allowed: tensorboard, mlflow, wandb")]:
        with pytest.raises(ScenarioError, match=words):
            make_scenario(track=given)
    assert make_scenario(track="wandb").document["track"] == ["wandb"]
    assert "track" not in make_scenario().document
    document = {"a": {"b": [1, 2], "c": [{"d": None}, "x"]}, "e": {}}
    assert dict(parameters(document)) == {"a.b": "1, 2", "a.c[0].d": "None", "a.c[1]": "x", "e": "{}"}


def test_the_spread_is_that_between_devices(make_scenario: Make, tmp_path: Path) -> None:
    run = edgesim.run(
        make_scenario(pruning__methods=["full"], seeds=[0, 1]), tmp_path / "run", executor=SerialExecutor()
    )
    last = dict(curves_of(run, trackers.Cell("full", 1.0)))[2]
    accuracy = run.curves[run.curves["epoch"] == 2].groupby("device")["test_accuracy"].mean().to_numpy()
    assert last["test_accuracy"] == pytest.approx(accuracy.mean())
    assert last["test_accuracy_sd"] == pytest.approx(np.sqrt(((accuracy - accuracy.mean()) ** 2).sum() / 2))


def test_a_tracker_of_an_installed_package(
    make_scenario: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups = {"edgesim.trackers": {"noting": "tracker_doubles:Noting", "none": "pathlib:Path"}}
    install(tmp_path / "site", {"name": "noting-tracker", "version": "3.0", "entry-points": groups})
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "noting.log").touch()  # of a run that ended before it began
    run, said = tracked(make_scenario, tmp_path / "run", "noting", "none")
    assert run.info["status"] == "finished"
    assert noted(run.path)[-1] == "finished"
    assert said == [
        "the tracker 'none' (pathlib:Path) is no edgesim.sessions.trackers.Tracker; the run goes on without it"
    ]
    rows = {row["name"]: row["from"] for row in json.loads(command("list", "trackers", "--json").stdout)}
    assert rows == {"tensorboard": "edgesim", "mlflow": "edgesim", "wandb": "edgesim", "noting": "noting-tracker 3.0",
                    "none": "noting-tracker 3.0"}  # fmt: skip
