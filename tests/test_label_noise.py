"""Wrong training labels on purpose: `dataset.label_noise`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgesim
from edgesim.data.dataset import Dataset
from edgesim.data.datasets import DATASETS
from edgesim.data.label_noise import with_wrong_labels, wrong_labels
from edgesim.errors import DataError, RunError, ScenarioError
from edgesim.report import run_facts
from edgesim.runtime import SerialExecutor
from edgesim.scenario.loading import Scenario

Make = Callable[..., Scenario]


@pytest.mark.parametrize(
    ("n", "share", "count"), [(1000, 0.1, 100), (7, 0.5, 4), (1, 0.4, 0), (3, 0.99, 3), (10, 0, 0)]
)
def test_the_share_is_met_by_other_classes(n: int, share: float, count: int) -> None:
    labels = np.arange(n) % 5
    found = wrong_labels(labels, 5, share)
    assert (found != labels).sum() == count
    assert found.min() >= 0
    assert found.max() < 5
    np.testing.assert_array_equal(labels, np.arange(n) % 5)  # another array
    np.testing.assert_array_equal(found, wrong_labels(labels, 5, share))


def test_the_wrong_classes_are_uniform_and_nested() -> None:
    labels = np.repeat(np.arange(4), 10_000)
    few, many = wrong_labels(labels, 4, 0.3), wrong_labels(labels, 4, 0.6)
    wrong = few != labels
    np.testing.assert_array_equal(few[wrong], many[wrong])
    table = np.zeros((4, 4))
    np.add.at(table, (labels[wrong], few[wrong]), 1)
    assert (np.diag(table) == 0).all()
    off = table[~np.eye(4, dtype=bool)]
    assert ((off - 1000) ** 2 / 1000).sum() < 28.3  # 99.5 % of chi-square with 11 degrees of freedom


def test_only_training_labels_change_and_after_the_limit() -> None:
    clean, noisy = (DATASETS["digits"](limit_train=300, label_noise=share).load(None) for share in (0.0, 0.2))
    np.testing.assert_array_equal(clean.train_samples, noisy.train_samples)
    np.testing.assert_array_equal(clean.test_labels, noisy.test_labels)
    np.testing.assert_array_equal(clean.test_samples, noisy.test_samples)
    assert (clean.train_labels != noisy.train_labels).sum() == 60
    assert not noisy.train_labels.flags.writeable


def test_one_class_has_no_other() -> None:
    images = np.zeros((2, 4, 4, 1), dtype=np.uint8)
    only = Dataset("one", images, np.zeros(2, dtype=int), images, np.zeros(2, dtype=int), ("cat",))
    assert with_wrong_labels(only, 0.0) is only
    with pytest.raises(
        DataError, match=r"label_noise is 0\.1, but there is only the class 'cat'; leave label_noise out"
    ):
        with_wrong_labels(only, 0.1)


@pytest.mark.parametrize("share", [-0.1, 1, 1.5, "much", None, True])
def test_shares_out_of_range_are_faults(make_scenario: Make, share: Any) -> None:
    with pytest.raises(ScenarioError, match=r"dataset\.label_noise"):
        make_scenario(dataset={"name": "digits", "label_noise": share})


def test_a_run_keeps_what_was_done_to_its_labels(make_scenario: Make, tmp_path: Path) -> None:
    given = {"pruning__methods": ["random"], "pruning__keep_ratio": 0.2, "seeds": [0, 1], "training__epochs": 1}
    noisy = make_scenario(dataset={"name": "digits", "label_noise": 0.1}, **given)
    run = edgesim.run(noisy, tmp_path / "run", executor=SerialExecutor())
    assert run.scenario["dataset"]["label_noise"] == run.info["label_noise"] == 0.1
    assert ("Label noise", "10.0 % of the training labels are wrong on purpose") in run_facts.facts(
        run.info, run.records
    )
    clean = DATASETS["digits"]().load(None).train_labels
    for _, held in run.shards.groupby("seed"):  # the same labels in every seed
        assert (held.set_index("index")["label"].sort_index().to_numpy() != clean).sum() == 144
    with pytest.raises(RunError, match=r"dataset\.label_noise: was 0\.1, now 0\.0"):
        edgesim.run(make_scenario(**given), tmp_path / "run", resume=True, executor=SerialExecutor())
    plain = edgesim.run(make_scenario(**given), tmp_path / "plain", executor=SerialExecutor())
    assert "Label noise" not in dict(run_facts.facts(plain.info, plain.records))
