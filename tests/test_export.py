"""`edgesim export` and `load_model`: files are read back by edgesim, torchvision and Hugging Face `datasets`."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch
from commands import command
from conftest import DOCUMENT, RUN_INFO
from datafiles import pixels, png, read, write_parquet

import edgesim
from edgesim import api
from edgesim.data.cache import content_key
from edgesim.data.dataset import Dataset
from edgesim.errors import EdgesimError, RunError
from edgesim.records import MethodOutputs, Record, TrialResult
from edgesim.results.exporting.folder import export
from edgesim.results.exporting.subset import subset_of
from edgesim.results.run_folder import SCENARIO, Run
from edgesim.results.serialization import tables
from edgesim.results.table_files import write_table
from edgesim.runtime import SerialExecutor
from edgesim.runtime.worker_cache import WorkerCache
from edgesim.scenario import loading
from edgesim.scenario.experiment import configure, load_dataset
from edgesim.tasks import TASKS
from edgesim.training import evaluation
from edgesim.training.settings import STACK_SLOTS

needs_safetensors = pytest.mark.skipif(
    importlib.util.find_spec("safetensors") is None, reason="safetensors, which writes weights, is not installed"
)


PRICES = (
    "test_loss", "train_loss", "cost_j", "device_startup_s", "device_score_time_s", "device_train_time_s",
    "device_time_s", "device_score_energy_j", "device_energy_j", "analytic_time_s", "analytic_energy_j", "host_wall_s",
)  # fmt: skip


class Made(NamedTuple):
    run: Run
    data: Dataset


def made_of(folder: Path, dataset: dict[str, Any], kept: dict[int, list[int]], model: Any = "mlp") -> Made:
    """A finished run by hand: device -> training samples that `importance` kept, with scores 10, 9, 8, …"""
    document = {**DOCUMENT, "dataset": dataset, "model": model, "partition": "iid",
                "fleet": {"groups": [{"profile": "raspberry-pi-4b", "count": len(kept)}]}}  # fmt: skip
    scenario = loading.from_document(document, "own.yaml", folder)
    data = load_dataset(scenario)
    values = {metric.column(of): 0.5 for metric in TASKS[data.task].metrics for of in ("test", "local", "train")}
    measured: dict[str, Any] = values if data.task == "classification" else {"metrics": values}
    costs = dict.fromkeys(PRICES, 1.0)
    results = []
    for device, rows in kept.items():
        record = Record("own", 0, device, "raspberry-pi-4b", "importance", 0.5, "ok", shard_size=2 * len(rows),
                        subset_size=len(rows), **costs, **measured)  # fmt: skip
        outputs = MethodOutputs(10.0 - np.arange(len(rows)), np.array(rows))
        results.append(TrialResult(record, kept=np.array(rows), outputs=outputs))
    place = folder / "run"
    place.mkdir()
    for name, table in tables(results, data.task).items():
        write_table(place, name, table)
    (place / SCENARIO).write_text(scenario.to_yaml())
    info = {**RUN_INFO, "status": "finished", "scenario_folder": str(folder), "task": data.task,
            "identity": {"data": content_key(data)}}  # fmt: skip
    (place / "run.json").write_text(json.dumps(info))
    return Made(Run(place), data)


def exported(made: Made, form: str, device: int | None = None, with_test: bool = True) -> tuple[Path, pd.DataFrame]:
    out = made.run.path.parent / form
    card = export(subset_of(made.run, "importance", 0.5, device=device), form, out, with_test)
    assert json.loads((out / "card.json").read_text()) == json.loads(json.dumps(card))
    return out, pd.read_csv(out / "kept.csv", keep_default_na=False)


def read_back(out: Path) -> Dataset:
    """The exported folder by the section in its card."""
    section = dict(json.loads((out / "card.json").read_text())["dataset"])
    name, root = section.pop("name"), out / section.pop("root")
    return read(
        name, root, **{key: tuple(value) if isinstance(value, list) else value for key, value in section.items()}
    )


def assert_same_images(found: Dataset, made: Made, rows: list[int]) -> None:
    assert np.array_equal(found.train_samples, made.data.train_samples[rows])
    wanted = [made.data.class_names[label] for label in made.data.train_labels[rows]]
    assert [found.class_names[label] for label in found.train_labels] == wanted
    assert np.array_equal(found.test_samples, made.data.test_samples)


@pytest.fixture
def folder_run(tmp_path: Path) -> Made:
    """Images of two classes; a test split is drawn, so that rows of the training set are not rows of the folder."""
    for c, name in enumerate(("ant", "bee")):
        (tmp_path / "data" / name).mkdir(parents=True)
        for i, image in enumerate(pixels(6, 5, 4, 3, seed=c)):
            (tmp_path / "data" / name / f"{name}{i}.png").write_bytes(png(image))
    section = {"name": "image-folder", "root": "data", "test_share": 0.34}
    return made_of(tmp_path, section, {0: [1, 6], 1: [0, 3]}, {"name": "mlp", "hidden": [4]})


def test_a_list_names_rows_files_and_scores_of_the_original(folder_run: Made) -> None:
    out, listed = exported(folder_run, "indices", with_test=False)
    assert sorted(path.name for path in out.iterdir()) == ["card.json", "kept.csv"]
    assert listed["index"].tolist() == [0, 1, 3, 6]
    assert listed["device"].tolist() == [1, 0, 1, 0]
    assert listed["score"].tolist() == [10, 10, 9, 9]
    originals = folder_run.run.path.parent / "data"
    for index, file in zip(listed["index"], listed["file"], strict=True):
        from PIL import Image

        with Image.open(originals / file) as image:
            assert np.array_equal(np.asarray(image), folder_run.data.train_samples[index])
    card = json.loads((out / "card.json").read_text())
    assert (card["seed"], card["method"], card["keep_ratio"], card["kept"]) == (0, "importance", [0.5], 4)
    assert card["made_with"]["content_keys"] == {"data": content_key(folder_run.data)}
    assert card["scenario"]["dataset"]["test_share"] == 0.34
    assert exported(folder_run, "npz", device=1)[1]["index"].tolist() == [0, 3]


def test_an_image_folder_is_read_by_edgesim_torchvision_and_datasets(folder_run: Made, tmp_path: Path) -> None:
    from torchvision.datasets import ImageFolder

    out, listed = exported(folder_run, "image-folder")
    rows = [0, 1, 3, 6]
    assert_same_images(read_back(out), folder_run, rows)
    assert [Path(file).stem for file in listed["written"]] == [Path(file).stem for file in listed["file"]]
    by_torchvision = ImageFolder(str(out / "train"))
    assert by_torchvision.classes == ["ant", "bee"]
    for (image, label), row in zip(by_torchvision, rows, strict=True):
        assert np.array_equal(np.asarray(image), folder_run.data.train_samples[row])
        assert label == folder_run.data.train_labels[row]
    found = by_datasets("imagefolder", tmp_path, data_dir=str(out))
    for one, row in zip(found, rows, strict=True):
        assert np.array_equal(np.asarray(one["image"]), folder_run.data.train_samples[row])
        assert one["label"] == folder_run.data.train_labels[row]


def by_datasets(kind: str, cache: Path, **where: Any) -> Any:
    datasets = pytest.importorskip("datasets", reason="Hugging Face `datasets` is not installed")
    return datasets.load_dataset(kind, split="train", cache_dir=str(cache / "cache"), **where)


def test_parquet_of_images_is_read_by_edgesim_and_datasets(tmp_path: Path) -> None:
    grey = pixels(8, 4, 4)
    files, names = [png(image) for image in grey], ["cat", "dog/wolf"]
    write_parquet(tmp_path / "data" / "train.parquet", files[:6], [0, 1, 0, 1, 0, 1], names)
    write_parquet(tmp_path / "data" / "test.parquet", files[6:], [0, 1], names)
    made = made_of(tmp_path, {"name": "parquet", "root": "data"}, {0: [1, 4, 5]}, {"name": "mlp", "hidden": [4]})
    out, listed = exported(made, "parquet")
    assert listed["row"].tolist() == [1, 4, 5]
    assert listed["file"].tolist() == ["train.parquet"] * 3
    assert_same_images(read_back(out), made, [1, 4, 5])
    found = by_datasets("parquet", tmp_path, data_files={"train": str(out / "train.parquet")})
    assert found.features["label"].names == names
    for one, row in zip(found, (1, 4, 5), strict=True):
        assert np.array_equal(np.asarray(one["image"]), grey[row])
        assert one["label"] == row % 2
    with pytest.raises(RunError, match="cannot be folders"):
        exported(made, "image-folder")
    assert not (tmp_path / "image-folder").exists()


@pytest.mark.parametrize("form", ["npz", "parquet"])
def test_windows_with_subjects_are_read_back(tmp_path: Path, form: str) -> None:
    table = pd.DataFrame({
        "t": np.arange(40), "x": np.linspace(-1, 1, 40, dtype=np.float32), "y": np.arange(40) / 7,
        "label": np.repeat(["sit", "run"], 20), "subject": np.repeat(["a", "b", "a", "b"], 10),
    })  # fmt: skip
    (tmp_path / "data.csv").write_text(table.to_csv(index=False))
    section = {"name": "csv", "root": "data.csv", "features": ["x", "y"], "subject": "subject", "test_share": 0.25,
               "window": {"length": 5, "by": ["subject", "label"]}}  # fmt: skip
    made = made_of(tmp_path, section, {0: [0, 2], 1: [3, 5]}, {"name": "mlp", "hidden": [4]})
    out, listed = exported(made, form)
    for row, index in zip(listed["row"], listed["index"], strict=True):
        window = table.iloc[row : row + 5][["x", "y"]].to_numpy(np.float32).T
        assert np.array_equal(window, made.data.train_samples[index])
    found = read_back(out)
    assert np.array_equal(found.train_samples, made.data.train_samples[[0, 2, 3, 5]])
    kept = made.data.train_columns["subject"].rows(np.array([0, 2, 3, 5]))
    column = found.train_columns["subject"]
    assert [column.names[code] for code in column.codes] == [kept.names[code] for code in kept.codes]
    with pytest.raises(RunError, match="vectors of features"):
        exported(made, "csv")


def test_csv_of_a_regression_is_read_back_with_every_digit(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(12, 3)).astype(np.float32), columns=["a", "b", "c"])
    (tmp_path / "data.csv").write_text(table.assign(label=rng.normal(size=12).astype(np.float32)).to_csv(index=False))
    section = {"name": "csv", "root": "data.csv", "label": "label", "task": "regression", "test_share": 0.25}
    made = made_of(tmp_path, section, {0: [0, 4, 5, 8]}, {"name": "mlp", "hidden": [4]})
    out, _ = exported(made, "csv")
    found = read_back(out)
    assert np.array_equal(found.train_samples, made.data.train_samples[[0, 4, 5, 8]])
    assert np.array_equal(found.train_targets, made.data.train_targets[[0, 4, 5, 8]])
    hugging_face = pytest.importorskip("datasets", reason="datasets is not installed")
    rows = hugging_face.Dataset.from_csv(str(out / "train.csv"), cache_dir=str(tmp_path / "hf")).to_pandas()
    assert np.array_equal(rows[["a", "b", "c"]].to_numpy(np.float32), made.data.train_samples[[0, 4, 5, 8]])
    assert np.array_equal(rows["label"].to_numpy(np.float32), made.data.train_targets[[0, 4, 5, 8]].ravel())
    for form in ("image-folder", "voc"):
        with pytest.raises(RunError, match="take"):
            exported(made, form)


def test_boxes_are_read_by_edgesim_and_torchvision(tmp_path: Path) -> None:
    pytest.importorskip("pycocotools", reason="pycocotools, which a detection needs, is not installed")
    from PIL import Image
    from test_voc import annotation, devkit, thing
    from torchvision.datasets import VOCDetection

    folder = devkit(
        tmp_path / "data" / "VOC2007", a=annotation(thing()), b=annotation(thing("dog", (2, 3, 8, 6)), thing()),
        c=annotation(), t=annotation(thing()),
    )  # fmt: skip
    for path in (folder / "JPEGImages").glob("*.png"):
        with Image.open(path) as image:
            image.save(path.with_suffix(".jpg"), quality=90)
        path.unlink()
    made = made_of(tmp_path, {"name": "voc", "root": "data"}, {0: [1, 2]}, {"name": "yolov3-tiny"})
    out, listed = exported(made, "voc")
    assert listed["file"].tolist() == ["JPEGImages/b.jpg", "JPEGImages/c.jpg"]
    found = read_back(out)
    assert np.array_equal(found.train_samples, made.data.train_samples[[1, 2]])
    wanted = made.data.train_targets[np.array([1, 2])]
    for name in ("offsets", "boxes", "labels", "difficult"):
        assert np.array_equal(getattr(found.train_targets, name), getattr(wanted, name))
    for place, (image, told) in enumerate(VOCDetection(str(out), image_set="train")):
        assert np.array_equal(np.asarray(image), made.data.train_samples[1 + place])
        objects = told["annotation"].get("object", [])
        assert [one["name"] for one in objects] == (["dog", "cat"] if place == 0 else [])
    assert json.loads((out / "card.json").read_text())["dataset"]["classes"] == ["cat", "dog"]


def test_bad_choices_are_told_with_what_there_is_and_write_nothing(folder_run: Made, tmp_path: Path) -> None:
    run = str(folder_run.run.path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("x")
    given = ["export", run, "--method", "importance", "--as", "npz", "--out", "new"]
    for changes, said, code in [
        ({"--method": "importanse"}, "did you mean 'importance'", 1),
        ({"--as": "zip"}, "allowed: indices, npz", 2),
        ({"--out": "full"}, "is not empty: it holds mine.txt", 1),
        ({"--keep": "0.4"}, "no keep ratio 0.4; there are: 0.5", 1),
        ({"--seed": "7"}, "no seed '7'", 1),
        ({"--device": "9"}, "no device '9'; there are: 0-1", 1),
    ]:
        words = [*given]
        for option, value in changes.items():
            if option in words:
                words[words.index(option) + 1] = value
            else:
                words += [option, value]
        done = command(*words, *([] if "--device" in changes else ["--all"]), cwd=tmp_path)
        assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert command(*given, cwd=tmp_path).returncode == 2  # neither a device nor all
    assert not (tmp_path / "new").exists()
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine.txt"]
    done = command(*given, "--all", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "4 samples of 8" in done.stdout


def test_data_that_changed_are_refused(folder_run: Made, tmp_path: Path) -> None:
    (tmp_path / "data" / "ant" / "ant0.png").write_bytes(png(pixels(1, 5, 4, 3, seed=9)[0]))
    with pytest.raises(RunError, match="made with other data"):
        subset_of(Run(folder_run.run.path), "importance", 0.5)


@pytest.fixture(scope="module")
def kept_models(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A real run that keeps scores and networks; devices of one seed are small, but too few for stacks."""
    folder = tmp_path_factory.mktemp("models")
    changes = {"run.keep_models": True, "pruning.keep_scores": True, "training.epochs": 1, "pruning.keep_ratio": [0.5],
               "pruning.methods": ["full", "importance", "infobatch"]}  # fmt: skip
    scenario = loading.from_document(DOCUMENT, "tiny.yaml", folder, changes)
    return api.run(scenario, folder / "run", executor=SerialExecutor())


@needs_safetensors
def test_a_kept_network_has_the_accuracy_of_its_record(kept_models: Run) -> None:
    run = kept_models
    scenario = loading.from_document(run.scenario, "run", run.path)
    data = load_dataset(scenario)
    config, _ = configure(scenario, data)
    cache = WorkerCache(config)
    before = torch.random.get_rng_state()
    for record in run.records.itertuples():
        ratio = None if record.method == "full" else record.keep_ratio
        model = edgesim.load_model(run, record.method, ratio, device=record.device)
        assert not model.training
        found = evaluation.evaluate(model, cache.test, cache.evaluation)
        assert found.metrics["accuracy"] == record.test_accuracy
        assert found.loss == pytest.approx(record.test_loss, rel=1e-6)
    assert torch.equal(torch.random.get_rng_state(), before)


@needs_safetensors
def test_networks_of_a_stack_are_kept_each_by_itself(tmp_path: Path) -> None:
    fleet = {"groups": [{"profile": "raspberry-pi-4b", "count": 2 * STACK_SLOTS}]}
    changes = {"run.keep_models": True, "training.epochs": 1, "pruning.methods": ["full"], "pruning.keep_ratio": [1.0]}
    document = {**DOCUMENT, "partition": "iid", "fleet": fleet}
    scenario = loading.from_document(document, "tiny.yaml", tmp_path, changes)
    run = api.run(scenario, tmp_path / "run", executor=SerialExecutor())
    assert set(run.records["host_stack_size"]) == {STACK_SLOTS}
    cache = WorkerCache(configure(scenario, load_dataset(scenario))[0])
    for record in run.records.iloc[[0, 1, 17]].itertuples():
        found = evaluation.evaluate(edgesim.load_model(run, "full", device=record.device), cache.test, cache.evaluation)
        assert found.metrics["accuracy"] == record.test_accuracy
    assert run.records["test_accuracy"].nunique() > 3


@needs_safetensors
def test_networks_that_are_not_there_or_damaged(kept_models: Run, folder_run: Made) -> None:
    with pytest.raises(RunError, match="3 devices"):
        edgesim.load_model(kept_models, "full")
    with pytest.raises(RunError, match=r"run\.keep_models"):
        edgesim.load_model(folder_run.run, "importance", device=0)
    (file,) = (kept_models.path / "models").glob("0-2-importance-*")
    content = file.read_bytes()
    try:
        for bad in (content[:50], b"", content[:-1]):
            file.write_bytes(bad)
            with pytest.raises(RunError, match="is damaged"):
                edgesim.load_model(kept_models.path, "importance", device=2)
    finally:
        file.write_bytes(content)


def test_a_run_without_safetensors_stops_before_it_begins(
    make_scenario: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "safetensors" else find(name, *a))
    with pytest.raises(EdgesimError, match=r"run.keep_models: .*edgesim\[models\]"):
        api.run(make_scenario(run__keep_models=True), tmp_path / "run", executor=SerialExecutor())
    assert not (tmp_path / "run").exists()


def test_a_real_run_is_exported_with_its_scores(kept_models: Run, tmp_path: Path) -> None:
    subset = subset_of(kept_models, "importance", 0.5)
    assert subset.notes == ()
    scores = kept_models.scores
    for device in (0, 1, 2):
        mine = subset.table[subset.table["device"] == device]
        every = scores[(scores["device"] == device) & (scores["method"] == "importance")]
        best = every.nlargest(len(mine), "score")
        assert sorted(mine["score"]) == sorted(best["score"])
    export(subset, "npz", tmp_path / "npz", with_test=True)
    data, rows = subset.dataset, subset.table["index"]
    with np.load(tmp_path / "npz" / "data.npz") as found:
        assert np.array_equal(found["x_train"], data.train_samples[rows])
        assert np.array_equal(found["y_train"], data.train_labels[rows])
        assert np.array_equal(found["x_test"], data.test_samples)
        lost = sorted(set(found["y_test"].tolist()) - set(found["y_train"].tolist()))
    (note,) = json.loads((tmp_path / "npz" / "card.json").read_text())["notes"]
    assert note.startswith(f"the subset has no sample of class {lost[0]}, ")
    with pytest.raises(RunError, match="chooses samples anew"):
        subset_of(kept_models, "infobatch", None)
