"""Weights & Biases: a run for the fleet, and one for each method and keep ratio in the same group.

Runs are written offline, into RUN/wandb, unless WANDB_MODE and WANDB_DIR say otherwise; `wandb sync` sends them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from edgesim.sessions.trackers.base import About, Cell, Tracker, cells, curves_of, files_of, needs, table_of

if TYPE_CHECKING:
    from edgesim.results.run_folder import Run

PROJECT = "edgesim"


class WeightsAndBiases(Tracker):
    """Writes runs of Weights & Biases."""

    name: ClassVar[str] = "wandb"

    def begin(self, about: About) -> None:
        """As `Tracker.begin`."""
        try:
            import wandb
        except ImportError:
            raise needs("wandb", self.name) from None
        self._wandb, self._about = wandb, about
        self._trials: dict[Cell, int] = {}
        self._fleet: Any = self._run(about.folder.name, "fleet", dict(about.parameters))

    def trial_ended(self, cell: Cell, trials: int, values: Mapping[str, float]) -> None:
        """As `Tracker.trial_ended`."""
        self._trials[cell] = trials
        self._fleet.log({f"so far/{cell}/{name}": value for name, value in values.items()}, step=self._ended())

    def finish(self, run: Run) -> None:
        """As `Tracker.finish`."""
        for cell in cells(run):
            with self._run(str(cell), "method at a keep ratio", cell._asdict()) as child:
                for epoch, values in curves_of(run, cell):
                    child.log(values, step=epoch)
        table = table_of(run)
        self._fleet.log({"devices": self._wandb.Table(dataframe=table)}, step=self._ended() + 1)
        artifact = self._wandb.Artifact(f"run-{self._about.folder.name}", type="run folder")
        for path in files_of(run):
            artifact.add_file(str(path), name=path.name)
        self._fleet.log_artifact(artifact)

    def stop(self, status: str) -> None:
        """As `Tracker.stop`."""
        self._fleet.summary["status"] = status
        self._fleet.finish(exit_code=0 if status == "finished" else 1)

    def _ended(self) -> int:
        """Number of trials that have ended, as far as this tracker knows."""
        return sum(self._trials.values())

    def _run(self, name: str, kind: str, config: dict[str, Any]) -> Any:
        folder = self._about.folder.resolve()
        mode: Any = os.environ.get("WANDB_MODE", "offline")  # its own error says what is allowed
        return self._wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT), dir=os.environ.get("WANDB_DIR", str(folder)),
            mode=mode, group=self._about.folder.name, job_type=kind, name=name,
            config=config, reinit="create_new",
            settings=self._wandb.Settings(silent=True, console="off", x_disable_stats=True),
        )  # fmt: skip
