"""Samples in parquet that are arrays: lists, tensors, tokens; their shapes, types, groups and faults."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datafiles import pixels, png, read, texts

from edgesim.data import file_bounds
from edgesim.errors import DataError

LABELS = np.arange(20) // 2 % 4
WINDOWS = np.arange(20 * 6, dtype=np.float32).reshape(20, 2, 3)


@pytest.fixture(autouse=True)
def _own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGESIM_CACHE", str(tmp_path / "cache"))


def fixed(array: np.ndarray) -> pa.Array:
    """Nested lists of fixed size, one level for each axis."""
    flat: pa.Array = pa.array(array.ravel())
    for side in reversed(array.shape[1:]):
        flat = pa.FixedSizeListArray.from_arrays(flat, side)
    return flat


def write(path: Path, x: Any, labels: Any = LABELS, metadata: dict[str, str] | None = None, **columns: Any) -> Path:
    table = pa.table({"x": x, "label": labels, **columns})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.replace_schema_metadata(metadata or table.schema.metadata), path)
    return path


def everything(path: Path, **keys: Any) -> tuple[np.ndarray, Any]:
    """All samples in file order, and the data set."""
    table = pq.read_table(path)
    split = pa.array(["train", "test"] * (len(table) // 2))
    pq.write_table(table.append_column("split_within", split), path)
    data = read("parquet", path, test="within", **keys)
    whole = np.empty((len(table), *data.train_samples.shape[1:]), data.train_samples.dtype)
    whole[::2], whole[1::2] = data.train_samples, data.test_samples
    return whole, data


def layouts() -> dict[str, tuple[Any, dict[str, str]]]:
    """The same windows in every layout, and metadata."""
    flat = WINDOWS.reshape(20, 6)
    tensor = pa.FixedShapeTensorArray.from_numpy_ndarray(WINDOWS)
    turned = pa.ExtensionArray.from_storage(
        pa.fixed_shape_tensor(pa.float32(), [3, 2], permutation=[1, 0]),
        fixed(WINDOWS.transpose(0, 2, 1).reshape(20, 6)),
    )
    return {
        "flat": (fixed(flat), {"shape": "[2, 3]"}),
        "nested": (fixed(WINDOWS), {}),
        "tensor": (tensor, {}),
        "permuted": (turned, {}),
        "lists": (pa.array(flat.tolist(), pa.list_(pa.float32())), {"shape": "[2, 3]"}),
        "large": (pa.array(WINDOWS.tolist(), pa.large_list(pa.list_(pa.float32()))), {}),
    }


@pytest.mark.parametrize("layout", ["flat", "nested", "tensor", "permuted", "lists", "large"])
def test_the_same_windows_in_every_layout(tmp_path, layout):
    x, metadata = layouts()[layout]
    names = {"classes": json.dumps(["up", "down", "left", "right"])}
    whole, data = everything(write(tmp_path / "d/one.parquet", x, metadata=metadata | names))
    assert np.array_equal(whole, WINDOWS)
    assert whole.dtype == np.float32
    assert (data.class_names, data.input_shape) == (("up", "down", "left", "right"), (2, 3))
    assert data.sample_form.describe(whole.shape[1:]) == "windows of 2x3 (channels x steps)"


def test_shape_of_the_scenario_over_that_of_the_column_over_that_of_the_schema(tmp_path):
    flat = fixed(WINDOWS.reshape(20, 6))
    field = pa.field("x", flat.type, metadata={"shape": "[6, 1]"})
    schema = pa.schema([field, pa.field("label", pa.int64())], {"shape": "[2, 3]"})
    path = tmp_path / "d/one.parquet"
    path.parent.mkdir()
    for keys, shape in (({}, (6, 1)), ({"shape": (1, 2, 3)}, (1, 2, 3))):
        pq.write_table(pa.table([flat, pa.array(LABELS)], schema=schema), path)
        whole, _ = everything(path, channels="first", **keys)
        assert whole.shape == (20, *shape)
        assert np.array_equal(whole.ravel(), WINDOWS.ravel())


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "float16", "float32", "float64"])
def test_types_of_numbers(tmp_path, dtype):
    values = (np.arange(120).reshape(20, 6) / (2 if "float" in dtype else 1)).astype(dtype)
    whole, data = everything(write(tmp_path / "d/one.parquet", fixed(values)))
    assert whole.dtype.name == ("float32" if dtype == "float64" else dtype)
    assert np.array_equal(whole, values.astype(whole.dtype))
    told = [text for text in texts(data) if "float64" in text]
    assert told == (["the samples are float64 and read as float32"] if dtype == "float64" else [])


def test_tokens(tmp_path):
    ids = np.arange(100).reshape(20, 5)
    for dtype, keys in (("int64", {"tokens": True}), ("uint8", {"tokens": True}), ("int32", {"tokens": True})):
        whole, data = everything(write(tmp_path / f"{dtype}/one.parquet", fixed(ids.astype(dtype))), **keys)
        assert whole.dtype == np.int32
        assert np.array_equal(whole, ids)
        assert (data.sample_form.vocabulary, data.sample_form.tokens) == (100, True)


def test_images_of_numbers_lie_channels_last(tmp_path):
    images = pixels(20, 3, 5, 6)
    whole, data = everything(write(tmp_path / "a/one.parquet", fixed(images)))
    assert np.array_equal(whole, images.transpose(0, 2, 3, 1))
    assert (data.sample_form.is_image, data.input_shape) == (True, (3, 5, 6))
    last = pixels(20, 5, 6, 1)
    assert np.array_equal(everything(write(tmp_path / "b/one.parquet", fixed(last)))[0], last)
    grey = pixels(20, 5, 6)
    assert np.array_equal(everything(write(tmp_path / "c/one.parquet", fixed(grey)))[0], grey[..., None])
    both = write(tmp_path / "d/one.parquet", fixed(pixels(20, 3, 5, 4)))
    with pytest.raises(DataError, match=r"images of shape \[3, 5, 4\]; say in dataset\.channels which axis"):
        everything(both)


def test_many_rows_over_shards_batches_and_row_groups(tmp_path):
    values = np.random.default_rng(0).normal(size=(3000, 4)).astype(np.float32)
    for shard, rows in enumerate((slice(0, 1700), slice(1700, 3000))):
        table = pa.table(
            {"x": fixed(values[rows]), "label": np.arange(3000)[rows] % 3, "who": np.arange(3000)[rows] // 300}
        )
        (tmp_path / "d").mkdir(exist_ok=True)
        pq.write_table(table, tmp_path / f"d/train-{shard}-of-2.parquet", row_group_size=700)
    data = read("parquet", tmp_path / "d", test="subjects", test_share=0.2, subject="who", test_seed=1)
    who = data.test_columns["who"].codes
    assert [np.bincount(who, minlength=10)[g] for g in np.unique(who)] == [300, 300]
    assert not set(who) & set(data.train_columns["who"].codes)
    rows = np.flatnonzero(np.isin(np.arange(3000) // 300, np.unique(who)))
    assert np.array_equal(data.test_samples, values[rows])
    assert data.train_columns["who"].names == tuple(map(str, range(10)))


def test_regression_of_a_column(tmp_path):
    targets = np.linspace(-1, 2, 20)
    _, data = everything(write(tmp_path / "d/one.parquet", fixed(WINDOWS), targets), task="regression")
    assert np.allclose(data.train_targets[:, 0], targets[::2])
    with pytest.raises(DataError, match=r"column 'label' is double.*numbers to predict: dataset\.task: regression"):
        everything(write(tmp_path / "e/one.parquet", fixed(WINDOWS), targets))


def test_missing_numbers(tmp_path):
    rows: list[Any] = WINDOWS.reshape(20, 6).tolist()
    rows[4][1] = None
    x = pa.array(rows, pa.list_(pa.float32()))
    with pytest.raises(DataError, match=r"sample 4 holds a missing number \(NaN\).*dataset\.missing"):
        everything(write(tmp_path / "d/one.parquet", x, metadata={"shape": "[2, 3]"}))
    whole, data = everything(write(tmp_path / "d/one.parquet", x, metadata={"shape": "[2, 3]"}), missing="previous")
    assert whole[4, 0].tolist() == [24, 24, 26]
    assert "1 number of 1 train sample is missing, read as the number before it" in texts(data)


def test_group_columns_and_what_is_none(tmp_path):
    path = write(
        tmp_path / "d/one.parquet",
        fixed(WINDOWS),
        subject=pa.array(["b", "a"] * 10).dictionary_encode(),
        site=np.arange(20) // 10 * 9 + 1,
        night=LABELS > 1,
        weight=np.linspace(0, 1, 20),
        time=pa.array(np.arange(20), pa.timestamp("s")),
        note=pa.array(["x", None] * 10),
        more=fixed(WINDOWS).slice(0, 20).flatten()[:20],
    )
    _, data = everything(path, samples="x")
    assert {name: column.names for name, column in data.train_columns.items()} == {
        "subject": ("a", "b"), "site": ("1", "10"), "night": ("false", "true"),
    }  # fmt: skip
    assert data.train_columns["site"].codes.tolist() == [0] * 5 + [1] * 5
    assert data.test_columns["subject"].codes.tolist() == [0] * 10
    assert texts(data)[0] == (
        "4 columns group no samples and are not read: weight (numbers with fractions), time (a time), "
        "note (row 1 has no value), more (fixed_size_list)"
    )


def faulty(tmp_path: Path, x: Any, message: str, metadata: dict[str, str] | None = None, **keys: Any) -> None:
    path = write(tmp_path / "d/one.parquet", x, metadata=metadata)
    with pytest.raises(DataError, match=message) as caught:
        everything(path, **keys)
    assert str(path) in str(caught.value)


def test_lists_of_several_lengths_name_both_and_the_fix(tmp_path):
    rows: list[Any] = WINDOWS.reshape(20, 6).tolist()
    ragged = [*rows[:7], rows[7][:4], *rows[8:]]
    message = r"column 'x', row 7: a list of length 4, and 6 in row 0 of .*; samples need one length: pad or cut them"
    faulty(tmp_path, pa.array(ragged, pa.list_(pa.float32())), message)
    inner = [[row[:3], row[3:]] for row in rows]
    inner[9][1] = [1.0]
    message = r"row 9: a list of length 1, and 3 in row 0"
    faulty(tmp_path, pa.array(inner, pa.list_(pa.list_(pa.float32()))), message)


@pytest.mark.parametrize(
    ("x", "metadata", "keys", "message"),
    [
        (pa.array([[1.0]] * 6 + [None] * 14), {}, {}, r"column 'x', row 6: has no sample \(null\); remove the row"),
        (pa.array([[1], [None]] * 10), {}, {}, r"row 1: lacks a number \(null\); whole numbers cannot be missing"),
        (pa.array([[]] * 20, pa.list_(pa.float32())), {}, {}, r"row 0: has an empty list"),
        (fixed(WINDOWS), {"shape": "[2, 4]"}, {}, r"has 6 numbers \(\[2, 3\]\); the shape \[2, 4\] needs 8"),
        (fixed(WINDOWS), {}, {"shape": (7,)}, r"the shape \[7\] needs 7; give dataset\.shape that fits"),
        (fixed(WINDOWS), {"shape": "2x3"}, {}, r"metadata of the schema say shape = 2x3; allowed: a JSON list such as"),
        (fixed(WINDOWS), {"shape": "[2, -3]"}, {}, r"say shape = \[2, -3\]"),
        (fixed(WINDOWS.astype(np.int64)), {}, {}, r"holds int64; measured numbers: store .* dataset\.tokens: true"),
        (fixed(WINDOWS.astype(np.int32)), {}, {}, r"holds int32; measured numbers: store"),
        (fixed(WINDOWS.astype(np.uint16)), {}, {}, r"holds uint16; allowed: uint8, .*; store them as float32"),
        (pa.array([[True]] * 20), {}, {}, r"holds bool; allowed: .*; store them as uint8"),
        (fixed(WINDOWS), {}, {"tokens": True}, r"float32 of shape \[2, 3\]; dataset\.tokens needs whole numbers"),
        (fixed(np.full((20, 2), -1)), {}, {"tokens": True}, r"row 0: holds the token id -1; allowed: 0 to"),
        (fixed(np.full((20, 2), 2**40)), {}, {"tokens": True}, r"row 0: holds the token id 1099511627776"),
        (fixed(WINDOWS), {}, {"size": (4, 4)}, r"holds arrays, which dataset\.size does not resize"),
        (fixed(np.full((20, 2), np.inf, np.float32)), {}, {}, r"sample 0 holds an infinite number"),
        (fixed(np.full((20, 2), 1e39)), {}, {}, r"row 0: holds a number beyond float32; use another unit"),
        (pa.array([["a"]] * 20), {}, {}, r"has no column of images \{bytes, path\}, lists or tensors among x"),
        (pa.array([["a"]] * 20), {}, {"samples": "x"}, r"column 'x' is list<.*allowed: images \{bytes, path\}"),
        (pa.array([{"bytes": png(pixels(4, 4)), "path": ""}] * 20), {}, {"shape": (4,)}, r"shape does nothing"),
        (fixed(WINDOWS.transpose(0, 2, 1).repeat(9, axis=1)), {}, {}, r"27 channels; say in dataset\.channels"),
    ],
)  # fmt: skip
def test_faults_name_file_row_value_and_fix(tmp_path, x, metadata, keys, message):
    faulty(tmp_path, x, message, metadata, **keys)


def test_faults_of_several_columns_and_files(tmp_path):
    path = write(tmp_path / "d/one.parquet", fixed(WINDOWS), y=fixed(WINDOWS))
    with pytest.raises(DataError, match=r"several columns of numbers \(x, y\).*name it in dataset\.samples"):
        everything(path)
    write(tmp_path / "e/train.parquet", fixed(WINDOWS))
    write(tmp_path / "e/test.parquet", fixed(WINDOWS[:, :, :2]))
    with pytest.raises(
        DataError, match=r"test\.parquet.* row 0: a list of length 2, and 3 in row 0 of .*train\.parquet"
    ):
        read("parquet", tmp_path / "e")
    write(tmp_path / "e/test.parquet", fixed(WINDOWS.astype(np.float16)))
    with pytest.raises(DataError, match=r"samples of shape \[2, 3\] \(float16\) after \[2, 3\] \(float32\) in .*train"):
        read("parquet", tmp_path / "e")
    write(tmp_path / "e/test.parquet", pa.array([png(pixels(1, 4, 4)[0])] * 20))
    with pytest.raises(DataError, match=r"images in .*test\.parquet and arrays in .*train\.parquet"):
        read("parquet", tmp_path / "e")


def test_numbers_and_columns_that_expand_without_end_are_refused(tmp_path, monkeypatch):
    """Equal numbers take no room in parquet."""
    monkeypatch.setattr(file_bounds, "SMALL_BYTES", 100_000)
    zeros = np.zeros((4000, 1000), np.float32)
    write(tmp_path / "a/train.parquet", fixed(zeros), np.zeros(4000, np.int64))
    with pytest.raises(DataError, match=r"train\.parquet: .* would expand to 16.* more than 250 to 1"):
        read("parquet", tmp_path / "a", test_share=0.2)
    many = {f"c{i}": np.zeros(20_000, np.int64) for i in range(40)}
    write(tmp_path / "b/train.parquet", fixed(zeros[:, :5].repeat(5, axis=0)), np.zeros(20_000, np.int64), **many)
    with pytest.raises(DataError, match=r"train\.parquet: .* would expand to 7\.12 MB, more than 250 to 1"):
        read("parquet", tmp_path / "b", test_share=0.2)


def test_names_of_columns_may_have_dots(tmp_path):
    path = tmp_path / "d/one.parquet"
    path.parent.mkdir()
    table = pa.table({"x.y": fixed(WINDOWS), "label": LABELS, "x": LABELS + 1, "who.a": LABELS})
    pq.write_table(table, path)
    whole, data = everything(path)
    assert np.array_equal(whole, WINDOWS)
    assert data.train_columns.keys() == {"x", "who.a"}


def test_images_with_a_split_column(tmp_path):
    images = pixels(20, 4, 4, 3)
    whole, data = everything(write(tmp_path / "d/one.parquet", pa.array([png(image) for image in images])))
    assert np.array_equal(whole, images)
    assert data.sample_form.is_image


SETS = {  # rows of both splits by subject and within, classes, subjects, shape
    "wisdm-watch": ((7320, 1800), (7296, 1824), 6, 51, (3, 80)),
    "watch-exercises": ((2832, 773), (2854, 478), 7, 10, (6, 128)),
    "fsdd-speakers": ((2000, 1000), (2700, 300), 10, 6, (1, 32, 48)),
    "mnist-writers": ((18800, 4694), (18752, 4742), 10, 200, (1, 28, 28)),
    "beijing-air": ((23936, 8000), (23683, 8229), 4, 12, (11, 12)),
}


@pytest.mark.parametrize("name", list(SETS))
def test_real_data_of_edge_devices(name):
    folder = Path(os.environ.get("EDGESIM_DATA", "nowhere")) / name
    if not folder.is_dir():
        pytest.skip(f"needs {name} in the folder that EDGESIM_DATA names")
    by_subject, within, classes, subjects, shape = SETS[name]
    stated = pq.read_schema(next(folder.glob("*.parquet"))).metadata
    data = read("parquet", folder, test="subjects")
    assert (len(data.train_labels), len(data.test_labels)) == by_subject
    of = {split: {column.names[c] for c in np.unique(column.codes)} for split, column in (
        ("train", data.train_columns["subject"]), ("test", data.test_columns["subject"]))}  # fmt: skip
    assert len(of["train"] | of["test"]) == subjects
    assert not of["train"] & of["test"]
    data = read("parquet", folder, test="within")
    assert (len(data.train_labels), len(data.test_labels)) == within
    assert (data.input_shape, list(data.class_names)) == (shape, json.loads(stated[b"classes"]))
    assert len(data.class_names) == classes
    mean, deviation = data.normalisation()
    assert mean == pytest.approx(json.loads(stated[b"channel_mean"]), rel=1e-5, abs=1e-5)
    assert deviation == pytest.approx(json.loads(stated[b"channel_std"]), rel=1e-5, abs=1e-5)


def test_bytes_are_windows_where_the_form_says_so(tmp_path: Path) -> None:
    for shape in ((2, 3), (1, 4, 6)):
        array = np.arange(20 * int(np.prod(shape)), dtype=np.uint8).reshape(20, *shape)
        file = write(tmp_path / f"{len(shape)}" / "d.parquet", fixed(array))
        whole, data = everything(file, form="arrays")
        assert (whole == array).all()
        assert (data.sample_form.channel_axis, data.input_shape) == (0, shape)
        assert not any("read as" in note for note in texts(data))
    file = write(tmp_path / "2" / "d.parquet", fixed(array.reshape(20, 4, 6)))
    _, data = everything(file)
    assert data.input_shape == (1, 4, 6)
    (told,) = [note for note in texts(data) if "read as" in note]
    assert told.startswith("samples of uint8 [4, 6] are read as grey images of 4x6; dataset.form: arrays reads windows")
