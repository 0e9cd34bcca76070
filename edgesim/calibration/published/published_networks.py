"""The networks of published measurements by their published names: timm's, and those that are in no library.

Sequences come as images of one channel, [B, 1, steps, features], so that `models.workload` counts them as any network.
Layer sizes are those of the measurements' `model` column; their FLOPs agree with the `train_gflop` column.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Callable

from torch import Tensor, nn

from edgesim.calibration.measured_step import CountedNetwork
from edgesim.calibration.published.dl4j import Lstm
from edgesim.models import resolve
from edgesim.models.model_fields import Shape
from edgesim.models.unfilled import unfilled
from edgesim.tasks import NetworkForm

_TIMM_CLASSES = 1000
_TIMM_NAMES = {
    r"(vit|deit)_(tiny|small|base)": r"\1_\2_patch16_224",
    r"swin_(tiny|small)": r"swin_\1_patch4_window7_224",
    r"mlpmixer_b16": "mixer_b16_224",
    r"(resnet18) \(fine-tune all layers\)": r"\1",
    r"ssd-mobilenet-v1": "mobilenetv1_100",
}
"""published name -> timm's, where they differ. SSD-MobileNet-v1 stands for its backbone, most of its arithmetic"""


def network(model: str, input_shape: str) -> CountedNetwork | None:
    """The network of a measurement.

    Args:
        model: the published name.
        input_shape: the published shape; `3x224x224` where it says anything about a timm network.

    Returns: None where no network of that name is known.
    """
    if model in OWN:
        own, shape, classes = OWN[model]
        return CountedNetwork(model, NetworkForm(shape, classes), own)
    if lstm := re.fullmatch(r"single LSTM layer in=(\d+) out=(\d+)", model):
        inputs, units, length = int(lstm[1]), int(lstm[2]), int(input_shape.removeprefix("seq "))
        return CountedNetwork(model, NetworkForm((1, length, inputs), 2), lambda: Sequence(inputs, units, 1, 2))
    name = model
    for pattern, wanted in _TIMM_NAMES.items():
        name = re.sub(f"^{pattern}$", wanted, name)
    sides = re.fullmatch(r"(\d+)x(\d+)x(\d+)", input_shape)
    if sides is None or name not in _timm_models():
        return None
    shape = (int(sides[1]), int(sides[2]), int(sides[3]))

    def build() -> nn.Module:
        with unfilled():
            module: nn.Module = resolve(f"timm:{name}")().build(shape, _TIMM_CLASSES)
        return module

    return CountedNetwork(name, NetworkForm(shape, _TIMM_CLASSES), build)


@functools.cache
def _timm_models() -> frozenset[str]:
    import timm  # optional: only this and the networks themselves need it

    return frozenset(timm.list_models())


class Images(nn.Module):
    """Passes images on and asks for their gradient: DL4J's layers compute it in the first one too."""

    def forward(self, images: Tensor) -> Tensor:
        """[B, channels, height, width] as they are."""
        return images.detach().requires_grad_()


class Sequence(nn.Module):
    """LSTM layers over a sequence, as DL4J runs them, and a linear output at every step or at the last one.

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
        widths = (features, *(hidden,) * layers)
        self.recurrent = nn.Sequential(*(Lstm(*pair) for pair in itertools.pairwise(widths)))
        self.output = nn.Linear(hidden, outputs)
        self.every_step = every_step

    def forward(self, images: Tensor) -> Tensor:
        """[B, 1, steps, features] to logits [B, outputs]."""
        steps = images[:, 0]  # [B, steps, features]
        steps = Images()(steps) if self.embedding is None else self.embedding(steps[..., 0].long())
        states = self.recurrent(steps)  # [B, steps, hidden]
        logits: Tensor = self.output(states).mean(1) if self.every_step else self.output(states[:, -1])
        return logits


def leaf_femnist() -> nn.Module:
    """CNN of LEAF for FEMNIST: two 5x5 convolutions (32, 64), pooled, and 2048 units; 1x28x28, 62 classes."""
    return nn.Sequential(Images(), *_stage(1, 32, 5), *_stage(32, 64, 5), nn.Flatten(), *_head(64 * 7 * 7, 2048, 62))


def leaf_celeba() -> nn.Module:
    """CNN of LEAF for CelebA with three 3x3 convolutions of 32, pooled; 3x84x84, 2 classes."""
    stages = (*_stage(3, 32, 3), *_stage(32, 32, 3), *_stage(32, 32, 3))
    return nn.Sequential(Images(), *stages, nn.Flatten(), nn.Linear(32 * 10 * 10, 2))


def dense_mnist() -> nn.Module:
    """784-128-10 with ReLU, the first example of Keras."""
    return nn.Sequential(nn.Flatten(), *_head(784, 128, 10))


def _stage(inputs: int, outputs: int, kernel: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(inputs, outputs, kernel, padding="same"), nn.ReLU(), nn.MaxPool2d(2)


def _head(inputs: int, hidden: int, outputs: int) -> tuple[nn.Module, ...]:
    return nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs)


OWN: dict[str, tuple[Callable[[], nn.Module], Shape, int]] = {
    "CNN 2conv(32,64;5x5)+fc2048 (LEAF)": (leaf_femnist, (1, 28, 28), 62),
    "CNN 3-4 conv32 (LEAF)": (leaf_celeba, (3, 84, 84), 2),
    "2xLSTM-256 + softmax 10000": (
        lambda: Sequence(256, 256, 2, 10_000, vocabulary=10_000, every_step=True),
        (1, 10, 1),
        10_000,
    ),
    "embed8 + 2xLSTM-256": (lambda: Sequence(8, 256, 2, 80, vocabulary=80), (1, 80, 1), 80),
    "small dense MNIST net (assumed 784-128-10)": (dense_mnist, (1, 28, 28), 10),
}
"""published name -> how it is built, the shape of a sample, classes"""
