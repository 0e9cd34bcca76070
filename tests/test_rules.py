"""Ratios that a rule chooses, and trials that a device cannot do: from the document to the run folder."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from metric_runs import write_run

import edgesim
from edgesim import api, formatting, report
from edgesim.analysis import means as means_analysis
from edgesim.analysis.means import gap_to_random
from edgesim.cost import analytic
from edgesim.cost.objective import Budget, Objective
from edgesim.errors import ScenarioError
from edgesim.planning.run_plan import plan_run
from edgesim.records import Trial
from edgesim.results import linked_runs
from edgesim.results.grouped_ratios import by_rule
from edgesim.runtime import SerialExecutor
from edgesim.scenario import schema
from edgesim.scenario.experiment import in_order
from edgesim.scenario.loading import Scenario, from_document
from edgesim.sessions.preflight import inspect

Make = Callable[..., Scenario]
CURVE = [[0.1, 0.3], [0.5, 0.6], [1.0, 0.65]]


@pytest.mark.parametrize(
    ("given", "path", "words"),
    [
        ({"budget": {}}, "pruning.keep_ratio.budget", "at least one limit"),
        ({"budget": {"energy_j": -1}}, "pruning.keep_ratio.budget.energy_j", "greater than 0"),
        ({"budget": {"joules": 1}}, "pruning.keep_ratio.budget.joules", "unknown key"),
        ({"budget": {"energy_j": 1, "price": "dear"}}, "pruning.keep_ratio.budget.price", "'emulated'"),
        ({"budged": {"energy_j": 1}}, "pruning.keep_ratio", "did you mean 'budget'"),
        ({}, "pruning.keep_ratio", "got nothing"),
        ({"objective": {"accuracy_curve": CURVE}}, "pruning.keep_ratio.objective.lambda", "missing"),
        ({"objective": {"lambda": -1, "accuracy_curve": CURVE}}, "pruning.keep_ratio.objective.lambda", "0"),
        ({"objective": {"trade_off": 1}}, "pruning.keep_ratio.objective.trade_off", "`lambda`"),
        (
            {"objective": {"lambda": 1}},
            "pruning.keep_ratio.objective",
            "got neither of `accuracy_curve` and",
        ),
        (
            {"objective": {"lambda": 1, "accuracy_curve": CURVE[:1]}},
            "pruning.keep_ratio.objective.accuracy_curve",
            "must be two or more [ratio, accuracy] points, shares up to 1, ratios rising, such as [[0.1, 0.6], ",
        ),
        (
            {"objective": {"lambda": 1, "accuracy_curve": 0.9}},
            "pruning.keep_ratio.objective.accuracy_curve",
            "got a number (0.9)",
        ),
        (
            {"objective": {"lambda": 1, "accuracy_curve": CURVE, "accuracy_from": "x"}},
            "pruning.keep_ratio.objective",
            "got both",
        ),
        (
            {"objective": {"lambda": 1, "accuracy_curve": CURVE[::-1]}},
            "pruning.keep_ratio.objective.accuracy_curve",
            "rise",
        ),
        (
            {"objective": {"lambda": 1, "accuracy_curve": CURVE, "weights": {"time": 0, "energy": 0, "storage": 0}}},
            "pruning.keep_ratio.objective.weights",
            "all 0",
        ),
    ],
)
def test_faults_of_a_rule_have_their_path(make_scenario: Make, given: Any, path: str, words: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        make_scenario(pruning__keep_ratio=given)
    (fault,) = caught.value.faults
    assert fault.path == path
    assert words in fault.message


def test_a_rule_and_another_runs_subsets_exclude_each_other(make_scenario: Make) -> None:
    with pytest.raises(ScenarioError, match=r"pruning\.scores_from: takes the subsets"):
        make_scenario(pruning__keep_ratio={"budget": {"energy_j": 1}}, pruning__scores_from="runs/x")


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ({"budget": {"energy_j": 1, "latency_s": 2.5}}, Budget(energy_j=1.0, latency_s=2.5)),
        (
            {"objective": {"lambda": 0, "accuracy_from": "x", "weights": {"time": 1, "energy": 0, "storage": 0}}},
            Objective(0.0, analytic.CostWeights(1, 0, 0), None, "x"),
        ),
        ({"objective": {"lambda": 2, "accuracy_curve": CURVE}}, None),
    ],
)
def test_a_rule_survives_the_resolved_document(make_scenario: Make, given: Any, rule: Any, tmp_path: Path) -> None:
    scenario = make_scenario(pruning__keep_ratio=given)
    assert rule is None or scenario.pruning.rule == rule
    assert scenario.pruning.keep_ratios == ()
    again = from_document(scenario.document, "tiny.yaml", tmp_path)
    assert again.pruning == scenario.pruning


def test_a_budget_gives_each_device_its_own_ratio(make_scenario: Make) -> None:
    """E·m·F·P/φ within 0.006 J for random; importance pays for its warm-up first."""
    scenario = make_scenario(pruning__keep_ratio={"budget": {"energy_j": 0.006, "price": "analytic"}})
    plan = plan_run(scenario)
    assert len(plan.trials) == scenario.trial_count == 9
    workload = plan.config.pricing.workload
    for trial in plan.trials:
        spec = plan.devices[trial.seed, trial.device]
        n, per_flop_j = len(spec.shard), spec.profile.power_w / spec.profile.throughput_flops_per_s
        m = int(analytic.subset_size(n, trial.keep_ratio))
        assert trial.keep_ratio * n == pytest.approx(m)
        assert plan.config.rule_of(trial.method) == ("" if trial.method == "full" else "budget")
        if trial.method == "full":
            assert m == n
            continue
        scoring = n if trial.method == "random" else n + n * workload.train_flops  # one epoch of warm-up
        most = int((0.006 / per_flop_j - scoring) // (2 * workload.train_flops))
        if most < 1:
            assert (m, "budget's energy_j does not suffice" in plan.infeasible[trial].reason) == (1, True)
        else:
            assert m == min(n, most)
    ratios = {t.device: t.keep_ratio for t in plan.trials if t.method == "random"}
    assert len(set(ratios.values())) > 1


def run(scenario: Scenario, folder: Path, resume: bool = False) -> api.Run:
    return api.run(scenario, folder, executor=SerialExecutor(), resume=resume)


def test_the_emulated_price_is_the_price(make_scenario: Make) -> None:
    """A budget alone: the subset's emulated time and energy keep within it, and one sample more does not."""
    for limits, column in (({"latency_s": 4.4}, "device_time_s"), ({"energy_j": 14.3}, "device_energy_j")):
        (limit,) = limits.values()
        given = {
            "pruning__methods": ["random", "importance"],
            "fleet__groups": [{"profile": "raspberry-pi-4b", "count": 3}],
        }
        rows = edgesim.plan(make_scenario(**given, pruning__keep_ratio={"budget": limits}))
        bound = rows[(rows["limit"] == "") & (rows["binds"] != "")]
        assert len(bound)
        assert (bound[column] <= limit).all()
        assert (bound["analytic_energy_j"] < 0.1).all()  # the closed form would allow far more
        for row in bound.to_dict("records"):
            more = (row["subset_size"] + 1) / row["shard_size"]
            again = edgesim.plan(make_scenario(**given, pruning__keep_ratio=more)).query(
                "device == @row['device'] and method == @row['method']"
            )
            assert again["subset_size"].item() == row["subset_size"] + 1
            assert again[column].item() > limit


def test_a_budget_that_the_other_price_would_break_says_so(make_scenario: Make, tmp_path: Path) -> None:
    """0.1 s by the closed form; emulated, starting up alone takes 4.2 s on a Pi. In plan and record alike."""
    budget = {"latency_s": 0.1, "price": "analytic"}
    scenario = make_scenario(pruning__keep_ratio={"budget": budget}, training__epochs=1)
    records = run(scenario, tmp_path / "run").records
    planned = edgesim.plan(scenario)
    assert planned["reason"].tolist() == records["reason"].tolist()
    chosen = records[records["method"] != "full"]
    assert (chosen["status"] == "ok").all()
    for row in chosen.to_dict("records"):
        takes = formatting.number(row["device_time_s"])
        assert row["reason"].endswith(f"emulated step by step, this subset would take {takes} s of the 0.1 s allowed")
    ruled = planned[planned["method"] != "full"]
    assert (ruled["other_price_breaks"] == "latency_s").all()
    assert (planned.loc[planned["method"] == "full", "reason"] == "").all()


ODD = """
name: odd
extends: raspberry-pi-4b
title: a Pi 4 whose convolutions reach far more of the peak than its training is said to
compute:
  training_utilisation: {value: 0.011, confidence: estimate, source: a test}
  convolution_efficiency: {value: 0.3, confidence: estimate, source: a test}
  matmul_efficiency: {value: 0.3, confidence: estimate, source: a test}
"""


def test_a_budget_that_the_closed_form_would_break_says_so(make_scenario: Make, tmp_path: Path) -> None:
    """A small CNN on a warm device whose closed form is the dearer one."""
    (tmp_path / "odd.yaml").write_text(ODD)
    given = {
        "model": "small-cnn",
        "pruning__methods": ["random"],
        "fleet__groups": [{"profile": "odd.yaml", "count": 3, "startup": "warm"}],
    }
    whole = edgesim.plan(make_scenario(**given, pruning__keep_ratio=0.5))
    assert (whole["analytic_time_s"] > whole["device_time_s"]).all()
    limit = float(whole["device_time_s"].min())
    rows = edgesim.plan(make_scenario(**given, pruning__keep_ratio={"budget": {"latency_s": limit}}))
    for row in rows.to_dict("records"):
        takes, allowed = formatting.number(row["analytic_time_s"]), formatting.number(limit)
        assert row["device_time_s"] <= limit < row["analytic_time_s"]
        assert row["reason"].endswith(f"by the closed form this subset would take {takes} s of the {allowed} s allowed")
    plenty = edgesim.plan(make_scenario(**given, pruning__keep_ratio={"budget": {"latency_s": 1e6}}))
    assert (plenty[["reason", "other_price_breaks", "binds"]] == "").all(axis=None)


def test_a_budget_that_does_not_pay_for_the_start_says_so(make_scenario: Make) -> None:
    rows = edgesim.plan(make_scenario(pruning__keep_ratio={"budget": {"latency_s": 4.2}}, pruning__methods=["random"]))
    on_pi = rows[rows["profile"] == "raspberry-pi-4b"]
    assert (on_pi["limit"] == "budget").all()
    for reason in on_pi["reason"]:
        share = re.search(r"allowed are 4.2 \(start-up is (.*)% and scoring .*% of it\)", reason)
        assert share is not None
        assert 98 < float(share[1]) < 100


@pytest.mark.parametrize("price", ["emulated", "analytic"])
def test_the_records_j_is_the_objectives(make_scenario: Make, tmp_path: Path, price: str) -> None:
    """Risk is 0 whatever is kept, so that the value said is lambda x J: by the objective's price and weights."""
    rule = {
        "lambda": 2.0,
        "accuracy_curve": [[0.1, 1.0], [1.0, 1.0]],
        "weights": {"time": 0.5, "energy": 0.2, "storage": 0.1},
        "price": price,
    }
    methods = ["full", "random", "importance"]
    scenario = make_scenario(pruning__keep_ratio={"objective": rule}, training__epochs=1, pruning__methods=methods)
    records = run(scenario, tmp_path / "run").records
    for row in records[records["method"] != "full"].to_dict("records"):
        assert f"risk + lambda x J is {formatting.number(2 * row['cost_j'])}" in row["reason"]
    full = records[records["method"] == "full"].set_index("device")
    assert full["cost_j"].tolist() == pytest.approx([0.8] * 3)
    kind = "device" if price == "emulated" else "analytic"
    for row in records.to_dict("records"):
        whole = full.loc[row["device"]]
        time, energy = (row[f"{kind}_{part}"] / whole[f"{kind}_{part}"] for part in ("time_s", "energy_j"))
        by_hand = 0.5 * time + 0.2 * energy + 0.1 * row["subset_size"] / row["shard_size"]
        assert row["cost_j"] == pytest.approx(by_hand)
    assert edgesim.plan(scenario)["reason"].tolist() == records["reason"].tolist()


def test_risks_weigh_by_the_devices_data_unless_they_shall_not(make_scenario: Make, tmp_path: Path) -> None:
    """Shards of unequal size: the small device keeps less of its own, the large one more. Plan and run say the same."""
    curve = [[0.05, 0.2], [0.3, 0.6], [0.6, 0.8], [1.0, 0.9]]
    found = {}
    for by in ("data", "equal"):
        rule = {"objective": {"lambda": 0.8, "accuracy_curve": curve, "price": "analytic", "weights_of_devices": by}}
        scenario = make_scenario(
            pruning__keep_ratio=rule,
            pruning__methods=["random"],
            partition="quantity",
            seeds=[0, 1],
        )
        plan, rows = plan_run(scenario), edgesim.plan(scenario)
        assert [trial.keep_ratio for trial in plan.trials] == rows["keep_ratio"].tolist()
        assert [plan.rule_reasons[trial].reason for trial in plan.trials] == rows["reason"].tolist()
        found[by] = rows
    data, equal = found["data"], found["equal"]
    assert equal["reason"].str.startswith("risk + lambda x J is").all()
    weight = data["shard_size"] / data.groupby("seed")["shard_size"].transform("mean")
    for said, row in zip(weight, data.to_dict("records"), strict=True):
        text = formatting.number(said, 3)
        assert row["reason"].startswith(f"{text} x risk + lambda x J is ")
        assert row["reason"].endswith(f"; it holds {text} times the data of a mean device")
    change = data["keep_ratio"] - equal["keep_ratio"]
    assert (change[weight > 1] >= 0).all()
    assert (change[weight < 1] <= 0).all()
    assert change.abs().max() > 0.1
    scaled = edgesim.plan(scenario, 50)
    assert scaled["keep_ratio"].between(0.05, 1).all()


TINY = {"fleet.groups": [{"profile": "arduino-nano-33-ble-sense", "count": 1}, {"profile": "jetson-nano", "count": 1}]}


def test_a_device_that_cannot_hold_the_training_is_said_so_and_the_run_goes_on(
    make_scenario: Make, tmp_path: Path
) -> None:
    """Weights, gradients and Adam's two states of an MLP of 64-512-10 take 4 x 4 x 38,410 bytes, 615 KB of 205."""
    scenario = make_scenario(
        fleet__groups=TINY["fleet.groups"], model__hidden=[512], training__epochs=1, training__batch_size=64
    )
    finished = run(scenario, tmp_path / "run")
    records = finished.records
    stuck = records[records["device"] == 0]
    assert set(stuck["status"]) == {"infeasible"}
    assert stuck["reason"].str.contains("of training memory at batch size").all()
    assert stuck["test_accuracy"].isna().all()
    assert (records.loc[records["device"] == 1, "status"] == "ok").all()
    assert finished.info["trials"] == {"total": 10, "ok": 5, "infeasible": 5, "missing": 0}
    summary = means_analysis.summary(records)
    assert summary["infeasible"].tolist() == [1, 1, 1, 1, 1]
    page = report.write(finished, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "of training memory at batch size" in page
    assert "infeasible" in report.write_markdown(finished, tmp_path / "report.md").read_text(encoding="utf-8")
    again = run(scenario, tmp_path / "run", resume=True)
    pd.testing.assert_frame_equal(again.records, records)


def test_a_run_by_budget_ends_resumes_and_is_reported(make_scenario: Make, tmp_path: Path) -> None:
    scenario = make_scenario(pruning__keep_ratio={"budget": {"energy_j": 0.006, "price": "analytic"}})
    finished = run(scenario, tmp_path / "run")
    records = finished.records
    chosen = records[(records["ratio_rule"] == "budget") & (records["status"] == "ok")]
    assert (records.loc[records["method"] == "full", "ratio_rule"] == "").all()
    assert (chosen["analytic_energy_j"] <= 0.006).all()
    # A subset one larger breaks the budget, or there is none; the plan says the same before.
    all_of_it = chosen["subset_size"] == chosen["shard_size"]
    assert (chosen["binds"] == np.where(all_of_it, "", "energy_j")).all()
    larger = [f"{m + 1:,} samples would take" for m in chosen["subset_size"]]
    said = [one in reason for one, reason in zip(larger, chosen["reason"], strict=True)]
    assert said == [not whole for whole in all_of_it]
    planned = edgesim.plan(scenario)
    assert planned["binds"].tolist() == records["binds"].tolist()
    assert planned["reason"].tolist() == records["reason"].tolist()
    assert chosen["keep_ratio"].nunique() > 1
    summary = means_analysis.summary(by_rule(records, records))
    assert summary["method"].tolist() == ["full", "random", "importance"]
    means = summary.set_index("method")["keep_ratio"]
    own = chosen.groupby("method")["keep_ratio"].mean()
    assert means[["random", "importance"]].tolist() == pytest.approx(own[["random", "importance"]].tolist())
    assert len(gap_to_random(by_rule(records, records))) == 1  # paired, whatever the two ratios
    curves = by_rule(finished.curves, records)
    assert curves.loc[curves["method"] == "random", "keep_ratio"].nunique() == 1
    assert f"{chosen['keep_ratio'].mean():.4g}" in report.write(finished, tmp_path / "a.html").read_text(
        encoding="utf-8"
    )
    # As a kill in the middle leaves it: the rest is run, the records are the same.
    again = run(scenario, tmp_path / "run", resume=True)
    pd.testing.assert_frame_equal(again.records, records)
    plan = plan_run(scenario)
    rows = [Trial(*row) for row in records[["seed", "device", "method", "keep_ratio"]].to_numpy()]
    assert list(plan.trials) == rows == in_order(scenario, rows[::-1])


def test_an_objective_with_the_curve_of_another_run(make_scenario: Make, tmp_path: Path) -> None:
    before = run(make_scenario(training__epochs=1), tmp_path / "before")
    curves = linked_runs.accuracy_curves(tmp_path / "before")
    records = before.records.groupby(["method", "keep_ratio"])["test_accuracy"].mean()
    assert curves["random"][:, 0].tolist() == [0.2, 1.0]
    np.testing.assert_allclose(curves["random"][:, 1], [records["random", 0.2], records["random", 1.0]])
    assert "full" not in curves  # one ratio is no curve
    rule = {"objective": {"lambda": 0.01, "accuracy_from": str(tmp_path / "before")}}
    scenario = make_scenario(pruning__keep_ratio=rule, training__epochs=1)
    plan = plan_run(scenario, curves=linked_runs.curves_of(scenario))
    assert all(t.keep_ratio + 1e-2 >= 0.2 for t in plan.trials)
    with pytest.raises(ScenarioError, match="has no accuracies of 'importance'"):
        plan_run(scenario, curves={"random": curves["random"]})


def test_an_objective_whose_run_is_not_there_says_where_and_what_to_give(make_scenario: Make) -> None:
    rule = {"objective": {"lambda": 1, "accuracy_from": "runs/none"}}
    with pytest.raises(ScenarioError) as caught:
        api.planned(make_scenario(pruning__keep_ratio=rule))
    (fault,) = caught.value.faults
    assert fault.path == "pruning.keep_ratio.objective.accuracy_from"
    for said in ("runs/none is no run folder", "two keep ratios or more", "`accuracy_curve`"):
        assert said in fault.message


def test_tables_without_a_rule_stay_as_they_are() -> None:
    records = pd.DataFrame({"seed": [0], "device": [0], "method": ["random"], "keep_ratio": [0.5], "status": ["ok"]})
    assert by_rule(records, records) is records
    plain = records.assign(ratio_rule="")
    assert by_rule(plain, plain) is plain


def test_the_schema_knows_the_rules() -> None:
    variants = schema.scenario()["properties"]["pruning"]["properties"]["keep_ratio"]["anyOf"]
    rules = {next(iter(v["properties"])): next(iter(v["properties"].values())) for v in variants if "properties" in v}
    assert set(rules["budget"]["properties"]) == {"energy_j", "latency_s", "storage_bytes", "price", "unsafe"}
    assert set(rules["objective"]["properties"]) == {
        "lambda",
        "weights",
        "accuracy_curve",
        "accuracy_from",
        "price",
        "weights_of_devices",
        "accuracy_on",
        "unsafe",
    }
    assert rules["objective"]["required"] == ["lambda"]


@pytest.mark.parametrize(("task", "metric"), [("regression", "mean absolute error"), ("detection", "mAP at 0.5")])
def test_an_objective_refuses_the_accuracies_of_another_task(
    make_scenario: Make, tmp_path: Path, task: str, metric: str
) -> None:
    write_run(tmp_path / "other", task)
    scenario = make_scenario(pruning__keep_ratio={"objective": {"lambda": 1, "accuracy_from": str(tmp_path / "other")}})
    (fault,) = inspect(scenario).faults
    assert fault.path == "pruning.keep_ratio.objective.accuracy_from"
    assert f"is a run of a {task} ({metric}), and this scenario's data set is a classification" in fault.message
    with pytest.raises(ScenarioError, match=f"a run of a {task}"):
        run(scenario, tmp_path / "run")
