"""Exchanges, queues and bindings as data, declared again after every reconnect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dataset.errors import Problem
from federation.links.amqp.connection import BrokerConnection


@dataclass(frozen=True, slots=True)
class Exchange:
    """An exchange; ``kind`` is direct, topic, fanout or headers. ``passive``: it must be there already, which needs no
    right to declare it.
    """

    name: str
    kind: str = "topic"
    passive: bool = False
    durable: bool = True
    auto_delete: bool = False
    internal: bool = False
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue. ``arguments``: ``x-queue-type``, ``x-message-ttl`` (ms), ``x-dead-letter-exchange``, ..."""

    name: str
    durable: bool = True
    exclusive: bool = False
    auto_delete: bool = False
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Binding:
    """Messages of ``exchange`` with this routing key go to ``queue``."""

    exchange: str
    queue: str
    routing_key: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Topology:
    """What has to be there before anything is published or consumed."""

    exchanges: tuple[Exchange, ...] = ()
    queues: tuple[Queue, ...] = ()
    bindings: tuple[Binding, ...] = ()

    def __add__(self, other: Topology) -> Topology:
        return Topology(self.exchanges + other.exchanges, self.queues + other.queues, self.bindings + other.bindings)

    def __bool__(self) -> bool:
        return bool(self.exchanges or self.queues or self.bindings)


class _DeclaringChannel:
    """A channel that only asks questions: nothing is ever delivered to it."""

    def delivered(self, tag: int, redelivered: bool, address: bytes, header: bytes, body: bytes) -> None:
        """Nothing consumes here."""

    def oversized(self, tag: int, size: int) -> None:
        """Nothing consumes here."""

    def confirmed(self, tag: int, multiple: bool) -> None:
        """Nothing is published here."""

    def refused(self, tag: int, multiple: bool) -> None:
        """Nothing is published here."""

    def returned(self, code: int, text: str, header: bytes) -> None:
        """Nothing is published here."""

    def cancelled(self) -> None:
        """Nothing consumes here."""

    def closed(self, problem: Problem) -> None:
        """Whoever asked hears it from the question."""


async def declare(connection: BrokerConnection, topology: Topology, within: float) -> None:
    """Declare everything, each answer within ``within`` seconds, on a channel of its own.

    Raises :class:`BrokerRefused` when something is there already but differently (406), may not be touched (403), or
    should be there and is not (404);
    :class:`BrokerLost` when the connection ends.
    """
    if not topology:
        return
    channel = await connection.open_channel(_DeclaringChannel(), within)
    for exchange in topology.exchanges:
        await connection.call(
            channel,
            "exchange_declare",
            within,
            exchange=exchange.name,
            type=exchange.kind,
            passive=exchange.passive,
            durable=exchange.durable,
            auto_delete=exchange.auto_delete,
            internal=exchange.internal,
            arguments=exchange.arguments,
        )
    for queue in topology.queues:
        await connection.call(
            channel,
            "queue_declare",
            within,
            queue=queue.name,
            durable=queue.durable,
            exclusive=queue.exclusive,
            auto_delete=queue.auto_delete,
            arguments=queue.arguments,
        )
    for binding in topology.bindings:
        await connection.call(
            channel,
            "queue_bind",
            within,
            queue=binding.queue,
            exchange=binding.exchange,
            routing_key=binding.routing_key,
            arguments=binding.arguments,
        )
    await connection.close_channel(channel, within)
