"""Plug-ins of installed packages, which name them by entry points: `edgesim.methods`, `edgesim.models` and so on.

Nothing is imported to find them: the metadata of an installed package hold the names. They are looked up only for a
name that no table of edgesim has, for `edgesim list`, and for the schema.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata

from edgesim.errors import EdgesimError
from edgesim.formatting import listed

KINDS = ("methods", "models", "datasets", "partitions", "trackers")
"""kinds of plug-ins; the group of entry points is `edgesim.KIND`"""


@dataclass(frozen=True)
class InstalledPlugin:
    """A plug-in of an installed package."""

    name: str
    """by which scenarios name it"""
    reference: str
    """its class as `package.module:Name`"""
    package: str
    """name and version of the package"""


def installed(kind: str) -> list[InstalledPlugin]:
    """The plug-ins of a kind, by their names; one that a package names twice is there once.

    Args:
        kind: one of KINDS.
    """
    return list(_installed(kind, tuple((folder, _changed_ns(folder)) for folder in sys.path)))


def _changed_ns(folder: str) -> int:
    """Time of the last change of a folder; 0 where there is none."""
    try:
        return os.stat(folder or ".").st_mtime_ns
    except OSError:
        return 0


@lru_cache(maxsize=2 * len(KINDS))  # a document may have thousands of names that edgesim does not know
def _installed(kind: str, _folders: tuple[tuple[str, int], ...]) -> tuple[InstalledPlugin, ...]:
    found = set()
    for entry in metadata.entry_points(group=f"edgesim.{kind}"):
        package = f"{entry.dist.name} {entry.dist.version}" if entry.dist else "a package without a name"
        found.add(InstalledPlugin(entry.name, f"{entry.module}:{entry.attr}", package))
    return tuple(sorted(found, key=lambda plugin: (plugin.name, plugin.package)))


def named(kind: str, name: str) -> InstalledPlugin | None:
    """The plug-in of a name; None where no package has it.

    Raises:
        EdgesimError: two packages have it.
    """
    found = [plugin for plugin in installed(kind) if plugin.name == name]
    if len(found) > 1:
        packages = listed([plugin.package for plugin in found])
        raise EdgesimError(
            f"'{name}' is of {packages}, so it is not clear which is meant; name one as package.module:Name, for "
            f"example {found[0].reference}"
        )
    return found[0] if found else None
