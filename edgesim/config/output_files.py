"""Files that edgesim writes: each as a whole, none over a file of someone else, none half done on a full disk.

A text that is written for a person ends in a line with a checksum of all lines above it. So a later command can tell a
file that edgesim wrote from one that somebody wrote or changed, and replaces only the former.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from edgesim.errors import EdgesimError, OutputError

UNFINISHED = ".unfinished"
"""ending of a file that is being written; a killed process leaves it behind"""
MARK = "written by edgesim"
_SIGNED = re.compile(rb"\n(?:<!--|#) " + MARK.encode() + rb", checksum ([0-9a-f]{8})(?: -->)?\n\Z")
_TAIL_BYTES, _LINE_BYTES = 1 << 16, 200
_FIXES = {
    errno.ENOSPC: "make room on that disk",
    errno.EDQUOT: "make room within your quota",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f)",
    errno.EROFS: "name a place that can be written to",
    errno.EACCES: "check the permissions of the folder, or name another place",
    errno.ENOTDIR: "name a place whose parent is a folder",
    errno.EEXIST: "name a folder, or a file that is not there",
    errno.ENOENT: "create its folder first",
}


def cannot_write(path: Path, error: OSError, then: str = "") -> OutputError:
    """Error on a file that cannot be written: its name, the cause, the fix, and how to go on.

    Args:
        path: the file.
        error: of the operating system.
        then: how to go on after the fix; empty where the fix is all.
    """
    fix = _FIXES.get(error.errno or 0, "check the disk and the folder")
    return OutputError(f"{path} cannot be written: {error.strerror or error}; {fix}{then}")


@contextmanager
def replacing(path: Path, then: str = "") -> Iterator[BinaryIO]:
    """Open a binary file that takes the place of `path` at the end of the block; after an error nothing is left of it.

    A reader sees either the old file or the new one, whole and on the disk. The temporary file lies in the same folder
    under a name that nobody can guess. A symbolic link stays, and the file that it leads to is replaced.

    Args:
        path: the file; its folder exists.
        then: how to go on after a full disk (`cannot_write`).

    Raises:
        OutputError: it cannot be written.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name[:100]}.{os.urandom(8).hex()}{UNFINISHED}")
    try:
        try:
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(path, error, then) from None


def write_text(path: Path, text: str, then: str = "") -> None:
    """Write a text as a whole (`replacing`)."""
    with replacing(path, then) as file:
        file.write(text.encode())


def write_signed(path: Path, text: str, then: str = "") -> None:
    """Write a page or a YAML file with the line that tells it from files of others."""
    body = text.encode()
    body = body if body.endswith(b"\n") else body + b"\n"
    line = f"{MARK}, checksum {zlib.crc32(body):08x}"
    line = f"<!-- {line} -->" if path.suffix in (".html", ".md") else f"# {line}"
    with replacing(path, then) as file:
        file.write(body + line.encode() + b"\n")


def check_replaceable(path: Path, option: str = "--out") -> None:
    """Refuse a place for an output where there is something that edgesim did not write, or that was changed since.

    Args:
        path: the file to write.
        option: option of the command that names another; empty where none does.

    Raises:
        EdgesimError: it is no regular file, or not one that edgesim wrote.
    """
    if not path.exists():
        return
    another = f"name another file with {option}"
    advice = f"{another}, or move this one away" if option else "move it away"
    if not path.is_file():
        kind = "a folder" if path.is_dir() else "no regular file"
        raise EdgesimError(f"{path} is {kind}; {another if option else advice}")
    if not _is_own(path):
        raise EdgesimError(f"{path} exists, and edgesim did not write it as it is now; {advice}")


def _is_own(path: Path) -> bool:
    """True for a signed text that nobody changed, and for a parquet file with the mark in its footer."""
    try:
        if path.suffix == ".parquet":
            with path.open("rb") as file:
                file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
                return MARK.encode() in file.read()
        with path.open("rb") as file:  # the end first: a film of gigabytes has no such line
            file.seek(max(0, path.stat().st_size - _LINE_BYTES))
            found = _SIGNED.search(file.read())
        if found is None:
            return False
        content = path.read_bytes()
    except OSError as error:
        raise EdgesimError(f"{path} cannot be read ({error.strerror}), so it is not replaced; name another") from None
    line = len(found[0]) - 1
    return zlib.crc32(content[:-line]) == int(found[1], 16)


def check_new_folder(path: Path) -> None:
    """Refuse a folder for new files that holds something.

    Raises:
        OutputError: naming what is there.
    """
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        raise OutputError(f"{path} is no folder; name a new one with --out")
    try:
        there = sorted(entry.name for entry in path.iterdir()) if path.exists() else []
    except OSError as error:
        raise cannot_write(path, error) from None
    if there:
        raise OutputError(f"{path} is not empty: it holds {there[0]}; name a new folder with --out")


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Open a temporary folder that becomes `path` at the end of the block; after an error nothing is left of it.

    Args:
        path: a folder that is not there yet, or empty.

    Raises:
        OutputError: it holds something, or cannot be written.
    """
    check_new_folder(path)
    temporary = path.absolute().parent / f".{path.name[:100]}.{os.urandom(8).hex()}{UNFINISHED}"
    try:
        try:
            temporary.mkdir(parents=True)
            yield temporary
            if path.exists():
                path.rmdir()  # it is empty
            os.replace(temporary, path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise cannot_write(path, error) from None
