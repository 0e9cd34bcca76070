"""Shards of a fleet: the training samples of every device, and the users whom they come from, where that is known."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from edgesim.data.columns import Column
from edgesim.data.partition_checks import check
from edgesim.data.reading_notes import as_utf8
from edgesim.errors import DataError
from edgesim.formatting import n_of
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
        return tuple(
            as_utf8(self.users.names[code]) for code in np.unique(self.users.codes[self.rows[device]]).tolist()
        )

    def own_tests_of(self, device: int) -> IntArray | None:
        """Test samples of a device's users; None where there are none."""
        return self.own_tests[device] if self.own_tests else None


def checked(found: Shards, n_devices: int, n_train: int, n_test: int) -> Shards:
    """The shards of a scheme with sorted int64 indices.

    Args:
        found: of the scheme.
        n_devices: devices of the fleet.
        n_train: samples of the training split.
        n_test: samples of the test split.

    Raises:
        DataError: another number of shards than devices, indices that are no shards, users of another number of
            samples, or own test samples outside the test split.
    """
    parts = [np.asarray(part) for part in found.rows]
    if len(parts) != n_devices:
        raise DataError(f"gave {n_of(len(parts), 'shard')} for {n_of(n_devices, 'device')}; give one per device")
    check(parts, n_train, min_size=1, complete=False)
    if found.users is not None and len(found.users) != n_train:
        has = n_of(len(found.users), "sample")
        raise DataError(f"users are of {has}, the training split has {n_train:,}; give the user of each")
    if len(found.own_tests) not in (0, n_devices):
        lists = n_of(len(found.own_tests), "list", "lists")
        raise DataError(f"own_tests has {lists} for {n_of(n_devices, 'device')}; give one per device, or none")
    for device, rows in enumerate(found.own_tests):
        if rows is not None and (rows.dtype.kind not in "iu" or ((rows < 0) | (rows >= n_test)).any()):
            raise DataError(f"own_tests of device {device} has an index outside the {n_of(n_test, 'test sample')}")
    return replace(found, rows=tuple(np.sort(part).astype(np.int64) for part in parts))
