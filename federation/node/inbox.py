"""The inboxes of a node: one pure ``Receiver`` per sender, between the link and the ledger store (S1)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from dataset.ids import NodeId
from dataset.rows import Journalled
from federation.core.envelope import LedgerHello, LedgerRows
from federation.core.ledger import Batch, ReceivedCounts, Receiver, ReceiverAct, Say
from federation.node.behind import Behind
from federation.node.ledger_store import LedgerStore
from federation.node.outbox import SayTo


class Inbox:
    """Everything that other nodes report to this one.

    ``applied(sender, rows)`` is called after each commit, before its acknowledgement is sent, with the rows that were
    not on record before; it must not raise. A process that dies between commit and that call has the rows in its
    store: whoever acts on rows looks there at start (``LedgerStore.rows_of_contact``).
    """

    def __init__(
        self,
        store: LedgerStore,
        say: SayTo,
        applied: Callable[[NodeId, Sequence[Journalled]], None],
        behind: Behind,
    ) -> None:
        self._store = store
        self._say = say
        self._applied = applied
        self._behind = behind
        self._receivers: dict[NodeId, Receiver] = {}
        self._stopped = False

    def heard(self, sender: NodeId, message: LedgerHello | LedgerRows) -> None:
        """A message of ``sender``."""
        if not self._stopped:
            self._behind.do(sender, lambda: self._take_in(sender, message))

    def _take_in(self, sender: NodeId, message: LedgerHello | LedgerRows) -> None:
        receiver = self._receivers.get(sender)
        if receiver is None:
            receiver = self._receivers[sender] = Receiver(sender, self._store.heads(sender))
        acts = receiver.hello(message) if isinstance(message, LedgerHello) else receiver.rows(message)
        self._carry_out(sender, acts)

    def counts(self) -> Mapping[NodeId, ReceivedCounts]:
        """Per sender, for metrics."""
        return {sender: receiver.counts for sender, receiver in self._receivers.items()}

    def stop(self) -> None:
        """Take nothing more; commits under way are finished by the store and acknowledged by the next run's heads."""
        self._stopped = True
        self._behind.stop()

    def _carry_out(self, sender: NodeId, acts: Iterable[ReceiverAct]) -> None:
        for act in acts:
            if isinstance(act, Say):
                self._say(sender, act.message)
            else:
                self._commit(act.batch)

    def _commit(self, batch: Batch) -> None:
        self._store.commit(batch, lambda fresh: self._behind.do(batch.sender, lambda: self._committed(batch, fresh)))

    def _committed(self, batch: Batch, fresh: Sequence[Journalled]) -> None:
        if fresh:
            self._applied(batch.sender, fresh)
        self._carry_out(batch.sender, self._receivers[batch.sender].committed(batch))
