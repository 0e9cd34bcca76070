"""Verdict, tables, terminal and page of runs whose devices have test samples of their own, by hand-made records."""

import itertools
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import metric_runs
import numpy as np
import pandas as pd
import pytest
from report_runs import FakeRun
from trials import table, trial

from edgesim.analysis import turns
from edgesim.analysis.accuracy_loss import losses_to_full
from edgesim.analysis.comparison_findings import best_turned
from edgesim.analysis.equal_cost import equal_cost
from edgesim.analysis.fairness import fairness
from edgesim.analysis.fleets import best_of_fleets, best_on_own_samples, fleet_table
from edgesim.analysis.heterogeneity import by_device
from edgesim.analysis.means import gap_to_random, summary
from edgesim.analysis.second_test_set import second_test_set
from edgesim.analysis.verdict import verdict_of
from edgesim.cli.tune import ACCURACY_OF, accuracies
from edgesim.cost.objective import Objective
from edgesim.errors import EdgesimError, ScenarioError
from edgesim.report import comparison_page, page, two_test_sets, users
from edgesim.report.figures import device_figures
from edgesim.report.terminal_summary import summary_of
from edgesim.results import linked_runs
from edgesim.results.serialization import tables
from edgesim.results.table_files import write_table
from edgesim.tasks import TASKS

OWN = "the devices' own test samples"
AHEAD = "it is ahead of random by 3.1 points"


def records(common=-0.06, own=0.02, lacking=(), ratio=0.5):
    """Full training reaches 40 % on the common test set and 80 % on own samples; importance and random at one ratio.

    Importance changes them by `common` and `own`, -0.2, 0, 0.2 or 0.4 points by the device; random by -3 points each.
    Devices `lacking` have no test samples of their own. All cost the same at equal ratio.
    """
    rows = []
    for seed, device in itertools.product(range(3), range(4)):
        wobble = (-0.002, 0.0, 0.002, 0.004)[device]
        changes = {"full": (0.0, 0.0), "importance": (common + wobble, own + wobble), "random": (-0.03, -0.03)}
        for method, (on_common, on_own) in changes.items():
            keeps = 1.0 if method == "full" else ratio
            there = np.nan if device in lacking else 0.8 + on_own
            row = trial(seed, device, method, keeps, 0.4 + on_common, local_accuracy=0.5 + on_common,
                        device_time_s=10 * keeps, device_energy_j=20 * keeps, device_startup_s=0.0,
                        device_score_time_s=0.0, device_train_time_s=10 * keeps)  # fmt: skip
            rows.append({**row, "own_accuracy": there})
    found = table(*rows)
    return found.assign(own_accuracy=[row["own_accuracy"] for row in rows])


def told(found, **how):
    return {one.kind: one.text for one in verdict_of(found, **how)}


def test_a_verdict_that_turns_on_own_samples_says_so_first():
    texts = told(records())
    assert next(iter(texts)) == "disagreement"
    begin = "The answer depends on what the devices will see. Against full training, importance at 0.5 differs by -5.9 "
    assert texts["disagreement"].startswith(begin)
    assert f"on the common test set. On {OWN} it differs by +2.1 points (95 % interval" in texts["disagreement"]
    assert texts["answer"].startswith(
        "Do not prune by importance for data like the common test set: accuracy falls at every keep ratio that ran, by "
        f"5.9 points at 50 %. On {OWN} importance at 50 % differs by +2.1 points ("
    )
    assert texts["answer"].endswith("There a loss above 1 point is ruled out at 50 %.")
    assert f". On {OWN} it is +2.1 points (" in texts["accuracy"]
    assert f"On {OWN}: at no keep ratio does importance lose more than 1 point; at 0.5" in texts["harm"]
    assert f"On {OWN}, importance beats random at 1 of 1 keep ratio and falls below it at none" in texts["random"]
    assert "reaches 34.1 % on the common test set. Random keeps 0.50 and reaches 37.0 %: -2.9 points" in texts["cost"]
    assert (
        f") on {OWN}. So importance falls behind random on the common test set; on {OWN} it is ahead of"
        in texts["cost"]
    )
    assert f"; on {OWN} +5.1 points" in texts["use"]
    assert not any("class mix" in text for text in texts.values())


@pytest.mark.parametrize(
    ("own", "first", "loss", "lead"),
    [
        (0.0, "answer", f"no loss above 1 point on the common test set and on {OWN}",
         f"{AHEAD}, on the common test set and on {OWN}"),
        (0.02, "answer", f"no loss above 1 point on the common test set, and on {OWN} accuracy is higher by 2.1 points",
         f"{AHEAD} on the common test set; on {OWN} it is ahead of random by 5.1 points"),
        (-0.2, "disagreement", f"no loss above 1 point on the common test set, but 19.9 points lost on {OWN}",
         f"{AHEAD} on the common test set; on {OWN} random is better by 16.9 points"),
    ],
)  # fmt: skip
def test_the_answer_stands_on_both(own, first, loss, lead):
    found = verdict_of(records(0.0, own))
    assert found[0].kind == first
    answer = next(one.text for one in found if one.kind == "answer")
    assert answer.endswith(f" of the energy, {loss}. At the same energy {lead}.")


def test_own_samples_of_some_devices_are_paired_by_trial():
    """Devices 0 and 1 have none: means and intervals are over devices 2 and 3, and sentences say so."""
    found = records(own=-0.1, lacking=(0, 1))
    assert second_test_set(found).name == "the own test samples of 2 of 4 devices"
    losses = losses_to_full(found, "importance")
    assert losses.second[0.5].estimate == pytest.approx(-0.1 + 0.003)  # wobbles of devices 2 and 3
    assert (losses.second[0.5].n, losses.common[0.5].n) == (6, 12)
    assert losses.pairs["second_difference"].isna().sum() == 6
    assert "On the own test samples of 2 of 4 devices it is -9.7 points (95 % interval" in told(found)["accuracy"]
    row = equal_cost(found, ("random",)).table.iloc[0]
    assert (row["pairs"], row["own_gap"]) == (12, pytest.approx(-0.067))
    assert (row["own_accuracy"], row["opponent_own_accuracy"]) == (pytest.approx(0.703), pytest.approx(0.77))
    assert gap_to_random(found)["own_gap"].tolist() == pytest.approx([-0.067])
    devices = by_device(found).table.set_index(["device", "method"])["own_accuracy"]
    assert np.isnan(devices[0, "importance"])
    assert devices[3, "importance"] == pytest.approx(0.704)
    turned = told(records(own=0.0, lacking=(0, 1)))["disagreement"]
    assert turned.startswith("The answer depends on the test samples, and on the devices that have own ones. Against")
    nobody = records(lacking=range(4))
    assert second_test_set(nobody).of == "local"
    assert "class mix" in told(nobody)["accuracy"]


def test_an_error_on_own_samples():
    """Importance raises the error on the common test set by 0.5 and lowers it on own samples by 0.1."""
    found = tables(metric_runs.results("regression"), "regression")["records"]
    metric = TASKS["regression"].metric
    own = np.where(found["method"] == "importance", 0.9, 1.0) * np.where(found["device"] == 1, 1.01, 1.0)
    texts = told(found.assign(own_mae=own), margin=0.01)
    assert metric.column("own") == "own_mae"
    assert f"On {OWN} it differs by -0.1 (95 % interval" in texts["disagreement"]
    assert texts["disagreement"].endswith(" (lower is better).")
    assert f"on {OWN} it is ahead of random" in texts["cost"]
    assert "accuracy" not in " ".join(texts.values())
    means = summary(found.assign(own_mae=own)).set_index(["method", "keep_ratio"])["own_mae"]
    assert means["importance", 0.5] == pytest.approx(0.903)


def test_terminal_and_page_show_own_beside_test():
    run = FakeRun(records(), info={"scenario": "people", "status": "finished", "seeds": [0, 1, 2]})
    shown = summary_of(run)
    assert shown.header[2:5] == ["test\nacc. %", "±", "own\nacc. %"]
    assert [row[4] for row in shown.rows] == ["80.0", "82.1", "77.0"]
    assert shown.sentences[0].startswith("The answer depends on")
    assert f"'own' is accuracy on {OWN}, 'test' on the common test set." in shown.caption
    assert shown.caption.endswith("in points, on the common test set.")
    made = page.of_run(run)
    figures = {figure.key: figure for part in made.sections for figure in part.figures}
    assert {"pareto-energy", "pareto-own-energy", "pareto-own-time", "gap", "own-gap", "own-accuracy"} <= set(figures)
    assert figures["own-gap"].note.startswith("On the device's own test samples")
    assert figures["pareto-own-energy"].spec["layout"]["yaxis"]["title"]["text"] == "accuracy, own test"
    tables_ = {one.key: one.data for part in made.sections for one in part.tables}
    columns = list(tables_["summary"])
    assert columns[3:7] == ["test_accuracy", "accuracy_half_width", "own_accuracy", "own_half_width"]
    assert {"lead", "local_lead", "own_lead"} <= set(tables_["equal-cost"])
    intro = next(part.intro for part in made.sections if part.key == "summary")
    assert f"Accuracy, own test, is on {OWN}" in intro


def test_runs_are_compared_on_own_samples_too():
    better = records().assign(own_accuracy=lambda found: found["own_accuracy"] + 0.1)
    runs = {name: FakeRun(found) for name, found in (("a", records()), ("b", better))}
    data = comparison_page.as_data(comparison_page.of_runs(runs))
    texts = [one["text"] for one in data["findings"]]
    assert texts[0] == "b: the test accuracy equals that of the first run in every pair (n = 36)."
    assert texts[1].startswith(f"b: over all pairs the accuracy on {OWN} changes by +10.0 points (")
    assert [row["difference"] for row in data["tables"]["pairs-own"]] == pytest.approx([0.1] * 3)
    assert data["tables"]["pairs-own"][0]["this_accuracy"] == pytest.approx(0.9)
    without = records().drop(columns="own_accuracy")
    mixed = comparison_page.of_runs({"a": FakeRun(records()), "b": FakeRun(without)})
    assert "pairs-own" not in comparison_page.as_data(mixed)["tables"]


def test_tables_and_figures_of_devices_name_their_users():
    """A name is escaped in figures; a device with many users keeps its number there."""
    many = ", ".join(f"user {number}" for number in range(9))
    devices = pd.DataFrame({"device": [0, 1, 2, 3], "users": ["ann", "<b>bob</b>", many, ""]})
    names = users.device_names(devices)
    assert names == {0: "0 (ann)", 1: "1 (<b>bob</b>)"}
    assert [users.named(device, names) for device in (0, 2)] == ["device 0 (ann)", "device 2"]
    data = by_device(records()).table
    shown = users.with_users(data, devices)
    assert list(shown)[:3] == ["device", "profile", "users"]
    assert set(zip(shown["device"], shown["users"], strict=True)) == {(0, "ann"), (1, "<b>bob</b>"), (2, many), (3, "")}
    assert users.with_users(data, devices.drop(columns="users")) is data
    trace = device_figures.device_figure(data, "time_s", names).spec["data"][0]
    assert trace["text"] == ["0 (ann)", "1 (&lt;b&gt;bob&lt;/b&gt;)", 2, 3]


def turning():
    """On the common test set of two devices random leads and small ratios lose; on own ones importance leads at 0.2."""
    rows = []
    own = {("importance", 0.2): 0.9, ("importance", 0.5): 0.9, ("random", 0.2): 0.5, ("random", 0.5): 0.5}
    common = {("importance", 0.2): 0.1, ("importance", 0.5): 0.6, ("random", 0.2): 0.6, ("random", 0.5): 0.7}
    for seed, device in itertools.product(range(3), range(2)):
        for (method, keeps), value in [(("full", 1.0), 0.7), *common.items()]:
            row = trial(seed, device, method, keeps, value + 0.01 * device, local_accuracy=value, cost_j=keeps,
                        device_time_s=10 * keeps, device_energy_j=20 * keeps)  # fmt: skip
            rows.append({**row, "own_accuracy": own.get((method, keeps), 0.9) + 0.01 * device})
    found = table(*rows)
    return found.assign(own_accuracy=[row["own_accuracy"] for row in rows])


def test_winners_fairness_and_best_ratios_on_both_sets():
    found, second = turning(), second_test_set(turning())
    assert turns.winners_turned(found, second) == (
        f"The method with the highest mean is another one on {OWN} than on the common test set in 4 of 4 pairs of "
        "device and keep ratio."
    )
    assert turns.fairness_turned(found, second).startswith(
        f"At keep ratio 0.2 the worst tenth of the devices fares best with random on the common test set, and with "
        f"importance on {OWN}."
    )
    # J is the ratio, lambda 0.1. Importance on the common test set: 0.3 + 0.1 at 1, 0.4 + 0.05 at 0.5, 0.9 + 0.02 at
    # 0.2, so all; on own samples 0.1 + 0.02 at 0.2. Random: 0.3 + 0.05 at 0.5; on own samples 0.1 + 0.1 at 1.
    turned = turns.best_ratios_turned(found, second)
    assert turned.startswith(f"At λ = 0.1 the best keep ratio on {OWN} is another one than on the common test set: ")
    assert turned.endswith("importance on 2 of 2 devices and random on 2 of 2 devices.")
    alone = found.drop(columns="own_accuracy")
    assert turns.winners_turned(alone, second) == turns.fairness_turned(alone, second) == ""
    both = {of: (words, result.table) for of, words, result in two_test_sets.on_both(found, fairness)}
    assert both["own"][0] == f", {OWN}"
    worst = both["own"][1].set_index(["method", "keep_ratio"])["worst_tenth"]
    assert worst["importance", 0.2] == pytest.approx(0.9)
    assert both["test"][1].set_index(["method", "keep_ratio"])["worst_tenth"]["importance", 0.2] == pytest.approx(0.1)


def test_fleets_show_both_sets():
    found = turning()
    costs = fleet_table({"a": found, "b": found}).table.set_index(["fleet", "method", "keep_ratio"])
    row = costs.loc["a", "importance", 0.2]
    columns = ["test_accuracy", "own_accuracy", "common_own_accuracy"]
    assert row[columns].tolist() == pytest.approx([0.105, 0.905, 0.905])
    assert "own_accuracy" not in fleet_table({"a": found, "b": found.drop(columns="own_accuracy")}).table
    best, own = best_of_fleets({"a": found}).table, best_on_own_samples({"a": found}).table
    (turned,) = best_turned(best, own)
    assert turned.text == (
        "a: at λ = 0.1 the best keep ratios of importance and random are others on the devices' own test samples than "
        "on the common test set."
    )
    assert best_turned(best, best) == []
    assert best_on_own_samples({"a": found.drop(columns="own_accuracy")}) is None


def test_a_recommendation_names_the_ratio_that_is_safe_on_own_samples():
    """0.2 and 0.5 lose nothing on the common test set; on own samples 0.2 loses 20 points, 0.5 nothing."""
    small, large = records(0.0, -0.2, ratio=0.2), records(0.0, 0.0, ratio=0.5)
    both = pd.concat([small, large[large["method"] != "full"]], ignore_index=True)
    answer = next(one.text for one in verdict_of(both) if one.kind == "answer")
    begin = " 20 % is the smallest keep ratio at which a loss above 1 point is ruled out on the common test set"
    assert f"{begin}; on {OWN} it is 50 %." in answer
    lost = records(0.0, -0.2, ratio=0.5)
    both = pd.concat([small, lost[lost["method"] != "full"]], ignore_index=True)
    none = next(one.text for one in verdict_of(both) if one.kind == "answer")
    assert f" 20 % is the smallest safe keep ratio on the common test set; on {OWN} none is shown to be." in none


def test_curves_and_tune_take_either_set_and_say_which(tmp_path):
    """Importance is best at keep ratio 0.5 on the common test set, and at 0.25 on own samples."""
    run = metric_runs.write_run(tmp_path / "run", "detection")
    best = run.records["keep_ratio"].map({0.25: 0.9, 0.5: 0.4, 1.0: 0.5})
    write_table(run.path, "records", run.records.assign(own_map50=best))
    own = linked_runs.accuracy_curves(run.path, "own")
    assert own["importance"][:, 0].tolist() == [0.25, 0.5, 1.0]
    assert own["importance"][:, 1] == pytest.approx([0.9, 0.4, 0.5])
    rule = Objective(0.1, accuracy_from=str(run.path))
    scenario = SimpleNamespace(
        name="s", folder=Path(), pruning=SimpleNamespace(rule=rule),
        dataset=SimpleNamespace(plugin=SimpleNamespace(task="detection")),
    )  # fmt: skip
    turned, which = linked_runs.curve_notes(scenario)
    assert turned.startswith(f"on {OWN} of {run.path} other keep ratios are the most accurate: ")
    assert turned.endswith("importance (1, there 0.25)")
    assert which.startswith(f"the objective takes accuracies on the common test set of {run.path}; accuracy_on: own")
    scenario.pruning.rule = replace(rule, accuracy_on="own")
    assert linked_runs.curves_of(scenario)["importance"].tolist() == own["importance"].tolist()

    same = {name: run.scenario.get(name) for name in ACCURACY_OF}
    for on, value, other in (("common", 0.2175, 0.9), ("own", 0.9, 0.2175)):
        _, found, notes = accuracies(run.path, same, on)
        one = next(one for one in found["importance"] if one.keep_ratio == 0.25)
        assert (one.accuracy, one.other) == (pytest.approx(value), pytest.approx(other))
        assert notes[0].startswith("on ")
        assert "importance 0.5, there 0.25" in notes[0] or "importance 0.25, there 0.5" in notes[0]
        assert notes[1].startswith(f"mAP at 0.5 is on {'the common test set' if on == 'common' else OWN}; ")
    write_table(run.path, "records", run.records)  # as they were
    with pytest.raises(ScenarioError, match="no test samples of their own; leave out `accuracy_on: own`"):
        linked_runs.curves_of(scenario)
    with pytest.raises(EdgesimError, match="leave out --accuracy-on own"):
        accuracies(run.path, same, "own")
    scenario.pruning.rule = rule
    assert linked_runs.curve_notes(scenario) == []
