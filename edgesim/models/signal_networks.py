"""Networks for windows of sensors, sound and tokens; random weights."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgesim.errors import EdgesimError

DS_CNN_KERNEL = (4, 10)
"""height and width of the stem's kernel: 10 frames of 4 coefficients in MLPerf Tiny, whose inputs have time first"""
_DS_CNN_BLOCKS = 4
_DS_CNN_STRIDE = 2


def cnn1d(input_shape: tuple[int, ...], num_outputs: int, widths: tuple[int, ...], kernel: int) -> nn.Sequential:
    """Blocks of convolution, max-pooling by 2 and ReLU over time, then the mean over time and a linear layer.

    ReLU follows the pooling, which changes no bit and halves its work (see `networks.small_cnn`). Without batch norm,
    trainings of many devices can be stacked.

    Args:
        input_shape: (channels, time).
        num_outputs: outputs of the linear layer.
        widths: channels of each block.
        kernel: time steps of each convolution; an odd number keeps the length.

    Raises:
        EdgesimError: a window that is too short for the poolings.
    """
    channels, time = input_shape
    if time < 2 ** len(widths):
        raise EdgesimError(
            f"cnn1d with {len(widths)} widths needs windows of at least {2 ** len(widths)} steps, not {time}; "
            "use fewer widths, gru or mlp"
        )
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise((channels, *widths)):
        layers += [nn.Conv1d(before, after, kernel, padding=kernel // 2), nn.MaxPool1d(2), nn.ReLU()]
    return nn.Sequential(*layers, MeanOverTime(), nn.Linear(widths[-1], num_outputs))


class MeanOverTime(nn.Module):
    """Mean over the last axis."""

    def forward(self, x: Tensor) -> Tensor:
        """[B, channels, time] -> [B, channels]."""
        return x.mean(dim=2)


class GruModule(nn.Module):
    """GRU over time; a linear layer on the state after the last step (arguments as in `signal_models.Gru`)."""

    def __init__(self, channels: int, num_outputs: int, hidden: int, layers: int):
        super().__init__()
        self.recurrent = nn.GRU(channels, hidden, layers, batch_first=True)
        self.fc = nn.Linear(hidden, num_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """[B, channels, time] -> [B, num_outputs]."""
        states, _ = self.recurrent(x.transpose(1, 2))  # [B, time, hidden]
        outputs: Tensor = self.fc(states[:, -1])
        return outputs


def ds_cnn(input_shape: tuple[int, ...], num_outputs: int, width: int, dropouts: tuple[float, float]) -> nn.Sequential:
    """Depthwise-separable network for keyword spotting (arguments as in `signal_models.DsCnn`)."""
    channels, *sides = input_shape
    kernel, padding = _stem(sides)
    layers: list[nn.Module] = [
        nn.Conv2d(channels, width, kernel, stride=_DS_CNN_STRIDE, padding=padding),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
        nn.Dropout(dropouts[0]),
    ]
    for _ in range(_DS_CNN_BLOCKS):
        layers += [nn.Conv2d(width, width, 3, padding=1, groups=width), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
        layers += [nn.Conv2d(width, width, 1), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.Dropout(dropouts[1]), MeanOverImage(), nn.Linear(width, num_outputs))


class MeanOverImage(nn.Module):
    """Mean over height and width."""

    def forward(self, x: Tensor) -> Tensor:
        """[B, channels, H, W] -> [B, channels]."""
        return x.mean(dim=(2, 3))


def _stem(sides: list[int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Kernel and padding of ds-cnn's stem: the kernel is no larger than the input, outputs are half of it, rounded up.

    TensorFlow's padding "same" puts an odd zero at the end; here both ends get it. The output has the same size.
    """
    kernel, padding = [], []
    for size, wanted in zip(sides, DS_CNN_KERNEL, strict=True):
        kernel.append(min(size, wanted))
        missing = (math.ceil(size / _DS_CNN_STRIDE) - 1) * _DS_CNN_STRIDE + kernel[-1] - size
        padding.append(math.ceil(max(0, missing) / 2))
    return (kernel[0], kernel[1]), (padding[0], padding[1])


class EncoderLayer(nn.Module):
    """Self-attention and a feed-forward network, each after a layer norm and beside a shortcut.

    Attention is computed as matrix products and a softmax, so that every framework runs the operations counted here.
    Source: Vaswani et al., Attention Is All You Need, arXiv:1706.03762, with norms first as in Xiong et al.,
    arXiv:2002.04745.
    """

    def __init__(self, width: int, heads: int, hidden: int):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """[B, length, width] -> the same."""
        batch, length, width = x.shape
        split = self.qkv(self.norm1(x)).reshape(batch, length, 3, self.heads, width // self.heads)
        queries, keys, values = split.permute(2, 0, 3, 1, 4)  # [B, heads, length, width / heads] each
        weights = (queries @ keys.transpose(2, 3) * (width // self.heads) ** -0.5).softmax(dim=3)
        x = x + self.out((weights @ values).transpose(1, 2).reshape(batch, length, width))
        return x + self.down(functional.gelu(self.up(self.norm2(x))))


class TransformerModule(nn.Module):
    """Encoder of a sequence: embedding, learned positions, encoder layers, mean over the positions, linear.

    Args:
        input_shape: (length,) of token ids, or (channels, time).
        num_outputs: outputs.
        vocabulary: token ids lie below it; not used for windows.
        width: numbers per position.
        heads: of each attention; divides the width.
        layers: encoder layers.
        hidden: units of each feed-forward network.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        num_outputs: int,
        vocabulary: int,
        width: int,
        heads: int,
        layers: int,
        hidden: int,
    ):
        super().__init__()
        self.takes_tokens = len(input_shape) == 1
        self.embedding = nn.Embedding(vocabulary, width) if self.takes_tokens else nn.Linear(input_shape[0], width)
        self.positions = nn.Parameter(torch.empty(input_shape[-1], width))
        nn.init.normal_(self.positions, std=0.02)
        self.layers = nn.Sequential(*(EncoderLayer(width, heads, hidden) for _ in range(layers)))
        self.norm = nn.LayerNorm(width)
        self.fc = nn.Linear(width, num_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Ids int [B, length] or float [B, channels, time] -> [B, num_outputs]."""
        steps = self.embedding(x if self.takes_tokens else x.transpose(1, 2))  # [B, length, width]
        outputs: Tensor = self.fc(self.norm(self.layers(steps + self.positions)).mean(dim=1))
        return outputs
