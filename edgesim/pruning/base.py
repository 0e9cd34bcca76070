"""Base class of the methods, with what a method is given and what it returns.

`Method.needs` names the observations of the shared warm-up. `Method.score` turns them into one float per sample,
**larger = keep first**; `pruning.selection` turns the scores into a subset.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np

from edgesim import seeds
from edgesim.pruning.subset_samplers import ScoredShard, SubsetSampler, Top
from edgesim.training.needs import Needs
from edgesim.work import FloatArray, IntArray, StepTrace, Work

if TYPE_CHECKING:
    import torch

    from edgesim.models.network_costs import NetworkShape
    from edgesim.training.loop import Streams
    from edgesim.training.settings import Training
    from edgesim.training.task import Task
    from edgesim.training.warmup import Observations


WorkIs = Literal["exact", "expected", "at most"]
"""relation of planned work to the work that will be done; the last two may be off where a plan cannot run the method"""
AfterWarmup = Literal["reset", "continue", "counts"]
WorkCase = Literal["planned", "least", "most"]
Part = tuple[Work, StepTrace]


@dataclass(frozen=True)
class Shard:
    """Facts on a device's data that a method knows before it observes anything."""

    size: int
    """n"""
    labels: IntArray
    """[n]"""
    num_classes: int
    batch_size: int
    """of training and warm-up"""
    epochs: int
    """of full training"""
    warmup_steps: int
    """T0 of the scenario, in steps"""
    storable: int | None = None
    """samples that a storage budget lets the device keep while it trains; None = no budget"""

    @property
    def fits_storage(self) -> bool:
        """True where the device may keep all of its samples while it trains."""
        return self.storable is None or self.storable >= self.size

    @property
    def full_steps(self) -> int:
        """Steps of training on the whole shard, the most that a warm-up can have."""
        return self.epochs * -(-self.size // self.batch_size)


@dataclass(frozen=True)
class ScoreContext:
    """Everything a method works with on one device. Nothing in it may be changed."""

    device: int
    seed: int
    method: str
    """label of the method in the scenario; names its random streams"""
    shard: Shard
    observations: Observations
    task: Task
    training: Training
    augment: tuple[Any, ...]
    build_model: Callable[[], torch.nn.Module]
    """a fresh network at the scenario's initial weights"""
    given_weights: frozenset[str] = frozenset()
    """names of the weights and buffers that come from a file, by `training.initial_weights`"""

    def rng(self, purpose: str = "") -> np.random.Generator:
        """A fresh generator at the start of the method's own stream on this device."""
        return seeds.stream(self.seed, f"select:{self.method}:{purpose}", self.device)

    def streams(self, purpose: str) -> Streams:
        """Streams for a training that the method runs by itself."""
        from edgesim.training.loop import Streams

        return Streams(self.seed, self.device, f"select:{self.method}:{purpose}")


@dataclass(frozen=True)
class Scoring:
    """Scores of a method, with the work that they took beyond its share of the warm-up."""

    scores: FloatArray
    """[n] float64, larger = keep first"""
    work: Work = field(default_factory=Work)
    trace: StepTrace = field(default_factory=StepTrace)
    notes: Mapping[str, float | str] = field(default_factory=dict)
    """facts to be remembered with the trial, for example the ratio that a method's own threshold gave"""
    history: tuple[dict[str, float], ...] = ()
    """one row per epoch of a method that trains something of its own, for the report"""
    probability: FloatArray | None = None
    """[n] mean probability that the network gave to the true class, for sampler `beta`; None = not known"""


def scored_shard(context: ScoreContext, scoring: Scoring) -> ScoredShard:
    """A sampler's view of a device's scores."""
    return ScoredShard(scoring.scores, context.shard.labels, scoring.probability, context.rng)


@dataclass(frozen=True)
class SubsetChoice:
    """A subset for one budget, as a method with `choose` returns it."""

    positions: IntArray
    """exactly k unique positions, in any order; all n of a dynamic method, and where `settles` is True"""
    weights: FloatArray | None = None
    """loss weights aligned with `positions`"""
    scoring: Scoring | None = None
    """work, notes and, where there are any, scores; None = nothing beyond the warm-up"""
    epoch_sampler: Any = None
    """choice of a dynamic method in training (`training.sampling.EpochSampler`); None = all of them in each epoch"""
    settles: bool = False
    """True where `positions` are all n, and the sampler settles on k of them while it trains (`Draw.kept`)"""


@dataclass(frozen=True)
class OwnWork:
    """Work of a method on the device beyond its share of the warm-up."""

    work: Work = field(default_factory=Work)
    trace: StepTrace = field(default_factory=StepTrace)
    work_is: WorkIs = "exact"
    """else the work depends on the data"""
    least: Part = (Work(), StepTrace())
    """least work, where the work is not exact"""
    most: Part | None = None
    """most work, where the work is `expected`; None = no bound is known"""
    visits: tuple[int, ...] | None = None
    """samples that each epoch of training visits, of a dynamic method; None = k in every epoch, as of a fixed subset"""

    def part(self, case: WorkCase) -> Part:
        """The work as it is planned, its least or its most: all the same where it is exact."""
        if self.work_is != "exact" and case == "least":
            return self.least
        return self.most if self.most is not None and case == "most" else (self.work, self.trace)


class Method:
    """Base class of every method: a way to choose the samples that a device trains on.

    A method is a frozen dataclass that subclasses this; its fields are its hyper-parameters. It overrides `score`,
    which gives every sample one number for all budgets, or `choose`, which gives a subset for one budget. The other
    members have defaults that suit a method that scores.
    """

    source: ClassVar[str] = "own"
    """paper or other origin, for lists"""
    cost_class: ClassVar[str] = ""
    """cost of scoring in a few words, for lists"""
    keeps_all: ClassVar[bool] = False
    """the method keeps every sample, so it has one trial, at keep ratio 1"""
    by_chance: ClassVar[bool] = False
    """the scores are random, so no page shows samples in their order"""
    dynamic: ClassVar[bool] = False
    """the method may choose samples while training goes on; the device then keeps all n, and k samples are a price"""

    reads: ClassVar[frozenset[str]] = frozenset()
    """what the method reads of every sample beside its `needs` (`tasks.CHANNELS`); a task without it is refused"""

    balance: Literal["none", "class"] = "none"
    """class: every class keeps its share of the samples. A field of the same name makes it a hyper-parameter"""
    sampler: SubsetSampler | None = None
    """rule that turns scores into a subset, the key `sampler` of a scenario; None = `sampler_for` decides"""
    of_own_sampler: ClassVar[tuple[str, ...]] = ()
    """fields that the method's own choice of a sampler reads, so that a `sampler` of the scenario leaves them unused"""
    after_warmup: AfterWarmup = "reset"
    """use of the warm-up once the subset is chosen (`pruning.after_warmup`), the key `after_warmup` of a scenario"""

    def needs(self, shard: Shard) -> Needs:
        """Observations of the shared warm-up that the method asks for; by default none."""
        return Needs()

    def expected(self, shard: Shard, network: NetworkShape, k: int) -> OwnWork:
        """Work beyond the warm-up that a choice of k samples will take; by default none."""
        return OwnWork()

    def score(self, context: ScoreContext) -> Scoring:
        """One float per sample [n], larger = keep first. Runs once for all budgets of a device."""
        raise NotImplementedError(f"{type(self).__name__} has neither `score` nor `choose`; give it one of them")

    def choose(self, context: ScoreContext, k: int) -> SubsetChoice:
        """A subset of k samples, for a method whose scores depend on the budget. Runs once per budget."""
        raise NotImplementedError(f"{type(self).__name__} has no `choose`; its scores serve every budget")

    def sampler_for(self, n: int, k: int) -> SubsetSampler:
        """Sampler for k of n samples: the scenario's, else the largest scores."""
        return self.sampler if isinstance(self.sampler, SubsetSampler) else Top()

    def with_options(self, options: Mapping[str, Any]) -> Self:
        """The same method with other values of `sampler` and `after_warmup`."""
        changed = copy.copy(self)
        for name, value in options.items():
            object.__setattr__(changed, name, value)  # methods are frozen dataclasses
        return changed

    @property
    def same_for_all_budgets(self) -> bool:
        """True where scoring and sampling take the same work at every budget, and training is that of a subset."""
        alike = self.after_warmup != "counts" and type(self).sampler_for is Method.sampler_for
        return self.scores_once and alike

    @property
    def scores_once(self) -> bool:
        """True where one scoring serves every budget, that is, where the method does not override `choose`."""
        return type(self).choose is Method.choose

    @property
    def ranks(self) -> bool:
        """True where the scores say which samples matter: neither all alike, nor random, nor changing in training."""
        return not (self.keeps_all or self.by_chance or self.dynamic)

    def is_dynamic_on(self, shard: Shard) -> bool:
        """True where the method chooses while it trains on this shard: `dynamic`, unless it goes by storage."""
        return self.dynamic

    def kept_samples(self, shard: Shard, k: int) -> int:
        """Samples that a device stores for training at a budget of k: `subset_size` of a record."""
        return shard.size if self.is_dynamic_on(shard) else k
