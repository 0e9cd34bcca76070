"""Failures of jobs: the boundary at which any exception becomes a `Failure`."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from edgesim.errors import EdgesimError

T = TypeVar("T")
Cause = Literal["error", "lost", "timeout", "memory"]


@dataclass(frozen=True)
class Failure:
    """Outcome of a job or of a training that raised an exception, or whose host was lost or replaced."""

    reason: str
    detail: str = ""
    """the traceback, for the log"""
    cause: Cause = "error"
    """error: the job's own; lost: its host died, who knows why; timeout, memory: its host was replaced for a limit"""
    is_alone: bool = True
    """False where other jobs ran on the host in the same call, so that one of them may be the cause"""
    suspect: str = ""
    """method that the host was at, where that is known"""
    phase: str = ""
    """`scoring` or `training`, where there is a suspect"""
    on_new_host: bool = False
    """True where the host had run nothing before, so that its memory was the job's own"""
    output: str = ""
    """last lines that the host printed during the job"""


def caught(work: Callable[..., T], *arguments: Any) -> T | Failure:
    """Call a function; the exception that it raises becomes a Failure with its message and place."""
    try:
        return work(*arguments)
    except EdgesimError as error:
        return Failure(_one_line(error), traceback.format_exc())
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the boundary: one job's error must not end the run
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{os.path.basename(last.filename)}:{last.lineno}"
        return Failure(f"{type(error).__name__}: {_one_line(error)} (in {place})", traceback.format_exc())


def _one_line(error: BaseException) -> str:
    return " ".join(line.strip() for line in str(error).splitlines())


def log_detail(failure: Failure) -> None:
    """Write a failure's traceback to standard error where EDGESIM_DEBUG is set."""
    if failure.detail and os.environ.get("EDGESIM_DEBUG"):
        sys.stderr.write(failure.detail)
