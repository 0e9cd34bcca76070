"""Tables of a run that a report reads; tables that do not exist yet are empty."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from edgesim.analysis.accuracy_loss import MARGIN
from edgesim.errors import RunError
from edgesim.records import CurvePoint, Record
from edgesim.results.serialization import EXTREMES, by_rule

KEY = ["seed", "device", "method", "keep_ratio"]
RECORD_COLUMNS = [field.name for field in dataclasses.fields(Record)]
CURVE_COLUMNS = [*KEY, *CurvePoint._fields]
OPTIONAL_COLUMNS = {
    "selections": [*KEY, "index"],
    "scores": [*KEY, "index", "score"],
    "traces": [*KEY, "epoch", "quantity", "value"],
    "extremes": [*KEY, *EXTREMES],
    "shards": ["seed", "device", "index", "label", "class_name"],
    "devices": [
        "device",
        "profile",
        "idle_w",
        "memory_bytes",
        "usable_memory_bytes",
        "storage_capacity_bytes",
        "shard_bytes",
    ],
}


class Run(Protocol):
    """A run as a report needs it. Tables of OPTIONAL_COLUMNS are read where the run has them."""

    @property
    def records(self) -> pd.DataFrame:
        """One row per trial."""

    @property
    def curves(self) -> pd.DataFrame:
        """One row per trial and epoch."""

    @property
    def info(self) -> dict[str, Any]:
        """Content of run.json."""

    @property
    def scenario(self) -> dict[str, Any]:
        """The resolved scenario."""

    @property
    def path(self) -> Path:
        """The run folder."""


@dataclass(frozen=True)
class RunTables:
    """Tables of a run, each with all columns that a report reads."""

    records: pd.DataFrame
    curves: pd.DataFrame
    selections: pd.DataFrame
    scores: pd.DataFrame
    traces: pd.DataFrame
    shards: pd.DataFrame
    devices: pd.DataFrame
    extremes: pd.DataFrame
    shown: dict[str, Any] | None
    """device whose samples are shown: seed, device, samples, classes; None where no method ranks samples"""
    has_extremes: bool
    """the run stores such samples"""
    scores_from: str | None
    """run whose subsets were used, where this one did not score"""
    workload: dict[str, Any]
    """workload of the network, from run.json"""
    batch_size: int | None
    epochs: int | None
    """of full training"""
    margin: float
    """loss of accuracy that counts as none"""


def read(run: Run) -> RunTables:
    """The tables of a run in any state."""
    training, pruning, verdict = (run.scenario.get(part) for part in ("training", "pruning", "report"))
    known = run.records
    return RunTables(
        records=_with_columns(by_rule(known, known), RECORD_COLUMNS),
        curves=_with_columns(by_rule(run.curves, known), CURVE_COLUMNS),
        selections=by_rule(_optional(run, "selections"), known),
        scores=_optional(run, "scores"),
        traces=by_rule(_optional(run, "traces"), known),
        shards=_optional(run, "shards"),
        devices=_optional(run, "devices"),
        extremes=_optional(run, "extremes"),
        shown=run.info.get("shown"),
        has_extremes="shown" in run.info,
        scores_from=pruning.get("scores_from") if isinstance(pruning, dict) else None,
        workload=run.info.get("workload") or {},
        batch_size=training.get("batch_size") if isinstance(training, dict) else None,
        epochs=training.get("epochs") if isinstance(training, dict) else None,
        margin=float(verdict.get("margin", MARGIN)) if isinstance(verdict, dict) else MARGIN,
    )


def _optional(run: Run, name: str) -> pd.DataFrame:
    try:
        table = getattr(run, name, None)
    except RunError:  # a run from before the table
        table = None
    return _with_columns(pd.DataFrame() if table is None else table, OPTIONAL_COLUMNS[name])


def _with_columns(table: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    missing = [column for column in columns if column not in table.columns]
    return table.reindex(columns=[*table.columns, *missing]) if missing else table
