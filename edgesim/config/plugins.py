"""Loads what a user names as `package.module:Name`: an own model, method or data set."""

from __future__ import annotations

import importlib
import os
import re
import sys
import traceback
from collections.abc import Callable
from types import ModuleType
from typing import Any

from edgesim.config.validation import nearest
from edgesim.errors import EdgesimError

_REFERENCE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")
# What a module may raise while it is imported, one by one, so that an interrupt or an exit gets through.
_IMPORT_FAILURES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)


def is_reference(name: str) -> bool:
    """Whether `name` is meant as `package.module:Name` (it holds a colon), well-formed or not."""
    return ":" in name


def load(name: str) -> Callable[..., Any]:
    """Import the class or function that `name` refers to.

    The current directory is searched first, as `python -m` does, so that a file there can be used without
    being installed.

    Args:
        name: `package.module:Name`.

    Returns: the object itself, always callable.

    Raises:
        EdgesimError: malformed name, no such module, the module fails on import (with file and line), no such
            attribute (with the nearest one), or something that cannot be called.
    """
    if not _REFERENCE.fullmatch(name):
        raise EdgesimError(f"'{name}' must be written as package.module:Name, for example my_code.nets:MyNet")
    module_name, attribute = name.split(":")
    module = _import(module_name)
    if not hasattr(module, attribute):
        names = [key for key in vars(module) if not key.startswith("_")]
        where = getattr(module, "__file__", None) or "a folder without __init__.py"
        raise EdgesimError(f"the module '{module_name}' ({where}) has no '{attribute}'{nearest(attribute, names)}")
    found = getattr(module, attribute)
    if not callable(found):
        raise EdgesimError(
            f"'{name}' is a value of type {type(found).__name__}; name a class or a function of that module"
        )
    return found


def _import(module_name: str) -> ModuleType:
    here = os.getcwd()
    sys.path.insert(0, here)
    try:
        importlib.invalidate_caches()  # the file may be younger than Python's listing of its folder
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise _failed(module_name, error) from error  # the module is there; one that it imports is not
        raise EdgesimError(
            f"there is no module '{error.name}'; looked in the current directory ({here}) and among the "
            "installed packages. Run edgesim from the folder that holds it, or install it"
        ) from None
    except _IMPORT_FAILURES as error:
        raise _failed(module_name, error) from error
    finally:
        sys.path.remove(here)
        if here not in sys.path:
            # From now on last and not first: what the module imports later is found, and shadows nothing.
            sys.path.append(here)


def _failed(module_name: str, error: BaseException) -> EdgesimError:
    if isinstance(error, SyntaxError) and error.filename:
        place = f"{error.filename}, line {error.lineno}"
    else:
        frame = [f for f in traceback.extract_tb(error.__traceback__) if "importlib" not in f.filename][-1]
        place = f"{frame.filename}, line {frame.lineno}"
    return EdgesimError(f"the module '{module_name}' fails on import: {type(error).__name__}: {error} ({place})")
