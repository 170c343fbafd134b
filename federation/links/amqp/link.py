"""The AMQP form of the ``Link`` port; ``docs/amqp.md`` is its page.

Each node has one queue per stream, ``yht.<node>.<stream>``, and consumes nothing else. What goes to one node is
published to the topic exchange ``yht`` with the routing key ``<node>.<stream>``; what goes to everybody, to the fanout
exchange ``yht.everyone``, which feeds the picture queues. Picture and command queues are transient and their messages
expire with their budget; ledger queues are durable. No broker is ever the only copy of a row: the outbox retransmits
until the receiver's own acknowledgement (S1), so losing what a queue holds costs time only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger
from twisted.python.failure import Failure

from dataset.errors import Problem, Refused
from dataset.ids import EVERYONE, NodeId
from federation.core.envelope import Envelope, Stream, decode, encode
from federation.links.amqp.consumer import Consumer
from federation.links.amqp.content import Delivery, Properties
from federation.links.amqp.errors import AmqpFailure
from federation.links.amqp.publisher import Publisher
from federation.links.amqp.reconnect import BrokerAccess, BrokerState
from federation.links.amqp.topology import Binding, Exchange, Queue, Topology

EXCHANGE = "yht"
EVERYONE_EXCHANGE = "yht.everyone"
PICTURE_TTL_MS = 5_000
COMMAND_TTL_MS = 60_000
"""at the longest; a message's own budget is shorter"""
PREFETCH = {Stream.PICTURE: 200, Stream.COMMAND: 200, Stream.LEDGER: 20}
_DURABLE = Properties(content_type="application/json", delivery_mode=2)

log = Logger()


def queue_name(node: NodeId, stream: Stream) -> str:
    """The queue of one node for one stream."""
    return f"yht.{node}.{stream.value}"


def topology_of(node: NodeId, *, replicated: bool = False) -> Topology:
    """What ``node`` declares: both exchanges, and its own queues with their bindings.

    ``replicated`` makes the ledger's queue a quorum queue, for a cluster of three brokers. On a single broker it
    stays a classic one: RabbitMQ 3.10 does not get over a kill within the first second of a quorum queue's life.
    """
    ledger = {"x-queue-type": "quorum", "x-delivery-limit": 20} if replicated else {}
    lost_soon = {"x-expires": 300_000, "x-overflow": "drop-head"}
    return Topology(
        exchanges=(Exchange(EXCHANGE), Exchange(EVERYONE_EXCHANGE, kind="fanout")),
        queues=(
            Queue(
                queue_name(node, Stream.PICTURE),
                durable=False,
                arguments={**lost_soon, "x-message-ttl": PICTURE_TTL_MS, "x-max-length": 1_000},
            ),
            Queue(
                queue_name(node, Stream.COMMAND),
                durable=False,
                arguments={**lost_soon, "x-message-ttl": COMMAND_TTL_MS, "x-max-length": 100_000},
            ),
            Queue(queue_name(node, Stream.LEDGER), durable=True, arguments=ledger),
        ),
        bindings=(
            *(Binding(EXCHANGE, queue_name(node, stream), f"{node}.{stream.value}") for stream in Stream),
            Binding(EVERYONE_EXCHANGE, queue_name(node, Stream.PICTURE), ""),
        ),
    )


class AmqpLink:
    """``federation.ports.Link`` over brokers; publishing and consuming have connections of their own.

    ``replicated``: the brokers are a cluster (:func:`topology_of`).
    """

    def __init__(self, reactor: Any, node: NodeId, access: BrokerAccess, *, replicated: bool = False) -> None:
        self.node = node
        self.dropped: Counter[str] = Counter()
        """messages that were not sent, by reason, and malformed ones received"""
        self._received: Callable[[Envelope], None] | None = None
        self._changed: Callable[[bool], None] | None = None
        self._up = {"publishing": False, "consuming": False}
        topology = topology_of(node, replicated=replicated)
        self._publisher = Publisher(
            reactor, access, topology=topology, changed=lambda state, why: self._state("publishing", state, why)
        )
        self._consumer = Consumer(
            reactor, access, topology=topology, changed=lambda state, why: self._state("consuming", state, why)
        )

    def when_connected(self, attempts: int | None = None) -> Deferred[Any]:
        """Connect before ``start``, to know at once whether brokers can be reached; errbacks after ``attempts``."""
        self._publisher.start()
        self._consumer.start()
        return gatherResults(
            [self._publisher.when_connected(attempts), self._consumer.when_connected(attempts)], consumeErrors=True
        )

    def start(self, received: Callable[[Envelope], None], changed: Callable[[bool], None]) -> None:
        """Listen to the node's own queues."""
        self._received, self._changed = received, changed
        self._publisher.start()
        self._consumer.start()
        for stream in Stream:
            self._consumer.consume(queue_name(self.node, stream), self._delivered, prefetch=PREFETCH[stream])
        if all(self._up.values()):
            changed(True)

    def send(self, envelope: Envelope) -> None:
        """Publish; what the broker does not take is counted and dropped."""
        if self._received is None:
            return
        everybody = envelope.to == EVERYONE
        self._publisher.publish(
            EVERYONE_EXCHANGE if everybody else EXCHANGE,
            "" if everybody else f"{envelope.to}.{envelope.stream.value}",
            encode(envelope),
            _properties(envelope),
            mandatory=not everybody,
        ).addErrback(self._not_sent)

    def stop(self) -> Deferred[None]:
        """Close both connections."""
        self._received = self._changed = None
        return Deferred.fromCoroutine(self._close())

    async def _close(self) -> None:
        await self._consumer.stop()
        await self._publisher.stop()

    def _not_sent(self, failure: Failure) -> None:
        failure.trap(AmqpFailure)
        self.dropped[failure.value.problem.slug] += 1  # type: ignore[union-attr]  # trapped above

    def _delivered(self, delivery: Delivery) -> None:
        """Acknowledged at once: what has to be kept is acknowledged end to end by its receiver's ledger."""
        delivery.ack()
        if self._received is None:
            return
        try:
            envelope = decode(delivery.body)
        except Refused as refused:
            problem = refused.problems[0]
            self.dropped[problem.slug] += 1
            log.warn("refused a message: {why} [{slug}]", why=problem.en, slug=problem.slug, event="message-refused")
            return
        if envelope.sender != self.node:
            self._received(envelope)

    def _state(self, which: str, state: BrokerState, why: Problem | None) -> None:
        """Up is both connections up; every coming back of either is told, for the ledgers to shake hands again (J3)."""
        was = all(self._up.values())
        self._up[which] = state is BrokerState.CONNECTED
        now = all(self._up.values())
        if was and not now:
            log.warn(
                "the broker is away ({which}): {why}", which=which, why=why.en if why else state, event="link-down"
            )
        if self._changed is not None and was != now:
            self._changed(now)


def _properties(envelope: Envelope) -> Properties:
    if envelope.stream is Stream.LEDGER:
        return _DURABLE
    budget = envelope.budget_s
    expiration = str(max(1, int(budget * 1000))) if budget is not None else None
    return Properties(content_type="application/json", delivery_mode=1, expiration=expiration)
