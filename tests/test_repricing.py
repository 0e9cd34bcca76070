"""A run priced on another fleet equals a run there, without training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

import edgesim
from edgesim.errors import ScenarioError
from edgesim.results.repricing import lacks, on_fleet, reprice
from edgesim.runtime import SerialExecutor

Make = Callable[..., Any]
OTHER = {
    "groups": [
        {"profile": "jetson-nano", "share": 0.34, "startup": "warm"},
        {"profile": "galaxy-s20", "share": 0.33, "energy": {"source": "battery", "state_of_charge": 0.5}},
        # So small that some trials end on the way, and some cannot begin.
        {"profile": "nexus-6", "share": 0.33, "energy": {"source": "battery", "capacity_j": 1.5}},
    ]
}


def write(folder: Path, fleet: dict[str, Any]) -> Path:
    path = folder / "other.yaml"
    path.write_text(yaml.safe_dump(fleet))
    return path


def outcomes(records: pd.DataFrame) -> pd.DataFrame:
    return records[[name for name in records if not name.startswith("host_")]]


@pytest.mark.parametrize("methods", [["full", "random", "importance"], ["full", "glister", "infobatch", "adapruner"]])
def test_it_equals_a_run_there(make_scenario: Make, tmp_path: Path, methods: list[str]) -> None:
    given = {"pruning__methods": methods, "pruning__keep_ratio": [0.2, 0.6]}
    here = edgesim.run(make_scenario(**given), tmp_path / "here", executor=SerialExecutor())
    fleet = write(tmp_path, OTHER)
    there = edgesim.run(
        make_scenario(**given, fleet={**OTHER, "size": 3}), tmp_path / "there", executor=SerialExecutor()
    )
    priced = reprice(here, on_fleet(here, fleet))
    pd.testing.assert_frame_equal(outcomes(priced), outcomes(there.records), check_exact=True)
    assert set(there.records["status"]) == {"ok", "infeasible"}
    assert (priced["device_time_s"].dropna() > 0).all()


def test_another_number_of_devices_is_refused(make_scenario: Make, tmp_path: Path) -> None:
    run = edgesim.run(make_scenario(), tmp_path / "run", executor=SerialExecutor())
    fleet = write(tmp_path, {"groups": [{"profile": "jetson-nano", "count": 2}]})
    with pytest.raises(ScenarioError, match=r"has 2 devices, the run 3; groups by `share`"):
        on_fleet(run, fleet)


def test_what_the_run_did_not_train_is_failed_with_the_reason(make_scenario: Make, tmp_path: Path) -> None:
    dying = {"groups": [{"profile": "nexus-6", "count": 3, "energy": {"source": "battery", "capacity_j": 0.5}}]}
    run = edgesim.run(make_scenario(fleet=dying), tmp_path / "run", executor=SerialExecutor())
    assert (run.records["status"] == "infeasible").any()
    priced = reprice(run, on_fleet(run, write(tmp_path, {"groups": [{"profile": "jetson-nano", "count": 3}]})))
    lost = run.records["status"] == "infeasible"
    assert (priced.loc[lost, "status"] == "failed").all()
    assert priced.loc[lost, "reason"].str.contains("run the scenario on this fleet").all()
    assert (priced.loc[~lost, "status"] == "ok").all()


@pytest.mark.parametrize(
    "ratio", [[0.2, 0.6], {"budget": {"energy_j": 2.8}}, {"budget": {"energy_j": 0.006, "price": "analytic"}}]
)
def test_a_run_there_trains_only_what_is_missing(make_scenario: Make, tmp_path: Path, ratio: Any) -> None:
    """The own fleet's devices stop early or not at all; the other one can do everything, and by a rule other ratios."""
    dying = {"groups": [{"profile": "nexus-6", "count": 3, "energy": {"source": "battery", "capacity_j": 3.0}}]}
    given = {"pruning__methods": ["full", "random", "importance"], "pruning__keep_ratio": ratio}
    here = edgesim.run(make_scenario(**given, fleet=dying), tmp_path / "here", executor=SerialExecutor())
    known = here.records["status"] == "ok"
    assert known.any()
    assert not known.all()
    strong = {"groups": [{"profile": "jetson-nano", "count": 3}]}
    on = on_fleet(here, write(tmp_path, strong))
    assert lacks(here, on)
    trained: list[Any] = []

    class Watched(SerialExecutor):
        def stream(self, queue: Any) -> Any:
            for job, outcome in super().stream(queue):
                trained.extend(job.trials)
                yield job, outcome

    there = edgesim.run(on, tmp_path / "there", executor=Watched(), trained=[here])
    alone = edgesim.run(make_scenario(**given, fleet=strong), tmp_path / "alone", executor=SerialExecutor())
    pd.testing.assert_frame_equal(outcomes(there.records), outcomes(alone.records).assign(scenario="tiny"))
    pd.testing.assert_frame_equal(there.selections, alone.selections)
    key = ["seed", "device", "method", "keep_ratio"]
    shared = set(here.records.loc[known, key].itertuples(index=False, name=None))
    assert shared
    assert not shared & {tuple(trial) for trial in trained}
    assert not lacks(there, on)


def test_a_rule_with_curves_of_a_run_beside_the_scenario(make_scenario: Make, tmp_path: Path) -> None:
    """`accuracy_from` is found from the new fleet's file, too, which lies in another folder."""
    edgesim.run(make_scenario(), tmp_path / "before", executor=SerialExecutor())
    rule = {"objective": {"lambda": 1e-3, "accuracy_from": "before"}}
    given = {"pruning__methods": ["full", "random", "importance"], "pruning__keep_ratio": rule}
    here = edgesim.run(make_scenario(**given), tmp_path / "here", executor=SerialExecutor())
    other = tmp_path / "elsewhere"
    other.mkdir()
    groups = [{"profile": "raspberry-pi-4b", "count": 2}, {"profile": "jetson-nano", "count": 1}]
    priced = reprice(here, on_fleet(here, write(other, {"groups": groups})))
    pd.testing.assert_frame_equal(outcomes(priced), outcomes(here.records), check_exact=True)
    swapped = reprice(here, on_fleet(here, write(other, {"groups": groups[::-1]})))
    assert (swapped.loc[swapped["method"] == "full", "status"] == "ok").all()


def test_a_fleet_may_name_profiles_beside_it(make_scenario: Make, tmp_path: Path) -> None:
    run = edgesim.run(make_scenario(), tmp_path / "run", executor=SerialExecutor())
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "own.yaml").write_text("name: own\nextends: raspberry-pi-5\ntitle: mine\n")
    priced = reprice(run, on_fleet(run, write(folder, {"groups": [{"profile": "own.yaml", "share": 1.0}]})))
    assert set(priced["profile"]) == {"own"}
