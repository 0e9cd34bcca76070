"""Choosing the keep ratio of a device: the largest that a budget pays for, or the best by the paper's Eq. 14.

Both work on subset sizes m = 1 … n, never on ratios: a ratio means the same subset as the m that it rounds to.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field
from pydantic.dataclasses import dataclass as checked_dataclass

from edgesim.cost.analytic import CostWeights, device_cost
from edgesim.work import FloatArray, IntArray

Price = Literal["analytic", "emulated"]
Limit = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(gt=0, le=1)]
Accuracy = Annotated[float, Field(ge=0, le=1)]

GRID = 1000
"""subset sizes that are looked at first where every one has to be priced by itself"""


@checked_dataclass(frozen=True)
class Budget:
    """The largest ratio whose total cost (scoring, selection and training) keeps within every limit given."""

    energy_j: Limit | None = None
    latency_s: Limit | None = None
    storage_bytes: Limit | None = None
    """of the samples that are kept"""
    price: Price = "analytic"


@checked_dataclass(frozen=True)
class Objective:
    """The ratio with the least risk + trade_off x J (edge paper, Eqs. 13-14)."""

    trade_off: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    """lambda; `lambda` in the document"""
    weights: CostWeights | None = None
    """of J; those of the scenario's `cost` where not given"""
    accuracy_curve: Annotated[tuple[tuple[Share, Accuracy], ...], Field(min_length=2)] | None = None
    """(ratio, accuracy) points, the same for every method"""
    accuracy_from: str | None = None
    """a finished run whose test accuracies make the curve of each method"""
    price: Price = "analytic"


Rule = Budget | Objective


class Bill(NamedTuple):
    """What M subset sizes cost in all. Arrays [M]."""

    time_s: FloatArray
    energy_j: FloatArray
    storage_bytes: FloatArray


Bills = Callable[[IntArray], Bill]
"""subset sizes [M] -> what each costs"""


class Fit(NamedTuple):
    """What a budget allows."""

    m: int
    """the largest subset that fits; 0 = not even one sample does"""
    binds: str
    """the limit that the next larger subset breaks most; empty where all samples fit"""
    over: str
    """that limit with its numbers"""


def largest_that_fits(n: int, bills: Bills, budget: Budget, one_by_one: bool = False) -> Fit:
    """The largest subset size within a budget.

    Costs are taken to grow with m. Where they are cheap to work out every m is looked at, and the answer is exact
    even where they do not.

    Args:
        n: shard size.
        bills: prices of subset sizes.
        budget: the limits.
        one_by_one: look at GRID sizes first, then at those between the best and the next.
    """
    sizes = _sizes(1, n, one_by_one)
    fits = _within(bills(sizes), budget)
    if not fits.any():
        return Fit(0, *_binding(1, bills, budget))
    last = int(np.flatnonzero(fits)[-1])
    m = int(sizes[last])
    if last + 1 < len(sizes) and sizes[last + 1] > m + 1:
        between = np.arange(m + 1, sizes[last + 1])
        inside = np.flatnonzero(_within(bills(between), budget))
        m = int(between[inside[-1]]) if inside.size else m
    return Fit(m, "", "") if m == n else Fit(m, *_binding(m + 1, bills, budget))


class Best(NamedTuple):
    """What the objective chooses."""

    m: int
    value: float
    """risk + lambda J at m"""


def least_objective(
    n: int, bills: Bills, full: Bill, curve: npt.ArrayLike, rule: Objective, weights: CostWeights, one_by_one: bool
) -> Best:
    """The subset size with the least risk + lambda J (Eqs. 13-14); of equal ones the smallest.

    Risk is 1 - accuracy, the accuracy linear between the points of the curve. Nothing is known beyond them, so only
    ratios between the first and the last point are chosen from. The sum over devices of Eq. 14 has one term per
    device and no common constraint, so every device can be looked at by itself.

    Args:
        n: shard size.
        bills: prices of subset sizes.
        full: plain training on all n samples, arrays of one.
        curve: [points, 2] ratio and accuracy, ratios ascending.
        rule: lambda.
        weights: of J.
        one_by_one: look at GRID sizes first, then around the best.
    """
    points = np.asarray(curve, dtype=np.float64)
    low = min(max(int(np.ceil(np.round(points[0, 0] * n, 9))), 1), n)
    high = max(int(np.floor(np.round(points[-1, 0] * n, 9))), low)

    def values(sizes: IntArray) -> FloatArray:
        bill = bills(sizes)
        ratios = (bill.time_s / full.time_s, bill.energy_j / full.energy_j, bill.storage_bytes / full.storage_bytes)
        risk = 1.0 - np.interp(sizes / n, points[:, 0], points[:, 1])
        return np.asarray(risk + rule.trade_off * device_cost(weights, *ratios))

    sizes = _sizes(low, high, one_by_one)
    # Where the curve bends the least may lie between two sizes of the grid.
    bends = np.rint(points[:, 0] * n).astype(np.int64)
    sizes = np.unique(np.concatenate([sizes, bends[(bends >= low) & (bends <= high)]]))
    found = values(sizes)
    place = int(np.argmin(found))
    around = np.arange(sizes[max(place - 1, 0)], sizes[min(place + 1, len(sizes) - 1)] + 1)
    if len(around) > 3:
        sizes, found = around, values(around)
        place = int(np.argmin(found))
    return Best(int(sizes[place]), float(found[place]))


def _sizes(low: int, high: int, one_by_one: bool) -> IntArray:
    if not one_by_one or high - low < GRID:
        return np.arange(low, high + 1)
    return np.unique(np.linspace(low, high, GRID).round().astype(np.int64))


def _within(bill: Bill, budget: Budget) -> npt.NDArray[np.bool_]:
    """[M] whether a bill keeps within every limit that is given."""
    return np.asarray(np.logical_and.reduce([values <= limit for _, limit, values, _ in _limits(bill, budget)]))


def _limits(bill: Bill, budget: Budget) -> list[tuple[str, float, FloatArray, str]]:
    named = [
        ("latency_s", budget.latency_s, bill.time_s, "s"),
        ("energy_j", budget.energy_j, bill.energy_j, "J"),
        ("storage_bytes", budget.storage_bytes, bill.storage_bytes, "bytes"),
    ]
    return [(name, limit, values, unit) for name, limit, values, unit in named if limit is not None]


def _binding(m: int, bills: Bills, budget: Budget) -> tuple[str, str]:
    """Which limit m samples break most, and by how much."""
    limits = _limits(bills(np.array([m])), budget)
    name, limit, values, unit = max(limits, key=lambda entry: float(entry[2][0]) / entry[1])
    return (
        name,
        f"{m:,} sample{'s' if m > 1 else ''} would take {float(values[0]):,.4g} {unit}, allowed are {limit:,.4g}",
    )
