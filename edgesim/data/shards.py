"""Shards of a fleet: the training samples of every device, and the users whom they come from, where that is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgesim.data.columns import Column
from edgesim.work import IntArray


@dataclass(frozen=True, eq=False)
class Shards:
    """Training samples of every device of one seed."""

    rows: tuple[IntArray, ...]
    """per device indices into the training split"""
    users: Column | None = None
    """user of every training sample; None where the partition goes by no users"""
    own_tests: tuple[IntArray | None, ...] = ()
    """per device the test samples of its users, None where they have none; empty where the partition knows none"""
    notes: tuple[str, ...] = ()
    """sentences on users and samples that no device has"""

    def users_of(self, device: int) -> tuple[str, ...]:
        """Names of the users whose samples a device has; empty where they are not known."""
        if self.users is None:
            return ()
        return tuple(self.users.names[code] for code in np.unique(self.users.codes[self.rows[device]]).tolist())

    def own_tests_of(self, device: int) -> IntArray | None:
        """Test samples of a device's users; None where there are none."""
        return self.own_tests[device] if self.own_tests else None
