"""Readers for data in plain folders and arrays: image folders, Tiny-ImageNet's own layout, npz, digits."""

from __future__ import annotations

import importlib.util
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgesim.data.cache import Reading
from edgesim.data.decode import Decoder, Item, has_colour
from edgesim.data.images import CHUNK, ImageDataset, RawDataset, RawSplit, as_images
from edgesim.documents import nearest
from edgesim.errors import DataError
from edgesim.work import IntArray

IMAGE_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
TEST_FOLDERS = ("test", "val", "validation", "valid")
TINY_FOLDER = "tiny-imagenet-200"


@dataclass(frozen=True)
class _Files:
    """The images of one split, in order, with their labels."""

    where: Path
    paths: Sequence[Path]
    labels: Sequence[int]

    def items(self) -> list[Item]:
        return [(str(path), path) for path in self.paths]


def image_folder(folder: Path, name: str, size: tuple[int, int] | None) -> Reading:
    """Find the images of `train/<class>/…` and `test/<class>/…` (or val/).

    Args:
        folder: holds train/ and test/ or val/.
        name: of the data set.
        size: (H, W) to resize to, or None: all images have one size.

    Raises:
        DataError: a split is missing or empty, or the test split has a class that the training split lacks.
    """
    train_folder = folder / "train"
    test_folder = next((folder / word for word in TEST_FOLDERS if (folder / word).is_dir()), None)
    if not train_folder.is_dir():
        raise DataError(f"{folder}: the train split is missing; put the images into train/<class>/<file>")
    if test_folder is None:
        raise DataError(f"{folder}: the test split is missing; put its images into test/<class>/ or val/<class>/")
    names = _subfolders(train_folder)
    if not names:
        raise DataError(f"{train_folder}: has no folders; it needs one folder of images per class")
    unknown = [word for word in _subfolders(test_folder) if word not in names]
    if unknown:
        raise DataError(
            f"{test_folder / unknown[0]}: the training split has no class '{unknown[0]}'"
            f"{nearest(unknown[0], names)}; rename or remove the folder"
        )
    splits = []
    for part in (train_folder, test_folder):
        found = [(path, c) for c, word in enumerate(names) for path in _images(part / word)]
        splits.append(_Files(part, [path for path, _ in found], [c for _, c in found]))
    return _files_reading(folder, name, splits, tuple(names), size)


def holds_tiny_imagenet(folder: Path) -> bool:
    """Whether Tiny-ImageNet lies there as its archive unpacks."""
    return _tiny_folder(folder) is not None


def tiny_imagenet(folder: Path, name: str) -> Reading:
    """Find Tiny-ImageNet as its archive unpacks: train/<wnid>/images/*.JPEG and val/val_annotations.txt.

    Its test split has no labels, so val is the test split.
    """
    base = _tiny_folder(folder)
    assert base is not None, "callers ask holds_tiny_imagenet first"
    wnids = _subfolders(base / "train")
    classes = {wnid: c for c, wnid in enumerate(wnids)}
    train = [(path, c) for wnid, c in classes.items() for path in _images(base / "train" / wnid)]
    annotations = base / "val" / "val_annotations.txt"
    test = []
    for number, line in enumerate(_lines(annotations), start=1):
        fields = line.split("\t")
        if len(fields) < 2 or fields[1] not in classes:
            raise DataError(
                f"{annotations}, line {number}: {line[:60]!r} names no image and class (wnid) of train/; "
                f"replace the file with a complete copy"
            )
        test.append((base / "val" / "images" / fields[0], classes[fields[1]]))
    words = dict(line.split("\t", 1) for line in _lines(base / "words.txt") if "\t" in line)
    names = tuple(words.get(wnid, wnid) for wnid in wnids)
    splits = [
        _Files(base / part, [path for path, _ in found], [c for _, c in found])
        for part, found in (("train", train), ("val", test))
    ]
    reading = _files_reading(folder, name, splits, names, None)
    notes = tuple(path for path in (annotations, base / "words.txt") if path.is_file())
    return Reading(name, folder, (*notes, *reading.files), reading.decode, reading.options)


def npz(path: Path, name: str, keys: dict[str, str]) -> Reading:
    """Find the arrays of an .npz file.

    Args:
        path: the file, or a folder that holds exactly one .npz.
        name: of the data set.
        keys: under which names the file holds "train_images", "train_labels", "test_images", "test_labels".
    """
    if path.is_dir():
        found = sorted(path.glob("*.npz"))
        if len(found) != 1:
            raise DataError(f"{path}: holds {len(found)} .npz files; name the one to read in dataset.root")
        path = found[0]
    return Reading(name, path.parent, (path,), lambda: _decode_npz(path, keys), options=f"npz {keys}")


def digits(name: str, test_share: float) -> ImageDataset:
    """Scikit-learn's 1,797 handwritten digits (8x8, 17 grey levels, here spread over 0 to 255).

    Args:
        name: of the data set.
        test_share: in (0, 1): of each class, evenly spread over the file order, this share is the test split.
    """
    spec = importlib.util.find_spec("sklearn")
    assert spec is not None  # a dependency
    # What sklearn.datasets.load_digits reads; importing that takes longer than planning for a million devices.
    file = Path((spec.submodule_search_locations or [""])[0]) / "datasets" / "data" / "digits.csv.gz"
    table = np.loadtxt(file, delimiter=",")  # 64 pixels and the label
    images = np.rint(table[:, :-1].reshape(-1, 8, 8, 1) * (255 / 16)).astype(np.uint8)
    labels = table[:, -1].astype(np.int64)
    rank = np.zeros(len(labels), np.int64)  # of each sample within its class
    for c in range(10):
        rank[labels == c] = np.arange((labels == c).sum())
    is_test = np.floor((rank + 1) * test_share) > np.floor(rank * test_share)
    if is_test.all() or not is_test.any():
        raise DataError(f"dataset.test_share = {test_share} leaves a split empty; use a value like 0.2")
    names = tuple(str(c) for c in range(10))
    return ImageDataset(name, images[~is_test], labels[~is_test], images[is_test], labels[is_test], names)


def array_chunks(images: npt.NDArray) -> list[npt.NDArray]:
    """Views of CHUNK images each."""
    return [images[start : start + CHUNK] for start in range(0, len(images), CHUNK)]


def _files_reading(
    folder: Path, name: str, splits: list[_Files], names: tuple[str, ...], size: tuple[int, int] | None
) -> Reading:
    for split in splits:
        if not split.paths:
            raise DataError(f"{split.where}: holds no images ({', '.join(IMAGE_SUFFIXES)}); at least one is needed")

    def decode() -> RawDataset:
        decoder = Decoder(any(has_colour(split.items()) for split in splits), size)
        train, test = (
            RawSplit(_int_labels(split), decoder.chunks(split.items()), str(split.where)) for split in splits
        )
        return RawDataset(train, test, names)

    files = tuple(path for split in splits for path in split.paths)
    return Reading(name, folder, files, decode, options=f"files {size} {names}")


def _decode_npz(path: Path, keys: dict[str, str]) -> RawDataset:
    arrays = {}
    try:
        with np.load(path, allow_pickle=False) as file:
            for part, key in keys.items():
                if key not in file.files:
                    raise DataError(
                        f"{path}: has no array '{key}', only {', '.join(file.files) or 'nothing'}"
                        f"{nearest(key, file.files)}; name it in dataset.{part}"
                    )
                arrays[part] = _npz_array(file, path, key)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, TypeError) as error:
        # TypeError: a plain .npy opens as an array, which is no context manager.
        problem = "" if isinstance(error, ValueError) else f" ({error})"  # NumPy's advice there: load it unsafely
        raise DataError(f"{path}: is truncated or no .npz file{problem}; replace it with a complete copy") from None
    splits = []
    for split in ("train", "test"):
        images = as_images(arrays[f"{split}_images"], f"{path}, array '{keys[f'{split}_images']}'")
        where = f"{path}, array '{keys[f'{split}_labels']}'"
        splits.append(RawSplit(arrays[f"{split}_labels"], array_chunks(images), where))
    return RawDataset(splits[0], splits[1])


def _npz_array(file: np.lib.npyio.NpzFile, path: Path, key: str) -> npt.NDArray:
    try:
        return file[key]
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        raise DataError(
            f"{path}: array '{key}' holds Python objects, which could run code and are refused; save numbers only "
            f"(images of one shape, as uint8)"
        ) from None


def _tiny_folder(folder: Path) -> Path | None:
    for base in (folder, folder / TINY_FOLDER):
        if (base / "train").is_dir() and (base / "val" / "val_annotations.txt").is_file():
            return base
    return None


def _subfolders(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _images(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []


def _int_labels(split: _Files) -> IntArray:
    return np.array(split.labels, dtype=np.int64)
