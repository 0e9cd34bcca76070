"""Runs of a regression and of a detection, made by hand: importance is worse than full training, random equals it."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
from conftest import RUN_INFO

from edgesim.records import CurvePoint, Record, TrialResult
from edgesim.results.run_folder import SCENARIO, Run
from edgesim.results.serialization import tables
from edgesim.results.table_files import write_table
from edgesim.tasks import TASKS

FULL, WORSE, SPREAD = {"mae": 2.0, "map50": 0.5}, {"mae": 0.5, "map50": -0.15}, {"mae": 0.01, "map50": 0.003}
"""of each metric: value of full training, change by importance at keep ratio 0.5, distance of neighbouring trials"""
RATIOS = (0.25, 0.5)


def results(task: str, seeds: int = 4, devices: int = 3, sign: float = 1.0) -> list[TrialResult]:
    """Trials of full, random and importance; random equals full training, importance is worse (better with sign -1).

    Differences of importance at 0.5 are WORSE plus -1, 0 or 1 times SPREAD, by the device; at 0.25 twice as large.
    """
    metric = TASKS[task].metric
    found = []
    for seed in range(seeds):
        for device in range(devices):
            base = FULL[metric.key] * (1 + 0.01 * seed + 0.02 * device)
            for method, ratio in [("full", 1.0), *((m, r) for m in ("random", "importance") for r in RATIOS)]:
                value, noise = base, SPREAD[metric.key] * (device - 1)
                if method == "random":
                    value += noise / 100
                if method == "importance":
                    value += (sign * WORSE[metric.key] + noise) * (0.5 / ratio)
                found.append(_result(task, (seed, device, method, ratio), value))
    return found


def _result(task: str, key: tuple[int, int, str, float], value: float) -> TrialResult:
    seed, device, method, ratio = key
    first, *others = TASKS[task].metrics
    values = {first.column(of): value for of in ("test", "local", "train")}
    values |= {other.column(of): value / 10 for other in others for of in ("test", "local", "train")}
    scoring = 1.0 * (method == "importance")
    record = Record(
        f"hand-made {task}", seed, device, "pi", method, ratio, "ok", shard_size=100, subset_size=round(100 * ratio),
        test_loss=value, train_loss=value, cost_j=ratio, device_startup_s=0.0, device_score_time_s=scoring,
        device_train_time_s=100 * ratio, device_time_s=100 * ratio + scoring, device_score_energy_j=5 * scoring,
        device_energy_j=5 * (100 * ratio + scoring), analytic_time_s=90 * ratio, analytic_energy_j=400 * ratio,
        storage_bytes=round(1000 * ratio), host_wall_s=ratio, metrics=values,
    )  # fmt: skip
    curve = tuple(
        CurvePoint(epoch, value / epoch, math.nan, value / epoch, math.nan,
                   {first.column("subset"): value, first.column(): value + (2 - epoch) * 0.1 * value})
        for epoch in (1, 2)
    )  # fmt: skip
    kept = np.arange(round(100 * ratio))
    return TrialResult(record, curve, kept)


def write_run(folder: Path, task: str, **how: float) -> Run:
    """A finished run folder with the tables of `results`."""
    folder.mkdir(parents=True)
    found = results(task, **how)
    for name, table in tables(found, task).items():
        write_table(folder, name, table)
    info = {**RUN_INFO, "scenario": f"hand-made-{task}", "status": "finished", "devices": 3, "task": task,
            "seeds": [0, 1, 2, 3], "trials": {"total": len(found), "ok": len(found)}}  # fmt: skip
    (folder / "run.json").write_text(json.dumps(info))
    (folder / SCENARIO).write_text(f"name: hand-made-{task}\nreport: {{margin: 0.01}}\ntraining: {{epochs: 2}}\n")
    return Run(folder)


def as_classification(records: pd.DataFrame) -> pd.DataFrame:
    """The records of a detection with its first metric as accuracy, all else equal."""
    named = {f"{of}_map50": f"{of}_accuracy" for of in ("test", "local", "train")}
    dropped = [name for name in records if name.endswith("_map")]
    return records.drop(columns=dropped).rename(columns=named)


def replaced(run: Run, **values: object) -> Run:
    """A run with other values of cached tables."""
    other = Run(run.path)
    for name, value in values.items():
        other.__dict__[name] = value
    return other
