"""Augmentation of images with boxes: the boxes move along."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from edgesim.config.checked_dataclass import checked_dataclass

if TYPE_CHECKING:
    import torch


@checked_dataclass()
class FlipBoxes:
    """Random horizontal flip of an image with its boxes."""

    moves_boxes: ClassVar[bool] = True

    flip: Annotated[float, Field(ge=0, le=1)] = 0.5
    """probability of a flip"""

    def draw(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """The images to flip, bool [B]."""
        import torch

        return torch.rand(count, generator=generator, device=generator.device) < self.flip

    def __call__(self, batch: Any, generator: torch.Generator) -> Any:
        """Flip some images of a batch (`models.detection.DetectionInputs`), which is not changed."""
        import torch

        images, boxes = batch.images, []
        flipped = self.draw(len(images), generator).to(images.device)
        for one, flip in zip(batch.boxes, flipped.tolist(), strict=True):
            x0, y0, x1, y1 = one.unbind(dim=1)
            width = images.shape[3]
            boxes.append(torch.stack([width - x1, y0, width - x0, y1], dim=1) if flip else one)
        turned = torch.where(flipped[:, None, None, None], images.flip(3), images)
        return batch._replace(images=torch.empty_like(images).copy_(turned), boxes=tuple(boxes))
