"""One AMQP connection: txamqp's client, channels and delegate with everything cured that docs/amqp.md lists.

What stays txamqp's: the connection and its closing, channels and their question-and-answer methods, the specification
and dispatch by its names. What is replaced: the receive buffer and content reading (bodies are bytes, in linear time),
packing and parsing of methods and tables, publisher confirms, returns, cancellations by the broker, blocked
connections, heartbeats.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from twisted.internet.base import DelayedCall
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.interfaces import IReactorTime, ITCPTransport
from twisted.python.failure import Failure
from txamqp.client import Closed, TwistedDelegate
from txamqp.connection import Frame as TxFrame
from txamqp.connection import Method as TxMethod
from txamqp.message import Message
from txamqp.protocol import AMQChannel, AMQClient
from txamqp.queue import Closed as QueueClosed
from txamqp.queue import TimeoutDeferredQueue

from dataset.errors import Problem
from federation.links.amqp import frames
from federation.links.amqp.errors import AmqpFailure, BrokerLost, BrokerRefused, MalformedFrame, malformed_frame
from federation.links.amqp.specification import specification
from federation.links.amqp.tls import tls_problem

FRAME_MAX = 131_072
CHANNEL_MAX = 2_047
LARGEST_BODY = 16 * 1024 * 1024
"""Bytes. A larger message is refused on the way out and, unread, on the way in."""

CAPABILITIES = {
    "publisher_confirms": True,
    "exchange_exchange_bindings": True,
    "basic.nack": True,
    "consumer_cancel_notify": True,
    "connection.blocked": True,
    "authentication_failure_close": True,
}
"""Without ``consumer_cancel_notify`` the broker would not say that a consumed queue was deleted (row 7); without
``authentication_failure_close`` it would hang up on a wrong password without a word."""


@dataclass(frozen=True, slots=True)
class Login:
    """Who this connection is for the broker. ``name`` is shown in the broker's list of connections."""

    username: str
    password: str
    virtual_host: str = "/"
    name: str = ""
    heartbeat_seconds: int = 10
    """Wished interval; the broker's is taken when it is shorter. 0 leaves it to the broker."""

    def __repr__(self) -> str:
        return f"Login({self.username!r}, virtual_host={self.virtual_host!r})"


class ChannelRole(Protocol):
    """What lives on a channel. All calls come from the reactor, in the order of the wire."""

    def delivered(self, tag: int, redelivered: bool, address: bytes, header: bytes, body: bytes) -> None:
        """A message. ``address``: exchange and routing key, packed; ``header``: the content header's payload."""

    def oversized(self, tag: int, size: int) -> None:
        """A message larger than :data:`LARGEST_BODY` came and was not kept."""

    def confirmed(self, tag: int, multiple: bool) -> None:
        """The broker has publish ``tag`` (or all up to it)."""

    def refused(self, tag: int, multiple: bool) -> None:
        """The broker could not keep publish ``tag`` (or all up to it)."""

    def returned(self, code: int, text: str, header: bytes) -> None:
        """A mandatory publish that no queue takes."""

    def cancelled(self) -> None:
        """The broker ended the consumer: its queue is gone."""

    def closed(self, problem: Problem) -> None:
        """The channel or its connection is gone; nothing more will come."""


class _Incoming:
    """Content on its way in on one channel: a deliver or return method, then its header, then its body."""

    __slots__ = ("header", "method", "missing", "parts", "payload", "size")

    def __init__(self, method: int, payload: bytes) -> None:
        self.method = method
        self.payload = payload
        self.header = b""
        self.size = 0
        self.missing = 0
        self.parts: list[bytes] = []


class _DirectOutgoing:
    """In place of txamqp's queue of outgoing frames: packs and writes at once, and errors reach who asked."""

    def __init__(self, connection: BrokerConnection) -> None:
        self._connection = connection

    def put(self, frame: Any) -> None:
        payload = frame.payload
        self._connection.write(frames.pack_method(frame.channel, payload.method, payload.args))


class BrokerChannel(AMQChannel):  # type: ignore[misc]  # txamqp is untyped
    """A channel whose waiting lists use the connection's clock."""

    def __init__(self, id: int, outgoing: Any, client: BrokerConnection) -> None:
        self.id = id
        self.outgoing = outgoing
        self.client = client
        self.incoming = TimeoutDeferredQueue(client.clock)
        self.responses = TimeoutDeferredQueue(client.clock)
        self.queue = None
        self._closing = False
        self.closed = False
        self.reason: Any = None

    def invoke(self, method: Any, args: tuple[Any, ...], content: Any = None) -> Deferred[Any]:
        """Send a method and await its answer, if it has one. The methods txamqp makes from the specification call it.

        txamqp's own form uses what Twisted has deprecated, and sends contents in its own way.
        """
        return Deferred.fromCoroutine(self._ask(method, args))

    async def _ask(self, method: Any, args: tuple[Any, ...]) -> Any:
        if self.closed:
            self._raise_closed(self.reason)
        self.outgoing.put(TxFrame(self.id, TxMethod(method, *args)))
        if not method.responses:
            return None
        try:
            answer = (await self.responses.get()).payload
        except QueueClosed:
            self._raise_closed(self.reason)
        if answer.method not in method.responses:
            raise malformed_frame(f"答非所问: {answer.method}", f"an answer to another question: {answer.method}")
        return Message(answer.method, answer.args)

    def do_close(self, reason: Any) -> None:
        """Whoever waits for an answer hears ``reason``; the connection tells the channel's role."""
        if not self.closed:
            self.closed = True
            self.reason = reason
            self.incoming.close()
            self.responses.close()


class BrokerDelegate(TwistedDelegate):  # type: ignore[misc]  # txamqp is untyped
    """What the broker may say on its own (row 4)."""

    client: BrokerConnection

    def connection_start(self, channel: Any, message: Any) -> None:
        """Log in at once (row 10), with the capabilities that rows 4 and 7 need."""
        login = self.client.login
        channel.connection_start_ok(
            client_properties={
                "product": "yihaotong",
                "connection_name": login.name,
                "capabilities": CAPABILITIES,
            },
            mechanism="PLAIN",
            response=f"\0{login.username}\0{login.password}",
            locale="en_US",
        ).addErrback(self.client.failed)

    def connection_tune(self, channel: Any, message: Any) -> None:
        """Settle limits and heartbeat (row 8)."""
        self.client.tuned(channel, message.channel_max, message.frame_max, message.heartbeat)

    def connection_blocked(self, channel: Any, message: Any) -> None:
        """The broker is short of memory or disk."""
        self.client.on_blocked(str(message.reason))

    def connection_unblocked(self, channel: Any, message: Any) -> None:
        """The broker reads again."""
        self.client.on_blocked(None)

    def connection_close(self, channel: Any, message: Any) -> None:
        """The broker ends the connection and says why."""
        self.client.remember(_refusal(message, self.client.place))
        channel.connection_close_ok().addErrback(self.client.failed)
        self.client.do_close(message)

    def channel_close(self, channel: Any, message: Any) -> None:
        """The broker ends a channel and says why."""
        channel.channel_close_ok().addErrback(self.client.failed)
        channel.do_close(message)
        self.client.channel_ended(channel.id, _refusal(message, self.client.place))

    def basic_cancel(self, channel: Any, message: Any) -> None:
        """A consumed queue is gone (row 7)."""
        role = self.client.roles.get(channel.id)
        if role is not None:
            role.cancelled()


class BrokerConnection(AMQClient):  # type: ignore[misc]  # txamqp is untyped
    """A connection to a broker, from the first byte to the last.

    ``await opened()`` logs in; then :meth:`open_channel`, :meth:`call` and :meth:`write`. ``on_blocked`` and
    ``on_lost`` are set by the owner. Times come from ``clock``.
    """

    channelClass = BrokerChannel  # noqa: N815 - txamqp's name

    def __init__(self, login: Login, clock: IReactorTime, place: str = "") -> None:
        # txamqp's own heartbeat stays off (0): it never listens to what the broker proposes.
        super().__init__(BrokerDelegate(), login.virtual_host, specification(), heartbeat=0, clock=clock)
        self.login = login
        self.place = place
        """The broker's address, for messages."""
        self.roles: dict[int, ChannelRole] = {}
        self.outgoing = _DirectOutgoing(self)
        self.frame_max = FRAME_MAX
        self.heartbeat = 0
        """Negotiated interval in seconds; 0 = none."""
        self.on_blocked: Callable[[str | None], None] = lambda reason: None
        self.on_lost: Callable[[Problem], None] = lambda problem: None
        self._channel_max = CHANNEL_MAX
        self._buffer = frames.FrameBuffer(FRAME_MAX)
        self._incoming: dict[int, _Incoming] = {}
        self._abandoned: set[int] = set()
        self._problem: Problem | None = None
        self._heard = False
        self._silent_ticks = 0
        self._tick: DelayedCall | None = None

    # life

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        """Say 0-9-1 (txamqp would say 0-9 the old way), and let no small message wait for the answer to one before."""
        if ITCPTransport.providedBy(self.transport):
            # a durable message is answered after the broker's flush of its disk: a command behind it waited as long
            self.transport.setTcpNoDelay(True)
        self.write: Callable[[bytes], None] = self.transport.write
        self.write(frames.PROTOCOL_HEADER)

    async def opened(self) -> None:
        """Log in and open the virtual host.

        Raises :class:`BrokerRefused` (``amqp-refused``: login, host, limits) or :class:`BrokerLost`.
        """
        try:
            await self.started.wait()
            await self._channel(0).connection_open(self.vhost)
        except Closed as error:
            raise self._failure(error) from error

    def tuned(self, channel: Any, channel_max: int, frame_max: int, heartbeat: int) -> None:
        """Answer the broker's limits with the smaller of both sides', 0 meaning no limit; start the heartbeat."""
        self._channel_max = min(channel_max or CHANNEL_MAX, CHANNEL_MAX)
        self.frame_max = self._buffer.frame_max = min(frame_max or FRAME_MAX, FRAME_MAX)
        wished = self.login.heartbeat_seconds
        self.heartbeat = min(heartbeat or wished, wished or heartbeat)
        channel.connection_tune_ok(self._channel_max, self.frame_max, self.heartbeat).addErrback(self.failed)
        if self.heartbeat:
            self._tick = self.clock.callLater(self.heartbeat / 2, self._beat)
        self.started.fire()

    def _beat(self) -> None:
        """Every half interval: send a heartbeat, and give up on a broker that has been silent for five of them.

        A broker that freezes right after a byte is noticed 2.5 to 3 intervals later (row 8: within 3.5).
        """
        self._tick = self.clock.callLater(self.heartbeat / 2, self._beat)
        self._silent_ticks = 0 if self._heard else self._silent_ticks + 1
        self._heard = False
        if self._silent_ticks >= 5:
            self.abort(
                Problem(
                    "amqp-silent",
                    f"代理已 {2.5 * self.heartbeat:g} 秒没有心跳",
                    f"the broker has been silent for {2.5 * self.heartbeat:g} s",
                    self.place,
                )
            )
            return
        self.write(frames.HEARTBEAT_FRAME)

    def remember(self, problem: Problem) -> None:
        """The first reason given is the one reported."""
        if self._problem is None:
            self._problem = problem

    def abort(self, problem: Problem) -> None:
        """End at once, without waiting for the peer."""
        self.remember(problem)
        self.transport.abortConnection()

    def failed(self, failure: Failure) -> None:
        """A method that has no answer could not be sent: the end of this connection, for that reason."""
        if not self.closed:
            self.abort(_problem_of(failure, self.place))

    async def close_politely(self, within: float) -> None:
        """Tell the broker, wait at most ``within`` seconds for its agreement, and close. Never raises."""
        if self.closed:
            return
        self.remember(Problem("amqp-closed", "本端已关闭连接", "closed by this side", self.place))
        try:
            await self._channel(0).connection_close(reply_code=200, reply_text="bye").addTimeout(within, self.clock)
        except (Closed, DeferredTimeout):
            self.transport.abortConnection()
        else:
            self.transport.loseConnection()

    def connectionLost(self, reason: Failure) -> None:  # noqa: N802 - Twisted's name
        """The owner is told first, so that whoever waits for an answer finds the loss already known."""
        if self._tick is not None and self._tick.active():
            self._tick.cancel()
        lost = Problem("amqp-lost", f"连接中断: {reason.value}", f"the connection was lost: {reason.value}", self.place)
        self.remember(tls_problem(reason.value, self.place) or lost)
        problem = self._problem
        assert problem is not None
        self.do_close(reason)
        self._incoming.clear()
        self.on_lost(problem)
        for number in list(self.roles):
            self.channel_ended(number, problem)
        self.disconnected.fire()

    # channels

    def _channel(self, number: int) -> Any:
        channel = self.channels.get(number)
        if channel is None:
            channel = self.channels[number] = self.channelFactory(number, self.outgoing, self)
        return channel

    async def open_channel(self, role: ChannelRole, within: float) -> Any:
        """A new channel for ``role``. Raises as :meth:`call`."""
        number = next((n for n in range(1, self._channel_max + 1) if n not in self.channels), 0)
        if not number:
            raise BrokerRefused(Problem("amqp-channels", "信道已用尽", "there are no channels left", self.place))
        channel = self._channel(number)
        self.roles[number] = role
        await self.call(channel, "channel_open", within)
        return channel

    async def call(self, channel: Any, method: str, within: float, **arguments: Any) -> Any:
        """Ask the broker and await its answer, a txamqp ``Message``: ``call(ch, "queue_declare", 5.0, queue="q")``.

        Raises :class:`BrokerRefused` when the broker closes the channel over it, :class:`BrokerLost` when the
        connection ends or the answer takes longer than ``within`` seconds. The channel is then given up, as later
        answers could not be told apart; the connection is not: a broker may be stuck over one queue only, and whether
        it is silent altogether is the heartbeat's question.
        """
        if self.closed or channel.closed:
            raise BrokerLost(self._problem or _not_connected(self.place))
        try:
            return await getattr(channel, method)(**arguments).addTimeout(within, self.clock)
        except Closed as error:
            raise self._failure(error) from error
        except MalformedFrame as error:
            self.abort(error.problem)
            raise
        except DeferredTimeout as error:
            problem = Problem(
                "amqp-no-answer",
                f"代理在 {within:g} 秒内没有答复 {method}",
                f"the broker did not answer {method} within {within:g} s",
                self.place,
            )
            self._abandon(channel)
            raise BrokerLost(problem) from error

    def _abandon(self, channel: Any) -> None:
        """Close a channel that does not answer without waiting; its number is free when the broker has agreed."""
        self.roles.pop(channel.id, None)
        self._abandoned.add(channel.id)
        self.write(frames.pack_method(channel.id, self._channel_method("close"), (200, "", 0, 0)))

    def _channel_method(self, name: str) -> Any:
        return self.spec.classes.byname["channel"].methods.byname[name]

    async def close_channel(self, channel: Any, within: float) -> None:
        """Close a channel from this side; its role is told when the broker has agreed. Raises as :meth:`call`."""
        await self.call(channel, "channel_close", within, reply_code=200)
        channel.do_close(Message(self._channel_method("close"), (200, "", 0, 0)))
        closed = Problem("amqp-closed", "信道已由本端关闭", "the channel was closed by this side", self.place)
        self.channel_ended(channel.id, closed)

    def channel_ended(self, number: int, problem: Problem) -> None:
        """A channel is gone: its number is free again, its role is told."""
        self.channels.pop(number, None)
        self._abandoned.discard(number)
        self._incoming.pop(number, None)
        role = self.roles.pop(number, None)
        if role is not None:
            role.closed(problem)

    def _failure(self, error: Closed) -> AmqpFailure:
        reason = error.args[0] if error.args else None
        if isinstance(reason, Message):
            return BrokerRefused(_refusal(reason, self.place))
        if self._problem is not None and self._problem.slug == "amqp-refused":
            return BrokerRefused(self._problem)
        return BrokerLost(self._problem or _not_connected(self.place, str(reason)))

    # bytes in

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Frames, and contents assembled from them as bytes (rows 1, 2 and 9)."""
        self._heard = True
        try:
            for kind, number, payload in self._buffer.feed(data):
                if kind == frames.METHOD:
                    self._method(number, payload)
                elif kind == frames.HEADER:
                    self._content_header(number, payload)
                elif kind == frames.BODY:
                    self._content_body(number, payload)
        except AmqpFailure as failure:
            self.abort(failure.problem)

    def _method(self, number: int, payload: bytes) -> None:
        method = frames.parse_method_id(payload)
        if method == frames.DELIVER or method == frames.RETURN:
            self._incoming[number] = _Incoming(method, payload)
        elif method == frames.ACK:
            tag, bits = frames.parse_tag_and_bits(payload)
            role = self.roles.get(number)
            if role is not None:
                role.confirmed(tag, bits & 1 != 0)
        elif method == frames.NACK:
            tag, bits = frames.parse_tag_and_bits(payload)
            role = self.roles.get(number)
            if role is not None:
                role.refused(tag, bits & 1 != 0)
        else:
            self._other_method(number, payload)

    def _other_method(self, number: int, payload: bytes) -> None:
        if self.closed:
            return
        method, arguments = frames.unpack_method(self.spec, payload)
        channel = self._channel(number)
        if number in self._abandoned and method is not self._channel_method("close"):
            if method is self._channel_method("close-ok"):
                closed = Problem("amqp-closed", "信道已由本端关闭", "the channel was closed by this side", self.place)
                self.channel_ended(number, closed)
        elif method.response:
            channel.responses.put(TxFrame(number, TxMethod(method, *arguments)))
        else:
            self.delegate.dispatch(channel, Message(method, arguments))

    def _content_header(self, number: int, payload: bytes) -> None:
        incoming = self._incoming.get(number)
        if incoming is None:
            return  # of a channel closed meanwhile
        incoming.header = payload
        incoming.size = incoming.missing = frames.parse_content_header(payload)
        if not incoming.missing:
            self._content_complete(number, incoming, b"")

    def _content_body(self, number: int, payload: bytes) -> None:
        incoming = self._incoming.get(number)
        if incoming is None:
            return
        incoming.missing -= len(payload)
        if incoming.missing > 0:
            if incoming.size <= LARGEST_BODY:
                incoming.parts.append(payload)
        elif not incoming.parts:
            self._content_complete(number, incoming, payload)
        else:
            incoming.parts.append(payload)
            self._content_complete(number, incoming, b"".join(incoming.parts))

    def _content_complete(self, number: int, incoming: _Incoming, body: bytes) -> None:
        del self._incoming[number]
        role = self.roles.get(number)
        if role is None:
            return
        payload = incoming.payload
        if incoming.method == frames.DELIVER:
            after_consumer = 5 + payload[4]
            tag, bits = frames.parse_tag_and_bits(payload, after_consumer)
            if incoming.size > LARGEST_BODY:
                role.oversized(tag, incoming.size)
            else:
                role.delivered(tag, bits & 1 != 0, payload[after_consumer + 9 :], incoming.header, body)
        else:
            _, (code, text, _, _) = frames.unpack_method(self.spec, payload)
            role.returned(code, text, incoming.header)


def _not_connected(place: str, reason: str = "") -> Problem:
    return Problem("amqp-lost", f"没有连接 {reason}".strip(), f"not connected {reason}".strip(), place)


def _refusal(message: Any, place: str) -> Problem:
    text = f"{message.reply_code} {message.reply_text}"
    return Problem("amqp-refused", f"代理拒绝: {text}", f"the broker refused: {text}", place)


def _problem_of(failure: Failure, place: str) -> Problem:
    if isinstance(failure.value, AmqpFailure):
        return failure.value.problem
    return Problem("amqp-lost", f"发送失败: {failure.value}", f"sending failed: {failure.value}", place)
