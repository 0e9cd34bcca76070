"""All samples for fewer epochs: training at the price of a subset without any choice. The opponent of every subset.

Training on k of n samples for E epochs takes as much as training on all n for k/n·E epochs. This method does the
latter: T = max(1, round(k/n · E · ceil(n/B))) steps in epochs over the whole shard (`pruning.full_passes`); the last
epoch ends where T says. The learning rate follows the scenario's schedule over exactly these T steps. At k = n it is
`full`, bit for bit.

There is no score, and nothing is chosen or compared. The device keeps all of its n samples: that is its `subset_size`,
and its `storage_bytes` are theirs.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from edgesim.config.checked_dataclass import checked_dataclass
from edgesim.models.network_costs import NetworkShape
from edgesim.pruning.base import Method, OwnWork, ScoreContext, Shard, SubsetChoice
from edgesim.pruning.full_passes import Passes, pass_sizes, steps_for
from edgesim.training.needs import Needs


@checked_dataclass()
class FewerEpochs(Method):
    """dynamic: all samples for a share keep_ratio of the steps, with the schedule over these"""

    source: ClassVar[str] = "baseline: the same cost without a choice"
    cost_class: ClassVar[str] = "free"
    by_chance: ClassVar[bool] = True
    dynamic: ClassVar[bool] = True

    def needs(self, shard: Shard) -> Needs:
        """Nothing."""
        return Needs()

    def expected(self, shard: Shard, network: NetworkShape, k: int) -> OwnWork:
        """The visits of every epoch."""
        return OwnWork(visits=pass_sizes(shard.size, shard.batch_size, steps_for(shard, k)))

    def choose(self, context: ScoreContext, k: int) -> SubsetChoice:
        """All positions, for the steps that k samples would buy."""
        shard = context.shard
        everything = np.arange(shard.size)
        if k == shard.size:  # full training
            return SubsetChoice(everything)
        return SubsetChoice(everything, epoch_sampler=Passes(shard.size, shard.batch_size, steps_for(shard, k)))
