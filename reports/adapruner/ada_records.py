"""What the study keeps of a finished point: its trials in one small file, from which page and results are written.

A file is points/NAME.parquet. Run folders can be removed once it is there, unless a later point trains on their sets.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
from ada_points import PaperPoint, Point
from study import running

from edgesim.records import TRANSFER_COLUMNS

FOLDER = "points"
OF_RECORDS = [
    "seed", "device", "method", "keep_ratio", "status", "dynamic", "shard_size", "subset_size", "test_accuracy",
    "test_map50", "train_accuracy", "device_time_s", "device_score_time_s", "device_energy_j", "device_score_energy_j",
    "device_startup_energy_j", "host_wall_s", *TRANSFER_COLUMNS,
]  # fmt: skip
VALUE, THRESHOLD, SPREAD = "value", "r_threshold", "class_share_change"
"""trial: its metric on the test set; share of gates over 0.5 at the end of AdaPruner's training; total variation
distance of the kept samples' class shares from the shard's"""
CLASS_SHARE = "class_share_"
"""trial: the beginning of a column's name, before a class's number: its share of the kept samples"""


def file_of(folder: Path, name: str) -> Path:
    """The file of a point."""
    return folder / FOLDER / f"{name}.parquet"


def read(folder: Path, point: Point | PaperPoint) -> pd.DataFrame | None:
    """The trials of a point as it is designed now; None where there are none."""
    file = file_of(folder, point.name)
    if not file.exists():
        return None
    table = pd.read_parquet(file)
    return table if table.attrs["design"] == point.design else None


def keep(folder: Path, point: Point | PaperPoint, run: Path) -> None:
    """Write the file of a finished point.

    Raises:
        EdgesimError: the run is not finished, or has failed trials.
    """
    found = running.finished(run)
    records = found.records
    table = records[[name for name in OF_RECORDS if name in records]].copy()
    table[VALUE] = records[found.metric.column()]
    notes = [json.loads(text) if text else {} for text in records["notes"]]
    table[THRESHOLD] = [float(note.get(THRESHOLD, np.nan)) for note in notes]
    changes = _class_changes(found.selections, found.shards)
    table = table.merge(changes, on=["seed", "device", "method", "keep_ratio"], how="left")
    minutes = round(float(records["host_wall_s"].sum()) / 60, 2)
    table.attrs = {"design": point.design, "minutes": minutes, "metric": found.metric.key}
    (folder / FOLDER).mkdir(exist_ok=True)
    table.to_parquet(file_of(folder, point.name), index=False, compression="zstd", write_statistics=False)


def class_columns(table: pd.DataFrame) -> list[str]:
    """The columns of CLASS_SHARE, by class."""
    numbers = (name.removeprefix(CLASS_SHARE) for name in table if str(name).startswith(CLASS_SHARE))
    return [f"{CLASS_SHARE}{number}" for number in sorted((one for one in numbers if one.isdigit()), key=int)]


def _class_changes(selections: pd.DataFrame, shards: pd.DataFrame) -> pd.DataFrame:
    """`seed device method keep_ratio`, SPREAD and CLASS_SHARE of every trial with a subset."""
    key = ["seed", "device", "method", "keep_ratio"]
    held = shards.groupby(["seed", "device"])["label"].value_counts(normalize=True).rename("held").reset_index()
    kept = selections.merge(shards[["seed", "device", "index", "label"]], on=["seed", "device", "index"])
    shares = kept.groupby(key)["label"].value_counts(normalize=True).rename("share").reset_index()
    rows = []
    for trial, part in shares.groupby(key):
        whole = held[(held["seed"] == trial[0]) & (held["device"] == trial[1])].set_index("label")["held"]
        own = part.set_index("label")["share"].reindex(whole.index, fill_value=0.0)
        told = {f"{CLASS_SHARE}{label}": float(value) for label, value in own.sort_index().items()}
        rows.append({**dict(zip(key, trial, strict=True)), SPREAD: 0.5 * float((own - whole).abs().sum()), **told})
    return pd.DataFrame(rows, columns=None if rows else [*key, SPREAD])
