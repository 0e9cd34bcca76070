"""Missing numbers of samples (not a number): refused, or filled in as the scenario asks. Infinite ones are refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from edgesim.data.reading_notes import Note
from edgesim.data.sample_form import SampleArray
from edgesim.errors import DataError
from edgesim.formatting import n_of
from edgesim.work import IntArray

Missing = Literal["refuse", "zero", "mean", "previous"]
Chunks = Callable[[], Iterable[SampleArray]]


class MissingValues:
    """Rule for missing numbers, and the count of those that it has filled in."""

    def __init__(self, rule: Missing = "refuse"):
        self.rule = rule
        self._means: npt.NDArray[Any] | None = None
        self._filled: dict[str, tuple[int, int]] = {}

    def learn(self, train: Chunks, where: str) -> None:
        """Take the means per channel (axis 1) of the training split, where the rule needs them.

        Raises:
            DataError: a channel without any number.
        """
        if self.rule != "mean":
            return
        total: npt.NDArray[Any] | float = 0.0
        count: npt.NDArray[Any] | float = 0.0
        for chunk in train():
            if chunk.dtype.kind != "f":
                return
            rows = chunk.astype(np.float64).reshape(*chunk.shape[:2], -1)
            known = np.isfinite(rows)
            total = total + np.where(known, rows, 0.0).sum(axis=(0, 2))
            count = count + known.sum(axis=(0, 2))
        empty = np.flatnonzero(np.asarray(count) == 0)
        if len(empty):
            raise DataError(f"{where}: channel {empty[0]} has no number in the training split; leave the channel out")
        self._means = np.asarray(total) / np.asarray(count)

    def filled(
        self, chunks: Iterable[SampleArray], split: str, where: str, rows: IntArray | None = None
    ) -> Iterator[SampleArray]:
        """The samples [b, ...] of a split in order, without missing numbers.

        Args:
            chunks: the samples.
            split: its name, for the notes.
            where: the file, for messages.
            rows: number of each sample in the file; None = they are all of it.

        Raises:
            DataError: an infinite number, one missing where the rule refuses them, or a `previous` one that is missing,
                too.
        """
        first = numbers = samples = 0
        for chunk in chunks:
            if chunk.dtype.kind != "f" or bool(np.isfinite(chunk).all()):
                yield chunk
            else:
                places = np.arange(first, first + len(chunk)) if rows is None else rows[first : first + len(chunk)]
                self._check(chunk, places, where)
                gone = np.isnan(chunk)
                yield self._replaced(chunk, gone, places, where)
                numbers += int(gone.sum())
                samples += int(gone.reshape(len(gone), -1).any(axis=1).sum())
                self._filled[split] = numbers, samples
            first += len(chunk)

    def notes(self) -> list[Note]:
        """Notes on the numbers that were filled in."""
        how = {"zero": "0", "mean": "the channel's mean in training", "previous": "the number before it"}
        return [
            Note(
                "read as",
                f"{n_of(numbers, 'number')} of {n_of(samples, f'{split} sample')} "
                f"{'is' if numbers == 1 else 'are'} missing, read as {how[self.rule]}",
                samples,
            )
            for split, (numbers, samples) in self._filled.items()
        ]

    def _check(self, chunk: SampleArray, places: IntArray, where: str) -> None:
        flat = chunk.reshape(len(chunk), -1)
        infinite = np.flatnonzero(np.isinf(flat).any(axis=1))
        if len(infinite):
            raise DataError(
                f"{where}: sample {places[infinite[0]]} holds an infinite number; remove the sample, or save what was "
                f"measured"
            )
        if self.rule == "refuse":
            missing = np.isnan(flat).any(axis=1)
            others = int(missing.sum()) - 1
            more = f", as {'does' if others == 1 else 'do'} at least {n_of(others, 'other')}" if others else ""
            raise DataError(
                f"{where}: sample {places[int(missing.argmax())]} holds a missing number (NaN){more}; remove such "
                f"samples, or say what stands for the number in dataset.missing: zero, mean or previous"
            )

    def _replaced(self, chunk: SampleArray, gone: npt.NDArray[np.bool_], places: IntArray, where: str) -> SampleArray:
        if self.rule == "zero":
            return np.where(gone, chunk.dtype.type(0), chunk)
        if self.rule == "mean":
            assert self._means is not None, "learnt before"
            means = self._means.reshape(1, -1, *(1,) * (chunk.ndim - 2)).astype(chunk.dtype)
            return np.where(gone, means, chunk)
        if chunk.ndim < 3:
            raise DataError(f"{where}: vectors have no number before a missing one; use dataset.missing: zero or mean")
        steps = np.where(gone, 0, np.arange(chunk.shape[-1]))
        filled = np.take_along_axis(chunk, np.maximum.accumulate(steps, axis=-1), axis=-1)
        still = np.isnan(filled).reshape(len(filled), -1).any(axis=1)
        if still.any():
            raise DataError(
                f"{where}: sample {places[int(still.argmax())]} begins with a missing number, which has none before "
                f"it; remove such samples, or use dataset.missing: zero or mean"
            )
        return filled
