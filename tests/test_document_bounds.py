"""Documents that are small and cost much, and values that no place takes: refused at once, by place and bound."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fuzz import command_lines

import edgesim
from edgesim.config import strict_yaml
from edgesim.errors import MAX_LINE, EdgesimError, ScenarioError, shortened
from edgesim.scenario.loading import Scenario

BASE: dict[str, Any] = {
    "dataset": "digits",
    "partition": "iid",
    "fleet": {"groups": [{"profile": "raspberry-pi-5", "count": 1}]},
    "model": "mlp",
    "pruning": {"methods": ["full"], "keep_ratio": 0.5},
}
BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 10)
)
"""nine aliases of nine aliases …: 9^10 values in 400 bytes"""


def group(**changes: Any) -> dict[str, Any]:
    return {"fleet": {"groups": [{"profile": "raspberry-pi-5", "count": 1, **changes}]}}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 100_000, "line 1, column 41: has lists or maps more than 40 deep"),
        ("{" * 100_000, "line 1, column 41: has lists or maps more than 40 deep"),
        ("- " * 100_000 + "x", "line 1, column 81: has lists or maps more than 40 deep"),
        ("? " * 5_000, "has lists or maps more than 40 deep"),
        (BOMB, "holds more than 200,000 values, those of an alias (*name) counted as often as it stands"),
        ("a: &a [*a]", "holds itself"),
        ("a: " + "9" * 4_000, "a number of 4,000 digits; at most 400 are read"),
        ("b: 1\na: " + "9" * 4_000, "line 2, column 4: a value cannot be read"),
        ("b: 1\na: [2, !!bool maybe]", "line 2, column 8: a value cannot be read"),
        ("a: " + "9" * 30, "a: is an integer of 31 digits; at most 9,223,372,036,854,775,807 is allowed"),
        ("a: " + "x" * 20_000, "line 1, column 4: has 20,000 characters; at most 10,000 are read"),
        ('a: "b\\0c"', "a: holds the control character"),
    ],
)
def test_a_small_text_costs_nothing(text: str, words: str) -> None:
    began = time.process_time()
    with pytest.raises(ScenarioError) as caught:
        strict_yaml.parse(text, "s.yaml")
    assert words in str(caught.value)
    assert time.process_time() - began < 2


def test_what_is_within_the_bounds_is_read() -> None:
    deep = "a: " + "[" * 39 + "]" * 39
    assert strict_yaml.parse(deep, "s.yaml")["a"]
    assert strict_yaml.parse("a: &x [1, 2]\nb: [*x, *x]", "s.yaml")["b"] == [[1, 2], [1, 2]]
    assert strict_yaml.parse("a: " + "1" * 300 + ".5", "s.yaml")["a"] == pytest.approx(1.1111111111111111e299)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"fleet": "/dev/zero"}, "is no regular file (a device or a pipe), and a fleet is a YAML file"),
        ({"fleet": "a\0b"}, "fleet: holds the control character"),
        ({"fleet": "~nouser/x"}, "is no path"),
        ({"fleet": "x" * 5_000}, "is no path: File name too long"),
        (group(profile="x" * 5_000), "is no path: File name too long"),
        (group(profile="~nouser/x.yaml"), "is no path"),
        (group(profile=["a"]), "fleet.groups[0].profile"),
        (group(count=10**9), "fleet.groups[0].count: should be less than or equal to 1000000"),
        (group(count=10**18), "fleet.groups[0].count"),
        (group(count=int("9" * 4_000)), "fleet.groups[0].count: is an integer of 4001 digits"),
        ({"seeds": list(range(20_000))}, "seeds: lists 20,000 seeds; at most 10,000 are allowed"),
        ({"seeds": 2**64}, "seeds: is an integer of 20 digits"),
        (
            {"pruning": {"methods": ["full"], "keep_ratio": [i / 1e5 for i in range(1, 5_000)]}},
            "at most 1,000 are allowed",
        ),
        ({"dataset": {"name": "npz", "root": {"a": [[[[1]]]]}}}, "dataset"),
    ],
)
def test_a_scenario_beyond_a_bound_is_refused_by_its_place(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        edgesim.load_scenario({**BASE, **changes})
    assert words in str(caught.value)
    assert all(len(line) <= MAX_LINE for line in str(caught.value).splitlines())


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"pruning__scores_from": "~nouser/x"}, "pruning.scores_from"),
        ({"dataset": {"name": "npz", "root": "~nouser/x"}}, "dataset.root"),
        (
            {"pruning__keep_ratio": {"objective": {"accuracy_from": "~nouser/x", "lambda": 1}}},
            "pruning.keep_ratio.objective.accuracy_from",
        ),
    ],
)
def test_a_folder_that_is_no_path_is_named_by_its_place(
    make_scenario: Callable[..., Scenario], changes: dict[str, Any], place: str
) -> None:
    """While loading already, before any data are read."""
    with pytest.raises(ScenarioError) as caught:
        make_scenario(**changes)
    assert [fault.path for fault in caught.value.faults] == [place]


SHORT: list[Any] = [
    [],
    [5],
    [[]],
    [[5]],
    [[None]],
    [[1, 2], [3]],
    ["x"],
    [{}],
    [[[1], 2]],
    [[1, 2, 3]],
    7,
    None,
    [True],
]
"""lists of pairs in which an entry is no pair of numbers"""


@pytest.mark.parametrize("given", SHORT, ids=str)
def test_pairs_that_are_none_are_faults_at_their_place(given: Any) -> None:
    """Points of a curve, windows, and steps of a harvest trace, in a scenario and on the command line."""
    curve = {"objective": {"lambda": 1, "accuracy_curve": given}}
    trace = {"source": "harvest", "capacity_j": 9, "period_s": 60, "harvest_w": given}
    for changes, path in (
        ({"pruning": {"methods": ["full"], "keep_ratio": curve}}, "pruning.keep_ratio.objective"),
        (group(available={"period_s": 60, "windows": given}), "fleet.groups[0].available"),
        (group(energy=trace), "fleet.groups[0].energy"),
    ):
        with pytest.raises(ScenarioError) as caught:
            edgesim.load_scenario({**BASE, **changes})
        assert all(fault.path.startswith(path) for fault in caught.value.faults)
    with pytest.raises(ScenarioError, match=r"pruning\.keep_ratio\.objective"):
        edgesim.load_scenario(BASE, {"pruning.keep_ratio": curve})


@pytest.mark.parametrize("word", ["a\0b", "~nouser/x", "x" * 5_000, "/dev/zero", "\udcff", "9" * 4_000, "1" + "0" * 18])
def test_no_word_of_a_command_line_ends_in_a_traceback(word: str, tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text(strict_yaml.dump(BASE), encoding="utf-8")
    for words in (
        ["validate", word], ["validate", "good.yaml", "--set", f"dataset={{name: npz, root: '{word}'}}", "--data"],
        ["validate", "good.yaml", "--set", f"training.epochs={word}"], ["validate", "good.yaml", "--set", f"{word}=1"],
        ["plan", word, "--out", word], ["plan", "good.yaml", "--out", word], ["report", word, "--out", word],
        ["compare", word, word], ["compare", word, "--fleet", word], ["list", word], ["schema", word],
        ["init", f"{word}/x.yaml"], ["report", word],
        ["predict", "--profile", word, "--model", "mlp", "--input", "1x8x8", "--batch-size", "1"],
    ):  # fmt: skip
        code, told = command_lines.run(words, tmp_path)
        assert code in (1, 2), words
        assert told.strip(), words
        assert all(len(line) <= 2 * MAX_LINE for line in told.splitlines())


def test_a_fleet_of_counts_that_sum_beyond_the_bound() -> None:
    profiles = ("raspberry-pi-5", "raspberry-pi-4b")
    fleet = {"groups": [{"profile": name, "count": 600_000} for name in profiles]}
    with pytest.raises(ScenarioError, match="the counts sum to 1,200,000; at most 1,000,000 devices are allowed"):
        edgesim.load_scenario({**BASE, "fleet": fleet})


@pytest.mark.parametrize("name", ["/dev/zero", "/dev/null", "/proc/self/mem", "~nouser/x", "x" * 5_000, "a\0b", "/tmp"])
def test_what_is_no_file_is_no_scenario(name: str) -> None:
    with pytest.raises(EdgesimError):
        edgesim.load_scenario(name)


def test_a_file_of_five_megabytes_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text("# " + "x" * 5_000_000)
    with pytest.raises(ScenarioError, match="has more than 4,194,304 bytes"):
        edgesim.load_scenario(file)


def test_a_file_that_is_no_document_is_not_printed(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("user:secret-word:0:0\nother:secret-word:1:1\n")
    for changes in ({"fleet": str(tmp_path / "secret.txt")}, group(profile=str(tmp_path / "secret.txt"))):
        with pytest.raises(ScenarioError, match=r"not a single value \(text of 42 characters\)") as caught:
            edgesim.load_scenario({**BASE, **changes})
        assert "secret-word" not in str(caught.value)


def test_messages_keep_their_beginning_and_end() -> None:
    assert shortened("short") == "short"
    cut = shortened("a" * 3_000 + "end")
    assert len(cut) <= MAX_LINE
    assert cut.startswith("aaa")
    assert cut.endswith("end")
    assert "[3,003 characters]" in cut
    assert len(str(EdgesimError("b" * 9_000))) <= MAX_LINE
