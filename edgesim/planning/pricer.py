"""Prices every kind of device with every shard that goes with it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from edgesim.cost import feasibility
from edgesim.cost.analytic import subset_size
from edgesim.cost.forecast import Device, Forecast
from edgesim.cost.loads import Load
from edgesim.data import datasets
from edgesim.jobs import Setting
from edgesim.outlook import Curves, Outlook, keeps_all, prepare, split
from edgesim.planning.crowd import own, scaled
from edgesim.planning.planned import LIMITS, Columns, Planned
from edgesim.pruning import expected
from edgesim.pruning.base import Shard
from edgesim.scenario import Scenario
from edgesim.work import FloatArray, IntArray


def plan(scenario: Scenario, devices: int | None = None, curves: Curves | None = None) -> Planned:
    """Price every trial of a scenario without running any.

    Args:
        scenario: the experiment.
        devices: scale the fleet to so many devices: the groups in their proportions (largest remainders), the shard of
            each device drawn from all shards that the scenario's own partition made (stream "plan:shards" of the first
            seed), and with a `spread` one of FACTORS equally likely throughput factors (stream "plan:spread"). None =
            the scenario's own devices, in every seed.
        curves: accuracy curves, where the scenario's rule reads them from a run.

    Raises:
        DataError: the data cannot be read.
        ScenarioError: the data do not suffice for the fleet.
        EdgesimError: the network does not fit the data.
    """
    dataset = datasets.load(scenario.dataset.plugin, scenario.dataset.name, scenario.folder)
    shards = [(seed, split(scenario, dataset, seed)) for seed in scenario.seeds]
    fleet = own(scenario, shards) if devices is None else scaled(scenario, shards, devices)
    setting, outlook = prepare(scenario, dataset)
    pricer = _Pricer(scenario, setting, outlook, curves)
    keys, pair = np.unique(fleet.kind * len(fleet.shards) + fleet.shard, return_inverse=True)
    pair_kind, pair_shard = np.divmod(keys, len(fleet.shards))
    parts = []
    for kind in np.unique(pair_kind):  # the keys are in order of kind, so that the parts are, too
        mine = pair_shard[pair_kind == kind]
        parts.append(pricer.cells(fleet.kinds[kind], [fleet.shards[i] for i in mine], mine))
    cells = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return Planned(fleet, pricer.methods, pair, pair_kind, cells)


@dataclass(frozen=True)
class _Trials:
    """The R trials of one shard: what they do, ready to be priced on a device."""

    ratio: FloatArray
    m: IntArray
    score: Load
    train: Load
    kept: IntArray
    exact: npt.NDArray[np.bool_]
    broke: npt.NDArray[np.bool_]
    """a rule found no ratio that suffices"""


@dataclass(frozen=True)
class _Pricer:
    scenario: Scenario
    setting: Setting
    outlook: Outlook
    curves: Curves | None
    _known: dict[int, _Trials] = field(default_factory=dict)
    """trials by shard, where they do not depend on the device"""

    @property
    def methods(self) -> tuple[str, ...]:
        """[R] labels of a device's trials."""
        pruning = self.scenario.pruning
        each = len(pruning.keep_ratios) if pruning.rule is None else 1
        return tuple(method.label for method in pruning.methods for _ in range(1 if keeps_all(method) else each))

    def cells(self, device: Device, shards: list[IntArray], keys: IntArray) -> Columns:
        """All trials of one kind of device with each of some shards: [shards, R] per column."""
        trials = [self._trials(device, shard, int(key)) for shard, key in zip(shards, keys, strict=True)]
        kept = np.concatenate([trial.kept for trial in trials])
        loads = Load.stack([trial.score for trial in trials]), Load.stack([trial.train for trial in trials])
        priced = Forecast(self.outlook.terms, device, *loads, kept)
        size = np.repeat([len(shard) for shard in shards], len(self.methods))
        energy = priced.energy_j("emulated")
        finished = priced.finished | ~np.concatenate([trial.exact for trial in trials])
        shard_bytes = size.astype(np.float64) * self.outlook.terms.sample_bytes
        demand = feasibility.Demand(priced.peak_memory_bytes, shard_bytes, finished)
        limit = feasibility.first_limit(demand, device.profile)
        broke = np.concatenate([trial.broke for trial in trials])
        found: Columns = {
            "keep_ratio": np.concatenate([trial.ratio for trial in trials]),
            "shard_size": size.astype(np.int32),
            "subset_size": np.concatenate([trial.m for trial in trials]).astype(np.int32),
            "limit": np.where(broke, LIMITS.index("budget"), limit).astype(np.int32),
            "analytic_time_s": priced.time_s("analytic"),
            "analytic_score_time_s": priced.analytic_score_time_s,
            "analytic_energy_j": priced.energy_j("analytic"),
            "device_time_s": priced.time_s("emulated"),
            "device_score_time_s": priced.device_score_time_s,
            "device_energy_j": energy,
            "storage_bytes": priced.storage_bytes,
            "peak_memory_bytes": priced.peak_memory_bytes,
        }
        return {name: np.asarray(values).reshape(len(shards), -1) for name, values in found.items()}

    def _trials(self, device: Device, indices: IntArray, key: int) -> _Trials:
        if key in self._known:
            return self._known[key]
        shard = self.setting.describe(self.setting.dataset.train_labels[indices])
        trials = self._worked_out(device, shard)
        if self.scenario.pruning.rule is None:
            self._known[key] = trials
        return trials

    def _worked_out(self, device: Device, shard: Shard) -> _Trials:
        ratios, score, train, kept, exact, broke = [], [], [], [], [], []
        for method in self.scenario.pruning.methods:
            mine, short = self.outlook.ratios_for(self.scenario.pruning, method, shard, device, self.curves)
            sizes = subset_size(shard.size, np.array(mine))
            scoring, training, stored = self.outlook.loads(method.plugin, shard, sizes)
            certain = expected.of_scoring(method.plugin, shard, self.outlook.network, 1).exact
            ratios.append(np.array(mine))
            score.append(scoring.repeated(len(sizes)))
            train.append(training)
            kept.append(stored)
            exact += [certain] * len(sizes)
            broke += [bool(short)] * len(sizes)
        ratio = np.concatenate(ratios)
        return _Trials(
            ratio, subset_size(shard.size, ratio), Load.stack(score), Load.stack(train), np.concatenate(kept),
            np.array(exact), np.array(broke),
        )  # fmt: skip
