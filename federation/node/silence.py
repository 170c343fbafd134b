"""Who has fallen silent: noticed at the very moment, not at the next look around (failure 2: within three beats)."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from dataset.ids import NodeId
from federation.ports import Clock, Timer

GRACE_S = 0.001
"""beyond the moment itself, so that whoever is told finds the silence long enough whatever floats do"""


class SilenceWatch:
    """Calls ``silent()`` once a node has not been heard for ``after_s``; one lazy timer for each node ever heard."""

    def __init__(self, clock: Clock, after_s: float, silent: Callable[[], None]) -> None:
        self._clock = clock
        self._after_s = after_s + GRACE_S
        self._silent = silent
        self._heard: dict[NodeId, float] = {}
        self._timers: dict[NodeId, Timer] = {}

    def heard(self, node: NodeId) -> None:
        """``node`` has just been heard."""
        self._heard[node] = self._clock.monotonic()
        if node not in self._timers:
            self._timers[node] = self._clock.call_later(self._after_s, self._look, node)

    def _look(self, node: NodeId) -> None:
        left = self._heard[node] + self._after_s - self._clock.monotonic()
        if left > 0.0:
            self._timers[node] = self._clock.call_later(max(left, GRACE_S), self._look, node)
        else:
            del self._timers[node]
            self._silent()

    def silent_s(self, node: NodeId) -> float:
        """Seconds since ``node`` was last heard; infinite when it never was."""
        return self._clock.monotonic() - self._heard.get(node, -inf)

    def stop(self) -> None:
        """Watch no longer."""
        for timer in self._timers.values():
            if timer.active():
                timer.cancel()
        self._timers.clear()
