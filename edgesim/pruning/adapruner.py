"""AdaPruner: a mask over the samples, trained together with the network until it keeps the budget's share.

Source: "Not All Data Matters: An End-to-End Adaptive Dataset Pruning Framework", Eqs. 2-7. Theta are the weights. Each
**sample** of the shard has one mask logit m_i, which starts at 1; its gate is g_i = sigmoid(alpha·m_i). After
`warmup_epochs` of plain training, with l_i the loss of sample i,

    L = mean(g·l) + mean(g·(-log l)) + lambda·(mean(g) - c_r)^2                                          (Eqs. 4-7)
    lambda = s·|r - c_r|,   r = share of gates over 0.5,   c_r = k/n,   alpha rises evenly over the epochs

Larger m = keep first. At the end the mask is cut at 0.5, which gives `r_threshold` in the notes; the exact budget is
the k largest m. Any loss per sample will do: the method reads `task.losses` alone, in training mode and augmented like
it.

**Gradients.** Theta follows the first term alone. Its losses are weighted by the gates at the start of the epoch (the
mask of t-1 in Eq. 2), and the second term sees detached losses. The mask follows all three terms (Eq. 7):

    N·dL/dg_i = l_i - log l_i + 2·lambda·(mean(g) - c_r)

l - log l is least at l = 1: the easiest samples are pushed out hardest (Eq. 5), and so are the hopeless ones (Eq. 4).
Without the third term all gates close; without the second the highest losses go. Without the first the network stays
where the warm-up left it, weight decay apart. These are the paper's ablations (Table 5: `terms`; Table 4:
`warmup_epochs: 0`).

**Mask optimiser** (`mask_step`). The paper names none. Here it is mirror descent with the gates' entropy: m moves
against dL/dg itself, without the factor g·(1-g). So a gate that is nearly shut can still open, and the third term
shifts all m alike, which keeps their order. A step takes N·dL/dg, not the gradient of the batch mean, which would
favour the samples of a short last batch. So m_i is minus `mask_learning_rate` times the sum of i's own pulls, one per
epoch, plus a part that is common to all.

**Deviations** of the third term (`third_term: held`), both needed to end within the tolerance at every ratio:
- The third term has a larger step of its own (`ratio_learning_rate`) and never moves the mask past the budget's
  share. With one step the terms balance where 2·s·(r - c_r)^2 is the pull at the border: 0.1 to 0.2 off at s = 100
  (measured on digits). With the two steps they balance within 0.01.
- Its value takes the share of gates over 0.5, its gradient that of mean(g), which "represents the number of ones".
  While alpha is small every gate is near 0.5, and mean(g) says nothing about that number.

`mask_step: gradient` with `third_term: letter` gives the mask's descent on Eq. 7 to the letter, with N times the
gradient by m: alpha·g·(1-g)·dL/dg_i, where the third term is that of mean(g) and has the step of all the others. It
changes the mask alone. Theta still never sees the second term (the paper: "primarily used to update" m), its gates are
still those of the start of the epoch, and the result is still the k largest m, not the gates over 0.5.

At the end the share may be off, or fewer than `BINARY_SHARE` of the gates may be near 0 or 1. Up to `extra_epochs` then
follow at the last learning rate, with alpha doubled in each. The defaults for small devices are 2 + 20 epochs instead
of 200; all others are the paper's.

The mask depends on c_r, so every budget has a training of its own. Its charge is (warmup + epochs)·n samples forward
and backward, and O(n) per step for the mask.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from edgesim import seeds
from edgesim.config.checked_dataclass import checked_dataclass
from edgesim.config.plausible import Bounded, PlausibleRange
from edgesim.errors import TrainingDiverged
from edgesim.models.network_costs import NetworkShape
from edgesim.pruning.base import Method, OwnWork, Part, ScoreContext, Scoring, Shard, SubsetChoice, WorkIs
from edgesim.pruning.budgets import top_k
from edgesim.pruning.gates import Term, border, gates, pull, slopes, third_pull
from edgesim.training.needs import Needs
from edgesim.training.sampling import Draw, Visits
from edgesim.training.settings import MOST_EPOCHS, BatchSize, Epochs, LearningRate, Training, WeightDecay
from edgesim.work import FloatArray, IntArray, StepTrace, Work

if TYPE_CHECKING:
    import torch

    from edgesim.training.loop import FitResult, Step

NEAR = 0.1
"""a gate is near 0 or 1 within this"""
BINARY_SHARE = 0.9
"""share of gates near 0 or 1 that the end of training wants"""
ALPHA_GROWTH = 2.0
"""factor on alpha per extra epoch"""
MASK_FLOPS = 10
"""arithmetic of the mask per gate and step: gate, count, border, shift"""


@dataclass
class _Mask:
    """The mask in training; the sampler and the observer of one run share it."""

    method: AdaPruner
    values: FloatArray
    budget: int
    first_epoch: int
    """of the fit in progress, the epoch at which pruning begins"""
    alphas: FloatArray
    """per epoch of pruning in the fit in progress"""
    history: list[dict[str, float]] = field(default_factory=list)

    @property
    def target(self) -> float:
        """c_r"""
        return self.budget / len(self.values)

    @property
    def share(self) -> float:
        """r: gates over 0.5, which is m over 0 whatever alpha."""
        return float(np.mean(self.values > 0))

    def alpha(self, epoch: int) -> float:
        """Alpha in a pruning epoch of the fit in progress."""
        return float(self.alphas[epoch - self.first_epoch])

    def visits(self, epochs: int) -> Visits:
        """Every epoch visits all samples (`training.sampling.EpochSampler`)."""
        return ((len(self.values),),) * epochs

    def draws(self, epochs: int, losses: FloatArray, rng: np.random.Generator) -> Iterator[Draw]:
        """All samples, their losses weighted by their gates (`training.sampling.EpochSampler`)."""
        n = len(self.values)
        for epoch in range(epochs):
            if epoch < self.first_epoch:
                yield Draw(np.arange(n))
            elif "classification" not in self.method.terms:
                yield Draw(np.arange(n), np.zeros(n))
            else:
                yield Draw(np.arange(n), gates(self.values, self.alpha(epoch)))

    def after_step(self, step: Step) -> bool:
        """Move the gates of the batch by their own pulls, and all of them by the third term."""
        if step.epoch >= self.first_epoch:
            losses = step.losses.double().cpu().numpy()
            if not np.isfinite(losses).all():
                return True  # the epoch ends, which says so
            self.move(step.positions.cpu().numpy(), losses, self.alpha(step.epoch))
        return False

    def move(self, where: IntArray, losses: FloatArray, alpha: float = 1.0) -> None:
        """One step of the mask on a batch: positions [B] and their losses [B], at the epoch's steepness."""
        method = self.method
        lowered = method.mask_learning_rate * pull(losses, method.terms)
        slope = slopes(self.values, alpha) if method.mask_step == "gradient" else None
        third = third_pull(self.values, alpha, self.target, method.scale) if method.third_term == "letter" else 0.0
        self.values[where] -= lowered if slope is None else slope[where] * lowered
        if "compression" in method.terms and method.third_term == "letter":
            step = method.mask_learning_rate * len(where) / len(self.values) * third
            self.values -= step if slope is None else step * slope
        elif "compression" in method.terms:
            gap = self.share - self.target
            wanted = method.ratio_learning_rate * len(where) / len(self.values) * 2.0 * method.scale * gap * gap
            edge = border(self.values, self.budget)
            if edge * gap > 0:  # else the share is off by ties alone, and no shift mends that
                self.values -= np.sign(edge) * min(wanted, abs(edge))

    def note_epoch(self, epoch: int) -> None:
        """Write a row of the history."""
        if epoch < self.first_epoch:
            return
        opened = gates(self.values, self.alpha(epoch))
        near = float(np.mean((opened < NEAR) | (opened > 1.0 - NEAR)))
        row = {"epoch": len(self.history) + 1.0, "r": self.share, "alpha": self.alpha(epoch), "binary_share": near}
        row |= {"lambda": self.method.scale * abs(self.share - self.target), "mean_gate": float(opened.mean())}
        self.history.append(row)

    @property
    def settled(self) -> bool:
        """True where the share is within the tolerance, if anything holds it, and the gates are nearly binary."""
        held = "compression" in self.method.terms
        off = held and abs(self.share - self.target) > self.method.tolerance + 1e-12
        return not off and self.history[-1]["binary_share"] >= BINARY_SHARE


@checked_dataclass()
class AdaPruner(Bounded, Method):
    """a mask over the samples trained with the network, easiest and hopeless samples pushed out"""

    epochs: Epochs = 20
    """epochs of training with the mask; 200 in the paper"""
    warmup_epochs: Annotated[int, Field(ge=0, le=MOST_EPOCHS), PlausibleRange(0, 100_000)] = 2
    """epochs of plain training before the mask; 0 is the paper's ablation"""
    extra_epochs: Annotated[int, Field(ge=0, le=MOST_EPOCHS), PlausibleRange(0, 100_000)] = 5
    """epochs that may follow where the mask has not settled, at most"""
    learning_rate: LearningRate = 0.1
    """step size of the optimiser that scores"""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """momentum of the optimiser that scores"""
    weight_decay: WeightDecay = 5e-4
    """L2 penalty of the optimiser that scores"""
    schedule: Literal["constant", "cosine"] = "cosine"
    """learning rate over warm-up and pruning together"""
    batch_size: BatchSize = 256
    """samples per step of the training that scores"""
    scale: Annotated[float, Field(gt=0, allow_inf_nan=False), PlausibleRange(1e-6, 1e6)] = 100.0
    """factor s on the third term, which holds the share kept"""
    alpha_start: Annotated[float, Field(gt=0, allow_inf_nan=False), PlausibleRange(1e-4, 1e4)] = 0.1
    """steepness of the gates in the first epoch with the mask"""
    alpha_end: Annotated[float, Field(gt=0, allow_inf_nan=False), PlausibleRange(1e-4, 1e4)] = 5.0
    """steepness of the gates in the last epoch; 100 in the paper for Tiny-ImageNet"""
    mask_learning_rate: LearningRate = 0.1
    """step of a sample's own gate"""
    ratio_learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False), PlausibleRange(1e-6, 1e6)] = 50.0
    """step of the third term per epoch"""
    tolerance: Annotated[float, Field(gt=0, lt=1)] = 0.02
    """largest distance of the share of open gates from the keep ratio in the end"""
    mask_step: Literal["mirror", "gradient"] = "mirror"
    """step of the mask: along the derivative by the gates, or by the mask (the letter of Eq. 7)"""
    third_term: Literal["held", "letter"] = "held"
    """third term: with a step of its own that ends at the keep ratio, or to the letter of Eqs. 6 and 7"""
    terms: tuple[Term, ...] = ("classification", "selection", "compression")
    """terms of the loss; leaving one out is an ablation"""

    source: ClassVar[str] = "AdaPruner paper, Eqs. 2-7"
    cost_class: ClassVar[str] = "own training per budget"

    def needs(self, shard: Shard) -> Needs:
        """Nothing: it warms up by itself, with its own optimiser."""
        return Needs()

    def expected(self, shard: Shard, network: NetworkShape, k: int) -> OwnWork:
        """Its own training with every extra epoch, by default up to a quarter more: the mask may settle without."""

        def training(epochs: int) -> Part:
            trace = StepTrace.passes("train", shard.size, self.batch_size, epochs)
            steps = sum(segment.steps for segment in trace.segments)
            return Work(trace.samples, steps=steps, other_flops=float(MASK_FLOPS * shard.size * steps)), trace

        least = self.warmup_epochs + self.epochs
        work_is: WorkIs = "at most" if self.extra_epochs else "exact"
        return OwnWork(*training(least + self.extra_epochs), work_is, least=training(least))

    def choose(self, context: ScoreContext, k: int) -> SubsetChoice:
        """Train network and mask for the share k / n and keep the k largest m.

        Raises:
            TrainingDiverged: the loss of a step is not finite.
        """
        alphas = np.linspace(self.alpha_start, self.alpha_end, self.epochs)
        mask = _Mask(self, np.ones(context.shard.size), k, self.warmup_epochs, alphas)
        with seeds.torch_global(context.seed, f"select:{context.method}:dropout", context.device):
            model = context.build_model()
            settings = self._settings(context.training)
            runs = [_fit(context, model, mask, settings, "mask")]
            for extra in range(self.extra_epochs):
                if mask.settled:
                    break
                mask.first_epoch, mask.alphas = 0, mask.alphas[-1:] * ALPHA_GROWTH
                runs.append(_fit(context, model, mask, _last_epoch(settings, context.shard.size), f"extra:{extra}"))
        notes = {"r_threshold": mask.share, "epochs": float(self.warmup_epochs + len(mask.history))}
        scoring = Scoring(mask.values, *_spent(runs, len(mask.values)), notes, tuple(mask.history))
        return SubsetChoice(top_k(mask.values, k), scoring=scoring)

    def _settings(self, training: Training) -> Training:
        """Training settings of theta: this method's optimiser, the scenario's precision."""
        return Training(
            epochs=self.warmup_epochs + self.epochs,
            batch_size=self.batch_size,
            optimizer="sgd",
            learning_rate=self.learning_rate,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            schedule=self.schedule,
            precision=training.precision,
        )


def _last_epoch(settings: Training, n: int) -> Training:
    """One more epoch at the learning rate of the last step."""
    steps = settings.epochs * -(-n // settings.batch_size)
    return replace(settings, epochs=1, schedule="constant", learning_rate=settings.learning_rate_at(steps - 1, steps))


def _fit(context: ScoreContext, model: torch.nn.Module, mask: _Mask, settings: Training, purpose: str) -> FitResult:
    """Train the network on all samples, weighted by the mask, and the mask with it."""
    from edgesim.training.loop import Hooks, Subset, fit

    subset = Subset(np.arange(context.shard.size), epoch_sampler=mask)
    hooks = Hooks(mask.after_step, lambda epoch: mask.note_epoch(epoch.number - 1))
    try:
        return fit(model, context.task, subset, settings, context.streams(purpose), context.augment, hooks)
    except TrainingDiverged as error:
        key = f"`learning_rate` of {context.method} (now {settings.learning_rate:g})"
        raise TrainingDiverged(error.step, error.loss, key) from None


def _spent(runs: list[FitResult], n: int) -> tuple[Work, StepTrace]:
    """The work of the trainings, and of the mask beside them."""
    work, trace = Work(), StepTrace()
    for run in runs:
        work, trace = work + run.work, trace + run.trace
    return work + Work(other_flops=float(MASK_FLOPS * n * work.steps)), trace
