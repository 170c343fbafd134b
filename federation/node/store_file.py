"""The store's SQLite file: its tables, how it is opened, how one record is written into it.

All tables of records share one table of the file, ordered by the bytes of their keys; index entries point at it. So
a new table, field or index needs no change of the file's format.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any
from zlib import crc32

import msgspec
from twisted.logger import Logger

from dataset.errors import Problem, Refused
from dataset.ids import NodeId
from dataset.puts import Outcome, Prepared, rule
from dataset.tables import Record, Table
from federation.node.sqlite_thread import OwnedFile, Schema

log = Logger()
Entry = tuple[str, bytes, bytes]

SCHEMA = Schema(
    slug="store",
    zh="资料库",
    en="store",
    version=1,
    statements=(
        "CREATE TABLE node (node TEXT NOT NULL)",
        # of tables and of indexes (table.index); shape changes when the keys do
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, shape TEXT NOT NULL)",
        """CREATE TABLE records (
            id INTEGER PRIMARY KEY, tbl INTEGER NOT NULL, partition BLOB NOT NULL, clustering BLOB NOT NULL,
            revision INTEGER NOT NULL, deleted INTEGER NOT NULL, crc INTEGER NOT NULL, data BLOB NOT NULL)""",
        "CREATE UNIQUE INDEX records_by_key ON records (tbl, partition, clustering)",
        """CREATE TABLE entries (
            idx INTEGER NOT NULL, partition BLOB NOT NULL, clustering BLOB NOT NULL, record INTEGER NOT NULL,
            PRIMARY KEY (idx, partition, clustering)) WITHOUT ROWID""",
        # contents that do not stand beside another one of the same revision
        """CREATE TABLE rivals (
            tbl INTEGER NOT NULL, partition BLOB NOT NULL, clustering BLOB NOT NULL, data BLOB NOT NULL,
            PRIMARY KEY (tbl, partition, clustering, data)) WITHOUT ROWID""",
        "CREATE TABLE cursors (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    ),
)
_AT_ONCE = 1_000
"""records in memory while the entries of an index are made"""


class StoreFile(OwnedFile):
    """The file, brought to the declared tables and indexes."""

    def __init__(self, path: Path, node: NodeId, tables: Collection[Table[Any]]) -> None:
        """Raises ``Refused``: as ``OwnedFile``, and ``store-of-another-node``, ``store-keyed-otherwise``."""
        super().__init__(path, SCHEMA)
        self.ids: dict[str, int] = {}
        """numbers of the orders in the file, by name"""
        try:
            connection = self.connect()
            try:
                connection.execute("BEGIN IMMEDIATE")
                self._belongs_to(connection, node)
                for table in tables:
                    self._declare(connection, table)
                connection.execute("COMMIT")
            finally:
                connection.close()  # what is not committed is undone
        except sqlite3.Error as error:
            self.release()
            raise self.unreadable(error) from error
        except Refused:
            self.release()
            raise

    def _belongs_to(self, connection: sqlite3.Connection, node: NodeId) -> None:
        owner = connection.execute("SELECT node FROM node").fetchone()
        if owner is None:
            connection.execute("INSERT INTO node VALUES (?)", (node,))
        elif owner[0] != node:
            raise Refused(
                Problem(
                    "store-of-another-node",
                    zh=f"该资料库属于节点 {owner[0]}，本节点是 {node}",
                    en=f"this store belongs to node {owner[0]}, this is {node}",
                    place=str(self.path),
                )
            )

    def _declare(self, connection: sqlite3.Connection, table: Table[Any]) -> None:
        known: dict[str, tuple[int, str]] = {
            name: (which, shape)
            for which, name, shape in connection.execute(
                "SELECT id, name, shape FROM orders WHERE name = ? OR name GLOB ?", (table.name, f"{table.name}.*")
            )
        }
        own = known.pop(table.name, None)
        if own is not None and own[1] != table.order.shape:
            raise Refused(
                Problem(
                    "store-keyed-otherwise",
                    zh=f"表 {table.name} 的键在文件中是 {own[1]}，本程序为 {table.order.shape}；请导出后重新导入",
                    en=f"the table {table.name} has the key {own[1]} in the file and {table.order.shape} in this "
                    "program; export it and import it anew",
                    place=str(self.path),
                )
            )
        self.ids[table.name] = own[0] if own else _new_order(connection, table.name, table.order.shape)
        made = []
        for name, order in table.orders.items():
            which, shape = known.pop(order.name, (0, ""))
            if shape != order.shape:
                if which:
                    _forget_order(connection, which)
                which = _new_order(connection, order.name, order.shape)
                made.append(name)
            self.ids[order.name] = which
        for which, _ in known.values():  # an index that is declared no more would not be kept right
            _forget_order(connection, which)
        if made:
            self._make_entries(connection, table, made)

    def _make_entries(self, connection: sqlite3.Connection, table: Table[Any], indexes: Collection[str]) -> None:
        last, count = 0, 0
        while True:
            found = connection.execute(
                "SELECT id, crc, data FROM records WHERE id > ? AND tbl = ? AND NOT deleted ORDER BY id LIMIT ?",
                (last, self.ids[table.name], _AT_ONCE),
            ).fetchall()
            if not found:
                break
            last = found[-1][0]
            for which, crc, data in found:
                record = _read(table, crc, data)
                if record is not None:
                    entries = [one for one in table.entries(record) if one[0] in indexes]
                    _enter(connection, self.ids, table, which, entries)
                    count += 1
        if count:
            log.info(
                "indexes {indexes} of {table} were made from {count} records",
                indexes=", ".join(indexes),
                table=table.name,
                count=count,
                event="index-made",
            )


def _new_order(connection: sqlite3.Connection, name: str, shape: str) -> int:
    return int(connection.execute("INSERT INTO orders (name, shape) VALUES (?, ?)", (name, shape)).lastrowid or 0)


def _forget_order(connection: sqlite3.Connection, which: int) -> None:
    connection.execute("DELETE FROM entries WHERE idx = ?", (which,))
    connection.execute("DELETE FROM orders WHERE id = ?", (which,))


def _read(table: Table[Any], crc: int, data: bytes) -> Record | None:
    """The record; None when it is damaged or unknown to this version, and has no entries for that reason."""
    if not as_written(crc, data):
        return None
    try:
        record: Record = table.read(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return record


def as_written(crc: object, data: object) -> bool:
    """A flipped bit may also make text, a number or nothing of a column (SQLite's serial types)."""
    return isinstance(data, bytes) and crc32(data) == crc


def whole(table: Table[Any], found: Iterable[Any], broken: list[str]) -> bytes | None:
    """The bytes of a record (id, checksum, bytes) if they are those that were written; else it is named."""
    which, crc, data = found
    if as_written(crc, data):
        return bytes(data)
    broken.append(f"{table.name} {which}")
    return None


# ── one record ──────────────────────────────────────────────────────────────────────────────────────────────────────
def write_record(connection: sqlite3.Connection, ids: dict[str, int], one: Prepared, broken: list[str]) -> Outcome:
    """Write one record of a put, in the transaction that is open."""
    key = (ids[one.table.name], one.partition, one.clustering)
    found = connection.execute(
        "SELECT id, crc, data, revision FROM records WHERE tbl = ? AND partition = ? AND clustering = ?", key
    ).fetchone()
    if found is None:
        inserted = connection.execute(
            "INSERT INTO records (tbl, partition, clustering, revision, deleted, crc, data)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (*key, one.revision, one.deleted, crc32(one.data), one.data),
        )
        _enter(connection, ids, one.table, int(inserted.lastrowid or 0), one.entries)
        return Outcome.WRITTEN
    which, _, _, revision = found
    data = whole(one.table, found[:3], broken)
    mended = data is None and one.revision >= revision
    ruling = rule(None if mended else (revision, data or b""), one.revision, one.data)
    if ruling.settles:
        connection.execute("DELETE FROM rivals WHERE tbl = ? AND partition = ? AND clustering = ?", key)
    if ruling.rival is not None:
        connection.execute("INSERT OR IGNORE INTO rivals VALUES (?, ?, ?, ?)", (*key, ruling.rival))
    if ruling.stands:
        _replace(connection, ids, one, which, data)
    return ruling.outcome


def _replace(connection: sqlite3.Connection, ids: dict[str, int], one: Prepared, which: int, old: bytes | None) -> None:
    connection.execute(
        "UPDATE records SET revision = ?, deleted = ?, crc = ?, data = ? WHERE id = ?",
        (one.revision, one.deleted, crc32(one.data), one.data, which),
    )
    before = _read(one.table, crc32(old), old) if old is not None else None
    if before is None:  # what its entries were is not known any more: rare, and worth a look at all of them
        connection.execute("DELETE FROM entries WHERE record = ?", (which,))
        _enter(connection, ids, one.table, which, one.entries)
        return
    known = dict.fromkeys(one.table.entries(before))
    gone = [entry for entry in known if entry not in one.entries]
    connection.executemany(
        "DELETE FROM entries WHERE idx = ? AND partition = ? AND clustering = ?",
        [(ids[f"{one.table.name}.{index}"], partition, clustering) for index, partition, clustering in gone],
    )
    _enter(connection, ids, one.table, which, [entry for entry in one.entries if entry not in known])


def _enter(
    connection: sqlite3.Connection, ids: dict[str, int], table: Table[Any], record: int, entries: Iterable[Entry]
) -> None:
    connection.executemany(
        "INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?)",
        [(ids[f"{table.name}.{index}"], partition, clustering, record) for index, partition, clustering in entries],
    )
