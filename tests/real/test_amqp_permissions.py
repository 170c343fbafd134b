"""A rogue site on a real broker with production's rights: it can publish only as itself and read only its own queues.

The rogue is foshan: it knows its own password and speaks AMQP as it likes.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pika
import pytest
from click.testing import CliRunner
from pika.adapters.blocking_connection import BlockingChannel
from twisted.internet.defer import FirstError
from twisted.internet.threads import deferToThread

from dataset.ids import NodeId
from federation.core.envelope import Stream, encode
from federation.links.amqp.connection import Login
from federation.links.amqp.content import Properties
from federation.links.amqp.errors import AmqpFailure
from federation.links.amqp.layout import DEAD_EXCHANGE, DEAD_QUEUE, EXCHANGE, queue_name, routing_key
from federation.links.amqp.reconnect import BrokerAccess
from federation.links.settings import VIRTUAL_HOST
from provincial_hub.__main__ import provincial_hub
from simulation.machines.places import conf_dir
from tests.harness.real_reactor import run_on_reactor
from tests.real.amqp_broker import RabbitNode
from tests.real.links import End, all_heard, command, ends, envelope, row

ROGUE = "foshan"
HUB, GUANGZHOU, SHENZHEN, FOSHAN = (NodeId(name) for name in ("hub", "guangzhou", "shenzhen", "foshan"))
HUBS_LEDGER = queue_name(HUB, Stream.LEDGER)
OWN = queue_name(FOSHAN, Stream.LEDGER)
AS_ITSELF = pika.BasicProperties(user_id=ROGUE, delivery_mode=2)
AS_THE_HUB = pika.BasicProperties(user_id="hub", delivery_mode=2)
FORGED = encode(envelope("hub", "guangzhou", row(666)))

Deed = Callable[[BlockingChannel], Any]


def publish(key: str, properties: pika.BasicProperties, exchange: str = EXCHANGE) -> Deed:
    def deed(channel: BlockingChannel) -> None:
        channel.confirm_delivery()
        channel.basic_publish(exchange, key, FORGED, properties, mandatory=True)

    return deed


DEEDS: dict[str, tuple[int, Deed]] = {
    "publish under the hub's name": (403, publish("guangzhou.ledger.hub", AS_ITSELF)),
    "publish for everybody under the hub's name": (403, publish("everyone.picture.hub", AS_ITSELF)),
    "sign as the hub": (406, publish("guangzhou.ledger.foshan", AS_THE_HUB)),
    "publish a key of another form": (403, publish("guangzhou.ledger.hub.foshan", AS_ITSELF)),
    "pass the exchange by": (403, publish(HUBS_LEDGER, AS_ITSELF, exchange="")),
    "publish to the dead letters": (403, publish("", AS_ITSELF, exchange=DEAD_EXCHANGE)),
    "bind the hub's key": (403, lambda c: c.queue_bind(OWN, EXCHANGE, "hub.ledger.*")),
    "bind every key": (403, lambda c: c.queue_bind(OWN, EXCHANGE, "#")),
    "bind the hub's queue": (403, lambda c: c.queue_bind(HUBS_LEDGER, EXCHANGE, "foshan.ledger.*")),
    "unbind the hub's queue": (403, lambda c: c.queue_unbind(HUBS_LEDGER, EXCHANGE, "hub.ledger.*")),
    "bind the exchange to the dead letters": (
        403,
        lambda c: c.exchange_bind(DEAD_EXCHANGE, EXCHANGE, "foshan.ledger.*"),
    ),
    "consume the hub's queue": (403, lambda c: c.basic_consume(HUBS_LEDGER, lambda *message: None)),
    "fetch from the hub's queue": (403, lambda c: c.basic_get(HUBS_LEDGER)),
    "empty the hub's queue": (403, lambda c: c.queue_purge(HUBS_LEDGER)),
    "delete the hub's queue": (403, lambda c: c.queue_delete(HUBS_LEDGER)),
    "declare another's queue": (403, lambda c: c.queue_declare("yht.zhuhai.ledger", durable=True)),
    "declare a queue of any name": (403, lambda c: c.queue_declare("", exclusive=True)),
    "read the dead letters": (403, lambda c: c.basic_get(DEAD_QUEUE)),
    "delete the exchange": (403, lambda c: c.exchange_delete(EXCHANGE)),
    "declare an exchange": (403, lambda c: c.exchange_declare("yht.mine", "fanout")),
}


def attempt(broker: RabbitNode, deed: Deed) -> tuple[int, str]:
    """Code and text with which the broker closes the rogue's channel."""
    with pika.BlockingConnection(pika.URLParameters(broker.uri(ROGUE))) as connection:
        channel = connection.channel()
        with pytest.raises(pika.exceptions.ChannelClosedByBroker) as closed:
            deed(channel)
    return closed.value.reply_code, closed.value.reply_text


def test_each_deed_of_a_rogue_is_refused_and_nobody_loses_anything(rabbit: RabbitNode) -> None:
    """Rows go on between the hub and an honest city all the while, and its own link is up at the end as before."""

    async def work(reactor: Any) -> dict[str, int]:
        async with ends(reactor, rabbit, ["hub", "guangzhou", ROGUE]) as (hub, guangzhou, rogue):
            outcome = {}
            for number, (what, (_, deed)) in enumerate(DEEDS.items(), 1):
                guangzhou.post.send(HUB, row(number), Stream.LEDGER)
                code, text = await deferToThread(attempt, rabbit, deed)
                outcome[what] = code
                assert "ACCESS_REFUSED" in text or "PRECONDITION_FAILED" in text
            await hub.received.count(len(DEEDS))
            assert hub.numbers() == list(range(1, len(DEEDS) + 1))
            rogue.post.send(HUB, row(999), Stream.LEDGER)
            await hub.received.until(lambda items: hub.numbers()[-1] == 999)
            assert guangzhou.received.items == rogue.received.items == []
            assert all(end.changes.items == [True] for end in (hub, guangzhou, rogue))
            return outcome

    assert run_on_reactor(work, 60.0) == {what: code for what, (code, _) in DEEDS.items()}
    print(f"{len(DEEDS)} deeds of a rogue site refused")


async def forge(rogue: End, key: str, body: bytes, properties: Properties) -> str:
    """Publish over the rogue's own link, in a way that its program never would; the broker's answer."""
    try:
        await rogue.link._publisher.publish(EXCHANGE, key, body, properties)
    except AmqpFailure as failure:
        return failure.problem.en
    return ""


async def first_failure(end: End) -> str:
    """Why the first attempt to connect fails, and nothing is left of it."""
    try:
        await end.link.when_connected(1)
    except FirstError as first:
        return str(first.subFailure.value)
    finally:
        await end.link.stop()
    raise AssertionError("it has connected")


@pytest.mark.parametrize("signature", ["hub", None, ROGUE])
def test_a_forged_envelope_that_reaches_a_node_is_dropped_there(rabbit: RabbitNode, signature: str | None) -> None:
    """Under its own key a rogue may say what it likes. Signed as the hub the broker refuses it, and the rogue's link
    says why and comes back; unsigned, or signed truly, the receiver sees that the envelope lies.
    """

    async def work(reactor: Any) -> tuple[str, dict[str, int], list[bool]]:
        async with ends(reactor, rabbit, ["hub", "guangzhou", ROGUE]) as (hub, guangzhou, rogue):
            key = routing_key(GUANGZHOU, Stream.LEDGER, FOSHAN)
            reason = await forge(rogue, key, FORGED, Properties(user_id=signature))
            if reason:
                await rogue.changes.until(lambda items: items == [True, False, True])
            rogue.post.send(GUANGZHOU, row(1), Stream.LEDGER)
            hub.post.send(GUANGZHOU, row(2), Stream.LEDGER)
            await guangzhou.received.count(2)
            assert sorted(guangzhou.numbers()) == [1, 2]
            return reason, dict(guangzhou.link.dropped), rogue.changes.items

    reason, dropped, changes = run_on_reactor(work)
    if signature == "hub":
        assert "user_id property set to 'hub' but authenticated user was 'foshan'" in reason
        assert (dropped, changes) == ({}, [True, False, True])
    else:
        assert (reason, dropped, changes) == ("", {"sender-mismatch": 1}, [True])


def test_a_rogues_own_program_with_another_name_gets_nowhere(rabbit: RabbitNode) -> None:
    """A node configured as another, with its own login: the reason names the queue that it may not have."""

    async def work(reactor: Any) -> str:
        access = BrokerAccess((rabbit.address,), rabbit.login(ROGUE))
        return await first_failure(End(reactor, "shenzhen", access))

    assert "ACCESS_REFUSED - access to queue 'yht.shenzhen.picture'" in run_on_reactor(work)


def test_old_messages_cannot_be_led_to_somebody_else(rabbit: RabbitNode) -> None:
    """A rogue lets its own queue send the hub's messages on to another city, as that queue's dead letters: they carry
    the hub's signature, and the other city sees where they come from.
    """

    async def work(reactor: Any) -> dict[str, int]:
        def lay_the_trap() -> None:
            with pika.BlockingConnection(pika.URLParameters(rabbit.uri(ROGUE))) as connection:
                channel = connection.channel()
                trap = queue_name(FOSHAN, Stream.COMMAND)
                channel.queue_delete(trap)
                onward = {"x-dead-letter-exchange": EXCHANGE, "x-dead-letter-routing-key": "guangzhou.command.foshan"}
                channel.queue_declare(trap, arguments=onward)
                channel.queue_bind(trap, EXCHANGE, "foshan.command.*")
                channel.queue_bind(trap, EXCHANGE, "everyone.picture.*")

        def spring_it() -> None:
            with pika.BlockingConnection(pika.URLParameters(rabbit.uri(ROGUE))) as connection:
                channel = connection.channel()
                led = 0
                while led < 2:
                    method, _, _ = channel.basic_get(queue_name(FOSHAN, Stream.COMMAND))
                    if method is not None:
                        channel.basic_nack(method.delivery_tag, requeue=False)
                        led += 1

        async with ends(reactor, rabbit, ["hub", "guangzhou"]) as (hub, guangzhou):
            await deferToThread(lay_the_trap)
            hub.post.send(FOSHAN, command("for foshan"), Stream.COMMAND, 30.0)
            hub.post.send(NodeId("*"), command("for everybody"), Stream.PICTURE, 30.0)
            await guangzhou.received.count(1)
            await deferToThread(spring_it)
            hub.post.send(GUANGZHOU, command("honest"), Stream.COMMAND, 30.0)
            await guangzhou.received.count(2)
            assert guangzhou.bodies() == [command("for everybody"), command("honest")]
            return dict(guangzhou.link.dropped)

    assert run_on_reactor(work) == {"misaddressed": 2}


def test_an_exchange_that_is_missing_is_named(rabbit: RabbitNode) -> None:
    """A broker without the definitions: the node says which exchange it looks for."""

    async def work(reactor: Any) -> str:
        return await first_failure(End(reactor, "hub", BrokerAccess((rabbit.address,), Login("guest", "guest"))))

    assert "NOT_FOUND - no exchange 'yht'" in run_on_reactor(work)


def test_an_operator_changes_a_password_and_adds_a_city_on_the_running_broker(
    rabbit: RabbitNode, tmp_path: Path
) -> None:
    """With what ``broker-definitions`` prints for a province file with one city more: who is connected stays so, the
    new password counts and the old one does not, and the new city's link comes up.
    """
    province = tmp_path / "province.toml"
    conf = conf_dir()
    text = (conf / "province.toml").read_text("utf-8").replace('"packages/', f'"{conf}/packages/')
    city = '[[city]]\nid = "zhuhai"\nname = "珠海"\nname_en = "Zhuhai"\narea_code = "0756"\nx = 0.5\ny = 0.9\n'
    province.write_text(text.replace('"prompts/', f'"{conf}/prompts/') + city, "utf-8")
    passwords, told = tmp_path / "passwords.toml", tmp_path / "definitions.json"
    passwords.write_text('hub = "amqp-hub"\nguangzhou = "another one"\nshenzhen = "amqp-shenzhen"\n')
    command = ["broker-definitions", "--province", str(province), "--passwords", str(passwords), "--output", str(told)]
    done = CliRunner().invoke(provincial_hub, command)
    assert done.exit_code == 0, done.output
    drawn = tomllib.loads(passwords.read_text())

    def login(node: str, password: str) -> BrokerAccess:
        return BrokerAccess((rabbit.address,), Login(node, password, virtual_host=VIRTUAL_HOST))

    async def work(reactor: Any) -> str:
        async with ends(reactor, rabbit, ["hub", "guangzhou"]) as (hub, guangzhou):
            await deferToThread(rabbit.take_definitions, told)
            zhuhai = End(reactor, "zhuhai", login("zhuhai", drawn["zhuhai"]))
            zhuhai.start()
            await zhuhai.until_up()
            await all_heard([hub, zhuhai])
            guangzhou.post.send(HUB, row(1), Stream.LEDGER)
            await hub.received.count(1)
            assert hub.numbers() == [1]
            await zhuhai.link.stop()
            reason = await first_failure(End(reactor, "guangzhou", login("guangzhou", "amqp-guangzhou")))
            again = End(reactor, "guangzhou", login("guangzhou", "another one"))
            await again.link.when_connected(1)
            await again.link.stop()
            return reason

    try:
        assert "ACCESS_REFUSED" in run_on_reactor(work, 60.0)
    finally:
        rabbit.take_definitions()
