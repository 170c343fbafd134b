"""Runs a coroutine on the real reactor from a test, with a deadline, and insists that nothing is left behind."""

from __future__ import annotations

import gc
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from twisted.python.failure import Failure
from zope.interface import implementer

from tests.harness.driving import ReactorDriver

T = TypeVar("T")
reactor: Any = _reactor


@implementer(ILogObserver)
class _Failures:
    """What the reactor or a Deferred without errback logged as a failure."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __call__(self, event: LogEvent) -> None:
        if "log_failure" in event:
            self.texts.append(f"{formatEvent(event)}\n{event['log_failure'].getTraceback()}")


def _sockets() -> set[Any]:
    """What can be closed of all that the reactor looks at."""
    seen = {*reactor.getReaders(), *reactor.getWriters()}
    return {one for one in seen if hasattr(one, "abortConnection") or hasattr(one, "stopListening")}


def run_on_reactor(work: Callable[[Any], Coroutine[Deferred[Any], Any, T]], within: float = 30.0) -> T:
    """``work(reactor)``'s result. Fails at the deadline, on any failure logged, and on any timer left running."""
    outcome: list[T | Failure] = []
    failures = _Failures()
    globalLogPublisher.addObserver(failures)
    driver = ReactorDriver(reactor)
    before = _sockets()
    try:
        Deferred.fromCoroutine(work(reactor)).addBoth(outcome.append)
        in_time = driver.until(lambda: bool(outcome), within)
        driver.step(0.0)  # one more turn, for what was just closed
        gc.collect()
        if not in_time or isinstance(outcome[0], Failure):
            for socket in _sockets() - before:  # or they would be lost, and made again, in the tests to come
                socket.abortConnection() if hasattr(socket, "abortConnection") else socket.stopListening()
            driver.step(0.0)
    finally:
        globalLogPublisher.removeObserver(failures)
    left = [str(call) for call in reactor.getDelayedCalls()]
    for call in reactor.getDelayedCalls():
        call.cancel()
    assert in_time, f"not finished within {within:g} s"
    result = outcome[0]
    if isinstance(result, Failure):
        result.raiseException()
    assert not failures.texts, "logged: " + "\n".join(failures.texts)
    assert not left, f"timers left running: {left}"
    return result


class Recorder:
    """A list that can be awaited: ``put`` from callbacks, ``await until(condition)`` in the test."""

    def __init__(self) -> None:
        self.items: list[Any] = []
        self._waiting: list[tuple[Callable[[list[Any]], bool], Deferred[None]]] = []

    def put(self, *item: Any) -> None:
        self.items.append(item[0] if len(item) == 1 else item)
        for entry in list(self._waiting):
            if entry[0](self.items):
                self._waiting.remove(entry)
                entry[1].callback(None)

    def until(self, condition: Callable[[list[Any]], bool], within: float = 10.0) -> Deferred[None]:
        """Fires once ``condition(items)`` holds; fails with ``TimeoutError`` at the deadline."""
        answer: Deferred[None] = Deferred()
        if condition(self.items):
            answer.callback(None)
        else:
            self._waiting.append((condition, answer))
            answer.addTimeout(within, reactor)
        return answer

    def count(self, number: int, within: float = 10.0) -> Deferred[None]:
        """Fires once there are ``number`` items."""
        return self.until(lambda items: len(items) >= number, within)
