"""A test split out of a data set that has none: a share of every class, drawn by a seed of its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgesim import seeds
from edgesim.data.columns import Columns
from edgesim.data.reading_notes import Note
from edgesim.errors import DataError
from edgesim.formatting import n_of
from edgesim.work import IntArray


@dataclass(frozen=True)
class HeldOut:
    """Rule that draws the samples of the test split.

    The seed belongs to the data set, not to the trial: the split is the same for every seed of a scenario, as a
    published test split would be. So methods are compared on the same test samples, and the data are decoded once.
    The spread over the scenario's seeds is that of shards, initial weights and batches.
    """

    share: float
    """of each class, in (0, 1)"""
    seed: int
    """of the stream "test-split" """

    def rows(self, labels: IntArray, where: str, columns: Columns | None = None) -> tuple[IntArray, IntArray]:
        """The rows of the training and of the test split, both sorted.

        A class of n >= 2 samples gives round(share * n) test samples, halves rounded up, at least 1 and at most n - 1.
        A class with one sample keeps it for training.

        Args:
            labels: int64 [N].
            where: names the data in messages.
            columns: groups of the samples.

        Raises:
            DataError: every class has one sample only.
        """
        generator = seeds.stream(self.seed, "test-split")
        test = []
        order = np.argsort(labels, kind="stable")
        for mine in np.split(order, np.flatnonzero(np.diff(labels[order])) + 1):
            n = len(mine)
            count = 0 if n == 1 else min(max(int(np.floor(self.share * n + 0.5)), 1), n - 1)
            test.append(generator.permutation(mine)[:count])
        chosen = np.sort(np.concatenate(test))
        if not len(chosen):
            raise DataError(
                f"{where}: dataset.test_share = {self.share} leaves no test sample, since every class has one sample "
                f"only; add samples, or give a test split"
            )
        is_test = np.zeros(len(labels), bool)
        is_test[chosen] = True
        return np.flatnonzero(~is_test), chosen

    def notes(self, labels: IntArray, test: IntArray, columns: Columns | None = None) -> list[Note]:
        """Note on the samples that were drawn; `test` as `rows` gave it."""
        text = f"the test split is {n_of(len(test), 'sample', 'samples')} of {len(labels):,}: {self.share:g} of each"
        notes = [Note("read as", f"{text} class, drawn with test_seed {self.seed}", len(test))]
        single = int((np.bincount(labels) == 1).sum())
        if single:
            text = n_of(single, "class has one sample, which stays", "classes have one sample each, which stays")
            notes.append(Note("missing", f"{text} in training", single))
        return notes
