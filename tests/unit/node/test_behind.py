"""Backlog is worked off behind what is live (S4): a piece at a time, a quarter of the time, each sender in turn."""

from __future__ import annotations

import contextlib

from federation.node.behind import Behind
from federation.node.clock import VirtualClock


class Work:
    """Pieces that take time, and when each was done."""

    def __init__(self, clock: VirtualClock, behind: Behind) -> None:
        self.clock = clock
        self.behind = behind
        self.done: list[tuple[float, str]] = []

    def give(self, line: str, name: str, takes_s: float = 0.0) -> None:
        def piece() -> None:
            self.done.append((round(self.clock.monotonic(), 6), name))
            self.clock.advance_to(self.clock.monotonic() + takes_s)

        self.behind.do(line, piece)

    def names(self) -> list[str]:
        return [name for _, name in self.done]


def working() -> Work:
    clock = VirtualClock()
    return Work(clock, Behind(clock))


def test_what_takes_no_time_is_done_at_once() -> None:
    work = working()
    for name in ("a", "b", "c"):
        work.give("guangzhou", name)
        assert work.names()[-1] == name
    assert work.clock.next_due() is None


def test_a_piece_of_work_is_followed_by_a_pause_three_times_as_long() -> None:
    work = working()
    for name in ("a", "b", "c"):
        work.give("guangzhou", name, takes_s=0.01)
    assert work.names() == ["a"]
    work.clock.advance(1.0)
    assert work.done == [(0.0, "a"), (0.04, "b"), (0.08, "c")]


def test_one_senders_backlog_does_not_hold_up_the_others() -> None:
    work = working()
    for number in range(5):
        work.give("guangzhou", f"g{number}", takes_s=0.01)
    work.give("foshan", "f0", takes_s=0.01)
    work.give("foshan", "f1", takes_s=0.01)
    work.clock.advance(1.0)
    assert work.names() == ["g0", "g1", "f0", "g2", "f1", "g3", "g4"]


def test_what_a_piece_asks_for_comes_after_it() -> None:
    work = working()
    order: list[str] = []

    def piece() -> None:
        work.behind.do("guangzhou", lambda: order.append("inner"))
        order.append("outer")

    work.behind.do("guangzhou", piece)
    work.clock.advance(1.0)
    assert order == ["outer", "inner"]


def test_a_piece_that_breaks_does_not_keep_the_next_ones() -> None:
    work = working()

    def broken() -> None:
        work.give("guangzhou", "next")
        raise RuntimeError("broken")

    with contextlib.suppress(RuntimeError):
        work.behind.do("guangzhou", broken)
    work.clock.advance(1.0)
    assert work.names() == ["next"]


def test_nothing_is_done_after_stop() -> None:
    work = working()
    work.give("guangzhou", "a", takes_s=0.01)
    work.give("guangzhou", "b")
    assert work.behind.waiting() == 1
    work.behind.stop()
    work.give("guangzhou", "c")
    work.clock.advance(1.0)
    assert work.names() == ["a"]
    assert work.behind.waiting() == 0
