"""Wrong labels on purpose, as in data that people have labelled."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgesim import seeds
from edgesim.data.dataset import Dataset
from edgesim.errors import DataError
from edgesim.work import IntArray


def with_wrong_labels(dataset: Dataset, share: float) -> Dataset:
    """The data set with a share of its training labels replaced by other classes; the test set stays as it is.

    The labels are a property of the data: they are the same in every seed of a scenario. Partitions split by these
    labels.

    Args:
        dataset: read and limited.
        share: of the training labels, in [0, 1); 0 changes nothing.

    Raises:
        DataError: there is one class only.
    """
    if share == 0:
        return dataset
    if dataset.task != "classification":
        raise DataError(
            f"data set '{dataset.name}': label_noise is {share:g}, but its task is a {dataset.task}, which has no "
            f"wrong classes; leave label_noise out"
        )
    if dataset.num_classes < 2:
        raise DataError(
            f"data set '{dataset.name}': label_noise is {share:g}, but there is only the class "
            f"'{dataset.class_names[0]}'; leave label_noise out, or give data with two classes or more"
        )
    return replace(dataset, train_labels=wrong_labels(dataset.train_labels, dataset.num_classes, share))


def wrong_labels(labels: IntArray, num_classes: int, share: float) -> IntArray:
    """Labels of which round(share·N) are wrong: which ones, and as what, uniformly (stream "label-noise").

    The wrong labels of a smaller share are among those of a larger one.

    Args:
        labels: int [N].
        num_classes: C, >= 2.
        share: in [0, 1).

    Returns: int64 [N], another array.
    """
    rng = seeds.stream(0, "label-noise")
    n = len(labels)
    chosen, steps = rng.permutation(n)[: round(share * n)], rng.integers(1, num_classes, size=n)
    changed = np.array(labels, dtype=np.int64)
    changed[chosen] = (changed[chosen] + steps[chosen]) % num_classes
    return changed
