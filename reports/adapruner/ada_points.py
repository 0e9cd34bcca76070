"""Points of AdaPruner's study, the most deciding first. Most are a run of one seed, of some ten core-minutes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from study import running

from edgesim.pruning.adapruner import AdaPruner

ROOT = Path(__file__).resolve().parents[2]
SCENARIOS = ROOT / "scenarios" / "adapruner"
RUNS = ROOT / "runs" / "adapruner"
SEEDS = (0, 1, 2)
DATA = ("watch", "fashion-mnist", "cifar10", "tiny-imagenet-20")
HIGH, LOW = (0.6, 0.8, 0.95), (0.1, 0.3, 0.5)
"""keep ratios: those of the paper, and small ones"""
COMPARE, CROSS, LETTER, ABLATION, TRANSFER = "compare", "cross", "letter", "ablation", "transfer"
LONG_LETTER = "long-letter"
"""the letter of Eq. 7 with a pruning phase of as many epochs as the paper trains"""
GEOMETRY = "geometry"
GEOMETRY_RATIO = 0.9
"""keep ratio of the paper's Fig. 3"""
TWICE = "twice-the-epochs"
"""full training alone: shows whether that of COMPARE has converged"""
WITH_ALL_SEEDS = (GEOMETRY, TWICE)
"""kinds of which one run has all seeds"""
DETECTION, DETECTION_CROSS = "detection", "detection-cross"
DETECTION_OTHER, DETECTION_BACK = "detection-other", "detection-back"
"""the first detector chooses, and the other trains on its sets; the other chooses, and the first trains on them"""
NETWORKS = {"watch": "cnn1d", "cells": "yolov3-tiny"}
"""data -> network of its scenario, where it is not small-cnn"""
OTHERS: dict[str, Any] = {
    "watch": "gru", "fashion-mnist": "mlp", "cifar10": "resnet8",
    "cells": {"name": "fasterrcnn", "regions": 48},
}  # fmt: skip
"""data -> another network, which trains on the sets that the first one chose"""
FEW = ["full", "random", "el2n", "forgetting", "adapruner"]


def _ada(label: str, **arguments: Any) -> dict[str, Any]:
    return {"name": "adapruner", "label": label, **arguments}


OURS = "ours"
_LETTER = {"mask_step": "gradient", "third_term": "letter"}
LETTERS = [
    _ada(OURS),
    _ada("letter", **_LETTER),
    _ada("letter, step 1", **_LETTER, mask_learning_rate=1.0),
    _ada("letter, step 10", **_LETTER, mask_learning_rate=10.0),
    _ada("gradient only", mask_step="gradient"),
    _ada("third term only", third_term="letter"),
]
"""AdaPruner with both departures, to the letter of Eq. 7 at three steps of the mask, and with one departure each"""
LONG = {"epochs": 200, "warmup_epochs": 10}
LONG_LETTERS = [_ada(OURS, **LONG), _ada("letter", **_LETTER, **LONG)]
ABLATIONS = [
    _ada(OURS),
    _ada("no warm-up", warmup_epochs=0),
    _ada("no classification", terms=["selection", "compression"]),
    _ada("no selection", terms=["classification", "compression"]),
    _ada("no compression", terms=["classification", "selection"]),
    _ada("alpha to 1", alpha_end=1.0),
    _ada("alpha to 100", alpha_end=100.0),
    _ada("s 10", scale=10.0),
    _ada("s 1000", scale=1000.0),
    _ada("tolerance 0.5 %", tolerance=0.005),
    _ada("tolerance 10 %", tolerance=0.1),
]
BY_OTHER = (CROSS, DETECTION_CROSS, DETECTION_OTHER)
"""kinds in which the other network trains"""
PAPER_REGIME: dict[str, Any] = {
    "training.epochs": 30, "training.batch_size": 256, "training.learning_rate": 0.1,
    "training.augment": ["crop-flip", "cutout"],
}  # fmt: skip
"""the paper's training, with fewer epochs"""
TARGETS: dict[str, dict[str, Any]] = {
    "fashion-mnist": {"name": "parquet", "root": "mnist-writers", "test": "within"},
    "cifar10": {"name": "parquet", "root": "tiny-imagenet-20", "size": [32, 32]},
}
"""data -> data set that the trained network is fine-tuned on"""


class Regime(NamedTuple):
    """Size of a pruning phase and of the training after it."""

    samples: int
    phase_epochs: int
    """without extra epochs of a mask that has not settled"""
    phase_batch: int
    epochs: int
    batch: int

    @property
    def steps(self) -> tuple[int, int]:
        """Of the pruning phase, and of full training."""
        return (self.phase_epochs * math.ceil(self.samples / self.phase_batch),
                self.epochs * math.ceil(self.samples / self.batch))  # fmt: skip


class Point(NamedTuple):
    """One run of the study."""

    data: str
    kind: str
    seed: int
    ratios: tuple[float, ...] = ()
    """empty = those of the scenario"""

    @property
    def name(self) -> str:
        """Name of its run folder."""
        part = {LOW: "-low", HIGH: "-high"}.get(self.ratios, "") if self.kind == COMPARE else ""
        return f"{self.data}-{self.kind}{part}" + ("" if self.kind in WITH_ALL_SEEDS else f"-s{self.seed}")

    @property
    def file(self) -> Path:
        """The data set's scenario."""
        return SCENARIOS / f"{self.data}.yaml"

    @property
    def model(self) -> str:
        """Name of the network that trains."""
        if self.kind in BY_OTHER:
            other = OTHERS[self.data]
            return other if isinstance(other, str) else str(other["name"])
        return NETWORKS.get(self.data, "small-cnn")

    @property
    def source(self) -> Point | None:
        """The point whose sets it trains on."""
        if self.kind == CROSS:
            return Point(self.data, COMPARE, self.seed)
        kind = {DETECTION_CROSS: DETECTION, DETECTION_BACK: DETECTION_OTHER}.get(self.kind)
        return Point(self.data, kind, self.seed) if kind else None

    @property
    def epochs(self) -> int:
        """Epochs of full training."""
        return int(self.overrides.get("training.epochs", running.document(self.file)["training"]["epochs"]))

    @property
    def regime(self) -> Regime:
        """Samples, epochs and batch sizes of AdaPruner's pruning phase and of full training."""
        written = running.document(self.file)
        batch = self.overrides.get("training.batch_size", written["training"]["batch_size"])
        phase = AdaPruner(**(LONG if self.kind == LONG_LETTER else {}))
        return Regime(int(written["dataset"]["limit_train"]), phase.warmup_epochs + phase.epochs, phase.batch_size,
                      self.epochs, int(batch))  # fmt: skip

    @property
    def steps(self) -> dict[str, float]:
        """Smallest difference of two accuracies, in points, on its test set and on that of its transfer; NaN of mAP."""
        own = running.document(self.file)["dataset"].get("limit_test", math.nan)
        target = self.overrides.get("transfer", {"to": {}})["to"].get("limit_test", math.nan)
        return {"step": 100 / own, "transfer_step": 100 / target}

    @property
    def overrides(self) -> dict[str, Any]:
        """Changes of the data set's scenario."""
        changes = _CHANGES.get((self.kind, self.data), _CHANGES.get(self.kind, {}))
        found: dict[str, Any] = {"name": self.name, "seeds": [self.seed], **changes}
        if self.kind in WITH_ALL_SEEDS:
            del found["seeds"]
        if self.kind == TWICE:
            found["training.epochs"] = 2 * self._replace(kind=COMPARE).epochs
        if self.kind == ABLATION and self.seed:
            found["pruning.keep_ratio"] = [0.1, *found["pruning.keep_ratio"]]  # seed 0 ran without
        if self.kind == TRANSFER:
            to = {**TARGETS[self.data], "limit_train": 1000, "limit_test": 1000}
            found["transfer"] = {"to": to, "epochs": 5, "learning_rate": 0.01, "partition": "iid"}
        if self.source is not None:
            found["pruning.scores_from"] = str(Path("runs/adapruner") / self.source.name)
        if self.kind in BY_OTHER:
            found["model"] = OTHERS[self.data]
        if self.kind == CROSS and self.data != "fashion-mnist":
            found |= {"pruning.methods": FEW, "pruning.keep_ratio": [0.6, 0.8]}
        return found | ({"pruning.keep_ratio": list(self.ratios)} if self.ratios else {})

    @property
    def design(self) -> str:
        """See `running.design`."""
        return running.design(self)


DETECTED = 0.95
"""keep ratio at which sets change detectors: the paper's claim is on 0.9 and 0.95"""
ADA_DETECTION = {"name": "adapruner", "epochs": 10, "batch_size": 8, "learning_rate": 0.001}
OTHER_DETECTOR: dict[str, Any] = {"training.epochs": 40, "training.learning_rate": 2e-4}
"""Faster R-CNN from random weights: its mAP doubles every three epochs up to the 12th (3 %), faster than at 1e-3"""
DETECTION_RATIOS = (0.75, 0.85, DETECTED)
_CHANGES: dict[str | tuple[str, str], dict[str, Any]] = {
    LETTER: {**PAPER_REGIME, "pruning.methods": ["full", "random", *LETTERS], "pruning.keep_ratio": [0.1, *HIGH]},
    LONG_LETTER: {**PAPER_REGIME, "pruning.methods": ["full", "random", *LONG_LETTERS],
                  "pruning.keep_ratio": [0.1, 0.6, 0.95]},
    # where AdaPruner's sets at 0.1 train far worse than random ones, in that data set's own training:
    (LETTER, "fashion-mnist"): {"pruning.methods": ["full", "random", *LETTERS], "pruning.keep_ratio": [0.1, 0.3, 0.6]},
    ABLATION: {"pruning.methods": ["full", "random", *ABLATIONS], "pruning.keep_ratio": [0.6, 0.9]},
    TRANSFER: {"pruning.keep_ratio": list(HIGH)},
    # 20 epochs, as its scenario has, were 2.3 points below 40 (three seeds); TWICE tells what 80 add:
    (COMPARE, "cifar10"): {"training.epochs": 40},
    (CROSS, "cifar10"): {"training.epochs": 40},
    TWICE: {"pruning.methods": ["full"], "pruning.keep_ratio": [1.0]},
    DETECTION_CROSS: {**OTHER_DETECTOR, "pruning.methods": ["full", "random", ADA_DETECTION],
                      "pruning.keep_ratio": [DETECTED]},
    DETECTION_OTHER: {**OTHER_DETECTOR, "pruning.methods": [{**ADA_DETECTION, "epochs": 20, "learning_rate": 2e-4}],
                      "pruning.keep_ratio": [DETECTED]},
    DETECTION_BACK: {"pruning.methods": [ADA_DETECTION], "pruning.keep_ratio": [DETECTED]},
}  # fmt: skip


def comparisons(seed: int) -> Iterator[Point]:
    """The eleven methods on every data set; Tiny-ImageNet's in two halves, because its steps take long."""
    for data in DATA:
        if data == "tiny-imagenet-20":
            yield Point(data, COMPARE, seed, HIGH)
        else:
            yield Point(data, COMPARE, seed)


def points() -> Iterator[Point]:
    """The points that 2 cores can run, the most deciding first."""
    yield from comparisons(0)
    yield Point("cifar10", LETTER, 0)
    yield from comparisons(1)
    yield Point("cifar10", LETTER, 1)
    yield from (Point("fashion-mnist", LETTER, seed) for seed in (0, 1))
    yield from (Point("cifar10", LONG_LETTER, seed) for seed in (0, 1))
    yield from (Point("fashion-mnist", ABLATION, seed) for seed in (0, 1))
    yield from (Point(data, CROSS, seed) for seed in (0, 1) for data in ("fashion-mnist", "cifar10", "watch"))
    yield from (Point(data, TRANSFER, seed) for seed in (0, 1) for data in TARGETS)
    yield Point("mnist", GEOMETRY, 0)
    yield from (Point(data, TWICE, 0) for data in DATA)
    yield from comparisons(2)
    yield from (Point("cells", DETECTION, seed) for seed in (0, 1))
    yield from (Point("cells", DETECTION_CROSS, seed) for seed in (0, 1))
    yield from (Point("cells", kind, seed) for seed in (0, 1) for kind in (DETECTION_OTHER, DETECTION_BACK))
    yield from (Point("tiny-imagenet-20", COMPARE, seed, LOW) for seed in SEEDS)
    # A third seed of what two have shown:
    yield from (Point(data, LETTER, 2) for data in ("cifar10", "fashion-mnist"))
    yield from (Point("fashion-mnist", ABLATION, seed) for seed in (2, 3))
    yield Point("cifar10", LONG_LETTER, 2)
    yield from (Point(data, CROSS, 2) for data in ("fashion-mnist", "cifar10", "watch"))
    yield from (Point(data, TRANSFER, 2) for data in TARGETS)
    yield from (Point("cells", kind, 2) for kind in (DETECTION, DETECTION_CROSS, DETECTION_OTHER, DETECTION_BACK))


PARTS: dict[str, dict[str, Any]] = {
    "table-4": {"labels": ("full", "random", OURS, "no warm-up")},
    "table-5": {"labels": ("no classification", "no selection"), "ratios": [0.9]},
}
"""part of a scenario -> methods, and keep ratios where they are not the scenario's"""


class PaperPoint(NamedTuple):
    """A run of the paper's own size, for a GPU; those of another network train on the sets of the first one."""

    scenario: str
    model: Any
    first: str = ""
    """name of the point whose sets it trains on; empty = it scores itself"""
    part: str = ""
    """one of PARTS; empty = the whole scenario"""

    @property
    def source(self) -> PaperPoint | None:
        """The point whose sets it trains on."""
        return next((one for one in paper_points() if one.name == self.first), None)

    @property
    def network(self) -> str:
        """Name of the network that trains."""
        return self.model if isinstance(self.model, str) else str(self.model["name"])

    @property
    def name(self) -> str:
        """Name of its run folder."""
        return "-".join(one for one in (self.scenario, self.part, self.network) if one)

    @property
    def file(self) -> Path:
        """Its scenario."""
        return SCENARIOS / f"{self.scenario}.yaml"

    @property
    def overrides(self) -> dict[str, Any]:
        """Changes of the scenario."""
        linked = {"pruning.scores_from": str(Path("runs/adapruner") / self.first)} if self.first else {}
        found: dict[str, Any] = {"name": self.name, "model": self.model, **linked}
        if self.part:
            part, listed = PARTS[self.part], running.document(self.file)["pruning"]["methods"]
            found["pruning.methods"] = [one for one in listed if _label(one) in part["labels"]]
            found |= {"pruning.keep_ratio": part["ratios"]} if "ratios" in part else {}
        return found

    @property
    def design(self) -> str:
        """See `running.design`."""
        return running.design(self)


def _label(method: str | dict[str, Any]) -> str:
    """Label of a method as a scenario lists it."""
    return method if isinstance(method, str) else str(method.get("label", method["name"]))


def paper_points() -> Iterator[PaperPoint]:
    """The paper's own configuration: a GPU or a cluster runs it."""
    for scenario, part in (
        ("paper-cifar10", ""),
        ("paper-cifar100", ""),
        *(("paper-ablations", part) for part in PARTS),
    ):
        first = PaperPoint(scenario, "resnet18", part=part)
        yield from (first, PaperPoint(scenario, "resnet50", first.name, part))
    yield PaperPoint("paper-mnist", "resnet18")
    yield PaperPoint("paper-tiny-imagenet", "resnet50")
    yield PaperPoint("paper-tiny-imagenet", "wide-resnet50-2")
    yield PaperPoint("paper-voc", "yolov3-tiny")
    yield PaperPoint("paper-voc", {"name": "fasterrcnn", "backbone": "resnet50-fpn"}, "paper-voc-yolov3-tiny")
