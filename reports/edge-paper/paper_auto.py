"""The goal of `auto`: its gaps to the opponents that the device's storage allows, and what it chose.

At every keep ratio under UNDER the goal is to be above random on average, and at no ratio shown below it. The best
opponent of a setting is the one with the highest mean accuracy over the ratios under UNDER. It is chosen afterwards,
from the same trials: the largest of several noisy means is too large by chance, so this comparison is biased against
`auto`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from paper_estimates import ALWAYS, COST, IMPORTANCE, OWN_MIX, RATIO, STORES_ALL, of_methods, pooled
from paper_points import TUNED, Point
from paper_records import CHOICE
from study.comparisons import GAPS, RANDOM, Question, matrix, of_question, pairs_of
from study.wording import BOUNDS

from edgesim.analysis.grouping import FULL, below_full
from edgesim.analysis.intervals import Interval, interval

AUTO, SUBSET = "auto", "auto-subset"
STATIC = (RANDOM, "random-balanced", IMPORTANCE)
OPPONENTS = {AUTO: (*STATIC, *STORES_ALL), SUBSET: STATIC}
"""method -> what the device could do instead with no more storage"""
UNDER = 0.8
"""keep ratio from which on nothing is promised"""
BEST, MEAN = "best", "mean"
ON_AVERAGE, IN_SETTING, IN_SETTING_BEST, CHOSE = "auto", "auto_in_setting", "auto_in_setting_best", "auto_chose"
"""claims of results.csv"""
GROUPS = ("all", "tuned", "untuned")
AT = tuple((at, column, at + where) for at in (COST, RATIO) for column, where in zip(GAPS, ("", OWN_MIX), strict=True))
"""(what is equal, column of the gaps, `at` of results.csv)"""

Gaps = dict[float, np.ndarray]
"""keep ratio -> gaps in points [devices, seeds]"""


class Row(NamedTuple):
    """A row of results.csv on `auto`."""

    point: Point
    claim: str
    found: Interval
    unit: str
    further: dict[str, object]


class AutoSetting:
    """Gaps of a form of `auto` in one setting."""

    def __init__(self, point: Point, records: pd.DataFrame, method: str):
        """Args: the setting; its trials, those of further methods included; AUTO or SUBSET."""
        self.point, self.method = point, method
        there = set(records["method"])
        self.opponents = tuple(name for name in OPPONENTS[method] if name in there)
        own = of_methods(records, (method, FULL, *self.opponents))
        self.ratios = tuple(sorted(set(below_full(own.loc[own["method"] == method])["keep_ratio"])))
        self.small = tuple(ratio for ratio in self.ratios if ratio < UNDER - 1e-9)
        asked = [Question(method, name, at) for name in self.opponents for at in (COST, RATIO)]
        pairs = pairs_of(own, asked, ALWAYS)
        self._gaps = {
            (one.opponent, one.at, column): self._by_ratio(of_question(pairs, one), column)
            for one in asked
            for column in GAPS
        }

    def _by_ratio(self, pairs: pd.DataFrame, column: str) -> Gaps:
        there = pairs[pairs[column].notna()]  # seeds are those in which both ran
        cells = {ratio: pairs[np.isclose(pairs["keep_ratio"], ratio)] for ratio in self.ratios}
        return {ratio: matrix(own, column, there) for ratio, own in cells.items() if own[column].notna().any()}

    def gaps(self, opponent: str, at: str, column: str) -> Gaps:
        """Gaps to one opponent, or to the BEST one, at the ratios where a trial has a partner; {} if it never ran."""
        name = self.best(at, column) if opponent == BEST else opponent
        return self._gaps.get((name, at, column), {})

    def best(self, at: str, column: str) -> str:
        """The opponent with the highest mean accuracy over the small ratios: the gap to it is the lowest."""
        gaps = {name: self.gaps(name, at, column) for name in self.opponents}
        means = {name: [np.nanmean(own[ratio]) for ratio in self.small if ratio in own] for name, own in gaps.items()}
        return min(self.opponents, key=lambda name: np.mean(means[name]) if means[name] else np.inf)


def settings_of(merged: dict[Point, pd.DataFrame], method: str) -> list[AutoSetting]:
    """The settings in which a form of `auto` ran.

    Args:
        merged: as of `rows`.
        method: AUTO or SUBSET.
    """
    return [AutoSetting(point, records, method) for point, records in merged.items()
            if (records["method"] == method).any()]  # fmt: skip


def rows(merged: dict[Point, pd.DataFrame]) -> Iterator[Row]:
    """Every row of results.csv on `auto`.

    Args:
        merged: main point -> trials, those of further methods and of SMALLERS included.
    """
    for method in OPPONENTS:
        settings = settings_of(merged, method)
        for setting in settings:
            yield from _in_setting(setting)
        for group in GROUPS:
            yield from _on_average([one for one in settings if is_in(one.point, group)], group)
        yield from _chose([merged[one.point] for one in settings], method)


def is_in(point: Point, group: str) -> bool:
    """True where a setting is of a group of GROUPS."""
    return group == "all" or (point.data in TUNED) == (group == "tuned")


def _in_setting(setting: AutoSetting) -> Iterator[Row]:
    """Gaps at every ratio to random and to the best opponent; those of the ratios hold together."""
    for at, column, named in AT:
        for claim, opponent in ((IN_SETTING, RANDOM), (IN_SETTING_BEST, setting.best(at, column))):
            for ratio, values in setting.gaps(opponent, at, column).items():
                found = interval(values, BOUNDS, len(setting.ratios))
                further = {"method": setting.method, "keep_ratio": f"{ratio:g}", "opponent": opponent, "at": named}
                yield Row(setting.point, claim, found, "points", further)


def _on_average(settings: Sequence[AutoSetting], group: str) -> Iterator[Row]:
    """Mean gaps over settings: at every ratio, whose intervals hold together, and over the ratios."""
    if not settings:
        return
    method = settings[0].method
    ratios = sorted({ratio for one in settings for ratio in one.small})
    for at, column, named in AT:
        for opponent in (*OPPONENTS[method], BEST):
            gaps = [{ratio: own for ratio, own in one.gaps(opponent, at, column).items() if ratio in one.small}
                    for one in settings]  # fmt: skip
            cells = {f"{ratio:g}": [own[ratio] for own in gaps if ratio in own] for ratio in ratios}
            cells[MEAN] = [np.mean(list(own.values()), axis=0) for own in gaps if own]
            for ratio, matrices in cells.items():
                found = pooled(matrices, 1 if ratio == MEAN else len(ratios))
                if found is not None:
                    further = {"method": method, "keep_ratio": ratio, "opponent": opponent, "at": named}
                    further["settings"] = len(matrices)
                    yield Row(Point("all", "all", "all", group), ON_AVERAGE, found, "points", further)


def _chose(tables: Sequence[pd.DataFrame], method: str) -> Iterator[Row]:
    """Shares of the trials with each choice, by keep ratio; a choice is in the column `opponent`."""
    own = [table[table["method"] == method] for table in tables if CHOICE in table]
    if not own:
        return
    trials = pd.concat(own, ignore_index=True)
    trials = trials[trials[CHOICE].fillna("") != ""]
    for ratio, part in trials.groupby("keep_ratio"):
        kinds = part[CHOICE].map(lambda text: re.sub(r"\d+", "#", text))
        for kind, share in kinds.value_counts(normalize=True, sort=False).items():
            told = _with_ranges(part.loc[kinds == kind, CHOICE])
            further = {"method": method, "keep_ratio": f"{ratio:g}", "opponent": told}
            counts = {"devices": part["device"].nunique(), "seeds": part["seed"].nunique()}
            yield Row(Point("all", "all", "all", "all"), CHOSE, Interval(float(share), **counts), "share", further)


def _with_ranges(texts: pd.Series) -> str:
    """One text for texts that differ in numbers: 'for 8 to 46 steps'."""
    numbers = [sorted(map(int, column)) for column in zip(*(re.findall(r"\d+", text) for text in texts), strict=True)]
    ranges = iter(f"{ends[0]}" if ends[0] == ends[-1] else f"{ends[0]} to {ends[-1]}" for ends in numbers)
    return re.sub(r"\d+", lambda _: next(ranges), texts.iloc[0])
