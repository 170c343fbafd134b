"""Time as nodes see it: in order, repeatable, and untouched by somebody setting the wall clock."""

from __future__ import annotations

import time

import pytest
from twisted.internet.selectreactor import SelectReactor
from twisted.internet.task import LoopingCall

from federation.node.clock import ReactorClock, VirtualClock


def test_calls_due_at_the_same_moment_keep_the_order_they_were_set_in() -> None:
    clock = VirtualClock()
    seen: list[str] = []
    clock.call_later(2, seen.append, "late")
    for name in "abc":
        clock.call_later(1, seen.append, name)
    clock.advance(1)
    assert seen == ["a", "b", "c"]
    clock.advance(1)
    assert seen[-1] == "late"


def test_a_call_that_sets_a_call_for_now_sees_it_made_in_the_same_advance_after_those_already_due() -> None:
    clock = VirtualClock()
    seen: list[str] = []

    def first() -> None:
        seen.append("first")
        clock.call_later(0, seen.append, "third")

    clock.call_later(1, first)
    clock.call_later(1, seen.append, "second")
    clock.advance(1)
    assert seen == ["first", "second", "third"]
    assert clock.monotonic() == 1


def test_a_cancelled_timer_is_never_called_and_cannot_be_cancelled_twice() -> None:
    clock = VirtualClock()
    timer = clock.call_later(1, pytest.fail, "called")
    assert timer.active()
    timer.cancel()
    assert not timer.active()
    clock.advance(5)
    with pytest.raises(RuntimeError):
        timer.cancel()


def test_a_timer_inside_its_own_call_is_no_longer_active() -> None:
    clock = VirtualClock()
    seen: list[bool] = []
    timer = clock.call_later(1, lambda: seen.append(timer.active()))
    clock.advance(1)
    assert seen == [False]


def test_reset_and_delay_move_a_timer_both_ways() -> None:
    clock = VirtualClock()
    seen: list[float] = []
    timer = clock.call_later(10, lambda: seen.append(clock.monotonic()))
    timer.reset(3)
    clock.advance(1)
    timer.delay(4)
    assert clock.getDelayedCalls() == [timer]
    clock.advance(20)
    assert seen == [7]


def test_many_cancelled_timers_do_not_pile_up() -> None:
    """A day of ring timers, nearly all cancelled by an answer, must not grow the heap without end."""
    clock = VirtualClock()
    kept = clock.call_later(1e6, int)
    for _ in range(10_000):
        clock.call_later(1000, int).cancel()
    assert len(clock._heap) < 3000
    assert clock.getDelayedCalls() == [kept]


def test_run_until_stops_at_the_call_that_makes_it_true_or_at_the_deadline() -> None:
    clock = VirtualClock()
    seen: list[int] = []
    for second in range(1, 6):
        clock.call_later(second, seen.append, second)
    assert clock.run_until(lambda: 3 in seen, within_s=60)
    assert clock.monotonic() == 3
    assert not clock.run_until(lambda: 9 in seen, within_s=60)
    assert clock.monotonic() == 63


def test_an_error_in_a_call_comes_out_of_advance_and_the_rest_can_go_on() -> None:
    clock = VirtualClock()
    seen: list[str] = []
    clock.call_later(1, lambda: 1 / 0)
    clock.call_later(1, seen.append, "after")
    with pytest.raises(ZeroDivisionError):
        clock.advance(5)
    assert clock.monotonic() == 1
    clock.advance(4)
    assert seen == ["after"]
    assert clock.monotonic() == 5


def test_the_wall_clock_may_jump_and_timers_do_not_notice() -> None:
    clock = VirtualClock(wall0=1000.0)
    seen: list[float] = []
    clock.call_later(5, lambda: seen.append(clock.wall()))
    clock.jump_wall(-600)
    clock.advance(5)
    assert seen == [405.0]


def test_twisted_can_loop_on_it() -> None:
    clock = VirtualClock()
    seen: list[float] = []
    loop = LoopingCall(lambda: seen.append(clock.monotonic()))
    loop.clock = clock
    loop.start(1, now=False)
    clock.advance(3)
    loop.stop()
    assert seen == [1, 2, 3]


def test_a_hundred_thousand_timers_cost_as_much_each_as_a_few() -> None:
    """A province's day in a minute: setting and calling a timer stays in microseconds however many are set."""
    clock = VirtualClock()
    for number in range(100_000):
        clock.call_later(number % 977, int)
    began = time.perf_counter()
    clock.advance(1000)
    assert clock.calls == 100_000
    assert time.perf_counter() - began < 5.0


def test_a_reactor_clock_puts_its_reactor_on_monotonic_time() -> None:
    """A wall clock set back by ten minutes must not hold a lease for ten minutes."""
    reactor = SelectReactor()
    clock = ReactorClock(reactor, wall=lambda: 42.0)
    assert reactor.seconds is time.monotonic
    assert abs(clock.monotonic() - time.monotonic()) < 1.0
    assert clock.wall() == 42.0
    timer = clock.call_later(5, int)
    assert timer.active()
    timer.cancel()
    again = ReactorClock(reactor)
    assert again.monotonic() >= clock.monotonic() - 1.0


def test_a_reactor_with_timers_already_set_is_refused() -> None:
    reactor = SelectReactor()
    reactor.callLater(100, int)
    with pytest.raises(RuntimeError, match="before the first timer"):
        ReactorClock(reactor)


def test_speed_makes_the_simulated_seconds_shorter() -> None:
    reactor = SelectReactor()
    now = [100.0]
    clock = ReactorClock(reactor, speed=60.0, wall=lambda: now[0])
    now[0] += 1
    assert clock.wall() == 160.0
    due = reactor.callLater(0, int).getTime()
    clock.call_later(60, int)
    assert 0.9 < max(call.getTime() for call in reactor.getDelayedCalls()) - due < 1.1
    with pytest.raises(ValueError, match="speed"):
        ReactorClock(SelectReactor(), speed=0)
