"""What passes through a real RabbitMQ: bodies, headers, confirms, refusals (rows 1 to 7 and 10 of docs/amqp.md)."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from federation.links.amqp.connection import LARGEST_BODY, Login
from federation.links.amqp.consumer import Consumer
from federation.links.amqp.content import PERSISTENT, Delivery, Properties
from federation.links.amqp.errors import AmqpFailure, BrokerLost, BrokerRefused, PublishRefused
from federation.links.amqp.publisher import Publisher
from federation.links.amqp.reconnect import BrokerAccess
from federation.links.amqp.tables import Typed
from federation.links.amqp.topology import Binding, Exchange, Queue, Topology
from tests.harness.real_reactor import Recorder, run_on_reactor
from tests.real.amqp_broker import RabbitNode


def access(node: RabbitNode, **changes: Any) -> BrokerAccess:
    login = Login("guest", "guest", name="test", heartbeat_seconds=10)
    return BrokerAccess(**{"addresses": (node.address,), "login": login, **changes})


class Pair:
    """A publisher and a consumer on one broker, with the topology of a test; closed at the end of ``async with``."""

    def __init__(self, reactor: Any, node: RabbitNode, topology: Topology, **publisher: Any) -> None:
        self.publisher = Publisher(reactor, access(node), topology=topology, **publisher)
        self.consumer = Consumer(reactor, access(node), topology=topology)
        self.got = Recorder()

    async def __aenter__(self) -> Pair:
        self.publisher.start()
        self.consumer.start()
        await self.publisher.when_connected(1)
        await self.consumer.when_connected(1)
        return self

    async def __aexit__(self, *reason: object) -> None:
        await self.publisher.stop()
        await self.consumer.stop()

    async def consume(self, queue: str, **options: Any) -> None:
        def keep(delivery: Delivery) -> None:
            delivery.ack()
            self.got.put(delivery)

        await self.consumer.consume(queue, keep, **options).when_active()


def one_queue(name: str, **arguments: Any) -> Topology:
    return Topology(queues=(Queue(name, durable=False, auto_delete=False, arguments=arguments),))


async def refusal(answer: Any) -> AmqpFailure:
    try:
        await answer
    except AmqpFailure as failure:
        return failure
    raise AssertionError("it was not refused")


def test_row_1_a_chinese_body_arrives_as_its_bytes(rabbit: RabbitNode) -> None:
    """Whatever a customer's name looks like, the consumer lives and gets exactly these bytes."""
    bodies = ["您好，一号通".encode(), "𠮷野家".encode(), "中文".encode("gb18030"), b"\xff\xfe\x00", b""]

    async def work(reactor: Any) -> list[bytes]:
        async with Pair(reactor, rabbit, one_queue("row1")) as pair:
            await pair.consume("row1")
            for body in bodies:
                await pair.publisher.publish("", "row1", body)
            await pair.got.count(len(bodies))
            return [delivery.body for delivery in pair.got.items]

    assert run_on_reactor(work) == bodies


def test_row_2_bodies_of_many_frames_text_and_binary_in_turn(rabbit: RabbitNode) -> None:
    """A frame of text after one of binary, and the other way round, up to a few megabytes."""
    frame = 131_064
    text, binary = "号".encode() * (frame // 3), bytes(range(128, 256)) * (frame // 128)
    bodies = [text + binary, binary + text, (binary + text) * 20, b"x" * frame, b"x" * (frame + 1)]

    async def work(reactor: Any) -> list[bytes]:
        async with Pair(reactor, rabbit, one_queue("row2")) as pair:
            await pair.consume("row2")
            answers = [pair.publisher.publish("", "row2", body) for body in bodies]
            for answer in answers:
                await answer
            await pair.got.count(len(bodies))
            return [delivery.body for delivery in pair.got.items]

    assert run_on_reactor(work) == bodies


def test_row_4_a_confirm_says_the_broker_has_it(rabbit: RabbitNode) -> None:
    """A thousand publishes at once, each with its own confirm, in a durable queue; the connection lives on."""
    topology = Topology(queues=(Queue("row4"),))

    async def work(reactor: Any) -> tuple[int, int]:
        async with Pair(reactor, rabbit, topology) as pair:
            answers = [pair.publisher.publish("", "row4", b"%d" % n) for n in range(1000)]
            assert pair.publisher.unconfirmed == 1000
            for answer in answers:
                await answer
            await pair.consume("row4", prefetch=10)
            await pair.got.count(1000)
            assert [int(delivery.body) for delivery in pair.got.items] == list(range(1000))
            return pair.publisher.unconfirmed, len({delivery.tag for delivery in pair.got.items})

    assert run_on_reactor(work) == (0, 1000)


def test_row_4_a_nack_is_an_error_of_that_publish_alone(rabbit: RabbitNode) -> None:
    """A full queue that rejects: one message is kept, the others are refused, the next queue still works."""
    topology = one_queue("row4nack", **{"x-max-length": 1, "x-overflow": "reject-publish"}) + one_queue("row4other")

    async def work(reactor: Any) -> list[str]:
        async with Pair(reactor, rabbit, topology) as pair:
            answers = [pair.publisher.publish("", "row4nack", b"%d" % n) for n in range(6)]
            slugs = []
            for answer in answers:
                try:
                    await answer
                except PublishRefused as failure:
                    slugs.append(failure.problem.slug)
                else:
                    slugs.append("kept")
            await pair.publisher.publish("", "row4other", b"still alive")
            return slugs

    slugs = run_on_reactor(work)
    assert set(slugs) == {"kept", "amqp-nacked"}
    assert slugs[0] == "kept"
    assert slugs.count("amqp-nacked") >= 3


def test_row_4_a_returned_message_fails_and_its_neighbours_do_not(rabbit: RabbitNode) -> None:
    """A mandatory message that no queue takes comes back, with its neighbours of the same address class unharmed."""

    async def work(reactor: Any) -> list[str]:
        async with Pair(reactor, rabbit, one_queue("row4ret")) as pair:
            answers = [
                pair.publisher.publish("", "row4ret" if n % 2 else "nowhere", b"x", mandatory=n % 3 != 0)
                for n in range(12)
            ]
            slugs = []
            for answer in answers:
                try:
                    await answer
                except PublishRefused as failure:
                    slugs.append(failure.problem.slug)
                else:
                    slugs.append("kept")
            return slugs

    expected = ["amqp-returned" if n % 2 == 0 and n % 3 else "kept" for n in range(12)]
    assert run_on_reactor(work) == expected


def test_row_5_dead_letters_carry_their_history(rabbit: RabbitNode) -> None:
    """x-death is an array of tables with times and numbers: it killed the stock consumer."""
    topology = one_queue(
        "row5", **{"x-message-ttl": 1, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "row5dead"}
    ) + one_queue("row5dead")

    async def work(reactor: Any) -> dict[str, Any]:
        async with Pair(reactor, rabbit, topology) as pair:
            await pair.consume("row5dead")
            await pair.publisher.publish("", "row5", b"late", Properties(headers={"mine": "甲"}))
            await pair.got.count(1)
            headers: dict[str, Any] = pair.got.items[0].headers
            return headers

    headers = run_on_reactor(work)
    assert headers["mine"] == "甲"
    [death] = headers["x-death"]
    assert (death["reason"], death["queue"], death["count"]) == ("expired", "row5", 1)
    assert isinstance(death["time"], datetime)
    assert death["routing-keys"] == ["row5"]


ALL_TYPES: dict[str, Any] = {
    "布尔": True, "negative": -5, "large": 2**40, "float": 1.5, "none": None, "text": "文本", "bytes": b"\x00\xff",
    "list": [1, "二", None, [True]], "table": {"deep": {"deeper": -1}}, "when": datetime(2026, 11, 1, tzinfo=UTC),
    "decimal": Decimal("-1.25"),
}  # fmt: skip
TYPED = {"b": -128, "B": 255, "s": -300, "u": 65_000, "i": 2**32 - 1, "l": -(2**50), "f": 0.25, "d": 1e300}


@pytest.mark.parametrize("way", ["direct", "dead-lettered"])
def test_row_6_every_header_type_comes_back_as_it_went(rabbit: RabbitNode, way: str) -> None:
    """Dead-lettering makes the broker write the headers anew, so both its reading and its writing are met."""
    topology = one_queue(
        "row6", **{"x-message-ttl": 1, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "row6dead"}
    ) + one_queue("row6dead")
    headers = ALL_TYPES | {f"typed-{letter}": Typed(letter, value) for letter, value in TYPED.items()}
    properties = Properties(
        content_type="应用/json", headers=headers, delivery_mode=PERSISTENT, priority=3, correlation_id="c",
        reply_to="r", message_id="消息", timestamp=1_700_000_000, type="t", app_id="a",
    )  # fmt: skip

    async def work(reactor: Any) -> Delivery:
        async with Pair(reactor, rabbit, topology) as pair:
            await pair.consume("row6dead")
            await pair.publisher.publish("", "row6dead" if way == "direct" else "row6", b"", properties)
            await pair.got.count(1)
            delivery: Delivery = pair.got.items[0]
            return delivery

    delivery = run_on_reactor(work)
    got = delivery.headers
    for key in [key for key in got if key.startswith("x-")]:
        del got[key]
    assert got == ALL_TYPES | {f"typed-{letter}": value for letter, value in TYPED.items()}
    assert got["布尔"] is True
    for name in ("content_type", "priority", "correlation_id", "message_id", "timestamp", "type", "app_id"):
        assert getattr(delivery.properties, name) == getattr(properties, name)


def test_row_7_a_deleted_queue_is_reported_declared_and_consumed_again(rabbit: RabbitNode) -> None:
    """Somebody deletes the queue by hand: the consumer says so and works again by itself."""

    async def work(reactor: Any) -> tuple[list[str], bytes]:
        async with Pair(reactor, rabbit, one_queue("row7")) as pair:
            problems = Recorder()

            def keep(delivery: Delivery) -> None:
                delivery.ack()
                pair.got.put(delivery)

            subscription = pair.consumer.consume("row7", keep, on_interrupted=problems.put)
            await subscription.when_active()
            rabbit.control("delete_queue", "row7")
            await problems.count(1)
            assert not subscription.active
            await subscription.when_active()
            await pair.publisher.publish("", "row7", b"after", mandatory=True)
            await pair.got.count(1)
            return [problem.slug for problem in problems.items], pair.got.items[0].body

    assert run_on_reactor(work) == (["amqp-cancelled"], b"after")


def test_row_10_login_follows_the_connection_at_once_and_a_refusal_says_why(rabbit: RabbitNode) -> None:
    """A wrong password is the broker's clear word, not a silent hang-up."""

    async def work(reactor: Any) -> AmqpFailure:
        wrong = access(rabbit, login=Login("guest", "wrong"))
        publisher = Publisher(reactor, wrong)
        publisher.start()
        failure = await refusal(publisher.when_connected(1))
        await publisher.stop()
        return failure

    failure = run_on_reactor(work)
    assert isinstance(failure, BrokerRefused)
    assert failure.problem.slug == "amqp-refused"
    assert "ACCESS_REFUSED" in failure.problem.en
    assert failure.problem.place == rabbit.address


def test_an_unknown_virtual_host_is_named(rabbit: RabbitNode) -> None:
    async def work(reactor: Any) -> AmqpFailure:
        consumer = Consumer(reactor, access(rabbit, login=Login("guest", "guest", "/nowhere")))
        consumer.start()
        failure = await refusal(consumer.when_connected(1))
        await consumer.stop()
        return failure

    assert "/nowhere" in str(run_on_reactor(work))


def test_a_queue_declared_differently_keeps_the_connection_from_counting(rabbit: RabbitNode) -> None:
    """Nothing starts half: the broker's reason is given, and nothing is published."""

    async def work(reactor: Any) -> AmqpFailure:
        first = Publisher(reactor, access(rabbit), topology=one_queue("differs"))
        first.start()
        await first.when_connected(1)
        await first.stop()
        other = Publisher(reactor, access(rabbit), topology=one_queue("differs", **{"x-message-ttl": 5}))
        other.start()
        failure = await refusal(other.when_connected(1))
        assert isinstance(await refusal(other.publish("", "differs", b"")), BrokerLost)
        await other.stop()
        return failure

    assert "PRECONDITION_FAILED" in str(run_on_reactor(work))


def test_a_publish_to_no_exchange_fails_with_all_open_ones_and_publishing_recovers(rabbit: RabbitNode) -> None:
    async def work(reactor: Any) -> list[str]:
        states = Recorder()
        async with Pair(reactor, rabbit, one_queue("recovers"), changed=lambda *news: states.put(news)) as pair:
            failure = await refusal(pair.publisher.publish("no-such-exchange", "x", b""))
            await states.count(3)
            await pair.publisher.publish("", "recovers", b"again", mandatory=True)
            return [failure.problem.slug, *[state for state, _ in states.items]]

    assert run_on_reactor(work) == ["amqp-refused", "connected", "lost", "connected"]


def test_a_function_that_raises_costs_its_message_and_nothing_else(rabbit: RabbitNode) -> None:
    """The message goes to the dead letters; the next one is delivered."""
    topology = one_queue(
        "raises", **{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "raises-dead"}
    ) + one_queue("raises-dead")

    async def work(reactor: Any) -> list[tuple[str, bytes]]:
        async with Pair(reactor, rabbit, topology) as pair:

            def picky(delivery: Delivery) -> None:
                if delivery.body == b"poison":
                    raise ValueError("poison")
                delivery.ack()
                pair.got.put(delivery)

            await pair.consumer.consume("raises", picky).when_active()
            await pair.consume("raises-dead")
            await pair.publisher.publish("", "raises", b"poison")
            await pair.publisher.publish("", "raises", b"good")
            await pair.got.count(2)
            return sorted((each.routing_key, each.body) for each in pair.got.items)

    assert run_on_reactor(work) == [("raises", b"good"), ("raises-dead", b"poison")]


def test_a_message_beyond_the_limit_is_refused_at_both_ends(rabbit: RabbitNode) -> None:
    """20 MB: not sent by us; from a foreign sender not kept in memory, and the next message comes."""
    topology = one_queue(
        "large", **{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "large-dead"}
    ) + one_queue("large-dead")

    async def work(reactor: Any) -> tuple[str, list[bytes]]:
        async with Pair(reactor, rabbit, topology) as pair:
            failure = await refusal(pair.publisher.publish("", "large", bytes(LARGEST_BODY + 1)))
            await pair.consume("large")
            foreign = pair.publisher._channel
            assert foreign is not None
            await foreign.publish("", "large", bytes(20 * 1024 * 1024), Properties(), False, None)
            await pair.publisher.publish("", "large", b"small")
            await pair.got.count(1, 20.0)
            return failure.problem.slug, [delivery.body for delivery in pair.got.items]

    assert run_on_reactor(work, 60.0) == ("amqp-too-large", [b"small"])
    assert "large-dead\t1" in rabbit.control("list_queues", "name", "messages")


def test_topics_bindings_and_nack_with_requeue(rabbit: RabbitNode) -> None:
    """A declared exchange routes by its bindings; a refused message comes again, marked as redelivered."""
    topology = Topology(
        exchanges=(Exchange("test.topics", durable=False),),
        queues=(Queue("topics", durable=False),),
        bindings=(Binding("test.topics", "topics", "guangzhou.#"),),
    )

    async def work(reactor: Any) -> list[tuple[str, str, bool]]:
        async with Pair(reactor, rabbit, topology) as pair:

            def once(delivery: Delivery) -> None:
                pair.got.put(delivery)
                if delivery.redelivered:
                    delivery.ack()
                    delivery.ack()  # a second verdict does nothing
                else:
                    delivery.nack(requeue=True)

            await pair.consumer.consume("topics", once).when_active()
            await pair.publisher.publish("test.topics", "shenzhen.ledger", b"not for us")
            await pair.publisher.publish("test.topics", "guangzhou.ledger", b"for us", mandatory=True)
            await pair.got.count(2)
            return [(each.exchange, each.routing_key, each.redelivered) for each in pair.got.items]

    assert run_on_reactor(work) == [
        ("test.topics", "guangzhou.ledger", False),
        ("test.topics", "guangzhou.ledger", True),
    ]


def test_too_many_open_answers_are_refused_not_piled_up(rabbit: RabbitNode) -> None:
    async def work(reactor: Any) -> list[str]:
        async with Pair(reactor, rabbit, one_queue("busy"), max_unconfirmed=2) as pair:
            answers = [pair.publisher.publish("", "busy", b"") for _ in range(3)]
            failure = await refusal(answers[2])
            await answers[0]
            await answers[1]
            await pair.publisher.publish("", "busy", b"")
            return [failure.problem.slug]

    assert run_on_reactor(work) == ["amqp-busy"]
