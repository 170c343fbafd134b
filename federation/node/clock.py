"""The two forms of ``federation.ports.Clock``: the reactor's time, and a virtual one that moves only when told to.

Both keep the order of calls that are due at the same moment (first set, first called), so that a run is repeatable.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from heapq import heapify, heappop, heappush
from typing import Any, Protocol, cast

import msgspec
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from zope.interface import implementer

from federation.ports import Timer


class ReactorLike(Protocol):
    """What a clock needs of a Twisted reactor."""

    seconds: Callable[[], float]

    def callLater(self, delay: float, callable: Callable[..., Any], *args: Any) -> IDelayedCall:  # noqa: N802
        """Call later, in the reactor's own seconds."""

    def getDelayedCalls(self) -> Any:  # noqa: N802
        """All calls that are set and not yet made."""


class ReactorClock:
    """Time by a Twisted reactor, whose timers it puts on monotonic time.

    A reactor counts its timers in wall time, so a wall clock that is set ten minutes back would hold every beat, lease
    and ring timer for ten minutes. The clock therefore gives the reactor ``time.monotonic`` to count by, which must
    happen before the first timer is set: else ``RuntimeError``.

    ``speed`` makes time run that many times faster than real (the demo): delays and readings are then in seconds of
    the simulated world. ``wall`` gives UTC seconds since the epoch; another one may be injected for tests.
    """

    def __init__(self, reactor: Any, *, speed: float = 1.0, wall: Callable[[], float] = time.time) -> None:
        if speed <= 0:
            raise ValueError(f"speed must be larger than 0, not {speed}")
        self._reactor = cast(ReactorLike, reactor)
        if self._reactor.seconds is time.time:
            if self._reactor.getDelayedCalls():
                raise RuntimeError("make the ReactorClock before the first timer of its reactor is set")
            self._reactor.seconds = time.monotonic
        self._speed = speed
        self._wall = wall
        self._began = self._reactor.seconds()
        self._wall_began = wall()

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment (of the simulated world where ``speed`` is not 1)."""
        now = self._reactor.seconds()
        return now if self._speed == 1.0 else self._began + (now - self._began) * self._speed

    def wall(self) -> float:
        """UTC seconds since the epoch."""
        now = self._wall()
        return now if self._speed == 1.0 else self._wall_began + (now - self._wall_began) * self._speed

    def call_later(self, delay_s: float, call: Callable[..., Any], *args: Any) -> Timer:
        """Call ``call(*args)`` after ``delay_s`` seconds."""
        return cast(Timer, self._reactor.callLater(max(delay_s, 0.0) / self._speed, call, *args))


@implementer(IDelayedCall)
class VirtualTimer(msgspec.Struct, eq=False):
    """One call set on a ``VirtualClock``; the fields are for the clock."""

    clock: VirtualClock
    due: float
    call: Callable[..., Any] | None
    """once; None when it was called or cancelled"""
    args: tuple[Any, ...]
    owner: ProcessClock | None = None
    """whose it is, where that can be stopped or killed"""

    def active(self) -> bool:
        """Whether the call is still to come."""
        return self.call is not None

    def cancel(self) -> None:
        """Do not call; ``RuntimeError`` when it was called or cancelled already."""
        if self.call is None:
            raise RuntimeError("this timer was called or cancelled already")
        self.call, self.args = None, ()
        self.clock.timer_cancelled()

    def getTime(self) -> float:  # noqa: N802 - IDelayedCall
        """The moment it is due, in the clock's seconds."""
        return self.due

    def reset(self, secondsFromNow: float) -> None:  # noqa: N803 - IDelayedCall
        """Call that many seconds from now instead."""
        self._move(self.clock.monotonic() + secondsFromNow)

    def delay(self, secondsLater: float) -> None:  # noqa: N803 - IDelayedCall
        """Call that many seconds later than set."""
        self._move(self.due + secondsLater)

    def _move(self, due: float) -> None:
        if self.call is None:
            raise RuntimeError("this timer was called or cancelled already")
        self.due = due
        self.clock.timer_moved(self)


@implementer(IReactorTime)
class VirtualClock:
    """Time that moves only by ``advance``, ``advance_to`` and ``run_until``.

    A heap, so that a province's day with hundreds of thousands of timers costs no more per timer than a quiet minute
    (``twisted.internet.task.Clock`` sorts its whole list at each call). It also is an ``IReactorTime``, for the parts
    of Twisted that take one. ``wall0`` is the UTC second since the epoch at monotonic 0.

    What a call raises comes out of ``advance`` at once, with time standing at that call, and the clock may be
    advanced again.
    """

    def __init__(self, wall0: float = 0.0) -> None:
        self._now = 0.0
        self._wall0 = wall0
        self._set = 0
        self._cancelled = 0
        self._heap: list[tuple[float, int, VirtualTimer]] = []
        self.calls = 0
        """how many calls have been made so far"""

    def monotonic(self) -> float:
        """Seconds since the clock was made."""
        return self._now

    def wall(self) -> float:
        """UTC seconds since the epoch."""
        return self._wall0 + self._now

    def jump_wall(self, seconds: float) -> None:
        """Set the wall clock forward, or back; monotonic time and timers do not notice."""
        self._wall0 += seconds

    def call_later(self, delay_s: float, call: Callable[..., Any], *args: Any) -> VirtualTimer:
        """Call ``call(*args)`` after ``delay_s`` seconds; delays below 0 count as 0."""
        due = self._now + delay_s if delay_s > 0 else self._now
        timer = VirtualTimer(self, due, call, args)
        self._set += 1
        heappush(self._heap, (due, self._set, timer))
        return timer

    def seconds(self) -> float:
        """As ``monotonic`` (IReactorTime)."""
        return self._now

    def callLater(  # noqa: N802 - IReactorTime
        self, delay: float, callable: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> VirtualTimer:
        """As ``call_later`` (IReactorTime)."""
        return self.call_later(delay, partial(callable, **kwargs) if kwargs else callable, *args)

    def getDelayedCalls(self) -> list[VirtualTimer]:  # noqa: N802 - IReactorTime
        """All calls still to come, soonest first."""
        return [timer for due, _, timer in sorted(self._heap) if timer.active() and timer.getTime() == due]

    def next_due(self) -> float | None:
        """When the next call is due; None when there is none."""
        heap = self._heap
        while heap and not self._stands(heap[0]):
            self._dropped(heappop(heap)[2])
        return heap[0][0] if heap else None

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass, making every call that becomes due, in order."""
        self.advance_to(self._now + seconds)

    def advance_to(self, moment: float) -> None:
        """Let time pass until ``moment`` in seconds of ``monotonic``; a moment in the past is now."""
        self._make_calls(moment)
        self._now = max(self._now, moment)

    def run_until(self, condition: Callable[[], bool], within_s: float) -> bool:
        """Let time pass call by call until ``condition()``, at most ``within_s`` seconds; whether it came true.

        Time stands at the call that made it true.
        """
        if condition():
            return True
        deadline = self._now + within_s
        if self._make_calls(deadline, condition):
            return True
        self._now = deadline
        return condition()

    def timer_moved(self, timer: VirtualTimer) -> None:
        """A timer's due time was changed; its old place in the heap lapses."""
        self._set += 1
        heappush(self._heap, (timer.getTime(), self._set, timer))

    def timer_cancelled(self) -> None:
        """A timer was cancelled: its place in the heap goes when reached, or when half of all places are such."""
        self._cancelled += 1
        if self._cancelled > 1000 and self._cancelled * 2 > len(self._heap):
            self._heap[:] = [place for place in self._heap if self._stands(place)]
            heapify(self._heap)
            self._cancelled = 0

    @staticmethod
    def _stands(place: tuple[float, int, VirtualTimer]) -> bool:
        return place[2].call is not None and place[2].due == place[0]

    def _dropped(self, timer: VirtualTimer) -> None:
        """The place of a timer that was cancelled, or moved, was taken off the heap."""
        if timer.call is None and self._cancelled:
            self._cancelled -= 1

    def _make_calls(self, last: float, enough: Callable[[], bool] | None = None) -> bool:
        """Make the calls that are due until the moment ``last``, in order, or until ``enough()``: whether that came
        true.
        """
        heap = self._heap  # this loop is most of what a simulated day costs
        while heap and heap[0][0] <= last:
            due, _, timer = heappop(heap)
            call, owner = timer.call, timer.owner
            if call is None or timer.due != due:
                self._dropped(timer)
                continue
            if due > self._now:
                self._now = due
            if owner is None or owner.running:
                timer.call = None
                self.calls += 1
                call(*timer.args)
            else:
                owner.keep_back(timer)
            if enough is not None and enough():
                return True
        return False


class ProcessClock:
    """A ``VirtualClock`` as one simulated process has it.

    Its wall clock may be stepped, and the process may be stopped (SIGSTOP: what becomes due waits until it goes on) or
    killed (SIGKILL: nothing it had set is ever called), without a word to the others on the same virtual clock.
    """

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self.monotonic = clock.monotonic
        """seconds since the clock was made: all processes have the same"""
        self._waiting: list[VirtualTimer] = []
        self.killed = False
        self.running = True
        """False while stopped, and for ever once killed"""
        self.wall_step_s = 0.0
        """this process's wall clock before the true one"""

    def wall(self) -> float:
        """UTC seconds since the epoch, as this process believes."""
        return self._clock.wall() + self.wall_step_s

    def call_later(self, delay_s: float, call: Callable[..., Any], *args: Any) -> VirtualTimer:
        """Call ``call(*args)`` after ``delay_s`` seconds, or once the process goes on."""
        timer = self._clock.call_later(delay_s, call, *args)
        timer.owner = self
        return timer

    def reached_by(self, call: Callable[..., Any], *args: Any) -> None:
        """Something from outside: at once, or once the process goes on, or never."""
        if self.running:
            call(*args)
        elif not self.killed:
            self.call_later(0.0, call, *args)

    def stop(self) -> None:
        """SIGSTOP."""
        self.running = False

    def go_on(self) -> None:
        """SIGCONT: all that became due meanwhile is called, in its order."""
        if not self.killed:
            self.running = True
            waiting, self._waiting = self._waiting, []
            for timer in waiting:
                if timer.active():
                    timer.reset(0.0)

    def waiting(self) -> int:
        """How many calls became due while it was stopped."""
        return len(self._waiting)

    def kill(self) -> None:
        """SIGKILL."""
        self.killed = True
        self.running = False
        self._waiting = []

    def keep_back(self, timer: VirtualTimer) -> None:
        """For the virtual clock: ``timer`` is due and the process does not run."""
        if self.killed:
            timer.call = None
        else:
            self._waiting.append(timer)
