"""Devices whose storage holds a subset, but not the whole shard that a dynamic method needs."""

from __future__ import annotations

import pandas as pd

from edgesim.analysis.grouping import AnalysisResult, complete, ok, result
from edgesim.results.table_columns import KEY

COLUMNS = ["device", "profile", "opponents", "methods", "trials"]


def storage_bound(records: pd.DataFrame) -> AnalysisResult:
    """Devices on which dynamic methods are infeasible for storage: the budget's, or the device's own.

    Args:
        records: one row per trial.

    Returns: COLUMNS, one row per device. `opponents`: dynamic methods without enough storage there, comma-separated;
        `methods`: static ones with a trial below keep ratio 1 that ended well there; `trials`: the infeasible ones.
        Empty where storage suffices for all dynamic methods.
    """
    records = complete(records)
    stopped = records[_by_storage(records) & records["dynamic"].fillna(False).astype(bool)]
    good = ok(records)
    kept = good[~good["dynamic"].fillna(False).astype(bool) & (good["subset_size"] < good["shard_size"])]
    rows = []
    for device, part in stopped.groupby("device", sort=True):
        methods = kept.loc[kept["device"] == device, "method"]
        names = [", ".join(dict.fromkeys(values.astype(str))) for values in (part["method"], methods)]
        rows.append((device, part["profile"].iloc[0], *names, len(part.drop_duplicates(KEY))))
    return result(rows, COLUMNS)


def _by_storage(records: pd.DataFrame) -> pd.Series:
    """True for trials that are infeasible for lack of storage."""
    own, by_budget = records["limit"] == "storage", records["limit"] == "budget"
    return (records["status"] == "infeasible") & (own | (by_budget & (records["binds"] == "storage_bytes")))
