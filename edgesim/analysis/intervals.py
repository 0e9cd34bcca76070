"""95 % intervals of means over devices and seeds, the p-values beside them, and Holm's correction.

Devices and seeds are crossed: trials of one device share its hardware and its part of the data, trials of one seed
share the split and the initial weights. So `devices x seeds` trials are not that many independent values. `interval`
counts both: y = mean + device + seed + rest, and the variance of the mean is the sum of the three components'.

With few devices or seeds (the usual 3 seeds) a percentile bootstrap is far too narrow: resamples of three values
cannot show the tails. There the interval is Student's t with the variance of the two-way layout and Satterthwaite's
degrees of freedom. Where both have FEW or more, it is the bootstrap of devices and seeds, which needs no normality.
A single device or seed says nothing about others like it; then the interval is about the other factor alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import special

from edgesim.seeds import stream
from edgesim.work import FloatArray

RESAMPLES = 2000
MAX_SAMPLED_ELEMENTS = 4_000_000
"""elements of one chunk of resampled values: 32 MB, whatever the size of the fleet"""
FEW = 20
"""devices or seeds from which on the percentile bootstrap's coverage comes within 2 points of 95 %"""
LEVEL = 0.95
ROUNDING = 1e-12
"""differences below this share of the values are rounding"""

Statistic = Callable[[FloatArray], FloatArray]


class Interval(NamedTuple):
    """An estimate with its 95 % interval; NaN where it cannot be told."""

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
    kind: str = "none"
    """"t", "bootstrap", or "none" where fewer than two values are known"""


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
    factors, free = [], []
    for axis in (-1, -2):  # sums over seeds: the devices' part; sums over devices: the seeds'
        count = known.any(axis=axis).sum(axis=-1)
        squares = (rest.sum(axis=axis) ** 2).sum(axis=-1)
        factors.append(np.where(count > 1, squares / size**2 * count / np.maximum(count - 1, 1), 0.0))
        free.append(np.where(count > 1, count - 1, np.inf))
    crossed = np.isfinite(free[0]) & np.isfinite(free[1])
    left = np.where(known, rest - _means(rest, known, -1) - _means(rest, known, -2), 0.0)
    left_free = np.where(crossed, np.maximum(n - 1 - free[0] - free[1], 1), np.inf)
    residual = np.where(crossed, (left**2).sum(axis=(-2, -1)) / left_free / size, 0.0)
    variance = np.maximum(factors[0] + factors[1] - residual, np.maximum(factors[0], factors[1]))
    parts = factors[0] ** 2 / free[0] + factors[1] ** 2 / free[1] + residual**2 / left_free
    fewest = np.minimum(free[0], free[1])
    degrees = np.divide(variance**2, parts, out=np.asarray(fewest * 1.0), where=parts > 0)
    told = n >= 2
    # Satterthwaite's approximation goes below the smaller factor's own degrees; that factor alone has them.
    return np.where(told, variance, np.nan), np.where(told, np.clip(degrees, fewest, size - 1), np.nan)


def t_interval(values: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The mean and the ends of its 95 % t-interval, many cells at once.

    Args:
        values: float [..., devices, seeds], NaN where a trial is missing.

    Returns: (mean, low, high), each [...].
    """
    variance, degrees = variance_of_mean(values)
    half = special.stdtrit(degrees, (1 + LEVEL) / 2) * np.sqrt(variance)
    mean = trial_mean(values)
    return mean, mean - half, mean + half


def interval(values: FloatArray, bounds: tuple[float, float] = (-np.inf, np.inf)) -> Interval:
    """The mean over devices and seeds with its 95 % interval.

    Args:
        values: float [devices, seeds], NaN where a trial is missing; from `cells.device_by_seed`.
        bounds: what the mean can be at all, (0, 1) for an accuracy; the interval is cut there.
    """
    known = np.isfinite(values)
    n, devices, seeds = int(known.sum()), int(known.any(axis=1).sum()), int(known.any(axis=0).sum())
    estimate = float(trial_mean(values)) if values.size else np.nan
    if n < 2:
        return Interval(estimate, n=n, devices=devices, seeds=seeds)
    variance, degrees = (float(part) for part in variance_of_mean(values))
    error = float(np.sqrt(variance))
    if error < ROUNDING * float(np.nanmax(np.abs(values))):
        error = 0.0  # equal values whose mean is rounded
    enough = all(count == 1 or count >= FEW for count in (devices, seeds))
    if enough:
        low, high = bootstrap_interval(values)
    else:
        half = float(special.stdtrit(degrees, (1 + LEVEL) / 2)) * error
        low, high = estimate - half, estimate + half
    low, high = (float(np.clip(end, *bounds)) for end in (low, high))
    return Interval(estimate, low, high, error, degrees, n, devices, seeds, "bootstrap" if enough else "t")


def ratio_interval(parts: FloatArray, wholes: FloatArray) -> Interval:
    """Sum of parts / sum of wholes with its 95 % interval: a share, or a saving's complement.

    The ratio is linearised (delta method): its interval is that of the mean of ratio + (part - ratio x whole) / mean
    whole, which has the same mean.

    Args:
        parts, wholes: float [devices, seeds], NaN where a trial is missing (in either).
    """
    known = np.isfinite(parts) & np.isfinite(wholes)
    total = float(wholes[known].sum())
    if not known.any() or total <= 0:
        return Interval()
    ratio = float(parts[known].sum()) / total
    return interval(np.where(known, ratio + (parts - ratio * wholes) / (total / known.sum()), np.nan))


def bootstrap_interval(values: FloatArray, statistic: Statistic = trial_mean, rng_seed: int = 0) -> tuple[float, float]:
    """The 95 % percentile interval of a statistic, by resampling devices and seeds (two-way bootstrap).

    A resample draws devices with replacement, seeds with replacement, and keeps the cells where they cross,
    so that trials of one device, or of one seed, stay together. Every call starts at the same stream.
    It is honest only as far as the repetitions go. With one seed it says nothing about seeds, with one device
    nothing about devices, and with a handful of either the percentile bootstrap is too narrow.

    Args:
        values: float [devices, seeds], NaN where a trial is missing.
        statistic: from samples [resamples, devices, seeds] to one number per resample [resamples].
        rng_seed: seed of the stream "analysis:bootstrap".

    Returns: (low, high); NaN where fewer than two values are known.

    Source: Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 2007, section 3.
    """
    if np.isfinite(values).sum() < 2:
        return np.nan, np.nan
    devices, seeds = values.shape
    rng = stream(rng_seed, "analysis:bootstrap")
    rows = rng.integers(devices, size=(RESAMPLES, devices))
    columns = rng.integers(seeds, size=(RESAMPLES, seeds))
    chunk = max(1, MAX_SAMPLED_ELEMENTS // values.size)
    drawn = np.concatenate([
        statistic(values[rows[first : first + chunk, :, None], columns[first : first + chunk, None, :]])
        for first in range(0, RESAMPLES, chunk)
    ])  # fmt: skip
    drawn = drawn[np.isfinite(drawn)]
    if not drawn.size:
        return np.nan, np.nan
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def p_above(found: Interval, bound: float) -> float:
    """One-sided p-value against "the mean is at most `bound`", by t; small = the mean is above it.

    NaN where there is no interval; 0 or 1 where the values do not vary at all.
    """
    if not np.isfinite(found.standard_error) or found.n < 3:
        return np.nan
    if found.standard_error == 0:
        return 0.0 if found.estimate - bound > ROUNDING * max(abs(bound), abs(found.estimate)) else 1.0
    return float(special.stdtr(found.degrees, -(found.estimate - bound) / found.standard_error))


def p_below(found: Interval, bound: float) -> float:
    """One-sided p-value against "the mean is at least `bound`"; small = the mean is below it."""
    return p_above(found._replace(estimate=-found.estimate), -bound)


def holm(p_values: FloatArray) -> FloatArray:
    """Holm's correction for several tests: adjusted p-values, NaN kept and not counted as a test.

    Source: Holm, "A simple sequentially rejective multiple test procedure", 1979.
    """
    p_values = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(p_values.shape, np.nan)
    known = np.flatnonzero(np.isfinite(p_values))
    order = known[np.argsort(p_values[known], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(p_values[order] * factors), 1.0)
    return adjusted


def _means(rest: FloatArray, known: np.ndarray, axis: int) -> FloatArray:
    """Means along an axis over what is known, kept as an axis of length one."""
    count = np.maximum(known.sum(axis=axis, keepdims=True), 1)
    return np.asarray(rest.sum(axis=axis, keepdims=True) / count)
