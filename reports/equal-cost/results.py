"""Turns the run of a point into rows of results.csv: gaps of accuracy between methods, paired by device and seed.

Rows of one keep ratio are cells, each with its own interval. Rows whose keep ratio is MEAN hold the mean over RATIOS of
every (device, seed) pair, from which the page makes intervals that decide among several methods. Gaps are in points
(percent), accuracies are shares.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

import edgesim
from edgesim.analysis.equal_cost import at_equal_cost
from edgesim.analysis.grouping import FULL, device_by_seed, paired
from edgesim.analysis.intervals import interval
from edgesim.errors import EdgesimError

FILE = "results.csv"
KEYS = ["data", "partition", "model", "optimizer", "label_noise"]
CELL = ["method", "opponent", "at", "keep_ratio"]
RATIOS = (0.1, 0.2, 0.3, 0.5)
"""keep ratios of the page; 0.05 ran so that what costs less than random at 0.1 has a partner"""
MEAN = "mean"
RANDOM, FEWER_EPOCHS = "random", "fewer-epochs"
MOVING = ("rs2", "online-loss", "online-loss-unbiased")
SCORED = ("top-loss", "top-loss-balanced")
STATIC = (*SCORED, "random-balanced")
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


def questions(methods: Iterable[str]) -> list[Question]:
    """Every comparison of the page, for the methods that ran.

    At equal keep ratio scoring is free: the limit of many trainings on one kept set.
    """
    every = [name for name in methods if name not in (FULL, RANDOM)]
    return [
        *(Question(name, RANDOM, COST) for name in every),
        *(Question(name, FEWER_EPOCHS, COST) for name in MOVING if name in every),
        *(Question(name, RANDOM, RATIO) for name in SCORED if name in every),
        *(Question(name, FEWER_EPOCHS, RATIO) for name in STATIC if name in every),
    ]


def read(folder: Path) -> pd.DataFrame:
    """results.csv, or an empty table where there is none."""
    file = folder / FILE
    if not file.exists():
        return pd.DataFrame(columns=[*KEYS, "design", *CELL])
    return pd.read_csv(file, dtype={"keep_ratio": str, "design": str, "label_noise": float})


def current(results: pd.DataFrame, points: Sequence[Any]) -> pd.DataFrame:
    """The rows of these points as they are designed now, in the order of the points."""
    wanted = pd.DataFrame([{**{key: getattr(point, key) for key in KEYS}, "design": point.design} for point in points])
    return wanted.merge(results, on=[*KEYS, "design"])


def add(folder: Path, point: Any, run: Path) -> None:
    """Put the rows of a finished point in the place of those that results.csv has of it.

    Raises:
        EdgesimError: the run is not finished, or has failed trials.
    """
    found = edgesim.load_run(run)
    if found.info["status"] != "finished":
        message = f"{run}: its status is {found.info['status']!r}; results.csv takes finished runs. Run it again."
        raise EdgesimError(message)
    known = read(folder)
    here = (known[KEYS] == pd.Series({key: getattr(point, key) for key in KEYS})).all(axis=1)
    rows = of_records(found.records)
    rows = rows.assign(**{key: getattr(point, key) for key in KEYS}, design=point.design, epochs=point.epochs)
    rows = rows[[*KEYS, "design", *(name for name in rows if name not in KEYS and name != "design")]]
    table = pd.concat([known[~here], rows], ignore_index=True) if len(known) else rows
    table.sort_values(KEYS, kind="stable").to_csv(folder / FILE, index=False, float_format="%.5g")


def of_records(records: pd.DataFrame) -> pd.DataFrame:
    """The rows of one run: all cells against random at equal cost, and the means over RATIOS of every question."""
    pairs = pairs_of(records)
    full = records.loc[records["method"] == FULL, "test_accuracy"].mean()
    rows: list[dict[str, object]] = []
    for question in questions(dict.fromkeys(records["method"])):
        own = pairs[(pairs[list(Question._fields)] == pd.Series(question._asdict())).all(axis=1)]
        if question.opponent == RANDOM and question.at == COST:
            rows += [
                {**question._asdict(), "keep_ratio": f"{ratio:g}", **_cell(own[np.isclose(own["keep_ratio"], ratio)])}
                for ratio in RATIOS
            ]
        means = mean_over_ratios(own)
        matrices = {f"{column}s": to_text(matrix(means, column, records)) for column in GAPS}
        rows.append({**question._asdict(), "keep_ratio": MEAN, **_cell(means), **matrices})
    return pd.DataFrame(rows).assign(
        full_accuracy=full,
        devices=records["device"].nunique(),
        seeds=records["seed"].nunique(),
        samples=records["shard_size"].mean(),
    )


def pairs_of(records: pd.DataFrame) -> pd.DataFrame:
    """Every comparison of every device and seed.

    Returns: `seed device method opponent at keep_ratio opponent_keep_ratio accuracy gap local_gap`, gaps in points.
    """
    found = []
    for method, opponent, at in questions(dict.fromkeys(records["method"])):
        if at == COST:
            table = at_equal_cost(records, method, opponent).rename(columns={"test_accuracy": "accuracy"})
            found.append(table.assign(opponent=opponent, at=COST))
    for opponent in (RANDOM, FEWER_EPOCHS):
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


def mean_over_ratios(pairs: pd.DataFrame, ratios: Sequence[float] = RATIOS) -> pd.DataFrame:
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


def to_text(values: np.ndarray) -> str:
    """A matrix as text: devices apart by ';', their seeds by spaces, points with two decimals."""
    return ";".join(" ".join(f"{value:.2f}" for value in row) for row in values)


def to_matrix(text: str) -> np.ndarray:
    """The matrix of `to_text`."""
    return np.array([[float(value) for value in row.split()] for row in text.split(";")])


def _cell(pairs: pd.DataFrame) -> dict[str, object]:
    """Mean gaps with their own 95 % intervals over devices and seeds; empty where no pair has a partner."""
    row: dict[str, object] = {"pairs": len(pairs), **pairs[list(VALUES[:2])].mean()}
    for column in GAPS:
        found = interval(device_by_seed(pairs, column), (-100.0, 100.0))
        row |= {column: found.estimate, f"{column}_low": found.low, f"{column}_high": found.high}
    return row
