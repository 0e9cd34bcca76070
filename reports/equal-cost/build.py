"""Run the study of opponents at equal total cost, point after point, and write its page after each of them.

`make equal-cost` runs it. Every point is a run folder under runs/equal-cost, resumed where it was stopped. The rows of
a finished point go to results.csv beside this file, from which `--page-only` writes the page without running anything.
A point of today's design that results.csv has, and whose run folder is gone, is not run again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import page
import results
import yaml

import edgesim
from edgesim.runtime import SerialExecutor

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
RUNS = ROOT / "runs" / "equal-cost"
SCENARIOS = ROOT / "scenarios" / "equal-cost"
PARTITIONS = {"iid": None, "dirichlet-0.5": 0.5, "dirichlet-0.1": 0.1}
"""name -> alpha of the Dirichlet distribution"""
SMALLEST_SHARD = {"digits": 80, "fashion-mnist": 150, "cifar10": 150}
"""data set -> samples; ten batches or so, as a static subset pays for a step per epoch at least, however small it is"""
SGD_LEARNING_RATE = 0.05
"""with momentum 0.9, on every data set"""
FIRST = "mlp"
"""the network of the plain points"""
SECOND = {"digits": "small-cnn", "fashion-mnist": "small-cnn", "cifar10": "linear"}
"""data set -> the other network; convolutions on CIFAR-10 take several times as long as everything else here"""
LINEAR = {"name": "mlp", "hidden": []}


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
        alpha = PARTITIONS[self.partition]
        skewed = {"name": "dirichlet", "alpha": alpha, "min_size": SMALLEST_SHARD[self.data]}
        model = LINEAR if self.model == "linear" else self.model
        changes: dict[str, Any] = {"name": self.name, "model": model, "partition": skewed if alpha else "iid"}
        if self.optimizer == "sgd":
            changes |= {"training.optimizer": "sgd", "training.learning_rate": SGD_LEARNING_RATE}
        if self.label_noise:
            changes["dataset.label_noise"] = self.label_noise
        return changes

    @property
    def file(self) -> Path:
        """The data set's scenario."""
        return SCENARIOS / f"{self.data}.yaml"

    @property
    def epochs(self) -> int:
        """Epochs of full training."""
        return int(self._scenario["training"]["epochs"])

    @property
    def _scenario(self) -> dict[str, Any]:
        return dict(yaml.safe_load(self.file.read_text(encoding="utf-8")))

    @property
    def design(self) -> str:
        """Short digest of everything that the study sets, by which results of another design are told."""
        told = json.dumps([self._scenario, self.overrides], sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()[:8]


def points() -> Iterator[Point]:
    """Every point: the plain ones, then each factor changed by itself at every partition; digits cross all factors."""
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


def run(point: Point, serial: bool) -> None:
    """Run a point to its end, or what is missing of it."""
    out = RUNS / point.name
    scenario = edgesim.load_scenario(point.file, point.overrides)
    edgesim.run(scenario, out=out, resume=out.exists(), executor=SerialExecutor() if serial else None)


def main() -> None:
    """Run what is missing, and write results and page after every point."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--only", help="points whose name holds this text")
    parser.add_argument("--serial", action="store_true", help="run in this process, without Ray; records are equal")
    parser.add_argument("--page-only", action="store_true", help="write the page from results.csv, run nothing")
    asked = parser.parse_args()
    every = list(points())
    page.write(HERE, every)
    for point in [] if asked.page_only else every:
        is_done = not (RUNS / point.name).exists() and not results.current(results.read(HERE), [point]).empty
        if not is_done and (asked.only is None or asked.only in point.name):
            print(point.name, flush=True)
            run(point, asked.serial)
            results.add(HERE, point, RUNS / point.name)
            page.write(HERE, every)


if __name__ == "__main__":
    main()
