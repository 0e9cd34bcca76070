"""Where storage decides: devices that can keep a subset, but not the shard that a dynamic method moves through."""

from __future__ import annotations

import pandas as pd

from edgesim.analysis.grouping import Answer, answer, complete, ok
from edgesim.results.table_columns import KEY

COLUMNS = ["device", "profile", "opponents", "methods", "trials"]


def storage_bound(records: pd.DataFrame) -> Answer:
    """The devices on which dynamic methods are infeasible for storage: the budget's, or the device's own.

    Args:
        records: one row per trial.

    Returns: COLUMNS, one row per device. `opponents`: dynamic methods that storage stops there, comma-separated;
        `methods`: static ones with a trial below keep ratio 1 that ended well there; `trials`: those that are stopped.
        Empty where storage stops no dynamic method.
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
    return answer(rows, COLUMNS)


def _by_storage(records: pd.DataFrame) -> pd.Series:
    """Whether storage makes a trial infeasible."""
    own, by_budget = records["limit"] == "storage", records["limit"] == "budget"
    return (records["status"] == "infeasible") & (own | (by_budget & (records["binds"] == "storage_bytes")))
