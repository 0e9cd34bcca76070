"""The rooms of the package, each with the first sentence of its docstring."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import edgesim
from generators.markdown import code, table

PACKAGE = Path(edgesim.__file__).parent


def rooms() -> str:
    """Every package and module directly below `edgesim` with its purpose, in the order of the layers, top first."""
    found = [(code(f"edgesim/{path.name}" + ("/" if path.is_dir() else "")), purpose(path)) for path in _top_level()]
    return table(("room", "purpose"), found)


def modules() -> str:
    """Every module of every room, with its purpose."""
    files = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")
    return table(("file", "purpose"), [(code(f"edgesim/{file.relative_to(PACKAGE)}"), purpose(file)) for file in files])


def purpose(path: Path) -> str:
    """The first paragraph of the docstring of a module or package, on one line."""
    source = path / "__init__.py" if path.is_dir() else path
    text = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or ""
    return " ".join(text.split("\n\n")[0].split())


def _top_level() -> list[Path]:
    packages = [path for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()]
    single = [path for path in PACKAGE.glob("*.py") if path.name != "__init__.py"]
    order = layers()
    return sorted([*packages, *single], key=lambda path: order.index(path.stem))


def layers() -> list[str]:
    """Rooms from the highest layer to the lowest, as the import contracts of pyproject.toml have them."""
    settings = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    (rows,) = (contract["layers"] for contract in settings["contracts"] if contract["type"] == "layers")
    return [room.strip() for row in rows for room in row.split("|")]
