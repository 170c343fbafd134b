"""A browser that died without a word is found out; one that lives is left alone."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from federation.node.clock import VirtualClock
from federation.node.websocket import LINGER_S, PING_EVERY_S, SILENT_S, LiveSocket
from tests.harness.city_desk import Desk


class Tcp:
    def __init__(self) -> None:
        self.aborted = 0

    def abortConnection(self) -> None:  # noqa: N802
        self.aborted += 1


class WebSocket:
    """Twisted's side of a WebSocket."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.pings = 0
        self.closed: list[int] = []
        self.producers: list[Any] = []

    def sendTextMessage(self, text: str) -> None:  # noqa: N802
        self.sent.append(text)

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
