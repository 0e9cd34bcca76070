from __future__ import annotations

import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import yaml
from commands import command
from conftest import DOCUMENT

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


def test_rows_of_a_table_are_imported_when_they_are_asked_for(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "plug_rows.py").write_text("class B:\n    pass\n")
    monkeypatch.syspath_prepend(str(here))
    rows: registry.ImportedRows[object] = registry.ImportedRows({"b": "plug_rows:B", "a": "collections:OrderedDict"})
    assert ("b" in rows, "c" in rows, len(rows), list(rows)) == (True, False, 2, ["b", "a"])
    assert "plug_rows" not in sys.modules
    assert rows["a"] is OrderedDict
    assert "plug_rows" not in sys.modules
    assert dict(rows) == {"b": sys.modules["plug_rows"].B, "a": OrderedDict}
    with pytest.raises(KeyError, match="c"):
        rows["c"]


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


HEAD = "import dataclasses, sys\nfrom edgesim.pruning import Method\n"
"""of a user's module: the next line is its third"""
BROKEN = {
    "own exception": ("class Own(BaseException):\n    pass\nraise Own('words')\n", "Own: words", 5),
    "exit": ("sys.exit(0)\n", "it leaves Python by sys.exit(0); a module must not", 3),
    "exit with text": ("raise SystemExit('bye')\n", "it leaves Python by sys.exit('bye')", 3),
    "kind of exit": ("class Own(SystemExit):\n    pass\nraise Own\n", "it leaves Python by sys.exit", 5),
    "kind of interrupt": ("class Own(KeyboardInterrupt):\n    pass\nraise Own\n", "Own", 5),
    "system error": ("open('/no/such/file')\n", "FileNotFoundError", 3),
    "in a library": ("import json\njson.loads('{')\n", "JSONDecodeError", 4),
    "no text": (
        "class Own(Exception):\n    def __str__(self):\n        raise ValueError\nraise Own\n",
        "Own, whose text cannot be read",
        6,
    ),
    "attributes": ("def __getattr__(name):\n    raise ZeroDivisionError(name)\n", "ZeroDivisionError", 4),
    "made": (
        "@dataclasses.dataclass(frozen=True)\nclass Mine(Method):\n    def __post_init__(self):\n        sys.exit(0)\n"
        "    def score(self, context): ...\n",
        "cannot be made of its arguments: it leaves Python by sys.exit(0)",
        6,
    ),
    "made, own exception": (
        "@dataclasses.dataclass(frozen=True)\nclass Mine(Method):\n    def __post_init__(self):\n"
        "        raise OSError(5)\n"
        "    def score(self, context): ...\n",
        "cannot be made of its arguments: OSError: 5",
        6,
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_module_that_raises_anything_is_a_fault_of_the_scenario(kind: str, here: Path) -> None:
    """`validate` leaves with 2, never with 0 or a traceback, and names the YAML path, the file and the line."""
    body, words, line = BROKEN[kind]
    module = f"plug_broken_{list(BROKEN).index(kind)}"
    (here / f"{module}.py").write_text(HEAD + body)
    document = {**DOCUMENT, "pruning": {"methods": [f"{module}:Mine"], "keep_ratio": 0.5}}
    (here / "mine.yaml").write_text(yaml.safe_dump(document))
    done = command("validate", "mine.yaml", cwd=here)
    assert done.returncode == 2
    assert f"pruning.methods[0]{'' if kind.startswith('made') else '.name'}: " in done.stderr
    assert words in done.stderr
    assert f"{module}.py, line {line})" in done.stderr


PARTS = """import dataclasses, sys
import torch
from edgesim.data.datasets import DatasetSource
from edgesim.pruning import Method
@dataclasses.dataclass(frozen=True)
class Data(DatasetSource):
    def load(self, base):
        sys.exit(0)
@dataclasses.dataclass(frozen=True)
class Parts:
    def split(self, labels, n_devices, seed):
        raise LookupError("no such device")
class Net(torch.nn.Module):
    def __init__(self, input_shape, num_classes):
        sys.exit(0)
@dataclasses.dataclass(frozen=True)
class Keeps(Method):
    def needs(self, shard):
        return 1 / 0
    def score(self, context): ...
"""


@pytest.mark.parametrize(
    ("section", "value", "line"),
    [
        ("dataset", "plug_parts:Data", 8),
        ("partition", "plug_parts:Parts", 12),
        ("model", "plug_parts:Net", 15),
        ("pruning", {"methods": ["plug_parts:Keeps"], "keep_ratio": 0.5}, 19),
    ],
)
def test_code_of_a_user_that_raises_in_a_plan_is_an_error_with_its_place(
    section: str, value: Any, line: int, here: Path
) -> None:
    (here / "plug_parts.py").write_text(PARTS)
    (here / "mine.yaml").write_text(yaml.safe_dump({**DOCUMENT, section: value}))
    done = command("plan", "mine.yaml", cwd=here)
    assert done.returncode == 2, done.stderr
    assert f"plug_parts.py, line {line})" in done.stderr
