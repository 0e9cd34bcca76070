"""Pricing context: the part of a price that all trials of a run share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edgesim.cost.analytic import CostWeights
from edgesim.work import Workload

STARTUP, SCORING, TRAINING = "starting up", "scoring", "training"
"""labels of a trial's phases, in their order"""

Price = Literal["emulated", "analytic"]
"""the price that counts: emulated step by step, or the edge paper's closed form"""
OTHER: dict[Price, Price] = {"emulated": "analytic", "analytic": "emulated"}


@dataclass(frozen=True)
class PricingContext:
    """Inputs of a trial's price beside its work and its device."""

    workload: Workload
    """of the network that trains, and scores where nothing else is said"""
    scorer: Workload | None
    """of the network that scored in another run (`scores_from`)"""
    sample_bytes: int
    """stored bytes of one sample"""
    batch_size: int
    epochs: int
    optimizer_states: int
    """numbers that the optimiser keeps per weight"""
    weights: CostWeights
    """of J (Eq. 13): those of the objective where one chooses the ratios, else the scenario's"""
    precision: Literal["fp32", "bf16"] = "fp32"
    """of the training; bf16 is faster on devices with units for it, by the emulated price"""
    price: Price = "emulated"
    """of J: the objective's where one chooses the ratios"""
    repeats: int = 1
    """N: trainings on the same kept set, scored once; each has a start-up of its own on a cold device"""

    transfer: PricingContext | None = None
    """of the fine-tuning on another data set (`transfer`), whose network may have another head"""

    def scorings(self, dynamic: bool) -> int:
        """Number of scorings charged: one, but one per training of a method that chooses while it trains."""
        return self.repeats if dynamic else 1
