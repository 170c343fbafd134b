"""One WebSocket to Asterisk: bytes below, text messages above. Nothing here knows what ARI says.

RFC 6455 by wsproto, with what the client of ARI needs and Twisted's own client leaves out: request headers (the login
never travels in the address, where logs would keep it), the status of a refusal, and an end that is always told, once.
"""

from __future__ import annotations

from typing import Protocol as Shape

from twisted.internet.interfaces import ITCPTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    CloseConnection,
    Event,
    Ping,
    Pong,
    RejectConnection,
    Request,
    TextMessage,
)
from wsproto.utilities import LocalProtocolError, RemoteProtocolError


class WireOwner(Shape):
    """What hears from a wire. After ``closed`` nothing more comes from it."""

    def wire_opened(self) -> None:
        """The handshake is done; text may be sent."""

    def wire_text(self, text: str) -> None:
        """One whole text message came."""

    def wire_closed(self, reason: str, refused_status: int | None) -> None:
        """It is over, or never began. ``refused_status`` is the HTTP status of a refused handshake."""


class Wire(Protocol):
    """The WebSocket of one TCP connection."""

    transport: ITCPTransport

    def __init__(self, owner: WireOwner, host: str, target: str, headers: list[tuple[bytes, bytes]]) -> None:
        self._owner: WireOwner | None = owner
        self._websocket = WSConnection(ConnectionType.CLIENT)
        self._opening = Request(host=host, target=target, extra_headers=headers)
        self._parts: list[str] = []
        self._refused_status: int | None = None
        self._reason = ""
        self.heard_anything = False
        """Set whenever bytes come; whoever watches for silence clears it."""

    def connectionMade(self) -> None:  # noqa: N802
        """TCP is up: ask for the WebSocket."""
        self.transport.setTcpNoDelay(True)
        self._write(self._websocket.send(self._opening))

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """Bytes from Asterisk."""
        self.heard_anything = True
        try:
            self._websocket.receive_data(data)
            for event in self._websocket.events():
                self._event(event)
        except RemoteProtocolError as broken:
            self.drop(f"not a WebSocket answer: {broken}")

    def _event(self, event: Event) -> None:
        match event:
            case TextMessage():
                self._parts.append(event.data)
                if event.message_finished:
                    text = "".join(self._parts)
                    self._parts.clear()
                    if self._owner is not None:
                        self._owner.wire_text(text)
            case Ping():
                self._write(self._websocket.send(event.response()))
            case AcceptConnection():
                if self._owner is not None:
                    self._owner.wire_opened()
            case RejectConnection():
                self._refused_status = event.status_code
                self.drop(f"the handshake was refused with HTTP status {event.status_code}")
            case CloseConnection():
                if not self._reason:
                    self._reason = f"closed by the switch ({event.code})"
                    self._write(self._websocket.send(event.response()))
                    self.transport.loseConnection()
            case Pong() | _:
                pass

    def _write(self, data: bytes) -> None:
        if self._owner is not None:
            self.transport.write(data)

    def send_text(self, text: str) -> None:
        """Send one message; silently nothing once the wire is closing (its end has been or will be told)."""
        try:
            self._write(self._websocket.send(TextMessage(data=text)))
        except LocalProtocolError:
            return

    def ping(self) -> None:
        """Ask for a sign of life: ``heard_anything`` is set when it comes."""
        try:
            self._write(self._websocket.send(Ping()))
        except LocalProtocolError:
            return

    def close(self) -> None:
        """Say good-bye; ``wire_closed`` follows when Asterisk has closed.

        Asterisk closes after it has put the application to rest. A new WebSocket of the same application that comes
        before that can lose its application to the old one's good-bye, and is then never answered.
        """
        self._reason = self._reason or "closed by us"
        try:
            self._write(self._websocket.send(CloseConnection(code=1000)))
        except LocalProtocolError:
            self.transport.abortConnection()

    def drop(self, reason: str) -> None:
        """Close without ceremony, also when the far end is frozen; ``wire_closed`` follows."""
        self._reason = self._reason or reason
        self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        """TCP is gone."""
        owner, self._owner = self._owner, None
        if owner is not None:
            owner.wire_closed(self._reason or reason.getErrorMessage(), self._refused_status)
