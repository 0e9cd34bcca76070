"""Data sets that Hugging Face's library wrote, saved in a folder or in its cache, are read sample for sample."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datafiles import pixels, png
from PIL import Image

from edgesim.config.validation import build
from edgesim.data.datasets import DATASETS, Dataset, load
from edgesim.errors import DataError


def hf() -> Any:
    """Their library, which only the worker of these tests imports: it takes a second."""
    return pytest.importorskip("datasets", reason="datasets is not installed: pip install 'edgesim[huggingface]'")


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGESIM_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("EDGESIM_DATA", raising=False)


def read(path: object, **keys: Any) -> Dataset:
    return load(DATASETS["huggingface"](path=str(path), **keys), "huggingface")


def images(n: int, seed: int = 0) -> tuple[np.ndarray, Any]:
    """Pixels [n, 5, 4, 3], and the data set of them, with classes in a column of no usual name."""
    arrays = pixels(n, 5, 4, 3, seed=seed)
    features = hf().Features(
        {
            "picture": hf().Image(),
            "animal": hf().ClassLabel(names=["cat", "dog", "owl"]),
            "subject": hf().Value("string"),
        }
    )
    rows = {
        "picture": [{"bytes": png(array), "path": None} for array in arrays],
        "animal": [i % 3 for i in range(n)],
        "subject": [f"s{i % 2}" for i in range(n)],
    }
    return arrays, hf().Dataset.from_dict(rows, features=features)


def test_images_with_classes_and_groups(tmp_path: Path) -> None:
    (train, one), (test, two) = images(7), images(4, seed=1)
    hf().DatasetDict({"train": one, "validation": two}).save_to_disk(str(tmp_path / "saved"))
    before = sorted((tmp_path / "saved").rglob("*"))
    for _ in range(2):  # decoded, then from the cache
        data = read(tmp_path / "saved")
        assert np.array_equal(data.train_samples, train)
        assert np.array_equal(data.test_samples, test)
        assert data.train_labels.tolist() == [0, 1, 2, 0, 1, 2, 0]
        assert data.class_names == ("cat", "dog", "owl")
        assert [data.train_columns["subject"].names[c] for c in data.train_columns["subject"].codes] == [
            "s0",
            "s1",
        ] * 3 + ["s0"]
    assert sorted((tmp_path / "saved").rglob("*")) == before
    assert not list((tmp_path / "cache").glob(".huggingface-*"))
    assert read(tmp_path / "saved", size=(3, 3)).train_samples.shape == (7, 3, 3, 3)


def test_images_that_lie_beside_the_data_set(tmp_path: Path) -> None:
    files = []
    for i, array in enumerate(pixels(6, 4, 4, 3)):
        files.append(str(tmp_path / f"{i}.png"))
        Image.fromarray(array).save(files[-1])
    features = hf().Features({"image": hf().Image(), "label": hf().Value("string")})
    rows = hf().Dataset.from_dict({"image": files, "label": ["a", "b"] * 3}, features=features)
    rows.save_to_disk(str(tmp_path / "saved"))
    for file in files:
        Path(file).unlink()  # `save_to_disk` took them in
    data = read(tmp_path / "saved", test_share=0.5, test_seed=3)
    assert data.class_names == ("a", "b")
    assert len(data.train_labels) + len(data.test_labels) == 6
    assert {array.tobytes() for array in (*data.train_samples, *data.test_samples)} == {
        array.tobytes() for array in pixels(6, 4, 4, 3)
    }


@pytest.mark.parametrize(
    ("feature", "shape", "kind"),
    [
        (lambda: hf().Sequence(hf().Value("float32"), length=6), (6,), np.float32),
        (lambda: hf().Sequence(hf().Value("int16")), (6,), np.int16),
        (lambda: hf().Sequence(hf().Sequence(hf().Value("float32"))), (2, 3), np.float32),
        (lambda: hf().Array2D(shape=(2, 3), dtype="float32"), (2, 3), np.float32),
        (lambda: hf().Array3D(shape=(1, 2, 3), dtype="float32"), (1, 2, 3), np.float32),
    ],
    ids=["fixed sequence", "sequence", "sequence of sequences", "Array2D", "Array3D"],
)
def test_numbers(tmp_path: Path, feature: Any, shape: tuple[int, ...], kind: type) -> None:
    x = np.arange(60).reshape(10, *shape).astype(kind)
    features = hf().Features({"x": feature(), "y": hf().Value("int64")})
    split = hf().Dataset.from_dict({"x": x.tolist(), "y": [i % 2 for i in range(10)]}, features=features)
    hf().DatasetDict({"train": split.select(range(7)), "test": split.select(range(7, 10))}).save_to_disk(
        str(tmp_path / "s")
    )
    data = read(tmp_path / "s", samples="x", label="y")
    assert data.train_samples.dtype == kind
    assert np.array_equal(data.train_samples, x[:7])
    assert np.array_equal(data.test_samples, x[7:])


def test_recordings_are_decoded(tmp_path: Path) -> None:
    pytest.importorskip("soundfile", reason="soundfile, which decodes recordings, is not installed")
    waves = ((np.arange(4 * 80, dtype=np.float32) * 50 - 8000) / 2**15).reshape(4, 80)  # exact in 16 bits
    features = hf().Features({"audio": hf().Audio(sampling_rate=8000), "label": hf().ClassLabel(names=["on", "off"])})
    rows = {"audio": [{"array": wave, "sampling_rate": 8000} for wave in waves], "label": [0, 1, 0, 1]}
    hf().Dataset.from_dict(rows, features=features).save_to_disk(str(tmp_path / "s"))
    data = read(tmp_path / "s", test_share=0.5)
    assert data.train_samples.shape == (2, 1, 80)
    found = {wave.tobytes() for wave in (*data.train_samples, *data.test_samples)}
    assert found == {wave.tobytes() for wave in waves}


def test_the_cache_of_the_library_serves_without_a_network(tmp_path: Path) -> None:
    """In a process of its own: the library reads its environment when it is imported."""
    _, rows = images(6)
    rows.to_parquet(str(tmp_path / "train.parquet"))
    code = f"""
import os
from pathlib import Path
os.environ |= {{"HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": {str(tmp_path / "hub")!r}}}
os.environ["EDGESIM_CACHE"] = {str(tmp_path)!r}
from datasets.packaged_modules.parquet.parquet import Parquet
files = {{"train": [{str(tmp_path / "train.parquet")!r}]}}
made = Parquet(dataset_name="pets", repo_id="someone/pets", hash="0" * 40, data_files=files)
made.download_and_prepare()
cached, = Path({str(tmp_path / "hub" / "someone___pets")!r}).iterdir()
cached.rename(cached.with_name("default"))  # as of the Hub: no digest of local files in its name
from edgesim.data.datasets import DATASETS, load
from edgesim.errors import DataError
data = load(DATASETS["huggingface"](path="someone/pets", test_share=0.5), "huggingface")
print(len(data.train_labels) + len(data.test_labels), data.class_names)
try:
    load(DATASETS["huggingface"](path="someone/zebras"), "huggingface")
except DataError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    lines = done.stdout.strip().splitlines()
    assert lines[0] == "6 ('cat', 'dog', 'owl')", done.stderr
    assert lines[1].startswith("dataset.path: `datasets` cannot give 'someone/zebras'")
    assert "saved folder" in lines[1]


def test_a_saved_folder_that_reads_like_a_name_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, rows = images(6)
    rows.save_to_disk(str(tmp_path / "pets"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"'pets' is a saved folder, and reads like a name on the Hub; write \./pets"):
        load(DATASETS["huggingface"](path="pets"), "huggingface")


def test_whatever_the_library_raises_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**_: object) -> None:
        raise NotImplementedError("no such form\nof a file")

    monkeypatch.setattr(hf(), "load_dataset", broken)
    with pytest.raises(DataError, match=r"cannot give 'someone/pets' \(no such form\); allowed: a data set on the Hub"):
        load(DATASETS["huggingface"](path="someone/pets"), "huggingface")


def test_faults_are_named(tmp_path: Path) -> None:
    _, rows = images(6)
    saved = tmp_path / "saved"
    hf().DatasetDict({"train": rows, "extra": rows.select(range(3))}).save_to_disk(str(saved))
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "x").touch()
    for keys, words in [
        ({}, "has no split test or validation (it has train, extra); name one in dataset.test"),
        ({"train": "trian"}, "dataset.train: .* has no split 'trian' \\(did you mean 'train'"),
        ({"test": "train"}, "'train' is the training split"),
        ({"test": "extra", "test_share": 0.5}, "give one of them only"),
        ({"test": "extra", "label": "kind"}, "train split: has no column 'kind'|kind"),
        ({"test": "extra", "samples": "animal"}, "train split: column 'animal' is"),
    ]:
        with pytest.raises(DataError, match=words.replace("(it", r"\(it").replace("extra);", r"extra\);")) as told:
            read(saved, **keys)
        assert ".huggingface-" not in str(told.value)
    with pytest.raises(DataError, match="is no data set that `save_to_disk` wrote"):
        read(tmp_path / "empty")
    with pytest.raises(DataError, match=r"dataset.root|dataset.path"):
        read(tmp_path / "nowhere")
    for given, words in [
        ({"path": "x", "streaming": True}, "neither a length nor a fixed order"),
        ({"path": " "}, "`path` is empty; name a data set on the Hub, or a saved folder"),
        ({"path": "./x", "config": "en"}, "`path` is a folder"),
        ({}, "dataset.path"),
    ]:
        faults: list[Any] = []
        assert build(DATASETS["huggingface"], given, "dataset", faults) is None
        assert words in f"{faults[0].path} {faults[0]}"
