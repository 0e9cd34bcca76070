"""Models that find boxes in images: dataclasses whose fields are the hyper-parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from edgesim.config.checked_dataclass import checked_dataclass
from edgesim.config.plausible import Bounded, PlausibleRange
from edgesim.errors import EdgesimError
from edgesim.models.model_fields import IMAGES, Shape, check_kind, check_size

if TYPE_CHECKING:
    from torch import nn

LEAST_SIDE = 32
"""pixels; the coarsest features have 1/32 of an image's height and width"""


@checked_dataclass()
class YoloV3Tiny(Bounded):
    """YOLOv3-tiny: 13 convolutions, two heads with three anchors each; images with boxes, 32x32 or more.

    Source: Redmon and Farhadi, arXiv:1804.02767, and its tiny configuration.
    """

    width_mult: Annotated[float, Field(gt=0, allow_inf_nan=False), PlausibleRange(0.01, 4.0)] = 1.0
    """factor on the channels of every layer but the heads"""

    def build(self, input_shape: Shape, num_classes: int) -> nn.Module:
        """See Model.build; the module takes `detection.DetectionInputs` and gives `detection.DetectionOutputs`."""
        from edgesim.models import yolo

        _check_images("yolov3-tiny", input_shape)
        check_size(int(8_700_000 * self.width_mult**2), self.unsafe)
        return yolo.YoloV3TinyModule(input_shape, num_classes, self.width_mult)


@checked_dataclass()
class FasterRcnn:
    """torchvision's Faster R-CNN with a feature pyramid, random weights; images with boxes, 32x32 or more.

    Source: Ren et al., arXiv:1506.01497. Images keep their size, and anchors are fitted to it.
    """

    backbone: Literal["mobilenet-v3-320-fpn", "resnet50-fpn"] = "mobilenet-v3-320-fpn"
    """network that makes the features: MobileNetV3-Large or ResNet-50"""
    regions: Annotated[int, Field(ge=4, le=4096)] = 512
    """regions of an image that the second stage learns from, drawn at random; most of a step's work grows with them"""

    def build(self, input_shape: Shape, num_classes: int) -> nn.Module:
        """See Model.build; the module takes `detection.DetectionInputs` and gives `detection.DetectionOutputs`."""
        from edgesim.models import faster_rcnn

        _check_images("fasterrcnn", input_shape)
        return faster_rcnn.FasterRcnnModule(self.backbone, input_shape, num_classes, self.regions)


DETECTORS: dict[str, type] = {"yolov3-tiny": YoloV3Tiny, "fasterrcnn": FasterRcnn}


def _check_images(model: str, input_shape: Shape) -> None:
    check_kind(model, (IMAGES,), input_shape)
    if min(input_shape[1:]) < LEAST_SIDE:
        found = f"{input_shape[1]}x{input_shape[2]}"
        raise EdgesimError(
            f"{model} needs images of at least {LEAST_SIDE}x{LEAST_SIDE} pixels, not {found}; raise dataset.size"
        )
