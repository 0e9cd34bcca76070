"""Gaps with the intervals that decide: rows of results.csv to estimates, and what they show."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from results import MEAN, to_matrix
from study.comparisons import COST, RANDOM, Question
from study.wording import BOUNDS, SHOWN, Setting, shards

from edgesim.analysis.intervals import Interval, interval

LABELS = {
    "fewer-epochs": "fewer epochs",
    "rs2": "new subsets",
    "online-loss": "online loss",
    "online-loss-unbiased": "unbiased online loss",
    "random-balanced": "balanced random",
    "equal-classes": "equal classes",
    "top-loss": "top loss",
    "top-loss-balanced": "balanced top loss",
}
"""method -> its name in tables and sentences"""
COUNTED = {
    "top-loss": "top loss, thrown away",
    "top-loss-counted": "top loss, counted",
    "stratified-counted": "stratified, counted",
}
"""methods of the table on a first epoch that counts"""


def against_random(method: str) -> Question:
    """The comparison of the tables: static random at equal total cost."""
    return Question(method, RANDOM, COST)


def cell(rows: pd.DataFrame, question: Question, keep_ratio: str) -> pd.DataFrame:
    """The rows of one question at one keep ratio, or of its MEAN."""
    wanted = pd.Series({**question._asdict(), "keep_ratio": keep_ratio})
    return rows[(rows[list(wanted.index)] == wanted).all(axis=1)]


def everywhere(plain: pd.DataFrame, methods: Iterable[str]) -> list[str]:
    """The methods that are finished in every (data set, partition) of these rows: their means are of all settings."""
    where = ["data", "partition"]
    every = len(plain[where].drop_duplicates())
    counts = {name: len(cell(plain, against_random(name), MEAN)[where].drop_duplicates()) for name in methods}
    return [name for name, count in counts.items() if count == every > 0]


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
