"""`edgesim runs`, `edgesim watch` and `run --on-end`: runs that are finished, stopped, running, and damaged."""

from __future__ import annotations

import json
import math
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from commands import command
from conftest import DOCUMENT, Stopping

from edgesim import api
from edgesim.records import Trial
from edgesim.results import folder_lock, progress_file
from edgesim.results.journal import Journal
from edgesim.results.journal_reader import JournalReader
from edgesim.results.run_folder import Run, read_results
from edgesim.results.run_list import resume_command, runs_below, state_of
from edgesim.runtime import SerialExecutor
from edgesim.scenario import loading

SMALL = {"training.epochs": 1, "pruning.methods": ["full", "random"], "pruning.keep_ratio": [0.5]}


class Runs(NamedTuple):
    folder: Path
    finished: Path
    stopped: Path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """A finished run, and one that was stopped after its first job."""
    folder = tmp_path_factory.mktemp("runs")
    scenario = loading.from_document(DOCUMENT, "tiny.yaml", folder, SMALL)
    api.run(scenario, folder / "finished", executor=SerialExecutor())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(progress_file, "WRITE_EVERY_S", 0.0)
        with pytest.raises(KeyboardInterrupt):
            api.run(scenario, folder / "stopped", executor=Stopping(1))
    return Runs(folder, folder / "finished", folder / "stopped")


def test_a_list_has_state_best_energy_and_the_way_on(made: Runs) -> None:
    (made.folder / "notes").mkdir(exist_ok=True)  # a folder that is no run
    finished, stopped = sorted(runs_below(made.folder), key=lambda run: run.path.name)
    records = Run(made.finished).records
    assert (finished.status, finished.trials, finished.ended) == ("finished", 6, 6)
    means = records.groupby(["method", "keep_ratio"])["test_accuracy"].mean()
    assert finished.best is not None
    assert finished.best.value == pytest.approx(means.max())
    of_best = (records["method"] == finished.best.method) & (records["keep_ratio"] == finished.best.keep_ratio)
    assert finished.best.device_energy_j == pytest.approx(records.loc[of_best, "device_energy_j"].mean())
    assert finished.best.trials == 3
    assert finished.go_on == ""
    assert math.isnan(finished.left_s)
    assert (stopped.status, stopped.trials, stopped.ended) == ("interrupted", 6, 2)
    assert 0 < stopped.left_s < 600
    assert not (made.finished / progress_file.FILE).exists()


def test_the_command_prints_both_runs_and_json(made: Runs) -> None:
    done = command("runs", str(made.folder))
    assert done.returncode == 0
    assert "finished" in done.stdout
    assert "2/6" in done.stdout
    assert "resume=True" in done.stdout  # the run was made by Python
    listed = json.loads(command("runs", str(made.folder), "--json").stdout)
    named = {Path(run["path"]).name: run for run in listed}
    assert named.keys() == {"stopped", "finished"}
    assert named["finished"]["best"]["metric"] == "test_accuracy"
    assert named["finished"]["left_s"] is None


def test_damaged_missing_and_empty_folders(made: Runs, tmp_path: Path) -> None:
    assert command("runs", str(tmp_path / "none")).returncode == 1
    assert "there is no run in" in command("runs", str(tmp_path)).stderr
    shutil.copytree(made.finished, tmp_path / "torn")
    (tmp_path / "torn" / "records.parquet").write_bytes(b"PAR1")
    (torn,) = runs_below(tmp_path)
    assert torn.status == "damaged"
    assert "records.parquet" in torn.reason
    assert command("runs", str(tmp_path)).returncode == 0
    assert command("watch", str(tmp_path)).returncode == 1


@pytest.mark.parametrize(
    ("made_by", "again"),
    [
        ("edgesim run a.yaml", "edgesim run a.yaml --out runs/x --resume"),
        ("edgesim run a.yaml --out old --resume --set 'k=[1, 2]'",
         "edgesim run a.yaml --set 'k=[1, 2]' --out runs/x --resume"),
        ("edgesim run a.yaml --out=old --accept-changes", "edgesim run a.yaml --out runs/x --resume"),
        ("edgesim sweep a.yaml --over a=1,2 --out runs", "edgesim sweep a.yaml --over a=1,2 --out runs --resume"),
        ("study.py", "edgesim.run(scenario, 'runs/x', resume=True) in Python"),
        ("edgesim run 'a", "edgesim.run(scenario, 'runs/x', resume=True) in Python"),
    ],
)  # fmt: skip
def test_the_command_that_goes_on(made_by: str, again: str) -> None:
    retried = resume_command({"command": made_by}, Path("runs/x"), "--resume --retry-failed")
    in_python = "edgesim.run(scenario, 'runs/x', resume=edgesim.api.Resume(retry_failed=True)) in Python"
    assert retried == (in_python if again.endswith("in Python") else f"{again} --retry-failed")
    assert resume_command({"command": made_by}, Path("runs/x")) == again


def test_time_left_follows_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A quarter of the session's work in 10 s leaves 30 s; the trial of the session before counts for nothing."""
    monkeypatch.setattr(time, "monotonic", lambda: 100.0)
    trials = [Trial(0, device, "full", 1.0) for device in range(3)]
    file = progress_file.ProgressFile(tmp_path, dict(zip(trials, (50.0, 1.0, 3.0), strict=True)), {trials[0]})
    monkeypatch.setattr(time, "monotonic", lambda: 110.0)
    file.count(trials[1])
    assert progress_file.time_left_s(tmp_path, is_running=False) == pytest.approx(30)
    at = json.loads((tmp_path / progress_file.FILE).read_text())["at"]
    monkeypatch.setattr(time, "time", lambda: at + 12.0)
    assert progress_file.time_left_s(tmp_path, is_running=True) == pytest.approx(18)
    for bad in ("{", "[]", '{"at": 0, "session_s": 1, "work_share": 0}', '{"at": "x"}'):
        (tmp_path / progress_file.FILE).write_text(bad)
        assert math.isnan(progress_file.time_left_s(tmp_path, is_running=True))


def test_a_reader_follows_a_journal_of_another_process(made: Runs, tmp_path: Path) -> None:
    results = read_results(made.stopped)
    reader, journal = JournalReader(tmp_path), Journal(tmp_path)
    assert reader.read() == []
    journal.begin(results[:1])
    journal.append(results[1])
    whole = (tmp_path / "journal.jsonl").read_bytes()
    cut = len(whole) - 5
    os.truncate(tmp_path / "journal.jsonl", cut)
    assert [record.trial for record in reader.read()] == [results[0].record.trial]
    with (tmp_path / "journal.jsonl").open("ab") as file:
        file.write(whole[cut:])
    assert [record.trial for record in reader.read()] == [results[1].record.trial]
    assert reader.read() == []
    journal.begin(results)  # a session begins anew: another file
    assert reader.read() == []
    assert len(reader.records) == 2


def test_watch_follows_a_run_until_its_process_ends(
    made: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(made.stopped, folder)
    info = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(info | {"status": "running"}))
    lock = folder_lock.acquired(folder)

    def ends(_: float) -> None:
        (folder / "run.json").write_text(json.dumps(info))
        lock.release()

    assert state_of(folder).status == "running"
    with monkeypatch.context() as patch:
        patch.setattr(time, "sleep", ends)
        done = command("watch", str(folder))
    assert done.returncode == 1  # it was interrupted
    assert "2/6 trials, 1/3 devices, accuracy" in done.stderr
    assert done.stdout.startswith("interrupted: 2/6 trials; best accuracy")
    assert command("watch", str(made.finished)).returncode == 0


@pytest.fixture
def scenario_file(tmp_path: Path) -> Callable[..., tuple[str, ...]]:
    (tmp_path / "tiny.yaml").write_text(json.dumps(DOCUMENT))

    def arguments(*more: str) -> tuple[str, ...]:
        sets = [word for key, value in SMALL.items() for word in ("--set", f"{key}={json.dumps(value)}")]
        return ("run", "tiny.yaml", "--serial", "--no-progress", *sets, *more)

    return arguments


def test_a_program_is_called_when_the_run_ends(tmp_path: Path, scenario_file: Callable[..., tuple[str, ...]]) -> None:
    program = tmp_path / "told"
    program.write_text('#!/bin/sh\nprintf "%s|" "$@" >> ' + str(tmp_path / "calls") + "\nexit 3\n")
    program.chmod(0o755)
    given = ("--on-end", f"{program} 'my run'", "--out", "out")
    done = command(*scenario_file(*given), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "calls").read_text() == f"my run|{tmp_path / 'out'}|finished|"
    assert "ended with exit code 3; the run is as it was" in done.stderr
    again = command(*scenario_file(*given), cwd=tmp_path)  # refused: the folder holds a run
    assert again.returncode == 1
    assert (tmp_path / "calls").read_text().count("|") == 3


@pytest.mark.parametrize("program", ["no-such-program", "", "'unclosed", "."])
def test_a_program_that_cannot_be_called_stops_before_the_run(
    tmp_path: Path, scenario_file: Callable[..., tuple[str, ...]], program: str
) -> None:
    done = command(*scenario_file("--on-end", program, "--out", "out"), cwd=tmp_path)
    assert done.returncode == 2
    assert "--on-end" in done.stderr
    assert not (tmp_path / "out").exists()
