"""Does what follows from rows: one job after the other, again after a while what the store refuses."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from dataset.errors import Refused
from federation.ports import Clock, Timer

Job = Callable[[], Coroutine[Deferred[Any], Any, None]]
AGAIN_S = 30.0
"""after a refusal"""


class Follower:
    """Jobs in their order, one at a time; on the reactor's thread.

    A job that raises ``Refused`` stays the first and is tried again after ``AGAIN_S``; ``later`` hears why. Any other
    exception would come each time and hold up all the others: ``failed`` hears of it, and the job is left out.
    """

    def __init__(self, clock: Clock, *, later: Callable[[str], None], failed: Callable[[Failure], None]) -> None:
        self._clock = clock
        self._later = later
        self._failed = failed
        self._waiting: deque[Job] = deque()
        self._under_way: Job | None = None
        self._again: Timer | None = None
        self._stopped = False

    def __len__(self) -> int:
        """Jobs that are not done yet."""
        return len(self._waiting) + (self._under_way is not None)

    def add(self, jobs: Iterable[Job]) -> None:
        """Jobs that come after all others."""
        self._waiting.extend(jobs)
        self._work()

    def add_next(self, jobs: Iterable[Job]) -> None:
        """Jobs that come right after the one that is under way, before all that wait."""
        self._waiting.extendleft(reversed(list(jobs)))
        self._work()

    def stop(self) -> None:
        """Begin nothing more."""
        self._stopped = True
        if self._again is not None and self._again.active():
            self._again.cancel()

    def _work(self) -> None:
        waits = self._again is not None and self._again.active()
        if self._stopped or waits or self._under_way is not None or not self._waiting:
            return
        self._under_way = self._waiting.popleft()
        Deferred.fromCoroutine(self._under_way()).addCallbacks(self._done, self._not_done)

    def _done(self, _: None) -> None:
        self._under_way = None
        self._work()

    def _not_done(self, failure: Failure) -> None:
        job, self._under_way = self._under_way, None
        if self._stopped:
            return
        if failure.check(Refused) is None:
            self._failed(failure)
            self._work()
        else:
            assert job is not None
            self._waiting.appendleft(job)
            self._later(failure.getErrorMessage())
            self._again = self._clock.call_later(AGAIN_S, self._work)
