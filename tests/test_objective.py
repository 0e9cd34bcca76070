"""Budgets and the objective of Eq. 14: hand numbers, nothing better beside the answer, many devices as one by one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from edgesim.cost.analytic import CostWeights
from edgesim.cost.objective import (
    BINDS,
    GRID,
    ROWS,
    Budget,
    CostFunction,
    DeviceData,
    Objective,
    SubsetCost,
    beyond,
    largest_that_fits,
    least_objective,
    risk_weights,
)

FULL = SubsetCost(np.array([100.0]), np.array([500.0]), np.array([1000.0]))
EVEN = CostWeights()
Costs = Callable[[np.ndarray], SubsetCost]


def straight(m: np.ndarray) -> SubsetCost:
    """n = 100: 3 s of scoring and 1 s a sample at 5 W, 10 bytes a sample."""
    return SubsetCost(3.0 + m, 5.0 * (3.0 + m), 10.0 * m)


def stairs(m: np.ndarray) -> SubsetCost:
    """Whole batches of 8 take 7 s each, the rest of a batch 9 s: a whole batch costs less than one sample fewer."""
    time_s = 2.0 + 7.0 * (m // 8) + 9.0 * (m % 8 > 0)
    return SubsetCost(time_s, 2.0 * time_s, 3.0 * m)


def same(costs: Costs, able: int = 10**9) -> CostFunction:
    """The same costs for every device, which can do `able` samples at most (its memory ends there)."""
    return lambda pair, m: costs(m)._replace(limit=np.where(m > able, BINDS.index("memory"), 0))


@pytest.mark.parametrize(
    ("budget", "m", "binds", "value"),
    [
        (Budget(latency_s=43.0), 40, "latency_s", 44),  # 3 + 40; one more takes 44 s
        (Budget(latency_s=43.999), 40, "latency_s", 44),
        (Budget(energy_j=100.0), 17, "energy_j", 105),  # 5·(3 + 17)
        (Budget(storage_bytes=255.0), 25, "storage_bytes", 260),
        (Budget(latency_s=43.0, energy_j=100.0, storage_bytes=160.0), 16, "storage_bytes", 170),
        (Budget(latency_s=1000.0), 100, "", np.nan),
        (Budget(latency_s=4.0), 1, "latency_s", 5),
        (Budget(latency_s=3.9), 0, "latency_s", 4),  # scoring and one sample take 4 s
    ],
)
def test_budget_by_hand(budget: Budget, m: int, binds: str, value: float) -> None:
    fit = largest_that_fits(np.array([100]), same(straight), budget)
    assert (fit.m.tolist(), BINDS[fit.binds[0]]) == ([m], binds)
    np.testing.assert_array_equal(fit.value, [value])


def test_what_bills_pass_of_a_budget_by_hand() -> None:
    """40 samples take 43 s, within 50; 90 take 93 s, 1.86 times as much, and 465 J, only 1.55 times 300."""
    budget = Budget(latency_s=50.0, energy_j=300.0)
    codes, taken = beyond(straight(np.array([40, 50, 90])), budget)
    assert [BINDS[code] for code in codes] == ["", "latency_s", "latency_s"]
    np.testing.assert_array_equal(taken, [np.nan, 53, 93])


def test_a_budget_pays_for_nothing_that_the_device_cannot_do() -> None:
    """The budget pays for 40 samples, the device does 30; where the budget ends first it is the budget that binds."""
    budget = Budget(latency_s=43.0)
    fit = largest_that_fits(np.array([100]), same(straight, able=30), budget)
    assert (fit.m[0], BINDS[fit.binds[0]]) == (30, "memory")
    assert np.isnan(fit.value[0])
    assert BINDS[largest_that_fits(np.array([100]), same(straight, able=60), budget).binds[0]] == "latency_s"
    assert largest_that_fits(np.array([100]), same(straight, able=0), budget).m[0] == 0


@pytest.mark.parametrize("rows", [3, GRID, ROWS])
@pytest.mark.parametrize("costs", [straight, stairs])
@pytest.mark.parametrize("n", [1, 7, 100, 20 * GRID + 7])
def test_no_larger_subset_fits(costs: Costs, n: int, rows: int) -> None:
    sizes = np.arange(1, n + 1)
    for share in (0.001, 0.1, 0.37, 0.5, 0.99, 1.0):
        limit = float(costs(np.array([n])).time_s[0]) * share
        m = largest_that_fits(np.array([n]), same(costs), Budget(latency_s=limit), rows).m[0]
        fitting = sizes[costs(sizes).time_s <= limit]
        if costs is straight or rows >= n:
            assert m == (fitting[-1] if fitting.size else 0)
        else:  # where a cost falls in places the largest of all may be missed, but by less than two batches
            assert m == 0 or m in fitting
            assert m > (fitting[-1] if fitting.size else 0) - 16


def test_many_devices_are_each_as_alone() -> None:
    """Shards of 1 to 5,000 samples, devices of three speeds: what one gets does not depend on the others."""
    rng = np.random.default_rng(0)
    n, pace = rng.integers(1, 5000, size=300), rng.choice([0.5, 1.0, 3.0], size=300)

    def bills(pair: np.ndarray, m: np.ndarray) -> SubsetCost:
        bill = straight(m)
        return SubsetCost(bill.time_s * pace[pair], bill.energy_j * pace[pair], bill.storage_bytes)

    budget = Budget(latency_s=900.0, storage_bytes=11_000.0)
    fit = largest_that_fits(n, bills, budget)
    by_hand = np.minimum(n, np.minimum(np.floor(900 / pace - 3), 1100)).astype(int)
    np.testing.assert_array_equal(fit.m, by_hand)
    stopped = np.where(900 / pace - 3 < 1100, BINDS.index("latency_s"), BINDS.index("storage_bytes"))
    np.testing.assert_array_equal(fit.binds, np.where(by_hand == n, 0, stopped))
    full = SubsetCost(pace * (3.0 + n), 5 * pace * (3.0 + n), 10.0 * n)
    rule, curve = Objective(trade_off=0.5), [(0.1, 0.28), (0.5, 0.6), (1.0, 0.65)]
    for jumps in (0, 32):
        best = least_objective(DeviceData(n, full), bills, curve, rule, EVEN, jumps)
        for p in (0, 17, 299):
            alone = least_objective(
                DeviceData(n[[p]], SubsetCost(*(part[[p]] for part in full[:3]))),
                lambda _, m, p=p: bills(np.full(len(m), p), m), curve, rule, EVEN, jumps,
            )  # fmt: skip
            assert (alone.m[0], alone.value[0]) == (best.m[p], best.value[p])


HUNDRED = np.array([100])
CURVE = [(0.1, 0.28), (0.5, 0.6), (1.0, 0.65)]


@pytest.mark.parametrize("jumps", [0, 8, 64])
def test_objective_by_hand(jumps: int) -> None:
    """Risk falls by 0.8 per unit of ratio up to 0.5 and by 0.1 beyond; J = ratio + what scoring takes (weights sum 1).

    Scoring adds (3/100 + 15/500)/3 = 0.02. With lambda 0.5 the slope changes sign at 0.5: risk 0.4 + 0.5·0.52 = 0.66.
    """
    best = least_objective(DeviceData(HUNDRED, FULL), same(straight), CURVE, Objective(trade_off=0.5), EVEN, jumps)
    assert (best.m[0], best.binds[0]) == (50, 0)
    assert best.value[0] == pytest.approx(0.66)
    # For free everything is kept; at any price above 0.8 the least that the curve knows.
    assert (
        least_objective(DeviceData(HUNDRED, FULL), same(straight), CURVE, Objective(trade_off=0.0), EVEN, jumps).m[0]
        == 100
    )
    assert (
        least_objective(DeviceData(HUNDRED, FULL), same(straight), CURVE, Objective(trade_off=0.9), EVEN, jumps).m[0]
        == 10
    )


def test_the_weights_of_risks_by_hand() -> None:
    """40, 100 and 160 samples: a mean of 100. Equal shards all weigh 1, as all do where that is asked for."""
    np.testing.assert_allclose(risk_weights([40, 100, 160], "data"), [0.4, 1.0, 1.6])
    np.testing.assert_array_equal(risk_weights([7, 7, 7], "data"), np.ones(3))
    np.testing.assert_array_equal(risk_weights([40, 100, 160], "equal"), np.ones(3))


@pytest.mark.parametrize("jumps", [0, 8])
def test_a_small_devices_risk_counts_less_by_hand(jumps: int) -> None:
    """Lambda 0.5: J's slope 0.5 against a slope of risk of 0.8·w below a ratio of 0.5 and 0.1·w above.

    w = 0.4 weighs 0.32: the least subset. w = 1 stops at the bend. w = 6 weighs 0.6 above it, too: everything.
    """
    three, rule = np.array([100, 100, 100]), Objective(trade_off=0.5)
    full = SubsetCost(*(np.repeat(part, 3) for part in FULL[:3]))
    weights = np.array([0.4, 1.0, 6.0])
    best = least_objective(DeviceData(three, full, weights), same(straight), CURVE, rule, EVEN, jumps)
    assert best.m.tolist() == [10, 50, 100]
    risk, j = np.array([0.72, 0.4, 0.35]), np.array([0.12, 0.52, 1.02])
    np.testing.assert_allclose(best.value, weights * risk + 0.5 * j)


@pytest.mark.parametrize("bend", [0.49, 0.51])
def test_the_least_may_lie_where_the_curve_bends(bend: float) -> None:
    """Ten samples make no whole batch of 64, so nothing but the curve's bends is looked at between 1 and 10.

    Five are 0.01 beside the peak of 0.9, at 0.9 - 0.8·0.01/0.11 = 0.827, J = 0.5: 0.173 + 0.1·0.5. Four and six have
    0.1, and all ten 0.6: 0.4 + 0.1, the least of all others.
    """
    ten = np.array([10])
    curve = [(0.1, 0.1), (0.4, 0.1), (bend, 0.9), (0.6, 0.1), (1.0, 0.6)]
    costs = same(lambda m: SubsetCost(1.0 * m, 1.0 * m, 1.0 * m))
    best = least_objective(
        DeviceData(ten, SubsetCost(ten * 1.0, ten * 1.0, ten * 1.0)), costs, curve, Objective(0.1), EVEN, 64
    )
    assert best.m[0] == 5
    assert best.value[0] == pytest.approx(0.1 + 0.8 * 0.01 / 0.11 + 0.05)


def test_a_peak_between_whole_batches_is_found() -> None:
    """0.48 of 200 are 96, between 65 and 128: 0.1 + 0.1·0.48. The best of 1, 64, 65, 128, … 200 is 200: 0.4 + 0.1."""
    two_hundred = np.array([200])
    curve = [(0.1, 0.1), (0.4, 0.1), (0.48, 0.9), (0.56, 0.1), (1.0, 0.6)]
    costs = same(lambda m: SubsetCost(1.0 * m, 1.0 * m, 1.0 * m))
    best = least_objective(DeviceData(two_hundred, costs(None, two_hundred)), costs, curve, Objective(0.1), EVEN, 64)
    assert best.m[0] == 96
    assert best.value[0] == pytest.approx(0.148)


@pytest.mark.parametrize("jumps", [0, 8])
def test_the_objective_chooses_among_what_the_device_can_do(jumps: int) -> None:
    """50 would be best, but the device does 20 samples at most; where it can do none, 50 is named and has no value."""
    rule = Objective(trade_off=0.5)
    best = least_objective(DeviceData(HUNDRED, FULL), same(straight, able=20), CURVE, rule, EVEN, jumps)
    assert (best.m[0], BINDS[best.binds[0]]) == (20, "memory")
    assert best.value[0] == pytest.approx(1 - 0.36 + 0.5 * 0.22)
    none = least_objective(DeviceData(HUNDRED, FULL), same(straight, able=0), CURVE, rule, EVEN, jumps)
    assert (none.m[0], BINDS[none.binds[0]], none.value[0]) == (50, "memory", np.inf)


@pytest.mark.parametrize("jumps", [0, 8])
@pytest.mark.parametrize("n", [1, 3, 100, 7 * GRID + 3])
def test_no_other_ratio_has_a_smaller_objective(n: int, jumps: int) -> None:
    rng = np.random.default_rng(n)
    for costs in (straight, stairs):
        full = costs(np.array([n]))
        for trade_off in (0.05, 0.3, 0.7, 1.5):
            ratios = np.array([0.03, 0.2, 0.45, 0.8, 1.0])
            curve = np.stack([ratios, np.sort(rng.random(5))], axis=1)
            rule, weights = Objective(trade_off=trade_off), CostWeights(time=0.6, energy=0.3, storage=0.1)
            found = least_objective(DeviceData(np.array([n]), full), same(costs), curve, rule, weights, jumps)
            m, least = found.m[0], found.value[0]
            inside = np.arange(max(1, int(np.ceil(0.03 * n))), n + 1)
            bill = costs(inside)
            j = 0.6 * bill.time_s / full.time_s + 0.3 * bill.energy_j / full.energy_j
            j += 0.1 * bill.storage_bytes / full.storage_bytes
            value = 1 - np.interp(inside / n, *curve.T) + trade_off * j
            if costs is straight or jumps or n <= GRID:
                assert least == pytest.approx(value.min(), abs=1e-12)
            else:
                assert least <= value[:: max(1, len(inside) // 50)].min() + 0.02
            assert least == pytest.approx(value[m - inside[0]])


def test_nothing_is_chosen_where_the_curve_says_nothing() -> None:
    rule = Objective(trade_off=1.0)
    best = least_objective(DeviceData(HUNDRED, FULL), same(straight), [(0.25, 0.5), (0.5, 0.5)], rule, EVEN)
    assert best.m[0] == 25  # cheaper subsets exist, but no accuracy is known for them
