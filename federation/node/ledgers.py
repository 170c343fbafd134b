"""Both directions of the ledger stream for one node: what it reports, and what others report to it (S1, I3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from twisted.internet.defer import Deferred

from dataset.ids import NodeId
from dataset.rows import Journalled
from federation.core.envelope import Envelope, LedgerAck, LedgerHeads, LedgerHello, LedgerRows
from federation.node.inbox import Inbox
from federation.node.ledger_store import LedgerStore
from federation.node.outbox import Outbox, SayTo
from federation.ports import Clock, Journal


class Ledgers:
    """Outbox over the journal, inbox over the store, one ``say`` for both."""

    def __init__(
        self,
        journal: Journal,
        store: LedgerStore,
        clock: Clock,
        say: SayTo,
        applied: Callable[[NodeId, Sequence[Journalled]], None],
    ) -> None:
        self._store = store
        self._outbox = Outbox(journal, clock, say)
        self._inbox = Inbox(store, say, applied)

    def heard(self, envelope: Envelope) -> None:
        """Take in a message of the ledger stream; any other is nothing."""
        match envelope.body:
            case (LedgerHello() | LedgerRows()) as message:
                self._inbox.heard(envelope.sender, message)
            case (LedgerHeads() | LedgerAck()) as message:
                self._outbox.heard(envelope.sender, message)
            case _:
                pass

    def link_changed(self, up: bool) -> None:
        """The link came or went; with True the handshakes are repeated (J3)."""
        self._outbox.link_changed(up)

    def waiting(self) -> Mapping[NodeId, int]:
        """Rows that wait for an acknowledgement, per receiver."""
        return self._outbox.waiting()

    def stop(self) -> Deferred[None]:
        """Say and take no more; fires when the store is closed."""
        self._outbox.stop()
        self._inbox.stop()
        return self._store.stop()
