"""Every branch of the one-line answer, word for word, and comparisons over devices that all finish."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from trials import table, trial

from edgesim.analysis import means, opponents, random_comparisons
from edgesim.analysis.best_ratio import best_ratios
from edgesim.analysis.comparison import against_first, mean_differences
from edgesim.analysis.comparison_findings import equal_cost_findings, run_findings
from edgesim.analysis.cost_parts import cost_parts
from edgesim.analysis.curves import CURVE_VALUES, curve_bands, final_accuracy
from edgesim.analysis.fairness import device_winners, fairness
from edgesim.analysis.fleets import fleet_table
from edgesim.analysis.grouping import ok
from edgesim.analysis.heterogeneity import stragglers
from edgesim.analysis.means import by_profile, cost_by_ratio, gap_to_random
from edgesim.analysis.pareto import accuracy_against
from edgesim.analysis.verdict import verdict_of
from edgesim.report.figures.accuracy import pairing
from edgesim.results.grouped_ratios import by_rule

WOBBLE = (-0.001, 0.0, 0.001, 0.002)


def runs(
    change, *, ratio=0.5, seeds=3, devices=4, time_s=5.0, energy_j=None, wide=1.0, random=None, local=None, **more
):
    """Equal seeds but for the wobble of devices: full training in 10 s and 20 J, and importance at one ratio."""
    rows = []
    for seed, device in itertools.product(range(seeds), range(devices)):
        wobble = wide * WOBBLE[(device + seed) % 4]
        base = {"device_time_s": 10.0, "device_energy_j": 20.0, "local_accuracy": 0.8}
        rows.append(trial(seed, device, "full", 1.0, 0.8, **base))
        energy = 2 * time_s if energy_j is None else energy_j
        own = {"device_time_s": time_s, "device_energy_j": energy, "device_score_time_s": 1.0}
        own["local_accuracy"] = 0.8 + (change if local is None else local) + wobble
        rows.append(trial(seed, device, "importance", ratio, 0.8 + change + wobble, **own, **more))
        if random is not None:
            cost = {"device_time_s": 10 * ratio, "device_energy_j": 20 * ratio, "local_accuracy": 0.8 + random}
            rows.append(trial(seed, device, "random", ratio, 0.8 + random, **cost))
    return table(*rows)


KEEP = "Keep 50 % by importance: saves 50.0 % of the time and 50.0 % of the energy, "
ANSWERS = {
    "no loss": (runs(0.0), KEEP + "no loss above 1 point."),
    "within the margin": (runs(-0.005), KEEP + "a loss of 0.5 points, within the margin of 1 point."),
    "higher": (runs(0.0495), KEEP + "accuracy is higher by 5.0 points."),
    "time but not energy": (
        runs(0.0, energy_j=21.0),
        "Keep 50 % by importance: saves 50.0 % of the time but takes 5.0 % more energy, no loss above 1 point.",
    ),
    "no energy": (
        runs(0.0, energy_j=math.nan), "Keep 50 % by importance: saves 50.0 % of the time, no loss above 1 point."
    ),
    "no price": (
        runs(0.0, time_s=math.nan, energy_j=math.nan),
        "Keep 50 % by importance: no loss above 1 point. Its savings are unknown: no device time or energy is "
        "known.",
    ),
    "not worth it": (
        runs(0.0, time_s=11.0),
        "Not worth it: keeping 50 % by importance takes 10.0 % more time and 10.0 % more energy, with no loss above 1 "
        "point.",
    ),
    "dynamic": (
        runs(0.0, dynamic=True),
        "Train by importance at 50 % of full training: saves 50.0 % of the time and 50.0 % of the energy, no loss "
        "above 1 point.",
    ),
    "a rule": (
        runs(0.0, ratio_rule="budget"),
        "Keep 50 % on average by importance: saves 50.0 % of the time and 50.0 % of the energy, no loss above 1 point.",
    ),
    "one device": (runs(0.0, devices=1), "This device alone: k" + KEEP[1:] + "no loss above 1 point."),
    "one seed": (
        runs(0.0, seeds=1),
        "This seed alone: keeping 50 % by importance saved 50.0 % of the time and changed accuracy by +0.1 points. Two "
        "seeds or more would show what holds in general.",
    ),
    "one seed, dearer": (
        runs(0.0, seeds=1, time_s=11.0),
        "This seed alone: keeping 50 % by importance took 10.0 % more time and changed accuracy by +0.1 points. Two "
        "seeds or more would show what holds in general.",
    ),
    "falls": (
        runs(-0.2005),
        "Do not prune by importance here: accuracy falls at every keep ratio that ran, by 20.0 points at 50 %.",
    ),
    "own mix falls": (
        runs(0.0, local=-0.2005),
        KEEP + "no loss above 1 point on the common test set, but 20.0 points lost on the devices' own class mixes.",
    ),
    "better elsewhere": (
        runs(0.0, random=0.101, time_s=6.0),
        "Keep 50 % by importance: saves 40.0 % of the time and 40.0 % of the energy, no loss above 1 point. At the "
        "same energy random is better by 8.0 points.",
    ),
    "ahead": (
        runs(0.0, random=-0.0995, time_s=6.0),
        "Keep 50 % by importance: saves 40.0 % of the time and 40.0 % of the energy, no loss above 1 point. At the "
        "same energy it is ahead of random by 8.0 points.",
    ),
    "level": (
        runs(0.0, random=0.0, time_s=6.0),
        "Keep 50 % by importance: saves 40.0 % of the time and 40.0 % of the energy, no loss above 1 point. At the "
        "same energy it shows no lead over random.",
    ),
    "every estimate is too low": (
        runs(-0.0135, wide=5.0),
        "This run shows no safe keep ratio for importance (margin 1 point). At 50 % a loss of up to 1.4 "
        "points is not ruled out. Every estimate is a loss of the margin or more.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ANSWERS)
def test_the_answer_in_every_branch(name):
    records, text = ANSWERS[name]
    found = {one.kind: one for one in verdict_of(by_rule(records, records))}
    assert found["answer"].text == text
    assert ("disagreement" in found) == (name == "own mix falls")


def test_too_wide_says_what_would_tell():
    records = runs(-0.01, wide=20.0)
    text = {one.kind: one for one in verdict_of(records)}["answer"].text
    assert text.startswith("This run shows no safe keep ratio for importance (margin 1 point). At 50 % a loss")
    assert "would decide at 50 %, if the estimate holds." in text


def test_evidence_of_a_refusal_is_shown():
    """ "Do not prune" is not labelled as a run that cannot tell."""
    found = {one.kind: one for one in verdict_of(runs(-0.2))}
    assert found["answer"].evidence == "no"


def test_a_loss_at_the_largest_ratio_alone():
    """Shown at 0.8 only: nothing is said of 0.5 in the same breath but that it is open."""
    wide = runs(-0.02, wide=40.0)
    records = pd.concat([wide, runs(-0.1, ratio=0.8).query("method == 'importance'")], ignore_index=True)
    text = {one.kind: one for one in verdict_of(records)}["harm"].text
    assert text.startswith("At 0.8, importance costs accuracy: -9.")
    assert text.endswith("there. At 0.5 this run cannot tell.")


def test_one_comparison_has_one_interval():
    """The answer, the sentence on cost and that on a turn read the same intervals, over all ratios and opponents."""
    first = runs(0.0, random=-0.1, time_s=6.0)
    records = pd.concat([first, runs(0.0, ratio=0.2, random=-0.1, time_s=3.0).query("method != 'full'")])
    good = ok(records)
    (at_cost,) = opponents.at_cost(good, "importance", 0.5)
    assert at_cost.common.tests == 2
    found = {one.kind: one for one in verdict_of(records)}
    assert (found["cost"].keep_ratio, found["answer"].keep_ratio) == (0.2, 0.2)
    (told,) = opponents.at_cost(good, "importance", 0.2)
    assert (found["cost"].low, found["cost"].high) == (told.common.low, told.common.high)
    beside = random_comparisons.random_at(good, "importance", 0.2)
    assert (found["use"].low, found["use"].high) == (beside.common.low, beside.common.high)
    assert found["cost"].text.count("is ahead of random") == 1


def test_each_opponent_is_over_its_own_pairs_and_says_so():
    records = runs(0.0, random=-0.1, time_s=6.0)
    more = records[records["method"] == "random"].assign(method="fewer-epochs", dynamic=True, limit="")
    stopped = more["device"] > 1
    more.loc[stopped, ["status", "limit", "reason"]] = ["infeasible", "storage", "needs 2 MB of storage"]
    sizes = {"shard_size": 10, "subset_size": 5}
    both = pd.concat([records.assign(**sizes), more.assign(**sizes)], ignore_index=True)
    text = {one.kind: one for one in verdict_of(both, epochs=10)}["cost"].text
    assert "That is over 6 of 12 pairs, where importance reaches" in text
    assert "The storage of 2 devices does not hold all samples; only static opponents run there." in text


def weak(records):
    """The same with a device 9 that is slow and inaccurate, and finishes importance at 0.1 only."""
    rows = [trial(s, 9, "importance", r, a, status=status, device_time_s=t, device_energy_j=t, local_accuracy=a,
                  profile="weak", cost_j=r)
            for s in range(3)
            for r, a, status, t in ((0.1, 0.1, "ok", 500.0), (0.5, math.nan, "infeasible", math.nan))]  # fmt: skip
    return pd.concat([records, table(*rows)], ignore_index=True)


def test_no_mean_across_ratios_gains_or_loses_by_devices_that_drop_out():
    """With device 9 every comparison across ratios is that without it, and says who is left out."""
    plain = pd.concat([runs(0.0, cost_j=0.5), runs(-0.1, ratio=0.1, time_s=2.0, cost_j=0.1).query("method != 'full'")],
                      ignore_index=True)  # fmt: skip
    both = weak(plain)
    for question, values in (
        (final_accuracy, ["test_accuracy"]),
        (cost_by_ratio, ["device_time_s"]),
        (fairness, ["mean", "worst_tenth", "gini"]),
        (accuracy_against, ["test_accuracy", "cost"]),
        (stragglers, ["finish_s"]),
    ):
        told, wanted = question(both), question(plain)
        assert told.table[values].values.tolist() == wanted.table[values].values.tolist(), question.__name__
        assert "device 9" in " ".join(told.missing), question.__name__
    parts = [cost_parts(records)["device_train_time_s"].tolist() for records in (both, plain)]
    np.testing.assert_equal(*parts)
    weights = best_ratios(both, (0.1,))
    assert "device 9" in " ".join(weights.missing)
    risks = weights.table.set_index("device")["risk"]
    assert risks[0] == pytest.approx(best_ratios(plain, (0.1,)).table.set_index("device")["risk"][0])
    rows = by_profile(both).set_index(["profile", "method", "keep_ratio"])
    assert rows.loc[("pi", "importance", 0.1), "trials"] == 12
    summary = means.summary(both).set_index(["method", "keep_ratio"])
    assert summary.loc[("importance", 0.1), ["trials", "common_trials"]].tolist() == [15, 12]


def test_curves_are_over_the_same_devices():
    columns = ["seed", "device", "method", "keep_ratio", "epoch", *CURVE_VALUES]
    rows = [(s, d, "random", r, 1, 1.0, 0.5, 1.0, 0.5) for s in (0, 1) for d in (0, 1) for r in (0.1, 0.5)]
    rows += [(s, 9, "random", 0.1, 1, 9.0, 0.1, 9.0, 0.1) for s in (0, 1)]
    told = curve_bands(pd.DataFrame(rows, columns=columns))
    assert told.table["subset_loss"].tolist() == [1.0, 1.0]
    assert "Left out: device 9." in told.missing[0]


def test_winners_are_over_the_seeds_that_all_methods_have():
    """el2n fails in seed 1, the easy one: on seed 0 it is ahead, where the means of all seeds would say random."""
    records = table(
        trial(0, 0, "random", 0.5, 0.5), trial(1, 0, "random", 0.5, 0.9), trial(0, 0, "el2n", 0.5, 0.6),
        trial(1, 0, "el2n", 0.5, status="failed"),
    )  # fmt: skip
    row = device_winners(records).table.iloc[0]
    assert (row["method"], row["seeds"], row["ahead"]) == ("el2n", 1, pytest.approx(0.1))


def ruled():
    """A budget under which importance keeps 0.2 and 0.4, random 0.5 and 0.7."""
    rows = []
    for seed, device in itertools.product((0, 1), (0, 1)):
        rows.append(trial(seed, device, "full", 1.0, 0.9, device_time_s=10.0, device_energy_j=20.0, shard_size=100))
        for method, ratio, accuracy in (("importance", 0.2, 0.7), ("random", 0.5, 0.6)):
            own = ratio + 0.2 * device
            rows.append(trial(seed, device, method, own, accuracy, ratio_rule="budget", device_time_s=5.0, cost_j=0.5,
                              device_energy_j=10.0, shard_size=100, subset_size=round(100 * own)))  # fmt: skip
    records = table(*rows)
    return by_rule(records, records)


def test_under_a_rule_random_stands_at_its_own_ratios():
    """At 10 J random keeps 0.5 and 0.7, not twice its mean; winners compare at equal budget; no ratio is the best."""
    records = ruled()
    assert records["own_keep_ratio"].tolist()[1:3] == [0.2, 0.5]
    own = opponents.at_equal_cost(records, "importance", "random")
    assert own["opponent_keep_ratio"].tolist() == pytest.approx([0.5, 0.7, 0.5, 0.7])
    found = device_winners(records).table
    assert found[["method", "runner_up"]].values.tolist() == [["importance", "random"]] * 2
    assert "A rule chose" in best_ratios(records).missing[0]
    assert pairing(gap_to_random(records)) == ("Same seed, device and budget, where random keeps 0.6 on average.")


def test_risks_weigh_by_data_or_alike():
    """90 and 10 samples weigh 1.8 and 0.2. Risks 0.5 and 0.1, J 0.5 and 1: at lambda 0.5 equal weights take 1.0 (0.6
    against 0.75); the small device's 0.2 x risk is 0.1 + 0.25 against 0.02 + 0.5, so by data it takes 0.5."""
    rows = [trial(0, d, m, r, a, cost_j=r, shard_size=size) for d, size in ((0, 90), (1, 10))
            for m, r, a in (("full", 1.0, 0.9), ("random", 0.5, 0.5))]  # fmt: skip
    records = table(*rows)
    by_data = best_ratios(records, (0.5,)).table
    assert by_data["risk_weight"].tolist() == pytest.approx([1.8, 0.2])
    assert by_data["keep_ratio"].tolist() == [1.0, 0.5]
    assert by_data["objective"].tolist() == pytest.approx([1.8 * 0.1 + 0.5, 0.2 * 0.5 + 0.25])
    alike = best_ratios(records, (0.5,), weights_of_devices="equal").table
    assert alike["keep_ratio"].tolist() == [1.0, 1.0]


def fleet_of(speed, lost=()):
    rows = []
    for seed, device in itertools.product((0, 1), (0, 1, 2)):
        for method, ratio, accuracy in (("full", 1.0, 0.8 + 0.1 * device), ("random", 0.5, 0.7 + 0.1 * device),
                                        ("importance", 0.5, 0.75 + 0.1 * device)):  # fmt: skip
            cost = speed * (ratio + 0.1 * (method == "importance"))
            well = {"device_time_s": cost, "device_energy_j": cost, "local_accuracy": accuracy}
            stopped = device in lost and method == "full"
            rows.append(trial(seed, device, method, ratio, math.nan if stopped else accuracy,
                              status="infeasible" if stopped else "ok", **({} if stopped else well)))  # fmt: skip
    return table(*rows)


def test_fleets_are_compared_over_common_devices():
    """Device 2, the most accurate one, cannot do full training on b: common energies and accuracies are of 0 and 1."""
    told = fleet_table({"a": fleet_of(10.0), "b": fleet_of(20.0, lost=(2,))})
    rows = told.table.set_index(["fleet", "method"])
    assert rows.loc[("b", "full"), ["devices", "common_devices", "common_energy_j"]].tolist() == [2, 2, 40.0]
    assert rows.loc[("a", "full"), ["devices", "energy_j", "common_devices", "common_energy_j"]].tolist() == [
        3, 30.0, 2, 20.0,
    ]  # fmt: skip
    assert rows.loc[("b", "random"), ["test_accuracy", "common_accuracy"]].tolist() == pytest.approx([0.8, 0.75])
    assert rows.loc[("a", "full"), "energy_per_point_j"] == pytest.approx(20.0 / 85)
    assert told.missing[0].endswith("Left out in some or all seeds: device 2.")


def test_equal_cost_is_priced_on_every_fleet():
    """Importance costs 0.6 of full training on both: random keeps 0.6 and reaches 0.7 + 0.2 x 0.1 = 72 % there."""
    found = equal_cost_findings({"a": fleet_of(10.0), "b": fleet_of(20.0)}, {"a": 10, "b": 10})
    assert [one.text.split(" (")[0] for one in found] == ["a: Equal cost", "b: Equal cost"]
    assert "Random keeps 0.60 and reaches 82.0 %: +3.0 points (" in found[1].text
    assert {one.kind for one in found} == {"cost"}


def test_equal_runs_are_called_equal_and_one_seed_decides_nothing():
    a = fleet_of(10.0)
    same = run_findings(*(f({"a": a, "b": a}).table for f in (mean_differences, against_first)))
    assert same[0].text == "b: the test accuracy equals that of the first run in every pair (n = 18)."
    one = a[a["seed"] == 0]
    b = one.assign(test_accuracy=one["test_accuracy"] + 0.1)
    questions = (mean_differences, against_first)
    told = run_findings(*(question({"a": one, "b": b}).table for question in questions))
    assert (told[0].evidence, told[0].scope) == ("none", "this seed alone")
    assert told[0].text == "b: over all pairs the test accuracy changes by +10.0 points (this seed alone, n = 9)."
