"""Pictures of samples in a page: a gallery per method, images embedded."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from edgesim.formatting import number
from edgesim.report.figures.figure import rows
from edgesim.results.table_columns import ENDS
from edgesim.tasks import CLASSES, LabelWords

LEAST_BYTES, MOST_BYTES = 150_000, 600_000
"""room for all pictures of a page: at least, beside large tables, and at most"""
MARKUP_BYTES = 120
"""bytes of the markup around a picture"""


@dataclass(frozen=True)
class Thumbnail:
    """One sample."""

    src: str
    """the image as a data URI"""
    alt: str
    """class, end, place, score, sample, and keep ratios at which it is kept"""
    caption: str
    """its score"""

    @property
    def size(self) -> int:
        """Approximate bytes in a page, which has the text twice."""
        return len(self.src) + 2 * len(self.alt.encode()) + MARKUP_BYTES


@dataclass(frozen=True)
class ClassGallery:
    """The samples of one class."""

    name: str
    ends: tuple[tuple[str, list[Thumbnail]], ...]
    """("most important", by place), ("least important", by place)"""


@dataclass(frozen=True)
class Gallery:
    """Most and least important samples of one method."""

    method: str
    classes: list[ClassGallery]

    @property
    def size(self) -> int:
        """Approximate bytes in a page."""
        return sum(one.size for one_class in self.classes for _, thumbnails in one_class.ends for one in thumbnails)

    @property
    def per_end(self) -> int:
        """Largest number of pictures of a class at one end."""
        return max(len(thumbnails) for one_class in self.classes for _, thumbnails in one_class.ends)

    def first(self, per_end: int) -> Gallery:
        """Gallery with at most so many pictures per class and end."""
        classes = [
            ClassGallery(one_class.name, tuple((end, thumbnails[:per_end]) for end, thumbnails in one_class.ends))
            for one_class in self.classes
        ]
        return Gallery(self.method, classes)


def galleries(samples: pd.DataFrame, words: LabelWords = CLASSES) -> list[Gallery]:
    """All pictures of a run, a gallery per method.

    Args:
        samples: the table `extremes` with `class_name` and `kept_at`; rows without a picture are left out.
    """
    pictured = samples[samples["height"] > 0]
    return [_gallery(str(method), part, words) for method, part in pictured.groupby("method", sort=False)]


def fitted(found: Sequence[Gallery], max_bytes: int) -> tuple[list[Gallery], list[str]]:
    """Galleries with as many pictures per class and end as fit together.

    Where not even one per end fits, only the first methods are shown.

    Returns: the galleries, and sentences on pictures left out.
    """
    most = max((gallery.per_end for gallery in found), default=0)
    shown = list(found)
    for per_end in range(most, 0, -1):
        shown = [gallery.first(per_end) for gallery in found]
        if sum(gallery.size for gallery in shown) <= max_bytes:
            are = "is" if per_end == 1 else "are"
            left_out = f"{per_end} of {most} samples per end {are} shown, to keep the page small."
            return shown, [left_out] if per_end < most else []
    fits = np.cumsum([gallery.size for gallery in shown]) <= max_bytes
    room_for = [gallery for gallery, fit in zip(shown, fits, strict=True) if fit]
    absent = ", ".join(gallery.method for gallery in shown[len(room_for) :])
    sentence = f"One sample per end is shown, and none of {absent}, to keep the page small; the run folder has them."
    return room_for, [sentence] if shown else []


def data_uri(image: np.ndarray) -> str:
    """A picture uint8 [h, w, 1 or 3] as the URI of a PNG."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def _gallery(method: str, samples: pd.DataFrame, words: LabelWords) -> Gallery:
    classes = []
    for _, of_class in samples.groupby("label"):
        of_end = {end: rows(of_class[of_class["end"] == end].sort_values("rank")) for end in ENDS.values()}
        ends = tuple(
            (f"{end} important", [_thumbnail(row, words) for row in found]) for end, found in of_end.items() if found
        )
        classes.append(ClassGallery(str(of_class["class_name"].iloc[0]), ends))
    return Gallery(method, classes)


def _thumbnail(row: dict[str, Any], words: LabelWords) -> Thumbnail:
    shape = (row["height"], row["width"], row["channels"])
    image = np.frombuffer(row["image"], dtype=np.uint8).reshape(shape)
    score = number(row["score"])
    alt = f"{row['class_name']}, {row['end']} important, place {row['rank']}: score {score}, sample {row['index']}"
    alt += f", one of {row['tied']} of its {words.one} with this score" if row["tied"] > 1 else ""
    alt += f", kept at {row['kept_at']}" if row["kept_at"] else ", kept at no ratio"
    return Thumbnail(data_uri(image), alt, f"{row['score']:.3g}")
