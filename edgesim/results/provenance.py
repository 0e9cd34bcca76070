"""Versions, machine and commit that a run was made with, for run.json and the report."""

from __future__ import annotations

import functools
import platform
import shlex
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("edgesim", "torch", "torchvision", "ray", "numpy", "pandas")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that numbers depend on; needs none of them imported."""
    return {"python": platform.python_version()} | {package: version(package) for package in PACKAGES}


@functools.cache
def version(package: str) -> str:
    """Version of an installed package, without importing it; found once, since reading it takes milliseconds."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def host() -> dict[str, Any]:
    """The machine that simulates."""
    import psutil

    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cpus": psutil.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def git_commit() -> str | None:
    """Commit of the edgesim checkout, with "+" where tracked files were changed; None outside a checkout.

    An installed package may lie inside another project's checkout, whose commit says nothing of it.
    """
    folder = Path(__file__).resolve().parents[1]
    try:
        if Path(_git(folder, "rev-parse", "--show-toplevel")).resolve() != folder.parent:
            return None
        commit = _git(folder, "rev-parse", "HEAD")
        return commit + ("+" if _git(folder, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True, timeout=10)
    return done.stdout.strip()


def command() -> str:
    """The command line of this process as a shell takes it, the program by its name only."""
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
