"""Orders and draws that spread every class evenly, so that each mini-batch has nearly the class shares of the whole.

Stratified batches have gradients with less variance than random ones (Zhao & Zhang 2014, arXiv:1405.3080). A stretch of
b samples has b·n_c/n samples of class c, to within one or so; a random one differs from that by their square root.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from edgesim.pruning.base import Shard
from edgesim.pruning.budgets import Balance
from edgesim.work import FloatArray, IntArray


@dataclass(frozen=True)
class Classes:
    """Labels of a shard, for samplers that spread its classes; all of a device have the same, so they compare equal."""

    labels: IntArray = field(repr=False, compare=False)
    """[n]"""

    @cached_property
    def line(self) -> IntArray:
        """[n] places, class by class."""
        return np.argsort(self.labels, kind="stable")

    @cached_property
    def last(self) -> IntArray:
        """[classes] position in `line` of each class's last sample."""
        return np.append(np.flatnonzero(np.diff(self.labels[self.line])), len(self.line) - 1)


def classes_of(shard: Shard, balance: Balance) -> Classes | None:
    """Classes to be spread; None where a method does not ask for it."""
    return None if balance == "none" else Classes(shard.labels)


def even_order(labels: IntArray, rng: np.random.Generator) -> IntArray:
    """A random order with every class spread evenly over it.

    A sample of place r in a random order of its class has the key (r + u_c)/n_c, with u_c uniform in [0, 1) for each
    class; the keys are sorted.

    Args:
        labels: int array [n].
        rng: random numbers.

    Returns: int64 [n], a permutation.
    """
    order = rng.permutation(len(labels))
    keys = np.empty(len(labels))
    for label in np.unique(labels):
        members = order[labels[order] == label]
        keys[members] = (np.arange(len(members)) + rng.random()) / len(members)
    return np.asarray(order[np.argsort(keys[order], kind="stable")])


def even_draw(probabilities: FloatArray, classes: Classes, count: int, rng: np.random.Generator) -> IntArray:
    """Places drawn with replacement, every class as often as its samples' probabilities say, to within one.

    The classes lie on a line, each as long as the sum of its samples' probabilities. Points at equal distances, the
    first one random, say how often each class is drawn (systematic sampling). Inside a class the draws are independent.
    So sample i is drawn count·p_i times on average, as by independent draws.

    Args:
        probabilities: float array [n], >= 0 with the sum 1.
        classes: of the n samples.
        count: draws, >= 1.
        rng: random numbers.

    Returns: int64 [count], class by class.
    """
    line, last = classes.line, classes.last
    ends = np.cumsum(probabilities[line])
    upper = ends[last]
    lower = np.append(0.0, upper[:-1])
    points = (rng.random() + np.arange(count)) / count * ends[-1]
    drawn = np.minimum(np.searchsorted(upper, points, side="right"), len(last) - 1)
    inside = lower[drawn] + rng.random(count) * (upper - lower)[drawn]
    return np.asarray(line[np.minimum(np.searchsorted(ends, inside, side="right"), last[drawn])])
