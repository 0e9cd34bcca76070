"""Best method at every keep ratio, and the methods that are not significantly worse."""

from __future__ import annotations

import numpy as np
import pandas as pd

from edgesim.analysis.grouping import FULL, KEYS, device_by_seed, groups, ok, paired
from edgesim.analysis.intervals import interval
from edgesim.results.grouped_ratios import by_rule
from edgesim.tasks import metric_in
from edgesim.work import FloatArray

BEST_COLUMNS = ["method", "keep_ratio", "trials", "seeds", "value", "half_width", "is_best", "is_among_best",
                "device_time_s", "device_energy_j", "storage_bytes"]  # fmt: skip


def best_methods(records: pd.DataFrame) -> pd.DataFrame:
    """Means of every method and keep ratio, with those that nothing shows to be worse than the best of the ratio.

    At each keep ratio the best method is the one with the best mean over the seeds and devices that all methods of the
    ratio have: a method that ran on the easy devices alone is not the best for that. It is compared with every other,
    paired by seed and device. Another one is among the best where the interval of the difference holds 0. Intervals are
    95 %, simultaneous over the comparisons of a ratio (Bonferroni). With one seed there are no intervals, and no method
    is among the best; nor is one where no seed and device is common to all. `full` is not compared.

    Args:
        records: one row per trial.

    Returns: DataFrame with BEST_COLUMNS; `half_width` is half the 95 % interval of each mean by itself (`plus_minus`).
    """
    ruled = by_rule(records, records)
    metric = metric_in(ruled)
    column, rows = metric.column(), []
    for method, ratio, part in groups(ruled):
        done = ok(part)
        found = interval(device_by_seed(done, column), metric.bounds)
        costs = [float(done[name].mean()) if len(done) else np.nan for name in BEST_COLUMNS[-3:]]
        rows.append((method, ratio, len(done), found.seeds, found.estimate, found.plus_minus, False, False, *costs))
    table = pd.DataFrame(rows, columns=BEST_COLUMNS)
    compared = table[(table["method"] != FULL) & table["value"].notna()]
    for at, own in compared.groupby("keep_ratio"):
        common = _common_means(ok(ruled), list(own["method"]), float(str(at)), column)
        if common is None:
            continue
        best = own.index[int((metric.sign * common).argmax())]
        pairs, tests = paired(ruled, str(own["method"].loc[best]), column), max(1, len(own) - 1)
        by_cell = {(method, ratio): part for method, ratio, part in groups(pairs)} if len(pairs) else {}
        among = {best} if own["seeds"].loc[best] > 1 else set()
        for place in own.index.drop(best):
            beside = by_cell.get((str(own["method"].loc[place]), float(own["keep_ratio"].loc[place])))
            if beside is not None:
                gap = interval(metric.sign * device_by_seed(beside, "difference"), tests=tests)
                among |= {place} if gap.is_known and gap.high >= 0 else set()
        table["is_best"] |= table.index == best
        table["is_among_best"] |= table.index.isin(among)
    return table


def _common_means(done: pd.DataFrame, methods: list[str], ratio: float, column: str) -> FloatArray | None:
    """Means of methods at a keep ratio over the seeds and devices that all of them have; None where there is none."""
    own = done[(done["keep_ratio"] == ratio) & done["method"].isin(methods)]
    common = own.pivot_table(index=KEYS, columns="method", values=column)[methods].dropna()
    return common.mean().to_numpy(dtype=np.float64) if len(common) else None
