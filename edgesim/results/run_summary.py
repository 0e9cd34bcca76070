"""Facts on a run in a few lines, for Python to show."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from edgesim.config.display import Facts, few
from edgesim.formatting import number
from edgesim.results.grouped_ratios import by_rule
from edgesim.tasks import Metric, metric_in


def of(path: Path, info: dict[str, Any], records: pd.DataFrame) -> Facts:
    """Its status, folder, trials by outcome, methods, and the method and keep ratio of the best mean metric.

    Args:
        path: the run folder.
        info: run.json.
        records: one row per trial so far.
    """
    statuses = records["status"].value_counts()
    total = (info.get("trials") or {}).get("total", len(records))
    ended = [f"{statuses[status]:,} {status}" for status in ("ok", "failed", "infeasible") if status in statuses]
    missing = [f"{total - len(records):,} missing"] if total > len(records) else []
    reason = f": {info['reason']}" if info.get("reason") else ""
    return [
        ("status", f"{info.get('status')}{reason}"),
        ("folder", str(path)),
        ("trials", f"{total:,}: {', '.join(ended + missing) or 'none has ended'}"),
        ("devices", f"{info.get('devices', records['device'].nunique()):,}"),
        ("methods", few([str(method) for method in records["method"].unique()]) or "none yet"),
        ("seeds", few([str(seed) for seed in info.get("seeds", [])])),
        ("best", _best(records)),
    ]


@dataclass(frozen=True)
class BestCell:
    """Method and keep ratio of the best mean metric."""

    method: str
    keep_ratio: float
    """of a rule, the mean ratio that it chose"""
    metric: Metric
    value: float
    """mean test metric"""
    trials: int
    """trials that the means are of"""
    device_energy_j: float
    """mean emulated energy of one of these trials"""


def best_cell(records: pd.DataFrame) -> BestCell | None:
    """The best mean metric among the methods and keep ratios with the most trials that ended well.

    Args:
        records: one row per trial so far.

    Returns: None where no trial has ended well.
    """
    good = by_rule(records, records)
    good = good[good["status"] == "ok"]
    if good.empty:
        return None
    metric = metric_in(good)
    grouped = good.groupby(["method", "keep_ratio"])
    found = {
        "mean": (metric.column(), "mean"),
        "size": (metric.column(), "size"),
        "energy": ("device_energy_j", "mean"),
    }
    cells = grouped.agg(**found).reset_index()
    cells = cells[cells["size"] == cells["size"].max()]
    best = cells.loc[(metric.sign * cells["mean"]).idxmax()]
    ratio, value, energy_j = (float(best[name]) for name in ("keep_ratio", "mean", "energy"))
    return BestCell(str(best["method"]), ratio, metric, value, int(best["size"]), energy_j)


def _best(records: pd.DataFrame) -> str:
    """Sentence on the best cell."""
    best = best_cell(records)
    if best is None:
        return "no trial has ended well"
    over = f"mean of {best.trials:,} trials" if best.trials > 1 else "1 trial"
    found = f"test {best.metric.title} {best.metric.value(best.value)}"
    return f"{best.method} at keep ratio {number(best.keep_ratio)}: {found} ({over})"
