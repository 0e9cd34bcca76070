"""Batch and loss of the pass that is counted, by the form of a network; all that a task changes is here."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from edgesim.errors import EdgesimError
from edgesim.models.detection import DetectionInputs
from edgesim.tasks import NetworkForm

BOXES = ((0.1, 0.1, 0.3, 0.25), (0.4, 0.5, 0.9, 0.95), (0.6, 0.1, 0.7, 0.2))
"""in every image of a detection that is counted, as shares of its width and height: middling, large and small"""


def inputs(form: NetworkForm, samples: int, device: torch.device) -> Any:
    """A batch [samples, *input_shape]: int64 zeros for token ids, float32 zeros for all else, boxes with a detection.

    The boxes found are left out: a device needs the losses alone.
    """
    kind = torch.int64 if form.tokens else torch.float32
    batch = torch.zeros(samples, *form.input_shape, dtype=kind, device=device)
    if form.task != "detection":
        return batch
    height, width = form.input_shape[1:]
    sides = torch.tensor([width, height, width, height], dtype=torch.float32, device=device)
    boxes = tuple(torch.tensor(BOXES, device=device) * sides for _ in range(samples))
    labels = tuple(torch.zeros(len(BOXES), dtype=torch.int64, device=device) for _ in range(samples))
    return DetectionInputs(batch, boxes, labels, find=False)


def targets(form: NetworkForm, samples: int, device: torch.device) -> Any:
    """Targets of a batch: labels int64 [samples], numbers float32 [samples, outputs] of a regression, else none."""
    if form.task == "classification":
        return torch.zeros(samples, dtype=torch.int64, device=device)
    if form.task == "regression":
        return torch.zeros(samples, form.num_outputs, device=device)
    return None  # boxes are inputs of their network


def loss(form: NetworkForm, outputs: Any, wanted: Any) -> Tensor:
    """Mean loss of a batch: cross-entropy, the squared error of a regression, or a detector's own."""
    if form.task == "detection":
        return outputs.losses.mean()
    if form.task == "regression":
        return functional.mse_loss(outputs, wanted)
    return functional.cross_entropy(outputs, wanted)


def check(form: NetworkForm, outputs: Any, samples: int) -> None:
    """Refuse outputs of another shape than the loss needs.

    Raises:
        EdgesimError: they are not [samples, num_outputs], or of a detection no losses [samples].
    """
    if form.task == "detection":
        losses = getattr(outputs, "losses", None)
        if not isinstance(losses, Tensor) or list(losses.shape) != [samples]:
            raise EdgesimError(
                "a model that finds boxes must give `edgesim.models.detection.DetectionOutputs` with losses of shape "
                f"[batch]; for a batch of {samples} this one gives {type(outputs).__name__}"
            )
        return
    given = list(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
    if given != [samples, form.num_outputs]:
        name = "logits" if form.task == "classification" else "outputs"
        raise EdgesimError(
            f"a model must give {name} of shape [batch, {form.num_outputs}]; for a batch of {samples} "
            f"this one gives {given}"
        )
