"""What every form of the ``Link`` port keeps, whichever way the envelopes travel."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock as TwistedClock

from dataset.ids import EVERYONE, HUB, LineageId, NodeId
from federation.core.envelope import (
    LARGEST_BYTES,
    AnyMessage,
    Envelope,
    FullPictureWanted,
    HubBeat,
    LedgerAck,
    NoProposal,
    Stream,
)
from federation.links.amqp.content import Properties
from federation.links.amqp.layout import EXCHANGE, routing_key
from federation.links.amqp.link import AmqpLink
from federation.links.amqp.reconnect import BrokerAccess
from federation.links.inprocess import Wires
from federation.node.clock import ReactorClock
from federation.ports import Link
from tests.harness.driving import ReactorDriver
from tests.harness.real_machines import require
from tests.real.amqp_broker import RabbitNode

GUANGZHOU, SHENZHEN = NodeId("guangzhou"), NodeId("shenzhen")
LINEAGE = LineageId("0a1b2c3d")


class LinkWorld:
    """Makes links of one form and lets time pass on them."""

    form: str

    def link(self, node: NodeId) -> Link:
        raise NotImplementedError

    def until(self, condition: Callable[[], bool], within_s: float = 10.0) -> bool:
        raise NotImplementedError

    def cut_all(self) -> None:
        """Interrupt every link that runs, so that all of them come back."""
        raise NotImplementedError

    def hold(self, node: NodeId) -> Callable[[], None]:
        """From now on nothing reaches ``node``; what is returned lets it through again."""
        raise NotImplementedError


class InProcessWorld(LinkWorld):
    form = "inprocess"

    def __init__(self) -> None:
        self._time = TwistedClock()
        self._wires = Wires(ReactorClock(self._time), Random(7))
        self._nodes: set[NodeId] = set()

    def link(self, node: NodeId) -> Link:
        self._nodes.add(node)
        return self._wires.link(node)

    def until(self, condition: Callable[[], bool], within_s: float = 10.0) -> bool:
        for _ in range(int(within_s / 0.01)):
            if condition():
                return True
            self._time.advance(0.01)
        return condition()

    def cut_all(self) -> None:
        self._wires.cut(self._nodes)
        self._wires.cut(self._nodes, restore=True)

    def hold(self, node: NodeId) -> Callable[[], None]:
        lines = [self._wires.line(other, node) for other in self._nodes if other != node]

        def delay(seconds: float) -> None:
            for line in lines:
                line.delay_s = seconds

        delay(1.0)
        return lambda: delay(0.02)


class AmqpWorld(LinkWorld):
    form = "amqp"

    def __init__(self, broker: RabbitNode) -> None:
        self._broker = broker
        self._driver = ReactorDriver()
        self._links: list[AmqpLink] = []

    def link(self, node: NodeId) -> Link:
        access = BrokerAccess((self._broker.address,), self._broker.login(node))
        link = AmqpLink(self._driver.reactor, node, access)
        self._links.append(link)
        return link

    def until(self, condition: Callable[[], bool], within_s: float = 10.0) -> bool:
        return self._driver.until(condition, within_s)

    def cut_all(self) -> None:
        self._broker.control("close_all_connections", "--global", "contract")

    def hold(self, node: NodeId) -> Callable[[], None]:
        [link] = [one for one in self._links if one.node == node]
        self._driver.result_of(link.stop(), 5.0)
        return lambda: None


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitNode]:
    require("rabbitmq")
    node = RabbitNode(tmp_path_factory.mktemp("rabbitmq"))
    node.start()
    yield node
    node.stop()


@pytest.fixture(params=["inprocess", "amqp"])
def world(request: pytest.FixtureRequest) -> LinkWorld:
    if request.param == "inprocess":
        return InProcessWorld()
    broker: RabbitNode = request.getfixturevalue("broker")
    broker.clean()
    return AmqpWorld(broker)


class Node:
    """One end: what it received, and each change of its link."""

    def __init__(self, world: LinkWorld, name: NodeId) -> None:
        self.name = name
        self.received: list[Envelope] = []
        self.changes: list[bool] = []
        self.link = world.link(name)
        self._sent = 0

    def start(self) -> None:
        self.link.start(self.received.append, self.changes.append)

    def send(
        self, to: NodeId, body: AnyMessage, stream: Stream, budget_s: float | None = None, lineage: str = LINEAGE
    ) -> None:
        self._sent += 1
        self.link.send(
            Envelope(
                sender=self.name,
                to=to,
                stream=stream,
                lineage=LineageId(lineage),
                sequence=self._sent,
                body=body,
                budget_s=budget_s,
            )
        )

    def bodies(self) -> list[AnyMessage]:
        return [envelope.body for envelope in self.received]


Nodes = tuple[Node, Node, Node]


@pytest.fixture
def nodes(world: LinkWorld) -> Iterator[Nodes]:
    """The hub and two cities, linked."""
    made = (Node(world, HUB), Node(world, GUANGZHOU), Node(world, SHENZHEN))
    for node in made:
        node.start()
    assert world.until(lambda: all(node.changes == [True] for node in made))
    reached = 0

    def all_heard() -> bool:
        nonlocal reached
        reached += 1
        if reached % 5 == 1:
            for node in made:
                node.send(EVERYONE, FullPictureWanted(), Stream.PICTURE, 5.0)
        return all(len({envelope.sender for envelope in node.received}) == 2 for node in made)

    assert world.until(all_heard)
    world.until(lambda: False, 0.3)  # what is still on its way
    for node in made:
        node.received.clear()
    yield made
    stops = [node.link.stop() for node in made]
    done: list[Any] = []
    for stop in stops:
        stop.addBoth(done.append)
    assert world.until(lambda: len(done) == 3)
    assert done == [None] * 3


def ack(number: int) -> LedgerAck:
    return LedgerAck(session="s", lineage=LINEAGE, number=number)


def test_each_stream_reaches_the_node_it_is_for_and_no_other(world: LinkWorld, nodes: Nodes) -> None:
    """With everything in the envelope as it was, Chinese texts too."""
    hub, guangzhou, shenzhen = nodes
    command = NoProposal(contact="0020-0a1b2c3d-000001", n=1, reason="没有空闲坐席")  # type: ignore[arg-type]
    hub.send(GUANGZHOU, HubBeat(count=1, wall=1.5), Stream.PICTURE, 5.0)
    hub.send(GUANGZHOU, command, Stream.COMMAND, 5.0)
    hub.send(GUANGZHOU, ack(7), Stream.LEDGER)
    assert world.until(lambda: len(guangzhou.received) == 3)
    assert {envelope.stream for envelope in guangzhou.received} == set(Stream)
    [received] = [envelope for envelope in guangzhou.received if envelope.stream is Stream.COMMAND]
    assert received.body == command
    assert (received.sender, received.to, received.lineage, received.budget_s) == (HUB, GUANGZHOU, LINEAGE, 5.0)
    assert shenzhen.received == []
    assert hub.received == []


def test_what_is_for_everybody_reaches_all_but_the_sender(world: LinkWorld, nodes: Nodes) -> None:
    hub, guangzhou, shenzhen = nodes
    guangzhou.send(EVERYONE, HubBeat(count=2, wall=0.0), Stream.PICTURE, 5.0)
    assert world.until(lambda: len(hub.received) == len(shenzhen.received) == 1)
    assert guangzhou.received == []


def test_the_ledger_keeps_its_order_on_an_undisturbed_link(world: LinkWorld, nodes: Nodes) -> None:
    hub, guangzhou, _ = nodes
    for number in range(300):
        guangzhou.send(HUB, ack(number), Stream.LEDGER)
    assert world.until(lambda: len(hub.received) == 300)
    assert hub.bodies() == [ack(number) for number in range(300)]


def test_a_large_message_arrives_whole(world: LinkWorld, nodes: Nodes) -> None:
    hub, guangzhou, _ = nodes
    large = NoProposal(contact="c", n=1, reason="号" * (LARGEST_BYTES // 4))  # type: ignore[arg-type]
    guangzhou.send(HUB, large, Stream.COMMAND, 10.0)
    assert world.until(lambda: hub.bodies() == [large])


def test_a_command_older_than_its_budget_is_not_delivered(world: LinkWorld, nodes: Nodes) -> None:
    """A stale command is void: it does not reach the node that was away for longer than its budget."""
    hub, guangzhou, _ = nodes
    let_through = world.hold(GUANGZHOU)
    hub.send(GUANGZHOU, HubBeat(count=1, wall=0.0), Stream.COMMAND, 0.2)
    world.until(lambda: False, 0.6)
    let_through()
    again = guangzhou if world.form == "inprocess" else Node(world, GUANGZHOU)
    if again is not guangzhou:
        again.start()
        assert world.until(lambda: again.changes == [True])
    hub.send(GUANGZHOU, HubBeat(count=2, wall=0.0), Stream.COMMAND, 5.0)
    assert world.until(lambda: bool(again.received))
    world.until(lambda: False, 1.5)
    assert again.bodies() == [HubBeat(count=2, wall=0.0)]
    if again is not guangzhou:
        stopped: list[None] = []
        again.link.stop().addCallback(stopped.append)
        assert world.until(lambda: stopped == [None])


def test_sending_never_raises_before_the_start_after_the_stop_or_to_nobody(world: LinkWorld, nodes: Nodes) -> None:
    hub, _, _ = nodes
    hub.send(NodeId("nowhere"), ack(1), Stream.LEDGER)
    late = Node(world, NodeId("foshan"))
    late.send(HUB, ack(1), Stream.LEDGER)
    stopped: list[None] = []
    late.start()
    late.link.stop().addCallback(stopped.append)
    assert world.until(lambda: stopped == [None])
    late.send(HUB, ack(2), Stream.LEDGER)
    world.until(lambda: False, 0.3)
    assert hub.received == []


def test_coming_and_going_are_told_and_all_goes_on_after(world: LinkWorld, nodes: Nodes) -> None:
    """True again after each interruption, when the ledgers shake hands anew (J3)."""
    world.cut_all()
    assert world.until(lambda: all(node.changes[:3] == [True, False, True] for node in nodes), 20.0)
    hub, guangzhou, shenzhen = nodes
    assert all(node.changes[-1] for node in nodes)
    heard = 0

    def asked_until_heard() -> bool:
        nonlocal heard
        heard += 1
        if heard % 10 == 1:
            guangzhou.send(HUB, ack(heard), Stream.LEDGER)
            hub.send(SHENZHEN, ack(heard), Stream.LEDGER)
        return bool(hub.received) and bool(shenzhen.received)

    assert world.until(asked_until_heard)


def test_nothing_is_received_after_the_stop_has_fired(world: LinkWorld, nodes: Nodes) -> None:
    hub, guangzhou, _ = nodes
    for number in range(50):
        guangzhou.send(HUB, ack(number), Stream.LEDGER)
    stopped: list[int] = []
    hub.link.stop().addCallback(lambda _: stopped.append(len(hub.received)))
    assert world.until(lambda: bool(stopped))
    world.until(lambda: False, 0.3)
    assert len(hub.received) == stopped[0]


def test_what_is_no_envelope_is_counted_and_the_link_stays_up(world: LinkWorld, nodes: Nodes) -> None:
    hub, guangzhou, _ = nodes
    if isinstance(guangzhou.link, AmqpLink):
        publisher = guangzhou.link._publisher
        key = routing_key(HUB, Stream.LEDGER, GUANGZHOU)
        answer: Deferred[None] = publisher.publish(
            EXCHANGE, key, b"\xff not an envelope", Properties(user_id=GUANGZHOU), mandatory=True
        )
        answer.addErrback(lambda failure: pytest.fail(str(failure)))
        assert isinstance(hub.link, AmqpLink)
        dropped = hub.link.dropped
        assert world.until(lambda: dropped["envelope-malformed"] == 1)
    else:
        hub.link.arrived(b"\xff not an envelope")  # type: ignore[attr-defined]
        assert dict(hub.link.dropped) == {"envelope-malformed": 1}
    guangzhou.send(HUB, ack(1), Stream.LEDGER)
    assert world.until(lambda: hub.bodies() == [ack(1)])
