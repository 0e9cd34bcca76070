"""What the trials of one method will do on each of several shards, before any of them runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from edgesim.cost.feasibility import Demand
from edgesim.cost.forecast import Device, Forecast
from edgesim.cost.loads import Load
from edgesim.cost.terms import Terms
from edgesim.pruning import expected
from edgesim.pruning.base import Shard
from edgesim.work import FloatArray, IntArray


@dataclass(frozen=True)
class Prospect:
    """A method and the shards of some devices."""

    terms: Terms
    network: expected.Network
    method: Any
    """the plug-in"""
    shards: Sequence[Shard]
    """at least one; batch size and epochs are those of the scenario, the same for all"""
    _trials: dict[tuple[int, int], expected.Expected] = field(default_factory=dict)
    """what was worked out: (position of the shard, subset size) -> work; one by one where scoring depends on both"""

    @property
    def scores_once(self) -> bool:
        """Whether scoring is the same for every subset size, so that costs grow with it batch by batch."""
        return expected.scores_every_budget(self.method)

    @cached_property
    def sizes(self) -> IntArray:
        """[shards] samples of each."""
        return np.array([shard.size for shard in self.shards], dtype=np.int64)

    @cached_property
    def known(self) -> npt.NDArray[np.bool_]:
        """[shards] whether the work is known well enough to rule trials out: neither bounded nor another run's."""
        exact = [expected.of_scoring(self.method, shard, self.network, 1).exact for shard in self.shards]
        return np.array(exact) & (self.terms.scorer is None)

    def price(self, device: Device, which: IntArray, m: IntArray, factor: FloatArray | float = 1.0) -> Forecast:
        """Both prices of C trials on one kind of device.

        Args:
            device: profile and conditions.
            which: [C] positions of shards.
            m: [C] subset sizes, 1 to n.
            factor: of the profile's throughput, [C] or one for all.
        """
        return Forecast(self.terms, device, *self.loads(which, m), factor)

    def loads(self, which: IntArray, m: IntArray) -> tuple[Load, Load, IntArray]:
        """What scoring and training of C trials will do, and how many samples each keeps (arguments as in `price`)."""
        workload, first = self.terms.workload, self.shards[0]
        if self.scores_once:
            score = self._scoring if len(self.shards) == 1 else self._scoring.rows(which)
            return score, Load.training(m, first.batch_size, first.epochs, workload), m
        trials = [self._trial(int(place), int(k)) for place, k in zip(which, m, strict=True)]
        score = Load.of([(trial.score, trial.score_trace) for trial in trials], workload)
        train = Load.of([(trial.train, trial.train_trace) for trial in trials], workload)
        return score, train, np.array([trial.kept for trial in trials], dtype=np.int64)

    def demand(self, priced: Forecast, which: IntArray) -> Demand:
        """What C priced trials want of their device."""
        return demand(priced, self.sizes[which], self.known[which])

    @cached_property
    def _scoring(self) -> Load:
        parts = [expected.of_scoring(self.method, shard, self.network, 1) for shard in self.shards]
        return Load.of([(part.work, part.trace) for part in parts], self.terms.workload)

    def _trial(self, place: int, k: int) -> expected.Expected:
        if (place, k) not in self._trials:
            self._trials[place, k] = expected.of_trial(self.method, self.shards[place], self.network, k)
        return self._trials[place, k]


def demand(priced: Forecast, size: IntArray, known: npt.NDArray[np.bool_]) -> Demand:
    """What C priced trials want of their device.

    Args:
        priced: the trials.
        size: [C] samples of each one's shard.
        known: [C] whether its work is known well enough to rule it out for want of charge or time.
    """
    peak_bytes, shard_bytes = priced.peak_memory_bytes, size.astype(np.float64) * priced.terms.sample_bytes
    conditions = priced.device.conditions
    if (conditions.energy.source == "mains" and conditions.available is None) or not known.any():
        return Demand(peak_bytes, shard_bytes)  # nothing can stop it on the way
    run = priced.as_it_is
    return Demand(peak_bytes, shard_bytes, run.finished | ~known, ~np.isnan(run.died_at_s))
