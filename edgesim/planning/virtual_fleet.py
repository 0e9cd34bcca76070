"""The devices that trials are resolved for: the scenario's own fleet, or one of any size with its proportions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from edgesim import seeds
from edgesim.cost.batch_pricing import Device
from edgesim.data.partition_checks import apportion
from edgesim.hardware.conditions import Conditions
from edgesim.hardware.fleet import Fleet
from edgesim.scenario.loading import Scenario
from edgesim.work import FloatArray, IntArray

EXACT = 10_000
"""devices up to which each has a throughput factor of its own; in larger fleets the factors are rounded to a grid"""
GRID_SIGMA = 1 / 8
"""distance of that grid in standard deviations of the factor's logarithm"""
GRID_MOST = 0.04
"""and at most this in the logarithm, so that no factor is off by more than 2 %"""


@dataclass(frozen=True)
class VirtualFleet:
    """N devices, each of a kind, with one of the shards and a throughput of its own."""

    seed: IntArray
    """[N]"""
    device: IntArray
    """[N] position in the fleet"""
    kind: IntArray
    """[N] position in `kinds`"""
    shard: IntArray
    """[N] position in `shards`"""
    level: IntArray
    """[N] position in `factors`"""
    kinds: tuple[Device, ...]
    factors: FloatArray
    """of a device's throughput over its profile's"""
    shards: tuple[IntArray, ...]
    """indices into the training set"""
    owners: tuple[tuple[int, int], ...]
    """[shards] seed and device that each shard was made for"""

    @property
    def pairs(self) -> tuple[IntArray, IntArray]:
        """Groups of devices that are equal in kind, throughput and shard, so that their trials cost the same.

        Returns: [U] key of each group, in order of kind, throughput and shard; [N] position of each device's group.
        """
        key = (self.kind * len(self.factors) + self.level) * len(self.shards) + self.shard
        space = len(self.kinds) * len(self.factors) * len(self.shards)
        if space > 4 * len(key) + 1_000_000:
            keys, pair = np.unique(key, return_inverse=True)
            return keys, pair
        there = np.zeros(space, dtype=bool)
        there[key] = True
        return np.flatnonzero(there), (np.cumsum(there) - 1)[key]

    def parts(self, keys: IntArray) -> tuple[IntArray, FloatArray, IntArray]:
        """Kind, factor and shard of groups by their key. Arrays like `keys`."""
        rest, shard = np.divmod(keys, len(self.shards))
        kind, level = np.divmod(rest, len(self.factors))
        return kind, self.factors[level], shard


SeedShards = Sequence[tuple[int, Sequence[IntArray]]]
"""per seed the devices' samples, indices into the training set"""


def own_fleet(scenario: Scenario, shards: SeedShards) -> VirtualFleet:
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
    return VirtualFleet(
        seed=np.repeat([seed for seed, _ in shards], count),
        device=np.tile(np.arange(count), runs),
        kind=np.tile(kind, runs),
        shard=np.arange(count * runs),
        level=np.zeros(count * runs, dtype=np.int64),
        kinds=tuple(found),
        factors=np.ones(1),
        shards=tuple(shard for _, parts in shards for shard in parts),
        owners=_owners(shards),
    )


def scaled_fleet(scenario: Scenario, shards: SeedShards, devices: int, drawn: bool = True) -> VirtualFleet:
    """A fleet of any size with the scenario's groups in their proportions.

    Args:
        scenario: the experiment.
        shards: of its seeds; or, where they are not drawn from, one per device of the new fleet.
        devices: of the new fleet.
        drawn: True: every device draws one of the shards. False: device i has the i-th.
    """
    fleet, seed = scenario.fleet, scenario.seeds[0]
    # One kind per group, or more where a file gives devices of a group different conditions or links.
    alike = [list(same) for members in fleet.members for same in _alike(fleet, members)]
    counts = apportion(devices, [len(same) for same in alike])
    groups = [same[0] for same in alike]
    pool = tuple(shard for _, parts in shards for shard in parts)
    level, factors = _factors(fleet.document.spread, devices, seed)
    return VirtualFleet(
        seed=np.full(devices, seed),
        device=np.arange(devices),
        kind=np.repeat(np.arange(len(groups)), counts),
        shard=seeds.stream(seed, "plan:shards").integers(len(pool), size=devices) if drawn else np.arange(devices),
        level=level,
        kinds=tuple(Device(fleet.bases[first], fleet.conditions[first]) for first in groups),
        factors=factors,
        shards=pool,
        owners=_owners(shards),
    )


def _alike(fleet: Fleet, members: tuple[int, ...]) -> Iterable[list[int]]:
    """Devices of a group by their conditions and links, in order of their first."""
    found: dict[tuple[int, int], list[int]] = {}
    for device in members:
        found.setdefault((id(fleet.bases[device]), id(fleet.conditions[device])), []).append(device)
    return found.values()


def _owners(shards: SeedShards) -> tuple[tuple[int, int], ...]:
    """Seed and device of every shard."""
    return tuple((seed, device) for seed, parts in shards for device in range(len(parts)))


def _factors(spread: float, devices: int, seed: int) -> tuple[IntArray, FloatArray]:
    """[N] position of a device's factor, and the factors: log-normal, one draw per device (stream "plan:spread")."""
    if spread == 0:
        return np.zeros(devices, dtype=np.int64), np.ones(1)
    logs = spread * seeds.stream(seed, "plan:spread").standard_normal(devices)
    if devices <= EXACT:
        return np.arange(devices), np.exp(logs)
    step = min(GRID_SIGMA * spread, GRID_MOST)
    place = np.rint(logs / step).astype(np.int64)
    first = int(place.min())
    return place - first, np.exp(step * np.arange(first, int(place.max()) + 1))
