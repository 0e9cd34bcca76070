"""Values by seed, in points, and their intervals: of a data set, and of several.

An accuracy lies on a grid of 100 / test samples. Its step's variance, step² / 12 per accuracy, is added to the seeds':
two equal accuracies are not two certain ones. Values without a grid that are equal in all seeds have no interval.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import ada_records
import numpy as np
import pandas as pd

from edgesim.analysis.equal_cost import at_equal_cost
from edgesim.analysis.grouping import FULL
from edgesim.analysis.intervals import ROUNDING, Interval

SHARES, GAPS, AMOUNTS = (0.0, 100.0), (-100.0, 100.0), (0.0, np.inf)
"""bounds: of accuracies, mAP and shares; of their differences; of energies and times"""
STEP, TRANSFER_STEP = "step", "transfer_step"
"""trial: 100 / test samples, of the data set and of the one that it is transferred to"""
TRANSFERRED = "transfer_test_accuracy"
_OF_COST = ("seed", "device", "method", "keep_ratio", "status", ada_records.VALUE, "device_energy_j", STEP)
"""columns that pairs at equal cost need: a narrow table is quicker"""
_GRIDS = {ada_records.VALUE: STEP, TRANSFERRED: TRANSFER_STEP}


class Sample(NamedTuple):
    """Values of one data set, in points."""

    by: dict[int, float]
    """seed -> value"""
    grid: float = 0.0
    """variance of one value by the grid of its accuracies, in points²"""

    def minus(self, other: Sample) -> Sample:
        """The difference in the seeds that both have."""
        found = {seed: self.by[seed] - other.by[seed] for seed in self.by if seed in other.by}
        return Sample(found, self.grid + other.grid)

    def only(self, seeds: Iterable[int]) -> Sample:
        """The values of these seeds."""
        wanted = set(seeds)
        return self._replace(by={seed: value for seed, value in self.by.items() if seed in wanted})

    @property
    def mean(self) -> float:
        """Over its seeds; NaN where there is none."""
        return float(np.mean(list(self.by.values()))) if self.by else np.nan


def by_seed(table: pd.DataFrame, method: str, ratios: Sequence[float], column: str = ada_records.VALUE) -> Sample:
    """Mean over the ratios of one method, in points, of the seeds that have all of them."""
    values, seeds, kept = (table[name].to_numpy() for name in (column, "seed", "keep_ratio"))
    own = (table["method"] == method).to_numpy() & np.isclose(kept[:, None], list(ratios)).any(axis=1)
    own &= ~np.isnan(values.astype(float))
    found = {}
    for seed in np.unique(seeds[own]):
        here = own & (seeds == seed)
        if len(np.unique(kept[here])) == len(ratios):
            found[int(seed)] = 100 * float(values[here].mean())
    of_grid = _GRIDS.get(column)
    steps = table[of_grid].to_numpy(dtype=float)[own] if of_grid in table else np.zeros(0)
    step = float(np.max(steps, initial=0.0, where=~np.isnan(steps)))
    return Sample(found, step**2 / 12 / len(ratios))


def cost_gaps(table: pd.DataFrame, method: str, opponent: str, ratios: Sequence[float]) -> Sample:
    """Mean gap at equal total emulated energy, in points; beyond full training's energy, to full training."""
    own = by_seed(table, method, ratios)
    if method == opponent:
        return Sample(dict.fromkeys(own.by, 0.0))
    there = table.loc[table["method"].isin([method, opponent, FULL]), [name for name in _OF_COST if name in table]]
    found = at_equal_cost(there.assign(test_accuracy=there[ada_records.VALUE]), method, opponent)
    gaps = by_seed(found.assign(**{ada_records.VALUE: found["gap"]}), method, ratios)
    return gaps._replace(grid=2 * own.grid)  # a value between two accuracies varies by their steps at most as one does


def over_seeds(found: Sample, bounds: tuple[float, float], tests: int = 1) -> Interval:
    """Mean and t-interval; one seed, or equal values without a grid, have no interval.

    Args:
        found: values by seed.
        bounds: the interval is cut there.
        tests: intervals that decide together (Bonferroni).
    """
    values = np.array(list(found.by.values()))
    known = Interval(found.mean, n=len(values), seeds=len(values), tests=tests)
    if len(values) < 2:
        return known
    spread = float(values.var(ddof=1)) + found.grid
    if spread <= (ROUNDING * float(np.abs(values).max())) ** 2:
        return known
    return _ends(known, spread / len(values), len(values) - 1, bounds)


def over_data(found: Iterable[Sample], bounds: tuple[float, float], tests: int = 1) -> Interval:
    """The mean over data sets, each of which counts once, and its interval over their seeds (Welch, Satterthwaite).

    It holds for these data sets alone. There is none where one of them has a single seed.

    Args:
        found: a sample per data set; those without values are left out.
        bounds: as of `over_seeds`.
        tests: as of `over_seeds`.
    """
    listed = [one for one in found if one.by]
    means = np.array([one.mean for one in listed])
    counts = np.array([len(one.by) for one in listed])
    fewest = int(counts.min()) if listed else 0
    known = Interval(float(means.mean()) if listed else np.nan, n=len(listed), seeds=fewest, tests=tests)
    if fewest < 2:
        return known
    variances = np.array([np.var(list(one.by.values()), ddof=1) + one.grid for one in listed]) / counts
    if variances.sum() <= (ROUNDING * float(np.abs(means).max())) ** 2:
        return known
    degrees = float(variances.sum() ** 2 / (variances**2 / (counts - 1)).sum())
    return _ends(known, float(variances.sum()) / len(listed) ** 2, degrees, bounds)


def _ends(known: Interval, variance: float, degrees: float, bounds: tuple[float, float]) -> Interval:
    """The interval of a mean with this variance."""
    found = known._replace(standard_error=float(np.sqrt(variance)), degrees=float(degrees))
    half = found.half_width(known.tests)
    low, high = (float(np.clip(end, *bounds)) for end in (known.estimate - half, known.estimate + half))
    return found._replace(low=low, high=high)
