"""Where rows received from other nodes are kept: every row once, with the cursor of its sender's stream (S1-S3).

Two forms under one contract: SQLite (a writer and a reader thread), and memory on any clock for simulations. In both,
rows and cursor are one commit, so a cursor never lags behind rows already written, and J3's repair is nothing to do.
Rows that an older version parked because it could not read them are read again at each opening.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_right, insort
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec
from twisted.internet.defer import Deferred, succeed

from dataset.ids import CityId, ContactId, LineageId, NodeId
from dataset.rows import ROW_BYTES, ROW_FROM_BYTES, ContactBorn, Journalled, Row, RowSettled
from federation.core.ledger import Batch
from federation.node.journal import contact_of, read_rows
from federation.node.sqlite_thread import FromThreads, OwnedFile, Schema, SqliteThread, Trouble, log_trouble
from federation.ports import Clock, Timer

Applied = Callable[[Sequence[Journalled]], None]
"""Told, after a commit, the rows of it that were not on record before, in order."""

Place = tuple[float, int]
"""where a page ended: wall time, and the order of arrival among rows of that time"""
FIRST: Place = (float("-inf"), 0)
UNREADABLE = "unreadable"
DIFFERS = "differs"
STANDING_KINDS = (
    "lineage_opened",
    "tail_missing",
    "tail_returned",
    "row_settled",
    "site_declared_lost",
    "site_rejoined",
)
"""rows that a fold of any stretch of time has to know"""
WORK_KINDS = ("work_requested", "work_stepped", "work_refused")
"""rows about work items"""

RUN_KINDS = ("lineage_opened", "tail_missing")
"""rows by which the runs of a node are put in order"""
REPORTED_KINDS = (*WORK_KINDS, *RUN_KINDS, "articles_shown", "article_judged")
"""rows that reports of work and of knowledge are made of"""


class Settled(NamedTuple):
    """Who took note of an unknown slot, and why it need not be known."""

    by: str
    reason: str
    wall: float


class ParkedRow(NamedTuple):
    """A slot whose row counts as unknown until someone settles it (S2)."""

    sender: NodeId
    lineage: LineageId
    number: int
    why: str
    """``unreadable``, or ``differs``: another row with the same origin is on record"""
    data: bytes
    settled: Settled | None = None


class Hole(NamedTuple):
    """Numbers that the sender no longer kept when they were asked for (J5)."""

    sender: NodeId
    lineage: LineageId
    first: int
    last: int
    settled: Settled | None = None


class Unknown(NamedTuple):
    """All that totals have to name as unknown until it is settled; what is settled stays to be seen."""

    parked: list[ParkedRow]
    holes: list[Hole]


class ReportedPage(NamedTuple):
    """Some rows in the order of their arrival."""

    rows: list[tuple[int, Journalled]]
    """each with its place: 1 or more, ascending, for good"""
    place: int
    """up to which place was read"""
    last: int
    """the place of the last row of all"""


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

    def page(self, begin: float, after: Place, limit: int) -> Deferred[tuple[list[Journalled], Place | None]]:
        """Rows with wall time ≥ begin in the order of wall time, at most ``limit`` behind ``after``, and the place of
        the last one; None in its stead once there are no more. Begin with ``FIRST``.
        """

    def all_rows(self) -> Deferred[list[Journalled]]:
        """Everything on record, in the order of arrival."""

    def standing(self) -> Deferred[list[Journalled]]:
        """All rows of the kinds in ``STANDING_KINDS``, in the order of arrival."""

    def work_since(self, wall: float, of: NodeId | None = None) -> Deferred[list[Journalled]]:
        """All rows of the kinds in ``WORK_KINDS`` with that wall time or later, and those that ``of`` wrote at any
        time, in the order of arrival.
        """

    def reported_after(self, place: int, limit: int) -> Deferred[ReportedPage]:
        """Those of the kinds in ``REPORTED_KINDS`` among the next ``limit`` places behind ``place``."""

    def rows_at(self, places: Sequence[int]) -> Deferred[list[tuple[int, Journalled]]]:
        """The rows at these places, in order; places that have none, or none that can be read, are left out."""

    def tail(
        self, node: NodeId, lineage: LineageId, beyond: int, after: int, limit: int
    ) -> Deferred[list[tuple[int, bytes]]]:
        """Rows that ``node`` wrote in ``lineage`` after the one it sent as number ``beyond``, as they came (J5).

        At most ``limit`` with sequences above ``after`` (the last one of the page before; 0: the first page), as
        (sequence, bytes), in order.
        """

    def latest_contacts(self, limit: int, city: CityId | None = None) -> Deferred[list[ContactId]]:
        """Contacts by the wall time of their birth, latest first."""

    def unknown(self) -> Deferred[Unknown]:
        """Parked slots and holes, settled ones too."""

    def unknown_count(self, sender: NodeId) -> int:
        """How many numbers of ``sender`` are parked or in holes and not settled, as committed; for totals."""

    def stop(self) -> Deferred[None]:
        """Commit what was given, and close."""


def kind_of(row: Row) -> str:
    """The word that names the row's kind in its JSON."""
    return str(row.__struct_config__.tag)


def digest(data: bytes) -> str:
    """What a parked slot's content is known by when it is settled (``RowSettled.digest``)."""
    return sha256(data).hexdigest()


def _read(data: bytes) -> Journalled | None:
    try:
        return ROW_FROM_BYTES.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _placed(found: Sequence[tuple[int, bytes]]) -> list[tuple[int, Journalled]]:
    return [(place, row) for place, data in found if (row := _read(data)) is not None]


# ── SQLite ──────────────────────────────────────────────────────────────────────────────────────────────────────────
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
        row = _read(data)
        if row is not None:
            connection.execute(
                "DELETE FROM parked WHERE sender = ? AND stream = ? AND number = ?", (sender, stream, number)
            )
            _Written().insert(connection, sender, stream, number, row, data)
    connection.execute("COMMIT")


# ── memory ──────────────────────────────────────────────────────────────────────────────────────────────────────────
@dataclass
class MemoryLedger:
    """What survives a crash of the process that holds a ``MemoryLedgerStore``."""

    rows: dict[tuple[str, LineageId, int], tuple[Journalled, bytes]] = field(default_factory=dict)
    """by origin (node, lineage, sequence), in the order of arrival"""
    arrived: list[Journalled] = field(default_factory=list)
    numbers: dict[tuple[NodeId, LineageId], list[tuple[int, int]]] = field(default_factory=dict)
    """by sender and stream, of the sender's own rows: number and sequence, in order"""
    runs: dict[tuple[str, LineageId], list[int]] = field(default_factory=dict)
    """sequences on record by node and lineage"""
    standing: list[Journalled] = field(default_factory=list)
    work: list[Journalled] = field(default_factory=list)
    by_contact: dict[ContactId, list[Journalled]] = field(default_factory=lambda: defaultdict(list))
    births: list[tuple[float, ContactId, str]] = field(default_factory=list)
    parked: dict[tuple[NodeId, LineageId, int], ParkedRow] = field(default_factory=dict)
    holes: list[Hole] = field(default_factory=list)
    settled: dict[tuple[str, LineageId, str, int, int], Settled] = field(default_factory=dict)
    """by sender, stream, and digest or numbers"""
    heads: dict[NodeId, dict[LineageId, int]] = field(default_factory=dict)

    def insert(self, slot: tuple[NodeId, LineageId, int], row: Journalled, data: bytes) -> bool:
        """As the SQLite form's."""
        origin, run = (row.node, row.lineage, row.sequence), (row.node, row.lineage)
        known = self.rows.get(origin)
        if known is not None:
            if known[1] != data:
                self.parked[slot] = ParkedRow(*slot, DIFFERS, data)
            return False
        self.rows[origin] = (row, data)
        self.arrived.append(row)
        if slot[:2] == run:
            self.numbers.setdefault(slot[:2], []).append((slot[2], row.sequence))
        insort(self.runs.setdefault(run, []), row.sequence)
        kind = kind_of(row.row)
        if kind in STANDING_KINDS:
            self.standing.append(row)
        elif kind in WORK_KINDS:
            self.work.append(row)
        if isinstance(row.row, RowSettled):
            fact = row.row
            numbers = (0, 0) if fact.digest else (fact.first, fact.last)
            note = Settled(fact.by, fact.reason, row.wall)
            self.settled.setdefault((fact.sender, fact.lineage, fact.digest, *numbers), note)
        contact = contact_of(row.row)
        if contact is not None:
            self.by_contact[contact].append(row)
        if isinstance(row.row, ContactBorn):
            self.births.append((row.wall, row.row.contact, row.node))
        return True

    def unknown(self) -> Unknown:
        """Parked slots and holes, with what settled them."""
        parked = [
            one._replace(settled=self.settled.get((one.sender, one.lineage, digest(one.data), 0, 0)))
            for _, one in sorted(self.parked.items())
        ]
        holes = [
            one._replace(settled=self.settled.get((one.sender, one.lineage, "", one.first, one.last)))
            for one in sorted(self.holes, key=lambda hole: hole[:4])
        ]
        return Unknown(parked, holes)


class MemoryLedgerStore:
    """``LedgerStore`` in ``ledger``; a commit takes ``commit_s`` seconds of ``clock``, queries answer at once."""

    def __init__(self, ledger: MemoryLedger, clock: Clock, *, commit_s: float = 0.005) -> None:
        self.ledger = ledger
        self._clock = clock
        self.commit_s = commit_s
        """seconds; may change at any time"""
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

    def page(self, begin: float, after: Place, limit: int) -> Deferred[tuple[list[Journalled], Place | None]]:
        """See ``LedgerStore``."""
        begin = max(begin, after[0])
        places = [(row.wall, at, row) for at, (row, _) in enumerate(self.ledger.rows.values(), 1) if row.wall >= begin]
        places.sort()  # no two have the same place, and nearly all are in order
        first = bisect_right(places, after, key=lambda place: place[:2])
        found = places[first : first + limit]
        return succeed(([row for _, _, row in found], found[-1][:2] if found else None))

    def all_rows(self) -> Deferred[list[Journalled]]:
        """See ``LedgerStore``."""
        return succeed([row for row, _ in self.ledger.rows.values()])

    def standing(self) -> Deferred[list[Journalled]]:
        """See ``LedgerStore``."""
        return succeed(list(self.ledger.standing))

    def work_since(self, wall: float, of: NodeId | None = None) -> Deferred[list[Journalled]]:
        """See ``LedgerStore``."""
        return succeed([row for row in self.ledger.work if row.wall >= wall or row.node == of])

    def reported_after(self, place: int, limit: int) -> Deferred[ReportedPage]:
        """See ``LedgerStore``."""
        found = [
            (at, row)
            for at, row in enumerate(self.ledger.arrived[place : place + limit], place + 1)
            if kind_of(row.row) in REPORTED_KINDS
        ]
        last = len(self.ledger.arrived)
        return succeed(ReportedPage(found, max(place, min(last, place + limit)), last))

    def rows_at(self, places: Sequence[int]) -> Deferred[list[tuple[int, Journalled]]]:
        """See ``LedgerStore``."""
        arrived = self.ledger.arrived
        return succeed([(at, arrived[at - 1]) for at in sorted(set(places)) if 0 < at <= len(arrived)])

    def tail(
        self, node: NodeId, lineage: LineageId, beyond: int, after: int, limit: int
    ) -> Deferred[list[tuple[int, bytes]]]:
        """See ``LedgerStore``."""
        numbers = self.ledger.numbers.get((node, lineage), []) if after == 0 else []
        held = [sequence for number, sequence in numbers if number <= beyond]
        run = self.ledger.runs.get((node, lineage), [])
        first = bisect_right(run, max([after, *held]))
        return succeed(
            [(sequence, self.ledger.rows[node, lineage, sequence][1]) for sequence in run[first : first + limit]]
        )

    def latest_contacts(self, limit: int, city: CityId | None = None) -> Deferred[list[ContactId]]:
        """See ``LedgerStore``. Births arrive nearly in order, so the latest are looked for from the end."""
        births = self.ledger.births[::-1]
        births.sort(key=lambda birth: -birth[0])
        return succeed([contact for _, contact, node in births if city in (None, node)][:limit])

    def unknown(self) -> Deferred[Unknown]:
        """See ``LedgerStore``."""
        return succeed(self.ledger.unknown())

    def unknown_count(self, sender: NodeId) -> int:
        """See ``LedgerStore``."""
        if not self.ledger.parked and not self.ledger.holes:
            return 0
        parked, holes = self.ledger.unknown()
        return sum(one.sender == sender and one.settled is None for one in parked) + sum(
            one.last - one.first + 1 for one in holes if one.sender == sender and one.settled is None
        )

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
            self._timer = self._clock.call_later(self.commit_s, self._commit)

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
