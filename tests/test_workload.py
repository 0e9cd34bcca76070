"""Hand counts: multiply-add = 2 FLOPs; a backward pass takes one forward for the weights' gradient and one more for
the input's, which the first layer does not need."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from edgesim.errors import EdgesimError
from edgesim.models import MODELS, networks, resolve, signal_networks, workload
from edgesim.models.workload import count
from edgesim.tasks import NetworkForm
from edgesim.work import Workload

MILLION = 1e6
PLAIN = workload._PLAIN_LAYERS


def table(name: str, shape: tuple[int, int, int], classes: int) -> Workload:
    def build() -> nn.Module:
        with torch.device("meta"):  # the wide networks would take seconds to fill with numbers
            return resolve(name)().build(shape, classes)

    return count(build, NetworkForm(shape, classes))


def head(*layers: nn.Module, features: int, classes: int = 3) -> nn.Sequential:
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(features, classes))


def test_a_linear_layer() -> None:
    found = count(lambda: nn.Sequential(nn.Flatten(), nn.Linear(10, 5)), NetworkForm((1, 2, 5), 5))
    assert found.forward_flops == 2 * 10 * 5
    assert found.train_flops == 2 * (2 * 10 * 5)  # forward + weights' gradient; no gradient of the images
    assert (found.parameters, found.parameter_bytes) == (55, 220)


def test_two_linear_layers() -> None:
    found = count(lambda: MODELS["mlp"](hidden=(7,)).build((1, 2, 5), 3), NetworkForm((1, 2, 5), 3))
    first, second = 2 * 10 * 7, 2 * 7 * 3
    assert found.forward_flops == first + second
    assert found.train_flops == 2 * first + 3 * second
    assert found.parameter_bytes == 4 * (10 * 7 + 7 + 7 * 3 + 3)


@pytest.mark.parametrize("batch_size", [2, 3, 8])
def test_counts_are_per_sample(batch_size: int) -> None:
    def build() -> nn.Module:
        return MODELS["resnet8"]().build((3, 16, 16), 4)

    assert count(build, NetworkForm((3, 16, 16), 4), batch_size) == count(build, NetworkForm((3, 16, 16), 4))


@pytest.mark.parametrize(
    ("stride", "padding", "groups", "out_side"),
    [(1, 1, 1, 10), (2, 1, 1, 5), (1, 0, 1, 8), (1, 1, 4, 10), (2, 1, 8, 5)],
)
def test_a_convolution(stride: int, padding: int, groups: int, out_side: int) -> None:
    """Cin 8, Cout 16, 3x3: 2 * Cin / groups * 9 * Cout * H * W forward, the same once more for the weights."""
    flat = 16 * out_side**2
    found = count(
        lambda: head(nn.Conv2d(8, 16, 3, stride, padding, groups=groups), features=flat), NetworkForm((8, 10, 10), 3)
    )
    convolution = 2 * (8 // groups) * 9 * 16 * out_side**2
    assert found.forward_flops == convolution + 2 * flat * 3
    assert found.train_flops == 2 * convolution + 3 * (2 * flat * 3)


def test_a_depthwise_convolution_inside_a_network() -> None:
    """1x1 to 6 channels, then 3x3 depthwise, on 4x4: the depthwise one has both gradients."""
    layers = [nn.Conv2d(2, 6, 1), nn.Conv2d(6, 6, 3, padding=1, groups=6)]
    found = count(lambda: head(*layers, features=96), NetworkForm((2, 4, 4), 3))
    pointwise, depthwise, linear = 2 * 2 * 6 * 16, 2 * 9 * 6 * 16, 2 * 96 * 3
    assert found.forward_flops == pointwise + depthwise + linear
    assert found.train_flops == 2 * pointwise + 3 * depthwise + 3 * linear


@pytest.mark.parametrize("groups", [1, 2])
def test_a_transposed_convolution(groups: int) -> None:
    """4 -> 6 channels, 2x2, stride 2, on 3x3: every input value meets 6 / groups filters of 4 weights."""
    layers = [nn.Conv2d(4, 4, 1), nn.ConvTranspose2d(4, 6, 2, stride=2, groups=groups)]
    found = count(lambda: head(*layers, features=6 * 36), NetworkForm((4, 3, 3), 3))
    pointwise, transposed, linear = 2 * 4 * 4 * 9, 2 * 4 * (6 // groups) * 4 * 9, 2 * 216 * 3
    assert found.forward_flops == pointwise + transposed + linear
    assert found.train_flops == 2 * pointwise + 3 * transposed + 3 * linear


def test_a_frozen_layer_has_no_gradient() -> None:
    def build() -> nn.Module:
        network = nn.Sequential(nn.Flatten(), nn.Linear(10, 7), nn.Linear(7, 3))
        network[1].requires_grad_(False)
        return network

    assert count(build, NetworkForm((1, 2, 5), 3)).train_flops == 2 * 10 * 7 + 2 * (2 * 7 * 3)


def test_small_cnn_on_28_by_28() -> None:
    first = 2 * 1 * 9 * 16 * 28 * 28
    rest = 2 * (16 * 9 * 32 * 14 * 14 + 32 * 7 * 7 * 64 + 64 * 10)
    found = table("small-cnn", (1, 28, 28), 10)
    assert found.forward_flops == first + rest
    assert found.train_flops == 2 * first + 3 * rest
    assert found.parameters == (9 * 16 + 16) + (16 * 9 * 32 + 32) + (1568 * 64 + 64) + (64 * 10 + 10)


def test_resnet8_on_32_by_32() -> None:
    stem = 2 * 3 * 9 * 16 * 32**2
    stage1 = 2 * 2 * 16 * 9 * 16 * 32**2
    stage2 = 2 * (16 * 9 * 32 + 32 * 9 * 32 + 16 * 32) * 16**2
    stage3 = 2 * (32 * 9 * 64 + 64 * 9 * 64 + 32 * 64) * 8**2
    rest = stage1 + stage2 + stage3 + 2 * 64 * 10
    found = table("resnet8", (3, 32, 32), 10)
    assert found.forward_flops == stem + rest == 25_003_264  # MLPerf Tiny gives 12.5 M multiply-adds
    assert found.train_flops == 2 * stem + 3 * rest


@pytest.mark.parametrize(
    ("name", "mmac", "mparams"),
    [  # torchvision's table of weights: GFLOPS (its multiply-adds) and parameters
        ("mobilenet-v2", 300.8, 3.504872),
        ("resnet18", 1814, 11.689512),
        ("resnet34", 3664, 21.797672),
        ("resnet50", 4089, 25.557032),
        ("wide-resnet50-2", 11398, 68.883240),
    ],
)
def test_the_published_counts_on_224_by_224(name: str, mmac: float, mparams: float) -> None:
    found = table(name, (3, 224, 224), 1000)
    assert found.forward_flops == pytest.approx(2 * mmac * MILLION, rel=0.002)
    assert found.parameters == round(mparams * MILLION)
    # Three times the forward pass, less the images' gradient in the stem.
    stem = 2 * 3 * (9 * 32 if name == "mobilenet-v2" else 49 * 64) * 112**2
    assert found.train_flops == 3 * found.forward_flops - stem


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 40, 40)])
@pytest.mark.parametrize("name", ["mlp", "small-cnn", "resnet8"])
def test_small_plain_networks_count_the_same_on_real_tensors(name: str, shape: tuple[int, int, int]) -> None:
    """Every layer that `count` treats as plain is in one of these networks, or in the one below."""
    network = resolve(name)().build(shape, 10)
    assert workload._is_small_and_plain(network)
    on_cpu = workload._count(network, NetworkForm(shape, 10), 2, torch.device("cpu"))
    same_count(workload._count(network.to("meta"), NetworkForm(shape, 10), 2, torch.device("meta")), on_cpu)


def same_count(found: Workload, expected: Workload) -> None:
    assert found.summary() == expected.summary()
    assert found.train_operations == expected.train_operations
    mine, theirs = found.forward_operations, expected.forward_operations
    assert mine.count.sum() == theirs.count.sum()
    # Outside training, batch norm on meta tensors gives its statistics once more: 8 bytes per channel, once per batch.
    assert (mine.count @ mine.moved_bytes)[1] == (theirs.count @ theirs.moved_bytes)[1]
    assert (mine.count @ mine.flops).tolist() == (theirs.count @ theirs.flops).tolist()


def test_plain_layers_count_the_same_on_real_tensors() -> None:
    network = head(
        nn.Conv2d(2, 4, 3, stride=2, padding=1, groups=2),
        nn.BatchNorm2d(4),
        nn.Identity(),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.AvgPool2d(2, ceil_mode=True),
        features=16,
    )
    windows = head(
        nn.Conv1d(2, 4, 3, stride=2, padding=1, groups=2),
        nn.MaxPool1d(2),
        nn.LayerNorm(4),
        nn.Dropout(0.5),
        nn.ReLU(),
        features=16,
    )
    tokens = head(nn.Embedding(7, 4), features=24)
    used = {type(layer) for one in (network, windows, tokens) for layer in one.modules()}
    mine = {networks.BasicBlock, networks.ResNet8Module}
    mine |= {layer for layer in vars(signal_networks).values() if isinstance(layer, type) and layer in PLAIN}
    assert used | mine == PLAIN  # those of this package are compared as whole networks
    for one, form in ((windows, NetworkForm((2, 16), 3)), (tokens, NetworkForm((6,), 3, tokens=True))):
        on_cpu = workload._count(one, form, 2, torch.device("cpu"))
        same_count(workload._count(one.to("meta"), form, 2, torch.device("meta")), on_cpu)
    on_cpu = workload._count(network, NetworkForm((2, 16, 16), 3), 2, torch.device("cpu"))
    same_count(workload._count(network.to("meta"), NetworkForm((2, 16, 16), 3), 2, torch.device("meta")), on_cpu)


def test_large_or_unknown_networks_are_not_plain() -> None:
    assert not workload._is_small_and_plain(nn.Linear(1000, 1001))
    assert not workload._is_small_and_plain(nn.Sequential(nn.LSTM(3, 3)))


def test_the_callers_random_state_is_left() -> None:
    before = torch.get_rng_state()
    count(lambda: nn.Sequential(nn.Flatten(), nn.Linear(4, 2), nn.Dropout(0.5)), NetworkForm((1, 2, 2), 2))
    assert torch.equal(torch.get_rng_state(), before)


class PageStyle(nn.Module):
    """Its way depends on numbers, which meta tensors have not."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(10, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.flatten(1)
        return self.linear(x) if x.sum().item() < 1 else self.linear(x) * 2


def test_a_network_that_looks_at_numbers() -> None:
    before = torch.get_rng_state()
    found = count(PageStyle, NetworkForm((1, 2, 5), 3))
    assert (found.forward_flops, found.train_flops) == (60, 120)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_network_that_does_not_fit() -> None:
    with pytest.raises(EdgesimError, match=r"cannot be trained on images of 1x8x8 with 3 classes \(RuntimeError"):
        count(lambda: nn.Sequential(nn.Flatten(), nn.Linear(10, 3)), NetworkForm((1, 8, 8), 3))
    with pytest.raises(EdgesimError, match=r"logits of shape \[batch, 3\].* gives \[2, 4\]"):
        count(lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 4)), NetworkForm((1, 8, 8), 3))
    with pytest.raises(EdgesimError, match=r"must be a torch\.nn\.Module, not str"):
        count(lambda: "net", NetworkForm((1, 8, 8), 3))  # type: ignore[arg-type, return-value]
