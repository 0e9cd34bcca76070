"""Intervals over crossed devices and seeds: hand numbers, and how often they hold the truth."""

import math

import numpy as np
import pytest

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
    assert (found.estimate, found.n, found.devices, found.seeds, found.scope) == (2.0, 3, 1, 3, "this device alone")
    assert (found.low, found.high) == (pytest.approx(2 - half, abs=1e-4), pytest.approx(2 + half, abs=1e-4))


def test_interval_is_cut_where_the_mean_cannot_be():
    found = intervals.interval(np.array([[0.1, 0.9]]), (0.0, 1.0))
    assert (found.low, found.high) == (0.0, 1.0)


@pytest.mark.parametrize("values", [np.empty((0, 0)), np.array([[0.5]]), np.array([[0.5, NAN]]), np.array([[NAN]])])
def test_interval_of_too_little_has_no_ends(values):
    found = intervals.interval(values)
    assert not found.is_known
    assert math.isnan(intervals.p_above(found, 0.0))


def test_one_seed_has_no_interval_however_many_devices():
    """Its devices share one split and one set of initial weights, whose effect one seed cannot show."""
    found = intervals.interval(stream(1, "test:values").normal(size=(30, 1)))
    assert (found.is_known, found.scope, found.n) == (False, "this seed alone", 30)
    assert math.isnan(intervals.p_two_sided(found, 5.0))
    assert np.isnan(intervals.t_interval(np.ones((2, 30, 1)))[1]).all()
    assert intervals.scope_of(1, 1) == "this trial alone"
    assert intervals.scope_of(2, 2) == ""


def test_intervals_that_decide_together_are_wider():
    """Four tests: t(2) at 1 - 0.05 / 8 is 8.8602 for 4.30265; a p-value of 5 % lies at the end of the interval."""
    found = intervals.interval(np.array([[1.0, 2.0, 3.0]]), tests=4)
    half = 8.86021 / math.sqrt(3)
    assert found.high == pytest.approx(2 + half, abs=1e-4)
    assert intervals.p_two_sided(found, found.high) == pytest.approx(0.05, abs=1e-9)
    assert intervals.simultaneous(intervals.interval(np.array([[1.0, 2.0, 3.0]])), 4) == found
    assert [intervals.lies(found, bound) for bound in (found.low - 0.1, 2.0, found.high + 0.1)] == [1, 0, -1]


def test_repetitions_needed_by_hand():
    """One device, seeds of deviation 1: half width t(s - 1) / sqrt s is 1.03 for 6 seeds and 0.92 for 7."""
    values = np.array([[-1.0, 0.0, 1.0]])
    assert intervals.repetitions_needed(values, 1.0) == (7, None)
    assert intervals.repetitions_needed(values, 1e-6) == (None, None)
    assert intervals.repetitions_needed(values[:, :1], 1.0) == (None, None)


def test_repetitions_needed_suffice():
    """Runs of as many seeds as are said to be needed have that half width in about half of all cases, and a fifth of
    the seeds in none."""
    rng = stream(5, "test:needed")

    def draw(seeds):
        return rng.normal(size=(10, 1)) * 0.3 + rng.normal(size=(1, seeds)) + rng.normal(size=(10, seeds))

    needed = intervals.repetitions_needed(draw(200), 0.5).seeds
    halves = {}
    for seeds in (needed, max(2, needed // 5)):
        found = [intervals.interval(draw(seeds)) for _ in range(200)]
        halves[seeds] = np.median([one.high - one.estimate for one in found])
    assert halves[needed] == pytest.approx(0.5, rel=0.3)
    assert halves[max(2, needed // 5)] > 0.9


def test_ratio_interval():
    """Parts 1, 2, 3 of 2, 2, 2: ratio 1 from halves 0.5, 1, 1.5 with standard error 0.5 / sqrt 3."""
    found = intervals.ratio_interval(np.array([[1.0, 2.0, 3.0]]), np.full((1, 3), 2.0))
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


@pytest.mark.parametrize(
    ("devices", "seeds", "by_device", "by_seed"),
    [
        (20, 3, 1.0, 1.0),
        (20, 3, 0.0, 1.0),
        (20, 3, 1.0, 0.0),
        (1, 3, 0.0, 1.0),
        (8, 5, 1.0, 1.0),
        (4, 2, 1.0, 1.0),
        (10, 2, 1.0, 1.0),
    ],
)
def test_t_intervals_hold_the_truth(devices, seeds, by_device, by_seed):
    """2,000 runs of a truth of 0: 95 % intervals hold it in 91 % of them or more (standard error 0.5 points)."""
    rng = stream(2, "test:coverage")
    runs = by_device * rng.normal(size=(2000, devices, 1)) + by_seed * rng.normal(size=(2000, 1, seeds))
    _, low, high = intervals.t_interval(runs + rng.normal(size=(2000, devices, seeds)))
    assert ((low <= 0) & (high >= 0)).mean() >= 0.91


def test_two_seeds_of_a_strong_effect_hold_too():
    """Thirty devices that hardly differ, two seeds that do: the seeds have their own t with one degree of freedom."""
    rng = stream(2, "test:coverage")
    runs = 0.3 * rng.normal(size=(2000, 30, 1)) + rng.normal(size=(2000, 1, 2))
    _, low, high = intervals.t_interval(runs + rng.normal(size=(2000, 30, 2)))
    assert ((low <= 0) & (high >= 0)).mean() >= 0.94


def test_simultaneous_intervals_hold_together():
    """Eight independent means of three seeds: all of their intervals hold the truth in 93 % of 1,000 runs or more."""
    rng = stream(3, "test:coverage")
    held = []
    for _ in range(1000):
        found = [intervals.interval(rng.normal(size=(1, 3)), tests=8) for _ in range(8)]
        held.append(all(one.low <= 0 <= one.high for one in found))
    assert np.mean(held) >= 0.93


@pytest.mark.parametrize(("seeds", "devices"), [(2, 30), (3, 10), (3, 30), (5, 30)])
@pytest.mark.parametrize("spreads", [(1.0, 1.0, 1.0), (0.2, 1.0, 1.0)])
def test_intervals_that_are_read_together_hold_together(seeds, devices, spreads):
    """300 runs of 6 intervals: 15 runs may have a false one, and 27 by chance in one of a thousand such tests.

    With one t for both factors about 90 runs of 2 seeds and 30 devices had one.
    """
    rng = stream(seeds, f"test:together {devices} {spreads}")
    of_device, of_seed, rest = spreads
    false = 0
    for _ in range(300):
        y = (of_device * rng.standard_normal((6, devices, 1)) + of_seed * rng.standard_normal((6, 1, seeds))
             + rest * rng.standard_normal((6, devices, seeds)))  # fmt: skip
        false += any(intervals.lies(intervals.interval(own, tests=6), 0.0) != 0 for own in y)
    assert false <= 27
