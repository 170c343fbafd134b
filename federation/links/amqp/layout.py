"""The names on the broker: exchanges, queues, routing keys. ``docs/amqp.md`` (What is on the broker) is their page.

What a node may do with them follows from its name alone (``definitions``), so nothing here depends on a connection.
"""

from __future__ import annotations

from dataset.ids import EVERYONE, NodeId
from federation.core.envelope import Stream

EXCHANGE = "yht"
"""the one topic exchange; nodes publish to it and bind their queues to it, and may not declare it"""
DEAD_EXCHANGE = "yht.dead"
"""fanout, fed by the broker alone: what ledger queues could not deliver"""
DEAD_QUEUE = "yht.dead"
"""kept for people to look at; never the only copy of a row (S1)"""
TO_EVERYONE = "everyone"
"""first word of the routing key of what is for everybody; no node is called that"""


def queue_name(node: NodeId, stream: Stream) -> str:
    """The queue of one node for one stream."""
    return f"yht.{node}.{stream.value}"


def routing_key(to: NodeId, stream: Stream, sender: NodeId) -> str:
    """``<to>.<stream>.<from>``: the broker lets a node publish only keys that end in its own name."""
    return f"{TO_EVERYONE if to == EVERYONE else to}.{stream.value}.{sender}"


def binding_keys(node: NodeId, stream: Stream) -> tuple[str, ...]:
    """What a node's queue for ``stream`` takes: everything for the node, and pictures for everybody."""
    own = f"{node}.{stream.value}.*"
    return (own, f"{TO_EVERYONE}.{stream.value}.*") if stream is Stream.PICTURE else (own,)
