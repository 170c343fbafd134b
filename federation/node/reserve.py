"""Room on a disk that is kept for records: given up when the disk is full, so that calls go on (failure mode 23)."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

NO_ROOM_BYTES = 256_000
"""SQLite needs some pages beside the file it writes; with less than this it may not even open one"""


class Reserve:
    """A file of ``size`` bytes beside the one it is for. Used by one thread at a time; 0 bytes are no reserve."""

    def __init__(self, beside: Path, size: int) -> None:
        self.path = beside.with_name(f"{beside.name}.reserve")
        self.size = size

    def held(self) -> bool:
        """Whether the room is there now."""
        return self.size > 0 and self.path.exists()

    def needed(self) -> bool:
        """Whether there is a reserve and the disk has no other room."""
        return self.held() and self._free() < NO_ROOM_BYTES

    def _free(self) -> int:
        disk = os.statvfs(self.path.parent)
        return disk.f_bavail * disk.f_frsize

    def hold(self) -> bool:
        """Take the room, unless that would leave less than as much again; whether it is held."""
        if self.size <= 0 or self.held():
            return self.held()
        if self._free() < 2 * self.size:
            return False
        try:
            file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(file, 0, self.size)
            finally:
                os.close(file)
        except OSError:
            self.give()
            return False
        return True

    def give(self) -> bool:
        """Give the room up; whether there was any."""
        there = self.held()
        with suppress(FileNotFoundError):
            self.path.unlink()
        return there
