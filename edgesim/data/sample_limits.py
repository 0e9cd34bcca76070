"""Limits of the samples of a split: class by class, and evenly over the groups that columns name."""

from __future__ import annotations

import heapq
from dataclasses import replace

import numpy as np

from edgesim.data.columns import Columns
from edgesim.data.dataset import SPLITS, Dataset
from edgesim.data.partition_checks import apportion
from edgesim.data.reading_notes import Note, some
from edgesim.formatting import n_of
from edgesim.tasks import TASKS
from edgesim.work import IntArray

SUBJECT = "subject"
"""column with the users, where data have one: the usual name, as in `dataset.subject`"""


def limited(dataset: Dataset, limit_train: int | None, limit_test: int | None) -> Dataset:
    """The data set with at most so many samples per split, chosen by `limited_rows`; None = all."""
    train = limited_rows(dataset.train_labels, limit_train, dataset.train_columns)
    test = limited_rows(dataset.test_labels, limit_test, dataset.test_columns)
    if train is None and test is None:
        return dataset
    chosen = dataset.chosen(train, test)
    return replace(chosen, notes=(*dataset.notes, *_lost(dataset, chosen, (limit_train, limit_test))))


def limited_rows(labels: IntArray, limit: int | None, columns: Columns) -> IntArray | None:
    """Samples that a limit keeps: some of each class, in the proportions of the classes.

    Without columns they are the first ones of each class in file order. With columns they are spread over the groups
    of `groups_of`: each class takes from every group a share of its samples there, and the first ones of these. While a
    class has fewer samples left than groups, groups come first that other classes took least of.

    Args:
        labels: int [N].
        limit: samples to keep, >= 1, or None.
        columns: groups of the samples, by name.

    Returns: sorted indices, `limit` of them; None where nothing has to go. There is no chance in it.
    """
    if limit is None or limit >= len(labels):
        return None
    classes, counts = np.unique(labels, return_counts=True)
    keep = apportion(limit, counts)
    groups = groups_of(columns, len(labels), limit)
    sizes = np.bincount(groups)
    taken, chosen = np.zeros(len(sizes), np.int64), list[IntArray]()
    for c, count in zip(classes.tolist(), keep.tolist(), strict=True):
        rows = np.flatnonzero(labels == c)
        chosen.append(rows[_spread(groups[rows], count, taken, sizes)])
    return np.sort(np.concatenate(chosen))


def groups_of(columns: Columns, count: int, most: int) -> IntArray:
    """Group of each sample, int [count] from 0 on: one for all without columns, else combinations of their values.

    The column SUBJECT comes first, then those with fewer values. Each further one that would make more groups than
    `most` is left out, such as a time.
    """
    found, is_alone = np.zeros(count, np.int64), True
    coded = {name: np.unique(column.codes, return_inverse=True)[1] for name, column in columns.items()}
    for name in sorted(coded, key=lambda one: (one != SUBJECT, int(coded[one].max()))):
        codes = coded[name]
        both = np.unique(found * (int(codes.max()) + 1) + codes, return_inverse=True)[1]
        if is_alone or int(both.max()) < most:
            found, is_alone = both, is_alone and int(codes.max()) == 0
    return found


def _spread(groups: IntArray, count: int, taken: IntArray, sizes: IntArray) -> IntArray:
    """Positions of `count` samples of one class, spread over its groups.

    The next sample is of the group of which the smallest share was taken; of equal ones, that of which other classes
    took the smallest share, then the first.

    Args:
        groups: [n] group of each sample.
        count: samples to take, at most n.
        taken: [G] samples taken of each group so far, over all classes; grows.
        sizes: [G] samples of each group, over all classes.
    """
    order = np.argsort(groups, kind="stable")
    there, starts, own = np.unique(groups[order], return_index=True, return_counts=True)
    used = [0] * len(there)
    waiting = [(0.0, taken[g] / sizes[g], i) for i, g in enumerate(there.tolist())]
    heapq.heapify(waiting)
    for _ in range(count):
        _, _, i = waiting[0]
        used[i] += 1
        taken[there[i]] += 1
        share = used[i] / own[i] if used[i] < own[i] else np.inf
        heapq.heapreplace(waiting, (share, taken[there[i]] / sizes[there[i]], i))
    parts = [order[start : start + n] for start, n in zip(starts.tolist(), used, strict=True)]
    return np.concatenate(parts)


def _lost(dataset: Dataset, chosen: Dataset, limits: tuple[int | None, ...]) -> list[Note]:
    """The notes on classes, and on values of columns, of which a limit leaves nothing."""
    notes, words = [], TASKS[dataset.task].label_words
    for split, limit in zip(SPLITS, limits, strict=True):
        if limit is None:
            continue
        had, has = getattr(dataset, f"{split}_labels"), getattr(chosen, f"{split}_labels")
        lost = np.setdiff1d(had, has)
        if len(lost):
            text = f"limit_{split} = {limit} leaves {n_of(len(lost), words.one, words.many)} without a sample"
            notes.append(Note("missing", f"{text}: {some(dataset.class_names[c] for c in lost)}", len(lost)))
        columns, left = getattr(dataset, f"{split}_columns"), getattr(chosen, f"{split}_columns")
        for name, column in columns.items():
            gone = np.setdiff1d(column.codes, left[name].codes)
            if len(gone):
                text = f"limit_{split} = {limit} leaves {n_of(len(gone), 'value')} of '{name}' without a sample"
                notes.append(Note("missing", f"{text}: {some(column.names[c] for c in gone)}", len(gone)))
    return notes
