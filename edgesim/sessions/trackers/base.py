"""Base class of trackers, and the table of them. Each library is imported when a run begins with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np

from edgesim.config import plugins, registry
from edgesim.config.user_code import boundary
from edgesim.errors import EdgesimError

if TYPE_CHECKING:  # pandas takes half a second, and a tracker needs it only at the end of a run
    import pandas as pd

    from edgesim.results.run_folder import Run

TRACKERS = {
    "tensorboard": "edgesim.sessions.trackers.tensorboard:TensorBoard",
    "mlflow": "edgesim.sessions.trackers.mlflow:MLflow",
    "wandb": "edgesim.sessions.trackers.wandb:WeightsAndBiases",
}
"""name -> module and class; further ones are plug-ins of installed packages"""
TABLES = (
    "records.parquet",
    "curves.parquet",
    "devices.parquet",
    "scenario.yaml",
    "run.json",
    "report.html",
    "report.md",
)
"""files of a run folder that a tracker keeps, where they are there"""
MEASURED = ("test_", "subset_")
"""beginnings of the columns of curves that hold measurements"""


class Cell(NamedTuple):
    """A method at a keep ratio: the unit that a tracker has a curve or a child run of."""

    method: str
    keep_ratio: float

    def __str__(self) -> str:
        return f"{self.method} {self.keep_ratio:g}"


class About(NamedTuple):
    """Facts about a run that is about to begin."""

    name: str
    """of the scenario"""
    folder: Path
    """of the run"""
    parameters: Mapping[str, str]
    """every key of the resolved scenario, dotted, with its value as text"""
    trials: int
    devices: int


class Tracker:
    """Base class of a tracker. Every call comes from the main thread of the tracker's own process, in this order."""

    name: ClassVar[str]

    def begin(self, about: About) -> None:
        """Begin, or go on with the run of an earlier session in the same folder.

        Raises:
            ImportError: the library is not installed.
        """
        raise NotImplementedError

    def trial_ended(self, cell: Cell, trials: int, values: Mapping[str, float]) -> None:
        """Take means over the trials of a cell that have ended. While this takes its time, only the newest are kept.

        Args:
            cell: the method and keep ratio.
            trials: number of its trials that ended in this session.
            values: name -> mean over them, and `<name>_sd`, their standard deviation, from the second on.
        """
        raise NotImplementedError

    def finish(self, run: Run) -> None:
        """Take curves, table and files of a finished run."""
        raise NotImplementedError

    def stop(self, status: str) -> None:
        """End after the run; `status` is finished (also with failed trials), interrupted or failed."""
        raise NotImplementedError


def reference_of(name: str) -> str:
    """The class of a tracker as `package.module:Name`, from the table or an installed package.

    Raises:
        EdgesimError: two packages have the name.
    """
    plugin = None if name in TRACKERS else plugins.named("trackers", name)
    return TRACKERS[name] if plugin is None else plugin.reference


def log_of(folder: Path, name: str) -> Path:
    """File with the output of a tracker's process, where there is any (`run_writer` knows it)."""
    return folder / f"{name}.log"


def made(name: str, reference: str) -> Tracker:
    """A tracker of its class.

    Args:
        name: of the tracker.
        reference: from `reference_of`.

    Raises:
        EdgesimError: it fails on import, or is no tracker.
    """
    with boundary(f"the tracker '{name}' cannot be used"):
        found = registry.load(reference)()
    if not isinstance(found, Tracker):
        raise EdgesimError(f"the tracker '{name}' ({reference}) is no edgesim.sessions.trackers.Tracker")
    return found


def needs(library: str, name: str) -> EdgesimError:
    """The error of a library that is not installed."""
    return EdgesimError(f"the tracker '{name}' needs {library}, which is not installed: pip install 'edgesim[{name}]'")


def cells(run: Run) -> list[Cell]:
    """Methods and keep ratios with a trial that trained, in the order of the records."""
    trained = run.records[run.records["status"] == "ok"]
    return [
        Cell(str(method), float(ratio))
        for method, ratio in dict.fromkeys(zip(trained["method"], trained["keep_ratio"], strict=True))
    ]


def curves_of(run: Run, cell: Cell) -> Iterator[tuple[int, dict[str, float]]]:
    """Each epoch of a cell with the mean over its devices and the spread between them.

    A device's value is the mean over its seeds. The spread is the standard deviation over devices; one device has none.

    Returns: epoch, and name -> value: `<column>`, and `<column>_sd` where there are several devices.
    """
    curves = run.curves
    own = curves[(curves["method"] == cell.method) & np.isclose(curves["keep_ratio"], cell.keep_ratio)]
    columns = [str(name) for name in own if str(name).startswith(MEASURED)]
    devices = own.groupby(["epoch", "device"])[columns].mean().groupby("epoch")
    both = devices.mean().join(devices.std().add_suffix("_sd"))
    for epoch, row in both.to_dict("index").items():
        yield int(str(epoch)), {str(name): float(value) for name, value in row.items() if np.isfinite(value)}


def table_of(run: Run) -> pd.DataFrame:
    """Records of the devices without columns that are empty in every row."""
    return run.records.dropna(axis="columns", how="all")


def files_of(run: Run) -> list[Path]:
    """Page and tables of a run."""
    return [run.path / name for name in TABLES if (run.path / name).is_file()]
