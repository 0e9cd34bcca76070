"""torchvision's Faster R-CNN with a feature pyramid, random weights, and a loss per image.

Source: Ren et al., "Faster R-CNN", arXiv:1506.01497; Lin et al., "Feature Pyramid Networks", arXiv:1612.03144. The loss
of an image is the sum of torchvision's four: objectness and box of the region proposals, class and box of the regions.
torchvision takes their means over the regions of a whole batch. Here each image has a loss of its own. The backbone and
the layers that see the regions run on the batch, the proposals and the losses image by image.

Images keep their size: torchvision's own transformation would enlarge 300 pixels to 320 or 800. Its anchors are made
for these sizes, so they are given here as shares of the image's side.

The heads draw 256 anchors and `regions` regions at random, in training from torch's global generator. In evaluation
mode a stream of their own draws the same ones every time: the loss of an image repeats, and evaluating changes no
training.

On CPUs a training repeats bit for bit. On CUDA it does not: torchvision's backward pass of `roi_align` adds gradients
in no fixed order.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from edgesim import seeds
from edgesim.models.detection import DetectionInputs, DetectionOutputs, Detections

if TYPE_CHECKING:
    from torchvision.models.detection.image_list import ImageList

BACKBONES = {
    "mobilenet-v3-320-fpn": ("fasterrcnn_mobilenet_v3_large_320_fpn", (0.05, 0.1, 0.2, 0.4, 0.8)),
    "resnet50-fpn": ("fasterrcnn_resnet50_fpn", (0.04, 0.08, 0.16, 0.32, 0.64)),
}
"""backbone -> torchvision's builder, and its anchors as shares of the image's side. Those of resnet50-fpn are
torchvision's 32 to 512 at 800 pixels, one for each level. Those of mobilenet-v3-320-fpn, all at every level, are half
of torchvision's 32 to 512 at 320 pixels, of which the largest is larger than the image"""
RATIOS = (0.5, 1.0, 2.0)
"""height over width of the anchors"""


class FasterRcnnModule(nn.Module):
    """The network with its loss.

    Args:
        backbone: one of BACKBONES.
        input_shape: (channels, height, width) of an image.
        num_classes: classes of boxes, background not counted.
        regions: of an image that the second stage learns from.
    """

    def __init__(self, backbone: str, input_shape: tuple[int, ...], num_classes: int, regions: int = 512):
        super().__init__()
        import torchvision.models.detection as builders  # takes seconds, which classifications should not pay
        from torchvision.models.detection.anchor_utils import AnchorGenerator

        builder, shares = BACKBONES[backbone]
        whole = getattr(builders, builder)(
            weights=None, weights_backbone=None, num_classes=num_classes + 1, box_batch_size_per_image=regions
        )
        self.backbone, self.rpn, self.roi_heads = whole.backbone, whole.rpn, whole.roi_heads
        channels, height, width = input_shape
        side = math.sqrt(height * width)
        sizes = tuple(max(1, round(share * side)) for share in shares)
        levels = tuple((one,) for one in sizes) if backbone == "resnet50-fpn" else (sizes,) * 3
        self.rpn.anchor_generator = AnchorGenerator(levels, (RATIOS,) * len(levels))
        if channels != 3:
            name, old = next((n, one) for n, one in self.backbone.body.named_modules() if isinstance(one, nn.Conv2d))
            new = nn.Conv2d(channels, old.out_channels, old.kernel_size, old.stride, old.padding, bias=False)  # type: ignore[arg-type]
            nn.init.kaiming_normal_(new.weight, mode="fan_out", nonlinearity="relu")
            self.backbone.body.set_submodule(name, new)

    def forward(self, inputs: DetectionInputs) -> DetectionOutputs:
        """Losses [B], and in evaluation mode the boxes found."""
        features = {name: level.float() for name, level in self.backbone(inputs.images).items()}
        # Regions are drawn and compared in float32, whatever the backbone computes in.
        with torch.autocast(inputs.images.device.type, enabled=False):
            images = _apart(inputs.images.float(), features)
            targets = [
                {"boxes": boxes, "labels": labels + 1}  # 0 is the background
                for boxes, labels in zip(inputs.boxes, inputs.labels, strict=True)
            ]
            drawn = [self._draw(one, target) for one, target in zip(images, targets, strict=True)]
            losses = torch.stack([one.loss for one in drawn]) + self._second_losses(features, images, drawn)
            if self.training or not inputs.find:
                return DetectionOutputs(losses)
            return DetectionOutputs(losses, tuple(self._detections(one) for one in images))

    def _draw(self, one: _Image, target: dict[str, Tensor]) -> _Drawn:
        """The first stage of an image; all random draws are made here, so that those of an image follow each other."""
        if self.training:
            return self._draw_now(one, target)
        with seeds.torch_global(0, "faster-rcnn:evaluation"), _computing_losses(self.rpn):
            return self._draw_now(one, target)

    def _draw_now(self, one: _Image, target: dict[str, Tensor]) -> _Drawn:
        proposals, losses = self.rpn(one.listed, one.features, [target])
        (regions,), _, (labels,), (corrections,) = self.roi_heads.select_training_samples(proposals, [target])
        return _Drawn(torch.stack([*losses.values()]).sum(), regions, labels, corrections)

    def _second_losses(self, features: dict[str, Tensor], images: list[_Image], drawn: list[_Drawn]) -> Tensor:
        """Losses [B] of the regions of each image.

        The layers see the regions of all images at once: they have by far the most weights, whose gradients would
        otherwise be computed and added once per image.
        """
        from torchvision.models.detection.roi_heads import fastrcnn_loss

        heads = self.roi_heads
        sizes = [one.listed.image_sizes[0] for one in images]
        pooled = heads.box_roi_pool(features, [one.regions for one in drawn], sizes)
        counts = [len(one.regions) for one in drawn]
        logits, boxes = (part.split(counts) for part in heads.box_predictor(heads.box_head(pooled)))
        losses = [
            torch.stack(fastrcnn_loss(logits[i], boxes[i], [one.labels], [one.corrections])).sum()
            for i, one in enumerate(drawn)
        ]
        return torch.stack(losses)

    def _detections(self, one: _Image) -> Detections:
        proposals, _ = self.rpn(one.listed, one.features)
        (found,), _ = self.roi_heads(one.features, proposals, one.listed.image_sizes)
        return Detections(found["boxes"], found["scores"], found["labels"] - 1)


class _Image(NamedTuple):
    """One image with its features, as torchvision's heads take it."""

    listed: ImageList
    features: dict[str, Tensor]
    """each [1, C, h, w]"""


class _Drawn(NamedTuple):
    """The first stage of an image."""

    loss: Tensor
    """float32 []"""
    regions: Tensor
    """float32 [r, 4], drawn for the second stage"""
    labels: Tensor
    """int64 [r], 0 for background"""
    corrections: Tensor
    """float32 [r, 4] of the regions towards their boxes, as the predictor gives them"""


def _apart(images: Tensor, features: dict[str, Tensor]) -> list[_Image]:
    """Images [B, C, H, W] and their features, each [B, C', h, w], one by one."""
    from torchvision.models.detection.image_list import ImageList

    # `split` puts the gradients of all images together once; a slice would add one of the batch's size for each.
    levels = zip(*(level.split(1) for level in features.values()), strict=True)
    return [
        _Image(ImageList(image, [(image.shape[2], image.shape[3])]), dict(zip(features, level, strict=True)))
        for image, level in zip(images.split(1), levels, strict=True)
    ]


@contextmanager
def _computing_losses(*heads: Any) -> Iterator[None]:
    """The heads with their losses, as in training; their layers, which have no mode of their own, stay as they are."""
    for head in heads:
        head.training = True
    try:
        yield
    finally:
        for head in heads:
            head.training = False
