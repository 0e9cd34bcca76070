"""Feasibility of trials on a device: memory, storage, energy and availability, and the batch size that fits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgesim.cost.analytic import Numbers
from edgesim.cost.context import PricingContext
from edgesim.formatting import distinguished, percent, size
from edgesim.hardware.loading import DeviceProfile
from edgesim.hardware.quantity import GPU_CLASSES
from edgesim.work import Count, FloatArray, Workload

SYSTEM_SHARE = 0.2
"""share of the working memory that the system keeps for itself. Estimate, not measured. A Raspberry Pi without a
desktop takes about a tenth of its gigabyte; phones and Jetsons with a desktop take a quarter of their four."""

LIMITS = ("", "memory", "storage", "energy", "availability")
"""limits of a device, by code; 0 = none. Energy: its charge does not last. Availability: its windows never suffice"""

Flags = npt.NDArray[np.bool_] | bool


@dataclass(frozen=True)
class ResourceDemand:
    """Resources that trials demand of one device: numbers, or arrays over trials."""

    peak_memory_bytes: Numbers
    """of training at its largest batch, as `peak_memory_bytes` gives it"""
    shard_bytes: Numbers
    """of all the samples that the device holds: pruning comes after"""
    finished: Flags = True
    """False where the device's charge or windows surely do not suffice"""
    died: Flags = False
    """True where its battery ran empty on the way"""


def peak_memory_bytes(profile: DeviceProfile, workload: Workload, batch_size: Count, optimizer_states: int) -> Count:
    """Peak memory of training on a device: that of a step, and the context of a GPU (`memory.context_bytes`).

    Args:
        profile: the device; torch's allocator rounds every tensor up to 512 bytes where a GPU computes.
        workload: of the network.
        batch_size: samples of the largest step.
        optimizer_states: numbers kept per weight by the optimiser.
    """
    in_blocks = profile.device_class in GPU_CLASSES
    return workload.peak_training_bytes(batch_size, optimizer_states, in_blocks) + context_bytes(profile)


def context_bytes(profile: DeviceProfile) -> int:
    """Part of the peak memory that is no tensor: the context of a GPU; 0 where none is known."""
    context = profile.memory.context_bytes
    return round(context.value) if context else 0


def usable_memory_bytes(profile: DeviceProfile) -> float:
    """Working memory that training may take."""
    return float(usable_bytes(profile.memory_bytes))


def usable_bytes(memory_bytes: Numbers) -> FloatArray:
    """Part of a working memory that training may take: all but SYSTEM_SHARE."""
    return np.asarray(memory_bytes, dtype=np.float64) * (1.0 - SYSTEM_SHARE)


def memory_share(peak_memory_bytes: Numbers, memory_bytes: Numbers) -> FloatArray:
    """The share of the usable memory that a training step takes; above 1 the device cannot do it.

    Args:
        peak_memory_bytes: of the step (`peak_memory_bytes` of a record).
        memory_bytes: of the device, all of it (`memory_bytes` of devices.parquet).
    """
    return np.asarray(np.asarray(peak_memory_bytes, dtype=np.float64) / usable_bytes(memory_bytes))


def storage_share(shard_bytes: Numbers, storage_bytes: Numbers) -> FloatArray:
    """The share of a device's storage that all the samples it holds take; above 1 the device cannot begin.

    It holds the whole shard while it scores, whatever it keeps afterwards, and a dynamic method through all of the
    training. What a trial holds after the selection is `storage_bytes` of its record.

    Args:
        shard_bytes: shard size times the bytes of a sample.
        storage_bytes: of the device.
    """
    return np.asarray(np.asarray(shard_bytes, dtype=np.float64) / np.asarray(storage_bytes, dtype=np.float64))


def first_limit(demand: ResourceDemand, profile: DeviceProfile) -> npt.NDArray[np.int64]:
    """The first of LIMITS that a demand breaks, by code; 0 where the device can hold it.

    Args:
        demand: of one trial, or of C.
        profile: the device.
    """
    memory = memory_share(demand.peak_memory_bytes, profile.memory_bytes) > 1
    storage = storage_share(demand.shard_bytes, profile.storage_bytes) > 1
    short = ~np.asarray(demand.finished)
    dry = short & np.asarray(demand.died)
    return np.asarray(np.select([memory, storage, dry, short], [1, 2, 3, 4], 0))


def reasons(demand: ResourceDemand, profile: DeviceProfile, context: PricingContext, batch: int) -> list[str]:
    """Reasons, with numbers, for which the device cannot begin one trial; empty where it can.

    `pricing.shortfall` gives the reason for which a device does not finish.

    Args:
        demand: of one trial.
        profile: the device.
        context: workload and optimiser, for the batch size that would fit.
        batch: samples of the largest training step.
    """
    found = []
    peak, usable = float(np.asarray(demand.peak_memory_bytes)), usable_memory_bytes(profile)
    if memory_share(peak, profile.memory_bytes) > 1:
        fits = largest_batch_size(profile, context.workload, context.optimizer_states, batch)
        advice = f"batch size {fits} would fit" if fits else "no batch size would fit"
        needs, has = distinguished(peak, usable, size, 3)
        beside = context_bytes(profile)
        context_part = f" ({size(beside)} for the GPU's context)" if beside else ""
        found.append(
            f"needs {needs} of training memory at batch size {batch}{context_part}, has {has} "
            f"({percent(1 - SYSTEM_SHARE, 0)} of {size(profile.memory_bytes)}); {advice}"
        )
    shard = float(np.asarray(demand.shard_bytes))
    if storage_share(shard, profile.storage_bytes) > 1:
        needs, has = distinguished(shard, profile.storage_bytes, size, 3)
        found.append(f"needs {needs} of storage for its data, has {has}")
    return found


def largest_batch_size(profile: DeviceProfile, workload: Workload, optimizer_states: int, wanted: int) -> int:
    """The largest power of two, at most `wanted`, whose training step fits into the memory; 0 where none does."""
    batch = 1 << (max(wanted, 1).bit_length() - 1)
    while batch and peak_memory_bytes(profile, workload, batch, optimizer_states) > usable_memory_bytes(profile):
        batch //= 2
    return batch
