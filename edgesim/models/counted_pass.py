"""Batch and loss of the pass that is counted, by the form of a network; all that a task changes is here."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from edgesim.errors import EdgesimError
from edgesim.tasks import NetworkForm


def inputs(form: NetworkForm, samples: int, device: torch.device) -> Any:
    """A batch [samples, *input_shape]: int64 zeros for token ids, float32 zeros for all else."""
    kind = torch.int64 if form.tokens else torch.float32
    return torch.zeros(samples, *form.input_shape, dtype=kind, device=device)


def targets(form: NetworkForm, samples: int, device: torch.device) -> Any:
    """Targets of a batch: labels int64 [samples], or numbers float32 [samples, outputs] of a regression.

    Raises:
        EdgesimError: the task is another.
    """
    if form.task == "classification":
        return torch.zeros(samples, dtype=torch.int64, device=device)
    if form.task == "regression":
        return torch.zeros(samples, form.num_outputs, device=device)
    raise EdgesimError(f"networks for {form.task} cannot be counted; allowed: classification, regression")


def loss(form: NetworkForm, outputs: Any, wanted: Any) -> Tensor:
    """Mean loss of a batch: cross-entropy, or the squared error of a regression."""
    if form.task == "regression":
        return functional.mse_loss(outputs, wanted)
    return functional.cross_entropy(outputs, wanted)


def check(form: NetworkForm, outputs: Any, samples: int) -> None:
    """Refuse outputs of another shape than the loss needs.

    Raises:
        EdgesimError: they are not [samples, num_outputs].
    """
    given = list(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
    if given != [samples, form.num_outputs]:
        name = "logits" if form.task == "classification" else "outputs"
        raise EdgesimError(
            f"a model must give {name} of shape [batch, {form.num_outputs}]; for a batch of {samples} "
            f"this one gives {given}"
        )
