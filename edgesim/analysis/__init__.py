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
from edgesim.analysis.claims import paper_claims
from edgesim.analysis.classes import class_counts, skew, starved
from edgesim.analysis.comparison import (
    QUANTITIES,
    against_first,
    best_of_fleets,
    fleets,
    fronts,
    mean_differences,
    paired_runs,
    scenario_differences,
)
from edgesim.analysis.curves import CURVE_VALUES, bands, curve_means, final_accuracy
from edgesim.analysis.findings import Finding
from edgesim.analysis.heterogeneity import (
    by_device,
    fairness,
    gini,
    headroom,
    infeasible,
    jain,
    spread_of_profiles,
    stragglers,
    winner_counts,
    winners,
    worst_tenth,
)
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
from edgesim.analysis.kept import extremes, overlap, score_histogram, score_quantiles, trace_means
from edgesim.analysis.means import (
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
from edgesim.analysis.pareto import accuracy_against, front
from edgesim.analysis.prices import compare_prices, price_sources
from edgesim.analysis.ratios import best_ratios
from edgesim.analysis.sides import fleet_findings, run_findings
from edgesim.analysis.verdict import verdict_of

__all__ = [
    "COSTS",
    "CURVE_VALUES",
    "FULL",
    "QUANTITIES",
    "RANDOM",
    "SUMMARY_COLUMNS",
    "Answer",
    "Finding",
    "Fit",
    "Interval",
    "accuracy_against",
    "against_first",
    "bands",
    "best_of_fleets",
    "best_ratios",
    "bootstrap_interval",
    "by_device",
    "by_profile",
    "class_counts",
    "compare_prices",
    "complete",
    "cost_by_ratio",
    "curve_means",
    "device_by_seed",
    "extremes",
    "failures",
    "fairness",
    "final_accuracy",
    "fleet_findings",
    "fleets",
    "front",
    "fronts",
    "gap_to_full",
    "gap_to_random",
    "gini",
    "groups",
    "headroom",
    "holm",
    "infeasible",
    "interval",
    "jain",
    "linear_fit",
    "mean_differences",
    "methods_of",
    "ok",
    "overlap",
    "p_above",
    "p_below",
    "paired",
    "paired_runs",
    "paper_claims",
    "price_sources",
    "ranges",
    "ratio_interval",
    "run_findings",
    "scenario_differences",
    "score_histogram",
    "score_quantiles",
    "skew",
    "spread_of_profiles",
    "starved",
    "stragglers",
    "summary",
    "time_fits",
    "trace_means",
    "trial_mean",
    "verdict_of",
    "winner_counts",
    "winners",
    "worst_tenth",
]
