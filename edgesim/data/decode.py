"""Decodes image files with Pillow into uint8 arrays of one shape, and counts what that changes in them."""

from __future__ import annotations

import io
import os
import struct
import warnings
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgesim.data.file_bounds import MAX_IMAGE_PIXELS
from edgesim.data.reading_notes import Note
from edgesim.errors import DataError
from edgesim.formatting import n_of
from edgesim.work import ByteArray

if TYPE_CHECKING:
    from PIL.Image import Image

CHUNK_BYTES = 16 * 2**20
FORMATS = (
    "AVIF", "BMP", "DIB", "GIF", "JPEG", "JPEG2000", "MPO", "PNG", "PPM", "QOI", "TGA", "TIFF", "WEBP",
)  # fmt: skip
"""formats of still images, by content. Pillow starts another program for some of the others: Ghostscript for EPS"""
GREY = ("1", "L", "LA", "La")
DEEP = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")
USUAL = (*GREY, "RGB", "RGBA", "RGBa", "RGBX", "P", "PA")
ORIENTATION = 0x0112
"""EXIF tag; 1 = upright, 2 to 8 = turned or mirrored"""
UNREADABLE = -1
"""the orientation of an image whose EXIF data are damaged"""
TURNS = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}
"""orientation -> PIL.Image.Transpose: mirrored, half a turn, upside down, transposed, right, transverse, left"""

CHANGES = {
    "frames": ("image has", "images have", "several frames or pages, of which the first is read"),
    "alpha": ("image has", "images have", "an alpha channel, which is left out"),
    "turned": ("image is", "images are", "turned upright, as the EXIF orientation says"),
    "warned": ("image has", "images have", "parts that Pillow warns of; the rest is read"),
    "exif": ("image has", "images have", "EXIF data that cannot be read, so that it stays as it is stored"),
    "grey": ("image is", "images are", "grey and given three equal channels, since others are in colour"),
    "space": ("image is", "images are", "in another colour space (CMYK for example), converted without its profile"),
    "resized": ("image is", "images are", "resized"),
    "stretched": ("image is", "images are", "resized to another ratio of height to width"),
}
"""changes that decoding can make to an image, with the words of their notes"""
LEFT_OUT = ("frames", "alpha")

Item = tuple[str, bytes | Path]
"""An encoded image and what to call it in messages: (file or file and row, content or path)"""


def has_colour(items: Iterable[Item]) -> bool:
    """True where any of the images is in colour. Reads headers only, up to the first such image."""
    for where, content in items:
        with _warnings(), _opened(where, content) as image:  # `Decoder` counts them
            if image.mode not in GREY and image.mode not in DEEP:
                return True
    return False


class Decoder:
    """Decodes the images of one data set, all splits, to one shape.

    Args:
        colour: True gives [H, W, 3] (grey images are converted), False gives [H, W, 1].
        folder: of the data set; the first image of each note is named relative to it.
        size: (H, W) to resize to (bilinear), or None: all must have the size of the first.
    """

    def __init__(self, colour: bool, folder: Path, size: tuple[int, int] | None = None):
        self._mode = "RGB" if colour else "L"
        self.folder = folder
        self._resize = size
        self._first: tuple[str, tuple[int, int]] | None = None
        self._changes: Counter[str] = Counter()
        self._examples: dict[str, str] = {}
        self._transparent = 0

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

        with _warnings() as told, _opened(where, content) as image:
            if _is_deep(image):
                raise DataError(
                    f"{where}: has more than 8 bits per channel (mode {image.mode}); convert it to 8 bits first"
                )
            if getattr(image, "is_animated", False):
                self._note("frames", where)
            fitted = self._in_mode(where, self._upright(where, image))
            if self._resize is not None:
                fitted = self._resized(where, fitted, Resampling.BILINEAR)
            else:
                self._check_size(where, (fitted.height, fitted.width))
            array = np.asarray(fitted, dtype=np.uint8)
        if told:
            self._note("warned", where)
        return array if array.ndim == 3 else array[:, :, None]

    def notes(self) -> list[Note]:
        """Notes on the changes in the images that were decoded so far."""
        found = []
        for what, (one, many, text) in CHANGES.items():
            count = self._changes[what]
            if count:
                more = f"; {self._transparent:,} of them not opaque" if what == "alpha" and self._transparent else ""
                example = f"{'' if count == 1 else 'first '}{self._examples[what]}"
                whole = f"{n_of(count, one, many)} {text}{more} ({example})"
                found.append(Note("left out" if what in LEFT_OUT else "read as", whole, count))
        return found

    def _note(self, what: str, where: str) -> None:
        self._changes[what] += 1
        if what not in self._examples:
            self._examples[what] = where.removeprefix(f"{self.folder}{os.sep}")

    def _upright(self, where: str, image: Image) -> Image:
        """The image as it is meant to be seen. Cameras store it as the sensor lay, and write down how to turn it."""
        from PIL.Image import Transpose

        before = _orientation(image) if image.format == "TIFF" else 1  # Pillow turns a TIFF when it decodes it
        image.load()
        after = _orientation(image)
        if UNREADABLE in (before, after):
            self._note("exif", where)
        if before not in TURNS and after not in TURNS:
            return image
        self._note("turned", where)
        return image.transpose(Transpose(TURNS[after])) if after in TURNS else image

    def _in_mode(self, where: str, image: Image) -> Image:
        """The image in the data set's mode, grey or RGB."""
        if image.mode not in USUAL:
            self._note("space", where)
        elif self._mode == "RGB" and image.mode in GREY:
            self._note("grey", where)
        if image.has_transparency_data:
            # By way of RGBA: Pillow warns of a palette with transparency that becomes RGB at once.
            image = image.convert("RGBA")
            self._note("alpha", where)
            self._transparent += image.getchannel("A").getextrema() != (255, 255)
        return image.convert(self._mode)

    def _resized(self, where: str, image: Image, how: int) -> Image:
        assert self._resize is not None, "callers ask"
        height, width = self._resize
        if image.size == (width, height):
            return image
        # Of equal ratio where the nearest whole number of pixels is meant.
        same = abs(image.width * height / image.height - width) <= 0.5
        self._note("resized" if same else "stretched", where)
        return image.resize((width, height), how)

    def _check_size(self, where: str, size: tuple[int, int]) -> None:
        if self._first is None:
            self._first = where, size
        first, expected = self._first
        if size != expected:
            raise DataError(
                f"{where}: is {size[0]}x{size[1]} (HxW), but {first} is {expected[0]}x{expected[1]}; give "
                f"dataset.size: [{expected[0]}, {expected[1]}] to resize all images, where the data set has that key"
            )


def upright_size(where: str, content: bytes | Path) -> tuple[int, int]:
    """Height and width of an image as `Decoder` gives it unless it resizes; its pixels are not decoded.

    Raises:
        DataError: no image, or one of another format or too many pixels.
    """
    with _warnings(), _opened(where, content) as image:
        turned = _orientation(image) in (5, 6, 7, 8)
        return (image.width, image.height) if turned else (image.height, image.width)


def _orientation(image: Image) -> int:
    """The EXIF orientation: 1 where there is none.

    Looks into the EXIF data only where there are some, since that takes as long as decoding a small image.
    """
    words = ("exif", "xmp")
    if image.format != "TIFF" and not any(word in str(key).lower() for key in image.info for word in words):
        return 1
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # Pillow only warns of damaged EXIF data
            return int(image.getexif().get(ORIENTATION, 1))
    except (UserWarning, SyntaxError, KeyError, TypeError, ValueError, struct.error):
        return UNREADABLE


def _is_deep(image: Image) -> bool:
    """True where an image that was just opened has more than 8 bits per channel.

    Pillow opens 16-bit colour as 8-bit RGB and drops the lower half of each number. Only the decoder's arguments
    show it: ";16" in a PNG or TIFF, the largest value in a PPM.
    """
    if image.mode in DEEP:
        return True
    arguments = [tile[3] for tile in getattr(image, "tile", [])]
    flat = [part for given in arguments for part in (given if isinstance(given, tuple) else (given,))]
    largest = image.format == "PPM" and any(isinstance(part, int) and part > 255 for part in flat)
    return largest or any(isinstance(part, str) and ";16" in part for part in flat)


@contextmanager
def _warnings() -> Iterator[list[warnings.WarningMessage]]:
    """Pillow's warnings of damaged parts within the block, which are not printed."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", UserWarning)
        yield told


@contextmanager
def _opened(where: str, content: bytes | Path) -> Iterator[Image]:
    """Open an image and decode inside the block; whatever Pillow raises becomes a DataError that names it."""
    from PIL.Image import DecompressionBombError, UnidentifiedImageError
    from PIL.Image import open as open_image

    try:
        with open_image(io.BytesIO(content) if isinstance(content, bytes) else content) as image:
            if image.format not in FORMATS:
                named = ", ".join(FORMATS)
                raise DataError(
                    f"{where}: is {image.format}, whatever its name says; allowed: {named}; convert it first"
                )
            if image.width * image.height > MAX_IMAGE_PIXELS:
                found = f"{image.width:,} x {image.height:,} pixels; at most {MAX_IMAGE_PIXELS:,} are decoded"
                raise DataError(f"{where}: announces {found}; make it smaller first")
            yield image
    except UnidentifiedImageError:
        problem = "is no image that Pillow can read"
        if not isinstance(content, bytes) and content.stat().st_size == 0:
            problem = "is empty (0 bytes)"
        raise DataError(f"{where}: {problem}; replace or remove it") from None
    except MemoryError:  # Pillow asks for as many bytes as a part of the file announces
        raise DataError(
            f"{where}: is corrupt (a part of it announces more than there is); replace or remove it"
        ) from None
    except FileNotFoundError:
        raise DataError(f"{where}: there is no such file; complete the data set") from None
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, DecompressionBombError) as error:
        raise DataError(f"{where}: is corrupt ({error}); replace or remove it") from None
