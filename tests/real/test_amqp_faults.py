"""What breaks around a real RabbitMQ, and that nothing confirmed is lost by it (rows 7, 8 and 9 of docs/amqp.md)."""

from __future__ import annotations

from time import monotonic
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.threads import deferToThread

from federation.links.amqp.connection import Login
from federation.links.amqp.consumer import Consumer
from federation.links.amqp.content import Delivery
from federation.links.amqp.errors import AmqpFailure, BrokerLost, ConfirmMissing
from federation.links.amqp.publisher import Publisher
from federation.links.amqp.reconnect import BackOff, BrokerAccess, BrokerState
from federation.links.amqp.topology import Queue, Topology
from tests.harness.real_reactor import Recorder, run_on_reactor
from tests.real.amqp_broker import RabbitNode, free_port

HEARTBEAT = 1
QUICK = BackOff(first=0.1, longest=1.0)


def access(*addresses: str, heartbeat: int = HEARTBEAT, connect: float = 3.0) -> BrokerAccess:
    login = Login("guest", "guest", name="fault test", heartbeat_seconds=heartbeat)
    return BrokerAccess(addresses, login, connect_seconds=connect)


class WebServer(Protocol):
    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        assert self.transport is not None
        self.transport.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")


async def outcome(answer: Deferred[None]) -> str:
    try:
        await answer
    except AmqpFailure as failure:
        return failure.problem.slug
    return "kept"


def test_row_8_the_heartbeat_is_negotiated_and_keeps_an_idle_connection(rabbit: RabbitNode) -> None:
    """The shorter of both sides' intervals; nothing happens for five of them and the connection is still the same."""

    async def work(reactor: Any) -> tuple[int, list[str]]:
        states = Recorder()
        consumer = Consumer(reactor, access(rabbit.address), changed=lambda *news: states.put(news))
        consumer.start()
        await consumer.when_connected(1)
        assert consumer.connection is not None
        negotiated = consumer.connection.heartbeat
        idle: Deferred[None] = Deferred()
        reactor.callLater(5.0 * HEARTBEAT, idle.callback, None)
        await idle
        seen = [state for state, _ in states.items]
        await consumer.stop()
        return negotiated, seen

    assert run_on_reactor(work) == (HEARTBEAT, ["connected"])


def test_row_8_a_frozen_broker_is_noticed_within_three_and_a_half_intervals(rabbit: RabbitNode) -> None:
    """SIGSTOP: sockets stay open and nothing answers. Both connections notice, and come back when it goes on."""

    async def work(reactor: Any) -> list[float]:
        states = Recorder()
        topology = Topology(queues=(Queue("frozen", durable=False),))
        back = Recorder()
        publisher = Publisher(
            reactor, access(rabbit.address), topology=topology, back_off=QUICK, changed=lambda *n: states.put(n)
        )
        consumer = Consumer(
            reactor, access(rabbit.address), topology=topology, back_off=QUICK, changed=lambda *n: states.put(n)
        )
        publisher.start()
        consumer.start()
        await publisher.when_connected(1)
        await consumer.when_connected(1)

        def keep(delivery: Delivery) -> None:
            delivery.ack()
            back.put(delivery)

        await consumer.consume("frozen", keep).when_active()
        noticed: list[float] = []
        rabbit.freeze()
        frozen_at = monotonic()
        open_publish = publisher.publish("", "frozen", b"?")
        for count in (3, 4):
            await states.count(count)
            noticed.append(monotonic() - frozen_at)
        assert [news[0] for news in states.items[2:]] == ["lost", "lost"]
        assert {news[1].slug for news in states.items[2:]} == {"amqp-silent"}
        assert await outcome(open_publish) == "amqp-silent"
        assert isinstance(publisher.publish("", "frozen", b"").addErrback(lambda failure: None), Deferred)
        rabbit.thaw()
        await states.until(lambda items: [news[0] for news in items[4:]].count(BrokerState.CONNECTED) == 2, 15.0)
        await publisher.publish("", "frozen", b"thawed", mandatory=True)
        await back.until(lambda items: any(delivery.body == b"thawed" for delivery in items))
        await publisher.stop()
        await consumer.stop()
        return noticed

    noticed = run_on_reactor(work, 60.0)
    intervals = ", ".join(f"{seconds / HEARTBEAT:.2f}" for seconds in noticed)
    print(f"a frozen broker was noticed after {intervals} intervals")
    assert max(noticed) <= 3.5 * HEARTBEAT


def test_row_9_nothing_confirmed_is_lost_when_the_broker_is_killed_and_started_again(rabbit: RabbitNode) -> None:
    """Kill -9 under load, with an outbox that publishes again what was not confirmed: all arrive, some twice."""
    topology = Topology(queues=(Queue("killed"),))
    total = 3_000

    async def work(reactor: Any) -> tuple[set[int], int, list[str]]:
        states, got = Recorder(), Recorder()
        publisher = Publisher(
            reactor, access(rabbit.address), topology=topology, back_off=QUICK, changed=lambda *n: states.put(n)
        )
        consumer = Consumer(reactor, access(rabbit.address), topology=topology, back_off=QUICK)
        publisher.start()
        consumer.start()
        await publisher.when_connected(1)

        def keep(delivery: Delivery) -> None:
            delivery.ack()
            got.put(int(delivery.body))

        consumer.consume("killed", keep)
        waiting = list(range(total))
        killed = False
        down: Deferred[None] | None = None
        confirmed = 0
        while waiting:
            batch, waiting = waiting[:500], waiting[500:]
            answers = [publisher.publish("", "killed", b"%d" % n, mandatory=True) for n in batch]
            if confirmed >= 1_000 and not killed:
                killed = True
                rabbit.kill()
                down = deferToThread(rabbit.start)
            for number, answer in zip(batch, answers, strict=True):
                if await outcome(answer) == "kept":
                    confirmed += 1
                else:
                    waiting.append(number)
            if publisher.state is not BrokerState.CONNECTED:
                await publisher.when_connected()
        assert down is not None
        await down
        await got.until(lambda items: len(set(items)) == total, 30.0)
        await publisher.stop()
        await consumer.stop()
        return set(got.items), len(got.items), [news[0] for news in states.items[:3]]

    seen, deliveries, states = run_on_reactor(work, 150.0)
    assert seen == set(range(total))
    assert states == ["connected", "lost", "connected"]
    print(f"{deliveries - total} of {deliveries} deliveries were repetitions")


def test_row_9_the_next_address_is_tried_when_the_first_is_dead_or_frozen(rabbit: RabbitNode) -> None:
    """B1: Nobody listens at the first, the second accepts and says nothing, the third is the broker."""

    async def work(reactor: Any) -> str:
        silent = reactor.listenTCP(0, Factory.forProtocol(Protocol), interface="127.0.0.1")
        addresses = (f"127.0.0.1:{free_port()}", f"127.0.0.1:{silent.getHost().port}", rabbit.address)
        publisher = Publisher(reactor, access(*addresses, connect=1.0))
        publisher.start()
        await publisher.when_connected(1)
        connection = publisher._kept.connection
        assert connection is not None
        place = connection.place
        await publisher.stop()
        await silent.stopListening()
        return place

    assert run_on_reactor(work) == rabbit.address


def test_an_unreachable_broker_is_a_clear_error_and_nothing_hangs() -> None:
    dead = f"127.0.0.1:{free_port()}"

    async def work(reactor: Any) -> list[str]:
        consumer = Consumer(reactor, access(dead))
        publisher = Publisher(reactor, access(dead), back_off=QUICK)
        publisher.start()
        consumer.start()
        slug = await outcome(publisher.publish("", "q", b""))
        failed: list[str] = []
        try:
            await publisher.when_connected(2)
        except ConnectionRefusedError as error:
            failed.append(type(error).__name__)
        await publisher.stop()
        await consumer.stop()
        return [slug, *failed]

    assert run_on_reactor(work) == ["amqp-lost", "ConnectionRefusedError"]


def test_what_answers_but_is_no_broker_is_named() -> None:
    async def work(reactor: Any) -> AmqpFailure:
        port = reactor.listenTCP(0, Factory.forProtocol(WebServer), interface="127.0.0.1")
        publisher = Publisher(reactor, access(f"127.0.0.1:{port.getHost().port}"))
        publisher.start()
        try:
            await publisher.when_connected(1)
        except AmqpFailure as failure:
            return failure
        finally:
            await publisher.stop()
            await port.stopListening()
        raise AssertionError("a web server was taken for a broker")

    assert run_on_reactor(work).problem.slug == "amqp-frame"


def test_a_blocked_broker_is_told_confirms_run_out_and_consuming_goes_on(rabbit: RabbitNode) -> None:
    """Memory alarm: publishing is blocked and says so, an open publish ends at its own time limit, deliveries still
    come on their own connection, and publishing works again when the alarm is over.
    """
    topology = Topology(queues=(Queue("blocked", durable=False),))

    async def work(reactor: Any) -> list[str]:
        states, got = Recorder(), Recorder()
        publisher = Publisher(
            reactor, access(rabbit.address), topology=topology, back_off=QUICK, confirm_seconds=2.0,
            changed=lambda *news: states.put(news),
        )  # fmt: skip
        consumer = Consumer(reactor, access(rabbit.address), topology=topology, back_off=QUICK)
        publisher.start()
        consumer.start()
        await publisher.when_connected(1)
        await consumer.when_connected(1)
        for number in range(5):
            await publisher.publish("", "blocked", b"%d" % number)
        await deferToThread(rabbit.short_of_memory, True)
        first = publisher.publish("", "blocked", b"into the alarm")
        await states.until(lambda items: items[-1][0] is BrokerState.BLOCKED)
        while_blocked = await outcome(publisher.publish("", "blocked", b"refused at once"))
        began = monotonic()
        try:
            await first
        except (ConfirmMissing, BrokerLost) as failure:
            slug = failure.problem.slug
        waited = monotonic() - began
        assert 1.0 < waited < 3.5, waited

        def keep(delivery: Delivery) -> None:
            delivery.ack()
            got.put(delivery.body)

        consumer.consume("blocked", keep)
        await got.count(5)
        idle: Deferred[None] = Deferred()
        reactor.callLater(4.0 * HEARTBEAT, idle.callback, None)
        await idle
        await deferToThread(rabbit.short_of_memory, False)
        await states.until(lambda items: items[-1][0] is BrokerState.CONNECTED, 15.0)
        after = await outcome(publisher.publish("", "blocked", b"after", mandatory=True))
        print("states while blocked:", [news[0] for news in states.items])
        await got.until(lambda items: b"after" in items)
        await publisher.stop()
        await consumer.stop()
        return [while_blocked, slug, after]

    assert run_on_reactor(work, 60.0) == ["amqp-blocked", "amqp-unconfirmed", "kept"]


def test_unsettled_messages_come_again_after_the_connection_is_lost(rabbit: RabbitNode) -> None:
    """A delivery without a verdict belongs to the broker still; a verdict after the loss does nothing."""
    topology = Topology(queues=(Queue("unsettled", durable=False),))

    async def work(reactor: Any) -> list[bool]:
        got = Recorder()
        publisher = Publisher(reactor, access(rabbit.address), topology=topology)
        consumer = Consumer(reactor, access(rabbit.address), topology=topology, back_off=QUICK)
        publisher.start()
        consumer.start()
        await publisher.when_connected(1)
        await consumer.when_connected(1)
        consumer.consume("unsettled", got.put)
        await publisher.publish("", "unsettled", b"once")
        await got.count(1)
        assert consumer.connection is not None
        consumer.connection.transport.abortConnection()
        await got.count(2)
        first, second = got.items
        first.ack()
        second.ack()
        await consumer.stop()
        await publisher.stop()
        return [first.redelivered, second.redelivered]

    assert run_on_reactor(work) == [False, True]
    assert "unsettled\t0" in rabbit.control("list_queues", "name", "messages")


def test_a_stopped_subscription_gives_its_messages_back(rabbit: RabbitNode) -> None:
    topology = Topology(queues=(Queue("stopped", durable=False),))

    async def work(reactor: Any) -> None:
        got = Recorder()
        publisher = Publisher(reactor, access(rabbit.address), topology=topology)
        consumer = Consumer(reactor, access(rabbit.address), topology=topology)
        publisher.start()
        consumer.start()
        await publisher.when_connected(1)
        await consumer.when_connected(1)
        subscription = consumer.consume("stopped", got.put)
        await publisher.publish("", "stopped", b"once")
        await got.count(1)
        await subscription.stop()
        again = consumer.consume("stopped", got.put)
        await got.count(2)
        got.items[1].ack()
        await again.stop()
        await consumer.stop()
        await publisher.stop()

    run_on_reactor(work)
    assert "stopped\t0" in rabbit.control("list_queues", "name", "messages")
