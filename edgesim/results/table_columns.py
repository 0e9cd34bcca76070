"""Names of the tables of a run folder, and of their columns."""

from __future__ import annotations

import dataclasses
from collections.abc import Container

import pandas as pd

from edgesim.records import TRANSFER_COLUMNS, CurvePoint, Record
from edgesim.tasks import ACCURACY, METRICS, SETS, TASKS, task_in
from edgesim.work import Work

KEY = ["seed", "device", "method", "keep_ratio"]
"""columns that name a trial"""
ENDS = {True: "most", False: "least"}
"""values of the column `end`: the samples that the scores put first, or last"""
WORK = [field.name for field in dataclasses.fields(Work)]
CURVE = [name for name in CurvePoint._fields if name != "metrics"]
CURVE_SETS = ("subset", "test")
"""sets that curves have metrics on, the first part of the column"""
OF_TRIALS = {
    "records": [field.name for field in dataclasses.fields(Record) if field.name != "metrics"],
    "curves": [*KEY, *CURVE],
    "selections": [*KEY, "index", "weight"],
    "scores": [*KEY, "index", "score"],
    "traces": [*KEY, "epoch", "quantity", "value"],
    "work": [*KEY, "phase", "reused", *WORK, "trace"],
    "extremes": [*KEY, "label", "end", "rank", "index", "score", "tied", "height", "width", "channels", "image"],
}
"""tables of the trials' results, each with its columns: those of a classification (`columns_of`)"""
METRIC_COLUMNS = {metric.column(of): metric for metric in METRICS.values() for of in (*SETS, *CURVE_SETS)}
"""column -> its metric, of all tasks"""
OF_DEVICES = {
    "shards": ["seed", "device", "index", "label", "class_name", "user"],
    "devices": [
        "device", "profile", "title", "device_class", "throughput_flops_per_s", "power_w", "idle_w", "memory_bytes",
        "usable_memory_bytes", "storage_capacity_bytes", "shard_bytes", "battery_j", "power_mode",
        "users", "feature_shift",
    ],
}  # fmt: skip
"""tables of the fleet, each with its columns"""
COLUMNS = OF_TRIALS | OF_DEVICES
OPTIONAL = {"shards": ("user",), "devices": ("users", "feature_shift")}
"""columns that are there only where the run knows them: users of a partition by users, means of samples that are no
tokens"""
REQUIRED = ("records", "curves")
"""a published copy of a run may leave out every other table, because they are large"""
_TYPES = {
    **dict.fromkeys(("seed", "device", "index", "label", "epoch", "rank", "tied"), "int64"),
    **dict.fromkeys(("keep_ratio", "weight", "score", "value", *CURVE[1:], *METRIC_COLUMNS), "float64"),
}


def columns_of(name: str, task: str = "classification", has: Container[str] = ()) -> list[str]:
    """Columns of a table in a run of a task.

    The metrics of another task take the place of the accuracies. `own_*`, of the device's own test samples, running
    values of a subset, and `transfer_*` are there only where the run has them.

    Args:
        name: of the table.
        task: one of TASKS.
        has: columns that the run has values of.
    """
    columns = [column for column in COLUMNS[name] if column not in OPTIONAL.get(name, ()) or column in has]
    if name == "records":
        columns += [column for column in TRANSFER_COLUMNS if column in has]
    if task == "classification":
        own = ACCURACY.column("own")
        place = columns.index(ACCURACY.column("train")) if name == "records" and own in has else None
        return columns if place is None else [*columns[:place], own, *columns[place:]]
    sets = {"records": SETS, "curves": CURVE_SETS}.get(name, ())
    wanted = [metric.column(of) for metric in TASKS[task].metrics for of in sets
              if of not in ("own", "subset") or metric.column(of) in has]  # fmt: skip
    accuracies = {ACCURACY.column(of) for of in sets}
    first = next((place for place, column in enumerate(columns) if column in accuracies), len(columns))
    return [*columns[:first], *wanted, *(column for column in columns[first:] if column not in accuracies)]


def record_columns(has: Container[str]) -> list[str]:
    """Columns of the records of a run, by the columns that they have."""
    return columns_of("records", task_in(has).name, has)


def empty(name: str, task: str = "classification") -> pd.DataFrame:
    """A table without rows, with the columns that it would have in a run of a task."""
    return pd.DataFrame({column: pd.Series(dtype=_TYPES.get(column, "object")) for column in columns_of(name, task)})
