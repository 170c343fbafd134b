"""The journal as a local SQLite file with group commit (J1)."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from twisted.internet.defer import Deferred

from dataset.errors import Problem, Refused
from dataset.ids import ContactId, LineageId, NodeId
from dataset.rows import AnyRow, Journalled
from federation.node.journal import (
    DAY_S,
    Hearers,
    JournalSettings,
    Stamped,
    Stamps,
    live_change,
    read_rows,
)
from federation.node.sqlite_thread import FromThreads, OwnedFile, Schema, SqliteThread, Trouble, log_trouble
from federation.ports import Clock, OutboxEntry, OutboxStream

SCHEMA = Schema(
    slug="journal",
    zh="日志",
    en="journal",
    version=1,
    statements=(
        "CREATE TABLE node (node TEXT NOT NULL)",
        """CREATE TABLE lineages (
            ordinal INTEGER PRIMARY KEY, lineage TEXT NOT NULL UNIQUE, head INTEGER NOT NULL)""",
        # id = ordinal · 2^40 + sequence: the order of ids is the order of writing, over all lineages
        """CREATE TABLE rows (
            id INTEGER PRIMARY KEY, wall REAL NOT NULL, contact TEXT, outgoing TEXT NOT NULL, data BLOB NOT NULL)""",
        "CREATE INDEX rows_by_contact ON rows (contact) WHERE contact IS NOT NULL",
        "CREATE INDEX rows_by_wall ON rows (wall)",
        """CREATE TABLE outbox (
            receiver TEXT NOT NULL, lineage INTEGER NOT NULL, number INTEGER NOT NULL, sequence INTEGER NOT NULL,
            PRIMARY KEY (receiver, lineage, number)) WITHOUT ROWID""",
        """CREATE TABLE streams (
            receiver TEXT NOT NULL, lineage INTEGER NOT NULL, head INTEGER NOT NULL,
            acknowledged INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (receiver, lineage)) WITHOUT ROWID""",
        "CREATE TABLE live (contact TEXT NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (contact, reason)) WITHOUT ROWID",
    ),
)
FORGET_EVERY_S = 600.0
FORGET_AT_ONCE = 2_000


class SqliteJournal:
    """``federation.ports.Journal`` in the file at ``path``.

    Opening writes and syncs the run's ``LineageOpened``. Raises ``Refused``: ``journal-in-use``, ``journal-newer``,
    ``journal-unreadable``, ``journal-of-another-node``; then nothing in the file has changed.
    """

    def __init__(
        self,
        path: Path,
        settings: JournalSettings,
        clock: Clock,
        reactor: FromThreads,
        trouble: Trouble = log_trouble,
    ) -> None:
        self.node = settings.node
        self.lineage = settings.new_lineage()
        self._clock = clock
        self._keep_s = settings.keep_days * DAY_S
        self._forgot_at = clock.monotonic()
        self._hearers = Hearers()
        self._stamps = Stamps(settings, clock, self.lineage)
        self._acks: dict[tuple[NodeId, LineageId], int] = {}
        self._file = OwnedFile(path, SCHEMA)
        connection = self._file.connect()
        try:
            self._open(connection)
            self._reading = self._file.connect()
        except (Refused, sqlite3.Error):
            connection.close()
            self._file.release()
            raise
        self._thread = SqliteThread(connection, reactor, trouble, name=f"journal {settings.node}")

    # ── opening ─────────────────────────────────────────────────────────────────────────────────────────────────
    def _open(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")
        owner = connection.execute("SELECT node FROM node").fetchone()
        if owner is None:
            connection.execute("INSERT INTO node VALUES (?)", (self.node,))
        elif owner[0] != self.node:
            connection.execute("ROLLBACK")
            raise Refused(
                Problem(
                    "journal-of-another-node",
                    zh=f"该日志属于节点 {owner[0]}，本节点是 {self.node}",
                    en=f"this journal belongs to node {owner[0]}, this is {self.node}",
                    place=str(self._file.path),
                )
            )
        lineages = connection.execute("SELECT ordinal, lineage, head FROM lineages ORDER BY ordinal").fetchall()
        ordinal, previous, head = lineages[-1] if lineages else (0, None, 0)
        self._ordinal: int = ordinal + 1
        self._ordinals = {LineageId(lineage): ordinal for ordinal, lineage, _ in lineages}
        self._ordinals[self.lineage] = self._ordinal
        connection.execute("INSERT INTO lineages VALUES (?, ?, 0)", (self._ordinal, self.lineage))
        live = tuple(ContactId(contact) for (contact,) in connection.execute("SELECT DISTINCT contact FROM live"))
        opening = self._stamps.opening(previous, head, live)
        _write(connection, self._ordinal, opening)
        connection.execute("COMMIT")
        names = {ordinal: lineage for lineage, ordinal in self._ordinals.items()}
        self._streams: dict[NodeId, dict[LineageId, OutboxStream]] = {}
        for receiver, of, number, acknowledged in connection.execute(
            "SELECT receiver, lineage, head, acknowledged FROM streams ORDER BY lineage"
        ):
            self._streams.setdefault(NodeId(receiver), {})[names[of]] = OutboxStream(names[of], number, acknowledged)

    # ── writing ─────────────────────────────────────────────────────────────────────────────────────────────────
    def append(self, rows: Sequence[tuple[AnyRow, Sequence[str]]], synced: Callable[[], None]) -> None:
        """See ``Journal``. Encoding an unencodable row raises ``TypeError`` here, before anything is queued."""
        stamped = self._stamps.stamp(rows)
        acks, self._acks = self._acks, {}
        before = self._forgettable_before()

        def apply(connection: sqlite3.Connection) -> None:
            _write(connection, self._ordinal, stamped)
            for (receiver, lineage), number in acks.items():
                connection.execute(
                    "UPDATE streams SET acknowledged = ? WHERE receiver = ? AND lineage = ?",
                    (number, receiver, self._ordinals[lineage]),
                )
            if before is not None:
                _forget(connection, self._ordinal, before)

        self._thread.write(apply, lambda _: self._synced(synced, stamped))

    def _synced(self, synced: Callable[[], None], stamped: Sequence[Stamped]) -> None:
        for one in stamped:
            for receiver, number, _ in one.outgoing:
                own = self._streams.setdefault(receiver, {})
                known = own.get(self.lineage)
                own[self.lineage] = OutboxStream(self.lineage, number, known.acknowledged if known else 0)
        self._hearers.tell(synced, stamped)

    def _forgettable_before(self) -> float | None:
        now = self._clock.monotonic()
        if now - self._forgot_at < FORGET_EVERY_S:
            return None
        self._forgot_at = now
        return self._clock.wall() - self._keep_s

    def on_rows(self, hear: Callable[[Sequence[Journalled]], None]) -> None:
        """See ``Journal``."""
        self._hearers.on_rows(hear)

    def on_outgoing(self, hear: Callable[[Mapping[NodeId, int]], None]) -> None:
        """See ``Journal``."""
        self._hearers.on_outgoing(hear)

    @property
    def groups(self) -> int:
        """Transactions of this run so far."""
        return self._thread.groups

    # ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────
    def rows_of_live_contacts(self) -> list[Journalled]:
        """See ``Journal``; reads the file in the caller's thread."""
        found = self._reading.execute(
            "SELECT data FROM rows WHERE contact IN (SELECT contact FROM live) ORDER BY id"
        ).fetchall()
        return read_rows([data for (data,) in found])

    def rows_since(self, wall: float) -> list[Journalled]:
        """See ``Journal``; reads the file in the caller's thread."""
        found = self._reading.execute("SELECT data FROM rows WHERE wall >= ? ORDER BY id", (wall,)).fetchall()
        return read_rows([data for (data,) in found])

    def receivers(self) -> list[NodeId]:
        """See ``Journal``."""
        return list(self._streams)

    def streams(self, receiver: NodeId) -> list[OutboxStream]:
        """See ``Journal``."""
        return list(self._streams.get(receiver, {}).values())

    def pending(self, receiver: NodeId, lineage: LineageId, after: int, limit: int) -> Deferred[list[OutboxEntry]]:
        """See ``Journal``."""
        ordinal = self._ordinals.get(lineage, 0)

        def query(connection: sqlite3.Connection) -> list[OutboxEntry]:
            found = connection.execute(
                "SELECT number, data FROM outbox JOIN rows ON rows.id = (lineage << 40) + sequence"
                " WHERE receiver = ? AND lineage = ? AND number > ? ORDER BY number LIMIT ?",
                (receiver, ordinal, after, limit),
            )
            return [OutboxEntry(number, data) for number, data in found]

        return self._thread.read(query)

    def acknowledged(self, receiver: NodeId, lineage: LineageId, number: int) -> None:
        """See ``Journal``. Written with the next group: forgetting an acknowledgement costs nothing (J5)."""
        known = self._streams.get(receiver, {}).get(lineage)
        if known is not None and known.acknowledged != number:
            self._streams[receiver][lineage] = known._replace(acknowledged=number)
            self._acks[receiver, lineage] = number

    def stop(self) -> Deferred[None]:
        """See ``Journal``."""
        if self._acks:
            self.append([], lambda: None)

        def closed(_: None) -> None:
            self._reading.close()
            self._file.release()

        return self._thread.stop().addCallback(closed)


def _write(connection: sqlite3.Connection, ordinal: int, stamped: Sequence[Stamped]) -> None:
    if not stamped:
        return
    base = ordinal << 40
    connection.executemany(
        "INSERT INTO rows VALUES (?, ?, ?, ?, ?)",
        [
            (
                base + one.journalled.sequence,
                one.journalled.wall,
                one.contact,
                " ".join(
                    f"{receiver}:{number}"
                    for receiver, number, sequence in one.outgoing
                    if sequence == one.journalled.sequence
                ),
                one.data,
            )
            for one in stamped
        ],
    )
    places = [place for one in stamped for place in one.outgoing]
    connection.executemany(
        "INSERT INTO outbox VALUES (?, ?, ?, ?)",
        [(receiver, ordinal, number, sequence) for receiver, number, sequence in places],
    )
    connection.executemany(
        "INSERT INTO streams (receiver, lineage, head) VALUES (?, ?, ?)"
        " ON CONFLICT (receiver, lineage) DO UPDATE SET head = excluded.head",
        [(receiver, ordinal, head) for receiver, head in {place[0]: place[1] for place in places}.items()],
    )
    for one in stamped:
        begins, ends = live_change(one.journalled.row)
        for reason in begins:
            connection.execute("INSERT OR IGNORE INTO live VALUES (?, ?)", (one.contact, reason))
        for reason in ends:
            connection.execute("DELETE FROM live WHERE contact = ? AND reason = ?", (one.contact, reason))
    connection.execute("UPDATE lineages SET head = ? WHERE ordinal = ?", (stamped[-1].journalled.sequence, ordinal))


def _forget(connection: sqlite3.Connection, current: int, before: float) -> None:
    """Drop old rows that every receiver has (J5), some at a time; not openings, nor rows of live contacts.

    Sequences of a stream grow with its numbers, so all rows before its first unacknowledged one are acknowledged.
    """
    room = FORGET_AT_ONCE
    for (ordinal,) in connection.execute("SELECT ordinal FROM lineages ORDER BY ordinal").fetchall():
        (waiting,) = connection.execute(
            "SELECT min((SELECT sequence FROM outbox WHERE outbox.receiver = streams.receiver"
            " AND outbox.lineage = streams.lineage AND outbox.number > streams.acknowledged"
            " ORDER BY outbox.number LIMIT 1)) FROM streams WHERE lineage = ?",
            (ordinal,),
        ).fetchone()
        base = ordinal << 40
        end = base + waiting if waiting is not None else (ordinal + 1) << 40
        old = connection.execute(
            "SELECT id, outgoing FROM rows WHERE id > ? AND id < ? AND wall < ?"
            " AND (contact IS NULL OR contact NOT IN (SELECT contact FROM live)) ORDER BY id LIMIT ?",
            (base + 1, end, before, room),
        ).fetchall()
        for row, outgoing in old:
            connection.execute("DELETE FROM rows WHERE id = ?", (row,))
            for place in outgoing.split():
                receiver, _, number = place.rpartition(":")
                connection.execute(
                    "DELETE FROM outbox WHERE receiver = ? AND lineage = ? AND number = ?",
                    (receiver, ordinal, int(number)),
                )
        room -= len(old)
        if room <= 0 or ordinal == current:
            return
