"""Who is planned for: the scenario's own devices, or a fleet of any size like it."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from edgesim import profiles, seeds
from edgesim.conditions import Conditions
from edgesim.cost.forecast import Device
from edgesim.data.invariants import apportion
from edgesim.scenario import Scenario
from edgesim.work import IntArray

FACTORS = 32
"""throughputs of one profile in a scaled fleet with a spread: equally likely quantiles of the log-normal"""


@dataclass(frozen=True)
class Crowd:
    """Who there is: N devices, each of a kind and with one of the shards."""

    seed: IntArray
    """[N]"""
    device: IntArray
    """[N] index in the fleet"""
    kind: IntArray
    """[N] position in `kinds`"""
    shard: IntArray
    """[N] position in `shards`"""
    kinds: tuple[Device, ...]
    shards: tuple[IntArray, ...]
    """indices into the training set"""


def own(scenario: Scenario, shards: list[tuple[int, list[IntArray]]]) -> Crowd:
    """The scenario's devices in each of its seeds, each with its own shard."""
    kinds: dict[tuple[int, Conditions], int] = {}
    found: list[Device] = []
    kind = []
    for profile, conditions in zip(scenario.fleet.devices, scenario.fleet.conditions, strict=True):
        key = (id(profile), conditions)  # without a spread the devices of a group share their profile
        if key not in kinds:
            kinds[key] = len(found)
            found.append(Device(profile, conditions))
        kind.append(kinds[key])
    count, runs = len(kind), len(shards)
    return Crowd(
        seed=np.repeat([seed for seed, _ in shards], count),
        device=np.tile(np.arange(count), runs),
        kind=np.tile(kind, runs),
        shard=np.arange(count * runs),
        kinds=tuple(found),
        shards=tuple(shard for _, parts in shards for shard in parts),
    )


def scaled(scenario: Scenario, shards: list[tuple[int, list[IntArray]]], devices: int) -> Crowd:
    """A fleet of any size that is like the scenario's."""
    fleet, seed = scenario.fleet, scenario.seeds[0]
    groups: dict[tuple[str, Conditions], list[int]] = {}
    for i, (profile, conditions) in enumerate(zip(fleet.devices, fleet.conditions, strict=True)):
        groups.setdefault((profile.name, conditions), []).append(i)
    counts = apportion(devices, [len(members) for members in groups.values()])
    spread = fleet.document.spread
    levels = FACTORS if spread else 1
    factors = [float(np.exp(spread * NormalDist().inv_cdf((level + 0.5) / levels))) for level in range(levels)]
    kinds = []
    for (_, conditions), members in groups.items():
        first = members[0]
        own = np.exp(spread * seeds.stream(fleet.document.seed, "fleet:spread", first).standard_normal())
        base = profiles.vary(fleet.devices[first], 1.0 / float(own)) if spread else fleet.devices[first]
        kinds += [Device(profiles.vary(base, factor) if spread else base, conditions) for factor in factors]
    pool = tuple(shard for _, parts in shards for shard in parts)
    level = seeds.stream(seed, "plan:spread").integers(levels, size=devices)
    return Crowd(
        seed=np.full(devices, seed),
        device=np.arange(devices),
        kind=np.repeat(np.arange(len(groups)), counts) * levels + level,
        shard=seeds.stream(seed, "plan:shards").integers(len(pool), size=devices),
        kinds=tuple(kinds),
        shards=pool,
    )
