"""Chooses for each device how it spends a budget of k samples: from its shard and its storage, without test data.

**All n samples may be stored**: a subset that is kept once throws data away for nothing, so batches are drawn while
training goes on, as `online-loss` draws them: T = max(1, round(k/n · E · ceil(n/B))) steps (`pruning.full_passes`).
The first pass over the shard is uniform; where the budget ends within it, no loss is looked at. After it half of each
batch goes on through passes, and half follows the last loss that training saw. That half shrinks as more samples have a
loss above the untrained network's, and is none where a fifth have. Both have even classes (`pruning.class_even`).

**A storage budget is smaller than the shard**, or `storage: subset`: the device keeps k samples, and decides:

- Where the budget has steps for `least_passes` passes over the shard, training begins with one pass over all n and goes
  on with a subset, within the same T steps. The pass tests each batch before it trains on it. These losses are those
  of a hold-out of the device's own data, and decide whether the subset is random or goes by loss
  (`pruning.pass_then_subset`).
- Where it has fewer, looking at all samples would take what training needs: the subset is random from the start.

Every class keeps its share of the subset, and is spread evenly over the batches. At k = n it is `full`, bit for bit:
there is nothing to choose.

The note `auto` of a record says what was chosen and why. Work: that of the method chosen, exact in plans.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from edgesim.config.checked_dataclass import checked_dataclass
from edgesim.config.plausible import Bounded, PlausibleRange
from edgesim.models.network_costs import NetworkShape
from edgesim.pruning.base import Method, OwnWork, ScoreContext, Scoring, Shard, SubsetChoice
from edgesim.pruning.budgets import class_balanced_top_k
from edgesim.pruning.class_even import Classes
from edgesim.pruning.full_passes import Passes, steps_for
from edgesim.pruning.online_loss import OnlineLoss
from edgesim.pruning.pass_then_subset import PassThenSubset
from edgesim.training.sampling import per_epoch
from edgesim.work import Work

_BY_LOSS = OnlineLoss(balance="class", most_hopeless=0.2)


@checked_dataclass()
class Auto(Bounded, Method):
    """chooses by device: batches by loss while it trains, or where storage is short a subset after one pass over all"""

    storage: Literal["budget", "subset"] = "budget"
    """budget: all samples are stored where a storage budget allows it; subset: never more than the kept ones"""
    least_passes: Annotated[float, Field(gt=1, allow_inf_nan=False), PlausibleRange(1.0, 1e5)] = 1.5
    """passes over the shard that the budget has steps for, at least, so that the first of them visits all samples"""

    source: ClassVar[str] = "own"
    cost_class: ClassVar[str] = "nothing beside training"
    by_chance: ClassVar[bool] = True
    dynamic: ClassVar[bool] = True

    def is_dynamic_on(self, shard: Shard) -> bool:
        """True where the device may store its whole shard."""
        return self.storage == "budget" and shard.fits_storage

    def expected(self, shard: Shard, network: NetworkShape, k: int) -> OwnWork:
        """Work of the method chosen."""
        if k == shard.size:
            return OwnWork()
        if self.is_dynamic_on(shard):
            return _BY_LOSS.expected(shard, network, k)
        sampler = self._first_pass(shard, k)
        if sampler is None:
            return OwnWork(Work(comparisons=k * shard.epochs), visits=(k,) * shard.epochs)
        return OwnWork(sampler.work, visits=per_epoch(sampler.visits(shard.epochs)))

    def choose(self, context: ScoreContext, k: int) -> SubsetChoice:
        """All positions with the sampler that draws from them or settles on k of them, or k positions."""
        shard = context.shard
        if k == shard.size:
            notes = {"auto": "all: the budget is the whole shard"}
            return SubsetChoice(np.arange(k), scoring=Scoring(np.zeros(k), notes=notes))
        return self._moving(context, k) if self.is_dynamic_on(shard) else self._kept(context, k)

    def _first_pass(self, shard: Shard, k: int) -> PassThenSubset | None:
        """The draws that begin with a pass over all samples; None where the budget has too few steps for it."""
        steps = steps_for(shard, k)
        if steps < self.least_passes * -(-shard.size // shard.batch_size):
            return None
        return PassThenSubset(shard.size, shard.batch_size, steps, k, Classes(shard.labels), self._why(shard))

    def _why(self, shard: Shard) -> str:
        return "storage: subset" if self.storage == "subset" else f"storage holds {shard.storable} of {shard.size}"

    def _kept(self, context: ScoreContext, k: int) -> SubsetChoice:
        """A subset of k, after one pass over all samples where the budget has the steps for it."""
        shard, sampler = context.shard, self._first_pass(context.shard, k)
        nothing = np.zeros(shard.size)
        if sampler is not None:
            scoring = Scoring(nothing, sampler.work)
            return SubsetChoice(np.arange(shard.size), scoring=scoring, epoch_sampler=sampler, settles=True)
        chosen = class_balanced_top_k(context.rng().random(shard.size), shard.labels, k)
        passes = Passes(k, shard.batch_size, shard.epochs * -(-k // shard.batch_size), Classes(shard.labels[chosen]))
        notes = {"auto": f"random subset with the class shares from the start, as steps are few: {self._why(shard)}"}
        scoring = Scoring(nothing, Work(comparisons=k * shard.epochs), notes=notes)
        return SubsetChoice(chosen, scoring=scoring, epoch_sampler=passes)

    def _moving(self, context: ScoreContext, k: int) -> SubsetChoice:
        """All positions, and the sampler that draws from them."""
        drawn = _BY_LOSS.choose(context, k)
        assert drawn.scoring is not None
        steps = drawn.scoring.notes["loss_steps"]
        told = (
            f"batches by loss, up to half of each, for {steps:g} steps after one pass"
            if steps
            else "part of one pass, no loss used"
        )
        scoring = replace(drawn.scoring, notes={**drawn.scoring.notes, "auto": f"{told}: storage holds all samples"})
        return replace(drawn, scoring=scoring)
