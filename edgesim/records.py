"""Frozen dataclasses that cross a boundary: between device and coordinator, and between a run and its readers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from edgesim.ranked_samples import RankedSamples
from edgesim.work import FloatArray, IntArray, StepTrace, Work

Status = Literal["ok", "failed", "infeasible"]
FailureKind = Literal["", "own", "host"]
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


TRANSFER_COLUMNS = {
    "transfer_test_accuracy": "accuracy on the other data set's test set after the fine-tuning",
    "transfer_local_accuracy": "its per-class accuracies, weighted by the class shares of the device's samples there",
    "transfer_test_loss": "mean loss on that test set",
    "transfer_shard_size": "samples of the other data set that the device holds and fine-tunes on",
    "transfer_flops": "counted FLOPs of the fine-tuning, multiply-add = 2",
    "transfer_steps": "optimiser steps of the fine-tuning",
    "transfer_analytic_time_s": "closed form of the fine-tuning: FLOPs / throughput of the profile",
    "transfer_analytic_energy_j": "transfer_analytic_time_s times the profile's power",
    "transfer_device_time_s": "emulated time of the fine-tuning with its start-up; in no other column",
    "transfer_device_energy_j": "emulated energy of transfer_device_time_s; in no other column",
    "transfer_peak_memory_bytes": "peak memory of a step of the fine-tuning",
}
"""column of the records of a scenario with `transfer` -> its meaning. The fine-tuning is a job of its own: it begins
with the device's conditions at second 0 and is priced once, whatever `repeats`"""


@dataclass(frozen=True)
class WorkRecord:
    """Work that one trial is charged for on its device, also where the simulation shared the computation."""

    score: Work
    score_trace: StepTrace
    train: Work
    train_trace: StepTrace
    reused: bool = False
    """True where another run scored, maybe with another network (`scores_from`)"""


@dataclass(frozen=True)
class TimeEnergy:
    """Time and energy of work on one device. Fields are scalars or arrays over devices."""

    time_s: Any
    energy_j: Any


@dataclass(frozen=True)
class Selection:
    """A subset of a shard."""

    positions: IntArray
    """sorted unique positions within the shard, exactly `budget` of them"""
    weights: FloatArray | None = None
    """per-sample loss weights for training, aligned with `positions`; None = all one"""
    notes: Mapping[str, float | str] = field(default_factory=dict)
    """facts of a method to keep with the trial, for example the ratio that its own threshold gave"""
    epoch_sampler: Any = None
    """choice of a dynamic method in training (`training.sampling.EpochSampler`); None = all positions in every epoch"""
    settles_on: int | None = None
    """samples of the subset that `epoch_sampler` names while it trains (`Draw.kept`); None = it names none"""


class Trial(NamedTuple):
    """The name of one trial."""

    seed: int
    device: int
    method: str
    keep_ratio: float


@dataclass(frozen=True)
class Record:
    """Outcome of one trial: one row of records.parquet. The text below a field is its column's meaning in the docs."""

    scenario: str
    """name of the scenario"""
    seed: int
    """seed of the trial"""
    device: int
    """index of the device in the fleet, from 0"""
    profile: str
    """hardware profile of the device"""
    method: str
    """label of the method"""
    keep_ratio: float
    """share of the shard that the trial keeps or pays for, in (0, 1]"""
    status: Status
    """`ok`, `failed`, or `infeasible` on this device"""
    limit: str = ""
    """reason class of an infeasible trial: memory, storage, energy, availability, or budget; else empty"""
    reason: str = ""
    """failure, limit or binding constraint in words, with numbers"""
    failure: FailureKind = ""
    """kind of a failed trial: `own` (error, time or memory limit; `--retry-failed` repeats it) or `host` (its host was
    lost; `--resume` repeats it); else empty"""
    shard_size: int = 0
    """samples that the device holds"""
    subset_size: int = 0
    """samples kept for training; all of the shard with a dynamic method"""
    dynamic: bool = False
    """true where the method chooses during training instead of once before; its keep ratio is a price"""
    test_accuracy: float = np.nan
    """accuracy on the common test set after training; the test set chooses nothing"""
    local_accuracy: float = np.nan
    """per-class test accuracies, weighted by the class shares of the device"""
    train_accuracy: float = np.nan
    """accuracy on the whole shard after training, whatever the subset"""
    test_loss: float = np.nan
    """mean loss on the common test set after training"""
    train_loss: float = np.nan
    """mean loss on the whole shard after training"""
    score_flops: float = np.nan
    """counted FLOPs of scoring, forward and backward, multiply-add = 2"""
    train_flops: float = np.nan
    """counted FLOPs of all `repeats` trainings"""
    total_flops: float = np.nan
    """score_flops + train_flops"""
    selection_comparisons: int = 0
    """comparisons of the selection"""
    steps: int = 0
    """optimiser steps of all `repeats` trainings"""
    repeats: int = 1
    """trainings in the price (`training.repeats`); one of them ran, and scoring counts once"""
    analytic_time_s: float = np.nan
    """closed form of the edge paper: FLOPs / throughput of the profile"""
    analytic_score_time_s: float = np.nan
    """scoring's part of analytic_time_s"""
    analytic_train_time_s: float = np.nan
    """training's part of analytic_time_s"""
    analytic_energy_j: float = np.nan
    """analytic_time_s times the profile's power"""
    device_time_s: float = np.nan
    """emulated time: device_startup_s + device_score_time_s + device_train_time_s"""
    device_startup_s: float = np.nan
    """emulated start of the process and the accelerator, once per training; 0 on a warm device"""
    device_score_time_s: float = np.nan
    """emulated scoring and selection"""
    device_train_time_s: float = np.nan
    """emulated training, with step overhead, memory traffic, reading, power mode and heat"""
    device_energy_j: float = np.nan
    """emulated energy of device_time_s, up to the empty battery where one runs dry"""
    device_startup_energy_j: float = np.nan
    """start-up's part of device_energy_j"""
    device_score_energy_j: float = np.nan
    """part of device_energy_j for scoring and selection"""
    ratio_rule: str = ""
    """`budget` or `objective` where such a rule chose the keep ratio, else empty"""
    binds: str = ""
    """constraint that keeps the rule from a larger or better subset: a budget limit or a device limit"""
    device_throttled_s: float = np.nan
    """seconds of device_time_s at reduced speed because of heat"""
    device_wait_s: float = np.nan
    """part of device_time_s spent on storage reads and on closed availability windows"""
    notes: str = ""
    """JSON: numbers that a method records with the trial"""
    storage_bytes: int = 0
    """bytes of the kept samples"""
    upload_bytes: int = 0
    """bytes of the samples sent where kept data are uploaded: the whole shard without a subset chosen before"""
    upload_s: float = np.nan
    """upload_bytes over the profile's link; empty where it has none; in no price"""
    peak_memory_bytes: int = 0
    """weights, gradients, optimiser state and saved activations of one batch"""
    cost_j: float = np.nan
    """J of Eq. 13 of the edge paper, without unit: weighted emulated time, energy and storage over full-data values"""
    host_wall_s: float = np.nan
    """measured time on the simulating machine"""
    host_score_wall_s: float = np.nan
    """scoring's part of host_wall_s"""
    host_train_wall_s: float = np.nan
    """training's part of host_wall_s"""
    host_stack_size: int = 0
    """trainings that shared their steps with this one, itself included; 0 = trained alone or not at all"""
    host_output: str = ""
    """last lines that the host of a failed trial printed during it; run.log has more"""
    metrics: dict[str, float] = field(default_factory=dict, hash=False)
    """column -> value of the other metrics (`tasks.TASKS`) and of TRANSFER_COLUMNS, each a column of its own:
    `test_mae`, `own_accuracy`, `transfer_test_accuracy`"""

    @property
    def trial(self) -> Trial:
        """The trial whose outcome this is."""
        return Trial(self.seed, self.device, self.method, self.keep_ratio)


class CurvePoint(NamedTuple):
    """One epoch of one trial. Test values are NaN where the test set was not evaluated after that epoch."""

    epoch: int
    """epochs of training done"""
    subset_loss: float
    """running mean of the loss over the samples that the epoch visited"""
    subset_accuracy: float
    """running mean of the accuracy over the samples that the epoch visited"""
    test_loss: float
    """mean loss on the common test set; empty without an evaluation after the epoch"""
    test_accuracy: float
    """accuracy on the common test set; empty without an evaluation after the epoch"""
    metrics: Mapping[str, float] | None = None
    """column -> value of the metrics of another task than classification, each a column of its own: `test_mae`; the
    accuracies are no columns then"""


@dataclass(frozen=True)
class Reused:
    """Subset that another run chose, with the work of the choice there."""

    kept: IntArray
    """sorted indices into the training set"""
    weights: FloatArray | None
    work: Work
    trace: StepTrace


@dataclass(frozen=True)
class MethodOutputs:
    """Outputs of a method beside its subset."""

    scores: FloatArray | None = None
    """[n] of the whole shard, where the scenario keeps scores"""
    indices: IntArray | None = None
    """[n] the samples that the scores belong to, as indices into the training set"""
    scores_for_all_budgets: bool = True
    """True where these scores serve every keep ratio of the method on this device"""
    history: tuple[dict[str, float], ...] = ()
    """one row per epoch of a training of the method's own"""
    ranked: RankedSamples | None = None
    """of the trials that a run shows (`ExperimentConfig.shown`)"""


@dataclass(frozen=True)
class TrialResult:
    """Result of one trial, as a device sends it back."""

    record: Record
    curve: tuple[CurvePoint, ...] = ()
    kept: IntArray | None = None
    """sorted indices into the training set"""
    weights: FloatArray | None = None
    """loss weights aligned with `kept`; None = all one"""
    outputs: MethodOutputs = field(default_factory=MethodOutputs)
    work_record: WorkRecord | None = None
    """None of a trial that has not run; of one that its device stopped on the way, all that it would have done"""
    network: Mapping[str, npt.NDArray[Any]] | None = None
    """weights and buffers of the trained network by name, where the run keeps them; a file of their own has them"""

    @property
    def reusable(self) -> Reused | None:
        """The subset with the work of its choice, for another run to train on; None where there is no subset."""
        if self.kept is None or self.work_record is None:
            return None
        return Reused(self.kept, self.weights, self.work_record.score, self.work_record.score_trace)
