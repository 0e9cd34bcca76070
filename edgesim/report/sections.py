"""The parts of a page: what each shows, and what it says where there is nothing to show."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field, replace

import pandas as pd

from edgesim.analysis.grouping import FULL, RANDOM, Answer, ok
from edgesim.formatting import number
from edgesim.report import plot_style
from edgesim.report.figures.figure import Figure, SentenceFigure
from edgesim.report.figures.finishing import settled
from edgesim.report.pictures import Gallery

NO_TRIAL = "There is no trial yet."
NONE_WELL = "No trial has ended well, so there is nothing to show here."
MANY, BEST = 8, 5
"""methods up to which each has a colour (random and full training not counted), and how many have one of more"""
MIDDLE = 0.5
"""the keep_ratio shown first is the nearest to this one"""


@dataclass(frozen=True)
class PageTable:
    """A table of the page."""

    key: str
    """its name on the page and of the file it is saved as"""
    caption: str
    data: pd.DataFrame
    folded: bool = False
    """whether it opens only when asked for"""
    left_out: int = 0
    """rows that the page does not hold"""


@dataclass(frozen=True)
class PageChoice:
    """A choice for all figures of a section: traces whose `meta` names another value are hidden."""

    key: str
    """the name in the traces' `meta`"""
    label: str
    options: tuple[str, ...]
    first: str = ""
    """the option chosen at first; the first one where none is named"""


@dataclass(frozen=True)
class Section:
    """A part of the page."""

    key: str
    """its anchor"""
    title: str
    figures: list[Figure] = field(default_factory=list)
    tables: list[PageTable] = field(default_factory=list)
    missing: str = ""
    """what to say where there is nothing to show"""
    lead: str = ""
    """what to know before reading it"""
    choices: tuple[PageChoice, ...] = ()
    cannot: tuple[str, ...] = ()
    """what the section cannot say, and because of what"""
    galleries: tuple[Gallery, ...] = ()
    """pictures of samples, one gallery per method"""
    about_galleries: str = ""
    """whose samples they are"""
    in_markdown: tuple[PageTable, ...] = ()
    """tables in place of what Markdown cannot show"""
    colours: str = ""
    """by which rule methods have a colour, where some have none"""
    opens: bool = False
    """whether it stands with the verdict, before everything else"""

    @functools.cached_property
    def settled_figures(self) -> list[Figure]:
        """The figures as a page shows them, also those of which only a sentence is left."""
        return [settled(figure, self.colours) for figure in self.figures]

    @property
    def shown_figures(self) -> list[Figure]:
        """The figures that have something to draw."""
        return [figure for figure in self.settled_figures if figure.spec["data"]]

    @property
    def said(self) -> list[SentenceFigure]:
        """Sentences in place of bars that are all alike."""
        return [sentence for figure in self.settled_figures for sentence in figure.said]

    @property
    def shown_choices(self) -> list[PageChoice]:
        """The choices that change something, with the options that there is something of."""
        metas = [trace.get("meta") or {} for figure in self.shown_figures for trace in figure.spec["data"]]
        metas += [{"method": gallery.method} for gallery in self.galleries] + [one.chosen for one in self.said]
        found = []
        for choice in self.choices:
            used = {meta.get(choice.key) for meta in metas}
            found.append(replace(choice, options=tuple(option for option in choice.options if option in used)))
        return [choice for choice in found if len(choice.options) > 1]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to show."""
        return not (self.shown_figures or self.said or self.galleries or any(len(table.data) for table in self.tables))

    @property
    def all_tables(self) -> list[PageTable]:
        """The tables of the section and those behind its figures, those without rows left out."""
        behind = [PageTable(f"figure-{f.key}", f.title, f.table, folded=True) for f in self.shown_figures]
        return [table for table in [*behind, *self.tables] if not table.data.empty]


@dataclass(frozen=True)
class PageStyle:
    """What the sections share: the look of the methods, and the choices that a reader has."""

    styles: plot_style.Styles
    method: PageChoice
    ratio: PageChoice
    colours: str = ""
    """by which rule methods have a colour; empty where all have one"""

    @classmethod
    def of(cls, records: pd.DataFrame) -> PageStyle:
        """Of the methods and ratios of a run."""
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
        )


def coloured_methods(records: pd.DataFrame) -> tuple[list[str] | None, str]:
    """The methods that have a colour where there are many, and the rule by which they do; None where all have one.

    They are the most accurate ones, each by its mean test accuracy at its keep ratio nearest to MIDDLE, and `random`,
    with which the others are compared. Equal means: the first one of the scenario.
    """
    pruned = records[~records["method"].isin([FULL, RANDOM])]
    if pruned["method"].nunique() <= MANY:
        return None, ""
    good = ok(pruned).dropna(subset=["test_accuracy", "keep_ratio"])
    found, ratios = {}, set()
    for method in dict.fromkeys(good["method"]):
        own = good[good["method"] == method]
        near = min(set(own["keep_ratio"]), key=lambda value: (abs(value - MIDDLE), value))
        ratios.add(near)
        found[str(method)] = float(own.loc[own["keep_ratio"] == near, "test_accuracy"].mean())
    best = sorted(found, key=lambda method: -found[method])[:BEST]
    at = (
        f" at keep ratio {number(min(ratios))}"
        if len(ratios) == 1
        else f", each at its keep ratio nearest to {MIDDLE:g}"
    )
    has_random = bool((records["method"] == RANDOM).any())
    rule = f"In colour: the {len(best)} methods with the highest mean test accuracy{at}{', and random' * has_random}."
    return [*best, RANDOM], f"{rule} The others are grey."


def unless_empty(found: Answer) -> tuple[str, ...]:
    """What an answer cannot say, where it says anything; an empty one is the section's own sentence."""
    return () if found.table.empty else found.missing
