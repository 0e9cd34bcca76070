"""Install edgesim into the environment of the Python that runs this file, and say first how much is downloaded.

Called by the Makefile, with `uv` in the same environment.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
UV = Path(sysconfig.get_path("scripts")) / "uv"
OPTIONS = ["--python", sys.executable, "--constraint", str(ROOT / "constraints.txt")]
NO_CPU_BUILD = """\
TORCH=cpu: no index that can be reached has a CPU build of torch and torchvision for this system.
uv looked in the index set up here, and in PyTorch's own ({asked}).
Set UV_INDEX to an index that has them, or UV_FIND_LINKS to a folder with their files, and try again.
`make quickstart` without TORCH=cpu takes the build of the index set up here, {size} to download."""
LARGEST = 4


class NotResolved(Exception):
    """The packages cannot be chosen: uv's own words."""


def main() -> int:
    """Choose the packages, announce their size, and install them; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--extra", action="append", default=[], help="optional dependencies, as in pyproject.toml")
    parser.add_argument("--torch", choices=["", "cpu"], default="", help="build of torch: cpu, or the index's own")
    given = parser.parse_args()
    try:
        packages, backend = chosen(given.extra, given.torch)
    except NotResolved as error:
        sys.stderr.write(f"{error}\n")
        return 2
    target = f".[{','.join(given.extra)}]" if given.extra else "."
    install = [str(UV), "pip", "install", *OPTIONS, *backend, "--compile-bytecode", "--editable", target]
    if given.torch:  # another build of the same version may be there
        install += ["--reinstall-package", "torch", "--reinstall-package", "torchvision"]
    planned = subprocess.run([*install, "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=False)
    print(announcement(packages, planned.stderr), flush=True)
    return subprocess.run(install, cwd=ROOT, check=False).returncode


def chosen(extras: list[str], torch: str) -> tuple[list[dict[str, Any]], list[str]]:
    """Packages as in a `pylock.toml`, and the options of uv that lead to them.

    Args:
        extras: names of optional dependencies.
        torch: "cpu" for a build without CUDA; "" for any.

    Raises:
        NotResolved: uv finds no such packages.
    """
    packages = resolved(extras, [])
    if not torch or is_for_cpu(packages):
        return packages, []
    backend = ["--torch-backend", torch]
    try:
        found = resolved(extras, backend)
    except NotResolved as error:
        reason = next((line.strip() for line in str(error).splitlines() if "error" in line), "no answer")
        raise NotResolved(NO_CPU_BUILD.format(size=gigabytes(size_bytes(packages)), asked=reason)) from None
    return found, backend


def resolved(extras: list[str], options: list[str]) -> list[dict[str, Any]]:
    """Packages that uv chooses for this Python."""
    wanted = [part for extra in extras for part in ("--extra", extra)]
    command = [str(UV), "pip", "compile", "--quiet", "--format", "pylock.toml", *OPTIONS, *wanted, *options]
    done = subprocess.run([*command, "pyproject.toml"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotResolved(done.stderr)
    packages: list[dict[str, Any]] = tomllib.loads(done.stdout)["packages"]
    return packages


def is_for_cpu(packages: list[dict[str, Any]]) -> bool:
    """True where torch brings no CUDA libraries."""
    return not any(package["name"].startswith(("nvidia-", "cuda-")) for package in packages)


def size_bytes(packages: list[dict[str, Any]]) -> int:
    """Bytes of the packages' files, as their index gives them."""
    return sum(map(file_bytes, packages))


def file_bytes(package: dict[str, Any]) -> int:
    """Bytes of the file that is downloaded: the largest wheel for this Python, else the source; 0 if not given."""
    wheels = [wheel.get("size", 0) for wheel in package.get("wheels", [])]
    source = package.get("sdist") or package.get("archive") or {}
    return max(wheels) if wheels else int(source.get("size", 0))


def gigabytes(size: float) -> str:
    """A size in words."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def announcement(packages: list[dict[str, Any]], plan: str) -> str:
    """Sentences on what is about to be downloaded.

    Args:
        packages: all that are needed.
        plan: the words of uv's dry run; edgesim itself is one of the packages that it would download.
    """
    count = re.search(r"Would download (\d+)", plan)
    missing = int(count[1]) - 1 if count else 0
    if missing <= 0:
        return f"{len(packages)} packages are needed; none is downloaded, all are here or in uv's cache."
    largest = sorted(packages, key=file_bytes, reverse=True)[:LARGEST]
    named = ", ".join(f"{package['name']} {gigabytes(file_bytes(package))}" for package in largest)
    some = "" if missing >= len(packages) else "at most "
    return (
        f"{missing} of {len(packages)} packages are downloaded, {some}{gigabytes(size_bytes(packages))} "
        f"(the largest of all: {named}). They take about twice as much room when installed."
    )


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main())
