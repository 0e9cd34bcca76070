"""Effects of the swept keys of a sweep: means of every point and level, and the share of variance of each key.

Points are combinations of all levels (a full factorial design). Seeds are the repetitions: every share is worked out
for each seed, and its interval is that of the mean over seeds (Student's t).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from edgesim.analysis.grouping import RANDOM, AnalysisResult, device_by_seed, groups, ok, paired
from edgesim.analysis.intervals import Interval, interval
from edgesim.results.grouped_ratios import by_rule
from edgesim.tasks import metric_in
from edgesim.work import FloatArray

POINT = "point"
INTERACTIONS = "interactions"
"""row of the shares: the part of the variance that no key explains by itself"""
MEASURES = ("metric", "device_time_s", "device_energy_j", "gap")
"""metric that decides, emulated time and energy, and the metric minus that of `random` at the same keep ratio"""
SHARE_COLUMNS = ["measure", "key", "share", "low", "high", "seeds"]
CELL_COLUMNS = ["method", "keep_ratio", "trials", "value", "value_low", "value_high", "gap", "gap_low", "gap_high",
                "device_time_s", "device_energy_j"]  # fmt: skip
LEVEL_COLUMNS = ["key", "level", "method", "points", "value", "gap", "device_time_s", "device_energy_j"]
RULED = -1.0
"""in place of the keep ratios that a rule chose"""
_SAME = 1e-9
"""relative spread of the points below which nothing varies"""
Levels = Mapping[str, Sequence[str]]
"""swept key -> its levels as texts, in their order"""


def sweep_cells(table: pd.DataFrame, levels: Levels) -> pd.DataFrame:
    """One row per point, method and keep ratio: means over devices and seeds with their 95 % intervals.

    `value` is the metric that decides, `gap` the metric minus that of `random`, of the same point, seed, device, ratio.

    Args:
        table: one row per trial, with the point and a column per key (`results.sweep_folder`).
        levels: of the keys.

    Returns: DataFrame with POINT, the keys and CELL_COLUMNS.
    """
    metric = metric_in(table)
    rows = []
    for point, trials in table.groupby(POINT, sort=False):
        own = by_rule(trials, trials)
        place = {POINT: point, **{key: own[key].iloc[0] for key in levels}}
        pairs = paired(own, RANDOM, metric.column())
        found = {(method, ratio): part for method, ratio, part in groups(pairs)} if len(pairs) else {}
        for method, ratio, part in groups(own):
            done = ok(part)
            value = interval(device_by_seed(done, metric.column()), metric.bounds)
            gap = Interval()
            if (method, ratio) in found:
                gap = interval(device_by_seed(found[method, ratio], "difference"), metric.difference_bounds)
            times = [float(done[name].mean()) if len(done) else math.nan for name in MEASURES[1:3]]
            rows.append((*place.values(), method, ratio, len(done), *value[:3], *gap[:3], *times))
    return pd.DataFrame(rows, columns=[POINT, *levels, *CELL_COLUMNS])


def by_level(cells: pd.DataFrame, levels: Levels) -> pd.DataFrame:
    """One row per key, level and method: means over the points with that level, and over the method's keep ratios.

    Args:
        cells: from `sweep_cells`.
        levels: of the keys.

    Returns: DataFrame with LEVEL_COLUMNS.
    """
    rows = []
    for key, texts in levels.items():
        for level, method in itertools.product(texts, dict.fromkeys(cells["method"])):
            own = cells[(cells[key] == level) & (cells["method"] == method)]
            if own["value"].notna().any():
                values = [float(own[name].mean()) for name in ("value", "gap", "device_time_s", "device_energy_j")]
                rows.append((key, level, method, own[POINT].nunique(), *values))
    return pd.DataFrame(rows, columns=LEVEL_COLUMNS)


def variance_shares(table: pd.DataFrame, levels: Levels) -> AnalysisResult:
    """Share of the variance between the points that each key explains by itself, measure by measure.

    The value of a point is the mean over the devices, methods and keep ratios that ended well in every point, so that
    points compare. Main effects of a balanced design: SS_key / SS_total; the rest is INTERACTIONS, noise included.

    Args:
        table: as for `sweep_cells`.
        levels: of the keys.

    Returns: DataFrame with SHARE_COLUMNS; low and high are NaN with one seed.
    """
    rows: list[tuple[object, ...]] = []
    missing: list[str] = []
    shape = tuple(len(texts) for texts in levels.values())
    absent = math.prod(shape) - table[POINT].nunique()
    if absent:
        missing.append(f"{absent} of {math.prod(shape)} points have no trial yet, so no share of variance is known.")
        return AnalysisResult(pd.DataFrame(rows, columns=SHARE_COLUMNS), tuple(missing))
    for measure in MEASURES:
        values = _values(table, levels, measure)
        if values is None:
            named = "The gain over random" if measure == "gap" else f"The {measure}"
            missing.append(f"{named} has no shares: no method, keep ratio and device ended well in every point.")
            continue
        shares = np.array([_shares(values[:, seed].reshape(shape)) for seed in range(values.shape[1])]).T
        if np.isnan(shares).all():
            missing.append(f"{measure}: it is the same in every point.")
            continue
        for key, each in zip((*levels, INTERACTIONS), shares, strict=True):
            if key != INTERACTIONS or len(levels) > 1:
                found = interval(each[None], (0.0, 1.0))
                rows.append((measure, key, found.estimate, found.low, found.high, values.shape[1]))
    return AnalysisResult(pd.DataFrame(rows, columns=SHARE_COLUMNS), tuple(missing))


def _values(table: pd.DataFrame, levels: Levels, measure: str) -> FloatArray | None:
    """Means [points, seeds] of a measure over the trials that every point has; None where there are none."""
    if measure == "gap":
        metric = metric_in(table).column()
        parts = [paired(own, RANDOM, metric).assign(**{POINT: at}) for at, own in table.groupby(POINT, sort=False)]
        good, column = pd.concat(parts, ignore_index=True), "difference"
    else:
        good, column = ok(table), metric_in(table).column() if measure == "metric" else measure
    points = [
        good.index[np.logical_and.reduce([good[key] == level for key, level in zip(levels, chosen, strict=True)])]
        for chosen in itertools.product(*levels.values())
    ]
    # The ratios that a rule chose differ by device and point, so that the rule stands for them.
    ratios = good["keep_ratio"].where(good["ratio_rule"].fillna("") == "", RULED)
    cell = list(zip(good["seed"], good["device"], good["method"], ratios, strict=True))
    cells = pd.Series(cell, index=good.index, dtype=object)
    known = good[column].notna()
    common = set.intersection(*({*cells.loc[rows][known.loc[rows]]} for rows in points))
    if not common:
        return None
    seeds = sorted({seed for seed, *_ in common})
    # Only cells that every seed has: else the mean of a seed would be over other devices or methods.
    every = set.intersection(*({place[1:] for place in common if place[0] == seed} for seed in seeds))
    if not every:
        return None
    kept = cells.map(lambda place: place in common and place[1:] in every)
    rows, columns = [], {seed: place for place, seed in enumerate(seeds)}
    values, of_seed = good[column].where(kept.astype(bool)), good["seed"].map(columns)
    for own in points:
        rows.append(values.loc[own].groupby(of_seed.loc[own]).mean().to_numpy(dtype=np.float64))
    return np.array(rows)


def _shares(values: FloatArray) -> list[float]:
    """Shares of the sum of squares of a grid of values: of each axis, and of the rest; NaN where nothing varies."""
    around = values - values.mean()
    total = float((around**2).sum())
    if total <= (_SAME * max(abs(float(values.mean())), _SAME)) ** 2 * values.size:
        return [math.nan] * (values.ndim + 1)
    found = []
    for axis in range(values.ndim):
        others = tuple(other for other in range(values.ndim) if other != axis)
        effect = around.mean(axis=others)
        found.append(float((effect**2).sum()) * values.size / len(effect) / total)
    return [*found, max(0.0, 1.0 - sum(found))]


def most_important(shares: pd.DataFrame, measure: str = "metric") -> str:
    """Key with the largest share of a measure; empty where none is known."""
    own = shares[(shares["measure"] == measure) & (shares["key"] != INTERACTIONS)]
    return "" if own.empty else str(own["key"].iloc[int(own["share"].to_numpy().argmax())])
