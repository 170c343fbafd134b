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
from random import Random

from twisted.internet.defer import Deferred, succeed

from dataset.errors import Refused
from dataset.ids import EVERYONE, NodeId
from federation.core.envelope import Envelope, Stream, decode, encode
from federation.ports import Clock


@dataclass(slots=True)
class Line:
    """One direction between two nodes. Seconds and probabilities."""

    delay_s: float = 0.02
    jitter_s: float = 0.0
    loss: float = 0.0
    duplicate: float = 0.0
    cut: bool = False


class Wires:
    """All lines of one process."""

    def __init__(self, clock: Clock, rng: Random, *, delay_s: float = 0.02) -> None:
        self._clock = clock
        self._rng = rng
        self._usual = delay_s
        self._lines: dict[tuple[NodeId, NodeId], Line] = {}
        self._links: dict[NodeId, InProcessLink] = {}
        self.bytes_sent: dict[tuple[NodeId, Stream], int] = {}
        """by sender and stream"""
        self.dropped = 0

    def line(self, sender: NodeId, receiver: NodeId) -> Line:
        """The line from ``sender`` to ``receiver``, to be changed at will."""
        return self._lines.setdefault((sender, receiver), Line(delay_s=self._usual))

    def link(self, node: NodeId) -> InProcessLink:
        """A link for a new run of ``node``; it replaces an earlier one once it is started."""
        return InProcessLink(self, node)

    def cut(self, nodes: Iterable[NodeId], *, restore: bool = False) -> None:
        """Cut (or restore) every line between ``nodes`` and the rest, and tell the nodes that their link went."""
        apart = set(nodes)
        everybody = {*self._links, *apart}
        for inside in apart:
            for outside in everybody - apart:
                for pair in ((inside, outside), (outside, inside)):
                    self.line(*pair).cut = not restore
        for node in apart:
            if node in self._links:
                self._links[node].line_changed(restore)

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
        data = encode(envelope)
        sender = envelope.sender
        receivers = [node for node in self._links if node != sender] if envelope.to == EVERYONE else [envelope.to]
        key = (sender, envelope.stream)
        self.bytes_sent[key] = self.bytes_sent.get(key, 0) + len(data) * len(receivers)
        sent_at = self._clock.monotonic()
        for receiver in receivers:
            line = self.line(sender, receiver)
            if line.cut or (line.loss and self._rng.random() < line.loss):
                self.dropped += 1
                continue
            copies = 2 if line.duplicate and self._rng.random() < line.duplicate else 1
            for _ in range(copies):
                delay = line.delay_s + (self._rng.random() * line.jitter_s if line.jitter_s else 0.0)
                self._clock.call_later(delay, self._arrive, receiver, data, envelope, sent_at)

    def _arrive(self, receiver: NodeId, data: bytes, sent: Envelope, sent_at: float) -> None:
        link = self._links.get(receiver)
        late = sent.budget_s is not None and self._clock.monotonic() - sent_at > sent.budget_s
        if link is None or self.line(sent.sender, receiver).cut or (late and sent.stream is not Stream.LEDGER):
            self.dropped += 1
            return
        link.arrived(data)


class InProcessLink:
    """``federation.ports.Link`` over ``Wires``."""

    def __init__(self, wires: Wires, node: NodeId) -> None:
        self.node = node
        self.dropped: Counter[str] = Counter()
        self._wires = wires
        self._received: Callable[[Envelope], None] | None = None
        self._changed: Callable[[bool], None] | None = None

    def start(self, received: Callable[[Envelope], None], changed: Callable[[bool], None]) -> None:
        """Listen; the line is up at once."""
        self._received, self._changed = received, changed
        self._wires.attach(self)
        changed(True)

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
        """Bytes from the wire; what is no envelope is counted and dropped."""
        if self._received is None:
            return
        try:
            envelope = decode(data)
        except Refused as refused:
            self.dropped[refused.problems[0].slug] += 1
            return
        self._received(envelope)

    def line_changed(self, up: bool) -> None:
        """All lines of this node were cut or restored."""
        if self._changed is not None:
            self._changed(up)
