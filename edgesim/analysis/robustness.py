"""Cost of pruning on skewed data: within one run by each device's skew, or against an IID run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from scipy import special

from edgesim.analysis.classes import class_skew
from edgesim.analysis.findings import Claim
from edgesim.analysis.gains import against_gain, gains, margin_of
from edgesim.analysis.grouping import FULL, below_full, device_by_seed, ok
from edgesim.analysis.intervals import LEVEL, Interval, interval
from edgesim.formatting import n_of, short_percent
from edgesim.tasks import Metric, metric_in

MARGIN = 0.02
"""additional loss of accuracy on skewed data that still counts as robust: two points"""


def claims_of(records: pd.DataFrame, method: str, shards: pd.DataFrame | None, iid: pd.DataFrame | None) -> list[Claim]:
    """Two claims on skewed data (edge paper, section VI, aspect 4).

    Args:
        records: trials that ended well.
        method: the method tested.
        shards: the run's table of shards; None or empty where there is none.
        iid: records of an IID run of the same scenario, or None.
    """
    ratio, losses = _losses(records, method)
    metric = metric_in(records)
    within_run, versus_iid = (
        Claim(name, statement, keep_ratio=ratio, unit=metric.key)
        for name, statement in zip(("robust_to_skew", "robust_to_non_iid"), _statements(metric), strict=True)
    )
    if losses.empty:
        reason = "no trial below keep ratio 1 has a partner in full"
        return [replace(within_run, reason=reason), replace(versus_iid, reason=reason)]
    least = -margin_of(metric, MARGIN, losses)
    most = 2 * metric.difference_bounds[1]  # of two differences
    if shards is None or shards.empty:
        within_run = replace(within_run, reason="the run folder has no table of shards, so the skew is unknown")
    else:
        effect = skew_effect(losses, class_skew(shards).table, most)
        within_run = replace(against_gain(within_run, effect, least, metric), bounds=(-most, most))
        if not within_run.found.is_known and not within_run.found.scope:
            within_run = replace(within_run, reason="four devices of different skew are needed")
    if iid is None:
        return [within_run, replace(versus_iid, reason="no IID run was given to compare with")]
    _, pairs = _losses(ok(iid), method, ratio)
    if pairs.empty:
        return [within_run, replace(versus_iid, reason=f"the IID run has no such trial at keep ratio {ratio:g}")]
    own, other = (interval(device_by_seed(table, "difference")) for table in (losses, pairs))
    against_iid = against_gain(versus_iid, difference(own, other), least, metric)
    return [within_run, replace(against_iid, bounds=(-most, most))]


def _statements(metric: Metric) -> tuple[str, str]:
    """Statements of the two claims."""
    if metric.is_share:
        margin = n_of(100 * MARGIN, "point")
        return (
            f"The most skewed device loses at most {margin} more by pruning than the least skewed",
            f"Pruning costs at most {margin} more than in the IID run",
        )
    margin = f"{short_percent(MARGIN)} of full training's"
    return (
        f"By pruning, {metric.noun} of the most skewed device rises at most {margin} more than the least skewed's",
        f"By pruning, {metric.noun} rises at most {margin} more than in the IID run",
    )


def skew_effect(losses: pd.DataFrame, skews: pd.DataFrame, most: float = 2.0) -> Interval:
    """Additional loss of the most skewed device over the least skewed, by a line through all devices.

    Ordinary least squares of `difference` on `skew` with a level per seed; devices of one seed hold different data.

    Args:
        losses: seed device difference, the gain over `full`.
        skews: seed device skew, from `class_skew`.
        most: largest possible difference of two losses.

    Returns: slope x (largest - smallest skew) with its 95 % t-interval; without ends for fewer than four pairs or two
        seeds.
    """
    table = losses.merge(skews[["seed", "device", "skew"]], on=["seed", "device"])
    within_run = table[["difference", "skew"]] - table.groupby("seed")[["difference", "skew"]].transform("mean")
    x, y = within_run["skew"].to_numpy(dtype=np.float64), within_run["difference"].to_numpy(dtype=np.float64)
    n, seeds = len(table), table["seed"].nunique()
    free = n - seeds - 1
    spread = float(x @ x)
    if n < 4 or free < 1 or spread < 1e-12:
        return Interval(n=n, devices=table["device"].nunique(), seeds=seeds)
    slope = float(x @ y) / spread
    span = float(table["skew"].max() - table["skew"].min())
    error = span * float(np.sqrt(((y - slope * x) ** 2).sum() / free / spread))
    half = float(special.stdtrit(free, (1 + LEVEL) / 2)) * error
    estimate = slope * span
    if seeds < 2:
        return Interval(estimate, n=n, devices=table["device"].nunique(), seeds=seeds)
    ends = (max(estimate - half, -most), min(estimate + half, most))
    return Interval(estimate, *ends, error, float(free), n, table["device"].nunique(), seeds)


def difference(a: Interval, b: Interval) -> Interval:
    """The difference of two independent means, a - b: the factors of both, each with its own t (`half_width`)."""
    variances = np.array([a.standard_error**2, b.standard_error**2])
    total = float(variances.sum())
    counts = (a.n + b.n, min(a.devices, b.devices), min(a.seeds, b.seeds))
    if not np.isfinite(total):
        return Interval(a.estimate - b.estimate, np.nan, np.nan, np.nan, np.nan, *counts)
    free = total**2 / float((variances**2 / np.array([a.degrees, b.degrees])).sum()) if total > 0 else 1.0
    estimate = a.estimate - b.estimate
    found = Interval(estimate, np.nan, np.nan, float(np.sqrt(total)), free, *counts, 1, a.parts + b.parts)
    return found._replace(low=estimate - found.half_width(), high=estimate + found.half_width())


def _losses(records: pd.DataFrame, method: str, wanted: float = 0.5) -> tuple[float, pd.DataFrame]:
    """Ratio nearest to the wanted one, and the gain over `full` there."""
    pairs = gains(records[records["method"].isin([method, FULL])], FULL)
    pairs = below_full(pairs)
    ratios = sorted({float(ratio) for ratio in pairs["keep_ratio"]})
    if not ratios:
        return np.nan, pairs
    nearest = min(ratios, key=lambda ratio: abs(ratio - wanted))
    return nearest, pairs[pairs["keep_ratio"] == nearest]
