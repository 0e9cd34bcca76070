"""Augmentation of windows, spectrograms and vectors in whole batches: noise, scaling, shifts in time, masks.

As in `augment`, a call takes a normalised float batch [B, channels, ...] and a generator, and gives a new batch. Time
is the last axis; the bands of a spectrogram are the last but one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from edgesim.config.checked_dataclass import checked_dataclass

if TYPE_CHECKING:
    import torch

Spread = Annotated[float, Field(ge=0, le=10)]
Length = Annotated[int, Field(ge=1, le=1_000_000)]


@checked_dataclass()
class Jitter:
    """Normal noise on every number (Um et al. 2017, arXiv 1706.00527, sec. III)."""

    axes: ClassVar[tuple[int, ...]] = (1, 2, 3)

    sigma: Spread = 0.05
    """deviation of the noise, in deviations of the training split where it is normalised"""

    def __call__(self, batch: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Add noise (arguments as in `augment.Augmentation`)."""
        import torch

        noise = torch.randn(batch.shape, generator=generator, device=generator.device, dtype=batch.dtype)
        return _like(batch + self.sigma * noise.to(batch.device), batch)


@checked_dataclass()
class Scaling:
    """One factor for each channel of a sample, normal around 1 (Um et al. 2017, arXiv 1706.00527, sec. III)."""

    axes: ClassVar[tuple[int, ...]] = (2, 3)

    sigma: Spread = 0.1
    """deviation of the factor"""

    def __call__(self, batch: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Scale (arguments as in `augment.Augmentation`)."""
        import torch

        drawn = torch.randn(batch.shape[:2], generator=generator, device=generator.device, dtype=batch.dtype)
        factors = (1 + self.sigma * drawn).to(batch.device)
        return _like(batch * factors.view(*factors.shape, *(1,) * (batch.ndim - 2)), batch)


@checked_dataclass()
class TimeShift:
    """Every sample moved along its time by its own number of steps; zeros, the training mean, take the place."""

    axes: ClassVar[tuple[int, ...]] = (2, 3)

    steps: Length = 8
    """largest shift each way; at most the length of a sample counts"""

    def draw(self, count: int, length: int, generator: torch.Generator) -> torch.Tensor:
        """Shift of each sample, int [B]: positive = later."""
        import torch

        most = min(self.steps, length)
        return torch.randint(-most, most + 1, (count,), generator=generator, device=generator.device)

    def __call__(self, batch: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Shift (arguments as in `augment.Augmentation`)."""
        import torch

        length = batch.shape[-1]
        shifts = self.draw(len(batch), length, generator).to(batch.device)
        source = torch.arange(length, device=batch.device) - shifts[:, None]  # [B, length]
        outside = _beside((source < 0) | (source >= length), batch)
        places = _beside(source.clamp(0, length - 1), batch)
        return _like(batch.gather(-1, places.expand_as(batch)).masked_fill_(outside, 0.0), batch)


@checked_dataclass()
class TimeMask:
    """One stretch of time of every sample set to zero, the training mean (SpecAugment, Park et al. 2019, sec. 2)."""

    axes: ClassVar[tuple[int, ...]] = (2, 3)

    steps: Length = 8
    """longest stretch; its length is uniform from 0 on"""

    def __call__(self, batch: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Mask (arguments as in `augment.Augmentation`)."""
        hidden = _stretches(len(batch), batch.shape[-1], self.steps, generator)
        return batch.clone().masked_fill_(_beside(hidden.to(batch.device), batch), 0.0)


@checked_dataclass()
class BandMask:
    """Some neighbouring bands of every spectrogram set to zero, the training mean (SpecAugment, Park et al. 2019)."""

    axes: ClassVar[tuple[int, ...]] = (3,)

    bands: Length = 4
    """most bands; their number is uniform from 0 on"""

    def __call__(self, batch: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Mask (arguments as in `augment.Augmentation`)."""
        hidden = _stretches(len(batch), batch.shape[-2], self.bands, generator).to(batch.device)
        return batch.clone().masked_fill_(hidden[:, None, :, None], 0.0)


def _like(result: torch.Tensor, batch: torch.Tensor) -> torch.Tensor:
    """The result in the memory order of the batch."""
    import torch

    return result if result.stride() == batch.stride() else torch.empty_like(batch).copy_(result)


def _stretches(count: int, length: int, longest: int, generator: torch.Generator) -> torch.Tensor:
    """One stretch in each of `count` rows, bool [count, length]: its length, then its place, are uniform."""
    import torch

    device = generator.device
    sizes = torch.randint(min(longest, length) + 1, (count,), generator=generator, device=device)
    begin = (torch.rand(count, generator=generator, device=device) * (length - sizes + 1)).long()
    places = torch.arange(length, device=device)
    return (places >= begin[:, None]) & (places < (begin + sizes)[:, None])


def _beside(rows: torch.Tensor, batch: torch.Tensor) -> torch.Tensor:
    """[B, length] as [B, 1, ..., length], to stand beside a batch."""
    return rows.view(len(rows), *(1,) * (batch.ndim - 2), rows.shape[1])
