"""How long each of several ears was without what it should hear."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping


class Listening:
    """``look`` at every turn; ``longest_s`` afterwards."""

    def __init__(self, ears: Mapping[str, Callable[[], bool]]) -> None:
        self._ears = ears
        self._missing_since: dict[str, float] = {}
        self.longest_s = dict.fromkeys(ears, 0.0)

    def look(self) -> None:
        """Listen now."""
        now = time.monotonic()
        for name, hears in self._ears.items():
            if hears():
                self._missing_since.pop(name, None)
            else:
                since = self._missing_since.setdefault(name, now)
                self.longest_s[name] = max(self.longest_s[name], now - since)

    def while_waiting(self, condition: Callable[[], bool]) -> Callable[[], bool]:
        """The condition, with a look at each time it is asked for."""

        def looked() -> bool:
            self.look()
            return condition()

        return looked
