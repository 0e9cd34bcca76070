"""`validate --data`: what a run would be refused for is found without training, all of it at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from commands import command
from conftest import DOCUMENT

import edgesim
from edgesim.errors import EdgesimError
from edgesim.runtime import SerialExecutor
from edgesim.scenario.loading import Scenario
from edgesim.sessions.preflight import inspect

Make = Callable[..., Scenario]
IMAGES = 30


@pytest.fixture
def archive(tmp_path: Path) -> str:
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 255, (IMAGES, 4, 4, 1), dtype=np.uint8), np.arange(IMAGES) % 3
    np.savez(tmp_path / "own.npz", x_train=images, y_train=labels, x_test=images[:9], y_test=labels[:9])
    return str(tmp_path / "own.npz")


def test_what_was_made_is_said(make_scenario: Make) -> None:
    found = inspect(make_scenario(seeds=[0, 1], partition="iid"))
    assert not found.faults
    assert found.notes == ()
    assert found.facts == (
        "digits: 1,442 training and 355 test samples, 10 classes, images of 8x8x1",
        "seed 0: 3 shards of 480 to 481 samples (median 481), label skew 0.055, feature shift 0.0019",
        "seed 1: 3 shards of 480 to 481 samples (median 481), label skew 0.04, feature shift 0.0031",
        "mlp: 1,210 parameters",  # 64·16 + 16 + 16·10 + 10
    )


def test_one_class_is_said_in_the_singular(make_scenario: Make, tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 255, (30, 4, 4, 1), dtype=np.uint8)
    np.savez(tmp_path / "one.npz", x_train=images, y_train=[0] * 30, x_test=images[:1], y_test=[0])
    found = inspect(make_scenario(dataset={"name": "npz", "root": str(tmp_path / "one.npz")}, partition="iid"))
    assert "1 class, images of 4x4x1" in found.facts[0]


def test_faults_of_partition_and_network_come_together(make_scenario: Make, archive: str) -> None:
    """Ten samples for each of five devices are not there, and images of 4x4 are too small for the network."""
    scenario = make_scenario(
        dataset={"name": "npz", "root": archive}, partition={"name": "dirichlet", "alpha": 0.5, "min_size": 15},
        model="timm:vit_tiny_patch16_224", seeds=[0, 3],
    )  # fmt: skip
    found = inspect(scenario)
    assert [fault.path for fault in found.faults] == ["partition", "model"]
    assert found.faults[0].message.startswith("seed 0: ")
    with pytest.raises(EdgesimError):
        edgesim.plan(scenario)


def test_more_devices_than_samples_is_said_once(make_scenario: Make, archive: str) -> None:
    groups = [{"profile": "jetson-nano", "count": 31}]
    found = inspect(make_scenario(dataset={"name": "npz", "root": archive}, fleet={"groups": groups}, seeds=[0, 1, 2]))
    assert [(fault.path, fault.message) for fault in found.faults] == [
        ("fleet", "seed 0: has 31 devices for 30 training samples of npz; each needs at least one")
    ]


def test_runs_that_a_scenario_names_are_looked_at(make_scenario: Make, tmp_path: Path) -> None:
    found = inspect(make_scenario(pruning__scores_from="nowhere", dataset={"name": "npz", "root": "nowhere.npz"}))
    assert [fault.path for fault in found.faults] == ["dataset", "pruning.scores_from"]
    rule = {"objective": {"lambda": 0.1, "accuracy_from": "nowhere"}}
    (fault,) = inspect(make_scenario(pruning__keep_ratio=rule)).faults
    assert fault.path == "pruning.keep_ratio.objective.accuracy_from"


def test_notes_of_a_reader_are_passed_on(make_scenario: Make, archive: str, tmp_path: Path) -> None:
    """Two training samples of three classes: one class has none, and the limit says so."""
    limited = {"name": "npz", "root": archive, "limit_train": 2}
    one = {"groups": [{"profile": "jetson-nano", "count": 1}]}
    found = inspect(make_scenario(dataset=limited, fleet=one, partition="iid"))
    assert not found.faults
    assert found.notes
    document = {**DOCUMENT, "dataset": {**limited, "root": "own.npz"}, "partition": "iid", "fleet": one}
    (tmp_path / "few.yaml").write_text(yaml.safe_dump(document))
    done = command("validate", "--data", "few.yaml", cwd=tmp_path)
    assert [line for line in done.stdout.splitlines() if line.startswith("  data: ")] == [
        f"  data: {note}" for note in found.notes
    ]
    silent = command("validate", "few.yaml", cwd=tmp_path)
    assert "data: " not in silent.stdout


def test_what_is_found_is_what_a_run_finds(make_scenario: Make, archive: str, tmp_path: Path) -> None:
    scenario = make_scenario(dataset={"name": "npz", "root": archive}, partition="iid")
    assert not inspect(scenario).faults
    run = edgesim.run(scenario, tmp_path / "run", executor=SerialExecutor())
    assert (run.records["status"] == "ok").all()


def test_the_command(tmp_path: Path, archive: str) -> None:
    good = {**DOCUMENT, "dataset": {"name": "npz", "root": "own.npz"}, "partition": "iid"}
    bad = {**good, "dataset": {"name": "npz", "root": "none.npz"}, "name": "bad"}
    wide = {**good, "partition": {"name": "pathological", "classes_per_device": 9}}
    for name, document in (("good", good), ("bad", bad), ("wide", wide)):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(document))
    assert command("validate", "good.yaml", "bad.yaml", "wide.yaml", cwd=tmp_path).returncode == 0
    done = command("validate", "--data", "good.yaml", "bad.yaml", "wide.yaml", cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "good.yaml: ok (3 devices" in done.stdout
    assert "  npz: 30 training and 9 test samples, 3 classes, images of 4x4x1" in done.stdout
    assert "bad.yaml: ok" not in done.stdout
    for words in ("bad.yaml: 1 fault", "none.npz", "wide.yaml: 1 fault", "  partition: seed 0: "):
        assert words in done.stderr
    several = command("validate", "--data", "good.yaml", "--set", "seeds=[0, 1]", cwd=tmp_path)
    assert several.stdout.count("  seed ") == 2
