"""CSV tables: rows and windows as samples, parts of columns, groups, and faults with file, line, column and value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datafiles import read, texts

from edgesim.config.validation import build
from edgesim.data import csv_text
from edgesim.data.datasets import DATASETS
from edgesim.data.own_files import Window
from edgesim.errors import DataError


@pytest.fixture(autouse=True)
def _own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGESIM_CACHE", str(tmp_path / "cache"))


def write(folder: Path, text: str | bytes, name: str = "t.csv") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder / name


ROWS = """subject,ax,ay,label,split_within
1,0.5,2,walk,train
2,1e1,-3,run,train
10,.25,+4,walk,test
2,7,0,run,test
1,8,9,run,unused
"""


def test_rows_by_hand(tmp_path):
    data = read("csv", write(tmp_path, ROWS), test="within")
    assert data.train_samples.tolist() == [[0.5, 2], [10, -3]]
    assert data.test_samples.tolist() == [[0.25, 4], [7, 0]]
    assert data.train_samples.dtype == np.float32
    assert data.class_names == ("run", "walk")
    assert (data.train_labels.tolist(), data.test_labels.tolist()) == ([1, 0], [1, 0])
    assert data.train_columns.keys() == {"subject"}
    assert data.train_columns["subject"].names == ("1", "2", "10")  # by number
    assert data.test_columns["subject"].codes.tolist() == [2, 1]
    assert texts(data) == [
        "the features are 2 columns: ax, ay",
        "the test split is 2 samples, by column 'split_within'",
        "1 sample is neither train nor test in column 'split_within': 'unused' 1",
        "the labels are text, read as 2 classes in alphabetical order: run, walk",
    ]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: ("﻿" + text).encode(),
        lambda text: text.replace(",", ";").encode(),
        lambda text: text.replace(",", "\t").replace("\n", "\r\n").encode(),
        lambda text: text.replace("\n", "\n\n").rstrip().encode(),
        lambda text: text.replace("walk", '"walk"').replace("ax", '"ax"').encode(),
        lambda text: "\n".join(f"{i},{line}" if i else f",{line}" for i, line in enumerate(text.splitlines())).encode(),
    ],
    ids=["mark", "semicolon", "tab", "empty lines", "quotes", "index of pandas"],
)
def test_the_same_table_in_other_forms(tmp_path, change):
    data = read("csv", write(tmp_path, change(ROWS)), test="within")
    assert data.train_samples.tolist() == [[0.5, 2], [10, -3]]
    assert data.class_names == ("run", "walk")


def test_two_files_features_and_other_columns(tmp_path):
    text = "a,b,c,when,kind,site,y\n" + "".join(
        f"{i},{i * 2},{i / 4},2020-01-0{i + 1},x,{i % 2},{i % 2}\n" for i in range(4)
    )
    write(tmp_path, text, "train.csv")
    write(tmp_path, text.replace("a,b,c", "c,b,a"), "test.csv")
    data = read("csv", tmp_path, features=("b", "a"), label="y")
    assert data.train_samples.tolist() == [[0, 0], [2, 1], [4, 2], [6, 3]]
    assert data.test_samples.tolist() == [[0, 0], [2, 0.25], [4, 0.5], [6, 0.75]]  # by name, not by place
    assert {name: column.names for name, column in data.train_columns.items()} == {"kind": ("x",), "site": ("0", "1")}
    assert texts(data)[0] == "2 columns group no samples and are not read: c (numbers with fractions), when (a time)"
    assert "c" not in data.test_columns  # whole numbers there
    data = read("csv", tmp_path, label="y")
    assert texts(data)[0] == "the features are 4 columns: a, b, c, site"


def test_numeric_labels_and_regression(tmp_path):
    table = "f,label\n1,0.0\n2,1.0\n3,0.0\n4,1.0\n"
    data = read("csv", write(tmp_path, table), test_share=0.5)
    assert data.class_names == ("0", "1")
    table = "f,label\n" + "".join(f"{i},{i / 8}\n" for i in range(20))
    with pytest.raises(
        DataError, match=r"column 'label': the label '0\.125' has a fraction.*dataset\.task: regression"
    ):
        read("csv", write(tmp_path, table), test_share=0.5)
    data = read("csv", write(tmp_path, table), test_share=0.5, task="regression")
    every = {(float(x[0]), float(y[0])) for x, y in zip(data.train_samples, data.train_targets, strict=True)}
    assert every <= {(i, i / 8) for i in range(20)}
    assert len(data.train_labels) == len(data.test_labels) == 10


def long_table(label: Any = lambda i: "walk") -> str:
    """Two people, their rows in turns: a has t = 0 to 9 with x = t, b has t = 0 to 6 with x = 100 + t; y = -x."""
    lines = ["subject,x,y,label"]
    for t in range(10):
        lines += [f"a,{t},{-t},{label(t)}"]
        lines += [f"b,{100 + t},{-100 - t},run"] if t < 7 else []
    return "\n".join(lines)


def windows(path: Path, window: dict[str, Any], **keys: Any) -> Any:
    return read("csv", path, window=Window(**window), **keys)


def test_windows_by_hand_never_cross_a_group(tmp_path):
    path = write(tmp_path, long_table())
    data = windows(path, {"length": 3, "step": 2, "by": "subject"}, test="subjects", test_share=0.1)
    of_a, of_b = (data.train_samples, data.test_samples) if len(data.train_labels) == 4 else (
        data.test_samples, data.train_samples)  # fmt: skip
    assert of_a[:, 0].tolist() == [[0, 1, 2], [2, 3, 4], [4, 5, 6], [6, 7, 8]]
    assert of_b[:, 0].tolist() == [[100, 101, 102], [102, 103, 104], [104, 105, 106]]
    assert np.array_equal(of_a[:, 1], -of_a[:, 0])
    assert "1 row fills no window of 3, at the end of their groups" in texts(data)
    assert data.sample_form.describe((2, 3)) == "windows of 2x3 (channels x steps)"


def test_labels_of_windows(tmp_path):
    path = write(tmp_path, long_table(lambda t: "walk" if t < 5 else "sit"))
    given = {"length": 4, "step": 2, "by": ("subject",)}
    data = windows(path, given, test_share=0.5)
    names = np.array(data.class_names)
    assert sorted(names[np.r_[data.train_labels, data.test_labels]]) == ["run", "run", "sit", "walk"]
    assert "2 windows have rows of several labels" in texts(data)
    assert any("they share rows with training windows" in text for text in texts(data))
    data = windows(path, {**given, "label": "last"}, test_share=0.5)
    assert sorted(names[np.r_[data.train_labels, data.test_labels]]) == ["run", "run", "sit", "sit", "sit", "walk"]
    with pytest.raises(DataError, match=r"column 'subject' changes within 4 windows; add it to dataset\.window\.by"):
        windows(path, {"length": 4, "label": "last"}, test_share=0.5)
    with pytest.raises(DataError, match=r"no window of 11 rows: the longest run of rows has 10"):
        windows(path, {"length": 11, "by": "subject"}, test_share=0.5)
    with pytest.raises(DataError, match=r"has no column 'subjekt'.*did you mean 'subject'.*dataset\.window\.by"):
        windows(path, {"length": 2, "by": "subjekt"}, test_share=0.5)


def test_windows_of_a_split_column_and_groups_that_change(tmp_path):
    lines = ["x,label,split_within,hour"]
    lines += [f"{i},{i // 8},{'train' if i % 8 < 5 else 'test'},{i // 3}" for i in range(16)]
    data = windows(write(tmp_path, "\n".join(lines)), {"length": 2, "step": 1}, features=("x",), test="within")
    assert data.train_samples[:, 0].tolist() == [[i, i + 1] for i in (0, 1, 2, 3, 8, 9, 10, 11)]
    assert data.test_samples[:, 0].tolist() == [[i, i + 1] for i in (5, 6, 13, 14)]
    assert "2 samples are neither train nor test in column 'split_within': 'mixed' 2" in texts(data)
    assert any("hour (it changes within" in text for text in texts(data))


def test_windows_of_a_regression_take_the_last_row(tmp_path):
    lines = ["x,label", *(f"{i},{i / 2}" for i in range(40))]
    data = windows(write(tmp_path, "\n".join(lines)), {"length": 4}, task="regression", test_share=0.5)
    samples = np.concatenate([data.train_samples, data.test_samples])
    assert np.array_equal(samples[:, 0, -1] / 2, np.r_[data.train_targets[:, 0], data.test_targets[:, 0]])


def test_missing_values(tmp_path):
    table = "x,z,label\n1,2,a\n,4,b\n3,nan,a\n5,6,b\n"
    message = r"t\.csv, line 3, column 'x': the cell is empty; fill it in, remove the row, or say .* dataset\.missing"
    with pytest.raises(DataError, match=message):
        read("csv", write(tmp_path, table), test_share=0.5)
    data = read("csv", write(tmp_path, table), test_share=0.5, missing="zero")
    every = np.concatenate([data.train_samples, data.test_samples])
    assert sorted(every.tolist()) == [[0, 4], [1, 2], [3, 0], [5, 6]]


def test_many_rows_over_chunks(tmp_path, monkeypatch):
    monkeypatch.setattr(csv_text, "CHUNK_ROWS", 7)
    lines = ["x,who,label", *(f"{i},p{i % 3},{i % 2}" for i in range(100))]
    data = read("csv", write(tmp_path, "\n".join(lines)), test_share=0.2)
    for samples, column in (
        (data.train_samples, data.train_columns["who"]),
        (data.test_samples, data.test_columns["who"]),
    ):
        assert np.array_equal(samples[:, 0].astype(int) % 3, column.codes)
    with pytest.raises(DataError, match=r"t\.csv, line 92, column 'x': 'x' is no number; correct it"):
        read("csv", write(tmp_path, "\n".join([*lines[:91], "x,p0,1", *lines[92:]])), test_share=0.2)


GOOD = ["a,b,who,label", "1,2,x,0", "3,4,y,1", "5,6,x,0", "7,8,y,1"]


@pytest.mark.parametrize(
    ("line", "text", "message"),
    [
        (3, '"3,5",4,y,1', r"line 3, column 'a': '3,5' has a decimal comma; write 3\.5"),
        (3, "3,5,4,y,1", r"line 3: has 5 values, the header 4; .*\(a decimal comma, or a text with a comma"),
        (3, "3 kg,4,y,1", r"line 3, column 'a': '3 kg' has a unit; write 3 alone, or list the feature columns"),
        (3, "3,-4.5m/s²,y,1", r"line 3, column 'b': '-4\.5m/s²' has a unit; write -4\.5 alone"),
        (3, "\"1,234.5\",4,y,1", r"'1,234\.5' has signs between thousands; write 1234\.5"),
        (3, "x7,4,y,1", r"line 3, column 'a': 'x7' is no number; correct it"),
        (3, "1_000,4,y,1", r"'1_000' is no number"),
        (3, "1e39,4,y,1", r"line 3, column 'a': '1e39' is beyond float32 \(3\.4e38\)"),
        (3, "3,4,y,NaN", r"line 3, column 'label': 'NaN' is no value; fill it in, or remove the row"),
        (3, "-inf,4,y,1", r"line 3, column 'a': '-inf' is infinite; remove the row"),
        (3, "3,N/A,y,1", r"line 3, column 'b': 'N/A' is no value; fill it in"),
        (3, "3,4,y,", r"line 3, column 'label': the cell is empty; fill it in, or remove the row"),
        (3, "3,4,y", r"line 3: has 3 values, the header 4; give one for each column$"),
        (3, '3,4,"y,1', r"line 5: is no CSV \(unexpected end of data\)"),
        (3, '3,4,"y"z,1', r"line 3: is no CSV \(.*\); correct the line"),
        (1, "a,b,a,label", r"line 1: columns 1 and 3 are both called 'a'; rename or remove one"),
        (1, "0.5,1,x,0", r"line 1: holds the number '0\.5', so no header; write the names of the columns there"),
        (1, "a,b,who,labl", r"line 1: has no column 'label', only a, b, who, labl; did you mean 'labl'|has no column"),
        (1, "only", r"line 1: has one column, 'only'.*dataset\.delimiter"),
        (1, "", r"line 1: is empty; write the names of the columns there"),
    ],
)  # fmt: skip
def test_faults_name_file_line_column_value_and_fix(tmp_path, line, text, message):
    lines = [*GOOD[: line - 1], text, *GOOD[line:]]
    path = write(tmp_path, "\n".join(lines))
    with pytest.raises(DataError, match=message) as caught:
        read("csv", path, test_share=0.5)
    assert str(path) in str(caught.value)


def test_columns_with_units_or_decimal_commas_throughout_are_no_groups(tmp_path):
    for cell, told in (("{} kg", "has a unit"), ('"{},5"', "has a decimal comma"), ("{}%", "has a unit")):
        lines = ["a,b,label", *(f"{cell.format(i)},{i},{i % 2}" for i in range(6))]
        with pytest.raises(DataError, match=rf"line 2, column 'a': .*{told}"):
            read("csv", write(tmp_path, "\n".join(lines)), test_share=0.5)
    data = read("csv", tmp_path / "t.csv", test_share=0.5, features=("b",))
    assert data.train_columns["a"].names == tuple(f"{i}%" for i in range(6))


def test_files_that_are_no_table(tmp_path, monkeypatch):
    for content, message in [
        ("a,label\n1,é\n".encode("latin-1"), r"line 2: is no text in UTF-8 \(byte 3\); save the file"),
        ("a,label\n1,0\n".encode("utf-16"), r"is text in UTF-16; save it in UTF-8"),
        (b"a,label\n1,\0\n", r"line 2: holds a zero byte"),
        (b"a,label\n", r"holds no samples"),
        (b"a,label\r1,0\r", r"line 1: holds a carriage return that ends no line"),
        (b"a,label\n1," + b"x" * 5_000_000, r"line 2: is longer than 4\.19 MB"),
        (b'a,label\n1,"' + b"x\n" * 100_000, r"is no CSV \(field larger than field limit"),
        (b"a,label\n1," + b"x" * 2_000 + b"\n", r"line 2, column 'label': the column has a text of 2,000 characters"),
        (b"t,label\nx,0\ny,1\n", r"has no column of numbers beside t, label; name some in dataset\.features"),
    ]:
        with pytest.raises(DataError, match=message):
            read("csv", write(tmp_path, content), test_share=0.5)
    path = write(tmp_path, "\n".join(GOOD))
    with pytest.raises(DataError, match=r"has no column 'c', only a, b, who, label.*dataset\.features"):
        read("csv", path, test_share=0.5, features=("a", "c"))
    with pytest.raises(DataError, match=r"dataset\.features: 'label' is named twice, or in dataset\.label"):
        read("csv", path, test_share=0.5, features=("a", "label"))
    with pytest.raises(DataError, match=r"test split is missing: put test\.csv beside.*dataset\.test_share: 0\.2"):
        read("csv", path)
    write(tmp_path, "a,label\n1,0", "u.csv")
    with pytest.raises(DataError, match=r"holds 2 tables \(t\.csv, u\.csv\) and no train\.csv"):
        read("csv", tmp_path, test_share=0.5)
    monkeypatch.setattr(csv_text, "MAX_FILE_BYTES", 10)
    with pytest.raises(DataError, match=r"is 4\d B; at most 10 B of text are read: save it as parquet"):
        read("csv", path, test_share=0.5)


def test_a_window_that_no_file_could_have_is_a_fault_of_the_scenario():
    for given, path in [
        ({"length": 0}, "dataset.window.length"),
        ({"step": 3}, "dataset.window.length"),
        ({"length": 3, "label": "first"}, "dataset.window.label"),
    ]:
        faults: list = []
        assert build(DATASETS["csv"], {"root": "x", "window": given}, "dataset", faults) is None
        assert faults[0].path == path
