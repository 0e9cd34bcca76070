"""Reads parquet files in the Hugging Face image layout: a column of {bytes, path} and a column of labels."""

from __future__ import annotations

import glob
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from edgesim.data.cache import Reading
from edgesim.data.decode import Decoder, Item, has_colour
from edgesim.data.images import RawDataset, RawSplit
from edgesim.documents import nearest
from edgesim.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

ROWS = 512
LABEL_COLUMNS = ("label", "labels", "fine_label")
SPLIT_WORDS = {"train": ("train",), "test": ("test", "validation", "valid", "val")}


@dataclass(frozen=True)
class Layout:
    """What a user may say about the files; None = find out."""

    train: str | None = None
    """file name or pattern, relative to the folder"""
    test: str | None = None
    image: str | None = None
    """name of the image column"""
    label: str | None = None
    size: tuple[int, int] | None = None
    """(H, W) to resize to"""


@dataclass(frozen=True)
class _Split:
    files: tuple[Path, ...]
    image: str
    label: str
    labels: npt.NDArray = field(repr=False)
    class_names: tuple[str, ...] | None

    @property
    def where(self) -> str:
        return str(self.files[0]) if len(self.files) == 1 else f"{self.files[0].parent} ({len(self.files)} files)"


def holds_parquet(folder: Path) -> bool:
    """Whether a training split in parquet files lies in the folder."""
    return bool(_files(folder, "train", None))


def reading(folder: Path, name: str, layout: Layout) -> Reading:
    """Find the parquet files of both splits.

    Raises:
        DataError: a split is missing.
    """
    files = {split: _files(folder, split, getattr(layout, split)) for split in SPLIT_WORDS}
    for split, found in files.items():
        if not found:
            given = getattr(layout, split)
            there = sorted(p.name for p in folder.iterdir())
            wanted = given or " or ".join(f"{word}.parquet" for word in SPLIT_WORDS[split])
            raise DataError(
                f"{folder}: the {split} split is missing (no {wanted}); it holds {_some(there)}; put it there, or name "
                f"the file in dataset.{split}{nearest(wanted, there)}"
            )
    return Reading(
        name, folder, (*files["train"], *files["test"]), lambda: _decode(files, layout), options=f"parquet {layout}"
    )


def _files(folder: Path, split: str, given: str | None) -> tuple[Path, ...]:
    words = SPLIT_WORDS[split]
    patterns = [given] if given else [p.format(w) for w in words for p in ("{}.parquet", "{}-*.parquet")]
    for base in (folder, folder / "data"):
        for pattern in patterns:
            found = [base / name for name in sorted(glob.glob(pattern, root_dir=base))]
            if any(path.is_file() for path in found):
                return tuple(path for path in found if path.is_file())
    return ()


def _decode(files: dict[str, tuple[Path, ...]], layout: Layout) -> RawDataset:
    train, test = (_split(files[split], layout) for split in ("train", "test"))
    if train.class_names and test.class_names and train.class_names != test.class_names:
        raise DataError(f"{test.where}: its class names differ from those of {train.where}; use one list for both")
    colour = any(has_colour(_items(split)) for split in (train, test))
    decoder = Decoder(colour, layout.size)
    raw = [RawSplit(split.labels, decoder.chunks(_items(split)), split.where) for split in (train, test)]
    return RawDataset(raw[0], raw[1], train.class_names or test.class_names)


def _split(files: tuple[Path, ...], layout: Layout) -> _Split:
    """Columns, labels and class names of one split."""
    schema = _open(files[0]).schema_arrow
    image = _image_column(schema, layout.image, files[0])
    label = _label_column(schema, layout.label, files[0])
    labels = []
    for path in files:
        column = _read_labels(path, label)
        if column.null_count:
            row = column.is_null().to_numpy(zero_copy_only=False).argmax()
            raise DataError(f"{path}: row {row} has no {label}; remove the row, or give its label")
        labels.append(column.to_numpy(zero_copy_only=False))
    return _Split(files, image, label, np.concatenate(labels), _class_names(schema, label, files[0]))


def _items(split: _Split) -> Iterator[Item]:
    """Every image of a split with its file and row."""
    import pyarrow as pa

    for path in split.files:
        row = 0
        try:
            for batch in _open(path).iter_batches(batch_size=ROWS, columns=[split.image]):
                for value in batch.column(0).to_pylist():
                    content = value.get("bytes") if isinstance(value, dict) else value
                    where = f"{path}, row {row}"
                    if not content:
                        raise DataError(f"{where}: has no image bytes; save the data set with the images embedded")
                    yield where, content
                    row += 1
        except (pa.ArrowException, OSError) as error:
            raise _damaged(path, error) from None


def _read_labels(path: Path, label: str) -> pa.ChunkedArray:
    import pyarrow as pa

    file = _open(path)
    if label not in file.schema_arrow.names:
        raise _no_column(path, label, file.schema_arrow.names, "label")
    try:
        return file.read(columns=[label]).column(0)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from None


def _open(path: Path) -> pq.ParquetFile:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from None


def _image_column(schema: pa.Schema, given: str | None, path: Path) -> str:
    import pyarrow.types as types

    if given is not None and given not in schema.names:
        raise _no_column(path, given, schema.names, "image")

    def is_image(kind: pa.DataType) -> bool:
        encoded = types.is_struct(kind) and any(kind.field(i).name == "bytes" for i in range(kind.num_fields))
        return encoded or types.is_binary(kind) or types.is_large_binary(kind)

    images = [column.name for column in schema if is_image(column.type)]
    if given is not None and given not in images:
        raise DataError(f"{path}: column '{given}' is {schema.field(given).type}; allowed: {{bytes, path}} or bytes")
    if given is None and len(images) != 1:
        problem = f"several image columns ({', '.join(images)})" if images else "no image column {bytes, path}"
        raise DataError(f"{path}: has {problem} among {', '.join(schema.names)}; name it in dataset.image")
    return given or images[0]


def _label_column(schema: pa.Schema, given: str | None, path: Path) -> str:
    import pyarrow.types as types

    label = given or next((name for name in LABEL_COLUMNS if name in schema.names), None)
    if label is None or label not in schema.names:
        raise _no_column(path, label or LABEL_COLUMNS[0], schema.names, "label")
    kind = schema.field(label).type
    if not types.is_integer(kind):
        raise DataError(f"{path}: column '{label}' is {kind}; allowed: whole numbers, 0 to the number of classes - 1")
    return label


def _class_names(schema: pa.Schema, label: str, path: Path) -> tuple[str, ...] | None:
    """The names that the Hugging Face metadata gives the classes; None where it does not."""
    metadata = (schema.metadata or {}).get(b"huggingface")
    if metadata is None:
        return None
    try:
        names = json.loads(metadata)["info"]["features"][label].get("names")
    except (ValueError, KeyError, TypeError, AttributeError):
        return None  # other tools write other things there; the labels alone will do
    return tuple(str(name) for name in names) if isinstance(names, list) and names else None


def _no_column(path: Path, wanted: str, there: list[str], key: str) -> DataError:
    return DataError(
        f"{path}: has no column '{wanted}', only {', '.join(there)}{nearest(wanted, there)}; name it in dataset.{key}"
    )


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(f"{path}: is truncated or no parquet file ({error}); replace it with a complete copy")


def _some(names: list[str]) -> str:
    return ", ".join(names[:8]) + (", …" if len(names) > 8 else "") if names else "nothing"
