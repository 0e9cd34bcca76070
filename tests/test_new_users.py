"""Messages that a first user meets: networks without a lead, own methods of another type, wrong folders."""

from types import SimpleNamespace

import numpy as np
import pytest
from commands import command
from conftest import DOCUMENT
from test_verdict import fleet

import edgesim
from edgesim import report
from edgesim.analysis.guessing import Guess, guess_in
from edgesim.analysis.verdict import verdict_of
from edgesim.data.datasets import load as load_dataset
from edgesim.data.own_files import HuggingFace, Npz
from edgesim.data.shard_statistics import guess
from edgesim.errors import DataError, RunError
from edgesim.hardware.loading import load as load_profile
from edgesim.pruning.base import Scoring
from edgesim.pruning.selection import choose
from edgesim.report.verdict_section import unlike_watts
from edgesim.results import power_scopes, run_info
from edgesim.runtime import SerialExecutor

DIGITS = guess(np.repeat(np.arange(10), 36)[:355])  # classes of 36 samples, one of 31


def test_full_training_without_a_lead_over_guessing_is_said_first():
    found = guess_in({"guess": DIGITS})
    assert found == Guess(36 / 355, 355)
    assert found.spread == pytest.approx(2 * (36 / 355 * 319 / 355 / 355) ** 0.5)  # 3.2 points
    records = fleet()
    records["test_accuracy"] = np.where(records["method"] == "full", 0.11, 0.12)
    first = verdict_of(records, guess=found)[0]
    assert first.kind == "learning"
    assert "it reaches 11.0 %." in first.text
    assert "reaches 10.1 % (two standard deviations are 3.2 points" in first.text
    records.loc[records["method"] == "full", "test_accuracy"] = 0.14  # above 13.3 %
    assert all(one.kind != "learning" for one in verdict_of(records, guess=found))
    assert all(one.kind != "learning" for one in verdict_of(records.assign(test_accuracy=0.0)))  # no guess is known
    assert guess_in({}) is None


def test_a_run_of_random_alone_is_not_said_to_have_no_random():
    records = fleet()
    records = records[records["method"].isin(["full", "random"])]
    text = {one.kind: one.text for one in verdict_of(records)}["cost"]
    assert text == "There is no comparison at equal cost. Not run: fewer-epochs and rs2."


class Wrong:
    scores_once, keeps_all = True, False

    def __init__(self, returned):
        self.score = self.choose = lambda *_: returned


@pytest.mark.parametrize(
    ("once", "returned", "message"),
    [
        (True, np.zeros(4), r"Wrong\.score must return edgesim\.pruning\.base\.Scoring\(…\), got ndarray"),
        (True, None, r"Wrong\.score must return .*Scoring\(…\), got NoneType"),
        (True, Scoring([0.0] * 4), r"Wrong\.score: scores must be a NumPy array, got list"),
        (False, np.arange(2), r"Wrong\.choose must return edgesim\.pruning\.base\.SubsetChoice\(…\), got ndarray"),
    ],
)
def test_an_own_method_that_returns_another_type_is_named(once, returned, message):
    method = Wrong(returned)
    method.scores_once = once
    with pytest.raises(ValueError, match=message):
        choose(method, SimpleNamespace(shard=SimpleNamespace(size=4, labels=np.zeros(4, int))), [0.5])


def test_a_folder_that_is_no_run_names_the_runs_that_may_be_meant(tmp_path):
    for name in ("mine-1", "mine-2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text("{}")
    with pytest.raises(RunError, match=r"is no run folder: there is no such folder \(did you mean 'mine-1'\?\)"):
        run_info.read(tmp_path / "mine-11")
    with pytest.raises(RunError, match=r"it has no run\.json; it holds 2 runs: mine-1, mine-2$"):
        run_info.read(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match=r"is no run folder: it has no run\.json$"):
        run_info.read(tmp_path / "empty")


def test_fleets_whose_watts_are_of_unlike_parts_are_noted():
    pi, phone = load_profile("raspberry-pi-5"), load_profile("pixel-7")
    (note,) = power_scopes.difference_in_words({"pis": [pi, pi], "phones": [phone]})
    assert "pis: the device at its socket; phones: the device behind its supply or battery." in note
    assert power_scopes.difference_in_words({"pis": [pi], "more": [pi, pi]}) == []
    mixed = power_scopes.difference_in_words({"a": [pi, phone], "b": [phone, pi]})
    assert "a: the device behind its supply or battery and the device at its socket" in mixed[0]


def test_a_fleet_whose_watts_are_of_unlike_parts_is_noted_on_page_and_plan(tmp_path):
    groups = [{"profile": name, "count": 1} for name in ("raspberry-pi-4b", "pixel-7", "jetson-nano")]
    said = "Energies of the whole fleet add watts of unlike parts: the device at its socket (raspberry-pi-4b"
    for some, unlike in ((groups, True), (groups[:1], False)):
        scenario = edgesim.load_scenario({**DOCUMENT, "fleet": {"groups": some}, "training": {"epochs": 1}})
        run = edgesim.run(scenario, tmp_path / str(unlike), executor=SerialExecutor())
        assert set(run.info["power_scopes"]) == {one["profile"] for one in some}
        page = report.write(run, tmp_path / "page.md").read_text()
        assert (said in page) is unlike
        (tmp_path / "s.yaml").write_text(scenario.to_yaml())
        plan = command("plan", str(tmp_path / "s.yaml"))
        assert plan.returncode == 0, plan.stderr
        assert (said in " ".join(plan.stdout.split())) is unlike
        assert ("(pixel-7). Compare energies within one profile only." in page) is unlike


@pytest.mark.parametrize(
    ("given", "notes"),
    [(None, 0), ("wall", 0), ([1], 0), ({"a": "wall", "b": ["device"]}, 1), ({"a": "new", "b": None}, 0)],
)
def test_a_run_json_with_other_scopes_breaks_no_page(given, notes):
    assert len(unlike_watts({"power_scopes": given})) == notes


def test_a_missing_folder_is_named_by_the_key_of_its_reader(tmp_path):
    for reader, key in ((HuggingFace(path="./nowhere"), "path"), (Npz(root="./nowhere"), "root")):
        with pytest.raises(DataError, match=rf"^dataset\.{key}: '\./nowhere' does not exist"):
            load_dataset(reader, "npz", tmp_path)
