"""Form of the samples of a data set: their numbers, their axes, and how a network is to see them.

Every sample is an array of one shape. Its form says which axis holds the channels, and how the numbers are scaled.
Images lie as [height, width, channels], as decoders give them; all else as networks take it: windows [channels, time],
spectrograms [1, mel, time], vectors [features], token ids [length].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from edgesim.errors import DataError

Normalise = Literal["channel", "feature", "none"]
FormName = Literal["images", "arrays"]
"""images [H, W] or [H, W, C] of uint8; or arrays with their channels first, as windows [channels, time]"""
SampleArray = npt.NDArray[Any]
Float32Array = npt.NDArray[np.float32]

DTYPES = ("uint8", "int8", "int16", "int32", "float16", "float32")
"""of samples; int32 names tokens"""
CHUNK = 4096
CHANNELS = (1, 3, 4)
"""grey, RGB, RGB with a fourth channel: by these numbers channels are told from rows and columns"""
MAX_CHANNELS = 16
"""of an image"""
MAX_AXES = 4
"""of a sample"""
MAX_TOKENS = 1_000_000
"""different tokens"""


@dataclass(frozen=True)
class SampleForm:
    """Axes and scaling of one sample."""

    channel_axis: int | None
    """of a stored sample: -1 for images, 0 for windows, spectrograms and vectors; None for token ids"""
    normalise: Normalise = "channel"
    """numbers that share a mean and a deviation of the training split; "none" leaves the numbers as they are"""
    vocabulary: int = 0
    """different tokens: ids 0 to vocabulary - 1; 0 where samples are no tokens"""

    @property
    def tokens(self) -> bool:
        """True where a sample is a row of token ids."""
        return self.channel_axis is None

    @property
    def is_image(self) -> bool:
        """True where channels come last, as images lie in memory."""
        return self.channel_axis == -1

    def input_shape(self, stored: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of a sample as a network sees it: channels first."""
        if self.channel_axis != -1:
            return stored
        return (stored[-1], *stored[:-1])

    def describe(self, stored: tuple[int, ...]) -> str:
        """Kind and shape of the samples in words: `images of 28x28x1`."""
        sides = "x".join(map(str, stored))
        if self.tokens:
            return f"rows of {sides} tokens, {self.vocabulary:,} different"
        if self.is_image:
            return f"images of {sides}"
        kinds = {1: "vectors of {} numbers", 2: "windows of {} (channels x steps)"}
        return kinds.get(len(stored), "arrays of {} (channels first)").format(sides)


IMAGES = SampleForm(-1)


def form_of(samples: SampleArray, normalise: Normalise = "channel") -> SampleForm:
    """The form that an array of samples has where nothing says otherwise.

    Args:
        samples: [N, ...]. uint8 of three axes is images [H, W, C]; int32 of one axis is token ids; all else has its
            channels first.
        normalise: see `SampleForm`.
    """
    axes = samples.ndim - 1
    if samples.dtype == np.int32 and axes == 1:
        return SampleForm(None, "none", int(samples.max(initial=0)) + 1)
    return SampleForm(-1 if samples.dtype == np.uint8 and axes == 3 else 0, normalise)


def check_samples(samples: SampleArray, form: SampleForm, where: str) -> None:
    """Check type and shape of an array of samples; the numbers themselves are checked where they are read.

    Raises:
        DataError: another type of number, no axis or an empty one, too many channels of an image, or no sample.
    """
    if samples.dtype.name not in DTYPES:
        raise DataError(f"{where}: dtype {samples.dtype}; allowed: {', '.join(DTYPES)}{_cast(samples.dtype)}")
    if (samples.dtype == np.int32) != form.tokens:
        raise DataError(
            f"{where}: dtype {samples.dtype}, shape {list(samples.shape)}; int32 is for token ids [N, length] and "
            f"nothing else is: save measured numbers as int16 or float32"
        )
    shape = list(samples.shape)
    if form.is_image and (samples.ndim != 4 or 0 in samples.shape[1:] or samples.shape[-1] > MAX_CHANNELS):
        raise DataError(
            f"{where}: shape {shape}; allowed: [N, H, W] or [N, H, W, C] with at most {MAX_CHANNELS} channels "
            f"(channels last)"
        )
    if not 1 <= samples.ndim - 1 <= MAX_AXES or 0 in samples.shape[1:]:
        raise DataError(
            f"{where}: shape {shape}; allowed: [N, features], [N, channels, time], [N, channels, height, width], or "
            f"token ids [N, length], no axis empty"
        )
    if len(samples) == 0:
        raise DataError(f"{where}: holds no samples; at least one is needed in each split")


def _cast(dtype: np.dtype[Any]) -> str:
    casts = {"float64": "float32", "int64": "float32), of token ids astype(int32", "bool": "uint8", "uint16": "float32"}
    return f"; use astype({casts[dtype.name]})" if dtype.name in casts else ""


def moments(samples: SampleArray, form: SampleForm) -> tuple[Float32Array, Float32Array]:
    """Mean and standard deviation that samples are normalised by, over all samples.

    Args:
        samples: [N, ...].
        form: of them.

    Returns: two float32 arrays. [C] per channel, or the shape of a sample as a network sees it per feature; uint8 in
        units of value / 255, all else as it stands. A deviation of nothing is given as 1, to divide by safely. Without
        normalisation the mean is 0 and the deviation 1.
    """
    channels = 1 if form.tokens else form.input_shape(samples.shape[1:])[0]
    if form.normalise == "none" or form.tokens:
        return np.zeros(channels, np.float32), np.ones(channels, np.float32)
    if form.normalise == "channel" and samples.dtype == np.uint8:
        mean, deviation = _byte_moments(samples, form)
    else:
        mean, deviation = _two_passes(samples, form)
        if samples.dtype == np.uint8:
            mean, deviation = mean / 255, deviation / 255
    least = 1e-6 if samples.dtype == np.uint8 else 1e-6 * np.abs(mean)  # rounding of a channel that never changes
    return mean.astype(np.float32), np.where(deviation > least, deviation, 1.0).astype(np.float32)


def _byte_moments(samples: SampleArray, form: SampleForm) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Per channel, from exact counts of the 256 values, so that chunking does not touch the result."""
    axis = form.channel_axis
    assert axis is not None, "tokens have no moments"
    channels = samples.shape[1:][axis]
    counts = np.zeros((channels, 256), np.int64)
    for start in range(0, len(samples), CHUNK):
        chunk = np.moveaxis(samples[start : start + CHUNK], -1 if axis == -1 else 1 + axis, 0)
        for c in range(channels):
            counts[c] += np.bincount(chunk[c].ravel(), minlength=256)
    values = np.arange(256) / 255
    share = counts / counts.sum(axis=1, keepdims=True)
    mean = share @ values
    return mean, np.sqrt((share * (values - mean[:, None]) ** 2).sum(axis=1))


def _two_passes(samples: SampleArray, form: SampleForm) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Per channel or feature, in float64: the mean, then the mean squared distance from it."""
    shape = form.input_shape(samples.shape[1:])
    kept = shape if form.normalise == "feature" else shape[:1]
    over = (0,) if form.normalise == "feature" else (0, *range(2, len(shape) + 1))
    count = len(samples) * int(np.prod(shape)) // int(np.prod(kept))

    def total(of: Any) -> npt.NDArray[Any]:
        found = np.zeros(kept)
        for start in range(0, len(samples), CHUNK):
            chunk = samples[start : start + CHUNK].astype(np.float64)
            found += of(np.moveaxis(chunk, -1, 1) if form.is_image else chunk)
        return found

    mean = total(lambda chunk: chunk.sum(axis=over)) / count
    beside = mean.reshape(kept + (1,) * (len(shape) - len(kept)))
    return mean, np.sqrt(total(lambda chunk: ((chunk - beside) ** 2).sum(axis=over)) / count)
