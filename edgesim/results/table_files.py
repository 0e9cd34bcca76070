"""Tables of a run folder: one parquet file each, written as a whole, with checksums and values checked when read."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from edgesim.config.output_files import replacing
from edgesim.errors import RunError
from edgesim.results.grouped_ratios import with_rounded_ratios
from edgesim.results.table_columns import KEY, REQUIRED, columns_of, empty
from edgesim.results.value_checks import first_bad_row, trial_of
from edgesim.tasks import task_in

GO_ON = ", and go on with the same command and --resume"
"""how a run goes on after a file could not be written; all results so far are in its journal"""


def write_table(folder: Path, name: str, table: pd.DataFrame) -> None:
    """Write a table as a whole (`output_files.replacing`); each page of the file has a checksum.

    Raises:
        OutputError: it cannot be written.
    """
    with replacing(folder / f"{name}.parquet", GO_ON) as file:
        table.to_parquet(file, index=False, write_page_checksum=True)


def read_table(folder: Path, name: str, task: str | None = None) -> pd.DataFrame:
    """Read a table of a run folder; empty where a published copy leaves it out.

    Args:
        folder: of the run.
        name: of the table.
        task: of the run, which decides on the columns of metrics; None = the one that the table shows.

    Raises:
        RunError: it is damaged, holds a value that no run can have written, or is required and missing.
    """
    path = folder / f"{name}.parquet"
    if name not in REQUIRED and not path.exists():
        return empty(name, task or "classification")
    try:
        table = pd.read_parquet(path, page_checksum_verification=True)
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read: {error}") from None
    columns = columns_of(name, task or task_in(table.columns).name, table.columns)
    missing = [column for column in columns if column not in table]
    if missing:
        raise RunError(
            f"{path} is damaged: it has no column {', '.join(missing)}; take the file from a copy of the run"
        )
    bad = first_bad_row(name, table)
    if bad is not None:
        row = table.iloc[bad.row]
        trial = trial_of({column: row.get(column) for column in KEY})
        raise RunError(
            f"{path}, row {bad.row + 1} ({trial}): {bad.problem}; no run writes this: "
            f"take the file from a copy of the run, or run the scenario anew into another folder"
        )
    return with_rounded_ratios(table)
