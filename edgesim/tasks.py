"""Kinds of learning tasks: their metrics with names and directions, the quantities that they show, a network's form.

Needs no torch: scenarios, tables, analyses and pages read it. The arithmetic is in `training`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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

    def column(self, of: str = "test") -> str:
        """Column of the metric on one of SETS."""
        return f"{of}_{self.key}"


@dataclass(frozen=True)
class TaskKind:
    """One kind of task."""

    name: TaskName
    metrics: tuple[Metric, ...]
    """the first decides in verdicts, claims and comparisons"""
    channels: frozenset[str]
    """quantities per sample that methods may read, of CHANNELS; "loss" is always there"""

    @property
    def metric(self) -> Metric:
        """The metric that decides."""
        return self.metrics[0]


TASKS: dict[str, TaskKind] = {
    "classification": TaskKind("classification", (Metric("accuracy", "accuracy"),), _ALL),
    "regression": TaskKind(
        "regression",
        (
            Metric("mae", "mean absolute error", higher_is_better=False, is_share=False),
            Metric("mse", "mean squared error", higher_is_better=False, is_share=False),
            Metric("r2", "R2", is_share=False),
        ),
        frozenset({"loss", "embedding", "input"}),
    ),
    "detection": TaskKind(
        "detection", (Metric("map50", "mAP at 0.5"), Metric("map", "mAP at 0.5:0.95")), frozenset({"loss"})
    ),
}


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
