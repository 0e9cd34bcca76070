"""Adam, AdamW and SGD as one fused kernel call per step.

The kernels are the ones behind torch.optim's `fused=True`, and the results are equal bit for bit (tested).
The first optimiser of torch.optim imports torch._dynamo, which costs every worker process seconds and about 64 MiB.
The kernels' functions are private: outside the tested versions, or with EDGESIM_PLAIN_TORCH=1, torch.optim is used.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import torch

from edgesim.config import tested_versions
from edgesim.training.settings import Training


class Optimizer(Protocol):
    """One optimiser over fixed parameters."""

    def step(self, learning_rate: float) -> None:
        """Update the parameters from their gradients and clear these."""


class FusedAdam:
    """Adam (L2 penalty in the gradient) or AdamW (decoupled), betas 0.9 and 0.999, eps 1e-8 (Kingma & Ba 2015)."""

    def __init__(self, parameters: Iterable[torch.nn.Parameter], weight_decay: float, decoupled: bool):
        self._parameters = [p for p in parameters if p.requires_grad]
        self._weight_decay = weight_decay
        self._kernel = torch._fused_adamw_ if decoupled else torch._fused_adam_
        self._averages = [torch.zeros_like(p, memory_format=torch.preserve_format) for p in self._parameters]
        self._squares = [torch.zeros_like(p, memory_format=torch.preserve_format) for p in self._parameters]
        self._steps = [torch.zeros((), dtype=torch.float32, device=p.device) for p in self._parameters]

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Update the parameters from their gradients and clear these."""
        used = [i for i, p in enumerate(self._parameters) if p.grad is not None]
        steps = [self._steps[i] for i in used]
        torch._foreach_add_(steps, 1)
        self._kernel(
            [self._parameters[i] for i in used],
            [_gradient(self._parameters[i]) for i in used],
            [self._averages[i] for i in used],
            [self._squares[i] for i in used],
            [],
            steps,
            lr=learning_rate,
            beta1=0.9,
            beta2=0.999,
            weight_decay=self._weight_decay,
            eps=1e-8,
            amsgrad=False,
            maximize=False,
        )
        for p in self._parameters:
            p.grad = None


class FusedSgd:
    """SGD with momentum and weight decay (Sutskever et al. 2013, as torch.optim.SGD)."""

    def __init__(self, parameters: Iterable[torch.nn.Parameter], momentum: float, weight_decay: float, nesterov: bool):
        self._parameters = [p for p in parameters if p.requires_grad]
        self._momentum, self._weight_decay, self._nesterov = momentum, weight_decay, nesterov
        moved = self._parameters if momentum else []
        self._buffers = [torch.empty_like(p, memory_format=torch.preserve_format) for p in moved]
        self._first_step = True

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Update the parameters from their gradients and clear these."""
        for p in self._parameters:  # the kernel has no notion of an unused parameter
            p.grad = torch.zeros_like(p) if p.grad is None else p.grad
        torch._fused_sgd_(
            list[torch.Tensor](self._parameters),
            [_gradient(p) for p in self._parameters],
            self._buffers,
            weight_decay=self._weight_decay,
            momentum=self._momentum,
            lr=learning_rate,
            dampening=0.0,
            nesterov=self._nesterov,
            maximize=False,
            is_first_step=self._first_step,
        )
        self._first_step = False
        for p in self._parameters:
            p.grad = None


class PublicOptimizer:
    """The same optimisers from torch.optim, without private functions."""

    def __init__(self, parameters: Iterable[torch.nn.Parameter], settings: Training):
        self._parameters = [p for p in parameters if p.requires_grad]
        decay = settings.weight_decay
        self._optimizer: torch.optim.Optimizer
        if settings.optimizer == "sgd":
            self._optimizer = torch.optim.SGD(
                self._parameters,
                momentum=settings.momentum,
                weight_decay=decay,
                nesterov=settings.nesterov,
                fused=True,
            )
        else:
            kind = torch.optim.AdamW if settings.optimizer == "adamw" else torch.optim.Adam
            self._optimizer = kind(self._parameters, weight_decay=decay, fused=True)
        self._fill_unused = settings.optimizer == "sgd"  # as `FusedSgd` does

    def step(self, learning_rate: float) -> None:
        """Update the parameters from their gradients and clear these."""
        for p in self._parameters:
            if p.grad is None and self._fill_unused:
                p.grad = torch.zeros_like(p)
            elif p.grad is not None:
                p.grad = _gradient(p)
        self._optimizer.param_groups[0]["lr"] = learning_rate
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)


def _gradient(parameter: torch.nn.Parameter) -> torch.Tensor:
    """The gradient in the strides of its parameter: the fused kernels walk the raw memory of both."""
    gradient = parameter.grad
    assert gradient is not None
    if gradient.stride() == parameter.stride():
        return gradient
    both = zip(parameter.shape, gradient.stride(), parameter.stride(), strict=True)
    if all(mine == wanted for size, mine, wanted in both if size > 1):  # the same memory (kernels of 1x1)
        return gradient.as_strided(parameter.shape, parameter.stride())
    return torch.empty_like(parameter, memory_format=torch.preserve_format).copy_(gradient)


def build(settings: Training, parameters: Iterable[torch.nn.Parameter]) -> Optimizer:
    """The optimiser that `settings` names, over `parameters`."""
    if not tested_versions.TORCH.include(torch.__version__):
        return PublicOptimizer(parameters, settings)
    if settings.optimizer == "sgd":
        return FusedSgd(parameters, settings.momentum, settings.weight_decay, settings.nesterov)
    return FusedAdam(parameters, settings.weight_decay, decoupled=settings.optimizer == "adamw")
