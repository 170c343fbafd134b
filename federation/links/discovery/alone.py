"""A province with one hub: it leads, and nobody else can."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred, succeed

from federation.core.leader import Tenure


class Alone:
    """``federation.ports.Leadership`` of the only hub: from its start, under term 1, or above what cities have heard
    of when the province had others.
    """

    def __init__(self) -> None:
        self._heard: Callable[[], int] | None = None
        self._changed: Callable[[Tenure | None], None] | None = None

    def compete(self, heard: Callable[[], int], changed: Callable[[Tenure | None], None]) -> None:
        """Lead at once."""
        self._heard, self._changed = heard, changed
        changed(Tenure(heard() + 1, float("inf")))

    def resign(self) -> None:
        """Lead on, under a higher term."""
        if self._heard is not None and self._changed is not None:
            self._changed(Tenure(self._heard() + 1, float("inf")))

    def stop(self) -> Deferred[None]:
        """Nobody waits for it."""
        self._heard = self._changed = None
        return succeed(None)
