"""Puts messages into envelopes: sender, lineage, a running number per stream, the term."""

from __future__ import annotations

from collections import Counter

from dataset.ids import ContactId, LineageId, NodeId
from federation.core.envelope import AnyMessage, Envelope, Stream
from federation.ports import Link


class Post:
    """The way out of this node."""

    def __init__(self, node: NodeId, lineage: LineageId, link: Link, *, term: int = 0) -> None:
        self._node = node
        self._lineage = lineage
        self._link = link
        self.term = term
        """put on every envelope: of a hub that leads its own, of any other node the highest it heard (B2)"""
        self._numbers: Counter[Stream] = Counter()

    def send(self, to: NodeId, message: AnyMessage, stream: Stream, budget_s: float | None = None) -> None:
        """Send ``message``; what the link cannot take now is dropped there and counted."""
        self._numbers[stream] += 1
        contact: ContactId | None = getattr(message, "contact", None)
        attempt: int | None = getattr(message, "n", None)
        self._link.send(
            Envelope(
                sender=self._node,
                to=to,
                stream=stream,
                lineage=self._lineage,
                sequence=self._numbers[stream],
                body=message,
                term=self.term,
                contact=contact,
                attempt=attempt,
                budget_s=budget_s,
            )
        )
