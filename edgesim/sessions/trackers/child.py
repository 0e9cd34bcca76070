"""The process of a tracker: it takes a run's calls from its standard input, and works through them one by one.

A thread of it reads all the time, so that no call waits in the pipe. The end of the pipe means that the process is
alone: its run waits no longer, or was killed. Either way it ends within a limit, whatever the tracker does.
"""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import json
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import BinaryIO

from edgesim.config.user_code import boundary
from edgesim.errors import EdgesimError, shortened
from edgesim.sessions.trackers.base import Tracker, made
from edgesim.sessions.trackers.calls import Calls, from_line

LONGEST_ALONE_S = 3600
"""seconds that a tracker may take for what is left, once its run waits no longer; it works little on a busy machine"""
LONGEST_ORPHANED_S = 120
"""the same where the run was killed, so that only its status is left"""
LONGEST_SENTENCE = 2000
"""characters of an error that the run is told; a pipe holds more"""
KILLED = "failed"
"""status of a run that was killed"""


def main(name: str, reference: str, log: str) -> None:
    """Work until the last call. What went wrong is told to the run, and written to the log where it is not there.

    Args:
        name: of the tracker.
        reference: its class, as `package.module:Name`.
        log: file of this process's output; removed where it is empty.
    """
    alone = threading.Event()
    atexit.register(_remove_if_alone, log, alone)  # called last, when libraries have written what they write at the end
    faulthandler.enable()
    pipe, answer = _streams()
    _ignore_signals(alone)
    calls = Calls()
    threading.Thread(target=_read, args=(pipe, calls, alone), daemon=True).start()
    problem = None
    try:
        with boundary(f"the tracker {name} failed"):
            _work(made(name, reference), calls)
    except EdgesimError as error:
        problem = shortened(str(error), LONGEST_SENTENCE)
    if problem is not None and alone.is_set():
        sys.stderr.write(f"{problem}\n")
    with contextlib.suppress(OSError):  # nobody listens any more
        os.write(answer, json.dumps(problem).encode())


def remove_empty(log: str | Path) -> None:
    """Remove a log that nothing was written to."""
    with contextlib.suppress(OSError):
        if os.stat(log).st_size == 0:
            os.unlink(log)


def _work(tracker: Tracker, calls: Calls) -> None:
    """Hand the calls to a tracker, up to `stop`."""
    method = ""
    while method != "stop":
        method, arguments = calls.take()
        if method == "finish":
            from edgesim.results.run_folder import Run  # pandas takes half a second

            arguments = (Run(*arguments),)
        getattr(tracker, method)(*arguments)


def _read(pipe: BinaryIO, calls: Calls, alone: threading.Event) -> None:
    """Take calls from the pipe until it ends. Where the last one is missing, the run was killed."""
    method = ""
    try:
        with contextlib.suppress(ValueError, OSError):  # the last call may be cut short
            for line in pipe:
                method, arguments = from_line(line)
                calls.put(method, *arguments)
    finally:
        alone.set()
        is_orphan = method != "stop"
        if is_orphan:
            calls.put("stop", KILLED)
        faulthandler.dump_traceback_later(LONGEST_ORPHANED_S if is_orphan else LONGEST_ALONE_S, exit=True)


def _streams() -> tuple[BinaryIO, int]:
    """The pipe of calls and the one for the answer, which no process that a library starts gets.

    Standard input is empty from here on, and standard output goes where the errors go: to the log.
    """
    pipe, answer = os.fdopen(os.dup(0), "rb"), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # a crash loses no line
    return pipe, answer


def _ignore_signals(alone: threading.Event) -> None:
    """Leave the signals that stop a run to the run, which then says how it ended; once alone, they end this process.

    Processes that a library starts keep the usual effect of signals: they inherit no handler.
    """

    def end_if_alone(number: int, frame: FrameType | None) -> None:
        if alone.is_set():
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):  # Windows has no SIGHUP
            signal.signal(getattr(signal, name), end_if_alone)


def _remove_if_alone(log: str, alone: threading.Event) -> None:
    """Remove an empty log where the run does not."""
    sys.stdout.flush()
    if alone.is_set():
        remove_empty(log)
