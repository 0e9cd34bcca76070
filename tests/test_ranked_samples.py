"""The samples that methods put first and last: by hand, from the device to the run folder, and after a resume."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import Stopping, blobs

import edgesim
from edgesim.data.dataset import Dataset
from edgesim.planning.run_plan import RunPlan, plan_run
from edgesim.ranked_samples import MAX_CLASSES, RankedSamples, ends_of_classes, pictures
from edgesim.records import MethodOutputs, Record, Trial, TrialResult
from edgesim.results import linked_runs
from edgesim.results.run_folder import Run
from edgesim.results.run_writer import RunFolder
from edgesim.results.serialization import from_line, results_of, tables, to_line
from edgesim.runtime import SerialExecutor
from edgesim.scenario.loading import Scenario

Make = Callable[..., Scenario]


def rows(ends: Any) -> list[tuple[int, int, bool, int, int]]:
    return list(zip(*(column.tolist() for column in ends), strict=True))


def test_ends_of_each_class() -> None:
    """Class 0 at 0, 2, 4, 6, 8 with scores 0.5, 0.9, 0.1, 0.9, 0.3; class 1 at 1, 3 with 0.2, 0.7."""
    scores = np.array([0.5, 0.2, 0.9, 0.7, 0.1, np.nan, 0.9, np.nan, 0.3])
    labels = np.array([0, 1, 0, 1, 0, 1, 0, 1, 0])
    assert rows(ends_of_classes(scores, labels, per_end=2)) == [
        (2, 0, True, 1, 2), (6, 0, True, 2, 2), (4, 0, False, 1, 1), (8, 0, False, 2, 1),
        (3, 1, True, 1, 1), (1, 1, False, 1, 1),
    ]  # fmt: skip


def test_a_small_class_has_every_sample_once() -> None:
    """Three samples: the middle one is nearer to neither end and goes with the first."""
    assert rows(ends_of_classes(np.array([3.0, 1.0, 2.0]), np.zeros(3, int), per_end=4)) == [
        (0, 0, True, 1, 1), (2, 0, True, 2, 1), (1, 0, False, 1, 1),
    ]  # fmt: skip
    assert rows(ends_of_classes(np.array([5.0]), np.array([7]))) == [(0, 7, True, 1, 1)]
    assert rows(ends_of_classes(np.zeros(0), np.zeros(0, int))) == []


def test_equal_scores_stand_as_a_selection_takes_them() -> None:
    found = ends_of_classes(np.ones(6), np.zeros(6, int), per_end=2)
    assert found.positions.tolist() == [0, 1, 5, 4]
    assert found.tied.tolist() == [6, 6, 6, 6]


def test_only_the_most_frequent_classes() -> None:
    """Sizes 1, 3, 2, 2 of classes 0 to 3: two classes are 1 and, of the two of size 2, the lower one."""
    labels = np.array([0, 1, 1, 1, 2, 2, 3, 3])
    found = ends_of_classes(np.arange(8.0), labels, per_end=1, max_classes=2)
    assert found.labels.tolist() == [1, 1, 2, 2]
    assert found.positions.tolist() == [3, 1, 5, 4]


def test_small_pictures_stay_as_they_are() -> None:
    images = np.arange(2 * 4 * 5 * 3, dtype=np.uint8).reshape(2, 4, 5, 3)
    np.testing.assert_array_equal(pictures(images), images)


def test_large_pictures_shrink_by_the_mean_of_their_pixels() -> None:
    """8 x 16 to 4 x 8: each pixel is the mean of four. The first four are 0, 10, 40 and 50: 25."""
    image = np.zeros((8, 16, 1), dtype=np.uint8)
    image[:2, :2, 0] = [[0, 10], [40, 50]]
    image[6:, 14:, 0] = 200
    small = pictures(np.stack([image, 255 - image]), max_side=8)
    assert small.shape == (2, 4, 8, 1)
    assert (small[0, 0, 0, 0], small[0, 3, 7, 0], small[0, 1, 1, 0]) == (25, 200, 0)
    assert (small[1, 0, 0, 0], small[1, 3, 7, 0]) == (230, 55)
    colour = pictures(np.repeat(image[None], 3, axis=-1), max_side=8)
    np.testing.assert_array_equal(colour[0, :, :, 2], small[0, :, :, 0])


def test_channels_that_are_no_colours_become_grey() -> None:
    images = np.zeros((1, 4, 4, 4), dtype=np.uint8)
    images[0, 0, 0] = [10, 20, 30, 41]
    found = pictures(images)
    assert found.shape == (1, 4, 4, 1)
    assert found[0, 0, 0, 0] == 25  # the mean, 25.25


def test_rows_of_numbers_are_no_pictures() -> None:
    assert pictures(np.ones((3, 1, 30, 1), dtype=np.uint8)).shape == (3, 0, 0, 1)


def extremes() -> RankedSamples:
    images = np.arange(2 * 2 * 3 * 3, dtype=np.uint8).reshape(2, 2, 3, 3)
    ones, scores = np.array([1, 1]), np.array([1 / 3, 0])
    return RankedSamples(np.array([4, 4]), np.array([True, False]), ones, ones, np.array([7, 9]), scores, images)


def test_extremes_survive_the_tables_and_the_journal() -> None:
    record = Record("s", 0, 1, "p", "m", 0.5, "ok", test_accuracy=0.5)
    given = TrialResult(record, outputs=MethodOutputs(ranked=extremes()))
    table = tables([given])["extremes"]
    assert table.drop(columns="image").values.tolist() == [
        [0, 1, "m", 0.5, 4, "most", 1, 7, 1 / 3, 1, 2, 3, 3],
        [0, 1, "m", 0.5, 4, "least", 1, 9, 0.0, 1, 2, 3, 3],
    ]
    assert table["image"].tolist() == [bytes(range(18)), bytes(range(18, 36))]
    for (back,) in ([from_line(to_line(given))], results_of(tables([given]))):
        assert back.outputs.ranked is not None
        for name, values in vars(extremes()).items():
            np.testing.assert_array_equal(getattr(back.outputs.ranked, name), values, err_msg=name)


def test_scores_that_serve_every_ratio_are_written_once() -> None:
    """A device that is resumed after its first trial scores again, and sends the same scores with the next one."""
    held, scores = np.array([3, 5]), np.array([0.25, 0.5])
    sent = [
        TrialResult(
            Record("s", 0, 1, "p", method, ratio, "ok", test_accuracy=0.5), outputs=MethodOutputs(scores, held, for_all)
        )
        for method, for_all in (("el2n", True), ("ccs", False))
        for ratio in (0.2, 0.6)
    ]
    table = tables(sent)["scores"]
    assert table[["method", "index", "score"]].values.tolist() == [
        [method, *pair] for method in ("el2n", "ccs", "ccs") for pair in ([3, 0.25], [5, 0.5])
    ]
    assert table["keep_ratio"].isna().tolist() == [True] * 2 + [False] * 4


def planned(scenario: Scenario, dataset: Dataset, shards: dict[int, list[int]]) -> RunPlan:
    """A plan in which device d holds the samples shards[d] in every seed."""

    class Given:
        def split(self, labels: Any, devices: int, seed: int) -> list[np.ndarray]:
            return [np.array(shards[device]) for device in range(devices)]

    return plan_run(replace(scenario, partition=replace(scenario.partition, plugin=Given())), dataset)


def test_the_device_shown_holds_the_most_classes_and_a_usual_number_of_samples(make_scenario: Make) -> None:
    """blobs: sample i is of class i mod 3. Sizes 9, 3, 6: the median is 6. Device 1 holds one class only."""
    dataset = blobs(60, classes=3)
    scenario = make_scenario(seeds=[4, 2], pruning__keep_ratio=[0.3, 0.4, 0.6])
    plan = planned(scenario, dataset, {0: [*range(9)], 1: [30, 33, 36], 2: [*range(12, 18)]})
    # 0.4 and 0.6 are as near to one half: the smaller one. `random` and `full` rank nothing.
    assert plan.config.shown == {Trial(4, 2, "importance", 0.4)}
    assert plan.shown_device == {"seed": 4, "device": 2, "samples": 6, "classes": 3}
    wider = planned(scenario, dataset, {0: [*range(9)], 1: [30, 33, 36], 2: [12, 15, 18, 13, 16, 19]})
    assert {trial.device for trial in wider.config.shown} == {0}  # device 2 has two classes of three


def test_a_device_that_can_do_nothing_is_not_shown(make_scenario: Make) -> None:
    dry = {"source": "battery", "state_of_charge": 0.5, "capacity_j": 0.0001, "unsafe": True}
    groups = [
        {"profile": "raspberry-pi-4b", "count": 1, "energy": dry},
        {"profile": "raspberry-pi-4b", "count": 2},
    ]
    plan = planned(
        make_scenario(fleet={"groups": groups}), blobs(60), {0: [*range(9)], 1: [*range(9, 17)], 2: [*range(20, 40)]}
    )
    assert {trial.device for trial in plan.infeasible} == {0}
    assert {trial.device for trial in plan.config.shown} == {1}


def test_without_a_method_that_ranks_nothing_is_shown(make_scenario: Make) -> None:
    plan = plan_run(make_scenario(pruning__methods=["full", {"name": "random", "label": "dice"}]))
    assert plan.config.shown == frozenset()
    assert plan.shown_device is None


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Methods of all kinds: scores for every ratio, per ratio, none."""
    from conftest import DOCUMENT

    from edgesim.scenario import loading as scenarios

    folder = tmp_path_factory.mktemp("shown")
    methods = ["full", "random", "importance", "ccs", "infobatch"]
    overrides = {"pruning.methods": methods, "pruning.keep_ratio": [0.2, 0.6]}
    scenario = scenarios.from_document(DOCUMENT, "tiny.yaml", folder, overrides)
    return edgesim.run(scenario, folder / "run", executor=SerialExecutor())


def test_a_run_keeps_pictures_of_one_device_without_being_asked(run: Run) -> None:
    table = run.extremes
    shown = run.info["shown"]
    assert run.scores.empty
    assert set(table["method"]) == {"importance", "ccs"}  # of infobatch every sample is kept alike
    assert (table["keep_ratio"] == 0.6).all()
    assert set(zip(table["seed"], table["device"], strict=True)) == {(shown["seed"], shown["device"])}
    dataset = plan_run(edgesim.load_scenario(run.path / "scenario.yaml")).config.dataset
    held = run.shards[run.shards["device"] == shown["device"]]
    assert shown["samples"] == len(held)
    assert shown["classes"] == held["label"].nunique()
    for row in table.to_dict("records"):
        assert row["label"] == dataset.train_labels[row["index"]]
        assert row["index"] in set(held["index"])
        pixels = np.frombuffer(row["image"], np.uint8).reshape(row["height"], row["width"], row["channels"])
        np.testing.assert_array_equal(pixels, dataset.train_samples[row["index"]])
    largest = held["label"].value_counts().idxmax()
    counts = table[table["label"] == largest].groupby(["method", "end"]).size()
    assert (counts == 4).all()
    for _, part in table.groupby(["method", "label", "end"]):
        rising = part["end"].iloc[0] == "least"
        assert part["rank"].tolist() == [*range(1, len(part) + 1)]
        assert part["score"].tolist() == sorted(part["score"], reverse=not rising)


def test_pictures_are_those_of_the_scores(run: Run, tmp_path: Path) -> None:
    """The same run with every score kept: the ends of its table of scores are the pictures' samples."""
    scenario = edgesim.load_scenario(run.path / "scenario.yaml", {"pruning.keep_scores": True})
    kept = edgesim.run(scenario, tmp_path / "run", executor=SerialExecutor())
    pd.testing.assert_frame_equal(kept.extremes, run.extremes, check_exact=True)
    device = run.info["shown"]["device"]
    scores = kept.scores[(kept.scores["device"] == device) & (kept.scores["method"] == "importance")]
    labels = kept.shards[kept.shards["device"] == device].set_index("index")["label"]
    for label, part in run.extremes[run.extremes["method"] == "importance"].groupby("label"):
        own = scores[scores["index"].map(labels) == label].sort_values(["score", "index"], ascending=[False, True])
        most = part[part["end"] == "most"]
        assert most["index"].tolist() == own["index"].head(len(most)).tolist()
        assert most["score"].tolist() == own["score"].head(len(most)).tolist()
        least = part[part["end"] == "least"]
        assert least["index"].tolist() == own["index"].iloc[::-1].head(len(least)).tolist()


@pytest.mark.usefixtures("apart")
@pytest.mark.parametrize("after", [2, 6, 12])
def test_a_resumed_run_has_the_same_pictures_and_scores(run: Run, tmp_path: Path, after: int) -> None:
    scenario = edgesim.load_scenario(run.path / "scenario.yaml", {"pruning.keep_scores": True})
    whole = edgesim.run(scenario, tmp_path / "whole", executor=SerialExecutor())
    with pytest.raises(KeyboardInterrupt):
        edgesim.run(scenario, tmp_path / "run", executor=Stopping(after))
    stopped = Run(tmp_path / "run")
    assert stopped.info["shown"] == run.info["shown"]
    assert 0 < len(stopped.records) < len(whole.records)
    resumed = edgesim.run(scenario, tmp_path / "run", resume=True, executor=SerialExecutor())
    pd.testing.assert_frame_equal(resumed.extremes, run.extremes, check_exact=True)
    pd.testing.assert_frame_equal(resumed.scores, whole.scores, check_exact=True)


def test_a_run_that_ended_before_its_tables_keeps_what_its_plan_knew(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill between the last trial and the tables: the next session makes no plan any more."""
    scenario = edgesim.load_scenario(run.path / "scenario.yaml")

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(RunFolder, "finish", killed)
        with pytest.raises(KeyboardInterrupt):
            edgesim.run(scenario, tmp_path / "run", executor=SerialExecutor())
    monkeypatch.setattr(linked_runs, "planned", killed)
    resumed = edgesim.run(scenario, tmp_path / "run", resume=True)
    assert resumed.info["status"] == "finished"
    for name in ("shown", "workload", "started", "sessions"):
        assert resumed.info[name] == Run(tmp_path / "run").info[name]
    assert resumed.info["shown"] == run.info["shown"]
    assert resumed.info["workload"] == run.info["workload"]
    pd.testing.assert_frame_equal(resumed.extremes, run.extremes, check_exact=True)


def test_of_many_classes_the_most_frequent_are_kept(make_scenario: Make, tmp_path: Path) -> None:
    """25 classes of 8 x 8 images, class c of a device having more samples the larger c is."""
    labels = np.concatenate([np.full(2 + c, c) for c in range(25)])
    images = np.random.default_rng(0).integers(0, 255, size=(len(labels), 8, 8, 3), dtype=np.uint8)
    np.savez(tmp_path / "many.npz", x_train=images, y_train=labels, x_test=images[:40], y_test=labels[:40])
    scenario = make_scenario(
        dataset={"name": "npz", "root": str(tmp_path / "many.npz")},
        partition="iid",
        fleet={"groups": [{"profile": "raspberry-pi-4b", "count": 1}]},
    )
    run = edgesim.run(scenario, tmp_path / "run", executor=SerialExecutor())
    assert run.info["shown"]["classes"] == 25
    assert sorted(set(run.extremes["label"])) == [*range(25 - MAX_CLASSES, 25)]
    assert (run.extremes["channels"] == 3).all()


def test_numbers_in_rows_have_no_pictures(make_scenario: Make, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    values, labels = rng.integers(0, 255, size=(60, 1, 30), dtype=np.uint8), np.arange(60) % 3
    np.savez(tmp_path / "table.npz", x_train=values, y_train=labels, x_test=values[:30], y_test=labels[:30])
    scenario = make_scenario(dataset={"name": "npz", "root": str(tmp_path / "table.npz")}, partition="iid")
    run = edgesim.run(scenario, tmp_path / "run", executor=SerialExecutor())
    assert len(run.extremes) > 0
    assert (run.extremes["height"] == 0).all()
    assert set(run.extremes["image"]) == {b""}
