"""Run the study of opponents at equal total cost, point after point, and write its page from what there is.

`make equal-cost` runs it. Every point is a run folder under runs/equal-cost, resumed where it was stopped; records of
finished points are gathered in records.csv beside this file, from which the page is written without running anything
(`--page-only`).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import edgesim
from edgesim.runtime import SerialExecutor

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
RUNS = ROOT / "runs" / "equal-cost"
PARTITIONS = {
    "iid": "iid",
    "dirichlet-0.5": {"name": "dirichlet", "alpha": 0.5},
    "dirichlet-0.1": {"name": "dirichlet", "alpha": 0.1},
}
SGD = {"digits": 0.05, "fashion-mnist": 0.05, "cifar10": 0.05}
"""data set -> learning rate of SGD with momentum 0.9"""
NETWORKS = {
    "digits": ("mlp", "small-cnn"),
    "fashion-mnist": ("mlp", "small-cnn"),
    "cifar10": ("small-cnn", "resnet8"),
}
"""data set -> the network of its plain points, and the second one"""


class Point(NamedTuple):
    """One run of the study."""

    data: str
    partition: str
    model: str
    optimizer: str
    label_noise: float

    @property
    def name(self) -> str:
        """Name of its run folder."""
        return f"{self.data}-{self.partition}-{self.model}-{self.optimizer}-noise{100 * self.label_noise:g}"

    @property
    def overrides(self) -> dict[str, Any]:
        """Changes of the data set's scenario."""
        changes: dict[str, Any] = {"name": self.name, "partition": PARTITIONS[self.partition], "model": self.model}
        if self.optimizer == "sgd":
            changes |= {"training.optimizer": "sgd", "training.learning_rate": SGD[self.data]}
        if self.label_noise:
            changes["dataset.label_noise"] = self.label_noise
        return changes


def points() -> Iterator[Point]:
    """Every point: the plain ones, then each factor changed by itself at every partition; digits cross all factors."""
    for partition in PARTITIONS:
        for data, (model, _) in NETWORKS.items():
            yield Point(data, partition, model, "adam", 0.0)
    for partition in PARTITIONS:
        for data, (model, _) in NETWORKS.items():
            yield Point(data, partition, model, "adam", 0.1)
            yield Point(data, partition, model, "sgd", 0.0)
    for partition in PARTITIONS:
        for data, (_, second) in NETWORKS.items():
            yield Point(data, partition, second, "adam", 0.0)
    model, second = NETWORKS["digits"]
    for partition in PARTITIONS:
        yield Point("digits", partition, model, "sgd", 0.1)
        yield Point("digits", partition, second, "adam", 0.1)
        yield Point("digits", partition, second, "sgd", 0.0)
        yield Point("digits", partition, second, "sgd", 0.1)


def run(point: Point, serial: bool) -> None:
    """Run a point to its end, or what is missing of it."""
    out = RUNS / point.name
    scenario = edgesim.load_scenario(ROOT / "scenarios" / "equal-cost" / f"{point.data}.yaml", point.overrides)
    edgesim.run(scenario, out=out, resume=out.exists(), executor=SerialExecutor() if serial else None)


def main() -> None:
    """Run what is missing, then write the page."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--only", help="points whose name holds this text")
    parser.add_argument("--serial", action="store_true", help="run in this process, without Ray; records are equal")
    parser.add_argument("--page-only", action="store_true", help="write the page from records.csv, run nothing")
    asked = parser.parse_args()
    if not asked.page_only:
        for point in points():
            if asked.only is None or asked.only in point.name:
                print(point.name, flush=True)
                run(point, asked.serial)
    sys.path.insert(0, str(HERE))
    import page

    page.write(HERE, RUNS, list(points()))


if __name__ == "__main__":
    main()
