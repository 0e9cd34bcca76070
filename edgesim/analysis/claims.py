"""Claims of the edge paper about importance pruning, each tested on one run.

Every claim is an estimate against a stated threshold, because the paper's words ("negligible", "statistically
indistinguishable") need a number to be tested. Intervals are simultaneous over all testable claims (Bonferroni). A
claim holds, or does not, where its interval lies on one side of the threshold. Otherwise the run cannot tell.
"Not significantly different" is never taken as "equal": accuracy is preserved where a loss of the margin is ruled out.
Claims that compare keep ratios are tested over the (seed, device) pairs that finish at all of them.

RunTables: edge paper, sections VI-B (20 % is redundant), VI-C and Fig. 8 (half the data matches full), VI-D and Fig. 9
(never below random, most above it at small ratios), Fig. 10 and Eqs. 26-28 (linear time, negligible scoring).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from edgesim.analysis import robustness
from edgesim.analysis.accuracy_loss import losses_to_full
from edgesim.analysis.equal_cost import at_equal_cost
from edgesim.analysis.findings import Claim, against
from edgesim.analysis.gains import against_gain, gains, margin_of
from edgesim.analysis.grouping import (
    FULL,
    KEYS,
    OPPONENTS,
    RANDOM,
    AnalysisResult,
    below_full,
    complete,
    device_by_seed,
    everywhere,
    groups,
    in_stack,
    ok,
    own_ratio,
    paired,
    result,
)
from edgesim.analysis.intervals import interval, lies, p_two_sided, ratio_interval, simultaneous
from edgesim.analysis.means import linear_fit
from edgesim.formatting import n_of, short_percent
from edgesim.results import text_columns
from edgesim.tasks import ACCURACY, Metric, metric_in

COLUMNS = [
    "claim", "statement", "method", "keep_ratio", "estimate", "low", "high", "threshold", "unit", "n", "devices",
    "seeds", "p", "p_adjusted", "verdict", "reason",
]  # fmt: skip
MARGINS = {0.8: 0.01, 0.5: 0.02}
"""keep_ratio -> loss that still counts as preserved (`gains.margin_of`): our numbers for the paper's "statistically
indistinguishable" (VI-B, 0.8) and "effectively matching" (VI-C, 0.5)"""
RANDOM_MARGIN = 0.005
"""how far below random still counts as "not below": half a point, or 0.5 % of random's value"""
SMALL, LARGE = 0.3, 0.5
"""ratios up to SMALL are the paper's aggressive regime (Fig. 9), from LARGE on its moderate one"""
LINEAR_R2 = 0.95
PROPORTION = 0.05
"""largest deviation from proportional cost, as a share of the full cost (Eq. 27)"""
SCORING_SHARE = 0.05
"""share that still counts as "negligible" (V-D, VI-D)"""
NO_PAIR = "no (seed, device) pair has a partner at every keep ratio"
HOLDS, FAILS, OPEN = "holds", "does not hold", "cannot tell"


def paper_claims(
    records: pd.DataFrame,
    shards: pd.DataFrame | None = None,
    iid: pd.DataFrame | None = None,
    method: str = "importance",
    *,
    together: bool = True,
) -> AnalysisResult:
    """Test the paper's claims.

    Args:
        records: one row per trial of a run with `full`, `random` and the method; claims without data stay open.
        shards: the run's table of shards, for the robustness to skewed data; None or empty if there is none.
        iid: records of the same scenario with an IID partition, for the same.
        method: the method tested.
        together: False: the interval of each claim stands by itself.

    Returns: COLUMNS, one row per claim. `estimate`, `low`, `high` and `threshold` are in `unit`: "accuracy" (0.01 = one
        point) or the key of another metric, "share" or "R2". `low` and `high` are simultaneous over the claims (if
        `together`). `p` is two-sided against the threshold, `p_adjusted` corrected as the interval is. `verdict` is
        "holds" or "does not hold" (of one device with "on this device alone"), or "cannot tell", then with a `reason`.
        One seed decides no claim.
    """
    good = ok(complete(records))
    if not (good["method"] == method).any():
        return result([], COLUMNS, f"No trial of {method} ended well, so the paper's claims cannot be tested.")
    tested = [*_of_run(good, method), *robustness.claims_of(good, method, shards, iid)]
    known = sum(one.found.is_known for one in tested)
    return result([_row(one, method, max(known, 1) if together else 1) for one in tested], COLUMNS)


@text_columns.new_as_objects()
def _of_run(good: pd.DataFrame, method: str) -> list[Claim]:
    """Claims that need the records of one run only."""
    pairs = losses_to_full(good, method).pairs  # those of the verdict, which speaks about the same loss
    preserved = [_preserved(pairs, ratio, metric_in(good)) for ratio in MARGINS]
    return [*preserved, *_against_random(good, method), *_at_equal_cost(good, method), *_cost(good, method)]


def _row(one: Claim, method: str, claims: int) -> tuple[object, ...]:
    """One claim as a row: the interval that decides it is simultaneous over `claims`."""
    found = simultaneous(one.found, one.found.tests * claims, one.bounds)
    side = lies(found, one.threshold) * (1 if one.above else -1)
    verdict, reason = OPEN, one.reason
    if side:
        verdict = HOLDS if side > 0 else FAILS
        verdict += f" on {found.scope}" if found.scope else ""
    elif not reason:
        reason = "the interval is too wide to tell"
        if not found.is_known:
            reason = found.scope or "too few pairs"
    p, corrected = p_two_sided(one.found._replace(tests=1), one.threshold), p_two_sided(found, one.threshold)
    ends = (found.estimate, found.low, found.high, one.threshold, one.unit)
    counts = (found.n, found.devices, found.seeds)
    return (one.claim, one.statement, method, one.keep_ratio, *ends, *counts, p, corrected, verdict, reason)


def _preserved(pairs: pd.DataFrame, ratio: float, metric: Metric) -> Claim:
    margin = MARGINS[ratio]
    below = f"{_by(margin, metric)} {metric.beyond}"
    statement = f"At keep ratio {ratio:g} {metric.noun} is at most {below} full training{_whose(metric)}"
    claim = Claim(f"preserved_{ratio:g}", statement, keep_ratio=ratio, unit=metric.key)
    pairs = pairs[np.isclose(pairs["keep_ratio"], ratio)]
    if pairs.empty:
        return replace(claim, reason=f"no trial at keep ratio {ratio:g} has a partner in full")
    found = interval(device_by_seed(pairs, "difference"), metric.difference_bounds)
    return against_gain(claim, found, -margin_of(metric, margin, pairs), metric)


def _against_random(good: pd.DataFrame, method: str) -> list[Claim]:
    metric = metric_in(good)
    better, bounds, unit = metric.beyond_good, metric.difference_bounds, metric.key
    margin = f"{_by(RANDOM_MARGIN, metric)} {metric.beyond} random{_whose(metric)}"
    never = Claim("never_below_random", f"At no ratio is {_it(metric)} more than {margin}", unit=unit)
    ahead = Claim("above_random_small", f"Up to keep ratio {SMALL:g} {_it(metric)} is {better} random{_whose(metric)}",
                  unit=unit)  # fmt: skip
    lead = f"Its lead on random up to {SMALL:g} is larger than that from {LARGE:g} on"
    most = Claim("gap_largest_small", lead, unit=unit)
    pairs = below_full(gains(good[good["method"].isin([method, RANDOM])], RANDOM))
    if pairs.empty:
        reason = "no trial below keep ratio 1 has a partner in random"
        return [replace(one, reason=reason) for one in (never, ahead, most)]
    pairs = everywhere(pairs)
    if pairs.empty:
        return [replace(one, reason=NO_PAIR) for one in (never, ahead, most)]
    parts = [(ratio, device_by_seed(part, "difference")) for _, ratio, part in groups(pairs)]
    # All ratios have to pass, and one that fails is enough: their intervals are simultaneous.
    cells = [(ratio, interval(values, bounds, len(parts))) for ratio, values in parts]
    least = -margin_of(metric, RANDOM_MARGIN, pairs)
    ratio, worst = min(cells, key=lambda cell: (cell[1].high >= least, cell[1].low, cell[1].estimate))
    never = replace(against_gain(never, worst, least, metric), keep_ratio=ratio)
    small = _mean_over_ratios(pairs[pairs["keep_ratio"] <= SMALL])
    large = _mean_over_ratios(pairs[pairs["keep_ratio"] >= LARGE])
    if small.empty:
        return [never, *(replace(one, reason=f"no keep ratio up to {SMALL:g}") for one in (ahead, most))]
    ahead = against_gain(ahead, interval(device_by_seed(small, "difference"), bounds), 0.0, metric)
    both = small.merge(large, on=["seed", "device"], suffixes=("", "_large"))
    if both.empty:
        return [never, ahead, replace(most, reason=f"no keep ratio in [{LARGE:g}, 1)")]
    both["difference"] -= both["difference_large"]
    twice = (2 * bounds[0], 2 * bounds[1])  # of two differences
    found = interval(device_by_seed(both, "difference"), twice)
    return [never, ahead, against(most, found, 0.0, above=True, bounds=twice)]


def _at_equal_cost(good: pd.DataFrame, method: str) -> list[Claim]:
    """Mean over ratios of accuracy minus that of each opponent at the same energy."""
    claims, metric = [], metric_in(good)
    for opponent in OPPONENTS:
        statement = f"At equal total cost {_it(metric)} is {metric.beyond_good} {opponent}{_whose(metric)}"
        claim = Claim(f"above_{opponent}_equal_cost", statement, unit=metric.key)
        if not (good["method"] == opponent).any():
            claims.append(replace(claim, reason=f"{opponent} did not run"))
            continue
        pairs = at_equal_cost(good, method, opponent)
        if pairs.empty:
            claims.append(replace(claim, reason=f"no trial costs as much as the cheapest one of {opponent}"))
            continue
        pairs = everywhere(pairs).assign(difference=lambda table: metric.sign * table["gap"])
        if pairs.empty:
            claims.append(replace(claim, reason=NO_PAIR))
            continue
        found = interval(device_by_seed(_mean_over_ratios(pairs), "difference"), metric.difference_bounds)
        claims.append(against_gain(claim, found, 0.0, metric))
    return claims


def _by(margin: float, metric: Metric) -> str:
    """A margin of a claim in words: '1 point', or '1 %' of the value compared with."""
    return n_of(100 * margin, "point") if metric.is_share else short_percent(margin)


def _it(metric: Metric) -> str:
    """The method, which stands above another by its accuracy; of another metric its value."""
    return "it" if metric is ACCURACY else f"its {metric.title}"


def _whose(metric: Metric) -> str:
    """Ending of the name of what a value is compared with."""
    return "" if metric is ACCURACY else "'s"


def _mean_over_ratios(pairs: pd.DataFrame) -> pd.DataFrame:
    return pairs.groupby(["seed", "device"])["difference"].mean().reset_index()


def _cost(good: pd.DataFrame, method: str) -> list[Claim]:
    return [
        _linear(good, method, "device_train_time_s", "emulated"),
        _linear(good, method, "host_train_wall_s", "measured on the simulating machine"),
        _proportional(good, method),
        _negligible(good, method),
        _as_fast_as_random(good, method),
    ]


def _linear(good: pd.DataFrame, method: str, column: str, what: str) -> Claim:
    """R² of training time against keep_ratio, one line per device and seed."""
    statement = f"Training time ({what}) is linear in the keep ratio: R² above {LINEAR_R2:g}"
    claim = Claim(f"linear_{column.split('_')[0]}", statement, unit="R2")
    own = good[good["method"] == method]
    if column.startswith("host_"):
        alone = own[~in_stack(own)]
        if len(own) and alone.empty:
            return replace(claim, reason="small networks were trained in stacks, so a training has no time of its own")
        own = alone
    rows = []
    ratio, time_s = (own[name].to_numpy(dtype=np.float64) for name in ("keep_ratio", column))
    is_by_rule = (own["ratio_rule"].fillna("") != "").to_numpy(dtype=bool)
    pairs = own[KEYS].to_numpy()
    for trials in own.groupby(KEYS).indices.values():
        if len(np.unique(ratio[trials])) >= 3 and not is_by_rule[trials].any():
            rows.append((*pairs[trials[0]], linear_fit(ratio[trials], time_s[trials]).r2))
    fits = pd.DataFrame(rows, columns=["seed", "device", "r2"])
    if fits["r2"].notna().sum() == 0:
        return replace(claim, reason="a line needs three keep ratios of one device to be judged")
    return against(claim, interval(device_by_seed(fits, "r2"), (0.0, 1.0)), LINEAR_R2, above=True, bounds=(0.0, 1.0))


def _proportional(good: pd.DataFrame, method: str) -> Claim:
    """Mean over ratios of |time / time of full - keep ratio|, scoring included (Eqs. 27 and 28)."""
    statement = f"Time is within {short_percent(PROPORTION)} of full training's of proportional to the keep ratio"
    claim = Claim("proportional", f"{statement}, scoring included", unit="share")
    pairs = paired(good[good["method"].isin([method, FULL])], FULL, "device_time_s")
    pairs = pairs[(pairs["keep_ratio"] < 1) & (pairs["base"] > 0)].copy()
    if pairs.empty:
        return replace(claim, reason="no trial below keep ratio 1 has a partner in full with a device time")
    pairs["difference"] = (pairs["device_time_s"] / pairs["base"] - own_ratio(pairs)).abs()
    pairs = everywhere(pairs)
    if pairs.empty:
        return replace(claim, reason=NO_PAIR)
    found = interval(device_by_seed(_mean_over_ratios(pairs), "difference"), (0.0, np.inf))
    return against(claim, found, PROPORTION, above=False, bounds=(0.0, np.inf))


def _negligible(good: pd.DataFrame, method: str) -> Claim:
    """Scoring's share of the whole device time at the ratio nearest to one half."""
    own = good[(good["method"] == method) & (good["keep_ratio"] < 1)]
    own = own[own["device_time_s"].notna() & own["device_score_time_s"].notna()]
    claim = Claim(
        "scoring_negligible", f"Scoring takes less than {short_percent(SCORING_SHARE)} of the time", unit="share"
    )
    if own.empty:
        return replace(claim, reason="no trial below keep ratio 1 has a device time with its scoring part")
    ratio = min(sorted(set(own["keep_ratio"])), key=lambda r: abs(r - 0.5))
    own = own[own["keep_ratio"] == ratio]
    claim = replace(claim, keep_ratio=float(ratio))
    own = own.dropna(subset=["device_score_time_s", "device_time_s"])  # the two matrices are of the same trials
    found = ratio_interval(device_by_seed(own, "device_score_time_s"), device_by_seed(own, "device_time_s"))
    return against(claim, found, SCORING_SHARE, above=False, bounds=(0.0, 1.0))


def _as_fast_as_random(good: pd.DataFrame, method: str) -> Claim:
    """Mean over ratios of time / random's time - 1 (Fig. 10: the two are statistically indistinguishable)."""
    statement = f"Its time is less than {short_percent(SCORING_SHARE)} above random's at equal ratio"
    claim = Claim("as_fast_as_random", statement, unit="share")
    pairs = paired(good[good["method"].isin([method, RANDOM])], RANDOM, "device_time_s")
    pairs = pairs[(pairs["keep_ratio"] < 1) & (pairs["base"] > 0)].copy()
    if pairs.empty:
        return replace(claim, reason="no trial below keep ratio 1 has a partner in random with a device time")
    pairs["difference"] = pairs["difference"] / pairs["base"]
    pairs = everywhere(pairs)
    if pairs.empty:
        return replace(claim, reason=NO_PAIR)
    found = interval(device_by_seed(_mean_over_ratios(pairs), "difference"))
    return against(claim, found, SCORING_SHARE, above=False, bounds=(-np.inf, np.inf))
