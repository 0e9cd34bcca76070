"""GLISTER: the samples whose gradients lower the loss on held-out data (Killamsetty et al. 2021b).

    next = argmax over i not yet chosen of <grad_i, V>,   V = mean over v of the gradient of v's loss at theta_S
    theta_S = theta - step·(sum of the chosen gradients)

with last-layer gradients (`last_layer_gradients`), greedily. V is computed anew after each of `rounds` equal batches of
choices (`rounds` >= k: after every choice). The gradients of the candidates stay those at theta (the paper's Taylor
step). V is exact: the logits of the held-out samples are linear in the last layer, z_v(theta_S) = z_v - step·G·h_v,
with G the sum of the chosen gradients [C, D]. So one product gives their new softmax.

Earlier = better. V turns with the choices, and a gradient like those already chosen gains less. A static top-k of
<grad_i, V> would not do that.

The held-out samples are a share of the device's own shard, the same of every class. They stay candidates (all n can be
chosen); each is judged by the mean over the other held-out samples, never by itself.

State: one forward pass over the shard after T0 steps of the warm-up, evaluation mode, no augmentation.

Deviations: the subset is chosen once, not every few epochs. The paper's step is that of training. Here it is eta/(n·L),
with L = mean(norm(h)^2)/2, a bound on the curvature of the cross-entropy in the last layer. So the whole shard moves
theta like `eta` steps of gradient descent of the length 1/L, at any scale of the embeddings. (At 30 the held-out loss
falls all along on digits and Fashion-MNIST, at 300 it does not.) The batches depend on k, so the subsets of different
budgets need not be nested.

Complexity: O(rounds·n·C·D), memory O(n·(C + D)).
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, NamedTuple

import numpy as np
from pydantic import Field

from edgesim.config.checked_dataclass import checked_dataclass
from edgesim.config.plausible import Bounded, PlausibleRange
from edgesim.models.network_costs import NetworkShape
from edgesim.pruning.base import Method, OwnWork, ScoreContext, Scoring, Shard, SubsetChoice
from edgesim.pruning.budgets import class_budgets
from edgesim.pruning.last_layer_gradients import LastLayer, gradient_needs, observed_gradients, softmax
from edgesim.training.needs import Needs
from edgesim.training.settings import Warmup
from edgesim.work import FloatArray, IntArray, Work


class ValidationPart(NamedTuple):
    """The held-out samples, which are candidates as well."""

    positions: IntArray
    """[V] sorted, within the shard"""
    logits: FloatArray
    """[V, C] at theta"""
    labels: IntArray
    """[V]"""


def gains(layer: LastLayer, held_out: ValidationPart, moved: FloatArray) -> FloatArray:
    """Agreement of each candidate's gradient with that of the held-out loss at theta - `moved`.

    Args:
        layer: gradients of the n candidates at theta.
        held_out: the held-out samples among them.
        moved: step times the sum of the chosen gradients, [C, D].

    Returns: float64 [n], <grad_i, V>; a held-out sample's without its own part of V.
    """
    where, count = held_out.positions, len(held_out.positions)
    inputs = layer.inputs[where]  # [V, D]
    errors = softmax(held_out.logits - inputs @ moved.T)  # [V, C]
    errors[np.arange(count), held_out.labels] -= 1.0
    total = errors.T @ inputs  # [C, D]
    agreement = np.asarray(((layer.inputs @ total.T) * layer.errors).sum(axis=1))
    own = (layer.errors[where] * errors).sum(axis=1) * (inputs**2).sum(axis=1)
    alone = agreement[where] - own
    agreement /= count
    agreement[where] = alone / max(count - 1, 1)
    return agreement


def glister(
    layer: LastLayer, held_out: ValidationPart, quotas: IntArray, groups: IntArray, step: float, rounds: int
) -> IntArray:
    """Greedy choice by `gains`, in `rounds` batches; ties go to the lower index.

    Args:
        layer: gradients of the n candidates.
        held_out: the held-out samples among them.
        quotas: int [groups], how many of each group to choose; they sum to k.
        groups: int [n], the group of each candidate.
        step: along the sum of the chosen gradients, >= 0.
        rounds: batches of choices.

    Returns: int64 [k], in the order of choice.
    """
    left, budget = quotas.copy(), int(quotas.sum())
    open_ = np.ones(len(groups), dtype=bool)
    moved = np.zeros((layer.errors.shape[1], layer.inputs.shape[1]))
    order: list[IntArray] = []
    for batch in np.array_split(np.arange(budget), min(rounds, budget)):
        candidates = np.flatnonzero(open_)
        ranked = candidates[np.argsort(-gains(layer, held_out, moved)[candidates], kind="stable")]
        taken = ranked[_rank_in_group(groups[ranked]) < left[groups[ranked]]][: len(batch)]
        order.append(taken)
        open_[taken] = False
        left -= np.bincount(groups[taken], minlength=len(left))
        moved += step * layer.at(taken).total()
    return np.concatenate(order)


def _rank_in_group(groups: IntArray) -> IntArray:
    """Place of each entry among the earlier ones of its group."""
    by_group = np.argsort(groups, kind="stable")
    ordered = groups[by_group]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    rank = np.empty(len(groups), dtype=np.int64)
    rank[by_group] = np.arange(len(groups)) - np.repeat(starts, np.diff(np.r_[starts, len(groups)]))
    return rank


@checked_dataclass()
class Glister(Bounded, Method):
    """gradients that lower the loss on a held-out part of the shard, judged anew as the subset grows"""

    held_out: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """share of the shard that judges, at least one sample"""
    eta: Annotated[float, Field(gt=0, allow_inf_nan=False), PlausibleRange(1e-6, 1e6)] = 30.0
    """distance that the weights move when everything is chosen, in steps of gradient descent"""
    rounds: Annotated[int, Field(ge=1), PlausibleRange(1, 100_000)] = 50
    """number of times that the held-out gradient is computed anew"""
    balance: Literal["none", "class"] = "none"
    """class: every class keeps its share of the samples; none: chosen from the shard as a whole"""
    warmup: Warmup | None = None
    """length of this method's warm-up; left out: that of `pruning.warmup`"""

    source: ClassVar[str] = "Killamsetty et al. 2021b"
    cost_class: ClassVar[str] = "warm-up + forward + O(rounds n)"

    def needs(self, shard: Shard) -> Needs:
        """Logits and embeddings at T0."""
        return gradient_needs(self.warmup, shard)

    def expected(self, shard: Shard, network: NetworkShape, k: int) -> OwnWork:
        """The products of the greedy choice."""
        return OwnWork(self._greedy_work(shard.size, shard.num_classes * network.gradient_width, k))

    def choose(self, context: ScoreContext, k: int) -> SubsetChoice:
        """k positions.

        Raises:
            EdgesimError: the task shows no logits or no embeddings.
        """
        seen, shard = observed_gradients(context), context.shard
        held_out = self._held_out(context, seen.logits)
        groups, quotas = np.zeros(shard.size, dtype=np.int64), np.array([k])
        if self.balance == "class":
            budgets = class_budgets(shard.labels, k)
            groups, quotas = np.searchsorted(list(budgets), shard.labels), np.array(list(budgets.values()))
        curvature = 0.5 * float((seen.layer.inputs**2).sum())  # n·L
        step = self.eta / curvature if curvature > 0 else 0.0
        order = glister(seen.layer, held_out, quotas, groups, step, self.rounds)
        scores = np.full(shard.size, -float(shard.size))
        scores[order] = -np.arange(k, dtype=np.float64)
        entries = seen.layer.errors.shape[1] * seen.layer.inputs.shape[1]
        work = self._greedy_work(shard.size, entries, k)
        return SubsetChoice(order, scoring=Scoring(scores, work, notes={"held_out": float(len(held_out.positions))}))

    def _held_out(self, context: ScoreContext, logits: FloatArray) -> ValidationPart:
        """Draw the held-out samples, the same share of every class."""
        labels, rng = context.shard.labels, context.rng("held-out")
        count = self._held_out_count(len(labels))
        drawn = [
            rng.choice(np.flatnonzero(labels == label), size, replace=False)
            for label, size in class_budgets(labels, count).items()
        ]
        positions = np.sort(np.concatenate(drawn))
        return ValidationPart(positions, logits[positions], labels[positions])

    def _held_out_count(self, n: int) -> int:
        return max(1, round(self.held_out * n))

    def _greedy_work(self, n: int, entries: int, k: int) -> Work:
        """Per round: every candidate's product with V; the held-out logits and V itself; the chosen gradients once."""
        rounds = min(self.rounds, k)
        products = rounds * (n + 2 * self._held_out_count(n)) + k
        return Work(comparisons=n * rounds, other_flops=2.0 * entries * products)
