"""How long this machine kept a process waiting that only wanted to wake up: what no program on it can be blamed for."""

from __future__ import annotations

import subprocess
import sys
from types import TracebackType

_WATCH = """
import sys, threading, time
worst = 0.0
over = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
while not over.is_set():
    due = time.monotonic() + 0.01
    over.wait(0.01)
    worst = max(worst, time.monotonic() - due)
print(worst)
"""


class StallWatch:
    """A process of its own that sleeps 10 ms at a time for as long as the ``with`` block lasts."""

    def __init__(self) -> None:
        self.worst_s = 0.0
        """the longest it overslept; known after the block"""

    def __enter__(self) -> StallWatch:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _WATCH], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        said, _ = self._process.communicate(timeout=10.0)
        self.worst_s = max(0.0, float(said))
