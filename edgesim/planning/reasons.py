"""Why planned trials cannot be done, or what binds them, in words: each text once, and not too many that differ."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from edgesim.cost.batch_pricing import BatchPricing
from edgesim.cost.feasibility import LIMITS
from edgesim.cost.pricing import shortfall
from edgesim.planning.ratio_rules import RuleDecision
from edgesim.planning.trials import cannot_begin
from edgesim.work import IntArray

BUDGET = len(LIMITS)
"""position of the budget among what stops a planned trial: after what stops the device itself"""
MOST = 10_000
"""texts of one trial each (the second of an empty battery, what a budget lacks) that are written out in one plan"""
PLAIN = {
    "energy": "its charge does not last",
    "availability": "its windows of availability never suffice",
    "refused": "the budget does not suffice, or the device may not for all that the work may be",
    "": "",
}
"""what stands for further ones; a plan of fewer devices has their numbers"""


class Wording:
    """The texts of a plan."""

    def __init__(self) -> None:
        self.texts: list[str] = [""]
        self._places: dict[tuple[str, int, int] | str, int] = {"": 0}
        self._singles = 0

    def of(
        self,
        priced: BatchPricing,
        size: IntArray,
        limit: IntArray,
        choices: tuple[RuleDecision | None, ...],
        exact: npt.NDArray[np.bool_],
    ) -> IntArray:
        """Positions in `texts` of the reasons of P devices' R trials.

        Args:
            priced: all P·R trials, by the least of their work.
            size: [P·R] samples of each one's shard.
            limit: [P, R] what stops each, of LIMITS; 0 where a rule alone refuses.
            choices: [R] what a rule chose for the P devices; empty where there is none.
            exact: [P·R] whether the work is known.
        """
        flat, width = limit.ravel(), limit.shape[1]
        found = np.zeros(len(flat), dtype=np.int64)
        begins = np.flatnonzero(np.isin(flat, [LIMITS.index("memory"), LIMITS.index("storage")]))
        if begins.size:
            found[begins] = self._alike(priced, begins, size)
        for name in ("energy", "availability"):
            rows = np.flatnonzero(flat == LIMITS.index(name))
            found[rows] = self._each(name, rows, lambda i: shortfall(priced, i, bool(exact[i])))
        for r, choice in enumerate(choices):
            if choice is not None:
                short = np.flatnonzero((limit[:, r] == 0) & ~choice.suffices)
                found[short * width + r] = self._each("refused", short, choice.reason)
                bound = np.flatnonzero((limit[:, r] == 0) & choice.suffices & choice.says)
                found[bound * width + r] = self._each("", bound, choice.reason)
        return found.reshape(limit.shape)

    def _alike(self, priced: BatchPricing, rows: IntArray, size: IntArray) -> IntArray:
        """Of trials that cannot begin: the same for all of a profile with the same batch and shard size."""
        keys, first, inverse = np.unique(
            np.stack([priced.largest_batch[rows], size[rows]]), axis=1, return_index=True, return_inverse=True
        )
        places = []
        for (batch, samples), i in zip(keys.T, rows[first], strict=True):
            key = (priced.device.profile.name, int(batch), int(samples))
            if key not in self._places:
                self._places[key] = self._add(cannot_begin(priced, int(i), int(samples)))
            places.append(self._places[key])
        return np.array(places)[inverse.ravel()]

    def _each(self, name: str, rows: IntArray, write: Callable[[int], str]) -> IntArray:
        """A text for each, while there are not too many; one for the others."""
        count = min(len(rows), MOST - self._singles)
        self._singles += count
        places = [self._add(write(int(i))) for i in rows[:count]]
        if count < len(rows):
            if name not in self._places:
                self._places[name] = self._add(PLAIN[name])
            places += [self._places[name]] * (len(rows) - count)
        return np.array(places, dtype=np.int64)

    def _add(self, text: str) -> int:
        self.texts.append(text)
        return len(self.texts) - 1
