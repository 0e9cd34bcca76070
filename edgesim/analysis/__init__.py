"""A run's tables -> what they say: means and intervals, claims, prices, what was kept. Pure functions on DataFrames.

Each module is one question. Functions with something that may be missing return an `Answer`: a table, and sentences on
what cannot be said because of what.
"""

from edgesim.analysis.cells import (
    FULL,
    RANDOM,
    Answer,
    complete,
    device_by_seed,
    groups,
    methods_of,
    ok,
    paired,
    ranges,
)
from edgesim.analysis.curves import CURVE_VALUES, curve_means
from edgesim.analysis.intervals import (
    Interval,
    bootstrap_interval,
    holm,
    interval,
    p_above,
    p_below,
    ratio_interval,
    trial_mean,
)
from edgesim.analysis.summary import (
    COSTS,
    SUMMARY_COLUMNS,
    Fit,
    by_profile,
    cost_by_ratio,
    failures,
    gap_to_full,
    gap_to_random,
    linear_fit,
    summary,
    time_fits,
)

__all__ = [
    "COSTS",
    "CURVE_VALUES",
    "FULL",
    "RANDOM",
    "SUMMARY_COLUMNS",
    "Answer",
    "Fit",
    "Interval",
    "bootstrap_interval",
    "by_profile",
    "complete",
    "cost_by_ratio",
    "curve_means",
    "device_by_seed",
    "failures",
    "gap_to_full",
    "gap_to_random",
    "groups",
    "holm",
    "interval",
    "linear_fit",
    "methods_of",
    "ok",
    "p_above",
    "p_below",
    "paired",
    "ranges",
    "ratio_interval",
    "summary",
    "time_fits",
    "trial_mean",
]
