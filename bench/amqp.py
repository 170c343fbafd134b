"""AMQP messages per second and RPC time against pika's Twisted adapter, stock txamqp and frames packed by hand.

    python -m bench.amqp [--address HOST:PORT] [--messages N] [--calls N] [--rounds N]

A message is 256 bytes, published with a confirm, consumed and acknowledged, all in one process with one connection to
publish and one to consume; 256 publishes are open at a time. An RPC call goes to an echo over one queue and comes back
over another, one at a time. Every peer does the same in turn, in one run, ``--rounds`` times; the best round counts
(the median of all calls for RPC). Stock txamqp has no specification with confirms and loses its connection at the first
one: it runs here with the product's specification and a delegate that knows ``basic.ack``.

Goals: at least pika's rate, at most 1.1 times its RPC p50. Without ``--address`` a private RabbitMQ is started.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pika
import structlog
from pika.adapters.twisted_connection import TwistedProtocolConnection
from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import ClientCreator, Factory
from txamqp.client import TwistedDelegate
from txamqp.content import Content
from txamqp.protocol import AMQClient

from bench.output import say
from federation.links.amqp import frames
from federation.links.amqp.connection import Login
from federation.links.amqp.consumer import Consumer
from federation.links.amqp.content import Delivery, Properties
from federation.links.amqp.publisher import Publisher
from federation.links.amqp.reconnect import BrokerAccess
from federation.links.amqp.specification import specification
from federation.links.amqp.topology import Queue, Topology

reactor: Any = _reactor
BODY = b"x" * 256
WINDOW = 256
RATE_QUEUE, CALL_QUEUE, ANSWER_QUEUE = "bench.rate", "bench.call", "bench.answer"
QUEUES = (RATE_QUEUE, CALL_QUEUE, ANSWER_QUEUE)
PREFETCH = 512

Answer = Callable[[], None]


class Peer(Protocol):
    """One way to speak AMQP."""

    name: str

    async def open(self, host: str, port: int) -> None:
        """Connect, declare nothing, consume the rate queue, the call queue (echo) and the answer queue."""

    def publish(self, confirmed: Answer) -> None:
        """Publish to the rate queue; ``confirmed()`` on the confirm."""

    def call(self) -> None:
        """Publish to the call queue; the echo comes to ``answered``."""

    on_delivery: Answer
    answered: Answer

    async def close(self) -> None:
        """Disconnect."""


def nothing() -> None:
    """Before a measurement begins."""


def refused(failure: Any) -> None:
    raise SystemExit(f"a publish failed: {failure.value}")


class Ours:
    """The product's layer."""

    name = "yihaotong"

    def __init__(self) -> None:
        self.on_delivery: Answer = nothing
        self.answered: Answer = nothing
        self._properties = Properties(delivery_mode=1, user_id="guest")

    async def open(self, host: str, port: int) -> None:
        access = BrokerAccess((f"{host}:{port}",), Login("guest", "guest"))
        self._publisher, self._consumer = Publisher(reactor, access), Consumer(reactor, access)
        self._publisher.start()
        self._consumer.start()
        await self._publisher.when_connected(1)
        await self._consumer.when_connected(1)
        for queue, take in ((RATE_QUEUE, self._take), (CALL_QUEUE, self._echo), (ANSWER_QUEUE, self._answer)):
            await self._consumer.consume(queue, take, prefetch=PREFETCH).when_active()

    def publish(self, confirmed: Answer) -> None:
        self._publisher.publish("", RATE_QUEUE, BODY, self._properties).addCallbacks(lambda _: confirmed(), refused)

    def call(self) -> None:
        self._publisher.publish("", CALL_QUEUE, BODY, self._properties).addErrback(refused)

    def _take(self, delivery: Delivery) -> None:
        delivery.ack()
        self.on_delivery()

    def _echo(self, delivery: Delivery) -> None:
        self._publisher.publish("", ANSWER_QUEUE, delivery.body, self._properties).addErrback(refused)
        delivery.ack()

    def _answer(self, delivery: Delivery) -> None:
        delivery.ack()
        self.answered()

    async def close(self) -> None:
        await self._publisher.stop()
        await self._consumer.stop()


class Pika:
    """pika's Twisted adapter, as its documentation shows it."""

    name = "pika"

    def __init__(self) -> None:
        self.on_delivery: Answer = nothing
        self.answered: Answer = nothing
        self._properties = pika.BasicProperties(delivery_mode=1)

    async def open(self, host: str, port: int) -> None:
        self._connections = []
        channels = []
        for _ in range(2):
            creator = ClientCreator(reactor, TwistedProtocolConnection, pika.ConnectionParameters())
            connection = await creator.connectTCP(host, port)
            await connection.ready
            self._connections.append(connection)
            channels.append(await connection.channel())
        self._out, self._in = channels
        await self._out.confirm_delivery()
        await self._in.basic_qos(prefetch_count=PREFETCH)
        for queue, take in ((RATE_QUEUE, self._take), (CALL_QUEUE, self._echo), (ANSWER_QUEUE, self._answer)):
            deliveries, _ = await self._in.basic_consume(queue=queue)
            self._next(deliveries, take)

    def _next(self, deliveries: Any, take: Callable[[Any], None]) -> None:
        def got(message: Any) -> None:
            take(message)
            self._next(deliveries, take)

        deliveries.get().addCallbacks(got, lambda _: None)

    def publish(self, confirmed: Answer) -> None:
        self._out.basic_publish("", RATE_QUEUE, BODY, self._properties).addCallbacks(lambda _: confirmed(), refused)

    def call(self) -> None:
        self._out.basic_publish("", CALL_QUEUE, BODY, self._properties).addErrback(refused)

    def _take(self, message: Any) -> None:
        channel, method, _, _ = message
        channel.basic_ack(method.delivery_tag)
        self.on_delivery()

    def _echo(self, message: Any) -> None:
        channel, method, _, body = message
        self._out.basic_publish("", ANSWER_QUEUE, body, self._properties).addErrback(refused)
        channel.basic_ack(method.delivery_tag)

    def _answer(self, message: Any) -> None:
        channel, method, _, _ = message
        channel.basic_ack(method.delivery_tag)
        self.answered()

    async def close(self) -> None:
        for connection in self._connections:
            await connection.close()


class HandPacked:
    """Frames packed and cut with no promises around them: what the machine and the broker allow."""

    name = "hand_packed"

    def __init__(self) -> None:
        self.on_delivery: Answer = nothing
        self.answered: Answer = nothing

    async def open(self, host: str, port: int) -> None:
        self._confirmed: dict[int, Answer] = {}
        self._sent = 0
        access = BrokerAccess((f"{host}:{port}",), Login("guest", "guest", heartbeat_seconds=0))
        self._publisher, self._consumer = Publisher(reactor, access), Consumer(reactor, access)
        self._publisher.start()
        self._consumer.start()
        await self._publisher.when_connected(1)
        await self._consumer.when_connected(1)
        for queue in QUEUES:
            await self._consumer.consume(queue, lambda delivery: None, prefetch=PREFETCH).when_active()
        publishing, consuming = self._publisher._kept.connection, self._consumer.connection
        assert publishing is not None
        assert consuming is not None
        self._out, self._in = publishing.transport, consuming.transport
        content = frames.pack_content(1, Properties(delivery_mode=1).packed(), BODY, 131_072)
        self._rate, self._call, self._echoed = (
            frames.pack_publish_method(1, "", queue, mandatory=False) + content for queue in QUEUES
        )
        self._takes: dict[int, Answer] = {1: lambda: self.on_delivery(), 2: self._echo, 3: lambda: self.answered()}
        # On the instance: from here on the bytes pass by the layer.
        publishing.dataReceived = self._publishing_data  # type: ignore[method-assign]
        consuming.dataReceived = self._consuming_data  # type: ignore[method-assign]
        self._out_buffer, self._in_buffer = frames.FrameBuffer(131_072), frames.FrameBuffer(131_072)

    def publish(self, confirmed: Answer) -> None:
        self._send(self._rate, confirmed)

    def call(self) -> None:
        self._send(self._call, nothing)

    def _echo(self) -> None:
        self._send(self._echoed, nothing)

    def _send(self, packed: bytes, confirmed: Answer) -> None:
        self._sent += 1
        self._confirmed[self._sent] = confirmed
        self._out.write(packed)

    def _publishing_data(self, data: bytes) -> None:
        for _, _, payload in self._out_buffer.feed(data):
            if payload[:4] == b"\x00\x3c\x00\x50":
                tag, multiple = frames.parse_tag_and_bits(payload)
                if not multiple:
                    self._confirmed.pop(tag)()
                    continue
                for earlier in [each for each in self._confirmed if each <= tag]:
                    self._confirmed.pop(earlier)()

    def _consuming_data(self, data: bytes) -> None:
        acks = []
        for kind, channel, payload in self._in_buffer.feed(data):
            if kind == frames.METHOD and frames.parse_method_id(payload) == frames.DELIVER:
                tag, _ = frames.parse_tag_and_bits(payload, 5 + payload[4])
                acks.append(frames.pack_ack(channel, tag))
            elif kind == frames.BODY:
                self._takes[channel]()
        self._in.write(b"".join(acks))

    async def close(self) -> None:
        await self._publisher.stop()
        await self._consumer.stop()


class StockTxamqp:
    """txamqp as it is, with the product's specification and the one delegate method it lacks."""

    name = "txamqp"

    def __init__(self) -> None:
        self.on_delivery: Answer = nothing
        self.answered: Answer = nothing

    async def open(self, host: str, port: int) -> None:
        self._confirms: dict[int, Answer] = {}
        self._sent = 0
        confirms = self._confirms

        class Delegate(TwistedDelegate):  # type: ignore[misc]  # txamqp is untyped
            def basic_ack(self, channel: Any, message: Any) -> None:
                tags = [tag for tag in confirms if tag <= message.delivery_tag] if message.multiple else None
                for tag in tags or [message.delivery_tag]:
                    confirms.pop(tag)()

        class Client(AMQClient):  # type: ignore[misc]  # txamqp is untyped
            def send_init_string(self) -> None:
                self.transport.write(frames.PROTOCOL_HEADER)

        self._clients = []
        for _ in range(2):
            factory = Factory.forProtocol(lambda: Client(Delegate(), "/", specification(), clock=reactor))
            client: Any = await TCP4ClientEndpoint(reactor, host, port).connect(factory)
            await client.authenticate("guest", "guest")
            self._clients.append(client)
        self._out = await self._clients[0].channel(1)
        self._in = await self._clients[1].channel(1)
        await self._out.channel_open()
        await self._out.confirm_select()
        await self._in.channel_open()
        await self._in.basic_qos(prefetch_count=PREFETCH)
        for queue, take in ((RATE_QUEUE, self._take), (CALL_QUEUE, self._echo), (ANSWER_QUEUE, self._answer)):
            await self._in.basic_consume(queue=queue, consumer_tag=queue)
            self._next(await self._clients[1].queue(queue), take)

    def _next(self, deliveries: Any, take: Callable[[Any], None]) -> None:
        def got(message: Any) -> None:
            take(message)
            self._next(deliveries, take)

        deliveries.get().addCallbacks(got, lambda _: None)

    def _publish(self, queue: str, body: bytes, confirmed: Answer) -> None:
        self._sent += 1
        self._confirms[self._sent] = confirmed
        content = Content(body, properties={"delivery-mode": 1})
        self._out.basic_publish(routing_key=queue, content=content).addErrback(refused)

    def publish(self, confirmed: Answer) -> None:
        self._publish(RATE_QUEUE, BODY, confirmed)

    def call(self) -> None:
        self._publish(CALL_QUEUE, BODY, nothing)

    def _take(self, message: Any) -> None:
        self._in.basic_ack(delivery_tag=message.delivery_tag).addErrback(refused)
        self.on_delivery()

    def _echo(self, message: Any) -> None:
        body = message.content.body
        self._publish(ANSWER_QUEUE, body.encode() if isinstance(body, str) else body, nothing)
        self._in.basic_ack(delivery_tag=message.delivery_tag).addErrback(refused)

    def _answer(self, message: Any) -> None:
        self._in.basic_ack(delivery_tag=message.delivery_tag).addErrback(refused)
        self.answered()

    async def close(self) -> None:
        for client in self._clients:
            client.transport.loseConnection()


async def rate(peer: Peer, messages: int) -> float:
    """Messages per second until all are confirmed, delivered and acknowledged."""
    finished: Deferred[None] = Deferred()
    counts = {"sent": 0, "confirmed": 0, "delivered": 0}

    def check() -> None:
        if counts["confirmed"] == counts["delivered"] == messages:
            finished.callback(None)

    def confirmed() -> None:
        counts["confirmed"] += 1
        if counts["sent"] < messages:
            counts["sent"] += 1
            peer.publish(confirmed)
        else:
            check()

    def delivered() -> None:
        counts["delivered"] += 1
        if counts["delivered"] == messages:
            check()

    peer.on_delivery = delivered
    began = time.perf_counter()
    counts["sent"] = min(WINDOW, messages)
    for _ in range(counts["sent"]):
        peer.publish(confirmed)
    await finished
    return messages / (time.perf_counter() - began)


async def calls(peer: Peer, number: int) -> list[float]:
    """Milliseconds of each call."""
    finished: Deferred[None] = Deferred()
    times: list[float] = []
    began = 0.0

    def answered() -> None:
        nonlocal began
        now = time.perf_counter()
        times.append((now - began) * 1000)
        if len(times) == number:
            finished.callback(None)
        else:
            began = time.perf_counter()
            peer.call()

    peer.answered = answered
    began = time.perf_counter()
    peer.call()
    await finished
    return times


async def declare_queues(host: str, port: int) -> None:
    """The three queues, for everybody."""
    topology = Topology(queues=tuple(Queue(name, durable=False) for name in QUEUES))
    publisher = Publisher(reactor, BrokerAccess((f"{host}:{port}",), Login("guest", "guest")), topology=topology)
    publisher.start()
    await publisher.when_connected(1)
    await publisher.stop()


async def measure(host: str, port: int, messages: int, number: int, rounds: int) -> dict[str, Any]:
    """All peers in turn, ``rounds`` times."""
    await declare_queues(host, port)
    kinds: tuple[Callable[[], Peer], ...] = (Ours, Pika, StockTxamqp, HandPacked)
    rates: dict[str, list[float]] = {}
    times: dict[str, list[float]] = {}
    for _ in range(rounds):
        for kind in kinds:
            peer = kind()
            await peer.open(host, port)
            gc.collect()
            await rate(peer, messages // 10)
            rates.setdefault(peer.name, []).append(await rate(peer, messages))
            times.setdefault(peer.name, []).extend(await calls(peer, number))
            await peer.close()
    best = {name: max(found) for name, found in rates.items()}
    median = {name: statistics.median(found) for name, found in times.items()}
    return {
        "bench": "amqp",
        "bytes": len(BODY),
        "messages_per_s": {name: round(found) for name, found in best.items()},
        "rpc_p50_ms": {name: round(found, 3) for name, found in median.items()},
        "rate_ratio_to_pika": round(best["yihaotong"] / best["pika"], 2),
        "rate_ratio_to_txamqp": round(best["yihaotong"] / best["txamqp"], 2),
        "rate_ratio_to_hand_packed": round(best["yihaotong"] / best["hand_packed"], 2),
        "rpc_ratio_to_pika": round(median["yihaotong"] / median["pika"], 2),
    }


def run(host: str, port: int, arguments: argparse.Namespace) -> None:
    """Measure on the reactor and print one JSON line."""

    def failed(failure: Any) -> None:
        print(failure.getTraceback())

    measuring = Deferred.fromCoroutine(measure(host, port, arguments.messages, arguments.calls, arguments.rounds))
    measuring.addCallback(lambda found: say(found)).addErrback(failed)
    measuring.addBoth(lambda _: reactor.stop())
    reactor.run()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--address", help="of a RabbitMQ where guest/guest may do everything")
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--calls", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    if arguments.address:
        host, _, port = arguments.address.rpartition(":")
        run(host, int(port), arguments)
        return
    from tests.real.amqp_broker import RabbitNode

    with tempfile.TemporaryDirectory() as folder:
        node = RabbitNode(Path(folder))
        node.start()
        try:
            run("127.0.0.1", node.port, arguments)
        finally:
            node.stop()


if __name__ == "__main__":
    main()
