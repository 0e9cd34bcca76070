"""Trials that two runs share, paired."""

from __future__ import annotations

import pandas as pd

from edgesim.analysis.grouping import KEYS, complete, ok

MOST_RATIOS = 5
"""keep ratios without a partner that a sentence lists, at most"""


def known(records: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """The columns of the trials that ended well and have the last one of them."""
    return ok(complete(records))[columns].dropna(subset=columns[-1:])


def pairs(a: pd.DataFrame, b: pd.DataFrame, column: str) -> pd.DataFrame:
    """The trials of both runs.

    Returns: KEYS method keep_ratio (that of a) ratio_a ratio_b (as the runs have it) ratio_rule, the column of each
        (_a, _b) and `difference`.
    """
    keys = [*KEYS, "method", "keep_ratio"]
    sizes = ["ratio_rule", "shard_size", "subset_size"]
    left, right = (known(table, [*keys, *sizes, column]) for table in (a, b))
    right = _under_ratios_of(left, right.assign(ratio_b=right["keep_ratio"]))
    left = left.drop(columns=sizes[1:]).assign(ratio_a=left["keep_ratio"])
    both = left.merge(right[[*keys, "ratio_b", column]], on=keys, suffixes=("_a", "_b"))
    return both.assign(difference=both[f"{column}_b"] - both[f"{column}_a"])


def _under_ratios_of(a: pd.DataFrame, b: pd.DataFrame) -> pd.DataFrame:
    """Run b with the keep ratios of run a, where those keep as many samples of every shard that both have.

    Only ratios that the other run does not have itself are matched, each with the nearest one. A rule gives every
    device its own ratio, so ratios by rule are compared device by device.
    """
    keys = [*KEYS, "method"]
    both = a.merge(b.reset_index(), on=keys, suffixes=("_a", "_b"))
    both = both[both["keep_ratio_a"] != both["keep_ratio_b"]]
    both["ruled"] = (both["ratio_rule_a"].fillna("") != "") & (both["ratio_rule_b"].fillna("") != "")
    equal_size = (both["shard_size_a"] == both["shard_size_b"]) & (both["subset_size_a"] == both["subset_size_b"])
    both["same"] = equal_size & (both["shard_size_a"] > 0)
    ratio = b["keep_ratio"].copy()
    ruled = both[both["ruled"] & both["same"]]
    ratio.loc[ruled["index"]] = ruled["keep_ratio_a"].to_numpy()
    has = {name: set(zip(table["method"], table["keep_ratio"], strict=True)) for name, table in (("a", a), ("b", b))}
    cells: list[tuple[float, str, float, float]] = []
    for key, part in both[~both["ruled"]].groupby(["method", "keep_ratio_a", "keep_ratio_b"]):
        method, first, second = str(key[0]), float(str(key[1])), float(str(key[2]))
        if part["same"].all() and (method, first) not in has["b"] and (method, second) not in has["a"]:
            cells.append((abs(first - second), method, first, second))
    taken: set[tuple[str, float, str]] = set()
    for _, method, first, second in sorted(cells):
        if not {(method, first, "a"), (method, second, "b")} & taken:
            taken |= {(method, first, "a"), (method, second, "b")}
            ratio[(b["method"] == method) & (b["keep_ratio"] == second)] = first
    return b.assign(keep_ratio=ratio)


def without_partner(known: pd.DataFrame, both: pd.DataFrame, ratio: str) -> tuple[int, str]:
    """Number of a run's trials without a partner, and their keep ratios in words; empty without such trials.

    Args:
        known: the run's trials that have the quantity.
        both: from `pairs`.
        ratio: the column of `both` with the run's own ratios.
    """
    keys = [*KEYS, "method"]
    paired = pd.MultiIndex.from_frame(both[[*keys, ratio]])
    alone = known[~pd.MultiIndex.from_frame(known[[*keys, "keep_ratio"]]).isin(paired)]
    ratios = [f"{value:.6g}" for value in sorted(set(alone["keep_ratio"]))]
    if not ratios:
        return 0, ""
    more = " and others" * (len(ratios) > MOST_RATIOS)
    return len(alone), f" (keep ratio{'s' * (len(ratios) > 1)} {', '.join(ratios[:MOST_RATIOS])}{more})"
