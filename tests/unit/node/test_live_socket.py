"""A browser that died without a word is found out; one that lives is left alone."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.internet.tcp import Connection
from twisted.python.failure import Failure
from wsproto.connection import Connection as Frames
from wsproto.connection import ConnectionState, ConnectionType
from wsproto.events import TextMessage

from federation.node.clock import VirtualClock
from federation.node.websocket import LINGER_S, PING_EVERY_S, SILENT_S, LiveSocket, text_head, write_now
from tests.harness.city_desk import Desk


class Tcp:
    def __init__(self) -> None:
        self.aborted = 0
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def abortConnection(self) -> None:  # noqa: N802
        self.aborted += 1


class WebSocket:
    """Twisted's side of a WebSocket."""

    def __init__(self) -> None:
        self._wsconn = SimpleNamespace(state=ConnectionState.OPEN)
        self.pings = 0
        self.closed: list[int] = []
        self.producers: list[Any] = []

    def sendTextMessage(self, text: str) -> None:  # noqa: N802
        raise AssertionError("framed by hand")

    def sendBytesMessage(self, data: bytes) -> None:  # noqa: N802
        raise AssertionError("text only")

    def loseConnection(self, code: int = 1000) -> None:  # noqa: N802
        self.closed.append(code)

    def ping(self, payload: bytes = b"") -> None:
        self.pings += 1

    def attachProducer(self, producer: Any) -> None:  # noqa: N802
        self.producers.append(producer)

    def detachProducer(self) -> None:  # noqa: N802
        self.producers.clear()


class Scene:
    def __init__(self) -> None:
        self.desk_clock = VirtualClock(1e9)
        self.reactor = Clock()
        self.tcp = Tcp()
        self.wire = WebSocket()
        self.socket = LiveSocket(Desk(self.desk_clock).door, self.reactor, None, self.tcp)
        self.socket.negotiationStarted(self.wire)
        self.socket.negotiationFinished()


def test_a_silent_connection_is_cut() -> None:
    scene = Scene()
    scene.reactor.pump([PING_EVERY_S] * 2)
    assert (scene.wire.pings, scene.tcp.aborted) == (2, 0)
    scene.reactor.pump([PING_EVERY_S] * 2)
    assert scene.tcp.aborted == 1
    assert scene.reactor.seconds() > SILENT_S


@pytest.mark.parametrize("sign", ["pong", "text", "bytes"])
def test_any_sign_of_life_keeps_it(sign: str) -> None:
    scene = Scene()
    for _ in range(10):
        scene.reactor.advance(PING_EVERY_S)
        if sign == "pong":
            scene.socket.pongReceived(b"")
        elif sign == "text":
            scene.socket.textMessageReceived('{"op": 1}')
        else:
            scene.socket.bytesMessageReceived(b"{}")
    assert scene.tcp.aborted == 0
    assert scene.wire.pings == 10


def test_a_close_that_does_not_drain_is_cut() -> None:
    scene = Scene()
    scene.socket.textMessageReceived('{"id": 1, "op": "ready"}')
    assert scene.wire.closed == [4401]
    assert scene.wire.producers == []
    scene.reactor.advance(LINGER_S)
    assert scene.tcp.aborted == 1


def test_a_lost_connection_leaves_no_timer() -> None:
    scene = Scene()
    scene.socket.connectionLost(Failure(ConnectionError()))
    assert scene.reactor.getDelayedCalls() == []
    assert scene.desk_clock.getDelayedCalls() == []


def test_nothing_is_said_to_a_browser_that_has_begun_to_close() -> None:
    scene = Scene()
    scene.wire._wsconn.state = ConnectionState.REMOTE_CLOSING
    scene.socket.textMessageReceived('{"op": 1}')
    assert scene.tcp.written == []


# ── frames, and writing them ────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 200_000])
def test_a_frame_of_any_size_is_read_by_another_implementation(size: int) -> None:
    browser = Frames(ConnectionType.CLIENT)
    browser.receive_data(text_head(size) + b"x" * size)
    events = list(browser.events())
    assert all(isinstance(event, TextMessage) for event in events)
    assert "".join(event.data for event in events if isinstance(event, TextMessage)) == "x" * size
    assert all(event.message_finished for event in events[-1:] if isinstance(event, TextMessage))


class Watching:
    """The part of a reactor that a connection tells what it waits for."""

    def __init__(self) -> None:
        self.writing: set[Any] = set()

    def addReader(self, one: Any) -> None:  # noqa: N802
        pass

    def removeReader(self, one: Any) -> None:  # noqa: N802
        pass

    def addWriter(self, one: Any) -> None:  # noqa: N802
        self.writing.add(one)

    def removeWriter(self, one: Any) -> None:  # noqa: N802
        self.writing.discard(one)


class Pair:
    """A connection of Twisted's, and the browser's end of it."""

    def __init__(self) -> None:
        near, self.far = socket.socketpair()
        for one in (near, self.far):
            one.setblocking(False)
        near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
        self.reactor = Watching()
        self.tcp = Connection(near, Protocol(), self.reactor)  # type: ignore[arg-type]
        self.tcp.connected = True

    def come(self) -> bytes:
        try:
            return self.far.recv(1 << 20)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        self.far.close()
        self.tcp.socket.close()


@pytest.fixture
def pair() -> Iterator[Pair]:
    made = Pair()
    yield made
    made.close()


def test_what_the_kernel_takes_is_sent_at_once(pair: Pair) -> None:
    write_now(pair.tcp, b"one")
    write_now(pair.tcp, b" two")
    assert pair.come() == b"one two"
    assert not pair.reactor.writing


def test_what_it_does_not_take_waits_and_nothing_overtakes_it(pair: Pair) -> None:
    large = bytes(range(256)) * 1_000
    write_now(pair.tcp, large)
    write_now(pair.tcp, b"behind")
    assert pair.reactor.writing == {pair.tcp}
    come = pair.come()
    assert 0 < len(come) < len(large)
    write_now(pair.tcp, b" all")  # there is room now, and yet it has to wait
    while pair.reactor.writing:
        pair.tcp.doWrite()
        come += pair.come()
    assert come == large + b"behind all"
    write_now(pair.tcp, b"!")
    assert pair.come() == b"!"


def test_a_closing_connection_gets_nothing_ahead_of_what_it_holds(pair: Pair) -> None:
    pair.tcp.disconnecting = True
    write_now(pair.tcp, b"late")
    assert pair.come() == b""


def test_a_lost_connection_is_left_to_its_reactor(pair: Pair) -> None:
    pair.far.close()
    write_now(pair.tcp, b"to nobody")
    assert pair.reactor.writing == {pair.tcp}
