"""The store as a local SQLite file: one thread writes, another reads and is never held up by it (WAL)."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, fail
from twisted.logger import Logger

from dataset.errors import Refused
from dataset.ids import NodeId
from dataset.keys import Key
from dataset.pages import ALL, Asked, Page, Span, asked, page_of
from dataset.puts import Cursor, Put, Written
from dataset.tables import Record, Table
from federation.node.sqlite_thread import FromThreads, SqliteThread, Trouble, log_trouble
from federation.node.store import Tables, readable, say_conflicts, stopped
from federation.node.store_file import StoreFile, as_written, whole, write_record

R = TypeVar("R", bound=Record)
T = TypeVar("T")
log = Logger()


class SqliteStore:
    """``federation.ports.Store`` in the file at ``path``, for ``tables``.

    Opening makes the entries of new or changed indexes. Raises ``Refused``: ``store-in-use``, ``store-newer``,
    ``store-unreadable``, ``store-of-another-node``, ``store-keyed-otherwise``; then nothing in the file has changed.
    """

    def __init__(
        self,
        path: Path,
        node: NodeId,
        tables: Iterable[Table[Any]],
        reactor: FromThreads,
        trouble: Trouble = log_trouble,
    ) -> None:
        self._tables = Tables(tables)
        self.conflicts_found = 0
        self.damaged: set[str] = set()
        self._file = StoreFile(path, node, self._tables.by_name.values())
        self._waiting: set[Deferred[Any]] = set()
        self._stopped = False
        self._writer = SqliteThread(self._file.connect(), reactor, trouble, name=f"store {node}")
        self._reader = SqliteThread(self._file.connect(), reactor, trouble, name=f"store reader {node}")

    # ── writing ─────────────────────────────────────────────────────────────────────────────────────────────────
    def put(self, batch: Sequence[Put], cursor: Cursor | None = None) -> Deferred[Written]:
        """See ``Store``. Records and cursor are one transaction, which other puts that wait share."""
        try:
            records = self._tables.prepared(batch)
            if self._stopped:
                raise stopped(str(self._file.path))
        except Refused as refused:
            return fail(refused)
        answer: Deferred[Written] = Deferred()
        self._waiting.add(answer)

        def apply(connection: sqlite3.Connection) -> tuple[Written, list[str]]:
            broken: list[str] = []
            outcomes = tuple([write_record(connection, self._file.ids, one, broken) for one in records])
            if cursor is not None:
                connection.execute("INSERT OR REPLACE INTO cursors VALUES (?, ?)", cursor)
            return Written(outcomes), broken

        def done(result: tuple[Written, list[str]]) -> None:
            written, broken = result
            self._note(broken)
            self.conflicts_found += say_conflicts(records, written)
            self._waiting.discard(answer)
            answer.callback(written)

        self._writer.write(apply, done)
        return answer

    # ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────
    def get(self, table: Table[R], key: Key, *, tombstone: bool = False) -> Deferred[R | None]:
        """See ``Store``."""
        try:
            self._tables.known(table)
            place = table.place(key)
        except Refused as refused:
            return fail(refused)
        number = self._file.ids[table.name]

        def query(connection: sqlite3.Connection) -> tuple[R | None, list[str]]:
            found = connection.execute(
                "SELECT id, crc, data FROM records WHERE tbl = ? AND partition = ? AND clustering = ?",
                (number, *place),
            ).fetchone()
            if found is None:
                return None, []
            broken: list[str] = []
            return readable(table, whole(table, found, broken)), broken

        def read(record: R | None) -> R | None:
            return None if record is not None and record.deleted and not tombstone else record

        return self._ask(query).addCallback(read)

    def page(
        self,
        table: Table[R],
        partition: Key,
        span: Span = ALL,
        *,
        index: str | None = None,
        limit: int = 100,
        token: str | None = None,
    ) -> Deferred[Page[R]]:
        """See ``Store``."""
        try:
            self._tables.known(table)
            question = asked(table, partition, span, limit, token, index)
        except Refused as refused:
            return fail(refused)
        number = self._file.ids[question.order.name]

        def query(connection: sqlite3.Connection) -> tuple[Page[R], list[str]]:
            broken: list[str] = []
            found = [
                (clustering, data if as_written(crc, data) else whole(table, (which, crc, data), broken))
                for clustering, which, crc, data in _rows(connection, number, question, by_index=index is not None)
            ]
            return page_of(table, question, found), broken

        return self._ask(query)

    def conflicts(self, table: Table[R], *, limit: int = 100) -> Deferred[tuple[R, ...]]:
        """See ``Store``."""
        try:
            self._tables.known(table)
        except Refused as refused:
            return fail(refused)
        number = self._file.ids[table.name]

        def query(connection: sqlite3.Connection) -> tuple[tuple[R, ...], list[str]]:
            found = connection.execute(
                "SELECT data FROM rivals WHERE tbl = ? ORDER BY partition, clustering, data LIMIT ?", (number, limit)
            )
            return tuple([readable(table, data) for (data,) in found]), []

        return self._ask(query)

    def cursor(self, name: str) -> Deferred[str | None]:
        """See ``Store``."""

        def query(connection: sqlite3.Connection) -> tuple[str | None, list[str]]:
            found = connection.execute("SELECT value FROM cursors WHERE name = ?", (name,)).fetchone()
            return found[0] if found else None, []

        return self._ask(query)

    def _ask(self, query: Callable[[sqlite3.Connection], tuple[T, list[str]]]) -> Deferred[T]:
        """The first of what ``query`` finds; the second are records it found damaged."""
        if self._stopped:
            return fail(stopped(str(self._file.path)))

        def answered(result: tuple[T | Refused, list[str]]) -> T:
            value, broken = result
            self._note(broken)
            if isinstance(value, Refused):
                raise value
            return value

        def guarded(connection: sqlite3.Connection) -> tuple[T | Refused, list[str]]:
            try:
                return query(connection)
            except Refused as refused:
                return refused, []
            except sqlite3.Error as error:
                return Refused(*self._file.unreadable(error).problems, status=503), []

        return self._reader.read(guarded).addCallback(answered)

    def _note(self, broken: list[str]) -> None:
        for name in broken:
            if name not in self.damaged:
                self.damaged.add(name)
                log.critical(
                    "record {record} in the store is damaged on disk; it counts as unknown until it is put again",
                    record=name,
                    event="record-damaged",
                )

    def stop(self) -> Deferred[None]:
        """See ``Store``."""
        self._stopped = True

        def closed(_: None) -> None:
            self._file.release()
            waiting, self._waiting = self._waiting, set()
            for answer in waiting:  # the disk refused to the end
                answer.errback(stopped(str(self._file.path)))

        return self._reader.stop().addCallback(lambda _: self._writer.stop()).addCallback(closed)


def _rows(
    connection: sqlite3.Connection, number: int, question: Asked, *, by_index: bool
) -> list[tuple[bytes, int, int, bytes]]:
    """Clustering, id, checksum and bytes, one more than the page holds."""
    if by_index:
        text = (
            "SELECT e.clustering, r.id, r.crc, r.data FROM entries e JOIN records r ON r.id = e.record"
            " WHERE e.idx = ? AND e.partition = ? AND e.clustering >= ? AND e.clustering < ?"
        )
    else:
        text = (
            "SELECT e.clustering, e.id, e.crc, e.data FROM records e"
            " WHERE e.tbl = ? AND e.partition = ? AND e.clustering >= ? AND e.clustering < ? AND NOT e.deleted"
        )
    text += f" ORDER BY e.clustering {'DESC' if question.backwards else 'ASC'} LIMIT ?"
    return connection.execute(text, (number, question.partition, *question.stretch, question.limit + 1)).fetchall()
