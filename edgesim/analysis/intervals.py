"""Intervals and p-values of means over devices and seeds, and the repetitions that a question needs.

Devices and seeds are crossed: trials of one device share its hardware and its part of the data, trials of one seed
share the split and the initial weights. So `devices x seeds` trials are not that many independent values. `interval`
models both: y = mean + device + seed + rest. Each factor has its own variance of the mean and its own Student's t. The
half width is the root of the sum of their squares (Banerjee), so few seeds stay few however many devices there are. Its
coverage is at least its level. One t with Satterthwaite's degrees of freedom covers less: in simulated runs of 2 seeds
and 30 devices, 20 to 50 % had a false one among 3 to 12 intervals that promised 5 % together.

Several tests: an interval of `tests` k has the level 1 - 0.05 / k (Bonferroni), so that k of them hold together in 95 %
of all runs. A sentence decides by the interval that it prints: "above" means that the interval lies above. No second
rule exists.

One seed: its trials share a split and initial weights, whose effect one seed does not show. In simulated runs with such
an effect, intervals over the devices of one seed covered the truth in 5 to 33 % instead of 95 %. So one seed has no
interval and no p-value: its numbers are of this seed alone. One device: the interval is over seeds, and is valid for
this device alone.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import special

from edgesim.work import FloatArray

LEVEL = 0.95
ROUNDING = 1e-12
"""differences below this share of the values are rounding"""
SMALLEST_P = 1e-300
MOST_REPETITIONS = 1000
"""seeds or devices beyond which `repetitions_needed` gives none"""


class Interval(NamedTuple):
    """An estimate with its interval; NaN where it is unknown."""

    estimate: float = np.nan
    low: float = np.nan
    high: float = np.nan
    standard_error: float = np.nan
    degrees: float = np.nan
    """of freedom, by Satterthwaite"""
    n: int = 0
    """values behind it"""
    devices: int = 0
    seeds: int = 0
    tests: int = 1
    """tests among which it decides: its level is 1 - 0.05 / tests"""
    parts: tuple[tuple[float, float], ...] = ()
    """(variance, degrees of freedom) of the mean by devices and by seeds; empty = standard_error and degrees"""

    def half_width(self, tests: int = 1) -> float:
        """Half of the interval at the level 1 - 0.05 / tests, before it is cut.

        Source: Banerjee, "Approximate confidence interval for linear functions of means of k populations", 1960.
        """
        parts = self.parts or ((self.standard_error**2, self.degrees),)
        return _half(parts, (1 - LEVEL) / (2 * tests))

    @property
    def plus_minus(self) -> float:
        """The number behind ±: half of the interval before it is cut at the bounds. NaN where there is no interval.

        Half of a cut interval would be too small, and lies on neither side of the estimate.
        """
        return self.half_width(self.tests) if self.is_known else np.nan

    @property
    def scope(self) -> str:
        """Limit of its validity: "this seed alone", "this device alone", or empty."""
        return scope_of(self.devices, self.seeds)

    @property
    def is_known(self) -> bool:
        """True where it has ends."""
        return bool(np.isfinite(self.low))


def scope_of(devices: int, seeds: int) -> str:
    """Limit of the validity of numbers from so many devices and seeds; empty where there is none."""
    if seeds == 1:
        return "this seed alone" if devices != 1 else "this trial alone"
    return "this device alone" if devices == 1 else ""


def trial_mean(values: FloatArray) -> FloatArray:
    """The mean over the last two axes (devices, seeds) without missing trials; NaN where all are missing."""
    size = values.shape[-2] * values.shape[-1]
    total = values.sum(axis=(-2, -1))
    if size and np.isfinite(total).all():  # nothing is missing: half the time of a large bootstrap
        return np.asarray(total / size)
    known = np.isfinite(values)
    count = known.sum(axis=(-2, -1))
    total = np.where(known, values, 0.0).sum(axis=(-2, -1))
    return np.divide(total, count, out=np.full(np.shape(total), np.nan), where=count > 0)


def variance_of_mean(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The variance of the mean of crossed devices and seeds, and its degrees of freedom.

    In a full table this is (MS_devices + MS_seeds - MS_rest) / n of the two-way analysis of variance, and never less
    than the larger of the first two alone. Missing trials enter with weight zero (sums over what is known).

    Args:
        values: float [..., devices, seeds], NaN where a trial is missing.

    Returns: (variance, degrees of freedom), each [...]; NaN where fewer than two values are known.

    Source: Cameron, Gelbach and Miller, "Robust inference with multiway clustering", 2011, Eq. 2.11, with the n/(n-1)
    of each factor; Satterthwaite, "An approximate distribution of estimates of variance components", 1946.
    """
    known = np.isfinite(values)
    n = known.sum(axis=(-2, -1))
    rest = np.where(known, values - trial_mean(values)[..., None, None], 0.0)
    size = np.maximum(n, 1)
    factors, free = factors_of_mean(values)
    crossed = np.isfinite(free[0]) & np.isfinite(free[1])
    left = np.where(known, rest - _means(rest, known, -1) - _means(rest, known, -2), 0.0)
    left_free = np.where(crossed, np.maximum(n - 1 - free[0] - free[1], 1), np.inf)
    residual = np.where(crossed, (left**2).sum(axis=(-2, -1)) / left_free / size, 0.0)
    variance = np.maximum(factors[0] + factors[1] - residual, np.maximum(factors[0], factors[1]))
    parts = factors[0] ** 2 / free[0] + factors[1] ** 2 / free[1] + residual**2 / left_free
    fewest = np.minimum(free[0], free[1])
    degrees = np.divide(variance**2, parts, out=np.asarray(fewest * 1.0), where=parts > 0)
    several = n >= 2
    # Satterthwaite's approximation goes below the smaller factor's own degrees; that factor alone has them.
    return np.where(several, variance, np.nan), np.where(several, np.clip(degrees, fewest, size - 1), np.nan)


def factors_of_mean(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The variances of the mean by devices and by seeds, and their degrees of freedom: MS / n of each factor.

    Args:
        values: float [..., devices, seeds], NaN where a trial is missing.

    Returns: ([2, ...], [2, ...]); a factor of one level has variance 0 and infinitely many degrees.
    """
    known = np.isfinite(values)
    size = np.maximum(known.sum(axis=(-2, -1)), 1)
    rest = np.where(known, values - trial_mean(values)[..., None, None], 0.0)
    factors, free = [], []
    for axis in (-1, -2):  # sums over seeds: the devices' part; sums over devices: the seeds'
        count = known.any(axis=axis).sum(axis=-1)
        squares = (rest.sum(axis=axis) ** 2).sum(axis=-1)
        factors.append(np.where(count > 1, squares / size**2 * count / np.maximum(count - 1, 1), 0.0))
        free.append(np.where(count > 1, count - 1, np.inf))
    return np.array(factors), np.array(free)


def _half(parts: tuple[tuple[float, float], ...], tail: float) -> float:
    """Root of the sum of (t x error)^2 over the factors, t at the one-sided tail."""
    return float(np.sqrt(sum(float(special.stdtrit(free, tail)) ** 2 * variance for variance, free in parts)))


def t_interval(values: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The mean and the ends of its 95 % t-interval, many cells at once; no ends for the cells of one seed.

    Args:
        values: float [..., devices, seeds], NaN where a trial is missing.

    Returns: (mean, low, high), each [...].
    """
    variances, degrees = factors_of_mean(values)
    several = np.isfinite(values).any(axis=-2).sum(axis=-1) > 1
    t = special.stdtrit(np.where(np.isfinite(degrees), degrees, 1.0), (1 + LEVEL) / 2)
    half = np.where(several, np.sqrt((t**2 * variances).sum(axis=0)), np.nan)
    mean = trial_mean(values)
    return mean, mean - half, mean + half


def interval(values: FloatArray, bounds: tuple[float, float] = (-np.inf, np.inf), tests: int = 1) -> Interval:
    """The mean over devices and seeds with its interval; one seed has none.

    Args:
        values: float [devices, seeds], NaN where a trial is missing; from `grouping.device_by_seed`.
        bounds: possible range of the mean, (0, 1) for an accuracy; the interval is cut there.
        tests: intervals that decide together, at least 1; the level of each is 1 - 0.05 / tests.
    """
    known = np.isfinite(values)
    n, devices, seeds = int(known.sum()), int(known.any(axis=1).sum()), int(known.any(axis=0).sum())
    estimate = float(trial_mean(values)) if values.size else np.nan
    if seeds < 2:
        return Interval(estimate, n=n, devices=devices, seeds=seeds, tests=tests)
    variance, degrees = (float(part) for part in variance_of_mean(values))
    error = float(np.sqrt(variance))
    by_factor, free = factors_of_mean(values)
    parts = tuple((float(v), float(f)) for v, f in zip(by_factor, free, strict=True) if np.isfinite(f))
    if error < ROUNDING * float(np.nanmax(np.abs(values))):
        error, parts = 0.0, ()  # equal values whose mean is rounded
    found = Interval(estimate, np.nan, np.nan, error, degrees, n, devices, seeds, tests, parts)
    half = found.half_width(tests)
    low, high = (float(np.clip(end, *bounds)) for end in (estimate - half, estimate + half))
    return found._replace(low=low, high=high)


def simultaneous(found: Interval, tests: int, bounds: tuple[float, float] = (-np.inf, np.inf)) -> Interval:
    """Same estimate with the wider interval that decides among `tests`."""
    if not found.is_known:
        return found._replace(tests=tests)
    half = found.half_width(tests)
    low, high = (float(np.clip(end, *bounds)) for end in (found.estimate - half, found.estimate + half))
    return found._replace(low=low, high=high, tests=tests)


def ratio_interval(parts: FloatArray, wholes: FloatArray, tests: int = 1) -> Interval:
    """Sum of parts / sum of wholes with its interval: a share, or a saving's complement.

    The ratio is linearised (delta method): its interval is that of the mean of ratio + (part - ratio x whole) / mean
    whole, which has the same mean.

    Args:
        parts, wholes: float [devices, seeds], NaN where a trial is missing (in either).
        tests: as for `interval`.
    """
    known = np.isfinite(parts) & np.isfinite(wholes)
    total = float(wholes[known].sum())
    if not known.any() or total <= 0:
        return Interval()
    ratio = float(parts[known].sum()) / total
    return interval(np.where(known, ratio + (parts - ratio * wholes) / (total / known.sum()), np.nan), tests=tests)


def p_above(found: Interval, bound: float) -> float:
    """One-sided p-value against "the mean is at most `bound`", by t; small = the mean is above it.

    Not corrected for several tests. NaN where there is no interval; 0 or 1 where the values do not vary at all.
    """
    if not np.isfinite(found.standard_error):
        return np.nan
    if found.standard_error == 0:
        return 0.0 if found.estimate - bound > ROUNDING * max(abs(bound), abs(found.estimate)) else 1.0
    parts = found.parts or ((found.standard_error**2, found.degrees),)
    distance = abs(found.estimate - bound)
    low, high = np.log(SMALLEST_P), np.log(0.5)
    for _ in range(60):  # the level whose interval ends at the bound
        middle = (low + high) / 2
        low, high = (low, middle) if _half(parts, float(np.exp(middle))) <= distance else (middle, high)
    p = float(np.exp(high))
    return p if found.estimate >= bound else 1 - p


def p_below(found: Interval, bound: float) -> float:
    """One-sided p-value against "the mean is at least `bound`"; small = the mean is below it."""
    return p_above(found._replace(estimate=-found.estimate), -bound)


def p_two_sided(found: Interval, bound: float) -> float:
    """Two-sided p-value against "the mean is `bound`", corrected for the interval's tests (Bonferroni).

    Below 5 % exactly where the interval leaves out `bound` (but for an interval cut at its bounds).
    """
    p = 2 * np.fmin(p_above(found, bound), p_below(found, bound))
    return float(np.minimum(1.0, p * found.tests))


def lies(found: Interval, bound: float) -> int:
    """Side of `bound` on which the interval lies: 1 = above, -1 = below, 0 = it holds `bound`, or has no ends."""
    if not found.is_known:
        return 0
    return int(found.low > bound) - int(found.high < bound)


class Repetitions(NamedTuple):
    """Number of seeds, or of devices, that a question needs; None where no number up to 1,000 suffices."""

    seeds: int | None
    devices: int | None


def repetitions_needed(values: FloatArray, half_width: float, tests: int = 1) -> Repetitions:
    """Seeds (with as many devices), or devices (with as many seeds), whose interval has at most that half width.

    The components of variance are those of `values`, by the analysis of variance of the two-way layout; a new run draws
    others, so that the numbers are a guide.

    Args:
        values: float [devices, seeds], NaN where a trial is missing; two seeds at least.
        half_width: wanted, > 0.
        tests: as for `interval`.
    """
    known = np.isfinite(values)
    devices, seeds = int(known.any(axis=1).sum()), int(known.any(axis=0).sum())
    if seeds < 2 or not half_width > 0:
        return Repetitions(None, None)
    mean = float(trial_mean(values))
    rest = np.where(known, values - mean, 0.0)
    of_device, of_seed = _means(rest, known, 1), _means(rest, known, 0)
    left = np.where(known, rest - of_device - of_seed, 0.0)
    free = max(int(known.sum()) - 1 - (devices - 1) - (seeds - 1), 1)
    residual = float((left**2).sum()) / free if devices > 1 else 0.0
    by_device = max(0.0, float((of_device**2).sum()) / (devices - 1) - residual / seeds) if devices > 1 else 0.0
    by_seed = max(0.0, float((of_seed**2).sum()) / (seeds - 1) - residual / devices)

    def suffices(d: int, s: int) -> bool:
        each = residual / (d * s)
        parts = [(by_device / d + each, d - 1.0), (by_seed / s + each, s - 1.0)]
        return _half(tuple(part for part in parts if part[1] > 0), (1 - LEVEL) / (2 * tests)) <= half_width

    return Repetitions(
        next((s for s in range(2, MOST_REPETITIONS + 1) if suffices(devices, s)), None),
        next((d for d in range(2, MOST_REPETITIONS + 1) if suffices(d, seeds)), None),
    )


def _means(rest: FloatArray, known: np.ndarray, axis: int) -> FloatArray:
    """Means along an axis over what is known, kept as an axis of length one."""
    count = np.maximum(known.sum(axis=axis, keepdims=True), 1)
    return np.asarray(rest.sum(axis=axis, keepdims=True) / count)
