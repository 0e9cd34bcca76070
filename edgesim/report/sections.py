"""The parts of a page: what each shows, and what it says where there is nothing to show."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pandas as pd

from edgesim.report.figures.figure import Figure


@dataclass(frozen=True)
class Shown:
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
class Choice:
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
    tables: list[Shown] = field(default_factory=list)
    missing: str = ""
    """what to say where there is nothing to show"""
    lead: str = ""
    """what to know before reading it"""
    choices: tuple[Choice, ...] = ()
    cannot: tuple[str, ...] = ()
    """what the section cannot say, and because of what"""

    @property
    def shown_figures(self) -> list[Figure]:
        """The figures that have something to draw."""
        return [figure for figure in self.figures if figure.spec["data"]]

    @property
    def shown_choices(self) -> list[Choice]:
        """The choices that change something, with the options that there is something of."""
        metas = [trace.get("meta") or {} for figure in self.shown_figures for trace in figure.spec["data"]]
        found = []
        for choice in self.choices:
            used = {meta.get(choice.key) for meta in metas}
            found.append(replace(choice, options=tuple(option for option in choice.options if option in used)))
        return [choice for choice in found if len(choice.options) > 1]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to show."""
        return not self.shown_figures and all(table.data.empty for table in self.tables)

    @property
    def all_tables(self) -> list[Shown]:
        """The tables of the section and those behind its figures, those without rows left out."""
        behind = [Shown(f"figure-{f.key}", f.title, f.table, folded=True) for f in self.shown_figures]
        return [table for table in [*behind, *self.tables] if not table.data.empty]
