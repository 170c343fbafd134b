"""Links of the trial province's nodes over a real broker, and a quick way to say something over them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from dataset.ids import LineageId, NodeId
from federation.core.envelope import AnyMessage, Envelope, LedgerAck, NoProposal, Stream
from federation.links.amqp.link import AmqpLink
from federation.links.amqp.reconnect import BackOff, BrokerAccess
from federation.node.post import Post
from tests.harness.real_reactor import Recorder
from tests.real.amqp_broker import RabbitNode

LINEAGE = LineageId("0a1b2c3d")
QUICK = BackOff(first=0.1, longest=1.0)


class End:
    """One node's link with what it received and how it came and went."""

    def __init__(self, reactor: Any, node: str, access: BrokerAccess, **options: Any) -> None:
        self.node = NodeId(node)
        self.link = AmqpLink(reactor, self.node, access, **{"back_off": QUICK, **options})
        self.received = Recorder()
        self.changes = Recorder()
        self.post = Post(self.node, LINEAGE, self.link)

    def start(self) -> None:
        self.link.start(self.received.put, self.changes.put)

    def bodies(self) -> list[AnyMessage]:
        return [envelope.body for envelope in self.received.items]

    def numbers(self) -> list[int]:
        """Of the ledger messages received, in order."""
        return [body.number for body in self.bodies() if isinstance(body, LedgerAck)]

    async def until_up(self, within: float = 15.0) -> None:
        await self.changes.until(lambda items: bool(items) and items[-1] is True, within)


def access_to(broker: RabbitNode, node: str, *, heartbeat: int = 10, connect: float = 10.0) -> BrokerAccess:
    login = broker.login(node, heartbeat_seconds=heartbeat)
    return BrokerAccess((broker.address,), login, connect_seconds=connect)


@asynccontextmanager
async def ends(reactor: Any, broker: RabbitNode, names: Sequence[str], **options: Any) -> AsyncIterator[list[End]]:
    """Links that are up and consuming, closed at the end."""
    made = [End(reactor, name, access_to(broker, name), **options) for name in names]
    for end in made:
        end.start()
    try:
        for end in made:
            await end.until_up()
        await all_heard(made)
        yield made
    finally:
        for end in made:
            await end.link.stop()


async def all_heard(made: Sequence[End], within: float = 15.0) -> None:
    """Fires when each has what it sent itself to each other: subscriptions take a moment after a link is up."""
    for end in made:
        for other in made:
            if other is not end:
                end.post.send(other.node, row(0), Stream.LEDGER)
    for end in made:
        await end.received.count(len(made) - 1, within)
        end.received.items.clear()


def row(number: int) -> LedgerAck:
    """A ledger message that can be told from others."""
    return LedgerAck(session="s", lineage=LINEAGE, number=number)


def command(reason: str) -> NoProposal:
    """A command that can be told from others."""
    return NoProposal(contact="0020-0a1b2c3d-000001", n=1, reason=reason)  # type: ignore[arg-type]


def envelope(sender: str, to: str, body: AnyMessage, stream: Stream = Stream.LEDGER) -> Envelope:
    return Envelope(sender=NodeId(sender), to=NodeId(to), stream=stream, lineage=LINEAGE, sequence=1, body=body)
