"""What jobs are expected to take this machine, which devices are small, and who has which slot of a stack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from edgesim.cost import analytic
from edgesim.runtime.jobs import Job, TrainJob
from edgesim.scenario.experiment import DeviceSpec, ExperimentConfig
from edgesim.training.settings import MAX_STACKED_PARAMETERS, STACK_SLOTS
from edgesim.work import OPERATION_KINDS

SHORT_FLOPS = 2e9
"""a device whose trials are expected to take less in all (some 0.1 s of a core) is one job"""
STACKED_FLOPS = 1e9
"""a training is one of a stack where it is expected to take at most this, at full data"""
FEWEST_STACKED = 2 * STACK_SLOTS
"""devices of a seed below which their stacks would be mostly empty"""


def trial_samples(setting: ExperimentConfig, n: int, keep_ratio: float) -> float:
    """Samples that a trial on a shard of n passes forward and backward, scoring left out.

    A forward pass counts a third: the test set and the shard are evaluated at the end of every training.
    """
    return _kept(n, keep_ratio) * setting.training.epochs + (len(setting.dataset.test_labels) + n) / 3


@lru_cache(maxsize=10_000)
def _kept(n: int, keep_ratio: float) -> int:
    """m of one trial: asked for several times of each, and an array function takes 0.1 ms for a number."""
    return int(analytic.subset_size(n, keep_ratio))


def flops(setting: ExperimentConfig, job: Job) -> float:
    """Expected work of a job and, for scoring, of the trainings behind it."""
    n, ratios = len(job.spec.shard), [trial.keep_ratio for trial in job.trials]
    if isinstance(job, TrainJob):
        return trial_samples(setting, n, ratios[0]) * setting.terms.workload.train_flops
    return _device_flops(setting, n, ratios)


def with_slots(
    setting: ExperimentConfig, devices: Mapping[tuple[int, int], DeviceSpec]
) -> dict[tuple[int, int], DeviceSpec]:
    """The devices, small ones with a slot of a stack (`training.stacked`).

    Small is a device whose shard fits into a batch and whose training at full data would be short. Neither other
    methods and keep ratios, nor what is left to do, nor the hardware plays a part: a longer sweep, a resumed run and
    one on another fleet compute the same. Slots go round in the order in which the devices of a seed are queued, so
    that those that a host gets together fill a stack.

    Args:
        setting: of the run.
        devices: (seed, device) -> device.
    """
    slotted = dict(devices)
    if not _may_stack(setting):
        return slotted
    small: dict[int, list[tuple[int, int]]] = {}
    for (seed, index), spec in devices.items():
        n = len(spec.shard)
        work = trial_samples(setting, n, 1.0) * setting.terms.workload.train_flops
        if n <= setting.training.batch_size and work <= STACKED_FLOPS:
            small.setdefault(seed, []).append((-n, index))
    for seed, found in small.items():
        if len(found) >= FEWEST_STACKED:
            for rank, (_, index) in enumerate(sorted(found)):
                slotted[seed, index] = replace(devices[seed, index], slot=rank % STACK_SLOTS)
    return slotted


def _may_stack(setting: ExperimentConfig) -> bool:
    """Whether the network may be one for stacks, as far as its operations tell: the host looks at its layers."""
    training, workload = setting.training, setting.terms.workload
    plain = training.precision == "fp32" and not setting.augment and training.torch_device != "cuda"
    kinds = {OPERATION_KINDS[kind] for kind in workload.train_operations.kinds}
    return plain and workload.parameters <= MAX_STACKED_PARAMETERS and kinds <= {"matmul", "elementwise"}


def _device_flops(setting: ExperimentConfig, n: int, keep_ratios: Sequence[float]) -> float:
    """Expected work of scoring a shard of n samples and of the trials behind it."""
    samples = n + sum(trial_samples(setting, n, keep_ratio) for keep_ratio in keep_ratios)
    return samples * setting.terms.workload.train_flops
