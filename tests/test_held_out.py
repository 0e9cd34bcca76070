"""A test split out of the training split: exact shares, its own seed, and what it excludes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from datafiles import image_folder, pixels, png, read, texts, write_npz, write_parquet

from edgesim import seeds
from edgesim.config.validation import build
from edgesim.data.datasets import DATASETS
from edgesim.data.held_out_split import HeldOut
from edgesim.errors import DataError

LABELS = np.array([0] * 10 + [1] * 5 + [2] * 4 + [3] * 2 + [4])


@pytest.fixture(autouse=True)
def _own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGESIM_CACHE", str(tmp_path / "cache"))


def npz(folder: Path, labels: np.ndarray = LABELS, **changed: object) -> Path:
    given = {"x_train": pixels(len(labels), 4, 4, 3), "y_train": labels, "x_test": None, "y_test": None} | changed
    return write_npz(folder / "d.npz", **given)


@pytest.mark.parametrize(
    ("share", "test"),
    [
        (0.2, [2, 1, 1, 1, 0]),  # 2, 1, 0.8, 0.4 (at least 1), and one sample stays in training
        (0.5, [5, 3, 2, 1, 0]),  # 2.5 is rounded up
        (0.95, [9, 4, 3, 1, 0]),  # 9.5, 4.75, 3.8, 1.9: at most all but one
        (1e-9, [1, 1, 1, 1, 0]),
    ],
)
def test_shares_of_each_class_by_hand(share, test):
    train_rows, test_rows = HeldOut(share, 0).rows(LABELS, "x")
    assert np.bincount(LABELS[test_rows], minlength=5).tolist() == test
    assert np.array_equal(np.sort(np.concatenate([train_rows, test_rows])), np.arange(len(LABELS)))
    assert (np.diff(train_rows) > 0).all()
    assert (np.diff(test_rows) > 0).all()


def test_which_samples_they_are_comes_from_the_named_stream_alone():
    _, rows = HeldOut(0.3, 7).rows(np.zeros(10, np.int64), "x")
    assert rows.tolist() == sorted(seeds.stream(7, "test-split").permutation(10)[:3].tolist())
    assert np.array_equal(rows, HeldOut(0.3, 7).rows(np.zeros(10, np.int64), "x")[1])
    drawn = {tuple(HeldOut(0.3, seed).rows(np.zeros(10, np.int64), "x")[1]) for seed in range(20)}
    assert len(drawn) > 10


def test_every_sample_is_drawn_about_equally_often():
    times = np.zeros(10)
    for seed in range(400):
        times[HeldOut(0.3, seed).rows(np.zeros(10, np.int64), "x")[1]] += 1
    # 120 expected of 400 with a deviation of 9.2; five deviations are passed once in 1.7 million
    assert (abs(times - 120) < 46).all()


def test_npz_with_a_share(tmp_path):
    data = read("npz", npz(tmp_path), test_share=0.2)
    assert (len(data.train_labels), len(data.test_labels)) == (17, 5)
    train_rows, test_rows = HeldOut(0.2, 0).rows(LABELS, "x")
    assert np.array_equal(data.train_samples, pixels(22, 4, 4, 3)[train_rows])
    assert np.array_equal(data.test_samples, pixels(22, 4, 4, 3)[test_rows])
    assert np.array_equal(data.test_labels, LABELS[test_rows])
    assert texts(data) == [
        "the test split is 5 samples of 22: 0.2 of each class, drawn with test_seed 0",
        "1 class has one sample, which stays in training",
        "1 class has no test sample: 4",
    ]


def test_the_share_and_its_seed_are_part_of_what_is_cached(tmp_path):
    path = npz(tmp_path)
    first = read("npz", path, test_share=0.2)
    for keys in ({"test_share": 0.2, "test_seed": 1}, {"test_share": 0.4}):
        other = read("npz", path, **keys)
        assert not np.array_equal(other.test_samples, first.test_samples)
    assert len(list((tmp_path / "cache/decoded").iterdir())) == 3
    again = read("npz", path, test_share=0.2)
    assert np.array_equal(again.test_samples, first.test_samples)
    assert texts(again) == texts(first)


def test_text_labels_ids_with_gaps_and_limits_go_with_a_share(tmp_path):
    words = np.array(["dog", "cat"] * 10)
    data = read("npz", npz(tmp_path, words), test_share=0.25, limit_train=8)
    assert data.class_names == ("cat", "dog")
    assert (np.bincount(data.train_labels).tolist(), np.bincount(data.test_labels).tolist()) == ([4, 4], [3, 3])
    data = read("npz", npz(tmp_path, np.array([3, 70] * 10)), test_share=0.25)
    assert (data.class_names, len(data.test_labels)) == (("3", "70"), 6)


def test_parquet_with_a_share(tmp_path):
    images = pixels(1100, 4, 4, 3)  # more than one batch of rows, over two files
    for shard, rows in enumerate((slice(0, 700), slice(700, 1100))):
        files = [png(image) for image in images[rows]]
        write_parquet(tmp_path / f"d/train-{shard}-of-2.parquet", files, list(np.arange(1100)[rows] % 4))
    data = read("parquet", tmp_path / "d", test_share=0.1, test_seed=3)
    train_rows, test_rows = HeldOut(0.1, 3).rows(np.arange(1100) % 4, "x")
    assert len(test_rows) == 4 * 28  # 27.5, rounded up
    assert np.array_equal(data.train_samples, images[train_rows])
    assert np.array_equal(data.test_samples, images[test_rows])
    assert np.array_equal(data.test_labels, test_rows % 4)


def test_image_folder_with_a_share(tmp_path):
    folder = image_folder(tmp_path / "d")
    (folder / "val").rename(tmp_path / "val")
    data = read("image-folder", folder, test_share=0.34)
    assert (data.train_labels.tolist(), data.test_labels.tolist()) == ([0, 0, 1, 1], [0, 1])
    every = np.concatenate([data.train_samples, data.test_samples])[:, 0, 0, 0]
    assert sorted(every.tolist()) == [0, 10, 20, 100, 110, 120]
    same = read("image-folder", folder / "train", test_share=0.34)
    assert np.array_equal(same.test_samples, data.test_samples)
    assert texts(same)[0] == "there is no train/: every folder is a class"


def test_a_test_split_and_a_share_are_a_fault(tmp_path):
    with pytest.raises(DataError, match=r"d\.npz: holds a test split \('x_test'\), and dataset\.test_share asks for"):
        read("npz", npz(tmp_path, x_test=pixels(1, 4, 4, 3)), test_share=0.2)
    folder = image_folder(tmp_path / "folder")
    with pytest.raises(DataError, match=r"folder/val: is a test split, and dataset\.test_share asks for another"):
        read("image-folder", folder, test_share=0.2)
    files = [png(image) for image in pixels(4, 4, 4, 3)]
    write_parquet(tmp_path / "p/train.parquet", files, [0, 1, 0, 1])
    write_parquet(tmp_path / "p/validation-0.parquet", files[:2], [0, 1])
    message = r"is a test split, and dataset\.test_share asks for another; give one of them only"
    with pytest.raises(DataError, match=r"validation-0\.parquet: " + message):
        read("parquet", tmp_path / "p", test_share=0.2)
    (tmp_path / "p/validation-0.parquet").unlink()
    with pytest.raises(DataError, match=r"dataset\.test: 'mine\.parquet': " + message):
        read("parquet", tmp_path / "p", test_share=0.2, test="mine.parquet")


def test_no_test_split_and_no_share_says_how_to_take_one(tmp_path):
    with pytest.raises(DataError, match=r"has no array 'x_test'.*take a share .* by dataset\.test_share: 0\.2"):
        read("npz", npz(tmp_path))


def test_classes_of_one_sample_each_leave_no_test_split(tmp_path):
    with pytest.raises(DataError, match=r"test_share = 0\.5 leaves no test sample, since every class has one sample"):
        read("npz", npz(tmp_path, np.arange(6)), test_share=0.5)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"test_share": 0}, "dataset.test_share"),
        ({"test_share": 1.0}, "dataset.test_share"),
        ({"test_share": -0.2}, "dataset.test_share"),
        ({"test_share": 20}, "dataset.test_share"),
        ({"test_share": "0.2"}, "dataset.test_share"),
        ({"test_share": 0.2, "test_seed": -1}, "dataset.test_seed"),
        ({"test_seed": 3}, "`test_seed` does nothing without `test_share`"),
    ],
)
def test_shares_out_of_range_are_faults(given, message):
    for name in ("npz", "parquet", "image-folder"):
        faults: list = []
        assert build(DATASETS[name], {"root": "x", **given}, "dataset", faults) is None
        assert message in str(faults[0])
    assert build(DATASETS["mnist"], {"test_share": 0.2}, "dataset", []) is None


# --- by columns and by subjects ------------------------------------------------------------------


def grouped(folder: Path, people: list[str], labels: np.ndarray, **arrays: object) -> Path:
    samples = np.arange(2 * len(labels), dtype=np.float32).reshape(-1, 2)
    return npz(folder, labels, x_train=samples, who=np.array(people), **arrays)


def test_within_draws_of_each_class_of_each_subject(tmp_path):
    people = ["a"] * 10 + ["b"] * 7 + ["c"]
    labels = np.array([0] * 6 + [1] * 4 + [0] * 2 + [1] * 5 + [1])
    path = grouped(tmp_path, people, labels)
    data = read("npz", path, columns={"person": "who"}, test="within", test_share=0.5, subject="person")
    names, codes = data.test_columns["person"].names, data.test_columns["person"].codes
    drawn = [(names[who], label) for who, label in zip(codes, data.test_labels.tolist(), strict=True)]
    assert sorted(drawn) == [("a", 0)] * 3 + [("a", 1)] * 2 + [("b", 0)] + [("b", 1)] * 3  # 2.5 of 5 rounds up
    assert len(data.train_labels) + len(data.test_labels) == 18
    assert "the test split is 9 samples of 18: 0.5 of each class of each value of 'person', drawn with test_seed 0" in (
        texts(data)
    )
    assert "1 class of a value of 'person' has one sample, which stays in training" in texts(data)


def test_subjects_are_drawn_whole_until_the_share_is_reached(tmp_path):
    counts = [4, 6, 10, 20]
    people = [name for name, count in zip("abcd", counts, strict=True) for _ in range(count)]
    path = grouped(tmp_path, people, np.arange(40) % 2)
    order = seeds.stream(3, "test-split").permutation(4)
    for share in (0.05, 0.3, 0.99):
        reached = 1 + int(np.argmax(np.cumsum(np.array(counts)[order]) >= share * 40))
        held = sorted(order[: min(reached, 3)])
        data = read("npz", path, columns={"subject": "who"}, test="subjects", test_share=share, test_seed=3)
        assert np.unique(data.test_columns["subject"].codes).tolist() == held
        assert len(data.test_labels) == sum(counts[c] for c in held)
        assert not set(data.train_columns["subject"].codes) & set(held)
        named = ", ".join("abcd"[c] for c in held)
        assert any(f"({named}), drawn with test_seed 3" in text for text in texts(data))


def test_a_split_column_and_the_rows_that_are_in_neither(tmp_path):
    split = np.array(["train", "test", "unused", "train", "test", "guard", "unused", "train"])
    labels = np.array([5, 5, 9, 7, 7, 5, 5, 7])
    path = grouped(tmp_path, list("aabbaabb"), labels, split=split)
    data = read("npz", path, columns={"split_within": "split", "subject": "who"}, test="within")
    assert data.train_samples[:, 0].tolist() == [0, 6, 14]
    assert data.test_samples[:, 0].tolist() == [2, 8]
    assert data.class_names == ("5", "7")  # 9 is in no split
    assert data.train_columns.keys() == {"subject"}
    data = read("npz", path, columns={"split_subject": "split", "subject": "who"}, test="subjects")
    assert "1 subject has rows in both splits: a" in texts(data)
    data = read("npz", path, columns={"split_within": "split", "subject": "who"}, test="within")
    assert "3 samples are neither train nor test in column 'split_within': 'unused' 2, 'guard' 1" in texts(data)


def test_groups_of_two_arrays_share_their_codes(tmp_path):
    path = grouped(tmp_path, list("bd"), np.array([0, 1]), x_test=np.ones((3, 2), np.float32),
                   y_test=np.array([0, 1, 1]), other=np.array(list("cda")))  # fmt: skip
    data = read("npz", path, columns={"subject": ("who", "other")})
    names = [data.train_columns["subject"].names, data.test_columns["subject"].names]
    assert names == [("b", "d"), ("b", "d", "a", "c")]
    assert data.test_columns["subject"].codes.tolist() == [3, 1, 2]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"test": "within"}, r"test: within needs the column 'split_within' \(there are subject\); draw"),
        ({"test": "subjects", "test_share": 0.2, "subject": "subjct"}, r"the column 'subjct' with .*'subject'"),
        ({"columns": {"split_within": "who"}, "test": "within"}, r"'split_within' has no row 'train', only 'a' \(4\)"),
        ({"columns": {"subject": "one"}, "test": "subjects", "test_share": 0.2}, r"needs two subjects or more.*of 'z'"),
        ({"columns": {"subject": "no"}, "test_share": 0.2}, r"has no array 'no'.*name it in dataset\.columns\.subject"),
        ({"columns": {"subject": ("who", "one")}, "test_share": 0.2}, r"names 2 arrays; needed: one array"),
        ({}, r"dataset\.columns\.subject: names 1 array; needed: two: \[training array, test array\]"),
        ({"columns": {"subject": "few"}, "test_share": 0.2}, r"dataset\.columns, 'subject': 2 values for 4 samples"),
        ({"columns": None}, r"has no array 'x_test'.*dataset\.test_share: 0\.2$"),
        ({"columns": {"split_within": ("split_within", "x")}}, r"'x_test'.*'split_within' with dataset\.test: w"),
    ],
)  # fmt: skip
def test_faults_of_splits_by_columns(tmp_path, keys, message):
    path = grouped(tmp_path, list("aaaa"), np.array([0, 1, 0, 1]), one=np.array(["z"] * 4), few=np.array([1, 2]),
                   split_within=np.array(["train"] * 4))  # fmt: skip
    with pytest.raises(DataError, match=message):
        read("npz", path, **{"columns": {"subject": "who"}, **keys})


def test_the_way_to_a_test_split_names_the_columns_that_are_there(tmp_path):
    table = "x,label,split_subject,split_within\n1,0,train,test\n"
    (tmp_path / "t.csv").write_text(table)
    with pytest.raises(DataError, match=r"'split_within' with dataset\.test: within or by column 'split_subject' with"):
        read("csv", tmp_path / "t.csv")
    import pyarrow as pa
    import pyarrow.parquet as pq

    x = pa.array([[1.0], [2.0]], pa.list_(pa.float32(), 1))
    pq.write_table(pa.table({"x": x, "label": [0, 1], "split_subject": ["train", "test"]}), tmp_path / "t.parquet")
    message = (
        r"the test split is missing .*take the test split by column 'split_subject' with dataset\.test: subjects, or"
    )
    with pytest.raises(DataError, match=message):
        read("parquet", tmp_path)
    with pytest.raises(DataError, match=r"is a file; leave out dataset\.train"):
        read("parquet", tmp_path / "t.parquet", train="t.parquet")


def test_keys_that_do_nothing_are_faults():
    for name, given, message in [
        ("npz", {"test": "wihtin"}, "dataset.test"),
        ("csv", {"test": "within", "subject": "who"}, "`subject` does nothing without `test_share`"),
        ("parquet", {"test": "test.parquet", "test_share": 0.2, "subject": "who"}, "`subject` does nothing"),
    ]:
        faults: list = []
        assert build(DATASETS[name], {"root": "x", **given}, "dataset", faults) is None
        assert message in str(faults[0])
