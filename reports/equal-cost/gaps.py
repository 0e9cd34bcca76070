"""Gaps with the intervals that decide: rows of results.csv to estimates, and what they show."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from results import COST, MEAN, RANDOM, Question, to_matrix

from edgesim.analysis.intervals import Interval, interval
from edgesim.formatting import n_of

SHOWN = {"digits": "digits", "fashion-mnist": "Fashion-MNIST", "cifar10": "CIFAR-10"}
"""data set -> its name in sentences"""
LABELS = {
    "fewer-epochs": "fewer epochs",
    "rs2": "new subsets",
    "online-loss": "online loss",
    "online-loss-unbiased": "unbiased online loss",
    "random-balanced": "balanced random",
    "top-loss": "top loss",
    "top-loss-balanced": "balanced top loss",
}
"""method -> its name in tables and sentences"""
BOUNDS = (-100.0, 100.0)
WIDTH = 118


class Setting(NamedTuple):
    """A data set at one partition, and a gap there."""

    name: str
    gap: Interval

    @property
    def side(self) -> int:
        """1 = shown above 0, -1 = shown below, 0 = not decided."""
        return side(self.gap)


def side(gap: Interval) -> int:
    """Side of 0 on which an interval lies; 0 = it holds 0, or has no ends."""
    return int(gap.low > 0) - int(gap.high < 0)


def against_random(method: str) -> Question:
    """The comparison of the tables: static random at equal total cost."""
    return Question(method, RANDOM, COST)


def cell(rows: pd.DataFrame, question: Question, keep_ratio: str) -> pd.DataFrame:
    """The rows of one question at one keep ratio, or of its MEAN."""
    wanted = pd.Series({**question._asdict(), "keep_ratio": keep_ratio})
    return rows[(rows[list(wanted.index)] == wanted).all(axis=1)]


def mean_gap(rows: pd.DataFrame, column: str, tests: int) -> Interval | None:
    """The mean over the prices, and over rows, of the paired gaps, with one interval over devices and seeds.

    Args:
        rows: MEAN rows of one question, one per point; a (device, seed) pair that one of them lacks is left out.
        column: "gap" or "local_gap".
        tests: intervals that decide together.

    Returns: None where there are no rows.
    """
    if rows.empty:
        return None
    return interval(np.mean([to_matrix(text) for text in rows[f"{column}s"]], axis=0), BOUNDS, tests)


def shift(rows: pd.DataFrame, tests: int) -> Interval | None:
    """What weighing by the device's own class mix adds to the gap: as `mean_gap`, of the paired differences."""
    if rows.empty:
        return None
    both = [[to_matrix(text) for text in rows[f"{column}s"]] for column in ("local_gap", "gap")]
    return interval(np.mean(both[0], axis=0) - np.mean(both[1], axis=0), BOUNDS, tests)


def settings(plain: pd.DataFrame, question: Question, column: str, tests: int) -> list[Setting]:
    """The question in every (data set, partition) of the plain points."""
    rows = cell(plain, question, MEAN)
    found = []
    for (data, partition), part in rows.groupby(["data", "partition"], sort=False):
        gap = mean_gap(part, column, tests)
        if gap is not None:
            found.append(Setting(f"{SHOWN[str(data)]} {shards(str(partition))}", gap))
    return found


def shards(partition: str) -> str:
    """'iid' or 'α 0.1'."""
    return partition.replace("dirichlet-", "α ")


def told(found: Sequence[Setting], everything: bool = True) -> str:
    """'ahead in 7 of 9 settings (+2.1 to +9.3 points), behind in 1 (-3.0), undecided in 1 (digits iid)'."""
    parts = []
    for which, word in ((1, "ahead"), (-1, "behind"), (0, "undecided")):
        own = [one for one in found if one.side == which]
        if not own:
            continue
        of = f" of {n_of(len(found), 'setting')}" if not parts and everything else ""
        names = ", ".join(one.name for one in own)
        inner = ([names] if len(own) <= 2 and len(own) < len(found) else []) + ([_range(own)] if which else [])
        parts.append(f"{word} in {len(own)}{of}" + (f" ({'; '.join(inner)})" if inner else ""))
    return ", ".join(parts)


def _range(own: Sequence[Setting]) -> str:
    """'+2.1 to +9.3', ends ascending in size."""
    values = sorted((one.gap.estimate for one in own), key=abs)
    low, high = (f"{value:+.1f}" for value in (values[0], values[-1]))
    return low if low == high else f"{low} to {high}"


def text(gap: Interval | None, bold: bool = True) -> str:
    """'+4.2 ±1.1', bold where its interval leaves out 0; a dash where there is none."""
    if gap is None or not np.isfinite(gap.estimate):
        return "–"
    mean = f"{round(gap.estimate, 1) + 0.0:+.1f}"  # no -0.0
    if not gap.is_known:
        return mean
    shown = f"{mean} ±{(gap.high - gap.low) / 2:.1f}"
    return f"**{shown}**" if bold and side(gap) else shown


def wrapped(paragraph: str) -> list[str]:
    """A paragraph as lines."""
    return textwrap.wrap(paragraph, WIDTH, break_long_words=False, break_on_hyphens=False)
