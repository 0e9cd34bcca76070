"""The networks: own small ones, and torchvision's and timm's fitted to the data; random weights."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from edgesim.errors import EdgesimError
from edgesim.formatting import n_of
from edgesim.models.model_fields import Shape

SMALL_IMAGE = 64
"""up to this height and width (pixels) torchvision's networks get a stem that keeps the resolution"""
_FLATTENED_SIDE = 8


def mlp(input_shape: Shape, num_classes: int, hidden: tuple[int, ...]) -> nn.Sequential:
    """Flatten, then linear layers with ReLU between them (arguments as in `table.Mlp`)."""
    widths = (math.prod(input_shape), *hidden)
    layers: list[nn.Module] = [nn.Flatten()]
    for before, after in zip(widths, hidden, strict=False):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], num_classes))


def small_cnn(input_shape: Shape, num_classes: int, widths: tuple[int, ...], hidden: int) -> nn.Sequential:
    """conv - pool - conv - pool - linear - linear (arguments as in `catalog.SmallCnn`).

    ReLU follows the pooling. The largest value is the same before and after it, so outputs and gradients are equal bit
    for bit. Only a quarter of the values pass through it, which saves a fifth of a step's time on CPUs.

    Raises:
        EdgesimError: an image below 4x4 pixels, of which two poolings leave nothing.
    """
    channels, height, width = input_shape
    if min(height, width) < 4:
        raise EdgesimError(f"small-cnn needs images of at least 4x4 pixels, not {height}x{width}; use mlp")
    layers: list[nn.Module] = []
    for before, after in zip((channels, widths[0]), widths, strict=True):
        layers += [nn.Conv2d(before, after, 3, padding=1), nn.MaxPool2d(2), nn.ReLU()]
    side = (height // 4, width // 4)
    if max(side) > _FLATTENED_SIDE:
        # Equal windows and not nn.AdaptiveAvgPool2d, whose backward pass is not deterministic on GPUs.
        window = (math.ceil(side[0] / _FLATTENED_SIDE), math.ceil(side[1] / _FLATTENED_SIDE))
        layers.append(nn.AvgPool2d(window, ceil_mode=True))
        side = (math.ceil(side[0] / window[0]), math.ceil(side[1] / window[1]))
    layers += [nn.Flatten(), nn.Linear(widths[1] * side[0] * side[1], hidden), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(hidden, num_classes))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with batch norm, and a shortcut around them (He et al. 2015, figure 2)."""

    def __init__(self, before: int, after: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or before != after:
            self.shortcut = nn.Sequential(nn.Conv2d(before, after, 1, stride=stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        """[B, before, H, W] -> [B, after, H / stride, W / stride]."""
        out = torch.relu_(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return torch.relu_(out + self.shortcut(x))


class ResNet8Module(nn.Module):
    """3x3 stem, one basic block per stage, global average, linear (arguments as in `catalog.ResNet8`)."""

    def __init__(self, channels: int, num_classes: int, widths: tuple[int, ...]):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, widths[0], 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.stages = nn.Sequential(
            BasicBlock(widths[0], widths[0], 1),
            BasicBlock(widths[0], widths[1], 2),
            BasicBlock(widths[1], widths[2], 2),
        )
        self.fc = nn.Linear(widths[2], num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """[B, channels, H, W] -> [B, num_classes]."""
        x = torch.relu_(self.bn1(self.conv1(x)))  # [B, widths[0], H, W]
        x = self.stages(x)  # [B, widths[2], H/4, W/4]
        return self.fc(x.mean(dim=(2, 3)))


def resnet(name: str, input_shape: Shape, num_classes: int) -> nn.Module:
    """One of torchvision's residual networks, its stem fitted to the input.

    Images of 64 pixels or less get a 3x3 stem of stride 1 and no max-pool. Larger ones keep the 7x7 stem of stride 2
    and the max-pool.

    Args:
        name: torchvision's name, for example "resnet18" or "wide_resnet50_2".
        input_shape: (channels, height, width).
        num_classes: outputs.
    """
    import torchvision.models  # takes seconds, which the own networks should not pay

    network = getattr(torchvision.models, name)(weights=None, num_classes=num_classes)
    if _is_small(input_shape):
        network.conv1 = _stem(network.conv1, input_shape[0], kernel_size=3, stride=1)
        network.maxpool = nn.Identity()
    elif input_shape[0] != network.conv1.in_channels:
        network.conv1 = _stem(network.conv1, input_shape[0], kernel_size=7, stride=2)
    return network


def mobilenet_v2(input_shape: Shape, num_classes: int, width_mult: float, dropout: float) -> nn.Module:
    """torchvision's MobileNetV2, which halves images five times, or four times those of 64 pixels or less.

    Images of 16 pixels or less are halved until two pixels are left, by the last of its convolutions with stride 2: on
    maps of one pixel, batch normalisation would have no more values than a batch has samples.

    Args:
        input_shape: (channels, height, width).
        num_classes: outputs.
        width_mult: factor on the channels of every layer, > 0.
        dropout: share of the last features dropped in training, in [0, 1).
    """
    from torchvision.models.mobilenetv2 import MobileNetV2

    network = MobileNetV2(num_classes=num_classes, width_mult=width_mult, dropout=dropout)
    halving = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d) and layer.stride == (2, 2)]
    most = len(halving) - int(_is_small(input_shape))
    side, times = max(input_shape[1:]), 0
    while times < most and -(-side // 2) >= 2:
        side, times = -(-side // 2), times + 1
    for layer in halving[: len(halving) - times]:
        layer.stride = (1, 1)
    first = network.features[0]
    if (input_shape[0], first[0].stride) != (3, (2, 2)):
        first[0] = _stem(first[0], input_shape[0], kernel_size=3, stride=first[0].stride[0])
    return network


def timm_model(name: str, input_shape: Shape, num_classes: int) -> nn.Module:
    """A network of timm with random weights.

    Args:
        name: as in `timm.list_models()`.
        input_shape: (channels, height, width); given as `img_size` to models of fixed input size.
        num_classes: outputs.

    Raises:
        EdgesimError: timm cannot make the model for this shape.
    """
    import timm
    from timm.models import get_pretrained_cfg

    channels, height, width = input_shape
    config = get_pretrained_cfg(name)
    # timm leaves out arguments that are None, and models of any input size take no img_size.
    size = (height, width) if config is not None and config.fixed_input_size else None
    try:
        return timm.create_model(name, pretrained=False, in_chans=channels, num_classes=num_classes, img_size=size)
    except (TypeError, ValueError, RuntimeError, AssertionError) as error:
        data = f"images of {channels}x{height}x{width} with {n_of(num_classes, 'class', 'classes')}"
        raise EdgesimError(f"timm:{name} does not fit {data}: {error}") from error


def last_linear(module: nn.Module) -> nn.Linear:
    """The classifier: the last `nn.Linear` in the order of registration. Its input is the embedding.

    Raises:
        EdgesimError: the network has no linear layer.
    """
    linear = [layer for layer in module.modules() if isinstance(layer, nn.Linear)]
    if not linear:
        raise EdgesimError(
            f"{type(module).__name__} has no linear layer, so there is no embedding before a classifier; "
            "end the network with nn.Linear, or use a method that needs no embeddings"
        )
    return linear[-1]


def _is_small(input_shape: Shape) -> bool:
    return max(input_shape[1:]) <= SMALL_IMAGE


def _stem(old: nn.Conv2d, channels: int, kernel_size: int, stride: int) -> nn.Conv2d:
    """A first convolution for another number of channels, initialised as torchvision does its own."""
    new = nn.Conv2d(channels, old.out_channels, kernel_size, stride=stride, padding=kernel_size // 2, bias=False)
    nn.init.kaiming_normal_(new.weight, mode="fan_out", nonlinearity="relu")
    return new
