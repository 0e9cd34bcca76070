"""Augmentation of whole batches: index operations on tensors, no loop over samples, no worker processes.

Every augmentation is a frozen dataclass; those of images are here, those of signals in `augment_signals`. A call takes
a normalised float batch [B, C, ...] and a generator, and returns a new batch of the same shape, type, device and
strides. Names and arguments can be listed and checked without torch, which the first call imports.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Protocol

from pydantic import Field

from edgesim.config.checked_dataclass import checked_dataclass
from edgesim.data.augment_signals import BandMask, Jitter, Scaling, TimeMask, TimeShift
from edgesim.errors import DataError
from edgesim.tasks import NetworkForm

if TYPE_CHECKING:
    import torch


class Augmentation(Protocol):
    """Interface of an augmentation, in the table or a user's own."""

    def __call__(self, batch: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Augment one batch.

        Args:
            batch: float [B, C, ...], normalised (0 = the mean of the training split). It is not changed.
            generator: where all random numbers come from.

        Returns: a new tensor, like `batch`.
        """


@checked_dataclass()
class CropFlip:
    """Random crop out of the zero-padded image, and a random horizontal flip (He et al. 2016, sec. 4.2)."""

    axes: ClassVar[tuple[int, ...]] = (3,)

    padding: Annotated[int, Field(ge=0, le=64)] = 4
    """pixels of zeros (the training mean) on every side; the image moves by up to this much each way"""
    flip: Annotated[float, Field(ge=0, le=1)] = 0.5
    """probability of a horizontal flip"""

    def draw(self, count: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Corner of each crop in the padded image (row and column, int [B]), and the images to flip (bool [B])."""
        import torch

        device, high = generator.device, 2 * self.padding + 1
        rows = torch.randint(high, (count,), generator=generator, device=device)
        columns = torch.randint(high, (count,), generator=generator, device=device)
        flipped = torch.rand(count, generator=generator, device=device) < self.flip
        return rows, columns, flipped

    def __call__(self, batch: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Crop and flip (arguments as in `Augmentation`)."""
        import torch
        from torch.nn.functional import pad

        count, channels, height, width = batch.shape
        rows, columns, flipped = (drawn.to(batch.device) for drawn in self.draw(count, generator))
        p = self.padding
        padded = pad(batch.permute(0, 2, 3, 1), (0, 0, p, p, p, p))  # [B, H+2p, W+2p, C]
        across = torch.arange(width, device=batch.device)
        across = torch.where(flipped[:, None], width - 1 - across, across) + columns[:, None]  # [B, W]
        down = torch.arange(height, device=batch.device) + rows[:, None]  # [B, H]
        down = down + torch.arange(count, device=batch.device)[:, None] * (height + 2 * p)
        pixels = down[:, :, None] * (width + 2 * p) + across[:, None, :]  # [B, H, W]: rows of the flat image list
        flat = padded.reshape(-1, channels).index_select(0, pixels.reshape(-1))
        result = flat.view(count, height, width, channels).permute(0, 3, 1, 2)
        return result if result.stride() == batch.stride() else torch.empty_like(batch).copy_(result)


@checked_dataclass()
class Cutout:
    """One square of zeros per image, clipped at the borders (DeVries and Taylor 2017, arXiv 1708.04552)."""

    axes: ClassVar[tuple[int, ...]] = (3,)

    size: Annotated[int, Field(ge=1, le=512)] = 8
    """side of the square in pixels"""

    def draw(
        self, count: int, height: int, width: int, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The centre pixel of each image's square: row and column, int [B]."""
        import torch

        rows = torch.randint(height, (count,), generator=generator, device=generator.device)
        columns = torch.randint(width, (count,), generator=generator, device=generator.device)
        return rows, columns

    def __call__(self, batch: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Cut out (arguments as in `Augmentation`)."""
        import torch

        count, _, height, width = batch.shape
        rows, columns = (d.to(batch.device) for d in self.draw(count, height, width, generator))
        top, left = (rows - self.size // 2)[:, None], (columns - self.size // 2)[:, None]
        down, across = torch.arange(height, device=batch.device), torch.arange(width, device=batch.device)
        in_rows = (down >= top) & (down < top + self.size)  # [B, H]
        in_columns = (across >= left) & (across < left + self.size)  # [B, W]
        square = in_rows[:, None, :, None] & in_columns[:, None, None, :]  # [B, 1, H, W]
        return batch.clone().masked_fill_(square, 0.0)  # not masked_fill: it forgets channels-last


AUGMENTATIONS: dict[str, type] = {
    "crop-flip": CropFlip,
    "cutout": Cutout,
    "jitter": Jitter,
    "scaling": Scaling,
    "time-shift": TimeShift,
    "time-mask": TimeMask,
    "band-mask": BandMask,
}
SAMPLES = {1: "vectors", 2: "windows [channels, time]", 3: "images and spectrograms [channels, height, width]"}
"""axes of a sample -> samples that have so many"""


def check_fit(name: str, augmentation: Any, form: NetworkForm) -> None:
    """Check that an augmentation of the table takes samples of a form; a user's own may take any.

    Raises:
        DataError: it takes others.
    """
    axes = getattr(augmentation, "axes", None)
    if axes is None or (len(form.input_shape) in axes and not form.tokens and form.task != "detection"):
        return
    count = len(form.input_shape)
    fitting = [other for other, kind in AUGMENTATIONS.items() if count in getattr(kind, "axes", ())]
    has = "token ids" if form.tokens else f"samples of {form}"
    if form.task == "detection":
        has, fitting = "images with boxes, which would not move along", []
    fix = f"use {', '.join(fitting)}" if fitting and not form.tokens else "leave it out"
    raise DataError(f"{name} changes {' or '.join(SAMPLES[count] for count in axes)}; the data are {has}; {fix}")
