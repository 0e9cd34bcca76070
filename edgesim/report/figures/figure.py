"""Figures and their common parts: the axis of keep ratios, colours of ratios, and descriptions for screen readers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from edgesim.analysis.grouping import FULL
from edgesim.formatting import number
from edgesim.report import plot_style
from edgesim.report.plot_style import Spec
from edgesim.tasks import Metric

MAX_BANDS = 5
"""number of lines up to which each has its band; more bands would hide each other"""
MAX_TICKS = 12
"""number of keep ratios up to which each has its tick"""


@dataclass(frozen=True)
class SentenceFigure:
    """A sentence that replaces a figure."""

    text: str
    chosen: dict[str, str]
    """choices of its section for which it is true, as in the traces' `meta`; empty = all"""


@dataclass(frozen=True)
class Figure:
    """A figure of the page."""

    key: str
    """anchor on the page"""
    title: str
    note: str
    """explanation"""
    alt: str
    """content in words and numbers"""
    spec: Spec
    table: pd.DataFrame = field(default_factory=pd.DataFrame)
    """table of its numbers; empty where another table of the page has them"""
    write: Callable[[float], str] = number
    """format of its bars' values in a sentence that replaces them"""
    sentences: tuple[SentenceFigure, ...] = ()
    """sentences that replace equal bars (`finish_figure`)"""
    unmoved: Spec = field(default_factory=dict)
    """specification before marks were moved aside or counted (`finish_figure`); empty before that"""


@dataclass(frozen=True)
class RatioAxis:
    """Horizontal axis of a figure: the keep ratios, or the methods where there is only one ratio.

    A line needs two ratios. With a single one, values are points or bars at their methods, `full` among them.
    """

    ratios: tuple[float, ...]
    """of all methods but `full`, ascending"""
    methods: tuple[str, ...]
    """by first appearance"""
    most: int = 0
    """largest number of (seed, device) pairs behind a row; 0 where unknown"""

    @classmethod
    def of(cls, data: pd.DataFrame) -> RatioAxis:
        """Axis of a table with `method` and `keep_ratio`."""
        pruned = data.loc[(data["method"] != FULL) & data["keep_ratio"].notna(), "keep_ratio"]
        ratios = tuple(sorted({float(value) for value in pruned}))
        return cls(ratios, tuple(dict.fromkeys(map(str, data["method"]))), most_pairs(data))

    @property
    def is_single(self) -> bool:
        """True for fewer than two ratios."""
        return len(self.ratios) < 2

    @property
    def words(self) -> str:
        """'against keep ratio', or 'at keep ratio 0.5', or 'of full training' where only `full` ran."""
        if not self.is_single:
            return "against keep ratio"
        return f"at keep ratio {number(self.ratios[0])}" if self.ratios else "of full training"

    def axis(self) -> Spec:
        """Specification of the horizontal axis."""
        if self.is_single:
            named = f"method, keep ratio {number(self.ratios[0])}" if self.ratios else "method"
            ends = [-0.5, len(self.methods) - 0.5]
            return {**plot_style.names_axis(self.methods), "title": {"text": named}, "range": ends}
        shown = sorted({*self.ratios, *([1.0] if FULL in self.methods else [])})
        ticks = {"tickvals": shown, "ticktext": [number(value) for value in shown]}
        return {**plot_style.axis("keep ratio"), **(ticks if len(shown) <= MAX_TICKS else {})}

    def places(self, rows: pd.DataFrame) -> list[Any]:
        """Positions of a table's rows on the axis."""
        return (
            [plot_style.plain(name) for name in rows["method"]]
            if self.is_single
            else plot_style.numbers(rows["keep_ratio"])
        )

    def line(self, name: str, rows: pd.DataFrame, column: str, style: Spec) -> Spec:
        """Column of one method's rows as a line with markers; as markers only where there is one ratio."""
        trace = plot_style.line(name, rows["keep_ratio"], rows[column], style)
        trace |= {"x": self.places(rows), "mode": "markers" if self.is_single else "lines+markers"}
        if not self.is_single:  # a mark may be drawn beside its keep ratio
            trace |= {"text": [number(value) for value in rows["keep_ratio"]]}
            trace["hovertemplate"] = "keep ratio %{text}<br>%{y}"
        return with_pairs(trace, rows, self.most)

    def bars(self, name: str, rows: pd.DataFrame, column: str, style: Spec) -> Spec:
        """Column of one method's rows as bars, for quantities that start at zero."""
        names = [str(method) for method in rows["method"]]
        bars = plot_style.bars(name, names, rows[column], style["color"], style.get("pattern", ""))
        return with_pairs(plot_style.with_rank(style, bars), rows, self.most)

    def layout(self, y: Spec, by_method: bool = True) -> Spec:
        """Layout of a figure with this axis.

        Args:
            y: the vertical axis.
            by_method: each trace is a method, so an axis of methods replaces the legend.
        """
        found = {
            **plot_style.layout(self.axis(), y),
            "bargap": plot_style.bar_gap(len(self.methods)),
            "meta": {"marks": "x"},
        }
        return {**found, "showlegend": False} if self.is_single and by_method else found


def form_of(metric: Metric) -> str:
    """Form of an axis, or of a hover text, with values of a metric."""
    return "share" if metric.is_share else "number"


def pairs_behind(data: pd.DataFrame) -> pd.Series | None:
    """(seed, device) pairs behind each row of a table of means; None where unknown."""
    for name in ("pairs", "trials"):
        if name in data:
            return data[name]
    return data["devices"] * data["seeds"] if {"devices", "seeds"} <= set(data) else None


def most_pairs(data: pd.DataFrame) -> int:
    """Largest number of pairs behind a row of a table; 0 where unknown."""
    pairs = pairs_behind(data)
    return int(pairs.max()) if pairs is not None and len(pairs) else 0


def with_pairs(trace: Spec, rows: pd.DataFrame, most: int) -> Spec:
    """Trace with the number of (seed, device) pairs behind each mark, which `finish_figure` shows.

    Args:
        trace: one mark per row.
        rows: rows of a table of means.
        most: `most_pairs` of all rows that the marks are compared with.
    """
    pairs = pairs_behind(rows)
    return trace if pairs is None or not most else {**trace, "customdata": [[int(n), most] for n in pairs]}


def ratio_colours(data: pd.DataFrame) -> dict[float, str]:
    """A colour per keep ratio, `full` left out."""
    return plot_style.ratio_colours(data.loc[data["method"] != FULL, "keep_ratio"])


def rows(data: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a table as dictionaries."""
    return [{str(name): value for name, value in row.items()} for row in data.to_dict("records")]


def by_method(data: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """(method, its rows), by first appearance."""
    methods = data["method"].to_numpy(dtype=object)
    for method in dict.fromkeys(methods):
        yield method, data[methods == method]


def words(data: pd.DataFrame, column: str, write: Callable[[float], str], suffix: str = "") -> str:
    """'random: 61.0 % at 0.1, 80.2 % at 0.8. …' the first and the last ratio of every method."""
    sentences = []
    for method, part in by_method(data[data[column].notna()]):
        ends = part.iloc[[0, -1]] if len(part) > 1 else part
        values = (f"{write(v)} at {number(r)}" for v, r in zip(ends[column], ends["keep_ratio"], strict=True))
        sentences.append(f"{method}{suffix}: {', '.join(values)}.")
    return " ".join(sentences) or "No value is known."
