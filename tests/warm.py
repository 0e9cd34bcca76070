"""Processes of tests that are forks of one which has imported edgesim and torch (`warm_server`).

Tests of imports, of signals during them, and of what an installed script does start theirs anew.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest
import warm_server
from conftest import ROOT


class Server:
    """The process that forks, started when a test first needs it."""

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def socket(self) -> str:
        """Path of its socket, once it listens."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="edgesim-warm-", dir="/tmp")  # sockets want short names
            path = Path(self._folder.name) / "socket"
            environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
            words = [sys.executable, warm_server.__file__, str(path)]
            self._process = subprocess.Popen(words, stdin=subprocess.PIPE, env=environment)
            while not path.exists():
                assert self._process.poll() is None, "the server ended"
                time.sleep(0.05)
        return str(Path(self._folder.name) / "socket")

    @contextmanager
    def workers(self) -> Iterator[None]:
        """Workers of the Ray that this process starts meanwhile are forks, too."""
        from ray._private import services

        begin, path = services.start_ray_process, self.socket()
        with pytest.MonkeyPatch.context() as patch:
            start: Any = lambda words, *rest, **named: begin(warm_server.ray_command(words, path), *rest, **named)  # noqa: E731
            patch.setattr(services, "start_ray_process", start)
            yield

    def stop(self) -> None:
        """End it; processes that it has forked go on."""
        if self._process is not None and self._folder is not None:
            self._process.communicate()
            self._folder.cleanup()


class Process:
    """A fork of the server; like `subprocess.Popen`, as far as tests need it."""

    def __init__(
        self,
        server: Server,
        *arguments: str,
        cwd: Path,
        terminal: int | None = None,
        workers: bool = False,
        **named: str,
    ):
        """Start a program.

        Args:
            server: which forks it.
            arguments: of which the first is the program's file.
            cwd: its folder.
            terminal: file descriptor of the terminal of its new session; None = output and errors are kept.
            workers: True: the workers of its Ray are forks, too.
            named: variables of its environment beside those of this process.
        """
        self._files: list[IO[bytes]] = []
        if terminal is None:
            self._files = [tempfile.TemporaryFile() for _ in range(2)]  # noqa: SIM115 - read when the process has ended
        request = {
            "arguments": arguments, "folder": str(cwd), "environment": {**os.environ, **named}, "session": True,
            "terminal": terminal is not None, "workers": workers,
        }  # fmt: skip
        with open(os.devnull) as nothing:
            streams = (
                [terminal] * 3 if terminal is not None else [nothing.fileno(), *(file.fileno() for file in self._files)]
            )
            self._connection, self.pid = warm_server.connect(server.socket(), request, streams)
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Its exit status, negative for a signal; None while it runs."""
        if self.returncode is None and select.select([self._connection], [], [], 0)[0]:
            self.returncode = os.waitstatus_to_exitcode(int(self._connection.recv(100)))
            self._connection.close()
        return self.returncode

    def wait(self, timeout: float) -> int:
        """Its exit status, once it ends.

        Raises:
            subprocess.TimeoutExpired: it has not ended within so many seconds.
        """
        if self.returncode is None and not select.select([self._connection], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired(str(self.pid), timeout)
        status = self.poll()
        assert status is not None
        return status

    def communicate(self, timeout: float) -> tuple[str, str]:
        """Its output and its errors, once it ends."""
        self.wait(timeout)
        for file in self._files:
            file.seek(0)
        output, errors = (file.read().decode() for file in self._files)
        return output, errors

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)
