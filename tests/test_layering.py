"""The package keeps to its layers and its sizes: read from the source, nothing is imported."""

from __future__ import annotations

import ast
import statistics
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "edgesim"

# Lowest first. A module may import from the rows below its own, and inside its own row's package.
ROWS = [
    {"errors"},
    {"formatting"},
    {"work"},
    {"ranked_samples", "repeats"},
    {"records"},
    {"seeds"},
    {"config"},
    {"hardware"},
    {"cost"},
    {"data"},
    {"models"},
    {"training"},
    {"calibration"},
    {"pruning"},
    {"scenario"},
    {"planning"},
    {"runtime"},
    {"results"},
    {"preflight"},
    {"api"},
    {"analysis"},
    {"report"},
    {"cli"},
]
RANK = {name: rank for rank, row in enumerate(ROWS) for name in row}
# The columns "simulate" and "report" meet only in records and cli.
SIMULATE = {"hardware", "cost", "data", "models", "training", "pruning", "scenario", "planning", "runtime"}
ONLY_HERE = {
    "yaml": {"config"},
    "ray": {"runtime"},
    "plotly": {"report"},
    "typer": {"cli"},
    "rich": {"cli"},
}
NO_TORCH = {
    "errors",
    "formatting",
    "ranked_samples",
    "repeats",
    "config",
    "hardware",
    "cost",
    "scenario",
    "planning",
    "results",
    "analysis",
    "report",
}


def modules() -> dict[str, Path]:
    return {path.relative_to(PACKAGE).as_posix(): path for path in sorted(PACKAGE.rglob("*.py"))}


def part_of(path: Path) -> str:
    """The row that a file belongs to: its package below edgesim, or its own name."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[0]


def imports(path: Path) -> list[tuple[str, int]]:
    """Every absolute module that a file imports anywhere in it, with the line."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            found += [(f"{node.module}.{alias.name}", node.lineno) for alias in node.names]
    return found


@pytest.mark.parametrize("name", modules())
def test_imports_go_down_only(name: str) -> None:
    path = modules()[name]
    own = part_of(path)
    if own == "__init__":
        return  # the public names, imported when first used
    for imported, line in imports(path):
        top, *rest = imported.split(".")
        if top == "edgesim" and rest and rest[0] in RANK and rest[0] != own:
            assert RANK[rest[0]] < RANK[own], f"{name}:{line}: {own} must not import {rest[0]}"
        if top in ONLY_HERE:
            assert own in ONLY_HERE[top], f"{name}:{line}: {top} belongs to {ONLY_HERE[top]} only"
        if own in NO_TORCH:
            assert top not in ("torch", "torchvision"), f"{name}:{line}: {own} does without torch"
        if own in ("analysis", "report") and top == "edgesim" and rest:
            assert rest[0] not in SIMULATE, f"{name}:{line}: reports read tables, not {rest[0]}"


def test_every_module_has_a_row() -> None:
    assert {part_of(path) for path in modules().values()} - {"__init__"} == set(RANK)


def test_sizes() -> None:
    lines = {name: len(path.read_text().splitlines()) for name, path in modules().items()}
    assert {name: count for name, count in lines.items() if count > 330} == {}
    assert statistics.median(lines.values()) <= 180


@pytest.mark.parametrize("name", modules())
def test_functions_stay_short_and_narrow(name: str) -> None:
    for node in ast.walk(ast.parse(modules()[name].read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            length = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
            assert length <= 55, f"{name}:{node.lineno}: {node.name} has {length} lines"
            names = [a.arg for a in node.args.args if a.arg not in ("self", "cls")]
            is_command = any("command" in ast.unparse(d) for d in node.decorator_list)
            assert is_command or len(names) <= 7, f"{name}:{node.lineno}: {node.name} takes {len(names)} arguments"
            assert node.args.kwarg is None, (
                f"{name}:{node.lineno}: {node.name} takes **{node.args.kwarg and node.args.kwarg.arg}"
            )


@pytest.mark.parametrize("name", modules())
def test_no_global_random_state(name: str) -> None:
    allowed = {"seeds.py"}
    text = modules()[name].read_text()
    for word in ("np.random.seed", "torch.manual_seed", "random.seed("):
        assert name in allowed or word not in text, f"{name} uses {word}"


def test_a_table_of_names_needs_no_torch(tmp_path: Path) -> None:
    """`validate` and `list` start fast because nothing below them imports torch, ray or pandas."""
    import subprocess
    import sys

    code = (
        "import sys, edgesim.scenario.loading, edgesim.scenario.schema\n"
        "heavy = {'torch', 'ray', 'pandas', 'sklearn', 'torchvision'} & set(sys.modules)\n"
        "print(sorted(heavy)); sys.exit(bool(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
