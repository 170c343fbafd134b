"""Nodes of one process, linked in memory: every envelope crosses as bytes, as it would on a real line.

A ``Wires`` joins any number of nodes. Each ordered pair of nodes has a line whose delay, jitter (so reordering), loss
and duplication can be set, and which can be cut in one direction or both; whole nodes can be taken off. What is picture
or command is dropped once older than its budget. Everything is driven by the ``Clock`` and a seeded random source, so
that a run is repeatable.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from twisted.internet.defer import Deferred, succeed

from dataset.errors import Refused
from dataset.ids import EVERYONE, NodeId
from federation.core.envelope import Envelope, Stream, decode, encode
from federation.node.clock import ProcessClock
from federation.ports import Clock


@dataclass(slots=True)
class Line:
    """One direction between two nodes. Seconds and probabilities."""

    delay_s: float = 0.02
    jitter_s: float = 0.0
    loss: float = 0.0
    duplicate: float = 0.0
    cut: bool = False
    keeps_stale: bool = False
    """what sets out now is delivered even when it has become older than its budget"""


@dataclass(slots=True)
class Access:
    """The line between one node and the broker: everything to and from the node goes through it, first come, first
    served. What goes to everybody goes up once and is doubled at the broker.
    """

    bits_per_s: float
    overhead_bytes: int = 0
    """per message: what frames, packets and encryption add"""
    up_bytes: int = 0
    down_bytes: int = 0
    longest_wait_s: float = 0.0
    """behind other messages, and for the own bits, either way"""
    up_free_at: float = 0.0
    down_free_at: float = 0.0

    def up(self, now: float, size: int) -> float:
        """Seconds until a message of ``size`` bytes has left the node."""
        self.up_bytes += size + self.overhead_bytes
        self.up_free_at = max(self.up_free_at, now) + self._takes_s(size)
        return self._waited(self.up_free_at - now)

    def down(self, now: float, size: int) -> float:
        """Seconds until a message of ``size`` bytes has come to the node."""
        self.down_bytes += size + self.overhead_bytes
        self.down_free_at = max(self.down_free_at, now) + self._takes_s(size)
        return self._waited(self.down_free_at - now)

    def _takes_s(self, size: int) -> float:
        return (size + self.overhead_bytes) * 8 / self.bits_per_s

    def _waited(self, seconds: float) -> float:
        self.longest_wait_s = max(self.longest_wait_s, seconds)
        return seconds


class Fate(StrEnum):
    """What becomes of one envelope on its way to one receiver."""

    SENT = "sent"
    ARRIVED = "arrived"
    DROPPED = "dropped"


class _Parcel:
    """An envelope on its way: the bytes, read once however many receive them."""

    __slots__ = ("broker_run", "budget_s", "data", "read", "sent", "sent_at")

    def __init__(self, sent: Envelope, sent_at: float, broker_run: int) -> None:
        self.sent = sent
        self.sent_at = sent_at
        self.broker_run = broker_run
        self.budget_s = sent.budget_s if sent.stream is not Stream.LEDGER else None
        """after which it is dropped on the way"""
        self.data = encode(sent)
        self.read: Envelope | None = None

    def envelope(self) -> Envelope:
        """What the receiver reads. Raises ``Refused``."""
        if self.read is None:
            self.read = decode(self.data)
        return self.read


class Wires:
    """All lines of one process, by way of one broker."""

    def __init__(self, clock: Clock, rng: Random, *, delay_s: float = 0.02) -> None:
        self._clock = clock
        self._rng = rng
        self._usual = delay_s
        self._lines: dict[tuple[NodeId, NodeId], Line] = {}
        self._links: dict[NodeId, InProcessLink] = {}
        self.bytes_sent: dict[tuple[NodeId, Stream], int] = {}
        """by sender and stream"""
        self.access: dict[NodeId, Access] = {}
        """nodes whose line to the broker is thin; all others' have no limit"""
        self.dropped = 0
        self.on_fate: Callable[[Fate, NodeId, Envelope], None] | None = None
        """told what becomes of each envelope, and to whom"""
        self._broker_up = True
        self._broker_run = 1
        self._apart: set[NodeId] = set()
        """nodes that were told that their link is down"""

    def line(self, sender: NodeId, receiver: NodeId) -> Line:
        """The line from ``sender`` to ``receiver``, to be changed at will."""
        line = self._lines.get((sender, receiver))
        if line is None:
            line = self._lines[sender, receiver] = Line(delay_s=self._usual)
        return line

    def link(self, node: NodeId, process: ProcessClock | None = None) -> InProcessLink:
        """A link for a new run of ``node``; it replaces an earlier one once it is started. While ``process`` is stopped
        what arrives waits.
        """
        return InProcessLink(self, node, process)

    def cut(self, nodes: Iterable[NodeId], *, restore: bool = False) -> None:
        """Cut (or restore) every line between ``nodes`` and the rest, and tell the nodes that their link went."""
        apart = set(nodes)
        known = {node for line in self._lines for node in line}  # also those that are down just now
        everybody = {*self._links, *known, *apart}
        for inside in apart:
            for outside in everybody - apart:
                for pair in ((inside, outside), (outside, inside)):
                    self.line(*pair).cut = not restore
        for node in sorted(apart):
            self.tell(node, restore)

    def tell(self, node: NodeId, up: bool) -> None:
        """Let ``node`` know that its link came or went, as far as it can while the broker is down."""
        (self._apart.discard if up else self._apart.add)(node)
        if node in self._links and self._broker_up:
            self._links[node].line_changed(up)

    def broker_dies(self) -> None:
        """The broker is gone, with all that was on its way; everybody is told."""
        if self._broker_up:
            for node in sorted(self._links.keys() - self._apart):
                self._links[node].line_changed(False)
            self._broker_up = False
            self._broker_run += 1

    def broker_returns(self) -> None:
        """The broker is there again, empty."""
        if not self._broker_up:
            self._broker_up = True
            for node in sorted(self._links.keys() - self._apart):
                self._links[node].line_changed(True)

    def is_up(self, node: NodeId) -> bool:
        """Whether the link of ``node`` is up, as far as it was told."""
        return self._broker_up and node not in self._apart

    # ── for the links ───────────────────────────────────────────────────────────────────────────────────────────
    def attach(self, link: InProcessLink) -> None:
        """``link`` is the one that its node listens on from here."""
        self._links[link.node] = link

    def detach(self, link: InProcessLink) -> None:
        """``link`` listens no more."""
        if self._links.get(link.node) is link:
            del self._links[link.node]

    def carry(self, envelope: Envelope) -> None:
        """Put an envelope on its way to one node, or to everybody else."""
        sender = envelope.sender
        parcel = _Parcel(envelope, self._clock.monotonic(), self._broker_run)
        receivers = [node for node in self._links if node != sender] if envelope.to == EVERYONE else [envelope.to]
        call_later, random, told, lines = self._clock.call_later, self._rng.random, self.on_fate, self._lines
        access = self.access.get(sender)
        leaves_s = access.up(parcel.sent_at, len(parcel.data)) if access is not None else 0.0
        key = (sender, envelope.stream)
        self.bytes_sent[key] = self.bytes_sent.get(key, 0) + len(parcel.data) * len(receivers)
        for receiver in receivers:
            line = lines.get((sender, receiver)) or self.line(sender, receiver)
            if told is not None:
                told(Fate.SENT, receiver, envelope)
            if not self._broker_up or line.cut or (line.loss and random() < line.loss):
                self._drop(receiver, envelope)
                continue
            copies = 2 if line.duplicate and random() < line.duplicate else 1
            arrives = self._to_thin_line if receiver in self.access else self._arrive
            for _ in range(copies):
                delay = leaves_s + line.delay_s + (random() * line.jitter_s if line.jitter_s else 0.0)
                call_later(delay, arrives, receiver, parcel, line, line.keeps_stale)

    def _to_thin_line(self, receiver: NodeId, parcel: _Parcel, line: Line, keep: bool) -> None:
        waits_s = self.access[receiver].down(self._clock.monotonic(), len(parcel.data))
        self._clock.call_later(waits_s, self._arrive, receiver, parcel, line, keep)

    def _arrive(self, receiver: NodeId, parcel: _Parcel, line: Line, keep: bool) -> None:
        link = self._links.get(receiver)
        sent = parcel.sent
        if link is None or line.cut or parcel.broker_run != self._broker_run or (not keep and self._stale(parcel)):
            self._drop(receiver, sent)
            return
        if link.process is None or link.process.running:
            self._delivered(link, parcel)
        else:
            link.process.reached_by(self._delivered, link, parcel)

    def _delivered(self, link: InProcessLink, parcel: _Parcel) -> None:
        if self.on_fate is not None:
            self.on_fate(Fate.ARRIVED, link.node, parcel.sent)
        link.take(parcel.envelope)

    def _stale(self, parcel: _Parcel) -> bool:
        return parcel.budget_s is not None and self._clock.monotonic() - parcel.sent_at > parcel.budget_s

    def _drop(self, receiver: NodeId, envelope: Envelope) -> None:
        self.dropped += 1
        if self.on_fate is not None:
            self.on_fate(Fate.DROPPED, receiver, envelope)


class InProcessLink:
    """``federation.ports.Link`` over ``Wires``."""

    def __init__(self, wires: Wires, node: NodeId, process: ProcessClock | None = None) -> None:
        self.node = node
        self.process = process
        self.dropped: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self._wires = wires
        self._received: Callable[[Envelope], None] | None = None
        self._changed: Callable[[bool], None] | None = None

    def start(self, received: Callable[[Envelope], None], changed: Callable[[bool], None]) -> None:
        """Listen; unless the line is cut off, it is up at once."""
        self._received, self._changed = received, changed
        self._wires.attach(self)
        changed(self._wires.is_up(self.node))

    def send(self, envelope: Envelope) -> None:
        """Send to one node or to everybody else; dropped before ``start`` and after ``stop``."""
        if self._received is not None:
            self._wires.carry(envelope)

    def stop(self) -> Deferred[None]:
        """Listen no more."""
        self._received = self._changed = None
        self._wires.detach(self)
        return succeed(None)

    def arrived(self, data: bytes) -> None:
        """Bytes from the wire."""
        self.take(lambda: decode(data))

    def take(self, read: Callable[[], Envelope]) -> None:
        """Take in what ``read`` gives; what is no envelope is counted and dropped."""
        if self._received is None:
            return
        try:
            envelope = read()
        except Refused as refused:
            self.dropped[refused.problems[0].slug] += 1
            return
        self._received(envelope)

    def line_changed(self, up: bool) -> None:
        """The node's link came or went."""
        if self._changed is None:
            return
        if self.process is None:
            self._changed(up)
        else:
            self.process.reached_by(self._changed, up)
