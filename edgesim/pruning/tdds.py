"""TDDS: temporal dual-depth scoring (Zhang et al. 2024, CVPR; the published code where the text is open).

With p_t the softmax output [C] of a sample at its presentation t of P, windows of J presentations:

    d_t = sum over c of |p_{t+1,c}·(log p_{t+1,c} − log p_{t,c})|              change from one presentation to the next
    R_k = norm2 over the J − 1 changes of window k of (d_t − their mean)      variation of the contribution
    s   = sum over windows k = 0 … P − J of b·(1 − b)^(P − J − k)·R_k         exponentially weighted, the last most

Larger = the contribution to training varies more = kept first. Outputs are read where training computes them: in
training mode, augmented if training is, each at the weights of its own step.

Deviations: the paper records 10 to 90 epochs of 200 with windows of J = 10. The default here is J = 4 over the
scenario's warm-up; a shorter warm-up is lengthened to J epochs (at most full training). The log of a
softmax is taken exactly, where the published code adds 1e-8. Only finished epochs are read, so that all samples have
equally long trajectories. Fewer presentations than J make one window. Two presentations give the change itself,
which has no variance; one gives equal scores.

Work: the warm-up; 10 operations per presentation, sample and class.
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
from edgesim.pruning.expected_work import needs_of
from edgesim.pruning.training_dynamics import finished_presentations, steps_per_epoch, window_needs
from edgesim.training.needs import Needs
from edgesim.training.settings import Warmup
from edgesim.work import FloatArray, Work


def tdds(logits: npt.ArrayLike, window: int, decay: float) -> FloatArray:
    """Exponentially weighted variation of the per-epoch changes of the outputs (Zhang et al. 2024).

    Args:
        logits: float array [P, n, C], in order of time.
        window: J presentations per window, >= 2; P where that is less.
        decay: b, weight of the newest window, in (0, 1].

    Returns: float64 [n], >= 0; the change itself where P is 2, zeros where P is 1.
    """
    values = np.asarray(logits)
    length, n = values.shape[:2]
    if length == 1:
        return np.zeros(n)
    changes, before = np.empty((length - 1, n)), _log_softmax(values[0])
    for t in range(1, length):
        now = _log_softmax(values[t])
        changes[t - 1] = np.abs(np.exp(now) * (now - before)).sum(axis=1)
        before = now
    if length == 2:
        return np.asarray(changes[0])
    inside = min(window, length) - 1
    if inside == 1:
        raise ValueError("tdds needs windows of at least 3 presentations: a single change has no variance")
    scores = np.zeros(n)
    for k in range(length - inside):
        part = changes[k : k + inside]
        weight = decay * (1.0 - decay) ** (length - 1 - inside - k)
        scores += weight * np.sqrt(((part - part.mean(axis=0)) ** 2).sum(axis=0))
    return scores


def _log_softmax(logits: npt.NDArray[np.floating]) -> FloatArray:
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


@checked_dataclass()
class Tdds(Bounded, Method):
    """variation of the change of the outputs from epoch to epoch, largest first"""

    window: Annotated[int, Field(ge=3), PlausibleRange(3, 10_000)] = 4
    """epochs per window (J)"""
    decay: Annotated[float, Field(gt=0, le=1), PlausibleRange(1e-6, 1.0)] = 0.9
    """weight of the newest window; the one before has (1 − decay) of it"""
    warmup: Warmup | None = None
    """length of this method's warm-up; left out: that of `pruning.warmup`, but at least `window` epochs"""
    balance: Literal["none", "class"] = "none"
    """class: every class keeps its share of the samples; none: the best scores of the shard, whatever their class"""

    source: ClassVar[str] = "Zhang et al. 2024"
    cost_class: ClassVar[str] = "warm-up of several epochs"

    def needs(self, shard: Shard) -> Needs:
        """Logits at every presentation."""
        return window_needs(self.window, self.warmup, shard)

    def expected(self, shard: Shard, network: NetworkShape, k: int) -> OwnWork:
        """Ten operations per finished presentation, sample and class."""
        finished = max(1, needs_of(self, shard).steps // steps_per_epoch(shard))
        return OwnWork(Work(other_flops=10.0 * finished * shard.size * shard.num_classes))

    def score(self, context: ScoreContext) -> Scoring:
        """Temporal dual-depth score, float64 [n]."""
        finished = finished_presentations(context.observations)
        notes = {"presentations": float(len(finished))}
        return Scoring(tdds(finished, self.window, self.decay), Work(other_flops=10.0 * finished.size), notes=notes)
