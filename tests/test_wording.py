"""Text of a user's is printed as it is, counts agree with their nouns, and RAY_ADDRESS is named."""

from __future__ import annotations

import ast
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT
from rich.console import Console
from typer.testing import CliRunner

import edgesim
from edgesim.cli import progress, terminal_table
from edgesim.cli.app import with_commands
from edgesim.cli.terminal_table import Column
from edgesim.formatting import n_of
from edgesim.runtime import SerialExecutor, ray_startup
from edgesim.runtime.ray_startup import unused_address
from edgesim.scenario.loading import Scenario

Make = Callable[..., Scenario]
HOSTILE = "timm:boom:Boom [red]x[/red] :smile: [link=a]"


@pytest.mark.parametrize(
    ("count", "noun", "plural", "said"),
    [
        (1, "keep ratio", None, "1 keep ratio"),
        (0, "fault", None, "0 faults"),
        (2, "class", "classes", "2 classes"),
        (1, "class", "classes", "1 class"),
        (12000, "device", None, "12,000 devices"),
        (0.5, "point", None, "0.5 points"),
        (100 * 0.01, "point", None, "1 point"),
        (100 * 0.07, "point", None, "7 points"),
        (3.0, "device", None, "3 devices"),
    ],
)
def test_a_count_and_its_noun(count: int, noun: str, plural: str | None, said: str) -> None:
    assert n_of(count, noun, plural) == said


def test_there_is_one_way_to_write_a_plural() -> None:
    """No `s' if`, no helper of a module's own."""
    again = re.compile(r"""\{['"]s['"] if |else ['"]s['"]\}""")
    found = [f"{path.name}" for path in (ROOT / "edgesim").rglob("*.py") if again.search(path.read_text())]
    assert found == []


def test_validate_counts_in_words(tmp_path: Path) -> None:
    one = tmp_path / "my scenario (1).yaml"
    one.write_text(
        "dataset: digits\npartition: iid\nmodel: mlp\nfleet: {groups: [{profile: pixel-7, count: 1}]}\n"
        "pruning: {methods: [full], keep_ratio: 1}\n"
    )
    done = CliRunner().invoke(with_commands(), ["validate", str(one)])
    assert done.output == f"{one}: ok (1 device, 1 method, 1 keep ratio, 1 seed)\n"
    more = ["--set", "fleet.groups[0].count=2", "--set", "seeds=[0, 1]", "--set", "pruning.keep_ratio=[0.5, 1]"]
    done = CliRunner().invoke(with_commands(), ["validate", str(one), *more])
    assert done.output == f"{one}: ok (2 devices, 1 method, 2 keep ratios, 2 seeds)\n"


@pytest.mark.parametrize("document", ["scenario", "fleet", "profile"])
def test_the_schemas_are_printed(document: str) -> None:
    done = CliRunner().invoke(with_commands(), ["schema", document])
    assert json.loads(done.output)["title"].startswith("edgesim")


def test_a_table_shows_text_as_it_is() -> None:
    console = Console(width=160, file=io.StringIO(), force_terminal=True, color_system=None)
    terminal_table.print_table(console, HOSTILE, [Column(HOSTILE, (HOSTILE,), key=True), Column("n", ("1",))])
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().count(HOSTILE) == 3


def test_the_consoles_print_text_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr("sys.stderr", out)
    terminal_table.console(stderr=True).print(HOSTILE)
    progress.watcher().note(HOSTILE)
    assert out.getvalue().split("\n")[:2] == [HOSTILE, HOSTILE]


def test_every_console_of_the_commands_comes_from_one_place() -> None:
    for path in (ROOT / "edgesim" / "cli").glob("*.py"):
        calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        made = [node for node in calls if isinstance(node.func, ast.Name) and node.func.id == "Console"]
        assert len(made) == (path.name == "terminal_table.py"), path.name


def test_a_cluster_of_the_environment_is_named_and_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert unused_address() == ""
    assert ray_startup.where("auto") == "auto"
    monkeypatch.setenv("RAY_ADDRESS", "10.255.255.1:6379")
    assert unused_address() == (
        "RAY_ADDRESS=10.255.255.1:6379 is not used; give --address 10.255.255.1:6379 to run on that cluster"
    )
    assert ray_startup.where("auto") == "10.255.255.1:6379 (RAY_ADDRESS)"
    assert ray_startup.where("1.2.3.4:1") == "1.2.3.4:1"


def test_a_run_says_what_it_is(make_scenario: Make, tmp_path: Path) -> None:
    scenario = make_scenario(training__epochs=1, pruning__methods=["full", "random"], pruning__keep_ratio=[0.2, 0.5])
    run = edgesim.run(scenario, tmp_path / "run", executor=SerialExecutor())
    lines = dict(line.split(None, 1) for line in repr(run).splitlines()[1:])
    assert repr(run).startswith("Run of tiny\n")
    assert lines["status"] == "finished"
    assert lines["folder"] == str(tmp_path / "run")
    assert lines["trials"] == "9: 9 ok"
    assert lines["methods"] == "full, random"
    means = run.records.groupby(["method", "keep_ratio"])["test_accuracy"].mean()
    method, ratio = means.idxmax()
    assert (
        lines["best"]
        == f"{method} at keep ratio {ratio:.4g}: test accuracy {100 * means.max():.1f} % (mean of 3 trials)"
    )
    assert "<td>9: 9 ok</td>" in run._repr_html_()
