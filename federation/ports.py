"""What every node needs of its edges: links, clock, journal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from twisted.internet.defer import Deferred

from dataset.ids import LineageId, NodeId
from dataset.rows import AnyRow, Journalled
from federation.core.envelope import Envelope


class Timer(Protocol):
    """A call that was set for later (``IDelayedCall`` has this shape)."""

    def cancel(self) -> None:
        """Do not call; an error when it was called or cancelled already."""

    def active(self) -> bool:
        """Whether the call is still to come."""


class Clock(Protocol):
    """Time as a node sees it. ``monotonic`` never jumps; ``wall`` may."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment; durations are differences of these, on one machine only."""

    def wall(self) -> float:
        """UTC seconds since the epoch."""

    def call_later(self, delay_s: float, call: Callable[..., Any], *args: Any) -> Timer:
        """Call ``call(*args)`` after ``delay_s`` seconds."""


class Link(Protocol):
    """How a node talks to the others. Forms: ``links.inprocess``, ``links.amqp.link``.

    Promises per stream (``Envelope.stream``): picture and command may be lost, doubled, delayed and reordered, and are
    dropped once older than ``budget_s``; ledger too may be lost (the outbox retransmits), but is kept by the carrier
    while it can. Sending never raises and never waits: what cannot be sent now is counted and dropped.
    """

    dropped: Counter[str]
    """messages that could not be sent, and such received as are no envelopes, by slug of the reason"""

    def start(self, received: Callable[[Envelope], None], changed: Callable[[bool], None]) -> None:
        """Begin. ``received`` gets every envelope for this node; ``changed`` hears True/False as the link comes and
        goes (True again after each reconnect, when the ledger handshake has to be repeated).
        """

    def send(self, envelope: Envelope) -> None:
        """Send to ``envelope.to``, a node or everybody else."""

    def stop(self) -> Deferred[None]:
        """Close; fires when nothing more will be received."""


class OutboxEntry(NamedTuple):
    """One row that waits for, or was acknowledged by, one receiver."""

    number: int
    """gapless per (lineage, receiver), from 1"""
    data: bytes
    """the ``Journalled`` as it was written"""


class OutboxStream(NamedTuple):
    """How far the rows of one lineage for one receiver have come."""

    lineage: LineageId
    head: int
    """highest number synced"""
    acknowledged: int


class Journal(Protocol):
    """Where a node writes rows before their effects. Forms: ``node.journal_sqlite`` (one writer thread) and
    ``node.journal_memory`` (a set sync delay on a ``Clock``; loses on a crash what was not synced).
    """

    node: NodeId
    lineage: LineageId
    """this run's own; its first row is ``LineageOpened`` (J2)"""

    def append(self, rows: Sequence[tuple[AnyRow, Sequence[str]]], synced: Callable[[], None]) -> None:
        """Write rows, each with the nodes that must receive it, as one group; call ``synced`` once they are on disk.

        Groups are synced in the order given. ``synced`` is called from the reactor thread, never from inside
        ``append``.
        """

    def on_rows(self, hear: Callable[[Sequence[Journalled]], None]) -> None:
        """Call ``hear`` with rows of this run after their sync, in order, after the ``synced`` of their groups."""

    def on_outgoing(self, hear: Callable[[Mapping[NodeId, int]], None]) -> None:
        """Call ``hear`` after a sync with the new head of each receiver that got rows, in this lineage (S1)."""

    def rows_of_live_contacts(self) -> list[Journalled]:
        """All rows, of all lineages, of contacts that are live here; in order. For adoption at start.

        Live: born and not ended, or with a segment still open, or with a received segment that waits for its outcome.
        """

    def rows_since(self, wall: float) -> list[Journalled]:
        """All rows kept, of all lineages, with that wall time or later; in order. For counters at start."""

    def receivers(self) -> list[NodeId]:
        """Every node that rows were ever written for."""

    def streams(self, receiver: NodeId) -> list[OutboxStream]:
        """All lineages with rows for ``receiver``, oldest first."""

    def pending(self, receiver: NodeId, lineage: LineageId, after: int, limit: int) -> Deferred[list[OutboxEntry]]:
        """Up to ``limit`` synced entries with numbers above ``after``, in order; forgotten ones (J5) are skipped."""

    def acknowledged(self, receiver: NodeId, lineage: LineageId, number: int) -> None:
        """The receiver has all up to ``number``; these may be forgotten after the days they are kept (J5).

        A lower number than before is taken too: a receiver that lost its disk needs its rows again.
        """

    def stop(self) -> Deferred[None]:
        """Sync and close."""
