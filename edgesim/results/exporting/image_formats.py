"""Subsets as folders of images: one folder per class, or Pascal VOC with boxes. Pixels are written losslessly."""

from __future__ import annotations

import io
import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree

import numpy as np

from edgesim.data.boxes import Boxes
from edgesim.data.dataset import Dataset
from edgesim.data.sample_form import SampleArray
from edgesim.errors import RunError, shortened
from edgesim.results.exporting.subset import Part

Written = tuple[list[str], dict[str, Any]]
MODES = {1: "L", 3: "RGB"}
"""channels -> Pillow's mode; the reader makes one or three channels of every image"""


def png(image: SampleArray) -> bytes:
    """A PNG file of uint8 [H, W, C] with one or three channels."""
    from PIL import Image

    _check_channels(image.shape[-1])
    pixels = image[..., 0] if image.shape[-1] == 1 else image
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG")
    return buffer.getvalue()


def write_image_folder(parts: Mapping[str, Part], dataset: Dataset, folder: Path, names: list[str]) -> Written:
    """Write train/<class>/<name>.png (and test/).

    Args:
        parts: samples of each split.
        dataset: of the run.
        folder: empty.
        names: of the kept samples, without suffix, sorted as the samples are.

    Raises:
        RunError: the samples are no images of classes, or a class's name is no name of a folder.
    """
    if dataset.task != "classification" or not dataset.sample_form.is_image:
        kind = dataset.sample_form.describe(dataset.train_samples.shape[1:])
        raise RunError(f"image-folder holds images of classes; these samples are {kind} of a {dataset.task}: take npz")
    _check_channels(dataset.train_samples.shape[-1])
    wrong = [name for name in dataset.class_names if not _is_folder_name(name)]
    if wrong or len({name.casefold() for name in dataset.class_names}) < len(dataset.class_names):
        example = f"'{shortened(wrong[0], 60)}'" if wrong else "two that differ in capitals alone"
        raise RunError(f"the classes cannot be folders, by their names ({example}): take parquet or npz")
    written = []
    for split, part in parts.items():
        stems = names if split == "train" else [f"{place:07d}" for place in range(len(part))]
        for label in np.unique(part.labels).tolist():
            (folder / split / dataset.class_names[label]).mkdir(parents=True)
        for image, label, stem in zip(part.samples, part.labels.tolist(), stems, strict=True):
            place = PurePosixPath(split, dataset.class_names[label], f"{stem}.png")
            (folder / place).write_bytes(png(image))
            if split == "train":
                written.append(str(place))
    return written, {"name": "image-folder", "root": "."}


def write_voc(
    parts: Mapping[str, Part], dataset: Dataset, folder: Path, names: list[str], originals: list[Path]
) -> Written:
    """Write JPEGImages/, Annotations/ and ImageSets/Main/ of a detection, below VOCdevkit/VOC2012.

    A JPEG of the original whose pixels were not resized is copied byte for byte. Other images are written as PNG.

    Args:
        parts: samples of each split.
        dataset: of the run.
        folder: empty.
        names: of the kept samples, without suffix.
        originals: files of the kept samples in the original data.

    Raises:
        RunError: the samples have no boxes.
    """
    if not isinstance(dataset.train_targets, Boxes):
        raise RunError(f"voc holds images with boxes; these samples are of a {dataset.task}: take image-folder or npz")
    base = folder / "VOCdevkit" / "VOC2012"
    for name in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (base / name).mkdir(parents=True)
    written = []
    for split, part in parts.items():
        assert isinstance(part.targets, Boxes), "both splits have boxes"
        stems = names if split == "train" else [f"test-{place:07d}" for place in range(len(part))]
        for place, (image, stem) in enumerate(zip(part.samples, stems, strict=True)):
            original = originals[place] if split == "train" else None
            name = _write_image(image, base / "JPEGImages" / stem, original)
            tree = _annotation(part.targets[np.array([place])], dataset.class_names, name, image.shape)
            ElementTree.indent(tree)
            (base / "Annotations" / f"{stem}.xml").write_bytes(ElementTree.tostring(tree, encoding="utf-8"))
            if split == "train":
                written.append((base / "JPEGImages" / name).relative_to(folder).as_posix())
        listed = "".join(f"{stem}\n" for stem in stems)
        for list_name in ("train", "trainval") if split == "train" else ("test",):
            (base / "ImageSets" / "Main" / f"{list_name}.txt").write_text(listed, encoding="utf-8")
    has_empty = dataset.network_form.num_outputs < len(dataset.class_names)
    classes = dataset.class_names[:-1] if has_empty else dataset.class_names
    return written, {"name": "voc", "root": ".", "train": "trainval", "classes": list(classes)}


def sample_names(indices: list[int], files: list[str]) -> list[str]:
    """Names for the files of samples, in the order of the training set: the original's where it has one.

    Args:
        indices: in the training set.
        files: path of each sample's file; empty where one file holds all.
    """
    stems = [PurePosixPath(file).stem for file in files]
    counts = Counter(stem.casefold() for stem in stems)
    width = len(str(max(indices, default=0)))
    own = all(stems) and all(counts[stem.casefold()] == 1 for stem in stems) and stems == sorted(stems)
    if own:
        return stems
    return [f"{index:0{width}d}" + (f"-{stem}" if stem else "") for index, stem in zip(indices, stems, strict=True)]


def _write_image(image: SampleArray, place: Path, original: Path | None) -> str:
    """Write an image, or copy the original where that is a JPEG of these pixels; returns the file's name."""
    if original is not None and original.suffix.lower() in (".jpg", ".jpeg") and _is_same(original, image):
        target = place.with_name(f"{place.name}.jpg")
        shutil.copyfile(original, target)
    else:
        target = place.with_name(f"{place.name}.png")
        target.write_bytes(png(image))
    return target.name


def _is_same(original: Path, image: SampleArray) -> bool:
    """True where a file decodes to these pixels."""
    from edgesim.data.decode import Decoder
    from edgesim.errors import DataError

    try:
        return np.array_equal(Decoder(image.shape[-1] == 3, original.parent).decode(str(original), original), image)
    except (DataError, OSError):
        return False


def _annotation(boxes: Boxes, classes: tuple[str, ...], name: str, shape: tuple[int, ...]) -> ElementTree.Element:
    """Annotation of one image; VOC counts pixels from 1, so that left and upper edges are one more."""
    root = ElementTree.Element("annotation")
    ElementTree.SubElement(root, "filename").text = name
    size = ElementTree.SubElement(root, "size")
    for side, value in zip(("width", "height", "depth"), (shape[1], shape[0], shape[2]), strict=True):
        ElementTree.SubElement(size, side).text = str(value)
    for box, label, difficult in zip(boxes.boxes.tolist(), boxes.labels.tolist(), boxes.difficult, strict=True):
        one = ElementTree.SubElement(root, "object")
        ElementTree.SubElement(one, "name").text = classes[label]
        ElementTree.SubElement(one, "difficult").text = str(int(difficult))
        edges = ElementTree.SubElement(one, "bndbox")
        sides = zip(("xmin", "ymin", "xmax", "ymax"), (box[0] + 1, box[1] + 1, box[2], box[3]), strict=True)
        for side, value in sides:
            ElementTree.SubElement(edges, side).text = f"{value:.10f}".rstrip("0").rstrip(".")
    return root


def _check_channels(channels: int) -> None:
    if channels not in MODES:
        raise RunError(f"images of {channels} channels are written as PNG by no one who reads them as such: take npz")


def _is_folder_name(name: str) -> bool:
    """True for a name that every file system takes and that no reader passes over."""
    signs = set('/\\:*?"<>|') & set(name)
    return (
        bool(name) and not signs and name == name.strip() and name[0] != "." and name.isprintable() and len(name) < 80
    )
