"""Nothing that edgesim did not write is overwritten: run folders and files of every command with an output."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import command
from conftest import ROOT, RUN_INFO

import edgesim
from edgesim.config import output_files
from edgesim.config.output_files import check_replaceable, replacing, write_signed
from edgesim.errors import DataError, EdgesimError, OutputError, RunError
from edgesim.results.run_writer import RunFolder
from edgesim.runtime import SerialExecutor
from edgesim.scenario.loading import Scenario

Make = Callable[..., Scenario]
QUICKSTART = ROOT / "reports" / "runs" / "quickstart"


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"notes.txt": "mine"}, r"files that no run wrote \(notes\.txt\); name a new or an empty folder with --out"),
        ({"scenario.yaml": "mine", "b.csv": "1"}, r"files that no run wrote \(b\.csv and 1 more\)"),
        ({".git": "mine"}, r"files that no run wrote \(\.git\)"),
        ({"journal.jsonl": "{}\n"}, "results of a run whose run.json is lost; go on with them by --resume --accept"),
        ({"records.parquet": "x", "scenario.yaml": "x"}, "results of a run whose run.json is lost"),
        ({"run.json": "{}"}, r"run\.json is damaged.*\n  scenario: is missing"),
        ({"run.json": json.dumps(RUN_INFO), "notes.txt": "mine"}, r"files that no run wrote \(notes\.txt\)"),
    ],
)
def test_a_folder_of_someone_else_is_refused(
    files: dict[str, str], words: str, make_scenario: Make, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    with pytest.raises(RunError, match=words):
        edgesim.run(make_scenario(), folder, executor=SerialExecutor())
    assert {path.name: path.read_text() for path in folder.iterdir()} == files


def test_a_folder_with_what_a_run_leaves_behind_is_taken(make_scenario: Make, tmp_path: Path) -> None:
    yaml = make_scenario().to_yaml()
    folder = tmp_path / "run"
    folder.mkdir()
    for name in (".lock", "run.log", ".records.parquet.0123456789abcdef.unfinished"):
        (folder / name).touch()
    RunFolder.create(folder, yaml, RUN_INFO).release()
    assert {path.name for path in folder.iterdir()} == {"run.json", "run.log", "scenario.yaml"}
    lost = make_scenario(dataset={"name": "npz", "root": "nowhere.npz"})
    for _ in range(2):  # a run that failed before its first result stands in nobody's way
        with pytest.raises(DataError):
            edgesim.run(lost, folder, executor=SerialExecutor())
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file cannot be written: File exists; name a folder"):
        RunFolder.create(tmp_path / "file", yaml, RUN_INFO)


def test_a_file_is_replaced_only_as_edgesim_wrote_it(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    check_replaceable(page)
    write_signed(page, "<p>one</p>")
    check_replaceable(page)
    write_signed(page, "<p>two</p>\n")
    assert page.read_text().startswith("<p>two</p>\n<!-- written by edgesim, checksum ")
    page.write_text(page.read_text().replace("two", "three"))
    with pytest.raises(
        EdgesimError, match=r"page\.html exists, and edgesim did not write it as it is now; name another"
    ):
        check_replaceable(page)
    profile = tmp_path / "mine.yaml"
    write_signed(profile, "name: mine\n")
    check_replaceable(profile)
    profile.write_text(profile.read_text() + "note: mine\n")
    for path in (profile, tmp_path, Path("/dev/null")):
        with pytest.raises(EdgesimError, match="name another file with --report"):
            check_replaceable(path, "--report")


def test_a_link_stays_and_its_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there" / "file")
    for text in (b"one", b"two"):
        with replacing(tmp_path / "link") as file:
            file.write(text)
        assert (tmp_path / "there" / "file").read_bytes() == text
    assert (tmp_path / "link").is_symlink()


def test_a_file_that_is_not_written_to_its_end_leaves_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    names = set()

    def stopped() -> None:
        with replacing(tmp_path / "file") as file:
            file.write(b"new")
            names.update({path.name for path in tmp_path.iterdir()} - {"file"})
            raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            stopped()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "old"
    assert len(names) == 2  # nobody can guess them
    assert all(name.endswith(output_files.UNFINISHED) for name in names)


COMMANDS = [
    ("report", str(QUICKSTART), "--out", "there.html"),
    ("report", str(QUICKSTART), "--out", "there.md"),
    ("compare", str(QUICKSTART), "--fleet", "phones", "--out", "there.html"),
    ("plan", "quickstart", "--out", "there.parquet"),
    ("calibrate", "--out", "new.yaml", "--report", "there.md"),
    ("init", "there.yaml"),
]


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_every_command_refuses_a_file_of_someone_else(arguments: tuple[str, ...], tmp_path: Path) -> None:
    name = next(word for word in arguments if word.startswith("there"))
    (tmp_path / name).write_text("mine")
    done = command(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert name in done.stderr
    assert "exists" in done.stderr
    assert "another file" in " ".join(done.stderr.split())
    assert (tmp_path / name).read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_what_a_command_wrote_it_replaces(tmp_path: Path) -> None:
    for _ in range(2):
        done = command("plan", "quickstart", "--out", "p.parquet", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    done = command("report", str(QUICKSTART), "--out", str(tmp_path / "run.json"))
    assert done.returncode == 2
    assert "must name a .html or .md file" in " ".join(done.stderr.split())


def test_a_changed_page_of_a_run_is_kept(make_scenario: Make, tmp_path: Path) -> None:
    """At the end of a run, and by `edgesim report`."""
    for name in ("run.json", "scenario.yaml", "records.parquet", "curves.parquet", "devices.parquet", "shards.parquet"):
        (tmp_path / name).write_bytes((QUICKSTART / name).read_bytes())
    (tmp_path / "report.md").write_text("my notes")
    done = command("report", str(tmp_path))
    assert done.returncode == 2
    assert "report.md exists" in done.stderr
    assert not (tmp_path / "report.html").exists()
    assert (tmp_path / "report.md").read_text() == "my notes"
