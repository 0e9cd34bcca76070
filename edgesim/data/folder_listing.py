"""Lists the images of a folder of class folders, and counts what lies there and is passed over."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

from edgesim.data.reading_notes import Note, some
from edgesim.errors import DataError
from edgesim.formatting import n_of

IMAGE_SUFFIXES = (
    ".apng", ".avif", ".bmp", ".dib", ".gif", ".j2k", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png",
    ".pnm", ".ppm", ".qoi", ".tga", ".tif", ".tiff", ".webp",
)  # fmt: skip
"""of any case; types of still images that Pillow reads, with those that phones and browsers write"""
SYSTEM = (
    "__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir", "#recycle", "$recycle.bin", "lost+found",
    "system volume information",
)  # fmt: skip
"""leftovers of archives, file managers and network drives, in any case of letters"""


def is_system(name: str) -> bool:
    """True for hidden files and leftovers, which nobody put there as data."""
    return name.startswith(".") or name.lower() in SYSTEM


class Survey:
    """Walks the folders of one data set and remembers what it passes over.

    Args:
        folder: of the data set; notes name paths relative to it.
        expected: suffixes of files that belong to the layout and need no note.
    """

    def __init__(self, folder: Path, expected: tuple[str, ...] = ()):
        self._folder = folder
        self._expected = expected
        self._system: list[Path] = []
        self._unknown: Counter[str] = Counter()
        self._links: list[Path] = []
        self._nested: list[Path] = []
        self._loose: list[Path] = []
        self._beside: list[Path] = []

    def subfolders(self, folder: Path) -> list[str]:
        """Names of the class folders in a folder, sorted; linked ones too.

        Raises:
            DataError: a link leads to a folder that it lies in.
        """
        names = []
        for entry in _entries(folder):
            path = folder / entry.name
            if is_system(entry.name):
                self._system.append(path)
            elif not entry.is_dir() and _is_image(entry.name):
                self._loose.append(path)
            elif not entry.is_dir():
                self._count(entry.name)
            elif entry.is_symlink() and folder.resolve().is_relative_to(path.resolve()):
                raise DataError(f"{path}: is a link to a folder that it lies in; remove the link")
            else:
                names.append(entry.name)
        return sorted(names)

    def beside(self, folder: Path, used: Collection[str]) -> None:
        """Count what lies beside the folders that are read and looks like data: folders and images."""
        for entry in _entries(folder):
            if is_system(entry.name):
                self._system.append(folder / entry.name)
            elif entry.name not in used and entry.is_dir():
                self._beside.append(folder / entry.name)
            elif _is_image(entry.name) and not entry.is_dir():
                self._loose.append(folder / entry.name)

    def images(self, folder: Path) -> list[Path]:
        """The images of a class folder and of the folders below it, sorted. Links to folders are not followed.

        Raises:
            DataError: a folder cannot be read, or a link leads nowhere.
        """
        found = sorted(self._below(folder))
        self._nested += [path for path in found if path.parent != folder]
        return found

    def notes(self) -> list[Note]:
        """Notes on the files that were passed over so far."""
        notes = []
        if self._unknown:
            count = self._unknown.total()
            listed = some(f"{suffix} ({n:,})" for suffix, n in self._unknown.most_common())
            text = f"{n_of(count, 'file is', 'files are')} left out, of no image type that is read: {listed}"
            notes.append(Note("left out", text, count))
        for paths, one, many in (
            (self._system, "hidden or system entry is left out", "hidden or system entries are left out"),
            (self._links, "link to a folder is not followed", "links to folders are not followed"),
            (self._loose, "image lies in no class folder and is left out", "images lie in no class folder and are "
             "left out"),
            (self._beside, "folder beside the splits is not read", "folders beside the splits are not read"),
        ):  # fmt: skip
            if paths:
                text = f"{n_of(len(paths), one, many)}: {self._named(paths)}{_held(paths)}"
                notes.append(Note("left out", text, len(paths)))
        if self._nested:
            text = n_of(len(self._nested), "image lies", "images lie")
            text += " in a folder below its class folder, read as of that class"
            notes.append(Note("read as", f"{text}: {self._named(self._nested)}", len(self._nested)))
        return notes

    def _below(self, folder: Path) -> Iterator[Path]:
        for entry in _entries(folder):
            path = folder / entry.name
            if is_system(entry.name):
                self._system.append(path)
            elif entry.is_dir():
                if entry.is_symlink():
                    self._links.append(path)
                else:
                    yield from self._below(path)
            elif _is_image(entry.name) and entry.is_file():
                yield path
            else:
                self._count(entry.name)

    def _count(self, name: str) -> None:
        if not name.endswith(self._expected):
            self._unknown[Path(name).suffix.lower() or "without a suffix"] += 1

    def _named(self, paths: list[Path]) -> str:
        names = Counter(path.name for path in paths)
        if len(names) < len(paths):
            return some(f"{name} ({n:,})" if n > 1 else name for name, n in names.most_common())
        return some(os.path.relpath(path, self._folder) for path in paths)


def _held(paths: list[Path]) -> str:
    """Number of images in folders that are passed over, in words; empty where there are none."""
    inside = [name for path in paths if not path.is_symlink() for _, _, names in os.walk(path) for name in names]
    count = sum(_is_image(name) and not is_system(name) for name in inside)
    return f"; images in {'it' if len(paths) == 1 else 'them'}: {count:,}" if count else ""


def _is_image(name: str) -> bool:
    return Path(name).suffix.lower() in IMAGE_SUFFIXES


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """Entries of a folder, in order of their names. DataError: it cannot be read, or a link in it leads nowhere."""
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({error.strerror}); check its permissions") from None
    for entry in entries:
        if entry.is_symlink() and not is_system(entry.name) and not os.path.exists(entry.path):
            raise DataError(f"{entry.path}: is a link to {os.readlink(entry.path)}, which leads nowhere; remove it, or "
                            f"fetch what it stands for")  # fmt: skip
    return entries
