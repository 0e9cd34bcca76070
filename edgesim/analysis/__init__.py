"""A run's tables -> what they say: means and intervals, claims, prices, what was kept. Pure functions on DataFrames.

Each module is one question. Functions with something that may be missing return an `Answer`: a table, and sentences on
what cannot be said because of what.
"""

from edgesim.analysis.break_even import break_even
from edgesim.analysis.cells import (
    FULL,
    OPPONENTS,
    RANDOM,
    Answer,
    complete,
    device_by_seed,
    dropped,
    everywhere,
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
    fronts,
    mean_differences,
    paired_runs,
    scenario_differences,
)
from edgesim.analysis.curves import CURVE_VALUES, bands, curve_means, final_accuracy
from edgesim.analysis.equal_cost import equal_cost, opponents_of
from edgesim.analysis.fairness import fairness, gini, jain, winner_counts, winners, worst_tenth
from edgesim.analysis.findings import Finding
from edgesim.analysis.fleets import best_of_fleets, composition, fleets, of_each_fleet, on_every_fleet
from edgesim.analysis.heterogeneity import by_device, headroom, infeasible, spread_of_profiles, stragglers
from edgesim.analysis.intervals import (
    Interval,
    interval,
    p_above,
    p_below,
    ratio_interval,
    trial_mean,
)
from edgesim.analysis.kept import (
    dynamic_methods,
    extremes,
    kept_at,
    overlap,
    score_histogram,
    score_quantiles,
    trace_means,
    without_extremes,
)
from edgesim.analysis.losses import MARGIN, losses_to_full, skewed
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
from edgesim.analysis.parts import ENERGY_PARTS, TIME_PARTS, cost_parts, parts_by_profile
from edgesim.analysis.prices import compare_prices, device_prices, price_sources
from edgesim.analysis.ratios import best_ratios
from edgesim.analysis.sides import SHOWN_LAMBDA, equal_cost_findings, fleet_findings, run_findings
from edgesim.analysis.storage import storage_bound
from edgesim.analysis.verdict import verdict_of

__all__ = [
    "COSTS",
    "CURVE_VALUES",
    "ENERGY_PARTS",
    "FULL",
    "MARGIN",
    "OPPONENTS",
    "QUANTITIES",
    "RANDOM",
    "SHOWN_LAMBDA",
    "SUMMARY_COLUMNS",
    "TIME_PARTS",
    "Answer",
    "Finding",
    "Fit",
    "Interval",
    "accuracy_against",
    "against_first",
    "bands",
    "best_of_fleets",
    "best_ratios",
    "break_even",
    "by_device",
    "by_profile",
    "class_counts",
    "compare_prices",
    "complete",
    "composition",
    "cost_by_ratio",
    "cost_parts",
    "curve_means",
    "device_by_seed",
    "device_prices",
    "dropped",
    "dynamic_methods",
    "equal_cost",
    "equal_cost_findings",
    "everywhere",
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
    "infeasible",
    "interval",
    "jain",
    "kept_at",
    "linear_fit",
    "losses_to_full",
    "mean_differences",
    "methods_of",
    "of_each_fleet",
    "ok",
    "on_every_fleet",
    "opponents_of",
    "overlap",
    "p_above",
    "p_below",
    "paired",
    "paired_runs",
    "paper_claims",
    "parts_by_profile",
    "price_sources",
    "ranges",
    "ratio_interval",
    "run_findings",
    "scenario_differences",
    "score_histogram",
    "score_quantiles",
    "skew",
    "skewed",
    "spread_of_profiles",
    "starved",
    "storage_bound",
    "stragglers",
    "summary",
    "time_fits",
    "trace_means",
    "trial_mean",
    "verdict_of",
    "winner_counts",
    "winners",
    "without_extremes",
    "worst_tenth",
]
