"""All samples for fewer epochs: training at the price of a subset without any choice. The opponent of every subset.

Training on k of n samples for E epochs takes as much as training on all n for k/n·E epochs. This method does the
latter: T = max(1, round(k/n · E · ceil(n/B))) steps in epochs over the whole shard (`pruning.full_passes`); the last
epoch ends where T says. The learning rate follows the scenario's schedule over exactly these T steps. At k = n it is
`full`, bit for bit.

With `balance: class` every pass spreads the classes evenly over its batches (`pruning.class_even`), at n comparisons a
pass. At k = n it is then not `full`, whose batches are random.

There is no score, and no sample is preferred. The device keeps all of its n samples: that is its `subset_size`, and its
`storage_bytes` are theirs.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from edgesim.config.checked_dataclass import checked_dataclass
from edgesim.models.network_costs import NetworkShape
from edgesim.pruning.base import Method, OwnWork, ScoreContext, Scoring, Shard, SubsetChoice
from edgesim.pruning.class_even import classes_of
from edgesim.pruning.full_passes import Passes, pass_sizes, steps_for
from edgesim.training.needs import Needs
from edgesim.work import Work


@checked_dataclass()
class FewerEpochs(Method):
    """dynamic: all samples for a share keep_ratio of the steps, with the schedule over these"""

    balance: Literal["none", "class"] = "none"
    """class: every batch has each class in its proportion"""

    source: ClassVar[str] = "baseline: the same cost without a choice"
    cost_class: ClassVar[str] = "free"
    by_chance: ClassVar[bool] = True
    dynamic: ClassVar[bool] = True

    def needs(self, shard: Shard) -> Needs:
        """Nothing."""
        return Needs()

    def expected(self, shard: Shard, network: NetworkShape, k: int) -> OwnWork:
        """The visits of every epoch."""
        return OwnWork(self._ordering(shard, k), visits=pass_sizes(shard.size, shard.batch_size, steps_for(shard, k)))

    def choose(self, context: ScoreContext, k: int) -> SubsetChoice:
        """All positions, for the steps that k samples would buy."""
        shard = context.shard
        everything, classes = np.arange(shard.size), classes_of(shard, self.balance)
        if k == shard.size and classes is None:  # full training
            return SubsetChoice(everything)
        scoring = Scoring(np.zeros(shard.size), self._ordering(shard, k))
        sampler = Passes(shard.size, shard.batch_size, steps_for(shard, k), classes)
        return SubsetChoice(everything, scoring=scoring, epoch_sampler=sampler)

    def _ordering(self, shard: Shard, k: int) -> Work:
        """Of one order per pass, where the classes are spread."""
        passes = len(pass_sizes(shard.size, shard.batch_size, steps_for(shard, k)))
        return Work(comparisons=0 if self.balance == "none" else shard.size * passes)
