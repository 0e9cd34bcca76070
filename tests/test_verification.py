"""Trials that are trained again are equal bit for bit, and test data reach no score, subset or training."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from commands import command
from conftest import DOCUMENT

import edgesim
from edgesim.errors import RunError
from edgesim.pruning import METHODS
from edgesim.results.run_folder import Run, read_results
from edgesim.runtime import SerialExecutor
from edgesim.scenario import loading as scenarios
from edgesim.scenario.loading import Scenario
from edgesim.sessions import verification

Make = Callable[..., Scenario]


@pytest.mark.slow
def test_a_finished_run_is_verified(tmp_path: Path) -> None:
    """All trials but one are equal: of that one a value, a subset and a curve were changed after the run."""
    document = {**DOCUMENT, "dataset": {"name": "digits", "limit_train": 300, "limit_test": 50}}
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(document))
    run = edgesim.run(edgesim.load_scenario(tmp_path / "tiny.yaml"), tmp_path / "run", executor=SerialExecutor())
    verify = ("run", "tiny.yaml", "--out", "run", "--verify")
    for name, column in (("records", "test_loss"), ("curves", "subset_loss"), ("selections", "index")):
        table = pd.read_parquet(run.path / f"{name}.parquet")
        last = len(table) - 1
        table.loc[last, column] = np.nextafter(table.loc[last, column], 0) if column != "index" else 1_000_000
        table.to_parquet(run.path / f"{name}.parquet", index=False)
    done = command(*verify, "99", cwd=tmp_path)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert lines[0].startswith("edgesim: 1 of 15 trials trained again one by one in another process (choice of seed 0)")
    last_trial = run.records.iloc[-1]
    assert lines[1] == f"  seed 0, device 2, {last_trial['method']} at keep ratio {last_trial['keep_ratio']}"
    assert [line.split(":")[0].strip() for line in lines[2:]] == [
        "records.test_loss", "curves.subset_loss", "selections.index",
    ]  # fmt: skip
    entries = json.loads((run.path / "run.json").read_text())["verified"]
    assert [(entry["seed"], entry["trials"], entry["equal"]) for entry in entries] == [(0, 15, 14)]
    assert "15 trials trained again, 14 of them equal bit for bit" in (run.path / "report.html").read_text()
    other = edgesim.load_scenario(tmp_path / "tiny.yaml", {"training.epochs": 9})
    with pytest.raises(RunError, match=r"training\.epochs: was 2, now 9"):
        verification.check_scenario(run, other)


def test_columns_are_compared_bit_by_bit(make_scenario: Make, tmp_path: Path) -> None:
    edgesim.run(make_scenario(), tmp_path / "run", executor=SerialExecutor())
    result = next(result for result in read_results(tmp_path / "run") if result.record.method == "random")
    assert list(verification.compared(result, result)) == []
    record = result.record

    def changed(**values: Any) -> list[str]:
        again = dataclasses.replace(result, record=dataclasses.replace(record, **values))
        return [found.column for found in verification.compared(result, again)]

    assert changed(host_wall_s=99.0, host_stack_size=3) == []
    assert changed(test_loss=float(np.nextafter(record.test_loss, 9))) == ["records.test_loss"]
    assert changed(device_throttled_s=-0.0) == ["records.device_throttled_s"]
    assert changed(upload_s=float("nan")) == (["records.upload_s"] if record.upload_s == record.upload_s else [])
    assert changed(steps=float(record.steps)) == ["records.steps"]
    assert changed(status="failed", reason="why") == ["records.status", "records.reason"]
    without = dataclasses.replace(result, kept=None)
    assert [(one.column, one.was) for one in verification.compared(result, without)] == [("selections", "there")]
    (gone,) = verification.compared(result, None)
    assert gone.now == "no such trial in the plan"


def test_only_a_finished_run_is_verified(make_scenario: Make, tmp_path: Path) -> None:
    from conftest import Stopping

    with pytest.raises(KeyboardInterrupt):
        edgesim.run(make_scenario(), tmp_path / "run", executor=Stopping(1))
    with pytest.raises(RunError, match=r"is not finished \(interrupted\); finish it with --resume to verify it"):
        verification.verify(Run(tmp_path / "run"), 1)


TEST_ONLY = ("test_accuracy", "local_accuracy", "test_loss")
"""columns of records and curves that the test data may change"""


def run_of_all_methods(folder: Path, name: str, test: tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]) -> Run:
    """Every method on the same training data, with these test data, which are evaluated after every epoch."""
    rng = np.random.default_rng(0)
    labels = np.arange(90) % 3
    images = rng.integers(0, 60, size=(90, 8, 8), dtype=np.uint8)
    images[np.arange(90), labels * 2] += 100
    np.savez(folder / f"{name}.npz", x_train=images, y_train=labels, x_test=test[0], y_test=test[1])
    document = {
        "name": "poison", "dataset": {"name": "npz", "root": f"{name}.npz"}, "partition": "iid",
        "fleet": {"groups": [{"profile": "raspberry-pi-4b", "count": 1}]}, "model": {"name": "mlp", "hidden": [8]},
        "training": {"epochs": 2, "batch_size": 16}, "evaluation": {"every": 1},
        "pruning": {"methods": list(METHODS), "keep_ratio": [0.3], "keep_scores": True},
    }  # fmt: skip
    scenario = scenarios.from_document(document, "poison.yaml", folder)
    return edgesim.run(scenario, folder / name, executor=SerialExecutor())


def test_test_data_reach_no_score_subset_or_training(tmp_path: Path) -> None:
    """Noise, shuffled labels and another number of test samples change the accuracies on them and nothing else."""
    rng = np.random.default_rng(1)
    clean = rng.integers(0, 60, size=(30, 8, 8), dtype=np.uint8)
    labels = np.arange(30) % 3
    clean[np.arange(30), labels * 2] += 100
    runs = [
        run_of_all_methods(tmp_path, "clean", (clean, labels)),
        run_of_all_methods(tmp_path, "poisoned", (rng.integers(0, 256, (47, 8, 8), np.uint8), rng.integers(0, 3, 47))),
    ]
    first, second = runs
    assert set(first.records["method"]) == set(METHODS)
    assert (first.records["status"] == "ok").all(), first.records["reason"].unique()
    for column in TEST_ONLY:
        assert (first.records[column] != second.records[column]).all(), column
    for table in ("records", "curves", "selections", "scores", "traces", "work", "extremes"):
        was, now = getattr(first, table), getattr(second, table)
        assert not was.empty, table
        left = [name for name in was if name not in TEST_ONLY and not name.startswith("host_")]
        pd.testing.assert_frame_equal(was[left], now[left], check_exact=True)
    # The loss on the shard after training has seen every weight; the running losses have seen every step.
    assert {"train_loss", "train_accuracy"} <= set(first.records)
    assert {"subset_loss"} <= set(first.curves)
