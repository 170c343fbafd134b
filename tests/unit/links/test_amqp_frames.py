"""Frames: any cut of the bytes gives the same frames, in linear time; hot frames equal those of the specification."""

from __future__ import annotations

import struct
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.links.amqp import frames
from federation.links.amqp.content import Properties, unpack_properties, unpack_user
from federation.links.amqp.errors import AmqpFailure, MalformedFrame, MalformedTable
from federation.links.amqp.specification import specification


def method(klass: str, name: str) -> Any:
    return specification().classes.byname[klass].methods.byname[name]


def test_the_specification_has_what_the_published_ones_lack() -> None:
    """Row 3: confirms, nack and blocked are there, with RabbitMQ's numbers."""
    known = {(k.id, m.id): f"{k.name}.{m.name}" for k in specification().classes for m in k.methods}
    assert known[85, 10] == "confirm.select"
    assert known[60, 120] == "basic.nack"
    assert known[10, 60] == "connection.blocked"
    assert known[10, 61] == "connection.unblocked"


@given(st.lists(st.binary(max_size=60), max_size=6), st.data())
def test_any_cut_gives_the_same_frames(payloads: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(
        b"\x03" + n.to_bytes(2, "big") + len(p).to_bytes(4, "big") + p + b"\xce" for n, p in enumerate(payloads)
    )
    buffer, received, rest = frames.FrameBuffer(4096), [], stream
    while rest:
        cut = data.draw(st.integers(1, len(rest)))
        received += buffer.feed(rest[:cut])
        rest = rest[cut:]
    assert received == [(frames.BODY, n, p) for n, p in enumerate(payloads)]


def test_a_frame_in_single_bytes_costs_linear_time() -> None:
    """Row 9: txamqp's buffer was quadratic. 4 MB in pieces of 16 bytes would cost it minutes."""
    payload = bytes(4 * 1024 * 1024)
    stream = frames._FRAME.pack(frames.BODY, 1, len(payload)) + payload + b"\xce"
    buffer = frames.FrameBuffer(5 * 1024 * 1024)
    began = time.perf_counter()
    received = [frame for at in range(0, len(stream), 16) for frame in buffer.feed(stream[at : at + 16])]
    assert [len(payload) for _, _, payload in received] == [4 * 1024 * 1024]
    assert time.perf_counter() - began < 5.0


@pytest.mark.parametrize(
    "garbage",
    [b"HTTP/1.1 400 Bad", b"\x03\x00\x01\x00\x00\x00\x01a\xcd", b"\x03\x00\x01\xff\xff\xff\xffa", b"\x09" + bytes(8)],
)
def test_what_is_no_frame_is_refused_before_it_is_buffered(garbage: bytes) -> None:
    with pytest.raises(MalformedFrame):
        frames.FrameBuffer(4096).feed(garbage)


def test_a_broker_of_another_version_is_named() -> None:
    with pytest.raises(MalformedFrame, match=r"does not speak AMQP 0-9-1 \(it says 1\.0\.0\)"):
        frames.FrameBuffer(4096).feed(b"AMQP\x00\x01\x00\x00")


def test_hot_frames_equal_those_of_the_specification() -> None:
    publish = frames.pack_method(3, method("basic", "publish"), (0, "交换", "a.b", True, False))
    assert frames.pack_publish_method(3, "交换", "a.b", mandatory=True) == publish
    ack = frames.pack_method(3, method("basic", "ack"), (2**40, True))
    assert frames.pack_ack(3, 2**40, multiple=True) == ack
    nack = frames.pack_method(3, method("basic", "nack"), (9, False, True))
    assert frames.pack_nack(3, 9, requeue=True) == nack


def test_every_method_survives_the_wire() -> None:
    sample = {
        "octet": 1, "short": 2, "long": 3, "longlong": 2**60, "shortstr": "短", "longstr": "长".encode(),
        "table": {"k": [True, None]}, "bit": True, "timestamp": 5,
    }  # fmt: skip
    for klass in specification().classes:
        for each in klass.methods:
            arguments = tuple(sample[field.type] for field in each.fields)
            packed = frames.pack_method(1, each, arguments)
            [(kind, channel, payload)] = frames.FrameBuffer(4096).feed(packed)
            assert (kind, channel) == (frames.METHOD, 1)
            assert frames.unpack_method(specification(), payload) == (each, arguments)
            for cut in range(4, len(payload)):
                with pytest.raises((MalformedFrame, MalformedTable)):
                    frames.unpack_method(specification(), payload[:cut])


def test_an_argument_that_does_not_fit_is_named() -> None:
    with pytest.raises(MalformedTable, match="prefetch-count"):
        frames.pack_method(1, method("basic", "qos"), (0, 70_000, False))


_text = st.none() | st.text(max_size=60)
_keys = st.text(max_size=9)


@given(
    st.builds(
        Properties,
        content_type=_text, content_encoding=_text, headers=st.none() | st.dictionaries(_keys, st.integers(-9, 9)),
        delivery_mode=st.none() | st.integers(1, 2), priority=st.none() | st.integers(0, 255), correlation_id=_text,
        reply_to=_text, expiration=_text, message_id=_text, timestamp=st.none() | st.integers(0, 2**60), type=_text,
        user_id=_text, app_id=_text,
    ),
    _text,
)  # fmt: skip
def test_properties_survive_the_wire(properties: Properties, other_id: str | None) -> None:
    def header(packed: bytes) -> bytes:
        return b"\x00\x3c\x00\x00" + (7).to_bytes(8, "big") + packed

    assert unpack_properties(header(properties.packed())) == properties
    changed = unpack_properties(header(properties.packed(other_id)))
    assert changed.message_id == (properties.message_id if other_id is None else other_id)
    assert changed.app_id == properties.app_id


def test_bodies_are_cut_to_the_frame_size() -> None:
    body = bytes(range(256)) * 40
    stream = frames.pack_content(1, b"\x00\x00", body, 4096)
    received = frames.FrameBuffer(4096).feed(stream)
    assert received[0][0] == frames.HEADER
    assert frames.parse_content_header(received[0][2]) == len(body)
    assert [len(payload) for _, _, payload in received[1:]] == [4088, 4088, 2064]
    assert b"".join(payload for _, _, payload in received[1:]) == body


@given(
    st.builds(
        Properties,
        content_type=st.none() | st.just("application/json"),
        headers=st.none() | st.just({"x-death": [{"count": 1}], "long": "x" * 300}),
        delivery_mode=st.none() | st.sampled_from([1, 2]),
        expiration=st.none() | st.just("5000"),
        message_id=st.none() | st.text(max_size=20),
        timestamp=st.none() | st.just(1_700_000_000),
        user_id=st.none() | st.sampled_from(["guangzhou", "", "深圳"]),
        app_id=st.none() | st.just("yht"),
    )
)
def test_the_user_alone_is_read_as_with_all_properties(properties: Properties) -> None:
    """Whatever else is set before and after it; and cut short anywhere before its end, it is refused, never misread."""
    header = struct.pack(">HHQ", 60, 0, 5) + properties.packed()
    assert unpack_user(header) == (unpack_properties(header).user_id or "")
    if properties.user_id and properties.timestamp is None and properties.app_id is None:
        for end in range(12, len(header)):
            with pytest.raises(AmqpFailure):
                unpack_user(header[:end])
