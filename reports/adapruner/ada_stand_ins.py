"""Blank images of a data set's number, size and classes, for plans of data that nobody here has.

A plan's work, times and energies follow from the number of samples, their size, the classes and the network alone, so
that blank images give those of the real ones. Nothing is trained on them.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

TINY_IMAGENET = {"train": 100_000, "valid": 10_000}
TINY_CLASSES, TINY_SIDE = 200, 64
VOC = {"trainval": 16_551, "test": 4_952}
"""images of VOC2007 and VOC2012 trainval together, and of VOC2007 test"""
VOC_CLASSES, VOC_WIDTH, VOC_HEIGHT = 20, 500, 375
ROWS = 10_000
"""of a file's row group"""


def tiny_imagenet(folder: Path, counts: dict[str, int] | None = None) -> dict[str, Any]:
    """Write Tiny-ImageNet's stand-in. Returns the `dataset` of a scenario.

    Args:
        folder: where its files go; it exists.
        counts: split -> images; None = the real ones.
    """
    image = {"bytes": _blank(TINY_SIDE, TINY_SIDE, "PNG"), "path": None}
    for split, count in (counts or TINY_IMAGENET).items():
        labels = [number % TINY_CLASSES for number in range(count)]
        table = pa.table({"image": [image] * count, "label": labels})
        pq.write_table(table, folder / f"{split}.parquet", row_group_size=ROWS)
    return {"name": "parquet", "root": str(folder)}


def voc(folder: Path, counts: dict[str, int] | None = None) -> dict[str, Any]:
    """Write the stand-in of VOC2007 and VOC2012, with two or three boxes on an image, as these have on average (2.4).

    Args and returns: as `tiny_imagenet`.
    """
    images, annotations, lists = (folder / name for name in ("JPEGImages", "Annotations", "ImageSets/Main"))
    for one in (images, annotations, lists):
        one.mkdir(parents=True)
    blank = folder / "blank.jpg"
    blank.write_bytes(_blank(VOC_WIDTH, VOC_HEIGHT, "JPEG"))
    for split, count in (counts or VOC).items():
        names = [f"{split}{number:05}" for number in range(count)]
        (lists / f"{split}.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
        for number, name in enumerate(names):
            (images / f"{name}.jpg").hardlink_to(blank)
            boxes = "".join(_box((number + place) % VOC_CLASSES, place) for place in range(2 + number % 2))
            (annotations / f"{name}.xml").write_text(f"<annotation>{boxes}</annotation>", encoding="utf-8")
    blank.unlink()
    return {"name": "voc", "root": str(folder), "train": "trainval", "test": "test", "size": [416, 416]}


def _blank(width: int, height: int, form: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height)).save(file, form)
    return file.getvalue()


def _box(label: int, place: int) -> str:
    low = 10 + 100 * place
    ends = f"<xmin>{low}</xmin><ymin>{low}</ymin><xmax>{low + 90}</xmax><ymax>{low + 90}</ymax>"
    return f"<object><name>class{label:02}</name><difficult>0</difficult><bndbox>{ends}</bndbox></object>"
