"""Settings of training, evaluation and warm-up: three parts of a scenario. Imports no torch."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import Field

from edgesim.config.checked_dataclass import checked_dataclass
from edgesim.config.plausible import Bounded, PlausibleRange
from edgesim.errors import Fault
from edgesim.work import MOST_TRAININGS

MOST_EPOCHS = 10**12
"""whatever `unsafe` says: steps and samples are counted in 63 bits"""
Epochs = Annotated[int, Field(ge=1, le=MOST_EPOCHS), PlausibleRange(1, 100_000)]
BatchSize = Annotated[int, Field(ge=1, le=10**9), PlausibleRange(1, 100_000)]
LearningRate = Annotated[float, Field(gt=0, allow_inf_nan=False), PlausibleRange(1e-9, 100.0)]
WeightDecay = Annotated[float, Field(ge=0, allow_inf_nan=False), PlausibleRange(0.0, 10.0)]
Steps = Annotated[int, Field(ge=1, le=10**12), PlausibleRange(1, 100_000_000)]
PartEpochs = Annotated[float, Field(gt=0, le=MOST_EPOCHS), PlausibleRange(1e-4, 1e5)]
"""epochs of which the last may be cut short"""
Precision = Literal["fp32", "bf16"]
OPTIMIZER_STATES = {"sgd": 0, "adam": 2, "adamw": 2}
"""Numbers that an optimiser keeps per weight, momentum of SGD not counted (peak training memory needs them)."""
STACK_SLOTS = 16
"""small networks that train as one (`training.stacked`)"""
MAX_STACKED_PARAMETERS = 150_000
"""of one network: beyond, a step is bound by the memory that its weights move, and stacking gains little or nothing"""


@checked_dataclass()
class Training(Bounded):
    """Epochs, batches, optimiser, schedule, precision and augmentation; the same for every device and method."""

    epochs: Epochs = 10
    """epochs of every training"""
    batch_size: BatchSize = 64
    """samples per step"""
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    """optimiser of every training"""
    learning_rate: LearningRate = 1e-3
    """step size of the optimiser, before the schedule"""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """momentum of `sgd`; adam and adamw have their own (0.9, 0.999)"""
    nesterov: bool = False
    """Nesterov's form of the momentum of `sgd`"""
    weight_decay: WeightDecay = 0.0
    """L2 penalty on the weights; decoupled with adamw"""
    schedule: Literal["constant", "cosine", "step"] = "cosine"
    """constant; cosine: down to 0 at the end; step: times `decay` at each of the `milestones`"""
    milestones: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = (0.5, 0.75)
    """shares of the training after which the step schedule multiplies the learning rate by `decay`"""
    decay: Annotated[float, Field(gt=0, lt=1), PlausibleRange(1e-6, 1.0)] = 0.1
    """factor on the learning rate at each milestone of the step schedule"""
    precision: Precision = "fp32"
    """number format of training; devices without bf16 units are priced as fp32"""
    initial_weights: Annotated[str, Field(min_length=1)] | None = None
    """file of weights that every training starts from: a `state_dict` as safetensors, relative to the scenario or to
    where edgesim runs; left out: random ones"""
    fresh_layers: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """layers that start from random weights nevertheless; the last linear layer does where the file has it in another
    shape"""
    augment: tuple[Any, ...] = ()
    """augmentations of the training batches, in order: names, or maps with `name` and arguments"""
    repeats: Annotated[int, Field(ge=1, le=MOST_TRAININGS)] = 1
    """trainings that one selection serves, for example of other networks or seeds. The price has scoring once and all
    trainings, one after another; one of them is run here, and gives the accuracy"""
    torch_device: Literal["auto", "cpu", "cuda"] = "auto"
    """device that computes the simulation; says nothing about the simulated devices"""

    @staticmethod
    def faults_in(given: dict[str, Any]) -> list[Fault]:
        """Faults between the fields of a document's map."""
        alone = given.get("fresh_layers") and given.get("initial_weights") is None
        message = "is for weights of a file; give `initial_weights`, or leave it out"
        return [Fault("fresh_layers", message)] if alone else []

    @property
    def optimizer_states(self) -> int:
        """Numbers that the optimiser keeps per weight."""
        return OPTIMIZER_STATES[self.optimizer] + (self.optimizer == "sgd" and self.momentum > 0)

    def learning_rate_at(self, step: int, total_steps: int) -> float:
        """Learning rate of the 0-based step out of `total_steps` (cosine anneals to zero after the last step)."""
        progress = step / max(total_steps, 1)
        if self.schedule == "cosine":
            return self.learning_rate * 0.5 * (1.0 + math.cos(math.pi * progress))
        if self.schedule == "step":
            return float(self.learning_rate * self.decay ** sum(progress >= m for m in self.milestones))
        return self.learning_rate


@checked_dataclass()
class Warmup(Bounded):
    """Length of the truncated first phase whose statistics give the scores: T0 in iterations or in epochs."""

    epochs: PartEpochs | None = None
    """length in epochs of the shard; give this or `iterations`, left out: 1 epoch"""
    iterations: Steps | None = None
    """length in steps; give this or `epochs`"""

    @staticmethod
    def faults_in(given: dict[str, Any]) -> list[Fault]:
        """Faults between the fields of a document's map."""
        both = given.get("epochs") is not None and given.get("iterations") is not None
        return [Fault("", "give T0 either in `epochs` or in `iterations`, not in both")] if both else []

    def steps(self, n: int, batch_size: int) -> int:
        """T0 in steps on a shard of n samples, at least 1; one epoch where neither length is given."""
        if self.iterations is not None:
            return self.iterations
        batches = -(-n // batch_size)
        return max(1, math.ceil((1.0 if self.epochs is None else self.epochs) * batches - 1e-9))


@checked_dataclass()
class Evaluation(Bounded):
    """Settings of the evaluation on the common test set."""

    every: Annotated[int, Field(ge=0, le=MOST_EPOCHS), PlausibleRange(0, 100_000)] = 0
    """epochs between two evaluations on the test set; 0: only at the end"""
    batch_size: BatchSize = 250
    """samples per forward pass of an evaluation"""
