"""Detection data in the layout of Pascal VOC: coordinates, splits, classes, and files that are wrong."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from datafiles import pixels, png, read, texts
from PIL import Image

from edgesim.data.boxes import NO_OBJECT, Boxes
from edgesim.data.dataset import Dataset
from edgesim.data.datasets import load
from edgesim.errors import DataError

REAL = Path(os.environ.get("EDGESIM_DATA", "")) / "cells-voc"


@pytest.fixture(autouse=True)
def _own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGESIM_CACHE", str(tmp_path / "cache"))


def thing(name: str = "cat", box: tuple = (1, 1, 4, 3), more: str = "") -> str:
    sides = "".join(f"<{s}>{v}</{s}>" for s, v in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True))
    return f"<object><name>{name}</name>{more}<bndbox>{sides}</bndbox></object>"


def annotation(*things: str, size: str = "<size><width>8</width><height>6</height><depth>3</depth></size>") -> str:
    return f"<annotation><filename>x.jpg</filename>{size}{''.join(things)}</annotation>"


def devkit(folder: Path, **images: str) -> Path:
    """A folder of VOC with images of 6x8 pixels; names that begin with t are test images."""
    images = images or {"a": annotation(thing()), "b": annotation(thing("dog", (2, 3, 8, 6))), "t": annotation(thing())}
    for part in ("Annotations", "ImageSets/Main", "JPEGImages"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for seed, (name, text) in enumerate(images.items()):
        (folder / "JPEGImages" / f"{name}.png").write_bytes(png(pixels(1, 6, 8, 3, seed=seed)[0]))
        (folder / "Annotations" / f"{name}.xml").write_text(text)
    write_list(folder, "trainval", [name for name in images if name[0] != "t"])
    write_list(folder, "test", [name for name in images if name[0] == "t"])
    return folder


def write_list(folder: Path, split: str, names: list[str]) -> None:
    (folder / "ImageSets" / "Main" / f"{split}.txt").write_text("".join(f"{name}\n" for name in names))


def with_object(folder: Path, *things: str, **keys) -> Dataset:
    """A data set whose first training image has these objects."""
    return read("voc", devkit(folder, a=annotation(*things), b=annotation(thing()), t=annotation(thing())), **keys)


def boxes_of(data: Dataset, row: int = 0) -> list[list[float]]:
    return data.train_targets[np.array([row])].boxes.tolist()


# --- what is read ---------------------------------------------------------------------------------


def test_pixels_counted_from_one_become_edges_counted_from_zero(tmp_path):
    data = with_object(tmp_path, thing(box=(1, 1, 8, 6)), thing("dog", (3, 2, 3, 2)), thing(box=(1.5, 2, 4.25, 3)))
    assert boxes_of(data) == [[0, 0, 8, 6], [2, 1, 3, 2], [0.5, 1, 4.25, 3]]
    assert data.train_targets.labels.tolist() == [0, 1, 0, 0]
    assert data.class_names == ("cat", "dog")
    assert data.task == "detection"
    assert data.network_form.num_outputs == 2
    assert data.input_shape == (3, 6, 8)
    assert texts(data) == ["1 class has no test box: dog"]


def test_resizing_scales_the_boxes_with_their_images(tmp_path):
    data = with_object(tmp_path, thing(box=(3, 2, 8, 6)), size=(12, 4))
    assert data.train_samples.shape == (2, 12, 4, 3)
    assert boxes_of(data) == [[1, 2, 4, 12]]


def test_an_image_belongs_to_the_class_of_most_of_its_boxes(tmp_path):
    several = annotation(thing("dog"), thing("cat"), thing("cat", more="<difficult>1</difficult>"), thing("dog"))
    data = read("voc", devkit(tmp_path, a=annotation(thing("dog"), thing(), thing("dog")), b=several, c=annotation(),
                              t=annotation(thing())))  # fmt: skip
    assert data.train_labels.tolist() == [1, 0, 2]
    assert data.class_names == ("cat", "dog", NO_OBJECT)
    assert data.network_form.num_outputs == 2
    assert data.train_targets.counts.tolist() == [3, 4, 0]
    assert data.train_targets.difficult.tolist() == [False] * 5 + [True, False]
    assert any("1 box of trainval.txt is marked difficult" in text for text in texts(data))
    assert any("1 image of trainval.txt has no boxes" in text for text in texts(data))


def test_the_cache_gives_the_same_boxes_and_notes_again(tmp_path):
    folder = devkit(tmp_path, a=annotation(thing(), thing("dog", (0, 1, 4, 6))), t=annotation())
    first, again = read("voc", folder), read("voc", folder)
    for name, array in first.train_targets.arrays().items():
        assert np.array_equal(array, again.train_targets.arrays()[name])
    assert texts(first) == texts(again) != []
    assert again.task == "detection"


def test_rows_of_boxes_are_taken_in_the_order_asked_for():
    box = [0, 0, 1, 1]
    boxes = Boxes.of_images([([box, box], [0, 1], [0, 0]), ([], [], []), ([[0, 0, 2, 2]], [2], [1])])
    chosen = boxes[np.array([2, 1, 0, 2])]
    assert chosen.offsets.tolist() == [0, 1, 1, 3, 4]
    assert chosen.labels.tolist() == [2, 0, 1, 2]
    assert boxes[1:].counts.tolist() == [0, 1]
    assert boxes.image_classes(3).tolist() == [0, 3, 2]
    with pytest.raises(DataError, match="x0 < x1"):
        Boxes.of_images([([[2, 0, 1, 1]], [0], [0])])


def test_boxes_of_a_data_set_of_ones_own_are_checked():
    images = np.zeros((1, 4, 6, 3), np.uint8)

    def made(
        samples: np.ndarray = images, targets: object = None, box: tuple = (0, 0, 4, 4), label: int = 0
    ) -> Dataset:
        boxes = Boxes.of_images([([box], [label], [0])]) if targets is None else targets
        names, labels = ("cat", NO_OBJECT), np.zeros(1, np.int64)
        return Dataset("own", samples, labels, samples, labels, names, task="detection",
                       train_targets=boxes, test_targets=boxes)  # fmt: skip

    assert made().network_form.num_outputs == 1
    for wrong, match in (
        ({"box": (0, 0, 7, 4)}, r"box 0 is \[0.0, 0.0, 7.0, 4.0\] of class 0; allowed: within 0, 0, 6, 4"),
        ({"box": (-1, 0, 4, 4)}, "allowed: within 0, 0, 6, 4, classes 0 to 0"),
        ({"label": 1}, "of class 1; allowed"),
        ({"targets": np.zeros((1, 4))}, r"are ndarray; a detection needs `edgesim.data.boxes.Boxes`"),
        ({"samples": np.zeros((1, 3, 40), np.float32)}, "a detection needs uint8 images"),
    ):
        with pytest.raises(DataError, match=match):
            made(**wrong)


def test_a_data_set_of_ones_own_says_its_task(tmp_path, monkeypatch):
    (tmp_path / "cells.py").write_text(
        """from dataclasses import dataclass
import numpy as np
from edgesim.data.boxes import Boxes
from edgesim.data.datasets import Dataset, DatasetSource

class Silent(DatasetSource):
    def load(self, base):
        boxes = Boxes.of_images([([[0, 0, 4, 4]], [0], [0])])
        images, labels = np.zeros((1, 4, 6, 3), np.uint8), np.zeros(1, np.int64)
        return Dataset("own", images, labels, images, labels, ("cat",), task="detection", train_targets=boxes,
                       test_targets=boxes)

class Cells(Silent):
    task = "detection"
"""
    )
    monkeypatch.syspath_prepend(tmp_path)
    import cells

    assert load(cells.Cells(), "cells:Cells").task == "detection"
    with pytest.raises(DataError, match=r"says that its task is classification, and loads a detection"):
        load(cells.Silent(), "cells:Silent")


def test_packages_that_are_not_there_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr("edgesim.data.boxes.importlib.util.find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"needs torchmetrics and pycocotools: pip install 'edgesim\[detection\]'"):
        read("voc", devkit(tmp_path))


@pytest.mark.parametrize("inside", ["", "VOC2007", "VOCdevkit/VOC2012"])
def test_the_folder_itself_or_a_year_in_it_is_found(tmp_path, inside):
    devkit(tmp_path / inside)
    assert len(read("voc", tmp_path).train_labels) == 2


def test_lists_of_the_splits(tmp_path):
    folder = devkit(tmp_path, **{name: annotation(thing()) for name in ("a", "b", "c", "d", "t")})
    write_list(folder, "train", ["a", "b"])
    write_list(folder, "val", ["c"])

    def sizes(**keys: object) -> tuple[int, int]:
        data = read("voc", folder, **keys)
        return len(data.train_labels), len(data.test_labels)

    assert sizes() == (4, 1)
    assert sizes(train="train") == (2, 1)
    assert sizes(train="train", test="val") == (2, 1)
    assert sizes(test="val") == (2, 1)
    assert sizes(test_share=0.5) == (2, 2)
    (folder / "ImageSets/Main/test.txt").unlink()
    data = read("voc", folder)
    assert (len(data.train_labels), len(data.test_labels)) == (2, 1)
    assert any("train.txt is the training split, val.txt the test split" in text for text in texts(data))
    assert any("2 images are in neither list" in text for text in texts(data))
    write_list(folder, "trainval", ["a", "c"])
    with pytest.raises(DataError, match=r"val.txt: 1 image is in trainval.txt, too: c"):
        read("voc", folder, train="trainval", test="val")
    with pytest.raises(DataError, match=r"has no trian\.txt"):
        read("voc", folder, train="trian")


def test_classes_that_are_not_asked_for_are_refused_or_left_out(tmp_path):
    folder = devkit(tmp_path)
    with pytest.raises(DataError, match=r"b.xml, object 1 \(dog\): its class is none of cat"):
        read("voc", folder, classes=["cat"])
    data = read("voc", folder, classes=["cat"], unknown="ignore")
    assert data.train_targets.counts.tolist() == [1, 0]
    assert any("1 object of another class is left out: dog (1)" in text for text in texts(data))
    data = read("voc", folder, classes=["dog", "cat", "emu"])
    assert data.train_targets.labels.tolist() == [1, 0]
    assert any("1 class has no training boxes: emu" in text for text in texts(data))
    assert any("1 class has no test box: dog" in text for text in texts(data))
    with pytest.raises(DataError, match="no training image has a box to learn from"):
        read("voc", folder, classes=["emu"], unknown="ignore")
    strange = devkit(tmp_path / "test", a=annotation(thing()), t=annotation(thing("cta")))
    with pytest.raises(DataError, match=r"t.xml, object 1 \(cta\).*cat"):
        read("voc", strange)


# --- what is wrong --------------------------------------------------------------------------------


def test_boxes_over_the_edge(tmp_path):
    data = with_object(tmp_path / "0", thing(box=(0, 0, 4, 3)), thing(box=(5, 4, 9, 7)))
    assert boxes_of(data) == [[0, 0, 4, 3], [4, 3, 8, 6]]
    assert any("2 boxes reach over an edge of the image and are clipped (first Annotations/a.xml, object 1" in text
               for text in texts(data))  # fmt: skip
    with pytest.raises(DataError, match=r"a.xml, object 2 \(cat\): its box reaches 2 pixels over the edge .* xmax 10"):
        with_object(tmp_path / "1", thing(), thing(box=(1, 1, 10, 6)))
    assert boxes_of(with_object(tmp_path / "1", thing(box=(1, 1, 99, 6)), outside="clip")) == [[0, 0, 8, 6]]
    for number, box in enumerate([(9, 1, 12, 4), (-5, 1, -1, 4), (1, 7, 4, 9)]):
        with pytest.raises(DataError, match=r"object 1 \(cat\): its box lies outside the image of 8 x 6 pixels"):
            with_object(tmp_path / f"out{number}", thing(box=box), outside="clip")
    for number, box in enumerate([(4, 1, 3, 3), (1, 3, 4, 2), (4.5, 1, 3.5, 3), (4, 3, 2, 1)]):
        with pytest.raises(DataError, match=r"object 1 \(cat\): its box has no area \(xmin .*ymax"):
            with_object(tmp_path / f"no{number}", thing(box=box))


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("<annotation><object>", "no well-formed XML"),
        ("", "no well-formed XML"),
        ('<?xml version="1.0" encoding="klingon"?><annotation/>', "no well-formed XML"),
        ("<annotations/>", "its root is <annotations>"),
        ('<!DOCTYPE a [<!ENTITY x "y">]>' + annotation(thing("&x;")), "document type"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd">' + annotation(), "document type"),
        (annotation(thing("&x;")), "no well-formed XML"),
        (annotation(thing("  ")), "object 1: its <name> has 0 characters"),
        (annotation(thing("x" * 201)), "object 1: its <name> has 201 characters"),
        (annotation("<object><name>cat</name></object>"), r"object 1 \(cat\): has 0 of <bndbox>"),
        (annotation(thing(box=(1, 1, "nan", 3))), r"<xmax> is 'nan'; allowed: pixels"),
        (annotation(thing(box=(1, "", 4, 3))), r"<ymin> is ''"),
        (annotation(thing(box=("1_0", 1, 4, 3))), r"<xmin> is '1_0'"),
        (annotation(thing(box=(1, 1, "9" * 400, 3))), r"<xmax> is '9999"),
        (annotation(thing().replace("<xmin>1</xmin>", "")), r"<xmin> is missing"),
        (annotation(thing(more="<difficult>maybe</difficult>")), "<difficult> is 'maybe'; allowed: 0 or 1"),
        (annotation(size="<size><width>6</width><height>8</height></size>"), r"of 6 x 8 pixels.*a.png has 8 x 6"),
        (annotation(size="<size><width>big</width><height>8</height></size>"), r"<size> is 'big'"),
        ("<annotation>" + " " * (4 << 20) + "</annotation>", "has more than 4"),
    ],
)
def test_a_broken_annotation_is_named(tmp_path, text, match):
    with pytest.raises(DataError, match=rf"a\.xml.*{match}"):
        read("voc", devkit(tmp_path, a=text, b=annotation(thing()), t=annotation(thing())))


def test_annotations_of_odd_tools_are_read(tmp_path):
    unsized = annotation(thing(), size="<size><width>0</width><height>0</height></size>")
    parts = annotation(thing(more="<part><name>head</name><bndbox><xmin>7</xmin></bndbox></part>"), size="")
    spaced = '<?xml version="1.0" encoding="latin-1"?>' + annotation(thing(" big\n cat ", (" 1 ", 1, 4, 3)))
    data = read("voc", devkit(tmp_path, a=unsized, b=parts, c=spaced, t=annotation(thing())))
    assert data.train_targets.boxes.tolist() == [[0, 0, 4, 3]] * 3
    assert data.class_names == ("big cat", "cat")


def test_images_that_are_missing_or_wrong(tmp_path):
    def broken(name: str) -> Path:
        return devkit(tmp_path / name)

    (broken("image") / "JPEGImages/a.png").unlink()
    with pytest.raises(DataError, match=r"trainval.txt, line 1: there is no such image: .*JPEGImages/a"):
        read("voc", tmp_path / "image")
    (broken("xml") / "Annotations/b.xml").unlink()
    with pytest.raises(DataError, match=r"b.xml: there is no such annotation"):
        read("voc", tmp_path / "xml")
    (broken("corrupt") / "JPEGImages/a.png").write_bytes(b"\x89PNG broken")
    with pytest.raises(DataError, match=r"a.png: is (no image|corrupt)"):
        read("voc", tmp_path / "corrupt")
    (broken("twice") / "JPEGImages/a.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"line 1: there are 2 such images: a.jpg, a.png"):
        read("voc", tmp_path / "twice")
    for line in ("a 1", "../a", "a\0"):
        write_list(broken("line"), "trainval", [line])
        with pytest.raises(DataError, match=r"trainval.txt, line 1: .*allowed: one image a line"):
            read("voc", tmp_path / "line")
    write_list(broken("empty"), "test", [])
    with pytest.raises(DataError, match=r"test.txt: names no images"):
        read("voc", tmp_path / "empty")
    write_list(broken("again"), "trainval", ["a", "b", "a"])
    assert any("trainval.txt names 1 image again" in text for text in texts(read("voc", tmp_path / "again")))
    write_list(broken("both"), "test", ["a"])
    with pytest.raises(DataError, match=r"test.txt: 1 image is in trainval.txt, too: a"):
        read("voc", tmp_path / "both")
    other = broken("sizes")
    (other / "JPEGImages/b.png").write_bytes(png(pixels(1, 5, 8, 3)[0]))
    (other / "Annotations/b.xml").write_text(annotation(thing(), size=""))
    with pytest.raises(DataError, match=r"b.png: is 5x8 .*dataset.size: \[6, 8\]"):
        read("voc", other)
    data = read("voc", other, size=(6, 8))
    assert data.train_targets.boxes.tolist()[1] == pytest.approx([0, 0, 4, 3.6])


def test_a_turned_photograph_keeps_its_boxes_as_it_is_seen(tmp_path):
    folder = devkit(tmp_path)
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying: 8 wide and 6 high once it is turned
    buffer = io.BytesIO()
    Image.fromarray(pixels(1, 8, 6, 3)[0]).save(buffer, "PNG", exif=exif)
    (folder / "JPEGImages/b.png").write_bytes(buffer.getvalue())
    assert boxes_of(read("voc", folder), 1) == [[1, 2, 8, 6]]


def test_folders_of_another_layout(tmp_path):
    with pytest.raises(DataError, match="is no folder of Pascal VOC: Annotations/ is missing"):
        read("voc", tmp_path)
    devkit(tmp_path / "VOCdevkit/VOC2007")
    devkit(tmp_path / "VOCdevkit/VOC2012")
    with pytest.raises(DataError, match=r"holds 2 data sets .*name one of them in dataset.root"):
        read("voc", tmp_path)
    devkit(tmp_path / "none", a=annotation(), t=annotation())
    with pytest.raises(DataError, match="its images have no objects"):
        read("voc", tmp_path / "none")
    devkit(tmp_path / "named", a=annotation(thing(NO_OBJECT)), t=annotation())
    with pytest.raises(DataError, match="a class is called 'no object'"):
        read("voc", tmp_path / "named")


@pytest.mark.skipif(not REAL.is_dir(), reason="EDGESIM_DATA has no cells-voc")
def test_the_cells_are_read_whole():
    data = read("voc", REAL, size=(32, 32))
    assert data.train_samples.shape == (256, 32, 32, 3)
    assert len(data.test_labels) == 100
    assert len(data.train_targets.labels) + len(data.test_targets.labels) == 641
    assert data.class_names == ("cellbody",)
    sides = (data.train_targets.boxes[:, 2:] - data.train_targets.boxes[:, :2]) * 300 / 32
    assert sides.min() > 10
    assert sides.max() < 40
