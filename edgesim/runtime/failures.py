"""Failures of jobs: the boundary at which any exception becomes a `Failure`."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from edgesim.errors import EdgesimError

T = TypeVar("T")


@dataclass(frozen=True)
class Failure:
    """Outcome of a job or of a training that raised an exception."""

    reason: str
    detail: str = ""
    """the traceback, for the log"""


def caught(work: Callable[..., T], *arguments: Any) -> T | Failure:
    """Call a function; the exception that it raises becomes a Failure with its message and place."""
    try:
        return work(*arguments)
    except EdgesimError as error:
        return Failure(str(error), traceback.format_exc())
    except Exception as error:  # noqa: BLE001 - the boundary: one job's error must not end the run
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{os.path.basename(last.filename)}:{last.lineno}"
        return Failure(f"{type(error).__name__}: {error} (in {place})", traceback.format_exc())


def log_detail(failure: Failure) -> None:
    """Write a failure's traceback to standard error where EDGESIM_DEBUG is set."""
    if failure.detail and os.environ.get("EDGESIM_DEBUG"):
        sys.stderr.write(failure.detail)
