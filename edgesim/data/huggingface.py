"""Reads data sets by the library `datasets`: from the Hugging Face Hub, its cache on disk, or a folder that it saved.

The splits are written as parquet files, which keep the names of classes, and read as any parquet file. The decoded
arrays are kept under a key made of the library's own files, so that a second run writes no parquet.
"""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from os.path import commonpath
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgesim.config.validation import nearest
from edgesim.data import parquet
from edgesim.data.cache import DatasetFiles, cache_folder
from edgesim.data.held_out_split import HeldOut
from edgesim.data.parquet_tables import LABEL_COLUMNS
from edgesim.errors import DataError, shortened

if TYPE_CHECKING:
    import datasets

TEST_SPLITS = ("test", "validation")
"""names of a test split, the first that is there"""
NAME = "huggingface"
SAVED = ("dataset_dict.json", "state.json")
"""files of a folder that `save_to_disk` wrote: of several splits, or of one"""


@dataclass(frozen=True)
class Named:
    """A data set as the scenario names it."""

    path: str
    config: str | None = None
    revision: str | None = None

    def __str__(self) -> str:
        more = [text for text in (self.config, self.revision and f"revision {self.revision}") if text]
        return self.path if not more else f"{self.path} ({', '.join(more)})"


def opened(named: Named, folder: Path | None) -> Mapping[str, datasets.Dataset]:
    """Every split of a data set, by name.

    Args:
        named: the data set.
        folder: that `save_to_disk` wrote; None: the Hub, or the library's cache where the Hub is out of reach or
            HF_HUB_OFFLINE=1 is set.

    Raises:
        DataError: `datasets` is not installed, or it cannot give the data set.
    """
    try:
        import datasets
    except ImportError as error:
        raise DataError(
            f"the data set '{named}' needs Hugging Face's library `datasets`, which cannot be imported ({error}): pip "
            f"install 'edgesim[huggingface]'"
        ) from None
    try:
        with _silent(datasets):
            found = datasets.load_from_disk(str(folder)) if folder else datasets.load_dataset(**_request(named))
    except Exception as error:  # noqa: BLE001  # it reads any form of file, and raises what each reader does
        raise DataError(_refused(named, folder, error)) from None
    return {"train": found} if isinstance(found, datasets.Dataset) else dict(found)


def _request(named: Named) -> dict[str, Any]:
    """Arguments of `load_dataset`. Code of the Hub is never run: a scenario may not start a program."""
    import datasets

    known = inspect.signature(datasets.load_dataset).parameters
    code = {"trust_remote_code": False} if "trust_remote_code" in known else {}
    return {"path": named.path, "name": named.config, "revision": named.revision, "keep_in_memory": False, **code}


@contextmanager
def _silent(datasets: Any) -> Iterator[None]:
    """Without the library's own progress bars, which would break those of a run."""
    shown = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            datasets.enable_progress_bars()


def _refused(named: Named, folder: Path | None, error: Exception) -> str:
    said = shortened(next(iter(str(error).strip().splitlines()), type(error).__name__), 300).rstrip(".")
    if folder is not None:
        return f"{folder}: is no data set that `save_to_disk` wrote ({said}); name its folder in dataset.path"
    if any((Path(named.path) / name).is_file() for name in SAVED):
        return f"dataset.path: '{named}' is a saved folder, and reads like a name on the Hub; write ./{named.path}"
    return (
        f"dataset.path: `datasets` cannot give '{named}' ({said}); allowed: a data set on the Hub, with dataset.config "
        f"where it has several, one that is in the library's cache, or a saved folder, which begins with ./ or /"
    )


def chosen(
    named: Named, splits: Mapping[str, datasets.Dataset], train: str, test: str | None, held_out: HeldOut | None
) -> dict[str, datasets.Dataset]:
    """The training split, and the test split where none is held out, as "train" and "test".

    Raises:
        DataError: a split is not there, both are the same, or one is given beside `held_out`.
    """
    found = {"train": _split(named, splits, "train", train)}
    if held_out is not None:
        if test is not None:
            raise DataError(
                f"dataset.test: '{test}' is a split of {named}, and {held_out.asked} asks for another test split; give "
                f"one of them only"
            )
        return found
    name = test or next((word for word in TEST_SPLITS if word in splits and word != train), None)
    if name is None:
        raise DataError(
            f"{named}: has no split {' or '.join(TEST_SPLITS)} (it has {', '.join(splits)}); name one in dataset.test, "
            f"or give dataset.test_share"
        )
    if name == train:
        raise DataError(
            f"dataset.test: '{name}' is the training split; accuracy needs samples that were not trained on"
        )
    return {**found, "test": _split(named, splits, "test", name)}


def _split(named: Named, splits: Mapping[str, datasets.Dataset], key: str, name: str) -> datasets.Dataset:
    if name not in splits:
        raise DataError(
            f"dataset.{key}: {named} has no split '{name}'{nearest(name, splits)}; it has {', '.join(splits)}"
        )
    if len(splits[name]) == 0:
        raise DataError(f"dataset.{key}: split '{name}' of {named} has no samples")
    return splits[name]


@contextmanager
def as_parquet(named: Named, splits: Mapping[str, datasets.Dataset], layout: parquet.Layout) -> Iterator[DatasetFiles]:
    """The files of a data set, as the cache of decoded arrays takes them, while the `with` block lasts.

    Args:
        named: the data set.
        splits: "train", and "test" where no split is held out.
        layout: columns and settings; its names of files are given here.

    Raises:
        DataError: the splits have other columns than asked for, or are faulty.
    """
    features = splits["train"].features
    layout = replace(
        layout, train="train.parquet", test="test.parquet" if "test" in splits else None,
        samples=layout.samples or _samples(features), label=layout.label or _label(features),
    )  # fmt: skip
    files = tuple(Path(one["filename"]) for split in splits.values() for one in split.cache_files)
    cache_folder().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".huggingface-", dir=cache_folder()) as name:
        folder = Path(name)

        def decode() -> Any:
            for split, rows in splits.items():
                _write(rows, layout.samples, folder, split)
            return parquet.dataset_files(folder, NAME, layout).decode()

        words = f"{NAME} {named} {list(splits)} {layout}"
        try:
            yield DatasetFiles(NAME, Path(commonpath([file.parent for file in files])), files, decode, words)
        except DataError as error:
            told = str(error)
            for split in splits:
                told = told.replace(str(folder / f"{split}.parquet"), f"{named}, {split} split")
            raise DataError(told.replace(str(folder), str(named))) from None


def _samples(features: Mapping[str, Any]) -> str | None:
    """The column of recordings, where no column has images; else the reader of parquet files finds the column."""
    import datasets

    images = any(isinstance(feature, datasets.Image) for feature in features.values())
    recordings = [name for name, feature in features.items() if isinstance(feature, datasets.Audio)]
    return recordings[0] if len(recordings) == 1 and not images else None


def _label(features: Mapping[str, Any]) -> str | None:
    """The only column of classes, where none has a usual name."""
    import datasets

    classes = [name for name, feature in features.items() if isinstance(feature, datasets.ClassLabel)]
    usual = any(name in features for name in LABEL_COLUMNS)
    return classes[0] if len(classes) == 1 and not usual else None


def _write(split: datasets.Dataset, samples: str | None, folder: Path, name: str) -> None:
    """Write a split as a parquet file; recordings are decoded to numbers [1, time]."""
    import datasets

    with _silent(datasets):
        if samples is not None and isinstance(split.features.get(samples), datasets.Audio):
            numbers = datasets.Sequence(datasets.Sequence(datasets.Value("float32")))
            try:
                split = split.map(
                    lambda row: {samples: [np.asarray(row[samples]["array"], np.float32)]},
                    features=datasets.Features({**split.features, samples: numbers}),
                    cache_file_name=str(folder / f"{name}.arrow"),
                )
            except (ImportError, RuntimeError) as error:  # the decoder of recordings is a package of its own
                said = shortened(str(error).splitlines()[0], 200)
                raise DataError(
                    f"column '{samples}': recordings cannot be decoded ({said}); pip install 'datasets[audio]'"
                ) from None
        split.to_parquet(str(folder / f"{name}.parquet"))
