"""Memory of a training step: by hand, and against torch's profiler in the training loop itself."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
import training_peaks
from torch import nn
from training_peaks import IMAGES, SIGNALS
from warm import Process, Server

from edgesim.models import MODELS
from edgesim.models.kernel_memory import Sizes, kernel_bytes, moments
from edgesim.models.training_memory import _peaks, training_memory
from edgesim.models.workload import count
from edgesim.tasks import NetworkForm
from edgesim.work import LiveBytes, TrainingMemory, Workload


def test_two_linear_layers_by_hand() -> None:
    """Images of 10 numbers, 7 hidden, 3 classes: 101 weights in tensors of 70, 7, 21 and 3.

    The batch (40 B and a label of 8 B), the logits (12 B), the loss and its gradient (4 B each) live to the end.
    Backward through ReLU: hidden, and its gradient before and after (28 B each), with the gradients of the last layer.
    Backward through the first layer: the gradient of hidden, with the gradients of all weights.
    """
    found = count(lambda: MODELS["mlp"](hidden=(7,)).build((1, 2, 5), 3), NetworkForm((1, 2, 5), 3))
    weights, last, scalars = 4 * 101, 4 * 24, 8
    relu = LiveBytes(weights + last + scalars, 60 + 3 * 28)
    first = LiveBytes(2 * weights + scalars, 60 + 28)
    assert found.memory == TrainingMemory((first, relu), weights, 4 * 4)
    # With 2 samples the first layer's pass is the peak, with 64 ReLU's; Adam adds two states and four counts.
    assert found.peak_training_bytes(2, 2) == 4 * weights + 8 + 16 + 2 * 88
    assert found.peak_training_bytes(64, 0) == weights + last + 8 + 64 * 144
    assert found.peak_training_bytes(np.array([2, 64]), 1).tolist() == [3 * weights + 8 + 176, 2 * weights + 104 + 9216]
    # In blocks of 512 B: 4 weights and 4 gradients, 2 scalars; 4 tensors that grow lie half a block over, on average.
    assert found.peak_training_bytes(2, 0, in_blocks=True) == 10 * 512 + 4 * 256 + 2 * 88
    assert found.peak_training_bytes(2, 2, in_blocks=True) == (10 + 2 * 4 + 4) * 512 + 4 * 256 + 2 * 88


def test_a_convolution_with_batch_norm_by_hand() -> None:
    """1x4x4 images, 2 channels, batch norm, ReLU in place, 3 classes. The flattened features are a copy of 128 B.

    To the end live: image 64 B, label 8 B, logits 12 B, 123 weights, statistics of batch norm (16 B and a count of
    8 B, of this pass 16 B), loss and its gradient. Backward through the last layer: outputs of convolution and ReLU,
    features and their gradient (128 B each), and the gradient of the logits. Backward through batch norm, with
    2 gradients of its own: output of the convolution, gradients before and after, and the copy that the kernel makes.
    """
    layers = [nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2), nn.ReLU(inplace=True)]
    found = count(lambda: nn.Sequential(*layers, nn.Flatten(), nn.Linear(32, 3)), NetworkForm((1, 4, 4), 3))
    fixed = 4 * 123 + 24 + 16 + 8 + 4 * 99
    last = LiveBytes(fixed, 84 + 4 * 128 + 12)
    norm = LiveBytes(fixed + 16, 84 + 4 * 128)
    assert found.memory == TrainingMemory((norm, last), 4 * 123, 4 * 6)


def test_a_convolution_copies_its_weights_by_hand() -> None:
    """3x3 from 4 to 8 channels on 4x4: backward has the kernel in channels-last and its gradient twice more."""
    layers = [nn.Conv2d(1, 4, 1, bias=False), nn.Conv2d(4, 8, 3, padding=1, bias=False)]
    found = count(
        lambda: nn.Sequential(*layers, nn.Flatten(), nn.Linear(128, 2, bias=False)), NetworkForm((1, 4, 4), 2)
    )
    kernel, weights = 4 * 288, 4 * (4 + 288 + 256)
    # Gradients of the last layer and the kernel, three copies of it; images 64, label 8, logits 8, the convolution's
    # input and output and the gradients of both
    peak = LiveBytes(weights + 8 + 4 * 256 + kernel + 3 * kernel, 80 + 256 + 256 + 512)
    assert found.memory is not None
    assert peak in found.memory.moments


@pytest.mark.parametrize(
    ("layer", "side", "copies"),
    [
        (nn.Conv2d(4, 8, 3, padding=1), 4, 3),
        (nn.Conv2d(4, 8, 1), 4, 2),  # its channels-last layout is the one that it has
        (nn.Conv2d(4, 8, 3, padding=1), 2, 5),  # larger than its images
        (nn.Conv2d(4, 8, 16, stride=16), 32, 5),
        (nn.Conv2d(8, 8, 3, padding=1, groups=8), 4, 2),
        (nn.Conv2d(8, 8, 5, padding=2, groups=8), 8, 65),
        (nn.Conv2d(8, 8, 5, padding=2, groups=8), 4, 4),
    ],
)
def test_copies_of_a_convolutions_weights(layer: nn.Conv2d, side: int, copies: int) -> None:
    """What the profiler shows beside the inputs and outputs of the backward pass, in sizes of the weights."""
    with torch.device("meta"):
        images = torch.zeros(2, layer.in_channels, side, side).to(memory_format=torch.channels_last)
        weight = torch.zeros_like(layer.weight)
    args = (images, images, weight, None, layer.stride, layer.padding, (1, 1), False, (0, 0), layer.groups)
    assert (
        kernel_bytes(torch.ops.aten.convolution_backward, (*args, (True, True, False))) == copies * 4 * weight.numel()
    )


def test_an_lstm_copies_its_weights_and_keeps_the_gradients_of_its_gates() -> None:
    """3 inputs, 48 units, 20 steps, 8 samples; the allocations within the kernel, as the profiler shows them.

    Two copies of the weights, of the input's 192 x 3 and the state's 192 x 48, biases, and rows padded to 16 inputs.
    Scratch of 33 pages and a header: 30 of the gates' gradients, one each of two states, and one more.
    """
    of_input, of_state, output = torch.zeros(192, 3), torch.zeros(192, 48), torch.zeros(8, 20, 48)
    args = (torch.zeros(20, 8, 3), of_input, of_state, None, None, None, None, output)
    (found,) = moments(torch.ops.aten.mkldnn_rnn_layer_backward, args, None, 8)
    copies = 2_304 + 36_864 + 768 + 12_288
    gradients, scratch = 30_720, 33 * 4096 + 568
    assert found.fixed + 8 * found.per_sample == pytest.approx(copies + gradients + scratch, rel=0.01)
    assert found.per_sample == 20 * 48 * 4 + 20 * 192 * 4 + 2 * 48 * 4
    # 256 gates lie in rows of 272; 64 units need no padding, 3 inputs do.
    args = (torch.zeros(20, 8, 3), torch.zeros(256, 3), torch.zeros(256, 64), *args[3:7], torch.zeros(8, 20, 64))
    (wider,) = moments(torch.ops.aten.mkldnn_rnn_layer_backward, args, None, 8)
    read = 3_264 + 69_632 + 1_024 + 16_384 + 40_960 + 188_984
    assert wider.fixed + 8 * wider.per_sample == pytest.approx(read, rel=0.015)


def test_a_convolution_over_time_copies_inputs_and_outputs() -> None:
    """32 to 64 channels, 5 steps, 8 samples: inputs 5,120 B, outputs 10,240 B, weights 40,960 B."""
    samples, weight, outputs = torch.zeros(8, 32, 5), torch.zeros(64, 32, 5), torch.zeros(8, 64, 5)
    aten = torch.ops.aten
    assert moments(aten.convolution, (samples, weight), outputs, 8) == [Sizes(40_960, 640, 0), Sizes(0, 1280, 0)]
    backward = moments(aten.convolution_backward, (outputs, samples, weight), None, 8)
    assert backward == [Sizes(0, 1280 + 640, 0), Sizes(40_960, 0, 0)]
    spread = torch.zeros(8, 64, 1).expand(8, 64, 5)  # a gradient with gaps is made dense first
    backward = moments(aten.convolution_backward, (spread, samples, weight), None, 8)
    assert backward == [Sizes(0, 2560 + 640, 0), Sizes(40_960, 1280, 0)]


def test_frozen_weights_have_neither_gradient_nor_state() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(10, 7), nn.Linear(7, 3))
    network[1].requires_grad_(False)
    memory, _ = training_memory(network, NetworkForm((1, 2, 5), 5), torch.device("cpu"))
    assert memory.state_bytes == 4 * 24
    assert memory.moments[0].fixed == 4 * 101 + 4 * 24 + 8


def test_a_network_that_looks_at_images_by_view_is_counted() -> None:
    """Channels-last images of several channels cannot be viewed flat; a loop of one's own may have others."""

    class Viewing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(3 * 4 * 4, 5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.linear(x.view(len(x), -1))

    memory, _ = training_memory(Viewing(), NetworkForm((3, 4, 4), 5), torch.device("cpu"))
    assert memory.moments[0] == LiveBytes(2 * 4 * 245 + 8, 4 * 48 + 8 + 20 + 20)


def test_moments_that_are_never_the_peak_are_dropped() -> None:
    """At 1 sample 100 + 1 wins, from 12 on 10 + 9 B; 50 + 5 B lies below both at all sizes, 60 + 5 B above at 11."""
    ends = LiveBytes(100, 1), LiveBytes(10, 9)
    assert _peaks([*ends, LiveBytes(50, 5), LiveBytes(9, 9), LiveBytes(100, 0)]) == ends
    between = LiveBytes(60, 5)
    assert _peaks([*ends, between]) == (ends[0], between, ends[1])
    assert _peaks([LiveBytes(5, 1), LiveBytes(4, 2)]) == (LiveBytes(4, 2),)  # equal at 1 sample
    rng = np.random.default_rng(0)
    many = [LiveBytes(int(a), int(b)) for a, b in rng.integers(0, 1000, (300, 2))]
    for batch_size in (1, 2, 7, 100):
        assert max(one.at(batch_size) for one in _peaks(many)) == max(one.at(batch_size) for one in many)


def test_a_workload_keeps_its_memory_in_files() -> None:
    found = count(lambda: MODELS["mlp"](hidden=()).build((1, 2, 2), 2), NetworkForm((1, 2, 2), 2))
    again = Workload.from_fields(json.loads(json.dumps(asdict(found), default=np.ndarray.tolist)))
    assert again == found
    assert "memory" not in found.summary()
    with pytest.raises(ValueError, match="count it with"):
        Workload(1.0, 1.0, 1, 4).peak_training_bytes(1, 0)


@pytest.fixture(scope="module")
def peaks(warm: Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[int]]:
    """Name of a case -> most bytes alive in steps of its training, one for each of its settings."""
    process = Process(warm, training_peaks.__file__, cwd=tmp_path_factory.mktemp("peaks"), ONEDNN_MAX_CPU_ISA="AVX2")
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    found: dict[str, list[int]] = json.loads(output.splitlines()[-1])
    return found


@pytest.mark.parametrize("name", IMAGES)
def test_the_peak_is_that_of_the_training_loop(name: str, peaks: dict[str, list[int]]) -> None:
    case = IMAGES[name]
    counted = count(case.build, NetworkForm(case.shape, 10))
    found = [counted.peak_training_bytes(one.batch_size, one.optimizer_states) for one in case.settings]
    assert found == pytest.approx(peaks[name], rel=0.05)


@pytest.mark.parametrize("name", SIGNALS)
def test_the_peak_of_signals_is_that_of_a_step(name: str, peaks: dict[str, list[int]]) -> None:
    case = SIGNALS[name]
    found = count(case.build, case.form).peak_training_bytes(case.batch_size, 0)
    assert [found] == pytest.approx(peaks[name], rel=0.05)
