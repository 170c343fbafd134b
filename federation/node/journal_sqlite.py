"""The journal as a local SQLite file with group commit (J1)."""

from __future__ import annotations

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from dataset.errors import Problem, Refused
from dataset.ids import ContactId, LineageId, NodeId, is_hub
from dataset.rows import AnyRow, Journalled, LineageOpened
from federation.node.journal import (
    ABOUT_RUNS,
    DAY_S,
    Hearers,
    JournalSettings,
    Relayed,
    Stamped,
    Stamps,
    keeps_everything,
    live_change,
    open_after,
    read_rows,
    records_of,
)
from federation.node.reserve import Reserve
from federation.node.sqlite_thread import (
    FromThreads,
    OwnedFile,
    Schema,
    SqliteThread,
    Trouble,
    log_trouble,
    makes_room,
)
from federation.ports import Clock, OutboxEntry, OutboxStream

log = Logger()

_Found = tuple[int, int, int | None, bytes | None]
"""number, id, checksum, bytes"""
_FORMAT_2 = (
    # other nodes' rows on their way through (J5); id as in rows, and never the id of one
    "CREATE TABLE relayed (id INTEGER PRIMARY KEY, wall REAL NOT NULL, crc INTEGER NOT NULL, data BLOB NOT NULL)",
)

_FORMAT_3 = (
    "CREATE INDEX rows_by_item ON rows (item) WHERE item IS NOT NULL",
    "CREATE INDEX work_by_wall ON rows (wall) WHERE item IS NOT NULL",
    "CREATE TABLE open_items (item TEXT NOT NULL PRIMARY KEY) WITHOUT ROWID",
)

_FORMAT_4 = (
    # audit rows are never forgotten: whoever looks for what may be must not pass by years of them
    "CREATE INDEX rows_to_forget ON rows (id) WHERE audit IS NULL",
    "CREATE INDEX rows_of_audit ON rows (id) WHERE audit IS NOT NULL",
)


def _to_format_2(connection: sqlite3.Connection) -> None:
    """Rows get a checksum, since SQLite's pages have none; those written before have none (NULL)."""
    connection.execute("ALTER TABLE rows ADD COLUMN crc INTEGER")
    for statement in _FORMAT_2:
        connection.execute(statement)


def _to_format_3(connection: sqlite3.Connection) -> None:
    """Rows name their work item. Those on record need no look: no program wrote any about one in an older format."""
    connection.execute("ALTER TABLE rows ADD COLUMN item TEXT")
    for statement in _FORMAT_3:
        connection.execute(statement)


def _to_format_4(connection: sqlite3.Connection) -> None:
    """Audit rows have their hash beside them (I10). No program wrote any in an older format."""
    connection.execute("ALTER TABLE rows ADD COLUMN audit TEXT")
    for statement in _FORMAT_4:
        connection.execute(statement)


SCHEMA = Schema(
    slug="journal",
    zh="日志",
    en="journal",
    version=4,
    steps={1: _to_format_2, 2: _to_format_3, 3: _to_format_4},
    statements=(
        "CREATE TABLE node (node TEXT NOT NULL)",
        """CREATE TABLE lineages (
            ordinal INTEGER PRIMARY KEY, lineage TEXT NOT NULL UNIQUE, head INTEGER NOT NULL)""",
        # id = ordinal · 2^40 + sequence: the order of ids is the order of writing, over all lineages
        """CREATE TABLE rows (
            id INTEGER PRIMARY KEY, wall REAL NOT NULL, contact TEXT, outgoing TEXT NOT NULL, data BLOB NOT NULL,
            crc INTEGER, item TEXT, audit TEXT)""",
        "CREATE INDEX rows_by_contact ON rows (contact) WHERE contact IS NOT NULL",
        "CREATE INDEX rows_by_wall ON rows (wall)",
        """CREATE TABLE outbox (
            receiver TEXT NOT NULL, lineage INTEGER NOT NULL, number INTEGER NOT NULL, sequence INTEGER NOT NULL,
            PRIMARY KEY (receiver, lineage, number)) WITHOUT ROWID""",
        """CREATE TABLE streams (
            receiver TEXT NOT NULL, lineage INTEGER NOT NULL, head INTEGER NOT NULL,
            acknowledged INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (receiver, lineage)) WITHOUT ROWID""",
        "CREATE TABLE live (contact TEXT NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (contact, reason)) WITHOUT ROWID",
        *_FORMAT_2,
        *_FORMAT_3,
        *_FORMAT_4,
    ),
)
FORGET_EVERY_S = 600.0
FORGET_AT_ONCE = 2_000
ADDRESS_AT_ONCE = 100_000
SEQUENCE_BITS = 40
_SEQUENCE = (1 << SEQUENCE_BITS) - 1
# ``for_hubs`` of federation.node.journal, on the column
_FOR_HUBS = (
    "(outgoing = '' OR "
    + " OR ".join(f"outgoing GLOB '{pattern}'" for pattern in ("hub:*", "hub[2-9]:*", "* hub:*", "* hub[2-9]:*"))
    + ")"
)


class Kept(NamedTuple):
    """What a journal keeps for hubs, whoever has it open."""

    node: str
    """empty where there is no journal yet"""
    area_code: str
    """in which contacts were numbered last"""
    rows: int
    first: float
    last: float
    """wall times"""


def kept_for_hubs(path: Path) -> Kept:
    """Look into the journal at ``path`` without owning it; for a city that may join (B5).

    Raises ``Refused`` (``journal-unreadable``).
    """
    if not path.exists():
        return Kept("", "", 0, 0.0, 0.0)
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=10)) as connection:
            owner = connection.execute("SELECT node FROM node").fetchone()
            rows, first, last = connection.execute(
                f"SELECT count(*), ifnull(min(wall), 0), ifnull(max(wall), 0) FROM rows WHERE {_FOR_HUBS}"
            ).fetchone()
            # the first row of every run
            opened = connection.execute(
                "SELECT data FROM rows WHERE id & ? = 1 ORDER BY id DESC LIMIT 1", (_SEQUENCE,)
            ).fetchone()
    except sqlite3.Error as error:
        raise Refused(
            Problem(
                "journal-unreadable",
                zh=f"无法读取日志：{error}",
                en=f"the journal cannot be read: {error}",
                place=str(path),
            )
        ) from error
    runs = read_rows([opened[0]]) if opened else []
    area_code = next((one.row.area_code for one in runs if isinstance(one.row, LineageOpened)), "")
    return Kept(owner[0] if owner else "", area_code, rows, first, last)


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
        self.boot = settings.boot
        self.damaged: set[int] = set()
        """ids of rows found whose bytes are not those that were written; for metrics"""
        self.left_out: Counter[str] = Counter()
        self._clock = clock
        self._keep_s = settings.keep_days * DAY_S
        self._forgot_at = clock.monotonic()
        self._hearers = Hearers()
        self._settings = settings
        self._stamps = Stamps(settings, clock, self.lineage)
        self._acks: dict[tuple[NodeId, LineageId], int] = {}
        reserve = Reserve(path, settings.reserve_bytes)
        hubs = [receiver for receiver in settings.receivers if is_hub(receiver)]
        try:
            self._file = OwnedFile(path, SCHEMA)
        except Refused as refused:
            if refused.problems[0].slug != "journal-unreadable" or not makes_room(reserve, refused):
                raise
            self._file = OwnedFile(path, SCHEMA)
        connection = self._file.connect()
        try:
            try:
                self._open(connection, hubs)
            except sqlite3.Error as error:
                if not makes_room(reserve, error):
                    raise
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                self._stamps = Stamps(settings, clock, self.lineage)
                self._open(connection, hubs)
            self._reading = self._file.connect()
        except (Refused, sqlite3.Error) as error:
            connection.close()
            self._file.release()
            raise (error if isinstance(error, Refused) else self._file.unreadable(error)) from None
        self._thread = SqliteThread(connection, reactor, trouble, name=f"journal {settings.node}", reserve=reserve)

    # ── opening ─────────────────────────────────────────────────────────────────────────────────────────────────
    def _open(self, connection: sqlite3.Connection, hubs: Sequence[NodeId]) -> None:
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
        ordinal, _, head = lineages[-1] if lineages else (0, None, 0)
        self._ordinal: int = ordinal + 1
        self._ordinals = {LineageId(lineage): ordinal for ordinal, lineage, _ in lineages}
        for hub in hubs:
            _address_all_to(connection, hub, [ordinal for ordinal, _, _ in lineages])
        self._ordinals[self.lineage] = self._ordinal
        connection.execute("INSERT INTO lineages VALUES (?, ?, 0)", (self._ordinal, self.lineage))
        live = tuple(ContactId(contact) for (contact,) in connection.execute("SELECT DISTINCT contact FROM live"))
        audit = connection.execute(
            "SELECT audit FROM rows INDEXED BY rows_of_audit WHERE audit IS NOT NULL ORDER BY id DESC LIMIT 1"
        ).fetchone()
        opening = self._stamps.opening(
            [LineageId(lineage) for _, lineage, _ in lineages], head, live, audit[0] if audit else ""
        )
        _write(connection, self._ordinal, opening)
        connection.execute("COMMIT")
        names = {ordinal: lineage for lineage, ordinal in self._ordinals.items()}
        self._streams: dict[NodeId, dict[LineageId, OutboxStream]] = {}
        for receiver, of, number, acknowledged in connection.execute(
            "SELECT receiver, lineage, head, acknowledged FROM streams ORDER BY lineage"
        ):
            self._streams.setdefault(NodeId(receiver), {})[names[of]] = OutboxStream(names[of], number, acknowledged)
        for gone in self._streams.keys() - set(self.receivers()):
            log.warn(
                "{receiver} is in the province no more: rows for it wait no longer, and go with their days",
                receiver=gone,
                event="receiver-gone",
            )

    # ── writing ─────────────────────────────────────────────────────────────────────────────────────────────────
    def append(self, rows: Sequence[tuple[AnyRow, Sequence[str]]], synced: Callable[[], None]) -> None:
        """See ``Journal``. Encoding an unencodable row raises ``TypeError`` here, before anything is queued."""
        wanted = records_of(rows, self.left_out) if self.tight else rows
        self._commit(self._stamps.stamp(wanted), synced)

    @property
    def tight(self) -> bool:
        """See ``Journal``."""
        return self._thread.tight

    def relay(self, rows: Sequence[bytes], receivers: Sequence[str], synced: Callable[[], None]) -> None:
        """See ``Journal``."""
        self._commit(self._stamps.relay(rows, receivers), synced)

    def _commit(self, group: list[Stamped] | list[Relayed], synced: Callable[[], None]) -> None:
        acks, self._acks = self._acks, {}
        before = self._forgettable_before()
        awaited = self.receivers()

        def apply(connection: sqlite3.Connection) -> None:
            _write(connection, self._ordinal, group)
            for (receiver, lineage), number in acks.items():
                connection.execute(
                    "UPDATE streams SET acknowledged = ? WHERE receiver = ? AND lineage = ?",
                    (number, receiver, self._ordinals[lineage]),
                )
            if before is not None:
                _forget(connection, self._ordinal, before, awaited)

        self._thread.write(apply, lambda _: self._synced(synced, group))

    def _synced(self, synced: Callable[[], None], group: list[Stamped] | list[Relayed]) -> None:
        for one in group:
            for receiver, number, _ in one.outgoing:
                own = self._streams.setdefault(receiver, {})
                known = own.get(self.lineage)
                own[self.lineage] = OutboxStream(self.lineage, number, known.acknowledged if known else 0)
        self._hearers.tell(synced, group)

    def _forgettable_before(self) -> float | None:
        now = self._clock.monotonic()
        if now - self._forgot_at < FORGET_EVERY_S or keeps_everything(self.node, self._streams):
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
        return self._rows("contact IN (SELECT contact FROM live) ORDER BY id")

    def rows_of_contacts(self, contacts: Collection[ContactId]) -> list[Journalled]:
        """See ``Journal``; reads the file in the caller's thread."""
        return self._rows("contact IN (SELECT value FROM json_each(?)) ORDER BY id", json.dumps(sorted(contacts)))

    def rows_since(self, wall: float) -> list[Journalled]:
        """See ``Journal``; reads the file in the caller's thread."""
        return self._rows("wall >= ? ORDER BY id", wall)

    def rows_of_kind(self, kind: type[AnyRow], since: float) -> list[Journalled]:
        """See ``Journal``; reads the file in the caller's thread."""
        # a row's bytes begin the row itself with its kind, and no text in one has a quotation mark of its own
        begins = f'"row":{{"kind":"{kind.__struct_config__.tag}"'.encode()
        return self._rows("wall >= ? AND instr(data, ?) ORDER BY id", since, begins)

    def rows_of_work(self, since: float) -> list[Journalled]:
        """See ``Journal``; reads the file in the caller's thread."""
        # work items are a small part of all rows: a plan that looked at the others too is refused, not slow
        return self._rows(
            "id IN (SELECT id FROM rows INDEXED BY work_by_wall WHERE item IS NOT NULL AND wall >= ? UNION"
            " SELECT id FROM rows INDEXED BY rows_by_item WHERE item IN (SELECT item FROM open_items) UNION"
            " SELECT id FROM rows INDEXED BY rows_by_item WHERE item = ?) ORDER BY id",
            since,
            ABOUT_RUNS,
        )

    def _rows(self, where: str, *values: object) -> list[Journalled]:
        # `where` is one of the texts above, never input
        found = self._reading.execute(f"SELECT id, crc, data FROM rows WHERE {where}", values).fetchall()
        return read_rows([data for which, crc, data in found if self._whole(which, crc, data)])

    def _whole(self, which: int, crc: int | None, data: bytes) -> bool:
        """Whether a row's bytes are those that were written; a bit that flipped on disk must not become a fact."""
        if crc is None or crc == crc32(data):
            return True
        if which not in self.damaged:
            self.damaged.add(which)
            log.critical(
                "row {sequence} of run {ordinal} in the journal is damaged on disk; it counts as unknown",
                sequence=which & _SEQUENCE,
                ordinal=which >> SEQUENCE_BITS,
                event="row-damaged",
            )
        return False

    def receivers(self) -> list[NodeId]:
        """See ``Journal``."""
        return list(filter(self._settings.awaits, self._streams))

    def streams(self, receiver: NodeId) -> list[OutboxStream]:
        """See ``Journal``."""
        return list(self._streams.get(receiver, {}).values())

    def pending(self, receiver: NodeId, lineage: LineageId, after: int, limit: int) -> Deferred[list[OutboxEntry]]:
        """See ``Journal``. A row that is damaged on disk goes as what it is: its receiver parks it (S2)."""
        ordinal = self._ordinals.get(lineage, 0)

        def query(connection: sqlite3.Connection) -> list[_Found]:
            return connection.execute(
                "SELECT number, (lineage << 40) + sequence, ifnull(rows.crc, relayed.crc),"
                " ifnull(rows.data, relayed.data) FROM outbox"
                " LEFT JOIN rows ON rows.id = (lineage << 40) + sequence"
                " LEFT JOIN relayed ON relayed.id = (lineage << 40) + sequence"
                " WHERE receiver = ? AND lineage = ? AND number > ? ORDER BY number LIMIT ?",
                (receiver, ordinal, after, limit),
            ).fetchall()

        def checked(found: list[_Found]) -> list[OutboxEntry]:
            return [
                OutboxEntry(number, data if self._whole(which, crc, data) else _damaged(data))
                for number, which, crc, data in found
                if data is not None
            ]

        reading = self._thread.read(query)
        return reading.addCallback(checked)

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


def _damaged(data: bytes) -> bytes:
    """What goes instead of a row whose bytes are not those that were written; no version reads it as a row."""
    return json.dumps({"damaged_on_disk": data.decode("utf-8", "replace")}).encode()


def _write(connection: sqlite3.Connection, ordinal: int, group: Sequence[Stamped] | Sequence[Relayed]) -> None:
    if not group:
        return
    base = ordinal << SEQUENCE_BITS
    stamped = [one for one in group if isinstance(one, Stamped)]
    relayed = [one for one in group if isinstance(one, Relayed)]
    connection.executemany(
        "INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
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
                crc32(one.data),
                one.item,
                one.audit,
            )
            for one in stamped
        ],
    )
    connection.executemany(
        "INSERT INTO relayed VALUES (?, ?, ?, ?)",
        [(base + one.sequence, one.wall, crc32(one.data), one.data) for one in relayed],
    )
    places = [place for one in group for place in one.outgoing]
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
        match open_after(one.journalled.row):
            case True:
                connection.execute("INSERT OR IGNORE INTO open_items VALUES (?)", (one.item,))
            case False:
                connection.execute("DELETE FROM open_items WHERE item = ?", (one.item,))
    head = max(one.journalled.sequence if isinstance(one, Stamped) else one.sequence for one in group)
    connection.execute("UPDATE lineages SET head = ? WHERE ordinal = ?", (head, ordinal))


def _address_all_to(connection: sqlite3.Connection, hub: NodeId, ordinals: Sequence[int]) -> None:
    """Number everything kept that is for hubs for one that nothing was ever written for, oldest run first (B5)."""
    if not ordinals or connection.execute("SELECT 1 FROM streams WHERE receiver = ? LIMIT 1", (hub,)).fetchone():
        return
    began, total = time.perf_counter(), 0
    for ordinal in ordinals:
        head, place = 0, ordinal << SEQUENCE_BITS
        while True:
            connection.execute(
                f"INSERT INTO outbox SELECT ?1, ?2, ?3 + row_number() OVER (ORDER BY id), id & {_SEQUENCE} FROM"
                f" (SELECT id FROM rows WHERE id > ?4 AND id < ?5 AND {_FOR_HUBS} ORDER BY id LIMIT {ADDRESS_AT_ONCE})",
                (hub, ordinal, head, place, (ordinal + 1) << SEQUENCE_BITS),
            )
            number, sequence = connection.execute(
                "SELECT number, sequence FROM outbox WHERE receiver = ? AND lineage = ? ORDER BY number DESC LIMIT 1",
                (hub, ordinal),
            ).fetchone() or (0, 0)
            added, head, place = number - head, number, (ordinal << SEQUENCE_BITS) + sequence
            total += added
            if time.perf_counter() - began > 1.0:
                log.info("{count} rows kept are put in line for {hub}", count=total, hub=hub, event="rows-in-line")
            if added < ADDRESS_AT_ONCE:
                break
        if head:
            connection.execute("INSERT INTO streams (receiver, lineage, head) VALUES (?, ?, ?)", (hub, ordinal, head))
    log.info("{hub} is new here: {count} rows kept wait for it", hub=hub, count=total, event="hub-new")


def _forget(connection: sqlite3.Connection, current: int, before: float, awaited: Collection[NodeId]) -> None:
    """Drop old rows that all ``awaited`` receivers have (J5), some at a time.

    Not openings, nor audit rows, nor rows of live contacts and open work items.
    Sequences of a stream grow with its numbers, so all rows before its first unacknowledged one are acknowledged.
    """
    room = FORGET_AT_ONCE
    # rows are written in the order of ids, so those behind the latest old one are younger and need no look; where the
    # clock was set back, some old ones behind it wait for a later time
    (latest_old,) = connection.execute(
        "SELECT ifnull((SELECT id FROM rows WHERE wall < ? ORDER BY wall DESC LIMIT 1), 0)", (before,)
    ).fetchone()
    for (ordinal,) in connection.execute("SELECT ordinal FROM lineages ORDER BY ordinal").fetchall():
        (waiting,) = connection.execute(
            "SELECT min((SELECT sequence FROM outbox WHERE outbox.receiver = streams.receiver"
            " AND outbox.lineage = streams.lineage AND outbox.number > streams.acknowledged"
            " ORDER BY outbox.number LIMIT 1)) FROM streams"
            " WHERE lineage = ? AND receiver IN (SELECT value FROM json_each(?))",
            (ordinal, json.dumps(list(awaited))),
        ).fetchone()
        base = ordinal << SEQUENCE_BITS
        end = base + waiting if waiting is not None else (ordinal + 1) << SEQUENCE_BITS
        old = connection.execute(
            "SELECT id FROM rows INDEXED BY rows_to_forget"
            " WHERE audit IS NULL AND id > ?1 AND id < min(?2, ?5 + 1) AND wall < ?3"
            " AND (contact IS NULL OR contact NOT IN (SELECT contact FROM live))"
            " AND (item IS NULL OR item NOT IN (SELECT item FROM open_items))"
            " UNION ALL SELECT id FROM relayed WHERE id > ?1 AND id < ?2 AND wall < ?3 ORDER BY id LIMIT ?4",
            (base + 1, end, before, room, latest_old),
        ).fetchall()
        if old:
            _forget_rows(connection, ordinal, [which for (which,) in old])
        room -= len(old)
        if room <= 0 or ordinal == current:
            return


def _forget_rows(connection: sqlite3.Connection, ordinal: int, old: list[int]) -> None:
    """``old``: ids in order, for which no receiver of that run is waited any more."""
    connection.executemany("DELETE FROM rows WHERE id = ?", [(which,) for which in old])
    connection.executemany("DELETE FROM relayed WHERE id = ?", [(which,) for which in old])
    gone = {which & _SEQUENCE for which in old}
    last = old[-1] & _SEQUENCE
    for (receiver,) in connection.execute("SELECT receiver FROM streams WHERE lineage = ?", (ordinal,)).fetchall():
        numbers = []
        for number, sequence in connection.execute(
            "SELECT number, sequence FROM outbox WHERE receiver = ? AND lineage = ? AND number >= ? ORDER BY number",
            (receiver, ordinal, _first_number(connection, receiver, ordinal, old[0] & _SEQUENCE)),
        ):
            if sequence > last:
                break
            if sequence in gone:
                numbers.append((receiver, ordinal, number))
        connection.executemany("DELETE FROM outbox WHERE receiver = ? AND lineage = ? AND number = ?", numbers)


def _first_number(connection: sqlite3.Connection, receiver: str, ordinal: int, sequence: int) -> int:
    """A number of a stream before which no row has ``sequence`` or a later one; sequences grow with numbers.

    Found by halves: the rows before it may be years of those that are never forgotten.
    """
    low, high = 1, sequence + 1
    while low < high:
        middle = (low + high) // 2
        found = connection.execute(
            "SELECT number, sequence FROM outbox WHERE receiver = ? AND lineage = ? AND number >= ?"
            " ORDER BY number LIMIT 1",
            (receiver, ordinal, middle),
        ).fetchone()
        if found is None or found[1] >= sequence:
            high = middle
        else:
            low = found[0] + 1
    return low
