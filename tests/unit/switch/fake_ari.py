"""Asterisk's end of the event WebSocket, in memory: real RFC 6455 on the wire, answers by hand."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionDone, ConnectionLost, ConnectionRefusedError
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Ping, RejectConnection, Request, TextMessage
from zope.interface import implementer


class _Transport:
    """What the client writes to."""

    def __init__(self, fake: FakeAri, protocol: Any) -> None:
        self.fake = fake
        self.protocol = protocol
        self.server = WSConnection(ConnectionType.SERVER)
        self.gone = False

    def setTcpNoDelay(self, enabled: bool) -> None:  # noqa: N802
        pass

    def write(self, data: bytes) -> None:
        if self.fake.frozen or self.gone:
            return
        self.server.receive_data(data)
        for event in self.server.events():
            self.fake.heard(self, event)

    def deliver(self, event: Any) -> None:
        if not self.gone:
            self.protocol.dataReceived(self.server.send(event))

    def loseConnection(self) -> None:  # noqa: N802
        self.end(ConnectionDone())

    def abortConnection(self) -> None:  # noqa: N802
        self.end(ConnectionLost())

    def end(self, reason: Exception) -> None:
        if not self.gone:
            self.gone = True
            self.protocol.connectionLost(Failure(reason))


@implementer(IStreamClientEndpoint)
class FakeAri:
    """``asked`` holds (method, uri, query, body) in order; ``holds`` is what the snapshot shows, and ``left`` which of
    its channels have left the application and are not destroyed yet.

    Requests whose method and uri begin like a key of ``by_hand`` wait for ``answer``; all others are answered 204.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.asked: list[tuple[str, str, dict[str, str], Any]] = []
        self.holds: dict[str, list[Any]] = {"channels": [], "bridges": []}
        self.left: set[str] = set()
        self.answers: dict[str, tuple[int, Any]] = {}
        self.by_hand: tuple[str, ...] = ()
        self.waiting: list[tuple[str, str]] = []
        self.refuse_status: int | None = None
        self.down = False
        self.frozen = False
        self.tries = 0
        self.pings = 0
        self.headers: dict[str, str] = {}
        self.transport: _Transport | None = None

    def connect(self, protocolFactory: Any) -> Deferred[Any]:  # noqa: N803
        self.tries += 1
        if self.down:
            return fail(ConnectionRefusedError())
        protocol = protocolFactory.buildProtocol(None)
        self.transport = _Transport(self, protocol)
        protocol.makeConnection(self.transport)
        return succeed(protocol)

    def heard(self, transport: _Transport, event: Any) -> None:
        match event:
            case Request():
                self.headers = {name.decode(): value.decode() for name, value in event.extra_headers}
                status = self.refuse_status
                welcome = AcceptConnection() if status is None else RejectConnection(status_code=status)
                self._clock.callLater(0, transport.deliver, welcome)
            case TextMessage():
                self._request(json.loads(event.data))
            case Ping():
                self.pings += 1
                transport.deliver(event.response())
            case CloseConnection():
                transport.deliver(event.response())
                transport.end(ConnectionDone())

    def _request(self, message: Any) -> None:
        query = {one["name"]: one["value"] for one in message.get("query_strings", ())}
        body = json.loads(message["message_body"]) if "message_body" in message else None
        key = f"{message['method']} {message['uri']}"
        self.asked.append((message["method"], message["uri"], query, body))
        if key.startswith(self.by_hand) and self.by_hand:
            self.waiting.append((key, message["request_id"]))
        elif key in ("GET channels", "GET bridges"):
            self._respond(message["request_id"], 200, self.holds[message["uri"]])
        elif key == "GET applications/yihaotong":
            there = [channel["id"] for channel in self.holds["channels"] if channel["id"] not in self.left]
            self._respond(message["request_id"], 200, {"name": "yihaotong", "channel_ids": there})
        else:
            found = next((answer for known, answer in self.answers.items() if key.startswith(known)), (204, None))
            self._respond(message["request_id"], *found)

    def _respond(self, request_id: str, status: int, value: Any) -> None:
        text = {"type": "RESTResponse", "request_id": request_id, "status_code": status, "reason_phrase": ""}
        if value is not None:
            text["message_body"] = json.dumps(value)
        self.say(json.dumps(text))

    def answer(self, status: int = 204, value: Any = None) -> None:
        """Answer the oldest request that waits."""
        _, request_id = self.waiting.pop(0)
        self._respond(request_id, status, value)

    def say(self, text: str) -> None:
        assert self.transport is not None
        self.transport.deliver(TextMessage(data=text))

    def event(self, kind: str, channel: str = "", state: str = "Up", **more: Any) -> None:
        """An event; about a channel, if one is named."""
        about = {"channel": shown(channel, state)} if channel else {}
        self.say(json.dumps({"type": kind, **about, **more}))

    def cut(self) -> None:
        """The WebSocket breaks."""
        assert self.transport is not None
        self.transport.end(ConnectionLost())

    def paths(self) -> list[str]:
        """Method and path of everything asked after the snapshot."""
        looks = ("channels", "bridges", "applications/yihaotong")
        return [f"{method} {uri}" for method, uri, _, _ in self.asked if uri not in looks][1:]


def shown(channel: str, state: str = "Up", arguments: str = "") -> dict[str, Any]:
    """A channel as ARI shows it."""
    dialplan = {"app_name": "Stasis", "app_data": f"yihaotong,{arguments}"} if arguments else {}
    return {"id": channel, "state": state, "caller": {"number": "13800000001"}, "dialplan": dialplan}
