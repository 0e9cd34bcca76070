"""Partitions by a column of the data and from a file, what plans and pages say of shards, and own test samples."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import Stopping

import edgesim
from edgesim import api
from edgesim.analysis.classes import class_skew, data_of_devices
from edgesim.data.columns import Column
from edgesim.data.dataset import Dataset
from edgesim.data.dataset_arguments import DatasetSource
from edgesim.data.partition_schemes import ByColumn, FromFile, Pathological
from edgesim.data.sample_limits import groups_of, limited, limited_rows
from edgesim.data.shard_statistics import feature_shift, label_skew, summarised
from edgesim.data.shards import Shards
from edgesim.errors import DataError, RunError, ScenarioError
from edgesim.planning.run_plan import plan_run
from edgesim.report import run_tables
from edgesim.report.fleet_sections import data_in_words, devices_section, fleet_section
from edgesim.report.sections import PageStyle
from edgesim.results.run_folder import Run
from edgesim.runtime import SerialExecutor
from edgesim.scenario.experiment import shards_of
from edgesim.scenario.loading import Scenario
from edgesim.sessions.preflight import inspect

Make = Callable[..., Scenario]
HERE = Path()
USERS = np.repeat(["dee", "ann", "cy", "bob"], [20, 60, 30, 40])
TESTS = np.repeat(["zoe", "ann", "cy"], [5, 10, 5])


def watch(with_tests: bool = True, task: str = "classification") -> Dataset:
    """150 small pictures of four people, whose brightness differs, and 20 test pictures of two of them and another."""
    rng = np.random.default_rng(0)
    labels = np.arange(150) % 3
    bright = np.repeat([100, 60, 140, 120], [20, 60, 30, 40])
    pictures = rng.integers(0, 40, size=(150, 8, 8, 1)) + bright[:, None, None, None] + 20 * labels[:, None, None, None]
    pictures = pictures.astype(np.uint8)
    targets = labels[:, None].astype(np.float32) if task == "regression" else None
    return Dataset(
        "watch",
        pictures,
        labels,
        pictures[:20],
        labels[:20],
        ("a", "b", "c"),
        train_columns={"subject": USERS, "session": np.arange(150) // 75},
        test_columns={"subject": TESTS} if with_tests else {},
        task=task,
        train_targets=targets,
        test_targets=None if targets is None else targets[:20],
    )


@dataclass(frozen=True)
class Watch(DatasetSource):
    """The data set `watch` as a user's own class."""

    def load(self, base: Path | None) -> Dataset:
        return watch()


@dataclass(frozen=True)
class Blocks:
    """A user's own scheme that takes the data set: blocks of its samples, and faults to order."""

    fault: str = ""

    def split_dataset(self, dataset: Dataset, n_devices: int, seed: int, folder: Path) -> Shards:
        rows = tuple(np.array_split(np.arange(len(dataset.train_labels)), n_devices))
        return {
            "": Shards(rows), "type": rows, "count": Shards(rows[1:]), "twice": Shards((rows[0], *rows[:-1])),
            "users": Shards(rows, Column.of(["ann"])), "lists": Shards(rows, own_tests=(None,)),
            "tests": Shards(rows, own_tests=(np.array([20]), *[None] * (n_devices - 1))),
        }[self.fault]  # fmt: skip


@pytest.fixture
def by_subject(make_scenario: Make) -> Make:
    """Scenarios on `watch` with four Raspberry Pis, one person each."""

    def make(**overrides: object) -> Scenario:
        return make_scenario(**{
            "dataset": f"{__name__}:Watch", "partition": {"name": "by-column", "column": "subject"},
            "fleet__groups": [{"profile": "raspberry-pi-4b", "count": 4}], "seeds": [0, 1], "training__epochs": 1,
            "pruning__methods": ["full", "random"], "pruning__keep_ratio": [0.5], **overrides,
        })  # fmt: skip

    return make


def users_of(shards: Shards) -> list[tuple[str, ...]]:
    return [shards.users_of(device) for device in range(len(shards.rows))]


# --- by-column -------------------------------------------------------------------------------------


def test_a_device_has_one_user_in_the_order_of_names_and_their_test_samples() -> None:
    shards = ByColumn(column="subject").split_dataset(watch(), 4, 7, HERE)
    assert users_of(shards) == [("ann",), ("bob",), ("cy",), ("dee",)]
    bounds = [(20, 80), (110, 150), (80, 110), (0, 20)]
    assert [rows.tolist() for rows in shards.rows] == [list(range(*ends)) for ends in bounds]
    own = [shards.own_tests_of(device) for device in range(4)]
    assert [None if rows is None else rows.tolist() for rows in own] == [
        list(range(5, 15)), None, list(range(15, 20)), None,
    ]  # fmt: skip
    assert shards.notes == (
        "column 'subject': 1 value has no training samples and so no device: zoe",
        "2 of 4 devices have no test samples of their own users",
    )
    alone = ByColumn(column="subject").split_dataset(watch(with_tests=False), 4, 7, HERE)
    assert alone.own_tests_of(0) is None
    assert alone.notes == ()


def test_more_users_than_devices_are_dealt_whole() -> None:
    """Of 60, 40, 30 and 20 samples two devices get 60 + 20 and 40 + 30; at random two users each."""
    seen = set()
    for seed in range(12):
        shards = ByColumn(column="subject").split_dataset(watch(), 2, seed, HERE)
        assert sorted(users_of(shards)) == [("ann", "dee"), ("bob", "cy")]
        again = ByColumn(column="subject").split_dataset(watch(), 2, seed, HERE)
        assert all(map(np.array_equal, shards.rows, again.rows))
        dealt = ByColumn(column="subject", deal="random").split_dataset(watch(), 2, seed, HERE)
        assert [len(users) for users in users_of(dealt)] == [2, 2]
        assert np.sort(np.concatenate(dealt.rows)).tolist() == list(range(150))
        seen.add(users_of(dealt)[0])
        for device, rows in enumerate(dealt.rows):
            assert set(USERS[rows]) == set(users_of(dealt)[device])
    assert len(seen) > 2


def test_more_devices_than_users() -> None:
    """Each further device goes to the user with most samples per device: 60, 40, then 60/2."""
    with pytest.raises(DataError, match=r"7 devices for 4 users.*at most 4 devices, or split_users: true.*zoe"):
        ByColumn(column="subject").split_dataset(watch(), 7, 0, HERE)
    shards = ByColumn(column="subject", split_users=True).split_dataset(watch(), 7, 0, HERE)
    assert users_of(shards) == [("ann",)] * 3 + [("bob",)] * 2 + [("cy",), ("dee",)]
    assert np.sort(np.concatenate(shards.rows)).tolist() == list(range(150))
    assert shards.own_tests_of(0) is not None
    assert np.array_equal(shards.own_tests_of(0), shards.own_tests_of(1))


def test_a_column_that_is_not_there() -> None:
    with pytest.raises(DataError, match=r"watch has no column 'subjects'; its columns: 'subject', 'session' \(did you"):
        ByColumn(column="subjects").split_dataset(watch(), 4, 0, HERE)
    plain = pictured(watch().train_samples)
    with pytest.raises(DataError, match="d has no column 'subject', and no other column either"):
        ByColumn(column="subject").split_dataset(plain, 4, 0, HERE)


# --- from-file -------------------------------------------------------------------------------------

FORMS = {
    "numbers.json": '{"1": [5, 4], "0": [1, 149]}',  # keys in another order than devices
    "lists.json": "[[1, 149], [4, 5]]",
    "fedml.txt": "{\n0: [\n1, 149,\n],\n1: [5, 4],\n}\n",
    "named.txt": "{'ann': [1, 149], 'bob': [4, 5]}",
    "leaf.json": '{"users": ["ann", "bob"], "user_data": {"bob": [5, 4], "ann": [149, 1]}}',
}


def test_a_limit_takes_rows_evenly_over_the_users() -> None:
    # Class 0: 6 rows of ann, 2 of bob; class 1: 4 of bob, 4 of cy. In file order bob and cy would be lost.
    labels = np.array([0] * 8 + [1] * 8)
    users = {"who": Column.of(["ann"] * 6 + ["bob"] * 2 + ["bob"] * 4 + ["cy"] * 4)}
    chosen = limited_rows(labels, 8, users)
    assert chosen is not None
    # Class 0 keeps 4: first one of each; then ann (1/6 taken) until her share is that of bob (1/2).
    assert chosen.tolist() == [0, 1, 2, 6, 8, 9, 12, 13]
    # One of each class: bob is not taken again, since cy has given less.
    two = limited_rows(labels, 2, {"who": Column.of(["bob"] * 12 + ["cy"] * 4)})
    in_file_order = limited_rows(labels, 8, {})
    assert two is not None
    assert in_file_order is not None
    assert two.tolist() == [0, 12]
    assert in_file_order.tolist() == [0, 1, 2, 3, 8, 9, 10, 11]
    assert limited_rows(labels, 16, users) is None


def test_groups_of_several_columns_are_combined_while_there_are_enough_samples() -> None:
    site, time = Column.of([0, 0, 1, 1] * 3), Column.of(np.arange(12))
    user = Column.of([0, 1, 2, 2] * 3)
    columns = {"time": time, "user": user, "site": site, "same": Column.of([7] * 12)}
    assert groups_of(columns, 12, 6).tolist() == [0, 1, 2, 2] * 3  # by site and user; times are left out
    # Subjects count, however many there are.
    assert groups_of({"site": site, "subject": user}, 12, 2).tolist() == [0, 1, 2, 2] * 3
    assert groups_of({"time": time}, 12, 6).tolist() == list(range(12))
    assert groups_of({}, 3, 6).tolist() == [0, 0, 0]


def test_a_limit_leaves_every_user_a_device() -> None:
    data = limited(watch(), 12, 6)
    shards = ByColumn(column="subject").split_dataset(data, 4, 0, HERE)
    assert [len(rows) for rows in shards.rows] == [4, 3, 3, 2]  # of ann, bob, cy and dee: 60, 40, 30, 20
    assert not any("without a sample" in note.text for note in data.notes)
    (note,) = [note.text for note in limited(watch(), 3, None).notes]
    assert note == "limit_train = 3 leaves 1 value of 'subject' without a sample: dee"


@pytest.mark.parametrize("name", FORMS)
def test_forms_of_index_lists(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(FORMS[name])
    shards = FromFile(file=name).split_dataset(watch(), 2, 0, tmp_path)
    assert [rows.tolist() for rows in shards.rows] == [[1, 149], [4, 5]]
    named = name in ("named.txt", "leaf.json")
    assert users_of(shards) == ([("ann",), ("bob",)] if named else [(), ()])
    assert shards.notes == (f"{name}: 146 training samples of 150 on no device",)


def test_arrays_and_counts_per_device(tmp_path: Path) -> None:
    np.savez(tmp_path / "twelve.npz", *[np.array([i, 100 + i]) for i in range(12)])  # arr_10 after arr_9
    shards = FromFile(file="twelve.npz").split_dataset(watch(), 12, 0, tmp_path)
    assert [rows.tolist() for rows in shards.rows] == [[i, 100 + i] for i in range(12)]
    (tmp_path / "counts.json").write_text('{"users": ["x", "y"], "num_samples": [50, 100]}')
    shards = FromFile(file="counts.json").split_dataset(watch(), 2, 0, tmp_path)
    assert [(rows[0], rows[-1], len(rows)) for rows in shards.rows] == [(0, 49, 50), (50, 149, 100)]


PICKLE = b"\x80\x04\x95\x00"
BAD = {
    "count": ("[[1], [2], [3]]", "index lists of 3 devices, the fleet has 2; give the fleet 3 devices"),
    "outside": ("[[1], [150]]", r"device 1: index 150 is outside the 150 training samples; .* 0 to 149.*limit_train"),
    "negative": ("[[1], [-1]]", "device 1, entry 0: is a number .-1.; allowed: whole numbers from 0 on; count samples"),
    "fraction": ("[[1], [2, 2.0]]", r"device 1, entry 1: is a number \(2.0\).*int\(i\)"),
    "mask": ("[[1], [true]]", "device 1, entry 0: is true/false"),
    "huge": (f"[[1], [{9**60}]]", "device 1, entry 0"),
    "endless": (f"[[1], [{'9' * 5000}]]", "is neither JSON nor a dict of lists"),
    "twice": ("[[1], [2, 2]]", "device 1: index 2 stands there twice"),
    "shared": ('{"ann": [1, 2], "bob": [3, 2]}', r"device 1 \('bob'\): index 2 belongs to device 0 \('ann'\), too"),
    "empty": ("[[1], []]", "device 1: has no index; give it samples, or remove it"),
    "gap": ('{"0": [1], "2": [2]}', "has 2 lists, but none for device 1; number them from 0 on"),
    "repeated": ('{"0": [1], "0": [2]}', "key '0' stands there twice"),
    "nested": ('{"train": {"0": [1]}, "test": {}}', r"device 0 \('train'\): is a map; allowed: a list of indices"),
    "samples": ('{"users": ["x"], "user_data": {"x": {"y": [1]}}}', "user_data holds samples, not indices; keep users"),
    "sum": ('{"users": ["x", "y"], "num_samples": [50, 99]}', "sum to 149, the training split has 150"),
    "astronomic": ('{"users": ["x", "y"], "num_samples": [50, 1000000000000000]}', "the training split has 150"),
    "pickle": (PICKLE, r"is a pickle, which can run code; save it as JSON where it was made: json.dump\("),
    "arrays": ("{0: array([1, 2]), 1: array([3, ..., 9])}", "holds NumPy arrays as they print"),
    "words": ("hello", "is neither JSON nor a dict of lists .*; use {"),
    "bytes": (b"\xff\xfe\x01", "is no text in UTF-8"),
    "deep": ("[" * 100_000, "is neither JSON"),
    "nothing": ("{}", "holds a map; allowed"),
    "surrogate": ('{"\\ud800": [1], "b": [1]}', "index 1 belongs to device 0"),
    "single": (b"\x93NUMPY\x01", r"is a single array; save one per device: np.savez"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_index_lists_are_named(name: str, tmp_path: Path) -> None:
    content, message = BAD[name]
    (tmp_path / "map").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=message) as caught:
        FromFile(file="map").split_dataset(watch(), 2, 0, tmp_path)
    assert str(tmp_path / "map") in str(caught.value)


def test_bad_arrays_and_files_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(message: str, *arrays: object) -> None:
        if arrays:
            np.savez(tmp_path / "map.npz", *arrays)
        with pytest.raises(DataError, match=message):
            FromFile(file="map.npz").split_dataset(watch(), 2, 0, tmp_path)

    refused(r"map.npz' does not exist \(looked for .*map.npz, .*\); name the file")
    refused(r"device 0 \(array 'arr_0'\): float64 of shape \[1\]; allowed: whole numbers of shape \[n\]", [1.5], [2])
    refused(r"device 1 \(array 'arr_1'\): int64 of shape \[1, 1\]", [1], [[2]])
    refused("array 'arr_0' holds Python objects, which could run code", np.array([1, None]), [2])
    refused(r"device 0: index 200 is outside", [200], [2])
    (tmp_path / "map.npz").write_bytes((tmp_path / "map.npz").read_bytes()[:150])
    refused("is truncated or no .npz file")
    monkeypatch.setattr("edgesim.data.index_lists.SPARE_BYTES", 1000)
    refused("holds 8.{1,4} KB, more than index lists of 150 training samples can", np.zeros(1000, dtype=int), [2])
    monkeypatch.setattr("edgesim.data.index_lists.MAX_TEXT_BYTES", 10)
    (tmp_path / "map.npz").write_text("[[1], [2]]      ")
    refused("has more than 10 B; save it as npz")
    (tmp_path / "map.npz").unlink()
    (tmp_path / "map.npz").mkdir()
    refused("is no regular file")


# --- sizes, skew and shift -------------------------------------------------------------------------


def test_label_skew_is_the_total_variation_distance_of_the_page() -> None:
    labels, parts = np.array([0, 0, 0, 1]), [np.array([0, 1]), np.array([2, 3])]
    # Together 3/4 and 1/4; the devices have 1 and 0, 1/2 and 1/2: half of 1/4 + 1/4 each.
    assert label_skew(labels, parts, 2).tolist() == [0.25, 0.25]
    shards = pd.DataFrame({"seed": 0, "device": [0, 0, 1, 1], "index": [0, 1, 2, 3], "label": labels})
    assert class_skew(shards).table["skew"].tolist() == [0.25, 0.25]


def pictured(samples: np.ndarray) -> Dataset:
    labels = np.zeros(len(samples), dtype=np.int64)
    return Dataset("d", samples, labels, samples, labels, ("a",))


def test_feature_shift_by_hand() -> None:
    """Values 0 and 2 on two devices: mean 1, deviation 1, so both are one deviation away."""
    parts = [np.array([0, 1]), np.array([2, 3])]
    rows = np.array([0.0, 0.0, 2.0, 2.0])
    window = np.zeros((4, 3, 5), dtype=np.float32)
    window[:, 0] = rows[:, None]  # the second channel differs within samples, not between devices
    window[:, 1] = np.arange(5)
    window[:, 2] = 1e4 + 0.1  # the third never changes and is left out
    (found,) = feature_shift(pictured(window), [parts])
    np.testing.assert_allclose(found, [0.5, 0.5])
    vector = np.stack([rows + 1e6, np.array([0, 2, 0, 2])], axis=1).astype(np.float32)
    np.testing.assert_allclose(feature_shift(pictured(vector), [parts])[0], [0.5, 0.5])
    image = np.zeros((4, 2, 2, 3), dtype=np.uint8)
    image[..., 1] = rows[:, None, None]
    image[:, 0, :, 2] = 7
    np.testing.assert_allclose(feature_shift(pictured(image), [parts])[0], [0.5, 0.5])
    # Of another split in the same pass: one of each on both devices; a fourth sample belongs to nobody.
    both = feature_shift(pictured(vector[:, :1]), [parts, [np.array([0, 2]), np.array([1])]])
    np.testing.assert_allclose(both[0], [1, 1])
    # 0 and 2, and 0: mean 2/3, deviation sqrt(8)/3.
    np.testing.assert_allclose(both[1], [(1 / 3) / (8**0.5 / 3), (2 / 3) / (8**0.5 / 3)])
    tokens = np.array([[1], [2], [1], [2]], dtype=np.int32)
    assert np.isnan(feature_shift(pictured(tokens), [parts])[0]).all()


def test_feature_shift_of_large_data_reads_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = np.repeat(np.array([[0.0], [2.0]], dtype=np.float32), 500, axis=0)
    parts = [np.arange(500), np.arange(500, 1000)]
    monkeypatch.setattr("edgesim.data.shard_statistics.MOST_BYTES", 800)  # 200 of 1,000 samples
    (found,) = feature_shift(pictured(samples), [parts])
    assert found.tolist() != [1.0, 1.0]
    np.testing.assert_allclose(found, [1, 1], atol=0.2)


def test_shards_in_words() -> None:
    shards = ByColumn(column="subject").split_dataset(watch(), 4, 0, HERE)
    summary = summarised(watch(), [shards.rows])
    assert (summary.shards, summary.least, summary.median, summary.most) == (4, 20, 35, 60)
    assert summary.feature_shift > 0.5
    assert summary.in_words().startswith("4 shards of 20 to 60 samples (median 35), label skew 0.0")


# --- scenarios, plans and runs ---------------------------------------------------------------------


def test_a_run_by_column_is_as_planned_and_resumes(by_subject: Make, tmp_path: Path) -> None:
    scenario = by_subject()
    run = api.run(scenario, tmp_path / "run", executor=SerialExecutor())
    planned = edgesim.plan(scenario)
    both = run.records.merge(planned, on=["seed", "device", "method", "keep_ratio"], suffixes=("", "_planned"))
    assert len(both) == len(run.records) == len(planned) == 16
    for name in ("shard_size", "subset_size", "device_time_s", "device_energy_j"):
        assert (both[name] == both[f"{name}_planned"]).all()
    with pytest.raises(KeyboardInterrupt):
        api.run(scenario, tmp_path / "again", executor=Stopping(3))
    resumed = api.run(scenario, tmp_path / "again", executor=SerialExecutor(), resume=True)
    names = [name for name in run.records if not name.startswith("host_")]
    pd.testing.assert_frame_equal(run.records[names], resumed.records[names])

    # Own test samples: of ann and cy; the accuracy is that of these rows of the test split.
    own = run.records.groupby("device")["own_accuracy"]
    assert own.count().tolist() == [4, 0, 4, 0]
    assert set(run.records["own_accuracy"].dropna()) <= {n / 10 for n in range(11)}
    assert run.devices["users"].tolist() == ["ann", "bob", "cy", "dee"]
    assert (run.shards["user"].astype(str) == USERS[run.shards["index"]]).all()
    assert run.info["data_notes"] == list(plan_run(scenario).partition_notes)
    data = data_of_devices(run.shards, run.devices).table
    assert data["samples"].tolist() == [60, 40, 30, 20]
    assert data["feature_shift"].notna().all()
    words = data_in_words(data)
    assert words.startswith("The devices hold 20 to 60 training samples (median 35). Their mean label skew is 0.0")
    unknown = data_of_devices(run.shards, run.devices.drop(columns=["users", "feature_shift"])).table
    assert unknown["users"].tolist() == [""] * 4
    assert data_in_words(unknown).endswith("Their mean label skew is 0.012 (0: no difference between devices).")
    source = run_tables.read(run)
    style = PageStyle.of(source.records)
    assert words in fleet_section(source, style).intro
    tables = {table.key: table.data for table in devices_section(source, style).tables}
    assert tables["device-data"]["users"].tolist() == ["ann", "bob", "cy", "dee"]
    columns = list(tables["devices"])
    assert columns.index("own_accuracy") == columns.index("local_accuracy") + 1


def test_own_tests_are_the_rows_that_are_evaluated(by_subject: Make) -> None:
    """Scores of a network that is right for some rows of the test split, on the rows of the device's users."""
    from edgesim.training.classification import scores_of

    plan = plan_run(by_subject())
    correct = np.zeros(20)
    correct[[0, 5, 6, 7, 15]] = 1
    labels = watch().test_labels
    found = [scores_of(np.ones(20), correct, labels, 3, plan.devices[0, device].own_tests) for device in range(4)]
    assert [scores.own for scores in found] == [{"accuracy": 0.3}, {}, {"accuracy": 0.2}, {}]


def test_a_plan_of_another_fleet_splits_the_data_for_it(by_subject: Make) -> None:
    two = edgesim.plan(by_subject(), devices=2)
    assert sorted(set(two["shard_size"])) == [70, 80]
    with pytest.raises(ScenarioError, match="5 devices for 4 users"):
        edgesim.plan(by_subject(), devices=5)
    split = by_subject(partition={"name": "by-column", "column": "subject", "split_users": True})
    assert edgesim.plan(split, devices=8).groupby("device")["shard_size"].first().sum() == 150


def test_a_preflight_check_names_sizes_skew_and_shift(by_subject: Make) -> None:
    found = inspect(by_subject())
    assert not found.faults
    assert found.facts[1].startswith("seed 0: 4 shards of 20 to 60 samples (median 35), label skew 0.0")
    assert ", feature shift " in found.facts[1]
    assert found.notes[0].endswith("no training samples and so no device: zoe")
    wrong = inspect(by_subject(partition={"name": "by-column", "column": "person"}))
    assert [fault.path for fault in wrong.faults] == ["partition"]


def test_a_file_of_lists_that_changed_is_refused_on_resume(by_subject: Make, tmp_path: Path) -> None:
    file = tmp_path / "map.json"
    file.write_text(json.dumps([list(range(i, 150, 4)) for i in range(4)]))
    scenario = by_subject(partition={"name": "from-file", "file": "map.json"}, seeds=0)
    with pytest.raises(KeyboardInterrupt):
        api.run(scenario, tmp_path / "run", executor=Stopping(1))
    assert "users" not in Run(tmp_path / "run").devices
    file.write_text(json.dumps([list(range(i, 149, 4)) for i in range(4)]))
    with pytest.raises(RunError, match=r"partition_file\.map\.json: was"):
        api.run(scenario, tmp_path / "run", executor=SerialExecutor(), resume=True)


FAULTS = {
    "type": "split_dataset gave tuple; give edgesim.data.shards.Shards",
    "count": "gave 3 shards for 4 devices",
    "twice": "38 samples are given to more than one device",
    "users": "users are of 1 sample, the training split has 150",
    "lists": "own_tests has 1 list for 4 devices",
    "tests": "own_tests of device 0 has an index outside the 20 test samples",
}


def test_an_own_scheme_may_take_the_data_set(by_subject: Make) -> None:
    scenario = by_subject(partition=f"{__name__}:Blocks")
    assert [len(rows) for rows in shards_of(scenario, watch(), 0).rows] == [38, 38, 37, 37]
    for fault, message in FAULTS.items():
        scenario = by_subject(partition={"name": f"{__name__}:Blocks", "fault": fault})
        with pytest.raises(ScenarioError, match=message):
            shards_of(scenario, watch(), 0)


def test_messages_say_what_a_class_is_in_other_tasks(by_subject: Make) -> None:
    scenario = by_subject(partition={"name": "pathological", "classes_per_device": 7})
    with pytest.raises(ScenarioError) as plain:
        shards_of(scenario, watch(), 0)
    assert "ranges" not in str(plain.value)
    with pytest.raises(ScenarioError, match="a class is one of the ranges that the target is cut into"):
        shards_of(scenario, watch(task="regression"), 0)
    assert isinstance(scenario.partition.plugin, Pathological)
