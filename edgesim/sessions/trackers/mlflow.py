"""MLflow: a run for the fleet and a child run for each method and keep ratio.

The store is MLFLOW_TRACKING_URI, else mlflow.db beside the run folder, which all runs there share. The run's id is kept
in RUN/mlflow.json, so that a resumed run goes on in the same one.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from edgesim.sessions.trackers.base import About, Cell, Tracker, cells, curves_of, files_of, needs, table_of

if TYPE_CHECKING:
    from edgesim.results.run_folder import Run

KEPT = "mlflow.json"
LONGEST_PARAMETER = 6000
"""characters that MLflow stores of a parameter"""
BATCH = 1000
"""metrics that MLflow takes at once"""
BATCH_OF_PARAMETERS = 100
ENDS = {"finished": "FINISHED", "interrupted": "KILLED"}
"""status of the run -> status of MLflow; else FAILED"""


class MLflow(Tracker):
    """Writes to an MLflow store through its client."""

    name: ClassVar[str] = "mlflow"

    def begin(self, about: About) -> None:
        """As `Tracker.begin`."""
        try:
            from mlflow.entities import Metric, Param, RunTag
            from mlflow.tracking import MlflowClient
        except ImportError:
            raise needs("mlflow", self.name) from None
        self._metric, self._tag = Metric, RunTag
        home = about.folder.resolve().parent
        self._client: Any = MlflowClient(os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{home / 'mlflow.db'}")
        self._file = about.folder / KEPT
        self._ids: dict[str, str] = json.loads(self._file.read_text("utf-8")) if self._file.exists() else {}
        if "" in self._ids:
            self._client.set_terminated(self._ids[""], "RUNNING")
            return
        known = self._client.get_experiment_by_name(about.name)
        artefacts = (home / "mlflow-artifacts" / about.name).as_uri()
        self._experiment = known.experiment_id if known else self._client.create_experiment(about.name, artefacts)
        self._create("", about.folder.name, {})
        listed = [Param(_key(key), value[:LONGEST_PARAMETER]) for key, value in about.parameters.items()]
        for i in range(0, len(listed), BATCH_OF_PARAMETERS):
            self._client.log_batch(self._ids[""], params=listed[i : i + BATCH_OF_PARAMETERS])

    def trial_ended(self, cell: Cell, trials: int, values: Mapping[str, float]) -> None:
        """As `Tracker.trial_ended`."""
        self._log(self._child(cell), [(f"so far/{name}", value, trials) for name, value in values.items()])

    def finish(self, run: Run) -> None:
        """As `Tracker.finish`."""
        for cell in cells(run):
            points = [(name, value, epoch) for epoch, one in curves_of(run, cell) for name, value in one.items()]
            self._log(self._child(cell), points)
        # A list of columns is the form of `mlflow.log_table`, which the page of MLflow shows as a table.
        table = json.loads(table_of(run).to_json(orient="split", index=False))
        self._client.log_dict(self._ids[""], {"columns": table["columns"], "data": table["data"]}, "devices.json")
        for path in files_of(run):
            self._client.log_artifact(self._ids[""], str(path))

    def stop(self, status: str) -> None:
        """As `Tracker.stop`."""
        for run_id in self._ids.values():
            self._client.set_terminated(run_id, ENDS.get(status, "FAILED"))

    def _child(self, cell: Cell) -> str:
        if str(cell) not in self._ids:
            experiment = self._client.get_run(self._ids[""]).info.experiment_id
            self._experiment = experiment
            self._create(str(cell), str(cell), {"mlflow.parentRunId": self._ids[""]})
            settings = {"method": cell.method, "keep_ratio": f"{cell.keep_ratio:g}"}
            for key, value in settings.items():
                self._client.log_param(self._ids[str(cell)], key, value)
        return self._ids[str(cell)]

    def _create(self, key: str, name: str, tags: dict[str, str]) -> None:
        made = self._client.create_run(self._experiment, tags={**tags, "mlflow.runName": name}, run_name=name)
        self._ids[key] = made.info.run_id
        self._file.write_text(json.dumps(self._ids), encoding="utf-8")

    def _log(self, run_id: str, points: list[tuple[str, float, int]]) -> None:
        now = int(time.time() * 1000)
        metrics = [self._metric(_key(name), value, now, step) for name, value, step in points]
        for i in range(0, len(metrics), BATCH):
            self._client.log_batch(run_id, metrics=metrics[i : i + BATCH])


def _key(name: str) -> str:
    """A name without characters that MLflow refuses."""
    return name.replace("[", ".").replace("]", "")
