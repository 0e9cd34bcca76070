"""Models for windows of sensors, sound and tokens: dataclasses whose fields are the hyper-parameters."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from edgesim.config.checked_dataclass import checked_dataclass
from edgesim.config.plausible import WAY_PAST, Bounded, PlausibleRange
from edgesim.errors import EdgesimError
from edgesim.models.model_fields import IMAGES, TOKENS, WINDOWS, Shape, Width, check_kind, check_size

if TYPE_CHECKING:
    from torch import nn

MOST_STEPS = 5000
"""of a window of gru"""
Layers = Annotated[int, Field(ge=1, le=100)]
Share = Annotated[float, Field(ge=0, lt=1)]


@checked_dataclass()
class Cnn1d(Bounded):
    """Convolutions over time with ReLU and max-pooling by 2, the mean over time, one linear layer; windows.

    A window needs 2 steps for one width, 4 for two, 8 for three.
    """

    widths: Annotated[tuple[Width, ...], Field(min_length=1, max_length=16)] = (16, 32, 64)
    """channels of each convolution"""
    kernel_size: Annotated[int, Field(ge=1, le=10**6), PlausibleRange(1, 129)] = 5
    """time steps of each convolution, an odd number"""

    def build(self, input_shape: Shape, num_classes: int) -> nn.Module:
        """See Model.build."""
        from edgesim.models import signal_networks

        check_kind("cnn1d", (WINDOWS,), input_shape)
        if self.kernel_size % 2 == 0:
            raise EdgesimError(
                f"kernel_size must be an odd number, like 5, so that lengths stay; got {self.kernel_size}"
            )
        pairs = itertools.pairwise((input_shape[0], *self.widths))
        convolutions = self.kernel_size * sum(before * after for before, after in pairs)
        check_size(convolutions + self.widths[-1] * num_classes, self.unsafe)
        return signal_networks.cnn1d(input_shape, num_classes, self.widths, self.kernel_size)


@checked_dataclass()
class Gru(Bounded):
    """Gated recurrent units over time; one linear layer on the state after the last step; windows.

    Source: Cho et al., Learning Phrase Representations using RNN Encoder-Decoder, arXiv:1406.1078.
    """

    hidden: Width = 64
    """units of each recurrent layer"""
    layers: Layers = 1
    """recurrent layers, one over the other"""

    def build(self, input_shape: Shape, num_classes: int) -> nn.Module:
        """See Model.build."""
        from edgesim.models import signal_networks

        check_kind("gru", (WINDOWS,), input_shape)
        if input_shape[1] > MOST_STEPS and not self.unsafe:
            raise EdgesimError(
                f"gru takes windows of at most {MOST_STEPS:,} steps, for it runs them one by one; "
                f"got {input_shape[1]:,}; use shorter windows or cnn1d, or {WAY_PAST}"
            )
        recurrent = 3 * self.hidden * (input_shape[0] + self.hidden * (2 * self.layers - 1))
        check_size(recurrent + self.hidden * num_classes, self.unsafe)
        return signal_networks.GruModule(input_shape[0], num_classes, self.hidden, self.layers)


@checked_dataclass()
class DsCnn(Bounded):
    """Depthwise-separable network for keyword spotting in MLPerf Tiny; spectrograms and other images.

    A stem of stride 2 with a kernel of 4 x 10, and four blocks of a 3x3 depthwise and a 1x1 convolution follow, each
    with batch norm and ReLU; then the mean over the image, and a linear layer. MLPerf's inputs are 49 frames of 10
    coefficients. Here time is the last axis, so [1, 10, 49] gives MLPerf's network. Other sizes keep the stem; its
    kernel shrinks to the input where that is smaller.
    Source: Zhang et al., Hello Edge, arXiv:1711.07128 (DS-CNN-S); Banbury et al., MLPerf Tiny, arXiv:2106.07597.
    """

    width: Width = 64
    """channels of all convolutions"""
    dropout: tuple[Share, Share] = (0.2, 0.4)
    """shares that training drops after the stem and before the mean"""

    def build(self, input_shape: Shape, num_classes: int) -> nn.Module:
        """See Model.build."""
        from edgesim.models import signal_networks

        check_kind("ds-cnn", (IMAGES,), input_shape)
        check_size(self.width * (40 * input_shape[0] + 4 * (9 + self.width) + num_classes), self.unsafe)
        return signal_networks.ds_cnn(input_shape, num_classes, self.width, self.dropout)


@checked_dataclass()
class TinyTransformer(Bounded):
    """Transformer encoder with learned positions, and the mean over them; tokens and windows.

    Tokens are embedded by a table, the steps of a window by a linear layer. Norms come first in each layer.
    Source: Vaswani et al., Attention Is All You Need, arXiv:1706.03762.
    """

    vocabulary: Annotated[int, Field(ge=1, le=10**9), PlausibleRange(1, 1_000_000)] = 256
    """number of different tokens: ids are 0 to vocabulary - 1, as of bytes; not used for windows"""
    width: Width = 64
    """numbers per position; a multiple of `heads`"""
    heads: Annotated[int, Field(ge=1, le=1024)] = 4
    """of each attention"""
    layers: Layers = 2
    """encoder layers"""
    hidden: Width = 128
    """units of each feed-forward network"""

    def build(self, input_shape: Shape, num_classes: int) -> nn.Module:
        """See Model.build."""
        from edgesim.models import signal_networks

        tokens = len(input_shape) == 1
        check_kind("tiny-transformer", (TOKENS, WINDOWS), input_shape, tokens)
        if self.width % self.heads:
            raise EdgesimError(f"width must be a multiple of heads ({self.heads}); got {self.width}")
        layer = self.width * (4 * self.width + 2 * self.hidden)
        embedding = self.vocabulary if tokens else input_shape[0]
        check_size(self.layers * layer + self.width * (embedding + input_shape[-1] + num_classes), self.unsafe)
        return signal_networks.TransformerModule(
            input_shape, num_classes, self.vocabulary, self.width, self.heads, self.layers, self.hidden
        )
