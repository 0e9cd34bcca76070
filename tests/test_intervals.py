"""Intervals over crossed devices and seeds: hand numbers, and how often they hold the truth."""

import math

import numpy as np
import pytest
from scipy import stats

from edgesim.analysis import intervals
from edgesim.seeds import stream

NAN = math.nan


def test_variance_of_a_two_way_layout():
    """1 2 / 3 6: MS of devices 9, of seeds 4, of the rest 1; (9 + 4 - 1) / 4 = 3 with 12^2 / (81 + 16 + 1) degrees."""
    variance, degrees = intervals.variance_of_mean(np.array([[1.0, 2.0], [3.0, 6.0]]))
    assert variance == pytest.approx(3.0)
    assert degrees == pytest.approx(144 / 98)


def test_variance_of_one_seed_is_that_of_the_devices():
    """1, 2, 3: sample variance 1, of the mean 1/3, two degrees; a trial that is missing changes nothing."""
    for values in ([[1.0], [2.0], [3.0]], [[1.0, NAN], [2.0, NAN], [3.0, NAN]]):
        variance, degrees = intervals.variance_of_mean(np.array(values))
        assert variance == pytest.approx(1 / 3)
        assert degrees == 2


def test_variance_of_many_cells_at_once_equals_one_by_one():
    values = stream(0, "test:values").normal(size=(4, 5, 3))
    values[1, 2, 0] = NAN
    variance, degrees = intervals.variance_of_mean(values)
    for i, cell in enumerate(values):
        one, free = intervals.variance_of_mean(cell)
        assert (variance[i], degrees[i]) == (pytest.approx(float(one)), pytest.approx(float(free)))


def test_interval_of_three_seeds_is_students():
    """1, 2, 3: standard error 1 / sqrt 3, t of two degrees 4.30265."""
    found = intervals.interval(np.array([[1.0, 2.0, 3.0]]))
    half = 4.30265 / math.sqrt(3)
    assert (found.estimate, found.n, found.devices, found.seeds, found.kind) == (2.0, 3, 1, 3, "t")
    assert (found.low, found.high) == (pytest.approx(2 - half, abs=1e-4), pytest.approx(2 + half, abs=1e-4))


def test_interval_is_cut_where_the_mean_cannot_be():
    found = intervals.interval(np.array([[0.1, 0.9]]), (0.0, 1.0))
    assert (found.low, found.high) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("shape", "kind"), [((20, 1), "bootstrap"), ((20, 3), "t"), ((1, 20), "bootstrap"), ((3, 20), "t")]
)
def test_the_bootstrap_is_used_where_there_are_many(shape, kind):
    assert intervals.interval(stream(1, "test:values").normal(size=shape)).kind == kind


@pytest.mark.parametrize("values", [np.empty((0, 0)), np.array([[0.5]]), np.array([[0.5, NAN]]), np.array([[NAN]])])
def test_interval_of_too_little_has_no_ends(values):
    found = intervals.interval(values)
    assert found.kind == "none"
    assert math.isnan(found.low)
    assert math.isnan(intervals.p_above(found, 0.0))


def test_ratio_interval():
    """Parts 1, 2, 3 of 2, 2, 2: ratio 1 from halves 0.5, 1, 1.5 with standard error 0.5 / sqrt 3."""
    found = intervals.ratio_interval(np.array([[1.0], [2.0], [3.0]]), np.full((3, 1), 2.0))
    half = 4.30265 * 0.5 / math.sqrt(3)
    assert (found.estimate, found.high) == (pytest.approx(1.0), pytest.approx(1 + half, abs=1e-4))
    assert math.isnan(intervals.ratio_interval(np.array([[1.0]]), np.array([[0.0]])).estimate)


def test_ratio_weights_by_the_whole():
    """1 of 1 and 0 of 3 is a quarter, not a half."""
    assert intervals.ratio_interval(np.array([[1.0], [0.0]]), np.array([[1.0], [3.0]])).estimate == pytest.approx(0.25)


def test_p_values():
    """0.1, 0.2, 0.3: t = 2 sqrt 3, whose tail with two degrees is 1/2 - t / (2 sqrt(2 + t^2)) = 0.03709."""
    found = intervals.interval(np.array([[0.1, 0.2, 0.3]]))
    assert intervals.p_above(found, 0.0) == pytest.approx(0.03709, abs=1e-5)
    assert intervals.p_below(found, 0.0) == pytest.approx(1 - 0.03709, abs=1e-5)
    assert intervals.p_above(found, 0.2) == pytest.approx(0.5)
    same = intervals.interval(np.full((1, 3), 0.1))  # its mean is not 0.1 but 0.1 + 1.4e-17
    assert (intervals.p_above(same, 0.0), intervals.p_above(same, 0.1), intervals.p_below(same, 0.0)) == (0.0, 1.0, 1.0)


def test_holm():
    """0.01 x 3, 0.03 x 2, then 0.04 x 1 raised to the one before; what is unknown is no test."""
    found = intervals.holm(np.array([0.01, 0.04, NAN, 0.03]))
    assert found[[0, 1, 3]] == pytest.approx([0.03, 0.06, 0.06])
    assert math.isnan(found[2])
    assert intervals.holm(np.array([0.9, 0.8])).tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("devices", "seeds", "by_device", "by_seed"),
    [(20, 3, 1.0, 1.0), (20, 3, 0.0, 1.0), (20, 3, 1.0, 0.0), (1, 3, 0.0, 1.0), (8, 5, 1.0, 1.0), (10, 1, 1.0, 0.0)],
)
def test_t_intervals_hold_the_truth(devices, seeds, by_device, by_seed):
    """2,000 runs of a truth of 0: 95 % intervals hold it in 91 % of them or more (standard error 0.5 points)."""
    rng = stream(2, "test:coverage")
    runs = by_device * rng.normal(size=(2000, devices, 1)) + by_seed * rng.normal(size=(2000, 1, seeds))
    _, low, high = intervals.t_interval(runs + rng.normal(size=(2000, devices, seeds)))
    assert ((low <= 0) & (high >= 0)).mean() >= 0.91


def test_percentile_bootstrap_of_three_seeds_is_too_narrow():
    """Why it is not used there: less than 90 % of its 95 % intervals hold the truth, where Student's do."""
    rng = stream(3, "test:coverage")
    runs = rng.normal(size=(300, 10, 1)) + rng.normal(size=(300, 1, 3)) + rng.normal(size=(300, 10, 3))
    ends = [intervals.bootstrap_interval(run) for run in runs]
    assert np.mean([low <= 0 <= high for low, high in ends]) < 0.9
    _, low, high = intervals.t_interval(runs)
    assert ((low <= 0) & (high >= 0)).mean() > 0.92


def test_bootstrap_of_many_devices_agrees_with_students():
    values = stream(4, "test:values").normal(size=(100, 1))
    found = intervals.interval(values)
    half = stats.t.ppf(0.975, 99) * values.std(ddof=1) / 10
    assert found.high - found.estimate == pytest.approx(half, rel=0.1)
