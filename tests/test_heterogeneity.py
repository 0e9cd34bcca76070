"""Devices that differ, classes, Pareto fronts, prices and subsets: against numbers worked out by hand."""

import math

import numpy as np
import pandas as pd
import pytest
from trials import table, trial

from edgesim.analysis.classes import class_counts, class_skew, kept_class_shares
from edgesim.analysis.fairness import device_winners, fairness, gini, jain, winner_counts, worst_tenth
from edgesim.analysis.heterogeneity import by_device, headroom, infeasible, stragglers
from edgesim.analysis.kept_samples import (
    dynamic_methods,
    extremes,
    methods_without_extremes,
    overlap,
    score_histogram,
    trace_means,
)
from edgesim.analysis.means import failures
from edgesim.analysis.pareto import accuracy_against, front
from edgesim.analysis.prices import compare_prices, device_prices, price_sources

DEVICES = pd.DataFrame(
    {
        "device": [0, 1],
        "idle_w": [1.0, 0.5],
        "memory_bytes": [100.0, 200.0],
        "usable_memory_bytes": [80.0, 160.0],
        "storage_capacity_bytes": [1000.0, 4000.0],
        "shard_bytes": [100, 5000],
    }
)
SHARDS = pd.DataFrame(
    {"seed": 0, "device": [0, 0, 0, 0, 1, 1], "index": [0, 2, 4, 6, 1, 3], "label": [0, 0, 0, 1, 1, 1]}
)
KEY = ["seed", "device", "method", "keep_ratio"]


def chosen(*rows):
    """Selections: (seed, device, method, keep_ratio, indices)."""
    return pd.DataFrame([(*row[:4], index) for row in rows for index in row[4]], columns=[*KEY, "index"])


def test_by_device_saves_against_its_own_full():
    records = table(
        trial(0, 0, "full", 1.0, 0.9, device_time_s=10.0, device_energy_j=4.0),
        trial(1, 0, "full", 1.0, 0.7, device_time_s=30.0, device_energy_j=4.0),
        trial(0, 0, "random", 0.5, 0.8, device_time_s=6.0, device_energy_j=5.0),
        trial(1, 0, "random", 0.5, 0.8, device_time_s=14.0, device_energy_j=5.0),
        trial(2, 0, "random", 0.5, 0.2, device_time_s=1.0, device_energy_j=1.0),
    )
    told = by_device(records)
    row = told.table.set_index("method").loc["random"]
    assert (row["time_saved"], row["energy_saved"]) == (pytest.approx(0.5), pytest.approx(-0.25))
    assert (row["accuracy_change"], row["seeds"]) == (pytest.approx(0.0), 3)
    assert row["device_time_s"] == pytest.approx(7.0)
    assert told.missing == ()


def test_stragglers_and_what_waiting_costs():
    """Device 0 needs 10 s, device 1 4 s: it waits 6 of 2 x 10 s at 0.5 W beside 28 J of work."""
    records = table(
        trial(0, 0, "full", 1.0, 0.9, device_time_s=10.0, device_energy_j=20.0),
        trial(0, 1, "full", 1.0, 0.9, device_time_s=4.0, device_energy_j=8.0, profile="nano"),
    )
    row = stragglers(records, DEVICES).table.iloc[0]
    assert (row["finish_s"], row["median_s"], row["device"], row["profile"]) == (10.0, 7.0, 0, "pi")
    assert (row["wait_s"], row["wait_share"], row["idle_energy_j"]) == (6.0, 0.3, 3.0)
    assert row["idle_energy_share"] == pytest.approx(3 / 31)
    told = stragglers(records)
    assert math.isnan(told.table["idle_energy_j"][0])
    assert "idle energy" in told.missing[0]


def test_the_straggler_may_change_with_the_seed():
    times = {(0, 0): 5.0, (0, 1): 9.0, (1, 0): 6.0, (1, 1): 8.0, (2, 0): 7.0, (2, 1): 1.0}
    rows = [trial(s, d, "full", 1.0, 0.9, device_time_s=t, device_energy_j=1.0) for (s, d), t in times.items()]
    row = stragglers(table(*rows), DEVICES).table.iloc[0]
    assert (row["finish_s"], row["device"], row["share_of_seeds"]) == (8.0, 1, pytest.approx(2 / 3))
    assert row["wait_s"] == pytest.approx((4 + 2 + 6) / 3)


def test_fairness_measures():
    assert worst_tenth(np.array([0.5, 0.1, 0.3] + [0.9] * 8)) == pytest.approx(0.2)  # 2 of 11
    assert gini(np.array([0.0, 1.0])) == 0.5
    assert gini(np.array([2.0, 2.0, 2.0])) == 0.0
    assert jain(np.array([1.0, 3.0])) == pytest.approx(0.8)
    assert math.isnan(jain(np.array([0.0])))
    assert math.isnan(gini(np.array([])))


def test_fairness_is_taken_per_seed():
    records = table(
        *(trial(s, d, "full", 1.0, a) for (s, d), a in {(0, 0): 0, (0, 1): 1, (1, 0): 1, (1, 1): 0}.items())
    )
    row = fairness(records).table.iloc[0]
    assert (row["mean"], row["gini"], row["worst_tenth"]) == (0.5, 0.5, 0.0)


def test_winners_and_their_counts():
    records = table(
        trial(0, 0, "random", 0.5, 0.5), trial(1, 0, "random", 0.5, 0.7), trial(0, 0, "el2n", 0.5, 0.6),
        trial(1, 0, "el2n", 0.5, 0.8),
        trial(0, 1, "random", 0.5, 0.6), trial(0, 1, "el2n", 0.5, 0.6), trial(0, 1, "full", 1.0, 0.9),
    )  # fmt: skip
    found = device_winners(records).table
    assert found[["device", "method", "runner_up", "seeds"]].values.tolist() == [
        [0, "el2n", "random", 2],
        [1, "random", "el2n", 1],
    ]
    assert found["ahead"].tolist() == pytest.approx([0.1, 0.0])
    assert winner_counts(found).table.values.tolist() == [[0.5, "el2n", 1, 2]]


def test_headroom_and_infeasible():
    records = table(
        trial(0, 0, "random", 0.1, 0.9, peak_memory_bytes=50, storage_bytes=10),
        trial(0, 0, "random", 0.5, 0.9, peak_memory_bytes=40, storage_bytes=50),
        trial(0, 1, "full", 1.0, status="infeasible", reason="needs 400 B", peak_memory_bytes=400),
        trial(0, 1, "random", 0.5, status="infeasible", reason="needs 400 B"),
    )
    found = headroom(records, DEVICES).table
    assert found["memory_share"].tolist() == [0.5, 2.0]
    assert found["usable_memory_bytes"].tolist() == [80.0, 160.0]
    assert found["storage_share"].tolist() == [0.1, 1.25]  # of the whole shard, though at most half of it was kept
    assert "their memory and storage are unknown" in headroom(records).missing[0]
    assert infeasible(records).table.values.tolist() == [[1, "pi", "needs 400 B", 2, "full, random", "0.5, 1"]]


def test_reasons_that_differ_in_numbers_stand_once():
    reasons = ("needs 31.7 J, 1,024 there", "needs 3e2 J, 4 there", "needs 31.7 J, 1,024 there", "no disk")
    records = table(*(trial(seed, 1, "full", 1.0, status="infeasible", reason=reason)
                      for seed, reason in enumerate(reasons)))  # fmt: skip
    first = "needs 31.7 J, 1,024 there (and 1 more that differ in their numbers)"
    assert infeasible(records).table[["reason", "trials"]].values.tolist() == [[first, 3], ["no disk", 1]]
    found = failures(records)
    assert found[["reason", "failures", "seed_list"]].values.tolist() == [[first, 3, "0-2"], ["no disk", 1, "3"]]


def test_class_counts_and_starved_classes():
    """Device 0 holds three of class 0 and one of class 1; el2n keeps two of class 0 and none of class 1."""
    told = class_counts(SHARDS, chosen((0, 0, "el2n", 0.5, [0, 4]), (0, 1, "el2n", 0.5, [3])))
    columns = ["device", "label", "before", "after", "share_before", "share_after"]
    assert told.table[columns].values.tolist() == [
        [0, 0, 3, 2, 0.75, 1.0],
        [0, 1, 1, 0, 0.25, 0.0],
        [1, 1, 2, 1, 1.0, 1.0],
    ]
    found = kept_class_shares(told.table).table.set_index("label")
    assert found["kept_share"].tolist() == pytest.approx([2 / 3, 1 / 3])
    assert found["share_after"].tolist() == pytest.approx([2 / 3, 1 / 3])
    assert found[["present", "vanished"]].values.tolist() == [[1, 0], [2, 1]]
    assert "shards" in class_counts(SHARDS.head(0), chosen()).missing[0]


def test_skew_is_the_distance_from_all_devices_together():
    """All: 3 of 6 are class 0. Device 0 has 3 of 4, device 1 none: distances 1/4 and 1/2."""
    found = class_skew(SHARDS).table
    assert found["skew"].tolist() == pytest.approx([0.25, 0.5])
    assert found["classes"].tolist() == [2, 1]


def test_front():
    costs = np.array([1.0, 2.0, 2.0, 3.0, 1.0, math.nan, 4.0])
    gains = np.array([0.5, 0.7, 0.6, 0.7, 0.5, 0.9, 0.8])
    assert front(costs, gains).tolist() == [True, True, False, False, True, False, True]


def test_accuracy_against_cost():
    records = table(
        trial(0, 0, "full", 1.0, 0.9, device_energy_j=10.0), trial(0, 0, "random", 0.5, 0.8, device_energy_j=5.0),
        trial(0, 0, "el2n", 0.5, 0.7, device_energy_j=7.0), trial(0, 1, "el2n", 0.5, 0.7, device_energy_j=80.0),
    )  # fmt: skip
    found = accuracy_against(records).table
    assert found[["method", "cost", "on_front"]].values.tolist() == [
        ["full", 10, True],
        ["random", 5, True],
        ["el2n", 7, False],
    ]


def test_prices_side_by_side():
    times = {"analytic_time_s": 3.0, "device_time_s": 6.0, "analytic_energy_j": 2.0, "device_energy_j": 3.0}
    records = table(
        trial(0, 0, "full", 1.0, 0.9, analytic_train_time_s=4.0, device_train_time_s=8.0, host_train_wall_s=2.0),
        trial(
            0, 0, "random", 0.5, 0.9, analytic_train_time_s=2.0, device_train_time_s=6.0, host_train_wall_s=1.5, **times
        ),
    )
    row = compare_prices(records).table.set_index("method").loc["random"]
    assert (row["time_factor"], row["energy_factor"]) == (2.0, 1.5)
    assert (row["analytic_relative"], row["device_relative"], row["host_relative"]) == (0.5, 0.75, 0.75)


def test_prices_of_a_device_over_all_its_trials():
    """Two trials of 2 s and one of 8 s by the closed form: 4 s; emulated 4, 4 and 16 s: 8 s, twice that.

    Random leaves 0.5 of the time by the closed form and 0.75 emulated; by the host's clock 0.625.
    """
    names = [
        "device", "profile", "method", "keep_ratio", "trials", "analytic_time_s", "device_time_s", "host_wall_s",
        "analytic_energy_j", "device_energy_j", "analytic_relative", "device_relative", "host_relative",
    ]  # fmt: skip
    prices = pd.DataFrame([
        (3, "pi", "full", 1.0, 1, 8.0, 16.0, 1.0, 4.0, 6.0, 1.0, 1.0, 1.0),
        (3, "pi", "random", 0.5, 2, 2.0, 4.0, 0.25, 1.0, 1.5, 0.5, 0.75, 0.625),
    ], columns=names)  # fmt: skip
    row = device_prices(prices).table.iloc[0]
    assert (row["device"], row["trials"], row["analytic_time_s"], row["device_time_s"]) == (3, 3, 4.0, 8.0)
    assert (row["host_wall_s"], row["time_factor"], row["energy_factor"]) == (0.5, 2.0, 1.5)
    assert (row["analytic_error"], row["device_error"]) == (-0.125, 0.125)
    alone = device_prices(prices.head(1)).table.iloc[0]  # `full` alone foretells nothing
    assert math.isnan(alone["analytic_error"])
    assert device_prices(prices.head(0)).missing


def priced(flops, steps, **more):
    """A trial at 1 s per unit of arithmetic by the closed form; emulated 1.5 s per unit and 0.25 s per step."""
    train_s = 1.5 * flops + 0.25 * steps + more.get("device_wait_s", 0.0) + more.get("device_throttled_s", 0.0)
    row = trial(0, 0, "random", flops / 10, 0.9, train_flops=flops, steps=steps, analytic_train_time_s=flops,
                analytic_score_time_s=1.0, analytic_time_s=flops + 1, device_train_time_s=train_s,
                device_score_time_s=3.0, device_time_s=train_s + 3)  # fmt: skip
    return {**row, **more}


def test_sources_of_the_gap():
    """Means: 5 units, 8 steps; a full step is one unit, so partial batches add 3 steps."""
    records = pd.DataFrame([priced(2.0, 4), priced(4.0, 8), priced(9.0, 12)])
    told = price_sources(records, {"train_flops": 0.5}, batch_size=2)
    row = told.table.iloc[0]
    assert row["step_overhead_s"] == pytest.approx(0.25)
    assert row["rate_s"] == pytest.approx(2.5)
    assert (row["steps_s"], row["partial_s"]) == (pytest.approx(2.0), pytest.approx(0.75))
    assert (row["score_s"], row["rest_s"]) == (pytest.approx(2.0), pytest.approx(0.0, abs=1e-9))
    assert row["gap_s"] == pytest.approx(6.5)


def test_sources_of_waiting_and_heat():
    heat = {"device_wait_s": 1.0, "device_throttled_s": 2.0}
    row = price_sources(pd.DataFrame([priced(2.0, 4, **heat), priced(4.0, 8), priced(9.0, 12)])).table.iloc[0]
    assert (row["wait_s"], row["throttled_s"]) == (pytest.approx(1 / 3), pytest.approx(2 / 3))
    parts = [row[name] for name in ("rate_s", "steps_s", "score_s", "wait_s", "throttled_s", "rest_s")]
    assert sum(parts) == pytest.approx(row["gap_s"])


def test_sources_that_cannot_be_told_apart():
    told = price_sources(pd.DataFrame([priced(2.0, 4), priced(4.0, 8), priced(6.0, 12)]))
    assert math.isnan(told.table["steps_s"][0])
    # Means: 4 units take 6 s and 8 steps 2 s, which is 4 s more than the closed form's 4 s; scoring 2 s more.
    assert (told.table["rest_s"][0], told.table["gap_s"][0]) == (pytest.approx(4.0), pytest.approx(6.0))
    assert any("FLOPs per step" in sentence for sentence in told.missing)


def test_overlap_of_subsets():
    """{1, 2} and {2, 3} share one of three; chance at one half is a third."""
    selections = chosen((0, 0, "full", 1.0, [1, 2, 3, 4]), (0, 0, "b", 0.5, [1, 2]), (0, 0, "a", 0.5, [2, 3]),
                        (1, 0, "b", 0.5, [1, 2]), (1, 0, "a", 0.5, [1, 2]), (1, 0, "a", 0.1, [1]))  # fmt: skip
    about = {"shard_size": 4}
    trials = [trial(s, 0, m, r, 0.5, **about) for s in (0, 1) for m, r in (("b", 0.5), ("a", 0.5), ("a", 0.1))]
    row = overlap(selections, table(*trials)).table
    assert row[["method_a", "method_b", "keep_ratio", "trials"]].values.tolist() == [["b", "a", 0.5, 2]]
    assert (row["jaccard"][0], row["chance"][0]) == (pytest.approx(2 / 3), pytest.approx(1 / 3))


def test_methods_that_keep_no_subset():
    """They are told by what the records say of them, also where a trial failed or kept all."""
    records = table(
        trial(0, 0, "infobatch", 0.5, 0.9, shard_size=10, subset_size=10, dynamic=True),
        trial(0, 0, "random", 0.5, 0.9, shard_size=10, subset_size=5),
        trial(0, 0, "full", 1.0, 0.9, shard_size=10, subset_size=10),
        trial(0, 1, "rs2", 1.0, status="failed", shard_size=10, subset_size=10, dynamic=True),
        trial(0, 1, "ccs", 0.5, 0.9),
    )
    assert dynamic_methods(records) == ["infobatch", "rs2"]
    assert dynamic_methods(records.drop(columns="dynamic")) == []


def test_methods_without_samples_to_show():
    records = table(
        trial(0, 2, "full", 1.0, 0.9),
        trial(0, 2, "random", 0.5, 0.9),
        trial(0, 2, "el2n", 0.5, 0.9),
        trial(0, 2, "aum", 0.5, status="failed"),
        trial(0, 1, "ccs", 0.5, 0.9),
    )
    shown = pd.DataFrame({"method": ["el2n"]})
    assert methods_without_extremes(records, shown, device=2, seed=0) == [
        "random does not rank samples, so it has no pictures.",
        "aum and ccs have no trial on device 2 that ended well, so no samples are shown.",
    ]
    assert methods_without_extremes(records.head(3), pd.DataFrame({"method": ["el2n", "random"]}), 2, 0) == []


def scores(method="el2n"):
    values = {0: 0.5, 2: 0.9, 4: 0.1, 6: 0.3}
    rows = [(0, 0, method, math.nan, index, score) for index, score in values.items()]
    return pd.DataFrame(rows, columns=[*KEY, "index", "score"])


def test_most_and_least_important_samples_of_a_class():
    found = extremes(scores(), SHARDS, count=1).table
    assert found[["label", "end", "rank", "index"]].values.tolist() == [
        [0, "most", 1, 2],
        [0, "least", 1, 4],
        [1, "most", 1, 6],
    ]
    assert extremes(scores("random"), SHARDS).table.empty
    told = extremes(scores(), SHARDS.head(0), count=2)
    assert told.table["index"].tolist() == [2, 0, 4, 6]
    assert "labels" in told.missing[0]


def test_spread_of_scores():
    found = score_histogram(scores(), bins=2).table
    assert found["samples"].tolist() == [2, 2]
    assert found["bin_high"].tolist() == pytest.approx([0.5, 0.9])


def test_trace_means():
    traces = pd.DataFrame(
        [(seed, 0, "adapruner", 0.5, epoch, "loss", epoch + seed) for seed in (0, 2) for epoch in (1, 2)],
        columns=[*KEY, "epoch", "quantity", "value"],
    )
    found = trace_means(traces).table
    assert found[["epoch", "value", "trials"]].values.tolist() == [[1, 2.0, 2], [2, 3.0, 2]]
