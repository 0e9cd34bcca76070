"""Accuracy at equal total cost: a method's trial against an opponent that spends the same price.

A subset of 0.3 chosen after a scoring phase costs as much as a larger random subset, or as all data in fewer epochs. So
every comparison at equal keep ratio has a second one at equal price, scoring included.

The opponent's accuracy at a price comes from its own curve on the same device and seed, linear between the prices of
its trials and of full training. Such a curve is concave, so the straight line lies below it. That favours the method,
the less the more ratios of the opponent ran. A trial that costs more than full training is compared with full training,
or with the opponent's most expensive trial that is feasible. A trial that costs less than the opponent's cheapest one
has no partner. Within 2 % of that price the cheapest trial is the partner, which favours the opponent. Under a rule
every trial is at its own keep ratio.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from edgesim.analysis.gains import without_rounding
from edgesim.analysis.grouping import (
    FULL,
    KEYS,
    OPPONENTS,
    AnalysisResult,
    below_full,
    complete,
    device_by_seed,
    groups,
    mean,
    ok,
    own_ratio,
    result,
)
from edgesim.analysis.intervals import Interval, interval
from edgesim.analysis.second_test_set import gap_column, named_columns, opponent_column, sets_there
from edgesim.tasks import metric_in
from edgesim.work import FloatArray

NEAR = 0.02
"""share by which a trial may be cheaper than the opponent's cheapest one and still be compared with it"""
PRICE = "device_energy_j"
"""the total cost that is held equal: emulated energy"""
COLUMNS = [
    "method", "keep_ratio", "opponent", "opponent_keep_ratio", "cost", "pairs", "unpaired", "accuracy",
    "opponent_accuracy", "gap", "gap_low", "gap_high", "local_accuracy", "opponent_local_accuracy", "local_gap",
    "local_gap_low", "local_gap_high", "own_accuracy", "opponent_own_accuracy", "own_gap", "own_gap_low",
    "own_gap_high", "tests",
]  # fmt: skip


def opponents_of(records: pd.DataFrame) -> tuple[str, ...]:
    """The opponents that have a trial below keep ratio 1 that ended well."""
    there = set(below_full(ok(records))["method"])
    return tuple(name for name in OPPONENTS if name in there)


def equal_cost(
    records: pd.DataFrame, opponents: Iterable[str] | None = None, price: str = PRICE, tests: int = 1
) -> AnalysisResult:
    """Every method and keep ratio against each opponent at the same total cost, paired by seed and device.

    Args:
        records: one row per trial.
        opponents: names; None = those of OPPONENTS that ran.
        price: column of the total cost, "device_energy_j" or "device_time_s".
        tests: intervals that decide together (`intervals.interval`).

    Returns: COLUMNS. `opponent_keep_ratio` is the opponent's keep ratio at that price, `gap` the method's accuracy on
        the common test set minus the opponent's, `local_gap` the same on the device's own class mix, `own_gap` on its
        own test samples where devices have some. `pairs` have a partner; `unpaired` ended well and have none. The
        columns are of the run's metric (`Metric.named`).
    """
    records = complete(records)
    good = ok(records)
    metric = metric_in(good)
    sets = sets_there(good)
    used = [*KEYS, "method", "keep_ratio", "own_keep_ratio", "status", *map(metric.column, sets), price]
    good = good[[name for name in used if name in good]]  # a narrow table is quicker
    asked = tuple(opponents) if opponents is not None else opponents_of(records)
    rows: list[tuple[object, ...]] = []
    for opponent in asked:
        curves = _curves(good, opponent, price)
        for method, ratio, part in groups(below_full(good[~good["method"].isin([FULL, opponent])])):
            found = partners(part, curves, price)
            known = found[found["gap"].notna()]
            if known.empty:
                continue
            counts = (len(known), len(found) - len(known))
            cell = (method, ratio, opponent, mean(known["opponent_keep_ratio"]), mean(known[price]), *counts)
            rows.append((*cell, *(value for of in sets for value in _on_set(known, of, tests)), tests))
    missing = (
        ""
        if rows
        else "No trial has a partner at equal total cost: `random` with full training or two ratios is needed."
    )
    return result(rows, named_columns(COLUMNS, records), missing)


def _on_set(known: pd.DataFrame, of: str, tests: int) -> tuple[float, ...]:
    """Means of the method and of its opponent on one set of test samples, and the gap with its interval."""
    metric = metric_in(known)
    means = (mean(known[column]) for column in (metric.column(of), metric.named(opponent_column(of))))
    return (*means, *gap_interval(known, gap_column(of), tests)[:3])


def at_equal_cost(
    records: pd.DataFrame, method: str, opponent: str, price: str = PRICE, near: float = NEAR
) -> pd.DataFrame:
    """Trials of one method below keep ratio 1, with the opponent's keep ratio and accuracy at the same price.

    Args:
        records: one row per trial.
        method: name.
        opponent: name.
        price: column of the total cost.
        near: as of `partners`.

    Returns: the method's rows with a partner, with the columns of `partners`.
    """
    good = ok(complete(records))
    found = partners(below_full(good[good["method"] == method]), _curves(good, opponent, price), price, near)
    return found[found["gap"].notna()]


def partners(
    part: pd.DataFrame, curves: dict[tuple[int, int], FloatArray], price: str, near: float = NEAR
) -> pd.DataFrame:
    """Trials with `opponent_keep_ratio`, and on each set of test samples the opponent's accuracy and the gap.

    Args:
        part: trials that ended well.
        curves: (seed, device) -> [2 + sets, points] price, ratio, accuracy on each of `sets_there`, prices ascending.
        price: column of the total cost.
        near: share by which a trial may be cheaper than the opponent's cheapest one, which then is its partner; with 1
            every trial has one that costs no less.
    """
    sets = sets_there(part)
    found = np.full((len(part), 1 + len(sets)), np.nan)
    for row, (seed, device, cost) in enumerate(zip(part["seed"], part["device"], part[price], strict=True)):
        curve = curves.get((seed, device))
        if curve is not None and cost >= curve[0, 0] * (1 - near):
            found[row] = [np.interp(cost, curve[0], values) for values in curve[1:]]
    ratio, *accuracies = found.T
    metric = metric_in(part)
    reached = dict(zip(sets, accuracies, strict=True))
    gaps = {
        gap_column(of): without_rounding(part[metric.column(of)] - values, values, metric)
        for of, values in reached.items()
    }
    named = {metric.named(opponent_column(of)): values for of, values in reached.items()}
    return part.assign(opponent_keep_ratio=ratio, **named, **gaps)


def gap_interval(pairs: pd.DataFrame, column: str = "gap", tests: int = 1) -> Interval:
    """The mean of a difference of accuracies with its interval."""
    return interval(device_by_seed(pairs, column), metric_in(pairs).difference_bounds, tests)


def _curves(good: pd.DataFrame, opponent: str, price: str) -> dict[tuple[int, int], FloatArray]:
    """(seed, device) -> the opponent's price, ratio and accuracies, full training included; two points or more."""
    method = good["method"].to_numpy(dtype=object)
    metric = metric_in(good)
    table = good[((method == opponent) | (method == FULL)) & (good[price].notna() & good[metric.column()].notna())]
    columns = (table[price], own_ratio(table), *(table[metric.column(of)] for of in sets_there(table)))
    values = np.stack([column.to_numpy(dtype=np.float64) for column in columns], axis=1)
    pairs = table[KEYS].to_numpy(dtype=np.int64)
    order = np.lexsort((values[:, 1], values[:, 0], pairs[:, 1], pairs[:, 0]))
    # Full training stands for the opponent at keep ratio 1; where both ran they are equal, and one row is enough.
    trial = np.column_stack([pairs, values[:, 1]])[order]
    order = order[np.sort(np.unique(trial, axis=0, return_index=True)[1])]
    values, pairs = values[order], pairs[order]  # one (seed, device) after the other
    starts = np.flatnonzero(np.append(True, (pairs[1:] != pairs[:-1]).any(axis=1)))
    is_own = (table["method"].to_numpy(dtype=object) == opponent)[order]
    curves = {}
    for start, end in zip(starts, [*starts[1:], len(order)], strict=True):
        if is_own[start:end].any() and end - start > 1:
            seed, device = pairs[start].tolist()
            curves[seed, device] = values[start:end].T
    return curves
