"""Training task, as the training loop and the methods see it.

A method never names cross-entropy: this interface gives it losses, correct predictions and embeddings per sample. So a
method prunes any task that has a loss per sample, unless it needs more.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch.nn import functional

from edgesim.data.datasets import ImageDataset
from edgesim.models.networks import last_linear
from edgesim.models.train_eval_modes import evaluating
from edgesim.work import FloatArray, IntArray


class Task(Protocol):
    """A device's shard on the torch device that computes, batch by batch."""

    size: int
    channels: frozenset[str]
    """quantities per sample: always "loss" and "correct", and "logits" and "embedding" where the task has them"""

    def inputs(self, positions: torch.Tensor | slice) -> torch.Tensor:
        """Network inputs of the samples at `positions` (int64 [B]), normalised."""

    def losses(self, outputs: torch.Tensor, positions: torch.Tensor | slice) -> torch.Tensor:
        """Unreduced losses, float32 [B]."""

    def correct(self, outputs: torch.Tensor, positions: torch.Tensor | slice) -> torch.Tensor:
        """1 where a sample is right, else 0: float32 [B]."""


class ClassificationTask:
    """Images with one label each, cross-entropy, top-1.

    Images are kept as uint8 on the torch device and normalised batch by batch. That is as fast as keeping floats, in a
    quarter of the memory. Batches are channels-last: channels-first max-pooling is far slower on CPUs.
    """

    channels = frozenset({"loss", "correct", "logits", "embedding"})

    def __init__(
        self, images: np.ndarray, labels: np.ndarray, normalisation: tuple[np.ndarray, np.ndarray], device: str
    ):
        """Take uint8 images [n, H, W, C], labels [n] and the training split's (mean, std) per channel."""
        self.size = len(labels)
        self._images = torch.from_numpy(np.array(images, dtype=np.uint8, order="C")).to(device)  # NHWC
        self.labels = torch.from_numpy(np.array(labels, dtype=np.int64)).to(device)
        mean, std = (torch.as_tensor(np.asarray(part, dtype=np.float32), device=device) for part in normalisation)
        self._scale = (1.0 / (255.0 * std)).view(1, -1, 1, 1)
        self._shift = (-mean / std).view(1, -1, 1, 1)

    @classmethod
    def of_shard(cls, dataset: ImageDataset, shard: IntArray, device: str) -> ClassificationTask:
        """The task of a device that holds the training images `shard`."""
        return cls(dataset.train_images[shard], dataset.train_labels[shard], dataset.normalisation(), device)

    @classmethod
    def of_test(cls, dataset: ImageDataset, device: str) -> ClassificationTask:
        """The common test set, normalised by the training split."""
        return cls(dataset.test_images, dataset.test_labels, dataset.normalisation(), device)

    def inputs(self, positions: torch.Tensor | slice) -> torch.Tensor:
        """Float32 [B, C, H, W] in channels-last memory."""
        images = self._images[positions].permute(0, 3, 1, 2)  # [B, C, H, W], strides of NHWC
        return images.to(torch.float32).mul_(self._scale).add_(self._shift)

    def losses(self, outputs: torch.Tensor, positions: torch.Tensor | slice) -> torch.Tensor:
        """Cross-entropy of each sample, float32 [B]."""
        return functional.cross_entropy(outputs.float(), self.labels[positions], reduction="none")

    def correct(self, outputs: torch.Tensor, positions: torch.Tensor | slice) -> torch.Tensor:
        """1 where the largest logit is the label's."""
        return (outputs.argmax(dim=1) == self.labels[positions]).float()


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
    correct: FloatArray
    """[n] float64, 1 = right"""
    logits: FloatArray | None = None
    """[n, C] float64"""
    embedding: FloatArray | None = None
    """[n, D] float64"""


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
        capture: which of "logits" and "embedding" to keep beside loss and correctness.
        batch_size: samples per pass; the result does not depend on it beyond float rounding.
        precision_name: "fp32" or "bf16".
        positions: the samples to pass, or None for all.
    """
    device = next(model.parameters()).device
    count = task.size if positions is None else len(positions)
    chosen = None if positions is None else torch.as_tensor(positions, device=device)
    kept: dict[str, list[torch.Tensor]] = {name: [] for name in ("loss", "correct", "logits", "embedding")}
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
            kept["correct"].append(task.correct(outputs, where))
            if "logits" in capture:
                kept["logits"].append(outputs.float())
    joined = {name: torch.cat(parts).double().cpu().numpy() for name, parts in kept.items() if parts}
    return Snapshot(
        loss=joined.get("loss", np.zeros(0)),
        correct=joined.get("correct", np.zeros(0)),
        logits=joined.get("logits"),
        embedding=joined.get("embedding"),
    )
