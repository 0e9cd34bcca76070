"""The networks of published measurements that are in no library: those of the phones, of MNIST examples and of MCUs.

Sequences come as images of one channel, [B, 1, steps, features], so that `models.workload` counts them as any network.
Layer sizes are those of the measurements' `model` column; their FLOPs agree with the `train_gflop` column.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

Build = Callable[[], nn.Module]


class Sequence(nn.Module):
    """LSTM layers over a sequence, and a linear output at every step or at the last one.

    Args:
        features: width of one step's input; with a `vocabulary`, of its embedding.
        hidden: units of each layer.
        layers: LSTM layers, one over the other.
        outputs: width of the logits.
        vocabulary: words, where the input is one word's number per step; 0 for plain numbers.
        every_step: whether the output layer runs at every step; the logits are then averaged over the steps.
    """

    def __init__(
        self, features: int, hidden: int, layers: int, outputs: int, vocabulary: int = 0, every_step: bool = False
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, features) if vocabulary else None
        self.recurrent = nn.LSTM(features, hidden, layers, batch_first=True)
        self.output = nn.Linear(hidden, outputs)
        self.every_step = every_step

    def forward(self, images: Tensor) -> Tensor:
        """[B, 1, steps, features] to logits [B, outputs]."""
        steps = images[:, 0]  # [B, steps, features]
        if self.embedding is not None:
            steps = self.embedding(steps[..., 0].long())
        states = self.recurrent(steps)[0]  # [B, steps, hidden]
        logits: Tensor = self.output(states).mean(1) if self.every_step else self.output(states[:, -1])
        return logits


def leaf_femnist() -> nn.Module:
    """CNN of LEAF for FEMNIST: two 5x5 convolutions (32, 64), pooled, and 2048 units; 1x28x28, 62 classes."""
    return nn.Sequential(*_stage(1, 32, 5), *_stage(32, 64, 5), nn.Flatten(), *_head(64 * 7 * 7, 2048, 62))


def leaf_celeba() -> nn.Module:
    """CNN of LEAF for CelebA with three 3x3 convolutions of 32, pooled; 3x84x84, 2 classes."""
    stages = (*_stage(3, 32, 3), *_stage(32, 32, 3), *_stage(32, 32, 3))
    return nn.Sequential(*stages, nn.Flatten(), nn.Linear(32 * 10 * 10, 2))


def dense_mnist() -> nn.Module:
    """784-128-10 with ReLU, the first example of Keras."""
    return nn.Sequential(nn.Flatten(), *_head(784, 128, 10))


def _stage(inputs: int, outputs: int, kernel: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(inputs, outputs, kernel, padding="same"), nn.ReLU(), nn.MaxPool2d(2)


def _head(inputs: int, hidden: int, outputs: int) -> tuple[nn.Module, ...]:
    return nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs)
