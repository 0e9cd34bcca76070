"""A tracker in a process of its own, at the lowest priority while the run trains, as its run sees it.

Nothing that the tracker does reaches the run: not its imports, a call that hangs, or a crash. Two threads serve the
process. One writes calls to its pipe, which may be full, the other waits for its end.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from edgesim.errors import EdgesimError
from edgesim.sessions.trackers.base import log_of, reference_of
from edgesim.sessions.trackers.calls import Calls, to_line
from edgesim.sessions.trackers.child import LONGEST_ALONE_S, remove_empty

BEGIN = (
    "import json, sys; given = json.loads(sys.argv[1]); sys.path[:], sys.argv[:] = given['path'], given['argv']; "
    "from edgesim.sessions.trackers.child import main; main(given['name'], given['reference'], given['log'])"
)
"""program of the process; the path comes first, so that it finds what the run finds"""
NICENESS = 19
CLOSE = "close"
"""a call that no tracker sees: the pipe is closed"""
LONGEST_CLOSE_S = 1.0
"""seconds for the last calls on their way to a process that is left"""


class TrackerProcess:
    """One tracker at work in a process of its own."""

    def __init__(self, name: str, folder: Path, say: Callable[[str], None]):
        """Start it, without waiting for that.

        Args:
            name: of the tracker.
            folder: of the run.
            say: receiver of the sentence on a tracker that fails.
        """
        self.name, self._say = name, say
        self.ended = threading.Event()
        """set when its end has been told"""
        self._log = log_of(folder, name)
        self._calls = Calls()
        self._process: subprocess.Popen[bytes] | None = None
        self._is_left = False
        self._feeder = threading.Thread(target=self._feed, name=f"calls of {name}", daemon=True)
        threading.Thread(target=self._follow, name=f"tracker {name}", daemon=True).start()

    def call(self, method: str, *arguments: Any) -> None:
        """Hand over a call; it returns at once."""
        if not self.ended.is_set():
            self._calls.put(method, *arguments)

    def hurry(self) -> None:
        """Give the process its usual priority: the run has ended, and somebody waits."""
        if self._process is not None and not self.ended.is_set():
            usual_priority(self._process.pid)

    def leave(self) -> str:
        """Let the process go on by itself, at the lowest priority again.

        Returns: how it goes on, as the end of a sentence: its number, the time that it has, and its log.
        """
        process, self._is_left = self._process, True
        self._calls.put(CLOSE)
        if process is None or not self._feeder.is_alive():
            return "what it holds may be lost"
        lower_priority(process.pid)
        self._feeder.join(LONGEST_CLOSE_S)
        lost = "; calls that it has not taken are lost" if self._feeder.is_alive() else ""
        log = f"; its output: {self._log}" if self._log.exists() else ""
        minutes = LONGEST_ALONE_S // 60
        return f"process {process.pid} goes on with it, for {minutes} min at most{lost}{log}"

    def _follow(self) -> None:
        """Start the process, wait for its end, and say what went wrong."""
        try:
            try:
                problem = self._end_of(self._started())
            except OSError as error:
                problem = f"the tracker {self.name} failed: its process cannot be started: {error.strerror or error}"
            except EdgesimError as error:
                problem = str(error)
            if problem and not self._is_left:
                self._say(f"{problem}; the run goes on without it")
        finally:
            self.ended.set()

    def _started(self) -> subprocess.Popen[bytes]:
        """The process, which gets calls from here on.

        Raises:
            OSError: it cannot be started.
            EdgesimError: two packages have a tracker of the name.
        """
        given = {
            "name": self.name, "reference": reference_of(self.name), "log": str(self._log.resolve()),
            "path": list(map(str, sys.path)), "argv": sys.argv,
        }  # fmt: skip
        words = [sys.executable, "-c", BEGIN, json.dumps(given)]
        with _opened(self._log) as log:
            # A process group of its own, so that Ctrl-C does not reach it, but no session: Linux shares the processor
            # out among sessions first (`sched_autogroup_enabled`), whatever the priority of a process within one.
            self._process = process = subprocess.Popen(
                words, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, process_group=0,
                creationflags=_WINDOWS_FLAGS,
            )  # fmt: skip
        lower_priority(process.pid)
        self._feeder.start()
        return process

    def _end_of(self, process: subprocess.Popen[bytes]) -> str | None:
        """Wait for the end of the process; what went wrong, None for nothing."""
        code = process.wait()
        self._calls.put(CLOSE)
        assert process.stdout is not None
        if os.name == "posix":  # a process that the tracker started may hold the pipe open
            os.set_blocking(process.stdout.fileno(), False)
        answer = process.stdout.read()
        process.stdout.close()
        remove_empty(self._log)
        problem = json.loads(answer) if answer else f"the tracker {self.name} failed: {_death(code)}"
        return f"{problem}; its output: {self._log}" if problem and self._log.exists() else problem

    def _feed(self) -> None:
        """Write the calls to the pipe of the process, up to `CLOSE` or its death."""
        assert self._process is not None
        assert self._process.stdin is not None
        with contextlib.suppress(OSError), self._process.stdin as pipe:
            while (call := self._calls.take())[0] != CLOSE:
                _write(pipe, to_line(*call))


_WINDOWS_FLAGS = getattr(subprocess, "IDLE_PRIORITY_CLASS", 0) | getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
"""Windows' words for the priority and the process group; 0 elsewhere"""


def lower_priority(process: int) -> None:
    """Give a process the lowest priority that the platform knows: it gets the time that nothing else wants.

    Args:
        process: its number.
    """
    _set_priority(process, "SCHED_IDLE", NICENESS)


def usual_priority(process: int) -> None:
    """Give a process the priority of this one where the system allows it: most let only root do so."""
    with contextlib.suppress(AttributeError):  # Windows
        _set_priority(process, "SCHED_OTHER", os.getpriority(os.PRIO_PROCESS, 0))


def _set_priority(process: int, policy: str, niceness: int) -> None:
    """Set the priority of all threads of a process, as far as the platform and the user's rights go."""
    threads = [process]
    with contextlib.suppress(OSError):  # Linux alone has it; threads have priorities of their own there
        threads = [int(name) for name in os.listdir(f"/proc/{process}/task")]
    for thread in threads:
        with contextlib.suppress(AttributeError, OSError):  # Linux alone has policies
            os.sched_setscheduler(thread, getattr(os, policy), os.sched_param(0))
        with contextlib.suppress(AttributeError, OSError):  # Windows has neither
            os.setpriority(os.PRIO_PROCESS, thread, niceness)


@contextlib.contextmanager
def _opened(log: Path) -> Iterator[IO[bytes]]:
    """A log to append to; nothing is kept where it cannot be opened."""
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(log.open("ab"))
        except OSError:
            file = stack.enter_context(open(os.devnull, "ab"))
        yield file


def _write(pipe: IO[bytes], data: bytes) -> None:
    """Write all of the data; a pipe takes a part of them at times."""
    left = memoryview(data)
    while left:
        left = left[pipe.write(left) :]


def _death(code: int) -> str:
    """End of a process by its exit code, in words."""
    if code >= 0:
        return f"its process ended with exit code {code}"
    try:
        return f"its process was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"its process was ended by signal {-code}"
