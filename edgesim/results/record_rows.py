"""Records and curves as rows of their tables, and back: the metrics of each task are columns of their own.

A classification has the accuracies. A run of another task has the columns of its metrics in their place.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from edgesim.records import TRANSFER_COLUMNS, CurvePoint, Record
from edgesim.results.table_columns import CURVE, METRIC_COLUMNS, OF_TRIALS, columns_of
from edgesim.tasks import ACCURACY, SETS, metric_in

_ACCURACIES = frozenset(map(ACCURACY.column, SETS))


def record_row(record: Record) -> dict[str, Any]:
    """Columns of a record: its fields and its other metrics; accuracies only of a classification."""
    left_out = {"metrics"} if metric_in(record.metrics) is ACCURACY else _ACCURACIES | {"metrics"}
    return {name: value for name, value in vars(record).items() if name not in left_out} | record.metrics


def record_of(row: dict[str, Any]) -> Record:
    """The inverse of `record_row`; metrics without a value, as of a failed trial, are left out."""
    known = METRIC_COLUMNS.keys() | TRANSFER_COLUMNS.keys()
    own = {name: value for name, value in row.items() if name in known and name not in OF_TRIALS["records"]}
    if not own:
        return Record(**row)
    fields = {name: value for name, value in row.items() if name not in own}
    return Record(**fields, metrics={name: float(value) for name, value in own.items() if value == value})


def record_table(records: Sequence[Record], task: str) -> pd.DataFrame:
    """Table of the records of a run of a task, one row each; a metric that a record lacks is NaN."""
    has = {name for record in records for name in record.metrics}
    columns = columns_of("records", task, has)
    pick, unknown = operator.itemgetter(*columns), dict.fromkeys(columns, np.nan)
    others = bool(has) or columns is not OF_TRIALS["records"]
    rows = [pick(unknown | vars(one) | one.metrics if others else vars(one)) for one in records]
    return pd.DataFrame(rows, columns=columns)


def curve_rows(curve: Sequence[CurvePoint]) -> dict[str, list[Any]]:
    """Rows of the epochs of a trial, with the metrics of another task in place of the accuracies."""
    rows = dict(zip(CURVE, map(list, zip(*(point[: len(CURVE)] for point in curve), strict=True)), strict=True))
    metrics = dict.fromkeys(name for point in curve for name in point.metrics or ())
    if not metrics:
        return rows
    losses = {name: values for name, values in rows.items() if name not in METRIC_COLUMNS}
    return losses | {name: [(point.metrics or {}).get(name, np.nan) for point in curve] for name in metrics}


def curve_of(rows: dict[str, Any]) -> tuple[CurvePoint, ...]:
    """The inverse of `curve_rows`."""
    metrics = [name for name in rows if name in METRIC_COLUMNS and name not in CURVE]
    listed = {name: values.tolist() if isinstance(values, np.ndarray) else values for name, values in rows.items()}
    if not metrics:
        return tuple(CurvePoint(*point) for point in zip(*(listed[name] for name in CURVE), strict=True))
    unknown = [np.nan] * len(listed["epoch"])
    points = zip(*(unknown if name in METRIC_COLUMNS else listed[name] for name in CURVE), strict=True)
    values = zip(*(listed[name] for name in metrics), strict=True)
    epochs = (CurvePoint(*point) for point in points)
    return tuple(epoch._replace(metrics=dict(zip(metrics, own, strict=True)))
                 for epoch, own in zip(epochs, values, strict=True))  # fmt: skip
