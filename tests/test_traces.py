"""Traces by hand: windows, charge and harvest second by second; gaps, users, starts, and every fault of a file."""

from __future__ import annotations

import itertools
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from edgesim.cost.emulator import Emulation, Hardware, Phases, emulate
from edgesim.errors import Fault, RunError
from edgesim.hardware import fleet, loading, traced_windows
from edgesim.hardware.fleet import Fleet
from edgesim.planning.virtual_fleet import scaled_fleet
from edgesim.results import run_identity
from edgesim.scenario import loading as scenarios

HARDWARE = Hardware(idle_w=0.5, load_w=1.5, speed=1.0)
"""idle power of the Galaxy S20's profile, and 1 W more under load"""
STATES = """t,available,charging,battery
0,0,0,1.0
100,1,0,0.9
200,1,0,0.8
300,0,1,0.7
400,0,1,0.8
500,1,1,0.9
600,1,0,0.9
"""


def load(folder: Path, text: str | bytes = STATES, name: str = "trace.csv", **group: Any) -> Fleet:
    """A fleet of one group that follows a file."""
    found, faults = loaded(folder, text, name, **group)
    assert found is not None, faults
    return found


def loaded(folder: Path, text: str | bytes, name: str, **group: Any) -> tuple[Fleet | None, list[Fault]]:
    (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    parts = {key: {"trace": name, **part} for key, part in group.items() if isinstance(part, dict)}
    faults: list[Fault] = []
    given = {"groups": [{"profile": "galaxy-s20", "count": 1, **group, **parts}]}
    return fleet.load(given, "fleet", folder, faults), faults


def message(folder: Path, text: str | bytes, name: str = "trace.csv", **group: Any) -> str:
    """The one fault of a group."""
    found, faults = loaded(folder, text, name, **group)
    assert found is None
    (fault,) = faults
    return str(fault)


def work(found: Fleet, seconds: float, device: int = 0, start_s: float = 0.0) -> Emulation:
    return emulate(Phases([seconds], [1.0], [0.0]), HARDWARE, found.conditions[device], start_s)


def windows(found: Fleet, count: int, device: int = 0, start_s: float = 0.0) -> list[tuple[float, float]]:
    patterns = found.conditions[device].windows
    assert patterns is not None
    return list(itertools.islice(patterns.openings(start_s), count))


def test_a_device_works_only_while_the_trace_says_so(tmp_path: Path) -> None:
    found = load(tmp_path, available={})
    # Open from 100 to 300 and from 500 to 700; the last row holds for the usual 100 s, and then all repeats.
    assert windows(found, 3) == [(100, 300), (500, 700), (800, 1000)]
    assert windows(found, 2, start_s=250.0) == [(250, 300), (500, 700)]
    done = work(found, 250)
    assert float(done.time_s.sum()) == 550  # 200 s in the first window, the rest until 550
    assert float(done.wait_s.sum()) == 300
    assert float(work(found, 450).time_s.sum()) == 850
    once = load(tmp_path, available={"repeats": False})
    assert windows(once, 3) == [(100, 300), (500, 700)]
    assert work(once, 400).finished
    assert not work(once, 401).finished
    other = load(tmp_path, available={"when": {"charging": True, "available": [0, 0.5]}})
    assert windows(other, 2) == [(300, 500), (1000, 1200)]
    never = load(tmp_path, STATES.replace(",1,0,", ",0,0,").replace(",1,1,", ",0,1,"), available={})
    assert windows(never, 1) == []
    assert not work(never, 1).finished
    assert "trace.csv" in never.traces
    assert "from t = 0 s (1970-01-01 00:00:00 UTC): repeats after 11.7 min" in never.notes[0]


def test_a_battery_drains_and_charges_as_the_trace_says_and_work_takes_more(tmp_path: Path) -> None:
    """1,000 J. Until 300 s the level falls by 0.3: 1 W. On the charger it rises by 0.2 in 200 s: 1 W."""
    found = load(tmp_path, energy={"source": "battery", "capacity_j": 1000})
    supply = found.conditions[0].supply
    assert supply is not None
    times_s, powers_w, on_mains = supply.changes(0.0, 700.0)
    assert times_s.tolist() == [0, 300, 600]
    assert on_mains is not None
    assert on_mains.tolist() == [False, True, False]
    # The battery receives what the idle device draws, less what the level lost; at the end it loses nothing.
    assert powers_w == pytest.approx([-0.5, 1.0, 0.5])
    # An idle device follows the trace; work of 1 W above idle costs 1 J a second more.
    assert float(work(found, 300).charge_j) == pytest.approx(1000 - 300 - 300)
    assert float(work(found, 500).charge_j) == pytest.approx(400 + 200)  # on mains: 200 s at 1 W
    assert float(work(found, 700).charge_j) == pytest.approx(400 + 300 - 100)
    # A third of the charge lasts for 333.3 J / 2 W; a charger that comes before saves the device.
    poor = load(tmp_path, energy={"source": "battery", "capacity_j": 1000, "state_of_charge": 1 / 3})
    assert float(work(poor, 300).died_at_s) == pytest.approx(1000 / 6)
    assert work(poor, 166).finished
    # A stated power replaces that of the level; without a level the device's own draw is what drains.
    stated = load(tmp_path, energy={"source": "battery", "capacity_j": 1000, "charging_w": 3, "repeats": False})
    assert float(work(stated, 600).charge_j) == pytest.approx(1000)  # 400 + 900, and no more than it holds
    after = work(stated, 2000)
    assert float(after.died_at_s) == pytest.approx(700 + (1000 - 100) / 1.5)  # after the end it draws its own
    plain = "t,charging\n0,0\n100,0\n200,1\n300,0\n"
    own = load(tmp_path, plain, energy={"source": "battery", "capacity_j": 1000, "charging_w": 2})
    assert float(work(own, 300).charge_j) == pytest.approx(1000 - 300 + 200)
    assert own.conditions[0].energy.state_of_charge is None
    # Without `charging` the level tells it: on the charger from the row before a rise on.
    level = load(tmp_path, "t,battery\n0,0.8\n100,0.6\n200,0.6\n300,0.9\n400,0.8\n", energy={"source": "battery"})
    supply = level.conditions[0].supply
    assert supply is not None
    assert supply.changes(0.0, 450.0)[2].tolist() == [False, True, False]  # type: ignore[union-attr]
    assert level.conditions[0].energy.state_of_charge == 0.8


def test_harvest_is_irradiance_by_area_and_efficiency(tmp_path: Path) -> None:
    sun = "site,t,ghi\nhere,1000,0\nhere,1900,500\nhere,2800,1000\nthere,0,0\nthere,900,0\n"
    keys = {"source": "harvest", "site": "here", "panel_m2": 0.02, "efficiency": 0.18, "capacity_j": 1e4}
    supply = load(tmp_path, sun, energy=keys).conditions[0].supply
    assert supply is not None
    assert supply.changes(0.0, 2700.0)[1].tolist() == pytest.approx([0, 1.8, 3.6])
    assert supply.energy_j([900, 1800, 2700, 5400]) == pytest.approx([0, 1620, 4860, 9720])
    watts = load(tmp_path, "t,power_w\n0,1.5\n60,0\n", energy={"source": "harvest", "state_of_charge": 0.5}).conditions[
        0
    ]
    assert watts.supply is not None
    assert float(watts.supply.energy_j(300)) == pytest.approx(1.5 * 60 * 3)
    assert watts.energy.state_of_charge == 0.5
    # In a gap: nothing, the last row, or a line between 2 W and 8 W in the 180 s of three missing rows.
    gappy = "t,power_w\n0,2\n60,2\n300,8\n360,8\n"
    for gaps, gained_j in (("zero", 0.0), ("hold", 360.0), ("interpolate", 180 * 5.0)):
        supply = load(tmp_path, gappy, energy={"source": "harvest", "gaps": gaps}).conditions[0].supply
        assert supply is not None
        assert float(supply.energy_j(300) - supply.energy_j(120)) == pytest.approx(gained_j), gaps
    # The line is that of the whole trace where the start lies in the gap.
    supply = (
        load(tmp_path, gappy, energy={"source": "harvest", "gaps": "interpolate", "start": 240}).conditions[0].supply
    )
    assert supply is not None
    assert float(supply.energy_j(60)) == pytest.approx(60 * 7)


def test_gaps_are_refused_until_the_scenario_says_what_they_mean(tmp_path: Path) -> None:
    gappy = "t,available\n0,1\n60,1\n120,0\n180,\n240,1\n600,1\n660,-1\n720,1\n"
    said = message(tmp_path, gappy, available={})
    assert said.startswith("fleet.groups[0].available.trace: trace.csv: has gaps: 3 gaps, 53.8 % of the time")
    assert "the longest 5 min, from 5 min after the start" in said
    assert said.endswith("say with `gaps` what they mean: unavailable, available or hold (as before the gap)")
    expected = {
        "unavailable": [(0, 120), (240, 300), (600, 660), (720, 780)],
        "available": [(0, 120), (180, 660 + 120)],
        "hold": [(0, 120), (240, 780)],
    }
    for gaps, spans in expected.items():
        found = load(tmp_path, gappy, available={"gaps": gaps, "repeats": False})
        assert windows(found, 9) == spans, gaps
        assert found.notes[0].endswith(f"from 5 min after the start: read as {gaps}")
    unknown = "t,available\n0,\n60,-1\n"
    assert "no state is known that could be held" in message(tmp_path, unknown, available={"gaps": "hold"})
    assert windows(load(tmp_path, unknown, available={"gaps": "available"}), 1) == [(0, 120)]
    # Rows where something changes, and no more: with a large gap_s there are none.
    assert windows(load(tmp_path, gappy.replace("180,\n", "").replace("660,-1\n", ""), available={"gap_s": 1e6}), 1)
    # One state that is not as wanted is enough for no, though the other is unknown.
    two = "t,charging,network\n0,0,-1\n60,1,-1\n120,1,2\n"
    assert "1 gap, 33.3 %" in message(tmp_path, two, available={"when": {"charging": 1, "network": 2}})
    battery = "t,charging,battery\n0,0,1\n60,0,0.9\n300,1,0.5\n360,1,0.6\n"
    keys = {"source": "battery", "capacity_j": 1000, "gaps": "not-charging"}
    supply = load(tmp_path, battery, energy=keys).conditions[0].supply
    assert supply is not None
    assert supply.changes(0.0, 400.0)[1] == pytest.approx([0.5 - 500 / 300, 100 / 60])
    plugged = load(tmp_path, battery, energy={**keys, "gaps": "charging", "charging_w": 2}).conditions[0].supply
    assert plugged is not None
    assert plugged.changes(0.0, 400.0)[0].tolist() == [0, 120]
    assert plugged.changes(0.0, 400.0)[1] == pytest.approx([0.5 - 100 / 120, 2])


def test_users_are_dealt_in_the_order_of_their_names(tmp_path: Path) -> None:
    rows = [f"{user},{t},{int(t == place)}" for place, user in enumerate("cab") for t in (0, 1, 2)]
    text = "user,t,available\n" + "\n".join(rows) + "\n"
    found = load(tmp_path, text, count=5, available={"user": "each"})
    assert [windows(found, 1, device) for device in range(5)] == [[(b, b + 1)] for b in (1, 2, 0, 1, 2)]
    assert found.conditions[0] is found.conditions[3]
    assert "3 of 3 users dealt to 5 devices" in found.notes[0]
    assert windows(load(tmp_path, text, available={"user": "a"}), 1) == [(1, 2)]
    numbered = text.replace("a,", "7,").replace("b,", "08,")
    assert windows(load(tmp_path, numbered, available={"user": "7"}), 1) == [(1, 2)]
    assert "choose one with `user`, or `user: each`: a, b, c" in message(tmp_path, text, available={})
    said = message(tmp_path, numbered, available={"user": "8"})
    assert "there is no '8'" in said
    assert "did you mean '08'?" in said
    # In a plan of any size the three traces have their shares.
    dealt = {"trace": "trace.csv", "user": "each"}
    document = {
        "dataset": "digits", "partition": "iid", "model": "mlp", "pruning": {"methods": ["full"], "keep_ratio": 1.0},
        "fleet": {"groups": [{"profile": "galaxy-s20", "count": 6, "available": dealt}]},
    }  # fmt: skip
    scenario = scenarios.from_document(document, "s.yaml", tmp_path)
    scaled = scaled_fleet(scenario, [(0, [np.arange(3)])], 300)
    assert np.bincount(scaled.kind).tolist() == [100, 100, 100]
    assert len({kind.conditions for kind in scaled.kinds}) == 3
    # The resolved document is short, and gives the same fleet again; the content is part of the run's identity.
    (group,) = scenario.document["fleet"]["groups"]
    assert group["available"] == {"trace": "trace.csv", "user": "each"}
    again = scenarios.from_document(scenario.document, "s.yaml", tmp_path)
    assert again.fleet.conditions == scenario.fleet.conditions
    before = run_identity.of_scenario(scenario)
    (tmp_path / "trace.csv").write_text(text.replace("c,1,0", "c,1,1"))
    now = run_identity.of_scenario(scenarios.from_document(document, "s.yaml", tmp_path))
    changes = run_identity.changes(before, now)
    assert [change["what"] for change in changes] == ["traces.trace.csv"]
    with pytest.raises(RunError, match=r"traces\.trace\.csv: was"):
        run_identity.refuse(tmp_path, changes)


def test_a_trace_begins_at_a_row_a_date_or_a_clock_time(tmp_path: Path) -> None:
    # 2024-03-30 20:00 UTC is 21:00 in Zurich; the clocks go forward in the night.
    first = pd.Timestamp("2024-03-30T20:00Z").timestamp()
    text = "t,available\n" + "".join(f"{first + 3600 * hour:.0f},{int(hour in (10, 34))}\n" for hour in range(48))
    zone = {"timezone": "Europe/Zurich"}
    for start, opens_h in (
        ({}, 10),
        ({"start": first + 7200}, 8),
        ({"start": "2024-03-31T00:00:00+00:00"}, 6),
        ({"start": "2024-03-31T00:00", **zone}, 7),
        ({"start": "0:00", **zone}, 7),
        ({"start": "0:00"}, 6),
        ({"start": "8:00", **zone}, 0),  # 06:00 UTC, as summer time says
        ({"start": "20:00"}, 10),
        ({"start": "20:00", "timezone": "-01:30"}, 10 - 1.5),
    ):
        found = load(tmp_path, text, available=start)
        assert windows(found, 1)[0][0] == 3600 * opens_h, start
    week = load(tmp_path, text, available={"length_s": "24:00", "start": "0:00"})
    assert windows(week, 2) == [(6 * 3600, 7 * 3600), (30 * 3600, 31 * 3600)]
    assert "is longer than" in message(tmp_path, text, available={"length_s": "49:00"})
    assert "(1970-01-01 00:00:05 UTC), and the trace reaches from" in message(tmp_path, text, available={"start": 5})
    for wrong in ({"start": "noon"}, {"timezone": "Europe/Zurch"}, {"timezone": "../x"}, {"start": "25"}):
        (key,) = wrong
        said = message(tmp_path, text, available=wrong)
        assert said.startswith(f"fleet.groups[0].available.{key}: must be")


def test_availability_in_fedscales_format(tmp_path: Path) -> None:
    client = {"duration": 15, "active": [10, 20, 50], "inactive": [20, 25, 50], "finish_time": 60, "model": "CPH1801"}
    text = json.dumps({"7": client, "42": {**client, "active": [0, 5, 30], "inactive": [5, 6, 60]}})
    found = load(tmp_path, text, "clients.json", count=2, available={"user": "each"})
    assert windows(found, 2, device=1) == [(10, 25), (70, 85)]
    assert windows(found, 3, device=0) == [(0, 6), (30, 60), (60, 66)]
    assert windows(load(tmp_path, text, "clients.json", available={"user": "7"}), 1) == [(10, 25)]
    for changed, said in (
        ({"active": [10, 20]}, "active has 2 times and inactive 3; each needs the other"),
        ({"active": [10, 20, "x"]}, "active[2] must be seconds >= 0"),
        ({"active": [10, 19, 50]}, "active and inactive must take turns with rising times; got 20 s and then 19 s"),
        ({"finish_time": 30}, "finish_time = 30 s must be above 0 and not before 50 s"),
    ):
        wrong = json.dumps({"7": {**client, **changed}})
        assert f"client '7': {said}" in message(tmp_path, wrong, "clients.json", available={})
    assert "has no finish_time" in message(tmp_path, '{"7": {"active": [], "inactive": []}}', "c.json", available={})
    assert "holds one client without its id" in message(tmp_path, json.dumps(client), "c.json", available={})
    assert "where `when` has no meaning" in message(tmp_path, text, "c.json", available={"when": {"charging": 1}})
    assert "which has no energy" in message(tmp_path, text, "c.json", energy={"source": "battery"})
    # A pickle is never read, whatever its name.
    for name in ("client_behave_trace", "clients.pkl", "clients.csv"):
        said = message(tmp_path, pickle.dumps({"7": client}), name, available={})
        assert "is a pickle, which runs code when it is read; convert it to JSON: python -c" in said


T = "t,available\n"
SUN = {"source": "harvest", "panel_m2": 0.01, "efficiency": 0.2}


@pytest.mark.parametrize(
    ("text", "group", "said"),
    [
        ("", {}, "has 0 rows; a trace needs two or more"),
        (T + "0,1\n", {}, "has 1 row; a trace"),
        (T + "0,1\n5\n", {}, "line 3: has 1 values and the header 2"),
        (T + "0,1\n\n5,maybe\n", {}, "line 4: available = 'maybe' is no number"),
        (T + "0,1\n5,2\n", {}, "line 3: available = 2 must be 0, 1 or unknown"),
        (T + "0,1\n,1\n", {}, "line 3: has no time"),
        (T + "0,1\n-5,1\n", {}, "line 3: t = -5 must be 0 or more"),
        (T + "5,1\n5,1\n", {}, "line 3: t = 5 is there twice (also line 2); keep one row"),
        (T + "5,1\n0,1\n", {}, "line 3: t = 0 comes after a later one; sort the rows by t"),
        (T + "1700000000000,1\n1700000060000,1\n", {}, "it looks like milliseconds: divide by 1000"),
        ("t,avialable\n0,1\n5,1\n", {}, "has no column 'available' (did you mean 'avialable'?)"),
        ("t,available,t\n0,1,0\n5,1,1\n", {}, "has the column 't' twice"),
        ("time,available\n0,1\n5,1\n", {}, "has no column 't'"),
        (b"\xff\xfe\x00\x01", {}, "is not text in UTF-8"),
        ('t,available\n0,"1\n', {}, "is no CSV"),
        (T + "0,1\n5,0\n", {"available": {"when": {"available": "on"}}}, "never is 'on'; it holds 0, 1"),
        (T + "0,1\n60,0\n", {"available": {"gap_s": 30}}, "gap_s = 30 makes gaps of all; give 60 or more"),
        ("t,ghi\n0,5\n5,-1\n", {"energy": SUN}, "line 3: ghi = -1 must be 0 or more, in W/m2"),
        ("t,ghi\n0,5\n5,inf\n", {"energy": SUN}, "line 3: ghi = inf must be a number"),
        ("t,ghi\n0,5\n5,9000\n", {"energy": SUN}, "ghi = 9000 is not plausible: at most 2000 W/m2"),
        ("t,ghi\n0,0\n5,0.9\n", {"energy": SUN}, "looks like kW/m2: multiply by 1000"),
        ("t,ghi\n0,0\n5,9\n", {"energy": {"source": "harvest"}}, "give panel_m2 and efficiency"),
        ("t,ghi\n0,0\n5,9\n", {"energy": {"source": "harvest", "column": "ghi"}}, "ghi), which is no power"),
        (T + "2016-06-01 12:00,1\n2016-06-01 12:01,0\n", {}, "is no number; give Unix seconds"),
        ("t,ghi\n0,0\n5,9\n", {"energy": {**SUN, "column": "gih"}}, "has no column 'gih' (did you mean 'ghi'?)"),
        ("t,power\n0,0\n5,9\n", {"energy": {"source": "harvest"}}, "has no column 'power_w' (did you mean 'power'?)"),
        ("t,battery\n0,80\n5,81\n", {"energy": {"source": "battery"}}, "= 80 must be 0 to 1; it looks like percent"),
        ("t,charging\n0,1\n5,1\n", {"energy": {"source": "battery"}}, "give charging_w"),
        ("t,charging,battery\n0,1,1\n5,1,1\n", {"energy": {"source": "battery"}}, "never rises while it charges"),
        ("t,charge\n0,1\n5,1\n", {"energy": {"source": "battery"}}, "did you mean 'charge'?"),
        ("user,t,available\na,0,1\n,5,1\n", {"available": {"user": "a"}}, "line 3: has no user"),
        (T + "0,1\n5,0\n", {"available": {"user": "a"}}, "has no column 'user'"),
    ],
)  # fmt: skip
def test_faults_of_a_trace_name_place_value_and_fix(
    tmp_path: Path, text: str | bytes, group: dict[str, Any], said: str
) -> None:
    assert said in message(tmp_path, text, **(group or {"available": {}}))


def test_keys_that_contradict_each_other_are_faults(tmp_path: Path) -> None:
    for group, said in (
        ({"available": {"windows": [[0, 5]], "period_s": 10}}, "the trace takes their place"),
        ({"available": {"user": "a", "site": "b"}}, "rows are chosen by one column"),
        ({"available": {"user": float("inf")}}, "put quotes around the name"),
        ({"available": {"user": 7}}, "put text in quotes"),
        ({"available": {"gaps": "zero"}}, "input should be 'refuse', 'unavailable', 'available' or 'hold'"),
        ({"energy": {"source": "harvest", "gaps": "charging"}}, "allowed: refuse, zero, interpolate, hold"),
        ({"energy": {"source": "battery", "panel_m2": 0.1}}, "needs source: harvest"),
        ({"energy": {"source": "harvest", "panel_m2": 0.1}}, "panel_m2 needs efficiency beside it"),
        ({"energy": {**SUN, "panel_m2": 200}}, "it looks like cm2: multiply by 0.0001, which gives 0.02"),
        ({"energy": {"source": "harvest", "charging_w": 5}}, "needs source: battery"),
        ({"energy": {"source": "mains"}}, "mains has no trace"),
    ):
        found, faults = loaded(tmp_path, STATES, "trace.csv", **group)
        assert found is None
        assert any(said in str(fault) or said in str(fault).replace("should", "input should") for fault in faults), (
            faults
        )
    faults = []
    lone = {"groups": [{"profile": "galaxy-s20", "count": 1, "energy": {"source": "battery", "charging_w": 5}}]}
    assert fleet.load(lone, "fleet", tmp_path, faults) is None
    assert "charging_w: has a meaning only with `trace`" in str(faults[0])
    assert "is no regular file" in message(tmp_path, b"", available={"trace": "/dev/null"})
    assert "did you mean 'trace.csv'?" in message(tmp_path, STATES, available={"trace": "trce.csv"})


def test_parquet_bounds_and_the_place_of_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pd.DataFrame({"user": ["a", "a", "b", "b"], "t": [0, 60, 0, 60], "available": [True, False, False, True]})
    frame.to_parquet(tmp_path / "p.parquet")
    text = (tmp_path / "p.parquet").read_bytes()
    found = load(tmp_path, text, "p.parquet", count=2, available={"user": "each"})
    assert [windows(found, 1, device) for device in (0, 1)] == [[(0, 60)], [(60, 120)]]
    frame.assign(user=frame["user"].astype("category"), available=[1.0, None, -1, 1]).to_parquet(tmp_path / "p.parquet")
    text = (tmp_path / "p.parquet").read_bytes()
    assert "2 of 2 users with 2 gaps" in message(tmp_path, text, "p.parquet", count=2, available={"user": "each"})
    frame.assign(t=pd.to_datetime(frame["t"], unit="s")).to_parquet(tmp_path / "p.parquet")
    text = (tmp_path / "p.parquet").read_bytes()
    assert "times as Unix seconds" in message(tmp_path, text, "p.parquet", available={"user": "a"})
    assert "is no parquet file, or damaged" in message(tmp_path, text[:99], "p.parquet", available={})
    assert "must end in .csv, .parquet or .json" in message(tmp_path, STATES, "trace.txt", available={})
    # Beside the document, or below $EDGESIM_DATA.
    (tmp_path / "data" / "phones").mkdir(parents=True)
    (tmp_path / "data" / "phones" / "far.csv").write_text(STATES)
    group = {"available": {"trace": "phones/far.csv"}}
    monkeypatch.delenv("EDGESIM_DATA", raising=False)
    assert "set EDGESIM_DATA to a folder of data" in message(tmp_path, STATES, **group)
    monkeypatch.setenv("EDGESIM_DATA", str(tmp_path / "data"))
    assert windows(load(tmp_path, STATES, **group), 1) == [(100, 300)]
    # A fleet's file names its traces from where it lies.
    (tmp_path / "fleets").mkdir()
    (tmp_path / "fleets" / "near.csv").write_text(STATES)
    inner = "{profile: galaxy-s20, count: 1, available: {trace: near.csv}}"
    (tmp_path / "fleets" / "mine.yaml").write_text(f"groups: [{inner}]\n")
    faults: list[Fault] = []
    mine = fleet.load("fleets/mine.yaml", "fleet", tmp_path, faults)
    assert mine is not None, faults
    assert mine.document.groups[0].available.trace == "fleets/near.csv"  # type: ignore[union-attr]
    monkeypatch.setattr("edgesim.hardware.trace_table.MAX_ROWS", 5)
    assert "has more than 5 rows" in message(tmp_path, STATES, available={})
    monkeypatch.setattr("edgesim.hardware.trace_files.MAX_BYTES", 20)
    assert "the most that a trace may have" in message(tmp_path, STATES, available={})


def test_links_are_dealt_and_those_of_19_phones_come_with_edgesim(tmp_path: Path) -> None:
    text = "phone,up_bytes_per_s,down_bytes_per_s\na,1e6,2e6\nb,3e6,4e6\n"
    found = load(tmp_path, text, count=3, links="trace.csv")
    ups = [device.link.up_bytes_per_s.value for device in found.devices if device.link]
    assert ups == [1e6, 3e6, 1e6]
    link = found.devices[1].link
    assert link is not None
    assert link.down_bytes_per_s is not None
    assert (link.down_bytes_per_s.value, link.down_bytes_per_s.source) == (4e6, "trace.csv, line 3")
    assert found.devices[0] is found.devices[2]
    phones = load(tmp_path, text, count=19, links="phone_links.csv")
    assert "19 links dealt to 19 devices" in phones.notes[0]
    links = [device.link for device in phones.devices if device.link]
    own = loading.load("galaxy-s20").link
    assert own is not None
    assert own.down_bytes_per_s is not None
    # The profile's link is their median.
    assert np.median([link.up_bytes_per_s.value for link in links]) == pytest.approx(own.up_bytes_per_s.value, rel=1e-3)
    downs = [link.down_bytes_per_s.value for link in links if link.down_bytes_per_s]
    assert np.median(downs) == pytest.approx(own.down_bytes_per_s.value, rel=1e-3)
    said = message(tmp_path, text.replace("3e6", "3"), links="trace.csv")
    assert said.startswith("fleet.groups[0].links: trace.csv, line 3: up_bytes_per_s = 3 is not plausible")
    assert "it looks like MB/s: multiply by 1e+06, which gives 3e+06" in said
    assert "has no column 'up_bytes_per_s'" in message(tmp_path, "up\n1e6\n2e6\n", links="trace.csv")
    assert "is JSON; links are a table" in message(tmp_path, '{"a": {}}', "c.json", links="c.json")
    assert "fleet.groups[0].links: there is no" in message(tmp_path, text, links="nothing.csv")


def test_a_month_of_minutes_is_followed_exactly(tmp_path: Path) -> None:
    """43,200 rows, nearly all different: charge minute by minute, by hand, against the closed form in stretches."""
    rng = np.random.default_rng(0)
    power_w = np.round(rng.uniform(0, 2.0, 43_200) * (np.sin(np.arange(43_200) / 229) > 0), 3)
    text = "t,power_w\n" + "".join(f"{60 * i},{watts}\n" for i, watts in enumerate(power_w))
    found = load(tmp_path, text, energy={"source": "harvest", "capacity_j": 8e4, "state_of_charge": 0.9})
    supply = found.conditions[0].supply
    assert supply is not None
    assert float(supply.energy_j(30 * 86400)) == pytest.approx(power_w.sum() * 60)
    charge_j, minute = 0.9 * 8e4, 0
    while charge_j + (power_w[minute % 43_200] - 1.5) * 60 > 0:
        charge_j = min(charge_j + (power_w[minute % 43_200] - 1.5) * 60, 8e4)
        minute += 1
    dies_s = minute * 60 + charge_j / (1.5 - power_w[minute % 43_200])
    assert dies_s > 60_000  # more than the thousand steps that are followed at once
    assert float(work(found, 1e7).died_at_s) == pytest.approx(dies_s, rel=1e-9)
    alive = work(found, 60_000)
    held_j = 0.9 * 8e4
    for watts in power_w[:1000]:
        held_j = min(held_j + (watts - 1.5) * 60, 8e4)
    assert float(alive.charge_j) == pytest.approx(held_j)
    # A wait of days through the supply's steps, cut as well, ends where the same wait without cuts would.
    late = {"period_s": 30 * 86400, "windows": [[5 * 86400, 6 * 86400]]}
    (tmp_path / "trace.csv").write_text(text)
    big = {"trace": "trace.csv", "source": "harvest", "capacity_j": 1e7}
    faults: list[Fault] = []
    group = {"profile": "galaxy-s20", "count": 1, "energy": big, "available": late}
    waiting = fleet.load({"groups": [group]}, "fleet", tmp_path, faults)
    assert waiting is not None, faults
    done = work(waiting, 3600)
    assert float(done.time_s.sum()) == 5 * 86400 + 3600
    waits = waiting.conditions[0].supply
    assert waits is not None
    ends_s = np.arange(0, 5 * 86400 + 3601, 60.0)
    net_j = np.diff(waits.energy_j(ends_s)) - np.where(ends_s[:-1] < 5 * 86400, 30.0, 90.0)
    level_j = 1e7
    for step_j in net_j:
        level_j = min(level_j + step_j, 1e7)
    assert float(done.charge_j[()]) == pytest.approx(level_j, rel=1e-9)
    # Windows of a trace beyond the ten thousand that are followed of a pattern.
    open_ = np.arange(43_200) % 2
    pattern = traced_windows._windows(np.arange(43_201) * 60.0, open_ == 1, fleet.Availability(trace="x"))
    assert len(pattern) == 21_600
    assert next(pattern.openings(43_199 * 60.0 + 5)) == (43_199 * 60.0 + 5, 43_200 * 60.0)
