"""The frozen dataclasses that cross a boundary: between device and coordinator, and between a run and its readers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from edgesim.ranked_samples import RankedSamples
from edgesim.work import FloatArray, IntArray, StepTrace, Work

Status = Literal["ok", "failed", "infeasible"]
RATIO_DECIMALS = 12
"""of a keep ratio that counts: a shard where more of them choose another subset would need 10^12 samples"""


def rounded_ratio(keep_ratio: npt.ArrayLike) -> FloatArray:
    """Keep ratios without the last bits, which depend on how they were worked out: 0.1 + 0.2 is 0.3.

    Ratios name trials, are grouped and joined by; so they are rounded wherever one comes in. A ratio too small for
    the decimals stays as it is.
    """
    given = np.asarray(keep_ratio, dtype=np.float64)
    rounded = np.round(given, RATIO_DECIMALS)
    return np.asarray(np.where(rounded == 0, given, rounded))


@dataclass(frozen=True)
class WorkRecord:
    """All that one trial did on its device: what it is charged for, whoever shared the computation here."""

    score: Work
    score_trace: StepTrace
    train: Work
    train_trace: StepTrace
    reused: bool = False
    """whether another run scored, maybe with another network (`scores_from`)"""


@dataclass(frozen=True)
class Cost:
    """What work takes on one device. Fields are scalars or arrays over devices."""

    time_s: Any
    energy_j: Any


@dataclass(frozen=True)
class Selection:
    """A subset of a shard."""

    positions: IntArray
    """sorted unique positions within the shard, exactly `budget` of them"""
    weights: FloatArray | None = None
    """per-sample loss weights for training, aligned with `positions`; None = all one"""
    notes: dict[str, float] = field(default_factory=dict)
    """what a method wants to be remembered, for example the ratio its own threshold gave"""
    sampler: Any = None
    """what a dynamic method chooses while it trains (`training.sampling.Sampler`), or None for all positions, each once
    in every epoch"""


class Trial(NamedTuple):
    """The name of one trial."""

    seed: int
    device: int
    method: str
    keep_ratio: float


@dataclass(frozen=True)
class Record:
    """The outcome of one trial: one row of records.parquet (the columns and units are in the README)."""

    scenario: str
    seed: int
    device: int
    profile: str
    method: str
    keep_ratio: float
    status: Status
    limit: str = ""
    """what makes a trial infeasible: memory, storage, energy or availability of the device, or the budget"""
    reason: str = ""
    shard_size: int = 0
    subset_size: int = 0
    """samples kept for training; of a dynamic method all of the shard"""
    dynamic: bool = False
    """whether the method chose while it trained, instead of one subset before"""
    test_accuracy: float = np.nan
    local_accuracy: float = np.nan
    train_accuracy: float = np.nan
    test_loss: float = np.nan
    train_loss: float = np.nan
    score_flops: float = np.nan
    train_flops: float = np.nan
    total_flops: float = np.nan
    selection_comparisons: int = 0
    steps: int = 0
    """of all trainings, as train_flops"""
    repeats: int = 1
    """trainings that the price has (`training.repeats`), one of which was done; scoring is in it once"""
    analytic_time_s: float = np.nan
    analytic_score_time_s: float = np.nan
    analytic_train_time_s: float = np.nan
    analytic_energy_j: float = np.nan
    device_time_s: float = np.nan
    """device_startup_s + device_score_time_s + device_train_time_s"""
    device_startup_s: float = np.nan
    """starting the process and the accelerator, once per training; 0 on a warm device"""
    device_score_time_s: float = np.nan
    device_train_time_s: float = np.nan
    device_energy_j: float = np.nan
    device_startup_energy_j: float = np.nan
    """of device_energy_j"""
    device_score_energy_j: float = np.nan
    """of device_energy_j: scoring and selection"""
    ratio_rule: str = ""
    """`budget` or `objective` where such a rule chose the keep ratio, else empty"""
    binds: str = ""
    """what keeps that rule from a larger or a better subset: a limit of the budget, or of the device"""
    device_throttled_s: float = np.nan
    """of device_time_s: slowed down by heat"""
    device_wait_s: float = np.nan
    """of device_time_s: reading from storage, and unavailable"""
    notes: str = ""
    """JSON: numbers that a method wants to be remembered with the trial"""
    storage_bytes: int = 0
    upload_bytes: int = 0
    """of the samples sent where the kept data are uploaded: the whole shard where no subset is chosen before"""
    upload_s: float = np.nan
    """upload_bytes by the link of the profile; NaN where it has none"""
    peak_memory_bytes: int = 0
    cost_j: float = np.nan
    host_wall_s: float = np.nan
    host_score_wall_s: float = np.nan
    host_train_wall_s: float = np.nan
    host_stack_size: int = 0
    """trainings that shared their steps with this one, itself included; 0 = trained alone, or not at all"""

    @property
    def trial(self) -> Trial:
        """The trial whose outcome this is."""
        return Trial(self.seed, self.device, self.method, self.keep_ratio)


class CurvePoint(NamedTuple):
    """One epoch of one trial. Test values are NaN where the test set was not evaluated after that epoch."""

    epoch: int
    subset_loss: float
    subset_accuracy: float
    test_loss: float
    test_accuracy: float


@dataclass(frozen=True)
class Reused:
    """A subset that another run chose, and what choosing it took there."""

    kept: IntArray
    """sorted indices into the training set"""
    weights: FloatArray | None
    work: Work
    trace: StepTrace


@dataclass(frozen=True)
class MethodOutputs:
    """What a method found beside its subset."""

    scores: FloatArray | None = None
    """[n] of the whole shard, where the scenario keeps scores"""
    indices: IntArray | None = None
    """[n] the samples that the scores belong to, as indices into the training set"""
    scores_for_all_budgets: bool = True
    """whether these scores serve every keep ratio of the method on this device"""
    history: tuple[dict[str, float], ...] = ()
    """one row per epoch of a training of the method's own"""
    ranked: RankedSamples | None = None
    """of the trials that a run shows (`ExperimentConfig.shown`)"""


@dataclass(frozen=True)
class TrialResult:
    """What a device sends back for one trial."""

    record: Record
    curve: tuple[CurvePoint, ...] = ()
    kept: IntArray | None = None
    """sorted indices into the training set"""
    weights: FloatArray | None = None
    """loss weights aligned with `kept`; None = all one"""
    outputs: MethodOutputs = field(default_factory=MethodOutputs)
    work_record: WorkRecord | None = None
    """None of a trial that has not run; of one that its device stopped on the way, all that it would have done"""

    @property
    def reusable(self) -> Reused | None:
        """The subset with the work of its choice, for another run to train on; None where there is no subset."""
        if self.kept is None or self.work_record is None:
            return None
        return Reused(self.kept, self.weights, self.work_record.score, self.work_record.score_trace)
