"""Limits of the package that neither import-linter nor ruff can state, and import-linter's own contracts.

The contracts are in pyproject.toml: which room may import which, and which packages belong to one room.
"""

from __future__ import annotations

import ast
import statistics
import subprocess
import sys
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "edgesim"


@pytest.fixture(scope="module")
def sources() -> dict[str, str]:
    """Text of every module, by its path below the package."""
    return {path.relative_to(PACKAGE).as_posix(): path.read_text() for path in sorted(PACKAGE.rglob("*.py"))}


def test_import_contracts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.syspath_prepend(str(ROOT))
    assert lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True) == 0


def test_rooms_are_few(sources: dict[str, str]) -> None:
    rooms = {name.split("/")[0].removesuffix(".py") for name in sources} - {"__init__"}
    assert len(rooms) <= 24, sorted(rooms)


def test_imports_are_absolute(sources: dict[str, str]) -> None:
    relative = [
        f"{name}:{node.lineno}"
        for name, text in sources.items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []


def test_lengths_of_modules(sources: dict[str, str]) -> None:
    lines = {name: len(text.splitlines()) for name, text in sources.items()}
    assert {name: count for name, count in lines.items() if count > 330} == {}
    assert statistics.median(lines.values()) <= 180


def test_lengths_of_functions(sources: dict[str, str]) -> None:
    """Ruff limits statements and arguments; lines of a body are counted here, as is `**kwargs`."""
    faults = []
    for name, text in sources.items():
        for node in ast.walk(ast.parse(text)):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            body = node.body[1:] if ast.get_docstring(node) else node.body
            length = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
            if length > 55:
                faults.append(f"{name}:{node.lineno}: {node.name} has {length} lines")
            if node.args.kwarg:
                faults.append(f"{name}:{node.lineno}: {node.name} takes **{node.args.kwarg.arg}")
    assert faults == []


def test_no_global_random_state(sources: dict[str, str]) -> None:
    words = ("np.random.seed", "torch.manual_seed", "random.seed(")
    assert [
        f"{name} uses {word}" for name, text in sources.items() if name != "seeds.py" for word in words if word in text
    ] == []


def test_a_table_of_names_needs_no_torch() -> None:
    """`validate` and `list` start fast because nothing below them imports torch, ray or pandas."""
    code = (
        "import sys, edgesim.scenario.loading, edgesim.scenario.schema\n"
        "heavy = {'torch', 'ray', 'pandas', 'sklearn', 'torchvision'} & set(sys.modules)\n"
        "print(sorted(heavy)); sys.exit(bool(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
