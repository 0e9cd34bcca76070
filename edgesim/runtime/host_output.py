"""Output of a host while it runs jobs. Marks between its lines name the trial at work.

A Ray host writes its standard output and error to one file. The driver reads what a lost host leaves there.
"""

from __future__ import annotations

import faulthandler
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import IO, Any, NamedTuple

from edgesim.errors import shortened
from edgesim.formatting import visible

BEGIN, END = "\x1e", "\x1f"
_MARK = re.compile(f"{BEGIN}([^{END}]*){END}")
MOST_BYTES = 4 << 20
"""of the output of one call that is kept; the oldest goes first"""


class Mark(NamedTuple):
    """Work that a host begins: a phase of one device and, where it is one method's own, the method."""

    seed: int
    device: int
    phase: str
    """`scoring`, `training` or `warm-up`"""
    method: str = ""

    def __str__(self) -> str:
        return ", ".join([f"seed {self.seed}", f"device {self.device}", *filter(None, [self.method, self.phase])])


class Printed(NamedTuple):
    """Output of a host during one piece of work."""

    mark: Mark | None
    """None where no trial was at work"""
    text: str


Announce = Callable[[Mark], None]
"""receiver of marks"""


def unheard(mark: Mark) -> None:
    """Receiver of marks where nobody listens."""


def mark_text(mark: Mark) -> str:
    """A mark as it stands in the output."""
    return f"{BEGIN}{mark.seed}\t{mark.device}\t{mark.phase}\t{mark.method}{END}"


def parts(text: str) -> list[Printed]:
    """Output between the marks, in order. The last part is there even where it is empty: a host stopped in it."""
    pieces = _MARK.split(text)
    found = [Printed(None, pieces[0])]
    for given, printed in zip(pieces[1::2], pieces[2::2], strict=True):
        fields = given.split("\t", 3)
        known = len(fields) == 4 and fields[0].isdigit() and fields[1].isdigit()
        mark = Mark(int(fields[0]), int(fields[1]), fields[2], fields[3]) if known else None
        found.append(Printed(mark, printed))
    return [part for part in found[:-1] if part.text] + found[-1:]


def log_text(line: str) -> str:
    """A line of a host's output for the log: without colours, its control characters as escapes; 2,000 characters."""
    return visible(re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", shortened(line, 2_000)))


class OutputFile:
    """The host's end: standard output and error of this process go to a file of its own."""

    def __init__(self) -> None:
        self._file, self.path = tempfile.mkstemp(prefix="edgesim-host-", dir=_log_folder())
        self._end = os.open(self.path, os.O_WRONLY | os.O_APPEND)  # appended, so that cutting the file leaves no gap
        self._direct()
        faulthandler.enable(file=2, all_threads=False)

    def mark(self, mark: Mark) -> None:
        """Write a mark between the lines. What the method before did to the streams is undone."""
        self._flush()
        self._direct()
        os.write(self._end, mark_text(mark).encode(errors="replace"))

    def take(self) -> list[Printed]:
        """Output since the last call, without parts that are empty."""
        self._flush()
        return [part for part in parts(cut(self._file)) if part.text]

    def _direct(self) -> None:
        """Let the standard streams write to the file, also those that a method has closed."""
        for number, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(self._end, number)
            if getattr(getattr(sys, name), "closed", False):
                fresh = open(number, "w", encoding="utf-8", errors="replace", buffering=1, closefd=False)  # noqa: SIM115
                setattr(sys, name, fresh)

    def _flush(self) -> None:
        for stream in (sys.stdout, sys.stderr):
            with suppress(ValueError, AttributeError, OSError):  # closed, or no stream at all
                stream.flush()


def _log_folder() -> str | None:
    """Folder of this process's standard output, which Ray removes some day; None (that for temporary files) without."""
    try:
        target = os.readlink("/proc/self/fd/1")
    except OSError:  # no Linux
        return None
    return os.path.dirname(target) if os.path.isfile(target) else None


def cut(file: int) -> str:
    """Read a file to its end, at most the last MOST_BYTES, and empty it."""
    size = os.fstat(file).st_size
    if not size:
        return ""
    text = os.pread(file, MOST_BYTES, max(0, size - MOST_BYTES)).decode(errors="replace")
    os.ftruncate(file, 0)
    return text


class _Copy:
    """A stream that also hands on the text that is written to it; else it is as the stream."""

    def __init__(self, stream: IO[str], keep: Callable[[str], None]):
        self._stream, self._keep = stream, keep

    def write(self, text: str) -> int:
        """Write to the stream, and hand on."""
        self._keep(text)
        return self._stream.write(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class CopiedOutput:
    """Output of jobs in this process: it goes where it would go, and is kept as well. C code's own is not kept."""

    def __init__(self) -> None:
        self._kept: list[str] = []
        self._length = 0

    def mark(self, mark: Mark) -> None:
        """Keep a mark between the lines."""
        self._keep(mark_text(mark))

    @contextmanager
    def copied(self) -> Iterator[None]:
        """Keep what Python code prints within."""
        out: Any = _Copy(sys.stdout, self._keep)
        err: Any = _Copy(sys.stderr, self._keep)
        with redirect_stdout(out), redirect_stderr(err):
            yield

    def take(self) -> list[Printed]:
        """Output since the last call, without parts that are empty."""
        text = "".join(self._kept)
        self._kept, self._length = [], 0
        return [part for part in parts(text) if part.text]

    def _keep(self, text: str) -> None:
        if self._length < MOST_BYTES:
            self._kept.append(text)
            self._length += len(text)
