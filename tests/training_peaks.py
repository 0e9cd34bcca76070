"""Most bytes alive in real training steps, as torch's allocator tells its profiler. Run as a program, it prints them.

Which memory a kernel takes depends on the processor's vectors, and predictions are those of 256 bits (AVX2): with 512,
convolutions of few samples take from 9 % less to 15 % more. So the tests run it with ONEDNN_MAX_CPU_ISA=AVX2.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch._C._profiler import _EventType
from torch.profiler import ProfilerActivity, profile

from edgesim.models import resolve
from edgesim.tasks import NetworkForm
from edgesim.training.array_inputs import ArrayInputs
from edgesim.training.classification import ClassificationTask
from edgesim.training.loop import Streams, Subset, fit
from edgesim.training.optim import FusedSgd
from edgesim.training.settings import Training

STEPS = 2


@dataclass(frozen=True)
class Images:
    """Steps of the training loop on images of ten classes, with each of some settings."""

    model: str
    shape: tuple[int, int, int]
    settings: list[Training]

    def build(self) -> nn.Module:
        """A new network."""
        return resolve(self.model)().build(self.shape, 10)

    def peaks(self) -> list[int]:
        """Most bytes alive with each of the settings."""
        return [self._peak(self.build(), settings) for settings in self.settings]

    def _peak(self, model: nn.Module, settings: Training) -> int:
        rng, n, channels = np.random.default_rng(0), settings.batch_size * STEPS, self.shape[0]
        images = rng.integers(0, 256, (n, *self.shape[1:], channels), dtype=np.uint8)
        inputs = ArrayInputs(images, (np.full(channels, 0.5), np.ones(channels)), "cpu")
        task = ClassificationTask(inputs, rng.integers(0, 10, n), 10)
        return most_alive(model, lambda: fit(model, task, Subset(np.arange(n)), settings, Streams(0, 0, "memory")))


class LastState(nn.Module):
    """An LSTM, and a linear output at the last step."""

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__()
        self.recurrent, self.fc = nn.LSTM(inputs, 48, batch_first=True), nn.Linear(48, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of a batch of signals."""
        return self.fc(self.recurrent(x.transpose(1, 2))[0][:, -1])


@dataclass(frozen=True)
class Signals:
    """One step on signals or on tokens."""

    model: str
    form: NetworkForm
    batch_size: int

    def build(self) -> nn.Module:
        """A new network."""
        shape, classes = self.form.input_shape, self.form.num_outputs
        return LastState(shape[0], classes) if self.model == "lstm" else resolve(self.model)().build(shape, classes)

    def peaks(self) -> list[int]:
        """Most bytes alive in the step."""
        model = self.build()

        def train() -> None:
            dtype = torch.int64 if self.form.tokens else torch.float32
            x = torch.zeros(self.batch_size, *self.form.input_shape, dtype=dtype)
            loss = nn.functional.cross_entropy(model(x), torch.zeros(self.batch_size, dtype=torch.int64))
            loss.backward()
            FusedSgd(model.parameters(), 0.0, 0.0, False).step(0.1)

        return [most_alive(model, train)]


def most_alive(model: nn.Module, train: Callable[[], object]) -> int:
    """Most bytes alive while `train` trains the model, weights among them."""
    held = sum(one.numel() * one.element_size() for one in (*model.parameters(), *model.buffers()))
    gc.collect()  # the optimiser of the training before would be freed on the way
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        train()
    events, changes = list(profiled.profiler.kineto_results.experimental_event_tree()), []
    while events:
        event = events.pop()
        events += event.children
        if event.typed[0] == _EventType.Allocation:
            changes.append((event.start_time_ns, event.typed[1].alloc_size))
    return held + int(np.cumsum([size for _, size in sorted(changes, key=lambda change: change[0])]).max())


def _adam(batch_size: int) -> Training:
    return Training(epochs=1, batch_size=batch_size)


def _sgd(batch_size: int, momentum: float = 0.9) -> Training:
    return Training(epochs=1, batch_size=batch_size, optimizer="sgd", momentum=momentum)


IMAGES = {
    "mlp": Images("mlp", (1, 28, 28), [_adam(8), _sgd(32), _sgd(128, momentum=0.0)]),
    "mlp in colour": Images("mlp", (3, 32, 32), [_adam(8), _adam(128)]),
    "small-cnn": Images("small-cnn", (1, 28, 28), [_adam(8), _sgd(32), _adam(128)]),
    "small-cnn in colour": Images("small-cnn", (3, 32, 32), [_sgd(32, momentum=0.0)]),
    "resnet8": Images("resnet8", (3, 32, 32), [_adam(4), _sgd(16), _adam(32)]),
    "mobilenet-v2": Images("mobilenet-v2", (3, 32, 32), [_adam(2), _sgd(4)]),
    "resnet18": Images("resnet18", (3, 16, 16), [_adam(4)]),
}
SIGNALS = {
    "cnn1d": Signals("cnn1d", NetworkForm((3, 80), 6), 32),
    "cnn1d, short": Signals("cnn1d", NetworkForm((3, 20), 6), 8),
    "gru": Signals("gru", NetworkForm((3, 40), 6), 16),
    "lstm": Signals("lstm", NetworkForm((3, 40), 6), 32),
    "lstm, short": Signals("lstm", NetworkForm((3, 20), 6), 8),
    "tiny-transformer": Signals("tiny-transformer", NetworkForm((3, 80), 6), 8),
    "tiny-transformer on tokens": Signals("tiny-transformer", NetworkForm((32,), 4, tokens=True), 64),
    "ds-cnn": Signals("ds-cnn", NetworkForm((1, 16, 24), 4), 16),
}


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps({name: case.peaks() for name, case in {**IMAGES, **SIGNALS}.items()}))
