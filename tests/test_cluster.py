"""A run on two nodes, of which one leaves while others join; and modules that the hosts do not find."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from test_run import assert_equal_runs
from warm import Server

import edgesim
from edgesim import api
from edgesim.errors import RunError
from edgesim.runtime import RayExecutor, SerialExecutor, host_pool
from edgesim.runtime.ray_startup import unused_left_out
from edgesim.scenario.loading import Scenario

Make = Callable[..., Scenario]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, warm: Server, without_ray: None) -> Iterator[Any]:
    """Two nodes of one CPU each, all on this machine."""
    from ray.cluster_utils import Cluster

    for name, value in (("RAY_USAGE_STATS_ENABLED", "0"), ("RAY_worker_niceness", "0")):
        monkeypatch.setenv(name, value)
    with warm.workers(), unused_left_out():  # seconds of each node's start
        nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        nodes.add_node(num_cpus=1)
        yield nodes
    nodes.shutdown()


@pytest.mark.slow
@pytest.mark.usefixtures("apart")
def test_nodes_leave_and_join_during_a_run(
    cluster: Any, make_scenario: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ray.experimental import get_object_locations

    monkeypatch.setattr(host_pool, "JOIN_EVERY_S", 0.0)
    scenario = make_scenario(fleet={"groups": [{"profile": "raspberry-pi-4b", "count": 6}]}, training__epochs=5)

    class Moving(api.Silent):
        """Takes one node away after three trials, and adds two."""

        ended = 0
        copies: list[str]

        def record(self, record: Any) -> None:
            self.ended += 1
            if self.ended == 3:
                (found,) = get_object_locations([executor._config]).values()
                self.copies = found["node_ids"]
                cluster.remove_node(next(iter(cluster.worker_nodes)))
                for _ in range(2):
                    cluster.add_node(num_cpus=1)

    executor = RayExecutor(address=cluster.address)
    moving = Moving()
    run = edgesim.run(scenario, tmp_path / "run", executor=executor, progress=moving)
    assert len(moving.copies) == len(set(moving.copies)) == 2  # the data went to each node once
    assert run.info["trials"] == {"total": 30, "ok": 30, "missing": 0}
    assert run.info["sessions"][-1]["hosts"] == 3
    assert "info   host 2: joins\n" in (run.path / "run.log").read_text()
    assert_equal_runs(run, edgesim.run(scenario, tmp_path / "serial", executor=SerialExecutor()))


@pytest.mark.usefixtures("ray_started")
def test_a_module_that_the_hosts_do_not_find_is_refused_before_the_first_job(
    make_scenario: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its file goes once the driver has read it: so it is on another node."""
    (tmp_path / "beside").mkdir()
    file = tmp_path / "beside" / "only_here.py"
    file.write_text("from edgesim.pruning.base import Method\n\nclass Own(Method):\n    '''keeps the first.'''\n")
    monkeypatch.syspath_prepend(str(file.parent))
    own = importlib.import_module("only_here")
    shutil.rmtree(file.parent)
    scenario = make_scenario()
    named = replace(scenario.pruning.methods[1], plugin=own.Own())
    scenario = replace(scenario, pruning=replace(scenario.pruning, methods=(named,)))
    message = "a host cannot load the scenario: ModuleNotFoundError: No module named 'only_here'. Own methods, models"
    with pytest.raises(RunError, match=message):
        edgesim.run(scenario, tmp_path / "run", executor=lambda: RayExecutor(hosts=1))
