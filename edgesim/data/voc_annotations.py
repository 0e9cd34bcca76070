"""Annotations in the format of Pascal VOC: one XML file an image, read without document types and within bounds.

VOC counts pixels from 1 and names the first and the last pixel of a box. Edges are counted from 0 here: a box from
pixel 1 to pixel 20 goes from edge 0 to edge 20.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree
from xml.parsers import expat

from edgesim.data.labels import normal
from edgesim.errors import DataError
from edgesim.formatting import size

MAX_XML_BYTES = 4 << 20
"""of one annotation: some 10,000 boxes; the longest of VOC 2012 has 20 kB"""
MAX_NAME = 200
"""characters of a class name"""
MOST_OVER = 1.0
"""pixels that a box may reach over an edge: tools that count from 0 write 0 for the first pixel"""
_NUMBER = re.compile(r"[+-]?\d{1,9}(\.\d{0,20})?", re.ASCII)
_SIDES = ("xmin", "ymin", "xmax", "ymax")


@dataclass(frozen=True)
class VocObject:
    """One object of an annotation."""

    name: str
    box: tuple[float, float, float, float]
    """x0, y0, x1, y1: edges in pixels from the upper left corner"""
    difficult: bool


@dataclass(frozen=True)
class Annotation:
    """One annotation file."""

    path: Path
    image_size: tuple[int, int] | None
    """(H, W) as it states; None where it states none"""
    objects: tuple[VocObject, ...]

    def where(self, number: int) -> str:
        """Name of the object at a 0-based position, for messages."""
        return f"{self.path}, object {number + 1} ({self.objects[number].name})"


class _Refused(Exception):
    """A document type, which may define entities that expand without end or read other files."""


def read_annotation(path: Path) -> Annotation:
    """Read one annotation.

    Raises:
        DataError: missing, too large, no XML, a document type, or an object without a name or a proper box.
    """
    root = _tree(path)
    if root.tag != "annotation":
        raise DataError(f"{path}: its root is <{root.tag[:40]}>; an annotation of Pascal VOC has <annotation>")
    objects = tuple(_object(path, number, one) for number, one in enumerate(root.findall("object"), start=1))
    return Annotation(path, _image_size(path, root), objects)


def fitted_box(
    annotation: Annotation, number: int, image_size: tuple[int, int], clip: bool
) -> tuple[tuple[float, float, float, float], bool]:
    """The box of an object, clipped to its image, and whether that changed it.

    Args:
        annotation: holds the object.
        number: 0-based position of the object.
        image_size: (H, W) of the image.
        clip: True clips a box that reaches over an edge by more than MOST_OVER, too.

    Raises:
        DataError: the box has no area, lies outside the image, or reaches too far over an edge.
    """
    box, (height, width) = annotation.objects[number].box, image_size
    what = f"{annotation.where(number)}: its box"
    given = ", ".join(f"{side} {value:g}" for side, value in zip(_SIDES, _written(box), strict=True))
    if box[0] >= box[2] or box[1] >= box[3]:
        raise DataError(f"{what} has no area ({given}); correct or remove the object")
    within = (max(box[0], 0.0), max(box[1], 0.0), min(box[2], float(width)), min(box[3], float(height)))
    image = f"the image of {width} x {height} pixels (width x height)"
    if within[0] >= within[2] or within[1] >= within[3]:
        raise DataError(f"{what} lies outside {image} ({given}); correct or remove the object")
    over = max(abs(before - after) for before, after in zip(box, within, strict=True))
    if over > MOST_OVER and not clip:
        raise DataError(
            f"{what} reaches {over:g} pixels over the edge of {image} ({given}); correct it, or clip such boxes by "
            "dataset.outside: clip"
        )
    return within, over > 0


def _written(box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    """A box as the file has it."""
    return box[0] + 1, box[1] + 1, box[2], box[3]


def _tree(path: Path) -> ElementTree.Element:
    try:
        if path.stat().st_size > MAX_XML_BYTES:
            raise DataError(f"{path}: has more than {size(MAX_XML_BYTES)}; no annotation of one image is that long")
        content = path.read_bytes()
    except FileNotFoundError:
        raise DataError(
            f"{path}: there is no such annotation; add it, or take the image out of ImageSets/Main"
        ) from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check its permissions") from None
    builder, parser = ElementTree.TreeBuilder(), expat.ParserCreate()

    def refuse(*_: object) -> None:
        raise _Refused

    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(content, True)
        return builder.close()
    except _Refused:
        raise DataError(
            f"{path}: has a document type (<!DOCTYPE …>), which can expand without end or read other files; remove it"
        ) from None
    except (expat.ExpatError, LookupError, ValueError, AssertionError) as error:
        raise DataError(f"{path}: is no well-formed XML ({error}); replace it with a complete copy") from None


def _object(path: Path, number: int, element: ElementTree.Element) -> VocObject:
    name = normal(" ".join((element.findtext("name") or "").split()))
    where = f"{path}, object {number}"
    if not name or len(name) > MAX_NAME:
        raise DataError(f"{where}: its <name> has {len(name)} characters; give the class, 1 to {MAX_NAME} characters")
    where = f"{where} ({name})"
    found = element.findall("bndbox")
    if len(found) != 1:
        raise DataError(f"{where}: has {len(found)} of <bndbox>; it needs one, with {', '.join(_SIDES)}")
    xmin, ymin, xmax, ymax = (_number(f"{where}: <{side}>", found[0].findtext(side)) for side in _SIDES)
    flag = (element.findtext("difficult") or "0").strip()
    if flag not in ("0", "1"):
        raise DataError(f"{where}: <difficult> is {flag[:40]!r}; allowed: 0 or 1")
    return VocObject(name, (xmin - 1, ymin - 1, xmax, ymax), flag == "1")


def _number(where: str, text: str | None) -> float:
    if text is None:
        raise DataError(f"{where} is missing; give the four sides of the box in pixels")
    if not _NUMBER.fullmatch(text.strip()):
        raise DataError(f"{where} is {text.strip()[:40]!r}; allowed: pixels, as a number like 112")
    return float(text)


def _image_size(path: Path, root: ElementTree.Element) -> tuple[int, int] | None:
    """(H, W) as stated; None where it is left out, or 0 as some tools write."""
    stated = [root.findtext(f"size/{side}") for side in ("height", "width")]
    if None in stated:
        return None
    sides = [_number(f"{path}: <size>", text) for text in stated]
    if any(side != math.floor(side) for side in sides):
        raise DataError(f"{path}: <size> is {sides[1]:g} x {sides[0]:g}; allowed: whole numbers of pixels")
    return (int(sides[0]), int(sides[1])) if min(sides) > 0 else None
