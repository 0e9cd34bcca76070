"""YOLOv3-tiny: thirteen convolutions and two heads with three anchors each, with a loss per image.

Source: Redmon and Farhadi, "YOLOv3: An Incremental Improvement", arXiv:1804.02767, section 2; layers and anchors of its
tiny configuration, `yolov3-tiny.cfg` of the authors' darknet. The loss of an image is the sum of

- over its boxes (2 - w·h) · [(σ(tx) - tx*)² + (σ(ty) - ty*)² + (tw - tw*)² + (th - th*)²] / 2, with w·h the box's share
  of the image: squared errors as in the paper, weighted as in darknet, which divides by 2, too;
- over its boxes the binary cross-entropy of every class;
- over all predictions the binary cross-entropy of objectness. It is left out where a prediction is no box's own and
  overlaps with one by more than 0.5.

A box belongs to the one of the six anchors whose shape overlaps with its own the most, in the cell of its centre.

Deviations: images are padded to multiples of 32, not letter-boxed. The small anchors serve the finer head: darknet's
file gives it the second to fourth. The objectness starts at 0.01 (Lin et al. 2017, arXiv:1708.02002, section 4.1), or
the 1,500 empty predictions of an image of 320 pixels would drown its boxes in the first steps. Two boxes that share a
prediction both teach it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgesim.models import detection
from edgesim.models.detection import DetectionInputs, DetectionOutputs, Detections

STRIDES = (32, 16)
"""pixels per cell of the two heads"""
ANCHORS = ((81, 82), (135, 169), (344, 319)), ((10, 14), (23, 27), (37, 58))
"""width and height in pixels of each head's anchors, for images of ANCHOR_SIDE (k-means of COCO's boxes)"""
ANCHOR_SIDE = 416
IGNORED_OVERLAP = 0.5
FIRST_OBJECTNESS = 0.01
LEAST_SCORE = 0.005
"""of a detection, as in darknet's own evaluation"""
MOST_OVERLAP = 0.45
"""of two detections of one class"""
MOST_CANDIDATES = 1000
MOST_DETECTIONS = 100
"""per image, as COCO's metrics count them"""


class YoloV3TinyModule(nn.Module):
    """The network with its loss.

    Args:
        input_shape: (channels, height, width) of an image.
        num_classes: classes of boxes.
        width_mult: factor on the channels of every layer but the heads.
    """

    anchors: Tensor

    def __init__(self, input_shape: tuple[int, ...], num_classes: int, width_mult: float):
        super().__init__()
        channels, height, width = input_shape
        self.num_classes, self.size = num_classes, (height, width)
        w = [max(1, round(width_mult * full)) for full in (16, 32, 64, 128, 256, 512, 1024)]
        conv = detection.convolution
        layers: list[nn.Module] = []
        for before, after in zip((channels, *w[:4]), w[:5], strict=False):
            layers += [conv(before, after, 3), nn.MaxPool2d(2)]
        self.fine = nn.Sequential(*layers[:-1])  # stride 16, w[4] channels
        # The pool of stride 1 keeps the size by a column and a row more, which are never the largest, as in darknet.
        same = nn.Sequential(nn.ConstantPad2d((0, 1, 0, 1), -math.inf), nn.MaxPool2d(2, stride=1))
        self.coarse = nn.Sequential(
            nn.MaxPool2d(2), conv(w[4], w[5], 3), same, conv(w[5], w[6], 3), conv(w[6], w[4], 1)
        )
        numbers = 3 * (5 + num_classes)
        self.coarse_head = nn.Sequential(conv(w[4], w[5], 3), _head(w[5], numbers))
        self.up = nn.Sequential(conv(w[4], w[3], 1), nn.Upsample(scale_factor=2))
        self.fine_head = nn.Sequential(conv(w[3] + w[4], w[4], 3), _head(w[4], numbers))
        scale = torch.tensor([width, height], dtype=torch.float32) / ANCHOR_SIDE
        self.register_buffer("anchors", torch.tensor(ANCHORS, dtype=torch.float32) * scale, persistent=False)

    def forward(self, inputs: DetectionInputs) -> DetectionOutputs:
        """Losses [B], and in evaluation mode the boxes found."""
        fine = self.fine(detection.padded(inputs.images, STRIDES[0]))
        coarse = self.coarse(fine)
        heads = self.coarse_head(coarse), self.fine_head(torch.cat([self.up(coarse), fine], dim=1))
        raw = torch.cat([self._numbers(head) for head in heads], dim=1)  # [B, P, 5 + C]
        places = torch.cat([self._places(level, head) for level, head in enumerate(heads)])  # [P, 5]
        losses = self._losses(raw, places, inputs)
        find = inputs.find and not self.training
        return DetectionOutputs(losses, self._detections(raw.detach(), places) if find else None)

    def _numbers(self, head: Tensor) -> Tensor:
        """A head's outputs [B, 3·(5 + C), h, w] as predictions [B, 3·h·w, 5 + C]: x, y, w, h, objectness, classes."""
        count, _, height, width = head.shape
        split = head.float().reshape(count, 3, 5 + self.num_classes, height * width)
        return split.permute(0, 1, 3, 2).reshape(count, 3 * height * width, 5 + self.num_classes)

    def _places(self, level: int, head: Tensor) -> Tensor:
        """Column and row of the cell, stride, anchor's width and height of a head's predictions: float [3·h·w, 5]."""
        height, width = head.shape[2:]
        device = head.device
        anchor, row, column = torch.meshgrid(*(torch.arange(n, device=device) for n in (3, height, width)),
                                             indexing="ij")  # fmt: skip
        stride = torch.full_like(row, STRIDES[level])
        cells = torch.stack([column, row, stride], dim=-1).reshape(-1, 3)
        return torch.cat([cells.float(), self.anchors[level][anchor.reshape(-1)]], dim=1)

    def _boxes(self, raw: Tensor, places: Tensor) -> Tensor:
        """Predicted boxes [B, P, 4] in pixels."""
        centres = (raw[..., :2].sigmoid() + places[:, :2]) * places[:, 2:3]
        sides = places[:, 3:] * raw[..., 2:4].clamp(max=math.log(detection.LARGEST_FACTOR)).exp()
        return torch.cat([centres - 0.5 * sides, centres + 0.5 * sides], dim=-1)

    def _owned(self, boxes: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
        """Of boxes [M, 4] the position of their predictions int64 [M], and the numbers x, y, w, h to learn [M, 4].

        Args:
            boxes: in pixels.
            height: rows of cells of the coarse head.
            width: columns of cells of the coarse head.
        """
        centres, sides = detection.box_sides(boxes)
        flat = self.anchors.reshape(6, 2)
        common = torch.minimum(sides[:, None], flat).prod(dim=-1)
        shapes = common / (sides.prod(dim=-1)[:, None] + flat.prod(dim=-1) - common)
        best = shapes.argmax(dim=1)  # [M], of six
        fine = best >= 3
        stride = torch.where(fine, STRIDES[1], STRIDES[0])[:, None]
        rows, columns = torch.where(fine, 2 * height, height), torch.where(fine, 2 * width, width)
        cell = (centres / stride).floor()
        column, row = torch.minimum(cell[:, 0].long(), columns - 1), torch.minimum(cell[:, 1].long(), rows - 1)
        position = torch.where(fine, 3 * height * width, 0) + ((best % 3) * rows + row) * columns + column
        offsets = centres / stride - torch.stack([column, row], dim=1)
        return position, torch.cat([offsets, (sides / flat[best]).log()], dim=1)

    def _losses(self, raw: Tensor, places: Tensor, inputs: DetectionInputs) -> Tensor:
        boxes, labels = torch.cat(inputs.boxes), torch.cat(inputs.labels)
        owners = detection.owners_of(inputs.boxes, raw.device)
        height, width = (-(-side // STRIDES[0]) for side in inputs.images.shape[2:])
        position, wanted = self._owned(boxes, height, width)
        with torch.no_grad():
            near = detection.overlap(self._boxes(raw, places)[owners], boxes[:, None]) > IGNORED_OVERLAP  # [M, P]
            ignored = torch.zeros(raw.shape[:2], device=raw.device).index_add_(0, owners, near.float()) > 0
            objects = torch.zeros(raw.shape[:2], device=raw.device)
            objects[owners, position] = 1.0
            counted = ~ignored | (objects > 0)
        found = functional.binary_cross_entropy_with_logits(raw[..., 4], objects, reduction="none")
        mine = raw[owners, position]  # [M, 5 + C]
        given = torch.cat([mine[:, :2].sigmoid(), mine[:, 2:4]], dim=1)
        share = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1) / (self.size[0] * self.size[1])
        place = 0.5 * (2.0 - share) * ((given - wanted) ** 2).sum(dim=1)
        classes = functional.one_hot(labels, self.num_classes).float()
        named = functional.binary_cross_entropy_with_logits(mine[:, 5:], classes, reduction="none").sum(dim=1)
        return (found * counted).sum(dim=1) + detection.image_sums(place + named, owners, len(inputs.images))

    def _detections(self, raw: Tensor, places: Tensor) -> tuple[Detections, ...]:
        height, width = self.size
        edges = torch.tensor([width, height, width, height], device=raw.device)
        boxes = torch.minimum(self._boxes(raw, places).clamp(min=0), edges)
        scores = raw[..., 4:5].sigmoid() * raw[..., 5:].sigmoid()  # [B, P, C]
        found = []
        for box, score in zip(boxes, scores, strict=True):
            values, order = score.flatten().sort(descending=True, stable=True)
            chosen = order[:MOST_CANDIDATES][values[:MOST_CANDIDATES] > LEAST_SCORE]
            owner, label = chosen // self.num_classes, chosen % self.num_classes
            candidates = Detections(box[owner], score.flatten()[chosen], label)
            found.append(detection.best_of_each_class(candidates, MOST_OVERLAP, MOST_DETECTIONS))
        return tuple(found)


def _head(before: int, numbers: int) -> nn.Conv2d:
    """The last convolution of a head, which begins at FIRST_OBJECTNESS everywhere."""
    head = nn.Conv2d(before, numbers, 1)
    nn.init.normal_(head.weight, std=0.01)
    bias = torch.zeros(3, numbers // 3)
    bias[:, 4] = math.log(FIRST_OBJECTNESS / (1 - FIRST_OBJECTNESS))
    head.bias = nn.Parameter(bias.flatten())
    return head
