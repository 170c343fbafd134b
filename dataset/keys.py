"""Keys of stored records as bytes whose order is the order of the values, field by field.

A key is a tuple of texts, whole numbers and times. Texts are ordered by code point, numbers by size. Every store
orders by these bytes or, as Cassandra does with typed columns, in the same way: UTF-8 keeps the order of code points.
Each value begins with a byte for its kind, so that a shorter key comes before all that it begins.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import NamedTuple

from dataset.errors import Problem, Refused

KeyValue = str | int | float
Key = tuple[KeyValue, ...]

LONGEST_KEY = 1_000
"""bytes of a key as it is stored; names and numbers are far shorter, Cassandra's own limit is 65,535"""
END = b"\xff"
"""behind every key: no kind has this byte"""
_TEXT, _INT, _FLOAT = b"\x02", b"\x10", b"\x20"
_INT_RANGE = range(-(1 << 63), 1 << 63)
_SIGN = 1 << 63
_ALL = (1 << 64) - 1


class Stretch(NamedTuple):
    """Keys from ``lower``, included, to ``upper``, not included."""

    lower: bytes
    upper: bytes

    def within(self, other: Stretch) -> Stretch:
        """What both hold."""
        return Stretch(max(self.lower, other.lower), min(self.upper, other.upper))


EVERYTHING = Stretch(b"", END)


def encode_key(values: Sequence[KeyValue], place: str) -> bytes:
    """``values`` as bytes. Raises ``Refused`` (``key-form``, ``key-too-long``), naming ``place``."""
    parts = []
    for value in values:
        if isinstance(value, str):
            try:
                parts.append(_TEXT + _escaped(value) + b"\x00")
            except UnicodeEncodeError:
                raise _unusable(value, place) from None
        else:
            parts.append(_number(value, place))
    data = b"".join(parts)
    if len(data) > LONGEST_KEY:
        raise Refused(
            Problem(
                "key-too-long",
                zh=f"键有 {len(data)} 字节，最多 {LONGEST_KEY} 字节",
                en=f"the key has {len(data)} bytes; at most {LONGEST_KEY} are accepted",
                place=place,
            )
        )
    return data


def _number(value: int | float, place: str) -> bytes:
    if isinstance(value, float):
        if math.isnan(value):
            raise _unusable(value, place)
        bits: int = struct.unpack(">Q", struct.pack(">d", value + 0.0))[0]  # -0.0 becomes 0.0
        return _FLOAT + (bits ^ (_ALL if bits & _SIGN else _SIGN)).to_bytes(8, "big")
    if value not in _INT_RANGE:
        raise _unusable(value, place)
    return _INT + int(value + _SIGN).to_bytes(8, "big")


def _escaped(text: str) -> bytes:
    data = text.encode()
    return data.replace(b"\x00", b"\x00\xff") if b"\x00" in data else data


def _unusable(value: KeyValue, place: str) -> Refused:
    return Refused(
        Problem(
            "key-form",
            zh=f"{value!r} 不能作键；应为 UTF-8 文字、64 位整数或数",
            en=f"{value!r} cannot be in a key; a UTF-8 text, a whole number of 64 bits or a number is expected",
            place=place,
        )
    )


def beginning_with(prefix: bytes, begins: str, place: str) -> Stretch:
    """Keys that begin with the values in ``prefix``, and whose next value is a text that begins with ``begins``."""
    if not begins:
        return Stretch(prefix, prefix + END)
    try:
        lower = prefix + _TEXT + _escaped(begins)
    except UnicodeEncodeError:
        raise _unusable(begins, place) from None
    # behind that a text goes on with 00 (also where it has a 00 of its own) or another character, and none is ff
    return Stretch(lower, lower + END)
