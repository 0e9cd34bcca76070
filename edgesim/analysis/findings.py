"""Sentences that data support, and claims tested against a threshold: each with its estimate, interval and n."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from edgesim.analysis.intervals import Interval, p_above, p_below

NOTHING = Interval()
Evidence = Literal["yes", "no", "none"]


@dataclass(frozen=True)
class Finding:
    """One sentence of a verdict."""

    kind: str
    """what it is about: "saving", "accuracy", "harm", "devices", "random" or "limits" """
    text: str
    evidence: Evidence = "none"
    """yes: the data show what the sentence says; no: they show that pruning does not pay; none: they cannot tell"""
    estimate: float = np.nan
    """in shares (0.2 = 20 % or 20 points), as in the records"""
    low: float = np.nan
    high: float = np.nan
    n: int = 0
    """trials or pairs behind it"""
    method: str = ""
    keep_ratio: float = np.nan


@dataclass(frozen=True)
class Claim:
    """One claim, its estimate and its test."""

    claim: str
    statement: str
    """with the threshold in words"""
    found: Interval = NOTHING
    threshold: float = np.nan
    p_holds: float = np.nan
    """one-sided p-value of the test that the claim holds must pass"""
    p_fails: float = np.nan
    """one-sided p-value of the test that shows the opposite"""
    keep_ratio: float = np.nan
    unit: str = "accuracy"
    reason: str = ""
    """why it cannot be tested, or what the number does not cover"""


def against(claim: Claim, found: Interval, threshold: float, above: bool) -> Claim:
    """The claim with its estimate, which holds above (or below) the threshold."""
    tests: tuple[Callable[[Interval, float], float], ...] = (p_above, p_below) if above else (p_below, p_above)
    return replace(
        claim, found=found, threshold=threshold, p_holds=tests[0](found, threshold), p_fails=tests[1](found, threshold)
    )


def finding(kind: str, text: str, evidence: Evidence, found: Interval, cell: tuple[str, float]) -> Finding:
    """A Finding with the numbers of an interval about one (method, keep_ratio)."""
    return Finding(kind, text, evidence, found.estimate, found.low, found.high, found.n, *cell)


def percent(value: float) -> str:
    """0.1234 -> '12.3 %'."""
    return f"{round(100 * value, 1) + 0.0:.1f} %"


def points(value: float) -> str:
    """A difference of accuracies: -0.0123 -> '-1.2 points'."""
    return f"{round(100 * value, 1) + 0.0:+.1f} points"


def with_interval(found: Interval, write: str = "percent") -> str:
    """'12.3 % (95 % interval 11.0 to 13.6, n = 60)'; 'no interval' where there is none.

    Args:
        found: the estimate.
        write: "percent" or "points".
    """
    value = percent(found.estimate) if write == "percent" else points(found.estimate)
    if not np.isfinite(found.low):
        return f"{value} (no interval, n = {found.n})"
    return f"{value} (95 % interval {ends(found, '+' if write == 'points' else '')}, n = {found.n})"


def ends(found: Interval, sign: str = "") -> str:
    """The ends of an interval of shares in per cent or points: '11.0 to 13.6', with `sign` "+": '-1.0 to +2.0'."""
    low, high = (f"{round(100 * end, 1) + 0.0:{sign}.1f}" for end in (found.low, found.high))
    return f"{low} to {high}"
