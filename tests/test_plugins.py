from __future__ import annotations

import sys
from collections import OrderedDict
from pathlib import Path

import pytest

from edgesim.config import registry
from edgesim.errors import EdgesimError


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory; the search path is put back afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path


def test_a_class_and_a_function_beside_the_scenario(here: Path) -> None:
    (here / "plug_own.py").write_text("class Net:\n    pass\n\ndef make():\n    return 7\n")
    assert registry.load("plug_own:Net").__name__ == "Net"
    assert registry.load("plug_own:make")() == 7


def test_a_dotted_module(here: Path) -> None:
    (here / "plug_pack").mkdir()
    (here / "plug_pack" / "inner.py").write_text("def make():\n    return 'inner'\n")
    assert registry.load("plug_pack.inner:make")() == "inner"


def test_an_installed_class() -> None:
    assert registry.load("collections:OrderedDict") is OrderedDict


def test_the_current_directory_comes_first_while_importing_and_last_afterwards(here: Path) -> None:
    (here / "plug_path.py").write_text("import sys\nfirst = sys.path[0]\ndef make():\n    return first\n")
    assert registry.load("plug_path:make")() == str(here)
    assert sys.path[-1] == str(here)
    assert sys.path.count(str(here)) == 1


@pytest.mark.parametrize("name", ["resnet8", "module:", ":Name", "a b:Name", "a:b:c", "a.:Name", "a:3d", "a:b.c"])
def test_malformed(name: str) -> None:
    with pytest.raises(EdgesimError, match=r"must be written as package\.module:Name"):
        registry.load(name)


@pytest.mark.parametrize(
    ("name", "missing"), [("plug_nowhere:Net", "plug_nowhere"), ("plug_nowhere.nets:Net", "plug_nowhere")]
)
def test_no_such_module(here: Path, name: str, missing: str) -> None:
    with pytest.raises(EdgesimError, match=f"no module '{missing}'; looked in the current directory") as caught:
        registry.load(name)
    assert str(here) in str(caught.value)


@pytest.mark.parametrize(
    ("body", "kind", "line"),
    [
        ("import os\nimport plug_not_installed\n", "ModuleNotFoundError", 2),
        ("x = 1\n\ndef broken(:\n    pass\n", "SyntaxError", 3),
        ("x = 1\ny = x / 0\n", "ZeroDivisionError", 2),
        ("raise ValueError('own words')\n", "ValueError: own words", 1),
    ],
)
def test_a_module_that_fails_on_import(here: Path, body: str, kind: str, line: int) -> None:
    module = f"plug_fails_{line}_{len(body)}"
    (here / f"{module}.py").write_text(body)
    with pytest.raises(EdgesimError, match=f"'{module}' fails on import: {kind}") as caught:
        registry.load(f"{module}:Net")
    assert f"{module}.py, line {line}" in str(caught.value)


def test_no_such_attribute_names_the_nearest(here: Path) -> None:
    (here / "plug_near.py").write_text("class TinyNet:\n    pass\n")
    with pytest.raises(EdgesimError, match=r"plug_near\.py\) has no 'TinyNett' \(did you mean 'TinyNet'\?\)"):
        registry.load("plug_near:TinyNett")


def test_not_callable(here: Path) -> None:
    (here / "plug_value.py").write_text("width = 3\n")
    with pytest.raises(EdgesimError, match="'plug_value:width' is a value of type int"):
        registry.load("plug_value:width")


def test_an_interrupt_gets_through(here: Path) -> None:
    (here / "plug_interrupt.py").write_text("raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        registry.load("plug_interrupt:Net")


def test_what_is_meant_as_a_reference() -> None:
    assert registry.is_reference("a.b:C")
    assert registry.is_reference("a:")
    assert not registry.is_reference("resnet8")
