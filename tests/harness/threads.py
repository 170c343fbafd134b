"""What stands for the reactor where a test waits for another thread: calls are made when the test pumps them."""

from __future__ import annotations

import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any


class ThreadCalls:
    """``callFromThread`` puts calls in line; ``until`` makes them in the test's own thread."""

    def __init__(self) -> None:
        self._calls: SimpleQueue[tuple[Callable[..., Any], tuple[Any, ...]]] = SimpleQueue()

    def callFromThread(self, callable: Callable[..., Any], *args: Any) -> None:  # noqa: N802
        self._calls.put((callable, args))

    def until(self, condition: Callable[[], bool], within_s: float = 20.0) -> None:
        deadline = time.monotonic() + within_s
        while not condition():
            try:
                call, args = self._calls.get(timeout=max(deadline - time.monotonic(), 0.0))
            except Empty:
                raise AssertionError(f"did not come true within {within_s} s") from None
            call(*args)
