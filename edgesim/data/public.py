"""The public data sets: finds them in the layouts they are passed around in, downloads them by torchvision."""

from __future__ import annotations

import gzip
import math
import os
import pickle
import shutil
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgesim.data import parquet
from edgesim.data.cache import DatasetFiles, cache_folder
from edgesim.data.file_bounds import check_expanded
from edgesim.data.raw_dataset import RawDataset, RawSplit, array_samples
from edgesim.errors import DataError
from edgesim.formatting import n_of

DIGIT_NAMES = tuple(str(c) for c in range(10))
FASHION_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)  # fmt: skip


@dataclass(frozen=True)
class PublicSet:
    """A data set that torchvision can download."""

    name: str
    torchvision_class: str
    files: tuple[str, ...]
    """required files, relative to the folder; idx files may be packed (.gz)"""
    archive: str | None = None
    """the archive that holds `files`, where it can lie there instead"""
    class_names: tuple[str, ...] | None = None
    """None: torchvision reads them from the files"""

    @property
    def is_idx(self) -> bool:
        """True where the files are in MNIST's format."""
        return self.files[0].endswith("-ubyte")


IDX_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
CIFAR10_FILES = (*(f"cifar-10-batches-py/data_batch_{i}" for i in range(1, 6)), "cifar-10-batches-py/test_batch")

PUBLIC: dict[str, PublicSet] = {
    "mnist": PublicSet("mnist", "MNIST", IDX_FILES, class_names=DIGIT_NAMES),
    "fashion-mnist": PublicSet("fashion-mnist", "FashionMNIST", IDX_FILES, class_names=FASHION_NAMES),
    "cifar10": PublicSet("cifar10", "CIFAR10", CIFAR10_FILES, archive="cifar-10-python.tar.gz"),
    "cifar100": PublicSet(
        "cifar100", "CIFAR100", ("cifar-100-python/train", "cifar-100-python/test"), "cifar-100-python.tar.gz"
    ),
    "svhn": PublicSet("svhn", "SVHN", ("train_32x32.mat", "test_32x32.mat"), class_names=DIGIT_NAMES),
}


def dataset_files(public: PublicSet, folder: Path) -> DatasetFiles:
    """Find a public data set in a folder: parquet files, torchvision's layout, or the archive that it comes in.

    Raises:
        DataError: the folder holds none of them.
    """
    if parquet.holds_parquet(folder):
        return parquet.dataset_files(folder, public.name, parquet.Layout())
    files = _find(public, folder)
    if files is not None:
        return DatasetFiles(
            public.name, folder, files, _decoder(public, folder, files), options=public.torchvision_class
        )
    if public.archive and (folder / public.archive).is_file():
        unpacked = _unpack(public, folder / public.archive)
        return dataset_files(public, unpacked)
    raise DataError(
        f"{folder}: does not hold {public.name}; put {wanted(public)} there, or train.parquet and test.parquet"
    )


def holds(public: PublicSet, folder: Path) -> bool:
    """True where the folder holds the data set in a layout that `dataset_files` knows."""
    packed = public.archive is not None and (folder / public.archive).is_file()
    return packed or parquet.holds_parquet(folder) or _find(public, folder) is not None


def download(public: PublicSet) -> Path:
    """Download into the cache folder, with progress and checksums, unless it is there. Returns the folder.

    Raises:
        DataError: no network, a broken connection, or a file that fails its checksum.
    """
    folder = cache_folder() / "datasets" / public.name
    if holds(public, folder):
        return folder
    import http.client  # 20 ms, which only a download needs

    import torchvision

    kind = getattr(torchvision.datasets, public.torchvision_class)
    splits: list[dict[str, Any]] = [{"split": "train"}, {"split": "test"}] if public.name == "svhn" else [{}]

    def fetch(into: Path) -> None:
        for split in splits:
            kind(root=str(into), download=True, **split)

    try:
        _build_beside(folder, fetch)
    except (OSError, RuntimeError, EOFError, http.client.HTTPException) as error:
        problem = (str(error).strip() or type(error).__name__).splitlines()[-1]
        raise DataError(
            f"{public.name} cannot be downloaded ({problem}); check the network, or put "
            f"{wanted(public)} into {folder} by hand (or into a folder that dataset.root names)"
        ) from None
    return folder


def _find(public: PublicSet, folder: Path) -> tuple[Path, ...] | None:
    """The files of torchvision's layout, packed or not; None where one is missing."""
    bases = [folder / public.torchvision_class / "raw", folder / "raw", folder] if public.is_idx else [folder]
    for base in bases:
        found = [_plain_or_packed(base / name, public.is_idx) for name in public.files]
        if all(found):
            return tuple(path for path in found if path is not None)
    return None


def _plain_or_packed(path: Path, may_be_packed: bool) -> Path | None:
    candidates = [path, path.with_name(path.name + ".gz")] if may_be_packed else [path]
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def _decoder(public: PublicSet, folder: Path, files: tuple[Path, ...]) -> Callable[[], RawDataset]:
    if public.is_idx:
        return lambda: _decode_idx(public, files)
    return lambda: _decode_torchvision(public, folder)


def _decode_idx(public: PublicSet, files: tuple[Path, ...]) -> RawDataset:
    """MNIST's four files. Not by torchvision, which unpacks them beside where they lie: that may be read-only."""
    train_samples, train_labels, test_samples, test_labels = (_read_idx(path) for path in files)
    train = RawSplit(train_labels, array_samples(train_samples[..., None]), str(files[1]))
    test = RawSplit(test_labels, array_samples(test_samples[..., None]), str(files[3]))
    return RawDataset(train, test, public.class_names, keep_all=True)


def _read_idx(path: Path) -> npt.NDArray[np.uint8]:
    """One idx file: two zero bytes, type 8 (uint8), number of dimensions, the dimensions (big-endian), the values."""
    wanted_dims = 3 if "idx3" in path.name else 1
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            header = file.read(4 + 4 * wanted_dims)
            if len(header) < 4 + 4 * wanted_dims or header[:4] != bytes([0, 0, 8, wanted_dims]):
                raise _damaged(path, f"it does not begin as an idx file of {n_of(wanted_dims, 'dimension')}")
            shape = tuple(int(size) for size in np.frombuffer(header, ">u4", wanted_dims, offset=4))
            announced = math.prod(shape)
            check_expanded(path, announced, path.stat().st_size)
            values = np.frombuffer(file.read(announced + 1), np.uint8)
    except (EOFError, zlib.error, OSError) as error:
        raise _damaged(path, str(error)) from None
    if len(values) != announced:
        found = f"{n_of(len(values), 'value')}" if len(values) < announced else f"more than {announced:,} values"
        raise _damaged(path, f"{found}, {announced:,} announced")
    return values.reshape(shape)


def _decode_torchvision(public: PublicSet, folder: Path) -> RawDataset:
    """CIFAR and SVHN by torchvision, which compares every file with its checksum before it unpickles anything."""
    import torchvision

    kind = getattr(torchvision.datasets, public.torchvision_class)
    names = public.class_names
    splits = []
    for split in ("train", "test"):
        argument: dict[str, Any] = {"split": split} if public.name == "svhn" else {"train": split == "train"}
        try:
            data = kind(root=str(folder), download=False, **argument)
        except (RuntimeError, OSError, ValueError, EOFError, TypeError, pickle.UnpicklingError) as error:
            raise _damaged(folder, f"the {split} split of {public.name}: {error}") from None
        images = data.data.transpose(0, 2, 3, 1) if public.name == "svhn" else data.data  # [N, H, W, C]
        labels = np.asarray(data.labels if public.name == "svhn" else data.targets)
        names = names or tuple(data.classes)
        splits.append(RawSplit(labels, array_samples(images), f"{folder} ({split})"))
    return RawDataset(splits[0], splits[1], names, keep_all=True)


def _unpack(public: PublicSet, archive: Path) -> Path:
    """Unpack an archive into the cache folder (where it lies may be read-only). Returns the folder."""
    import torchvision

    target = cache_folder() / "datasets" / public.name
    if _find(public, target) is not None:
        return target

    kind, tools = getattr(torchvision.datasets, public.torchvision_class), torchvision.datasets.utils
    try:
        good = tools.check_integrity(str(archive), kind.tgz_md5)
    except OSError as error:
        raise _damaged(archive, f"it cannot be read: {error.strerror}") from None
    if not good:
        raise _damaged(archive, "its checksum is not that of the published file")
    try:
        _build_beside(target, lambda into: tools.extract_archive(str(archive), str(into)))
    except OSError as error:
        raise DataError(
            f"{archive}: cannot be unpacked into {target} ({error.strerror}); make room there, or set EDGESIM_CACHE"
        ) from None
    return target


def _build_beside(target: Path, build: Callable[[Path], object]) -> None:
    """Fill a temporary folder and move its content into `target`, so that an interruption leaves nothing half done."""
    target.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        build(temporary)
        for path in temporary.iterdir():
            try:
                os.rename(path, target / path.name)
            except OSError:
                if not (target / path.name).exists():  # else another process was faster
                    raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def wanted(public: PublicSet) -> str:
    """Files to put into a folder by hand, in words."""
    if public.archive:
        return public.archive
    return ", ".join(name + (".gz" if public.is_idx else "") for name in public.files)


def _damaged(path: Path, problem: str) -> DataError:
    return DataError(f"{path}: is truncated or damaged ({problem}); replace it with a complete copy, or remove it")
