"""Samples of a shard on the torch device that computes, made into network inputs batch by batch."""

from __future__ import annotations

import numpy as np
import torch

from edgesim.data.sample_form import IMAGES, Float32Array, SampleArray, SampleForm
from edgesim.training.task import Positions


class ArrayInputs:
    """Samples as they are stored, normalised when they are asked for.

    uint8 images stay uint8: that is as fast as keeping floats, in a quarter of the memory. Their batches are
    channels-last, since channels-first max-pooling is far slower on CPUs.
    """

    def __init__(
        self,
        samples: SampleArray,
        normalisation: tuple[Float32Array, Float32Array],
        device: str,
        form: SampleForm = IMAGES,
    ):
        """Take the samples.

        Args:
            samples: [n, ...], in their stored order of axes.
            normalisation: mean and deviation of the training split (`Dataset.normalisation`).
            device: torch device.
            form: axes and scaling of a sample.
        """
        self.form = form
        kind = np.int64 if form.tokens else samples.dtype
        self._samples = torch.from_numpy(np.array(samples, dtype=kind, order="C")).to(device)
        shape = form.input_shape(samples.shape[1:])
        mean, std = (torch.as_tensor(np.asarray(part, dtype=np.float32), device=device) for part in normalisation)
        beside = (1, *mean.shape, *(1,) * (len(shape) - mean.ndim))
        unit = 255.0 if samples.dtype == np.uint8 else 1.0
        self._scale = (1.0 / (unit * std)).view(beside)
        self._shift = (-mean / std).view(beside)

    def __len__(self) -> int:
        return len(self._samples)

    def __call__(self, positions: Positions) -> torch.Tensor:
        """Float32 [B, channels, ...] of the samples at `positions`, or int64 [B, length] of tokens."""
        chosen = self._samples[positions]
        if self.form.tokens:
            return chosen
        if self.form.is_image:
            chosen = chosen.movedim(-1, 1)  # [B, C, H, W], strides of NHWC
        return chosen.to(torch.float32, copy=True).mul_(self._scale).add_(self._shift)
