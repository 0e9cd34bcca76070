"""Samples of any kind as images that a person can look at: windows as lines, spectrograms in grey, vectors as bars."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgesim.data.sample_form import SampleArray, SampleForm
from edgesim.work import ByteArray

SIDE = 32
"""pixels of a drawing"""
MOST_LINES = 8
"""channels of a window that are drawn"""


def as_images(samples: SampleArray, form: SampleForm) -> ByteArray:
    """Samples as uint8 images [k, H, W, C].

    Images stay as they are. Arrays [channels, height, width] show the mean of their channels, windows a line for each
    of the first channels, vectors a bar for each number, each sample from its least to its largest value. Token ids
    have no picture: height 0.

    Args:
        samples: [k, ...].
        form: of them.
    """
    if form.is_image and samples.dtype == np.uint8:
        return samples
    if form.tokens or not len(samples):
        return np.zeros((len(samples), 0, 0, 1), np.uint8)
    values = samples.astype(np.float64)
    if form.is_image:
        values = np.moveaxis(values, -1, 1)
    if values.ndim == 2:
        return _bars(values)
    if values.ndim == 3:
        return np.stack([_lines(window[:MOST_LINES]) for window in values])
    return _grey(values.mean(axis=1).reshape(len(values), values.shape[2], -1))


def _scaled(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Each sample [k, ...] from 0, its least value, to 1, its largest; 0.5 where all are equal."""
    flat = values.reshape(len(values), -1)
    low, high = flat.min(axis=1, keepdims=True), flat.max(axis=1, keepdims=True)
    spread = np.where(high > low, high - low, 1.0)
    return np.where(high > low, (flat - low) / spread, 0.5).reshape(values.shape)


def _grey(values: npt.NDArray[np.float64]) -> ByteArray:
    """Planes [k, H, W]; the first row, of a spectrogram its lowest band, at the bottom."""
    return np.rint(_scaled(values)[:, ::-1] * 255).astype(np.uint8)[..., None]


def _lines(window: npt.NDArray[np.float64]) -> ByteArray:
    """One window [channels, time], a line of its own shade of grey for each channel, on white."""
    drawn = np.full((SIDE, SIDE), 255, np.uint8)
    levels = np.rint((1 - _scaled(window[None])[0]) * (SIDE - 1)).astype(np.int64)
    places = np.rint(np.linspace(0, SIDE - 1, window.shape[1])).astype(np.int64)
    for channel, rows in enumerate(levels):
        shade = np.uint8(round(160 * channel / max(1, len(levels) - 1)))
        for column in range(SIDE):
            here = rows[places == column]
            if not len(here):  # between two steps: the line goes on from the last
                here = rows[places <= column][-1:]
            drawn[here.min() : here.max() + 1, column] = shade
    return drawn[..., None]


def _bars(values: npt.NDArray[np.float64]) -> ByteArray:
    """Vectors [k, features] as bars that rise from the bottom."""
    columns = np.linspace(0, values.shape[1] - 1, SIDE).round().astype(np.int64)
    heights = np.rint(_scaled(values)[:, columns] * SIDE)  # [k, SIDE]
    rows = np.arange(SIDE, 0, -1)[:, None]
    return np.where(rows <= heights[:, None, :], 96, 255).astype(np.uint8)[..., None]
