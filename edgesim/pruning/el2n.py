"""EL2N: length of the error vector early in training (Paul, Ganguli & Dziugaite 2021, Definition 2.3).

    s_i = mean over the replicas of norm2(softmax(z_i) − y_i)          in [0, sqrt 2]

with the logits z_i [C] and the one-hot label y_i. Larger = further from its label = harder = kept first. Read after T0
steps in evaluation mode, without augmentation.

Deviations: the paper takes 10 replicas at epoch 10 to 20 of 200. The default here is one replica at the end of the
scenario's warm-up (`replicas`, `warmup`).

Work: the warm-up and n forward passes per replica; the arithmetic on [n, C] is charged with 4 operations per entry.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from edgesim.config.checked_dataclass import checked_dataclass
from edgesim.config.plausible import Bounded, PlausibleRange
from edgesim.models.network_costs import NetworkShape
from edgesim.pruning.base import Method, OwnWork, ScoreContext, Scoring, Shard
from edgesim.pruning.training_dynamics import warmup_steps
from edgesim.pruning.warmup_replicas import expected_replicas, replicate
from edgesim.training.needs import Needs
from edgesim.training.settings import Warmup
from edgesim.work import FloatArray, IntArray, Work


def el2n(logits: npt.ArrayLike, labels: npt.ArrayLike) -> FloatArray:
    """Euclidean norm of softmax(logits) − one-hot(labels) (Paul et al. 2021, Definition 2.3).

    Args:
        logits: float array [n, C].
        labels: int array [n], in [0, C).

    Returns: float64 [n], in [0, sqrt 2].
    """
    values = np.asarray(logits, dtype=np.float64)
    exponentials = np.exp(values - values.max(axis=1, keepdims=True))
    errors = exponentials / exponentials.sum(axis=1, keepdims=True)
    errors[np.arange(len(errors)), np.asarray(labels, dtype=np.int64)] -= 1.0
    return np.asarray(np.sqrt((errors**2).sum(axis=1)))


def error_flops(labels: IntArray, classes: int) -> float:
    """Operations of `el2n`: softmax, difference, square and sum on [n, C]."""
    return 4.0 * len(labels) * classes


@checked_dataclass()
class El2n(Bounded, Method):
    """length of the error vector softmax − label early in training, longest first"""

    replicas: Annotated[int, Field(ge=1), PlausibleRange(1, 1_000)] = 1
    """independent short runs that the score is averaged over; the first is the shared warm-up"""
    warmup: Warmup | None = None
    """length of this method's warm-up; left out: that of `pruning.warmup`"""
    balance: Literal["none", "class"] = "none"
    """class: every class keeps its share of the samples; none: the best scores of the shard, whatever their class"""

    source: ClassVar[str] = "Paul et al. 2021"
    cost_class: ClassVar[str] = "warm-up + forward, per replica"

    def needs(self, shard: Shard) -> Needs:
        """The logits after T0 steps."""
        steps = warmup_steps(self.warmup, shard)
        return Needs(steps, snapshots=(steps,), capture=frozenset({"logits"}))

    def expected(self, shard: Shard, network: NetworkShape, k: int) -> OwnWork:
        """The further replicas, and the arithmetic on [n, C]."""
        own = expected_replicas(self.needs(shard), shard, self.replicas)
        arithmetic = Work(other_flops=self.replicas * error_flops(shard.labels, shard.num_classes))
        return OwnWork(own.work + arithmetic, own.trace)

    def score(self, context: ScoreContext) -> Scoring:
        """Mean error norm, float64 [n]."""
        labels, classes = context.shard.labels, context.shard.num_classes
        runs = replicate(context, self.needs(context.shard), self.replicas)
        scores = np.zeros(context.shard.size)
        for seen in runs.observations:
            (snapshot,) = seen.snapshots.values()
            assert snapshot.logits is not None, "the logits were asked for"
            scores += el2n(snapshot.logits, labels) / self.replicas
        arithmetic = Work(other_flops=self.replicas * error_flops(labels, classes))
        return Scoring(scores, runs.work + arithmetic, runs.trace)
