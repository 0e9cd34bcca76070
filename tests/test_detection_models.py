"""Networks that find objects: layers, losses by hand, a loss per image, boxes found."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from edgesim import seeds
from edgesim.models import detection
from edgesim.models.detection import DetectionInputs, Detections
from edgesim.models.faster_rcnn import FasterRcnnModule, _computing_losses
from edgesim.models.yolo import YoloV3TinyModule

LN2 = math.log(2)
ANCHOR = (23 * 64 / 416, 27 * 64 / 416)
"""the second anchor of the finer head for images of 64 pixels"""


def batch(*images: list[tuple[float, float, float, float]], side: int = 64, channels: int = 3) -> DetectionInputs:
    """Images of noise with boxes of class 0."""
    noise = torch.randn(len(images), channels, side, side, generator=torch.Generator().manual_seed(0))
    boxes = tuple(torch.tensor(one, dtype=torch.float32).reshape(-1, 4) for one in images)
    return DetectionInputs(noise, boxes, tuple(torch.zeros(len(one), dtype=torch.int64) for one in images))


def box(x: float, y: float, width: float, height: float) -> tuple[float, float, float, float]:
    """From centre and sides."""
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def only(inputs: DetectionInputs, i: int) -> DetectionInputs:
    return DetectionInputs(inputs.images[i : i + 1], inputs.boxes[i : i + 1], inputs.labels[i : i + 1])


@pytest.fixture(scope="module")
def silent() -> YoloV3TinyModule:
    """A network for two classes whose heads say 0 whatever they see."""
    network = YoloV3TinyModule((3, 64, 64), 2, 0.125)
    for head in (network.coarse_head[1], network.fine_head[1]):
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
    return network


def test_yolov3_tiny_has_the_layers_of_the_paper():
    network = YoloV3TinyModule((3, 416, 416), 80, 1.0)
    convolutions = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    assert len(convolutions) == 13
    # darknet's file of weights has 8,858,734 numbers, of which 2 x 3,184 are running means and variances.
    assert sum(weight.numel() for weight in network.parameters()) == 8_858_734 - 2 * 3_184
    assert [head[1].out_channels for head in (network.coarse_head, network.fine_head)] == [255, 255]


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ([], 60 * LN2),  # 3 x (2 x 2 + 4 x 4) predictions say 0.5 each
        # In the centre of a cell and as large as an anchor: nothing to correct but the two classes.
        ([box(24, 40, *ANCHOR)], 62 * LN2),
        # A quarter of a cell of 16 pixels to the right.
        ([box(28, 40, *ANCHOR)], 62 * LN2 + 0.5 * (2 - math.prod(ANCHOR) / 64**2) * 0.25**2),
        # 1.2 times as wide.
        (
            [box(24, 40, 1.2 * ANCHOR[0], ANCHOR[1])],
            62 * LN2 + 0.5 * (2 - 1.2 * math.prod(ANCHOR) / 64**2) * math.log(1.2) ** 2,
        ),
        # Two boxes on one prediction teach it both; it is one object to find.
        ([box(24, 40, *ANCHOR)] * 2, 64 * LN2),
        # 1 pixel beside the centre of a cell of 32 pixels, as large as the coarse head's first anchor (12.5 x 12.6). Of
        # the finer head, (5.7 x 8.9) overlaps by 0.32 at most; no other prediction is near.
        (
            [box(49, 16, 81 * 64 / 416, 82 * 64 / 416)],
            62 * LN2 + 0.5 * (2 - 81 * 82 / 416**2) * (1 / 32) ** 2,
        ),
    ],
)
def test_the_loss_of_an_image_by_hand(silent, image, expected):
    assert silent(batch(image, [])).losses.tolist() == pytest.approx([expected, 60 * LN2], rel=1e-5)


def test_a_prediction_that_overlaps_with_a_foreign_box_is_not_punished(silent):
    """Of (23, 27), whose box it is, it overlaps by 0.56; of (37, 58), which then is told nothing, by 0.51."""
    sides = (29 * 64 / 416, 38 * 64 / 416)
    place = 0.5 * (2 - 29 * 38 / 416**2) * (math.log(29 / 23) ** 2 + math.log(38 / 27) ** 2)
    losses = silent(batch([box(24, 24, *sides)])).losses
    assert losses.tolist() == pytest.approx([61 * LN2 + place], rel=1e-5)


def test_the_last_row_and_column_own_boxes_at_the_edge(silent):
    edges = batch([(60, 60, 64, 64)], [(63.999, 63.999, 64, 64)])
    assert torch.isfinite(silent(edges).losses).all()


def test_images_need_no_sides_of_multiples_of_32():
    network = YoloV3TinyModule((1, 40, 72), 1, 0.125)
    inputs = DetectionInputs(torch.randn(2, 1, 40, 72), (torch.tensor([[60.0, 30, 72, 40]]), torch.zeros(0, 4)),
                             (torch.zeros(1, dtype=torch.int64), torch.zeros(0, dtype=torch.int64)))  # fmt: skip
    network.eval()
    outputs = network(inputs)
    assert torch.isfinite(outputs.losses).all()
    for found in outputs.detections:
        assert (found.boxes <= torch.tensor([72, 40, 72, 40])).all()
        assert (found.boxes >= 0).all()


def test_yolo_learns_to_find_a_square():
    """Bright squares of two sizes and places; after some steps the boxes found are theirs."""
    torch.manual_seed(0)
    squares = [box(20, 20, 12, 12), box(44, 40, 16, 16), box(16, 48, 10, 10), box(40, 14, 14, 14)]
    images = torch.zeros(5, 1, 64, 64)
    for i, (x0, y0, x1, y1) in enumerate(squares):
        images[i, 0, int(y0) : int(y1), int(x0) : int(x1)] = 3.0
    boxes = (*(torch.tensor([one]) for one in squares), torch.zeros(0, 4))
    labels = tuple(torch.full((len(one),), i % 2) for i, one in enumerate(boxes))
    inputs, network = DetectionInputs(images, boxes, labels), YoloV3TinyModule((1, 64, 64), 2, 0.125)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(60):
        losses = network(inputs).losses
        optimizer.zero_grad()
        losses.mean().backward()
        optimizer.step()
    assert network(inputs).detections is None
    network.eval()
    outputs = network(inputs)
    assert outputs.losses.max().item() < 1.0
    for i, found in enumerate(outputs.detections[:4]):
        assert float(detection.overlap(found.boxes[0], boxes[i][0])) > 0.7
        assert int(found.labels[0]) == i % 2
        assert float(found.scores[0]) > 0.5
        assert (found.scores[1:] < 0.3).all()
    assert (outputs.detections[4].scores < 0.3).all()
    alone = network(only(inputs, 1)).losses.detach()
    assert alone.tolist() == pytest.approx(outputs.losses[1:2].detach().tolist(), rel=1e-4)
    assert network(inputs._replace(find=False)).detections is None


def test_arithmetic_of_boxes():
    first = torch.tensor([[0.0, 0, 2, 2], [0, 0, 2, 2], [0, 0, 2, 2]])
    second = torch.tensor([[1.0, 1, 3, 3], [0, 0, 2, 2], [5, 5, 6, 6]])
    assert detection.overlap(first, second).tolist() == pytest.approx([1 / 7, 1, 0])
    owners = detection.owners_of([torch.zeros(2, 4), torch.zeros(0, 4), torch.zeros(1, 4)], torch.device("cpu"))
    assert owners.tolist() == [0, 0, 2]
    assert detection.image_sums(torch.tensor([1.0, 2, 4]), owners, 3).tolist() == [3, 0, 4]
    found = Detections(torch.tensor([[0.0, 0, 2, 2], [0, 0, 2, 2.1], [0, 0, 2, 2], [5, 5, 6, 6]]),
                       torch.tensor([0.5, 0.9, 0.8, 0.1]), torch.tensor([0, 0, 1, 0]))  # fmt: skip
    assert detection.best_of_each_class(found, 0.5, 10).scores.tolist() == pytest.approx([0.9, 0.8, 0.1])
    assert detection.best_of_each_class(found, 0.5, 2).scores.tolist() == pytest.approx([0.9, 0.8])


@pytest.fixture(scope="module")
def faster() -> FasterRcnnModule:
    torch.manual_seed(0)
    return FasterRcnnModule("mobilenet-v3-320-fpn", (1, 64, 64), 2)


def test_faster_rcnn_has_the_losses_of_torchvision_image_by_image(faster):
    inputs = batch([box(20, 20, 14, 14), box(40, 40, 20, 10)], [], channels=1)
    faster.eval()  # so that batch norm sees each image alone
    from torchvision.models.detection import FasterRCNN

    theirs = FasterRCNN(faster.backbone, 3, min_size=64, max_size=64, image_mean=[0], image_std=[1])
    theirs.rpn, theirs.roi_heads = faster.rpn, faster.roi_heads
    state = torch.get_rng_state()
    outputs = faster(inputs)
    assert torch.equal(torch.get_rng_state(), state), "evaluating leaves the caller's random numbers alone"
    for i, loss in enumerate(outputs.losses):
        one = only(inputs, i)
        theirs.training = True
        with seeds.torch_global(0, "faster-rcnn:evaluation"), _computing_losses(theirs.rpn, theirs.roi_heads):
            expected = theirs([one.images[0]], [{"boxes": one.boxes[0], "labels": one.labels[0] + 1}])
        assert len(expected) == 4
        assert float(loss.detach()) == pytest.approx(float(sum(expected.values()).detach()), rel=1e-4)
        theirs.training = False
        (wanted,) = theirs([one.images[0]])
        assert torch.allclose(outputs.detections[i].boxes, wanted["boxes"], atol=1e-3)
        assert torch.equal(outputs.detections[i].labels, wanted["labels"] - 1)
    again = faster(only(inputs, 1)._replace(find=False))
    assert again.losses[0].item() == pytest.approx(outputs.losses[1].item(), rel=1e-4)
    assert again.detections is None


def test_faster_rcnn_learns_from_a_batch_as_from_its_images_one_by_one(faster):
    """The box head sees the regions of all images at once; draws, losses and gradients are those of single images."""
    faster.train()
    faster.backbone.eval()  # so that batch norm sees each image alone
    inputs = batch([box(20, 20, 14, 14), box(40, 40, 20, 10)], [], [box(32, 30, 40, 30)], channels=1)
    regions = []
    hook = faster.roi_heads.box_head.register_forward_hook(lambda _, given, out: regions.append(len(out)))
    results = []
    for parts in ([inputs], [only(inputs, i) for i in range(3)]):
        torch.manual_seed(7)
        faster.zero_grad()
        losses = torch.cat([faster(part).losses for part in parts])
        losses.mean().backward()
        results.append((losses.tolist(), [weight.grad for weight in faster.parameters()], torch.get_rng_state()))
    hook.remove()
    assert regions[0] == sum(regions[1:])
    assert len(regions) == 4
    (together, gradients, state), (alone, wanted, state_alone) = results
    assert together == pytest.approx(alone, rel=1e-5)
    assert torch.equal(state, state_alone)
    for gradient, one in zip(gradients, wanted, strict=True):
        assert (gradient - one).norm() <= 1e-5 * one.norm() + 1e-7


def test_faster_rcnn_repeats_bit_for_bit_with_the_same_random_numbers(faster):
    faster.train()
    assert next(faster.parameters()).shape[1] == 1
    inputs = batch([box(20, 20, 14, 14)], [], channels=1)
    losses = []
    for _ in range(2):
        torch.manual_seed(7)
        losses.append(faster(inputs).losses)
    assert torch.equal(*losses)
    losses[0].sum().backward()
    assert all(weight.grad is not None for weight in faster.backbone.parameters())
