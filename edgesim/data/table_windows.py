"""Windows over a long table: runs of rows in time order that share their group, and one label each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from edgesim.data.file_bounds import MAX_EXPANDED_BYTES
from edgesim.data.raw_dataset import Samples
from edgesim.data.reading_notes import Note
from edgesim.data.sample_form import SampleArray
from edgesim.errors import DataError
from edgesim.formatting import n_of, size
from edgesim.work import IntArray

CHUNK_BYTES = 16 << 20


@dataclass(frozen=True)
class WindowLayout:
    """Settings of a user about windows."""

    length: int
    """rows"""
    step: int
    """rows from a start to the next"""
    by: tuple[str, ...] = ()
    """columns whose values no window mixes"""
    label: Literal["common", "last"] = "common"


@dataclass(frozen=True)
class Windows:
    """Windows of a table."""

    order: IntArray
    """rows of the table, group by group, in time order within each"""
    starts: IntArray
    """[N] positions in `order`"""
    length: int

    @property
    def last_rows(self) -> IntArray:
        """[N] last row of the table in each window."""
        return self.order[self.starts + self.length - 1]

    def uniform(self, codes: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """[N] true where all rows of a window have one value, given the values [rows]."""
        ordered = codes[self.order]
        changes = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
        # a window is uniform where as many changes lie before its second row as before its end
        before = np.searchsorted(changes, self.starts, side="right")
        return before == np.searchsorted(changes, self.starts + self.length - 1, side="right")

    def chosen(self, keep: npt.NDArray[np.bool_]) -> Windows:
        """Some of the windows."""
        return Windows(self.order, self.starts[keep], self.length)

    def samples(self, values: npt.NDArray[np.float32]) -> Samples:
        """Samples [channels, length] out of the values [rows, channels], a few MB at a time."""
        inside = np.arange(self.length)
        per_chunk = max(1, CHUNK_BYTES // (self.length * values.shape[1] * 4))

        def chunks(rows: IntArray | None) -> Iterable[SampleArray]:
            starts = self.starts if rows is None else self.starts[rows]
            for first in range(0, len(starts), per_chunk):
                places = self.order[starts[first : first + per_chunk, None] + inside]
                yield np.ascontiguousarray(values[places].transpose(0, 2, 1))

        return chunks


def windows_of(
    groups: Sequence[npt.NDArray[Any]], rows: int, channels: int, layout: WindowLayout, where: str
) -> tuple[Windows, list[Note]]:
    """The windows of a table, and the note on rows that fill none.

    Args:
        groups: [rows] values of each column that no window may mix.
        rows: of the table.
        channels: of a sample.
        layout: settings.
        where: names the table in messages.

    Raises:
        DataError: no group is as long as a window, or the windows would not fit in the bounds of a data set.
    """
    codes = np.zeros(rows, np.int64)
    for values in groups:
        _, mine = np.unique(values, return_inverse=True)
        _, codes = np.unique(codes * (int(mine.max(initial=0)) + 1) + mine, return_inverse=True)
    order = np.argsort(codes, kind="stable")
    bounds = np.flatnonzero(np.diff(codes[order])) + 1
    begins, ends = np.r_[0, bounds], np.r_[bounds, rows]
    counts = np.maximum(0, (ends - begins - layout.length) // layout.step + 1)
    total = int(counts.sum())
    if not total:
        longest = int((ends - begins).max(initial=0))
        raise DataError(
            f"{where}: no window of {n_of(layout.length, 'row')}: the longest run of rows has {longest:,}; give a "
            f"smaller dataset.window.length"
        )
    expanded = total * layout.length * channels * 4
    if expanded > MAX_EXPANDED_BYTES:
        raise DataError(
            f"{where}: {total:,} windows have {size(expanded)}; at most {size(MAX_EXPANDED_BYTES)} are read; give a "
            f"larger dataset.window.step"
        )
    first = np.repeat(begins - np.r_[0, np.cumsum(counts)[:-1]] * layout.step, counts)
    starts = first + np.arange(total) * layout.step
    used = np.where(counts > 0, (counts - 1) * layout.step + layout.length, 0)
    left = int((ends - begins - used).sum())
    notes = []
    if left:
        text = f"{n_of(left, 'row fills', 'rows fill')} no window of {layout.length:,}, at the end of "
        notes.append(Note("left out", text + ("their groups" if groups else "the table"), left))
    return Windows(order, starts, layout.length), notes
