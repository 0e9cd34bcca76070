"""What comes with edgesim works by name, from a wheel too; `init` writes a scenario that runs, with keys that exist."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from commands import command
from conftest import ROOT

import edgesim
from edgesim.cli.init import STARTER
from edgesim.config import shipped, validation
from edgesim.errors import ScenarioError
from edgesim.results import repricing
from edgesim.scenario import loading as scenarios
from edgesim.sessions import preflight

OPTION = re.compile(r"^( *)# ((?:- \{)?[a-z_]+: .+)$")
"""a line of the starter that is a choice not taken"""


def test_every_shipped_scenario_and_fleet_has_a_name_and_a_title() -> None:
    assert list(shipped.scenarios()) == sorted(file.stem for file in (ROOT / "scenarios").glob("*.yaml"))
    assert list(shipped.fleets()) == ["mixed-edge-site", "phones", "raspberry-pis"]
    for file in (*shipped.scenarios().values(), *shipped.fleets().values()):
        assert len(shipped.title(file)) > 20
    assert shipped.title(shipped.scenarios()["fashion-mnist-dirichlet"]).endswith("at the edge paper's ratios")


def test_a_name_is_the_shipped_scenario_and_a_file_that_is_there_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    loaded = edgesim.load_scenario("quickstart")
    assert loaded.document == scenarios.load(ROOT / "scenarios" / "quickstart.yaml").document
    text = (ROOT / "scenarios" / "quickstart.yaml").read_text().replace("seeds: [0, 1, 2, 3, 4]", "seeds: [7]")
    Path("quickstart").write_text(text)
    assert edgesim.load_scenario("quickstart").seeds == (7,)
    Path("quickstart").unlink()
    Path("quickstart").mkdir()  # a run folder of that name is no scenario
    assert edgesim.load_scenario("quickstart").seeds == (0, 1, 2, 3, 4)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("quikstart", "did you mean 'quickstart'"),
        ("quickstart.yaml", "did you mean 'quickstart'"),
        ("scenarios/quickstart.yaml", "did you mean 'quickstart'"),
        ("mine.yml", "did you mean 'mine.yaml'"),
        ("nothing-like-it-at-all", "there is no such file; scenarios that come with edgesim: air-quality"),
        (".", "is a folder"),
    ],
)
def test_a_scenario_that_is_not_there(name: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text("")
    with pytest.raises(ScenarioError) as caught:
        edgesim.load_scenario(name)
    assert words in str(caught.value)


def test_a_fleet_by_name_in_a_scenario_and_on_the_command_line(tmp_path: Path) -> None:
    document = validation.read(ROOT / "scenarios" / "quickstart.yaml")
    sizes = {}
    for name in shipped.fleets():
        loaded = scenarios.from_document({**document, "fleet": name}, "s.yaml", tmp_path)
        sizes[name] = len(loaded.fleet)
        assert {device.name for device in loaded.fleet.devices} == {
            group.profile for group in loaded.fleet.document.groups
        }
        again = repricing.with_fleet(document, 20, Path(name))  # shares of another number
        assert len(again.fleet) == 20
    assert sizes == {"mixed-edge-site": 20, "phones": 5, "raspberry-pis": 20}
    (tmp_path / "phones").write_text("groups: [{profile: jetson-nano, count: 2}]")
    assert len(scenarios.from_document({**document, "fleet": "phones"}, "s.yaml", tmp_path).fleet) == 2
    with pytest.raises(ScenarioError, match=r"fleet.*did you mean 'phones'"):
        scenarios.from_document({**document, "fleet": "phone"}, "s.yaml", tmp_path)


def test_compare_takes_names_and_paths_win(tmp_path: Path) -> None:
    (tmp_path / "two.yaml").write_text("groups: [{profile: jetson-nano, count: 2}]")
    refused = command("compare", "quickstart", "--fleet", "two.yaml", cwd=tmp_path)
    assert refused.returncode == 2
    assert "has 2 devices, the run 8" in refused.stderr  # the shipped scenario was read, and nothing trained
    twice = command(
        "compare", "quickstart", "--fleet", "phones", "--fleet", str(shipped.fleets()["phones"]), cwd=tmp_path
    )
    assert "named twice" in twice.stderr
    unknown = command("compare", "quickstart", "--fleet", "fones", cwd=tmp_path)
    assert (unknown.returncode, "did you mean 'phones'" in unknown.stderr) == (2, True)
    (tmp_path / "quickstart").mkdir()
    own = command("compare", "quickstart", "--fleet", "phones", cwd=tmp_path)
    assert "quickstart is no run folder" in own.stderr
    planned = command("plan", "quickstart", "--set", "fleet=phones", "--json", cwd=tmp_path)
    assert json.loads(planned.stdout)["devices"] == 5


def test_the_commit_of_a_run_is_that_of_edgesim(tmp_path: Path) -> None:
    """A copy of the package inside somebody's repository has no commit."""
    site = tmp_path / "site"
    shutil.copytree(ROOT / "edgesim", site / "edgesim", ignore=shutil.ignore_patterns("__pycache__", "vendor"))
    for words in (("init", "-q"), ("add", "."), ("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x")):
        subprocess.run(["git", *words], cwd=tmp_path, check=True, capture_output=True)
    code = "from edgesim.results import provenance; print(provenance.__file__, provenance.git_commit())"
    environment = {**os.environ, "PYTHONPATH": str(site)}
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert told.stdout.split() == [str(site / "edgesim" / "results" / "provenance.py"), "None"]


def test_lists_of_what_comes_with_edgesim(tmp_path: Path) -> None:
    for what, shown in (("scenarios", shipped.scenarios()), ("fleets", shipped.fleets())):
        plain = command("list", what, cwd=tmp_path)
        rows = json.loads(command("list", what, "--json", cwd=tmp_path).stdout)
        assert [(row["name"], Path(row["file"])) for row in rows] == list(shown.items())
        assert all(name in plain.stdout for name in shown)


def test_versions_without_torch(tmp_path: Path) -> None:
    from importlib import metadata

    done = command("--version", cwd=tmp_path)
    assert done.returncode == 0
    wanted = [f"{name} {metadata.version(name)}" for name in ("torch", "ray")]
    assert done.stdout.startswith(f"edgesim {edgesim.__version__} (python {sys.version.split()[0]}")
    assert all(words in done.stdout for words in wanted)
    code = "import sys\nsys.argv = ['edgesim', '--version']\nfrom edgesim.cli import main\n"
    code += "try:\n    main()\nexcept SystemExit:\n    pass\nprint('torch' in sys.modules, 'ray' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.endswith("False False\n")


def test_init_writes_a_scenario_that_is_right_and_writes_over_nothing(tmp_path: Path) -> None:
    made = command("init", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    file = tmp_path / "scenario.yaml"
    assert f"edgesim run {file.name}" in file.read_text()
    assert not preflight.inspect(scenarios.load(file)).faults
    before = file.read_text()
    refused = command("init", "scenario.yaml", cwd=tmp_path)
    assert refused.returncode == 2
    assert "--force" in refused.stderr
    file.write_text("mine: 1")
    assert command("init", "--force", cwd=tmp_path).returncode == 0
    assert file.read_text() == before
    assert command("init", "other.yml", cwd=tmp_path).returncode == 0
    assert scenarios.load(tmp_path / "other.yml").name == "other"
    spaced = command("init", "my scenario.yaml", cwd=tmp_path)
    assert spaced.stdout.endswith("next: edgesim run 'my scenario.yaml'\n")
    assert not preflight.inspect(scenarios.load(tmp_path / "my scenario.yaml")).faults


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("scenario.txt", ".yaml"),
        ("nowhere/s.yaml", "there is no folder"),
    ],
)
def test_init_refuses_what_it_cannot_write(name: str, words: str, tmp_path: Path) -> None:
    done = command("init", name, cwd=tmp_path)
    assert done.returncode == 2
    assert words in re.sub(r"\s+", " ", done.stderr)
    assert not list(tmp_path.iterdir())


def taken(lines: list[str], place: int) -> str:
    """The starter with the choice at `place` taken, and what it stands for left out."""
    match = OPTION.match(lines[place])
    assert match is not None
    indent, choice = match.groups()
    kept = [*lines]
    kept[place] = indent + choice
    key = choice.partition(":")[0]
    for above in range(place - 1, -1, -1):
        line = lines[above]
        if line.startswith(f"{indent}{key}:"):
            end = next(
                (i for i in range(above + 1, len(lines)) if lines[i].strip() and not lines[i].startswith(indent + " ")),
                len(lines),
            )
            return "\n".join([*kept[:above], *kept[max(above + 1, min(end, place)) :]])
        if line.strip() and len(line) - len(line.lstrip()) < len(indent):
            break
    return "\n".join(kept)


def test_every_choice_of_the_starter_is_a_key_that_there_is(tmp_path: Path) -> None:
    lines = STARTER.read_text().splitlines()
    options = [place for place, line in enumerate(lines) if OPTION.match(line)]
    assert len(options) >= 20
    plain = scenarios.from_document(validation.parse(STARTER.read_text(), "s"), "s.yaml", tmp_path)
    for place in options:
        text = taken(lines, place)
        loaded = scenarios.from_document(validation.parse(text, lines[place]), "s.yaml", tmp_path)
        assert loaded.document != plain.document, lines[place]  # it is a choice


def test_the_starter_has_every_section_and_names_commands_that_there_are() -> None:
    text = STARTER.read_text()
    for section in (*scenarios.REQUIRED, *scenarios.OPTIONAL):
        assert re.search(rf"^(# )?{section}:", text, re.MULTILINE), section
    for what in re.findall(r"`edgesim list (\w+)`", text):
        assert what in ("datasets", "partitions", "profiles", "fleets", "models", "methods", "trackers")


SMALL = ("--set", "training.epochs=1", "--set", "seeds=[0]")


def test_the_starter_runs(tmp_path: Path) -> None:
    assert command("init", "first.yaml", cwd=tmp_path).returncode == 0
    done = command("run", "first.yaml", "--serial", "--no-progress", *SMALL, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "run folder: runs/first-" in done.stdout
