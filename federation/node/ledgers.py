"""Both directions of the ledger stream for one node: what it reports, and what others report to it (S1, I3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from dataset.ids import ContactId, NodeId
from dataset.rows import Journalled
from federation.core.envelope import Envelope, LedgerAck, LedgerHeads, LedgerHello, LedgerRows
from federation.core.ledger import SendingPace
from federation.node.inbox import Inbox
from federation.node.ledger_store import LedgerStore
from federation.node.outbox import Outbox, SayTo
from federation.ports import Clock, Journal

log = Logger()


def _not_recalled(failure: Failure, contact: ContactId) -> None:
    log.failure("what was received about {contact} cannot be read", failure, contact=contact, event="record-unread")


class Ledgers:
    """Outbox over the journal, inbox over the store, one ``say`` for both."""

    def __init__(
        self,
        journal: Journal,
        store: LedgerStore,
        clock: Clock,
        say: SayTo,
        applied: Callable[[NodeId, Sequence[Journalled]], None],
        pace: SendingPace | None = None,
    ) -> None:
        self._store = store
        self._outbox = Outbox(journal, clock, say, pace)
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

    def recall(self, contacts: Iterable[ContactId], hear: Callable[[Sequence[Journalled]], None]) -> None:
        """Tell what was received about ``contacts`` once more.

        For a node's start: what was committed just before a crash was acknowledged, and is not sent again, whether
        or not the run that died had acted on it.
        """
        for contact in contacts:
            self._store.rows_of_contact(contact).addCallback(hear).addErrback(_not_recalled, contact)

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
