"""Labels of any kind become classes: gaps, text, true/false, and what an npz file can hold besides."""

from __future__ import annotations

import numpy as np
import pytest
from datafiles import pixels, read, texts, write_npz

from edgesim.data.datasets import Dataset, DatasetSource, load
from edgesim.data.labels import Labels, classes_of
from edgesim.errors import DataError


@pytest.fixture(autouse=True)
def _own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGESIM_CACHE", str(tmp_path / "cache"))


def found(train: object, test: object, declared: tuple[str, ...] | None = None):
    return classes_of(Labels(np.array(train), "train"), Labels(np.array(test), "test"), declared)


def test_ids_with_gaps_are_numbered_anew_and_keep_their_names(tmp_path):
    ids = np.array([0, 217, 701] * 2)
    data = read("npz", write_npz(tmp_path / "d.npz", y_train=ids, y_test=np.array([701, 0, 217])))
    assert (data.num_classes, data.class_names) == (3, ("0", "217", "701"))
    assert (data.train_labels.tolist(), data.test_labels.tolist()) == ([0, 1, 2] * 2, [2, 0, 1])
    assert texts(data) == [
        "only 3 of 702 class ids (0 to 701) occur in training: the network has 3 outputs, named by their ids 0, 217, "
        "701"
    ]
    assert found([1, 2, 3], [3]).names == ("1", "2", "3")
    assert found([0, 1], [1, 0]).notes == ()


def test_a_network_for_ids_with_gaps_has_the_price_of_its_classes(tmp_path):
    from edgesim.models import MODELS
    from edgesim.models.network_costs import counted

    ids = np.array([0, 217, 482, 491, 497, 500, 601, 650, 700, 701])
    data = read("npz", write_npz(tmp_path / "d.npz", x_train=pixels(10, 8, 8), y_train=ids,
                                 x_test=pixels(10, 8, 8, seed=1), y_test=ids))  # fmt: skip
    workload, _ = counted(MODELS["mlp"](hidden=(32,)), "mlp", data.network_form)
    # 64 x 32 forward and for its weights, 32 x 10 forward, for its weights and for its input; two FLOPs each.
    assert workload.train_flops == 2 * (2 * 64 * 32 + 3 * 32 * 10) == 10_112
    # A third of 1,200 samples in three epochs, as each of three devices does: 12.1 MFLOP, not 171.6.
    assert 3 * 400 * workload.train_flops == pytest.approx(12.1e6, rel=0.01)


def test_a_test_label_that_training_lacks_is_a_fault(tmp_path):
    path = write_npz(tmp_path / "d.npz", y_train=np.array([0, 5, 9] * 2), y_test=np.array([0, 4, 4]))
    message = (
        r"d\.npz, array 'y_test': the label of sample 1 is 4, outside the 3 classes of the training split \(0, 5, 9\)"
    )
    with pytest.raises(DataError, match=message + "; 2 test samples have such labels"):
        read("npz", path)
    with pytest.raises(DataError, match="test: the label of sample 0 is c, outside the 2 classes"):
        found(["a", "b"], ["c"])


@pytest.mark.parametrize("kind", [np.str_, np.bytes_])
def test_text_in_npz(tmp_path, kind):
    words = np.array(["dog", "cat", "emu"] * 2).astype(kind)
    data = read("npz", write_npz(tmp_path / "d.npz", y_train=words, y_test=words[:3, None]))
    assert data.class_names == ("cat", "dog", "emu")
    assert (data.train_labels.tolist(), data.test_labels.tolist()) == ([1, 0, 2] * 2, [1, 0, 2])
    assert texts(data) == ["the labels are text, read as 3 classes in alphabetical order: cat, dog, emu"]


def test_text_that_is_numbers_goes_by_the_numbers():
    digits = found(["10", "9", "1"], ["9", "10", "1"])
    assert (digits.names, digits.train.tolist()) == (("1", "9", "10"), [2, 1, 0])
    assert digits.notes[0].text.endswith("in the order of their numbers: 1, 9, 10")
    assert found(["10", "9", "01"], ["9", "10", "01"]).names == ("01", "10", "9")  # text: "01" is no way to write 1
    assert found(["10", "9", "a"], ["9", "10", "a"]).names == ("10", "9", "a")


def test_text_in_two_unicode_forms_is_one_class():
    both = found(["caf\u00e9", "cafe\u0301", "bar"], ["cafe\u0301"])
    assert (both.names, both.train.tolist(), both.test.tolist()) == (("bar", "caf\u00e9"), [1, 1, 0], [1])
    assert both.notes[1].text.startswith("1 label is written in two Unicode forms (NFC and NFD)")


def test_classes_that_look_alike_stay_apart_and_are_said():
    alike = found(["Cat", "cat", "cat ", "dog"], ["Cat", "cat", "cat ", "dog"])
    assert alike.names == ("Cat", "cat", "cat ", "dog")
    assert alike.notes[1].text == "3 classes differ only in case or spaces and stay apart: 'Cat', 'cat', 'cat '"


def test_one_class_is_said():
    assert found([0, 0], [0]).notes[0].text == "all samples are of one class (0): any network gets all of them right"


@pytest.mark.parametrize(
    ("train", "message"),
    [
        (["a", " "], "train: the label of sample 1 is empty"),
        ([b"a", b"\xff"], r"train: a label is no text in UTF-8"),
        ([0.0, 1.0], "train: the labels are float64"),
        (np.eye(3, dtype=int), "one-hot labels: use argmax"),
        ([1j, 2j], "train: the labels are complex128"),
        (np.array(["2020-01-01", "2020-01-02"], "datetime64[D]"), "train: the labels are datetime64"),
        ([], "train: holds no samples"),
    ],
)
def test_labels_that_are_no_classes(train, message):
    with pytest.raises(DataError, match=message):
        found(train, train)


def test_labels_of_two_kinds():
    message = r"the labels are text \(train\) and whole numbers \(test\); give both splits labels of one kind"
    with pytest.raises(DataError, match=message):
        found(["0", "1"], [0, 1])


def test_true_and_false(tmp_path):
    path = write_npz(tmp_path / "d.npz", y_train=np.array([True, False] * 3), y_test=np.array([True, False, True]))
    data = read("npz", path)
    assert (data.class_names, data.test_labels.tolist()) == (("False", "True"), [1, 0, 1])


def test_classes_without_a_test_sample_are_said(tmp_path):
    data = read("npz", write_npz(tmp_path / "d.npz", y_test=np.array([1, 1, 1])))
    assert texts(data) == ["2 classes have no test sample: 0, 2"]


# --- arrays ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_channels_first_is_a_fault_unless_it_is_said(tmp_path, channels):
    first = {"x_train": pixels(6, channels, 16, 16), "x_test": pixels(3, channels, 16, 16, seed=1)}
    path = write_npz(tmp_path / "d.npz", **first)
    message = rf"channels first\? \[N, {channels}, 16, 16\]; use transpose\(0, 2, 3, 1\)"
    with pytest.raises(DataError, match=r"array 'x_train': .*" + message):
        read("npz", path)
    data = read("npz", path, channels="first")
    assert data.input_shape == (channels, 16, 16)
    assert np.array_equal(data.test_samples, first["x_test"].transpose(0, 2, 3, 1))
    assert read("npz", path, channels="last").input_shape == (16, channels, 16)


@pytest.mark.parametrize("shape", [(3, 16, 3), (1, 16, 1), (4, 8, 3), (2, 5, 6), (16, 3, 3)])
def test_shapes_that_can_be_channels_last_are(tmp_path, shape):
    path = write_npz(tmp_path / "d.npz", x_train=pixels(6, *shape), x_test=pixels(3, *shape, seed=1))
    assert read("npz", path).train_samples.shape == (6, *shape)


def test_a_users_own_class_with_channels_first_is_said():
    class Mine(DatasetSource):
        def load(self, base):
            return Dataset("mine", pixels(2, 3, 9, 9), np.array([0, 1]), pixels(1, 3, 9, 9), np.array([1]), ("a", "b"))

    assert "read as 3x9 pixels of 9 channels; if their channels come first" in texts(load(Mine(), "m:Mine"))[0]


def test_an_alpha_channel_of_an_array_is_an_input(tmp_path):
    path = write_npz(tmp_path / "d.npz", x_train=pixels(6, 5, 5, 4), x_test=pixels(3, 5, 5, 4, seed=1))
    assert texts(read("npz", path)) == [
        "the images have 4 channels, all of them inputs: an alpha channel is not left out"
    ]


def test_arrays_that_are_not_read_are_said(tmp_path):
    data = read("npz", write_npz(tmp_path / "d.npz", x_val=np.zeros(3), y_val=np.zeros(3)))
    assert texts(data) == ["2 arrays are not read: x_val, y_val"]
    assert [(note.kind, note.count) for note in data.notes] == [("left out", 2)]


def test_one_array_in_both_splits_is_a_fault(tmp_path):
    path = write_npz(tmp_path / "d.npz")
    with pytest.raises(DataError, match=r"dataset\.test_samples: 'x_train' is in the training split too"):
        read("npz", path, test_samples="x_train")


def test_samples_that_are_met_twice_are_said(tmp_path):
    train = pixels(6, 4, 4, 3)
    train[3] = train[4] = train[0]
    test = np.concatenate([pixels(1, 4, 4, 3, seed=5), train[1:3]])
    data = read("npz", write_npz(tmp_path / "d.npz", x_train=train, x_test=test))
    assert texts(data) == [
        "2 of 3 test images are in the training split too (equal pixels): accuracy may be lower on new data",
        "2 of 6 training images repeat an earlier one (equal pixels)",
    ]


def test_an_npz_in_capitals_is_found(tmp_path):
    write_npz(tmp_path / "d.npz").rename(tmp_path / "D.NPZ")
    assert len(read("npz", tmp_path).train_labels) == 6


def test_classes_that_a_limit_takes_are_said(tmp_path):
    data = read("npz", write_npz(tmp_path / "d.npz"), limit_train=2, limit_test=2)
    assert texts(data)[-2:] == [
        "limit_train = 2 leaves 1 class without a sample: 2",
        "limit_test = 2 leaves 1 class without a sample: 2",
    ]
