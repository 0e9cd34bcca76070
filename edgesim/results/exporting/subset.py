"""Kept subset of a run with the samples themselves, taken from the data that the run was made with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from edgesim.data.cache import content_key
from edgesim.data.columns import Column
from edgesim.data.dataset import Dataset
from edgesim.data.sample_form import SampleArray
from edgesim.data.targets import Targets
from edgesim.errors import RunError
from edgesim.formatting import ranges
from edgesim.results.exporting.choice import trials
from edgesim.results.run_folder import SCENARIO, Run
from edgesim.scenario import loading
from edgesim.scenario.experiment import load_dataset
from edgesim.work import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Part:
    """Samples of one split as they are written."""

    samples: SampleArray
    """[n, ...] as the reader gave them"""
    labels: IntArray
    """int64 [n], of the scenario's classes"""
    targets: Targets | None
    columns: Mapping[str, Column]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class Subset:
    """Kept samples of some devices, in the order of the training set."""

    run: Run
    dataset: Dataset
    records: pd.DataFrame
    """one row per device with a subset"""
    table: pd.DataFrame
    """one row per kept sample: index, row, file, device, label, class, score, weight"""
    notes: tuple[str, ...]
    """sentences on devices without a subset and on missing scores"""

    @property
    def kept(self) -> Part:
        """The kept training samples."""
        rows, data = self.table["index"].to_numpy(), self.dataset
        targets = None if data.train_targets is None else data.train_targets[rows]
        columns = {name: column.rows(rows) for name, column in data.train_columns.items()}
        return Part(np.asarray(data.train_samples[rows]), data.train_labels[rows], targets, columns)

    @property
    def test(self) -> Part:
        """The whole test split."""
        data = self.dataset
        return Part(np.asarray(data.test_samples), data.test_labels, data.test_targets, data.test_columns)


def subset_of(
    run: Run, method: str, keep_ratio: float | None, seed: int | None = None, device: int | None = None
) -> Subset:
    """The kept samples of a method.

    Args:
        run: with at least the trials that are asked for.
        method: its label.
        keep_ratio: of the trials; None = the only one of the method, or those that a rule chose.
        seed: of the trials; None = the only one of the run.
        device: index; None = all devices.

    Raises:
        RunError: no such trial, no subset, or data that are not those of the run any more.
        DataError: the data cannot be read.
    """
    records = trials(run, method, keep_ratio, seed, device)
    usable = records[(records["status"] == "ok") & ~records["dynamic"]]
    if usable.empty:
        raise RunError(f"{run.path}: {_no_subset(records, method)}")
    keys = ["seed", "device", "method", "keep_ratio"]
    picked = run.selections.merge(usable[keys], on=keys)
    if not len(picked):
        raise RunError(f"{run.path} holds no kept samples of '{method}'; selections.parquet has none of it")
    document, folder = run.scenario, Path(run.info["scenario_folder"])
    dataset = load_dataset(loading.from_document(document, str(run.path / SCENARIO), folder))
    _check_data(run, dataset)
    picked = picked.sort_values("index", ignore_index=True)
    index = picked["index"].to_numpy(dtype=np.int64)
    scores = _scores(run, usable, picked)
    origins = dataset.origins.chosen(index)
    labels = dataset.train_labels[index]
    table = pd.DataFrame({
        "index": index, "row": origins.rows, "file": [origins.file(place) for place in range(len(index))],
        "device": picked["device"].to_numpy(), "label": labels,
        "class": [dataset.class_names[label] for label in labels.tolist()],
        "score": scores, "weight": picked["weight"].to_numpy(),
    })  # fmt: skip
    notes = []
    left_out = sorted(set(records["device"]) - set(usable["device"]))
    if left_out:
        notes.append(f"no subset of device {ranges(left_out)}: {_no_subset(records.drop(usable.index), method)}")
    if np.isnan(scores).all():
        notes.append(f"{run.path} holds no scores of '{method}'; pruning.keep_scores: true keeps them, where it scores")
    return Subset(run, dataset, usable, table, tuple(notes))


def _no_subset(records: pd.DataFrame, method: str) -> str:
    """Reason why trials have no subset."""
    first = records.iloc[0]
    if first["status"] != "ok":
        return f"'{method}' on device {first['device']} is {first['status']}: {first['reason']}"
    return f"'{method}' chooses samples anew during training, so no fixed subset is kept"


def _scores(run: Run, usable: pd.DataFrame, picked: pd.DataFrame) -> FloatArray:
    """Score of each kept sample; NaN where the run holds none."""
    known = run.scores
    first = usable.iloc[0]
    known = known[(known["method"] == first["method"]) & (known["seed"] == first["seed"])]
    found = np.full(len(picked), np.nan)
    if known.empty:
        return found
    for each in (known[known["keep_ratio"].isna()], known[known["keep_ratio"].notna()]):
        keys = ["device", "index"] + ["keep_ratio"] * bool(each["keep_ratio"].notna().any())
        joined = picked[["device", "index", "keep_ratio"]].merge(each[[*keys, "score"]], on=keys, how="left")
        values = joined["score"].to_numpy(dtype=np.float64)
        found = np.where(np.isnan(found), values, found) if len(values) == len(found) else found
    return found


def _check_data(run: Run, dataset: Dataset) -> None:
    """Refuse data that changed since the run: the indices would name other samples."""
    was, now = (run.info.get("identity") or {}).get("data"), content_key(dataset)
    if was is not None and was != now:
        raise RunError(
            f"{run.path} was made with other data than its scenario reads now (content key {was}, now {now}), so its "
            "subsets would name other samples; bring the data back as they were"
        )
