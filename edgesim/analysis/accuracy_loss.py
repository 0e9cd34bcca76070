"""Accuracy of a method against full training: the loss that is ruled out at each keep ratio.

All sentences on a method's accuracy use the same intervals: one per keep ratio, simultaneous over them. A keep ratio is
safe where its interval rules out a loss of more than the margin (non-inferiority). It is harmful where the interval
lies below zero. Otherwise the run cannot tell. "Not significant" is never taken for "safe".

Of another task than a classification, the first of its metrics takes the place of accuracy, as a gain (`gains`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from edgesim.analysis.gains import gains, margin_of
from edgesim.analysis.grouping import (
    FULL,
    below_full,
    complete,
    device_by_seed,
    dropped,
    everywhere,
    groups,
    ok,
)
from edgesim.analysis.intervals import Interval, Repetitions, interval, lies, repetitions_needed
from edgesim.analysis.second_test_set import second_test_set
from edgesim.tasks import Metric, metric_in

MARGIN = 0.01
"""loss that counts as none, unless the scenario sets `report.margin`: one point, or 1 % of full training's value of a
metric that is no share"""


@dataclass(frozen=True)
class AccuracyLosses:
    """Gain of one method over full training in accuracy, per keep ratio below 1, ratios descending."""

    method: str
    metric: Metric
    asked: float
    """margin as in `report.margin`"""
    margin: float
    """the same in the metric's unit (`gains.margin_of`)"""
    pairs: pd.DataFrame
    """trials with the gains `difference` (common test set) and `second_difference` (`second_test_set`)"""
    common: dict[float, Interval] = field(default_factory=dict)
    """keep_ratio -> gain over full's on the common test set, simultaneous over the ratios"""
    second: dict[float, Interval] = field(default_factory=dict)
    """the same on the second test set"""
    left_out: tuple[str, ...] = ()
    """sentence on the pairs that do not finish at every ratio"""

    @property
    def safe(self) -> list[float]:
        """Keep ratios at which a loss of more than the margin is ruled out."""
        return [ratio for ratio, found in self.common.items() if lies(found, -self.margin) > 0]

    @property
    def harmful(self) -> list[float]:
        """Keep ratios at which a loss is shown."""
        return [ratio for ratio, found in self.common.items() if lies(found, 0.0) < 0]

    @property
    def recommended(self) -> float | None:
        """The smallest safe keep ratio; None where there is none."""
        return min(self.safe, default=None)

    @property
    def discussed_ratio(self) -> float | None:
        """The recommended keep ratio, else the largest without a shown loss, else the largest.

        None where no trial has a partner in full.
        """
        if self.recommended is not None:
            return self.recommended
        return max(
            (ratio for ratio in self.common if ratio not in self.harmful), default=max(self.common, default=None)
        )

    def on_second(self) -> AccuracyLosses:
        """The same with the results on the second test set in place of those on the common one."""
        pairs = self.pairs.assign(difference=self.pairs["second_difference"])
        return replace(self, pairs=pairs, common={at: found for at, found in self.second.items() if found.n})

    def repetitions(self) -> tuple[float, Repetitions] | None:
        """Keep ratio that the fewest additional seeds could show to be safe, if its estimate holds; and how many.

        None where every ratio's estimate is a loss of the margin or more, or where there is one seed.
        """
        found = []
        for ratio, own in self.common.items():
            if own.is_known and own.estimate > -self.margin:
                values = device_by_seed(_at(self.pairs, ratio), "difference")
                found.append((ratio, repetitions_needed(values, own.estimate + self.margin, own.tests)))
        possible = [one for one in found if one[1] != (None, None)]
        return min(possible, key=lambda one: (one[1].seeds or 10**6, one[1].devices or 10**6), default=None)


def losses_to_full(records: pd.DataFrame, method: str, margin: float = MARGIN) -> AccuracyLosses:
    """Gain over `full`, paired by seed and device, over the pairs that finish at every keep ratio.

    Where no pair finishes at all of them, each ratio is over its own pairs.

    Args:
        records: one row per trial.
        method: the method.
        margin: loss that counts as none, >= 0; relative for a metric that is no share (`gains.margin_of`).
    """
    metric = metric_in(records)
    good = ok(complete(records))
    both = good[good["method"].isin([method, FULL])]
    both = both.assign(row=np.arange(len(both)))  # a device may have no value on the second test set
    pairs = below_full(gains(both, FULL))
    second = gains(both, FULL, second_test_set(good).of).set_index("row")["difference"]
    pairs = pairs.assign(second_difference=second.reindex(pairs["row"]).to_numpy()).drop(columns="row")
    same = everywhere(pairs)
    left_out = dropped(pairs, same)
    if same.empty and len(pairs):
        same, left_out = pairs, ("No (seed, device) pair finishes at every keep ratio, so the ratios are over "
                                 "different devices. Differences between them may come from the devices.",)  # fmt: skip
    cells = [(ratio, part) for _, ratio, part in groups(same)]
    cells.sort(key=lambda cell: -cell[0])
    tests = max(len(cells), 1)
    bounds = metric.difference_bounds
    common = {ratio: interval(device_by_seed(part, "difference"), bounds, tests) for ratio, part in cells}
    other = {ratio: interval(device_by_seed(part, "second_difference"), bounds, tests) for ratio, part in cells}
    return AccuracyLosses(method, metric, margin, margin_of(metric, margin, same), same, common, other, left_out)


def distributions_disagree(common: Interval, second: Interval, margin: float = 0.0) -> bool:
    """True where the results on the two test sets are opposite, and both are shown by their intervals.

    On one, a loss of more than the margin is ruled out. On the other, a loss is shown, and more than the margin is not
    ruled out. With a margin of 0: a lead is shown on one, a loss on the other.
    """
    safe = [lies(one, -margin) > 0 for one in (common, second)]
    hurt = [lies(one, 0.0) < 0 for one in (common, second)]
    return (safe[0] and hurt[1] and not safe[1]) or (safe[1] and hurt[0] and not safe[0])


def _at(pairs: pd.DataFrame, ratio: float) -> pd.DataFrame:
    return pairs[np.isclose(pairs["keep_ratio"], ratio)]
