"""Trainings on one kept set after which a method's scoring has paid for itself, against each opponent.

A subset that is chosen once may serve N trainings: of other networks, seeds or dates. Scoring is paid once, every
training N times. An opponent needs no scoring; the price of its random draw is left out.

Accuracies are means over the (seed, device) pairs that have all ratios of the method, of the opponent and of full
training, and so are prices. An opponent's cheapest training that is as accurate as the method is read off its mean
curve, linear between its ratios and full training. Both means are estimates, and so is the resulting number: nothing
here tests a difference.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from edgesim.analysis.equal_cost import opponents_of
from edgesim.analysis.grouping import (
    FULL,
    AnalysisResult,
    below_full,
    cell_keys,
    complete,
    everywhere,
    groups,
    ok,
    result,
)
from edgesim.tasks import metric_in
from edgesim.work import FloatArray, trainings_to_break_even

COLUMNS = [
    "keep_ratio", "opponent", "opponent_keep_ratio", "accuracy", "opponent_accuracy", "score_j", "train_j",
    "opponent_train_j", "n", "pairs",
]  # fmt: skip


def break_even(records: pd.DataFrame, method: str, opponents: Iterable[str] | None = None) -> AnalysisResult:
    """Trainings after which one method's scoring has paid for itself, by emulated energy.

    Args:
        records: one row per trial.
        method: one that chooses a subset before training; a dynamic one chooses anew in each training.
        opponents: names; None = full training and those of OPPONENTS that ran.

    Returns: COLUMNS of the run's metric (`Metric.named`), a row per keep ratio below 1 and opponent. `n`: smallest N
        with score + N·train <= N·(the opponent's cheapest training that is as accurate in the mean). 1 = at once; NaN =
        never (not within a million trainings): the opponent is as accurate for no more energy than a training on the
        kept set takes. An opponent more accurate at its smallest ratio has the price of that.
        `opponent_train_j` is inf, and n is 1, where not even the opponent's most accurate ratio is as accurate.
        Against `full` energy alone decides, whatever the accuracies. Energies are means of one trial, in J.
    """
    good = ok(complete(records))
    asked = tuple(opponents) if opponents is not None else (FULL, *opponents_of(good))
    rows: list[tuple[object, ...]] = []
    for opponent in asked:
        if opponent != method:
            rows += _against(good[good["method"].isin([method, opponent, FULL])], method, opponent)
    missing = "" if rows else f"No device has all ratios of {method} and of an opponent, so the break-even is unknown."
    return result(rows, [metric_in(records).named(name) for name in COLUMNS], missing)


def _against(good: pd.DataFrame, method: str, opponent: str) -> list[tuple[object, ...]]:
    """Rows of one opponent, over the pairs that have all trials of both and of full training."""
    if not {method, opponent} <= set(good["method"]):
        return []
    table = everywhere(with_prices(good))
    if table.empty:
        return []
    metric, curve = metric_in(table), _curve(table, opponent)
    rows: list[tuple[object, ...]] = []
    for _, ratio, part in groups(below_full(table[table["method"] == method])):
        accuracy, score_j, train_j = (float(part[name].mean()) for name in (metric.column(), "score_j", "train_j"))
        target = -np.inf if opponent == FULL else metric.sign * accuracy
        other_ratio, gain, other_j = _cheapest(curve, target)
        other_accuracy = metric.sign * gain
        n = float(trainings_to_break_even(score_j, train_j, other_j))
        rows.append((
            ratio, opponent, other_ratio, accuracy, other_accuracy, score_j, train_j, other_j, n, len(part),
        ))  # fmt: skip
    return rows


def with_prices(good: pd.DataFrame) -> pd.DataFrame:
    """Trials with `score_j`, paid once, and `train_j` of one training, start-up included.

    A dynamic method chooses in every training, so that nothing is paid once. Trials without a known price are left out.
    """
    dynamic, repeats = good["dynamic"].fillna(False).astype(bool), good["repeats"].fillna(1.0)
    score_j = good["device_score_energy_j"].where(~dynamic, 0.0)
    table = good.assign(score_j=score_j, train_j=(good["device_energy_j"] - score_j) / repeats)
    return table[table["train_j"].notna() & table[metric_in(table).column()].notna()]


def _curve(table: pd.DataFrame, opponent: str) -> FloatArray:
    """[3, points] keep ratio, accuracy and energy of one training, means over all pairs; ratios ascending.

    Of a metric of which less is better, the accuracy is minus its value.
    """
    metric = metric_in(table)
    own = table[table["method"] == opponent]
    # Full training stands for the opponent at keep ratio 1.
    whole = table[table["method"] == FULL] if not (own["keep_ratio"] >= 1 - 1e-9).any() else own.iloc[:0]
    both = pd.concat([own, whole])
    means = both.groupby(cell_keys(both))[["keep_ratio", metric.column(), "train_j"]].mean()
    ratios, values, energy_j = means.sort_values("keep_ratio").to_numpy(dtype=np.float64).T
    return np.stack([ratios, metric.sign * values, energy_j])


def _cheapest(curve: FloatArray, accuracy: float) -> tuple[float, float, float]:
    """Keep ratio, accuracy and energy of the cheapest point of a curve with at least the given accuracy.

    Without such a point: ratio and accuracy of its most accurate point, and an energy of inf.
    """
    ratios, reached, energy_j = curve
    best = int(np.argmax(reached))
    if reached[best] < accuracy:
        return float(ratios[best]), float(reached[best]), np.inf
    places = [(float(energy_j[i]), float(ratios[i]), float(reached[i])) for i in np.flatnonzero(reached >= accuracy)]
    for i in np.flatnonzero((reached[:-1] - accuracy) * (reached[1:] - accuracy) < 0):  # it crosses in between
        share = (accuracy - reached[i]) / (reached[i + 1] - reached[i])
        ratio, price_j = (float(v[i] + share * (v[i + 1] - v[i])) for v in (ratios, energy_j))
        places.append((price_j, ratio, accuracy))
    price_j, ratio, found = min(places)
    return ratio, found, price_j
