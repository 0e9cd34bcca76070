"""TensorBoard: event files in RUN/tensorboard, a folder for each method and keep ratio.

Scalars under `so far` have the number of ended trials as their step, the others the epoch. Of the devices' records the
text tab has the first rows; TensorBoard keeps no files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from edgesim.sessions.trackers.base import About, Cell, Tracker, cells, curves_of, files_of, needs, table_of

if TYPE_CHECKING:
    from edgesim.results.run_folder import Run

FOLDER = "tensorboard"
ROWS = 200
"""records that the text tab shows"""


class TensorBoard(Tracker):
    """Writes event files."""

    name: ClassVar[str] = "tensorboard"

    def begin(self, about: About) -> None:
        """As `Tracker.begin`."""
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise needs("tensorboard", self.name) from None
        self._make, self._folder = SummaryWriter, about.folder / FOLDER
        self._writers: dict[str, Any] = {}
        self._writer("").add_text("parameters", _table(about.parameters))

    def trial_ended(self, cell: Cell, trials: int, values: Mapping[str, float]) -> None:
        """As `Tracker.trial_ended`."""
        for name, value in values.items():
            self._writer(str(cell)).add_scalar(f"so far/{name}", value, trials)
        self._writer(str(cell)).flush()

    def finish(self, run: Run) -> None:
        """As `Tracker.finish`."""
        for cell in cells(run):
            for epoch, values in curves_of(run, cell):
                for name, value in values.items():
                    self._writer(str(cell)).add_scalar(name, value, epoch)
        table = table_of(run)
        more = f"\n\nThe first {ROWS} of {len(table):,} records." if len(table) > ROWS else ""
        rows = [dict(zip(table.columns, row, strict=True)) for row in table.head(ROWS).itertuples(index=False)]
        self._writer("").add_text("records", _rows(list(table.columns), rows) + more)
        self._writer("").add_text("files", "\n".join(f"- `{path}`" for path in files_of(run)))

    def stop(self, status: str) -> None:
        """As `Tracker.stop`."""
        self._writer("").add_text("status", status)
        for writer in self._writers.values():
            writer.close()

    def _writer(self, name: str) -> Any:
        if name not in self._writers:
            self._writers[name] = self._make(str(self._folder / name))
        return self._writers[name]


def _table(values: Mapping[str, str]) -> str:
    return _rows(["key", "value"], [{"key": key, "value": value} for key, value in values.items()])


def _rows(names: list[str], rows: list[dict[str, Any]]) -> str:
    """A table of Markdown; TensorBoard shows it as a table."""

    def line(cells: list[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    return "\n".join(
        [line(names), line(["---"] * len(names)), *(line([str(row[name]) for name in names]) for row in rows)]
    )
