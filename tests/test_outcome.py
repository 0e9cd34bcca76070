"""Trials that failed: told at the end with reasons, tried again when asked, and a run with them leaves with 1."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from commands import command
from conftest import DOCUMENT, Stopping
from typer.testing import CliRunner

import edgesim
from edgesim import api
from edgesim.cli.app import with_commands
from edgesim.cli.run_outcome import reasons, resume_command
from edgesim.results.failed_trials import retries
from edgesim.results.run_folder import Run
from edgesim.runtime import SerialExecutor
from edgesim.scenario.loading import Scenario

Make = Callable[..., Scenario]
METHOD = """
from dataclasses import dataclass
from pathlib import Path
import numpy as np
from edgesim.pruning.base import Method, Scoring
from edgesim.training.needs import Needs
from edgesim.work import Work

@dataclass(frozen=True)
class Fussy(Method):
    '''fails until a file is there'''
    source = "own"
    cost_class = "O(n)"

    def needs(self, shard):
        return Needs()

    def score(self, context):
        if not Path(FLAG).exists():
            print("looking for apples")
            raise RuntimeError(f"device {context.device} found no {context.shard.size} apples")
        return Scoring(np.arange(float(context.shard.size)), Work())
"""


@pytest.fixture
def fussy(tmp_path: Path) -> Iterator[Path]:
    """A scenario of which one method fails until `ready` is there."""
    (tmp_path / "fussy_own.py").write_text(METHOD.replace("FLAG", repr(str(tmp_path / "ready"))))
    methods = ["full", {"name": "fussy_own:Fussy", "label": "fussy"}]
    document = {**DOCUMENT, "pruning": {"methods": methods, "keep_ratio": [0.2, 0.5]}}
    (tmp_path / "fussy.yaml").write_text(yaml.safe_dump(document))
    yield tmp_path
    sys.modules.pop("fussy_own", None)


def run(folder: Path, *more: str) -> Any:
    return command("run", "fussy.yaml", "--serial", "--no-progress", "--out", "out", *more, cwd=folder)


@pytest.mark.slow
def test_a_run_with_failed_trials_leaves_with_1_and_resumes(fussy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = run(fussy)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    # Notes on each failure come first, as they happen; the last four lines sum them up.
    lines = done.stderr.strip().splitlines()[-4:]
    assert lines[0] == "edgesim: 6 of 9 trials failed:"
    assert re.fullmatch(
        r"  6 x RuntimeError: device 0 found no \d+ apples .*\(and 2 more that differ in their numbers\)", lines[1]
    )
    again = "edgesim run fussy.yaml --serial --out out --resume --retry-failed"
    assert lines[2:] == ["tracebacks and the hosts' output: out/run.log", f"try them again: {again}"]
    assert "run folder: out" in done.stdout
    info = json.loads((fussy / "out" / "run.json").read_text())
    assert info["status"] == "finished with failed trials"
    assert info["reason"].startswith("6 of 9 trials failed, most often: RuntimeError: device")
    assert info["reason"].endswith("; --resume --retry-failed tries all 6 failed trials again")
    assert info["trials"] == {"total": 9, "ok": 3, "failed": 6, "missing": 0}
    assert set(Run(fussy / "out").records.query("status == 'failed'")["failure"]) == {"own"}
    log = (fussy / "out" / "run.log").read_text()
    assert log.count("Traceback (most recent call last):") == 3
    assert re.search(r"output host 0, seed 0, device 1, fussy, scoring: looking for apples\n", log)
    assert set(Run(fussy / "out").records.query("status == 'failed'")["host_output"]) == {"looking for apples"}
    only = run(fussy, "--resume", "--allow-failures")
    assert only.returncode == 0
    assert only.stderr.splitlines()[0] == "edgesim: 6 of 9 trials failed:"  # no note before it: nothing ran
    assert json.loads((fussy / "out" / "run.json").read_text())["trials"] == info["trials"]
    (fussy / "ready").touch()
    after = command(*shlex.split(again)[1:], "--no-progress", cwd=fussy)
    assert after.returncode == 0, after.stderr
    assert after.stderr == ""
    info = json.loads((fussy / "out" / "run.json").read_text())
    assert (info["status"], info["reason"]) == ("finished", None)
    assert info["trials"] == {"total": 9, "ok": 9, "missing": 0}
    records = Run(fussy / "out").records
    assert (records["status"] == "ok").all()
    monkeypatch.syspath_prepend(str(fussy))
    whole = edgesim.run(edgesim.load_scenario(fussy / "fussy.yaml"), fussy / "whole", executor=SerialExecutor())
    columns = [name for name in records.columns if not name.startswith("host_")]
    pd.testing.assert_frame_equal(records[columns], whole.records[columns], check_exact=True)


def test_a_run_without_a_success_is_never_allowed(fussy: Path) -> None:
    nothing = run(fussy, "--allow-failures", "--out", "none", "--set", "pruning.methods=[{name: fussy_own:Fussy}]")
    assert nothing.returncode == 1
    assert "no trial succeeded" in nothing.stderr
    assert "Traceback" not in nothing.stderr
    assert (fussy / "none" / "report.html").is_file()


def test_what_fails_again_has_its_new_reason_and_what_is_infeasible_stays(make_scenario: Make, tmp_path: Path) -> None:
    groups = [{"profile": "raspberry-pi-4b", "count": 1}, {"profile": "arduino-nano-33-ble-sense", "count": 1}]
    wild = make_scenario(
        fleet={"groups": groups}, model={"name": "mlp", "hidden": [512]}, training__optimizer="sgd",
        training__learning_rate=1e30, training__unsafe=True, training__schedule="constant",
    )  # fmt: skip
    first = edgesim.run(wild, tmp_path / "run", executor=SerialExecutor())
    assert first.records.groupby("device")["status"].agg(set).tolist() == [{"failed"}, {"infeasible"}]
    tried: list[int] = []

    class Counting(api.Silent):
        def record(self, record: Any) -> None:
            tried.append(record.device)

    again = {"resume": True, "executor": SerialExecutor(), "progress": Counting()}
    pd.testing.assert_frame_equal(edgesim.run(wild, tmp_path / "run", **again).records, first.records)
    assert tried == []
    second = edgesim.run(wild, tmp_path / "run", **{**again, "resume": api.Resume(retry_failed=True)})
    assert tried == [0] * 5
    columns = [name for name in first.records.columns if not name.startswith("host_")]
    pd.testing.assert_frame_equal(first.records[columns], second.records[columns])
    assert second.info["status"] == api.WITH_FAILURES
    assert second.info["trials"] == {"total": 10, "failed": 5, "infeasible": 5, "missing": 0}


def test_an_interrupted_second_try_loses_no_record(make_scenario: Make, tmp_path: Path) -> None:
    wild = make_scenario(
        training__optimizer="sgd", training__learning_rate=1e30, training__unsafe=True, training__schedule="constant"
    )
    edgesim.run(wild, tmp_path / "run", executor=SerialExecutor())
    with pytest.raises(KeyboardInterrupt):
        edgesim.run(wild, tmp_path / "run", resume=api.Resume(retry_failed=True), executor=Stopping(1))
    stopped = Run(tmp_path / "run")
    assert len(stopped.records) == 15
    assert stopped.info["status"] == "interrupted"
    ended = edgesim.run(wild, tmp_path / "run", resume=api.Resume(retry_failed=True), executor=SerialExecutor())
    assert ended.info["trials"] == {"total": 15, "failed": 15, "missing": 0}
    assert not ended.records.duplicated(["seed", "device", "method", "keep_ratio"]).any()


def test_reasons_are_counted_by_kind_the_most_frequent_first() -> None:
    said = ["the loss became nan at step 7", "needs 31.7 J", "needs 32.1 J", "needs 31.7 J", *"abcdef"]
    records = pd.DataFrame({"status": ["failed"] * len(said) + ["ok", "infeasible"], "reason": [*said, "", "no"]})
    lines = reasons(records, "failed")
    assert lines[0] == "  3 x needs 31.7 J (and 1 more that differ in their numbers)"
    assert "  1 x the loss became nan at step 7" in lines
    assert len(lines) == 6
    assert lines[-1] == "  3 x other reasons; records.parquet has them all"
    assert reasons(records, "infeasible") == ["  1 x no"]
    assert reasons(records[records["status"] == "ok"], "failed") == []


def test_the_command_that_goes_on_is_quoted() -> None:
    line = resume_command(Path("my scenarios/a.yaml"), Path("runs/a"), ["seeds=[0, 1]"], ["--hosts", "2"])
    assert line == "edgesim run 'my scenarios/a.yaml' --set 'seeds=[0, 1]' --hosts 2 --out runs/a --resume"
    assert shlex.split(line)[2] == "my scenarios/a.yaml"


def test_infeasible_trials_are_no_failures(tmp_path: Path) -> None:
    groups = [{"profile": "raspberry-pi-4b", "count": 1}, {"profile": "arduino-nano-33-ble-sense", "count": 1}]
    document = {**DOCUMENT, "fleet": {"groups": groups}, "model": {"name": "mlp", "hidden": [512]}}
    (tmp_path / "weak.yaml").write_text(yaml.safe_dump(document))
    done = command("run", "weak.yaml", "--serial", "--out", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "infeasible: 5 of 10 trials, which their devices cannot do" in done.stdout
    assert "5 infeasible" in done.stderr
    assert "failed" not in done.stderr
    assert Run(tmp_path / "out").info["status"] == "finished"


def test_failed_trials_are_tried_again_only_in_a_run_that_goes_on(fussy: Path) -> None:
    done = CliRunner().invoke(with_commands(), ["run", str(fussy / "fussy.yaml"), "--retry-failed"])
    assert done.exit_code == 2
    assert "--retry-failed needs --resume" in " ".join(done.output.replace("│", " ").split())


@pytest.mark.parametrize(
    ("failures", "options"),
    [
        (["", "own"], ["--resume --retry-failed"]),
        (["host", ""], ["--resume"]),
        (["host", "own", "own"], ["--resume", "--resume --retry-failed"]),
        ([""], []),
    ],
)
def test_the_options_that_try_again_follow_the_kinds_of_failure(failures: list[str], options: list[str]) -> None:
    assert list(retries(failures)) == options


def test_the_counts_of_trials_to_try_again_are_named() -> None:
    assert list(retries(["host", "own", "own"]).values()) == [
        "--resume tries 1 trial again that lost its host",
        "--resume --retry-failed tries all 3 failed trials again",
    ]
