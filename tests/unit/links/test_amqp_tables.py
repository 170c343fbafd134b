"""Rows 5 and 6 of docs/amqp.md: every type of a field table, both ways, and no table that harms."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.links.amqp.errors import MalformedTable
from federation.links.amqp.tables import MAX_NESTING, Typed, decode_table, encode_table

_keys = st.text(max_size=40)
_plain = (
    st.booleans()
    | st.none()
    | st.integers(min_value=-(2**63), max_value=2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2400, 1, 1)).map(
        lambda moment: moment.replace(microsecond=0, tzinfo=UTC)
    )
    | st.builds(
        lambda number, scale: Decimal(number).scaleb(-scale), st.integers(-(2**31), 2**31 - 1), st.integers(0, 20)
    )
)
_values = st.recursive(
    _plain,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(_keys, inner, max_size=5),
    max_leaves=20,
)


def round_trip(table: dict[str, Any]) -> Any:
    data = encode_table(table)
    decoded, stop = decode_table(b"??" + data + b"!", 2)
    assert stop == len(data) + 2
    return decoded


def same(left: Any, right: Any) -> bool:
    """Equality that also tells True from 1, 1 from 1.0 and bytes from text."""
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    return type(left) is type(right) and bool(left == right)


@given(st.dictionaries(_keys, _values, max_size=8))
def test_what_goes_in_comes_out(table: dict[str, Any]) -> None:
    """Chinese keys, booleans that stay booleans, negative and 64-bit numbers, bytes, lists, tables in tables."""
    assert same(round_trip(table), table)


@given(st.binary(max_size=200))
def test_garbage_is_refused_and_nothing_else(data: bytes) -> None:
    with suppress(MalformedTable):
        decode_table(data)


@pytest.mark.parametrize(
    ("letter", "value"),
    [
        ("b", -128), ("B", 255), ("s", -32768), ("u", 65535), ("I", -5), ("i", 2**32 - 1), ("l", -(2**63)),
        ("f", 0.5), ("d", 1.1), ("S", "甲"), ("x", b"\x00\xff"), ("t", True), ("V", None), ("A", [1, "二"]),
        ("F", {"k": 1}), ("D", Decimal("-1.25")), ("T", datetime(2026, 1, 2, tzinfo=UTC)),
    ],
)  # fmt: skip
def test_each_type_letter_both_ways(letter: str, value: Any) -> None:
    data = encode_table({"k": Typed(letter, value)})
    assert data[6:7] == letter.encode()
    assert same(round_trip({"k": Typed(letter, value)}), {"k": value})


@pytest.mark.parametrize(
    ("value", "letter"),
    [
        (True, b"t"), (7, b"I"), (-7, b"I"), (2**31, b"l"), (1.0, b"d"), (None, b"V"), ("", b"S"), (b"", b"x"),
        ((), b"A"), ({}, b"F"), (Decimal(1), b"D"), (datetime(2026, 1, 1, tzinfo=UTC), b"T"),
    ],
)  # fmt: skip
def test_the_value_chooses_the_type(value: Any, letter: bytes) -> None:
    assert encode_table({"k": value})[6:7] == letter


def test_lengths_count_bytes_not_characters() -> None:
    assert encode_table({"号": "通"}) == b"\x00\x00\x00\x0c\x03\xe5\x8f\xb7S\x00\x00\x00\x03\xe9\x80\x9a"


@pytest.mark.parametrize(
    ("table", "place"),
    [
        ({"big": 2**63}, "big"),
        ({"a": [1, {"b": object()}]}, "a[1].b"),
        ({"k" * 256: 1}, "k" * 256),
        ({"when": datetime(2026, 1, 1)}, "when"),
        ({"old": datetime(1960, 1, 1, tzinfo=UTC)}, "old"),
        ({"d": Decimal("1e11")}, "d"),
        ({"d": Decimal("nan")}, "d"),
        ({"b": Typed("b", 200)}, "b"),
        ({"z": Typed("z", 1)}, "z"),
    ],
)
def test_what_cannot_be_written_is_named(table: dict[str, Any], place: str) -> None:
    with pytest.raises(MalformedTable) as refused:
        encode_table(table)
    assert refused.value.problem.place == place


def test_bottomless_tables_are_refused_both_ways() -> None:
    deep: dict[str, Any] = {}
    for _ in range(MAX_NESTING + 2):
        deep = {"k": deep}
    with pytest.raises(MalformedTable, match="nests deeper"):
        encode_table(deep)
    data = b""
    for _ in range(5_000):
        data = b"\x01kF" + len(data).to_bytes(4, "big") + data
    with pytest.raises(MalformedTable, match="nests deeper"):
        decode_table(len(data).to_bytes(4, "big") + data)


def test_text_that_is_no_utf8_stays_bytes_and_a_mad_timestamp_stays_a_number() -> None:
    assert decode_table(b"\x00\x00\x00\x08\x01kS\x00\x00\x00\x01\xff")[0] == {"k": b"\xff"}
    assert decode_table(b"\x00\x00\x00\x0b\x01kT" + (2**60).to_bytes(8, "big"))[0] == {"k": 2**60}
