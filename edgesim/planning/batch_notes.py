"""Trainings whose last batches leave batch normalisation too few values: a note says so, and nothing is changed.

The batches of an epoch are full but for the last one. Batch normalisation in training takes mean and variance over the
batch and over the pixels or times of its map; where the map is one pixel, over as many values as the batch has samples.
"""

from __future__ import annotations

import numpy as np

from edgesim.cost.step_counts import StepCounts
from edgesim.formatting import n_of
from edgesim.work import IntArray

FEWEST_VALUES = 8
"""per channel. A MobileNetV2 of width 0.5 whose last maps were one pixel learnt 144 digits to 79 % in batches of 16,
and 115 of them, where the last batch has 3, to 21 % (ten devices, one seed)"""
LEAST_SHARE = 0.01
"""of a training's steps: rarer batches are left out"""


def too_small(train: StepCounts, values: int) -> IntArray:
    """[C] samples of the smallest batch that leaves too few values; 0 where none does.

    A batch of one sample is none of these: it is normalised by the running statistics.

    Args:
        train: steps of C trainings.
        values: that a batch normalisation of the network has per sample and channel, at its smallest map; 0 = it has no
            batch normalisation.
    """
    size, steps, none = train.batch_sizes, train.steps, np.iinfo(np.int64).max
    few = (size > 1) & (size * values < FEWEST_VALUES) & (steps >= LEAST_SHARE * steps.sum(axis=1, keepdims=True))
    smallest = np.where(few & (steps > 0) & (values > 0), size, none).min(axis=1, initial=none)
    return np.where(smallest < none, smallest, 0)


def notes(smallest: IntArray, trainings: IntArray, values: int) -> tuple[str, ...]:
    """A sentence on trainings with such batches; none where there are none.

    Args:
        smallest: [C] of `too_small`.
        trainings: [C] that each stands for.
        values: as of `too_small`.
    """
    found = smallest > 0
    if not found.any():
        return ()
    low, high = int(smallest[found].min()), int(smallest[found].max())
    samples = f"{low} to {high} samples" if high > low else n_of(low, "sample")
    leaves = f"{low * values} to {high * values} values" if high > low else n_of(low * values, "value")
    wanted = -(-FEWEST_VALUES // values)
    return (
        f"in {int(trainings[found].sum()):,} of {n_of(int(trainings.sum()), 'training')} the last batch has {samples}, "
        f"and a layer's batch normalisation {leaves} per channel, which can undo what was learnt; choose a "
        f"training.batch_size that leaves it {wanted} samples or more",
    )
