"""The outboxes of a node: one pure ``Sender`` per receiver, fed from the journal, spoken for over the link (S1)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from dataset.ids import LineageId, NodeId, is_hub
from dataset.rows import TailMissing
from federation.core.envelope import AnyMessage, LedgerAck, LedgerHeads
from federation.core.ledger import Acknowledged, Fetch, NameMissing, Say, Sender, SenderAct, SendingPace
from federation.ports import Clock, Journal, OutboxEntry, Timer

log = Logger()

SAME_MOMENT_S = 1e-6
"""a timer set for a moment may come so much before it, by the rounding of its delay"""
SayTo = Callable[[NodeId, AnyMessage], None]
"""Puts a message into an envelope of the ledger stream and sends it; never raises, never waits (``Link.send``)."""


class Outbox:
    """Everything this node has to report, to everybody who must hear it.

    Rows reach a receiver only from the journal and only once synced; the journal is where a row waits however long
    the receiver is away.
    """

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        say: SayTo,
        pace: SendingPace | None = None,
        back: Callable[[NodeId, NameMissing], Deferred[bool]] | None = None,
    ) -> None:
        """``back``: whether a tail that a receiver states and the journal lacks has come back already (J5)."""
        self._journal = journal
        self._clock = clock
        self._say = say
        self._pace = pace or SendingPace()
        self._back = back
        self._up = False
        self._stopped = False
        self._senders: dict[NodeId, Sender] = {}
        self._timers: dict[NodeId, Timer] = {}
        self._timer_at: dict[NodeId, float] = {}
        """when each is due; it may be earlier than its sender needs, never later"""
        self._runs: dict[NodeId, LineageId] = {}
        """the run in which each receiver was last heard"""
        for receiver in journal.receivers():
            self._sender(receiver)
        journal.on_outgoing(self._grown)

    # ── events ──────────────────────────────────────────────────────────────────────────────────────────────────
    def link_changed(self, up: bool) -> None:
        """The link came or went (``Link.start``'s ``changed``); each coming opens new sessions (J3)."""
        self._up = up
        for receiver in list(self._senders):
            self._connect(receiver)

    def run_heard(self, receiver: NodeId, run: LineageId) -> None:
        """``receiver`` speaks in the lineage ``run``. A new run may have lost its disk (J5): so a new session asks it
        what it has, even when there is nothing new to report.
        """
        if self._runs.get(receiver) != run:
            self._runs[receiver] = run
            if self.open_to(receiver) and not self._stopped:
                self._connect(receiver)

    def heard(self, receiver: NodeId, message: LedgerHeads | LedgerAck) -> None:
        """An answer of ``receiver``. One that nothing was ever sent to is not answered."""
        sender = self._senders.get(receiver)
        if sender is None or self._stopped:
            return
        now = self._clock.monotonic()
        acts = sender.heads(message, now) if isinstance(message, LedgerHeads) else sender.acknowledged(message, now)
        self._carry_out(receiver, acts)

    def stop(self) -> None:
        """Say no more; what is not acknowledged stays in the journal for the next run."""
        self._stopped = True
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def waiting(self) -> Mapping[NodeId, int]:
        """Rows synced and not acknowledged, per receiver; for metrics and the desktop's “records wait” (B4)."""
        return {receiver: sender.waiting for receiver, sender in self._senders.items()}

    def open_to(self, receiver: NodeId) -> bool:
        """Whether ``receiver`` has answered the present session."""
        sender = self._senders.get(receiver)
        return sender is not None and sender.open

    # ── inside ──────────────────────────────────────────────────────────────────────────────────────────────────
    def _sender(self, receiver: NodeId) -> Sender:
        streams = ((one.lineage, one.head, one.acknowledged) for one in self._journal.streams(receiver))
        sender = self._senders[receiver] = Sender(self._journal.lineage, streams, self._pace)
        return sender

    def _grown(self, heads: Mapping[NodeId, int]) -> None:
        if self._stopped:
            return
        for receiver, head in heads.items():
            sender = self._senders.get(receiver)
            if sender is None:
                self._sender(receiver)
                self._connect(receiver)
            else:
                self._carry_out(receiver, sender.grown(head, self._clock.monotonic()))

    def _connect(self, receiver: NodeId) -> None:
        sender = self._senders[receiver]
        if self._up and not self._stopped:
            self._carry_out(receiver, sender.link_up(self._clock.monotonic()))
        else:
            sender.link_down()
            self._set_timer(receiver)

    def _tick(self, receiver: NodeId) -> None:
        del self._timers[receiver]
        sender, now = self._senders[receiver], self._clock.monotonic()
        due = sender.due
        if due is not None and due <= now + SAME_MOMENT_S:
            self._carry_out(receiver, sender.tick(max(now, due)))
        else:
            self._set_timer(receiver)

    def _carry_out(self, receiver: NodeId, acts: Iterable[SenderAct]) -> None:
        for act in acts:
            if isinstance(act, Say):
                self._say(receiver, act.message)
            elif isinstance(act, Fetch):
                self._fetch(receiver, act)
            elif isinstance(act, Acknowledged):
                self._journal.acknowledged(receiver, act.lineage, act.number)
            else:
                self._name_missing(receiver, act)
        self._set_timer(receiver)

    def _fetch(self, receiver: NodeId, act: Fetch) -> None:
        def found(entries: list[OutboxEntry]) -> None:
            if not self._stopped:
                sender = self._senders[receiver]
                pairs = [(entry.number, entry.data) for entry in entries]
                self._carry_out(receiver, sender.fetched(act.ticket, pairs, self._clock.monotonic()))

        def failed(failure: Failure) -> None:
            log.failure(
                "the outbox cannot read its journal, for {receiver}", failure, receiver=receiver, event="journal-unread"
            )
            self._senders[receiver].fetch_failed(act.ticket, self._clock.monotonic())
            self._set_timer(receiver)

        answer: Deferred[list[OutboxEntry]] = self._journal.pending(receiver, act.lineage, act.after, act.limit)
        answer.addCallback(found).addErrback(failed)

    def _name_missing(self, receiver: NodeId, act: NameMissing) -> None:
        if self._back is None:
            self._journal_missing(receiver, act)
            return

        def known(back: bool) -> None:
            if not back and not self._stopped:
                self._journal_missing(receiver, act)

        def unknown(failure: Failure) -> None:
            log.failure("what came back cannot be read", failure, event="record-unread")
            known(False)

        self._back(receiver, act).addCallbacks(known, unknown)

    def _journal_missing(self, receiver: NodeId, act: NameMissing) -> None:
        log.critical(
            "this journal was lost or restored: {receiver} has rows of lineage {of} up to {stated}, the journal"
            " holds {held}",
            receiver=receiver,
            of=act.lineage,
            stated=act.stated,
            held=act.held,
            event="tail-missing",
        )
        row = TailMissing(receiver=receiver, of=act.lineage, stated=act.stated, held=act.held)
        # every hub has to know the order of this node's runs, whichever of the receivers found out
        hubs = [other for other in self._senders if is_hub(other)]
        self._journal.append([(row, tuple(dict.fromkeys((receiver, *hubs))))], lambda: None)

    def _set_timer(self, receiver: NodeId) -> None:
        """Most answers come long before they are due: so a timer that is early enough is left to find that out."""
        due = self._senders[receiver].due
        if due is None or self._stopped:
            return
        old = self._timers.get(receiver)
        if old is not None:
            if self._timer_at[receiver] <= due:
                return
            old.cancel()
        self._timer_at[receiver] = due
        delay = max(due - self._clock.monotonic(), 0.0)
        self._timers[receiver] = self._clock.call_later(delay, self._tick, receiver)
