"""Group columns as a reader meets their values: collected batch by batch, or left out with the reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgesim.data.columns import MAX_GROUPS, Column
from edgesim.data.reading_notes import Note, some
from edgesim.formatting import n_of

if TYPE_CHECKING:
    import pyarrow as pa

MAX_TEXT = 1_000
"""characters of a value"""
Value = str | int | None


class Groups:
    """The values of one column of a split, as codes."""

    def __init__(self) -> None:
        self.fault = ""
        """reason why the column groups nothing"""
        self._codes: dict[str | int, int] = {}
        self._chunks: list[npt.NDArray[np.int32]] = []
        self._rows = 0

    def add(self, values: Sequence[Value], codes: npt.NDArray[Any] | None = None) -> None:
        """Take the next rows.

        Args:
            values: one for each row; None where it is missing.
            codes: [rows] positions in `values`, where these are different values only; -1 where it is missing.
        """
        if self.fault:
            return
        codes = np.arange(len(values)) if codes is None else codes
        missing = np.flatnonzero(codes < 0)
        if not len(missing) and None in values:
            missing = np.flatnonzero(np.isin(codes, [place for place, value in enumerate(values) if value is None]))
        if len(missing):
            self.leave_out(f"row {self._rows + int(missing[0])} has no value")
            return
        longest = max((len(value) for value in values if isinstance(value, str)), default=0)
        if longest > MAX_TEXT:
            self.leave_out(f"a text of {longest:,} characters")
            return
        known = self._codes
        mine = [-1 if value is None else known.setdefault(value, len(known)) for value in values]
        if len(known) > MAX_GROUPS:
            self.leave_out(f"more than {MAX_GROUPS:,} different values")
            return
        self._chunks.append(np.array(mine, np.int32)[codes])
        self._rows += len(codes)

    @property
    def values(self) -> list[str | int]:
        """The different values; `codes` are positions in them."""
        return list(self._codes)

    @property
    def codes(self) -> npt.NDArray[np.int32]:
        """[rows]."""
        return np.concatenate(self._chunks) if self._chunks else np.zeros(0, np.int32)

    def renamed(self, values: Sequence[str | int]) -> None:
        """Take other values for the present ones, all of them different."""
        self._codes = {value: code for code, value in enumerate(values)}

    def chosen(self, codes: npt.NDArray[Any]) -> Groups:
        """The same values for other rows, given by codes."""
        groups = Groups()
        groups.fault, groups._codes, groups._rows = self.fault, dict(self._codes), len(codes)
        groups._chunks = [] if self.fault else [codes.astype(np.int32)]
        return groups

    def leave_out(self, reason: str) -> None:
        """Keep nothing of the column."""
        self.fault = self.fault or reason
        self._codes, self._chunks = {}, []

    def column(self) -> Column | None:
        """Groups in the order of numbers, or of text; None where the column is left out."""
        if len({type(value) for value in self._codes}) > 1:
            self.leave_out("text and whole numbers")
        if self.fault:
            return None
        order = sorted(self._codes)
        place = {value: code for code, value in enumerate(order)}
        codes = self.codes
        moved = np.array([place[value] for value in self._codes], np.int64)
        return Column(moved[codes] if len(codes) else codes.astype(np.int64), tuple(map(str, order)))


def columns_of(splits: Sequence[Mapping[str, Groups]]) -> list[dict[str, Column]]:
    """The columns of each split that group the samples of all splits; the others are left out."""
    for name in {name: None for groups in splits for name in groups}:
        mine = [groups[name] for groups in splits if name in groups]
        for group in mine:
            group.column()  # finds its fault
        fault = next((group.fault for group in mine if group.fault), "")
        if fault or len(mine) < len(splits):
            for group in mine:
                group.leave_out(fault or "not in every split")
    found = [{name: group.column() for name, group in groups.items()} for groups in splits]
    return [{name: column for name, column in columns.items() if column is not None} for columns in found]


def left_out(splits: Sequence[Mapping[str, Groups]]) -> list[Note]:
    """The one note on columns that group nothing, with the reason of each; call it after `columns_of`."""
    faults = {name: group.fault for groups in splits for name, group in groups.items() if group.fault}
    if not faults:
        return []
    one, many = "column groups no samples and is not read", "columns group no samples and are not read"
    text = n_of(len(faults), one, many)
    return [
        Note("left out", f"{text}: " + some((f"{name} ({fault})" for name, fault in faults.items()), 12), len(faults))
    ]


def arrow_fault(kind: pa.DataType) -> str:
    """Reason why a column of an Arrow type groups nothing; "" where it may."""
    import pyarrow.types as types

    value = kind.value_type if types.is_dictionary(kind) else kind
    if types.is_temporal(value):
        return "a time"
    if types.is_floating(value) or types.is_decimal(value):
        return "numbers with fractions"
    text = types.is_string(value) or types.is_large_string(value) or str(value) == "string_view"
    return "" if text or types.is_integer(value) or types.is_boolean(value) else str(value).split("<")[0]


def add_arrow(groups: Groups, column: pa.Array) -> None:
    """Take the rows of an Arrow array whose `arrow_fault` is empty."""
    import pyarrow.types as types

    encoded = column if types.is_dictionary(column.type) else column.dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    try:
        values = encoded.dictionary.to_pylist()
    except ValueError:
        groups.leave_out("no text in UTF-8")
        return
    groups.add([str(value).lower() if isinstance(value, bool) else value for value in values], codes)
