"""Names of the tables of a run folder, and of their columns."""

from __future__ import annotations

import dataclasses

import pandas as pd

from edgesim.records import CurvePoint, Record
from edgesim.work import Work

KEY = ["seed", "device", "method", "keep_ratio"]
"""columns that name a trial"""
ENDS = {True: "most", False: "least"}
"""values of the column `end`: the samples that the scores put first, or last"""
WORK = [field.name for field in dataclasses.fields(Work)]
OF_TRIALS = {
    "records": [field.name for field in dataclasses.fields(Record)],
    "curves": [*KEY, *CurvePoint._fields],
    "selections": [*KEY, "index", "weight"],
    "scores": [*KEY, "index", "score"],
    "traces": [*KEY, "epoch", "quantity", "value"],
    "work": [*KEY, "phase", "reused", *WORK, "trace"],
    "extremes": [*KEY, "label", "end", "rank", "index", "score", "tied", "height", "width", "channels", "image"],
}
"""tables of the trials' results, each with its columns"""
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
REQUIRED = ("records", "curves")
"""a published copy of a run may leave out every other table, because they are large"""
_TYPES = {
    **dict.fromkeys(("seed", "device", "index", "label", "epoch", "rank", "tied"), "int64"),
    **dict.fromkeys(("keep_ratio", "weight", "score", "value", *CurvePoint._fields[1:]), "float64"),
}


def empty(name: str) -> pd.DataFrame:
    """A table without rows, with the columns that it would have."""
    return pd.DataFrame({column: pd.Series(dtype=_TYPES.get(column, "object")) for column in COLUMNS[name]})
