"""CCS, coverage-centric selection (Zheng et al. 2023, Algorithm 1): random, but even over easy and hard.

The choice is sampler `stratified` (`subset_samplers`) on a base score: the `cutoff` hardest share is dropped, and the
intervals of the scores that are left get equal shares of the budget. `{name: importance, sampler: stratified}` chooses
in the same way.

Shapes: base scores [n], larger = harder.

Base score: read from the shared warm-up, in the state that its own method says. The default is `importance` (average
loss). It needs only a loss per sample, so it serves every task, and it has many distinct values after a short warm-up.
The paper's own choice is `aum`.

Deviations: the base score is read after the device's warm-up and not after 200 epochs. The paper tunes the cutoff:
the smaller the ratio, the larger the cut. Here it is one field, small by default. With `balance: class` the
steps are taken within each class.

Complexity: O(n log n) beyond the base score.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from edgesim.config.checked_dataclass import checked_dataclass
from edgesim.config.plausible import Bounded, PlausibleRange
from edgesim.models.network_costs import NetworkShape
from edgesim.pruning.aum import Aum
from edgesim.pruning.base import Method, OwnWork, ScoreContext, Shard, SubsetChoice, scored_shard
from edgesim.pruning.budgets import parts_of
from edgesim.pruning.el2n import El2n
from edgesim.pruning.forgetting import Forgetting
from edgesim.pruning.importance import Importance
from edgesim.pruning.subset_samplers import Stratified
from edgesim.training.needs import Needs
from edgesim.training.settings import Warmup

_BASES: dict[str, type[Importance] | type[Aum] | type[El2n] | type[Forgetting]] = {
    "importance": Importance,
    "aum": Aum,
    "el2n": El2n,
    "forgetting": Forgetting,
}


@checked_dataclass()
class Ccs(Bounded, Method):
    """even over the strata of a base score, the hardest left out"""

    base: Literal["importance", "aum", "el2n", "forgetting"] = "importance"
    """the score that is cut into strata"""
    cutoff: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """share of the shard that is dropped as too hard"""
    strata: Annotated[int, Field(ge=1), PlausibleRange(1, 100_000)] = 50
    """intervals of equal width that the scores are cut into"""
    balance: Literal["none", "class"] = "none"
    """class: every class keeps its share of the samples; none: the strata are those of the shard as a whole"""
    warmup: Warmup | None = None
    """length of this method's warm-up; left out: that of `pruning.warmup`"""

    source: ClassVar[str] = "Zheng et al. 2023"
    cost_class: ClassVar[str] = "warm-up"

    def needs(self, shard: Shard) -> Needs:
        """Needs of the base score."""
        return self._base().needs(shard)

    def expected(self, shard: Shard, network: NetworkShape, k: int) -> OwnWork:
        """Work of the base score, the cut and the strata."""
        base = self._base()
        own = base.expected(shard, network, k) if not isinstance(base, Importance) else OwnWork()
        return OwnWork(own.work + self._sampler().work(shard.size), own.trace)

    def choose(self, context: ScoreContext, k: int) -> SubsetChoice:
        """Stratified choice of k; the scores that are reported are the base's."""
        scoring = self._base().score(context)
        scored = scored_shard(context, scoring)
        drawn = self._sampler().choose(scored, parts_of(context.shard.labels, k, self.balance))
        work = scoring.work + self._sampler().work(context.shard.size)
        notes = {**scoring.notes, **drawn.notes}
        return SubsetChoice(drawn.positions, scoring=replace(scoring, work=work, notes=notes))

    def _sampler(self) -> Stratified:
        return Stratified(cutoff=self.cutoff, strata=self.strata)

    def _base(self) -> Importance | Aum | El2n | Forgetting:
        return _BASES[self.base](warmup=self.warmup)
