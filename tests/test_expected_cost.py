"""What a plan says before a run against what the run then is: methods whose work depends on the data, reused scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

import edgesim
from edgesim import formatting, report
from edgesim.planning.fleet_plan import MEASURES
from edgesim.pruning import METHODS
from edgesim.results.repricing import lacks, on_fleet, reprice
from edgesim.runtime import SerialExecutor
from edgesim.scenario.loading import Scenario

Make = Callable[..., Scenario]
KEY = ["seed", "device", "method", "keep_ratio"]
INEXACT = ["prototypes", "craig", "gradmatch", {"name": "adapruner", "epochs": 2, "extra_epochs": 2}]
SMALL: dict[str, Any] = {
    "dataset": {"name": "digits", "limit_train": 120},
    "partition": "iid",
    "model": "mlp",
    "training": {"epochs": 2, "batch_size": 16},
}


def small(make: Make, groups: list[dict[str, Any]], methods: list[Any], keep_ratio: Any, **more: Any) -> Scenario:
    """120 digits and two epochs."""
    parts = SMALL | {"fleet": {"groups": groups}, "pruning": {"methods": methods, "keep_ratio": keep_ratio} | more}
    return make(**parts)


def run(scenario: Scenario, folder: Path) -> edgesim.Run:
    return edgesim.run(scenario, folder, executor=SerialExecutor())


def joined(scenario: Scenario, records: pd.DataFrame) -> pd.DataFrame:
    """Records beside the rows of the plan, whose columns end in _planned where both have them."""
    both = records.merge(edgesim.plan(scenario), on=KEY, suffixes=("", "_planned"), validate="one_to_one")
    assert len(both) == len(records)
    return both


def battery(capacity_j: float, profile: str = "raspberry-pi-4b") -> dict[str, Any]:
    return {"profile": profile, "count": 1, "energy": {"source": "battery", "capacity_j": capacity_j}}


def test_a_start_that_the_charge_does_not_last_for_rules_out_every_method(make_scenario: Make, tmp_path: Path) -> None:
    """60 J on a Jetson whose start alone takes 157 J, 48.5 s at 3.24 W: known before, whatever a clustering may take.

    Nothing trains.
    """
    scenario = small(make_scenario, [battery(60, "jetson-nano")], ["random", "importance", *INEXACT], 0.5)
    found = run(scenario, tmp_path / "run")
    both = joined(scenario, found.records)
    assert set(both["status"]) == {"infeasible"}
    assert set(both["limit"]) == {"energy"}
    assert both["reason"].tolist() == both["reason_planned"].tolist()
    assert found.records["host_wall_s"].isna().all()
    inexact = both["method"].isin(["prototypes", "craig", "gradmatch", "adapruner"])
    assert both.loc[inexact, "reason"].str.contains("the trial needs at least 15").all()
    assert not both.loc[~inexact, "reason"].str.contains("at least").any()
    assert "the trial needs 157" in report.write(found, tmp_path / "report.html").read_text(encoding="utf-8")
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text(yaml.safe_dump({"groups": [battery(60, "jetson-nano")]}))
    on = on_fleet(found, fleet)
    pd.testing.assert_frame_equal(reprice(found, on), found.records)
    assert not lacks(found, on)


def test_what_only_the_run_finds_out_is_infeasible_there_and_on_other_fleets(
    make_scenario: Make, tmp_path: Path
) -> None:
    """A charge between the least and what AdaPruner does: its trial is tried, stops, and stays infeasible elsewhere."""
    method = [{"name": "adapruner", "epochs": 2, "extra_epochs": 4, "batch_size": 16, "tolerance": 1e-9}]
    mains = run(small(make_scenario, [{"profile": "raspberry-pi-4b", "count": 1}], method, 0.5), tmp_path / "mains")
    need_j = float(mains.records["device_energy_j"].item())
    groups = [battery(need_j - 0.01)]
    scenario = small(make_scenario, groups, method, 0.5)
    assert edgesim.plan(scenario)["limit"].item() == ""
    found = run(scenario, tmp_path / "run")
    (row,) = found.records.to_dict("records")
    assert (row["status"], np.isnan(row["test_accuracy"])) == ("infeasible", True)
    assert f"the trial needs {formatting.number(need_j)} J" in row["reason"]
    for name, capacity_j, status in (("same", need_j - 0.01, "infeasible"), ("large", need_j + 1, "failed")):
        fleet = tmp_path / f"{name}.yaml"
        fleet.write_text(yaml.safe_dump({"groups": [battery(capacity_j)]}))
        on = on_fleet(found, fleet)
        priced = reprice(found, on)
        assert priced["status"].item() == status
        assert lacks(found, on) is (status == "failed")
        if status == "infeasible":
            pd.testing.assert_frame_equal(priced, found.records)
            again = edgesim.run(on, tmp_path / "again", executor=SerialExecutor(), trained=[found])
            pd.testing.assert_frame_equal(again.records, found.records)
        else:
            assert "run the scenario on this fleet" in priced["reason"].item()


@pytest.mark.parametrize("budget", [{"energy_j": 1000.0}, {"latency_s": 1e4, "price": "analytic"}])
def test_an_ample_budget_on_a_small_charge_gives_what_the_charge_pays_for(
    make_scenario: Make, tmp_path: Path, budget: dict[str, Any]
) -> None:
    """Whatever the method's own work turns out to be, the run does not refuse what the rule chose."""
    unsure = {"name": "adapruner", "warmup_epochs": 0, "epochs": 1, "extra_epochs": 5, "batch_size": 16}
    methods = ["random", "herding", "prototypes", "craig", "gradmatch", unsure]
    scenario = small(make_scenario, [battery(14.2)], methods, {"budget": budget})
    found = run(scenario, tmp_path / "run").records
    done = found[found["method"] != "adapruner"]  # whose extra epochs would take more than the charge
    assert (done["status"] == "ok").all()
    assert (done["subset_size"] < done["shard_size"]).all()
    assert (done["binds"] == "energy").all()
    assert (found["device_energy_j"].dropna() <= 14.2).all()
    planned = edgesim.plan(scenario).set_index("method")
    assert planned["subset_size"].to_dict() == found.set_index("method")["subset_size"].to_dict()
    assert planned.loc["craig", "reason"].endswith("samples may be more than it can do")
    assert planned.loc["herding", "reason"].endswith("samples are more than it can do")
    adapruner = found.set_index("method").loc["adapruner"]
    assert (adapruner["status"], planned.loc["adapruner", "limit"]) == ("infeasible", "energy")
    assert adapruner["reason"].startswith("not even 1 sample is sure to be within the device's energy")
    assert adapruner["reason"] == planned.loc["adapruner", "reason"]


def test_an_objective_on_a_small_charge_chooses_what_is_expected_to_last(make_scenario: Make, tmp_path: Path) -> None:
    """By their bound (100 passes a start) no subset of prototypes is sure to last; as a rule some do."""
    curve = [[0.05, 0.2], [0.5, 0.7], [1.0, 0.9]]
    rule = {"objective": {"lambda": 0.01, "accuracy_curve": curve}}
    scenario = small(make_scenario, [battery(14.2)], ["herding", "prototypes"], rule)
    both = joined(scenario, run(scenario, tmp_path / "run").records)
    assert (both["status"] == "ok").all()
    assert (both["binds"] == "energy").all()
    assert (both["subset_size"] < both["shard_size"]).all()
    assert both["reason"].tolist() == both["reason_planned"].tolist()
    assert both["reason"].str.endswith("; a better subset is beyond the device's energy").all()


def test_the_plan_says_how_sure_it_is(make_scenario: Make, tmp_path: Path) -> None:
    """Expectations are near the charge, a bound above it, and what is exact is exact."""
    methods = ["random", "herding", {"name": "prototypes", "supervised": True, "label": "means"}, *INEXACT]
    scenario = small(make_scenario, [{"profile": "raspberry-pi-4b", "count": 1}], methods, [0.2, 0.7])
    both = joined(scenario, run(scenario, tmp_path / "run").records)
    said = dict(zip(both["method"], both["work_is"], strict=True))
    assert said == {
        "random": "exact", "herding": "exact", "means": "exact", "prototypes": "expected", "craig": "expected",
        "gradmatch": "expected", "adapruner": "at most",
    }  # fmt: skip
    exact = both["work_is"] == "exact"
    for name in MEASURES:
        np.testing.assert_array_equal(both.loc[exact, f"{name}_planned"], both.loc[exact, name], err_msg=name)
    ratio = both["analytic_score_time_s_planned"] / both["analytic_score_time_s"]
    assert ratio[both["work_is"] == "expected"].between(0.7, 1.6).all()
    assert (ratio[both["work_is"] == "at most"] >= 1).all()


def test_a_budget_that_was_overrun_says_so(
    make_scenario: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clustering that is expected to settle at once and does not: 0.06 J by the closed form are passed."""
    monkeypatch.setattr("edgesim.pruning.prototypes.SETTLES", 1e-6)
    method = [{"name": "prototypes", "restarts": 50}]
    rule = {"budget": {"energy_j": 0.06, "price": "analytic"}}
    scenario = small(make_scenario, [{"profile": "raspberry-pi-4b", "count": 1}], method, rule)
    (row,) = run(scenario, tmp_path / "run").records.to_dict("records")
    assert row["status"] == "ok"
    took = (
        f"it took {formatting.number(row['analytic_energy_j'])} J of the 0.06 J allowed: its work depends on the data"
    )
    assert took in row["reason"]
    assert row["analytic_energy_j"] > 0.06
    assert edgesim.plan(scenario)["analytic_energy_j"].item() <= 0.06


def test_scores_of_another_run_are_planned_as_they_are_charged(make_scenario: Make, tmp_path: Path) -> None:
    """Scored by a CNN, trained with an MLP; the battery device decides by the same work. One method is not there."""
    groups = [{"profile": "raspberry-pi-4b", "count": 2}, battery(400, "jetson-nano")]
    scored = ["full", "random", "importance", "prototypes", "infobatch"]
    first = small(make_scenario, groups, scored, [0.3, 0.6])
    first = make_scenario(**first.document | {"model": "small-cnn"})
    run(first, tmp_path / "a")
    second = small(make_scenario, groups, [*scored, "el2n", "craig"], [0.3, 0.6], scores_from=str(tmp_path / "a"))
    found = run(second, tmp_path / "b")
    both = joined(second, found.records)
    reused = ["random", "importance", "prototypes"]
    assert (both.loc[both["method"].isin(reused), "work_is"] == "exact").all()
    assert (both.loc[both["method"] == "craig", "work_is"] == "expected").all()
    known = both[both["work_is"] == "exact"]
    for name in MEASURES:
        np.testing.assert_allclose(known[f"{name}_planned"], known[name], rtol=1e-12, err_msg=name)
    mine = known.set_index("method")
    own = edgesim.plan(small(make_scenario, groups, ["importance"], [0.3, 0.6]))
    # The CNN's warm-up takes several times the MLP's.
    ratio = mine.loc["importance", "analytic_score_time_s"].mean() / own["analytic_score_time_s"].mean()
    assert ratio > 5
    # On another fleet a run is priced by the same work.
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text(yaml.safe_dump({"groups": groups}))
    pd.testing.assert_frame_equal(reprice(found, on_fleet(found, fleet)), found.records)


def test_what_is_held_after_the_selection_is_the_records_storage(make_scenario: Make, tmp_path: Path) -> None:
    """Static methods keep their subset, dynamic ones the whole shard; 64 bytes a sample."""
    methods = ["full", "random", "importance", "infobatch", "rs2", "fewer-epochs", "online-loss"]
    scenario = small(make_scenario, [{"profile": "raspberry-pi-4b", "count": 1}], methods, 0.25)
    both = joined(scenario, run(scenario, tmp_path / "run").records)
    held = both.set_index("method")["storage_bytes"]
    assert held[["random", "importance"]].tolist() == [30 * 64] * 2
    assert held[["full", "infobatch", "rs2", "fewer-epochs", "online-loss"]].tolist() == [120 * 64] * 5
    assert both["storage_bytes_planned"].tolist() == both["storage_bytes"].tolist()
    assert both["dynamic"].tolist() == [False] * 3 + [True] * 4


def test_a_shard_that_does_not_fit_rules_out_every_ratio(make_scenario: Make, tmp_path: Path) -> None:
    """120 samples of 64 bytes on a device for 7,000: pruning comes after the shard is there."""
    given = small(make_scenario, [{"profile": "raspberry-pi-4b", "count": 1}], ["random", "infobatch"], [0.1, 0.9])
    (profile,) = given.fleet.devices
    size = replace(profile.storage.size_bytes, value=7000.0)
    tiny = replace(profile, storage=replace(profile.storage, size_bytes=size))
    scenario = replace(given, fleet=replace(given.fleet, devices=(tiny,)))
    both = joined(scenario, run(scenario, tmp_path / "run").records)
    assert (both["limit"] == "storage").all()
    assert (both["status"] == "infeasible").all()
    assert both["reason"].tolist() == both["reason_planned"].tolist()
    assert both["reason"].str.contains("needs 7.68 KB of storage for its data, has 7 KB").all()


LIMITED = [
    {},
    {"energy": {"source": "battery", "capacity_j": 21.0}},
    {"energy": {"source": "harvest", "capacity_j": 9.0, "period_s": 10, "harvest_w": [[0, 0.0], [4, 5.0]]}},
    {"available": {"period_s": 50, "windows": [[3, 5.5], [20, 20.4]]}},
    {"startup": "warm", "energy": {"source": "battery", "capacity_j": 2.0}},
]
"""conditions of a Raspberry Pi 4, which starts up with 13.8 J"""
RULES: list[Any] = [
    [0.15, 0.9],
    {"budget": {"latency_s": 5.1}},
    {"budget": {"energy_j": 17.0}},
    {"budget": {"storage_bytes": 2000}},
    {"budget": {"latency_s": 0.02, "price": "analytic"}},
    {"budget": {"energy_j": 0.15, "price": "analytic", "latency_s": 100.0}},
    {"objective": {"lambda": 0.4, "accuracy_curve": [[0.05, 0.3], [0.5, 0.8], [1.0, 0.9]]}},
    {"objective": {"lambda": 0.4, "accuracy_curve": [[0.05, 0.3], [0.5, 0.8], [1.0, 0.9]], "price": "analytic"}},
]


@pytest.mark.parametrize("case", range(len(RULES)))
def test_plan_and_record_agree_whatever_limits_a_device(make_scenario: Make, tmp_path: Path, case: int) -> None:
    """Three methods by chance, one whose warm-up counts, and two whose work depends on the data, under every kind of
    condition and one kind of rule."""
    rng = np.random.default_rng(case)
    exact = sorted(set(METHODS) - {"prototypes", "craig", "gradmatch", "adapruner", "cg-score", "ccs"})
    chosen = [str(name) for name in rng.choice(exact, size=3, replace=False)]
    counted = {"name": "aum", "label": "counted", "after_warmup": "counts", "sampler": "importance-sampling"}
    methods = [*chosen, counted, "prototypes", "craig"]
    groups = [{"profile": "raspberry-pi-4b", "count": 1, **conditions} for conditions in LIMITED]
    scenario = make_scenario(
        **SMALL | {"dataset": {"name": "digits", "limit_train": 500}},
        fleet={"groups": groups},
        pruning={"methods": methods, "keep_ratio": RULES[case], "warmup": {"epochs": 1}},
    )
    records = run(scenario, tmp_path / "run").records
    both = joined(scenario, records)
    assert set(records["status"]) <= {"ok", "infeasible"}
    sure = both["work_is"] == "exact"
    ruled_out = both["limit"] != ""
    # Whatever a plan rules out is infeasible, and where the work is known the run finds out nothing more.
    assert (both.loc[ruled_out, "status"] == "infeasible").all()
    assert (both.loc[sure & ~ruled_out, "status"] == "ok").all()
    if isinstance(RULES[case], dict):
        assert (both.loc[~ruled_out, "status"] == "ok").all()
    assert both.loc[sure, "reason"].tolist() == both.loc[sure, "reason_planned"].tolist()
    for name in ("subset_size", *MEASURES):
        done = both[sure & (both["status"] == "ok")]
        np.testing.assert_allclose(done[f"{name}_planned"], done[name], rtol=1e-9, err_msg=name)
    if isinstance(RULES[case], dict) and "budget" in RULES[case]:
        budget = dict(RULES[case]["budget"])
        kind = "analytic" if budget.pop("price", "") == "analytic" else "device"
        names = {"latency_s": f"{kind}_time_s", "energy_j": f"{kind}_energy_j", "storage_bytes": "storage_bytes"}
        paid = both[sure & (both["status"] == "ok") & (both["method"] != "full")]
        for limit, most in budget.items():
            assert (paid[names[limit]] <= most * (1 + 1e-9)).all()
