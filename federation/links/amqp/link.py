"""The AMQP form of the ``Link`` port; ``docs/amqp.md`` is its page.

Each node has one queue per stream and consumes nothing else; everything is published to one topic exchange, under a
routing key that ends in the sender's name (``layout``). The broker knows each node as the user of its name, lets it
publish under that name only and checks the ``user-id`` on every message, so that a receiver who compares it with the
envelope knows who speaks. Picture and command queues are transient and their messages expire with their budget; ledger
queues are durable. No broker is ever the only copy of a row: the outbox retransmits until the receiver's own
acknowledgement (S1), so losing what a queue holds costs time only.
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
from federation.core.envelope import LARGEST_BYTES, Envelope, Stream, Wording
from federation.links.amqp.consumer import Consumer
from federation.links.amqp.content import PERSISTENT, TRANSIENT, Delivery, Properties
from federation.links.amqp.errors import AmqpFailure, PublishRefused
from federation.links.amqp.layout import EXCHANGE, binding_keys, queue_name, routing_key
from federation.links.amqp.publisher import Publisher
from federation.links.amqp.reconnect import BackOff, BrokerAccess, BrokerState
from federation.links.amqp.topology import Binding, Exchange, Queue, Topology

PICTURE_TTL_MS = 5_000
COMMAND_TTL_MS = 60_000
"""at the longest; a message's own budget is shorter"""
PICTURES_KEPT, COMMANDS_KEPT = 1_000, 10_000
"""per queue; the oldest are dropped first"""
DELIVERY_LIMIT = 20
"""of a quorum queue: what came back so often goes to the dead letters"""
PREFETCH = {Stream.PICTURE: 200, Stream.COMMAND: 200, Stream.LEDGER: 20}
SAID_AGAIN_S = 60.0
"""the same reason of the same sender is counted each time and logged once in so long"""
_PROPERTIES_KEPT = 256

log = Logger()


def topology_of(node: NodeId, *, replicated: bool = False) -> Topology:
    """What ``node`` declares: its own queues with their bindings. The exchange it only looks for: it comes with the
    broker's definitions.

    ``replicated`` makes the ledger's queue a quorum queue, for a cluster of three brokers. On a single broker it
    stays a classic one: RabbitMQ 3.10 does not get over a kill within the first second of a quorum queue's life.
    """
    ledger = {"x-queue-type": "quorum", "x-delivery-limit": DELIVERY_LIMIT} if replicated else {}
    lost_soon = {"x-expires": 300_000, "x-overflow": "drop-head"}
    return Topology(
        exchanges=(Exchange(EXCHANGE, passive=True),),
        queues=(
            Queue(
                queue_name(node, Stream.PICTURE),
                durable=False,
                arguments={**lost_soon, "x-message-ttl": PICTURE_TTL_MS, "x-max-length": PICTURES_KEPT},
            ),
            Queue(
                queue_name(node, Stream.COMMAND),
                durable=False,
                arguments={**lost_soon, "x-message-ttl": COMMAND_TTL_MS, "x-max-length": COMMANDS_KEPT},
            ),
            Queue(queue_name(node, Stream.LEDGER), durable=True, arguments=ledger),
        ),
        bindings=tuple(
            Binding(EXCHANGE, queue_name(node, stream), key) for stream in Stream for key in binding_keys(node, stream)
        ),
    )


class AmqpLink:
    """``federation.ports.Link`` over brokers; publishing and consuming have connections of their own.

    ``access`` logs in as ``node``: the broker refuses its messages otherwise. ``replicated``: the brokers are a cluster
    (:func:`topology_of`). ``back_off``: seconds before each attempt to connect again.
    """

    def __init__(
        self,
        reactor: Any,
        node: NodeId,
        access: BrokerAccess,
        *,
        replicated: bool = False,
        back_off: Callable[[int], float] | None = None,
        wording: Wording | None = None,
    ) -> None:
        self.node = node
        self._wording = wording or Wording()
        self._seconds: Callable[[], float] = reactor.seconds
        self.dropped: Counter[str] = Counter()
        """messages that were not sent, by reason, and malformed ones received"""
        self.failures: Counter[str] = Counter()
        """attempts to connect or to consume that came to nothing, and connections and queues lost, by reason"""
        self._received: Callable[[Envelope], None] | None = None
        self._changed: Callable[[bool], None] | None = None
        self._up = {"publishing": False, "consuming": False}
        topology = topology_of(node, replicated=replicated)
        self._properties: dict[tuple[bool, float | None], Properties] = {}
        self._said: dict[tuple[str, str], float] = {}
        self._publisher = Publisher(
            reactor,
            access,
            topology=topology,
            back_off=back_off or BackOff(),
            changed=lambda state, why: self._state("publishing", state, why),
            failed=self._connection_failed,
        )
        self._consumer = Consumer(
            reactor,
            access,
            topology=topology,
            back_off=back_off or BackOff(),
            changed=lambda state, why: self._state("consuming", state, why),
            failed=self._connection_failed,
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
            self._consumer.consume(
                queue_name(self.node, stream),
                self._delivered,
                prefetch=PREFETCH[stream],
                on_interrupted=self._interrupted,
                on_oversized=self._too_large,
            )
        if all(self._up.values()):
            changed(True)

    def send(self, envelope: Envelope) -> None:
        """Publish; what the broker does not take is counted and dropped."""
        if self._received is None:
            return
        try:
            body = self._wording.encode(envelope)
        except Refused as refused:  # an older version's wording has no word for it
            self.dropped[refused.problems[0].slug] += 1
            return
        if len(body) > LARGEST_BYTES:
            self._not_sent(Failure(PublishRefused(_too_large(len(body)))))
            return
        self._publisher.publish(
            EXCHANGE,
            routing_key(envelope.to, envelope.stream, self.node),
            body,
            self._properties_of(envelope),
            mandatory=envelope.to != EVERYONE,
        ).addErrback(self._not_sent)

    def stop(self) -> Deferred[None]:
        """Close both connections."""
        self._received = self._changed = None
        return Deferred.fromCoroutine(self._close())

    async def _close(self) -> None:
        await self._consumer.stop()
        await self._publisher.stop()

    def _properties_of(self, envelope: Envelope) -> Properties:
        """Kept per stream and budget, so that they are packed once."""
        kind = (envelope.stream is Stream.LEDGER, envelope.budget_s)
        found = self._properties.get(kind)
        if found is None:
            if len(self._properties) >= _PROPERTIES_KEPT:
                self._properties.clear()
            found = self._properties[kind] = _properties(self.node, *kind)
        return found

    def _not_sent(self, failure: Failure) -> None:
        failure.trap(AmqpFailure)
        problem: Problem = failure.value.problem  # type: ignore[union-attr]  # trapped above
        self.dropped[problem.slug] += 1
        if problem.slug in ("amqp-returned", "envelope-too-large"):
            self._say_once(problem, "", "a message was not sent", "message-not-sent")

    def _delivered(self, delivery: Delivery) -> None:
        """What is no envelope of its sender for this node is refused: out of a ledger queue it goes to the dead
        letters. The rest is settled when it has been taken in; what has to be kept is acknowledged end to end by its
        receiver's ledger (S1).
        """
        if self._received is None:
            delivery.ack()
            return
        user = ""
        try:
            user = delivery.user
            envelope = self._wording.decode(delivery.body)
            self._check(delivery, envelope, user)
        except Refused as refused:
            self._refuse(delivery, refused.problems[0], user)
        except AmqpFailure as failure:
            self._refuse(delivery, failure.problem, user)
        else:
            if envelope.sender != self.node:
                self._take_in(envelope)
            delivery.ack()

    def _take_in(self, envelope: Envelope) -> None:
        """What the node's own program cannot stand is logged with its trace and refused, as a malformed one is."""
        assert self._received is not None
        try:
            self._received(envelope)
        except Exception:
            self.dropped["message-broke"] += 1
            raise

    def _too_large(self, size: int) -> None:
        self.dropped["amqp-too-large"] += 1

    def _check(self, delivery: Delivery, envelope: Envelope, user: str) -> None:
        """Raises ``Refused``: ``sender-mismatch`` when the user whom the broker vouches for is not the envelope's
        sender; ``misaddressed`` when it is for somebody else, or was sent on by a dead-letter exchange: a queue's owner
        chooses where its dead letters go, and must not have another's old messages delivered with them.
        """
        if user != envelope.sender:
            raise Refused(
                Problem(
                    "sender-mismatch",
                    zh=f"信封自称来自 {envelope.sender}，代理用户却是 {user or '未知'}",
                    en=f"the envelope says it is from {envelope.sender}, its user at the broker is {user or 'unknown'}",
                )
            )
        led = delivery.has_headers and "x-death" in delivery.headers
        if envelope.to not in (self.node, EVERYONE) or led:
            raise Refused(
                Problem(
                    "misaddressed",
                    zh=f"{user} 发给 {envelope.to} 的消息被转到了本节点",
                    en=f"a message of {user} for {envelope.to} was led to this node",
                )
            )

    def _refuse(self, delivery: Delivery, problem: Problem, user: str) -> None:
        delivery.nack(requeue=False)
        self.dropped[problem.slug] += 1
        self._say_once(problem, user, "refused a message", "message-refused")

    def _say_once(self, problem: Problem, user: str, what: str, event: str) -> None:
        """One line for the first, and one a minute for those that follow; none of them can fill a disk with logs."""
        now = self._seconds()
        kind = (problem.slug, user)
        if kind in self._said and now < self._said[kind] + SAID_AGAIN_S:
            return
        if len(self._said) >= _PROPERTIES_KEPT:
            self._said.clear()
        self._said[kind] = now
        log.warn(
            "{what}: {why} [{slug}], {count} so far",
            what=what,
            why=problem.en,
            zh=problem.zh,
            slug=problem.slug,
            user=user,
            count=self.dropped[problem.slug],
            event=event,
        )

    def _interrupted(self, problem: Problem) -> None:
        """A queue that was deleted, or cannot be consumed, on a connection that is well."""
        if self._up["consuming"]:
            self.failures[problem.slug] += 1

    def _connection_failed(self, problem: Problem) -> None:
        self.failures[problem.slug] += 1

    def _state(self, which: str, state: BrokerState, why: Problem | None) -> None:
        """Up is both connections up; every coming back of either is told, for the ledgers to shake hands again (J3)."""
        if state is BrokerState.LOST and why is not None and why.slug != "amqp-closed":
            self.failures[why.slug] += 1
        was = all(self._up.values())
        self._up[which] = state is BrokerState.CONNECTED
        now = all(self._up.values())
        if was and not now:
            log.warn(
                "the broker is away ({which}): {why}", which=which, why=why.en if why else state, event="link-down"
            )
        if self._changed is not None and was != now:
            self._changed(now)


def _too_large(size: int) -> Problem:
    return Problem(
        "envelope-too-large",
        zh=f"信封有 {size} 字节，上限为 {LARGEST_BYTES}",
        en=f"the envelope has {size} bytes, the limit is {LARGEST_BYTES}",
    )


def _properties(node: NodeId, durable: bool, budget_s: float | None) -> Properties:
    expiration = str(max(1, int(budget_s * 1000))) if budget_s is not None and not durable else None
    return Properties(
        content_type="application/json",
        delivery_mode=PERSISTENT if durable else TRANSIENT,
        expiration=expiration,
        user_id=node,
    )
