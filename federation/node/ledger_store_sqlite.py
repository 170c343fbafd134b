"""``LedgerStore`` in a SQLite file, with a writer and a reader thread."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from twisted.internet.defer import Deferred

from dataset.ids import CityId, ContactId, LineageId, NodeId
from dataset.rows import ROW_BYTES, Journalled, RowSettled
from federation.core.ledger import Batch
from federation.node.journal import contact_of, read_rows
from federation.node.ledger_store import (
    DIFFERS,
    REPORTED_KINDS,
    STANDING_KINDS,
    UNREADABLE,
    WORK_KINDS,
    Applied,
    Hole,
    ParkedRow,
    Place,
    ReportedPage,
    Settled,
    Unknown,
    digest,
    kind_of,
    readable,
)
from federation.node.sqlite_thread import FromThreads, OwnedFile, Schema, SqliteThread, Trouble, log_trouble

ORIGIN_INDEX = "CREATE UNIQUE INDEX rows_by_origin ON rows (node, lineage, sequence)"
_STANDING = "kind IN ('" + "', '".join(STANDING_KINDS) + "')"
_REPORTED = "kind IN ('" + "', '".join(REPORTED_KINDS) + "')"
_WORK = "kind IN ('" + "', '".join(WORK_KINDS) + "')"
_FORMAT_2 = (
    ORIGIN_INDEX,
    f"CREATE INDEX standing ON rows (kind) WHERE {_STANDING}",
    """CREATE TABLE settled (
        sender TEXT NOT NULL, stream TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
        digest TEXT NOT NULL, settled_by TEXT NOT NULL, reason TEXT NOT NULL, wall REAL NOT NULL,
        PRIMARY KEY (sender, stream, digest, first, last)) WITHOUT ROWID""",
)

_FORMAT_3 = (f"CREATE INDEX work ON rows (wall) WHERE {_WORK}",)


def _to_format_2(connection: sqlite3.Connection) -> None:
    """Two nodes may draw one lineage: rows are told apart by node too. Parked slots get what settles them."""
    connection.execute("DROP INDEX rows_by_origin")
    for statement in _FORMAT_2:
        connection.execute(statement)
    connection.execute("ALTER TABLE parked ADD COLUMN digest TEXT NOT NULL DEFAULT ''")
    for row, data in connection.execute("SELECT rowid, data FROM parked").fetchall():
        connection.execute("UPDATE parked SET digest = ? WHERE rowid = ?", (digest(data), row))


def _to_format_3(connection: sqlite3.Connection) -> None:
    """Rows about work items are found without the others; those that came already are indexed with it."""
    for statement in _FORMAT_3:
        connection.execute(statement)


SCHEMA = Schema(
    slug="ledger",
    zh="账本",
    en="ledger",
    version=3,
    steps={1: _to_format_2, 2: _to_format_3},
    statements=(
        """CREATE TABLE rows (
            id INTEGER PRIMARY KEY, sender TEXT NOT NULL, stream TEXT NOT NULL, number INTEGER NOT NULL,
            node TEXT NOT NULL, lineage TEXT NOT NULL, sequence INTEGER NOT NULL, wall REAL NOT NULL,
            kind TEXT NOT NULL, contact TEXT, data BLOB NOT NULL)""",
        "CREATE INDEX rows_by_contact ON rows (contact) WHERE contact IS NOT NULL",
        "CREATE INDEX rows_by_wall ON rows (wall)",
        "CREATE INDEX births ON rows (wall) WHERE kind = 'contact_born'",
        """CREATE TABLE parked (
            sender TEXT NOT NULL, stream TEXT NOT NULL, number INTEGER NOT NULL, why TEXT NOT NULL,
            data BLOB NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (sender, stream, number))""",
        """CREATE TABLE holes (
            sender TEXT NOT NULL, stream TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL)""",
        """CREATE TABLE cursors (
            sender TEXT NOT NULL, stream TEXT NOT NULL, head INTEGER NOT NULL,
            PRIMARY KEY (sender, stream)) WITHOUT ROWID""",
        *_FORMAT_2,
        *_FORMAT_3,
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
        self._unknown = _unknown_counts(writing)
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

        def committed(written: _Written) -> None:
            self._heads.setdefault(batch.sender, {})[batch.lineage] = batch.cursor
            self._committed(written, done)

        self._writer.write(lambda connection: _write_batch(connection, batch), committed)

    def keep_own(self, rows: Sequence[Journalled], done: Applied) -> None:
        """See ``LedgerStore``."""

        def apply(connection: sqlite3.Connection) -> _Written:
            written = _Written()
            for row in rows:
                written.insert(connection, NodeId(row.node), row.lineage, row.sequence, row, ROW_BYTES.encode(row))
            written.count(connection)
            return written

        self._writer.write(apply, lambda written: self._committed(written, done))

    def _committed(self, written: _Written, done: Applied) -> None:
        if written.unknown is not None:
            self._unknown = written.unknown
        done(written.fresh)

    def rows_of_contact(self, contact: ContactId) -> Deferred[list[Journalled]]:
        """See ``LedgerStore``."""
        return self._rows("contact = ? ORDER BY id", contact)

    def rows_between(self, begin: float, end: float) -> Deferred[list[Journalled]]:
        """See ``LedgerStore``."""
        return self._rows("wall >= ? AND wall < ? ORDER BY id", begin, end)

    def page(self, begin: float, after: Place, limit: int) -> Deferred[tuple[list[Journalled], Place | None]]:
        """See ``LedgerStore``."""

        def query(connection: sqlite3.Connection) -> tuple[list[Journalled], Place | None]:
            found = connection.execute(
                "SELECT wall, id, data FROM rows WHERE wall >= ? AND (wall, id) > (?, ?) ORDER BY wall, id LIMIT ?",
                (max(begin, after[0]), *after, limit),
            ).fetchall()
            return read_rows([data for _, _, data in found]), found[-1][:2] if found else None

        return self._reader.read(query)

    def all_rows(self) -> Deferred[list[Journalled]]:
        """See ``LedgerStore``."""
        return self._rows("TRUE ORDER BY id")

    def standing(self) -> Deferred[list[Journalled]]:
        """See ``LedgerStore``."""
        return self._rows(f"{_STANDING} ORDER BY id")

    def work_since(self, wall: float, of: NodeId | None = None) -> Deferred[list[Journalled]]:
        """See ``LedgerStore``."""
        # left to itself SQLite walks the whole record, for the order asked for
        return self._rows(
            f"id IN (SELECT id FROM rows INDEXED BY work WHERE {_WORK} AND wall >= ?1 UNION"
            f" SELECT id FROM rows INDEXED BY rows_by_origin WHERE node = ?2 AND {_WORK}) ORDER BY id",
            wall,
            of,
        )

    def reported_after(self, place: int, limit: int) -> Deferred[ReportedPage]:
        """See ``LedgerStore``."""

        def query(connection: sqlite3.Connection) -> ReportedPage:
            (last,) = connection.execute("SELECT coalesce(max(id), 0) FROM rows").fetchone()
            # by the places, whatever index could find the kinds: only some rows are looked at, whichever these are
            found = connection.execute(
                f"SELECT id, data FROM rows NOT INDEXED WHERE id > ?1 AND id <= ?1 + ?2 AND {_REPORTED} ORDER BY id",
                (place, limit),
            ).fetchall()
            return ReportedPage(_placed(found), max(place, min(last, place + limit)), last)

        return self._reader.read(query)

    def rows_at(self, places: Sequence[int]) -> Deferred[list[tuple[int, Journalled]]]:
        """See ``LedgerStore``."""

        def query(connection: sqlite3.Connection) -> list[tuple[int, Journalled]]:
            return _placed(
                connection.execute(
                    "SELECT id, data FROM rows WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id",
                    (msgspec.json.encode(places).decode(),),
                ).fetchall()
            )

        return self._reader.read(query)

    def tail(
        self, node: NodeId, lineage: LineageId, beyond: int, after: int, limit: int
    ) -> Deferred[list[tuple[int, bytes]]]:
        """See ``LedgerStore``."""

        def query(connection: sqlite3.Connection) -> list[tuple[int, bytes]]:
            start = after
            if after == 0 and beyond > 0:  # later pages go on from the one before
                held = connection.execute(
                    "SELECT sequence FROM rows WHERE node = ?1 AND lineage = ?2 AND sender = ?1 AND stream = ?2"
                    " AND number <= ?3 ORDER BY sequence DESC LIMIT 1",
                    (node, lineage, beyond),
                ).fetchone()
                start = held[0] if held else 0
            return connection.execute(
                "SELECT sequence, data FROM rows WHERE node = ? AND lineage = ? AND sequence > ?"
                " ORDER BY sequence LIMIT ?",
                (node, lineage, start, limit),
            ).fetchall()

        return self._reader.read(query)

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
            parked = connection.execute(
                f"SELECT sender, stream, number, why, data, {_NOTE} FROM parked LEFT JOIN settled"
                " USING (sender, stream, digest) GROUP BY sender, stream, number ORDER BY sender, stream, number"
            ).fetchall()
            holes = connection.execute(
                f"SELECT sender, stream, first, last, {_NOTE} FROM holes LEFT JOIN settled"
                " USING (sender, stream, first, last) ORDER BY sender, stream, first"
            ).fetchall()
            return Unknown(
                [ParkedRow(*one[:5])._replace(settled=_settled(*one[5:])) for one in parked],
                [Hole(*one[:4])._replace(settled=_settled(*one[4:])) for one in holes],
            )

        return self._reader.read(query)

    def unknown_count(self, sender: NodeId) -> int:
        """See ``LedgerStore``."""
        return self._unknown[sender]

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


_NOTE = "settled_by, reason, settled.wall"


def _settled(by: str | None, reason: str, wall: float) -> Settled | None:
    return None if by is None else Settled(by, reason, wall)


def _unknown_counts(connection: sqlite3.Connection) -> Counter[NodeId]:
    counts = Counter[NodeId]()
    for query in (
        "SELECT sender, count(*) FROM parked WHERE NOT EXISTS (SELECT 1 FROM settled WHERE"
        " settled.sender = parked.sender AND settled.stream = parked.stream AND settled.digest = parked.digest)"
        " GROUP BY sender",
        "SELECT sender, sum(last - first + 1) FROM holes WHERE NOT EXISTS (SELECT 1 FROM settled WHERE"
        " settled.sender = holes.sender AND settled.stream = holes.stream AND settled.digest = ''"
        " AND settled.first = holes.first AND settled.last = holes.last) GROUP BY sender",
    ):
        for sender, number in connection.execute(query):
            counts[NodeId(sender)] += number
    return counts


_Numbered = tuple[int, Journalled, bytes]
"""number in the sender's stream, row, its bytes as they came"""
_INTO_ROWS = "INTO rows (sender, stream, number, node, lineage, sequence, wall, kind, contact, data) VALUES"
_PLACES = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_ROWS_AT_ONCE = 50
"""in one statement, whose values SQLite limits to 999 in old versions"""


def _values(sender: NodeId, stream: LineageId, number: int, row: Journalled, data: bytes) -> tuple[object, ...]:
    place = (sender, stream, number, row.node, row.lineage, row.sequence, row.wall)
    return (*place, kind_of(row.row), contact_of(row.row), data)


@dataclass(slots=True)
class _Written:
    """What one transaction changed."""

    fresh: list[Journalled] = field(default_factory=list)
    """rows that were not on record before"""
    recount: bool = False
    """whether something became unknown, or was settled"""
    unknown: Counter[NodeId] | None = None
    """all that is unknown now, where that changed"""

    def count(self, connection: sqlite3.Connection) -> None:
        """At the end of the transaction."""
        if self.recount:
            self.unknown = _unknown_counts(connection)

    def park(
        self, connection: sqlite3.Connection, sender: NodeId, stream: LineageId, number: int, why: str, data: bytes
    ) -> None:
        """Keep a slot's bytes as unknown (S2)."""
        self.recount = True
        connection.execute(
            "INSERT OR REPLACE INTO parked (sender, stream, number, why, data, digest) VALUES (?, ?, ?, ?, ?, ?)",
            (sender, stream, number, why, data, digest(data)),
        )

    def insert_all(
        self, connection: sqlite3.Connection, sender: NodeId, stream: LineageId, rows: Sequence[_Numbered]
    ) -> None:
        """As ``insert`` for each, and as one statement where none is on record yet: the reactor has the interpreter
        while SQLite works, and is asked for it back once, not at each row (S4).
        """
        for first in range(0, len(rows), _ROWS_AT_ONCE):
            some = rows[first : first + _ROWS_AT_ONCE]
            values = [value for one in some for value in _values(sender, stream, *one)]
            try:
                connection.execute(f"INSERT {_INTO_ROWS} {', '.join([_PLACES] * len(some))}", values)
            except sqlite3.IntegrityError:  # SQLite has taken the whole statement back
                for number, row, data in some:
                    self.insert(connection, sender, stream, number, row, data)
            else:
                for _, row, _ in some:
                    self._inserted(connection, row)

    def insert(
        self,
        connection: sqlite3.Connection,
        sender: NodeId,
        stream: LineageId,
        number: int,
        row: Journalled,
        data: bytes,
    ) -> None:
        """A row that is on record already changes nothing (S3); one of the same origin but other content is parked."""
        inserted = connection.execute(
            f"INSERT OR IGNORE {_INTO_ROWS} {_PLACES}", _values(sender, stream, number, row, data)
        )
        if inserted.rowcount:
            self._inserted(connection, row)
            return
        (known,) = connection.execute(
            "SELECT data FROM rows WHERE node = ? AND lineage = ? AND sequence = ?",
            (row.node, row.lineage, row.sequence),
        ).fetchone()
        if known != data:
            self.park(connection, sender, stream, number, DIFFERS, data)

    def _inserted(self, connection: sqlite3.Connection, row: Journalled) -> None:
        self.fresh.append(row)
        if isinstance(row.row, RowSettled):
            self._settle(connection, row.row, row.wall)

    def _settle(self, connection: sqlite3.Connection, row: RowSettled, wall: float) -> None:
        self.recount = True
        connection.execute(
            "INSERT OR IGNORE INTO settled VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (row.sender, row.lineage, row.first, row.last, row.digest, row.by, row.reason, wall),
        )


def _write_batch(connection: sqlite3.Connection, batch: Batch) -> _Written:
    written = _Written()
    for entry in batch.entries:
        if entry.journalled is None:
            written.park(connection, batch.sender, batch.lineage, entry.number, UNREADABLE, entry.data)
    rows = [(entry.number, entry.journalled, entry.data) for entry in batch.entries if entry.journalled is not None]
    written.insert_all(connection, batch.sender, batch.lineage, rows)
    if batch.hole is not None:
        written.recount = True
        connection.execute("INSERT INTO holes VALUES (?, ?, ?, ?)", (batch.sender, batch.lineage, *batch.hole))
    connection.execute(
        "INSERT INTO cursors VALUES (?, ?, ?) ON CONFLICT (sender, stream) DO UPDATE SET head = excluded.head",
        (batch.sender, batch.lineage, batch.cursor),
    )
    written.count(connection)
    return written


def _read_parked_again(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    parked = connection.execute(
        "SELECT sender, stream, number, data FROM parked WHERE why = ?", (UNREADABLE,)
    ).fetchall()
    for sender, stream, number, data in parked:
        row = readable(data)
        if row is not None:
            connection.execute(
                "DELETE FROM parked WHERE sender = ? AND stream = ? AND number = ?", (sender, stream, number)
            )
            _Written().insert(connection, sender, stream, number, row, data)
    connection.execute("COMMIT")


def _placed(found: Sequence[tuple[int, bytes]]) -> list[tuple[int, Journalled]]:
    return [(place, row) for place, data in found if (row := readable(data)) is not None]
