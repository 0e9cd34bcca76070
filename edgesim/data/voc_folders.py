"""Folders and lists of Pascal VOC: finds the images and the annotations of both splits, and opens none of them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgesim.config.validation import nearest
from edgesim.data.decode import Item
from edgesim.data.folder_listing import IMAGE_SUFFIXES, is_system
from edgesim.data.held_out_split import HeldOut
from edgesim.data.reading_notes import Note, some
from edgesim.errors import DataError
from edgesim.formatting import n_of, size
from edgesim.work import IntArray

FOLDERS = ("Annotations", "ImageSets/Main", "JPEGImages")
MAX_LIST_BYTES = 64 << 20
"""of a list in ImageSets/Main; VOC 2012's longest has 0.2 MB"""


@dataclass(frozen=True)
class VocLayout:
    """Settings of the reader: which images, which classes, and the handling of odd boxes."""

    train: str | None = None
    """list of ImageSets/Main without .txt; None: see `lists_of`"""
    test: str | None = None
    classes: tuple[str, ...] | None = None
    """None: those of the training boxes, in alphabetical order"""
    unknown: Literal["error", "ignore"] = "error"
    """objects of other classes"""
    outside: Literal["error", "clip"] = "error"
    """boxes that reach over an edge by more than a pixel"""
    size: tuple[int, int] | None = None
    """(H, W) to resize to"""
    held_out: HeldOut | None = None


@dataclass(frozen=True)
class VocSplit:
    """The images of one list, with their annotations' files."""

    list_file: Path
    names: tuple[str, ...]
    images: tuple[Path, ...]
    annotations: tuple[Path, ...]

    def items(self, rows: IntArray | None = None) -> list[Item]:
        """The images, or those of some rows, as `Decoder` takes them."""
        paths = self.images if rows is None else [self.images[row] for row in rows]
        return [(str(path), path) for path in paths]


def base_folder(root: Path) -> Path:
    """The folder that holds the FOLDERS: the root, a VOC20xx in it, or one in its VOCdevkit."""
    missing = [part for part in FOLDERS if not (root / part).is_dir()]
    if not missing:
        return root
    inside = [one for parent in (root, root / "VOCdevkit") if parent.is_dir() for one in _inside(parent)]
    found = [one for one in inside if all((one / part).is_dir() for part in FOLDERS)]
    if len(found) > 1:
        named = some(one.relative_to(root) for one in found)
        raise DataError(f"{root}: holds {len(found)} data sets ({named}); name one of them in dataset.root")
    if not found:
        parts = ", ".join(f"{part}/" for part in FOLDERS)
        raise DataError(
            f"{root}: is no folder of Pascal VOC: {missing[0]}/ is missing; it needs {parts}, itself or in "
            "VOCdevkit/VOC2007 or another year"
        )
    return found[0]


def lists_of(folder: Path, layout: VocLayout) -> tuple[list[str], list[Note]]:
    """Names of the lists of the training split and of the test split, which a held-out one has not.

    Where none is named: trainval and test, where both are there; else train and test, or train and val.
    """
    where = folder / "ImageSets" / "Main"
    there = [path.stem for path in _inside(where) if path.suffix == ".txt" and not is_system(path.name)]
    for key in ("train", "test"):
        given = getattr(layout, key)
        if given is not None and given not in there:
            raise DataError(f"dataset.{key}: {where} has no {given}.txt, only {some(there, 20)}{nearest(given, there)}")
    if layout.held_out is not None:
        if layout.test is not None:
            raise DataError(f"dataset.test: names the list {layout.test}, and test_share asks for another; drop one")
        train = layout.train or next((one for one in ("trainval", "train") if one in there), None)
        names = [train]
    else:
        test = layout.test or next((one for one in ("test", "val") if one in there and one != layout.train), None)
        order = ("train", "trainval") if test == "val" else ("trainval", "train")
        names = [layout.train or next((one for one in order if one in there and one != test), None), test]
    for key, chosen in zip(("train", "test"), names, strict=False):
        if chosen is None:
            fix = ", or take a share of the training images by dataset.test_share: 0.2" if key == "test" else ""
            raise DataError(
                f"{where}: has no list for the {key} split, only {some(there, 20) or 'nothing'}; name one in "
                f"dataset.{key}{fix}"
            )
    text = " is the training split" + (f", {names[1]}.txt the test split" if len(names) > 1 else "")
    usual = names in (["trainval", "test"], ["trainval"])
    return [one for one in names if one], [] if usual else [Note("read as", f"{names[0]}.txt{text}", len(names))]


def files_by_name(folder: Path) -> dict[str, list[Path]]:
    """Images of a folder by their names without suffix."""
    found: dict[str, list[Path]] = {}
    for path in _inside(folder):
        if not is_system(path.name) and path.suffix.lower() in IMAGE_SUFFIXES:
            found.setdefault(path.stem, []).append(path)
    return found


def _inside(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({error.strerror}); check its permissions") from None


def split_of(folder: Path, name: str, by_name: dict[str, list[Path]]) -> tuple[VocSplit, list[Note]]:
    """The images that a list names."""
    path = folder / "ImageSets" / "Main" / f"{name}.txt"
    names, repeated = [], 0
    seen: set[str] = set()
    for number, line in enumerate(_lines(path), start=1):
        word = line.strip()
        if not word:
            continue
        if len(word.split()) > 1 or word != os.path.basename(word) or "\0" in word:
            raise DataError(
                f"{path}, line {number}: {word[:60]!r}; allowed: one image a line, its name without folder and suffix"
                + (" (lists of one class, with -1, 0 and 1, name no split)" if len(word.split()) == 2 else "")
            )
        if word in seen:
            repeated += 1
            continue
        seen.add(word)
        files = by_name.get(word, [])
        if len(files) != 1:
            raise DataError(f"{path}, line {number}: {_not_one(folder / 'JPEGImages' / word, files)}")
        names.append(word)
    if not names:
        raise DataError(f"{path}: names no images; at least one is needed in each split")
    annotations = [folder / "Annotations" / f"{one}.xml" for one in names]
    absent = next((one for one in annotations if not one.is_file()), None)
    if absent is not None:
        raise DataError(f"{absent}: there is no such annotation; add it, or take the image out of {path.name}")
    split = VocSplit(path, tuple(names), tuple(by_name[one][0] for one in names), tuple(annotations))
    text = f"{path.name} names {n_of(repeated, 'image', 'images')} again, read once"
    return split, [Note("repeated", text, repeated)] if repeated else []


def _not_one(image: Path, files: list[Path]) -> str:
    if not files:
        return f"there is no such image: {image}.*; add it, or take it out of the list"
    return f"there are {len(files)} such images: {some(one.name for one in files)}; leave one of them"


def _lines(path: Path) -> list[str]:
    try:
        if not path.is_file():  # reading a pipe may never end
            raise DataError(f"{path}: is no regular file; replace it with a list of images")
        if path.stat().st_size > MAX_LIST_BYTES:
            raise DataError(f"{path}: has more than {size(MAX_LIST_BYTES)}; replace it with a complete copy")
        return path.read_text(encoding="utf-8-sig").splitlines()
    except (UnicodeDecodeError, OSError) as error:
        raise DataError(f"{path}: is no text in UTF-8 ({error}); replace it with a complete copy") from None
