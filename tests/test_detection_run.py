"""Detection from a folder of Pascal VOC to records, curves, prices and a page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from datafiles import png
from test_voc import annotation, devkit, thing

import edgesim
from edgesim.config.validation import build
from edgesim.data.augment import AUGMENTATIONS
from edgesim.data.augment_boxes import FlipBoxes
from edgesim.errors import ScenarioError
from edgesim.models.detection import DetectionInputs
from edgesim.runtime import SerialExecutor

SIDE = 32


def squares(folder: Path) -> Path:
    """Sixteen training images and six test images of 32x32: a bright square, a dark one, both or none."""
    rng = np.random.default_rng(0)
    texts, images = {}, {}
    for i in range(22):
        image, things = rng.integers(110, 140, (SIDE, SIDE, 3), dtype=np.uint8), []
        for kind, value in (("bright", 255), ("dark", 0)):
            if i % 4 in ((0, 2) if kind == "bright" else (1, 2)):
                x, y = rng.integers(1, SIDE - 12, 2)
                image[y - 1 : y + 9, x - 1 : x + 9] = value
                things.append(thing(kind, (x, y, x + 9, y + 9)))
        name = f"{'t' if i >= 16 else 'a'}{i:02}"
        texts[name] = annotation(*things, size=f"<size><width>{SIDE}</width><height>{SIDE}</height></size>")
        images[name] = image
    devkit(folder, **texts)
    for name, image in images.items():
        (folder / "JPEGImages" / f"{name}.png").write_bytes(png(image))
    return folder


def document(root: Path, **changed: object) -> dict:
    return {
        "dataset": {"name": "voc", "root": str(root)},
        "partition": {"name": "dirichlet", "alpha": 5.0, "min_size": 4},
        "fleet": {"groups": [{"profile": "jetson-nano", "count": 2}]},
        "model": {"name": "yolov3-tiny", "width_mult": 0.0625},
        "training": {"epochs": 2, "batch_size": 4, "augment": ["flip-boxes"]},
        "pruning": {
            "methods": ["full", "importance", "infobatch",
                        {"name": "adapruner", "epochs": 1, "warmup_epochs": 1, "extra_epochs": 0, "batch_size": 4,
                         "learning_rate": 0.001}],
            "keep_ratio": [0.5],
        },
        "evaluation": {"every": 1},
    } | changed  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGESIM_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield squares(tmp_path_factory.mktemp("voc"))


def test_a_run_has_the_metrics_of_its_task_and_repeats_bit_for_bit(root, tmp_path):
    scenario = edgesim.load_scenario(document(root))
    runs = [edgesim.run(scenario, tmp_path / name, executor=SerialExecutor()) for name in ("one", "two")]
    records = runs[0].records
    assert set(records.status) == {"ok"}
    assert sorted(records.method.unique()) == ["adapruner", "full", "importance", "infobatch"]
    for column in ("test_map50", "local_map50", "train_map50", "test_map", "local_map", "train_map"):
        assert records[column].between(0, 1).all()
    assert not {"test_accuracy", "local_accuracy", "train_accuracy"} & set(records.columns)
    assert (records.test_loss > 0).all()
    assert (records.device_energy_j > 0).all()
    flops = records.groupby("method").total_flops.sum()
    assert flops["adapruner"] > flops["importance"]  # a training of its own, and an epoch of warm-up
    assert "test_map50" in runs[0].curves.columns
    assert "subset_map50" not in runs[0].curves.columns
    assert runs[0].curves.test_map50.notna().all()
    assert json.loads((tmp_path / "one" / "run.json").read_text())["task"] == "detection"
    kept = [column for column in records.columns if not column.startswith("host_")]
    pd.testing.assert_frame_equal(records[kept], runs[1].records[kept], check_exact=True)
    pd.testing.assert_frame_equal(runs[0].curves, runs[1].curves, check_exact=True)
    assert len(edgesim.plan(scenario)) == 8  # two devices, four methods


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"model": "small-cnn"}, r"model: small-cnn gives one row of outputs"),
        ({"pruning": {"methods": ["full", "el2n"], "keep_ratio": [0.5]}}, r"pruning.methods\[1\]: el2n reads logits"),
        ({"training": {"augment": ["cutout"]}}, r"training.augment\[0\]: cutout changes images .*; use flip-boxes"),
        ({"dataset": {"name": "voc", "root": ".", "label_noise": 0.1}}, "`label_noise` makes wrong labels of images"),
        ({"dataset": {"name": "voc", "root": ".", "classes": ["a", "a"]}}, "`classes` needs different names"),
        ({"dataset": "digits"}, "model: yolov3-tiny finds boxes in images, and the data set is a classification"),
    ],
)
def test_what_does_not_fit_boxes_is_refused_while_loading(root, changed, match):
    with pytest.raises(ScenarioError, match=match):
        edgesim.load_scenario(document(root, **changed))


def test_flips_move_the_boxes_with_their_images():
    images = torch.zeros(3, 1, 4, 6)
    images[:, 0, 1, 0] = 1.0  # column 0 of row 1
    boxes = (torch.tensor([[0.0, 1, 1, 2]]), torch.zeros(0, 4), torch.tensor([[0.0, 1, 1, 2], [2, 0, 5, 4]]))
    labels = tuple(torch.zeros(len(one), dtype=torch.int64) for one in boxes)
    batch = DetectionInputs(images.to(memory_format=torch.channels_last), boxes, labels)
    turned = build(AUGMENTATIONS["flip-boxes"], {"flip": 1.0}, "", [])(batch, torch.Generator().manual_seed(0))
    assert turned.images[:, 0, 1].tolist() == [[0, 0, 0, 0, 0, 1]] * 3
    assert turned.images.stride() == batch.images.stride()
    assert [one.tolist() for one in turned.boxes] == [[[5, 1, 6, 2]], [], [[5, 1, 6, 2], [1, 0, 4, 4]]]
    assert batch.boxes[0].tolist() == [[0, 1, 1, 2]]
    assert torch.equal(FlipBoxes(flip=0.0)(batch, torch.Generator()).images, batch.images)
    some = FlipBoxes()
    flipped = some.draw(3, torch.Generator().manual_seed(5))
    result = some(batch, torch.Generator().manual_seed(5))
    for i, flip in enumerate(flipped.tolist()):
        assert (float(result.boxes[i][0, 0]) == 5) == flip if len(boxes[i]) else True
        assert float(result.images[i, 0, 1, 5]) == float(flip)
