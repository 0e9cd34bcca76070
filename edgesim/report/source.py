"""What a report reads of a run; tables that are not there yet, or were not in older runs, are empty."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from edgesim.records import CurvePoint, Record

RECORD_COLUMNS = [field.name for field in dataclasses.fields(Record)]
CURVE_COLUMNS = ["seed", "device", "method", "keep_ratio", *CurvePoint._fields]


class Run(Protocol):
    """What a report reads of a run."""

    @property
    def records(self) -> pd.DataFrame:
        """One row per trial."""

    @property
    def curves(self) -> pd.DataFrame:
        """One row per trial and epoch."""

    @property
    def info(self) -> dict[str, Any]:
        """What run.json holds."""

    @property
    def scenario(self) -> dict[str, Any]:
        """The resolved scenario."""

    @property
    def path(self) -> Path:
        """The run folder."""


def records_of(run: Run) -> pd.DataFrame:
    """The records with all columns that a report reads; a run that has just begun may have none."""
    return _with_columns(run.records, RECORD_COLUMNS)


def curves_of(run: Run) -> pd.DataFrame:
    """The curves with all columns that a report reads."""
    return _with_columns(run.curves, CURVE_COLUMNS)


def _with_columns(table: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    missing = [column for column in columns if column not in table.columns]
    return table.reindex(columns=[*table.columns, *missing]) if missing else table
