"""Columns of a data set that group its samples: the person, the site, the recording."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgesim.errors import DataError
from edgesim.formatting import n_of
from edgesim.work import IntArray

MAX_GROUPS = 100_000
"""different values of a column that is kept; one with more, such as a time, groups nothing"""


@dataclass(frozen=True, eq=False)
class Column:
    """Group of every sample."""

    codes: IntArray
    """int64 [N], positions in `names`"""
    names: tuple[str, ...]

    @classmethod
    def of(cls, values: npt.ArrayLike) -> Column:
        """From one text or whole number per sample, groups in the order of text, or of numbers where all are that."""
        array = np.asarray(values)
        if array.ndim != 1 or array.dtype.kind not in "iubUS":
            raise DataError(
                f"a column is {array.dtype} of shape {list(array.shape)}; allowed: one text or whole number per sample"
            )
        found, codes = np.unique(array, return_inverse=True)
        return cls(codes.astype(np.int64), tuple(text.decode() if isinstance(text, bytes) else str(text)
                                                 for text in found.tolist()))  # fmt: skip

    def __len__(self) -> int:
        return len(self.codes)

    def rows(self, chosen: npt.NDArray[Any]) -> Column:
        """The same of some samples; every name stays."""
        return Column(self.codes[chosen], self.names)

    def after(self, names: tuple[str, ...]) -> Column:
        """The same groups with codes in `names`, behind which the others follow."""
        if names == self.names:
            return self
        every = tuple(dict.fromkeys((*names, *self.names)))
        place = {name: code for code, name in enumerate(every)}
        return Column(np.array([place[name] for name in self.names], np.int64)[self.codes], every)


Columns = Mapping[str, Column]


def checked_columns(given: Mapping[str, Any], count: int, where: str) -> dict[str, Column]:
    """Columns of a split, made from arrays where they are no `Column` yet.

    Raises:
        DataError: another number of values than samples, or no text or whole numbers.
    """
    found = {}
    for name, values in given.items():
        try:
            column = values if isinstance(values, Column) else Column.of(values)
        except DataError as error:
            raise DataError(f"{where}, '{name}': {error}") from None
        if len(column) != count:
            raise DataError(f"{where}, '{name}': {n_of(len(column), 'value')} for {n_of(count, 'sample')}")
        found[name] = column
    return found
