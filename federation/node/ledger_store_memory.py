"""``LedgerStore`` in memory, on any clock, for simulations."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from twisted.internet.defer import Deferred, succeed

from dataset.ids import CityId, ContactId, LineageId, NodeId
from dataset.rows import ROW_BYTES, ContactBorn, Journalled, RowSettled
from federation.core.ledger import Batch
from federation.node.journal import contact_of
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
from federation.ports import Clock, Timer


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
            row = readable(parked.data) if parked.why == UNREADABLE else None
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
