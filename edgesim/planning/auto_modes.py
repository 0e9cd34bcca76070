"""Power modes that a scenario leaves to its rule (`power_mode: auto`): chosen per device, before its trials.

All methods of a device share its mode, so that they compare on equal hardware. By a budget the mode is the one in which
they keep most samples, in sum. By an objective it is the one with the least sum of risk + lambda x J, J relative to
plain training at the highest clocks. Equals are decided by less energy, then less time, then lower clocks. The keep
ratio of each method follows in that mode by the rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edgesim.cost.objective import Budget, Objective
from edgesim.errors import Fault, ScenarioError
from edgesim.hardware.conditions import AUTO_MODE, ChosenClocks
from edgesim.hardware.mode_grid import ModeGrid
from edgesim.planning import objective_modes
from edgesim.planning.expected_cost import ExpectedWork
from edgesim.planning.mode_search import Candidates, DeviceSearch, Target, choose
from edgesim.planning.objective_modes import KEEPS_ALL, ObjectiveSearch
from edgesim.planning.trials import TrialResolver, objective_curve
from edgesim.work import IntArray

MOST_SIZES = 1_000
"""subset sizes of a device by which its mode is chosen"""


def with_chosen_modes(resolver: TrialResolver) -> TrialResolver:
    """A resolver whose devices have their power modes; the same one where none is left to the rule.

    Raises:
        ScenarioError: the fleet is scaled with a spread, so that each device has costs of its own.
    """
    fleet = resolver.fleet
    open_kinds = [place for place, kind in enumerate(fleet.kinds) if kind.conditions.power_mode == AUTO_MODE]
    if not open_kinds:
        return resolver
    if len(fleet.factors) > 1:
        message = "cannot be chosen for a fleet that --devices scales with a spread; set `spread: 0`, or name the modes"
        raise ScenarioError(resolver.scenario.name, [Fault("fleet.groups.power_mode", f"auto {message}")])
    kinds = list(fleet.kinds)
    kind = fleet.kind.copy()
    for place in open_kinds:
        mine = np.flatnonzero(fleet.kind == place)
        shards, of_device = np.unique(fleet.shard[mine], return_inverse=True)
        conditions = fleet.kinds[place].conditions
        modes = _modes(resolver, DeviceSearch(fleet.kinds[place], shards, _works(resolver)))
        places = {}
        for mode in dict.fromkeys(modes):
            places[mode] = len(kinds)
            chosen = replace(conditions, power_mode=mode, mode_is_chosen=True)
            kinds.append(fleet.kinds[place]._replace(conditions=chosen))
        kind[mine] = np.array([places[mode] for mode in modes])[of_device]
    return replace(resolver, fleet=replace(fleet, kind=kind, kinds=tuple(kinds)))


def _works(resolver: TrialResolver) -> Sequence[ExpectedWork]:
    """Works of the methods that get a ratio by the rule; of all where none does."""
    bound = [work for work in resolver.work if not work.method.keeps_all]
    return bound or resolver.work


def _modes(resolver: TrialResolver, search: DeviceSearch) -> list[str | ChosenClocks]:
    """[P] mode of each device."""
    rule = resolver.scenario.pruning.rule
    assert rule is not None  # checked with the scenario
    grid = ModeGrid.of(search.device.profile)
    places = _by_budget(rule, search) if isinstance(rule, Budget) else _by_objective(resolver, rule, search)
    return [grid.mode(place) for place in places]


def _by_objective(resolver: TrialResolver, rule: Objective, search: DeviceSearch) -> list[int]:
    """[P] positions of the modes with the least objective."""
    labels = {id(work): method.label for method, work in zip(resolver.methods, resolver.work, strict=True)}
    weight, found = resolver.risk_weight[search.shard], []
    for work in search.works:
        keeps_all = work.method.keeps_all
        curve = KEEPS_ALL if keeps_all else objective_curve(rule, labels[id(work)], resolver.curves)
        found.append(ObjectiveSearch(search, work, rule, curve, weight).in_modes())
    return [objective_modes.best_mode(of_device) for of_device in zip(*found, strict=True)]


def _by_budget(rule: Budget, search: DeviceSearch) -> list[int]:
    """[P] positions of the modes in which most samples are kept."""
    target = Target("ratio", rule.latency_s, rule.energy_j)
    sizes = [_sizes(int(n), rule, search.works[0].context.sample_bytes) for n in search.works[0].sizes[search.shard]]
    own = [[m[-1:] if work.method.keeps_all else m for m in sizes] for work in search.works]
    found: dict[int, list[Candidates]] = {}
    for _, p, candidates in search.candidates(own, together=True):
        found.setdefault(p, []).append(candidates)
    return [best_mode(found[p], target) for p in range(len(sizes))]


def _sizes(n: int, rule: Budget, sample_bytes: int) -> IntArray:
    """Subset sizes of one device within the budget's storage, rising; at least 1."""
    most = n if rule.storage_bytes is None else int(np.clip(rule.storage_bytes // sample_bytes, 1, n))
    return np.unique(np.linspace(1, most, min(most, MOST_SIZES)).round().astype(np.int64))


def best_mode(found: Sequence[Candidates], target: Target) -> int:
    """The mode in which some methods of one device keep most samples within a target's limits, in sum.

    Where no method keeps any, the mode that is nearest to the limits for the first of them.

    Args:
        found: candidates of each method, with the same modes.
        target: with the limits.
    """
    kept, energy_j, time_s = (np.zeros(len(found[0].modes)) for _ in range(3))
    for one in found:
        within = (one.limit == 0) & target.within(one.time_s, one.energy_j)
        size = np.where(within, one.m[:, None], 0)
        row, column = size.argmax(axis=0), np.arange(size.shape[1])
        keeps = size[row, column] > 0
        kept += size[row, column]
        energy_j += np.where(keeps, one.energy_j[row, column], 0.0)
        time_s += np.where(keeps, one.time_s[row, column], 0.0)
    if not kept.any():
        return choose(found[0], target).mode
    modes = found[0].modes
    return int(modes[np.lexsort((modes, time_s, energy_j, -kept))[0]])
