"""Ledgers with journal and store on disk, over links to a real broker."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from twisted.internet.task import LoopingCall, deferLater

from dataset.ids import LineageId, NodeId
from dataset.rows import Journalled, LegRefused
from federation.core.envelope import AnyMessage, Envelope, Stream
from federation.links.amqp.link import AmqpLink
from federation.links.amqp.reconnect import BackOff, BrokerAccess
from federation.node.clock import ReactorClock
from federation.node.journal import JournalSettings
from federation.node.journal_sqlite import SqliteJournal
from federation.node.ledger import Ledger
from federation.node.ledger_store_sqlite import SqliteLedgerStore
from federation.node.post import Post

QUICK = BackOff(first=0.1, longest=1.0)


class Books:
    """One node that writes rows for another, takes in those of others, and answers commands with ``answer``."""

    def __init__(self, reactor: Any, node: str, access: BrokerAccess, folder: Path, peer: str, **options: Any) -> None:
        self.node, self.peer = NodeId(node), NodeId(peer)
        self.reactor = reactor
        clock = ReactorClock(reactor)
        settings = JournalSettings(self.node, "boot", lambda: LineageId(secrets.token_hex(4)), (self.peer,))
        self.journal = SqliteJournal(folder / f"{node}-journal.sqlite", settings, clock, reactor)
        self.link = AmqpLink(reactor, self.node, access, **{"back_off": QUICK, **options})
        self.post = Post(self.node, self.journal.lineage, self.link)
        store = SqliteLedgerStore(folder / f"{node}-ledger.sqlite", reactor)
        self.ledger = Ledger(self.journal, store, clock, self._say)
        self.written: list[str] = []
        self.synced = 0
        self.applied: list[Journalled] = []
        self.ups: list[bool] = []
        self.answer: Callable[[Envelope], None] = lambda envelope: None
        self.ledger.on_rows(self.applied.extend)
        self._writing = LoopingCall(self._write_one)
        self._writing.clock = reactor

    def start(self) -> None:
        self.link.start(self._received, self._changed)

    def write(self, rows: int = 1) -> None:
        for _ in range(rows):
            self.written.append(f"{self.node}-{len(self.written)}")
            row = LegRefused(from_city="x", reason="missing", number=self.written[-1])
            self.journal.append([(row, (self.peer,))], self._row_synced)

    def keep_writing(self, rows_per_s: float) -> None:
        self._writing.start(1.0 / rows_per_s).addErrback(lambda failure: failure.raiseException())

    def stop_writing(self) -> None:
        self._writing.stop()

    @property
    def waiting(self) -> int:
        """Rows on disk that the peer has not acknowledged."""
        return self.ledger.waiting().get(self.peer, 0)

    def applied_numbers(self) -> list[str]:
        """What came from the peer, in the order applied."""
        return [one.row.number for one in self.applied if isinstance(one.row, LegRefused)]

    def repeated(self) -> int:
        """Entries that came again, as a broker's losses and the outbox's patience make them."""
        return sum(one.duplicates for one in self.ledger.counts().values())

    async def stop(self) -> None:
        if self._writing.running:
            self._writing.stop()
        await self.link.stop()
        self.ledger.fall_silent()
        await self.journal.stop()
        await self.ledger.stop()

    def _write_one(self) -> None:
        self.write()

    def _row_synced(self) -> None:
        self.synced += 1

    def _say(self, to: NodeId, message: AnyMessage) -> None:
        self.post.send(to, message, Stream.LEDGER)

    def _received(self, envelope: Envelope) -> None:
        if envelope.stream is Stream.LEDGER:
            self.ledger.heard(envelope)
        else:
            self.answer(envelope)

    def _changed(self, up: bool) -> None:
        self.ups.append(up)
        self.ledger.link_changed(up)


@asynccontextmanager
async def two_books(
    reactor: Any, access: Mapping[str, BrokerAccess], folder: Path, **options: Any
) -> AsyncIterator[tuple[Books, Books]]:
    """A hub and a city that report to each other, linked; closed at the end."""
    hub = Books(reactor, "hub", access["hub"], folder, "guangzhou", **options)
    city = Books(reactor, "guangzhou", access["guangzhou"], folder, "hub", **options)
    try:
        for one in (hub, city):
            one.start()
        await until(reactor, lambda: all(one.ledger.open_to(one.peer) and not one.waiting for one in (hub, city)), 30.0)
        yield hub, city
    finally:
        await city.stop()
        await hub.stop()


async def until(reactor: Any, condition: Callable[[], bool], within: float = 15.0, what: str = "") -> float:
    """Look fifty times a second; the seconds it took; fails at the deadline."""
    began = reactor.seconds()
    while not condition():
        assert reactor.seconds() < began + within, f"not within {within:g} s: {what or condition}"
        await deferLater(reactor, 0.02)
    return float(reactor.seconds() - began)


async def pause(reactor: Any, seconds: float) -> None:
    """Let the load go on for so long."""
    await deferLater(reactor, seconds)


async def all_arrive(reactor: Any, hub: Books, city: Books, within: float = 60.0) -> float:
    """Until both outboxes are empty; then each has what the other wrote, each row once, in order (I3)."""

    def empty() -> bool:
        return all(one.synced == len(one.written) and not one.waiting for one in (hub, city))

    took = await until(reactor, empty, within, "the outboxes are empty")
    assert hub.applied_numbers() == city.written
    assert city.applied_numbers() == hub.written
    for one in (hub, city):
        sequences = [row.sequence for row in one.applied]
        assert sequences == sorted(set(sequences))
        [(lineage, head)] = one.ledger.store.heads(one.peer).items()
        assert head == len(one.applied), lineage
    return took
