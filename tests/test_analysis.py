"""Every number of the report's tables, against numbers worked out by hand."""

import math

import numpy as np
import pytest
from trials import table, trial

from edgesim.analysis.grouping import device_by_seed, ranges
from edgesim.analysis.intervals import trial_mean
from edgesim.analysis.means import (
    SUMMARY_COLUMNS,
    by_profile,
    cost_by_ratio,
    failures,
    gap_to_random,
    linear_fit,
    summary,
    time_fits,
)
from edgesim.analysis.savings import saved_in_words
from edgesim.analysis.second_test_set import is_own


@pytest.fixture
def grid():
    """Two seeds, two devices, `full`, and `importance` at 0.5 with accuracies 0.5 0.7 / 0.6 0.8 (device / seed)."""
    rows = []
    for device, accuracies in enumerate([(0.5, 0.7), (0.6, 0.8)]):
        for seed, accuracy in enumerate(accuracies):
            full_time = 10.0 * (device + 1)
            rows.append(
                trial(seed, device, "full", 1.0, 0.9, analytic_time_s=full_time, analytic_energy_j=100.0,
                      device_time_s=20.0, device_energy_j=50.0, device_score_time_s=0.0)
            )  # fmt: skip
            rows.append(
                trial(seed, device, "importance", 0.5, accuracy, local_accuracy=accuracy + 0.1,
                      analytic_time_s=6.0 * (device + 1), analytic_energy_j=55.0, device_time_s=15.0,
                      device_energy_j=60.0, device_score_time_s=3.75)
            )  # fmt: skip
    return table(*rows)


def test_summary_means_spreads_and_savings(grid):
    row = summary(grid).set_index("method").loc["importance"]
    assert row["trials"] == 4
    assert row["test_accuracy"] == pytest.approx(0.65)
    assert row["local_accuracy"] == pytest.approx(0.75)
    # devices' means 0.6 and 0.7: sample deviation 0.1 / sqrt 2; seeds' means 0.55 and 0.75
    assert row["std_over_devices"] == pytest.approx(0.1 / math.sqrt(2))
    assert row["std_over_seeds"] == pytest.approx(0.2 / math.sqrt(2))
    # time 2 * (6 + 12) of 2 * (10 + 20); energy 55 of 100; emulated 15 of 20 and 60 of 50
    assert row["time_saved"] == pytest.approx(0.4)
    assert row["energy_saved"] == pytest.approx(0.45)
    assert row["device_time_saved"] == pytest.approx(0.25)
    assert row["device_energy_saved"] == pytest.approx(-0.2)
    assert row["scoring_share"] == pytest.approx(0.25)
    # before it is cut: t of one degree times the root of the variances by devices, 0.1² / 4, and by seeds, 0.2² / 4
    assert row["accuracy_half_width"] == pytest.approx(12.7062 * math.sqrt(0.0025 + 0.01), rel=1e-5)
    assert (row["accuracy_low"], row["accuracy_high"]) == (0, 1)
    assert (row["failed"], row["infeasible"]) == (0, 0)


def test_summary_of_full_saves_nothing(grid):
    row = summary(grid).set_index("method").loc["full"]
    assert (row["time_saved"], row["energy_saved"], row["scoring_share"]) == (0.0, 0.0, 0.0)


def test_summary_order_is_first_appearance_then_ratio():
    records = table(trial(0, 0, "random", 0.8, 0.5), trial(0, 0, "full", 1.0, 0.5), trial(0, 0, "random", 0.1, 0.5))
    found = summary(records)[["method", "keep_ratio"]].values.tolist()
    assert found == [["random", 0.1], ["random", 0.8], ["full", 1.0]]


def test_savings_are_paired():
    """Device 1 has no `full`, so its (cheap) trial must not count as a saving."""
    records = table(
        trial(0, 0, "full", 1.0, 0.9, analytic_time_s=10.0),
        trial(0, 0, "random", 0.5, 0.9, analytic_time_s=5.0),
        trial(0, 1, "random", 0.5, 0.9, analytic_time_s=0.1),
    )
    row = summary(records).set_index("method").loc["random"]
    assert row["time_saved"] == pytest.approx(0.5)
    assert math.isnan(row["energy_saved"])


def test_summary_counts_and_leaves_out_what_failed():
    records = table(
        trial(0, 0, "random", 0.5, 0.8),
        trial(0, 1, "random", 0.5, 0.1, status="failed", reason="diverged"),
        trial(0, 2, "random", 0.5, status="infeasible"),
        trial(0, 3, "random", 0.5, status="infeasible"),
    )
    row = summary(records).iloc[0]
    assert (row["trials"], row["failed"], row["infeasible"]) == (1, 1, 2)
    assert row["test_accuracy"] == 0.8
    for unknown in ("time_saved", "std_over_devices", "std_over_seeds", "accuracy_low", "accuracy_half_width"):
        assert math.isnan(row[unknown])


def test_summary_of_nothing_and_of_failures_only():
    assert list(summary(table()).columns) == [name for name in SUMMARY_COLUMNS if not is_own(name)]
    row = summary(table(trial(0, 0, "full", 1.0, status="failed"))).iloc[0]
    assert (row["trials"], row["failed"]) == (0, 1)
    assert math.isnan(row["test_accuracy"])


def test_device_by_seed_leaves_missing_trials_unknown():
    records = table(trial(7, 3, "random", 0.5, 0.1), trial(9, 3, "random", 0.5, 0.2), trial(9, 5, "random", 0.5, 0.3))
    expected = [[0.1, 0.2], [math.nan, 0.3]]
    np.testing.assert_array_equal(device_by_seed(records, "test_accuracy"), expected)


def test_trial_mean_without_missing_trials():
    values = np.array([[[1.0, math.nan], [2.0, 3.0]], [[math.nan, math.nan], [math.nan, math.nan]]])
    np.testing.assert_array_equal(trial_mean(values), [2.0, math.nan])


def test_gap_to_random_is_paired():
    """The unpaired difference of the means would be 0.75 - 0.5; the pair alone says 0.1."""
    records = table(
        trial(0, 0, "random", 0.5, 0.5),
        trial(0, 0, "importance", 0.5, 0.6),
        trial(0, 1, "importance", 0.5, 0.9),
        trial(0, 0, "importance", 0.1, 0.9),
        trial(0, 2, "importance", 0.5, 0.2, status="failed"),
        trial(0, 2, "random", 0.5, 0.9),
        trial(0, 0, "full", 0.5, 0.9),
    )
    found = gap_to_random(records)
    assert found[["method", "keep_ratio", "pairs"]].values.tolist() == [["importance", 0.5, 1]]
    assert found["gap"][0] == pytest.approx(0.1)
    assert math.isnan(found["gap_low"][0])


def test_gap_interval_is_students_over_three_seeds():
    """Gaps 0.1, 0.2, 0.3: mean 0.2, standard error 0.1 / sqrt 3, and t = 4.30265 with two degrees of freedom."""
    rows = []
    for seed, gap in enumerate((0.1, 0.2, 0.3)):
        rows += [trial(seed, 0, "random", 0.5, 0.5), trial(seed, 0, "el2n", 0.5, 0.5 + gap)]
    found = gap_to_random(table(*rows)).iloc[0]
    half = 4.30265 * 0.1 / math.sqrt(3)
    ends = [found["gap"], found["gap_low"], found["gap_high"]]
    assert ends == pytest.approx([0.2, 0.2 - half, 0.2 + half], abs=1e-5)


def test_gap_without_random_is_empty(grid):
    assert gap_to_random(grid).empty


def test_linear_fit():
    assert linear_fit(np.array([0.0, 1.0, 2.0]), np.array([1.0, 3.0, 5.0])) == (2.0, 1.0, 1.0)
    # y = 0, 1, 0 over x = 0, 1, 2: slope 0, intercept 1/3, nothing explained
    fit = linear_fit(np.array([0.0, 1.0, 2.0, math.nan]), np.array([0.0, 1.0, 0.0, 9.0]))
    assert tuple(fit) == pytest.approx((0.0, 1 / 3, 0.0))


def test_linear_fit_where_it_is_not_defined():
    assert all(math.isnan(v) for v in linear_fit(np.array([0.5, 0.5]), np.array([1.0, 2.0])))
    flat = linear_fit(np.array([0.0, 1.0]), np.array([2.0, 2.0]))
    assert flat[:2] == (0.0, 2.0)
    assert math.isnan(flat.r2)


def test_cost_by_ratio_and_its_line():
    """Mean times 2 at 0.1 and 6 at 0.5: slope 10 s, intercept 1 s."""
    rows = [
        trial(0, device, "random", ratio, 0.5, analytic_time_s=time, host_wall_s=0.25)
        for ratio, times in ((0.1, (1.0, 3.0)), (0.5, (5.0, 7.0)))
        for device, time in enumerate(times)
    ]
    costs = cost_by_ratio(table(*rows)).table
    assert costs["analytic_time_s"].tolist() == [2.0, 6.0]
    assert costs["pairs"].tolist() == [2, 2]
    assert costs["device_time_s"].isna().all()
    fits = time_fits(table(*rows)).set_index("time")
    assert list(fits.index) == ["analytic_time_s", "host_wall_s"]
    assert fits.loc["analytic_time_s", ["slope_s", "intercept_s", "r2"]].tolist() == pytest.approx([10, 1, 1])


def test_failures_are_grouped_with_the_most_frequent_first():
    records = table(
        trial(0, 0, "random", 0.5, 0.5),
        trial(0, 1, "random", 0.1, status="failed", reason="diverged"),
        *(trial(1, d, "el2n", r, status="infeasible", reason="memory") for d, r in ((2, 0.5), (3, 0.5), (7, 0.1))),
    )  # fmt: skip
    found = failures(records)
    assert found.values.tolist() == [
        ["infeasible", "memory", "el2n", 3, "0.1, 0.5", "2-3, 7", "1"],
        ["failed", "diverged", "random", 1, "0.1", "1", "0"],
    ]
    assert failures(records.head(1)).empty


def test_ranges():
    assert ranges([7, 0, 2, 1, 7, 9]) == "0-2, 7, 9"
    assert ranges([]) == ""


def test_by_profile():
    records = table(
        trial(0, 0, "random", 0.5, 0.5, profile="pi", analytic_time_s=1.0),
        trial(1, 0, "random", 0.5, 0.7, profile="pi", analytic_time_s=2.0),
        trial(0, 1, "random", 0.5, 0.6, profile="pi", analytic_time_s=6.0),
        trial(0, 2, "random", 0.5, 0.9, profile="nano", analytic_time_s=0.5),
        trial(0, 3, "random", 0.5, 0.1, profile="nano", status="failed"),
    )
    found = by_profile(records)
    columns = ["profile", "devices", "trials", "test_accuracy", "analytic_time_s"]
    assert found[columns].values.tolist() == [
        ["pi", 2, 3, pytest.approx(0.6), 3.0],
        ["nano", 1, 1, 0.9, 0.5],
    ]


@pytest.mark.parametrize(
    ("time", "energy", "words"),
    [
        (0.4, 0.38, "saves 40.0 % of the time and 38.0 % of the energy"),
        (-0.03, 0.05, "saves 5.0 % of the energy but takes 3.0 % more time"),
        (-0.03, -0.05, "takes 3.0 % more time and 5.0 % more energy"),
        (-0.0009, 0.0004, "changes the time and the energy by less than 0.1 %"),
        (0.4, -0.0009, "saves 40.0 % of the time but changes the energy by less than 0.1 %"),
        (math.nan, 0.05, "saves 5.0 % of the energy"),
    ],
)
def test_what_is_saved_in_words(time: float, energy: float, words: str) -> None:
    assert saved_in_words(time, energy) == words
