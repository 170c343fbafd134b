"""The agent API over real HTTP and WebSocket, as simulated staff know it (``population.staff.Entrance``)."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import BytesIO
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.python.failure import Failure
from twisted.web.client import Agent, FileBodyProducer, HTTPConnectionPool, readBody
from twisted.web.http_headers import Headers
from twisted.web.websocket import WebSocketClientEndpoint, WebSocketTransport

from dataset.errors import Problem, Refused
from federation.node.operations import refusal_in


class NetworkEntrance:
    """The door of one running node at ``address`` (``http://127.0.0.1:8081``)."""

    def __init__(self, reactor: Any, address: str) -> None:
        self._reactor = reactor
        self._address = address
        self._pool = HTTPConnectionPool(reactor, persistent=False)
        self._agent = Agent(reactor, pool=self._pool, connectTimeout=5.0)

    def login(self, user: str, password: str, seat: str = "") -> Deferred[dict[str, Any]]:
        """Log in; fires with the answer."""
        return self.post("login", user=user, password=password, seat=seat)

    def post(self, op: str, token: str | None = None, **fields: Any) -> Deferred[dict[str, Any]]:
        """One operation over HTTP; errbacks with ``Refused``."""
        return Deferred.fromCoroutine(self._post(op, token, fields))

    async def _post(self, op: str, token: str | None, fields: dict[str, Any]) -> dict[str, Any]:
        headers = Headers({b"Content-Type": [b"application/json"]})
        if token is not None:
            headers.addRawHeader(b"Authorization", f"Bearer {token}".encode())
        body = FileBodyProducer(BytesIO(json.dumps(fields).encode()))
        response = await self._agent.request(b"POST", f"{self._address}/api/v1/{op}".encode(), headers, body)
        answer = json.loads(await readBody(response))
        if "problem" in answer:
            raise refusal_in(answer["problem"], response.code)
        return dict(answer)

    def open(self) -> NetworkSeat:
        """A new live connection."""
        return NetworkSeat(self._reactor, f"{self._address.replace('http', 'ws', 1)}/api/v1/live")


class NetworkSeat:
    """One WebSocket to the agent API; what is sent before it is open is kept until then."""

    def __init__(self, reactor: Any, url: str) -> None:
        self.transport: WebSocketTransport | None = None
        self._number = 0
        self._early: list[str] = []
        self._asked: dict[int, Deferred[dict[str, Any]]] = {}
        self._push: Callable[[dict[str, Any]], None] = lambda push: None
        self._closed: Callable[[int, str], None] = lambda code, reason: None
        self._over = False
        seat = self

        class Once:
            """Builds the one protocol of this connection."""

            def buildProtocol(self, uri: str) -> NetworkSeat:  # noqa: N802
                return seat

        endpoint: Any = WebSocketClientEndpoint.new(reactor, url)
        Deferred.fromCoroutine(endpoint.connect(Once())).addErrback(self._lost)

    # ── SeatDoor ────────────────────────────────────────────────────────────────────────────────────────────────
    def send(self, op: str, **fields: Any) -> Deferred[dict[str, Any]]:
        if self._over:
            return fail(Refused(Problem("connection-lost", zh="连接已断", en="the connection is gone"), status=503))
        self._number += 1
        answer: Deferred[dict[str, Any]] = Deferred()
        self._asked[self._number] = answer
        text = json.dumps({"id": self._number, "op": op, **fields})
        if self.transport is None:
            self._early.append(text)
        else:
            self.transport.sendTextMessage(text)
        return answer

    def on_push(self, callback: Callable[[dict[str, Any]], None]) -> None:
        self._push = callback

    def on_close(self, callback: Callable[[int, str], None]) -> None:
        self._closed = callback

    def close(self) -> None:
        if self.transport is not None:
            self.transport.loseConnection()

    # ── WebSocketProtocol ───────────────────────────────────────────────────────────────────────────────────────
    def negotiationStarted(self, transport: WebSocketTransport) -> None:  # noqa: N802
        self._starting = transport

    def negotiationFinished(self) -> None:  # noqa: N802
        self.transport = self._starting
        for text in self._early:
            self.transport.sendTextMessage(text)
        self._early.clear()

    def pongReceived(self, payload: bytes) -> None:  # noqa: N802
        pass

    def textMessageReceived(self, message: str) -> None:  # noqa: N802
        said = json.loads(message)
        if "push" in said:
            self._push(said)
            return
        asked = self._asked.pop(said["re"], None)
        if asked is None:
            return
        if "ok" in said:
            asked.callback(said["ok"])
        else:
            asked.errback(refusal_in(said["problem"], said["status"]))

    def bytesMessageReceived(self, data: bytes | bytearray) -> None:  # noqa: N802
        raise AssertionError("text is expected")

    def connectionLost(self, reason: Failure) -> None:  # noqa: N802
        self._lost(reason)

    def _lost(self, reason: Failure) -> None:
        if self._over:
            return
        self._over = True
        self.transport = None
        for asked in list(self._asked.values()):
            asked.errback(Refused(Problem("connection-lost", zh="连接已断", en="the connection is gone"), status=503))
        self._asked.clear()
        self._closed(1006, reason.getErrorMessage())
