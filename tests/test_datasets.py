"""Data sets: every reader on small files made here, the cache, the search path, bad input; real data where it lies."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datafiles import image_folder, pixels, png, read, write_npz, write_parquet
from PIL import Image

from edgesim.config.validation import build
from edgesim.data import cache, public, sample_form, sample_limits
from edgesim.data.datasets import DATASETS, Dataset, DatasetSource, describe, find, load
from edgesim.errors import DataError

REAL_DATA = os.environ.get("EDGESIM_DATA")


@pytest.fixture(autouse=True)
def _own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGESIM_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("EDGESIM_DATA", raising=False)


def parquet_folder(folder: Path, train: np.ndarray, test: np.ndarray, **columns: str) -> Path:
    for split, array in (("train", train), ("test", test)):
        labels = [i % 2 for i in range(len(array))]
        write_parquet(folder / f"{split}.parquet", [png(a) for a in array], labels, ["cat", "dog"], **columns)
    return folder


# --- parquet --------------------------------------------------------------------------------------


def test_parquet_pixels_labels_and_names(tmp_path):
    train, test = pixels(5, 4, 6, 3), pixels(3, 4, 6, 3, seed=1)
    data = read("parquet", parquet_folder(tmp_path / "d", train, test))
    assert np.array_equal(data.train_samples, train)
    assert np.array_equal(data.test_samples, test)
    assert data.train_labels.tolist() == [0, 1, 0, 1, 0]
    assert data.train_labels.dtype == np.int64
    assert data.class_names == ("cat", "dog")
    assert (data.num_classes, data.input_shape, data.sample_bytes) == (2, (3, 4, 6), 72)


def test_parquet_grey_images_among_colour_become_rgb_and_grey_sets_stay_grey(tmp_path):
    grey, colour = pixels(1, 4, 4)[0], pixels(1, 4, 4, 3)[0]
    folder = tmp_path / "mixed"
    write_parquet(folder / "train.parquet", [png(grey), png(colour)], [0, 1])
    write_parquet(folder / "test.parquet", [png(grey)], [0])
    data = read("parquet", folder)
    assert np.array_equal(data.train_samples[0], np.repeat(grey[:, :, None], 3, axis=2))
    assert np.array_equal(data.train_samples[1], colour)
    data = read("parquet", parquet_folder(tmp_path / "grey", pixels(4, 5, 5), pixels(2, 5, 5)))
    assert data.input_shape == (1, 5, 5)
    assert np.array_equal(data.train_samples[..., 0], pixels(4, 5, 5))


def test_parquet_shards_validation_split_and_named_columns(tmp_path):
    folder = tmp_path / "d"
    train = pixels(4, 3, 3)
    for shard in (0, 1):
        files = [png(a) for a in train[2 * shard : 2 * shard + 2]]
        write_parquet(folder / "data" / f"train-0000{shard}-of-00002.parquet", files, [0, 1], image="pic", label="kind")
    write_parquet(folder / "data" / "validation-00000.parquet", [png(train[0])], [1], image="pic", label="kind")
    data = read("parquet", folder, label="kind")
    assert np.array_equal(data.train_samples[..., 0], train)
    assert data.train_labels.tolist() == [0, 1, 0, 1]
    assert len(data.test_labels) == 1
    assert len(read("parquet", folder, label="kind", train="data/train-00001*").train_labels) == 2


def test_sizes_that_differ_are_named_and_can_be_resized(tmp_path):
    folder = tmp_path / "d"
    write_parquet(folder / "train.parquet", [png(pixels(1, 4, 4)[0]), png(pixels(1, 6, 5)[0])], [0, 1])
    write_parquet(folder / "test.parquet", [png(np.full((8, 8), 77, np.uint8))], [0])
    with pytest.raises(DataError, match=r"train\.parquet, row 1: is 6x5 .*row 0 is 4x4; give dataset\.size: \[4, 4\]"):
        read("parquet", folder)
    data = read("parquet", folder, size=(3, 2))
    assert data.input_shape == (1, 3, 2)
    assert (data.test_samples == 77).all()


def test_parquet_faults_name_file_and_fix(tmp_path):
    folder = parquet_folder(tmp_path / "d", pixels(4, 8, 8, 3), pixels(2, 8, 8, 3))

    def fault(message: str, **keys) -> None:
        with pytest.raises(DataError, match=message):
            read("parquet", folder, **keys)

    fault(r"no column 'labl', only image, label \(did you mean 'label'\?\); name it in dataset\.label", label="labl")
    fault(r"no column 'imag'.*did you mean 'image'", samples="imag")
    fault(r"the train split is missing \(no trian\.parquet\).*did you mean 'train\.parquet'", train="trian.parquet")
    good = [png(a) for a in pixels(4, 8, 8, 3)]
    for labels, message in [
        ([0, 1, 2, 1], "the label of sample 2 is 2, outside the 2 classes"),
        ([0, 1, -1, 1], "the label of sample 2 is -1"),
        ([0, 1, None, 1], "row 2 has no label"),
        ([0.0, 1.0, 0.5, 1.0], r"column 'label' is double; allowed: whole numbers from 0 on, true/false, or text"),
        (["cat", "dog", "", "dog"], "the label of sample 2 is empty"),
    ]:
        write_parquet(folder / "train.parquet", good, labels, ["cat", "dog"])
        fault(message)
    write_parquet(folder / "train.parquet", [*good[:2], good[2][:90], good[3]], [0, 1, 0, 1])
    fault(r"train\.parquet, row 2: is corrupt")
    write_parquet(folder / "train.parquet", [*good[:3], b"no image"], [0, 1, 0, 1])
    fault(r"train\.parquet, row 3: is no image that Pillow can read")
    write_parquet(folder / "train.parquet", [*good[:3], None], [0, 1, 0, 1])
    fault(r"train\.parquet, row 3: has no image bytes")
    write_parquet(folder / "train.parquet", good, [0, 1, 0, 1])
    whole = (folder / "train.parquet").read_bytes()
    (folder / "train.parquet").write_bytes(whole[: len(whole) // 2])
    fault(r"train\.parquet: is truncated or no parquet file")
    (folder / "train.parquet").write_bytes(b"")
    fault(r"train\.parquet: is truncated or no parquet file")
    pq.write_table(
        pa.table({"image": pa.array([], pa.binary()), "label": pa.array([], pa.int64())}), folder / "e.parquet"
    )
    fault(r"e\.parquet: holds no samples", train="e.parquet")
    (folder / "test.parquet").unlink()
    fault(r"the test split is missing \(no test\.parquet or validation\.parquet")
    assert not list((tmp_path / "cache" / "decoded").glob("*"))  # nothing of all this was cached


# --- image folders and Tiny-ImageNet --------------------------------------------------------------


def test_image_folder(tmp_path):
    data = read("image-folder", image_folder(tmp_path / "d"))
    assert data.class_names == ("ant", "bee")
    assert data.train_samples[:, 0, 0, 0].tolist() == [0, 10, 20, 100, 110, 120]
    assert data.train_labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert data.test_labels.tolist() == [0, 1]


def test_image_folder_faults(tmp_path):
    folder = image_folder(tmp_path / "d")
    (folder / "val" / "be").mkdir()
    with pytest.raises(DataError, match=r"val/be: the training split has no class 'be' \(did you mean 'bee'\?\)"):
        read("image-folder", folder)
    (folder / "val" / "be").rmdir()
    bad = folder / "train" / "bee" / "1.png"
    bad.write_bytes(bad.read_bytes()[:50])  # in the middle of its pixels
    with pytest.raises(DataError, match=r"bee/1\.png: is corrupt"):
        read("image-folder", folder)
    Image.fromarray(np.full((4, 4), 40_000, np.uint16)).save(bad)
    with pytest.raises(DataError, match=r"bee/1\.png: has more than 8 bits"):
        read("image-folder", folder)
    bad.write_bytes(png(pixels(1, 5, 4, 3)[0]))
    with pytest.raises(DataError, match=r"bee/1\.png: is 5x4 \(HxW\), but .*ant/0\.png is 4x4"):
        read("image-folder", folder)
    for name in ("ant", "bee"):
        (folder / "val" / name / "0.png").unlink()
    with pytest.raises(DataError, match="val: holds no images"):
        read("image-folder", folder)
    shutil.rmtree(folder / "val")
    with pytest.raises(DataError, match="the test split is missing"):
        read("image-folder", folder)
    with pytest.raises(DataError, match="is a file; image-folder needs the folder"):
        read("image-folder", bad)


def test_tiny_imagenet_as_its_archive_unpacks(tmp_path):
    base = tmp_path / "d" / "tiny-imagenet-200"
    for c, wnid in enumerate(("n01", "n02")):
        (base / "train" / wnid / "images").mkdir(parents=True)
        (base / "train" / wnid / "images" / f"{wnid}_0.JPEG").write_bytes(png(np.full((4, 4, 3), 50 + c, np.uint8)))
    (base / "val" / "images").mkdir(parents=True)
    for i in range(2):
        (base / "val" / "images" / f"val_{i}.JPEG").write_bytes(png(np.full((4, 4), i, np.uint8)))
    annotations = base / "val" / "val_annotations.txt"
    annotations.write_text("val_0.JPEG\tn02\t0\t0\t1\t1\nval_1.JPEG\tn01\t0\t0\t1\t1\n")
    (base / "words.txt").write_text("n02\tbee, honeybee\nn01\tant\nn99\tother\n")
    data = read("tiny-imagenet", tmp_path / "d")
    assert data.class_names == ("ant", "bee, honeybee")
    assert data.train_samples[:, 0, 0].tolist() == [[50, 50, 50], [51, 51, 51]]
    assert data.test_labels.tolist() == [1, 0]
    assert data.test_samples[1].tolist() == np.ones((4, 4, 3)).tolist()
    annotations.write_text("val_0.JPEG\tn02\t0\t0\t1\t1\nval_1.JP")
    with pytest.raises(DataError, match=r"val_annotations\.txt, line 2"):
        read("tiny-imagenet", base)
    with pytest.raises(DataError, match="does not hold tiny-imagenet; unpack"):
        read("tiny-imagenet", base / "val")


# --- npz ------------------------------------------------------------------------------------------


def test_npz(tmp_path):
    data = read("npz", write_npz(tmp_path / "d.npz", y_train=np.array([[0], [1], [2], [0], [1], [2]], np.uint8)))
    assert np.array_equal(data.train_samples, pixels(6, 4, 4, 3))
    assert data.train_labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert data.class_names == ("0", "1", "2")
    grey = write_npz(tmp_path / "grey.npz", x_train=pixels(6, 4, 4), x_test=pixels(3, 4, 4))
    assert read("npz", grey).input_shape == (1, 4, 4)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"x_train": pixels(6, 4, 4, 3) / 255}, r"'x_train': dtype float64; allowed: uint8"),
        ({"y_train": np.array([0.0, 1, 2, 0, 1, 2])}, r"'y_train': the labels are float64"),
        ({"y_train": np.eye(6, dtype=int)}, r"one-hot labels: use argmax"),
        ({"y_train": np.array([0, 1, 2, 0, 1, -1])}, r"'y_train': the label of sample 5 is -1"),
        ({"y_test": np.array([0, 1, 3])}, r"'y_test': the label of sample 2 is 3, outside the 3 classes"),
        ({"y_train": np.array([0, 1, 2, 0, 1, -(2**40)])}, r"'y_train': the label of sample 5 is -1099511627776"),
        ({"y_train": np.array([0, 1, 2, 0, 1, 2**63 + 5], np.uint64)}, r"'y_train': a label is 9223372036854775813"),
        ({"y_train": np.array([[0, 1]] * 6)}, r"the labels are int64 of shape \[6, 2\]"),
        ({"y_train": np.array(3)}, r"the labels are int64 of shape \[\]"),
        ({"y_train": np.array([0, 1, 2])}, r"6 samples, 3 labels"),
        ({"y_test": None}, r"no array 'y_test', only .*did you mean 'x_test'\?\); name it in dataset\.test_labels"),
        ({"x_train": np.array([[1], [1, 2]], dtype=object)}, r"'x_train' holds Python objects, which could run code"),
        ({"x_train": pixels(6, 3, 40, 40)}, r"shape \[6, 3, 40, 40\]; allowed: .*channels last"),
        ({"x_test": pixels(3, 5, 4, 3)}, r"samples of shape \[5, 4, 3\].* after others of \[4, 4, 3\]"),
        ({"x_train": pixels(0, 4, 4, 3), "y_train": np.array([], int)}, r"holds no samples"),
    ],
)
def test_npz_faults(tmp_path, changed, message):
    path = write_npz(tmp_path / "d.npz", **changed)
    with pytest.raises(DataError, match=message) as caught:
        read("npz", path)
    assert "d.npz" in str(caught.value)


@pytest.mark.parametrize("keep", [0, 100, 0.5, 0.99])
def test_truncated_npz(tmp_path, keep):
    path = write_npz(tmp_path / "d.npz")
    whole = path.read_bytes()
    path.write_bytes(whole[: keep if isinstance(keep, int) else int(keep * len(whole))])
    with pytest.raises(DataError, match=r"d\.npz: is truncated or no \.npz file"):
        read("npz", path)


def test_npz_folder_and_npy(tmp_path):
    write_npz(tmp_path / "d.npz")
    assert len(read("npz", tmp_path).train_labels) == 6
    write_npz(tmp_path / "e.npz")
    with pytest.raises(DataError, match=r"holds 2 \.npz files; name the one to read"):
        read("npz", tmp_path)
    np.save(tmp_path / "a.npy", np.arange(3))
    with pytest.raises(DataError, match=r"a\.npy: is truncated or no \.npz"):
        read("npz", tmp_path / "a.npy")


# --- the public data sets -------------------------------------------------------------------------


def write_idx(path: Path, array: np.ndarray, pack: bool = True) -> None:
    content = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    if pack:
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(content))
    else:
        path.write_bytes(content)


def idx_folder(folder: Path, pack: bool = True) -> Path:
    for part, count in (("train", 20), ("t10k", 10)):
        write_idx(folder / f"{part}-images-idx3-ubyte", pixels(count, 28, 28), pack)
        write_idx(folder / f"{part}-labels-idx1-ubyte", np.arange(count, dtype=np.uint8) % 10, pack)
    return folder


@pytest.mark.parametrize(("where", "pack"), [("FashionMNIST/raw", True), ("raw", False), (".", True)])
def test_idx_layouts(tmp_path, where, pack):
    idx_folder(tmp_path / "d" / where, pack)
    data = read("fashion-mnist", tmp_path / "d")
    assert np.array_equal(data.train_samples[..., 0], pixels(20, 28, 28))
    assert data.test_labels.tolist() == list(range(10))
    assert data.class_names[9] == "Ankle boot"
    assert read("mnist", tmp_path / "d" / where).class_names[9] == "9"


def test_idx_faults(tmp_path):
    folder = idx_folder(tmp_path / "d")
    path = folder / "train-images-idx3-ubyte.gz"
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"no gzip", gzip.compress(gzip.decompress(whole)[:-5])):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz: is truncated or damaged"):
            read("mnist", folder)
    path.write_bytes(whole)
    write_idx(folder / "t10k-labels-idx1-ubyte", np.full(10, 10, np.uint8))
    with pytest.raises(DataError, match="label of sample 0 is 10, outside the 10 classes"):
        read("mnist", folder)
    path.unlink()
    with pytest.raises(DataError, match=r"does not hold mnist; put train-images-idx3-ubyte\.gz"):
        read("mnist", folder)


def cifar_folder(folder: Path, monkeypatch) -> Path:
    """CIFAR-10 in torchvision's layout with 3 images per file, and torchvision's checksums set to these files."""
    import hashlib

    from torchvision.datasets import CIFAR10

    base = folder / "cifar-10-batches-py"
    base.mkdir(parents=True)

    def write(name: str, content: dict) -> str:
        packed = pickle.dumps(content)
        (base / name).write_bytes(packed)
        return hashlib.md5(packed).hexdigest()

    def batch(seed: int) -> dict:
        return {"data": pixels(3, 3, 32, 32, seed=seed).reshape(3, -1), "labels": [0, 5, 9]}

    sums = [[name, write(name, batch(i))] for i, (name, _) in enumerate([*CIFAR10.train_list, *CIFAR10.test_list])]
    meta = write("batches.meta", {"label_names": [f"class {c}" for c in range(10)]})
    monkeypatch.setattr(CIFAR10, "train_list", sums[:5])
    monkeypatch.setattr(CIFAR10, "test_list", sums[5:])
    monkeypatch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": meta})
    return folder


def test_cifar_layout_archive_and_damage(tmp_path, monkeypatch):
    import hashlib

    from torchvision.datasets import CIFAR10

    folder = cifar_folder(tmp_path / "d", monkeypatch)
    data = read("cifar10", folder)
    assert data.train_samples.shape == (15, 32, 32, 3)
    assert np.array_equal(data.train_samples[:3], pixels(3, 3, 32, 32, seed=0).transpose(0, 2, 3, 1))
    assert data.class_names[3] == "class 3"
    packed = tmp_path / "packed"
    packed.mkdir()
    archive = shutil.make_archive(str(packed / "cifar-10-python"), "gztar", folder, "cifar-10-batches-py")
    monkeypatch.setattr(CIFAR10, "tgz_md5", hashlib.md5(Path(archive).read_bytes()).hexdigest())
    packed.chmod(0o500)  # it must not be unpacked where it lies
    again = read("cifar10", packed)
    assert sorted(path.name for path in packed.iterdir()) == ["cifar-10-python.tar.gz"]
    assert np.array_equal(again.train_samples, data.train_samples)
    with (folder / "cifar-10-batches-py" / "data_batch_2").open("ab") as file:
        file.write(b"x")
    with pytest.raises(DataError, match=r"is truncated or damaged .the train split of cifar10"):
        read("cifar10", folder)
    packed.chmod(0o700)
    monkeypatch.setenv("EDGESIM_CACHE", str(tmp_path / "other"))  # where it is not unpacked yet
    Path(archive).write_bytes(b"x")
    with pytest.raises(DataError, match=r"cifar-10-python\.tar\.gz: is truncated or damaged"):
        read("cifar10", packed)


def test_svhn_layout(tmp_path, monkeypatch):
    import hashlib

    from scipy.io import savemat
    from torchvision.datasets import SVHN

    folder = tmp_path / "d"
    folder.mkdir()
    split_list = dict(SVHN.split_list)
    for i, split in enumerate(("train", "test")):
        path = folder / f"{split}_32x32.mat"
        savemat(path, {"X": pixels(4, 32, 32, 3, seed=i).transpose(1, 2, 3, 0), "y": np.array([[10], [1], [2], [9]])})
        url, name, _ = split_list[split]
        split_list[split] = [url, name, hashlib.md5(path.read_bytes()).hexdigest()]
    monkeypatch.setattr(SVHN, "split_list", split_list)
    data = read("svhn", folder)
    assert data.train_labels.tolist() == [0, 1, 2, 9]  # SVHN writes 10 for the digit 0
    assert np.array_equal(data.test_samples, pixels(4, 32, 32, 3, seed=1))


def test_public_sets_are_read_from_parquet_too(tmp_path):
    folder = parquet_folder(tmp_path / "d", pixels(4, 32, 32, 3), pixels(2, 32, 32, 3), image="img", label="fine_label")
    data = read("cifar100", folder)
    assert data.name == "cifar100"
    assert data.train_labels.tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "cifar10", "cifar100", "svhn"])
def test_no_network_says_where_to_put_files(name, tmp_path, monkeypatch):
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")  # nothing listens there: the connection is refused
    for variable in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(DataError, match=f"{name} cannot be downloaded .*check the network, or put ") as caught:
        read(name)
    assert str(tmp_path / "cache" / "datasets" / name) in str(caught.value)
    assert not any((tmp_path / "cache" / "datasets" / name).iterdir())
    with pytest.raises(DataError, match=r"dataset\.download is false; looked in .*EDGESIM_DATA is not set"):
        read(name, download=False)


# --- digits, the search path, the table -----------------------------------------------------------


def test_digits():
    data = read("digits")
    assert (len(data.train_labels), len(data.test_labels)) == (1442, 355)
    assert (data.input_shape, data.num_classes, data.sample_bytes) == ((1, 8, 8), 10, 64)
    # Per class of n samples floor(n / 5) are test: 178, 182, 177, 183, 181, 182, 181, 179, 174, 180.
    assert np.bincount(data.test_labels).tolist() == [35, 36, 35, 36, 36, 36, 36, 35, 34, 36]
    assert data.train_samples.max() == 255
    # The first image and the sum of all pixels, as scikit-learn's load_digits has them.
    zero = """
        0  0  5 13  9  1  0  0
        0  0 13 15 10 15  5  0
        0  3 15  2  0 11  8  0
        0  4 12  0  0  8  8  0
        0  5  8  0  0  9  8  0
        0  4 11  0  1 12  7  0
        0  2 14  5 10 12  0  0
        0  0  6 13 10  0  0  0
    """
    assert np.rint(data.train_samples[0].ravel() * (16 / 255)).tolist() == [int(level) for level in zero.split()]
    assert data.train_labels[:10].tolist() == list(range(10))
    every = np.concatenate([data.train_samples, data.test_samples])[..., 0] * (16 / 255)
    assert np.rint(every).sum() == 561_718
    assert len(every) == 1797


def test_search_path(tmp_path, monkeypatch):
    assert find(None, "mnist") is None
    cached = tmp_path / "cache" / "datasets" / "mnist"
    idx_folder(cached)
    assert find(None, "mnist") == cached
    data = tmp_path / "data" / "mnist"
    data.mkdir(parents=True)
    monkeypatch.setenv("EDGESIM_DATA", str(tmp_path / "data"))
    assert find(None, "mnist") == cached  # an empty folder is passed over
    idx_folder(data)
    assert find(None, "mnist") == data
    assert find("mnist", "anything") == data  # a relative root is looked for in EDGESIM_DATA too
    assert find("here", "anything", relative_to=_made(tmp_path / "scenarios" / "here").parent) == (
        tmp_path / "scenarios" / "here"
    )
    with pytest.raises(DataError, match=r"dataset\.root: 'nowhere' does not exist"):
        find("nowhere", "mnist")
    (data / "train-images-idx3-ubyte.gz").unlink()
    assert len(read("mnist", download=True).train_labels) == 20  # what holds no mnist is passed over for the cache


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def test_table_describes_and_checks():
    assert list(DATASETS) == [
        "digits", "mnist", "fashion-mnist", "cifar10", "cifar100", "svhn", "tiny-imagenet", "parquet", "image-folder",
        "npz", "csv", "voc", "huggingface",
    ]  # fmt: skip
    assert set(public.PUBLIC) < set(DATASETS)
    for name in DATASETS:
        assert describe(name).endswith(".")
    for name, given, path in [
        ("parquet", {}, "dataset.root"),
        ("npz", {"root": 3}, "dataset.root"),
        ("digits", {"test_share": 1.0}, "dataset.test_share"),
        ("digits", {"root": "x"}, "dataset.root"),
        ("mnist", {"limit_train": 0}, "dataset.limit_train"),
        ("image-folder", {"root": "x", "size": [32, 0]}, "dataset.size[1]"),
    ]:
        faults = []
        assert build(DATASETS[name], given, "dataset", faults) is None
        assert [fault.path for fault in faults] == [path]


def test_a_users_own_data_set():
    class Mine(DatasetSource):
        def load(self, base):
            assert base is None
            return Dataset(
                "mine", pixels(3, 2, 2, 1), np.array([0, 1, 0]), pixels(1, 2, 2, 1), np.array([1]), ("a", "b")
            )

    assert load(Mine(), "my_package.data:Mine").num_classes == 2


# --- Dataset ---------------------------------------------------------------------------------


def dataset(train: np.ndarray, labels: list[int], classes: int = 3) -> Dataset:
    names = tuple(str(c) for c in range(classes))
    return Dataset("hand", train, np.array(labels), train[:1], np.array(labels[:1]), names)


def test_normalisation_by_hand_and_across_chunks(monkeypatch):
    train = np.zeros((2, 1, 2, 2), np.uint8)
    train[:, :, :, 0] = [[[0, 255]], [[255, 255]]]  # mean 3/4, variance 3/16
    train[:, :, :, 1] = 51  # constant 0.2
    mean, std = dataset(train, [0, 1]).normalisation()
    assert mean.dtype == std.dtype == np.float32
    assert mean == pytest.approx([0.75, 0.2])
    assert std == pytest.approx([np.sqrt(3) / 4, 1.0])  # a constant channel: divide by 1
    train = pixels(50, 6, 5, 3)
    monkeypatch.setattr(sample_form, "CHUNK", 7)
    data = dataset(train, [0] * 50)
    mean, std = data.normalisation()
    assert mean == pytest.approx(train.reshape(-1, 3).mean(axis=0) / 255, rel=1e-6)
    assert std == pytest.approx(train.reshape(-1, 3).std(axis=0) / 255, rel=1e-6)
    assert data.normalisation()[0] is mean  # computed once


def test_arrays_are_read_only_and_survive_pickling(tmp_path):
    data = read("npz", write_npz(tmp_path / "d.npz"))
    for array in (data.train_samples, data.train_labels, data.test_samples):
        assert type(array) is np.ndarray
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    buffers: list[pickle.PickleBuffer] = []
    small = pickle.dumps(data, protocol=5, buffer_callback=buffers.append)
    assert len(buffers) == 4  # the arrays go out of band: Ray shares them without a copy
    again = pickle.loads(small, buffers=buffers)
    assert np.array_equal(again.train_samples, data.train_samples)
    assert np.array_equal(again.normalisation()[0], data.normalisation()[0])


def test_image_dataset_refuses_what_does_not_fit():
    train = pixels(3, 2, 2, 1)
    with pytest.raises(DataError, match="3 train samples, 2 labels"):
        dataset(train, [0, 1])
    with pytest.raises(DataError, match="from 0 to 7; allowed: integers 0 to 2"):
        dataset(train, [0, 1, 7])
    with pytest.raises(DataError, match=r"dtype float64; allowed: uint8.*use astype\(float32\)"):
        dataset(train.astype(np.float64), [0, 1, 2])


def test_limits_keep_proportions_in_file_order():
    # 8 of class 0, 4 of class 1, sorted by class: 3 of them are 2 + 1, the first of each.
    train = np.arange(12, dtype=np.uint8).reshape(12, 1, 1, 1)
    data = dataset(train, [0] * 8 + [1] * 4, classes=2)
    small = sample_limits.limited(data, 3, None)
    assert small.train_samples.ravel().tolist() == [0, 1, 8]
    assert small.train_labels.tolist() == [0, 0, 1]
    assert small.test_labels.tolist() == [0]
    assert sample_limits.limited(data, 12, 5) is data
    assert len(read("digits", limit_train=100, limit_test=10).train_labels) == 100


# --- the cache ------------------------------------------------------------------------------------


def entry(tmp_path: Path) -> Path:
    (found,) = (tmp_path / "cache" / "decoded").iterdir()
    return found


def test_decoded_once_and_keyed_by_content(tmp_path, monkeypatch):
    folder = parquet_folder(tmp_path / "d", pixels(5, 4, 4, 3), pixels(2, 4, 4, 3))
    first = read("parquet", folder)

    def fail(*_: object) -> None:
        raise AssertionError("decoded again")

    with monkeypatch.context() as patch:
        patch.setattr(cache, "_write", fail)
        assert np.array_equal(read("parquet", folder).train_samples, first.train_samples)
        moved = shutil.copytree(folder, tmp_path / "elsewhere")
        read("parquet", moved)  # the same content in another place
        os.utime(moved / "train.parquet", (1, 1))
        read("parquet", moved)
        with pytest.raises(AssertionError):
            read("parquet", folder, size=(2, 2))
    parquet_folder(folder, pixels(5, 4, 4, 3, seed=9), pixels(2, 4, 4, 3))
    assert np.array_equal(read("parquet", folder).train_samples, pixels(5, 4, 4, 3, seed=9))
    assert np.array_equal(first.train_samples, pixels(5, 4, 4, 3))  # what was read stays


@pytest.mark.parametrize("name", ["train_samples.npy", "train_labels.npy", "test_samples.npy", "meta.json"])
@pytest.mark.parametrize("keep_bytes", [0, 60, -1])
def test_truncated_cache_is_rebuilt(tmp_path, name, keep_bytes):
    path = write_npz(tmp_path / "d.npz")
    expected = read("npz", path).train_samples.copy()
    broken = entry(tmp_path) / name
    broken.write_bytes(broken.read_bytes()[:keep_bytes])
    assert np.array_equal(read("npz", path).train_samples, expected)
    meta = json.loads((entry(tmp_path) / "meta.json").read_text())
    assert (entry(tmp_path) / "train_samples.npy").stat().st_size == meta["sizes_bytes"]["train_samples"]


def test_cache_entry_with_a_missing_file_is_rebuilt(tmp_path):
    path = write_npz(tmp_path / "d.npz")
    read("npz", path)
    (entry(tmp_path) / "test_labels.npy").unlink()
    assert len(read("npz", path).test_labels) == 3


def test_large_sources_are_hashed_by_samples(tmp_path, monkeypatch):
    path = tmp_path / "d.npz"
    content = bytearray(b"x" * 5_000_000)
    path.write_bytes(content)
    reading = cache.DatasetFiles("npz", tmp_path, (path,), lambda: None)
    whole = cache.fingerprint(reading)
    monkeypatch.setattr(cache, "FULL_HASH_BYTES", 1_000_000)
    sampled = cache.fingerprint(reading)
    assert sampled != whole
    assert sampled == cache.fingerprint(reading)
    state = path.stat()
    content[-1:] = b"y"
    path.write_bytes(content)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert cache.fingerprint(reading) != sampled  # the last block is one of the samples
    content[-1:] = b"x"
    path.write_bytes(content)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert cache.fingerprint(reading) == sampled
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns + 1))
    assert cache.fingerprint(reading) != sampled


def test_cache_that_cannot_be_written_says_so(tmp_path, monkeypatch):
    path = write_npz(tmp_path / "d.npz")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EDGESIM_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match=r"cannot be written .*EDGESIM_CACHE"):
        read("npz", path)


def test_processes_that_decode_at_once_agree(tmp_path):
    path = write_npz(tmp_path / "d.npz", x_train=pixels(2000, 16, 16, 3), y_train=np.arange(2000) % 3,
                     x_test=pixels(9, 16, 16, 3), y_test=np.arange(9) % 3)  # fmt: skip
    code = (
        "import sys, time; from edgesim.data.datasets import DATASETS, load; import numpy as np\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "for _ in range(3): data = load(DATASETS['npz'](root=sys.argv[1]), 'npz')\n"
        "print(int(data.train_samples.sum(dtype=np.int64)))"
    )
    command = [sys.executable, "-c", code, str(path)]
    started = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    for process in started:
        assert process.stdout.readline() == "ready\n"
    sums = [process.communicate("go\n", timeout=60)[0].strip() for process in started]
    assert sums == [str(int(pixels(2000, 16, 16, 3).sum(dtype=np.int64)))] * 3
    assert [process.returncode for process in started] == [0, 0, 0]
    assert not [p.name for p in (tmp_path / "cache" / "decoded").iterdir() if p.name.startswith(".")]
    entry(tmp_path)  # exactly one


# --- real data ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "root", "shape", "train", "test", "classes", "mean"),
    [
        ("fashion-mnist", None, (1, 28, 28), 60_000, 10_000, 10, [0.2860]),
        ("tiny-imagenet", "tiny-imagenet-20", (3, 64, 64), 10_000, 1_000, 20, None),
    ],
)
def test_real_data(name, root, shape, train, test, classes, mean, monkeypatch):
    folder = Path(REAL_DATA or "nowhere") / (root or name)
    if not folder.is_dir():
        pytest.skip(f"needs {root or name} in the folder that EDGESIM_DATA names")
    monkeypatch.setenv("EDGESIM_DATA", str(REAL_DATA))
    data = read(name, Path(root) if root else None)
    assert data.input_shape == shape
    assert (len(data.train_labels), len(data.test_labels), data.num_classes) == (train, test, classes)
    assert set(np.bincount(data.train_labels)) == {train // classes}
    if mean:  # the published means
        assert data.normalisation()[0] == pytest.approx(mean, abs=5e-4)


def test_real_cifar10():
    """All labels, and all images of the test split; those of the training split would take 15 s."""
    folder = Path(REAL_DATA or "nowhere") / "cifar10"
    if not folder.is_dir():
        pytest.skip("needs cifar10 in the folder that EDGESIM_DATA names")
    raw = public.dataset_files(public.PUBLIC["cifar10"], folder).decode().checked()
    assert [np.bincount(split.labels).tolist() for split in (raw.train, raw.test)] == [[5000] * 10, [1000] * 10]
    test = np.concatenate(list(raw.test.chunks()))
    assert (test.shape, test.dtype) == ((10_000, 32, 32, 3), np.uint8)
    # The published means of the test split; JPEG moves them in the fourth digit.
    assert test.mean((0, 1, 2)) / 255 == pytest.approx([0.4942, 0.4851, 0.4504], abs=5e-4)
    first = next(iter(raw.train.samples(np.arange(3))))
    assert first.shape == (3, 32, 32, 3)
