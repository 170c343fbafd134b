"""Bad things between a link and its broker: a frozen broker, a message of 20 MB, a queue deleted by hand, poison. Each
is refused or healed with a line in the log and a count, and loses nobody's rows (S1).
"""

from __future__ import annotations

from pathlib import Path
from time import monotonic
from typing import Any

import pika
import structlog
from twisted.internet.threads import deferToThread

from dataset.ids import NodeId
from federation.core.envelope import Envelope, Stream, encode
from federation.links.amqp.layout import DEAD_QUEUE, EXCHANGE, queue_name
from federation.links.amqp.link import DELIVERY_LIMIT
from tests.harness.real_reactor import run_on_reactor
from tests.real.amqp_broker import RabbitNode
from tests.real.ledgers import Books, all_arrive, pause, two_books, until
from tests.real.links import End, access_to, command, ends, envelope, row

HUB = NodeId("hub")
HEARTBEAT = 1


def publish(rabbit: RabbitNode, user: str, key: str, body: bytes) -> None:
    """As another client than the product's, logged in as a node."""
    with pika.BlockingConnection(pika.URLParameters(rabbit.uri(user))) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_publish(EXCHANGE, key, body, pika.BasicProperties(user_id=user), mandatory=True)


def dead_letters(rabbit: RabbitNode) -> list[tuple[str, str, str, bytes]]:
    """Queue it was in, why it left it, who had sent it, and its bytes; they are taken out."""
    found: list[tuple[str, str, str, bytes]] = []
    with pika.BlockingConnection(pika.URLParameters(rabbit.uri("onlooker"))) as connection:
        channel = connection.channel()
        while True:
            method, properties, body = channel.basic_get(DEAD_QUEUE, auto_ack=True)
            if method is None:
                return found
            [death, *_] = properties.headers["x-death"]
            found.append((death["queue"], death["reason"], properties.user_id, body))


def test_a_frozen_broker_takes_the_link_down_within_three_and_a_half_intervals(rabbit: RabbitNode) -> None:
    """SIGSTOP: sockets stay open and nothing is answered; the link says down, and comes back when it goes on."""

    async def work(reactor: Any) -> float:
        hub = End(reactor, "hub", access_to(rabbit, "hub", heartbeat=HEARTBEAT, connect=3.0))
        hub.start()
        await hub.until_up()
        rabbit.freeze()
        frozen = monotonic()
        await hub.changes.count(2)
        noticed = monotonic() - frozen
        assert hub.changes.items == [True, False]
        rabbit.thaw()
        await hub.until_up()
        assert hub.link.failures["amqp-silent"] >= 1
        await hub.link.stop()
        return noticed

    noticed = run_on_reactor(work, 60.0)
    print(f"a frozen broker: the link was down after {noticed / HEARTBEAT:.2f} intervals")
    assert noticed <= 3.5 * HEARTBEAT


def test_a_message_of_20_mb_is_sent_by_no_link_and_read_by_none(rabbit: RabbitNode) -> None:
    """The own program's is not sent; a site that speaks AMQP by itself gets it into the queue, where the receiver
    refuses it unread; what follows arrives.
    """

    async def work(reactor: Any) -> tuple[dict[str, int], dict[str, int]]:
        async with ends(reactor, rabbit, ["hub", "guangzhou"]) as (hub, guangzhou):
            large = command("号" * 7_000_000)
            guangzhou.post.send(HUB, large, Stream.COMMAND, 30.0)
            body = encode(envelope("foshan", "hub", large))
            assert len(body) > 20_000_000
            await deferToThread(publish, rabbit, "foshan", "hub.ledger.foshan", body)
            guangzhou.post.send(HUB, row(1), Stream.LEDGER)
            await hub.received.count(1, 30.0)
            assert hub.numbers() == [1]
            await until(reactor, lambda: bool(hub.link.dropped), 15.0)
            assert hub.changes.items == guangzhou.changes.items == [True]
            return dict(guangzhou.link.dropped), dict(hub.link.dropped)

    with structlog.testing.capture_logs() as lines:
        sender, receiver = run_on_reactor(work, 90.0)
    assert (sender, receiver) == ({"envelope-too-large": 1}, {"amqp-too-large": 1})
    [line] = [line for line in lines if line["event"] == "amqp_oversized"]
    assert line["queue"] == "yht.hub.ledger"
    assert line["bytes"] > 20_000_000
    [(queue, reason, user, _)] = dead_letters(rabbit)
    assert (queue, reason, user) == ("yht.hub.ledger", "rejected", "foshan")


def test_a_ledger_queue_deleted_by_hand_is_made_again_and_no_row_is_missing(rabbit: RabbitNode, tmp_path: Path) -> None:
    """With rows in it and more coming: the consumer is told, declares, binds and consumes again; the outbox sends what
    was in it once more.
    """

    async def work(reactor: Any) -> str:
        access = {name: access_to(rabbit, name) for name in ("hub", "guangzhou")}
        async with two_books(reactor, access, tmp_path) as (hub, city):
            city.keep_writing(200.0)
            await pause(reactor, 1.0)
            for _ in range(3):
                await deferToThread(rabbit.control, "delete_queue", "-p", "yihaotong", queue_name(HUB, Stream.LEDGER))
                await pause(reactor, 1.0)
            city.stop_writing()
            await all_arrive(reactor, hub, city)
            assert hub.link.failures["amqp-cancelled"] == 3
            assert hub.ups == city.ups == [True]
            return f"queue deleted 3 times: {len(city.written)} rows, lost 0, doubled 0"

    with structlog.testing.capture_logs() as lines:
        print(run_on_reactor(work, 90.0))
    told = [line for line in lines if line["event"] == "amqp_consumer_interrupted"]
    assert {(line["queue"], line["slug"]) for line in told} == {("yht.hub.ledger", "amqp-cancelled")}


def test_a_message_that_the_program_cannot_stand_is_kept_aside_and_the_rest_flows(rabbit: RabbitNode) -> None:
    """One that is no envelope, and one over which the receiving program fails: both are in the dead letters with their
    sender's name, counted, and what comes before and after is taken in.
    """
    poison = command("poison")

    class Fragile(End):
        def start(self) -> None:
            def take(one: Envelope) -> None:
                if one.body == poison:
                    raise ZeroDivisionError("the program fails over it")
                self.received.put(one)

            self.link.start(take, self.changes.put)

    async def work(reactor: Any) -> dict[str, int]:
        hub = Fragile(reactor, "hub", access_to(rabbit, "hub"))
        hub.start()
        await hub.until_up()
        async with ends(reactor, rabbit, ["guangzhou", "shenzhen"]) as (guangzhou, shenzhen):
            await until(reactor, lambda: _heard(guangzhou, hub), 15.0)
            hub.received.items.clear()
            for number in range(1, 7):
                (guangzhou, shenzhen)[number % 2].post.send(HUB, row(number), Stream.LEDGER)
                if number == 3:
                    guangzhou.post.send(HUB, poison, Stream.LEDGER)
                    await deferToThread(publish, rabbit, "shenzhen", "hub.ledger.shenzhen", b"\xff\xfe")
            await hub.received.until(lambda items: set(range(1, 7)) <= set(hub.numbers()))
            assert hub.changes.items == [True]
        await hub.link.stop()
        return dict(hub.link.dropped)

    def _heard(sender: End, receiver: End) -> bool:
        sender.post.send(HUB, row(0), Stream.LEDGER)
        return bool(receiver.received.items)

    with structlog.testing.capture_logs() as lines:
        assert run_on_reactor(work) == {"envelope-malformed": 1, "message-broke": 1}
    assert [line["queue"] for line in lines if line["event"] == "amqp_delivery_failed"] == ["yht.hub.ledger"]
    letters = dead_letters(rabbit)
    assert sorted((queue, reason, user) for queue, reason, user, _ in letters) == [
        ("yht.hub.ledger", "rejected", "guangzhou"),
        ("yht.hub.ledger", "rejected", "shenzhen"),
    ]
    assert b"\xff\xfe" in [body for *_, body in letters]


def test_what_a_quorum_queue_gives_up_is_a_dead_letter_and_still_arrives(rabbit: RabbitNode, tmp_path: Path) -> None:
    """A hub that takes its rows and gives them back, over and over, as one that dies on them would: after the delivery
    limit they are dead letters. These are never the only copy (S1): the hub that works has every row from the outbox.
    """
    queue = queue_name(HUB, Stream.LEDGER)

    def give_back_until_given_up() -> int:
        tries = 0
        with pika.BlockingConnection(pika.URLParameters(rabbit.uri("hub"))) as connection:
            channel = connection.channel()
            empty = 0
            while empty < 5:
                method, _, _ = channel.basic_get(queue)
                if method is None:
                    empty += 1
                    connection.sleep(0.1)
                    continue
                tries, empty = tries + 1, 0
                channel.basic_nack(method.delivery_tag, requeue=True)
        return tries

    async def work(reactor: Any) -> tuple[int, int]:
        first = Books(reactor, "hub", access_to(rabbit, "hub"), tmp_path, "guangzhou", replicated=True)
        first.start()
        await until(reactor, lambda: first.ups == [True])
        await first.stop()  # its queue is there now
        city = Books(reactor, "guangzhou", access_to(rabbit, "guangzhou"), tmp_path, "hub", replicated=True)
        city.start()
        city.write(10)
        await until(reactor, lambda: city.synced == 10)
        tries = await deferToThread(give_back_until_given_up)
        letters = await deferToThread(dead_letters, rabbit)
        hub = Books(reactor, "hub", access_to(rabbit, "hub"), tmp_path, "guangzhou", replicated=True)
        hub.start()
        await until(reactor, lambda: hub.applied_numbers() == city.written and not city.waiting, 60.0)
        await city.stop()
        await hub.stop()
        assert {(queue, reason, user) for queue, reason, user, _ in letters} == {
            ("yht.hub.ledger", "delivery_limit", "guangzhou")
        }
        return tries, len(letters)

    tries, letters = run_on_reactor(work, 120.0)
    assert tries == letters * (DELIVERY_LIMIT + 1)
    print(f"delivery limit: {letters} messages given up after {DELIVERY_LIMIT + 1} tries each; all rows arrived")
