"""Files of a run folder: texts and tables, each written as a whole. A table is one parquet file."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

from edgesim.errors import RunError
from edgesim.results.grouped_ratios import with_rounded_ratios
from edgesim.results.table_columns import REQUIRED, empty


def write_text(path: Path, text: str) -> None:
    """Write a file so that a reader sees either the old one or the new one, whole."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def write_table(folder: Path, name: str, table: pd.DataFrame) -> None:
    """Write a table so that a reader sees either the old one or the new one, whole and on the disk."""
    path = folder / f"{name}.parquet"
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    table.to_parquet(temporary, index=False)
    with temporary.open("rb+") as file:  # on the disk before the journal goes
        os.fsync(file.fileno())
    os.replace(temporary, path)


def read_table(folder: Path, name: str) -> pd.DataFrame:
    """Read a table of a run folder; empty where a published copy leaves it out.

    Raises:
        RunError: it is damaged, or required and missing.
    """
    path = folder / f"{name}.parquet"
    if name not in REQUIRED and not path.exists():
        return empty(name)
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read: {error}") from None
    return with_rounded_ratios(table)
