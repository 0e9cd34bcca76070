"""Finds images that a data set holds more than once, by a hash of their pixels, while they stream past."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from edgesim.data.reading_notes import Note

DIGEST_BYTES = 8
"""two of a million different images agree with a probability of 3e-8"""


class Repeats:
    """Remembers 8 bytes per image of both splits."""

    def __init__(self) -> None:
        self._digests: dict[str, list[npt.NDArray[np.uint64]]] = {"train": [], "test": []}

    def see(self, split: str, images: npt.NDArray[np.uint8]) -> None:
        """Take note of images [b, H, W, C] of "train" or "test"."""
        flat = np.ascontiguousarray(images).reshape(len(images), -1)
        digests = b"".join(hashlib.blake2b(row.data, digest_size=DIGEST_BYTES).digest() for row in flat)
        self._digests[split].append(np.frombuffer(digests, np.uint64))

    def notes(self) -> list[Note]:
        """Notes on test images that are training images too, and on training images that repeat an earlier one."""
        train, test = (np.concatenate(parts) for parts in self._digests.values())
        different = np.unique(train)
        again, shared = len(train) - len(different), int(np.isin(test, different).sum())
        notes = []
        if shared:
            text = f"{shared:,} of {len(test):,} test images {'is' if shared == 1 else 'are'} in the training split too"
            notes.append(Note("repeated", f"{text} (equal pixels): accuracy may be lower on new data", shared))
        if again:
            text = f"{again:,} of {len(train):,} training images {'repeats' if again == 1 else 'repeat'} an earlier one"
            notes.append(Note("repeated", f"{text} (equal pixels)", again))
        return notes
