"""Publishing with confirms: every publish has an answer, on a connection that nothing else uses (row 4).

A blocked broker stops reading, heartbeats included; therefore consuming never shares this connection.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import structlog
from twisted.internet.base import DelayedCall
from twisted.internet.defer import Deferred, fail

from dataset.errors import Problem
from federation.links.amqp import frames
from federation.links.amqp.connection import LARGEST_BODY, BrokerConnection
from federation.links.amqp.content import PERSISTENT, Properties, unpack_properties
from federation.links.amqp.errors import AmqpFailure, BrokerLost, ConfirmMissing, PublishRefused
from federation.links.amqp.reconnect import BrokerAccess, BrokerState, FailureListener, KeptConnection, StateListener
from federation.links.amqp.topology import Topology, declare

log = structlog.get_logger(__name__)

DURABLE_MESSAGE = Properties(delivery_mode=PERSISTENT)
"""Properties of a message that survives the broker's restart."""

_ADDRESSES_KEPT = 4_096
RENEW_AFTER_S = 0.5
"""from a message that the broker could not keep to the next channel: a queue has a new leader by then"""


class _Unconfirmed:
    """A publish whose answer has not come."""

    __slots__ = ("answer", "deadline", "message_id")

    def __init__(self, answer: Deferred[None], deadline: float, message_id: str | None) -> None:
        self.answer = answer
        self.deadline = deadline
        self.message_id = message_id


class _ConfirmChannel:
    """A channel in confirm mode: publishes out, their answers back by number.

    A return carries no number, so a mandatory message is told by its message id; the broker sends the return before the
    confirm of the same message.
    """

    def __init__(self, clock: Any, confirm_seconds: float, connection: BrokerConnection) -> None:
        self._clock = clock
        self._seconds = clock.seconds
        self._confirm_seconds = confirm_seconds
        self._connection = connection
        self.unconfirmed: dict[int, _Unconfirmed] = {}
        self._returned: dict[str, Problem] = {}
        self._next = 1
        self._timer: DelayedCall | None = None
        self._methods: dict[tuple[str, str, bool], bytes] = {}
        self._ids = uuid4().hex[:12]
        self.number = 0
        self._channel: Any = None
        self._retired = False
        self.on_closed: Callable[[Problem], None] = lambda problem: None
        self.on_refused: Callable[[], None] = lambda: None

    async def open(self, within: float) -> None:
        """Open and select confirm mode. Raises as :meth:`BrokerConnection.call`."""
        channel = self._channel = await self._connection.open_channel(self, within)
        self.number = channel.id
        await self._connection.call(channel, "confirm_select", within)

    def retire(self) -> None:
        """Nothing more is published here: close once everything has its answer, and tell nobody."""
        self._retired = True
        self.on_closed = lambda problem: None
        self.on_refused = lambda: None
        self._look_whether_done()

    def _look_whether_done(self) -> None:
        if self._retired and not self.unconfirmed and not self._connection.closed:
            self._retired = False
            closing = self._connection.close_channel(self._channel, self._confirm_seconds)
            Deferred.fromCoroutine(closing).addErrback(lambda failure: failure.trap(AmqpFailure))

    def publish(
        self,
        exchange: str,
        routing_key: str,
        body: bytes,
        properties: Properties,
        mandatory: bool,
        message_id: str | None,
    ) -> Deferred[None]:
        address = (exchange, routing_key, mandatory)
        method = self._methods.get(address)
        if method is None:
            if len(self._methods) >= _ADDRESSES_KEPT:
                self._methods.clear()
            method = frames.pack_publish_method(self.number, exchange, routing_key, mandatory=mandatory)
            self._methods[address] = method
        tag = self._next
        if mandatory and message_id is None:
            message_id = properties.message_id or f"{self._ids}-{tag:x}"
        content = frames.pack_content(self.number, properties.packed(message_id), body, self._connection.frame_max)
        self._next = tag + 1
        answer: Deferred[None] = Deferred()
        self.unconfirmed[tag] = _Unconfirmed(answer, self._seconds() + self._confirm_seconds, message_id)
        if self._timer is None:
            self._timer = self._clock.callLater(self._confirm_seconds, self._expire)
        self._connection.write(method + content)
        return answer

    # answers

    def confirmed(self, tag: int, multiple: bool) -> None:
        """Everything up to ``tag``, or ``tag`` alone, is with the broker, unless it was returned before."""
        if not multiple:
            waiting = self.unconfirmed.pop(tag, None)
            if waiting is not None:
                self._settle(waiting)
        else:
            for waiting in self._up_to(tag):
                self._settle(waiting)
        if self._retired:
            self._look_whether_done()

    def refused(self, tag: int, multiple: bool) -> None:
        """The broker could not keep it (a full queue that rejects, a queue's leader lost)."""
        waiting = self.unconfirmed.pop(tag, None)
        lost = self._up_to(tag) if multiple else []
        for each in [*lost, waiting] if waiting is not None else lost:
            problem = Problem(
                "amqp-nacked", "代理未能保存消息", "the broker could not keep the message", self._connection.place
            )
            each.answer.errback(PublishRefused(problem))
        self.on_refused()
        self._look_whether_done()

    def returned(self, code: int, text: str, header: bytes) -> None:
        """No queue takes it; the confirm that follows settles it."""
        message_id = unpack_properties(header).message_id
        problem = Problem(
            "amqp-returned", f"没有队列接收: {code} {text}", f"no queue takes it: {code} {text}", self._connection.place
        )
        if message_id is not None:
            self._returned[message_id] = problem

    def closed(self, problem: Problem) -> None:
        """Whatever has no answer yet may or may not be with the broker."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        lost, self.unconfirmed = self.unconfirmed, {}
        self.on_closed(problem)
        for waiting in lost.values():
            waiting.answer.errback(BrokerLost(problem))

    def _settle(self, waiting: _Unconfirmed) -> None:
        if self._returned and waiting.message_id is not None:
            problem = self._returned.pop(waiting.message_id, None)
            if problem is not None:
                waiting.answer.errback(PublishRefused(problem))
                return
        waiting.answer.callback(None)

    def _up_to(self, tag: int) -> list[_Unconfirmed]:
        unconfirmed = self.unconfirmed
        tags = []
        for each in unconfirmed:  # in order of publishing
            if each > tag:
                break
            tags.append(each)
        return [unconfirmed.pop(each) for each in tags]

    def _expire(self) -> None:
        """The oldest come first: all have waited under the same limit."""
        self._timer = None
        now = self._seconds()
        late = []
        for tag, waiting in self.unconfirmed.items():
            if waiting.deadline > now:
                self._timer = self._clock.callLater(waiting.deadline - now, self._expire)
                break
            late.append(tag)
        for tag in late:
            gone = self.unconfirmed.pop(tag, None)
            if gone is not None:
                problem = Problem(
                    "amqp-unconfirmed",
                    f"{self._confirm_seconds:g} 秒内没有确认",
                    f"no confirm within {self._confirm_seconds:g} s",
                    self._connection.place,
                )
                gone.answer.errback(ConfirmMissing(problem))
        self._look_whether_done()

    # nothing consumes here

    def delivered(self, tag: int, redelivered: bool, address: bytes, header: bytes, body: bytes) -> None:
        """Nothing consumes here."""

    def oversized(self, tag: int, size: int) -> None:
        """Nothing consumes here."""

    def cancelled(self) -> None:
        """Nothing consumes here."""


class Publisher:
    """Publishes to the first broker that can be reached, and says of each message whether it has it.

    ``topology`` is declared on every new connection. ``changed`` hears connected, blocked and lost. While lost or
    blocked, and beyond ``max_unconfirmed`` open answers, publishing fails at once: the place to wait is the caller's
    outbox (S1).
    """

    def __init__(
        self,
        reactor: Any,
        access: BrokerAccess,
        *,
        topology: Topology | None = None,
        changed: StateListener = lambda state, problem: None,
        confirm_seconds: float = 10.0,
        max_unconfirmed: int = 10_000,
        back_off: Callable[[int], float] | None = None,
        failed: FailureListener = lambda problem: None,
    ) -> None:
        self._reactor = reactor
        self._access = access
        self._topology = topology or Topology()
        self._confirm_seconds = confirm_seconds
        self._max_unconfirmed = max_unconfirmed
        self._changed = changed
        self._channel: _ConfirmChannel | None = None
        self._renewal: DelayedCall | None = None
        self._problem = Problem("amqp-lost", "尚未接通代理", "not connected to a broker yet")
        self._kept = KeptConnection(
            reactor, access, prepare=self._prepare, changed=self._state_changed, back_off=back_off, failed=failed
        )

    def start(self) -> None:
        """Begin connecting; never fails."""
        self._kept.start()

    def when_connected(self, attempts: int | None = None) -> Deferred[None]:
        """Fires when connected; with ``attempts``, fails after so many rounds over all addresses."""
        return self._kept.when_connected(attempts)

    async def stop(self) -> None:
        """Close; open answers fail with :class:`BrokerLost`."""
        await self._kept.stop()

    @property
    def state(self) -> BrokerState:
        """Connected, blocked or lost."""
        return self._kept.state if self._channel is not None else BrokerState.LOST

    @property
    def unconfirmed(self) -> int:
        """Publishes without an answer yet."""
        return len(self._channel.unconfirmed) if self._channel is not None else 0

    async def declare(self, topology: Topology) -> None:
        """Declare more, now and on every later connection. Raises :class:`BrokerRefused` or :class:`BrokerLost`."""
        connection = self._kept.connection
        if connection is None:
            raise BrokerLost(self._problem)
        await declare(connection, topology, self._access.call_seconds)
        self._topology += topology

    def publish(
        self,
        exchange: str,
        routing_key: str,
        body: bytes,
        properties: Properties = DURABLE_MESSAGE,
        *,
        mandatory: bool = False,
        message_id: str | None = None,
    ) -> Deferred[None]:
        """Publish; fires when the broker has it (on disk, for a durable message in durable queues).

        Fails with :class:`PublishRefused` (``amqp-nacked``; ``amqp-returned`` when ``mandatory`` and no queue takes
        it; ``amqp-blocked``, ``amqp-busy``, ``amqp-too-large``: not sent), :class:`ConfirmMissing`
        (``amqp-unconfirmed``) or :class:`BrokerLost`; in these last two the broker may have it nevertheless, so
        receivers must be idempotent.
        A mandatory message gets a ``message_id`` when it has none. All publishes of one reactor turn leave in one
        write.
        """
        channel = self._channel
        if channel is None:
            return fail(BrokerLost(self._problem))
        if self._kept.state is BrokerState.BLOCKED:
            return fail(PublishRefused(self._problem))
        if len(channel.unconfirmed) >= self._max_unconfirmed or len(body) > LARGEST_BODY:
            return fail(PublishRefused(self._not_taken(body)))
        try:
            return channel.publish(exchange, routing_key, body, properties, mandatory, message_id)
        except AmqpFailure as failure:
            return fail(failure)

    def _not_taken(self, body: bytes) -> Problem:
        if len(body) > LARGEST_BODY:
            size = f"{len(body)} > {LARGEST_BODY}"
            return Problem("amqp-too-large", f"消息过大: {size} 字节", f"the message is too large: {size} bytes")
        count = self._max_unconfirmed
        return Problem("amqp-busy", f"{count} 条消息仍未确认", f"{count} messages are still without confirm")

    async def _prepare(self, connection: BrokerConnection) -> None:
        await declare(connection, self._topology, self._access.call_seconds)
        self._channel = await self._open_channel(connection)

    async def _open_channel(self, connection: BrokerConnection) -> _ConfirmChannel:
        channel = _ConfirmChannel(self._reactor, self._confirm_seconds, connection)
        await channel.open(self._access.call_seconds)
        channel.on_closed = lambda problem: self._channel_closed(connection, problem)
        channel.on_refused = lambda: self._message_refused(connection, channel)
        return channel

    def _message_refused(self, connection: BrokerConnection, channel: _ConfirmChannel) -> None:
        """A channel whose first message to a quorum queue met the loss of the queue's leader is refused all later ones
        too (RabbitMQ 3.10): the next one finds the new leader.
        """
        if channel is self._channel and self._renewal is None:
            self._renewal = self._reactor.callLater(RENEW_AFTER_S, self._renew, connection, channel)

    def _renew(self, connection: BrokerConnection, channel: _ConfirmChannel) -> None:
        self._renewal = None
        Deferred.fromCoroutine(self._replace(connection, channel)).addErrback(
            lambda failure: log.error("amqp_publishing_channel_failed", reason=str(failure.value))
        )

    async def _replace(self, connection: BrokerConnection, channel: _ConfirmChannel) -> None:
        """What was published before still gets its answers on the channel before."""
        try:
            fresh = await self._open_channel(connection)
        except AmqpFailure as failure:  # a connection that is gone says so itself
            log.warning("amqp_publishing_channel_failed", broker=connection.place, reason=failure.problem.en)
            return
        if channel is self._channel:
            self._channel = fresh
            channel.retire()
            log.info("amqp_publishing_channel_renewed", broker=connection.place)
        else:
            fresh.retire()

    def _channel_closed(self, connection: BrokerConnection, problem: Problem) -> None:
        """The broker closes a channel over a publish to an exchange that is not there, or not allowed."""
        self._channel = None
        self._problem = problem
        if self._renewal is not None:
            self._renewal.cancel()
            self._renewal = None
        if not connection.closed:
            # A new connection instead of a new channel: the same back-off then guards against doing it for ever.
            log.warning("amqp_publishing_channel_closed", slug=problem.slug, broker=connection.place, reason=problem.en)
            connection.abort(problem)

    def _state_changed(self, state: BrokerState, problem: Problem | None) -> None:
        if problem is not None:
            self._problem = problem
        self._changed(state, problem)
