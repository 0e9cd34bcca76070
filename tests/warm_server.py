"""A process that has imported edgesim and torch, and forks the processes of tests: anew, imports take 3 s of a core.

It has one thread, so that a fork copies all of it. Each fork gets the arguments, folder, environment and standard
streams of a process started anew, and ends as one does. Run as a program, it listens at the socket that it is given,
until its standard input is closed. With more arguments it is the client in the place of a program: `ray_command`.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import json
import os
import select
import signal
import socket
import subprocess
import sys
from typing import Any

IMPORTED = ("edgesim.cli.app", "edgesim.cli.run", "edgesim.api", "edgesim.report", "edgesim.runtime.host_pool",
            "edgesim.runtime.worker", "edgesim.report.page")  # fmt: skip
"""not Ray: it keeps what it finds in the environment"""
MOST_BYTES = 200_000
"""size of a request"""


def connect(path: str, request: dict[str, Any], streams: list[int]) -> tuple[socket.socket, int]:
    """Ask for a process.

    Args:
        path: of the socket.
        request: `arguments`, of which the first is a program's file; `folder`, `environment`, and where they are
            wanted `session` (a new one), `terminal` (its input becomes that of its session) and `workers` (those of
            its Ray are forks, too).
        streams: file descriptors of its input, output and errors.

    Returns: where its exit status will come, and its number.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.connect(path)
    socket.send_fds(connection, [json.dumps(request).encode()], streams)
    return connection, int(connection.recv(100))


def ray_command(command: list[str], path: str) -> list[str]:
    """A raylet's command whose workers are forks of the server at a socket; any other command as it is."""
    client = subprocess.list2cmdline([sys.executable, "-I", "-S", __file__, path])
    option = f"--python_worker_command={sys.executable} "
    return [
        f"--python_worker_command={client} {part.removeprefix(option)}" if part.startswith(option) else part
        for part in command
    ]


def worker_of_ray(path: str, arguments: list[str]) -> int:
    """Be a worker of Ray: a fork of the server, which this process outlives.

    Ray's own set-up program would import Ray only to start the worker's, as long as there is no runtime environment.
    """
    worker = [
        part for part in arguments[1:] if not part.startswith(("--language=", "--serialized-runtime-env-context="))
    ]
    # A raylet ends its workers with all of their process group.
    request = {"arguments": worker, "folder": os.getcwd(), "environment": dict(os.environ), "session": True}
    connection, _ = connect(path, request, [0, 1, 2])
    return os.waitstatus_to_exitcode(int(connection.recv(100) or b"0"))


def serve(path: str) -> dict[str, Any]:
    """Fork a process for each request until standard input is closed; then end.

    Returns: in a fork, its request.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(f"{path}.new")
    listener.listen(64)
    os.rename(f"{path}.new", path)
    woken, wakes = os.pipe()
    os.set_blocking(wakes, False)
    signal.set_wakeup_fd(wakes)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    own = [signal.signal(signal.SIGINT, signal.SIG_IGN), signal.signal(signal.SIGTERM, signal.SIG_DFL)]
    running: dict[int, socket.socket] = {}
    while True:
        ready = select.select([listener, woken, 0], [], [])[0]
        if 0 in ready and not os.read(0, 1):
            sys.exit()
        if woken in ready:
            os.read(woken, 1000)
        while running and (ended := os.waitpid(-1, os.WNOHANG))[0]:
            connection = running.pop(ended[0])
            with contextlib.suppress(OSError):  # who asked has ended
                connection.send(str(ended[1]).encode())
            connection.close()
        if listener not in ready:
            continue
        connection, _ = listener.accept()
        message, streams, _, _ = socket.recv_fds(connection, MOST_BYTES, 3)
        number = os.fork()
        if number:
            for stream in streams:
                os.close(stream)
            running[number] = connection
            connection.send(str(number).encode())
            continue
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, own[0])
        for place, stream in enumerate(streams):
            os.dup2(stream, place)
        for left in (listener, connection, *running.values()):
            left.close()
        for stream in {woken, wakes, *streams} - {0, 1, 2}:
            os.close(stream)
        return json.loads(message)


def become(request: dict[str, Any]) -> None:
    """Take what a process has from the start."""
    if request.get("session"):
        os.setsid()
    if request.get("terminal"):
        import fcntl
        import termios

        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = request["arguments"]
    sys.path[0] = os.path.dirname(sys.argv[0])
    named = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[1:1] = [entry for entry in named if entry and entry not in sys.path]
    sys.stdin = sys.__stdin__ = io.TextIOWrapper(io.FileIO(0))
    for place, name in ((1, "stdout"), (2, "stderr")):
        stream = io.TextIOWrapper(io.FileIO(place, "w"), write_through=True)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def main() -> None:
    """The server, and in a fork what was asked for."""
    for name in IMPORTED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    request = serve(sys.argv[1])
    path = sys.argv[1]
    become(request)
    if request.get("workers"):
        from ray._private import services

        begin = services.start_ray_process
        services.start_ray_process = lambda command, *rest, **named: begin(ray_command(command, path), *rest, **named)
    import runpy

    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    if len(sys.argv) > 2:
        sys.exit(worker_of_ray(sys.argv[1], sys.argv[2:]))
    main()
