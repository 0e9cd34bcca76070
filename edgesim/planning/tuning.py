"""Power mode and keep ratio of every device of a scenario: the best of all within a deadline and an energy budget."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgesim.cost.analytic import subset_size
from edgesim.cost.feasibility import LIMITS
from edgesim.cost.objective import OTHER_SET, TestSet
from edgesim.errors import EdgesimError
from edgesim.formatting import number
from edgesim.hardware.conditions import FULL_MODE, ChosenClocks
from edgesim.hardware.mode_grid import ModeGrid
from edgesim.hardware.profile import DeviceProfile
from edgesim.planning.mode_search import Candidates, Choice, DeviceSearch, Target, choose
from edgesim.planning.trials import TrialResolver
from edgesim.planning.virtual_fleet import own_fleet
from edgesim.records import rounded_ratio
from edgesim.scenario.experiment import configure, load_dataset, shards_of
from edgesim.scenario.loading import Scenario
from edgesim.tasks import ACCURACY, Metric
from edgesim.work import FloatArray, IntArray

MOST_SIZES = 1_000
"""subset sizes of a device that are searched, at most"""
FRONT_SIZES = 10
"""subset sizes of a front, evenly spaced, beside the chosen one"""


@dataclass(frozen=True)
class MeasuredAccuracy:
    """Mean test accuracy of one method at one keep ratio in a run, with its interval; NaN where it has none.

    Of another task than a classification, the first of its metrics takes the place of accuracy.
    """

    keep_ratio: float
    accuracy: float
    low: float
    high: float
    other: float = math.nan
    """mean on the other set of test samples; NaN where there is one set alone"""


@dataclass(frozen=True)
class Query:
    """Question to a search: the target, and the devices and subset sizes that are searched."""

    target: Target
    least_ratio: float | None = None
    """share of the samples that is kept at least; None = the smallest ratio that the scenario names"""
    devices: tuple[int, ...] | None = None
    """positions in the fleet; None = all"""
    ratios: tuple[float, ...] | None = None
    """the only keep ratios that are searched; None = a grid of up to MOST_SIZES sizes"""
    accuracies: Mapping[str, Sequence[MeasuredAccuracy]] | None = None
    """method -> accuracies of a run, whose keep ratios are the only ones that are searched"""
    metric: Metric = ACCURACY
    """the metric that they are values of"""
    accuracy_on: TestSet = "common"
    """test samples that they are on: the common test set, or the devices' own ones"""
    accuracy_notes: tuple[str, ...] = ()
    """sentences on the sets of test samples of the run"""
    front: bool = False
    """True: the Pareto fronts are wanted, too"""


@dataclass(frozen=True)
class Tuning:
    """Answer of a search."""

    query: Query
    least_ratio: float
    seed: int
    """seed whose shards were searched"""
    rows: list[dict[str, Any]]
    """one per device and method (`_row`)"""
    front: list[dict[str, Any]]
    """candidates that no other one beats in time, energy and ratio: one row each; empty where not asked for"""
    candidates: int
    """combinations of device, method, mode and size that were searched"""
    modes: Mapping[str, int]
    """number of modes of each profile"""
    errors: Mapping[str, tuple[float | None, float | None]]
    """profile -> relative errors of its time and of its power, on measurements held out; None = not known"""
    data_notes: tuple[str, ...]


def tune(scenario: Scenario, query: Query) -> Tuning:
    """Choose the power mode and the keep ratio of every device by each of the scenario's methods.

    The shards are those of the scenario's first seed. The power modes that the scenario gives do not count; all else of
    the devices' conditions does.

    Raises:
        DataError: the data cannot be read.
        ScenarioError: the data do not suffice for the fleet.
        EdgesimError: a position is of no device, or the scenario names no ratio and the query gives no least one.
    """
    least = _least_ratio(scenario, query)
    _check(scenario, query, least)
    dataset = load_dataset(scenario)
    seed = scenario.seeds[0]
    fleet = own_fleet(scenario, [(seed, shards_of(scenario, dataset, seed).rows)])
    config, network = configure(scenario, dataset)
    resolver = TrialResolver(scenario, config, network, fleet)
    wanted = np.arange(len(fleet.device)) if query.devices is None else np.array(query.devices)
    if wanted.size and wanted.max() >= len(fleet.device):
        raise EdgesimError(f"the fleet has devices 0 to {len(fleet.device) - 1}; got {int(wanted.max())}")
    rows: list[dict[str, Any]] = []
    front: list[dict[str, Any]] = []
    count = 0
    for kind in np.unique(fleet.kind[wanted]):
        mine = wanted[fleet.kind[wanted] == kind]
        search = DeviceSearch(fleet.kinds[kind], fleet.shard[mine], resolver.work)
        found = _Kind(search, mine, tuple(method.label for method in resolver.methods), query, least)
        own_rows, own_front = found.answer()
        rows += own_rows
        front += own_front
        count += found.searched
    places = {label: place for place, label in enumerate(resolver.labels)}
    rows.sort(key=lambda row: (row["device"], places[row["method"]]))
    front.sort(key=lambda row: (row["device"], places[row["method"]], -row["keep_ratio"], row["time_s"]))
    profiles = {fleet.kinds[kind].profile.name: fleet.kinds[kind].profile for kind in np.unique(fleet.kind[wanted])}
    return Tuning(
        query=query,
        least_ratio=least,
        seed=seed,
        rows=rows,
        front=front,
        candidates=count,
        modes={name: len(ModeGrid.of(profile)) for name, profile in profiles.items()},
        errors={name: errors_of(profile) for name, profile in profiles.items()},
        data_notes=tuple(map(str, dataset.notes)),
    )


def _least_ratio(scenario: Scenario, query: Query) -> float:
    """Least share of the samples that is kept."""
    if query.ratios is not None:
        return min(query.ratios)
    if query.least_ratio is not None:
        return query.least_ratio
    if query.target.goal in ("ratio", "accuracy"):
        return 0.0
    if scenario.pruning.keep_ratios:
        return min(scenario.pruning.keep_ratios)
    raise EdgesimError("the scenario names no keep ratio, so the least one is not known; give --least-ratio")


def _check(scenario: Scenario, query: Query, least: float) -> None:
    """Refuse scores of another run, whose work is known at its own sizes only, and methods without accuracies."""
    if scenario.pruning.scores_from is not None:
        message = "scores of another run are not priced at other sizes; leave them out: --set pruning.scores_from=null"
        raise EdgesimError(f"pruning.scores_from: {message}")
    if query.accuracies is None:
        return
    for method in scenario.pruning.methods:
        known = [one.keep_ratio for one in query.accuracies.get(method.label, ())]
        if not any(ratio >= least for ratio in known):
            there = ", ".join(query.accuracies) or "none"
            above = f" at a keep ratio of {number(least)} or more" if least else ""
            message = f"the run has no {query.metric.title} of '{method.label}'{above}; methods there: {there}"
            raise EdgesimError(f"{message}; leave the others out: --set pruning.methods=[…]")


def errors_of(profile: DeviceProfile) -> tuple[float | None, float | None]:
    """Relative errors of a profile's time and of its power, the largest of its fitted numbers; None = not known."""
    time = [
        getattr(part, "relative_error", None)
        for one in (profile.compute, profile.memory)
        for part in vars(one).values()
    ]
    power = [getattr(part, "relative_error", None) for part in vars(profile.power).values()]
    known = [[error for error in part if error is not None] for part in (time, power)]
    return (max(known[0], default=None), max(known[1], default=None))


@dataclass
class _Kind:
    """Search for devices of one kind."""

    search: DeviceSearch
    devices: IntArray
    methods: tuple[str, ...]
    query: Query
    least: float
    searched: int = 0

    def answer(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Rows of the choices, and those of the fronts."""
        modes = ModeGrid.of(self.search.device.profile)
        choices: dict[int, list[Choice]] = {place: [] for place in range(len(self.methods))}
        front: list[dict[str, Any]] = []
        sizes = self._sizes()
        for place, p, found in self.search.candidates(sizes):
            chosen = choose(found, self.query.target, self._accuracy(place, p, found.m))
            choices[place].append(chosen)
            self.searched += len(found.m) * len(modes)
            if self.query.front:
                front += self._front(place, p, found, chosen, modes)
        rows = [row for place, mine in choices.items() for row in self._rows(place, mine, modes)]
        return rows, front

    def _sizes(self) -> list[list[IntArray]]:
        """[methods, P] subset sizes that are searched, rising."""
        work = self.search.works[0]
        found = []
        for place, one in enumerate(self.search.works):
            each = []
            for p, n in enumerate(work.sizes[self.search.shard]):
                if self.query.accuracies is not None:
                    each.append(np.array(sorted(self._measured(place, p))))
                else:
                    each.append(np.array([n]) if one.method.keeps_all else self._grid(int(n)))
            found.append(each)
        return found

    def _measured(self, place: int, p: int) -> dict[int, MeasuredAccuracy]:
        """Subset size of a device -> accuracy of its method there, in the order of keep ratios."""
        assert self.query.accuracies is not None
        n = int(self.search.works[0].sizes[self.search.shard[p]])
        known = sorted(self.query.accuracies[self.methods[place]], key=lambda one: one.keep_ratio)
        return {int(subset_size(n, one.keep_ratio)): one for one in known if one.keep_ratio >= self.least}

    def _accuracy(self, place: int, p: int, m: IntArray) -> FloatArray | None:
        """[C] accuracy of each subset size, minus an error; None where no accuracies are given."""
        if self.query.accuracies is None:
            return None
        known = self._measured(place, p)
        return np.array([self.query.metric.sign * known[int(size)].accuracy for size in m])

    def _grid(self, n: int) -> IntArray:
        if self.query.ratios is not None:
            return np.unique(subset_size(n, np.array(self.query.ratios)))
        least = int(subset_size(n, self.least)) if self.least else 1
        return np.unique(np.linspace(least, n, min(MOST_SIZES, n - least + 1)).round().astype(np.int64))

    def _rows(self, place: int, choices: Sequence[Choice], modes: ModeGrid) -> list[dict[str, Any]]:
        """One row per device of a method."""
        work = self.search.works[place]
        chosen = [(p, modes.mode(one.mode), one.m) for p, one in enumerate(choices)]
        time_s, energy_j = self.search.prices(work, chosen)
        full_s, full_j = self.search.prices(work, [(p, FULL_MODE, m) for p, _, m in chosen])
        rows = []
        for p, one in enumerate(choices):
            n = int(work.sizes[self.search.shard[p]])
            mode = chosen[p][1]
            rows.append({
                "device": int(self.devices[p]), "profile": self.search.device.profile.name,
                "method": self.methods[place], "shard_size": n, "subset_size": one.m,
                "keep_ratio": float(rounded_ratio(one.m / n)), **_mode_columns(mode, modes, one.mode),
                "time_s": float(time_s[p]), "energy_j": float(energy_j[p]),
                "full_clock_time_s": float(full_s[p]), "full_clock_energy_j": float(full_j[p]),
                "saved_energy": float(1 - energy_j[p] / full_j[p]) if full_j[p] else 0.0,
                **self._accuracy_columns(place, p, one.m),
                "meets": one.meets, "limit": LIMITS[one.limit], "work_is": work.work_is,
            })  # fmt: skip
        return rows

    def _accuracy_columns(self, place: int, p: int, m: int) -> dict[str, float]:
        """The measured accuracy at a subset size, with its interval; empty where none is given."""
        if self.query.accuracies is None:
            return {}
        found, named = self._measured(place, p)[m], self.query.metric.named
        values = {"accuracy": found.accuracy, "accuracy_low": found.low, "accuracy_high": found.high}
        if not math.isnan(found.other):
            values[f"{OTHER_SET[self.query.accuracy_on]}_accuracy"] = found.other
        return {named(name): value for name, value in values.items()}

    def _front(self, place: int, p: int, found: Candidates, chosen: Choice, modes: ModeGrid) -> list[dict[str, Any]]:
        """Rows of one device's front."""
        n = int(self.search.works[place].sizes[self.search.shard[p]])
        wanted = np.linspace(0, len(found.m) - 1, min(FRONT_SIZES, len(found.m))).round().astype(np.int64)
        rows = np.unique(np.append(wanted, np.flatnonzero(found.m == chosen.m)))
        part = Candidates(found.m[rows], found.modes, found.time_s[rows], found.energy_j[rows], found.limit[rows])
        return [
            {
                "device": int(self.devices[p]), "profile": self.search.device.profile.name,
                "method": self.methods[place], "subset_size": int(part.m[c]),
                "keep_ratio": float(rounded_ratio(part.m[c] / n)),
                **_mode_columns(modes.mode(int(part.modes[k])), modes, int(part.modes[k])),
                "time_s": float(part.time_s[c, k]), "energy_j": float(part.energy_j[c, k]),
                "chosen": bool(part.m[c] == chosen.m and part.modes[k] == chosen.mode),
            }
            for c, k in zip(*part.front(), strict=True)
        ]  # fmt: skip


def _mode_columns(mode: str | ChosenClocks, modes: ModeGrid, place: int) -> dict[str, Any]:
    """The mode in words, and its clocks."""
    gpu_hz, memory_hz, cpu_hz = (None if np.isnan(hz) else float(hz) for hz in modes.clocks_hz[place])
    return {"power_mode": str(mode), "cpu_hz": cpu_hz, "gpu_hz": gpu_hz, "memory_hz": memory_hz}
