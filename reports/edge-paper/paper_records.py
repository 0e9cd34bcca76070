"""What the study keeps of a finished point: its trials in one small file, from which page and results are written.

A file is points/NAME.parquet: the columns COLUMNS of every trial, and ATTRIBUTES of the point in the file's metadata.
Run folders can be removed: nothing is read from them once the file is there.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
from paper_points import Point
from study import running

import edgesim
from edgesim.analysis.grouping import FULL
from edgesim.scenario.experiment import load_dataset

FOLDER = "points"
OF_RECORDS = [
    "seed", "device", "profile", "method", "keep_ratio", "status", "dynamic", "shard_size", "subset_size",
    "test_accuracy", "local_accuracy", "train_accuracy", "score_flops", "train_flops", "steps", "device_time_s",
    "device_startup_s", "device_score_time_s", "device_train_time_s", "device_throttled_s", "device_energy_j",
    "device_startup_energy_j", "device_score_energy_j", "analytic_time_s", "analytic_score_time_s", "storage_bytes",
    "peak_memory_bytes", "host_wall_s",
]  # fmt: skip
SKEW, CLASSES, WRONG, HARD = "skew", "kept_classes", "kept_wrong_labels", "kept_hardness"
"""device: total variation distance of its class shares from the fleet's. Trial: share of the device's classes that it
keeps; share of wrong labels among what it keeps; mean `hardness` of what it keeps"""
CHOICE = "choice"
"""trial of `auto`: what it chose and why, as its record says; the column is there where a trial has one"""
NEIGHBOURS = 10
MOST_SAMPLES = 3_000
"""of a data set whose neighbours are looked for"""
KEY = ["seed", "device", "method", "keep_ratio"]


def file_of(folder: Path, point: Point) -> Path:
    """The file of a point."""
    return folder / FOLDER / f"{point.name}.parquet"


def read(folder: Path, point: Point) -> pd.DataFrame | None:
    """The trials of a point as it is designed now; None where there are none. `attrs` has ATTRIBUTES."""
    file = file_of(folder, point)
    if not file.exists():
        return None
    table = pd.read_parquet(file)
    return table if table.attrs["design"] == point.design else None


def keep(folder: Path, point: Point, run: Path) -> None:
    """Write the file of a finished point."""
    table = of_run(point, run)
    (folder / FOLDER).mkdir(exist_ok=True)
    table.to_parquet(file_of(folder, point), index=False, compression="zstd", write_statistics=False)


def of_run(point: Point, folder: Path) -> pd.DataFrame:
    """The trials of a finished run, with its attributes.

    Raises:
        EdgesimError: the run is not finished, or has failed trials.
    """
    run = running.finished(folder)
    records = run.records
    choices = records["notes"].map(choice_of)
    table = records[OF_RECORDS].assign(**({CHOICE: choices} if choices.any() else {}))
    table = table.merge(_skews(run.shards), on=["seed", "device"], how="left")
    table = table.merge(_kept(run.selections, run.shards, _about_samples(point)), on=KEY, how="left")
    for name in table.select_dtypes("float64"):
        if name not in ("keep_ratio", "device_energy_j"):  # these two are compared with one another, bit for bit
            table[name] = table[name].astype("float32")
    curve = run.curves[run.curves["method"] == FULL].groupby("epoch")["subset_accuracy"].mean()
    table.attrs = {
        "design": point.design,
        "epochs": point.epochs,
        "minutes": round(float(records["host_wall_s"].sum()) / 60, 2),
        "train_curve": [round(float(value), 4) for value in curve],
    }
    return table


def choice_of(notes: str) -> str:
    """The note `auto` of a record, '' where there is none.

    Args:
        notes: the record's, as JSON; '' = none.
    """
    return str(json.loads(notes).get("auto", "")) if notes else ""


def _skews(shards: pd.DataFrame) -> pd.DataFrame:
    """`seed device skew`: total variation distance between class shares of a device and of all devices together."""
    counts = shards.groupby(["seed", "device", "label"]).size().unstack(fill_value=0)
    shares = counts.div(counts.sum(axis=1), axis=0)
    whole = counts.groupby("seed").sum()
    whole = whole.div(whole.sum(axis=1), axis=0)
    distance = 0.5 * shares.sub(whole.reindex(shares.index, level="seed")).abs().sum(axis=1)
    return distance.rename(SKEW).reset_index()


def _kept(selections: pd.DataFrame, shards: pd.DataFrame, about: pd.DataFrame) -> pd.DataFrame:
    """KEY, CLASSES, WRONG and HARD of every trial with a subset.

    Args:
        selections, shards: the run's tables.
        about: from `_about_samples`.
    """
    held = shards.groupby(["seed", "device"])["label"].nunique().rename("held")
    kept = selections.merge(shards[["seed", "device", "index", "label"]], on=["seed", "device", "index"])
    kept = kept.merge(about, left_on="index", right_index=True)
    trials = kept.groupby(KEY)
    found = trials[[WRONG, HARD]].mean().assign(classes=trials["label"].nunique()).reset_index()
    found = found.merge(held.reset_index(), on=["seed", "device"])
    return found.assign(**{CLASSES: found["classes"] / found["held"]})[[*KEY, CLASSES, WRONG, HARD]]


def _about_samples(point: Point) -> pd.DataFrame:
    """WRONG and HARD of every training sample, by its index; NaN in HARD beyond MOST_SAMPLES."""
    given, clean = (
        load_dataset(edgesim.load_scenario(point.file, {**point.overrides, **changes}))
        for changes in ({}, {"dataset.label_noise": 0.0} if "dataset.label_noise" in point.overrides else {})
    )
    labels = np.asarray(clean.train_labels)
    count = len(labels)
    hard = hardness(np.asarray(given.train_samples), labels) if count <= MOST_SAMPLES else np.full(count, np.nan)
    return pd.DataFrame({WRONG: (np.asarray(given.train_labels) != labels).astype(float), HARD: hard})


def hardness(samples: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Share of other classes among the nearest samples of the training set, by Euclidean distance of raw values.

    It needs no network, so that it says nothing about one: a sample is hard where its neighbourhood is of other
    classes.

    Args:
        samples: [N, ...].
        labels: int [N].

    Returns: float [N], in [0, 1]; of NEIGHBOURS samples, or all others where there are fewer.
    """
    flat = samples.reshape(len(samples), -1).astype(np.float64)
    squares = (flat**2).sum(axis=1)
    distances = squares[:, None] + squares[None, :] - 2 * flat @ flat.T
    np.fill_diagonal(distances, np.inf)
    count = min(NEIGHBOURS, len(samples) - 1)
    nearest = np.argpartition(distances, count - 1, axis=1)[:, :count]
    return np.asarray((labels[nearest] != labels[:, None]).mean(axis=1))
