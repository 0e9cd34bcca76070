"""Readers of images in class folders: train/<class>/ and test/<class>/, and Tiny-ImageNet as its archive unpacks."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgesim.config.validation import nearest
from edgesim.data.cache import DatasetFiles
from edgesim.data.decode import Decoder, Item, has_colour
from edgesim.data.folder_listing import IMAGE_SUFFIXES, Survey, is_system
from edgesim.data.held_out_split import HeldOut
from edgesim.data.labels import form_notes, merged_by_form
from edgesim.data.origins import of_files
from edgesim.data.raw_dataset import RawDataset, RawSplit
from edgesim.data.reading_notes import Note, some
from edgesim.errors import DataError
from edgesim.formatting import n_of, size
from edgesim.work import ByteArray, IntArray

TEST_FOLDERS = ("test", "val", "validation", "valid")
MAX_TEXT_BYTES = 64 << 20
"""of a text of Tiny-ImageNet; its longest has 3 MB"""
TINY_FOLDER = "tiny-imagenet-200"


@dataclass(frozen=True)
class _Files:
    """The images of one split, in order, with their labels."""

    where: Path
    paths: Sequence[Path]
    labels: Sequence[int]

    def items(self, rows: IntArray | None = None) -> list[Item]:
        paths = self.paths if rows is None else [self.paths[row] for row in rows]
        return [(str(path), path) for path in paths]


@dataclass(frozen=True)
class _Found:
    """A data set in folders before it is read."""

    folder: Path
    name: str
    train: _Files
    test: _Files | None
    class_names: tuple[str, ...]
    notes: tuple[Note, ...]

    @property
    def splits(self) -> list[_Files]:
        return [self.train] if self.test is None else [self.train, self.test]


def image_folder(folder: Path, name: str, size: tuple[int, int] | None, held_out: HeldOut | None) -> DatasetFiles:
    """Find the images of `train/<class>/…` and `test/<class>/…` (or val/).

    Classes are in alphabetical order of their names. Names that differ only in their Unicode form are one class.

    Args:
        folder: holds train/ and test/ or val/; with `held_out` train/ alone, or the class folders themselves.
        name: of the data set.
        size: (H, W) to resize to, or None: all images have one size.
        held_out: takes the test split from the training split; None where there is one.

    Raises:
        DataError: a split is missing or empty, a test split and `held_out` are there both, the test split has a class
            that the training split lacks, or one file is in both splits.
    """
    train_folder, test_folder = _split_folders(folder, held_out)
    survey = Survey(folder)
    tests = [word for word in TEST_FOLDERS if (folder / word).is_dir()]
    if train_folder != folder:
        survey.beside(folder, ["train", *tests])
    in_train = merged_by_form(survey.subfolders(train_folder))
    if not in_train:
        raise DataError(f"{train_folder}: has no folders; it needs one folder of images per class")
    in_test = merged_by_form(survey.subfolders(test_folder)) if test_folder else {}
    unknown = [word for word in in_test if word not in in_train]
    if unknown and test_folder:
        raise DataError(
            f"{test_folder / unknown[0]}: the training split has no class '{unknown[0]}'"
            f"{nearest(unknown[0], in_train)}; rename or remove the folder"
        )
    splits = [_class_files(survey, train_folder, in_train, list(in_train))]
    if test_folder:
        splits.append(_class_files(survey, test_folder, in_test, list(in_train)))
    forms = [sorted({*names, *in_test.get(form, [])}) for form, names in in_train.items()]
    notes = [*form_notes(forms, "class folder name"), *_layout_notes(folder, train_folder, tests), *survey.notes()]
    test = splits[1] if test_folder else None
    found = _Found(folder, name, splits[0], test, tuple(in_train), (*notes, *_check_links(splits)))
    return _dataset_files(found, size, held_out)


def holds_tiny_imagenet(folder: Path) -> bool:
    """True where Tiny-ImageNet lies there as its archive unpacks."""
    return _tiny_folder(folder) is not None


def tiny_imagenet(folder: Path, name: str) -> DatasetFiles:
    """Find Tiny-ImageNet as its archive unpacks: train/<wnid>/images/*.JPEG and val/val_annotations.txt.

    Its test split has no labels, so val is the test split.
    """
    base = _tiny_folder(folder)
    assert base is not None, "callers ask holds_tiny_imagenet first"
    survey = Survey(base, expected=("_boxes.txt",))
    wnids = survey.subfolders(base / "train")
    classes = {wnid: c for c, wnid in enumerate(wnids)}
    train = []
    for wnid, c in classes.items():
        images = base / "train" / wnid / "images"
        train += [(path, c) for path in survey.images(images if images.is_dir() else images.parent)]
    annotations = base / "val" / "val_annotations.txt"
    test = []
    for number, line in enumerate(_lines(annotations), start=1):
        fields = line.split("\t")
        if len(fields) < 2 or fields[1] not in classes:
            raise DataError(
                f"{annotations}, line {number}: {line[:60]!r} names no image and class (wnid) of train/; "
                f"replace the file with a complete copy"
            )
        if fields[0] != os.path.basename(fields[0]) or "\0" in fields[0] or fields[0] in ("", ".", ".."):
            raise DataError(f"{annotations}, line {number}: {fields[0][:60]!r} is no name of a file in val/images/")
        test.append((base / "val" / "images" / fields[0], classes[fields[1]]))
    words = dict(line.split("\t", 1) for line in _lines(base / "words.txt") if "\t" in line)
    names = tuple(words.get(wnid, wnid) for wnid in wnids)
    splits = [
        _Files(base / part, [path for path, _ in found], [c for _, c in found])
        for part, found in (("train", train), ("val", test))
    ]
    notes = [Note("read as", f"val/ is the test split: {n_of(len(test), 'image', 'images')}", len(test))]
    named = {path for path, _ in test}
    images = base / "val" / "images"
    unnamed = [path for path in (survey.images(images) if images.is_dir() else []) if path not in named]
    if (base / "test").is_dir():
        notes.append(Note("left out", "test/ is not read, since it has no labels", 1))
    if unnamed:
        text = n_of(len(unnamed), "image of val/ is", "images of val/ are")
        text += f" left out, since {annotations.name} does not name them: {some(path.name for path in unnamed)}"
        notes.append(Note("left out", text, len(unnamed)))
    found = _Found(folder, name, splits[0], splits[1], names, (*notes, *survey.notes()))
    files = _dataset_files(found, None, None)
    texts = tuple(path for path in (annotations, base / "words.txt") if path.is_file())
    return DatasetFiles(name, folder, (*texts, *files.files), files.decode, files.options, files.notes)


def _split_folders(folder: Path, held_out: HeldOut | None) -> tuple[Path, Path | None]:
    """The folders of both splits; the test split's is None where it is held out."""
    train = folder / "train"
    there = sorted(path.name for path in folder.iterdir() if not is_system(path.name))
    test = next((folder / word for word in TEST_FOLDERS if (folder / word).is_dir()), None)
    if held_out is not None:
        if test is not None:
            raise DataError(f"{test}: is a test split, and dataset.test_share asks for another; remove one of them")
        return (train if train.is_dir() else folder), None
    if not train.is_dir():
        raise DataError(
            f"{folder}: the train split is missing; it holds {some(there) or 'nothing'}; put the images into "
            f"train/<class>/<file>{nearest('train', there)}, or let every folder be a class by dataset.test_share: 0.2"
        )
    if test is None:
        raise DataError(
            f"{folder}: the test split is missing; it holds {some(there)}; put its images into test/<class>/ or "
            f"val/<class>/, or take a share of the training images by dataset.test_share: 0.2"
        )
    return train, test


def _layout_notes(folder: Path, train: Path, tests: list[str]) -> list[Note]:
    """The notes on what serves as which split."""
    notes = []
    if train == folder:
        notes.append(Note("read as", "there is no train/: every folder is a class", 1))
    if tests and tests[0] != "test":
        notes.append(Note("read as", f"{tests[0]}/ is the test split", 1))
    if len(tests) > 1:
        unread = ", ".join(f"{word}/" for word in tests[1:])
        notes.append(Note("left out", f"{unread} not read: {tests[0]}/ is the test split", len(tests) - 1))
    return notes


def _class_files(survey: Survey, folder: Path, there: dict[str, list[str]], classes: list[str]) -> _Files:
    """The images of a split; the label of a class is its position in `classes`."""
    found = [
        (path, c) for c, form in enumerate(classes) for word in there.get(form, []) for path in
        survey.images(folder / word)
    ]  # fmt: skip
    return _Files(folder, [path for path, _ in found], [c for _, c in found])


def _check_links(splits: Sequence[_Files]) -> list[Note]:
    """The note on files that are in the training split more than once, by links.

    Raises:
        DataError: a file is in both splits, by a link to it or to a folder above it.
    """
    train, *tests = splits
    known: dict[tuple[int, int], Path] = {}
    for path in train.paths:
        known.setdefault(_identity(path), path)
    shared = [(path, known[key]) for test in tests for path in test.paths if (key := _identity(path)) in known]
    if shared:
        raise DataError(
            f"{shared[0][0]}: is the same file as {shared[0][1]} of the training split; "
            f"{n_of(len(shared), 'test image is', 'test images are')} linked like that: remove the links"
        )
    again = len(train.paths) - len(known)
    text = n_of(again, "training image is a link to another", "training images are links to others")
    return [Note("repeated", f"{text} of the training split", again)] if again else []


def _identity(path: Path) -> tuple[int, int]:
    try:
        state = path.stat()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check its permissions") from None
    return state.st_dev, state.st_ino


def _dataset_files(found: _Found, size: tuple[int, int] | None, held_out: HeldOut | None) -> DatasetFiles:
    for split in found.splits:
        if not split.paths:
            raise DataError(
                f"{split.where}: holds no images in class folders ({', '.join(IMAGE_SUFFIXES)}); at least one is needed"
            )

    def decode() -> RawDataset:
        decoder = Decoder(any(has_colour(split.items()) for split in found.splits), found.folder, size)
        train, *rest = (_raw(split, decoder, found.folder) for split in found.splits)
        return RawDataset(train, rest[0] if rest else None, found.class_names, held_out=held_out, noticed=decoder.notes)

    files = tuple(path for split in found.splits for path in split.paths)
    options = f"files {size} {found.class_names} {held_out}"
    return DatasetFiles(found.name, found.folder, files, decode, options, found.notes)


def _raw(split: _Files, decoder: Decoder, folder: Path) -> RawSplit:
    def images(rows: IntArray | None) -> Iterable[ByteArray]:
        return decoder.chunks(split.items(rows))

    labels = np.array(split.labels, dtype=np.int64)
    return RawSplit(labels, images, str(split.where), origins=of_files(split.paths, folder))


def _tiny_folder(folder: Path) -> Path | None:
    for base in (folder, folder / TINY_FOLDER):
        if (base / "train").is_dir() and (base / "val" / "val_annotations.txt").is_file():
            return base
    return None


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        return []
    if path.stat().st_size > MAX_TEXT_BYTES:
        raise DataError(f"{path}: has more than {size(MAX_TEXT_BYTES)}; replace it with a complete copy")
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (UnicodeDecodeError, OSError) as error:
        raise DataError(f"{path}: is no text in UTF-8 ({error}); replace it with a complete copy") from None
