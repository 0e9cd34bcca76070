"""The run folder: written during a run, resumed after a kill, read by reports and other runs.

During a run its results are lines of `journal.jsonl`, appended and flushed as each trial ends. A kill loses at most the
trials in flight. At the end they become the tables of `table_columns.OF_TRIALS`, one
parquet file each, in the order of the trials, and the journal goes. Exactly one of the two is the truth at any
time: the journal where there is one.
"""

from __future__ import annotations

import json
import os
import time
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import pandas as pd
from filelock import FileLock, Timeout

from edgesim.config import display, validation
from edgesim.cost.context import PricingContext
from edgesim.errors import EdgesimError, RunError
from edgesim.records import Record, Trial, TrialResult
from edgesim.results import pricing_file, run_summary
from edgesim.results.atomic_files import read_table, write_table, write_text
from edgesim.results.serialization import from_line, results_of, tables, to_line
from edgesim.results.table_columns import OF_TRIALS

JOURNAL = "journal.jsonl"
LASTING = ("started", "sessions", "workload", "shown", "data_notes")
"""keys of run.json that stay when a run is resumed; the last three come from the plan, which not every session makes"""
SYNC_EVERY_S = 1.0
"""seconds between two syncs of the journal; a killed process loses nothing, a power cut at most this"""


class RunFolder:
    """A run folder being written."""

    def __init__(self, path: Path, info: dict[str, Any], results: list[TrialResult]):
        """Use `create` or `resume`.

        Raises:
            RunError: another process is writing to the folder.
        """
        self.path, self.info = path, info
        self.retry_failed = False
        """True: trials that failed by themselves count as missing"""
        self._lock = FileLock(path / ".lock")
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise RunError(f"another process is writing to {path}; wait for it, or name another with --out") from None
        self._results = {result.record.trial: result for result in results}
        self._journal: IO[str] | None = None
        self._synced_s = 0.0

    @classmethod
    def create(cls, path: Path, scenario_yaml: str, info: Mapping[str, Any]) -> RunFolder:
        """Start a new run.

        Raises:
            RunError: the folder holds results already, or cannot be written.
        """
        try:
            path.mkdir(parents=True, exist_ok=True)
            folder = cls(path, dict(info), [])
            # A run that failed before its first result, for want of data say, stands in nobody's way.
            if (path / "run.json").exists() and read_results(path):
                folder.release()
                raise RunError(f"{path} holds a run already; go on with it by --resume, or name another with --out")
            write_text(path / "scenario.yaml", scenario_yaml)
            folder.update({"status": "running"})
        except OSError as error:
            raise RunError(f"{path} cannot be written: {error.strerror or error}; name another with --out") from None
        return folder

    @classmethod
    def resume(cls, path: Path, scenario_yaml: str, info: Mapping[str, Any]) -> RunFolder:
        """Go on with a run of the same scenario.

        Raises:
            RunError: there is no run, or its scenario differs (the differences are listed).
        """
        if not (path / "run.json").exists():
            raise RunError(f"{path} holds no run to resume; leave out --resume to start one")
        before = validation.parse((path / "scenario.yaml").read_text(encoding="utf-8"), "before")
        now = validation.parse(scenario_yaml, "now")
        differences = validation.differences({**before, "run": {}}, {**now, "run": {}})  # limits change no result
        if differences:
            listed = "\n".join(f"  {path}: was {was!r}, now {now!r}" for path, was, now in differences)
            raise RunError(f"{path} was made by another scenario and cannot be resumed by this one:\n{listed}")
        earlier = {name: value for name, value in Run(path).info.items() if name in LASTING}
        return cls(path, {**info, "started": None, "sessions": [], **earlier}, read_results(path))

    @property
    def done(self) -> frozenset[Trial]:
        """Trials that need not run. Those lost with their hosts do, and with `retry_failed` all failed ones."""
        again = ("own", "host") if self.retry_failed else ("host",)
        return frozenset(trial for trial, result in self._results.items() if result.record.failure not in again)

    @property
    def records(self) -> list[Record]:
        """Every record so far."""
        return [result.record for result in self._results.values()]

    def append(self, result: TrialResult) -> None:
        """Write one result down at once; it takes the place of an earlier one of the same trial."""
        if self._journal is None:
            self._rewrite_journal()
            self._journal = (self.path / JOURNAL).open("a", encoding="utf-8")
        self._journal.write(to_line(result))
        self._journal.flush()
        if time.monotonic() - self._synced_s > SYNC_EVERY_S:
            os.fsync(self._journal.fileno())
            self._synced_s = time.monotonic()
        self._results[result.record.trial] = result

    def describe(self, described: Mapping[str, pd.DataFrame]) -> None:
        """Write the tables that are known before the first trial (`device_tables.holdings`)."""
        for name, table in described.items():
            write_table(self.path, name, table)

    def update(self, values: Mapping[str, Any]) -> None:
        """Change run.json."""
        self.info.update(values)
        write_text(self.path / "run.json", json.dumps(self.info, indent=2) + "\n")

    def note_terms(self, terms: PricingContext) -> None:
        """Write the context of the prices, so that another fleet can be priced."""
        pricing_file.write(self.path, terms)

    def interrupt(self, status: str, reason: str, finished: str) -> None:
        """Leave the run unfinished; the journal stays for `--resume`."""
        self._close()
        self.update({"status": status, "reason": reason, "finished": finished})
        self.release()

    def finish(self, order: Iterable[Trial], values: Mapping[str, Any]) -> Run:
        """Turn the journal into tables, rows in the order of the trials; a run that was finished stays as it is."""
        self._close()
        if not (self.path / JOURNAL).exists() and (self.path / "records.parquet").exists():
            self.release()
            return Run(self.path)
        results = [self._results[trial] for trial in order if trial in self._results]
        for name, table in tables(results).items():
            write_table(self.path, name, table)
        self.update({"status": "finished", **values})
        (self.path / JOURNAL).unlink(missing_ok=True)
        self.release()
        return Run(self.path)

    def release(self) -> None:
        """Let others write to the folder."""
        self._lock.release()
        (self.path / ".lock").unlink(missing_ok=True)

    def _close(self) -> None:
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def _rewrite_journal(self) -> None:
        """A journal of all results so far: without the line that a kill cut short, with what the tables held."""
        text = "".join(to_line(result) for result in self._results.values())
        write_text(self.path / JOURNAL, text)


@dataclass(frozen=True, repr=False)
class Run(display.Displayed):
    """A run folder to read from. Works for runs that are still going, too."""

    path: Path

    def shown(self) -> tuple[str, display.Facts]:
        """Title and facts that Python and a notebook show."""
        return f"Run of {self.info.get('scenario')}", run_summary.of(self.path, self.info, self.records)

    def __post_init__(self) -> None:
        if not (self.path / "run.json").exists():
            raise RunError(f"{self.path} is no run folder: it has no run.json")

    @cached_property
    def info(self) -> dict[str, Any]:
        """run.json."""
        try:
            info: dict[str, Any] = json.loads((self.path / "run.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RunError(f"{self.path / 'run.json'} cannot be read: {error}") from None
        if not isinstance(info, dict):
            raise RunError(f"{self.path / 'run.json'} is damaged: it holds no map")
        return info

    @cached_property
    def scenario(self) -> dict[str, Any]:
        """The resolved scenario document."""
        return validation.read(self.path / "scenario.yaml")

    @cached_property
    def _of_journal(self) -> dict[str, pd.DataFrame] | None:
        """The tables of a run that is not finished; None where the run has its own."""
        if (self.path / JOURNAL).exists() or not (self.path / "records.parquet").exists():
            return tables(read_results(self.path))
        return None

    def _table(self, name: str) -> pd.DataFrame:
        return read_table(self.path, name) if self._of_journal is None else self._of_journal[name]

    @cached_property
    def records(self) -> pd.DataFrame:
        """One row per trial; `edgesim.records.Record` has the meaning of each column."""
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
    runs = [path.parent for path in folder.glob("*/run.json")]
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
    """The results of a run folder, from its journal or from its tables. A line cut short by a kill is left out.

    Raises:
        RunError: a line in the middle is damaged.
    """
    journal = path / JOURNAL
    if not journal.exists():
        return results_of(_read_tables(path)) if (path / "records.parquet").exists() else []
    lines = journal.read_text(encoding="utf-8", errors="replace").split("\n")
    results: dict[Trial, TrialResult] = {}
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        try:
            result = from_line(line)
        except (ValueError, TypeError, KeyError, zlib.error) as error:
            if number == len(lines):
                break  # no newline at its end: the write was cut short
            raise RunError(f"{journal}, line {number} is damaged ({error}); remove the line to go on") from None
        results[result.record.trial] = result
    return list(results.values())


def _read_tables(path: Path) -> dict[str, pd.DataFrame]:
    return {name: read_table(path, name) for name in OF_TRIALS}
