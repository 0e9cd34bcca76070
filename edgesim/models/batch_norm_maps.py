"""Values that a network's batch normalisations take their statistics over."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle


class BatchNormMaps:
    """Looks at the maps that enter the batch normalisations of a network while it trains."""

    def __init__(self) -> None:
        self._samples = 1
        self._seen: list[int] = []
        self._hooks: list[RemovableHandle] = []

    @property
    def fewest(self) -> int:
        """Values per sample and channel at the smallest of them; 0 where the network has none that ran."""
        return min(self._seen, default=0)

    def watch(self, network: nn.Module) -> nn.Module:
        """Look at a network from now on; returns it."""
        self._hooks.append(network.register_forward_pre_hook(self._begin))
        for layer in network.modules():
            if isinstance(layer, nn.modules.batchnorm._BatchNorm):
                self._hooks.append(layer.register_forward_pre_hook(self._look))
        return network

    def leave(self) -> None:
        """Look no more; a model of the user's may give one network again and again."""
        for hook in self._hooks:
            hook.remove()

    def _begin(self, _: nn.Module, given: tuple[Any, ...]) -> None:
        batch = given[0] if isinstance(given[0], Tensor) else given[0].images
        self._samples = len(batch)

    def _look(self, layer: nn.Module, given: tuple[Any, ...]) -> None:
        if layer.training:  # a frozen one takes its statistics from no batch
            numbers = given[0]
            self._seen.append(numbers.numel() // (numbers.shape[1] * self._samples))
