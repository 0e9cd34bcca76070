"""Summary at the end of a run on the terminal: the recommendation, and a table of methods and keep ratios."""

from __future__ import annotations

from typing import NamedTuple

from edgesim.analysis.grouping import dropped, everywhere, ok
from edgesim.analysis.means import summary
from edgesim.analysis.second_test_set import second_test_set
from edgesim.analysis.verdict import verdict_of
from edgesim.report.run_tables import Run, read
from edgesim.report.text_tables import terminal_caption, terminal_rows
from edgesim.results import text_columns

KINDS = ("learning", "disagreement", "answer", "cost")
"""kinds of findings on the terminal; the page has all"""


class Summary(NamedTuple):
    """Sentences and a table as text."""

    sentences: list[str]
    header: list[str]
    rows: list[list[str]]
    caption: str
    """meaning of the columns"""

    @property
    def numbers(self) -> int:
        """Number of leading columns up to which all but the first hold numbers."""
        return len(self.header) - ("failed" in self.header)


@text_columns.new_as_objects()
def summary_of(run: Run) -> Summary:
    """Summary of a run in any state, with the numbers and sentences of its page."""
    source = read(run)
    found = verdict_of(source.records, margin=source.margin, epochs=source.epochs, guess=source.guess)
    sentences = [one.text for one in found if one.kind in KINDS] or [one.text for one in found[:1]]
    good = ok(source.records)
    if dropped(good, everywhere(good)):
        sentences.append("Rows with different numbers of trials are over different devices, so compare them with care.")
    caption = terminal_caption(source.metric, second_test_set(good))
    return Summary(sentences, *terminal_rows(summary(source.records)), caption)
