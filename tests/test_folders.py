"""Images in class folders: what is passed over, linked, nested or empty, and what decoding changes."""

from __future__ import annotations

import io
import os
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from datafiles import pixels, png, read, texts
from PIL import Image

from edgesim.data.decode import Decoder
from edgesim.errors import DataError


@pytest.fixture(autouse=True)
def _own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGESIM_CACHE", str(tmp_path / "cache"))


def folders(folder: Path) -> Path:
    """Two classes of two training images and one test image of 6x8, all different."""
    for seed, (split, count) in enumerate((("train", 2), ("test", 1))):
        for c, name in enumerate(("ant", "bee")):
            for i, image in enumerate(pixels(count, 6, 8, 3, seed=10 * seed + c)):
                write(folder / split / name / f"{i}.png", png(image))
    return folder


def write(path: Path, content: bytes = b"") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def other(seed: int = 99) -> bytes:
    return png(pixels(1, 6, 8, 3, seed=seed)[0])


def saved(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def picture(*shape: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(pixels(1, *shape, seed=seed)[0])


# --- what lies in the folders ---------------------------------------------------------------------


def test_a_plain_folder_needs_no_note(tmp_path):
    assert texts(read("image-folder", folders(tmp_path / "d"))) == []


def test_every_suffix_that_pillow_writes_is_read_in_any_case(tmp_path):
    folder = folders(tmp_path / "d")
    kinds = {"jfif": "JPEG", "jpe": "JPEG", "JPG": "JPEG", "avif": "AVIF", "jp2": "JPEG2000", "PNG": "PNG",
             "Tiff": "TIFF", "webp": "WEBP", "bmp": "BMP", "ppm": "PPM", "tga": "TGA"}  # fmt: skip
    for seed, (suffix, kind) in enumerate(kinds.items()):
        write(folder / "train/ant" / f"x.{suffix}", saved(picture(6, 8, 3, seed=50 + seed), kind))
    data = read("image-folder", folder)
    assert np.bincount(data.train_labels).tolist() == [2 + len(kinds), 2]
    assert texts(data) == []


def test_samples_of_folders_that_are_passed_over_are_counted(tmp_path):
    folder = folders(tmp_path / "d")
    for place in ("train/.old/a.png", "train/.old/deep/b.jpg", "train/.old/._c.png", "train/.old/c.txt", "more/d.png"):
        write(folder / place, saved(picture(6, 8, 3), "PNG"))
    assert sorted(texts(read("image-folder", folder))) == [
        "1 folder beside the splits is not read: more; images in it: 1",
        "1 hidden or system entry is left out: train/.old; images in it: 2",
    ]


def test_what_is_left_out_is_counted(tmp_path):
    folder = folders(tmp_path / "d")
    for name in ("a.txt", "b.txt", "c.xyz", "README", ".DS_Store", "Thumbs.db", "._0.png"):
        write(folder / "train/ant" / name)
    write(folder / "train/bee/.DS_Store")
    write(folder / "train/.ipynb_checkpoints/0.png")
    write(folder / "test/__MACOSX/ant/._0.png")
    write(folder / "__MACOSX/train/0.png")
    write(folder / "train/loose.png", other())
    write(folder / "loose.png", other())
    write(folder / "unlabelled/0.png", other())
    write(folder / "README.md")
    data = read("image-folder", folder)
    assert (len(data.train_labels), data.class_names) == (4, ("ant", "bee"))
    assert texts(data) == [
        "4 files are left out, of no image type that is read: .txt (2), without a suffix (1), .xyz (1)",
        "7 hidden or system entries are left out: __MACOSX (2), .DS_Store (2), .ipynb_checkpoints, ._0.png, Thumbs.db; "
        "images in them: 2",
        "2 images lie in no class folder and are left out: loose.png (2)",
        "1 folder beside the splits is not read: unlabelled; images in it: 1",
    ]
    assert {note.kind for note in data.notes} == {"left out"}
    assert [note.count for note in data.notes] == [4, 7, 2, 1]


def test_samples_below_a_class_folder_are_of_the_class(tmp_path):
    folder = folders(tmp_path / "d")
    write(folder / "train/ant/more/deep/x.png", other())
    data = read("image-folder", folder)
    assert data.train_labels.tolist() == [0, 0, 0, 1, 1]
    assert texts(data) == [
        "1 image lies in a folder below its class folder, read as of that class: train/ant/more/deep/x.png"
    ]


def test_linked_class_folders_are_read_and_links_below_them_are_not(tmp_path):
    folder = folders(tmp_path / "d")
    write(tmp_path / "elsewhere/x.png", other())
    os.symlink(tmp_path / "elsewhere", folder / "train/cow")
    os.symlink(tmp_path / "elsewhere", folder / "test/ant/more")
    os.symlink(folder, folder / "train/bee/loop")
    data = read("image-folder", folder)
    assert data.train_labels.tolist() == [0, 0, 1, 1, 2]
    assert texts(data)[0] == "2 links to folders are not followed: train/bee/loop, test/ant/more"


def test_links_that_lead_nowhere_or_around_are_faults(tmp_path):
    folder = folders(tmp_path / "d")
    os.symlink(folder / "train", folder / "train/again")
    with pytest.raises(DataError, match="train/again: is a link to a folder that it lies in; remove the link"):
        read("image-folder", folder)
    (folder / "train/again").unlink()
    os.symlink("annex/object", folder / "train/ant/9.png")
    with pytest.raises(DataError, match=r"ant/9\.png: is a link to annex/object, which leads nowhere; remove it, or"):
        read("image-folder", folder)
    (folder / "train/ant/9.png").unlink()
    for place in ("train/ant/9.png", "test/cow", "9"):
        os.symlink(Path(place).name, folder / place)  # to itself
        with pytest.raises(DataError, match=f"{place}: is a link to {Path(place).name}, which leads nowhere"):
            read("image-folder", folder)
        (folder / place).unlink()


@pytest.mark.parametrize("how", ["all", "class", os.symlink, os.link])
def test_a_file_in_both_splits_is_a_fault(tmp_path, how):
    folder = folders(tmp_path / "d")
    if how == "all":
        shutil.rmtree(folder / "test")
        os.symlink(folder / "train", folder / "test")
    elif how == "class":
        shutil.rmtree(folder / "test/ant")
        os.symlink("../train/ant", folder / "test/ant")
    else:
        (folder / "test/ant/0.png").unlink()
        how(folder / "train/ant/0.png", folder / "test/ant/0.png")
    with pytest.raises(
        DataError, match=r"test/ant/0\.png: is the same file as .*train/ant/0\.png of the training split"
    ):
        read("image-folder", folder)


def test_copies_and_links_within_a_split_are_said(tmp_path):
    folder = folders(tmp_path / "d")
    shutil.copy(folder / "train/ant/0.png", folder / "test/ant/copy.png")
    os.link(folder / "train/ant/1.png", folder / "train/bee/linked.png")
    assert texts(read("image-folder", folder)) == [
        "1 training image is a link to another of the training split",
        "1 of 3 test images is in the training split too (equal pixels): accuracy may be lower on new data",
        "1 of 5 training images repeats an earlier one (equal pixels)",
    ]


def test_empty_classes_cost_no_output(tmp_path):
    folder = folders(tmp_path / "d")
    (folder / "train/aardvark").mkdir()
    (folder / "train/cow").mkdir()
    data = read("image-folder", folder)
    assert (data.class_names, data.train_labels.tolist()) == (("ant", "bee"), [0, 0, 1, 1])
    assert texts(data) == [
        "only 2 of 4 named classes have samples, not aardvark, cow; the network has 2 outputs",
    ]
    write(folder / "test/cow/0.png", other())
    assert texts(read("image-folder", folder))[-1] == (
        "1 test sample has a class without training samples (cow): no network can learn it"
    )


def test_class_names_in_two_unicode_forms_are_one(tmp_path):
    folder = folders(tmp_path / "d")
    write(folder / "train/caf\u00e9/0.png", other(1000))
    write(folder / "train/cafe\u0301/0.png", other(1001))
    write(folder / "test/cafe\u0301/0.png", other(1002))
    data = read("image-folder", folder)
    assert data.class_names == ("ant", "bee", "caf\u00e9")
    assert (data.train_labels.tolist(), data.test_labels.tolist()) == ([0, 0, 1, 1, 2, 2], [0, 1, 2])
    assert texts(data) == [
        "1 class folder name is written in two Unicode forms (NFC and NFD), each read as one class: caf\u00e9"
    ]


def test_names_that_are_no_unicode_text_are_read(tmp_path):
    folder = folders(tmp_path / "d")
    latin = os.fsdecode("caf\u00e9".encode("latin-1"))  # as archives from old systems unpack
    write(folder / "train" / latin / f"{latin}.png", other(1))
    write(folder / "train" / latin / f"{latin}.xyz")
    write(folder / "test" / latin / f"{latin}.png", other(2))
    data = read("image-folder", folder)
    assert data.class_names == ("ant", "bee", "caf\\udce9")
    assert read("image-folder", folder).notes == data.notes
    "".join([*data.class_names, *texts(data)]).encode()  # as pages and tables are written


def test_what_serves_as_the_test_split_is_said(tmp_path):
    folder = folders(tmp_path / "d")
    shutil.copytree(folder / "test", folder / "val")
    assert texts(read("image-folder", folder)) == ["val/ not read: test/ is the test split"]
    shutil.rmtree(folder / "test")
    assert texts(read("image-folder", folder)) == ["val/ is the test split"]
    (folder / "val").rename(folder / "Test")
    with pytest.raises(
        DataError, match=r"the test split is missing; it holds Test, train; .*dataset\.test_share: 0\.2"
    ):
        read("image-folder", folder)


def test_files_that_are_no_images(tmp_path):
    folder = folders(tmp_path / "d")
    write(folder / "train/ant/9.png")
    with pytest.raises(DataError, match=r"ant/9\.png: is empty \(0 bytes\); replace or remove it"):
        read("image-folder", folder)
    write(folder / "train/ant/9.png", b"version https://git-lfs.github.com/spec/v1")
    with pytest.raises(DataError, match=r"ant/9\.png: is no image that Pillow can read"):
        read("image-folder", folder)


def test_tiny_imagenet_says_what_it_leaves_out(tmp_path):
    base = tmp_path / "tiny-imagenet-200"
    for seed, name in enumerate(("train/n01/images/a.JPEG", "train/n02/images/b.JPEG", "val/images/c.JPEG",
                                 "val/images/d.JPEG")):  # fmt: skip
        write(base / name, other(seed))
    write(base / "train/n01/n01_boxes.txt", b"a.JPEG 0 0 1 1")
    write(base / "train/n02/images/.DS_Store")
    write(base / "test/images/e.JPEG", other(9))
    write(base / "val/val_annotations.txt", b"c.JPEG\tn02\t0\t0\t1\t1\n")
    assert texts(read("tiny-imagenet", tmp_path)) == [
        "val/ is the test split: 1 image",
        "test/ is not read, since it has no labels",
        "1 image of val/ is left out, since val_annotations.txt does not name them: d.JPEG",
        "1 hidden or system entry is left out: train/n02/images/.DS_Store",
        "1 class has no test sample: n01",
    ]


# --- what decoding changes ------------------------------------------------------------------------


def decoded(content: bytes, colour: bool = True, size: tuple[int, int] | None = None) -> tuple[np.ndarray, list[str]]:
    decoder = Decoder(colour, Path("/data"), size)
    array = decoder.decode("/data/train/x", content)
    return array, [note.text for note in decoder.notes()]


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_samples_are_turned_upright(kind, orientation):
    # What a viewer shows, by the EXIF standard: which edges of the stored image are its first row and column.
    stored = pixels(1, 5, 7, 3)[0]
    upright = {
        1: stored, 2: stored[:, ::-1], 3: stored[::-1, ::-1], 4: stored[::-1], 5: stored.transpose(1, 0, 2),
        6: np.rot90(stored, -1), 7: stored[::-1, ::-1].transpose(1, 0, 2), 8: np.rot90(stored),
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = saved(Image.fromarray(stored), kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {}))
    array, notes = decoded(content)
    assert np.array_equal(array, upright)
    turned = ["1 image is turned upright, as the EXIF orientation says (train/x)"]
    assert notes == (turned if orientation > 1 else [])


def test_damaged_exif_leaves_the_image_as_it_is():
    array, notes = decoded(saved(picture(4, 4, 3), "PNG", exif=b"Exif\0\0XX"))
    assert np.array_equal(array, pixels(1, 4, 4, 3)[0])
    assert notes == ["1 image has EXIF data that cannot be read, so that it stays as it is stored (train/x)"]


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "PNG", "WEBP", "MPO"])
def test_the_first_of_several_frames_is_read(kind):
    frames = [Image.new("RGB", (4, 4), (60 * i, 0, 0)) for i in range(3)]
    array, notes = decoded(saved(frames[0], kind, save_all=True, append_images=frames[1:]))
    assert (array == 0).all()
    assert notes == ["1 image has several frames or pages, of which the first is read (train/x)"]


def test_alpha_is_left_out_and_counted():
    rgba = pixels(1, 4, 4, 4)[0]
    decoder = Decoder(True, Path("/data"))
    assert np.array_equal(decoder.decode("/data/a", saved(Image.fromarray(rgba), "PNG")), rgba[..., :3])
    rgba[..., 3] = 255
    decoder.decode("/data/b", saved(Image.fromarray(rgba), "PNG"))
    decoder.decode("/data/c", saved(picture(4, 4, 3).convert("P"), "PNG", transparency=bytes(range(200))))
    (note,) = decoder.notes()
    assert (note.kind, note.count) == ("left out", 3)
    assert note.text == "3 images have an alpha channel, which is left out; 2 of them not opaque (first a)"


def test_palettes_and_other_colour_spaces():
    palette = picture(4, 4, 3).quantize(16)
    array, notes = decoded(saved(palette, "PNG"))
    assert np.array_equal(array, np.asarray(palette.convert("RGB")))
    assert notes == []
    cmyk = Image.new("CMYK", (4, 4), (0, 255, 255, 0))
    array, notes = decoded(saved(cmyk, "TIFF"))
    assert (array == (255, 0, 0)).all()
    assert notes == ["1 image is in another colour space (CMYK for example), converted without its profile (train/x)"]


def test_grey_among_colour_and_resizing():
    array, notes = decoded(saved(picture(4, 4), "PNG"))
    assert np.array_equal(array, np.repeat(pixels(1, 4, 4)[0][..., None], 3, axis=2))
    assert notes == ["1 image is grey and given three equal channels, since others are in colour (train/x)"]
    assert decoded(saved(picture(8, 4), "PNG"), colour=False, size=(8, 4))[1] == []
    assert decoded(saved(picture(8, 4), "PNG"), colour=False, size=(4, 2))[1] == ["1 image is resized (train/x)"]
    assert decoded(saved(picture(8, 4), "PNG"), colour=False, size=(4, 4))[1] == [
        "1 image is resized to another ratio of height to width (train/x)"
    ]


def png16(colour_type: int) -> bytes:
    """A PNG of 2x2 pixels with 16 bits per channel, which Pillow does not write."""
    channels = {0: 1, 2: 3, 4: 2, 6: 4}[colour_type]

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + bytes(range(2 * 2 * channels))) * 2
    head = struct.pack(">IIBBBBB", 2, 2, 16, colour_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "content",
    [*map(png16, (0, 2, 4, 6)), b"P6\n2 2\n65535\n" + bytes(24), b"P5\n2 2\n65535\n" + bytes(8),
     saved(Image.new("F", (2, 2)), "TIFF"), saved(Image.new("I", (2, 2)), "TIFF")],
    ids=["grey png", "rgb png", "grey and alpha png", "rgba png", "ppm", "pgm", "float tiff", "int32 tiff"],
)  # fmt: skip
def test_more_than_8_bits_are_refused_in_every_form(content):
    with pytest.raises(DataError, match="/data/train/x: has more than 8 bits per channel"):
        decoded(content)


def test_fewer_than_8_bits_are_read():
    assert decoded(b"P6\n1 1\n15\n" + bytes([15, 0, 15]))[0].ravel().tolist() == [255, 0, 255]
    assert decoded(saved(Image.new("1", (2, 2), 1), "PNG"), colour=False)[0].ravel().tolist() == [255] * 4
