"""Program of `edgesim run --on-end`: called once the run has ended, however it ended."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import typer

from edgesim.cli.app import echo

OPTION = "--on-end"


def parsed(given: str | None) -> list[str]:
    """Words of the program and its arguments; none where no program is given.

    Raises:
        typer.BadParameter: a quote is missing, or the program is not there.
    """
    if given is None:
        return []
    try:
        words = shlex.split(given)
    except ValueError as error:
        raise typer.BadParameter(f"{OPTION} {given!r} cannot be read: {error}") from None
    if not words:
        raise typer.BadParameter(f"{OPTION} names no program")
    program = shutil.which(words[0])
    if program is None:
        raise typer.BadParameter(
            f"{OPTION}: '{words[0]}' is no program that can be called; name an executable file or one on the PATH"
        )
    return [str(Path(program).resolve()), *words[1:]]


@contextmanager
def calling(words: Sequence[str], folder: Path) -> Iterator[None]:
    """Call a program after the block, with the run folder and the run's status as its last two arguments.

    Its exit code changes nothing of the run; one that is not 0 is said. Nothing is called after an error that came
    before the run began: the folder may hold another run.

    Args:
        words: program and arguments; none = nothing is called.
        folder: of the run.
    """
    before = _content(folder)
    try:
        yield
    except BaseException:
        if words and _content(folder) != before:
            _call(words, folder)
        raise
    if words:
        _call(words, folder)


def _content(folder: Path) -> bytes | None:
    """Bytes of run.json; None where there is none."""
    try:
        return (folder / "run.json").read_bytes()
    except OSError:
        return None


def _call(words: Sequence[str], folder: Path) -> None:
    from edgesim.errors import EdgesimError
    from edgesim.results import run_info

    try:
        status = str(run_info.read(folder)["status"])
    except EdgesimError as error:
        echo(f"edgesim: {OPTION} is not called: {error}", err=True)
        return
    try:
        done = subprocess.run([*words, str(folder.resolve()), status], check=False)
    except OSError as error:
        echo(f"edgesim: {OPTION} {words[0]} cannot be called: {error.strerror}", err=True)
        return
    if done.returncode:
        echo(f"edgesim: {OPTION} {words[0]} ended with exit code {done.returncode}; the run is as it was", err=True)
