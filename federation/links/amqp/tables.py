"""Field tables, both ways, in RabbitMQ's dialect of AMQP 0-9-1 (rows 5 and 6 of the list in docs/amqp.md).

Reading knows every type letter RabbitMQ writes::

    t bool   b int8   B uint8   s int16   u uint16   I int32   i uint32   l int64   f float32   d float64
    D decimal   S long string   x bytes   A array   T timestamp   F table   V void

Writing chooses the type by the value: ``bool`` t, ``int`` I or l, ``float`` d, ``Decimal`` D, ``str`` S, ``bytes`` x,
``datetime`` T, ``None`` V, list and tuple A, mapping F. :class:`Typed` asks for a particular letter where the receiver
wants one.
Lengths are counted in bytes. Nesting is limited, so that a hostile table cannot exhaust the stack.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from struct import Struct
from struct import error as StructError  # noqa: N812 - struct names its exception like a function
from typing import Any

from federation.links.amqp.errors import MalformedTable, malformed_table

MAX_NESTING = 32
"""Tables and arrays inside each other, at most."""

Table = dict[str, Any]
"""A decoded table. Values are bool, int, float, Decimal, str, bytes, datetime, None, list and Table."""

_U8 = Struct(">B")
_U32 = Struct(">I")
_NUMBERS: dict[str, Struct] = {
    "b": Struct(">b"),
    "B": Struct(">B"),
    "s": Struct(">h"),
    "u": Struct(">H"),
    "I": Struct(">i"),
    "i": Struct(">I"),
    "l": Struct(">q"),
    "f": Struct(">f"),
    "d": Struct(">d"),
}
_NUMBERS_BY_BYTE = {ord(letter): layout for letter, layout in _NUMBERS.items()}
_TIMESTAMP = Struct(">Q")
_DECIMAL = Struct(">Bi")
_INT32_MIN, _INT32_MAX = -(2**31), 2**31 - 1
_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1


@dataclass(frozen=True, slots=True)
class Typed:
    """A value to be written with this type letter instead of the one its Python type implies."""

    letter: str
    value: Any


def encode_table(table: Mapping[str, Any]) -> bytes:
    """The table as on the wire, its four-byte length in front. Raises :class:`MalformedTable` naming the key."""
    parts: list[bytes] = []
    _write_pairs(table, parts, 0, "")
    body = b"".join(parts)
    return _U32.pack(len(body)) + body


def decode_table(data: bytes, offset: int = 0) -> tuple[Table, int]:
    """The table that starts (with its length) at ``offset``, and where it ends. Raises :class:`MalformedTable`."""
    try:
        return _read_table(data, offset, 0)
    except (StructError, IndexError) as error:
        raise malformed_table("字段表被截断", "the field table is cut short") from error


# writing


def _write_pairs(table: Mapping[str, Any], parts: list[bytes], depth: int, place: str) -> None:
    if depth > MAX_NESTING:
        raise _too_deep(place)
    for key, value in table.items():
        here = f"{place}.{key}" if place else str(key)
        name = key.encode() if isinstance(key, str) else b""
        if not isinstance(key, str) or len(name) > 255:
            raise malformed_table("键须为不超过 255 字节的文本", "a key must be text of at most 255 bytes", here)
        parts.append(_U8.pack(len(name)))
        parts.append(name)
        _write_value(value, parts, depth, here)


def _write_value(value: Any, parts: list[bytes], depth: int, place: str) -> None:
    if isinstance(value, Typed):
        _write_typed(value, parts, depth, place)
    elif isinstance(value, bool):
        parts.append(b"t\x01" if value else b"t\x00")
    elif value is None:
        parts.append(b"V")
    elif isinstance(value, str):
        _write_bytes(b"S", value.encode(), parts)
    elif isinstance(value, int):
        parts.append(_written_int(value, place))
    elif isinstance(value, float):
        parts.append(b"d" + _NUMBERS["d"].pack(value))
    elif isinstance(value, bytes | bytearray | memoryview):
        _write_bytes(b"x", bytes(value), parts)
    elif isinstance(value, Mapping):
        _write_nested(b"F", lambda inner: _write_pairs(value, inner, depth + 1, place), parts)
    elif isinstance(value, Sequence):
        _write_nested(b"A", lambda inner: _write_items(value, inner, depth + 1, place), parts)
    elif isinstance(value, datetime):
        parts.append(b"T" + _TIMESTAMP.pack(_seconds(value, place)))
    elif isinstance(value, Decimal):
        parts.append(b"D" + _written_decimal(value, place))
    else:
        raise malformed_table(
            f"{type(value).__name__} 不能写入字段表", f"{type(value).__name__} has no place in a field table", place
        )


def _write_bytes(letter: bytes, data: bytes, parts: list[bytes]) -> None:
    parts.append(letter + _U32.pack(len(data)))
    parts.append(data)


def _write_nested(letter: bytes, write: Callable[[list[bytes]], None], parts: list[bytes]) -> None:
    inner: list[bytes] = []
    write(inner)
    _write_bytes(letter, b"".join(inner), parts)


def _write_items(items: Sequence[Any], parts: list[bytes], depth: int, place: str) -> None:
    if depth > MAX_NESTING:
        raise _too_deep(place)
    for index, item in enumerate(items):
        _write_value(item, parts, depth, f"{place}[{index}]")


def _written_int(value: int, place: str) -> bytes:
    if _INT32_MIN <= value <= _INT32_MAX:
        return b"I" + _NUMBERS["I"].pack(value)
    if _INT64_MIN <= value <= _INT64_MAX:
        return b"l" + _NUMBERS["l"].pack(value)
    raise malformed_table("整数超出 64 位", "the integer does not fit 64 bits", place)


def _written_decimal(value: Decimal, place: str) -> bytes:
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        raise malformed_table("十进制数须为有限值", "the decimal must be finite", place)
    number = int("".join(map(str, digits))) * (-1 if sign else 1)
    scale = max(0, -exponent)
    if 0 < exponent <= 10:
        number *= 10**exponent
    if exponent > 10 or scale > 255 or not _INT32_MIN <= number <= _INT32_MAX:
        raise malformed_table("十进制数超出 32 位", "the decimal does not fit 32 bits", place)
    return _DECIMAL.pack(scale, number)


def _seconds(value: datetime, place: str) -> int:
    if value.tzinfo is None:
        raise malformed_table("时间须带时区", "the time must carry its zone", place)
    seconds = int(value.timestamp())
    if seconds < 0:
        raise malformed_table("时间早于 1970 年", "the time is before 1970", place)
    return seconds


def _write_typed(typed: Typed, parts: list[bytes], depth: int, place: str) -> None:
    letter, value = typed.letter, typed.value
    layout = _NUMBERS.get(letter)
    try:
        if layout is not None:
            parts.append(letter.encode() + layout.pack(value))
        elif letter in ("S", "x"):
            _write_bytes(letter.encode(), value.encode() if isinstance(value, str) else bytes(value), parts)
        elif letter == "T" and isinstance(value, int):
            parts.append(b"T" + _TIMESTAMP.pack(value))
        elif letter in ("t", "D", "A", "T", "V", "F"):
            _write_value(value, parts, depth, place)
        else:
            raise malformed_table(f"未知的类型字母 {letter!r}", f"unknown type letter {letter!r}", place)
    except (StructError, OverflowError) as error:
        raise malformed_table(f"值不合类型 {letter}", f"the value does not fit type {letter}", place) from error


def _too_deep(place: str) -> MalformedTable:
    return malformed_table(
        f"字段表嵌套超过 {MAX_NESTING} 层", f"the field table nests deeper than {MAX_NESTING}", place
    )


# reading


def _read_table(data: bytes, offset: int, depth: int) -> tuple[Table, int]:
    start, stop = _extent(data, offset)
    if depth > MAX_NESTING:
        raise _too_deep("")
    table: Table = {}
    while start < stop:
        after_key = start + 1 + data[start]
        key = data[start + 1 : after_key].decode("utf-8", "surrogateescape")
        table[key], start = _read_value(data, after_key, depth)
    return table, _ended(start, stop)


def _read_array(data: bytes, offset: int, depth: int) -> tuple[list[Any], int]:
    start, stop = _extent(data, offset)
    if depth > MAX_NESTING:
        raise _too_deep("")
    items: list[Any] = []
    while start < stop:
        item, start = _read_value(data, start, depth)
        items.append(item)
    return items, _ended(start, stop)


def _read_value(data: bytes, offset: int, depth: int) -> tuple[Any, int]:
    letter = data[offset]
    offset += 1
    layout = _NUMBERS_BY_BYTE.get(letter)
    if layout is not None:
        return layout.unpack_from(data, offset)[0], offset + layout.size
    if letter == 0x53:  # S
        start, stop = _extent(data, offset)
        return _text_or_bytes(data[start:stop]), stop
    if letter == 0x74:  # t
        return data[offset] != 0, offset + 1
    if letter == 0x46:  # F
        return _read_table(data, offset, depth + 1)
    if letter == 0x41:  # A
        return _read_array(data, offset, depth + 1)
    if letter == 0x54:  # T
        return _moment(_TIMESTAMP.unpack_from(data, offset)[0]), offset + 8
    if letter == 0x78:  # x
        start, stop = _extent(data, offset)
        return data[start:stop], stop
    if letter == 0x56:  # V
        return None, offset
    if letter == 0x44:  # D
        scale, number = _DECIMAL.unpack_from(data, offset)
        return Decimal(number).scaleb(-scale), offset + 5
    raise malformed_table(f"未知的类型字母 {chr(letter)!r}", f"unknown type letter {chr(letter)!r}")


def _extent(data: bytes, offset: int) -> tuple[int, int]:
    start = offset + 4
    stop = start + _U32.unpack_from(data, offset)[0]
    if stop > len(data):
        raise malformed_table("字段表被截断", "the field table is cut short")
    return start, stop


def _ended(position: int, stop: int) -> int:
    if position != stop:
        raise malformed_table("字段表长度不符", "the field table's length is wrong")
    return stop


def _text_or_bytes(data: bytes) -> str | bytes:
    """S carries any bytes: text where they are valid UTF-8, else as they are."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def _moment(seconds: int) -> datetime | int:
    """T as a UTC time; a number past the calendar (milliseconds by mistake) stays a number and harms nobody."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return seconds
