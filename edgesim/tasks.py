"""Kinds of learning tasks: their metrics with names and directions, the quantities that they show, a network's form.

Needs no torch: scenarios, tables, analyses and pages read it. The arithmetic is in `training`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Container
from dataclasses import dataclass
from typing import Any, Literal

from edgesim.formatting import NUMBER, PERCENT, POINTS, SPREAD, NumberFormat

TaskName = Literal["classification", "regression", "detection"]
SETS = ("test", "local", "own", "train")
"""sets that a metric is computed on, the first part of its column: the common test set; the same weighted by the
device's class shares; the device's own test samples; the whole shard"""


CHANNELS = {
    "loss": "losses",
    "correct": "right or wrong answers",
    "logits": "logits",
    "embedding": "inputs of the last linear layer",
    "label": "one class label",
    "input": "one input tensor",
}
"""quantity of a sample -> its name in a sentence"""
_ALL = frozenset(CHANNELS)


@dataclass(frozen=True)
class Metric:
    """Quality of a trained network, with its name in columns and in text."""

    key: str
    """second part of its column: `test_<key>`"""
    title: str
    """name in text"""
    higher_is_better: bool = True
    is_share: bool = True
    """True where its values are shares of 1: shown in %, differences in points"""
    bounds: tuple[float, float] = (0.0, 1.0)
    """least and largest possible value"""
    groups: str = "class"
    """groups of samples whose shares weight `local_*`: "class", or "target" for bins of the target"""

    def column(self, of: str = "test") -> str:
        """Column of the metric on one of SETS."""
        return f"{of}_{self.key}"

    def named(self, column: str) -> str:
        """Column of a table on this metric, by its name in a table on accuracy: `accuracy_low` -> `mae_low`."""
        return column.replace("accuracy", self.key)

    @property
    def sign(self) -> int:
        """Factor that turns a value into a gain, of which more is better: 1, or -1 where a lower value is better."""
        return 1 if self.higher_is_better else -1

    @property
    def difference_bounds(self) -> tuple[float, float]:
        """Least and largest possible difference of two values."""
        width = self.bounds[1] - self.bounds[0]
        return -width, width

    @property
    def value_format(self) -> NumberFormat:
        """Format of values in tables."""
        return PERCENT if self.is_share else NUMBER

    @property
    def difference_format(self) -> NumberFormat:
        """Format of differences in tables: percentage points, or the metric's own unit."""
        return POINTS if self.is_share else dataclasses.replace(NUMBER, sign=True)

    @property
    def spread_format(self) -> NumberFormat:
        """Format of deviations and half intervals in tables."""
        return SPREAD if self.is_share else NUMBER

    def value(self, value: float) -> str:
        """Value in a sentence: '81.2 %', or '0.1234'."""
        return self.value_format(value)

    def difference(self, difference: float, sign: bool = True, unit: str = " points") -> str:
        """Difference in a sentence: '-1.2 points', or '-0.0123' in the metric's own unit.

        Args:
            difference: of two values.
            sign: write the sign of a positive one, too.
            unit: of the difference of two shares.
        """
        if self.is_share:
            return NumberFormat(decimals=1, factor=100, unit=unit, sign=sign)(difference)
        return NumberFormat(digits=3, sign=sign)(difference)

    def noticeable(self, level: float) -> float:
        """Smallest difference that a text mentions: a point; of other metrics than shares 1 % of `level`."""
        return 0.01 if self.is_share else 0.01 * abs(level)

    def risk(self, values: Any, full: float) -> Any:
        """Risk in the objective of a scenario (edge paper, Eq. 14): 1 - value, or an error relative to full training's.

        Args:
            values: one, or an array.
            full: mean value of full training.
        """
        return 1 - values if self.higher_is_better else values / full

    @property
    def noun(self) -> str:
        """The metric within a sentence: 'accuracy', 'the mean absolute error'."""
        return self.title if self.higher_is_better else f"the {self.title}"

    @property
    def loss(self) -> str:
        """Change for the worse, as a noun with its article."""
        return "a loss" if self.higher_is_better else "an increase"

    @property
    def loss_by(self) -> str:
        """Change for the worse before its amount: 'a loss of', 'an increase of the mean absolute error by'."""
        return "a loss of" if self.higher_is_better else f"an increase of {self.noun} by"

    @property
    def better(self) -> str:
        """Side of better values: 'higher' or 'lower'."""
        return "higher" if self.higher_is_better else "lower"

    @property
    def worse(self) -> str:
        """Side of worse values: 'lower' or 'higher'."""
        return "lower" if self.higher_is_better else "higher"

    @property
    def beyond(self) -> str:
        """Position of worse values: 'below', or 'above' for an error."""
        return "below" if self.higher_is_better else "above"

    @property
    def beyond_good(self) -> str:
        """Position of better values: 'above', or 'below' for an error."""
        return "above" if self.higher_is_better else "below"

    @property
    def direction(self) -> str:
        """' (lower is better)' where a reader would expect the opposite; else empty."""
        return "" if self.higher_is_better else " (lower is better)"


@dataclass(frozen=True)
class LabelWords:
    """Words for the groups of samples that labels name: classes, or ranges of a regression's target."""

    one: str = "class"
    many: str = "classes"
    title: str = "Classes"
    """heading of a section on them"""
    meaning: str = ""
    """sentence on groups that data do not name themselves; else empty"""


CLASSES = LabelWords()


@dataclass(frozen=True)
class TaskKind:
    """One kind of task."""

    name: TaskName
    metrics: tuple[Metric, ...]
    """the first decides in verdicts, claims and comparisons"""
    channels: frozenset[str]
    """quantities per sample that methods may read, of CHANNELS; "loss" is always there"""
    label_words: LabelWords = CLASSES

    @property
    def metric(self) -> Metric:
        """The metric that decides."""
        return self.metrics[0]


TASKS: dict[str, TaskKind] = {
    "classification": TaskKind("classification", (Metric("accuracy", "accuracy"),), _ALL),
    "regression": TaskKind(
        "regression",
        (
            Metric("mae", "mean absolute error", False, False, (0.0, math.inf), "target"),
            Metric("mse", "mean squared error", False, False, (0.0, math.inf), "target"),
            Metric("r2", "R2", True, False, (-math.inf, 1.0), "target"),
        ),
        frozenset({"loss", "embedding", "input"}),
        LabelWords(
            "range", "ranges", "Ranges of the target", "Each range of the target holds about equally many samples."
        ),
    ),
    "detection": TaskKind(
        "detection",
        (Metric("map50", "mAP at 0.5"), Metric("map", "mAP at 0.5:0.95")),
        frozenset({"loss"}),
        LabelWords(meaning="An image counts for the class of most of its boxes."),
    ),
}
METRICS: dict[str, Metric] = {metric.key: metric for task in TASKS.values() for metric in task.metrics}
"""all metrics, by their keys"""
ACCURACY = METRICS["accuracy"]


def label_words(metric: Metric) -> LabelWords:
    """Words for the groups that labels name, of the task with a metric."""
    return next(task.label_words for task in TASKS.values() if metric in task.metrics)


def task_in(columns: Container[str]) -> TaskKind:
    """Task of a table of trials or means, by its columns; a classification where they show no metric."""
    return next((task for task in TASKS.values() if task.metric.column() in columns), TASKS["classification"])


def metric_in(columns: Container[str]) -> Metric:
    """The metric that decides in a table of trials or means, by its columns."""
    return task_in(columns).metric


@dataclass(frozen=True)
class NetworkForm:
    """Form of a network: shape and kind of its inputs, its task, and the number of its outputs."""

    input_shape: tuple[int, ...]
    """of one sample as the network gets it: (channels, height, width), (channels, time), (features,) or (tokens,)"""
    num_outputs: int
    """classes of a classification or detection, numbers of a regression"""
    task: TaskName = "classification"
    tokens: bool = False
    """True where inputs are whole numbers that name words or symbols"""
    vocabulary: int = 0
    """token ids of the data lie below it; 0 where that is not known"""

    def __str__(self) -> str:
        return "x".join(map(str, self.input_shape))
