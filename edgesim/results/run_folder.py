"""A run folder to read from: by reports, comparisons and other runs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from edgesim.config import display, validation
from edgesim.cost.context import PricingContext
from edgesim.errors import EdgesimError, RunError
from edgesim.records import TrialResult
from edgesim.results import journal, pricing_file, run_info, run_summary
from edgesim.results.serialization import results_of, tables
from edgesim.results.table_columns import OF_TRIALS
from edgesim.results.table_files import read_table
from edgesim.tasks import TASKS, Metric, TaskKind

SCENARIO = "scenario.yaml"


@dataclass(frozen=True, repr=False)
class Run(display.Displayed):
    """A run folder to read from. Works for runs that are still going, too."""

    path: Path

    def shown(self) -> tuple[str, display.Facts]:
        """Title and facts that Python and a notebook show."""
        return f"Run of {self.info.get('scenario')}", run_summary.of(self.path, self.info, self.records)

    def __post_init__(self) -> None:
        run_info.read(self.path)  # a folder without a sound run.json is no run

    @cached_property
    def info(self) -> dict[str, Any]:
        """run.json (`run_info.read`)."""
        return run_info.read(self.path)

    @property
    def task(self) -> TaskKind:
        """Task of the run, with its metrics."""
        return TASKS[run_info.task_of(self.info)]

    @property
    def metric(self) -> Metric:
        """The metric that decides in verdicts and comparisons."""
        return self.task.metric

    @cached_property
    def scenario(self) -> dict[str, Any]:
        """The resolved scenario document."""
        return validation.read(self.path / SCENARIO)

    @cached_property
    def _of_journal(self) -> dict[str, pd.DataFrame] | None:
        """The tables of a run that is not finished; None where the run has its own."""
        if (self.path / journal.FILE).exists() or not (self.path / "records.parquet").exists():
            return tables(read_results(self.path), self.task.name)
        return None

    def _table(self, name: str) -> pd.DataFrame:
        return read_table(self.path, name, self.task.name) if self._of_journal is None else self._of_journal[name]

    @cached_property
    def records(self) -> pd.DataFrame:
        """One row per trial; `edgesim.records.Record` has the meaning of each column.

        The accuracies are columns of a classification; other tasks have their metrics in place of them.
        """
        return self._table("records")

    @cached_property
    def curves(self) -> pd.DataFrame:
        """One row per trial and epoch."""
        return self._table("curves")

    @cached_property
    def selections(self) -> pd.DataFrame:
        """One row per trial and kept sample; `index` counts in the training set."""
        return self._table("selections")

    @cached_property
    def scores(self) -> pd.DataFrame:
        """One row per method and sample, where the scenario keeps scores; keep_ratio NaN = for every keep ratio."""
        return self._table("scores")

    @cached_property
    def work(self) -> pd.DataFrame:
        """One row per trial and phase (score, train): what the trial is charged for, whatever the device."""
        return self._table("work")

    @cached_property
    def terms(self) -> PricingContext:
        """Context of the prices: all that they depend on beside work and devices."""
        return pricing_file.read(self.path)

    @cached_property
    def traces(self) -> pd.DataFrame:
        """One row per trial, epoch and quantity of the methods that train something of their own."""
        return self._table("traces")

    @cached_property
    def extremes(self) -> pd.DataFrame:
        """One row per method and sample that it keeps first or last of its class on one device, with a picture."""
        return self._table("extremes")

    @cached_property
    def shards(self) -> pd.DataFrame:
        """One row per seed, device and sample that it holds, with its label; empty for runs without the table."""
        return read_table(self.path, "shards")

    @cached_property
    def devices(self) -> pd.DataFrame:
        """One row per device: what its hardware is; empty for runs without the table."""
        return read_table(self.path, "devices")


def find_latest(folder: Path, scenario: str) -> Path:
    """The newest run of a scenario below `folder`.

    Raises:
        RunError: there is none.
    """
    runs = [path.parent for path in folder.glob(f"*/{run_info.FILE}")]
    matching = []
    for path in runs:
        try:
            info = Run(path).info
        except EdgesimError:
            continue  # a damaged folder is not the one to go on with
        if info.get("scenario") == scenario:
            matching.append((info.get("started") or "", path))
    if not matching:
        raise RunError(f"there is no run of '{scenario}' in {folder}/ to resume; leave out --resume to start one")
    return max(matching)[1]


def read_results(path: Path) -> list[TrialResult]:
    """The results of a run folder, from its journal or from its tables.

    Raises:
        RunError: a line or a table is damaged, or holds a value that no run can have written.
    """
    if (path / journal.FILE).exists():
        return journal.read(path / journal.FILE)
    if not (path / "records.parquet").exists():
        return []
    return results_of({name: read_table(path, name) for name in OF_TRIALS})
