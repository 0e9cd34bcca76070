"""Points of the edge paper's study, the most deciding first: data sets, networks, partitions and explanations."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from study import running
from study.running import MAIN, PARTITIONS, USERS

ROOT = Path(__file__).resolve().parents[2]
SCENARIOS = ROOT / "scenarios" / "edge-paper"
SMALLEST_SHARD = 50
"""samples of a skewed shard"""
PAPER_SMALLEST_SHARD = 500
MOBILENET = "mobilenet-v2-0.5"
MODELS: dict[str, Any] = {MOBILENET: {"name": "mobilenet-v2", "width_mult": 0.5}}
"""name in the study -> `model` of the scenario, where they differ"""
TRAININGS: dict[tuple[str, str], dict[str, Any]] = {
    ("watch", "gru"): {"training.learning_rate": 1e-2},
    ("fashion-mnist", MOBILENET): {"training.learning_rate": 1e-2, "training.epochs": 60},
    ("digits", MOBILENET): {"training.learning_rate": 1e-2, "training.epochs": 80},
}
"""(data, network) -> changes with which it converges: the scenario's training left the gru 8 points short, mobilenet-v2
6 on Fashion-MNIST and 8 on digits"""
LARGE, LIGHT = "large", "light"
SIZES = {
    "resnet34": LARGE, "resnet8": LARGE, "gru": LARGE,
    "mobilenet-v2": LIGHT, MOBILENET: LIGHT, "small-cnn": LIGHT, "cnn1d": LIGHT, "mlp": LIGHT,
}  # fmt: skip
"""network -> its role in the paper, by its kind; not by its number of weights or its time here"""
PLAIN = ["full", "random", "importance"]
FEW_SEEDS = (("seeds", (0, 1, 2)),)
FEW_RATIOS = (("pruning.keep_ratio", (0.1, 0.5, 0.8)),)
FEW_TRIALS = (*FEW_RATIOS, *FEW_SEEDS)
FEW_METHODS = (("pruning.methods", (*PLAIN, "rs2")), *FEW_RATIOS)
FEW = (*FEW_METHODS, *FEW_SEEDS)
"""changes of points whose steps take long"""
FEWEST = (("pruning.methods", tuple(PLAIN)), *FEW_TRIALS)
"""of the last ones, which take over an hour with all methods, ratios and seeds"""


def _importance(label: str, **arguments: Any) -> dict[str, Any]:
    return {"name": "importance", "label": label, **arguments}


SHORT = [0.1, 0.3, 0.5]
"""keep ratios of the points that compare forms of the method: 0.8 shows least"""
SCORES = [
    _importance("T0 5 steps", warmup={"iterations": 5}),
    _importance("T0 2 epochs", warmup={"epochs": 2}),
    _importance("T0 5 epochs", warmup={"epochs": 5}),
    _importance("snapshots", estimator="snapshot"),
    _importance("continue", after_warmup="continue"),
    _importance("class shares", balance="class"),
]
BALANCED = {"name": "random", "label": "random-balanced", "balance": "class"}
AUTOS = [BALANCED, "auto", {"name": "auto", "label": "auto-subset", "storage": "subset"}]
MORE_METHODS = [
    _importance("importance-balanced", balance="class"),
    _importance("importance-counts", after_warmup="counts"),
    "dual",
]
"""methods that are compared with those of the main point: its trials and these are read as one run, as a trial depends
on nothing but its seed, device, method and keep ratio. A new variant leaves the runs of the others as they are"""
FEWER_BALANCED = "fewer-epochs-balanced"
CLASS_EVEN = [{"name": "fewer-epochs", "label": FEWER_BALANCED, "balance": "class"}]
"""batches that `auto` has, too, but without its loss: shows what the loss adds"""
LENGTHS = [
    _importance("T0 10 steps", warmup={"iterations": 10}),
    _importance("T0 5 epochs", warmup={"epochs": 5}),
]
"""on a shard with many batches an epoch; where an epoch has ten, ten steps are one"""
ONE_DEVICE = {"groups": [{"profile": "raspberry-pi-5", "count": 1, "startup": "warm"}]}
SHARDS = (500, 5_000, 50_000)
MIDDLE = SHARDS[1]
"""samples of the shard on which lengths of T0 are compared"""


def _shard(samples: int, batch_size: int) -> dict[str, Any]:
    """One device that holds so many samples."""
    return {
        "fleet": ONE_DEVICE,
        "dataset.limit_train": samples,
        "dataset.limit_test": 2000,
        "training.batch_size": batch_size,
        "pruning.methods": [*PLAIN, *(LENGTHS if samples == MIDDLE else [])],
        "seeds": [0, 1, 2, 3, 4, 5],
    }


SMALLEST = {"pruning.methods": ["random", BALANCED, "rs2"], "pruning.keep_ratio": [0.05]}
LATER = {"seeds": [3, 4]}
"""the seeds that points of three leave out"""
VARIANTS: dict[str, dict[str, Any]] = {
    MAIN: {},
    "scores": {"pruning.methods": [*PLAIN, *SCORES], "pruning.keep_ratio": SHORT},
    "noise-5": {"pruning.methods": PLAIN, "dataset.label_noise": 0.05},
    "noise-20": {"pruning.methods": PLAIN, "dataset.label_noise": 0.2},
    "augmented": {"pruning.methods": PLAIN, "training.augment": ["crop-flip"]},
    "twice-the-epochs": {"pruning.methods": ["full"], "pruning.keep_ratio": [1.0], "seeds": [0, 1, 2]},
    **{f"shard-{samples}": _shard(samples, 64) for samples in SHARDS},
    "auto": {"pruning.methods": AUTOS},
    "more-methods": {"pruning.methods": MORE_METHODS},
    "class-even": {"pruning.methods": CLASS_EVEN},
    "smaller": SMALLEST,
    "later-seeds": LATER,
    "auto-later-seeds": {"pruning.methods": AUTOS, **LATER},
    "smaller-later-seeds": {**SMALLEST, **LATER},
}
"""name -> changes of the scenario; `twice-the-epochs` shows whether full training has converged"""
TWICE, WITH_AUTO, MORE, SMALLER, EVEN = "twice-the-epochs", "auto", "more-methods", "smaller", "class-even"
LATER_SEEDS = {MAIN: "later-seeds", WITH_AUTO: "auto-later-seeds", SMALLER: "smaller-later-seeds"}
"""variant -> the same with the seeds that it left out"""
SMALLERS = (SMALLER, LATER_SEEDS[SMALLER])
"""`auto` at 0.1 costs less than random at 0.1; random at 0.05 is a partner that costs nearer the same"""
MERGED = (WITH_AUTO, MORE, EVEN, LATER_SEEDS[MAIN], LATER_SEEDS[WITH_AUTO])
"""variants whose trials are read with those of the main point; another one is a row of VARIANTS and of this"""
TUNED = ("digits", "fashion-mnist", "cifar10")
"""data sets on which the constants of `auto` were chosen, with an mlp and small-cnn"""


class Point(NamedTuple):
    """One run of the study."""

    data: str
    partition: str
    model: str
    variant: str = MAIN
    changes: tuple[tuple[str, tuple[Any, ...]], ...] = ()
    """further lists of the scenario, where its steps take long"""

    @property
    def name(self) -> str:
        """Name of its run folder."""
        return "-".join([self.data, self.partition, self.model, *([] if self.variant == MAIN else [self.variant])])

    @property
    def file(self) -> Path:
        """The data set's scenario."""
        return SCENARIOS / f"{self.data}.yaml"

    @property
    def epochs(self) -> int:
        """Epochs of full training."""
        own = self._training.get("training.epochs")
        return int(own or running.document(self.file)["training"]["epochs"]) * (2 if self.variant == TWICE else 1)

    @property
    def training(self) -> dict[str, Any]:
        """The training of its scenario with its changes."""
        changes = {key.removeprefix("training."): value for key, value in self._training.items()}
        return {**running.document(self.file)["training"], **changes, "epochs": self.epochs}

    @property
    def _training(self) -> dict[str, Any]:
        return TRAININGS.get((self.data, self.model), {})

    @property
    def overrides(self) -> dict[str, Any]:
        """Changes of the data set's scenario."""
        smallest = PAPER_SMALLEST_SHARD if self.data == "paper" else SMALLEST_SHARD
        return {
            "name": self.name,
            "model": MODELS.get(self.model, self.model),
            "partition": running.partition(self.partition, smallest),
            **self._training,
            **VARIANTS[self.variant],
            **({"training.epochs": self.epochs} if self.variant == TWICE else {}),
            **{key: list(values) for key, values in self.changes},
        }

    @property
    def design(self) -> str:
        """See `running.design`."""
        return running.design(self)


def points() -> Iterator[Point]:
    """The points that 2 cores can run, the most deciding first."""
    fashion = "fashion-mnist", "iid", "small-cnn"
    skewed = "dirichlet-0.1"
    for data, model in (("digits", "small-cnn"), ("digits", "resnet8"), ("watch", "cnn1d")):
        yield Point(data, "iid", model)
        yield Point(data, skewed, model)
    untuned = [Point("handwriting", partition, "small-cnn") for partition in (USERS, "iid")]
    yield from untuned
    yield Point(*fashion)
    yield Point(*fashion, "scores")
    yield Point("fashion-mnist", "iid", "resnet8", changes=FEW)
    yield Point("cifar10", "iid", "resnet8", changes=FEW)
    for data, model in (("digits", "small-cnn"), ("digits", "resnet8"), ("watch", "cnn1d"), fashion[::2]):
        yield Point(data, "iid", model, TWICE)
    yield from (Point(*fashion, name) for name in ("noise-20", "augmented", "noise-5"))
    yield from (Point("fashion-mnist", "iid", "mlp", f"shard-{samples}") for samples in SHARDS)
    yield Point("fashion-mnist", skewed, "resnet8", changes=FEW)
    yield Point("fashion-mnist", "iid", MOBILENET, changes=FEW)
    yield Point("fashion-mnist", "iid", "resnet8", TWICE)
    between = [Point(data, "dirichlet-0.5", model)
               for data, model in (("digits", "small-cnn"), ("digits", "resnet8"), ("watch", "cnn1d"))]  # fmt: skip
    yield from between
    settings = [Point(data, partition, model) for partition in ("iid", skewed)
                 for data, model in (("digits", "small-cnn"), ("digits", "resnet8"), ("watch", "cnn1d"))]  # fmt: skip
    settings += [*untuned, Point(*fashion)]
    for variant in (WITH_AUTO, SMALLER, MORE):
        yield from (point._replace(variant=variant) for point in settings)
    yield Point("cifar10", skewed, "resnet8", changes=FEW)
    long = [Point(data, partition, "resnet8") for data in ("fashion-mnist", "cifar10") for partition in ("iid", skewed)]
    for variant, changes in ((WITH_AUTO, FEW_TRIALS), (SMALLER, FEW_SEEDS)):
        yield from (point._replace(variant=variant) for point in between)
        yield from (point._replace(variant=variant, changes=changes) for point in long)
    yield from (point._replace(variant=EVEN) for point in (*settings, *between))
    images = "fashion-mnist", "cifar10"
    yield from (Point(data, "dirichlet-0.5", "resnet8", changes=FEW) for data in images)
    for variant, changes in ((WITH_AUTO, FEW_TRIALS), (SMALLER, FEW_SEEDS)):
        yield from (Point(data, "dirichlet-0.5", "resnet8", variant, changes) for data in images)
    for variant, changes in ((MAIN, FEW_METHODS), (WITH_AUTO, FEW_RATIOS), (SMALLER, ())):
        yield from (Point(data, partition, "resnet8", LATER_SEEDS[variant], changes)
                    for partition in (skewed, "dirichlet-0.5") for data in images)  # fmt: skip
    # Beyond five core-hours:
    yield Point("watch", "iid", "gru", changes=FEW)
    yield Point("cifar10", "iid", MOBILENET, changes=FEW)
    for data, model in (("handwriting", "small-cnn"), ("cifar10", "resnet8"), ("watch", "gru"),
                        ("cifar10", MOBILENET), ("fashion-mnist", MOBILENET), ("digits", MOBILENET)):  # fmt: skip
        yield Point(data, "iid", model, TWICE)
    yield from (Point("digits", partition, MOBILENET, changes=FEWEST) for partition in PARTITIONS)
    yield from (Point(data, partition, MOBILENET, changes=FEWEST)
                for data in reversed(images) for partition in (skewed, "dirichlet-0.5"))  # fmt: skip


def paper_points() -> Iterator[Point]:
    """The paper's own configuration: a GPU or a cluster runs it."""
    for partition in PARTITIONS:
        for model in ("resnet34", "mobilenet-v2"):
            yield Point("paper", partition, model)


def every_point() -> list[Point]:
    """Both."""
    return [*points(), *paper_points()]
