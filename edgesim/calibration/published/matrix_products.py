"""Measured matrix products on GPUs: share of peak, launch overhead, and power against clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import curve_fit, lsq_linear

from edgesim.calibration.published.measurements import Product
from edgesim.work import FloatArray


@dataclass(frozen=True)
class ProductFit:
    """time = overhead + FLOPs / (peak x efficiency) at the highest clock."""

    efficiency: float
    overhead_s: float
    held_out_error: float
    """mean absolute relative error of the sizes, each left out of its fit"""
    n: int


@dataclass(frozen=True)
class DrawFit:
    """P = floor + slope · utilisation at the highest clock: what is drawn while the GPU waits for what comes next."""

    floor_w: float
    slope_w: float
    held_out_error: float
    """mean absolute relative error of the sizes, each left out of its fit"""
    n: int


@dataclass(frozen=True)
class PowerFit:
    """P = floor + factor · f^exponent, f in GHz, of the largest products at every clock."""

    floor_w: float
    factor_w: float
    exponent: float
    error: float
    """mean absolute relative error of the fit"""
    n: int
    best_clock_hz: float
    """the clock that gave the most FLOPs per joule"""
    highest_clock_hz: float


def fit_products(measured: Sequence[Product]) -> ProductFit:
    """Fit one device's products at its highest clock.

    Args:
        measured: of one device, at any clocks.
    """
    rows = _at_highest_clock(measured)
    flops = np.array([2.0 * product.n**3 for product in rows])
    times_s = flops / np.array([product.flops_per_s for product in rows])
    ideal_s = flops / rows[0].peak_flops_per_s
    efficiency, overhead_s = _line(ideal_s, times_s)
    errors = []
    for i in range(len(rows)):
        share, constant_s = _line(np.delete(ideal_s, i), np.delete(times_s, i))
        errors.append(abs((constant_s + ideal_s[i] / share) / times_s[i] - 1))
    return ProductFit(efficiency, overhead_s, float(np.mean(errors)), len(rows))


def fit_draw(measured: Sequence[Product]) -> DrawFit:
    """Fit wall power to the utilisation of the GPU, over one device's products at its highest clock.

    Small products keep the processor busy with launches while the GPU hardly works. So the floor is the power draw
    while operations are dispatched.

    Args:
        measured: of one device, at any clocks.
    """
    rows = _at_highest_clock(measured)
    power_w = np.array([product.power_w for product in rows])
    utilisation = np.array([product.flops_per_s / product.peak_flops_per_s for product in rows])

    def line(chosen: npt.NDArray[np.bool_]) -> FloatArray:
        """Floor and slope, by least squares on relative error."""
        columns = np.stack([np.ones(len(rows)), utilisation], axis=1) / power_w[:, None]
        found: FloatArray = lsq_linear(columns[chosen], np.ones(chosen.sum()), bounds=(0.0, np.inf)).x
        return found

    everything = np.ones(len(rows), dtype=bool)
    errors = []
    for i in range(len(rows)):
        floor_w, slope_w = line(np.arange(len(rows)) != i)
        errors.append(abs((floor_w + slope_w * utilisation[i]) / power_w[i] - 1))
    floor_w, slope_w = line(everything)
    return DrawFit(float(floor_w), float(slope_w), float(np.mean(errors)), len(rows))


def _at_highest_clock(measured: Sequence[Product]) -> list[Product]:
    top = max(product.clock_hz for product in measured)
    return [product for product in measured if product.clock_hz == top]


def fit_power(measured: Sequence[Product]) -> PowerFit:
    """Fit wall power to the clock, from the largest product of one device at every clock."""
    largest = max(product.n for product in measured)
    rows = [product for product in measured if product.n == largest]
    clock_ghz = np.array([product.clock_hz for product in rows]) / 1e9
    power_w = np.array([product.power_w for product in rows])
    start = (float(power_w.min()), float(np.ptp(power_w)), 2.0)
    (floor_w, factor_w, exponent), _ = curve_fit(_power, clock_ghz, power_w, p0=start, bounds=(0, np.inf))
    error = np.mean(np.abs(_power(clock_ghz, floor_w, factor_w, exponent) / power_w - 1))
    best = max(rows, key=lambda product: product.flops_per_s / product.power_w)
    top = max(product.clock_hz for product in rows)
    found = (float(floor_w), float(factor_w), float(exponent), float(error))
    return PowerFit(*found, n=len(rows), best_clock_hz=best.clock_hz, highest_clock_hz=top)


def _power(clock_ghz: FloatArray, floor_w: float, factor_w: float, exponent: float) -> FloatArray:
    return np.asarray(floor_w + factor_w * clock_ghz**exponent)


def _line(ideal_s: FloatArray, times_s: FloatArray) -> tuple[float, float]:
    """Efficiency in (0, 1] and overhead >= 0 of time = overhead + ideal / efficiency, on relative error."""
    rows = np.stack([ideal_s / times_s, 1 / times_s], axis=1)
    size = rows.max(axis=0)
    slope, overhead_s = lsq_linear(rows / size, np.ones(len(times_s)), bounds=([size[0], 0.0], np.inf)).x / size
    return float(1 / slope), float(overhead_s)
