"""An operator reads one line per event, with a stable word for it; nobody reads a secret."""

from __future__ import annotations

import io
import json
import logging
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import pytest
import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from twisted.logger import Logger

from federation.node.clock import VirtualClock
from federation.node.logs import Level, LogSettings, start_logging
from federation.node.metrics import DoorCounts, LinkCounts, ReactorLateness, watch_process


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    stop = start_logging("guangzhou", LogSettings(), stream)
    yield stream
    stop()


def test_twisted_structlog_and_logging_come_out_alike(out: io.StringIO) -> None:
    Logger(namespace="seats").warn("{agent} is away", agent="1001@guangzhou", event="agent-away", contact="0020-1")
    structlog.get_logger("x").warning("amqp_connection_lost", broker="127.0.0.1:5672", reason="no heartbeat")
    logging.getLogger("library").error("it broke: %s", 7)
    first, second, third = lines(out)
    assert (first["level"], first["node"], first["event"]) == ("warn", "guangzhou", "agent-away")
    assert first["text"] == "1001@guangzhou is away"
    assert (first["agent"], first["contact"]) == ("1001@guangzhou", "0020-1")
    assert (second["level"], second["event"], second["text"]) == ("warn", "amqp_connection_lost", "no heartbeat")
    assert second["broker"] == "127.0.0.1:5672"
    assert (third["level"], third["event"], third["text"]) == ("error", "library", "it broke: 7")
    assert all(line["at"].endswith("Z") for line in (first, second, third))


def test_a_failure_carries_its_trace(out: io.StringIO) -> None:
    try:
        raise ValueError("no such thing")
    except ValueError:
        Logger(namespace="door").failure("operation {operation} broke", operation="ready", event="operation-broke")
    (line,) = lines(out)
    assert (line["level"], line["event"], line["text"]) == ("critical", "operation-broke", "operation ready broke")
    assert "ValueError: no such thing" in line["trace"]


def test_secrets_are_blanked_wherever_they_hide(out: io.StringIO) -> None:
    Logger().warn("login", password="hunter2", request={"token": "hunter2", "user": "1001"})
    structlog.get_logger().warning("x", api_token="hunter2", cookie=b"hunter2")
    assert "hunter2" not in out.getvalue()
    assert lines(out)[0]["request"] == {"token": "***", "user": "1001"}


def test_several_nodes_in_one_process_are_told_apart(out: io.StringIO) -> None:
    Logger().warn("x", node="foshan")
    assert lines(out)[0]["node"] == "foshan"


@pytest.mark.parametrize(("level", "count"), [("debug", 4), ("info", 3), ("warn", 2), ("error", 1)])
def test_the_level_decides(level: Level, count: int) -> None:
    stream = io.StringIO()
    stop = start_logging("hub", LogSettings(level=level), stream)
    log, other = Logger(), structlog.get_logger()
    for each in (log.debug, log.info, log.warn, log.error):
        each("x")
    for each in (other.debug, other.info, other.warning, other.error):
        each("x")
    stop()
    assert len(lines(stream)) == 2 * count


def test_twisteds_own_chatter_is_left_out(out: io.StringIO) -> None:
    Logger(namespace="twisted.web.server").info("Starting factory")
    Logger(namespace="twisted.web.server").error("something to act on")
    assert [line["text"] for line in lines(out)] == ["something to act on"]


def test_on_a_terminal_a_line_is_text_and_cannot_be_forged() -> None:
    stream = Terminal()
    stop = start_logging("guangzhou", LogSettings(), stream)
    Logger(namespace="x").warn("note: {text}", text="hello\n2026 error forged", event="note", contact="0020-1")
    stop()
    (line,) = stream.getvalue().splitlines()
    assert "warn  guangzhou note: note: hello\\x0a2026 error forged" in line
    assert "contact=0020-1" in line


def test_after_stopping_nothing_more_is_written(out: io.StringIO) -> None:
    stream = io.StringIO()
    start_logging("x", LogSettings(), stream)()
    Logger().error("late")
    assert stream.getvalue() == ""


def test_requests_are_counted_by_operation_and_outcome() -> None:
    registry = CollectorRegistry()
    counts = DoorCounts(registry)
    counts.observed("ready", "", 0.002)
    counts.observed("ready", "wrong-state", 0.002)
    counts.read_live(lambda: 3)
    text = generate_latest(registry).decode()
    assert 'yht_requests_total{operation="ready",outcome="done"} 1.0' in text
    assert 'yht_requests_total{operation="ready",outcome="wrong-state"} 1.0' in text
    assert 'yht_request_seconds_count{operation="ready"} 2.0' in text
    assert 'yht_request_seconds_sum{operation="ready"} 0.004' in text
    assert 'yht_request_seconds_bucket{le="0.001",operation="ready"} 0.0' in text
    assert 'yht_request_seconds_bucket{le="0.0025",operation="ready"} 2.0' in text
    assert 'yht_request_seconds_bucket{le="+Inf",operation="ready"} 2.0' in text
    assert "yht_live_connections 3.0" in text


def test_a_late_reactor_shows() -> None:
    registry, clock = CollectorRegistry(), VirtualClock()
    late = ReactorLateness(registry, clock)
    late.start()
    clock.advance(3.0)
    late.stop()
    assert registry.get_sample_value("yht_reactor_late_seconds_count") == 3.0
    assert registry.get_sample_value("yht_reactor_late_seconds_sum") == 0.0
    assert clock.getDelayedCalls() == []


def test_the_process_tells_what_it_is() -> None:
    registry = CollectorRegistry()
    watch = watch_process(registry, "hub", VirtualClock())
    assert registry.get_sample_value("yht_node_info", {"node": "hub", "version": version("yihaotong")}) == 1.0
    assert b"python_gc_collections_total" in generate_latest(registry)
    watch.stop()


def test_starting_again_replaces_what_was_started(out: io.StringIO) -> None:
    stream = io.StringIO()
    stop = start_logging("foshan", LogSettings(), stream)
    Logger().warn("once")
    structlog.get_logger().warning("once")
    stop()
    assert [line["node"] for line in lines(stream)] == ["foshan", "foshan"]
    assert out.getvalue() == ""


def test_what_the_link_counts_is_read_when_the_metrics_are_asked_for() -> None:
    registry, dropped, failures = CollectorRegistry(), Counter[str](), Counter[str]()
    LinkCounts(registry, dropped, failures)
    dropped["envelope-malformed"] += 2
    failures["tls-expired"] += 1
    assert b'yht_link_connections_failed_total{reason="tls-expired"} 1.0' in generate_latest(registry)
    assert b'yht_link_messages_dropped_total{reason="envelope-malformed"} 2.0' in generate_latest(registry)
