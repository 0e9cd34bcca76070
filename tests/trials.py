"""Rows of records.parquet made by hand, for the tests of analysis."""

import dataclasses
import math

import pandas as pd

from edgesim.analysis.comparison import against_first
from edgesim.records import Record
from edgesim.results.table_columns import OF_TRIALS


def trial(seed, device, method, keep_ratio, accuracy=math.nan, *, status="ok", **values):
    """One row of records.parquet."""
    profile = values.pop("profile", "pi")
    record = Record("s", seed, device, profile, method, keep_ratio, status, test_accuracy=accuracy, **values)
    return dataclasses.asdict(record)


def table(*rows):
    return pd.DataFrame(list(rows), columns=OF_TRIALS["records"])


def paired_runs(a, b, column="test_accuracy"):
    """Run b minus run a, as `against_first` compares two runs."""
    return against_first({"a": a, "b": b}, column)
