"""Rows of results.csv on time: of the machine that ran the study, and of the devices against proportional cost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
from paper_estimates import IMPORTANCE
from paper_points import Point
from study import running
from study.comparisons import RANDOM

from edgesim.analysis.grouping import FULL, below_full, paired
from edgesim.analysis.intervals import Interval

POINT_MINUTES, WHOLE_MINUTES, FULL_TIME = "point_minutes", "minutes_of_all", "full_time"
TIME_OFF, WORK_OFF, STEPS_OFF, LONGER = "time_off", "work_off", "steps_off", "longer_than_random"
"""claims of results.csv. *_OFF: share of full training's minus the share of its samples, by keep ratio"""


class Row(NamedTuple):
    """A row of results.csv."""

    claim: str
    found: Interval
    unit: str
    method: str = ""
    keep_ratio: str = ""


def of_point(records: pd.DataFrame) -> Row:
    """Minutes that a point's trials took, added up."""
    minutes = float(records["host_wall_s"].sum()) / 60
    return Row(POINT_MINUTES, Interval(minutes, n=len(records), seeds=records["seed"].nunique()), "min")


def of_setting(point: Point, records: pd.DataFrame, alone: pd.DataFrame) -> Iterator[Row]:
    """Time of full training, deviations from proportional cost, and minutes where a setting has fewer seeds.

    Args:
        point: the setting.
        records: its trials, those of further methods included.
        alone: trials of its main point.
    """
    full = records.loc[records["method"] == FULL, "device_time_s"]
    yield Row(FULL_TIME, Interval(float(full.mean()), n=len(full)), "s", FULL)
    yield from _off(records)
    yield from _longer(records)
    if records["seed"].nunique() < len(running.document(point.file)["seeds"]):
        yield Row(WHOLE_MINUTES, Interval(_minutes_of_all(point, alone)), "min")


def _off(records: pd.DataFrame) -> Iterator[Row]:
    own = records[records["method"].isin([FULL, RANDOM, IMPORTANCE])].copy()
    own["work"] = own["score_flops"] + own["train_flops"]
    for method, claim, column in (
        (IMPORTANCE, TIME_OFF, "device_time_s"),
        (IMPORTANCE, WORK_OFF, "work"),
        (RANDOM, TIME_OFF, "device_time_s"),
        (RANDOM, STEPS_OFF, "steps"),
    ):
        pairs = below_full(paired(own[own["method"].isin([FULL, method])], FULL, column))
        off = pairs[column] / pairs["base"] - pairs["subset_size"] / pairs["shard_size"]
        for ratio, part in off.groupby(pairs["keep_ratio"]):
            yield Row(claim, Interval(float(part.mean()), n=len(part)), "share", method, f"{ratio:g}")


def _longer(records: pd.DataFrame) -> Iterator[Row]:
    own = records[records["method"].isin([RANDOM, IMPORTANCE])]
    pairs = below_full(paired(own, RANDOM, "device_time_s"))
    for ratio, part in (pairs["difference"] / pairs["base"]).groupby(pairs["keep_ratio"]):
        yield Row(LONGER, Interval(float(part.mean()), n=len(part)), "share", IMPORTANCE, f"{ratio:g}")


def _minutes_of_all(point: Point, alone: pd.DataFrame) -> float:
    """Minutes of the data set's whole scenario: all methods, keep ratios and seeds, by the samples trained on."""
    asked = running.document(point.file)
    pruning = asked["pruning"]
    ratios = [ratio for ratio in pruning["keep_ratio"] if ratio < 1]
    whole = len(asked["seeds"]) * (1 + (len(pruning["methods"]) - 1) * float(np.sum(ratios)))
    ran = float(alone["keep_ratio"].sum()) / alone["device"].nunique()
    return float(alone["host_wall_s"].sum()) / 60 * whole / ran
