"""Work that has to be done, but behind everything live (S4): in small pieces, and never for most of the time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable

from federation.ports import Clock, Timer

SHARE = 0.25
"""of the time that such work may take. What is live finds the reactor free three times out of four, and waits for one
piece at most; and since the time is the clock's and not the processor's, a machine that is short of processors gives
the more of what it has to what is live."""


class Behind:
    """Pieces of work, done at once while there are few, else one after the other with pauses between.

    Pieces of one ``line`` keep their order; of several lines each gets its turn, so that one sender's backlog does not
    hold up what the others have to report. A piece must not raise.
    """

    def __init__(self, clock: Clock, share: float = SHARE) -> None:
        self._clock = clock
        self._pause = 1 / share - 1
        """seconds of pause per second of work"""
        self._lines: dict[Hashable, deque[Callable[[], None]]] = {}
        """first the line whose turn it is"""
        self._free_at = float("-inf")
        self._timer: Timer | None = None
        self._working = False
        self._stopped = False

    def do(self, line: Hashable, piece: Callable[[], None]) -> None:
        """Do ``piece`` now, or in its turn; not at all after ``stop``."""
        if self._stopped:
            return
        if self._working or self._lines or self._clock.monotonic() < self._free_at:
            self._lines.setdefault(line, deque()).append(piece)
            self._wait()
        else:
            self._work(piece)

    def waiting(self) -> int:
        """Pieces that are not done yet."""
        return sum(len(line) for line in self._lines.values())

    def stop(self) -> None:
        """Forget what is not done."""
        self._stopped = True
        self._lines.clear()
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def _work(self, piece: Callable[[], None]) -> None:
        began = self._clock.monotonic()
        self._working = True
        try:
            piece()
        finally:
            self._working = False
            now = self._clock.monotonic()
            self._free_at = now + (now - began) * self._pause
            self._wait()

    def _wait(self) -> None:
        if self._lines and self._timer is None and not self._working:
            delay = max(self._free_at - self._clock.monotonic(), 0.0)
            self._timer = self._clock.call_later(delay, self._next)

    def _next(self) -> None:
        self._timer = None
        line, pieces = next(iter(self._lines.items()))
        piece = pieces.popleft()
        del self._lines[line]
        if pieces:
            self._lines[line] = pieces  # behind the others
        self._work(piece)
