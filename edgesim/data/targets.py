"""Targets of a task that are no classes: numbers to predict, or boxes in images; and ranges of numbers as classes."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt

from edgesim.data.boxes import Boxes
from edgesim.errors import DataError
from edgesim.formatting import n_of
from edgesim.tasks import TaskName
from edgesim.work import IntArray

Targets = npt.NDArray[np.float32] | Boxes
"""float32 [N, K] of a regression, boxes of a detection; both have a length and are indexed by rows"""
RANGES = 10
"""of a target, as classes for partitions and shares"""


def check_targets(targets: Targets | None, task: TaskName, count: int, where: str) -> Targets | None:
    """The targets of a split in the form of its task.

    Raises:
        DataError: targets of a classification, none of another task, another number than samples, or numbers that are
            not finite.
    """
    if task == "classification":
        if targets is not None:
            raise DataError(f"{where} targets: a classification has labels alone; leave them out")
        return None
    if targets is None or len(targets) != count:
        found = "are missing" if targets is None else f"are {len(targets):,} for {n_of(count, 'sample')}"
        raise DataError(f"{where} targets: {found}; a {task} needs one for each sample")
    if task == "detection":
        if not isinstance(targets, Boxes):
            raise DataError(
                f"{where} targets: are {type(targets).__name__}; a detection needs `edgesim.data.boxes.Boxes`"
            )
        return targets
    if isinstance(targets, Boxes):
        raise DataError(f"{where} targets: are boxes; a regression needs numbers [N, K]")
    return as_numbers(targets, f"{where} targets")


def as_numbers(values: npt.ArrayLike, where: str) -> npt.NDArray[np.float32]:
    """Targets of a regression as float32 [N, K], read-only.

    Raises:
        DataError: no numbers, more than two axes, or one that is not finite.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "iufb" or array.ndim not in (1, 2) or 0 in array.shape[1:]:
        raise DataError(
            f"{where}: {array.dtype} of shape {list(array.shape)}; allowed: numbers [N] or [N, K] "
            "(classes: leave out `task: regression`)"
        )
    numbers = (array if array.ndim == 2 else array[:, None]).astype(np.float32)
    bad = np.flatnonzero(~np.isfinite(numbers).all(axis=1))
    if len(bad):
        raise DataError(
            f"{where}: {n_of(len(bad), 'sample has', 'samples have')} no finite target, the first is sample {bad[0]} "
            f"({array[bad[0]]}); remove them, or give their targets"
        )
    numbers.flags.writeable = False
    return numbers


def ranges_of(train: npt.NDArray[np.float32], *others: npt.NDArray[np.float32]) -> tuple[list[IntArray], list[str]]:
    """Classes by the size of a target: equally frequent ranges of the training split's first number.

    Args:
        train: [N, K] targets.
        others: of other splits, sorted into the same ranges.

    Returns: int64 [N] for each array, and the names of the ranges, such as `12.5 to 30`. Fewer than RANGES where
        targets repeat.
    """
    first = train[:, 0].astype(np.float64)
    edges = np.unique(np.quantile(first, np.arange(1, RANGES) / RANGES, method="higher"))
    edges = edges[edges < first.max()]  # a range holds what is at most its upper edge
    labels = [np.searchsorted(edges, one[:, 0].astype(np.float64), side="left") for one in (train, *others)]
    marks = [f"{edge:.6g}" for edge in edges]
    if not marks:
        return labels, [f"{first.max():.6g}"]
    inner = [f"above {low} to {high}" for low, high in itertools.pairwise(marks)]
    return labels, [f"at most {marks[0]}", *inner, f"above {marks[-1]}"]


def target_arrays(targets: Targets | None) -> dict[str, npt.NDArray[Any]]:
    """The arrays that targets consist of, by name, to be stored; none of a classification."""
    if targets is None:
        return {}
    return targets.arrays() if isinstance(targets, Boxes) else {"numbers": targets}


def targets_from(arrays: dict[str, npt.NDArray[Any]]) -> Targets | None:
    """The targets whose `target_arrays` these are."""
    if not arrays:
        return None
    return arrays["numbers"] if "numbers" in arrays else Boxes(**arrays)
