"""``api/v1/live`` over WebSocket (RFC 6455): Twisted's protocol around a ``LiveConnection``.

What is added here is what only a network needs: the Origin check, a bound on unfinished messages, notice of a reader
that is too slow, and pings, so that a browser that died without a word is found out within ``SILENT_S``.
"""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from twisted.internet.tcp import Connection
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.server import Request
from twisted.web.websocket import WebSocketProtocol, WebSocketResource, WebSocketTransport
from wsproto.connection import ConnectionState
from wsproto.utilities import LocalProtocolError
from zope.interface import implementer

from federation.node.door import LARGEST_REQUEST, Door
from federation.node.live import LiveConnection, LiveLimits
from federation.node.origin import OriginRule

PING_EVERY_S = 20.0
SILENT_S = 45.0
"""A connection from which nothing came for so long is dead, though its TCP does not know."""
LINGER_S = 5.0
"""How long a closing connection may take to drain before it is cut."""


class _Unfinished:
    """Gathers the fragments of one message, up to a limit (Twisted's own gathers without end, and quadratically)."""

    def __init__(self, seat: LiveSocket, text: bool) -> None:
        self._seat = seat
        self._text = text
        self._parts: list[Any] = []
        self._size = 0

    def add(self, new: Any) -> None:
        self._size += len(new)
        if self._size > LARGEST_REQUEST:
            self._parts = []
            self._seat.too_large()
        else:
            self._parts.append(new)

    def done(self) -> Any:
        parts, self._parts, self._size = self._parts, [], 0
        return "".join(parts) if self._text else b"".join(parts)


@implementer(IPushProducer)
class LiveSocket:
    """One WebSocket at a node (``WebSocketProtocol``)."""

    def __init__(self, door: Door, reactor: IReactorTime, limits: LiveLimits | None, tcp: Any) -> None:
        self._reactor = reactor
        self._tcp = tcp
        self._transport: WebSocketTransport | None = None
        self._heard = reactor.seconds()
        self._timer: IDelayedCall | None = None
        self._closing = False
        self._connection = LiveConnection(door, self._send, self._close, limits)
        self._log = Logger(namespace="live")

    # ── WebSocketProtocol ───────────────────────────────────────────────────────────────────────────────────────────
    def negotiationStarted(self, transport: WebSocketTransport) -> None:  # noqa: N802
        """The wire is there."""
        self._transport = transport
        wire = cast(Any, transport)
        # Twisted 26.10 offers no limit of its own; tests/contract/test_doors_contract.py shows that this one holds.
        wire._textBuffer = _Unfinished(self, text=True)
        wire._bytesBuffer = _Unfinished(self, text=False)

    def negotiationFinished(self) -> None:  # noqa: N802
        """The handshake is done."""
        if self._transport is not None:
            # The HTTP channel had registered itself; from here on we are told when the buffers are full.
            self._transport.detachProducer()
            self._transport.attachProducer(cast(IPushProducer, self))
        self._timer = self._reactor.callLater(PING_EVERY_S, self._ping)

    def pongReceived(self, payload: bytes) -> None:  # noqa: N802
        """The other side lives."""
        self._heard = self._reactor.seconds()

    def textMessageReceived(self, message: str) -> None:  # noqa: N802
        """One message."""
        self._heard = self._reactor.seconds()
        if not self._closing:
            self._connection.received(message)

    def bytesMessageReceived(self, data: bytes | bytearray) -> None:  # noqa: N802
        """One message in a binary frame; read all the same."""
        self._heard = self._reactor.seconds()
        if not self._closing:
            self._connection.received(bytes(data))

    def connectionLost(self, reason: Failure) -> None:  # noqa: N802
        """The wire is gone."""
        self._transport = None
        self._cancel()
        self._connection.lost()

    # ── IPushProducer ───────────────────────────────────────────────────────────────────────────────────────────────
    def pauseProducing(self) -> None:  # noqa: N802
        """The buffers towards the browser are full."""
        self._connection.paused()

    def resumeProducing(self) -> None:  # noqa: N802
        """They have drained."""
        self._connection.resumed()

    def stopProducing(self) -> None:  # noqa: N802
        """The wire is going; ``connectionLost`` follows."""

    # ── towards the browser ─────────────────────────────────────────────────────────────────────────────────────────
    def too_large(self) -> None:
        """A message grew over the limit before it ended."""
        if not self._closing:
            self._connection.lost()
            self._close(1009, "too large")

    def _send(self, data: bytes) -> None:
        if self._transport is None or self._closing:
            return
        if cast(Any, self._transport)._wsconn.state is not ConnectionState.OPEN:
            # The browser has begun to close; nothing more can be said, and connectionLost is on its way.
            self._closing = True
            return
        write_now(self._tcp, text_head(len(data)) + data)

    def _close(self, code: int, reason: str) -> None:
        if self._transport is None or self._closing:
            return
        self._closing = True
        self._cancel()
        # A transport with a paused producer would wait for it and never end.
        self._transport.detachProducer()
        try:
            self._transport.loseConnection(code)
        except LocalProtocolError:
            self._tcp.loseConnection()
        self._timer = self._reactor.callLater(LINGER_S, self._cut)

    def _cut(self) -> None:
        self._timer = None
        if self._transport is not None:
            self._tcp.abortConnection()

    def _ping(self) -> None:
        self._timer = None
        if self._transport is None or self._closing:
            return
        if self._reactor.seconds() - self._heard > SILENT_S:
            self._log.info("a live connection fell silent and was cut", event="live-silent")
            self._tcp.abortConnection()
            return
        try:
            self._transport.ping(b"")
        except LocalProtocolError:
            self._closing = True
            return
        self._timer = self._reactor.callLater(PING_EVERY_S, self._ping)

    def _cancel(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None


def text_head(size: int) -> bytes:
    """What goes before ``size`` bytes of text from a server, in one whole frame (RFC 6455, 5.2)."""
    if size < 126:
        return bytes((0x81, size))
    return b"\x81\x7e" + size.to_bytes(2, "big") if size < 1 << 16 else b"\x81\x7f" + size.to_bytes(8, "big")


def write_now(tcp: Any, data: bytes) -> None:
    """Write to a transport at once what the kernel takes, and leave it the rest.

    A transport waits for its reactor's next turn, which costs two changes of what the reactor watches and a call
    through its log for each connection: half of what a push to all seats takes (``bench.fanout``).
    """
    if (
        isinstance(tcp, Connection)
        and tcp.connected
        and not (tcp.dataBuffer or tcp._tempDataBuffer or tcp.disconnecting)
    ):
        sent = tcp.writeSomeData(data)
        if isinstance(sent, int):  # otherwise the connection is lost, as the transport will find out
            if sent == len(data):
                return
            data = data[sent:]
    tcp.write(data)


class LiveResource(WebSocketResource):
    """The WebSocket of a node: a browser of another origin is refused before any protocol starts."""

    def __init__(
        self, door: Door, reactor: IReactorTime, origins: OriginRule, limits: LiveLimits | None = None
    ) -> None:
        super().__init__(self)
        self._door = door
        self._reactor = reactor
        self._origins = origins
        self._limits = limits

    def render(self, request: Request) -> bytes | int:
        """By GET only (RFC 6455, 4.1)."""
        if request.method in (b"GET", b"HEAD"):
            resource: Any = super()
            return cast("bytes | int", resource.render(request))
        request.setResponseCode(405)
        request.setHeader(b"allow", b"GET")
        request.setHeader(b"content-type", b"text/plain; charset=utf-8")
        return b"websocket-expected: connect with WebSocket\n"

    def render_GET(self, request: Request) -> bytes | int:  # noqa: N802
        """Upgrade, unless the browser comes from elsewhere."""
        if not self._origins.allows(request):
            request.setResponseCode(403)
            request.setHeader(b"content-type", b"text/plain; charset=utf-8")
            return b"origin-refused: WebSocket from another origin\n"
        if not request.requestHeaders.hasHeader(b"sec-websocket-key"):
            request.setResponseCode(426)
            request.setHeader(b"upgrade", b"websocket")
            request.setHeader(b"content-type", b"text/plain; charset=utf-8")
            return b"websocket-expected: connect with WebSocket\n"
        return super().render_GET(request)

    def buildProtocol(self, request: Request) -> WebSocketProtocol:  # noqa: N802
        """The protocol of one connection."""
        return LiveSocket(self._door, self._reactor, self._limits, request.channel.transport)
