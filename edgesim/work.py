"""Work of a trial and of one sample of a network, independent of any device, and trainings until it pays back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from itertools import groupby
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
ByteArray = npt.NDArray[np.uint8]
Count = TypeVar("Count", int, IntArray)
ADAM_STATES = 2
"""numbers that Adam keeps per weight: means of the gradient and of its square"""
MOST_TRAININGS = 1_000_000
"""that one selection may serve: one a minute for two years"""
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Work:
    """Counts of samples, steps and comparisons, independent of any device. Adds up with `+`."""

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
    """Every step's real batch size, in order, run-length encoded. The emulator prices it in device time."""

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


OPERATION_KINDS = (
    *("convolution", "pointwise", "depthwise", "matmul", "elementwise", "unrolling"),
    *("cramped_convolution", "cramped_depthwise"),
    *("recurrent", "processor_matmul", "processor_elementwise"),
)
"""kinds of aten operations that reach different shares of a device's peak. Convolutions are told apart by kernel and
groups; `matmul` has attention too; `elementwise` is everything else, bound by memory. `unrolling` follows a convolution
larger than 1x1 where the framework computes it as a matrix product. A cramped convolution has a kernel that is wider or
higher than its images. `recurrent` are the kernels of a recurrent layer on a GPU, PROCESSOR_KINDS its operations on a
processor (`models.recurrent`). Run folders hold positions in this tuple, so new kinds go to the end"""
PROCESSOR_KINDS = ("processor_matmul", "processor_elementwise")
"""kinds of operations that only processors run; the FLOPs of a network are without them"""


@dataclass(frozen=True)
class Operations:
    """The aten operations of one pass through a network, equal ones together. FLOPs and bytes are affine in the batch.

    `flops` and `moved_bytes` hold two parts of each operation: one that does not grow with the batch, and one per
    sample. At batch size B an operation takes flops[:, 0] + B * flops[:, 1].
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
    """[K, 2] convolutions of one group of channels of one sample, of a convolution in groups; 0 for all else. Kernels
    that are not made for groups run these one by one"""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Operations):
            return NotImplemented
        return all(np.array_equal(getattr(self, part.name), getattr(other, part.name)) for part in fields(Operations))

    @cached_property
    def by_kind(self) -> FloatArray:
        """[kinds, 4, 2] sums over each kind: how many, FLOPs, bytes, pieces; constant | per sample."""
        member = self.kinds[:, None] == np.arange(len(OPERATION_KINDS))  # [K, kinds]
        each = np.stack([np.tile([1.0, 0.0], (len(self.kinds), 1)), self.flops, self.moved_bytes, self.pieces], axis=1)
        return np.einsum("kt,k,kqp->tqp", member.astype(np.float64), self.count, each)

    def each(self) -> Iterator[Operations]:
        """Every operation by itself, as often as it occurs."""
        for i in range(len(self.kinds)):
            yield self.chosen(slice(i, i + 1))

    def chosen(self, where: slice | npt.NDArray[np.bool_]) -> Operations:
        """Some of the operations, as often as each occurs."""
        return Operations(*(getattr(self, part.name)[where] for part in fields(Operations)))

    @classmethod
    def none(cls) -> Operations:
        """No operation."""
        return cls(np.zeros(0, np.int64), np.zeros(0), np.zeros((0, 2)), np.zeros((0, 2)), np.zeros((0, 2)))


class LiveBytes(NamedTuple):
    """Bytes alive at one moment of a training step, affine in the batch."""

    fixed: int
    """weights, buffers, their gradients so far, temporaries of a kernel"""
    per_sample: int
    """the batch, saved activations, gradients of activations"""

    def at(self, batch_size: Count) -> Count:
        """Bytes at a batch size."""
        return self.fixed + self.per_sample * batch_size


@dataclass(frozen=True)
class TrainingMemory:
    """Memory of one training step, counted by following every storage of it (`models.training_memory`)."""

    moments: tuple[LiveBytes, ...]
    """moments that are the peak at some batch size, without the optimiser's state"""
    state_bytes: int
    """one number per trained weight"""
    counter_bytes: int
    """Adam's counts of steps, one per trained weight tensor"""

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> TrainingMemory:
        """A memory from its fields as JSON gives them back; TypeError for other things."""
        return cls(**fields | {"moments": tuple(LiveBytes(*moment) for moment in fields["moments"])})

    def peak_bytes(self, batch_size: Count, optimizer_states: int) -> Count:
        """Peak of a step: the moment with the most bytes, and the optimiser's state. Arguments: `Workload`."""
        state = optimizer_states * self.state_bytes + (self.counter_bytes if optimizer_states == ADAM_STATES else 0)
        peak = np.maximum.reduce([np.asarray(moment.at(batch_size)) for moment in self.moments]) + state
        return int(peak) if isinstance(batch_size, int) else peak


@dataclass(frozen=True)
class Workload:
    """FLOPs, bytes and operations of one sample of a network, counted on meta tensors (`models.workload`)."""

    train_flops: float
    """F: forward + backward FLOPs per sample, multiply-add = 2"""
    forward_flops: float
    """forward FLOPs per sample"""
    parameters: int
    parameter_bytes: int
    """bytes of the weights"""
    train_operations: Operations = field(default_factory=Operations.none)
    """of the forward and backward pass, the optimiser's update left out"""
    forward_operations: Operations = field(default_factory=Operations.none)
    parameter_tensors: int = 0
    """weights and biases that the optimiser updates one by one"""
    memory: TrainingMemory | None = None
    """of a training step, to the byte; None for a workload that was not counted"""
    memory_in_blocks: TrainingMemory | None = None
    """the same where an allocator rounds every tensor up to a block, as torch's for GPUs does"""

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> Workload:
        """A workload from its fields as JSON gives them back; TypeError, ValueError, KeyError for other things."""
        operations = {}
        for name in ("train_operations", "forward_operations"):
            arrays = dict(fields[name])
            kinds, count = np.asarray(arrays.pop("kinds"), np.int64), np.asarray(arrays.pop("count"), np.float64)
            pairs = {key: np.asarray(values, np.float64).reshape(-1, 2) for key, values in arrays.items()}
            operations[name] = Operations(kinds, count, **pairs)
        memory = {name: TrainingMemory.from_fields(fields[name]) for name in ("memory", "memory_in_blocks")}
        return cls(**fields | operations | memory)

    def summary(self) -> dict[str, float | int]:
        """The numbers of the network as a whole, by name."""
        return {name: value for name, value in vars(self).items() if isinstance(value, float | int)}

    def peak_training_bytes(self, batch_size: Count, optimizer_states: int, in_blocks: bool = False) -> Count:
        """Peak memory of a training step in FP32, without what a framework or driver takes for itself.

        Args:
            batch_size: samples per step, a number or an array; >= 1.
            optimizer_states: numbers kept per weight by the optimiser (SGD 0, with momentum 1, Adam 2).
            in_blocks: as torch's allocator for GPUs rounds tensors up.

        Raises:
            ValueError: the workload was not counted.
        """
        memory = self.memory_in_blocks if in_blocks else self.memory
        if memory is None:
            raise ValueError("the workload has no memory; count it with models.workload.count")
        return memory.peak_bytes(batch_size, optimizer_states)


def trainings_to_break_even(score_j: npt.ArrayLike, train_j: npt.ArrayLike, opponent_j: npt.ArrayLike) -> FloatArray:
    """The smallest N >= 1 with score + N·train <= N·opponent.

    Args:
        score_j: energy of scoring and selection, done once, >= 0.
        train_j: energy of one training on the kept set, its start-up included.
        opponent_j: energy of one training of the opponent; inf where it cannot do the same at any price.

    Returns: float64 of their common shape: 1 = at once; NaN = never, not within MOST_TRAININGS, or not known.
    """
    score, train, opponent = np.broadcast_arrays(
        *(np.asarray(a, dtype=np.float64) for a in (score_j, train_j, opponent_j))
    )
    saved = opponent - train
    needed = np.divide(score, saved, out=np.full(score.shape, np.nan), where=saved > 0)
    found = np.maximum(np.ceil(needed * (1 - _ROUNDING)), 1.0)
    # Without scoring and without extra cost there is nothing to pay back.
    found = np.where((score == 0) & (saved == 0), 1.0, found)
    return np.asarray(np.where(found <= MOST_TRAININGS, found, np.nan))
