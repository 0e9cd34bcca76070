"""Memory of the hosts on this machine: the scenario's limit for each, or the machine's last tenth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

from edgesim.formatting import size

KEY = "run.host_memory_bytes"
LOW_SHARE = 0.1
"""share of the machine's memory that stays free. Ray's own monitor acts at a twentieth, and the kernel at none"""
_CGROUPS = (
    ("memory.max", "memory.current"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
)
"""limit and use of a container's memory, in versions 2 and 1"""


class Memory(NamedTuple):
    """Memory of the machine, or of the container that this process is in."""

    total_bytes: int
    available_bytes: int


class Host(Protocol):
    """A process to watch."""

    def memory_bytes(self) -> int:
        """Memory that the process and its children hold alone; 0 where it is on another machine or gone."""


H = TypeVar("H", bound=Host)


def memory(cgroups: Path = Path("/sys/fs/cgroup")) -> Memory:
    """The machine's memory now; a container's limit counts where it is lower."""
    import psutil

    machine = psutil.virtual_memory()
    found = Memory(machine.total, machine.available)
    for limit_name, used_name in _CGROUPS:
        limit_file, used_file = cgroups / limit_name, cgroups / used_name
        try:
            limit = int(limit_file.read_text())
            used = int(used_file.read_text()) - _reclaimable(used_file.with_name("memory.stat"))
        except (OSError, ValueError):  # "max": no limit
            continue
        if limit < found.total_bytes:
            found = Memory(limit, min(found.available_bytes, max(0, limit - used)))
    return found


def _reclaimable(stat: Path) -> int:
    """Memory of a container that holds copies of files, which the kernel gives up first."""
    lines = dict(line.split(" ", 1) for line in stat.read_text().splitlines())
    return int(lines.get("inactive_file") or lines.get("total_inactive_file") or 0)


class MemoryWatch:
    """Finds the host that has to be replaced for its memory."""

    def __init__(self, limit_bytes: float | None, hosts: int, at_start: Memory | None = None):
        """Take the machine's memory before the first job.

        Args:
            limit_bytes: of each host; None = the machine's memory counts.
            hosts: number of hosts on this machine.
            at_start: memory of the machine; None = as it is now.
        """
        at_start = at_start or memory()
        self._limit_bytes = limit_bytes
        self._low_bytes = min(LOW_SHARE * at_start.total_bytes, at_start.available_bytes / 2)
        self._share_bytes = (at_start.available_bytes - self._low_bytes) / max(1, hosts)

    def over(self, hosts: Sequence[H]) -> tuple[H, str] | None:
        """The host that uses too much, with the reason; None where all is well.

        Where the machine's memory runs low, that is the largest host, if it holds more than an equal share of what was
        free at the start. A host that holds less is not the cause.
        """
        if self._limit_bytes is None and memory().available_bytes >= self._low_bytes:
            return None
        used = [(host.memory_bytes(), place) for place, host in enumerate(hosts)]
        most, place = max(used, default=(0, 0))
        if self._limit_bytes is not None:
            if most <= self._limit_bytes:
                return None
            return hosts[place], f"its host used {size(most)} of memory; the limit is {size(self._limit_bytes)} ({KEY})"
        if most <= self._share_bytes:
            return None
        reason = (
            f"its host used {size(most)} of memory, when less than {size(self._low_bytes)} of the machine's was free; "
            f"fewer --hosts leave each of them more"
        )
        return hosts[place], reason
