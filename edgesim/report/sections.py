"""Sections of a page: figures, tables, choices and sentences of each."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field, replace

import pandas as pd

from edgesim.analysis.grouping import FULL, RANDOM, AnalysisResult, ok
from edgesim.formatting import number
from edgesim.report import plot_style
from edgesim.report.figures.figure import Figure, SentenceFigure
from edgesim.report.figures.finishing import finish_figure
from edgesim.report.pictures import Gallery
from edgesim.tasks import ACCURACY, Metric, metric_in

NO_TRIAL = "There is no trial yet."
NONE_WELL = "No trial has ended well, so there is nothing to show."
MANY, BEST = 8, 5
"""number of methods up to which each has a colour (random and full not counted), and colours for more methods"""
MIDDLE = 0.5
"""the keep ratio shown first is the one nearest to this value"""


@dataclass(frozen=True)
class PageTable:
    """A table of the page."""

    key: str
    """name on the page, and of the file that it is saved as"""
    caption: str
    data: pd.DataFrame
    folded: bool = False
    """it is collapsed at first"""
    left_out: int = 0
    """rows that are not in the page"""


@dataclass(frozen=True)
class PageChoice:
    """A choice for all figures of a section; traces whose `meta` has another value are hidden."""

    key: str
    """key in the traces' `meta`"""
    label: str
    options: tuple[str, ...]
    first: str = ""
    """option chosen at first; empty = the first one"""


@dataclass(frozen=True)
class Section:
    """A section of the page."""

    key: str
    """anchor on the page"""
    title: str
    figures: list[Figure] = field(default_factory=list)
    tables: list[PageTable] = field(default_factory=list)
    missing: str = ""
    """sentence where there is nothing to show"""
    intro: str = ""
    """introduction"""
    choices: tuple[PageChoice, ...] = ()
    limits: tuple[str, ...] = ()
    """sentences on what the section does not show, and why"""
    galleries: tuple[Gallery, ...] = ()
    """pictures of samples, one gallery per method"""
    about_galleries: str = ""
    """description of the device whose samples are shown"""
    in_markdown: tuple[PageTable, ...] = ()
    """tables instead of galleries, which Markdown cannot show"""
    colours: str = ""
    """rule by which methods have a colour, where some have none"""
    opens: bool = False
    """it follows the verdict, before everything else"""

    @functools.cached_property
    def finished_figures(self) -> list[Figure]:
        """Figures as a page shows them, including those replaced by a sentence."""
        return [finish_figure(figure, self.colours) for figure in self.figures]

    def with_pictures(self, pictures: tuple[Gallery, ...], limits: tuple[str, ...]) -> Section:
        """The same section with other pictures and limits; figures are not finished again."""
        found = replace(self, galleries=pictures, limits=limits)
        found.__dict__["finished_figures"] = self.finished_figures
        return found

    @property
    def shown_figures(self) -> list[Figure]:
        """Figures with something to draw."""
        return [figure for figure in self.finished_figures if figure.spec["data"]]

    @property
    def sentences(self) -> list[SentenceFigure]:
        """Sentences that replace figures of equal bars."""
        return [sentence for figure in self.finished_figures for sentence in figure.sentences]

    @property
    def shown_choices(self) -> list[PageChoice]:
        """Choices with at least two options that have something to show."""
        metas = [trace.get("meta") or {} for figure in self.shown_figures for trace in figure.spec["data"]]
        metas += [{"method": gallery.method} for gallery in self.galleries] + [one.chosen for one in self.sentences]
        found = []
        for choice in self.choices:
            used = {meta.get(choice.key) for meta in metas}
            found.append(replace(choice, options=tuple(option for option in choice.options if option in used)))
        return [choice for choice in found if len(choice.options) > 1]

    @property
    def is_empty(self) -> bool:
        """True where there is nothing to show."""
        return not (
            self.shown_figures or self.sentences or self.galleries or any(len(table.data) for table in self.tables)
        )

    @property
    def all_tables(self) -> list[PageTable]:
        """Tables of the section and of its figures, without empty ones."""
        behind = [PageTable(f"figure-{f.key}", f.title, f.table, folded=True) for f in self.shown_figures]
        return [table for table in [*behind, *self.tables] if not table.data.empty]


@dataclass(frozen=True)
class PageStyle:
    """Style that all sections share: looks of the methods, and choices of the reader."""

    styles: plot_style.Styles
    method: PageChoice
    ratio: PageChoice
    colours: str = ""
    """rule by which methods have a colour; empty where all have one"""
    metric: Metric = ACCURACY
    """the metric that decides"""

    @classmethod
    def of(cls, records: pd.DataFrame) -> PageStyle:
        """Style for the methods and ratios of a run."""
        coloured, rule = coloured_methods(records)
        styles = plot_style.method_styles(records["method"], FULL, coloured)
        # `random` comes last among the methods to choose from: it is what the others are compared with.
        methods = sorted(styles.keys() - {FULL}, key=lambda m: (m == RANDOM, list(styles).index(m)))
        pruned = records.loc[records["method"] != FULL, "keep_ratio"].dropna()
        ratios = sorted({float(value) for value in pruned})
        middle = min(ratios, key=lambda value: abs(value - MIDDLE), default=MIDDLE)
        return cls(
            styles,
            PageChoice("method", "Method shown", tuple(methods)),
            PageChoice("ratio", "Keep ratio shown", tuple(f"{value:g}" for value in ratios), f"{middle:g}"),
            rule,
            metric_in(records),
        )


def coloured_methods(records: pd.DataFrame) -> tuple[list[str] | None, str]:
    """Methods with a colour where there are many, and the rule in words; None where all have one.

    They are the most accurate ones, by mean test accuracy (of another task: by its metric) at the keep ratio nearest to
    MIDDLE, and `random`, with which the others are compared. Of equal means the first in the scenario comes first.
    """
    pruned = records[~records["method"].isin([FULL, RANDOM])]
    if pruned["method"].nunique() <= MANY:
        return None, ""
    metric = metric_in(records)
    value = metric.column()
    good = ok(pruned).dropna(subset=[value, "keep_ratio"])
    found, ratios = {}, set()
    for method in dict.fromkeys(good["method"]):
        own = good[good["method"] == method]
        near = min(set(own["keep_ratio"]), key=lambda value: (abs(value - MIDDLE), value))
        ratios.add(near)
        found[str(method)] = float(own.loc[own["keep_ratio"] == near, value].mean())
    best = sorted(found, key=lambda method: -metric.sign * found[method])[:BEST]
    at = (
        f" at keep ratio {number(min(ratios))}"
        if len(ratios) == 1
        else f", each at its keep ratio nearest to {MIDDLE:g}"
    )
    has_random = bool((records["method"] == RANDOM).any())
    most = "highest mean" if metric is ACCURACY else "highest" if metric.higher_is_better else "lowest"
    highest = f"{most} test {metric.title}"
    rule = f"In colour: the {len(best)} methods with the {highest}{at}{', and random' * has_random}."
    return [*best, RANDOM], f"{rule} The others are grey."


def unless_empty(found: AnalysisResult) -> tuple[str, ...]:
    """Missing results of a table that has rows; without rows the section has its own sentence."""
    return () if found.table.empty else found.missing
