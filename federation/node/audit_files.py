"""Audit rows in the files of nodes, read beside them: the chain of each city, and who looked at whose data (I10)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from dataset.audit import Break, Chain, Kept, check
from dataset.calendar import CHINA
from dataset.errors import Problem, Refused
from dataset.ids import LineageId
from dataset.masking import masked
from dataset.rows import DataViewed, Journalled, Viewed
from federation.node.journal import ABOUT_RUNS, read_row
from federation.node.journal_sqlite import SEQUENCE_BITS

_SEQUENCE = (1 << SEQUENCE_BITS) - 1
_WITH_AUDIT = 4
"""the first format of a journal that has audit rows"""
_KINDS = "kind IN ('data_viewed', 'lineage_opened', 'tail_missing')"


class Asked(NamedTuple):
    """Which views are wanted: those about a customer, about a line, by an agent; empty: of all."""

    customer: str = ""
    line: str = ""
    agent: str = ""

    def about(self, row: DataViewed) -> bool:
        """Whether ``row`` is one of them."""
        return (
            (not self.customer or self.customer in (*row.customers, row.id))
            and self.line in ("", row.line, row.id)
            and self.agent in ("", row.agent)
        )


def check_journal(path: Path) -> Chain:
    """The chain in the journal at ``path``. Raises ``Refused``: ``file-missing``, ``file-unreadable``."""
    with _reading(path) as file:
        node = file.execute("SELECT node FROM node").fetchone()
        return check(node[0] if node else "", _of_journal(file))


def check_ledger(path: Path) -> list[Chain]:
    """The chain of every city in the ledger at ``path``, in the order of their names. Raises as ``check_journal``."""
    with _reading(path) as file:
        nodes = [node for (node,) in file.execute(f"SELECT DISTINCT node FROM rows WHERE {_KINDS} ORDER BY node")]
        return [check(node, _of_ledger(file, node)) for node in nodes]


def differences(ledger: Path, journal: Path) -> list[Break]:
    """Audit rows that a city's journal has otherwise than the ledger got them, or has no more; ``differs``, ``gone``.

    Raises as ``check_journal``. What the ledger has not got yet is no difference.
    """
    with _reading(journal) as file:
        node = file.execute("SELECT node FROM node").fetchone()[0]
        there = {(kept.lineage, kept.sequence): kept.data for kept in _of_journal(file)}
        runs = {lineage for (lineage,) in file.execute("SELECT lineage FROM lineages")}
    found = []
    with _reading(ledger) as file:
        for kept in _of_ledger(file, node):
            one = read_row(kept.data)
            if kept.lineage not in runs or one is None or not isinstance(one.row, DataViewed):
                continue
            data = there.get((kept.lineage, kept.sequence))
            if data != kept.data:
                why = "gone" if data is None else "differs"
                found.append(Break(kept.lineage, one.row.number, why, sequence=kept.sequence))
    return found


def views(path: Path, asked: Asked, *, ledger: bool = False) -> Iterator[Journalled]:
    """Views in a journal (or a ledger), in the order of writing; what cannot be read is passed over: ``check`` names
    it. Raises as ``check_journal``.
    """
    with _reading(path) as file:
        for kept in _of_ledger(file, None) if ledger else _of_journal(file):
            one = read_row(kept.data)
            if one is not None and isinstance(one.row, DataViewed) and asked.about(one.row):
                yield one


# ── in words ────────────────────────────────────────────────────────────────────────────────────────────────────────
_WHYS = {
    "unreadable": ("无法读取", "cannot be read"),
    "changed": ("内容已被改动", "its bytes are not those that were written"),
    "missing": ("缺失", "missing"),
    "doubled": ("编号重复", "another row has its number"),
    "moved": ("不在写入的位置", "it is not where it was written"),
    "unlinked": ("与前一条不相连", "the row before it is another one than it was"),
    "cut": ("上一次运行的末尾被截去或改写", "the end of the run before it was cut off or written anew"),
    "differs": ("与省中心收到的不同", "not what the hub got"),
    "gone": ("省中心收到过，现已不在", "the hub got it, and it is there no more"),
}


def chain_lines(chain: Chain) -> list[str]:
    """What ``verify`` says of one node."""
    span = f"  {moment_of(chain.first)} – {moment_of(chain.last)}" if chain.first and chain.last else ""
    state = "完整 whole" if chain.whole else f"{len(chain.breaks)} 处断开 breaks"
    lines = [f"{chain.node}: {chain.rows} 条 rows{span}  {state}"]
    if chain.head:
        lines.append(f"  末条散列 hash of the last row: {chain.head}")
    lines += [f"  ~ {lineage}: 末尾随磁盘丢失 its end was lost with the disk" for lineage in chain.lost]
    return [*lines, *map(break_line, chain.breaks)]


def break_line(one: Break) -> str:
    """Where a chain is broken, and how."""
    zh, en = _WHYS[one.why]
    place = f"{one.number}" if one.upto in (0, one.number) else f"{one.number}-{one.upto}"
    at = f" (序号 sequence {one.sequence})" if one.sequence else ""
    return f"  ! {one.lineage} #{place}{at}: {zh} {en}"


def view_line(one: Journalled) -> str:
    """One view as an auditor reads it: numbers masked."""
    row = one.row
    assert isinstance(row, DataViewed)
    told = masked(row.id) if row.what is Viewed.LINE else row.id
    parts = [
        moment_of(one.wall),
        one.node,
        f"{row.agent} ({', '.join(row.roles)})",
        row.operation,
        f"{row.what} {told}",
    ]
    if row.customers and row.customers != (row.id,):
        parts.append(f"客户 customers {', '.join(row.customers)}")
    if row.line and row.what is not Viewed.LINE:
        parts.append(f"号码 line {masked(row.line)}")
    if row.during:
        parts.append(f"接触 contact {row.during}")
    if row.checks:
        by = ", ".join(f"{one.agent or one.city} {moment_of(one.at)}" for one in row.checks)
        parts.append(f"外局已核对身份 identity checked by {by}")
    parts.append("完整 in full" if row.unmasked else "遮蔽 masked")
    if row.reason:
        parts.append(f"“{row.reason}”")
    if row.refused:
        parts.append(f"拒绝 refused: {row.refused}")
    return "  ".join(parts)


def moment_of(wall: float) -> str:
    """A moment, UTC seconds, in the time of the province, as operators read it."""
    return datetime.fromtimestamp(wall, CHINA).strftime("%Y-%m-%d %H:%M")


# ── files ───────────────────────────────────────────────────────────────────────────────────────────────────────────
@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    """The file at ``path``, to be read while a node may be writing it."""
    if not path.is_file():
        raise Refused(
            Problem("file-missing", zh="没有这个文件", en="there is no such file", place=str(path)), status=404
        )
    # a file that nobody has open is whole by itself; who may only read can make no files of locks beside it
    alone = not path.with_name(f"{path.name}-wal").exists()
    address = f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' if alone else ''}"
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=10)) as connection:
            yield connection
    except sqlite3.Error as error:
        raise Refused(
            Problem("file-unreadable", zh=f"无法读取：{error}", en=f"the file cannot be read: {error}", place=str(path))
        ) from error


def _of_journal(file: sqlite3.Connection) -> Iterator[Kept]:
    """Audit rows and rows about runs of a journal, in the order of writing. One of an older format has none."""
    (version,) = file.execute("PRAGMA user_version").fetchone()
    if version < _WITH_AUDIT:
        return
    found = file.execute(
        "SELECT lineage, rows.id, data FROM rows JOIN lineages ON ordinal = rows.id >> ?1 WHERE rows.id IN"
        " (SELECT id FROM rows INDEXED BY rows_of_audit WHERE audit IS NOT NULL"
        " UNION SELECT (ordinal << ?1) + 1 FROM lineages"
        " UNION SELECT id FROM rows INDEXED BY rows_by_item WHERE item = ?2) ORDER BY rows.id",
        (SEQUENCE_BITS, ABOUT_RUNS),
    )
    for lineage, which, data in found:
        yield Kept(LineageId(lineage), which & _SEQUENCE, bytes(data))


def _of_ledger(file: sqlite3.Connection, node: str | None) -> Iterator[Kept]:
    """The same of a ledger, of ``node`` or of all."""
    found = file.execute(
        f"SELECT lineage, sequence, data FROM rows WHERE {_KINDS} AND (?1 IS NULL OR node = ?1) ORDER BY id", (node,)
    )
    for lineage, sequence, data in found:
        yield Kept(LineageId(lineage), sequence, bytes(data))
