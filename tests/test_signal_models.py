"""Models of windows, sound and tokens, and recurrent layers: shapes, refusals, and costs by hand.

A multiply-add is 2 FLOPs; a backward pass takes one forward for the weights' gradient and one for the input's, which
the first layer does not need.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from commands import command
from test_workload import same_count
from torch import nn

from edgesim.cost import gpu_steps, steps
from edgesim.errors import EdgesimError
from edgesim.models import resolve, workload
from edgesim.models.network_costs import counted, network_of
from edgesim.models.networks import last_linear
from edgesim.models.operations import Recorder
from edgesim.models.recurrent import RecurrentKernels
from edgesim.models.training_memory import training_memory
from edgesim.tasks import NetworkForm
from edgesim.work import Workload

FORMS = [
    ("cnn1d", NetworkForm((3, 80), 6), 64),
    ("cnn1d", NetworkForm((6, 8), 7, "regression"), 64),
    ("gru", NetworkForm((3, 80), 6), 64),
    ("gru", NetworkForm((2, 1), 2), 64),
    ("mlp", NetworkForm((132,), 4), 128),
    ("mlp", NetworkForm((11, 12), 3, "regression"), 128),
    ("mlp", NetworkForm((2, 3, 4, 5), 3), 128),
    ("ds-cnn", NetworkForm((1, 32, 48), 10), 64),
    ("ds-cnn", NetworkForm((1, 3, 5), 2), 64),
    ("resnet8", NetworkForm((1, 32, 48), 10), 64),
    ("tiny-transformer", NetworkForm((16,), 4, tokens=True, vocabulary=256), 64),
    ("tiny-transformer", NetworkForm((3, 80), 6), 64),
]


def count(name: str, form: NetworkForm, **fields: object) -> Workload:
    return workload.count(lambda: resolve(name)(**fields).build(form.input_shape, form.num_outputs), form)


@pytest.mark.parametrize(("name", "form", "width"), FORMS, ids=str)
def test_outputs_and_embeddings(name: str, form: NetworkForm, width: int) -> None:
    network, seen = resolve(name)().build(form.input_shape, form.num_outputs), []
    last_linear(network).register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    outputs = network(torch.zeros(3, *form.input_shape, dtype=torch.int64 if form.tokens else torch.float32))
    assert outputs.shape == (3, form.num_outputs)
    assert seen[0].shape == (3, width)
    assert torch.equal(last_linear(network)(seen[0]), outputs)
    assert network_of(resolve(name)(), form).embedding_width == width


@pytest.mark.parametrize(
    ("name", "form", "words"),
    [
        (
            "small-cnn",
            NetworkForm((3, 80), 6),
            r"small-cnn needs images \[channels, height, width\]; for windows use cnn1d, gru or mlp \(got .*\[3, 80\]",
        ),
        ("resnet18", NetworkForm((132,), 6), r"resnet18 needs images .*; for vectors use mlp"),
        ("cnn1d", NetworkForm((3, 8, 8), 6), r"cnn1d needs windows \[channels, time\]; for images use small-cnn"),
        ("gru", NetworkForm((132,), 6), r"gru needs windows .*; for vectors use mlp"),
        ("ds-cnn", NetworkForm((40,), 6, tokens=True), "ds-cnn needs images .*; for tokens use tiny-transformer"),
        ("mlp", NetworkForm((40,), 6, tokens=True), r"mlp needs images .*, windows .* or .*; for tokens use tiny-tran"),
        ("tiny-transformer", NetworkForm((1, 8, 8), 6), r"tiny-transformer needs tokens \[length\] or windows"),
        ("tiny-transformer", NetworkForm((40,), 6), r"tiny-transformer needs tokens .*; for vectors use mlp"),
        (
            "tiny-transformer",
            NetworkForm((40,), 6, tokens=True, vocabulary=1000),
            "token ids up to 999, and vocabulary is 256; write vocabulary: 1000",
        ),
        ("cnn1d", NetworkForm((3, 7), 6), "cnn1d with 3 widths needs windows of at least 8 steps, not 7"),
        ("resnet8", NetworkForm((1, 2, 3, 4), 6), "resnet8 needs images .*; for samples use mlp"),
    ],
    ids=str,
)
def test_a_model_that_does_not_take_the_form_says_so(name: str, form: NetworkForm, words: str) -> None:
    with pytest.raises(EdgesimError, match=words):
        counted(resolve(name)(), name, form)


def test_arguments_that_do_not_fit() -> None:
    with pytest.raises(EdgesimError, match="width must be a multiple of heads"):
        resolve("tiny-transformer")(width=30).build((3, 8), 2)
    with pytest.raises(EdgesimError, match="kernel_size must be an odd number"):
        resolve("cnn1d")(kernel_size=4).build((3, 8), 2)
    for name, fields in (("gru", {"hidden": 16_384}), ("cnn1d", {"widths": (16_384, 16_384)})):
        with pytest.raises(EdgesimError, match="at most 250,000,000 are built"):
            resolve(name)(**fields).build((3, 8), 2)


def test_long_samples_take_no_memory() -> None:
    """A billion steps of 3 channels would take 24 GB, an attention of 14,000 positions 3 GB a head."""
    steps_ = 10**9
    convolutions = 2 * 5 * (3 * 2 * steps_ + 2 * 4 * (steps_ // 2))
    assert count("cnn1d", NetworkForm((3, steps_), 2), widths=(2, 4)).forward_flops == convolutions + 2 * 4 * 2
    long = workload.count(
        lambda: resolve("tiny-transformer")(width=8, heads=1, layers=1, hidden=8).build((14_000,), 2),
        NetworkForm((14_000,), 2, tokens=True),
    )
    assert long.forward_flops == 2 * 14_000 * (4 * 64 + 2 * 64) + 4 * 14_000**2 * 8 + 2 * 8 * 2
    with pytest.raises(EdgesimError, match="gru takes windows of at most 5,000 steps"):
        resolve("gru")().build((3, 5001), 2)


def test_users_own_networks_name_the_samples() -> None:
    with pytest.raises(EdgesimError, match=r"cannot be trained on windows of 3x8 with 2 outputs \(RuntimeError"):
        workload.count(lambda: nn.Linear(9, 2), NetworkForm((3, 8), 2, "regression"))
    with pytest.raises(EdgesimError, match=r"outputs of shape \[batch, 2\].* gives \[2, 4\]"):
        workload.count(lambda: nn.Linear(8, 4), NetworkForm((8,), 2, "regression"))


def test_cnn1d_by_hand() -> None:
    """20 steps, 3 to 4 to 5 channels, kernels of 5; the second convolution sees 10 steps."""
    found = count("cnn1d", NetworkForm((3, 20), 6), widths=(4, 5))
    first, second, linear = 2 * 3 * 5 * 4 * 20, 2 * 4 * 5 * 5 * 10, 2 * 5 * 6
    assert found.forward_flops == first + second + linear
    assert found.train_flops == 2 * first + 3 * (second + linear)
    assert found.parameters == (15 * 4 + 4) + (20 * 5 + 5) + (5 * 6 + 6)


def test_ds_cnn_is_mlperf_tinys_on_its_inputs() -> None:
    """49 frames of 10 coefficients, 12 words: 25 x 5 positions. 24,908 parameters there, 2 x 576 of them statistics."""
    form = NetworkForm((1, 10, 49), 12)
    found = count("ds-cnn", form)
    stem, depthwise, pointwise = 40 * 64 * 125, 9 * 64 * 125, 64 * 64 * 125
    assert found.forward_flops == 2 * (stem + 4 * (depthwise + pointwise) + 64 * 12)
    assert found.train_flops == 3 * found.forward_flops - 2 * stem
    assert found.parameters == 24_908 - 2 * 9 * 64
    for sides, kernel, after in (((32, 48), (4, 10), (16, 24)), ((3, 5), (3, 5), (2, 3)), ((1, 1), (1, 1), (1, 1))):
        stem_layer = resolve("ds-cnn")().build((2, *sides), 4)[0]
        assert (stem_layer.kernel_size, stem_layer(torch.zeros(1, 2, *sides)).shape[2:]) == (kernel, after)


def test_tiny_transformer_by_hand() -> None:
    """Length 5, width 8, 2 heads, 12 hidden units; tokens are looked up, steps of windows multiplied."""
    fields = {"width": 8, "heads": 2, "layers": 2, "hidden": 12}
    layer = 2 * 5 * (8 * 24 + 8 * 8 + 2 * 8 * 12) + 2 * (2 * 5 * 5 * 8)
    tokens = count("tiny-transformer", NetworkForm((5,), 3, tokens=True), vocabulary=11, **fields)
    assert tokens.forward_flops == 2 * layer + 2 * 8 * 3
    assert tokens.train_flops == 3 * tokens.forward_flops
    assert tokens.parameters == 11 * 8 + 5 * 8 + 2 * (8 * 24 + 24 + 72 + 8 * 12 + 12 + 96 + 8 + 32) + 16 + 27
    windows = count("tiny-transformer", NetworkForm((4, 5), 3), **fields)
    embedding = 2 * 5 * 4 * 8
    assert windows.forward_flops == tokens.forward_flops + embedding
    assert windows.train_flops == tokens.train_flops + 2 * embedding


def test_attention_is_that_of_torch() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 12, dropout=0.0, activation="gelu", batch_first=True, norm_first=True)
    mine = resolve("tiny-transformer")(width=8, heads=2, layers=1, hidden=12).build((4, 5), 3).layers[0]
    attention = layer.self_attn
    pairs = {"qkv": (attention.in_proj_weight, attention.in_proj_bias), "norm1": layer.norm1, "norm2": layer.norm2,
             "out": attention.out_proj, "up": layer.linear1, "down": layer.linear2}  # fmt: skip
    for name, theirs in pairs.items():
        weight, bias = theirs if isinstance(theirs, tuple) else (theirs.weight, theirs.bias)
        getattr(mine, name).load_state_dict({"weight": weight.data, "bias": bias.data})
    x = torch.linspace(-1, 1, 2 * 5 * 8).sin().reshape(2, 5, 8)
    torch.testing.assert_close(mine(x), layer(x))


class Recurrent(nn.Module):
    """Two layers in two directions, and a linear output at the last step."""

    def __init__(self, kind: Callable[..., nn.Module], inputs: int, hidden: int) -> None:
        super().__init__()
        self.recurrent = kind(inputs, hidden, 2, batch_first=True, bidirectional=True)
        self.fc = nn.Linear(2 * hidden, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.recurrent(x.transpose(1, 2))[0][:, -1])


@pytest.mark.parametrize(("kind", "gates", "states"), [(nn.GRU, 3, 1), (nn.LSTM, 4, 2), (nn.RNN, 1, 1)])
def test_recurrent_layers_by_hand(kind: Callable[..., nn.Module], gates: int, states: int) -> None:
    """3 inputs, 5 steps, 4 units in 2 directions and 2 layers; the second one has 8 inputs."""
    inputs, length, hidden = 3, 5, 4
    found = workload.count(lambda: Recurrent(kind, inputs, hidden), NetworkForm((inputs, length), 2))
    first, second, cells = (2 * length * width * gates * hidden for width in (inputs, 2 * hidden, hidden))
    head = 2 * 2 * hidden * 2
    assert found.forward_flops == 2 * (first + cells) + 2 * (second + cells) + head
    assert found.train_flops == 2 * (2 * first + 3 * cells) + 2 * (3 * second + 3 * cells) + 3 * head

    gpu = gpu_steps.work("forward", np.array([1.0, 2.0]), found, 0)
    recurrent = gpu_steps.KINDS.index("recurrent")
    # In each of 4 layers a product of all steps, and in each step a product and the gates' kernel.
    assert gpu.kernels[0, recurrent] == 4 * (1 + 2 * length)
    assert gpu.flops[0, recurrent] == found.forward_flops - head
    widths = [inputs, inputs, 2 * hidden, 2 * hidden]
    g = gates * hidden
    products = sum(width * g + length * (width + g) + length * (hidden * g + hidden + g) for width in widths)
    cell = 4 * length * (2 * g + 2 * states * hidden + 2 * g)  # both products, states before and after, biases
    assert gpu.moved_bytes[0, recurrent] == 4 * (products + cell)
    train = gpu_steps.work("train", np.array([1.0]), found, 0)
    # Backward: two kernels a step, gradients of two weights and the biases; the second layer's input needs one too.
    assert train.kernels[0, recurrent] == 4 * (1 + 4 * length + 3) + 2

    row = steps.features(found.forward_operations, np.array([1.0]))[0]
    assert row[steps.TERMS.index("matmul")] == found.forward_flops  # a processor's part has the same products
    fused = row[steps.TERMS.index("operation")] <= 4 * (1 + 2 * length) + 20
    assert fused == (kind is nn.LSTM)


def test_a_recorded_recurrent_layer_changes_no_bit() -> None:
    torch.manual_seed(0)
    network, x = Recurrent(nn.GRU, 3, 4), torch.randn(2, 3, 5)
    found = []
    for recorder in (None, Recorder()):
        network.zero_grad()
        if recorder is None:
            loss = network(x).square().sum()
            loss.backward()
        else:
            with recorder, RecurrentKernels(recorder):
                loss = network(x).square().sum()
                loss.backward()
        found.append([loss.detach(), *(weight.grad.clone() for weight in network.parameters())])
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(*found, strict=True))


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
def test_a_projected_lstm_with_frozen_weights() -> None:
    """3 inputs, 4 units, 2 outputs, 5 steps; without gradients of weights nothing is left of the backward pass."""

    class Projected(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.recurrent, self.fc = nn.LSTM(3, 4, proj_size=2, batch_first=True), nn.Linear(2, 2)
            self.recurrent.requires_grad_(False)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(self.recurrent(x.transpose(1, 2))[0][:, -1])

    found = workload.count(Projected, NetworkForm((3, 5), 2))
    assert found.forward_flops == 2 * 5 * (3 * 16 + 2 * 16 + 4 * 2) + 2 * 2 * 2
    assert found.train_flops == found.forward_flops + 2 * 2 * 2


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("cnn1d", NetworkForm((3, 16), 6)),
        ("ds-cnn", NetworkForm((1, 10, 12), 4)),
        ("tiny-transformer", NetworkForm((9,), 3, tokens=True)),
        ("tiny-transformer", NetworkForm((3, 9), 3)),
        ("mlp", NetworkForm((11, 12), 2, "regression")),
    ],
    ids=str,
)
def test_plain_networks_count_the_same_on_real_tensors(name: str, form: NetworkForm) -> None:
    network = resolve(name)().build(form.input_shape, form.num_outputs)
    assert workload._is_small_and_plain(network)
    on_cpu = workload._count(network, form, 2, torch.device("cpu"))
    same_count(workload._count(network.to("meta"), form, 2, torch.device("meta")), on_cpu)


def test_a_regression_counts_squared_errors_by_hand() -> None:
    """4 inputs, 3 outputs: the targets (12 B) live to the end; backward has the gradient of the outputs (12 B).

    On processors torch keeps the squared errors (12 B) in the place of the loss.
    """
    form = NetworkForm((4,), 3, "regression")
    network = nn.Linear(4, 3)
    memory, _ = training_memory(network.to("meta"), form, torch.device("meta"))
    assert memory.moments[0].fixed == 2 * 4 * 15 + 8
    assert memory.moments[0].per_sample == 16 + 12 + 12 + 12
    assert workload.count(lambda: nn.Linear(4, 3), form).train_flops == 2 * (2 * 4 * 3)


@pytest.mark.parametrize(
    ("model", "shape", "more"),
    [
        ("cnn1d", "3x80", ()),
        ("mlp", "132", ()),
        ("tiny-transformer", "64", ()),
        ("tiny-transformer", "64", ("--vocabulary=5000",)),
    ],
)
def test_predict_takes_the_shapes(model: str, shape: str, more: tuple[str, ...]) -> None:
    asked = ("predict", "--profile=raspberry-pi-4b", f"--model={model}", f"--input={shape}", "--batch-size=8")
    done = command(*asked, *more, "--json")
    assert done.returncode == 0, done.stderr
    assert f'"input_shape": {[int(side) for side in shape.split("x")]}'.replace(" ", "") in "".join(done.stdout.split())


def test_predict_names_what_does_not_fit() -> None:
    asked = ("predict", "--profile=raspberry-pi-4b", "--batch-size=8")
    for more, words in (
        (("--model=small-cnn", "--input=3x80"), "for windows use cnn1d, gru or mlp"),
        (("--model=mlp", "--input=3x"), "--input must look like"),
        (("--model=mlp", "--input=3x80", "--vocabulary=9"), "--vocabulary belongs to tokens"),
        (("--model=mlp", "--input=80", "--vocabulary=9"), "for tokens use tiny-transformer"),
    ):
        done = command(*asked, *more)
        assert done.returncode == 2
        assert words in " ".join(done.stderr.split())
