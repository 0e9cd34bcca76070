"""What a figure is, and what figures share: colours of ratios, and their words for those who do not see them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from edgesim import analysis
from edgesim.report import marks
from edgesim.report.columns import ratio
from edgesim.report.marks import Spec

MAX_BANDS = 5
"""lines up to which each has its band or its own place; more would hide each other"""


@dataclass(frozen=True)
class Figure:
    """A figure of the page."""

    key: str
    """its anchor on the page"""
    title: str
    note: str
    """what to know to read it"""
    alt: str
    """what it shows, in words and numbers"""
    spec: Spec
    table: pd.DataFrame = field(default_factory=pd.DataFrame)
    """the numbers behind it; empty where another table of the page has them"""


def ratio_colours(data: pd.DataFrame) -> dict[float, str]:
    """A colour per keep ratio, `full` left out."""
    return marks.ratio_colours(data.loc[data["method"] != analysis.FULL, "keep_ratio"])


def rows(data: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table by the names of its columns."""
    return [{str(name): value for name, value in row.items()} for row in data.to_dict("records")]


def by_method(data: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """(method, its rows), by first appearance."""
    for method in dict.fromkeys(data["method"]):
        yield method, data[data["method"] == method]


def words(data: pd.DataFrame, column: str, write: Callable[[float], str], suffix: str = "") -> str:
    """'random: 61.0 % at 0.1, 80.2 % at 0.8. …' the first and the last ratio of every method."""
    sentences = []
    for method, part in by_method(data[data[column].notna()]):
        ends = part.iloc[[0, -1]] if len(part) > 1 else part
        values = (f"{write(v)} at {ratio(r)}" for v, r in zip(ends[column], ends["keep_ratio"], strict=True))
        sentences.append(f"{method}{suffix}: {', '.join(values)}.")
    return " ".join(sentences) or "No value is known."
