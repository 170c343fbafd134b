"""A node's ledger whole: inbox and store as one, for those who take in envelopes and ask for rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from dataset.ids import CityId, ContactId, NodeId
from dataset.rows import Journalled
from federation.core.envelope import Envelope, LedgerHello, LedgerRows
from federation.core.ledger import ReceivedCounts
from federation.node.inbox import Inbox
from federation.node.ledger_store import LedgerStore
from federation.node.outbox import SayTo

log = Logger()


class ReceivedLedger:
    """Rows of record of other nodes, applied gaplessly and once (I3).

    A hub has the rows of all cities here; a city those that other anchors write for it (outcomes of attempts, O3).
    """

    def __init__(self, store: LedgerStore, say: SayTo) -> None:
        self.store = store
        self._inbox = Inbox(store, say, self._applied)
        self._hearers: list[Callable[[Sequence[Journalled]], None]] = []

    def heard(self, envelope: Envelope, message: LedgerHello | LedgerRows) -> None:
        """Take in a ledger message; the answer goes out after the store's commit (S1)."""
        self._inbox.heard(envelope.sender, message)

    def on_rows(self, hear: Callable[[Sequence[Journalled]], None]) -> None:
        """Call ``hear`` with new rows after their commit, each once, in order per lineage.

        What was committed just before a crash is not told again: look into the store at start.
        """
        self._hearers.append(hear)

    def rows_since(self, wall: float) -> Deferred[list[Journalled]]:
        """All rows with that wall time or later, in order of wall time."""
        return self.store.rows_between(wall, float("inf")).addCallback(_by_wall)

    def rows_of(self, contact: ContactId) -> Deferred[list[Journalled]]:
        """All rows about ``contact``, whoever wrote them, in order of wall time."""
        return self.store.rows_of_contact(contact).addCallback(_by_wall)

    def unknown_rows(self, city: CityId) -> int:
        """Rows of ``city`` that are parked or forgotten by their sender, which totals must name (S2, J5)."""
        return self.store.unknown_count(NodeId(city))

    def counts(self) -> Mapping[NodeId, ReceivedCounts]:
        """What came, per sender."""
        return self._inbox.counts()

    def stop(self) -> Deferred[None]:
        """Take nothing more; fires when all that was taken is committed."""
        self._inbox.stop()
        return self.store.stop()

    def _applied(self, sender: NodeId, rows: Sequence[Journalled]) -> None:
        for hear in self._hearers:
            try:
                hear(rows)
            except Exception:  # noqa: BLE001 - the rows are on record whatever their hearers do; logged in full
                log.failure("a hearer of rows of {sender} failed", sender=sender, event="rows-unheard")


def _by_wall(rows: list[Journalled]) -> list[Journalled]:
    return sorted(rows, key=lambda row: row.wall)
