"""Samples of every kind, by hand: forms, moments, missing numbers, ranges of a target, metrics, pictures."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import edgesim
from edgesim import report
from edgesim.data import drawings
from edgesim.data.datasets import DATASETS, load
from edgesim.data.missing_values import MissingValues
from edgesim.data.raw_dataset import as_samples
from edgesim.data.sample_form import SampleForm, form_of, moments
from edgesim.data.targets import ranges_of
from edgesim.errors import DataError
from edgesim.runtime import SerialExecutor
from edgesim.training.array_inputs import ArrayInputs
from edgesim.training.regression import RegressionTask

WINDOWS = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


@pytest.mark.parametrize(
    ("array", "channels", "shape", "axis"),
    [
        (np.zeros((5, 8, 9), np.uint8), None, (1, 8, 9), -1),  # grey images
        (np.zeros((5, 8, 9, 3), np.uint8), None, (3, 8, 9), -1),
        (np.zeros((5, 3, 8, 9), np.uint8), "first", (3, 8, 9), -1),
        (np.zeros((5, 3, 80), np.float32), None, (3, 80), 0),
        (np.zeros((5, 80, 3), np.float16), "last", (3, 80), 0),
        (np.zeros((5, 1, 32, 48), np.float32), None, (1, 32, 48), 0),
        (np.zeros((5, 32, 48, 1), np.float32), "last", (1, 32, 48), 0),
        (np.zeros((5, 7), np.int16), None, (7,), 0),
        (np.zeros((5, 7), np.uint8), None, (7,), 0),
        (np.full((5, 7), 41, np.int32), None, (7,), None),
    ],
    ids=str,
)
def test_forms_of_arrays(array: np.ndarray, channels: Any, shape: tuple[int, ...], axis: int | None) -> None:
    samples, form = as_samples(array, "x", channels)
    assert (form.input_shape(samples.shape[1:]), form.channel_axis) == (shape, axis)
    assert form.vocabulary == (42 if axis is None else 0)


def test_bytes_are_windows_or_images_as_the_form_says(tmp_path: Path) -> None:
    windows = np.arange(5 * 3 * 80, dtype=np.uint8).reshape(5, 3, 80)
    spectrograms = np.arange(5 * 32 * 48, dtype=np.uint8).reshape(5, 1, 32, 48)
    for array in (windows, spectrograms):
        samples, form = as_samples(array, "x", None, "arrays")
        assert (form.channel_axis, form.input_shape(samples.shape[1:])) == (0, array.shape[1:])
        assert (samples == array).all()
    samples, form = as_samples(windows.transpose(0, 2, 1), "x", "last", "arrays")
    assert (samples == windows).all()
    samples, form = as_samples(windows, "x", None, "images")
    assert (form.channel_axis, samples.shape) == (-1, (5, 3, 80, 1))
    with pytest.raises(DataError, match=r"\[5, 80, 3\] would be 80 channels; say in dataset.channels"):
        as_samples(windows.transpose(0, 2, 1), "x", None, "arrays")
    with pytest.raises(DataError, match=r"float32 of shape \[5, 3, 80\]; dataset.form: images needs uint8"):
        as_samples(windows.astype(np.float32), "x", None, "images")

    path, labels = tmp_path / "d.npz", np.array([0, 1, 0, 1, 0])
    np.savez(path, x_train=windows, y_train=labels, x_test=windows, y_test=labels)
    told = "samples of uint8 [3, 80] are read as grey images of 3x80; dataset.form: arrays reads windows "
    told += "[channels, time], and form: images omits this note"
    for given, shape, notes in (
        ({}, (1, 3, 80), [told]),
        ({"form": "images"}, (1, 3, 80), []),
        ({"form": "arrays"}, (3, 80), []),
    ):
        data = load(DATASETS["npz"](root=str(path), **given), "npz")
        assert data.input_shape == shape
        assert [note.text for note in data.notes if "read as" in note.text] == notes
    mean, _ = data.normalisation()
    assert mean == pytest.approx(windows.mean(axis=(0, 2)) / 255, rel=1e-6)  # a mean for each channel


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((5, 80, 3), np.float32), r"shape \[5, 80, 3\] would be 80 channels; say in dataset.channels"),
        (np.zeros((5, 32, 48, 3), np.float32), r"would be 32 channels; say in dataset.channels"),
        (np.zeros((5, 4)), r"dtype float64; allowed: .*; use astype\(float32\)"),
        (np.zeros((5, 4), np.int64), r"use astype\(float32\), of token ids astype\(int32\)"),
        (np.zeros((5, 3, 4), np.int32), "int32 is for token ids"),
        (np.full((5, 4), -1, np.int32), "holds the token id -1; allowed: 0 or more"),
        (np.zeros((5, 0, 4), np.float32), "no axis empty"),
        (np.zeros((0, 3, 4), np.float32), "holds no samples"),
        (np.zeros(5, np.float32), r"shape \[5\]; allowed: \[N, features\]"),
    ],
)
def test_arrays_that_are_no_samples(array: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        as_samples(array, "x", None)


def test_moments_by_hand() -> None:
    mean, deviation = moments(WINDOWS, SampleForm(0))
    assert mean.tolist() == [7.5, 11.5, 15.5]  # 0..3 and 12..15, and so on
    assert deviation == pytest.approx([np.sqrt(36 + 1.25)] * 3)
    mean, deviation = moments(WINDOWS, SampleForm(0, "feature"))
    assert mean.tolist() == (np.arange(12).reshape(3, 4) + 6).tolist()
    assert deviation == pytest.approx(np.full((3, 4), 6))
    mean, deviation = moments(WINDOWS, SampleForm(0, "none"))
    assert (mean.tolist(), deviation.tolist()) == ([0] * 3, [1] * 3)
    tiny = np.array([[[1e-9, 3e-9]], [[1e-9, 3e-9]]], np.float32)  # small numbers are no constant
    assert moments(tiny, SampleForm(0))[1] == pytest.approx([1e-9], rel=1e-4)
    images = np.full((2, 1, 1, 3), 51, np.uint8)
    assert moments(images, SampleForm(-1, "feature"))[0].shape == (3, 1, 1)
    assert moments(images, SampleForm(-1, "feature"))[0].ravel() == pytest.approx([0.2] * 3)


def test_inputs_are_normalised_by_the_training_split() -> None:
    inputs = ArrayInputs(WINDOWS, moments(WINDOWS, SampleForm(0)), "cpu", SampleForm(0))
    found = inputs(slice(None))
    assert found.mean(dim=(0, 2)).tolist() == pytest.approx([0] * 3, abs=1e-6)
    assert found.std(dim=(0, 2), unbiased=False).tolist() == pytest.approx([1] * 3)
    assert inputs(slice(0, 1))[0, 0, 0].item() == pytest.approx(-7.5 / np.sqrt(37.25))
    tokens = np.array([[4, 0, 2]], np.int32)
    form = form_of(tokens)
    assert ArrayInputs(tokens, moments(tokens, form), "cpu", form)(slice(None)).tolist() == [[4, 0, 2]]


def test_missing_numbers_are_filled_in_as_asked() -> None:
    gone = WINDOWS.copy()
    gone[1, 2, 1] = gone[0, 0, 3] = np.nan

    def filled(rule: Any, array: np.ndarray = gone) -> np.ndarray:
        missing = MissingValues(rule)
        missing.learn(lambda: [array], "x")
        found = np.concatenate(list(missing.filled([array], "train", "x")))
        assert [note.count for note in missing.notes()] == [2]
        return found

    assert filled("zero")[1, 2, 1] == filled("zero")[0, 0, 3] == 0
    assert filled("previous")[1, 2, 1] == WINDOWS[1, 2, 0]
    assert filled("previous")[0, 0, 3] == 2
    assert filled("mean")[0, 0, 3] == pytest.approx((0 + 1 + 2 + 12 + 13 + 14 + 15) / 7)
    with pytest.raises(DataError, match=r"x: sample 0 holds a missing number \(NaN\), as does at least 1 other;"):
        filled("refuse")
    gone[1, 1, 0] = np.nan
    with pytest.raises(DataError, match="sample 1 begins with a missing number"):
        filled("previous")
    with pytest.raises(DataError, match="sample 0 holds an infinite number"):
        filled("zero", np.where(np.isnan(gone), np.inf, gone))


def test_ranges_of_a_target() -> None:
    train = np.arange(100, dtype=np.float32)[:, None]
    (labels, others), names = ranges_of(train, np.array([[-5.0], [9.5], [500.0]], np.float32))
    assert np.bincount(labels).tolist() == [11, *[10] * 8, 9]  # an upper edge belongs to its range
    assert others.tolist() == [0, 0, 9]
    assert (names[0], names[1], names[-1]) == ("at most 10", "above 10 to 20", "above 90")
    (labels,), names = ranges_of(np.full((4, 1), 2.5, np.float32))
    assert (labels.tolist(), names) == ([0] * 4, ["2.5"])


def test_metrics_of_a_regression_by_hand() -> None:
    targets = np.array([[1.0], [2.0], [3.0], [6.0]])
    inputs = ArrayInputs(np.zeros((4, 1), np.float32), (np.zeros(1), np.ones(1)), "cpu", SampleForm(0))
    task = RegressionTask(inputs, targets, (np.array([3.0]), np.array([2.0])), np.array([0, 0, 1, 1]), 2)
    outputs = (torch.tensor([[1.0], [2.0], [5.0], [3.0]]) - 3) / 2  # errors 0, 0, 2, -3 in units of the targets
    losses = task.losses(outputs, slice(None))
    assert losses.tolist() == pytest.approx([0, 0, 1, 2.25])  # in units of the deviation
    results = task.results(outputs, slice(None))
    assert task.running(results).tolist() == pytest.approx([0, 0, 2, 3])
    scores = task.scores(losses.double().numpy(), [results[:3], results[3:]], own=np.array([2, 3]))
    assert scores.metrics == pytest.approx({"mae": 1.25, "mse": 13 / 4, "r2": 1 - 13 / 14})
    assert scores.per_class["mae"].tolist() == pytest.approx([0, 2.5])
    assert scores.own == pytest.approx({"mae": 2.5, "mse": 6.5, "r2": 1 - 13 / 4.5})


def test_samples_of_every_kind_can_be_looked_at() -> None:
    rising = np.linspace(0, 1, 20, dtype=np.float32)[None, None]
    drawn = drawings.as_images(rising, SampleForm(0))
    assert drawn.shape == (1, 32, 32, 1)
    assert drawn[0, -1, 0, 0] == drawn[0, 0, -1, 0] == 0  # the line begins below and ends above
    assert drawn[0, 0, 0, 0] == 255
    planes = np.zeros((1, 1, 4, 5), np.float32)
    planes[0, 0, 0] = 1  # the lowest band
    assert drawings.as_images(planes, SampleForm(0))[0, -1, 0, 0] == 255
    assert drawings.as_images(np.ones((2, 7), np.float32), SampleForm(0)).shape == (2, 32, 32, 1)
    assert drawings.as_images(np.ones((2, 7), np.int32), SampleForm(None, "none", 2)).shape == (2, 0, 0, 1)


def write(path: Path, **changes: Any) -> Path:
    """Windows whose mean is the target, and classes by it."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(90, 2, 12)).astype(np.float32) + rng.normal(size=(90, 1, 1)).astype(np.float32)
    y = (x.mean(axis=(1, 2)) > 0).astype(np.int64)
    np.savez(path, **{"x_train": x[:70], "y_train": y[:70], "x_test": x[70:], "y_test": y[70:], **changes})
    return path


def test_npz_names_the_array_that_is_at_fault(tmp_path: Path) -> None:
    gone = np.ones((70, 2, 12), np.float32)
    gone[7, 1, 3] = np.nan
    for changes, given, message in (
        ({"x_train": gone}, {}, r"array 'x_train': sample 7 holds a missing number"),
        ({"x_test": gone[:20, :, :6]}, {"missing": "zero"}, r"array 'x_test': samples of shape \[2, 6\]"),
        ({"y_train": np.arange(70) / 2}, {}, r"array 'y_train': .*\(numbers to predict: dataset.task: regression\)"),
        ({"y_train": np.array(["a"] * 70)}, {"task": "regression"}, "array 'y_train': .* leave out `task: regression`"),
    ):
        path = write(tmp_path / "d.npz", **changes)
        with pytest.raises(DataError, match=message):
            load(DATASETS["npz"](root=str(path), **given), "npz")


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_windows_are_trained_from_file_to_record(tmp_path: Path, task: str) -> None:
    path = write(tmp_path / "d.npz")
    if task == "regression":
        with np.load(path) as file:
            means = {f"y_{split}": file[f"x_{split}"].mean(axis=(1, 2)) for split in ("train", "test")}
        write(path, **means)
    document = {
        "name": "windows",
        "dataset": {"name": "npz", "root": str(path), "task": task},
        "partition": "iid",
        "fleet": {"groups": [{"profile": "raspberry-pi-4b", "count": 2}]},
        "model": "cnn1d",
        "training": {"epochs": 3, "batch_size": 8, "augment": ["jitter"]},
        "pruning": {"methods": ["full", "random", "importance"], "keep_ratio": [0.4]},
    }
    run = edgesim.run(edgesim.load_scenario(document), tmp_path / "run", executor=SerialExecutor())
    assert (run.records["status"] == "ok").all()
    assert run.task.name == task
    if task == "classification":
        assert run.records["test_accuracy"].between(0, 1).all()
        assert "test_mae" not in run.records
        return
    assert "test_accuracy" not in run.records
    assert (run.records["test_mae"] ** 2 <= run.records["test_mse"] + 1e-12).all()
    assert run.records[["local_mae", "train_mae", "test_r2"]].notna().all(axis=None)
    assert run.curves["subset_mae"].notna().all()
    _has_no_classes(report.write(run, tmp_path / "page.html").read_text(encoding="utf-8"))
    half = load(DATASETS["npz"](root=str(path), task=task, limit_train=2), "npz")
    assert not any("class" in note.text for note in half.notes)


def _has_no_classes(page: str) -> None:
    """The page of a regression speaks of ranges of its target; keys of columns are all that is called classes."""
    text = re.sub(r"<script.*?</script>|<style.*?</style>|<code>.*?</code>", " ", page, flags=re.DOTALL)
    shown = html.unescape(re.sub(r"<[^>]*>", " ", text))
    assert re.findall(r"[^.]*\bclass(?:es)?\b[^.]*", shown, re.IGNORECASE) == []
    labels = re.findall(r'(?:aria-label|alt|title)="([^"]*)"', text)
    assert [label for label in labels if re.search(r"\bclass(es)?\b", label, re.IGNORECASE)] == []
    assert "Ranges of the target" in shown
    assert "Each range of the target holds about equally many samples." in shown
