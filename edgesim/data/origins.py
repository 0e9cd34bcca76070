"""Places of samples in the files that they were read from, for people who want to find them there again."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgesim.work import IntArray


@dataclass(frozen=True, eq=False)
class Origins:
    """Row of every sample in its file, and the file where a split has several.

    Rows count from 0. In a table the header is no row; a sample that is a window has the row at which it begins. In a
    folder of files with one sample each, the row is the place in the reader's order.
    """

    rows: IntArray
    """int64 [N]"""
    files: npt.NDArray[np.bytes_] | None = None
    """[N] paths relative to the data set's folder, as the file system encodes them; None where one file holds all"""

    def __len__(self) -> int:
        return len(self.rows)

    def chosen(self, places: npt.NDArray[Any]) -> Origins:
        """The same of some samples."""
        return Origins(self.rows[places], None if self.files is None else self.files[places])

    def file(self, place: int) -> str:
        """Path of the file of one sample; empty where one file holds all."""
        return "" if self.files is None else os.fsdecode(bytes(self.files[place]))


def of_files(paths: Sequence[Path], folder: Path) -> Origins:
    """Origins of samples that are a file each.

    Args:
        paths: in the order of the samples.
        folder: of the data set.
    """
    return Origins(np.arange(len(paths)), _names(paths, folder))


def of_tables(paths: Sequence[Path], counts: Sequence[int], folder: Path) -> Origins:
    """Origins of samples that are the rows of tables, one table after another.

    Args:
        paths: of the tables.
        counts: rows of each.
        folder: of the data set.
    """
    rows = np.concatenate([np.arange(count) for count in counts])
    return Origins(rows, np.repeat(_names(paths, folder), counts))


def _names(paths: Sequence[Path], folder: Path) -> npt.NDArray[np.bytes_]:
    return np.array([os.fsencode(os.path.relpath(path, folder)) for path in paths], dtype=np.bytes_)
