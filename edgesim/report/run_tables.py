"""Tables of a run that a report reads. A table that a published copy of the run leaves out is empty."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from edgesim.analysis.accuracy_loss import MARGIN
from edgesim.analysis.guessing import Guess, guess_in
from edgesim.results import text_columns
from edgesim.results.grouped_ratios import by_rule
from edgesim.results.table_columns import empty
from edgesim.tasks import Metric, metric_in


class Run(Protocol):
    """A run as a report needs it. All other tables are read where the run has them."""

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
    """False where a published copy of the run leaves out the table"""
    scores_from: str | None
    """run whose subsets were used, where this one did not score"""
    workload: dict[str, Any]
    """workload of the network, from run.json"""
    batch_size: int | None
    epochs: int | None
    """of full training"""
    margin: float
    """loss that counts as none (`report.margin`)"""
    guess: Guess | None
    """accuracy of a guess on the common test set; None = unknown"""
    has_power_modes: bool
    """True where the fleet's groups name power modes, or leave them to the rule of the keep ratio"""

    @property
    def metric(self) -> Metric:
        """The metric that decides."""
        return metric_in(self.records)


def read(run: Run) -> RunTables:
    """The tables of a run in any state."""
    training, pruning, verdict = (run.scenario.get(part) for part in ("training", "pruning", "report"))
    known = text_columns.as_objects(run.records)
    return RunTables(
        records=by_rule(known, known),
        curves=by_rule(run.curves, known),
        selections=by_rule(_optional(run, "selections"), known),
        scores=_optional(run, "scores"),
        traces=by_rule(_optional(run, "traces"), known),
        shards=_optional(run, "shards"),
        devices=_optional(run, "devices"),
        extremes=_optional(run, "extremes"),
        shown=run.info.get("shown"),
        has_extremes=not _left_out(run.path, "extremes"),
        scores_from=pruning.get("scores_from") if isinstance(pruning, dict) else None,
        workload=run.info.get("workload") or {},
        batch_size=training.get("batch_size") if isinstance(training, dict) else None,
        epochs=training.get("epochs") if isinstance(training, dict) else None,
        margin=float(verdict.get("margin", MARGIN)) if isinstance(verdict, dict) else MARGIN,
        guess=guess_in(run.info),
        has_power_modes=_has_power_modes(run.scenario),
    )


def _has_power_modes(scenario: dict[str, Any]) -> bool:
    """True where a group of the fleet has a power mode of its own."""
    fleet = scenario.get("fleet")
    groups = fleet.get("groups", []) if isinstance(fleet, dict) else []
    return any(group.get("power_mode", "full") != "full" for group in groups)


def _optional(run: Run, name: str) -> pd.DataFrame:
    """A table of a run; empty where the run has none of this name."""
    table: pd.DataFrame | None = getattr(run, name, None)
    return empty(name) if table is None else table


def _left_out(folder: Path, name: str) -> bool:
    """True where a run folder with tables lacks this one."""
    return (folder / "records.parquet").exists() and not (folder / f"{name}.parquet").exists()
