"""Effects of the swept keys of a sweep: means of every point and level, and the share of variance of each key.

Points are combinations of all levels (a full factorial design). Seeds are the repetitions: every share is worked out
for each seed, and its interval is that of the mean over seeds (Student's t).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from edgesim.analysis.grouping import RANDOM, AnalysisResult, device_by_seed, groups, ok, paired
from edgesim.analysis.intervals import Interval, interval
from edgesim.analysis.sweep_design import AMOUNT, MEASURES, POINT, Design, Levels, title_of
from edgesim.results.grouped_ratios import by_rule
from edgesim.tasks import metric_in
from edgesim.work import FloatArray

INTERACTIONS = "interactions"
"""row of the shares: the part of the variance that no key explains by itself"""
SHARE_COLUMNS = ["measure", "key", "share", "low", "high", "seeds"]
CELL_COLUMNS = ["method", "keep_ratio", "trials", "value", "value_low", "value_high", "gap", "gap_low", "gap_high",
                "device_time_s", "device_energy_j"]  # fmt: skip
MEAN_COLUMNS = ["method", "points", "value", "gap", "device_time_s", "device_energy_j"]
_SAME = 1e-9
"""relative spread of the points below which nothing varies"""


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


def means_by(design: Design, keys: Sequence[str]) -> pd.DataFrame:
    """One row per combination of levels of some keys and method: means over the trials that every point has.

    They are over all levels of the other keys, and over the method's keep ratios.

    Args:
        design: of the sweep.
        keys: one swept key, or several.

    Returns: DataFrame with the keys and MEAN_COLUMNS, levels in their order.
    """
    rows = []
    of_measure = {m: dict(list(design.common[m].trials.groupby([*keys, "method"]))) for m in MEASURES}
    methods = dict.fromkeys(method for measure in MEASURES for method in design.common[measure].trials["method"])
    for place in itertools.product(*(design.complete[key] for key in keys), methods):
        found = [of_measure[measure].get(place) for measure in ("metric", "gap", *MEASURES[1:3])]
        points = max((own[POINT].nunique() for own in found if own is not None), default=0)
        if points:
            values = [math.nan if own is None else float(own[AMOUNT].mean()) for own in found]
            rows.append((*place, points, *values))
    return pd.DataFrame(rows, columns=[*keys, *MEAN_COLUMNS])


def variance_shares(design: Design) -> AnalysisResult:
    """Share of the variance between the points that each key explains by itself, measure by measure.

    The value of a point is the mean over the devices, methods and keep ratios that ended well in every point, so that
    points compare. Main effects of a balanced design: SS_key / SS_total; the rest is INTERACTIONS, noise included.

    Returns: DataFrame with SHARE_COLUMNS; low and high are NaN with one seed. It has no rows where fewer than two keys
        have several levels: there is nothing to share.
    """
    rows: list[tuple[object, ...]] = []
    missing: list[str] = []
    varied = [key for key, texts in design.levels.items() if len(texts) > 1]
    if len(varied) < 2:
        return AnalysisResult(pd.DataFrame(rows, columns=SHARE_COLUMNS))
    if not design.is_complete:
        missing.append("Not every point is finished, so no share of variance is known.")
        return AnalysisResult(pd.DataFrame(rows, columns=SHARE_COLUMNS), tuple(missing))
    for measure in MEASURES:
        title, found = title_of(measure, design.metric), design.common[measure]
        if found.reason:
            continue  # `design.missing` says it
        values = _values(design, measure)
        shares = np.array([_shares(values[..., seed]) for seed in range(values.shape[-1])]).T
        if np.isnan(shares).all():
            missing.append(f"The {title} is the same in every point.")
            continue
        for key, each in zip((*design.levels, INTERACTIONS), shares, strict=True):
            if key in (*varied, INTERACTIONS):
                of_mean = interval(each[None], (0.0, 1.0))
                rows.append((measure, key, of_mean.estimate, of_mean.low, of_mean.high, values.shape[-1]))
    return AnalysisResult(pd.DataFrame(rows, columns=SHARE_COLUMNS), tuple(missing))


def interaction_share(design: Design, pair: tuple[str, str], measure: str) -> float:
    """Share of the variance over two keys that neither explains by itself, of means over seeds and other keys.

    It is NaN where the measure is unknown, or does not vary with the two.
    """
    if design.common[measure].reason:
        return math.nan
    others = tuple(axis for axis, key in enumerate(design.levels) if key not in pair)
    return _shares(_values(design, measure).mean(axis=(*others, len(design.levels))))[-1]


def _values(design: Design, measure: str) -> FloatArray:
    """Means of the common trials of a measure, [levels of each key …, seeds]."""
    trials = design.common[measure].trials
    axes = [{text: place for place, text in enumerate(texts)} for texts in design.complete.values()]
    seeds = {seed: place for place, seed in enumerate(sorted(set(trials["seed"])))}
    places = [trials[key].map(axis).to_numpy() for key, axis in zip(design.complete, axes, strict=True)]
    at = (*places, trials["seed"].map(seeds).to_numpy())
    shape = (*map(len, axes), len(seeds))
    total, count = np.zeros(shape), np.zeros(shape)
    np.add.at(total, at, trials[AMOUNT].to_numpy(dtype=np.float64))
    np.add.at(count, at, 1.0)
    return total / count


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
