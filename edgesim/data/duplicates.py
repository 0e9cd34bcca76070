"""Finds samples that a data set holds more than once, by a hash of their numbers, while they stream past."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt

from edgesim.data.reading_notes import Note

DIGEST_BYTES = 8
"""two of a million different samples agree with a probability of 3e-8"""


class Repeats:
    """Remembers 8 bytes per sample of both splits."""

    def __init__(self, images: bool) -> None:
        self._noun, self._equal = ("image", "equal pixels") if images else ("sample", "equal numbers")
        self._digests: dict[str, list[npt.NDArray[np.uint64]]] = {"train": [], "test": []}

    def see(self, split: str, samples: npt.NDArray[Any]) -> None:
        """Take note of samples [b, ...] of "train" or "test"."""
        flat = np.ascontiguousarray(samples).reshape(len(samples), -1)
        digests = b"".join(hashlib.blake2b(row.data, digest_size=DIGEST_BYTES).digest() for row in flat)
        self._digests[split].append(np.frombuffer(digests, np.uint64))

    def notes(self) -> list[Note]:
        """Notes on test samples that are training samples too, and on training samples that repeat an earlier one."""
        train, test = (np.concatenate(parts) for parts in self._digests.values())
        different = np.unique(train)
        again, shared = len(train) - len(different), int(np.isin(test, different).sum())
        notes = []
        if shared:
            text = f"{shared:,} of {len(test):,} test {self._noun}s {'is' if shared == 1 else 'are'}"
            text += " in the training split too"
            notes.append(Note("repeated", f"{text} ({self._equal}): accuracy may be lower on new data", shared))
        if again:
            text = f"{again:,} of {len(train):,} training {self._noun}s {'repeats' if again == 1 else 'repeat'}"
            text += " an earlier one"
            notes.append(Note("repeated", f"{text} ({self._equal})", again))
        return notes
