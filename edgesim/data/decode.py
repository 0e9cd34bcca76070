"""Decodes image files with Pillow into uint8 arrays of one shape."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgesim.data.images import ByteArray
from edgesim.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

CHUNK_BYTES = 16 * 2**20
GREY = ("1", "L", "LA")
DEEP = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")

Item = tuple[str, bytes | Path]
"""An encoded image and what to call it in messages: (file or file and row, content or path)"""


def has_colour(items: Iterable[Item]) -> bool:
    """Whether any of the images is in colour. Reads headers only, and only up to the first that is."""
    for where, content in items:
        with _opened(where, content) as image:
            if image.mode not in GREY:
                return True
    return False


class Decoder:
    """Decodes the images of one data set, all splits, to one shape.

    Args:
        colour: True gives [H, W, 3] (grey images are converted), False gives [H, W, 1].
        size: (H, W) to resize to (bilinear), or None: all must have the size of the first.
    """

    def __init__(self, colour: bool, size: tuple[int, int] | None = None):
        self._mode = "RGB" if colour else "L"
        self._resize = size
        self._first: tuple[str, tuple[int, int]] | None = None

    def chunks(self, items: Iterable[Item]) -> Iterator[ByteArray]:
        """The images in order, as uint8 arrays [b, H, W, C] of a few MB."""
        chunk: list[ByteArray] = []
        for where, content in items:
            chunk.append(self.decode(where, content))
            if len(chunk) * chunk[0].size >= CHUNK_BYTES:
                yield np.stack(chunk)
                chunk = []
        if chunk:
            yield np.stack(chunk)

    def decode(self, where: str, content: bytes | Path) -> ByteArray:
        """One image as uint8 [H, W, C]. DataError: it is corrupt, of another size, or has more than 8 bits."""
        from PIL.Image import Resampling

        with _opened(where, content) as image:
            if image.mode in DEEP:
                raise DataError(
                    f"{where}: has more than 8 bits per channel (mode {image.mode}); convert it to 8 bits first"
                )
            if self._resize is not None:
                height, width = self._resize
                fitted = image.convert(self._mode).resize((width, height), Resampling.BILINEAR)
            else:
                self._check_size(where, (image.height, image.width))
                fitted = image.convert(self._mode)
            array = np.asarray(fitted, dtype=np.uint8)
        return array if array.ndim == 3 else array[:, :, None]

    def _check_size(self, where: str, size: tuple[int, int]) -> None:
        if self._first is None:
            self._first = where, size
        first, expected = self._first
        if size != expected:
            raise DataError(
                f"{where}: is {size[0]}x{size[1]} (HxW), but {first} is {expected[0]}x{expected[1]}; give "
                f"dataset.size: [{expected[0]}, {expected[1]}] to resize all images, where the data set has that key"
            )


@contextmanager
def _opened(where: str, content: bytes | Path) -> Iterator[Image]:
    """Open an image and decode inside the block; whatever Pillow raises becomes a DataError that names it."""
    from PIL.Image import DecompressionBombError, UnidentifiedImageError
    from PIL.Image import open as open_image

    try:
        with open_image(io.BytesIO(content) if isinstance(content, bytes) else content) as image:
            yield image
    except UnidentifiedImageError:
        raise DataError(f"{where}: is no image that Pillow can read; replace or remove it") from None
    except FileNotFoundError:
        raise DataError(f"{where}: there is no such file; complete the data set") from None
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, DecompressionBombError) as error:
        raise DataError(f"{where}: is corrupt ({error}); replace or remove it") from None
