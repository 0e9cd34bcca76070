"""Facts on a run in a few lines, for Python to show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from edgesim.config.display import Facts, few
from edgesim.formatting import number
from edgesim.results.grouped_ratios import by_rule
from edgesim.tasks import metric_in


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


def _best(records: pd.DataFrame) -> str:
    """Method and keep ratio of the best mean metric, among those with the most trials that ended well."""
    good = by_rule(records, records)
    good = good[good["status"] == "ok"]
    if good.empty:
        return "no trial has ended well"
    metric = metric_in(good)
    cells = good.groupby(["method", "keep_ratio"])[metric.column()].agg(["mean", "size"]).reset_index()
    cells = cells[cells["size"] == cells["size"].max()]
    best = cells.loc[(metric.sign * cells["mean"]).idxmax()]
    over = f"mean of {best['size']:,} trials" if best["size"] > 1 else "1 trial"
    found = f"test {metric.title} {metric.value(best['mean'])}"
    return f"{best['method']} at keep ratio {number(best['keep_ratio'])}: {found} ({over})"
