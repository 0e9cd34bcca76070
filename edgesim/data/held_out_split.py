"""A test split out of a data set that has none: rows that a column names, or rows drawn by a seed of their own."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from edgesim import seeds
from edgesim.config.validation import nearest
from edgesim.data.columns import Column, Columns
from edgesim.data.reading_notes import Note, some
from edgesim.errors import DataError
from edgesim.formatting import n_of
from edgesim.tasks import CLASSES, LabelWords
from edgesim.work import IntArray

SplitRule = Literal["within", "subjects"]
"""test samples of every subject, or whole subjects"""
RULES: dict[str, SplitRule] = {"within": "within", "subjects": "subjects"}
SPLIT_COLUMNS: dict[SplitRule, str] = {"within": "split_within", "subjects": "split_subject"}
"""columns that say train or test of each row"""


@dataclass(frozen=True)
class HeldOut:
    """Rule that takes the samples of the test split.

    The seed belongs to the data set, not to the trial: the split is the same for every seed of a scenario, as a
    published test split would be. So methods are compared on the same test samples, and the data are decoded once.
    The spread over the scenario's seeds is that of shards, initial weights and batches.
    """

    share: float | None
    """of samples that are drawn, in (0, 1); None: a column of SPLIT_COLUMNS says which rows they are"""
    seed: int = 0
    """of the stream "test-split" """
    rule: SplitRule | None = None
    """None: a share of each class"""
    subject: str = "subject"
    """column with the subjects"""

    @property
    def asked(self) -> str:
        """The key of the scenario that asks for this."""
        return "dataset.test_share" if self.rule is None else f"dataset.test: {self.rule}"

    def named_rows(self, columns: Columns, where: str) -> tuple[IntArray, IntArray, list[Note]]:
        """Rows that the split column calls train and test, sorted, and the note on all others.

        Raises:
            DataError: there is no such column, or it leaves a split empty.
        """
        assert self.rule is not None, "a rule without a share goes by a column"
        name = SPLIT_COLUMNS[self.rule]
        if name not in columns:
            share = f"draw the test split by dataset.test_share: 0.2 beside test: {self.rule}"
            raise DataError(f"{where}: dataset.test: {self.rule} needs the column '{name}'{_there(columns)}; {share}")
        column = columns[name]
        counts = Counter(np.array(column.names, dtype=object)[column.codes].tolist())
        for word in ("train", "test"):
            if not counts[word]:
                found = some(f"'{value}' ({count:,})" for value, count in counts.most_common())
                raise DataError(f"{where}: column '{name}' has no row '{word}', only {found}; write train and test")
        rows = [np.flatnonzero(column.codes == column.names.index(word)) for word in ("train", "test")]
        notes = [Note("read as", f"the test split is {n_of(len(rows[1]), 'sample')}, by column '{name}'", len(rows[1]))]
        others = {value: count for value, count in counts.items() if value not in ("train", "test")}
        if others:
            total = sum(others.values())
            named = some(f"'{value}' {count:,}" for value, count in others.items())
            text = f"{n_of(total, 'sample is', 'samples are')} neither train nor test in column '{name}'"
            notes.append(Note("left out", f"{text}: {named}", total))
        return rows[0], rows[1], notes + self._in_both(columns, rows)

    def _in_both(self, columns: Columns, rows: list[IntArray]) -> list[Note]:
        """The note on subjects that are in both splits, although whole subjects are asked for."""
        if self.rule != "subjects" or self.subject not in columns:
            return []
        subjects = columns[self.subject]
        both = np.intersect1d(subjects.codes[rows[0]], subjects.codes[rows[1]])
        if not len(both):
            return []
        text = n_of(len(both), "subject has", "subjects have") + " rows in both splits"
        return [Note("repeated", f"{text}: {some(subjects.names[c] for c in both)}", len(both))]

    def rows(
        self, labels: IntArray, where: str, columns: Columns | None = None, word: str = CLASSES.one
    ) -> tuple[IntArray, IntArray]:
        """The rows of the training and of the test split that are drawn, both sorted.

        A class of n >= 2 samples gives round(share * n) test samples, halves rounded up, at least 1 and at most n - 1.
        A class with one sample keeps it for training. With the rule `within` this holds of each class of each subject.
        With `subjects`, whole subjects are drawn until they have `share` of all samples; one at least is left.

        Args:
            labels: int64 [N].
            where: names the data in messages.
            columns: groups of the samples.
            word: for a class, in messages.

        Raises:
            DataError: every class has one sample only, or there are no subjects, or one alone.
        """
        assert self.share is not None, "rows of a column are no draw"
        generator = seeds.stream(self.seed, "test-split")
        if self.rule == "subjects":
            chosen = _whole_subjects(self._subjects(columns, where), self.share, generator, where)
        else:
            chosen = _of_each(self._groups(labels, columns, where), self.share, generator)
        if not len(chosen):
            what = word if self.rule is None else f"{word} of every subject"
            raise DataError(
                f"{where}: dataset.test_share = {self.share} leaves no test sample, since every {what} has one sample "
                f"only; add samples, or give a test split"
            )
        is_test = np.zeros(len(labels), bool)
        is_test[chosen] = True
        return np.flatnonzero(~is_test), chosen

    def notes(
        self, labels: IntArray, test: IntArray, columns: Columns | None = None, words: LabelWords = CLASSES
    ) -> list[Note]:
        """Notes on the samples that were drawn; `test` as `rows` gave it."""
        unused = [name for name in SPLIT_COLUMNS.values() if name in (columns or {})]
        if unused:
            unread = f"the test split is drawn; not read: {some(unused)}"
            return [*self._drawn(labels, test, columns, words), Note("left out", unread, len(unused))]
        return self._drawn(labels, test, columns, words)

    def _drawn(self, labels: IntArray, test: IntArray, columns: Columns | None, words: LabelWords) -> list[Note]:
        text = f"the test split is {n_of(len(test), 'sample', 'samples')} of {len(labels):,}: "
        drawn = f"drawn with test_seed {self.seed}"
        if self.rule == "subjects":
            assert columns is not None, "`rows` needed them"
            held = np.unique(columns[self.subject].codes[test])
            names = some(columns[self.subject].names[c] for c in held)
            whole = f"all of {n_of(len(held), 'subject', 'subjects')} ({names})"
            return [Note("read as", f"{text}{whole}, {drawn}", len(test))]
        each = words.one if self.rule is None else f"{words.one} of each value of '{self.subject}'"
        notes = [Note("read as", f"{text}{self.share:g} of each {each}, {drawn}", len(test))]
        single = int((np.unique(self._groups(labels, columns, ""), return_counts=True)[1] == 1).sum())
        if single:
            of = "" if self.rule is None else f" of a value of '{self.subject}'"
            many = f"{words.many}{of} have one sample each, which stays"
            text = n_of(single, f"{words.one}{of} has one sample, which stays", many)
            notes.append(Note("missing", f"{text} in training", single))
        return notes

    def _groups(self, labels: IntArray, columns: Columns | None, where: str) -> IntArray:
        """[N] the class of each sample, or the class of its subject."""
        if self.rule is None:
            return labels
        return self._subjects(columns, where).codes * (int(labels.max()) + 1) + labels

    def _subjects(self, columns: Columns | None, where: str) -> Column:
        if columns is None or self.subject not in columns:
            near = nearest(self.subject, list(columns or ()))
            raise DataError(
                f"{where}: {self.asked} needs the column '{self.subject}' with the subjects{_there(columns or {})}"
                f"{near}; name it in dataset.subject"
            )
        return columns[self.subject]


def advice(columns: list[str]) -> str:
    """Ways to a test split, for data that give none: first those of the split columns that are there."""
    ways = [f"by column '{name}' with dataset.test: {rule}" for rule, name in SPLIT_COLUMNS.items() if name in columns]
    if ways:
        return f"; take the test split {' or '.join(ways)}, or draw one by dataset.test_share: 0.2"
    subjects = ", with test: subjects beside it as whole subjects" if "subject" in columns else ""
    return f", or take a share of the training samples by dataset.test_share: 0.2{subjects}"


def _of_each(groups: IntArray, share: float, generator: np.random.Generator) -> IntArray:
    """Drawn rows of each group, sorted; none of a group with one row."""
    test = []
    order = np.argsort(groups, kind="stable")
    for mine in np.split(order, np.flatnonzero(np.diff(groups[order])) + 1):
        n = len(mine)
        count = 0 if n == 1 else min(max(int(np.floor(share * n + 0.5)), 1), n - 1)
        test.append(generator.permutation(mine)[:count])
    return np.sort(np.concatenate(test))


def _whole_subjects(subjects: Column, share: float, generator: np.random.Generator, where: str) -> IntArray:
    """All rows of the subjects that are drawn, sorted."""
    present, codes, counts = np.unique(subjects.codes, return_inverse=True, return_counts=True)
    if len(present) < 2:
        raise DataError(
            f"{where}: dataset.test: subjects needs two subjects or more, and all samples are of "
            f"'{subjects.names[present[0]]}'; use dataset.test_share alone"
        )
    order = generator.permutation(len(present))
    reached = np.cumsum(counts[order]) >= share * len(codes)
    held: npt.NDArray[np.intp] = order[: min(int(reached.argmax()) + 1, len(present) - 1)]
    return np.flatnonzero(np.isin(codes, held))


def _there(columns: Columns) -> str:
    return f" (there are {some(columns, 8)})" if columns else " (there are no columns of groups)"
