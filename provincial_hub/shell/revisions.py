"""Where a hub keeps what it told its readers: one file beside the ledger, or memory (B6).

It is no record: a hub that lost it counts from 1 again, and every figure is the same.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from twisted.internet.defer import Deferred, succeed

from dataset.ids import CityId
from federation.node.sqlite_thread import FromThreads, OwnedFile, Schema, SqliteThread, Trouble, log_trouble
from federation.ports import Clock
from provincial_hub.core.revisions import Revision, Slot, told

Told = dict[Slot, Revision]
TOLD_WITHIN_S = 5.0


class Revisions(Protocol):
    """The revisions of one hub."""

    def tell(self, figures: Mapping[Slot, str], at: float) -> Deferred[Told]:
        """Write down that a reader is told ``figures`` (a digest of each slot); fires with the revision of each."""

    def stop(self) -> Deferred[None]:
        """Finish what was given, and close."""


def told_in_time(revisions: Revisions, figures: Mapping[Slot, str], wall: float, clock: Clock) -> Deferred[Told | None]:
    """The revisions of ``figures``, told at ``wall``; None after a while, where the disk takes nothing: figures are
    more than numbers.
    """
    answer: Deferred[Told | None] = Deferred()

    def answered(told_so: Told | None) -> None:
        if not answer.called:
            if timer.active():
                timer.cancel()
            answer.callback(told_so)

    timer = clock.call_later(TOLD_WITHIN_S, answered, None)
    revisions.tell(figures, wall).addCallback(answered)
    return answer


SCHEMA = Schema(
    slug="reports",
    zh="报表修订记录",
    en="file of revisions",
    version=1,
    statements=(
        """CREATE TABLE revisions (
            city TEXT NOT NULL, start INTEGER NOT NULL, number INTEGER NOT NULL, at REAL NOT NULL,
            digest TEXT NOT NULL, PRIMARY KEY (city, start, number)) WITHOUT ROWID""",
    ),
)


class SqliteRevisions:
    """``Revisions`` in the file at ``path``. Raises ``Refused``: ``reports-in-use``, ``-newer``, ``-unreadable``."""

    def __init__(self, path: Path, reactor: FromThreads, trouble: Trouble = log_trouble) -> None:
        self._file = OwnedFile(path, SCHEMA)
        self._thread = SqliteThread(self._file.connect(), reactor, trouble, name=f"revisions {path.name}")

    def tell(self, figures: Mapping[Slot, str], at: float) -> Deferred[Told]:
        """See ``Revisions``."""
        answer: Deferred[Told] = Deferred()
        self._thread.write(lambda connection: _tell(connection, figures, at), answer.callback)
        return answer

    def stop(self) -> Deferred[None]:
        """See ``Revisions``."""
        return self._thread.stop().addCallback(lambda _: self._file.release())


def _tell(connection: sqlite3.Connection, figures: Mapping[Slot, str], at: float) -> Told:
    if not figures:
        return {}
    starts = [start for _, start in figures]
    known = {
        (CityId(city), start): Revision(*revision)
        for city, start, *revision in connection.execute(
            # of bare columns beside max() SQLite takes those of the row with the maximum
            "SELECT city, start, max(number), at, digest FROM revisions WHERE start BETWEEN ? AND ?"
            " GROUP BY city, start",
            (min(starts), max(starts)),
        )
    }
    fresh = told(known, figures, at)
    connection.executemany(
        "INSERT INTO revisions VALUES (?, ?, ?, ?, ?)", [(*slot, *revision) for slot, revision in fresh.items()]
    )
    return {slot: fresh.get(slot) or known[slot] for slot in figures}


class MemoryRevisions:
    """``Revisions`` of a simulated hub; ``disk`` outlives its process."""

    def __init__(self, disk: Told | None = None) -> None:
        self.disk: Told = {} if disk is None else disk

    def tell(self, figures: Mapping[Slot, str], at: float) -> Deferred[Told]:
        """See ``Revisions``."""
        self.disk.update(told(self.disk, figures, at))
        return succeed({slot: self.disk[slot] for slot in figures})

    def stop(self) -> Deferred[None]:
        """See ``Revisions``."""
        return succeed(None)
