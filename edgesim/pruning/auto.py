"""Chooses for each device how it spends a budget of k samples: from its shard and its storage, without test data.

**All n samples may be stored**: a subset that is kept once throws data away for nothing, so batches are drawn while
training goes on, as `online-loss` draws them: T = max(1, round(k/n · E · ceil(n/B))) steps (`pruning.full_passes`).
Every batch has the class shares of the draw (`pruning.class_even`). The first pass over the shard is uniform; where the
budget ends within it, no loss is looked at. After it half of each batch goes by the last loss that training saw.

**A storage budget is smaller than the shard**, or `storage: subset`: the device keeps k samples, drawn at random with
every class keeping its share. Nothing is scored.

At k = n it is `full`, bit for bit: there is nothing to choose.

The note `auto` of a record says what was chosen and why. Work: that of the method chosen, exact in plans.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Literal

import numpy as np

from edgesim.config.checked_dataclass import checked_dataclass
from edgesim.models.network_costs import NetworkShape
from edgesim.pruning.base import Method, OwnWork, ScoreContext, Scoring, Shard, SubsetChoice
from edgesim.pruning.budgets import class_balanced_top_k
from edgesim.pruning.online_loss import OnlineLoss
from edgesim.pruning.random import Random
from edgesim.training.needs import Needs

_BY_LOSS = OnlineLoss(balance="class", most_hopeless=0.2)
_AT_RANDOM = Random(balance="class")


@checked_dataclass()
class Auto(Method):
    """chooses by device: batches by loss while it trains, or where storage is short a subset with the class shares"""

    storage: Literal["budget", "subset"] = "budget"
    """budget: all samples are stored where a storage budget allows it; subset: never more than the kept ones"""

    source: ClassVar[str] = "own"
    cost_class: ClassVar[str] = "no warm-up"
    by_chance: ClassVar[bool] = True
    dynamic: ClassVar[bool] = True

    def is_dynamic_on(self, shard: Shard) -> bool:
        """True where the device may store its whole shard."""
        return self.storage == "budget" and shard.fits_storage

    def needs(self, shard: Shard) -> Needs:
        """Nothing: losses come from the training itself."""
        return Needs()

    def expected(self, shard: Shard, network: NetworkShape, k: int) -> OwnWork:
        """Work of the method chosen."""
        if k == shard.size or not self.is_dynamic_on(shard):
            return OwnWork()
        return _BY_LOSS.expected(shard, network, k)

    def choose(self, context: ScoreContext, k: int) -> SubsetChoice:
        """All positions with the sampler that draws from them, or k positions."""
        shard = context.shard
        if k == shard.size:
            return SubsetChoice(np.arange(k), scoring=_told(shard.size, "all: the budget is the whole shard"))
        if not self.is_dynamic_on(shard):
            places = class_balanced_top_k(_AT_RANDOM.score(context).scores, shard.labels, k)
            why = "storage: subset" if self.storage == "subset" else f"storage holds {shard.storable} of {shard.size}"
            return SubsetChoice(places, scoring=_told(shard.size, f"random subset with the class shares: {why}"))
        drawn = _BY_LOSS.choose(context, k)
        assert drawn.scoring is not None
        steps = drawn.scoring.notes["loss_steps"]
        told = f"batches by loss for {steps:g} steps after one pass" if steps else "part of one pass, no loss used"
        scoring = replace(drawn.scoring, notes={**drawn.scoring.notes, "auto": f"{told}: storage holds all samples"})
        return replace(drawn, scoring=scoring)


def _told(n: int, choice: str) -> Scoring:
    """A note of what was chosen and why, without scores."""
    return Scoring(np.zeros(n), notes={"auto": choice})
