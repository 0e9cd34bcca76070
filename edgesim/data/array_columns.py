"""Columns of arrays in Arrow tables: lists of fixed or equal length, and tensors, as NumPy arrays."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgesim.data.raw_dataset import ChannelAxis
from edgesim.data.sample_form import CHANNELS, FormName, SampleArray
from edgesim.errors import DataError, shortened
from edgesim.formatting import n_of

if TYPE_CHECKING:
    import pyarrow as pa

TOKEN_TYPES = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32")
"""of whole numbers that may be token ids"""


@dataclass(frozen=True)
class ArrayLayout:
    """Settings of a user about samples that are arrays of numbers."""

    shape: tuple[int, ...] | None = None
    """of a sample; None = from the metadata or the column's type"""
    tokens: bool = False
    channels: ChannelAxis | None = None
    form: FormName | None = None


def number_type(kind: pa.DataType) -> pa.DataType | None:
    """Type of the numbers in a column of lists or tensors; None of any other column."""
    import pyarrow.types as types

    inner = _storage(kind)
    if not _is_list(inner):
        return None
    while _is_list(inner):
        inner = _storage(inner.value_type)
    fits = types.is_integer(inner) or types.is_floating(inner) or types.is_boolean(inner)
    return inner if fits else None


def stated_shape(schema: pa.Schema, name: str, given: tuple[int, ...] | None, where: str) -> tuple[int, ...] | None:
    """Shape of a sample that the user, or the metadata of the column or the schema, states; None where none does.

    Raises:
        DataError: the metadata hold something else than a JSON list of whole numbers.
    """
    if given is not None:
        return given
    for of, metadata in (("column", schema.field(name).metadata), ("schema", schema.metadata)):
        text = (metadata or {}).get(b"shape")
        if text is None:
            continue
        try:
            shape = json.loads(text)
        except ValueError:
            shape = None
        if not isinstance(shape, list) or not shape or not all(type(side) is int and side > 0 for side in shape):
            told = shortened(text.decode("utf-8", "replace"), 60)
            raise DataError(
                f"{where}: the metadata of the {of} say shape = {told}; allowed: a JSON list such as [3, 80]; correct "
                f"them, or give dataset.shape"
            )
        return tuple(shape)
    return None


class ArrayReader:
    """Samples out of the array columns of one data set, all of one shape and type.

    Args:
        layout: settings of the user.
    """

    def __init__(self, layout: ArrayLayout):
        self._layout = layout
        self._first: tuple[str, tuple[int, ...], str] | None = None
        """place, shape and type of the numbers of the first file"""
        self._nested: tuple[str, list[int]] | None = None
        """place and lengths of the lists of the first row"""
        self.converted = False
        """float64 was read as float32"""

    def dense(self, column: pa.Array, where: str, first: int, shape: tuple[int, ...] | None) -> SampleArray:
        """Rows of a column as an array [b, *shape] of a type that samples may have.

        Args:
            column: of `number_type` numbers; at least one row.
            where: the file and column, for messages.
            first: row of the file that the column begins with.
            shape: `stated_shape`.

        Raises:
            DataError: a missing row or whole number, lists of several lengths, numbers that do not fill the shape, or a
                type of number that no sample has.
        """
        flat, sides, order = self._flat(column, where, first)
        array = flat.reshape(len(column), *sides)
        if order is not None:
            array = array.transpose(0, *(1 + place for place in order))
        if shape is not None and int(np.prod(shape)) != int(np.prod(sides)):
            raise DataError(
                f"{where}: a row has {n_of(int(np.prod(sides)), 'number')} ({_text(sides)}); the shape {_text(shape)} "
                f"needs {int(np.prod(shape)):,}; give dataset.shape that fits"
            )
        array = array if shape is None else array.reshape(len(array), *shape)
        array = self._converted(array, where, first)
        found = where, array.shape[1:], array.dtype.name
        self._first = self._first or found
        if found[1:] != self._first[1:]:
            raise DataError(
                f"{where}: samples of shape {_text(found[1])} ({found[2]}) after {_text(self._first[1])} "
                f"({self._first[2]}) in {self._first[0]}; all samples need one shape and type"
            )
        return array

    def _flat(self, column: pa.Array, where: str, first: int) -> tuple[npt.NDArray[Any], list[int], list[int] | None]:
        """All numbers, the lengths of the lists from the outer to the inner, and the order of a tensor's axes."""
        import pyarrow as pa

        count, sides, order = len(column), list[int](), None
        values, per_row = column, 1
        while True:
            if isinstance(values.type, pa.FixedShapeTensorType) and values.type.permutation:
                order = list(values.type.permutation)
            tensor = list(values.type.shape) if isinstance(values.type, pa.FixedShapeTensorType) else None
            values = values.storage if isinstance(values.type, pa.BaseExtensionType) else values
            if not _is_list(values.type):
                break
            if values.null_count:
                row = first + int(values.is_null().to_numpy(zero_copy_only=False).argmax()) // per_row
                raise DataError(f"{where}, row {row}: has no sample (null); remove the row, or give its numbers")
            length = self._length(values, where, first, per_row, len(sides))
            sides += tensor or [length]
            values, per_row = values.flatten(), per_row * length
        if values.null_count and not pa.types.is_floating(values.type):
            row = first + int(values.is_null().to_numpy(zero_copy_only=False).argmax()) // per_row
            raise DataError(
                f"{where}, row {row}: lacks a number (null); whole numbers cannot be missing: remove the row, or store "
                f"the column as float32"
            )
        assert len(values) == count * per_row, "lists of one length"
        return values.to_numpy(zero_copy_only=False), sides, order

    def _length(self, values: pa.Array, where: str, first: int, per_row: int, depth: int) -> int:
        """The one length of all lists of an array."""
        import pyarrow.types as types

        if types.is_fixed_size_list(values.type):
            lengths = np.array([values.type.list_size])
        else:
            lengths = values.value_lengths().to_numpy(zero_copy_only=False)
        if self._nested is None:
            self._nested = f"row {first} of {where}", []
        place, expected = self._nested
        if len(expected) == depth:
            expected.append(int(lengths[0]))
        known = expected[depth]
        other = np.flatnonzero(lengths != known)
        if len(other):
            raise DataError(
                f"{where}, row {first + int(other[0]) // per_row}: a list of length {lengths[other[0]]:,}, and "
                f"{known:,} in {place}; samples need one length: pad or cut them"
            )
        if known == 0:
            raise DataError(f"{where}, row {first}: has an empty list; samples need numbers: remove the rows")
        return known

    def _converted(self, array: npt.NDArray[Any], where: str, first: int) -> SampleArray:
        name = array.dtype.name
        if self._layout.tokens:
            return _tokens(array, where, first)
        if name == "float64":
            self.converted = True
            with np.errstate(over="ignore"):
                found = array.astype(np.float32)
            beyond = np.flatnonzero((np.isinf(found) & np.isfinite(array)).reshape(len(array), -1).any(axis=1))
            if len(beyond):
                raise DataError(f"{where}, row {first + beyond[0]}: holds a number beyond float32; use another unit")
            return found
        if name in ("int64", "int32"):
            raise DataError(
                f"{where}: holds {name}; measured numbers: store them as int16 or float32; token ids: dataset.tokens: "
                f"true"
            )
        if name not in ("uint8", "int8", "int16", "float16", "float32"):
            kind = "object" if name == "object" else name
            fix = "uint8" if name == "bool" else "float32"
            raise DataError(
                f"{where}: holds {kind}; allowed: uint8, int8, int16, float16, float32 and float64; store them as {fix}"
            )
        return array


def channels_of(shape: tuple[int, ...], dtype: str, layout: ArrayLayout, where: str) -> ChannelAxis | None:
    """Axis of the channels of a sample (`raw_dataset.as_samples`). In metadata images mostly are [channels, H, W].

    Raises:
        DataError: an image's first and last axis both look like channels.
    """
    if layout.channels is not None or dtype != "uint8" or len(shape) != 3 or layout.form == "arrays":
        return layout.channels
    first, last = shape[0] in CHANNELS, shape[-1] in CHANNELS
    if first and last:
        raise DataError(
            f"{where}: images of shape {_text(shape)}; say in dataset.channels which axis holds the channels: first or "
            f"last"
        )
    return "first" if first else None


def _tokens(array: npt.NDArray[Any], where: str, first: int) -> npt.NDArray[np.int32]:
    if array.dtype.name not in TOKEN_TYPES or array.ndim != 2:
        raise DataError(
            f"{where}: {array.dtype} of shape {_text(array.shape[1:])}; dataset.tokens needs whole numbers [length]"
        )
    bad = np.flatnonzero(((array < 0) | (array > np.iinfo(np.int32).max)).any(axis=1))
    if len(bad):
        odd = array[bad[0]][(array[bad[0]] < 0) | (array[bad[0]] > np.iinfo(np.int32).max)][0]
        raise DataError(f"{where}, row {first + bad[0]}: holds the token id {odd}; allowed: 0 to 2,147,483,647")
    return array.astype(np.int32)


def _storage(kind: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    return kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind


def _is_list(kind: pa.DataType) -> bool:
    import pyarrow.types as types

    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def _text(shape: Any) -> str:
    return "[" + ", ".join(map(str, shape)) + "]"
