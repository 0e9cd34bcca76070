"""The command `edgesim` with the times of its stages.

    python marked_run.py FILE run SCENARIO …

Functions of the program are wrapped as their modules are imported, so that nothing is imported earlier than by the
program itself. FILE gets one line per mark: its name and time.time().
"""

from __future__ import annotations

import functools
import importlib.abc
import importlib.machinery
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

MARKED = {
    "edgesim.scenario.loading": ("", "load", "scenario"),
    "edgesim.runtime.ray_executor": ("RayExecutor", "__init__", "ray"),
    "edgesim.sessions.opening": ("", "opened", "opening"),
    "edgesim.results.linked_runs": ("", "planned", "plan"),
}
"""module -> class or none, function, name of its two marks: `<name> begins` and `<name> ends`"""
OPEN = "hosts"
"""marks of RayExecutor.open"""


class Marks(importlib.abc.MetaPathFinder):
    """Finder that wraps functions of some modules once these are imported."""

    def __init__(self, file: Path):
        """Begin the file."""
        self._file = file
        self.note("interpreter")

    def note(self, name: str) -> None:
        """Add a mark."""
        with self._file.open("a") as file:
            file.write(f"{time.time()!r} {name}\n")

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        """The spec of a module of MARKED; others are left to Python."""
        spec = importlib.machinery.PathFinder.find_spec(fullname, path) if fullname in MARKED else None
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def exec_module(module: Any) -> None:
            execute(module)
            owner_name, function, mark = MARKED[fullname]
            owner = getattr(module, owner_name) if owner_name else module
            setattr(owner, function, self._marked(getattr(owner, function), mark))
            if owner_name:
                owner.open = self._marked(owner.open, OPEN)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec

    def _marked(self, function: Callable[..., Any], mark: str) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            self.note(f"{mark} begins")
            try:
                return function(*args, **kwargs)
            finally:
                self.note(f"{mark} ends")

        return call


if __name__ == "__main__":
    sys.meta_path.insert(0, Marks(Path(sys.argv.pop(1))))
    sys.argv[0] = "edgesim"
    from edgesim.cli import main

    main()
