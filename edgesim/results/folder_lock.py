"""Lock of a run folder: one process writes to it at a time. The system releases the lock of a process that ends."""

from __future__ import annotations

import os
from pathlib import Path

from filelock import FileLock, Timeout

from edgesim.errors import RunError

FILE = ".lock"
_WAIT_S = 0.3
"""a reader that looks whether the folder is locked holds the lock for a moment"""


def acquired(folder: Path) -> FileLock:
    """The lock of a run folder, held by this process.

    Raises:
        RunError: another process holds it.
    """
    lock = FileLock(folder / FILE)
    try:
        lock.acquire(timeout=_WAIT_S)
    except Timeout:
        raise RunError(f"another process is writing to {folder}; wait for it, or name another with --out") from None
    return lock


def is_held(folder: Path) -> bool:
    """True where a process writes to the folder, or where that cannot be told."""
    try:
        import fcntl
    except ImportError:  # Windows
        return (folder / FILE).exists()
    try:
        file = os.open(folder / FILE, os.O_RDONLY)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(file)
    return False
