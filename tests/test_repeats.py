"""Many trainings on one kept set: their price by hand, in runs and plans, and when scoring has paid for itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import Stopping
from test_pricing import SCORED, TERMS, pi
from trials import table, trial

import edgesim
from edgesim import planning
from edgesim.analysis.break_even import break_even
from edgesim.analysis.storage import storage_bound
from edgesim.cost import pricing
from edgesim.cost.batch_pricing import Device
from edgesim.cost.context import PricingContext
from edgesim.cost.emulator import Hardware, Phases, emulate
from edgesim.errors import RunError, ScenarioError
from edgesim.hardware import loading
from edgesim.hardware.conditions import Availability, Conditions, Energy
from edgesim.hardware.profile import DeviceProfile, Quantity
from edgesim.records import WorkRecord
from edgesim.results.repricing import on_fleet, reprice
from edgesim.runtime import SerialExecutor
from edgesim.work import StepTrace, Work, trainings_to_break_even

Make = Callable[..., Any]
COLD, WARM = Conditions(), Conditions(startup="warm")
SLOW_START = pi(first_step_s=Quantity(49.0, "a test", "estimate"))


def of(repeats: int) -> PricingContext:
    return dataclasses.replace(TERMS, repeats=repeats)


@pytest.mark.parametrize("conditions", [COLD, WARM])
def test_scoring_once_and_everything_else_n_times_by_hand(conditions: Conditions) -> None:
    one, seven = (pricing.price(of(n), SLOW_START, conditions, 64, 40, SCORED) for n in (1, 7))
    for kind in ("analytic", "device"):
        for quantity in ("time_s", "energy_j"):
            name = f"{kind}_{quantity}"
            scored = one[f"{kind}_score_{quantity}"] if name != "analytic_energy_j" else None
            if scored is None:  # one power for all of the closed form
                scored = one[name] * one["analytic_score_time_s"] / one["analytic_time_s"]
            assert seven[name] == pytest.approx(scored + 7 * (one[name] - scored))
    for name in ("device_score_time_s", "device_score_energy_j", "analytic_score_time_s", "score_flops"):
        assert seven[name] == one[name] > 0
    parts = ("device_startup_s", "device_train_time_s", "device_startup_energy_j", "analytic_train_time_s")
    for name in (*parts, "train_flops", "steps"):
        assert seven[name] == pytest.approx(7 * one[name])
    assert one["device_startup_s"] == (49 if conditions == COLD else 0)
    assert seven["score_flops"] + seven["train_flops"] == seven["total_flops"]
    split = [seven[f"device_{part}"] for part in ("startup_s", "score_time_s", "train_time_s")]
    assert sum(split) == pytest.approx(seven["device_time_s"])
    for name in ("storage_bytes", "upload_bytes", "peak_memory_bytes", "selection_comparisons"):
        assert seven[name] == one[name]
    assert seven["upload_bytes"] == 40 * 3072  # sent once
    assert seven["repeats"] == 7


def test_j_is_normalised_by_as_many_full_trainings() -> None:
    train = Work(train_samples=128, steps=4), StepTrace.passes("train", 64, 32, 2)
    whole = WorkRecord(Work(), StepTrace(), *train)
    assert pricing.price(of(9), SLOW_START, COLD, 64, 64, whole)["cost_j"] == pytest.approx(1)
    some = [pricing.price(of(n), SLOW_START, WARM, 64, 40, SCORED)["cost_j"] for n in (1, 1_000_000)]
    bare = pricing.price(
        TERMS, SLOW_START, WARM, 64, 40, dataclasses.replace(SCORED, score=Work(), score_trace=StepTrace())
    )
    assert some[0] > some[1] == pytest.approx(bare["cost_j"], rel=1e-4)  # scoring is lost in a million trainings


def test_a_dynamic_method_chooses_anew_in_every_training() -> None:
    one, five = (pricing.price(of(n), SLOW_START, WARM, 64, 64, SCORED, True) for n in (1, 5))
    for name in ("device_time_s", "device_energy_j", "analytic_time_s", "total_flops", "selection_comparisons"):
        assert five[name] == pytest.approx(5 * one[name])
    assert five["device_score_energy_j"] == pytest.approx(5 * one["device_score_energy_j"])


def warm_phone(start_s: float) -> tuple[DeviceProfile, WorkRecord]:
    """A phone that throttles, and trainings of some minutes on it."""
    phone = loading.load("galaxy-s20")
    compute = dataclasses.replace(phone.compute, first_step_s=Quantity(start_s, "a test", "estimate"))
    steps = 60_000
    train = Work(train_samples=32 * steps, steps=steps), StepTrace.passes("train", 32 * 500, 32, steps // 500)
    return dataclasses.replace(phone, compute=compute), WorkRecord(SCORED.score, SCORED.score_trace, *train)


@pytest.mark.parametrize("repeats", [3, 40])
def test_heat_of_trainings_is_that_of_one_after_another(repeats: int) -> None:
    bare, done = warm_phone(0.0)
    train_s = pricing.price(TERMS, bare, COLD, 64, 40, done)["device_train_time_s"]
    phone, _ = warm_phone(round(train_s / 9))  # a tenth of a training is its start-up
    found = pricing.price(of(repeats), phone, COLD, 64, 40, done)
    phases = pricing.batch_pricing_of(TERMS, Device(phone), 40, done).phases
    scoring = [i for i, label in enumerate(phases.labels) if label == "scoring"]
    again = [i for i in range(len(phases.labels)) if i not in scoring]
    order = [*range(len(phases.labels)), *again * (repeats - 1)]
    apart = Phases(
        labels=tuple(phases.labels[i] for i in order),
        **{
            name: np.asarray(getattr(phases, name))[0, order]
            for name in ("steps", "compute_s", "memory_s", "overhead_s", "wait_s")
        },
    )
    run = emulate(apart, Hardware.of(phone))
    assert run.throttled_s.sum() > 0.1 * run.time_s.sum()
    assert found["device_time_s"] == pytest.approx(float(run.time_s.sum()), rel=0.01)
    assert found["device_energy_j"] == pytest.approx(float(run.energy_j.sum()), rel=0.01)
    startup_s, train_s = (float(run.of(label, run.time_s)) for label in ("starting up", "training"))
    assert found["device_startup_s"] == pytest.approx(startup_s, rel=0.03)  # a hot start-up is slowed as all work is
    assert found["device_train_time_s"] == pytest.approx(train_s, rel=0.01)


def test_a_battery_and_windows_hold_for_all_trainings() -> None:
    phone, done = warm_phone(5.0)
    one = pricing.price(TERMS, phone, COLD, 64, 40, done)
    lasts = Conditions(energy=Energy("battery", capacity_j=2.5 * one["device_energy_j"]))
    assert pricing.price(of(2), phone, lasts, 64, 40, done)["limit"] == ""
    dead = pricing.price(of(1000), phone, lasts, 64, 40, done)
    assert dead["limit"] == "energy"
    assert "while training: it held" in dead["reason"]
    assert dead["reason"].endswith("for its 1,000 trainings")
    assert dead["device_energy_j"] == pytest.approx(2.5 * one["device_energy_j"])
    night = Conditions(available=Availability(86_400, ((0, 1.5 * one["device_time_s"]),)))
    three = pricing.price(of(4), phone, night, 64, 40, done)
    assert three["limit"] == ""
    assert 2 * 86_400 < three["device_time_s"] < 3 * 86_400 + one["device_time_s"]
    assert pricing.price(of(1_000_000), phone, night, 64, 40, done)["limit"] == "availability"


def test_more_trainings_are_no_more_phases() -> None:
    shapes = {np.shape(pricing.batch_pricing_of(of(n), Device(SLOW_START), 40, SCORED).phases.steps) for n in (1, 1000)}
    assert len(shapes) == 1


@pytest.mark.parametrize("rule", [[0.3, 1.0], {"budget": {"energy_j": 120, "storage_bytes": 2e4}}])
def test_a_plan_and_another_fleet_have_the_price_of_the_run(make_scenario: Make, tmp_path: Path, rule: Any) -> None:
    methods = ["full", "importance", "fewer-epochs", "rs2", "online-loss"]
    groups = [{"profile": "galaxy-s20", "count": 2}, {"profile": "jetson-nano", "count": 1, "startup": "warm"}]
    scenario = make_scenario(
        pruning__methods=methods, pruning__keep_ratio=rule, training__repeats=12, fleet={"groups": groups}
    )
    run = edgesim.run(scenario, tmp_path / "run", executor=SerialExecutor())
    records, planned = run.records, edgesim.plan(scenario)
    assert (records["repeats"] == 12).all()
    assert records["limit"].tolist() == planned["limit"].tolist()
    done = (records["status"] == "ok").to_numpy()
    names = ["device_startup_s", "device_score_time_s", "device_train_time_s", "device_startup_energy_j"]
    names += [
        "device_time_s",
        "device_energy_j",
        "device_score_energy_j",
        "analytic_time_s",
        "analytic_energy_j",
        "upload_s",
    ]
    for name in names:
        np.testing.assert_array_equal(records.loc[done, name], planned.loc[done, name])
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text(yaml.safe_dump({"groups": groups}))
    host = [name for name in records if name.startswith("host_")]
    priced = reprice(run, on_fleet(run, fleet))
    pd.testing.assert_frame_equal(priced.drop(columns=host), records.drop(columns=host), check_exact=True)


def test_a_budget_pays_for_all_trainings(make_scenario: Make) -> None:
    """Without scoring, start-up and overheads ten trainings on a tenth of the data cost what one on all does."""
    budget = {"budget": {"energy_j": 0.001, "price": "analytic"}}
    kept = [
        edgesim.plan(make_scenario(training__repeats=n, pruning__methods=["random"], pruning__keep_ratio=budget))
        for n in (1, 10)
    ]
    assert (kept[0]["keep_ratio"] < 1).tolist() == [True, True, False]  # the Jetson takes less
    once, often = (rows["subset_size"].to_numpy()[:2] for rows in kept)
    assert often == pytest.approx(once / 10, abs=1)
    assert kept[1]["reason"].str.contains(r"would take [\d.]+ J for 10 trainings, allowed are 0.001").sum() == 3
    assert not kept[0]["reason"].str.contains("trainings").any()


@pytest.mark.parametrize("given", [0, -3, 2.5, 1_000_001, "often"])
def test_what_is_no_number_of_trainings_is_refused(make_scenario: Make, given: Any) -> None:
    with pytest.raises(ScenarioError, match=r"training\.repeats"):
        make_scenario(training__repeats=given)


def test_a_run_is_not_resumed_with_other_repeats(make_scenario: Make, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        edgesim.run(make_scenario(), tmp_path / "run", executor=Stopping(1))
    with pytest.raises(RunError, match=r"training\.repeats: was 1, now 4"):
        edgesim.run(make_scenario(training__repeats=4), tmp_path / "run", resume=True, executor=SerialExecutor())


def test_accuracies_are_those_of_one_training(make_scenario: Make, tmp_path: Path) -> None:
    runs = [
        edgesim.run(make_scenario(training__repeats=n), tmp_path / str(n), executor=SerialExecutor()) for n in (1, 50)
    ]
    same = ["test_accuracy", "train_loss", "score_flops", "subset_size", "storage_bytes"]
    pd.testing.assert_frame_equal(runs[0].records[same], runs[1].records[same], check_exact=True)
    pd.testing.assert_frame_equal(runs[0].work, runs[1].work)  # what was done here


def test_trainings_to_break_even_by_hand() -> None:
    # Saves 4 of 10 per training: 9 are paid back after 3; 8 after 2; less than one saving at once.
    assert trainings_to_break_even([9, 8, 3, 0], 6, 10).tolist() == [3, 2, 1, 1]
    never = trainings_to_break_even([1, 1, 0, 0.5], [10, 11, 11, np.nan], 10)
    assert np.isnan(never).all()
    assert trainings_to_break_even(5, 100, np.inf) == 1
    assert np.isnan(trainings_to_break_even(1, 10 - 1e-7, 10))  # ten million trainings
    assert trainings_to_break_even(0.3, 0.1, 0.2) == 3  # 0.3 / 0.1 is a hair more than 3
    assert trainings_to_break_even(0, 10, 10) == 1


def test_a_plan_says_when_scoring_has_paid(make_scenario: Make) -> None:
    """By sums over the fleet of what its rows say."""
    given = {"pruning__keep_ratio": [0.2, 0.9, 1.0], "pruning__methods": ["full", "random", "importance", "rs2"]}
    for repeats in (1, 20):
        planned = planning.plan_fleet(make_scenario(**given, training__repeats=repeats))
        rows = planned.frame()
        sums = rows.groupby(["method", "keep_ratio"])[["device_energy_j", "device_score_energy_j"]].sum()
        full_j = float(sums.loc[("full", 1.0), "device_energy_j"]) / repeats
        found = {
            (row["method"], round(row["keep_ratio"], 9)): row["repeats_to_break_even"] for row in planned.by_method()
        }
        for ratio in (0.2, 0.9):
            all_j, score_j = sums.loc[("importance", ratio)]
            saved_j = full_j - (all_j - score_j) / repeats
            assert found["importance", ratio] == max(1, np.ceil(score_j / saved_j))
            assert found["random", ratio] == found["rs2", ratio] == 1
        assert found["importance", 0.9] > found["importance", 0.2]
        assert found["importance", 1.0] == "never"
        assert found["full", 1.0] is None
        # Without `full` among the methods its price is the same.
        alone = planning.plan_fleet(
            make_scenario(**given | {"pruning__methods": ["importance"]}, training__repeats=repeats)
        )
        told = [row["repeats_to_break_even"] for row in alone.by_method()]
        assert told == [found["importance", ratio] for ratio in (0.2, 0.9, 1.0)]


def priced(
    seed: int, device: int, method: str, ratio: float, accuracy: float, joules: tuple[float, float], **more: Any
):
    """A trial with the energies of scoring and of one training."""
    score_j, train_j = joules
    given = {"repeats": 1, **more}
    total_j = score_j + given["repeats"] * train_j
    return trial(seed, device, method, ratio, accuracy, device_energy_j=total_j, device_score_energy_j=score_j, **given)


def by_hand(repeats: int = 1) -> pd.DataFrame:
    """Two devices. Means: full 0.8 for 100 J; random 0.5, 0.6, 0.7 for 20, 40, 60 J; the method scores for 30 J."""
    rows = []
    for device, better in ((0, 0.1), (1, -0.1)):
        cells = [("full", 1.0, 0.8, (0.0, 100.0))]
        cells += [
            ("random", ratio, acc, (0.5, cost)) for ratio, acc, cost in ((0.2, 0.5, 20), (0.4, 0.6, 40), (0.6, 0.7, 60))
        ]
        cells += [
            ("el2n", 0.2, 0.65, (30.0, 20.0)),
            ("el2n", 0.4, 0.55, (30.0, 40.0)),
            ("el2n", 0.6, 0.9, (30.0, 60.0)),
        ]
        rows += [priced(0, device, *cell[:2], cell[2] + better, cell[3], repeats=repeats) for cell in cells]
    return table(*rows)


@pytest.mark.parametrize("repeats", [1, 25])
def test_break_even_against_each_opponent_by_hand(repeats: int) -> None:
    found = break_even(by_hand(repeats), "el2n")
    assert found.missing == ()
    rows = found.table.set_index(["opponent", "keep_ratio"])
    assert rows["pairs"].eq(2).all()
    # Full: 30 / (100 - 20), 30 / (100 - 40), 30 / (100 - 60): each within one training.
    assert rows.loc["full", "n"].tolist() == [1, 1, 1]
    # 0.65 of random lies between 0.4 and 0.6: 50 J. 30 J are paid back by 50 - 20 J at once.
    half = rows.loc[("random", 0.2)]
    assert half["opponent_train_j"] == pytest.approx(50)
    assert half["opponent_keep_ratio"] == pytest.approx(0.5)
    assert half["n"] == 1
    # 0.55 costs random 30 J, less than a training of the method on 0.4: never.
    assert rows.loc[("random", 0.4), "opponent_train_j"] == pytest.approx(30)
    assert np.isnan(rows.loc[("random", 0.4), "n"])
    # 0.9 is more than random ever reaches.
    assert rows.loc[("random", 0.6), "opponent_train_j"] == np.inf
    assert rows.loc[("random", 0.6), "n"] == 1
    dear = by_hand(repeats)
    scored = dear["method"] == "el2n"
    dear.loc[scored, ["device_energy_j", "device_score_energy_j"]] += 170.0  # scoring takes 200 J
    rows = break_even(dear, "el2n", ["full", "random"]).table.set_index(["opponent", "keep_ratio"])
    assert rows.loc["full", "n"].tolist() == [3, 4, 5]  # 200 / 80, / 60, / 40
    assert rows.loc[("random", 0.2), "n"] == 7  # 200 / 30


def test_break_even_over_the_pairs_that_have_everything() -> None:
    records = by_hand()
    lame = [priced(1, 0, "el2n", 0.2, 0.1, (9.0, 1.0)), priced(1, 0, "full", 1.0, 0.9, (0.0, 5.0))]
    more = pd.concat([records, table(*lame)])  # no ratio of random, and not all of the method
    pd.testing.assert_frame_equal(break_even(more, "el2n").table, break_even(records, "el2n").table)
    alone = break_even(records[records["method"] == "el2n"], "el2n")
    assert alone.table.empty
    assert "el2n" in alone.missing[0]


def test_a_dynamic_opponent_chooses_in_every_training() -> None:
    rows = [
        priced(0, 0, "full", 1.0, 0.8, (0.0, 100.0), repeats=4),
        priced(0, 0, "el2n", 0.5, 0.7, (30.0, 50.0), repeats=4),
        priced(0, 0, "rs2", 0.5, 0.7, (40.0, 50.0), repeats=4, dynamic=True),
    ]
    row = break_even(table(*rows), "el2n", ["rs2"]).table.iloc[0]
    assert row["opponent_train_j"] == pytest.approx(60)  # 240 J in all
    assert row["n"] == 3


def test_storage_keeps_what_fits_and_stops_who_moves_through_all(make_scenario: Make, tmp_path: Path) -> None:
    """Samples of 64 bytes; device by device what 12,000 bytes hold."""
    methods = ["full", "random", "importance", "fewer-epochs", "rs2", "online-loss"]
    scenario = make_scenario(
        pruning__methods=methods, pruning__keep_ratio={"budget": {"storage_bytes": 12_000}}, partition="iid"
    )
    run = edgesim.run(scenario, tmp_path / "run", executor=SerialExecutor())
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text(yaml.safe_dump({"groups": [{"profile": "galaxy-s20", "count": 3}]}))
    planned = edgesim.plan(scenario)
    for rows in (run.records, reprice(run, on_fleet(run, fleet)), planned):
        static = rows[rows["method"].isin(["random", "importance"])]
        assert (static["subset_size"] == 12_000 // 64).all()
        assert (static["limit"] == "").all()
        moving = rows[rows["method"].isin(methods[3:])]
        assert (moving["limit"] == "budget").all()
        assert (moving["binds"] == "storage_bytes").all()
        assert moving["reason"].str.contains("storage_bytes does not suffice: all .* samples would take").all()
    found = storage_bound(run.records).table
    assert found["device"].tolist() == [0, 1, 2]
    assert set(found["opponents"]) == {"fewer-epochs, rs2, online-loss"}
    assert set(found["methods"]) == {"random, importance"}
    assert found["trials"].tolist() == [3, 3, 3]


def test_limits_other_than_storage_bind_no_storage() -> None:
    rows = [
        trial(0, 0, "rs2", 0.5, status="infeasible", dynamic=True, limit="memory"),
        trial(0, 1, "rs2", 0.5, status="infeasible", dynamic=True, limit="budget", binds="energy_j"),
        trial(0, 2, "el2n", 0.5, status="infeasible", limit="storage"),
        trial(0, 3, "rs2", 0.5, status="infeasible", dynamic=True, limit="storage"),
        trial(1, 3, "rs2", 0.5, status="infeasible", dynamic=True, limit="storage"),
    ]
    found = storage_bound(table(*rows)).table
    assert found.to_dict("records") == [{"device": 3, "profile": "pi", "opponents": "rs2", "methods": "", "trials": 2}]


def test_every_infeasible_trial_has_its_limit(make_scenario: Make, tmp_path: Path) -> None:
    groups = [
        {"profile": "arduino-nano-33-ble-sense", "count": 1},
        {"profile": "jetson-nano", "count": 1, "energy": {"source": "battery", "capacity_j": 0.2}},
        {"profile": "raspberry-pi-4b", "count": 1, "available": {"period_s": 86400, "windows": [[0, 1e-4]]}},
    ]
    scenario = make_scenario(fleet={"groups": groups}, model__hidden=[512], pruning__methods=["full"])
    records = edgesim.run(scenario, tmp_path / "run", executor=SerialExecutor()).records
    assert records.groupby("device")["limit"].unique().map(list).tolist() == [["memory"], ["energy"], ["availability"]]
    assert (records["status"] == "infeasible").all()


def test_an_upload_takes_what_the_link_gives(make_scenario: Make, tmp_path: Path) -> None:
    groups = [{"profile": "pixel-7", "count": 1}, {"profile": "raspberry-pi-4b", "count": 2}]
    scenario = make_scenario(fleet={"groups": groups}, pruning__methods=["full", "random", "rs2"], partition="iid")
    records = edgesim.run(scenario, tmp_path / "run", executor=SerialExecutor()).records
    phone = records[records["device"] == 0].set_index(["method", "keep_ratio"])
    n = int(phone["shard_size"].iloc[0])
    sent = phone["upload_bytes"]
    assert sent["random", 0.2] == 64 * round(0.2 * n)
    assert sent["full", 1.0] == sent["rs2", 0.2] == 64 * n  # a dynamic method needs all of the shard
    assert phone["upload_s"].to_numpy() == pytest.approx(sent.to_numpy() / 3.286e6)
    assert records.loc[records["device"] > 0, "upload_s"].isna().all()


def test_a_link_is_a_number_of_its_class(tmp_path: Path) -> None:
    def write(link: str) -> Path:
        path = tmp_path / "mine.yaml"
        path.write_text(f"extends: pixel-7\nlink: {link}\n")
        return path

    number = "{value: %s, source: mine, confidence: measured}"
    mine = loading.load(write("{up_bytes_per_s: %s, down_bytes_per_s: null}" % (number % "1e6")))
    assert mine.link is not None
    assert (mine.link.up_bytes_per_s.value, mine.link.down_bytes_per_s) == (1e6, None)
    assert loading.load(write("null")).link is None
    with pytest.raises(ScenarioError, match=r"link\.up_bytes_per_s\.value: .*looks like MB/s: multiply by 1e\+06"):
        loading.load(write("{up_bytes_per_s: %s}" % (number % "3.2")))
    with pytest.raises(ScenarioError, match=r"link\.up_byte_per_s"):
        loading.load(write("{up_byte_per_s: %s}" % (number % "1e6")))
    phones = [profile for name in loading.names() if (profile := loading.load(name)).device_class == "phone"]
    assert len(phones) == 6
    for phone in phones:
        assert phone.link is not None
        assert phone.link.up_bytes_per_s.confidence == "estimate"
    links = loading.schema()["$defs"]["Link"]["properties"]
    assert set(links) == {"up_bytes_per_s", "down_bytes_per_s"}
