"""What every node needs of its edges: links, clock, journal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from twisted.internet.defer import Deferred

from dataset.ids import LineageId
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

    def start(self, received: Callable[[Envelope], None], changed: Callable[[bool], None]) -> None:
        """Begin. ``received`` gets every envelope for this node; ``changed`` hears True/False as the link comes and
        goes (True again after each reconnect, when the ledger handshake has to be repeated).
        """

    def send(self, envelope: Envelope) -> None:
        """Send to ``envelope.to``, a node or everybody else."""

    def stop(self) -> Deferred[None]:
        """Close; fires when nothing more will be received."""


class Journal(Protocol):
    """Where a node writes rows before their effects. Forms: SQLite on one writer thread; in memory with a set sync
    delay that loses on a crash what was not synced.
    """

    lineage: LineageId

    def append(self, rows: Sequence[tuple[AnyRow, Sequence[str]]], synced: Callable[[], None]) -> None:
        """Write rows, each with the nodes that must receive it, as one group; call ``synced`` once they are on disk.

        Groups are synced in the order given. ``synced`` is called from the reactor thread, never from inside
        ``append``.
        """

    def rows_of_live_contacts(self) -> list[Journalled]:
        """All rows, of all lineages, of contacts without a ``contact_ended``; in order. For adoption at start."""

    def stop(self) -> Deferred[None]:
        """Sync and close."""
