"""Findings (sentences) and claims (tests against a threshold), each with its estimate, interval and n."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from edgesim.analysis.intervals import Interval
from edgesim.formatting import n_of, percent, points
from edgesim.tasks import Metric

NOTHING = Interval()
Evidence = Literal["yes", "no", "none", "sum"]


@dataclass(frozen=True)
class Finding:
    """One sentence of a verdict."""

    kind: str
    """subject: learning, answer, disagreement, saving, accuracy, harm, devices, random, cost, use or limits"""
    text: str
    evidence: Evidence = "none"
    """yes: the data show what the sentence says; no: they show that pruning does not pay off; none: they cannot tell;
    sum: the sentence adds up prices, which needs no test"""
    estimate: float = np.nan
    """in shares (0.2 = 20 % or 20 points), as in the records; in the metric's unit where that is no share"""
    low: float = np.nan
    high: float = np.nan
    n: int = 0
    """trials or pairs behind it"""
    method: str = ""
    keep_ratio: float = np.nan
    scope: str = ""
    """limit of its validity, "this seed alone" or "this device alone"; empty where there is none"""


@dataclass(frozen=True)
class Claim:
    """One claim, its estimate and its test."""

    claim: str
    statement: str
    """with the threshold in words"""
    found: Interval = NOTHING
    threshold: float = np.nan
    above: bool = True
    """True where it holds above the threshold, False below"""
    bounds: tuple[float, float] = (-1.0, 1.0)
    """possible range of the estimate"""
    keep_ratio: float = np.nan
    unit: str = "accuracy"
    """key of a metric, or "share" or "R2" """
    reason: str = ""
    """reason why it cannot be tested, or limit of the number"""


def against(
    claim: Claim, found: Interval, threshold: float, above: bool, bounds: tuple[float, float] = (-1.0, 1.0)
) -> Claim:
    """The claim with its estimate, which holds above (or below) the threshold."""
    return replace(claim, found=found, threshold=threshold, above=above, bounds=bounds)


def finding(kind: str, text: str, evidence: Evidence, found: Interval, cell: tuple[str, float]) -> Finding:
    """A Finding with the numbers of an interval about one (method, keep_ratio), within the interval's scope."""
    if found.scope and evidence in ("yes", "no") and not found.is_known:
        evidence = "none"
    return Finding(kind, text, evidence, found.estimate, found.low, found.high, found.n, *cell, found.scope)


def with_interval(found: Interval, metric: Metric | None = None, of: str = "") -> str:
    """'12.3 % (95 % interval 11.0 to 13.6, n = 60)'; of one seed '12.3 % (this seed alone, n = 20)'.

    Args:
        found: the estimate.
        metric: metric whose difference it is; None = a share, in per cent.
        of: unit of n, for example "seed"; empty for trials or pairs.
    """
    value = metric.difference(found.estimate) if metric else percent(found.estimate)
    count = f"n = {n_of(found.n, of) if of else found.n}"
    if not found.is_known:
        return f"{value} ({found.scope or 'no interval'}, {count})"
    at_once = f", {found.tests} tested at once" if found.tests > 1 else ""
    alone = f"{found.scope}, " if found.scope and not of else ""
    return f"{value} ({alone}95 % interval {ends(found, metric)}{at_once}, {count})"


def ends(found: Interval, metric: Metric | None = None) -> str:
    """The ends of an interval of a share in per cent, '11.0 to 13.6', or of a metric's difference: '-1.0 to +2.0'."""
    low, high = (metric.difference(end, unit="") if metric else points(end, False, "") for end in found[1:3])
    return f"{low} to {high}"
