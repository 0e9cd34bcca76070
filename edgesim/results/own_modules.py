"""Source files of a user's own classes: the module of each, and the modules beside it that it imports."""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from edgesim.config.registry import NamedPlugin, is_reference

OWN_PACKAGE = "edgesim"
"""package whose content is part of a run's identity by itself"""
_INSTALLED = ("site-packages", "dist-packages")


def hashes(plugins: Iterable[NamedPlugin]) -> dict[str, str]:
    """Module -> hash of its source file: modules of plug-ins that are not edgesim's, and of all that they import.

    Only modules in the folder of the plug-in's own top-level module count, of an installed package only its own. The
    imports are read from the source, so that those inside functions count, too.

    Args:
        plugins: as the scenario binds them.
    """
    found: dict[str, str] = {}
    for plugin in plugins:
        named = plugin.name.partition(":")[0] if is_reference(plugin.name) else ""
        for name in dict.fromkeys((named, type(plugin.plugin).__module__)):
            file = getattr(sys.modules.get(name), "__file__", None)
            if file is None or name.partition(".")[0] == OWN_PACKAGE:
                continue
            path = Path(file).resolve()
            root = path.parents[name.count(".") + (path.name == "__init__.py")]
            _collect(root, path.stem if name == "__main__" else name, found)
    return found


def _collect(root: Path, name: str, found: dict[str, str]) -> None:
    """Add a module of a folder, and all that it imports from there."""
    waiting = [name]
    while waiting:
        current = waiting.pop()
        top = current.partition(".")[0]
        foreign = root.name in _INSTALLED and top != name.partition(".")[0]
        file = None if foreign or top == OWN_PACKAGE or current in found else _file(root, current)
        if file is None:
            continue
        source = file.read_bytes()
        found[current] = hashlib.blake2b(source, digest_size=8).hexdigest()
        package = current if file.name == "__init__.py" else current.rpartition(".")[0]
        for imported in _imports(source, package):
            parts = imported.split(".")  # importing a.b.c runs a and a.b, too
            waiting += [".".join(parts[:length]) for length in range(1, len(parts) + 1)]


def _file(root: Path, name: str) -> Path | None:
    """The source file of a module in a folder."""
    stem = root.joinpath(*name.split("."))
    return next((file for file in (stem.with_suffix(".py"), stem / "__init__.py") if file.is_file()), None)


def _imports(source: bytes, package: str) -> Iterator[str]:
    """Names of the modules that a source may import."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):  # changed since it was imported
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".") if package else []
            above = parts[: len(parts) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            if base:
                yield base
            yield from (f"{base}.{alias.name}" if base else alias.name for alias in node.names)
