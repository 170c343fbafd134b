"""Outbox, inbox, both SQLite files and their threads together: a city's rows at the hub, over a line of bytes."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.defer import Deferred

from dataset.ids import NodeId
from dataset.rows import Journalled, LegRefused, LineageOpened
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
from federation.node.journal_sqlite import SqliteJournal
from federation.node.ledger import Ledger
from federation.node.ledger_store_memory import MemoryLedger, MemoryLedgerStore
from federation.node.ledger_store_sqlite import SqliteLedgerStore
from tests.harness.rows_of_record import counting_lineages
from tests.harness.threads import ThreadCalls

HUB, GZ = NodeId("hub"), NodeId("guangzhou")
LINEAGES = counting_lineages()


class Pair:
    """City and hub; messages cross as bytes, at once."""

    def __init__(self, directory: Path) -> None:
        self.calls = ThreadCalls()
        self.clock = VirtualClock()
        settings = JournalSettings(GZ, "boot", LINEAGES, (HUB,))
        self.journal = SqliteJournal(directory / "journal.sqlite", settings, self.clock, self.calls)
        self.store = SqliteLedgerStore(directory / "ledger.sqlite", self.calls)
        # time stands still here: nothing would ever be allowed after the first burst
        pace = SendingPace(burst_bytes=1e9)
        self.city = Ledger(self.journal, MemoryLedgerStore(MemoryLedger(), self.clock), self.clock, self._to_hub, pace)
        hub_journal = MemoryJournal(MemoryDisk(), JournalSettings(HUB, "boot", LINEAGES), self.clock)
        self.hub = Ledger(hub_journal, self.store, self.clock, self._to_city)
        self.applied: list[Journalled] = []
        self.hub.on_rows(self.applied.extend)
        self.city.link_changed(True)

    def _to_hub(self, to: NodeId, message: AnyMessage) -> None:
        self.hub.heard(decode(encode(self._envelope(GZ, to, message))))

    def _to_city(self, to: NodeId, message: AnyMessage) -> None:
        self.city.heard(decode(encode(self._envelope(HUB, to, message))))

    def _envelope(self, sender: NodeId, to: NodeId, message: AnyMessage) -> Envelope:
        return Envelope(
            sender=sender, to=to, stream=Stream.LEDGER, lineage=self.journal.lineage, sequence=1, body=message
        )

    def close(self) -> None:
        self.city.fall_silent()
        for closing in (self.hub.stop(), self.journal.stop()):
            self._wait(closing)

    def _wait(self, closing: Deferred[None]) -> None:
        done: list[object] = []
        closing.addBoth(done.append)
        self.calls.until(lambda: bool(done))


def test_rows_go_from_file_to_file_and_on_after_a_restart(tmp_path: Path) -> None:
    """S1 over the real files: what the city wrote the hub has, each once, in order; the next run goes on."""
    pair = Pair(tmp_path)
    for number in range(3_000):
        pair.journal.append([(LegRefused(from_city="x", reason="missing", number=str(number)), ("hub",))], _nothing)
    pair.calls.until(lambda: len(pair.applied) == 3_001)
    assert isinstance(pair.applied[0].row, LineageOpened)
    assert [one.sequence for one in pair.applied] == list(range(1, 3_002))
    pair.calls.until(lambda: pair.city.waiting()[HUB] == 0)
    first = pair.journal.lineage
    pair.close()

    again = Pair(tmp_path)
    again.calls.until(lambda: len(again.applied) == 1)
    assert again.store.heads(GZ) == {first: 3_001, again.journal.lineage: 1}
    again.close()


def _nothing() -> None:
    pass
