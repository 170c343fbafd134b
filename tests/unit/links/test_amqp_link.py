"""What a link takes in, without a broker: only envelopes of the user whom the broker vouches for, for this node."""

from __future__ import annotations

import struct

import pytest
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from dataset.ids import EVERYONE, LineageId, NodeId
from federation.core.envelope import Envelope, NoProposal, Stream, encode
from federation.links.amqp.connection import Login
from federation.links.amqp.content import Delivery, Properties
from federation.links.amqp.link import SAID_AGAIN_S, AmqpLink
from federation.links.amqp.reconnect import BrokerAccess


class Verdicts:
    """Where deliveries are settled."""

    def __init__(self) -> None:
        self.given: list[str] = []

    def ack(self, tag: int) -> None:
        self.given.append("ack")

    def nack(self, tag: int, requeue: bool) -> None:
        self.given.append("requeue" if requeue else "refuse")


class Inlet:
    """A link of guangzhou as it is while it runs, fed with deliveries."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = Clock()
        access = BrokerAccess(("127.0.0.1:1",), Login("guangzhou", ""))
        self.link = AmqpLink(self.clock, NodeId("guangzhou"), access)
        for part in (self.link._publisher, self.link._consumer):
            monkeypatch.setattr(part, "start", lambda: None)  # nothing connects
        self.verdicts = Verdicts()
        self.received: list[Envelope] = []
        self.link.start(self.received.append, lambda up: None)

    def deliver(self, body: bytes, properties: Properties) -> None:
        header = struct.pack(">HHQ", 60, 0, len(body)) + properties.packed()
        self.link._delivered(Delivery(self.verdicts, 1, False, b"\x00\x00", header, body))


def envelope(sender: str = "hub", to: str = "guangzhou") -> bytes:
    return encode(
        Envelope(
            sender=NodeId(sender),
            to=NodeId(to),
            stream=Stream.COMMAND,
            lineage=LineageId("0a1b2c3d"),
            sequence=1,
            body=NoProposal(contact="c", n=1, reason="nobody"),  # type: ignore[arg-type]
        )
    )


@pytest.fixture
def inlet(monkeypatch: pytest.MonkeyPatch) -> Inlet:
    return Inlet(monkeypatch)


SIGNED = Properties(user_id="hub")
LED = Properties(user_id="hub", headers={"x-death": [{"queue": "yht.foshan.command", "count": 1}]})


@pytest.mark.parametrize("to", ["guangzhou", EVERYONE])
def test_what_is_signed_by_its_sender_and_for_this_node_is_taken_in(inlet: Inlet, to: str) -> None:
    inlet.deliver(envelope(to=to), SIGNED)
    inlet.deliver(envelope(to=to), Properties(user_id="hub", headers={"trace": 7}))
    assert [one.sender for one in inlet.received] == ["hub", "hub"]
    assert (inlet.verdicts.given, dict(inlet.link.dropped)) == (["ack", "ack"], {})


def test_the_own_voice_is_not_heard(inlet: Inlet) -> None:
    inlet.deliver(envelope("guangzhou", EVERYONE), Properties(user_id="guangzhou"))
    assert (inlet.received, inlet.verdicts.given, dict(inlet.link.dropped)) == ([], ["ack"], {})


@pytest.mark.parametrize(
    ("body", "properties", "reason"),
    [
        (envelope(), Properties(user_id="foshan"), "sender-mismatch"),
        (envelope(), Properties(), "sender-mismatch"),
        (envelope(to="foshan"), SIGNED, "misaddressed"),
        (envelope(), LED, "misaddressed"),
        (envelope(to=EVERYONE), LED, "misaddressed"),
        (b"\xff", SIGNED, "envelope-malformed"),
        (b'{"sender": "\xff"}', SIGNED, "envelope-malformed"),
    ],
)
def test_everything_else_is_refused_for_a_reason(
    inlet: Inlet, body: bytes, properties: Properties, reason: str
) -> None:
    inlet.deliver(body, properties)
    assert inlet.received == []
    assert (inlet.verdicts.given, dict(inlet.link.dropped)) == (["refuse"], {reason: 1})


def test_a_flood_of_forgeries_is_counted_one_by_one_and_logged_once_a_minute(inlet: Inlet) -> None:
    """A line per user and reason, with the count so far: a rogue cannot fill a disk, nor hide behind another's line."""
    with capturedLogs() as lines:
        for _ in range(500):
            inlet.deliver(envelope(), Properties(user_id="foshan"))
        inlet.deliver(envelope(), Properties(user_id="shenzhen"))
        inlet.clock.advance(SAID_AGAIN_S)
        inlet.deliver(envelope(), Properties(user_id="foshan"))
    told = [(line["user"], line["slug"], line["count"]) for line in lines if line.get("event") == "message-refused"]
    assert told == [
        ("foshan", "sender-mismatch", 1),
        ("shenzhen", "sender-mismatch", 501),
        ("foshan", "sender-mismatch", 502),
    ]
    assert inlet.link.dropped["sender-mismatch"] == 502
