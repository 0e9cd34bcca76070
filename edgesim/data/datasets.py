"""The table of data sets, and `load`: a dataset section of a scenario -> samples and labels.

Each entry of the table is the `dataset:` section of the YAML without its name. A user's own data set
subclasses `DatasetSource`, as these do. Readers are imported when data are loaded: a check of a scenario needs none.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from edgesim.config import user_code
from edgesim.config.checked_dataclass import checked_dataclass
from edgesim.config.document_bounds import user_path
from edgesim.data.boxes import check_packages
from edgesim.data.dataset import Dataset
from edgesim.data.dataset_arguments import DatasetSource, Limits
from edgesim.data.own_files import Csv, HuggingFace, ImageFolder, Npz, Parquet
from edgesim.data.reading_notes import Note
from edgesim.data.sample_form import CHANNELS
from edgesim.data.voc_dataset import Voc
from edgesim.errors import DataError

__all__ = ["DATASETS", "Dataset", "DatasetSource", "describe", "find", "load"]


@checked_dataclass(kw_only=True)
class Digits(Limits):
    """1,797 real handwritten digits, 8x8 grey, 10 classes; part of edgesim, no download."""

    test_share: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """share of each class that is the test split"""

    def load(self, base: Path | None) -> Dataset:
        """As `DatasetSource.load`; needs no files."""
        from edgesim.data import arrays

        return self._limited(arrays.digits("digits", self.test_share))


@checked_dataclass(kw_only=True)
class _Public(Limits):
    NAME: ClassVar[str]

    root: str | None = None
    """folder with the data; left out: $EDGESIM_DATA and the cache are searched"""
    download: bool = True
    """downloads into the cache where the data is not found"""

    def load(self, base: Path | None) -> Dataset:
        """As `DatasetSource.load`; downloads where `base` is None."""
        from edgesim.data import public

        kind = public.PUBLIC[self.NAME]
        found = base is not None and (self.root is not None or public.holds(kind, base))
        if not found and not self.download:
            raise DataError(
                f"{self.NAME} is not there and dataset.download is false; looked in {_searched(self.NAME)}; put "
                f"{public.wanted(kind)} there, name its folder in dataset.root, or allow the download"
            )
        folder = base if base is not None and found else public.download(kind)
        return self._read(public.dataset_files(kind, folder))


@checked_dataclass(kw_only=True)
class Mnist(_Public):
    """Handwritten digits, 28x28 grey, 60,000 + 10,000, 10 classes; downloads 11 MB."""

    NAME: ClassVar[str] = "mnist"


@checked_dataclass(kw_only=True)
class FashionMnist(_Public):
    """Articles of clothing, 28x28 grey, 60,000 + 10,000, 10 classes; downloads 30 MB."""

    NAME: ClassVar[str] = "fashion-mnist"


@checked_dataclass(kw_only=True)
class Cifar10(_Public):
    """Photographs, 32x32 colour, 50,000 + 10,000, 10 classes; downloads 170 MB, or reads parquet files."""

    NAME: ClassVar[str] = "cifar10"


@checked_dataclass(kw_only=True)
class Cifar100(_Public):
    """Photographs, 32x32 colour, 50,000 + 10,000, 100 classes; downloads 169 MB, or reads parquet files."""

    NAME: ClassVar[str] = "cifar100"


@checked_dataclass(kw_only=True)
class Svhn(_Public):
    """House numbers, 32x32 colour, 73,257 + 26,032, 10 classes; downloads 246 MB, or reads parquet files."""

    NAME: ClassVar[str] = "svhn"


@checked_dataclass(kw_only=True)
class TinyImagenet(Limits):
    """Photographs, 64x64 colour, 100,000 + 10,000, 200 classes (or fewer); parquet files or its own archive."""

    root: str | None = None
    """folder with the parquet files, or with train/ and val/; left out: $EDGESIM_DATA and the cache are searched"""

    def load(self, base: Path | None) -> Dataset:
        """As `DatasetSource.load`."""
        from edgesim.data import folders, parquet

        fix = "unpack tiny-imagenet-200.zip there, or put train.parquet and test.parquet there"
        if base is None:
            raise DataError(f"tiny-imagenet is not there; looked in {_searched('tiny-imagenet')}; {fix}")
        if folders.holds_tiny_imagenet(base):
            return self._read(folders.tiny_imagenet(base, "tiny-imagenet"))
        if not parquet.holds_parquet(base):
            raise DataError(f"{base}: does not hold tiny-imagenet; {fix}")
        return self._read(parquet.dataset_files(base, "tiny-imagenet", parquet.Layout()))


DATASETS: dict[str, type[DatasetSource]] = {
    "digits": Digits,
    "mnist": Mnist,
    "fashion-mnist": FashionMnist,
    "cifar10": Cifar10,
    "cifar100": Cifar100,
    "svhn": Svhn,
    "tiny-imagenet": TinyImagenet,
    "parquet": Parquet,
    "image-folder": ImageFolder,
    "npz": Npz,
    "csv": Csv,
    "voc": Voc,
    "huggingface": HuggingFace,
}


def load(source: DatasetSource, name: str, relative_to: Path | None = None) -> Dataset:
    """Read a data set.

    Args:
        source: an instance of a class of DATASETS, or of a user's own.
        name: its name in the scenario; the folder of that name is looked for.
        relative_to: folder that a relative `root` is looked for in first, normally that of the scenario.

    Raises:
        DataError: naming the file and the fix.
    """
    if source.task == "detection":
        check_packages()
    base = find(source.location, name, relative_to, source.location_key)
    if name in DATASETS:
        return source.load(base)
    with user_code.boundary(f"the data set {name} cannot be read"):
        dataset = source.load(base)
        if not isinstance(dataset, Dataset):
            raise DataError(f"{name} loads {type(dataset).__name__}; give a Dataset")
        if dataset.task != source.task:
            raise DataError(
                f"{name} says that its task is {source.task}, and loads a {dataset.task}; give its class "
                f'task = "{dataset.task}", or load the other'
            )
        return replace(dataset, notes=(*dataset.notes, *_doubts(dataset)))


def _doubts(dataset: Dataset) -> list[Note]:
    """The note on images of a user's own class that look as if their channels came first."""
    if not dataset.sample_form.is_image:
        return []
    height, width, channels = dataset.train_samples.shape[1:]
    if height not in CHANNELS or channels in CHANNELS:
        return []
    text = f"the images are read as {height}x{width} pixels of {channels} channels; if their channels come first, "
    return [Note("read as", f"{text}give them as [N, H, W, C]", len(dataset.train_labels))]


def find(root: str | None, name: str, relative_to: Path | None = None, key: str = "root") -> Path | None:
    """The search path: `root`, then $EDGESIM_DATA/<name>, then datasets/<name> in the user's cache folder.

    Args:
        root: what the scenario says. Where it is given, nothing else is tried. A relative one is looked for in
            `relative_to`, the working directory and $EDGESIM_DATA.
        name: of the data set.
        relative_to: see `root`.
        key: of the section that gives `root`, for messages.

    Returns: the first that is a folder with something in it (or, as `root`, a file); None where there is none.

    Raises:
        DataError: `root` is given and is not there.
        ScenarioError: it is no path.
    """
    if root is None:
        return next((place for place in _places(name) if place.is_dir() and any(place.iterdir())), None)
    given = user_path(root, f"dataset.{key}")
    bases = [relative_to, Path.cwd(), _data_folder()]
    places = [base / given for base in bases if base is not None]  # an absolute `given` stays as it is
    found = next((place for place in places if place.exists()), None)
    if found is None:
        tried = ", ".join(dict.fromkeys(str(place) for place in places))
        unset = "" if given.is_absolute() or _data_folder() else ", or set EDGESIM_DATA to the folder that it is in"
        raise DataError(
            f"dataset.{key}: '{root}' does not exist (looked for {tried}); give the folder with the data{unset}"
        )
    return found


def describe(name: str) -> str:
    """One line on a data set of the table, for `edgesim list datasets`."""
    return (DATASETS[name].__doc__ or "").strip().splitlines()[0]


def _data_folder() -> Path | None:
    given = os.environ.get("EDGESIM_DATA")
    return user_path(given) if given else None


def _places(name: str) -> list[Path]:
    from edgesim.data.cache import cache_folder

    data = _data_folder()
    return [*([data / name] if data else []), cache_folder() / "datasets" / name]


def _searched(name: str) -> str:
    return " and ".join(str(place) for place in _places(name)) + (
        "" if _data_folder() else " (EDGESIM_DATA is not set)"
    )
