"""Reader of detection data in the layout of Pascal VOC: JPEGImages/, Annotations/*.xml and ImageSets/Main/*.txt."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgesim.config.validation import nearest
from edgesim.data.boxes import NO_OBJECT, Boxes
from edgesim.data.cache import DatasetFiles
from edgesim.data.decode import Decoder, has_colour, upright_size
from edgesim.data.origins import of_files
from edgesim.data.raw_dataset import RawDataset, RawSplit
from edgesim.data.reading_notes import Note, some
from edgesim.data.voc_annotations import Annotation, fitted_box, read_annotation
from edgesim.data.voc_folders import VocLayout, VocSplit, base_folder, files_by_name, lists_of, split_of
from edgesim.errors import DataError
from edgesim.formatting import n_of
from edgesim.work import ByteArray, IntArray

MAX_CLASSES = 10_000


@dataclass
class _Seen:
    """Odd things met while the annotations are read, for notes."""

    clipped: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    difficult: dict[str, int] = field(default_factory=dict)
    empty: dict[str, int] = field(default_factory=dict)


def voc(root: Path, name: str, layout: VocLayout) -> DatasetFiles:
    """Find the images and annotations of a folder of Pascal VOC.

    Args:
        root: holds the FOLDERS, or such a folder VOC20xx, or VOCdevkit with one.
        name: of the data set.
        layout: settings.

    Raises:
        DataError: a folder, list, image or annotation is missing, or a list names an image twice over both splits.
    """
    folder = base_folder(root)
    names, notes = lists_of(folder, layout)
    by_name = files_by_name(folder / "JPEGImages")
    splits = []
    for list_name in names:
        split, more = split_of(folder, list_name, by_name)
        splits.append(split)
        notes += more
    if len(splits) > 1:
        both = sorted(set(splits[0].names) & set(splits[1].names))
        if both:
            raise DataError(
                f"{splits[1].list_file}: {n_of(len(both), 'image is', 'images are')} in {splits[0].list_file.name}, "
                f"too: {some(both)}; test images must not be trained on: name other lists by dataset.train and "
                "dataset.test"
            )
    unlisted = set(by_name) - {one for split in splits for one in split.names}
    if unlisted:
        text = f"{n_of(len(unlisted), 'image is', 'images are')} in neither list and not read"
        notes.append(Note("left out", f"{text}: {some(sorted(unlisted))}", len(unlisted)))

    def decode() -> RawDataset:
        return _decode(folder, splits, layout)

    files = [path for split in splits for path in (split.list_file, *split.annotations, *split.images)]
    return DatasetFiles(name, folder, tuple(files), decode, f"voc {layout}", tuple(notes))


def _decode(folder: Path, splits: Sequence[VocSplit], layout: VocLayout) -> RawDataset:
    read = [[read_annotation(path) for path in split.annotations] for split in splits]
    names = layout.classes or _class_names(read[0], splits[0])
    seen = _Seen()
    decoder = Decoder(any(has_colour(split.items()) for split in splits), folder, layout.size)
    raw, boxes = [], []
    for split, found in zip(splits, read, strict=True):
        boxes.append(_boxes(split, found, names, layout, seen))
    has_empty = any((one.counts == 0).any() for one in boxes)
    for split, one in zip(splits, boxes, strict=True):
        raw.append(_raw(split, one, decoder, names))
    notes = [*_class_notes(names, layout, boxes[0]), *_notes(seen, folder)]
    return RawDataset(
        raw[0],
        raw[1] if len(raw) > 1 else None,
        (*names, NO_OBJECT) if has_empty else names,
        held_out=layout.held_out,
        notes=tuple(notes),
        noticed=decoder.notes,
        task="detection",
    )


def _class_names(annotations: Iterable[Annotation], split: VocSplit) -> tuple[str, ...]:
    names = tuple(sorted({one.name for annotation in annotations for one in annotation.objects}))
    if not names:
        raise DataError(f"{split.list_file}: its images have no objects; a detector needs boxes to learn from")
    if NO_OBJECT in names:
        raise DataError(f"{split.list_file}: a class is called '{NO_OBJECT}', as images without boxes are; rename it")
    if len(names) > MAX_CLASSES:
        raise DataError(f"{split.list_file}: its objects have {len(names):,} classes; at most {MAX_CLASSES:,} are read")
    return names


def _boxes(
    split: VocSplit, annotations: Sequence[Annotation], names: tuple[str, ...], layout: VocLayout, seen: _Seen
) -> Boxes:
    """Boxes of a split, in pixels of the images as they will be."""
    ids = {name: number for number, name in enumerate(names)}
    images: list[tuple[npt.ArrayLike, npt.ArrayLike, npt.ArrayLike]] = []
    for path, annotation in zip(split.images, annotations, strict=True):
        shape = upright_size(str(path), path)
        if annotation.image_size not in (None, shape):
            assert annotation.image_size is not None
            stated, found = ("{1} x {0}".format(*one) for one in (annotation.image_size, shape))
            raise DataError(
                f"{annotation.path}: is of an image of {stated} pixels (width x height), but {path.name} has {found}; "
                "boxes of another size or rotation do not fit: replace one of them"
            )
        scale = 1.0, 1.0
        if layout.size is not None:
            scale = layout.size[1] / shape[1], layout.size[0] / shape[0]
        rows: list[tuple[float, ...]] = []
        labels: list[int] = []
        difficult: list[bool] = []
        for number, one in enumerate(annotation.objects):
            if one.name not in ids:
                if layout.unknown == "error":
                    raise DataError(
                        f"{annotation.where(number)}: its class is none of {some(names)}{nearest(one.name, names)}; "
                        "add it to dataset.classes, or leave such objects out by dataset.unknown: ignore"
                    )
                seen.unknown.append(one.name)
                continue
            box, changed = fitted_box(annotation, number, shape, layout.outside == "clip")
            if changed:
                seen.clipped.append(annotation.where(number))
            rows.append(box)
            labels.append(ids[one.name])
            difficult.append(one.difficult)
        images.append((np.array(rows).reshape(-1, 4) * (*scale, *scale), labels, difficult))
    boxes = Boxes.of_images(images)
    seen.difficult[split.list_file.name] = int(boxes.difficult.sum())
    seen.empty[split.list_file.name] = int((boxes.counts == 0).sum())
    return boxes


def _raw(split: VocSplit, boxes: Boxes, decoder: Decoder, names: tuple[str, ...]) -> RawSplit:
    def images(rows: IntArray | None) -> Iterable[ByteArray]:
        return decoder.chunks(split.items(rows))

    origins = of_files(split.images, decoder.folder)
    return RawSplit(boxes.image_classes(len(names)), images, str(split.list_file), targets=boxes, origins=origins)


def _class_notes(names: tuple[str, ...], layout: VocLayout, train: Boxes) -> list[Note]:
    learnt = np.unique(train.labels[~train.difficult])
    gone = [names[c] for c in np.setdiff1d(np.arange(len(names)), learnt).tolist()]
    if not len(learnt):
        raise DataError("dataset: no training image has a box to learn from; name other classes or another list")
    if not gone:
        return []
    text = f"{n_of(len(gone), 'class has', 'classes have')} no training boxes: {some(gone)}; no network can learn "
    return [Note("missing", text + ("it" if len(gone) == 1 else "them"), len(gone))]


def _notes(seen: _Seen, folder: Path) -> list[Note]:
    notes = []
    if seen.unknown:
        listed = some(f"{name} ({count:,})" for name, count in Counter(seen.unknown).most_common())
        text = n_of(len(seen.unknown), "object of another class is", "objects of other classes are")
        notes.append(Note("left out", f"{text} left out: {listed}", len(seen.unknown)))
    if seen.clipped:
        first = seen.clipped[0].removeprefix(f"{folder}{os.sep}")
        text = n_of(len(seen.clipped), "box reaches", "boxes reach")
        text += f" over an edge of the image and {'is' if len(seen.clipped) == 1 else 'are'} clipped (first {first})"
        notes.append(Note("read as", text, len(seen.clipped)))
    for name, count in seen.difficult.items():
        if count:
            text = n_of(count, f"box of {name} is", f"boxes of {name} are")
            text += " marked difficult: not learnt, and neither found nor missed in mAP"
            notes.append(Note("read as", text, count))
    for name, count in seen.empty.items():
        if count:
            text = n_of(count, f"image of {name} has", f"images of {name} have")
            notes.append(Note("read as", f"{text} no boxes, kept as the class '{NO_OBJECT}' in partitions", count))
    return notes
