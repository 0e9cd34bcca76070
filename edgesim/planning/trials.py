"""What a device's trials will take before any of them runs: prices, feasibility, and the ratio that a rule gives it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from edgesim.config.registry import NamedPlugin
from edgesim.cost import feasibility
from edgesim.cost.batch_pricing import BatchPricing, Device
from edgesim.cost.context import PricingContext
from edgesim.cost.feasibility import LIMITS
from edgesim.cost.objective import BINDS, Budget, Objective, Rule, Weighted, risk_weights
from edgesim.cost.pricing import price, shortfall
from edgesim.errors import Fault, ScenarioError
from edgesim.models.network_costs import NetworkShape
from edgesim.planning.expected_cost import ExpectedCost, demand
from edgesim.planning.ratio_rules import DeviceBatch, choose
from edgesim.pruning.base import Shard
from edgesim.records import Reused, Trial, WorkRecord, rounded_ratio
from edgesim.scenario.pruning_section import Pruning
from edgesim.work import FloatArray, IntArray

Curves = Mapping[str, FloatArray]
"""method -> [points, 2] keep ratio and accuracy, ratios ascending"""
Scored = Mapping[tuple[int, int, str], Mapping[int, Reused]]
"""seed, device and method -> subset size -> what choosing that subset took in another run"""


class DeviceShard(NamedTuple):
    """What a device holds."""

    shard: Shard
    risk_weight: float
    """of its risk in an objective (`objective.risk_weights`)"""


class Infeasibility(NamedTuple):
    """Why a device cannot do a trial."""

    limit: str
    """of the device (`feasibility.LIMITS`), or the budget"""
    reason: str
    columns: dict[str, Any]
    """what is known of its record: prices up to where the energy ends, or what it would need"""


class RatioChoice(NamedTuple):
    """The ratios of a device's trials of one method."""

    ratios: tuple[float, ...]
    binds: str = ""
    """what keeps a rule from a larger or a better subset (`objective.BINDS`); empty for ratios of the scenario"""
    reason: str = ""
    """of the rule, with numbers"""
    suffices: bool = True
    """False: a budget does not even pay for one sample"""

    @property
    def refuses(self) -> str:
        """What stops the trial where that does not suffice: a limit of the device, or the budget."""
        return self.binds if self.binds in LIMITS[1:] else "budget"


@dataclass(frozen=True)
class TrialPricer:
    """What prices depend on beside the device and its data."""

    terms: PricingContext
    network: NetworkShape

    def prospect(
        self, method: Any, shards: Sequence[Shard], known: Sequence[Mapping[int, Reused]] = ()
    ) -> ExpectedCost:
        """What a plug-in's trials will do on some shards.

        Args:
            method: the plug-in.
            shards: of some devices.
            known: of each shard, subset size -> what another run did for that subset (`Scored`); empty = nothing.
        """
        reused = {(place, k): found for place, scored in enumerate(known) for k, found in scored.items()}
        return ExpectedCost(self.terms, self.network, method, shards, reused)

    def problems(
        self, prospect: ExpectedCost, device: Device, which: IntArray, m: IntArray
    ) -> list[Infeasibility | None]:
        """Why a device cannot do each of C trials, not even with the least of their work; None where it may.

        Args:
            prospect: the method, on shards of devices of one kind.
            device: that kind.
            which: [C] positions of shards.
            m: [C] subset sizes.
        """
        priced = prospect.price(device, which, m, case="least")
        limit = feasibility.first_limit(demand(priced, prospect.sizes[which]), device.profile)
        exact = prospect.exact(which, m)
        found: list[Infeasibility | None] = [None] * len(m)
        for i in np.flatnonzero(limit):
            shard = prospect.shards[which[i]]
            if LIMITS[limit[i]] in ("memory", "storage"):
                peak, kept = int(priced.peak_memory_bytes[i]), int(priced.storage_bytes[i])
                reason = cannot_begin(priced, int(i), shard.size)
                sizes = {"peak_memory_bytes": peak, "storage_bytes": kept, "upload_bytes": kept}
                found[i] = Infeasibility(LIMITS[limit[i]], reason, sizes | {"upload_s": float(priced.upload_s[i])})
            else:
                trial, key = prospect.trial(int(which[i]), int(m[i])), (int(which[i]), int(m[i]))
                done = WorkRecord(*trial.scoring.part("least"), trial.train, trial.train_trace, key in prospect.reused)
                columns = price(self.terms, *device, shard.size, trial.kept, done, prospect.method.dynamic)
                del columns["limit"], columns["reason"]
                found[i] = Infeasibility(LIMITS[limit[i]], shortfall(priced, int(i), bool(exact[i])), columns)
        return found

    def ratios_for(
        self, pruning: Pruning, method: NamedPlugin, held: DeviceShard, device: Device, curves: Curves | None
    ) -> RatioChoice:
        """The keep ratios of a device's trials of a method. One that keeps everything has one, at keep ratio 1.

        Raises:
            ScenarioError: the run that gives an objective's curves has none for the method.
        """
        if method.plugin.keeps_all:
            return RatioChoice((1.0,))
        if pruning.rule is None:
            return RatioChoice(pruning.keep_ratios)
        prospect = self.prospect(method.plugin, [held.shard])
        pairs = DeviceBatch(prospect, device, np.zeros(1, dtype=np.int64), np.ones(1), np.array([held.risk_weight]))
        choice = choose(pruning.rule, pairs, curve_of(pruning.rule, method.label, curves))
        ratio = float(rounded_ratio(int(choice.m[0]) / held.shard.size))
        return RatioChoice((ratio,), BINDS[choice.binds[0]], choice.reason(0), bool(choice.suffices[0]))


def hold(rule: Rule | None, shards: Mapping[tuple[int, int], Shard]) -> dict[tuple[int, int], DeviceShard]:
    """The shards by seed and device, each with the weight of its device's risk: fleets are weighed seed by seed."""
    found: dict[tuple[int, int], DeviceShard] = {}
    for seed in dict.fromkeys(seed for seed, _ in shards):
        keys = [key for key in shards if key[0] == seed]
        weights = risk_weights([shards[key].size for key in keys], weighted(rule))
        found |= {key: DeviceShard(shards[key], float(weight)) for key, weight in zip(keys, weights, strict=True)}
    return found


def scored(reused: Mapping[Trial, Reused] | None) -> Scored:
    """What another run has scored, to be looked up by device and method."""
    found: dict[tuple[int, int, str], dict[int, Reused]] = {}
    for trial, known in (reused or {}).items():
        found.setdefault((trial.seed, trial.device, trial.method), {})[len(known.kept)] = known
    return found


def cannot_begin(priced: BatchPricing, i: int, shard_size: int) -> str:
    """Why the device cannot even begin trial `i`: memory, storage, or both, with the numbers."""
    terms, profile = priced.terms, priced.device.profile
    demand = feasibility.ResourceDemand(float(priced.peak_memory_bytes[i]), float(shard_size * terms.sample_bytes))
    return "; ".join(feasibility.reasons(demand, profile, terms, int(priced.largest_batch[i])))


def weighted(rule: Rule | None) -> Weighted:
    """By what a rule weighs the risks of devices; no rule but an objective does."""
    return rule.weights_of_devices if isinstance(rule, Objective) else "equal"


def curve_of(rule: Rule, label: str, curves: Curves | None) -> FloatArray | None:
    """[points, 2] keep ratio and accuracy of a method, where the rule is an objective.

    Raises:
        ScenarioError: the run that gives the curves has none for the method.
    """
    if isinstance(rule, Budget):
        return None
    if rule.accuracy_curve is not None:
        return np.array(rule.accuracy_curve)
    if curves is None or label not in curves:
        there = ", ".join(curves or ()) or "none"
        message = (
            f"{rule.accuracy_from} has no accuracies of '{label}' at two ratios or more (there are: {there}); run it "
            "there, give that method the same label, or give `accuracy_curve`"
        )
        raise ScenarioError("pruning", [Fault("pruning.keep_ratio.objective.accuracy_from", message)])
    return curves[label]
