"""Who may not try again for a while, after too many failures: of logins, of PINs."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from federation.ports import Clock

TRACKED = 10_000
"""names that are remembered; the longest untouched is forgotten first"""


@dataclass(slots=True)
class _Failures:
    count: int = 0
    locked_until: float = 0.0


class Lockout:
    """Counts failures by name. After ``failures`` of them a name is locked for ``lock_s`` seconds of ``clock``."""

    def __init__(self, clock: Clock, failures: int, lock_s: float) -> None:
        self._clock = clock
        self._most = failures
        self._lock_s = lock_s
        self._failures: OrderedDict[str, _Failures] = OrderedDict()

    def left_s(self, name: str) -> float:
        """How long ``name`` stays locked; 0 when it is not."""
        failures = self._failures.get(name)
        return 0.0 if failures is None else max(0.0, failures.locked_until - self._clock.monotonic())

    def failed(self, name: str) -> None:
        """One more failure."""
        failures = self._failures.setdefault(name, _Failures())
        self._failures.move_to_end(name)
        failures.count += 1
        if failures.count >= self._most:
            failures.count = 0
            failures.locked_until = self._clock.monotonic() + self._lock_s
        while len(self._failures) > TRACKED:
            self._failures.popitem(last=False)

    def passed(self, name: str) -> None:
        """All is well: the failures before count no more."""
        self._failures.pop(name, None)
