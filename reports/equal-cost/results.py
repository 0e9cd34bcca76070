"""Turns the run of a point into rows of results.csv: gaps of accuracy between methods, paired by device and seed.

Rows of one keep ratio are cells, each with its own interval. Rows whose keep ratio is MEAN hold the mean over RATIOS of
every (device, seed) pair, from which the page makes intervals that decide among several methods. Gaps are in points
(percent), accuracies are shares.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from study import running
from study.comparisons import (
    CELL,
    COST,
    FEWER_EPOCHS,
    GAPS,
    RANDOM,
    RATIO,
    VALUES,
    Question,
    matrix,
    mean_over_ratios,
    of_question,
    pairs_of,
)  # fmt: skip
from study.wording import BOUNDS

from edgesim.analysis.grouping import FULL, device_by_seed
from edgesim.analysis.intervals import interval

FILE = "results.csv"
KEYS = ["data", "partition", "model", "optimizer", "label_noise"]
"""with the method they name a row's point: points of equal KEYS have methods of their own"""
RATIOS = (0.1, 0.2, 0.3, 0.5)
"""keep ratios of the page; 0.05 ran so that what costs less than random at 0.1 has a partner"""
MEAN = "mean"
MOVING = ("rs2", "online-loss", "online-loss-unbiased")
SCORED = ("top-loss", "top-loss-balanced")
STATIC = (*SCORED, "random-balanced")
"""static methods that ran beside fewer epochs"""
KEPT = (*STATIC, "equal-classes")
"""every static method"""


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
    found = running.finished(run)
    known = read(folder)
    rows = of_records(found.records)
    here = (known[KEYS] == pd.Series({key: getattr(point, key) for key in KEYS})).all(axis=1)
    here &= known["method"].isin(rows["method"])
    rows = rows.assign(**{key: getattr(point, key) for key in KEYS}, design=point.design, epochs=point.epochs)
    rows = rows[[*KEYS, "design", *(name for name in rows if name not in KEYS and name != "design")]]
    table = pd.concat([known[~here], rows], ignore_index=True) if len(known) else rows
    table.sort_values(KEYS, kind="stable").to_csv(folder / FILE, index=False, float_format="%.5g")


def of_records(records: pd.DataFrame) -> pd.DataFrame:
    """The rows of one run: all cells against random at equal cost, and the means over RATIOS of every question."""
    asked = questions(dict.fromkeys(records["method"]))
    pairs = pairs_of(records, asked)
    full = records.loc[records["method"] == FULL, "test_accuracy"].mean()
    rows: list[dict[str, object]] = []
    for question in asked:
        own = of_question(pairs, question)
        if question.opponent == RANDOM and question.at == COST:
            rows += [
                {**question._asdict(), "keep_ratio": f"{ratio:g}", **_cell(own[np.isclose(own["keep_ratio"], ratio)])}
                for ratio in RATIOS
            ]
        means = mean_over_ratios(own, RATIOS)
        matrices = {f"{column}s": to_text(matrix(means, column, records)) for column in GAPS}
        rows.append({**question._asdict(), "keep_ratio": MEAN, **_cell(means), **matrices})
    return pd.DataFrame(rows).assign(
        full_accuracy=full,
        devices=records["device"].nunique(),
        seeds=records["seed"].nunique(),
        samples=records["shard_size"].mean(),
    )


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
        found = interval(device_by_seed(pairs, column), BOUNDS)
        row |= {column: found.estimate, f"{column}_low": found.low, f"{column}_high": found.high}
    return row
