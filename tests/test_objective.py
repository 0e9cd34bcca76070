"""Budgets and the objective of Eq. 14: hand numbers, and nothing better beside the answer."""

from __future__ import annotations

import numpy as np
import pytest

from edgesim.cost.analytic import CostWeights
from edgesim.cost.objective import GRID, Bill, Bills, Budget, Objective, largest_that_fits, least_objective

FULL = Bill(np.array([100.0]), np.array([500.0]), np.array([1000.0]))


def straight(m: np.ndarray) -> Bill:
    """n = 100: 3 s of scoring and 1 s a sample at 5 W, 10 bytes a sample."""
    return Bill(3.0 + m, 5.0 * (3.0 + m), 10.0 * m)


def stairs(m: np.ndarray) -> Bill:
    """Whole batches of 8 take 7 s each, the rest of a batch 5 s: not even growing everywhere is needed."""
    time_s = 2.0 + 7.0 * (m // 8) + 9.0 * (m % 8 > 0)
    return Bill(time_s, 2.0 * time_s, 3.0 * m)


@pytest.mark.parametrize(
    ("budget", "m", "binds"),
    [
        (Budget(latency_s=43.0), 40, "latency_s"),  # 3 + 40
        (Budget(latency_s=43.999), 40, "latency_s"),
        (Budget(energy_j=100.0), 17, "energy_j"),  # 5·(3 + 17)
        (Budget(storage_bytes=255.0), 25, "storage_bytes"),
        (Budget(latency_s=43.0, energy_j=100.0, storage_bytes=160.0), 16, "storage_bytes"),
        (Budget(latency_s=1000.0), 100, ""),
        (Budget(latency_s=4.0), 1, "latency_s"),
        (Budget(latency_s=3.9), 0, "latency_s"),  # scoring and one sample take 4 s
    ],
)
def test_budget_by_hand(budget: Budget, m: int, binds: str) -> None:
    fit = largest_that_fits(100, straight, budget)
    assert (fit.m, fit.binds) == (m, binds)


def test_budget_names_the_numbers() -> None:
    assert largest_that_fits(100, straight, Budget(energy_j=15.0)).over == "1 sample would take 20 J, allowed are 15"
    assert "41 samples would take 44 s, allowed are 43" in largest_that_fits(100, straight, Budget(latency_s=43)).over


@pytest.mark.parametrize("one_by_one", [False, True])
@pytest.mark.parametrize("bills", [straight, stairs])
@pytest.mark.parametrize("n", [1, 7, 100, 20 * GRID + 7])
def test_no_larger_subset_fits(bills: Bills, n: int, one_by_one: bool) -> None:
    for share in (0.001, 0.1, 0.37, 0.5, 0.99, 1.0):
        limit = float(bills(np.array([n])).time_s[0]) * share
        fit = largest_that_fits(n, bills, Budget(latency_s=limit), one_by_one)
        sizes = np.arange(1, n + 1)
        fitting = sizes[bills(sizes).time_s <= limit]
        if bills is straight or not one_by_one:
            assert fit.m == (fitting[-1] if fitting.size else 0)
        else:  # a cost that falls in places is met from the grid
            assert fit.m in fitting or (fit.m == 0 and 1 not in fitting)


def test_objective_by_hand() -> None:
    """Risk falls by 0.8 per unit of ratio up to 0.5 and by 0.1 beyond; J = ratio + what scoring takes (weights sum 1).

    Scoring adds (3/100 + 15/500)/3 = 0.02. With lambda 0.5 the slope changes sign at 0.5: risk 0.4 + 0.5·0.52 = 0.66.
    """
    curve = [(0.1, 0.28), (0.5, 0.6), (1.0, 0.65)]
    for one_by_one in (False, True):
        best = least_objective(100, straight, FULL, curve, Objective(trade_off=0.5), CostWeights(), one_by_one)
        assert best.m == 50
        assert best.value == pytest.approx(0.66)
    # For free everything is kept; at any price above 0.8 the least that the curve knows.
    assert least_objective(100, straight, FULL, curve, Objective(trade_off=0.0), CostWeights(), False).m == 100
    assert least_objective(100, straight, FULL, curve, Objective(trade_off=0.9), CostWeights(), False).m == 10


@pytest.mark.parametrize("one_by_one", [False, True])
@pytest.mark.parametrize("n", [1, 3, 100, 7 * GRID + 3])
def test_no_other_ratio_has_a_smaller_objective(n: int, one_by_one: bool) -> None:
    rng = np.random.default_rng(n)
    for bills in (straight, stairs):
        full = bills(np.array([n]))
        for trade_off in (0.05, 0.3, 0.7, 1.5):
            ratios = np.array([0.03, 0.2, 0.45, 0.8, 1.0])
            curve = np.stack([ratios, np.sort(rng.random(5))], axis=1)
            rule, weights = Objective(trade_off=trade_off), CostWeights(time=0.6, energy=0.3, storage=0.1)
            best = least_objective(n, bills, full, curve, rule, weights, one_by_one)
            inside = np.arange(max(1, int(np.ceil(0.03 * n))), n + 1)
            bill = bills(inside)
            j = 0.6 * bill.time_s / full.time_s + 0.3 * bill.energy_j / full.energy_j
            j += 0.1 * bill.storage_bytes / full.storage_bytes
            value = 1 - np.interp(inside / n, *curve.T) + trade_off * j
            if bills is straight or not one_by_one:
                assert best.value == pytest.approx(value.min(), abs=1e-12)
            else:
                assert best.value <= value[:: max(1, len(inside) // 50)].min() + 0.02
            assert best.value == pytest.approx(value[best.m - inside[0]])


def test_nothing_is_chosen_where_the_curve_says_nothing() -> None:
    best = least_objective(
        100, straight, FULL, [(0.25, 0.5), (0.5, 0.5)], Objective(trade_off=1.0), CostWeights(), False
    )
    assert best.m == 25  # cheaper subsets exist, but no accuracy is known for them
