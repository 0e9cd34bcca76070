"""Notes on how data were read: they survive the cache, and reach the terminal, run.json, plans and pages."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import DOCUMENT
from datafiles import pixels, png, read, texts, write_npz
from typer.testing import CliRunner

from edgesim import api, report
from edgesim.cli.app import with_commands
from edgesim.config import validation
from edgesim.data import cache
from edgesim.runtime import SerialExecutor
from edgesim.scenario import loading as scenarios

GAPS = "only 2 of 8 class ids (0 to 7) occur in training: the network has 2 outputs, named by their ids 3, 7"
UNREAD = "1 array is not read: x_val"


@pytest.fixture(autouse=True)
def _own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGESIM_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def scenario_file(tmp_path) -> Path:
    """Twelve images of classes 3 and 7, on three devices."""
    images = pixels(12, 8, 8, 1), pixels(4, 8, 8, 1, seed=1)
    labels = np.array([3, 7] * 6), np.array([3, 7] * 2)
    write_npz(tmp_path / "d.npz", x_train=images[0], y_train=labels[0], x_test=images[1], y_test=labels[1],
              x_val=np.zeros(1))  # fmt: skip
    document = {
        **DOCUMENT,
        "dataset": {"name": "npz", "root": "d.npz"},
        "partition": "iid",
        "training": {"epochs": 1, "batch_size": 4},
        "pruning": {"methods": ["full", "random"], "keep_ratio": 0.5},
    }
    path = tmp_path / "notes.yaml"
    path.write_text(validation.dump(document))
    return path


def test_a_cached_data_set_has_the_same_notes(tmp_path, monkeypatch):
    rgba = pixels(1, 4, 4, 4)[0]
    for split, name in (("train", "ant"), ("train", "bee"), ("test", "ant"), ("test", "bee")):
        (tmp_path / "d" / split / name).mkdir(parents=True)
        content = png(rgba if (split, name) == ("train", "ant") else pixels(1, 4, 4, 3, seed=ord(name[0]))[0])
        (tmp_path / "d" / split / name / "0.png").write_bytes(content)
    (tmp_path / "d/train/ant/notes.txt").write_text("")
    first = read("image-folder", tmp_path / "d")
    assert texts(first) == [
        "1 file is left out, of no image type that is read: .txt (1)",
        "1 image has an alpha channel, which is left out; 1 of them not opaque (train/ant/0.png)",
        "1 of 2 test images is in the training split too (equal pixels): accuracy may be lower on new data",
    ]

    def fail(*_: object) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr(cache, "_write", fail)
    assert read("image-folder", tmp_path / "d").notes == first.notes
    moved = shutil.copytree(tmp_path / "d", tmp_path / "elsewhere")
    assert read("image-folder", moved).notes == first.notes
    assert str(tmp_path) not in " ".join(texts(first))
    # What lies beside the images is no part of the cached content: it is looked at anew.
    (moved / "train/ant/more.txt").write_text("")
    assert texts(read("image-folder", moved))[0] == "2 files are left out, of no image type that is read: .txt (2)"
    os.remove(moved / "train/ant/notes.txt")
    os.remove(moved / "train/ant/more.txt")
    assert read("image-folder", moved).notes == first.notes[1:]


def test_notes_of_a_cache_entry_without_them_are_made_again(tmp_path):
    path = write_npz(tmp_path / "d.npz", y_train=np.array([0, 5, 9] * 2), y_test=np.array([0, 5, 9]))
    first = read("npz", path)
    (meta,) = (tmp_path / "cache/decoded").glob("*/meta.json")
    kept = json.loads(meta.read_text())
    del kept["notes"]
    meta.write_text(json.dumps(kept))
    assert read("npz", path).notes == first.notes != ()


def test_notes_of_a_scenario(scenario_file):
    assert api.data_notes(scenarios.load(scenario_file)) == [UNREAD, GAPS]
    plain = {"dataset": "digits"}
    assert api.data_notes(scenarios.from_document({**DOCUMENT, **plain}, "x.yaml", scenario_file.parent)) == []


@pytest.mark.parametrize("quiet", [[], ["--no-progress"]])
def test_run_says_them_in_terminal_run_json_and_pages(scenario_file, tmp_path, quiet):
    done = CliRunner().invoke(
        with_commands(), ["run", str(scenario_file), "--serial", "--out", str(tmp_path / "run"), *quiet]
    )
    assert done.exit_code == 0, done.output
    said = " ".join(done.stderr.split())  # the terminal's width breaks lines
    for note in (UNREAD, GAPS):
        assert said.count(f"data: {note}") == 1
    run = api.load_run(tmp_path / "run")
    assert run.info["data_notes"] == [UNREAD, GAPS]
    if not quiet:  # a page reads run.json, however the run was begun
        report.write_all(run, [tmp_path / "r.html", tmp_path / "r.md"])
        html, markdown = ((tmp_path / name).read_text() for name in ("r.html", "r.md"))
        assert html.count(f"<li>{GAPS}</li>") == html.count(f"<li>{UNREAD}</li>") == 1
        assert "How the data were read" in html
        assert "- 1 array is not read: x\\_val" in markdown


def test_they_outlive_a_resumed_run_and_data_that_are_read_as_they_stand_need_no_list(
    scenario_file, tmp_path, make_scenario
):
    loaded = scenarios.load(scenario_file)
    api.run(loaded, tmp_path / "run", executor=SerialExecutor())
    again = api.run(loaded, tmp_path / "run", resume=True, executor=SerialExecutor())
    assert again.info["data_notes"] == [UNREAD, GAPS]
    plain = api.run(make_scenario(training__epochs=1, pruning__methods=["full"]), tmp_path / "plain",
                    executor=SerialExecutor())  # fmt: skip
    assert plain.info["data_notes"] == []
    report.write(plain, tmp_path / "plain.html")
    assert "How the data were read" not in (tmp_path / "plain.html").read_text()


def test_plan_says_them(scenario_file):
    done = CliRunner().invoke(with_commands(), ["plan", str(scenario_file)])
    assert done.exit_code == 0, done.output
    assert f"data: {GAPS}" in done.stderr
    done = CliRunner().invoke(with_commands(), ["plan", str(scenario_file), "--json"])
    assert json.loads(done.stdout)["data_notes"] == [UNREAD, GAPS]


def test_a_comparison_names_the_run_of_each_note(scenario_file, tmp_path):
    from edgesim.report import comparison_page

    run = api.run(scenarios.load(scenario_file), tmp_path / "run", executor=SerialExecutor())
    page = comparison_page.of_runs({"one": run, "two": run})
    assert page.data_notes == tuple(f"{name}: {note}" for name in ("one", "two") for note in (UNREAD, GAPS))
