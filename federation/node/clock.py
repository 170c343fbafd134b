"""The two forms of ``federation.ports.Clock``: the reactor's time, and a virtual one that moves only when told to.

Both keep the order of calls that are due at the same moment (first set, first called), so that a run is repeatable.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import Any, Protocol, cast

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
class VirtualTimer:
    """One call set on a ``VirtualClock``."""

    __slots__ = ("_call", "_clock", "_time")

    def __init__(self, clock: VirtualClock, due: float, call: Callable[[], Any]) -> None:
        self._clock = clock
        self._time = due
        self._call: Callable[[], Any] | None = call

    def active(self) -> bool:
        """Whether the call is still to come."""
        return self._call is not None

    def cancel(self) -> None:
        """Do not call; ``RuntimeError`` when it was called or cancelled already."""
        if self._call is None:
            raise RuntimeError("this timer was called or cancelled already")
        self._call = None
        self._clock.timer_cancelled()

    def getTime(self) -> float:  # noqa: N802 - IDelayedCall
        """The moment it is due, in the clock's seconds."""
        return self._time

    def reset(self, secondsFromNow: float) -> None:  # noqa: N803 - IDelayedCall
        """Call that many seconds from now instead."""
        self._move(self._clock.monotonic() + secondsFromNow)

    def delay(self, secondsLater: float) -> None:  # noqa: N803 - IDelayedCall
        """Call that many seconds later than set."""
        self._move(self._time + secondsLater)

    def _move(self, due: float) -> None:
        if self._call is None:
            raise RuntimeError("this timer was called or cancelled already")
        self._time = due
        self._clock.timer_moved(self)

    def take(self) -> Callable[[], Any] | None:
        """The call, once; None when cancelled."""
        call, self._call = self._call, None
        return call


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
        return self._push(delay_s, (lambda: call(*args)) if args else call)

    def seconds(self) -> float:
        """As ``monotonic`` (IReactorTime)."""
        return self._now

    def callLater(  # noqa: N802 - IReactorTime
        self, delay: float, callable: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> VirtualTimer:
        """As ``call_later`` (IReactorTime)."""
        return self._push(delay, (lambda: callable(*args, **kwargs)) if args or kwargs else callable)

    def getDelayedCalls(self) -> list[VirtualTimer]:  # noqa: N802 - IReactorTime
        """All calls still to come, soonest first."""
        return [timer for due, _, timer in sorted(self._heap) if timer.active() and timer.getTime() == due]

    def next_due(self) -> float | None:
        """When the next call is due; None when there is none."""
        heap = self._heap
        while heap and not self._stands(heap[0]):
            self._drop_first()
        return heap[0][0] if heap else None

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass, making every call that becomes due, in order."""
        self.advance_to(self._now + seconds)

    def advance_to(self, moment: float) -> None:
        """Let time pass until ``moment`` in seconds of ``monotonic``; a moment in the past is now."""
        while (due := self.next_due()) is not None and due <= moment:
            self._make_next()
        self._now = max(self._now, moment)

    def run_until(self, condition: Callable[[], bool], within_s: float) -> bool:
        """Let time pass call by call until ``condition()``, at most ``within_s`` seconds; whether it came true.

        Time stands at the call that made it true.
        """
        deadline = self._now + within_s
        while not condition():
            due = self.next_due()
            if due is None or due > deadline:
                self._now = deadline
                return condition()
            self._make_next()
        return True

    def timer_moved(self, timer: VirtualTimer) -> None:
        """A timer's due time was changed; its old place in the heap lapses."""
        self._set += 1
        heappush(self._heap, (timer.getTime(), self._set, timer))

    def timer_cancelled(self) -> None:
        """A timer was cancelled: its place in the heap goes when reached, or when half of all places are such."""
        self._cancelled += 1
        if self._cancelled > 1000 and self._cancelled * 2 > len(self._heap):
            self._heap = [place for place in self._heap if self._stands(place)]
            heapify(self._heap)
            self._cancelled = 0

    def _push(self, delay: float, call: Callable[[], Any]) -> VirtualTimer:
        due = self._now + delay if delay > 0 else self._now
        timer = VirtualTimer(self, due, call)
        self._set += 1
        heappush(self._heap, (due, self._set, timer))
        return timer

    @staticmethod
    def _stands(place: tuple[float, int, VirtualTimer]) -> bool:
        return place[2].active() and place[2].getTime() == place[0]

    def _drop_first(self) -> None:
        _, _, timer = heappop(self._heap)
        if not timer.active() and self._cancelled:
            self._cancelled -= 1

    def _make_next(self) -> None:
        due, _, timer = heappop(self._heap)
        self._now = max(self._now, due)
        call = timer.take()
        if call is not None:
            self.calls += 1
            call()
