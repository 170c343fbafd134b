"""AMQP frames: the receive buffer, the few frames that carry the traffic, and every other method by the specification.

A frame is kind (octet), channel (short), size (long), payload, and the octet 0xCE. Publish, deliver, ack and nack are
packed and parsed with precompiled layouts (the speed bar in docs/amqp.md); all other methods go through
:func:`pack_method` and :func:`unpack_method`, which follow txamqp's specification objects but count lengths in bytes
and know every table type.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from struct import Struct
from struct import error as StructError  # noqa: N812 - struct names its exception like a function
from typing import Any

from federation.links.amqp.errors import malformed_frame, malformed_table
from federation.links.amqp.tables import decode_table, encode_table

PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"
"""What a client says first: AMQP 0-9-1."""

METHOD, HEADER, BODY, HEARTBEAT = 1, 2, 3, 8
FRAME_END = 0xCE
FRAME_OVERHEAD = 8
"""Bytes of a frame around its payload."""

DELIVER = 60 << 16 | 60
RETURN = 60 << 16 | 50
ACK = 60 << 16 | 80
NACK = 60 << 16 | 120

HEARTBEAT_FRAME = b"\x08\x00\x00\x00\x00\x00\x00\xce"

_FRAME = Struct(">BHI")
_METHOD_ID = Struct(">I")
_TAG_AND_BITS = Struct(">QB")
_ACK_FRAME = Struct(">BHIIQBB")
_CONTENT_HEADER = Struct(">BHIHHQ")
_SHORT_HEADER = Struct(">HHQ")
_U8, _U16, _U32, _U64 = Struct(">B"), Struct(">H"), Struct(">I"), Struct(">Q")

Frame = tuple[int, int, bytes]
"""Kind, channel, payload."""


class FrameBuffer:
    """Cuts received bytes into frames in linear time, however they arrive, and holds at most one unfinished frame."""

    def __init__(self, frame_max: int) -> None:
        self.frame_max = frame_max
        """Largest frame accepted, its eight bytes of overhead included."""
        self._pending = bytearray()
        self._needed = FRAME_OVERHEAD

    def feed(self, data: bytes) -> list[Frame]:
        """The frames completed by ``data``. Raises :class:`MalformedFrame` for anything that is no AMQP 0-9-1."""
        if self._pending:
            self._pending += data
            if len(self._pending) < self._needed:
                return []
            data = bytes(self._pending)
            self._pending = bytearray()
        frames: list[Frame] = []
        offset, available = 0, len(data)
        self._needed = FRAME_OVERHEAD
        while available - offset >= FRAME_OVERHEAD:
            kind, channel, size = _FRAME.unpack_from(data, offset)
            if size > self.frame_max - FRAME_OVERHEAD or kind not in (METHOD, BODY, HEADER, HEARTBEAT):
                raise _no_frame(data[offset : offset + 8])
            end = offset + 7 + size
            if end >= available:
                self._needed = size + FRAME_OVERHEAD
                break
            if data[end] != FRAME_END:
                raise _no_frame(data[end : end + 1])
            frames.append((kind, channel, data[offset + 7 : end]))
            offset = end + 1
        if offset < available:
            self._pending += memoryview(data)[offset:]
        return frames


def _no_frame(found: bytes) -> Exception:
    if found[:4] == b"AMQP":
        version = ".".join(str(byte) for byte in found[5:8])
        return malformed_frame(
            f"对端不支持 AMQP 0-9-1（它说 {version}）", f"the peer does not speak AMQP 0-9-1 (it says {version})"
        )
    return malformed_frame(f"不是 AMQP 帧: {found.hex(' ')}", f"this is no AMQP frame: {found.hex(' ')}")


# The traffic


def pack_ack(channel: int, tag: int, *, multiple: bool = False) -> bytes:
    """The frame that settles delivery ``tag``, or with ``multiple`` everything up to it."""
    return _ACK_FRAME.pack(METHOD, channel, 13, ACK, tag, multiple, FRAME_END)


def pack_nack(channel: int, tag: int, *, requeue: bool) -> bytes:
    """The frame that refuses delivery ``tag``: back to the queue, or to its dead-letter exchange."""
    return _ACK_FRAME.pack(METHOD, channel, 13, NACK, tag, 2 if requeue else 0, FRAME_END)


def pack_publish_method(channel: int, exchange: str, routing_key: str, *, mandatory: bool) -> bytes:
    """The first of the frames of a publish; the same for every message with this address, so worth keeping."""
    payload = b"\x00\x3c\x00\x28\x00\x00" + short_text(exchange) + short_text(routing_key) + _U8.pack(mandatory)
    return b"%b%b\xce" % (_FRAME.pack(METHOD, channel, len(payload)), payload)


def pack_content(channel: int, properties: bytes, body: bytes, frame_max: int) -> bytes:
    """Content header and body frames. ``properties`` are flags and list, packed (:class:`~.content.Properties`)."""
    size = len(body)
    header = _CONTENT_HEADER.pack(HEADER, channel, 12 + len(properties), 60, 0, size)
    room = frame_max - FRAME_OVERHEAD
    if size <= room:
        if not size:
            return b"%b%b\xce" % (header, properties)
        return b"%b%b\xce%b%b\xce" % (header, properties, _FRAME.pack(BODY, channel, size), body)
    parts: list[bytes | memoryview] = [header, properties, b"\xce"]
    view = memoryview(body)
    for start in range(0, size, room):
        piece = view[start : start + room]
        parts += (_FRAME.pack(BODY, channel, len(piece)), piece, b"\xce")
    return b"".join(parts)


def parse_tag_and_bits(payload: bytes, offset: int = 4) -> tuple[int, int]:
    """Delivery tag and bits of ack, nack and (after the consumer tag) deliver."""
    tag, bits = _TAG_AND_BITS.unpack_from(payload, offset)
    return tag, bits


def parse_method_id(payload: bytes) -> int:
    """Class number << 16 | method number."""
    number: int = _METHOD_ID.unpack_from(payload)[0]
    return number


def parse_content_header(payload: bytes) -> int:
    """The size of the body that follows; the properties start at byte 12."""
    size: int = _SHORT_HEADER.unpack_from(payload)[2]
    return size


def short_text(text: str) -> bytes:
    """A short string: one octet of length in bytes, then UTF-8. Raises :class:`MalformedTable` beyond 255."""
    data = text.encode("utf-8", "surrogateescape")
    if len(data) > 255:
        raise malformed_table("短文本超过 255 字节", "a short text is longer than 255 bytes", text[:32])
    return _U8.pack(len(data)) + data


def read_short_text(data: bytes, offset: int) -> tuple[str, int]:
    """A short string and where it ends. Bytes that are no UTF-8 survive as surrogates."""
    stop = offset + 1 + data[offset]
    return data[offset + 1 : stop].decode("utf-8", "surrogateescape"), stop


# Every other method


def _long_text(value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return _U32.pack(len(data)) + data


def _read_long_text(data: bytes, offset: int) -> tuple[bytes, int]:
    start = offset + 4
    stop = start + _U32.unpack_from(data, offset)[0]
    return data[start:stop], stop


def _reader(layout: Struct) -> Callable[[bytes, int], tuple[int, int]]:
    return lambda data, offset: (layout.unpack_from(data, offset)[0], offset + layout.size)


_WRITE: Mapping[str, Callable[[Any], bytes]] = {
    "octet": _U8.pack,
    "short": _U16.pack,
    "long": _U32.pack,
    "longlong": _U64.pack,
    "timestamp": _U64.pack,
    "shortstr": short_text,
    "longstr": _long_text,
    "table": encode_table,
}
_READ: Mapping[str, Callable[[bytes, int], tuple[Any, int]]] = {
    "octet": _reader(_U8),
    "short": _reader(_U16),
    "long": _reader(_U32),
    "longlong": _reader(_U64),
    "timestamp": _reader(_U64),
    "shortstr": read_short_text,
    "longstr": _read_long_text,
    "table": decode_table,
}


def pack_method(channel: int, method: Any, arguments: Sequence[Any]) -> bytes:
    """The frame of any method of the specification (``method`` is txamqp's ``Method``).

    Raises :class:`MalformedTable` for an argument that does not fit its field, naming the field.
    """
    parts = [_U16.pack(method.klass.id), _U16.pack(method.id)]
    bits = width = 0
    for field, value in zip(method.fields, arguments, strict=True):
        if field.type == "bit":
            bits |= bool(value) << width
            width += 1
            continue
        if width:
            parts.append(_U8.pack(bits))
            bits = width = 0
        try:
            parts.append(_WRITE[field.type](value))
        except (StructError, AttributeError, TypeError) as error:
            raise malformed_table(
                f"{value!r} 不合类型 {field.type}", f"{value!r} does not fit {field.type}", field.name
            ) from error
    if width:
        parts.append(_U8.pack(bits))
    payload = b"".join(parts)
    return b"%b%b\xce" % (_FRAME.pack(METHOD, channel, len(payload)), payload)


def unpack_method(specification: Any, payload: bytes) -> tuple[Any, tuple[Any, ...]]:
    """The method and its arguments. Raises :class:`MalformedFrame` for what the specification does not know."""
    number = parse_method_id(payload)
    try:
        method = specification.classes.byid[number >> 16].methods.byid[number & 0xFFFF]
    except KeyError as error:
        raise malformed_frame(
            f"未知的方法 {number >> 16}.{number & 0xFFFF}", f"unknown method {number >> 16}.{number & 0xFFFF}"
        ) from error
    values: list[Any] = []
    offset, bits, width = 4, 0, 8
    try:
        for field in method.fields:
            if field.type == "bit":
                if width == 8:
                    bits, offset, width = payload[offset], offset + 1, 0
                values.append(bool(bits >> width & 1))
                width += 1
                continue
            width = 8
            value, offset = _READ[field.type](payload, offset)
            values.append(value)
        if offset > len(payload):
            raise IndexError(offset)
    except (StructError, IndexError) as error:
        raise malformed_frame(
            f"方法 {method.klass.name}.{method.name} 被截断", f"method {method.klass.name}.{method.name} is cut short"
        ) from error
    return method, tuple(values)
