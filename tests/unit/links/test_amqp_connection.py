"""The connection against a broker of a few lines on a virtual clock: silence, late answers, confirms out of order."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import ITCPTransport
from twisted.internet.task import Clock
from zope.interface import directlyProvides

from dataset.errors import Problem
from federation.links.amqp import frames
from federation.links.amqp.connection import BrokerConnection, Login
from federation.links.amqp.errors import AmqpFailure, BrokerLost, ConfirmMissing, PublishRefused
from federation.links.amqp.publisher import DURABLE_MESSAGE, _ConfirmChannel
from federation.links.amqp.reconnect import BackOff, endpoint_text
from federation.links.amqp.specification import specification


class Wire:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.aborted = False
        self.waits_for_answers = True
        self._written = b""

    def write(self, data: bytes) -> None:
        self._written += data

    def taken(self) -> bytes:
        data, self._written = self._written, b""
        return data

    def setTcpNoDelay(self, enabled: bool) -> None:  # noqa: N802 - Twisted's name
        self.waits_for_answers = not enabled

    def loseConnection(self) -> None:  # noqa: N802 - Twisted's name
        self.aborted = True

    def abortConnection(self) -> None:  # noqa: N802 - Twisted's name
        self.aborted = True


class ScriptedBroker:
    """Answers what it is told to answer; ``asked`` names the methods that came."""

    def __init__(self, heartbeat: int = 10) -> None:
        self.clock = Clock()
        self.wire = Wire()
        self.connection = BrokerConnection(Login("u", "p", heartbeat_seconds=heartbeat), self.clock, "broker:1")
        self.lost: list[Problem] = []
        self.connection.on_lost = self.lost.append
        self.connection.makeConnection(self.wire)
        assert self.wire.taken() == frames.PROTOCOL_HEADER
        self._buffer = frames.FrameBuffer(131_072)

    def say(self, channel: int, klass: str, name: str, *arguments: Any) -> None:
        method = specification().classes.byname[klass].methods.byname[name]
        self.connection.dataReceived(frames.pack_method(channel, method, arguments))

    def asked(self) -> list[str]:
        names = []
        for kind, channel, payload in self._buffer.feed(self.wire.taken()):
            if kind == frames.METHOD:
                method, _ = frames.unpack_method(specification(), payload)
                names.append(f"{channel} {method.klass.name}.{method.name}")
            elif kind == frames.HEARTBEAT:
                names.append("heartbeat")
        return names

    def log_in(self, heartbeat: int) -> None:
        opened = Deferred.fromCoroutine(self.connection.opened())
        self.say(0, "connection", "start", 0, 9, {}, b"PLAIN", b"en_US")
        self.say(0, "connection", "tune", 2047, 131_072, heartbeat)
        assert self.asked() == ["0 connection.start-ok", "0 connection.tune-ok", "0 connection.open"]
        self.say(0, "connection", "open-ok", "")
        assert result(opened) is None


def result(answer: Deferred[Any]) -> Any:
    got: list[Any] = []
    answer.addBoth(got.append)
    assert got, "it has not fired"
    return got[0]


def failure(answer: Deferred[Any]) -> AmqpFailure:
    problem: AmqpFailure = result(answer).value
    return problem


class Role:
    """Remembers what its channel heard."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def delivered(self, tag: int, redelivered: bool, address: bytes, header: bytes, body: bytes) -> None:
        self.heard.append(("delivered", tag, body))

    def oversized(self, tag: int, size: int) -> None:
        self.heard.append(("oversized", tag))

    def confirmed(self, tag: int, multiple: bool) -> None:
        self.heard.append(("confirmed", tag))

    def refused(self, tag: int, multiple: bool) -> None:
        self.heard.append(("refused", tag))

    def returned(self, code: int, text: str, header: bytes) -> None:
        self.heard.append(("returned", code))

    def cancelled(self) -> None:
        self.heard.append("cancelled")

    def closed(self, problem: Problem) -> None:
        self.heard.append(("closed", problem.slug))


def test_a_small_message_does_not_wait_for_the_answer_to_the_one_before() -> None:
    """S4: a command behind a ledger message, whose confirm comes after the broker's flush of its disk."""
    wire = Wire()
    directlyProvides(wire, ITCPTransport)
    BrokerConnection(Login("u", "p"), Clock(), "broker:1").makeConnection(wire)
    assert not wire.waits_for_answers


@pytest.mark.parametrize(
    ("wished", "proposed", "settled"), [(10, 60, 10), (60, 10, 10), (10, 0, 10), (0, 60, 60), (0, 0, 0)]
)
def test_row_8_the_shorter_heartbeat_is_taken(wished: int, proposed: int, settled: int) -> None:
    broker = ScriptedBroker(wished)
    broker.log_in(proposed)
    assert broker.connection.heartbeat == settled


@pytest.mark.parametrize("last_byte_at", [0.1, 4.9, 5.1, 9.9])
def test_row_8_silence_ends_the_connection_within_three_and_a_half_intervals(last_byte_at: float) -> None:
    """Wherever between two looks the broker freezes."""
    broker = ScriptedBroker()
    broker.log_in(10)
    broker.clock.advance(5.0)
    broker.connection.dataReceived(frames.HEARTBEAT_FRAME)
    broker.clock.advance(last_byte_at)
    broker.connection.dataReceived(frames.HEARTBEAT_FRAME)
    frozen_at = broker.clock.seconds()
    while not broker.wire.aborted:
        broker.clock.advance(0.1)
    assert 2.0 * 10 < broker.clock.seconds() - frozen_at <= 3.5 * 10
    assert "heartbeat" in broker.asked()
    broker.connection.connectionLost(result(Deferred.fromCoroutine(_raises(ConnectionError("gone")))))
    assert [problem.slug for problem in broker.lost] == ["amqp-silent"]
    assert not broker.clock.getDelayedCalls()


async def _raises(error: Exception) -> None:
    raise error


def test_a_channel_that_does_not_answer_is_given_up_and_the_connection_is_not() -> None:
    """A queue that is stuck at the broker keeps its channel; its late answers confuse nobody."""
    broker = ScriptedBroker()
    broker.log_in(0)
    role, other = Role(), Role()
    opening = Deferred.fromCoroutine(broker.connection.open_channel(role, 5.0))
    broker.say(1, "channel", "open-ok", b"")
    channel = result(opening)
    consuming = Deferred.fromCoroutine(broker.connection.call(channel, "basic_consume", 5.0, queue="stuck"))
    broker.clock.advance(5.0)
    lost = failure(consuming)
    assert isinstance(lost, BrokerLost)
    assert lost.problem.slug == "amqp-no-answer"
    assert not broker.wire.aborted
    assert "1 channel.close" in broker.asked()
    opening = Deferred.fromCoroutine(broker.connection.open_channel(other, 5.0))
    assert broker.asked() == ["2 channel.open"]
    broker.say(2, "channel", "open-ok", b"")
    assert result(opening).id == 2
    broker.say(1, "basic", "consume-ok", "late")
    broker.say(1, "channel", "close-ok")
    assert role.heard == []
    Deferred.fromCoroutine(broker.connection.open_channel(Role(), 5.0)).addErrback(lambda _: None)
    assert broker.asked() == ["1 channel.open"]


def test_contents_of_two_channels_interleave() -> None:
    broker = ScriptedBroker()
    broker.log_in(0)
    one, two = Role(), Role()
    for role in (one, two):
        Deferred.fromCoroutine(broker.connection.open_channel(role, 5.0)).addErrback(lambda _: None)
    header = b"\x00\x3c\x00\x00" + (6).to_bytes(8, "big") + b"\x00\x00"
    for number in (1, 2):
        broker.say(number, "basic", "deliver", "tag", 40 + number, False, "", "k")
        broker.connection.dataReceived(frames._FRAME.pack(frames.HEADER, number, len(header)) + header + b"\xce")
    for number, piece in ((2, b"\xe5\x8f"), (1, b"abc"), (2, b"\xb7\xff\xfe\xfd"), (1, b"def")):
        broker.connection.dataReceived(frames._FRAME.pack(frames.BODY, number, len(piece)) + piece + b"\xce")
    assert one.heard == [("delivered", 41, b"abcdef")]
    assert two.heard == [("delivered", 42, b"\xe5\x8f\xb7\xff\xfe\xfd")]


class TestConfirms:
    """Every publish gets its own answer, in whatever order the broker gives them."""

    def begin(self) -> tuple[ScriptedBroker, _ConfirmChannel]:
        broker = ScriptedBroker()
        broker.log_in(0)
        channel = _ConfirmChannel(broker.clock, 5.0, broker.connection)
        opening = Deferred.fromCoroutine(channel.open(5.0))
        broker.say(1, "channel", "open-ok", b"")
        broker.say(1, "confirm", "select-ok")
        assert result(opening) is None
        return broker, channel

    def publish(self, channel: _ConfirmChannel, message_id: str | None = None) -> Deferred[None]:
        return channel.publish("", "q", b"x", DURABLE_MESSAGE, message_id is not None, message_id)

    def test_single_and_multiple_in_any_order(self) -> None:
        broker, channel = self.begin()
        answers = [self.publish(channel) for _ in range(6)]
        broker.say(1, "basic", "ack", 4, False)
        broker.say(1, "basic", "ack", 2, True)
        broker.say(1, "basic", "ack", 2, False)
        broker.say(1, "basic", "nack", 5, True, False)
        assert [result(answers[at]) for at in (0, 1, 3)] == [None, None, None]
        for at in (2, 4):
            assert isinstance(failure(answers[at]), PublishRefused)
        assert list(channel.unconfirmed) == [6]
        broker.say(1, "basic", "ack", 6, True)
        assert result(answers[5]) is None

    def test_a_return_finds_its_message_by_id(self) -> None:
        broker, channel = self.begin()
        first, second = self.publish(channel, "a"), self.publish(channel, "b")
        header = b"\x00\x3c\x00\x00" + bytes(8) + DURABLE_MESSAGE.packed("b")
        broker.say(1, "basic", "return", 312, "NO_ROUTE", "", "q")
        broker.connection.dataReceived(frames._FRAME.pack(frames.HEADER, 1, len(header)) + header + b"\xce")
        broker.say(1, "basic", "ack", 2, True)
        assert result(first) is None
        assert failure(second).problem.slug == "amqp-returned"

    def test_each_confirm_has_its_own_time_limit(self) -> None:
        broker, channel = self.begin()
        early = self.publish(channel)
        broker.clock.advance(3.0)
        later = self.publish(channel)
        broker.clock.advance(2.0)
        assert isinstance(failure(early), ConfirmMissing)
        assert not later.called
        broker.say(1, "basic", "ack", 1, False)  # too late: nobody is told twice
        broker.clock.advance(2.9)
        assert not later.called
        broker.clock.advance(0.2)
        assert isinstance(failure(later), ConfirmMissing)

    def test_a_retired_channel_is_closed_once_everything_has_its_answer(self) -> None:
        broker, channel = self.begin()
        ended: list[Problem] = []
        channel.on_closed = ended.append
        answers = [self.publish(channel) for _ in range(2)]
        channel.retire()
        broker.asked()
        broker.say(1, "basic", "ack", 1, False)
        assert broker.asked() == []
        broker.say(1, "basic", "nack", 2, False, False)
        assert result(answers[0]) is None
        assert failure(answers[1]).problem.slug == "amqp-nacked"
        assert broker.asked() == ["1 channel.close"]
        broker.say(1, "channel", "close-ok")
        assert not ended

    def test_whoever_publishes_hears_that_a_message_was_refused(self) -> None:
        broker, channel = self.begin()
        refused: list[bool] = []
        channel.on_refused = lambda: refused.append(True)
        answer = self.publish(channel)
        broker.say(1, "basic", "nack", 1, False, False)
        assert isinstance(failure(answer), PublishRefused)
        assert refused == [True]

    def test_the_loss_of_the_connection_answers_everything(self) -> None:
        broker, channel = self.begin()
        answers = [self.publish(channel) for _ in range(3)]
        broker.connection.connectionLost(result(Deferred.fromCoroutine(_raises(ConnectionError("gone")))))
        assert [failure(answer).problem.slug for answer in answers] == ["amqp-lost"] * 3
        assert not broker.clock.getDelayedCalls()


def test_back_off_doubles_up_to_its_ceiling_and_is_shortened_at_random() -> None:
    longest = BackOff(first=0.5, longest=8.0, random=lambda: 0.0)
    assert [longest(n) for n in range(1, 8)] == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]
    assert BackOff(first=0.5, longest=8.0, random=lambda: 1.0)(5) == 4.0
    assert longest(10_000) == 8.0


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("10.0.0.1:5672", "tcp:host=10.0.0.1:port=5672"),
        ("broker.example:5672", "tcp:host=broker.example:port=5672"),
        ("[::1]:5672", "tcp:host=\\:\\:1:port=5672"),
        ("tls:broker.example:5671", "tls:broker.example:5671"),
        ("tcp:host=a:port=1", "tcp:host=a:port=1"),
    ],
)
def test_addresses(address: str, text: str) -> None:
    assert endpoint_text(address) == text
