"""How long the reactor is held, seen by a timer that asks for it every millisecond."""

from __future__ import annotations

import time

from twisted.internet.task import LoopingCall


class Watch:
    """For as long as a ``with`` block lasts.

    ``held_ms``: how late the timer came at the worst, whatever else the machine did; ``worked_ms``: the most processor
    time that the reactor's thread took from one look to the next, in which other programs have no part.
    """

    def __init__(self) -> None:
        self.held_ms = self.worked_ms = 0.0
        self._due = self._worked = 0.0
        self._call = LoopingCall(self._look)

    def __enter__(self) -> Watch:
        self._due, self._worked = time.perf_counter() + 0.001, time.thread_time()
        self._call.start(0.001, now=False)
        return self

    def __exit__(self, *raised: object) -> None:
        self._look()
        self._call.stop()

    def _look(self) -> None:
        now, worked = time.perf_counter(), time.thread_time()
        self.held_ms = max(self.held_ms, 1000 * (now - self._due))
        self.worked_ms = max(self.worked_ms, 1000 * (worked - self._worked))
        self._due, self._worked = now + 0.001, worked

    def found(self) -> dict[str, float]:
        """Both, for a table."""
        return {"held_ms": round(self.held_ms, 1), "worked_ms": round(self.worked_ms, 1)}
