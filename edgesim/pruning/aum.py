"""AUM: area under the margin over training (Pleiss et al. 2020, Eqs. 1-2).

    margin_t(i) = z_y − max over c other than y of z_c         logits z of sample i with label y at presentation t
    AUM_i = mean over the presentations t of margin_t(i)       the score is its negative

A low margin is a hard sample, so the score is −AUM_i: larger = harder = kept first. Logits are read where training
computes them: in training mode, augmented if training is, each at the weights of its own step.

Deviations: the paper finds wrong labels by the margin, over training up to the first drop of the learning rate. Here
the margin ranks samples, over the scenario's warm-up unless `warmup` gives another length. A sample that was never
presented (T0 below one epoch) has the margin of one forward pass at T0. Where C is 1 there is no other logit and every
margin is 0.

Work: the warm-up; C comparisons per presentation and sample.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from edgesim.config.checked_dataclass import checked_dataclass
from edgesim.models.network_costs import NetworkShape
from edgesim.pruning.base import Method, OwnWork, ScoreContext, Scoring, Shard
from edgesim.pruning.expected_work import needs_of
from edgesim.pruning.expected_work import presentations as presented
from edgesim.pruning.training_dynamics import presentation_needs, presentations, warmup_steps
from edgesim.training.needs import Needs
from edgesim.training.settings import Warmup
from edgesim.work import FloatArray, Work


def aum(logits: npt.ArrayLike, labels: npt.ArrayLike) -> FloatArray:
    """Mean margin of each sample over its presentations (Pleiss et al. 2020, Eqs. 1-2). Low = hard.

    Args:
        logits: float array [P, n, C]; a row of NaN where a sample was not presented.
        labels: int array [n], in [0, C).

    Returns: float64 [n]; NaN for a sample that was never presented, 0 where C is 1.
    """
    values, own = np.asarray(logits), np.asarray(labels, dtype=np.int64)
    _, n, classes = values.shape
    sums, counts = np.zeros(n), np.zeros(n)
    for seen in values:  # one presentation at a time: float64 copies of all of them may not fit
        rivals = seen.astype(np.float64)
        mine = rivals[np.arange(n), own]
        rivals[np.arange(n), own] = -np.inf
        margins = mine - rivals.max(axis=1) if classes > 1 else np.where(np.isnan(mine), np.nan, 0.0)
        met = ~np.isnan(margins)
        sums[met] += margins[met]
        counts += met
    return np.divide(sums, counts, out=np.full(n, np.nan), where=counts > 0)


@checked_dataclass()
class Aum(Method):
    """mean margin between the label's logit and the best other one, lowest first"""

    warmup: Warmup | None = None
    """length of this method's warm-up; left out: that of `pruning.warmup`"""
    balance: Literal["none", "class"] = "none"
    """class: every class keeps its share of the samples; none: the best scores of the shard, whatever their class"""

    source: ClassVar[str] = "Pleiss et al. 2020"
    cost_class: ClassVar[str] = "warm-up"

    def needs(self, shard: Shard) -> Needs:
        """Logits at every presentation."""
        return presentation_needs("logits", warmup_steps(self.warmup, shard), shard)

    def expected(self, shard: Shard, network: NetworkShape, k: int) -> OwnWork:
        """One comparison per presentation, sample and class."""
        seen = presented(needs_of(self, shard), shard)
        return OwnWork(Work(comparisons=seen * shard.size * shard.num_classes))

    def score(self, context: ScoreContext) -> Scoring:
        """Minus the area under the margin, float64 [n]."""
        logits = presentations(context.observations, "logits")
        return Scoring(-aum(logits, context.shard.labels), Work(comparisons=logits.size))
