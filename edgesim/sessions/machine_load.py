"""Load of this machine by other programs, and the time that a run takes beside them."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class MachineLoad:
    """Programs that share the CPUs of this machine with a run."""

    cpus: int
    """that a run may use"""
    others: float
    """other programs that compute or wait for a CPU, mean of the last minute; 0 where the system does not say"""

    def factor(self, hosts: int, others: float | None = None) -> float:
        """Time of a run over that with a CPU for each host. All programs get equal shares of the CPUs.

        Args:
            hosts: workers of the run.
            others: other programs; None = those of this load.
        """
        return max(1.0, (hosts + (self.others if others is None else others)) / self.cpus)


def present(cpus: int) -> MachineLoad:
    """The load of the last minute. Ask before the measuring, which is load itself."""
    try:
        return MachineLoad(cpus, os.getloadavg()[0])
    except OSError:  # a system without this number
        return MachineLoad(cpus, 0.0)
