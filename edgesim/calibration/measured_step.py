"""Measured training steps, and the networks that were trained in them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field

from torch import nn

from edgesim.models import workload
from edgesim.tasks import NetworkForm
from edgesim.work import Workload


@dataclass(frozen=True)
class CountedNetwork:
    """A network that can be counted."""

    name: str
    form: NetworkForm
    build: Callable[[], nn.Module] = field(compare=False)

    def workload(self) -> Workload:
        """Cost of one sample, without its memory; counted once."""
        return _counted(self)


@functools.cache
def _counted(network: CountedNetwork) -> Workload:
    return workload.count(network.build, network.form, with_memory=False)


@dataclass(frozen=True)
class MeasuredStep:
    """The measured time of one training step."""

    device: str
    """name of the profile"""
    model: str
    """as published"""
    network: CountedNetwork
    batch_size: int
    time_s: float
    framework: str
    optimizer_states: int = 0
    """numbers that the optimiser keeps per weight; the published trainings use plain SGD or do not say"""
    doubtful: bool = False
    """True where the measurement's own caveat says so"""

    @property
    def recomputes(self) -> bool:
        """True where the framework runs the forward pass again within the backward pass: DL4J's layers compute their
        pre-activations anew (deeplearning4j, BaseLayer.backpropGradient and its overrides)."""
        return self.framework.startswith("DL4J")
