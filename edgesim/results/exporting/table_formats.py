"""Subsets as arrays and tables: npz, parquet in the Hugging Face layout, and csv."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgesim.data.boxes import Boxes
from edgesim.data.dataset import Dataset
from edgesim.errors import RunError
from edgesim.results.exporting.image_formats import png
from edgesim.results.exporting.subset import Part

if TYPE_CHECKING:
    import pyarrow as pa

Parts = Mapping[str, Part]
"""split ("train", "test") -> its samples"""
Written = tuple[list[str], dict[str, Any]]
"""file of each kept sample below the folder, and the `dataset` section that reads the folder"""


def write_npz(parts: Parts, dataset: Dataset, folder: Path) -> Written:
    """Write data.npz: x_train, y_train, columns, and class_names.

    Samples are as the reader gave them. Labels are class ids, or the numbers of a regression.
    """
    _refuse_boxes(dataset, "npz")
    arrays: dict[str, Any] = {"class_names": np.array(dataset.class_names, dtype=np.str_)}
    columns: dict[str, Any] = {}
    for split, part in parts.items():
        arrays[f"x_{split}"] = part.samples
        arrays[f"y_{split}"] = part.labels if part.targets is None else part.targets
        for place, (name, column) in enumerate(part.columns.items()):
            key = f"column{place}_{split}"
            arrays[key] = np.array(column.names, dtype=np.str_)[column.codes]
            columns.setdefault(name, []).append(key)
    with (folder / "data.npz").open("wb") as file:
        np.savez(file, **arrays)
    section: dict[str, Any] = {"name": "npz", "root": "data.npz"}
    if columns:
        section["columns"] = {name: keys if len(keys) > 1 else keys[0] for name, keys in columns.items()}
    form = dataset.sample_form
    if parts["train"].samples.dtype == np.uint8 and parts["train"].samples.ndim in (3, 4):
        section |= {"form": "images", "channels": "last"} if form.is_image else {"form": "arrays"}
    elif parts["train"].samples.ndim in (3, 4) and not form.tokens:
        section["channels"] = "first"
    return ["data.npz"] * len(parts["train"]), section


def write_parquet(parts: Parts, dataset: Dataset, folder: Path) -> Written:
    """Write train.parquet (and test.parquet): images as PNG {bytes, path}, other samples as lists of their shape.

    Labels are class ids with their names in the metadata of Hugging Face `datasets`, or the number of a regression.
    """
    import pyarrow.parquet as pq

    _refuse_boxes(dataset, "parquet")
    _refuse_several_targets(dataset, "parquet")
    is_image = dataset.sample_form.is_image
    samples = "image" if is_image else "x"
    features: dict[str, Any] = {"image": {"_type": "Image"}} if is_image else {}
    if dataset.task == "classification":
        features["label"] = {"names": list(dataset.class_names), "_type": "ClassLabel"}
    for split, part in parts.items():
        _check_names(part, (samples, "label"), "parquet")
        table = _arrow(part, samples, is_image)
        features |= {name: {"dtype": "string", "_type": "Value"} for name in part.columns} if features else {}
        if features:
            table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
        pq.write_table(table, folder / f"{split}.parquet")
    section: dict[str, Any] = {"name": "parquet", "root": ".", "samples": samples, "label": "label"}
    part = parts["train"]
    if dataset.sample_form.tokens:
        section["tokens"] = True
    elif not is_image and part.samples.dtype == np.uint8 and part.samples.ndim in (3, 4):
        section["form"] = "arrays"
    if not is_image and part.samples.ndim in (3, 4) and not dataset.sample_form.tokens:
        section["channels"] = "first"
    return ["train.parquet"] * len(part), section


def write_csv(parts: Parts, dataset: Dataset, folder: Path) -> Written:
    """Write train.csv (and test.csv): columns of features and groups, and the label as its class's name.

    Features have the names of the original data. Where these have none, or one is that of another column here, they
    are `feature_0`, `feature_1`, ….
    """
    form, shape = dataset.sample_form, parts["train"].samples.shape
    if form.tokens or len(shape) != 2:
        raise RunError(
            f"csv holds vectors of features; these samples are {form.describe(shape[1:])}: take npz or parquet"
        )
    _refuse_several_targets(dataset, "csv")
    features, others = list(dataset.feature_names), {"label", *parts["train"].columns}
    if not features or others & set(features):
        features = [f"feature_{place}" for place in range(shape[1])]
    for split, part in parts.items():
        _check_names(part, (*features, "label"), "csv")
        columns = [np.array(column.names, dtype=object)[column.codes] for column in part.columns.values()]
        text = io.StringIO(newline="")
        lines = csv.writer(text, lineterminator="\n")
        lines.writerow([*features, *part.columns, "label"])
        write = _number_writer(part.samples.dtype)
        for row, values in enumerate(part.samples):
            label = _label(part, dataset, row)
            lines.writerow([*map(write, values), *(column[row] for column in columns), label])
        (folder / f"{split}.csv").write_text(text.getvalue(), encoding="utf-8")
    section = {"name": "csv", "root": ".", "label": "label", "features": features}
    return ["train.csv"] * len(parts["train"]), section


def _arrow(part: Part, samples: str, is_image: bool) -> pa.Table:
    """The samples of a split as a table."""
    import pyarrow as pa

    if is_image:
        kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        cells = pa.array([{"bytes": png(image), "path": None} for image in part.samples], type=kind)
    else:
        cells = pa.array(np.ascontiguousarray(part.samples).reshape(-1))
        for side in reversed(part.samples.shape[1:]):
            cells = pa.FixedSizeListArray.from_arrays(cells, side)
    labels = part.labels if part.targets is None else np.asarray(part.targets)[:, 0]
    columns = {name: pa.array([column.names[code] for code in column.codes]) for name, column in part.columns.items()}
    return pa.table({samples: cells, "label": pa.array(labels), **columns})


def _label(part: Part, dataset: Dataset, row: int) -> str:
    """Text of a sample's label: the class's name, or the number of a regression."""
    if part.targets is None:
        return dataset.class_names[int(part.labels[row])]
    return str(np.asarray(part.targets)[row, 0])


def _number_writer(kind: np.dtype[Any]) -> Callable[[Any], str]:
    """Function that writes a number with all its digits."""
    return str if kind.kind in "iu" else lambda value: "" if np.isnan(value) else str(value)


def _refuse_boxes(dataset: Dataset, name: str) -> None:
    if isinstance(dataset.train_targets, Boxes):
        raise RunError(f"{name} holds no boxes; take --as voc or indices for a detection")


def _refuse_several_targets(dataset: Dataset, name: str) -> None:
    _refuse_boxes(dataset, name)
    targets = dataset.train_targets
    if isinstance(targets, np.ndarray) and targets.shape[1] > 1:
        raise RunError(f"{name} holds one number to predict, and these samples have {targets.shape[1]}: take npz")


def _check_names(part: Part, taken: tuple[str, ...], kind: str) -> None:
    both = sorted(set(part.columns) & set(taken))
    if both:
        raise RunError(f"the data have a column '{both[0]}', which {kind} needs for itself here: take npz")
