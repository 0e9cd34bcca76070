"""DUAL: example difficulty times prediction uncertainty early in training (Cho et al. 2025, ICML; published code read).

With p_t the probability that the network gives to a sample's true class at its presentation t of P, windows of J:

    U_k = standard deviation of p_t over window k, with the denominator J - 1        uncertainty
    D_k = 1 - mean of p_t over window k                                              difficulty
    s   = mean over windows k = 0 … P - J of U_k·D_k

Larger = hard and still moving = kept first. Outputs are read where training computes them: in training mode, augmented
if training is, each at the weights of its own step.

Small subsets: the largest scores alone lose accuracy where little is kept. Up to the keep ratio `beta_up_to` the
subset is therefore drawn by sampler `beta` (`weighted_samplers`), which moves to easier samples as the ratio falls.
Its probability of the true class is the mean of p_t over all P presentations. Above that ratio the largest scores are
kept. The key `sampler` names one sampler for all ratios.

Sources: of the article only the abstract could be read here. The score is that of the authors' published code, where it
has a constant factor of 10. Its settings are P = 30 epochs of 200 and J = 10, and c_d = 4 for CIFAR-100.

Deviations: the default here is J = 4 over the scenario's warm-up; a shorter warm-up is lengthened to J epochs (at most
full training). Only finished epochs are read, so that all samples have equally long trajectories. Fewer presentations
than J make one window; one presentation has no deviation and gives equal scores. The keep ratio from which the Beta
density is used is a field of this project: the authors' code leaves the choice to its user.

Work: the warm-up; 4 operations per presentation, sample and class, and 4 per sample and presentation of each window.
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
from edgesim.pruning.subset_samplers import SubsetSampler, Top
from edgesim.pruning.training_dynamics import finished_presentations, steps_per_epoch, window_needs
from edgesim.pruning.weighted_samplers import Beta
from edgesim.training.needs import Needs
from edgesim.training.settings import Warmup
from edgesim.work import FloatArray, Work


def true_class_probabilities(logits: npt.ArrayLike, labels: npt.ArrayLike) -> FloatArray:
    """Softmax output of every sample's own class.

    Args:
        logits: float array [P, n, C].
        labels: int array [n], in [0, C).

    Returns: float64 [P, n], in [0, 1].
    """
    values, own = np.asarray(logits), np.asarray(labels, dtype=np.int64)
    found = np.empty(values.shape[:2])
    for t, seen in enumerate(values):  # one presentation at a time: float64 copies of all of them may not fit
        shifted = np.exp(seen.astype(np.float64) - seen.max(axis=1, keepdims=True))
        found[t] = shifted[np.arange(len(own)), own] / shifted.sum(axis=1)
    return found


def dual(probabilities: npt.ArrayLike, window: int) -> FloatArray:
    """Mean over all windows of uncertainty times difficulty (Cho et al. 2025).

    Args:
        probabilities: of the true class, float array [P, n] in order of time.
        window: J presentations per window, >= 2; P where that is less.

    Returns: float64 [n], >= 0; zeros where P is 1.
    """
    values = np.asarray(probabilities, dtype=np.float64)
    length, n = values.shape
    if length == 1:
        return np.zeros(n)
    inside = min(window, length)
    windows = [values[k : k + inside] for k in range(length - inside + 1)]
    return np.asarray(np.mean([part.std(axis=0, ddof=1) * (1.0 - part.mean(axis=0)) for part in windows], axis=0))


@checked_dataclass()
class Dual(Bounded, Method):
    """difficulty times uncertainty of the true class's probability, largest first; small subsets by Beta sampling"""

    window: Annotated[int, Field(ge=2), PlausibleRange(2, 10_000)] = 4
    """epochs per window (J)"""
    warmup: Warmup | None = None
    """length of this method's warm-up (T); left out: that of `pruning.warmup`, but at least `window` epochs"""
    beta_up_to: Annotated[float, Field(ge=0, le=1)] = 0.5
    """keep ratio up to which the subset is drawn by Beta sampling; above it the largest scores are kept"""
    c_d: Annotated[float, Field(gt=0, allow_inf_nan=False), PlausibleRange(0.01, 1000.0)] = 4.0
    """exponent of the pruned share in Beta sampling; larger = the move to easy samples begins at smaller keep ratios"""
    balance: Literal["none", "class"] = "none"
    """class: every class keeps its share of the samples; none: chosen from the shard as a whole"""

    source: ClassVar[str] = "Cho et al. 2025"
    cost_class: ClassVar[str] = "warm-up of several epochs"
    of_own_sampler: ClassVar[tuple[str, ...]] = ("beta_up_to", "c_d")

    def needs(self, shard: Shard) -> Needs:
        """Logits at every presentation."""
        return window_needs(self.window, self.warmup, shard)

    def expected(self, shard: Shard, network: NetworkShape, k: int) -> OwnWork:
        """Softmax outputs of the finished presentations, and the windows."""
        return OwnWork(self._arithmetic(max(1, needs_of(self, shard).steps // steps_per_epoch(shard)), shard))

    def score(self, context: ScoreContext) -> Scoring:
        """Difficulty times uncertainty, float64 [n]."""
        logits, shard = finished_presentations(context.observations), context.shard
        probabilities = true_class_probabilities(logits, shard.labels)
        notes = {"presentations": float(len(logits))}
        work = self._arithmetic(len(logits), shard)
        return Scoring(dual(probabilities, self.window), work, notes=notes, probability=probabilities.mean(axis=0))

    def sampler_for(self, n: int, k: int) -> SubsetSampler:
        """The scenario's sampler; else `beta` for small subsets and the largest scores for others."""
        if self.sampler is not None:
            return self.sampler
        return Beta(c_d=self.c_d) if k <= self.beta_up_to * n else Top()

    def _arithmetic(self, presentations: int, shard: Shard) -> Work:
        inside = min(self.window, presentations)
        visits = presentations * shard.num_classes + inside * (presentations - inside + 1)
        return Work(other_flops=4.0 * shard.size * visits)
