"""Interface of a training task, as the training loop and the methods see it, and forward passes over a shard.

A method never names cross-entropy: this interface gives it losses per sample, and what else the task shows. So a method
prunes any task, unless it needs more than that. `training.tasks` has the tasks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch

from edgesim.models.networks import last_linear
from edgesim.models.train_eval_modes import evaluating
from edgesim.tasks import TaskKind
from edgesim.work import FloatArray, IntArray

Positions = torch.Tensor | slice
"""samples of a shard: int64 [B], or a slice"""


class Task(Protocol):
    """A device's shard on the torch device that computes, batch by batch."""

    kind: TaskKind
    size: int

    @property
    def channels(self) -> frozenset[str]:
        """Quantities per sample that the task shows (`tasks.TaskKind.channels`)."""

    def inputs(self, positions: Positions) -> Any:
        """Network inputs of the samples at `positions`: float32 [B, ...] normalised, int64 [B, length] of tokens."""

    def losses(self, outputs: Any, positions: Positions) -> torch.Tensor:
        """Unreduced losses, float32 [B]."""

    def results(self, outputs: Any, positions: Positions) -> Any:
        """What the metrics are made of: a tensor [B, ...], or a list of B entries.

        Of a classification 1 where a sample is right, else 0.
        """

    def running(self, results: Any) -> torch.Tensor:
        """The deciding metric of each sample of a batch, float32 [B], as far as single samples have one; else NaN."""

    def scores(self, losses: FloatArray, results: Sequence[Any], own: IntArray | None = None) -> Scores:
        """Metrics of all samples, once.

        Args:
            losses: [n].
            results: of the batches, in order.
            own: samples that are those of one device, too.
        """


@dataclass(frozen=True)
class Scores:
    """Outcome of an evaluation of n samples."""

    loss: float
    """mean loss"""
    metrics: Mapping[str, float]
    """by `Metric.key`; NaN where a set of samples has none"""
    per_class: Mapping[str, FloatArray] = field(default_factory=dict)
    """by `Metric.key`, [C] each; NaN for a class without samples; empty where a metric has no value per class"""
    own: Mapping[str, float] = field(default_factory=dict)
    """by `Metric.key`, of the samples that are a device's own; empty where there are none"""


class EmbeddingTap:
    """Keeps the input of the network's last linear layer during a forward pass: the embedding [B, D]."""

    def __init__(self, model: torch.nn.Module):
        self._layer = last_linear(model)
        self.value: torch.Tensor | None = None

    @contextmanager
    def open(self) -> Iterator[EmbeddingTap]:
        """Capture inside the block."""

        def keep(_: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            self.value = inputs[0].detach().flatten(1)

        handle = self._layer.register_forward_pre_hook(keep)
        try:
            yield self
        finally:
            handle.remove()

    def take(self) -> torch.Tensor:
        """The embedding of the last forward pass, float32."""
        assert self.value is not None, "no forward pass went through the tapped layer"
        return self.value.float()


@dataclass(frozen=True)
class Snapshot:
    """Per-sample quantities of a forward pass in evaluation mode, without augmentation."""

    loss: FloatArray
    """[n] float64"""
    results: tuple[Any, ...] = ()
    """`Task.results` of the batches, in order"""
    logits: FloatArray | None = None
    """[n, C] float64"""
    embedding: FloatArray | None = None
    """[n, D] float64"""

    @cached_property
    def correct(self) -> FloatArray:
        """[n] float64, 1 = right; of a task that shows this."""
        return torch.cat(list(self.results)).double().cpu().numpy() if self.results else np.zeros(0)


def device_name(wanted: str) -> str:
    """The torch device for a scenario's `torch_device`: `auto` takes CUDA where there is one."""
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return wanted


def precision(name: str, device: str) -> AbstractContextManager[Any]:
    """Context in which a block runs in fp32, or under bf16 autocast."""
    return torch.autocast(device, dtype=torch.bfloat16) if name == "bf16" else nullcontext()


@torch.no_grad()
def observe(
    model: torch.nn.Module,
    task: Task,
    capture: frozenset[str],
    batch_size: int,
    precision_name: str = "fp32",
    positions: IntArray | None = None,
) -> Snapshot:
    """Forward passes in evaluation mode over the shard (or `positions` of it), every sample once.

    Args:
        model: the network; the mode of each of its layers is put back afterwards.
        task: the shard.
        capture: which of "logits" and "embedding" to keep beside losses and results.
        batch_size: samples per pass; the result does not depend on it beyond float rounding.
        precision_name: "fp32" or "bf16".
        positions: the samples to pass, or None for all.
    """
    device = next(model.parameters()).device
    count = task.size if positions is None else len(positions)
    chosen = None if positions is None else torch.as_tensor(positions, device=device)
    kept: dict[str, list[torch.Tensor]] = {name: [] for name in ("loss", "logits", "embedding")}
    results: list[Any] = []
    tap = EmbeddingTap(model) if "embedding" in capture else None
    with evaluating(model):
        for start in range(0, count, batch_size):
            where = slice(start, start + batch_size) if chosen is None else chosen[start : start + batch_size]
            with precision(precision_name, device.type):
                if tap is None:
                    outputs = model(task.inputs(where))
                else:
                    with tap.open():
                        outputs = model(task.inputs(where))
                    kept["embedding"].append(tap.take())
            kept["loss"].append(task.losses(outputs, where))
            results.append(task.results(outputs, where))
            if "logits" in capture:
                kept["logits"].append(outputs.float())
    joined = {name: torch.cat(parts).double().cpu().numpy() for name, parts in kept.items() if parts}
    return Snapshot(
        loss=joined.get("loss", np.zeros(0)),
        results=tuple(results),
        logits=joined.get("logits"),
        embedding=joined.get("embedding"),
    )
