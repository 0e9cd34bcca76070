"""Keep ratios by which the rows of tables can be grouped and joined."""

from __future__ import annotations

import numpy as np
import pandas as pd

from edgesim.records import rounded_ratio
from edgesim.results.table_columns import KEY


def with_rounded_ratios(table: pd.DataFrame) -> pd.DataFrame:
    """A table without the last bits of its keep ratios (`rounded_ratio`)."""
    if "keep_ratio" not in table:
        return table
    given = table["keep_ratio"].to_numpy(dtype=np.float64)
    ratios = rounded_ratio(given)
    return table if np.array_equal(given, ratios, equal_nan=True) else table.assign(keep_ratio=ratios)


def by_rule(table: pd.DataFrame, records: pd.DataFrame) -> pd.DataFrame:
    """A table of trials in which a rule's trials of one method have one keep_ratio, so that means go by the rule.

    Where a rule chose the ratios, nearly every device has another one, and a cell of equal ratios would hold one
    device. The method's mean over the trials that ended well takes their place; other trials keep theirs. Records keep
    the ratio of each trial beside it, as `own_keep_ratio`.

    Args:
        table: records, curves or selections of a run.
        records: of the same run.
    """
    if "ratio_rule" not in records or "keep_ratio" not in table:
        return table
    chosen = records[records["ratio_rule"].fillna("") != ""]
    if chosen.empty or table.empty:
        return table
    good = chosen[chosen["status"] == "ok"]
    means = {**chosen.groupby("method")["keep_ratio"].mean(), **good.groupby("method")["keep_ratio"].mean()}
    ruled = pd.MultiIndex.from_frame(table[KEY]).isin(pd.MultiIndex.from_frame(chosen[KEY]))
    own = {"own_keep_ratio": table["keep_ratio"]} if "ratio_rule" in table else {}
    return table.assign(keep_ratio=table["keep_ratio"].where(~ruled, table["method"].map(means)), **own)
