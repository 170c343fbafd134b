"""The store of simulations: in memory, on any clock, with a set time for a commit, and as honest about crashes as the
least of the real forms: a crash may come between the records of a put and its cursor.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from twisted.internet.defer import Deferred, fail, succeed

from dataset.errors import Refused
from dataset.ids import NodeId
from dataset.keys import Key
from dataset.pages import ALL, Asked, Page, Span, asked, page_of
from dataset.puts import Cursor, Outcome, Prepared, Put, Written, rule
from dataset.tables import Record, Table
from federation.node.store import Tables, readable, say_conflicts, stopped
from federation.ports import Clock, Timer

R = TypeVar("R", bound=Record)
Place = tuple[str, bytes, bytes]
"""order (``lines``, ``lines.by_customer``), partition, clustering"""


class _Held(NamedTuple):
    revision: int
    deleted: bool
    data: bytes
    entries: tuple[Place, ...]


@dataclass
class MemoryRecords:
    """What survives a crash of the process that holds a ``MemoryStore``."""

    held: dict[Place, _Held] = field(default_factory=dict)
    shown: dict[Place, Place] = field(default_factory=dict)
    """what can be paged: in the table's order or an index's, the place of the record"""
    sorted: dict[tuple[str, bytes], list[bytes]] = field(default_factory=dict)
    """clusterings of ``shown`` by order and partition"""
    rivals: dict[Place, set[bytes]] = field(default_factory=dict)
    cursors: dict[str, str] = field(default_factory=dict)

    def write(self, one: Prepared) -> Outcome:
        """One record of a put."""
        name = one.table.name
        place = (name, one.partition, one.clustering)
        known = self.held.get(place)
        ruling = rule(None if known is None else (known.revision, known.data), one.revision, one.data)
        if ruling.settles:
            self.rivals.pop(place, None)
        if ruling.rival is not None:
            self.rivals.setdefault(place, set()).add(ruling.rival)
        if ruling.stands:
            entries = tuple((f"{name}.{index}", partition, clustering) for index, partition, clustering in one.entries)
            shown = entries if one.deleted else (place, *entries)
            for gone in known.entries if known is not None else ():
                if gone not in shown:
                    self._hide(gone)
            for entry in shown:
                self._show(entry, place)
            self.held[place] = _Held(one.revision, one.deleted, one.data, shown)
        return ruling.outcome

    def _show(self, entry: Place, record: Place) -> None:
        if entry not in self.shown:
            insort(self.sorted.setdefault(entry[:2], []), entry[2])
        self.shown[entry] = record

    def _hide(self, entry: Place) -> None:
        del self.shown[entry]
        partition = self.sorted[entry[:2]]
        del partition[bisect_left(partition, entry[2])]

    def found(self, question: Asked) -> list[tuple[bytes, bytes | None]]:
        """Clustering and bytes of what was asked for, one more than the page holds."""
        where = (question.order.name, question.partition)
        partition = self.sorted.get(where, [])
        first, last = (bisect_left(partition, limit) for limit in question.stretch)
        room = question.limit + 1
        here = partition[max(first, last - room) : last][::-1] if question.backwards else partition[first:last][:room]
        return [(clustering, self.held[self.shown[*where, clustering]].data) for clustering in here]


@dataclass
class _Waiting:
    records: list[Prepared]
    cursor: Cursor | None
    answer: Deferred[Written]
    outcomes: tuple[Outcome, ...] = ()


class MemoryStore:
    """``federation.ports.Store`` in ``records``.

    A commit takes ``commit_s`` seconds of ``clock``, and a cursor as long again; questions are answered at once.
    """

    def __init__(
        self, records: MemoryRecords, node: NodeId, tables: Iterable[Table[Any]], clock: Clock, commit_s: float = 0.005
    ) -> None:
        self.records = records
        self.commit_s = commit_s
        """seconds; may change at any time"""
        self.conflicts_found = 0
        self.damaged: set[str] = set()
        self._node = node
        self._tables = Tables(tables)
        self._clock = clock
        self._waiting: list[_Waiting] = []
        self._written: list[_Waiting] = []
        """in the table, but their cursors are not"""
        self._timer: Timer | None = None
        self._stopped = False

    def put(self, batch: Sequence[Put], cursor: Cursor | None = None) -> Deferred[Written]:
        """See ``Store``."""
        try:
            prepared = self._tables.prepared(batch)
            self._running()
        except Refused as refused:
            return fail(refused)
        one = _Waiting(prepared, cursor, Deferred())
        self._waiting.append(one)
        self._go_on()
        return one.answer

    def _running(self) -> None:
        if self._stopped:
            raise stopped(self._node)

    def _go_on(self) -> None:
        if self._timer is None and (self._waiting or self._written):
            self._timer = self._clock.call_later(self.commit_s, self._commit)

    def _commit(self) -> None:
        """Either the records of all that waits, or the cursors of what the last call wrote."""
        self._timer = None
        done = self._written
        for one in done:
            if one.cursor is not None:
                self.records.cursors[one.cursor.name] = one.cursor.value
        self._written = []
        if not done:
            self._written, self._waiting = self._waiting, []
            for one in self._written:
                one.outcomes = tuple([self.records.write(record) for record in one.records])
            if all(one.cursor is None for one in self._written):
                done, self._written = self._written, []
        self._go_on()
        for one in done:
            written = Written(one.outcomes)
            self.conflicts_found += say_conflicts(one.records, written)
            one.answer.callback(written)

    def get(self, table: Table[R], key: Key, *, tombstone: bool = False) -> Deferred[R | None]:
        """See ``Store``."""
        try:
            self._tables.known(table)
            self._running()
            held = self.records.held.get((table.name, *table.place(key)))
            if held is None or (held.deleted and not tombstone):
                return succeed(None)
            return succeed(readable(table, held.data))
        except Refused as refused:
            return fail(refused)

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
            self._running()
            question = asked(table, partition, span, limit, token, index)
        except Refused as refused:
            return fail(refused)
        return succeed(page_of(table, question, self.records.found(question)))

    def conflicts(self, table: Table[R], *, limit: int = 100) -> Deferred[tuple[R, ...]]:
        """See ``Store``."""
        try:
            self._tables.known(table)
            self._running()
            found = [
                readable(table, data)
                for place, contents in sorted(self.records.rivals.items())
                if place[0] == table.name
                for data in sorted(contents)
            ]
        except Refused as refused:
            return fail(refused)
        return succeed(tuple(found[:limit]))

    def cursor(self, name: str) -> Deferred[str | None]:
        """See ``Store``."""
        if self._stopped:
            return fail(stopped(self._node))
        return succeed(self.records.cursors.get(name))

    def crash(self) -> None:
        """The process dies: what is not committed is gone and nobody is called back."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._waiting, self._written = [], []
        self._stopped = True

    def stop(self) -> Deferred[None]:
        """See ``Store``."""
        self._stopped = True
        while self._timer is not None:
            self._timer.cancel()
            self._commit()
        return succeed(None)
