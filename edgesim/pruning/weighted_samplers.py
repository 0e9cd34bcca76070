"""Samplers that draw without replacement, each sample with a probability that grows with its weight.

Draws one by one in proportion to the weights w_i are the k smallest of the keys E_i / w_i, with E_i exponential of mean
1 (Efraimidis & Spirakis 2006). The E_i are the same for all budgets of a device, so that weights that do not depend on
the budget give nested subsets. Samples of weight 0 come last, in random order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from edgesim.config.checked_dataclass import checked_dataclass
from edgesim.config.plausible import Bounded, PlausibleRange
from edgesim.pruning.budgets import Part
from edgesim.pruning.subset_samplers import SampledSubset, ScoredShard, SubsetSampler
from edgesim.work import FloatArray, IntArray, Work

EDGE = 1e-6
"""probabilities of the true class are kept this far from 0 and 1, where a Beta density may have a pole"""
ROUNDING = 1e-9
"""Scores whose distance is below this share of their size are equal."""


def positive(scores: FloatArray) -> FloatArray:
    """Scores as weights >= 0: where one is negative, the smallest becomes 0. All are 1 where none would be above 0."""
    low, high = scores.min(), scores.max()
    shifted = scores - low if low < 0 else scores
    size = max(abs(low), abs(high))
    return np.ones(len(scores)) if shifted.max() <= ROUNDING * size else np.asarray(shifted)


def order_of(log_weights: FloatArray, exponentials: FloatArray) -> tuple[IntArray, FloatArray]:
    """Order in which samples are drawn without replacement, and the logarithms of their keys.

    Args:
        log_weights: float array [n]; -inf for a weight of 0.
        exponentials: [n] independent, of mean 1.

    Returns: positions int64 [n] by rising key, and keys [n] of the samples in their own order; +inf for a weight of 0.
    """
    keys = np.log(exponentials) - log_weights
    return np.lexsort((exponentials, keys)).astype(np.int64), keys


def stand_in(scores: FloatArray) -> FloatArray:
    """Stand-in for the probability of the true class: falls evenly from 1 to 0 as the score rises; equal scores tie.

    A larger score mostly means a harder sample, and a harder sample a smaller probability of its class. The Beta
    density only needs the order from hard to easy, on a scale from 0 to 1: the rank gives both, whatever the unit of
    the score.

    Returns: float64 [n], 1 - (mean rank from below + 1/2) / n.
    """
    order = np.sort(scores)
    below, upto = np.searchsorted(order, scores, "left"), np.searchsorted(order, scores, "right")
    return np.asarray(1.0 - (below + upto) / 2.0 / len(scores))


def _drawn_by_parts(
    parts: Sequence[Part], log_weights: Sequence[FloatArray], exponentials: FloatArray
) -> tuple[list[IntArray], list[FloatArray]]:
    """Positions drawn of every part with a budget, and their chances to be within it, given the first key beyond.

    Given the key of the first sample beyond the budget, a sample is within it with the chance 1 - exp(-w·key), each
    independently of the others (rank conditioning, Cohen & Kaplan 2007). Where nothing is beyond, the chance is 1.
    """
    positions, chances = [], []
    for (members, budget), logs in zip(parts, log_weights, strict=True):
        if not budget:
            continue
        order, keys = order_of(logs, exponentials[members])
        chosen = order[:budget]
        first_beyond = keys[order[budget]] if budget < len(members) else np.inf
        within = np.ones(budget)
        if np.isfinite(first_beyond):
            within = -np.expm1(-np.exp(logs[chosen] + first_beyond))
        positions.append(members[chosen])
        chances.append(within)
    return positions, chances


@checked_dataclass()
class Beta(Bounded, SubsetSampler):
    """drawn by the score times a Beta density at the mean probability of the true class, easier as the ratio falls

    Cho et al. 2025 (DUAL): sample i is drawn without replacement with the weight

        w_i = s_i · BetaPdf(P_i; a, b),    b = C·(1 - mu)·(1 - r^c_d),    a = C - b

    with its score s_i, the mean probability P_i that the network gave to its class over the warm-up, the share r that
    is pruned, and mu = P of the sample with the largest score. At a small r the density is around mu, where the scores
    are largest. As r approaches 1, b goes to 0 and the density moves to the easiest samples.

    Of the article only the abstract could be read here; its formulas are given at second hand. The authors' published
    code was read: it has C = 15 and draws in the same way. There a = 16 - b, mu is the mean over the ten largest
    scores, and c_d is 4 for CIFAR-100. Here mu is the mean over the samples that share the largest score.

    Scores without such a probability have a stand-in: 1 - rank / n, so that the largest score counts as the hardest.
    The density then moves from the largest scores at a small r to the smallest as r approaches 1. Negative scores are
    shifted so that the smallest is 0. With `balance: class`, r and mu are those of the class.

    Notes: `beta_a` and `beta_b`, of the shard as one. Work: n comparisons for the largest score, 12 operations per
    sample.
    """

    c_d: Annotated[float, Field(gt=0, allow_inf_nan=False), PlausibleRange(0.01, 1000.0)] = 4.0
    """exponent of the pruned share; larger = the move to easy samples begins at smaller keep ratios"""
    concentration: Annotated[float, Field(gt=0, allow_inf_nan=False), PlausibleRange(0.1, 1000.0)] = 15.0
    """C, the sum of both parameters of the Beta density; larger = narrower"""

    name: ClassVar[str] = "beta"

    def choose(self, scored: ScoredShard, parts: Sequence[Part]) -> SampledSubset:
        """Draw every part by its weights."""
        scores = scored.finite
        exponentials = scored.rng("sampler").exponential(size=len(scores))
        logs, notes = [], {}
        for members, budget in parts:
            own = scores[members]
            probability = stand_in(own) if scored.probability is None else scored.probability[members]
            a, b = self.parameters(own, probability, budget)
            inside = np.clip(probability, EDGE, 1.0 - EDGE)
            with np.errstate(divide="ignore"):  # a score of 0 is drawn last
                log_score = np.log(positive(own))
            logs.append(log_score + (a - 1.0) * np.log(inside) + (b - 1.0) * np.log1p(-inside))
            notes = {"beta_a": a, "beta_b": b}
        positions, _ = _drawn_by_parts(parts, logs, exponentials)
        return SampledSubset(np.concatenate(positions), notes=notes if len(parts) == 1 else {})

    def parameters(self, scores: FloatArray, probability: FloatArray, k: int) -> tuple[float, float]:
        """Both parameters a, b of the density where k samples are kept of those with these scores [n]."""
        mu = float(probability[scores == scores.max()].mean())
        pruned = 1.0 - k / len(scores)
        b = self.concentration * (1.0 - mu) * (1.0 - pruned**self.c_d)
        return self.concentration - b, b

    def work(self, n: int) -> Work:
        """The largest score; logarithms, products and a key per sample."""
        return Work(comparisons=n, other_flops=12.0 * n)


@checked_dataclass()
class ImportanceSampling(SubsetSampler):
    """drawn without replacement with a probability that grows with the score, mixed with uniform draws

    Every draw takes sample i of those that are left in proportion to

        p_i = mix · s_i / sum of s  +  (1 - mix) / n

    with the score s_i; negative scores are shifted so that the smallest is 0, and equal ones draw uniformly. Subsets
    are nested over the keep ratio.

    `unbiased: true` weights the loss of a kept sample with 1 over its chance to be kept (Horvitz-Thompson). The chance
    is that given the first sample beyond the budget. Weighted sums over the subset then have the expectation of the
    sums over the shard. Training scales the weights to a mean of 1.

    Work: n comparisons for the smallest score, 6 operations per sample; 3 more for the weights.
    """

    mix: Annotated[float, Field(ge=0, le=1)] = 0.5
    """share of the draw that goes by the score; the rest is uniform"""
    unbiased: bool = False
    """weight the losses so that the subset's expected loss is that of the whole shard"""

    name: ClassVar[str] = "importance-sampling"

    def choose(self, scored: ScoredShard, parts: Sequence[Part]) -> SampledSubset:
        """Draw every part by its weights."""
        scores = scored.finite
        exponentials = scored.rng("sampler").exponential(size=len(scores))
        with np.errstate(divide="ignore"):  # a weight of 0 is drawn last
            logs = [np.log(self.probabilities(scores[members])) for members, _ in parts]
        positions, chances = _drawn_by_parts(parts, logs, exponentials)
        all_kept = sum(map(len, positions)) == len(scores)
        weights = 1.0 / np.concatenate(chances) if self.unbiased and not all_kept else None
        return SampledSubset(np.concatenate(positions), weights)

    def probabilities(self, scores: npt.NDArray[np.float64]) -> FloatArray:
        """p of the first draw, float64 [n] with the sum 1."""
        weights = positive(scores)
        return np.asarray(self.mix * weights / weights.sum() + (1.0 - self.mix) / len(weights))

    def work(self, n: int) -> Work:
        """The smallest score; shift, share and key per sample, and weights."""
        return Work(comparisons=n, other_flops=(9.0 if self.unbiased else 6.0) * n)
