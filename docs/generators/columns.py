"""The columns of a run folder's tables, and those of a report, each with its meaning."""

from __future__ import annotations

import ast
import inspect
import itertools
import math
import textwrap
from typing import Any

from edgesim.records import TRANSFER_COLUMNS, CurvePoint, Record
from edgesim.report.columns import COLUMNS
from edgesim.results import table_columns as run_folder
from edgesim.tasks import TASKS, Metric
from edgesim.work import Work
from generators.markdown import code, page, table

PURPOSES = {
    "records": "One row per trial: one seed, device, method and keep ratio.",
    "curves": "One row per trial and epoch.",
    "selections": "One row per trial and kept sample.",
    "scores": "One row per sample and score, with `pruning.keep_scores: true`.",
    "traces": "One row per trial, epoch and quantity of a method that trains something of its own.",
    "work": "Two rows per trial, one for scoring and one for training: the work that the trial is charged for.",
    "extremes": "The samples that a score puts first and last in each class of one device, with small pictures.",
    "shards": "One row per seed, device and sample, before pruning.",
    "devices": "One row per device: its hardware.",
}
"""table -> what a row is"""

MEANINGS = {
    "scores.keep_ratio": "the trial's keep ratio; empty where the scores serve every ratio",
    "work.phase": "`score` or `train`",
    "work.reused": "whether another run chose the subset (`pruning.scores_from`)",
    "work.trace": "JSON: the batch size of every step, as runs of equal steps",
    "selections.weight": "loss weight of the sample in training; 1 unless the method weighs samples",
    "extremes.height": "of the picture, in pixels; 0 where samples are no pictures",
    "extremes.width": "of the picture, in pixels",
    "extremes.channels": "1 (grey) or 3",
    "extremes.image": "uint8 pixels in the order height, width, channels",
    "shards.user": "user whom the sample comes from; only of a partition by users",
    "devices.users": "users whose samples it holds, by seed (`;`) where they differ; only of a partition by users",
    "devices.feature_shift": "distance of its channel means from those of all devices, in standard deviations",
    "devices.title": "name of the hardware for readers",
    "devices.device_class": "class of the profile",
    "devices.throughput_flops_per_s": "FLOP/s that training sustains, of the closed form",
    "devices.power_w": "power under full load at the highest clocks, whatever its power mode",
    "devices.idle_w": "power when idle",
    "devices.memory_bytes": "memory that the device has",
    "devices.usable_memory_bytes": "80 % of it, which a training step may need; the system keeps the rest",
    "devices.storage_capacity_bytes": "storage that the device has",
    "devices.shard_bytes": "its largest shard over the seeds",
    "devices.battery_j": "energy of a full battery; empty on mains",
    "devices.power_mode": "name of its power mode, or its clocks such as `cpu 499 MHz, gpu 829 MHz`",
}
"""columns of single tables that no dataclass and no column of a report describes"""


def run_tables() -> str:
    """One section per table of a run folder."""
    return "\n".join(_section(name, columns) for name, columns in table_columns().items())


def transfer_columns() -> str:
    """Columns that records have where the scenario has `transfer`."""
    return table(("column", "meaning"), [(code(name), said) for name, said in TRANSFER_COLUMNS.items()])


def task_metrics() -> str:
    """Every metric of every task, with its direction and its range."""
    rows = [
        (task.name, code(metric.key), metric.title, f"{metric.better} is better", _range(metric))
        for task in TASKS.values()
        for metric in task.metrics
    ]
    return table(("task", "key", "metric", "direction", "values"), rows)


def _range(metric: Metric) -> str:
    """Possible values of a metric in words."""
    low, high = metric.bounds
    if math.isinf(low):
        return f"up to {high:g}"
    return f"from {low:g} up" if math.isinf(high) else f"{low:g} to {high:g}, shown in %"


def report_columns() -> str:
    """Every column of a report's tables: its heading and meaning."""
    rows = [(code(name), column.label, column.meaning) for name, column in COLUMNS.items()]
    return table(("column", "heading", "meaning"), rows)


def table_columns() -> dict[str, list[str]]:
    """Table of a run folder -> its columns, as the code writes them."""
    return dict(run_folder.COLUMNS)


def meaning(name: str, column: str) -> str:
    """Meaning of a column of a table; an empty string where no text is found.

    Args:
        name: of the table.
        column: of that table.
    """
    own = MEANINGS.get(f"{name}.{column}")
    if own is not None:
        return own
    for cls, where in ((Record, "records"), (CurvePoint, "curves"), (Work, "work")):
        if where == name and column in (texts := class_texts(cls)):
            return texts[column]
    if column in (texts := class_texts(Record)):
        return texts[column]
    return COLUMNS[column].meaning if column in COLUMNS else ""


def class_texts(cls: Any) -> dict[str, str]:
    """Field -> the text below it in the source of a class, on one line; also of a named tuple."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    found: dict[str, str] = {}
    for node, below in itertools.pairwise(body.body):  # type: ignore[attr-defined]
        is_text = isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
        if is_text and isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found[node.target.id] = " ".join(str(below.value.value).split())
    return found


def _section(name: str, columns: list[str]) -> str:
    rows = [(code(column), meaning(name, column)) for column in columns]
    return page(f"## {name}.parquet", PURPOSES[name], table(("column", "meaning"), rows))
