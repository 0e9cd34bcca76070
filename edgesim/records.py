"""The frozen dataclasses that cross a boundary: between device and coordinator, and between a run and its readers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from edgesim.extremes import Extremes

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

Status = Literal["ok", "failed", "infeasible"]


@dataclass(frozen=True)
class Work:
    """What was done, independent of any device. Adds up with `+`."""

    train_samples: int = 0
    """samples passed forward and backward"""
    forward_samples: int = 0
    """samples passed forward only"""
    steps: int = 0
    """optimiser steps"""
    comparisons: int = 0
    """comparisons of a selection (edge paper, Eq. 25)"""
    other_flops: float = 0.0
    """arithmetic of a method outside the network: Gram matrices, clustering, solves (multiply-add = 2)"""

    def __add__(self, other: Work) -> Work:
        return Work(*(a + b for a, b in zip(vars(self).values(), vars(other).values(), strict=True)))

    def flops(self, train_flops_per_sample: float, forward_flops_per_sample: float) -> float:
        """FLOPs of the work, comparisons not counted."""
        network = self.train_samples * train_flops_per_sample + self.forward_samples * forward_flops_per_sample
        return network + self.other_flops


class Segment(NamedTuple):
    """A stretch of equal steps in a StepTrace."""

    kind: Literal["train", "forward"]
    batch_size: int
    steps: int


@dataclass(frozen=True)
class StepTrace:
    """Every step's real batch size, in order, run-length encoded. The emulator walks it through device time."""

    segments: tuple[Segment, ...] = ()

    def __add__(self, other: StepTrace) -> StepTrace:
        return StepTrace(self.segments + other.segments)

    @property
    def samples(self) -> int:
        """Samples that passed through the network in all."""
        return sum(segment.batch_size * segment.steps for segment in self.segments)

    @classmethod
    def passes(cls, kind: Literal["train", "forward"], n: int, batch_size: int, passes: int = 1) -> StepTrace:
        """`passes` passes over n samples in batches of `batch_size`, each pass ending in its partial batch."""
        full, rest = divmod(n, batch_size)
        one = [Segment(kind, batch_size, full)] if full else []
        one += [Segment(kind, rest, 1)] if rest else []
        if len(one) == 1:
            return cls((one[0]._replace(steps=one[0].steps * passes),)) if passes else cls()
        return cls(tuple(one) * passes)

    @classmethod
    def of_batches(cls, kind: Literal["train", "forward"], batch_sizes: Sequence[int]) -> StepTrace:
        """The trace of steps with these batch sizes, in order."""
        return cls(tuple(Segment(kind, size, len(list(run))) for size, run in groupby(batch_sizes)))

    def truncated(self, steps: int) -> StepTrace:
        """The first `steps` steps."""
        kept: list[Segment] = []
        for segment in self.segments:
            take = min(segment.steps, steps)
            if take <= 0:
                break
            kept.append(segment._replace(steps=take))
            steps -= take
        return StepTrace(tuple(kept))


OPERATION_KINDS = ("convolution", "pointwise", "depthwise", "matmul", "elementwise", "unrolling")
"""kinds of aten operations that reach different shares of a device's peak: convolutions by kernel and groups, matrix
products with attention, and everything else, which is bound by memory. Unrolling is what comes with a convolution
larger than 1x1 where the framework computes it as a matrix product, and nothing elsewhere"""


@dataclass(frozen=True)
class Operations:
    """The aten operations of one pass through a network, equal ones together. FLOPs and bytes are affine in the batch.

    `flops` and `moved_bytes` hold, for one operation, the part that does not grow with the batch and the part per
    sample: at batch size B an operation takes flops[:, 0] + B * flops[:, 1].
    """

    kinds: IntArray
    """[K] positions in OPERATION_KINDS"""
    count: FloatArray
    """[K] how often the operation occurs in one pass"""
    flops: FloatArray
    """[K, 2] multiply-add = 2"""
    moved_bytes: FloatArray
    """[K, 2] bytes of all inputs read and all outputs written"""
    pieces: FloatArray
    """[K, 2] convolutions of one group of channels of one sample, where the operation is a convolution in groups:
    kernels without a way of their own for these run them one by one; 0 for all else"""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Operations):
            return NotImplemented
        return all(np.array_equal(own, vars(other)[name]) for name, own in vars(self).items())

    @classmethod
    def none(cls) -> Operations:
        """No operation."""
        return cls(np.zeros(0, np.int64), np.zeros(0), np.zeros((0, 2)), np.zeros((0, 2)), np.zeros((0, 2)))


@dataclass(frozen=True)
class Workload:
    """What one sample of a network costs, counted on meta tensors (`models.workload`)."""

    train_flops: float
    """F: forward + backward FLOPs per sample, multiply-add = 2"""
    forward_flops: float
    """forward FLOPs per sample"""
    parameters: int
    parameter_bytes: int
    """bytes of the weights"""
    activation_bytes: int
    """bytes of activations saved for the backward pass, per sample"""
    train_operations: Operations = field(default_factory=Operations.none)
    """of the forward and backward pass, the optimiser's update left out"""
    forward_operations: Operations = field(default_factory=Operations.none)
    parameter_tensors: int = 0
    """weights and biases that the optimiser updates one by one"""

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> Workload:
        """A workload from its fields as JSON gives them back; TypeError, ValueError, KeyError for other things."""
        operations = {}
        for name in ("train_operations", "forward_operations"):
            arrays = dict(fields[name])
            kinds, count = np.asarray(arrays.pop("kinds"), np.int64), np.asarray(arrays.pop("count"), np.float64)
            pairs = {key: np.asarray(values, np.float64).reshape(-1, 2) for key, values in arrays.items()}
            operations[name] = Operations(kinds, count, **pairs)
        return cls(**fields | operations)

    def summary(self) -> dict[str, float | int]:
        """The numbers of the network as a whole, by name."""
        return {name: value for name, value in vars(self).items() if not isinstance(value, Operations)}

    def peak_training_bytes(self, batch_size: int, optimizer_states: int) -> int:
        """Peak training memory: weights + gradients + optimiser state + saved activations of one batch.

        Args:
            batch_size: samples per step.
            optimizer_states: numbers kept per weight by the optimiser (SGD 0, with momentum 1, Adam 2).
        """
        return self.parameter_bytes * (2 + optimizer_states) + self.activation_bytes * batch_size


@dataclass(frozen=True)
class Ledger:
    """All that one trial did on its device: what it is charged for, whoever shared the computation here."""

    score: Work
    score_trace: StepTrace
    train: Work
    train_trace: StepTrace
    reused: bool = False
    """whether another run scored, maybe with another network (`scores_from`)"""


@dataclass(frozen=True)
class Cost:
    """What work takes on one device. Fields are scalars or arrays over devices."""

    time_s: Any
    energy_j: Any


@dataclass(frozen=True)
class Selection:
    """A subset of a shard."""

    positions: IntArray
    """sorted unique positions within the shard, exactly `budget` of them"""
    weights: FloatArray | None = None
    """per-sample loss weights for training, aligned with `positions`; None = all one"""
    notes: dict[str, float] = field(default_factory=dict)
    """what a method wants to be remembered, for example the ratio its own threshold gave"""
    sampler: Any = None
    """a dynamic method's own choice per epoch (`training.loop.Sampler`), or None for all positions in every epoch"""


class Trial(NamedTuple):
    """The name of one trial."""

    seed: int
    device: int
    method: str
    keep_ratio: float


@dataclass(frozen=True)
class Record:
    """The outcome of one trial: one row of records.parquet (the columns and units are in the README)."""

    scenario: str
    seed: int
    device: int
    profile: str
    method: str
    keep_ratio: float
    status: Status
    reason: str = ""
    shard_size: int = 0
    subset_size: int = 0
    test_accuracy: float = np.nan
    local_accuracy: float = np.nan
    train_accuracy: float = np.nan
    test_loss: float = np.nan
    train_loss: float = np.nan
    score_flops: float = np.nan
    train_flops: float = np.nan
    total_flops: float = np.nan
    selection_comparisons: int = 0
    steps: int = 0
    analytic_time_s: float = np.nan
    analytic_score_time_s: float = np.nan
    analytic_train_time_s: float = np.nan
    analytic_energy_j: float = np.nan
    device_time_s: float = np.nan
    device_score_time_s: float = np.nan
    device_train_time_s: float = np.nan
    device_energy_j: float = np.nan
    ratio_rule: str = ""
    """`budget` or `objective` where such a rule chose the keep ratio, else empty"""
    device_throttled_s: float = np.nan
    """of device_time_s: slowed down by heat"""
    device_wait_s: float = np.nan
    """of device_time_s: reading from storage, and unavailable"""
    notes: str = ""
    """JSON: numbers that a method wants to be remembered with the trial"""
    storage_bytes: int = 0
    peak_memory_bytes: int = 0
    cost_j: float = np.nan
    host_wall_s: float = np.nan
    host_score_wall_s: float = np.nan
    host_train_wall_s: float = np.nan

    @property
    def trial(self) -> Trial:
        """The trial whose outcome this is."""
        return Trial(self.seed, self.device, self.method, self.keep_ratio)


class CurvePoint(NamedTuple):
    """One epoch of one trial. Test values are NaN where the test set was not evaluated after that epoch."""

    epoch: int
    subset_loss: float
    subset_accuracy: float
    test_loss: float
    test_accuracy: float


@dataclass(frozen=True)
class Reused:
    """A subset that another run chose, and what choosing it took there."""

    kept: IntArray
    """sorted indices into the training set"""
    weights: FloatArray | None
    work: Work
    trace: StepTrace


@dataclass(frozen=True)
class Findings:
    """What a method found beside its subset."""

    scores: FloatArray | None = None
    """[n] of the whole shard, where the scenario keeps scores"""
    indices: IntArray | None = None
    """[n] the samples that the scores belong to, as indices into the training set"""
    scores_for_all_budgets: bool = True
    """whether these scores serve every keep ratio of the method on this device"""
    history: tuple[dict[str, float], ...] = ()
    """one row per epoch of a training of the method's own"""
    extremes: Extremes | None = None
    """of the trials that a run shows (`Setting.shown`)"""


@dataclass(frozen=True)
class TrialResult:
    """What a device sends back for one trial."""

    record: Record
    curve: tuple[CurvePoint, ...] = ()
    kept: IntArray | None = None
    """sorted indices into the training set"""
    weights: FloatArray | None = None
    """loss weights aligned with `kept`; None = all one"""
    findings: Findings = field(default_factory=Findings)
    ledger: Ledger | None = None
    """None of a trial that did not come to its end"""
