"""Small data sets as files of every layout, for the tests of readers."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from edgesim.data.datasets import DATASETS, Dataset, load


def png(array: np.ndarray) -> bytes:
    """A lossless image file of uint8 [H, W] (grey) or [H, W, 3]."""
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


def pixels(count: int, *shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


def write_parquet(path: Path, files: list[bytes], labels: list, names: list[str] | None = None, **columns: str) -> None:
    """A file in the Hugging Face image layout."""
    image, label = columns.get("image", "image"), columns.get("label", "label")
    table = pa.table({image: [{"bytes": file, "path": None} for file in files], label: labels})
    if names:
        features = {image: {"_type": "Image"}, label: {"names": names, "_type": "ClassLabel"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)


def read(name: str, root: Path | None = None, **keys) -> Dataset:
    return load(DATASETS[name](**({"root": str(root)} if root else {}), **keys), name)


def image_folder(folder: Path) -> Path:
    for split, per_class in (("train", 3), ("val", 1)):
        for c, name in enumerate(("ant", "bee")):
            (folder / split / name).mkdir(parents=True)
            for i in range(per_class):
                colour = np.full((4, 4, 3), 100 * c + 10 * i, np.uint8)
                (folder / split / name / f"{i}.png").write_bytes(png(colour))
    return folder


def write_npz(path: Path, **changed: object) -> Path:
    arrays = {
        "x_train": pixels(6, 4, 4, 3),
        "y_train": np.array([0, 1, 2, 0, 1, 2]),
        "x_test": pixels(3, 4, 4, 3, seed=1),
        "y_test": np.array([0, 1, 2]),
    } | changed
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    return path


def texts(data: Dataset) -> list[str]:
    """The notes of a data set as sentences."""
    return [note.text for note in data.notes]
