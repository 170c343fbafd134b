"""Message properties and received messages. A body is bytes from end to end (rows 1 and 2 in docs/amqp.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from struct import Struct
from struct import error as StructError  # noqa: N812 - struct names its exception like a function
from typing import Any, Protocol

from federation.links.amqp.errors import malformed_frame
from federation.links.amqp.frames import read_short_text, short_text
from federation.links.amqp.tables import Table, decode_table, encode_table

TRANSIENT, PERSISTENT = 1, 2
"""Values of ``delivery_mode``."""

_FLAGS = Struct(">H")
_U64 = Struct(">Q")
_MESSAGE_ID_FLAG = 1 << 7


@dataclass(frozen=True, slots=True)
class Properties:
    """A message's properties; ``None`` means absent.

    ``expiration`` is a text of milliseconds, ``timestamp`` UTC seconds. Packed once and kept, so that one value used
    for many messages costs nothing more.
    """

    content_type: str | None = None
    content_encoding: str | None = None
    headers: Mapping[str, Any] | None = None
    delivery_mode: int | None = None
    priority: int | None = None
    correlation_id: str | None = None
    reply_to: str | None = None
    expiration: str | None = None
    message_id: str | None = None
    timestamp: int | None = None
    type: str | None = None
    user_id: str | None = None
    app_id: str | None = None
    _packed: list[tuple[int, bytes, bytes]] = field(
        default_factory=list, init=False, repr=False, compare=False, hash=False
    )

    def packed(self, message_id: str | None = None) -> bytes:
        """Property flags and list as on the wire, with another ``message_id`` when one is given.

        Raises :class:`MalformedTable` for a header that cannot be written or a text beyond 255 bytes.
        """
        if not self._packed:
            self._packed.append(self._halves())
        flags, before, after = self._packed[0]
        name = self.message_id if message_id is None else message_id
        if name is None:
            return b"%b%b%b" % (_FLAGS.pack(flags), before, after)
        return b"%b%b%b%b" % (_FLAGS.pack(flags | _MESSAGE_ID_FLAG), before, short_text(name), after)

    def _halves(self) -> tuple[int, bytes, bytes]:
        """The flags without message id, and the list before and after the message id's place."""
        flags, before, after = 0, b"", b""
        for position, (name, kind) in enumerate(_LAYOUT):
            value = getattr(self, name)
            if value is None or name == "message_id":
                continue
            flags |= 1 << (15 - position)
            written = _written(kind, value)
            if position < _MESSAGE_ID_POSITION:
                before += written
            else:
                after += written
        return flags, before, after


_NOT_TEXT = {"headers": "table", "delivery_mode": "octet", "priority": "octet", "timestamp": "u64"}
_LAYOUT: tuple[tuple[str, str], ...] = tuple(
    (item.name, _NOT_TEXT.get(item.name, "text")) for item in fields(Properties) if item.init
)
_MESSAGE_ID_POSITION = [name for name, _ in _LAYOUT].index("message_id")


def _written(kind: str, value: Any) -> bytes:
    if kind == "table":
        return encode_table(value)
    if kind == "octet":
        return bytes((value,))
    if kind == "u64":
        return _U64.pack(value)
    return short_text(value)


def unpack_properties(header: bytes) -> Properties:
    """The properties in a content header's payload. Raises :class:`MalformedFrame` or :class:`MalformedTable`."""
    try:
        (flags,) = _FLAGS.unpack_from(header, 12)
        offset = 14
        values: dict[str, Any] = {}
        for position, (name, kind) in enumerate(_LAYOUT):
            if not flags & 1 << (15 - position):
                continue
            if kind == "table":
                values[name], offset = decode_table(header, offset)
            elif kind == "octet":
                values[name], offset = header[offset], offset + 1
            elif kind == "u64":
                values[name], offset = _U64.unpack_from(header, offset)[0], offset + 8
            else:
                values[name], offset = read_short_text(header, offset)
        if offset > len(header):
            raise IndexError(offset)
    except (StructError, IndexError) as error:
        raise malformed_frame("消息属性被截断", "the message properties are cut short") from error
    return Properties(**values)


_USER_POSITION = [name for name, _ in _LAYOUT].index("user_id")
_HEADERS_FLAG = 1 << (15 - [name for name, _ in _LAYOUT].index("headers"))
_before_user: dict[int, tuple[str, ...] | None] = {}
"""per set of flags, of which there are few: what the peers' programs set"""


def unpack_user(header: bytes) -> str:
    """The user id alone, which every delivery is asked for; "" when there is none. Raises :class:`MalformedFrame`."""
    try:
        (flags,) = _FLAGS.unpack_from(header, 12)
        if flags not in _before_user:
            _before_user[flags] = _kinds_before_user(flags)
        kinds = _before_user[flags]
        if kinds is None:
            return ""
        offset = 14
        for kind in kinds:
            if kind == "text":
                offset += 1 + header[offset]
            elif kind == "octet":
                offset += 1
            elif kind == "u64":
                offset += 8
            else:
                offset += 4 + int.from_bytes(header[offset : offset + 4], "big")
        user, end = read_short_text(header, offset)
        if end > len(header):
            raise IndexError(end)
    except (StructError, IndexError) as error:
        raise malformed_frame("消息属性被截断", "the message properties are cut short") from error
    return user


def _kinds_before_user(flags: int) -> tuple[str, ...] | None:
    """What has to be passed over to come to the user id; None when there is none."""
    if not flags & 1 << (15 - _USER_POSITION):
        return None
    return tuple(kind for place, (_, kind) in enumerate(_LAYOUT[:_USER_POSITION]) if flags & 1 << (15 - place))


class Settlement(Protocol):
    """Where a delivery's verdict goes."""

    def ack(self, tag: int) -> None:
        """Delivery ``tag`` is done with."""

    def nack(self, tag: int, requeue: bool) -> None:
        """Delivery ``tag`` is refused."""


class Delivery:
    """One message for a consumer. ``body`` is bytes; the rest of the wire is parsed when asked for.

    Exactly one of :meth:`ack` and :meth:`nack` is called, at any later time; further calls, and calls after the
    connection that brought the message is gone, do nothing: the broker will deliver it again, with ``redelivered``.
    """

    __slots__ = ("_address", "_header", "_properties", "_settlement", "body", "redelivered", "tag")

    def __init__(
        self, settlement: Settlement, tag: int, redelivered: bool, address: bytes, header: bytes, body: bytes
    ) -> None:
        self._settlement: Settlement | None = settlement
        self.tag = tag
        self.redelivered = redelivered
        self.body = body
        self._address = address
        self._header = header
        self._properties: Properties | None = None

    @property
    def properties(self) -> Properties:
        """The properties. Raises :class:`AmqpFailure` when the sender wrote nonsense; the connection is unharmed."""
        if self._properties is None:
            self._properties = unpack_properties(self._header)
        return self._properties

    @property
    def user(self) -> str:
        """The user whom the broker vouches for; "" when the sender did not sign. Raises as :attr:`properties`."""
        return unpack_user(self._header)

    @property
    def has_headers(self) -> bool:
        """Whether there are any headers, without reading them."""
        return len(self._header) >= 14 and bool(_FLAGS.unpack_from(self._header, 12)[0] & _HEADERS_FLAG)

    @property
    def headers(self) -> Table:
        """The headers, empty when there are none; ``x-death`` of dead letters among them."""
        return dict(self.properties.headers or {})

    @property
    def exchange(self) -> str:
        """The exchange it was published to."""
        return read_short_text(self._address, 0)[0]

    @property
    def routing_key(self) -> str:
        """The routing key it was published with."""
        return read_short_text(self._address, self._address[0] + 1)[0]

    def ack(self) -> None:
        """It is done with: call this after the effect is on disk (S1)."""
        settlement, self._settlement = self._settlement, None
        if settlement is not None:
            settlement.ack(self.tag)

    def nack(self, requeue: bool) -> None:
        """It is refused: ``requeue`` puts it back, otherwise it goes to the dead-letter exchange or is dropped."""
        settlement, self._settlement = self._settlement, None
        if settlement is not None:
            settlement.nack(self.tag, requeue)
