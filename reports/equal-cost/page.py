"""Writes the page of the study from its runs: gaps to static random at equal total cost, and what follows."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import edgesim
from edgesim.analysis.equal_cost import equal_cost
from edgesim.analysis.grouping import FULL, RANDOM
from edgesim.errors import n_of

RESULTS = "results.csv"
KEYS = ["data", "partition", "model", "optimizer", "label_noise"]
NAMES = {
    "fewer-epochs": "all data, fewer epochs",
    "rs2": "a new random subset every epoch",
    "online-loss": "half of each batch by last loss (cut at 80 %), half uniform",
    "online-loss-unbiased": "the same with unbiased weights",
    "top-loss": "one epoch on all, then the top by loss",
    "top-loss-balanced": "the same, equally many of each class",
    "random-balanced": "static random, equally many of each class",
}
"""label -> row of the tables"""
PLAIN = {"second": False, "optimizer": "adam", "label_noise": 0.0}


def write(folder: Path, runs: Path, points: Sequence[Any]) -> None:
    """Gather what is finished into results.csv, keep what it holds of other points, and write README.md from it."""
    file = folder / RESULTS
    known = pd.read_csv(file) if file.exists() else pd.DataFrame(columns=[*KEYS, "method", "keep_ratio"])
    found = [
        _gaps(point, runs / point.name, len(points))
        for point in points
        if (runs / point.name / "records.parquet").exists()
    ]
    if found:
        fresh = pd.concat(found, ignore_index=True)
        old = known.merge(fresh[KEYS].drop_duplicates(), on=KEYS, how="left", indicator=True)
        known = pd.concat([old[old["_merge"] == "left_only"].drop(columns="_merge"), fresh], ignore_index=True)
        known.to_csv(file, index=False, float_format="%.6g")
    (folder / "README.md").write_text(page(known, points), encoding="utf-8")


def _gaps(point: Any, folder: Path, planned: int) -> pd.DataFrame:
    """Rows of `equal_cost` against static random, with the accuracy of full training beside them.

    `*_all` are the ends of intervals that are simultaneous over all cells of a method in the whole study.
    """
    records = edgesim.load_run(folder).records
    table = equal_cost(records, (RANDOM,)).table
    cells = planned * records.loc[records["method"] == RANDOM, "keep_ratio"].nunique()
    together = equal_cost(records, (RANDOM,), tests=cells).table
    for column, end in itertools.product(("gap", "local_gap"), ("low", "high")):
        table[f"{column}_{end}_all"] = together[f"{column}_{end}"]
    full = records[records["method"] == FULL]
    return table.assign(
        **{key: getattr(point, key) for key in KEYS},
        full_accuracy=float(full["test_accuracy"].mean()),
        seeds=int(records["seed"].nunique()),
        devices=int(records["device"].nunique()),
    )


def page(results: pd.DataFrame, points: Sequence[Any]) -> str:
    """The page as Markdown."""
    done = results[KEYS].drop_duplicates()
    lines = ["# Accuracy at equal total cost", "", *_about(results, len(done), len(points)), "", "## What follows", ""]
    lines += [*_follows(results), ""]
    first = {point.data: point.model for point in reversed(points)}
    results = results.assign(second=results["model"] != results["data"].map(first))
    plain = results[(results[list(PLAIN)] == pd.Series(PLAIN)).all(axis=1)]
    for data in dict.fromkeys(plain["data"]):
        lines += _table(plain[plain["data"] == data], data)
    lines += _factors(results)
    return "\n".join(lines) + "\n"


def _about(results: pd.DataFrame, done: int, planned: int) -> list[str]:
    if results.empty:
        return [f"No point of {planned} is finished. `make equal-cost` runs them."]
    counts = f"{int(results['devices'].max())} devices, {int(results['seeds'].max())} seeds"
    return [
        "What does the price of a subset buy elsewhere? Every number is the accuracy of a method minus that of a",
        "static random subset of the same total emulated energy, scoring included, in points, ± half of its 95 %",
        f"interval over devices and seeds ({counts}): first on the common test set, then on the devices' own class",
        "mixes. Bold: the interval leaves out 0, each by itself.",
        "",
        f"Finished: {done} of {planned} points (data set x partition x network x optimiser x label noise).",
        "`make equal-cost` runs the others and resumes what was stopped; [results.csv](results.csv) has every row with",
        "its ends and pairs. Sizes are small, so that two CPU cores can do it: digits 480 samples on a device and 20",
        "epochs, Fashion-MNIST 600 and 10, CIFAR-10 800 and 12.",
    ]


def _follows(results: pd.DataFrame) -> list[str]:
    """One line per method: at how many of its cells it is shown above or below static random."""
    lines = []
    for method, name in NAMES.items():
        own = results[results["method"] == method]
        if own.empty:
            continue
        told = []
        for column, where in (("gap", "common test set"), ("local_gap", "own class mix")):
            up, down = (_shown(own, column, side) for side in (1, -1))
            told.append(f"{where}: mean {100 * own[column].mean():+.1f} points, above at {up}, below at {down}")
        lines.append(f"- **{name}** ({n_of(len(own), 'cell')}): {'; '.join(told)}.")
    return [
        *lines,
        "",
        "Above and below are counted with intervals simultaneous over all cells that the study plans for a method.",
    ]


def _shown(own: pd.DataFrame, column: str, side: int) -> int:
    """Cells whose interval, simultaneous over all cells that the study plans for a method, lies on one side of 0."""
    end = own[f"{column}_low_all"] if side > 0 else own[f"{column}_high_all"]
    return int((side * end > 0).sum())


def _table(plain: pd.DataFrame, data: str) -> list[str]:
    """One data set: a row per method and partition, a column per keep ratio."""
    ratios = sorted(set(plain["keep_ratio"]))
    full = ", ".join(
        f"{partition} {100 * part['full_accuracy'].iloc[0]:.1f} %"
        for partition, part in plain.groupby("partition", sort=False)
    )
    head = f"| at the price of random | partition | {' | '.join(f'{ratio:g}' for ratio in ratios)} |"
    lines = [
        f"## {data}",
        "",
        f"{plain['model'].iloc[0]}, Adam, no label noise; full training reaches {full}.",
        "",
        head,
    ]
    lines.append("|---|---|" + "---|" * len(ratios))
    for method, name in NAMES.items():
        for partition, part in plain[plain["method"] == method].groupby("partition", sort=False):
            cells = [_cell(part[np.isclose(part["keep_ratio"], ratio)]) for ratio in ratios]
            lines.append(f"| {name} | {partition} | {' | '.join(cells)} |")
    return [*lines, ""]


def _cell(rows: pd.DataFrame) -> str:
    if rows.empty:
        return "–"
    row = rows.iloc[0]
    return " / ".join(_gap(row["gap"], row["gap_low"], row["gap_high"]) if column == "gap" else
                      _gap(row["local_gap"], row["local_gap_low"], row["local_gap_high"])
                      for column in ("gap", "local_gap"))  # fmt: skip


def _gap(value: float, low: float, high: float) -> str:
    text = f"{100 * value:+.1f} ± {100 * (high - low) / 2:.1f}"
    return f"**{text}**" if low > 0 or high < 0 else text


def _factors(results: pd.DataFrame) -> list[str]:
    """Label noise, SGD and a second network: means over partitions and keep ratios, beside the plain ones."""
    changes = {
        "plain": {},
        "label noise 10 %": {"label_noise": 0.1},
        "SGD": {"optimizer": "sgd"},
        "second network": {"second": True},
    }
    head = (
        "| method | "
        + " | ".join(f"{data}, {name}" for data in dict.fromkeys(results["data"]) for name in changes)
        + " |"
    )
    if results.empty:
        return []
    columns = []
    for data in dict.fromkeys(results["data"]):
        for change in changes.values():
            wanted = {**PLAIN, **change}
            part = results[results["data"] == data]
            for key, value in wanted.items():
                part = part[part[key] == value]
            columns.append(part)
    about = "Means over partitions and keep ratios, common test set / own class mix."
    lines = ["## Label noise, optimiser, network", "", about, "", head, "|---|" + "---|" * len(columns)]  # fmt: skip
    for method, name in NAMES.items():
        cells = []
        for part in columns:
            own = part[part["method"] == method]
            means = [own[column].mean() for column in ("gap", "local_gap")]
            cells.append(" / ".join(f"{100 * value:+.1f}" for value in means) if len(own) else "–")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return [*lines, ""]
