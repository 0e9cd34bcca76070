"""The closed-form cost model against arithmetic done by hand."""

from __future__ import annotations

import numpy as np
import pytest

from edgesim.cost import analytic
from edgesim.work import StepTrace, Work, Workload

WORKLOAD = Workload(train_flops=600.0, forward_flops=200.0, parameters=10, parameter_bytes=40)


@pytest.mark.parametrize(
    ("n", "ratio", "m"),
    [
        (100, 1.0, 100),
        (100, 0.5, 50),
        (100, 0.001, 1),  # at least one
        (1, 0.1, 1),
        (7, 0.5, 4),  # 3.5 -> the even neighbour, as Python's round
        (5, 0.5, 2),  # 2.5 -> 2
        (10, 0.15, 2),  # 1.5 -> 2
        (1000, 0.0005, 1),
        (60000, 0.3, 18000),
        (10, 0.35, 4),  # 3.5 although 0.35·10 is 3.4999… in binary
    ],
)
def test_subset_size(n: int, ratio: float, m: int) -> None:
    assert analytic.subset_size(n, ratio) == m


def test_subset_size_over_devices() -> None:
    assert analytic.subset_size(np.array([10, 20, 30]), 0.25).tolist() == [2, 5, 8]  # 2.5 -> 2, 7.5 -> 8


@pytest.mark.parametrize(("n", "ratio"), [(0, 0.5), (10, 0.0), (10, 1.1), (10, float("nan"))])
def test_subset_size_refuses(n: int, ratio: float) -> None:
    with pytest.raises(ValueError, match="got"):
        analytic.subset_size(n, ratio)


def test_training_steps() -> None:
    # 50 samples in batches of 16: 3 full and one of 2 -> 4 steps; three epochs -> 12. 48 samples -> 3 steps -> 9.
    assert analytic.training_steps(np.array([50, 48, 1]), 16, 3).tolist() == [12, 9, 3]


def test_closed_form_by_hand() -> None:
    # n = 100, ρ = 0.5 -> m = 50; E = 4, F = 600 -> 120,000 FLOPs; φ = 1,000 FLOP/s -> 120 s; P = 5 W -> 600 J.
    flops = analytic.training_flops(50, 4, 600.0)
    assert flops == 120_000
    assert analytic.latency_s(flops, 1000.0) == 120
    assert analytic.energy_j(120.0, 5.0) == 600
    assert analytic.storage_bytes(50, 784) == 39_200


def test_cost_is_linear_in_the_ratio() -> None:
    """C(ρ)/C(1) = ρ (Eq. 27), whatever the last batch."""
    full = analytic.training_flops(1000, 10, 600.0)
    for ratio in (0.1, 0.3, 0.55, 0.8):
        kept = analytic.training_flops(analytic.subset_size(1000, ratio), 10, 600.0)
        assert kept / full == pytest.approx(ratio, abs=1e-12)


def test_price_adds_scoring_selection_and_training() -> None:
    # Scoring: 32 samples trained (32·600 = 19,200) and 5 passed forward (5·200 = 1,000) -> 20,200 FLOPs,
    # plus 100 comparisons -> 20,300 operations at φ = 100 -> 203 s at 2 W -> 406 J.
    # Training: 40 samples -> 24,000 FLOPs -> 240 s -> 480 J.
    score = Work(train_samples=32, forward_samples=5, steps=2, comparisons=100)
    priced = analytic.price(score, Work(train_samples=40, steps=3), (WORKLOAD, WORKLOAD), 100.0, 2.0)
    assert priced.score_flops == 20_200
    assert priced.train_flops == 24_000
    assert priced.score.time_s == pytest.approx(203)
    assert priced.train.time_s == pytest.approx(240)
    assert priced.time_s == pytest.approx(443)
    assert priced.energy_j == pytest.approx(886)


def test_price_over_devices() -> None:
    priced = analytic.price(
        Work(), Work(train_samples=10), (WORKLOAD, WORKLOAD), np.array([600.0, 6000.0]), np.array([1.0, 20.0])
    )
    assert priced.time_s.tolist() == [10.0, 1.0]
    assert priced.energy_j.tolist() == [10.0, 20.0]


def test_device_cost_weights_normalised_quantities() -> None:
    weights = analytic.CostWeights(time=0.5, energy=0.25, storage=0.25)
    assert analytic.device_cost(weights, 1.0, 1.0, 1.0) == 1.0
    assert analytic.device_cost(weights, 0.6, 0.4, 0.2) == pytest.approx(0.3 + 0.1 + 0.05)


def test_other_work_is_counted() -> None:
    total = Work(train_samples=1, other_flops=7.0) + Work(forward_samples=2, comparisons=3)
    assert total == Work(train_samples=1, forward_samples=2, comparisons=3, other_flops=7.0)
    assert total.flops(600.0, 200.0) == 600 + 400 + 7


def test_step_trace_counts_the_partial_batch() -> None:
    trace = StepTrace.passes("train", 50, 16, passes=2)
    assert [(s.batch_size, s.steps) for s in trace.segments] == [(16, 3), (2, 1), (16, 3), (2, 1)]
    assert trace.samples == 100
    assert trace.truncated(5).samples == 48 + 2 + 16
    assert StepTrace.passes("train", 32, 16, passes=3).segments == (("train", 16, 6),)
    assert StepTrace.passes("forward", 3, 16).segments == (("forward", 3, 1),)
