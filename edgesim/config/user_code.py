"""Boundary to a user's own modules and classes: whatever their code raises becomes an error with file and line."""

from __future__ import annotations

import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgesim.errors import EdgesimError

_PACKAGE = __name__.partition(".")[0]
_LIBRARIES = (
    *(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")),
    str(Path(__file__).resolve().parents[1]),
)
"""folders of code that no user wrote"""


def is_own(plugin: object) -> bool:
    """True where a plug-in's class is a user's, so that its code may raise anything."""
    return type(plugin).__module__.partition(".")[0] != _PACKAGE


@contextmanager
def boundary(what: str, own: bool = True) -> Iterator[None]:
    """Run a user's code; errors of edgesim and Ctrl-C get through as they are.

    Args:
        what: the code and its task, as the beginning of a sentence: "the module 'nets' fails on import".
        own: False for code of edgesim, whose exceptions are mistakes and get through.

    Raises:
        EdgesimError: the code raised something else, `SystemExit` included.
    """
    try:
        yield
    except EdgesimError:
        raise
    except BaseException as error:
        if not own or type(error) is KeyboardInterrupt:
            raise
        raise EdgesimError(f"{what}: {_problem(error)} ({_place(error)})") from error


def _problem(error: BaseException) -> str:
    """Type and text of an exception on one line; the type alone where it has no text."""
    name = type(error).__name__
    try:
        text = " ".join(str(error).split())
    except Exception:  # noqa: BLE001 - the exception's own __str__ is the user's code, too
        return f"{name}, whose text cannot be read"
    if isinstance(error, SystemExit):
        return f"it leaves Python by sys.exit({error.code!r}); a module must not"
    return f"{name}: {text}" if text else name


def _place(error: BaseException) -> str:
    """File and line of an exception: the innermost outside Python and the installed packages, where there is one."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}, line {error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    outside = [frame for frame in frames if not frame.filename.startswith(("<", *_LIBRARIES))]
    inside = [frame for frame in frames if not frame.filename.startswith("<")]
    found = (outside or inside or frames)[-1]
    return f"{found.filename}, line {found.lineno}"
