"""Parquet files of a split: one order of classes, sets of shards, files in both splits, names with brackets."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datafiles import pixels, png, read, texts, write_parquet

from edgesim.data import parquet_shards
from edgesim.errors import DataError


@pytest.fixture(autouse=True)
def _own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGESIM_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("EDGESIM_DATA", raising=False)


_FILES = iter(range(10_000))


def write(path: Path, labels: object, names: list[str] | None = None) -> None:
    """A file of random images of its own: as many as labels."""
    images = pixels(len(labels), 4, 4, 3, seed=next(_FILES))
    write_parquet(path, [png(image) for image in images], labels, names)


def fault(folder: Path, message: str, **keys) -> None:
    with pytest.raises(DataError, match=message):
        read("parquet", folder, **keys)


# --- class names ----------------------------------------------------------------------------------


def test_labels_of_all_shards_are_matched_by_name(tmp_path):
    write(tmp_path / "d/train-00000-of-00002.parquet", [0, 1, 2], ["cat", "dog", "emu"])
    write(tmp_path / "d/train-00001-of-00002.parquet", [0, 1, 2], ["emu", "cat", "dog"])
    write(tmp_path / "d/test.parquet", [0, 0, 1, 2], ["dog", "cat", "emu"])
    data = read("parquet", tmp_path / "d")
    assert data.class_names == ("cat", "dog", "emu")
    assert data.train_labels.tolist() == [0, 1, 2, 2, 0, 1]
    assert data.test_labels.tolist() == [1, 1, 0, 2]
    assert texts(data) == [
        "2 files name their classes in another order than train-00000-of-00002.parquet; the labels were matched by "
        "name: train-00001-of-00002.parquet, test.parquet"
    ]


def test_names_that_a_file_adds_follow_and_files_without_names_take_the_order(tmp_path):
    write(tmp_path / "d/train-0-of-2.parquet", [0, 1], ["cat", "dog"])
    write(tmp_path / "d/train-1-of-2.parquet", [0, 1], ["emu", "dog"])
    write(tmp_path / "d/test.parquet", [0, 1, 2])
    data = read("parquet", tmp_path / "d")
    assert data.class_names == ("cat", "dog", "emu")
    assert data.train_labels.tolist() == [0, 1, 2, 1]
    assert data.test_labels.tolist() == [0, 1, 2]
    assert texts(data)[1] == "1 class is named in other files than train-0-of-2.parquet, and added to its classes: emu"
    assert texts(data)[2] == (
        "1 file names no classes, its labels are taken in the order of train-0-of-2.parquet: test.parquet"
    )


def test_names_that_cannot_be_matched_are_a_fault(tmp_path):
    write(tmp_path / "d/train-0-of-2.parquet", [0, 1], ["cat", "dog"])
    write(tmp_path / "d/train-1-of-2.parquet", [0, 1], ["cat", "cat"])
    write(tmp_path / "d/test.parquet", [0, 1])
    fault(tmp_path / "d", r"train-1-of-2\.parquet: names a class twice")
    write(tmp_path / "d/train-1-of-2.parquet", [0, 2], ["dog", "cat"])
    fault(tmp_path / "d", r"train-1-of-2\.parquet: the label of sample 1 is 2, outside the 2 classes")
    write(tmp_path / "d/train-1-of-2.parquet", [0, -1], ["dog", "cat"])
    fault(tmp_path / "d", r"train-1-of-2\.parquet: the label of sample 1 is -1; allowed: 0 or more")


def test_test_samples_of_a_class_that_no_training_file_names_are_a_fault(tmp_path):
    write(tmp_path / "d/train.parquet", [0, 1], ["cat", "dog"])
    write(tmp_path / "d/test.parquet", [0, 1, 1], ["dog", "cats"])
    fault(
        tmp_path / "d",
        r"test\.parquet: has 2 samples of classes such as 'cats', which no training file names \(did you mean 'cat'",
    )
    write(tmp_path / "d/test.parquet", [0, 2], ["dog", "cats", "cat"])  # a name without samples does no harm
    data = read("parquet", tmp_path / "d")
    assert (data.class_names, data.test_labels.tolist()) == (("cat", "dog"), [1, 0])


def test_one_list_with_a_name_twice_needs_no_matching(tmp_path):
    write(tmp_path / "d/train.parquet", [0, 1, 2], ["crane", "crane", "dog"])
    write(tmp_path / "d/test.parquet", [0, 1, 2], ["crane", "crane", "dog"])
    data = read("parquet", tmp_path / "d")
    assert (data.class_names, data.train_labels.tolist()) == (("crane", "crane", "dog"), [0, 1, 2])


def test_unicode_forms_of_a_class_name_are_one_name(tmp_path):
    write(tmp_path / "d/train.parquet", [0, 1], ["caf\u00e9", "bar"])
    write(tmp_path / "d/test.parquet", [0, 1], ["bar", "cafe\u0301"])
    data = read("parquet", tmp_path / "d")
    assert data.class_names == ("caf\u00e9", "bar")
    assert data.test_labels.tolist() == [1, 0]
    assert "1 class name is written in two Unicode forms" in texts(data)[1]


def test_named_classes_without_samples_cost_no_output(tmp_path):
    write(tmp_path / "d/train.parquet", [1, 3, 3], ["a", "b", "c", "d"])
    write(tmp_path / "d/test.parquet", [3, 1], ["a", "b", "c", "d"])
    data = read("parquet", tmp_path / "d")
    assert (data.class_names, data.num_classes) == (("b", "d"), 2)
    assert (data.train_labels.tolist(), data.test_labels.tolist()) == ([0, 1, 1], [1, 0])
    assert texts(data) == ["only 2 of 4 named classes have samples, not a, c; the network has 2 outputs"]


def test_named_classes_with_test_samples_only_stay_and_are_said(tmp_path):
    write(tmp_path / "d/train.parquet", [0, 0, 2], ["a", "b", "c"])
    write(tmp_path / "d/test.parquet", [0, 1, 1, 2], ["a", "b", "c"])
    data = read("parquet", tmp_path / "d")
    assert (data.num_classes, data.test_labels.tolist()) == (3, [0, 1, 1, 2])
    assert texts(data) == ["2 test samples have a class without training samples (b): no network can learn it"]


# --- types of labels ------------------------------------------------------------------------------


def test_whole_numbers_of_any_width_mix(tmp_path):
    kinds = [pa.int64(), pa.uint64(), pa.int8(), pa.uint16()]
    for i, kind in enumerate(kinds):
        write(tmp_path / f"d/train-{i}-of-4.parquet", pa.array([0, 1, 2], kind))
    write(tmp_path / "d/test.parquet", pa.array([2, 0, 1], pa.uint8()))
    data = read("parquet", tmp_path / "d")
    assert data.train_labels.tolist() == [0, 1, 2] * 4
    assert data.test_labels.tolist() == [2, 0, 1]
    assert texts(data) == []
    write(tmp_path / "d/test.parquet", pa.array([2, 2**63], pa.uint64()))
    fault(tmp_path / "d", r"test\.parquet: column 'label' has a label that is too large")


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())], ids=str
)
def test_text_becomes_classes(tmp_path, kind):
    write(tmp_path / "d/train.parquet", pa.array(["dog", "cat", "emu"]).cast(kind))
    write(tmp_path / "d/test.parquet", pa.array(["emu", "cat", "dog"]).cast(kind))
    data = read("parquet", tmp_path / "d")
    assert data.class_names == ("cat", "dog", "emu")
    assert (data.train_labels.tolist(), data.test_labels.tolist()) == ([1, 0, 2], [2, 0, 1])
    assert texts(data) == ["the labels are text, read as 3 classes in alphabetical order: cat, dog, emu"]


def test_text_and_named_numbers_mix_and_bare_numbers_do_not(tmp_path):
    write(tmp_path / "d/train.parquet", ["dog", "cat"])
    write(tmp_path / "d/test.parquet", [0, 1], ["dog", "cat"])
    assert read("parquet", tmp_path / "d").test_labels.tolist() == [1, 0]
    write(tmp_path / "d/test.parquet", [0, 1])
    fault(tmp_path / "d", r"the labels are whole numbers in \S+test\.parquet and text in \S+train\.parquet")


def test_true_and_false_are_two_classes(tmp_path):
    write(tmp_path / "d/train.parquet", [True, False, True])
    write(tmp_path / "d/test.parquet", [False, True])
    data = read("parquet", tmp_path / "d")
    assert (data.class_names, data.train_labels.tolist()) == (("False", "True"), [1, 0, 1])
    assert texts(data) == ["the labels are true or false, read as classes: False, True"]


def test_every_file_has_its_own_columns(tmp_path):
    write(tmp_path / "d/train-0-of-2.parquet", [0, 1])
    images = [{"bytes": png(image), "path": None} for image in pixels(2, 4, 4, 3, seed=99)]
    pq.write_table(pa.table({"img": images, "label": [1, 0]}), tmp_path / "d/train-1-of-2.parquet")
    table = pa.table({"img": images[:1], "label": [1], "labels": [0]})
    pq.write_table(table, tmp_path / "d/test.parquet")
    data = read("parquet", tmp_path / "d")
    assert np.array_equal(data.train_samples[2:], pixels(2, 4, 4, 3, seed=99))
    assert data.test_labels.tolist() == [1]
    assert "the labels are column 'label'; not read: labels" in texts(data)
    fault(tmp_path / "d", r"train-1-of-2\.parquet: has no column 'image', only img", samples="image")


# --- sets of shards -------------------------------------------------------------------------------


def test_missing_shards_are_said(tmp_path):
    for i in (0, 2):
        write(tmp_path / f"d/train-0000{i}-of-00004-{i}abc.parquet", [0, 1])
    write(tmp_path / "d/test-00000-of-00001.parquet", [0, 1])
    assert texts(read("parquet", tmp_path / "d")) == [
        "only 2 of 4 shards of the train split are there; missing: train-00001-of-00004.parquet, "
        "train-00003-of-00004.parquet"
    ]
    chosen = read("parquet", tmp_path / "d", train="train-00002-*", test="test-*")
    assert texts(chosen)[0].startswith("only 1 of 4 shards of the train split is there")


def test_shards_with_underscores(tmp_path):
    for i in (0, 1):
        write(tmp_path / f"d/my_{i}_of_3.parquet", [0, 1])
    write(tmp_path / "d/test.parquet", [0, 1])
    data = read("parquet", tmp_path / "d", train="my_*.parquet", test="test.parquet")
    assert texts(data) == ["only 2 of 3 shards of the train split are there; missing: my_2_of_3.parquet"]


def test_shards_may_be_counted_from_one(tmp_path):
    for i in (1, 2):
        write(tmp_path / f"d/train-{i}-of-2.parquet", [0, 1])
    write(tmp_path / "d/test.parquet", [0, 1])
    assert texts(read("parquet", tmp_path / "d")) == []
    write(tmp_path / "d/train-7-of-2.parquet", [0, 1])
    fault(tmp_path / "d", r"train-7-of-2\.parquet: there is no such shard of 2")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["train-0-of-1", "train-0-of-2", "train-1-of-2"], r"\(train-0-of-1\.parquet and train-0-of-2\.parquet\)"),
        (["train", "train-0-of-1"], r"two sets of files of the train split"),
        (["train", "train-old"], r"\(train\.parquet and train-old\.parquet\)"),
        (["train-0-of-1", "train-copy"], r"\(train-0-of-1\.parquet and train-copy\.parquet\)"),
        (["train-0-of-1-abc", "train-0-of-1-def"], r"two sets"),
        (["train", "data/train"], r"two sets of files of the train split \(train\.parquet and .*data/train\.parquet\)"),
        (["train-a", "data/train-b"], r"two sets"),
    ],
)
def test_two_sets_of_one_split_are_a_fault(tmp_path, names, message):
    for name in names:
        write(tmp_path / "d" / f"{name}.parquet", [0, 1])
    write(tmp_path / "d/test.parquet", [0, 1])
    fault(tmp_path / "d", message + r".*name the files to read in dataset\.train")
    assert len(read("parquet", tmp_path / "d", train=f"{names[0]}.parquet").train_labels) == 2


def test_files_with_names_of_their_own_are_one_set(tmp_path):
    for name in ("train-a", "train-b", "other-0-of-1", "more-0-of-2", "more-1-of-2"):
        write(tmp_path / "d" / f"{name}.parquet", [0, 1])
    write(tmp_path / "d/test.parquet", [0, 1])
    data = read("parquet", tmp_path / "d")
    assert len(data.train_labels) == 4
    assert texts(data) == [
        "3 parquet files are in no split and not read: more-0-of-2.parquet, more-1-of-2.parquet, other-0-of-1.parquet"
    ]
    assert len(read("parquet", tmp_path / "d", train="*-of-?.parquet", test="test.parquet").train_labels) == 6


def test_what_serves_as_the_test_split_is_said(tmp_path):
    write(tmp_path / "d/train.parquet", [0, 1])
    write(tmp_path / "d/validation.parquet", [0, 1])
    assert texts(read("parquet", tmp_path / "d")) == ["the test split file is validation.parquet"]
    write(tmp_path / "d/test.parquet", [0, 1])
    assert texts(read("parquet", tmp_path / "d")) == ["1 parquet file is in no split and not read: validation.parquet"]


# --- one file in two places -----------------------------------------------------------------------


def test_a_file_in_both_splits_is_a_fault(tmp_path):
    for name in ("part-0", "part-1", "part-test"):
        write(tmp_path / "d" / f"{name}.parquet", [0, 1])
    fault(tmp_path / "d", r"part-test\.parquet: is in both splits", train="part-*.parquet", test="part-test.parquet")
    fault(tmp_path / "d", r"part-0\.parquet: is in both splits", train="part-[01]*", test="part-[01]*")
    spelt = "../d/./part-0.parquet"
    fault(
        tmp_path / "d", r"in both splits \(in the training split as \S+part-0\.parquet\)", train="part-0*", test=spelt
    )
    absolute = str(tmp_path / "d/part-0.parquet")
    fault(tmp_path / "d", "in both splits", train="part-0.parquet", test=absolute)


@pytest.mark.parametrize("how", [os.symlink, os.link, shutil.copy])
def test_a_file_under_another_name_is_found(tmp_path, how):
    write(tmp_path / "d/train.parquet", [0, 1])
    how(tmp_path / "d/train.parquet", tmp_path / "d/test.parquet")
    fault(tmp_path / "d", r"test\.parquet: is in both splits \(in the training split as .*train\.parquet\)")
    (tmp_path / "d/train.parquet").rename(tmp_path / "d/train-a.parquet")
    (tmp_path / "d/test.parquet").unlink()
    how(tmp_path / "d/train-a.parquet", tmp_path / "d/train-b.parquet")
    write(tmp_path / "d/test.parquet", [0, 1])
    fault(tmp_path / "d", r"train-b\.parquet: is the same file as .*train-a\.parquet")


def test_a_link_that_leads_nowhere_is_named(tmp_path):
    write(tmp_path / "d/test.parquet", [0, 1])
    os.symlink("annex/object", tmp_path / "d/train.parquet")
    fault(
        tmp_path / "d", r"the train split is missing .*train\.parquet: a link that leads nowhere; fetch what it stands"
    )


# --- names and patterns ---------------------------------------------------------------------------


def test_a_name_that_is_there_is_no_pattern(tmp_path):
    for name in ("digits[v2]-train", "digits[v2]-test", "digitsv-train", "what?*"):
        write(tmp_path / "d" / f"{name}.parquet", [0, 1])
    data = read("parquet", tmp_path / "d", train="digits[v2]-train.parquet", test="digits[v2]-test.parquet")
    assert len(data.train_labels) == 2
    found = parquet_shards.find(tmp_path / "d", "digits[v]-train.parquet", "what?*.parquet")
    assert [path.name for path in (*found.train, *found.test)] == ["digitsv-train.parquet", "what?*.parquet"]


def test_folders_of_the_splits_names_say_how_to_name_their_files(tmp_path):
    write(tmp_path / "d/train/0000.parquet", [0, 1])
    write(tmp_path / "d/validation/0000.parquet", [0, 1])
    fault(tmp_path / "d", r"'train' is a folder: write dataset\.train: train/\*\.parquet")
    fault(tmp_path / "d", r"'validation' is a folder: write dataset\.test: validation/\*", train="train/*.parquet")
    data = read("parquet", tmp_path / "d", train="train/*.parquet", test="validation/*.parquet")
    assert len(data.train_labels) == 2


def test_a_folder_as_a_name_says_how_to_name_its_files(tmp_path):
    write(tmp_path / "d/default/0000.parquet", [0, 1])
    write(tmp_path / "d/test.parquet", [0, 1])
    fault(
        tmp_path / "d",
        r"'default' is a folder: name the files in it, for example 'default/\*\.parquet'",
        train="default",
    )
    assert len(read("parquet", tmp_path / "d", train="default/*.parquet").train_labels) == 2
