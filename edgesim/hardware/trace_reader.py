"""Trace files that a scenario names, each read once. Their readers are imported when the first file is asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgesim.hardware.client_windows import ClientWindows
    from edgesim.hardware.trace_table import Table


@dataclass
class TraceReader:
    """Trace files of a scenario, each read once."""

    folder: Path
    """where relative names start"""
    found: dict[str, tuple[Table | ClientWindows, str]] = field(default_factory=dict)

    def read(self, name: str, also: Path | None = None) -> Table | ClientWindows:
        """The file of that name; `also` is one more folder where it may lie.

        Raises:
            DataError, ScenarioError: it is missing, or cannot be read.
        """
        from edgesim.hardware import trace_files

        if name not in self.found:
            self.found[name] = trace_files.read(trace_files.locate(name, self.folder, also), name)
        return self.found[name][0]

    def keys(self) -> dict[str, str]:
        """Name -> hash of the content."""
        return {name: key for name, (_, key) in sorted(self.found.items())}
