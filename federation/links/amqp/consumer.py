"""Consuming: deliveries to one function per queue, subscriptions made again after every loss (rows 1, 2, 5 and 7)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog
from twisted.internet.base import DelayedCall
from twisted.internet.defer import Deferred

from dataset.errors import Problem
from federation.links.amqp import frames
from federation.links.amqp.connection import BrokerConnection
from federation.links.amqp.content import Delivery
from federation.links.amqp.errors import AmqpFailure, BrokerLost
from federation.links.amqp.reconnect import (
    BackOff,
    BrokerAccess,
    BrokerState,
    FailureListener,
    KeptConnection,
    StateListener,
)
from federation.links.amqp.topology import Topology, declare

log = structlog.get_logger(__name__)

OnDelivery = Callable[[Delivery], None]
"""Gets each message and settles it, then or later. If it raises, the message is refused without requeue."""
OnInterrupted = Callable[[Problem], None]
"""Hears why a subscription gets nothing for now, e.g. that its queue was deleted; it is made again by itself."""
OnOversized = Callable[[int], None]
"""Hears the bytes of a message that was refused unread."""


class _ConsumingChannel:
    """One subscription's life on one channel: its own prefetch and its own delivery tags."""

    def __init__(self, subscription: Subscription, connection: BrokerConnection) -> None:
        self._subscription = subscription
        self._connection = connection
        self._channel: Any = None
        self._number = 0
        self._open = True
        self.began = False
        """The broker has agreed; what goes wrong before, ``open`` raises."""
        self.ended = False

    async def open(self, within: float) -> None:
        """Open, limit, consume. Raises as :meth:`BrokerConnection.call`."""
        subscription = self._subscription
        self._channel = await self._connection.open_channel(self, within)
        self._number = self._channel.id
        await self._connection.call(self._channel, "basic_qos", within, prefetch_count=subscription.prefetch)
        await self._connection.call(
            self._channel, "basic_consume", within, queue=subscription.queue, exclusive=subscription.exclusive
        )
        self.began = True

    async def close(self, within: float) -> None:
        """Stop consuming; unsettled messages go back to the queue."""
        self.ended = True
        if self._open and not self._connection.closed:
            await self._connection.close_channel(self._channel, within)

    # what comes

    def delivered(self, tag: int, redelivered: bool, address: bytes, header: bytes, body: bytes) -> None:
        """To the subscription's function; what it raises is this message's end, not the connection's."""
        delivery = Delivery(self, tag, redelivered, address, header, body)
        try:
            self._subscription.on_delivery(delivery)
        except Exception:  # logged with its traceback; the message goes to the dead letters, unless it was settled
            log.exception("amqp_delivery_failed", queue=self._subscription.queue, broker=self._connection.place)
            delivery.nack(False)

    def oversized(self, tag: int, size: int) -> None:
        """Refused unread: nobody's memory is spent on it."""
        log.error("amqp_oversized", queue=self._subscription.queue, bytes=size, broker=self._connection.place)
        self.nack(tag, False)
        self._subscription.on_oversized(size)

    def cancelled(self) -> None:
        """The broker ended the consumer."""
        queue = self._subscription.queue
        self._interrupted(
            Problem("amqp-cancelled", f"队列 {queue} 已被删除", f"queue {queue} was deleted", self._connection.place)
        )

    def closed(self, problem: Problem) -> None:
        """The channel is gone, and its delivery tags with it."""
        self._open = False
        self._interrupted(problem)

    def _interrupted(self, problem: Problem) -> None:
        began, self.ended = self.began and not self.ended, True
        if began:
            self._subscription.interrupted(self, problem)

    # verdicts

    def ack(self, tag: int) -> None:
        """Settle one delivery."""
        if self._open:
            self._connection.write(frames.pack_ack(self._number, tag))

    def nack(self, tag: int, requeue: bool) -> None:
        """Refuse one delivery."""
        if self._open:
            self._connection.write(frames.pack_nack(self._number, tag, requeue=requeue))

    # nothing is published here

    def confirmed(self, tag: int, multiple: bool) -> None:
        """Nothing is published here."""

    def refused(self, tag: int, multiple: bool) -> None:
        """Nothing is published here."""

    def returned(self, code: int, text: str, header: bytes) -> None:
        """Nothing is published here."""


class Subscription:
    """One queue being consumed, until :meth:`stop`."""

    def __init__(
        self,
        consumer: Consumer,
        queue: str,
        on_delivery: OnDelivery,
        on_interrupted: OnInterrupted,
        prefetch: int,
        exclusive: bool,
        on_oversized: OnOversized,
    ) -> None:
        self.queue = queue
        self.on_oversized = on_oversized
        self.on_delivery = on_delivery
        self.prefetch = prefetch
        self.exclusive = exclusive
        self._consumer = consumer
        self._on_interrupted = on_interrupted
        self._channel: _ConsumingChannel | None = None
        self._retry: DelayedCall | None = None
        self._beginning: BrokerConnection | None = None
        self._attempts = 0
        self._stopped = False
        self._waiting: list[Deferred[None]] = []

    @property
    def active(self) -> bool:
        """Whether messages come now."""
        return self._channel is not None

    def when_active(self) -> Deferred[None]:
        """Fires when messages come, at once if they do."""
        answer: Deferred[None] = Deferred()
        if self.active:
            answer.callback(None)
        else:
            self._waiting.append(answer)
        return answer

    async def stop(self) -> None:
        """Consume no more; unsettled messages go back to the queue."""
        channel = self._channel
        self.forgotten()
        if channel is not None:
            await channel.close(self._consumer.call_seconds)

    def forgotten(self) -> None:
        """Nothing will be begun again, and the end of the channel is no news."""
        self._consumer.forget(self)
        self._stopped = True
        self._cancel_retry()
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.ended = True
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.cancel()

    async def begin(self, connection: BrokerConnection) -> None:
        """Consume on ``connection``. Raises :class:`BrokerRefused` or :class:`BrokerLost`."""
        self._cancel_retry()
        channel = _ConsumingChannel(self, connection)
        try:
            await channel.open(self._consumer.call_seconds)
        except AmqpFailure:
            channel.ended = True
            raise
        if self._stopped:
            await channel.close(self._consumer.call_seconds)
            return
        self._channel = channel
        self._attempts = 0
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(None)

    def interrupted(self, channel: _ConsumingChannel, problem: Problem) -> None:
        """Called by its channel: no more from there."""
        if self._channel is channel:
            self._channel = None
        log.warning("amqp_consumer_interrupted", queue=self.queue, slug=problem.slug, reason=problem.en)
        self._on_interrupted(problem)
        self.try_later()

    def try_later(self) -> None:
        """After a back-off, if the connection is still the one; a new connection begins all subscriptions itself."""
        self._cancel_retry()
        connection = self._consumer.connection
        if connection is None or connection.closed or self._stopped:
            return
        self._attempts += 1
        self._retry = self._consumer.call_later(self._attempts, self.try_now)

    def try_now(self) -> None:
        """Begin on the connection of now, unless that has been done or is to be done."""
        self._cancel_retry()
        connection = self._consumer.connection
        if connection is None or connection is self._beginning or self.active or self._stopped:
            return
        self._beginning = connection
        Deferred.fromCoroutine(self._begin_again(connection)).addErrback(
            lambda failure: log.error("amqp_consumer_failed", queue=self.queue, reason=str(failure.value))
        )

    async def _begin_again(self, connection: BrokerConnection) -> None:
        try:
            if self._attempts:
                await self._consumer.declare_again(connection)
            await self.begin(connection)
        except AmqpFailure as failure:
            log.warning("amqp_consumer_refused", queue=self.queue, slug=failure.problem.slug, reason=failure.problem.en)
            self._on_interrupted(failure.problem)
            self._ended_beginning(connection)
            self.try_later()
        else:
            self._ended_beginning(connection)

    def _ended_beginning(self, connection: BrokerConnection) -> None:
        if self._beginning is connection:
            self._beginning = None

    def _cancel_retry(self) -> None:
        if self._retry is not None and self._retry.active():
            self._retry.cancel()
        self._retry = None


class Consumer:
    """Consumes from the first broker that can be reached, on a connection of its own.

    ``topology`` is declared on every new connection and before a deleted queue is consumed again.
    """

    def __init__(
        self,
        reactor: Any,
        access: BrokerAccess,
        *,
        topology: Topology | None = None,
        changed: StateListener = lambda state, problem: None,
        back_off: Callable[[int], float] | None = None,
        failed: FailureListener = lambda problem: None,
    ) -> None:
        self._reactor = reactor
        self._topology = topology or Topology()
        self._back_off = back_off or BackOff()
        self._subscriptions: list[Subscription] = []
        self.call_seconds = access.call_seconds
        self._changed = changed
        self._kept = KeptConnection(
            reactor, access, prepare=self._prepare, changed=self._state_changed, back_off=self._back_off, failed=failed
        )

    def start(self) -> None:
        """Begin connecting; never fails."""
        self._kept.start()

    def when_connected(self, attempts: int | None = None) -> Deferred[None]:
        """Fires when connected; with ``attempts``, fails after so many rounds over all addresses."""
        return self._kept.when_connected(attempts)

    async def stop(self) -> None:
        """Close; unsettled messages go back to their queues."""
        for subscription in list(self._subscriptions):
            subscription.forgotten()
        await self._kept.stop()

    @property
    def state(self) -> BrokerState:
        """Connected or lost."""
        return self._kept.state

    @property
    def connection(self) -> BrokerConnection | None:
        """The connection of now."""
        return self._kept.connection

    async def declare(self, topology: Topology) -> None:
        """Declare more, now and on every later connection. Raises :class:`BrokerRefused` or :class:`BrokerLost`."""
        connection = self._kept.connection
        if connection is None:
            raise BrokerLost(Problem("amqp-lost", "尚未接通代理", "not connected to a broker"))
        await declare(connection, topology, self.call_seconds)
        self._topology += topology

    def consume(
        self,
        queue: str,
        on_delivery: OnDelivery,
        *,
        prefetch: int = 100,
        exclusive: bool = False,
        on_interrupted: OnInterrupted = lambda problem: None,
        on_oversized: OnOversized = lambda size: None,
    ) -> Subscription:
        """Consume ``queue`` from now on, on this and every later connection.

        At most ``prefetch`` messages are unsettled at a time. Never fails: what keeps it from consuming is logged and
        tried again; ``on_interrupted`` hears of every interruption, ``on_oversized`` of every message refused unread.
        """
        subscription = Subscription(self, queue, on_delivery, on_interrupted, prefetch, exclusive, on_oversized)
        self._subscriptions.append(subscription)
        connection = self._kept.connection
        if connection is not None:
            subscription.try_now()
        return subscription

    # for subscriptions

    def forget(self, subscription: Subscription) -> None:
        """It has been stopped."""
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)

    def call_later(self, attempt: int, call: Callable[[], None]) -> DelayedCall:
        """After the back-off of this attempt."""
        timer: DelayedCall = self._reactor.callLater(self._back_off(attempt), call)
        return timer

    async def declare_again(self, connection: BrokerConnection) -> None:
        """The topology, of which something was deleted."""
        await declare(connection, self._topology, self.call_seconds)

    async def _prepare(self, connection: BrokerConnection) -> None:
        await declare(connection, self._topology, self.call_seconds)

    def _state_changed(self, state: BrokerState, problem: Problem | None) -> None:
        if state is BrokerState.CONNECTED:
            for subscription in self._subscriptions:
                subscription.try_now()  # each by itself: a queue that cannot be consumed keeps no other from it
        self._changed(state, problem)
