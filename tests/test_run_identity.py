"""Resuming after a change of code, packages, profiles, data, own modules or linked runs; and a damaged run.json."""

from __future__ import annotations

import copy
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from commands import command
from conftest import DOCUMENT, Stopping

import edgesim
from edgesim import api
from edgesim.errors import RunError
from edgesim.hardware import loading
from edgesim.results import run_identity
from edgesim.results.run_folder import Run
from edgesim.results.run_writer import RunFolder
from edgesim.runtime import SerialExecutor
from edgesim.scenario.loading import Scenario

Make = Callable[..., Scenario]
METHOD = """
from dataclasses import dataclass
import numpy as np
from edgesim.pruning.base import Method, Scoring
from edgesim.training.needs import Needs
from edgesim.work import Work

@dataclass(frozen=True)
class Own(Method):
    '''own'''
    source = "own"
    cost_class = "O(n)"

    def needs(self, shard):
        return Needs()

    def score(self, context):
        from helper_of_own import factor
        return Scoring(factor() * np.arange(float(context.shard.size)), Work())
"""
HELPER = "def factor():\n    return 1.0\n"


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A scenario whose data, profile and method are the user's files, in a folder of its own."""
    rng = np.random.default_rng(0)
    arrays = {
        f"{part}_{split}": rng.integers(0, 250 if part == "x" else 3, size=(60, 8, 8) if part == "x" else 60)
        for part in "xy"
        for split in ("train", "test")
    }
    np.savez(tmp_path / "data.npz", **{name: array.astype(np.uint8) for name, array in arrays.items()})
    profile = loading.to_dict(loading.load("raspberry-pi-4b"))
    (tmp_path / "pi.yaml").write_text(yaml.safe_dump({**profile, "name": "my-pi"}))
    module = f"own_{tmp_path.name.strip('_')}"
    (tmp_path / f"{module}.py").write_text(METHOD)
    (tmp_path / "helper_of_own.py").write_text(HELPER)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "helper_of_own", raising=False)
    methods = ["full", {"name": f"{module}:Own", "label": "own"}]
    return {
        **copy.deepcopy(DOCUMENT), "dataset": {"name": "npz", "root": "data.npz"}, "partition": "iid",
        "fleet": {"groups": [{"profile": "pi.yaml", "count": 2}]}, "training": {"epochs": 1},
        "pruning": {"methods": methods, "keep_ratio": [0.5]},
    }  # fmt: skip


def loaded(document: dict[str, Any], folder: Path) -> Scenario:
    from edgesim.scenario import loading as scenarios

    return scenarios.from_document(document, "own.yaml", folder)


def resumed(document: dict[str, Any], folder: Path, accept: bool = False) -> Run:
    way = api.Resume(accept_changes=accept)
    return edgesim.run(loaded(document, folder), folder / "run", resume=way, executor=SerialExecutor())


def test_every_change_is_named_and_none_is_taken_unasked(own: dict[str, Any], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        edgesim.run(loaded(own, tmp_path), folder, executor=Stopping(1))
    kept = {path.name: path.read_bytes() for path in folder.iterdir()}
    before = Run(folder).info

    # One change at a time: what is there, another content of it, and how it is named.
    profile = yaml.safe_load((tmp_path / "pi.yaml").read_text())
    faster = copy.deepcopy(profile)
    faster["power"]["max_w"]["value"] += 1.0
    data = dict(np.load(tmp_path / "data.npz"))
    data["x_train"][0, 0, 0] ^= 1
    module = next(iter(before["identity"]["own_modules"]))
    files = {
        "pi.yaml": (yaml.safe_dump(faster), r"profiles\.my-pi\.power\.max_w: was 7\.2, now 8\.2"),
        f"{module}.py": (METHOD + "\n# changed\n", rf"own_modules\.{module}: was [0-9a-f]+, now [0-9a-f]+"),
        "helper_of_own.py": (HELPER + "\n# changed\n", "own_modules.helper_of_own: was "),
        "data.npz": (data, "data: was [0-9a-f]+, now [0-9a-f]+"),
    }
    for name, (content, words) in files.items():
        was = (tmp_path / name).read_bytes()
        if isinstance(content, str):
            (tmp_path / name).write_text(content)
        else:
            np.savez(tmp_path / name, **content)
        with pytest.raises(RunError, match=words) as refused:
            resumed(own, tmp_path)
        assert "go on nevertheless with --accept-changes" in str(refused.value)
        assert str(refused.value).count(": was ") == 1
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == kept
        (tmp_path / name).write_bytes(was)

    # Words of a profile change no number.
    (tmp_path / "pi.yaml").write_text(yaml.safe_dump({**profile, "title": "another title"}))
    (tmp_path / "helper_of_own.py").write_text(HELPER + "\n# changed\n")
    info = resumed(own, tmp_path, accept=True).info
    assert info["status"] == "finished"
    first, second = info["sessions"]
    assert "accepted" not in first
    (accepted,) = second["accepted"]
    assert accepted["what"] == "own_modules.helper_of_own"
    assert accepted["was"] == before["identity"]["own_modules"]["helper_of_own"]
    assert accepted["now"] == info["identity"]["own_modules"]["helper_of_own"]
    page = command("report", str(folder), "--out", str(tmp_path / "page.md"))
    assert page.returncode == 0, page.stderr
    # A finished run has nothing to compute: whatever changed since, it is as it was.
    (tmp_path / "helper_of_own.py").write_text(HELPER + "\n# changed once more\n")
    assert resumed(own, tmp_path).info == info
    assert "Something changed between the sessions of this run" in (tmp_path / "page.md").read_text()
    assert "own_modules.helper" in (tmp_path / "page.md").read_text().replace("\\", "")


def test_code_and_packages_of_an_earlier_session(make_scenario: Make, tmp_path: Path) -> None:
    """The other side of the comparison: run.json of a run that was made with something else."""
    scenario, folder = make_scenario(), tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        edgesim.run(scenario, folder, executor=Stopping(1))
    info = json.loads((folder / "run.json").read_text())
    assert info["identity"]["packages"]["numpy"] == np.__version__
    info["identity"]["packages"]["torch"] = "2.0.1"
    info["identity"]["edgesim_code"] = "0123456789abcdef"
    (folder / "run.json").write_text(json.dumps(info))
    with pytest.raises(
        RunError, match=r"edgesim_code: was 0123456789abcdef, now (?s:.*)packages\.torch: was 2\.0\.1, now"
    ):
        edgesim.run(scenario, folder, resume=True, executor=SerialExecutor())
    (folder / "run.json").unlink()  # lost: the results are there, what they were made with is not known
    with pytest.raises(RunError, match="identity: was none, now lost with"):
        edgesim.run(scenario, folder, resume=True, executor=SerialExecutor())
    run = edgesim.run(scenario, folder, resume=api.Resume(accept_changes=True), executor=SerialExecutor())
    assert run.info["trials"] == {"total": 15, "ok": 15, "missing": 0}
    assert run.info["sessions"][0]["accepted"][0]["what"] == "identity"


def test_the_code_of_edgesim_is_hashed_without_its_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "edgesim"
    shutil.copytree(Path(edgesim.__file__).parent, package, ignore=shutil.ignore_patterns("vendor", "__pycache__"))
    monkeypatch.setattr(run_identity, "__file__", str(package / "results" / "run_identity.py"))
    key = run_identity.code_key.__wrapped__
    assert key() == run_identity.code_key()
    (package / "report" / "page.py").write_text("changed")
    assert key() == run_identity.code_key()
    for name in ("seeds.py", "training/loop.py", "data/digits.csv.gz"):
        before = key()
        with (package / name).open("ab") as file:
            file.write(b"\n")
        assert key() != before


def test_a_linked_run_that_changed(make_scenario: Make, tmp_path: Path) -> None:
    small = {"dataset": {"name": "digits", "limit_train": 300, "limit_test": 50}, "training__epochs": 1}
    edgesim.run(make_scenario(**small), tmp_path / "first", executor=SerialExecutor())
    second = make_scenario(**small, pruning__scores_from="first")
    with pytest.raises(KeyboardInterrupt):
        edgesim.run(second, tmp_path / "second", executor=Stopping(1))
    (tmp_path / "first" / "terms.json").write_bytes((tmp_path / "first" / "terms.json").read_bytes() + b" ")
    with pytest.raises(RunError, match=r"linked_runs\.first: was [0-9a-f]+, now"):
        edgesim.run(second, tmp_path / "second", resume=True, executor=SerialExecutor())
    accepted = api.Resume(accept_changes=True)
    # Limits on hosts may change; the folder has those of its last session.
    limited = make_scenario(**small, pruning__scores_from="first", run__job_timeout_s=77)
    run = edgesim.run(limited, tmp_path / "second", resume=accepted, executor=SerialExecutor())
    assert run.scenario["run"]["job_timeout_s"] == 77
    assert run.scenario == limited.document


def test_ratios_of_a_rule_follow_an_accepted_profile(own: dict[str, Any], tmp_path: Path) -> None:
    """With another profile the rule chooses other ratios: results of the old ones are no trials of the run any more."""
    half = edgesim.plan(loaded(own, tmp_path)).query("method == 'own'")["device_energy_j"].max()
    own["pruning"]["keep_ratio"] = {"budget": {"energy_j": float(half)}}
    edgesim.run(loaded(own, tmp_path), tmp_path / "run", executor=SerialExecutor())
    profile = yaml.safe_load((tmp_path / "pi.yaml").read_text())
    profile["power"]["max_w"]["value"] -= 1.0
    (tmp_path / "pi.yaml").write_text(yaml.safe_dump(profile))
    whole = edgesim.run(loaded(own, tmp_path), tmp_path / "whole", executor=SerialExecutor()).records
    was = Run(tmp_path / "run").records
    assert (was["keep_ratio"] != whole["keep_ratio"]).any()
    run = resumed(own, tmp_path, accept=True)
    same = run.records["keep_ratio"] == was["keep_ratio"]
    assert run.records["keep_ratio"].tolist() == whole["keep_ratio"].tolist()
    assert run.records.loc[~same, "device_energy_j"].tolist() == whole.loc[~same, "device_energy_j"].tolist()


def test_results_of_another_scenario_are_refused(make_scenario: Make, tmp_path: Path) -> None:
    """Lines with good checksums, copied from another journal."""
    for name, seed in (("run", 0), ("other", 7)):
        with pytest.raises(KeyboardInterrupt):
            edgesim.run(make_scenario(seeds=[seed]), tmp_path / name, executor=Stopping(1))
    with (tmp_path / "run" / "journal.jsonl").open("a") as file:
        file.write((tmp_path / "other" / "journal.jsonl").read_text())
    with pytest.raises(RunError, match=r"holds a result of seed 7, .* which is no trial of its scenario"):
        edgesim.run(make_scenario(), tmp_path / "run", resume=True, executor=SerialExecutor())


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("sessions", 5, "sessions: must be a list, not a number"),
        ("sessions", [5], r"sessions\[0\]: must be a map, not a number"),
        ("sessions", [{"wall_s": "long"}], r"sessions\[0\]\.wall_s: must be a number, not text"),
        ("sessions", [{"wall_s": float("nan")}], r"sessions\[0\]\.wall_s: must be 0 or more, not nan"),
        ("sessions", None, "sessions: must be a list, not nothing"),
        ("trials", [], "trials: must be a map, not a list"),
        ("trials", {"total": "all"}, r"trials\.total: must be an integer, not text"),
        ("trials", {"total": True}, r"trials\.total: must be an integer, not true/false"),
        ("versions", "2", "versions: must be a map, not text"),
        ("versions", {"torch": 2}, r"versions\.torch: must be text, not a number"),
        ("seeds", 7, "seeds: must be a list, not a number"),
        ("seeds", [0, "x"], r"seeds\[1\]: must be an integer, not text"),
        ("shown", {"seed": 0}, r"shown\.device: is missing"),
        ("shown", 0.5, "shown: must be a map, not a number"),
        ("workload", {"train_flops": []}, r"workload\.train_flops: must be a number, not a list"),
        ("status", 1, "status: must be text, not a number"),
        ("devices", "many", "devices: must be an integer"),
        ("identity", [], "identity: must be a map"),
        ("wall_s", -1, "wall_s: must be 0 or more"),
    ],
)
def test_a_damaged_run_json_is_a_fault_with_its_place(key: str, value: object, words: str, tmp_path: Path) -> None:
    """For every reader of a run: `report`, `compare` and `run --resume` read it the same way."""
    shipped = Path(__file__).parents[1] / "reports" / "runs" / "quickstart"
    info = json.loads((shipped / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps({**info, key: value}))
    with pytest.raises(RunError, match=rf"run\.json is damaged; put the values right(?s:.*)\n  {words}"):
        edgesim.load_run(tmp_path)


def test_a_damaged_run_json_ends_commands_without_a_traceback(tmp_path: Path) -> None:
    shipped = Path(__file__).parents[1] / "reports" / "runs" / "quickstart"
    info = json.loads((shipped / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps({**info, "sessions": 5, "seeds": "0"}))
    (tmp_path / "scenario.yaml").write_bytes((shipped / "scenario.yaml").read_bytes())
    for code, *arguments in ((1, "report", str(tmp_path)), (2, "compare", str(shipped), str(tmp_path))):
        done = command(*arguments)
        assert done.returncode == code
        assert "sessions: must be a list, not a number (5)" in done.stderr
        assert "seeds: must be a list" in done.stderr
        assert "Traceback" not in done.stderr
    with pytest.raises(RunError, match="sessions: must be a list"):
        RunFolder.resume(tmp_path, (tmp_path / "scenario.yaml").read_text(), info)
    (tmp_path / "run.json").write_text("[" * 100_000)
    assert "cannot be read" in command("report", str(tmp_path)).stderr
