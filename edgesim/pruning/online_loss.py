"""Batches drawn by the last loss that training saw of each sample, mixed with uniform draws.

After `warm_epochs` of uniform passes over all n samples, every sample of a batch is drawn with replacement by

    p_i = mix · c_i / Σ c  +  (1 − mix) / n,        c_i = min(l_i, the `clip` quantile of all l)

where l_i is the loss of sample i at its last visit: at the weights of that step, with that step's augmentation. No pass
of the network is spent on a loss, so the losses of samples not drawn lately are old. p is computed anew every `redraw`
(steps or epochs). A sample that was not visited yet has the mean of the known losses;
where all are zero the draw is uniform. `unbiased: true` weights each loss with 1/(n·p_i). The expected gradient
is then that of the mean loss over the shard (Katharopoulos & Fleuret 2018); without it hard samples count for more.

With `balance: class` the two parts of the mixture are drawn apart. The uniform part, (1 − mix)·B of a batch, goes on
through passes over the shard, so that all samples are visited equally often. Both parts, and the warm passes, have each
class as often as they should to within one (`pruning.class_even`).

With `most_hopeless` the share of the draws by loss is smaller the more samples have a loss above that of the untrained
network, which is the mean loss of the first batch. Such samples are wrongly labelled, or not learnt yet, and their
losses say little of what is worth a visit. With q the share of them among the samples visited so far,

    mix is replaced by mix · max(0, 1 − q / most_hopeless)

Training has T = max(1, round(k/n · E · ceil(n/B))) steps in epochs of n visits, and the learning rate follows its
schedule over them, as with `fewer-epochs` (`pruning.full_passes`). Where T is within the warm passes this is
`fewer-epochs`, bit for bit. The note `loss_steps` of the record counts the steps drawn by loss, and is then 0.

The cut: samples with wrong labels have the largest losses, and the quantile limits their share of the draws.

There is no score. The device keeps all of its n samples: that is its `subset_size`. Work: beside training, n
comparisons (where there is a cut) and 2n other operations each time that p is computed; with `balance: class` n
comparisons more each time, and for each warm pass.

Source: "online batch selection" by loss, Loshchilov & Hutter 2016 (there by rank). Draws by
loss mixed with uniform draws are those of prioritised replay and importance sampling.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from edgesim.config.checked_dataclass import checked_dataclass
from edgesim.config.plausible import Bounded, PlausibleRange
from edgesim.models.network_costs import NetworkShape
from edgesim.pruning.base import Method, OwnWork, ScoreContext, Scoring, Shard, SubsetChoice
from edgesim.pruning.class_even import Classes, classes_of, even_draw, even_order
from edgesim.pruning.full_passes import a_pass, pass_sizes, steps_for
from edgesim.training.needs import Needs
from edgesim.training.sampling import Draw, Visits
from edgesim.training.settings import PartEpochs, Steps
from edgesim.work import FloatArray, IntArray, Work


@checked_dataclass()
class Redraw(Bounded):
    """Interval between two looks at the losses: in steps, or in epochs over the whole shard."""

    steps: Steps | None = None
    """steps between two looks; give this or `epochs`"""
    epochs: PartEpochs | None = None
    """epochs of the shard between two looks, rounded to steps; give this or `steps`"""

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("give either `steps` or `epochs`")

    def every(self, steps_per_epoch: int) -> int:
        """In steps, at least 1."""
        return max(1, round(self.epochs * steps_per_epoch)) if self.epochs is not None else self.steps or 1


@dataclass(frozen=True)
class OnlineLossSampler:
    """Draws by loss (`training.sampling.EpochSampler`)."""

    size: int
    """n"""
    batch_size: int
    steps: int
    """T"""
    warm_steps: int
    redraw_steps: int
    mix: float
    clip: float | None
    unbiased: bool
    most_hopeless: float | None = None
    classes: Classes | None = None
    """where every batch is to have the class shares of the draw"""

    @property
    def warm_passes(self) -> int:
        """Uniform passes, the last of them maybe cut off."""
        return -(-min(self.warm_steps, self.steps) // -(-self.size // self.batch_size))

    @property
    def redraws(self) -> int:
        """Number of times that p is computed."""
        return max(0, -(-(self.steps - self.warm_steps) // self.redraw_steps))

    def visits(self, epochs: int) -> Visits:
        """A draw ends with its epoch, with the warm passes, and where p is to be worked out anew."""
        found, done = [], 0
        for size in pass_sizes(self.size, self.batch_size, self.steps):
            parts: list[int] = []
            while (left := size - sum(parts)) > 0:
                steps = 1 if done == 0 and self.most_hopeless is not None else self._until(done)
                parts.append(min(steps * self.batch_size, left))
                done += -(-parts[-1] // self.batch_size)
            found.append(tuple(parts))
        return tuple(found)

    def _until(self, done: int) -> int:
        """Steps to the next change of p, after so many steps of training."""
        return (self.warm_steps - done) if done < self.warm_steps else self.redraw_steps - self._since(done)

    def _since(self, done: int) -> int:
        """Steps since p was to be worked out last."""
        return (done - self.warm_steps) % self.redraw_steps

    def draws(self, epochs: int, losses: FloatArray, rng: np.random.Generator) -> Iterator[Draw]:
        """Uniform passes first, then draws by loss."""
        done, untrained, drawing = 0, math.nan, _Drawing(self, rng)
        for epoch in self.visits(epochs):
            warm = self._warm_pass(min(sum(epoch), (self.warm_steps - done) * self.batch_size), epoch, rng)
            for visits in epoch:
                if done == 1:
                    untrained = float(np.nanmean(losses))
                if done < self.warm_steps:
                    yield next(warm)
                else:
                    if self._since(done) == 0:
                        drawing.look(losses, self.mix_at(losses, untrained))
                    yield drawing.draw(visits)
                done += -(-visits // self.batch_size)

    def _warm_pass(self, size: int, parts: Sequence[int], rng: np.random.Generator) -> Iterator[Draw]:
        """The draws of a pass over `size` samples that is cut into parts."""
        if size <= 0:
            return
        drawn = a_pass(self.size, size, self.classes, rng)
        if parts[0] == size:
            yield drawn
            return
        places = drawn.places if drawn.in_order else rng.permutation(drawn.places)
        for end, count in zip(np.cumsum(parts), parts, strict=True):
            yield Draw(places[end - count : end], in_order=drawn.in_order)

    def mix_at(self, losses: FloatArray, untrained: float) -> float:
        """Share of the draws that go by loss.

        Args:
            losses: [n] last seen ones; NaN for a sample that was not visited yet.
            untrained: mean loss of the first batch, before any step.
        """
        known = losses[~np.isnan(losses)]
        if self.most_hopeless is None or not known.size:
            return self.mix
        return self.mix * max(0.0, 1.0 - float((known > untrained).mean()) / self.most_hopeless)


class _Drawing:
    """The draws by loss of one training: the state that a sampler has not."""

    def __init__(self, sampler: OnlineLossSampler, rng: np.random.Generator):
        self.sampler, self.rng = sampler, rng
        self.mix = sampler.mix
        self.p = self.by_loss = np.full(sampler.size, 1.0 / sampler.size)
        self.left = np.empty(0, dtype=np.int64)

    def look(self, losses: FloatArray, mix: float) -> None:
        """Follow the latest losses."""
        self.mix = mix
        if self.sampler.classes is None:
            self.p = probabilities(losses, mix, self.sampler.clip)
        else:
            self.by_loss = probabilities(losses, 1.0, self.sampler.clip)
            self.p = mix * self.by_loss + (1.0 - mix) / self.sampler.size

    def draw(self, visits: int) -> Draw:
        """Samples of one stretch."""
        sampler = self.sampler
        if sampler.classes is None:
            places = self.rng.choice(sampler.size, visits, p=self.p)
        else:
            starts = range(0, visits, sampler.batch_size)
            batches = [self._batch(min(sampler.batch_size, visits - start), sampler.classes) for start in starts]
            places = np.concatenate(batches)
        weights = 1.0 / (sampler.size * self.p[places]) if sampler.unbiased else None
        return Draw(places, weights, in_order=sampler.classes is not None)

    def _batch(self, size: int, classes: Classes) -> IntArray:
        """The next samples of a class-even pass, and draws by loss."""
        count = int((1.0 - self.mix) * size + self.rng.random())
        while len(self.left) < count:
            self.left = np.concatenate([self.left, even_order(classes.labels, self.rng)])
        places, self.left = self.left[:count], self.left[count:]
        if count == size:
            return places
        return np.concatenate([places, even_draw(self.by_loss, classes, size - count, self.rng)])


def probabilities(losses: FloatArray, mix: float, clip: float | None) -> FloatArray:
    """p, with which each sample is drawn.

    Args:
        losses: [n] last seen ones, >= 0; NaN for a sample that was not visited yet.
        mix: share of the draws that go by loss, in [0, 1].
        clip: quantile that larger losses are cut to, in (0, 1); None = no cut.

    Returns: float64 [n] with the sum 1.
    """
    n, known = len(losses), ~np.isnan(losses)
    even = np.full(n, 1.0 / n)
    if not known.any():
        return even
    cut = losses if clip is None else np.minimum(losses, np.quantile(losses[known], clip))
    by_loss = np.where(known, cut, cut[known].mean())
    total = by_loss.sum()
    return mix * by_loss / total + (1.0 - mix) * even if total > 0 else even


@checked_dataclass()
class OnlineLoss(Bounded, Method):
    """dynamic: batches drawn half by the last loss that training saw, half uniformly, for a share of the steps"""

    warm_epochs: Annotated[float, Field(ge=0, allow_inf_nan=False), PlausibleRange(0.0, 1e5)] = 1.0
    """uniform passes before, which show the first losses"""
    mix: Annotated[float, Field(ge=0, le=1)] = 0.5
    """share of the draws that go by loss"""
    redraw: Redraw = Redraw(steps=1)
    """interval after which the draw follows the latest losses; left out: every step"""
    clip: Annotated[float, Field(gt=0, lt=1)] | None = 0.8
    """quantile of the losses that larger ones are cut to; null = no cut"""
    unbiased: bool = False
    """weight the losses so that the expected gradient is that of uniform draws"""
    most_hopeless: Annotated[float, Field(gt=0, le=1)] | None = None
    """share of samples with a loss above the untrained network's at which no draw goes by loss; null = `mix` stays"""
    balance: Literal["none", "class"] = "none"
    """class: every batch has each class in the proportion that the draw gives it"""

    source: ClassVar[str] = "Loshchilov & Hutter 2016, by loss instead of rank"
    cost_class: ClassVar[str] = "no warm-up; chooses while training"
    dynamic: ClassVar[bool] = True

    def needs(self, shard: Shard) -> Needs:
        """Nothing: training itself shows the losses."""
        return Needs()

    def expected(self, shard: Shard, network: NetworkShape, k: int) -> OwnWork:
        """Working out p, and the visits of every epoch."""
        sampler = self._sampler(shard, k)
        return OwnWork(self._choosing(sampler), visits=pass_sizes(shard.size, shard.batch_size, sampler.steps))

    def choose(self, context: ScoreContext, k: int) -> SubsetChoice:
        """All positions, and the sampler that draws from them for the steps that k samples would buy."""
        n, sampler = context.shard.size, self._sampler(context.shard, k)
        notes = {"loss_steps": float(max(0, sampler.steps - sampler.warm_steps))}  # 0: the same as fewer-epochs
        return SubsetChoice(
            np.arange(n), scoring=Scoring(np.zeros(n), self._choosing(sampler), notes=notes), epoch_sampler=sampler
        )

    def _sampler(self, shard: Shard, k: int) -> OnlineLossSampler:
        per_epoch = -(-shard.size // shard.batch_size)
        warm = math.ceil(self.warm_epochs * per_epoch - 1e-9)
        every = self.redraw.every(per_epoch)
        parts = (shard.size, shard.batch_size, steps_for(shard, k), warm, every)
        return OnlineLossSampler(
            *parts, self.mix, self.clip, self.unbiased, self.most_hopeless, classes_of(shard, self.balance)
        )

    def _choosing(self, sampler: OnlineLossSampler) -> Work:
        """Comparisons of the cut and of the classes, and the arithmetic of p."""
        n, times = sampler.size, sampler.redraws
        orders = 0 if self.balance == "none" else sampler.warm_passes + times
        return Work(comparisons=n * ((0 if self.clip is None else times) + orders), other_flops=2.0 * n * times)
