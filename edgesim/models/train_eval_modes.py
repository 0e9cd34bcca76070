"""Training and evaluation mode, layer by layer: a network may keep some of its layers frozen.

A layer is frozen where its network's own `train()` leaves it in evaluation mode, or where `build` has put it there.
`model.eval()` followed by `model.train()` knows only of the first kind, and single layers know of neither.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from torch import nn


def start_training(model: nn.Module) -> None:
    """Put a network into training mode; layers that are in evaluation mode inside a network in training stay frozen."""
    frozen = [layer for layer in model.modules() if not layer.training] if model.training else []
    model.train()
    for layer in frozen:
        if layer.training:
            layer.train(False)


@contextmanager
def evaluating(*networks: nn.Module) -> Iterator[None]:
    """Networks, or single layers, in evaluation mode inside the block; then every layer is in its mode of before."""
    modes = [(layer, layer.training) for network in networks for layer in network.modules()]
    for network in networks:
        network.eval()
    try:
        yield
    finally:
        _put_back(modes)


def _put_back(modes: Iterable[tuple[nn.Module, bool]]) -> None:
    """Give every layer its mode, outer layers first: a layer's `train()` reaches those inside it."""
    for layer, mode in modes:
        if layer.training != mode:
            layer.train(mode)


def normalising(model: nn.Module) -> list[nn.Module]:
    """The batch normalisations of a network that take their statistics from the batch: not those that are frozen."""
    kind = nn.modules.batchnorm._BatchNorm
    return [layer for layer in model.modules() if isinstance(layer, kind) and layer.training]
