"""Silence is noticed when it has lasted long enough, not at the next beat of one's own."""

from __future__ import annotations

from math import inf

from dataset.ids import NodeId
from federation.node.clock import VirtualClock
from federation.node.silence import SilenceWatch

HUB, OTHER = NodeId("hub"), NodeId("foshan")


def test_silence_is_noticed_at_its_moment_however_often_a_node_was_heard_before() -> None:
    clock = VirtualClock(1e9)
    noticed: list[float] = []
    watch = SilenceWatch(clock, 3.0, lambda: noticed.append(clock.monotonic()))
    began = clock.monotonic()
    for _ in range(10):
        watch.heard(HUB)
        clock.advance(0.7)
    assert noticed == []
    clock.advance(10.0)
    (at,) = noticed
    assert 3.0 < at - began - 9 * 0.7 <= 3.01


def test_each_node_is_watched_and_one_that_comes_back_is_watched_again() -> None:
    clock = VirtualClock(1e9)
    noticed: list[float] = []
    watch = SilenceWatch(clock, 3.0, lambda: noticed.append(clock.monotonic()))
    assert watch.silent_s(HUB) == inf
    watch.heard(HUB)
    clock.advance(2.0)
    watch.heard(OTHER)
    assert (watch.silent_s(HUB), watch.silent_s(OTHER)) == (2.0, 0.0)
    clock.advance(10.0)
    assert len(noticed) == 2
    watch.heard(HUB)
    clock.advance(2.9)
    assert len(noticed) == 2
    clock.advance(0.2)
    assert len(noticed) == 3


def test_a_stopped_watch_leaves_no_timer() -> None:
    clock = VirtualClock(1e9)
    noticed: list[float] = []
    watch = SilenceWatch(clock, 3.0, lambda: noticed.append(clock.monotonic()))
    watch.heard(HUB)
    watch.stop()
    clock.advance(10.0)
    assert noticed == []
