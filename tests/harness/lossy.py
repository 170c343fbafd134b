"""A carrier of ledger messages that drops, doubles, delays and reorders by seed, and can be cut; and nodes on it."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from dataset.ids import LineageId, NodeId
from dataset.rows import AnyRow, Journalled
from federation.core.envelope import (
    AnyMessage,
    Envelope,
    Stream,
    decode,
    encode,
)
from federation.core.ledger import SendingPace
from federation.node.clock import VirtualClock
from federation.node.journal import JournalSettings
from federation.node.journal_memory import MemoryDisk, MemoryJournal
from federation.node.ledger import Ledger
from federation.node.ledger_store_memory import MemoryLedger, MemoryLedgerStore
from tests.harness.rows_of_record import counting_lineages

_LINEAGES = counting_lineages(0x100)


class Carrier:
    """Messages between nodes, as bytes. ``loss`` and ``double`` are shares, ``delay_s`` the longest delay."""

    def __init__(self, clock: VirtualClock, seed: int, *, loss: float, double: float, delay_s: float) -> None:
        self.clock = clock
        self.loss, self.double, self.delay_s = loss, double, delay_s
        self.cut: set[frozenset[NodeId]] = set()
        self.nodes: dict[NodeId, Node] = {}
        self.sent: list[Envelope] = []
        self._random = Random(seed)

    def send(self, envelope: Envelope) -> None:
        self.sent.append(envelope)
        for _ in range(2 if self._random.random() < self.double else 1):
            if self._random.random() >= self.loss:
                self.clock.call_later(self._random.uniform(0, self.delay_s), self._arrive, encode(envelope))

    def _arrive(self, data: bytes) -> None:
        envelope = decode(data)
        node = self.nodes.get(envelope.to)
        if node is not None and frozenset((envelope.sender, envelope.to)) not in self.cut:
            node.received(envelope)

    def heal(self) -> None:
        self.loss = self.double = 0.0
        self.cut.clear()
        for node in self.nodes.values():
            node.ledger.link_changed(False)
            node.ledger.link_changed(True)


class Node:
    """Journal, outbox and ledger of one node over the carrier; its two disks survive ``crash``."""

    def __init__(
        self,
        name: str,
        carrier: Carrier,
        receivers: tuple[str, ...] = (),
        pace: SendingPace | None = None,
        new_lineage: Callable[[], LineageId] = _LINEAGES,
    ) -> None:
        self.name = NodeId(name)
        self.carrier = carrier
        self.disk = MemoryDisk()
        self.ledger_disk = MemoryLedger()
        self.applied: list[Journalled] = []
        """what hearers were told, over all runs"""
        self.synced: list[AnyRow] = []
        """what was called synced, over all runs"""
        self._pace = pace or SendingPace(batch_bytes=2_000, window_bytes=8_000, fetch_rows=20)
        self._receivers = tuple(NodeId(receiver) for receiver in receivers)
        self._new_lineage = new_lineage
        self.start()

    def start(self) -> None:
        settings = JournalSettings(self.name, "boot", self._new_lineage, self._receivers)
        self.journal = MemoryJournal(self.disk, settings, self.carrier.clock)
        self.store = MemoryLedgerStore(self.ledger_disk, self.carrier.clock)
        self.ledger = Ledger(self.journal, self.store, self.carrier.clock, self._say, self._pace)
        self.ledger.on_rows(self.applied.extend)
        self.carrier.nodes[self.name] = self
        self.ledger.link_changed(True)

    def crash(self) -> None:
        """Kill -9: nothing of this run happens any more."""
        self.ledger.fall_silent()
        self.journal.crash()
        self.store.crash()
        self.carrier.nodes.pop(self.name, None)

    def write(self, row: AnyRow, *receivers: str) -> None:
        self.journal.append([(row, receivers)], lambda: self.synced.append(row))

    def received(self, envelope: Envelope) -> None:
        self.ledger.heard(envelope)

    def _say(self, to: NodeId, message: AnyMessage) -> None:
        self.carrier.send(
            Envelope(
                sender=self.name, to=to, stream=Stream.LEDGER, lineage=self.journal.lineage, sequence=0, body=message
            )
        )


def rows_in(disk: MemoryDisk, receiver: str) -> list[tuple[LineageId, int]]:
    """Origins of all rows that ``disk`` holds for ``receiver``."""
    return [
        (lineage.lineage, sequence)
        for lineage in disk.lineages
        for _, sequence in lineage.outbox.get(NodeId(receiver), [])
    ]
