"""Sweeps whose trials failed are tried again, and their estimate under load; names of features in a csv export."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml
from commands import command
from conftest import DOCUMENT

import edgesim
from edgesim.cli import sweep as sweep_command
from edgesim.results.exporting.folder import export
from edgesim.results.exporting.subset import Part, subset_of
from edgesim.results.exporting.table_formats import write_csv
from edgesim.results.run_folder import Run
from edgesim.runtime import SerialExecutor
from edgesim.scenario.experiment import load_dataset
from edgesim.sessions import estimate, machine_load
from edgesim.sessions.machine_load import MachineLoad
from edgesim.sessions.sweep_run import SweepEstimate

FLAKY = """
import os
from dataclasses import dataclass
import numpy as np
from edgesim.pruning.base import Method, Scoring


@dataclass(frozen=True)
class Flaky(Method):
    def score(self, context):
        if os.environ.get("FLAKY_FAILS"):
            raise RuntimeError("no scores today")
        return Scoring(np.arange(context.shard.size, dtype=float))
"""


def test_failed_trials_of_a_sweep_are_tried_again(tmp_path, monkeypatch):
    (tmp_path / "flaky.py").write_text(FLAKY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(estimate, "MEASURE_S", 0.02)
    document = {
        **DOCUMENT, "training": {"epochs": 1, "batch_size": 128}, "seeds": [0],
        "pruning": {"methods": ["random", {"name": "flaky:Flaky", "label": "flaky"}], "keep_ratio": 0.5},
    }  # fmt: skip
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    again = ("sweep", "s.yaml", "--over", "partition.alpha=0.5,5.0", "--serial", "--out", "out")
    refused = command(*again, "--retry-failed", cwd=tmp_path)
    assert refused.returncode == 2
    assert "--retry-failed needs --resume" in refused.stderr
    monkeypatch.setenv("FLAKY_FAILS", "1")
    first = command(*again, cwd=tmp_path)
    assert first.returncode == 1
    points = sorted(path for path in (tmp_path / "out").iterdir() if path.is_dir())
    failed = [int((Run(point).records["status"] == "failed").sum()) for point in points]
    assert len(failed) == 2
    assert min(failed) > 0
    assert f"--resume --retry-failed tries all {sum(failed)} failed trials again" in first.stderr
    monkeypatch.delenv("FLAKY_FAILS")
    (tmp_path / "flaky.py").write_text(FLAKY.replace("arange(", "arange(0, "))
    changed = command(*again, "--resume", "--retry-failed", cwd=tmp_path)
    assert changed.returncode == 1
    assert "own_modules" in changed.stderr
    assert "--accept-changes" in changed.stderr
    alone = command(*again, "--accept-changes", cwd=tmp_path)
    assert alone.returncode == 2
    assert "--accept-changes goes on with a sweep; give --resume, too" in alone.stderr
    assert " 0 trials to run" in " " + command(*again, "--resume", "--dry-run", cwd=tmp_path).stdout.split("\n")[1]
    retried = command(*again, "--resume", "--retry-failed", "--accept-changes", cwd=tmp_path)
    assert retried.returncode == 0, retried.stdout
    assert f"\n{sum(failed)} trials to run" in retried.stdout
    assert all((Run(point).records["status"] == "ok").all() for point in points)
    assert set(pd.read_parquet("out/sweep.parquet")["status"]) == {"ok"}
    told = json.loads((tmp_path / "out" / "sweep.json").read_text())
    assert told["estimated_beside_others_s"] >= told["estimated_s"] > 0


def test_notes_on_data_are_said_once(tmp_path, monkeypatch):
    """Both points read the same file, whose features are not named."""
    monkeypatch.setattr(estimate, "MEASURE_S", 0.02)
    rows = [f"{step},{step % 7},{step % 2}" for step in range(120)]
    (tmp_path / "rows.csv").write_text("\n".join(["time,value,label", *rows]) + "\n")
    document = {
        **DOCUMENT, "dataset": {"name": "csv", "root": "rows.csv", "label": "label", "test_share": 0.2},
        "partition": "iid", "training": {"epochs": 1, "batch_size": 64}, "seeds": [0],
        "pruning": {"methods": ["random"], "keep_ratio": 0.5},
    }  # fmt: skip
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    words = ("sweep", "s.yaml", "--over", "model.hidden=[4],[8]", "--serial", "--out")
    for out, more in (("one", ()), ("two", ("--no-progress",))):
        done = command(*words, out, *more, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        said = [line for line in done.stderr.splitlines() if line.startswith("data: ")]
        assert len(said) == len(set(said)) > 0
        for point in sorted(path for path in (tmp_path / out).iterdir() if path.is_dir()):
            assert [f"data: {note}" for note in Run(point).info["data_notes"]] == said


def test_programs_that_compute_get_equal_shares_of_the_cpus(monkeypatch):
    assert MachineLoad(2, 0.0).factor(2) == 1.0
    assert MachineLoad(2, 2.0).factor(2) == 2.0  # four programs on two CPUs
    assert MachineLoad(4, 2.0).factor(2) == 1.0
    assert MachineLoad(2, 1.0).factor(4, 0.0) == 2.0  # four workers on two CPUs, nobody else
    monkeypatch.setattr(machine_load.os, "getloadavg", lambda: (1.5, 9.0, 9.0))
    assert machine_load.present(2) == MachineLoad(2, 1.5)


@pytest.mark.parametrize(
    ("beside_s", "took_s", "said", "error"),
    [
        (10.5, 20.0, "10.0 s", "48 % too short"),
        (20.0, 15.0, "10.0 s on an otherwise idle machine, 20.0 s beside the other programs (load 2.0 on 2 CPUs)",
         "between the two"),
        (20.0, 8.0, "10.0 s on an", "25 % too long"),
        (20.0, 25.0, "10.0 s on an", "20 % too short"),
    ],
)  # fmt: skip
def test_an_estimate_under_load_has_two_ends(beside_s, took_s, said, error):
    expected = SweepEstimate(4, 10.0, beside_s, MachineLoad(2, 2.0), "steps")
    assert sweep_command._in_words(expected).startswith(said)
    assert sweep_command._error_in_words(expected, took_s) == error


def test_a_csv_export_keeps_the_names_of_the_features(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"temp": rng.normal(size=60).round(3), "rpm, mean": rng.integers(0, 9, 60),
                          "state": ["on", "off", "idle"] * 20})  # fmt: skip
    table.to_csv(tmp_path / "pumps.csv", index=False)
    document = {
        **DOCUMENT, "model": "mlp",
        "dataset": {"name": "csv", "root": str(tmp_path / "pumps.csv"), "label": "state", "test_share": 0.2},
        "training": {"epochs": 1, "batch_size": 32}, "seeds": [0],
        "pruning": {"methods": ["random"], "keep_ratio": [0.5]},
    }  # fmt: skip
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    monkeypatch.chdir(tmp_path)
    for time in range(2):  # the second time the data are from the cache
        edgesim.run(edgesim.load_scenario("s.yaml"), tmp_path / f"run{time}", executor=SerialExecutor)
        subset = subset_of(edgesim.load_run(tmp_path / f"run{time}"), "random", 0.5)
        export(subset, "csv", tmp_path / f"kept{time}")
        written = pd.read_csv(tmp_path / f"kept{time}" / "train.csv")
        assert written.columns.tolist() == ["temp", "rpm, mean", "label"]
        card = json.loads((tmp_path / f"kept{time}" / "card.json").read_text())
        assert card["dataset"]["features"] == ["temp", "rpm, mean"]
    original = table.iloc[subset.table["row"]].reset_index(drop=True)
    np.testing.assert_allclose(written["temp"], original["temp"], rtol=1e-6)
    assert written["label"].tolist() == original["state"].tolist()
    back = edgesim.load_scenario("s.yaml", {"dataset": {**card["dataset"], "root": str(tmp_path / "kept1"),
                                                        "test_share": 0.2}})  # fmt: skip
    assert load_dataset(back).feature_names == ("temp", "rpm, mean")


def test_features_that_share_a_name_with_the_label_are_numbered(tmp_path):
    part = Part(np.zeros((1, 2), np.float32), np.array([0]), None, {})
    data = SimpleNamespace(sample_form=SimpleNamespace(tokens=False, describe=str), train_targets=None,
                           class_names=("a",), feature_names=("label", "x"))  # fmt: skip
    write_csv({"train": part}, data, tmp_path)
    assert (tmp_path / "train.csv").read_text().splitlines()[0] == "feature_0,feature_1,label"
