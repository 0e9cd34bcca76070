"""Reader of a journal that another process is writing: each call reads only what was added since."""

from __future__ import annotations

import os
from pathlib import Path

from edgesim.errors import RunError
from edgesim.records import Record, Trial
from edgesim.results import journal
from edgesim.results.serialization import from_line


class JournalReader:
    """The records of a journal so far. A session that begins anew writes another journal, which is read from its start.

    Lines without an end are left for the next call.
    """

    def __init__(self, folder: Path):
        self.path = folder / journal.FILE
        self.records: dict[Trial, Record] = {}
        """the last record of each trial"""
        self._file: tuple[int, int] | None = None
        """device and inode of the file that was read last"""
        self._place = 0

    def read(self) -> list[Record]:
        """Read the records that were added since the last call; none where there is no journal.

        Raises:
            RunError: a line is damaged.
        """
        try:
            with self.path.open("rb") as file:
                status = self._status(file.fileno())
                if status[:2] != self._file or status[2] < self._place:
                    self._file, self._place = status[:2], 0
                file.seek(self._place)
                *lines, rest = file.read().split(b"\n")
                start, self._place = self._place, file.tell() - len(rest)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise RunError(f"{self.path} cannot be read: {error.strerror}; check its permissions") from None
        try:
            found = [from_line(line.decode()).record for line in lines if line]
        except ValueError as error:
            raise RunError(f"{self.path}, a line after byte {start} is damaged ({error})") from None
        added = [record for record in found if self.records.get(record.trial) != record]
        self.records |= {record.trial: record for record in found}
        return added

    @staticmethod
    def _status(number: int) -> tuple[int, int, int]:
        """Device, inode and size of an open file."""
        found = os.fstat(number)
        return found.st_dev, found.st_ino, found.st_size
