"""A node's ledger whole, both directions: what it reports, and what others report to it (S1, I3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from dataset.ids import ContactId, LineageId, NodeId, is_hub
from dataset.rows import Journalled, TailReturned
from federation.core.envelope import Envelope, LedgerAck, LedgerHeads, LedgerHello, LedgerRows
from federation.core.ledger import NameMissing, ReceivedCounts, SendingPace
from federation.node.behind import Behind
from federation.node.inbox import Inbox
from federation.node.ledger_store import LedgerStore
from federation.node.outbox import Outbox, SayTo
from federation.ports import Clock, Journal

log = Logger()


class Ledger:
    """Outbox over the journal, inbox over the store, one ``say`` for both. Hubs and cities alike have one.

    A hub's store has the rows of all cities; a city's those that other anchors write for it (outcomes of attempts,
    O3) and its own that a hub gives back (J5).
    """

    def __init__(
        self, journal: Journal, store: LedgerStore, clock: Clock, say: SayTo, pace: SendingPace | None = None
    ) -> None:
        self.store = store
        self._node = journal.node
        self._tails: set[tuple[NodeId, LineageId]] = set()
        self._outbox = Outbox(journal, clock, say, pace, self._back)
        self._inbox = Inbox(store, say, self._applied, Behind(clock))
        self._hearers: list[Callable[[NodeId, Sequence[Journalled]], None]] = []

    def heard(self, envelope: Envelope) -> None:
        """Take in a message of the ledger stream; any other is nothing. Answers go out after the commit (S1)."""
        match envelope.body:
            case (LedgerHello() | LedgerRows()) as message:
                self._inbox.heard(envelope.sender, message)
            case (LedgerHeads() | LedgerAck()) as message:
                self._outbox.heard(envelope.sender, message)
            case _:
                pass

    def on_rows(self, hear: Callable[[Sequence[Journalled]], None]) -> None:
        """Call ``hear`` with new rows of others after their commit, each once, in order per lineage.

        What was committed just before a crash is not told again: look into the store at start, or ``recall`` it.
        """
        self._hearers.append(lambda _, rows: hear(rows))

    def on_rows_from(self, hear: Callable[[NodeId, Sequence[Journalled]], None]) -> None:
        """As ``on_rows``, with the node that sent them: a hub also sends rows of others (S3)."""
        self._hearers.append(hear)

    def recall(self, contacts: Iterable[ContactId], hear: Callable[[Sequence[Journalled]], None]) -> None:
        """Tell what was received about ``contacts`` once more.

        For a node's start: what was committed just before a crash was acknowledged, and is not sent again, whether
        or not the run that died had acted on it.
        """
        for contact in contacts:
            self.store.rows_of_contact(contact).addCallback(hear).addErrback(_not_recalled, contact)

    def rows_of(self, contact: ContactId) -> Deferred[list[Journalled]]:
        """All rows about ``contact``, whoever wrote them, in order of wall time."""
        return self.store.rows_of_contact(contact).addCallback(_by_wall)

    def unknown_rows(self, node: str) -> int:
        """Rows of ``node`` that are parked or forgotten by their sender, which totals must name (S2, J5)."""
        return self.store.unknown_count(NodeId(node))

    @property
    def tails_missing(self) -> bool:
        """Whether a hub has yet to give back what this node's journal lost (J5)."""
        return bool(self._tails)

    def _back(self, receiver: NodeId, missing: NameMissing) -> Deferred[bool]:
        """Whether ``receiver`` has given these rows back already; else a hub is expected to."""
        place = (receiver, missing.lineage)
        if is_hub(receiver):
            self._tails.add(place)

        def found(rows: list[Journalled]) -> bool:
            back = any(
                isinstance(one.row, TailReturned)
                and (one.node, one.row.node, one.row.of) == (receiver, self._node, missing.lineage)
                and one.row.beyond <= missing.held
                for one in rows
            )
            if back:
                self._tails.discard(place)
            return back

        return self.store.standing().addCallback(found)

    def counts(self) -> Mapping[NodeId, ReceivedCounts]:
        """What came, per sender."""
        return self._inbox.counts()

    def waiting(self) -> Mapping[NodeId, int]:
        """Rows synced and not acknowledged, per receiver; for metrics and the desktop's “records wait” (B4)."""
        return self._outbox.waiting()

    def open_to(self, receiver: NodeId) -> bool:
        """Whether ``receiver`` has answered the present session."""
        return self._outbox.open_to(receiver)

    def link_changed(self, up: bool) -> None:
        """The link came or went; with True the handshakes are repeated (J3)."""
        self._outbox.link_changed(up)

    def run_heard(self, node: NodeId, run: LineageId) -> None:
        """``node`` was heard in its lineage ``run``; of a new one it is asked what it has on record (J3, J5)."""
        self._outbox.run_heard(node, run)

    def fall_silent(self) -> None:
        """Say and take no more; what is under way in store and journal is finished by them."""
        self._outbox.stop()
        self._inbox.stop()

    def stop(self) -> Deferred[None]:
        """``fall_silent``; fires when all that was taken is committed and the store is closed."""
        self.fall_silent()
        return self.store.stop()

    def _applied(self, sender: NodeId, rows: Sequence[Journalled]) -> None:
        for one in rows:
            if isinstance(one.row, TailReturned) and one.row.node == self._node:
                self._tails.discard((NodeId(one.node), one.row.of))
        for hear in self._hearers:
            try:
                hear(sender, rows)
            except Exception:  # noqa: BLE001 - the rows are on record whatever their hearers do; logged in full
                log.failure("a hearer of rows of {sender} failed", sender=sender, event="rows-unheard")


def _by_wall(rows: list[Journalled]) -> list[Journalled]:
    return sorted(rows, key=lambda row: row.wall)


def _not_recalled(failure: Failure, contact: ContactId) -> None:
    log.failure("what was received about {contact} cannot be read", failure, contact=contact, event="record-unread")
