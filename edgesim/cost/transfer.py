"""Price of the fine-tuning on another data set (`transfer`): one training on all samples of the device's shard there.

It is a job of its own that begins with the device's conditions at second 0, and with the battery's charge then. So its
price is in columns of its own, and no price of scoring and training changes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from edgesim.cost import feasibility
from edgesim.cost.batch_pricing import BatchPricing, Device
from edgesim.cost.context import PricingContext
from edgesim.cost.feasibility import ResourceDemand
from edgesim.cost.pricing import shortfall
from edgesim.work import FloatArray, IntArray


class TransferPricing(NamedTuple):
    """Both prices of the fine-tuning on P devices of one kind."""

    size: IntArray
    """[P] samples that each fine-tunes on"""
    priced: BatchPricing
    """[P]"""

    @classmethod
    def of(
        cls, context: PricingContext, device: Device, size: IntArray, factor: FloatArray | float = 1.0
    ) -> TransferPricing:
        """Price the fine-tuning.

        Args:
            context: of the fine-tuning (`PricingContext.transfer`).
            device: hardware and conditions.
            size: [P] samples of each device's shard.
            factor: [P] of the profile's throughput, or one for all.
        """
        return cls(size, BatchPricing.training_only(context, device, size, factor))

    @property
    def columns(self) -> dict[str, FloatArray]:
        """Columns of `records.TRANSFER_COLUMNS` that follow from work and device, [P] each.

        Work that does not end within the windows of availability has no emulated time.
        """
        priced = self.priced
        ends = priced.on_mains.finished
        found = {
            "transfer_shard_size": self.size,
            "transfer_flops": priced.train.flops,
            "transfer_steps": priced.train.steps.sum(axis=1),
            "transfer_analytic_time_s": priced.time_s("analytic"),
            "transfer_analytic_energy_j": priced.energy_j("analytic"),
            "transfer_device_time_s": np.where(ends, priced.time_s("emulated"), np.nan),
            "transfer_device_energy_j": np.where(ends, priced.energy_j("emulated"), np.nan),
            "transfer_peak_memory_bytes": priced.peak_memory_bytes,
        }
        return {name: np.asarray(values, dtype=np.float64) for name, values in found.items()}

    @property
    def limit(self) -> IntArray:
        """[P] position in `feasibility.LIMITS` of the limit that the fine-tuning breaks; 0 = none."""
        shard_bytes = self.size.astype(np.float64) * self.priced.context.sample_bytes
        run = self.priced.as_it_is
        demand = ResourceDemand(self.priced.peak_memory_bytes, shard_bytes, run.finished, ~np.isnan(run.died_at_s))
        return feasibility.first_limit(demand, self.priced.device.profile)

    def reason(self, p: int) -> str:
        """The limit that the fine-tuning breaks on device `p` in words, with its numbers."""
        profile, context = self.priced.device.profile, self.priced.context
        shard_bytes = float(self.size[p] * context.sample_bytes)
        demand = ResourceDemand(float(self.priced.peak_memory_bytes[p]), shard_bytes)
        begins = feasibility.reasons(demand, profile, context, int(self.priced.largest_batch[p]))
        return f"transfer: {'; '.join(begins) or shortfall(self.priced, p)}"


def columns(context: PricingContext, device: Device, size: int) -> dict[str, float]:
    """`TransferPricing.columns` of one device. Arguments: `TransferPricing.of`."""
    found = TransferPricing.of(context, device, np.array([size], dtype=np.int64)).columns
    return {name: float(values[0]) for name, values in found.items()}
