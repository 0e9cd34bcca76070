"""Pairs of a method with its opponents, on the same device and seed; gaps in points, accuracies as shares."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from edgesim.analysis.equal_cost import NEAR, at_equal_cost
from edgesim.analysis.grouping import paired

CELL = ["method", "opponent", "at", "keep_ratio"]
RANDOM, FEWER_EPOCHS = "random", "fewer-epochs"
COST, RATIO = "cost", "ratio"
"""what a method and its opponent have in common: total emulated energy, scoring included; or the keep ratio"""
GAPS = ("gap", "local_gap")
"""on the common test set, and on the device's own class mix"""
VALUES = ("opponent_keep_ratio", "accuracy", *GAPS)


class Question(NamedTuple):
    """One method against one opponent."""

    method: str
    opponent: str
    at: str


def pairs_of(records: pd.DataFrame, questions: Iterable[Question], near: float = NEAR) -> pd.DataFrame:
    """Every comparison of every device and seed.

    Args:
        records: one row per trial.
        questions: comparisons; those at equal ratio are made for every method, so they may be named once.
        near: share by which a trial may be cheaper than the opponent's cheapest one, which then is its partner.

    Returns: `seed device method opponent at keep_ratio opponent_keep_ratio accuracy gap local_gap`, gaps in points.
    """
    found = []
    for method, opponent, at in questions:
        if at == COST:
            table = at_equal_cost(records, method, opponent, near=near).rename(columns={"test_accuracy": "accuracy"})
            found.append(table.assign(opponent=opponent, at=COST))
    for opponent in dict.fromkeys(one.opponent for one in questions if one.at == RATIO):
        common, local = (
            paired(records, opponent, column).set_index(["seed", "device", "method", "keep_ratio"])
            for column in ("test_accuracy", "local_accuracy")
        )
        columns = {"accuracy": common["test_accuracy"], "gap": common["difference"], "local_gap": local["difference"],
                   "opponent_keep_ratio": common["base_keep_ratio"]}  # fmt: skip
        found.append(pd.DataFrame(columns).reset_index().assign(opponent=opponent, at=RATIO))
    table = pd.concat(found, ignore_index=True)
    table[list(GAPS)] *= 100
    return table[["seed", "device", *CELL, *VALUES]]


def of_question(pairs: pd.DataFrame, question: Question) -> pd.DataFrame:
    """The pairs of one comparison."""
    return pairs[(pairs[list(Question._fields)] == pd.Series(question._asdict())).all(axis=1)]


def mean_over_ratios(pairs: pd.DataFrame, ratios: Sequence[float]) -> pd.DataFrame:
    """The mean over the ratios of every (seed, device) pair that has all of them; others are left out.

    Args:
        pairs: of one question, with `seed device keep_ratio` and the values.
        ratios: keep ratios.
    """
    there = pairs[np.isclose(pairs["keep_ratio"].to_numpy()[:, None], ratios).any(axis=1)]
    by_pair = there.groupby(["seed", "device"])
    means = by_pair[list(VALUES)].mean()
    return means[by_pair["keep_ratio"].nunique() == len(ratios)].reset_index()


def matrix(means: pd.DataFrame, column: str, records: pd.DataFrame) -> np.ndarray:
    """Values as [devices, seeds] of the run, NaN where a pair is missing."""
    devices, seeds = (sorted(records[name].unique()) for name in ("device", "seed"))
    return means.pivot(index="device", columns="seed", values=column).reindex(devices, columns=seeds).to_numpy(float)
