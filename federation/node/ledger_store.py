"""Where rows received from other nodes are kept: every row once, with the cursor of its sender's stream (S1-S3).

Two forms under one contract: SQLite (a writer and a reader thread), and memory on any clock for simulations. In both,
rows and cursor are one commit, so a cursor never lags behind rows already written, and J3's repair is nothing to do.
Rows that an older version parked because it could not read them are read again at each opening.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec
from twisted.internet.defer import Deferred, succeed

from dataset.ids import CityId, ContactId, LineageId, NodeId
from dataset.rows import ROW_BYTES, ROW_FROM_BYTES, ContactBorn, Journalled, Row
from federation.core.ledger import Batch
from federation.node.journal import contact_of, read_rows
from federation.node.sqlite_thread import FromThreads, OwnedFile, Schema, SqliteThread, Trouble, log_trouble
from federation.ports import Clock, Timer

Applied = Callable[[Sequence[Journalled]], None]
"""Told, after a commit, the rows of it that were not on record before, in order."""

UNREADABLE = "unreadable"
DIFFERS = "differs"


class ParkedRow(NamedTuple):
    """A slot whose row counts as unknown until someone settles it (S2)."""

    sender: NodeId
    lineage: LineageId
    number: int
    why: str
    """``unreadable``, or ``differs``: another row with the same origin is on record"""
    data: bytes


class Hole(NamedTuple):
    """Numbers that the sender no longer kept when they were asked for (J5)."""

    sender: NodeId
    lineage: LineageId
    first: int
    last: int


class Unknown(NamedTuple):
    """All that totals have to name as unknown."""

    parked: list[ParkedRow]
    holes: list[Hole]


class LedgerStore(Protocol):
    """What inbox, reports and console need of the ledger's storage."""

    def heads(self, sender: NodeId) -> dict[LineageId, int]:
        """The committed cursor of each lineage of ``sender``."""

    def senders(self) -> list[NodeId]:
        """Every node that rows were received from."""

    def commit(self, batch: Batch, done: Applied) -> None:
        """Write rows, parked slots, hole and cursor in one transaction, then call ``done``, never from inside."""

    def keep_own(self, rows: Sequence[Journalled], done: Applied) -> None:
        """Write rows of this node's own journal beside the received ones (the hub's decisions)."""

    def rows_of_contact(self, contact: ContactId) -> Deferred[list[Journalled]]:
        """All rows about ``contact``, in the order of their arrival."""

    def rows_between(self, begin: float, end: float) -> Deferred[list[Journalled]]:
        """All rows with begin ≤ wall time < end, UTC seconds."""

    def all_rows(self) -> Deferred[list[Journalled]]:
        """Everything on record, in the order of arrival."""

    def latest_contacts(self, limit: int, city: CityId | None = None) -> Deferred[list[ContactId]]:
        """Contacts by the wall time of their birth, latest first."""

    def unknown(self) -> Deferred[Unknown]:
        """Parked slots and holes."""

    def unknown_count(self, sender: NodeId) -> int:
        """How many numbers of ``sender`` are parked or in holes, as committed; for totals and metrics."""

    def stop(self) -> Deferred[None]:
        """Commit what was given, and close."""


def kind_of(row: Row) -> str:
    """The word that names the row's kind in its JSON."""
    return str(row.__struct_config__.tag)


def _read(data: bytes) -> Journalled | None:
    try:
        return ROW_FROM_BYTES.decode(data)
    except msgspec.MsgspecError:
        return None


# ── SQLite ──────────────────────────────────────────────────────────────────────────────────────────────────────────
SCHEMA = Schema(
    slug="ledger",
    zh="账本",
    en="ledger",
    version=1,
    statements=(
        """CREATE TABLE rows (
            id INTEGER PRIMARY KEY, sender TEXT NOT NULL, stream TEXT NOT NULL, number INTEGER NOT NULL,
            node TEXT NOT NULL, lineage TEXT NOT NULL, sequence INTEGER NOT NULL, wall REAL NOT NULL,
            kind TEXT NOT NULL, contact TEXT, data BLOB NOT NULL)""",
        "CREATE UNIQUE INDEX rows_by_origin ON rows (lineage, sequence)",
        "CREATE INDEX rows_by_contact ON rows (contact) WHERE contact IS NOT NULL",
        "CREATE INDEX rows_by_wall ON rows (wall)",
        "CREATE INDEX births ON rows (wall) WHERE kind = 'contact_born'",
        """CREATE TABLE parked (
            sender TEXT NOT NULL, stream TEXT NOT NULL, number INTEGER NOT NULL, why TEXT NOT NULL,
            data BLOB NOT NULL, PRIMARY KEY (sender, stream, number))""",
        """CREATE TABLE holes (
            sender TEXT NOT NULL, stream TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL)""",
        """CREATE TABLE cursors (
            sender TEXT NOT NULL, stream TEXT NOT NULL, head INTEGER NOT NULL,
            PRIMARY KEY (sender, stream)) WITHOUT ROWID""",
    ),
)


class SqliteLedgerStore:
    """``LedgerStore`` in the file at ``path``.

    Raises ``Refused``: ``ledger-in-use``, ``ledger-newer``, ``ledger-unreadable``. Queries run in a thread of their
    own, so that a long report holds up no acknowledgement.
    """

    def __init__(self, path: Path, reactor: FromThreads, trouble: Trouble = log_trouble) -> None:
        self._file = OwnedFile(path, SCHEMA)
        writing = self._file.connect()
        _read_parked_again(writing)
        self._heads: dict[NodeId, dict[LineageId, int]] = {}
        for sender, stream, head in writing.execute("SELECT sender, stream, head FROM cursors"):
            self._heads.setdefault(NodeId(sender), {})[LineageId(stream)] = head
        self._unknown = Counter[NodeId]()
        self._count_unknown(*_unknown_counts(writing))
        self._writer = SqliteThread(writing, reactor, trouble, name=f"ledger {path.name}")
        self._reader = SqliteThread(self._file.connect(), reactor, trouble, name=f"ledger reader {path.name}")

    def heads(self, sender: NodeId) -> dict[LineageId, int]:
        """See ``LedgerStore``."""
        return dict(self._heads.get(sender, {}))

    def senders(self) -> list[NodeId]:
        """See ``LedgerStore``."""
        return list(self._heads)

    def commit(self, batch: Batch, done: Applied) -> None:
        """See ``LedgerStore``."""

        def committed(written: tuple[list[Journalled], int]) -> None:
            fresh, unknown = written
            self._heads.setdefault(batch.sender, {})[batch.lineage] = batch.cursor
            self._unknown[batch.sender] += unknown
            done(fresh)

        self._writer.write(lambda connection: _write_batch(connection, batch), committed)

    def keep_own(self, rows: Sequence[Journalled], done: Applied) -> None:
        """See ``LedgerStore``."""

        def apply(connection: sqlite3.Connection) -> list[Journalled]:
            return [
                row
                for row in rows
                if _insert(connection, NodeId(row.node), row.lineage, row.sequence, row, ROW_BYTES.encode(row))
            ]

        self._writer.write(apply, done)

    def rows_of_contact(self, contact: ContactId) -> Deferred[list[Journalled]]:
        """See ``LedgerStore``."""
        return self._rows("contact = ? ORDER BY id", contact)

    def rows_between(self, begin: float, end: float) -> Deferred[list[Journalled]]:
        """See ``LedgerStore``."""
        return self._rows("wall >= ? AND wall < ? ORDER BY id", begin, end)

    def all_rows(self) -> Deferred[list[Journalled]]:
        """See ``LedgerStore``."""
        return self._rows("TRUE ORDER BY id")

    def latest_contacts(self, limit: int, city: CityId | None = None) -> Deferred[list[ContactId]]:
        """See ``LedgerStore``."""

        def query(connection: sqlite3.Connection) -> list[ContactId]:
            found = connection.execute(
                "SELECT contact FROM rows WHERE kind = 'contact_born' AND (?1 IS NULL OR node = ?1)"
                " ORDER BY wall DESC, id DESC LIMIT ?2",
                (city, limit),
            )
            return [ContactId(contact) for (contact,) in found]

        return self._reader.read(query)

    def unknown(self) -> Deferred[Unknown]:
        """See ``LedgerStore``."""

        def query(connection: sqlite3.Connection) -> Unknown:
            parked = connection.execute("SELECT * FROM parked ORDER BY sender, stream, number").fetchall()
            holes = connection.execute("SELECT * FROM holes ORDER BY sender, stream, first").fetchall()
            return Unknown([ParkedRow(*one) for one in parked], [Hole(*one) for one in holes])

        return self._reader.read(query)

    def unknown_count(self, sender: NodeId) -> int:
        """See ``LedgerStore``."""
        return self._unknown[sender]

    def _count_unknown(self, *counts: list[tuple[str, int]]) -> None:
        for sender, number in (one for part in counts for one in part):
            self._unknown[NodeId(sender)] += number

    def stop(self) -> Deferred[None]:
        """See ``LedgerStore``."""

        def closed(_: None) -> None:
            self._file.release()

        return self._reader.stop().addCallback(lambda _: self._writer.stop()).addCallback(closed)

    def _rows(self, where: str, *values: object) -> Deferred[list[Journalled]]:
        def query(connection: sqlite3.Connection) -> list[Journalled]:
            # `where` is one of the texts above, never input
            found = connection.execute(f"SELECT data FROM rows WHERE {where}", values).fetchall()
            return read_rows([data for (data,) in found])

        return self._reader.read(query)


def _unknown_counts(connection: sqlite3.Connection) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    return (
        connection.execute("SELECT sender, count(*) FROM parked GROUP BY sender").fetchall(),
        connection.execute("SELECT sender, sum(last - first + 1) FROM holes GROUP BY sender").fetchall(),
    )


def _write_batch(connection: sqlite3.Connection, batch: Batch) -> tuple[list[Journalled], int]:
    """The rows that are new, and how many numbers became unknown."""
    fresh = []
    before = connection.execute("SELECT count(*) FROM parked").fetchone()[0]
    for entry in batch.entries:
        if entry.journalled is None:
            _park(connection, batch.sender, batch.lineage, entry.number, UNREADABLE, entry.data)
        elif _insert(connection, batch.sender, batch.lineage, entry.number, entry.journalled, entry.data):
            fresh.append(entry.journalled)
    if batch.hole is not None:
        connection.execute("INSERT INTO holes VALUES (?, ?, ?, ?)", (batch.sender, batch.lineage, *batch.hole))
    connection.execute(
        "INSERT INTO cursors VALUES (?, ?, ?) ON CONFLICT (sender, stream) DO UPDATE SET head = excluded.head",
        (batch.sender, batch.lineage, batch.cursor),
    )
    parked = connection.execute("SELECT count(*) FROM parked").fetchone()[0] - before
    return fresh, parked + (batch.hole[1] - batch.hole[0] + 1 if batch.hole else 0)


def _insert(
    connection: sqlite3.Connection, sender: NodeId, stream: LineageId, number: int, row: Journalled, data: bytes
) -> bool:
    """Whether the row was not on record before; one of the same origin but other content is parked (S2, S3)."""
    inserted = connection.execute(
        "INSERT OR IGNORE INTO rows (sender, stream, number, node, lineage, sequence, wall, kind, contact, data)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            sender,
            stream,
            number,
            row.node,
            row.lineage,
            row.sequence,
            row.wall,
            kind_of(row.row),
            contact_of(row.row),
            data,
        ),
    )
    if inserted.rowcount:
        return True
    (known,) = connection.execute(
        "SELECT data FROM rows WHERE lineage = ? AND sequence = ?", (row.lineage, row.sequence)
    ).fetchone()
    if known != data:
        _park(connection, sender, stream, number, DIFFERS, data)
    return False


def _park(
    connection: sqlite3.Connection, sender: NodeId, stream: LineageId, number: int, why: str, data: bytes
) -> None:
    connection.execute("INSERT OR REPLACE INTO parked VALUES (?, ?, ?, ?, ?)", (sender, stream, number, why, data))


def _read_parked_again(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    parked = connection.execute(
        "SELECT sender, stream, number, data FROM parked WHERE why = ?", (UNREADABLE,)
    ).fetchall()
    for sender, stream, number, data in parked:
        row = _read(data)
        if row is not None:
            connection.execute(
                "DELETE FROM parked WHERE sender = ? AND stream = ? AND number = ?", (sender, stream, number)
            )
            _insert(connection, sender, stream, number, row, data)
    connection.execute("COMMIT")


# ── memory ──────────────────────────────────────────────────────────────────────────────────────────────────────────
@dataclass
class MemoryLedger:
    """What survives a crash of the process that holds a ``MemoryLedgerStore``."""

    rows: dict[tuple[LineageId, int], tuple[Journalled, bytes]] = field(default_factory=dict)
    """by origin, in the order of arrival"""
    by_contact: dict[ContactId, list[Journalled]] = field(default_factory=dict)
    births: list[tuple[float, ContactId, str]] = field(default_factory=list)
    parked: dict[tuple[NodeId, LineageId, int], ParkedRow] = field(default_factory=dict)
    holes: list[Hole] = field(default_factory=list)
    heads: dict[NodeId, dict[LineageId, int]] = field(default_factory=dict)

    def insert(self, slot: tuple[NodeId, LineageId, int], row: Journalled, data: bytes) -> bool:
        """As the SQLite form's."""
        known = self.rows.get((row.lineage, row.sequence))
        if known is not None:
            if known[1] != data:
                self.parked[slot] = ParkedRow(*slot, DIFFERS, data)
            return False
        self.rows[row.lineage, row.sequence] = (row, data)
        contact = contact_of(row.row)
        if contact is not None:
            self.by_contact.setdefault(contact, []).append(row)
        if isinstance(row.row, ContactBorn):
            self.births.append((row.wall, row.row.contact, row.node))
        return True


class MemoryLedgerStore:
    """``LedgerStore`` in ``ledger``; a commit takes ``commit_s`` seconds of ``clock``, queries answer at once."""

    def __init__(self, ledger: MemoryLedger, clock: Clock, *, commit_s: float = 0.005) -> None:
        self.ledger = ledger
        self._clock = clock
        self._commit_s = commit_s
        self._waiting: list[tuple[Callable[[], list[Journalled]], Applied]] = []
        self._timer: Timer | None = None
        self._stopped: Deferred[None] | None = None
        for slot, parked in list(ledger.parked.items()):
            row = _read(parked.data) if parked.why == UNREADABLE else None
            if row is not None:
                del ledger.parked[slot]
                ledger.insert(slot, row, parked.data)

    def heads(self, sender: NodeId) -> dict[LineageId, int]:
        """See ``LedgerStore``."""
        return dict(self.ledger.heads.get(sender, {}))

    def senders(self) -> list[NodeId]:
        """See ``LedgerStore``."""
        return list(self.ledger.heads)

    def commit(self, batch: Batch, done: Applied) -> None:
        """See ``LedgerStore``."""
        self._write(lambda: self._apply(batch), done)

    def keep_own(self, rows: Sequence[Journalled], done: Applied) -> None:
        """See ``LedgerStore``."""

        def apply() -> list[Journalled]:
            return [
                row
                for row in rows
                if self.ledger.insert((NodeId(row.node), row.lineage, row.sequence), row, ROW_BYTES.encode(row))
            ]

        self._write(apply, done)

    def crash(self) -> None:
        """The process dies: what is not committed is gone and nobody is called back."""
        if self._timer is not None:
            self._timer.cancel()
        self._waiting = []
        self._timer = None

    def rows_of_contact(self, contact: ContactId) -> Deferred[list[Journalled]]:
        """See ``LedgerStore``."""
        return succeed(list(self.ledger.by_contact.get(contact, ())))

    def rows_between(self, begin: float, end: float) -> Deferred[list[Journalled]]:
        """See ``LedgerStore``."""
        return succeed([row for row, _ in self.ledger.rows.values() if begin <= row.wall < end])

    def all_rows(self) -> Deferred[list[Journalled]]:
        """See ``LedgerStore``."""
        return succeed([row for row, _ in self.ledger.rows.values()])

    def latest_contacts(self, limit: int, city: CityId | None = None) -> Deferred[list[ContactId]]:
        """See ``LedgerStore``. Births arrive nearly in order, so the latest are looked for from the end."""
        births = self.ledger.births[::-1]
        births.sort(key=lambda birth: -birth[0])
        return succeed([contact for _, contact, node in births if city in (None, node)][:limit])

    def unknown(self) -> Deferred[Unknown]:
        """See ``LedgerStore``."""
        parked = [self.ledger.parked[slot] for slot in sorted(self.ledger.parked)]
        return succeed(Unknown(parked, sorted(self.ledger.holes)))

    def unknown_count(self, sender: NodeId) -> int:
        """See ``LedgerStore``."""
        parked = sum(slot[0] == sender for slot in self.ledger.parked)
        return parked + sum(hole.last - hole.first + 1 for hole in self.ledger.holes if hole.sender == sender)

    def stop(self) -> Deferred[None]:
        """See ``LedgerStore``."""
        if self._stopped is None:
            self._stopped = Deferred()
            if self._timer is None:
                self._stopped.callback(None)
        return self._stopped

    def _write(self, apply: Callable[[], list[Journalled]], done: Applied) -> None:
        if self._stopped is not None:
            raise RuntimeError("written after stop")
        self._waiting.append((apply, done))
        if self._timer is None:
            self._timer = self._clock.call_later(self._commit_s, self._commit)

    def _commit(self) -> None:
        self._timer = None
        writes, self._waiting = self._waiting, []
        applied = [(done, apply()) for apply, done in writes]
        for done, fresh in applied:
            done(fresh)
        if self._stopped is not None and self._timer is None:
            self._stopped.callback(None)

    def _apply(self, batch: Batch) -> list[Journalled]:
        fresh = []
        for entry in batch.entries:
            slot = (batch.sender, batch.lineage, entry.number)
            if entry.journalled is None:
                self.ledger.parked[slot] = ParkedRow(*slot, UNREADABLE, entry.data)
            elif self.ledger.insert(slot, entry.journalled, entry.data):
                fresh.append(entry.journalled)
        if batch.hole is not None:
            self.ledger.holes.append(Hole(batch.sender, batch.lineage, *batch.hole))
        self.ledger.heads.setdefault(batch.sender, {})[batch.lineage] = batch.cursor
        return fresh
