"""Lets a test turn a real Twisted reactor step by step, so that the same plain test runs on it and on virtual time.

pytest stays in charge of the main thread: nothing calls ``reactor.run()``. ``until`` turns the reactor's own loop
(``runUntilCurrent``, ``doIteration``) until a condition holds or its deadline is over.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from federation.node.clock import ReactorClock


class ReactorDriver:
    """Turns one reactor; make it once per test session, before anything sets a timer."""

    def __init__(self, reactor: Any = None) -> None:
        if reactor is None:
            from twisted.internet import reactor as global_reactor

            reactor = global_reactor
        self.reactor = reactor
        if not reactor.running:
            ReactorClock(reactor)  # puts its timers on monotonic time, while there are none yet
            reactor.startRunning(installSignalHandlers=False)
            self.step(0.0)

    def step(self, at_most_s: float) -> None:
        """One turn: make due calls, then wait for I/O or the next timer, at most so long."""
        self.reactor.runUntilCurrent()
        timeout = self.reactor.timeout()
        self.reactor.doIteration(at_most_s if timeout is None else max(0.0, min(timeout, at_most_s)))

    def until(self, condition: Callable[[], bool], within_s: float) -> bool:
        """Turn until ``condition()``, at most ``within_s`` seconds; whether it came true."""
        deadline = time.monotonic() + within_s
        while not condition():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self.step(min(left, 0.02))
        return True

    def result_of(self, deferred: Deferred[Any], within_s: float) -> Any:
        """Turn until ``deferred`` has fired; its result, or its failure raised; ``TimeoutError`` at the deadline."""
        outcome: list[Any] = []
        deferred.addBoth(outcome.append)
        if not self.until(lambda: bool(outcome), within_s):
            raise TimeoutError(f"a Deferred did not fire within {within_s} s")
        if isinstance(outcome[0], Failure):
            outcome[0].raiseException()
        return outcome[0]

    def close(self) -> None:
        """Fire the reactor's shutdown (thread pool and all); it cannot be started again."""
        if self.reactor.running:
            self.reactor.stop()
            self.until(lambda: not self.reactor.running, 5.0)
