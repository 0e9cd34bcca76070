"""Run the study of opponents at equal total cost, point after point, and write its page after each of them.

`make equal-cost` runs it. Every point is a run folder under runs/equal-cost, resumed where it was stopped. The rows of
a finished point go to results.csv beside this file, from which `--page-only` writes the page without running anything.
A point of today's design that results.csv has, and whose run folder is gone, is not run again.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))  # `study`

import page  # noqa: E402
import results  # noqa: E402
from study import running  # noqa: E402
from study.running import MAIN, PARTITIONS, USERS  # noqa: E402

ROOT = HERE.parents[1]
RUNS = ROOT / "runs" / "equal-cost"
SCENARIOS = ROOT / "scenarios" / "equal-cost"
SMALLEST_SHARD = {"digits": 80, "fashion-mnist": 150, "cifar10": 150}
"""data set -> samples; ten batches or so, as a static subset pays for a step per epoch at least, however small it is"""
SGD_LEARNING_RATE = 0.05
"""with momentum 0.9, on every data set"""
FIRST = "mlp"
"""the network of the plain points"""
SECOND = {"digits": "small-cnn", "fashion-mnist": "small-cnn", "cifar10": "linear", "har-watch": "cnn1d"}
"""data set -> the other network; convolutions on CIFAR-10 take several times as long as everything else here"""
LINEAR = {"name": "mlp", "hidden": []}
WATCH = "har-watch"
"""the data set whose users are known: its skewed shards are those of whole users"""
MORE, COUNTED = "equal-classes", "counted"
VARIANTS: dict[str, dict[str, Any]] = {
    MAIN: {},
    MORE: {"pruning.methods": ["full", "random", {"name": "random", "label": MORE, "sampler": "class-balanced"}]},
    COUNTED: {
        "pruning.methods": [
            "full",
            "random",
            {"name": "importance", "label": "top-loss-counted", "after_warmup": "counts"},
            {"name": "importance", "label": "stratified-counted", "after_warmup": "counts", "sampler": "stratified"},
        ]
    },
}
"""name -> changes of the scenario. MORE and COUNTED add methods to a point that ran without them. A trial depends
on nothing but its seed, device, method and keep ratio: full and random are those of the main point, whose records
stay."""


class Point(NamedTuple):
    """One run of the study."""

    data: str
    partition: str
    model: str
    optimizer: str
    label_noise: float
    variant: str = MAIN

    @property
    def name(self) -> str:
        """Name of its run folder."""
        name = f"{self.data}-{self.partition}-{self.model}-{self.optimizer}-noise{100 * self.label_noise:g}"
        return name if self.variant == MAIN else f"{name}-{self.variant}"

    @property
    def overrides(self) -> dict[str, Any]:
        """Changes of the data set's scenario."""
        model = LINEAR if self.model == "linear" else self.model
        split = running.partition(self.partition, SMALLEST_SHARD.get(self.data, 0))
        changes: dict[str, Any] = {"name": self.name, "model": model, "partition": split}
        if self.optimizer == "sgd":
            changes |= {"training.optimizer": "sgd", "training.learning_rate": SGD_LEARNING_RATE}
        if self.label_noise:
            changes["dataset.label_noise"] = self.label_noise
        return {**changes, **VARIANTS[self.variant]}

    @property
    def file(self) -> Path:
        """The data set's scenario."""
        return SCENARIOS / f"{self.data}.yaml"

    @property
    def epochs(self) -> int:
        """Epochs of full training."""
        return int(running.document(self.file)["training"]["epochs"])

    @property
    def design(self) -> str:
        """See `running.design`."""
        return running.design(self)


def points() -> Iterator[Point]:
    """Every point: the plain ones, then each factor changed by itself at every partition; digits cross all factors.

    Then come the further method and the data set that were added later; networks with convolutions last.
    """
    plain = [Point(data, partition, FIRST, "adam", 0.0) for data in SMALLEST_SHARD for partition in PARTITIONS]
    yield from plain
    yield from (point._replace(label_noise=0.1) for point in plain)
    yield from (point._replace(optimizer="sgd") for point in plain)
    yield from (point._replace(model=SECOND[point.data]) for point in plain)
    second = SECOND["digits"]
    for partition in PARTITIONS:
        yield Point("digits", partition, FIRST, "sgd", 0.1)
        yield Point("digits", partition, second, "adam", 0.1)
        yield Point("digits", partition, second, "sgd", 0.0)
        yield Point("digits", partition, second, "sgd", 0.1)
    yield from (point._replace(variant=MORE) for point in plain)
    watch = [Point(WATCH, partition, FIRST, "adam", 0.0) for partition in (USERS, "iid")]
    yield from watch
    yield from (point._replace(model=SECOND[point.data], variant=MORE) for point in plain)
    yield from (point._replace(label_noise=0.1) for point in watch)
    yield from (point._replace(optimizer="sgd") for point in watch)
    yield from (point._replace(variant=COUNTED) for point in (*plain, *watch))
    yield from (point._replace(model=SECOND[WATCH]) for point in watch)


def main() -> None:
    """Run what is missing, and write results and page after every point."""
    every = list(points())

    def keep(point: Point, run: Path) -> None:
        results.add(HERE, point, run)
        page.write(HERE, every)

    asked = running.parser(main.__doc__).parse_args()
    page.write(HERE, every)
    running.run_points(every, RUNS, asked, lambda point: len(results.current(results.read(HERE), [point])) > 0, keep)


if __name__ == "__main__":
    main()
