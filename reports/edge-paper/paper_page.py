"""Writes the page of the study from points/."""

from __future__ import annotations

from pathlib import Path


def write(folder: Path) -> None:
    """Write README.md and results.csv."""
