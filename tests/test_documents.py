"""YAML is read strictly and safely, and bound to dataclasses with every fault at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field
from pydantic._internal._generate_schema import GenerateSchema
from pydantic.dataclasses import dataclass

from edgesim.config import validation
from edgesim.config.checked_dataclass import adapter, checked_dataclass
from edgesim.errors import Fault, ScenarioError


@dataclass(frozen=True)
class Inner:
    depth: Annotated[int, Field(ge=1)] = 1


@dataclass(frozen=True)
class Outer:
    rate: Annotated[float, Field(gt=0)]
    name: str = "x"
    inner: Inner = Inner()
    sizes: tuple[int, ...] = ()


def faults_of(text: str) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        validation.parse(text, "file.yaml")
    return [str(fault) for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-3", 0.001), ("1E5", 1e5), ("-2e+3", -2000.0), ("4.8e10", 4.8e10), ("1.5", 1.5), ("7", 7), ("1e3x", "1e3x")],
)
def test_numbers_are_read_as_people_write_them(text: str, value: object) -> None:
    read = validation.parse(f"a: {text}", "x")["a"]
    assert read == value
    assert type(read) is type(value)


def test_a_date_stays_text() -> None:
    assert validation.parse("a: 2024-01-02", "x") == {"a": "2024-01-02"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the file is empty"),
        ("# only a comment\n", "the file is empty"),
        ("- a\n- b\n", "must be a map (key: value), not a list"),
        ("just text", "must be a map"),
        ("a: 1\na: 2\n", "line 2, column 1: the key 'a' is given twice"),
        ("a: [1, 2\nb: 3\n", "line 2"),
        ("a: !!python/object/apply:os.system ['true']", "could run code"),
        ("a: !!python/name:os.system", "could run code"),
        ("1: x", "a key must be a word"),
    ],
)
def test_bad_text(text: str, words: str) -> None:
    (fault,) = faults_of(text)
    assert words in fault


def test_a_tag_that_would_run_code_runs_nothing(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    assert faults_of(f"a: !!python/object/apply:os.mkdir ['{witness}']")
    assert not witness.exists()


def test_a_missing_file_names_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "quickstart.yaml").write_text("a: 1")
    with pytest.raises(ScenarioError, match=r"no such file .did you mean 'quickstart\.yaml'"):
        validation.read(tmp_path / "quikstart.yaml")


def test_build_gives_the_dataclass() -> None:
    faults: list[Fault] = []
    built = validation.build(Outer, {"rate": 2, "inner": {"depth": 3}, "sizes": [1, 2]}, "top", faults)
    assert faults == []
    assert built == Outer(rate=2.0, inner=Inner(depth=3), sizes=(1, 2))


def test_checks_of_a_class_are_built_once(monkeypatch: pytest.MonkeyPatch) -> None:
    @checked_dataclass()
    class Lamp:
        watts: Annotated[float, Field(gt=0)] = 5.0

    made: list[object] = []
    build_checks = GenerateSchema.generate_schema
    monkeypatch.setattr(GenerateSchema, "generate_schema", lambda self, of: made.append(of) or build_checks(self, of))
    faults: list[Fault] = []
    assert [validation.build(Lamp, {"watts": w}, "lamp", faults) for w in (1.0, 2.0)] == [Lamp(1.0), Lamp(2.0)]
    assert adapter(Lamp).dump_python(Lamp()) == {"watts": 5.0}
    assert made.count(Lamp) == 1
    assert faults == []


def test_build_reports_every_fault_with_its_path() -> None:
    faults: list[Fault] = []
    given = {"rate": -1, "nme": "y", "inner": {"depth": "deep"}, "sizes": [1, True]}
    assert validation.build(Outer, given, "top", faults) is None
    listed = {fault.path: fault.message for fault in faults}
    assert set(listed) == {"top.rate", "top.nme", "top.inner.depth", "top.sizes[1]"}
    assert "greater than 0; got a number (-1)" in listed["top.rate"]
    assert "did you mean 'name'" in listed["top.nme"]
    assert "allowed: inner, name, rate, sizes" in listed["top.nme"]
    assert "integer; got text ('deep')" in listed["top.inner.depth"]


def test_build_names_unknown_keys_inside_nested_maps() -> None:
    faults: list[Fault] = []
    assert validation.build(Outer, {"rate": 1, "inner": {"dpth": 2}}, "top", faults) is None
    (fault,) = faults
    assert fault.path == "top.inner.dpth"
    assert "did you mean 'depth'" in fault.message


def test_build_reports_a_missing_value() -> None:
    faults: list[Fault] = []
    assert validation.build(Outer, {}, "top", faults) is None
    assert [str(fault) for fault in faults] == ["top.rate: is missing and has no default"]


def test_text_is_no_number_and_a_number_no_truth() -> None:
    faults: list[Fault] = []
    validation.build(Outer, {"rate": "2"}, "", faults)
    assert [fault.path for fault in faults] == ["rate"]


def test_override() -> None:
    document = {"model": "mlp", "training": {"epochs": 1}, "list": [{"a": 1}]}
    faults: list[Fault] = []
    validation.override(
        document, ["training.epochs=3", "model.widths=[8]", "list[0].a=1e-2", "cost.w=2"], {"model"}, faults
    )
    assert faults == []
    assert document == {
        "model": {"name": "mlp", "widths": [8]},
        "training": {"epochs": 3},
        "list": [{"a": 0.01}],
        "cost": {"w": 2},
    }
    validation.override(document, ["list[4].a=1", "nonsense", "a=[", "training.epochs.deep=1"], (), faults)
    assert {fault.path for fault in faults} == {
        "--set list[4].a",
        "--set nonsense",
        "--set a=[",
        "--set training.epochs.deep",
    }


def test_override_reaches_into_names_of_a_list() -> None:
    document = {"pruning": {"methods": ["full", "ccs"]}, "fleet": "site.yaml"}
    faults: list[Fault] = []
    validation.override(document, ["pruning.methods[1].cutoff=0.2", "fleet.spread=1"], {"fleet.x"}, faults)
    assert document["pruning"] == {"methods": ["full", {"name": "ccs", "cutoff": 0.2}]}
    assert [str(fault) for fault in faults] == [
        "--set fleet.spread: there is no fleet.spread to set: fleet is text ('site.yaml')"
    ]
