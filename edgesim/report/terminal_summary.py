"""What ends a run on the terminal: the answer in a sentence or two, and the table of methods and keep ratios."""

from __future__ import annotations

from typing import NamedTuple

from edgesim.analysis.grouping import dropped, everywhere, ok
from edgesim.analysis.means import summary
from edgesim.analysis.verdict import verdict_of
from edgesim.report.run_tables import Run, read
from edgesim.report.text_tables import terminal_rows

SHOWN = ("disagreement", "answer", "cost")
"""kinds of findings that the terminal shows; the page has all"""


class Summary(NamedTuple):
    """Sentences, and a table as text."""

    sentences: list[str]
    header: list[str]
    rows: list[list[str]]

    @property
    def numbers(self) -> int:
        """The first so many columns, but the first one, hold numbers."""
        return len(self.header) - ("failed" in self.header)


def summary_of(run: Run) -> Summary:
    """The summary of a run in any state: the same numbers and sentences as its page."""
    source = read(run)
    found = verdict_of(source.records, margin=source.margin, epochs=source.epochs)
    shown = [one.text for one in found if one.kind in SHOWN] or [one.text for one in found[:1]]
    good = ok(source.records)
    if dropped(good, everywhere(good)):
        shown.append("Rows with other numbers of trials are over other devices: compare them with that in mind.")
    return Summary(shown, *terminal_rows(summary(source.records)))
