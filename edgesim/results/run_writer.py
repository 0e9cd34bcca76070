"""The run folder as a run writes it, and goes on with it after a kill.

During a run its results are lines of `journal.jsonl` (`journal`). At the end they become the tables of
`table_columns.OF_TRIALS`, one parquet file each, in the order of the trials, and the journal goes. Exactly one of the
two is the truth at any time: the journal where there is one.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

import pandas as pd

from edgesim.config import plugins, validation
from edgesim.config.output_files import UNFINISHED, cannot_write, write_text
from edgesim.cost.context import PricingContext
from edgesim.errors import EdgesimError, OutputError, RunError
from edgesim.records import Trial, TrialResult
from edgesim.results import folder_lock, journal, model_files, pricing_file, progress_file, run_info
from edgesim.results.journal import Journal
from edgesim.results.run_folder import SCENARIO, Run, read_results
from edgesim.results.run_identity import check_scenario
from edgesim.results.serialization import tables
from edgesim.results.table_columns import COLUMNS
from edgesim.results.table_files import write_table
from edgesim.scenario.run_section import TRACKERS
from edgesim.tasks import NetworkForm

LASTING = ("started", "sessions", "workload", "shown", "data_notes", "training_notes", "verified")
"""keys of run.json that stay when a run is resumed; four of them come from the plan, which not every session makes"""
LEFTOVERS = (folder_lock.FILE, "run.log", *(f"{name}.log" for name in TRACKERS))
"""files of a run that hold no result; trackers of installed packages have such a log, too"""
OF_TRACKERS = ("tensorboard", "mlflow.json", "wandb")
"""what edgesim's own trackers write into a run folder"""
OWN_FILES = (
    run_info.FILE, SCENARIO, pricing_file.FILE, journal.FILE, *(f"{name}.parquet" for name in COLUMNS),
    "report.html", "report.md", progress_file.FILE, model_files.FOLDER, *LEFTOVERS,
    *OF_TRACKERS,
)  # fmt: skip
"""names of all files of a run folder"""


class TrialOutcome(NamedTuple):
    """All that a writer keeps in memory of a trial that has a record."""

    status: str
    failure: str
    """`Record.failure`"""
    reason: str


class RunFolder:
    """A run folder being written. As a context manager it lets others write at the end.

    Results are not kept in memory once the journal has them, so that long runs do not grow.
    """

    def __init__(self, path: Path, info: dict[str, Any], results: list[TrialResult]):
        """Use `create` or `resume`, which lock the folder.

        Raises:
            RunError: another process is writing to the folder.
        """
        self.path, self.info = path, info
        self.identity_before: dict[str, Any] | None = None
        """identity of the run before this session; None of a new run, and where it is lost"""
        self.retry_failed = False
        """True: trials that failed by themselves count as missing"""
        self.network_form: NetworkForm | None = None
        """form of the trained networks; set before the first result that has one"""
        self._lock = folder_lock.acquired(path)
        self._earlier: dict[Trial, TrialResult] | None = {result.record.trial: result for result in results}
        """results of earlier sessions, until the journal of this one has them; then None"""
        self.outcomes = {trial: _outcome(result) for trial, result in self._earlier.items()}
        """trial -> outcome, of every trial that has a record"""
        self._journal = Journal(path)
        for left in path.glob(f".*{UNFINISHED}"):  # of a process that was killed while it wrote
            left.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    @classmethod
    def create(cls, path: Path, scenario_yaml: str, info: Mapping[str, Any]) -> RunFolder:
        """Start a new run.

        Raises:
            RunError: the folder holds results or files of someone else, or cannot be written.
        """
        try:
            path.mkdir(parents=True, exist_ok=True)
            _check_ours(path)
            folder = cls(path, dict(info), [])
        except OSError as error:
            raise cannot_write(path, error, "; or name another with --out") from None
        try:
            # A run that failed before its first result, for want of data say, stands in nobody's way.
            if (path / run_info.FILE).exists() and run_info.read(path) and read_results(path):
                raise RunError(f"{path} holds a run already; go on with it by --resume, or name another with --out")
            write_text(path / SCENARIO, scenario_yaml, "; or name another with --out")
            folder.update({"status": run_info.RUNNING})
        except EdgesimError:
            folder.release()
            raise
        return folder

    @classmethod
    def resume(cls, path: Path, scenario_yaml: str, info: Mapping[str, Any]) -> RunFolder:
        """Go on with a run of the same scenario, also with one whose run.json is lost.

        Raises:
            RunError: there is no run, or its scenario differs (the differences are listed).
        """
        is_lost = not (path / run_info.FILE).exists() and _holds_results(path)
        if not (path / run_info.FILE).exists() and not is_lost:
            raise RunError(f"{path} holds no run to resume; leave out --resume to start one")
        check_scenario(path, validation.read(path / SCENARIO), validation.parse(scenario_yaml, "now"), "resumed")
        known = {} if is_lost else run_info.read(path)
        earlier = {name: value for name, value in known.items() if name in LASTING}
        folder = cls(path, {**info, "started": None, "sessions": [], **earlier}, read_results(path))
        folder.identity_before = known.get("identity")
        return folder

    @property
    def done(self) -> frozenset[Trial]:
        """Trials that need not run. Those lost with their hosts do, and with `retry_failed` all failed ones."""
        again = ("own", "host") if self.retry_failed else ("host",)
        return frozenset(trial for trial, outcome in self.outcomes.items() if outcome.failure not in again)

    def is_complete(self, trials: int) -> bool:
        """True where the tables hold all trials, and none is to be tried again."""
        has_tables = not self._journal.path.exists() and (self.path / "records.parquet").exists()
        return has_tables and len(self.done) >= trials

    def keep_only(self, trials: Collection[Trial]) -> int:
        """Leave out the results of other trials: where a profile changed, a rule may choose other keep ratios.

        Returns: number of results that are left out.
        """
        wanted = frozenset(trials)
        others = [trial for trial in self.outcomes if trial not in wanted]
        for trial in others:
            del self.outcomes[trial]
            if self._earlier is not None:
                del self._earlier[trial]
        return len(others)

    def append(self, result: TrialResult) -> None:
        """Write one result down at once; it takes the place of an earlier one of the same trial.

        Raises:
            OutputError: it cannot be written; all results before it are safe.
        """
        if self._earlier is not None:
            self._journal.begin(self._earlier.values())
            self._earlier = None
        if result.network is not None:
            assert self.network_form is not None, "set before"
            model_files.write(self.path, result.record.trial, result.network, self.network_form)
        self._journal.append(result)
        self.outcomes[result.record.trial] = _outcome(result)

    def count_last(self) -> None:
        """Count the result that was written last: a signal may come between its writing and its counting."""
        with contextlib.suppress(OSError):  # an unreadable journal is told of by whoever reads it next
            if (last := self._journal.last()) is not None:
                self.outcomes[last.record.trial] = _outcome(last)

    def describe(self, described: Mapping[str, pd.DataFrame]) -> None:
        """Write the tables that are known before the first trial (`device_tables.holdings`)."""
        for name, table in described.items():
            write_table(self.path, name, table)

    def begin(self, session: Mapping[str, Any], scenario_yaml: str) -> None:
        """Note that a session begins to run trials, and its scenario, whose section `run` may have changed.

        Raises:
            OutputError: a file cannot be written.
        """
        write_text(self.path / SCENARIO, scenario_yaml, ", and go on with the same command and --resume")
        self.update({"status": run_info.RUNNING, "sessions": [*self.info["sessions"], session]})

    def update(self, values: Mapping[str, Any]) -> None:
        """Change run.json."""
        self.info.update(values)
        run_info.write(self.path, self.info)

    def note_terms(self, terms: PricingContext) -> None:
        """Write the context of the prices, so that another fleet can be priced."""
        pricing_file.write(self.path, terms)

    def interrupt(self, values: Mapping[str, Any]) -> None:
        """Leave the run unfinished with these values in run.json; the journal stays for `--resume`.

        On a full disk run.json stays as it was. Readers then say that the run is stopped (`run_info.read`).
        """
        self._journal.close()
        with contextlib.suppress(OutputError):
            self.update(values)

    def finish(self, order: Iterable[Trial], values: Mapping[str, Any]) -> Run:
        """Turn the journal into tables, rows in the order of the trials; a run that has tables keeps them.

        Raises:
            OutputError: a table cannot be written; the journal has all results.
        """
        self._journal.close()
        if not self._journal.path.exists() and (self.path / "records.parquet").exists():
            if not (self.path / run_info.FILE).exists():  # it was lost
                self.update({"status": run_info.FINISHED, **values})
            return Run(self.path)  # nothing was appended
        known = self._earlier
        if known is None:
            known = {result.record.trial: result for result in journal.read(self._journal.path)}
        results = [known[trial] for trial in order if trial in known]
        for name, table in tables(results, run_info.task_of(self.info)).items():
            write_table(self.path, name, table)
        self.update({"status": run_info.FINISHED, **values})
        self._journal.path.unlink(missing_ok=True)
        return Run(self.path)

    def release(self) -> None:
        """Let others write to the folder."""
        self._journal.close()
        with contextlib.suppress(OSError):  # before the release: afterwards it may be the file of the next process
            (self.path / folder_lock.FILE).unlink()
        self._lock.release()


def _outcome(result: TrialResult) -> TrialOutcome:
    record = result.record
    return TrialOutcome(sys.intern(str(record.status)), sys.intern(record.failure), sys.intern(record.reason))


def _check_ours(path: Path) -> None:
    """Refuse a folder that holds anything that no run wrote, or results whose run.json is lost.

    Raises:
        RunError: naming what is there.
    """
    there = sorted(entry.name for entry in path.iterdir() if not entry.name.endswith(UNFINISHED))
    own = OWN_FILES if (path / run_info.FILE).exists() else LEFTOVERS
    foreign = [name for name in there if name not in own]
    if foreign:
        logs = {f"{plugin.name}.log" for plugin in plugins.installed("trackers")}
        foreign = [name for name in foreign if name not in logs]
    if not foreign:
        return
    if _holds_results(path) and not (path / run_info.FILE).exists():
        raise RunError(
            f"{path} holds results of a run whose run.json is lost; go on with them by --resume --accept-changes, or "
            "name another folder with --out"
        )
    more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
    raise RunError(
        f"{path} holds files that no run wrote ({foreign[0]}{more}); name a new or an empty folder with --out"
    )


def _holds_results(path: Path) -> bool:
    """True where a folder has the journal or the records of a run."""
    return (path / journal.FILE).exists() or (path / "records.parquet").exists()
