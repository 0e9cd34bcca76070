from __future__ import annotations

import importlib.util
import math
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from edgesim import seeds
from edgesim.config import validation
from edgesim.errors import EdgesimError, Fault
from edgesim.models import MODELS, resolve
from edgesim.models.detection_models import DETECTORS
from edgesim.models.networks import last_linear
from edgesim.models.unfilled import unfilled

SMALL = ["mlp", "small-cnn", "resnet8"]


def built(name: str, shape: tuple[int, int, int] = (3, 32, 32), classes: int = 10, **fields: object) -> nn.Module:
    with seeds.torch_global(0, "init"):
        return resolve(name)(**fields).build(shape, classes)


def on_meta(name: str, shape: tuple[int, int, int], classes: int = 10) -> nn.Module:
    with torch.device("meta"):
        return resolve(name)().build(shape, classes)


def test_the_table_needs_no_torch() -> None:
    code = (
        "import sys, edgesim.models as m; m.resolve('resnet18')(); "
        "sys.exit(any(x in sys.modules for x in ('torch', 'torchvision', 'timm')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_networks_without_numbers_have_the_forms_of_others() -> None:
    with unfilled():
        bare = resolve("mobilenet-v2")().build((3, 32, 32), 10)
        real = torch.zeros(2, device="cpu").add_(1).mul_(3).clamp_(max=2.0)
    assert real.tolist() == [2, 2]  # numbers that there are change
    expected = on_meta("mobilenet-v2", (3, 32, 32)).state_dict()
    found = bare.state_dict()
    assert all(value.is_meta for value in found.values())
    assert [(name, value.shape, value.dtype) for name, value in found.items()] == [
        (name, value.shape, value.dtype) for name, value in expected.items()
    ]


OTHERS = ("cnn1d", "gru", "tiny-transformer", *DETECTORS)
"""models of other samples, and those that find boxes"""


@pytest.mark.parametrize("name", MODELS)
def test_every_model_has_a_line_for_the_list(name: str) -> None:
    first = (MODELS[name].__doc__ or "").splitlines()[0]
    assert 20 < len(first) <= 110
    assert first.endswith(".")


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 32, 32), (1, 28, 28), (1, 32, 48), (3, 96, 80)])
@pytest.mark.parametrize("name", [name for name in MODELS if name not in OTHERS])
def test_every_model_of_images_takes_every_shape(name: str, shape: tuple[int, int, int]) -> None:
    # Without data: the wide networks would take seconds to fill with numbers.
    network = on_meta(name, shape, 7)
    assert network(torch.empty(2, *shape, device="meta")).shape == (2, 7)
    assert last_linear(network).out_features == 7


@pytest.mark.parametrize("name", [*SMALL, "resnet18", "mobilenet-v2"])
def test_weights_follow_the_callers_random_state(name: str) -> None:
    def weights(seed: int) -> torch.Tensor:
        with seeds.torch_global(seed, "init"):
            network = resolve(name)().build((1, 8, 8), 3)
        return nn.utils.parameters_to_vector(network.parameters())

    first = weights(0)
    assert torch.equal(first, weights(0))
    assert not torch.equal(first, weights(1))
    assert bool(first.isfinite().all())


def test_mlp_by_hand() -> None:
    shapes = [tuple(p.shape) for p in built("mlp", (1, 8, 8), 10, hidden=(20, 5)).parameters()]
    assert shapes == [(20, 64), (20,), (5, 20), (5,), (10, 5), (10,)]
    assert [tuple(p.shape) for p in built("mlp", (1, 8, 8), 10, hidden=()).parameters()] == [(10, 64), (10,)]


@pytest.mark.parametrize(
    ("shape", "flat"),
    [
        ((1, 4, 4), 32 * 1 * 1),
        ((1, 8, 8), 32 * 2 * 2),
        ((1, 28, 28), 32 * 7 * 7),
        ((3, 32, 32), 32 * 8 * 8),
        ((3, 36, 32), 32 * 5 * 8),  # 9 x 8 is averaged by windows of 2 x 1, the last one partial
        ((3, 64, 64), 32 * 8 * 8),
        ((3, 224, 224), 32 * 8 * 8),
        ((1, 8, 100), 32 * 2 * 7),  # 2 x 25 by windows of 1 x 4
    ],
)
def test_small_cnn_flattens_at_most_8_by_8(shape: tuple[int, int, int], flat: int) -> None:
    network = built("small-cnn", shape)
    first = next(layer for layer in network.modules() if isinstance(layer, nn.Linear))
    assert first.in_features == flat
    assert network(torch.zeros(1, *shape)).shape == (1, 10)


def test_relu_after_pooling_changes_no_bit() -> None:
    """Against the textbook's order of the very same layers: outputs and gradients."""
    network = built("small-cnn", (1, 28, 28))
    conv1, pool1, relu1, conv2, pool2, relu2, *rest = network
    assert [type(layer) for layer in (pool1, relu1)] == [torch.nn.MaxPool2d, torch.nn.ReLU]
    textbook = torch.nn.Sequential(conv1, relu1, pool1, conv2, relu2, pool2, *rest)
    images = torch.from_numpy(np.random.default_rng(0).standard_normal((16, 1, 28, 28), dtype=np.float32))
    found = []
    for model in (network, textbook):
        outputs = model(images)
        model.zero_grad()
        torch.nn.functional.cross_entropy(outputs, torch.arange(16) % 10).backward()
        found.append([outputs.detach(), *(value.grad.clone() for value in model.parameters())])
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(*found, strict=True))


def test_small_cnn_refuses_what_pooling_empties() -> None:
    with pytest.raises(EdgesimError, match="at least 4x4 pixels, not 3x8"):
        built("small-cnn", (1, 3, 8))


def test_resnet8_by_hand() -> None:
    network = built("resnet8")
    kernels = [m.kernel_size for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert (kernels.count((3, 3)), kernels.count((1, 1))) == (7, 2)  # + 1 linear = 8 layers; 2 shortcuts
    stem = 3 * 9 * 16 + 2 * 16
    stage1 = 2 * 16 * 9 * 16 + 2 * 2 * 16
    stage2 = 16 * 9 * 32 + 32 * 9 * 32 + 16 * 32 + 3 * 2 * 32
    stage3 = 32 * 9 * 64 + 64 * 9 * 64 + 32 * 64 + 3 * 2 * 64
    assert sum(p.numel() for p in network.parameters()) == stem + stage1 + stage2 + stage3 + 64 * 10 + 10
    narrow = built("resnet8", widths=(4, 8, 12))
    assert last_linear(narrow).in_features == 12


def test_a_basic_block_without_residual_is_its_shortcut() -> None:
    block = built("resnet8").get_submodule("stages.0")
    nn.init.zeros_(block.get_submodule("bn2").weight)  # type: ignore[arg-type]
    x = torch.linspace(-1, 1, 2 * 16 * 4 * 4).reshape(2, 16, 4, 4)
    assert torch.equal(block(x.clone()), x.clamp(min=0))


@pytest.mark.parametrize("name", ["resnet18", "resnet34", "resnet50", "wide-resnet50-2"])
def test_the_resnets_stem_keeps_small_images(name: str) -> None:
    small, large = on_meta(name, (1, 64, 64)), on_meta(name, (1, 64, 65))
    assert small.conv1.weight.shape == (64, 1, 3, 3)  # type: ignore[union-attr]
    assert (small.conv1.stride, type(small.maxpool)) == ((1, 1), nn.Identity)
    assert large.conv1.weight.shape == (64, 1, 7, 7)  # type: ignore[union-attr]
    assert (large.conv1.stride, type(large.maxpool)) == ((2, 2), nn.MaxPool2d)


def test_mobilenets_stem_keeps_small_images() -> None:
    strides = [
        on_meta("mobilenet-v2", shape).get_submodule("features.0.0").stride for shape in [(1, 64, 64), (3, 65, 64)]
    ]
    assert strides == [(1, 1), (2, 2)]
    assert last_linear(built("mobilenet-v2", width_mult=2.0)).in_features == 2560


def test_mobilenet_halves_small_images_until_two_pixels_are_left() -> None:
    def built_on(side: int) -> torch.nn.Module:
        return on_meta("mobilenet-v2", (1, side, side))

    def strides(side: int) -> list[int]:
        convolutions = [one for one in built_on(side).modules() if isinstance(one, torch.nn.Conv2d)]
        return [one.stride[0] for one in convolutions if one.groups > 1 or one.in_channels == 1]

    usual = [1, 1, 2, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1]  # stem, then 17 blocks (Table 2 of the paper)
    assert strides(28) == strides(17) == usual
    assert strides(16) == [1 if place == 2 else stride for place, stride in enumerate(usual)]
    assert strides(8) == [1 if place in (2, 4) else stride for place, stride in enumerate(usual)]
    assert strides(65) == [2, *usual[1:]]
    for side, left in ((65, 3), (32, 2), (17, 2), (16, 2), (8, 2), (2, 2)):
        features = built_on(side).get_submodule("features")
        assert features(torch.zeros(1, 1, side, side, device="meta")).shape[2:] == (left, left)


@pytest.mark.parametrize(
    ("name", "stem", "fan_out"), [("resnet18", "conv1", 64 * 9), ("mobilenet-v2", "features.0.0", 32 * 9)]
)
def test_a_replaced_stem_is_initialised_as_the_others(name: str, stem: str, fan_out: int) -> None:
    weight = built(name, (3, 32, 32)).get_parameter(f"{stem}.weight")
    assert weight.std().item() == pytest.approx(math.sqrt(2 / fan_out), rel=0.1)
    assert weight.shape[1] == 3


def test_the_embedding_is_the_input_of_the_last_linear_layer() -> None:
    network, seen = built("small-cnn", (1, 8, 8)), []
    last_linear(network).register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    images = torch.linspace(0, 1, 3 * 64).reshape(3, 1, 8, 8)
    logits = network(images)
    assert seen[0].shape == (3, 64)
    assert torch.equal(last_linear(network)(seen[0]), logits)


def test_a_network_without_a_linear_layer() -> None:
    with pytest.raises(EdgesimError, match="Sequential has no linear layer"):
        last_linear(nn.Sequential(nn.Conv2d(1, 2, 3)))


def test_hyper_parameters_from_yaml() -> None:
    faults: list[Fault] = []
    model = validation.build(MODELS["resnet8"], {"widths": [8, 16, 32]}, "model", faults)
    assert faults == []
    assert model == MODELS["resnet8"](widths=(8, 16, 32))
    for name, given, where in [
        ("resnet8", {"widths": [8, 16]}, "model.widths"),
        ("small-cnn", {"hidden": 0}, "model.hidden"),
        ("mlp", {"hidden": [16, -1]}, "model.hidden[1]"),
        ("mobilenet-v2", {"dropout": 1.0}, "model.dropout"),
        ("resnet18", {"width": 3}, "model.width"),
    ]:
        faults = []
        assert validation.build(MODELS[name], given, "model", faults) is None
        assert [f.path.startswith(where) for f in faults] == [True], (name, faults)


def test_an_unknown_model_names_the_nearest() -> None:
    with pytest.raises(EdgesimError, match=r"no model 'resnet-18'; allowed: mlp.*did you mean 'resnet18'"):
        resolve("resnet-18")


@pytest.mark.parametrize(
    ("name", "shape"), [("timm:resnet10t", (1, 28, 28)), ("timm:vit_tiny_patch16_224", (3, 32, 32))]
)
def test_timm(name: str, shape: tuple[int, int, int]) -> None:
    network = resolve(name)().build(shape, 5).to("meta")
    assert network(torch.empty(2, *shape, device="meta")).shape == (2, 5)
    with pytest.raises(EdgesimError, match=f"{name} needs images .*; for windows use cnn1d"):
        resolve(name)().build((3, 80), 5)


def test_models_outside_the_table_travel_and_compare_by_name() -> None:
    model = resolve("timm:resnet10t")()
    again = pickle.loads(pickle.dumps(model))
    assert again == model == resolve("timm:resnet10t")()
    assert model != resolve("timm:resnet18")()
    assert repr(model) == "timm:resnet10t()"
    faults: list[Fault] = []
    assert validation.build(type(model), {}, "model", faults) == model
    assert validation.build(type(model), {"reference": "x"}, "model", faults) is None


def test_timm_names() -> None:
    with pytest.raises(EdgesimError, match=r"no model 'resnet_10t' \(did you mean 'resnet10t'"):
        resolve("timm:resnet_10t")


def test_timm_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EdgesimError, match=r"pip install 'edgesim\[timm\]'"):
        resolve("timm:resnet10t")


OWN = """
from dataclasses import dataclass
from torch import nn

class Net(nn.Module):
    def __init__(self, input_shape, num_classes, width=4):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(input_shape[1] * input_shape[2], num_classes))

    def forward(self, x):
        return self.layers(x)

def make(input_shape, num_classes):
    return Net(input_shape, num_classes)

@dataclass(frozen=True)
class Wide:
    width: int = 3

    def build(self, input_shape, num_classes):
        first = nn.Linear(input_shape[1] * input_shape[2], self.width)
        return nn.Sequential(nn.Flatten(), first, nn.Linear(self.width, num_classes))

def no_size(num_classes):
    return nn.Linear(1, num_classes)

def more(input_shape, num_classes, depth):
    return nn.Linear(depth, num_classes)
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_nets.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "own_nets", raising=False)


@pytest.mark.parametrize("name", ["own_nets:Net", "own_nets:make", "own_nets:Wide"])
def test_the_users_own_model(own: None, name: str) -> None:
    model = resolve(name)()
    network = pickle.loads(pickle.dumps(model)).build((1, 8, 8), 3)
    assert network(torch.zeros(2, 1, 8, 8)).shape == (2, 3)


def test_the_users_own_hyper_parameters(own: None) -> None:
    faults: list[Fault] = []
    model = validation.build(resolve("own_nets:Wide"), {"width": 9}, "model", faults)
    assert faults == []
    assert model is not None
    assert model.build((1, 8, 8), 3)[1].out_features == 9  # type: ignore[attr-defined]
    assert validation.build(resolve("own_nets:Wide"), {"widht": 9}, "model", faults) is None
    assert "did you mean 'width'" in faults[0].message


@pytest.mark.parametrize("name", ["own_nets:no_size", "own_nets:more"])
def test_an_own_model_with_other_arguments(own: None, name: str) -> None:
    with pytest.raises(EdgesimError, match=r"cannot be called with input_shape=.*frozen dataclass"):
        resolve(name)
