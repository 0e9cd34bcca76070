"""Chooses for each device how it spends a budget of k samples: from its shard and its storage, without test data.

**All n samples may be stored**: a subset that is kept once throws data away for nothing, so batches are drawn while
training goes on, as `online-loss` draws them: T = max(1, round(k/n · E · ceil(n/B))) steps (`pruning.full_passes`).
The first pass over the shard is uniform; where the budget ends within it, no loss is looked at. After it half of each
batch goes on through passes, and half follows the last loss that training saw. That half shrinks as more samples have a
loss above the untrained network's, and is none where a fifth have. Both have even classes (`pruning.class_even`).

**A storage budget is smaller than the shard**, or `storage: subset`: the device keeps k samples after the first epoch.
That epoch visits all n and is part of the training, which goes on with the subset (`pruning.after_warmup`, `counts`):
the work is 1 + rho·(E − 1) epochs. Every class keeps its share. Below the keep ratio `score_below` the subset is even
over the losses of that epoch, the largest fifth left out (sampler `stratified`). From there on it is drawn at random,
as a score has little left to choose. A training of one epoch has no time for that: its subset is random.

At k = n it is `full`, bit for bit: there is nothing to choose.

The note `auto` of a record says what was chosen and why. Work: that of the method chosen, exact in plans.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from edgesim.config.checked_dataclass import checked_dataclass
from edgesim.config.plausible import Bounded
from edgesim.models.network_costs import NetworkShape
from edgesim.pruning.base import (
    Method,
    OwnWork,
    ScoreContext,
    Scoring,
    Shard,
    SubsetChoice,
    scored_shard,
)
from edgesim.pruning.budgets import class_balanced_top_k, parts_of
from edgesim.pruning.importance import Importance
from edgesim.pruning.online_loss import OnlineLoss
from edgesim.pruning.random import Random
from edgesim.pruning.subset_samplers import Stratified
from edgesim.training.needs import Needs
from edgesim.training.settings import Warmup
from edgesim.work import Work

_BY_LOSS = OnlineLoss(balance="class", most_hopeless=0.2)
_FIRST_EPOCH = Importance(warmup=Warmup(epochs=1))
_EVEN = Stratified(cutoff=0.2)
_AT_RANDOM = Random(balance="class")


@checked_dataclass()
class Auto(Bounded, Method):
    """chooses by device: batches by loss while it trains, or where storage is short a subset after one epoch on all"""

    storage: Literal["budget", "subset"] = "budget"
    """budget: all samples are stored where a storage budget allows it; subset: never more than the kept ones"""
    score_below: Annotated[float, Field(ge=0, le=1)] = 0.8
    """keep ratio from which on a kept subset is random"""

    source: ClassVar[str] = "own"
    cost_class: ClassVar[str] = "nothing beside training"
    by_chance: ClassVar[bool] = True
    dynamic: ClassVar[bool] = True
    after_warmup = "counts"  # no field: there is nothing to choose

    def is_dynamic_on(self, shard: Shard) -> bool:
        """True where the device may store its whole shard."""
        return self.storage == "budget" and shard.fits_storage

    def needs(self, shard: Shard) -> Needs:
        """Losses of the first epoch where a subset is kept; else nothing, as training itself shows the losses."""
        return Needs() if self.is_dynamic_on(shard) or shard.epochs < 2 else _FIRST_EPOCH.needs(shard)

    def expected(self, shard: Shard, network: NetworkShape, k: int) -> OwnWork:
        """Work of the method chosen."""
        if k == shard.size:
            return OwnWork()
        if self.is_dynamic_on(shard):
            return _BY_LOSS.expected(shard, network, k)
        return OwnWork(_EVEN.work(shard.size) if self._scores(shard, k) else Work())

    def choose(self, context: ScoreContext, k: int) -> SubsetChoice:
        """All positions with the sampler that draws from them, or k positions."""
        shard = context.shard
        if k == shard.size:
            notes = {"auto": "all: the budget is the whole shard"}
            return SubsetChoice(np.arange(k), scoring=Scoring(np.zeros(k), notes=notes))
        return self._moving(context, k) if self.is_dynamic_on(shard) else self._kept(context, k)

    def _scores(self, shard: Shard, k: int) -> bool:
        return shard.epochs >= 2 and k < self.score_below * shard.size

    def _kept(self, context: ScoreContext, k: int) -> SubsetChoice:
        """A subset of k, after one epoch on all samples where there are more."""
        shard = context.shard
        why = "storage: subset" if self.storage == "subset" else f"storage holds {shard.storable} of {shard.size}"
        first = "after one epoch on all" if shard.epochs >= 2 else "from the start, as there is one epoch"
        if not self._scores(shard, k):
            scores = _AT_RANDOM.score(context).scores
            told = Scoring(scores, notes={"auto": f"random subset with the class shares, {first}: {why}"})
            return SubsetChoice(class_balanced_top_k(scores, shard.labels, k), scoring=told)
        scoring = _FIRST_EPOCH.score(context)
        drawn = _EVEN.choose(scored_shard(context, scoring), parts_of(shard.labels, k, "class"))
        notes = {**drawn.notes, "auto": f"subset even over the losses with the class shares, {first}: {why}"}
        return SubsetChoice(drawn.positions, scoring=Scoring(scoring.scores, _EVEN.work(shard.size), notes=notes))

    def _moving(self, context: ScoreContext, k: int) -> SubsetChoice:
        """All positions, and the sampler that draws from them."""
        drawn = _BY_LOSS.choose(context, k)
        assert drawn.scoring is not None
        steps = drawn.scoring.notes["loss_steps"]
        told = f"batches by loss for {steps:g} steps after one pass" if steps else "part of one pass, no loss used"
        scoring = replace(drawn.scoring, notes={**drawn.scoring.notes, "auto": f"{told}: storage holds all samples"})
        return replace(drawn, scoring=scoring)
