"""Ranks of methods over blocks: Friedman's test, and Nemenyi's for all pairs (Demšar, JMLR 7, 2006)."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from scipy import stats

LEVEL = 0.05


class Ranks(NamedTuple):
    """Mean ranks of k methods over N blocks; 1 is best."""

    methods: tuple[str, ...]
    mean: np.ndarray
    """[k]"""
    blocks: int
    p: float
    """of Friedman's test that all methods are equal; NaN with fewer than three methods or two blocks"""
    distance: float
    """critical difference of two mean ranks, by Nemenyi at 5 %"""

    def apart(self, method: str, other: str) -> int:
        """1 = `method` is shown better than `other`, -1 = worse, 0 = not shown; needs Friedman's test, too."""
        gap = self.mean[self.methods.index(other)] - self.mean[self.methods.index(method)]
        return int(np.sign(gap)) if self.p <= LEVEL and abs(gap) > self.distance else 0


def ranks(methods: tuple[str, ...], values: np.ndarray) -> Ranks:
    """Mean ranks and tests.

    Args:
        methods: k names.
        values: float [N, k], larger is better, equal values share their ranks; without NaN.
    """
    blocks, count = values.shape
    each = np.stack([stats.rankdata(-row) for row in values]) if blocks else np.zeros((0, count))
    mean = each.mean(axis=0) if blocks else np.full(count, np.nan)
    differs = bool((each != each[:, :1]).any()) if blocks else False
    if count < 3 or blocks < 2:
        return Ranks(methods, mean, blocks, np.nan, np.inf)
    p = float(stats.friedmanchisquare(*values.T).pvalue) if differs else 1.0
    return Ranks(methods, mean, blocks, p, nemenyi_distance(count, blocks))


@functools.cache  # the studentised range takes a third of a second
def nemenyi_distance(count: int, blocks: int) -> float:
    """Critical difference of two mean ranks: q·sqrt(k(k + 1) / 6N), q the studentised range's over sqrt 2."""
    q = float(stats.studentized_range.ppf(1 - LEVEL, count, np.inf)) / np.sqrt(2)
    return q * float(np.sqrt(count * (count + 1) / (6 * blocks)))
