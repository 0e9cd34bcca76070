"""Gains: differences of the metric that decides in a run, oriented so that more is better, and texts of them.

All judgements are on gains. All texts and tables show differences of the metric itself: an error that falls by 0.1 is
a gain of 0.1, written as -0.1.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from edgesim.analysis.findings import Claim, against, with_interval
from edgesim.analysis.grouping import paired
from edgesim.analysis.intervals import ROUNDING, Interval
from edgesim.formatting import n_of, short_percent
from edgesim.tasks import Metric, metric_in
from edgesim.work import FloatArray


def gains(records: pd.DataFrame, baseline: str, of: str = "test") -> pd.DataFrame:
    """`grouping.paired` of the metric that decides, with `difference` as a gain.

    Args:
        records: one row per trial.
        baseline: FULL or RANDOM.
        of: one of `second_test_set.sets_there`: "test" for the common test set.
    """
    metric = metric_in(records)
    pairs = paired(records, baseline, metric.column(of))
    difference = without_rounding(pairs["difference"], pairs["base"], metric)
    return pairs.assign(difference=difference if metric.higher_is_better else 0.0 - difference)


def oriented(found: Interval, metric: Metric) -> Interval:
    """Gain of a difference with its interval, or difference of a gain: with the opposite sign for an error."""
    if metric.higher_is_better:
        return found
    return found._replace(estimate=0.0 - found.estimate, low=0.0 - found.high, high=0.0 - found.low)


def gain_in_words(gain: Interval, metric: Metric) -> str:
    """Difference of the metric behind a gain, with its interval: '-1.2 points (95 % interval …)'."""
    return with_interval(oriented(gain, metric), metric)


def against_gain(claim: Claim, gain: Interval, threshold: float, metric: Metric) -> Claim:
    """Claim that holds where a gain is above a threshold, with its numbers as differences of the metric.

    Args:
        claim: the claim.
        gain: its estimate.
        threshold: as a gain.
        metric: the metric.
    """
    found, above = oriented(gain, metric), metric.higher_is_better
    return against(claim, found, threshold if above else 0.0 - threshold, above, metric.difference_bounds)


def margin_of(metric: Metric, margin: float, pairs: pd.DataFrame) -> float:
    """Loss that counts as none, in the metric's unit; of other metrics than shares `margin` is relative to the base.

    Args:
        metric: the metric.
        margin: as in `report.margin`: 0.01 is one point, or 1 % of the base's mean value.
        pairs: from `gains`.
    """
    return margin if metric.is_share else margin * float(np.abs(pairs["base"]).mean())


def margin_in_words(margin: float, metric: Metric, base: str = "full training's") -> str:
    """0.01 -> '1 point', or "1 % of full training's" for other metrics than shares."""
    return n_of(round(100 * margin, 6), "point") if metric.is_share else f"{short_percent(margin)} of {base}"


def without_rounding(difference: pd.Series, base: pd.Series | FloatArray, metric: Metric) -> pd.Series:
    """Differences of values of a metric, 0 where they are rounding; shares are shown with few decimals as they are.

    Args:
        difference: value minus base.
        base: the other value.
        metric: the metric.
    """
    return difference if metric.is_share else difference.mask(difference.abs() < ROUNDING * np.abs(base), 0.0)
