"""Two ways to a node's door, for one contract test: memory on virtual time, and real HTTP and WebSocket."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Protocol as Wire
from twisted.python.failure import Failure
from twisted.web.websocket import WebSocketClientEndpoint, WebSocketTransport

from dataset.errors import Refused
from federation.node.clock import ReactorClock, VirtualClock
from federation.node.http import NodeResource, NodeWeb, SharedRoot, web_site
from federation.node.live import LiveLimits
from federation.node.memory_transport import ClientEnd, MemoryDoor
from federation.node.operations import refusal_in
from tests.harness.city_desk import Desk
from tests.harness.driving import ReactorDriver

reactor: Any = _reactor
WITHIN_S = 10.0


class Live(Protocol):
    """One live connection, from the far end."""

    pushes: list[dict[str, Any]]
    closed: list[int]

    def send(self, op: str, **fields: Any) -> dict[str, Any]: ...
    def send_text(self, text: str) -> None: ...
    def answers(self) -> list[dict[str, Any]]: ...
    def close(self) -> None: ...


class Form(Protocol):
    """One way to the door."""

    desk: Desk

    def post(self, op: str, fields: Any, token: str | None = None) -> tuple[int, dict[str, Any]]: ...
    def open(self) -> Live: ...
    def wait(self, condition: Callable[[], bool]) -> None: ...
    def settle(self) -> None: ...
    def close(self) -> None: ...


def result(fired: list[Any]) -> Any:
    """The one result of a Deferred that was noted in a list."""
    assert fired, "no answer"
    if isinstance(fired[0], Failure):
        fired[0].raiseException()
    return fired[0]


# ── memory ──────────────────────────────────────────────────────────────────────────────────────────────────────────
class MemoryLive:
    def __init__(self, form: MemoryForm, end: ClientEnd) -> None:
        self._form = form
        self.end = end
        self.pushes: list[dict[str, Any]] = []
        self.closed: list[int] = []
        self._answers: list[dict[str, Any]] = []
        end.on_push(self.pushes.append)
        end.on_close(lambda code, reason: self.closed.append(code))
        end.on_unasked(self._answers.append)

    def send(self, op: str, **fields: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self._form.result(self.end.send(op, **fields))
        return answer

    def send_text(self, text: str) -> None:
        self.end.send_bytes(text.encode())
        self._form.settle()

    def answers(self) -> list[dict[str, Any]]:
        return self._answers

    def close(self) -> None:
        self.end.close()
        self._form.settle()


class MemoryForm:
    def __init__(self, limits: LiveLimits | None = None) -> None:
        self.clock = VirtualClock(1e9)
        self.desk = Desk(self.clock)
        self.door = MemoryDoor(self.desk.door, self.clock, delay_s=0.005, limits=limits)

    def result(self, deferred: Deferred[Any]) -> Any:
        fired: list[Any] = []
        deferred.addBoth(fired.append)
        self.clock.run_until(lambda: bool(fired), WITHIN_S)
        return result(fired)

    def post(self, op: str, fields: Any, token: str | None = None) -> tuple[int, dict[str, Any]]:
        body = fields if isinstance(fields, bytes) else json.dumps(fields).encode()
        posted = self.result(self.door.post(op, body, token))
        return posted.status, json.loads(posted.body)

    def open(self) -> MemoryLive:
        return MemoryLive(self, self.door.open())

    def wait(self, condition: Callable[[], bool]) -> None:
        assert self.clock.run_until(condition, WITHIN_S), "not in time"

    def settle(self) -> None:
        self.clock.advance(0.05)

    def close(self) -> None:
        self.desk.stop()


# ── network ─────────────────────────────────────────────────────────────────────────────────────────────────────────
class RawHttp(Wire):
    """One HTTP/1.1 exchange, written by hand so that every header is the test's own."""

    def __init__(self) -> None:
        self.data = b""
        self.done: Deferred[bytes] = Deferred()

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        self.data += data

    def connectionLost(self, reason: Failure = None) -> None:  # type: ignore[assignment]  # noqa: N802
        self.done.callback(self.data)


class NetworkLive:
    """The client's side of a WebSocket (``WebSocketProtocol``)."""

    def __init__(self, form: NetworkForm) -> None:
        self._form = form
        self.transport: WebSocketTransport | None = None
        self.messages: list[dict[str, Any]] = []
        self.closed: list[int] = []
        self._number = 0
        self._tail = b""

    @property
    def pushes(self) -> list[dict[str, Any]]:
        return [message for message in self.messages if "push" in message]

    @pushes.setter
    def pushes(self, value: list[dict[str, Any]]) -> None:
        raise AttributeError

    def negotiationStarted(self, transport: WebSocketTransport) -> None:  # noqa: N802
        self.transport = transport
        wire: Any = transport
        inner = wire.dataReceived

        def received(data: bytes) -> None:
            self._tail = data[-4:]
            inner(data)

        wire.dataReceived = received

    def negotiationFinished(self) -> None:  # noqa: N802
        pass

    def pongReceived(self, payload: bytes) -> None:  # noqa: N802
        pass

    def textMessageReceived(self, message: str) -> None:  # noqa: N802
        self.messages.append(json.loads(message))

    def bytesMessageReceived(self, data: bytes | bytearray) -> None:  # noqa: N802
        raise AssertionError("text is expected")

    def connectionLost(self, reason: Failure) -> None:  # noqa: N802
        self.transport = None
        closed = self._tail[:2] == b"\x88\x02"  # a close frame with a code and no reason
        self.closed.append(int.from_bytes(self._tail[2:], "big") if closed else 1006)

    def send(self, op: str, **fields: Any) -> dict[str, Any]:
        self._number += 1
        number = self._number
        if self.transport is None:
            raise AssertionError("closed")
        self.send_text(json.dumps({"id": number, "op": op, **fields}))
        self._form.wait(lambda: self.closed != [] or any(message.get("re") == number for message in self.messages))
        answer = next(message for message in self.messages if message.get("re") == number)
        if "ok" in answer:
            ok: dict[str, Any] = answer["ok"]
            return ok
        raise refusal_in(answer["problem"], answer["status"])

    def send_text(self, text: str) -> None:
        assert self.transport is not None
        self.transport.sendTextMessage(text)

    def answers(self) -> list[dict[str, Any]]:
        return [message for message in self.messages if "re" in message]

    def close(self) -> None:
        if self.transport is not None:
            self.transport.loseConnection()
        self._form.wait(lambda: self.closed != [])


class NetworkForm:
    """Real sockets on localhost; the node is mounted under ``base``."""

    def __init__(
        self, limits: LiveLimits | None = None, base: str = "/city/guangzhou", idle_s: float = 60.0, **web: Any
    ) -> None:
        self.driver = ReactorDriver(reactor)
        self.clock = ReactorClock(reactor)
        self.desk = Desk(self.clock)
        self.base = base
        node = NodeResource(NodeWeb(door=self.desk.door, reactor=reactor, base=base, limits=limits, **web))
        root: Any = node
        if base:
            root = SharedRoot(web.get("screens"), nodes=lambda: {"nodes": ["guangzhou"]})
            root.mount(base, node)
        self.port = reactor.listenTCP(0, web_site(root, idle_s=idle_s), interface="127.0.0.1")
        self.number = self.port.getHost().port
        self._lives: list[NetworkLive] = []

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.number}"

    def exchange(self, request: bytes, endpoint: Any = None) -> tuple[int, dict[str, str], bytes]:
        """Send bytes, read until the node closes; status, headers (lower case), body."""
        if endpoint is None:
            endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", self.number)
        wire = self.driver.result_of(connectProtocol(endpoint, RawHttp()), WITHIN_S)
        wire.transport.write(request)
        data: bytes = self.driver.result_of(wire.done, WITHIN_S)
        head, _, body = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        return int(first.split()[1]) if first else 0, headers, body

    def request(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, dict[str, str], bytes]:
        """One request; header names with ``_`` for ``-``."""
        lines = [
            f"{method} {self.base}{path} HTTP/1.1" if path.startswith("/") else f"{method} {path[1:]} HTTP/1.1",
            f"Host: 127.0.0.1:{self.number}",
            "Connection: close",
            f"Content-Length: {len(body)}",
            *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
        ]
        return self.exchange("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def post(self, op: str, fields: Any, token: str | None = None) -> tuple[int, dict[str, Any]]:
        body = fields if isinstance(fields, bytes) else json.dumps(fields).encode()
        headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        status, _, answer = self.request("POST", f"/api/v1/{op}", body, Content_Type="application/json", **headers)
        return status, json.loads(answer)

    def open(self) -> NetworkLive:
        live = NetworkLive(self)
        self._lives.append(live)

        class Once:
            def buildProtocol(self, url: str) -> NetworkLive:  # noqa: N802
                return live

        url = f"ws://127.0.0.1:{self.number}{self.base}/api/v1/live"
        work = WebSocketClientEndpoint.new(reactor, url).connect(Once())
        self.driver.result_of(Deferred.fromCoroutine(work), WITHIN_S)
        return live

    def wait(self, condition: Callable[[], bool]) -> None:
        assert self.driver.until(condition, WITHIN_S), "not in time"

    def settle(self) -> None:
        for _ in range(5):
            self.driver.step(0.005)

    def close(self) -> None:
        for live in self._lives:
            if not live.closed:
                live.close()
        self.driver.result_of(self.port.stopListening(), WITHIN_S)
        self.desk.stop()
        self.driver.until(lambda: not reactor.getDelayedCalls(), 3.0)  # the node's ends close too
        left = [str(call) for call in reactor.getDelayedCalls()]
        for call in reactor.getDelayedCalls():
            call.cancel()
        assert not left, f"timers left running: {left}"


def slug(refused: Refused) -> tuple[int, str]:
    return refused.status, refused.problems[0].slug
