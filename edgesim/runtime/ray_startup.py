"""Starts Ray on this machine without the processes that a run has no use for, or joins a cluster."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from edgesim.config import tested_versions
from edgesim.runtime.failures import Failure, log_detail

_UNUSED = ("start_api_server", "start_monitor", "start_log_monitor")
"""methods of Ray's node that start processes no run needs: dashboard, autoscaler, and the sender of logs"""
_AGENTS = ("dashboard", "runtime_env")

_OPEN = "r"
"""folder within the private one that Ray may open to everyone, as it does"""
_PREFIX = "edgesim-ray-"
_LOCK = "lock"
"""file in the private folder that its process holds locked; the system releases it, whatever ends the process"""
_SETTLED_S = 5.0
"""age of a lock that its process must hold"""
_SHORT = 20
"""characters of a folder in which the names of Ray's sockets stay below the 107 that Linux allows"""
_ADDRESS = "RAY_ADDRESS"
"""variable that names a cluster where `ray.init` is given none, or "auto\""""


def unused_address() -> str:
    """A sentence on the cluster of RAY_ADDRESS, which a run without an address leaves alone; empty without one."""
    address = os.environ.get(_ADDRESS, "")
    if address in ("", "local"):
        return ""
    return f"{_ADDRESS}={address} is not used; give --address {address} to run on that cluster"


def where(address: str) -> str:
    """The cluster that an address stands for, in words."""
    named = os.environ.get(_ADDRESS, "")
    return f"{named} ({_ADDRESS})" if address == "auto" and named else address


class RayFolder:
    """A new folder for Ray. Its own, /tmp/ray, has a known name, and anyone may write into its sessions.

    Folders of this user whose process was killed go first: Ray's logs would otherwise fill the disk.
    """

    def __init__(self) -> None:
        base = os.environ.get("RAY_TMPDIR") or tempfile.gettempdir()
        self._path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=base if len(base) <= _SHORT else "/tmp"))
        self._lock = FileLock(self._path / _LOCK, thread_local=False)
        self._lock.acquire()
        self._remove_left()

    @property
    def open_part(self) -> str:
        """The folder that Ray is given."""
        return str(self._path / _OPEN)

    def remove(self) -> None:
        """Remove the folder, once Ray has ended."""
        shutil.rmtree(self._path, ignore_errors=True)
        self._lock.release()

    def _remove_left(self) -> None:
        """Remove the folders of processes that were killed. Those of other users, and of processes that run, stay."""
        user = self._path.stat().st_uid
        for folder in self._path.parent.glob(f"{_PREFIX}*"):
            with suppress(OSError, Timeout):
                state, lock = folder.lstat(), folder / _LOCK
                if not stat.S_ISDIR(state.st_mode) or state.st_uid != user:
                    continue
                if time.time() - lock.stat().st_mtime > _SETTLED_S:  # one without a lock is no folder of this class
                    with FileLock(lock, timeout=0):
                        shutil.rmtree(folder, ignore_errors=True)


def start(address: str, options: dict[str, Any]) -> RayFolder | None:
    """`ray.init`, tried twice: on a busy machine its processes may miss Ray's fixed deadline of 30 s.

    The second try starts every process of Ray. So does the first with EDGESIM_PLAIN_RAY=1, or with an untested version.

    Args:
        address: of a cluster, "auto", or "local" for one of its own.
        options: of `ray.init`.

    Returns: for "local" the folder of Ray's sockets and logs, to be given to `stop`: only this user can enter it.
    """
    folder = RayFolder() if address == "local" else None
    _print_messages(folder is None)
    options = options if folder is None else {**options, "_temp_dir": folder.open_part}
    try:
        with nullcontext() if folder is None else _on_loopback():
            _start(address, options)
    except BaseException:  # Ctrl-C, for example
        stop(folder)
        raise
    return folder


def _start(address: str, options: dict[str, Any]) -> None:
    import ray

    try:
        with unused_left_out() if tested_versions.RAY.include(ray.__version__) else nullcontext():
            ray.init(address=address, **options)
    except Exception:  # noqa: BLE001 - whatever it was, the second try raises it again
        log_detail(Failure("the first try to start Ray failed", traceback.format_exc()))
        ray.shutdown()
        ray.init(address=address, **options)


def stop(folder: RayFolder | None) -> None:
    """Leave Ray; where `start` made a folder, Ray ends and the folder goes."""
    import ray

    ray.shutdown()
    _print_messages(True)
    if folder is not None:
        folder.remove()


def _print_messages(wanted: bool) -> None:
    """Let Ray print its messages to standard output, or not.

    Of each lost host it guesses at causes in 200 words. `run.log` says what the host was at. A cluster has more to say.
    """
    import ray
    from ray._private import worker

    if tested_versions.RAY.include(ray.__version__) and hasattr(worker, "_worker_logs_enabled"):
        worker._worker_logs_enabled = wanted


@contextmanager
def _on_loopback() -> Iterator[None]:
    """Let Ray take 127.0.0.1 as this machine's address. All its ports then listen there, out of others' reach.

    `ray.init` turns a loopback address into the one that other machines reach. Ray keeps it where clusters are off, as
    on macOS and Windows. A run of this machine alone is no cluster, so they are off while it starts.
    """
    from ray._private import ray_constants

    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


@contextmanager
def unused_left_out() -> Iterator[None]:
    """Let Ray start its head without processes that a run has no use for, and its agents only when one is asked for.

    `ray.init` has no option for either. Starting Ray and two actors took 5.5 s of processor time with all processes,
    3.5 s without the dashboard, the monitor and the log monitor, and 2.3 s with stand-ins for the agents as well
    (see `ray_agent`; Ray 2.60 without its extras).
    """
    from ray._private import services
    from ray._private.node import Node

    kept: list[tuple[Any, str, Any]] = [(Node, name, getattr(Node, name)) for name in _UNUSED]
    begin = services.start_ray_process
    kept.append((services, "start_ray_process", begin))
    try:
        for name in _UNUSED:
            setattr(Node, name, lambda *_, **__: None)
        services.start_ray_process = lambda command, *rest, **named: begin(with_late_agents(command), *rest, **named)
        yield
    finally:
        for owner, name, method in kept:
            setattr(owner, name, method)


def with_late_agents(command: list[str]) -> list[str]:
    """A raylet's command with `ray_agent` in the place of its agents; any other command as it is."""
    stand_in = [sys.executable, "-I", "-S", str(Path(__file__).with_name("ray_agent.py"))]
    changed = list(command)
    for i, part in enumerate(command):
        for agent in _AGENTS:
            option = f"--{agent}_agent_command="
            if part.startswith(option):
                own = subprocess.list2cmdline([*stand_in, agent])
                changed[i] = f"{option}{own} {part.removeprefix(option)}"
    return changed
