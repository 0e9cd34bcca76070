"""The search for power modes and subset sizes against prices of every combination, one by one, as plans have them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from commands import command
from conftest import ROOT

import edgesim
from edgesim.calibration.gpu_fit import GpuDevice, MeasuredClocks
from edgesim.calibration.published.jetson_fit import HeldOut
from edgesim.calibration.published.jetson_steps import JetsonRun
from edgesim.calibration.published.mode_choices import choice
from edgesim.cost.feasibility import LIMITS
from edgesim.cost.gpu_steps import KINDS, GpuWork
from edgesim.cost.mode_steps import TrialSums
from edgesim.cost.objective import Objective
from edgesim.hardware.conditions import ChosenClocks
from edgesim.hardware.mode_grid import ModeGrid
from edgesim.hardware.power_setting import ClockShares
from edgesim.planning.auto_modes import best_mode
from edgesim.planning.mode_search import Candidates, DeviceConditions, DeviceSearch, Target, choose
from edgesim.planning.objective_modes import InModes, ObjectiveSearch
from edgesim.planning.trials import TrialResolver
from edgesim.planning.tuning import Query, tune
from edgesim.planning.virtual_fleet import own_fleet
from edgesim.runtime import SerialExecutor
from edgesim.scenario.experiment import configure, load_dataset, shards_of
from edgesim.scenario.loading import Scenario

STEPS = {
    "gpu_hz": [1.1475e8, 8.2875e8, 1.3005e9],
    "memory_hz": [4.08e8, 1.866e9],
    "cpu_hz": [3.456e8, 1.1136e9, 2.0352e9],
}
RATIOS = [0.1, 0.25, 0.5, 0.75, 1.0]
METHODS = ["full", "random", "importance", "rs2"]


def clocked(folder: Path) -> str:
    """A TX2 with 3 x 2 x 3 combinations of clocks."""
    given = {name: {"value": steps, "confidence": "estimate", "source": "a test"} for name, steps in STEPS.items()}
    document = {"extends": "jetson-tx2", "name": "few-clocks", "power": {"modes": []}, "clocks": given}
    path = folder / "few-clocks.yaml"
    path.write_text(yaml.safe_dump(document))
    return str(path)


def small(group: dict[str, Any], **training: Any) -> Scenario:
    """80 digits on one device."""
    document = {
        "name": "tuned",
        "dataset": {"name": "digits", "limit_train": 80},
        "partition": "iid",
        "fleet": {"groups": [{"count": 1, **group}]},
        "training": {"epochs": 3, "batch_size": 16, **training},
        "pruning": {"methods": METHODS, "keep_ratio": RATIOS},
        "model": "small-cnn",
        "seeds": [0],
    }
    return edgesim.load_scenario(document)


def every(group: dict[str, Any], modes: list[Any], **training: Any) -> pd.DataFrame:
    """The plan's price of every method and ratio in every mode, one scenario per mode; `mode` is its place."""
    plans = [edgesim.plan(small({**group, "power_mode": mode}, **training)) for mode in modes]
    return pd.concat([plan.assign(mode=place) for place, plan in enumerate(plans)], ignore_index=True)


def as_document(mode: str | ChosenClocks) -> Any:
    """A power mode as a fleet's group gives it."""
    if isinstance(mode, str):
        return mode
    return {name: hz for name in STEPS if (hz := getattr(mode, name)) is not None}


def brute(prices: pd.DataFrame, method: str, target: Target) -> tuple[float, int]:
    """(keep ratio, mode) of the best price, by sorting all of them."""
    mine = prices[(prices["method"] == method) & (prices["limit"] == "")]
    for column, limit in (("device_time_s", target.deadline_s), ("device_energy_j", target.energy_j)):
        mine = mine if limit is None else mine[mine[column] <= limit]
    mine = mine.assign(less=-mine["keep_ratio"])
    keys = {"energy": "device_energy_j", "time": "device_time_s", "ratio": "less"}
    order = [keys.pop(target.goal), *keys.values(), "mode"]
    best = mine.sort_values(order, kind="stable").iloc[0]
    return float(best["keep_ratio"]), int(best["mode"])


def targets(prices: pd.DataFrame) -> list[Target]:
    """Deadlines and budgets between the cheapest and the dearest price of `random`, and one that is met exactly."""
    mine = prices[prices["method"] == "random"]
    times, joules = (np.quantile(mine[name], [0.3, 0.6]) for name in ("device_time_s", "device_energy_j"))
    exact = float(mine["device_time_s"].sort_values().iloc[len(mine) // 2])
    return [
        Target("energy", deadline_s=exact),
        *(Target("energy", deadline_s=float(time)) for time in times),
        *(Target("ratio", energy_j=float(joule)) for joule in joules),
        Target("ratio", deadline_s=float(times[1]), energy_j=float(joules[1])),
        Target("time", energy_j=float(joules[1])),
        Target("energy"),
    ]


@pytest.fixture(scope="module")
def clocks(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], ModeGrid, pd.DataFrame]:
    """A group of the device with clocks, its modes, and the prices of all combinations."""
    group = {"profile": clocked(tmp_path_factory.mktemp("profile"))}
    modes = ModeGrid.of(small(group).fleet.devices[0])
    given = [as_document(modes.mode(place)) for place in range(len(modes))]
    return group, modes, every(group, given)


def test_choice_is_the_best_of_all_combinations(clocks: tuple[Any, ModeGrid, pd.DataFrame]) -> None:
    """Every price is the plan's to the last bit, and every choice the first of all when they are sorted."""
    group, modes, prices = clocks
    scenario = small(group)
    assert len(modes) == 18
    assert modes.mode(17) == "full"
    asked = 0
    for target in targets(prices):
        found = {row["method"]: row for row in tune(scenario, Query(target, ratios=tuple(RATIOS))).rows}
        for method in METHODS:
            row = found[method]
            if not row["meets"]:
                within = target.within(prices["device_time_s"].to_numpy(), prices["device_energy_j"].to_numpy())
                assert not (within & (prices["method"] == method)).any()
                continue
            asked += 1
            ratio, mode = brute(prices, method, target)
            assert (row["keep_ratio"], row["power_mode"]) == (ratio, str(modes.mode(mode)))
            same = prices[(prices["method"] == method) & (prices["keep_ratio"] == ratio)].set_index("mode")
            assert row["time_s"] == same.loc[mode, "device_time_s"]
            assert row["energy_j"] == same.loc[mode, "device_energy_j"]
            assert row["full_clock_energy_j"] == same.loc[17, "device_energy_j"]
            assert row["saved_energy"] == 1 - row["energy_j"] / row["full_clock_energy_j"]
    assert asked > 20
    assert prices.groupby(["method", "keep_ratio"])["device_energy_j"].nunique().min() > 10


def test_no_candidate_is_lost_by_leaving_out_beaten_modes(clocks: tuple[Any, ModeGrid, pd.DataFrame]) -> None:
    """The front over all sizes is that of all combinations, by comparing every one with every other one."""
    group, _, prices = clocks
    found = tune(small(group), Query(Target("energy"), ratios=tuple(RATIOS), front=True))
    front = pd.DataFrame(found.front)
    for method in ("random", "importance"):
        mine = prices[prices["method"] == method]
        values = mine[["device_time_s", "device_energy_j", "keep_ratio"]].to_numpy() * [1, 1, -1]
        no_worse = (values[:, None] <= values).all(axis=2)
        better = (values[:, None] < values).any(axis=2)
        kept = mine[~(no_worse & better).any(axis=0)]
        own = front[front["method"] == method]
        pairs = {tuple(pair) for pair in own[["time_s", "energy_j", "keep_ratio"]].to_numpy()}
        assert pairs == {tuple(pair) for pair in kept[["device_time_s", "device_energy_j", "keep_ratio"]].to_numpy()}
        assert 5 < len(pairs) < len(mine)
        assert own["chosen"].sum() == 1


@pytest.mark.parametrize(
    ("goal", "expected"),
    [("energy", (8, 1)), ("time", (4, 0)), ("ratio", (8, 1))],
    ids=["energy", "time", "ratio"],
)
def test_ties(goal: Any, expected: tuple[int, int]) -> None:
    """Less energy, then less time, then a larger subset, then lower clocks; the goal itself comes first."""
    m, modes = np.array([2, 4, 8]), np.array([0, 1, 2])
    time_s = np.array([[3.0, 3.0, 3.0], [1.0, 2.0, 1.0], [3.0, 2.0, 2.0]])
    energy_j = np.array([[5.0, 5.0, 5.0], [5.0, 4.0, 5.0], [4.0, 4.0, 4.0]])
    found = Candidates(m, modes, time_s, energy_j, np.zeros((3, 3), dtype=np.int64))
    chosen = choose(found, Target(goal))
    assert (chosen.m, chosen.mode, chosen.meets) == (*expected, True)


def test_nearest_where_nothing_is_within_the_limits() -> None:
    """The limit that is exceeded most counts; limits of the device come first."""
    m, modes = np.array([2, 4]), np.array([0, 1])
    time_s, energy_j = np.array([[30.0, 20.0], [40.0, 25.0]]), np.array([[10.0, 40.0], [12.0, 44.0]])
    limit = np.zeros((2, 2), dtype=np.int64)
    found = Candidates(m, modes, time_s, energy_j, limit)
    chosen = choose(found, Target("ratio", deadline_s=10.0, energy_j=10.0))
    assert (chosen.m, chosen.mode, chosen.meets) == (2, 0, False)  # 3 times the deadline, against 4 times the energy
    assert not choose(Candidates(m, modes, time_s, energy_j, limit + 1), Target("energy")).meets
    assert choose(Candidates(m, modes, time_s, energy_j, limit + 1), Target("energy")).limit == 1


CONDITIONS: dict[str, tuple[dict[str, Any], dict[str, Any], Callable[[pd.DataFrame], bool]]] = {
    "mains": ({}, {}, lambda prices: (prices["limit"] == "").all()),
    "windows": (
        {"available": {"period_s": 10.0, "windows": [[2.0, 3.0]]}},
        {},
        lambda prices: prices["device_time_s"].min() > 2.0,
    ),
    "battery": (
        {"energy": {"source": "battery", "capacity_j": 5.0}},
        {},
        lambda prices: set(prices["limit"]) == {"", "energy"},
    ),
    "windows and battery": (
        {
            "available": {"period_s": 10.0, "windows": [[2.0, 3.0], [4.0, 4.5]]},
            "energy": {"source": "battery", "capacity_j": 12.0},
        },
        {},
        lambda prices: set(prices["limit"]) == {"", "energy"},
    ),
    "harvest": (
        {"energy": {"source": "harvest", "capacity_j": 1.0, "harvest_w": [[0.0, 1.5]], "period_s": 100.0}},
        {},
        lambda prices: set(prices["limit"]) == {"", "energy"},
    ),
    "heat": ({"startup": "warm"}, {"epochs": 4000}, lambda prices: gets_hot(prices)),
}


def gets_hot(prices: pd.DataFrame) -> bool:
    """True where full training at full clock takes longer than on the phone that is better cooled."""
    cool = every({"profile": "galaxy-note10", "startup": "warm"}, ["full"], epochs=4000)
    times = [one.loc[one["method"] == "full", "device_time_s"].iloc[-1] for one in (cool, prices)]
    return bool(times[1] > 1.05 * times[0])


def hot_phone(folder: Path) -> str:
    """A phone that cannot hold half its speed for long."""
    factor = {"value": 0.4, "confidence": "estimate", "source": "a test"}
    path = folder / "hot-phone.yaml"
    path.write_text(yaml.safe_dump({"extends": "galaxy-note10", "cooling": {"throttled_factor": factor}}))
    return str(path)


@pytest.mark.parametrize("name", CONDITIONS)
def test_conditions_are_priced_as_in_plans(name: str, tmp_path: Path) -> None:
    """A phone waits, gets hot, and has no charge for some modes: its choice is that of the plans' prices."""
    conditions, training, takes_effect = CONDITIONS[name]
    profile = hot_phone(tmp_path) if name == "heat" else "galaxy-note10"
    group, training = {"profile": profile, **conditions}, {"epochs": 20, **training}
    modes = ModeGrid.of(small(group).fleet.devices[0])
    prices = every(group, [as_document(modes.mode(place)) for place in range(len(modes))], **training)
    assert takes_effect(prices)
    deadline = float(np.nanquantile(prices.loc[prices["limit"] == "", "device_time_s"], 0.5))
    met = 0
    for target in (Target("energy"), Target("ratio", deadline_s=deadline)):
        for row in tune(small(group, **training), Query(target, ratios=tuple(RATIOS))).rows:
            if row["meets"]:
                met += 1
                ratio, mode = brute(prices, row["method"], target)
                assert (row["keep_ratio"], row["power_mode"]) == (ratio, str(modes.mode(mode)))
            else:
                mine = prices[(prices["method"] == row["method"]) & (prices["limit"] == "")]
                assert not (mine["device_time_s"] <= (target.deadline_s or np.inf)).any()
    assert met > 3


def test_windows_and_charge_of_sums() -> None:
    """Windows of 1 s and 0.5 s: work waits at 2 W for them, ends with a window, or never; a charge may not last."""
    device = DeviceConditions(np.array([2.0, 4.0]), np.array([3.0, 4.5]), 2.0, 9.0)
    sums = TrialSums(np.array([[0.5, 1.0], [1.2, 2.0]]), np.array([[1.0, 5.0], [3.5, 1.0]]))
    time_s, energy_j, limit = device.applied(sums)
    assert time_s[limit == 0] == pytest.approx([2.5, 3.0])
    assert energy_j[0] == pytest.approx([5.0, 9.0])
    assert time_s[1, 0] == pytest.approx(4.2)
    assert energy_j[1, 0] == pytest.approx(9.5)
    assert [LIMITS[code] for code in limit.ravel()] == ["", "", "energy", "availability"]


def test_later_start_ups_are_priced_as_in_plans(clocks: tuple[Any, ModeGrid, pd.DataFrame]) -> None:
    """Three trainings on the same kept set: every combination within rounding of its plan, by the front of all."""
    group, _, _ = clocks
    front = pd.DataFrame(tune(small(group, repeats=3), Query(Target("energy"), ratios=(0.5,), front=True)).front)
    mine = front[front["method"] == "importance"]
    given = [{name: float(row[name]) for name in STEPS} for _, row in mine.iterrows()]
    plans = every(group, given, repeats=3)
    same = plans[(plans["method"] == "importance") & (plans["keep_ratio"] == 0.5)]
    assert len(mine) > 1
    assert mine["time_s"].to_numpy() == pytest.approx(same["device_time_s"].to_numpy(), rel=1e-12)
    assert mine["energy_j"].to_numpy() == pytest.approx(same["device_energy_j"].to_numpy(), rel=1e-12)


def test_command(tmp_path: Path) -> None:
    """Choices as JSON and as files; the sentence where nothing meets a deadline; no word of accuracy as a promise."""
    options = [
        "--set",
        "dataset={name: digits, limit_train: 80}",
        "--set",
        "model=small-cnn",
        "--set",
        "pruning.methods=[random]",
    ]
    asked = ["tune", "tune-jetsons", *options, "--device", "jetson-agx-xavier", "--device", "raspberry-pi-4b"]
    done = command(*asked, "--deadline", "33", "--minimise", "energy", "--json", "--output", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    choices, front = (pd.read_csv(tmp_path / "out" / name) for name in ("choices.csv", "front.csv"))
    assert answer["modes"] == {"jetson-agx-xavier": 3654, "raspberry-pi-4b": 3}
    assert [row["device"] for row in answer["rows"]] == [0, 3] == choices["device"].tolist()
    assert answer["relative_errors"]["raspberry-pi-4b"]["power"] is None
    jetson = answer["rows"][0]
    assert jetson["meets"]
    assert 0 < jetson["saved_energy"] < 1
    assert jetson["time_s"] <= 33
    chosen = front[front["chosen"] & (front["device"] == 0)]
    assert chosen["energy_j"].tolist() == [pytest.approx(jetson["energy_j"], rel=1e-12)]
    assert (tmp_path / "out" / "front.svg").read_text().count("full clocks, same data") == 2
    again = command(*asked, "--deadline", "33", "--minimise", "energy", "--output", str(tmp_path / "out"))
    assert again.returncode == 2
    assert "new or an empty folder" in again.stderr
    short = command(*asked, "--deadline", "20", "--maximise", "ratio", columns=200)
    assert short.returncode == 0
    text = " ".join(short.stdout.split())
    assert (
        "device 0 (jetson-agx-xavier), random: no power mode and size meets the limits; the nearest, keep ratio" in text
    )
    assert "s of the 20 s allowed" in text
    assert "no error of its power is known" in text
    assert "most data is no promise of most accuracy" in text


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--deadline", "60"], "either --minimise energy or time, or --maximise ratio or accuracy; got neither"),
        (["--minimise", "energy", "--maximise", "ratio"], "got both"),
        (["--minimise", "enrgy"], "did you mean 'energy'"),
        (["--maximise", "acuracy", "--deadline", "9"], "did you mean 'accuracy'"),
        (["--maximise", "accuracy", "--deadline", "9"], "--maximise accuracy and --run RUN belong together"),
        (["--minimise", "energy", "--run", "reports/runs/quickstart"], "belong together"),
        (
            ["--maximise", "accuracy", "--deadline", "9", "--run", "reports/runs/quickstart"],
            "is a run with another model and training: its accuracies say nothing about this scenario",
        ),
        (["--minimise", "energy", "--set", "pruning.scores_from=runs/x"], "--set pruning.scores_from=null"),
        (["--maximise", "ratio"], "needs a limit; give --deadline, --energy-budget or both"),
        (["--minimise", "energy", "--deadline", "0"], "--deadline must be above 0; got 0"),
        (["--minimise", "energy", "--deadline", "nan"], "--deadline must be above 0; got nan"),
        (["--minimise", "energy", "--energy-budget", "inf"], "--energy-budget must be above 0"),
        (["--minimise", "energy", "--least-ratio", "1.5"], "--least-ratio must be above 0 and at most 1; got 1.5"),
        (["--minimise", "energy", "--device", "jetson-nao"], "jetson-nano"),
        (["--minimise", "energy", "--output", "nowhere/out"], "does not exist"),
        (["--minimise", "energy", "--set", "pruning.keep_ratio={budget: {latency_s: 60}}"], "give --least-ratio"),
    ],
)  # fmt: skip
def test_faulty_options(options: list[str], words: str) -> None:
    done = command("tune", "tune-jetsons", *options, columns=300)
    assert done.returncode == 2
    assert words in " ".join(done.stderr.replace("│", " ").split())


def test_best_mode_over_several_methods() -> None:
    """Most samples in sum; the energy decides between modes of equally many, whatever the time."""
    m, modes = np.array([1, 2]), np.array([3, 5, 6])
    none = np.zeros((2, 3), dtype=np.int64)
    one = Candidates(m, modes, np.array([[1.0, 1.0, 1.0], [9.0, 2.0, 3.0]]), np.ones((2, 3)) * [[1, 3, 2]], none)
    other = Candidates(m, modes, np.array([[1.0, 1.0, 1.0], [3.0, 3.0, 3.0]]), np.ones((2, 3)) * [[1, 3, 2]], none)
    assert best_mode([one, other], Target("ratio", deadline_s=4.0)) == 6
    assert best_mode([one, other], Target("ratio", deadline_s=1.0)) == 3
    assert best_mode([one, other], Target("ratio", deadline_s=0.5)) == 3


def test_auto_modes_of_plan_and_run_are_the_best(clocks: tuple[Any, ModeGrid, pd.DataFrame], tmp_path: Path) -> None:
    """Against the plans of every mode by itself: none keeps more within the budget, or as much with less energy."""
    group, modes, prices = clocks
    budget = float(np.quantile(prices.loc[prices["method"] == "random", "device_energy_j"], 0.1))

    def scenario(mode: Any) -> Scenario:
        document = {
            **yaml.safe_load(small(group).to_yaml()),
            "fleet": {"groups": [{"count": 1, "profile": group["profile"], "power_mode": mode}]},
            "pruning": {"methods": ["full", "random", "importance"], "keep_ratio": {"budget": {"energy_j": budget}}},
        }
        return edgesim.load_scenario(document)

    def score(plan: pd.DataFrame) -> tuple[float, float]:
        bound = plan[(plan["method"] != "full") & (plan["limit"] == "")]
        return -float(bound["subset_size"].sum()), float(bound["device_energy_j"].sum())

    auto = edgesim.plan(scenario("auto"))
    mode = auto["power_mode"].iloc[0]
    every_score = [score(edgesim.plan(scenario(as_document(modes.mode(k))))) for k in range(len(modes))]
    assert score(auto) == min(every_score)
    assert len(set(every_score)) > 3
    assert every_score.index(min(every_score)) == [str(modes.mode(k)) for k in range(len(modes))].index(mode)
    assert auto["keep_ratio"].iloc[1] < 1
    run = edgesim.run(scenario("auto"), tmp_path / "run", executor=SerialExecutor())
    both = run.records.merge(auto, on=["method", "keep_ratio"], suffixes=("", "_planned"))
    assert len(both) == 3
    assert both["device_energy_j"].tolist() == both["device_energy_j_planned"].tolist()
    assert both["reason"].str.startswith(f"power mode chosen: {mode}").all()
    assert pd.read_parquet(tmp_path / "run" / "devices.parquet")["power_mode"].tolist() == [mode]
    assert "power_mode" not in edgesim.plan(scenario("full"))


def slower_pi(folder: Path) -> str:
    """A Raspberry Pi with two modes beside the full one; the brisk one takes least energy."""

    def number(value: float) -> dict[str, Any]:
        return {"value": value, "confidence": "estimate", "source": "a test"}

    given = {"brisk": (0.9, 2.7), "slow": (0.4, 2.6)}
    modes = [
        {"name": name, "throughput_factor": number(share), "power_w": number(watts)}
        for name, (share, watts) in given.items()
    ]
    path = folder / "slower-pi.yaml"
    path.write_text(yaml.safe_dump({"extends": "raspberry-pi-4b", "name": "slower-pi", "power": {"modes": modes}}))
    return str(path)


def test_battery_that_suffices_in_one_mode_alone(tmp_path: Path) -> None:
    """The full mode would empty the battery; the brisk one takes least energy, and every trial ends in it."""
    battery = {"source": "battery", "capacity_j": 12.0}
    scenario = small({"profile": slower_pi(tmp_path), "energy": battery})
    rows = tune(scenario, Query(Target("energy", deadline_s=100.0), least_ratio=0.5)).rows
    assert [(row["power_mode"], row["meets"], row["limit"]) for row in rows] == [("brisk", True, "")] * len(METHODS)


CURVE = [[0.1, 0.5], [0.5, 0.8], [1.0, 0.86]]
TIME, ENERGY = {"time": 1.0, "energy": 0.0, "storage": 0.0}, {"time": 0.0, "energy": 1.0, "storage": 0.0}
MIXED = {"time": 0.2, "energy": 0.6, "storage": 0.2}


@pytest.mark.parametrize("name", ["clocks", "pi", "pi on a battery", "pi with windows"])
def test_auto_modes_by_an_objective_are_the_best(
    name: str, clocks: tuple[Any, ModeGrid, pd.DataFrame], tmp_path: Path
) -> None:
    """Against the plans of every mode by itself, each with the ratios that the objective takes there."""
    group: dict[str, Any] = {"profile": clocks[0]["profile"] if name == "clocks" else slower_pi(tmp_path)}
    if name == "pi on a battery":  # suffices in the brisk mode alone
        group["energy"] = {"source": "battery", "capacity_j": 12.0}
    if name == "pi with windows":
        group["available"] = {"period_s": 20, "windows": [[0, 4.9]]}
    modes = ModeGrid.of(small(group).fleet.devices[0])
    methods = ["full", "random", "importance", *(["rs2"] if name != "clocks" else [])]
    bound = methods[1:]

    def plan(mode: Any, weights: dict[str, float], share: float) -> pd.DataFrame:
        rule = {"objective": {"lambda": share, "accuracy_curve": CURVE, "weights": weights}}
        document = {
            **yaml.safe_load(small(group).to_yaml()),
            "fleet": {"groups": [{"count": 1, **group, "power_mode": mode}]},
            "pruning": {"methods": methods, "keep_ratio": rule},
        }
        return edgesim.plan(edgesim.load_scenario(document))

    def order(rows: pd.DataFrame, plain: pd.Series, weights: dict[str, float], share: float) -> list[float]:
        mine = rows[rows["method"].isin(bound) & (rows["limit"] == "")]
        parts = {"time": "device_time_s", "energy": "device_energy_j", "storage": "storage_bytes"}
        cost = sum(weights[part] * mine[column] / plain[column] for part, column in parts.items())
        risk = 1 - np.interp(mine["keep_ratio"], *np.transpose(CURVE))
        sums = [float((risk + share * cost).sum()), float(mine["device_energy_j"].sum())]
        return [-len(mine), round(sums[0], 12), sums[1], float(mine["device_time_s"].sum())]

    chosen = set()
    for weights, share in ((MIXED, 0.5), (TIME, 0.5), (ENERGY, 3.0)):
        plans = [plan(as_document(modes.mode(k)), weights, share) for k in range(len(modes))]
        plain = plans[-1].iloc[0]
        every_order = [order(rows, plain, weights, share) for rows in plans]
        best = every_order.index(min(every_order))
        auto = plan("auto", weights, share)
        assert auto["power_mode"].iloc[0] == str(modes.mode(best)), (weights, every_order)
        shown = ["keep_ratio", "subset_size", "limit", "device_time_s", "device_energy_j", "reason"]
        pd.testing.assert_frame_equal(auto[shown], plans[best][shown])
        chosen.add(best)
    assert chosen == {1} if name == "pi on a battery" else len(chosen) > 1


def test_most_accuracy_of_a_run() -> None:
    """Of the run's own ratios the most accurate one that the deadline allows; the accuracies are the run's means."""
    records = edgesim.load_run(ROOT / "reports" / "runs" / "quickstart").records
    means = records[records["method"] == "importance"].groupby("keep_ratio")["test_accuracy"].mean()
    plan = edgesim.plan(edgesim.load_scenario("quickstart", {"seeds": [0], "pruning.methods": ["importance"]}))
    options = ["--device", "galaxy-note10", "--set", "pruning.methods=[importance]", "--maximise", "accuracy"]
    for deadline, best in ((3.0, False), (30.0, True)):
        asked = ["tune", "quickstart", *options, "--deadline", str(deadline), "--run", "reports/runs/quickstart"]
        done = command(*asked, "--json")
        assert done.returncode == 0, done.stderr
        for row in json.loads(done.stdout)["rows"]:
            ratio = min(means.index, key=lambda ratio: abs(ratio - row["keep_ratio"]))
            assert row["accuracy"] == pytest.approx(means[ratio])
            assert row["accuracy_low"] < row["accuracy"] < row["accuracy_high"]
            assert row["time_s"] <= deadline
            better = [other for other in means.index if means[other] > means[ratio]]
            own = plan[(plan["device"] == row["device"]) & plan["keep_ratio"].isin(better)]
            assert len(own) == len(better)
            assert (own["device_time_s"] > deadline).all()
            assert (not better) == best


def test_objectives_of_all_modes_at_once_are_those_one_by_one(clocks: tuple[Any, ModeGrid, pd.DataFrame]) -> None:
    """A window that never closes changes no price, but has the modes priced one by one."""
    rule = Objective(trade_off=0.5, accuracy_curve=((0.1, 0.5), (0.5, 0.8), (1.0, 0.86)))
    always = {"available": {"period_s": 1000, "windows": [[0, 1000]]}}

    def in_modes(extra: dict[str, Any]) -> list[InModes]:
        scenario = small({"profile": clocks[0]["profile"], "startup": "warm", **extra}, repeats=3)
        dataset = load_dataset(scenario)
        fleet = own_fleet(scenario, [(0, shards_of(scenario, dataset, 0).rows)])
        works = TrialResolver(scenario, *configure(scenario, dataset), fleet).work
        curve, weight = np.array(CURVE), np.ones(1)
        searches = [DeviceSearch(fleet.kinds[0], fleet.shard, [work]) for work in works]
        return [
            ObjectiveSearch(search, work, rule, curve, weight).in_modes()[0]
            for search, work in zip(searches, works, strict=True)
        ]

    for at_once, one_by_one in zip(in_modes({}), in_modes(always), strict=True):
        assert len(set(at_once.value)) > 3
        for mine, other in zip(at_once, one_by_one, strict=True):
            assert mine == pytest.approx(other, rel=1e-12)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (0.5, "needs `.*budget: .* or an `objective`; give one"),
        ({"budget": {"storage_bytes": 999}}, "needs `.*budget: .* or an `objective`; give one"),
        ({"budget": {"energy_j": 9, "price": "analytic"}}, "needs the emulated price; leave out .*budget.price"),
        ({"objective": {"lambda": 1, "accuracy_curve": CURVE, "price": "analytic"}}, "leave out .*objective.price"),
    ],
)
def test_nothing_chooses_a_mode_without_a_rule(rule: Any, words: str) -> None:
    document = {
        **yaml.safe_load(small({"profile": "jetson-tx2"}).to_yaml()),
        "fleet": {"groups": [{"count": 1, "profile": "jetson-tx2", "power_mode": "auto"}]},
        "pruning": {"methods": ["random"], "keep_ratio": rule},
    }
    with pytest.raises(edgesim.ScenarioError, match=rf"fleet.groups\[0\].power_mode: auto .*{words}"):
        edgesim.load_scenario(document)


def test_measured_saving_of_a_mode_chosen_by_predictions() -> None:
    """Three modes, the last one full: the prediction takes the middle one, which saves less than it says."""
    measured_s, measured_j = np.array([3.0, 1.8, 1.0]), np.array([4.0, 9.0, 10.0])
    device, clocks = GpuDevice("x", 1.0, 1.0, 1.0, 1.0), ClockShares(*([np.array([0.3, 0.6, 1.0])] * 3))
    times = MeasuredClocks(device, "network", GpuWork(*(np.zeros((1, len(KINDS))),) * 3), clocks, measured_s)
    one = HeldOut(JetsonRun(times, measured_j), np.array([3.0, 1.5, 1.0]), np.array([9.0, 6.0, 8.0]))
    found = choice(one, 1.6)
    assert (found.time, found.saved, found.saved_at_best) == pytest.approx((1.8, 0.1, 0.0))
    assert found.saved_predicted == pytest.approx(0.25)
    assert choice(one, 3.0).saved_at_best == pytest.approx(0.6)
    assert choice(one, 1.1).saved == 0


def test_no_profile_has_a_mode_named_auto(tmp_path: Path) -> None:
    given = {"value": 0.5, "confidence": "estimate", "source": "a test"}
    mode = {"name": "auto", "throughput_factor": given, "power_w": {**given, "value": 3.0}}
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({"extends": "raspberry-pi-4b", "power": {"modes": [mode]}}))
    with pytest.raises(edgesim.ScenarioError, match=r"power.modes\[0\].name: 'auto' .* give the mode another name"):
        small({"profile": str(path)})
