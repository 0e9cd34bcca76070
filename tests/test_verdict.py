"""Verdict, claims, best ratios and comparisons: hand numbers, and runs that cannot say something say so."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from folding import over
from trials import paired_runs, table, trial

from edgesim.analysis.accuracy_loss import losses_to_full
from edgesim.analysis.best_ratio import best_ratios
from edgesim.analysis.claims import paper_claims
from edgesim.analysis.comparison import fronts, scenario_differences
from edgesim.analysis.curves import CURVE_VALUES, curve_bands, final_accuracy
from edgesim.analysis.equal_cost import equal_cost
from edgesim.analysis.fairness import device_winners, fairness
from edgesim.analysis.fleets import fleet_table
from edgesim.analysis.heterogeneity import by_device, headroom, infeasible, stragglers
from edgesim.analysis.intervals import Interval
from edgesim.analysis.kept_samples import extremes, overlap, score_histogram, trace_means
from edgesim.analysis.means import cost_by_ratio, gap_to_random, summary, time_fits
from edgesim.analysis.opponents import OpponentComparison, equal_cost_finding
from edgesim.analysis.pareto import accuracy_against
from edgesim.analysis.prices import compare_prices, price_sources
from edgesim.analysis.robustness import skew_effect
from edgesim.analysis.verdict import verdict_of
from edgesim.results.grouped_ratios import by_rule
from edgesim.seeds import stream

WOBBLE = (-0.001, 0.0, 0.001, 0.002)


def fleet(*, half=-0.002, tenth=-0.2, random_half=-0.01, score_s=1.0, devices=4, seeds=3):
    """Equal seeds: `full`, and importance and random at 0.1 and 0.5, changes of accuracy against full as given.

    Full training takes 10 s and 20 J on each device; a subset's training its share of that, and scoring `score_s`.
    Devices wobble around the change by -0.1, 0, 0.1 and 0.2 points.
    """
    rows = []
    for seed, device in itertools.product(range(seeds), range(devices)):
        wobble, profile = WOBBLE[device % 4], f"p{device % 2}"
        where = (seed, device)
        rows.append(trial(*where, "full", 1.0, 0.8, device_time_s=10.0, device_energy_j=20.0, profile=profile))
        changes = {("importance", 0.1): tenth, ("importance", 0.5): half,
                   ("random", 0.1): -0.3, ("random", 0.5): random_half}  # fmt: skip
        for (method, ratio), change in changes.items():
            own_s = score_s if method == "importance" else 0.0
            time_s = 10 * ratio + own_s
            accuracy = 0.8 + change + (wobble if method == "importance" else 0)
            times = {"device_time_s": time_s, "device_score_time_s": own_s, "device_train_time_s": 10 * ratio}
            rows.append(trial(*where, method, ratio, accuracy, device_energy_j=2 * time_s, profile=profile,
                              host_train_wall_s=ratio, **times))  # fmt: skip
    return table(*rows)


def by_kind(records):
    return {found.kind: found for found in verdict_of(records)}


def test_losses_to_full():
    """Wobbles -0.001 to 0.002: mean 0.0005, standard error 0.000645497; t(3) for two ratios 4.17653."""
    losses = losses_to_full(fleet(half=-0.002), "importance")
    assert list(losses.common) == [0.5, 0.1]
    half = 4.17653 * 0.000645497
    assert losses.common[0.5][:3] == pytest.approx((-0.0015, -0.0015 - half, -0.0015 + half), abs=1e-7)
    assert (losses.safe, losses.harmful, losses.recommended) == ([0.5], [0.1], 0.5)
    assert losses_to_full(fleet(half=-0.002), "importance", margin=0.001).recommended is None


def test_verdict_numbers():
    """At 0.5: 5 s + 1 s of 10 s, so 40 % saved; accuracy falls only at 0.1, by 20 points less 0.05."""
    found = by_kind(fleet())
    assert list(found) == ["answer", "saving", "accuracy", "harm", "devices", "random", "cost", "use"]
    answer = found["answer"]
    assert (answer.evidence, answer.keep_ratio) == ("yes", 0.5)
    assert answer.text.startswith(
        "Keep 50 % by importance: saves 40.0 % of the time and 40.0 % of the energy, no loss above 1 point."
    )
    saving = found["saving"]
    assert (saving.method, saving.keep_ratio, saving.n, saving.evidence) == ("importance", 0.5, 3, "sum")
    assert saving.estimate == pytest.approx(0.4)
    assert "40.0 %" in saving.text
    assert found["accuracy"].evidence == "yes"
    assert found["accuracy"].text.endswith(": no loss above 1 point.")
    assert (found["harm"].keep_ratio, found["harm"].evidence) == (0.1, "yes")
    assert found["harm"].estimate == pytest.approx(-0.1995)
    assert (found["random"].evidence, found["random"].keep_ratio) == ("yes", 0.1)
    assert found["random"].estimate == pytest.approx(0.1005)


def test_a_recommended_ratio_rules_out_the_margin():
    """Not significant is not safe: devices at -5, 0, 0 and +4 points hold a loss of far more than one point open."""
    records = fleet(half=0.0)
    half = (records["method"] == "importance") & (records["keep_ratio"] == 0.5)
    records.loc[half, "test_accuracy"] = 0.8 + records.loc[half, "device"].map({0: -0.05, 1: 0.0, 2: 0.0, 3: 0.04})
    found = by_kind(records)
    assert found["answer"].text.startswith("This run shows no safe keep ratio for importance (margin 1 point)")
    assert "is not ruled out" in found["accuracy"].text
    assert "no evidence of a loss" not in " ".join(one.text for one in verdict_of(records))


def test_the_answer_says_how_many_seeds_would_tell():
    """Seeds at -2, 0 and +2 points on both devices, mean 0: deviation 2 points. For two ratios at once t(s - 1) at
    1 - 0.05 / 4 times 2 / sqrt s is 1.003 for 23 seeds (t 2.405) and 0.979 for 24 (t 2.398)."""
    rows = []
    for seed, device in itertools.product(range(3), range(2)):
        rows += [trial(seed, device, "full", 1.0, 0.8, device_time_s=10.0, device_energy_j=1.0),
                 trial(seed, device, "importance", 0.5, 0.78 + 0.02 * seed, device_time_s=5.0, device_energy_j=1.0),
                 trial(seed, device, "importance", 0.1, 0.2, device_time_s=1.0, device_energy_j=1.0)]  # fmt: skip
    text = by_kind(table(*rows))["answer"].text
    assert text.endswith("About 24 seeds (now 3) would decide at 50 %, if the estimate holds.")


def test_one_seed_is_spoken_of_alone():
    found = verdict_of(fleet(seeds=1))
    by = {one.kind: one for one in found}
    assert by["answer"].text.startswith(
        "This seed alone: keeping 50 % by importance saved 40.0 % of the time and changed"
    )
    assert all(one.evidence in ("none", "sum") for one in found)
    assert all(math.isnan(one.low) for one in found)
    assert "this seed alone" in by["limits"].text
    claims = paper_claims(fleet(seeds=1)).table
    assert set(claims["verdict"]) == {"cannot tell"}
    assert claims["p"].isna().all()
    assert "this seed alone" in set(claims["reason"])


def test_one_device_is_spoken_of_alone():
    rng = stream(0, "test:one device")
    rows = []
    for seed in range(5):
        rows.append(trial(seed, 0, "full", 1.0, 0.8, device_time_s=10.0, device_energy_j=1.0))
        loss = 0.3 + 0.001 * rng.random()
        rows.append(trial(seed, 0, "importance", 0.5, 0.8 - loss, device_time_s=5.0, device_energy_j=1.0))
    found = by_kind(table(*rows))
    assert "this device alone" in found["accuracy"].text
    assert found["accuracy"].scope == "this device alone"
    row = claim_of(table(*rows), "preserved_0.5")
    assert row["verdict"] == "does not hold on this device alone"


def test_start_up_is_named_where_it_swallows_the_saving():
    """Start-up of 990 s before 10 s of training: half the data saves 0.4 %, and 40 % without start-up."""
    records = fleet()
    records["device_startup_s"] = 990.0
    records["device_time_s"] += 990.0
    records["device_energy_j"] += 1980.0
    text = by_kind(records)["answer"].text
    assert text.startswith("Not worth it: keeping 50 % by importance saves 0.4 % of the time")
    assert "The reason is start-up: it takes 99.0 % of full training's time. Without it, 40.0 % would be saved." in text
    assert "Start-up takes 99.0 %" in by_kind(records)["saving"].text


def test_a_profile_that_start_up_swallows_is_named():
    records = fleet()
    slow = records["profile"] == "p1"
    records["device_startup_s"] = 0.0
    records.loc[slow, "device_startup_s"] = 990.0
    records.loc[slow, "device_time_s"] += 990.0
    records.loc[slow, "device_energy_j"] += 1980.0
    records.loc[~slow, ["device_time_s", "device_energy_j"]] *= 1000
    text = by_kind(records)["answer"].text
    assert "not worth it on p1. The reason is start-up: it takes 99.0 %" in text


def test_equal_cost_by_hand():
    """Importance 0.5 takes 12 J; random's curve at 10 J 0.79 and full's 20 J 0.8: at 12 J it keeps 0.6 for 0.792."""
    told = equal_cost(fleet()).table.set_index(["method", "keep_ratio", "opponent"])
    row = told.loc[("importance", 0.5, "random")]
    assert row["opponent_keep_ratio"] == pytest.approx(0.6)
    assert row["opponent_accuracy"] == pytest.approx(0.792)
    assert row["gap"] == pytest.approx(0.7985 - 0.792)
    assert row["cost"] == pytest.approx(12.0)
    # 0.1 takes 4 J, between random's 2 J (0.5) and 10 J (0.79): keeps 0.2 for 0.5725
    assert told.loc[("importance", 0.1, "random"), "gap"] == pytest.approx(0.6005 - 0.5725)


def test_equal_cost_beyond_the_curve():
    """A trial cheaper than random's cheapest has no partner; one dearer than full is compared with full."""
    rows = [trial(0, d, "full", 1.0, 0.8, device_energy_j=20.0) for d in (0, 1)]
    rows += [trial(0, d, "random", 0.5, 0.6, device_energy_j=10.0) for d in (0, 1)]
    rows += [trial(0, 0, "el2n", 0.3, 0.5, device_energy_j=6.0), trial(0, 1, "el2n", 0.3, 0.5, device_energy_j=25.0)]
    row = equal_cost(table(*rows)).table.iloc[0]
    assert (row["pairs"], row["unpaired"], row["opponent_keep_ratio"]) == (1, 1, 1.0)
    assert row["gap"] == pytest.approx(-0.3)


def test_the_sentence_on_cost_names_every_opponent():
    records = fleet()
    more = records[records["method"] == "random"].assign(method="fewer-epochs")
    more["test_accuracy"] += 0.05
    found = {one.kind: one for one in verdict_of(pd.concat([records, more], ignore_index=True), epochs=10)}
    assert found["cost"].text.startswith(
        "Equal cost (emulated energy, scoring included): importance at 0.5 reaches 79.9 %. Random keeps 0.60 "
        "and reaches 79.2 %: +0.7 points ("
    )
    assert "All data in 6 of 10 epochs reach 83.2 %: -3.4 points (" in found["cost"].text
    assert found["cost"].text.endswith("Not run: rs2.")
    assert found["cost"].evidence == "no"
    assert found["answer"].text.endswith("At the same energy all data in fewer epochs is better by 3.4 points.")


def test_opponents_that_are_full_training_have_one_sentence():
    """Where the price is enough for full training, it is named once; an opponent with other numbers has its own."""
    lead = Interval(-0.04, -0.06, -0.02, 0.01, 10.0, 12, 6, 2, 2)
    whole = [
        OpponentComparison(name, 12, 1.0, 0.8, 0.84, lead, lead, 0.5) for name in ("random", "fewer-epochs", "rs2")
    ]
    text = equal_cost_finding(fleet(), "importance", whole, 10).text
    assert text.count("ull training") == 1
    assert "Full training costs no more and stands for random, fewer-epochs and rs2. It reaches 84.0 %: -4.0" in text
    other = [*whole[:2], whole[2]._replace(keeps=0.7, reached=0.9)]
    text = equal_cost_finding(fleet(), "importance", other, 10).text
    assert "stands for random and fewer-epochs. It reaches 84.0 %" in text
    assert "A new random 0.70 every epoch reaches 90.0 %" in text


def test_a_verdict_that_turns_says_so_first():
    """Two points above full on the common test set, two below on the own class mix."""
    records = fleet(half=0.02)
    records["local_accuracy"] = records["test_accuracy"]
    half = (records["method"] == "importance") & (records["keep_ratio"] == 0.5)
    records.loc[half, "local_accuracy"] = 0.78
    first = verdict_of(records)[0]
    assert first.kind == "disagreement"
    assert first.text.startswith(
        "The answer depends on what the devices will see. Against full training, importance at"
    )
    records.loc[half, "local_accuracy"] = 0.83
    assert verdict_of(records)[0].kind == "answer"


def test_devices_that_drop_out_do_not_move_means_across_ratios():
    """Device 9 is ten times as slow and finishes only at 0.1: over the others time rises with the ratio."""
    records = fleet()
    slow = trial(0, 9, "importance", 0.1, 0.1, device_time_s=100.0, device_energy_j=200.0, cost_j=1.0)
    lost = trial(0, 9, "importance", 0.5, status="infeasible", reason="the battery is empty")
    both = pd.concat([records, table(slow, lost)], ignore_index=True)
    told = cost_by_ratio(both)
    cells = told.table.set_index(["method", "keep_ratio"])
    assert cells.loc[("importance", 0.1), ["pairs", "left_out", "device_time_s"]].tolist() == [12, 1, 2.0]
    assert "device 9" in told.missing[0]
    fits = time_fits(both).set_index(["method", "time"])
    assert fits.loc[("importance", "device_time_s"), "slope_s"] == pytest.approx(10.0)
    points = accuracy_against(both).table.set_index(["method", "keep_ratio"])
    assert points.loc[("importance", 0.1), "left_out"] == 1
    waits = stragglers(both).table.set_index(["method", "keep_ratio"])
    assert waits.loc[("importance", 0.1), ["finish_s", "left_out_devices"]].tolist() == [2.0, 1]
    assert waits.loc[("importance", 0.1), "finish_all_s"] == pytest.approx((100.0 + 2.0 + 2.0) / 3)
    final = final_accuracy(both).table.set_index(["method", "keep_ratio"])
    assert final.loc[("importance", 0.1), "test_accuracy"] == pytest.approx(0.6005)
    row = summary(both).set_index(["method", "keep_ratio"]).loc[("importance", 0.1)]
    assert (row["trials"], row["common_trials"]) == (13, 12)
    assert row["common_accuracy"] == pytest.approx(0.6005)


def test_a_rule_gives_every_method_its_own_ratio():
    """Two devices under a budget: importance keeps 0.2 and 0.4, random 0.5 and 0.7; pairs are of equal budget."""
    rows = [trial(s, d, "full", 1.0, 0.9, device_time_s=10.0, device_energy_j=20.0) for s in (0, 1) for d in (0, 1)]
    for s, d in itertools.product((0, 1), (0, 1)):
        sizes = {"shard_size": 100, "ratio_rule": "budget", "device_time_s": 5.0, "device_energy_j": 9.0}
        rows.append(trial(s, d, "importance", 0.2 + 0.2 * d, 0.7, subset_size=20 + 20 * d, **sizes))
        rows.append(trial(s, d, "random", 0.5 + 0.2 * d, 0.8, subset_size=50 + 20 * d, **sizes))
    records = table(*rows)
    ruled = by_rule(records, records)
    means = summary(ruled).set_index("method")["keep_ratio"]
    assert means.to_dict() == pytest.approx({"full": 1.0, "importance": 0.3, "random": 0.6})
    gaps = gap_to_random(ruled).iloc[0]
    assert gaps[["keep_ratio", "base_keep_ratio", "pairs", "gap"]].tolist() == pytest.approx([0.3, 0.6, 4, -0.1])
    text = {one.kind: one for one in verdict_of(ruled)}["random"].text
    assert text.startswith("At equal budget, importance beats random at none of 1 keep ratio")
    assert "(random keeps 0.6)" in text
    # 5 s of 10 s against ratios of 0.2 and 0.4: off by 0.3 and 0.1
    assert claim_of(ruled, "proportional")["estimate"] == pytest.approx(0.2)
    kept = [{"seed": s, "device": d, "method": m, "keep_ratio": r, "index": i}
            for s, d in itertools.product((0, 1), (0, 1))
            for m, r, n in (("importance", 0.2 + 0.2 * d, 20 + 20 * d), ("random", 0.5 + 0.2 * d, 50 + 20 * d))
            for i in range(n)]  # fmt: skip
    shares = overlap(by_rule(pd.DataFrame(kept), records), ruled).table.iloc[0]
    # shared 20 of 50 and 40 of 70; by chance 0.1 / 0.6 and 0.28 / 0.82
    assert shares["jaccard"] == pytest.approx((20 / 50 + 40 / 70) / 2)
    assert shares["chance"] == pytest.approx((0.1 / 0.6 + 0.28 / 0.82) / 2)


def test_accuracies_weighted_by_data():
    """90 and 10 samples at 0.5 and 0.9: equal weights 0.7, by data 0.54."""
    records = table(trial(0, 0, "full", 1.0, 0.5, shard_size=90), trial(0, 1, "full", 1.0, 0.9, shard_size=10))
    row = summary(records).iloc[0]
    assert row[["test_accuracy", "accuracy_by_data"]].tolist() == pytest.approx([0.7, 0.54])
    even = fairness(records).table.iloc[0]
    assert even[["mean", "mean_by_data"]].tolist() == pytest.approx([0.7, 0.54])


def test_verdict_of_scoring_that_costs_more_than_it_saves():
    """0.5 takes 5 + 7 s of 10 s; only 0.1 with 1 + 7 s saves time."""
    found = by_kind(fleet(score_s=7.0))
    assert found["saving"].estimate == pytest.approx(-0.2)
    assert "takes 20.0 %" in found["saving"].text
    assert "It saves time at 0.1: 20.0 %." in found["saving"].text
    assert found["answer"].text.startswith(
        "Not worth it: keeping 50 % by importance takes 20.0 % more time and 20.0 % more energy, with no loss"
    )
    assert found["answer"].evidence == "no"


def test_verdict_of_nothing_saved():
    saving = by_kind(fleet(score_s=5.0))["saving"]
    assert saving.estimate == pytest.approx(0.0)
    assert "neither saves nor costs time" in saving.text


def test_verdict_where_every_ratio_hurts():
    found = by_kind(fleet(half=-0.1))
    assert found["answer"].text.startswith(
        "Do not prune by importance here: accuracy falls at every keep ratio that ran"
    )
    assert found["accuracy"].keep_ratio == 0.5
    assert found["accuracy"].text.endswith(": it is lower.")
    assert found["harm"].text.startswith("From keep ratio 0.5 down, importance costs accuracy: -9.9 points (")


def test_verdict_does_not_call_no_evidence_a_win():
    """Equal to random but for a wobble around zero."""
    records = fleet(half=-0.0105, random_half=-0.01, tenth=-0.3005)
    found = by_kind(records)["random"]
    assert found.evidence == "none"
    assert "beats random at none of 2 keep ratios and falls below it at none" in found.text


def test_the_sentence_on_random_speaks_of_the_method_where_there_is_one():
    found = by_kind(fleet(random_half=-0.0015))["random"].text  # equal at 0.5, but for the wobble
    assert found.startswith(
        "At equal keep ratio, importance beats random at 1 of 2 keep ratios and falls below it at none"
    )
    assert ". Best: importance at 0.1, +10.1 points (95 % interval" in found
    mixed = by_kind(fleet(tenth=-0.4))["random"].text
    assert "beats random at 1 of 2 keep ratios and falls below it at 1" in mixed
    assert ". Best: importance at 0.5, +0.9 points (" in mixed
    assert ". Worst: importance at 0.1, -9.9 points (" in mixed


def test_the_sentence_on_random_counts_pairs_where_there_are_several_methods():
    more = fleet(random_half=-0.0015)
    records = pd.concat([more, more[more["method"] == "importance"].assign(method="el2n")], ignore_index=True)
    found = by_kind(records)["random"].text
    assert found.startswith(
        "At equal keep ratio, of 4 pairs of method and keep ratio 2 beat random and none fall below it"
    )
    assert ". Best: importance at 0.1, +10.1 points" in found


def test_the_interval_printed_is_the_one_that_decides():
    """Leads of 0.8 to 3.2 points leave out 0 alone, and not among three tests: the sentence prints the wider one."""
    leads = {0.1: (0.008, 0.016, 0.024, 0.032), 0.2: (-0.1, 0.0, 0.1, 0.0), 0.3: (-0.1, 0.0, 0.1, 0.0)}
    rows = []
    for seed, (ratio, four) in itertools.product(range(3), leads.items()):
        rows += [trial(seed, d, "random", ratio, 0.5) for d in range(4)]
        rows += [trial(seed, d, "el2n", ratio, 0.5 + lead) for d, lead in enumerate(four)]
    records = table(*rows)
    alone = gap_to_random(records).iloc[0]
    assert alone["gap_low"] > 0
    found = by_kind(records)["random"]
    assert (found.evidence, found.keep_ratio, found.low < 0) == ("none", 0.1, True)
    assert "3 tested at once" in found.text


def test_failures_are_a_sentence_of_their_own():
    records = pd.concat([fleet(), table(trial(0, 9, "random", 0.5, status="failed"))], ignore_index=True)
    assert by_kind(records)["limits"].text == (
        "1 of 61 trials, of 1 (seed, device) pair, did not end well and are left out."
    )


def test_a_better_accuracy_is_told():
    """Above full at both ratios, far beyond the wobble."""
    found = by_kind(fleet(half=0.1, tenth=0.1))["accuracy"]
    assert (found.evidence, found.keep_ratio) == ("yes", 0.1)
    assert found.text.endswith("it is higher.")


def test_claims_count_their_points():
    assert claim_of(fleet(), "preserved_0.8")["statement"].endswith("at most 1 point below full training")
    assert claim_of(fleet(), "preserved_0.5")["statement"].endswith("at most 2 points below full training")


def test_the_effect_of_skew_is_cut_to_what_losses_can_be():
    """Two seeds of two devices leave one degree of freedom, whose interval would go beyond two whole accuracies."""
    losses = pd.DataFrame({"seed": [0, 0, 1, 1], "device": [0, 1, 0, 1], "difference": [-0.1, -0.5, -0.6, -0.2]})
    skews = pd.DataFrame({"seed": [0, 0, 1, 1], "device": [0, 1, 0, 1], "skew": [0.1, 0.5, 0.1, 0.5]})
    found = skew_effect(losses, skews)
    assert (found.low, found.high) == (-2.0, 2.0)


def test_verdict_names_profiles_that_get_slower():
    records = fleet()
    slow = (records["profile"] == "p1") & (records["method"] == "importance")
    records.loc[slow, "device_time_s"] = 12.0
    found = by_kind(records)["devices"]
    assert "from -20.0 % on p1 to 40.0 % on p0; p1 is slower than with full training." in found.text
    assert found.evidence == "sum"
    records.loc[records["method"] == "importance", "device_time_s"] = 12.0
    assert "; all are slower than with full training." in by_kind(records)["devices"].text


def claim_of(records, name, **more):
    told = paper_claims(records, **more)
    return told.table.set_index("claim").loc[name]


def test_accuracy_preserved_is_tested_against_the_margin():
    """At 0.5 a loss of two points is the margin: -0.2 points with a wobble is inside it, -10 far outside."""
    kept = claim_of(fleet(half=-0.002), "preserved_0.5")
    assert (kept["verdict"], kept["threshold"], kept["n"]) == ("holds", -0.02, 12)
    assert kept["estimate"] == pytest.approx(-0.0015)
    assert claim_of(fleet(half=-0.1), "preserved_0.5")["verdict"] == "does not hold"
    near = claim_of(fleet(half=-0.021), "preserved_0.5")
    assert near["verdict"] == "cannot tell"
    assert near["p_adjusted"] >= near["p"]
    alone = claim_of(fleet(half=-0.021), "preserved_0.5", together=False)  # its interval is narrower by itself
    assert alone["p_adjusted"] == alone["p"] == near["p"] < near["p_adjusted"]
    assert near["low"] < alone["low"] < alone["estimate"] == near["estimate"]
    missing = claim_of(fleet(), "preserved_0.8")
    assert missing["verdict"] == "cannot tell"
    assert "0.8" in missing["reason"]
    assert math.isnan(missing["p"])


def test_claims_against_random():
    ahead = claim_of(fleet(), "above_random_small")
    assert (ahead["verdict"], ahead["estimate"]) == ("holds", pytest.approx(0.1005))
    assert claim_of(fleet(), "gap_largest_small")["estimate"] == pytest.approx(0.1005 - 0.0085)
    assert claim_of(fleet(), "never_below_random")["verdict"] == "holds"
    below = claim_of(fleet(tenth=-0.4), "never_below_random")
    assert (below["verdict"], below["keep_ratio"], below["estimate"]) == ("does not hold", 0.1, pytest.approx(-0.0995))


def test_claims_on_cost():
    """1 s of scoring in 6 s; time / full is 0.2 and 0.6 for 0.1 and 0.5: off by 0.1; random takes 1 s and 5 s."""
    records = fleet()
    share = claim_of(records, "scoring_negligible")
    assert (share["estimate"], share["verdict"], share["keep_ratio"]) == (pytest.approx(1 / 6), "does not hold", 0.5)
    assert claim_of(records, "proportional")["estimate"] == pytest.approx(0.1)
    assert claim_of(records, "as_fast_as_random")["estimate"] == pytest.approx((1.0 + 0.2) / 2)
    assert claim_of(fleet(score_s=0.01), "scoring_negligible")["verdict"] == "holds"
    assert "three keep ratios" in claim_of(records, "linear_device")["reason"]


def test_linear_time_is_fitted_per_device():
    """2 + 10 r is a line whatever the device; r = 0.1, 0.5, 1 with 1, 0, 1 s is none."""
    rows = [trial(s, d, "importance", r, 0.5, device_train_time_s=2 + 10 * r * (d + 1), host_train_wall_s=w)
            for s in range(3) for d in range(3) for r, w in ((0.1, 1.0), (0.5, 0.0), (1.0, 1.0))]  # fmt: skip
    told = paper_claims(table(*rows)).table.set_index("claim")
    assert told.loc["linear_device", "estimate"] == pytest.approx(1.0)
    assert told.loc["linear_device", "verdict"] == "holds"
    # x = -0.4333, -0.0333, 0.4667; y = 1/3, -2/3, 1/3: r = 0.03333 / sqrt(0.406667 x 0.666667), squared 0.0041
    assert told.loc["linear_host", "estimate"] == pytest.approx(0.0041, abs=1e-4)
    assert told.loc["linear_host", "verdict"] == "does not hold"


def test_effect_of_skew_is_a_line_through_the_devices():
    """Losses -0.1 x skew exactly, but for 0.01 up and down: from 0 to 0.8 the line falls by 0.08."""
    losses = pd.DataFrame({"seed": 0, "device": range(5), "difference": [0.0, -0.02, -0.04, -0.06, -0.08]})
    skews = pd.DataFrame({"seed": 0, "device": range(5), "skew": [0.0, 0.2, 0.4, 0.6, 0.8]})
    assert skew_effect(losses, skews).estimate == pytest.approx(-0.08)
    assert math.isnan(skew_effect(losses.head(3), skews).low)
    # residuals 0.01, -0.02, 0.01 at skews 0, 0.4, 0.8 leave the slope; their squares sum to 6e-4
    losses["difference"] += [0.01, 0.0, -0.02, 0.0, 0.01]
    assert math.isnan(skew_effect(losses, skews).low)  # one seed
    twice = [pd.concat([part, part.assign(seed=1)]) for part in (losses, skews)]
    found = skew_effect(*twice)
    assert found.estimate == pytest.approx(-0.08)
    assert found.standard_error == pytest.approx(0.8 * math.sqrt(12e-4 / 7 / 0.8))  # ten pairs, a level per seed


def test_robustness_against_an_iid_run():
    """Pruning to 0.5 costs 10.05 points less 0.1 here and 0.2 less 0.05 there: 9.8 more, beyond the two allowed."""
    row = claim_of(fleet(half=-0.1), "robust_to_non_iid", iid=fleet(half=-0.002))
    assert (row["estimate"], row["verdict"]) == (pytest.approx(-0.098), "does not hold")
    assert "no IID run" in claim_of(fleet(), "robust_to_non_iid")["reason"]
    assert "shards" in claim_of(fleet(), "robust_to_skew")["reason"]


def test_best_ratio_by_hand():
    """Risks 0.4 / 0.2 / 0.1 at J 0.1 / 0.5 / 1: lambda 0.1 -> 0.2 at full, 0.4 -> 0.4 at 0.5, 1 -> 0.5 at 0.1."""
    rows = [trial(0, 0, "full", 1.0, 0.9, cost_j=1.0)]
    rows += [trial(0, 0, "random", r, a, cost_j=r) for r, a in ((0.1, 0.6), (0.5, 0.8))]
    found = best_ratios(table(*rows), (0.1, 0.4, 1.0)).table
    assert found["keep_ratio"].tolist() == [1.0, 0.5, 0.1]
    assert found["objective"].tolist() == pytest.approx([0.2, 0.4, 0.5])
    assert found["ratios"].tolist() == [3, 3, 3]


def test_paired_runs_take_only_trials_of_both():
    pairs = list(itertools.product(range(2), enumerate(WOBBLE)))
    a = table(*(trial(s, d, "random", 0.5, 0.5) for s, (d, _) in pairs), trial(0, 9, "random", 0.5, 0.1))
    b = table(*(trial(s, d, "random", 0.5, 0.6 + wobble) for s, (d, wobble) in pairs))
    told = paired_runs(a, b)
    row = told.table.iloc[0]
    assert (row["pairs"], row["a"], row["difference"], row["evidence"]) == (8, 0.5, pytest.approx(0.1005), "higher")
    assert "1 trial of the first run" in told.missing[0]
    assert "share no trial" in paired_runs(a, b.assign(seed=5)).missing[0]


def test_scenario_differences():
    a = {"name": "x", "partition": {"name": "dirichlet", "alpha": 0.5}, "seeds": [0]}
    b = {"name": "x", "partition": {"name": "iid"}, "seeds": [0, 1]}
    found = scenario_differences(a, b).table.values.tolist()
    assert found == [
        ["partition.name", "dirichlet", "iid"],
        ["partition.alpha", "0.5", "-"],
        ["seeds", "[0]", "[0, 1]"],
    ]
    assert scenario_differences(a, a).missing == ("The scenarios are equal.",)
    limited = a | {"run": {"job_timeout_s": 5.0}}  # limits on hosts change no result
    assert scenario_differences(a, limited).missing == ("The scenarios are equal.",)


def test_common_front_of_two_runs():
    a = table(trial(0, 0, "full", 1.0, 0.9, device_energy_j=10.0))
    b = table(trial(0, 0, "full", 1.0, 0.9, device_energy_j=8.0), trial(0, 0, "random", 0.5, 0.5, device_energy_j=9.0))
    found = fronts({"a": a, "b": b}).table
    assert found[["run", "on_front", "on_common_front"]].values.tolist() == [
        ["a", True, False], ["b", True, True], ["b", False, False],
    ]  # fmt: skip


def test_fleets_of_one_training():
    """Fleet b: device 1 cannot, device 0 is twice as fast; J per point is of device 0, which both fleets have."""
    a = [trial(0, d, "full", 1.0, 0.8, device_time_s=10.0 + d, device_energy_j=20.0) for d in (0, 1)]
    a += [trial(0, d, "random", 0.5, 0.4, device_time_s=5.0, device_energy_j=8.0) for d in (0, 1)]
    b = [
        trial(0, 0, "full", 1.0, 0.8, device_time_s=5.0, device_energy_j=20.0),
        trial(0, 1, "full", 1.0, status="infeasible"),
    ]
    found = fleet_table({"a": table(*a), "b": table(*b)}).table.set_index(["fleet", "method"])
    names = ["devices", "infeasible_devices", "finish_s", "energy_j", "test_accuracy", "energy_per_point_j"]
    assert found.loc[("a", "full"), names].tolist() == pytest.approx([2, 0, 11.0, 40.0, 0.8, 0.25])
    assert found.loc[("a", "random"), ["time_saved", "energy_saved"]].tolist() == pytest.approx([1 - 10 / 21, 0.6])
    assert found.loc[("b", "full"), names[:3]].tolist() == [1, 1, 5.0]


def test_curve_bands_and_final_accuracy():
    """Two seeds with losses 1 and 3: mean 2, standard error 1, t(1) = 12.7062; losses are not below zero."""
    columns = ["seed", "device", "method", "keep_ratio", "epoch", *CURVE_VALUES]
    curves = pd.DataFrame([(s, 0, "full", 1.0, 1, 1.0 + 2 * s, 0.5, 2.0, 0.4) for s in (0, 1)], columns=columns)
    row = curve_bands(curves).table.iloc[0]
    assert (row["subset_loss"], row["subset_loss_low"]) == (2.0, 0.0)
    assert row["subset_loss_high"] == pytest.approx(2 + 12.7062, abs=1e-4)
    assert (row["test_accuracy"], row["test_accuracy_low"], row["trials"]) == (0.4, 0.4, 2)
    final = final_accuracy(fleet()).table.set_index(["method", "keep_ratio"])
    assert final.loc[("importance", 0.5), "test_accuracy"] == pytest.approx(0.7985)


RNG = stream(0, "test:odd runs")
PRICES = {"device_time_s": 5.0, "device_energy_j": 3.0, "cost_j": 0.5, "train_flops": 9.0, "steps": 4,
          "device_train_time_s": 4.0, "analytic_time_s": 4.0, "analytic_train_time_s": 4.0}  # fmt: skip
FULL, HALF, CHANCE = ("full", 1.0), ("importance", 0.5), ("random", 0.5)


def runs_of(cells, devices=1, seeds=1, accuracy=lambda: 0.5, prices=PRICES):
    """All trials of these (method, keep_ratio)."""
    pairs = [(seed, device) for seed in range(seeds) for device in range(devices)]
    return table(*(trial(*pair, *cell, accuracy(), **prices) for pair in pairs for cell in cells))


ODD_RUNS = {
    "nothing": table(),
    "only failures": table(trial(0, 0, "full", 1.0, status="failed", reason="diverged")),
    "only infeasible": table(*(trial(0, d, "importance", 0.5, status="infeasible", reason="memory") for d in (0, 1))),
    "only full": runs_of([FULL]),
    "only random": runs_of([CHANCE], devices=3),
    "no full": runs_of([HALF, CHANCE], devices=3),
    "no random": runs_of([FULL, ("el2n", 0.5)], seeds=3, accuracy=RNG.random),
    "one trial each": runs_of([FULL, CHANCE, HALF]),
    "no prices": runs_of([FULL, HALF], devices=4, prices={}),
    "equal accuracies": runs_of([FULL, HALF, CHANCE], devices=4),
}
QUESTIONS = [
    by_device, stragglers, fairness, device_winners, headroom,
    infeasible, accuracy_against, compare_prices,
    price_sources, best_ratios, final_accuracy, paper_claims,
]  # fmt: skip


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.__name__)
@over("name", ODD_RUNS)
def test_odd_runs_break_nothing(name, question):
    """An empty table comes with a reason, but where there is nothing infeasible to list or to need memory."""
    told = question(ODD_RUNS[name])
    if told.table.empty and question not in (infeasible, headroom):
        assert told.missing
    assert all(sentence.endswith(".") for sentence in told.missing)


@over("name", ODD_RUNS)
def test_the_verdict_on_odd_runs_claims_nothing(name):
    found = verdict_of(ODD_RUNS[name])
    assert 1 <= len(found) <= 9
    assert all(one.text.endswith(".") and "nan" not in one.text for one in found)
    assert all(one.evidence != "yes" for one in found if one.kind in ("harm", "accuracy", "random"))


def test_records_without_some_columns_are_read():
    records = fleet().drop(columns=["device_score_time_s", "host_train_wall_s", "notes"])
    assert paper_claims(records).table.set_index("claim").loc["preserved_0.5", "verdict"] == "holds"
    assert len(by_device(records).table) == 20
    assert np.isfinite(by_kind(records)["saving"].estimate)


def test_tables_without_rows_say_why():
    empty = pd.DataFrame(
        columns=["seed", "device", "method", "keep_ratio", "index", "score", "epoch", "quantity", "value"]
    )
    for question in (score_histogram, trace_means):
        assert question(empty).missing
    assert overlap(empty, table()).missing
    curves = pd.DataFrame(columns=["seed", "device", "method", "keep_ratio", "epoch", *CURVE_VALUES])
    assert curve_bands(curves).missing
    assert extremes(empty, pd.DataFrame()).missing
