"""The operations of a pass: kinds, FLOPs and bytes against hand counts, totals against torch's own counter."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from edgesim.models import operations, resolve, workload
from edgesim.models.operations import Operation, Recorder, affine
from edgesim.tasks import NetworkForm
from edgesim.work import OPERATION_KINDS, Operations

KIND = {name: i for i, name in enumerate(OPERATION_KINDS)}


def of_kind(found: Operations, name: str) -> list[tuple[float, list[float], list[float], list[float]]]:
    rows = np.flatnonzero(found.kinds == KIND[name])
    return [
        (found.count[i], found.flops[i].tolist(), found.moved_bytes[i].tolist(), found.pieces[i].tolist()) for i in rows
    ]


def small() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.Flatten(), nn.Linear(32, 3))


def test_a_convolution_and_a_linear_layer_by_hand() -> None:
    """1x4x4 images, float32. Bytes are [whatever the batch, per sample]."""
    counted = workload.count(small, NetworkForm((1, 4, 4), 3))
    image, features, logits = 4 * 16, 4 * 32, 4 * 3
    kernel, kernel_bias, weight, bias = 4 * 18, 4 * 2, 4 * 96, 4 * 3
    convolution, product = 2 * 9 * 2 * 16, 2 * 32 * 3

    forward = counted.forward_operations
    assert of_kind(forward, "convolution") == [
        (1, [0, convolution], [kernel + kernel_bias, image + features], [0, 0])
    ]  # fmt: skip
    assert of_kind(forward, "matmul") == [(1, [0, product], [weight + bias, features + logits], [0, 0])]

    train = counted.train_operations
    backward = (1, [0, convolution], [kernel + kernel + kernel_bias, features + image], [0, 0])
    assert of_kind(train, "convolution") == [*of_kind(forward, "convolution"), backward]
    # Both gradients of the linear layer read the logits' gradient; one reads the weights, one writes theirs.
    gradients = (2, [0, product], [weight, features + logits], [0, 0])
    assert of_kind(train, "matmul") == [*of_kind(forward, "matmul"), gradients]
    assert counted.parameter_tensors == 4


def test_convolutions_by_kernel_and_groups_and_their_backward() -> None:
    """Pointwise 3 -> 6, depthwise on 6, 3x3 in two groups, on 4x4."""
    layers = (nn.Conv2d(3, 6, 1), nn.Conv2d(6, 6, 3, padding=1, groups=6), nn.Conv2d(6, 4, 3, padding=1, groups=2))
    counted = workload.count(lambda: nn.Sequential(*layers, nn.Flatten(), nn.Linear(64, 2)), NetworkForm((3, 4, 4), 2))
    train = counted.train_operations
    pointwise, depthwise, grouped = 2 * 3 * 6 * 16, 2 * 9 * 6 * 16, 2 * 3 * 9 * 4 * 16
    # The first layer has no gradient of the images, the others have both.
    assert [row[1] for row in of_kind(train, "pointwise")] == [[0, pointwise], [0, pointwise]]
    assert [row[1] for row in of_kind(train, "depthwise")] == [[0, depthwise], [0, 2 * depthwise]]
    assert [row[1] for row in of_kind(train, "convolution")] == [[0, grouped], [0, 2 * grouped]]
    assert [row[3] for row in of_kind(train, "depthwise")] == [[0, 6], [0, 12]]
    assert [row[3] for row in of_kind(train, "convolution")] == [[0, 2], [0, 4]]
    assert [row[3] for row in of_kind(train, "pointwise")] == [[0, 0], [0, 0]]


def test_a_kernel_larger_than_its_images_is_cramped() -> None:
    """3x3 on 2x2, and depthwise 5x5 on 4x4; 3x3 on 3x3 is not, and a transposed one looks at what it gives."""
    with torch.device("meta"), Recorder() as recorder:
        functional.conv2d(torch.zeros(1, 4, 2, 2), torch.zeros(6, 4, 3, 3), padding=1)
        functional.conv2d(torch.zeros(1, 4, 4, 4), torch.zeros(4, 1, 5, 5), padding=2, groups=4)
        functional.conv2d(torch.zeros(1, 4, 3, 3), torch.zeros(6, 4, 3, 3), padding=1)
        functional.conv2d(torch.zeros(1, 4, 2, 2), torch.zeros(6, 4, 1, 1))
        functional.conv_transpose2d(torch.zeros(1, 4, 2, 2), torch.zeros(4, 6, 3, 3))
    kinds = [OPERATION_KINDS[one.kind] for one in recorder.operations if one.flops]
    wanted = ["cramped_convolution", "cramped_depthwise", "convolution", "pointwise", "convolution"]
    assert kinds == wanted


def test_operations_that_have_a_kernel_are_not_taken_apart() -> None:
    """SiLU's backward pass is one kernel on every processor; torch would give its seven parts on meta tensors."""
    counted = workload.count(
        lambda: nn.Sequential(nn.Conv2d(1, 2, 1), nn.SiLU(), nn.Flatten(), nn.Linear(32, 2)), NetworkForm((1, 4, 4), 2)
    )
    plain = workload.count(
        lambda: nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(32, 2)), NetworkForm((1, 4, 4), 2)
    )
    assert counted.train_operations.count.sum() == plain.train_operations.count.sum()


def test_what_unrolling_moves() -> None:
    """2 images of 3x6x6: 3x3 with stride 2 meets 2x2 patches of 27 numbers, and so does its transposed twin."""
    with torch.device("meta"):
        images, kernel = torch.zeros(2, 3, 6, 6), torch.zeros(6, 3, 3, 3, requires_grad=True)
        pointwise = torch.zeros(3, 6, 1, 1)
        with Recorder() as recorder:
            wide = functional.conv2d(images, kernel, stride=2)  # [2, 6, 2, 2]
            functional.conv_transpose2d(wide, kernel, stride=2)  # [2, 3, 5, 5]
            functional.conv2d(wide, pointwise)  # nothing to unroll
            wide.sum().backward()  # the weights' gradient alone
    unrolled = [one for one in recorder.operations if one.kind == KIND["unrolling"]]
    matrix = 4 * 2 * (3 * 9) * 4
    assert unrolled == [Operation(KIND["unrolling"], 0, 2 * matrix, 0)] * 3


NETWORKS = {
    "small": (small, (1, 4, 4), 3),
    "mobilenet-v2": (lambda: resolve("mobilenet-v2")().build((3, 32, 32), 10), (3, 32, 32), 10),
    "resnet18": (lambda: resolve("resnet18")().build((3, 32, 32), 10), (3, 32, 32), 10),
    "timm": (lambda: resolve("timm:vit_tiny_patch16_224")().build((3, 32, 32), 10), (3, 32, 32), 10),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_totals_equal_those_of_torchs_counter(name: str) -> None:
    if name == "timm":
        pytest.importorskip("timm")
    build, shape, classes = NETWORKS[name]
    counted = workload.count(build, NetworkForm(shape, classes))
    network = build().train().to("meta")  # timm cannot make every network on meta tensors
    with torch.device("meta"), FlopCounterMode(display=False, custom_mapping=operations.FORMULAS) as counter:
        functional.cross_entropy(network(torch.zeros(2, *shape)), torch.zeros(2, dtype=torch.int64)).backward()
    found = counted.train_operations
    assert (found.count @ found.flops) @ [1, 2] == counter.get_total_flops() == 2 * counted.train_flops
    assert found.flops.min() >= 0
    assert found.moved_bytes.min() >= 0
    forward = counted.forward_operations
    assert (forward.count @ forward.flops) @ [1, 2] == 2 * counted.forward_flops


@pytest.mark.parametrize("name", ["mobilenet-v2", "resnet18"])
def test_what_is_affine_in_the_batch_holds_at_another_batch_size(name: str) -> None:
    build, shape, classes = NETWORKS[name]
    found = workload.count(build, NetworkForm(shape, classes)).train_operations
    with torch.device("meta"):
        network = build().train()
        images, labels = torch.zeros(8, *shape), torch.zeros(8, dtype=torch.int64)
        with Recorder() as recorder:
            functional.cross_entropy(network(images), labels).backward()
    assert found.count.sum() == len(recorder.operations)
    assert (found.count @ found.moved_bytes) @ [1, 8] == sum(one.moved_bytes for one in recorder.operations)
    assert (found.count @ found.pieces) @ [1, 8] == sum(one.pieces for one in recorder.operations)


def test_views_move_nothing_and_expanded_tensors_what_they_hold() -> None:
    with Recorder() as recorder:
        wide = torch.zeros(4, 1).expand(4, 1000)  # zeros writes 16 bytes
        wide.t().unsqueeze(0).detach()
        wide + 1  # reads 16 bytes, writes 16 000
    assert [one.moved_bytes for one in recorder.operations] == [16, 16 + 16_000]


def test_equal_operations_are_merged() -> None:
    few = [
        Operation(KIND["matmul"], 20, 12, 0),
        Operation(KIND["elementwise"], 0, 8, 0),
        Operation(KIND["matmul"], 20, 12, 0),
    ]
    many = [
        Operation(KIND["matmul"], 40, 20, 0),
        Operation(KIND["elementwise"], 0, 16, 0),
        Operation(KIND["matmul"], 40, 20, 0),
    ]
    found = affine(few, many, 2)
    assert found.count.tolist() == [2, 1]
    assert found.flops.tolist() == [[0, 10], [0, 0]]
    assert found.moved_bytes.tolist() == [[4, 4], [0, 4]]


def test_operations_that_change_with_the_batch_count_as_growing_with_it() -> None:
    few = [Operation(KIND["matmul"], 20, 12, 0)]
    many = [Operation(KIND["matmul"], 30, 14, 0), Operation(KIND["elementwise"], 0, 8, 0)]
    found = affine(few, many, 2)
    assert found.flops.tolist() == [[0, 10]]
    assert found.moved_bytes.tolist() == [[0, 6]]
    assert affine([], [], 2) == Operations.none()
